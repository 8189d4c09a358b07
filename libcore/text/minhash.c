/* minhash.c - permutations, simplification, shingles and the signature kernels; see minhash.h. */
#include "text/minhash.h"

#include "text/normal_form.h"
#include "text/punctuation.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <stdlib.h>
#include <utf8proc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MERSENNE61 ((1ull << 61) - 1)

/* --- permutations ---------------------------------------------------------------------------- */

/* MT19937 (Matsumoto and Nishimura 1998), seeded by init_genrand, as numpy's RandomState. */
struct mt {
	uint32_t v[624];
	int at;
};

static void mt_seed(struct mt *m, uint32_t seed)
{
	m->v[0] = seed;
	for (uint32_t i = 1; i < 624; i++)
		m->v[i] = 1812433253u * (m->v[i - 1] ^ m->v[i - 1] >> 30) + i;
	m->at = 624;
}

static uint32_t mt_next(struct mt *m)
{
	if (m->at == 624) {
		for (int i = 0; i < 624; i++) {
			uint32_t y = (m->v[i] & 0x80000000u) | (m->v[(i + 1) % 624] & 0x7fffffffu);
			m->v[i] = m->v[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
		}
		m->at = 0;
	}
	uint32_t y = m->v[m->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

/* randint(low, 2^61 - 1, dtype=uint64): 61 bits of a 64-bit draw (high word first), refused while beyond the range. */
static uint64_t mt_below(struct mt *m, uint64_t low)
{
	for (;;) {
		uint64_t hi = mt_next(m), lo = mt_next(m), v = (hi << 32 | lo) & MERSENNE61;
		if (v <= MERSENNE61 - 1 - low)
			return low + v;
	}
}

void minhash_init(struct minhash *m, int n, uint32_t seed)
{
	struct mt mt;
	mt_seed(&mt, seed);
	*m = (struct minhash){.n = n};
	for (int k = 0; k < n; k++)
		m->a[k] = mt_below(&mt, 1);
	for (int k = 0; k < n; k++)
		m->b[k] = mt_below(&mt, 0);
}

/* --- simplification -------------------------------------------------------------------------- */

static bool is_digit(uint32_t c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9';
	return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

static bool is_separator(uint32_t c)
{
	return c == '.' || c == ',' || c == 0x60c || c == 0x66b || (c >= 0x2396 && c <= 0x2398);
}

/* Bytes of digits at s. */
static size_t digits(const char *s, size_t n)
{
	size_t i = 0;
	int len;
	while (i < n && is_digit(text_decode(s + i, n - i, &len)))
		i += (size_t)len;
	return i;
}

/* Bytes of the number at s (digits, then at most one separator with digits after it), or 0. */
static size_t number(const char *s, size_t n)
{
	size_t i = digits(s, n);
	int len;
	if (i == 0 || i == n || !is_separator(text_decode(s + i, n - i, &len)))
		return i;
	size_t more = digits(s + i + len, n - i - (size_t)len);
	return more ? i + (size_t)len + more : i;
}

/* Appends s decomposed (NFD) and without non-spacing marks. */
static void append_unmarked(const char *s, size_t n, struct buf *out)
{
	struct buf nfd = {0};
	text_normalize(s, n, TEXT_NFD, &nfd);
	for (size_t i = 0; i < nfd.len;) {
		int k;
		uint32_t c = text_decode(nfd.data + i, nfd.len - i, &k);
		if (utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_MN)
			buf_add(out, nfd.data + i, (size_t)k);
		i += (size_t)k;
	}
	buf_release(&nfd);
}

void minhash_simplify(const char *s, size_t n, struct buf *out)
{
	struct buf lower = {0}, folded = {0};
	text_lower(s, n, &lower);
	buf_reserve(&folded, lower.len);
	bool space = false;
	for (size_t i = 0; i < lower.len;) {
		int len;
		uint32_t c = text_decode(lower.data + i, lower.len - i, &len);
		size_t num = is_digit(c) ? number(lower.data + i, lower.len - i) : 0;
		if (text_is_space(c) || (!num && punctuation_has(c))) {
			space = folded.len > 0;
		} else {
			if (space)
				buf_char(&folded, ' ');
			space = false;
			if (num)
				buf_char(&folded, '0');
			else
				buf_add(&folded, lower.data + i, (size_t)len);
		}
		i += num ? num : (size_t)len;
	}
	if (folded.len)
		append_unmarked(folded.data, folded.len, out);
	buf_release(&lower);
	buf_release(&folded);
}

/* --- shingles -------------------------------------------------------------------------------- */

size_t minhash_shingles(const char *s, size_t n, int ngram, struct minhash_scratch *x)
{
	x->words.n = 0;
	text_words(s, n, &x->words);
	if (x->words.n < ngram)
		return 0;
	size_t count = (size_t)(x->words.n - ngram + 1);
	if (count > x->cap) {
		x->cap = count + count / 2;
		x->shingles = mem_grow(x->shingles, x->cap, sizeof(*x->shingles));
	}
	/* Words of a simplified text stand one space apart, so a shingle is a piece of it. */
	for (size_t i = 0; i < count; i++) {
		const struct span *first = &x->words.v[i], *last = first + ngram - 1;
		x->shingles[i] = XXH64(s + first->from, last->from + last->len - first->from, 0);
	}
	return count;
}

void minhash_scratch_release(struct minhash_scratch *x)
{
	spans_release(&x->words);
	mem_free(x->shingles);
	*x = (struct minhash_scratch){0};
}

/* --- signature kernels ----------------------------------------------------------------------- */

/* Eight permutations at a time, their state in registers, over all shingles. x mod (2^61 - 1) is
 * (x & M) + (x >> 61), less M where that is not smaller. */
#pragma GCC push_options
#pragma GCC optimize("O3")
static inline __attribute__((always_inline)) void sign_eight(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n,
							      uint64_t *sig)
{
	uint64_t least[8];
	for (int k = 0; k < 8; k++)
		least[k] = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 8; k++) {
			uint64_t x = a[k] * h[i] + b[k];
			x = (x & MERSENNE61) + (x >> 61);
			uint64_t y = x - MERSENNE61;
			x = y < x ? y : x;
			least[k] = x < least[k] ? x : least[k];
		}
	memcpy(sig, least, sizeof(least));
}

/* A kernel makes SIGN_WIDTH values; the tables are zero beyond n, and what they give there is thrown away. */
#define SIGN_WIDTH 16
typedef void sign_kernel(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig);

static void sign_plain(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig)
{
	sign_eight(a, b, h, n, sig);
	sign_eight(a + 8, b + 8, h, n, sig + 8);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void sign_avx2(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig)
{
	sign_eight(a, b, h, n, sig);
	sign_eight(a + 8, b + 8, h, n, sig + 8);
}

__attribute__((target("avx512f,avx512dq"))) static void sign_avx512(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n,
								     uint64_t *sig)
{
	const __m512i a0 = _mm512_loadu_si512(a), b0 = _mm512_loadu_si512(b), a1 = _mm512_loadu_si512(a + 8),
		      b1 = _mm512_loadu_si512(b + 8), m = _mm512_set1_epi64((long long)MERSENNE61);
	__m512i least0 = _mm512_set1_epi64(-1), least1 = least0;
	for (size_t i = 0; i < n; i++) {
		__m512i hi = _mm512_set1_epi64((long long)h[i]);
		__m512i x = _mm512_add_epi64(_mm512_mullo_epi64(a0, hi), b0), y = _mm512_add_epi64(_mm512_mullo_epi64(a1, hi), b1);
		x = _mm512_add_epi64(_mm512_and_si512(x, m), _mm512_srli_epi64(x, 61));
		y = _mm512_add_epi64(_mm512_and_si512(y, m), _mm512_srli_epi64(y, 61));
		least0 = _mm512_min_epu64(least0, _mm512_min_epu64(x, _mm512_sub_epi64(x, m)));
		least1 = _mm512_min_epu64(least1, _mm512_min_epu64(y, _mm512_sub_epi64(y, m)));
	}
	_mm512_storeu_si512(sig, least0);
	_mm512_storeu_si512(sig + 8, least1);
}
#endif
#pragma GCC pop_options

static const char *kernel_name;
static sign_kernel *kernel;

bool minhash_force_kernel(const char *name)
{
	struct { const char *name; sign_kernel *fn; bool there; } all[] = {
#ifdef __x86_64__
		{"avx512", sign_avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")},
		{"avx2", sign_avx2, __builtin_cpu_supports("avx2")},
#endif
		{"plain", sign_plain, true},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].there || (name && strcmp(name, all[i].name) != 0))
			continue;
		kernel = all[i].fn;
		kernel_name = all[i].name;
		return true;
	}
	return false;
}

const char *minhash_kernel(void)
{
	if (!kernel)
		minhash_force_kernel(NULL);
	return kernel_name;
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void choose_kernel(void)
{
	minhash_kernel();
}

void minhash_sign(const struct minhash *m, const uint64_t *shingles, size_t n_shingles, uint64_t *sig)
{
	for (int k = 0; k < m->n; k += SIGN_WIDTH) {
		uint64_t part[SIGN_WIDTH];
		kernel(m->a + k, m->b + k, shingles, n_shingles, part);
		memcpy(sig + k, part, sizeof(*sig) * (size_t)(m->n - k < SIGN_WIDTH ? m->n - k : SIGN_WIDTH));
	}
}
