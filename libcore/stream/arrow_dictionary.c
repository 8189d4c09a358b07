/* arrow_dictionary.c - dictionaries of a stream, kept as they come, and columns of indices into them. */
#include "stream/arrow_decode.h"

#define DICTIONARY_BYTES_MAX INT32_MAX            /* of one that has grown by deltas */

/* --- the encodings of a schema ------------------------------------------------------------------ */
void wires_free(struct wire *wires, const struct field *fields, int n)
{
	for (int i = 0; wires && i < n; i++)
		wires_free(wires[i].children, fields[i].children, fields[i].n_children);
	mem_free(wires);
}

static bool all_plain(const struct wire *wires, const struct field *fields, int n)
{
	for (int i = 0; i < n; i++)
		if (wires[i].view || wires[i].encoded || !all_plain(wires[i].children, fields[i].children, fields[i].n_children))
			return false;
	return true;
}

/* Two columns whose dictionary is one must see the same values in its batch. */
static bool same_form(const struct wire *a, const struct wire *b, const struct field *f)
{
	if (a->view != b->view)
		return false;
	for (int i = 0; i < f->n_children; i++) {
		const struct wire *ca = &a->children[i], *cb = &b->children[i];
		if (ca->encoded != cb->encoded || (ca->encoded && ca->id != cb->id) || !same_form(ca, cb, &f->children[i]))
			return false;
	}
	return true;
}

