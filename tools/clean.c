/* clean.c - repairs text and drops the rows that are not worth training on, each with its reason.
 *
 * What becomes of a row is cleaner.h's: extraction of HTML, repair, replacements, language, the rules of a preset, conditions, personal data.
 * Here are the options, the rows that pass by, and the report. */
#include "common/tool.h"

#include "text/chat_rules.h"
#include "text/cleaner.h"
#include "text/funnel.h"

#include <stdio.h>

enum on { ON_AUTO, ON_YES, ON_NO };

static struct {
	const char *preset, *lang, *lid_model, *pii_kinds, *refusals;
	struct opt_list rules, without, replace, drop_if, keep_if;
	int extract, pii, words, repair;
	bool nfkc, hyphens, no_mojibake, annotate;
} opts;

static struct opt options[] = {
	OPT_STRING(0, "preset", &opts.preset, "NAME", "rules to apply: quern, gopher, gopher-dolma, c4-paper, c4-tfds, fineweb-v1, datatrove-0.10, chat or none; "
		   "by default quern, chat for chat"),
	OPT_LIST(0, "rule", &opts.rules, "NAME[=VALUE]", "add a rule, or change its threshold"),
	OPT_LIST(0, "without", &opts.without, "NAME", "leave out a rule of the preset"),
	OPT_CHOICE(0, "words", &opts.words, "auto|space|unicode", "what rules count as words: what white space parts, or the segments of UAX 29; auto is the preset's way"),
	OPT_LIST(0, "drop-if", &opts.drop_if, "EXPR", "drop rows for which this holds, in terms of columns and statistics, as view --where takes it"),
	OPT_LIST(0, "keep-if", &opts.keep_if, "EXPR", "drop rows for which this does not hold"),
	OPT_FLAG(0, "annotate", &opts.annotate, "add the statistics and the reason as columns; drop and change nothing"),
	OPT_CHOICE(0, "extract", &opts.extract, "none|main|all|auto",
		   "take texts as HTML and keep their main content or all text; auto is main for texts that look like a page"),
	OPT_CHOICE(0, "repair", &opts.repair, "auto|yes|no", "repair texts first; auto is yes but for presets that reproduce another program"),
	OPT_FLAG(0, "nfkc", &opts.nfkc, "repair to NFKC instead of NFC"),
	OPT_FLAG(0, "join-hyphens", &opts.hyphens, "repair words broken by a hyphen at a line's end"),
	OPT_FLAG(0, "keep-mojibake", &opts.no_mojibake, "leave UTF-8 that was read as Latin-1 or Windows-1252 as it is"),
	OPT_LIST(0, "replace", &opts.replace, "REGEX=>TEXT", "replace what a PCRE2 pattern matches, before any rule; $1 is a group"),
	OPT_STRING(0, "lang", &opts.lang, "CODE,...[=SHARE]",
		   "keep texts mainly in one of these languages, by CLD2, with at least this share of the text (0.65)"),
	OPT_STRING(0, "lid-model", &opts.lid_model, "FILE", "tell languages by this fastText model instead, by the probability of its first label"),
	OPT_CHOICE(0, "pii", &opts.pii, "none|mask|tag|drop", "personal data: leave, replace by [EMAIL] and so on, count in column pii, or drop the row"),
	OPT_STRING(0, "pii-kinds", &opts.pii_kinds, "KIND,...", "which of email, ip, phone, card, iban, key; by default all"),
	OPT_STRING(0, "refusals", &opts.refusals, "FILE", "drop chat in which the assistant says what one of these patterns matches, a line each"),
	OPT_END,
};

static struct tool tool = {
	.name = "clean",
	.summary = "repair text and drop rows that are not worth training on",
	.operands = "[FILE ...]",
	.options = options,
	.max_operands = -1,
	.measures = true,
};

