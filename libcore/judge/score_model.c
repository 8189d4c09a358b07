#include "judge/score_model.h"

#include "infer/complete.h"
#include "infer/logprob.h"

#include <string.h>

struct score_model {
	struct lm lm;
	struct scorer *scorer;
	struct prompts prompts;
	struct ids ids, mask;                /* of the row at hand */
	struct chat_message *messages;       /* prompt, then a reply */
	int cap;
};

typedef enum status open_fn(struct lm *lm, const char *dir, struct pool *pool, struct error *err);

static enum status open_as(struct score_model **out, open_fn *lm, const char *dir, const struct schema *s, enum kind k, struct pool *pool,
			   struct error *err)
{
	struct score_model *m = *out = mem_zalloc(sizeof(*m));
	enum status st = lm(&m->lm, dir, pool, err);
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

enum status score_model_open(struct score_model **out, const char *dir, const struct schema *s, enum kind k, struct pool *pool, struct error *err)
{
	return open_as(out, lm_open, dir, s, k, pool, err);
}

enum status score_rater_open(struct score_model **out, const char *dir, const struct schema *s, enum kind k, struct pool *pool, struct error *err)
{
	return open_as(out, lm_open_reward, dir, s, k, pool, err);
}

void score_model_close(struct score_model *m)
{
	if (!m)
		return;
	prompts_close(&m->prompts);
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

static enum status add_completion(struct score_model *m, const struct batch *b, int64_t row, double *sum, const char **reject, struct error *err)
{
	m->ids.n = m->mask.n = 0;
	TRY(prompts_encode(&m->prompts, b, row, &m->ids, reject, err));
	if (*reject)
		return OK;
	while (m->mask.n < m->ids.n)
		ids_push(&m->mask, 0);
	TRY(completion_tokens(m, b, row, err));
	while (m->mask.n < m->ids.n)
		ids_push(&m->mask, 1);
	return queue(m, sum, reject, err);
}

enum status score_model_completions(struct score_model *m, const struct batch *b, double *sums, const char **reject, struct error *err)
{
	for (int64_t row = 0; row < b->rows; row++)
		TRY(add_completion(m, b, row, &sums[row], &reject[row], err));
	return scorer_flush(m->scorer, err);
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
	enum status st = logprob_encode(&m->lm, m->messages, n, n + 1, &m->ids, &m->mask, err);
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
	enum status st = logprob_encode(&m->lm, m->messages, n_prompt, n, &m->ids, &m->mask, err);
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
