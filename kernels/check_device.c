/* check_device.c - a device's table for checks that know host memory only: each entry lends its buffers to the device, exactly as large as the
 * contract says, calls the device's, and takes back what may have been written. */
#include "check_device.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct kernels *dev;
static struct kernels table;

/* --- lending ---------------------------------------------------------------------------------------- */

#define LENT_MAX 64

static struct lent {
	void *host, *device;
	size_t bytes;
	bool out;
} lent[LENT_MAX];
static int n_lent;
static bool forward_alone;
static uint64_t digest = 0xcbf29ce484222325;         /* FNV-1a */

/* Room on the device until the buffers are taken back. */
static struct lent *lend_room(void *host, size_t bytes)
{
	struct lent *l = lent + n_lent;

	if (n_lent++ == LENT_MAX)
		abort();
	*l = (struct lent){host, dev->alloc(NULL, bytes), bytes, false};
	if (!l->device) {
		struct error err;

		fprintf(stderr, "kernels-check: the device has no %zu bytes: %s\n", bytes, dev->status(&err) == OK ? "out of memory" : err.text);
		exit(1);
	}
	return l;
}

/* The same buffer twice is lent once: entries may work in place. */
static void *lend(const void *host, size_t bytes, bool out)
{
	struct lent *l = lent;

	if (!host)
		return NULL;
	while (l < lent + n_lent && !(l->host == host && l->bytes == bytes))
		l++;
	if (l == lent + n_lent) {
		l = lend_room((void *)(uintptr_t)host, bytes);
		dev->upload(l->device, host, bytes);
	}
	l->out |= out;
	return l->device;
}

static void take_back(void)
{
	struct error err;

	for (struct lent *l = lent; l < lent + n_lent; l++) {
		if (l->out)
			dev->download(l->host, l->device, l->bytes);
		for (size_t i = 0; l->out && i < l->bytes; i++)
			digest = (digest ^ ((unsigned char *)l->host)[i]) * 0x100000001b3;
		dev->release(l->device);
	}
	n_lent = 0;
	if (dev->status(&err) != OK) {
		fprintf(stderr, "kernels-check: %s\n", err.text);
		exit(1);
	}
}

static float *floats_in(const float *p, int64_t n) { return lend(p, (size_t)n * sizeof *p, false); }
static float *floats_out(float *p, int64_t n) { return lend(p, (size_t)n * sizeof *p, true); }
static act *acts_in(const act *p, int64_t n) { return lend(p, (size_t)n * dev->elem_bytes, false); }
static act *acts_out(act *p, int64_t n) { return lend(p, (size_t)n * dev->elem_bytes, true); }
static int32_t *ints(const int32_t *p, int64_t n) { return lend(p, (size_t)n * sizeof *p, false); }

/* From the first to the last of n rows of c values that are ld apart. */
static int64_t view(int64_t n, int64_t ld, int64_t c) { return n > 0 && c > 0 ? (n - 1) * ld + c : 0; }

static struct weights weights_in(struct weights w, int64_t o, int64_t i)
{
	static const int bits[] = {32, 16, 8, 4};

	w.data = lend(w.data, (size_t)(o * i * bits[w.elem] / 8), false);
	w.scale = floats_in(w.scale, w.elem == ELEM_I8 ? o : o * i / KERNELS_NF4_BLOCK);
	return w;
}

/* --- products ------------------------------------------------------------------------------------------ */

/* With weights laid out beforehand on every other call: the bits must be the same. For the forward alone they are another product's: then
 * on each call, and nothing else is there. */
static struct weights packed(struct weights w, int64_t o, int64_t i)
{
	static unsigned turn;
	size_t bytes = dev->packed_bytes(w.elem, o, i, !forward_alone);

	if ((turn++ & 1 || forward_alone) && bytes > 0) {
		void *to = lend_room(NULL, bytes)->device;

		w.packed = to, w.forward = forward_alone;
		dev->pack(NULL, to, w, o, i, !forward_alone);
		w.data = forward_alone ? NULL : w.data;
	}
	return w;
}

