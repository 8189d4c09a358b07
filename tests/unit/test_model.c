/* The transformer: against transformers' numbers, and its gradients against finite differences of a naive double-
 * precision forward pass that shares no code with the engine. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#define GOLDENS "tests/golden/data/model/"

static struct pool *pool;
static struct error err;

/* --- the naive reference ------------------------------------------------------------------ */

struct ref {
	struct model_config c;
	const struct model *m;       /* names and places only */
	double *w;                   /* n_params values in the model's order */
};

static const double *weight(const struct ref *r, const char *fmt, int l)
{
	char *name = mem_printf("model.layers.%d.%s.weight", l, fmt);
	const double *found = NULL;

	for (int i = 0; i < r->m->n_tensors; i++)
		if (!strcmp(r->m->tensors[i].name, l < 0 ? fmt : name))
			found = r->w + r->m->tensors[i].offset;
	mem_free(name);
	assert_non_null(found);
	return found;
}

static void ref_norm(double *y, const double *x, const double *g, int c, double eps)
{
	double sum = 0;

	for (int i = 0; i < c; i++)
		sum += x[i] * x[i];
	for (int i = 0; i < c; i++)
		y[i] = x[i] / sqrt(sum / c + eps) * g[i];
}

static void ref_product(double *y, const double *w, const double *x, int o, int n)
{
	for (int i = 0; i < o; i++) {
		y[i] = 0;
		for (int j = 0; j < n; j++)
			y[i] += w[i * n + j] * x[j];
	}
}

static void ref_rotate(double *v, int heads, int d, int pos, double theta)
{
	for (int h = 0; h < heads; h++)
		for (int i = 0; i < d / 2; i++) {
			double a = pos * pow(theta, -2.0 * i / d), x = v[h * d + i], y = v[h * d + i + d / 2];

			v[h * d + i] = x * cos(a) - y * sin(a);
			v[h * d + i + d / 2] = y * cos(a) + x * sin(a);
		}
}

/* One query head at position t over keys and values of positions 0..t; kv rows are width apart. */
static void ref_attend(double *o, const double *q, const double *k, const double *v, int t, int d, int width)
{
	double p[256], top = -INFINITY, sum = 0;

	for (int s = 0; s <= t; s++) {
		p[s] = 0;
		for (int i = 0; i < d; i++)
			p[s] += q[i] * k[s * width + i] / sqrt(d);
		top = fmax(top, p[s]);
	}
	for (int s = 0; s <= t; s++)
		sum += p[s] = exp(p[s] - top);
	for (int i = 0; i < d; i++) {
		o[i] = 0;
		for (int s = 0; s <= t; s++)
			o[i] += p[s] / sum * v[s * width + i];
	}
}

static void ref_layer(const struct ref *r, int l, double *x, int n)
{
	const struct model_config *c = &r->c;
	int C = c->hidden, D = c->head_dim, q = c->heads * D, kv = c->kv_heads * D, F = c->ffn, share = c->heads / c->kv_heads;
	double *y = mem_array((size_t)C, 8), *Q = mem_array((size_t)(n * q), 8), *K = mem_array((size_t)(n * kv), 8);
	double *V = mem_array((size_t)(n * kv), 8), *o = mem_array((size_t)q, 8), *g = mem_array((size_t)F, 8);
	double *u = mem_array((size_t)F, 8);

	for (int t = 0; t < n; t++) {
		ref_norm(y, x + t * C, weight(r, "input_layernorm", l), C, (double)c->norm_eps);
		ref_product(Q + t * q, weight(r, "self_attn.q_proj", l), y, q, C);
		ref_product(K + t * kv, weight(r, "self_attn.k_proj", l), y, kv, C);
		ref_product(V + t * kv, weight(r, "self_attn.v_proj", l), y, kv, C);
		ref_rotate(Q + t * q, c->heads, D, t, c->rope_theta);
		ref_rotate(K + t * kv, c->kv_heads, D, t, c->rope_theta);
	}
	for (int t = 0; t < n; t++) {
		for (int h = 0; h < c->heads; h++)
			ref_attend(o + h * D, Q + t * q + h * D, K + h / share * D, V + h / share * D, t, D, kv);
		ref_product(y, weight(r, "self_attn.o_proj", l), o, C, q);
		for (int i = 0; i < C; i++)
			x[t * C + i] += y[i];
		ref_norm(y, x + t * C, weight(r, "post_attention_layernorm", l), C, (double)c->norm_eps);
		ref_product(g, weight(r, "mlp.gate_proj", l), y, F, C);
		ref_product(u, weight(r, "mlp.up_proj", l), y, F, C);
		for (int i = 0; i < F; i++)
			g[i] = g[i] / (1 + exp(-g[i])) * u[i];
		ref_product(y, weight(r, "mlp.down_proj", l), g, C, F);
		for (int i = 0; i < C; i++)
			x[t * C + i] += y[i];
	}
	mem_free(y), mem_free(Q), mem_free(K), mem_free(V), mem_free(o), mem_free(g), mem_free(u);
}

