/* task.c - see task.h: reading the file, and the values of its parts. */
#include "judge/task_file.h"

#include "judge/literal.h"

#include <ctype.h>
#include <string.h>

const char *task_type_name(enum task_type t)
{
	static const char *const names[] = { "multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until" };

	return names[t];
}

enum status task_text_member(const struct json *j, const char *key, const char *dflt, const char **out, struct error *err)
{
	const struct json *v = json_get(j, key);

	*out = dflt;
	if (task_absent(v))
		return OK;
	if (v->type != JSON_STRING)
		return error_set(err, ERR_DATA, "'%s' is no text", key);
	*out = v->str;
	return OK;
}

enum status task_count_member(const struct json *j, const char *key, int64_t dflt, int64_t *out, struct error *err)
{
	const struct json *v = json_get(j, key);

	*out = dflt;
	if (task_absent(v))
		return OK;
	if (v->type != JSON_INT || v->integer < 0 || v->integer > 1000000)
		return error_set(err, ERR_DATA, "'%s' is no number of things", key);
	*out = v->integer;
	return OK;
}

/* --- few-shot examples ----------------------------------------------------------------------------- */

static enum status read_shots(struct task *t, struct error *err)
{
	static const char *const known[] = { "sampler", "split", "samples", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix",
					     "fewshot_delimiter", "target_delimiter", NULL };
	const struct json *c = t->config, *f = json_get(c, "fewshot_config"), *none = NULL;
	const char *sampler, *tested, *split;

	if (!task_absent(f) && f->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "'fewshot_config' is no mapping");
	f = task_absent(f) ? none : f;
	for (size_t i = 0; f && i < f->len; i++)
		if (!task_listed(f->keys[i].str, known) && !task_absent(&f->items[i]))
			return error_set(err, ERR_UNSUPPORTED, "'fewshot_config.%s' is not supported", f->keys[i].str);
	TRY(task_text_member(f, "sampler", "default", &sampler, err));
	if (strcmp(sampler, "default") && strcmp(sampler, "first_n"))
		return error_set(err, ERR_UNSUPPORTED, "few-shot sampler '%s' is not supported (default and first_n are)", sampler);
	t->sampler = strcmp(sampler, "first_n") ? SAMPLER_RANDOM : SAMPLER_FIRST;
	TRY(task_count_member(c, "num_fewshot", 0, &t->shots, err));
	TRY(task_text_member(c, "fewshot_delimiter", "\n\n", &t->shot_delimiter, err));
	TRY(task_text_member(f, "fewshot_delimiter", t->shot_delimiter, &t->shot_delimiter, err));
	TRY(task_text_member(f, "target_delimiter", t->target_delimiter, &t->shot_target_delimiter, err));
	t->shot_text.given = task_absent(json_get(f, "doc_to_text")) ? t->text.given : json_get(f, "doc_to_text");
	t->shot_choice.given = task_absent(json_get(f, "doc_to_choice")) ? t->choice.given : json_get(f, "doc_to_choice");
	t->shot_target.given = task_absent(json_get(f, "doc_to_target")) ? t->target.given : json_get(f, "doc_to_target");
	t->shot_prefix.given = task_absent(json_get(f, "gen_prefix")) ? t->gen_prefix.given : json_get(f, "gen_prefix");

	TRY(task_text_member(c, "fewshot_split", NULL, &split, err));
	TRY(task_text_member(f, "split", split, &split, err));
	TRY(task_text_member(c, "validation_split", NULL, &tested, err));
	TRY(task_text_member(c, "test_split", tested, &tested, err));
	t->shot_samples = split || task_absent(json_get(f, "samples")) ? NULL : json_get(f, "samples");
	if (t->shot_samples && t->shot_samples->type != JSON_ARRAY)
		return error_set(err, ERR_DATA, "'fewshot_config.samples' is no list");
	if (!split)
		TRY(task_text_member(c, "training_split", NULL, &split, err));
	t->shot_split = split;
	t->shots_from_docs = !split || (tested && !strcmp(split, tested));
	return OK;
}

