/* amx.h - blocks of a product of bf16 in AMX tiles: 32 x 32 of C are four tiles of 16 x 16 floats, to which TDPBF16PS adds 32
 * of k at a time. A lies by rows of pairs, B in the panels of pack.h. */
#ifndef QUERN_CPU_AMX_H
#define QUERN_CPU_AMX_H

#include "cpu/pack.h"

#if GEMM_TILES                  /* else this file says nothing */

#define TILE_ROWS 32

/* Words from row to row of packed A: an odd number of cache lines, so that rows do not share a place in the cache. */
INLINE int64_t tile_row_words(int kc) { return (panel_steps(true, kc) / 16 | 1) * 16; }

/* The same rows, k being the leading dimension: TILES_TURNED of them are taken from one matrix row at a time, in panels, which are
 * then transposed by words. */
#define TILES_TURNED 64
static void pack_tiles_turned(float *dst, const struct operand *x, int64_t i0, int64_t i1, int64_t p0, int kc)
{
	float panels[PACK_DEPTH / 2 * TILES_TURNED] __attribute__((aligned(64)));
	int64_t ld = tile_row_words(kc);
	int steps = panel_steps(true, kc);

	for (int64_t i = i0; i < i1; i += TILES_TURNED) {
		int64_t nr = i1 - i < TILES_TURNED ? i1 - i : TILES_TURNED;
		const float *panel = panels;

		pack_panels(panels, 16, 16, x, i, nr, p0, kc, 0, true);
		for (int64_t t = 0; t < nr; t += 16, dst += 16 * ld, panel += (int64_t)steps * 16)
			for (int s = 0; s < steps; s += 16) {
				const char *row[16];
				vu out[16];

				for (int r = 0; r < 16; r++)
					row[r] = (const char *)(panel + (s + r) * 16);
				transpose_words(out, row, 0);
				for (int r = 0; r < 16; r++)
					v_store(dst + r * ld + s, (vf)out[r]);
			}
	}
	if ((i1 - i0 + 15) / 16 % 2)
		memset(dst, 0, sizeof *dst * (size_t)(16 * ld));
}

/* Up to 32 stored bf16 of a row, `left` of them there. */
INLINE vf stored_pairs(const struct operand *x, int64_t i, int64_t p, int left)
{
	__mmask32 m = left >= 32 ? 0xffffffffu : left > 0 ? (__mmask32)((1u << left) - 1) : 0;

	return (vf)_mm512_maskz_loadu_epi16(m, operand_at(x, operand_index(x, i), p));
}

/* Rows [i0, i1) of x over [p0, p0 + kc), rounded, in whole TILE_ROWS, the rest 0. */
static void pack_tiles(float *dst, const struct operand *x, int64_t i0, int64_t i1, int64_t p0, int kc)
{
	int64_t ld = tile_row_words(kc);
	int steps = panel_steps(true, kc);

	if (x->k_major) {
		pack_tiles_turned(dst, x, i0, i1, p0, kc);
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
				if (x->elem == ELEM_BF16) {
					v_store(dst + r * ld + p / 2, r < nr ? stored_pairs(x, i + r, p0 + p, kc - p) : v_zero());
					continue;
				}
				const float *from = (const float *)x->p + (r < nr ? operand_index(x, i + r) * x->ld + p0 : 0);
				int left = r < nr ? kc - p : 0;
				vf lo = left >= 16 ? v_load(from + p) : left > 0 ? v_load_n(from + p, left) : v_zero();
				vf hi = left >= 32 ? v_load(from + p + 16) : left > 16 ? v_load_n(from + p + 16, left - 16) : v_zero();

				v_store(dst + r * ld + p / 2, (vf)_mm512_cvtne2ps_pbh(hi, lo));
			}
	}
}

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

static void tiles_configure(void)
{
	struct tile_config t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.row_bytes[i] = 64, t.rows[i] = 16;
	_tile_loadconfig(&t);
}

