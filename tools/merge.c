/* quern merge - model directories to one: an adapter into its base, another type or form of the weights, shards, averages.
 *
 * Each operand is a source of named tensors (libcore/model/source.h), an adapter being its base with W + s B A. Tensor by tensor and piece
 * by piece their weighted sum is formed in fp32 and written (libcore/model/export.h); all else of a model's directory is copied, and
 * config.json changed where the weights have. */
#include "common/tool.h"
#include "base/file.h"
#include "model/export.h"
#include "model/model.h"
#include "model/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE_ELEMENTS (1 << 20)

enum { KEEP, F32, BF16, F16 };
enum { PLAIN, INT8, NF4 };
static const char *const stored_names[] = { "", "F32", "BF16", "F16" };
static const char *const torch_names[] = { "", "float32", "bfloat16", "float16" };

static struct {
	const char *base;
	int dtype, quantize;
	int64_t shard_size;
} opts = { .shard_size = 5000000000 };

static struct opt options[] = {
	OPT_STRING(0, "base", &opts.base, "DIR", "the model that the adapters belong to, instead of the one that they name"),
	OPT_CHOICE(0, "dtype", &opts.dtype, "keep|f32|bf16|f16", "type of the written weights; keep is that of the first model"),
	OPT_CHOICE(0, "quantize", &opts.quantize, "none|int8|nf4", "linear layers in 8 or 4 bits, as bitsandbytes loads them"),
	OPT_INT(0, "shard-size", &opts.shard_size, "BYTES", 0, 1e15, "most bytes in a weight file (one tensor at least); 0 is one file"),
	OPT_END,
};

static struct tool tool = {
	.name = "merge", .summary = "merge adapters and models, convert and quantise weights", .operands = "DIR[=WEIGHT] ... -o DIR",
	.options = options, .min_operands = 1, .max_operands = -1, .needs_output = true,
};

struct merge {
	struct source *sources;
	double *weights;
	int n;
	struct export_tensor *tensors;
	struct json_parser *parser;
	const struct json *config;           /* config.json of the first model */
	float *sum, *more;                   /* a piece */
	size_t room;
};

/* --- operands ------------------------------------------------------------------------------------------ */

/* DIR, or DIR=WEIGHT where DIR=WEIGHT is no directory itself. */
static enum status split_operand(const char *word, char **dir, double *weight, bool *weighted, struct error *err)
{
	const char *equals = strrchr(word, '=');
	char *end;

	*weighted = equals && !path_is_dir(word);
	*weight = 1;
	*dir = *weighted ? mem_strndup(word, (size_t)(equals - word)) : mem_strdup(word);
	if (!*weighted)
		return OK;
	*weight = strtod(equals + 1, &end);
	if (end == equals + 1 || *end || !isfinite(*weight)) {
		mem_free(*dir);
		return error_set(err, ERR_USAGE, "%s: no directory, and '%s' is no weight", word, equals + 1);
	}
	return OK;
}

static enum status open_source(struct merge *m, const char *dir, struct error *err)
{
	struct source *s = &m->sources[m->n];

	TRY(source_open(s, dir, adapter_is_dir(dir) ? opts.base : NULL, err));
	m->n++;
	if (path_is_same(s->dir, tool.out_path) || path_is_same(s->base_dir, tool.out_path))
		return error_set(err, ERR_USAGE, "%s is read: choose another -o", tool.out_path);
	TRY(tool_add_input(&tool, s->dir, err));
	return s->has_adapter ? tool_add_input(&tool, s->base_dir, err) : OK;
}

static enum status open_sources(struct merge *m, struct error *err)
{
	int n = tool.files.n, weighted = 0, adapters = 0;

