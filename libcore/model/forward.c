/* forward.c - one packed micro-batch forward and backward, layer by layer, each backward the mirror of its forward.
 *
 * The residual stream at the entry of each half layer is kept (training), and the norms' outputs, rotated qkv,
 * attention output, gate|up and their product; or some of them are computed again (enum model_use). The logits never exist
 * as a whole, and those of tokens without a target never exist. N tokens, C hidden, F ffn, V vocabulary. */
#include "model/layout.h"
#include "model/lora.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct model_state {
	const struct kernels *k;
	enum model_use use;
	bool fresh;                  /* a forward has run and no backward since */
	int64_t n_max;
	int64_t positions;           /* of the longest sequence */
	void *arena;                 /* device */
	struct acts *acts;           /* [n_layers] */
	float *x_end, *n_end, *rstd_end;  /* [N, C], [N, C], [N]: after the last layer */
	float *logp, *lse, *mean;    /* [N] */
	struct rotary rotary;
	int32_t *ids, *pos, *cu, *targets;
	float *head_scratch;
	/* training only */
	float *dx, *dn, *dh, *dqkv, *dt, *dlogp, *dlse, *dmean, *norm_scratch;
	float *noise_size;           /* [N] */
	uint64_t *noise_key;
	int32_t *host_pos;           /* [N] host */
};

/* --- memory ------------------------------------------------------------------------------- */

static void take_attention(struct plan *p, struct attention_acts *a, const struct model_config *c, int64_t n)
{
	a->n1 = plan_floats(p, n, c->hidden);
	a->rstd1 = plan_floats(p, n, 1);
	a->qkv = plan_floats(p, n, qkv_width(c));
	a->rot = a->qkv;
	a->o = plan_floats(p, n, attn_width(c));
	a->lse = plan_floats(p, n, c->heads);
	a->t1 = plan_floats(p, c->post_norms ? n : 0, c->hidden);
	a->rstd_t1 = plan_floats(p, c->post_norms ? n : 0, 1);
}

static void take_mlp(struct plan *p, struct mlp_acts *a, const struct model_config *c, int64_t n)
{
	a->gate_up = plan_floats(p, n, gate_up_width(c));
	a->h = plan_floats(p, n, c->ffn);
}

/* What the feed-forward has besides in training: its own normalised input, and both sides of the post-norm. */
static void take_mlp_training(struct plan *p, struct mlp_acts *a, const struct model_config *c, int64_t n)
{
	take_mlp(p, a, c, n);
	a->x2 = plan_floats(p, n, c->hidden);
	a->n2 = plan_floats(p, n, c->hidden);
	a->rstd2 = plan_floats(p, n, 1);
	a->t2 = plan_floats(p, c->post_norms ? n : 0, c->hidden);
	a->rstd_t2 = plan_floats(p, c->post_norms ? n : 0, 1);
}

void acts_plan(struct plan *p, struct acts *a, const struct model_config *c, int64_t n)
{
	a->x = plan_floats(p, n, c->hidden);
	take_attention(p, &a->att, c, n);
	take_mlp(p, &a->mlp, c, n);
	a->mlp.x2 = a->x;
	a->mlp.n2 = a->att.n1;
	a->mlp.rstd2 = a->att.rstd1;
	a->mlp.t2 = a->att.t1;
	a->mlp.rstd_t2 = a->att.rstd_t1;
}

