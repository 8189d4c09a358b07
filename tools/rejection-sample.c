/* quern rejection-sample - from scored completions to training data.
 *
 * Scores in; out come the best completions as chat (the default), best against worst as preferences (--pairs), or
 * every one with a label as feedback (--feedback). Rows of one prompt stand together, as generate writes them; one
 * such group is in memory at a time. libcore/judge/pairs.h chooses. */
#include "common/tool.h"
#include "judge/pairs.h"

#include <math.h>
#include <string.h>

#define GROUP_MAX 4096                       /* completions of one prompt */

static struct {
	bool pairs, feedback;
	int64_t best_of, keep, pairs_per_prompt;
	double threshold, min_margin;
} opts = { .keep = 1, .pairs_per_prompt = 1, .threshold = -INFINITY };

static struct opt options[] = {
	OPT_GROUP("What to make"),
	OPT_FLAG(0, "pairs", &opts.pairs, "preferences: the best completion of each prompt against the worst"),
	OPT_FLAG(0, "feedback", &opts.feedback, "feedback: label each completion by --threshold"),
	OPT_GROUP("Selection"),
	OPT_INT(0, "best-of", &opts.best_of, "N", 0, GROUP_MAX, "look at the first N completions of a prompt only; 0 is all"),
	OPT_INT(0, "keep", &opts.keep, "K", 1, GROUP_MAX, "chat: keep the K best completions of a prompt"),
	OPT_DOUBLE(0, "threshold", &opts.threshold, "S", 0, 0, "chat: drop scores below S; feedback: label is score >= S"),
	OPT_INT(0, "pairs-per-prompt", &opts.pairs_per_prompt, "N", 0, GROUP_MAX,
		"best with worst, second best with second worst, up to N pairs; 0 is every two"),
	OPT_DOUBLE(0, "min-margin", &opts.min_margin, "D", 0, 1e30, "a pair's scores must differ by more than D"),
	OPT_END,
};

static struct tool tool = {
	.name = "rejection-sample", .summary = "turn scored completions into training data", .operands = "[FILE ...]",
	.options = options, .max_operands = -1,
};

struct member {                              /* a row of the group at hand */
	struct batch *batch;
	int64_t row;
};

