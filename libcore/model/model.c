/* model.c - parameters: their layout, random values, and their files. */
#include "model/layout.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_NAME "model.safetensors.index.json"
#define WEIGHTS_NAME "model.safetensors"

/* --- layout ------------------------------------------------------------------------------- */

static void add_tensor(struct model *m, char *name, int64_t offset, int64_t rows, int64_t cols, int n_dims)
{
	m->tensors[m->n_tensors++] = (struct tensor){ .name = name, .offset = offset, .rows = rows, .cols = cols,
						      .decay = n_dims == 2, .n_dims = n_dims };
}

static int64_t take(int64_t *at, int64_t n)
{
	int64_t here = *at;

	*at += n;
	return here;
}

static void layout_layer(struct model *m, int l, int64_t *at)
{
	const struct model_config *c = &m->cfg;
	struct layer_layout *y = &m->layout->layers[l];
	int64_t h = c->hidden, q = attn_width(c), kv = (int64_t)c->kv_heads * c->head_dim, f = c->ffn;

	y->attn_norm = take(at, h);
	y->qkv = take(at, (q + 2 * kv) * h);
	y->out = take(at, h * q);
	y->mlp_norm = take(at, h);
	y->gate_up = take(at, 2 * f * h);
	y->down = take(at, h * f);
	add_tensor(m, mem_printf("model.layers.%d.input_layernorm.weight", l), y->attn_norm, h, 1, 1);
	add_tensor(m, mem_printf("model.layers.%d.self_attn.q_proj.weight", l), y->qkv, q, h, 2);
	add_tensor(m, mem_printf("model.layers.%d.self_attn.k_proj.weight", l), y->qkv + q * h, kv, h, 2);
	add_tensor(m, mem_printf("model.layers.%d.self_attn.v_proj.weight", l), y->qkv + (q + kv) * h, kv, h, 2);
	add_tensor(m, mem_printf("model.layers.%d.self_attn.o_proj.weight", l), y->out, h, q, 2);
	add_tensor(m, mem_printf("model.layers.%d.post_attention_layernorm.weight", l), y->mlp_norm, h, 1, 1);
	add_tensor(m, mem_printf("model.layers.%d.mlp.gate_proj.weight", l), y->gate_up, f, h, 2);
	add_tensor(m, mem_printf("model.layers.%d.mlp.up_proj.weight", l), y->gate_up + f * h, f, h, 2);
	add_tensor(m, mem_printf("model.layers.%d.mlp.down_proj.weight", l), y->down, h, f, 2);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* Fills layout and tensors, and takes zeroed memory for the parameters. */
static enum status allocate(struct model *m, const struct model_config *c, const struct kernels *k, struct pool *pool,
			    struct error *err)
{
	int64_t at = 0, table = (int64_t)c->vocab * c->hidden;

	memset(m, 0, sizeof(*m));
	m->cfg = *c;
	m->k = k;
	m->pool = pool;
	m->layout = mem_zalloc(sizeof(*m->layout) + (size_t)c->n_layers * sizeof(struct layer_layout));
	m->tensors = mem_array((size_t)c->n_layers * 9 + 3, sizeof(*m->tensors));
	m->layout->embed = take(&at, table);
	add_tensor(m, mem_strdup("model.embed_tokens.weight"), m->layout->embed, c->vocab, c->hidden, 2);
	for (int l = 0; l < c->n_layers; l++)
		layout_layer(m, l, &at);
	m->layout->norm = take(&at, c->hidden);
	add_tensor(m, mem_strdup("model.norm.weight"), m->layout->norm, c->hidden, 1, 1);
	m->layout->head = c->tied ? m->layout->embed : take(&at, table);
	if (!c->tied)
		add_tensor(m, mem_strdup("lm_head.weight"), m->layout->head, c->vocab, c->hidden, 2);
	qsort(m->tensors, (size_t)m->n_tensors, sizeof(*m->tensors), by_name);
	m->n_params = at;
	m->params = k->alloc(pool, (size_t)at * sizeof(float));
	if (!m->params) {
		model_release(m);
		return error_set(err, ERR_MEMORY, "no memory for %lld parameters (%lld MB)", (long long)at,
				 (long long)(at >> 18));
	}
	return OK;
}

void model_release(struct model *m)
{
	for (int i = 0; i < m->n_tensors; i++)
		mem_free((char *)m->tensors[i].name);
	mem_free(m->tensors);
	mem_free(m->layout);
	if (m->params)
		m->k->release(m->params);
	memset(m, 0, sizeof(*m));
}

/* --- random initialisation ---------------------------------------------------------------- */

struct init_job {
	struct model *m;
	uint64_t seed;
	float **rows;                /* scratch, one row per worker */
};

/* Fills tensor i from its own random stream, so the order of the tasks is free. */
static void init_tensor(void *arg, int64_t i, int worker)
{
	struct init_job *job = arg;
	struct model *m = job->m;
	const struct tensor *t = &m->tensors[i];
	struct rng r = rng_open(job->seed, (uint64_t)i);
	float *row = job->rows[worker];

	for (int64_t y = 0; y < t->rows; y++) {
		for (int64_t x = 0; x < t->cols; x++)
			row[x] = t->n_dims == 1 ? 1.0f : (float)(rng_normal(&r) * (double)m->cfg.init_range);
		m->k->upload(m->params + t->offset + y * t->cols, row, (size_t)t->cols * sizeof(float));
	}
}

enum status model_init(struct model *m, const struct model_config *c, uint64_t seed, const struct kernels *k,
		       struct pool *pool, struct error *err)
{
	struct init_job job = { .m = m, .seed = seed };
	int workers = pool ? pool_threads(pool) : 1;
	int64_t widest = 1;

	TRY(allocate(m, c, k, pool, err));
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

/* --- files -------------------------------------------------------------------------------- */

/* The weight files of a directory: one, or those that the index names. */
struct shards {
	struct json_parser *parser;
	const struct json *map;              /* weight_map: tensor name -> file; NULL for a single file */
	char *dir;
	char *open_name;                     /* of the file that is open */
	struct safetensors *file;
};

static enum status shards_open(struct shards *s, const char *dir, struct error *err)
{
	char *index = path_join(dir, INDEX_NAME), *single = path_join(dir, WEIGHTS_NAME);
	const struct json *j;
	enum status st;

	*s = (struct shards){ .dir = mem_strdup(dir), .parser = json_parser_open() };
	if (path_exists(single) || !path_exists(index)) {
		st = safetensors_open(&s->file, single, err);
	} else {
		st = json_parse_file(s->parser, index, &j, err);
		if (st == OK) {
			s->map = json_get(j, "weight_map");
			if (!s->map || s->map->type != JSON_OBJECT)
				st = error_set(err, ERR_DATA, "%s: 'weight_map' is missing", index);
		}
	}
	mem_free(index);
	mem_free(single);
	return st;
}

static void shards_close(struct shards *s)
{
	safetensors_close(s->file);
	json_parser_close(s->parser);
	mem_free(s->open_name);
	mem_free(s->dir);
}

/* Opens the shard that holds a tensor, unless it is open already. A shard's name may not leave the directory. */
static enum status shards_find(struct shards *s, const char *name, const struct safetensors_entry **e, struct error *err)
{
	if (s->map) {
		const char *shard = json_get_str(s->map, name, NULL);
		char *path;
		enum status st;

		if (!shard || !*shard || strchr(shard, '/'))
			return error_set(err, ERR_DATA, "%s/" INDEX_NAME ": no file for tensor '%s'", s->dir, name);
		if (!s->open_name || strcmp(s->open_name, shard)) {
			safetensors_close(s->file);
			s->file = NULL;
			mem_free(s->open_name);
			s->open_name = NULL;
			path = path_join(s->dir, shard);
			st = safetensors_open(&s->file, path, err);
			mem_free(path);
			if (st != OK)
				return st;
			s->open_name = mem_strdup(shard);
		}
	}
	*e = safetensors_find(s->file, name);
	if (!*e)
		return error_set(err, ERR_DATA, "%s: tensor '%s' is missing", s->dir, name);
	return OK;
}

static enum status load_tensor(struct model *m, struct shards *s, const struct tensor *t, struct error *err)
{
	const struct safetensors_entry *e;

	TRY(shards_find(s, t->name, &e, err));
	if (e->n_dims != t->n_dims || e->shape[0] != t->rows || (t->n_dims == 2 && e->shape[1] != t->cols))
		return error_set(err, ERR_DATA, "%s: tensor '%s': shape does not fit config.json (want %lld x %lld)", s->dir,
				 t->name, (long long)t->rows, (long long)t->cols);
	return safetensors_read(s->file, e, 0, e->elements, m->k, m->params + t->offset, err);
}

enum status model_load(struct model *m, const char *dir, const struct kernels *k, struct pool *pool, struct error *err)
{
	struct model_config c;
	struct shards s;
	enum status st;

	memset(m, 0, sizeof(*m));
	if (!path_is_dir(dir))
		return error_set(err, ERR_USAGE, "%s: no model directory", dir);
	TRY(model_config_read(dir, &c, err));
	TRY(allocate(m, &c, k, pool, err));
	st = shards_open(&s, dir, err);
	for (int i = 0; i < m->n_tensors && st == OK; i++)
		st = load_tensor(m, &s, &m->tensors[i], err);
	shards_close(&s);
	if (st != OK)
		model_release(m);
	return st;
}

static enum status save_text(const char *dir, const char *name, struct buf *b, struct error *err)
{
	char *path = path_join(dir, name);
	enum status st = file_write_all(path, b->data, b->len, err);

	mem_free(path);
	buf_clear(b);
	return st;
}

/* What generate() of transformers takes as its defaults. */
static void print_generation_config(const struct model_config *c, struct buf *b)
{
	struct json_writer w = json_writer_open(b, 2);

	json_begin_object(&w);
	if (c->bos_id >= 0)
		json_kv_int(&w, "bos_token_id", c->bos_id);
	if (c->eos_id >= 0)
		json_kv_int(&w, "eos_token_id", c->eos_id);
	if (c->pad_id >= 0)
		json_kv_int(&w, "pad_token_id", c->pad_id);
	json_end_object(&w);
	buf_char(b, '\n');
}

static enum status save_weights(const struct model *m, const char *dir, struct error *err)
{
	static const char *const meta[] = { "format", "pt", NULL };
	struct safetensors_part *parts = mem_array((size_t)m->n_tensors, sizeof(*parts));
	char *path = path_join(dir, WEIGHTS_NAME);
	enum status st;

	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *t = &m->tensors[i];

		parts[i] = (struct safetensors_part){ .name = t->name, .n_dims = t->n_dims, .shape = { t->rows, t->cols },
						      .data = m->params + t->offset };
	}
	st = safetensors_write(path, parts, m->n_tensors, meta, m->k, err);
	mem_free(path);
	mem_free(parts);
	return st;
}

enum status model_save(const struct model *m, const char *dir, struct error *err)
{
	struct buf b = { 0 };
	enum status st;

	model_config_print(&m->cfg, &b);
	st = save_text(dir, "config.json", &b, err);
	if (st == OK) {
		print_generation_config(&m->cfg, &b);
		st = save_text(dir, "generation_config.json", &b, err);
	}
	buf_release(&b);
	return st == OK ? save_weights(m, dir, err) : st;
}

double model_flops_per_token(const struct model_config *c, int64_t t)
{
	double h = c->hidden, q = (double)attn_width(c);
	double weights = c->n_layers * (h * (double)qkv_width(c) + q * h + 3.0 * h * c->ffn) + (double)c->vocab * h;

	/* 2 per weight forward and 4 backward; attention's two products see t/2 keys on average. */
	return 6.0 * weights + 6.0 * c->n_layers * q * (double)t;
}