/* c[32][32] (or 16 of either) (+)= a b^T; ldc in floats. */
INLINE void amx_tile(const bool low, const bool right, int steps, const float *a, int64_t lda, const float *b, float *c,
		     int64_t ldc, bool acc, struct ahead *ahead)
{
	const int cs = (int)ldc * 4, as = (int)lda * 4, bs = 32 * 4, times = steps / 16;
	const int rows = ahead->c ? (TILE_ROWS + times - 1) / times : 0;
	const int64_t lines = (ahead->lines + times - 1) / times;
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
		_tile_loadd(4, a, as);
		_tile_loadd(6, b, bs);
		_tile_dpbf16ps(0, 4, 6);
		if (right) {
			_tile_loadd(7, b + 16, bs);
			_tile_dpbf16ps(1, 4, 7);
		}
		if (low) {
			_tile_loadd(5, a + 16 * lda, as);
			_tile_dpbf16ps(2, 5, 6);
		}
		if (low && right)
			_tile_dpbf16ps(3, 5, 7);
		for (int r = 0; r < rows; r++, soon += ldc) {
			__builtin_prefetch(soon, 1);
			__builtin_prefetch(soon + 16, 1);
		}
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

static void amx_tile_of(bool low, bool right, int steps, const float *a, int64_t lda, const float *b, float *c, int64_t ldc,
			bool acc, struct ahead *ahead)
{
	if (low && right)
		amx_tile(true, true, steps, a, lda, b, c, ldc, acc, ahead);
	else if (low)
		amx_tile(true, false, steps, a, lda, b, c, ldc, acc, ahead);
	else if (right)
		amx_tile(false, true, steps, a, lda, b, c, ldc, acc, ahead);
	else
		amx_tile(false, false, steps, a, lda, b, c, ldc, acc, ahead);
}

/* Rows [i0, i1), at a by rows of pairs, lda words apart, against columns [j0, j1), packed at b, over kc of k. */
static void amx_block(const struct gemm *g, const float *a, int64_t lda, int64_t i0, int64_t i1, const float *b, int64_t j0, int64_t j1,
		      int kc, bool acc, struct next *next)
{
	int64_t n = (j1 - j0 + 31) / 32 * ((i1 - i0 + 31) / 32), lines = lines_each(next, n);
	float t[32 * 32] __attribute__((aligned(64)));
	int steps = panel_steps(true, kc);

	tiles_configure();
	for (int64_t j = j0; j < j1; j += 32, b += steps * 32)
		for (int64_t i = i0; i < i1; i += 32) {
			int mr = i1 - i < 32 ? (int)(i1 - i) : 32, nr = j1 - j < 32 ? (int)(j1 - j) : 32;
			int64_t i_next = i + 32 < i1 ? i + 32 : i0, j_next = i_next > i ? j : j + 32;
			bool whole = !g->c_idx && i1 - i_next >= 32 && j1 - j_next >= 32;
			struct ahead ahead = {whole ? g->c + i_next * g->ldc + j_next : NULL, next, lines};
			const float *at = a + (i - i0) * lda;

			if (!g->c_idx && (mr == 16 || mr == 32) && (nr == 16 || nr == 32)) {
				amx_tile_of(mr > 16, nr > 16, steps, at, lda, b, g->c + i * g->ldc + j, g->ldc, acc, &ahead);
				continue;
			}
			for (int r = 0; acc && r < mr; r++)
				for (int v = 0; v < nr; v += VL)
					v_store(t + r * 32 + v, v_load_at(c_row(g, i + r) + j, nr, v));
			ahead.c = NULL;
			amx_tile_of(mr > 16, nr > 16, steps, at, lda, b, t, 32, acc, &ahead);
			for (int r = 0; r < mr; r++)
				for (int v = 0; v < nr; v += VL)
					v_store_at(c_row(g, i + r) + j, v_load(t + r * 32 + v), nr, v);
		}
	_tile_release();
}

#define AMX_MUL_ROWS 64
#define AMX_MUL_WORDS 32768     /* of b, packed */

/* c[m, n] (+)= a b for products that fit the first-level cache: a(i, p) at a[i * ars + p * acs] (one of both is 1), b row-major;
 * m <= AMX_MUL_ROWS, k <= PACK_DEPTH, n and k up to whole tiles not more than AMX_MUL_WORDS pairs. */
static void amx_mul(float *c, int64_t ldc, const float *a, int64_t ars, int64_t acs, const float *b, int64_t ldb, int64_t m,
		    int64_t n, int64_t k, bool acc)
{
	float ap[AMX_MUL_ROWS * (PACK_DEPTH / 2 + 16)] __attribute__((aligned(64)));
	float bp[AMX_MUL_WORDS] __attribute__((aligned(64)));
	struct operand rows = floats_of(a, acs == 1 ? ars : acs, NULL, acs != 1), columns = floats_of(b, ldb, NULL, true);
	struct gemm g = {.c = c, .ldc = ldc};

	pack_tiles(ap, &rows, 0, m, 0, (int)k);
	pack_panels(bp, 32, 32, &columns, 0, n, 0, (int)k, 0, true);
	amx_block(&g, ap, tile_row_words((int)k), 0, m, bp, 0, n, (int)k, acc, &(struct next){.at = NULL});
}

#endif

#endif
