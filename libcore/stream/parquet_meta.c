/* parquet_meta.c - the footer of a Parquet file: what columns there are and where their chunks stand. */
#include "stream/parquet.h"
#include "stream/arrow.h"

#include <inttypes.h>

#define TAIL_BYTES 8                          /* the footer's length and the magic, again */
#define FIELDS_MAX 65536

/* ConvertedType, the older names of what LogicalType says. */
static void converted(struct pq_element *e, int32_t type)
{
	static const int8_t meaning[] = {
		PQ_STRING, PQ_MAP, PQ_MAP, PQ_LIST, PQ_ENUM, PQ_DECIMAL, PQ_DATE, PQ_TIME, PQ_TIME, PQ_TIMESTAMP, PQ_TIMESTAMP,
		PQ_INTEGER, PQ_INTEGER, PQ_INTEGER, PQ_INTEGER, PQ_INTEGER, PQ_INTEGER, PQ_INTEGER, PQ_INTEGER, PQ_JSON, PQ_BSON
	};

	if (type < 0 || type >= (int32_t)sizeof(meaning))
		return;                      /* INTERVAL among them: its bytes are what we show */
	e->meaning = meaning[type];
	e->unit = type == 7 || type == 9 ? UNIT_MS : UNIT_US;
	e->utc = true;
	e->is_signed = type >= 15;
	e->bits = 8 << ((type - 11) & 3);
}

static int32_t read_unit(struct thrift *t, const struct thrift_field *outer)
{
	static const int32_t units[] = { -1, UNIT_MS, UNIT_US, UNIT_NS };
	struct thrift_field f = {0};
	int32_t unit = -1;

	if (!thrift_struct(t, outer))
		return -1;
	while (thrift_next(t, &f)) {
		unit = f.id >= 1 && f.id <= 3 ? units[f.id] : -1;
		thrift_skip(t, &f);
	}
	return unit;
}

/* The parameters of a logical type; each has its own numbers for them. */
static void read_parameters(struct thrift *t, struct pq_element *e)
{
	struct thrift_field f = {0};

	while (thrift_next(t, &f)) {
		bool time = e->meaning == PQ_TIME || e->meaning == PQ_TIMESTAMP;
		if (e->meaning == PQ_DECIMAL && f.id == 1)
			e->scale = thrift_int32(t, &f);
		else if (e->meaning == PQ_DECIMAL && f.id == 2)
			e->precision = thrift_int32(t, &f);
		else if (time && f.id == 1)
			e->utc = thrift_bool(t, &f);
		else if (time && f.id == 2)
			e->unit = read_unit(t, &f);
		else if (e->meaning == PQ_INTEGER && f.id == 1)
			e->bits = thrift_int32(t, &f);
		else if (e->meaning == PQ_INTEGER && f.id == 2)
			e->is_signed = thrift_bool(t, &f);
		else
			thrift_skip(t, &f);
	}
}

static void read_logical(struct thrift *t, const struct thrift_field *outer, struct pq_element *e)
{
	struct thrift_field f = {0};

	if (!thrift_struct(t, outer))
		return;
	while (thrift_next(t, &f)) {
		e->meaning = f.id;
		if (thrift_struct(t, &f))
			read_parameters(t, e);
	}
}

static void read_element(struct thrift *t, struct pq_meta *m, struct pq_element *e)
{
	struct thrift_field f = {0};
	int32_t old = -1;
	bool logical = false;
	size_t n;
	const char *name;

	*e = (struct pq_element){ .type = -1, .name = "" };
	while (thrift_next(t, &f)) {
		switch (f.id) {
		case 1: e->type = thrift_int32(t, &f); break;
		case 2: e->width = thrift_int32(t, &f); break;
		case 3: e->repetition = thrift_int32(t, &f); break;
		case 4:
			name = thrift_binary(t, &f, &n);
			/* A name that is none is refused with the schema. */
			e->name = memchr(name, 0, n) || !utf8_valid(name, n) ? NULL : arena_strndup(&m->arena, name, n);
			break;
		case 5: e->n_children = thrift_int32(t, &f); break;
		case 6: old = thrift_int32(t, &f); break;
		case 7: e->scale = thrift_int32(t, &f); break;
		case 8: e->precision = thrift_int32(t, &f); break;
		case 10:
			read_logical(t, &f, e);
			logical = true;
			break;
		default: thrift_skip(t, &f);
		}
	}
	if (!logical)
		converted(e, old);
}

