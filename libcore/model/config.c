/* config.c - config.json of a Llama-type decoder: what the engine computes is read, all else is refused by its name.
 *
 * Field names and defaults are those of transformers' LlamaConfig. Sizes are bounded so that no product of them
 * overflows 63 bits. A list of end tokens (Llama 3) keeps its first: the others are the template's business. */
#include "model/model.h"

#include "base/file.h"
#include "base/mem.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LAYERS_MAX 4096
#define HIDDEN_MAX (1 << 20)
#define FFN_MAX (1 << 22)
#define VOCAB_MAX (1 << 24)
#define POSITIONS_MAX (1 << 26)

static bool absent(const struct json *j)
{
	return !j || j->type == JSON_NULL;
}

/* A required or defaulted whole number in [1, max]. dflt 0: required. */
static enum status get_size(const struct json *j, const char *key, int max, int dflt, int *v, struct error *err)
{
	const struct json *f = json_get(j, key);

	if (absent(f) && dflt) {
		*v = dflt;
		return OK;
	}
	if (absent(f))
		return error_set(err, ERR_DATA, "'%s' is missing", key);
	if (f->type != JSON_INT || f->integer < 1 || f->integer > max)
		return error_set(err, ERR_DATA, "'%s' is no whole number from 1 to %d", key, max);
	*v = (int)f->integer;
	return OK;
}

static enum status get_real(const struct json *j, const char *key, double dflt, double *v, struct error *err)
{
	const struct json *f = json_get(j, key);

	*v = dflt;
	if (absent(f))
		return OK;
	if (f->type != JSON_INT && f->type != JSON_UINT && f->type != JSON_DOUBLE)
		return error_set(err, ERR_DATA, "'%s' is no number", key);
	if (!(f->number >= 0) || !isfinite(f->number))
		return error_set(err, ERR_DATA, "'%s' is out of range", key);
	*v = f->number;
	return OK;
}

/* A special token's id, or -1; the first of a list. */
static enum status get_token(const struct json *j, const char *key, int vocab, int *v, struct error *err)
{
	const struct json *f = json_get(j, key);

	*v = -1;
	if (f && f->type == JSON_ARRAY)
		f = f->len ? &f->items[0] : NULL;
	if (absent(f))
		return OK;
	if (f->type != JSON_INT || f->integer < -1 || f->integer >= vocab)
		return error_set(err, ERR_DATA, "'%s' is no token of a vocabulary of %d", key, vocab);
	*v = (int)f->integer;
	return OK;
}

/* rope_scaling (transformers 4) or rope_parameters (5): only the plain rotation is computed. */
static enum status check_rope(const struct json *j, struct model_config *c, struct error *err)
{
	static const char *const keys[] = { "rope_scaling", "rope_parameters" };

	for (int i = 0; i < 2; i++) {
		const struct json *r = json_get(j, keys[i]);
		const char *type;

		if (absent(r))
			continue;
		type = json_get_str(r, "rope_type", json_get_str(r, "type", "default"));
		if (r->type != JSON_OBJECT || strcmp(type, "default"))
			return error_set(err, ERR_UNSUPPORTED, "'%s' of type '%s' is not supported", keys[i], type);
		TRY(get_real(r, "rope_theta", c->rope_theta, &c->rope_theta, err));
	}
	if (!(c->rope_theta >= 1))
		return error_set(err, ERR_DATA, "'rope_theta' is below 1");
	return OK;
}

/* What would change the computation and is not computed. */
static enum status refuse_others(const struct json *j, struct error *err)
{
	static const char *const flags[] = { "attention_bias", "mlp_bias" };
	static const char *const members[] = { "sliding_window", "quantization_config" };
	const char *act = json_get_str(j, "hidden_act", "silu");
	const struct json *arch = json_get(j, "architectures");

	if (arch && arch->type == JSON_ARRAY && arch->len)
		if (arch->items[0].type != JSON_STRING || strcmp(arch->items[0].str, "LlamaForCausalLM"))
			return error_set(err, ERR_UNSUPPORTED, "architecture '%s' is not supported (LlamaForCausalLM is)",
					 arch->items[0].type == JSON_STRING ? arch->items[0].str : "?");
	if (strcmp(json_get_str(j, "model_type", "llama"), "llama"))
		return error_set(err, ERR_UNSUPPORTED, "model_type '%s' is not supported (llama is)",
				 json_get_str(j, "model_type", ""));
	for (int i = 0; i < 2; i++)
		if (json_get_bool(j, flags[i], false))
			return error_set(err, ERR_UNSUPPORTED, "'%s' is not supported", flags[i]);
	for (int i = 0; i < 2; i++)
		if (!absent(json_get(j, members[i])))
			return error_set(err, ERR_UNSUPPORTED, "'%s' is not supported", members[i]);
	if (strcmp(act, "silu"))
		return error_set(err, ERR_UNSUPPORTED, "hidden_act '%s' is not supported (silu is)", act);
	return OK;
}

