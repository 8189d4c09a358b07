/* minhash.h - MinHash signatures of word shingles, with datatrove's arithmetic, so that both agree on every number.
 *
 * Text is simplified, cut into white-space words, and each run of n words (joined by one space) is hashed by XXH64. With the
 * permutations (a_k, b_k), drawn from MT19937 as numpy's RandomState(seed).randint does,
 *
 *	signature[k] = min over shingles h of ((a_k * h + b_k) mod 2^64) mod (2^61 - 1)
 *
 * and the signature falls into bands of `rows` values. Two texts whose sets of shingles have Jaccard similarity s
 * share a band with probability 1 - (1 - s^rows)^bands. The kernel is chosen by CPU; all give the same numbers. */
#ifndef QUERN_TEXT_MINHASH_H
#define QUERN_TEXT_MINHASH_H

#include "base/mem.h"
#include "text/unicode.h"

#define MINHASH_MAX 1024             /* permutations */

struct minhash {
	int n;                       /* permutations: bands * rows; a and b are 0 beyond */
	uint64_t a[MINHASH_MAX], b[MINHASH_MAX];
};

void minhash_init(struct minhash *m, int n, uint32_t seed);
/* datatrove's simplify_text: lower case; runs of decimal digits (with one inner separator) to "0"; its 129 punctuation characters to
 * spaces; white space folded; NFD without non-spacing marks. Appends to out. */
void minhash_simplify(const char *s, size_t n, struct buf *out);

/* Reusable memory of minhash_shingles. */
struct minhash_scratch {
	struct spans words;
	uint64_t *shingles;
	size_t cap;
};
/* Hashes of the ngram-word shingles of a simplified text, in scratch->shingles; returns how many: 0 for fewer words than ngram. */
size_t minhash_shingles(const char *s, size_t n, int ngram, struct minhash_scratch *scratch);
void minhash_scratch_release(struct minhash_scratch *scratch);

/* sig has m->n values; n_shingles 0 leaves all at UINT64_MAX. */
void minhash_sign(const struct minhash *m, const uint64_t *shingles, size_t n_shingles, uint64_t *sig);
/* The kernel in use ("avx512", "avx2", "plain"); force one by name for tests, NULL for the best. False if the CPU lacks it. */
const char *minhash_kernel(void);
bool minhash_force_kernel(const char *name);

#endif
