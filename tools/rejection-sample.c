/* quern rejection-sample - from scored completions to training data.
 *
 * Scores in; out come the best completions as chat (the default), pairs of better and worse as preferences (--pairs), or every one with a
 * label as feedback (--feedback). One prompt's rows are in memory at a time (libcore/judge/prompt_groups.h); which of them are taken is
 * chosen by libcore/judge/pairs.h, and which prompts by how often their completions pass (pass_rate.h) and where they are from. */
#include "common/tool.h"
#include "base/hash.h"
#include "judge/pairs.h"
#include "judge/pass_rate.h"
#include "judge/prompt_groups.h"
#include "judge/source_quota.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX (1 << 22)

static struct {
	bool pairs, feedback, group, dedup;
	const char *pass_rate, *pass_by, *source;
	double pass_score;
	int64_t best_of, keep, memory, per_source, per_prompt;
	int with;
	struct pair_options pair;
	double threshold;
} opts = { .dedup = true, .keep = 1, .per_prompt = -1, .threshold = -INFINITY, .pass_by = "score", .pass_score = 1, .source = "source",
	   .memory = 1 << 30, .pair = { .max_margin = INFINITY } };

static struct opt options[] = {
	OPT_GROUP("What to make"),
	OPT_FLAG(0, "pairs", &opts.pairs, "preferences: better completions of a prompt against worse ones"),
	OPT_FLAG(0, "feedback", &opts.feedback, "feedback: label each completion by --threshold"),
	OPT_GROUP("Prompts"),
	OPT_FLAG(0, "group", &opts.group, "gather each prompt's rows first, wherever they stand"),
	{ .type = OPT_TYPE_INT, .name = "memory", .value = &opts.memory, .arg = "BYTES", .min = 1 << 20, .max = 1e15, .no_provenance = true,
	  .help = "with --group: memory to gather in; what is more goes to disk" },
	OPT_STRING(0, "pass-rate", &opts.pass_rate, "MIN,MAX", "keep prompts of which more than MIN and less than MAX of the completions pass"),
	OPT_STRING(0, "pass-by", &opts.pass_by, "COLUMN", "a completion passes by this number"),
	OPT_DOUBLE(0, "pass-score", &opts.pass_score, "S", 0, 0, "from which value of it on"),
	OPT_INT(0, "per-source", &opts.per_source, "N", 0, 1e15, "take the first N results of each source; 0 is all"),
	OPT_STRING(0, "source", &opts.source, "COLUMN", "what tells the source, a column or a path in one (meta.source)"),
	OPT_GROUP("Completions"),
	OPT_INT(0, "best-of", &opts.best_of, "N", 0, PROMPT_ROWS_MAX, "look at the first N completions of a prompt only; 0 is all"),
	OPT_FLAG(0, "dedup", &opts.dedup, "count equal completions of a prompt once"),
	OPT_INT(0, "keep", &opts.keep, "K", 0, PROMPT_ROWS_MAX, "chat: keep the K best completions of a prompt; 0 is all"),
	OPT_DOUBLE(0, "threshold", &opts.threshold, "S", 0, 0, "chat: drop scores below S; feedback: label is score >= S"),
	OPT_GROUP("Pairs"),
	OPT_CHOICE(0, "pair-with", &opts.with, "worst|random|all", "the best with the worst and so on inwards, with random others, or every two"),
	OPT_INT(0, "pairs-per-prompt", &opts.per_prompt, "N", 0, 1e9, "at most so many; 0 is no limit; 1 unless given, but for all no limit"),
	OPT_DOUBLE(0, "min-margin", &opts.pair.min_margin, "D", 0, 1e30, "a pair's scores must differ by more than D"),
	OPT_DOUBLE(0, "max-margin", &opts.pair.max_margin, "D", 0, 0, "and by at most D"),
	OPT_DOUBLE(0, "length-ratio", &opts.pair.length_ratio, "R", 0, 1e9, "the longer of a pair has at most R times the characters of the shorter; 0 is any"),
	OPT_END,
};

