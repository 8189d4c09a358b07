/* gemm.h - C = A B^T (+ C) with float sums, packed and register-tiled (Goto & van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008).
 *
 * Both operands are seen as rows over k. One is packed for all threads, the second-level cache holding it: B in panels
 * of three vectors where A has many rows, and tasks take rows of A; else A, and tasks take panels of B, which then are read
 * once and packed near the core, so that few rows cost what reading the weights costs. Rows of floats over k (A of a forward
 * product) are not packed but read where they lie. Every element of C is one chain of
 * additions in the order of k, which begins with C (or 0), however k is cut: a row of the result does not depend, to the bit,
 * on which rows share the call, nor on the threads. That is what lets `generate` promise samples that do not depend on the
 * batch, and why this is not BLAS, whose code path changes with the shape.
 *
 * The products of a chain: floats by fused multiply-add (plain C: a product rounded, then a sum); with AMX as sums of three bf16
 * (split.h). With activations of bf16 both operands are rounded to
 * the nearest bf16, their products are exact, and the chain is of
 *   - floats as above where the processor knows no bf16 (so the plain table is the specification);
 *   - pairs with VDPBF16PS: the odd one of a pair, then the even one, subnormals being zero;
 *   - 32 of k with AMX's TDPBF16PS: sums of the 16 even and of the 16 odd ones from zero, their sum, then C.
 * With AMX, weights in integers of eight bits are multiplied as integers (bytes.h). */
#ifndef QUERN_CPU_GEMM_H
#define QUERN_CPU_GEMM_H

#include "cpu/gemv.h"
#include "cpu/pack.h"
#include "cpu/scratch.h"

/* Rows of TILE_NV vectors fill the registers: half of a packed panel, in which VL rows lie side by side. */
#define TILE_MR (VL == 4 ? 4 : VL / 2)
#define TILE_NV 3
#define GEMM_KC 384                            /* k at a time, at most: C is read and written once for each; a multiple of 64 */
#define GEMM_HALF_KC (GEMM_TILES ? 384 : GEMM_PAIRS ? 384 : GEMM_KC)
#define GEMM_PACKED (256 << 10)                /* words packed for all threads: 1 MiB of the second-level cache */
#define GEMM_PACK_SOLO 65536                   /* the same, elements to pack */
#define GEMM_SOLO 2e6                          /* multiply-adds below which waking threads costs more than they save */
#define GEMM_MB (8 * VL)                        /* rows that a task takes, if there are many */
#define GEMM_SPLIT_KC 256                      /* k at a time of three terms: C is read and written, which tiles wait for, once for each */
#define GEMM_SPLIT_A_KC 384                    /* the same where only A has three terms: a panel of B is small */
#define GEMM_SPLIT_MB 256                      /* rows of three terms that are packed at a time, */
#define GEMM_SPLIT_FEW 128                     /* or so few where B is small, */
#define GEMM_SPLIT_NEAR 196608                 /* up to so many numbers: it stays in the second-level cache beside them; */
#define GEMM_SPLIT_TASK 512                    /* and of a task: what it packs next is known and asked for */
#define GEMM_SPLIT_COLUMNS 1024                /* columns of B that are packed for all, in the third-level cache, */
#define GEMM_SPLIT_PACKED (1 << 20)            /* 4 MiB of it */
#define GEMM_SPLIT (GEMM_TILES && !ACT_BF16)
#define A_WORDS_MAX (GEMM_SPLIT ? GEMM_SPLIT_MB * (3 * GEMM_SPLIT_A_KC / 2 + 16) : GEMM_TILES ? GEMM_MB * (PACK_DEPTH / 2 + 16) \
		     : GEMM_MB * PACK_DEPTH)
#define OWN_OPERAND (A_WORDS_MAX > 2 * PANEL_MAX * PACK_DEPTH ? A_WORDS_MAX : 2 * PANEL_MAX * PACK_DEPTH)
#define SUM_COLUMNS 1024                        /* of a task whose sums are rounded when they are whole */
#define SUM_WORDS (GEMM_MB * SUM_COLUMNS > GEMM_FEW * 2 * PANEL_MAX ? GEMM_MB * SUM_COLUMNS : GEMM_FEW * 2 * PANEL_MAX)
#define OWN_WORDS (OWN_OPERAND + (ACT_BF16 ? SUM_WORDS : 0))
#define GEMM_FEW 512                           /* up to so many rows A is packed for all, above B */
#define GEMM_FEW_HALF 64                        /* with so few rows, B is what is read: its panels stay in the first-level cache */
#define GEMM_FEW_HALF_KC 128

