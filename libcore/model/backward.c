/* backward.c - one packed micro-batch backward: each step the mirror of the forward's. */
#include "model/lora.h"
#include "model/state.h"

/* NULL where no gradient is wanted: there is no such parameter, or it is the frozen base's, or fixed. */
static float *grad_at(const struct model *m, float *grads, int64_t offset, bool fixed)
{
	return offset >= 0 && !m->frozen && !fixed ? grads + offset : NULL;
}

void linear_backward(const struct model *m, const struct linear *l, act *dx, const act *dy, const act *x, float *grads, int64_t n)
{
	m->k->matmul_dx(m->pool, dx, dy, linear_weights(m, l), n, l->out, l->in, 0);
	lora_backward(m, l, dx, dy, x, grads, n);
	if (m->frozen)
		return;
	if (!l->fixed)
		m->k->matmul_dw(m->pool, grads + l->w, dy, x, n, l->out, l->in);
	if (l->b >= 0 && !l->b_fixed)
		m->k->bias_db(m->pool, grads + l->b, dy, n, l->out);
}

/* dx += the gradient of x. */
static void norm_backward(const struct model *m, const struct norm_place *p, act *dx, const act *dy, const act *x,
			  const float *rstd, float *grads, float *scratch, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->norm == NORM_LAYER)
		m->k->layernorm_dx(m->pool, dx, grad_at(m, grads, p->g, p->fixed), grad_at(m, grads, p->b, p->fixed), dy, x, rstd,
				   m->params + p->g, scratch, n, c->hidden);
	else
		m->k->rmsnorm_dx(m->pool, dx, grad_at(m, grads, p->g, p->fixed), dy, x, rstd, m->params + p->g, c->norm_plus, scratch, n,
				 c->hidden);
}

/* The gradient of a half layer's product from that of the residual stream: dx itself, or through the post-norm. */
static const act *post_backward(const struct model *m, const struct model_state *s, const struct norm_place *p,
				const act *t, const float *rstd, float *grads, int64_t n)
{
	if (!m->cfg.post_norms)
		return s->dx;
	m->k->zero(m->pool, s->dt, (size_t)(n * m->cfg.hidden) * m->k->elem_bytes);
	norm_backward(m, p, s->dt, s->dx, t, rstd, grads, s->norm_scratch, n);
	return s->dt;
}

/* gate_up becomes its own gradient. */
static void activation_backward(const struct model *m, act *gate_up, const act *dh, int64_t n)
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

	layer_rotate(m, l, &s->rotary, s->dqkv, n, -1);
	if (c->qk_norm)
		m->k->qk_norm_dx(m->pool, s->dqkv, grad_at(m, grads, y->q_norm, y->qk_fixed), grad_at(m, grads, y->k_norm, y->qk_fixed),
				 s->acts[l].att.qkv,
				 m->params + y->q_norm, m->params + y->k_norm, c->norm_plus, s->norm_scratch, n, c->heads,
				 c->kv_heads, c->head_dim, c->norm_eps);
}

/* From dlogp to dn, the gradient of the normalised stream after the last layer; to logp, if it is not NULL, what the forward would give. */
static void logprob_backward(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp,
			     float *grads, float *logp)
{
	const struct model_config *c = &m->cfg;
	const struct kernels *k = m->k;
	const struct linear *head = &m->layout->head;
	struct logprob_grad d = { s->dlogp, b->dlse ? s->dlse : NULL, b->dmean ? s->dmean : NULL };
	int64_t n = b->n;

	k->upload(s->dlogp, dlogp, (size_t)n * sizeof(float));
	if (d.lse)
		k->upload(s->dlse, b->dlse, (size_t)n * sizeof(float));
	if (d.mean)
		k->upload(s->dmean, b->dmean, (size_t)n * sizeof(float));
	k->logprob_dx(m->pool, s->dn, head->w >= 0 && !head->fixed ? grads + head->w : NULL, &d, s->n_end, linear_weights(m, head), logp,
		      s->lse, s->targets, s->head_scratch, n, c->hidden, c->vocab, c->logit_cap);
}

