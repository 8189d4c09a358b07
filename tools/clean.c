/* clean.c - repairs text and drops the rows that are not worth training on, each with its reason.
 *
 * Each text passes the steps of enum step in that order: extraction of HTML, repair, replacements, language, the rules of a preset, conditions,
 * personal data. Documents are judged by their text, chat by its turns; the numbers of a text are computed once (text_stats.h). */
#include "common/tool.h"

#include "text/chat_rules.h"
#include "text/conditions.h"
#include "text/fasttext.h"
#include "text/funnel.h"
#include "text/html.h"
#include "text/lang.h"
#include "text/pii.h"
#include "text/quality.h"
#include "text/repair.h"

#include <math.h>
#include <stdio.h>

enum extract { EXTRACT_NONE, EXTRACT_MAIN, EXTRACT_ALL, EXTRACT_AUTO };
enum on { ON_AUTO, ON_YES, ON_NO };
enum pii { PII_NONE, PII_MASK, PII_TAG, PII_DROP };

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

/* What can drop a row, besides the preset's rules, which are numbered from N_STEPS. */
enum step { STEP_SIZE, STEP_REPLACE, STEP_LANG, STEP_DROP_IF, STEP_KEEP_IF, STEP_PII, STEP_LIMIT, N_STEPS };
static const char *const step_names[N_STEPS] = {"too_large", "replace_limit", "language", "drop_if", "keep_if", "pii", "pattern_limit"};

/* Why a row goes: step < 0 if it stays. */
struct fate {
	int step;
	double value, threshold;
	const char *rule;            /* NULL: the step's name */
};

/* What a worker keeps between rows. */
struct scratch {
	struct text_stats *stats;
	struct builder *rows;
	struct pattern_scratch *patterns;
	struct fasttext_scratch lid;
	struct html_page page;
	struct buf repaired, replaced, masked, all;
	struct chat_turn *turns;
	struct buf *contents;        /* of the turns, repaired */
	int64_t turns_cap;
	int64_t pii[N_PII];          /* of the row */
	int64_t *seen, *hit;         /* by step */
};

struct job {
	struct quality quality;
	struct repair repair;
	bool repairs, chat;
	struct opt_list langs;
	double lang_share;
	unsigned pii_kinds;
	struct fasttext *lid;
	struct patterns *refusals;
	struct replacement **replace;
	struct schema out;           /* input's columns, then those of --annotate and --pii tag */
	struct conditions *conditions; /* --drop-if, then --keep-if */
	int column, source;          /* of text or messages; of source, or -1 */
	int n_steps;
	struct scratch *scratch;     /* one per thread */
	struct funnel *funnel;
};

/* --- options ------------------------------------------------------------------------------------- */

static enum status parse_lang(struct job *j, struct error *err)
{
	j->lang_share = 0.65;
	if (!opts.lang)
		return opts.lid_model ? error_set(err, ERR_USAGE, "--lid-model wants --lang: which of its labels to keep") : OK;
	if (opts.lid_model)
		TRY(fasttext_open(&j->lid, opts.lid_model, err));
	const char *eq = strchr(opts.lang, '='), *s = opts.lang, *end = eq ? eq : s + strlen(s);
	if (eq && (opt_number(eq + 1, &j->lang_share, err) != OK || !(j->lang_share >= 0 && j->lang_share <= 1)))
		return error_set(err, ERR_USAGE, "--lang: a share from 0 to 1 is wanted after '=', not '%s'", eq + 1);
	while (s <= end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		size_t n = (size_t)((comma ? comma : end) - s);
		if (n < 2 || n > (j->lid ? 64 : 8))
			return error_set(err, ERR_USAGE, "--lang: codes such as en,zh are wanted, not '%s'", opts.lang);
		MEM_PUSH_ROOM(j->langs.items, j->langs.n, j->langs.cap);
		char *code = mem_strndup(s, n);
		j->langs.items[j->langs.n++] = code;
		if (j->lid && !fasttext_has(j->lid, code))
			return error_set(err, ERR_USAGE, "--lang: %s has no label '%s'", opts.lid_model, code);
		if (!j->lid && !lang_known(code))
			return error_set(err, ERR_USAGE, "--lang: no language '%s' is known; codes are as in en,zh,de", code);
		s += n + 1;
	}
	return OK;
}

