/* task_file.c - the members of a task file and of the files that it includes, and which of them are understood. */
#include "judge/task_file.h"

#include "base/yaml.h"

#include <string.h>

#define INCLUDES_MAX 16              /* one within the other */
#define FILES_MAX 200

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

struct including {
	int depth, files;            /* how far down, and read so far */
};
static enum status read_file(const char *path, struct including *in, struct buf *out, struct error *err);

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

static enum status include(const char *path, const struct json *name, struct including *in, struct buf *base, struct error *err)
{
	const char *slash = strrchr(path, '/');
	struct buf one = { 0 }, both = { 0 };
	char *file;
	enum status st;

	if (name->type != JSON_STRING)
		return error_set(err, ERR_DATA, "%s: 'include' names no file", path);
	file = name->str[0] == '/' || !slash ? mem_strdup(name->str) : mem_printf("%.*s/%s", (int)(slash - path), path, name->str);
	st = read_file(file, in, &one, err);
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

static enum status read_file(const char *path, struct including *in, struct buf *out, struct error *err)
{
	struct json_parser *p = json_parser_open();
	struct buf base = { 0 }, top = { 0 };
	const struct json *j, *names;
	enum status st = ++in->depth > INCLUDES_MAX || ++in->files > FILES_MAX ?
			 error_set(err, ERR_DATA, "%s: files that include each other, or too many of them", path) :
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
			st = include(path, &names->items[i], in, &base, err);
		if (names && names->type != JSON_ARRAY && names->type != JSON_NULL && st == OK)
			st = include(path, names, in, &base, err);
	}
	if (st == OK)
		st = merge(base.data, top.data, out, err);
	buf_release(&base);
	buf_release(&top);
	json_parser_close(p);
	in->depth--;
	return st;
}

enum status task_file_read(const char *path, struct buf *out, struct error *err)
{
	return read_file(path, &(struct including){ 0 }, out, err);
}

/* --- what is understood ------------------------------------------------------------------------- */

bool task_listed(const char *key, const char *const *names)
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

enum status task_file_check(const struct json *c, const char *path, struct error *err)
{
	static const char *const known[] = {
		"task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split",
		"test_split", "fewshot_split", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
		"fewshot_delimiter", "fewshot_config", "num_fewshot", "metric_list", "output_type", "generation_kwargs", "repeats",
		"filter_list", "grader", "shuffle", "should_decontaminate", "doc_to_decontamination_query", "gen_prefix", "metadata", "unsafe_code", NULL };
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

		if (task_listed(key, groups) || (!strcmp(key, "task") && c->items[i].type == JSON_ARRAY))
			st = error_set(err, ERR_UNSUPPORTED, "%s: '%s': this is a group; name its tasks", path, key);
		else if (!task_listed(key, known) && !task_absent(&c->items[i]))
			st = error_set(err, ERR_UNSUPPORTED, "%s: '%s' is not supported", path, key);
	}
	return st;
}

