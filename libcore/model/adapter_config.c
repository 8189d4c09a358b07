/* adapter_config.c - adapter_config.json, see adapter.h. */
#include "model/adapter.h"

#include "base/file.h"
#include "base/mem.h"
#include "text/pattern.h"

#include <math.h>
#include <string.h>

#define RANK_MAX 65536
#define ALL_LINEAR "all-linear"

/* --- fields that are checked and left -------------------------------------------------------------- */

/* Fields without a part in the computation of a trained adapter. */
static const char *const ignored[] = {
	"task_type", "auto_mapping", "peft_version", "revision", "inference_mode", "exclude_modules", "layers_to_transform",
	"layers_pattern", "megatron_core", "qalora_group_size", "eva_config", "ensure_weight_tying", "runtime_config",
};
/* And those that are read below. */
static const char *const taken[] = {
	"peft_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "use_rslora", "fan_in_fan_out", "target_modules",
	"modules_to_save", "rank_pattern", "alpha_pattern", "bias", "init_lora_weights",
};

static bool listed(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool is_empty(const struct json *v)
{
	return v->type == JSON_NULL || (v->type == JSON_BOOL && !v->boolean) ||
	       ((v->type == JSON_ARRAY || v->type == JSON_OBJECT) && !v->len);
}

/* Initialisations that also change the base (PiSSA, OLoRA, CorDA, LoftQ) make another model of what is written. */
static enum status check_init(const struct json *v, struct error *err)
{
	static const char *const plain[] = { "gaussian", "eva", "orthogonal" };

	if (!v || v->type == JSON_NULL || v->type == JSON_BOOL)
		return OK;
	if (v->type == JSON_STRING && listed(plain, 3, v->str))
		return OK;
	return error_set(err, ERR_UNSUPPORTED, "'init_lora_weights' of '%s' is not supported", v->type == JSON_STRING ? v->str : "?");
}

static enum status refuse_others(const struct json *j, struct error *err)
{
	const char *type = json_get_str(j, "peft_type", "");

	if (strcmp(type, "LORA"))
		return error_set(err, ERR_UNSUPPORTED, "'peft_type' is '%s', only LORA is supported", type);
	if (strcmp(json_get_str(j, "bias", "none"), "none"))
		return error_set(err, ERR_UNSUPPORTED, "'bias' of '%s' is not supported", json_get_str(j, "bias", ""));
	for (size_t i = 0; i < j->len; i++)
		if (!listed(taken, sizeof(taken) / sizeof(*taken), j->keys[i].str) &&
		    !listed(ignored, sizeof(ignored) / sizeof(*ignored), j->keys[i].str) && !is_empty(&j->items[i]))
			return error_set(err, ERR_UNSUPPORTED, "'%s' is not supported", j->keys[i].str);
	return check_init(json_get(j, "init_lora_weights"), err);
}

/* --- fields that are read --------------------------------------------------------------------------- */

static enum status get_number(const struct json *j, const char *key, double dflt, double min, double max, bool whole, double *v,
			      struct error *err)
{
	const struct json *f = json_get(j, key);

	*v = dflt;
	if (!f || f->type == JSON_NULL)
		return OK;
	if ((f->type != JSON_INT && f->type != JSON_DOUBLE) || !(f->number >= min && f->number <= max) ||
	    (whole && f->number != floor(f->number)))
		return error_set(err, ERR_DATA, "'%s' is no %snumber from %g to %g", key, whole ? "whole " : "", min, max);
	*v = f->number;
	return OK;
}

static enum status get_flag(const struct json *j, const char *key, bool *v, struct error *err)
{
	const struct json *f = json_get(j, key);

	*v = f && f->type == JSON_BOOL && f->boolean;
	return !f || f->type == JSON_NULL || f->type == JSON_BOOL ? OK : error_set(err, ERR_DATA, "'%s' is neither true nor false", key);
}

static enum status get_names(const struct json *f, const char *key, char ***names, int *n, struct error *err)
{
	if (!f || f->type == JSON_NULL)
		return OK;
	if (f->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "'%s' is no list of names", key);
	*names = mem_array(f->len + 1, sizeof(**names));
	for (size_t i = 0; i < f->len; i++) {
		if (f->items[i].type != JSON_STRING)
			return error_set(err, ERR_DATA, "'%s' is no list of names", key);
		(*names)[(*n)++] = mem_strdup(f->items[i].str);
	}
	return OK;
}

/* An object of regular expressions and numbers. */
static enum status get_rules(const struct json *j, const char *key, bool whole, double min, struct adapter_rule **rules, int *n,
			     struct error *err)
{
	const struct json *f = json_get(j, key);

	if (!f || f->type == JSON_NULL)
		return OK;
	if (f->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "'%s' is no object", key);
	*rules = mem_array(f->len + 1, sizeof(**rules));
	for (size_t i = 0; i < f->len; i++) {
		const struct json *v = &f->items[i];

		if ((v->type != JSON_INT && v->type != JSON_DOUBLE) || !(v->number >= min && v->number <= RANK_MAX) ||
		    (whole && v->number != floor(v->number)))
			return error_set(err, ERR_DATA, "'%s': '%s' has no number from %g to %d", key, f->keys[i].str, min, RANK_MAX);
		(*rules)[(*n)++] = (struct adapter_rule){ mem_strdup(f->keys[i].str), v->number };
	}
	return OK;
}

static enum status parse(const struct json *j, struct adapter_config *c, struct error *err)
{
	const struct json *targets = json_get(j, "target_modules");
	const char *base = json_get_str(j, "base_model_name_or_path", NULL), *task = json_get_str(j, "task_type", NULL);
	double r;

	c->base = base ? mem_strdup(base) : NULL;
	c->task = task ? mem_strdup(task) : NULL;
	TRY(get_number(j, "r", 8, 1, RANK_MAX, true, &r, err));
	c->r = (int)r;
	TRY(get_number(j, "lora_alpha", 8, -1e6, 1e6, false, &c->alpha, err));
	TRY(get_number(j, "lora_dropout", 0, 0, 1, false, &c->dropout, err));
	TRY(get_flag(j, "use_rslora", &c->rslora, err));
	TRY(get_flag(j, "fan_in_fan_out", &c->fan_in_fan_out, err));
	TRY(get_rules(j, "rank_pattern", true, 1, &c->ranks, &c->n_ranks, err));
	TRY(get_rules(j, "alpha_pattern", false, -1e6, &c->alphas, &c->n_alphas, err));
	TRY(get_names(json_get(j, "modules_to_save"), "modules_to_save", &c->save, &c->n_save, err));
	if (targets && targets->type == JSON_STRING) {
		c->target_pattern = mem_strdup(targets->str);
		return OK;
	}
	TRY(get_names(targets, "target_modules", &c->targets, &c->n_targets, err));
	return c->n_targets ? OK : error_set(err, ERR_DATA, "'target_modules' is missing");
}

enum status adapter_config_parse(const struct json *j, struct adapter_config *c, struct error *err)
{
	enum status st;

	*c = (struct adapter_config){ 0 };
	if (!j || j->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "no JSON object");
	TRY(refuse_others(j, err));
	st = parse(j, c, err);
	if (st != OK)
		adapter_config_release(c);
	return st;
}

enum status adapter_config_read(const char *dir, struct adapter_config *c, struct error *err)
{
	char *path = path_join(dir, ADAPTER_CONFIG);
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct error cause;
	enum status st = json_parse_file(p, path, &j, err);

	*c = (struct adapter_config){ 0 };
	if (st == OK) {
		st = adapter_config_parse(j, c, &cause);
		if (st != OK)
			error_set(err, st, "%s: %s", path, cause.text);
	}
	json_parser_close(p);
	mem_free(path);
	return st;
}

enum status adapter_separator(const char *dir, struct model_config *c, struct error *err)
{
	char *path = path_join(dir, ADAPTER_SEPARATOR);
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct error cause;
	enum status st = OK;

	if (path_exists(path)) {
		st = json_parse_file(p, path, &j, err);
		if (st == OK && j->type != JSON_OBJECT)
			st = error_set(err, ERR_DATA, "%s: no JSON object", path);
		if (st == OK && (st = model_config_separator(c, j, &cause)) != OK)
			error_set(err, st, "%s: %s", path, cause.text);
	}
	json_parser_close(p);
	mem_free(path);
	return st;
}

void adapter_separator_print(const struct model_config *c, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	json_kv_string(&w, "step_separator", c->step_separator);
	json_end_object(&w);
	buf_char(out, '\n');
}

bool adapter_is_dir(const char *dir)
{
	char *path = path_join(dir, ADAPTER_CONFIG);
	bool yes = path_exists(path);

	mem_free(path);
	return yes;
}

static char *copy_text(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static char **copy_names(char **names, int n)
{
	char **to = mem_array((size_t)n + 1, sizeof(*to));

	for (int i = 0; i < n; i++)
		to[i] = mem_strdup(names[i]);
	return to;
}

static struct adapter_rule *copy_rules(const struct adapter_rule *rules, int n)
{
	struct adapter_rule *to = mem_array((size_t)n + 1, sizeof(*to));

	for (int i = 0; i < n; i++)
		to[i] = (struct adapter_rule){ mem_strdup(rules[i].pattern), rules[i].value };
	return to;
}

int adapter_labels(const struct adapter_config *c)
{
	return !c->task ? 0 : !strcmp(c->task, "SEQ_CLS") ? 1 : !strcmp(c->task, "TOKEN_CLS") ? 2 : 0;
}

void adapter_config_copy(struct adapter_config *to, const struct adapter_config *from)
{
	*to = *from;
	to->base = copy_text(from->base);
	to->task = copy_text(from->task);
	to->target_pattern = copy_text(from->target_pattern);
	to->targets = copy_names(from->targets, from->n_targets);
	to->save = copy_names(from->save, from->n_save);
	to->ranks = copy_rules(from->ranks, from->n_ranks);
	to->alphas = copy_rules(from->alphas, from->n_alphas);
}

static void free_names(char **names, int n)
{
	for (int i = 0; i < n; i++)
		mem_free(names[i]);
	mem_free(names);
}

static void free_rules(struct adapter_rule *rules, int n)
{
	for (int i = 0; i < n; i++)
		mem_free(rules[i].pattern);
	mem_free(rules);
}

void adapter_config_release(struct adapter_config *c)
{
	mem_free(c->base);
	mem_free(c->task);
	mem_free(c->target_pattern);
	free_names(c->targets, c->n_targets);
	free_names(c->save, c->n_save);
	free_rules(c->ranks, c->n_ranks);
	free_rules(c->alphas, c->n_alphas);
	*c = (struct adapter_config){ 0 };
}

/* --- writing ----------------------------------------------------------------------------------------- */

static void kv_names(struct json_writer *w, const char *key, char **names, int n)
{
	json_key(w, key);
	if (!n) {
		json_null(w);
		return;
	}
	json_begin_array(w);
	for (int i = 0; i < n; i++)
		json_string(w, names[i]);
	json_end_array(w);
}

static void number(struct json_writer *w, double v)
{
	if (v == floor(v) && fabs(v) < 1e15)
		json_int(w, (int64_t)v);
	else
		json_double(w, v);
}

static void kv_rules(struct json_writer *w, const char *key, const struct adapter_rule *rules, int n)
{
	json_key(w, key);
	json_begin_object(w);
	for (int i = 0; i < n; i++) {
		json_key(w, rules[i].pattern);
		number(w, rules[i].value);
	}
	json_end_object(w);
}

static void kv_string_or_null(struct json_writer *w, const char *key, const char *s)
{
	json_key(w, key);
	if (s)
		json_string(w, s);
	else
		json_null(w);
}

void adapter_config_print(const struct adapter_config *c, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	kv_rules(&w, "alpha_pattern", c->alphas, c->n_alphas);
	kv_string_or_null(&w, "base_model_name_or_path", c->base);
	json_kv_string(&w, "bias", "none");
	json_kv_bool(&w, "fan_in_fan_out", c->fan_in_fan_out);
	json_kv_bool(&w, "inference_mode", true);
	json_kv_bool(&w, "init_lora_weights", true);
	json_key(&w, "lora_alpha");
	number(&w, c->alpha);
	json_kv_double(&w, "lora_dropout", c->dropout);
	kv_names(&w, "modules_to_save", c->save, c->n_save);
	json_kv_string(&w, "peft_type", "LORA");
	json_kv_int(&w, "r", c->r);
	kv_rules(&w, "rank_pattern", c->ranks, c->n_ranks);
	if (c->target_pattern)
		json_kv_string(&w, "target_modules", c->target_pattern);
	else
		kv_names(&w, "target_modules", c->targets, c->n_targets);
	kv_string_or_null(&w, "task_type", c->task);
	json_kv_bool(&w, "use_dora", false);
	json_kv_bool(&w, "use_rslora", c->rslora);
	json_end_object(&w);
	buf_char(out, '\n');
}

/* --- which layers, and how ------------------------------------------------------------------------------ */

bool adapter_ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end) && (n == m || name[n - m - 1] == '.');
}