struct gemm {
	float *c;
	act *y;                       /* instead of c: activations, rounded once the sums of a task are whole */
	int64_t ldc;
	const int32_t *c_idx;         /* rows of c, NULL = all, in order */
	struct operand a, b;
	int64_t m, n, k;
	bool acc;
	int terms, b_terms;           /* of A's and B's numbers: 0 floats as they are; of bf16 1 (rounded), or 3 (split.h) */
	const char *panels;           /* of B, packed before (packed.h), or NULL */
	bool a_in_place;              /* rows of a are read where they lie, not packed */
	int kc, nr;                   /* what is packed at a time: k, and columns of a panel */
	int64_t i0, j0, p0, rows, p1;       /* what is packed for all: rows of a or b from i0 or j0, over k from p0 to p1 */
	int64_t mb, part;             /* rows per task, and of those how many are packed at a time */
	float *packed, *own;          /* own: OWN_WORDS of each thread, for the operand that is not packed for all, and its sums */
};

/* Rows of memory that will be read next, asked for bit by bit while the tiles of a block are at work. */
struct next {
	const char *at;
	int64_t stride, bytes, rows;  /* from row to row, and of each */
	int64_t row, byte;            /* how far it is */
};

INLINE void ask_for(struct next *t, int64_t lines)
{
	for (; lines > 0 && t->row < t->rows; lines--) {
		__builtin_prefetch(t->at + t->row * t->stride + t->byte, 0, 2);
		t->byte += 64;
		if (t->byte >= t->bytes)
			t->byte = 0, t->row++;
	}
}

INLINE int64_t lines_each(const struct next *t, int64_t times)
{
	return (t->rows * ((t->bytes + 63) / 64) + times - 1) / times;
}

INLINE float *c_row(const struct gemm *g, int64_t i)
{
	return g->c + (g->c_idx ? g->c_idx[i] : i) * g->ldc;
}

/* The first of rows [i, i + n) of c, if they are neighbours there; else NULL. */
INLINE float *c_rows(const struct gemm *g, int64_t i, int64_t n)
{
	for (int64_t r = 1; g->c_idx && r < n; r++)
		if (g->c_idx[i + r] != g->c_idx[i] + r)
			return NULL;
	return c_row(g, i);
}

/* Lane v of n values of the result in row i from column j. */
INLINE vf result_load(const struct gemm *g, int64_t i, int64_t j, int64_t n, int64_t v)
{
#if ACT_BF16
	if (g->y)
		return a_load_at(g->y + i * g->ldc + j, n, v);
#endif
	return v_load_at(c_row(g, i) + j, n, v);
}

INLINE void result_store(const struct gemm *g, int64_t i, int64_t j, vf x, int64_t n, int64_t v)
{
#if ACT_BF16
	if (g->y) {
		a_store_at(g->y + i * g->ldc + j, x, n, v);
		return;
	}
#endif
	v_store_at(c_row(g, i) + j, x, n, v);
}

/* What a tile asks for while it is at work, a little every ASK_STEPS steps: the tile of c that comes next (c NULL: none), then
 * lines of what is packed next, and of the panel of B behind this one (NULL: none). */
struct ahead {
	float *c;
	struct next *next;
	int64_t lines;
	const char *b;
	int64_t b_lines;
};

INLINE int64_t shorter(int64_t a, int64_t b) { return a < b ? a : b; }

#include "cpu/amx.h"
#include "cpu/stream.h"
#include "cpu/bytes.h"

/* --- tiles ------------------------------------------------------------------------------------------- */

#define ASK_STEPS 8

/* One step: x[i] is broadcast for row i. */
INLINE void tile_step(const bool pairs, const int mr, const int nv, const float *const x[TILE_MR], int64_t at, const float *b,
		      vf sum[TILE_MR][TILE_NV])
{
	vf bv[TILE_NV];

#pragma GCC unroll 4
	for (int j = 0; j < nv; j++)
		bv[j] = v_load(b + j * VL);
#pragma GCC unroll 16
	for (int i = 0; i < mr; i++) {
		vf v = v_set1(x[i][at]);

		__asm__("" : "+" V_REGISTER(v)); /* one broadcast for all, not one with each multiply-add */
#pragma GCC unroll 4
		for (int j = 0; j < nv; j++)
			sum[i][j] = pairs ? v_dot_pairs(v, bv[j], sum[i][j]) : v_fma(v, bv[j], sum[i][j]);
	}
}

/* c[mr][nv vectors] (+)= a b^T over the steps: a(i, step) at row[i][step], or packed at row[0][step * VL + i]; b[step][ldb]. mr
 * and nv are constants where it is called; the loops over them unroll into registers. */
