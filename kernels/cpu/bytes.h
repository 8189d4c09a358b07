/* bytes.h - products with weights in integers of eight bits, which tiles multiply as they are stored (AMX-INT8).
 *
 * A row of activations becomes integers too, in three digits: x = s (d2 2^16 + d1 2^8 + d0), d in [-128, 127], s the least power of two with which
 * the largest |x| of the row fits; what is rounded away is 2^-23 of that, about. So the sums over k are exact in integers of 32 bits, in
 * whatever order; their digits are brought together, multiplied by s and by the weight's scale, and C is added: the only roundings, the same
 * whatever rows and columns share the call. A row with NaN or infinity gives NaN.
 *
 * Panels of 32 columns (packed.h): a step of one is two tiles, 16 columns each, of 64 k. Digits lie by steps of 64 k too, by
 * groups of at most 16 rows. Within a step k is turned: word w of a row of tiles is that of word 4 (w % 4) + w / 4 of the matrix, which spares
 * the digits' bytes a shuffle. */
#ifndef QUERN_CPU_BYTES_H
#define QUERN_CPU_BYTES_H

#include "cpu/stream.h"

#if GEMM_TILES                  /* else this file says nothing */

#define BYTES_DIGITS 3
#define DIGIT_BIAS 0x808080      /* a half of each digit's range */
#define DIGITS_TOP 0x7f7f7f      /* the largest number of three */
#define BYTES_BESIDE 5           /* rows whose digits fit one tile beside each other */
#define BYTES_STEPS 12           /* of a panel that stay in the first-level cache while blocks of 32 rows go by */
#define BYTES_NEAR (1 << 20)     /* bytes of digits that stay in the second, */
#define BYTES_FEW 64             /* or so many rows', */
#define BYTES_PART 128           /* rows that share a task, about, if there are many */
#define BYTES_SLAB (16 << 20)    /* of weights that are packed for the call */
#define BLOCK_SUMS (BYTES_DIGITS * 32 * PANEL)
#define PANEL_STEP (BYTES_K * PANEL)

struct bytes {
	const struct gemm *g;
	const char *panels;          /* of the columns from j0 on */
	int64_t steps, bytes;        /* of a panel: of BYTES_K, and how long it is */
	int64_t i0, m, j0, n;        /* rows and columns of the result that are made */
	int8_t *digits;
	float *factor;               /* of each row */
	int32_t *sums;               /* of each thread, sums_words */
	int64_t sums_words, parts;   /* so many parts of the rows, each with all columns */
	char *packed;
	union {
		int64_t start[STREAM_TASKS + 1];
		struct shares shares;        /* up to 16 rows */
	};
};

/* --- digits -------------------------------------------------------------------------------------------- */

INLINE vf act_lanes(const struct operand *x, int64_t i, int64_t p, int64_t k)
{
	const act *row = (const act *)(const void *)operand_at(x, operand_index(x, i), p);

	return p < k ? a_load_at(row, k - p, 0) : v_zero();
}

/* s: bit patterns of floats are in the order of their sizes. */
static float digits_factor(const struct operand *x, int64_t i, int64_t k)
{
	const uint32_t carry = 2 * DIGITS_TOP - (1 << 23);     /* mantissas above do not fit with the exponent's s */
	__m512i most = _mm512_setzero_si512();
	uint32_t top, exponent;
	float s;

	for (V_EACH(p, k))
		most = _mm512_max_epu32(most, (__m512i)((vu)act_lanes(x, i, p, k) & 0x7fffffffu));
	top = _mm512_reduce_max_epu32(most);
	if (top >= 0x7f800000u)
		return NAN;
	exponent = (top >> 23) + ((top & 0x7fffff) > carry);
	exponent = exponent > 22 ? exponent - 22 : 1;
	top = exponent << 23;
	memcpy(&s, &top, sizeof s);
	return s;
}

