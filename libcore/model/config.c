/* config.c - config.json to the features of a model: what the engine computes is read, all else is refused by its name.
 *
 * Member names and defaults are those of transformers' configuration classes, in the spelling of its releases 4 and 5. Sizes
 * are bounded so that no product of them overflows 63 bits. Of a list of end tokens (Llama 3, Gemma) the first is eos_id, the others
 * end what the model says, too. */
#include "model/family.h"

#include "base/mem.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define HIDDEN_MAX (1 << 20)
#define FFN_MAX (1 << 22)
#define VOCAB_MAX (1 << 24)
#define POSITIONS_MAX (1 << 26)

/* --- members ------------------------------------------------------------------------------ */

static bool absent(const struct json *j)
{
	return !j || j->type == JSON_NULL;
}

/* Members of the wrong type would else count as missing. */
static enum status check_types(const struct json *j, const char *const *keys, size_t n, enum json_type type, const char *what,
			       struct error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!absent(json_get(j, keys[i])) && json_get(j, keys[i])->type != type)
			return error_set(err, ERR_DATA, "'%s' is %s", keys[i], what);
	return OK;
}

static enum status check_flags(const struct json *j, const char *const *keys, size_t n, struct error *err)
{
	return check_types(j, keys, n, JSON_BOOL, "neither true nor false", err);
}

static enum status check_names(const struct json *j, const char *const *keys, size_t n, struct error *err)
{
	return check_types(j, keys, n, JSON_STRING, "no string", err);
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

static bool is_zero(const struct json *j)
{
	return j && j->type == JSON_INT && j->integer == 0;
}

static enum status get_real(const struct json *j, const char *key, double dflt, double *v, struct error *err)
{
	const struct json *f = json_get(j, key);

	*v = dflt;
	if (absent(f))
		return OK;
	if (f->type != JSON_INT && f->type != JSON_UINT && f->type != JSON_DOUBLE)
		return error_set(err, ERR_DATA, "'%s' is no number", key);
	if (!(f->number >= 0) || !(f->number <= 1e30))
		return error_set(err, ERR_DATA, "'%s' is out of range", key);
	*v = f->number;
	return OK;
}

/* A number that must be more than 0; dflt 0: required. */
static enum status get_positive(const struct json *j, const char *key, double dflt, double *v, struct error *err)
{
	if (absent(json_get(j, key)) && dflt <= 0)
		return error_set(err, ERR_DATA, "'%s' is missing", key);
	TRY(get_real(j, key, dflt, v, err));
	return *v > 0 ? OK : error_set(err, ERR_DATA, "'%s' is not more than 0", key);
}

static enum status get_float(const struct json *j, const char *key, double dflt, float *v, struct error *err)
{
	double x;

	TRY(get_real(j, key, dflt, &x, err));
	*v = (float)x;
	return OK;
}

/* A member that is null for "none" and has a default when it is missing. */
static double null_or(const struct json *j, const char *key, double dflt)
{
	const struct json *f = json_get(j, key);

	return f && f->type == JSON_NULL ? 0 : dflt;
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

static void add_end(struct model_config *c, const struct json *f)
{
	bool there = f->type != JSON_INT || f->integer < 0 || f->integer >= c->vocab || f->integer == c->eos_id ||
		     c->n_ends == (int)(sizeof(c->ends) / sizeof(c->ends[0]));

	for (int i = 0; i < c->n_ends && !there; i++)
		there = c->ends[i] == f->integer;
	if (!there)
		c->ends[c->n_ends++] = (int)f->integer;
}

void model_config_add_ends(struct model_config *c, const struct json *j)
{
	const struct json *f = json_get(j, "eos_token_id");

	if (f && f->type == JSON_ARRAY)
		for (size_t i = 0; i < f->len; i++)
			add_end(c, &f->items[i]);
	else if (f)
		add_end(c, f);
}

/* --- the family --------------------------------------------------------------------------- */

static void set_features(struct model_config *c, const struct family *f)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->architecture, sizeof(c->architecture), "%s", f->architecture);
	snprintf(c->model_type, sizeof(c->model_type), "%s", f->model_type);
	c->norm = f->norm;
	c->norm_plus = f->norm_plus;
	c->post_norms = f->post_norms;
	c->qk_norm = f->qk_norm;
	c->learned_positions = f->gpt2;
	c->qkv_bias = f->bias == BIAS_QKV || f->bias == BIAS_ALL;
	c->out_bias = c->mlp_bias = f->bias == BIAS_ALL;
	c->act = f->gpt2 ? ACT_GELU : strcmp(f->act, "silu") ? ACT_GEGLU : ACT_SWIGLU;
	c->rope_theta = f->theta;
	c->local_theta = f->local_theta;
	c->norm_eps = (float)f->eps;
	c->init_range = 0.02f;
	c->tied = f->tied;
	c->query_scale = f->query_scale;
	c->attention_cap = (float)f->attention_cap;
	c->logit_cap = (float)f->logit_cap;
	c->bos_id = c->eos_id = c->pad_id = -1;
}

