/* record.c - batches in memory and the accessors that read their rows. */
#include "stream/record.h"

#include "stream/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct batch *batch_retain(struct batch *b)
{
	__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void batch_release(struct batch *b)
{
	while (b && __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		struct batch *base = b->base;
		arena_release(&b->arena);
		mem_free(b->owned);
		input_unmap(&b->map);
		mem_free(b);
		b = base;
	}
}

struct batch *batch_new(const struct schema *s, int64_t rows)
{
	struct batch *b = mem_zalloc(sizeof(*b));

	b->schema = s;
	b->rows = rows;
	b->refs = 1;
	b->arena.block_bytes = 4096;
	b->columns = arena_alloc(&b->arena, (size_t)(s->n_fields + 1) * sizeof(*b->columns));
	memset(b->columns, 0, (size_t)(s->n_fields + 1) * sizeof(*b->columns));
	return b;
}

struct batch *batch_take(struct batch *b, const int64_t *idx, int64_t n)
{
	struct builder *to = builder_open(b->schema);

	for (int c = 0; c < b->schema->n_fields; c++) {
		struct column *col = builder_column(to, c);
		for (int64_t i = 0; i < n; i++)
			column_copy(col, &b->columns[c], idx[i]);
	}
	struct batch *out = builder_finish(to);
	out->rows = n;                       /* also where there is no column to count by */
	builder_close(to);
	return out;
}

bool type_is_fixed(enum field_type t)
{
	return (t >= T_INT8 && t <= T_FLOAT64) || (t >= T_DATE32 && t <= T_FIXED_BINARY);
}

int field_width(const struct field *f)
{
	static const uint8_t interval_bytes[] = { 4, 8, 16 };

	switch (f->type) {
	case T_INT8: case T_UINT8: return 1;
	case T_INT16: case T_UINT16: case T_FLOAT16: return 2;
	case T_INT32: case T_UINT32: case T_FLOAT32: case T_DATE32: case T_TIME32: case T_DECIMAL32: return 4;
	case T_INT64: case T_UINT64: case T_FLOAT64: case T_DATE64: case T_TIME64: return 8;
	case T_TIMESTAMP: case T_DURATION: case T_DECIMAL64: return 8;
	case T_DECIMAL128: return 16;
	case T_DECIMAL256: return 32;
	case T_INTERVAL: return interval_bytes[f->unit];
	case T_FIXED_BINARY: return f->width;
	default: return 0;
	}
}

enum field_type type_stored_as(enum field_type t)
{
	switch (t) {
	case T_DATE32: case T_TIME32: return T_INT32;
	case T_DATE64: case T_TIME64: case T_TIMESTAMP: case T_DURATION: return T_INT64;
	default: return t;
	}
}

int type_offset_width(enum field_type t)
{
	switch (t) {
	case T_UTF8: case T_BINARY: case T_LIST: case T_MAP: return 4;
	case T_LARGE_UTF8: case T_LARGE_BINARY: case T_LARGE_LIST: return 8;
	default: return 0;
	}
}

bool type_has_bytes(enum field_type t)
{
	return t == T_UTF8 || t == T_LARGE_UTF8 || t == T_BINARY || t == T_LARGE_BINARY;
}

static size_t array_bytes(const struct array *a)
{
	size_t n = (size_t)a->values_bytes + (a->validity ? (size_t)(a->length + 7) / 8 : 0);

	if (a->offsets)
		n += (size_t)(a->length + 1) * (size_t)type_offset_width(a->field->type);
	for (int i = 0; i < a->field->n_children; i++)
		n += array_bytes(&a->children[i]);
	return n;
}

/* The name of a field that promises no nulls over an array that has some, or NULL. Under a null parent anything may stand. */
static const char *rebind(struct array *a, const struct field *f)
{
	const char *broken = !f->nullable && f->type != T_NULL && a->null_count ? f->name : NULL;
	a->field = f;
	for (int i = 0; i < f->n_children; i++) {
		const char *below = rebind(&a->children[i], &f->children[i]);
		if (!broken && !a->null_count)
			broken = below;
	}
	return broken;
}

enum status batch_rebind(struct batch *b, const struct schema *s, struct error *err)
{
	const char *broken = NULL;
	b->schema = s;
	for (int i = 0; i < s->n_fields; i++) {
		const char *here = rebind(&b->columns[i], &s->fields[i]);
		broken = broken ? broken : here;
	}
	return broken ? error_set(err, ERR_DATA, "column '%s' has nulls, where the first input's schema has it without", broken) : OK;
}

size_t batch_bytes(const struct batch *b)
{
	size_t n = 0;

	for (int i = 0; i < b->schema->n_fields; i++)
		n += array_bytes(&b->columns[i]);
	return n;
}

static int holds(const void *from, size_t bytes, const char *p, size_t n)
{
	return from && bytes && (const char *)from < p + n && p < (const char *)from + bytes;
}

static int array_holding(const struct array *a, const char *p, size_t n)
{
	int64_t rows = a->offset + a->length;
	int found = holds(a->values, (size_t)a->values_bytes, p, n) + holds(a->validity, (size_t)(rows + 7) / 8, p, n);

	if (a->offsets)
		found += holds(a->offsets, (size_t)(rows + 1) * (size_t)type_offset_width(a->field->type), p, n);
	for (int i = 0; i < a->field->n_children; i++)
		found += array_holding(&a->children[i], p, n);
	return found;
}

int batch_holding(const struct batch *b, const void *p, size_t n)
{
	int found = 0;

	for (int i = 0; i < b->schema->n_fields; i++)
		found += array_holding(&b->columns[i], p, n);
	return found;
}

/* --- reading rows ---------------------------------------------------------------------------- */
const struct array *batch_column(const struct batch *b, const char *name)
{
	int i = schema_find(b->schema, name);

	return i < 0 ? NULL : &b->columns[i];
}

bool array_is_null(const struct array *a, int64_t row)
{
	if (a->field->type == T_NULL)
		return true;
	return a->validity && !bit_get(a->validity, a->offset + row);
}

int64_t array_offset(const struct array *a, int64_t i)
{
	i += a->offset;
	if (type_offset_width(a->field->type) == 8)
		return ((const int64_t *)a->offsets)[i];
	return ((const int32_t *)a->offsets)[i];
}

const char *array_text(const struct array *a, int64_t row, size_t *n)
{
	*n = 0;
	if (!type_has_bytes(a->field->type) || array_is_null(a, row))
		return "";
	int64_t from = array_offset(a, row);
	*n = (size_t)(array_offset(a, row + 1) - from);
	return *n ? (const char *)a->values + from : "";
}

const void *array_fixed(const struct array *a, int64_t row)
{
	if (!type_is_fixed(a->field->type) || array_is_null(a, row))
		return NULL;
	return (const char *)a->values + (a->offset + row) * field_width(a->field);
}

int64_t array_int(const struct array *a, int64_t row)
{
	int64_t i = a->offset + row;

	if (array_is_null(a, row))
		return 0;
	switch (type_stored_as(a->field->type)) {
	case T_BOOL: return bit_get(a->values, i);
	case T_INT8: return ((const int8_t *)a->values)[i];
	case T_INT16: return ((const int16_t *)a->values)[i];
	case T_INT32: return ((const int32_t *)a->values)[i];
	case T_INT64: return ((const int64_t *)a->values)[i];
	case T_UINT8: return ((const uint8_t *)a->values)[i];
	case T_UINT16: return ((const uint16_t *)a->values)[i];
	case T_UINT32: return ((const uint32_t *)a->values)[i];
	case T_UINT64: return (int64_t)((const uint64_t *)a->values)[i];
	case T_FLOAT16: case T_FLOAT32: case T_FLOAT64: {
		double d = array_double(a, row);
		return d >= -9223372036854775808.0 && d < 9223372036854775808.0 ? (int64_t)d : 0;
	}
	default: return 0;
	}
}

/* By way of its text, since strtod rounds right. */
static double decimal_double(const struct array *a, int64_t row)
{
	struct buf b = {0};

	logical_print(a->field, array_fixed(a, row), &b);
	double v = strtod(b.data, NULL);
	buf_release(&b);
	return v;
}

double array_double(const struct array *a, int64_t row)
{
	int64_t i = a->offset + row;

	if (array_is_null(a, row))
		return NAN;
	switch (a->field->type) {
	case T_FLOAT16: return (double)((const _Float16 *)a->values)[i];
	case T_FLOAT32: return ((const float *)a->values)[i];
	case T_FLOAT64: return ((const double *)a->values)[i];
	case T_UINT64: return (double)((const uint64_t *)a->values)[i];
	case T_BOOL: case T_INT8: case T_INT16: case T_INT32: case T_INT64:
	case T_UINT8: case T_UINT16: case T_UINT32:
	case T_DATE32: case T_DATE64: case T_TIME32: case T_TIME64: case T_TIMESTAMP: case T_DURATION:
		return (double)array_int(a, row);
	case T_DECIMAL32: case T_DECIMAL64: case T_DECIMAL128: case T_DECIMAL256:
		return decimal_double(a, row);
	default: return NAN;
	}
}

void array_list(const struct array *a, int64_t row, int64_t *from, int64_t *to)
{
	*from = *to = 0;
	if (array_is_null(a, row))
		return;
	if (a->field->type == T_FIXED_LIST) {
		*from = (a->offset + row) * a->field->list_size;
		*to = *from + a->field->list_size;
	} else if (a->field->type == T_LIST || a->field->type == T_LARGE_LIST || a->field->type == T_MAP) {
		*from = array_offset(a, row);
		*to = array_offset(a, row + 1);
	}
}

const int32_t *array_int32s(const struct array *a, int64_t row, int64_t *n)
{
	int64_t from, to;

	*n = 0;
	if (!field_is_list_of(a->field, T_INT32) || a->children[0].null_count > 0)
		return NULL;
	array_list(a, row, &from, &to);
	*n = to - from;
	static const int32_t none[1];
	if (*n == 0)
		return none;
	return (const int32_t *)a->children[0].values + a->children[0].offset + from;
}

const struct array *array_child(const struct array *a, const char *name)
{
	for (int i = 0; a->field->type == T_STRUCT && i < a->field->n_children; i++)
		if (strcmp(a->field->children[i].name, name) == 0)
			return &a->children[i];
	return NULL;
}
