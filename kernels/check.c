/* check.c - holds every entry of every table this machine can run against a double-precision reference.
 *
 * In the manner of dav1d's checkasm: random shapes with odd and empty ones, outputs full of NaN beforehand, buffers of
 * exact size (so that a sanitizer sees the first byte too far), each call with one thread and with three, whose bytes
 * must agree. Gradients are held against central differences of the reference's forward, in double, at random
 * places. A tolerance counts float epsilons, times the square root of the longest sum, times the largest value.
 *
 * --device cuda|cuda:N|emulated checks the tables of a device instead, in floats and in bf16, and times a GPU's entries.
 *
 * CHECK_ROUNDS=N in the environment: at most N random shapes for an entry, for a sanitizer's slow run. */
#include "base/progress.h"
#include "check.h"
#include "check_device.h"
#include "cpu/isa.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- helpers --------------------------------------------------------------------------------- */

int64_t below(struct check *c, int64_t n) { return (int64_t)rng_below(&c->rng, (uint64_t)n); }

/* A size up to max that is often 0, 1, or around a vector. */
int64_t size(struct check *c, int64_t max)
{
	static const int64_t odd[] = {0, 1, 2, 15, 16, 17, 31, 33};
	int64_t n = below(c, 3) ? below(c, max + 1) : odd[below(c, 8)];

	return n < max ? n : max;
}

int64_t size1(struct check *c, int64_t max)
{
	int64_t n = size(c, max);

	return n ? n : 1;
}

float *floats(struct check *c, int64_t n)
{
	float *p = mem_alloc((size_t)n * sizeof *p);

	for (int64_t i = 0; i < n; i++)
		p[i] = (float)(rng_double(&c->rng) * 2 - 1);
	return p;
}

float *junk(int64_t n)
{
	float *p = mem_alloc((size_t)n * sizeof *p);

	memset(p, 0xff, (size_t)n * sizeof *p);
	return p;
}

float *copy_of(const float *x, int64_t n)
{
	float *p = mem_alloc((size_t)n * sizeof *p);

	memcpy(p, x, (size_t)n * sizeof *p);
	return p;
}

double *doubles(const float *x, int64_t n)
{
	double *p = mem_array((size_t)n, sizeof *p);

	for (int64_t i = 0; x && i < n; i++)
		p[i] = x[i];
	return p;
}

int32_t *indices(struct check *c, int64_t n, int64_t max)
{
	int32_t *p = mem_alloc((size_t)n * sizeof *p);

	for (int64_t i = 0; i < n; i++)
		p[i] = (int32_t)below(c, max);
	return p;
}

void fail(struct check *c, const char *name, int64_t i, double got, double want)
{
	if (!c->failed)
		snprintf(c->what, sizeof c->what, "%s[%lld] is %.9g, want %.9g", name, (long long)i, got, want);
	c->failed = true;
}

double act_rounding(const struct check *c)
{
	return c->k->elem_bytes == sizeof(float) ? 0 : 1.0 / 256;
}

static void expect_within(struct check *c, const char *name, const float *got, const double *want, int64_t n, double eps_count, double rounding)
{
	double top = 1e-3;

	for (int64_t i = 0; i < n; i++)
		top = fabs(want[i]) > top ? fabs(want[i]) : top;
	for (int64_t i = 0; i < n; i++) {
		double off = fabs(got[i] - want[i]) / (eps_count * FLT_EPSILON * top + rounding * fabs(want[i]));

		if (!(off <= 1))
			fail(c, name, i, got[i], want[i]);
		c->worst = off > c->worst ? off : c->worst;
	}
}

void expect(struct check *c, const char *name, const float *got, const double *want, int64_t n, double eps_count)
{
	expect_within(c, name, got, want, n, eps_count, 0);
}

void expect_acts(struct check *c, const char *name, const float *got, const double *want, int64_t n, double eps_count)
{
	expect_within(c, name, got, want, n, eps_count, act_rounding(c));
}

void expect_same(struct check *c, const char *name, const float *a, const float *b, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (memcmp(a + i, b + i, sizeof *a)) {
			fail(c, name, i, a[i], b[i]);
			return;
		}
}

/* Elements of a gradient that are compared; a sanitizer looks for something else than wrong numbers. */
#ifdef __SANITIZE_ADDRESS__
#define PLACES 3
#else
#define PLACES 16
#endif

static void gradient_within(struct check *c, const char *name, const float *got, double *x, int64_t n, double (*loss)(const void *),
			    const void *arg, double top, double eps_count, double rounding)
{
	double want[PLACES];
	int64_t at[PLACES];

	for (int i = 0; i < PLACES && n; i++) {
		double keep = x[at[i] = below(c, n)], h = 1e-5;

		x[at[i]] = keep + h;
		want[i] = loss(arg);
		x[at[i]] = keep - h;
		want[i] = (want[i] - loss(arg)) / (2 * h);
		x[at[i]] = keep;
		top = fabs(want[i]) > top ? fabs(want[i]) : top;
	}
	for (int i = 0; i < PLACES && n; i++) {
		double off = fabs(got[at[i]] - want[i]) / ((eps_count * FLT_EPSILON + rounding) * top);

		if (!(off <= 1))
			fail(c, name, at[i], got[at[i]], want[i]);
		c->worst = off > c->worst ? off : c->worst;
	}
}

