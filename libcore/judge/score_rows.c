#include "judge/score_rows.h"

#include "infer/complete.h"
#include "judge/code.h"
#include "judge/prompt_groups.h"
#include "stream/arrow_bytes.h"

#include <math.h>
#include <string.h>

/* Which of the rewards is len, for which a prompt's completions are looked at together; -1 if none. */
static int len_place(const struct reward_set *set)
{
	for (int i = 0; i < set->n; i++)
		if (set->items[i].kind == REWARD_LEN)
			return i;
	return -1;
}

enum status score_rows_check(const struct score_rows *s, const struct schema *schema, struct error *err)
{
	int answer = schema_find(schema, s->answer);
	TRY(completion_check(schema, err));
	if (reward_set_needs_answer(&s->set) && (answer < 0 || !field_is_text(&schema->fields[answer])))
		return error_set(err, ERR_DATA, "the rewards need the right answers, and there is no text column '%s'", s->answer);
	return len_place(&s->set) < 0 ? OK : error_prefix(err, prompt_groups_check(schema, err), "reward len");
}

void score_rows_release(struct score_rows *s)
{
	for (int i = 0; s->programs && i < s->set.n_programs; i++)
		exec_close(s->programs[i]);
	for (int i = 0; s->scratch && i < pool_threads(s->pool); i++)
		reward_scratch_close(s->scratch[i]);
	for (int i = 0; s->verifiers && i < pool_threads(s->pool); i++)
		verifier_free(s->verifiers[i]);
	mem_free(s->programs);
	mem_free(s->scratch);
	mem_free(s->verifiers);
	code_close(s->code);
	score_model_close(s->model);
	score_model_close(s->rater);
	reward_set_release(&s->set);
}

/* --- a batch ---------------------------------------------------------------------------------------------- */

static double *unknown(int64_t n)
{
	double *v = mem_array((size_t)n + 1, sizeof(*v));
	for (int64_t i = 0; i < n; i++)
		v[i] = NAN;
	return v;
}

static struct scored *scored_open(struct batch *b, const struct reward_set *set)
{
	struct scored *s = mem_zalloc(sizeof(*s));
	size_t rows = (size_t)b->rows + 1;
	s->batch = batch_retain(b);
	s->values = unknown(b->rows * set->n);
	s->programs = unknown(b->rows * set->n_programs);
	s->logprob = unknown(b->rows);
	s->logprob_mean = unknown(b->rows);
	s->rating = unknown(b->rows);
	s->code = unknown(b->rows);
	s->correct = unknown(b->rows);
	s->verdict = mem_array(rows, sizeof(*s->verdict));
	s->code_verdict = mem_array(rows, sizeof(*s->code_verdict));
	s->reject = mem_array(rows, sizeof(*s->reject));
	s->left = b->rows;
	return s;
}

void scored_close(struct scored *s)
{
	batch_release(s->batch);
	mem_free(s->values);
	mem_free(s->programs);
	mem_free(s->logprob);
	mem_free(s->logprob_mean);
	mem_free(s->rating);
	step_ratings_release(&s->steps);
	mem_free(s->code);
	mem_free(s->correct);
	mem_free(s->verdict);
	mem_free(s->code_verdict);
	mem_free(s->reject);
	mem_free(s);
}

struct task {
	struct score_rows *s;
	struct scored *out;
	bool verdicts;
};

static struct judgement verdict_of(const struct score_rows *s, const struct batch *b, int64_t row, enum verify_profile profile, int worker)
{
	struct verify_input in = { .profile = profile };
	in.gold = array_text(batch_column(b, s->answer), row, &in.gold_n);
	in.prediction = array_text(batch_column(b, "completion"), row, &in.prediction_n);
	return verify(s->verifiers[worker], &in);
}

static void judge_row(const struct task *t, int64_t row, int worker)
{
	struct scored *out = t->out;
	const struct reward_set *set = &t->s->set;
	const struct batch *b = out->batch;
	const struct array *answer = batch_column(b, t->s->answer);
	struct reward_input in = { .tokens = completion_length(b, row), .correct = NAN };
	if (t->s->code)
		out->code_verdict[row] = code_judge(t->s->code, b, row, &out->code[row]);
	in.text = array_text(batch_column(b, "completion"), row, &in.n);
	if (answer && field_is_text(answer->field))
		in.answer = array_text(answer, row, &in.answer_n);
	if (t->verdicts) {
		struct judgement j = verdict_of(t->s, b, row, t->s->profile, worker);
		out->verdict[row] = j;
		in.correct = j.verdict == VERDICT_UNDECIDED ? NAN : j.verdict == VERDICT_EQUAL;
		if (verify_no_gold(j))
			out->reject[row] = reason_name(j.reason);
	}
	out->correct[row] = in.correct;
	in.logprob = out->logprob[row];
	in.logprob_mean = out->logprob_mean[row];
	in.rating = out->rating[row];
	in.code = out->code[row];
	in.programs = out->programs + row * set->n_programs;
	for (int i = 0; i < set->n; i++)
		if (reward_value(set, i, &in, t->s->scratch[worker], &out->values[row * set->n + i]) != OK)
			out->reject[row] = "regex_limit";
}

