/* gemm.h - C = A B^T (+ C) with float sums, packed and register-tiled (Goto & van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008).
 *
 * Both operands are seen as rows over k. One is packed for all threads, the second-level cache holding it: B in panels
 * of three vectors where A has many rows, and tasks take rows of A; else A, and tasks take panels of B, which then are read
 * once and packed in the first-level cache, so that one row costs what reading the weights costs. Every element of C is one chain of
 * additions in the order of k, which begins with C (or 0), however k is cut: a row of the result does not depend, to the bit,
 * on which rows share the call, nor on the threads. That is what lets `generate` promise samples that do not depend on the
 * batch, and why this is not BLAS, whose code path changes with the shape.
 *
 * The products of a chain: floats by fused multiply-add (plain C: a product rounded, then a sum). half: both operands are rounded to
 * the nearest bf16, their products are exact, and the chain is of
 *   - floats as above where the processor knows no bf16 (so the plain table is the specification);
 *   - pairs with VDPBF16PS: the odd one of a pair, then the even one, subnormals being zero;
 *   - 32 of k with AMX's TDPBF16PS: sums of the 16 even and of the 16 odd ones from zero, their sum, then C. */
#ifndef QUERN_CPU_GEMM_H
#define QUERN_CPU_GEMM_H

#include "cpu/gemv.h"
#include "cpu/pack.h"

#ifdef __AMX_BF16__
#define GEMM_TILES 1
#else
#define GEMM_TILES 0
#endif
/* Rows of TILE_NV vectors fill the registers: half of a packed panel, in which VL rows lie side by side. */
#define TILE_MR (VL == 4 ? 4 : VL / 2)
#define TILE_NV 3
#define GEMM_KC 192                            /* a panel of B stays in the first-level cache: 36 KiB of floats */
#define GEMM_HALF_KC (GEMM_TILES ? 512 : GEMM_PAIRS ? 384 : GEMM_KC)
#define GEMM_PACKED (256 << 10)                /* words packed for all threads: 1 MiB of the second-level cache */
#define GEMM_PACK_SOLO 65536                   /* the same, elements to pack */
#define GEMM_SOLO 2e6                          /* multiply-adds below which waking threads costs more than they save */
#define GEMM_MB (8 * VL)                        /* rows that a task takes, if there are many */
#define A_WORDS_MAX (GEMM_TILES ? GEMM_MB * (PACK_DEPTH / 2 + 16) : GEMM_MB * PACK_DEPTH)
#define GEMM_FEW 512                           /* up to so many rows A is packed for all, above B */
#define GEMM_FEW_HALF 32                        /* with so few rows, B is what is read: its panels stay in the first-level cache */
#define GEMM_FEW_HALF_KC 128