/* The layers' activations: one set for all in scoring; in training what the use keeps is each layer's own. */
static void plan_layers(struct plan *p, struct model_state *s, const struct model_config *c)
{
	struct acts shared = { 0 };
	int64_t n = s->n_max;
	float *rot = NULL;

	if (s->use == MODEL_SCORE)
		acts_plan(p, &shared, c, n);
	if (s->use == MODEL_TRAIN_LESS || s->use == MODEL_TRAIN_LEAST)
		take_attention(p, &shared.att, c, n);
	if (s->use == MODEL_TRAIN_LEAST)
		take_mlp_training(p, &shared.mlp, c, n);
	if (s->use != MODEL_SCORE && c->qk_norm)
		rot = plan_floats(p, n, qkv_width(c));
	for (int l = 0; l < c->n_layers; l++) {
		struct acts *a = &s->acts[l];

		*a = shared;
		if (s->use == MODEL_SCORE)
			continue;
		a->x = plan_floats(p, n, c->hidden);
		if (s->use == MODEL_TRAIN)
			take_attention(p, &a->att, c, n);
		if (s->use != MODEL_TRAIN_LEAST)
			take_mlp_training(p, &a->mlp, c, n);
		if (c->qk_norm)
			a->att.rot = rot;
	}
	s->x_end = s->use == MODEL_SCORE ? shared.x : plan_floats(p, n, c->hidden);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* What no later call reads. */
static void plan_scratch(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	int64_t n = s->n_max;

	s->head_scratch = plan_floats(p, m->k->logprob_scratch(n, model_outputs(c)), 1);
	if (s->use == MODEL_SCORE)
		return;
	s->dx = plan_floats(p, n, c->hidden);
	s->dn = plan_floats(p, n, larger(c->hidden, attn_width(c)));
	s->dh = plan_floats(p, n, c->ffn);
	s->dqkv = plan_floats(p, n, qkv_width(c));
	s->dt = plan_floats(p, c->post_norms ? n : 0, c->hidden);
	s->dlogp = plan_floats(p, n, 1);
	s->dlse = plan_floats(p, n, 1);
	s->dmean = plan_floats(p, n, 1);
	s->noise_size = plan_floats(p, n, 1);
	s->noise_key = plan_take(p, n, sizeof(uint64_t));
	s->norm_scratch = plan_floats(p, m->k->norm_scratch(n, larger(c->hidden, c->head_dim)), 1);
}

/* Everything a state holds on the device, in one arena. */
static void plan_state(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	int64_t n = s->n_max;

	plan_layers(p, s, c);
	s->n_end = plan_floats(p, n, c->hidden);
	s->rstd_end = plan_floats(p, n, 1);
	s->logp = plan_floats(p, n, 1);
	s->lse = plan_floats(p, n, 1);
	s->mean = plan_floats(p, n, 1);
	rotary_plan(p, &s->rotary, c, s->positions, n);
	s->ids = plan_take(p, n, sizeof(int32_t));
	s->pos = plan_take(p, n, sizeof(int32_t));
	s->cu = plan_take(p, n + 1, sizeof(int32_t));
	s->targets = plan_take(p, n, sizeof(int32_t));
	plan_scratch(p, s, m);
}

static int64_t longest(const struct model *m, int64_t n_max)
{
	return n_max < m->cfg.positions ? n_max : m->cfg.positions;
}

size_t model_state_bytes(const struct model *m, int64_t n_max, enum model_use use)
{
	struct model_state s = { .use = use, .n_max = n_max, .positions = longest(m, n_max) };
	struct plan p = { 0 };

	s.acts = mem_array((size_t)m->cfg.n_layers, sizeof(*s.acts));
	plan_state(&p, &s, m);
	mem_free(s.acts);
	return p.used;
}

size_t model_scratch_bytes(const struct model *m, int64_t n_max)
{
	struct model_state s = { .use = MODEL_TRAIN, .n_max = n_max };
	struct plan p = { 0 };

	plan_scratch(&p, &s, m);
	return p.used;
}

enum status model_state_open(struct model_state **out, const struct model *m, int64_t n_max, enum model_use use,
			     struct error *err)
{
	struct model_state *s;
	struct plan p = { 0 };

	*out = NULL;
	if (n_max < 1 || n_max > INT32_MAX / 2)
		return error_set(err, ERR_USAGE, "a micro-batch of %lld tokens", (long long)n_max);
	s = mem_zalloc(sizeof(*s));
	s->k = m->k;
	s->use = use;
	s->n_max = n_max;
	s->positions = longest(m, n_max);
	s->acts = mem_array((size_t)m->cfg.n_layers, sizeof(*s->acts));
	plan_state(&p, s, m);
	if (lora_reserve(m, n_max, err) != OK) {
		model_state_close(s);
		return ERR_MEMORY;
	}
	s->arena = m->k->alloc(m->pool, p.used);
	if (!s->arena) {
		model_state_close(s);
		return error_set(err, ERR_MEMORY, "no memory for the activations of %lld tokens (%zu MB): take smaller "
				 "micro-batches", (long long)n_max, p.used >> 20);
	}
	p = (struct plan){ .base = s->arena };
	plan_state(&p, s, m);
	rotary_open(&s->rotary, m, n_max);
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
	rotary_close(&s->rotary);
	mem_free(s->acts);
	mem_free(s->host_pos);
	mem_free(s);
}

/* --- the batch ---------------------------------------------------------------------------- */

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
		if (b->ids[i] < 0 || b->ids[i] >= m->cfg.vocab || b->targets[i] >= model_outputs(&m->cfg))
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d",
					 b->ids[i] < 0 || b->ids[i] >= m->cfg.vocab ? b->ids[i] : b->targets[i], m->cfg.vocab);
	return OK;
}

