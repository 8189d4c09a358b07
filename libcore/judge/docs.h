/* docs.h - rows of a data file as JSON objects in memory: what task templates are rendered with. Every column is a member, nulls
 * as null. */
#ifndef QUERN_JUDGE_DOCS_H
#define QUERN_JUDGE_DOCS_H

#include "base/json.h"
#include "stream/record.h"

struct docs {
	struct buf text;
	size_t *at;                  /* [n + 1] */
	int64_t n, cap;
};
void docs_add(struct docs *d, const struct batch *b, int64_t row);
/* The same with the members of the column meta, if that is an object, that are no columns. p is of no more use then. */
void docs_add_meta(struct docs *d, const struct batch *b, int64_t row, struct json_parser *p);
void docs_clear(struct docs *d);
void docs_release(struct docs *d);
/* Document i as JSON text and as a tree that lives in the parser until its next parse. */
const char *docs_text(const struct docs *d, int64_t i, size_t *n);
enum status docs_get(const struct docs *d, int64_t i, struct json_parser *p, const struct json **doc, struct error *err);
bool docs_equal(const struct docs *a, int64_t i, const struct docs *b, int64_t j);

#endif
