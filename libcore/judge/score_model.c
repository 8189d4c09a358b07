#include "judge/score_model.h"

#include "infer/complete.h"
#include "infer/logprob.h"
#include "infer/steps.h"

#include <math.h>
#include <string.h>

struct score_model {
	struct lm lm;
	struct scorer *scorer;
	struct prompts prompts;
	struct steps steps;                  /* of a process reward model */
	struct ids ids, mask;                /* of the row at hand */
	struct chat_message *messages;       /* prompt, then a reply */
	int cap;
};

static enum status open_as(struct score_model **out, bool rater, const char *dir, const struct model_how *how, const struct schema *s,
			   enum kind k, struct pool *pool, struct error *err)
{
	struct score_model *m = *out = mem_zalloc(sizeof(*m));
	enum status st = rater ? lm_open_reward(&m->lm, dir, how, pool, err) : lm_open_as(&m->lm, dir, how, false, pool, err);
	if (st == OK)
		st = scorer_open(&m->scorer, &m->lm.model, 0, err);
	if (st == OK && k != KIND_PREFERENCES)
		st = prompts_open(&m->prompts, &m->lm, s, k, err);
	if (st != OK) {
		score_model_close(m);
		*out = NULL;
	}
	return st;
}

enum status score_model_open(struct score_model **out, const char *dir, const struct model_how *how, const struct schema *s, enum kind k,
			     struct pool *pool, struct error *err)
{
	return open_as(out, false, dir, how, s, k, pool, err);
}

enum status score_rater_open(struct score_model **out, const char *dir, const struct model_how *how, const char *separator,
			     const struct schema *s, enum kind k, struct pool *pool, struct error *err)
{
	TRY(open_as(out, true, dir, how, s, k, pool, err));
	enum status st = OK;
	if (score_rater_is_process(*out))
		st = steps_open(&(*out)->steps, &(*out)->lm, separator, err);
	else if (separator)
		st = error_set(err, ERR_USAGE, "%s rates completions as a whole: it has no steps", dir);
	if (st != OK) {
		score_model_close(*out);
		*out = NULL;
	}
	return st;
}

bool score_rater_is_process(const struct score_model *m)
{
	return m && m->lm.model.cfg.labels == 2;
}

void score_model_close(struct score_model *m)
{
	if (!m)
		return;
	prompts_close(&m->prompts);
	steps_close(&m->steps);
	scorer_close(m->scorer);
	lm_close(&m->lm);
	ids_release(&m->ids);
	ids_release(&m->mask);
	mem_free(m->messages);
	mem_free(m);
}

/* What stands in ids is queued, unless it is too long. */
static enum status queue(struct score_model *m, double *sum, const char **reject, struct error *err)
{
	if (m->ids.n > scorer_limit(m->scorer)) {
		*reject = "too_long";
		return OK;
	}
	return scorer_add(m->scorer, m->ids.v, m->mask.v, m->ids.n, sum, err);
}

/* --- completions ------------------------------------------------------------------------------------------ */

/* The completion's tokens: those that were sampled if the model's tokenizer reads the same text from them, else
 * the text's own, with the end token where the model ended it. */
static enum status completion_tokens(struct score_model *m, const struct batch *b, int64_t row, struct error *err)
{
	const struct tokenizer *t = m->lm.tokenizer;
	const struct array *column = batch_column(b, "completion_ids"), *finish = batch_column(b, "finish");
	size_t n, f_n = 0;
	const char *text = array_text(batch_column(b, "completion"), row, &n);
	int64_t n_ids = 0;
	const int32_t *ids = column ? array_int32s(column, row, &n_ids) : NULL;
	bool known = ids && n_ids > 0;
	for (int64_t i = 0; i < n_ids && known; i++)
		known = ids[i] >= 0 && ids[i] < m->lm.model.cfg.vocab;
	if (known) {
		struct buf decoded = { 0 };
		tokenizer_decode(t, ids, n_ids, true, &decoded);
		known = decoded.len >= n && memcmp(decoded.data ? decoded.data : "", text, n) == 0;
		buf_release(&decoded);
	}
	if (known) {
		for (int64_t i = 0; i < n_ids; i++)
			ids_push(&m->ids, ids[i]);
		return OK;
	}
	TRY(tokenizer_encode(t, m->lm.scratch, text, n, false, &m->ids, err));
	const char *f = finish && field_is_text(finish->field) ? array_text(finish, row, &f_n) : "";
	if (f_n == 3 && memcmp(f, "eos", 3) == 0 && tokenizer_eos(t) >= 0)
		ids_push(&m->ids, tokenizer_eos(t));
	return OK;
}