/* Moves the batch to the device; positions restart in each sequence. */
static void upload_batch(struct model_state *s, const struct model *m, const struct model_batch *b)
{
	size_t ints = (size_t)b->n * sizeof(int32_t);

	for (int64_t i = 0; i < b->s; i++)
		for (int32_t j = b->cu[i]; j < b->cu[i + 1]; j++)
			s->host_pos[j] = j - b->cu[i];
	s->k->upload(s->ids, b->ids, ints);
	s->k->upload(s->pos, s->host_pos, ints);
	s->k->upload(s->cu, b->cu, (size_t)(b->s + 1) * sizeof(int32_t));
	s->k->upload(s->targets, b->targets, ints);
	rotary_set(&s->rotary, m, b->cu, b->s, NULL);
}

/* --- the parts of a layer, forward ----------------------------------------------------------- */

void linear_forward(const struct model *m, const struct linear *l, float *y, const float *x, const float *res, int64_t n)
{
	bool bias = l->b >= 0;

	if (bias)
		m->k->add_bias(m->pool, y, res, m->params + l->b, n, l->out);
	else if (res && res != y)
		m->k->copy(m->pool, y, res, (size_t)(n * l->out) * sizeof(float));
	m->k->matmul(m->pool, y, x, linear_weights(m, l), n, l->out, l->in, bias || res);
	lora_forward(m, l, y, x, n);
}

void norm_forward(const struct model *m, const struct norm_place *p, float *y, float *rstd, const float *x, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->norm == NORM_LAYER)
		m->k->layernorm(m->pool, y, rstd, x, m->params + p->g, m->params + p->b, n, c->hidden, c->norm_eps);
	else
		m->k->rmsnorm(m->pool, y, rstd, x, m->params + p->g, c->norm_plus, NULL, n, c->hidden, c->norm_eps);
}

/* y = res + in W^T, through the post-norm p if there is one: t is then the product and rstd what p needs for its backward. */
static void add_forward(const struct model *m, const struct linear *l, const struct norm_place *p, float *y, const float *res,
			float *t, float *rstd, const float *in, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (!c->post_norms) {
		linear_forward(m, l, y, in, res, n);
		return;
	}
	linear_forward(m, l, t, in, NULL, n);
	m->k->rmsnorm(m->pool, y, rstd, t, m->params + p->g, c->norm_plus, res, n, c->hidden, c->norm_eps);
}

static void activation_forward(const struct model *m, float *h, const float *gate_up, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->act == ACT_GELU)
		m->k->gelu(m->pool, h, gate_up, n * c->ffn);
	else
		(c->act == ACT_GEGLU ? m->k->geglu : m->k->swiglu)(m->pool, h, gate_up, n, c->ffn);
}

struct heads layer_heads(const struct model_config *c, int l)
{
	double query = c->query_scale > 0 ? c->query_scale : c->head_dim;

	return (struct heads){ .h = c->heads, .hkv = c->kv_heads, .d = c->head_dim, .window = c->local[l] ? c->window : 0,
			       .scale = (float)(1 / sqrt(query)), .cap = c->attention_cap };
}

static void rotate(const struct model *m, int l, const struct rotary *r, float *qkv, int64_t n, int sign)
{
	const struct model_config *c = &m->cfg;
	bool local = c->local[l];

	if (r->half)
		m->k->rope(m->pool, qkv, local ? r->local_cos : r->cos, local ? r->local_sin : r->sin, r->row, n, c->heads,
			   c->kv_heads, c->head_dim, (int)(2 * r->half), sign);
}