static void d_matmul_part(struct pool *pool, act *y, int64_t ldy, const act *x, int64_t ldx, struct weights w, int64_t n, int64_t o, int64_t i,
			  int acc)
{
	dev->matmul_part(pool, acts_out(y, view(n, ldy, o)), ldy, acts_in(x, view(n, ldx, i)), ldx, packed(weights_in(w, o, i), o, i),
			 n, o, i, acc);
	take_back();
}

static void d_matmul_dx_part(struct pool *pool, act *dx, int64_t ldx, const act *dy, int64_t ldy, struct weights w, int64_t n, int64_t o,
			     int64_t i, int acc)
{
	dev->matmul_dx_part(pool, acts_out(dx, view(n, ldx, i)), ldx, acts_in(dy, view(n, ldy, o)), ldy, weights_in(w, o, i), n, o, i, acc);
	take_back();
}

static void d_matmul_dw_part(struct pool *pool, float *dw, const act *dy, int64_t ldy, const act *x, int64_t ldx, int64_t n, int64_t o, int64_t i)
{
	dev->matmul_dw_part(pool, floats_out(dw, o * i), acts_in(dy, view(n, ldy, o)), ldy, acts_in(x, view(n, ldx, i)), ldx, n, o, i);
	take_back();
}

static void d_matmul(struct pool *pool, act *y, const act *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	dev->matmul(pool, acts_out(y, n * o), acts_in(x, n * i), packed(weights_in(w, o, i), o, i), n, o, i, acc);
	take_back();
}

static void d_matmul_dx(struct pool *pool, act *dx, const act *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	dev->matmul_dx(pool, acts_out(dx, n * i), acts_in(dy, n * o), forward_alone ? weights_in(w, o, i) : packed(weights_in(w, o, i), o, i), n, o, i,
		       acc);
	take_back();
}

static void d_matmul_dw(struct pool *pool, float *dw, const act *dy, const act *x, int64_t n, int64_t o, int64_t i)
{
	dev->matmul_dw(pool, floats_out(dw, o * i), acts_in(dy, n * o), acts_in(x, n * i), n, o, i);
	take_back();
}

static void d_matmul_float(struct pool *pool, float *y, const act *x, struct weights w, const float *b, int64_t n, int64_t o, int64_t i)
{
	dev->matmul_float(pool, floats_out(y, n * o), acts_in(x, n * i), packed(weights_in(w, o, i), o, i), floats_in(b, o), n, o, i);
	take_back();
}

static void d_matmul_add(struct pool *pool, act *y, const act *x, struct weights w, const float *b, const act *r, int64_t n, int64_t o, int64_t i)
{
	dev->matmul_add(pool, acts_out(y, n * o), acts_in(x, n * i), packed(weights_in(w, o, i), o, i), floats_in(b, o), acts_in(r, n * o), n, o, i);
	take_back();
}

/* --- rows ------------------------------------------------------------------------------------------------ */

/* One more than the largest. */
static int64_t rows_of(const int32_t *rows, int64_t n)
{
	int64_t most = 0;

	for (int64_t i = 0; i < n; i++)
		most = rows[i] >= most ? rows[i] + 1 : most;
	return most;
}

static void d_embed(struct pool *pool, act *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	int64_t rows = rows_of(ids, n);

	w = weights_in(w, rows, c);
	dev->embed(pool, acts_out(y, n * c), forward_alone ? packed(w, rows, c) : w, ints(ids, n), n, c);
	take_back();
}

static void d_noise(struct pool *pool, act *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c)
{
	dev->noise(pool, acts_out(x, n * c), floats_in(size, n), lend(key, (size_t)n * sizeof *key, false), seed, n, c);
	take_back();
}

static void d_embed_dw(struct pool *pool, float *dw, const act *dy, const int32_t *ids, int64_t n, int64_t c, int64_t v)
{
	dev->embed_dw(pool, floats_out(dw, v * c), acts_in(dy, n * c), ints(ids, n), n, c, v);
	take_back();
}

