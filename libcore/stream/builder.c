/* builder.c - columns being filled. Buffers keep their memory from batch to batch; builder_finish
 * copies them into one block, so that a batch is one allocation and the builder never reallocates
 * once it has seen its largest usual batch. Of a huge row the bytes are handed over instead. Null slots and padding are zero: bytes depend on rows alone. */
#include "stream/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDED_BYTES ((size_t)8 << 20) /* of a column: many times a usual batch */

struct bytes {
	uint8_t *data;
	size_t len, cap;
};

struct column {
	const struct field *field;
	int64_t rows, nulls;
	struct bytes validity;               /* empty until the first null */
	struct bytes offsets, values;
	struct column *children;
};

struct builder {
	const struct schema *schema;
	struct column *columns;
};

/* n more zeroed bytes at the end. */
static void *bytes_extend(struct bytes *b, size_t n)
{
	if (b->cap - b->len < n) {
		size_t cap = b->cap * 2 > b->len + n ? b->cap * 2 : b->len + n + 64;
		b->data = mem_grow(b->data, cap, 1);
		b->cap = cap;
	}
	void *p = b->data + b->len;
	if (n)                               /* no bytes may have no place */
		memset(p, 0, n);
	b->len += n;
	return p;
}

static void bytes_add(struct bytes *b, const void *p, size_t n)
{
	if (b->cap - b->len < n) {
		size_t cap = b->cap * 2 > b->len + n ? b->cap * 2 : b->len + n + 64;
		b->data = mem_grow(b->data, cap, 1);
		b->cap = cap;
	}
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
}

/* Grows a bitmap to hold bit i. */
static void bits_room(struct bytes *b, int64_t i)
{
	size_t need = (size_t)(i >> 3) + 1;

	if (b->len < need)
		bytes_extend(b, need - b->len);
}

static void column_init(struct column *c, const struct field *f)
{
	memset(c, 0, sizeof(*c));
	c->field = f;
	if (type_offset_width(f->type))
		bytes_extend(&c->offsets, (size_t)type_offset_width(f->type));
	if (f->n_children > 0)
		c->children = mem_array((size_t)f->n_children, sizeof(*c->children));
	for (int i = 0; i < f->n_children; i++)
		column_init(&c->children[i], &f->children[i]);
}

static void column_release(struct column *c)
{
	for (int i = 0; i < c->field->n_children; i++)
		column_release(&c->children[i]);
	mem_free(c->children);
	mem_free(c->validity.data);
	mem_free(c->offsets.data);
	mem_free(c->values.data);
}

static void column_reset(struct column *c)
{
	c->rows = c->nulls = 0;
	c->validity.len = c->values.len = 0;
	c->offsets.len = (size_t)type_offset_width(c->field->type);
	for (int i = 0; i < c->field->n_children; i++)
		column_reset(&c->children[i]);
}

struct column *column_open(const struct field *f)
{
	struct column *c = mem_alloc(sizeof(*c));

	column_init(c, f);
	return c;
}

void column_close(struct column *c)
{
	if (!c)
		return;
	column_release(c);
	mem_free(c);
}

struct builder *builder_open(const struct schema *s)
{
	struct builder *b = mem_alloc(sizeof(*b));

	b->schema = s;
	b->columns = mem_array((size_t)s->n_fields + 1, sizeof(*b->columns));
	for (int i = 0; i < s->n_fields; i++)
		column_init(&b->columns[i], &s->fields[i]);
	return b;
}

void builder_close(struct builder *b)
{
	if (!b)
		return;
	for (int i = 0; i < b->schema->n_fields; i++)
		column_release(&b->columns[i]);
	mem_free(b->columns);
	mem_free(b);
}

struct column *builder_column(struct builder *b, int i)
{
	return &b->columns[i];
}

int64_t builder_rows(const struct builder *b)
{
	int64_t rows = b->schema->n_fields ? INT64_MAX : 0;

	for (int i = 0; i < b->schema->n_fields; i++)
		if (b->columns[i].rows < rows)
			rows = b->columns[i].rows;
	return rows;
}

