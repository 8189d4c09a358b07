/* row_sort.c - see row_sort.h. */
#include "stream/row_sort.h"

#include "stream/stream.h"

#include <stdlib.h>

struct entry {
	struct expr_value key;
	int64_t batch, row, number;
};

struct row_sort {
	int n_columns;
	struct builder *builder;     /* of the rows that are in no batch yet, so many: */
	int64_t building;
	struct batch **batches;
	int n_batches, cap_batches;
	struct entry *entries;
	int64_t n, cap;
	struct arena keys;           /* bytes of strings */
	size_t bytes, max_bytes;
	bool descending;
};

struct row_sort *row_sort_open(const struct schema *s, size_t max_bytes)
{
	struct row_sort *r = mem_zalloc(sizeof(*r));

	r->n_columns = s->n_fields;
	r->builder = builder_open(s);
	r->max_bytes = max_bytes;
	return r;
}

static void cut(struct row_sort *r)
{
	struct batch *b = builder_finish(r->builder);

	MEM_PUSH_ROOM(r->batches, r->n_batches, r->cap_batches);
	r->batches[r->n_batches++] = b;
	r->bytes += batch_bytes(b);
	r->building = 0;
}

enum status row_sort_add(struct row_sort *r, const struct batch *b, const int *columns, int64_t row, const struct expr_value *key,
			 int64_t number, struct error *err)
{
	MEM_PUSH_ROOM(r->entries, r->n, r->cap);
	struct entry *e = &r->entries[r->n++];
	*e = (struct entry){ .key = *key, .batch = r->n_batches, .row = r->building++, .number = number };
	if (key->type == V_STRING) {
		e->key.s = arena_strndup(&r->keys, key->s, key->n);
		r->bytes += key->n;
	}
	for (int i = 0; i < r->n_columns; i++)
		column_copy(builder_column(r->builder, i), &b->columns[columns[i]], row);
	if (r->bytes + builder_bytes(r->builder) + (size_t)r->cap * sizeof(*e) > r->max_bytes)
		return error_set(err, ERR_MEMORY, "sorting holds the rows in memory, and these take more than %zu bytes; "
				 "choose fewer with --where or --columns, or give --memory", r->max_bytes);
	if (builder_bytes(r->builder) >= STREAM_BATCH_BYTES)
		cut(r);
	return OK;
}

/* Numbers rise as rows come, so that no two entries are equal. */
static int in_order(const void *a, const void *b, void *sort)
{
	const struct entry *x = a, *y = b;
	int c = expr_order(&x->key, &y->key);

	if (((const struct row_sort *)sort)->descending && expr_has_order(&x->key) && expr_has_order(&y->key))
		c = -c;
	return c ? c : (x->number > y->number) - (x->number < y->number);
}

void row_sort_finish(struct row_sort *r, bool descending)
{
	cut(r);
	r->descending = descending;
	if (r->n)
		qsort_r(r->entries, (size_t)r->n, sizeof(*r->entries), in_order, r);
}

int64_t row_sort_rows(const struct row_sort *r)
{
	return r->n;
}

const struct batch *row_sort_at(const struct row_sort *r, int64_t i, int64_t *row, int64_t *number)
{
	*row = r->entries[i].row;
	*number = r->entries[i].number;
	return r->batches[r->entries[i].batch];
}

void row_sort_close(struct row_sort *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n_batches; i++)
		batch_release(r->batches[i]);
	builder_close(r->builder);
	mem_free(r->batches);
	mem_free(r->entries);
	arena_release(&r->keys);
	mem_free(r);
}
