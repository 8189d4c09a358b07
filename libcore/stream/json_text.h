/* json_text.h - JSON objects off an input, one after the other, and the types of their fields.
 * Private to the stream room. */
#ifndef QUERN_STREAM_JSON_TEXT_H
#define QUERN_STREAM_JSON_TEXT_H

#include "base/file.h"
#include "base/json.h"
#include "stream/record.h"

#define JSON_OBJECT_MAX ((size_t)1 << 30)        /* bytes of one line or array element */
#define JSON_WINDOW_BYTES ((size_t)1 << 20)      /* what types are inferred from */

/* --- splitting: one object per line, the elements of one array, or objects that span lines or share one --- */
enum json_manner { JSON_BY_LINES, JSON_IN_ARRAY, JSON_ONE_BY_ONE };
struct json_split {
	struct input *in;
	struct buf data;
	size_t at;                               /* first byte not handed out */
	size_t scanned;                          /* bytes behind at without an end */
	int64_t line;                            /* of the byte at at, from 1 */
	enum json_manner manner;
	bool eof, between, ended;                /* between: an element came, a comma may follow */
	bool keep;                               /* do not move data: a rewind will come */
	bool input_failed;                       /* the error is the input's and names it */
};
/* Skips a byte order mark and sees which manner it is. */
enum status json_split_open(struct json_split *s, struct input *in, struct error *err);
/* The next value's text (an object, if the text is what it should be), with JSON_PADDING bytes behind it, valid until the next call, and its line. END at the end. */
enum status json_split_next(struct json_split *s, const char **p, size_t *n, int64_t *line, struct error *err);
/* Hands over the memory in which the text handed out last lies, where it is. */
void json_split_take(struct json_split *s, struct buf *out);
/* Gives back what a huge object took; what was handed out is gone. */
void json_split_shrink(struct json_split *s);
void json_split_release(struct json_split *s);

/* --- types --- */
struct json_shape;
struct json_shape *json_shape_open(void);
void json_shape_close(struct json_shape *s);
/* Sees one row's object. */
enum status json_shape_add(struct json_shape *s, const struct json *row, int64_t line, struct error *err);
/* The columns: types (may be NULL) by name first, then those of our kinds where the values fit (not if plain), else by the values. */
enum status json_shape_schema(const struct json_shape *s, const struct schema *types, bool plain, struct schema *out, struct error *err);
/* Columns of text that take other JSON values as their text: numbers ("id": 7), or anything ("meta"). */
enum json_as_text { AS_TEXT_NEVER, AS_TEXT_NUMBERS, AS_TEXT_ANYTHING };
enum json_as_text json_as_text(const char *name);

#endif