void expect_gradient(struct check *c, const char *name, const float *got, double *x, int64_t n, double (*loss)(const void *),
		     const void *arg, double top, double eps_count)
{
	gradient_within(c, name, got, x, n, loss, arg, top, eps_count, 0);
}

void expect_gradient_acts(struct check *c, const char *name, const float *got, double *x, int64_t n, double (*loss)(const void *),
			  const void *arg, double top, double eps_count)
{
	gradient_within(c, name, got, x, n, loss, arg, top, eps_count, act_rounding(c));
}

double dot(const double *a, const double *b, int64_t n)
{
	double s = 0;

	for (int64_t i = 0; i < n; i++)
		s += a[i] * b[i];
	return s;
}

/* --- activations ------------------------------------------------------------------------------- */

/* Nearest even; no NaN here. */
static float to_bf16(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000;
	memcpy(&x, &u, sizeof x);
	return x;
}

void as_stored(const struct check *c, float *x, int64_t n)
{
	for (int64_t i = 0; c->k->elem_bytes == 2 && i < n; i++)
		x[i] = to_bf16(x[i]);
}

float *values(struct check *c, int64_t n)
{
	float *p = floats(c, n);

	as_stored(c, p, n);
	return p;
}

/* bf16 is the upper half of a float: little-endian, as the files are. */
static act *bind(struct check *c, float *x, int64_t n, bool is_out)
{
	size_t bytes = c->k->elem_bytes;
	struct bound *b = c->bound;

	while (b < c->bound + c->n_bound && b->host != x)
		b++;
	if (b == c->bound + c->n_bound) {
		if (c->n_bound++ == (int)(sizeof c->bound / sizeof *c->bound))
			abort();
		*b = (struct bound){x, mem_alloc((size_t)n * bytes), n, false};
		for (int64_t i = 0; i < n; i++) {
			if (x[i] == x[i] && bytes == 2 && to_bf16(x[i]) != x[i])
				fail(c, "an input that is no bf16", i, x[i], to_bf16(x[i]));
			memcpy((char *)b->device + (size_t)i * bytes, (const char *)(x + i) + sizeof *x - bytes, bytes);
		}
	}
	b->out |= is_out;
	return b->device;
}

act *in(struct check *c, const float *x, int64_t n) { return bind(c, (float *)(uintptr_t)x, n, false); }
act *out(struct check *c, float *y, int64_t n) { return bind(c, y, n, true); }

void done(struct check *c)
{
	size_t bytes = c->k->elem_bytes;

	for (struct bound *b = c->bound; b < c->bound + c->n_bound; b++) {
		for (int64_t i = 0; b->out && i < b->n; i++) {
			b->host[i] = 0;
			memcpy((char *)(b->host + i) + sizeof(float) - bytes, (const char *)b->device + (size_t)i * bytes, bytes);
		}
		mem_free(b->device);
	}
	c->n_bound = 0;
}

/* --- matrix products ------------------------------------------------------------------------------ */

void as_multiplied(const struct check *c, float *x, int64_t n)
{
	for (int64_t i = 0; c->half && i < n; i++)
		x[i] = to_bf16(x[i]);
}

/* Dettmers et al. 2023, appendix E */
static const double nf4[16] = {-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
			       -0.28444138169288635, -0.18477343022833334, -0.09105003625154495, 0.0,
			       0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
			       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0};

static int nf4_code(const struct stored *s, int64_t j) { return s->bytes[j / 2] >> (j % 2 ? 0 : 4) & 15; }

/* The same for weights whose rows' products are taken (o rows of i): integers of eight bits are exact where tiles multiply them, and where
 * weights were packed for the forward alone; of NF4 the codes' values are rounded there. */
static void weights_as_multiplied(const struct check *c, const struct stored *s, float *x, int64_t n)
{
	if (s->w.elem == ELEM_NF4 && c->forward)
		for (int64_t j = 0; j < n; j++)
			x[j] = to_bf16((float)nf4[nf4_code(s, j)]) * s->scale[j / KERNELS_NF4_BLOCK];
	else if (s->w.elem != ELEM_I8 || !(c->forward || c->k == kernels_cpu_named("amx", true)))
		as_multiplied(c, x, n);
}

static void store_i8(struct check *c, struct stored *s, int64_t o, int64_t i)
{
	s->bytes = mem_alloc((size_t)(o * i));
	s->scale = floats(c, o);
	for (int64_t j = 0; j < o; j++)
		s->scale[j] /= 127;
	for (int64_t j = 0; j < o * i; j++) {
		s->bytes[j] = (uint8_t)below(c, 256);
		s->values[j] = (float)(int8_t)s->bytes[j] * s->scale[j / i];
	}
}

