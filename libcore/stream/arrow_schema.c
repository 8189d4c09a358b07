/* arrow_schema.c - messages and schemas as they come. Field ids are those of Arrow's Message.fbs and Schema.fbs. */
#include "stream/arrow_decode.h"

#include <stdio.h>
#include <string.h>

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
		return error_set(err, ERR_DATA, "impossible body length %lld", (long long)m->body_bytes);
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
	uint64_t text_bytes;                 /* of texts copied so far */
	struct error *err;
};

/* Offsets may let one text stand for many; what is copied in all is no more than an honest message could hold. */
static enum status charge(struct schema_reader *r, uint64_t bytes)
{
	r->text_bytes += bytes;
	return r->text_bytes <= ARROW_METADATA_MAX ? OK : error_set(r->err, ERR_DATA, "schema: the same text stands for too many");
}

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

static enum status corrupt(struct schema_reader *r, const struct field *f, const char *what)
{
	return error_set(r->err, ERR_DATA, "column '%s': %s", f->name, what);
}

static enum status read_unit(struct schema_reader *r, const struct fbs_table *type, int id, int dflt, struct field *f)
{
	f->unit = (int32_t)fbs_int(type, id, 2, dflt);
	return f->unit >= UNIT_S && f->unit <= UNIT_NS ? OK : corrupt(r, f, "unknown unit of time");
}

static enum status read_time_type(struct schema_reader *r, const struct fbs_table *type, struct field *f)
{
	int64_t bits = fbs_int(type, 1, 4, 32);

	TRY(read_unit(r, type, 0, UNIT_MS, f));
	f->type = bits == 32 ? T_TIME32 : T_TIME64;
	if (bits != (f->unit <= UNIT_MS ? 32 : 64))
		return corrupt(r, f, "a time of this width has another unit");
	return OK;
}

static enum status read_timestamp_type(struct schema_reader *r, const struct fbs_table *type, struct field *f)
{
	f->type = T_TIMESTAMP;
	TRY(read_unit(r, type, 0, UNIT_S, f));
	if (fbs_has(type, 1))
		TRY(read_text(type, 1, "time zone", &f->timezone, r->err));
	TRY(charge(r, f->timezone ? strlen(f->timezone) : 0));
	if (f->timezone && !f->timezone[0]) {        /* an empty name is none */
		mem_free(f->timezone);
		f->timezone = NULL;
	}
	return OK;
}

static enum status read_decimal_type(struct schema_reader *r, const struct fbs_table *type, struct field *f)
{
	static const struct { int bits, precision_max; enum field_type type; } known[] = {
		{ 32, 9, T_DECIMAL32 }, { 64, 18, T_DECIMAL64 }, { 128, 38, T_DECIMAL128 }, { 256, 76, T_DECIMAL256 }
	};
	int64_t bits = fbs_int(type, 2, 4, 128);

	f->precision = (int32_t)fbs_int(type, 0, 4, 0);
	f->scale = (int32_t)fbs_int(type, 1, 4, 0);
	for (int i = 0; i < 4; i++) {
		if (bits != known[i].bits)
			continue;
		f->type = known[i].type;
		return f->precision >= 1 && f->precision <= known[i].precision_max ? OK : corrupt(r, f, "impossible precision of a decimal");
	}
	return unsupported(r, f, "a decimal of this width");
}

/* Types with parameters that are no numbers or texts as they stand. */
static enum status read_logical_type(struct schema_reader *r, int id, const struct fbs_table *type, struct field *f)
{
	switch (id) {
	case TYPE_DATE:
		f->type = fbs_int(type, 0, 2, 1) == 0 ? T_DATE32 : T_DATE64;
		return OK;
	case TYPE_TIME: return read_time_type(r, type, f);
	case TYPE_TIMESTAMP: return read_timestamp_type(r, type, f);
	case TYPE_DURATION:
		f->type = T_DURATION;
		return read_unit(r, type, 0, UNIT_MS, f);
	case TYPE_INTERVAL:
		f->type = T_INTERVAL;
		f->unit = (int32_t)fbs_int(type, 0, 2, 0);
		if (f->unit < INTERVAL_YEAR_MONTH || f->unit > INTERVAL_MONTH_DAY_NANO)
			return unsupported(r, f, "an interval of this unit");
		return OK;
	case TYPE_DECIMAL: return read_decimal_type(r, type, f);
	case TYPE_FIXED_BINARY:
		f->type = T_FIXED_BINARY;
		f->width = (int32_t)fbs_int(type, 0, 4, 0);
		return f->width >= 0 ? OK : corrupt(r, f, "negative width");
	case TYPE_MAP:
		f->type = T_MAP;
		f->keys_sorted = fbs_int(type, 0, 1, 0) != 0;
		return OK;
	default: return unsupported(r, f, type_name(id));
	}
}

