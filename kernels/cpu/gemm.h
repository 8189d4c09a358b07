/* gemm.h - C = A B^T (+ C) for float, packed and register-tiled (Goto & van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008).
 *
 * Both operands are seen as rows over k. B is packed in panels of two vectors by all threads, then each task takes a
 * block of rows of A, packs it and runs the micro-kernel. Every element of C is one chain of multiply-adds in the order
 * of k, cut at multiples of GEMM_KC, whatever the other sizes: a row of the result does not depend, to the
 * bit, on which rows share the call, nor on the threads. That is what lets `generate` promise samples that
 * do not depend on the batch, and why this is not BLAS, whose code path changes with the shape. */
#ifndef QUERN_CPU_GEMM_H
#define QUERN_CPU_GEMM_H

#include "cpu/simd.h"
#include "kernels.h"

#include <stdbool.h>

#define GEMM_NR (2 * VL)
#define GEMM_KC 256     /* a panel of B (GEMM_KC x GEMM_NR) stays in the first-level cache */
#define GEMM_NC 512     /* the packed block of B (GEMM_KC x GEMM_NC, 512 KiB) stays in the second */
#define GEMM_PACKED (2 * GEMM_KC * GEMM_NC)    /* what is packed at a time: wide, or several blocks of k */
#define PACK_DEPTH 512  /* longest rows that are transposed: GEMM_KC here, the head size in attention */
#define GEMM_SOLO 2e6   /* multiply-adds below which waking threads costs more than they save */
#define GEMM_MB 48      /* rows per task; a multiple of every GEMM_MR */
#define GEMM_FEW 96     /* with no more rows than this, the operands change places */

/* An operand of rows over k. By rows: element (r, p) = p[idx(r) * ld + p]; k_major: p[idx(p) * ld + r].
 * idx picks matrix rows (NULL = all, in order). */
struct operand {
	const float *p;
	int64_t ld;
	const int32_t *idx;
	bool k_major;
};

struct gemm {
	float *c;
	int64_t ldc;
	const int32_t *c_idx;         /* rows of c, NULL = all, in order */
	struct operand a, b;
	int64_t m, n, k;
	bool acc, swapped;            /* swapped: a's rows are the columns of c */
	int64_t j0, nc, p0, p1;       /* what is packed: nc columns (width with padding) over k from p0 to p1 */
	int64_t width;
	int64_t mb;                   /* rows per task */
	float *packed;
};

INLINE const float *operand_row(const struct operand *x, int64_t r)
{
	return x->p + (x->idx ? x->idx[r] : r) * x->ld;
}

/* Rows [r0, r0 + nr) over [p0, p0 + kc), kc <= PACK_DEPTH, into dst[kc][width]; missing rows are 0. Whole vectors are
 * stored: dst has VL floats of slack, each later store covers the excess of the one before. */
static void pack_rows(float *dst, int width, const struct operand *x, int64_t r0, int nr, int64_t p0, int kc)
{
	static const float zeros[PACK_DEPTH];

	for (int g = 0; g < width; g += VL) {
		const float *row[VL];

		for (int i = 0; i < VL; i++)
			row[i] = g + i < nr ? operand_row(x, r0 + g + i) + p0 : zeros;
		for (int p = 0; p < kc; p += VL) {
			float *d = dst + (int64_t)p * width + g;
			int lanes = v_lanes(kc, p);
			vf v[VL];

			if (lanes == VL) {
#pragma GCC unroll 16
				for (int i = 0; i < VL; i++)
					v[i] = v_load(row[i] + p);
				v_transpose(v);
#pragma GCC unroll 16
				for (int i = 0; i < VL; i++)
					v_store(d + i * width, v[i]);
				continue;
			}
			for (int i = 0; i < VL; i++)
				v[i] = v_load_n(row[i] + p, lanes);
			v_transpose(v);
			for (int i = 0; i < lanes; i++)
				v_store(d + i * width, v[i]);
		}
	}
}

/* The same where k is the leading dimension: the rows of all panels are taken from one matrix row at a time. */
static void pack_columns(float *dst, int width, const struct operand *x, int64_t r0, int nr, int64_t p0, int kc)
{
	for (int p = 0; p < kc; p++) {
		const float *src = operand_row(x, p0 + p) + r0;

		for (int t = 0; t < nr; t += width) {
			float *d = dst + (int64_t)t * kc + (int64_t)p * width;

			for (int g = 0; g < width; g += VL) {
				int have = nr - t - g, want = width - g < VL ? width - g : VL;

				if (have >= VL && want == VL)
					v_store(d + g, v_load(src + t + g));
				else
					v_store_n(d + g, v_load_n(src + t + g, have < 0 ? 0 : have < want ? have : want), want);
			}
		}
	}
}

