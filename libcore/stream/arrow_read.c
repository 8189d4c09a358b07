/* arrow_read.c - a record batch message and its body to arrays, each length checked against what it reaches into.
 *
 * Plain bodies are not copied: arrays point into them. A compressed body is inflated into one block. Dictionary indices and
 * views become plain columns in memory of the batch's own. */
#include "stream/arrow_decode.h"

#include <limits.h>

static uint32_t piece_count(enum field_type t)
{
	if (t == T_NULL)
		return 0;
	if (t == T_STRUCT || t == T_FIXED_LIST)
		return 1;
	return type_has_bytes(t) ? 3 : 2;
}

struct counts {
	uint64_t nodes, pieces, variadics;
};

/* What a batch must bring for a column; values: of a dictionary, whose own column is not indices. */
static void count_field(struct decoder *d, const struct field *f, const struct wire *w, bool values, struct counts *n)
{
	n->nodes++;
	n->pieces += w && w->encoded && !values ? 2 : piece_count(f->type);
	if (w && w->encoded && !values)
		return;
	if (w && w->view) {
		/* validity and views, then as many buffers as the message says */
		n->pieces--;
		if (n->variadics < d->variadics.count)
			n->pieces += (uint64_t)fbs_list_i64(&d->variadics, (uint32_t)n->variadics, 8, 0) & UINT32_MAX;
		n->variadics++;
	}
	for (int i = 0; i < f->n_children; i++)
		count_field(d, &f->children[i], w ? &w->children[i] : NULL, false, n);
}

/* The buffers' places in the body as it came. */
static enum status find_pieces(struct decoder *d, struct fbs_vector *v, const uint8_t *body, int64_t body_bytes)
{
	for (uint32_t i = 0; i < v->count; i++) {
		int64_t offset = fbs_list_i64(v, i, 16, 0);
		int64_t n = fbs_list_i64(v, i, 16, 8);
		if (offset < 0 || n < 0 || offset > body_bytes || n > body_bytes - offset)
			return error_set(d->err, ERR_DATA, "buffer %u lies outside the body", (unsigned)i);
		if (offset % 8)
			return error_set(d->err, ERR_DATA, "buffer %u is not aligned", (unsigned)i);
		d->pieces[i] = (struct piece){ n ? body + offset : NULL, n };
	}
	return OK;
}

/* --- arrays ------------------------------------------------------------------------------------- */
enum status decode_error(struct decoder *d, const struct array *a, const char *what)
{
	return error_set(d->err, ERR_DATA, "column '%s': %s", a->field->name, what);
}

static unsigned long long load_word(const uint8_t *p)
{
	unsigned long long v;

	memcpy(&v, p, 8);
	return v;
}

enum status decode_validity(struct decoder *d, struct array *a)
{
	struct piece *p = &d->pieces[d->next_piece++];

	if (a->null_count == 0)
		return OK;
	if (p->n < a->length / 8 + (a->length % 8 != 0))
		return decode_error(d, a, "validity bitmap is too short");
	a->validity = p->p;
	/* Writers get null_count wrong; the bitmap is what counts. */
	int64_t nulls = 0, i = 0;
	for (; i + 64 <= a->length; i += 64)
		nulls += 64 - __builtin_popcountll(load_word(p->p + i / 8));
	for (; i < a->length; i++)
		nulls += !bit_get(p->p, i);
	a->null_count = nulls;
	if (nulls == 0)
		a->validity = NULL;
	return OK;
}

static enum status read_offsets(struct decoder *d, struct array *a)
{
	static const int64_t zero[1];
	struct piece *p = &d->pieces[d->next_piece++];
	int width = type_offset_width(a->field->type);

	if (a->length == 0) {                /* one offset, or none at all */
		a->offsets = zero;
		return OK;
	}
	if (p->n / width <= a->length)
		return decode_error(d, a, "offsets are too short");
	a->offsets = p->p;
	int64_t last = array_offset(a, 0);
	if (last < 0)
		return decode_error(d, a, "negative offset");
	for (int64_t i = 1; i <= a->length; i++) {
		int64_t next = array_offset(a, i);
		if (next < last)
			return decode_error(d, a, "offsets run backwards");
		last = next;
	}
	return OK;
}

