/* model.c - parameters: their layout, and random values. Their files are in load.c. */
#include "model/family.h"
#include "model/layout.h"
#include "model/lora.h"
#include "model/store.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- layout ------------------------------------------------------------------------------- */

#define TENSORS_OUTSIDE 6
#define TENSORS_OF_LAYER 40                  /* at most: four norms, seven matrices and two head norms, some with biases; adapters */

/* The name of a part of layer l, or of the whole for l < 0. */
static char *part_name(const struct part_names *names, int l, enum part part, const char *suffix)
{
	struct buf name = { 0 };

	if (l >= 0)
		buf_printf(&name, names->layer, l);
	buf_printf(&name, "%s%s", names->parts[part], suffix);
	return buf_detach(&name);
}

/* The tensor of a part at an offset. cols 0: a vector. */
static void add_tensor(struct model *m, const struct part_names *names, int l, enum part part, const char *suffix,
		       int64_t offset, int64_t rows, int64_t cols)
{
	m->tensors[m->n_tensors++] = (struct tensor){ .name = part_name(names, l, part, suffix), .offset = offset, .rows = rows,
						      .cols = cols ? cols : 1, .decay = cols > 0, .n_dims = cols ? 2 : 1,
						      .transposed = cols && l >= 0 && names->transposed, .frozen = m->frozen };
}

static int64_t take(struct model *m, int64_t n)
{
	int64_t here = m->n_params;

	m->n_params += n;
	return here;
}

/* A matrix of one part, or of up to three whose rows follow one another; all have biases or none. */
struct piece {
	enum part part;
	int64_t rows;
};

static void add_lora_tensor(struct model *m, const struct part_names *names, int l, enum part part, const char *suffix,
			    int64_t offset, int64_t rows, int64_t cols)
{
	add_tensor(m, names, l, part, suffix, offset, rows, cols);
	m->tensors[m->n_tensors - 1].transposed = m->tensors[m->n_tensors - 1].frozen = false;
}

/* The adapters of a layer's matrix: A of all its parts one below the other, then their Bs. */
static void take_lora(struct model *m, const struct part_names *names, int l, const struct piece *pieces, int n_pieces,
		      struct linear *y)
{
	enum part parts[3];
	int64_t row = 0;

	for (int i = 0; i < n_pieces; row += pieces[i++].rows) {
		char *module = part_name(names, l, pieces[i].part, "");
		struct lora_part p = { .row = row, .rows = pieces[i].rows, .rank_row = y->rank };

		if (lora_wants(m->lora, module, &p.r, &p.scale)) {
			parts[y->n_lora] = pieces[i].part;
			y->lora[y->n_lora++] = p;
			y->rank += p.r;
		}
		mem_free(module);
	}
	y->a = take(m, y->rank * y->in);
	for (int k = 0; k < y->n_lora; k++) {
		struct lora_part *p = &y->lora[k];

		p->b = take(m, p->rows * p->r);
		add_lora_tensor(m, names, l, parts[k], ".lora_A.weight", y->a + p->rank_row * y->in, p->r, y->in);
		add_lora_tensor(m, names, l, parts[k], ".lora_B.weight", p->b, p->rows, p->r);
	}
}

static void take_linear(struct model *m, const struct part_names *names, int l, const struct piece *pieces, int n_pieces, int64_t in,
			bool bias, struct linear *y)
{
	bool saved = l < 0 && m->lora && lora_saves(m->lora, names->parts[pieces[0].part]), stored = m->frozen && !saved;
	int64_t row = 0;

	*y = (struct linear){ .in = in, .w = -1, .b = -1 };
	for (int i = 0; i < n_pieces; i++)
		y->out += pieces[i].rows;
	if (!stored)
		y->w = take(m, y->out * in);
	if (bias)
		y->b = take(m, y->out);
	for (int i = 0; i < n_pieces; row += pieces[i++].rows) {
		add_tensor(m, names, l, pieces[i].part, ".weight", y->w + row * in, pieces[i].rows, in);
		m->tensors[m->n_tensors - 1].frozen &= !saved;
		if (stored)                  /* no place among the parameters: the store has it */
			m->stored[m->n_stored++] = (struct stored_part){ .tensor = m->tensors[--m->n_tensors], .linear = y,
									     .row = row };
		if (bias) {
			add_tensor(m, names, l, pieces[i].part, ".bias", y->b + row, pieces[i].rows, 0);
			m->tensors[m->n_tensors - 1].frozen &= !saved;
		}
	}
	if (l >= 0 && m->lora)
		take_lora(m, names, l, pieces, n_pieces, y);
}

