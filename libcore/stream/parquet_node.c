/* parquet_node.c - the rows of a node, made by its leaf, as an array of a batch. */
#include "stream/parquet.h"
#include "stream/layout.h"

#include <inttypes.h>

size_t pq_node_bytes(const struct pq_node *n)
{
	size_t bytes = n->validity.len + n->offsets.len + n->values.len;

	for (int i = 0; i < n->n_children; i++)
		bytes += pq_node_bytes(&n->children[i]);
	return bytes;
}

enum status pq_node_check(const struct pq_node *n, int64_t rows, struct error *err)
{
	if (n->length != rows)
		return error_set(err, ERR_DATA, "column '%s' has %" PRId64 " values where those beside it have %" PRId64,
				 n->field->name, n->length, rows);
	for (int i = 0; i < n->n_children; i++)
		TRY(pq_node_check(&n->children[i], n->kind == PQ_ROWS ? n->elements : n->length, err));
	return OK;
}

static size_t pad64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

static size_t offsets_bytes(const struct pq_node *n)
{
	return type_offset_width(n->field->type) ? (size_t)(n->length + 1) * 4 : 0;
}

size_t pq_node_block(const struct pq_node *n)
{
	size_t bytes = pad64(n->validity.len) + pad64(offsets_bytes(n)) + pad64(n->values.len);

	for (int i = 0; i < n->n_children; i++)
		bytes += pq_node_block(&n->children[i]);
	return bytes;
}

/* The block's bytes at *at, zeros up to need and to the next multiple of 64; the block is empty then. */
static const void *move(struct pq_block *b, size_t need, uint8_t **at)
{
	uint8_t *p = *at;
	size_t room = pad64(need);

	if (b->len)
		memcpy(p, b->data, b->len);
	memset(p + b->len, 0, room - b->len);
	b->len = 0;
	*at += room;
	return p;
}

void pq_node_move(struct pq_node *n, struct arena *arena, uint8_t **at, struct array *a)
{
	memset(a, 0, sizeof(*a));
	a->field = n->field;
	a->length = n->length;
	a->null_count = n->field->type == T_NULL ? n->length : n->nulls;
	if (n->nulls && n->field->type != T_NULL)
		a->validity = move(&n->validity, n->validity.len, at);
	n->validity.len = 0;
	if (type_offset_width(n->field->type))
		a->offsets = move(&n->offsets, offsets_bytes(n), at);
	a->values_bytes = (int64_t)n->values.len;
	a->values = move(&n->values, n->values.len, at);
	if (n->n_children > 0)
		a->children = arena_alloc(arena, (size_t)n->n_children * sizeof(*a->children));
	for (int i = 0; i < n->n_children; i++)
		pq_node_move(&n->children[i], arena, at, &a->children[i]);
	n->length = n->nulls = n->elements = 0;
}

void pq_node_release(struct pq_node *n)
{
	for (int i = 0; i < n->n_children; i++)
		pq_node_release(&n->children[i]);
	pq_block_release(&n->validity);
	pq_block_release(&n->offsets);
	pq_block_release(&n->values);
	mem_free(n->children);
}