/* All rows at once, then that none begins inside a character; only a failure looks at rows. */
enum status decode_check_utf8(struct decoder *d, const struct array *a)
{
	const char *s = a->values;
	int64_t from = array_offset(a, 0), to = array_offset(a, a->length);
	bool good = utf8_valid(s + from, (size_t)(to - from));

	for (int64_t i = 1; good && i < a->length; i++) {
		int64_t at = array_offset(a, i);
		good = at == to || (s[at] & 0xC0) != 0x80;
	}
	for (int64_t row = 0; !good && row < a->length; row++) {
		size_t n;
		const char *t = array_text(a, row, &n);
		if (!utf8_valid(t, n))
			return error_set(d->err, ERR_DATA, "column '%s': row %lld is not UTF-8", a->field->name, (long long)row);
	}
	return OK;
}

static enum status read_bytes(struct decoder *d, struct array *a)
{
	TRY(read_offsets(d, a));
	struct piece *p = &d->pieces[d->next_piece++];
	if (array_offset(a, a->length) > p->n)
		return decode_error(d, a, "offsets lead past the data");
	a->values = p->p ? p->p : (const uint8_t *)"";
	a->values_bytes = p->n;
	return field_is_text(a->field) ? decode_check_utf8(d, a) : OK;
}

static enum status read_fixed(struct decoder *d, struct array *a)
{
	struct piece *p = &d->pieces[d->next_piece++];
	int64_t need = a->length / 8 + (a->length % 8 != 0);

	if (a->field->type != T_BOOL && __builtin_mul_overflow(a->length, field_width(a->field), &need))
		return decode_error(d, a, "too many rows");
	if (p->n < need)
		return decode_error(d, a, "values are too short");
	a->values = p->p ? p->p : (const uint8_t *)"";
	a->values_bytes = need;
	return OK;
}

static enum status read_array(struct decoder *d, const struct field *f, const struct wire *w, bool values, struct array *a);

static enum status read_children(struct decoder *d, const struct wire *w, struct array *a)
{
	const struct field *f = a->field;
	int64_t need = a->length;

	if (f->n_children > 0) {
		a->children = arena_alloc(&d->b->arena, (size_t)f->n_children * sizeof(*a->children));
		memset(a->children, 0, (size_t)f->n_children * sizeof(*a->children));
	}
	if (type_offset_width(f->type))
		need = array_offset(a, a->length);
	else if (f->type == T_FIXED_LIST && __builtin_mul_overflow(a->length, f->list_size, &need))
		return decode_error(d, a, "too many elements");
	for (int i = 0; i < f->n_children; i++) {
		TRY(read_array(d, &f->children[i], w ? &w->children[i] : NULL, false, &a->children[i]));
		if (a->children[i].length < need)
			return decode_error(d, a, "child is too short");
	}
	return OK;
}

enum status decode_node(struct decoder *d, struct array *a)
{
	uint32_t node = d->next_node++;

	a->length = fbs_list_i64(&d->nodes, node, 16, 0);
	a->null_count = fbs_list_i64(&d->nodes, node, 16, 8);
	if (a->length < 0 || a->null_count < 0 || a->null_count > a->length)
		return decode_error(d, a, "impossible row count");
	return OK;
}

