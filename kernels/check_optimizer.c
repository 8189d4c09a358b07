/* check_optimizer.c - the entries that update parameters against their formulas in double; see check.c. */
#include "check.h"
#include "base/dynamic8.h"

#include <math.h>

/* One optimizer for a few steps on random numbers: what the entry made of p, m and v, and what the formulas do. */
struct trial {
	int64_t n;
	float *g, *p0, *p[2], *m[2], *v[2];
	double *rp, *rm, *rv;
	struct update u;
};

static struct trial trial_open(struct check *c)
{
	struct trial t = {.n = size(c, 40000)};

	t.g = floats(c, t.n), t.p0 = floats(c, t.n);
	t.rp = doubles(t.p0, t.n), t.rm = doubles(NULL, t.n), t.rv = doubles(NULL, t.n);
	for (int k = 0; k < 2; k++) {
		t.p[k] = copy_of(t.p0, t.n);
		t.m[k] = mem_zalloc((size_t)t.n * sizeof(float)), t.v[k] = mem_zalloc((size_t)t.n * sizeof(float));
	}
	t.u = (struct update){.lr = 3e-3f, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = below(c, 3) ? 0.1f : 0};
	return t;
}

/* The rule of step 1, 2, ...; gradients change from step to step by their scale. */
static const struct update *trial_step(struct trial *t, int step)
{
	t->u.step = step;
	t->u.gscale = 0.5f * (float)step;
	return &t->u;
}

static void trial_close(struct check *c, struct trial *t)
{
	for (int k = 0; k < 2; k++) {
		expect(c, "p", t->p[k], t->rp, t->n, 8);
		expect(c, "m", t->m[k], t->rm, t->n, 8);
		expect(c, "v", t->v[k], t->rv, t->n, 8);
	}
	expect_same(c, "p, 3 threads", t->p[1], t->p[0], t->n);
	for (int k = 0; k < 2; k++)
		mem_free(t->p[k]), mem_free(t->m[k]), mem_free(t->v[k]);
	mem_free(t->g), mem_free(t->p0), mem_free(t->rp), mem_free(t->rm), mem_free(t->rv);
}

static void ref_adamw(const struct trial *t, int64_t i)
{
	double g = (double)t->g[i] * t->u.gscale, b1 = t->u.beta1, b2 = t->u.beta2;

	t->rm[i] = b1 * t->rm[i] + (1 - b1) * g;
	t->rv[i] = b2 * t->rv[i] + (1 - b2) * g * g;
	t->rp[i] *= 1 - (double)t->u.lr * t->u.decay;
	t->rp[i] -= t->u.lr * t->rm[i] / (1 - pow(b1, (double)t->u.step)) /
		    (sqrt(t->rv[i] / (1 - pow(b2, (double)t->u.step))) + t->u.eps);
}

void check_adamw(struct check *c)
{
	struct trial t = trial_open(c);

	for (int step = 1; step <= 3; step++) {
		const struct update *u = trial_step(&t, step);

		for (int64_t i = 0; i < t.n; i++)
			ref_adamw(&t, i);
		for (int k = 0; k < 2; k++)
			c->k->adamw(c->pools[k], t.p[k], t.m[k], t.v[k], t.g, t.n, u);
	}
	trial_close(c, &t);
}

static int slow_nearest(const struct dynamic8 *d, float x)
{
	int best = 0;

	for (int code = 1; code < 256; code++)
		if (fabs((double)d->value[code] - x) < fabs((double)d->value[best] - x))
			best = code;
	return best;
}

/* Distances to two values that differ by the rounding of their middle are equal. */
static void check_codes(struct check *c, const struct dynamic8 *d, float lowest)
{
	for (int i = 0; i < 4000; i++) {
		float x = (float)(rng_double(&c->rng) * pow(10, -8 * rng_double(&c->rng)));
		int got, want;

		x = lowest < 0 && below(c, 2) ? -x : x;
		got = dynamic8_code(d, x), want = slow_nearest(d, x);
		if (fabs(fabs((double)d->value[got] - x) - fabs((double)d->value[want] - x)) > 1e-7 * fabs((double)x))
			fail(c, "code", i, got, want);
	}
	for (int code = 0; code < 256; code++)
		if (dynamic8_code(d, d->value[code]) != code)
			fail(c, "code of a value", code, dynamic8_code(d, d->value[code]), code);
	if (dynamic8_code(d, 1) != 255 || d->value[dynamic8_code(d, 0)] != 0 || dynamic8_code(d, lowest) != 0)
		fail(c, "code of an end", 0, dynamic8_code(d, lowest), 0);
}

