/* parquet_meta.c - the footer of a Parquet file: its schema as ours, and where the chunks of each column stand. */
#include "stream/layout.h"
#include "stream/parquet.h"

#include <string.h>

enum { REQUIRED, OPTIONAL, REPEATED };

/* LogicalType's members, and ConvertedType's values, as far as they mean something to us. */
enum { LOGICAL_STRING = 1, LOGICAL_MAP, LOGICAL_LIST, LOGICAL_ENUM, LOGICAL_DECIMAL, LOGICAL_DATE, LOGICAL_TIME,
       LOGICAL_TIMESTAMP, LOGICAL_INTEGER = 10, LOGICAL_NULL, LOGICAL_JSON, LOGICAL_FLOAT16 = 15 };
enum { CONVERTED_UTF8, CONVERTED_MAP, CONVERTED_MAP_KEY_VALUE, CONVERTED_LIST, CONVERTED_ENUM, CONVERTED_DECIMAL, CONVERTED_DATE,
       CONVERTED_TIME_MS, CONVERTED_TIME_US, CONVERTED_TIMESTAMP_MS, CONVERTED_TIMESTAMP_US, CONVERTED_UINT_8,
       CONVERTED_INT_8 = 15, CONVERTED_INT_64 = 18, CONVERTED_JSON };

struct element {                                 /* a SchemaElement; logical is a LogicalType id, 0 = none */
	const char *name;
	size_t name_bytes;
	int64_t type, width, repetition, children, scale, precision;
	int logical, unit, bits;
	bool utc, is_signed;
};

struct schema_walk {
	struct parquet_meta *m;
	struct element *elements;
	int n, at;
	struct error *err;
};

/* --- schema elements ------------------------------------------------------------------------------ */

static void read_logical_members(struct thrift *t, struct element *e)
{
	int id = 0, inner;

	while (thrift_field(t, &id)) {
		if (e->logical == LOGICAL_DECIMAL && id == 1)
			e->scale = thrift_int(t);
		else if (e->logical == LOGICAL_DECIMAL && id == 2)
			e->precision = thrift_int(t);
		else if (e->logical == LOGICAL_INTEGER && id == 1)
			e->bits = (int)thrift_int(t);
		else if (e->logical == LOGICAL_INTEGER && id == 2)
			e->is_signed = thrift_bool(t);
		else if ((e->logical == LOGICAL_TIME || e->logical == LOGICAL_TIMESTAMP) && id == 1)
			e->utc = thrift_bool(t);
		else if ((e->logical == LOGICAL_TIME || e->logical == LOGICAL_TIMESTAMP) && id == 2 && t->type == THRIFT_STRUCT)
			for (inner = 0; thrift_field(t, &inner); thrift_skip(t))
				e->unit = inner == 1 ? UNIT_MS : inner == 2 ? UNIT_US : UNIT_NS;
		else
			thrift_skip(t);
	}
}

/* Older files have this alone. */
static void from_converted(struct element *e, int64_t c)
{
	if (e->logical)
		return;
	if (c >= CONVERTED_UINT_8 && c <= CONVERTED_INT_64) {
		e->logical = LOGICAL_INTEGER;
		e->is_signed = c >= CONVERTED_INT_8;
		e->bits = 8 << (c - (e->is_signed ? CONVERTED_INT_8 : CONVERTED_UINT_8));
		return;
	}
	e->unit = c == CONVERTED_TIME_MS || c == CONVERTED_TIMESTAMP_MS ? UNIT_MS : UNIT_US;
	e->utc = true;
	switch (c) {
	case CONVERTED_UTF8: e->logical = LOGICAL_STRING; break;
	case CONVERTED_MAP: case CONVERTED_MAP_KEY_VALUE: e->logical = LOGICAL_MAP; break;
	case CONVERTED_LIST: e->logical = LOGICAL_LIST; break;
	case CONVERTED_ENUM: e->logical = LOGICAL_ENUM; break;
	case CONVERTED_DECIMAL: e->logical = LOGICAL_DECIMAL; break;
	case CONVERTED_DATE: e->logical = LOGICAL_DATE; break;
	case CONVERTED_TIME_MS: case CONVERTED_TIME_US: e->logical = LOGICAL_TIME; break;
	case CONVERTED_TIMESTAMP_MS: case CONVERTED_TIMESTAMP_US: e->logical = LOGICAL_TIMESTAMP; break;
	case CONVERTED_JSON: e->logical = LOGICAL_JSON; break;
	default: break;
	}
}