/* Layers with a window by the family's rule: all, those from a number on, or all but every n-th. */
static void set_windows(struct model_config *c, const struct family *f, int64_t from, int pattern)
{
	for (int i = 0; i < MODEL_LAYERS_MAX && c->window; i++)
		c->local[i] = f->windows == WINDOW_ALL || (f->windows == WINDOW_UPPER && i >= from) ||
			      (f->windows == WINDOW_PATTERN && (i + 1) % pattern);
}

enum status model_config_family(struct model_config *c, const char *model_type, struct error *err)
{
	const struct family *f = family_find(model_type);

	if (!f)
		return error_set(err, ERR_UNSUPPORTED, "model_type '%s' is not supported", model_type);
	set_features(c, f);
	c->window = f->windows == WINDOW_PATTERN ? f->window : 0;
	set_windows(c, f, 0, f->pattern);
	return OK;
}

/* architectures and model_type must name the same row of the table; one of them may be missing. */
static enum status find_family(const struct json *j, const struct family **f, struct error *err)
{
	const struct json *arch = json_get(j, "architectures");
	const char *type = json_get_str(j, "model_type", NULL), *name = NULL;
	struct buf all = { 0 };
	int labels;
	enum status st;

	if (arch && arch->type == JSON_ARRAY && arch->len)
		name = arch->items[0].type == JSON_STRING ? arch->items[0].str : "?";
	*f = name ? family_find_classifier(name, &labels) : NULL;
	if (*f && (!type || !strcmp((*f)->model_type, type)))
		return OK;
	*f = family_find(name ? name : type ? type : "llama");
	if (*f && (!name || !strcmp((*f)->architecture, name)) && (!type || !strcmp((*f)->model_type, type)))
		return OK;
	if (*f && (!name || !strcmp((*f)->architecture, name)))
		return error_set(err, ERR_UNSUPPORTED, "model_type '%s' is not supported for architecture '%s'", type,
				 (*f)->architecture);
	family_list(&all);
	st = error_set(err, ERR_UNSUPPORTED, "%s '%s' is not supported (%s are)", name ? "architecture" : "model_type",
		       name ? name : type, all.data);
	buf_release(&all);
	return st;
}

/* --- what would change the computation and is not computed ------------------------------------ */

static enum status refuse_flag(const struct json *j, const char *key, bool usual, struct error *err)
{
	if (json_get_bool(j, key, usual) != usual)
		return error_set(err, ERR_UNSUPPORTED, "'%s' is not supported", key);
	return OK;
}

static enum status refuse_member(const struct json *j, const char *key, struct error *err)
{
	return absent(json_get(j, key)) ? OK : error_set(err, ERR_UNSUPPORTED, "'%s' is not supported", key);
}

static enum status refuse_others(const struct json *j, const struct family *f, struct error *err)
{
	static const char *const flags[] = { "use_bidirectional_attention", "add_cross_attention", "scale_attn_by_inverse_layer_idx",
					     "is_encoder_decoder", "attention_bias", "mlp_bias", "use_sliding_window", "tie_word_embeddings",
					     "scale_attn_weights", "token_classification_bias" };
	const struct json *quantised = json_get(j, "quantization_config");