struct job {
	struct cleaner cleaner;
	bool chat;
	struct schema out;           /* input's columns, then those of --annotate and --pii tag */
	int column, source;          /* of text or messages; of source, or -1 */
	struct clean_worker *workers; /* one per thread */
	struct builder **rows;
	struct funnel *funnel;
	const char **tests;          /* of --drop-if, then of --keep-if */
};

/* --- options ------------------------------------------------------------------------------------- */

static enum status choose_rules(struct job *j, struct error *err)
{
	struct cleaner *c = &j->cleaner;
	struct quality *q = &c->quality;
	TRY(quality_preset(q, opts.preset ? opts.preset : j->chat ? "chat" : "quern", err));
	if (opts.refusals)
		TRY(quality_set(q, "chat_refusal", err));
	for (int i = 0; i < opts.rules.n; i++)
		TRY(quality_set(q, opts.rules.items[i], err));
	for (int i = 0; i < opts.without.n; i++)
		TRY(quality_remove(q, opts.without.items[i], err));
	for (int i = 0; i < q->n; i++)
		if (quality_chat_rule(q, i) == CHAT_REFUSALS && !opts.refusals)
			return error_set(err, ERR_USAGE, "rule 'chat_refusal' wants patterns: --refusals FILE");
	if (opts.words)
		q->words = opts.words == 1 ? WORDS_SPACE : WORDS_UNICODE;
	c->repairs = opts.repair == ON_AUTO ? q->repair : opts.repair == ON_YES;
	c->repair = (struct repair){.nfkc = opts.nfkc, .mojibake = !opts.no_mojibake, .hyphens = opts.hyphens};
	c->consume = !tool.rejects_path && !opts.annotate;
	if (!c->repairs && (opts.nfkc || opts.hyphens))
		return error_set(err, ERR_USAGE, "--nfkc and --join-hyphens want --repair yes: preset '%s' takes texts as they are", q->preset);
	return OK;
}

/* Without --preset the input tells which is meant: rules that suit one of them will do so far. */
static enum status choose_rules_early(struct job *j, struct error *err)
{
	enum status st = choose_rules(j, err);
	if (st == OK || opts.preset)
		return st;
	j->chat = true;
	return choose_rules(j, NULL) == OK ? OK : st;
}

/* Mistakes that need no input to be seen. */
static enum status check_options(struct job *j, struct error *err)
{
	struct cleaner *c = &j->cleaner;
	TRY(choose_rules_early(j, err));
	if (opts.lang)
		TRY(lang_filter_open(&c->lang, opts.lang, opts.lid_model, err));
	else if (opts.lid_model)
		return error_set(err, ERR_USAGE, "--lid-model wants --lang: which of its labels to keep");
	c->extract = (enum clean_extract)opts.extract;
	c->pii = (enum clean_pii)opts.pii;
	c->pii_kinds = PII_ALL;
	if (opts.pii_kinds)
		TRY(pii_parse(opts.pii_kinds, &c->pii_kinds, err));
	if (opts.pii_kinds && opts.pii == PII_LEAVE)
		return error_set(err, ERR_USAGE, "--pii-kinds without --pii mask, tag or drop does nothing");
	c->replace = mem_array((size_t)opts.replace.n + 1, sizeof(struct replacement *));
	for (int i = 0; i < opts.replace.n; i++, c->n_replace++)
		TRY(replacement_open(&c->replace[i], opts.replace.items[i], err));
	return opts.refusals ? patterns_read(&c->refusals, opts.refusals, err) : OK;
}

/* --- columns and conditions ------------------------------------------------------------------------ */

/* --annotate gives each statistic a column, but the variants that no rule looks at. */
static void choose_statistics(struct cleaner *c)
{
	for (int k = 0; k < N_STATS; k++)
		c->measured[k] = k < STAT_FIRST_VARIANT;
	for (int i = 0; i < c->quality.n; i++)
		if (quality_stat(&c->quality, i) >= 0)
			c->measured[quality_stat(&c->quality, i)] = true;
}