/* Rows [r0, r0 + nr) in panels of width, one after the other. */
static void pack(float *dst, int width, const struct operand *x, int64_t r0, int nr, int64_t p0, int kc)
{
	if (x->k_major)
		pack_columns(dst, width, x, r0, nr, p0, kc);
	else
		for (int t = 0; t < nr; t += width)
			pack_rows(dst + (int64_t)t * kc, width, x, r0 + t, nr - t < width ? nr - t : width, p0, kc);
}

/* out[mr][nv] = sum over k of a(i, p) * b(p, j): a at a[i * ars + p * acs], b a row of nv vectors every ldb.
 * mr and nv are constants where it is called; the loops over them unroll into registers. */
INLINE void micro(const int mr, const int nv, int64_t k, const float *a, int64_t ars, int64_t acs, const float *b,
		  int64_t ldb, vf *out)
{
	vf acc[GEMM_MR][2], bv[2];

#pragma GCC unroll 16
	for (int i = 0; i < mr; i++)
#pragma GCC unroll 2
		for (int j = 0; j < nv; j++)
			acc[i][j] = v_zero();
	for (int64_t p = 0; p < k; p++, a += acs, b += ldb) {
#pragma GCC unroll 2
		for (int j = 0; j < nv; j++)
			bv[j] = v_load(b + j * VL);
#pragma GCC unroll 16
		for (int i = 0; i < mr; i++) {
			vf x = v_set1(a[i * ars]);

#pragma GCC unroll 2
			for (int j = 0; j < nv; j++)
				acc[i][j] = v_fma(x, bv[j], acc[i][j]);
		}
	}
#pragma GCC unroll 16
	for (int i = 0; i < mr; i++)
#pragma GCC unroll 2
		for (int j = 0; j < nv; j++)
			out[i * nv + j] = acc[i][j];
}

/* A tile of registers to rows [i0, i0 + mr) and columns [j0, j0 + nr) of the product. */
static void gemm_store(const struct gemm *g, const vf *tile, int nv, int64_t i0, int mr, int64_t j0, int nr, bool acc)
{
	float t[GEMM_MR * GEMM_NR] __attribute__((aligned(64)));
	int ld = nv * VL;

	if (!g->swapped && nr == GEMM_NR) {
		for (int i = 0; i < mr; i++) {
			float *c = g->c + (g->c_idx ? g->c_idx[i0 + i] : i0 + i) * g->ldc + j0;

			v_store(c, acc ? v_load(c) + tile[2 * i] : tile[2 * i]);
			v_store(c + VL, acc ? v_load(c + VL) + tile[2 * i + 1] : tile[2 * i + 1]);
		}
		return;
	}
	memcpy(t, tile, sizeof *tile * (size_t)(mr * nv));
	if (!g->swapped) {
		for (int i = 0; i < mr; i++) {
			float *c = g->c + (g->c_idx ? g->c_idx[i0 + i] : i0 + i) * g->ldc + j0;

			for (int j = 0; j < nr; j++)
				c[j] = acc ? c[j] + t[i * ld + j] : t[i * ld + j];
		}
		return;
	}
	for (int j = 0; j < nr; j++) {
		float *c = g->c + (g->c_idx ? g->c_idx[j0 + j] : j0 + j) * g->ldc + i0;

		for (int i = 0; i < mr; i++)
			c[i] = acc ? c[i] + t[i * ld + j] : t[i * ld + j];
	}
}

/* Panel i of all panels, those of the first GEMM_KC of k first. */
static void gemm_pack_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t panels = g->width / GEMM_NR, p = g->p0 + i / panels * GEMM_KC, j = i % panels * GEMM_NR;
	int64_t kc = g->p1 - p < GEMM_KC ? g->p1 - p : GEMM_KC;

	(void)worker;
	pack(g->packed + (p - g->p0) * g->width + j * kc, GEMM_NR, &g->b, g->j0 + j, (int)(g->nc - j < GEMM_NR ? g->nc - j : GEMM_NR),
	     p, (int)kc);
}

/* mr rows of a, over [p, p + kc), against every panel. */
static void gemm_tile(const struct gemm *g, const float *a, int64_t ars, int64_t acs, int64_t i0, int mr, int64_t p,
		      int64_t kc)
{
	vf tile[GEMM_MR * 2];
	bool acc = g->acc || p > 0;

	for (int64_t j = 0; j < g->nc; j += GEMM_NR) {
		const float *b = g->packed + (p - g->p0) * g->width + j * kc;
		int nr = g->nc - j < GEMM_NR ? (int)(g->nc - j) : GEMM_NR;

		if (nr <= VL) {
			micro(GEMM_MR, 1, kc, a, ars, acs, b, GEMM_NR, tile);
			gemm_store(g, tile, 1, i0, mr, g->j0 + j, nr, acc);
			continue;
		}
		if (ars == 1)
			micro(GEMM_MR, 2, kc, a, 1, GEMM_MR, b, GEMM_NR, tile);
		else
			micro(GEMM_MR, 2, kc, a, ars, 1, b, GEMM_NR, tile);
		gemm_store(g, tile, 2, i0, mr, g->j0 + j, nr, acc);
	}
}

