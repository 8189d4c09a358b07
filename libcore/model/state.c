/* state.c - see state.h: what a pass holds, planned as one arena, and the batch it works on. */
#include "model/state.h"
#include "model/lora.h"

#include "base/mem.h"

static void take_attention(struct plan *p, struct attention_acts *a, const struct model *m, int64_t n)
{
	const struct model_config *c = &m->cfg;

	a->n1 = plan_acts(p, m->k, n, c->hidden);
	a->rstd1 = plan_floats(p, n, 1);
	a->qkv = plan_acts(p, m->k, n, qkv_width(c));
	a->rot = a->qkv;
	a->o = plan_acts(p, m->k, n, attn_width(c));
	a->lse = plan_floats(p, n, c->heads);
	a->t1 = plan_acts(p, m->k, c->post_norms ? n : 0, c->hidden);
	a->rstd_t1 = plan_floats(p, c->post_norms ? n : 0, 1);
}

static void take_mlp(struct plan *p, struct mlp_acts *a, const struct model *m, int64_t n)
{
	const struct model_config *c = &m->cfg;

	a->gate_up = plan_acts(p, m->k, n, gate_up_width(c));
	a->h = plan_acts(p, m->k, n, c->ffn);
}

/* What the feed-forward has besides in training: its own normalised input, and both sides of the post-norm. */
static void take_mlp_training(struct plan *p, struct mlp_acts *a, const struct model *m, int64_t n)
{
	const struct model_config *c = &m->cfg;

	take_mlp(p, a, m, n);
	a->x2 = plan_acts(p, m->k, n, c->hidden);
	a->n2 = plan_acts(p, m->k, n, c->hidden);
	a->rstd2 = plan_floats(p, n, 1);
	a->t2 = plan_acts(p, m->k, c->post_norms ? n : 0, c->hidden);
	a->rstd_t2 = plan_floats(p, c->post_norms ? n : 0, 1);
}

void acts_plan(struct plan *p, struct acts *a, const struct model *m, int64_t n)
{
	a->x = plan_acts(p, m->k, n, m->cfg.hidden);
	take_attention(p, &a->att, m, n);
	take_mlp(p, &a->mlp, m, n);
	a->mlp.x2 = a->x;
	a->mlp.n2 = a->att.n1;
	a->mlp.rstd2 = a->att.rstd1;
	a->mlp.t2 = a->att.t1;
	a->mlp.rstd_t2 = a->att.rstd_t1;
}

/* The layers' activations: one set for all in scoring; in training what the use keeps is each layer's own. */
static void plan_layers(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	struct acts shared = { 0 };
	int64_t n = s->n_max;
	act *rot = NULL;

	if (s->use == MODEL_SCORE)
		acts_plan(p, &shared, m, n);
	if (s->use == MODEL_TRAIN_LESS || s->use == MODEL_TRAIN_LEAST)
		take_attention(p, &shared.att, m, n);
	if (s->use == MODEL_TRAIN_LEAST)
		take_mlp_training(p, &shared.mlp, m, n);
	if (s->use != MODEL_SCORE && c->qk_norm)
		rot = plan_acts(p, m->k, n, qkv_width(c));
	for (int l = 0; l < c->n_layers; l++) {
		struct acts *a = &s->acts[l];

		*a = shared;
		if (s->use == MODEL_SCORE)
			continue;
		a->x = plan_acts(p, m->k, n, c->hidden);
		if (s->use == MODEL_TRAIN)
			take_attention(p, &a->att, m, n);
		if (s->use != MODEL_TRAIN_LEAST)
			take_mlp_training(p, &a->mlp, m, n);
		if (c->qk_norm)
			a->att.rot = rot;
	}
	s->x_end = s->use == MODEL_SCORE ? shared.x : plan_acts(p, m->k, n, c->hidden);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* What no later call reads. */
static void plan_scratch(struct plan *p, struct model_state *s, const struct model *m)
{
	const struct model_config *c = &m->cfg;
	int64_t n = s->n_max;

	s->head_scratch = plan_floats(p, c->labels ? 0 : m->k->logprob_scratch(n, c->hidden, c->vocab), 1);
	if (s->use == MODEL_SCORE)
		return;
	s->dx = plan_acts(p, m->k, n, c->hidden);
	s->dn = plan_acts(p, m->k, n, larger(c->hidden, attn_width(c)));
	s->dh = plan_acts(p, m->k, n, c->ffn);
	s->dqkv = plan_acts(p, m->k, n, qkv_width(c));
	s->dt = plan_acts(p, m->k, c->post_norms ? n : 0, c->hidden);
	s->dlogits = plan_acts(p, m->k, n, c->labels);
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

	plan_layers(p, s, m);
	s->n_end = plan_acts(p, m->k, n, c->hidden);
	s->rstd_end = plan_floats(p, n, 1);
	s->logp = plan_floats(p, n, 1);
	s->lse = plan_floats(p, n, 1);
	s->mean = plan_floats(p, n, 1);
	s->logits = plan_floats(p, n, c->labels);
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
	return __builtin_add_overflow(p.used, lora_bytes(m, n_max), &p.used) ? SIZE_MAX : p.used;
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
		if (b->ids[i] < 0 || b->ids[i] >= m->cfg.vocab || b->targets[i] >= m->cfg.vocab)
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d",
					 b->ids[i] < 0 || b->ids[i] >= m->cfg.vocab ? b->ids[i] : b->targets[i], m->cfg.vocab);
	return OK;
}

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

enum status state_take_batch(struct model_state *s, const struct model *m, const struct model_batch *b, struct error *err)
{
	TRY(check_batch(m, s, b, err));
	upload_batch(s, m, b);
	return OK;
}
