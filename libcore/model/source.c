/* source.c - see source.h. */
#include "model/source.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/quant.h"

#include <stdlib.h>
#include <string.h>

#define STATE_SUFFIX ".quant_state.bitsandbytes__nf4"
#define STATE_MAX 4096
#define SOURCE_HEADS 2                       /* a classifier's matrix and bias */
#define HEAD "lm_head.weight"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct source_tensor *)a)->name, ((const struct source_tensor *)b)->name);
}

/* --- tensors as they are stored ------------------------------------------------------------------- */

static const struct safetensors_entry *beside(const struct source *s, const char *name, const char *suffix)
{
	char *whole = mem_printf("%s%s", name, suffix);
	const struct shard_tensor *t = shards_find(&s->shards, whole);

	mem_free(whole);
	return t ? t->entry : NULL;
}

/* The tensor that bitsandbytes keeps the row scales of NAME.weight in: NAME.SCB. */
static const struct safetensors_entry *row_scales(const struct source *s, const char *weight)
{
	size_t n = strlen(weight);
	char *module = n > 7 && !strcmp(weight + n - 7, ".weight") ? mem_strndup(weight, n - 7) : NULL;
	const struct safetensors_entry *e = module ? beside(s, module, ".SCB") : NULL;

	mem_free(module);
	return e;
}

