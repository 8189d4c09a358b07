/* gemv.h - the product for a few rows of activations: limited by reading the weights, so they are read once, in their
 * stored form, and never written anywhere but transposed by 32-bit words to the first-level cache. Weights of FEW_GROUPS *
 * VL rows of B are taken at a time: so many chains of multiply-adds side by side, each in the order of k like those of
 * gemm.h, and equal to them to the bit. */
#ifndef QUERN_CPU_GEMV_H
#define QUERN_CPU_GEMV_H

#include "cpu/pack.h"

#define FEW_GROUPS (VL == 16 ? 4 : 2)
#define FEW_COLUMNS (FEW_GROUPS * VL)
#define FEW_ROWS (VL == 16 ? 4 : 2)     /* rows of A that share one pass over the transposed words */
#define FEW_MAX 8                       /* rows of A in all */
#define FEW_TASKS 3                     /* a thread's, if all are equally fast */
#define FEW_SOLO 1e5                    /* multiply-adds below which waking threads costs more than they save */

/* While a block of words is worked on, as many bytes of the next columns are asked for: so many while a group of it is transposed,
 * and the rest during the products, in the proportion of the time they take. A core has only some 16 lines under way, and
 * what comes at once would keep the products waiting. */
#define FEW_AHEAD(elem) (VL < 16 ? 0 : (elem) == ELEM_F32 || (elem) == ELEM_BF16 ? 12 * 64 : 8 * 64)
#define FEW_AHEAD_WORD(elem) ((FEW_COLUMNS * 4 * VL - FEW_GROUPS * FEW_AHEAD(elem)) / VL)

struct few {
	float *c;
	int64_t ldc;
	const int32_t *c_idx;
	struct operand a, b;
	int64_t m, n, k;
	int64_t per;                 /* blocks of FEW_COLUMNS in a task, one after the other: what a thread asks for is its own */
	bool acc;
};

INLINE void few_ask(const char *ahead, int bytes)
{
	for (int l = 0; ahead && l < bytes; l += 64)
		__builtin_prefetch(ahead + l, 0, 2);
}

/* words[w][FEW_COLUMNS]: word w of a block of VL words from byte `at` of each row; bytes < 4 * VL at the end of the rows. */
INLINE void few_words(const enum elem elem, vu words[VL][FEW_GROUPS], const char *const row[FEW_COLUMNS], int64_t at, int bytes,
		      const char *ahead)
{
	for (int g = 0; g < FEW_GROUPS; g++) {
		char tail[VL][4 * VL] __attribute__((aligned(64)));
		const char *from[VL];
		vu out[VL];

		few_ask(ahead ? ahead + g * FEW_AHEAD(elem) : NULL, FEW_AHEAD(elem));
		if (bytes >= 4 * VL) {
			transpose_words(out, row + g * VL, at);
		} else {
			memset(tail, 0, sizeof tail);
			for (int i = 0; i < VL; i++) {
				memcpy(tail[i], row[g * VL + i] + at, (size_t)bytes);
				from[i] = tail[i];
			}
			transpose_words(out, from, 0);
		}
#pragma GCC unroll 16
		for (int w = 0; w < VL; w++)
			words[w][g] = out[w];
	}
}

/* One k: element e of each word. */
INLINE void few_step(const enum elem elem, const int e, const int rows, vf s[FEW_ROWS][FEW_GROUPS], const vu word[FEW_GROUPS],
		     const float *const x[FEW_ROWS], int p, const vf scale[FEW_GROUPS])
{
#pragma GCC unroll 4
	for (int g = 0; g < FEW_GROUPS; g++) {
		vf v = v_element(elem, word[g], e, scale[g]);

#pragma GCC unroll 4
		for (int r = 0; r < rows; r++)
			s[r][g] = v_fma(v_set1(x[r][p]), v, s[r][g]);
	}
}

/* sum[rows][FEW_GROUPS] += the products of kc of k, whose words are given; x: rows of a at that k. ahead (or NULL): what
 * is asked for of the next columns. */
INLINE void few_multiply(const enum elem elem, const int rows, vf sum[FEW_ROWS][FEW_GROUPS], const vu words[VL][FEW_GROUPS],
			 const float *const x[FEW_ROWS], int kc, const vf (*scale)[FEW_GROUPS], const char *ahead)
{
	const int per = 32 / elem_bits(elem);
	vf s[FEW_ROWS][FEW_GROUPS];

#pragma GCC unroll 4
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (int g = 0; g < FEW_GROUPS; g++)
			s[r][g] = sum[r][g];
	for (int w = 0; w < kc / per; w++) {
		if (ahead)
			few_ask(ahead + w * FEW_AHEAD_WORD(elem), FEW_AHEAD_WORD(elem));
#pragma GCC unroll 8
		for (int e = 0; e < per; e++)
			few_step(elem, e, rows, s, words[w], x, w * per + e, scale[elem == ELEM_NF4 ? w * per / NF4_BLOCK : 0]);
	}
#pragma GCC unroll 8
	for (int e = 0; e < per - 1; e++)
		if (e < kc % per)
			few_step(elem, e, rows, s, words[kc / per], x, kc / per * per + e,
				 scale[elem == ELEM_NF4 ? kc / NF4_BLOCK : 0]);
#pragma GCC unroll 4
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (int g = 0; g < FEW_GROUPS; g++)
			sum[r][g] = s[r][g];
}