static void store_nf4(struct check *c, struct stored *s, int64_t o, int64_t i)
{
	s->bytes = mem_alloc((size_t)(o * i / 2));
	s->scale = floats(c, o * i / KERNELS_NF4_BLOCK);
	for (int64_t j = 0; j < o * i / 2; j++)
		s->bytes[j] = (uint8_t)below(c, 256);
	for (int64_t j = 0; j < o * i; j++)
		s->values[j] = (float)nf4[nf4_code(s, j)] * s->scale[j / KERNELS_NF4_BLOCK];
}

struct stored random_weights(struct check *c, int64_t o, int64_t i)
{
	return weights_of(c, (enum elem)below(c, i % KERNELS_NF4_BLOCK ? 3 : 4), o, i);
}

struct stored weights_of(struct check *c, enum elem elem, int64_t o, int64_t i)
{
	struct stored s = {.w.elem = elem, .values = floats(c, o * i)};

	if (s.w.elem == ELEM_BF16) {
		s.bytes = mem_alloc((size_t)(o * i) * 2);
		for (int64_t j = 0; j < o * i; j++) {
			s.values[j] = to_bf16(s.values[j]);
			memcpy(s.bytes + 2 * j, (const char *)&s.values[j] + 2, 2); /* the upper half: little-endian, as the files are */
		}
	} else if (s.w.elem == ELEM_I8) {
		store_i8(c, &s, o, i);
	} else if (s.w.elem == ELEM_NF4) {
		store_nf4(c, &s, o, i);
	}
	s.w.data = s.w.elem == ELEM_F32 ? (void *)s.values : s.bytes;
	s.w.scale = s.scale;
	return s;
}

void stored_free(struct stored *s)
{
	mem_free(s->values), mem_free(s->bytes), mem_free(s->scale);
}

/* want[m, n] (+)= a b over k, with element strides. */
static void ref_mul(double *want, const float *a, int64_t ai, int64_t ak, const float *b, int64_t bk, int64_t bj, int64_t m,
		    int64_t n, int64_t k)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++)
			for (int64_t p = 0; p < k; p++)
				want[i * n + j] += (double)a[i * ai + p * ak] * b[p * bk + j * bj];
}

/* A third of the shapes have one size of some hundreds, past every block of rows, columns or depth. */
static void random_shape(struct check *c, int64_t s[3])
{
	for (int i = 0; i < 3; i++)
		s[i] = size(c, 150);
	if (below(c, 3) == 0)
		s[below(c, 3)] = below(c, 1400);
	if (below(c, 4) == 0)
		s[2] = s[2] / 64 * 64;
	if (below(c, 8) == 0)           /* rows of whole tiles, which are read where they lie */
		s[0] = 513 + below(c, 300), s[1] = s[1] / 32 * 32, s[2] = s[2] / 32 * 32;
}

/* which: 0 matmul, 1 matmul_dx, 2 matmul_dw, 3 matmul_float, whose bias is what acc is in the others */
static void check_product(struct check *c, int which)
{
	int64_t shape[3], n, o, i, acc = which == 2 || below(c, 2), rows, cols, depth;
	float *x, *dy, *xm, *dym, *wm, *b, *first = NULL;
	struct stored w;

	random_shape(c, shape);
	n = shape[0], o = shape[1], i = shape[2];
	rows = which == 2 ? o : n, cols = which == 0 || which == 3 ? o : i, depth = which == 1 ? o : which == 2 ? n : i;
	x = values(c, n * i), dy = values(c, n * o), w = random_weights(c, o, i);
	xm = copy_of(x, n * i), dym = copy_of(dy, n * o), wm = copy_of(w.values, o * i);
	as_multiplied(c, xm, n * i), as_multiplied(c, dym, n * o);
	if (which == 0 || which == 3)
		weights_as_multiplied(c, &w, wm, o * i);
	else
		as_multiplied(c, wm, o * i);
	b = floats(c, o);
	for (int64_t j = 0; which == 3 && j < n * o; j++) /* dy is then the bias of each row */
		dy[j] = b[j % o];
	for (int p = 0; p < 2; p++) {
		const float *start = which == 0 || which == 3 ? dy : which == 1 ? x : w.values;
		float *y = acc ? copy_of(start, rows * cols) : junk(rows * cols);
		double *want = p ? NULL : doubles(acc ? start : NULL, rows * cols);

		if (which == 0)
			c->k->matmul(c->pools[p], out(c, y, n * o), in(c, x, n * i), w.w, n, o, i, (int)acc);
		else if (which == 1)
			c->k->matmul_dx(c->pools[p], out(c, y, n * i), in(c, dy, n * o), w.w, n, o, i, (int)acc);
		else if (which == 2)
			c->k->matmul_dw(c->pools[p], y, in(c, dy, n * o), in(c, x, n * i), n, o, i);
		else
			c->k->matmul_float(c->pools[p], y, in(c, x, n * i), w.w, acc ? b : NULL, n, o, i);
		done(c);
		if (p) {
			expect_same(c, "product, 3 threads", y, first, rows * cols);
			mem_free(first), mem_free(y);
			break;
		}
		if (which == 0 || which == 3)
			ref_mul(want, xm, i, 1, wm, 1, i, n, o, i);
		else if (which == 1)
			ref_mul(want, dym, o, 1, wm, i, 1, n, i, o);
		else
			ref_mul(want, dym, 1, o, xm, i, 1, o, i, n);
		(which < 2 ? expect_acts : expect)(c, "product", y, want, rows * cols, 4 + sqrt((double)depth));
		mem_free(want);
		first = y;
	}
	mem_free(x), mem_free(dy), mem_free(xm), mem_free(dym), mem_free(wm), mem_free(b), stored_free(&w);
}

