/* arrow_schema.c - messages and schemas. Field ids are those of Arrow's Message.fbs and Schema.fbs. */
#include "stream/arrow.h"

#include <stdio.h>
#include <string.h>

/* Members of the union Type. */
enum {
	TYPE_NULL = 1, TYPE_INT = 2, TYPE_FLOAT = 3, TYPE_BINARY = 4, TYPE_UTF8 = 5, TYPE_BOOL = 6,
	TYPE_LIST = 12, TYPE_STRUCT = 13, TYPE_FIXED_LIST = 16, TYPE_LARGE_BINARY = 19,
	TYPE_LARGE_UTF8 = 20, TYPE_LARGE_LIST = 21
};

static const char *type_name(int t)
{
	static const char *const names[] = {
		"none", "null", "int", "floating point", "binary", "utf8", "bool", "decimal", "date", "time",
		"timestamp", "interval", "list", "struct", "union", "fixed-size binary", "fixed-size list", "map",
		"duration", "large binary", "large utf8", "large list", "run-end encoded", "binary view", "utf8 view",
		"list view", "large list view"
	};
	return t >= 0 && t < (int)(sizeof(names) / sizeof(names[0])) ? names[t] : "unknown type";
}

enum status message_parse(struct message *m, const void *metadata, uint32_t n, struct error *err)
{
	memset(m, 0, sizeof(*m));
	m->fbs.p = metadata;
	m->fbs.n = n;
	m->root = fbs_root(&m->fbs);
	m->root.b = &m->fbs;
	int64_t version = fbs_int(&m->root, 0, 2, 0);
	m->type = (int)(fbs_int(&m->root, 1, 1, 0) & 255);
	m->header = fbs_child(&m->root, 2);
	m->body_bytes = fbs_int(&m->root, 3, 8, 0);
	if (m->fbs.bad || !m->header.pos)
		return error_set(err, ERR_DATA, "message metadata is corrupt");
	if (version != 3 && version != 4)
		return error_set(err, ERR_UNSUPPORTED, "metadata version %d is not supported (V4 and V5 are)", (int)version + 1);
	if (m->body_bytes < 0 || m->body_bytes % 8)
		return error_set(err, ERR_DATA, "body length %lld is not a multiple of 8", (long long)m->body_bytes);
	if (m->body_bytes > ARROW_BODY_MAX)
		return error_set(err, ERR_UNSUPPORTED, "body of %lld bytes exceeds the limit of 4 GiB", (long long)m->body_bytes);
	return OK;
}

const char *message_meta(struct message *m, const char *key, uint32_t *n)
{
	struct fbs_vector pairs = fbs_list(&m->root, 4, 4);
	size_t key_len = strlen(key);

	for (uint32_t i = 0; i < pairs.count && !m->fbs.bad; i++) {
		struct fbs_table pair = fbs_list_table(&pairs, i);
		uint32_t kn;
		const char *k = fbs_text(&pair, 0, &kn);
		if (k && kn == key_len && memcmp(k, key, kn) == 0)
			return fbs_text(&pair, 1, n);
	}
	*n = 0;
	return NULL;
}

/* --- reading a schema -------------------------------------------------------------------------- */
struct schema_reader {
	int fields;                          /* seen so far */
	struct error *err;
};

static enum status unsupported(struct schema_reader *r, const struct field *f, const char *what)
{
	return error_set(r->err, ERR_UNSUPPORTED, "column '%s': %s is not supported", f->name, what);
}

static enum status read_int_type(struct schema_reader *r, const struct fbs_table *type, struct field *f)
{
	bool is_signed = fbs_int(type, 1, 1, 0) != 0;

	switch (fbs_int(type, 0, 4, 0)) {
	case 8: f->type = is_signed ? T_INT8 : T_UINT8; return OK;
	case 16: f->type = is_signed ? T_INT16 : T_UINT16; return OK;
	case 32: f->type = is_signed ? T_INT32 : T_UINT32; return OK;
	case 64: f->type = is_signed ? T_INT64 : T_UINT64; return OK;
	default: return unsupported(r, f, "an integer of this width");
	}
}

static enum status read_type(struct schema_reader *r, const struct fbs_table *t, struct field *f)
{
	int id = (int)(fbs_int(t, 2, 1, 0) & 255);
	struct fbs_table type = fbs_child(t, 3);

