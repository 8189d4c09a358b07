/* load.c - a model's files: from a directory of any form that source.h reads, and back. */
#include "model/family.h"
#include "model/lora.h"
#include "model/source.h"
#include "model/store.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define WEIGHTS_NAME "model.safetensors"
#define PIECE_ELEMENTS (1 << 20)
#define HEAD_STREAM 0x7265776172640000ull    /* random stream of a new head */
#define ADAPTER_PREFIX "base_model.model."

/* to[cols, rows] = the transpose of from[rows, cols], in squares that stay in the cache. */
static void transpose(float *to, const float *from, int64_t rows, int64_t cols)
{
	for (int64_t r0 = 0; r0 < rows; r0 += 32)
		for (int64_t c0 = 0; c0 < cols; c0 += 32)
			for (int64_t r = r0; r < rows && r < r0 + 32; r++)
				for (int64_t c = c0; c < cols && c < c0 + 32; c++)
					to[c * rows + r] = from[r * cols + c];
}

/* --- tensors ------------------------------------------------------------------------------------------------ */

/* A tensor of the source as rows of ours: turned where the file has it so, with rows added where the vocabulary has grown. */
struct rows {
	struct source *s;
	const struct source_tensor *from;
	const struct tensor *t;
	float *whole;                        /* turned: all of it */
	float *mean;                         /* [cols] what a new row is; NULL: no rows are new */
};

static enum status find_tensor(const struct model *m, struct source *s, const struct tensor *t, const struct source_tensor **from,
			       struct error *err)
{
	*from = store_find(m, s, t->name);
	if (!*from)
		return error_set(err, ERR_DATA, "%s: tensor '%s' is missing", s->base_dir, t->name);
	if ((*from)->form == SOURCE_OTHER)
		return error_set(err, ERR_UNSUPPORTED, "%s: tensor '%s' is %s; F32, BF16 and F16 are read", s->base_dir, t->name,
				 (*from)->dtype);
	if (t->transposed && (*from)->form != SOURCE_FLOAT)
		return error_set(err, ERR_UNSUPPORTED, "%s: tensor '%s': quantised weights of this family are not supported",
				 s->base_dir, t->name);
	return OK;
}

/* Embeddings and output matrix may have fewer rows than we want. */
static bool may_grow(const struct model *m, const struct tensor *t)
{
	const struct part_names *names = family_of(&m->cfg)->names;
	size_t embed = strlen(names->parts[PART_EMBED]), head = strlen(names->parts[PART_HEAD]);

	return t->rows == m->cfg.vocab && ((!strncmp(t->name, names->parts[PART_EMBED], embed) && !strcmp(t->name + embed, ".weight")) ||
					   (!strncmp(t->name, names->parts[PART_HEAD], head) && !strcmp(t->name + head, ".weight")));
}

static enum status take_mean(struct rows *r, struct pool *pool, struct error *err)
{
	int64_t rows = r->from->rows, cols = r->from->cols;
	double *sum = mem_array((size_t)cols + 1, sizeof(double));
	float *row = mem_array((size_t)cols + 1, sizeof(float));
	enum status st = OK;

	for (int64_t i = 0; i < rows && st == OK; i++) {
		st = source_read(r->s, i, 1, pool, row, err);
		for (int64_t j = 0; j < cols; j++)
			sum[j] += (double)row[j];
	}
	for (int64_t j = 0; j < cols; j++)
		row[j] = (float)(sum[j] / (double)rows);
	mem_free(sum);
	r->mean = row;
	return st;
}

static enum status read_turned(struct rows *r, struct pool *pool, struct error *err)
{
	int64_t rows = r->t->rows, cols = r->t->cols;
	float *file = mem_try((size_t)(rows * cols) * sizeof(float) + 1);
	enum status st;

	r->whole = mem_try((size_t)(rows * cols) * sizeof(float) + 1);
	st = file && r->whole ? source_read(r->s, 0, cols, pool, file, err) :
				error_set(err, ERR_MEMORY, "no memory to transpose tensor '%s'", r->t->name);
	if (st == OK)
		transpose(r->whole, file, cols, rows);
	mem_free(file);
	return st;
}

/* *grows: there are fewer rows than we want. */
static enum status rows_find(struct rows *r, const struct model *m, struct source *s, const struct tensor *t, bool *grows,
			     struct error *err)
{
	int64_t rows = t->transposed ? t->cols : t->rows, cols = t->transposed ? t->rows : t->cols;