static void check_matmul(struct check *c) { check_product(c, 0); }
static void check_matmul_dx(struct check *c) { check_product(c, 1); }
static void check_matmul_dw(struct check *c) { check_product(c, 2); }
static void check_matmul_float(struct check *c) { check_product(c, 3); }

/* With a bias that the table's type holds, and another matrix. */
static void check_matmul_add(struct check *c)
{
	int64_t n = size1(c, 40), o = size1(c, 150), i = size1(c, 200);
	bool bias = below(c, 3), rest = below(c, 3), in_place = rest && below(c, 2);
	float *x = values(c, n * i), *r = values(c, n * o), *b = values(c, o), *wm, *xm = copy_of(x, n * i), *y[2];
	struct stored w = random_weights(c, o, i);
	double *want = doubles(rest ? r : NULL, n * o);

	wm = copy_of(w.values, o * i);
	as_multiplied(c, xm, n * i), weights_as_multiplied(c, &w, wm, o * i);
	for (int64_t j = 0; bias && j < n * o; j++)
		want[j] += b[j % o];
	ref_mul(want, xm, i, 1, wm, 1, i, n, o, i);
	for (int p = 0; p < 2; p++) {
		act *to;

		y[p] = in_place ? copy_of(r, n * o) : junk(n * o);
		to = out(c, y[p], n * o);
		c->k->matmul_add(c->pools[p], to, in(c, x, n * i), w.w, bias ? b : NULL, !rest ? NULL : in_place ? to : in(c, r, n * o), n, o, i);
		done(c);
		expect_acts(c, "sum", y[p], want, n * o, (c->half && c->k->host_access ? BF16_EPS : 0) + 4 + sqrt((double)i));
	}
	expect_same(c, "sum, 3 threads", y[1], y[0], n * o);
	for (int p = 0; p < 2; p++)
		mem_free(y[p]);
	mem_free(x), mem_free(r), mem_free(b), mem_free(wm), mem_free(xm), mem_free(want), stored_free(&w);
}

/* A row of a product is the same to the bit whichever rows share the call. */
static void check_matmul_rows(struct check *c)
{
	bool most = below(c, 8) == 0;   /* rows that are packed at once for all columns, and of k */
	int64_t n = most ? 512 - below(c, 32) : 1 + (below(c, 3) ? size(c, 70) : below(c, 900)), o = size1(c, 150);
	int64_t i = most ? 384 - below(c, 32) : size1(c, 600);
	int64_t from = below(c, n), m = 1 + below(c, below(c, 2) && n - from > 6 ? 6 : n - from);
	float *x = values(c, n * i), *all = junk(n * o), *part = junk(m * o);
	struct stored w = random_weights(c, o, i);

	c->k->matmul(c->pools[1], out(c, all, n * o), in(c, x, n * i), w.w, n, o, i, 0);
	c->k->matmul(c->pools[0], out(c, part, m * o), in(c, x + from * i, m * i), w.w, m, o, i, 0);
	done(c);
	expect_same(c, "rows alone", part, all + from * o, m * o);
	mem_free(x), mem_free(all), mem_free(part), stored_free(&w);
}

/* --- rows ------------------------------------------------------------------------------------------- */

static void check_gather(struct check *c)
{
	int64_t n = size(c, 300), m = size1(c, 100), w = size(c, 300);
	struct stored e = random_weights(c, m, w);
	float *x = values(c, m * w), *embedded = copy_of(e.values, m * w);
	int32_t *rows = indices(c, n, m);

	as_stored(c, embedded, m * w);
	for (int p = 0; p < 4; p++) {
		const float *from = p < 2 ? x : embedded;
		float *y = junk(n * w);

		if (p < 2)
			c->k->gather_rows(c->pools[p], out(c, y, n * w), in(c, x, m * w), rows, n, w);
		else
			c->k->embed(c->pools[p & 1], out(c, y, n * w), e.w, rows, n, w);
		done(c);
		for (int64_t i = 0; i < n; i++)
			expect_same(c, "row", y + i * w, from + rows[i] * w, w);
		mem_free(y);
	}
	stored_free(&e), mem_free(rows), mem_free(x), mem_free(embedded);
}

