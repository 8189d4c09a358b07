/* json.h - JSON: read through simdjson (behind a C shim), written by our own writer.
 *
 * A parsed document is a tree of struct json that lives in an arena of the parser and is valid
 * until the next json_parse on it. Strings are UTF-8, may hold NULs, and are NUL-terminated as
 * well. Object members keep their order; of duplicate keys json_get finds the first. */
#ifndef QUERN_BASE_JSON_H
#define QUERN_BASE_JSON_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_UINT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool boolean;
	int64_t integer;             /* JSON_INT; JSON_UINT holds what exceeds INT64_MAX in uinteger */
	uint64_t uinteger;
	double number;               /* set for every numeric type */
	const char *str;             /* JSON_STRING */
	size_t len;                  /* bytes of str, elements of an array, members of an object */
	const struct json *items;    /* elements, or member values */
	const struct json *keys;     /* member names (JSON_STRING), same order as items */
};

struct json_parser;
struct json_parser *json_parser_open(void);
void json_parser_close(struct json_parser *p);
/* Parses one document of n bytes. Depth is limited to 256; bad UTF-8 is an error. */
enum status json_parse(struct json_parser *p, const char *s, size_t n, const struct json **out, struct error *err);
/* The same of bytes with JSON_PADDING more behind them that may be read and mean nothing: it saves a copy. */
#define JSON_PADDING 64
enum status json_parse_padded(struct json_parser *p, const char *s, size_t n, const struct json **out, struct error *err);
/* The same of bytes that the parser may write to. If they are mostly strings of `least` bytes (1 or more) and more as they stand, those are not
 * copied: they are unescaped in place, and so lie in s, which is then no JSON. Names are copied. With !now long strings are empty in the
 * tree, may be malformed, and s stays as it is. */
enum status json_parse_long(struct json_parser *p, char *s, size_t n, size_t least, bool now, const struct json **out, struct error *err);
/* Documents parsed from now on: members of these names (NULL behind the last, NULL: none) that are arrays or objects are empty in the tree,
 * and json_each gives what they hold. A tree takes 64 bytes an element, and a vocabulary has hundreds of thousands. Not for
 * json_parse_long. */
void json_parser_leave(struct json_parser *p, const char *const *names);
/* The elements of an array or object, whether they are in the tree or not. */
size_t json_count(const struct json_parser *p, const struct json *j);
/* Gives them to fn one by one, until it does not return OK; returns what it returned. i counts from 0, name is NULL in an array. name's and
 * value's texts live as those of the tree do, the rest until fn returns. No json_each inside fn. */
typedef enum status json_element(void *arg, size_t i, const struct json *name, const struct json *value, struct error *err);
enum status json_each(struct json_parser *p, const struct json *j, json_element *fn, void *arg, struct error *err);
/* Reads and parses a whole file (config.json, tokenizer.json). */
enum status json_parse_file(struct json_parser *p, const char *path, const struct json **out, struct error *err);

/* Member of an object by name, or NULL (also when j is NULL or no object). */
const struct json *json_get(const struct json *j, const char *key);
/* Value with default, for optional configuration members. */
const char *json_get_str(const struct json *j, const char *key, const char *dflt);
double json_get_num(const struct json *j, const char *key, double dflt);
int64_t json_get_int(const struct json *j, const char *key, int64_t dflt);
bool json_get_bool(const struct json *j, const char *key, bool dflt);

/* --- writing: appends to a buf; compact, or pretty with an indent. Keys keep call order. --- */
struct json_writer {
	struct buf *out;
	int indent;                  /* 0 = compact, ", " and ": " never; else spaces per level */
	int depth;
	bool comma;                  /* a value stands before this place */
	bool after_key;
};
struct json_writer json_writer_open(struct buf *out, int indent);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_n(struct json_writer *w, const char *key, size_t n);
void json_string(struct json_writer *w, const char *s);
void json_string_n(struct json_writer *w, const char *s, size_t n); /* invalid UTF-8 becomes U+FFFD */
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_double(struct json_writer *w, double v);   /* shortest that reads back the same; NaN, inf -> null */
void json_float(struct json_writer *w, float v);     /* shortest that reads back the same float */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_value(struct json_writer *w, const struct json *j);  /* copies a tree */
void json_raw(struct json_writer *w, const char *s, size_t n); /* JSON text as it is */
/* Shorthands for members. */
void json_kv_string(struct json_writer *w, const char *key, const char *v);
void json_kv_int(struct json_writer *w, const char *key, int64_t v);
void json_kv_double(struct json_writer *w, const char *key, double v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);

#endif