static enum status choose_rules(struct job *j, struct error *err)
{
	TRY(quality_preset(&j->quality, opts.preset ? opts.preset : j->chat ? "chat" : "quern", err));
	if (opts.refusals)
		TRY(quality_set(&j->quality, "chat_refusal", err));
	for (int i = 0; i < opts.rules.n; i++)
		TRY(quality_set(&j->quality, opts.rules.items[i], err));
	for (int i = 0; i < opts.without.n; i++)
		TRY(quality_remove(&j->quality, opts.without.items[i], err));
	for (int i = 0; i < j->quality.n; i++)
		if (quality_chat_rule(&j->quality, i) == CHAT_REFUSALS && !opts.refusals)
			return error_set(err, ERR_USAGE, "rule 'chat_refusal' wants patterns: --refusals FILE");
	if (opts.words)
		j->quality.words = opts.words == 1 ? WORDS_SPACE : WORDS_UNICODE;
	j->repairs = opts.repair == ON_AUTO ? j->quality.repair : opts.repair == ON_YES;
	j->repair = (struct repair){opts.nfkc, !opts.no_mojibake, opts.hyphens};
	if (!j->repairs && (opts.nfkc || opts.hyphens))
		return error_set(err, ERR_USAGE, "--nfkc and --join-hyphens want --repair yes: preset '%s' takes texts as they are", j->quality.preset);
	return OK;
}

/* Mistakes that need no input to be seen. */
static enum status check_options(struct job *j, struct error *err)
{
	TRY(choose_rules(j, err));
	TRY(parse_lang(j, err));
	j->pii_kinds = PII_ALL;
	if (opts.pii_kinds)
		TRY(pii_parse(opts.pii_kinds, &j->pii_kinds, err));
	if (opts.pii_kinds && opts.pii == PII_NONE)
		return error_set(err, ERR_USAGE, "--pii-kinds without --pii mask, tag or drop does nothing");
	j->replace = mem_array((size_t)opts.replace.n + 1, sizeof(struct replacement *));
	for (int i = 0; i < opts.replace.n; i++)
		TRY(replacement_open(&j->replace[i], opts.replace.items[i], err));
	return opts.refusals ? patterns_read(&j->refusals, opts.refusals, err) : OK;
}

/* --- columns and conditions ------------------------------------------------------------------------ */

/* Whether --annotate gives this statistic a column: all but the variants that no rule looks at. */
static bool is_annotated(const struct job *j, int stat)
{
	for (int i = 0; i < j->quality.n; i++)
		if (quality_stat(&j->quality, i) == stat)
			return true;
	return stat < STAT_FIRST_VARIANT;
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
		if (is_annotated(j, k))
			TRY(add_column(&j->out, spec, err));
	}
	if (opts.annotate)
		TRY(add_column(&j->out, "reason: utf8?", err));
	return opts.pii == PII_TAG ? add_column(&j->out, "pii: utf8?", err) : OK;
}

static enum status open_conditions(struct job *j, struct error *err)
{
	const char **texts = mem_array((size_t)(opts.drop_if.n + opts.keep_if.n) + 1, sizeof(*texts));
	int n = 0;
	for (int i = 0; i < opts.drop_if.n; i++)
		texts[n++] = opts.drop_if.items[i];
	for (int i = 0; i < opts.keep_if.n; i++)
		texts[n++] = opts.keep_if.items[i];
	enum status st = n ? conditions_open(&j->conditions, tool_schema(&tool), texts, n, pool_threads(tool.pool), err) : OK;
	mem_free(texts);
	return st;
}

static void scratch_open(const struct job *j, struct scratch *x)
{
	x->stats = text_stats_open();
	x->patterns = pattern_scratch_open();
	x->rows = builder_open(&j->out);
	x->seen = mem_array((size_t)j->n_steps, sizeof(*x->seen));
	x->hit = mem_array((size_t)j->n_steps, sizeof(*x->hit));
}

/* --- fates ---------------------------------------------------------------------------------------- */

static const struct fate stays = {.step = -1};

/* Counts a row at a step that drops it or not; true if it does. */
static bool drops(struct scratch *x, struct fate *f, int step, bool failed)
{
	x->seen[step]++;
	x->hit[step] += failed;
	if (failed)
		*f = (struct fate){.step = step, .value = (double)NAN, .threshold = (double)NAN};
	return failed;
}

/* --- one text ------------------------------------------------------------------------------------- */

/* Whether the first part of a code ("zh" of "zh-Hant") or the whole is in the list. */
static bool lang_wanted(const struct job *j, const char *code)
{
	size_t base = strcspn(code, "-");
	for (int i = 0; i < j->langs.n; i++) {
		const char *want = j->langs.items[i];
		if (strcmp(want, code) == 0 || (strlen(want) == base && memcmp(want, code, base) == 0))
			return true;
	}
	return false;
}