static size_t column_bytes(const struct column *c)
{
	size_t n = c->validity.len + c->offsets.len + c->values.len;

	for (int i = 0; i < c->field->n_children; i++)
		n += column_bytes(&c->children[i]);
	return n;
}

size_t builder_bytes(const struct builder *b)
{
	size_t n = 0;

	for (int i = 0; i < b->schema->n_fields; i++)
		n += column_bytes(&b->columns[i]);
	return n;
}

/* --- finishing ------------------------------------------------------------------------------- */
static void array_head(const struct column *c, struct arena *arena, struct array *a)
{
	memset(a, 0, sizeof(*a));
	a->field = c->field;
	a->length = c->rows;
	a->null_count = c->field->type == T_NULL ? c->rows : c->nulls;
	if (c->field->n_children > 0)
		a->children = arena_alloc(arena, (size_t)c->field->n_children * sizeof(*a->children));
}

void column_view(const struct column *c, struct arena *arena, struct array *a)
{
	array_head(c, arena, a);
	a->validity = c->nulls ? c->validity.data : NULL;
	a->offsets = c->offsets.data;
	a->values = c->values.data;
	a->values_bytes = (int64_t)c->values.len;
	for (int i = 0; i < c->field->n_children; i++)
		column_view(&c->children[i], arena, &a->children[i]);
}

static size_t pad64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

static size_t column_block(const struct column *c)
{
	size_t n = pad64(c->validity.len) + pad64(c->offsets.len) + (c->values.len < HANDED_BYTES ? pad64(c->values.len) : 0);

	for (int i = 0; i < c->field->n_children; i++)
		n += column_block(&c->children[i]);
	return n;
}

static const void *move_bytes(const struct bytes *b, uint8_t **at)
{
	uint8_t *p = *at;
	size_t room = pad64(b->len);

	if (b->len)
		memcpy(p, b->data, b->len);
	memset(p + b->len, 0, room - b->len);
	*at += room;
	return p;
}

/* The bytes themselves, which are the batch's from now on. */
static const void *hand_over(struct bytes *b, struct arena *arena)
{
	uint8_t *p = b->cap < pad64(b->len) ? mem_grow(b->data, pad64(b->len), 1) : b->data;

	memset(p + b->len, 0, pad64(b->len) - b->len);
	arena_adopt(arena, p);
	*b = (struct bytes){0};
	return p;
}

static void column_move(struct column *c, struct arena *arena, uint8_t **at, struct array *a)
{
	array_head(c, arena, a);
	if (c->nulls)
		a->validity = move_bytes(&c->validity, at);
	if (c->offsets.len)
		a->offsets = move_bytes(&c->offsets, at);
	a->values_bytes = (int64_t)c->values.len;
	a->values = c->values.len < HANDED_BYTES ? move_bytes(&c->values, at) : hand_over(&c->values, arena);
	for (int i = 0; i < c->field->n_children; i++)
		column_move(&c->children[i], arena, at, &a->children[i]);
}

struct batch *builder_finish(struct builder *b)
{
	struct batch *out = batch_new(b->schema, builder_rows(b));
	size_t block = 64;

	for (int i = 0; i < b->schema->n_fields; i++) {
		if (b->columns[i].rows != out->rows) {
			fprintf(stderr, "bug: column '%s' has %lld rows where another has %lld\n",
				b->schema->fields[i].name, (long long)b->columns[i].rows, (long long)out->rows);
			abort();
		}
		block += column_block(&b->columns[i]);
	}
	uint8_t *at = out->owned = mem_alloc(block);
	for (int i = 0; i < b->schema->n_fields; i++) {
		column_move(&b->columns[i], &out->arena, &at, &out->columns[i]);
		column_reset(&b->columns[i]);
	}
	return out;
}

/* --- appending --------------------------------------------------------------------------------- */
struct column *column_child(struct column *c, int i)
{
	return &c->children[i];
}

const struct field *column_field(const struct column *c)
{
	return c->field;
}

