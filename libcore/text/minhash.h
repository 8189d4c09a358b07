/* minhash.h - MinHash signatures of shingles, with datatrove's arithmetic, so that both agree on every number.
 *
 * Text is simplified and cut into shingles, runs of n words (joined by one space) or of n characters, and each is hashed to 64
 * bits. With the permutations (a_k, b_k), drawn from MT19937 as numpy's RandomState(seed).randint does,
 *
 *	signature[k] = min over shingles h of ((a_k * h + b_k) mod 2^64) mod (2^61 - 1)
 *
 * and the signature falls into bands of `rows` values. Two texts whose sets of shingles have Jaccard similarity s
 * share a band with probability 1 - (1 - s^rows)^bands. The kernel is chosen by CPU; all give the same numbers.
 *
 * Words are what white space parts in the simplified text; given those, `datatrove-0.10` has the signatures of datatrove 0.10's
 * MinhashDedupSignature, and `fineweb-v1` those of datatrove 0.2.0 with 64-bit hashes, which made FineWeb. `quern`, our own, keeps
 * numbers apart, takes a text of fewer words than a shingle as one shingle, and hashes by XXH3, in half the time. */
#ifndef QUERN_TEXT_MINHASH_H
#define QUERN_TEXT_MINHASH_H

#include "base/error.h"
#include "base/mem.h"
#include "text/unicode.h"

#define MINHASH_MAX 1024             /* permutations */

struct minhash {
	int n;                       /* permutations: bands * rows; a and b are 0 beyond */
	uint64_t a[MINHASH_MAX], b[MINHASH_MAX];
};

void minhash_init(struct minhash *m, int n, uint32_t seed);
/* sig has m->n values; n_shingles 0 leaves all at UINT64_MAX. */
void minhash_sign(const struct minhash *m, const uint64_t *shingles, size_t n_shingles, uint64_t *sig);
/* The kernel in use ("avx512", "avx2", "plain"); force one by name for tests, NULL for the best. False if the CPU lacks it. */
const char *minhash_kernel(void);
bool minhash_force_kernel(const char *name);

/* --- from text to shingles ------------------------------------------------------------------- */

/* All are in lower case, without white space but single spaces, decomposed (NFD) and without non-spacing marks. */
enum minhash_manner {
	MINHASH_QUERN,               /* punctuation (datatrove's 129 characters) to spaces */
	MINHASH_DATATROVE_0_10,      /* numbers (digits with one inner separator) to "0", punctuation to spaces */
	MINHASH_DATATROVE_0_2        /* punctuation gone, then runs of digits to "0" */
};
enum minhash_unit { MINHASH_WORDS, MINHASH_CHARS };
enum minhash_hash { MINHASH_XXH3, MINHASH_XXH64, MINHASH_SHA1 };     /* of 64 bits, seed 0; SHA-1: its first 8 bytes, little endian */

struct minhash_recipe {
	const char *name;
	enum minhash_manner manner;
	enum minhash_unit unit;
	enum minhash_hash hash;
	bool short_texts;            /* a text shorter than a shingle is one */
	int ngram, bands, rows;
	uint32_t seed;
	double threshold;            /* Jaccard similarity from which texts are duplicates */
};
/* "quern", "datatrove-0.10" or "fineweb-v1"; ERR_USAGE names what there is. */
enum status minhash_preset(struct minhash_recipe *r, const char *name, struct error *err);
/* Bands and rows of at most `permutations` values for a threshold: those with the least sum of the probabilities of a false pair
 * below it and a missed one above, each integrated over the similarity, as datasketch's MinHashLSH chooses them. */
void minhash_bands(double threshold, int permutations, int *bands, int *rows);

/* Reusable memory; {0} is valid. What minhash_shingles leaves in it is valid until the next call. */
struct minhash_scratch {
	struct buf text;             /* simplified */
	size_t *units;               /* where its words or characters start, and behind the last the place where one more would */
	uint32_t *sources;           /* where they start in the text as it was; behind the last: its end */
	size_t n_units, cap_units;
	uint64_t *shingles;
	size_t cap;
};
/* Simplifies s into x->text and x->units (words). */
void minhash_simplify(enum minhash_manner manner, const char *s, size_t n, struct minhash_scratch *x);
/* Hashes of the shingles of a text, in x->shingles, in the order of the text; returns how many. */
size_t minhash_shingles(const struct minhash_recipe *r, const char *s, size_t n, struct minhash_scratch *x);
void minhash_scratch_release(struct minhash_scratch *x);

#endif