/* n receives how many tokens the sum is of. */
static enum status add_completion(struct score_model *m, const struct batch *b, int64_t row, double *sum, double *n, const char **reject,
				  struct error *err)
{
	m->ids.n = m->mask.n = 0;
	TRY(prompts_encode(&m->prompts, b, row, &m->ids, reject, err));
	if (*reject)
		return OK;
	while (m->mask.n < m->ids.n)
		ids_push(&m->mask, 0);
	int64_t from = m->ids.n > 0 ? m->ids.n : 1;  /* the very first token is not predicted */
	TRY(completion_tokens(m, b, row, err));
	while (m->mask.n < m->ids.n)
		ids_push(&m->mask, 1);
	*n = m->ids.n > from ? (double)(m->ids.n - from) : NAN;
	return queue(m, sum, reject, err);
}

enum status score_model_completions(struct score_model *m, const struct batch *b, double *sums, double *means, const char **reject,
				    struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++)
		TRY(add_completion(m, b, row, &sums[row], &means[row], &reject[row], err));
	TRY(scorer_flush(m->scorer, err));
	for (int64_t row = 0; row < b->rows; row++)
		means[row] = sums[row] / means[row];
	return OK;
}

/* --- ratings ---------------------------------------------------------------------------------------------- */

/* A prompt of messages, and the completion as what the assistant says to it. */
static enum status encode_said(struct score_model *m, const struct batch *b, int64_t row, const char **reject, struct error *err)
{
	struct chat_message said = { .role = "assistant", .role_n = strlen("assistant") };
	int n = messages_read(batch_column(b, "prompt"), row, &m->messages, &m->cap);
	if (n == 0) {
		*reject = "empty_prompt";
		return OK;
	}
	said.content = array_text(batch_column(b, "completion"), row, &said.content_n);
	MEM_PUSH_ROOM(m->messages, n, m->cap);
	m->messages[n] = said;
	const struct chat c = chat_of_row(m->messages, n + 1, b, row);
	enum status st = logprob_encode(&m->lm, &c, n, &m->ids, &m->mask, err);
	if (st != ERR_DATA)
		return st;
	*reject = "template_error";
	return OK;
}

static enum status encode_text(struct score_model *m, const struct batch *b, int64_t row, const char **reject, struct error *err)
{
	const struct tokenizer *t = m->lm.tokenizer;
	size_t n;
	const char *text = array_text(batch_column(b, "completion"), row, &n);
	TRY(prompts_encode(&m->prompts, b, row, &m->ids, reject, err));
	if (!*reject)
		TRY(tokenizer_encode(t, m->lm.scratch, text, n, false, &m->ids, err));
	if (tokenizer_eos(t) >= 0)
		ids_push(&m->ids, tokenizer_eos(t));
	return OK;
}

static enum status add_rating(struct score_model *m, const struct batch *b, int64_t row, double *rating, const char **reject, struct error *err)
{
	m->ids.n = m->mask.n = 0;
	TRY((m->prompts.text ? encode_text : encode_said)(m, b, row, reject, err));
	if (*reject)
		return OK;
	if (m->ids.n >= scorer_limit(m->scorer)) {
		*reject = "too_long";
		return OK;
	}
	int64_t last = m->ids.n - 1;
	return scorer_add_ratings(m->scorer, m->ids.v, m->ids.n, &last, 1, rating, err);
}

enum status score_model_ratings(struct score_model *m, const struct batch *b, double *ratings, const char **reject, struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++)
		if (!reject[row])
			TRY(add_rating(m, b, row, &ratings[row], &reject[row], err));
	return scorer_flush(m->scorer, err);
}

