/* check_adapter.c - the entries that adapters add: products of some columns, dropout; see check.c. */
#include "check.h"

#include <math.h>

/* Columns [from, from + c) of rows that are ld apart. */
struct view {
	float *all;
	int64_t n, ld, from, c;
};

static struct view view_of(struct check *c, const float *x, int64_t n, int64_t cols)
{
	struct view v = {.n = n, .from = below(c, 20), .c = cols};

	v.ld = v.from + cols + below(c, 20);
	v.all = junk(n * v.ld);
	for (int64_t i = 0; i < n && x; i++)
		for (int64_t j = 0; j < cols; j++)
			v.all[i * v.ld + v.from + j] = x[i * cols + j];
	return v;
}

static float *start(const struct view *v) { return v->all + v->from; }
static act *in_view(struct check *c, const struct view *v) { return act_at(c->k, in(c, v->all, v->n * v->ld), v->from); }
static act *out_view(struct check *c, const struct view *v) { return act_at(c->k, out(c, v->all, v->n * v->ld), v->from); }

/* The view holds x, and what is around it is as it was: NaN. */
static void expect_view(struct check *c, const char *name, const struct view *v, const float *x)
{
	for (int64_t i = 0; i < v->n; i++) {
		expect_same(c, name, start(v) + i * v->ld, x + i * v->c, v->c);
		for (int64_t j = 0; j < v->ld; j++)
			if ((j < v->from || j >= v->from + v->c) && !isnan(v->all[i * v->ld + j]))
				fail(c, "beside the columns", i, v->all[i * v->ld + j], NAN);
	}
}

/* To the bit what the product of whole matrices is, which is checked for itself. */
void check_matmul_part(struct check *c)
{
	int64_t n = size(c, 70), o = size(c, 90), i = size(c, 130), acc = below(c, 2);
	float *x = values(c, n * i), *dy = values(c, n * o), *w = floats(c, o * i), *dw = floats(c, o * i), *dw_part = copy_of(dw, o * i);
	float *y = acc ? copy_of(dy, n * o) : junk(n * o), *dx = acc ? copy_of(x, n * i) : junk(n * i);
	struct view vx = view_of(c, x, n, i), vdy = view_of(c, dy, n, o);
	struct view vy = view_of(c, acc ? dy : NULL, n, o), vdx = view_of(c, acc ? x : NULL, n, i);

	c->k->matmul(c->pools[0], out(c, y, n * o), in(c, x, n * i), weights_f32(w), n, o, i, (int)acc);
	c->k->matmul_part(c->pools[1], out_view(c, &vy), vy.ld, in_view(c, &vx), vx.ld, weights_f32(w), n, o, i, (int)acc);
	done(c);
	expect_view(c, "y", &vy, y);
	c->k->matmul_dx(c->pools[0], out(c, dx, n * i), in(c, dy, n * o), weights_f32(w), n, o, i, (int)acc);
	c->k->matmul_dx_part(c->pools[1], out_view(c, &vdx), vdx.ld, in_view(c, &vdy), vdy.ld, weights_f32(w), n, o, i, (int)acc);
	done(c);
	expect_view(c, "dx", &vdx, dx);
	c->k->matmul_dw(c->pools[0], dw, in(c, dy, n * o), in(c, x, n * i), n, o, i);
	c->k->matmul_dw_part(c->pools[1], dw_part, in_view(c, &vdy), vdy.ld, in_view(c, &vx), vx.ld, n, o, i);
	done(c);
	expect_same(c, "dw", dw_part, dw, o * i);
	mem_free(x), mem_free(dy), mem_free(w), mem_free(dw), mem_free(dw_part), mem_free(y), mem_free(dx);
	mem_free(vx.all), mem_free(vdy.all), mem_free(vy.all), mem_free(vdx.all);
}

void check_scale_columns(struct check *c)
{
	int64_t n = size(c, 300), w = size(c, 90);
	float *x = values(c, n * w);
	struct view v = view_of(c, x, n, w);

	c->k->scale_columns(c->pools[1], out_view(c, &v), v.ld, n, w, -0.75f);
	done(c);
	for (int64_t i = 0; i < n * w; i++)
		x[i] *= -0.75f;
	as_stored(c, x, n * w);
	expect_view(c, "columns", &v, x);
	mem_free(x), mem_free(v.all);
}

/* What becomes of an element depends on its row's key and its column alone; it is kept, times 1/(1-p), or dropped, as often as p says;
 * and the same is dropped when it is added. */
void check_dropout(struct check *c)
{
	int64_t n = size1(c, 40), w = size1(c, 300), from = below(c, n), dropped = 0;
	float *x = values(c, n * w), *all[2], *one = junk(w), *sum = copy_of(x, n * w), p = (float)below(c, 10) / 10;
	uint64_t *key = mem_array((size_t)n, sizeof *key);

	for (int64_t i = 0; i < n; i++)
		key[i] = rng_u64(&c->rng);
	for (int k = 0; k < 2; k++) {
		all[k] = junk(n * w);
		c->k->dropout(c->pools[k], out(c, all[k], n * w), in(c, x, n * w), key, 7, p, n, w, 0);
		done(c);
	}
	c->k->dropout(c->pools[0], out(c, one, w), in(c, x + from * w, w), key + from, 7, p, 1, w, 0);
	done(c);
	c->k->dropout(c->pools[1], out(c, sum, n * w), in(c, x, n * w), key, 7, p, n, w, 1);
	done(c);
	expect_same(c, "row alone", one, all[0] + from * w, w);
	expect_same(c, "3 threads", all[1], all[0], n * w);
	for (int64_t i = 0; i < n * w; i++) {
		dropped += all[0][i] == 0;
		if (all[0][i] != 0 && fabs((double)all[0][i] * (1 - (double)p) - x[i]) > 1e-6 + act_rounding(c) * fabs((double)x[i]))
			fail(c, "kept", i, all[0][i], x[i] / (1 - (double)p));
		/* Added before it is rounded. */
		if (!(fabs((double)sum[i] - (x[i] + all[0][i])) <= act_rounding(c) * (fabs((double)sum[i]) + fabs((double)all[0][i]))))
			fail(c, "added", i, sum[i], x[i] + all[0][i]);
	}
	if (fabs((double)dropped - (double)p * (double)(n * w)) > 5 * sqrt((double)(n * w)) / 2 + 1)
		fail(c, "how many", 0, (double)dropped, (double)p * (double)(n * w));
	mem_free(x), mem_free(all[0]), mem_free(all[1]), mem_free(one), mem_free(sum), mem_free(key);
}
