/* arrow_view.c - columns of views (utf8_view, binary_view) as plain ones.
 *
 * A view is 16 bytes: the length, then up to 12 bytes of the value itself, or four that repeat its beginning (not needed
 * here), the number of one of the column's buffers and the place in it. */
#include "stream/arrow_decode.h"

#define VIEW_BYTES 16
#define INLINE_BYTES 12

struct views {
	const uint8_t *views;
	const struct piece *buffers;
	int64_t n_buffers;
};

static int32_t load_i32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* The bytes of a row's view; false if they lie outside the buffer that it names. */
static bool view_bytes(const struct views *v, int64_t row, const uint8_t **p, int32_t *n)
{
	const uint8_t *view = v->views + row * VIEW_BYTES;
	int32_t buffer, at;

	*n = load_i32(view);
	*p = view + 4;
	if (*n <= INLINE_BYTES)
		return *n >= 0;
	buffer = load_i32(view + 8);
	at = load_i32(view + 12);
	if (buffer < 0 || buffer >= v->n_buffers || at < 0 || at > v->buffers[buffer].n || *n > v->buffers[buffer].n - at)
		return false;
	*p = v->buffers[buffer].p + at;
	return true;
}

static bool row_valid(const struct array *a, int64_t row)
{
	return !a->validity || bit_get(a->validity, row);
}

/* Checks every view and writes the offsets. */
static enum status write_offsets(struct decoder *d, const struct views *v, const struct array *a, int32_t *offsets)
{
	const uint8_t *p;
	int64_t end = 0;
	int32_t n;

	offsets[0] = 0;
	for (int64_t row = 0; row < a->length; row++) {
		if (row_valid(a, row)) {
			if (!view_bytes(v, row, &p, &n))
				return decode_error(d, a, "a view leads outside its buffers");
			end += n;
		}
		if (end > INT32_MAX)
			return error_set(d->err, ERR_UNSUPPORTED, "column '%s': views of more than 2 GiB in one batch", a->field->name);
		offsets[row + 1] = (int32_t)end;
	}
	return OK;
}

static enum status copy_views(struct decoder *d, const struct views *v, struct array *a)
{
	int32_t *offsets = decode_alloc(d, (a->length + 1) * (int64_t)sizeof(*offsets));
	const uint8_t *p;
	int32_t n;

	if (!offsets)
		return decode_no_memory(d, a);
	a->offsets = offsets;
	TRY(write_offsets(d, v, a, offsets));
	a->values_bytes = offsets[a->length];
	uint8_t *to = decode_alloc(d, a->values_bytes);
	if (!to)
		return decode_no_memory(d, a);
	a->values = to;
	for (int64_t row = 0; row < a->length; row++)
		if (row_valid(a, row) && view_bytes(v, row, &p, &n) && n > 0)
			memcpy(to + offsets[row], p, (size_t)n);
	return field_is_text(a->field) ? decode_check_utf8(d, a) : OK;
}

enum status decode_views(struct decoder *d, struct array *a)
{
	struct views v;

	TRY(decode_validity(d, a));
	const struct piece *views = &d->pieces[d->next_piece++];
	v.views = views->p;
	v.buffers = &d->pieces[d->next_piece];
	v.n_buffers = fbs_list_i64(&d->variadics, d->next_variadic++, 8, 0);
	if (v.n_buffers < 0 || v.n_buffers > d->n_pieces - d->next_piece)
		return decode_error(d, a, "more buffers of views than the batch has");
	d->next_piece += (uint32_t)v.n_buffers;
	if (views->n / VIEW_BYTES < a->length)
		return decode_error(d, a, "views are too short");
	return copy_views(d, &v, a);
}
