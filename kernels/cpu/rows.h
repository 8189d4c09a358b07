/* rows.h - the kernels that go over rows one by one: memory, embedding, RMSNorm, RoPE, SwiGLU, gather.
 *
 * Each is limited by memory bandwidth. Work is cut in pieces of ROWS_PIECE floats or so, whatever the threads. */
#ifndef QUERN_CPU_ROWS_H
#define QUERN_CPU_ROWS_H

#include "base/mem.h"
#include "cpu/simd.h"
#include "kernels.h"

#define ROWS_PIECE 16384        /* floats per task: 64 KiB */
#define NORM_ROWS 64            /* rows per partial sum of the gain's gradient */

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

static void *cpu_alloc(struct pool *pool, size_t bytes)
{
	void *p = mem_try(bytes ? bytes : 64);

	if (p)
		cpu_zero(pool, p, bytes);
	return p;
}

static void cpu_release(void *p)
{
	mem_free(p);
}

static void cpu_transfer(void *dst, const void *src, size_t bytes)
{
	if (bytes)
		memcpy(dst, src, bytes);
}

/* --- embedding and gather: y[i] = table[index[i]] ------------------------------------------------- */

struct gather_job {
	float *y;
	const float *table;
	const int32_t *index;
	int64_t n, c;
};

static void gather_task(void *arg, int64_t i, int worker)
{
	const struct gather_job *t = arg;
	int64_t per = rows_per_piece(t->c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		memcpy(t->y + r * t->c, t->table + t->index[r] * t->c, (size_t)t->c * sizeof(float));
}

static void cpu_gather_rows(struct pool *pool, float *y, const float *x, const int32_t *rows, int64_t n, int64_t c)
{
	struct gather_job t = {y, x, rows, n, c};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), gather_task, &t);
}

static void cpu_embed(struct pool *pool, float *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	cpu_gather_rows(pool, y, w.data, ids, n, c);
}

/* A token's row is added in token order, so tasks share out the columns. */
#define SCATTER_COLUMNS 32

struct scatter_job {
	float *dw;
	const float *dy;
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
		const float *from = t->dy + r * t->c + c0;

		for (V_EACH(j, cn))
			v_store_at(to, v_load_at(to, cn, j) + v_load_at(from, cn, j), cn, j);
	}
}

static void cpu_embed_dw(struct pool *pool, float *dw, const float *dy, const int32_t *ids, int64_t n, int64_t c, int64_t v)
{
	struct scatter_job t = {dw, dy, ids, n, c};

	(void)v;
	pool_run(pool, pieces_of(c, SCATTER_COLUMNS), scatter_task, &t);
}

/* --- RMSNorm ----------------------------------------------------------------------------------- */

struct norm_job {
	float *y, *rstd, *x, *dx, *partial;
	const float *add, *g, *dy;
	int64_t n, c;
	float eps;
	float *dg;
};

static void norm_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, per = rows_per_piece(c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		float *x = t->x + r * c, *y = t->y + r * c, rstd;
		vf sum = v_zero();

		for (V_EACH(j, c)) {
			vf v = v_load_at(x, c, j);

			if (t->add) {
				v += v_load_at(t->add + r * c, c, j);
				v_store_at(x, v, c, j);
			}
			sum = v_fma(v, v, sum);
		}
		rstd = 1.0f / sqrtf(v_sum(sum) / (float)c + t->eps);
		for (V_EACH(j, c))
			v_store_at(y, v_load_at(x, c, j) * v_set1(rstd) * v_load_at(t->g, c, j), c, j);
		t->rstd[r] = rstd;
	}
}

static void cpu_rmsnorm(struct pool *pool, float *y, float *rstd, float *x, const float *add, const float *g, int64_t n,
			int64_t c, float eps)
{
	struct norm_job t = {.y = y, .rstd = rstd, .x = x, .add = add, .g = g, .n = n, .c = c, .eps = eps};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), norm_task, &t);
}

/* With u = dy g and r = rstd: dx += r u - x r^3 (u . x) / c; the partial of dg is the sum of dy x r over the rows. */
static void norm_dx_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, r1 = (i + 1) * NORM_ROWS < t->n ? (i + 1) * NORM_ROWS : t->n;
	float *dg = t->partial + i * c;

	(void)worker;
	memset(dg, 0, (size_t)c * sizeof *dg);
	for (int64_t r = i * NORM_ROWS; r < r1; r++) {
		const float *x = t->x + r * c, *dy = t->dy + r * c;
		float *dx = t->dx + r * c, rstd = t->rstd[r], m;
		vf dot = v_zero();

		for (V_EACH(j, c))
			dot = v_fma(v_load_at(dy, c, j) * v_load_at(t->g, c, j), v_load_at(x, c, j), dot);
		m = v_sum(dot) * rstd * rstd * rstd / (float)c;
		for (V_EACH(j, c)) {
			vf xv = v_load_at(x, c, j), dyv = v_load_at(dy, c, j);
			vf d = v_load_at(dx, c, j) + dyv * v_load_at(t->g, c, j) * v_set1(rstd) - xv * v_set1(m);

			v_store_at(dx, d, c, j);
			v_store_at(dg, v_fma(dyv * v_set1(rstd), xv, v_load_at(dg, c, j)), c, j);
		}
	}
}