/* att.qkv to att.rot. */
static void heads_forward(const struct model *m, int l, const struct attention_acts *a, const struct rotary *r, int64_t n)
{
	const struct model_config *c = &m->cfg;
	const struct layer_layout *y = &m->layout->layers[l];

	if (c->qk_norm)
		m->k->qk_norm(m->pool, a->rot, a->qkv, m->params + y->q_norm, m->params + y->k_norm, c->norm_plus, n, c->heads,
			      c->kv_heads, c->head_dim, c->norm_eps);
	rotate(m, l, r, a->rot, n, 1);
}

void layer_before(const struct model *m, int l, const struct acts *a, const struct rotary *r, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	norm_forward(m, &y->attn_norm, a->att.n1, a->att.rstd1, a->x, n);
	linear_forward(m, &y->qkv, a->att.qkv, a->att.n1, NULL, n);
	heads_forward(m, l, &a->att, r, n);
}

static void attention_out(const struct model *m, int l, const struct acts *a, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	add_forward(m, &y->out, &y->attn_post, a->mlp.x2, a->x, a->att.t1, a->att.rstd_t1, a->att.o, n);
}

/* mlp.x2 to mlp.h. */
static void mlp_inside(const struct model *m, int l, const struct acts *a, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	norm_forward(m, &y->mlp_norm, a->mlp.n2, a->mlp.rstd2, a->mlp.x2, n);
	linear_forward(m, &y->gate_up, a->mlp.gate_up, a->mlp.n2, NULL, n);
	activation_forward(m, a->mlp.h, a->mlp.gate_up, n);
}

static void mlp_out(const struct model *m, int l, const struct acts *a, float *x_next, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	add_forward(m, &y->down, &y->mlp_post, x_next, a->mlp.x2, a->mlp.t2, a->mlp.rstd_t2, a->mlp.h, n);
}

void layer_after(const struct model *m, int l, const struct acts *a, float *x_next, int64_t n)
{
	attention_out(m, l, a, n);
	mlp_inside(m, l, a, n);
	mlp_out(m, l, a, x_next, n);
}

void embed_tokens(const struct model *m, float *x, const int32_t *ids, const int32_t *pos, int64_t n)
{
	const struct model_config *c = &m->cfg;

	m->k->embed(m->pool, x, linear_weights(m, &m->layout->embed), ids, n, c->hidden);
	if (c->embed_scale > 0)
		m->k->scale(m->pool, x, n * c->hidden, c->embed_scale);
	if (c->learned_positions)
		m->k->add_rows(m->pool, x, m->params + m->layout->positions, pos, n, c->hidden);
}

/* --- forward ------------------------------------------------------------------------------ */

static void attend(const struct model *m, const struct model_state *s, int l, int64_t seqs, int64_t n)
{
	const struct attention_acts *a = &s->acts[l].att;

	layer_before(m, l, &s->acts[l], &s->rotary, n);
	m->k->attention(m->pool, a->o, a->lse, a->rot, s->cu, seqs, layer_heads(&m->cfg, l));
}

/* What the random numbers of this batch are drawn from: those of NEFTune and of the adapters' dropout. */
static void take_keys(struct model *m, struct model_state *s, const struct model_batch *b)
{
	bool draws = s->use != MODEL_SCORE && b->noise_key;

	if (draws)
		m->k->upload(s->noise_key, b->noise_key, (size_t)b->n * sizeof(uint64_t));
	if (m->lora)
		lora_keys(m->lora, draws ? s->noise_key : NULL, b->noise_seed);
}