	TRY(check_flags(j, flags, sizeof(flags) / sizeof(flags[0]), err));
	TRY(check_names(j, &f->act_key, 1, err));
	/* What bitsandbytes quantised is read as the floats that it stands for. */
	if (strcmp(json_get_str(quantised, "quant_method", ""), "bitsandbytes"))
		TRY(refuse_member(j, "quantization_config", err));
	TRY(refuse_flag(j, "use_bidirectional_attention", false, err));
	TRY(refuse_flag(j, "add_cross_attention", false, err));
	TRY(refuse_flag(j, "scale_attn_by_inverse_layer_idx", false, err));
	TRY(refuse_flag(j, "is_encoder_decoder", false, err));
	if (f->bias == BIAS_NONE)
		TRY(refuse_flag(j, "attention_bias", false, err));
	if (!f->mlp_bias)
		TRY(refuse_flag(j, "mlp_bias", false, err));
	if (f->windows == WINDOW_NONE)
		TRY(refuse_member(j, "sliding_window", err));
	if (f->windows == WINDOW_NONE || f->windows == WINDOW_ALL)
		TRY(refuse_member(j, "layer_types", err));
	if (!f->caps) {
		TRY(refuse_member(j, "attn_logit_softcapping", err));
		TRY(refuse_member(j, "final_logit_softcapping", err));
	}
	return OK;
}

/* --- groups of members -------------------------------------------------------------------- */

static enum status read_activation(const struct json *j, const struct family *f, struct model_config *c, struct error *err)
{
	static const char *const gelus[] = { "gelu_new", "gelu_pytorch_tanh" };
	const char *named = json_get_str(j, f->act_key, f->act);
	bool silu = !strcmp(named, "silu") || !strcmp(named, "swish"), gelu = false;

	for (size_t i = 0; i < sizeof(gelus) / sizeof(gelus[0]); i++)
		gelu |= !strcmp(named, gelus[i]);
	if (!gelu && (f->gpt2 || !silu))
		return error_set(err, ERR_UNSUPPORTED, "%s '%s' is not supported (%sgelu_new and gelu_pytorch_tanh are)",
				 f->act_key, named, f->gpt2 ? "" : "silu, ");
	c->act = f->gpt2 ? ACT_GELU : silu ? ACT_SWIGLU : ACT_GEGLU;
	return OK;
}

static enum status read_layer_types(const struct json *types, struct model_config *c, struct error *err)
{
	if (types->type != JSON_ARRAY || types->len != (size_t)c->n_layers)
		return error_set(err, ERR_DATA, "'layer_types' is no list of %d", c->n_layers);
	for (int i = 0; i < c->n_layers; i++) {
		const char *type = types->items[i].type == JSON_STRING ? types->items[i].str : "?";

		c->local[i] = !strcmp(type, "sliding_attention");
		if (!c->local[i] && strcmp(type, "full_attention"))
			return error_set(err, ERR_UNSUPPORTED, "'layer_types' with '%s' is not supported", type);
	}
	for (int i = c->n_layers; i < MODEL_LAYERS_MAX; i++)    /* for who gives the model more layers */
		c->local[i] = c->local[i % c->n_layers];
	return OK;
}

static enum status read_windows(const struct json *j, const struct family *f, struct model_config *c, struct error *err)
{
	const struct json *types = json_get(j, "layer_types");
	const char *every = json_get(j, "sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
	int pattern = f->pattern, from = 0;

	if (f->windows == WINDOW_NONE || (f->windows == WINDOW_UPPER && !json_get_bool(j, "use_sliding_window", false)))
		return OK;
	if (json_get(j, "sliding_window") ? !absent(json_get(j, "sliding_window")) : f->window > 0)
		TRY(get_size(j, "sliding_window", POSITIONS_MAX, f->window, &c->window, err));
	if (f->windows == WINDOW_UPPER && !is_zero(json_get(j, "max_window_layers")))
		TRY(get_size(j, "max_window_layers", INT32_MAX, 28, &from, err));
	if (f->windows == WINDOW_PATTERN && f->local_theta > 0)      /* of Gemma 3: Gemma 2's is what it is */
		TRY(get_size(j, every, MODEL_LAYERS_MAX, f->pattern, &pattern, err));
	set_windows(c, f, from, pattern);
	return absent(types) ? OK : read_layer_types(types, c, err);
}

static enum status read_factors(const struct json *j, const char *key, int64_t n, float *v, struct error *err)
{
	const struct json *list = json_get(j, key);