/* logits[n * vocab] of one sequence. */
static void ref_logits(const struct ref *r, const int32_t *ids, int n, double *logits)
{
	int C = r->c.hidden, V = r->c.vocab;
	const double *embed = weight(r, "model.embed_tokens.weight", -1);
	const double *head = r->c.tied ? embed : weight(r, "lm_head.weight", -1);
	double *x = mem_array((size_t)(n * C), 8), *y = mem_array((size_t)C, 8);

	for (int t = 0; t < n; t++)
		memcpy(x + t * C, embed + ids[t] * C, (size_t)C * 8);
	for (int l = 0; l < r->c.n_layers; l++)
		ref_layer(r, l, x, n);
	for (int t = 0; t < n; t++) {
		ref_norm(y, x + t * C, weight(r, "model.norm.weight", -1), C, (double)r->c.norm_eps);
		ref_product(logits + t * V, head, y, V, C);
	}
	mem_free(x), mem_free(y);
}

static double log_softmax_at(const double *z, int v, int at)
{
	double top = z[0], sum = 0;

	for (int i = 1; i < v; i++)
		top = fmax(top, z[i]);
	for (int i = 0; i < v; i++)
		sum += exp(z[i] - top);
	return z[at] - top - log(sum);
}

/* Sum over tokens of dlogp * log p(target): what the engine's backward differentiates. logp may be NULL. */
static double ref_objective(const struct ref *r, const struct model_batch *b, const float *dlogp, double *logp)
{
	double *z = mem_array((size_t)(b->n * r->c.vocab), 8), sum = 0;

	for (int64_t s = 0; s < b->s; s++) {
		int from = b->cu[s];

		ref_logits(r, b->ids + from, b->cu[s + 1] - from, z);
		for (int i = from; i < b->cu[s + 1]; i++) {
			double lp = b->targets[i] < 0 ? 0 : log_softmax_at(z + (i - from) * r->c.vocab, r->c.vocab, b->targets[i]);

			sum += (double)dlogp[i] * lp;
			if (logp)
				logp[i] = lp;
		}
	}
	mem_free(z);
	return sum;
}

/* --- a small model and batch -------------------------------------------------------------- */

static struct model_config small(bool tied)
{
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 2, .hidden = 12,
				  .heads = 4, .kv_heads = 2, .head_dim = 6, .ffn = 10, .vocab = 19, .positions = 32,
				  .rope_theta = 100, .norm_eps = 1e-5f, .init_range = 0.3f, .tied = tied, .bos_id = -1,
				  .eos_id = 2, .pad_id = -1 };
	return c;
}

static const int32_t cu[] = { 0, 7, 8, 8, 19 };      /* one of one token, one empty */
static int32_t ids[19], targets[19];
static float dlogp[19];

static struct model_batch small_batch(int vocab)
{
	struct rng r = rng_open(3, 1);

	for (int i = 0; i < 19; i++) {
		ids[i] = (int32_t)rng_below(&r, (uint64_t)vocab);
		targets[i] = i % 5 == 3 ? -1 : (int32_t)rng_below(&r, (uint64_t)vocab);
		dlogp[i] = (float)rng_normal(&r);
	}
	return (struct model_batch){ .n = 19, .s = 4, .ids = ids, .cu = cu, .targets = targets };
}

