/* check_norm.c - the norms against their definitions in double. */
#include "check.h"

#include <math.h>

/* --- RMSNorm ----------------------------------------------------------------------------------- */

struct norm_ref {
	double *x, *g, *dy;
	int64_t n, c;
	double eps;
};

static double norm_rstd(const struct norm_ref *r, int64_t i)
{
	return 1 / sqrt(dot(r->x + i * r->c, r->x + i * r->c, r->c) / (double)r->c + r->eps);
}

static double norm_loss(const void *arg)
{
	const struct norm_ref *r = arg;
	double sum = 0;

	for (int64_t i = 0; i < r->n; i++) {
		double rstd = norm_rstd(r, i);

		for (int64_t j = 0; j < r->c; j++)
			sum += r->dy[i * r->c + j] * r->x[i * r->c + j] * rstd * r->g[j];
	}
	return sum;
}

void check_rmsnorm(struct check *c)
{
	int64_t n = size(c, 150), w = size1(c, 300), add = below(c, 2);
	float *x = values(c, n * w), *a = values(c, n * w), *g = floats(c, w), *y[2], *rstd[2], plus = (float)below(c, 2);
	struct norm_ref r = {doubles(x, n * w), doubles(g, w), NULL, n, w, 1e-5};
	double *want = doubles(NULL, n * w), *want_rstd = doubles(NULL, n);

	for (int64_t i = 0; i < n; i++) {
		want_rstd[i] = norm_rstd(&r, i);
		for (int64_t j = 0; j < w; j++)
			want[i * w + j] = r.x[i * w + j] * want_rstd[i] * ((double)g[j] + plus) + (add ? a[i * w + j] : 0);
	}
	for (int p = 0; p < 2; p++) {
		y[p] = p ? copy_of(a, n * w) : junk(n * w), rstd[p] = junk(n);
		c->k->rmsnorm(c->pools[p], out(c, y[p], n * w), rstd[p], in(c, x, n * w), g, plus, add ? in(c, p ? y[p] : a, n * w) : NULL, n, w,
			      1e-5f);
		done(c);
		expect_acts(c, "y", y[p], want, n * w, 8 + sqrt((double)w));
		expect(c, "rstd", rstd[p], want_rstd, n, 8 + sqrt((double)w));
	}
	expect_same(c, "y, 3 threads", y[1], y[0], n * w);
	expect_same(c, "rstd, 3 threads", rstd[1], rstd[0], n);
	for (int p = 0; p < 2; p++)
		mem_free(y[p]), mem_free(rstd[p]);
	mem_free(x), mem_free(a), mem_free(g), mem_free(r.x), mem_free(r.g), mem_free(want), mem_free(want_rstd);
}

void check_rmsnorm_dx(struct check *c)
{
	int64_t n = size(c, 150), w = size1(c, 150), words = c->k->norm_scratch(n, w);
	float *x = values(c, n * w), *g = floats(c, w), *dy = values(c, n * w), *rstd = mem_alloc((size_t)n * sizeof *rstd);
	float *dx[2], *dg[2], *scratch = junk(words);
	struct norm_ref r = {doubles(x, n * w), doubles(g, w), doubles(dy, n * w), n, w, 1e-5};
	float plus = (float)below(c, 2);
	double top = 1;

	for (int64_t j = 0; j < w; j++)
		r.g[j] += plus;
	for (int64_t i = 0; i < n; i++) {
		rstd[i] = (float)norm_rstd(&r, i);
		top = rstd[i] > top ? rstd[i] : top;
	}
	for (int p = 0; p < 2; p++) {
		dx[p] = mem_zalloc((size_t)(n * w) * sizeof(float)), dg[p] = mem_zalloc((size_t)w * sizeof(float));
		c->k->rmsnorm_dx(c->pools[p], out(c, dx[p], n * w), dg[p], in(c, dy, n * w), in(c, x, n * w), rstd, g, plus, scratch, n, w);
		done(c);
	}
	expect_gradient_acts(c, "dX", dx[0], r.x, n * w, norm_loss, &r, top, 16);
	expect_gradient(c, "dg", dg[0], r.g, w, norm_loss, &r, 1, 60);
	expect_same(c, "dX, 3 threads", dx[1], dx[0], n * w);
	expect_same(c, "dg, 3 threads", dg[1], dg[0], w);
	/* Once more: both are added to. */
	c->k->rmsnorm_dx(c->pools[0], out(c, dx[1], n * w), dg[1], in(c, dy, n * w), in(c, x, n * w), rstd, g, plus, scratch, n, w);
	done(c);
	for (int64_t i = 0; i < n * w; i++)
		if (!(fabsf(dx[1][i] - 2 * dx[0][i]) <= 1e-5f * (1 + fabsf(dx[0][i])) + 3 * (float)act_rounding(c) * fabsf(dx[0][i])))
			fail(c, "dX twice", i, dx[1][i], 2 * dx[0][i]);
	for (int64_t i = 0; i < w; i++)
		if (!(fabsf(dg[1][i] - 2 * dg[0][i]) <= 1e-5f * (1 + fabsf(dg[0][i]))))
			fail(c, "dg twice", i, dg[1][i], 2 * dg[0][i]);
	for (int p = 0; p < 2; p++)
		mem_free(dx[p]), mem_free(dg[p]);
	mem_free(x), mem_free(g), mem_free(dy), mem_free(rstd), mem_free(scratch), mem_free(r.x), mem_free(r.g), mem_free(r.dy);
}

