/* minhash_text.c - recipes, from words to hashed shingles, and how many bands; see minhash.h. */
#include "text/minhash.h"

#include "text/minhash_words.h"
#include "text/sha1.h"

#include <math.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* --- recipes --------------------------------------------------------------------------------- */

static const struct minhash_recipe presets[] = {
	{"quern", MINHASH_QUERN, MINHASH_WORDS, MINHASH_XXH3, true, 5, 14, 8, 1, 0.75},
	{"datatrove-0.10", MINHASH_DATATROVE_0_10, MINHASH_WORDS, MINHASH_XXH64, false, 5, 14, 8, 1, 0.75},
	{"fineweb-v1", MINHASH_DATATROVE_0_2, MINHASH_WORDS, MINHASH_SHA1, false, 5, 14, 8, 1, 0.75},
};

enum status minhash_preset(struct minhash_recipe *r, const char *name, struct error *err)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (strcmp(presets[i].name, name) == 0) {
			*r = presets[i];
			return OK;
		}
	return error_set(err, ERR_USAGE, "preset '%s' is none of quern, datatrove-0.10, fineweb-v1", name);
}

/* The integral of the probability of a shared band (or of none) over [from, to], by midpoints of 0.001, as datasketch takes it. */
static double integral(double from, double to, int bands, int rows, bool none)
{
	const double step = 0.001;
	double area = 0;
	for (double x = from; x < to; x += step) {
		double apart = pow(1 - pow(x + 0.5 * step, rows), bands);
		area += (none ? apart : 1 - apart) * step;
	}
	return area;
}

void minhash_bands(double threshold, int permutations, int *bands, int *rows)
{
	double least = INFINITY;
	for (int b = 1; b <= permutations; b++)
		for (int r = 1; r <= permutations / b; r++) {
			double error = 0.5 * integral(0, threshold, b, r, false) + 0.5 * integral(threshold, 1, b, r, true);
			if (error < least) {
				least = error;
				*bands = b;
				*rows = r;
			}
		}
}

/* --- shingles -------------------------------------------------------------------------------- */

/* Characters as units in the place of words; where they come from is not told. */
static void cut_characters(struct minhash_scratch *x)
{
	x->n_units = 0;
	for (size_t i = 0; i < x->text.len; i++)
		if (((unsigned char)x->text.data[i] & 0xc0) != 0x80)
			minhash_add_unit(x, i, 0);
	minhash_add_unit(x, x->text.len, 0);
	x->n_units--;
}

/* Words stand one space apart, so a shingle is a piece of the text, up to where the next unit starts (behind its space). */
static void hash_shingles(enum minhash_hash hash, struct minhash_scratch *x, size_t ngram, size_t behind, size_t n)
{
	const char *text = x->text.data;
	const size_t *unit = x->units;
	if (hash == MINHASH_XXH3)
		for (size_t i = 0; i < n; i++)
			x->shingles[i] = XXH3_64bits(text + unit[i], unit[i + ngram] - behind - unit[i]);
	else if (hash == MINHASH_XXH64)
		for (size_t i = 0; i < n; i++)
			x->shingles[i] = XXH64(text + unit[i], unit[i + ngram] - behind - unit[i], 0);
	else
		sha1_64_pieces(text, unit, ngram, behind, n, x->shingles);
}

size_t minhash_shingles(const struct minhash_recipe *r, const char *s, size_t n, struct minhash_scratch *x)
{
	minhash_simplify(r->manner, s, n, x);
	if (r->unit == MINHASH_CHARS)
		cut_characters(x);
	size_t ngram = (size_t)r->ngram, behind = r->unit == MINHASH_WORDS;
	if (r->short_texts && x->n_units > 0 && x->n_units < ngram)
		ngram = x->n_units;
	if (x->n_units < ngram)
		return 0;
	size_t count = x->n_units - ngram + 1;
	if (count > x->cap) {
		x->cap = count + count / 2;
		x->shingles = mem_grow(x->shingles, x->cap, sizeof(*x->shingles));
	}
	hash_shingles(r->hash, x, ngram, behind, count);
	return count;
}

void minhash_scratch_release(struct minhash_scratch *x)
{
	buf_release(&x->text);
	mem_free(x->units);
	mem_free(x->sources);
	mem_free(x->shingles);
	*x = (struct minhash_scratch){0};
}