static int64_t take_vector(struct model *m, const struct part_names *names, int l, enum part part, const char *suffix,
			   int64_t n)
{
	int64_t at = take(m, n);

	add_tensor(m, names, l, part, suffix, at, n, 0);
	return at;
}

static struct norm_place take_norm(struct model *m, const struct part_names *names, int l, enum part part)
{
	struct norm_place p = { .b = -1 };

	p.g = take_vector(m, names, l, part, ".weight", m->cfg.hidden);
	if (m->cfg.norm == NORM_LAYER)
		p.b = take_vector(m, names, l, part, ".bias", m->cfg.hidden);
	return p;
}

static void layout_layer(struct model *m, const struct part_names *names, int l)
{
	const struct model_config *c = &m->cfg;
	struct layer_layout *y = &m->layout->layers[l];
	int64_t h = c->hidden, q = attn_width(c), kv = (int64_t)c->kv_heads * c->head_dim, f = c->ffn;
	const struct piece parts[] = { { PART_Q, q }, { PART_K, kv }, { PART_V, kv } }, fused = { PART_QKV, q + 2 * kv };
	const struct piece halves[] = { { PART_GATE, f }, { PART_UP, f } }, both = { PART_GATE_UP, gate_up_width(c) };
	const struct piece out = { PART_OUT, h }, down = { PART_DOWN, h };
	bool one_qkv = names->parts[PART_QKV], one_gate_up = names->parts[PART_GATE_UP];

	y->attn_norm = take_norm(m, names, l, PART_ATTN_NORM);
	take_linear(m, names, l, one_qkv ? &fused : parts, one_qkv ? 1 : 3, h, c->qkv_bias, &y->qkv);
	if (c->qk_norm) {
		y->q_norm = take_vector(m, names, l, PART_Q_NORM, ".weight", c->head_dim);
		y->k_norm = take_vector(m, names, l, PART_K_NORM, ".weight", c->head_dim);
	}
	take_linear(m, names, l, &out, 1, q, c->out_bias, &y->out);
	if (c->post_norms)
		y->attn_post = take_norm(m, names, l, PART_ATTN_POST);
	y->mlp_norm = take_norm(m, names, l, PART_MLP_NORM);
	take_linear(m, names, l, one_gate_up ? &both : halves, one_gate_up ? 1 : 2, h, c->mlp_bias, &y->gate_up);
	take_linear(m, names, l, &down, 1, f, c->mlp_bias, &y->down);
	if (c->post_norms)
		y->mlp_post = take_norm(m, names, l, PART_MLP_POST);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static void lay_out(struct model *m, const struct part_names *names)
{
	const struct model_config *c = &m->cfg;
	const struct piece embed = { PART_EMBED, c->vocab }, head = { PART_HEAD, model_outputs(c) };

	take_linear(m, names, -1, &embed, 1, c->hidden, false, &m->layout->embed);
	if (c->learned_positions) {
		m->layout->positions = take(m, (int64_t)c->positions * c->hidden);
		add_tensor(m, names, -1, PART_POSITIONS, ".weight", m->layout->positions, c->positions, c->hidden);
	}
	for (int l = 0; l < c->n_layers; l++)
		layout_layer(m, names, l);
	m->layout->norm = take_norm(m, names, -1, PART_NORM);
	if (c->tied)
		m->layout->head = m->layout->embed;
	else
		take_linear(m, names, -1, &head, 1, c->hidden, c->head_bias, &m->layout->head);
	qsort(m->tensors, (size_t)m->n_tensors, sizeof(*m->tensors), by_name);
}

static enum status check_lora(const struct model *m, const struct part_names *names, bool fresh, struct error *err)
{
	char *named = part_name(names, 0, PART_OUT, "");
	enum status st = lora_check(m->lora, fresh, named, err);

	mem_free(named);
	return st;
}

bool model_in_place(const struct model_how *how)
{
	return how->in_place && how->form == MODEL_F32;
}

enum status model_allocate(struct model *m, const struct model_config *c, const struct model_how *how, const struct kernels *k,
			   struct pool *pool, struct error *err)
{
	size_t room = (size_t)c->n_layers * TENSORS_OF_LAYER + TENSORS_OUTSIDE;
	struct part_names names;
	enum status st;

	memset(m, 0, sizeof(*m));
	m->cfg = *c;
	TRY(model_config_finish(&m->cfg, err));
	m->cfg.text = c->text ? mem_strdup(c->text) : NULL;
	m->k = k;
	m->pool = pool;
	m->packs = how->pack;
	m->frozen = how->lora || how->form != MODEL_F32 || how->in_place;
	m->lora = how->lora ? lora_open(how->lora) : NULL;
	m->layout = mem_zalloc(sizeof(*m->layout) + (size_t)c->n_layers * sizeof(struct layer_layout));
	m->tensors = mem_array(room, sizeof(*m->tensors));
	m->stored = mem_array(room, sizeof(*m->stored));
	names = *family_of(&m->cfg)->names;
	if (m->cfg.labels)
		names.parts[PART_HEAD] = m->cfg.labels == 2 ? family_of(&m->cfg)->token_head : CLASSIFIER_HEAD;
	lay_out(m, &names);
	st = m->lora ? check_lora(m, &names, !how->apart, err) : OK;
	if (m->lora)
		lora_resolve(m->lora, family_of(&m->cfg)->names->transposed);
	if (st == OK && m->frozen && !model_in_place(how))
		st = store_take(m, how->form, err);
	if (st == OK) {
		m->params = k->alloc(pool, (size_t)m->n_params * sizeof(float));
		if (!m->params)
			st = error_set(err, ERR_MEMORY, "no memory for %lld parameters (%lld MB)", (long long)m->n_params,
				       (long long)m->n_params >> 18);
	}
	if (st != OK)
		model_release(m);
	return st;
}

void model_release(struct model *m)
{
	for (int i = 0; i < m->n_tensors; i++)
		mem_free((char *)m->tensors[i].name);
	for (int i = 0; i < m->n_stored; i++)
		mem_free((char *)m->stored[i].tensor.name);
	mem_free(m->tensors);
	mem_free(m->stored);
	mem_free(m->layout);
	model_config_release(&m->cfg);
	lora_close(m->lora, m->k);
	if (m->params)
		m->k->release(m->params);
	if (m->store)
		m->k->release(m->store);
	if (m->packed)
		m->k->release(m->packed);
	store_unmap(m);
	memset(m, 0, sizeof(*m));
}

/* --- what is trained ------------------------------------------------------------------------ */

/* Whether one of the tensors at [from, from + n) is. */
static bool is_trained(const struct model *m, const bool *trained, int64_t from, int64_t n)
{
	bool any = false;

	for (int i = 0; i < m->n_tensors && from >= 0; i++)
		any |= !m->tensors[i].frozen && (!trained || trained[i]) && m->tensors[i].offset >= from && m->tensors[i].offset < from + n;
	return any;
}

/* Marks it; whether there is something to train, its adapters included. */
static bool mark_linear(const struct model *m, const bool *trained, struct linear *l)
{
	bool any;

	l->fixed = !is_trained(m, trained, l->w, l->out * l->in);
	l->b_fixed = !is_trained(m, trained, l->b, l->out);
	any = !l->fixed || !l->b_fixed || (l->n_lora && is_trained(m, trained, l->a, l->rank * l->in));
	for (int i = 0; i < l->n_lora; i++)
		any |= is_trained(m, trained, l->lora[i].b, l->lora[i].rows * l->lora[i].r);
	return any;
}

static bool mark_norm(const struct model *m, const bool *trained, struct norm_place *p)
{
	p->fixed = !is_trained(m, trained, p->g, m->cfg.hidden) && !is_trained(m, trained, p->b, m->cfg.hidden);
	return !p->fixed;
}

static bool mark_layer(const struct model *m, const bool *trained, struct layer_layout *y)
{
	struct linear *const linears[] = { &y->qkv, &y->out, &y->gate_up, &y->down };
	struct norm_place *const norms[] = { &y->attn_norm, &y->mlp_norm, &y->attn_post, &y->mlp_post };
	bool any = false;

	for (int i = 0; i < 4; i++)
		any |= mark_linear(m, trained, linears[i]);
	for (int i = 0; i < (m->cfg.post_norms ? 4 : 2); i++)
		any |= mark_norm(m, trained, norms[i]);
	y->qk_fixed = !m->cfg.qk_norm || (!is_trained(m, trained, y->q_norm, m->cfg.head_dim) &&
					  !is_trained(m, trained, y->k_norm, m->cfg.head_dim));
	return any || !y->qk_fixed;
}

void model_train_only(struct model *m, const bool *trained)
{
	struct model_layout *y = m->layout;
	bool input;

	mark_linear(m, trained, &y->head);
	mark_norm(m, trained, &y->norm);
	y->positions_fixed = !m->cfg.learned_positions || !is_trained(m, trained, y->positions, (int64_t)m->cfg.positions * m->cfg.hidden);
	input = mark_linear(m, trained, &y->embed) || !y->positions_fixed;
	y->lowest = m->cfg.n_layers;
	for (int l = m->cfg.n_layers - 1; l >= 0; l--)
		if (mark_layer(m, trained, &y->layers[l]) || input)
			y->lowest = l;
}

/* --- random initialisation ---------------------------------------------------------------- */

struct init_job {
	struct model *m;
	uint64_t seed;
	float **rows;                /* scratch, one row per worker */
};

/* Deviation of a matrix. In GPT-2 what is added to the residual stream starts smaller (Radford et al. 2019). */
static double spread(const struct model *m, const struct tensor *t)
{
	bool residual = t->transposed && ends_in(t->name, "c_proj.weight");

	return (double)m->cfg.init_range / (residual ? sqrt(2.0 * m->cfg.n_layers) : 1);
}

/* Fills tensor i from its own random stream, so the order of the tasks is free. */
static void init_tensor(void *arg, int64_t i, int worker)
{
	struct init_job *job = arg;
	struct model *m = job->m;
	const struct tensor *t = &m->tensors[i];
	struct rng r = rng_open(job->seed, (uint64_t)i);
	float *row = job->rows[worker], same = ends_in(t->name, ".bias") ? 0 : 1 - m->cfg.norm_plus;
	double range = spread(m, t);

	for (int64_t y = 0; y < t->rows; y++) {
		for (int64_t x = 0; x < t->cols; x++)
			row[x] = t->n_dims == 1 ? same : (float)(rng_normal(&r) * range);
		m->k->upload(m->params + t->offset + y * t->cols, row, (size_t)t->cols * sizeof(float));
	}
}

enum status model_init(struct model *m, const struct model_config *c, uint64_t seed, const struct kernels *k,
		       struct pool *pool, struct error *err)
{
	struct init_job job = { .m = m, .seed = seed };
	int workers = pool ? pool_threads(pool) : 1;
	int64_t widest = 1;

	TRY(model_allocate(m, c, &(struct model_how){ 0 }, k, pool, err));
	for (int i = 0; i < m->n_tensors; i++)
		widest = m->tensors[i].cols > widest ? m->tensors[i].cols : widest;
	job.rows = mem_array((size_t)workers, sizeof(float *));
	for (int w = 0; w < workers; w++)
		job.rows[w] = mem_array((size_t)widest, sizeof(float));
	pool_run(pool, m->n_tensors, init_tensor, &job);
	for (int w = 0; w < workers; w++)
		mem_free(job.rows[w]);
	mem_free(job.rows);
	return OK;
}

int64_t model_size(const struct model *m)
{
	int64_t n = m->n_params;

	for (int i = 0; i < m->n_stored; i++)
		n += m->stored[i].tensor.rows * m->stored[i].tensor.cols;
	return n;
}

double model_flops_per_token(const struct model_config *c, int64_t t)
{
	double h = c->hidden, q = (double)attn_width(c);
	double weights = c->n_layers * (h * (double)qkv_width(c) + q * h + h * (double)(gate_up_width(c) + c->ffn)) + (double)c->vocab * h;

	/* 2 per weight forward and 4 backward; attention's two products see t/2 keys on average. */
	return 6.0 * weights + 6.0 * c->n_layers * q * (double)t;
}