static void norm_dg_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, c0 = i * NORM_ROWS, cn = c - c0 < NORM_ROWS ? c - c0 : NORM_ROWS;

	(void)worker;
	for (V_EACH(j, cn)) {
		vf sum = v_load_at(t->dg + c0, cn, j);

		for (int64_t p = 0; p < pieces_of(t->n, NORM_ROWS); p++)
			sum += v_load_at(t->partial + p * c + c0, cn, j);
		v_store_at(t->dg + c0, sum, cn, j);
	}
}

static void cpu_rmsnorm_dx(struct pool *pool, float *dx, float *dg, const float *dy, const float *x, const float *rstd,
			   const float *g, float *scratch, int64_t n, int64_t c)
{
	/* norm_job serves both directions; the backward only reads x and rstd. */
	struct norm_job t = {.dx = dx, .dg = dg, .dy = dy, .x = (float *)(uintptr_t)x, .rstd = (float *)(uintptr_t)rstd,
			     .g = g, .partial = scratch, .n = n, .c = c};

	pool_run(pool, pieces_of(n, NORM_ROWS), norm_dx_task, &t);
	pool_run(pool, pieces_of(c, NORM_ROWS), norm_dg_task, &t);
}

static int64_t cpu_rmsnorm_scratch(int64_t n, int64_t c)
{
	return pieces_of(n, NORM_ROWS) * c;
}

/* --- RoPE ----------------------------------------------------------------------------------------- */

struct rope_job {
	float *qkv;
	const float *cos, *sin;
	const int32_t *pos;
	int64_t n, ld;
	int heads, d;
	float sign;
};

static void rope_task(void *arg, int64_t i, int worker)
{
	const struct rope_job *t = arg;
	int64_t half = t->d / 2, per = rows_per_piece(t->ld), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const float *cs = t->cos + t->pos[r] * half, *sn = t->sin + t->pos[r] * half;

		for (int h = 0; h < t->heads; h++) {
			float *x = t->qkv + r * t->ld + h * (int64_t)t->d;

			for (V_EACH(j, half)) {
				vf a = v_load_at(x, half, j), b = v_load_at(x + half, half, j);
				vf cv = v_load_at(cs, half, j), sv = v_load_at(sn, half, j) * v_set1(t->sign);

				v_store_at(x, a * cv - b * sv, half, j);
				v_store_at(x + half, b * cv + a * sv, half, j);
			}
		}
	}
}

static void cpu_rope(struct pool *pool, float *qkv, const float *cos, const float *sin, const int32_t *pos, int64_t n, int h,
		     int hkv, int d, int sign)
{
	struct rope_job t = {qkv, cos, sin, pos, n, (int64_t)(h + 2 * hkv) * d, h + hkv, d, (float)sign};

	pool_run(pool, pieces_of(n, rows_per_piece(t.ld)), rope_task, &t);
}

/* --- SwiGLU ---------------------------------------------------------------------------------------- */

struct swiglu_job {
	float *y;                    /* forward y[n, f]; backward dgu[n, 2f] */
	const float *gu, *dy;
	int64_t n, f;
};

static void swiglu_task(void *arg, int64_t i, int worker)
{
	const struct swiglu_job *t = arg;
	int64_t f = t->f, per = rows_per_piece(2 * f), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const float *g = t->gu + 2 * r * f, *u = g + f;

		for (V_EACH(j, f)) {
			vf x = v_load_at(g, f, j);

			v_store_at(t->y + r * f, x * v_sigmoid(x) * v_load_at(u, f, j), f, j);
		}
	}
}

/* With s = sigmoid(x): d silu = s (1 + x (1 - s)). */
static void swiglu_dgu_task(void *arg, int64_t i, int worker)
{
	const struct swiglu_job *t = arg;
	int64_t f = t->f, per = rows_per_piece(2 * f), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const float *g = t->gu + 2 * r * f, *u = g + f;
		float *dg = t->y + 2 * r * f, *du = dg + f;

		for (V_EACH(j, f)) {
			vf x = v_load_at(g, f, j), uv = v_load_at(u, f, j), dy = v_load_at(t->dy + r * f, f, j);
			vf s = v_sigmoid(x);

			v_store_at(dg, dy * uv * s * (v_set1(1.0f) + x * (v_set1(1.0f) - s)), f, j);
			v_store_at(du, dy * x * s, f, j);
		}
	}
}

static void cpu_swiglu(struct pool *pool, float *y, const float *gu, int64_t n, int64_t f)
{
	struct swiglu_job t = {y, gu, NULL, n, f};

	pool_run(pool, pieces_of(n, rows_per_piece(2 * f)), swiglu_task, &t);
}

static void cpu_swiglu_dgu(struct pool *pool, float *dgu, const float *dy, const float *gu, int64_t n, int64_t f)
{
	struct swiglu_job t = {dgu, gu, dy, n, f};

	pool_run(pool, pieces_of(n, rows_per_piece(2 * f)), swiglu_dgu_task, &t);
}

#endif
