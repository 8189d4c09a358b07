/* likelihood.h - log-probabilities of continuations of a context: the request that likelihood tasks are made of.
 *
 * Text is cut into tokens as lm-evaluation-harness cuts it (model.py, _encode_pair): blanks at the end of the context move to the
 * continuation, context and whole are encoded, and the continuation's tokens are what follows as many tokens as the context has; an
 * empty context is the beginning-of-sequence token, or the end token where there is none. What is too long loses its
 * first tokens. The contexts' common beginnings are computed once: those of one context's continuations, and what a context
 * has in common with one before it. A result does not depend on what else is asked. */
#ifndef QUERN_INFER_LIKELIHOOD_H
#define QUERN_INFER_LIKELIHOOD_H

#include "infer/likelihood_cache.h"
#include "infer/lm.h"

struct likelihood {
	double logprob;              /* sum over the continuation's tokens */
	bool greedy;                 /* each of them is the most probable one */
	int64_t tokens;
};

struct likelihoods;
/* context: most tokens of context and continuation; 0 = the model's positions, at most 4096. */
enum status likelihoods_open(struct likelihoods **l, struct lm *lm, int64_t context, struct error *err);
void likelihoods_close(struct likelihoods *l);               /* NULL allowed */
/* What the cache knows is not computed, and what is computed is kept there; c stays the caller's. NULL: no cache. */
void likelihoods_use_cache(struct likelihoods *l, struct likelihood_cache *c);
struct request_text {
	const char *s;
	size_t n;
};
/* Asks for out[n] of the n continuations of one context. Contexts are computed several at a time: out, which must stay, is filled by the
 * next settle, if not before. */
enum status likelihoods_ask(struct likelihoods *l, struct request_text context, const struct request_text *continuations, int64_t n,
			    struct likelihood *out, struct error *err);
enum status likelihoods_settle(struct likelihoods *l, struct error *err);
/* Tokens fed and tokens that were in the cache already, so far. */
int64_t likelihoods_fed(const struct likelihoods *l);
int64_t likelihoods_shared(const struct likelihoods *l);

#endif
