/* packed.h - weights laid out once for products in AMX tiles, and the product of a few rows with them, which reads them as fast as the
 * memory gives them.
 *
 * Panels of 32 columns of the result, each over all of k, one after the other: a step of a panel is a pair of k, zeros
 * where there are no more. bf16 lie as the tiles take them; integers of eight bits in the same order, two bytes for a pair; floats by
 * k, so that they are split (split.h) with no shuffle: four bytes to read, not six. Only for forward products: those of training have
 * thousands of rows, and pack what they need in their shade. */
#ifndef QUERN_CPU_PACKED_H
#define QUERN_CPU_PACKED_H

#include "cpu/amx.h"

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

/* Sixteen pairs of bf16 from as many pairs of integers. */
INLINE vf pairs_of_bytes(const char *from)
{
	__m512 lo = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i_u *)(const void *)from)));
	__m512 hi = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i_u *)(const void *)(from + 16))));

	return (vf)_mm512_cvtne2ps_pbh(hi, lo);
}

/* `steps` steps of a panel, from what is stored of them, as amx_tile takes them: terms that are `apart` words from each other. bf16
 * are not unpacked but read where they are. */
INLINE void unpack_panel(const enum elem elem, const int terms, float *dst, int64_t apart, const char *from, int steps)
{
	for (int s = 0; s < steps; s++)
#pragma GCC unroll 2
		for (int g = 0; g < PANEL; g += VL)
			if (elem == ELEM_I8) {
				v_store(dst + s * PANEL + g, pairs_of_bytes(from + 2 * (s * PANEL + g)));
			} else {
				const float *x = (const float *)(const void *)from + 2 * s * PANEL + g;

				store_pairs(terms, dst + s * PANEL + g, apart, v_load(x), v_load(x + PANEL));
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
			((int8_t *)dst)[i / (2 * PANEL) * (2 * PANEL) + i % PANEL * 2 + i / PANEL % 2] = (int8_t)x[i];
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

/* --- few rows ------------------------------------------------------------------------------------------ */

#define STREAM_ROWS 16           /* of A: one tile */
#define STREAM_PANELS 2          /* at a time: the sums of four tiles go on side by side */
#define STREAM_COLUMNS (STREAM_PANELS * PANEL)
#define STREAM_TILES (STREAM_COLUMNS / 16)
#define STREAM_TASKS 4           /* a thread's, if all are equally fast */
#define STREAM_AHEAD 3072        /* bytes of a panel between what is read and what is asked for */

struct stream {
	const struct gemm *g;
	const char *panels;
	float *a;                    /* packed: [32 of k][term][row][32] */
	int64_t per;                 /* STREAM_COLUMNS in a task, one after the other: what a thread asks for is its own */
};

static void pack_stream(float *dst, const struct operand *x, int64_t m, int64_t k, int terms)
{
	for (int64_t r = 0; r < m; r++)
		for (int64_t p = 0; p < k; p += 32) {
			float *to = dst + p / 32 * terms * m * 16 + r * 16;
#if ACT_BF16
			v_store(to, stored_pairs(x, r, p, k - p));
#else
			const float *from = (const float *)(const void *)operand_at(x, operand_index(x, r), p);

			store_row(3, to, m * 16, lanes_of(from, k - p), lanes_of(from + 16, k - p - 16));
#endif
		}
}

/* Tiles 0 to 3 are sums, 4 is of B, 5 to 7 the terms of A. */
static void stream_configure(int rows)
{
	struct tile_config t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.row_bytes[i] = 64, t.rows[i] = (uint8_t)(i == 4 ? 16 : rows);
	tiles_load(&t);
}

/* One tile of sums: the products of split.h in their order. The number of a tile is part of the instruction. */
#define STREAM_MULTIPLY(c, a_terms, b_terms, b, apart)                            \
	do {                                                                      \
		if ((b_terms) == 3) {                                             \
			_tile_loadd(4, (b) + 2 * (apart), PANEL * 4);             \
			_tile_dpbf16ps(c, 5, 4);                                  \
			_tile_loadd(4, (b) + (apart), PANEL * 4);                 \
			_tile_dpbf16ps(c, 5, 4);                                  \
			_tile_dpbf16ps(c, 6, 4);                                  \
		}                                                                 \
		_tile_loadd(4, (b), PANEL * 4);                                   \
		if ((a_terms) == 3) {                                             \
			_tile_dpbf16ps(c, 6, 4);                                  \
			_tile_dpbf16ps(c, 7, 4);                                  \
		}                                                                 \
		_tile_dpbf16ps(c, 5, 4);                                          \
	} while (0)

INLINE void stream_load(float (*sum)[STREAM_COLUMNS], const bool zero)
{
	if (zero) {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
		return;
	}
	_tile_loadd(0, sum[0], STREAM_COLUMNS * 4);
	_tile_loadd(1, sum[0] + 16, STREAM_COLUMNS * 4);
	_tile_loadd(2, sum[0] + 32, STREAM_COLUMNS * 4);
	_tile_loadd(3, sum[0] + 48, STREAM_COLUMNS * 4);
}

INLINE void stream_store(float (*sum)[STREAM_COLUMNS])
{
	_tile_stored(0, sum[0], STREAM_COLUMNS * 4);
	_tile_stored(1, sum[0] + 16, STREAM_COLUMNS * 4);
	_tile_stored(2, sum[0] + 32, STREAM_COLUMNS * 4);
	_tile_stored(3, sum[0] + 48, STREAM_COLUMNS * 4);
}

/* The sums of integers over one kc of k, times their columns' scale, are added to what was there. */
static void stream_scale(const struct gemm *g, float (*sum)[STREAM_COLUMNS], int64_t j0, int nr)
{
	float t[STREAM_ROWS][STREAM_COLUMNS] __attribute__((aligned(64)));

	stream_store(t);
	for (int64_t r = 0; r < g->m; r++)
		for (int v = 0; v < nr; v += VL)
			v_store(sum[r] + v, v_fma(v_load(t[r] + v), v_load_at(g->scale + j0, nr, v), v_load(sum[r] + v)));
	stream_load(t, true);
}

/* Columns [j0, j0 + STREAM_COLUMNS). What is unpacked is read one step later, when it has reached the cache. */
INLINE void stream_columns(const enum elem elem, const int a_terms, const int b_terms, const struct stream *t, int64_t j0, bool goes_on)
{
	const struct gemm *g = t->g;
	const int64_t steps = whole_k(g->k) / 32, bytes = panel_bytes(elem, g->k), block = panel_bytes(elem, 32);
	const int nr = (int)shorter(STREAM_COLUMNS, g->n - j0), many = nr > PANEL ? 2 : 1;
	const int64_t apart = 16 * PANEL, rows = g->m * 16;
	float sum[STREAM_ROWS][STREAM_COLUMNS] __attribute__((aligned(64)));
	float unpacked[2][STREAM_PANELS][3 * 16 * PANEL] __attribute__((aligned(64)));
	const char *panel[STREAM_PANELS] = {t->panels + j0 / PANEL * bytes, t->panels + (j0 / PANEL + many - 1) * bytes};

	for (int64_t r = 0; r < g->m; r++)
		for (int v = 0; v < STREAM_COLUMNS; v += VL)
			v_store(sum[r] + v, g->acc && v < nr ? result_load(g, r, j0, nr, v) : v_zero());
	stream_load(sum, g->scale);
	for (int64_t s = elem == ELEM_BF16 ? 0 : -1; s < steps; s++) {
		const float *a = t->a + s * a_terms * rows, *b[STREAM_PANELS];

		for (int i = 0; i < STREAM_PANELS; i++) {
			const char *at = panel[i] + (s + 1) * block + STREAM_AHEAD;

			/* behind the end are the panels that come next */
			if (at >= panel[i] + bytes && goes_on)
				at += bytes;
			for (int64_t l = 0; l < block; l += 64)
				__builtin_prefetch(at + l, 0, 2);
			if (elem != ELEM_BF16 && s + 1 < steps)
				unpack_panel(elem, b_terms, unpacked[(s + 1) & 1][i], apart, panel[i] + (s + 1) * block, 16);
			b[i] = elem == ELEM_BF16 ? (const float *)(const void *)(panel[i] + s * block) : unpacked[s & 1][i];
		}
		if (s < 0)
			continue;
		_tile_loadd(5, a, 64);
		if (a_terms == 3) {
			_tile_loadd(6, a + rows, 64);
			_tile_loadd(7, a + 2 * rows, 64);
		}
		STREAM_MULTIPLY(0, a_terms, b_terms, b[0], apart);
		STREAM_MULTIPLY(1, a_terms, b_terms, b[0] + 16, apart);
		STREAM_MULTIPLY(2, a_terms, b_terms, b[1], apart);
		STREAM_MULTIPLY(3, a_terms, b_terms, b[1] + 16, apart);
		if (g->scale && ((s + 1) * 32 % g->kc == 0 || s + 1 == steps))
			stream_scale(g, sum, j0, nr);
	}
	if (!g->scale)
		stream_store(sum);
	for (int64_t r = 0; r < g->m; r++)
		for (int v = 0; v < nr; v += VL)
			result_store(g, r, j0, v_load(sum[r] + v), nr, v);
}

static void stream_task(void *arg, int64_t i, int worker)
{
	const struct stream *t = arg;
	const struct gemm *g = t->g;
	int64_t from = i * t->per * STREAM_COLUMNS, end = shorter(from + t->per * STREAM_COLUMNS, g->n);

	(void)worker;
	stream_configure((int)g->m);
	for (int64_t j = from; j < end; j += STREAM_COLUMNS) {
		bool goes_on = j + STREAM_COLUMNS < end;

		if (g->b.elem == ELEM_BF16)
			stream_columns(ELEM_BF16, ACT_BF16 ? 1 : 3, 1, t, j, goes_on);
		else if (g->b.elem == ELEM_I8)
			stream_columns(ELEM_I8, ACT_BF16 ? 1 : 3, 1, t, j, goes_on);
		else
			stream_columns(ELEM_F32, ACT_BF16 ? 1 : 3, ACT_BF16 ? 1 : 3, t, j, goes_on);
	}
	_tile_release();
}

/* g->panels against m <= STREAM_ROWS rows over k. How the columns are cut depends on the threads, what a column gives does not. */
static void stream_run(struct pool *pool, const struct gemm *g)
{
	struct stream t = {.g = g, .panels = g->panels};
	int64_t blocks = (g->n + STREAM_COLUMNS - 1) / STREAM_COLUMNS, tasks = (int64_t)pool_threads(pool) * STREAM_TASKS;

	t.a = cpu_scratch((size_t)(whole_k(g->k) / 2 * g->terms * g->m) * sizeof(float));
	pack_stream(t.a, &g->a, g->m, g->k, g->terms);
	if ((double)g->m * (double)g->n * (double)g->k < FEW_SOLO)
		pool = NULL;
	t.per = (blocks + tasks - 1) / tasks;
	pool_run(pool, (blocks + t.per - 1) / t.per, stream_task, &t);
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
