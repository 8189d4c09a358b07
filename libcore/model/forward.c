/* forward.c - one packed micro-batch forward and backward, layer by layer, each backward the mirror of its forward.
 *
 * The residual stream at the entry of each half layer is kept (training), and the norms' outputs, rotated qkv,
 * attention output, gate|up and their product; the logits never exist as a whole, and those of tokens without a
 * target never exist. N tokens, C hidden, F ffn, V vocabulary. */
#include "model/layout.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct model_state {
	const struct kernels *k;
	bool train;
	bool fresh;                  /* a forward has run and no backward since */
	int64_t n_max;
	int64_t positions;           /* rows of the rotary tables */
	void *arena;                 /* device */
	struct acts *acts;           /* [n_layers] */
	float *x_end, *n_end, *rstd_end;  /* [N, C], [N, C], [N]: after the last layer */
	float *logp, *lse, *mean;    /* [N] */
	float *cos, *sin;
	int32_t *ids, *pos, *cu, *targets;
	float *head_scratch;
	/* training only */
	float *dx, *dn, *dh, *dqkv, *dlogp, *dlse, *dmean, *norm_scratch;
	float *noise_size;           /* [N] */
	uint64_t *noise_key;
	int32_t *host_pos;           /* [N] host */
};

void rope_tables(const struct model_config *c, int64_t positions, float *cos_table, float *sin_table)
{
	int half = c->head_dim / 2;

	for (int i = 0; i < half; i++) {
		float frequency = 1.0f / powf((float)c->rope_theta, (float)(2 * i) / (float)c->head_dim);

		for (int64_t p = 0; p < positions; p++) {
			float angle = (float)p * frequency;

			cos_table[p * half + i] = (float)cos((double)angle);
			sin_table[p * half + i] = (float)sin((double)angle);
		}
	}
}

void acts_plan(struct plan *p, struct acts *a, const struct model_config *c, int64_t n, bool own)
{
	a->n1 = plan_floats(p, n, c->hidden);
	a->rstd1 = plan_floats(p, n, 1);
	a->qkv = plan_floats(p, n, qkv_width(c));
	a->o = plan_floats(p, n, attn_width(c));
	a->lse = plan_floats(p, n, c->heads);
	a->x2 = own ? plan_floats(p, n, c->hidden) : a->x;
	a->n2 = own ? plan_floats(p, n, c->hidden) : a->n1;
	a->rstd2 = own ? plan_floats(p, n, 1) : a->rstd1;
	a->gate_up = plan_floats(p, n, 2 * (int64_t)c->ffn);
	a->h = plan_floats(p, n, c->ffn);
}

/* What no later call reads. */
static void plan_scratch(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	int64_t n = s->n_max, v = c->vocab;

	s->head_scratch = plan_floats(p, m->k->logprob_scratch(n, v), 1);
	if (!s->train)
		return;
	s->dx = plan_floats(p, n, c->hidden);
	s->dn = plan_floats(p, n, c->hidden > attn_width(c) ? c->hidden : attn_width(c));
	s->dh = plan_floats(p, n, c->ffn);
	s->dqkv = plan_floats(p, n, qkv_width(c));
	s->dlogp = plan_floats(p, n, 1);
	s->dlse = plan_floats(p, n, 1);
	s->dmean = plan_floats(p, n, 1);
	s->noise_size = plan_floats(p, n, 1);
	s->noise_key = plan_take(p, n, sizeof(uint64_t));
	s->norm_scratch = plan_floats(p, m->k->rmsnorm_scratch(n, c->hidden), 1);
}

/* Everything a state holds on the device, in one arena. */
static void plan_state(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	int64_t n = s->n_max, half = c->head_dim / 2;

	for (int l = 0; l < c->n_layers; l++) {
		if (l && !s->train) {
			s->acts[l] = s->acts[0];
			continue;
		}
		s->acts[l].x = plan_floats(p, n, c->hidden);
		acts_plan(p, &s->acts[l], c, n, s->train);
	}
	s->x_end = s->train ? plan_floats(p, n, c->hidden) : s->acts[0].x;
	s->n_end = plan_floats(p, n, c->hidden);
	s->rstd_end = plan_floats(p, n, 1);
	s->logp = plan_floats(p, n, 1);
	s->lse = plan_floats(p, n, 1);
	s->mean = plan_floats(p, n, 1);
	s->cos = plan_floats(p, s->positions, half);
	s->sin = plan_floats(p, s->positions, half);
	s->ids = plan_take(p, n, sizeof(int32_t));
	s->pos = plan_take(p, n, sizeof(int32_t));
	s->cu = plan_take(p, n + 1, sizeof(int32_t));
	s->targets = plan_take(p, n, sizeof(int32_t));
	plan_scratch(p, s, m);
}

