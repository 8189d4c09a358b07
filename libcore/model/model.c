/* model.c - parameters: their layout, random values, and their files. */
#include "model/family.h"
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

#define TENSORS_OUTSIDE 6
#define TENSORS_OF_LAYER 24                  /* at most: four norms, seven matrices and two head norms, some with biases */

/* The tensor of a part (of layer l, or of the whole for l < 0) at an offset. cols 0: a vector. */
static void add_tensor(struct model *m, const struct part_names *names, int l, enum part part, const char *suffix,
		       int64_t offset, int64_t rows, int64_t cols)
{
	struct buf name = { 0 };

	if (l >= 0)
		buf_printf(&name, names->layer, l);
	buf_printf(&name, "%s.%s", names->parts[part], suffix);
	m->tensors[m->n_tensors++] = (struct tensor){ .name = buf_detach(&name), .offset = offset, .rows = rows,
						      .cols = cols ? cols : 1, .decay = cols > 0, .n_dims = cols ? 2 : 1,
						      .transposed = cols && l >= 0 && names->transposed };
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
static struct linear take_linear(struct model *m, const struct part_names *names, int l, const struct piece *pieces,
				 int n_pieces, int64_t in, bool bias)
{
	struct linear y = { .in = in, .b = -1 };
	int64_t row = 0;

	for (int i = 0; i < n_pieces; i++)
		y.out += pieces[i].rows;
	y.w = take(m, y.out * in);
	if (bias)
		y.b = take(m, y.out);
	for (int i = 0; i < n_pieces; row += pieces[i++].rows) {
		add_tensor(m, names, l, pieces[i].part, "weight", y.w + row * in, pieces[i].rows, in);
		if (bias)
			add_tensor(m, names, l, pieces[i].part, "bias", y.b + row, pieces[i].rows, 0);
	}
	return y;
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

	p.g = take_vector(m, names, l, part, "weight", m->cfg.hidden);
	if (m->cfg.norm == NORM_LAYER)
		p.b = take_vector(m, names, l, part, "bias", m->cfg.hidden);
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
	y->qkv = take_linear(m, names, l, one_qkv ? &fused : parts, one_qkv ? 1 : 3, h, c->qkv_bias);
	if (c->qk_norm) {
		y->q_norm = take_vector(m, names, l, PART_Q_NORM, "weight", c->head_dim);
		y->k_norm = take_vector(m, names, l, PART_K_NORM, "weight", c->head_dim);
	}
	y->out = take_linear(m, names, l, &out, 1, q, c->out_bias);
	if (c->post_norms)
		y->attn_post = take_norm(m, names, l, PART_ATTN_POST);
	y->mlp_norm = take_norm(m, names, l, PART_MLP_NORM);
	y->gate_up = take_linear(m, names, l, one_gate_up ? &both : halves, one_gate_up ? 1 : 2, h, c->mlp_bias);
	y->down = take_linear(m, names, l, &down, 1, f, c->mlp_bias);
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
	const struct piece embed = { PART_EMBED, c->vocab }, head = { PART_HEAD, c->vocab };

	m->layout->embed = take_linear(m, names, -1, &embed, 1, c->hidden, false);
	if (c->learned_positions) {
		m->layout->positions = take(m, (int64_t)c->positions * c->hidden);
		add_tensor(m, names, -1, PART_POSITIONS, "weight", m->layout->positions, c->positions, c->hidden);
	}
	for (int l = 0; l < c->n_layers; l++)
		layout_layer(m, names, l);
	m->layout->norm = take_norm(m, names, -1, PART_NORM);
	m->layout->head = c->tied ? m->layout->embed : take_linear(m, names, -1, &head, 1, c->hidden, false);
	qsort(m->tensors, (size_t)m->n_tensors, sizeof(*m->tensors), by_name);
}

/* Fills layout and tensors, and takes zeroed memory for the parameters. */
static enum status allocate(struct model *m, const struct model_config *c, const struct kernels *k, struct pool *pool,
			    struct error *err)
{
	memset(m, 0, sizeof(*m));
	m->cfg = *c;
	TRY(model_config_finish(&m->cfg, err));
	m->cfg.text = c->text ? mem_strdup(c->text) : NULL;
	m->k = k;
	m->pool = pool;
	m->layout = mem_zalloc(sizeof(*m->layout) + (size_t)c->n_layers * sizeof(struct layer_layout));
	m->tensors = mem_array((size_t)c->n_layers * TENSORS_OF_LAYER + TENSORS_OUTSIDE, sizeof(*m->tensors));
	lay_out(m, family_of(&m->cfg)->names);
	m->params = k->alloc(pool, (size_t)m->n_params * sizeof(float));
	if (!m->params) {
		long long n = m->n_params;

		model_release(m);
		return error_set(err, ERR_MEMORY, "no memory for %lld parameters (%lld MB)", n, n >> 18);
	}
	return OK;
}

void model_release(struct model *m)
{
	for (int i = 0; i < m->n_tensors; i++)
		mem_free((char *)m->tensors[i].name);
	mem_free(m->tensors);
	mem_free(m->layout);
	model_config_release(&m->cfg);
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

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

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

/* to[cols, rows] = the transpose of from[rows, cols], in squares that stay in the cache. */
static void transpose(float *to, const float *from, int64_t rows, int64_t cols)
{
	for (int64_t r0 = 0; r0 < rows; r0 += 32)
		for (int64_t c0 = 0; c0 < cols; c0 += 32)
			for (int64_t r = r0; r < rows && r < r0 + 32; r++)
				for (int64_t c = c0; c < cols && c < c0 + 32; c++)
					to[c * rows + r] = from[r * cols + c];
}

static enum status load_transposed(struct model *m, struct shards *s, const struct tensor *t,
				   const struct safetensors_entry *e, struct error *err)
{
	size_t bytes = (size_t)(t->rows * t->cols) * sizeof(float);
	float *file = mem_try(2 * bytes + 1), *ours = file + t->rows * t->cols;
	enum status st;

	if (!file)
		return error_set(err, ERR_MEMORY, "no memory to transpose tensor '%s'", t->name);
	st = safetensors_read_host(s->file, e, 0, e->elements, file, err);
	if (st == OK) {
		transpose(ours, file, t->cols, t->rows);
		m->k->upload(m->params + t->offset, ours, bytes);
	}
	mem_free(file);
	return st;
}

static enum status load_tensor(struct model *m, struct shards *s, const struct tensor *t, struct error *err)
{
	int64_t rows = t->transposed ? t->cols : t->rows, cols = t->transposed ? t->rows : t->cols;
	const struct safetensors_entry *e;

	TRY(shards_find(s, t->name, &e, err));
	if (e->n_dims != t->n_dims || e->shape[0] != rows || (t->n_dims == 2 && e->shape[1] != cols))
		return error_set(err, ERR_DATA, "%s: tensor '%s': shape does not fit config.json (want %lld x %lld)", s->dir,
				 t->name, (long long)rows, (long long)cols);
	if (t->transposed)
		return load_transposed(m, s, t, e, err);
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
	st = allocate(m, &c, k, pool, err);
	model_config_release(&c);
	if (st != OK)
		return st;
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
						      .data = m->params + t->offset, .transposed = t->transposed };
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

	model_config_print(&m->cfg, "float32", &b);
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
	double weights = c->n_layers * (h * (double)qkv_width(c) + q * h + h * (double)(gate_up_width(c) + c->ffn)) + (double)c->vocab * h;

	/* 2 per weight forward and 4 backward; attention's two products see t/2 keys on average. */
	return 6.0 * weights + 6.0 * c->n_layers * q * (double)t;
}