/* Norm gains away from 1, so that their gradients are tested at a general place. */
static void shake_norms(struct model *m)
{
	struct rng r = rng_open(9, 9);

	for (int i = 0; i < m->n_tensors; i++)
		for (int64_t j = 0; m->tensors[i].n_dims == 1 && j < m->tensors[i].rows; j++)
			m->params[m->tensors[i].offset + j] += 0.2f * (float)rng_normal(&r);
}

static void open_small(struct model *m, bool tied)
{
	struct model_config c = small(tied);

	OK_OR_FAIL(model_init(m, &c, 5, kernels_cpu(), pool, &err));
	shake_norms(m);
}

static void gradients(struct model *m, const struct model_batch *b, float *logp, float *grads)
{
	struct model_state *st;

	OK_OR_FAIL(model_state_open(&st, m, b->n, true, &err));
	memset(grads, 0, (size_t)m->n_params * sizeof(float));
	OK_OR_FAIL(model_forward(m, st, b, logp, &err));
	OK_OR_FAIL(model_backward(m, st, b, dlogp, grads, &err));
	model_state_close(st);
}

static void check_gradients(bool tied)
{
	struct model m;
	struct model_batch b = small_batch(19);
	float logp[19], *grads;
	double ref_logp[19], worst = 0, scale = 0;
	struct ref r;

	open_small(&m, tied);
	grads = mem_array((size_t)m.n_params, sizeof(float));
	r = (struct ref){ .c = m.cfg, .m = &m, .w = mem_array((size_t)m.n_params, sizeof(double)) };
	for (int64_t i = 0; i < m.n_params; i++)
		r.w[i] = (double)m.params[i];
	gradients(&m, &b, logp, grads);
	ref_objective(&r, &b, dlogp, ref_logp);
	for (int i = 0; i < 19; i++)
		assert_true(fabs(ref_logp[i] - (double)logp[i]) < 2e-5);
	for (int64_t i = 0; i < m.n_params; i += SELDOM) {
		double w = r.w[i], h = 1e-5, up, down, d;

		r.w[i] = w + h;
		up = ref_objective(&r, &b, dlogp, NULL);
		r.w[i] = w - h;
		down = ref_objective(&r, &b, dlogp, NULL);
		r.w[i] = w;
		d = (up - down) / (2 * h);
		scale = fmax(scale, fabs(d));
		if (fabs(d - (double)grads[i]) > 1e-4 * (1 + fabs(d)))
			fail_msg("parameter %lld: gradient %g, finite difference %g", (long long)i, (double)grads[i], d);
		worst = fmax(worst, fabs(d - (double)grads[i]));
	}
	assert_true(scale > 0.1);    /* the check saw gradients */
	mem_free(r.w);
	mem_free(grads);
	model_release(&m);
}

static void gradients_equal_finite_differences_untied(void **s) { (void)s; check_gradients(false); }
static void gradients_equal_finite_differences_tied(void **s) { (void)s; check_gradients(true); }

static void forward_and_backward_at_once_give_the_same(void **state)
{
	struct model m;
	struct model_batch b = small_batch(19);
	float logp[19], again[19], *grads, *sum;
	struct model_state *st;

	(void)state;
	open_small(&m, true);
	grads = mem_array((size_t)m.n_params, sizeof(float));
	sum = mem_array((size_t)m.n_params, sizeof(float));
	gradients(&m, &b, logp, grads);
	OK_OR_FAIL(model_state_open(&st, &m, 19, true, &err));
	OK_OR_FAIL(model_learn(&m, st, &b, dlogp, again, sum, &err));
	assert_int_equal(model_backward(&m, st, &b, dlogp, sum, &err), ERR_USAGE);    /* that was it */
	for (int i = 0; i < 19; i++)
		assert_true(fabsf(again[i] - logp[i]) < 1e-5f);
	for (int64_t i = 0; i < m.n_params; i++)
		assert_true(fabsf(sum[i] - grads[i]) < 1e-5f * (1 + fabsf(grads[i])));
	model_state_close(st);
	OK_OR_FAIL(model_state_open(&st, &m, 19, MODEL_SCORE, &err));
	assert_int_equal(model_learn(&m, st, &b, dlogp, again, sum, &err), ERR_USAGE);
	model_state_close(st);
	mem_free(grads);
	mem_free(sum);
	model_release(&m);
}

