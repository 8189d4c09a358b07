/* quern score - rewards for completions; reference log-probabilities for preferences.
 *
 * Completions (or scores) in, scores out: one column per reward, their weighted sum, and the verdict on the answer. The rules are
 * libcore/judge/rewards.h. Preferences with --ref come out with the two numbers that dpo-train needs of its
 * frozen reference, so that it holds one model instead of two. */
#include "common/model.h"
#include "common/tool.h"
#include "infer/complete.h"
#include "infer/logprob.h"
#include "judge/rewards.h"
#include "judge/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct {
	struct opt_list rewards;
	const char *logprob, *ref, *answer;
	int64_t cosine_length, overlong_max, overlong_cache;
} opts = { .answer = "answer", .cosine_length = 1000, .overlong_max = 16384, .overlong_cache = 4096 };

static struct opt options[] = {
	OPT_GROUP("Completions"),
	OPT_LIST('r', "reward", &opts.rewards, "NAME[=W],...", "rewards, each with its weight in the score, which is 1 unless given"),
	OPT_STRING(0, "answer", &opts.answer, "COLUMN", "column of the right answer"),
	OPT_INT(0, "cosine-length", &opts.cosine_length, "N", 1, 1e9, "characters at which the cosine reward has halved"),
	OPT_INT(0, "overlong-max", &opts.overlong_max, "N", 1, 1e9, "tokens at which soft_overlong reaches -1"),
	OPT_INT(0, "overlong-cache", &opts.overlong_cache, "N", 1, 1e9, "tokens before that over which it falls"),
	OPT_STRING(0, "logprob", &opts.logprob, "DIR", "add reward_logprob, the completion's log-probability under this model"),
	OPT_GROUP("Preferences"),
	OPT_STRING(0, "ref", &opts.ref, "DIR", "add ref_chosen_logp and ref_rejected_logp under this model"),
	OPT_END,
};

static struct tool tool = {
	.name = "score", .summary = "rewards for completions, reference log-probabilities for preferences",
	.operands = "[FILE ...]", .options = options, .max_operands = -1,
};

/* The input schema without the columns we write. */
static void passed_schema(struct schema *out, const char *const *ours, int n_ours)
{
	const struct schema *in = tool_schema(&tool);
	for (int i = 0; i < in->n_fields; i++) {
		bool replaced = false;
		for (int k = 0; k < n_ours; k++)
			replaced |= strcmp(in->fields[i].name, ours[k]) == 0;
		if (!replaced)
			schema_add(out, &in->fields[i]);
	}
}

static void copy_passed(struct builder *to, const struct schema *s, int n, const struct batch *b, int64_t row)
{
	for (int i = 0; i < n; i++)
		column_copy(builder_column(to, i), batch_column(b, s->fields[i].name), row);
}

static void append_number(struct column *c, double v)
{
	if (isnan(v))
		column_null(c);
	else
		column_double(c, v);
}

/* --- completions --------------------------------------------------------------------------------------- */

static struct {
	struct reward_set set;
	struct schema schema;
	int n_passed;
	bool judged;                         /* a reward asks for the verdict */
	struct lm lm;
	struct scorer *scorer;               /* NULL without --logprob */
	struct prompts prompts;
	/* of the batch at hand */
	struct batch *batch;
	double *values;                      /* [rows, set.n] */
	double *logprobs;                    /* [rows], NAN = unknown */
	enum verdict *verdicts;              /* [rows] */
	const char **reject;                 /* [rows] */
	struct stats means[REWARD_KINDS], score;
} sc;

static enum status plan_rewards(struct error *err)
{
	sc.set.o = (struct reward_options){ opts.cosine_length, opts.overlong_max, opts.overlong_cache };
	for (int i = 0; i < opts.rewards.n; i++)
		TRY(reward_parse(&sc.set, opts.rewards.items[i], err));
	if (sc.set.n == 0)
		return error_set(err, ERR_USAGE, "-r is needed: by which rewards? (-r logprob makes --logprob the score)");
	if (opts.overlong_cache > opts.overlong_max)
		return error_set(err, ERR_USAGE, "--overlong-cache is larger than --overlong-max");
	if (reward_set_has(&sc.set, REWARD_LOGPROB) && !opts.logprob)
		return error_set(err, ERR_USAGE, "reward logprob needs --logprob DIR");
	if (opts.logprob && !reward_set_has(&sc.set, REWARD_LOGPROB))
		TRY(reward_parse(&sc.set, "logprob=0", err));
	for (int i = 0; i < sc.set.n; i++)
		sc.judged |= reward_needs_gold(sc.set.items[i].kind);
	int answer = schema_find(tool_schema(&tool), opts.answer);
	if (sc.judged && (answer < 0 || !field_is_text(&tool_schema(&tool)->fields[answer])))
		return error_set(err, ERR_DATA, "the rewards need the right answers, and there is no text column '%s'", opts.answer);
	return OK;
}