/* --- the task ------------------------------------------------------------------------------------- */

static enum status interpret(struct task *t, struct error *err)
{
	const struct json *c = t->config, *version = json_get(json_get(c, "metadata"), "version");
	const char *type;

	TRY(task_text_member(c, "task", "task", &t->name, err));
	TRY(task_text_member(c, "output_type", "generate_until", &type, err));
	while (strcmp(type, task_type_name(t->type)))
		if (++t->type > TASK_GENERATE)
			return error_set(err, ERR_UNSUPPORTED, "output_type '%s' is not supported", type);
	t->text.given = json_get(c, "doc_to_text");
	t->choice.given = json_get(c, "doc_to_choice");
	t->target.given = json_get(c, "doc_to_target");
	t->description.given = json_get(c, "description");
	t->gen_prefix.given = json_get(c, "gen_prefix");
	if (task_absent(t->text.given) && t->type != TASK_ROLLING)
		return error_set(err, ERR_DATA, "'doc_to_text' is missing");
	if (task_absent(t->target.given))
		return error_set(err, ERR_DATA, "'doc_to_target' is missing");
	if (task_absent(t->choice.given) && t->type == TASK_MULTIPLE_CHOICE)
		return error_set(err, ERR_DATA, "'doc_to_choice' is missing");
	TRY(task_text_member(c, "target_delimiter", " ", &t->target_delimiter, err));
	TRY(task_count_member(c, "repeats", 1, &t->repeats, err));
	TRY(read_shots(t, err));
	TRY(task_read_shuffle(t, err));
	TRY(task_read_metrics(t, err));
	TRY(task_read_filters(t, err));
	t->version = version && version->type != JSON_STRING && !task_absent(version) ? version->number : 0;
	return OK;
}

enum status task_load(struct task **out, const char *path, struct error *err)
{
	struct task *t = mem_zalloc(sizeof(*t));
	struct buf text = { 0 };
	struct error cause;
	enum status st;

	t->parser = json_parser_open();
	st = task_file_read(path, &text, err);
	if (st == OK)
		st = json_parse(t->parser, text.data, text.len, &t->config, err);
	if (st == OK)
		st = task_file_check(t->config, path, err);
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
	mem_free(t->metric_names);
	mem_free(t);
}

/* columns or doc is NULL. */
static enum status bind(struct task *t, const struct schema *columns, const struct json *doc, struct error *err)
{
	static const char *const names[] = { "doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix",
					     "fewshot_config.doc_to_text", "fewshot_config.doc_to_choice",
					     "fewshot_config.doc_to_target", "fewshot_config.gen_prefix" };
	struct task_part *parts[9];

	parts_of(t, parts);
	for (int i = 0; i < 9; i++) {
		struct task_part *p = parts[i];

		if (task_absent(p->given) || p->given->type != JSON_STRING || p->jinja)
			continue;
		p->is_column = (columns ? schema_find(columns, p->given->str) >= 0 : json_get(doc, p->given->str) != NULL) ||
			       task_shuffle_makes(t, p->given->str);
		if (!p->is_column) {
			enum status st = jinja_compile(&p->jinja, p->given->str, p->given->len, JINJA_TASK, err);

			if (st != OK)
				return error_prefix(err, st, "'%s'", names[i]);
		}
	}
	return OK;
}

enum status task_bind(struct task *t, const struct schema *columns, struct error *err) { return bind(t, columns, NULL, err); }

enum status task_bind_doc(struct task *t, const struct json *doc, struct error *err) { return bind(t, NULL, doc, err); }

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
	if (task_absent(p->given))
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
	if ((text || target) && !task_absent(t->choice.given) && all_digits(out))
		return literal_parse(out->str, out->len, arena, out, err);
	if (target && out->len >= 2 && out->str[0] == '[' && out->str[out->len - 1] == ']') {
		struct json list;

		if (literal_parse(out->str, out->len, arena, &list, NULL) == OK)
			*out = list;
	}
	return OK;
}