struct gemm {
	float *c;
	int64_t ldc;
	const int32_t *c_idx;         /* rows of c, NULL = all, in order */
	struct operand a, b;
	int64_t m, n, k;
	bool acc, half;
	int kc, nr;                   /* what is packed at a time: k, and columns of a panel */
	int64_t i0, j0, p0, rows, p1;       /* what is packed for all: rows of a or b from i0 or j0, over k from p0 to p1 */
	int64_t mb;                   /* rows per task */
	float *packed;
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

#include "cpu/amx.h"

/* --- tiles ------------------------------------------------------------------------------------------- */

/* c[mr][nv vectors] (+)= a b^T over the steps: a[step][VL], b[step][ldb]. mr and nv are constants where it is called; the
 * loops over them unroll into registers. */
INLINE void tile(const bool pairs, const int mr, const int nv, int steps, const float *a, const float *b, const int ldb,
		 float *c, int64_t ldc, bool acc)
{
	vf sum[TILE_MR][TILE_NV], bv[TILE_NV];

#pragma GCC unroll 16
	for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
		for (int j = 0; j < nv; j++)
			sum[i][j] = acc ? v_load(c + i * ldc + j * VL) : v_zero();
#pragma GCC unroll 4
	for (int p = 0; p < steps; p++, a += VL, b += ldb) {
#pragma GCC unroll 4
		for (int j = 0; j < nv; j++)
			bv[j] = v_load(b + j * VL);
#pragma GCC unroll 16
		for (int i = 0; i < mr; i++) {
			vf x = v_set1(a[i]);

			__asm__("" : "+" V_REGISTER(x)); /* one broadcast for all, not one with each multiply-add */
#pragma GCC unroll 4
			for (int j = 0; j < nv; j++)
				sum[i][j] = pairs ? v_dot_pairs(x, bv[j], sum[i][j]) : v_fma(x, bv[j], sum[i][j]);
		}
	}
#pragma GCC unroll 16
	for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
		for (int j = 0; j < nv; j++)
			v_store(c + i * ldc + j * VL, sum[i][j]);
}

/* The heights that are compiled; others are rounded up. */
INLINE int tile_height(int rows) { return rows < 3 ? rows : rows + rows % 2; }

INLINE void tile_of(const bool pairs, const int nv, int mr, int steps, const float *a, const float *b, const int ldb, float *c,
		    int64_t ldc, bool acc)
{
	if (TILE_MR > 4 && mr == TILE_MR)
		tile(pairs, TILE_MR, nv, steps, a, b, ldb, c, ldc, acc);
	else if (TILE_MR > 6 && mr == 6)
		tile(pairs, TILE_MR > 6 ? 6 : 1, nv, steps, a, b, ldb, c, ldc, acc);
	else if (mr == 4)
		tile(pairs, 4, nv, steps, a, b, ldb, c, ldc, acc);
	else if (mr == 2)
		tile(pairs, 2, nv, steps, a, b, ldb, c, ldc, acc);
	else
		tile(pairs, 1, nv, steps, a, b, ldb, c, ldc, acc);
}

#define TILES_OF(name, pairs, nv)                                                                                            \
	__attribute__((noinline)) static void name(int mr, int steps, const float *a, const float *b, float *c, int64_t ldc, \
						   bool acc)                                                                  \
	{                                                                                                                     \
		tile_of(pairs, nv, mr, steps, a, b, TILE_NV * VL, c, ldc, acc);                                               \
	}
TILES_OF(tiles_1, false, 1)
TILES_OF(tiles_2, false, 2)
TILES_OF(tiles_3, false, 3)
#if GEMM_PAIRS && !GEMM_TILES
TILES_OF(pair_tiles_1, true, 1)
TILES_OF(pair_tiles_2, true, 2)
TILES_OF(pair_tiles_3, true, 3)
#endif

static void tiles(bool pairs, int nv, int mr, int steps, const float *a, const float *b, float *c, int64_t ldc, bool acc)
{
#if GEMM_PAIRS && !GEMM_TILES
	if (pairs) {
		(nv == 1 ? pair_tiles_1 : nv == 2 ? pair_tiles_2 : pair_tiles_3)(mr, steps, a, b, c, ldc, acc);
		return;
	}
#endif
	(void)pairs;
	(nv == 1 ? tiles_1 : nv == 2 ? tiles_2 : tiles_3)(mr, steps, a, b, c, ldc, acc);
}

/* Rows [i, i + mr) and columns [j, j + nr) of c, through a buffer of nv vectors where the tile is larger than that. */
static void gemm_tile(const struct gemm *g, int steps, const float *a, const float *b, int64_t i, int mr, int64_t j, int nr,
		      bool acc)
{
	int nv = (nr + VL - 1) / VL, height = tile_height(mr);
	float t[TILE_MR * TILE_NV * VL] __attribute__((aligned(64)));

	if (!g->c_idx && nr == nv * VL && mr == height) {
		for (int r = 0; r < mr; r++)
			for (int v = 0; v < nv; v++)
				__builtin_prefetch(g->c + (i + TILE_MR + r) * g->ldc + j + v * VL, 1);
		tiles(g->half, nv, mr, steps, a, b, g->c + i * g->ldc + j, g->ldc, acc);
		return;
	}
	for (int r = 0; acc && r < mr; r++)
		for (int v = 0; v < nr; v += VL)
			v_store(t + r * nv * VL + v, v_load_at(c_row(g, i + r) + j, nr, v));
	tiles(g->half, nv, height, steps, a, b, t, nv * VL, acc);
	for (int r = 0; r < mr; r++)
		for (int v = 0; v < nr; v += VL)
			v_store_at(c_row(g, i + r) + j, v_load(t + r * nv * VL + v), nr, v);
}

/* Rows [i0, i1), packed at a, against columns [j0, j1), packed at b, over kc of k. */
static void gemm_block(const struct gemm *g, const float *a, int64_t i0, int64_t i1, const float *b, int64_t j0, int64_t j1,
		       int kc, bool acc, struct next *next)
{
	const int steps = panel_steps(g->half, kc), nr = TILE_NV * VL;
	int64_t n = (j1 - j0 + nr - 1) / nr * ((i1 - i0 + TILE_MR - 1) / TILE_MR), lines = lines_each(next, n);

	for (int64_t j = j0; j < j1; j += nr, b += steps * nr)
		for (int64_t i = i0; i < i1; i += TILE_MR) {
			ask_for(next, lines);
			gemm_tile(g, steps, a + (i - i0) / VL * VL * steps + (i - i0) % VL, b, i,
				  i1 - i < TILE_MR ? (int)(i1 - i) : TILE_MR, j, j1 - j < nr ? (int)(j1 - j) : nr, acc);
		}
}

/* --- the loops ----------------------------------------------------------------------------------------- */

/* Words of rows of a, packed over kc; and of columns, in panels. */
INLINE int64_t rows_words(const struct gemm *g, int64_t rows, int kc)
{
#if GEMM_TILES
	if (g->half)
		return (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS * tile_row_words(kc);
#endif
	return (rows + VL - 1) / VL * VL * panel_steps(g->half, kc);
}

INLINE int64_t columns_words(const struct gemm *g, int64_t columns, int kc)
{
	return (columns + g->nr - 1) / g->nr * g->nr * panel_steps(g->half, kc);
}

INLINE int64_t shorter(int64_t a, int64_t b) { return a < b ? a : b; }

static void pack_rows_of_a(const struct gemm *g, float *dst, int64_t i0, int64_t i1, int64_t p, int kc)
{
#if GEMM_TILES
	if (g->half) {
		pack_tiles(dst, &g->a, i0, i1, p, kc);
		return;
	}
#endif
	pack_panels(dst, VL, VL, &g->a, i0, i1 - i0, p, kc, VL * g->a.ld * 4, g->half);
}

static void multiply(const struct gemm *g, const float *a, int64_t i0, int64_t i1, const float *b, int64_t j0, int64_t j1,
		     int kc, bool acc, struct next *next)
{
#if GEMM_TILES
	if (g->half) {
		amx_block(g, a, i0, i1, b, j0, j1, kc, acc, next);
		return;
	}
#endif
	gemm_block(g, a, i0, i1, b, j0, j1, kc, acc, next);
}

/* Two panels of those packed for all, over one kc of k. */
static void pack_b_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t blocks = (g->rows + 2 * g->nr - 1) / (2 * g->nr), p = g->p0 + i / blocks * g->kc, j = i % blocks * 2 * g->nr;
	int kc = (int)shorter(g->kc, g->p1 - p);

	(void)worker;
	pack_panels(g->packed + i / blocks * columns_words(g, g->rows, g->kc) + columns_words(g, j, kc), g->nr, g->nr, &g->b,
		    g->j0 + j, shorter(2 * g->nr, g->rows - j), p, kc, 0, g->half);
}

/* What rows_task packs after all before p of rows from i0: more of k, or the next rows. */
static struct next next_of_a(const struct gemm *g, int64_t i0, int64_t p)
{
	int64_t rows, kc;

