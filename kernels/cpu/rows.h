/* rows.h - the kernels that go over rows one by one: memory, embedding, positions, biases, gather.
 *
 * Each is limited by memory bandwidth. Work is cut in pieces of ROWS_PIECE floats or so, whatever the threads. */
#ifndef QUERN_CPU_ROWS_H
#define QUERN_CPU_ROWS_H

#include "base/mem.h"
#include "cpu/act.h"
#include "cpu/pack.h"
#include "kernels.h"


#define ROWS_PIECE 16384        /* floats per task: 64 KiB */

/* Rows of c floats per task. */
INLINE int64_t rows_per_piece(int64_t c)
{
	return c >= ROWS_PIECE ? 1 : ROWS_PIECE / (c > 0 ? c : 1);
}

INLINE int64_t pieces_of(int64_t n, int64_t size)
{
	return (n + size - 1) / size;
}

/* --- memory ---------------------------------------------------------------------------------- */

#define BYTES_PIECE (1 << 20)

struct bytes_job {
	char *dst;
	const char *src;             /* NULL: zeros */
	size_t bytes;
};

static void bytes_task(void *arg, int64_t i, int worker)
{
	const struct bytes_job *t = arg;
	size_t from = (size_t)i * BYTES_PIECE, n = t->bytes - from < BYTES_PIECE ? t->bytes - from : BYTES_PIECE;

	(void)worker;
	if (t->src)
		memcpy(t->dst + from, t->src + from, n);
	else
		memset(t->dst + from, 0, n);
}

static void cpu_zero(struct pool *pool, void *p, size_t bytes)
{
	struct bytes_job t = {p, NULL, bytes};

	pool_run(pool, pieces_of((int64_t)bytes, BYTES_PIECE), bytes_task, &t);
}

static void cpu_copy(struct pool *pool, void *dst, const void *src, size_t bytes)
{
	struct bytes_job t = {dst, src, bytes};

	pool_run(pool, pieces_of((int64_t)bytes, BYTES_PIECE), bytes_task, &t);
}

static enum status cpu_status(struct error *err)
{
	(void)err;
	return OK;
}

static void *cpu_alloc(struct pool *pool, size_t bytes)
{
	(void)pool;
	return mem_try_zeroed(bytes);
}

static void cpu_release(void *p)
{
	mem_free_zeroed(p);
}

static void cpu_transfer(void *dst, const void *src, size_t bytes)
{
	if (bytes)
		memcpy(dst, src, bytes);
}

/* What was asked for is done. */
static void cpu_mark(void) {}

/* --- embedding and gather: y[i] = table[index[i]] ------------------------------------------------- */

struct gather_job {
	act *y;
	const act *table;
	const int32_t *index;
	int64_t n, c;
};

static void gather_task(void *arg, int64_t i, int worker)
{
	const struct gather_job *t = arg;
	int64_t per = rows_per_piece(t->c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		memcpy(t->y + r * t->c, t->table + t->index[r] * t->c, (size_t)t->c * sizeof(act));
}

static void cpu_gather_rows(struct pool *pool, act *y, const act *x, const int32_t *rows, int64_t n, int64_t c)
{
	struct gather_job t = {y, x, rows, n, c};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), gather_task, &t);
}

#define EMBED_PIECE 512

struct embed_job {
	act *y;
	struct operand table;
	const int32_t *ids;
	int64_t n;
};

/* n values of a matrix row, in pieces: an even number, as a pair of codes is the least that can be read. */
static void row_acts(act *y, const struct operand *x, int64_t row, int64_t n)
{
	float piece[EMBED_PIECE] __attribute__((aligned(64)));

	for (int64_t from = 0; from < n; from += EMBED_PIECE) {
		int64_t k = n - from < EMBED_PIECE ? n - from : EMBED_PIECE;

		row_floats(piece, x, row, from, k);
		for (V_EACH(j, k))
			a_store_at(y + from, v_load_at(piece, k, j), k, j);
	}
}

