#include "infer/lm.h"

#include "base/file.h"
#include "model/source.h"

#include <string.h>

/* Where the tokenizer of an adapter without one is. */
static enum status load_tokenizer(struct lm *lm, const char *dir, const struct model_how *how, struct error *err)
{
	char *own = path_join(dir, "tokenizer.json"), *base = NULL;
	bool has = path_exists(own) || !adapter_is_dir(dir);
	enum status st = has ? OK : source_base(dir, how->base, &base, err);

	if (st == OK)
		st = tokenizer_load(&lm->tokenizer, has ? dir : base, err);
	mem_free(own);
	mem_free(base);
	return st;
}

static const char *const sorts[] = { "language model", "reward model (reward-train makes one)",
				     "process reward model (reward-train --process makes one)" };

/* What is wanted is a classifier of so many labels; -1: of any. The other sorts are refused. */
static enum status check_labels(const struct lm *lm, const char *dir, int labels, struct error *err)
{
	int is = lm->model.cfg.labels;

	if (labels == is || (labels < 0 && is))
		return OK;
	return is && !labels ? error_set(err, ERR_DATA, "%s is a reward model: it rates what others say", dir) :
	       error_set(err, ERR_DATA, "%s is no %s", dir, sorts[labels < 0 ? 1 : labels]);
}

static enum status open_as(struct lm *lm, const char *dir, const struct model_how *how, bool grow, int labels, struct pool *pool,
			   struct error *err)
{
	struct model_how plan = *how;
	enum status st;

	memset(lm, 0, sizeof(*lm));
	TRY(load_tokenizer(lm, dir, how, err));
	if (grow)
		plan.vocab = tokenizer_vocab_size(lm->tokenizer);
	st = model_load_as(&lm->model, dir, &plan, how->kernels ? how->kernels : kernels_cpu(), pool, err);
	if (st != OK) {
		tokenizer_close(lm->tokenizer);
		lm->tokenizer = NULL;
		return st;
	}
	lm->scratch = tokenizer_scratch_open(lm->tokenizer);
	st = check_labels(lm, dir, labels, err);
	if (st == OK && tokenizer_vocab_size(lm->tokenizer) <= lm->model.cfg.vocab)
		return OK;
	if (st == OK)
		st = error_set(err, ERR_DATA, "%s: the tokenizer has %d ids, the model %d", dir,
			       tokenizer_vocab_size(lm->tokenizer), lm->model.cfg.vocab);
	lm_close(lm);
	return st;
}

enum status lm_open_as(struct lm *lm, const char *dir, const struct model_how *how, bool grow, struct pool *pool, struct error *err)
{
	return open_as(lm, dir, how, grow, how->labels, pool, err);
}

enum status lm_open_reward(struct lm *lm, const char *dir, const struct model_how *how, struct pool *pool, struct error *err)
{
	return open_as(lm, dir, how, false, -1, pool, err);
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