/* --- LayerNorm ----------------------------------------------------------------------------------- */

struct layer_ref {
	double *x, *g, *b, *dy;
	int64_t n, c;
	double eps;
};

static double layer_mean(const struct layer_ref *r, int64_t i)
{
	double sum = 0;

	for (int64_t j = 0; j < r->c; j++)
		sum += r->x[i * r->c + j];
	return sum / (double)r->c;
}

static double layer_rstd(const struct layer_ref *r, int64_t i)
{
	double mean = layer_mean(r, i), sum = 0;

	for (int64_t j = 0; j < r->c; j++)
		sum += (r->x[i * r->c + j] - mean) * (r->x[i * r->c + j] - mean);
	return 1 / sqrt(sum / (double)r->c + r->eps);
}

static double layer_at(const struct layer_ref *r, int64_t i, int64_t j)
{
	return (r->x[i * r->c + j] - layer_mean(r, i)) * layer_rstd(r, i) * r->g[j] + r->b[j];
}

static double layer_loss(const void *arg)
{
	const struct layer_ref *r = arg;
	double sum = 0;

	for (int64_t i = 0; i < r->n; i++) {
		double mean = layer_mean(r, i), rstd = layer_rstd(r, i);

		for (int64_t j = 0; j < r->c; j++)
			sum += r->dy[i * r->c + j] * ((r->x[i * r->c + j] - mean) * rstd * r->g[j] + r->b[j]);
	}
	return sum;
}

/* A mean far from 0, which must not cost digits. */
static float *shifted(struct check *c, int64_t n)
{
	float *x = floats(c, n);

	for (int64_t i = 0; i < n; i++)
		x[i] += 5;
	as_stored(c, x, n);
	return x;
}

void check_layernorm(struct check *c)
{
	int64_t n = size(c, 60), w = size1(c, 300);
	float *x = shifted(c, n * w), *g = floats(c, w), *b = floats(c, w), *y[2], *rstd[2];
	struct layer_ref r = {doubles(x, n * w), doubles(g, w), doubles(b, w), NULL, n, w, 1e-2};
	double *want = doubles(NULL, n * w), *want_rstd = doubles(NULL, n);

	for (int64_t i = 0; i < n; i++) {
		want_rstd[i] = layer_rstd(&r, i);
		for (int64_t j = 0; j < w; j++)
			want[i * w + j] = layer_at(&r, i, j);
	}
	for (int p = 0; p < 2; p++) {
		y[p] = junk(n * w), rstd[p] = junk(n);
		c->k->layernorm(c->pools[p], out(c, y[p], n * w), rstd[p], in(c, x, n * w), g, b, n, w, 1e-2f);
		done(c);
		expect_acts(c, "y", y[p], want, n * w, 40 + sqrt((double)w));
		expect(c, "rstd", rstd[p], want_rstd, n, 40 + sqrt((double)w));
	}
	expect_same(c, "y, 3 threads", y[1], y[0], n * w);
	expect_same(c, "rstd, 3 threads", rstd[1], rstd[0], n);
	for (int p = 0; p < 2; p++)
		mem_free(y[p]), mem_free(rstd[p]);
	mem_free(x), mem_free(g), mem_free(b), mem_free(r.x), mem_free(r.g), mem_free(r.b), mem_free(want), mem_free(want_rstd);
}