	if (p >= g->p1)
		i0 += g->mb, p = g->p0;
	rows = shorter(g->mb, g->m - i0), kc = shorter(g->kc, g->p1 - p);
	if (g->a.idx || rows <= 0)
		return (struct next){.at = NULL};
	if (g->a.k_major)
		return (struct next){operand_at(&g->a, p, i0), g->a.ld * 4, rows * 4, kc, 0, 0};
	return (struct next){operand_at(&g->a, i0, p), g->a.ld * 4, kc * 4, rows, 0, 0};
}

static void rows_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t i0 = i * g->mb, i1 = shorter(i0 + g->mb, g->m);
	float a[A_WORDS_MAX] __attribute__((aligned(64)));
	const float *b = g->packed;

	(void)worker;
	for (int64_t p = g->p0; p < g->p1; p += g->kc, b += columns_words(g, g->rows, g->kc)) {
		int kc = (int)shorter(g->kc, g->p1 - p);

		struct next next = next_of_a(g, i0, p + kc);

		pack_rows_of_a(g, a, i0, i1, p, kc);
		multiply(g, a, i0, i1, b, g->j0, g->j0 + g->rows, kc, g->acc || p > 0, &next);
	}
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
	float b[2 * PANEL_MAX * PACK_DEPTH] __attribute__((aligned(64)));
	int64_t ahead = g->b.k_major ? 0 : 2 * g->nr * g->b.ld * elem_bits(g->b.elem) / 8;
	const float *a = g->packed;