static enum status add_column(struct schema *s, const char *spec, struct error *err)
{
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec, ":"), spec);
	if (schema_find(s, name) >= 0)
		return error_set(err, ERR_DATA, "the input has a column '%s' already, which would be lost", name);
	schema_add_spec(s, spec);
	return OK;
}

static enum status make_schema(struct job *j, struct error *err)
{
	char spec[64];
	schema_copy(&j->out, tool_schema(&tool));
	for (int k = 0; opts.annotate && k < N_STATS; k++) {
		snprintf(spec, sizeof(spec), "%s: float64?", stat_name((enum stat)k));
		if (j->cleaner.measured[k])
			TRY(add_column(&j->out, spec, err));
	}
	if (opts.annotate)
		TRY(add_column(&j->out, "reason: utf8?", err));
	return opts.pii == PII_TAG ? add_column(&j->out, "pii: utf8?", err) : OK;
}

static enum status open_conditions(struct job *j, struct error *err)
{
	struct cleaner *c = &j->cleaner;
	j->tests = mem_array((size_t)(opts.drop_if.n + opts.keep_if.n) + 1, sizeof(*j->tests));
	c->tests = j->tests;
	c->n_drop_if = opts.drop_if.n;
	for (int i = 0; i < opts.drop_if.n; i++)
		j->tests[c->n_tests++] = opts.drop_if.items[i];
	for (int i = 0; i < opts.keep_if.n; i++)
		j->tests[c->n_tests++] = opts.keep_if.items[i];
	return c->n_tests ? conditions_open(&c->conditions, tool_schema(&tool), c->tests, c->n_tests, pool_threads(tool.pool), err) : OK;
}

/* --- rows ----------------------------------------------------------------------------------------- */

/* {"email":2} in column pii; null if there was none. */
static void write_pii(const int64_t *found, struct column *c)
{
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	json_begin_object(&w);
	for (int k = 0; k < N_PII; k++)
		if (found[k])
			json_kv_int(&w, pii_name((enum pii_kind)k), found[k]);
	json_end_object(&w);
	if (b.len > 2)
		column_text(c, b.data, b.len);
	else
		column_null(c);
	buf_release(&b);
}

/* The statistics' columns and the reason; they follow the input's. */
static void write_annotations(const struct job *j, struct builder *rows, const double *values, const struct clean_fate *f)
{
	int at = tool_schema(&tool)->n_fields;
	for (int k = 0; k < N_STATS; k++) {
		if (!j->cleaner.measured[k])
			continue;
		if (values[k] == values[k])
			column_double(builder_column(rows, at++), values[k]);
		else
			column_null(builder_column(rows, at++));
	}
	if (f->step < 0)
		column_null(builder_column(rows, at));
	else
		column_str(builder_column(rows, at), clean_step_reason(&j->cleaner, f->step));
}

/* --- the loop ------------------------------------------------------------------------------------ */

struct item {
	struct batch *in, *out;
	struct clean_fate *fates;
};

static enum status read_item(void *arg, void **item, struct error *err)
{
	struct batch *b;
	(void)arg;
	TRY(tool_next(&tool, &b, err));
	struct item *it = mem_zalloc(sizeof(*it));
	it->in = b;
	it->fates = mem_array((size_t)b->rows, sizeof(*it->fates));
	*item = it;
	return OK;
}

static enum status work_item(void *arg, void *item, int worker, struct error *err)
{
	struct job *j = arg;
	struct item *it = item;
	struct clean_worker *w = &j->workers[worker];
	double values[N_STATS];
	(void)err;
	if (!w->scratch) {
		clean_worker_open(w, &j->cleaner, worker);
		j->rows[worker] = builder_open(&j->out);
	}
	struct builder *rows = j->rows[worker];
	for (int64_t row = 0; row < it->in->rows; row++) {
		struct clean_fate *f = &it->fates[row];
		*f = clean_row(w, j->chat, it->in, row, j->column, opts.annotate ? values : NULL, opts.annotate ? NULL : builder_column(rows, j->column));
		if (opts.annotate)
			write_annotations(j, rows, values, f);
		else if (f->step >= 0)
			continue;
		for (int i = 0; i < it->in->schema->n_fields; i++)
			if (i != j->column || opts.annotate)
				column_copy(builder_column(rows, i), &it->in->columns[i], row);
		if (opts.pii == PII_TAG)
			write_pii(w->pii, builder_column(rows, j->out.n_fields - 1));
	}
	it->out = builder_finish(rows);
	return OK;
}