/* Digits of row i, those of a step `step` bytes from those of the one before, and digits of one `apart`. */
static float digits_of_row(int8_t *dst, int64_t step, int64_t apart, const struct operand *x, int64_t i, int64_t k)
{
	const __m512i bias = _mm512_set1_epi32(DIGIT_BIAS), low = _mm512_set1_epi32(0xff);
	float s = digits_factor(x, i, k);
	vf inverse = v_set1(1 / s);

	for (int64_t p = 0; p < k; p += BYTES_K, dst += step) {
		__m512i v[4];

#pragma GCC unroll 4
		for (int j = 0; j < 4; j++) {
			v[j] = _mm512_cvtps_epi32((__m512)(act_lanes(x, i, p + j * VL, k) * inverse));
			v[j] = _mm512_xor_si512(_mm512_add_epi32(v[j], bias), bias);
		}
#pragma GCC unroll 3
		for (int d = 0; d < BYTES_DIGITS; d++) {
			__m512i w[4];

#pragma GCC unroll 4
			for (int j = 0; j < 4; j++) {
				w[j] = _mm512_and_si512(v[j], low);
				v[j] = _mm512_srli_epi32(v[j], 8);
			}
			_mm512_storeu_si512(dst + d * apart, _mm512_packus_epi16(_mm512_packus_epi32(w[0], w[1]), _mm512_packus_epi32(w[2], w[3])));
		}
	}
	return s;
}

/* Rows of a group: whole tiles where there are several groups. */
INLINE int64_t group_rows(const struct bytes *t) { return t->m > 16 ? 16 : t->m; }
INLINE int64_t group_bytes(const struct bytes *t) { return t->steps * BYTES_DIGITS * group_rows(t) * BYTES_K; }

/* A group's: of up to 16 rows in all [step][digit][row], else [digit][step][row]. */
static void digits_task(void *arg, int64_t group, int worker)
{
	const struct bytes *t = arg;
	int64_t tile = group_rows(t) * BYTES_K, step = t->m > 16 ? tile : BYTES_DIGITS * tile, apart = t->m > 16 ? t->steps * tile : tile;
	int8_t *dst = t->digits + group * group_bytes(t);

	(void)worker;
	if (t->m - group * 16 < group_rows(t))
		memset(dst, 0, (size_t)group_bytes(t));
	for (int64_t r = 0; r < group_rows(t) && group * 16 + r < t->m; r++)
		t->factor[group * 16 + r] = digits_of_row(dst + r * BYTES_K, step, apart, &t->g->a, t->i0 + group * 16 + r, t->g->k);
}

/* --- sums to results ------------------------------------------------------------------------------------- */

/* Row i of t, columns [j, j + nr) of all, from the sums of its digits, `apart` from each other. */
INLINE void digits_store(const struct bytes *t, int64_t i, int64_t j, int nr, const int32_t *sums, int64_t apart)
{
	const struct gemm *g = t->g;

	for (int v = 0; v < nr; v += VL) {
		vf y = (vf)_mm512_cvtepi32_ps(_mm512_loadu_si512(sums + 2 * apart + v));

		y = v_fma(y, v_set1(256), (vf)_mm512_cvtepi32_ps(_mm512_loadu_si512(sums + apart + v)));
		y = v_fma(y, v_set1(256), (vf)_mm512_cvtepi32_ps(_mm512_loadu_si512(sums + v)));
		y *= v_set1(t->factor[i]);
		y = v_fma(y, v_load_at(g->b.scale + j, nr, v), g->acc ? result_load(g, t->i0 + i, j, nr, v) : v_zero());
		result_store(g, t->i0 + i, j, y, nr, v);
	}
}

/* --- few rows ------------------------------------------------------------------------------------------------ */

/* Where the panel from column j is. */
INLINE const char *panel_of(const struct bytes *t, int64_t j) { return t->panels + (j - t->j0) / PANEL * t->bytes; }

/* Where the share ends that ends at column `end`. */
INLINE const char *limit_of(const struct bytes *t, int64_t end) { return t->panels + panels_of(end - t->j0) * t->bytes; }

