/* forward.c - one packed micro-batch forward and backward, layer by layer, each backward the mirror of its forward.
 *
 * The residual stream at the entry of each half layer is kept (training), and the norms' outputs, rotated qkv,
 * attention output, gate|up and their product; the logits never exist as a whole. Only tokens that
 * have a target reach the vocabulary projection: their rows are gathered before it, and its gradient is spread
 * back through a row of zeros. N tokens, C hidden, F ffn, V vocabulary. */
#include "model/layout.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct model_state {
	const struct kernels *k;
	bool train;
	bool fresh;                  /* a forward has run and no backward since */
	int64_t n_max, n_targets;
	int64_t positions;           /* rows of the rotary tables */
	void *arena;                 /* device */
	struct acts *acts;           /* [n_layers] */
	float *x_end, *n_end, *rstd_end;  /* [N, C], [N, C], [N]: after the last layer */
	float *picked;               /* [N + 1, C] rows of n_end that have a target; their gradient later */
	float *logp, *lse;           /* [N] of the picked rows */
	float *cos, *sin;
	int32_t *ids, *pos, *cu, *targets, *rows;
	float *head_scratch;
	/* training only */
	float *dx, *dn, *dh, *dqkv, *dlogp, *norm_scratch;
	float *dpicked;              /* [N + 1, C] */
	int32_t *spread;             /* [N] picked row of each token, n_targets where it has none */
	/* host */
	int32_t *host_pos, *host_targets, *host_rows, *host_spread;
	float *host_values;          /* [N] */
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