/* Of what is trained the gradient is the same to the bit, whatever else is not. */
static void fixed_tensors_have_no_gradient(void **state)
{
	struct model m;
	struct model_batch b = small_batch(19);
	float logp[19], *all, *some;
	bool *trained;

	(void)state;
	open_small(&m, false);
	all = mem_array((size_t)m.n_params, sizeof(float));
	some = mem_array((size_t)m.n_params, sizeof(float));
	trained = mem_array((size_t)m.n_tensors, sizeof(bool));
	gradients(&m, &b, logp, all);
	for (int only = 0; only < m.n_tensors; only++) {
		memset(trained, 0, (size_t)m.n_tensors * sizeof(bool));
		trained[only] = true;
		model_train_only(&m, trained);
		gradients(&m, &b, logp, some);
		for (int i = 0; i < m.n_tensors; i++) {
			const struct tensor *t = &m.tensors[i];
			size_t n = (size_t)(t->rows * t->cols);
			bool fused = strstr(t->name, "q_proj") || strstr(t->name, "k_proj") || strstr(t->name, "v_proj") ||
				     strstr(t->name, "gate_proj") || strstr(t->name, "up_proj");

			if (i == only)
				assert_memory_equal(some + t->offset, all + t->offset, n * sizeof(float));
			for (size_t j = 0; i != only && !fused && j < n; j++)
				assert_true(some[t->offset + (int64_t)j] == 0.0f);
		}
	}
	model_train_only(&m, NULL);
	gradients(&m, &b, logp, some);
	assert_memory_equal(some, all, (size_t)m.n_params * sizeof(float));
	mem_free(all);
	mem_free(some);
	mem_free(trained);
	model_release(&m);
}

static void packed_sequences_equal_each_alone(void **state)
{
	struct model m;
	struct model_batch b = small_batch(19);
	float logp[19], alone[19], *grads, *sum;
	struct model_state *st;

	(void)state;
	open_small(&m, false);
	grads = mem_array((size_t)m.n_params, sizeof(float));
	sum = mem_array((size_t)m.n_params, sizeof(float));
	gradients(&m, &b, logp, grads);
	OK_OR_FAIL(model_state_open(&st, &m, 19, true, &err));
	for (int s = 0; s < 4; s++) {
		int32_t one[2] = { 0, cu[s + 1] - cu[s] };
		struct model_batch x = { .n = one[1], .s = 1, .ids = ids + cu[s], .cu = one, .targets = targets + cu[s] };

		OK_OR_FAIL(model_forward(&m, st, &x, alone, &err));
		for (int i = 0; i < one[1]; i++)
			assert_true(fabsf(alone[i] - logp[cu[s] + i]) < 1e-5f);
		OK_OR_FAIL(model_backward(&m, st, &x, dlogp + cu[s], sum, &err));
	}
	for (int64_t i = 0; i < m.n_params; i++)
		assert_true(fabsf(sum[i] - grads[i]) < 2e-5f * (1 + fabsf(grads[i])));
	model_state_close(st);
	mem_free(grads);
	mem_free(sum);
	model_release(&m);
}

static void threads_do_not_change_a_bit(void **state)
{
	struct model a, b;
	struct model_config c = small(false);
	struct model_batch batch;
	float la[19], lb[19], *ga, *gb;
	struct pool *one = pool_open(1);

	(void)state;
	c.hidden = 48, c.ffn = 96, c.vocab = 600, c.head_dim = 12;
	batch = small_batch(600);
	OK_OR_FAIL(model_init(&a, &c, 1, kernels_cpu(), one, &err));
	OK_OR_FAIL(model_init(&b, &c, 1, kernels_cpu(), pool, &err));
	ga = mem_array((size_t)a.n_params, sizeof(float));
	gb = mem_array((size_t)a.n_params, sizeof(float));
	gradients(&a, &batch, la, ga);
	gradients(&b, &batch, lb, gb);
	assert_memory_equal(a.params, b.params, (size_t)a.n_params * sizeof(float));
	assert_memory_equal(la, lb, sizeof(la));
	assert_memory_equal(ga, gb, (size_t)a.n_params * sizeof(float));
	mem_free(ga);
	mem_free(gb);
	model_release(&a);
	model_release(&b);
	pool_close(one);
}