void check_layernorm_dx(struct check *c)
{
	int64_t n = size(c, 150), w = size1(c, 150);
	float *x = shifted(c, n * w), *g = floats(c, w), *dy = values(c, n * w), *rstd = junk(n), *start = values(c, n * w);
	float *dx[2], *dg[2], *db[2], *scratch = junk(c->k->norm_scratch(n, w));
	struct layer_ref r = {doubles(x, n * w), doubles(g, w), doubles(NULL, w), doubles(dy, n * w), n, w, 1e-2};
	double top = 1;

	for (int64_t i = 0; i < n; i++) {
		rstd[i] = (float)layer_rstd(&r, i);
		top = rstd[i] > top ? rstd[i] : top;
	}
	for (int p = 0; p < 2; p++) {
		dx[p] = copy_of(start, n * w), dg[p] = mem_zalloc((size_t)w * sizeof(float)), db[p] = copy_of(g, w);
		c->k->layernorm_dx(c->pools[p], out(c, dx[p], n * w), dg[p], db[p], in(c, dy, n * w), in(c, x, n * w), rstd, g, scratch, n, w);
		done(c);
	}
	expect_same(c, "dX, 3 threads", dx[1], dx[0], n * w);
	expect_same(c, "dg, 3 threads", dg[1], dg[0], w);
	expect_same(c, "db, 3 threads", db[1], db[0], w);
	/* dX and db were added to what was there. */
	for (int64_t i = 0; i < n * w; i++)
		dx[0][i] -= start[i];
	for (int64_t j = 0; j < w; j++)
		db[0][j] -= g[j];
	expect_gradient_acts(c, "dX", dx[0], r.x, n * w, layer_loss, &r, 2 * top, 40);
	expect_gradient(c, "dg", dg[0], r.g, w, layer_loss, &r, 10, 60);
	expect_gradient(c, "db", db[0], r.b, w, layer_loss, &r, 10, 60);
	/* Where gains and biases are not trained, dX is the same. */
	mem_free(dx[0]);
	dx[0] = copy_of(start, n * w);
	c->k->layernorm_dx(c->pools[0], out(c, dx[0], n * w), NULL, NULL, in(c, dy, n * w), in(c, x, n * w), rstd, g, scratch, n, w);
	done(c);
	expect_same(c, "dX alone", dx[0], dx[1], n * w);
	for (int p = 0; p < 2; p++)
		mem_free(dx[p]), mem_free(dg[p]), mem_free(db[p]);
	mem_free(x), mem_free(g), mem_free(dy), mem_free(rstd), mem_free(start), mem_free(scratch);
	mem_free(r.x), mem_free(r.g), mem_free(r.b), mem_free(r.dy);
}

/* --- each head of queries and keys ------------------------------------------------------------------ */

struct qk_ref {
	double *x, *g[2], *dy;       /* gains of queries and of keys */
	int64_t n, ld;
	int h, hkv, d;
	double eps, plus;
};

static struct qk_ref random_qk(struct check *c)
{
	struct qk_ref r = {.n = size(c, 100), .h = (int)size1(c, 6), .hkv = (int)size1(c, 3), .d = (int)size1(c, 70), .eps = 1e-5,
			   .plus = (double)below(c, 2)};

	r.ld = (int64_t)(r.h + 2 * r.hkv) * r.d;
	return r;
}

/* Row i of the result. */
static void qk_row(const struct qk_ref *r, int64_t i, double *y)
{
	for (int k = 0; k < r->h + 2 * r->hkv; k++) {
		const double *x = r->x + i * r->ld + k * r->d, *g = r->g[k >= r->h];
		double rstd = 1 / sqrt(dot(x, x, r->d) / r->d + r->eps);

		for (int j = 0; j < r->d; j++)
			y[k * r->d + j] = k < r->h + r->hkv ? x[j] * rstd * (g[j] + r->plus) : x[j];
	}
}