INLINE void tile(const bool pairs, const bool packed, const int mr, const int nv, int steps, const float *const row[TILE_MR],
		 const float *b, float *c, int64_t ldc, bool acc, struct ahead *ahead)
{
	const int ldb = TILE_NV * VL, as = packed ? VL : 1;
	const float *x[TILE_MR];
	vf sum[TILE_MR][TILE_NV];
	float *soon = ahead->c;
	int64_t p = 0;

#pragma GCC unroll 16
	for (int i = 0; i < mr; i++) {
		x[i] = packed ? row[0] + i : row[i];
#pragma GCC unroll 4
		for (int j = 0; j < nv; j++)
			sum[i][j] = acc ? v_load(c + i * ldc + j * VL) : v_zero();
	}
	for (; p + ASK_STEPS <= steps; p += ASK_STEPS, b += ASK_STEPS * ldb) {
		if (soon && p < mr * ASK_STEPS) {
#pragma GCC unroll 4
			for (int j = 0; j < nv; j++)
				__builtin_prefetch(soon + j * VL, 1);
			soon += ldc;
		} else if (ahead->lines > 0) {
			ask_for(ahead->next, 1);
			ahead->lines--;
		}
#pragma GCC unroll 8
		for (int q = 0; q < ASK_STEPS; q++)
			tile_step(pairs, mr, nv, x, (p + q) * as, b + q * ldb, sum);
	}
	for (; p < steps; p++, b += ldb)
		tile_step(pairs, mr, nv, x, p * as, b, sum);
#pragma GCC unroll 16
	for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
		for (int j = 0; j < nv; j++)
			v_store(c + i * ldc + j * VL, sum[i][j]);
}

/* The heights that are compiled; others are rounded up. */
INLINE int tile_height(int rows) { return rows < 3 ? rows : rows + rows % 2; }

#define TILES_OF(name, pairs, packed, nv)                                                                                    \
	__attribute__((noinline)) static void name(int mr, int steps, const float *const row[TILE_MR], const float *b, float *c, \
						   int64_t ldc, bool acc, struct ahead *ahead)                                \
	{                                                                                                                     \
		if (TILE_MR > 4 && mr == TILE_MR)                                                                             \
			tile(pairs, packed, TILE_MR, nv, steps, row, b, c, ldc, acc, ahead);                                  \
		else if (TILE_MR > 6 && mr == 6)                                                                              \
			tile(pairs, packed, TILE_MR > 6 ? 6 : 1, nv, steps, row, b, c, ldc, acc, ahead);                      \
		else if (mr == 4)                                                                                             \
			tile(pairs, packed, 4, nv, steps, row, b, c, ldc, acc, ahead);                                        \
		else if (mr == 2)                                                                                             \
			tile(pairs, packed, 2, nv, steps, row, b, c, ldc, acc, ahead);                                        \
		else                                                                                                          \
			tile(pairs, packed, 1, nv, steps, row, b, c, ldc, acc, ahead);                                        \
	}
TILES_OF(row_tiles_1, false, false, 1)
TILES_OF(row_tiles_2, false, false, 2)
TILES_OF(row_tiles_3, false, false, 3)
TILES_OF(tiles_1, false, true, 1)
TILES_OF(tiles_2, false, true, 2)
TILES_OF(tiles_3, false, true, 3)
#if GEMM_PAIRS && !GEMM_TILES
TILES_OF(pair_tiles_1, true, true, 1)
TILES_OF(pair_tiles_2, true, true, 2)
TILES_OF(pair_tiles_3, true, true, 3)
#else
#define pair_tiles_1 tiles_1
#define pair_tiles_2 tiles_2
#define pair_tiles_3 tiles_3
#endif

typedef void tile_kernel(int mr, int steps, const float *const row[TILE_MR], const float *b, float *c, int64_t ldc, bool acc,
			 struct ahead *ahead);
static tile_kernel *const tile_kernels[3][TILE_NV] = {
	{tiles_1, tiles_2, tiles_3}, {pair_tiles_1, pair_tiles_2, pair_tiles_3}, {row_tiles_1, row_tiles_2, row_tiles_3},
};

/* Rows [i, i + mr) and columns [j, j + nr) of c, through a buffer of nv vectors where the tile is larger than that. */
static void gemm_tile(const struct gemm *g, int steps, const float *const row[TILE_MR], const float *b, int64_t i, int mr,
		      int64_t j, int nr, bool acc, struct ahead *ahead)
{
	int nv = (nr + VL - 1) / VL, height = tile_height(mr);
	tile_kernel *kernel = tile_kernels[g->a_in_place ? 2 : g->terms > 0][nv - 1];
	float t[TILE_MR * TILE_NV * VL] __attribute__((aligned(64)));

	if (!g->c_idx && nr == nv * VL && mr == height) {
		kernel(mr, steps, row, b, g->c + i * g->ldc + j, g->ldc, acc, ahead);
		return;
	}
	for (int r = 0; acc && r < mr; r++)
		for (int v = 0; v < nr; v += VL)
			v_store(t + r * nv * VL + v, v_load_at(c_row(g, i + r) + j, nr, v));
	ahead->c = NULL;
	kernel(height, steps, row, b, t, nv * VL, acc, ahead);
	for (int r = 0; r < mr; r++)
		for (int v = 0; v < nr; v += VL)
			v_store_at(c_row(g, i + r) + j, v_load(t + r * nv * VL + v), nr, v);
}