static void gemm_rows_task(void *arg, int64_t i, int worker)
{
	const struct gemm *g = arg;
	int64_t i0 = i * g->mb, i1 = i0 + g->mb < g->m ? i0 + g->mb : g->m;
	float packed[GEMM_MB * GEMM_KC + VL] __attribute__((aligned(64)));
	/* With few panels packing would cost more than strided reading. */
	bool direct = g->nc <= 2 * GEMM_NR && !g->a.k_major && !g->a.idx && g->a.ld != 1;

	(void)worker;
	for (int64_t p = g->p0; p < g->p1; p += GEMM_KC) {
		int64_t kc = g->p1 - p < GEMM_KC ? g->p1 - p : GEMM_KC;

		if (!direct)
			pack(packed, GEMM_MR, &g->a, i0, (int)(i1 - i0), p, (int)kc);
		for (int64_t r = i0; r < i1; r += GEMM_MR) {
			int mr = i1 - r < GEMM_MR ? (int)(i1 - r) : GEMM_MR;

			if (direct && mr == GEMM_MR) {
				gemm_tile(g, g->a.p + r * g->a.ld + p, g->a.ld, 1, r, mr, p, kc);
				continue;
			}
			if (direct)
				pack(packed + (r - i0) * kc, GEMM_MR, &g->a, r, mr, p, (int)kc);
			gemm_tile(g, packed + (r - i0) * kc, 1, GEMM_MR, r, mr, p, kc);
		}
	}
}

/* C[m, n] = A[m, k] B[n, k]^T, + C if acc. */
static void gemm(struct pool *pool, float *c, int64_t ldc, const int32_t *c_idx, struct operand a, int64_t m,
		 struct operand b, int64_t n, int64_t k, bool acc)
{
	float packed[GEMM_PACKED + VL] __attribute__((aligned(64)));
	struct gemm g = {.c = c, .ldc = ldc, .c_idx = c_idx, .a = a, .b = b, .m = m, .n = n, .acc = acc, .packed = packed};
	int64_t columns = k <= GEMM_KC ? GEMM_PACKED / GEMM_KC : GEMM_NC, depth;

	if (m <= GEMM_FEW && n > m) {
		g.a = b, g.b = a, g.m = n, g.n = m;
		g.swapped = true;
	}
	if ((double)m * (double)n * (double)k < GEMM_SOLO)
		pool = NULL;
	g.mb = g.m >= 16 * GEMM_MB ? GEMM_MB : GEMM_MB / 2;
	if (k == 0 && !acc)
		for (int64_t i = 0; i < m; i++)
			memset(c + (c_idx ? c_idx[i] : i) * ldc, 0, (size_t)n * sizeof *c);
	for (g.j0 = 0; g.j0 < g.n; g.j0 += columns) {
		g.nc = g.n - g.j0 < columns ? g.n - g.j0 : columns;
		g.width = (g.nc + GEMM_NR - 1) / GEMM_NR * GEMM_NR;
		depth = GEMM_PACKED / g.width / GEMM_KC * GEMM_KC;
		for (g.p0 = 0; g.p0 < k; g.p0 = g.p1) {
			g.p1 = g.p0 + depth < k ? g.p0 + depth : k;
			pool_run(pool, g.width / GEMM_NR * ((g.p1 - g.p0 + GEMM_KC - 1) / GEMM_KC), gemm_pack_task, &g);
			pool_run(pool, (g.m + g.mb - 1) / g.mb, gemm_rows_task, &g);
		}
	}
}

static void cpu_matmul(struct pool *pool, float *y, const float *x, struct weights w, int64_t n, int64_t o, int64_t i,
		       int acc)
{
	gemm(pool, y, o, NULL, (struct operand){x, i, NULL, false}, n, (struct operand){w.data, i, NULL, false}, o, i, acc);
}

static void cpu_matmul_dx(struct pool *pool, float *dx, const float *dy, struct weights w, int64_t n, int64_t o, int64_t i,
			  int acc)
{
	gemm(pool, dx, i, NULL, (struct operand){dy, o, NULL, false}, n, (struct operand){w.data, i, NULL, true}, i, o, acc);
}

static void cpu_matmul_dw(struct pool *pool, float *dw, const float *dy, const float *x, int64_t n, int64_t o, int64_t i)
{
	gemm(pool, dw, i, NULL, (struct operand){dy, o, NULL, true}, o, (struct operand){x, i, NULL, true}, i, n, true);
}

#endif