	if (!list || list->type != JSON_ARRAY || list->len != (size_t)n)
		return error_set(err, ERR_DATA, "'%s' is no list of %lld numbers", key, (long long)n);
	for (int64_t i = 0; i < n; i++) {
		const struct json *f = &list->items[i];

		if ((f->type != JSON_INT && f->type != JSON_DOUBLE) || !(f->number > 0) || !(f->number < 1e30))
			return error_set(err, ERR_DATA, "'%s' holds something that is no number above 0", key);
		v[i] = (float)f->number;
	}
	return OK;
}

static const char *const rope_names[] = { "default", "linear", "dynamic", "llama3", "yarn", "longrope" };

static enum status read_rope_type(const struct json *r, const struct family *f, const char *member, struct rope_scaling *s,
				  struct error *err)
{
	static const char *const names[] = { "rope_type", "type" }, *const flag = "truncate";
	const char *type = json_get_str(r, "rope_type", json_get_str(r, "type", "default"));
	bool phi3 = f->rotary_share;

	TRY(check_names(r, names, 2, err));
	TRY(check_flags(r, &flag, 1, err));
	if (phi3 && (!strcmp(type, "su") || !strcmp(type, "yarn")))
		type = "longrope";
	for (int i = ROPE_DEFAULT; i <= ROPE_LONG; i++)
		if (!strcmp(type, rope_names[i]) && (!phi3 || i == ROPE_DEFAULT || i == ROPE_LONG)) {
			s->type = (enum rope_type)i;
			return OK;
		}
	return error_set(err, ERR_UNSUPPORTED, "'%s' of type '%s' is not supported", member, type);
}

/* The members of one kind of scaling; r is the object that holds them, j the whole. */
static enum status read_scaling(const struct json *r, const struct json *j, const struct family *f, struct model_config *c,
				struct error *err)
{
	struct rope_scaling *s = &c->rope;
	int original = f->rotary_share ? 4096 : c->trained_positions;
	double derived;

	if (absent(json_get(j, "original_max_position_embeddings")))
		TRY(get_size(r, "original_max_position_embeddings", POSITIONS_MAX, original, &s->original, err));
	else
		TRY(get_size(j, "original_max_position_embeddings", POSITIONS_MAX, 0, &s->original, err));
	if (s->type == ROPE_DEFAULT)
		return OK;
	derived = s->type == ROPE_YARN || s->type == ROPE_LONG ? (double)c->trained_positions / s->original : 0;
	TRY(get_positive(r, "factor", derived, &s->factor, err));
	TRY(get_real(r, "attention_factor", 0, &s->attention_factor, err));
	if (s->type == ROPE_LLAMA3) {
		TRY(get_positive(r, "low_freq_factor", 0, &s->low_freq_factor, err));
		TRY(get_positive(r, "high_freq_factor", 0, &s->high_freq_factor, err));
		if (s->high_freq_factor <= s->low_freq_factor)
			return error_set(err, ERR_DATA, "'high_freq_factor' is not above 'low_freq_factor'");
	}
	if (s->type == ROPE_YARN) {
		TRY(get_positive(r, "beta_fast", 32, &s->beta_fast, err));
		TRY(get_positive(r, "beta_slow", 1, &s->beta_slow, err));
		TRY(get_real(r, "mscale", 0, &s->mscale, err));
		TRY(get_real(r, "mscale_all_dim", 0, &s->mscale_all_dim, err));
		s->no_truncate = !json_get_bool(r, "truncate", true);
	}
	if (s->type == ROPE_LONG) {
		int64_t half = (int64_t)(c->head_dim * (c->rotary_share > 0 ? c->rotary_share : 1)) / 2;

		TRY(read_factors(r, "short_factor", half, s->short_factor, err));
		TRY(read_factors(r, "long_factor", half, s->long_factor, err));
	}
	return OK;
}

/* Of Gemma 3: parameters of the layers with a window and of the others. */
static enum status read_local_rope(const struct json *r, const char *member, struct model_config *c, struct error *err)
{
	static const char *const name = "rope_type";
	const char *type = json_get_str(r, name, "default");