/* Everything a state holds on the device, in one arena. */
static void plan_state(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	int64_t n = s->n_max, v = c->vocab, half = c->head_dim / 2;

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
	s->picked = plan_floats(p, n, c->hidden);
	s->logp = plan_floats(p, n, 1);
	s->lse = plan_floats(p, n, 1);
	s->cos = plan_floats(p, s->positions, half);
	s->sin = plan_floats(p, s->positions, half);
	s->ids = plan_take(p, n, sizeof(int32_t));
	s->pos = plan_take(p, n, sizeof(int32_t));
	s->cu = plan_take(p, n + 1, sizeof(int32_t));
	s->targets = plan_take(p, n, sizeof(int32_t));
	s->rows = plan_take(p, n, sizeof(int32_t));
	s->head_scratch = plan_floats(p, m->k->logprob_scratch(n, v), 1);
	if (!s->train)
		return;
	s->dx = plan_floats(p, n, c->hidden);
	s->dn = plan_floats(p, n, c->hidden > attn_width(c) ? c->hidden : attn_width(c));
	s->dh = plan_floats(p, n, c->ffn);
	s->dqkv = plan_floats(p, n, qkv_width(c));
	s->dlogp = plan_floats(p, n, 1);
	s->dpicked = plan_floats(p, n + 1, c->hidden);
	s->spread = plan_take(p, n, sizeof(int32_t));
	s->norm_scratch = plan_floats(p, m->k->rmsnorm_scratch(n, c->hidden), 1);
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
	s->host_targets = mem_array((size_t)n_max, sizeof(int32_t));
	s->host_rows = mem_array((size_t)n_max, sizeof(int32_t));
	s->host_spread = mem_array((size_t)n_max, sizeof(int32_t));
	s->host_values = mem_array((size_t)n_max, sizeof(float));
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
	mem_free(s->host_targets);
	mem_free(s->host_rows);
	mem_free(s->host_spread);
	mem_free(s->host_values);
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

/* Moves the batch to the device: positions restart per sequence, tokens with a target are listed. */
static void upload_batch(struct model_state *s, const struct model_batch *b)
{
	size_t ints = (size_t)b->n * sizeof(int32_t);
	int64_t t = 0;

	for (int64_t i = 0; i < b->s; i++)
		for (int32_t j = b->cu[i]; j < b->cu[i + 1]; j++)
			s->host_pos[j] = j - b->cu[i];
	for (int64_t i = 0; i < b->n; i++)
		if (b->targets[i] >= 0) {
			s->host_rows[t] = (int32_t)i;
			s->host_targets[t++] = b->targets[i];
		}
	s->n_targets = t;
	s->k->upload(s->ids, b->ids, ints);
	s->k->upload(s->pos, s->host_pos, ints);
	s->k->upload(s->cu, b->cu, (size_t)(b->s + 1) * sizeof(int32_t));
	s->k->upload(s->targets, s->host_targets, (size_t)t * sizeof(int32_t));
	s->k->upload(s->rows, s->host_rows, (size_t)t * sizeof(int32_t));
}

/* y = x + in W^T; where y is x already, in place. */
static void add_product(const struct model *m, float *y, const float *x, const float *in, const float *w, int64_t n,
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
	m->k->matmul(m->pool, a->qkv, a->n1, m->params + y->qkv, n, qkv_width(c), c->hidden, 0);
	m->k->rope(m->pool, a->qkv, r->cos, r->sin, r->pos, n, c->heads, c->kv_heads, c->head_dim, 1);
}

void layer_after(const struct model *m, int l, const struct acts *a, float *x_next, int64_t n)
{
	const struct model_config *c = &m->cfg;
	const struct layer_layout *y = &m->layout->layers[l];

	add_product(m, a->x2, a->x, a->o, m->params + y->out, n, c->hidden, attn_width(c));
	m->k->rmsnorm(m->pool, a->n2, a->rstd2, a->x2, NULL, m->params + y->mlp_norm, n, c->hidden, c->norm_eps);
	m->k->matmul(m->pool, a->gate_up, a->n2, m->params + y->gate_up, n, 2 * (int64_t)c->ffn, c->hidden, 0);
	m->k->swiglu(m->pool, a->h, a->gate_up, n, c->ffn);
	add_product(m, x_next, a->x2, a->h, m->params + y->down, n, c->hidden, c->ffn);
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
	if (n)
		k->embed(m->pool, s->acts[0].x, m->params + m->layout->embed, s->ids, n, c->hidden);
	for (int l = 0; l < c->n_layers && n; l++) {
		const struct acts *a = &s->acts[l];

		layer_before(m, l, a, &r, n);
		k->attention(m->pool, a->o, a->lse, a->qkv, s->cu, b->s, c->heads, c->kv_heads, c->head_dim);
		layer_after(m, l, a, l + 1 < c->n_layers ? s->acts[l + 1].x : s->x_end, n);
	}
	for (int64_t i = 0; i < n; i++)
		logp[i] = 0;
	s->fresh = s->train;
	if (!s->n_targets)
		return OK;
	k->rmsnorm(m->pool, s->n_end, s->rstd_end, s->x_end, NULL, m->params + m->layout->norm, n, c->hidden, c->norm_eps);
	k->gather_rows(m->pool, s->picked, s->n_end, s->rows, s->n_targets, c->hidden);
	k->logprob(m->pool, s->logp, s->lse, s->picked, m->params + m->layout->head, s->targets, s->head_scratch, s->n_targets,
		   c->hidden, c->vocab);
	k->download(s->host_values, s->logp, (size_t)s->n_targets * sizeof(float));
	for (int64_t i = 0; i < s->n_targets; i++)
		logp[s->host_rows[i]] = s->host_values[i];
	return OK;
}

/* --- backward ----------------------------------------------------------------------------- */

/* From dlogp to dx, the gradient of the residual stream after the last layer. */
static void head_backward(struct model *m, struct model_state *s, int64_t n, const float *dlogp, float *grads)
{
	const struct model_config *c = &m->cfg;
	const struct kernels *k = m->k;
	int64_t t = 0;

	for (int64_t i = 0; i < n; i++)
		s->host_spread[i] = (int32_t)s->n_targets;
	for (t = 0; t < s->n_targets; t++) {
		s->host_values[t] = dlogp[s->host_rows[t]];
		s->host_spread[s->host_rows[t]] = (int32_t)t;
	}
	k->upload(s->dlogp, s->host_values, (size_t)s->n_targets * sizeof(float));
	k->upload(s->spread, s->host_spread, (size_t)n * sizeof(int32_t));
	k->logprob_dx(m->pool, s->dpicked, grads + m->layout->head, s->dlogp, s->picked, m->params + m->layout->head, s->lse,
		      s->targets, s->head_scratch, s->n_targets, c->hidden, c->vocab);
	k->zero(m->pool, s->dpicked + s->n_targets * c->hidden, (size_t)c->hidden * sizeof(float));
	k->gather_rows(m->pool, s->dn, s->dpicked, s->spread, n, c->hidden);
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

	k->matmul_dx(m->pool, s->dh, s->dx, m->params + y->down, n, h, f, 0);
	k->matmul_dw(m->pool, grads + y->down, s->dx, a->h, n, h, f);
	k->swiglu_dgu(m->pool, a->gate_up, s->dh, a->gate_up, n, f);
	k->matmul_dx(m->pool, s->dn, a->gate_up, m->params + y->gate_up, n, 2 * f, h, 0);
	k->matmul_dw(m->pool, grads + y->gate_up, a->gate_up, a->n2, n, 2 * f, h);
	k->rmsnorm_dx(m->pool, s->dx, grads + y->mlp_norm, s->dn, a->x2, a->rstd2, m->params + y->mlp_norm, s->norm_scratch,
		      n, h);

	k->matmul_dx(m->pool, s->dn, s->dx, m->params + y->out, n, h, q, 0);
	k->matmul_dw(m->pool, grads + y->out, s->dx, a->o, n, h, q);
	k->attention_dqkv(m->pool, s->dqkv, s->dn, a->o, a->lse, a->qkv, s->cu, seqs, c->heads, c->kv_heads, c->head_dim);
	k->rope(m->pool, s->dqkv, s->cos, s->sin, s->pos, n, c->heads, c->kv_heads, c->head_dim, -1);
	k->matmul_dx(m->pool, s->dn, s->dqkv, m->params + y->qkv, n, qkv, h, 0);
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
	if (!s->n_targets)
		return OK;
	head_backward(m, s, b->n, dlogp, grads);
	for (int l = m->cfg.n_layers - 1; l >= 0; l--)
		layer_backward(m, s, l, b->s, b->n, grads);
	m->k->embed_dw(m->pool, grads + m->layout->embed, s->dx, s->ids, b->n, m->cfg.hidden, m->cfg.vocab);
	return OK;
}