	m->sources = mem_array((size_t)n, sizeof(*m->sources));
	m->weights = mem_array((size_t)n, sizeof(*m->weights));
	for (int i = 0; i < n; i++) {
		bool has;
		char *dir;
		enum status st;

		TRY(split_operand(tool.files.items[i], &dir, &m->weights[i], &has, err));
		weighted += has;
		st = open_source(m, dir, err);
		mem_free(dir);
		TRY(st);
		adapters += m->sources[i].has_adapter;
	}
	if (weighted && weighted < n)
		return error_set(err, ERR_USAGE, "weights are for all models or for none");
	for (int i = 0; i < n && !weighted; i++)
		m->weights[i] = 1.0 / n;
	if (opts.base && !adapters)
		return error_set(err, ERR_USAGE, "--base is for adapters, and there is none");
	return OK;
}

/* --- which tensors, and what becomes of them ----------------------------------------------------------------- */

/* Linear layers of the decoders that transformers has, by the last part of their names. */
static bool is_linear(const char *name)
{
	static const char *const ends[] = { ".q_proj.weight", ".k_proj.weight", ".v_proj.weight", ".o_proj.weight", ".qkv_proj.weight",
					    ".gate_proj.weight", ".up_proj.weight", ".gate_up_proj.weight", ".down_proj.weight" };

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		size_t n = strlen(name), m = strlen(ends[i]);

		if (n > m && !strcmp(name + n - m, ends[i]))
			return true;
	}
	return false;
}

static enum status check_equal(const struct source *s, const struct source_tensor *t, struct error *err)
{
	const struct source_tensor *u = source_find(s, t->name);

	if (!u)
		return error_set(err, ERR_DATA, "%s has no tensor '%s'", s->dir, t->name);
	if (u->n_dims != t->n_dims || memcmp(u->shape, t->shape, sizeof(t->shape)) ||
	    (u->form == SOURCE_OTHER) != (t->form == SOURCE_OTHER))
		return error_set(err, ERR_DATA, "%s: tensor '%s' has another shape or type", s->dir, t->name);
	return OK;
}

static enum status plan(struct merge *m, struct error *err)
{
	const struct source *first = &m->sources[0];
	int quantised = 0;

	m->tensors = mem_array((size_t)first->n + 1, sizeof(*m->tensors));
	for (int i = 0; i < first->n; i++) {
		const struct source_tensor *t = &first->tensors[i];
		struct export_tensor *e = &m->tensors[i];

		*e = (struct export_tensor){ .name = t->name, .dtype = t->dtype, .n_dims = t->n_dims, .rows = t->rows, .cols = t->cols };
		memcpy(e->shape, t->shape, sizeof(e->shape));
		if (t->form == SOURCE_OTHER)
			e->form = EXPORT_BYTES;
		else if (opts.dtype)
			e->dtype = stored_names[opts.dtype];
		if (opts.quantize && t->form != SOURCE_OTHER && t->n_dims == 2 && t->rows * t->cols > 0 && is_linear(t->name)) {
			e->form = opts.quantize == NF4 ? EXPORT_NF4 : EXPORT_INT8;
			quantised++;
		}
		for (int k = 1; k < m->n; k++)
			TRY(check_equal(&m->sources[k], t, err));
	}
	for (int k = 1; k < m->n; k++)
		if (m->sources[k].n != first->n)
			return error_set(err, ERR_DATA, "%s has tensors that %s has not", m->sources[k].dir, first->dir);
	return !opts.quantize || quantised ? OK :
	       error_set(err, ERR_UNSUPPORTED, "%s has no linear layers of a name that is known: nothing to quantise", first->dir);
}

/* --- the weights ------------------------------------------------------------------------------------------------ */

static enum status take_room(struct merge *m, size_t elements, struct error *err)
{
	if (elements <= m->room)
		return OK;
	mem_free(m->sum);
	mem_free(m->more);
	m->sum = mem_try(elements * sizeof(float));
	m->more = m->n > 1 ? mem_try(elements * sizeof(float)) : NULL;
	m->room = elements;
	return m->sum && (m->n == 1 || m->more) ? OK : error_set(err, ERR_MEMORY, "no memory for a piece of %zu weights", elements);
}

