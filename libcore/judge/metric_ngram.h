/* metric_ngram.h - clipped n-gram matches of a prediction with its references: what BLEU, chrF, ROUGE-N and token F1 count.
 *
 * Order by order: an n-gram is the (n-1)-gram before it, by its place in the table of that order, and one token more, so equality is
 * exact and a row takes time and memory linear in its length. An n-gram that one side lacks ends every longer one there; one that both
 * have once is followed by comparing tokens, without the table: from order three on that is most of them. */
#ifndef QUERN_JUDGE_METRIC_NGRAM_H
#define QUERN_JUDGE_METRIC_NGRAM_H

#include "judge/metric_text.h"

#define NGRAM_ORDERS 6

/* The n-grams of one side that still count: where they begin and their slots. */
struct ngram_list {
	uint32_t *at, *slot;
	int64_t n, cap;
};
struct ngrams {                      /* scratch; {0} is valid */
	struct ngram_slot {
		uint64_t key;
		uint32_t stamp;      /* of the order it was written for */
		uint32_t most;       /* occurrences in the reference that has most */
		uint32_t here, reference;   /* occurrences in this reference so far */
		uint32_t found;      /* occurrences in the prediction */
		uint32_t place;      /* where the reference has it, if there is one reference */
	} *slots;
	size_t size;
	uint32_t stamp;
	struct tokens predicted, referred;   /* the texts, each ended by a token of its own, so that no n-gram goes beyond one */
	struct tokens ends;          /* of the references in referred */
	struct ngram_list prediction, references, pairs;     /* pairs: places in both of n-grams that both have once */
};

/* match[n - 1], n <= orders: how many of the prediction's n-grams the references have, each counted at most as often as in the
 * reference that has it most often. Texts have less than 2^31 tokens in all. */
void ngrams_match(struct ngrams *g, int orders, const struct tokens *prediction, const struct tokens *references, int n_references,
		  int64_t *match);
/* n-grams of a text of so many tokens. */
static inline int64_t ngrams_total(int64_t tokens, int n) { return tokens >= n ? tokens - n + 1 : 0; }
void ngrams_release(struct ngrams *g);

#endif
