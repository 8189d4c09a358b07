/* packed.h - weights laid out once for products in AMX tiles (those of few rows: stream.h).
 *
 * Panels of 32 columns of the result, each over all of k, one after the other, zeros where there are no more. A step of a panel is a pair
 * of k: bf16 lie as the tiles take them; floats by k, so that they are split (split.h) with no shuffle: four bytes to read, not six.
 * Integers of eight bits lie as tiles of their own take them (bytes.h). Codes of four bits lie by words of eight, the factors of their blocks before
 * them, for activations of bf16: floats are not multiplied in tiles by such weights. Only for forward products: those of training have
 * thousands of rows, and pack what they need in their shade. */
#ifndef QUERN_CPU_PACKED_H
#define QUERN_CPU_PACKED_H

#include "cpu/amx.h"

#if GEMM_TILES                  /* else this file says nothing */

#define PANEL 32                 /* columns */
#define BYTES_K 64               /* k of a tile of integers of eight bits */
#define BYTES_K_MAX 131071       /* so many products of two of them are within 32 bits */
INLINE int64_t panels_of(int64_t n) { return (n + PANEL - 1) / PANEL; }
INLINE int64_t whole_k(int64_t k) { return (k + GEMM_K_ALIGN - 1) / GEMM_K_ALIGN * GEMM_K_ALIGN; }

#define CODES_STEP (PANEL * (4 + NF4_BLOCK / 2))     /* bytes of a block's factors and codes */

/* Bytes of a panel over k. */
INLINE int64_t panel_bytes(enum elem elem, int64_t k)
{
	if (elem == ELEM_NF4)
		return k / NF4_BLOCK * CODES_STEP;
	return (elem == ELEM_I8 ? (k + BYTES_K - 1) / BYTES_K * BYTES_K : whole_k(k)) * PANEL * elem_bits(elem) / 8;
}

/* Where in packed weights the panels for b are, NULL: nowhere. */
static const char *packed_panels(const struct operand *b)
{
	return b->idx || b->k_major ? NULL : b->packed;
}

/* `steps` steps of a panel of floats, from what is stored of them, as amx_tile takes them: terms that are `apart` words from each other. bf16
 * are not unpacked but read where they are. As much as is read is asked for at `ahead` (NULL: nothing), in the
 * second-level cache: the first has room for few lines that are long under way. */
INLINE void unpack_panel(const int terms, float *dst, int64_t apart, const char *from, int steps, const char *ahead)
{
	for (int s = 0; s < steps; s++) {
		for (int l = 0; ahead && l < PANEL * 8; l += 64)
			__builtin_prefetch(ahead + s * PANEL * 8 + l, 0, 2);
#pragma GCC unroll 2
		for (int g = 0; g < PANEL; g += VL) {
			const float *x = (const float *)(const void *)from + 2 * s * PANEL + g;

			store_pairs(terms, dst + s * PANEL + g, apart, v_load(x), v_load(x + PANEL));
		}
	}
}

/* A block of a panel of codes, as bf16 in pairs of k [NF4_BLOCK / 2][PANEL]; what it is read from is asked for at `ahead` (NULL: nothing). */
INLINE void unpack_codes(float *dst, const char *from, const char *ahead)
{
#if ACT_BF16
	const __m512i low = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0), high = _mm512_add_epi32(low, _mm512_set1_epi32(8));

	for (int l = 0; ahead && l < CODES_STEP; l += 64)
		__builtin_prefetch(ahead + l, 0, 2);
	for (int g = 0; g < PANEL; g += VL) {
		__m512 factors = _mm512_loadu_ps(from + g * 4);
		vf f0 = (vf)_mm512_permutexvar_ps(low, factors), f1 = (vf)_mm512_permutexvar_ps(high, factors);

		for (int q = 0; q < NF4_BLOCK / 16; q++) {
			const float *at = (const float *)(const void *)from + PANEL + (q * PANEL + g) * 2;
			vu w0 = (vu)v_load(at), w1 = (vu)v_load(at + VL);

#pragma GCC unroll 8
			for (int pair = 0; pair < 8; pair++)
				v_store(dst + (q * 8 + pair) * PANEL + g, (vf)_mm512_cvtne2ps_pbh((__m512)(v_nf4(w1 >> 4 * pair) * f1),
												(__m512)(v_nf4(w0 >> 4 * pair) * f0)));
		}
	}
#else
	(void)dst, (void)from, (void)ahead;
#endif
}

/* --- packing ------------------------------------------------------------------------------------------- */

struct pack_job {
	char *to;
	struct operand b;
	int64_t n, k;
};