/* Columns [j0, j0 + FEW_COLUMNS) of c; goes_on: this thread takes those behind them next. */
INLINE void few_columns(const enum elem elem, const struct few *t, int64_t j0, bool goes_on)
{
	const int per = 32 / elem_bits(elem), block = VL * per;
	int nr = t->n - j0 < FEW_COLUMNS ? (int)(t->n - j0) : FEW_COLUMNS;
	vf sum[FEW_MAX][FEW_GROUPS], scale[VL * 8 / NF4_BLOCK + 1][FEW_GROUPS];
	int64_t index[FEW_COLUMNS];
	const char *row[FEW_COLUMNS], *next = operand_at(&t->b, j0 + FEW_COLUMNS, 0);

	for (int i = 0; i < FEW_COLUMNS; i++) {
		index[i] = j0 + (i < nr ? i : nr - 1);
		row[i] = operand_at(&t->b, index[i], 0);
	}
	for (int64_t r = 0; r < t->m; r++)
		for (int g = 0; g < FEW_GROUPS; g++) {
			const float *c = t->c + (t->c_idx ? t->c_idx[r] : r) * t->ldc + j0;

			sum[r][g] = t->acc && g * VL < nr ? v_load_at(c, nr, g * VL) : v_zero();
		}
	for (int g = 0; g < FEW_GROUPS; g++)
		scale[0][g] = lane_scales(elem, &t->b, index + g * VL, 0);
	for (int64_t p = 0; p < t->k; p += block) {
		int kc = t->k - p < block ? (int)(t->k - p) : block;
		vu words[VL][FEW_GROUPS];
		const char *ahead = goes_on ? next + p / per * 4 * FEW_COLUMNS : NULL;

		few_words(elem, words, row, p / per * 4, (kc * elem_bits(elem) + 7) / 8, ahead);
		ahead = ahead ? ahead + FEW_GROUPS * FEW_AHEAD(elem) : NULL;
		for (int q = 0; elem == ELEM_NF4 && q < kc; q += NF4_BLOCK)
			for (int g = 0; g < FEW_GROUPS && (p + q) % NF4_BLOCK == 0; g++)
				scale[q / NF4_BLOCK][g] = lane_scales(elem, &t->b, index + g * VL, p + q);
		for (int64_t r = 0; r < t->m; r += FEW_ROWS) {
			int rows = t->m - r < FEW_ROWS ? (int)(t->m - r) : FEW_ROWS;
			const float *x[FEW_ROWS];

			for (int i = 0; i < FEW_ROWS; i++)
				x[i] = (const float *)t->a.p + operand_index(&t->a, r + (i < rows ? i : 0)) * t->a.ld + p;
			if (rows == 1)
				few_multiply(elem, 1, sum + r, words, x, kc, scale, r ? NULL : ahead);
			else if (rows == 2)
				few_multiply(elem, 2, sum + r, words, x, kc, scale, r ? NULL : ahead);
			else
				few_multiply(elem, FEW_ROWS, sum + r, words, x, kc, scale, r ? NULL : ahead);
		}
	}
	for (int64_t r = 0; r < t->m; r++)
		for (int g = 0; g * VL < nr; g++)
			v_store_at(t->c + (t->c_idx ? t->c_idx[r] : r) * t->ldc + j0, sum[r][g], nr, g * VL);
}

static void few_task(void *arg, int64_t i, int worker)
{
	const struct few *t = arg;
	int64_t end = (i + 1) * t->per * FEW_COLUMNS;

	(void)worker;
	end = end < t->n ? end : t->n;
	for (int64_t j = i * t->per * FEW_COLUMNS; j < end; j += FEW_COLUMNS) {
		bool goes_on = j + FEW_COLUMNS < end;

		if (t->b.elem == ELEM_F32)
			few_columns(ELEM_F32, t, j, goes_on);
		else if (t->b.elem == ELEM_BF16)
			few_columns(ELEM_BF16, t, j, goes_on);
		else if (t->b.elem == ELEM_I8)
			few_columns(ELEM_I8, t, j, goes_on);
		else
			few_columns(ELEM_NF4, t, j, goes_on);
	}
}

/* How the columns are cut depends on the threads, what a column gives does not. */
static void few_run(struct pool *pool, struct few *t)
{
	int64_t blocks = (t->n + FEW_COLUMNS - 1) / FEW_COLUMNS, tasks = (int64_t)pool_threads(pool) * FEW_TASKS;

	if ((double)t->m * (double)t->n * (double)t->k < FEW_SOLO)
		pool = NULL;
	t->per = (blocks + tasks - 1) / tasks;
	pool_run(pool, (blocks + t->per - 1) / t->per, few_task, t);
}

#endif