	(void)worker;
	for (int64_t p = g->p0; p < g->p1; p += g->kc, a += rows_words(g, g->rows, g->kc)) {
		int kc = (int)shorter(g->kc, g->p1 - p);

		pack_panels(b, g->nr, g->nr, &g->b, j0, j1 - j0, p, kc, ahead, g->half);
		multiply(g, a, g->i0, g->i0 + g->rows, b, j0, j1, kc, g->acc || p > 0, &(struct next){.at = NULL});
	}
}

/* A is packed for all. */
static void gemm_few(struct pool *pool, struct gemm *g)
{
	int64_t depth = GEMM_PACKED / rows_words(g, g->m, g->kc) * g->kc;

	g->rows = g->m;
	for (g->p0 = 0; g->p0 < g->k; g->p0 = g->p1) {
		g->p1 = shorter(g->p0 + depth, g->k);
		pool_run(g->m * (g->p1 - g->p0) < GEMM_PACK_SOLO ? NULL : pool,
			 (g->m + g->mb - 1) / g->mb * ((g->p1 - g->p0 + g->kc - 1) / g->kc), pack_a_task, g);
		pool_run(pool, (g->n + 2 * g->nr - 1) / (2 * g->nr), columns_task, g);
	}
}

/* B is packed for all: wide, or several kc of k at a time. */
static void gemm_many(struct pool *pool, struct gemm *g)
{
	int64_t columns = GEMM_PACKED / columns_words(g, g->nr, g->kc) / (g->k > g->kc ? 2 : 1) * g->nr, depth;

	if (g->m < 16 * g->mb)
		g->mb /= 2;
	for (g->j0 = 0; g->j0 < g->n; g->j0 += columns) {
		g->rows = shorter(columns, g->n - g->j0);
		depth = GEMM_PACKED / columns_words(g, g->rows, g->kc) * g->kc;
		for (g->p0 = 0; g->p0 < g->k; g->p0 = g->p1) {
			g->p1 = shorter(g->p0 + depth, g->k);
			pool_run(pool, (g->rows + 2 * g->nr - 1) / (2 * g->nr) * ((g->p1 - g->p0 + g->kc - 1) / g->kc), pack_b_task, g);
			pool_run(pool, (g->m + g->mb - 1) / g->mb, rows_task, g);
		}
	}
}