size_t model_state_bytes(const struct model *m, int64_t n_max, bool train)
{
	struct model_state s = { .train = train, .n_max = n_max };
	struct plan p = { 0 };

	s.positions = n_max < m->cfg.positions ? n_max : m->cfg.positions;
	s.acts = mem_array((size_t)m->cfg.n_layers, sizeof(*s.acts));
	plan_state(&p, &s, m);
	mem_free(s.acts);
	return p.used;
}

size_t model_scratch_bytes(const struct model *m, int64_t n_max)
{
	struct model_state s = { .train = true, .n_max = n_max };
	struct plan p = { 0 };

	plan_scratch(&p, &s, m);
	return p.used;
}

static void upload_rope(struct model_state *s, const struct model *m)
{
	size_t bytes = (size_t)s->positions * (size_t)(m->cfg.head_dim / 2) * sizeof(float);
	float *host = mem_alloc(2 * bytes + 1);
	float *sines = host + bytes / sizeof(float);

	rope_tables(&m->cfg, s->positions, host, sines);
	m->k->upload(s->cos, host, bytes);
	m->k->upload(s->sin, sines, bytes);
	mem_free(host);
}

enum status model_state_open(struct model_state **out, const struct model *m, int64_t n_max, bool train, struct error *err)
{
	struct model_state *s;
	struct plan p = { 0 };

	*out = NULL;
	if (n_max < 1 || n_max > INT32_MAX / 2)
		return error_set(err, ERR_USAGE, "a micro-batch of %lld tokens", (long long)n_max);
	s = mem_zalloc(sizeof(*s));
	s->k = m->k;
	s->train = train;
	s->n_max = n_max;
	s->positions = n_max < m->cfg.positions ? n_max : m->cfg.positions;
	s->acts = mem_array((size_t)m->cfg.n_layers, sizeof(*s->acts));
	plan_state(&p, s, m);
	s->arena = m->k->alloc(m->pool, p.used);
	if (!s->arena) {
		model_state_close(s);
		return error_set(err, ERR_MEMORY, "no memory for the activations of %lld tokens (%zu MB): take smaller "
				 "micro-batches", (long long)n_max, p.used >> 20);
	}
	p = (struct plan){ .base = s->arena };
	plan_state(&p, s, m);
	upload_rope(s, m);
	s->host_pos = mem_array((size_t)n_max, sizeof(int32_t));
	*out = s;
	return OK;
}

void model_state_close(struct model_state *s)
{
	if (!s)
		return;
	if (s->arena)
		s->k->release(s->arena);
	mem_free(s->acts);
	mem_free(s->host_pos);
	mem_free(s);
}

/* --- forward ------------------------------------------------------------------------------ */

static enum status check_batch(const struct model *m, const struct model_state *s, const struct model_batch *b,
			       struct error *err)
{
	if (b->n < 0 || b->n > s->n_max || b->s < 0 || b->s > s->n_max)
		return error_set(err, ERR_USAGE, "%lld tokens in a state for %lld", (long long)b->n, (long long)s->n_max);
	if (b->cu[0] != 0 || b->cu[b->s] != b->n)
		return error_set(err, ERR_USAGE, "sequence lengths do not sum up to %lld tokens", (long long)b->n);
	for (int64_t i = 0; i < b->s; i++) {
		int64_t length = (int64_t)b->cu[i + 1] - b->cu[i];

		if (length < 0 || length > s->positions)
			return error_set(err, ERR_DATA, "a sequence of %lld tokens, the model has %d positions",
					 (long long)length, m->cfg.positions);
	}
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] < 0 || b->ids[i] >= m->cfg.vocab || b->targets[i] >= m->cfg.vocab)
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d",
					 b->ids[i] < 0 || b->ids[i] >= m->cfg.vocab ? b->ids[i] : b->targets[i], m->cfg.vocab);
	return OK;
}