static bool drop_by_language(const struct job *j, struct scratch *x, const char *s, size_t n, struct fate *f)
{
	char cld[16];
	const char *code = cld;
	if (j->langs.n == 0)
		return false;
	double share = j->lid ? fasttext_predict(j->lid, s, n, &x->lid, &code) : lang_detect(s, n, cld);
	if (!drops(x, f, STEP_LANG, !lang_wanted(j, code) || !(share >= j->lang_share)))
		return false;
	f->value = lang_wanted(j, code) ? share : 0;
	f->threshold = j->lang_share;
	return true;
}

/* Extraction, repair and replacements; the text lies in *out or where it was. False: the row goes. */
static bool prepare(const struct job *j, struct scratch *x, const char **s, size_t *n, struct buf *out, struct fate *f)
{
	bool too_large = false;
	buf_clear(out);
	if (opts.extract != EXTRACT_NONE && (opts.extract != EXTRACT_AUTO || html_looks_like(*s, *n))) {
		too_large = html_extract(*s, *n, opts.extract == EXTRACT_ALL ? HTML_ALL : HTML_MAIN, &x->page, NULL) != OK;
		*s = x->page.text.data ? x->page.text.data : "";
		*n = x->page.text.len;
	}
	if (drops(x, f, STEP_SIZE, too_large || *n > 1u << 30))
		return false;
	if (j->repairs)
		text_repair_as(&j->repair, *s, *n, out);
	else
		buf_add(out, *s, *n);
	for (int i = 0; i < opts.replace.n; i++) {
		int64_t count;
		buf_clear(&x->replaced);
		if (drops(x, f, STEP_REPLACE, replacement_apply(j->replace[i], out->data ? out->data : "", out->len, x->patterns, &x->replaced, &count, NULL) != OK))
			return false;
		struct buf swap = *out;
		*out = x->replaced;
		x->replaced = swap;
	}
	buf_reserve(out, 1);
	*s = out->data;
	*n = out->len;
	return true;
}

/* The preset's rules for documents, on the text that the statistics are set to. */
static bool drop_by_rules(const struct job *j, struct scratch *x, struct fate *f)
{
	struct verdict v = quality_judge(&j->quality, x->stats, x->seen + N_STEPS, x->hit + N_STEPS);
	if (v.rule >= 0)
		*f = (struct fate){N_STEPS + v.rule, v.value, j->quality.rules[v.rule].threshold, quality_name(&j->quality, v.rule)};
	return v.rule >= 0;
}

static bool drop_by_conditions(const struct job *j, struct scratch *x, int worker, struct batch *b, int64_t row, struct fate *f)
{
	for (int i = 0; i < opts.drop_if.n + opts.keep_if.n; i++) {
		bool drop = i < opts.drop_if.n, holds = conditions_hold(j->conditions, i, worker, b, row, x->stats, j->quality.words);
		if (drops(x, f, drop ? STEP_DROP_IF : STEP_KEEP_IF, holds == drop)) {
			f->rule = drop ? opts.drop_if.items[i] : opts.keep_if.items[i - opts.drop_if.n];
			return true;
		}
	}
	return false;
}

/* Personal data in a text that passed: replaces, counts or drops it. */
static bool drop_by_pii(const struct job *j, struct scratch *x, const char **s, size_t *n, struct fate *f)
{
	if (opts.pii == PII_NONE)
		return false;
	buf_clear(&x->masked);
	int64_t found = pii_scan(*s, *n, j->pii_kinds, opts.pii == PII_MASK ? &x->masked : NULL, x->pii);
	if (found && opts.pii == PII_MASK) {
		*s = x->masked.data;
		*n = x->masked.len;
	}
	return opts.pii == PII_DROP && drops(x, f, STEP_PII, found > 0);
}

/* {"email":2} in column pii; null if there was none. */
static void write_pii(const struct job *j, struct scratch *x)
{
	struct column *c = builder_column(x->rows, j->out.n_fields - 1);
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	json_begin_object(&w);
	for (int k = 0; k < N_PII; k++)
		if (x->pii[k])
			json_kv_int(&w, pii_name((enum pii_kind)k), x->pii[k]);
	json_end_object(&w);
	if (b.len > 2)
		column_text(c, b.data, b.len);
	else
		column_null(c);
	buf_release(&b);
}