	*r = (struct rows){ .s = s, .t = t };
	TRY(find_tensor(m, s, t, &r->from, err));
	*grows = r->from->rows < rows && r->from->rows > 0 && may_grow(m, t);
	if (r->from->n_dims != t->n_dims || (r->from->rows != rows && !*grows) || r->from->cols != cols)
		return error_set(err, ERR_DATA, "%s: tensor '%s': shape does not fit config.json (want %lld x %lld)", s->base_dir, t->name,
				 (long long)rows, (long long)cols);
	return OK;
}

static enum status rows_open(struct rows *r, const struct model *m, struct source *s, const struct tensor *t, struct error *err)
{
	bool grows;

	TRY(rows_find(r, m, s, t, &grows, err));
	TRY(source_begin(s, r->from, err));
	if (grows)
		return take_mean(r, m->pool, err);
	return t->transposed ? read_turned(r, m->pool, err) : OK;
}

static enum status rows_read(const struct rows *r, int64_t first, int64_t n, struct pool *pool, float *dst, struct error *err)
{
	int64_t cols = r->t->cols, there = r->from->rows - first;

	if (r->whole) {
		memcpy(dst, r->whole + first * cols, (size_t)(n * cols) * sizeof(float));
		return OK;
	}
	if (!r->mean || there >= n)
		return source_read(r->s, first, n, pool, dst, err);
	there = there > 0 ? there : 0;
	if (there)
		TRY(source_read(r->s, first, there, pool, dst, err));
	for (int64_t i = there; i < n; i++)
		memcpy(dst + i * cols, r->mean, (size_t)cols * sizeof(float));
	return OK;
}

static void rows_close(struct rows *r)
{
	mem_free(r->whole);
	mem_free(r->mean);
}

/* Whether a tensor's values stand in its file, in our order. */
static bool rows_plain(const struct rows *r)
{
	return source_is_plain(r->s) && !r->whole && !r->mean;
}

/* Moves a tensor by pieces of rows: to the store if w is not NULL, else to its place among the parameters. */
static enum status move_tensor(struct model *m, const struct rows *r, struct store_writer *w, struct error *err)
{
	const struct tensor *t = r->t;
	int64_t piece = PIECE_ELEMENTS / (t->cols > 0 ? t->cols : 1) + 1;
	const float *there = w && rows_plain(r) ? store_floats(m, r->from) : NULL;
	float *x = there ? NULL : mem_try((size_t)(piece * t->cols) * sizeof(float));
	enum status st = x || there ? OK : error_set(err, ERR_MEMORY, "no memory for a piece of tensor '%s'", t->name);

	for (int64_t row = 0; row < t->rows && st == OK; row += piece) {
		int64_t n = t->rows - row < piece ? t->rows - row : piece;

		st = there ? OK : rows_read(r, row, n, m->pool, x, err);
		if (st == OK && w)
			st = store_rows(w, there ? there + row * t->cols : x, n, err);
		else if (st == OK)
			m->k->upload(m->params + t->offset + row * t->cols, x, (size_t)(n * t->cols) * sizeof(float));
	}
	mem_free(x);
	return st;
}

static enum status load_tensor(struct model *m, struct source *s, const struct tensor *t, struct error *err)
{
	struct rows r;
	enum status st = rows_open(&r, m, s, t, err);
	bool plain = st == OK && rows_plain(&r);

	if (plain && !store_widen(m, r.from, m->params + t->offset))
		st = safetensors_read(r.from->file, r.from->entry, 0, r.from->entry->elements, m->k, m->params + t->offset, err);
	else if (st == OK && !plain)
		st = move_tensor(m, &r, NULL, err);
	rows_close(&r);
	return st;
}

/* The values of a part where its file is mapped, if they have the store's form; NULL else. */
static const void *part_bytes(struct model *m, const struct rows *r, enum elem elem)
{
	if (!rows_plain(r) || (elem != ELEM_F32 && elem != ELEM_BF16))
		return NULL;
	return store_bytes(m, r->from, elem == ELEM_F32 ? "F32" : "BF16");
}

static enum status load_part(struct model *m, struct source *s, const struct stored_part *part, struct error *err)
{
	const struct linear *l = part->linear;
	size_t width = l->stored.elem == ELEM_BF16 ? 2 : 4, bytes = (size_t)(part->tensor.rows * l->in) * width;
	char *to = (char *)l->stored.data + (size_t)(part->row * l->in) * width;
	const void *there;
	struct store_writer w = { 0 };
	struct rows r;
	enum status st;