/* --- decoding ----------------------------------------------------------------------------- */

static void cached_decoding_equals_the_whole_forward(void **state)
{
	struct model m;
	struct model_cache *c;
	struct ref r;
	float z[19];
	double want[19 * 11];
	int32_t from[] = { 0 };

	(void)state;
	open_small(&m, true);
	small_batch(19);
	r = (struct ref){ .c = m.cfg, .m = &m, .w = mem_array((size_t)m.n_params, sizeof(double)) };
	for (int64_t i = 0; i < m.n_params; i++)
		r.w[i] = (double)m.params[i];
	ref_logits(&r, ids, 11, want);
	OK_OR_FAIL(model_cache_open(&c, &m, 2, 32, 16, &err));
	for (int32_t at = 0; at < 11;) {
		int32_t n = at == 0 ? 5 : 1, lens[2] = { 0, n }, slot[] = { 1 };

		from[0] = at;
		OK_OR_FAIL(model_decode(&m, c, 1, ids + at, lens, slot, from, z, &err));
		at += n;
		for (int v = 0; v < 19; v++)
			assert_true(fabs((double)z[v] - want[(at - 1) * 19 + v]) < 2e-5);
	}
	model_cache_close(c);
	mem_free(r.w);
	model_release(&m);
}

static void batch_mates_do_not_change_a_bit(void **state)
{
	struct model m;
	struct model_cache *c;
	struct model_config cfg = small(false);
	float *alone, *both;
	int32_t lens[] = { 0, 4, 11, 17 }, slot[] = { 2, 0, 1 }, past[] = { 0, 0, 0 }, one[] = { 0, 7 };
	int32_t step[] = { 0, 1, 2, 3 }, after[] = { 4, 7, 6 }, single[] = { 0, 1 };

	(void)state;
	cfg.vocab = 300, cfg.hidden = 64;
	OK_OR_FAIL(model_init(&m, &cfg, 2, kernels_cpu(), pool, &err));
	small_batch(300);
	alone = mem_array(300, sizeof(float));
	both = mem_array(900, sizeof(float));
	OK_OR_FAIL(model_cache_open(&c, &m, 4, 32, 32, &err));
	OK_OR_FAIL(model_decode(&m, c, 3, ids, lens, slot, past, both, &err));
	OK_OR_FAIL(model_decode(&m, c, 1, ids + 4, one, (int32_t[]){ 3 }, past, alone, &err));
	assert_memory_equal(alone, both + 300, 300 * sizeof(float));
	/* and the next token, after moving one of them to another slot */
	OK_OR_FAIL(model_decode(&m, c, 3, ids, step, slot, after, both, &err));
	assert_true(model_cache_share(c, 3, 2, 7));
	OK_OR_FAIL(model_decode(&m, c, 1, ids + 1, single, (int32_t[]){ 2 }, (int32_t[]){ 7 }, alone, &err));
	assert_memory_equal(alone, both + 300, 300 * sizeof(float));
	model_cache_close(c);
	mem_free(alone);
	mem_free(both);
	model_release(&m);
}

/* Two sequences share a page, both go on in it, and each sees its own. Without pages a call fails, and one that is given up is enough
 * for it to succeed. */