	if (t->b->bad || !type.pos)
		return error_set(r->err, ERR_DATA, "column '%s': schema is corrupt", f->name);
	switch (id) {
	case TYPE_NULL: f->type = T_NULL; return OK;
	case TYPE_BOOL: f->type = T_BOOL; return OK;
	case TYPE_BINARY: f->type = T_BINARY; return OK;
	case TYPE_UTF8: f->type = T_UTF8; return OK;
	case TYPE_LARGE_BINARY: f->type = T_LARGE_BINARY; return OK;
	case TYPE_LARGE_UTF8: f->type = T_LARGE_UTF8; return OK;
	case TYPE_LIST: f->type = T_LIST; return OK;
	case TYPE_LARGE_LIST: f->type = T_LARGE_LIST; return OK;
	case TYPE_STRUCT: f->type = T_STRUCT; return OK;
	case TYPE_INT: return read_int_type(r, &type, f);
	case TYPE_FLOAT: {
		int64_t precision = fbs_int(&type, 0, 2, 0);
		f->type = precision == 0 ? T_FLOAT16 : precision == 1 ? T_FLOAT32 : T_FLOAT64;
		return precision >= 0 && precision <= 2 ? OK : unsupported(r, f, "a float of this width");
	}
	case TYPE_FIXED_LIST:
		f->type = T_FIXED_LIST;
		f->list_size = (int32_t)fbs_int(&type, 0, 4, 0);
		if (f->list_size < 0)
			return error_set(r->err, ERR_DATA, "column '%s': negative list size", f->name);
		return OK;
	default: return unsupported(r, f, type_name(id));
	}
}

/* Text of a slot as a C string; a NUL inside would hide what follows it. */
static enum status read_text(const struct fbs_table *t, int id, const char *what, char **out, struct error *err)
{
	uint32_t n;
	const char *s = fbs_text(t, id, &n);

	*out = NULL;
	if (t->b->bad)
		return error_set(err, ERR_DATA, "schema is corrupt");
	if (s && (memchr(s, 0, n) || !utf8_valid(s, n)))
		return error_set(err, ERR_DATA, "schema: a %s is not UTF-8", what);
	*out = mem_strndup(s ? s : "", n);
	return OK;
}

static enum status read_field(struct schema_reader *r, const struct fbs_table *t, int depth, struct field *f)
{
	if (depth > ARROW_DEPTH_MAX)
		return error_set(r->err, ERR_UNSUPPORTED, "schema nests deeper than %d", ARROW_DEPTH_MAX);
	if (++r->fields > ARROW_FIELDS_MAX)
		return error_set(r->err, ERR_UNSUPPORTED, "schema has more than %d fields", ARROW_FIELDS_MAX);
	TRY(read_text(t, 0, "column name", &f->name, r->err));
	f->nullable = fbs_int(t, 1, 1, 0) != 0;
	if (fbs_has(t, 4))
		return unsupported(r, f, "dictionary encoding");
	TRY(read_type(r, t, f));
	struct fbs_vector children = fbs_list(t, 5, 4);
	bool list = f->type == T_LIST || f->type == T_LARGE_LIST || f->type == T_FIXED_LIST;
	if (t->b->bad || children.count > ARROW_FIELDS_MAX || (list && children.count != 1) ||
	    (!list && f->type != T_STRUCT && children.count != 0))
		return error_set(r->err, ERR_DATA, "column '%s': wrong number of children", f->name);
	if (children.count)
		f->children = mem_array(children.count, sizeof(*f->children));
	for (uint32_t i = 0; i < children.count; i++) {
		f->n_children = (int)i + 1;
		struct fbs_table child = fbs_list_table(&children, i);
		TRY(read_field(r, &child, depth + 1, &f->children[i]));
	}
	return OK;
}

static enum status read_schema(struct schema_reader *r, struct fbs_table *t, struct schema *out)
{
	if (fbs_int(t, 0, 2, 0) != 0)
		return error_set(r->err, ERR_UNSUPPORTED, "big-endian streams are not supported");
	struct fbs_vector features = fbs_list(t, 3, 8);
	for (uint32_t i = 0; i < features.count; i++) {
		int64_t feature = fbs_list_i64(&features, i, 8, 0);
		if (feature < 0 || feature > 2)
			return error_set(r->err, ERR_UNSUPPORTED, "format feature %lld is not supported", (long long)feature);
	}
	struct fbs_vector fields = fbs_list(t, 1, 4);
	struct fbs_vector meta = fbs_list(t, 2, 4);
	if (t->b->bad || fields.count > ARROW_FIELDS_MAX || meta.count > ARROW_META_MAX)
		return error_set(r->err, ERR_DATA, "schema is corrupt");
	out->fields = mem_array((size_t)fields.count + 1, sizeof(*out->fields));
	for (uint32_t i = 0; i < fields.count; i++) {
		out->n_fields = (int)i + 1;
		struct fbs_table f = fbs_list_table(&fields, i);
		TRY(read_field(r, &f, 1, &out->fields[i]));
	}
	for (uint32_t i = 0; i < meta.count; i++) {
		struct fbs_table pair = fbs_list_table(&meta, i);
		char *key, *value = NULL;
		enum status st = read_text(&pair, 0, "metadata key", &key, r->err);
		if (st == OK)
			st = read_text(&pair, 1, "metadata value", &value, r->err);
		if (st == OK)
			schema_set_meta(out, key, value);
		mem_free(key);
		mem_free(value);
		TRY(st);
	}
	return t->b->bad ? error_set(r->err, ERR_DATA, "schema is corrupt") : OK;
}

