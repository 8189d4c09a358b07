/* layout.h - what record, builder and the Arrow codec share about Arrow's memory layout.
 * Private to the stream room. */
#ifndef QUERN_STREAM_LAYOUT_H
#define QUERN_STREAM_LAYOUT_H

#include "stream/record.h"

static inline bool bit_get(const void *bits, int64_t i)
{
	return (((const uint8_t *)bits)[i >> 3] >> (i & 7)) & 1;
}

static inline void bit_set(void *bits, int64_t i)
{
	((uint8_t *)bits)[i >> 3] |= (uint8_t)(1u << (i & 7));
}

/* Values of a size that the field tells, one behind the other (not bool). */
bool type_is_fixed(enum field_type t);
/* Bytes of one such value; 0 for bool, null, variable and nested types (and for fixed binary of no bytes). */
int field_width(const struct field *f);
/* The integer type that a type is stored as: dates, times, timestamps, durations; other types are their own. */
enum field_type type_stored_as(enum field_type t);
/* Bytes of one offset: 4, 8, or 0 where a type has none. */
int type_offset_width(enum field_type t);
/* utf8 and binary, large or not. */
bool type_has_bytes(enum field_type t);
/* The i-th offset (0 <= i <= length) of an array that has some. */
int64_t array_offset(const struct array *a, int64_t i);
/* A batch of one reference, with zeroed columns in its arena. */
struct batch *batch_new(const struct schema *s, int64_t rows);

/* Deep copy, release, and one more zeroed child. */
void field_copy(struct field *to, const struct field *from);
void field_release(struct field *f);
struct field *field_push_child(struct field *f);
/* Copies the pair. */
void field_add_meta(struct field *f, const char *key, size_t key_bytes, const char *value, size_t value_bytes);
/* Types, parameters and nesting; not the field's own name. */
bool field_type_equal(const struct field *a, const struct field *b);

/* The text of a value of a date, time, timestamp, duration, interval or decimal type, as JSON shows it; value is its bytes. */
bool type_has_text(enum field_type t);
void logical_print(const struct field *f, const void *value, struct buf *out);
/* That text to the bytes of a value (32 have room for any); false if it is none, or does not fit the field. */
bool logical_parse(const struct field *f, const char *s, size_t n, void *value);

/* A column of its own (no builder): for rebuilding an array. f must outlive it. */
struct column *column_open(const struct field *f);
void column_close(struct column *c);
const struct field *column_field(const struct column *c);
/* The column's rows as an array. Its memory is the column's; nodes come from the arena. */
void column_view(const struct column *c, struct arena *arena, struct array *out);

#endif