static void pages_are_shared_until_they_are_written(void **state)
{
	struct model m;
	struct model_cache *c;
	struct model_cache_use use;
	float *z = mem_array(4 * 300, sizeof(float));
	int32_t slot[] = { 0, 1 }, both[] = { 0, 1, 2 }, next[] = { 7, 9 };
	struct model_config cfg = small(false);

	(void)state;
	cfg.vocab = 300, cfg.positions = 256;
	OK_OR_FAIL(model_init(&m, &cfg, 2, kernels_cpu(), pool, &err));
	OK_OR_FAIL(model_cache_open(&c, &m, 4, 128, 128, &err));
	use = model_cache_use(c);
	assert_int_equal(use.pages, 8);
	assert_int_equal(model_cache_limit(c, 2 * use.page_bytes - 1, 128, &err), ERR_USAGE);
	model_cache_close(c);
	OK_OR_FAIL(model_cache_open(&c, &m, 4, 128, 128, &err));
	OK_OR_FAIL(model_cache_limit(c, 3 * use.page_bytes, 128, &err));
	for (int32_t s = 0; s < 4; s += 2) {         /* slots 0 and 2: the same 70 tokens, one after the other */
		int32_t many[70], zero = 0;

		for (int i = 0; i < 70; i++)
			many[i] = i * 7 % 300;
		model_cache_drop(c, 0);
		OK_OR_FAIL(model_decode(&m, c, 1, many, (int32_t[]){ 0, 70 }, &s, &zero, z + 600, &err));
		if (s) {                             /* alone: what is expected of each */
			for (int i = 0; i < 2; i++)
				OK_OR_FAIL(model_decode(&m, c, 1, next + i, (int32_t[]){ 0, 1 }, &s, (int32_t[]){ 70 }, z + (2 + i) * 300, &err));
			break;
		}
		assert_true(model_cache_share(c, 0, 1, 70));
		assert_int_equal(model_cache_use(c).used, 2);
		OK_OR_FAIL(model_decode(&m, c, 2, next, both, slot, (int32_t[]){ 70, 70 }, z, &err));
		assert_int_equal(model_cache_use(c).used, 3);        /* the second page twice */
		assert_false(model_cache_room(c, 3, 0, 1));
		assert_int_equal(model_decode(&m, c, 1, next, both, (int32_t[]){ 3 }, (int32_t[]){ 0 }, z + 600, &err), ERR_MEMORY);
		model_cache_drop(c, 1);
		assert_true(model_cache_room(c, 3, 0, 1));
		model_cache_drop(c, 3);
		assert_false(model_cache_share(c, 1, 2, 70));        /* it has nothing any more */
	}
	assert_memory_equal(z, z + 600, 600 * sizeof(float));
	assert_int_equal(model_cache_use(c).peak, 3);
	model_cache_close(c);
	model_release(&m);
	mem_free(z);
}

static void malformed_calls_are_refused(void **state)
{
	struct model m;
	struct model_cache *c;
	struct model_state *st;
	struct model_batch b = small_batch(19);
	float z[19 * 2], logp[19];

	(void)state;
	open_small(&m, false);
	OK_OR_FAIL(model_cache_open(&c, &m, 2, 8, 16, &err));
	assert_int_equal(model_decode(&m, c, 2, ids, (int32_t[]){ 0, 1, 2 }, (int32_t[]){ 1, 1 }, (int32_t[]){ 0, 0 }, z, &err),
			 ERR_USAGE);
	assert_int_equal(model_decode(&m, c, 1, ids, (int32_t[]){ 0, 9 }, (int32_t[]){ 1 }, (int32_t[]){ 0 }, z, &err), ERR_DATA);
	assert_int_equal(model_decode(&m, c, 1, (int32_t[]){ 19 }, (int32_t[]){ 0, 1 }, (int32_t[]){ 1 }, (int32_t[]){ 0 }, z, &err),
			 ERR_DATA);
	assert_int_equal(model_decode(&m, c, 1, ids, (int32_t[]){ 0, 1 }, (int32_t[]){ 1 }, (int32_t[]){ 3 }, z, &err), ERR_USAGE);
	model_cache_close(c);
	assert_int_equal(model_cache_open(&c, &m, 2, 33, 16, &err), ERR_USAGE);
	OK_OR_FAIL(model_state_open(&st, &m, 19, true, &err));
	assert_int_equal(model_backward(&m, st, &b, dlogp, NULL, &err), ERR_USAGE);
	ids[3] = -1;
	assert_int_equal(model_forward(&m, st, &b, logp, &err), ERR_DATA);
	model_state_close(st);
	model_release(&m);
}

/* --- transformers' numbers ---------------------------------------------------------------- */

