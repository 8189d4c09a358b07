/* check_attention.c - the entries of attention against a softmax over all keys in double: empty sequences, windows, caps, groups of heads,
 * heads that a device has its fast kernels for and others, keys in pages that stand anywhere. */
#include "check.h"

#include <math.h>

struct att_ref {
	double *qkv, *d_o;           /* d_o: the upstream gradient of the loss */
	const double *rest;          /* qkv before one element of it was moved */
	const int32_t *cu;
	int64_t s, n, ld;
	int h, hkv, d;
	struct heads heads;          /* the same, with window, scale and cap */
};

/* One query's weights over the keys [first, i], 0 before the window; the log-sum-exp. */
static double ref_weights(const struct att_ref *r, int64_t first, int64_t i, int head, double *w)
{
	const double *q = r->qkv + i * r->ld + head * r->d;
	int kv = head / (r->h / r->hkv);
	double top = -INFINITY, sum = 0;

	for (int64_t j = first; j <= i; j++) {
		w[j - first] = dot(q, r->qkv + j * r->ld + (int64_t)(r->h + kv) * r->d, r->d) * (double)r->heads.scale;
		if (r->heads.cap > 0)
			w[j - first] = tanh(w[j - first] / r->heads.cap) * r->heads.cap;
		if (r->heads.window > 0 && j <= i - r->heads.window)
			w[j - first] = -INFINITY;
		top = w[j - first] > top ? w[j - first] : top;
	}
	for (int64_t j = first; j <= i; j++)
		sum += w[j - first] = exp(w[j - first] - top);
	for (int64_t j = first; j <= i; j++)
		w[j - first] /= sum;
	return top + log(sum);
}

/* Its o; the log-sum-exp. w: room for r->n weights. */
static double ref_query(const struct att_ref *r, int64_t first, int64_t i, int head, double *w, double *o)
{
	double lse = ref_weights(r, first, i, head, w);

	memset(o, 0, (size_t)r->d * sizeof *o);
	for (int64_t j = first; j <= i; j++)
		for (int k = 0; k < r->d; k++)
			o[k] += w[j - first] * r->qkv[j * r->ld + (int64_t)(r->h + r->hkv + head / (r->h / r->hkv)) * r->d + k];
	return lse;
}

static void ref_attention(const struct att_ref *r, double *o, double *lse)
{
	double *w = mem_array((size_t)r->n + 1, sizeof *w);

	for (int64_t s = 0; s < r->s; s++)
		for (int64_t i = r->cu[s]; i < r->cu[s + 1]; i++)
			for (int h = 0; h < r->h; h++)
				lse[i * r->h + h] = ref_query(r, r->cu[s], i, h, w, o + (i * r->h + h) * r->d);
	mem_free(w);
}

/* What of dot(o, d_o) depends on the element that was moved: its own query, or those of its group that see its key or value. */
static double att_loss(const void *arg)
{
	const struct att_ref *r = arg;
	double *w = mem_array((size_t)(r->n + r->d), sizeof *w), *o = w + r->n, sum = 0;
	int64_t at = 0, row, s = 0;
	int head, group = r->h / r->hkv;

	while (r->qkv[at] == r->rest[at])
		at++;
	row = at / r->ld, head = (int)(at % r->ld / r->d);
	while (r->cu[s + 1] <= row)
		s++;
	if (head < r->h) {
		ref_query(r, r->cu[s], row, head, w, o);
		sum = dot(o, r->d_o + (row * r->h + head) * r->d, r->d);
	}
	for (int h = (head - r->h) % r->hkv * group, end = h + group; head >= r->h && h < end; h++)
		for (int64_t i = row; i < r->cu[s + 1]; i++) {
			ref_query(r, r->cu[s], i, h, w, o);
			sum += dot(o, r->d_o + (i * r->h + h) * r->d, r->d);
		}
	mem_free(w);
	return sum;
}

/* Random sequences, some of them empty; *cu is mem_free'd by the caller. may_be_long: some sequences are longer than the blocks of
 * queries and keys that are taken together, of small heads. usual: heads of a size that models have, 8 to 256. */