static enum status read_type(struct schema_reader *r, const struct fbs_table *t, struct field *f, struct wire *w)
{
	int id = (int)(fbs_int(t, 2, 1, 0) & 255);
	struct fbs_table type = fbs_child(t, 3);

	if (t->b->bad || !type.pos)
		return corrupt(r, f, "schema is corrupt");
	switch (id) {
	case TYPE_NULL: f->type = T_NULL; return OK;
	case TYPE_BOOL: f->type = T_BOOL; return OK;
	case TYPE_BINARY: f->type = T_BINARY; return OK;
	case TYPE_UTF8: f->type = T_UTF8; return OK;
	case TYPE_BINARY_VIEW: case TYPE_UTF8_VIEW:
		f->type = id == TYPE_UTF8_VIEW ? T_UTF8 : T_BINARY;
		w->view = true;
		return OK;
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
		return f->list_size >= 0 ? OK : corrupt(r, f, "negative list size");
	default: return read_logical_type(r, id, &type, f);
	}
}

/* The field's own metadata. Extension types keep what they like there, so its bytes are not looked at. */
static enum status read_field_meta(struct schema_reader *r, const struct fbs_table *t, struct field *f)
{
	struct fbs_vector meta = fbs_list(t, 6, 4);

	if (meta.count > ARROW_META_MAX)
		return corrupt(r, f, "schema is corrupt");
	for (uint32_t i = 0; i < meta.count; i++) {
		struct fbs_table pair = fbs_list_table(&meta, i);
		uint32_t key_bytes, value_bytes;
		const char *key = fbs_text(&pair, 0, &key_bytes), *value = fbs_text(&pair, 1, &value_bytes);
		if (t->b->bad)
			return corrupt(r, f, "schema is corrupt");
		TRY(charge(r, (uint64_t)key_bytes + value_bytes + sizeof(struct field_meta)));
		field_add_meta(f, key ? key : "", key_bytes, value ? value : "", value_bytes);
	}
	return OK;
}

static bool children_fit(const struct field *f, uint32_t n)
{
	switch (f->type) {
	case T_STRUCT: return n <= ARROW_FIELDS_MAX;
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST: case T_MAP: return n == 1;
	default: return n == 0;
	}
}

/* DictionaryEncoding: the field's type is that of the values, and its column holds indices. */
static enum status read_encoding(struct schema_reader *r, const struct fbs_table *t, const struct field *f, struct wire *w)
{
	struct field index = { .name = f->name, .type = T_INT32 };

	if (!fbs_has(t, 4))
		return OK;
	struct fbs_table encoding = fbs_child(t, 4), type = fbs_child(&encoding, 1);
	w->encoded = true;
	w->id = fbs_int(&encoding, 0, 8, 0);
	if (t->b->bad)
		return corrupt(r, f, "schema is corrupt");
	if (fbs_int(&encoding, 3, 2, 0) != 0)
		return unsupported(r, f, "a dictionary of this kind");
	if (type.pos)                                /* signed 32 bits where absent */
		TRY(read_int_type(r, &type, &index));
	w->index = index.type;
	return OK;
}

