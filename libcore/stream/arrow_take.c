/* arrow_take.c - the rows of an array that indices name, as a new array: how dictionary-encoded columns become plain.
 *
 * What a few indices make of a large value has no bound in the message, so all memory counts against the decoder's. */
#include "stream/arrow_decode.h"

struct take {
	struct decoder *d;
	const int64_t *idx;                  /* rows of from; -1: none */
	int64_t n;
};

static enum status take(const struct take *t, const struct field *f, const struct array *from, bool may_null, struct array *out);

/* Marks the rows that are null; no bitmap where none is. */
static enum status take_validity(const struct take *t, const struct array *from, bool may_null, struct array *out)
{
	uint8_t *bits = NULL;

	for (int64_t i = 0; i < t->n; i++) {
		if (t->idx[i] < 0 ? !may_null : !array_is_null(from, t->idx[i]))
			continue;
		if (!bits) {
			int64_t bytes = t->n / 8 + 1;
			bits = decode_alloc(t->d, bytes);
			if (!bits)
				return decode_no_memory(t->d, out);
			memset(bits, 0xFF, (size_t)bytes);
		}
		bits[i >> 3] = (uint8_t)(bits[i >> 3] & ~(1u << (i & 7)));
		out->null_count++;
	}
	out->validity = bits;
	return OK;
}

/* Row i has a value: nulls of either kind get an empty slot. */
static bool has_value(const struct take *t, const struct array *from, int64_t i)
{
	return t->idx[i] >= 0 && !array_is_null(from, t->idx[i]);
}

static enum status take_fixed(const struct take *t, const struct array *from, struct array *out)
{
	int64_t width = field_width(out->field), bytes;

	if (__builtin_mul_overflow(t->n, width, &bytes))
		return decode_no_memory(t->d, out);
	char *to = decode_alloc(t->d, bytes);
	if (!to)
		return decode_no_memory(t->d, out);
	out->values = to;
	out->values_bytes = bytes;
	for (int64_t i = 0; i < t->n; i++, to += width) {
		if (has_value(t, from, i))
			memcpy(to, (const char *)from->values + (from->offset + t->idx[i]) * width, (size_t)width);
		else
			memset(to, 0, (size_t)width);
	}
	return OK;
}

static enum status take_bools(const struct take *t, const struct array *from, struct array *out)
{
	int64_t bytes = t->n / 8 + (t->n % 8 != 0);
	uint8_t *to = decode_alloc(t->d, bytes);

	if (!to)
		return decode_no_memory(t->d, out);
	memset(to, 0, (size_t)bytes);
	for (int64_t i = 0; i < t->n; i++)
		if (has_value(t, from, i) && bit_get(from->values, from->offset + t->idx[i]))
			bit_set(to, i);
	out->values = to;
	out->values_bytes = bytes;
	return OK;
}

/* Offsets of the rows' ranges, one behind the other. */
static enum status take_offsets(const struct take *t, const struct array *from, struct array *out)
{
	int width = type_offset_width(out->field->type);
	char *to = decode_alloc(t->d, (t->n + 1) * width);
	int64_t end = 0;

	if (!to)
		return decode_no_memory(t->d, out);
	out->offsets = to;
	memset(to, 0, (size_t)width);
	for (int64_t i = 0; i < t->n; i++) {
		if (has_value(t, from, i))
			end += array_offset(from, t->idx[i] + 1) - array_offset(from, t->idx[i]);
		if (end > (width == 4 ? INT32_MAX : ARROW_BODY_MAX))
			return error_set(t->d->err, ERR_UNSUPPORTED, "column '%s': dictionary values of more than %d GiB in one batch",
					 out->field->name, width == 4 ? 2 : 4);
		memcpy(to + (i + 1) * width, &end, (size_t)width);    /* little endian */
	}
	return OK;
}

static enum status take_bytes(const struct take *t, const struct array *from, struct array *out)
{
	TRY(take_offsets(t, from, out));
	out->values_bytes = array_offset(out, t->n);
	char *to = decode_alloc(t->d, out->values_bytes);
	if (!to)
		return decode_no_memory(t->d, out);
	out->values = to;
	for (int64_t i = 0; i < t->n; i++) {
		size_t n = 0;
		const char *s = t->idx[i] < 0 ? "" : array_text(from, t->idx[i], &n);
		memcpy(to, s, n);
		to += n;
	}
	return OK;
}

/* The elements of the rows of a list or map: their places in from's child. A row of a fixed list has its number of elements
 * also when it has no value. */
static enum status take_elements(const struct take *t, const struct array *from, struct array *out)
{
	const struct field *f = out->field;
	int64_t n, bytes, at = 0;

	if (f->type != T_FIXED_LIST)
		n = array_offset(out, t->n);
	else if (__builtin_mul_overflow(t->n, f->list_size, &n))
		return decode_no_memory(t->d, out);
	int64_t *idx = __builtin_mul_overflow(n, 8, &bytes) ? NULL : decode_alloc(t->d, bytes);
	if (!idx)
		return decode_no_memory(t->d, out);
	for (int64_t i = 0; i < t->n; i++) {
		int64_t begin = 0, end = 0;
		if (t->idx[i] >= 0)
			array_list(from, t->idx[i], &begin, &end);
		for (int64_t k = begin; k < end; k++)
			idx[at++] = k;
		for (int32_t k = 0; f->type == T_FIXED_LIST && begin == end && k < f->list_size; k++)
			idx[at++] = -1;
	}
	struct take elements = { t->d, idx, n };
	return take(&elements, &f->children[0], &from->children[0], f->children[0].nullable, &out->children[0]);
}

static enum status take_members(const struct take *t, const struct array *from, struct array *out)
{
	for (int i = 0; i < out->field->n_children; i++) {
		const struct field *f = &out->field->children[i];
		TRY(take(t, f, &from->children[i], f->nullable, &out->children[i]));
	}
	return OK;
}

static enum status take(const struct take *t, const struct field *f, const struct array *from, bool may_null, struct array *out)
{
	memset(out, 0, sizeof(*out));
	out->field = f;
	out->length = t->n;
	if (f->type == T_NULL) {
		out->null_count = t->n;
		return OK;
	}
	if (f->n_children > 0) {
		out->children = arena_alloc(&t->d->b->arena, (size_t)f->n_children * sizeof(*out->children));
		memset(out->children, 0, (size_t)f->n_children * sizeof(*out->children));
	}
	TRY(take_validity(t, from, may_null, out));
	if (type_is_fixed(f->type))
		return take_fixed(t, from, out);
	if (f->type == T_BOOL)
		return take_bools(t, from, out);
	if (type_has_bytes(f->type))
		return take_bytes(t, from, out);
	if (f->type == T_STRUCT)
		return take_members(t, from, out);
	if (f->type != T_FIXED_LIST)
		TRY(take_offsets(t, from, out));
	return take_elements(t, from, out);
}

enum status decode_take(struct decoder *d, const struct field *f, const struct array *from, const int64_t *idx, int64_t n,
			bool may_null, struct array *out)
{
	struct take t = { d, idx, n };

	return take(&t, f, from, may_null, out);
}