static double qk_loss(const void *arg)
{
	const struct qk_ref *r = arg;
	double *y = doubles(NULL, r->ld), sum = 0;

	for (int64_t i = 0; i < r->n; i++) {
		qk_row(r, i, y);
		sum += dot(y, r->dy + i * r->ld, r->ld);
	}
	mem_free(y);
	return sum;
}

void check_qk_norm(struct check *c)
{
	struct qk_ref r = random_qk(c);
	float *x = values(c, r.n * r.ld), *gq = floats(c, r.d), *gk = floats(c, r.d), *y[2];
	double *want = doubles(NULL, r.n * r.ld);

	r.x = doubles(x, r.n * r.ld), r.g[0] = doubles(gq, r.d), r.g[1] = doubles(gk, r.d);
	for (int64_t i = 0; i < r.n; i++)
		qk_row(&r, i, want + i * r.ld);
	for (int p = 0; p < 2; p++) {
		y[p] = p ? copy_of(x, r.n * r.ld) : junk(r.n * r.ld);    /* in place the second time */
		c->k->qk_norm(c->pools[p], out(c, y[p], r.n * r.ld), in(c, p ? y[p] : x, r.n * r.ld), gq, gk, (float)r.plus, r.n, r.h, r.hkv, r.d,
			      1e-5f);
		done(c);
		expect_acts(c, "y", y[p], want, r.n * r.ld, 8 + sqrt((double)r.d));
	}
	expect_same(c, "y in place, 3 threads", y[1], y[0], r.n * r.ld);
	mem_free(x), mem_free(gq), mem_free(gk), mem_free(y[0]), mem_free(y[1]), mem_free(want);
	mem_free(r.x), mem_free(r.g[0]), mem_free(r.g[1]);
}

void check_qk_norm_dx(struct check *c)
{
	struct qk_ref r = random_qk(c);
	float *x = values(c, r.n * r.ld), *gq = floats(c, r.d), *gk = floats(c, r.d), *dy = values(c, r.n * r.ld), *dx[2], *dg[2][2];
	float *scratch = junk(c->k->norm_scratch(r.n, r.d));
	double top = 1;

	r.x = doubles(x, r.n * r.ld), r.g[0] = doubles(gq, r.d), r.g[1] = doubles(gk, r.d), r.dy = doubles(dy, r.n * r.ld);
	for (int64_t i = 0; i < r.n * (r.h + r.hkv); i++) {
		const double *head = r.x + i / (r.h + r.hkv) * r.ld + i % (r.h + r.hkv) * r.d;
		double rstd = 1 / sqrt(dot(head, head, r.d) / r.d + r.eps);

		top = rstd > top ? rstd : top;
	}
	for (int p = 0; p < 2; p++) {
		dx[p] = copy_of(dy, r.n * r.ld);
		for (int k = 0; k < 2; k++)
			dg[p][k] = mem_zalloc((size_t)r.d * sizeof(float));
		c->k->qk_norm_dx(c->pools[p], out(c, dx[p], r.n * r.ld), dg[p][0], dg[p][1], in(c, x, r.n * r.ld), gq, gk, (float)r.plus, scratch,
				 r.n, r.h, r.hkv, r.d, 1e-5f);
		done(c);
	}
	expect_gradient_acts(c, "dX", dx[0], r.x, r.n * r.ld, qk_loss, &r, 2 * top, 16);
	expect_gradient(c, "dgq", dg[0][0], r.g[0], r.d, qk_loss, &r, 4, 60);
	expect_gradient(c, "dgk", dg[0][1], r.g[1], r.d, qk_loss, &r, 4, 60);
	expect_same(c, "dX, 3 threads", dx[1], dx[0], r.n * r.ld);
	for (int k = 0; k < 2; k++)
		expect_same(c, "dg, 3 threads", dg[1][k], dg[0][k], r.d);
	for (int p = 0; p < 2; p++)
		mem_free(dx[p]), mem_free(dg[p][0]), mem_free(dg[p][1]);
	mem_free(x), mem_free(gq), mem_free(gk), mem_free(dy), mem_free(scratch);
	mem_free(r.x), mem_free(r.g[0]), mem_free(r.g[1]), mem_free(r.dy);
}