static enum status write_item(void *arg, void *item, struct error *err)
{
	struct job *j = arg;
	struct item *it = item;
	for (int64_t row = 0; row < it->in->rows; row++) {
		const struct clean_fate *f = &it->fates[row];
		if (j->source >= 0) {
			size_t n;
			const char *source = array_text(&it->in->columns[j->source], row, &n);
			funnel_add(j->funnel, source, n, f->step);
		}
		if (f->step < 0 || opts.annotate)
			continue;
		const char *reason = clean_step_reason(&j->cleaner, f->step);
		TRY(tool_reject_measured(&tool, it->in, row, reason, f->rule ? f->rule : reason, f->value, f->threshold, err));
	}
	return it->out && it->out->rows ? tool_write(&tool, it->out, err) : OK;
}

static size_t item_bytes(void *arg, void *item)
{
	(void)arg;
	return tool_huge_bytes(((struct item *)item)->in);
}

static void free_item(void *arg, void *item)
{
	struct item *it = item;
	(void)arg;
	batch_release(it->in);
	batch_release(it->out);
	mem_free(it->fates);
	mem_free(it);
}

/* --- the report ---------------------------------------------------------------------------------- */

/* A step that saw rows and dropped none, or more than half, is one that somebody should look at. */
static void warn(const struct cleaner *c, const int64_t *seen, const int64_t *hit)
{
	struct buf idle = {0};
	for (int i = 0; i < clean_steps(c); i++) {
		bool rewrites = i >= CLEAN_RULES && quality_rewrites(&c->quality, i - CLEAN_RULES);
		bool told = i >= CLEAN_RULES || i == STEP_LANG || i == STEP_DROP_IF || i == STEP_KEEP_IF;
		if (told && seen[i] && !hit[i])
			buf_printf(&idle, "%s%s", idle.len ? ", " : "", clean_step_name(c, i));
		if (told && !rewrites && hit[i] * 2 > seen[i])
			tool_say(&tool, "warning: %s drops %lld of the %lld rows that it sees", clean_step_name(c, i), (long long)hit[i], (long long)seen[i]);
	}
	if (idle.len)
		tool_say(&tool, "warning: nothing is hit by %s", idle.data);
	buf_release(&idle);
}

/* A step's line of the table for people, and its part of the JSON. */
static void report_step(const struct cleaner *c, int i, int64_t seen, int64_t hit, struct json_writer *w)
{
	bool rule = i >= CLEAN_RULES, rewrites = rule && quality_rewrites(&c->quality, i - CLEAN_RULES);
	int64_t kept = seen - (rewrites ? 0 : hit);
	struct buf test = {0};
	if (!rule && !seen)
		return;
	buf_str(&test, rewrites ? "rewrites" : "");
	if (rule && !rewrites)
		quality_print(&c->quality, i - CLEAN_RULES, &test);
	if (rule || hit)
		tool_say(&tool, "%-30s %12lld %12lld %12lld  %s", clean_step_name(c, i), (long long)seen, (long long)hit, (long long)kept, test.data);
	json_key(w, clean_step_name(c, i));
	json_begin_object(w);
	json_kv_int(w, "seen", seen);
	json_kv_int(w, "hit", hit);
	json_kv_int(w, "kept", kept);
	json_end_object(w);
	buf_release(&test);
}

