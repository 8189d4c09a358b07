/* packed.h - weights laid out once for products in AMX tiles (those of few rows: stream.h).
 *
 * Panels of 32 columns of the result, each over all of k, one after the other: a step of a panel is a pair of k, zeros
 * where there are no more. bf16 lie as the tiles take them; integers of eight bits a byte each, from which bf16 are quickly made
 * (bytes.h); floats by k, so that they are split (split.h) with no shuffle: four bytes to read, not six. Only for forward products:
 * those of training have thousands of rows, and pack what they need in their shade. */
#ifndef QUERN_CPU_PACKED_H
#define QUERN_CPU_PACKED_H

#include "cpu/amx.h"
#include "cpu/bytes.h"

#if GEMM_TILES                  /* else this file says nothing */

#define PANEL 32                 /* columns */
INLINE int64_t panels_of(int64_t n) { return (n + PANEL - 1) / PANEL; }
INLINE int64_t whole_k(int64_t k) { return (k + GEMM_K_ALIGN - 1) / GEMM_K_ALIGN * GEMM_K_ALIGN; }

/* Bytes of a panel over k. */
INLINE int64_t panel_bytes(enum elem elem, int64_t k) { return whole_k(k) * PANEL * elem_bits(elem) / 8; }

/* Where in packed weights the panels for b are, NULL: nowhere. */
static const char *packed_panels(const struct operand *b)
{
	return b->idx || b->k_major ? NULL : b->packed;
}

/* `steps` steps of a panel, from what is stored of them, as amx_tile takes them: terms that are `apart` words from each other. bf16
 * are not unpacked but read where they are. As much as is read is asked for at `ahead` (NULL: nothing), in the
 * second-level cache: the first has room for few lines that are long under way. */
INLINE void unpack_panel(const enum elem elem, const int terms, float *dst, int64_t apart, const char *from, int steps, const char *ahead)
{
	for (int s = 0; s < steps; s++) {
		for (int l = 0; ahead && l < PANEL * elem_bits(elem) / 4; l += 64)
			__builtin_prefetch(ahead + s * PANEL * elem_bits(elem) / 4 + l, 0, 2);
		if (elem == ELEM_I8) {
			pairs_of_bytes(dst + s * PANEL, from + 2 * s * PANEL);
		} else {
#pragma GCC unroll 2
			for (int g = 0; g < PANEL; g += VL) {
				const float *x = (const float *)(const void *)from + 2 * s * PANEL + g;

				store_pairs(terms, dst + s * PANEL + g, apart, v_load(x), v_load(x + PANEL));
			}
		}
	}
}

/* --- packing ------------------------------------------------------------------------------------------- */

struct pack_job {
	char *to;
	struct operand b;
	int64_t n, k;
};

/* One panel. */
static void pack_task(void *arg, int64_t j, int worker)
{
	const struct pack_job *t = arg;
	int64_t nr = shorter(PANEL, t->n - j * PANEL), bytes = panel_bytes(t->b.elem, t->k);
	char *to = t->to + j * bytes;

	(void)worker;
	for (int64_t p = 0; p < t->k; p += GEMM_K_ALIGN) {
		int kc = (int)shorter(GEMM_K_ALIGN, t->k - p);
		float x[GEMM_K_ALIGN * PANEL] __attribute__((aligned(64))), *dst = (float *)(void *)(to + p * PANEL * elem_bits(t->b.elem) / 8);

		if (t->b.elem == ELEM_BF16) {
			pack_panels(dst, PANEL, PANEL, &t->b, j * PANEL, nr, p, kc, 0, 1);
			continue;
		}
		pack_panels(x, PANEL, PANEL, &t->b, j * PANEL, nr, p, kc, 0, 0);
		clear_rows(x, PANEL, kc, GEMM_K_ALIGN);
		if (t->b.elem == ELEM_F32)
			memcpy(dst, x, sizeof x);
		for (int i = 0; t->b.elem == ELEM_I8 && i < GEMM_K_ALIGN * PANEL; i++)
			((uint8_t *)dst)[i / (2 * PANEL) * (2 * PANEL) + byte_place(i % PANEL, i / PANEL % 2)] = byte_of((int)x[i]);
	}
}

/* NF4 is left to the units of floats (gemm.h). */
static size_t cpu_packed_bytes(enum elem elem, int64_t o, int64_t i, bool backward)
{
	if (elem == ELEM_NF4 || backward || o <= 0 || i <= 0)
		return 0;
	return (size_t)(panels_of(o) * panel_bytes(elem, i));
}

static void cpu_pack(struct pool *pool, void *packed, struct weights w, int64_t o, int64_t i, bool backward)
{
	struct pack_job t = {.to = packed, .b = weights_of(w, i, false), .n = o, .k = i};

	if (cpu_packed_bytes(w.elem, o, i, backward) == 0)
		return;
	t.b.scale = NULL;            /* the integers themselves */
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