	TRY(check_names(r, &name, 1, err));
	if (strcmp(type, "default"))
		return error_set(err, ERR_UNSUPPORTED, "'%s' of type '%s' in 'sliding_attention' is not supported", member, type);
	return get_positive(r, "rope_theta", c->local_theta, &c->local_theta, err);
}

/* rope_scaling (transformers 4) or rope_parameters (5). */
static enum status read_rope(const struct json *j, const struct family *f, struct model_config *c, struct error *err)
{
	const struct json *scaling = json_get(j, "rope_scaling");
	const char *member = absent(scaling) || (scaling->type == JSON_OBJECT && !scaling->len) ? "rope_parameters" : "rope_scaling";
	const struct json *r = json_get(j, member), *full = json_get(r, "full_attention"), *local = json_get(r, "sliding_attention");

	if (f->gpt2)
		return OK;
	TRY(get_real(j, "rope_theta", f->theta, &c->rope_theta, err));
	if (f->local_theta > 0)
		TRY(get_positive(j, "rope_local_base_freq", f->local_theta, &c->local_theta, err));
	if (!absent(full) || !absent(local)) {
		if (f->local_theta <= 0)
			return error_set(err, ERR_UNSUPPORTED, "'%s' by types of layers is not supported", member);
		if (!absent(local))
			TRY(read_local_rope(local, member, c, err));
		r = full;
	}
	if (!absent(r) && r->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "'%s' is no object", member);
	TRY(read_rope_type(r, f, member, &c->rope, err));
	TRY(get_real(r, "rope_theta", c->rope_theta, &c->rope_theta, err));
	TRY(get_real(j, "partial_rotary_factor", 1, &c->rotary_share, err));
	TRY(get_real(r, "partial_rotary_factor", c->rotary_share, &c->rotary_share, err));
	if (!(c->rotary_share > 0 && c->rotary_share <= 1))
		return error_set(err, ERR_DATA, "'partial_rotary_factor' is not a share of a head");
	if (c->rotary_share != 1 && !f->rotary_share)
		return error_set(err, ERR_UNSUPPORTED, "'partial_rotary_factor' is not supported");
	return read_scaling(r, j, f, c, err);
}

/* Names of the sizes; where they go, and GPT-2's names (NULL: it has no such member). */
static const struct {
	const char *name, *gpt2;
	size_t offset;
	int max;
} sizes[] = {
	{ "num_hidden_layers", "n_layer", offsetof(struct model_config, n_layers), MODEL_LAYERS_MAX },
	{ "hidden_size", "n_embd", offsetof(struct model_config, hidden), HIDDEN_MAX },
	{ "num_attention_heads", "n_head", offsetof(struct model_config, heads), HIDDEN_MAX },
	{ "num_key_value_heads", NULL, offsetof(struct model_config, kv_heads), HIDDEN_MAX },
	{ "head_dim", NULL, offsetof(struct model_config, head_dim), HIDDEN_MAX },
	{ "intermediate_size", "n_inner", offsetof(struct model_config, ffn), FFN_MAX },
	{ "vocab_size", "vocab_size", offsetof(struct model_config, vocab), VOCAB_MAX },
	{ "max_position_embeddings", "n_positions", offsetof(struct model_config, trained_positions), POSITIONS_MAX },
};

static int size_default(const struct family *f, const struct model_config *c, size_t offset, bool is_null)
{
	if (offset == offsetof(struct model_config, kv_heads))
		return f->kv_heads && !is_null ? f->kv_heads : c->heads;
	if (offset == offsetof(struct model_config, head_dim))
		return f->head_dim && !is_null ? f->head_dim : c->hidden / c->heads ? c->hidden / c->heads : 1;
	if (offset == offsetof(struct model_config, ffn))
		return f->gpt2 && c->hidden <= FFN_MAX / 4 ? 4 * c->hidden : 0;
	return offset == offsetof(struct model_config, trained_positions) ? f->positions : 0;
}

static enum status read_sizes(const struct json *j, const struct family *f, struct model_config *c, struct error *err)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const char *key = f->gpt2 ? sizes[i].gpt2 : sizes[i].name;
		bool is_null = key && json_get(j, key) != NULL;