/* The statistics' columns and the reason; they follow the input's. */
static void write_annotations(const struct job *j, struct scratch *x, const double *values, const struct fate *f)
{
	int at = tool_schema(&tool)->n_fields;
	for (int k = 0; k < N_STATS; k++) {
		if (!is_annotated(j, k))
			continue;
		if (values[k] == values[k])
			column_double(builder_column(x->rows, at++), values[k]);
		else
			column_null(builder_column(x->rows, at++));
	}
	if (f->step < 0)
		column_null(builder_column(x->rows, at));
	else
		column_str(builder_column(x->rows, at), f->step < N_STEPS ? step_names[f->step] : quality_reason(&j->quality, f->step - N_STEPS));
}

static void measure(const struct job *j, struct scratch *x, double *values)
{
	for (int k = 0; k < N_STATS; k++)
		if (is_annotated(j, k))
			values[k] = text_stats_get(x->stats, (enum stat)k, j->quality.words);
}

static struct fate clean_document(const struct job *j, struct scratch *x, int worker, struct batch *b, int64_t row, double *values)
{
	struct fate f = stays;
	size_t n;
	const char *s = array_text(&b->columns[j->column], row, &n);
	if (!prepare(j, x, &s, &n, &x->repaired, &f))
		return f;
	text_stats_set(x->stats, s, n);
	if (values)
		measure(j, x, values);
	if (drop_by_language(j, x, s, n, &f) || drop_by_rules(j, x, &f) || drop_by_conditions(j, x, worker, b, row, &f))
		return f;
	s = text_stats_text(x->stats, &n);
	if (!drop_by_pii(j, x, &s, &n, &f) && !opts.annotate)
		column_text(builder_column(x->rows, j->column), s, n);
	return f;
}

/* --- one conversation ---------------------------------------------------------------------------- */

static void turns_room(struct scratch *x, int64_t n)
{
	if (n <= x->turns_cap)
		return;
	x->turns = mem_grow(x->turns, (size_t)n, sizeof(*x->turns));
	x->contents = mem_grow(x->contents, (size_t)n, sizeof(*x->contents));
	memset(x->contents + x->turns_cap, 0, (size_t)(n - x->turns_cap) * sizeof(*x->contents));
	x->turns_cap = n;
}

static bool drop_by_pii_of_turns(const struct job *j, struct scratch *x, int64_t n, struct fate *f)
{
	for (int64_t i = 0; i < n; i++) {
		const char *s = x->turns[i].content;
		size_t len = x->turns[i].n_content;
		if (drop_by_pii(j, x, &s, &len, f))
			return true;
		if (s != x->turns[i].content) {
			buf_clear(&x->contents[i]);
			buf_add(&x->contents[i], s, len);
			x->turns[i].content = x->contents[i].data;
			x->turns[i].n_content = len;
		}
	}
	return false;
}

/* Writes the list anew: contents from the turns, every other field of a message as it was. */
static void write_turns(const struct scratch *x, const struct array *a, int64_t from, int64_t to, struct column *out)
{
	const struct array *messages = &a->children[0];
	struct column *element = column_child(out, 0);
	for (int64_t i = from; i < to; i++) {
		for (int c = 0; c < messages->field->n_children; c++) {
			const struct array *child = &messages->children[c];
			if (strcmp(child->field->name, "content") == 0 && !array_is_null(child, i))
				column_text(column_child(element, c), x->turns[i - from].content, x->turns[i - from].n_content);
			else
				column_copy(column_child(element, c), child, i);
		}
		column_end_struct(element);
	}
	column_end_list(out);
}

/* Prepares the turns [from, to), and x->all, their contents one behind the other. False: the row goes. */
static bool read_turns(const struct job *j, struct scratch *x, const struct array *a, int64_t from, int64_t to, struct fate *f)
{
	const struct array *role = array_child(&a->children[0], "role"), *content = array_child(&a->children[0], "content");
	turns_room(x, to - from);
	buf_clear(&x->all);
	for (int64_t i = from; i < to; i++) {
		struct chat_turn *t = &x->turns[i - from];
		t->role = array_text(role, i, &t->n_role);
		t->content = array_text(content, i, &t->n_content);
		if (!prepare(j, x, &t->content, &t->n_content, &x->contents[i - from], f))
			return false;
		buf_add(&x->all, t->content, t->n_content);
		buf_char(&x->all, '\n');
	}
	buf_reserve(&x->all, 1);
	return !drops(x, f, STEP_SIZE, x->all.len > 1u << 30);
}