/* Rows [i0, i1), packed at a or in place, over k from p, against columns [j0, j1), packed at b, over kc of k. */
static void gemm_block(const struct gemm *g, const float *a, int64_t i0, int64_t i1, const float *b, int64_t j0, int64_t j1,
		       int64_t p, int kc, bool acc, struct next *next)
{
	const int steps = panel_steps(g->terms, kc), nr = TILE_NV * VL;
	int64_t n = (j1 - j0 + nr - 1) / nr * ((i1 - i0 + TILE_MR - 1) / TILE_MR), lines = lines_each(next, n);

	for (int64_t j = j0; j < j1; j += nr, b += steps * nr)
		for (int64_t i = i0; i < i1; i += TILE_MR) {
			int mr = i1 - i < TILE_MR ? (int)(i1 - i) : TILE_MR;
			int64_t i_next = i + TILE_MR < i1 ? i + TILE_MR : i0, j_next = i_next > i ? j : j + nr;
			bool whole = !g->c_idx && i1 - i_next >= TILE_MR && j1 - j_next >= nr;
			struct ahead ahead = {.c = whole ? g->c + i_next * g->ldc + j_next : NULL, .next = next, .lines = lines};
			const float *row[TILE_MR] = {a + (i - i0) / VL * VL * steps + (i - i0) % VL};

			for (int r = 0; g->a_in_place && r < TILE_MR; r++)
				row[r] = (const float *)g->a.p + operand_index(&g->a, i + (r < mr ? r : 0)) * g->a.ld + p;
			gemm_tile(g, steps, row, b, i, mr, j, j1 - j < nr ? (int)(j1 - j) : nr, acc, &ahead);
		}
}

/* --- the loops ----------------------------------------------------------------------------------------- */

/* Words of rows of a, packed over kc; and of columns, in panels. */
INLINE int64_t rows_words(const struct gemm *g, int64_t rows, int kc)
{
#if GEMM_TILES
	if (g->terms)
		return (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS * tile_row_words(g->terms, kc);
#endif
	return (rows + VL - 1) / VL * VL * panel_steps(g->terms, kc);
}

INLINE int64_t columns_words(const struct gemm *g, int64_t columns, int kc)
{
	return (columns + g->nr - 1) / g->nr * g->nr * panel_words(g->b_terms, kc);
}

/* Of one panel over all of k. */
INLINE int64_t whole_panel_words(const struct gemm *g)
{
	int64_t whole = (g->k - 1) / g->kc;

	return whole * columns_words(g, g->nr, g->kc) + columns_words(g, g->nr, (int)(g->k - whole * g->kc));
}

static void pack_rows_of_a(const struct gemm *g, float *dst, int64_t i0, int64_t i1, int64_t p, int kc)
{
	if (g->a_in_place)
		return;
#if GEMM_TILES
	if (g->terms) {
		pack_tiles(dst, &g->a, i0, i1, p, kc, g->terms);
		return;
	}
#endif
	pack_panels(dst, VL, VL, &g->a, i0, i1 - i0, p, kc, VL * g->a.ld * 4, g->terms);
}

/* Around the products of a task. */
INLINE void begin_tiles(const struct gemm *g)
{
#if GEMM_TILES
	if (g->terms)
		tiles_configure();
#else
	(void)g;
#endif
}

INLINE void end_tiles(const struct gemm *g)
{
#if GEMM_TILES
	if (g->terms)
		_tile_release();
#else
	(void)g;
#endif
}

#if GEMM_TILES
/* As multiply, rows of a being lda words apart. */
static void multiply_tiles(const struct gemm *g, const float *a, int64_t lda, int64_t i0, int64_t i1, const float *b, int64_t j0, int64_t j1,
			   int64_t p, int kc, bool acc, struct next *next)
{
	int64_t b_words = columns_words(g, g->nr, kc);

	if (g->panels && g->b.elem == ELEM_BF16) {
		b = (const float *)(const void *)(g->panels + j0 / PANEL * panel_bytes(ELEM_BF16, g->k) + p * PANEL * 2);
		b_words = panel_bytes(ELEM_BF16, g->k) / 4;
	}
	amx_block(g, a, lda, i0, i1, b, b_words, j0, j1, kc, acc, next);
}
#endif

static void multiply(const struct gemm *g, const float *a, int64_t i0, int64_t i1, const float *b, int64_t j0, int64_t j1,
		     int64_t p, int kc, bool acc, struct next *next)
{
#if GEMM_TILES
	if (g->terms) {
		multiply_tiles(g, a, tile_row_words(g->terms, kc), i0, i1, b, j0, j1, p, kc, acc, next);
		return;
	}
#endif
	gemm_block(g, a, i0, i1, b, j0, j1, p, kc, acc, next);
}

/* Columns [j0, j1) of b over one kc of k, in panels, unless they lie so already. */
static void pack_columns_of_b(const struct gemm *g, float *dst, int64_t j0, int64_t j1, int64_t p, int kc, int64_t ahead)
{
#if GEMM_TILES
	if (g->panels) {
		int64_t bytes = panel_bytes(g->b.elem, g->k), apart = (int64_t)panel_steps(1, kc) * PANEL;

		for (int64_t j = j0; j < j1 && g->b.elem != ELEM_BF16; j += PANEL, dst += columns_words(g, PANEL, kc)) {
			const char *from = g->panels + j / PANEL * bytes + panel_bytes(g->b.elem, p);

			if (g->b.elem == ELEM_NF4)
				for (int q = 0; q < kc; q += NF4_BLOCK, from += CODES_STEP)
					unpack_codes(dst + q / 2 * PANEL, from, NULL);
			else if (g->terms == 3)
				unpack_panel(3, dst, apart, from, panel_steps(1, kc), NULL);
			else
				unpack_panel(1, dst, apart, from, panel_steps(1, kc), NULL);
		}
		return;
	}
#endif
	pack_panels(dst, g->nr, g->nr, &g->b, j0, j1 - j0, p, kc, ahead, g->b_terms);
}

/* Two panels of those packed for all, over one kc of k. */
static void pack_b_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t blocks = (g->rows + 2 * g->nr - 1) / (2 * g->nr), p = g->p0 + i / blocks * g->kc, j = i % blocks * 2 * g->nr;
	int kc = (int)shorter(g->kc, g->p1 - p);

	(void)worker;
	pack_columns_of_b(g, g->packed + i / blocks * columns_words(g, g->rows, g->kc) + columns_words(g, j, kc), g->j0 + j,
			  g->j0 + shorter(j + 2 * g->nr, g->rows), p, kc, 0);
}