	if (part->bytes) {
		if (part->bytes != l->stored.data)
			store_copy(m, to, part->bytes, bytes);
		return OK;
	}
	st = rows_open(&r, m, s, &part->tensor, err);
	there = st == OK ? part_bytes(m, &r, l->stored.elem) : NULL;
	if (there) {
		store_copy(m, to, there, bytes);
	} else if (st == OK) {
		store_begin(&w, m, part, r.from->form != SOURCE_NF4);
		st = move_tensor(m, &r, &w, err);
		store_end(&w);
	}
	rows_close(&r);
	return st;
}

/* All matrices of the store, part by part; those of one follow each other. */
static enum status load_stored(struct model *m, struct source *s, struct error *err)
{
	struct stage stage;
	enum status st = stage_open(&stage, m, err);

	for (int i = 0; i < m->n_stored && st == OK; i++) {
		struct linear *l = m->stored[i].linear;

		if (!i || m->stored[i - 1].linear != l)
			stage_begin(&stage, l);
		st = load_part(m, s, &m->stored[i], err);
		if (st == OK && (i + 1 == m->n_stored || m->stored[i + 1].linear != l))
			stage_end(m, l);
	}
	stage_close(&stage, m);
	return st;
}

/* --- adapters ---------------------------------------------------------------------------------------------------- */

static bool is_lora(const struct tensor *t)
{
	return ends_in(t->name, ".lora_A.weight") || ends_in(t->name, ".lora_B.weight");
}

/* A as torch's kaiming_uniform with a = sqrt(5): uniform within 1 / sqrt(in). B stays zero. */
static void init_lora(struct model *m, const struct tensor *t, uint64_t seed, int index)
{
	struct rng r = rng_open(seed, (uint64_t)index);
	double bound = 1 / sqrt((double)t->cols);
	float *row;

	if (!ends_in(t->name, ".lora_A.weight"))
		return;
	row = mem_array((size_t)t->cols, sizeof(float));
	for (int64_t y = 0; y < t->rows; y++) {
		for (int64_t x = 0; x < t->cols; x++)
			row[x] = (float)((2 * rng_double(&r) - 1) * bound);
		m->k->upload(m->params + t->offset + y * t->cols, row, (size_t)t->cols * sizeof(float));
	}
	mem_free(row);
}

static enum status load_lora(struct model *m, const struct source *s, const struct tensor *t, struct error *err)
{
	char *name = mem_printf(ADAPTER_PREFIX "%s", t->name);
	const struct safetensors_entry *e = safetensors_find(s->adapter.file, name);
	enum status st;

	if (!e)
		st = error_set(err, ERR_DATA, "%s: tensor '%s' is missing", s->dir, name);
	else if (e->n_dims != 2 || e->shape[0] != t->rows || e->shape[1] != t->cols)
		st = error_set(err, ERR_DATA, "%s: tensor '%s': shape does not fit the base (want %lld x %lld)", s->dir, name,
			       (long long)t->rows, (long long)t->cols);
	else
		st = safetensors_read(s->adapter.file, e, 0, e->elements, m->k, m->params + t->offset, err);
	mem_free(name);
	return st;
}

/* Every module of the file has to have found its layer. */
static enum status check_modules(const struct model *m, const struct source *s, struct error *err)
{
	return m->lora->n_modules == s->adapter.n_modules ? OK :
	       error_set(err, ERR_UNSUPPORTED, "%s has adapters of layers that can only be merged (`quern merge`)", s->dir);
}

/* --- the whole ------------------------------------------------------------------------------------------------------ */

/* An adapter may bring a larger vocabulary than config.json knows, and so may the caller. */
static void grow_vocab(struct model_config *c, const struct source *s, int vocab)
{
	const struct family *f = family_of(c);
	char *name = mem_printf("%s.weight", f->names->parts[PART_EMBED]);
	const struct source_tensor *t = source_find(s, name);

	if (s->has_adapter && t && t->rows > c->vocab && t->rows <= INT32_MAX)
		c->vocab = (int)t->rows;
	if (vocab > c->vocab)
		c->vocab = vocab;
	mem_free(name);
}