/* To dx, the gradient of the stream itself. */
static void head_backward(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp,
			  float *grads, float *logp)
{
	const struct model_config *c = &m->cfg;
	int64_t n = b->n;

	if (c->labels) {
		m->k->upload(s->logits, b->dlogits, (size_t)(n * c->labels) * sizeof(float));
		m->k->from_floats(m->pool, s->dlogits, s->logits, n * c->labels);
		classify_backward(m, s->dn, s->dlogits, s->n_end, grads, n);
	} else {
		logprob_backward(m, s, b, dlogp, grads, logp);
	}
	m->k->zero(m->pool, s->dx, (size_t)(n * c->hidden) * m->k->elem_bytes);
	norm_backward(m, &m->layout->norm, s->dx, s->dn, s->x_end, s->rstd_end, grads, s->norm_scratch, n);
}

/* dx: in, the gradient of the layer's output; out, of the stream between attention and feed-forward. */
static void mlp_backward(struct model *m, struct model_state *s, int l, int64_t n, float *grads)
{
	const struct layer_layout *y = &m->layout->layers[l];
	const struct mlp_acts *a = &s->acts[l].mlp;
	const act *dy = post_backward(m, s, &y->mlp_post, a->t2, a->rstd_t2, grads, n);

	linear_backward(m, &y->down, s->dh, dy, a->h, grads, n);
	activation_backward(m, a->gate_up, s->dh, n);
	linear_backward(m, &y->gate_up, s->dn, a->gate_up, a->n2, grads, n);
	norm_backward(m, &y->mlp_norm, s->dx, s->dn, a->x2, a->rstd2, grads, s->norm_scratch, n);
}

static void attention_backward(struct model *m, struct model_state *s, int l, int64_t seqs, int64_t n, float *grads)
{
	const struct layer_layout *y = &m->layout->layers[l];
	const struct attention_acts *a = &s->acts[l].att;
	const act *dy = post_backward(m, s, &y->attn_post, a->t1, a->rstd_t1, grads, n);

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
		layer_attend(m, s, l, seqs, n);
	else if (m->cfg.qk_norm)
		layer_heads_forward(m, l, &a->att, &s->rotary, n);
	if (s->use == MODEL_TRAIN_LEAST || (s->use == MODEL_TRAIN_LESS && m->cfg.post_norms))
		layer_attention_out(m, l, a, n);
	if (s->use != MODEL_TRAIN_LEAST)
		return;
	layer_mlp_inside(m, l, a, n);
	if (m->cfg.post_norms)
		layer_mlp_out(m, l, a, s->dt, n);          /* for t2; the sum is not wanted */
}

/* Of the embeddings, from dx, the gradient of the first layer's input. */
static void embed_backward(const struct model *m, const struct model_state *s, float *grads, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->learned_positions && !m->frozen && !m->layout->positions_fixed)
		m->k->embed_dw(m->pool, grads + m->layout->positions, s->dx, s->pos, n, c->hidden, c->positions);
	if (m->layout->embed.w < 0 || m->layout->embed.fixed)
		return;
	if (c->embed_scale > 0)
		m->k->scale(m->pool, s->dx, n * c->hidden, c->embed_scale);
	m->k->embed_dw(m->pool, grads + m->layout->embed.w, s->dx, s->ids, n, c->hidden, c->vocab);
}

/* All behind the head. */
static void stream_backward(struct model *m, struct model_state *s, const struct model_batch *b, float *grads)
{
	int64_t n = b->n;

	for (int l = m->cfg.n_layers - 1; l >= m->layout->lowest; l--) {
		recompute(m, s, l, b->s, n);
		mlp_backward(m, s, l, n, grads);
		attention_backward(m, s, l, b->s, n, grads);
	}
	embed_backward(m, s, grads, n);
}

enum status model_backward(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp,
			   float *grads, struct error *err)
{
	if (!s->fresh)
		return error_set(err, ERR_USAGE, "a backward pass needs a forward pass of its own");
	s->fresh = false;
	if (!b->n)
		return OK;
	head_backward(m, s, b, dlogp, grads, NULL);
	stream_backward(m, s, b, grads);
	return OK;
}

enum status model_learn(struct model *m, struct model_state *s, const struct model_batch *b, const float *dlogp, float *logp, float *grads,
			struct error *err)
{
	if (s->use == MODEL_SCORE)
		return error_set(err, ERR_USAGE, "a state for scoring has no backward pass");
	TRY(state_take_batch(s, m, b, err));
	s->fresh = false;
	if (!b->n)
		return OK;
	forward_stream(m, s, b);
	head_backward(m, s, b, dlogp, grads, s->logp);
	s->k->download(logp, s->logp, (size_t)b->n * sizeof(float));
	if (b->lse)
		s->k->download(b->lse, s->lse, (size_t)b->n * sizeof(float));
	stream_backward(m, s, b, grads);
	return OK;
}