/* --- sums that are rounded when they are whole ------------------------------------------------------------ */

#if ACT_BF16
/* Rows [i0, i0 + rows) and columns [j0, j0 + columns) of the sums, ld words apart: what y has there, or nothing yet. */
static void sums_begin(const struct gemm *g, float *sums, int64_t ld, int64_t i0, int64_t rows, int64_t j0, int64_t columns)
{
	for (int64_t r = 0; g->acc && r < rows; r++)
		for (V_EACH(j, columns))
			v_store(sums + r * ld + j, result_load(g, i0 + r, j0, columns, j));
}

static void sums_end(const struct gemm *g, const float *sums, int64_t ld, int64_t i0, int64_t rows, int64_t j0, int64_t columns)
{
	for (int64_t r = 0; r < rows; r++)
		for (V_EACH(j, columns))
			result_store(g, i0 + r, j0, v_load(sums + r * ld + j), columns, j);
}

/* The part of the product from column j0 whose sums are in floats, ld words apart; rows and columns are counted from their first. */
static struct gemm part_in_sums(const struct gemm *g, float *sums, int64_t ld, int64_t j0)
{
	struct gemm t = *g;

	t.c = sums, t.ldc = ld, t.c_idx = NULL;
#if GEMM_TILES
	t.panels = g->panels ? g->panels + j0 / PANEL * panel_bytes(g->b.elem, g->k) : NULL;
#else
	(void)j0;
#endif
	return t;
}

#if GEMM_TILES
/* Whether rows of a are read as tiles where they lie: whole tiles of whole lines, and rows that do not share a place in the cache. */
static bool tiles_in_place(const struct gemm *g)
{
	int64_t lines = g->a.ld / 32;

	return g->a.elem == ELEM_BF16 && !g->a.k_major && !g->a.idx && g->k % 32 == 0 && g->a.ld % 32 == 0 && lines % 32 != 0;
}

/* A task's rows where they lie, by panels: the sums of one stay in the first-level cache. Where they will go is asked for meanwhile, a line
 * of each row. */
static void rows_in_place(const struct gemm *g, float *sums, int64_t i0, int64_t i1)
{
	for (int64_t j = 0; j < g->rows; j += g->nr) {
		int64_t columns = shorter(g->nr, g->rows - j);
		struct gemm t = part_in_sums(g, sums, g->nr, g->j0 + j);
		const float *b = g->packed;

		sums_begin(g, sums, g->nr, i0, i1 - i0, g->j0 + j, columns);
		for (int64_t p = g->p0; p < g->p1; p += g->kc, b += columns_words(g, g->rows, g->kc)) {
			int kc = (int)shorter(g->kc, g->p1 - p);
			struct next rounded = {(const char *)(g->y + i0 * g->ldc + g->j0 + j), g->ldc * 2, columns * 2, p > g->p0 ? 0 : i1 - i0, 0, 0};

			multiply_tiles(&t, (const float *)(const void *)operand_at(&g->a, i0, p), g->a.ld / 2, 0, i1 - i0,
				       b + columns_words(g, j, kc), 0, columns, p, kc, g->acc || p > 0, &rounded);
		}
		sums_end(g, sums, g->nr, i0, i1 - i0, g->j0 + j, columns);
	}
}
#endif
#endif

/* What rows_task packs after all before p of rows from i0: more of k, or the next rows. */
static struct next next_of_a(const struct gemm *g, int64_t i0, int64_t p)
{
	int64_t rows, kc, bytes = elem_bits(g->a.elem) / 8;

	if (p >= g->p1)
		i0 += g->part, p = g->p0;
	rows = shorter(g->part, g->m - i0), kc = shorter(g->kc, g->p1 - p);
	if (g->a.idx || rows <= 0)
		return (struct next){.at = NULL};
	if (g->a.k_major && !g->terms) /* tiles have no time to ask for so many short rows */
		return (struct next){operand_at(&g->a, p, i0), g->a.ld * bytes, rows * bytes, kc, 0, 0};
	if (g->a.k_major)
		return (struct next){.at = NULL};
	return (struct next){operand_at(&g->a, i0, p), g->a.ld * bytes, kc * bytes, rows, 0, 0};
}