static void d_add_bias(struct pool *pool, act *y, const act *x, const float *b, int64_t n, int64_t c)
{
	dev->add_bias(pool, acts_out(y, n * c), acts_in(x, n * c), floats_in(b, c), n, c);
	take_back();
}

static void d_bias_db(struct pool *pool, float *db, const act *dy, int64_t n, int64_t c)
{
	dev->bias_db(pool, floats_out(db, c), acts_in(dy, n * c), n, c);
	take_back();
}

static void d_add_rows(struct pool *pool, act *y, const float *t, const int32_t *rows, int64_t n, int64_t c)
{
	dev->add_rows(pool, acts_out(y, n * c), floats_in(t, rows_of(rows, n) * c), ints(rows, n), n, c);
	take_back();
}

static void d_scale(struct pool *pool, act *x, int64_t n, float a)
{
	dev->scale(pool, acts_out(x, n), n, a);
	take_back();
}

static void d_scale_columns(struct pool *pool, act *x, int64_t ldx, int64_t n, int64_t c, float a)
{
	dev->scale_columns(pool, acts_out(x, view(n, ldx, c)), ldx, n, c, a);
	take_back();
}

static void d_dropout(struct pool *pool, act *y, const act *x, const uint64_t *key, uint64_t seed, float p, int64_t n, int64_t c, int acc)
{
	dev->dropout(pool, acts_out(y, n * c), acts_in(x, n * c), lend(key, (size_t)n * sizeof *key, false), seed, p, n, c, acc);
	take_back();
}

static void d_gather_rows(struct pool *pool, act *y, const act *x, const int32_t *rows, int64_t n, int64_t c)
{
	dev->gather_rows(pool, acts_out(y, n * c), acts_in(x, rows_of(rows, n) * c), ints(rows, n), n, c);
	take_back();
}

static void d_from_floats(struct pool *pool, act *y, const float *x, int64_t n)
{
	dev->from_floats(pool, acts_out(y, n), floats_in(x, n), n);
	take_back();
}

static void d_to_floats(struct pool *pool, float *y, const act *x, int64_t n)
{
	dev->to_floats(pool, floats_out(y, n), acts_in(x, n), n);
	take_back();
}

static void d_soft_cap(struct pool *pool, float *x, int64_t n, float cap)
{
	dev->soft_cap(pool, floats_out(x, n), n, cap);
	take_back();
}

/* --- norms ------------------------------------------------------------------------------------------------ */

static void d_rmsnorm(struct pool *pool, act *y, float *rstd, const act *x, const float *g, float plus, const act *res, int64_t n, int64_t c,
		      float eps)
{
	dev->rmsnorm(pool, acts_out(y, n * c), floats_out(rstd, n), acts_in(x, n * c), floats_in(g, c), plus, acts_in(res, n * c), n, c, eps);
	take_back();
}

static void d_rmsnorm_dx(struct pool *pool, act *dx, float *dg, const act *dy, const act *x, const float *rstd, const float *g, float plus,
			 float *scratch, int64_t n, int64_t c)
{
	dev->rmsnorm_dx(pool, acts_out(dx, n * c), floats_out(dg, c), acts_in(dy, n * c), acts_in(x, n * c), floats_in(rstd, n), floats_in(g, c), plus,
			floats_in(scratch, dev->norm_scratch(n, c)), n, c);
	take_back();
}

static void d_layernorm(struct pool *pool, act *y, float *rstd, const act *x, const float *g, const float *b, int64_t n, int64_t c, float eps)
{
	dev->layernorm(pool, acts_out(y, n * c), floats_out(rstd, n), acts_in(x, n * c), floats_in(g, c), floats_in(b, c), n, c, eps);
	take_back();
}

static void d_layernorm_dx(struct pool *pool, act *dx, float *dg, float *db, const act *dy, const act *x, const float *rstd, const float *g,
			   float *scratch, int64_t n, int64_t c)
{
	dev->layernorm_dx(pool, acts_out(dx, n * c), floats_out(dg, c), floats_out(db, c), acts_in(dy, n * c), acts_in(x, n * c), floats_in(rstd, n),
			  floats_in(g, c), floats_in(scratch, dev->norm_scratch(n, c)), n, c);
	take_back();
}