		TRY(get_size(key ? j : NULL, key ? key : "", sizes[i].max, size_default(f, c, sizes[i].offset, is_null),
			     (int *)(void *)((char *)c + sizes[i].offset), err));
	}
	return OK;
}

/* --- the whole ---------------------------------------------------------------------------- */

/* The longest sequence that the rotary positions are made for. */
static int reach(const struct model_config *c)
{
	double n = c->trained_positions, scaled = n;

	if (c->rope.type == ROPE_LINEAR || c->rope.type == ROPE_DYNAMIC)
		scaled = n * c->rope.factor;
	if (c->rope.type == ROPE_YARN)
		scaled = c->rope.original * c->rope.factor;
	scaled = scaled > n ? scaled : n;
	return scaled < POSITIONS_MAX ? (int)scaled : POSITIONS_MAX;
}

static enum status check_rotary(const struct model_config *c, struct error *err)
{
	int rotated = (int)(c->head_dim * (c->rotary_share > 0 ? c->rotary_share : 1));

	if (c->learned_positions)
		return OK;
	if (rotated > c->head_dim || rotated < 2)
		return error_set(err, ERR_DATA, "'partial_rotary_factor' rotates %d of %d values of a head", rotated, c->head_dim);
	if (rotated % 2)
		return error_set(err, ERR_DATA, "%s %d is odd, rotary positions need pairs", rotated == c->head_dim ? "head_dim" :
				 "the rotated part of a head,", rotated);
	if (!(c->rope_theta >= 1) || (c->rope.type == ROPE_YARN && c->rope_theta == 1))
		return error_set(err, ERR_DATA, "'rope_theta' is too small");
	if (c->rope.type == ROPE_DYNAMIC && rotated == 2)
		return error_set(err, ERR_DATA, "dynamic scaling of rotary positions needs more than one pair");
	if (c->local_theta > 0 && (c->rope.type == ROPE_DYNAMIC || c->rope.type == ROPE_LONG))
		return error_set(err, ERR_UNSUPPORTED, "rotary scaling of type '%s' is not supported beside windows with a base of "
				 "their own", rope_names[c->rope.type]);
	return OK;
}

enum status model_config_finish(struct model_config *c, struct error *err)
{
	const struct family *f = family_of(c);

	if (!f)
		return error_set(err, ERR_UNSUPPORTED, "model_type '%s' is not supported", c->model_type);
	if (!c->trained_positions)
		c->trained_positions = c->positions;
	c->embed_scale = f->scale_embed ? sqrtf((float)c->hidden) : 0;
	c->positions = c->learned_positions ? c->trained_positions : reach(c);
	if (c->heads % c->kv_heads)
		return error_set(err, ERR_DATA, "%d heads cannot share %d key-value heads", c->heads, c->kv_heads);
	if (c->head_dim > KERNELS_HEAD_MAX)
		return error_set(err, ERR_UNSUPPORTED, "head_dim %d, this engine takes at most %d", c->head_dim, KERNELS_HEAD_MAX);
	if ((int64_t)c->heads * c->head_dim > HIDDEN_MAX)
		return error_set(err, ERR_DATA, "%d heads of %d are too wide", c->heads, c->head_dim);
	if (c->learned_positions && c->heads * c->head_dim != c->hidden)
		return error_set(err, ERR_DATA, "%d heads do not share a width of %d", c->heads, c->hidden);
	return check_rotary(c, err);
}