/* Moves the batch to the device; positions restart in each sequence. */
static void upload_batch(struct model_state *s, const struct model_batch *b)
{
	size_t ints = (size_t)b->n * sizeof(int32_t);

	for (int64_t i = 0; i < b->s; i++)
		for (int32_t j = b->cu[i]; j < b->cu[i + 1]; j++)
			s->host_pos[j] = j - b->cu[i];
	s->k->upload(s->ids, b->ids, ints);
	s->k->upload(s->pos, s->host_pos, ints);
	s->k->upload(s->cu, b->cu, (size_t)(b->s + 1) * sizeof(int32_t));
	s->k->upload(s->targets, b->targets, ints);
}

/* y = x + in W^T; where y is x already, in place. */
static void add_product(const struct model *m, float *y, const float *x, const float *in, struct weights w, int64_t n,
			int64_t o, int64_t i)
{
	if (y != x)
		m->k->copy(m->pool, y, x, (size_t)(n * o) * sizeof(float));
	m->k->matmul(m->pool, y, in, w, n, o, i, 1);
}

void layer_before(const struct model *m, int l, const struct acts *a, const struct rotary *r, int64_t n)
{
	const struct model_config *c = &m->cfg;
	const struct layer_layout *y = &m->layout->layers[l];

	m->k->rmsnorm(m->pool, a->n1, a->rstd1, a->x, NULL, m->params + y->attn_norm, n, c->hidden, c->norm_eps);
	m->k->matmul(m->pool, a->qkv, a->n1, model_weights(m, y->qkv), n, qkv_width(c), c->hidden, 0);
	m->k->rope(m->pool, a->qkv, r->cos, r->sin, r->pos, n, c->heads, c->kv_heads, c->head_dim, 1);
}

void layer_after(const struct model *m, int l, const struct acts *a, float *x_next, int64_t n)
{
	const struct model_config *c = &m->cfg;
	const struct layer_layout *y = &m->layout->layers[l];

	add_product(m, a->x2, a->x, a->o, model_weights(m, y->out), n, c->hidden, attn_width(c));
	m->k->rmsnorm(m->pool, a->n2, a->rstd2, a->x2, NULL, m->params + y->mlp_norm, n, c->hidden, c->norm_eps);
	m->k->matmul(m->pool, a->gate_up, a->n2, model_weights(m, y->gate_up), n, 2 * (int64_t)c->ffn, c->hidden, 0);
	m->k->swiglu(m->pool, a->h, a->gate_up, n, c->ffn);
	add_product(m, x_next, a->x2, a->h, model_weights(m, y->down), n, c->hidden, c->ffn);
}

/* NEFTune (Jain et al. 2023). */
static void add_noise(struct model *m, struct model_state *s, const struct model_batch *b)
{
	m->k->upload(s->noise_size, b->noise_size, (size_t)b->n * sizeof(float));
	m->k->upload(s->noise_key, b->noise_key, (size_t)b->n * sizeof(uint64_t));
	m->k->noise(m->pool, s->acts[0].x, s->noise_size, s->noise_key, b->noise_seed, b->n, m->cfg.hidden);
}

/* What the caller wants to know of the logits. */
static void download_terms(const struct model_state *s, const struct model_batch *b, float *logp)
{
	size_t bytes = (size_t)b->n * sizeof(float);

	s->k->download(logp, s->logp, bytes);
	if (b->lse)
		s->k->download(b->lse, s->lse, bytes);
	if (b->mean)
		s->k->download(b->mean, s->mean, bytes);
}

enum status model_forward(struct model *m, struct model_state *s, const struct model_batch *b, float *logp,
			  struct error *err)
{
	const struct model_config *c = &m->cfg;
	const struct kernels *k = m->k;
	struct rotary r = { s->cos, s->sin, s->pos };
	int64_t n = b->n;

	TRY(check_batch(m, s, b, err));
	upload_batch(s, b);
	s->fresh = s->train;
	if (!n)
		return OK;
	k->embed(m->pool, s->acts[0].x, model_weights(m, m->layout->embed), s->ids, n, c->hidden);
	if (s->train && b->noise_size)
		add_noise(m, s, b);
	for (int l = 0; l < c->n_layers; l++) {
		const struct acts *a = &s->acts[l];

		layer_before(m, l, a, &r, n);
		k->attention(m->pool, a->o, a->lse, a->qkv, s->cu, b->s, c->heads, c->kv_heads, c->head_dim);
		layer_after(m, l, a, l + 1 < c->n_layers ? s->acts[l + 1].x : s->x_end, n);
	}
	k->rmsnorm(m->pool, s->n_end, s->rstd_end, s->x_end, NULL, m->params + m->layout->norm, n, c->hidden, c->norm_eps);
	k->logprob(m->pool, s->logp, s->lse, b->mean ? s->mean : NULL, s->n_end, model_weights(m, m->layout->head), s->targets,
		   s->head_scratch, n, c->hidden, c->vocab);
	download_terms(s, b, logp);
	return OK;
}