static struct att_ref random_attention(struct check *c, int64_t longest, bool may_be_long, bool usual, int32_t **cu)
{
	bool is_long = may_be_long && below(c, 10) == 0, is_wide = usual && !is_long && below(c, 4) == 0;
	struct att_ref r = {.s = size(c, 12), .hkv = (int)size1(c, is_long || is_wide ? 1 : 3)};

	if (r.s > 12 || is_long || below(c, 2))
		r.s = below(c, 3);
	longest = is_long ? 700 : is_wide ? 80 : longest;
	r.d = is_wide ? 8 * (int)(10 + below(c, 23)) : usual ? 8 * (int)(1 + below(c, is_long ? 1 : 9)) : (int)size1(c, is_long ? 6 : 70);
	r.h = r.hkv * (int)(1 + below(c, 4));
	*cu = mem_array((size_t)r.s + 1, sizeof **cu);
	for (int64_t i = 0; i < r.s; i++)
		(*cu)[i + 1] = (*cu)[i] + (int32_t)size(c, r.s < 3 ? longest : longest / 6);
	r.cu = *cu;
	r.n = (*cu)[r.s];
	r.ld = (int64_t)(r.h + 2 * r.hkv) * r.d;
	r.heads = (struct heads){.h = r.h, .hkv = r.hkv, .d = r.d, .scale = 1 / sqrtf((float)r.d)};
	if (below(c, 2))
		r.heads.window = 1 + (int)below(c, below(c, 2) ? 20 : 150);
	if (below(c, 3) == 0)
		r.heads.cap = below(c, 2) ? 0.5f : 20, r.heads.scale = 0.3f;
	return r;
}

static void attention_of(struct check *c, bool usual)
{
	int32_t *cu;
	struct att_ref r = random_attention(c, 200, true, usual, &cu);
	int64_t no = r.n * r.h * r.d;
	float *qkv = floats(c, r.n * r.ld), *o[2], *lse[2];
	double *want_o = doubles(NULL, no), *want_lse = doubles(NULL, r.n * r.h);

	for (int64_t i = 0; i < r.n * r.ld; i++)
		qkv[i] *= 3;
	as_multiplied(c, qkv, r.n * r.ld), as_stored(c, qkv, r.n * r.ld);
	r.qkv = doubles(qkv, r.n * r.ld);
	ref_attention(&r, want_o, want_lse);
	for (int p = 0; p < 2; p++) {
		o[p] = junk(no), lse[p] = junk(r.n * r.h);
		c->k->attention(c->pools[p], out(c, o[p], no), lse[p], in(c, qkv, r.n * r.ld), cu, r.s, r.heads);
		done(c);
		expect_acts(c, "o", o[p], want_o, no, c->half ? BF16_EPS : 80);
		expect(c, "lse", lse[p], want_lse, r.n * r.h, 20);
	}
	expect_same(c, "o, 3 threads", o[1], o[0], no);
	expect_same(c, "lse, 3 threads", lse[1], lse[0], r.n * r.h);
	for (int p = 0; p < 2; p++)
		mem_free(o[p]), mem_free(lse[p]);
	mem_free(qkv), mem_free(r.qkv), mem_free(want_o), mem_free(want_lse), mem_free(cu);
}

static void attention_dqkv_of(struct check *c, bool usual)
{
	int32_t *cu;
	struct att_ref r = random_attention(c, 150, true, usual, &cu);
	int64_t no = r.n * r.h * r.d;
	float *qkv = floats(c, r.n * r.ld), *d_o = floats(c, no), *dqkv[2], *o, *lse;
	double *ref_o = doubles(NULL, no), *ref_lse = doubles(NULL, r.n * r.h), *rest;

	as_multiplied(c, qkv, r.n * r.ld), as_multiplied(c, d_o, no), as_stored(c, qkv, r.n * r.ld), as_stored(c, d_o, no);
	r.qkv = doubles(qkv, r.n * r.ld), r.rest = rest = doubles(qkv, r.n * r.ld), r.d_o = doubles(d_o, no);
	ref_attention(&r, ref_o, ref_lse);
	o = junk(no), lse = junk(r.n * r.h);
	for (int64_t i = 0; i < no; i++)
		o[i] = (float)ref_o[i];
	as_stored(c, o, no);
	for (int64_t i = 0; i < r.n * r.h; i++)
		lse[i] = (float)ref_lse[i];
	for (int p = 0; p < 2; p++) {
		dqkv[p] = junk(r.n * r.ld);
		c->k->attention_dqkv(c->pools[p], out(c, dqkv[p], r.n * r.ld), in(c, d_o, no), in(c, o, no), lse, in(c, qkv, r.n * r.ld), cu,
				     r.s, r.heads);
		done(c);
	}
	expect_gradient_acts(c, "dqkv", dqkv[0], r.qkv, r.n * r.ld, att_loss, &r, 0.1, c->half ? BF16_EPS : 60);
	expect_same(c, "dqkv, 3 threads", dqkv[1], dqkv[0], r.n * r.ld);
	mem_free(dqkv[0]), mem_free(dqkv[1]), mem_free(o), mem_free(lse), mem_free(qkv), mem_free(d_o);
	mem_free(r.qkv), mem_free(rest), mem_free(r.d_o), mem_free(ref_o), mem_free(ref_lse), mem_free(cu);
}

