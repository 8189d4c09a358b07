/* arrow_read.c - a record batch message and its body to arrays, each length checked against what it reaches into.
 *
 * Plain bodies are not copied: arrays point into them. A zstd body is inflated into one block. */
#include "stream/arrow.h"
#include "stream/layout.h"

#include <limits.h>
#include <zstd.h>

struct piece {
	const uint8_t *p;
	int64_t n;
};

struct decoder {
	struct message *m;
	struct fbs_vector nodes;
	struct piece *pieces;                /* the buffers, inflated */
	uint32_t n_pieces, next_piece, next_node;
	struct batch *b;
	struct error *err;
};

static uint32_t piece_count(enum field_type t)
{
	if (t == T_NULL)
		return 0;
	if (t == T_STRUCT || t == T_FIXED_LIST)
		return 1;
	return type_has_bytes(t) ? 3 : 2;
}

static void count_field(const struct field *f, uint32_t *nodes, uint32_t *pieces)
{
	*nodes += 1;
	*pieces += piece_count(f->type);
	for (int i = 0; i < f->n_children; i++)
		count_field(&f->children[i], nodes, pieces);
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

static int64_t load_i64(const uint8_t *p)
{
	int64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* Bytes that buffer i inflates to, checked against the zstd frame's own word; -1 if they disagree. */
static int64_t inflated_bytes(const struct piece *piece)
{
	if (piece->n == 0)
		return 0;
	if (piece->n < 8)
		return -1;
	int64_t n = load_i64(piece->p);
	if (n == -1)
		return piece->n - 8;
	unsigned long long frame = ZSTD_getFrameContentSize(piece->p + 8, (size_t)piece->n - 8);
	if (n < 0 || frame != (unsigned long long)n)
		return -1;
	return n;
}

static enum status inflate_piece(struct decoder *d, uint32_t i, uint8_t *to, int64_t n)
{
	struct piece *piece = &d->pieces[i];

	if (piece->n == 0)
		return OK;
	if (load_i64(piece->p) == -1) {
		memcpy(to, piece->p + 8, (size_t)n);
	} else {
		size_t got = ZSTD_decompress(to, (size_t)n, piece->p + 8, (size_t)piece->n - 8);
		if (ZSTD_isError(got) || got != (size_t)n)
			return error_set(d->err, ERR_DATA, "buffer %u does not decompress", (unsigned)i);
	}
	*piece = (struct piece){ to, n };
	return OK;
}

static enum status inflate(struct decoder *d)
{
	int64_t total = 64;

	for (uint32_t i = 0; i < d->n_pieces; i++) {
		int64_t n = inflated_bytes(&d->pieces[i]);
		if (n < 0)
			return error_set(d->err, ERR_DATA, "buffer %u does not decompress", (unsigned)i);
		if (n > ARROW_BODY_MAX - total)
			return error_set(d->err, ERR_UNSUPPORTED, "batch inflates to more than 4 GiB");
		total += (n + 63) & ~(int64_t)63;
	}
	uint8_t *block = mem_try((size_t)total);
	if (!block)
		return error_set(d->err, ERR_MEMORY, "no memory for a batch of %lld bytes", (long long)total);
	uint8_t *at = block;
	for (uint32_t i = 0; i < d->n_pieces; i++) {
		int64_t n = inflated_bytes(&d->pieces[i]);
		enum status st = inflate_piece(d, i, at, n);
		if (st != OK) {
			mem_free(block);
			return st;
		}
		at += (n + 63) & ~(int64_t)63;
	}
	mem_free(d->b->owned);
	d->b->owned = block;
	return OK;
}

/* --- arrays ------------------------------------------------------------------------------------- */
static enum status bad(struct decoder *d, const struct array *a, const char *what)
{
	return error_set(d->err, ERR_DATA, "column '%s': %s", a->field->name, what);
}

static enum status read_validity(struct decoder *d, struct array *a)
{
	struct piece *p = &d->pieces[d->next_piece++];

	if (a->null_count == 0)
		return OK;
	if (p->n < a->length / 8 + (a->length % 8 != 0))
		return bad(d, a, "validity bitmap is too short");
	a->validity = p->p;
	/* Writers get null_count wrong; the bitmap is what counts. */
	int64_t nulls = 0, i = 0;
	for (; i + 64 <= a->length; i += 64)
		nulls += 64 - __builtin_popcountll((unsigned long long)load_i64(p->p + i / 8));
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
		return bad(d, a, "offsets are too short");
	a->offsets = p->p;
	int64_t last = array_offset(a, 0);
	if (last < 0)
		return bad(d, a, "negative offset");
	for (int64_t i = 1; i <= a->length; i++) {
		int64_t next = array_offset(a, i);
		if (next < last)
			return bad(d, a, "offsets run backwards");
		last = next;
	}
	return OK;
}

/* All rows at once, then that none begins inside a character; only a failure looks at rows. */
static enum status check_utf8(struct decoder *d, const struct array *a)
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
		return bad(d, a, "offsets lead past the data");
	a->values = p->p ? p->p : (const uint8_t *)"";
	a->values_bytes = p->n;
	return field_is_text(a->field) ? check_utf8(d, a) : OK;
}

static enum status read_fixed(struct decoder *d, struct array *a)
{
	struct piece *p = &d->pieces[d->next_piece++];
	int64_t need = a->length / 8 + (a->length % 8 != 0);

	if (a->field->type != T_BOOL && __builtin_mul_overflow(a->length, field_width(a->field), &need))
		return bad(d, a, "too many rows");
	if (p->n < need)
		return bad(d, a, "values are too short");
	a->values = p->p ? p->p : (const uint8_t *)"";
	a->values_bytes = need;
	return OK;
}

static enum status read_array(struct decoder *d, const struct field *f, struct array *a);

static enum status read_children(struct decoder *d, struct array *a)
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
		return bad(d, a, "too many elements");
	for (int i = 0; i < f->n_children; i++) {
		TRY(read_array(d, &f->children[i], &a->children[i]));
		if (a->children[i].length < need)
			return bad(d, a, "child is too short");
	}
	return OK;
}

