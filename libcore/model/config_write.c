/* config_write.c - config.json from a file, and to one: what we do not compute with goes through as it was. */
#include "model/family.h"

#include "base/file.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

/* generation_config.json beside a config.json may name more tokens that end what the model says (Phi 3: the end of a turn). */
static enum status read_ends(const char *path, struct model_config *c, struct error *err)
{
	char *file = path_join(path, "generation_config.json");
	struct json_parser *p = json_parser_open();
	const struct json *j;
	enum status st = OK;

	if (path_exists(file) && (st = json_parse_file(p, file, &j, err)) == OK)
		model_config_add_ends(c, j);
	json_parser_close(p);
	mem_free(file);
	return st;
}

enum status model_config_read(const char *path, struct model_config *c, struct error *err)
{
	char *file = path_is_dir(path) ? path_join(path, "config.json") : mem_strdup(path);
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct error cause;
	struct buf text = { 0 };
	enum status st = json_parse_file(p, file, &j, err);

	memset(c, 0, sizeof(*c));
	if (st == OK) {
		st = model_config_parse(j, c, &cause);
		if (st != OK)
			error_set(err, st, "%s: %s", file, cause.text);
	}
	if (st == OK) {
		struct json_writer w = json_writer_open(&text, 0);

		json_value(&w, j);
		c->text = buf_detach(&text);
		if (path_is_dir(path))
			st = read_ends(path, c, err);
	}
	json_parser_close(p);
	mem_free(file);
	return st;
}

void model_config_release(struct model_config *c)
{
	mem_free(c->text);
	c->text = NULL;
}

/* --- our members -------------------------------------------------------------------------- */

static void token_or_null(struct json_writer *w, const char *key, int id)
{
	json_key(w, key);
	if (id < 0)
		json_null(w);
	else
		json_int(w, id);
}

static void kv_float(struct json_writer *w, const char *key, float v)
{
	json_key(w, key);
	json_float(w, v);
}

/* 0 is written as null. */
static void float_or_null(struct json_writer *w, const char *key, float v)
{
	json_key(w, key);
	if (v > 0)
		json_float(w, v);
	else
		json_null(w);
}

static void print_factors(struct json_writer *w, const char *key, const float *v, int n)
{
	json_key(w, key);
	json_begin_array(w);
	for (int i = 0; i < n; i++)
		json_float(w, v[i]);
	json_end_array(w);
}

/* The members of a kind of scaling. */
static void print_scaling(struct json_writer *w, const struct model_config *c)
{
	static const char *const names[] = { "default", "linear", "dynamic", "llama3", "yarn", "longrope" };
	const struct rope_scaling *s = &c->rope;
	int half = (int)(c->head_dim * (c->rotary_share > 0 ? c->rotary_share : 1)) / 2;

	json_kv_string(w, "rope_type", names[s->type]);
	if (s->type == ROPE_DEFAULT)
		return;
	json_kv_double(w, "factor", s->factor);
	if (s->attention_factor > 0)
		json_kv_double(w, "attention_factor", s->attention_factor);
	if (s->type == ROPE_LLAMA3 || s->type == ROPE_YARN || s->type == ROPE_LONG)
		json_kv_int(w, "original_max_position_embeddings", s->original);
	if (s->type == ROPE_LLAMA3) {
		json_kv_double(w, "low_freq_factor", s->low_freq_factor);
		json_kv_double(w, "high_freq_factor", s->high_freq_factor);
	}
	if (s->type == ROPE_YARN) {
		json_kv_double(w, "beta_fast", s->beta_fast);
		json_kv_double(w, "beta_slow", s->beta_slow);
		if (s->mscale > 0)
			json_kv_double(w, "mscale", s->mscale);
		if (s->mscale_all_dim > 0)
			json_kv_double(w, "mscale_all_dim", s->mscale_all_dim);
		json_kv_bool(w, "truncate", !s->no_truncate);
	}
	if (s->type == ROPE_LONG) {
		print_factors(w, "short_factor", s->short_factor, half);
		print_factors(w, "long_factor", s->long_factor, half);
	}
}