/* Floats to activations are rounded to the nearest even, where they are rounded; back, they are what they are. */
static void check_convert(struct check *c)
{
	int64_t n = size(c, 40000);
	float *x = floats(c, n), *y = junk(n), *back = junk(n);

	for (int64_t i = 0; i < n; i++)
		x[i] = (float)ldexp((double)x[i], (int)below(c, 40) - 20);
	for (int p = 0; p < 2; p++) {
		c->k->from_floats(c->pools[p], out(c, y, n), x, n);
		done(c);
		if (!p)
			as_stored(c, x, n);
		expect_same(c, "activations", y, x, n);
		c->k->to_floats(c->pools[p], back, in(c, y, n), n);
		done(c);
		expect_same(c, "floats", back, y, n);
	}
	mem_free(x), mem_free(y), mem_free(back);
}

static void check_embed_dw(struct check *c)
{
	int64_t n = size(c, 300), v = size1(c, 40), w = size(c, 300);
	float *dy = values(c, n * w), *dw = floats(c, v * w), *got[2];
	double *want = doubles(dw, v * w);
	int32_t *ids = indices(c, n, v);

	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < w; j++)
			want[ids[i] * w + j] += dy[i * w + j];
	for (int p = 0; p < 2; p++) {
		got[p] = copy_of(dw, v * w);
		c->k->embed_dw(c->pools[p], got[p], in(c, dy, n * w), ids, n, w, v);
		done(c);
		expect(c, "dW", got[p], want, v * w, 4 + sqrt((double)n));
	}
	expect_same(c, "dW, 3 threads", got[1], got[0], v * w);
	mem_free(dy), mem_free(dw), mem_free(got[0]), mem_free(got[1]), mem_free(want), mem_free(ids);
}

static void check_rope(struct check *c)
{
	int h = (int)size1(c, 6), hkv = (int)size1(c, 3), half = (int)size1(c, 40), d = 2 * half + (int)(below(c, 2) * below(c, 30));
	int64_t n = size(c, 100), ld = (int64_t)(h + 2 * hkv) * d, positions = 50;
	float *x = values(c, n * ld), *cs = floats(c, positions * half), *sn = floats(c, positions * half), *y[2];
	int32_t *pos = indices(c, n, positions);
	double *want = doubles(x, n * ld);
	int sign = below(c, 2) ? 1 : -1;

	for (int64_t i = 0; i < n; i++)
		for (int k = 0; k < h + hkv; k++)
			for (int j = 0; j < half; j++) {
				double *a = want + i * ld + k * d + j, b = a[half], co = cs[pos[i] * half + j];
				double si = sign * (double)sn[pos[i] * half + j], a0 = *a;

				a[0] = a0 * co - b * si;
				a[half] = b * co + a0 * si;
			}
	for (int p = 0; p < 2; p++) {
		y[p] = copy_of(x, n * ld);
		c->k->rope(c->pools[p], out(c, y[p], n * ld), cs, sn, pos, n, h, hkv, d, 2 * half, sign);
		done(c);
		expect_acts(c, "qkv", y[p], want, n * ld, 4);
	}
	expect_same(c, "qkv, 3 threads", y[1], y[0], n * ld);
	mem_free(x), mem_free(cs), mem_free(sn), mem_free(pos), mem_free(want), mem_free(y[0]), mem_free(y[1]);
}

/* --- log-probabilities ----------------------------------------------------------------------------------- */

struct logprob_ref {
	double *x, *w, *dlogp, *dlse, *dmean;       /* the last two NULL: zeros */
	const int32_t *targets;
	int64_t n, c, v;
	double cap;
};

static double ref_logprob(const struct logprob_ref *r, int64_t i, double *lse, double *mean)
{
	double top = -INFINITY, sum = 0, at = 0;

	*mean = 0;
	for (int64_t j = 0; j < r->v; j++) {
		double z = dot(r->x + i * r->c, r->w + j * r->c, r->c);

		z = r->cap > 0 ? r->cap * tanh(z / r->cap) : z;
		sum = z > top ? sum * exp(top - z) + 1 : sum + exp(z - top);
		top = fmax(top, z);
		*mean += z / (double)r->v;
		at = j == r->targets[i] ? z : at;
	}
	*lse = top + log(sum);
	return at - *lse;
}

/* Checks what logprob says of targets whose logit is not within a rounding of another's. */
static void expect_greedy(struct check *c, const struct logprob_ref *r, const bool *greedy)
{
	for (int64_t i = 0; i < r->n; i++) {
		double best = -INFINITY, at = 0, got = greedy[i] ? 1 : 0, want;
		float told = (float)got;

		if (r->targets[i] < 0)
			continue;
		for (int64_t j = 0; j < r->v; j++) {
			double z = dot(r->x + i * r->c, r->w + j * r->c, r->c);

			if (j == r->targets[i])
				at = z;
			else
				best = z > best ? z : best;
		}
		want = at > best;
		if (fabs(at - best) > 1e-3 * (1 + fabs(at)))
			expect(c, "greedy", &told, &want, 1, 20);
	}
}

