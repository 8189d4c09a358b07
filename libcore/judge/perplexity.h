/* perplexity.h - how well a model predicts text, as lm-evaluation-harness's loglikelihood_rolling counts it.
 *
 * Each token is predicted once. A document is cut into windows of as many tokens as the model has positions: the first
 * starts behind the prefix token, each next one behind the last token of the window before it, and the last, shorter one
 * with as much left context as fits. Words are the pieces between runs of white space (empty ones at the edges count), bytes
 * those of the text. */
#ifndef QUERN_JUDGE_PERPLEXITY_H
#define QUERN_JUDGE_PERPLEXITY_H

#include "infer/likelihood_cache.h"
#include "infer/logprob.h"

struct perplexity_window {
	double *sum;                 /* as the scorer fills it, */
	int32_t *key;                /* [n] what to keep it under, or NULL */
	int64_t n;
	int64_t document;            /* index of documents */
};

struct perplexity_document {
	int64_t row;                 /* what perplexity.row was when it was added */
	double logprob;              /* once it is settled */
	int64_t tokens, words, bytes;        /* words, bytes: of a text, else 0 */
};

struct perplexity {
	struct scorer *scorer;               /* the caller's */
	struct likelihood_cache *cache;      /* the caller's, or NULL: windows that it knows are not computed, the others are kept */
	double logprob;                      /* totals of everything settled */
	int64_t rows, tokens, words, bytes;
	int64_t row;                         /* the caller's, for documents that are added next */
	struct perplexity_document *documents;       /* those that the last settle settled, until the next is added */
	int64_t n_documents, cap_documents;
	bool settled;
	/* windows on their way */
	struct arena arena;
	struct perplexity_window *pending;
	int64_t n, cap;
	struct ids window, mask;
};

/* ids[0] is context only; ids[i] counts where mask (NULL = all) is not 0. */
enum status perplexity_add_ids(struct perplexity *p, const int32_t *ids, const int32_t *mask, int64_t n, struct error *err);
/* A document: its ids behind the beginning-of-sequence token, or the end token where there is none; words and bytes too. */
enum status perplexity_add_text(struct perplexity *p, const struct lm *lm, const char *text, size_t n, struct error *err);
/* Brings the totals, documents and the cache up to date. Call at least once per batch, so that what is pending stays bounded.
 * ERR_DATA where the model says what is no number. */
enum status perplexity_settle(struct perplexity *p, struct error *err);
void perplexity_release(struct perplexity *p);

double perplexity_per(const struct perplexity *p, int64_t units);     /* exp(-logprob / units), NAN for none */
double perplexity_bits_per_byte(const struct perplexity *p);

#endif