/* Part of a quantised weight that stands for itself. */
static bool is_attendant(const struct source *s, const char *name)
{
	static const char *const ends[] = { ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", STATE_SUFFIX };
	static const char *const row_ends[] = { ".SCB", ".weight_format" };
	size_t n = strlen(name);
	bool found = false;

	for (int i = 0; i < 7 && !found; i++) {
		const char *end = i < 5 ? ends[i] : row_ends[i - 5];
		size_t m = strlen(end);
		char *owner;

		if (n <= m || strcmp(name + n - m, end))
			continue;
		owner = mem_printf("%.*s%s", (int)(n - m), name, i < 5 ? "" : ".weight");
		found = shards_find(&s->shards, owner) && (i < 5 ? beside(s, owner, STATE_SUFFIX) != NULL : row_scales(s, owner) != NULL);
		mem_free(owner);
	}
	return found;
}

static void set_shape(struct source_tensor *t, int n_dims, const int64_t *shape)
{
	t->n_dims = n_dims;
	t->rows = n_dims ? shape[0] : 1;
	t->cols = 1;
	for (int i = 0; i < n_dims; i++) {
		t->shape[i] = shape[i];
		if (i)
			t->cols *= shape[i];
	}
}

/* What the JSON beside an NF4 weight says of it. */
static enum status parse_state(struct source_tensor *t, const struct json *j, struct error *err)
{
	static const char *const types[][2] = { { "float32", "F32" }, { "bfloat16", "BF16" }, { "float16", "F16" } };
	const struct json *shape = json_get(j, "shape");
	const char *dtype = json_get_str(j, "dtype", "");
	int64_t sizes[2];

	if (strcmp(json_get_str(j, "quant_type", ""), "nf4") || json_get_int(j, "blocksize", 0) != NF4_BLOCK ||
	    (json_get(j, "nested_blocksize") && json_get_int(j, "nested_blocksize", 0) != NF4_NESTED))
		return error_set(err, ERR_UNSUPPORTED, "tensor '%s': only nf4 in blocks of 64 is supported", t->name);
	if (!shape || shape->type != JSON_ARRAY || shape->len != 2)
		return error_set(err, ERR_DATA, "tensor '%s': its quant_state has no shape", t->name);
	for (int i = 0; i < 2; i++) {
		if (shape->items[i].type != JSON_INT || shape->items[i].integer < 0 || shape->items[i].integer > INT32_MAX)
			return error_set(err, ERR_DATA, "tensor '%s': its quant_state has no shape", t->name);
		sizes[i] = shape->items[i].integer;
	}
	for (int i = 0; i < 3; i++)
		if (!strcmp(dtype, types[i][0]))
			memcpy(t->dtype, types[i][1], strlen(types[i][1]) + 1);
	set_shape(t, 2, sizes);
	return *t->dtype ? OK : error_set(err, ERR_UNSUPPORTED, "tensor '%s': dtype '%s' is not supported", t->name, dtype);
}

static enum status with_state(const struct source *s, struct source_tensor *t, struct json_parser *p, const struct json **j,
			      struct error *err)
{
	char text[STATE_MAX];
	const struct safetensors_entry *e = beside(s, t->name, STATE_SUFFIX);
	char *name;
	const struct shard_tensor *found;

	if (strcmp(e->dtype, "U8") || e->elements > STATE_MAX)
		return error_set(err, ERR_DATA, "tensor '%s': no quant_state", t->name);
	name = mem_printf("%s" STATE_SUFFIX, t->name);
	found = shards_find(&s->shards, name);
	mem_free(name);
	TRY(safetensors_bytes(found->file, e, 0, (size_t)e->elements, text, err));
	return error_prefix(err, json_parse(p, text, (size_t)e->elements, j, err), "tensor '%s': quant_state", t->name);
}

static enum status take_nf4(const struct source *s, struct source_tensor *t, struct error *err)
{
	struct json_parser *p = json_parser_open();
	const struct json *j;
	enum status st = with_state(s, t, p, &j, err);

	t->form = SOURCE_NF4;
	*t->dtype = 0;
	if (st == OK)
		st = parse_state(t, j, err);
	if (st == OK && (strcmp(t->entry->dtype, "U8") || t->entry->elements != nf4_bytes(t->rows * t->cols)))
		st = error_set(err, ERR_DATA, "tensor '%s' does not fit the shape of its quant_state", t->name);
	json_parser_close(p);
	return st;
}

static enum status take_tensor(struct source *s, const struct shard_tensor *from, struct error *err)
{
	struct source_tensor *t = &s->tensors[s->n++];
	const struct safetensors_entry *e = from->entry;

	*t = (struct source_tensor){ .name = e->name, .file = from->file, .entry = e };
	memcpy(t->dtype, e->dtype, sizeof(t->dtype));
	set_shape(t, e->n_dims, e->shape);
	if (beside(s, e->name, STATE_SUFFIX))
		return take_nf4(s, t, err);
	if (beside(s, e->name, ".quant_state.bitsandbytes__fp4"))
		return error_set(err, ERR_UNSUPPORTED, "tensor '%s' is quantised as fp4; nf4 and int8 are read", t->name);
	if (!strcmp(e->dtype, "I8") && row_scales(s, e->name)) {
		t->form = SOURCE_INT8;
		memcpy(t->dtype, "F16", 4);
		return e->n_dims == 2 && row_scales(s, e->name)->elements == t->rows ? OK :
		       error_set(err, ERR_DATA, "tensor '%s' and its SCB do not fit", t->name);
	}
	if (strcmp(e->dtype, "F32") && strcmp(e->dtype, "BF16") && strcmp(e->dtype, "F16"))
		t->form = SOURCE_OTHER;
	return OK;
}

/* --- the adapter over them -------------------------------------------------------------------------- */

static bool has_weight(const void *arg, const char *module)
{
	char *name = mem_printf("%s.weight", module);
	bool yes = source_find(arg, name) != NULL;

	mem_free(name);
	return yes;
}

static bool has_tensor(const void *arg, const char *name)
{
	return source_find(arg, name) != NULL;
}

static enum status place_module(struct source *s, const struct adapter_module *m, struct error *err)
{
	char *module = adapter_base_name(m->name, has_weight, s), *name;
	bool turned = s->adapter.config.fan_in_fan_out;
	struct source_tensor *t;

	if (!module)
		return error_set(err, ERR_DATA, "%s: the base %s has no layer '%s'", s->dir, s->base_dir, m->name);
	name = mem_printf("%s.weight", module);
	t = (struct source_tensor *)source_find(s, name);
	mem_free(name);
	mem_free(module);
	if (t->form == SOURCE_OTHER || t->n_dims != 2 || t->rows != (turned ? m->in : m->out) || t->cols != (turned ? m->out : m->in))
		return error_set(err, ERR_DATA, "%s: '%s' is of %lld to %lld, the base's weight of %lld x %lld", s->dir, m->name,
				 (long long)m->in, (long long)m->out, (long long)t->rows, (long long)t->cols);
	t->module = m;
	return OK;
}

static bool is_embedding(const char *name)
{
	return adapter_ends_with(name, "embed_tokens.weight") || adapter_ends_with(name, "wte.weight");
}

static const struct adapter_tensor *saved_embedding(const struct source *s)
{
	for (int i = 0; i < s->adapter.n_saved; i++)
		if (is_embedding(s->adapter.saved[i].name))
			return &s->adapter.saved[i];
	return NULL;
}

/* A saved tensor that the base does not have. */
static enum status place_stranger(struct source *s, const struct adapter_tensor *saved, struct error *err)
{
	if (strcmp(saved->name, HEAD) || adapter_labels(&s->adapter.config))
		return error_set(err, ERR_UNSUPPORTED, "%s: '%s' is no tensor of the base %s", s->dir, saved->name, s->base_dir);
	s->saved_head = saved;
	return OK;
}

/* Adds the output matrix to the tensors: e of f, of the embeddings' shape. */
static enum status add_output(struct source *s, const struct source_tensor *embedding, const struct safetensors *f,
			      const struct safetensors_entry *e, struct error *err)
{
	struct source_tensor *t = &s->tensors[s->n];

	if (e->n_dims != 2 || e->shape[0] != embedding->rows || e->shape[1] != embedding->cols)
		return error_set(err, ERR_DATA, "%s: output matrix and embeddings, which the base %s has as one, are not of one shape", s->dir,
				 s->base_dir);
	*t = (struct source_tensor){ .name = HEAD, .file = f, .entry = e };
	memcpy(t->dtype, e->dtype, sizeof(t->dtype));
	set_shape(t, e->n_dims, e->shape);
	s->n++;
	s->untied = true;
	return OK;
}

/* Once all is placed. Where the base has one matrix for embeddings and output, PEFT trains and keeps them as two: what the adapter has saved of
 * the one is not for the other, which stays as it was, unless both were saved and are still the same. */
static enum status untie(struct source *s, struct error *err)
{
	const struct adapter_tensor *saved = saved_embedding(s);
	const struct source_tensor *embedding = NULL;
	const struct shard_tensor *old;
	bool same = false;

	if (has_tensor(s, HEAD) || has_tensor(s, "score.weight") || adapter_labels(&s->adapter.config) || (!saved && !s->saved_head))
		return OK;
	for (int i = 0; i < s->n && !embedding; i++)
		embedding = is_embedding(s->tensors[i].name) ? &s->tensors[i] : NULL;
	if (!embedding)
		return error_set(err, ERR_UNSUPPORTED, "%s: '" HEAD "' is no tensor of the base %s", s->dir, s->base_dir);
	if (s->saved_head) {
		if (saved)
			TRY(safetensors_same(s->adapter.file, saved->entry, s->adapter.file, s->saved_head->entry, &same, err));
		return same ? OK : add_output(s, embedding, s->adapter.file, s->saved_head->entry, err);
	}
	old = shards_find(&s->shards, embedding->name);
	return add_output(s, embedding, old->file, old->entry, err);
}

/* The outputs of a classifier that stands on a language model: a tensor more, behind the others. */
static bool add_head(struct source *s, const struct adapter_tensor *saved)
{
	static const char *const names[] = { "score.weight", "score.bias", "classifier.weight", "classifier.bias" };

	for (int i = 0; i < 4; i++)
		if (adapter_labels(&s->adapter.config) && !strcmp(saved->name, names[i]) && s->n_heads < SOURCE_HEADS) {
			struct source_tensor *t = &s->tensors[s->n + s->n_heads++];

			*t = (struct source_tensor){ .name = names[i], .file = s->adapter.file, .entry = saved->entry };
			memcpy(t->dtype, saved->entry->dtype, sizeof(t->dtype));
			set_shape(t, saved->entry->n_dims, saved->entry->shape);
			return true;
		}
	return false;
}

/* Once all is placed: the classifier's outputs among the rest, and not those of the language model. */
static void take_heads(struct source *s)
{
	int n = 0;

	for (int i = 0; i < s->n + s->n_heads; i++)
		if (!s->n_heads || strcmp(s->tensors[i].name, HEAD))
			s->tensors[n++] = s->tensors[i];
	s->n = n;
	if (n)
		qsort(s->tensors, (size_t)n, sizeof(*s->tensors), by_name);
}

static enum status place_saved(struct source *s, const struct adapter_tensor *saved, struct error *err)
{
	char *name = adapter_base_name(saved->name, has_tensor, s);
	const struct safetensors_entry *e = saved->entry;
	struct source_tensor *t;

	if (!name)
		return add_head(s, saved) ? OK : place_stranger(s, saved, err);
	t = (struct source_tensor *)source_find(s, name);
	mem_free(name);
	if (e->n_dims != t->n_dims || (e->n_dims == 2 && e->shape[1] != t->cols) || (e->n_dims == 1 && e->shape[0] != t->rows) || t->module)
		return error_set(err, ERR_DATA, "%s: tensor '%s' does not fit that of the base", s->dir, saved->name);
	t->file = s->adapter.file;
	t->entry = e;
	t->form = SOURCE_FLOAT;
	memcpy(t->dtype, e->dtype, sizeof(t->dtype));
	set_shape(t, e->n_dims, e->shape);
	return OK;
}

static bool holds_model(const char *dir)
{
	char *config = path_join(dir, "config.json");
	bool has = path_exists(config);

	mem_free(config);
	return has;
}

/* The base that an adapter names: a path as it stands, if a model is there, or seen from the adapter's own directory. */
static enum status find_base(const char *dir, const char *named, const char *base, char **out, struct error *err)
{
	*out = NULL;
	if (!base && (!named || !*named))
		return error_set(err, ERR_DATA, "%s: " ADAPTER_CONFIG " names no base model", dir);
	*out = base ? mem_strdup(base) : *named == '/' || holds_model(named) ? mem_strdup(named) : path_join(dir, named);
	if (path_is_dir(*out))
		return OK;
	mem_free(*out);
	*out = NULL;
	return base ? error_set(err, ERR_USAGE, "%s: no model directory", base) :
		      error_set(err, ERR_DATA, "%s: its base model '%s' is no directory here; quern merge --base DIR makes one model of both", dir, named);
}

enum status source_base(const char *dir, const char *base, char **out, struct error *err)
{
	struct adapter_config c;
	enum status st;

	TRY(adapter_config_read(dir, &c, err));
	st = find_base(dir, c.base, base, out, err);
	adapter_config_release(&c);
	return st;
}

static enum status open_all(struct source *s, const char *base, struct error *err)
{
	s->has_adapter = adapter_is_dir(s->dir);
	if (base && !s->has_adapter)
		return error_set(err, ERR_USAGE, "%s is no adapter, so it has no base", s->dir);
	if (s->has_adapter) {
		TRY(adapter_open(&s->adapter, s->dir, err));
		TRY(find_base(s->dir, s->adapter.config.base, base, &s->base_dir, err));
	} else {
		s->base_dir = mem_strdup(s->dir);
	}
	if (!path_is_dir(s->base_dir))
		return error_set(err, ERR_USAGE, "%s: no model directory", s->base_dir);
	enum status st = shards_open(&s->shards, s->base_dir, "model", err);
	if (st != OK && s->has_adapter && adapter_is_dir(s->base_dir))
		return error_set(err, ERR_USAGE, "%s, the base of %s, is an adapter itself: quern merge makes a model of it", s->base_dir, s->dir);
	TRY(st);
	s->tensors = mem_array((size_t)s->shards.n + SOURCE_HEADS + 1, sizeof(*s->tensors));
	for (int i = 0; i < s->shards.n; i++)
		if (!is_attendant(s, s->shards.tensors[i].entry->name))
			TRY(error_prefix(err, take_tensor(s, &s->shards.tensors[i], err), "%s", s->base_dir));
	for (int i = 0; i < s->adapter.n_modules; i++)
		TRY(place_module(s, &s->adapter.modules[i], err));
	for (int i = 0; i < s->adapter.n_saved; i++)
		TRY(place_saved(s, &s->adapter.saved[i], err));
	TRY(untie(s, err));
	take_heads(s);
	return OK;
}

enum status source_open(struct source *s, const char *dir, const char *base, struct error *err)
{
	enum status st;

	*s = (struct source){ .dir = mem_strdup(dir) };
	st = open_all(s, base, err);
	if (st != OK)
		source_close(s);
	return st;
}

static void end_tensor(struct source *s)
{
	mem_free(s->left);
	mem_free(s->right);
	mem_free(s->scales);
	s->left = s->right = s->scales = NULL;
	s->current = NULL;
}

void source_close(struct source *s)
{
	end_tensor(s);
	adapter_close(&s->adapter);
	shards_close(&s->shards);
	mem_free(s->tensors);
	mem_free(s->dir);
	mem_free(s->base_dir);
	*s = (struct source){ 0 };
}

const struct source_tensor *source_find(const struct source *s, const char *name)
{
	struct source_tensor key = { .name = name };

	return s->n ? bsearch(&key, s->tensors, (size_t)s->n, sizeof(key), by_name) : NULL;
}

/* --- reading ---------------------------------------------------------------------------------------- */

static enum status read_floats(const struct safetensors *f, const struct safetensors_entry *e, int64_t n, float **v, struct error *err)
{
	*v = mem_try((size_t)n * sizeof(float) + 1);
	if (!*v)
		return error_set(err, ERR_MEMORY, "no memory for tensor '%s'", e->name);
	return safetensors_read(f, e, 0, n, kernels_cpu(), *v, err);
}

/* Row-major [rows, cols] of x [cols, rows]. */
static float *transposed(const float *x, int64_t rows, int64_t cols)
{
	float *y = mem_alloc((size_t)(rows * cols) * sizeof(float) + 1);

	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < cols; j++)
			y[i * cols + j] = x[j * rows + i];
	return y;
}