/* Place of the id among the dictionaries, or where it belongs. */
static int find_id(const struct encodings *e, int64_t id)
{
	int from = 0, to = e->n_dictionaries;

	while (from < to) {
		int middle = (from + to) / 2;
		if (e->dictionaries[middle]->id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static struct dictionary *find_dictionary(const struct encodings *e, int64_t id)
{
	int i = find_id(e, id);

	return i < e->n_dictionaries && e->dictionaries[i]->id == id ? e->dictionaries[i] : NULL;
}

static struct dictionary *add_dictionary(struct encodings *e, const struct wire *w, const struct field *f)
{
	struct dictionary *x = mem_zalloc(sizeof(*x));
	int at = find_id(e, w->id);

	x->id = w->id;
	x->wire = w;
	schema_add(&x->schema, f);
	e->dictionaries = mem_grow(e->dictionaries, (size_t)e->n_dictionaries + 1, sizeof(*e->dictionaries));
	memmove(&e->dictionaries[at + 1], &e->dictionaries[at], (size_t)(e->n_dictionaries++ - at) * sizeof(*e->dictionaries));
	e->dictionaries[at] = x;
	return x;
}

static enum status link_wires(struct encodings *e, struct wire *wires, const struct field *fields, int n, struct error *err)
{
	for (int i = 0; i < n; i++) {
		struct wire *w = &wires[i];
		const struct field *f = &fields[i];
		if (w->encoded) {
			w->dictionary = find_dictionary(e, w->id);
			if (!w->dictionary)
				w->dictionary = add_dictionary(e, w, f);
			else if (!field_type_equal(&w->dictionary->schema.fields[0], f) || !same_form(w->dictionary->wire, w, f))
				return error_set(err, ERR_DATA, "column '%s': dictionary %lld has values of another type elsewhere", f->name,
						 (long long)w->id);
		}
		TRY(link_wires(e, w->children, f->children, f->n_children, err));
	}
	return OK;
}

enum status encodings_open(struct encodings **out, const struct schema *s, struct wire *wires, struct error *err)
{
	struct schema shapes;

	*out = NULL;
	if (all_plain(wires, s->fields, s->n_fields)) {
		wires_free(wires, s->fields, s->n_fields);
		return OK;
	}
	struct encodings *e = mem_zalloc(sizeof(*e));
	schema_copy(&shapes, &(struct schema){ .n_fields = s->n_fields, .fields = s->fields });
	e->fields = shapes.fields;
	e->n_fields = shapes.n_fields;
	e->wires = wires;
	enum status st = link_wires(e, wires, e->fields, e->n_fields, err);
	if (st == OK)
		*out = e;
	else
		encodings_close(e);
	return st;
}

static void dictionary_clear(struct dictionary *x)
{
	batch_release(x->batch);
	column_close(x->grown);
	arena_reset(&x->arena);
	x->batch = NULL;
	x->grown = NULL;
	x->present = false;
}

void encodings_close(struct encodings *e)
{
	if (!e)
		return;
	for (int i = 0; i < e->n_dictionaries; i++) {
		dictionary_clear(e->dictionaries[i]);
		arena_release(&e->dictionaries[i]->arena);
		schema_release(&e->dictionaries[i]->schema);
		mem_free(e->dictionaries[i]);
	}
	wires_free(e->wires, e->fields, e->n_fields);
	schema_release(&(struct schema){ .n_fields = e->n_fields, .fields = e->fields });
	mem_free(e->dictionaries);
	mem_free(e);
}

bool encodings_have_dictionaries(const struct encodings *e)
{
	return e && e->n_dictionaries > 0;
}

/* --- dictionary messages ------------------------------------------------------------------------ */
static void append_rows(struct dictionary *x, const struct array *a)
{
	for (int64_t row = 0; row < a->length; row++)
		column_copy(x->grown, a, row);
}

static enum status grow(struct dictionary *x, const struct batch *b, struct error *err)
{
	struct batch had = { .schema = &x->schema, .columns = &x->values };

	if (batch_bytes(&had) + batch_bytes(b) > DICTIONARY_BYTES_MAX)
		return error_set(err, ERR_UNSUPPORTED, "deltas of more than 2 GiB");
	if (!x->grown) {
		x->grown = column_open(&x->schema.fields[0]);
		append_rows(x, &x->values);
		batch_release(x->batch);
		x->batch = NULL;
	}
	append_rows(x, &b->columns[0]);
	arena_reset(&x->arena);
	column_view(x->grown, &x->arena, &x->values);
	return OK;
}

/* Takes over b, the values of the message. */
static enum status keep(struct dictionary *x, struct batch *b, bool delta, struct error *err)
{
	if (delta && x->present) {
		enum status st = grow(x, b, err);
		batch_release(b);
		return st;
	}
	dictionary_clear(x);
	x->batch = b;
	x->values = b->columns[0];
	x->present = true;
	return OK;
}

static enum status read_dictionary(struct decoder *d, struct encodings *e, struct body body)
{
	static const struct schema none;
	struct fbs_table *t = &d->m->header;
	int64_t id = fbs_int(t, 0, 8, 0);
	struct fbs_table data = fbs_child(t, 1);
	bool delta = fbs_int(t, 2, 1, 0) != 0;
	struct dictionary *x = e ? find_dictionary(e, id) : NULL;

	d->b = batch_new(x ? &x->schema : &none, 0);
	d->b->owned = body.owned;
	d->b->map = body.map;
	if (d->m->fbs.bad || !data.pos)
		return error_set(d->err, ERR_DATA, "message metadata is corrupt");
	if (!x)
		return error_set(d->err, ERR_DATA, "dictionary %lld, which no column has", (long long)id);
	enum status st = decode_table(d, &data, &x->schema, x->wire, true, body.p);
	if (st == OK)
		st = keep(x, batch_retain(d->b), delta, d->err);
	return st == OK ? OK : error_prefix(d->err, st, "dictionary %lld", (long long)id);
}

enum status arrow_read_dictionary(struct message *m, struct encodings *e, struct body body, struct error *err)
{
	struct decoder d = { .m = m, .err = err };
	enum status st = read_dictionary(&d, e, body);

	batch_release(d.b);
	return st;
}

/* --- columns of indices ------------------------------------------------------------------------- */
/* One loop for each width, so that none asks which in its middle; unsigned 64-bit values beyond a row number are negative. */
static void widen(const uint8_t *p, enum field_type t, int64_t n, int64_t *to)
{
#define WIDEN(type) for (int64_t i = 0; i < n; i++) to[i] = (int64_t)((const type *)(const void *)p)[i]; break
	switch (t) {
	case T_INT8: WIDEN(int8_t);
	case T_UINT8: WIDEN(uint8_t);
	case T_INT16: WIDEN(int16_t);
	case T_UINT16: WIDEN(uint16_t);
	case T_INT32: WIDEN(int32_t);
	case T_UINT32: WIDEN(uint32_t);
	default: WIDEN(int64_t);
	}
#undef WIDEN
}

/* Row numbers of the dictionary, -1 where the column is null. */
static enum status read_indices(struct decoder *d, const struct wire *w, const struct piece *p, struct array *a, int64_t *idx)
{
	int64_t rows = w->dictionary->present ? w->dictionary->values.length : 0;

	widen(p->p, w->index, a->length, idx);
	for (int64_t i = 0; i < a->length; i++) {
		if (a->validity && !bit_get(a->validity, i)) {
			idx[i] = -1;
			continue;
		}
		if (!w->dictionary->present)
			return error_set(d->err, ERR_DATA, "column '%s': its dictionary has not come", a->field->name);
		if (idx[i] < 0 || idx[i] >= rows)
			return error_set(d->err, ERR_DATA, "column '%s': row %lld points past the %lld values of its dictionary",
					 a->field->name, (long long)i, (long long)rows);
	}
	return OK;
}

/* A dictionary that has not come may be one of no values. */
static struct array *no_values(struct decoder *d, const struct field *f)
{
	struct array *a = arena_alloc(&d->b->arena, sizeof(*a));
	static const int64_t zero[1];

	memset(a, 0, sizeof(*a));
	a->field = f;
	a->offsets = zero;
	a->values = zero;
	if (f->n_children > 0)
		a->children = arena_alloc(&d->b->arena, (size_t)f->n_children * sizeof(*a->children));
	for (int i = 0; i < f->n_children; i++)
		a->children[i] = *no_values(d, &f->children[i]);
	return a;
}

enum status decode_indices(struct decoder *d, const struct wire *w, struct array *a)
{
	const struct field index = { .name = a->field->name, .type = w->index };
	int64_t bytes;

	TRY(decode_validity(d, a));
	const struct piece *p = &d->pieces[d->next_piece++];
	if (p->n / field_width(&index) < a->length)
		return decode_error(d, a, "indices are too short");
	int64_t *idx = __builtin_mul_overflow(a->length, 8, &bytes) ? NULL : mem_try((size_t)bytes);
	if (!idx)
		return decode_no_memory(d, a);
	enum status st = read_indices(d, w, p, a, idx);
	const struct array *values = w->dictionary->present ? &w->dictionary->values : NULL;
	if (st == OK)
		st = decode_take(d, a->field, values ? values : no_values(d, a->field), idx, a->length, true, a);
	mem_free(idx);
	return st;
}
