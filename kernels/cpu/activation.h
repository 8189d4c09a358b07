/* activation.h - what stands between the two products of a feed-forward layer: SwiGLU, GeGLU and GELU.
 *
 * gu[N, 2F] holds the gate's half, then the other. GELU is the form with tanh (Hendrycks & Gimpel 2016), whose
 * 1/2 (1 + tanh z) is computed as sigmoid(2 z), which loses no digits where tanh is near -1. */
#ifndef QUERN_CPU_ACTIVATION_H
#define QUERN_CPU_ACTIVATION_H

#include "cpu/act.h"
#include "cpu/rows.h"

#define GELU_A 1.5957691216057308f           /* 2 sqrt(2 / pi) */
#define GELU_B 0.044715f

struct act_job {
	act *y;                      /* forward y[n, f]; backward the gradient of gu[n, 2f] or x[n, f] */
	const act *gu, *dy;
	int64_t n, f;
};

/* f(x), and its derivative in *d. */
INLINE vf silu_at(vf x, vf *d)
{
	vf s = v_sigmoid(x);

	*d = s * (v_set1(1.0f) + x * (v_set1(1.0f) - s));
	return x * s;
}

/* x s(z) with z = a (x + b x^3): the derivative is s + x s (1 - s) a (1 + 3 b x^2). */
INLINE vf gelu_at(vf x, vf *d)
{
	vf x2 = x * x, s = v_sigmoid(x * v_set1(GELU_A) * (v_set1(1.0f) + v_set1(GELU_B) * x2));

	*d = s + x * s * (v_set1(1.0f) - s) * v_set1(GELU_A) * (v_set1(1.0f) + v_set1(3 * GELU_B) * x2);
	return x * s;
}

/* Rows of task i: gate and up of width f, or x alone. */
INLINE void glu_rows(const struct act_job *t, int64_t i, vf (*at)(vf x, vf *d))
{
	int64_t f = t->f, per = rows_per_piece(2 * f), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	for (int64_t r = i * per; r < r1; r++) {
		const act *g = t->gu + 2 * r * f, *u = g + f;

		for (V_EACH(j, f)) {
			vf d;

			a_store_at(t->y + r * f, at(a_load_at(g, f, j), &d) * a_load_at(u, f, j), f, j);
		}
	}
}

INLINE void glu_dgu_rows(const struct act_job *t, int64_t i, vf (*at)(vf x, vf *d))
{
	int64_t f = t->f, per = rows_per_piece(2 * f), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	for (int64_t r = i * per; r < r1; r++) {
		const act *g = t->gu + 2 * r * f, *u = g + f;
		act *dg = t->y + 2 * r * f, *du = dg + f;

		for (V_EACH(j, f)) {
			vf d, dy = a_load_at(t->dy + r * f, f, j), uv = a_load_at(u, f, j), y = at(a_load_at(g, f, j), &d);

			a_store_at(dg, dy * uv * d, f, j);
			a_store_at(du, dy * y, f, j);
		}
	}
}

static void swiglu_task(void *arg, int64_t i, int worker) { (void)worker; glu_rows(arg, i, silu_at); }
static void swiglu_dgu_task(void *arg, int64_t i, int worker) { (void)worker; glu_dgu_rows(arg, i, silu_at); }
static void geglu_task(void *arg, int64_t i, int worker) { (void)worker; glu_rows(arg, i, gelu_at); }
static void geglu_dgu_task(void *arg, int64_t i, int worker) { (void)worker; glu_dgu_rows(arg, i, gelu_at); }

static void glu_run(struct pool *pool, pool_task *task, act *y, const act *gu, const act *dy, int64_t n, int64_t f)
{
	struct act_job t = {y, gu, dy, n, f};

	pool_run(pool, pieces_of(n, rows_per_piece(2 * f)), task, &t);
}

static void cpu_swiglu(struct pool *pool, act *y, const act *gu, int64_t n, int64_t f)
{
	glu_run(pool, swiglu_task, y, gu, NULL, n, f);
}

static void cpu_swiglu_dgu(struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f)
{
	glu_run(pool, swiglu_dgu_task, dgu, gu, dy, n, f);
}

static void cpu_geglu(struct pool *pool, act *y, const act *gu, int64_t n, int64_t f)
{
	glu_run(pool, geglu_task, y, gu, NULL, n, f);
}

static void cpu_geglu_dgu(struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f)
{
	glu_run(pool, geglu_dgu_task, dgu, gu, dy, n, f);
}

/* --- GELU alone: n values ------------------------------------------------------------------------- */

static void gelu_task(void *arg, int64_t i, int worker)
{
	const struct act_job *t = arg;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;

	(void)worker;
	for (V_EACH(j, n)) {
		vf d, y = gelu_at(a_load_at(t->gu + from, n, j), &d);

		a_store_at(t->y + from, t->dy ? a_load_at(t->dy + from, n, j) * d : y, n, j);
	}
}

static void cpu_gelu(struct pool *pool, act *y, const act *x, int64_t n)
{
	struct act_job t = {.y = y, .gu = x, .n = n};

	pool_run(pool, pieces_of(n, ROWS_PIECE), gelu_task, &t);
}

static void cpu_gelu_dx(struct pool *pool, act *dx, const act *dy, const act *x, int64_t n)
{
	struct act_job t = {.y = dx, .gu = x, .dy = dy, .n = n};

	pool_run(pool, pieces_of(n, ROWS_PIECE), gelu_task, &t);
}

#endif