static void read_column(struct thrift *t, const struct thrift_field *outer, struct pq_chunk *c)
{
	struct thrift_field f = {0};
	int64_t dictionary_at = 0;

	if (!thrift_struct(t, outer))
		return;
	while (thrift_next(t, &f)) {
		switch (f.id) {
		case 1: c->type = thrift_int32(t, &f); break;
		case 4: c->codec = thrift_int32(t, &f); break;
		case 5: c->values = thrift_int(t, &f); break;
		case 7: c->bytes = thrift_int(t, &f); break;
		case 9: c->at = thrift_int(t, &f); break;
		case 11: dictionary_at = thrift_int(t, &f); break;
		default: thrift_skip(t, &f);
		}
	}
	if (dictionary_at > 0 && (dictionary_at < c->at || c->at == 0))
		c->at = dictionary_at;
}

static void read_chunk(struct thrift *t, struct pq_chunk *c)
{
	struct thrift_field f = {0};
	size_t n;

	*c = (struct pq_chunk){ .type = -1, .codec = -1, .at = -1 };
	while (thrift_next(t, &f)) {
		if (f.id == 1) {
			thrift_binary(t, &f, &n);
			c->elsewhere = n > 0;
		} else if (f.id == 3) {
			read_column(t, &f, c);
		} else {
			c->encrypted |= f.id == 8;
			thrift_skip(t, &f);
		}
	}
}

/* n zeroed elements, each of which the footer holds at least a byte of; NULL when there is no memory. */
static void *footer_array(struct pq_meta *m, int64_t n, size_t size)
{
	void *p = arena_try(&m->arena, (size_t)n * size + 1);

	if (p)
		memset(p, 0, (size_t)n * size);
	return p;
}

static bool read_group(struct thrift *t, struct pq_meta *m, struct pq_group *g)
{
	struct thrift_field f = {0}, element;

	while (thrift_next(t, &f)) {
		if (f.id == 1) {
			g->n_chunks = thrift_list(t, &f, &element);
			g->chunks = footer_array(m, g->n_chunks, sizeof(*g->chunks));
			if (!g->chunks)
				return false;
			for (int64_t i = 0; i < g->n_chunks && thrift_struct(t, &element); i++)
				read_chunk(t, &g->chunks[i]);
		} else if (f.id == 2) {
			g->bytes = thrift_int(t, &f);
		} else if (f.id == 3) {
			g->rows = thrift_int(t, &f);
		} else {
			thrift_skip(t, &f);
		}
	}
	return true;
}

static bool read_schema(struct thrift *t, const struct thrift_field *f, struct pq_meta *m)
{
	struct thrift_field element;

	m->n_elements = thrift_list(t, f, &element);
	if (m->n_elements > FIELDS_MAX) {
		t->bad = true;
		m->n_elements = 0;
	}
	m->elements = footer_array(m, m->n_elements, sizeof(*m->elements));
	for (int64_t i = 0; m->elements && i < m->n_elements && thrift_struct(t, &element); i++)
		read_element(t, m, &m->elements[i]);
	return m->elements != NULL;
}

static bool read_groups(struct thrift *t, const struct thrift_field *f, struct pq_meta *m)
{
	struct thrift_field element;

	m->n_groups = thrift_list(t, f, &element);
	m->groups = footer_array(m, m->n_groups, sizeof(*m->groups));
	for (int64_t i = 0; m->groups && i < m->n_groups && thrift_struct(t, &element); i++)
		if (!read_group(t, m, &m->groups[i]))
			return false;
	return m->groups != NULL;
}