static void plan_schema(void)
{
	const char *ours[REWARD_KINDS + 2] = { "score", "verdict" };
	char names[REWARD_KINDS][40];
	for (int i = 0; i < sc.set.n; i++) {
		snprintf(names[i], sizeof(names[i]), "reward_%s", reward_name(sc.set.items[i].kind));
		ours[2 + i] = names[i];
	}
	passed_schema(&sc.schema, ours, 2 + sc.set.n);
	sc.n_passed = sc.schema.n_fields;
	schema_add_spec(&sc.schema, "score: float32?");
	for (int i = 0; i < sc.set.n; i++) {
		char *spec = mem_printf("%s: float32?", names[i]);
		schema_add_spec(&sc.schema, spec);
		mem_free(spec);
	}
	schema_add_spec(&sc.schema, "verdict: utf8?");
}

static void judge_row(int64_t row)
{
	const struct batch *b = sc.batch;
	struct reward_input in = { .tokens = completion_length(b, row), .verdict = VERDICT_NO_GOLD, .logprob = sc.logprobs[row] };
	in.text = array_text(batch_column(b, "completion"), row, &in.n);
	if (sc.judged) {
		size_t n;
		const char *gold = array_text(batch_column(b, opts.answer), row, &n);
		in.verdict = answer_judge(gold, n, in.text, in.n);
	}
	sc.verdicts[row] = in.verdict;
	for (int i = 0; i < sc.set.n; i++)
		sc.values[row * sc.set.n + i] = reward_value(&sc.set, i, &in);
}

#define PIECE 64                             /* rows of one task */

static void judge_piece(void *arg, int64_t i, int worker)
{
	(void)arg, (void)worker;
	for (int64_t row = i * PIECE; row < (i + 1) * PIECE && row < sc.batch->rows; row++)
		judge_row(row);
}

/* The completion's tokens: those that were sampled if the model's tokenizer reads the same text from them, else
 * the text's own, with the end token where the model ended it. */
static enum status completion_tokens(struct batch *b, int64_t row, struct ids *out, struct error *err)
{
	const struct tokenizer *t = sc.lm.tokenizer;
	const struct array *column = batch_column(b, "completion_ids"), *finish = batch_column(b, "finish");
	size_t n, f_n = 0;
	const char *text = array_text(batch_column(b, "completion"), row, &n);
	int64_t n_ids = 0;
	const int32_t *ids = column ? array_int32s(column, row, &n_ids) : NULL;
	bool known = ids && n_ids > 0;
	for (int64_t i = 0; i < n_ids && known; i++)
		known = ids[i] >= 0 && ids[i] < sc.lm.model.cfg.vocab;
	if (known) {
		struct buf decoded = { 0 };
		tokenizer_decode(t, ids, n_ids, true, &decoded);
		known = decoded.len >= n && memcmp(decoded.data ? decoded.data : "", text, n) == 0;
		buf_release(&decoded);
	}
	if (known) {
		for (int64_t i = 0; i < n_ids; i++)
			ids_push(out, ids[i]);
		return OK;
	}
	TRY(tokenizer_encode(t, sc.lm.scratch, text, n, false, out, err));
	const char *f = finish && field_is_text(finish->field) ? array_text(finish, row, &f_n) : "";
	if (f_n == 3 && memcmp(f, "eos", 3) == 0 && tokenizer_eos(t) >= 0)
		ids_push(out, tokenizer_eos(t));
	return OK;
}