/* A panel against rows whose digits are one tile. Tiles 0 and 1: sums, 4: digits, 7: weights. */
INLINE void bytes_beside(const struct bytes *t, int64_t j, int64_t end)
{
	const int64_t rows = BYTES_DIGITS * t->m * BYTES_K;
	const char *b = panel_of(t, j), *limit = limit_of(t, end);
	int32_t sums[BYTES_DIGITS * BYTES_BESIDE][PANEL] __attribute__((aligned(64)));
	const int8_t *a = t->digits;

	_tile_zero(0);
	_tile_zero(1);
	for (int64_t s = 0; s < t->steps; s++, a += rows, b += PANEL_STEP) {
		const char *ahead = fetch_ahead(b, limit);

		_tile_loadd(4, a, BYTES_K);
		fetch(b, ahead, 1024);
		_tile_loadd(7, b, 64);
		_tile_dpbssd(0, 4, 7);
		fetch(b + 1024, ahead + 1024, 1024);
		_tile_loadd(7, b + 1024, 64);
		_tile_dpbssd(1, 4, 7);
	}
	_tile_stored(0, sums[0], PANEL * 4);
	_tile_stored(1, sums[0] + 16, PANEL * 4);
	for (int64_t r = 0; r < t->m; r++)
		digits_store(t, r, j, (int)shorter(PANEL, end - j), sums[r], t->m * PANEL);
}

#define SOME_MULTIPLY(c, b, at)                    \
	do {                                       \
		_tile_loadd(7, (b) + (at), 64);    \
		_tile_dpbssd(c, 6, 7);             \
	} while (0)

/* A panel against up to 16 rows. Tiles 0 to 5: sums of each digit, 6: digits, 7: weights. */
INLINE void bytes_some(const struct bytes *t, int64_t j, int64_t end)
{
	const int64_t tile = t->m * BYTES_K;
	const char *b = panel_of(t, j), *limit = limit_of(t, end);
	int32_t sums[BYTES_DIGITS][16][PANEL] __attribute__((aligned(64)));
	const int8_t *a = t->digits;

	zero_sums();
	_tile_zero(4);
	_tile_zero(5);
	for (int64_t s = 0; s < t->steps; s++, a += BYTES_DIGITS * tile, b += PANEL_STEP) {
		const char *ahead = fetch_ahead(b, limit);

		_tile_loadd(6, a, BYTES_K);
		fetch(b, ahead, 1024);
		SOME_MULTIPLY(0, b, 0);
		fetch(b + 1024, ahead + 1024, 1024);
		SOME_MULTIPLY(1, b, 1024);
		_tile_loadd(6, a + tile, BYTES_K);
		_tile_dpbssd(3, 6, 7);
		SOME_MULTIPLY(2, b, 0);
		_tile_loadd(6, a + 2 * tile, BYTES_K);
		_tile_dpbssd(4, 6, 7);
		SOME_MULTIPLY(5, b, 1024);
	}
	_tile_stored(0, sums[0][0], PANEL * 4);
	_tile_stored(1, sums[0][0] + 16, PANEL * 4);
	_tile_stored(2, sums[1][0], PANEL * 4);
	_tile_stored(3, sums[1][0] + 16, PANEL * 4);
	_tile_stored(4, sums[2][0], PANEL * 4);
	_tile_stored(5, sums[2][0] + 16, PANEL * 4);
	for (int64_t r = 0; r < t->m; r++)
		digits_store(t, r, j, (int)shorter(PANEL, end - j), sums[0][r], 16 * PANEL);
}

/* --- many rows ----------------------------------------------------------------------------------------------- */

