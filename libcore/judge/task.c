/* task.c - see task.h: reading the file, and the values of its parts. */
#include "judge/task.h"

#include "base/yaml.h"
#include "judge/literal.h"

#include <ctype.h>
#include <string.h>

#define INCLUDES_MAX 16

const char *task_type_name(enum task_type t)
{
	static const char *const names[] = { "multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until" };

	return names[t];
}

/* --- files and includes ------------------------------------------------------------------------- */

/* Copies the members of j to w but include, and those that `over` has. */
static void copy_members(struct json_writer *w, const struct json *j, const struct json *over)
{
	for (size_t i = 0; i < j->len; i++) {
		const char *key = j->keys[i].str;

		if (!strcmp(key, "include") || (over && json_get(over, key)))
			continue;
		json_key(w, key);
		json_value(w, &j->items[i]);
	}
}

/* The members of a file as one object, those of its includes first: what stands further on wins. */
static enum status read_merged(const char *path, int depth, struct buf *out, struct error *err);

static enum status merge(const char *base, const char *top, struct buf *out, struct error *err)
{
	struct json_parser *p = json_parser_open(), *q = json_parser_open();
	struct json_writer w = json_writer_open(out, 0);
	const struct json *a, *b;
	enum status st = json_parse(p, base, strlen(base), &a, err);

	if (st == OK)
		st = json_parse(q, top, strlen(top), &b, err);
	if (st == OK) {
		json_begin_object(&w);
		copy_members(&w, a, b);
		copy_members(&w, b, NULL);
		json_end_object(&w);
	}
	json_parser_close(p);
	json_parser_close(q);
	return st;
}

static enum status include(const char *path, const struct json *name, int depth, struct buf *base, struct error *err)
{
	const char *slash = strrchr(path, '/');
	struct buf one = { 0 }, both = { 0 };
	char *file;
	enum status st;

	if (name->type != JSON_STRING)
		return error_set(err, ERR_DATA, "%s: 'include' names no file", path);
	file = name->str[0] == '/' || !slash ? mem_strdup(name->str) : mem_printf("%.*s/%s", (int)(slash - path), path, name->str);
	st = read_merged(file, depth + 1, &one, err);
	mem_free(file);
	if (st == OK)
		st = merge(base->data, one.data, &both, err);
	if (st == OK) {
		buf_clear(base);
		buf_add(base, both.data, both.len);
	}
	buf_release(&one);
	buf_release(&both);
	return st;
}

static enum status read_merged(const char *path, int depth, struct buf *out, struct error *err)
{
	struct json_parser *p = json_parser_open();
	struct buf base = { 0 }, top = { 0 };
	const struct json *j, *names;
	enum status st = depth > INCLUDES_MAX ? error_set(err, ERR_DATA, "%s: files that include each other", path) :
			 yaml_parse_file(p, path, &j, err);

	if (st == OK && j->type != JSON_OBJECT)
		st = error_set(err, ERR_DATA, "%s: no task: the file is no mapping", path);
	if (st == OK) {
		struct json_writer t = json_writer_open(&top, 0);

		json_begin_object(&t);
		copy_members(&t, j, NULL);
		json_end_object(&t);
		buf_str(&base, "{}");
		names = json_get(j, "include");
		/* of several the last wins */
		for (size_t i = 0; names && names->type == JSON_ARRAY && i < names->len && st == OK; i++)
			st = include(path, &names->items[i], depth, &base, err);
		if (names && names->type != JSON_ARRAY && names->type != JSON_NULL && st == OK)
			st = include(path, names, depth, &base, err);
	}
	if (st == OK)
		st = merge(base.data, top.data, out, err);
	buf_release(&base);
	buf_release(&top);
	json_parser_close(p);
	return st;
}

/* --- what is understood ------------------------------------------------------------------------- */

static bool absent(const struct json *j) { return !j || j->type == JSON_NULL; }

static bool listed(const char *key, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(key, *names))
			return true;
	return false;
}

/* The first !function in a value, with the way to it. */
static const struct json *find_function(const struct json *j, struct buf *where)
{
	size_t len = where->len;

	if (j->type == JSON_OBJECT && j->len == 1 && j->keys[0].str[0] == '!')
		return j;
	for (size_t i = 0; (j->type == JSON_OBJECT || j->type == JSON_ARRAY) && i < j->len; i++) {
		const struct json *f;

		if (j->type == JSON_OBJECT)
			buf_printf(where, "%s%s", where->len ? "." : "", j->keys[i].str);
		else
			buf_printf(where, "[%zu]", i);
		f = find_function(&j->items[i], where);
		if (f)
			return f;
		where->len = len;
	}
	return NULL;
}