static bool is_ours(const struct model *m, const char *name)
{
	for (int i = 0; i < m->n_tensors; i++)
		if (!strcmp(m->tensors[i].name, name))
			return true;
	for (int i = 0; i < m->n_stored; i++)
		if (!strcmp(m->stored[i].tensor.name, name))
			return true;
	return false;
}

/* What transformers leaves aside, too: angles and masks that follow from the configuration, a copy of tied embeddings, and
 * the output matrix where a reward model is made of a language model. */
static bool is_needless(const struct model *m, const char *name)
{
	static const char *const ends[] = { "rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias" };
	const char *head = family_of(&m->cfg)->names->parts[PART_HEAD];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends_in(name, ends[i]))
			return true;
	return (m->cfg.tied || m->cfg.labels) && !strncmp(name, head, strlen(head)) && !strcmp(name + strlen(head), ".weight");
}

/* Beside tied embeddings an output matrix may stand, if it is the same one: what another one means is told in two ways, for transformers 4
 * puts it aside, and 5 takes it. */
static enum status check_tied(const struct model *m, const struct source *s, struct error *err)
{
	const struct part_names *names = family_of(&m->cfg)->names;
	char *embed_name = mem_printf("%s.weight", names->parts[PART_EMBED]), *head_name = mem_printf("%s.weight", names->parts[PART_HEAD]);
	const struct source_tensor *embed = store_find(m, s, embed_name), *head = store_find(m, s, head_name);
	bool same = true, both = embed && head && embed->form == SOURCE_FLOAT && head->form == SOURCE_FLOAT;
	enum status st = m->cfg.tied && both ? safetensors_same(embed->file, embed->entry, head->file, head->entry, &same, err) : OK;

	if (st == OK && !same)
		st = error_set(err, ERR_DATA, "%s: tensor '%s' is another than the embeddings, and config.json says 'tie_word_embeddings': false there "
			       "would use it", s->base_dir, head_name);
	mem_free(embed_name);
	mem_free(head_name);
	return st;
}

/* A tensor that the configuration has no place for would change what the model computes, or belongs to another one. */
static enum status refuse_strangers(const struct model *m, const struct source *s, struct error *err)
{
	const char *base = family_of(&m->cfg)->names->base;

	for (int i = 0; i < s->n; i++) {
		const char *name = s->tensors[i].name;
		char *whole = mem_printf("%s%s", base, name);   /* as a file of the bare decoder has it */
		bool ours = is_ours(m, name) || is_ours(m, whole) || is_needless(m, name);

		mem_free(whole);
		if (!ours)
			return error_set(err, ERR_UNSUPPORTED, "%s: tensor '%s' has no place in a %s of this configuration", s->base_dir,
					 name, m->cfg.architecture);
	}
	return OK;
}

/* Whether t is the matrix or the bias of a classifier's head. */
static bool is_head(const struct model *m, const struct tensor *t)
{
	const struct linear *head = &m->layout->head;

	return m->cfg.labels && (t->offset == head->w || (head->b >= 0 && t->offset == head->b));
}

/* A classifier's head: small random directions, and a bias of zero. */
static void init_head(struct model *m, const struct tensor *t, uint64_t seed)
{
	struct rng r = rng_open(seed, HEAD_STREAM);
	int64_t n = t->offset == m->layout->head.w ? t->rows * t->cols : 0;
	float *values = mem_array((size_t)n + 1, sizeof(*values));

	for (int64_t i = 0; i < n; i++)
		values[i] = (float)(rng_normal(&r) * (double)m->cfg.init_range);
	m->k->upload(m->params + t->offset, values, (size_t)n * sizeof(*values));
	mem_free(values);
}

/* Whether all is there that load_all would read, but for adapters'. */
static enum status check_all(const struct model *m, struct source *s, const struct model_how *how, struct error *err)
{
	struct rows r;
	bool grows;

	if (!s->has_adapter)
		TRY(refuse_strangers(m, s, err));
	for (int i = 0; i < m->n_tensors; i++)
		if (!(how->labels && is_head(m, &m->tensors[i])) && !(m->lora && is_lora(&m->tensors[i])))
			TRY(rows_find(&r, m, s, &m->tensors[i], &grows, err));
	for (int i = 0; i < m->n_stored; i++)
		TRY(rows_find(&r, m, s, &m->stored[i].tensor, &grows, err));
	return OK;
}

static enum status load_all(struct model *m, struct source *s, const struct model_how *how, struct error *err)
{
	bool fresh = !s->has_adapter || !how->apart;