enum status model_config_parse(const struct json *j, struct model_config *c, struct error *err)
{
	double eps, range;

	memset(c, 0, sizeof(*c));
	if (!j || j->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "no JSON object");
	TRY(refuse_others(j, err));
	snprintf(c->architecture, sizeof(c->architecture), "LlamaForCausalLM");
	snprintf(c->model_type, sizeof(c->model_type), "llama");
	TRY(get_size(j, "num_hidden_layers", LAYERS_MAX, 0, &c->n_layers, err));
	TRY(get_size(j, "hidden_size", HIDDEN_MAX, 0, &c->hidden, err));
	TRY(get_size(j, "num_attention_heads", HIDDEN_MAX, 0, &c->heads, err));
	TRY(get_size(j, "num_key_value_heads", HIDDEN_MAX, c->heads, &c->kv_heads, err));
	TRY(get_size(j, "head_dim", HIDDEN_MAX, c->hidden / c->heads ? c->hidden / c->heads : 1, &c->head_dim, err));
	TRY(get_size(j, "intermediate_size", FFN_MAX, 0, &c->ffn, err));
	TRY(get_size(j, "vocab_size", VOCAB_MAX, 0, &c->vocab, err));
	TRY(get_size(j, "max_position_embeddings", POSITIONS_MAX, 2048, &c->positions, err));
	TRY(get_real(j, "rope_theta", 10000.0, &c->rope_theta, err));
	TRY(get_real(j, "rms_norm_eps", 1e-6, &eps, err));
	TRY(get_real(j, "initializer_range", 0.02, &range, err));
	TRY(check_rope(j, c, err));
	c->norm_eps = (float)eps;
	c->init_range = (float)range;
	c->tied = json_get_bool(j, "tie_word_embeddings", false);
	if (c->heads % c->kv_heads)
		return error_set(err, ERR_DATA, "%d heads cannot share %d key-value heads", c->heads, c->kv_heads);
	if (c->head_dim % 2)
		return error_set(err, ERR_DATA, "head_dim %d is odd, rotary positions need pairs", c->head_dim);
	if (c->head_dim > KERNELS_HEAD_MAX)
		return error_set(err, ERR_UNSUPPORTED, "head_dim %d, this engine takes at most %d", c->head_dim, KERNELS_HEAD_MAX);
	if ((int64_t)c->heads * c->head_dim > HIDDEN_MAX)
		return error_set(err, ERR_DATA, "%d heads of %d are too wide", c->heads, c->head_dim);
	TRY(get_token(j, "bos_token_id", c->vocab, &c->bos_id, err));
	TRY(get_token(j, "eos_token_id", c->vocab, &c->eos_id, err));
	return get_token(j, "pad_token_id", c->vocab, &c->pad_id, err);
}

enum status model_config_read(const char *path, struct model_config *c, struct error *err)
{
	char *file = path_is_dir(path) ? path_join(path, "config.json") : mem_strdup(path);
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct error cause;
	enum status st = json_parse_file(p, file, &j, err);

	if (st == OK) {
		st = model_config_parse(j, c, &cause);
		if (st != OK)
			error_set(err, st, "%s: %s", file, cause.text);
	}
	json_parser_close(p);
	mem_free(file);
	return st;
}

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

void model_config_print(const struct model_config *c, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	json_key(&w, "architectures");
	json_begin_array(&w);
	json_string(&w, c->architecture);
	json_end_array(&w);
	json_kv_bool(&w, "attention_bias", false);
	json_kv_double(&w, "attention_dropout", 0.0);
	token_or_null(&w, "bos_token_id", c->bos_id);
	token_or_null(&w, "eos_token_id", c->eos_id);
	json_kv_int(&w, "head_dim", c->head_dim);
	json_kv_string(&w, "hidden_act", "silu");
	json_kv_int(&w, "hidden_size", c->hidden);
	kv_float(&w, "initializer_range", c->init_range);
	json_kv_int(&w, "intermediate_size", c->ffn);
	json_kv_int(&w, "max_position_embeddings", c->positions);
	json_kv_bool(&w, "mlp_bias", false);
	json_kv_string(&w, "model_type", c->model_type);
	json_kv_int(&w, "num_attention_heads", c->heads);
	json_kv_int(&w, "num_hidden_layers", c->n_layers);
	json_kv_int(&w, "num_key_value_heads", c->kv_heads);
	token_or_null(&w, "pad_token_id", c->pad_id);
	kv_float(&w, "rms_norm_eps", c->norm_eps);
	json_key(&w, "rope_scaling");
	json_null(&w);
	json_kv_double(&w, "rope_theta", c->rope_theta);
	json_kv_bool(&w, "tie_word_embeddings", c->tied);
	json_kv_string(&w, "torch_dtype", "float32");
	json_kv_bool(&w, "use_cache", true);
	json_kv_int(&w, "vocab_size", c->vocab);
	json_end_object(&w);
	buf_char(out, '\n');
}