static bool drop_by_chat_rules(const struct job *j, struct scratch *x, int64_t n, struct fate *f)
{
	for (int i = 0; i < j->quality.n; i++) {
		double value;
		enum chat_stat which = (enum chat_stat)quality_chat_rule(&j->quality, i);
		if (drops(x, f, STEP_LIMIT, chat_measure(which, x->turns, n, x->stats, j->refusals, x->patterns, &value, NULL) != OK))
			return true;
		if (!drops(x, f, N_STEPS + i, quality_fails(&j->quality, i, value)))
			continue;
		*f = (struct fate){N_STEPS + i, value, j->quality.rules[i].threshold, quality_name(&j->quality, i)};
		return true;
	}
	return false;
}

static struct fate clean_chat(const struct job *j, struct scratch *x, int worker, struct batch *b, int64_t row, double *values)
{
	struct fate f = stays;
	int64_t from, to;
	const struct array *a = &b->columns[j->column];
	array_list(a, row, &from, &to);
	if (!read_turns(j, x, a, from, to, &f) || drop_by_language(j, x, x->all.data, x->all.len, &f) || drop_by_chat_rules(j, x, to - from, &f))
		buf_reserve(&x->all, 1);
	if (values || (f.step < 0 && j->conditions))
		text_stats_set(x->stats, x->all.data ? x->all.data : "", x->all.len);
	if (values)
		measure(j, x, values);
	if (f.step >= 0 || drop_by_conditions(j, x, worker, b, row, &f) || drop_by_pii_of_turns(j, x, to - from, &f))
		return f;
	if (!opts.annotate)
		write_turns(x, a, from, to, builder_column(x->rows, j->column));
	return f;
}

/* --- the loop ------------------------------------------------------------------------------------ */

struct item {
	struct batch *in, *out;
	struct fate *fates;
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
	struct batch *b = it->in;
	struct scratch *x = &j->scratch[worker];
	double values[N_STATS];
	(void)err;
	if (!x->rows)
		scratch_open(j, x);
	for (int64_t row = 0; row < b->rows; row++) {
		struct fate *f = &it->fates[row];
		memset(x->pii, 0, sizeof(x->pii));
		for (int k = 0; opts.annotate && k < N_STATS; k++)
			values[k] = (double)NAN;
		*f = (j->chat ? clean_chat : clean_document)(j, x, worker, b, row, opts.annotate ? values : NULL);
		if (opts.annotate)
			write_annotations(j, x, values, f);
		else if (f->step >= 0)
			continue;
		for (int i = 0; i < b->schema->n_fields; i++)
			if (i != j->column || opts.annotate)
				column_copy(builder_column(x->rows, i), &b->columns[i], row);
		if (opts.pii == PII_TAG)
			write_pii(j, x);
	}
	it->out = builder_finish(x->rows);
	return OK;
}

