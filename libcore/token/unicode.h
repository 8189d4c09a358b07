/* unicode.h - what the tokenizer needs of Unicode: UTF-8 checking, the classes that pre-tokenizer patterns name, normal forms' borders.
 *
 * Each part is of the version in which the reference libraries have it (tests/reference/make_unicode.py asks them): the classes of regular
 * expressions of 16.0, as Hugging Face's Oniguruma and tiktoken; normal forms of 9.0: a character that came later is left alone; what
 * Hugging Face calls punctuation of 8.0, its digits and small letters of 17.0. White space is the property White_Space. */
#ifndef QUERN_TOKEN_UNICODE_H
#define QUERN_TOKEN_UNICODE_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	U_LETTER = 1,            /* \p{L} */
	U_NUMBER = 2,            /* \p{N} */
	U_SPACE = 4,             /* \s */
	U_UPPERISH = 8,          /* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
	U_LOWERISH = 16,         /* [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
	U_WORD = 32,             /* \w as Rust has it: letters, marks, decimal and letter numbers, connectors, joiners, circled letters */
	U_PUNCTUATION = 64,      /* the pre-tokenizer Punctuation's */
	U_DIGIT = 128,           /* the pre-tokenizer Digits': any number */
};

/* Fills the class table; called by every tokenizer_load and trainer, cheap after the first time. */
void unicode_init(void);
#define UNICODE_NEAR 0x20000             /* code points below have their class in a table */
extern uint8_t unicode_near[UNICODE_NEAR];
uint8_t unicode_class_far(uint32_t cp);
static inline uint8_t unicode_class(uint32_t cp)
{
	return cp < UNICODE_NEAR ? unicode_near[cp] : unicode_class_far(cp);
}

/* unicode_tables.c. Ranges: from a code point on (>> 11) these bits, the classes and two more for normal forms. */
extern const uint32_t unicode_ranges[];
extern const size_t unicode_n_ranges;
/* What a library of Unicode 14.0, as Debian 12's PCRE2, does not have: characters by their general category and by their script (of the
 * common ones), and pairs of letters. */
struct unicode_since {
	uint32_t from, to;
	const char *name;
};
extern const struct unicode_since unicode_since_14[], unicode_script_since_14[];
extern const size_t unicode_n_since_14, unicode_n_script_since_14;
extern const uint32_t unicode_lower_since_14[][2];
extern const size_t unicode_n_lower_since_14;

/* The small letter of cp, itself if it has none (or two code points, as U+0130 alone has). */
uint32_t unicode_lower(uint32_t cp);

/* Length in bytes and value of the code point at p; p must be valid UTF-8. */
static inline uint32_t utf8_decode(const uint8_t *p, int *bytes)
{
	if (p[0] < 0x80) {
		*bytes = 1;
		return p[0];
	}
	if (p[0] < 0xe0) {
		*bytes = 2;
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	}
	if (p[0] < 0xf0) {
		*bytes = 3;
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
	}
	*bytes = 4;
	return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}
static inline uint8_t unicode_class_at(const uint8_t *p, int *bytes)
{
	return unicode_class(utf8_decode(p, bytes));
}
/* Writes cp as UTF-8, returns its length. */
int utf8_encode(uint32_t cp, char out[4]);

/* Bytes of the longest valid prefix of s. */
size_t utf8_valid_prefix(const char *s, size_t n);
/* Bytes at the end that begin a character which more bytes could complete: 0 to 3. */
size_t utf8_incomplete_tail(const char *s, size_t n);
/* Appends s with each maximal ill-formed part replaced by U+FFFD (as Rust's from_utf8_lossy). */
void utf8_append_lossy(struct buf *out, const char *s, size_t n);
/* Whether text may be cut before cp and normalized in parts, by canonical or by compatibility equivalence. */
bool unicode_is_boundary(uint32_t cp, bool compat);
/* Whether cp is younger than the normal forms, and would change in one or change others. It is to be left alone: text may be cut on both
 * sides. */
bool unicode_is_too_new(uint32_t cp);
/* Appends the NFC form of valid UTF-8. Returns false, appending nothing, if s surely is in that form already. */
bool unicode_nfc(const char *s, size_t n, struct buf *out);

#endif
