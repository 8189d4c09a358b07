/* record.h - typed columns in memory: schema, batch, the accessors tools read rows with, and the
 * builder they make rows with. The layout is Arrow's columnar format 1.x; nothing here does I/O.
 *
 * Ownership: a batch is reference counted and owns (or borrows from what it owns) everything its
 * arrays point to. Schemas are owned by whoever made them; a batch keeps a copy of its schema's
 * pointer, so the schema must outlive it (readers and writers keep theirs until closed). */
#ifndef QUERN_STREAM_RECORD_H
#define QUERN_STREAM_RECORD_H

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum field_type {
	T_NULL, T_BOOL, T_INT8, T_INT16, T_INT32, T_INT64, T_UINT8, T_UINT16, T_UINT32, T_UINT64,
	T_FLOAT16, T_FLOAT32, T_FLOAT64, T_UTF8, T_LARGE_UTF8, T_BINARY, T_LARGE_BINARY,
	T_LIST, T_LARGE_LIST, T_FIXED_LIST, T_STRUCT,
	/* Numbers with a meaning. Physically: integers of 32 or 64 bits for times, little-endian two's complement for
	 * decimals, bytes for fixed binary and interval; a map is a list of struct<key, value>. */
	T_DATE32, T_DATE64, T_TIME32, T_TIME64, T_TIMESTAMP, T_DURATION, T_INTERVAL,
	T_DECIMAL32, T_DECIMAL64, T_DECIMAL128, T_DECIMAL256, T_FIXED_BINARY, T_MAP
};

/* Of T_TIME32 (s, ms), T_TIME64 (us, ns), T_TIMESTAMP and T_DURATION (any); values as Arrow counts them. */
enum time_unit { UNIT_S, UNIT_MS, UNIT_US, UNIT_NS };
/* Of T_INTERVAL: int32 months; int32 days, int32 ms; int32 months, int32 days, int64 ns. */
enum interval_unit { INTERVAL_YEAR_MONTH, INTERVAL_DAY_TIME, INTERVAL_MONTH_DAY_NANO };

/* A pair of a field's own metadata (ARROW:extension:name, …): bytes of any kind, NUL-terminated as well. */
struct field_meta {
	char *key, *value;
	size_t key_bytes, value_bytes;
};

struct field {
	char *name;
	enum field_type type;
	bool nullable;
	bool keys_sorted;            /* T_MAP */
	int32_t list_size;           /* T_FIXED_LIST: elements of a row */
	int32_t width;               /* T_FIXED_BINARY: bytes of a value */
	int32_t unit;                /* enum time_unit, or enum interval_unit for T_INTERVAL */
	int32_t precision, scale;    /* decimals: digits in all, digits behind the point (negative: zeros before it) */
	char *timezone;              /* T_TIMESTAMP: values are UTC instants shown there; NULL = clock time of no place */
	int n_children;              /* 1 for lists and maps, any for structs */
	struct field *children;
	int n_meta;                  /* carried along; says nothing about equality */
	struct field_meta *meta;
};

struct schema {
	int n_fields;
	struct field *fields;
	int n_meta;                  /* key/value pairs of the schema message */
	char **meta_keys, **meta_values;
};

void schema_release(struct schema *s);
void schema_copy(struct schema *to, const struct schema *from);
int schema_find(const struct schema *s, const char *name);                 /* -1 if absent */
/* Adds a field (copied deeply) and returns its index. */
int schema_add(struct schema *s, const struct field *f);
/* Adds a field written in our notation: "id: utf8", "meta: utf8?", "input_ids: list<int32>",
 * "labels: fixed_size_list<int32>[128]", "messages: list<struct<role: utf8, content: utf8>>", "at: timestamp[us, UTC]",
 * "day: date32", "span: duration[ms]", "step: interval[month_day_nano]", "price: decimal128[10, 2]",
 * "key: fixed_size_binary[16]", "tags: map<utf8, int64?>" (with [sorted] behind it if its keys are).
 * '?' marks nullable. The notation is the program's, so a mistake in it is a bug, not an error. */
int schema_add_spec(struct schema *s, const char *spec);
void schema_remove(struct schema *s, int i);
const char *schema_meta(const struct schema *s, const char *key);          /* NULL if absent */
void schema_set_meta(struct schema *s, const char *key, const char *value); /* NULL value removes */
bool field_equal(const struct field *a, const struct field *b);            /* names, types, nesting; not nullable */
bool schema_equal(const struct schema *a, const struct schema *b);         /* fields in order; not metadata */
void field_print(const struct field *f, struct buf *out);                  /* the notation above */

struct array {
	const struct field *field;
	int64_t length, null_count;
	int64_t offset;              /* rows to skip at the front of validity, offsets, values (a slice); 0 off the wire */
	const uint8_t *validity;     /* bit per row, LSB first, 1 = valid; NULL = no nulls */
	const void *offsets;         /* int32 or int64 [length + 1] for utf8, binary, list */
	const void *values;          /* fixed-width values, bits of bool, bytes of utf8 and binary */
	int64_t values_bytes;
	struct array *children;      /* field->n_children of them */
};

