/* packed.h - weights laid out once for products in AMX tiles (those of few rows: stream.h).
 *
 * Panels of 32 columns of the result, each over all of k, one after the other, zeros where there are no more. A step of a panel is a pair
 * of k: bf16 lie as the tiles take them; floats by k, so that they are split (split.h) with no shuffle: four bytes to read, not six.
 * Integers of eight bits lie as tiles of their own take them (bytes.h). Only for forward products: those of training have
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

/* Bytes of a panel over k. */
INLINE int64_t panel_bytes(enum elem elem, int64_t k)
{
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

/* NF4 is left to the units of floats (gemm.h), and so are integers where their sums might overflow. */
static size_t cpu_packed_bytes(enum elem elem, int64_t o, int64_t i, bool backward)
{
	if (elem == ELEM_NF4 || (elem == ELEM_I8 && i > BYTES_K_MAX) || backward || o <= 0 || i <= 0)
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