static void multiply_rows(const struct gemm *g, int64_t i0, int64_t i1, int worker)
{
	float *a = g->own + (int64_t)worker * OWN_WORDS;
	const float *b = g->packed;
#if ACT_BF16
	float *sums = a + OWN_OPERAND;
	int64_t ld = (g->rows + g->nr - 1) / g->nr * g->nr;
	struct gemm rounded = part_in_sums(g, sums, ld, g->j0);

#if GEMM_TILES
	if (g->y && tiles_in_place(g) && (i1 - i0) % TILE_ROWS == 0) {
		rows_in_place(g, sums, i0, i1);
		return;
	}
#endif
	if (g->y)
		sums_begin(g, sums, ld, i0, i1 - i0, g->j0, g->rows);
#endif
	for (int64_t p = g->p0; p < g->p1; p += g->kc, b += columns_words(g, g->rows, g->kc)) {
		int kc = (int)shorter(g->kc, g->p1 - p);

		struct next next = next_of_a(g, i0, p + kc);

		pack_rows_of_a(g, a, i0, i1, p, kc);
#if ACT_BF16
		if (g->y) {
			multiply(&rounded, a, 0, i1 - i0, b, 0, g->rows, p, kc, g->acc || p > 0, &next);
			continue;
		}
#endif
		multiply(g, a, i0, i1, b, g->j0, g->j0 + g->rows, p, kc, g->acc || p > 0, &next);
	}
#if ACT_BF16
	if (g->y)
		sums_end(g, sums, ld, i0, i1 - i0, g->j0, g->rows);
#endif
}

static void rows_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;

	int64_t end = shorter((i + 1) * g->mb, g->m);

	begin_tiles(g);
	for (int64_t i0 = i * g->mb; i0 < end; i0 += g->part)
		multiply_rows(g, i0, shorter(i0 + g->part, end), worker);
	end_tiles(g);
}

/* mb rows of a, over one kc of k. */
static void pack_a_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t blocks = (g->rows + g->mb - 1) / g->mb, p = g->p0 + i / blocks * g->kc, r = i % blocks * g->mb;
	int kc = (int)shorter(g->kc, g->p1 - p);

	(void)worker;
	pack_rows_of_a(g, g->packed + i / blocks * rows_words(g, g->rows, g->kc) + rows_words(g, r, kc), g->i0 + r,
		       g->i0 + shorter(r + g->mb, g->rows), p, kc);
}

/* Two panels of b against all packed rows. */
static void columns_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t j0 = i * 2 * g->nr, j1 = shorter(j0 + 2 * g->nr, g->n);
	float *b = g->own + (int64_t)worker * OWN_WORDS;
	int64_t ahead = g->b.k_major ? 0 : 2 * g->nr * g->b.ld * elem_bits(g->b.elem) / 8;
	const float *a = g->packed;
#if ACT_BF16
	float *sums = b + OWN_OPERAND;
	struct gemm rounded = part_in_sums(g, sums, 2 * g->nr, j0);

	if (g->y)
		sums_begin(g, sums, 2 * g->nr, g->i0, g->rows, j0, j1 - j0);
#endif
	begin_tiles(g);
	for (int64_t p = g->p0; p < g->p1; p += g->kc, a += rows_words(g, g->rows, g->kc)) {
		int kc = (int)shorter(g->kc, g->p1 - p);

		pack_columns_of_b(g, b, j0, j1, p, kc, ahead);
#if ACT_BF16
		if (g->y) {
			multiply(&rounded, a, 0, g->rows, b, 0, j1 - j0, p, kc, g->acc || p > 0, &(struct next){.at = NULL});
			continue;
		}
#endif
		multiply(g, a, g->i0, g->i0 + g->rows, b, j0, j1, p, kc, g->acc || p > 0, &(struct next){.at = NULL});
	}
	end_tiles(g);
#if ACT_BF16
	if (g->y)
		sums_end(g, sums, 2 * g->nr, g->i0, g->rows, j0, j1 - j0);
#endif
}

/* A is packed for all. */
static void gemm_few(struct pool *pool, struct gemm *g)
{
	int64_t fit = GEMM_PACKED / rows_words(g, g->m, g->kc), depth = g->y ? g->k : (fit > 0 ? fit : 1) * g->kc;

	g->rows = g->m;
	for (g->p0 = 0; g->p0 < g->k; g->p0 = g->p1) {
		g->p1 = shorter(g->p0 + depth, g->k);
		if (!g->a_in_place)
			pool_run(g->m * (g->p1 - g->p0) < GEMM_PACK_SOLO ? NULL : pool,
				 (g->m + g->mb - 1) / g->mb * ((g->p1 - g->p0 + g->kc - 1) / g->kc), pack_a_task, g);
		pool_run(pool, (g->n + 2 * g->nr - 1) / (2 * g->nr), columns_task, g);
	}
}

