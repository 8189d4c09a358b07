/* repeats.c - see repeats.h. */
#include "text/repeats.h"

#include "base/mem.h"
#include "text/suffix_array.h"

#define AHEAD 24                     /* places that are fetched before their turn */

static bool bit(const uint64_t *bits, int64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void set_bit(uint64_t *bits, int64_t i)
{
	bits[i / 64] |= 1ull << i % 64;
}

uint64_t repeats_memory(int64_t n)
{
	return (uint64_t)n * (n > INT32_MAX ? 16 : 8) + (uint64_t)n / 8 * 4;
}

/* The places where a window fits into its document. */
static void mark_windows(const struct repeats_corpus *c, int64_t least, uint64_t *windows)
{
	for (int64_t d = 0; d < c->n_documents; d++)
		for (int64_t i = d ? c->ends[d - 1] : 0; i + least <= c->ends[d]; i++)
			set_bit(windows, i);
}

/* Bytes that the suffixes at i and k have in common, of which there are `same` at least. */
static inline int64_t common(const uint8_t *text, int64_t n, int64_t i, int64_t k, int64_t same)
{
	int64_t most = n - (i > k ? i : k);
	while (same + 8 <= most) {
		uint64_t a, b;
		memcpy(&a, text + i + same, 8);
		memcpy(&b, text + k + same, 8);
		if (a != b)
			return same + __builtin_ctzll(a ^ b) / 8;
		same += 8;
	}
	while (same < most && text[i + same] == text[k + same])
		same++;
	return same;
}

/* One pair of functions for each type of index: sa is the suffix array, phi has its length. */
#define DEFINE(index, suffix)                                                                                                      \
	/* Sets a bit for each suffix that has `least` bytes in common with the one before it in the array. */                     \
	static void mark_joined##suffix(const struct repeats_corpus *c, const index *sa, index *phi, int64_t least, uint64_t *joined) \
	{                                                                                                                          \
		phi[sa[0]] = -1;                                                                                                   \
		for (int64_t i = 1; i < c->n; i++)                                                                                 \
			phi[sa[i]] = sa[i - 1];                                                                                    \
		int64_t same = 0;                                                                                                  \
		for (int64_t i = 0; i < c->n; i++) {                                                                               \
			if (i + AHEAD < c->n && phi[i + AHEAD] >= 0)                                                               \
				__builtin_prefetch(c->text + phi[i + AHEAD]);                                                      \
			same = phi[i] < 0 ? 0 : common(c->text, c->n, i, phi[i], same);                                            \
			if (same >= least)                                                                                         \
				set_bit(joined, i);                                                                                \
			same -= same > 0;                                                                                          \
		}                                                                                                                  \
	}                                                                                                                          \
	/* Equal windows are a run of the array; bits of all but the first in the corpus, or of all, if there are several. */      \
	static void mark_repeats##suffix(const struct repeats_corpus *c, const index *sa, const uint64_t *joined,                  \
					 const uint64_t *windows, bool every, uint64_t *starts)                                    \
	{                                                                                                                          \
		for (int64_t i = 0, end; i < c->n; i = end) {                                                                      \
			int64_t first = INT64_MAX, n = 0;                                                                          \
			for (end = i + 1; end < c->n && bit(joined, sa[end]); end++)                                               \
				;                                                                                                  \
			if (end == i + 1)                                                                                          \
				continue;                                                                                          \
			for (int64_t k = i; k < end; k++) {                                                                        \
				if (!bit(windows, sa[k]))                                                                          \
					continue;                                                                                  \
				first = sa[k] < first ? sa[k] : first;                                                             \
				n++;                                                                                               \
			}                                                                                                          \
			for (int64_t k = i; n > 1 && k < end; k++)                                                                 \
				if (bit(windows, sa[k]) && (every || sa[k] != first))                                              \
					set_bit(starts, sa[k]);                                                                    \
		}                                                                                                                  \
	}                                                                                                                          \
	static enum status find##suffix(const struct repeats_corpus *c, int64_t least, bool every, uint64_t *joined,               \
					const uint64_t *windows, uint64_t *starts, struct error *err)                              \
	{                                                                                                                          \
		index *sa = mem_try((size_t)c->n * sizeof(*sa)), *phi = mem_try((size_t)c->n * sizeof(*phi));                      \
		enum status st = sa && phi ? suffix_array##suffix(c->text, (index)c->n, sa, err)                                   \
					   : error_set(err, ERR_MEMORY, "no memory to sort the suffixes of %lld bytes", (long long)c->n); \
		if (st == OK) {                                                                                                    \
			mark_joined##suffix(c, sa, phi, least, joined);                                                            \
			mark_repeats##suffix(c, sa, joined, windows, every, starts);                                               \
		}                                                                                                                  \
		mem_free(sa);                                                                                                      \
		mem_free(phi);                                                                                                     \
		return st;                                                                                                         \
	}
DEFINE(int32_t, 32)
DEFINE(int64_t, 64)

enum status repeats_find(const struct repeats_corpus *c, int64_t least, bool every, uint64_t **starts, struct error *err)
{
	size_t words = (size_t)c->n / 64 + 1;
	uint64_t *bits = mem_try(words * 3 * sizeof(*bits)), *joined = bits, *windows = bits + words;
	*starts = bits ? mem_array(words, sizeof(**starts)) : NULL;
	if (!bits)
		return error_set(err, ERR_MEMORY, "no memory for the bits of %lld bytes", (long long)c->n);
	memset(bits, 0, words * 2 * sizeof(*bits));
	enum status st = OK;
	if (c->n > 0) {
		mark_windows(c, least, windows);
		st = c->n > INT32_MAX ? find64(c, least, every, joined, windows, *starts, err)
				      : find32(c, least, every, joined, windows, *starts, err);
	}
	mem_free(bits);
	if (st != OK) {
		mem_free(*starts);
		*starts = NULL;
	}
	return st;
}

bool repeats_span(const uint64_t *starts, int64_t least, int64_t at, int64_t end, int64_t *from, int64_t *to)
{
	while (at < end && !bit(starts, at))
		at = starts[at / 64] >> at % 64 ? at + __builtin_ctzll(starts[at / 64] >> at % 64) : (at / 64 + 1) * 64;
	if (at >= end)
		return false;
	*from = at;
	for (*to = at + least; at < *to && at < end; at++)
		if (bit(starts, at))
			*to = at + least;
	return true;
}