enum status arrow_read_schema(struct message *m, struct schema *out, struct error *err)
{
	struct schema_reader r = { 0, err };

	memset(out, 0, sizeof(*out));
	if (m->type != ARROW_SCHEMA)
		return error_set(err, ERR_DATA, "the first message is no schema");
	if (m->body_bytes != 0)
		return error_set(err, ERR_DATA, "the schema message has a body");
	enum status st = read_schema(&r, &m->header, out);
	if (st != OK)
		schema_release(out);
	return st;
}

/* --- writing a schema --------------------------------------------------------------------------- */
static void write_pairs(struct buf *b, uint32_t at, struct message_pair *pairs, int n)
{
	uint32_t vec = fbs_add_vector(b, (uint32_t)n, 4, 4);

	fbs_link(b, at, vec);
	for (int i = 0; i < n; i++) {
		uint32_t slots[FBS_SLOTS_MAX];
		const struct fbs_slot pair[] = { { 4, 0 }, { 4, 0 } };
		fbs_link(b, vec + 4 + 4 * (uint32_t)i, fbs_add_table(b, pair, 2, slots));
		fbs_link(b, slots[0], fbs_add_text(b, pairs[i].key, strlen(pairs[i].key)));
		uint32_t value = fbs_add_text(b, pairs[i].value, strlen(pairs[i].value));
		fbs_link(b, slots[1], value);
		pairs[i].at = value + 4;
	}
}

static int type_id(enum field_type t)
{
	static const int ids[] = {
		[T_NULL] = TYPE_NULL, [T_BOOL] = TYPE_BOOL, [T_INT8] = TYPE_INT, [T_INT16] = TYPE_INT,
		[T_INT32] = TYPE_INT, [T_INT64] = TYPE_INT, [T_UINT8] = TYPE_INT, [T_UINT16] = TYPE_INT,
		[T_UINT32] = TYPE_INT, [T_UINT64] = TYPE_INT, [T_FLOAT16] = TYPE_FLOAT,
		[T_FLOAT32] = TYPE_FLOAT, [T_FLOAT64] = TYPE_FLOAT, [T_UTF8] = TYPE_UTF8,
		[T_LARGE_UTF8] = TYPE_LARGE_UTF8, [T_BINARY] = TYPE_BINARY, [T_LARGE_BINARY] = TYPE_LARGE_BINARY,
		[T_LIST] = TYPE_LIST, [T_LARGE_LIST] = TYPE_LARGE_LIST, [T_FIXED_LIST] = TYPE_FIXED_LIST,
		[T_STRUCT] = TYPE_STRUCT
	};
	return ids[t];
}

static uint32_t write_type(struct buf *b, const struct field *f)
{
	uint32_t at[FBS_SLOTS_MAX];
	struct fbs_slot slots[2] = { { 0, 0 }, { 0, 0 } };
	int n = 0;

	if (type_id(f->type) == TYPE_INT) {
		static const int bits[] = { [T_INT8] = 8, [T_INT16] = 16, [T_INT32] = 32, [T_INT64] = 64,
					    [T_UINT8] = 8, [T_UINT16] = 16, [T_UINT32] = 32, [T_UINT64] = 64 };
		slots[0] = (struct fbs_slot){ 4, bits[f->type] };
		slots[1] = (struct fbs_slot){ 1, f->type <= T_INT64 };
		n = 2;
	} else if (type_id(f->type) == TYPE_FLOAT) {
		slots[0] = (struct fbs_slot){ 2, f->type - T_FLOAT16 };
		n = 1;
	} else if (f->type == T_FIXED_LIST) {
		slots[0] = (struct fbs_slot){ 4, f->list_size };
		n = 1;
	}
	return fbs_add_table(b, slots, n, at);
}