	if (!s->has_adapter) {
		TRY(refuse_strangers(m, s, err));
		TRY(check_tied(m, s, err));
	}
	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *t = &m->tensors[i];

		if (how->labels && is_head(m, t))
			init_head(m, t, how->seed);
		else if (!m->lora || !is_lora(t))
			TRY(load_tensor(m, s, t, err));
		else if (fresh)
			init_lora(m, t, how->seed, i);
		else
			TRY(load_lora(m, s, t, err));
	}
	TRY(load_stored(m, s, err));
	return m->lora && !fresh ? check_modules(m, s, err) : OK;
}

/* New embeddings have to be trained, so they are, as a whole: beside the adapters. */
static void save_embeddings(struct adapter_config *a, const struct model_config *c)
{
	const struct part_names *names = family_of(c)->names;
	const char *const parts[] = { names->parts[PART_EMBED], names->parts[PART_HEAD] };

	a->save = mem_grow(a->save, (size_t)a->n_save + 2, sizeof(*a->save));
	for (int i = 0; i < (c->labels ? 1 : 2); i++) {
		const char *dot = strrchr(parts[i], '.');

		a->save[a->n_save++] = mem_strdup(dot ? dot + 1 : parts[i]);
	}
}

/* A classifier's head is trained as a whole, as PEFT does it for such a task. */
static void save_head(struct adapter_config *a, const struct model_config *c)
{
	a->save = mem_grow(a->save, (size_t)a->n_save + 1, sizeof(*a->save));
	a->save[a->n_save++] = mem_strdup(c->labels == 2 ? family_of(c)->token_head : CLASSIFIER_HEAD);
	mem_free(a->task);
	a->task = mem_strdup(c->labels == 2 ? "TOKEN_CLS" : "SEQ_CLS");
}

static enum status load_from(struct model *m, struct source *s, const struct model_how *how, const struct kernels *k,
			     struct pool *pool, struct error *err)
{
	struct model_how plan = *how;
	struct adapter_config lora = { 0 };
	struct model_config c;
	int vocab, labels;
	enum status st;

	TRY(model_config_read(s->base_dir, &c, err));
	c.tied &= !s->untied;
	labels = s->has_adapter ? adapter_labels(&s->adapter.config) : 0;
	plan.labels = c.labels || labels ? 0 : how->labels;         /* its head is drawn */
	labels = c.labels ? 0 : labels ? labels : how->labels;
	st = labels ? model_config_as_classifier(&c, labels, err) : OK;
	if (st == OK && s->has_adapter && c.labels)
		st = adapter_separator(s->dir, &c, err);
	if (st != OK) {
		model_config_release(&c);
		return st;
	}
	vocab = c.vocab;
	s->apart = s->has_adapter && how->apart;
	grow_vocab(&c, s, s->apart ? 0 : how->vocab);
	if (s->apart) {
		adapter_config_copy(&lora, &s->adapter.config);
		mem_free(lora.base);
		lora.base = mem_strdup(s->base_dir);         /* as it was found: what is saved may lie elsewhere */
		plan.lora = &lora;
	} else if (how->lora) {
		adapter_config_copy(&lora, how->lora);
		plan.lora = &lora;
		if (c.vocab > vocab)
			save_embeddings(&lora, &c);
		if (c.labels)
			save_head(&lora, &c);
	}
	st = model_allocate(m, &c, &plan, k, pool, err);
	model_config_release(&c);
	adapter_config_release(&lora);
	if (st == OK && model_in_place(how))
		st = store_map(m, s, err);
	if (st == OK)
		st = how->plan ? check_all(m, s, &plan, err) : load_all(m, s, &plan, err);
	if (st == OK && !(model_in_place(&plan) && k->host_access))
		store_unmap(m);
	if (st == OK)
		st = k->status(err);
	if (st != OK && m->layout)
		model_release(m);
	return st;
}

enum status model_load_as(struct model *m, const char *dir, const struct model_how *how, const struct kernels *k, struct pool *pool,
			  struct error *err)
{
	struct model_how plain = { 0 };
	struct source s;
	enum status st;

	memset(m, 0, sizeof(*m));
	if (!path_is_dir(dir))
		return error_set(err, ERR_USAGE, "%s: no model directory", dir);
	how = how ? how : &plain;
	TRY(source_open(&s, dir, how->base, err));
	st = load_from(m, &s, how, k, pool, err);
	source_close(&s);
	return st;
}