/* W[out, in] += (s B) A; where the base keeps W^T (GPT-2), W^T += (s A^T) B^T. */
static enum status load_factors(struct source *s, const struct adapter_module *m, struct error *err)
{
	float *a = NULL, *b = NULL;
	enum status st = read_floats(s->adapter.file, m->a, m->r * m->in, &a, err);

	if (st == OK)
		st = read_floats(s->adapter.file, m->b, m->out * m->r, &b, err);
	if (st == OK && s->adapter.config.fan_in_fan_out) {
		s->left = transposed(a, m->in, m->r);
		s->right = transposed(b, m->r, m->out);
		mem_free(a);
		mem_free(b);
	} else {
		s->left = b;
		s->right = a;
	}
	for (int64_t i = 0; i < s->current->rows * m->r && st == OK; i++)
		s->left[i] *= m->scale;
	return st;
}

static enum status need(const struct source *s, const char *name, const char *suffix, const char *dtype, int64_t elements,
			const struct shard_tensor **t, struct error *err)
{
	char *whole = mem_printf("%s%s", name, suffix);

	*t = shards_find(&s->shards, whole);
	mem_free(whole);
	if (!*t || strcmp((*t)->entry->dtype, dtype) || (*t)->entry->elements != elements)
		return error_set(err, ERR_DATA, "%s: tensor '%s%s' is missing or does not fit", s->base_dir, name, suffix);
	return OK;
}

