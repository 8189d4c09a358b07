/* json_write.c - the tree's accessors and the writer, see json.h. */
#include "base/json.h"
#include "base/json_escape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const struct json *json_get(const struct json *j, const char *key)
{
	if (!j || j->type != JSON_OBJECT)
		return NULL;
	size_t n = strlen(key);
	for (size_t i = 0; i < j->len; i++)
		if (j->keys[i].len == n && memcmp(j->keys[i].str, key, n) == 0)
			return &j->items[i];
	return NULL;
}

const char *json_get_str(const struct json *j, const char *key, const char *dflt)
{
	const struct json *v = json_get(j, key);
	return v && v->type == JSON_STRING ? v->str : dflt;
}

static bool is_number(const struct json *v)
{
	return v && (v->type == JSON_INT || v->type == JSON_UINT || v->type == JSON_DOUBLE);
}

double json_get_num(const struct json *j, const char *key, double dflt)
{
	const struct json *v = json_get(j, key);
	return is_number(v) ? v->number : dflt;
}

int64_t json_get_int(const struct json *j, const char *key, int64_t dflt)
{
	const struct json *v = json_get(j, key);
	return v && v->type == JSON_INT ? v->integer : dflt;
}

bool json_get_bool(const struct json *j, const char *key, bool dflt)
{
	const struct json *v = json_get(j, key);
	return v && v->type == JSON_BOOL ? v->boolean : dflt;
}

/* --- writing ------------------------------------------------------------------------------- */

struct json_writer json_writer_open(struct buf *out, int indent)
{
	return (struct json_writer){.out = out, .indent = indent};
}

static void new_line(struct json_writer *w)
{
	if (w->indent == 0)
		return;
	buf_char(w->out, '\n');
	for (int i = 0; i < w->indent * w->depth; i++)
		buf_char(w->out, ' ');
}

/* What stands before a value: nothing after a key, a comma between elements, a line in pretty form. */
static void before_value(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->comma)
		buf_char(w->out, ',');
	if (w->depth > 0)
		new_line(w);
	w->comma = true;
}

static void begin(struct json_writer *w, char c)
{
	before_value(w);
	buf_char(w->out, c);
	w->depth++;
	w->comma = false;
}

static void end(struct json_writer *w, char c)
{
	w->depth--;
	if (w->comma)
		new_line(w);
	buf_char(w->out, c);
	w->comma = true;
}

void json_begin_object(struct json_writer *w) { begin(w, '{'); }
void json_end_object(struct json_writer *w) { end(w, '}'); }
void json_begin_array(struct json_writer *w) { begin(w, '['); }
void json_end_array(struct json_writer *w) { end(w, ']'); }

static void quoted(struct buf *out, const char *s, size_t n)
{
	buf_char(out, '"');
	json_escape(out, s, n);
	buf_char(out, '"');
}

void json_string_n(struct json_writer *w, const char *s, size_t n)
{
	before_value(w);
	quoted(w->out, s, n);
}

void json_string(struct json_writer *w, const char *s)
{
	json_string_n(w, s, strlen(s));
}

void json_key_n(struct json_writer *w, const char *key, size_t n)
{
	if (w->comma)
		buf_char(w->out, ',');
	new_line(w);
	quoted(w->out, key, n);
	buf_str(w->out, w->indent ? ": " : ":");
	w->comma = true;
	w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
	json_key_n(w, key, strlen(key));
}

void json_int(struct json_writer *w, int64_t v)
{
	before_value(w);
	json_decimal(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

void json_uint(struct json_writer *w, uint64_t v)
{
	before_value(w);
	json_decimal(w->out, v, false);
}

/* Keeps "1.0" a float for readers that tell 1 from 1.0. */
static void put_number(struct json_writer *w, const char *digits)
{
	buf_str(w->out, digits);
	if (!strpbrk(digits, ".eE"))
		buf_str(w->out, ".0");
}

void json_double(struct json_writer *w, double v)
{
	struct buf s = {0};
	if (!isfinite(v)) {
		json_null(w);
		return;
	}
	before_value(w);
	buf_double(&s, v);
	put_number(w, s.data);
	buf_release(&s);
}

void json_float(struct json_writer *w, float v)
{
	char s[40];
	if (!isfinite(v)) {
		json_null(w);
		return;
	}
	before_value(w);
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(s, sizeof(s), "%.*g", digits, (double)v);
		if (strtof(s, NULL) == v)
			break;
	}
	put_number(w, s);
}

void json_bool(struct json_writer *w, bool v)
{
	before_value(w);
	buf_str(w->out, v ? "true" : "false");
}

void json_null(struct json_writer *w)
{
	before_value(w);
	buf_str(w->out, "null");
}

void json_raw(struct json_writer *w, const char *s, size_t n)
{
	before_value(w);
	buf_add(w->out, s, n);
}

void json_value(struct json_writer *w, const struct json *j)
{
	switch (j->type) {
	case JSON_NULL: json_null(w); break;
	case JSON_BOOL: json_bool(w, j->boolean); break;
	case JSON_INT: json_int(w, j->integer); break;
	case JSON_UINT: json_uint(w, j->uinteger); break;
	case JSON_DOUBLE: json_double(w, j->number); break;
	case JSON_STRING: json_string_n(w, j->str, j->len); break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (size_t i = 0; i < j->len; i++)
			json_value(w, &j->items[i]);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w);
		for (size_t i = 0; i < j->len; i++) {
			json_key_n(w, j->keys[i].str, j->keys[i].len);
			json_value(w, &j->items[i]);
		}
		json_end_object(w);
		break;
	}
}

void json_kv_string(struct json_writer *w, const char *key, const char *v)
{
	json_key(w, key);
	json_string(w, v);
}

void json_kv_int(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_int(w, v);
}

void json_kv_double(struct json_writer *w, const char *key, double v)
{
	json_key(w, key);
	json_double(w, v);
}

void json_kv_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}