/* NEFTune (Jain et al. 2023). */
static void add_noise(struct model *m, struct model_state *s, const struct model_batch *b)
{
	m->k->upload(s->noise_size, b->noise_size, (size_t)b->n * sizeof(float));
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
	int64_t n = b->n;

	TRY(check_batch(m, s, b, err));
	upload_batch(s, m, b);
	s->fresh = s->use != MODEL_SCORE;
	if (!n)
		return OK;
	take_keys(m, s, b);
	embed_tokens(m, s->acts[0].x, s->ids, s->pos, n);
	if (s->use != MODEL_SCORE && b->noise_size)
		add_noise(m, s, b);
	for (int l = 0; l < c->n_layers; l++) {
		attend(m, s, l, b->s, n);
		layer_after(m, l, &s->acts[l], l + 1 < c->n_layers ? s->acts[l + 1].x : s->x_end, n);
	}
	norm_forward(m, &m->layout->norm, s->n_end, s->rstd_end, s->x_end, n);
	k->logprob(m->pool, s->logp, s->lse, b->mean ? s->mean : NULL, NULL, s->n_end, linear_weights(m, &m->layout->head), s->targets,
		   s->head_scratch, n, c->hidden, model_outputs(c), c->logit_cap);
	download_terms(s, b, logp);
	return OK;
}

/* --- backward ----------------------------------------------------------------------------- */

/* NULL where no gradient is wanted: there is no such parameter, or it is the frozen base's. */
static float *grad_at(const struct model *m, float *grads, int64_t offset)
{
	return offset >= 0 && !m->frozen ? grads + offset : NULL;
}

void linear_backward(const struct model *m, const struct linear *l, float *dx, const float *dy, const float *x, float *grads,
		     int64_t n)
{
	m->k->matmul_dx(m->pool, dx, dy, linear_weights(m, l), n, l->out, l->in, 0);
	lora_backward(m, l, dx, dy, x, grads, n);
	if (m->frozen)
		return;
	m->k->matmul_dw(m->pool, grads + l->w, dy, x, n, l->out, l->in);
	if (l->b >= 0)
		m->k->bias_db(m->pool, grads + l->b, dy, n, l->out);
}

/* dx += the gradient of x. */
static void norm_backward(const struct model *m, const struct norm_place *p, float *dx, const float *dy, const float *x,
			  const float *rstd, float *grads, float *scratch, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->norm == NORM_LAYER)
		m->k->layernorm_dx(m->pool, dx, grad_at(m, grads, p->g), grad_at(m, grads, p->b), dy, x, rstd, m->params + p->g, scratch, n,
				   c->hidden);
	else
		m->k->rmsnorm_dx(m->pool, dx, grad_at(m, grads, p->g), dy, x, rstd, m->params + p->g, c->norm_plus, scratch, n, c->hidden);
}

/* The gradient of a half layer's product from that of the residual stream: dx itself, or through the post-norm. */
static const float *post_backward(const struct model *m, const struct model_state *s, const struct norm_place *p,
				  const float *t, const float *rstd, float *grads, int64_t n)
{
	if (!m->cfg.post_norms)
		return s->dx;
	m->k->zero(m->pool, s->dt, (size_t)(n * m->cfg.hidden) * sizeof(float));
	norm_backward(m, p, s->dt, s->dx, t, rstd, grads, s->norm_scratch, n);
	return s->dt;
}

/* gate_up becomes its own gradient. */
static void activation_backward(const struct model *m, float *gate_up, const float *dh, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->act == ACT_GELU)
		m->k->gelu_dx(m->pool, gate_up, dh, gate_up, n * c->ffn);
	else
		(c->act == ACT_GEGLU ? m->k->geglu_dgu : m->k->swiglu_dgu)(m->pool, gate_up, dh, gate_up, n, c->ffn);
}

/* dqkv, from the gradient of rot to that of qkv. */
static void heads_backward(const struct model *m, const struct model_state *s, int l, float *grads, int64_t n)
{
	const struct model_config *c = &m->cfg;
	const struct layer_layout *y = &m->layout->layers[l];

	rotate(m, l, &s->rotary, s->dqkv, n, -1);
	if (c->qk_norm)
		m->k->qk_norm_dx(m->pool, s->dqkv, grad_at(m, grads, y->q_norm), grad_at(m, grads, y->k_norm), s->acts[l].att.qkv,
				 m->params + y->q_norm, m->params + y->k_norm, c->norm_plus, s->norm_scratch, n, c->heads,
				 c->kv_heads, c->head_dim, c->norm_eps);
}

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
	k->logprob_dx(m->pool, s->dn, m->layout->head.w >= 0 ? grads + m->layout->head.w : NULL, &d, s->n_end, linear_weights(m, &m->layout->head), s->lse,
		      s->targets, s->head_scratch, n, c->hidden, model_outputs(c), c->logit_cap);
	k->zero(m->pool, s->dx, (size_t)(n * c->hidden) * sizeof(float));
	norm_backward(m, &m->layout->norm, s->dx, s->dn, s->x_end, s->rstd_end, grads, s->norm_scratch, n);
}