static enum status check_keys(const struct json *c, const char *path, struct error *err)
{
	static const char *const known[] = {
		"task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split",
		"test_split", "fewshot_split", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
		"fewshot_delimiter", "fewshot_config", "num_fewshot", "metric_list", "output_type", "generation_kwargs", "repeats",
		"filter_list", "should_decontaminate", "doc_to_decontamination_query", "gen_prefix", "metadata", "unsafe_code", NULL };
	static const char *const groups[] = { "group", "group_alias", "aggregate_metric_list", "task_list", NULL };
	struct buf where = { 0 };
	const struct json *f = find_function(c, &where);
	enum status st = OK;

	if (f)
		st = error_set(err, ERR_UNSUPPORTED, "%s: '%s' is a Python function (%s %s), and only templates are understood", path,
			       where.data ? where.data : "", f->keys[0].str, f->items[0].type == JSON_STRING ? f->items[0].str : "");
	buf_release(&where);
	for (size_t i = 0; i < c->len && st == OK; i++) {
		const char *key = c->keys[i].str;

		if (listed(key, groups) || (!strcmp(key, "task") && c->items[i].type == JSON_ARRAY))
			st = error_set(err, ERR_UNSUPPORTED, "%s: '%s': this is a group; name its tasks", path, key);
		else if (!listed(key, known) && !absent(&c->items[i]))
			st = error_set(err, ERR_UNSUPPORTED, "%s: '%s' is not supported", path, key);
	}
	return st;
}

/* A text member, or the default; anything else is an error. */
static enum status text_member(const struct json *j, const char *key, const char *dflt, const char **out, struct error *err)
{
	const struct json *v = json_get(j, key);

	*out = dflt;
	if (absent(v))
		return OK;
	if (v->type != JSON_STRING)
		return error_set(err, ERR_DATA, "'%s' is no text", key);
	*out = v->str;
	return OK;
}

static enum status count_member(const struct json *j, const char *key, int64_t dflt, int64_t *out, struct error *err)
{
	const struct json *v = json_get(j, key);

	*out = dflt;
	if (absent(v))
		return OK;
	if (v->type != JSON_INT || v->integer < 0 || v->integer > 1000000)
		return error_set(err, ERR_DATA, "'%s' is no number of things", key);
	*out = v->integer;
	return OK;
}

/* --- metrics and filters ------------------------------------------------------------------------- */

static const struct {
	const char *name, *aggregation;
	bool higher;
	unsigned types;              /* bits of enum task_type */
} known_metrics[] = {
	{ "acc", "mean", true, 1 << TASK_MULTIPLE_CHOICE | 1 << TASK_LOGLIKELIHOOD },
	{ "acc_norm", "mean", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "acc_bytes", "mean", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "acc_mutual_info", "mean", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "exact_match", "mean", true, 1 << TASK_MULTIPLE_CHOICE | 1 << TASK_GENERATE },
	{ "f1", "f1", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "mcc", "matthews_corrcoef", true, 1 << TASK_MULTIPLE_CHOICE },
	{ "brier_score", "brier_score", false, 1 << TASK_MULTIPLE_CHOICE },
	{ "perplexity", "perplexity", false, 1 << TASK_LOGLIKELIHOOD },
	{ "word_perplexity", "weighted_perplexity", false, 1 << TASK_ROLLING },
	{ "byte_perplexity", "weighted_perplexity", false, 1 << TASK_ROLLING },
	{ "bits_per_byte", "bits_per_byte", false, 1 << TASK_ROLLING },
	{ "bleu", "bleu", true, 1 << TASK_GENERATE },
	{ "chrf", "chrf", true, 1 << TASK_GENERATE },
	{ "chrf++", "chrf++", true, 1 << TASK_GENERATE },
	{ "ter", "ter", false, 1 << TASK_GENERATE },
};
#define KNOWN_METRICS (sizeof(known_metrics) / sizeof(*known_metrics))

