/* block.h - products of blocks that lie in the cache: those of attention, whose operands are read where they are. */
#ifndef QUERN_CPU_BLOCK_H
#define QUERN_CPU_BLOCK_H

#include "cpu/gemm.h"

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

/* c[m, n] (+)= a b: a(i, p) at a[i * ars + p * acs], b row-major with ldb. Rows of b and c need not be padded. */
INLINE void mul_rows(const int mr, float *c, int64_t ldc, const float *a, int64_t ars, int64_t acs, const float *b,
		     int64_t ldb, int64_t n, int64_t k, bool acc)
{
	int64_t j = 0;

	for (; j + 2 * VL <= n; j += 2 * VL) {
		vf t[GEMM_MR * 2];

		micro(mr, 2, k, a, ars, acs, b + j, ldb, t);
#pragma GCC unroll 16
		for (int i = 0; i < mr; i++) {
			float *to = c + i * ldc + j;

			v_store(to, acc ? v_load(to) + t[2 * i] : t[2 * i]);
			v_store(to + VL, acc ? v_load(to + VL) + t[2 * i + 1] : t[2 * i + 1]);
		}
	}
	for (; j < n; j += VL) {
		for (int i = 0; i < mr; i++) {
			float *to = c + i * ldc;
			vf t = v_zero();

			for (int64_t p = 0; p < k; p++)
				t = v_fma(v_set1(a[i * ars + p * acs]), v_load_at(b + p * ldb, n, j), t);
			v_store_at(to, acc ? v_load_at(to, n, j) + t : t, n, j);
		}
	}
}

/* One row, four vectors at a time: a chain of multiply-adds waits for itself, so four of them run side by side. */
static void mul_row(float *c, const float *a, int64_t acs, const float *b, int64_t ldb, int64_t n, int64_t k, bool acc)
{
	int64_t j = 0;

	for (; j + 4 * VL <= n; j += 4 * VL) {
		vf t0 = v_zero(), t1 = v_zero(), t2 = v_zero(), t3 = v_zero();

		for (int64_t p = 0; p < k; p++) {
			const float *from = b + p * ldb + j;
			vf x = v_set1(a[p * acs]);

			t0 = v_fma(x, v_load(from), t0), t1 = v_fma(x, v_load(from + VL), t1);
			t2 = v_fma(x, v_load(from + 2 * VL), t2), t3 = v_fma(x, v_load(from + 3 * VL), t3);
		}
		v_store(c + j, acc ? v_load(c + j) + t0 : t0);
		v_store(c + j + VL, acc ? v_load(c + j + VL) + t1 : t1);
		v_store(c + j + 2 * VL, acc ? v_load(c + j + 2 * VL) + t2 : t2);
		v_store(c + j + 3 * VL, acc ? v_load(c + j + 3 * VL) + t3 : t3);
	}
	mul_rows(1, c + j, 0, a, 0, acs, b + j, ldb, n - j, k, acc);
}

/* The same for any m. */
static void mul(float *c, int64_t ldc, const float *a, int64_t ars, int64_t acs, const float *b, int64_t ldb, int64_t m,
		int64_t n, int64_t k, bool acc)
{
	int64_t i = 0;

	for (; i + GEMM_MR <= m; i += GEMM_MR)
		mul_rows(GEMM_MR, c + i * ldc, ldc, a + i * ars, ars, acs, b, ldb, n, k, acc);
	for (; i + 4 <= m; i += 4)
		mul_rows(4, c + i * ldc, ldc, a + i * ars, ars, acs, b, ldb, n, k, acc);
	c += i * ldc, a += i * ars;
	if (m - i == 3)
		mul_rows(3, c, ldc, a, ars, acs, b, ldb, n, k, acc);
	else if (m - i == 2)
		mul_rows(2, c, ldc, a, ars, acs, b, ldb, n, k, acc);
	else if (m - i == 1)
		mul_row(c, a, acs, b, ldb, n, k, acc);
}

#endif