static enum status read_array(struct decoder *d, const struct field *f, struct array *a)
{
	uint32_t node = d->next_node++;

	a->field = f;
	a->length = fbs_list_i64(&d->nodes, node, 16, 0);
	a->null_count = fbs_list_i64(&d->nodes, node, 16, 8);
	if (a->length < 0 || a->null_count < 0 || a->null_count > a->length)
		return bad(d, a, "impossible row count");
	/* Lengths of all other types are bounded by buffers that lie in the body. */
	bool unbounded = f->type == T_NULL || f->type == T_STRUCT || f->type == T_FIXED_LIST || f->type == T_FIXED_BINARY;
	if (unbounded && a->length > INT32_MAX)
		return bad(d, a, "too many rows");
	if (f->type == T_NULL) {
		a->null_count = a->length;
		return OK;
	}
	TRY(read_validity(d, a));
	if (type_has_bytes(f->type))
		return read_bytes(d, a);
	if (type_offset_width(f->type))
		TRY(read_offsets(d, a));
	else if (f->type != T_STRUCT && f->type != T_FIXED_LIST)
		return read_fixed(d, a);
	return read_children(d, a);
}

static enum status read_batch(struct decoder *d, const struct schema *s, uint8_t *body)
{
	struct fbs_table *t = &d->m->header;
	struct fbs_table codec = fbs_child(t, 3);
	uint32_t n_nodes = 0, n_pieces = 0;

	d->nodes = fbs_list(t, 1, 16);
	struct fbs_vector buffers = fbs_list(t, 2, 16);
	int64_t rows = fbs_int(t, 0, 8, 0);
	if (d->m->fbs.bad)
		return error_set(d->err, ERR_DATA, "message metadata is corrupt");
	if (rows < 0 || rows > INT32_MAX)
		return error_set(d->err, ERR_DATA, "impossible row count %lld", (long long)rows);
	if (codec.pos && (fbs_int(&codec, 0, 1, 0) != 1 || fbs_int(&codec, 1, 1, 0) != 0))
		return error_set(d->err, ERR_UNSUPPORTED, "LZ4 compression is not supported (zstd is)");
	for (int i = 0; i < s->n_fields; i++)
		count_field(&s->fields[i], &n_nodes, &n_pieces);
	if (d->nodes.count != n_nodes || buffers.count != n_pieces)
		return error_set(d->err, ERR_DATA, "batch does not fit the schema");
	d->n_pieces = n_pieces;
	d->pieces = arena_alloc(&d->b->arena, ((size_t)n_pieces + 1) * sizeof(*d->pieces));
	TRY(find_pieces(d, &buffers, body, d->m->body_bytes));
	if (codec.pos)
		TRY(inflate(d));
	d->b->rows = rows;
	for (int i = 0; i < s->n_fields; i++) {
		TRY(read_array(d, &s->fields[i], &d->b->columns[i]));
		if (d->b->columns[i].length != rows)
			return bad(d, &d->b->columns[i], "has another number of rows than the batch");
	}
	return OK;
}

enum status arrow_read_batch(struct message *m, const struct schema *s, uint8_t *body, struct batch **out,
			     struct error *err)
{
	struct decoder d = { .m = m, .err = err };
	enum status st;

	*out = NULL;
	d.b = batch_new(s, 0);
	d.b->owned = body;
	if (m->type == ARROW_DICTIONARY)
		st = error_set(err, ERR_UNSUPPORTED, "dictionary batches are not supported");
	else if (m->type != ARROW_BATCH)
		st = error_set(err, ERR_DATA, m->type == ARROW_SCHEMA ? "a second schema message" : "unknown message type");
	else
		st = read_batch(&d, s, body);
	if (st == OK)
		*out = d.b;
	else
		batch_release(d.b);
	return st;
}
