/* record_json.c - rows as JSON, and JSON values into columns. Binary travels as base64 (RFC 4648). */
#include "stream/layout.h"

#include <math.h>
#include <string.h>

/* --- base64 ---------------------------------------------------------------------------------- */
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_encode(const uint8_t *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		buf_char(out, base64_digits[v >> 18]);
		buf_char(out, base64_digits[v >> 12 & 63]);
		buf_char(out, i + 1 < n ? base64_digits[v >> 6 & 63] : '=');
		buf_char(out, i + 2 < n ? base64_digits[v & 63] : '=');
	}
}

static bool base64_decode(const char *s, size_t n, struct buf *out)
{
	uint32_t v = 0;
	int bits = 0;

	if (n % 4)
		return false;
	while (n > 0 && s[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		const char *d = s[i] ? strchr(base64_digits, s[i]) : NULL;
		if (!d)
			return false;
		v = v << 6 | (uint32_t)(d - base64_digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_char(out, (char)(v >> bits & 255));
		}
	}
	return true;
}

/* --- writing --------------------------------------------------------------------------------- */
static void write_base64(const void *p, size_t n, struct json_writer *w)
{
	struct buf b = {0};

	base64_encode(p, n, &b);
	json_string_n(w, b.data ? b.data : "", b.len);
	buf_release(&b);
}

static void write_text(const struct array *a, int64_t row, struct json_writer *w)
{
	size_t n;
	const char *s = array_text(a, row, &n);

	if (field_is_text(a->field))
		json_string_n(w, s, n);
	else
		write_base64(s, n, w);
}

static void write_logical(const struct array *a, int64_t row, struct json_writer *w)
{
	struct buf b = {0};

	logical_print(a->field, array_fixed(a, row), &b);
	json_string_n(w, b.data, b.len);
	buf_release(&b);
}

static void write_map(const struct array *a, int64_t row, struct json_writer *w)
{
	const struct array *keys = &a->children[0].children[0], *values = &a->children[0].children[1];
	int64_t from, to;
	bool object = field_is_text(keys->field);

	array_list(a, row, &from, &to);
	if (object)
		json_begin_object(w);
	else
		json_begin_array(w);
	for (int64_t i = from; i < to; i++) {
		size_t n;
		const char *key = object ? array_text(keys, i, &n) : NULL;
		if (object) {
			json_key_n(w, key, n);
			array_json(values, i, w);
			continue;
		}
		json_begin_array(w);
		array_json(keys, i, w);
		array_json(values, i, w);
		json_end_array(w);
	}
	if (object)
		json_end_object(w);
	else
		json_end_array(w);
}

static void write_struct(const struct array *a, int64_t row, struct json_writer *w)
{
	json_begin_object(w);
	for (int i = 0; i < a->field->n_children; i++) {
		const struct array *c = &a->children[i];
		if (c->field->nullable && array_is_null(c, row))
			continue;
		json_key(w, c->field->name);
		array_json(c, row, w);
	}
	json_end_object(w);
}

void array_json(const struct array *a, int64_t row, struct json_writer *w)
{
	int64_t from, to;

	if (array_is_null(a, row)) {
		json_null(w);
		return;
	}
	switch (a->field->type) {
	case T_NULL:
		json_null(w);
		break;
	case T_BOOL:
		json_bool(w, array_int(a, row) != 0);
		break;
	case T_UINT64:
		json_uint(w, (uint64_t)array_int(a, row));
		break;
	case T_FLOAT16: case T_FLOAT32:
		json_float(w, (float)array_double(a, row));
		break;
	case T_FLOAT64:
		json_double(w, array_double(a, row));
		break;
	case T_UTF8: case T_LARGE_UTF8: case T_BINARY: case T_LARGE_BINARY:
		write_text(a, row, w);
		break;
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST:
		array_list(a, row, &from, &to);
		json_begin_array(w);
		for (int64_t i = from; i < to; i++)
			array_json(&a->children[0], i, w);
		json_end_array(w);
		break;
	case T_STRUCT:
		write_struct(a, row, w);
		break;
	case T_MAP:
		write_map(a, row, w);
		break;
	case T_FIXED_BINARY:
		write_base64(array_fixed(a, row), (size_t)a->field->width, w);
		break;
	case T_DATE32: case T_DATE64: case T_TIME32: case T_TIME64: case T_TIMESTAMP: case T_DURATION: case T_INTERVAL:
	case T_DECIMAL32: case T_DECIMAL64: case T_DECIMAL128: case T_DECIMAL256:
		write_logical(a, row, w);
		break;
	default:
		json_int(w, array_int(a, row));
	}
}

void array_plain(const struct array *a, int64_t row, struct buf *out)
{
	size_t from = out->len, n;
	struct json_writer w = json_writer_open(out, 0);
	bool is_float = a->field->type >= T_FLOAT16 && a->field->type <= T_FLOAT64;

	if (array_is_null(a, row))
		return;
	if (field_is_text(a->field)) {
		const char *s = array_text(a, row, &n);
		buf_add(out, s, n);
		return;
	}
	if (is_float && !isfinite(array_double(a, row))) {
		buf_str(out, isnan(array_double(a, row)) ? "nan" : array_double(a, row) < 0 ? "-inf" : "inf");
		return;
	}
	array_json(a, row, &w);
	if (out->data[from] == '"') {        /* a time, a decimal or base64, in which nothing is escaped */
		out->len -= 2;
		memmove(out->data + from, out->data + from + 1, out->len - from);
		out->data[out->len] = 0;
	}
}

void batch_json(const struct batch *b, int64_t row, struct json_writer *w)
{
	json_begin_object(w);
	for (int i = 0; i < b->schema->n_fields; i++) {
		const struct array *a = &b->columns[i];
		if (a->field->nullable && array_is_null(a, row))
			continue;
		json_key(w, a->field->name);
		array_json(a, row, w);
	}
	json_end_object(w);
}

/* --- reading --------------------------------------------------------------------------------- */
static enum status mismatch(const char *want, const struct json *v, struct error *err)
{
	static const char *const found[] = {
		"null", "a boolean", "an integer", "an integer", "a number", "a string", "an array", "an object"
	};
	return error_set(err, ERR_DATA, "expected %s, found %s", want, found[v->type]);
}

static enum status json_to_int(struct column *c, enum field_type t, const struct json *v, struct error *err)
{
	static const int bits[] = { [T_INT8] = 7, [T_INT16] = 15, [T_INT32] = 31, [T_INT64] = 63,
				    [T_UINT8] = 8, [T_UINT16] = 16, [T_UINT32] = 32, [T_UINT64] = 64 };
	bool is_signed = t <= T_INT64;
	bool fits;

	if (v->type == JSON_UINT) {
		fits = t == T_UINT64;
		if (fits)
			column_int(c, (int64_t)v->uinteger);
	} else if (v->type == JSON_INT) {
		int64_t max = bits[t] >= 63 ? INT64_MAX : ((int64_t)1 << bits[t]) - 1;
		int64_t min = is_signed ? -max - 1 : 0;
		fits = v->integer >= min && v->integer <= max;
		if (fits)
			column_int(c, v->integer);
	} else {
		return mismatch("an integer", v, err);
	}
	if (!fits)
		return error_set(err, ERR_DATA, "integer does not fit in %d bits", is_signed ? bits[t] + 1 : bits[t]);
	return OK;
}

static enum status json_to_bytes(struct column *c, const struct field *f, const struct json *v, struct error *err)
{
	if (v->type != JSON_STRING)
		return mismatch("a string", v, err);
	if (field_is_text(f)) {
		column_text(c, v->str, v->len);
		return OK;
	}
	struct buf b = {0};
	bool good = base64_decode(v->str, v->len, &b);
	if (good)
		column_text(c, b.data ? b.data : "", b.len);
	buf_release(&b);
	return good ? OK : error_set(err, ERR_DATA, "expected base64");
}

static enum status json_to_fixed(struct column *c, const struct field *f, const struct json *v, struct error *err)
{
	struct buf b = {0};

	if (v->type != JSON_STRING)
		return mismatch("a string", v, err);
	bool good = base64_decode(v->str, v->len, &b);
	size_t n = b.len;
	if (good && n == (size_t)f->width)
		column_fixed(c, b.data ? b.data : "");
	buf_release(&b);
	if (!good)
		return error_set(err, ERR_DATA, "expected base64");
	return n == (size_t)f->width ? OK : error_set(err, ERR_DATA, "expected %d bytes, found %zu", (int)f->width, n);
}

static enum status json_to_logical(struct column *c, const struct field *f, const struct json *v, struct error *err)
{
	char value[32];
	struct buf type = {0};

	if (v->type == JSON_STRING && logical_parse(f, v->str, v->len, value)) {
		column_fixed(c, value);
		return OK;
	}
	if (v->type != JSON_STRING)
		return mismatch("a string", v, err);
	field_print(f, &type);
	error_set(err, ERR_DATA, "'%.40s' is no value of '%s'", v->str, type.data);
	buf_release(&type);
	return ERR_DATA;
}

/* One entry of a map; the key is a JSON value of its own. */
static enum status json_to_entry(struct column *entries, const struct json *key, const struct json *value, struct error *err)
{
	TRY(column_json(column_child(entries, 0), key, err));
	TRY(column_json(column_child(entries, 1), value, err));
	column_end_struct(entries);
	return OK;
}

/* An object where keys are text; a list of [key, value] of any map. */
static enum status json_to_map(struct column *c, const struct field *f, const struct json *v, struct error *err)
{
	bool object = v->type == JSON_OBJECT;

	if (object && !field_is_text(&f->children[0].children[0]))
		return error_set(err, ERR_DATA, "expected an array of [key, value], found an object");
	if (!object && v->type != JSON_ARRAY)
		return mismatch("an object", v, err);
	for (size_t i = 0; i < v->len; i++) {
		const struct json *item = &v->items[i];
		if (!object && (item->type != JSON_ARRAY || item->len != 2))
			return error_set(err, ERR_DATA, "entry %zu: expected [key, value]", i);
		enum status st = json_to_entry(column_child(c, 0), object ? &v->keys[i] : &item->items[0],
					       object ? item : &item->items[1], err);
		if (st != OK)
			return error_prefix(err, st, "entry %zu", i);
	}
	column_end_list(c);
	return OK;
}

static enum status json_to_list(struct column *c, const struct field *f, const struct json *v, struct error *err)
{
	if (v->type != JSON_ARRAY)
		return mismatch("an array", v, err);
	if (f->type == T_FIXED_LIST && v->len != (size_t)f->list_size)
		return error_set(err, ERR_DATA, "expected %d elements, found %zu", (int)f->list_size, v->len);
	for (size_t i = 0; i < v->len; i++) {
		enum status st = column_json(column_child(c, 0), &v->items[i], err);
		if (st != OK)
			return error_prefix(err, st, "element %zu", i);
	}
	column_end_list(c);
	return OK;
}

static enum status json_to_struct(struct column *c, const struct field *f, const struct json *v, struct error *err)
{
	static const struct json null = { .type = JSON_NULL };
	size_t known = 0;

	if (v->type != JSON_OBJECT)
		return mismatch("an object", v, err);
	for (int i = 0; i < f->n_children; i++) {
		const char *name = f->children[i].name;
		const struct json *member = json_get(v, name);
		known += member != NULL;
		if (!member && !f->children[i].nullable && f->children[i].type != T_NULL)
			return error_set(err, ERR_DATA, "no member '%s'", name);
		enum status st = column_json(column_child(c, i), member ? member : &null, err);
		if (st != OK)
			return error_prefix(err, st, "member '%s'", name);
	}
	for (size_t k = 0; known < v->len && k < v->len; k++) {
		bool found = false;
		for (int i = 0; i < f->n_children; i++)
			found |= strcmp(f->children[i].name, v->keys[k].str) == 0;
		if (!found)
			return error_set(err, ERR_DATA, "unknown member '%s'", v->keys[k].str);
	}
	column_end_struct(c);
	return OK;
}

static enum status json_to_float(struct column *c, const struct json *v, struct error *err)
{
	if (v->type != JSON_INT && v->type != JSON_UINT && v->type != JSON_DOUBLE)
		return mismatch("a number", v, err);
	column_double(c, v->number);
	return OK;
}

enum status column_json(struct column *c, const struct json *v, struct error *err)
{
	const struct field *f = column_field(c);

	if (v->type == JSON_NULL && (f->nullable || f->type == T_NULL)) {
		column_null(c);
		return OK;
	}
	switch (f->type) {
	case T_NULL:
		return mismatch("null", v, err);
	case T_BOOL:
		if (v->type != JSON_BOOL)
			return mismatch("a boolean", v, err);
		column_int(c, v->boolean);
		return OK;
	case T_FLOAT16: case T_FLOAT32: case T_FLOAT64:
		/* NaN and infinities are written as null */
		if (v->type == JSON_NULL) {
			column_double(c, NAN);
			return OK;
		}
		return json_to_float(c, v, err);
	case T_UTF8: case T_LARGE_UTF8: case T_BINARY: case T_LARGE_BINARY:
		return json_to_bytes(c, f, v, err);
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST:
		return json_to_list(c, f, v, err);
	case T_STRUCT:
		return json_to_struct(c, f, v, err);
	case T_MAP:
		return json_to_map(c, f, v, err);
	case T_FIXED_BINARY:
		return json_to_fixed(c, f, v, err);
	default:
		return type_has_text(f->type) ? json_to_logical(c, f, v, err) : json_to_int(c, f->type, v, err);
	}
}
