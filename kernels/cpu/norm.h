/* norm.h - RMSNorm and LayerNorm over rows, and RMSNorm over each head of queries and keys.
 *
 * A row is read from memory once and then found in the cache. The gradients of gains and biases are summed in pieces of
 * NORM_ROWS rows, whatever the threads, and the pieces in their order. */
#ifndef QUERN_CPU_NORM_H
#define QUERN_CPU_NORM_H

#include "cpu/act.h"
#include "cpu/rows.h"

#define NORM_ROWS 64            /* rows per partial sum of the gain's gradient */

struct norm_job {
	act *y, *dx;
	const act *x, *res, *dy;             /* res: NULL = none */
	float *rstd, *partial;
	const float *g, *b;                  /* b: NULL = none */
	int64_t n, c;
	float plus, eps;
};

INLINE vf norm_gain(const struct norm_job *t, int64_t j)
{
	return v_load_at(t->g, t->c, j) + v_set1(t->plus);
}

/* --- RMSNorm ----------------------------------------------------------------------------------- */

INLINE float rms_rstd(const act *x, int64_t c, float eps)
{
	vf sum = v_zero();

	for (V_EACH(j, c)) {
		vf v = a_load_at(x, c, j);

		sum = v_fma(v, v, sum);
	}
	return 1.0f / sqrtf(v_sum(sum) / (float)c + eps);
}

static void rms_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, per = rows_per_piece(c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const act *x = t->x + r * c;
		float rstd = rms_rstd(x, c, t->eps);

		for (V_EACH(j, c)) {
			vf v = a_load_at(x, c, j) * v_set1(rstd) * norm_gain(t, j);

			a_store_at(t->y + r * c, t->res ? a_load_at(t->res + r * c, c, j) + v : v, c, j);
		}
		t->rstd[r] = rstd;
	}
}

static void cpu_rmsnorm(struct pool *pool, act *y, float *rstd, const act *x, const float *g, float plus, const act *res,
			int64_t n, int64_t c, float eps)
{
	struct norm_job t = {.y = y, .rstd = rstd, .x = x, .res = res, .g = g, .plus = plus, .n = n, .c = c, .eps = eps};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), rms_task, &t);
}

/* With u = dy g and r = rstd: dx += r u - x r^3 (u . x) / c; dg += dy x r. */
INLINE void rms_row_dx(act *dx, float *dg, const act *dy, const act *x, const float *g, float plus, float rstd, int64_t c)
{
	vf dot = v_zero();
	float m;

	for (V_EACH(j, c))
		dot = v_fma(a_load_at(dy, c, j) * (v_load_at(g, c, j) + v_set1(plus)), a_load_at(x, c, j), dot);
	m = v_sum(dot) * rstd * rstd * rstd / (float)c;
	for (V_EACH(j, c)) {
		vf xv = a_load_at(x, c, j), dyv = a_load_at(dy, c, j), u = dyv * (v_load_at(g, c, j) + v_set1(plus));

		v_store_at(dg, v_fma(dyv * v_set1(rstd), xv, v_load_at(dg, c, j)), c, j);
		a_store_at(dx, a_load_at(dx, c, j) + u * v_set1(rstd) - xv * v_set1(m), c, j);
	}
}

static void rms_dx_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, r1 = (i + 1) * NORM_ROWS < t->n ? (i + 1) * NORM_ROWS : t->n;
	float *dg = t->partial + i * c;

	(void)worker;
	memset(dg, 0, (size_t)c * sizeof *dg);
	for (int64_t r = i * NORM_ROWS; r < r1; r++)
		rms_row_dx(t->dx + r * c, dg, t->dy + r * c, t->x + r * c, t->g, t->plus, t->rstd[r], c);
}

struct partial_job {
	float *sum;
	const float *partial;        /* [pieces] rows, step from row to row */
	int64_t pieces, step, c;
};

static void partial_task(void *arg, int64_t i, int worker)
{
	const struct partial_job *t = arg;
	int64_t c0 = i * NORM_ROWS, cn = t->c - c0 < NORM_ROWS ? t->c - c0 : NORM_ROWS;

	(void)worker;
	for (V_EACH(j, cn)) {
		vf sum = v_load_at(t->sum + c0, cn, j);

		for (int64_t p = 0; p < t->pieces; p++)
			sum += v_load_at(t->partial + p * t->step + c0, cn, j);
		v_store_at(t->sum + c0, sum, cn, j);
	}
}