static void d_qk_norm(struct pool *pool, act *y, const act *x, const float *gq, const float *gk, float plus, int64_t n, int h, int hkv, int d,
		      float eps)
{
	int64_t all = n * (h + 2 * hkv) * d;

	dev->qk_norm(pool, acts_out(y, all), acts_in(x, all), floats_in(gq, d), floats_in(gk, d), plus, n, h, hkv, d, eps);
	take_back();
}

static void d_qk_norm_dx(struct pool *pool, act *dqkv, float *dgq, float *dgk, const act *x, const float *gq, const float *gk, float plus,
			 float *scratch, int64_t n, int h, int hkv, int d, float eps)
{
	int64_t all = n * (h + 2 * hkv) * d;

	dev->qk_norm_dx(pool, acts_out(dqkv, all), floats_out(dgq, d), floats_out(dgk, d), acts_in(x, all), floats_in(gq, d), floats_in(gk, d), plus,
			floats_in(scratch, dev->norm_scratch(n, d)), n, h, hkv, d, eps);
	take_back();
}

/* --- attention -------------------------------------------------------------------------------------------- */

static void d_rope(struct pool *pool, act *qkv, const float *cs, const float *sn, const int32_t *pos, int64_t n, int h, int hkv, int d, int r,
		   int sign)
{
	int64_t angles = rows_of(pos, n) * (r / 2);

	dev->rope(pool, acts_out(qkv, n * (h + 2 * hkv) * d), floats_in(cs, angles), floats_in(sn, angles), ints(pos, n), n, h, hkv, d, r, sign);
	take_back();
}

static void d_attention(struct pool *pool, act *o, float *lse, const act *qkv, const int32_t *cu, int64_t s, struct heads hd)
{
	int64_t n = cu[s];

	dev->attention(pool, acts_out(o, n * hd.h * hd.d), floats_out(lse, n * hd.h), acts_in(qkv, n * (hd.h + 2 * hd.hkv) * hd.d), ints(cu, s + 1), s,
		       hd);
	take_back();
}

static void d_attention_dqkv(struct pool *pool, act *dqkv, const act *d_o, const act *o, const float *lse, const act *qkv, const int32_t *cu,
			     int64_t s, struct heads hd)
{
	int64_t n = cu[s], all = n * (hd.h + 2 * hd.hkv) * hd.d, heads = n * hd.h * hd.d;

	dev->attention_dqkv(pool, acts_out(dqkv, all), acts_in(d_o, heads), acts_in(o, heads), floats_in(lse, n * hd.h), acts_in(qkv, all),
			    ints(cu, s + 1), s, hd);
	take_back();
}

static void d_attention_cached(struct pool *pool, act *o, const act *qkv, struct kv_pages kv, const int32_t *past, const int32_t *cu, int64_t s,
			       struct heads hd)
{
	int64_t n = cu[s], page = kv.at + 2 * (int64_t)hd.hkv * hd.d * KERNELS_KEY_BLOCK, entries = s * kv.width;
	act **pages = mem_array((size_t)entries + 1, sizeof *pages);

	for (int64_t i = 0; i < entries; i++)
		pages[i] = acts_out(kv.table[i], page);
	dev->attention_cached(pool, acts_out(o, n * hd.h * hd.d), acts_in(qkv, n * (hd.h + 2 * hd.hkv) * hd.d),
			      (struct kv_pages){lend(pages, (size_t)entries * sizeof *pages, false), kv.width, kv.at, kv.single}, ints(past, s), ints(cu, s + 1), s,
			      hd);
	take_back();
	mem_free(pages);
}

/* --- activations --------------------------------------------------------------------------------------------- */