static void check_golden_logits(const char *name)
{
	struct json_parser *p = json_parser_open();
	const struct json *j, *rows, *tokens;
	char *dir = mem_printf(GOLDENS "%s", name);
	struct model_cache *c;
	struct model m;

	OK_OR_FAIL(json_parse_file(p, GOLDENS "goldens.json", &j, &err));
	tokens = json_get(json_get(j, name), "ids");
	rows = json_get(json_get(j, name), "logits");
	assert_non_null(rows);
	OK_OR_FAIL(model_load(&m, dir, kernels_cpu(), pool, &err));
	OK_OR_FAIL(model_cache_open(&c, &m, 1, 64, 1, &err));
	assert_int_equal(tokens->len, 9);
	for (int t = 0; t < 9; t++) {
		int32_t id = (int32_t)tokens->items[t].integer, past = t, slot = 0, lens[] = { 0, 1 };
		float z[97];

		OK_OR_FAIL(model_decode(&m, c, 1, &id, lens, &slot, &past, z, &err));
		for (int v = 0; v < 97; v++) {
			double want = rows->items[t].items[v].number;

			if (fabs(want - (double)z[v]) > 1e-4 * fmax(1, fabs(want)))
				fail_msg("%s: token %d, logit %d: %g, transformers %g", name, t, v, (double)z[v], want);
		}
	}
	model_cache_close(c);
	model_release(&m);
	json_parser_close(p);
	mem_free(dir);
}

static void logits_equal_transformers(void **state)
{
	(void)state;
	check_golden_logits("tiny");
	check_golden_logits("tied");
}

/* --- files -------------------------------------------------------------------------------- */

static void saved_model_reads_back_the_same(void **state)
{
	char dir[] = "/tmp/quern-model-XXXXXX";
	struct buf want = { 0 }, got = { 0 };
	struct model m, back;

	(void)state;
	assert_non_null(mkdtemp(dir));
	open_small(&m, true);
	OK_OR_FAIL(model_save(&m, dir, &err));
	OK_OR_FAIL(model_load(&back, dir, kernels_cpu(), pool, &err));
	assert_int_equal(back.n_params, m.n_params);
	assert_memory_equal(back.params, m.params, (size_t)m.n_params * sizeof(float));
	model_config_print(&m.cfg, "float32", &want);
	model_config_print(&back.cfg, "float32", &got);
	assert_string_equal(got.data, want.data);
	buf_release(&want);
	buf_release(&got);
	model_release(&m);
	model_release(&back);
	for (const char *const *f = (const char *const[]){ "config.json", "generation_config.json", "model.safetensors", NULL }; *f; f++) {
		char *path = path_join(dir, *f);

		assert_int_equal(unlink(path), 0);
		mem_free(path);
	}
	rmdir(dir);
}

static enum status parse_config(const char *extra)
{
	char *text = mem_printf("{\"num_hidden_layers\":1,\"hidden_size\":8,\"num_attention_heads\":2,\"intermediate_size\":8,"
				"\"vocab_size\":9%s}", extra);
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct model_config c;
	enum status st = json_parse(p, text, strlen(text), &j, &err);

	if (st == OK)
		st = model_config_parse(j, &c, &err);
	json_parser_close(p);
	mem_free(text);
	return st;
}

static void what_is_not_computed_is_refused_by_name(void **state)
{
	static const struct { const char *extra, *name; } cases[] = {
		{ ",\"rope_scaling\":{\"rope_type\":\"mrope\"}", "mrope" },
		{ ",\"rope_parameters\":{\"type\":\"axial\"}", "rope_parameters" },
		{ ",\"rope_scaling\":{},\"rope_parameters\":{\"type\":\"axial\"}", "rope_parameters" },
		{ ",\"rope_parameters\":{\"full_attention\":{}}", "rope_parameters" },
		{ ",\"partial_rotary_factor\":0.5", "partial_rotary_factor" },
		{ ",\"hidden_act\":\"gelu\"", "gelu" },
		{ ",\"sliding_window\":4096", "sliding_window" },
		{ ",\"layer_types\":[\"full_attention\"]", "layer_types" },
		{ ",\"final_logit_softcapping\":30", "final_logit_softcapping" },
		{ ",\"model_type\":\"mistral\",\"num_key_value_heads\":1,\"attention_bias\":true", "attention_bias" },
		{ ",\"model_type\":\"qwen2\",\"num_key_value_heads\":1,\"mlp_bias\":true", "mlp_bias" },
		{ ",\"model_type\":\"qwen2\",\"num_key_value_heads\":1,\"use_sliding_window\":true,"
		  "\"layer_types\":[\"chunked_attention\"]", "chunked_attention" },
		{ ",\"architectures\":[\"BloomForCausalLM\"]", "BloomForCausalLM" },
		{ ",\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"qwen2\"", "qwen2" },
		{ ",\"model_type\":\"gpt_neox\"", "gpt_neox" },
		{ ",\"quantization_config\":{}", "quantization_config" },
	};

	(void)state;
	OK_OR_FAIL(parse_config(",\"model_type\":\"gemma2\",\"num_key_value_heads\":1,\"head_dim\":4,\"sliding_window_pattern\":\"x\""));
	OK_OR_FAIL(parse_config(",\"rope_scaling\":null,\"sliding_window\":null,\"rope_parameters\":{\"rope_type\":\"default\"}"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_config(cases[i].extra), ERR_UNSUPPORTED);
		assert_non_null(strstr(err.text, cases[i].name));
	}
}