static enum status add_logprob(struct batch *b, int64_t row, struct ids *ids, struct ids *mask, struct error *err)
{
	ids->n = mask->n = 0;
	TRY(prompts_encode(&sc.prompts, b, row, ids, &sc.reject[row], err));
	if (sc.reject[row])
		return OK;
	while (mask->n < ids->n)
		ids_push(mask, 0);
	TRY(completion_tokens(b, row, ids, err));
	while (mask->n < ids->n)
		ids_push(mask, 1);
	if (ids->n > scorer_limit(sc.scorer)) {
		sc.reject[row] = "too_long";
		return OK;
	}
	return scorer_add(sc.scorer, ids->v, mask->v, ids->n, &sc.logprobs[row], err);
}

static enum status add_logprobs(struct batch *b, struct error *err)
{
	struct ids ids = { 0 }, mask = { 0 };
	enum status st = OK;
	for (int64_t row = 0; row < b->rows && st == OK; row++)
		st = add_logprob(b, row, &ids, &mask, err);
	if (st == OK)
		st = scorer_flush(sc.scorer, err);
	ids_release(&ids);
	ids_release(&mask);
	return st;
}

static void append_scores(struct builder *out, struct batch *b, int64_t row)
{
	const double *values = sc.values + row * sc.set.n;
	double score = reward_score(&sc.set, values);
	copy_passed(out, &sc.schema, sc.n_passed, b, row);
	append_number(builder_column(out, sc.n_passed), score);
	for (int i = 0; i < sc.set.n; i++) {
		append_number(builder_column(out, sc.n_passed + 1 + i), values[i]);
		if (!isnan(values[i]))
			stats_add(&sc.means[i], values[i]);
	}
	struct column *verdict = builder_column(out, sc.n_passed + 1 + sc.set.n);
	if (sc.judged)
		column_str(verdict, verdict_name(sc.verdicts[row]));
	else
		column_null(verdict);
	if (!isnan(score))
		stats_add(&sc.score, score);
}

static enum status score_batch(struct batch *b, struct error *err)
{
	size_t rows = (size_t)b->rows;
	sc.batch = b;
	sc.values = mem_array(rows * (size_t)sc.set.n + 1, sizeof(*sc.values));
	sc.logprobs = mem_array(rows + 1, sizeof(*sc.logprobs));
	sc.verdicts = mem_array(rows + 1, sizeof(*sc.verdicts));
	sc.reject = mem_array(rows + 1, sizeof(*sc.reject));
	for (size_t i = 0; i < rows; i++)
		sc.logprobs[i] = NAN;
	enum status st = sc.scorer ? add_logprobs(b, err) : OK;
	if (st == OK)
		pool_run(tool.pool, (b->rows + PIECE - 1) / PIECE, judge_piece, NULL);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		if (sc.reject[row]) {
			st = tool_reject(&tool, b, row, sc.reject[row], err);
			continue;
		}
		append_scores(writer_builder(tool.out), b, row);
		st = writer_row(tool.out, err);
	}
	mem_free(sc.values);
	mem_free(sc.logprobs);
	mem_free(sc.verdicts);
	mem_free(sc.reject);
	return st;
}

static enum status each_batch(enum status (*fn)(struct batch *, struct error *), struct error *err)
{
	struct batch *b;
	enum status st;
	while ((st = tool_next(&tool, &b, err)) == OK) {
		st = fn(b, err);
		batch_release(b);
		TRY(st);
	}
	return st == END ? tool_commit(&tool, err) : st;
}

static enum status score_completions(struct error *err)
{
	TRY(completion_check(tool_schema(&tool), err));
	TRY(plan_rewards(err));
	plan_schema();
	if (opts.logprob) {
		TRY(tool_add_model(&tool, opts.logprob, NULL, err));
		TRY(lm_open(&sc.lm, opts.logprob, tool.pool, err));
		TRY(scorer_open(&sc.scorer, &sc.lm.model, 0, err));
		TRY(prompts_open(&sc.prompts, &sc.lm, tool_schema(&tool), tool_kind(&tool), err));
	}
	TRY(tool_open_output(&tool, &sc.schema, KIND_SCORES, err));
	TRY(each_batch(score_batch, err));
	for (int i = 0; i < sc.set.n; i++)
		tool_stat_double(&tool, reward_name(sc.set.items[i].kind), sc.means[i].n ? sc.means[i].mean : NAN);
	tool_stat_double(&tool, "score", sc.score.n ? sc.score.mean : NAN);
	return OK;
}

/* --- preferences ------------------------------------------------------------------------------------------- */

static struct {
	struct chat_message *m;              /* prompt, then a reply */
	int cap;
	struct ids ids, mask;
	double *sums;                        /* [rows, 2]: chosen, rejected */
} pr;