/* sum = w[0] x[0] + w[1] x[1] + …, in this order. */
static enum status weighted_sum(struct merge *m, int64_t row, int64_t rows, int64_t n, struct error *err)
{
	float w = (float)m->weights[0];

	TRY(source_read(&m->sources[0], row, rows, tool.pool, m->sum, err));
	for (int64_t i = 0; w != 1 && i < n; i++)
		m->sum[i] *= w;
	for (int k = 1; k < m->n; k++) {
		w = (float)m->weights[k];
		TRY(source_read(&m->sources[k], row, rows, tool.pool, m->more, err));
		for (int64_t i = 0; i < n; i++)
			m->sum[i] += w * m->more[i];
	}
	return OK;
}

static enum status copy_bytes(struct exporter *x, const struct source_tensor *t, struct error *err)
{
	uint64_t n = t->entry->end - t->entry->begin;
	char piece[65536];

	for (uint64_t at = 0; at < n; at += sizeof(piece)) {
		size_t k = n - at < sizeof(piece) ? (size_t)(n - at) : sizeof(piece);

		TRY(safetensors_bytes(t->file, t->entry, at, k, piece, err));
		TRY(export_bytes(x, piece, k, err));
	}
	return export_end_tensor(x, err);
}

static enum status merge_tensor(struct merge *m, struct exporter *x, int i, struct error *err)
{
	const struct export_tensor *e = &m->tensors[i];
	int64_t piece = EXPORT_ROWS;

	if (e->form == EXPORT_BYTES)
		return copy_bytes(x, &m->sources[0].tensors[i], err);
	while (piece < e->rows && 2 * piece * e->cols <= PIECE_ELEMENTS)
		piece *= 2;
	if (piece > e->rows)
		piece = e->rows;
	TRY(take_room(m, (size_t)(piece * e->cols), err));
	for (int k = 0; k < m->n; k++)
		TRY(source_begin(&m->sources[k], source_find(&m->sources[k], e->name), err));
	for (int pass = 0; pass < export_passes(e); pass++)
		for (int64_t row = 0; row < e->rows && e->cols; row += piece) {
			int64_t rows = e->rows - row < piece ? e->rows - row : piece;

			TRY(weighted_sum(m, row, rows, rows * e->cols, err));
			TRY(export_rows(x, rows, m->sum, err));
		}
	return export_end_tensor(x, err);
}

static void report(const struct merge *m, const struct exporter *x)
{
	struct export_error e = export_largest_error(x);
	int64_t parameters = 0;

	for (int i = 0; i < m->sources[0].n; i++)
		if (m->tensors[i].form != EXPORT_BYTES)
			parameters += m->tensors[i].rows * m->tensors[i].cols;
	tool_stat_int(&tool, "tensors", m->sources[0].n);
	tool_stat_int(&tool, "parameters", parameters);
	tool_stat_int(&tool, "files", export_files(x));
	tool_stat_int(&tool, "bytes", export_total_bytes(x));
	tool_stat_double(&tool, "max_error", e.largest);
	if (e.tensor) {
		tool_stat_string(&tool, "max_error_tensor", e.tensor);
		tool_say(&tool, "largest rounding error %.3g, in '%s' with weights up to %.3g", e.largest, e.tensor, e.magnitude);
	} else {
		tool_say(&tool, "no rounding: every weight is stored as it was computed");
	}
}

/* --- all else ----------------------------------------------------------------------------------------------------- */

