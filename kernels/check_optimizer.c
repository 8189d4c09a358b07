/* check_optimizer.c - the entries that update parameters against their formulas in double; see check.c. */
#include "check.h"
#include "base/dynamic8.h"

#include <math.h>

#define RANGES 5

/* One optimizer for a few steps on random numbers, over ranges with gaps between: what the entry made of them, and what the formulas do. The
 * formulas' moments lie as the parameters do. */
struct trial {
	int64_t n, floats, codes, blocks;    /* parameters, and elements of state */
	struct update_range ranges[RANGES];
	struct update_set set[2];
	float *g, *p0;
	double *rp, *rm, *rv;
	struct update u;
	struct grad_norm norm;
};

static void make_ranges(struct check *c, struct trial *t, bool bits8)
{
	struct update_set *s = &t->set[0];

	for (int64_t most = 1 + below(c, RANGES); s->n < most; s->n++) {
		struct update_range r = {.from = t->n + (below(c, 2) ? below(c, 40) : 0), .n = size(c, 20000), .piece = s->pieces};

		r.decay = below(c, 2), r.bits8 = bits8 && below(c, 3);
		r.state = r.bits8 ? t->codes : t->floats, r.block = t->blocks;
		s->pieces += (r.n + KERNELS_UPDATE_PIECE - 1) / KERNELS_UPDATE_PIECE;
		*(r.bits8 ? &t->codes : &t->floats) += r.n;
		t->blocks += r.bits8 ? (r.n + KERNELS_BLOCK8 - 1) / KERNELS_BLOCK8 : 0;
		t->n = r.from + r.n;
		t->ranges[s->n] = r;
	}
	s->ranges = t->ranges;
	t->n += below(c, 20);
}

static struct trial *trial_open(struct check *c, bool bits8)
{
	struct trial *t = mem_zalloc(sizeof *t);

	make_ranges(c, t, bits8);
	t->set[1] = t->set[0];
	t->g = floats(c, t->n), t->p0 = floats(c, t->n);
	t->rp = doubles(t->p0, t->n), t->rm = doubles(NULL, t->n), t->rv = doubles(NULL, t->n);
	for (int k = 0; k < 2; k++) {
		struct update_set *s = &t->set[k];

		s->p = copy_of(t->p0, t->n), s->g = t->g;
		s->m = mem_array((size_t)t->floats, sizeof(float)), s->v = mem_array((size_t)t->floats, sizeof(float));
		s->m8 = mem_array((size_t)t->codes, 1), s->v8 = mem_array((size_t)t->codes, 1);
		s->m_max = mem_array((size_t)t->blocks, sizeof(float)), s->v_max = mem_array((size_t)t->blocks, sizeof(float));
	}
	t->u = (struct update){.lr = 3e-3f, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f};
	t->norm.norm = 1;
	return t;
}

/* The entry's step, 1, 2, ... in both sets; gradients change from step to step by their factor. */
static void trial_update(struct check *c, struct trial *t)
{
	for (int k = 0; k < 2; k++)
		c->k->update(c->pools[k], &t->set[k], &t->u, &t->norm);
}

static void trial_step(struct trial *t, int step)
{
	t->u.step = step;
	t->norm.factor = 0.5f * (float)step;
}

/* The moments of a range that are floats. */
static void expect_moments(struct check *c, const struct trial *t, const struct update_range *r)
{
	for (int k = 0; k < 2 && !r->bits8; k++) {
		if (t->set[k].m)
			expect(c, "m", t->set[k].m + r->state, t->rm + r->from, r->n, 8);
		if (t->set[k].v)
			expect(c, "v", t->set[k].v + r->state, t->rv + r->from, r->n, 8);
	}
}

static void trial_close(struct check *c, struct trial *t)
{
	for (int i = 0; i < t->set[0].n; i++)
		expect_moments(c, t, &t->ranges[i]);
	for (int k = 0; k < 2; k++)
		expect(c, "p", t->set[k].p, t->rp, t->n, 8);
	expect_same(c, "p, 3 threads", t->set[1].p, t->set[0].p, t->n);
	for (int k = 0; k < 2; k++) {
		struct update_set *s = &t->set[k];

		mem_free(s->p), mem_free(s->m), mem_free(s->v), mem_free(s->m8), mem_free(s->v8), mem_free(s->m_max), mem_free(s->v_max);
	}
	mem_free(t->g), mem_free(t->p0), mem_free(t->rp), mem_free(t->rm), mem_free(t->rv), mem_free(t);
}