#define PIECE 16                             /* rows of one task */

static void judge_piece(void *arg, int64_t i, int worker)
{
	const struct task *t = arg;
	for (int64_t row = i * PIECE; row < (i + 1) * PIECE && row < t->out->batch->rows; row++)
		if (!t->out->reject[row])
			judge_row(t, row, worker);
}

/* --- rows for programs ------------------------------------------------------------------------------------ */

static void rows_as_jsonl(void *arg, const int64_t *rows, int64_t n, struct buf *out)
{
	for (int64_t i = 0; i < n; i++) {
		struct json_writer w = json_writer_open(out, 0);
		batch_json(arg, rows[i], &w);
		buf_char(out, '\n');
	}
}

static void begin_arrow(void *arg, struct buf *out)
{
	const struct batch *b = arg;
	arrow_bytes_begin(b->schema, out);
}

static void rows_as_arrow(void *arg, const int64_t *rows, int64_t n, struct buf *out)
{
	struct batch *taken = batch_take(arg, rows, n);
	arrow_bytes_batch(taken, out, NULL);          /* plain bodies of batches that we hold: nothing to fail */
	batch_release(taken);
}

static void end_arrow(void *arg, struct buf *out)
{
	(void)arg;
	arrow_bytes_end(out);
}

const struct exec_format score_rows_jsonl = { NULL, rows_as_jsonl, NULL };
const struct exec_format score_rows_arrow = { begin_arrow, rows_as_arrow, end_arrow };

/* --- reward models ---------------------------------------------------------------------------------------- */

/* NAN of no steps. */
static double aggregate(enum step_aggregate how, const double *v, int64_t n)
{
	double low = NAN, product = 1, sum = 0;
	for (int64_t i = 0; i < n; i++) {
		low = i && low < v[i] ? low : v[i];
		product *= v[i];
		sum += v[i];
	}
	if (n == 0 || how == STEPS_MIN)
		return low;
	return how == STEPS_PROD ? product : how == STEPS_LAST ? v[n - 1] : sum / (double)n;
}

static enum status rate(struct score_rows *s, struct scored *out, struct error *err)
{
	const int64_t rows = out->batch->rows, *at;
	if (!score_rater_is_process(s->rater))
		return score_model_ratings(s->rater, out->batch, out->rating, out->reject, err);
	TRY(score_model_steps(s->rater, out->batch, &out->steps, out->reject, err));
	at = out->steps.at;
	for (int64_t row = 0; row < rows; row++)
		if (!out->reject[row])
			out->rating[row] = aggregate(s->aggregate, out->steps.values + at[row], at[row + 1] - at[row]);
	return OK;
}

/* --- all of it -------------------------------------------------------------------------------------------- */

static enum status judge(struct score_rows *s, struct scored *out, struct error *err)
{
	struct batch *b = out->batch;
	struct task t = { s, out, reward_set_needs_verdict(&s->set) };
	if (s->model)
		TRY(score_model_completions(s->model, b, out->logprob, out->logprob_mean, out->reject, err));
	if (s->rater)
		TRY(rate(s, out, err));
	for (int i = 0; i < s->set.n_programs; i++)
		TRY(exec_run(s->programs[i], b->rows, b, out->programs + i, s->set.n_programs, out->reject, err));
	pool_run(s->pool, (b->rows + PIECE - 1) / PIECE, judge_piece, &t);
	return s->code ? code_status(s->code, err) : OK;
}

static void make_scratch(struct score_rows *s)
{
	int n = pool_threads(s->pool);
	if (s->scratch)
		return;
	s->scratch = mem_array((size_t)n, sizeof(*s->scratch));
	s->verifiers = mem_array((size_t)n, sizeof(*s->verifiers));
	for (int i = 0; i < n; i++) {
		s->scratch[i] = reward_scratch_open();
		s->verifiers[i] = verifier_new();
	}
}

enum status score_rows_judge(struct score_rows *s, struct batch *b, struct scored **out, struct error *err)
{
	make_scratch(s);
	struct scored *made = scored_open(b, &s->set);
	enum status st = judge(s, made, err);
	if (st != OK) {
		scored_close(made);
		return st;
	}
	*out = made;
	return OK;
}

/* --- audit ------------------------------------------------------------------------------------------------ */