static void wrong_type(const struct column *c, const char *what)
{
	struct buf b = {0};

	field_print(c->field, &b);
	fprintf(stderr, "bug: %s appended to column %s\n", what, b.data);
	abort();
}

/* The row that the caller has just appended is there. */
static void row_valid(struct column *c)
{
	if (c->nulls) {
		bits_room(&c->validity, c->rows);
		bit_set(c->validity.data, c->rows);
	}
	c->rows++;
}

static void row_null(struct column *c)
{
	if (c->nulls++ == 0)
		for (int64_t i = 0; i < c->rows; i++) {
			bits_room(&c->validity, i);
			bit_set(c->validity.data, i);
		}
	bits_room(&c->validity, c->rows);
	c->rows++;
}

/* Offsets of 32 bits end at 2 GiB; callers cut batches by size long before (STREAM_BATCH_BYTES). */
static void push_offset(struct column *c, int64_t end)
{
	if (type_offset_width(c->field->type) == 8) {
		memcpy(bytes_extend(&c->offsets, 8), &end, 8);
		return;
	}
	if (end > INT32_MAX) {
		fprintf(stderr, "column '%s': more than 2 GiB in one batch\n", c->field->name);
		exit(1);
	}
	int32_t end32 = (int32_t)end;
	memcpy(bytes_extend(&c->offsets, 4), &end32, 4);
}

/* The slot of a row without a value: zeros, or an empty range. */
static void push_empty(struct column *c)
{
	const struct field *f = c->field;

	if (type_is_fixed(f->type))
		bytes_extend(&c->values, (size_t)field_width(f));
	else if (f->type == T_BOOL)
		bits_room(&c->values, c->rows);
	else if (type_has_bytes(f->type))
		push_offset(c, (int64_t)c->values.len);
	else if (type_offset_width(f->type))
		push_offset(c, c->children[0].rows);
}

/* A row of a child under a null parent: null where the field allows it, else zero, empty. */
static void column_fill(struct column *c)
{
	const struct field *f = c->field;

	if (f->nullable || f->type == T_NULL) {
		column_null(c);
		return;
	}
	push_empty(c);
	for (int i = 0; f->type == T_STRUCT && i < f->n_children; i++)
		column_fill(&c->children[i]);
	for (int32_t i = 0; f->type == T_FIXED_LIST && i < f->list_size; i++)
		column_fill(&c->children[0]);
	row_valid(c);
}

void column_null(struct column *c)
{
	const struct field *f = c->field;

	if (f->type == T_NULL) {
		c->rows++;
		return;
	}
	push_empty(c);
	for (int i = 0; f->type == T_STRUCT && i < f->n_children; i++)
		column_fill(&c->children[i]);
	for (int32_t i = 0; f->type == T_FIXED_LIST && i < f->list_size; i++)
		column_fill(&c->children[0]);
	row_null(c);
}

void column_int(struct column *c, int64_t v)
{
	enum field_type type = type_stored_as(c->field->type);

	if (type == T_BOOL) {
		bits_room(&c->values, c->rows);
		if (v)
			bit_set(c->values.data, c->rows);
	} else if (type >= T_INT8 && type <= T_UINT64) {
		int width = field_width(c->field);
		/* little endian: the low bytes come first */
		memcpy(bytes_extend(&c->values, (size_t)width), &v, (size_t)width);
	} else {
		wrong_type(c, "an integer");
	}
	row_valid(c);
}

void column_fixed(struct column *c, const void *value)
{
	if (!type_is_fixed(c->field->type))
		wrong_type(c, "a value of fixed size");
	bytes_add(&c->values, value, (size_t)field_width(c->field));
	row_valid(c);
}

void column_double(struct column *c, double v)
{
	if (c->field->type == T_FLOAT64) {
		bytes_add(&c->values, &v, sizeof(v));
	} else if (c->field->type == T_FLOAT32) {
		float f = (float)v;
		bytes_add(&c->values, &f, sizeof(f));
	} else if (c->field->type == T_FLOAT16) {
		_Float16 h = (_Float16)v;
		bytes_add(&c->values, &h, sizeof(h));
	} else {
		wrong_type(c, "a float");
	}
	row_valid(c);
}

