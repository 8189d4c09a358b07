/* stream.h - the product of up to 64 rows with packed weights (packed.h), which reads them as fast as the memory gives them.
 *
 * All that is done here is to the bit what amx.h does for many rows. One row of floats against bf16 is so little work that vectors do it; up to
 * five have their three terms side by side in one tile; up to sixteen, and up to 32, take as many columns at a time as there are tiles for; more are two
 * times 32. Up to sixteen rows of bf16 go by the panels one after the other, and so do up to 32 against codes of four bits, which are unpacked first.
 * Columns are cut into tasks: how depends on the threads, what a column gives does not. */
#ifndef QUERN_CPU_STREAM_H
#define QUERN_CPU_STREAM_H

#include "cpu/packed.h"

#include <stdatomic.h>

#if GEMM_TILES                  /* else this file says nothing */

#define A_TERMS (ACT_BF16 ? 1 : 3)
#define STREAM_ROWS 16           /* of A: one tile */
#define STREAM_PANELS 2          /* at a time, where much is done with each: the sums of four tiles go on side by side */
#define STREAM_COLUMNS (STREAM_PANELS * PANEL)
#define STREAM_TASKS 1024        /* at most: some nine for each of STREAM_THREADS */
#define STREAM_THREADS 96        /* more share the tasks of so many */
#define STREAM_AHEAD 4096        /* bytes of a panel between what is read and what is asked for, in the second-level cache, */
#define FETCH_AHEAD 16384        /* and where panels come one after the other */

/* Panels cut evenly, a share for each thread: what it reads next it knows. Who has done with its own takes from the others'. */
struct share {
	_Atomic int64_t next;
	int64_t end;
	char apart[64 - 2 * sizeof(int64_t)];
};

struct shares {
	struct share of[STREAM_THREADS];
	int n, each;                 /* each: panels that are taken at a time */
};

/* Those of `each` panels from j, or up to `end`, where their share ends. */
struct columns {
	int64_t j, end;
	int tried;                   /* shares of which nothing is left, from the thread's own on */
};

struct stream {
	const struct gemm *g;
	const char *panels;
	float *a;                    /* packed: [32 of k][term][row][32] */
	float *row;                  /* the only row: [32 of k][term][odd][16] */
	union {
		int64_t start[STREAM_TASKS + 1];    /* of each task, a STREAM_COLUMNS: one after the other, so that what a thread asks for is its own */
		struct shares shares;               /* up to STREAM_ROWS rows */
	};
};

/* n columns. */
static void cut_shares(struct shares *t, int64_t n, int threads, int each)
{
	t->each = each;
	t->n = (int)shorter(shorter(threads, STREAM_THREADS), panels_of(n));
	for (int i = 0; i < t->n; i++) {
		atomic_init(&t->of[i].next, panels_of(n) * i / t->n);
		t->of[i].end = panels_of(n) * (i + 1) / t->n;
	}
}

/* The next ones of n columns for a thread; false: all are taken. */
INLINE bool take_columns(struct shares *t, int64_t n, int worker, struct columns *to)
{
	for (; to->tried < t->n; to->tried++) {
		struct share *s = &t->of[(worker + to->tried) % t->n];
		int64_t panel = atomic_fetch_add_explicit(&s->next, t->each, memory_order_relaxed);

		to->j = panel * PANEL, to->end = shorter(s->end * PANEL, n);
		if (panel < s->end)
			return true;
	}
	return false;
}

