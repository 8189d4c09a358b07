/* task_shuffle.c - the options of a question in an order of its own; see task.h. */
#include "judge/task_file.h"

#include "base/hash.h"

#include <string.h>

#define OPTIONS_MAX 26

enum status task_read_shuffle(struct task *t, struct error *err)
{
	const struct json *s = json_get(t->config, "shuffle"), *options = json_get(s, "options");

	if (task_absent(s))
		return OK;
	if (!options || options->type != JSON_ARRAY || options->len < 2 || options->len > OPTIONS_MAX || !json_get_str(s, "seed", NULL))
		return error_set(err, ERR_DATA, "'shuffle' needs options, the columns of 2 to %d options, the right one first, and seed, a column",
				 OPTIONS_MAX);
	for (size_t i = 0; i < options->len; i++)
		if (options->items[i].type != JSON_STRING)
			return error_set(err, ERR_DATA, "'shuffle.options' is no list of columns");
	t->shuffle = s;
	return OK;
}

bool task_shuffle_makes(const struct task *t, const char *column)
{
	return t->shuffle && (!strcmp(column, "options") || !strcmp(column, "answer_index") || !strcmp(column, "answer_letter"));
}

static enum status text_column(const struct json *doc, const char *name, const struct json **out, struct error *err)
{
	*out = json_get(doc, name);
	if (!*out || (*out)->type != JSON_STRING)
		return error_set(err, ERR_DATA, "there is no text in column '%s', which the task shuffles", name);
	return OK;
}

static struct json text(struct arena *arena, const char *s, size_t n)
{
	return (struct json){ .type = JSON_STRING, .str = arena_strndup(arena, s, n), .len = n };
}

enum status task_shuffle(const struct task *t, const struct json *doc, struct arena *arena, const struct json **out, struct error *err)
{
	const struct json *columns = json_get(t->shuffle, "options"), *seed, *column;
	uint32_t order[OPTIONS_MAX], n;
	struct json *items, *keys, *values, *whole;
	struct pyrandom rng;
	int64_t right = 0;
	char letter[2] = "A";

	*out = doc;
	if (!t->shuffle || doc->type != JSON_OBJECT)
		return OK;
	n = (uint32_t)columns->len;
	TRY(text_column(doc, json_get_str(t->shuffle, "seed", ""), &seed, err));
	rng = pyrandom_open(hash64(seed->str, seed->len));
	pyrandom_sample(&rng, n, n, order);
	items = arena_alloc(arena, n * sizeof(*items));
	for (uint32_t i = 0; i < n; i++) {
		TRY(text_column(doc, columns->items[order[i]].str, &column, err));
		items[i] = *column;
		right = order[i] == 0 ? i : right;
	}
	letter[0] = (char)('A' + right);
	values = arena_alloc(arena, (doc->len + 3) * sizeof(*values));
	keys = arena_alloc(arena, (doc->len + 3) * sizeof(*keys));
	values[0] = (struct json){ .type = JSON_ARRAY, .items = items, .len = n };
	values[1] = (struct json){ .type = JSON_INT, .integer = right, .number = (double)right };
	values[2] = text(arena, letter, 1);
	keys[0] = text(arena, "options", 7);
	keys[1] = text(arena, "answer_index", 12);
	keys[2] = text(arena, "answer_letter", 13);
	memcpy(values + 3, doc->items, doc->len * sizeof(*values));
	memcpy(keys + 3, doc->keys, doc->len * sizeof(*keys));
	whole = arena_alloc(arena, sizeof(*whole));
	*whole = (struct json){ .type = JSON_OBJECT, .items = values, .keys = keys, .len = doc->len + 3 };
	*out = whole;
	return OK;
}
