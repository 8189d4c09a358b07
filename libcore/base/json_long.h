/* json_long.h - long strings taken out of a JSON text, so that they are held once. Private to json_read.cc. */
#ifndef QUERN_BASE_JSON_LONG_H
#define QUERN_BASE_JSON_LONG_H

#include "base/error.h"
#include "base/mem.h"

struct json_long {
	struct buf rest;             /* the text, with "" in the place of long strings */
	struct json_long_string {
		size_t ordinal;      /* of all strings in the text, names too */
		const char *str;
		size_t len;
	} *v;
	size_t n, next;
	int64_t cap;
};
void json_long_release(struct json_long *l);         /* {0} allowed */
/* Long ones are values of at least `least` bytes as they stand. The bytes of all of them: */
size_t json_long_bytes(const char *s, size_t n, size_t least);
/* With `now` they are checked, and unescaped where they are, with a NUL behind. ERR_DATA if one is malformed; all else of the text is the
 * parser's to judge. JSON_PADDING bytes may be read behind rest. */
enum status json_long_take(struct json_long *l, char *s, size_t n, size_t least, bool now, struct error *err);

#endif