/* The object of transformers 5: base and scaling, for Gemma 3 by types of layers. */
static void print_rope_parameters(struct json_writer *w, const struct model_config *c, const struct family *f)
{
	json_key(w, "rope_parameters");
	json_begin_object(w);
	if (c->local_theta > 0) {
		json_key(w, "sliding_attention");
		json_begin_object(w);
		json_kv_string(w, "rope_type", "default");
		json_kv_double(w, "rope_theta", c->local_theta);
		json_end_object(w);
		json_key(w, "full_attention");
		json_begin_object(w);
	}
	json_kv_double(w, "rope_theta", c->rope_theta);
	if (f->rotary_share)
		json_kv_double(w, "partial_rotary_factor", c->rotary_share > 0 ? c->rotary_share : 1);
	print_scaling(w, c);
	if (c->local_theta > 0)
		json_end_object(w);
	json_end_object(w);
}

static void print_rope(struct json_writer *w, const struct model_config *c, const struct family *f, bool parameters)
{
	if (f->rotary_share)
		json_kv_int(w, "original_max_position_embeddings", c->rope.original ? c->rope.original : c->trained_positions);
	if (parameters) {
		print_rope_parameters(w, c, f);
		return;
	}
	json_kv_double(w, "rope_theta", c->rope_theta);
	if (c->local_theta > 0)
		json_kv_double(w, "rope_local_base_freq", c->local_theta);
	if (f->rotary_share)
		json_kv_double(w, "partial_rotary_factor", c->rotary_share > 0 ? c->rotary_share : 1);
	json_key(w, "rope_scaling");
	if (c->rope.type == ROPE_DEFAULT) {
		json_null(w);
		return;
	}
	json_begin_object(w);
	print_scaling(w, c);
	json_end_object(w);
}

static void print_windows(struct json_writer *w, const struct model_config *c, const struct family *f)
{
	if (f->windows == WINDOW_NONE)
		return;
	if (f->windows == WINDOW_UPPER)
		json_kv_bool(w, "use_sliding_window", c->window > 0);
	json_key(w, "sliding_window");
	if (c->window)
		json_int(w, c->window);
	else
		json_null(w);
	if (f->windows == WINDOW_ALL)
		return;
	json_key(w, "layer_types");
	json_begin_array(w);
	for (int i = 0; i < c->n_layers; i++)
		json_string(w, c->local[i] ? "sliding_attention" : "full_attention");
	json_end_array(w);
}

static void print_sizes(struct json_writer *w, const struct model_config *c, const struct family *f)
{
	int trained = c->trained_positions ? c->trained_positions : c->positions;

	json_kv_int(w, f->gpt2 ? "n_layer" : "num_hidden_layers", c->n_layers);
	json_kv_int(w, f->gpt2 ? "n_embd" : "hidden_size", c->hidden);
	json_kv_int(w, f->gpt2 ? "n_head" : "num_attention_heads", c->heads);
	json_kv_int(w, f->gpt2 ? "n_inner" : "intermediate_size", c->ffn);
	json_kv_int(w, f->gpt2 ? "n_positions" : "max_position_embeddings", trained);
	json_kv_int(w, "vocab_size", c->vocab);
	if (f->gpt2)
		return;
	json_kv_int(w, "num_key_value_heads", c->kv_heads);
	json_kv_int(w, "head_dim", c->head_dim);
}