/* A panel of integers, rows [r0, r0 + nr) of x: tiles as bytes.h says. */
static void pack_bytes(char *dst, const struct operand *x, int64_t r0, int64_t nr, int64_t k)
{
	for (int64_t p = 0; p < k; p += BYTES_K)
		for (int64_t h = 0; h < PANEL; h += VL, dst += VL * BYTES_K) {
			char tail[VL][BYTES_K] __attribute__((aligned(64)));
			bool whole = nr - h >= VL && k - p >= BYTES_K;
			const char *row[VL];
			vu word[VL];

			if (!whole)
				memset(tail, 0, sizeof tail);
			for (int64_t r = 0; r < VL; r++) {
				row[r] = whole ? operand_at(x, r0 + h + r, p) : tail[r];
				if (!whole && h + r < nr)
					memcpy(tail[r], operand_at(x, r0 + h + r, p), (size_t)shorter(BYTES_K, k - p));
			}
			transpose_words(word, row, 0);
#pragma GCC unroll 16
			for (int w = 0; w < VL; w++)
				v_store((float *)(void *)(dst + (4 * (w % 4) + w / 4) * BYTES_K), (vf)word[w]);
		}
}

/* The low four bits of eight bytes. */
static uint32_t low_codes(uint64_t x)
{
	x &= 0x0f0f0f0f0f0f0f0f;
	x = (x | x >> 4) & 0x00ff00ff00ff00ff;
	x = (x | x >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(x | x >> 16);
}

/* A panel of codes, rows [r0, r0 + nr) of x: of each block [PANEL] factors and [16 of k][PANEL][odd] words, their first code in the lowest bits. */
static void pack_codes(char *dst, const struct operand *x, int64_t r0, int64_t nr, int64_t k)
{
	memset(dst, 0, (size_t)panel_bytes(ELEM_NF4, k));
	for (int64_t p = 0; p < k; p += NF4_BLOCK, dst += CODES_STEP)
		for (int64_t r = 0; r < nr; r++) {
			const char *codes = operand_at(x, r0 + r, p);

			memcpy(dst + r * 4, x->scale + ((r0 + r) * x->ld + p) / NF4_BLOCK, 4);
			for (int64_t q = 0; q < NF4_BLOCK / 16; q++) {
				uint64_t of16;
				uint32_t word[2];

				memcpy(&of16, codes + q * 8, 8);
				word[0] = low_codes(of16 >> 4), word[1] = low_codes(of16);
				memcpy(dst + PANEL * 4 + (q * PANEL + r) * 8, word, 8);
			}
		}
}

/* One panel. */
static void pack_task(void *arg, int64_t j, int worker)
{
	const struct pack_job *t = arg;
	int64_t nr = shorter(PANEL, t->n - j * PANEL), bytes = panel_bytes(t->b.elem, t->k);
	char *to = t->to + j * bytes;

	(void)worker;
	if (t->b.elem == ELEM_I8) {
		pack_bytes(to, &t->b, j * PANEL, nr, t->k);
		return;
	}
	if (t->b.elem == ELEM_NF4) {
		pack_codes(to, &t->b, j * PANEL, nr, t->k);
		return;
	}
	for (int64_t p = 0; p < t->k; p += GEMM_K_ALIGN) {
		int kc = (int)shorter(GEMM_K_ALIGN, t->k - p);
		float x[GEMM_K_ALIGN * PANEL] __attribute__((aligned(64))), *dst = (float *)(void *)(to + p * PANEL * elem_bits(t->b.elem) / 8);

		if (t->b.elem == ELEM_BF16) {
			pack_panels(dst, PANEL, PANEL, &t->b, j * PANEL, nr, p, kc, 0, 1);
			continue;
		}
		pack_panels(x, PANEL, PANEL, &t->b, j * PANEL, nr, p, kc, 0, 0);
		clear_rows(x, PANEL, kc, GEMM_K_ALIGN);
		memcpy(dst, x, sizeof x);
	}
}

/* Floats times NF4 are left to the units of floats (gemm.h), and so are integers where their sums might overflow. */
static size_t cpu_packed_bytes(enum elem elem, int64_t o, int64_t i, bool backward)
{
	if ((elem == ELEM_NF4 && !ACT_BF16) || (elem == ELEM_I8 && i > BYTES_K_MAX) || backward || o <= 0 || i <= 0)
		return 0;
	return (size_t)(panels_of(o) * panel_bytes(elem, i));
}

static void cpu_pack(struct pool *pool, void *packed, struct weights w, int64_t o, int64_t i, bool backward)
{
	struct pack_job t = {.to = packed, .b = weights_of(w, i, false), .n = o, .k = i};

	if (cpu_packed_bytes(w.elem, o, i, backward) == 0)
		return;
	pool_run(pool, panels_of(o), pack_task, &t);
}

#else
/* Both operands are packed by each call, in the shade of the products. */
static size_t cpu_packed_bytes(enum elem elem, int64_t o, int64_t i, bool backward)
{
	(void)elem, (void)o, (void)i, (void)backward;
	return 0;
}

static void cpu_pack(struct pool *pool, void *packed, struct weights w, int64_t o, int64_t i, bool backward)
{
	(void)pool, (void)packed, (void)w, (void)o, (void)i, (void)backward;
}
#endif

#endif
