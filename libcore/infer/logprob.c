#include "infer/logprob.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* Where a classifier's outputs are wanted. */
struct wanted {
	double *to;
	int64_t at;                  /* token of the queue */
};

struct scorer {
	struct model *m;
	struct model_state *st;
	int64_t limit, tokens;
	struct ids ids, targets, cu;
	double **sums;               /* of the queued sequences; of a classifier NULL, and these: */
	struct wanted *wanted;
	int64_t n, cap, n_wanted, cap_wanted;
	float *logp;                 /* [tokens] */
	float *logits;               /* [tokens, labels] of a reward model, else NULL */
};

enum status scorer_open(struct scorer **out, struct model *m, int64_t limit, struct error *err)
{
	struct scorer *s = mem_zalloc(sizeof(*s));
	s->m = m;
	limit = limit ? limit : 8192;
	limit = limit < m->cfg.positions ? limit : m->cfg.positions;
	s->limit = limit + 1;
	s->tokens = limit > 2048 ? limit : 2048;
	enum status st = model_state_open(&s->st, m, s->tokens, false, err);
	if (st != OK) {
		mem_free(s);
		return st;
	}
	s->logp = mem_array((size_t)s->tokens, sizeof(*s->logp));
	s->logits = m->cfg.labels ? mem_array((size_t)s->tokens * (size_t)m->cfg.labels, sizeof(*s->logits)) : NULL;
	ids_push(&s->cu, 0);
	*out = s;
	return OK;
}

void scorer_close(struct scorer *s)
{
	if (!s)
		return;
	model_state_close(s->st);
	ids_release(&s->ids);
	ids_release(&s->targets);
	ids_release(&s->cu);
	mem_free(s->sums);
	mem_free(s->wanted);
	mem_free(s->logp);
	mem_free(s->logits);
	mem_free(s);
}

int64_t scorer_limit(const struct scorer *s)
{
	return s->limit;
}

enum status scorer_flush(struct scorer *s, struct error *err)
{
	if (s->n == 0)
		return OK;
	struct model_batch b = { .n = s->ids.n, .s = s->n, .ids = s->ids.v, .cu = s->cu.v, .targets = s->targets.v, .logits = s->logits };
	TRY(model_forward(s->m, s->st, &b, s->logp, err));
	bool sound = true;
	for (int64_t i = 0; i < s->n && !s->logits; i++) {
		*s->sums[i] = 0;
		for (int32_t j = s->cu.v[i]; j < s->cu.v[i + 1]; j++)
			*s->sums[i] += (double)s->logp[j];
		sound &= !isnan(*s->sums[i]);
	}
	for (int64_t i = 0; i < s->n_wanted; i++) {
		const float *z = s->logits + s->wanted[i].at * s->m->cfg.labels;

		*s->wanted[i].to = s->m->cfg.labels == 1 ? (double)z[0] : 1 / (1 + exp((double)z[0] - (double)z[1]));
		sound &= !isnan(*s->wanted[i].to);
	}
	if (!sound)
		return error_set(err, ERR_DATA, "the model's outputs are no numbers: its weights are damaged");
	s->n_wanted = 0;
	s->n = s->ids.n = s->targets.n = 0;
	s->cu.n = 1;
	return OK;
}

/* Room for a sequence of which fed tokens are fed. */
static enum status begin(struct scorer *s, const int32_t *ids, int64_t n, int64_t fed, struct error *err)
{
	if (fed > s->limit - 1)
		return error_set(err, ERR_DATA, "a sequence of %lld tokens; at most %lld fit", (long long)n,
				 (long long)(s->limit - 1 + n - fed));
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= s->m->cfg.vocab)
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d", ids[i], s->m->cfg.vocab);
	return s->ids.n + fed > s->tokens ? scorer_flush(s, err) : OK;
}

static void end(struct scorer *s, double *sum)
{
	MEM_PUSH_ROOM(s->sums, s->n, s->cap);
	s->sums[s->n++] = sum;
	ids_push(&s->cu, (int32_t)s->ids.n);
}

enum status scorer_add(struct scorer *s, const int32_t *ids, const int32_t *mask, int64_t n, double *sum, struct error *err)
{
	*sum = 0;
	TRY(begin(s, ids, n, n > 0 ? n - 1 : 0, err));
	if (n < 2)
		return OK;
	for (int64_t i = 0; i + 1 < n; i++) {
		ids_push(&s->ids, ids[i]);
		ids_push(&s->targets, mask[i + 1] ? ids[i + 1] : -1);
	}
	end(s, sum);
	return OK;
}

enum status scorer_add_ratings(struct scorer *s, const int32_t *ids, int64_t n, const int64_t *at, int64_t n_at, double *values, struct error *err)
{
	TRY(begin(s, ids, n, n, err));
	for (int64_t i = 0; i < n_at; i++) {
		MEM_PUSH_ROOM(s->wanted, s->n_wanted, s->cap_wanted);
		s->wanted[s->n_wanted++] = (struct wanted){ &values[i], s->ids.n + at[i] };
	}
	for (int64_t i = 0; i < n; i++) {
		ids_push(&s->ids, ids[i]);
		ids_push(&s->targets, -1);
	}
	end(s, NULL);
	return OK;
}

/* A prompt and one reply: the ids of both as tokenize-bpe gives them. */
static enum status encode_reply(const struct lm *lm, const struct chat *c, struct ids *ids, struct ids *mask, struct error *err)
{
	const struct chat prompt = { .messages = c->messages, .n = c->n - 1, .tools = c->tools, .row = c->row };
	struct ids head = { 0 }, reply = { 0 };
	const char *reason = NULL;
	enum status st = chat_encode_loss(lm->tokenizer, lm->scratch, &prompt, true, CHAT_LOSS_COMPLETION, &head, NULL, &reason, err);

	if (st == OK && !reason)
		st = chat_encode_answer(lm->tokenizer, lm->scratch, c, prompt.n, &head, &reply, &reason, err);
	for (int64_t i = 0; st == OK && !reason && i < head.n + reply.n; i++) {
		ids_push(ids, i < head.n ? head.v[i] : reply.v[i - head.n]);
		ids_push(mask, i >= head.n);
	}
	ids_release(&head);
	ids_release(&reply);
	return st == OK && reason ? ERR_DATA : st;
}

enum status logprob_encode(const struct lm *lm, const struct chat *c, int n_prompt, struct ids *ids, struct ids *mask, struct error *err)
{
	const struct chat prompt = { .messages = c->messages, .n = n_prompt, .tools = c->tools, .row = c->row };
	struct ids head = { 0 };
	int64_t from = mask->n;
	if (n_prompt > 0 && c->n == n_prompt + 1)
		return encode_reply(lm, c, ids, mask, err);
	enum status st = chat_encode(lm->tokenizer, lm->scratch, c, false, ids, mask, err);
	if (st == OK && n_prompt > 0)
		st = chat_encode(lm->tokenizer, lm->scratch, &prompt, false, &head, NULL, err);
	for (int64_t i = 0; st == OK && i < head.n && from + i < mask->n; i++)
		mask->v[from + i] = 0;       /* what the assistant said in the prompt is given */
	ids_release(&head);
	return st;
}
