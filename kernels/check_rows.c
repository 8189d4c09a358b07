/* check_rows.c - sums with rows, factors, and the activations, against their definitions in double. */
#include "check.h"

#include <math.h>

/* --- sums and factors ------------------------------------------------------------------------------ */

void check_add(struct check *c)
{
	int64_t n = size(c, 100), w = size(c, 300), m = size1(c, 50);
	float *x = values(c, n * w), *table = floats(c, m * w), *y[2][2];
	int32_t *rows = indices(c, n, m);
	double *want[2] = {doubles(NULL, n * w), doubles(NULL, n * w)};
	bool sum = below(c, 2);

	for (int64_t i = 0; i < n * w; i++) {
		want[0][i] = (sum ? (double)x[i] : 0) + table[i % w];
		want[1][i] = (double)x[i] + table[rows[i / w] * w + i % w];
	}
	for (int p = 0; p < 2; p++) {
		y[p][0] = p ? copy_of(x, n * w) : junk(n * w), y[p][1] = copy_of(x, n * w);
		c->k->add_bias(c->pools[p], out(c, y[p][0], n * w), sum ? in(c, p ? y[p][0] : x, n * w) : NULL, table, n, w);
		c->k->add_rows(c->pools[p], out(c, y[p][1], n * w), table, rows, n, w);
		done(c);
		expect_acts(c, "x + b", y[p][0], want[0], n * w, 1);
		expect_acts(c, "x + table", y[p][1], want[1], n * w, 1);
	}
	for (int k = 0; k < 2; k++) {
		expect_same(c, "3 threads", y[1][k], y[0][k], n * w);
		mem_free(y[0][k]), mem_free(y[1][k]), mem_free(want[k]);
	}
	mem_free(x), mem_free(table), mem_free(rows);
}

void check_bias_db(struct check *c)
{
	int64_t n = size(c, 400), w = size(c, 300);
	float *dy = values(c, n * w), *b = floats(c, w), *db[2];
	double *want = doubles(b, w);

	for (int64_t i = 0; i < n * w; i++)
		want[i % w] += dy[i];
	for (int p = 0; p < 2; p++) {
		db[p] = copy_of(b, w);
		c->k->bias_db(c->pools[p], db[p], in(c, dy, n * w), n, w);
		done(c);
		expect(c, "db", db[p], want, w, 8 + sqrt((double)n));
	}
	expect_same(c, "db, 3 threads", db[1], db[0], w);
	mem_free(dy), mem_free(b), mem_free(db[0]), mem_free(db[1]), mem_free(want);
}

/* Each value by itself: off / (eps |want|). */
static void expect_each(struct check *c, const char *name, const float *got, const double *want, int64_t n, double eps)
{
	for (int64_t i = 0; i < n; i++) {
		double off = fabs(got[i] - want[i]) / (eps * fabs(want[i]) + 1e-12);

		if (!(off <= 1))
			fail(c, name, i, got[i], want[i]);
		c->worst = off > c->worst ? off : c->worst;
	}
}

/* Also where the error of the vector tanh is bounded, near 0 and far from it. */
void check_scale(struct check *c)
{
	int64_t n = size(c, 40000);
	float *x = floats(c, n), a = 0.37f, cap = below(c, 2) ? 30 : 0.9f, *y[2], *z[2];
	double *want = doubles(NULL, n), *capped = doubles(NULL, n);

	for (int64_t i = 0; i < n; i++) {
		x[i] *= i % 3 ? 3 * cap : 1e-3f;
		as_stored(c, x + i, 1);
		want[i] = (double)x[i] * a;
		capped[i] = (double)cap * tanh((double)x[i] / (double)cap);
	}
	for (int p = 0; p < 2; p++) {
		y[p] = copy_of(x, n), z[p] = copy_of(x, n);
		c->k->scale(c->pools[p], out(c, y[p], n), n, a);
		done(c);
		c->k->soft_cap(c->pools[p], z[p], n, cap);
		expect_each(c, "x a", y[p], want, n, 1e-7 + act_rounding(c));
		expect_each(c, "capped", z[p], capped, n, 6e-7);
	}
	expect_same(c, "x a, 3 threads", y[1], y[0], n);
	expect_same(c, "capped, 3 threads", z[1], z[0], n);
	for (int p = 0; p < 2; p++)
		mem_free(y[p]), mem_free(z[p]);
	mem_free(x), mem_free(want), mem_free(capped);
}

/* --- activations ------------------------------------------------------------------------------------- */