static void ref_adamw(const struct trial *t, int64_t i, double decay)
{
	double g = (double)t->g[i] * t->norm.factor, b1 = t->u.beta1, b2 = t->u.beta2;

	t->rm[i] = b1 * t->rm[i] + (1 - b1) * g;
	t->rv[i] = b2 * t->rv[i] + (1 - b2) * g * g;
	t->rp[i] *= 1 - (double)t->u.lr * decay;
	t->rp[i] -= t->u.lr * t->rm[i] / (1 - pow(b1, (double)t->u.step)) /
		    (sqrt(t->rv[i] / (1 - pow(b2, (double)t->u.step))) + t->u.eps);
}

static void ref_lion(const struct trial *t, int64_t i, double decay)
{
	double g = (double)t->g[i] * t->norm.factor, d = t->u.beta1 * t->rm[i] + (1 - (double)t->u.beta1) * g;

	t->rp[i] = t->rp[i] * (1 - (double)t->u.lr * decay) - t->u.lr * (d > 0 ? 1 : d < 0 ? -1 : 0);
	t->rm[i] = t->u.beta2 * t->rm[i] + (1 - (double)t->u.beta2) * g;
}

static void ref_sgd(const struct trial *t, int64_t i, double decay)
{
	double g = (double)t->g[i] * t->norm.factor + decay * t->rp[i];

	if (t->set[0].m) {
		t->rm[i] = t->u.beta1 * t->rm[i] + g;
		g = t->u.nesterov ? g + t->u.beta1 * t->rm[i] : t->rm[i];
	}
	t->rp[i] -= t->u.lr * g;
}

static void ref_all(struct trial *t, void (*rule)(const struct trial *, int64_t, double))
{
	for (int r = 0; r < t->set[0].n; r++)
		for (int64_t i = t->ranges[r].from; i < t->ranges[r].from + t->ranges[r].n; i++)
			rule(t, i, t->ranges[r].decay ? t->u.decay : 0);
}

static void run_trial(struct check *c, struct trial *t, void (*rule)(const struct trial *, int64_t, double))
{
	for (int step = 1; step <= 3; step++) {
		trial_step(t, step);
		ref_all(t, rule);
		trial_update(c, t);
	}
	trial_close(c, t);
}

void check_adamw(struct check *c)
{
	run_trial(c, trial_open(c, false), ref_adamw);
}

void check_lion(struct check *c)
{
	struct trial *t = trial_open(c, false);

	t->u.rule = UPDATE_LION;
	run_trial(c, t, ref_lion);
}

void check_sgd(struct check *c)
{
	struct trial *t = trial_open(c, false);
	bool momentum = below(c, 3);

	t->u.rule = UPDATE_SGD;
	t->u.nesterov = (int)below(c, 2);
	for (int k = 0; k < 2 && !momentum; k++) {
		mem_free(t->set[k].m);
		t->set[k].m = NULL;
	}
	for (int k = 0; k < 2; k++) {
		mem_free(t->set[k].v);
		t->set[k].v = NULL;
	}
	run_trial(c, t, ref_sgd);
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

/* The formulas begin each step with what the codes say, and what those say after it is held against them, within half a code's width. */
static void decode(struct trial *t, const struct update_range *r)
{
	for (int64_t i = 0; i < r->n; i++) {
		int64_t block = r->block + i / KERNELS_BLOCK8;

		t->rm[r->from + i] = (double)dynamic8_signed()->value[t->set[0].m8[r->state + i]] * t->set[0].m_max[block];
		t->rv[r->from + i] = (double)dynamic8_unsigned()->value[t->set[0].v8[r->state + i]] * t->set[0].v_max[block];
	}
}

static void expect_decoded(struct check *c, const char *name, const uint8_t *code, const float *max, const struct dynamic8 *d, double lowest,
			   const double *want, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		const float *value = d->value;
		float top = max[i / KERNELS_BLOCK8];
		double width = fmax(code[i] ? value[code[i]] - value[code[i] - 1] : 0, code[i] < 255 ? value[code[i] + 1] - value[code[i]] : 0);

		/* Beyond the lowest value there is nothing nearer. */
		width = code[i] ? width : fmax(width, 2 * (value[0] - lowest));
		if (!(fabs((double)value[code[i]] * top - want[i]) <= (0.5 * width + 1e-5) * top))
			fail(c, name, i, value[code[i]] * top, want[i]);
	}
}

