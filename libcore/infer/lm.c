#include "infer/lm.h"

#include <string.h>

enum status lm_open(struct lm *lm, const char *dir, struct pool *pool, struct error *err)
{
	memset(lm, 0, sizeof(*lm));
	TRY(tokenizer_load(&lm->tokenizer, dir, err));
	enum status st = model_load(&lm->model, dir, kernels_cpu(), pool, err);
	if (st != OK) {
		tokenizer_close(lm->tokenizer);
		lm->tokenizer = NULL;
		return st;
	}
	lm->scratch = tokenizer_scratch_open(lm->tokenizer);
	if (tokenizer_vocab_size(lm->tokenizer) <= lm->model.cfg.vocab)
		return OK;
	st = error_set(err, ERR_DATA, "%s: the tokenizer has %d ids, the model %d", dir, tokenizer_vocab_size(lm->tokenizer),
		       lm->model.cfg.vocab);
	lm_close(lm);
	return st;
}

void lm_close(struct lm *lm)
{
	if (!lm->tokenizer)
		return;
	tokenizer_scratch_close(lm->scratch);
	tokenizer_close(lm->tokenizer);
	model_release(&lm->model);
	lm->tokenizer = NULL;
}

enum status lm_encode(const struct lm *lm, const char *s, size_t n, struct ids *out, struct error *err)
{
	const struct ids *before, *after;
	int64_t at = out->n;

	tokenizer_around(lm->tokenizer, &before, &after);
	for (int64_t i = 0; i < before->n; i++)
		ids_push(out, before->v[i]);
	TRY(tokenizer_encode(lm->tokenizer, lm->scratch, s, n, true, out, err));
	if (before->n && out->n > at + before->n && out->v[at + before->n] == before->v[0]) {
		memmove(out->v + at, out->v + at + before->n, (size_t)(out->n - at - before->n) * sizeof(int32_t));
		out->n -= before->n;
	}
	return OK;
}