static void read_element(struct thrift *t, struct element *e)
{
	int64_t converted = -1;
	int id = 0, inner;

	*e = (struct element){ .type = -1 };
	while (thrift_field(t, &id)) {
		switch (id) {
		case 1: e->type = thrift_int(t); break;
		case 2: e->width = thrift_int(t); break;
		case 3: e->repetition = thrift_int(t); break;
		case 4: e->name = thrift_bytes(t, &e->name_bytes); break;
		case 5: e->children = thrift_int(t); break;
		case 6: converted = thrift_int(t); break;
		case 7: e->scale = thrift_int(t); break;
		case 8: e->precision = thrift_int(t); break;
		case 10:
			if (t->type != THRIFT_STRUCT) {
				thrift_skip(t);
				break;
			}
			for (inner = 0; thrift_field(t, &inner);) {
				e->logical = inner;
				if (t->type == THRIFT_STRUCT)
					read_logical_members(t, e);
				else
					thrift_skip(t);
			}
			break;
		default: thrift_skip(t);
		}
	}
	from_converted(e, converted);
}

/* --- a column's type -------------------------------------------------------------------------------- */

static bool decimal_type(const struct element *e, struct field *f)
{
	if (e->precision < 1 || e->precision > 76 || e->scale < -76 || e->scale > 76 || e->type == PQ_BOOLEAN ||
	    (e->type == PQ_FIXED && (e->width < 1 || e->width > 32)))
		return false;
	f->type = e->precision <= 38 ? T_DECIMAL128 : T_DECIMAL256;
	f->precision = (int32_t)e->precision;
	f->scale = (int32_t)e->scale;
	return true;
}

static enum field_type integer_type(const struct element *e)
{
	static const enum field_type types[2][4] = { { T_UINT8, T_UINT16, T_UINT32, T_UINT64 }, { T_INT8, T_INT16, T_INT32, T_INT64 } };
	int size = e->bits == 8 ? 0 : e->bits == 16 ? 1 : e->bits == 32 ? 2 : 3;

	return types[e->is_signed][size];
}

static void plain_type(const struct element *e, struct field *f)
{
	static const enum field_type types[] = { T_BOOL, T_INT32, T_INT64, T_TIMESTAMP, T_FLOAT32, T_FLOAT64, T_BINARY, T_FIXED_BINARY };

	f->type = types[e->type];
	f->unit = e->type == PQ_INT96 ? UNIT_NS : 0;
	f->width = e->type == PQ_FIXED ? (int32_t)e->width : 0;
}

static enum status leaf_type(struct schema_walk *w, const struct element *e, struct field *f)
{
	bool i32 = e->type == PQ_INT32, i64 = e->type == PQ_INT64, bytes = e->type == PQ_BYTE_ARRAY;

	if (e->type < 0 || e->type > PQ_FIXED || (e->type == PQ_FIXED && (e->width < 1 || e->width > PARQUET_PAGE_MAX)))
		return error_set(w->err, ERR_DATA, "column '%s': type %lld of width %lld is none of Parquet's", f->name, (long long)e->type,
				 (long long)e->width);
	plain_type(e, f);
	if (bytes && (e->logical == LOGICAL_STRING || e->logical == LOGICAL_ENUM || e->logical == LOGICAL_JSON))
		f->type = T_UTF8;
	else if (e->logical == LOGICAL_DECIMAL && !decimal_type(e, f))
		return error_set(w->err, ERR_UNSUPPORTED, "column '%s': a decimal of %lld digits is not supported", f->name,
				 (long long)e->precision);
	else if (e->logical == LOGICAL_DATE && i32)
		f->type = T_DATE32;
	else if (e->logical == LOGICAL_INTEGER && ((i32 && (e->bits == 8 || e->bits == 16 || e->bits == 32)) || (i64 && e->bits == 64)))
		f->type = integer_type(e);
	else if (e->logical == LOGICAL_NULL)
		f->type = T_NULL;
	else if (e->logical == LOGICAL_FLOAT16 && e->type == PQ_FIXED && e->width == 2)
		f->type = T_FLOAT16;
	else if (e->logical == LOGICAL_TIME && (e->unit == UNIT_MS ? i32 : i64))
		f->type = i32 ? T_TIME32 : T_TIME64, f->unit = e->unit;
	else if (e->logical == LOGICAL_TIMESTAMP && i64) {
		f->type = T_TIMESTAMP;
		f->unit = e->unit;
		f->timezone = e->utc ? mem_strdup("UTC") : NULL;
	}
	return OK;
}