void check_adamw8(struct check *c)
{
	struct trial *t = trial_open(c, true);

	check_codes(c, dynamic8_signed(), -1);
	check_codes(c, dynamic8_unsigned(), 0);
	for (int step = 1; step <= 3; step++) {
		trial_step(t, step);
		for (int i = 0; i < t->set[0].n; i++)
			if (t->ranges[i].bits8)
				decode(t, &t->ranges[i]);
		ref_all(t, ref_adamw);
		trial_update(c, t);
		for (int i = 0; i < t->set[0].n; i++) {
			const struct update_range *r = &t->ranges[i];

			if (!r->bits8)
				continue;
			expect_decoded(c, "m", t->set[0].m8 + r->state, t->set[0].m_max + r->block, dynamic8_signed(), -1, t->rm + r->from, r->n);
			expect_decoded(c, "v", t->set[0].v8 + r->state, t->set[0].v_max + r->block, dynamic8_unsigned(), 0, t->rv + r->from, r->n);
		}
	}
	if (memcmp(t->set[0].m8, t->set[1].m8, (size_t)t->codes) || memcmp(t->set[0].v8, t->set[1].v8, (size_t)t->codes))
		fail(c, "codes, 3 threads", 0, 1, 0);
	expect_same(c, "scales, 3 threads", t->set[1].m_max, t->set[0].m_max, t->blocks);
	expect_same(c, "scales, 3 threads", t->set[1].v_max, t->set[0].v_max, t->blocks);
	trial_close(c, t);
}

/* A gradient that is no number leaves everything as it was. */
static void expect_no_update(struct check *c, struct trial *t, double norm)
{
	t->norm.norm = norm;
	t->u.step = 1;
	for (int64_t i = 0; i < t->n; i++)
		t->rp[i] = t->set[0].p[i];
	trial_update(c, t);
}

void check_grad_norm(struct check *c)
{
	struct trial *t = trial_open(c, false);
	int64_t last = t->set[0].n - 1, at = t->ranges[last].n ? t->ranges[last].from + below(c, t->ranges[last].n) : -1;
	double want = 0, clip;

	for (int r = 0; r <= last; r++)
		for (int64_t i = 0; i < t->ranges[r].n; i++)
			want += (double)t->g[t->ranges[r].from + i] * t->g[t->ranges[r].from + i];
	want = sqrt(want);
	clip = below(c, 3) ? want * (below(c, 2) ? 2 : 0.25) : 0;
	for (int k = 0; k < 2; k++) {
		struct grad_norm norm = {-1, -1};
		float factor = (float)(clip > 0 && want > clip ? clip / (want + 1e-6) : 1);

		c->k->grad_norm(c->pools[k], &norm, &t->set[k], clip);
		if (!(fabs(norm.norm - want) <= 1e-12 * want))
			fail(c, "norm", 0, norm.norm, want);
		if (!(fabsf(norm.factor - factor) <= 1e-6f * factor))
			fail(c, "factor", 0, norm.factor, factor);
		if (k && norm.norm != t->norm.norm)
			fail(c, "norm, 3 threads", 0, norm.norm, t->norm.norm);
		t->norm = norm;
	}
	if (at >= 0) {
		t->g[at] = below(c, 2) ? NAN : INFINITY;
		c->k->grad_norm(c->pools[1], &t->norm, &t->set[1], clip);
		if (isfinite(t->norm.norm))
			fail(c, "norm with NaN or infinity", 0, t->norm.norm, NAN);
		expect_no_update(c, t, t->norm.norm);
	}
	trial_close(c, t);
}