/* Some steps of one digit of 16 or 32 rows, the second 16 `low` bytes behind the first, against a panel: sums [32][PANEL]. */
INLINE void bytes_multiply(const bool second, const int8_t *a, int64_t low, const char *b, int64_t steps, int32_t *sums, bool goes_on,
			   struct asking *ask)
{
	if (goes_on) {
		_tile_loadd(0, sums, PANEL * 4);
		_tile_loadd(1, sums + 16, PANEL * 4);
		if (second) {
			_tile_loadd(2, sums + 16 * PANEL, PANEL * 4);
			_tile_loadd(3, sums + 16 * PANEL + 16, PANEL * 4);
		}
	} else {
		zero_sums();
	}
	for (int64_t s = 0; s < steps; s++, a += 16 * BYTES_K, b += PANEL_STEP) {
		_tile_loadd(4, a, BYTES_K);
		_tile_loadd(6, b, 64);
		_tile_dpbssd(0, 4, 6);
		_tile_loadd(7, b + 1024, 64);
		_tile_dpbssd(1, 4, 7);
		ask_lines(ask);
		if (second) {
			_tile_loadd(5, a + low, BYTES_K);
			_tile_dpbssd(2, 5, 6);
			_tile_dpbssd(3, 5, 7);
		}
	}
	_tile_stored(0, sums, PANEL * 4);
	_tile_stored(1, sums + 16, PANEL * 4);
	if (second) {
		_tile_stored(2, sums + 16 * PANEL, PANEL * 4);
		_tile_stored(3, sums + 16 * PANEL + 16, PANEL * 4);
	}
}

/* Rows [from, to) of t, from a whole group, against the panel from column j, a piece of k at a time. */
static void bytes_many(const struct bytes *t, int64_t from, int64_t to, int64_t j, int64_t end, int32_t *sums)
{
	const int64_t parts = (t->steps + BYTES_STEPS - 1) / BYTES_STEPS, each = (t->steps + parts - 1) / parts;
	const int64_t blocks = (to - from + 31) / 32, low = group_bytes(t);
	const char *b = panel_of(t, j);

	for (int64_t s = 0; s < t->steps; s += each) {
		int64_t steps = shorter(each, t->steps - s);
		bool last = s + steps == t->steps;

		struct asking ask = {last && end - j <= PANEL ? NULL : b + (s + steps) * PANEL_STEP,
				     (int)(PANEL_STEP / 64 / (BYTES_DIGITS * blocks) + 1)};

		for (int64_t k = 0; k < blocks; k++) {
			int64_t i = from + k * 32, rows = shorter(32, to - i);
			const int8_t *a = t->digits + i / 16 * low + s * 16 * BYTES_K;
			int32_t *of_block = sums + (parts > 1 ? k * BLOCK_SUMS : 0);

			for (int d = 0; d < BYTES_DIGITS; d++, a += t->steps * 16 * BYTES_K)
				if (rows > 16)
					bytes_multiply(true, a, low, b + s * PANEL_STEP, steps, of_block + d * 32 * PANEL, s > 0, &ask);
				else
					bytes_multiply(false, a, low, b + s * PANEL_STEP, steps, of_block + d * 32 * PANEL, s > 0, &ask);
			for (int64_t r = 0; last && r < rows; r++)
				digits_store(t, i + r, j, (int)shorter(PANEL, end - j), of_block + r * PANEL, 32 * PANEL);
		}
	}
}

/* --- the loops ------------------------------------------------------------------------------------------- */

static void bytes_configure(int64_t m)
{
	struct tile_config t = {.palette = 1};
	int rows = (int)(m <= BYTES_BESIDE ? BYTES_DIGITS * m : m < 16 ? m : 16);

	for (int i = 0; i < 8; i++) {
		bool weights = i == 7 || (i == 6 && m > 16);

		t.row_bytes[i] = 64, t.rows[i] = (uint8_t)(weights ? 16 : rows);
	}
	tiles_load(&t);
}

/* Part i % parts of the rows against a task's columns. */
static void bytes_many_task(void *arg, int64_t i, int worker)
{
	const struct bytes *t = arg;
	int64_t j = t->j0 + t->start[i / t->parts] * STREAM_COLUMNS, end = t->j0 + shorter(t->start[i / t->parts + 1] * STREAM_COLUMNS, t->n);
	int64_t groups = (t->m + 31) / 32, part = i % t->parts;
	int64_t from = groups * part / t->parts * 32, to = shorter(groups * (part + 1) / t->parts * 32, t->m);

	bytes_configure(t->m);
	for (; j < end; j += PANEL)
		bytes_many(t, from, to, j, end, t->sums + worker * t->sums_words);
	_tile_release();
}