/* Columns of three terms to pack at a time: if few less let all of k be packed, C is read and written once less. */
static int64_t columns_split(const struct gemm *g)
{
	int64_t whole = GEMM_SPLIT_PACKED / columns_words(g, g->nr, (int)shorter(g->k, GEMM_SPLIT_PACKED)) * g->nr;

	return whole < GEMM_SPLIT_COLUMNS && whole >= GEMM_SPLIT_COLUMNS / 2 ? whole : GEMM_SPLIT_COLUMNS;
}

/* Tasks of about one size, as many for each thread: B is read once for each. */
static void share_rows(struct gemm *g, int64_t threads)
{
	int64_t parts = (g->m + g->mb * threads - 1) / (g->mb * threads) * threads;

	g->mb = ((g->m + parts - 1) / parts + g->nr - 1) / g->nr * g->nr;
}

/* B is packed for all: wide, or several kc of k at a time. */
static void gemm_many(struct pool *pool, struct gemm *g)
{
	int64_t room = g->terms == 3 ? GEMM_SPLIT_PACKED : GEMM_PACKED, depth, threads = pool ? pool_threads(pool) : 1;
	int64_t columns = room / columns_words(g, g->nr, g->kc) / (g->a_in_place && g->k > g->kc ? 2 : 1) * g->nr, parts;

	if (g->terms == 3)
		columns = shorter(columns, columns_split(g));
	if (g->y) {  /* all of k at once */
		columns = GEMM_PACKED / whole_panel_words(g) * g->nr;
		columns = columns < g->nr ? g->nr : shorter(columns, SUM_COLUMNS / g->nr * g->nr);
	}
	parts = (g->n + columns - 1) / columns;
	columns = ((g->n + parts - 1) / parts + g->nr - 1) / g->nr * g->nr;
	if (g->terms == 3)
		g->mb = GEMM_SPLIT_TASK, share_rows(g, threads);
	else if (g->m < 4 * g->mb * threads)
		g->mb /= 2;
	g->part = g->terms != 3 ? g->mb : columns * g->k <= GEMM_SPLIT_NEAR ? GEMM_SPLIT_FEW : GEMM_SPLIT_MB;
	for (g->j0 = 0; g->j0 < g->n; g->j0 += columns) {
		g->rows = shorter(columns, g->n - g->j0);
		depth = g->y ? g->k : room / columns_words(g, g->rows, g->kc) * g->kc;
		for (g->p0 = 0; g->p0 < g->k; g->p0 = g->p1) {
			g->p1 = shorter(g->p0 + depth, g->k);
			pool_run(pool, (g->rows + 2 * g->nr - 1) / (2 * g->nr) * ((g->p1 - g->p0 + g->kc - 1) / g->kc), pack_b_task, g);
			pool_run(pool, (g->m + g->mb - 1) / g->mb, rows_task, g);
		}
	}
}

/* k in as many parts as parts of at most `most` need, and all of about one size: a multiple of 64, as NF4's blocks are. */
static int even_share(int64_t k, int most)
{
	int64_t parts = (k + most - 1) / most;

	return (int)(((k + parts - 1) / parts + 63) / 64 * 64);
}

#include "cpu/deep.h"

/* How the numbers are multiplied: with activations of bf16 as those. Else, with tiles, floats are split, but for weights of NF4, which few
 * products share. */
static void choose_terms(struct gemm *g)
{
	if (ACT_BF16) {
		g->terms = g->b_terms = 1;
		g->kc = g->m <= GEMM_FEW_HALF ? GEMM_FEW_HALF_KC : GEMM_HALF_KC;
	} else {
		bool split = GEMM_TILES && g->b.elem != ELEM_NF4;

		g->terms = split ? 3 : 0, g->b_terms = split && g->b.elem != ELEM_BF16 ? 3 : split;
		g->kc = split ? g->b_terms == 1 ? GEMM_SPLIT_A_KC : GEMM_SPLIT_KC : GEMM_KC;
	}
#if GEMM_TILES
	if (g->terms)
		g->panels = packed_panels(&g->b);
#endif
}

/* C[m, n] (y NULL) or Y = A[m, k] B[n, k]^T, + C or Y if acc. */
static void gemm_to(struct pool *pool, float *c, act *y, int64_t ldc, const int32_t *c_idx, struct operand a, int64_t m,
		    struct operand b, int64_t n, int64_t k, bool acc)
{
	size_t packed = GEMM_PACKED;
	bool few;
	struct gemm g = {.c = c, .y = y, .ldc = ldc, .c_idx = c_idx, .a = a, .b = b, .m = m, .n = n, .k = k, .acc = acc};