static void embed_task(void *arg, int64_t i, int worker)
{
	const struct embed_job *t = arg;
	int64_t c = t->table.ld, per = rows_per_piece(c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		row_acts(t->y + r * c, &t->table, t->ids[r], c);
}

static void cpu_embed(struct pool *pool, act *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	struct embed_job t = {y, weights_of(w, c, false), ids, n};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), embed_task, &t);
}

/* A token's row is added in token order, so tasks share out the columns. */
#define SCATTER_COLUMNS 32

struct scatter_job {
	float *dw;
	const act *dy;
	const int32_t *ids;
	int64_t n, c;
};

static void scatter_task(void *arg, int64_t i, int worker)
{
	const struct scatter_job *t = arg;
	int64_t c0 = i * SCATTER_COLUMNS, cn = t->c - c0 < SCATTER_COLUMNS ? t->c - c0 : SCATTER_COLUMNS;

	(void)worker;
	for (int64_t r = 0; r < t->n; r++) {
		float *to = t->dw + t->ids[r] * t->c + c0;
		const act *from = t->dy + r * t->c + c0;

		for (V_EACH(j, cn))
			v_store_at(to, v_load_at(to, cn, j) + a_load_at(from, cn, j), cn, j);
	}
}

static void cpu_embed_dw(struct pool *pool, float *dw, const act *dy, const int32_t *ids, int64_t n, int64_t c, int64_t v)
{
	struct scatter_job t = {dw, dy, ids, n, c};

	(void)v;
	pool_run(pool, pieces_of(c, SCATTER_COLUMNS), scatter_task, &t);
}

/* --- sums with rows: biases, learned positions, and a factor ------------------------------------------ */

struct add_job {
	act *y;
	const act *x;                /* NULL: zeros */
	const float *table;
	const int32_t *rows;         /* NULL: the first row for all */
	int64_t n, c;
};

static void add_task(void *arg, int64_t i, int worker)
{
	const struct add_job *t = arg;
	int64_t c = t->c, per = rows_per_piece(c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const float *b = t->table + (t->rows ? t->rows[r] * c : 0);

		for (V_EACH(j, c)) {
			vf v = v_load_at(b, c, j);

			a_store_at(t->y + r * c, t->x ? a_load_at(t->x + r * c, c, j) + v : v, c, j);
		}
	}
}

static void cpu_add_bias(struct pool *pool, act *y, const act *x, const float *b, int64_t n, int64_t c)
{
	struct add_job t = {y, x, b, NULL, n, c};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), add_task, &t);
}

static void cpu_add_rows(struct pool *pool, act *y, const float *table, const int32_t *rows, int64_t n, int64_t c)
{
	struct add_job t = {y, y, table, rows, n, c};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), add_task, &t);
}

#define BIAS_VECTORS 8          /* of one task: as many sums side by side */
#define BIAS_COLUMNS (BIAS_VECTORS * VL)

/* Whole vectors: row after row, the sums in registers. */
static void bias_db_block(float *db, const act *dy, int64_t n, int64_t ld)
{
	vf sum[BIAS_VECTORS];

#pragma GCC unroll 8
	for (int k = 0; k < BIAS_VECTORS; k++)
		sum[k] = v_load(db + k * VL);
	for (int64_t r = 0; r < n; r++, dy += ld)
#pragma GCC unroll 8
		for (int k = 0; k < BIAS_VECTORS; k++)
			sum[k] += a_load(dy + k * VL);
#pragma GCC unroll 8
	for (int k = 0; k < BIAS_VECTORS; k++)
		v_store(db + k * VL, sum[k]);
}

struct bias_job {
	float *db;
	const act *dy;
	int64_t n, c;
};

static void bias_db_task(void *arg, int64_t i, int worker)
{
	const struct bias_job *t = arg;
	int64_t c0 = i * BIAS_COLUMNS, cn = t->c - c0 < BIAS_COLUMNS ? t->c - c0 : BIAS_COLUMNS;

	(void)worker;
	if (cn == BIAS_COLUMNS) {
		bias_db_block(t->db + c0, t->dy + c0, t->n, t->c);
		return;
	}
	for (V_EACH(j, cn)) {
		vf sum = v_load_at(t->db + c0, cn, j);

		for (int64_t r = 0; r < t->n; r++)
			sum += a_load_at(t->dy + r * t->c + c0, cn, j);
		v_store_at(t->db + c0, sum, cn, j);
	}
}