static double logprob_loss(const void *arg)
{
	const struct logprob_ref *r = arg;
	double sum = 0, lse, mean;

	for (int64_t i = 0; i < r->n; i++)
		if (r->targets[i] >= 0) {
			sum += r->dlogp[i] * ref_logprob(r, i, &lse, &mean);
			sum += (r->dlse ? r->dlse[i] * lse : 0) + (r->dmean ? r->dmean[i] * mean : 0);
		}
	return sum;
}

static struct logprob_ref logprob_ref_of(struct check *c, const float *x, const struct stored *e,
					 const struct logprob_grad *d, const int32_t *targets, int64_t n, int64_t w, int64_t v, double cap)
{
	float *xm = copy_of(x, n * w), *em = copy_of(e->values, v * w);
	struct logprob_ref r = {.dlogp = d ? doubles(d->logp, n) : NULL, .dlse = d && d->lse ? doubles(d->lse, n) : NULL,
				.dmean = d && d->mean ? doubles(d->mean, n) : NULL, .targets = targets, .n = n, .c = w, .v = v,
				.cap = cap};

	as_multiplied(c, xm, n * w), weights_as_multiplied(c, e, em, v * w);
	r.x = doubles(xm, n * w), r.w = doubles(em, v * w);
	mem_free(xm), mem_free(em);
	return r;
}

static int32_t *random_targets(struct check *c, int64_t n, int64_t v)
{
	int32_t *t = indices(c, n, v);
	bool some = below(c, 4) > 0;

	for (int64_t i = 0; i < n; i++)
		if (!some || below(c, 3) == 0)
			t[i] = -1 - (int32_t)below(c, 2) * 99;
	return t;
}

static void check_logprob(struct check *c)
{
	bool large = below(c, 4) == 0, with_mean = below(c, 2);      /* large: more rows than a chunk has */
	int64_t n = large ? 1100 : size(c, 60), w = large ? 5 : size1(c, 90), v = size1(c, large ? 30 : 2500);
	int64_t words = c->k->logprob_scratch(n, w, v);
	float *x = values(c, n * w), *logp[2], *lse[2], *mean[2];
	int32_t *targets = random_targets(c, n, v);
	struct stored e = random_weights(c, v, w);
	struct logprob_ref r = logprob_ref_of(c, x, &e, NULL, targets, n, w, v, below(c, 2) ? 3 : 0);
	double *want = doubles(NULL, n), *want_lse = doubles(NULL, n), *want_mean = doubles(NULL, n);

	for (int64_t i = 0; i < n; i++)
		if (targets[i] >= 0)
			want[i] = ref_logprob(&r, i, &want_lse[i], &want_mean[i]);
	for (int p = 0; p < 2; p++) {
		float *scratch = junk(words);

		bool *greedy = mem_array((size_t)n + 1, sizeof(*greedy));

		logp[p] = junk(n), lse[p] = junk(n), mean[p] = junk(n);
		c->k->logprob(c->pools[p], logp[p], lse[p], with_mean ? mean[p] : NULL, p ? greedy : NULL, in(c, x, n * w), e.w, targets, scratch, n, w, v, (float)r.cap);
		done(c);
		expect(c, "logp", logp[p], want, n, 20);
		expect(c, "lse", lse[p], want_lse, n, 20);
		if (with_mean)
			expect(c, "mean", mean[p], want_mean, n, 20);
		if (p)
			expect_greedy(c, &r, greedy);
		mem_free(scratch), mem_free(greedy);
	}
	expect_same(c, "logp, 3 threads", logp[1], logp[0], n);
	expect_same(c, "mean, 3 threads", mean[1], mean[0], n);
	for (int p = 0; p < 2; p++)
		mem_free(logp[p]), mem_free(lse[p]), mem_free(mean[p]);
	mem_free(x), stored_free(&e), mem_free(targets), mem_free(r.x), mem_free(r.w), mem_free(want), mem_free(want_lse);
	mem_free(want_mean);
}

