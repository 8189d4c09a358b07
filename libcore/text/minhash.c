/* minhash.c - permutations and the signature kernels; see minhash.h. */
#include "text/minhash_words.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

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

/* --- signature kernels ----------------------------------------------------------------------- */

/* A kernel makes SIGN_WIDTH values; the tables are zero beyond n, and what they give there is thrown away. */
#define SIGN_WIDTH 16
typedef void sign_kernel(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig);

/* As it is written in minhash.h. */
static void sign_exactly(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig)
{
	for (int k = 0; k < SIGN_WIDTH; k++) {
		sig[k] = UINT64_MAX;
		for (size_t i = 0; i < n; i++) {
			uint64_t x = (a[k] * h[i] + b[k]) % MERSENNE61;
			sig[k] = x < sig[k] ? x : sig[k];
		}
	}
}

/* x modulo M is (x & M) + (x >> 61), less M where that is not smaller. The kernels take (x >> 61) - (M & ~x), which is that less M: below
 * zero, and so in the right order as unsigned numbers, but for the M + 8 where M has to be taken off. That there was such a one
 * (once in 2^58) is seen in the least, which is below 8 then. */
#define NOT_REDUCED 8

#pragma GCC push_options
#pragma GCC optimize("O3")
/* Eight permutations at a time, their state in registers, over all shingles. False if sign_exactly has to be asked. */
static inline __attribute__((always_inline)) bool sign_eight(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n,
							      uint64_t *sig)
{
	uint64_t least[8];
	bool good = n > 0;
	for (int k = 0; k < 8; k++)
		least[k] = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 8; k++) {
			uint64_t x = a[k] * h[i] + b[k];
			x = (x >> 61) - (MERSENNE61 & ~x);
			least[k] = x < least[k] ? x : least[k];
		}
	for (int k = 0; k < 8; k++) {
		good &= least[k] >= NOT_REDUCED;
		sig[k] = least[k] + MERSENNE61;
	}
	return good;
}

static void sign_plain(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig)
{
	if (!sign_eight(a, b, h, n, sig) || !sign_eight(a + 8, b + 8, h, n, sig + 8))
		sign_exactly(a, b, h, n, sig);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void sign_avx2(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n, uint64_t *sig)
{
	if (!sign_eight(a, b, h, n, sig) || !sign_eight(a + 8, b + 8, h, n, sig + 8))
		sign_exactly(a, b, h, n, sig);
}

__attribute__((target("avx512f,avx512dq"))) static void sign_avx512(const uint64_t *a, const uint64_t *b, const uint64_t *h, size_t n,
								     uint64_t *sig)
{
	const __m512i a0 = _mm512_loadu_si512(a), b0 = _mm512_loadu_si512(b), a1 = _mm512_loadu_si512(a + 8),
		      b1 = _mm512_loadu_si512(b + 8), m = _mm512_set1_epi64((long long)MERSENNE61), off = _mm512_set1_epi64(NOT_REDUCED);
	__m512i least0 = _mm512_set1_epi64(-1), least1 = least0;
	for (size_t i = 0; i < n; i++) {
		__m512i hi = _mm512_set1_epi64((long long)h[i]);
		__m512i x = _mm512_add_epi64(_mm512_mullo_epi64(a0, hi), b0), y = _mm512_add_epi64(_mm512_mullo_epi64(a1, hi), b1);
		least0 = _mm512_min_epu64(least0, _mm512_sub_epi64(_mm512_srli_epi64(x, 61), _mm512_andnot_si512(x, m)));
		least1 = _mm512_min_epu64(least1, _mm512_sub_epi64(_mm512_srli_epi64(y, 61), _mm512_andnot_si512(y, m)));
	}
	if (n == 0 || _mm512_cmplt_epu64_mask(least0, off) || _mm512_cmplt_epu64_mask(least1, off)) {
		sign_exactly(a, b, h, n, sig);
		return;
	}
	_mm512_storeu_si512(sig, _mm512_add_epi64(least0, m));
	_mm512_storeu_si512(sig + 8, _mm512_add_epi64(least1, m));
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
		minhash_words_in_blocks(kernel != sign_plain);
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