/* sum[c] += the pieces, in order; not wanted when sum is NULL. */
static void add_partials(struct pool *pool, float *sum, const float *partial, int64_t pieces, int64_t step, int64_t c)
{
	struct partial_job t = {sum, partial, pieces, step, c};

	if (sum)
		pool_run(pool, pieces_of(c, NORM_ROWS), partial_task, &t);
}

static void cpu_rmsnorm_dx(struct pool *pool, act *dx, float *dg, const act *dy, const act *x, const float *rstd,
			   const float *g, float plus, float *scratch, int64_t n, int64_t c)
{
	/* norm_job serves both directions; the backward only reads rstd. */
	struct norm_job t = {.dx = dx, .dy = dy, .x = x, .rstd = (float *)(uintptr_t)rstd, .g = g, .plus = plus,
			     .partial = scratch, .n = n, .c = c};

	pool_run(pool, pieces_of(n, NORM_ROWS), rms_dx_task, &t);
	add_partials(pool, dg, scratch, pieces_of(n, NORM_ROWS), c, c);
}

/* --- LayerNorm ----------------------------------------------------------------------------------- */

INLINE float row_mean(const act *x, int64_t c)
{
	vf sum = v_zero();

	for (V_EACH(j, c))
		sum += a_load_at(x, c, j);
	return v_sum(sum) / (float)c;
}

/* x - mean, with zeros in the lanes behind the end. */
INLINE vf centred(const act *x, float mean, int64_t c, int64_t j)
{
	float end[VL] = {0};

	if (c - j >= VL)
		return a_load(x + j) - v_set1(mean);
	for (int64_t i = j; i < c; i++)
		end[i - j] = a_get(x + i) - mean;
	return v_load(end);
}

static void layer_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, per = rows_per_piece(c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const act *x = t->x + r * c;
		float mean = row_mean(x, c), rstd;
		vf sum = v_zero();

		for (V_EACH(j, c)) {
			vf v = centred(x, mean, c, j);

			sum = v_fma(v, v, sum);
		}
		rstd = 1.0f / sqrtf(v_sum(sum) / (float)c + t->eps);
		for (V_EACH(j, c))
			a_store_at(t->y + r * c, v_fma(centred(x, mean, c, j) * v_set1(rstd), norm_gain(t, j),
						       v_load_at(t->b, c, j)), c, j);
		t->rstd[r] = rstd;
	}
}

static void cpu_layernorm(struct pool *pool, act *y, float *rstd, const act *x, const float *g, const float *b, int64_t n,
			  int64_t c, float eps)
{
	struct norm_job t = {.y = y, .rstd = rstd, .x = x, .g = g, .b = b, .n = n, .c = c, .eps = eps};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), layer_task, &t);
}

/* With u = dy g and h = (x - mean) rstd: dx += rstd (u - mean(u) - h mean(u h)); dg += dy h, db += dy. */
static void layer_dx_task(void *arg, int64_t i, int worker)
{
	const struct norm_job *t = arg;
	int64_t c = t->c, r1 = (i + 1) * NORM_ROWS < t->n ? (i + 1) * NORM_ROWS : t->n;
	float *dg = t->partial + 2 * i * c, *db = dg + c;

	(void)worker;
	memset(dg, 0, 2 * (size_t)c * sizeof *dg);
	for (int64_t r = i * NORM_ROWS; r < r1; r++) {
		const act *x = t->x + r * c, *dy = t->dy + r * c;
		act *dx = t->dx + r * c;
		float rstd = t->rstd[r], mean = row_mean(x, c), u_mean, uh_mean;
		vf su = v_zero(), suh = v_zero();

		for (V_EACH(j, c)) {
			vf u = a_load_at(dy, c, j) * norm_gain(t, j);

			su += u;
			suh = v_fma(u, centred(x, mean, c, j), suh);
		}
		u_mean = v_sum(su) / (float)c, uh_mean = v_sum(suh) * rstd / (float)c;
		for (V_EACH(j, c)) {
			vf dyv = a_load_at(dy, c, j), h = centred(x, mean, c, j) * v_set1(rstd);
			vf d = dyv * norm_gain(t, j) - v_set1(u_mean) - h * v_set1(uh_mean);

			a_store_at(dx, v_fma(d, v_set1(rstd), a_load_at(dx, c, j)), c, j);
			v_store_at(dg, v_fma(dyv, h, v_load_at(dg, c, j)), c, j);
			v_store_at(db, v_load_at(db, c, j) + dyv, c, j);
		}
	}
}