/* Pairs of a key and a value, of which one is for us. */
static void read_keys(struct thrift *t, const struct thrift_field *outer, struct pq_meta *m)
{
	struct thrift_field element;
	int64_t count = thrift_list(t, outer, &element);

	for (int64_t i = 0; i < count && thrift_struct(t, &element); i++) {
		struct thrift_field f = {0};
		size_t key_n = 0, n = 0;
		const char *key = "", *value = "";
		while (thrift_next(t, &f)) {
			if (f.id == 1)
				key = thrift_binary(t, &f, &key_n);
			else if (f.id == 2)
				value = thrift_binary(t, &f, &n);
			else
				thrift_skip(t, &f);
		}
		if (key_n == 11 && memcmp(key, "huggingface", 11) == 0 && !memchr(value, 0, n) && utf8_valid(value, n))
			m->huggingface = arena_strndup(&m->arena, value, n);
	}
}

static enum status parse(struct pq_meta *m, const uint8_t *p, size_t n, struct error *err)
{
	struct thrift t = { .p = p, .end = p + n };
	struct thrift_field f = {0};
	bool room = true;

	while (room && thrift_next(&t, &f)) {
		if (f.id == 2)
			room = read_schema(&t, &f, m);
		else if (f.id == 3)
			m->rows = thrift_int(&t, &f);
		else if (f.id == 4)
			room = read_groups(&t, &f, m);
		else if (f.id == 5)
			read_keys(&t, &f, m);
		else
			thrift_skip(&t, &f);
	}
	if (!room)
		return error_set(err, ERR_MEMORY, "no memory for what the footer lists");
	if (t.bad || m->n_elements == 0)
		return error_set(err, ERR_DATA, "the footer is corrupt");
	return OK;
}

/* Rows of the groups add up, and none is impossible. */
static enum status check_rows(const struct pq_meta *m, struct error *err)
{
	int64_t rows = 0;

	for (int64_t i = 0; i < m->n_groups; i++) {
		int64_t n = m->groups[i].rows;
		if (n < 0 || __builtin_add_overflow(rows, n, &rows))
			return error_set(err, ERR_DATA, "row group %" PRId64 ": impossible row count %" PRId64, i, n);
	}
	if (rows != m->rows)
		return error_set(err, ERR_DATA, "row groups have %" PRId64 " rows, the footer says %" PRId64, rows, m->rows);
	return OK;
}

enum status parquet_meta_read(struct pq_meta *m, struct source *s, struct error *err)
{
	uint8_t tail[TAIL_BYTES], first;
	uint32_t n;
	uint64_t size = (uint64_t)input_size(s->in);

	enum status st = input_read_at(s->in, 0, &first, 1, err);
	if (st == ERR_UNSUPPORTED)
		return error_set(err, st, "Parquet needs a file that can be read at any place: save it first, uncompressed on the outside");
	TRY(source_input_error(s, st));
	if (size < 4 + TAIL_BYTES)
		return error_set(err, ERR_DATA, "truncated: too short for a Parquet file");
	TRY(source_input_error(s, input_read_at(s->in, size - TAIL_BYTES, tail, TAIL_BYTES, err)));
	if (memcmp(tail + 4, "PARE", 4) == 0)
		return error_set(err, ERR_UNSUPPORTED, "encrypted Parquet files are not supported");
	if (memcmp(tail + 4, "PAR1", 4) != 0)
		return error_set(err, ERR_DATA, "truncated: a Parquet file that does not end as one");
	memcpy(&n, tail, 4);
	if (n > size - 4 - TAIL_BYTES)
		return error_set(err, ERR_DATA, "a footer of %" PRIu32 " bytes is larger than the file", n);
	uint8_t *footer = mem_try(n);
	if (!footer)
		return error_set(err, ERR_MEMORY, "no memory for a footer of %" PRIu32 " bytes", n);
	st = source_input_error(s, input_read_at(s->in, size - TAIL_BYTES - n, footer, n, err));
	if (st == OK)
		st = parse(m, footer, n, err);
	mem_free(footer);
	TRY(st);
	return check_rows(m, err);
}

void parquet_meta_release(struct pq_meta *m)
{
	arena_release(&m->arena);
}