static enum status state_offset(const struct source *s, struct source_tensor t, float *offset, struct error *err)
{
	struct json_parser *p = json_parser_open();
	const struct json *j;
	enum status st = with_state(s, &t, p, &j, err);

	if (st == OK)
		*offset = (float)json_get_num(j, "nested_offset", 0);
	json_parser_close(p);
	return st;
}

static enum status load_nested(struct source *s, const struct source_tensor *t, int64_t blocks, struct error *err)
{
	const struct shard_tensor *codes, *scales, *map;
	float *scale_values = NULL, *map_values = NULL, offset = 0;
	uint8_t *bytes = NULL;
	enum status st;

	TRY(need(s, t->name, ".absmax", "U8", blocks, &codes, err));
	TRY(need(s, t->name, ".nested_absmax", "F32", nf4_nested(blocks), &scales, err));
	TRY(need(s, t->name, ".nested_quant_map", "F32", 256, &map, err));
	bytes = mem_try((size_t)blocks + 1);
	s->scales = mem_try((size_t)blocks * sizeof(float) + 1);
	if (!bytes || !s->scales)
		st = error_set(err, ERR_MEMORY, "no memory for tensor '%s'", t->name);
	else
		st = safetensors_bytes(codes->file, codes->entry, 0, (size_t)blocks, bytes, err);
	if (st == OK)
		st = read_floats(scales->file, scales->entry, scales->entry->elements, &scale_values, err);
	if (st == OK)
		st = read_floats(map->file, map->entry, 256, &map_values, err);
	if (st == OK)
		st = state_offset(s, *t, &offset, err);
	if (st == OK)
		nf4_decode_absmax(bytes, scale_values, map_values, offset, blocks, s->scales);
	mem_free(bytes);
	mem_free(scale_values);
	mem_free(map_values);
	return st;
}

