/* literal.h - Python literals as values: what ast.literal_eval makes of a rendered template, such as "['a', \"b's\", 3]". */
#ifndef QUERN_JUDGE_LITERAL_H
#define QUERN_JUDGE_LITERAL_H

#include "base/json.h"

/* One literal (string, int, float, True, False, None, list, tuple) in s[0..n), blanks around it allowed; a tuple becomes an array. The
 * value lives in the arena. ERR_DATA if it is something else. */
enum status literal_parse(const char *s, size_t n, struct arena *arena, struct json *out, struct error *err);

#endif