static enum status write_item(void *arg, void *item, struct error *err)
{
	struct job *j = arg;
	struct item *it = item;
	for (int64_t row = 0; row < it->in->rows; row++) {
		const struct fate *f = &it->fates[row];
		if (j->source >= 0) {
			size_t n;
			const char *source = array_text(&it->in->columns[j->source], row, &n);
			funnel_add(j->funnel, source, n, f->step);
		}
		if (f->step < 0 || opts.annotate)
			continue;
		const char *reason = f->step < N_STEPS ? step_names[f->step] : quality_reason(&j->quality, f->step - N_STEPS);
		TRY(tool_reject_measured(&tool, it->in, row, reason, f->rule ? f->rule : reason, f->value, f->threshold, err));
	}
	return it->out && it->out->rows ? tool_write(&tool, it->out, err) : OK;
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

static const char *name_of(const struct job *j, int step)
{
	return step < N_STEPS ? step_names[step] : quality_name(&j->quality, step - N_STEPS);
}

/* A step that saw rows and dropped none, or more than half, is one that somebody should look at. */
static void warn(const struct job *j, const int64_t *seen, const int64_t *hit)
{
	struct buf idle = {0};
	for (int i = 0; i < j->n_steps; i++) {
		bool rewrites = i >= N_STEPS && quality_rewrites(&j->quality, i - N_STEPS);
		bool told = i >= N_STEPS || i == STEP_LANG || i == STEP_DROP_IF || i == STEP_KEEP_IF;
		if (told && seen[i] && !hit[i])
			buf_printf(&idle, "%s%s", idle.len ? ", " : "", name_of(j, i));
		if (told && !rewrites && hit[i] * 2 > seen[i])
			tool_say(&tool, "warning: %s drops %lld of the %lld rows that it sees", name_of(j, i), (long long)hit[i], (long long)seen[i]);
	}
	if (idle.len)
		tool_say(&tool, "warning: nothing is hit by %s", idle.data);
	buf_release(&idle);
}

/* seen, hit and kept by rule, as a table for people and as JSON; the funnel by source for --stats. */
static void report(const struct job *j)
{
	int64_t *seen = mem_array((size_t)j->n_steps, sizeof(*seen)), *hit = mem_array((size_t)j->n_steps, sizeof(*hit));
	const char **names = mem_array((size_t)j->n_steps, sizeof(*names));
	struct buf json = {0}, test = {0};
	struct json_writer w = json_writer_open(&json, 2);
	json_begin_object(&w);
	tool_say(&tool, "%-30s %12s %12s %12s", "rule", "seen", "hit", "kept");
	for (int i = 0; i < j->n_steps; i++) {
		for (int k = 0; k < pool_threads(tool.pool); k++) {
			seen[i] += j->scratch[k].seen ? j->scratch[k].seen[i] : 0;
			hit[i] += j->scratch[k].hit ? j->scratch[k].hit[i] : 0;
		}
		names[i] = name_of(j, i);
		if (i < N_STEPS && !seen[i])
			continue;
		bool rewrites = i >= N_STEPS && quality_rewrites(&j->quality, i - N_STEPS);
		int64_t kept = seen[i] - (rewrites ? 0 : hit[i]);
		buf_clear(&test);
		if (i >= N_STEPS && !rewrites)
			quality_print(&j->quality, i - N_STEPS, &test);
		if (i >= N_STEPS || hit[i])
			tool_say(&tool, "%-30s %12lld %12lld %12lld  %s", names[i], (long long)seen[i], (long long)hit[i], (long long)kept,
				 rewrites ? "rewrites" : test.data ? test.data : "");
		json_key(&w, names[i]);
		json_begin_object(&w);
		json_kv_int(&w, "seen", seen[i]);
		json_kv_int(&w, "hit", hit[i]);
		json_kv_int(&w, "kept", kept);
		json_end_object(&w);
	}
	json_end_object(&w);
	tool_stat_table(&tool, "rules", json.data);
	warn(j, seen, hit);
	if (j->source >= 0) {
		buf_clear(&json);
		w = json_writer_open(&json, 2);
		funnel_json(j->funnel, names, &w);
		tool_stat_table(&tool, "sources", json.data);
	}
	buf_release(&json);
	buf_release(&test);
	mem_free(seen);
	mem_free(hit);
	mem_free(names);
}

static void scratch_release(struct scratch *x)
{
	builder_close(x->rows);
	text_stats_close(x->stats);
	pattern_scratch_close(x->patterns);
	fasttext_scratch_release(&x->lid);
	html_page_clear(&x->page);
	buf_release(&x->repaired);
	buf_release(&x->replaced);
	buf_release(&x->masked);
	buf_release(&x->all);
	for (int64_t i = 0; i < x->turns_cap; i++)
		buf_release(&x->contents[i]);
	mem_free(x->turns);
	mem_free(x->contents);
	mem_free(x->seen);
	mem_free(x->hit);
}

static void job_release(struct job *j)
{
	for (int i = 0; j->scratch && i < pool_threads(tool.pool); i++)
		scratch_release(&j->scratch[i]);
	mem_free(j->scratch);
	for (int i = 0; i < j->langs.n; i++)
		mem_free((void *)j->langs.items[i]);
	mem_free(j->langs.items);
	for (int i = 0; j->replace && i < opts.replace.n; i++)
		replacement_close(j->replace[i]);
	mem_free(j->replace);
	patterns_close(j->refusals);
	fasttext_close(j->lid);
	conditions_close(j->conditions);
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
	TRY(quality_check(&j->quality, j->chat, err));
	TRY(open_conditions(j, err));
	TRY(make_schema(j, err));
	TRY(tool_open_output(&tool, &j->out, tool_kind(&tool), err));
	j->n_steps = N_STEPS + j->quality.n;
	j->funnel = funnel_open(j->n_steps);
	j->scratch = mem_array((size_t)pool_threads(tool.pool), sizeof(*j->scratch));
	struct pipeline p = {read_item, work_item, write_item, free_item, j, 0};
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