/* Reference: one step from states of codes, its moments held against what the new codes say, within half a code's width. */
void check_adamw8(struct check *c)
{
	struct trial t = trial_open(c);
	const struct dynamic8 *d[2] = {dynamic8_signed(), dynamic8_unsigned()};
	int64_t blocks = (t.n + KERNELS_BLOCK8 - 1) / KERNELS_BLOCK8;
	uint8_t *codes[2][2];
	float *max[2][2];

	check_codes(c, d[0], -1);
	check_codes(c, d[1], 0);
	for (int k = 0; k < 2; k++)
		for (int s = 0; s < 2; s++)
			codes[k][s] = mem_zalloc((size_t)t.n), max[k][s] = mem_zalloc((size_t)blocks * sizeof(float));
	for (int step = 1; step <= 3; step++) {
		const struct update *u = trial_step(&t, step);

		for (int64_t i = 0; i < t.n; i++) {
			t.rm[i] = (double)d[0]->value[codes[0][0][i]] * max[0][0][i / KERNELS_BLOCK8];
			t.rv[i] = (double)d[1]->value[codes[0][1][i]] * max[0][1][i / KERNELS_BLOCK8];
			ref_adamw(&t, i);
		}
		for (int k = 0; k < 2; k++)
			c->k->adamw8(c->pools[k], t.p[k], codes[k][0], codes[k][1], max[k][0], max[k][1], t.g, t.n, u);
		for (int64_t i = 0; i < t.n; i++)
			for (int s = 0; s < 2; s++) {
				const float *value = d[s]->value;
				float top = max[0][s][i / KERNELS_BLOCK8];
				int code = codes[0][s][i];
				double width = fmax(code ? value[code] - value[code - 1] : 0, code < 255 ? value[code + 1] - value[code] : 0);
				double want = s ? t.rv[i] : t.rm[i], lowest = s ? 0 : -1;

				/* Beyond the lowest value there is nothing nearer. */
				width = code ? width : fmax(width, 2 * (value[0] - lowest));
				if (!(fabs((double)value[code] * top - want) <= (0.5 * width + 1e-5) * top))
					fail(c, s ? "v" : "m", i, value[code] * top, want);
			}
	}
	for (int s = 0; s < 2; s++) {
		if (memcmp(codes[0][s], codes[1][s], (size_t)t.n))
			fail(c, "codes, 3 threads", s, 1, 0);
		expect_same(c, "scales, 3 threads", max[1][s], max[0][s], blocks);
		for (int k = 0; k < 2; k++)
			mem_free(codes[k][s]), mem_free(max[k][s]);
	}
	for (int k = 0; k < 2; k++)      /* the moments of trial_close are not ours */
		for (int64_t i = 0; i < t.n; i++)
			t.m[k][i] = (float)t.rm[i], t.v[k][i] = (float)t.rv[i];
	trial_close(c, &t);
}

void check_lion(struct check *c)
{
	struct trial t = trial_open(c);

	for (int step = 1; step <= 3; step++) {
		const struct update *u = trial_step(&t, step);

		for (int64_t i = 0; i < t.n; i++) {
			double g = (double)t.g[i] * u->gscale, d = u->beta1 * t.rm[i] + (1 - (double)u->beta1) * g;

			t.rp[i] = t.rp[i] * (1 - (double)u->lr * u->decay) - u->lr * (d > 0 ? 1 : d < 0 ? -1 : 0);
			t.rm[i] = u->beta2 * t.rm[i] + (1 - (double)u->beta2) * g;
		}
		for (int k = 0; k < 2; k++)
			c->k->lion(c->pools[k], t.p[k], t.m[k], t.g, t.n, u);
	}
	trial_close(c, &t);
}

void check_sgd(struct check *c)
{
	struct trial t = trial_open(c);
	bool momentum = below(c, 3);

	t.u.nesterov = (int)below(c, 2);
	for (int step = 1; step <= 3; step++) {
		const struct update *u = trial_step(&t, step);

		for (int64_t i = 0; i < t.n; i++) {
			double g = (double)t.g[i] * u->gscale + u->decay * t.rp[i];

			if (momentum) {
				t.rm[i] = u->beta1 * t.rm[i] + g;
				g = u->nesterov ? g + u->beta1 * t.rm[i] : t.rm[i];
			}
			t.rp[i] -= u->lr * g;
		}
		for (int k = 0; k < 2; k++)
			c->k->sgd(c->pools[k], t.p[k], momentum ? t.m[k] : NULL, t.g, t.n, u);
	}
	trial_close(c, &t);
}

void check_sumsq(struct check *c)
{
	int64_t n = size(c, 700000);
	float *x = floats(c, n);
	double want = 0, got[2];

	for (int64_t i = 0; i < n; i++)
		want += (double)x[i] * x[i];
	for (int p = 0; p < 2; p++)
		if (!(fabs((got[p] = c->k->sumsq(c->pools[p], x, n)) - want) <= 1e-12 * want))
			fail(c, "sum", 0, got[p], want);
	if (got[0] != got[1])
		fail(c, "sum, 3 threads", 0, got[1], got[0]);
	if (n > 0) {
		x[below(c, n)] = below(c, 2) ? NAN : INFINITY;
		if (isfinite(c->k->sumsq(c->pools[1], x, n)))
			fail(c, "sum with NaN or infinity", 0, 0, NAN);
	}
	mem_free(x);
}
