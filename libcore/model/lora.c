/* lora.c - see lora.h. */
#include "model/lora.h"

#include "base/mem.h"

#include <string.h>

/* --- which layers ------------------------------------------------------------------------------------ */

struct lora *lora_open(const struct adapter_config *c)
{
	struct lora *a = mem_zalloc(sizeof(*a));

	adapter_config_copy(&a->config, c);
	a->all_linear = c->target_pattern && !strcmp(c->target_pattern, "all-linear");
	a->fits = mem_array((size_t)c->n_targets + 1, sizeof(*a->fits));
	return a;
}

void lora_close(struct lora *a, const struct kernels *k)
{
	if (!a)
		return;
	if (a->room)
		k->release(a->room);
	adapter_config_release(&a->config);
	mem_free(a->fits);
	mem_free(a);
}

/* PEFT resolves all-linear to names; what we write is resolved, too. */
static void note_target(struct adapter_config *c, const char *module)
{
	const char *dot = strrchr(module, '.'), *last = dot ? dot + 1 : module;

	for (int i = 0; i < c->n_targets; i++)
		if (!strcmp(c->targets[i], last))
			return;
	c->targets = mem_grow(c->targets, (size_t)c->n_targets + 1, sizeof(*c->targets));
	c->targets[c->n_targets++] = mem_strdup(last);
}

bool lora_wants(struct lora *a, const char *module, int64_t *r, float *scale)
{
	bool yes = false;
	int rank = 0;
	enum status st = adapter_targets(&a->config, module, &yes, &a->error);

	if (st == OK && yes)
		st = adapter_rank(&a->config, module, &rank, scale, &a->error);
	if (st != OK)
		a->status = st;
	*r = rank;
	for (int i = 0; i < a->config.n_targets && !a->all_linear; i++)
		a->fits[i] |= adapter_ends_with(module, a->config.targets[i]);
	if (st == OK && yes && a->all_linear)
		note_target(&a->config, module);
	a->n_modules += st == OK && yes;
	return st == OK && yes;
}

bool lora_saves(const struct lora *a, const char *module)
{
	for (int i = 0; i < a->config.n_save; i++)
		if (adapter_ends_with(module, a->config.save[i]))
			return true;
	return false;
}

enum status lora_check(const struct lora *a, bool fresh, const char *named, struct error *err)
{
	if (a->status != OK)
		return error_set(err, a->status, "%s", a->error.text);
	for (int i = 0; fresh && i < a->config.n_targets && !a->all_linear; i++)
		if (!a->fits[i])
			return error_set(err, ERR_USAGE, "--lora-targets: '%s' fits no layer of the model; they are named as '%s'",
					 a->config.targets[i], named);
	if (a->n_modules)
		return OK;
	return error_set(err, fresh ? ERR_USAGE : ERR_DATA, "%s: no layer of the model fits; they are named as '%s'",
			 fresh ? "--lora-targets" : "target_modules", named);
}

void lora_resolve(struct lora *a, bool transposed)
{
	if (a->all_linear) {
		mem_free(a->config.target_pattern);
		a->config.target_pattern = NULL;
	}
	a->config.fan_in_fan_out = transposed;
}

/* --- memory --------------------------------------------------------------------------------------------- */

static void plan_room(struct plan *p, struct lora *a, const struct kernels *k, int64_t n)
{
	a->t = plan_acts(p, k, n, a->rank_max);
	a->dt = plan_acts(p, k, n, a->rank_max);
	a->x = plan_acts(p, k, a->config.dropout > 0 ? n : 0, a->in_max);
}

static void largest(struct lora *a, const struct linear *l)
{
	a->rank_max = l->rank > a->rank_max ? l->rank : a->rank_max;
	a->in_max = l->in > a->in_max ? l->in : a->in_max;
}

size_t lora_bytes(const struct model *m, int64_t n)
{
	struct lora *a = m->lora;
	struct plan p = { 0 };

	for (int l = 0; l < m->cfg.n_layers && a; l++) {
		const struct layer_layout *y = &m->layout->layers[l];

		largest(a, &y->qkv);
		largest(a, &y->out);
		largest(a, &y->gate_up);
		largest(a, &y->down);
	}
	if (a)
		plan_room(&p, &(struct lora){ .config = a->config, .rank_max = a->rank_max, .in_max = a->in_max }, m->k, n);
	return p.used;
}