static struct {
	struct member *members;
	struct candidate *candidates;        /* same places */
	int64_t n, cap, cap_candidates;
	int64_t groups, pairs;
	struct schema schema;
	int *passed, n_passed;               /* input columns that go through */
	int first_passed;                    /* their place in the output */
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

static void append_passed(struct builder *out, const struct member *m)
{
	for (int i = 0; i < g.n_passed; i++)
		column_copy(builder_column(out, g.first_passed + i), &m->batch->columns[g.passed[i]], m->row);
}

static enum status write_chat(int64_t i, struct error *err)
{
	const struct member *m = &g.members[i];
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
	const struct member *m = &g.members[p->chosen];
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
	const struct member *m = &g.members[i];
	struct builder *out = writer_builder(tool.out);
	column_copy(builder_column(out, 0), batch_column(m->batch, "id"), m->row);
	column_copy(builder_column(out, 1), batch_column(m->batch, "prompt"), m->row);
	column_text(builder_column(out, 2), g.candidates[i].text, g.candidates[i].n);
	column_int(builder_column(out, 3), g.candidates[i].score >= opts.threshold);
	column_double(builder_column(out, 4), g.candidates[i].score);
	append_passed(out, m);
	return writer_row(tool.out, err);
}

/* --- groups ------------------------------------------------------------------------------------------------- */

static enum status write_pairs(const int64_t *order, int64_t m, struct error *err)
{
	struct pair *pairs;
	struct pair_options o = { opts.pairs_per_prompt, opts.min_margin };
	int64_t n = candidates_pair(g.candidates, order, m, &o, &pairs);
	enum status st = OK;
	for (int64_t i = 0; i < n && st == OK; i++)
		st = write_pair(&pairs[i], err);
	mem_free(pairs);
	return st;
}

static enum status write_group(struct error *err)
{
	int64_t *order, looked = opts.best_of && opts.best_of < g.n ? opts.best_of : g.n;
	int64_t m = candidates_rank(g.candidates, looked, &order);
	enum status st = OK;
	for (int64_t i = looked; i < g.n; i++)
		g.candidates[i].fate = "not_looked_at";
	if (opts.pairs) {
		st = write_pairs(order, m, err);
	} else if (opts.feedback) {
		for (int64_t i = 0; i < looked && st == OK; i++)
			st = g.candidates[i].fate ? OK : write_feedback(i, err);
	} else {
		candidates_keep(g.candidates, order, m, opts.keep, opts.threshold);
		for (int64_t i = 0; i < m && st == OK; i++)
			st = g.candidates[order[i]].fate ? OK : write_chat(order[i], err);
	}
	for (int64_t i = 0; i < g.n && st == OK; i++)
		if (g.candidates[i].fate)
			st = tool_reject(&tool, g.members[i].batch, g.members[i].row, g.candidates[i].fate, err);
	mem_free(order);
	return st;
}

static enum status end_group(struct error *err)
{
	enum status st = g.n ? write_group(err) : OK;
	g.groups += g.n > 0;
	for (int64_t i = 0; i < g.n; i++)
		batch_release(g.members[i].batch);
	g.n = 0;
	return st;
}

static bool same_id(const struct member *m, const struct batch *b, int64_t row)
{
	size_t x, y;
	const char *p = array_text(batch_column(m->batch, "id"), m->row, &x), *q = array_text(batch_column(b, "id"), row, &y);
	return x == y && memcmp(p, q, x) == 0;
}

static enum status add_row(struct batch *b, int64_t row, struct error *err)
{
	if (g.n && !same_id(&g.members[0], b, row))
		TRY(end_group(err));
	if (g.n == GROUP_MAX)
		return error_set(err, ERR_DATA, "%s: more than %d rows in a row have the same id", tool_where(&tool), GROUP_MAX);
	MEM_PUSH_ROOM(g.members, g.n, g.cap);
	MEM_PUSH_ROOM(g.candidates, g.n, g.cap_candidates);
	const struct array *score = batch_column(b, "score");
	struct candidate c = { .score = array_double(score, row), .sample = array_int(batch_column(b, "sample"), row) };
	c.text = array_text(batch_column(b, "completion"), row, &c.n);
	if (isinf(c.score))
		c.score = NAN;               /* no rank among numbers */
	g.members[g.n] = (struct member){ batch_retain(b), row };
	g.candidates[g.n++] = c;
	return OK;
}

static enum status check_options(struct error *err)
{
	if (opts.pairs && opts.feedback)
		return error_set(err, ERR_USAGE, "--pairs and --feedback exclude each other");
	if (opts.feedback && isinf(opts.threshold))
		return error_set(err, ERR_USAGE, "--feedback needs --threshold: from which score on is a completion good?");
	if (opts.pairs && !isinf(opts.threshold))
		return error_set(err, ERR_USAGE, "--threshold is for chat and --feedback; --pairs has --min-margin");
	return OK;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_SCORES };
	enum kind made = opts.pairs ? KIND_PREFERENCES : opts.feedback ? KIND_FEEDBACK : KIND_CHAT;
	struct batch *b;
	enum status st;
	TRY(check_options(err));
	TRY(tool_open_inputs(&tool, kinds, 1, err));
	TRY(plan_schema(err));
	TRY(tool_open_output(&tool, &g.schema, made, err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		for (int64_t i = 0; i < b->rows && st == OK; i++)
			st = add_row(b, i, err);
		batch_release(b);
		TRY(st);
	}
	if (st == END)
		st = end_group(err);
	tool_stat_int(&tool, "prompts", g.groups);
	if (opts.pairs)
		tool_stat_int(&tool, "pairs", g.pairs);
	TRY(st);
	return tool_commit(&tool, err);
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
