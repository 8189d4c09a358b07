/* amx.h - blocks of a product of bf16 in AMX tiles: 32 x 32 of C are four tiles of 16 x 16 floats, to which TDPBF16PS adds 32
 * of k at a time. A lies by rows of pairs, the terms of a row one after the other, B in the panels of pack.h. */
#ifndef QUERN_CPU_AMX_H
#define QUERN_CPU_AMX_H

#include "cpu/pack.h"

#if GEMM_TILES                  /* else this file says nothing */

#define TILE_ROWS 32

/* Words from row to row of packed A: an odd number of cache lines, so that rows do not share a place in the cache. */
INLINE int64_t tile_row_words(int terms, int kc) { return (panel_words(terms, kc) / 16 | 1) * 16; }

/* The same rows, k being the leading dimension: 32 of k of TILES_TURNED rows at a time are brought together, in rows that do not share a
 * place in the cache, then transposed as floats. */
#define TILES_TURNED 64
#define TILES_AHEAD 16  /* matrix rows between what is packed and what is asked for */
INLINE void pack_tiles_turned(const int terms, float *dst, const struct operand *x, int64_t i0, int64_t i1, int64_t p0, int kc)
{
	float near[32][TILES_TURNED + 16] __attribute__((aligned(64))), buf[ROW_MAX];
	int64_t ld = tile_row_words(terms, kc);
	int steps = panel_steps(terms, kc);

	for (int64_t i = i0; i < i1; i += TILES_TURNED, dst += TILES_TURNED * ld) {
		int64_t nr = i1 - i < TILES_TURNED ? i1 - i : TILES_TURNED, wide = (nr + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;

		for (int p = 0; p < kc; p += 32) {
			for (int r = 0; r < 32; r++) {
				const float *from = p + r < kc ? row_from(x, operand_index(x, p0 + p + r), i, nr, buf) : buf;

				ask_for_row(x, p + r + TILES_AHEAD < kc ? p0 + p + r + TILES_AHEAD : -1, i, nr);
				for (int64_t j = 0; j < wide; j += VL)
					v_store(near[r] + j, lanes_of(from + j, p + r < kc ? nr - j : 0));
			}
			for (int64_t t = 0; t < wide; t += VL) {
				const char *row[32];
				vu out[2][VL];

				for (int r = 0; r < 32; r++)
					row[r] = (const char *)(near[r] + t);
				transpose_words(out[0], row, 0);
				transpose_words(out[1], row + VL, 0);
				for (int r = 0; r < VL; r++)
					store_row(terms, dst + (t + r) * ld + p / 2, steps, (vf)out[0][r], (vf)out[1][r]);
			}
		}
	}
}

/* Up to 32 stored bf16 of a row, `left` of them there. */
INLINE vf stored_pairs(const struct operand *x, int64_t i, int64_t p, int64_t left)
{
	__mmask32 m = left >= 32 ? 0xffffffffu : left > 0 ? (__mmask32)((1u << left) - 1) : 0;

	return (vf)_mm512_maskz_loadu_epi16(m, operand_at(x, operand_index(x, i), p));
}

#if ACT_BF16
/* The same of stored bf16: 32 of k and 32 rows at a time, which are whole cache lines. */
static void turn_stored(float *dst, const struct operand *x, int64_t i0, int64_t i1, int64_t p0, int kc)
{
	static const uint16_t low[32] __attribute__((aligned(64))) = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39,
								      8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
	const __m512i first = _mm512_load_si512(low), second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
	int64_t ld = tile_row_words(1, kc);

	for (int p = 0; p < kc; p += 32)
		for (int64_t i = i0; i < i1; i += 32) {
			float *to = dst + (i - i0) * ld + p / 2;
			vf v[2][VL];

			for (int r = 0; r < VL; r++) {
				int64_t at = p + 2 * r;
				__m512i a = (__m512i)(at < kc ? stored_pairs(x, p0 + at, i, i1 - i) : v_zero());
				__m512i b = (__m512i)(at + 1 < kc ? stored_pairs(x, p0 + at + 1, i, i1 - i) : v_zero());

				for (int n = 0; n < 2 && at + n + 32 < kc; n++)
					__builtin_prefetch(operand_at(x, operand_index(x, p0 + at + n + 32), i));
				v[0][r] = (vf)_mm512_permutex2var_epi16(a, first, b);
				v[1][r] = (vf)_mm512_permutex2var_epi16(a, second, b);
			}
			for (int h = 0; h < 2; h++, to += VL * ld) {
				v_transpose(v[h]);
				for (int r = 0; r < VL; r++)
					v_store(to + r * ld, v[h][r]);
			}
		}
}
#endif

#define ROWS_AHEAD 16    /* the same, where rows are read as they lie, */
#define ROWS_FAR 2048    /* and lie so far apart: of others the processor sees by itself what comes next */

/* Rows [i0, i1) of x over [p0, p0 + kc), in terms, in whole TILE_ROWS, the rest 0. */
INLINE void pack_tiles_of(const int terms, float *dst, const struct operand *x, int64_t i0, int64_t i1, int64_t p0, int kc)
{
	int64_t ld = tile_row_words(terms, kc);
	int steps = panel_steps(terms, kc);

#if ACT_BF16
	if (x->k_major && x->elem == ELEM_BF16) {
		turn_stored(dst, x, i0, i1, p0, kc);
		return;
	}
#endif
	if (x->k_major) {
		pack_tiles_turned(terms, dst, x, i0, i1, p0, kc);
		return;
	}
	for (int64_t i = i0; i < (i1 - i0 + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS + i0; i += 16, dst += 16 * ld) {
		int nr = i1 - i < 16 ? (int)(i1 - i) : 16;

		if (nr <= 0) {
			memset(dst, 0, sizeof *dst * (size_t)(16 * ld));
			continue;
		}
		for (int r = 0; r < 16; r++)
			for (int p = 0; p < 2 * steps; p += 32) {
				if (ACT_BF16 && x->elem == ELEM_BF16) {
					v_store(dst + r * ld + p / 2, r < nr ? stored_pairs(x, i + r, p0 + p, kc - p) : v_zero());
					continue;
				}
				const float *from = (const float *)x->p + (r < nr ? operand_index(x, i + r) * x->ld + p0 : 0);
				int left = r < nr ? kc - p : 0;

				if (x->ld > ROWS_FAR && i + r + ROWS_AHEAD < i1) {
					const float *soon = (const float *)x->p + operand_index(x, i + r + ROWS_AHEAD) * x->ld + p0 + p;

					__builtin_prefetch(soon);
					__builtin_prefetch(soon + 16);
				}
				store_row(terms, dst + r * ld + p / 2, steps, lanes_of(from + p, left), lanes_of(from + p + 16, left - 16));
			}
	}
}

static void pack_tiles(float *dst, const struct operand *x, int64_t i0, int64_t i1, int64_t p0, int kc, int terms)
{
	if (terms == 1)
		pack_tiles_of(1, dst, x, i0, i1, p0, kc);
	else
		pack_tiles_of(3, dst, x, i0, i1, p0, kc);
}

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* gcc takes _tile_loadconfig to read the first eight bytes only, and may not write the others before. */
INLINE void tiles_load(const struct tile_config *t)
{
	__asm__ volatile("" : : "r"(t) : "memory");
	_tile_loadconfig(t);
}

static void tiles_configure(void)
{
	struct tile_config t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.row_bytes[i] = 64, t.rows[i] = 16;
	tiles_load(&t);
}

/* Half rows of A, and half columns of B, to their tiles. */
INLINE void tiles_of_a(const bool low, const float *a, int64_t lda)
{
	_tile_loadd(4, a, (int)lda * 4);
	if (low)
		_tile_loadd(5, a + 16 * lda, (int)lda * 4);
}

INLINE void tiles_of_b(const bool right, const float *b)
{
	_tile_loadd(6, b, 32 * 4);
	if (right)
		_tile_loadd(7, b + 16, 32 * 4);
}

INLINE void tiles_multiply(const bool low, const bool right)
{
	_tile_dpbf16ps(0, 4, 6);
	if (right)
		_tile_dpbf16ps(1, 4, 7);
	if (low)
		_tile_dpbf16ps(2, 5, 6);
	if (low && right)
		_tile_dpbf16ps(3, 5, 7);
}

/* Half of what a step reads of a term of B, which is soon. */
INLINE void ask_for_b(const float *b)
{
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++)
		__builtin_prefetch(b + i * 16);
}

/* 32 of k: the products of split.h in their order, each of which shares an operand with the next. B's next step is at b_next. Three terms
 * of rows go through the first-level cache between two uses of a panel, and tiles would wait for the second; of one term B stays. */
INLINE void amx_step(const bool low, const bool right, const int a_terms, const int b_terms, const float *a, int64_t lda, int a_apart,
		     const float *b, int64_t b_apart, const float *b_next)
{
	tiles_of_a(low, a_terms == 3 && b_terms == 1 ? a + a_apart : a, lda);
	if (b_terms == 3) {
		tiles_of_b(right, b + 2 * b_apart);
		ask_for_b(b_next + 2 * b_apart);
		tiles_multiply(low, right);
		tiles_of_b(right, b + b_apart);
		ask_for_b(b_next + 2 * b_apart + 16 * 16);
		tiles_multiply(low, right);
		tiles_of_a(low, a + a_apart, lda);
		ask_for_b(b_next + b_apart);
		tiles_multiply(low, right);
		ask_for_b(b_next + b_apart + 16 * 16);
	}
	tiles_of_b(right, b);
	tiles_multiply(low, right);
	if (a_terms == 3) {
		tiles_of_a(low, a + 2 * a_apart, lda);
		ask_for_b(b_next);
		tiles_multiply(low, right);
		tiles_of_a(low, a, lda);
		ask_for_b(b_next + 16 * 16);
		tiles_multiply(low, right);
	}
}

/* c[32][32] (or 16 of either) (+)= a b^T; ldc in floats. */
INLINE void amx_tile(const bool low, const bool right, const int a_terms, const int b_terms, int steps, const float *a, int64_t lda,
		     const float *b, float *c, int64_t ldc, bool acc, struct ahead *ahead)
{
	const int cs = (int)ldc * 4, times = steps / 16;
	const int rows = ahead->c ? (TILE_ROWS + times - 1) / times : 0;
	const int64_t lines = (ahead->lines + times - 1) / times, b_lines = (ahead->b_lines + times - 1) / times, b_apart = (int64_t)steps * 32;
	const char *b_soon = ahead->b;
	float *soon = ahead->c;

	if (acc) {
		_tile_loadd(0, c, cs);
		if (right)
			_tile_loadd(1, c + 16, cs);
		if (low)
			_tile_loadd(2, c + 16 * ldc, cs);
		if (low && right)
			_tile_loadd(3, c + 16 * ldc + 16, cs);
	} else {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
	}
	for (int s = 0; s < steps; s += 16, a += 16, b += 16 * 32) {
		amx_step(low, right, a_terms, b_terms, a, lda, steps, b, b_apart, s + 16 < steps ? b + 16 * 32 : b - (int64_t)s * 32);
		for (int r = 0; r < rows; r++, soon += ldc) {
			__builtin_prefetch(soon, 1);
			__builtin_prefetch(soon + 16, 1);
		}
		for (int64_t l = 0; a_terms == 3 && b_soon && l < b_lines; l++, b_soon += 64)
			__builtin_prefetch(b_soon, 0, 2);
		ask_for(ahead->next, lines);
	}
	_tile_stored(0, c, cs);
	if (right)
		_tile_stored(1, c + 16, cs);
	if (low)
		_tile_stored(2, c + 16 * ldc, cs);
	if (low && right)
		_tile_stored(3, c + 16 * ldc + 16, cs);
}

#define AMX_TILES(name, a_terms, b_terms)                                                                                            \
	static void name(bool low, bool right, int steps, const float *a, int64_t lda, const float *b, float *c, int64_t ldc,        \
			 bool acc, struct ahead *ahead)                                                                              \
	{                                                                                                                            \
		if (low && right)                                                                                                    \
			amx_tile(true, true, a_terms, b_terms, steps, a, lda, b, c, ldc, acc, ahead);                                \
		else if (low)                                                                                                        \
			amx_tile(true, false, a_terms, b_terms, steps, a, lda, b, c, ldc, acc, ahead);                               \
		else if (right)                                                                                                      \
			amx_tile(false, true, a_terms, b_terms, steps, a, lda, b, c, ldc, acc, ahead);                               \
		else                                                                                                                 \
			amx_tile(false, false, a_terms, b_terms, steps, a, lda, b, c, ldc, acc, ahead);                              \
	}
#if ACT_BF16
AMX_TILES(amx_tiles_11, 1, 1)
#define amx_tiles_of(b_terms) amx_tiles_11
#else
AMX_TILES(amx_tiles_31, 3, 1)
AMX_TILES(amx_tiles_33, 3, 3)
#define amx_tiles_of(b_terms) ((b_terms) == 3 ? amx_tiles_33 : amx_tiles_31)
#endif

typedef void amx_kernel(bool low, bool right, int steps, const float *a, int64_t lda, const float *b, float *c, int64_t ldc, bool acc,
			struct ahead *ahead);

/* From now on subnormals that are read are zero, and those that would come out, as in tiles; what _mm_setcsr is given to end it. */
INLINE unsigned flush_subnormals(void)
{
	unsigned control = _mm_getcsr();

	_mm_setcsr(control | 0x8040);
	return control;
}

/* Rows [i0, i1), at a by rows of pairs, lda words apart, against columns [j0, j1), packed at b in panels that are b_words apart, over kc
 * of k. The tiles are configured. */
static void amx_block(const struct gemm *g, const float *a, int64_t lda, int64_t i0, int64_t i1, const float *b, int64_t b_words, int64_t j0,
		      int64_t j1, int kc, bool acc, struct next *next)
{
	int64_t m = (i1 - i0 + 31) / 32, n = (j1 - j0 + 31) / 32 * m, lines = lines_each(next, n), b_lines = (b_words / 16 + m - 1) / m;
	amx_kernel *kernel = amx_tiles_of(g->b_terms);
	float t[32 * 32] __attribute__((aligned(64)));
	int steps = panel_steps(1, kc);

	for (int64_t j = j0; j < j1; j += 32, b += b_words)
		for (int64_t i = i0; i < i1; i += 32) {
			int mr = i1 - i < 32 ? (int)(i1 - i) : 32, nr = j1 - j < 32 ? (int)(j1 - j) : 32;
			int64_t i_next = i + 32 < i1 ? i + 32 : i0, j_next = i_next > i ? j : j + 32;
			bool whole = i1 - i_next >= 32 && j1 - j_next >= 32;
			float *c = c_rows(g, i, mr), *c_next = whole ? c_rows(g, i_next, 32) : NULL;
			struct ahead ahead = {c_next ? c_next + j_next : NULL, next, lines,
					      j + 32 < j1 ? (const char *)(b + b_words) + (i - i0) / 32 * b_lines * 64 : NULL, b_lines};
			const float *at = a + (i - i0) * lda;

			if (c && (mr == 16 || mr == 32) && (nr == 16 || nr == 32)) {
				kernel(mr > 16, nr > 16, steps, at, lda, b, c + j, g->ldc, acc, &ahead);
				continue;
			}
			ahead.c = NULL;
			for (int r = 0; acc && r < mr; r++)
				for (int v = 0; v < nr; v += VL)
					v_store(t + r * 32 + v, v_load_at(c_row(g, i + r) + j, nr, v));
			kernel(mr > 16, nr > 16, steps, at, lda, b, t, 32, acc, &ahead);
			for (int r = 0; r < mr; r++)
				for (int v = 0; v < nr; v += VL)
					v_store_at(c_row(g, i + r) + j, v_load(t + r * 32 + v), nr, v);
		}
}

#endif

#endif