struct batch {
	const struct schema *schema;
	int64_t rows;
	struct array *columns;
	int64_t seq;                 /* number of the batch in its stream */
	int refs;
	struct arena arena;          /* arrays, and what builders and decoders made */
	void *owned;                 /* body buffer (mem_free), or NULL */
	struct input_map map;        /* … or the file's own */
	struct batch *base;          /* batch whose memory this one borrows, or NULL */
};

struct batch *batch_retain(struct batch *b);
void batch_release(struct batch *b);                                        /* NULL allowed */
/* The rows idx[0..n) of b, in that order, as a new batch over the same schema (copies). */
struct batch *batch_take(struct batch *b, const int64_t *idx, int64_t n);
/* How many of b's buffers hold some of these bytes: a stream may let buffers lie over each other. */
int batch_holding(const struct batch *b, const void *p, size_t n);
/* Points b at a schema that is equal and lives longer than its own. ERR_DATA if a column has nulls that s holds to be
 * without; equal schemas may differ in that. */
enum status batch_rebind(struct batch *b, const struct schema *s, struct error *err);
/* Bytes of b's buffers in memory. */
size_t batch_bytes(const struct batch *b);

/* --- reading rows. Row numbers are the array's, 0-based. --------------------------------- */
const struct array *batch_column(const struct batch *b, const char *name);  /* NULL if absent */
bool array_is_null(const struct array *a, int64_t row);
/* Any utf8, large_utf8, binary, large_binary; a null gives "" with *n 0. */
const char *array_text(const struct array *a, int64_t row, size_t *n);
/* Bytes of a value whose size is fixed (not bool); a null gives NULL. They are aligned only off our own builders. */
const void *array_fixed(const struct array *a, int64_t row);
/* Any integer, bool, float, date, time, timestamp or duration type, converted; a null gives 0 (NaN for array_double). array_double
 * takes decimals too. */
int64_t array_int(const struct array *a, int64_t row);
double array_double(const struct array *a, int64_t row);
/* Elements of a list or map row: they are [*from, *to) of a->children[0]; a null gives an empty range. */
void array_list(const struct array *a, int64_t row, int64_t *from, int64_t *to);
/* Elements of a list<int32> row as a plain pointer (NULL if the element type is not int32 or holds nulls). */
const int32_t *array_int32s(const struct array *a, int64_t row, int64_t *n);
/* Child of a struct array by name, or NULL. Its rows are the struct's rows. */
const struct array *array_child(const struct array *a, const char *name);
/* A row's value as JSON: binary as base64, NaN as null, times as ISO 8601, decimals as strings, a map as an object where
 * its keys are text and as a list of [key, value] elsewhere. */
void array_json(const struct array *a, int64_t row, struct json_writer *w);
/* The same for people and spreadsheets: text as it is, times, decimals and base64 without quotes, nan and inf, nothing for null. */
void array_plain(const struct array *a, int64_t row, struct buf *out);
/* All columns of a row as one object; nulls of nullable columns are left out. */
void batch_json(const struct batch *b, int64_t row, struct json_writer *w);

bool field_is_text(const struct field *f);
bool field_is_list_of(const struct field *f, enum field_type t);
/* list<struct<role: text, content: text, ...>> */
bool field_is_messages(const struct field *f);

/* --- building rows ------------------------------------------------------------------------ */
/* One column being filled; children for nested types. Append to every column of a row, then
 * builder_finish makes a batch of all rows so far and starts anew. For a list row: append its elements to
 * column_child(c, 0), then column_end_list(c); for a struct row: append to each child, then
 * column_end_struct(c). */
struct column;
struct builder;
struct builder *builder_open(const struct schema *s);                       /* s must outlive it */
void builder_close(struct builder *b);
struct column *builder_column(struct builder *b, int i);
int64_t builder_rows(const struct builder *b);                              /* rows of the shortest column */
size_t builder_bytes(const struct builder *b);                              /* so that callers cut batches by size */
/* All columns must have the same number of rows. */
struct batch *builder_finish(struct builder *b);

struct column *column_child(struct column *c, int i);
void column_null(struct column *c);                                         /* fixed lists fill their elements */
void column_int(struct column *c, int64_t v);                               /* any type that array_int takes, but floats */
void column_fixed(struct column *c, const void *value);                     /* the bytes of a value of any fixed size (not bool) */
void column_double(struct column *c, double v);                             /* any float type */
void column_text(struct column *c, const char *s, size_t n);                /* utf8 and binary, large or not */
/* The same of b's text, and takes its memory instead of a copy where that pays (it is large and the column empty): b is then empty. */
void column_adopt(struct column *c, struct buf *b);
void column_str(struct column *c, const char *s);
void column_end_list(struct column *c);
void column_end_struct(struct column *c);
void column_int32s(struct column *c, const int32_t *v, int64_t n);          /* a whole list<int32> row */
void column_message(struct column *c, const char *role, const char *content, size_t n); /* element of messages */
/* Copies one row of an array of an equal field type. */
void column_copy(struct column *c, const struct array *a, int64_t row);
/* A JSON value into a column of any type. ERR_DATA names what does not fit ("expected a string, found a number"). */
enum status column_json(struct column *c, const struct json *v, struct error *err);

#endif