/* --- the tree ------------------------------------------------------------------------------------------ */

static enum status add_leaf(struct schema_walk *w, const struct element *e, const struct field *f, const char *path, int def, int rep)
{
	static const int widths[] = { 0, 4, 8, 12, 4, 8, 0, 0 };
	struct parquet_meta *m = w->m;

	MEM_PUSH_ROOM(m->leaves, m->n_leaves, m->cap_leaves);
	m->leaves[m->n_leaves++] = (struct parquet_leaf){ .path = mem_strdup(path), .field = f, .type = (enum parquet_type)e->type,
							  .width = e->type == PQ_FIXED ? (int)e->width : widths[e->type],
							  .def_max = def, .rep_max = rep };
	return OK;
}

static enum status walk(struct schema_walk *w, struct field *f, struct parquet_node *n, const char *path, int def, int rep,
			int depth, bool as_required);

/* What stands between a list and its elements: files have three levels, or two (LogicalTypes.md, backward compatibility). */
static bool element_is_repeated_itself(const struct schema_walk *w, const struct element *list)
{
	const struct element *repeated = &w->elements[w->at];
	size_t n = list->name_bytes;

	if (repeated->children != 1)
		return true;
	return (repeated->name_bytes == 5 && memcmp(repeated->name, "array", 5) == 0) ||
	       (repeated->name_bytes == n + 6 && memcmp(repeated->name, list->name, n) == 0 &&
		memcmp(repeated->name + n, "_tuple", 6) == 0);
}

static enum status walk_child(struct schema_walk *w, struct field *f, struct parquet_node *n, const char *path, int i, int def,
			      int rep, int depth, bool as_required)
{
	return walk(w, &f->children[i], &n->children[i], path, def, rep, depth + 1, as_required);
}

static void make_children(struct field *f, struct parquet_node *n, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		field_push_child(f);
	n->n_children = (int)count;
	n->children = mem_array((size_t)count, sizeof(*n->children));
}

/* The list's or map's element stands at w->at, which is repeated. */
static enum status walk_repeated(struct schema_walk *w, const struct element *e, struct field *f, struct parquet_node *n,
				 const char *path, int def, int rep, int depth)
{
	const struct element *repeated = &w->elements[w->at];
	bool map = e->logical == LOGICAL_MAP && repeated->children == 2;

	f->type = map ? T_MAP : T_LIST;
	n->def = def;
	n->rep = rep + 1;
	make_children(f, n, 1);
	if (!map && !element_is_repeated_itself(w, e))
		w->at++; /* the group in between has no meaning of its own */
	return walk_child(w, f, n, path, 0, def + 1, rep + 1, depth, repeated == &w->elements[w->at]);
}

static enum status walk_group(struct schema_walk *w, const struct element *e, struct field *f, struct parquet_node *n,
			      const char *path, int def, int rep, int depth)
{
	const struct element *first = &w->elements[w->at];
	bool wraps = w->at < w->n && e->children == 1 && first->repetition == REPEATED;

	if (wraps && (e->logical == LOGICAL_LIST || (e->logical == LOGICAL_MAP && first->children > 0)))
		return walk_repeated(w, e, f, n, path, def, rep, depth);
	f->type = T_STRUCT;
	n->def = def;
	make_children(f, n, e->children);
	for (int i = 0; i < n->n_children; i++)
		TRY(walk_child(w, f, n, path, i, def, rep, depth, false));
	return OK;
}

/* The element at w->at, with all below, to f and n. as_required: it is the element of a list, and repeated as such. */
static enum status walk(struct schema_walk *w, struct field *f, struct parquet_node *n, const char *parent, int def, int rep,
			int depth, bool as_required)
{
	if (w->at >= w->n || depth > PARQUET_DEPTH_MAX)
		return error_set(w->err, ERR_DATA, w->at >= w->n ? "the schema ends too early" : "the schema is nested too deeply");
	const struct element *e = &w->elements[w->at++];
	if (e->children < 0 || e->children > w->n - w->at || e->repetition < 0 || e->repetition > REPEATED)
		return error_set(w->err, ERR_DATA, "the schema is corrupt at element %d", w->at - 1);
	if (e->name_bytes == 0 || memchr(e->name, 0, e->name_bytes))
		return error_set(w->err, ERR_DATA, "element %d of the schema has no usable name", w->at - 1);
	enum status st = OK;
	char *path = mem_printf("%s%s%.*s", parent, *parent ? "." : "", (int)e->name_bytes, e->name);
	f->name = mem_strndup(e->name, e->name_bytes);
	f->nullable = e->repetition == OPTIONAL && !as_required;
	def += f->nullable;
	n->first_leaf = w->m->n_leaves;
	n->def = def;
	if (e->repetition == REPEATED && !as_required) {
		/* Without a list around it: a list of required elements. */
		w->at--;
		f->type = T_LIST;
		n->rep = rep + 1;
		make_children(f, n, 1);
		st = walk_child(w, f, n, parent, 0, def + 1, rep + 1, depth, true);
	} else if (e->children > 0) {
		st = walk_group(w, e, f, n, path, def, rep, depth);
	} else if (e->type < 0) {
		st = error_set(w->err, ERR_UNSUPPORTED, "column '%s': a group without members is not supported", path);
	} else {
		st = leaf_type(w, e, f);
		if (st == OK)
			st = add_leaf(w, e, f, path, def, rep);
	}
	n->n_leaves = w->m->n_leaves - n->first_leaf;
	mem_free(path);
	return st;
}