/* --- steps ------------------------------------------------------------------------------------------------ */

void step_ratings_release(struct step_ratings *r)
{
	mem_free(r->at);
	mem_free(r->values);
	*r = (struct step_ratings){ 0 };
}

static int64_t count_steps(const struct score_model *m, const struct batch *b, int64_t row)
{
	size_t n, step_n;
	const char *at = array_text(batch_column(b, "completion"), row, &n), *end = at + n, *step;
	int64_t steps = 0;
	while (steps_next(&m->steps, &at, end, &step, &step_n))
		steps++;
	return steps;
}

/* Queues a row of so many steps. */
static enum status add_steps(struct score_model *m, const struct batch *b, int64_t row, int64_t steps, double *values, const char **reject,
			     struct error *err)
{
	size_t n, step_n;
	const char *at = array_text(batch_column(b, "completion"), row, &n), *end = at + n, *step;
	int64_t *ends = mem_array((size_t)steps + 1, sizeof(*ends)), i = 0;
	m->ids.n = 0;
	enum status st = prompts_encode(&m->prompts, b, row, &m->ids, reject, err);
	while (st == OK && !*reject && steps_next(&m->steps, &at, end, &step, &step_n)) {
		st = steps_encode(&m->steps, step, step_n, &m->ids, err);
		ends[i++] = m->ids.n - 1;
	}
	if (st == OK && !*reject && m->ids.n >= scorer_limit(m->scorer))
		*reject = "too_long";
	if (st == OK && !*reject && steps)
		st = scorer_add_ratings(m->scorer, m->ids.v, m->ids.n, ends, steps, values, err);
	mem_free(ends);
	return st;
}

enum status score_model_steps(struct score_model *m, const struct batch *b, struct step_ratings *r, const char **reject, struct error *err)
{
	r->at = mem_array((size_t)b->rows + 1, sizeof(*r->at));
	for (int64_t row = 0; row < b->rows; row++)
		r->at[row + 1] = r->at[row] + (reject[row] ? 0 : count_steps(m, b, row));
	r->values = mem_array((size_t)r->at[b->rows] + 1, sizeof(*r->values));
	for (int64_t row = 0; row < b->rows; row++)
		if (!reject[row])
			TRY(add_steps(m, b, row, r->at[row + 1] - r->at[row], r->values + r->at[row], &reject[row], err));
	return scorer_flush(m->scorer, err);
}

/* --- preferences ------------------------------------------------------------------------------------------ */

/* The prompt's and one reply's messages as one conversation; returns how many are the prompt's. */
static int conversation(struct score_model *m, const struct batch *b, int64_t row, const char *reply, int *n)
{
	struct chat_message *tail = NULL;
	int cap = 0;
	int n_prompt = messages_read(batch_column(b, "prompt"), row, &m->messages, &m->cap);
	int n_tail = messages_read(batch_column(b, reply), row, &tail, &cap);
	*n = n_prompt;
	for (int i = 0; i < n_tail; i++) {
		MEM_PUSH_ROOM(m->messages, *n, m->cap);
		m->messages[(*n)++] = tail[i];
	}
	mem_free(tail);
	return n_prompt;
}

static enum status add_reply(struct score_model *m, const struct batch *b, int64_t row, const char *reply, double *sum, const char **reject,
			     struct error *err)
{
	int n, n_prompt = conversation(m, b, row, reply, &n);
	m->ids.n = m->mask.n = 0;
	const struct chat c = chat_of_row(m->messages, n, b, row);
	enum status st = logprob_encode(&m->lm, &c, n_prompt, &m->ids, &m->mask, err);
	if (st == ERR_DATA) {
		*reject = "template_error";
		return OK;
	}
	TRY(st);
	return queue(m, sum, reject, err);
}

enum status score_model_replies(struct score_model *m, const struct batch *b, double *sums, const char **reject, struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++) {
		TRY(add_reply(m, b, row, "chosen", &sums[2 * row], &reject[row], err));
		if (!reject[row])
			TRY(add_reply(m, b, row, "rejected", &sums[2 * row + 1], &reject[row], err));
	}
	return scorer_flush(m->scorer, err);
}
