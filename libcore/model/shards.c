/* shards.c - see shards.h. */
#include "model/shards.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FILES_MAX 800                /* open at once: below the usual limit of 1024 */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct shard_tensor *)a)->entry->name, ((const struct shard_tensor *)b)->entry->name);
}

static enum status open_file(struct shards *s, const char *path, struct error *err)
{
	MEM_PUSH_ROOM(s->files, s->n_files, s->cap_files);
	TRY(safetensors_open(&s->files[s->n_files], path, err));
	s->n_files++;
	return OK;
}

static enum status take_single(struct shards *s, const char *path, struct error *err)
{
	TRY(open_file(s, path, err));
	s->n = safetensors_count(s->files[0]);
	s->tensors = mem_array((size_t)s->n + 1, sizeof(*s->tensors));
	for (int i = 0; i < s->n; i++)
		s->tensors[i] = (struct shard_tensor){ s->files[0], safetensors_entry(s->files[0], i) };
	return OK;
}

/* The distinct values of the map; names[i] is that of files[i]. */
static enum status file_of(struct shards *s, const char ***names, int *cap, const char *name, int *file, struct error *err)
{
	char *path;
	enum status st;

	for (*file = 0; *file < s->n_files; ++*file)
		if (!strcmp((*names)[*file], name))
			return OK;
	if (!*name || strchr(name, '/'))
		return error_set(err, ERR_DATA, "'%s' is no file of the directory", name);
	if (s->n_files == FILES_MAX)
		return error_set(err, ERR_UNSUPPORTED, "more than %d files", FILES_MAX);
	path = path_join(s->dir, name);
	st = open_file(s, path, err);
	mem_free(path);
	if (st == OK) {
		int n = s->n_files - 1;

		MEM_PUSH_ROOM(*names, n, *cap);
		(*names)[n] = name;
	}
	return st;
}

static enum status take_index(struct shards *s, const struct json *map, struct error *err)
{
	const char **names = NULL;
	int cap = 0, file = 0;
	enum status st = OK;

	if (!map || map->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "'weight_map' is missing");
	s->tensors = mem_array(map->len + 1, sizeof(*s->tensors));
	for (size_t i = 0; i < map->len && st == OK; i++) {
		if (map->items[i].type != JSON_STRING)
			st = error_set(err, ERR_DATA, "'weight_map': tensor '%s' has no file", map->keys[i].str);
		else
			st = file_of(s, &names, &cap, map->items[i].str, &file, err);
		if (st != OK)
			break;
		s->tensors[s->n].file = s->files[file];
		s->tensors[s->n].entry = safetensors_find(s->files[file], map->keys[i].str);
		if (!s->tensors[s->n].entry)
			st = error_set(err, ERR_DATA, "tensor '%s' is not in '%s'", map->keys[i].str, map->items[i].str);
		else
			s->n++;
	}
	mem_free(names);
	return st;
}

static enum status read_index(struct shards *s, const char *path, struct error *err)
{
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct error cause;
	enum status st = json_parse_file(p, path, &j, err);

	if (st == OK) {
		st = take_index(s, json_get(j, "weight_map"), &cause);
		if (st != OK)
			error_set(err, st, "%s: %s", path, cause.text);
	}
	json_parser_close(p);
	if (st != OK)
		return st;
	if (s->n)
		qsort(s->tensors, (size_t)s->n, sizeof(*s->tensors), by_name);
	for (int i = 1; i < s->n; i++)
		if (!strcmp(s->tensors[i].entry->name, s->tensors[i - 1].entry->name))
			return error_set(err, ERR_DATA, "%s: tensor '%s' stands twice", path, s->tensors[i].entry->name);
	return OK;
}

/* Weights that torch pickled, in a directory without others, and what to do about them; OK if there are none of those either. */
static enum status refuse_pickle(const char *dir, const char *base, struct error *err)
{
	const char *const names[] = { "pytorch_model.bin", "pytorch_model.bin.index.json", NULL };
	char *own = mem_printf("%s.bin", base);
	enum status st = OK;

	for (int i = 0; i < 3 && st == OK; i++) {
		const char *name = names[i] ? names[i] : own;
		char *path = path_join(dir, name);
		if (path_exists(path))
			st = error_set(err, ERR_UNSUPPORTED, "%s: a pickle, which is a program and not read; load the model in Python and "
				       "save_pretrained() it as safetensors", path);
		mem_free(path);
	}
	mem_free(own);
	return st;
}

enum status shards_open(struct shards *s, const char *dir, const char *base, struct error *err)
{
	char *single = mem_printf("%s/%s.safetensors", dir, base), *index = mem_printf("%s.index.json", single);
	enum status st;

	*s = (struct shards){ .dir = mem_strdup(dir) };
	if (path_exists(single))
		st = take_single(s, single, err);
	else if (path_exists(index))
		st = read_index(s, index, err);
	else if ((st = refuse_pickle(dir, base, err)) == OK)
		st = take_single(s, single, err);
	mem_free(single);
	mem_free(index);
	if (st != OK)
		shards_close(s);
	return st;
}

void shards_close(struct shards *s)
{
	for (int i = 0; i < s->n_files; i++)
		safetensors_close(s->files[i]);
	mem_free(s->files);
	mem_free(s->tensors);
	mem_free(s->dir);
	*s = (struct shards){ 0 };
}

const struct shard_tensor *shards_find(const struct shards *s, const char *name)
{
	struct safetensors_entry entry = { .name = (char *)name };
	struct shard_tensor key = { .entry = &entry };

	return s->n ? bsearch(&key, s->tensors, (size_t)s->n, sizeof(key), by_name) : NULL;
}
