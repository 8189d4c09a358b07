/* expr.h - conditions on rows, as view --where takes them.
 *
 *	score >= 0.5 and (finish == "stop" or not truncated) and len(text) > 100 and meta.url =~ "^https"
 *
 * Values are null, numbers (double), booleans and strings; anything else (lists, structs) only len() and comparison with null look at.
 * A name is a column, a dotted path goes into structs and into columns of JSON text. Comparing different types is false
 * (!= is true). Precedence, from loose to tight: or, and, not, comparison. =~ searches with PCRE2. len() is the bytes of a
 * string or the elements of a list. A value by itself is true if it is true, a number but 0, or a string but "". */
#ifndef QUERN_STREAM_EXPR_H
#define QUERN_STREAM_EXPR_H

#include "stream/record.h"

struct expr;
/* Columns must exist in s. ERR_USAGE names the position. */
enum status expr_parse(struct expr **e, const char *text, const struct schema *s, struct error *err);
bool expr_test(struct expr *e, const struct batch *b, int64_t row);
void expr_free(struct expr *e);

#endif