static struct tool tool = {
	.name = "rejection-sample", .summary = "turn scored completions into training data", .operands = "[FILE ...]",
	.options = options, .max_operands = -1,
};

static struct {
	struct schema schema;
	int *passed, n_passed;               /* input columns that go through */
	int first_passed;                    /* their place in the output */
	/* the prompt at hand */
	const struct prompt_row *rows;
	struct candidate *candidates;        /* [PROMPT_ROWS_MAX], same places */
	int64_t n;
	int64_t *room;                       /* results its source may still have */
	/* of all */
	int64_t prompts, prompts_used, alone, rows_used, pairs;
	uint64_t *ids;                       /* of the first IDS_MAX prompts, hashed */
	int64_t n_ids, cap_ids;
	struct pass_rule pass;
	struct pass_rates rates;
	struct source_quota *quota;          /* NULL without --per-source */
} g;

/* --- schemas -------------------------------------------------------------------------------------------- */

/* Columns that describe one sample are spent; feedback keeps the completion itself. */
static bool spent(const char *name)
{
	static const char *const names[] = { "id", "prompt", "sample", "completion", "completion_ids", "logprob", "finish",
					     "score", "verdict", "messages", "chosen", "rejected", "score_chosen",
					     "score_rejected", "margin", "label" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "reward_", 7) == 0;
}

static void add_input_field(const char *name, const char *as)
{
	const struct schema *in = tool_schema(&tool);
	struct field f = in->fields[schema_find(in, name)];
	char *copy = mem_strdup(as);
	f.name = copy;
	schema_add(&g.schema, &f);
	mem_free(copy);
}

static enum status plan_schema(struct error *err)
{
	const struct schema *in = tool_schema(&tool);
	bool messages = field_is_messages(&in->fields[schema_find(in, "prompt")]);
	if (!messages && !opts.feedback)
		return error_set(err, ERR_DATA, "the prompts are plain text and have no turns: only --feedback can be made of them");
	add_input_field("id", "id");
	if (opts.pairs) {
		add_input_field("prompt", "prompt");
		schema_add_spec(&g.schema, "chosen: list<struct<role: utf8, content: utf8>>");
		schema_add_spec(&g.schema, "rejected: list<struct<role: utf8, content: utf8>>");
		schema_add_spec(&g.schema, "score_chosen: float32?");
		schema_add_spec(&g.schema, "score_rejected: float32?");
		schema_add_spec(&g.schema, "margin: float32?");
	} else if (opts.feedback) {
		add_input_field("prompt", "prompt");
		schema_add_spec(&g.schema, "completion: utf8");
		schema_add_spec(&g.schema, "label: bool");
		schema_add_spec(&g.schema, "score: float32?");
	} else {
		schema_add_spec(&g.schema, "messages: list<struct<role: utf8, content: utf8>>");
		schema_add_spec(&g.schema, "sample: int32");
		schema_add_spec(&g.schema, "score: float32?");
	}
	g.first_passed = g.schema.n_fields;
	g.passed = mem_array((size_t)in->n_fields + 1, sizeof(*g.passed));
	for (int i = 0; i < in->n_fields; i++) {
		if (spent(in->fields[i].name))
			continue;
		schema_add(&g.schema, &in->fields[i]);
		g.passed[g.n_passed++] = i;
	}
	return OK;
}

/* --- rows ----------------------------------------------------------------------------------------------- */

static void append_messages(struct column *to, const struct array *prompt, int64_t row)
{
	int64_t from, end;
	const struct array *role = array_child(&prompt->children[0], "role");
	const struct array *content = array_child(&prompt->children[0], "content");
	array_list(prompt, row, &from, &end);
	for (int64_t i = from; i < end; i++) {
		size_t role_n, n;
		const char *r = array_text(role, i, &role_n), *text = array_text(content, i, &n);
		char *name = mem_strndup(r, role_n);
		column_message(to, name, text, n);
		mem_free(name);
	}
}