/* dx: in, the gradient of the layer's output; out, of the stream between attention and feed-forward. */
static void mlp_backward(struct model *m, struct model_state *s, int l, int64_t n, float *grads)
{
	const struct layer_layout *y = &m->layout->layers[l];
	const struct mlp_acts *a = &s->acts[l].mlp;
	const float *dy = post_backward(m, s, &y->mlp_post, a->t2, a->rstd_t2, grads, n);

	linear_backward(m, &y->down, s->dh, dy, a->h, grads, n);
	activation_backward(m, a->gate_up, s->dh, n);
	linear_backward(m, &y->gate_up, s->dn, a->gate_up, a->n2, grads, n);
	norm_backward(m, &y->mlp_norm, s->dx, s->dn, a->x2, a->rstd2, grads, s->norm_scratch, n);
}

static void attention_backward(struct model *m, struct model_state *s, int l, int64_t seqs, int64_t n, float *grads)
{
	const struct layer_layout *y = &m->layout->layers[l];
	const struct attention_acts *a = &s->acts[l].att;
	const float *dy = post_backward(m, s, &y->attn_post, a->t1, a->rstd_t1, grads, n);

	linear_backward(m, &y->out, s->dn, dy, a->o, grads, n);
	m->k->attention_dqkv(m->pool, s->dqkv, s->dn, a->o, a->lse, a->rot, s->cu, seqs, layer_heads(&m->cfg, l));
	heads_backward(m, s, l, grads, n);
	linear_backward(m, &y->qkv, s->dn, s->dqkv, a->n1, grads, n);
	norm_backward(m, &y->attn_norm, s->dx, s->dn, s->acts[l].x, a->rstd1, grads, s->norm_scratch, n);
}

/* Computes again what a layer did not keep: by the same kernels, so to the same bits. */
static void recompute(const struct model *m, const struct model_state *s, int l, int64_t seqs, int64_t n)
{
	const struct acts *a = &s->acts[l];

	if (s->use != MODEL_TRAIN)
		attend(m, s, l, seqs, n);
	else if (m->cfg.qk_norm)
		heads_forward(m, l, &a->att, &s->rotary, n);
	if (s->use == MODEL_TRAIN_LEAST || (s->use == MODEL_TRAIN_LESS && m->cfg.post_norms))
		attention_out(m, l, a, n);
	if (s->use != MODEL_TRAIN_LEAST)
		return;
	mlp_inside(m, l, a, n);
	if (m->cfg.post_norms)
		mlp_out(m, l, a, s->dt, n);          /* for t2; the sum is not wanted */
}

enum status model_backward(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp,
			   float *grads, struct error *err)
{
	const struct model_config *c = &m->cfg;
	int64_t n = b->n;

	if (!s->fresh)
		return error_set(err, ERR_USAGE, "a backward pass needs a forward pass of its own");
	s->fresh = false;
	if (!n)
		return OK;
	head_backward(m, s, b, dlogp, grads);
	for (int l = c->n_layers - 1; l >= 0; l--) {
		recompute(m, s, l, b->s, n);
		mlp_backward(m, s, l, n, grads);
		attention_backward(m, s, l, b->s, n, grads);
	}
	if (c->learned_positions && !m->frozen)
		m->k->embed_dw(m->pool, grads + m->layout->positions, s->dx, s->pos, n, c->hidden, c->positions);
	if (m->layout->embed.w < 0)
		return OK;
	if (c->embed_scale > 0)
		m->k->scale(m->pool, s->dx, n * c->hidden, c->embed_scale);
	m->k->embed_dw(m->pool, grads + m->layout->embed.w, s->dx, s->ids, n, c->hidden, c->vocab);
	return OK;
}