/* --- backward ----------------------------------------------------------------------------- */

/* From dlogp to dx, the gradient of the residual stream after the last layer. */
static void head_backward(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp,
			  float *grads)
{
	const struct model_config *c = &m->cfg;
	const struct kernels *k = m->k;
	struct logprob_grad d = { s->dlogp, b->dlse ? s->dlse : NULL, b->dmean ? s->dmean : NULL };
	int64_t n = b->n;

	k->upload(s->dlogp, dlogp, (size_t)n * sizeof(float));
	if (d.lse)
		k->upload(s->dlse, b->dlse, (size_t)n * sizeof(float));
	if (d.mean)
		k->upload(s->dmean, b->dmean, (size_t)n * sizeof(float));
	k->logprob_dx(m->pool, s->dn, grads + m->layout->head, &d, s->n_end, model_weights(m, m->layout->head), s->lse,
		      s->targets, s->head_scratch, n, c->hidden, c->vocab);
	k->zero(m->pool, s->dx, (size_t)(n * c->hidden) * sizeof(float));
	k->rmsnorm_dx(m->pool, s->dx, grads + m->layout->norm, s->dn, s->x_end, s->rstd_end, m->params + m->layout->norm,
		      s->norm_scratch, n, c->hidden);
}

/* dx: in, the gradient of the layer's output; out, of its input. gate_up is overwritten by its gradient. */
static void layer_backward(struct model *m, struct model_state *s, int l, int64_t seqs, int64_t n, float *grads)
{
	const struct model_config *c = &m->cfg;
	const struct kernels *k = m->k;
	const struct layer_layout *y = &m->layout->layers[l];
	const struct acts *a = &s->acts[l];
	int64_t h = c->hidden, f = c->ffn, q = attn_width(c), qkv = qkv_width(c);

	k->matmul_dx(m->pool, s->dh, s->dx, model_weights(m, y->down), n, h, f, 0);
	k->matmul_dw(m->pool, grads + y->down, s->dx, a->h, n, h, f);
	k->swiglu_dgu(m->pool, a->gate_up, s->dh, a->gate_up, n, f);
	k->matmul_dx(m->pool, s->dn, a->gate_up, model_weights(m, y->gate_up), n, 2 * f, h, 0);
	k->matmul_dw(m->pool, grads + y->gate_up, a->gate_up, a->n2, n, 2 * f, h);
	k->rmsnorm_dx(m->pool, s->dx, grads + y->mlp_norm, s->dn, a->x2, a->rstd2, m->params + y->mlp_norm, s->norm_scratch,
		      n, h);

	k->matmul_dx(m->pool, s->dn, s->dx, model_weights(m, y->out), n, h, q, 0);
	k->matmul_dw(m->pool, grads + y->out, s->dx, a->o, n, h, q);
	k->attention_dqkv(m->pool, s->dqkv, s->dn, a->o, a->lse, a->qkv, s->cu, seqs, c->heads, c->kv_heads, c->head_dim);
	k->rope(m->pool, s->dqkv, s->cos, s->sin, s->pos, n, c->heads, c->kv_heads, c->head_dim, -1);
	k->matmul_dx(m->pool, s->dn, s->dqkv, model_weights(m, y->qkv), n, qkv, h, 0);
	k->matmul_dw(m->pool, grads + y->qkv, s->dqkv, a->n1, n, qkv, h);
	k->rmsnorm_dx(m->pool, s->dx, grads + y->attn_norm, s->dn, a->x, a->rstd1, m->params + y->attn_norm, s->norm_scratch,
		      n, h);
}

enum status model_backward(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp,
			   float *grads, struct error *err)
{
	if (!s->fresh)
		return error_set(err, ERR_USAGE, "a backward pass needs a forward pass of its own");
	s->fresh = false;
	if (!b->n)
		return OK;
	head_backward(m, s, b, dlogp, grads);
	for (int l = m->cfg.n_layers - 1; l >= 0; l--)
		layer_backward(m, s, l, b->s, b->n, grads);
	m->k->embed_dw(m->pool, grads + m->layout->embed, s->dx, s->ids, b->n, m->cfg.hidden, m->cfg.vocab);
	return OK;
}
