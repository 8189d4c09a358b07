/* json_escape.h - bytes of a text as they stand inside a JSON string, at the speed of memory. */
#ifndef QUERN_BASE_JSON_ESCAPE_H
#define QUERN_BASE_JSON_ESCAPE_H

#include "base/mem.h"

#include <stdbool.h>

/* True if s[0..n) is UTF-8 (no surrogates, no overlong forms). */
bool utf8_valid(const char *s, size_t n);
/* Appends s[0..n) without quotes around it: control characters, DEL, '"' and '\' escaped, all else as it is; each byte that
 * is not UTF-8 as U+FFFD. */
void json_escape(struct buf *out, const char *s, size_t n);
/* Appends v in decimal. */
void json_decimal(struct buf *out, uint64_t v, bool negative);

/* For tests: the code for "avx512", "avx2" or "plain"; NULL is the best there is. False if this machine has it not. */
bool json_escape_force(const char *isa);

#endif
