/* docs.c - see docs.h. */
#include "judge/docs.h"

#include <string.h>

static void add(struct docs *d, const struct batch *b, int64_t row, const struct json *meta)
{
	struct json_writer w = json_writer_open(&d->text, 0);

	if (d->n + 2 > d->cap) {
		d->cap = 2 * d->cap + 64;
		d->at = mem_grow(d->at, (size_t)d->cap, sizeof(*d->at));
	}
	d->at[d->n] = d->text.len;
	json_begin_object(&w);
	for (int i = 0; i < b->schema->n_fields; i++) {
		json_key(&w, b->schema->fields[i].name);
		if (array_is_null(&b->columns[i], row))
			json_null(&w);
		else
			array_json(&b->columns[i], row, &w);
	}
	for (size_t i = 0; meta && meta->type == JSON_OBJECT && i < meta->len; i++)
		if (schema_find(b->schema, meta->keys[i].str) < 0) {
			json_key_n(&w, meta->keys[i].str, meta->keys[i].len);
			json_value(&w, &meta->items[i]);
		}
	json_end_object(&w);
	d->at[++d->n] = d->text.len;
}

void docs_add(struct docs *d, const struct batch *b, int64_t row) { add(d, b, row, NULL); }

void docs_add_meta(struct docs *d, const struct batch *b, int64_t row, struct json_parser *p)
{
	const struct array *column = batch_column(b, "meta");
	const struct json *meta = NULL;
	int at = schema_find(b->schema, "meta");
	size_t n;
	const char *text;

	if (column && field_is_text(&b->schema->fields[at]) && !array_is_null(column, row)) {
		text = array_text(column, row, &n);
		if (json_parse(p, text, n, &meta, NULL) != OK)
			meta = NULL;
	}
	add(d, b, row, meta);
}

void docs_clear(struct docs *d)
{
	buf_clear(&d->text);
	d->n = 0;
}

void docs_release(struct docs *d)
{
	buf_release(&d->text);
	mem_free(d->at);
	*d = (struct docs){ 0 };
}

const char *docs_text(const struct docs *d, int64_t i, size_t *n)
{
	*n = d->at[i + 1] - d->at[i];
	return d->text.data + d->at[i];
}

enum status docs_get(const struct docs *d, int64_t i, struct json_parser *p, const struct json **doc, struct error *err)
{
	size_t n;
	const char *text = docs_text(d, i, &n);

	return json_parse(p, text, n, doc, err);
}

bool docs_equal(const struct docs *a, int64_t i, const struct docs *b, int64_t j)
{
	size_t n, m;
	const char *x = docs_text(a, i, &n), *y = docs_text(b, j, &m);

	return n == m && !memcmp(x, y, n);
}