static void check_logprob_dx(struct check *c)
{
	bool large = below(c, 4) == 0;
	int64_t n = large ? 1100 : size(c, 60), w = large ? 5 : size1(c, 60), v = size1(c, large ? 30 : 200), terms = below(c, 4);
	float *x = values(c, n * w), *d = floats(c, n), *lse = junk(n), *logp = below(c, 2) ? junk(n) : NULL, *dx[2], *dw[2];
	float *dlse = floats(c, n), *dmean = floats(c, n);
	int32_t *targets = random_targets(c, n, v);
	struct logprob_grad grad = {d, terms & 1 ? dlse : NULL, terms & 2 ? dmean : NULL};
	struct stored e = random_weights(c, v, w);
	struct logprob_ref r = logprob_ref_of(c, x, &e, &grad, targets, n, w, v, below(c, 2) ? 3 : 0);
	double eps = c->half ? BF16_EPS : 60, *want = doubles(NULL, n), *want_lse = doubles(NULL, n);

	for (int64_t i = 0; i < n; i++) {
		double z, mean, p = ref_logprob(&r, i, &z, &mean);

		if (!logp)
			lse[i] = (float)z;
		if (targets[i] >= 0)
			want[i] = p, want_lse[i] = z;
	}
	for (int p = 0; p < 2; p++) {
		float *scratch = junk(c->k->logprob_scratch(n, w, v));

		dx[p] = junk(n * w), dw[p] = mem_zalloc((size_t)(v * w) * sizeof **dw);
		c->k->logprob_dx(c->pools[p], out(c, dx[p], n * w), dw[p], &grad, in(c, x, n * w), e.w, logp, lse, targets, scratch, n, w, v, (float)r.cap);
		done(c);
		if (logp)
			expect(c, "logp", logp, want, n, 20), expect(c, "lse", lse, want_lse, n, 20);
		mem_free(scratch);
	}
	expect_gradient_acts(c, "dX", dx[0], r.x, n * w, logprob_loss, &r, 1, eps);
	expect_gradient(c, "dW", dw[0], r.w, v * w, logprob_loss, &r, 1, eps);
	expect_same(c, "dX, 3 threads", dx[1], dx[0], n * w);
	expect_same(c, "dW, 3 threads", dw[1], dw[0], v * w);
	for (int p = 0; p < 2; p++)
		mem_free(dx[p]), mem_free(dw[p]);
	mem_free(x), stored_free(&e), mem_free(d), mem_free(dlse), mem_free(dmean), mem_free(lse), mem_free(targets);
	mem_free(r.x), mem_free(r.w), mem_free(r.dlogp), mem_free(r.dlse), mem_free(r.dmean), mem_free(logp), mem_free(want), mem_free(want_lse);
}

/* --- noise ------------------------------------------------------------------------------------------ */

/* A number depends on its row's key and its column alone, stays within the size, and is even and without a mean. */
static void check_noise(struct check *c)
{
	int64_t n = size1(c, 40), w = size1(c, 300), from = below(c, n);
	float *x = values(c, n * w), *scale = floats(c, n), *all[2], *one = copy_of(x + from * w, w);
	uint64_t *key = mem_array((size_t)n, sizeof *key);
	double sum = 0, squares = 0;

	for (int64_t i = 0; i < n; i++)
		key[i] = rng_u64(&c->rng);
	for (int p = 0; p < 2; p++) {
		all[p] = copy_of(x, n * w);
		c->k->noise(c->pools[p], out(c, all[p], n * w), scale, key, 7, n, w);
		done(c);
	}
	c->k->noise(c->pools[0], out(c, one, w), scale + from, key + from, 7, 1, w);
	done(c);
	expect_same(c, "row alone", one, all[0] + from * w, w);
	expect_same(c, "3 threads", all[1], all[0], n * w);
	for (int64_t i = 0; i < n * w; i++) {
		double u = ((double)all[0][i] - x[i]) / scale[i / w];

		if (fabs((double)all[0][i] - x[i]) > fabs(scale[i / w]) + 1e-6 + act_rounding(c) * 2)
			fail(c, "beyond the size", i, all[0][i] - x[i], scale[i / w]);
		sum += u, squares += u * u;
	}
	/* Deviations of the mean: sqrt(1/3 / n); of the mean square, 4/45 being its variance. Five of them. */
	if (n * w > 1000 && !(fabs(sum) < 5 * sqrt((double)(n * w) / 3) && fabs(squares - (double)(n * w) / 3) < 5 * sqrt((double)(n * w) * 4 / 45)))
		fail(c, "moments", 0, sum, squares);
	mem_free(x), mem_free(scale), mem_free(all[0]), mem_free(all[1]), mem_free(one), mem_free(key);
}

/* --- the run -------------------------------------------------------------------------------------------------- */

/* All entries; those that differ in a table of bf16; of those, what takes weights that were packed for the forward alone. */
enum which { ALL, HALF, FORWARD };