static enum status load_nf4(struct source *s, const struct source_tensor *t, struct error *err)
{
	int64_t blocks = nf4_blocks(t->rows * t->cols);
	const struct shard_tensor *x;
	float *map = NULL;
	enum status st;

	TRY(need(s, t->name, ".quant_map", "F32", 16, &x, err));
	st = read_floats(x->file, x->entry, 16, &map, err);
	if (st == OK && memcmp(map, nf4_values, sizeof(nf4_values)))
		st = error_set(err, ERR_UNSUPPORTED, "%s: tensor '%s' has a quant_map of its own", s->base_dir, t->name);
	mem_free(map);
	if (st != OK)
		return st;
	if (beside(s, t->name, ".nested_absmax"))
		return load_nested(s, t, blocks, err);
	TRY(need(s, t->name, ".absmax", "F32", blocks, &x, err));
	return read_floats(x->file, x->entry, blocks, &s->scales, err);
}

static enum status load_int8(struct source *s, const struct source_tensor *t, struct error *err)
{
	char *module = mem_strndup(t->name, strlen(t->name) - 7);
	const struct shard_tensor *x;
	enum status st = need(s, module, ".SCB", "F32", t->rows, &x, err);

	mem_free(module);
	return st == OK ? read_floats(x->file, x->entry, t->rows, &s->scales, err) : st;
}