static void hostile_configurations_are_data_errors(void **state)
{
	static const char *const cases[] = {
		",\"num_key_value_heads\":0", ",\"num_key_value_heads\":3", ",\"head_dim\":3", ",\"head_dim\":-4",
		",\"max_position_embeddings\":1e18", ",\"rope_theta\":\"x\"", ",\"rope_theta\":0", ",\"rms_norm_eps\":-1",
		",\"attention_bias\":1", ",\"hidden_act\":3", ",\"tie_word_embeddings\":\"false\"", ",\"rope_scaling\":{\"rope_type\":5}",
		",\"model_type\":\"qwen2\",\"num_key_value_heads\":1,\"use_sliding_window\":true,\"max_window_layers\":\"3\"",
		",\"rope_scaling\":3", ",\"rope_scaling\":{\"type\":\"linear\"}", ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":0}",
		",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1}",
		",\"rope_theta\":1,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":8}",
		",\"rope_scaling\":{\"type\":\"longrope\",\"factor\":8,\"short_factor\":[1],\"long_factor\":[1,2]}",
		",\"rope_scaling\":{\"type\":\"longrope\",\"factor\":8,\"short_factor\":[1,0],\"long_factor\":[1,2]}",
		",\"model_type\":\"gemma2\",\"num_key_value_heads\":1,\"head_dim\":4,\"layer_types\":[]",
		",\"model_type\":\"gemma2\",\"num_key_value_heads\":1,\"head_dim\":4,\"query_pre_attn_scalar\":0",
		",\"model_type\":\"phi3\",\"partial_rotary_factor\":2", ",\"model_type\":\"phi3\",\"partial_rotary_factor\":0",
		",\"model_type\":\"phi3\",\"partial_rotary_factor\":1e30", ",\"model_type\":\"phi3\",\"sliding_window\":0",
		",\"model_type\":\"gpt2\",\"n_layer\":1,\"n_embd\":7,\"n_head\":2",
		",\"eos_token_id\":9", ",\"bos_token_id\":\"a\"", ",\"max_position_embeddings\":9223372036854775807",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(parse_config(cases[i]), ERR_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_equal_finite_differences_untied),
		cmocka_unit_test(gradients_equal_finite_differences_tied),
		cmocka_unit_test(forward_and_backward_at_once_give_the_same),
		cmocka_unit_test(fixed_tensors_have_no_gradient),
		cmocka_unit_test(packed_sequences_equal_each_alone),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(cached_decoding_equals_the_whole_forward),
		cmocka_unit_test(batch_mates_do_not_change_a_bit),
		cmocka_unit_test(pages_are_shared_until_they_are_written), cmocka_unit_test(malformed_calls_are_refused),
		cmocka_unit_test(logits_equal_transformers),
		cmocka_unit_test(saved_model_reads_back_the_same),
		cmocka_unit_test(what_is_not_computed_is_refused_by_name),
		cmocka_unit_test(hostile_configurations_are_data_errors),
	};
	int failed;

	pool = pool_open(2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pool_close(pool);
	return failed;
}
