/* unicode.h - UTF-8 text: validity, classes of characters, pieces.
 *
 * Texts are (pointer, bytes) and valid UTF-8 unless a function says otherwise. "White space" is Python's: what str.split() and
 * str.strip() see, that is the Unicode property White_Space and U+001C..U+001F. Character classes are those of utf8proc. */
#ifndef QUERN_TEXT_UNICODE_H
#define QUERN_TEXT_UNICODE_H

#include "base/mem.h"

/* Decodes one character of valid UTF-8 at s (n > 0 bytes left); *len its bytes. Bad bytes give U+FFFD and length 1. */
uint32_t text_decode(const char *s, size_t n, int *len);
/* The same without a look whether it is valid: for loops over every character. */
static inline uint32_t text_decode_valid(const char *s, int *len)
{
	const unsigned char *p = (const unsigned char *)s;
	if (p[0] < 0x80) {
		*len = 1;
		return p[0];
	}
	if (p[0] < 0xe0) {
		*len = 2;
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	}
	if (p[0] < 0xf0) {
		*len = 3;
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	}
	*len = 4;
	return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}
void text_append_char(struct buf *out, uint32_t c);

/* Bytes of the longest valid prefix (no surrogates, no overlong forms, at most U+10FFFF). */
size_t text_valid_prefix(const char *s, size_t n);
/* Appends s with each invalid byte as U+FFFD; returns how many. */
int64_t text_append_valid(struct buf *out, const char *s, size_t n);
int64_t text_length(const char *s, size_t n);        /* code points */
size_t text_ascii_end(const char *s, size_t n, size_t i); /* the first place from i on that is not ASCII, or n */

bool text_is_space(uint32_t c);
bool text_is_alpha(uint32_t c);                      /* general category L*, as Python's str.isalpha */

/* Lower case by the simple one-to-one mapping (no final sigma, no U+0130 expansion). */
void text_lower(const char *s, size_t n, struct buf *out);

/* Pieces of a text, as (offset, bytes) pairs. {0} is valid; reuse by n = 0. */
struct span {
	uint32_t from, len;
};
struct spans {
	struct span *v;
	int64_t n, cap;
};
void spans_add(struct spans *sp, size_t from, size_t len);
void spans_release(struct spans *sp);
/* spans_add in place, for loops over every word. */
#define SPANS_PUSH(sp, start, bytes)                                                                   \
	do {                                                                                           \
		if ((sp)->n == (sp)->cap)                                                              \
			spans_add((sp), (start), (bytes));                                             \
		else                                                                                   \
			(sp)->v[(sp)->n++] = (struct span){(uint32_t)(start), (uint32_t)(bytes)};      \
	} while (0)
/* Appends the words of s from a place on as str.split() gives them, until there are `most` of them or up to 63 more. Returns where to
 * go on, n at the end. Texts end at 4 GiB: callers refuse longer ones. */
size_t text_words(const char *s, size_t n, size_t from, int64_t most, struct spans *words);
/* How many they are, but no more than enough. */
int64_t text_count_words(const char *s, size_t n, int64_t enough);
/* s[0..n) without white space at its ends. */
struct span text_strip(const char *s, size_t n);

#endif
