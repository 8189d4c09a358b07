/* expr.h - conditions on rows, as view --where takes them, and single values, as --sort-by does.
 *
 *	score >= 0.5 and (finish == "stop" or not truncated) and len(text) > 100 and meta.url =~ "^https" and at >= '2024-02-01'
 *
 * Values are null, numbers, booleans, strings (binary is one), times and lists; of lists only len() and comparison with null say
 * something. A name is a column, a dotted path goes into structs, maps whose keys are text, and columns of JSON text. Comparing
 * different types is false (!= is true), but a string that stands in the condition is read as a date or time where the other side
 * is one. Integers of 64 bits compare exactly, decimals and a number beside them as doubles, a number beside a float32 or float16 column
 * as float32. Precedence, from loose to tight: or, and, not, comparison. =~ searches with PCRE2. len() is the bytes of a string
 * or the elements of a list or map. A value by itself is true if it is true, a number but 0, or a string but "". */
#ifndef QUERN_STREAM_EXPR_H
#define QUERN_STREAM_EXPR_H

#include "stream/record.h"

enum expr_type { V_NULL, V_BOOL, V_NUMBER, V_STRING, V_INSTANT, V_CLOCK, V_SPAN, V_LIST, V_OTHER };

struct expr_value {
	enum expr_type type;
	long double number;          /* also of V_BOOL; holds any 64-bit integer */
	__int128 ns;                 /* V_INSTANT: since 1970; V_CLOCK: since midnight; V_SPAN */
	const char *s;               /* valid until the next evaluation */
	size_t n;                    /* bytes of a string, elements of a list */
};

struct expr;
/* Columns must exist in s. ERR_USAGE names the position. */
enum status expr_parse(struct expr **e, const char *text, const struct schema *s, struct error *err);
bool expr_test(struct expr *e, const struct batch *b, int64_t row);
/* Whether the condition asks about this column. */
bool expr_uses(const struct expr *e, int column);
/* A name, path or len() alone. */
enum status expr_parse_value(struct expr **e, const char *text, const struct schema *s, struct error *err);
struct expr_value expr_value(struct expr *e, const struct batch *b, int64_t row);
/* An order of all values: numbers and times by value, strings by bytes; what has none (null, NaN, lists) comes last. */
int expr_order(const struct expr_value *a, const struct expr_value *b);
/* Whether the value has a place in that order. */
bool expr_has_order(const struct expr_value *v);
void expr_free(struct expr *e);

#endif