/* Feeds each sequence in random pieces; the result must be that of the whole, to the bit. */
static void attention_cached_of(struct check *c, bool usual)
{
	int32_t *cu;
	struct att_ref r = random_attention(c, 150, false, usual, &cu);
	int64_t hd = (int64_t)r.h * r.d, width = 3, left = r.n, at = below(c, 2) * 64, page = 2 * (int64_t)r.hkv * r.d * KERNELS_KEY_BLOCK;
	float *qkv = values(c, r.n * r.ld), *whole = junk(r.n * hd), *lse = junk(r.n * r.h);
	act *pages = mem_alloc((size_t)((r.s + 1) * width * (at + page)) * c->k->elem_bytes);
	act **table = mem_array((size_t)(r.s * width) + 1, sizeof *table);
	int32_t *past = mem_array((size_t)r.s + 1, sizeof *past);
	int32_t *now = mem_array((size_t)r.s + 1, sizeof *now);

	memset(pages, 0xff, (size_t)((r.s + 1) * width * (at + page)) * c->k->elem_bytes);
	for (int64_t i = 0; i < r.s * width; i++) /* backwards, so that no page stands beside the next */
		table[i] = act_at(c->k, pages, (r.s * width - 1 - i) * (at + page));
	c->k->attention(c->pools[0], out(c, whole, r.n * hd), lse, in(c, qkv, r.n * r.ld), cu, r.s, r.heads);
	done(c);
	while (left > 0) {
		float *part = junk(r.n * r.ld), *o = junk(r.n * hd);
		bool single = true;

		for (int64_t i = 0; i < r.s; i++) {
			int64_t rest = cu[i + 1] - cu[i] - past[i], take = below(c, 2) ? (rest > 0) : below(c, rest + 1);

			now[i + 1] = now[i] + (int32_t)take;
			single &= take <= 1;
			memcpy(part + now[i] * r.ld, qkv + (cu[i] + past[i]) * r.ld, (size_t)(take * r.ld) * sizeof *part);
			for (int64_t j = 0; r.heads.window && (j + 1) * KERNELS_KEY_BLOCK <= past[i] + 1 - r.heads.window; j++)
				table[i * width + j] = NULL;
		}
		c->k->attention_cached(c->pools[below(c, 2)], out(c, o, r.n * hd), in(c, part, r.n * r.ld), (struct kv_pages){table, width, at, single && below(c, 2)},
				       past, now, r.s, r.heads);
		done(c);
		for (int64_t i = 0; i < r.s; i++) {
			int64_t took = now[i + 1] - now[i];

			expect_same(c, "o", o + now[i] * hd, whole + (cu[i] + past[i]) * hd, took * hd);
			past[i] += (int32_t)took;
			left -= took;
		}
		mem_free(part), mem_free(o);
	}
	mem_free(qkv), mem_free(whole), mem_free(lse), mem_free(pages), mem_free(table), mem_free(past), mem_free(now);
	mem_free(cu);
}

/* Heads of any size, and of sizes that models have, for which a device has kernels of their own. */
void check_attention(struct check *c) { attention_of(c, false), attention_of(c, true); }
void check_attention_dqkv(struct check *c) { attention_dqkv_of(c, below(c, c->half ? 4 : 2) > 0); }
void check_attention_cached(struct check *c) { attention_cached_of(c, false), attention_cached_of(c, true); }