static void print_quantization(struct json_writer *w, const char *compute)
{
	bool four = opts.quantize == NF4;

	json_key(w, "quantization_config");
	json_begin_object(w);
	json_kv_string(w, "bnb_4bit_compute_dtype", compute);
	json_kv_string(w, "bnb_4bit_quant_storage", "uint8");
	json_kv_string(w, "bnb_4bit_quant_type", "nf4");
	json_kv_bool(w, "bnb_4bit_use_double_quant", four);
	json_kv_bool(w, "llm_int8_enable_fp32_cpu_offload", false);
	json_kv_bool(w, "llm_int8_has_fp16_weight", false);
	json_key(w, "llm_int8_skip_modules");
	json_begin_array(w);
	json_string(w, "lm_head");
	json_end_array(w);
	json_key(w, "llm_int8_threshold");
	json_raw(w, "6.0", 3);                       /* transformers wants a float: 6 is none */
	json_kv_bool(w, "load_in_4bit", four);
	json_kv_bool(w, "load_in_8bit", !four);
	json_kv_string(w, "quant_method", "bitsandbytes");
	json_end_object(w);
}

/* Rows of the input embeddings: an adapter may have brought larger ones. 0: there are none of a known name. */
static int64_t embedding_rows(const struct source *s)
{
	static const char *const names[] = { "model.embed_tokens.weight", "embed_tokens.weight", "transformer.wte.weight", "wte.weight" };

	for (int i = 0; i < 4; i++) {
		const struct source_tensor *t = source_find(s, names[i]);

		if (t)
			return t->rows;
	}
	return 0;
}

/* The type that config.json speaks of: that of --dtype, or of the first matrix. */
static int written_dtype(const struct merge *m)
{
	for (int i = 0; i < m->sources[0].n; i++)
		for (int d = F32; d <= F16; d++)
			if (m->tensors[i].n_dims == 2 && m->tensors[i].form != EXPORT_BYTES && !strcmp(m->tensors[i].dtype, stored_names[d]))
				return d;
	return F32;
}

/* config.json of the first model with what has changed: type, vocabulary, quantisation. */
static void print_config(const struct merge *m, struct buf *b)
{
	const struct json *c = m->config;
	struct json_writer w = json_writer_open(b, 2);
	const char *type = torch_names[written_dtype(m)];
	int64_t vocab = embedding_rows(&m->sources[0]);
	bool typed = false;

	json_begin_object(&w);
	for (size_t i = 0; i < c->len; i++) {
		const char *key = c->keys[i].str;

		if (!strcmp(key, "quantization_config"))
			continue;
		json_key(&w, key);
		if (!strcmp(key, "torch_dtype") || !strcmp(key, "dtype")) {
			json_string(&w, type);
			typed = true;
		} else if (!strcmp(key, "vocab_size") && vocab) {
			json_int(&w, vocab);
		} else if (!strcmp(key, "tie_word_embeddings") && m->sources[0].untied) {
			json_bool(&w, false);
		} else {
			json_value(&w, &c->items[i]);
		}
	}
	if (m->sources[0].untied && !json_get(c, "tie_word_embeddings"))
		json_kv_bool(&w, "tie_word_embeddings", false);
	if (!typed)
		json_kv_string(&w, "torch_dtype", type);
	if (opts.quantize)
		print_quantization(&w, type);
	json_end_object(&w);
	buf_char(b, '\n');
}

static enum status write_file(const char *name, const struct buf *b, struct error *err)
{
	char *path = path_join(tool.out_path, name);
	enum status st = file_write_all(path, b->data, b->len, err);

	mem_free(path);
	return st;
}

/* Copies a file that may be missing. */
static enum status copy_file(const char *dir, const char *name, struct error *err)
{
	char *path = path_join(dir, name);
	struct buf b = { 0 };
	enum status st = OK;

	if (path_exists(path)) {
		st = file_read_all(path, (size_t)1 << 30, &b, err);
		if (st == OK)
			st = write_file(name, &b, err);
	}
	buf_release(&b);
	mem_free(path);
	return st;
}