enum status adapter_targets(const struct adapter_config *c, const char *module, bool *yes, struct error *err)
{
	*yes = false;
	if (c->target_pattern && !strcasecmp(c->target_pattern, ALL_LINEAR))
		*yes = true;
	else if (c->target_pattern)
		return error_prefix(err, pattern_covers(c->target_pattern, module, yes, err), "'target_modules'");
	for (int i = 0; i < c->n_targets && !*yes; i++)
		*yes = adapter_ends_with(module, c->targets[i]);
	return OK;
}

static enum status find_rule(const struct adapter_rule *rules, int n, const char *module, double *v, struct error *err)
{
	for (int i = 0; i < n; i++) {
		char *regex = mem_printf("(.*\\.)?(%s)", rules[i].pattern);
		bool yes = false;
		enum status st = pattern_covers(regex, module, &yes, err);

		mem_free(regex);
		TRY(st);
		if (yes) {
			*v = rules[i].value;
			return OK;
		}
	}
	return OK;
}

enum status adapter_rank(const struct adapter_config *c, const char *module, int *r, float *scale, struct error *err)
{
	double rank = c->r, alpha = c->alpha;

	TRY(find_rule(c->ranks, c->n_ranks, module, &rank, err));
	TRY(find_rule(c->alphas, c->n_alphas, module, &alpha, err));
	*r = (int)rank;
	*scale = (float)(alpha / (c->rslora ? sqrt(rank) : rank));
	return OK;
}
