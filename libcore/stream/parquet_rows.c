/* parquet_rows.c - levels and values to nested rows (Melnik et al., "Dremel", 2010), and values to our types. */
#include "stream/arrow.h"
#include "stream/layout.h"
#include "stream/parquet.h"

#include <string.h>

#define JULIAN_EPOCH 2440588                     /* 1970-01-01 as a Julian day */
#define DAY_NS (86400 * (int64_t)1000000000)

/* --- values ------------------------------------------------------------------------------------------- */

/* A two's complement number of n bytes, of either order, widened to the field's. */
static bool append_decimal(struct column *to, const struct field *f, const uint8_t *p, size_t n, bool big_endian)
{
	uint8_t wide[32];
	size_t width = (size_t)field_width(f);

	if (n == 0)
		return false;
	uint8_t sign = p[big_endian ? 0 : n - 1] & 128 ? 255 : 0;
	memset(wide, sign, sizeof(wide));
	for (size_t i = 0; i < n; i++) {
		uint8_t b = p[big_endian ? n - 1 - i : i];
		if (i < width)
			wide[i] = b;
		else if (b != sign) /* it does not fit */
			return false;
	}
	column_fixed(to, wide);
	return true;
}

/* INT96: nanoseconds of the day, then the Julian day. */
static bool append_int96(struct column *to, const uint8_t *p)
{
	int64_t ns, at;
	uint32_t day;

	memcpy(&ns, p, 8);
	memcpy(&day, p + 8, 4);
	if (__builtin_mul_overflow((int64_t)day - JULIAN_EPOCH, DAY_NS, &at) || __builtin_add_overflow(at, ns, &at))
		return false;
	column_fixed(to, &at);
	return true;
}

static bool append_small_int(struct column *to, const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	switch (column_field(to)->type) {
	case T_INT8: v = (int8_t)v; break;
	case T_UINT8: v = (uint8_t)v; break;
	case T_INT16: v = (int16_t)v; break;
	default: v = (uint16_t)v;
	}
	column_int(to, v);
	return true;
}

static bool append_text(struct column *to, const uint8_t *p, size_t n, bool utf8)
{
	if (utf8 && !utf8_valid((const char *)p, n))
		return false;
	column_text(to, (const char *)p, n);
	return true;
}

static bool append_value(struct column *to, const struct parquet_leaf *leaf, const uint8_t *p, size_t n)
{
	const struct field *f = leaf->field;

	switch (f->type) {
	case T_NULL: column_null(to); return true;
	case T_BOOL: column_int(to, p[0] != 0); return true;
	case T_INT8: case T_UINT8: case T_INT16: case T_UINT16: return append_small_int(to, p);
	case T_UTF8: return append_text(to, p, n, true);
	case T_BINARY: return append_text(to, p, n, false);
	case T_DECIMAL128: case T_DECIMAL256:
		return append_decimal(to, f, p, n, leaf->type == PQ_FIXED || leaf->type == PQ_BYTE_ARRAY);
	case T_TIMESTAMP:
		if (leaf->type == PQ_INT96)
			return append_int96(to, p);
		break;
	default: break;
	}
	column_fixed(to, p);
	return true;
}

enum status parquet_column_take(struct parquet_column *c, struct column *to, struct error *err)
{
	const uint8_t *p;
	size_t n;
	bool there = c->def == (uint32_t)c->leaf->def_max;

	c->loaded = false;
	if (there && !parquet_values_next(&c->values, &p, &n))
		return error_set(err, ERR_DATA, "a page's values are corrupt");
	if (!to)
		return OK;
	if (!there)
		column_null(to);
	else if (!append_value(to, c->leaf, p, n))
		return error_set(err, ERR_DATA, "a value is not valid %s", c->leaf->field->type == T_UTF8 ? "UTF-8" : "for its type");
	return OK;
}

/* --- rows ------------------------------------------------------------------------------------------------- */

/* An error of a leaf, with its name. END in the midst of a row is one too. */
static enum status at_leaf(const struct parquet_column *c, enum status st, struct error *err)
{
	if (st == END)
		st = error_set(err, ERR_DATA, "its values end in the midst of a row");
	return st == OK || st == ERR_IO ? st : error_prefix(err, st, "column '%s'", c->leaf->path);
}

static enum status peek(struct parquet_column *c, struct error *err)
{
	return at_leaf(c, parquet_column_peek(c, err), err);
}

/* The one level that each leaf below has for a null or an empty list. */
static enum status pass_leaves(const struct parquet_node *n, struct parquet_column *columns, struct error *err)
{
	for (int i = n->first_leaf; i < n->first_leaf + n->n_leaves; i++) {
		struct parquet_column *c = &columns[i];
		TRY(peek(c, err));
		if (c->def == (uint32_t)c->leaf->def_max)
			return at_leaf(c, error_set(err, ERR_DATA, "it has a value where another column says that there is none"), err);
		TRY(at_leaf(c, parquet_column_take(c, NULL, err), err));
	}
	return OK;
}

static enum status append_list(const struct parquet_node *n, const struct field *f, struct parquet_column *columns, struct column *to,
			       struct error *err)
{
	struct parquet_column *first = &columns[n->first_leaf];

	if (first->def == (uint32_t)n->def) {
		TRY(pass_leaves(n, columns, err));
	} else {
		do {
			TRY(parquet_append_row(&n->children[0], &f->children[0], columns, column_child(to, 0), err));
			enum status st = parquet_column_peek(first, err);
			if (st == END)
				break;
			TRY(at_leaf(first, st, err));
		} while (first->rep == (uint32_t)n->rep);
		if (first->loaded && first->rep > (uint32_t)n->rep)
			return at_leaf(first, error_set(err, ERR_DATA, "its repetition levels are corrupt"), err);
	}
	column_end_list(to);
	return OK;
}

enum status parquet_append_row(const struct parquet_node *n, const struct field *f, struct parquet_column *columns,
			       struct column *to, struct error *err)
{
	struct parquet_column *first = &columns[n->first_leaf];

	TRY(peek(first, err));
	if (n->n_children == 0)
		return at_leaf(first, parquet_column_take(first, to, err), err);
	if (first->def < (uint32_t)n->def) {
		TRY(pass_leaves(n, columns, err));
		column_null(to);
		return OK;
	}
	if (f->type != T_STRUCT)
		return append_list(n, f, columns, to, err);
	for (int i = 0; i < n->n_children; i++)
		TRY(parquet_append_row(&n->children[i], &f->children[i], columns, column_child(to, i), err));
	column_end_struct(to);
	return OK;
}