static enum status add_metric(struct task *t, const char *name, const struct json *options, struct error *err)
{
	struct task_metric *m = &t->metrics[t->n_metrics];
	size_t k = 0;

	while (k < KNOWN_METRICS && (strcmp(known_metrics[k].name, name) || !(known_metrics[k].types >> t->type & 1)))
		k++;
	if (k == KNOWN_METRICS)
		return error_set(err, ERR_UNSUPPORTED, "metric '%s' of a %s task is not supported", name, task_type_name(t->type));
	if (t->n_metrics == sizeof(t->metrics) / sizeof(*t->metrics))
		return error_set(err, ERR_DATA, "too many metrics");
	*m = (struct task_metric){ known_metrics[k].name, known_metrics[k].aggregation, known_metrics[k].higher, options };
	if (options) {
		const char *aggregation;

		TRY(text_member(options, "aggregation", m->aggregation, &aggregation, err));
		if (strcmp(aggregation, m->aggregation) && strcmp(aggregation, "mean") && strcmp(aggregation, "median"))
			return error_set(err, ERR_UNSUPPORTED, "aggregation '%s' of metric '%s' is not supported", aggregation, name);
		if (strcmp(aggregation, m->aggregation) && strcmp(m->aggregation, "mean"))
			return error_set(err, ERR_UNSUPPORTED, "metric '%s' is aggregated by %s, not %s", name, m->aggregation, aggregation);
		m->aggregation = aggregation;
		m->higher = json_get_bool(options, "higher_is_better", m->higher);
		if (json_get_bool(options, "hf_evaluate", false))
			return error_set(err, ERR_UNSUPPORTED, "metric '%s': hf_evaluate is a download, and not supported", name);
	}
	t->n_metrics++;
	return OK;
}

static enum status read_metrics(struct task *t, struct error *err)
{
	static const char *const defaults[4][4] = { { "acc", "acc_norm" }, { "perplexity", "acc" },
						    { "word_perplexity", "byte_perplexity", "bits_per_byte" }, { "exact_match" } };
	const struct json *list = json_get(t->config, "metric_list");

	if (absent(list)) {
		for (int i = 0; defaults[t->type][i]; i++)
			TRY(add_metric(t, defaults[t->type][i], NULL, err));
		return OK;
	}
	if (list->type != JSON_ARRAY || !list->len)
		return error_set(err, ERR_DATA, "'metric_list' is no list");
	for (size_t i = 0; i < list->len; i++) {
		const char *name = json_get_str(&list->items[i], "metric", NULL);

		if (!name)
			return error_set(err, ERR_DATA, "an entry of 'metric_list' names no metric");
		TRY(add_metric(t, name, &list->items[i], err));
	}
	return OK;
}

static enum status read_filters(struct task *t, struct error *err)
{
	const struct json *list = json_get(t->config, "filter_list");

	t->filters[0] = (struct task_filter){ "none", NULL };
	t->n_filters = 1;
	if (absent(list))
		return OK;
	if (list->type != JSON_ARRAY || !list->len || list->len > sizeof(t->filters) / sizeof(*t->filters))
		return error_set(err, ERR_DATA, "'filter_list' is no list of filters");
	t->n_filters = (int)list->len;
	for (size_t i = 0; i < list->len; i++) {
		const struct json *steps = json_get(&list->items[i], "filter");

		t->filters[i] = (struct task_filter){ json_get_str(&list->items[i], "name", NULL), steps };
		if (!t->filters[i].name || !steps || steps->type != JSON_ARRAY)
			return error_set(err, ERR_DATA, "an entry of 'filter_list' needs a name and a list of functions");
	}
	return OK;
}

/* --- few-shot examples ----------------------------------------------------------------------------- */

static enum status read_shots(struct task *t, struct error *err)
{
	static const char *const known[] = { "sampler", "split", "samples", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix",
					     "fewshot_delimiter", "target_delimiter", NULL };
	const struct json *c = t->config, *f = json_get(c, "fewshot_config"), *none = NULL;
	const char *sampler, *tested, *split;

