/* lm.h - a model directory opened for use: weights and tokenizer, checked against each other. */
#ifndef QUERN_INFER_LM_H
#define QUERN_INFER_LM_H

#include "model/model.h"
#include "token/tokenizer.h"

struct lm {
	struct model model;
	struct tokenizer *tokenizer;
	struct tokenizer_scratch *scratch;   /* for the thread that opened it */
};

/* The model is loaded as how says. dir is a model's or an adapter's. The tokenizer is dir's, or, if it has none, that of the adapter's base.
 * ERR_DATA if the tokenizer has ids that the model has no embedding for; grow: it gets embeddings for them. */
enum status lm_open_as(struct lm *lm, const char *dir, const struct model_how *how, bool grow, struct pool *pool, struct error *err);
/* A reward model's directory, of either sort; lm_open_as takes none, but for how->labels. */
enum status lm_open_reward(struct lm *lm, const char *dir, const struct model_how *how, struct pool *pool, struct error *err);
void lm_close(struct lm *lm);                /* {0} allowed */
/* Appends a text's ids as the reference libraries encode it on their own: special tokens in it are special, and before it stands what
 * the tokenizer puts there (a BOS token), unless the text says it itself. */
enum status lm_encode(const struct lm *lm, const char *s, size_t n, struct ids *out, struct error *err);

#endif