	if (m == 0 || n == 0)
		return;
	if (k == 0 && !acc)
		for (int64_t i = 0; i < m; i++)
			memset(y ? (void *)(y + i * ldc) : c_row(&g, i), 0, (size_t)n * (y ? sizeof *y : sizeof *c));
	if (k == 0)
		return;
#if GEMM_TILES
	if (b.elem == ELEM_I8 && !b.k_major && k <= BYTES_K_MAX) {
		g.panels = packed_panels(&b);
		bytes_run(pool, &g);
		return;
	}
#endif
	choose_terms(&g);
	if (m <= FEW_MAX && !g.terms && !b.k_major && !a.k_major && !b.idx) {
		few_run(pool, &(struct few){.c = c, .ldc = ldc, .c_idx = c_idx, .a = a, .b = b, .m = m, .n = n, .k = k, .acc = acc});
		return;
	}
	g.kc = even_share(k, g.kc);
#if GEMM_TILES
	if (g.panels && m <= (b.elem == ELEM_NF4 ? WIDE_HALF : WIDE_ROWS) && !a.k_major) {
		stream_run(pool, &g);
		return;
	}
#endif
	if ((double)m * (double)n * (double)k < GEMM_SOLO)
		pool = NULL;
	g.a_in_place = !g.terms && !a.k_major;
	g.mb = g.terms == 3 ? GEMM_SPLIT_MB : GEMM_MB;
	g.nr = g.terms && GEMM_TILES ? 32 : TILE_NV * VL;
	few = m <= GEMM_FEW && (!y || rows_words(&g, m, g.kc) * ((k + g.kc - 1) / g.kc) <= GEMM_PACKED);
	if (g.terms == 3)
		packed = GEMM_SPLIT_PACKED;
	if (y && !few && whole_panel_words(&g) > GEMM_PACKED)
		packed = (size_t)whole_panel_words(&g);
#if GEMM_SPLIT
	if (deep_wins(&g, pool)) {
		gemm_deep(pool, &g);
		return;
	}
#endif
	g.own = cpu_scratch((packed + (size_t)(pool ? pool_threads(pool) : 1) * OWN_WORDS) * sizeof(float));
	g.packed = g.own + (pool ? pool_threads(pool) : 1) * OWN_WORDS;
	if (few)
		gemm_few(pool, &g);
	else
		gemm_many(pool, &g);
}

static void gemm(struct pool *pool, float *c, int64_t ldc, const int32_t *c_idx, struct operand a, int64_t m, struct operand b, int64_t n,
		 int64_t k, bool acc)
{
	gemm_to(pool, c, NULL, ldc, c_idx, a, m, b, n, k, acc);
}

/* The same to activations. */
static void gemm_acts(struct pool *pool, act *y, int64_t ldy, struct operand a, int64_t m, struct operand b, int64_t n, int64_t k, bool acc)
{
#if ACT_BF16
	gemm_to(pool, NULL, y, ldy, NULL, a, m, b, n, k, acc);
#else
	gemm_to(pool, &y->value, NULL, ldy, NULL, a, m, b, n, k, acc);
#endif
}

/* Each of n rows becomes b[o]. */
static void copy_to_rows(float *y, const float *b, int64_t n, int64_t o)
{
	for (int64_t i = 0; i < n; i++)
		memcpy(y + i * o, b, (size_t)o * sizeof *y);
}

static void cpu_matmul_part(struct pool *pool, act *y, int64_t ldy, const act *x, int64_t ldx, struct weights w, int64_t n, int64_t o,
			    int64_t i, int acc)
{
	gemm_acts(pool, y, ldy, acts_of(x, ldx, NULL, false), n, weights_of(w, i, false), o, i, acc);
}

static void cpu_matmul_dx_part(struct pool *pool, act *dx, int64_t ldx, const act *dy, int64_t ldy, struct weights w, int64_t n, int64_t o,
			       int64_t i, int acc)
{
	gemm_acts(pool, dx, ldx, acts_of(dy, ldy, NULL, false), n, weights_of(w, i, true), i, o, acc);
}

static void cpu_matmul_dw_part(struct pool *pool, float *dw, const act *dy, int64_t ldy, const act *x, int64_t ldx, int64_t n, int64_t o,
			       int64_t i)
{
	gemm(pool, dw, i, NULL, acts_of(dy, ldy, NULL, true), o, acts_of(x, ldx, NULL, true), i, n, true);
}

static void cpu_matmul(struct pool *pool, act *y, const act *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	cpu_matmul_part(pool, y, o, x, i, w, n, o, i, acc);
}

static void cpu_matmul_dx(struct pool *pool, act *dx, const act *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	cpu_matmul_dx_part(pool, dx, i, dy, o, w, n, o, i, acc);
}

static void cpu_matmul_dw(struct pool *pool, float *dw, const act *dy, const act *x, int64_t n, int64_t o, int64_t i)
{
	cpu_matmul_dw_part(pool, dw, dy, o, x, i, n, o, i);
}

static void cpu_matmul_float(struct pool *pool, float *y, const act *x, struct weights w, const float *b, int64_t n, int64_t o, int64_t i)
{
	if (b)
		copy_to_rows(y, b, n, o);
	gemm(pool, y, o, NULL, acts_of(x, i, NULL, false), n, weights_of(w, i, false), o, i, b != NULL);
}

#endif