struct audit {
	struct score_rows *s;
	struct batch *b;
	const enum verify_profile *profiles;
	struct judgement *out;
};

static void audit_piece(void *arg, int64_t i, int worker)
{
	const struct audit *a = arg;
	for (int64_t row = i * PIECE; row < (i + 1) * PIECE && row < a->b->rows; row++)
		for (int k = 0; k < 2; k++)
			a->out[2 * row + k] = verdict_of(a->s, a->b, row, a->profiles[k], worker);
}

void score_rows_audit(struct score_rows *s, struct batch *b, const enum verify_profile profiles[2], struct judgement *out)
{
	struct audit a = { s, b, profiles, out };
	make_scratch(s);
	pool_run(s->pool, (b->rows + PIECE - 1) / PIECE, audit_piece, &a);
}

void judgement_print(struct judgement j, struct buf *out)
{
	buf_printf(out, "%s:%s", verdict_name(j.verdict), reason_name(j.reason));
}

/* --- prompts ---------------------------------------------------------------------------------------------- */

struct place {
	struct scored *in;
	int64_t row;
};

struct score_groups {
	const struct reward_set *set;
	int len;                             /* place of the reward len in the set, -1 without */
	score_emit *emit;
	void *arg;
	struct place *rows;                  /* of the prompt at hand */
	int64_t n, cap;
	int64_t *lengths;                    /* [PROMPT_ROWS_MAX] each, of its rows that are not rejected */
	double *correct, *values;
};

struct score_groups *score_groups_open(const struct reward_set *set, score_emit *emit, void *arg)
{
	struct score_groups *g = mem_zalloc(sizeof(*g));
	*g = (struct score_groups){ .set = set, .len = len_place(set), .emit = emit, .arg = arg };
	g->lengths = mem_array(PROMPT_ROWS_MAX, sizeof(*g->lengths));
	g->correct = mem_array(PROMPT_ROWS_MAX, sizeof(*g->correct));
	g->values = mem_array(PROMPT_ROWS_MAX, sizeof(*g->values));
	return g;
}

static void give_up(struct place *p)
{
	if (--p->in->left == 0)
		scored_close(p->in);
}

void score_groups_close(struct score_groups *g)
{
	if (!g)
		return;
	for (int64_t i = 0; i < g->n; i++)
		give_up(&g->rows[i]);
	mem_free(g->rows);
	mem_free(g->lengths);
	mem_free(g->correct);
	mem_free(g->values);
	mem_free(g);
}

static void fill_len(struct score_groups *g)
{
	int64_t m = 0;
	for (int64_t i = 0; i < g->n; i++) {
		const struct place *p = &g->rows[i];
		size_t n;
		if (p->in->reject[p->row])
			continue;
		const char *text = array_text(batch_column(p->in->batch, "completion"), p->row, &n);
		g->lengths[m] = reward_characters(text, n);
		g->correct[m++] = p->in->correct[p->row];
	}
	reward_len(g->lengths, g->correct, m, g->values);
	m = 0;
	for (int64_t i = 0; i < g->n; i++) {
		const struct place *p = &g->rows[i];
		if (!p->in->reject[p->row])
			p->in->values[p->row * g->set->n + g->len] = g->values[m++];
	}
}

static enum status end_group(struct score_groups *g, struct error *err)
{
	enum status st = OK;
	if (g->len >= 0)
		fill_len(g);
	for (int64_t i = 0; i < g->n; i++) {
		if (st == OK)
			st = g->emit(g->arg, g->rows[i].in, g->rows[i].row, err);
		give_up(&g->rows[i]);
	}
	g->n = 0;
	return st;
}

static bool same_prompt(const struct place *a, const struct scored *s, int64_t row)
{
	struct prompt_row x = { a->in->batch, a->row }, y = { s->batch, row };
	return prompt_same(&x, &y);
}

enum status score_groups_add(struct score_groups *g, struct scored *s, struct error *err)
{
	enum status st = OK;
	int64_t rows = s->batch->rows;
	if (rows == 0)
		scored_close(s);
	for (int64_t row = 0; row < rows; row++) {
		if (st == OK && g->n && (g->len < 0 || !same_prompt(&g->rows[0], s, row)))
			st = end_group(g, err);
		if (st == OK && g->n == PROMPT_ROWS_MAX)
			st = error_set(err, ERR_DATA, "more than %d rows in a row have the same id", PROMPT_ROWS_MAX);
		MEM_PUSH_ROOM(g->rows, g->n, g->cap);
		g->rows[g->n++] = (struct place){ s, row }; /* after an error, too: who closes g gives it up */
	}
	return st;
}

enum status score_groups_finish(struct score_groups *g, struct error *err)
{
	return end_group(g, err);
}