static void bytes_few_task(void *arg, int64_t i, int worker)
{
	struct bytes *t = arg;
	struct columns c = {.tried = 0};

	(void)i;
	bytes_configure(t->m);
	while (take_columns(&t->shares, t->n, worker, &c))
		if (t->m <= BYTES_BESIDE)
			bytes_beside(t, t->j0 + c.j, t->j0 + c.end);
		else
			bytes_some(t, t->j0 + c.j, t->j0 + c.end);
	_tile_release();
}

/* Weights that are not packed are, a slab of columns at a time. */
static void bytes_pack_task(void *arg, int64_t i, int worker)
{
	const struct bytes *t = arg;

	(void)worker;
	pack_bytes(t->packed + i * t->bytes, &t->g->b, t->j0 + i * PANEL, shorter(PANEL, t->n - i * PANEL), t->g->k);
}

/* Rows whose digits stay near, of all. */
static int64_t rows_near(const struct bytes *t)
{
	int64_t rows = BYTES_NEAR / (BYTES_DIGITS * t->steps * BYTES_K) / 32 * 32;

	return shorter(rows < BYTES_FEW ? BYTES_FEW : rows, t->g->m);
}

/* Columns that are packed at a time, of all. */
static int64_t slab_columns(const struct bytes *t)
{
	int64_t blocks = t->g->panels ? t->g->n : BYTES_SLAB / (STREAM_PANELS * t->bytes);

	return shorter((blocks < 1 ? 1 : blocks) * STREAM_COLUMNS, t->g->n);
}

/* The rows from i0 on against the columns of a slab. */
static void bytes_rows(struct pool *pool, struct bytes *t)
{
	pool_run(t->m * t->g->k < GEMM_PACK_SOLO ? NULL : pool, (t->m + 15) / 16, digits_task, t);
	if (t->m <= 16) {
		cut_shares(&t->shares, t->n, pool_threads(pool), 1);
		pool_run(pool, t->shares.n, bytes_few_task, t);
		return;
	}
	t->parts = t->m > 2 * BYTES_PART ? t->m / BYTES_PART : 1;
	pool_run(pool, cut_columns(t->start, t->n, pool_threads(pool)) * t->parts, bytes_many_task, t);
}

static void bytes_run(struct pool *pool, const struct gemm *g)
{
	struct bytes t = {.g = g, .steps = (g->k + BYTES_K - 1) / BYTES_K, .bytes = panel_bytes(ELEM_I8, g->k)};
	const int64_t rows = rows_near(&t), columns = slab_columns(&t), whole = (rows + 15) / 16 * 16;
	size_t sums, digits = (size_t)(t.steps * BYTES_DIGITS * whole * BYTES_K);
	char *room;

	if ((double)g->m * (double)g->n * (double)g->k < FEW_SOLO)
		pool = NULL;
	t.sums_words = rows <= 16 ? 0 : t.steps > BYTES_STEPS ? whole / 32 * BLOCK_SUMS + BLOCK_SUMS : BLOCK_SUMS;
	sums = (size_t)(pool_threads(pool) * t.sums_words) * sizeof *t.sums;
	room = cpu_scratch(digits + sums + (size_t)whole * sizeof *t.factor + (g->panels ? 0 : (size_t)(panels_of(columns) * t.bytes)));
	t.digits = (int8_t *)room, t.sums = (int32_t *)(void *)(room + digits);
	t.factor = (float *)(void *)(room + digits + sums), t.packed = (char *)(t.factor + whole);
	for (t.j0 = 0; t.j0 < g->n; t.j0 += columns) {
		t.n = shorter(columns, g->n - t.j0);
		t.panels = g->panels ? g->panels : t.packed;
		if (!g->panels)
			pool_run(pool, panels_of(t.n), bytes_pack_task, &t);
		for (t.i0 = 0; t.i0 < g->m; t.i0 += rows) {
			t.m = shorter(rows, g->m - t.i0);
			bytes_rows(pool, &t);
		}
	}
}

#endif

#endif