void column_text(struct column *c, const char *s, size_t n)
{
	if (!type_has_bytes(c->field->type))
		wrong_type(c, "text");
	bytes_add(&c->values, s, n);
	push_offset(c, (int64_t)c->values.len);
	row_valid(c);
}

void column_adopt(struct column *c, struct buf *b)
{
	if (b->len < HANDED_BYTES || c->values.len || !type_has_bytes(c->field->type)) {
		column_text(c, b->data, b->len);
		return;
	}
	mem_free(c->values.data);
	c->values = (struct bytes){(uint8_t *)b->data, b->len, b->cap};
	*b = (struct buf){0};
	push_offset(c, (int64_t)c->values.len);
	row_valid(c);
}

void column_str(struct column *c, const char *s)
{
	column_text(c, s, strlen(s));
}

void column_end_list(struct column *c)
{
	if (c->field->type == T_FIXED_LIST) {
		if (c->children[0].rows != (c->rows + 1) * c->field->list_size)
			wrong_type(c, "a row of another length");
	} else if (type_offset_width(c->field->type) && c->field->n_children == 1) {
		push_offset(c, c->children[0].rows);
	} else {
		wrong_type(c, "a list");
	}
	row_valid(c);
}

void column_end_struct(struct column *c)
{
	if (c->field->type != T_STRUCT)
		wrong_type(c, "a struct");
	for (int i = 0; i < c->field->n_children; i++)
		if (c->children[i].rows != c->rows + 1)
			wrong_type(c, "an incomplete struct");
	row_valid(c);
}

/* n values of a fixed width at once. */
static void push_values(struct column *c, const void *v, int64_t n)
{
	bytes_add(&c->values, v, (size_t)n * (size_t)field_width(c->field));
	if (c->nulls)
		for (int64_t i = 0; i < n; i++) {
			bits_room(&c->validity, c->rows + i);
			bit_set(c->validity.data, c->rows + i);
		}
	c->rows += n;
}

void column_int32s(struct column *c, const int32_t *v, int64_t n)
{
	if (!field_is_list_of(c->field, T_INT32))
		wrong_type(c, "a list of int32");
	push_values(&c->children[0], v, n);
	column_end_list(c);
}

void column_message(struct column *c, const char *role, const char *content, size_t n)
{
	struct column *m = column_child(c, 0);

	for (int i = 0; i < m->field->n_children; i++) {
		struct column *member = &m->children[i];
		if (strcmp(member->field->name, "role") == 0)
			column_str(member, role);
		else if (strcmp(member->field->name, "content") == 0)
			column_text(member, content, n);
		else
			column_fill(member);
	}
	column_end_struct(m);
}

static void copy_elements(struct column *c, const struct array *items, int64_t from, int64_t to)
{
	int width = field_width(c->field);

	if (width && !items->validity) {
		push_values(c, (const char *)items->values + (items->offset + from) * width, to - from);
		return;
	}
	for (int64_t i = from; i < to; i++)
		column_copy(c, items, i);
}

void column_copy(struct column *c, const struct array *a, int64_t row)
{
	const struct field *f = a->field;

	if (f->type != c->field->type)
		wrong_type(c, "a value of another type");
	if (array_is_null(a, row)) {
		column_null(c);
	} else if (type_is_fixed(f->type)) {
		int width = field_width(f);
		bytes_add(&c->values, (const char *)a->values + (a->offset + row) * width, (size_t)width);
		row_valid(c);
	} else if (f->type == T_BOOL) {
		column_int(c, array_int(a, row));
	} else if (type_has_bytes(f->type)) {
		size_t n;
		const char *s = array_text(a, row, &n);
		column_text(c, s, n);
	} else if (f->type == T_STRUCT) {
		for (int i = 0; i < f->n_children; i++)
			column_copy(&c->children[i], &a->children[i], row);
		row_valid(c);
	} else {
		int64_t from, to;
		array_list(a, row, &from, &to);
		copy_elements(&c->children[0], &a->children[0], from, to);
		column_end_list(c);
	}
}