static double ref_silu(double x) { return x / (1 + exp(-x)); }
/* x (1 + tanh(z)) / 2 with z = sqrt(2 / pi) (x + 0.044715 x^3), written without the difference of near numbers. */
static double ref_gelu(double x) { return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

typedef void glu(struct pool *pool, act *y, const act *gu, int64_t n, int64_t f);
typedef void glu_dgu(struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f);

/* Each value by itself: this is also where the error of the vector exponential is bounded. */
static void check_glu(struct check *c, glu *run, double (*ref)(double), float range, double eps)
{
	int64_t n = size(c, 60), f = size(c, 300);
	float *gu = floats(c, n * 2 * f), *y[2];
	double *want = doubles(NULL, n * f);

	for (int64_t i = 0; i < n * 2 * f; i++)
		gu[i] *= range;
	as_stored(c, gu, n * 2 * f);
	for (int64_t i = 0; i < n * f; i++)
		want[i] = ref(gu[i / f * 2 * f + i % f]) * gu[i / f * 2 * f + f + i % f];
	for (int p = 0; p < 2; p++) {
		y[p] = junk(n * f);
		run(c->pools[p], out(c, y[p], n * f), in(c, gu, n * 2 * f), n, f);
		done(c);
		expect_each(c, "y", y[p], want, n * f, eps + act_rounding(c));
	}
	expect_same(c, "y, 3 threads", y[1], y[0], n * f);
	mem_free(gu), mem_free(want), mem_free(y[0]), mem_free(y[1]);
}

static void check_glu_dgu(struct check *c, glu_dgu *run, double (*ref)(double))
{
	int64_t n = size(c, 60), f = size(c, 300);
	float *gu = floats(c, n * 2 * f), *dy = values(c, n * f), *dgu[2];
	double *want = doubles(NULL, n * 2 * f);

	for (int64_t i = 0; i < n * 2 * f; i++)
		gu[i] *= 6;
	as_stored(c, gu, n * 2 * f);
	for (int64_t i = 0; i < n * f; i++) {
		int64_t at = i / f * 2 * f + i % f;
		double h = 1e-5, g = gu[at];

		want[at] = dy[i] * (double)gu[at + f] * (ref(g + h) - ref(g - h)) / (2 * h);
		want[at + f] = dy[i] * ref(g);
	}
	for (int p = 0; p < 2; p++) {
		dgu[p] = p ? copy_of(gu, n * 2 * f) : junk(n * 2 * f);  /* in place the second time */
		run(c->pools[p], out(c, dgu[p], n * 2 * f), in(c, dy, n * f), in(c, p ? dgu[p] : gu, n * 2 * f), n, f);
		done(c);
		expect_acts(c, "dgu", dgu[p], want, n * 2 * f, 16);
	}
	expect_same(c, "dgu in place, 3 threads", dgu[1], dgu[0], n * 2 * f);
	mem_free(gu), mem_free(dy), mem_free(want), mem_free(dgu[0]), mem_free(dgu[1]);
}

void check_swiglu(struct check *c) { check_glu(c, c->k->swiglu, ref_silu, 20, 1e-6); }
void check_swiglu_dgu(struct check *c) { check_glu_dgu(c, c->k->swiglu_dgu, ref_silu); }
/* The exponent of gelu is 80 at 8, whose rounding alone is worth 1e-5. */
void check_geglu(struct check *c) { check_glu(c, c->k->geglu, ref_gelu, below(c, 2) ? 2 : 5, 4e-6); }
void check_geglu_dgu(struct check *c) { check_glu_dgu(c, c->k->geglu_dgu, ref_gelu); }

void check_gelu(struct check *c)
{
	int64_t n = size(c, 40000);
	float *x = floats(c, n), *dy = values(c, n), *y[2], *dx[2];
	double *want = doubles(NULL, n), *slope = doubles(NULL, n);

	for (int64_t i = 0; i < n; i++) {
		double h = 1e-5;

		x[i] *= 5;
		as_stored(c, x + i, 1);
		want[i] = ref_gelu(x[i]);
		slope[i] = dy[i] * (ref_gelu(x[i] + h) - ref_gelu(x[i] - h)) / (2 * h);
	}
	for (int p = 0; p < 2; p++) {
		y[p] = junk(n), dx[p] = p ? copy_of(x, n) : junk(n);
		c->k->gelu(c->pools[p], out(c, y[p], n), in(c, x, n), n);
		c->k->gelu_dx(c->pools[p], out(c, dx[p], n), in(c, dy, n), in(c, p ? dx[p] : x, n), n);
		done(c);
		expect_each(c, "y", y[p], want, n, 4e-6 + act_rounding(c));
		expect_acts(c, "dx", dx[p], slope, n, 16);
	}
	expect_same(c, "y, 3 threads", y[1], y[0], n);
	expect_same(c, "dx in place, 3 threads", dx[1], dx[0], n);
	for (int p = 0; p < 2; p++)
		mem_free(y[p]), mem_free(dx[p]);
	mem_free(x), mem_free(dy), mem_free(want), mem_free(slope);
}