/* The tokenizer is that of an adapter's directory, if it has one: it may have grown in training. */
static enum status copy_others(const struct merge *m, struct error *err)
{
	static const char *const names[] = { "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
					     "vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json" };
	const struct source *s = &m->sources[0];
	char *own = path_join(s->dir, "tokenizer.json");
	const char *dir = path_exists(own) ? s->dir : s->base_dir;

	mem_free(own);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		TRY(copy_file(dir, names[i], err));
	return copy_file(s->base_dir, "generation_config.json", err);
}

/* config.json of the classifier that an adapter makes of its base. */
static enum status classifier_config(struct merge *m, const char *path, struct error *err)
{
	struct model_config c;
	struct buf text = { 0 };
	enum status st;

	TRY(model_config_read(path, &c, err));
	st = model_config_as_classifier(&c, adapter_labels(&m->sources[0].adapter.config), err);
	if (st == OK)
		st = adapter_separator(m->sources[0].dir, &c, err);
	if (c.pad_id < 0)                    /* transformers finds a sequence's last token by the padding behind it */
		c.pad_id = c.eos_id;
	if (st == OK) {
		model_config_print(&c, "float32", &text);      /* print_config knows the type */
		st = json_parse(m->parser, text.data, text.len, &m->config, err);
	}
	buf_release(&text);
	model_config_release(&c);
	return st;
}

static enum status read_config(struct merge *m, struct error *err)
{
	char *path = path_join(m->sources[0].base_dir, "config.json");
	enum status st;

	m->parser = json_parser_open();
	st = m->sources[0].n_heads ? classifier_config(m, path, err) : json_parse_file(m->parser, path, &m->config, err);
	if (st == OK && m->config->type != JSON_OBJECT)
		st = error_set(err, ERR_DATA, "%s: no JSON object", path);
	mem_free(path);
	return st;
}

/* What would be read in place of our weights, or beside them, is not overwritten by accident: files of another layout, an adapter. */
static enum status check_output(int files, struct error *err)
{
	const char *const names[] = { ADAPTER_CONFIG, files > 1 ? "model.safetensors" : "model.safetensors.index.json" };

	for (int i = 0; i < 2; i++) {
		char *path = path_join(tool.out_path, names[i]);
		bool there = path_exists(path);

		mem_free(path);
		if (there)
			return error_set(err, ERR_USAGE, "%s holds a model of another layout ('%s'): choose another -o", tool.out_path, names[i]);
	}
	return dir_make(tool.out_path, err);
}

/* All else first, the weights last: a directory with weights is whole. */
static enum status write_all(struct merge *m, struct exporter *x, struct error *err)
{
	int n = m->sources[0].n;
	struct buf config = { 0 };
	enum status st;

	TRY(check_output(export_files(x), err));
	TRY(copy_others(m, err));
	TRY(tool_write_provenance(&tool, tool.out_path, err));
	print_config(m, &config);
	st = write_file("config.json", &config, err);
	buf_release(&config);
	for (int i = 0; i < n && st == OK; i++) {
		st = merge_tensor(m, x, i, err);
		progress_tick(tool.progress, i + 1, n, "tensors", NULL);
	}
	if (st == OK)
		st = export_finish(x, err);
	if (st == OK)
		report(m, x);
	return st;
}

static enum status merge(struct merge *m, struct error *err)
{
	struct exporter *x;
	enum status st;

	TRY(open_sources(m, err));
	TRY(read_config(m, err));
	TRY(plan(m, err));
	export_open(&x, tool.out_path, m->tensors, m->sources[0].n, opts.shard_size, tool.pool);
	st = write_all(m, x, err);
	export_close(x);
	return st;
}

static enum status run(struct error *err)
{
	struct merge m = { 0 };
	enum status st = merge(&m, err);

	for (int i = 0; i < m.n; i++)
		source_close(&m.sources[i]);
	if (m.parser)
		json_parser_close(m.parser);
	mem_free(m.sources);
	mem_free(m.weights);
	mem_free(m.tensors);
	mem_free(m.sum);
	mem_free(m.more);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
