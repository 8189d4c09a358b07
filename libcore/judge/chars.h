/* chars.h - characters of UTF-8 text as Python's regular expressions see them. */
#ifndef QUERN_JUDGE_CHARS_H
#define QUERN_JUDGE_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <utf8proc.h>

/* One character at p < end; a byte that is no UTF-8 counts as one. Returns its length. */
static inline size_t chars_next(const char *p, const char *end, utf8proc_int32_t *c)
{
	if ((unsigned char)*p < 0x80) {
		*c = *p;
		return 1;
	}
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, end - p, c);
	if (n > 0)
		return (size_t)n;
	*c = 0xfffd;
	return 1;
}

/* \s of Python's re on str. */
static inline bool chars_is_space(utf8proc_int32_t c)
{
	return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

#endif