/* C[m, n] = A[m, k] B[n, k]^T, + C if acc; half: of operands rounded to bf16. */
static void gemm(struct pool *pool, float *c, int64_t ldc, const int32_t *c_idx, struct operand a, int64_t m,
		 struct operand b, int64_t n, int64_t k, bool acc, bool half)
{
	float packed[GEMM_PACKED] __attribute__((aligned(64)));
	struct gemm g = {.c = c, .ldc = ldc, .c_idx = c_idx, .a = a, .b = b, .m = m, .n = n, .k = k, .acc = acc, .half = half,
			 .kc = half ? GEMM_HALF_KC : GEMM_KC, .packed = packed};

	if (m == 0 || n == 0)
		return;
	if (k == 0 && !acc)
		for (int64_t i = 0; i < m; i++)
			memset(c_row(&g, i), 0, (size_t)n * sizeof *c);
	if (m <= FEW_MAX && !half && !b.k_major && !a.k_major && !b.idx) {
		few_run(pool, &(struct few){.c = c, .ldc = ldc, .c_idx = c_idx, .a = a, .b = b, .m = m, .n = n, .k = k, .acc = acc});
		return;
	}
	if ((double)m * (double)n * (double)k < GEMM_SOLO)
		pool = NULL;
	if (half && m <= GEMM_FEW_HALF)
		g.kc = GEMM_FEW_HALF_KC;
	g.mb = GEMM_MB;
	g.nr = half && GEMM_TILES ? 32 : TILE_NV * VL;
	if (m <= GEMM_FEW)
		gemm_few(pool, &g);
	else
		gemm_many(pool, &g);
}

#define MATMULS(suffix, half)                                                                                                  \
	static void cpu_matmul_part##suffix(struct pool *pool, float *y, int64_t ldy, const float *x, int64_t ldx,             \
					    struct weights w, int64_t n, int64_t o, int64_t i, int acc)                        \
	{                                                                                                                       \
		gemm(pool, y, ldy, NULL, floats_of(x, ldx, NULL, false), n, weights_of(w, i, false), o, i, acc, half);           \
	}                                                                                                                       \
	static void cpu_matmul_dx_part##suffix(struct pool *pool, float *dx, int64_t ldx, const float *dy, int64_t ldy,         \
					       struct weights w, int64_t n, int64_t o, int64_t i, int acc)                     \
	{                                                                                                                       \
		gemm(pool, dx, ldx, NULL, floats_of(dy, ldy, NULL, false), n, weights_of(w, i, true), i, o, acc, half);          \
	}                                                                                                                       \
	static void cpu_matmul_dw_part##suffix(struct pool *pool, float *dw, const float *dy, int64_t ldy, const float *x,      \
					       int64_t ldx, int64_t n, int64_t o, int64_t i)                                   \
	{                                                                                                                       \
		gemm(pool, dw, i, NULL, floats_of(dy, ldy, NULL, true), o, floats_of(x, ldx, NULL, true), i, n, true, half);     \
	}                                                                                                                       \
	static void cpu_matmul##suffix(struct pool *pool, float *y, const float *x, struct weights w, int64_t n, int64_t o,    \
				       int64_t i, int acc)                                                                     \
	{                                                                                                                       \
		cpu_matmul_part##suffix(pool, y, o, x, i, w, n, o, i, acc);                                                      \
	}                                                                                                                       \
	static void cpu_matmul_dx##suffix(struct pool *pool, float *dx, const float *dy, struct weights w, int64_t n,           \
					  int64_t o, int64_t i, int acc)                                                        \
	{                                                                                                                       \
		cpu_matmul_dx_part##suffix(pool, dx, i, dy, o, w, n, o, i, acc);                                                 \
	}                                                                                                                       \
	static void cpu_matmul_dw##suffix(struct pool *pool, float *dw, const float *dy, const float *x, int64_t n, int64_t o,  \
					  int64_t i)                                                                            \
	{                                                                                                                       \
		cpu_matmul_dw_part##suffix(pool, dw, dy, o, x, i, n, o, i);                                                      \
	}
MATMULS(, false)
MATMULS(_bf16, true)

#endif