/* seen, hit and kept by rule, as a table for people and as JSON; the funnel by source for --stats. */
static void report(const struct job *j)
{
	const struct cleaner *c = &j->cleaner;
	int n = clean_steps(c);
	int64_t *seen = mem_array((size_t)n, sizeof(*seen)), *hit = mem_array((size_t)n, sizeof(*hit));
	const char **names = mem_array((size_t)n, sizeof(*names));
	struct buf json = {0};
	struct json_writer w = json_writer_open(&json, 2);
	json_begin_object(&w);
	tool_say(&tool, "%-30s %12s %12s %12s", "rule", "seen", "hit", "kept");
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < pool_threads(tool.pool); k++) {
			seen[i] += j->workers[k].seen ? j->workers[k].seen[i] : 0;
			hit[i] += j->workers[k].hit ? j->workers[k].hit[i] : 0;
		}
		names[i] = clean_step_name(c, i);
		report_step(c, i, seen[i], hit[i], &w);
	}
	json_end_object(&w);
	tool_stat_table(&tool, "rules", json.data);
	warn(c, seen, hit);
	if (j->source >= 0) {
		buf_clear(&json);
		w = json_writer_open(&json, 2);
		funnel_json(j->funnel, names, &w);
		tool_stat_table(&tool, "sources", json.data);
	}
	buf_release(&json);
	mem_free(seen);
	mem_free(hit);
	mem_free(names);
}

/* --- the run ------------------------------------------------------------------------------------- */

static void job_release(struct job *j)
{
	struct cleaner *c = &j->cleaner;
	for (int i = 0; j->workers && i < pool_threads(tool.pool); i++) {
		clean_worker_close(&j->workers[i]);
		builder_close(j->rows[i]);
	}
	mem_free(j->workers);
	mem_free(j->rows);
	for (int i = 0; i < c->n_replace; i++)
		replacement_close(c->replace[i]);
	mem_free(c->replace);
	patterns_close(c->refusals);
	lang_filter_close(c->lang);
	conditions_close(c->conditions);
	mem_free(j->tests);
	funnel_close(j->funnel);
	schema_release(&j->out);
}

static enum status clean(struct job *j, struct error *err)
{
	static const enum kind kinds[] = {KIND_DOCUMENTS, KIND_CHAT};
	TRY(check_options(j, err));      /* mistakes in names are told before any input is waited for */
	TRY(tool_open_inputs(&tool, kinds, 2, err));
	if (opts.lid_model)
		TRY(tool_add_input(&tool, opts.lid_model, err));
	if (opts.refusals)
		TRY(tool_add_input(&tool, opts.refusals, err));
	j->chat = tool_kind(&tool) == KIND_CHAT;
	j->column = schema_find(tool_schema(&tool), j->chat ? "messages" : "text");
	j->source = schema_find(tool_schema(&tool), "source");
	if (j->source >= 0 && !field_is_text(&tool_schema(&tool)->fields[j->source]))
		j->source = -1;
	TRY(choose_rules(j, err));
	TRY(quality_check(&j->cleaner.quality, j->chat, err));
	choose_statistics(&j->cleaner);
	TRY(open_conditions(j, err));
	TRY(make_schema(j, err));
	TRY(tool_open_output(&tool, &j->out, tool_kind(&tool), err));
	j->funnel = funnel_open(clean_steps(&j->cleaner));
	j->workers = mem_array((size_t)pool_threads(tool.pool), sizeof(*j->workers));
	j->rows = mem_array((size_t)pool_threads(tool.pool), sizeof(*j->rows));
	struct pipeline p = {read_item, work_item, write_item, free_item, j, 0, item_bytes};
	enum status st = pool_pipeline(tool.pool, &p, err);
	if (st != OK && st != END)
		return st;
	report(j);
	return tool_commit(&tool, err);
}

static enum status run(struct error *err)
{
	static struct job j;
	enum status st = clean(&j, err);
	job_release(&j);
	return st;
}

int main(int argc, char **argv)
{
	struct error err = {{0}};
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