#define GLU(name)                                                                                                     \
	static void d_##name(struct pool *pool, act *y, const act *gu, int64_t n, int64_t f)                         \
	{                                                                                                             \
		dev->name(pool, acts_out(y, n * f), acts_in(gu, n * 2 * f), n, f);                                    \
		take_back();                                                                                          \
	}                                                                                                             \
	static void d_##name##_dgu(struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f)  \
	{                                                                                                             \
		dev->name##_dgu(pool, acts_out(dgu, n * 2 * f), acts_in(dy, n * f), acts_in(gu, n * 2 * f), n, f);    \
		take_back();                                                                                          \
	}
GLU(swiglu)
GLU(geglu)

static void d_gelu(struct pool *pool, act *y, const act *x, int64_t n)
{
	dev->gelu(pool, acts_out(y, n), acts_in(x, n), n);
	take_back();
}

static void d_gelu_dx(struct pool *pool, act *dx, const act *dy, const act *x, int64_t n)
{
	dev->gelu_dx(pool, acts_out(dx, n), acts_in(dy, n), acts_in(x, n), n);
	take_back();
}

/* --- log-probabilities ------------------------------------------------------------------------------------------ */

static void d_logprob(struct pool *pool, float *logp, float *lse, float *mean, bool *greedy, const act *x, struct weights w,
		      const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	dev->logprob(pool, floats_out(logp, n), floats_out(lse, n), floats_out(mean, n), lend(greedy, (size_t)n * sizeof *greedy, true),
		     acts_in(x, n * c), packed(weights_in(w, v, c), v, c), ints(targets, n), floats_in(scratch, dev->logprob_scratch(n, c, v)), n, c, v,
		     cap);
	take_back();
}

static void d_logprob_dx(struct pool *pool, act *dx, float *dw, const struct logprob_grad *d, const act *x, struct weights w, float *logp, float *lse,
			 const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	struct logprob_grad grad = {floats_in(d->logp, n), floats_in(d->lse, n), floats_in(d->mean, n)};

	dev->logprob_dx(pool, acts_out(dx, n * c), floats_out(dw, v * c), &grad, acts_in(x, n * c), weights_in(w, v, c), floats_out(logp, n),
			floats_out(lse, n), ints(targets, n), floats_in(scratch, dev->logprob_scratch(n, c, v)), n, c, v, cap);
	take_back();
}

/* --- sampling ------------------------------------------------------------------------------------------------ */

static void d_logits_sum(struct pool *pool, struct logits_sum *sum, const float *logits, int64_t n, int64_t v)
{
	dev->logits_sum(pool, lend(sum, (size_t)n * sizeof *sum, true), floats_in(logits, n * v), n, v);
	take_back();
}

static void d_sample(struct pool *pool, int32_t *id, float *logp, const float *logits, const struct sample_rule *rule, struct sample_rows rows,
		     void *scratch, int64_t n, int64_t v)
{
	struct sample_rule own = *rule;
	int64_t slots = rows_of(rows.slot, n);

	own.bias = floats_in(rule->bias, v);
	rows = (struct sample_rows){ints(rows.slot, n), lend(rows.u, (size_t)n * sizeof *rows.u, false),
				    lend(rows.seen, (size_t)(slots * v) * sizeof *rows.seen, true)};
	dev->sample(pool, lend(id, (size_t)slots * sizeof *id, true), lend(logp, (size_t)slots * sizeof *logp, true), floats_in(logits, n * v), &own,
		    rows, lend(scratch, dev->sample_scratch(pool, n, v), false), n, v);
	take_back();
}

static void d_take_ids(struct pool *pool, int32_t *ids, const int32_t *said, int64_t n)
{
	int64_t most = 0;

	for (int64_t i = 0; i < n; i++)
		most = -ids[i] > most ? -ids[i] : most;
	dev->take_ids(pool, lend(ids, (size_t)n * sizeof *ids, true), ints(said, most), n);
	take_back();
}

/* --- optimizers --------------------------------------------------------------------------------------------------- */

/* Elements of a set, by what its ranges say. */
static struct update_set set_in(const struct update_set *s, bool changes)
{
	struct update_set d = *s;
	int64_t n = 0, floats = 0, codes = 0, blocks = 0;