/* The prompt's and one reply's messages as one conversation; returns how many are the prompt's. */
static int conversation(struct batch *b, int64_t row, const char *reply, int *n)
{
	struct chat_message *tail = NULL;
	int cap = 0;
	int n_prompt = messages_read(batch_column(b, "prompt"), row, &pr.m, &pr.cap);
	int n_tail = messages_read(batch_column(b, reply), row, &tail, &cap);
	*n = n_prompt;
	for (int i = 0; i < n_tail; i++) {
		MEM_PUSH_ROOM(pr.m, *n, pr.cap);
		pr.m[(*n)++] = tail[i];
	}
	mem_free(tail);
	return n_prompt;
}

static enum status add_reply(struct batch *b, int64_t row, const char *reply, double *sum, struct error *err)
{
	int n, n_prompt = conversation(b, row, reply, &n);
	pr.ids.n = pr.mask.n = 0;
	enum status st = logprob_encode(&sc.lm, pr.m, n_prompt, n, &pr.ids, &pr.mask, err);
	if (st == ERR_DATA) {
		sc.reject[row] = "template_error";
		return OK;
	}
	TRY(st);
	if (pr.ids.n > scorer_limit(sc.scorer)) {
		sc.reject[row] = "too_long";
		return OK;
	}
	return scorer_add(sc.scorer, pr.ids.v, pr.mask.v, pr.ids.n, sum, err);
}

static enum status ref_batch(struct batch *b, struct error *err)
{
	enum status st = OK;
	pr.sums = mem_array(2 * (size_t)b->rows + 1, sizeof(*pr.sums));
	sc.reject = mem_array((size_t)b->rows + 1, sizeof(*sc.reject));
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		st = add_reply(b, row, "chosen", &pr.sums[2 * row], err);
		if (st == OK && !sc.reject[row])
			st = add_reply(b, row, "rejected", &pr.sums[2 * row + 1], err);
	}
	if (st == OK)
		st = scorer_flush(sc.scorer, err);
	for (int64_t row = 0; row < b->rows && st == OK; row++) {
		if (sc.reject[row]) {
			st = tool_reject(&tool, b, row, sc.reject[row], err);
			continue;
		}
		struct builder *out = writer_builder(tool.out);
		copy_passed(out, &sc.schema, sc.n_passed, b, row);
		column_double(builder_column(out, sc.n_passed), pr.sums[2 * row]);
		column_double(builder_column(out, sc.n_passed + 1), pr.sums[2 * row + 1]);
		st = writer_row(tool.out, err);
	}
	mem_free(pr.sums);
	mem_free(sc.reject);
	return st;
}

static enum status score_preferences(struct error *err)
{
	static const char *const ours[] = { "ref_chosen_logp", "ref_rejected_logp" };
	if (opts.rewards.n || opts.logprob)
		return error_set(err, ERR_USAGE, "-r and --logprob are for completions; these are preferences");
	passed_schema(&sc.schema, ours, 2);
	sc.n_passed = sc.schema.n_fields;
	schema_add_spec(&sc.schema, "ref_chosen_logp: float32");
	schema_add_spec(&sc.schema, "ref_rejected_logp: float32");
	TRY(tool_add_model(&tool, opts.ref, NULL, err));
	TRY(lm_open(&sc.lm, opts.ref, tool.pool, err));
	TRY(scorer_open(&sc.scorer, &sc.lm.model, 0, err));
	TRY(tool_open_output(&tool, &sc.schema, KIND_PREFERENCES, err));
	return each_batch(ref_batch, err);
}

static enum status run(struct error *err)
{
	static const enum kind completions[] = { KIND_COMPLETIONS, KIND_SCORES }, preferences[] = { KIND_PREFERENCES };
	if (!opts.ref && !opts.rewards.n)
		return error_set(err, ERR_USAGE, "-r is needed: by which rewards? (preferences want --ref)");
	TRY(tool_open_inputs(&tool, opts.ref ? preferences : completions, opts.ref ? 1 : 2, err));
	enum status st = opts.ref ? score_preferences(err) : score_completions(err);
	prompts_close(&sc.prompts);
	scorer_close(sc.scorer);
	lm_close(&sc.lm);
	schema_release(&sc.schema);
	mem_free(pr.m);
	ids_release(&pr.ids);
	ids_release(&pr.mask);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