static void write_fields(struct buf *b, uint32_t at, const struct field *fields, int n)
{
	uint32_t vec = fbs_add_vector(b, (uint32_t)n, 4, 4);

	fbs_link(b, at, vec);
	for (int i = 0; i < n; i++) {
		const struct field *f = &fields[i];
		uint32_t slot[FBS_SLOTS_MAX];
		const struct fbs_slot slots[] = {
			{ 4, 0 }, { 1, f->nullable }, { 1, type_id(f->type) }, { 4, 0 }, { 0, 0 }, { 4, 0 }
		};
		fbs_link(b, vec + 4 + 4 * (uint32_t)i, fbs_add_table(b, slots, 6, slot));
		fbs_link(b, slot[0], fbs_add_text(b, f->name, strlen(f->name)));
		fbs_link(b, slot[3], write_type(b, f));
		write_fields(b, slot[5], f->children, f->n_children);
	}
}

/* The root table of a message; returns the place of the header's offset, *meta that of custom_metadata. */
static uint32_t write_root(struct buf *b, enum arrow_header type, int64_t body_bytes, bool with_meta, uint32_t *meta)
{
	uint32_t at[FBS_SLOTS_MAX];
	const struct fbs_slot slots[] = {
		{ 2, 4 }, { 1, type }, { 4, 0 }, { 8, body_bytes }, { with_meta ? 4 : 0, 0 }
	};

	buf_clear(b);
	buf_add(b, "\0\0\0\0", 4);
	fbs_link(b, 0, fbs_add_table(b, slots, with_meta ? 5 : 4, at));
	if (with_meta)
		*meta = at[4];
	return at[2];
}

static void pad8(struct buf *b)
{
	while (b->len % 8)
		buf_char(b, 0);
}

void arrow_write_schema(const struct schema *s, struct buf *out)
{
	uint32_t at[FBS_SLOTS_MAX];
	uint32_t header = write_root(out, ARROW_SCHEMA, 0, false, NULL);
	const struct fbs_slot slots[] = { { 2, 0 }, { 4, 0 }, { 4, 0 } };
	struct message_pair *pairs = mem_array((size_t)s->n_meta + 1, sizeof(*pairs));

	for (int i = 0; i < s->n_meta; i++)
		pairs[i] = (struct message_pair){ s->meta_keys[i], s->meta_values[i], 0 };
	fbs_link(out, header, fbs_add_table(out, slots, 3, at));
	write_fields(out, at[1], s->fields, s->n_fields);
	write_pairs(out, at[2], pairs, s->n_meta);
	mem_free(pairs);
	pad8(out);
}

void arrow_encode_message(const struct encoded *e, struct message_pair *pairs, int n_pairs, struct buf *out)
{
	uint32_t at[FBS_SLOTS_MAX], codec[FBS_SLOTS_MAX], meta = 0;
	uint32_t header = write_root(out, ARROW_BATCH, e->body_bytes, n_pairs > 0, &meta);
	const struct fbs_slot slots[] = { { 8, e->rows }, { 4, 0 }, { 4, 0 }, { e->compressed ? 4 : 0, 0 } };
	const struct fbs_slot compression[] = { { 1, 1 }, { 1, 0 } };
	int64_t offset = 0;

	fbs_link(out, header, fbs_add_table(out, slots, e->compressed ? 4 : 3, at));
	uint32_t nodes = fbs_add_vector(out, (uint32_t)e->n_nodes, 16, 8);
	fbs_link(out, at[1], nodes);
	for (int i = 0; i < 2 * e->n_nodes; i++)
		fbs_put_i64(out, nodes + 4 + 8 * (uint32_t)i, e->nodes[i]);
	uint32_t buffers = fbs_add_vector(out, (uint32_t)e->n_parts, 16, 8);
	fbs_link(out, at[2], buffers);
	for (int i = 0; i < e->n_parts; i++) {
		fbs_put_i64(out, buffers + 4 + 16 * (uint32_t)i, offset);
		fbs_put_i64(out, buffers + 12 + 16 * (uint32_t)i, (int64_t)e->parts[i].n);
		offset += (int64_t)((e->parts[i].n + 63) & ~(size_t)63);
	}
	if (e->compressed)
		fbs_link(out, at[3], fbs_add_table(out, compression, 2, codec));
	if (n_pairs > 0)
		write_pairs(out, meta, pairs, n_pairs);
	pad8(out);
}