static const struct entry {
	const char *name;
	void (*run)(struct check *c);
	int rounds;
	enum which which;
} entries[] = {
	{"memory", check_memory, 8, HALF},
	{"recorded work", check_record, 4, ALL},
	{"matmul", check_matmul, 80, FORWARD},
	{"matmul_dx", check_matmul_dx, 80, HALF},
	{"matmul_dw", check_matmul_dw, 80, HALF},
	{"matmul_float", check_matmul_float, 60, FORWARD},
	{"matmul_add", check_matmul_add, 40, FORWARD},
	{"matmul rows", check_matmul_rows, 80, FORWARD},
	{"matmul tiles", check_matmul_tiles, 8, FORWARD},
	{"matmul of columns", check_matmul_part, 60, FORWARD},
	{"packed weights", check_packed, 60, HALF},
	{"split products", check_split, 40, ALL},
	{"scale_columns", check_scale_columns, 20, HALF},
	{"dropout", check_dropout, 20, HALF},
	{"embed, gather_rows", check_gather, 30, FORWARD},
	{"from_floats, to_floats", check_convert, 20, HALF},
	{"embed_dw", check_embed_dw, 30, HALF},
	{"rmsnorm", check_rmsnorm, 40, HALF},
	{"rmsnorm_dx", check_rmsnorm_dx, 60, HALF},
	{"layernorm", check_layernorm, 40, HALF},
	{"layernorm_dx", check_layernorm_dx, 60, HALF},
	{"qk_norm", check_qk_norm, 40, HALF},
	{"qk_norm_dx", check_qk_norm_dx, 60, HALF},
	{"add_bias, add_rows", check_add, 40, HALF},
	{"bias_db", check_bias_db, 40, HALF},
	{"scale, soft_cap", check_scale, 40, HALF},
	{"rope", check_rope, 40, HALF},
	{"attention", check_attention, 20, HALF},
	{"attention_dqkv", check_attention_dqkv, 30, HALF},
	{"attention_cached", check_attention_cached, 13, HALF},
	{"swiglu", check_swiglu, 40, HALF},
	{"swiglu_dgu", check_swiglu_dgu, 40, HALF},
	{"geglu", check_geglu, 40, HALF},
	{"geglu_dgu", check_geglu_dgu, 40, HALF},
	{"gelu, gelu_dx", check_gelu, 40, HALF},
	{"logprob", check_logprob, 40, FORWARD},
	{"logits_sum", check_logits_sum, 40, FORWARD},
	{"logprob_dx", check_logprob_dx, 40, HALF},
	{"noise", check_noise, 20, HALF},
	{"sample", check_sample, 30, ALL},
	{"take_ids", check_take_ids, 10, ALL},
	{"adamw", check_adamw, 10, ALL},
	{"adamw8", check_adamw8, 10, ALL},
	{"lion", check_lion, 10, ALL},
	{"sgd", check_sgd, 20, ALL},
	{"grad_norm", check_grad_norm, 10, ALL},
};

static struct tally { int passed, failed; } tally;

static void check_table(const struct kernels *k, const char *name, const char *type, bool half, enum which which, struct pool *pool)
{
	int most = getenv("CHECK_ROUNDS") ? atoi(getenv("CHECK_ROUNDS")) : INT_MAX;

	for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
		struct check c = {.k = k, .half = half, .forward = which == FORWARD, .pools = {NULL, pool}};
		double start = clock_seconds();

		if (entries[e].which < which)
			continue;
		for (int r = 0; r < entries[e].rounds && r < most && !c.failed; r++) {
			c.rng = rng_open(20261120, (uint64_t)r);
			entries[e].run(&c);
		}
		printf("%-4s %-10s %-9s %-20s %4.0f %% of its tolerance, %.2f s%s%s\n", c.failed ? "FAIL" : "ok", name, type, entries[e].name,
		       100 * c.worst, clock_seconds() - start, c.failed ? ": " : "", c.what);
		c.failed ? tally.failed++ : tally.passed++;
	}
}

static void check_cpu(struct pool *pool)
{
	static const char *const isas[] = {"plain", "avx2", "avx512", "avx512bf16", "amx"};

	for (int i = 0; i < 10; i++) {
		const struct kernels *k = kernels_cpu_named(isas[i / 2], i % 2);

		if (k)
			check_table(k, isas[i / 2], i % 2 ? "bf16" : "f32", i % 2, i % 2 ? HALF : ALL, pool);
	}
}

/* cuda, cuda:N or emulated. A GPU that is not there is a skip, which the program says, and no failure. */
static int check_device(const char *name, struct pool *pool)
{
	bool emulated = !strcmp(name, "emulated");
	int number = strncmp(name, "cuda:", 5) ? 0 : atoi(name + 5);
	struct error err = {""};
	kernels_cuda_open_fn *open = device_opener(emulated, err.text, sizeof err.text);

	for (int half = 0; half < 2; half++) {
		const struct kernels *k = open ? open(number, half, &err) : NULL;

		if (!k && emulated) {
			printf("FAIL emulated: %s\n", err.text);
			return 1;
		} else if (!k) {
			printf("skipped: %s\n", err.text);
			return 0;
		}
		if (k->abi != KERNELS_ABI) {
			printf("FAIL %s: of another build\n", name);
			return 1;
		}
		check_table(device_on_host(k, false), name, half ? "bf16" : "f32", half, ALL, pool);
		if (half)
			check_table(device_on_host(k, true), name, "only used", half, FORWARD, pool);
		if (!emulated)
			bench_device(k);
	}
	printf("bits %016llx\n", (unsigned long long)device_digest());
	return 0;
}

int main(int argc, char **argv)
{
	bool device = argc == 3 && !strcmp(argv[1], "--device");
	struct pool *pool = pool_open(3);
	int bad = 0;

	if (argc != 1 && !device) {
		fprintf(stderr, "usage: kernels-check [--device cuda|cuda:N|emulated]\n");
		return 2;
	}
	if (device)
		bad = check_device(argv[2], pool);
	else
		check_cpu(pool);
	pool_close(pool);
	printf("%d passed, %d failed\n", tally.passed, tally.failed);
	return tally.failed || bad ? 1 : 0;
}