static void cpu_bias_db(struct pool *pool, float *db, const act *dy, int64_t n, int64_t c)
{
	struct bias_job t = {db, dy, n, c};

	pool_run(pool, pieces_of(c, BIAS_COLUMNS), bias_db_task, &t);
}

struct scale_job {
	act *x;
	float *z;                    /* of soft_cap */
	int64_t n;
	float a;
};

static void scale_task(void *arg, int64_t i, int worker)
{
	const struct scale_job *t = arg;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;

	(void)worker;
	for (V_EACH(j, n))
		a_store_at(t->x + from, a_load_at(t->x + from, n, j) * v_set1(t->a), n, j);
}

static void soft_cap_task(void *arg, int64_t i, int worker)
{
	const struct scale_job *t = arg;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;

	(void)worker;
	for (V_EACH(j, n))
		v_store_at(t->z + from, v_tanh(v_load_at(t->z + from, n, j) / v_set1(t->a)) * v_set1(t->a), n, j);
}

static void cpu_soft_cap(struct pool *pool, float *x, int64_t n, float cap)
{
	struct scale_job t = {NULL, x, n, cap};

	pool_run(pool, pieces_of(n, ROWS_PIECE), soft_cap_task, &t);
}

static void cpu_scale(struct pool *pool, act *x, int64_t n, float a)
{
	struct scale_job t = {x, NULL, n, a};

	pool_run(pool, pieces_of(n, ROWS_PIECE), scale_task, &t);
}

/* --- activations of floats, and back -------------------------------------------------------------- */

struct convert_job {
	act *a;
	float *to;                   /* NULL: from x to a */
	const float *x;
	int64_t n;
};

static void convert_task(void *arg, int64_t i, int worker)
{
	const struct convert_job *t = arg;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;

	(void)worker;
	for (V_EACH(j, n))
		if (t->to)
			v_store_at(t->to + from, a_load_at(t->a + from, n, j), n, j);
		else
			a_store_at(t->a + from, v_load_at(t->x + from, n, j), n, j);
}

static void cpu_from_floats(struct pool *pool, act *y, const float *x, int64_t n)
{
	struct convert_job t = {y, NULL, x, n};

	pool_run(pool, pieces_of(n, ROWS_PIECE), convert_task, &t);
}

static void cpu_to_floats(struct pool *pool, float *y, const act *x, int64_t n)
{
	struct convert_job t = {(act *)(uintptr_t)x, y, NULL, n};

	pool_run(pool, pieces_of(n, ROWS_PIECE), convert_task, &t);
}

/* --- RoPE ----------------------------------------------------------------------------------------- */

struct rope_job {
	act *qkv;
	const float *cos, *sin;
	const int32_t *pos;
	int64_t n, ld;
	int heads, d, rot;
	float sign;
};

static void rope_task(void *arg, int64_t i, int worker)
{
	const struct rope_job *t = arg;
	int64_t half = t->rot / 2, per = rows_per_piece(t->ld), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const float *cs = t->cos + t->pos[r] * half, *sn = t->sin + t->pos[r] * half;

		for (int h = 0; h < t->heads; h++) {
			act *x = t->qkv + r * t->ld + h * (int64_t)t->d;

			for (V_EACH(j, half)) {
				vf a = a_load_at(x, half, j), b = a_load_at(x + half, half, j);
				vf cv = v_load_at(cs, half, j), sv = v_load_at(sn, half, j) * v_set1(t->sign);

				a_store_at(x, a * cv - b * sv, half, j);
				a_store_at(x + half, b * cv + a * sv, half, j);
			}
		}
	}
}

static void cpu_rope(struct pool *pool, act *qkv, const float *cos, const float *sin, const int32_t *pos, int64_t n, int h,
		     int hkv, int d, int rot, int sign)
{
	struct rope_job t = {qkv, cos, sin, pos, n, (int64_t)(h + 2 * hkv) * d, h + hkv, d, rot, (float)sign};

	pool_run(pool, pieces_of(n, rows_per_piece(t.ld)), rope_task, &t);
}

#endif