static enum status read_rest(const struct json *j, const struct family *f, struct model_config *c, struct error *err)
{
	TRY(get_float(j, f->gpt2 ? "layer_norm_epsilon" : "rms_norm_eps", f->eps, &c->norm_eps, err));
	TRY(get_float(j, "initializer_range", 0.02, &c->init_range, err));
	c->tied = json_get_bool(j, "tie_word_embeddings", f->tied);
	if (f->bias == BIAS_ASKED)
		c->qkv_bias = c->out_bias = json_get_bool(j, "attention_bias", false);
	if (f->bias == BIAS_ASKED && f->mlp_bias)
		c->mlp_bias = json_get_bool(j, "mlp_bias", false);
	if (f->query_scale > 0)
		TRY(get_positive(j, "query_pre_attn_scalar", f->query_scale, &c->query_scale, err));
	if (f->gpt2 && !json_get_bool(j, "scale_attn_weights", true))
		c->query_scale = 1;
	if (f->caps) {
		TRY(get_float(j, "attn_logit_softcapping", null_or(j, "attn_logit_softcapping", f->attention_cap),
			      &c->attention_cap, err));
		TRY(get_float(j, "final_logit_softcapping", null_or(j, "final_logit_softcapping", f->logit_cap),
			      &c->logit_cap, err));
	}
	TRY(get_token(j, "bos_token_id", c->vocab, &c->bos_id, err));
	TRY(get_token(j, "eos_token_id", c->vocab, &c->eos_id, err));
	model_config_add_ends(c, j);
	return get_token(j, "pad_token_id", c->vocab, &c->pad_id, err);
}

/* A classifier's outputs. Other numbers of them are other classes, which nothing here computes with. */
static enum status read_labels(const struct json *j, struct model_config *c, struct error *err)
{
	const struct json *arch = json_get(j, "architectures"), *names = json_get(j, "id2label"), *n = json_get(j, "num_labels");
	int64_t labels = n && n->type == JSON_INT ? n->integer : names && names->type == JSON_OBJECT ? (int64_t)names->len : 2;
	int wanted;

	if (!arch || arch->type != JSON_ARRAY || !arch->len || !family_find_classifier(arch->items[0].str, &wanted))
		return OK;
	if (labels != wanted)
		return error_set(err, ERR_UNSUPPORTED, "a classifier of %lld labels is not supported: a reward model has 1, a process reward "
				 "model classifies tokens by 2", (long long)labels);
	TRY(model_config_as_classifier(c, wanted, err));
	c->head_bias = wanted == 2 && json_get_bool(j, "token_classification_bias", true);
	TRY(model_config_separator(c, j, err));
	snprintf(c->architecture, sizeof(c->architecture), "%s", arch->items[0].str);
	return OK;
}

enum status model_config_separator(struct model_config *c, const struct json *j, struct error *err)
{
	const char *separator = json_get_str(j, "step_separator", "");

	if (strlen(separator) >= sizeof(c->step_separator))
		return error_set(err, ERR_UNSUPPORTED, "'step_separator' has more than %zu bytes", sizeof(c->step_separator) - 1);
	snprintf(c->step_separator, sizeof(c->step_separator), "%s", separator);
	return OK;
}

enum status model_config_as_classifier(struct model_config *c, int labels, struct error *err)
{
	const struct family *f = family_of(c);

	if (labels == 2 && !f->token_head)
		return error_set(err, ERR_UNSUPPORTED, "%s cannot become a process reward model: transformers has no token classifier of this family",
				 f->architecture);
	snprintf(c->architecture, sizeof(c->architecture), "%.*s%s", (int)family_stem(f), f->architecture,
		 labels == 2 ? TOKEN_CLASSIFIER : CLASSIFIER);
	c->labels = labels;
	c->head_bias = labels == 2;
	c->tied = false;
	c->logit_cap = 0;
	return OK;
}

enum status model_config_parse(const struct json *j, struct model_config *c, struct error *err)
{
	const struct family *f;

	memset(c, 0, sizeof(*c));
	if (!j || j->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "no JSON object");
	TRY(find_family(j, &f, err));
	set_features(c, f);
	TRY(refuse_others(j, f, err));
	TRY(read_activation(j, f, c, err));
	TRY(read_sizes(j, f, c, err));
	TRY(read_rest(j, f, c, err));
	TRY(read_labels(j, c, err));
	TRY(read_windows(j, f, c, err));
	TRY(read_rope(j, f, c, err));
	return model_config_finish(c, err);
}