enum status lora_reserve(const struct model *m, int64_t n, struct error *err)
{
	struct lora *a = m->lora;
	size_t bytes;

	if (!a || n <= a->n_max)
		return OK;
	bytes = lora_bytes(m, n);
	if (a->room)
		m->k->release(a->room);
	a->room = m->k->alloc(m->pool, bytes);
	a->n_max = a->room ? n : 0;
	if (!a->room)
		return error_set(err, ERR_MEMORY, "no memory for the adapters of %lld tokens (%zu MB)", (long long)n, bytes >> 20);
	plan_room(&(struct plan){ .base = a->room }, a, m->k, n);
	return OK;
}

bool model_draws(const struct model *m)
{
	return m->lora && m->lora->config.dropout > 0;
}

void model_adapter_off(struct model *m, bool off)
{
	if (m->lora)
		m->lora->off = off;
}

/* --- the layer ------------------------------------------------------------------------------------------- */

static bool drops(const struct lora *a)
{
	return a->keys && a->config.dropout > 0;
}

/* x, or x with dropout, its place telling one matrix from another. */
static const act *dropped(const struct model *m, const struct linear *l, const act *x, int64_t n)
{
	struct lora *a = m->lora;

	if (!drops(a))
		return x;
	m->k->dropout(m->pool, a->x, x, a->keys, a->seed + (uint64_t)l->a, (float)a->config.dropout, n, l->in, 0);
	return a->x;
}

/* t = x A^T, of all parts. */
static void into_rank(const struct model *m, const struct linear *l, const act *x, int64_t n)
{
	const struct lora *a = m->lora;

	m->k->matmul(m->pool, a->t, x, weights_f32(m->params + l->a), n, l->rank, l->in, 0);
}

void lora_forward(const struct model *m, const struct linear *l, act *y, const act *x, int64_t n)
{
	const struct lora *a = m->lora;

	if (!a || a->off || !l->n_lora)
		return;
	into_rank(m, l, dropped(m, l, x, n), n);
	for (int i = 0; i < l->n_lora; i++) {
		const struct lora_part *p = &l->lora[i];

		act *t = act_at(m->k, a->t, p->rank_row);

		m->k->scale_columns(m->pool, t, l->rank, n, p->r, p->scale);
		m->k->matmul_part(m->pool, act_at(m->k, y, p->row), l->out, t, l->rank, weights_f32(m->params + p->b), n, p->rows, p->r, 1);
	}
}

void lora_backward(const struct model *m, const struct linear *l, act *dx, const act *dy, const act *x, float *grads, int64_t n)
{
	const struct lora *a = m->lora;
	const act *in;

	if (!a || a->off || !l->n_lora)
		return;
	in = dropped(m, l, x, n);
	into_rank(m, l, in, n);
	for (int i = 0; i < l->n_lora; i++) {
		const struct lora_part *p = &l->lora[i];
		act *t = act_at(m->k, a->t, p->rank_row), *dt = act_at(m->k, a->dt, p->rank_row);
		const act *dy_part = act_at(m->k, dy, p->row);

		m->k->scale_columns(m->pool, t, l->rank, n, p->r, p->scale);
		m->k->matmul_dw_part(m->pool, grads + p->b, dy_part, l->out, t, l->rank, n, p->rows, p->r);
		m->k->matmul_dx_part(m->pool, dt, l->rank, dy_part, l->out, weights_f32(m->params + p->b), n, p->rows, p->r, 0);
		m->k->scale_columns(m->pool, dt, l->rank, n, p->r, p->scale);
	}
	m->k->matmul_dw(m->pool, grads + l->a, a->dt, in, n, l->rank, l->in);
	if (!drops(a)) {
		m->k->matmul_dx(m->pool, dx, a->dt, weights_f32(m->params + l->a), n, l->rank, l->in, 1);
		return;
	}
	m->k->matmul_dx(m->pool, a->x, a->dt, weights_f32(m->params + l->a), n, l->rank, l->in, 0);
	m->k->dropout(m->pool, dx, a->x, a->keys, a->seed + (uint64_t)l->a, (float)a->config.dropout, n, l->in, 1);
}