	if (!absent(f) && f->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "'fewshot_config' is no mapping");
	f = absent(f) ? none : f;
	for (size_t i = 0; f && i < f->len; i++)
		if (!listed(f->keys[i].str, known) && !absent(&f->items[i]))
			return error_set(err, ERR_UNSUPPORTED, "'fewshot_config.%s' is not supported", f->keys[i].str);
	TRY(text_member(f, "sampler", "default", &sampler, err));
	if (strcmp(sampler, "default") && strcmp(sampler, "first_n"))
		return error_set(err, ERR_UNSUPPORTED, "few-shot sampler '%s' is not supported (default and first_n are)", sampler);
	t->sampler = strcmp(sampler, "first_n") ? SAMPLER_RANDOM : SAMPLER_FIRST;
	TRY(count_member(c, "num_fewshot", 0, &t->shots, err));
	TRY(text_member(c, "fewshot_delimiter", "\n\n", &t->shot_delimiter, err));
	TRY(text_member(f, "fewshot_delimiter", t->shot_delimiter, &t->shot_delimiter, err));
	TRY(text_member(f, "target_delimiter", t->target_delimiter, &t->shot_target_delimiter, err));
	t->shot_text.given = absent(json_get(f, "doc_to_text")) ? t->text.given : json_get(f, "doc_to_text");
	t->shot_choice.given = absent(json_get(f, "doc_to_choice")) ? t->choice.given : json_get(f, "doc_to_choice");
	t->shot_target.given = absent(json_get(f, "doc_to_target")) ? t->target.given : json_get(f, "doc_to_target");
	t->shot_prefix.given = absent(json_get(f, "gen_prefix")) ? t->gen_prefix.given : json_get(f, "gen_prefix");

	TRY(text_member(c, "fewshot_split", NULL, &split, err));
	TRY(text_member(f, "split", split, &split, err));
	TRY(text_member(c, "validation_split", NULL, &tested, err));
	TRY(text_member(c, "test_split", tested, &tested, err));
	t->shot_samples = split || absent(json_get(f, "samples")) ? NULL : json_get(f, "samples");
	if (t->shot_samples && t->shot_samples->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "'fewshot_config.samples' is no list");
	if (!split)
		TRY(text_member(c, "training_split", NULL, &split, err));
	t->shot_split = split;
	t->shots_from_docs = !split || (tested && !strcmp(split, tested));
	return OK;
}

/* --- the task ------------------------------------------------------------------------------------- */

static enum status interpret(struct task *t, struct error *err)
{
	const struct json *c = t->config, *version = json_get(json_get(c, "metadata"), "version");
	const char *type;

	TRY(text_member(c, "task", "task", &t->name, err));
	TRY(text_member(c, "output_type", "generate_until", &type, err));
	while (strcmp(type, task_type_name(t->type)))
		if (++t->type > TASK_GENERATE)
			return error_set(err, ERR_UNSUPPORTED, "output_type '%s' is not supported", type);
	t->text.given = json_get(c, "doc_to_text");
	t->choice.given = json_get(c, "doc_to_choice");
	t->target.given = json_get(c, "doc_to_target");
	t->description.given = json_get(c, "description");
	t->gen_prefix.given = json_get(c, "gen_prefix");
	if (absent(t->text.given) && t->type != TASK_ROLLING)
		return error_set(err, ERR_DATA, "'doc_to_text' is missing");
	if (absent(t->target.given))
		return error_set(err, ERR_DATA, "'doc_to_target' is missing");
	if (absent(t->choice.given) && t->type == TASK_MULTIPLE_CHOICE)
		return error_set(err, ERR_DATA, "'doc_to_choice' is missing");
	TRY(text_member(c, "target_delimiter", " ", &t->target_delimiter, err));
	TRY(count_member(c, "repeats", 1, &t->repeats, err));
	TRY(read_shots(t, err));
	TRY(read_metrics(t, err));
	TRY(read_filters(t, err));
	t->version = version && version->type != JSON_STRING && !absent(version) ? version->number : 0;
	return OK;
}

enum status task_load(struct task **out, const char *path, struct error *err)
{
	struct task *t = mem_zalloc(sizeof(*t));
	struct buf text = { 0 };
	struct error cause;
	enum status st;

	t->parser = json_parser_open();
	st = read_merged(path, 0, &text, err);
	if (st == OK)
		st = json_parse(t->parser, text.data, text.len, &t->config, err);
	if (st == OK)
		st = check_keys(t->config, path, err);
	if (st == OK && (st = interpret(t, &cause)) != OK)
		error_set(err, st, "%s: %s", path, cause.text);
	buf_release(&text);
	if (st != OK) {
		task_close(t);
		return st;
	}
	*out = t;
	return OK;
}