static enum status read_field(struct schema_reader *r, const struct fbs_table *t, int depth, struct field *f, struct wire *w)
{
	if (depth > ARROW_DEPTH_MAX)
		return error_set(r->err, ERR_UNSUPPORTED, "schema nests deeper than %d", ARROW_DEPTH_MAX);
	if (++r->fields > ARROW_FIELDS_MAX)
		return error_set(r->err, ERR_UNSUPPORTED, "schema has more than %d fields", ARROW_FIELDS_MAX);
	TRY(read_text(t, 0, "column name", &f->name, r->err));
	TRY(charge(r, strlen(f->name)));
	f->nullable = fbs_int(t, 1, 1, 0) != 0;
	TRY(read_type(r, t, f, w));
	TRY(read_encoding(r, t, f, w));
	struct fbs_vector children = fbs_list(t, 5, 4);
	if (t->b->bad || !children_fit(f, children.count))
		return corrupt(r, f, "wrong number of children");
	if (children.count) {
		f->children = mem_array(children.count, sizeof(*f->children));
		w->children = mem_array(children.count, sizeof(*w->children));
	}
	for (uint32_t i = 0; i < children.count; i++) {
		f->n_children = (int)i + 1;
		struct fbs_table child = fbs_list_table(&children, i);
		TRY(read_field(r, &child, depth + 1, &f->children[i], &w->children[i]));
	}
	if (f->type == T_MAP && (f->children[0].type != T_STRUCT || f->children[0].n_children != 2))
		return corrupt(r, f, "the entries of a map are no pairs");
	return read_field_meta(r, t, f);
}

static enum status check_features(struct schema_reader *r, struct fbs_table *t)
{
	if (fbs_int(t, 0, 2, 0) != 0)
		return error_set(r->err, ERR_UNSUPPORTED, "big-endian streams are not supported");
	struct fbs_vector features = fbs_list(t, 3, 8);
	for (uint32_t i = 0; i < features.count; i++) {
		int64_t feature = fbs_list_i64(&features, i, 8, 0);
		if (feature < 0 || feature > 2)
			return error_set(r->err, ERR_UNSUPPORTED, "format feature %lld is not supported", (long long)feature);
	}
	return OK;
}

static enum status read_schema_meta(struct schema_reader *r, const struct fbs_vector *meta, struct schema *out)
{
	for (uint32_t i = 0; i < meta->count; i++) {
		struct fbs_table pair = fbs_list_table(meta, i);
		char *key, *value = NULL;
		enum status st = read_text(&pair, 0, "metadata key", &key, r->err);
		if (st == OK)
			st = read_text(&pair, 1, "metadata value", &value, r->err);
		if (st == OK)
			st = charge(r, strlen(key) + strlen(value));
		if (st == OK)
			schema_set_meta(out, key, value);
		mem_free(key);
		mem_free(value);
		TRY(st);
	}
	return OK;
}

/* Fields into out, and into *wires an array of the same shape. */
static enum status read_schema(struct schema_reader *r, struct fbs_table *t, struct schema *out, struct wire **wires)
{
	TRY(check_features(r, t));
	struct fbs_vector fields = fbs_list(t, 1, 4);
	struct fbs_vector meta = fbs_list(t, 2, 4);
	if (t->b->bad || fields.count > ARROW_FIELDS_MAX || meta.count > ARROW_META_MAX)
		return error_set(r->err, ERR_DATA, "schema is corrupt");
	out->fields = mem_array((size_t)fields.count + 1, sizeof(*out->fields));
	*wires = mem_array((size_t)fields.count + 1, sizeof(**wires));
	for (uint32_t i = 0; i < fields.count; i++) {
		out->n_fields = (int)i + 1;
		struct fbs_table f = fbs_list_table(&fields, i);
		TRY(read_field(r, &f, 1, &out->fields[i], &(*wires)[i]));
	}
	TRY(read_schema_meta(r, &meta, out));
	return t->b->bad ? error_set(r->err, ERR_DATA, "schema is corrupt") : OK;
}

/* e NULL: the encodings are not wanted. */
static enum status read_table(struct fbs_table *t, struct schema *out, struct encodings **e, struct error *err)
{
	struct schema_reader r = { .err = err };
	struct wire *wires = NULL;

	memset(out, 0, sizeof(*out));
	enum status st = read_schema(&r, t, out, &wires);
	if (st == OK && e)
		st = encodings_open(e, out, wires, err);
	else
		wires_free(wires, out->fields, out->n_fields);
	if (st != OK)
		schema_release(out);
	return st;
}

enum status arrow_read_schema_table(struct fbs_table *t, struct schema *out, struct error *err)
{
	return read_table(t, out, NULL, err);
}

enum status arrow_read_schema(struct message *m, struct schema *out, struct encodings **e, struct error *err)
{
	memset(out, 0, sizeof(*out));
	*e = NULL;
	if (m->type != ARROW_SCHEMA)
		return error_set(err, ERR_DATA, "the first message is no schema");
	if (m->body_bytes != 0)
		return error_set(err, ERR_DATA, "the schema message has a body");
	return read_table(&m->header, out, e, err);
}