static void cpu_layernorm_dx(struct pool *pool, act *dx, float *dg, float *db, const act *dy, const act *x,
			     const float *rstd, const float *g, float *scratch, int64_t n, int64_t c)
{
	struct norm_job t = {.dx = dx, .dy = dy, .x = x, .rstd = (float *)(uintptr_t)rstd, .g = g, .partial = scratch,
			     .n = n, .c = c};

	pool_run(pool, pieces_of(n, NORM_ROWS), layer_dx_task, &t);
	add_partials(pool, dg, scratch, pieces_of(n, NORM_ROWS), 2 * c, c);
	add_partials(pool, db, scratch + c, pieces_of(n, NORM_ROWS), 2 * c, c);
}

/* Enough for either norm. */
static int64_t cpu_norm_scratch(int64_t n, int64_t c)
{
	return 2 * pieces_of(n, NORM_ROWS) * c;
}

/* --- each head of queries and keys ------------------------------------------------------------------ */

struct qk_job {
	act *y;                      /* the normalised values; backward: their gradient, in place */
	const act *x;
	float *partial;
	const float *gq, *gk;
	int64_t n, ld;
	int h, hkv, d;
	float plus, eps;
};

static void qk_task(void *arg, int64_t i, int worker)
{
	const struct qk_job *t = arg;
	int64_t per = rows_per_piece(t->ld), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n, d = t->d;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++) {
		const act *x = t->x + r * t->ld;
		act *y = t->y + r * t->ld;

		for (int k = 0; k < t->h + t->hkv; k++, x += d, y += d) {
			const float *g = k < t->h ? t->gq : t->gk;
			float rstd = rms_rstd(x, d, t->eps);

			for (V_EACH(j, d))
				a_store_at(y, a_load_at(x, d, j) * v_set1(rstd) * (v_load_at(g, d, j) + v_set1(t->plus)), d, j);
		}
		if (y != x)
			memcpy(y, x, (size_t)(t->hkv * d) * sizeof *y);
	}
}

static void cpu_qk_norm(struct pool *pool, act *y, const act *x, const float *gq, const float *gk, float plus, int64_t n,
			int h, int hkv, int d, float eps)
{
	struct qk_job t = {.y = y, .x = x, .gq = gq, .gk = gk, .n = n, .ld = (int64_t)(h + 2 * hkv) * d, .h = h, .hkv = hkv,
			   .d = d, .plus = plus, .eps = eps};

	pool_run(pool, pieces_of(n, rows_per_piece(t.ld)), qk_task, &t);
}

/* A head's gradient is put aside before it is overwritten. */
static void qk_dx_task(void *arg, int64_t i, int worker)
{
	const struct qk_job *t = arg;
	int64_t r1 = (i + 1) * NORM_ROWS < t->n ? (i + 1) * NORM_ROWS : t->n, d = t->d;
	float *dg = t->partial + 2 * i * d;
	act dy[KERNELS_HEAD_MAX];

	(void)worker;
	memset(dg, 0, 2 * (size_t)d * sizeof *dg);
	for (int64_t r = i * NORM_ROWS; r < r1; r++)
		for (int k = 0; k < t->h + t->hkv; k++) {
			const act *x = t->x + r * t->ld + k * d;
			act *dx = t->y + r * t->ld + k * d;
			bool key = k >= t->h;

			memcpy(dy, dx, (size_t)d * sizeof *dy);
			memset(dx, 0, (size_t)d * sizeof *dx);
			rms_row_dx(dx, dg + key * d, dy, x, key ? t->gk : t->gq, t->plus, rms_rstd(x, d, t->eps), d);
		}
}

static void cpu_qk_norm_dx(struct pool *pool, act *dqkv, float *dgq, float *dgk, const act *x, const float *gq,
			   const float *gk, float plus, float *scratch, int64_t n, int h, int hkv, int d, float eps)
{
	struct qk_job t = {.y = dqkv, .x = x, .gq = gq, .gk = gk, .partial = scratch, .n = n,
			   .ld = (int64_t)(h + 2 * hkv) * d, .h = h, .hkv = hkv, .d = d, .plus = plus, .eps = eps};

	pool_run(pool, pieces_of(n, NORM_ROWS), qk_dx_task, &t);
	add_partials(pool, dgq, scratch, pieces_of(n, NORM_ROWS), 2 * d, d);
	add_partials(pool, dgk, scratch + d, pieces_of(n, NORM_ROWS), 2 * d, d);
}

#endif