static enum status read_schema(struct parquet_meta *m, struct thrift *t, struct error *err)
{
	struct schema_walk w = { .m = m, .err = err };
	int64_t n = thrift_list(t);
	enum status st = OK;

	if (n < 1 || n > PARQUET_FIELDS_MAX || m->nodes)
		return error_set(err, ERR_DATA, "a schema of %lld elements", (long long)n);
	int type = t->type;
	w.elements = mem_array((size_t)n, sizeof(*w.elements));
	for (w.n = 0; w.n < n && !t->bad; w.n++) {
		t->type = type;
		if (type == THRIFT_STRUCT)
			read_element(t, &w.elements[w.n]);
		else
			t->bad = true;
	}
	int64_t columns = w.elements[w.at++].children;
	if (t->bad || columns < 0 || columns >= n)
		st = error_set(err, ERR_DATA, "the schema is corrupt");
	if (st == OK) {
		m->nodes = mem_array((size_t)columns + 1, sizeof(*m->nodes));
		m->schema.fields = mem_array((size_t)columns + 1, sizeof(*m->schema.fields));
	}
	for (; st == OK && m->schema.n_fields < columns; m->schema.n_fields++)
		st = walk(&w, &m->schema.fields[m->schema.n_fields], &m->nodes[m->schema.n_fields], "", 0, 0, 0, false);
	m->schema.n_fields += st != OK && m->nodes && m->schema.n_fields < columns; /* what the failed one holds is released too */
	if (st == OK && w.at != w.n)
		st = error_set(err, ERR_DATA, "the schema has elements beyond its last column");
	mem_free(w.elements);
	return st;
}

/* --- row groups ------------------------------------------------------------------------------------------ */

static void read_chunk_meta(struct thrift *t, struct parquet_chunk *c, int64_t *type)
{
	int64_t dictionary = 0;
	int id = 0;

	c->at = -1;
	while (thrift_field(t, &id)) {
		switch (id) {
		case 1: *type = thrift_int(t); break;
		case 4: c->codec = (int)thrift_int(t); break;
		case 5: c->values = thrift_int(t); break;
		case 7: c->bytes = thrift_int(t); break;
		case 9: c->at = thrift_int(t); break;
		case 11: dictionary = thrift_int(t); break;
		default: thrift_skip(t);
		}
	}
	if (dictionary > 0 && dictionary < c->at)
		c->at = dictionary;
}

static enum status read_chunk(struct parquet_meta *m, struct thrift *t, struct parquet_chunk *c, int column, int64_t file_bytes,
			      struct error *err)
{
	const struct parquet_leaf *leaf = &m->leaves[column];
	int64_t type = -1;
	size_t elsewhere = 0;
	int id = 0;
	bool encrypted = false;

	while (thrift_field(t, &id)) {
		if (id == 1)
			thrift_bytes(t, &elsewhere);
		else if (id == 3 && t->type == THRIFT_STRUCT)
			read_chunk_meta(t, c, &type);
		else
			encrypted |= id == 8, thrift_skip(t);
	}
	if (encrypted || elsewhere)
		return error_set(err, ERR_UNSUPPORTED, "column '%s' is %s", leaf->path, encrypted ? "encrypted" : "in another file");
	if (c->values == 0) /* its place means nothing, then */
		c->at = 4, c->bytes = 0;
	if (t->bad || type != (int64_t)leaf->type || c->values < 0 || c->at < 4 || c->bytes < 0 || c->at > file_bytes ||
	    c->bytes > file_bytes - c->at)
		return error_set(err, ERR_DATA, "column '%s': its place in the file, or its type, is corrupt", leaf->path);
	return OK;
}