enum status model_load(struct model *m, const char *dir, const struct kernels *k, struct pool *pool, struct error *err)
{
	return model_load_as(m, dir, NULL, k, pool, err);
}

/* --- saving ----------------------------------------------------------------------------------------------------------- */

static enum status save_text(const char *dir, const char *name, struct buf *b, struct error *err)
{
	char *path = path_join(dir, name);
	enum status st = file_write_all(path, b->data, b->len, err);

	mem_free(path);
	buf_clear(b);
	return st;
}

static void print_ends(const struct model_config *c, struct json_writer *w)
{
	if (c->eos_id >= 0 && !c->n_ends) {
		json_kv_int(w, "eos_token_id", c->eos_id);
	} else if (c->n_ends) {
		json_key(w, "eos_token_id");
		json_begin_array(w);
		if (c->eos_id >= 0)
			json_int(w, c->eos_id);
		for (int i = 0; i < c->n_ends; i++)
			json_int(w, c->ends[i]);
		json_end_array(w);
	}
}

/* What generate() of transformers takes as its defaults. */
static void print_generation_config(const struct model_config *c, struct buf *b)
{
	struct json_writer w = json_writer_open(b, 2);

	json_begin_object(&w);
	if (c->bos_id >= 0)
		json_kv_int(&w, "bos_token_id", c->bos_id);
	print_ends(c, &w);
	if (c->pad_id >= 0)
		json_kv_int(&w, "pad_token_id", c->pad_id);
	json_end_object(&w);
	buf_char(b, '\n');
}

/* Embeddings that are also the output matrix: PEFT keeps both. */
static bool is_shared_head(const struct model *m, const struct tensor *t)
{
	return m->lora && m->cfg.tied && t->offset == m->layout->embed.w && t->rows == m->cfg.vocab;
}

/* The tensors that are trained; those of adapters behind PEFT's prefix. */
static enum status save_weights(const struct model *m, const char *dir, const char *name, struct error *err)
{
	static const char *const meta[] = { "format", "pt", NULL };
	struct safetensors_part *parts = mem_array((size_t)m->n_tensors + 2, sizeof(*parts));
	char *path = path_join(dir, name);
	struct arena names = { 0 };
	int n = 0;
	enum status st;

	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *t = &m->tensors[i];
		char *whole = mem_printf("%s%s", m->lora ? ADAPTER_PREFIX : "", t->name);

		if (!t->frozen)
			parts[n++] = (struct safetensors_part){ .name = arena_strndup(&names, whole, strlen(whole)), .n_dims = t->n_dims,
								.shape = { t->rows, t->cols }, .data = m->params + t->offset,
								.transposed = t->transposed };
		mem_free(whole);
		if (!t->frozen && is_shared_head(m, t)) {
			parts[n] = parts[n - 1];
			parts[n++].name = ADAPTER_PREFIX "lm_head.weight";
		}
	}
	st = safetensors_write(path, parts, n, meta, m->k, err);
	arena_release(&names);
	mem_free(path);
	mem_free(parts);
	return st;
}

static enum status save_adapter(const struct model *m, const char *dir, struct error *err)
{
	struct buf b = { 0 };
	enum status st;

	adapter_config_print(&m->lora->config, &b);
	st = save_text(dir, ADAPTER_CONFIG, &b, err);
	if (st == OK && *m->cfg.step_separator) {
		adapter_separator_print(&m->cfg, &b);
		st = save_text(dir, ADAPTER_SEPARATOR, &b, err);
	}
	buf_release(&b);
	return st == OK ? save_weights(m, dir, ADAPTER_WEIGHTS, err) : st;
}

enum status model_save(const struct model *m, const char *dir, struct error *err)
{
	struct buf b = { 0 };
	enum status st;

	if (m->lora)
		return save_adapter(m, dir, err);
	if (m->frozen)
		return error_set(err, ERR_USAGE, "%s: a model whose weights were quantised on loading is not written", dir);
	model_config_print(&m->cfg, "float32", &b);
	st = save_text(dir, "config.json", &b, err);
	if (st == OK) {
		print_generation_config(&m->cfg, &b);
		st = save_text(dir, "generation_config.json", &b, err);
	}
	buf_release(&b);
	return st == OK ? save_weights(m, dir, WEIGHTS_NAME, err) : st;
}