/* All that the engine computes with. rope_parameters, dtype_member: how the releases of transformers call them. */
static void print_members(const struct model_config *c, bool rope_parameters, const char *dtype_member, const char *dtype,
			  struct buf *out)
{
	static const char *const acts[] = { "silu", "gelu_pytorch_tanh", "gelu_new" };
	const struct family *f = family_of(c);
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	json_key(&w, "architectures");
	json_begin_array(&w);
	json_string(&w, c->architecture);
	json_end_array(&w);
	json_kv_string(&w, "model_type", c->model_type);
	if (c->labels)
		json_kv_int(&w, "num_labels", c->labels);
	if (*c->step_separator)
		json_kv_string(&w, "step_separator", c->step_separator);
	if (c->labels == 2 && !c->head_bias)
		json_kv_bool(&w, "token_classification_bias", false);
	print_sizes(&w, c, f);
	json_kv_string(&w, f->act_key, acts[c->act]);
	kv_float(&w, f->gpt2 ? "layer_norm_epsilon" : "rms_norm_eps", c->norm_eps);
	kv_float(&w, "initializer_range", c->init_range);
	json_kv_bool(&w, "tie_word_embeddings", c->tied);
	if (f->bias == BIAS_ASKED)
		json_kv_bool(&w, "attention_bias", c->qkv_bias);
	if (f->bias == BIAS_ASKED && f->mlp_bias)
		json_kv_bool(&w, "mlp_bias", c->mlp_bias);
	if (f->gpt2)
		json_kv_bool(&w, "scale_attn_weights", c->query_scale != 1);
	if (f->query_scale > 0 && c->query_scale == floor(c->query_scale))
		json_kv_int(&w, "query_pre_attn_scalar", (int64_t)c->query_scale);   /* strict readers want no 256.0 */
	else if (f->query_scale > 0)
		json_kv_double(&w, "query_pre_attn_scalar", c->query_scale);
	if (f->caps) {
		float_or_null(&w, "attn_logit_softcapping", c->attention_cap);
		float_or_null(&w, "final_logit_softcapping", c->logit_cap);
	}
	print_windows(&w, c, f);
	if (!f->gpt2)
		print_rope(&w, c, f, rope_parameters);
	token_or_null(&w, "bos_token_id", c->bos_id);
	token_or_null(&w, "eos_token_id", c->eos_id);
	token_or_null(&w, "pad_token_id", c->pad_id);
	json_kv_string(&w, dtype_member, dtype);
	json_end_object(&w);
	buf_char(out, '\n');
}

/* --- ours among the others ---------------------------------------------------------------- */

/* A document of our own making or from a file that was read before. */
static const struct json *parse(struct json_parser *p, const char *text, size_t n)
{
	const struct json *j = NULL;

	return json_parse(p, text, n, &j, NULL) == OK ? j : NULL;
}

static bool same_value(const struct json *a, const struct json *b)
{
	struct buf x = { 0 }, y = { 0 };
	struct json_writer wx = json_writer_open(&x, 0), wy = json_writer_open(&y, 0);
	bool same;

	if (!a || !b)
		return a == b;
	json_value(&wx, a);
	json_value(&wy, b);
	same = !strcmp(x.data, y.data);
	buf_release(&x);
	buf_release(&y);
	return same;
}

/* Members of text in their order: ours where it differs from what we read there; then those of ours that are new. */
static void merge(const struct json *text, const struct json *was, const struct json *now, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	for (size_t i = 0; i < text->len; i++) {
		const char *key = text->keys[i].str;
		const struct json *ours = json_get(now, key);

		if (json_get(text, key) != &text->items[i])
			continue;                /* a second of the same name, which nobody read */
		if (!strcmp(key, "quantization_config"))
			continue;                /* what we write is not quantised */
		json_key_n(&w, key, text->keys[i].len);
		json_value(&w, !ours || same_value(ours, json_get(was, key)) ? &text->items[i] : ours);
	}
	for (size_t i = 0; i < now->len; i++)
		if (!json_get(text, now->keys[i].str) && !same_value(&now->items[i], json_get(was, now->keys[i].str))) {
			json_key(&w, now->keys[i].str);
			json_value(&w, &now->items[i]);
		}
	json_end_object(&w);
	buf_char(out, '\n');
}

void model_config_print(const struct model_config *c, const char *dtype, struct buf *out)
{
	struct json_parser *p[3] = { json_parser_open(), json_parser_open(), json_parser_open() };
	const struct json *text = c->text ? parse(p[0], c->text, strlen(c->text)) : NULL, *was, *now;
	const char *member = json_get(text, "dtype") ? "dtype" : "torch_dtype";
	bool parameters = json_get(text, "rope_parameters") && !json_get_str(json_get(text, "rope_scaling"), "rope_type", NULL);
	struct buf before = { 0 }, after = { 0 };
	struct model_config read;

	print_members(c, parameters, member, dtype, &after);
	if (!text || model_config_parse(text, &read, NULL) != OK) {
		buf_add(out, after.data, after.len);
	} else {
		print_members(&read, parameters, member, json_get_str(text, member, ""), &before);
		was = parse(p[1], before.data, before.len);
		now = parse(p[2], after.data, after.len);
		merge(text, was, now, out);
	}
	for (int i = 0; i < 3; i++)
		json_parser_close(p[i]);
	buf_release(&before);
	buf_release(&after);
}