static void append_reply(struct column *to, const struct candidate *c)
{
	column_message(to, "assistant", c->text, c->n);
	column_end_list(to);
}

static void append_passed(struct builder *out, const struct prompt_row *m)
{
	for (int i = 0; i < g.n_passed; i++)
		column_copy(builder_column(out, g.first_passed + i), &m->batch->columns[g.passed[i]], m->row);
}

static enum status write_chat(int64_t i, struct error *err)
{
	const struct prompt_row *m = &g.rows[i];
	struct builder *out = writer_builder(tool.out);
	column_copy(builder_column(out, 0), batch_column(m->batch, "id"), m->row);
	append_messages(builder_column(out, 1), batch_column(m->batch, "prompt"), m->row);
	append_reply(builder_column(out, 1), &g.candidates[i]);
	column_int(builder_column(out, 2), g.candidates[i].sample);
	column_double(builder_column(out, 3), g.candidates[i].score);
	append_passed(out, m);
	return writer_row(tool.out, err);
}

static enum status write_pair(const struct pair *p, struct error *err)
{
	const struct prompt_row *m = &g.rows[p->chosen];
	const struct candidate *c = &g.candidates[p->chosen], *r = &g.candidates[p->rejected];
	struct builder *out = writer_builder(tool.out);
	column_copy(builder_column(out, 0), batch_column(m->batch, "id"), m->row);
	column_copy(builder_column(out, 1), batch_column(m->batch, "prompt"), m->row);
	append_reply(builder_column(out, 2), c);
	append_reply(builder_column(out, 3), r);
	column_double(builder_column(out, 4), c->score);
	column_double(builder_column(out, 5), r->score);
	column_double(builder_column(out, 6), p->margin);
	append_passed(out, m);
	g.pairs++;
	return writer_row(tool.out, err);
}

static enum status write_feedback(int64_t i, struct error *err)
{
	const struct prompt_row *m = &g.rows[i];
	struct builder *out = writer_builder(tool.out);
	column_copy(builder_column(out, 0), batch_column(m->batch, "id"), m->row);
	column_copy(builder_column(out, 1), batch_column(m->batch, "prompt"), m->row);
	column_text(builder_column(out, 2), g.candidates[i].text, g.candidates[i].n);
	column_int(builder_column(out, 3), g.candidates[i].score >= opts.threshold);
	column_double(builder_column(out, 4), g.candidates[i].score);
	append_passed(out, m);
	return writer_row(tool.out, err);
}

/* --- prompts ------------------------------------------------------------------------------------------------ */

static void load(const struct prompt_row *rows, int64_t n)
{
	g.rows = rows;
	g.n = n;
	for (int64_t i = 0; i < n; i++) {
		const struct batch *b = rows[i].batch;
		const struct array *sample = batch_column(b, "sample");
		struct candidate *c = &g.candidates[i];
		*c = (struct candidate){ .score = array_double(batch_column(b, "score"), rows[i].row),
					 .sample = sample ? array_int(sample, rows[i].row) : i };
		c->text = array_text(batch_column(b, "completion"), rows[i].row, &c->n);
		if (isinf(c->score))
			c->score = NAN;       /* no rank among numbers */
	}
}

/* Whether the source has room for one more result, which is then taken. */
static bool take_room(void)
{
	if (*g.room <= 0)
		return false;
	--*g.room;
	return true;
}

static enum status make_pairs(const int64_t *order, int64_t m, struct error *err)
{
	struct pair *pairs;
	size_t id_n;
	const char *id = array_text(batch_column(g.rows[0].batch, "id"), g.rows[0].row, &id_n);
	int64_t n = candidates_pair(g.candidates, order, m, &opts.pair, (uint64_t)tool.seed, hash64(id, id_n), &pairs);
	enum status st = OK;
	for (int64_t i = *g.room < n ? *g.room : n; i < n; i++)
		g.candidates[pairs[i].chosen].fate = g.candidates[pairs[i].rejected].fate = "source_full";
	for (int64_t i = 0; i < n && st == OK && take_room(); i++) {
		g.candidates[pairs[i].chosen].fate = g.candidates[pairs[i].rejected].fate = NULL;
		st = write_pair(&pairs[i], err);
	}
	mem_free(pairs);
	return st;
}