static enum status read_array(struct decoder *d, const struct field *f, const struct wire *w, bool values, struct array *a)
{
	a->field = f;
	TRY(decode_node(d, a));
	if (w && w->encoded && !values)
		return decode_indices(d, w, a);
	if (w && w->view)
		return decode_views(d, a);
	/* Lengths of all other types are bounded by buffers that lie in the body. */
	bool unbounded = f->type == T_NULL || f->type == T_STRUCT || f->type == T_FIXED_LIST || f->type == T_FIXED_BINARY;
	if (unbounded && a->length > INT32_MAX)
		return decode_error(d, a, "too many rows");
	if (f->type == T_NULL) {
		a->null_count = a->length;
		return OK;
	}
	TRY(decode_validity(d, a));
	if (type_has_bytes(f->type))
		return read_bytes(d, a);
	if (type_offset_width(f->type))
		TRY(read_offsets(d, a));
	else if (f->type != T_STRUCT && f->type != T_FIXED_LIST)
		return read_fixed(d, a);
	return read_children(d, w, a);
}

void *decode_alloc(struct decoder *d, int64_t bytes)
{
	if (bytes < 0 || bytes > d->left)
		return NULL;
	d->left -= bytes;
	return arena_try(&d->b->arena, (size_t)bytes + 8);
}

enum status decode_no_memory(struct decoder *d, const struct array *a)
{
	return error_set(d->err, ERR_MEMORY, "column '%s': no memory for its values (at most 4 GiB in a batch)", a->field->name);
}

/* The message has as many arrays and buffers as the schema asks for; room for the buffers. */
static enum status open_table(struct decoder *d, struct fbs_table *t, const struct schema *s, const struct wire *wires,
			      bool values, struct fbs_vector *buffers)
{
	struct counts n = {0};

	d->nodes = fbs_list(t, 1, 16);
	*buffers = fbs_list(t, 2, 16);
	d->variadics = fbs_list(t, 4, 8);
	if (d->m->fbs.bad)
		return error_set(d->err, ERR_DATA, "message metadata is corrupt");
	for (int i = 0; i < s->n_fields; i++)
		count_field(d, &s->fields[i], wires ? &wires[i] : NULL, values, &n);
	if (d->nodes.count != n.nodes || buffers->count != n.pieces || n.variadics > d->variadics.count)
		return error_set(d->err, ERR_DATA, "batch does not fit the schema");
	d->n_pieces = buffers->count;
	d->pieces = arena_alloc(&d->b->arena, ((size_t)d->n_pieces + 1) * sizeof(*d->pieces));
	return OK;
}

enum status decode_table(struct decoder *d, struct fbs_table *t, const struct schema *s, const struct wire *wires,
			 bool values, const uint8_t *body)
{
	struct fbs_table codec = fbs_child(t, 3);
	int64_t rows = fbs_int(t, 0, 8, 0);
	struct fbs_vector buffers;

	TRY(open_table(d, t, s, wires, values, &buffers));
	if (rows < 0 || rows > INT32_MAX)
		return error_set(d->err, ERR_DATA, "impossible row count %lld", (long long)rows);
	TRY(find_pieces(d, &buffers, body, d->m->body_bytes));
	if (codec.pos)
		TRY(decode_inflate(d, &codec));
	d->left = ARROW_BODY_MAX;
	d->b->rows = rows;
	for (int i = 0; i < s->n_fields; i++) {
		TRY(read_array(d, &s->fields[i], wires ? &wires[i] : NULL, values, &d->b->columns[i]));
		if (d->b->columns[i].length != rows)
			return decode_error(d, &d->b->columns[i], "has another number of rows than the batch");
	}
	return OK;
}

enum status arrow_read_batch(struct message *m, const struct schema *s, const struct encodings *e, struct body body,
			     struct batch **out, struct error *err)
{
	struct decoder d = { .m = m, .err = err };
	enum status st;

	*out = NULL;
	d.b = batch_new(s, 0);
	d.b->owned = body.owned;
	d.b->map = body.map;
	if (m->type != ARROW_BATCH)
		st = error_set(err, ERR_DATA, m->type == ARROW_SCHEMA ? "a second schema message" : "unknown message type");
	else
		st = decode_table(&d, &m->header, s, e ? e->wires : NULL, false, body.p);
	if (st == OK)
		*out = d.b;
	else
		batch_release(d.b);
	return st;
}