/* Rows of A as `rows` rows, those from m on 0. */
static void pack_stream(float *dst, const struct operand *x, int64_t m, int64_t rows, int64_t k, int terms)
{
	for (int64_t i = 0; rows > m && i < (k + 31) / 32 * terms; i++)
		memset(dst + (i * rows + m) * 16, 0, (size_t)(rows - m) * 16 * sizeof *dst);
	for (int64_t r = 0; r < m; r++)
		for (int64_t p = 0; p < k; p += 32) {
			float *to = dst + p / 32 * terms * rows * 16 + r * 16;
#if ACT_BF16
			v_store(to, stored_pairs(x, r, p, k - p));
#else
			const float *from = (const float *)(const void *)operand_at(x, operand_index(x, r), p);

			store_row(3, to, rows * 16, lanes_of(from, k - p), lanes_of(from + 16, k - p - 16));
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

INLINE void zero_sums(void)
{
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
}

INLINE void stream_load(float (*sum)[STREAM_COLUMNS])
{
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

/* Reads what the tiles load next. Vectors come from memory faster than tiles: only they wake the first cache's own fetching. */
INLINE void touch(const char *at)
{
	__asm__ volatile("" : : "v"(_mm512_load_si512(at)));
}

/* So many bytes for the first-level cache, and as many at `ahead` for the second: line by line, as what comes in bunches comes a fifth slower, and
 * far ahead, as one thread's share is read from its first byte to its last. */
INLINE void fetch(const char *at, const char *ahead, const int bytes)
{
#pragma GCC unroll 32
	for (int l = 0; l < bytes; l += 64) {
		touch(at + l);
		__builtin_prefetch(ahead + l, 0, 2);
	}
}

/* Where that is for what lies at `at`; at limit the share ends. */
INLINE const char *fetch_ahead(const char *at, const char *limit) { return limit - at > FETCH_AHEAD ? at + FETCH_AHEAD : at; }

#define UNPACKED (16 * PANEL)    /* words of a term */

/* Panels that are read side by side, in steps of 32 k. */
struct panels {
	const char *at[STREAM_PANELS];
	int64_t steps, block, bytes;        /* of a step and of a panel */
	int64_t skip;                /* bytes from the end of one to what comes next, if anything does */
	float *unpacked;             /* [panel][step odd][term][UNPACKED] */
};

INLINE struct panels panels_at(const enum elem elem, const struct stream *t, const struct columns *c)
{
	int64_t k = t->g->k, bytes = panel_bytes(elem, k);
	const char *first = t->panels + c->j / PANEL * bytes;

	return (struct panels){{first, c->end - c->j > PANEL ? first + bytes : first}, whole_k(k) / 32, panel_bytes(elem, 32), bytes,
			       c->end - c->j > STREAM_COLUMNS ? bytes : 0, NULL};
}

/* Where step s of panel i lies as the tiles take it. What is unpacked is read one step later, when it has reached the cache: of step
 * -1 there is only what it prepares. */
INLINE const float *panel_step(const enum elem elem, const int b_terms, const struct panels *t, int i, int64_t s)
{
	const char *from = t->at[i] + (elem == ELEM_BF16 ? s : s + 1) * t->block, *ahead = from + STREAM_AHEAD;

	if (ahead >= t->at[i] + t->bytes)
		ahead += t->skip;
	if (elem == ELEM_BF16) {
		for (int64_t l = 0; l < t->block; l += 64) {
			__builtin_prefetch(ahead + l, 0, 2);
			touch(from + l);
		}
		return (const float *)(const void *)from;
	}
	if (s + 1 < t->steps)
		unpack_panel(b_terms, t->unpacked + (2 * i + ((s + 1) & 1)) * b_terms * UNPACKED, UNPACKED, from, 16, ahead);
	return t->unpacked + (2 * i + (s & 1)) * b_terms * UNPACKED;
}

/* The sums of all rows over nr columns from j0, `width` apart, begin with C, or 0. */
INLINE void load_sums(const struct gemm *g, float *sum, const int width, int64_t j0, int nr)
{
	for (int64_t r = 0; r < g->m; r++)
		for (int v = 0; v < width; v += VL)
			v_store(sum + r * width + v, g->acc && v < nr ? result_load(g, r, j0, nr, v) : v_zero());
}

INLINE void store_sums(const struct gemm *g, const float *sum, const int width, int64_t j0, int nr)
{
	for (int64_t r = 0; r < g->m; r++)
		for (int v = 0; v < nr; v += VL)
			result_store(g, r, j0, v_load(sum + r * width + v), nr, v);
}

/* Rows of one term against a panel of bf16, from column j. */
INLINE void panel_columns(const struct stream *t, int64_t j, int64_t end)
{
	const struct gemm *g = t->g;
	const int64_t steps = whole_k(g->k) / 32, step = panel_bytes(ELEM_BF16, 32), bytes = panel_bytes(ELEM_BF16, g->k);
	const char *b = t->panels + j / PANEL * bytes, *limit = t->panels + panels_of(end) * bytes;
	const int nr = (int)shorter(PANEL, end - j);
	float sum[STREAM_ROWS][PANEL] __attribute__((aligned(64)));
	const float *a = t->a;

	load_sums(g, sum[0], PANEL, j, nr);
	_tile_loadd(0, sum[0], PANEL * 4);
	_tile_loadd(1, sum[0] + 16, PANEL * 4);
	for (int64_t s = 0; s < steps; s++, a += g->m * 16, b += step) {
		_tile_loadd(5, a, 64);
		fetch(b, fetch_ahead(b, limit), 32 * PANEL * 2);
		STREAM_MULTIPLY(0, 1, 1, (const float *)(const void *)b, 0);
		STREAM_MULTIPLY(1, 1, 1, (const float *)(const void *)b + 16, 0);
	}
	_tile_stored(0, sum[0], PANEL * 4);
	_tile_stored(1, sum[0] + 16, PANEL * 4);
	store_sums(g, sum[0], PANEL, j, nr);
}

INLINE void stream_columns(const enum elem elem, const int a_terms, const int b_terms, const struct stream *t, const struct columns *c)
{
	const struct gemm *g = t->g;
	const int64_t j0 = c->j;
	const int nr = (int)shorter(STREAM_COLUMNS, c->end - j0);
	const int64_t rows = g->m * 16;
	float sum[STREAM_ROWS][STREAM_COLUMNS] __attribute__((aligned(64)));
	float unpacked[STREAM_PANELS * 2 * 3 * UNPACKED] __attribute__((aligned(64)));
	struct panels p = panels_at(elem, t, c);

	p.unpacked = unpacked;
	load_sums(g, sum[0], STREAM_COLUMNS, j0, nr);
	stream_load(sum);
	for (int64_t s = elem == ELEM_BF16 ? 0 : -1; s < p.steps; s++) {
		const float *a = t->a + s * a_terms * rows, *b = panel_step(elem, b_terms, &p, 0, s);

		if (s >= 0) {
			_tile_loadd(5, a, 64);
			if (a_terms == 3) {
				_tile_loadd(6, a + rows, 64);
				_tile_loadd(7, a + 2 * rows, 64);
			}
			STREAM_MULTIPLY(0, a_terms, b_terms, b, UNPACKED);
			STREAM_MULTIPLY(1, a_terms, b_terms, b + 16, UNPACKED);
		}
		b = panel_step(elem, b_terms, &p, 1, s);
		if (s < 0)
			continue;
		STREAM_MULTIPLY(2, a_terms, b_terms, b, UNPACKED);
		STREAM_MULTIPLY(3, a_terms, b_terms, b + 16, UNPACKED);
	}
	stream_store(sum);
	store_sums(g, sum[0], STREAM_COLUMNS, j0, nr);
}

/* --- a row's terms as rows ----------------------------------------------------------------------------- */

#define BESIDE_ROWS (STREAM_ROWS / 3)

#define BESIDE_MULTIPLY(c, b)                                                     \
	do {                                                                      \
		_tile_zero(c);                                                    \
		_tile_loadd(4, (b), PANEL * 4);                                   \
		_tile_dpbf16ps(c, 5, 4);                                          \
	} while (0)

/* The same against bf16 for so few rows that their three terms fit one tile beside each other: a third of the products, none of which waits
 * for another. Each is added to its sum afterwards, in split.h's order, as the tiles add it. */
INLINE void beside_columns(const struct stream *t, const struct columns *c)
{
	const struct gemm *g = t->g;
	const int64_t j0 = c->j, m = g->m;
	const int nr = (int)shorter(STREAM_COLUMNS, c->end - j0);
	float sum[BESIDE_ROWS][STREAM_COLUMNS] __attribute__((aligned(64)));
	float of_step[2][3 * BESIDE_ROWS][STREAM_COLUMNS] __attribute__((aligned(64)));
	struct panels p = panels_at(ELEM_BF16, t, c);

	load_sums(g, sum[0], STREAM_COLUMNS, j0, nr);
	for (int64_t s = 0; s <= p.steps; s++) {
		float (*now)[STREAM_COLUMNS] = of_step[s & 1], (*before)[STREAM_COLUMNS] = of_step[(s - 1) & 1];
		const float *b = s < p.steps ? panel_step(ELEM_BF16, 1, &p, 0, s) : NULL;

		if (s > 0) {
			_tile_stored(2, before[0] + 32, STREAM_COLUMNS * 4);
			_tile_stored(3, before[0] + 48, STREAM_COLUMNS * 4);
		}
		if (s < p.steps) {
			_tile_loadd(5, t->a + s * 3 * m * 16, 64);
			BESIDE_MULTIPLY(0, b);
			BESIDE_MULTIPLY(1, b + 16);
			b = panel_step(ELEM_BF16, 1, &p, 1, s);
			_tile_stored(0, now[0], STREAM_COLUMNS * 4);
			_tile_stored(1, now[0] + 16, STREAM_COLUMNS * 4);
			BESIDE_MULTIPLY(2, b);
			BESIDE_MULTIPLY(3, b + 16);
		}
		for (int64_t r = 0; r < m && s > 0; r++)
#pragma GCC unroll 4
			for (int v = 0; v < STREAM_COLUMNS; v += VL)
				v_store(sum[r] + v, v_load(sum[r] + v) + v_load(before[m + r] + v) + v_load(before[2 * m + r] + v) + v_load(before[r] + v));
	}
	store_sums(g, sum[0], STREAM_COLUMNS, j0, nr);
}

/* --- up to 32 rows, and 64 ------------------------------------------------------------------------------ */

#define WIDE_ROWS 64
#define WIDE_HALF 32             /* rows whose sums are tiles at a time */
#define WIDE_PANELS 8            /* whose sums wait in the second-level cache */
#define WIDE_STEPS (A_TERMS == 3 ? 4 : 8)    /* of so many rows of A, that stay in the first meanwhile */
#define WIDE_AHEAD 8192          /* bytes between what is read and what is asked for */
#define WIDE_SLOTS 8             /* steps that are kept unpacked: those multiplied, and the next */

/* Rows of packed A: beyond one half, whole tiles. */
INLINE int64_t wide_rows(int64_t m) { return m <= WIDE_HALF ? m : (m + 15) / 16 * 16; }

/* The steps of panels in the order in which they are multiplied: some steps of all panels of a group, then the next steps of those. */
struct walk {
	const char *at;              /* the group's */
	int64_t left;                /* panels, with the group's */
	int64_t steps, most, block, bytes;  /* of a panel, at a time at most; bytes of a step and of a panel */
	int64_t from, step, panel;
};

INLINE int64_t group_of(int64_t left) { return shorter(WIDE_PANELS, left); }

/* Where the next step lies; NULL: there is none. */
INLINE const char *walk_on(struct walk *w)
{
	const char *at = w->at + w->panel * w->bytes + (w->from + w->step) * w->block;

	if (w->left <= 0)
		return NULL;
	if (++w->step < shorter(w->most, w->steps - w->from))
		return at;
	w->step = 0;
	if (++w->panel < group_of(w->left))
		return at;
	w->panel = 0;
	w->from += w->most;
	if (w->from < w->steps)
		return at;
	w->from = 0;
	w->at += group_of(w->left) * w->bytes;
	w->left -= group_of(w->left);
	return at;
}

/* So many lines are asked for with each product of tiles: in a bunch they would keep the tiles waiting. */
struct asking {
	const char *at;              /* NULL: nothing */
	int lines;
};

INLINE void ask_lines(struct asking *t)
{
	for (int l = 0; t->at && l < t->lines; l++, t->at += 64)
		__asm__ volatile("prefetcht1 %0" : : "m"(*t->at));
}

INLINE void wide_multiply(const bool low, struct asking *t)
{
	_tile_dpbf16ps(0, 4, 6);
	ask_lines(t);
	_tile_dpbf16ps(1, 4, 7);
	ask_lines(t);
	if (!low)
		return;
	_tile_dpbf16ps(2, 5, 6);
	ask_lines(t);
	_tile_dpbf16ps(3, 5, 7);
	ask_lines(t);
}

/* As amx_step; `lines` lines from `ahead` on are asked for meanwhile. */
INLINE void wide_step(const bool low, const int a_terms, const int b_terms, const float *a, int64_t rows, const float *b, const char *ahead,
		      const int lines)
{
	const int products = (low ? 4 : 2) * (a_terms == 1 ? 1 : b_terms == 1 ? 3 : 6);
	struct asking t = {ahead, (lines + products - 1) / products};

	tiles_of_a(low, a_terms == 3 && b_terms == 1 ? a + rows : a, 16);
	if (b_terms == 3) {
		tiles_of_b(true, b + 2 * UNPACKED);
		wide_multiply(low, &t);
		tiles_of_b(true, b + UNPACKED);
		wide_multiply(low, &t);
		tiles_of_a(low, a + rows, 16);
		wide_multiply(low, &t);
	}
	tiles_of_b(true, b);
	wide_multiply(low, &t);
	if (a_terms == 3) {
		tiles_of_a(low, a + 2 * rows, 16);
		wide_multiply(low, &t);
		tiles_of_a(low, a, 16);
		wide_multiply(low, &t);
	}
}

INLINE void wide_load(const bool low, const float *sum)
{
	_tile_loadd(0, sum, PANEL * 4);
	_tile_loadd(1, sum + 16, PANEL * 4);
	if (!low)
		return;
	_tile_loadd(2, sum + 16 * PANEL, PANEL * 4);
	_tile_loadd(3, sum + 16 * PANEL + 16, PANEL * 4);
}

INLINE void wide_store(const bool low, float *sum)
{
	_tile_stored(0, sum, PANEL * 4);
	_tile_stored(1, sum + 16, PANEL * 4);
	if (!low)
		return;
	_tile_stored(2, sum + 16 * PANEL, PANEL * 4);
	_tile_stored(3, sum + 16 * PANEL + 16, PANEL * 4);
}

/* Where a thread is among its columns' panels: the step that is multiplied; the one behind it, which is unpacked, or as bf16 comes to the
 * first-level cache; and what is asked for, in the second. */
struct wide {
	struct walk now, next, ahead;
	float *unpacked;             /* [WIDE_SLOTS][term][UNPACKED] */
	unsigned steps;              /* that were unpacked: the last of them is the next to be multiplied */
};

INLINE void wide_unpack(const enum elem elem, const int b_terms, struct wide *w)
{
	const char *from = walk_on(&w->next);

	if (elem != ELEM_BF16 && from)
		unpack_panel(b_terms, w->unpacked + w->steps % WIDE_SLOTS * b_terms * UNPACKED, UNPACKED, from, 16, NULL);
	for (int64_t l = 0; elem == ELEM_BF16 && from && l < w->now.block; l += 64)
		__builtin_prefetch(from + l);
	w->steps++;
}

/* A step for both halves: where its B lies, and what is asked for. */
struct wide_step { const float *b; const char *ahead; };

INLINE struct wide_step wide_next(const enum elem elem, const int b_terms, struct wide *w)
{
	struct wide_step t = {(const float *)(const void *)walk_on(&w->now), NULL};

	wide_unpack(elem, b_terms, w);
	if (elem != ELEM_BF16)
		t.b = w->unpacked + (w->steps - 2) % WIDE_SLOTS * b_terms * UNPACKED;
	t.ahead = walk_on(&w->ahead);
	return t;
}

/* Steps [from, from + n) of a panel, n < WIDE_SLOTS if there are two halves; sum: what its columns are by now. */
INLINE void wide_steps(const enum elem elem, const int a_terms, const int b_terms, const struct stream *t, struct wide *w, float *sum, int64_t from,
		       int64_t n)
{
	const struct gemm *g = t->g;
	const int64_t rows = wide_rows(g->m) * 16;
	const int lines = (int)(PANEL * elem_bits(elem) / 16);
	const float *a = t->a + from * a_terms * rows;
	struct wide_step step[WIDE_SLOTS];

	wide_load(true, sum);
	for (int64_t s = 0; s < n; s++) {
		struct wide_step now = wide_next(elem, b_terms, w);

		step[s % WIDE_SLOTS] = now;
		wide_step(true, a_terms, b_terms, a + s * a_terms * rows, rows, now.b, now.ahead, g->m > WIDE_HALF ? lines / 2 : lines);
	}
	wide_store(true, sum);
	if (g->m > WIDE_HALF) {
		bool low = g->m > WIDE_HALF + 16;

		a += WIDE_HALF * 16;
		wide_load(low, sum + WIDE_HALF * PANEL);
		for (int64_t s = 0; s < n; s++, a += a_terms * rows) {
			const char *ahead = step[s].ahead ? step[s].ahead + lines / 2 * 64 : NULL;

			if (low)
				wide_step(true, a_terms, b_terms, a, rows, step[s].b, ahead, lines / 2);
			else
				wide_step(false, a_terms, b_terms, a, rows, step[s].b, ahead, lines / 2);
		}
		wide_store(low, sum + WIDE_HALF * PANEL);
	}
}

/* Columns [j, end) against 17 rows or more. */
INLINE void wide_columns(const enum elem elem, const int a_terms, const int b_terms, const struct stream *t, int64_t j, int64_t end)
{
	const struct gemm *g = t->g;
	float sum[WIDE_PANELS][WIDE_ROWS * PANEL] __attribute__((aligned(64)));
	float unpacked[WIDE_SLOTS * 3 * UNPACKED] __attribute__((aligned(64)));
	const int64_t steps = g->m > WIDE_HALF ? WIDE_STEPS / 2 : WIDE_STEPS;
	struct walk first = {.at = t->panels + j / PANEL * panel_bytes(elem, g->k), .left = panels_of(end - j), .steps = whole_k(g->k) / 32,
			     .most = steps, .block = panel_bytes(elem, 32), .bytes = panel_bytes(elem, g->k)};
	struct wide w = {first, first, first, unpacked, 0};

	for (int64_t b = 0; b < WIDE_AHEAD; b += first.block)
		walk_on(&w.ahead);
	wide_unpack(elem, b_terms, &w);
	for (; j < end; j += WIDE_PANELS * PANEL) {
		int64_t panels = group_of(panels_of(end - j));

		for (int64_t i = 0; i < panels; i++)
			load_sums(g, sum[i], PANEL, j + i * PANEL, (int)shorter(PANEL, g->n - j - i * PANEL));
		for (int64_t s = 0; s < first.steps; s += first.most)
			for (int64_t i = 0; i < panels; i++)
				wide_steps(elem, a_terms, b_terms, t, &w, sum[i], s, shorter(first.most, first.steps - s));
		for (int64_t i = 0; i < panels; i++)
			store_sums(g, sum[i], PANEL, j + i * PANEL, (int)shorter(PANEL, g->n - j - i * PANEL));
	}
}

static void wide_task(void *arg, int64_t i, int worker)
{
	const struct stream *t = arg;
	const struct gemm *g = t->g;
	int64_t from = t->start[i] * STREAM_COLUMNS, end = shorter(t->start[i + 1] * STREAM_COLUMNS, g->n);
	struct tile_config rows = {.palette = 1};

	(void)worker;
	for (int tile = 0; tile < 8; tile++)
		rows.row_bytes[tile] = 64, rows.rows[tile] = (uint8_t)(tile == 2 || tile == 3 || tile == 5 ? shorter(g->m - 16, 16) : 16);
	tiles_load(&rows);
	if (g->b.elem == ELEM_BF16)
		wide_columns(ELEM_BF16, A_TERMS, 1, t, from, end);
	else
		wide_columns(ELEM_F32, A_TERMS, A_TERMS, t, from, end);
	_tile_release();
}

/* --- one row ------------------------------------------------------------------------------------------- */

#define ROW_VECTORS (STREAM_COLUMNS / VL)

/* Of the packed row, its terms as floats, the even k before the odd. */
static void widen_row(float *dst, const float *a, int64_t vectors)
{
	for (int64_t i = 0; i < vectors; i++) {
		vu pairs = (vu)v_load(a + i * 16);

		v_store(dst + i * 32, (vf)(pairs << 16));
		v_store(dst + i * 32 + 16, (vf)(pairs & 0xffff0000u));
	}
}

/* Columns of weights in bf16 for one row of floats, whose products take so little time that vectors do them, which come from
 * memory faster than tiles do. To the bit what TDPBF16PS gives, whose products are fused multiply-adds too: split.h's in their
 * order, of each the even and the odd ones from zero, then their sum, then C. */
INLINE void row_columns(const int terms, const struct stream *t, const struct columns *c)
{
	static const int order[3] = {1, 2, 0};
	const struct gemm *g = t->g;
	const struct panels w = panels_at(ELEM_BF16, t, c);
	const int64_t j0 = c->j;
	const int nr = (int)shorter(STREAM_COLUMNS, c->end - j0);
	const float *a = t->row;
	vf sum[ROW_VECTORS];

#pragma GCC unroll 4
	for (int v = 0; v < ROW_VECTORS; v++)
		sum[v] = g->acc && v * VL < nr ? result_load(g, 0, j0, nr, v * VL) : v_zero();
	for (int64_t s = 0; s < w.steps; s++, a += terms * 32) {
		const int64_t ahead = s + 1 == w.steps && w.skip ? STREAM_PANELS * w.bytes - s * w.block : w.block;
		vf even[3][ROW_VECTORS], odd[3][ROW_VECTORS];

#pragma GCC unroll 3
		for (int p = 0; p < terms; p++)
#pragma GCC unroll 4
			for (int v = 0; v < ROW_VECTORS; v++)
				even[p][v] = odd[p][v] = v_zero();
		for (int r = 0; r < 16; r++)
#pragma GCC unroll 4
			for (int v = 0; v < ROW_VECTORS; v++) {
				const char *at = w.at[v / 2] + s * w.block + r * PANEL * 4 + v % 2 * VL * 4;
				vu pairs = (vu)v_load((const float *)(const void *)at);

				__builtin_prefetch(at + ahead);
#pragma GCC unroll 3
				for (int p = 0; p < terms; p++) {
					const float *x = a + (terms == 3 ? order[p] : 0) * 32 + r;

					even[p][v] = v_fma(v_set1(x[0]), (vf)(pairs << 16), even[p][v]);
					odd[p][v] = v_fma(v_set1(x[16]), (vf)(pairs & 0xffff0000u), odd[p][v]);
				}
			}
#pragma GCC unroll 3
		for (int p = 0; p < terms; p++)
#pragma GCC unroll 4
			for (int v = 0; v < ROW_VECTORS; v++)
				sum[v] += even[p][v] + odd[p][v];
	}
#pragma GCC unroll 4
	for (int v = 0; v < ROW_VECTORS; v++)
		if (v * VL < nr)
			result_store(g, 0, j0, sum[v], nr, v * VL);
}

static void row_task(void *arg, int64_t i, int worker)
{
	struct stream *t = arg;
	unsigned control = flush_subnormals();
	struct columns c = {.tried = 0};

	(void)i;
	while (take_columns(&t->shares, t->g->n, worker, &c))
		row_columns(A_TERMS, t, &c);
	_mm_setcsr(control);
}

/* --- codes of four bits --------------------------------------------------------------------------------- */

/* Up to WIDE_HALF rows of bf16 against a panel, from column j. A block's codes become pairs while the tiles multiply the one before. */
INLINE void code_columns(const bool second, const struct stream *t, int64_t j, int64_t end)
{
	const struct gemm *g = t->g;
	const int64_t bytes = panel_bytes(ELEM_NF4, g->k);
	const char *from = t->panels + j / PANEL * bytes, *limit = t->panels + panels_of(end) * bytes;
	const int nr = (int)shorter(PANEL, end - j);
	float sum[WIDE_HALF * PANEL] __attribute__((aligned(64))), pairs[2][NF4_BLOCK / 2 * PANEL] __attribute__((aligned(64)));
	const float *a = t->a;
	struct asking none = {NULL, 0};

	load_sums(g, sum, PANEL, j, nr);
	wide_load(second, sum);
	unpack_codes(pairs[0], from, fetch_ahead(from, limit));
	for (int64_t block = 0; block < g->k / NF4_BLOCK; block++) {
		from += CODES_STEP;
		if (block + 1 < g->k / NF4_BLOCK)
			unpack_codes(pairs[(block + 1) & 1], from, fetch_ahead(from, limit));
		for (int s = 0; s < NF4_BLOCK / 32; s++, a += g->m * 16) {
			tiles_of_a(second, a, 16);
			tiles_of_b(true, pairs[block & 1] + s * UNPACKED);
			wide_multiply(second, &none);
		}
	}
	wide_store(second, sum);
	store_sums(g, sum, PANEL, j, nr);
}

static void code_task(void *arg, int64_t i, int worker)
{
	struct stream *t = arg;
	const int64_t first = shorter(t->g->m, 16), second = t->g->m > 16 ? t->g->m - 16 : 16;
	struct tile_config rows = {.palette = 1};
	struct columns c = {.tried = 0};

	(void)i;
	for (int tile = 0; tile < 8; tile++)
		rows.row_bytes[tile] = 64, rows.rows[tile] = (uint8_t)(tile > 5 ? 16 : tile == 2 || tile == 3 || tile == 5 ? second : first);
	tiles_load(&rows);
	while (take_columns(&t->shares, t->g->n, worker, &c))
		if (t->g->m > 16)
			code_columns(true, t, c.j, c.end);
		else
			code_columns(false, t, c.j, c.end);
	_tile_release();
}

/* --- the loops ------------------------------------------------------------------------------------------ */

static void stream_task(void *arg, int64_t i, int worker)
{
	struct stream *t = arg;
	const struct gemm *g = t->g;
	bool beside = A_TERMS == 3 && g->b_terms == 1 && g->m <= BESIDE_ROWS;
	unsigned control = beside ? flush_subnormals() : _mm_getcsr();
	struct columns c = {.tried = 0};

	(void)i;
	stream_configure((int)(beside ? 3 * g->m : g->m));
	while (take_columns(&t->shares, g->n, worker, &c)) {
		if (beside)
			beside_columns(t, &c);
		else if (ACT_BF16 && g->b.elem == ELEM_BF16)
			panel_columns(t, c.j, c.end);
		else if (g->b.elem == ELEM_BF16)
			stream_columns(ELEM_BF16, A_TERMS, 1, t, &c);
		else
			stream_columns(ELEM_F32, A_TERMS, A_TERMS, t, &c);
	}
	_tile_release();
	_mm_setcsr(control);
}

/* Cuts n columns into tasks, each a part of what is left: the last are short, and the threads end together. Their number. */
static int64_t cut_columns(int64_t start[STREAM_TASKS + 1], int64_t n, int threads)
{
	int64_t blocks = (n + STREAM_COLUMNS - 1) / STREAM_COLUMNS, at = 0, tasks = 0;

	threads = threads < STREAM_THREADS ? threads : STREAM_THREADS;
	while (at < blocks) {
		int64_t left = blocks - at, share = left / (2 * threads), least = blocks / (64 * threads);

		share = share > least ? share : least;
		start[tasks++] = at;
		at = tasks == STREAM_TASKS ? blocks : shorter(at + (share > 1 ? share : 1), blocks);
	}
	start[tasks] = blocks;
	return tasks;
}

/* g->panels against m <= WIDE_ROWS rows over k. */
static void stream_run(struct pool *pool, const struct gemm *g)
{
	struct stream t = {.g = g, .panels = g->panels};
	int64_t rows = wide_rows(g->m), words = whole_k(g->k) / 2 * g->terms * rows;
	bool row = !ACT_BF16 && g->m == 1 && g->b.elem == ELEM_BF16;

	t.a = cpu_scratch((size_t)(row ? 3 * words : words) * sizeof(float));
	pack_stream(t.a, &g->a, g->m, rows, g->k, g->terms);
	if (row) {
		t.row = t.a + words;
		widen_row(t.row, t.a, words / 16);
	}
	if ((double)g->m * (double)g->n * (double)g->k < FEW_SOLO)
		pool = NULL;
	if (ACT_BF16 && g->b.elem == ELEM_NF4) {
		cut_shares(&t.shares, g->n, pool_threads(pool), 1);
		pool_run(pool, t.shares.n, code_task, &t);
		return;
	}
	if (g->m > STREAM_ROWS) {
		pool_run(pool, cut_columns(t.start, g->n, pool_threads(pool)), wide_task, &t);
		return;
	}
	cut_shares(&t.shares, g->n, pool_threads(pool), ACT_BF16 && g->b.elem == ELEM_BF16 ? 1 : STREAM_PANELS);
	pool_run(pool, t.shares.n, row ? row_task : stream_task, &t);
}

#endif

#endif