	for (int64_t i = 0; i < s->n; i++) {
		const struct update_range *r = &s->ranges[i];

		n = r->from + r->n;
		*(r->bits8 ? &codes : &floats) = r->state + r->n;
		blocks = r->bits8 ? r->block + (r->n + KERNELS_BLOCK8 - 1) / KERNELS_BLOCK8 : blocks;
	}
	d.ranges = lend(s->ranges, (size_t)s->n * sizeof *s->ranges, false);
	d.g = floats_in(s->g, n);
	if (!changes)
		return d;
	d.p = floats_out(s->p, n);
	d.m = floats_out(s->m, floats), d.v = floats_out(s->v, floats);
	d.m8 = lend(s->m8, (size_t)codes, true), d.v8 = lend(s->v8, (size_t)codes, true);
	d.m_max = floats_out(s->m_max, blocks), d.v_max = floats_out(s->v_max, blocks);
	return d;
}

static void d_grad_norm(struct pool *pool, struct grad_norm *norm, const struct update_set *s, double clip)
{
	struct update_set d = set_in(s, false);

	dev->grad_norm(pool, lend(norm, sizeof *norm, true), &d, clip);
	take_back();
}

static void d_update(struct pool *pool, const struct update_set *s, const struct update *u, const struct grad_norm *norm)
{
	struct update_set d = set_in(s, true);

	dev->update(pool, &d, u, lend(norm, sizeof *norm, false));
	take_back();
}

uint64_t device_digest(void) { return digest; }

/* --- opening -------------------------------------------------------------------------------------------------------- */

kernels_cuda_open_fn *device_opener(bool emulated, char *why, size_t bytes)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
	void *so, *symbol;
	kernels_cuda_open_fn *open;

	path[n < 0 ? 0 : n] = 0;
	if (strrchr(path, '/'))
		*strrchr(path, '/') = 0;
	strcat(path, emulated ? "/lib/quern-cuda-emulated.so" : "/lib/quern-cuda.so");
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	symbol = so ? dlsym(so, KERNELS_CUDA_OPEN) : NULL;
	if (!symbol) {
		snprintf(why, bytes, "%s", dlerror());
		return NULL;
	}
	memcpy(&open, &symbol, sizeof open);
	return open;
}

const struct kernels *device_on_host(const struct kernels *device, bool forward)
{
	dev = device, forward_alone = forward;
	table = *device;
	table.matmul = d_matmul, table.matmul_dx = d_matmul_dx, table.matmul_dw = d_matmul_dw, table.matmul_float = d_matmul_float;
	table.matmul_add = d_matmul_add, table.matmul_part = d_matmul_part, table.matmul_dx_part = d_matmul_dx_part, table.matmul_dw_part = d_matmul_dw_part;
	table.embed = d_embed, table.noise = d_noise, table.embed_dw = d_embed_dw;
	table.rmsnorm = d_rmsnorm, table.rmsnorm_dx = d_rmsnorm_dx, table.layernorm = d_layernorm, table.layernorm_dx = d_layernorm_dx;
	table.qk_norm = d_qk_norm, table.qk_norm_dx = d_qk_norm_dx;
	table.add_bias = d_add_bias, table.bias_db = d_bias_db, table.add_rows = d_add_rows;
	table.scale = d_scale, table.scale_columns = d_scale_columns, table.dropout = d_dropout;
	table.rope = d_rope;
	table.attention = d_attention, table.attention_dqkv = d_attention_dqkv, table.attention_cached = d_attention_cached;
	table.swiglu = d_swiglu, table.swiglu_dgu = d_swiglu_dgu, table.geglu = d_geglu, table.geglu_dgu = d_geglu_dgu;
	table.gelu = d_gelu, table.gelu_dx = d_gelu_dx;
	table.logprob = d_logprob, table.logprob_dx = d_logprob_dx, table.soft_cap = d_soft_cap;
	table.logits_sum = d_logits_sum;
	table.gather_rows = d_gather_rows, table.from_floats = d_from_floats, table.to_floats = d_to_floats;
	table.sample = d_sample, table.take_ids = d_take_ids;
	table.grad_norm = d_grad_norm, table.update = d_update;
	return &table;
}