static enum status read_group(struct parquet_meta *m, struct thrift *t, struct parquet_group *g, int64_t file_bytes, struct error *err)
{
	int id = 0;

	g->rows = -1;
	while (thrift_field(t, &id)) {
		if (id == 2) {
			g->bytes = thrift_int(t);
		} else if (id == 3) {
			g->rows = thrift_int(t);
		} else if (id == 1 && !g->chunks) {
			int64_t n = thrift_list(t);
			int type = t->type;
			if (n != m->n_leaves || type != THRIFT_STRUCT)
				return error_set(err, ERR_DATA, "%lld columns, where the schema has %d", (long long)n, m->n_leaves);
			g->chunks = mem_array((size_t)n + 1, sizeof(*g->chunks));
			for (int i = 0; i < m->n_leaves && !t->bad; i++)
				TRY(read_chunk(m, t, &g->chunks[i], i, file_bytes, err));
		} else {
			thrift_skip(t);
		}
	}
	if (t->bad || g->rows < 0 || (!g->chunks && m->n_leaves))
		return error_set(err, ERR_DATA, "corrupt");
	return OK;
}

static enum status read_groups(struct parquet_meta *m, struct thrift *t, int64_t file_bytes, struct error *err)
{
	int64_t n = thrift_list(t);

	if (!m->nodes || m->groups || t->type != THRIFT_STRUCT)
		return n == 0 && m->nodes ? OK : error_set(err, ERR_DATA, "row groups before the schema");
	m->groups = mem_array((size_t)n + 1, sizeof(*m->groups));
	for (; m->n_groups < n && !t->bad;) {
		struct parquet_group *g = &m->groups[m->n_groups++];
		TRY(error_prefix(err, read_group(m, t, g, file_bytes, err), "row group %d", m->n_groups - 1));
		m->rows += g->rows;
	}
	return OK;
}

/* Datasets of Hugging Face say here what their columns mean; it goes along. */
static void read_metadata(struct parquet_meta *m, struct thrift *t)
{
	int64_t n = thrift_list(t);
	int type = t->type;

	for (int64_t i = 0; i < n && !t->bad; i++) {
		const char *key = "", *value = "";
		size_t key_bytes = 0, value_bytes = 0;
		int id = 0;
		t->type = type;
		if (type != THRIFT_STRUCT) {
			thrift_skip(t);
			continue;
		}
		while (thrift_field(t, &id)) {
			if (id == 1)
				key = thrift_bytes(t, &key_bytes);
			else if (id == 2)
				value = thrift_bytes(t, &value_bytes);
			else
				thrift_skip(t);
		}
		if (key_bytes == 11 && memcmp(key, "huggingface", 11) == 0) {
			char *text = mem_strndup(value, value_bytes);
			schema_set_meta(&m->schema, "huggingface", text);
			mem_free(text);
		}
	}
}

enum status parquet_read_meta(struct parquet_meta *m, const uint8_t *p, size_t n, int64_t file_bytes, struct error *err)
{
	struct thrift t = { .p = p, .n = n };
	enum status st = OK;
	int id = 0;

	*m = (struct parquet_meta){0};
	while (st == OK && thrift_field(&t, &id)) {
		switch (id) {
		case 2: st = read_schema(m, &t, err); break;
		case 4: st = read_groups(m, &t, file_bytes, err); break;
		case 5: read_metadata(m, &t); break;
		case 8: st = error_set(err, ERR_UNSUPPORTED, "an encrypted file is not supported"); break;
		default: thrift_skip(&t);
		}
	}
	if (st == OK && (t.bad || !m->nodes))
		st = error_set(err, ERR_DATA, "corrupt");
	return error_prefix(err, st, "Parquet footer");
}

static void node_release(struct parquet_node *n)
{
	for (int i = 0; i < n->n_children; i++)
		node_release(&n->children[i]);
	mem_free(n->children);
}

void parquet_meta_release(struct parquet_meta *m)
{
	for (int i = 0; m->nodes && i < m->schema.n_fields; i++)
		node_release(&m->nodes[i]);
	for (int i = 0; i < m->n_leaves; i++)
		mem_free(m->leaves[i].path);
	for (int i = 0; i < m->n_groups; i++)
		mem_free(m->groups[i].chunks);
	mem_free(m->nodes);
	mem_free(m->leaves);
	mem_free(m->groups);
	schema_release(&m->schema);
	*m = (struct parquet_meta){0};
}