/* Those of places[0..m) (NULL: the first m) that nothing speaks against. */
static enum status make_each(const int64_t *places, int64_t m, enum status (*write)(int64_t, struct error *), struct error *err)
{
	enum status st = OK;
	for (int64_t i = 0; i < m && st == OK; i++) {
		int64_t place = places ? places[i] : i;
		struct candidate *c = &g.candidates[place];
		if (!c->fate && !take_room())
			c->fate = "source_full";
		st = c->fate ? OK : write(place, err);
	}
	return st;
}

/* The first n completions become what was asked for. */
static enum status make_results(int64_t n, struct error *err)
{
	int64_t *order, m = candidates_rank(g.candidates, n, opts.dedup, &order);
	enum status st;
	if (opts.pairs) {
		st = make_pairs(order, m, err);
	} else if (opts.feedback) {
		st = make_each(NULL, n, write_feedback, err);
	} else {
		candidates_keep(g.candidates, order, m, opts.keep, opts.threshold);
		st = make_each(order, m, write_chat, err);
	}
	mem_free(order);
	return st;
}

/* Ids of the prompts so far, by hash: one that comes again was not in one piece. */
static void remember(const struct prompt_row *row)
{
	const char *id;
	size_t n;

	if (opts.group || g.n_ids == IDS_MAX)
		return;
	id = array_text(batch_column(row->batch, "id"), row->row, &n);
	MEM_PUSH_ROOM(g.ids, g.n_ids, g.cap_ids);
	g.ids[g.n_ids++] = hash64(id, n);
}

static int by_hash(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* How many ids came more than once. */
static int64_t prompts_in_pieces(void)
{
	int64_t pieces = 0;

	if (g.n_ids)
		qsort(g.ids, (size_t)g.n_ids, sizeof(*g.ids), by_hash);
	for (int64_t i = 1; i < g.n_ids; i++)
		pieces += g.ids[i] == g.ids[i - 1] && (i < 2 || g.ids[i] != g.ids[i - 2]);
	return pieces;
}

static enum status each_prompt(void *arg, const struct prompt_row *rows, int64_t n, struct error *err)
{
	int64_t looked = opts.best_of && opts.best_of < n ? opts.best_of : n, used = 0, no_limit = INT64_MAX;
	(void)arg;
	load(rows, n);
	g.room = &no_limit;
	if (g.quota)
		TRY(source_quota_find(g.quota, rows[0].batch, rows[0].row, &g.room, err));
	const char *drop = pass_rule_judge(&g.pass, rows, looked, &g.rates);
	for (int64_t i = 0; i < n; i++)
		g.candidates[i].fate = drop ? drop : "not_looked_at";
	if (!drop)
		TRY(make_results(looked, err));
	for (int64_t i = 0; i < n; i++) {
		used += g.candidates[i].fate == NULL;
		if (g.candidates[i].fate)
			TRY(tool_reject(&tool, rows[i].batch, rows[i].row, g.candidates[i].fate, err));
	}
	remember(&rows[0]);
	g.prompts++;
	g.prompts_used += used > 0;
	g.rows_used += used;
	g.alone += n == 1;
	return OK;
}

/* --- the run ------------------------------------------------------------------------------------------------ */

static enum status check_options(struct error *err)
{
	if (opts.pairs && opts.feedback)
		return error_set(err, ERR_USAGE, "--pairs and --feedback exclude each other");
	if (opts.feedback && isinf(opts.threshold))
		return error_set(err, ERR_USAGE, "--feedback needs --threshold: from which score on is a completion good?");
	if (!opts.pairs && (opts.with || opts.per_prompt >= 0 || opts.pair.min_margin > 0 || !isinf(opts.pair.max_margin) || opts.pair.length_ratio > 0))
		return error_set(err, ERR_USAGE, "--pair-with, --pairs-per-prompt, --min-margin, --max-margin and --length-ratio are for --pairs");
	if (opts.keep != 1 && (opts.pairs || opts.feedback))
		return error_set(err, ERR_USAGE, "--keep is for chat; %s", opts.pairs ? "--pairs has --pairs-per-prompt" : "--feedback labels them all");
	if (opts.pairs && !isinf(opts.threshold))
		return error_set(err, ERR_USAGE, "--threshold is for chat and --feedback; --pairs has --min-margin");
	if (!(opts.pair.max_margin > opts.pair.min_margin))
		return error_set(err, ERR_USAGE, "--max-margin must be larger than --min-margin");
	if (opts.pair.length_ratio > 0 && opts.pair.length_ratio < 1)
		return error_set(err, ERR_USAGE, "--length-ratio is of the longer to the shorter, at least 1; 0 allows any");
	opts.pair.with = (enum pair_with)opts.with;
	opts.pair.per_prompt = opts.per_prompt >= 0 ? opts.per_prompt : opts.pair.with != PAIR_ALL;
	return OK;
}

static enum status open_columns(struct error *err)
{
	const struct schema *s = tool_schema(&tool);
	TRY(prompt_groups_check(s, err));
	TRY(pass_rule_open(&g.pass, opts.pass_by, opts.pass_score, opts.pass_rate, s, err));
	if (opts.per_source && source_quota_open(&g.quota, opts.source, opts.per_source, s, err) != OK)
		return error_prefix(err, ERR_USAGE, "--source");
	g.candidates = mem_array(PROMPT_ROWS_MAX, sizeof(*g.candidates));
	return plan_schema(err);
}

static enum status sample(struct prompt_groups *groups, struct error *err)
{
	struct batch *b;
	enum status st;
	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = prompt_groups_add(groups, b, err);
		batch_release(b);
		if (st != OK)
			return opts.group ? st : error_prefix(err, st, "%s", tool_where(&tool));
	}
	return st == END ? prompt_groups_finish(groups, err) : st;
}