static void parts_of(struct task *t, struct task_part *parts[9])
{
	struct task_part *all[] = { &t->text, &t->choice, &t->target, &t->description, &t->gen_prefix, &t->shot_text, &t->shot_choice,
				    &t->shot_target, &t->shot_prefix };

	memcpy(parts, all, sizeof(all));
}

void task_close(struct task *t)
{
	struct task_part *parts[9];

	if (!t)
		return;
	parts_of(t, parts);
	for (int i = 0; i < 9; i++)
		jinja_free(parts[i]->jinja);
	json_parser_close(t->parser);
	mem_free(t);
}

enum status task_bind(struct task *t, const struct schema *columns, struct error *err)
{
	static const char *const names[] = { "doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix",
					     "fewshot_config.doc_to_text", "fewshot_config.doc_to_choice",
					     "fewshot_config.doc_to_target", "fewshot_config.gen_prefix" };
	struct task_part *parts[9];

	parts_of(t, parts);
	for (int i = 0; i < 9; i++) {
		struct task_part *p = parts[i];

		if (absent(p->given) || p->given->type != JSON_STRING || p->jinja)
			continue;
		p->is_column = schema_find(columns, p->given->str) >= 0;
		if (!p->is_column) {
			enum status st = jinja_compile(&p->jinja, p->given->str, p->given->len, JINJA_TASK, err);

			if (st != OK)
				return error_prefix(err, st, "'%s'", names[i]);
		}
	}
	return OK;
}

/* --- values ---------------------------------------------------------------------------------------- */

static bool all_digits(const struct json *s)
{
	for (size_t i = 0; i < s->len; i++)
		if (!isdigit((unsigned char)s->str[i]))
			return false;
	return s->len > 0;
}

static enum status render(const struct task_part *p, const struct json *doc, struct arena *arena, struct json *out, struct error *err)
{
	struct buf text = { 0 };
	enum status st = jinja_render(p->jinja, doc, &text, NULL, err);

	if (st == OK)
		*out = (struct json){ .type = JSON_STRING, .str = arena_strndup(arena, text.data ? text.data : "", text.len), .len = text.len };
	buf_release(&text);
	return st;
}

/* A list of texts from what doc_to_choice names. */
static enum status as_choices(struct arena *arena, struct json *v, struct error *err)
{
	struct json *list;

	if (v->type == JSON_OBJECT) {
		v->type = JSON_ARRAY;
	} else if (v->type == JSON_STRING) {
		struct json parsed;

		TRY(literal_parse(v->str, v->len, arena, &parsed, err));
		*v = parsed;
	}
	if (v->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "doc_to_choice gives no list");
	list = arena_alloc(arena, (v->len + 1) * sizeof(*list));
	for (size_t i = 0; i < v->len; i++) {
		list[i] = v->items[i];
		if (list[i].type != JSON_STRING)
			return error_set(err, ERR_DATA, "choice %zu is no text", i);
	}
	v->items = list;
	return OK;
}

enum status task_value(const struct task *t, const struct task_part *p, const struct json *doc, struct arena *arena, struct json *out,
		       struct error *err)
{
	bool choice = p == &t->choice || p == &t->shot_choice, target = p == &t->target || p == &t->shot_target;
	bool text = p == &t->text || p == &t->shot_text;

	*out = (struct json){ .type = JSON_NULL };
	if (absent(p->given))
		return OK;
	if (p->is_column) {
		const struct json *v = json_get(doc, p->given->str);

		if (v)
			*out = *v;
		return choice ? as_choices(arena, out, err) : OK;
	}
	if (!p->jinja) {
		*out = *p->given;
		return choice ? as_choices(arena, out, err) : OK;
	}
	TRY(render(p, doc, arena, out, err));
	if (choice)
		return as_choices(arena, out, err);
	/* only where there are choices to count, as the original has it; a list in brackets is one wherever a target is meant */
	if ((text || target) && !absent(t->choice.given) && all_digits(out))
		return literal_parse(out->str, out->len, arena, out, err);
	if (target && out->len >= 2 && out->str[0] == '[' && out->str[out->len - 1] == ']') {
		struct json list;

		if (literal_parse(out->str, out->len, arena, &list, NULL) == OK)
			*out = list;
	}
	return OK;
}