enum status source_begin(struct source *s, const struct source_tensor *t, struct error *err)
{
	end_tensor(s);
	s->current = t;
	if (t->form == SOURCE_NF4)
		TRY(load_nf4(s, t, err));
	if (t->form == SOURCE_INT8)
		TRY(load_int8(s, t, err));
	return t->module && !s->apart ? load_factors(s, t->module, err) : OK;
}

bool source_is_plain(const struct source *s)
{
	return s->current->form == SOURCE_FLOAT && !s->left;
}

/* The stored codes of n elements from the first on, decoded to x. */
static enum status decode(const struct source *s, int64_t first, int64_t n, float *x, struct error *err)
{
	const struct source_tensor *t = s->current;
	bool nf4 = t->form == SOURCE_NF4;
	int64_t from = nf4 ? first / 2 : first, to = nf4 ? (first + n + 1) / 2 : first + n;
	uint8_t *codes = mem_try((size_t)(to - from) + 1);
	enum status st = codes ? safetensors_bytes(t->file, t->entry, (uint64_t)from, (size_t)(to - from), codes, err) :
				 error_set(err, ERR_MEMORY, "no memory for tensor '%s'", t->name);

	if (st == OK && nf4)
		nf4_decode(codes, s->scales, first, n, x);
	for (int64_t i = 0; st == OK && !nf4 && i < n; i += t->cols)
		int8_decode((const int8_t *)codes + i, s->scales[(first + i) / t->cols], t->cols, x + i);
	mem_free(codes);
	return st;
}

enum status source_read(struct source *s, int64_t first, int64_t rows, struct pool *pool, float *dst, struct error *err)
{
	const struct source_tensor *t = s->current;
	int64_t r = s->left ? t->module->r : 0;

	if (t->form == SOURCE_FLOAT)
		TRY(safetensors_read(t->file, t->entry, first * t->cols, rows * t->cols, kernels_cpu(), dst, err));
	else
		TRY(decode(s, first * t->cols, rows * t->cols, dst, err));
	if (r) /* this table's activations are floats */
		kernels_cpu()->matmul_dx(pool, (act *)(void *)dst, (const act *)(const void *)(s->left + first * r), weights_f32(s->right), rows, r, t->cols, 1);
	return OK;
}