static void report(void)
{
	struct buf b = { 0 };
	tool_stat_int(&tool, "prompts", g.prompts);
	tool_stat_int(&tool, "prompts_used", g.prompts_used);
	if (opts.pairs)
		tool_stat_int(&tool, "pairs", g.pairs);
	tool_stat_double(&tool, "rows_used", tool.prov.rows_in ? (double)g.rows_used / (double)tool.prov.rows_in : NAN);
	pass_rates_json(&g.rates, &b);
	tool_stat_table(&tool, "pass_rates", b.data);
	buf_clear(&b);
	pass_rates_words(&g.rates, &b);
	if (g.rates.at[0].n)
		tool_say(&tool, "%s", b.data);
	buf_release(&b);
	int64_t pieces = prompts_in_pieces();
	if (pieces)
		tool_warn(&tool, "the rows of %lld prompts do not stand together, and each piece was taken for a prompt: --group gathers them",
			  (long long)pieces);
	else if (g.prompts > 1 && g.alone == g.prompts && !opts.group)
		tool_warn(&tool, "every prompt has one completion: if those of a prompt do not stand together, --group gathers them");
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_SCORES };
	enum kind made = opts.pairs ? KIND_PREFERENCES : opts.feedback ? KIND_FEEDBACK : KIND_CHAT;
	TRY(check_options(err));
	TRY(tool_open_inputs(&tool, kinds, 1, err));
	TRY(open_columns(err));
	TRY(tool_open_output(&tool, &g.schema, made, err));
	struct prompt_groups *groups = prompt_groups_open(tool_schema(&tool), opts.group ? opts.memory : 0, tool.pool, each_prompt, NULL);
	enum status st = sample(groups, err);
	prompt_groups_close(groups);
	if (st == OK) {
		report();
		st = tool_commit(&tool, err);
	}
	pass_rule_close(&g.pass);
	source_quota_close(g.quota);
	mem_free(g.candidates);
	mem_free(g.ids);
	mem_free(g.passed);
	schema_release(&g.schema);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
