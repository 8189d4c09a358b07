/* layer.c - the parts of a layer, forward, for training, scoring and decoding. */
#include "model/lora.h"
#include "model/state.h"

#include <math.h>

void linear_forward(const struct model *m, const struct linear *l, act *y, const act *x, const act *res, int64_t n)
{
	m->k->matmul_add(m->pool, y, x, linear_weights(m, l), l->b >= 0 ? m->params + l->b : NULL, res, n, l->out, l->in);
	lora_forward(m, l, y, x, n);
}

void norm_forward(const struct model *m, const struct norm_place *p, act *y, float *rstd, const act *x, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (c->norm == NORM_LAYER)
		m->k->layernorm(m->pool, y, rstd, x, m->params + p->g, m->params + p->b, n, c->hidden, c->norm_eps);
	else
		m->k->rmsnorm(m->pool, y, rstd, x, m->params + p->g, c->norm_plus, NULL, n, c->hidden, c->norm_eps);
}

/* y = res + in W^T, through the post-norm p if there is one: t is then the product and rstd what p needs for its backward. */
static void add_forward(const struct model *m, const struct linear *l, const struct norm_place *p, act *y, const act *res,
			act *t, float *rstd, const act *in, int64_t n)
{
	const struct model_config *c = &m->cfg;

	if (!c->post_norms) {
		linear_forward(m, l, y, in, res, n);
		return;
	}
	linear_forward(m, l, t, in, NULL, n);
	m->k->rmsnorm(m->pool, y, rstd, t, m->params + p->g, c->norm_plus, res, n, c->hidden, c->norm_eps);
}

static void activation_forward(const struct model *m, act *h, const act *gate_up, int64_t n)
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

void layer_rotate(const struct model *m, int l, const struct rotary *r, act *qkv, int64_t n, int sign)
{
	const struct model_config *c = &m->cfg;
	bool local = c->local[l];

	if (r->half)
		m->k->rope(m->pool, qkv, local ? r->local_cos : r->cos, local ? r->local_sin : r->sin, r->row, n, c->heads,
			   c->kv_heads, c->head_dim, (int)(2 * r->half), sign);
}

/* att.qkv to att.rot. */
void layer_heads_forward(const struct model *m, int l, const struct attention_acts *a, const struct rotary *r, int64_t n)
{
	const struct model_config *c = &m->cfg;
	const struct layer_layout *y = &m->layout->layers[l];

	if (c->qk_norm)
		m->k->qk_norm(m->pool, a->rot, a->qkv, m->params + y->q_norm, m->params + y->k_norm, c->norm_plus, n, c->heads,
			      c->kv_heads, c->head_dim, c->norm_eps);
	layer_rotate(m, l, r, a->rot, n, 1);
}

void layer_before(const struct model *m, int l, const struct acts *a, const struct rotary *r, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	norm_forward(m, &y->attn_norm, a->att.n1, a->att.rstd1, a->x, n);
	linear_forward(m, &y->qkv, a->att.qkv, a->att.n1, NULL, n);
	layer_heads_forward(m, l, &a->att, r, n);
}

void layer_attention_out(const struct model *m, int l, const struct acts *a, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	add_forward(m, &y->out, &y->attn_post, a->mlp.x2, a->x, a->att.t1, a->att.rstd_t1, a->att.o, n);
}

/* mlp.x2 to mlp.h. */
void layer_mlp_inside(const struct model *m, int l, const struct acts *a, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	norm_forward(m, &y->mlp_norm, a->mlp.n2, a->mlp.rstd2, a->mlp.x2, n);
	linear_forward(m, &y->gate_up, a->mlp.gate_up, a->mlp.n2, NULL, n);
	activation_forward(m, a->mlp.h, a->mlp.gate_up, n);
}

void layer_mlp_out(const struct model *m, int l, const struct acts *a, act *x_next, int64_t n)
{
	const struct layer_layout *y = &m->layout->layers[l];

	add_forward(m, &y->down, &y->mlp_post, x_next, a->mlp.x2, a->mlp.t2, a->mlp.rstd_t2, a->mlp.h, n);
}

void layer_after(const struct model *m, int l, const struct acts *a, act *x_next, int64_t n)
{
	layer_attention_out(m, l, a, n);
	layer_mlp_inside(m, l, a, n);
	layer_mlp_out(m, l, a, x_next, n);
}

void embed_tokens(const struct model *m, act *x, const int32_t *ids, const int32_t *pos, int64_t n)
{
	const struct model_config *c = &m->cfg;

	m->k->embed(m->pool, x, linear_weights(m, &m->layout->embed), ids, n, c->hidden);
	if (c->embed_scale > 0)
		m->k->scale(m->pool, x, n * c->hidden, c->embed_scale);
	if (c->learned_positions)
		m->k->add_rows(m->pool, x, m->params + m->layout->positions, pos, n, c->hidden);
}
