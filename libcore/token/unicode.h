/* unicode.h - what the tokenizer needs of Unicode: UTF-8 checking, the classes that pre-tokenizer patterns name, NFC.
 *
 * Classes come from utf8proc's tables; unicode_version() names their version, since a code point assigned later is
 * "no letter" here while a newer reference may call it one. White space is the property White_Space, as Rust's and
 * Oniguruma's \s mean it. */
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
	U_WORD = 32              /* \w: letters, marks, decimal and letter numbers, connectors, joiners */
};

const char *unicode_version(void);
/* Fills the class table; called by every tokenizer_load and trainer, cheap after the first time. */
void unicode_init(void);
extern uint8_t unicode_bmp[65536];
uint8_t unicode_class_astral(uint32_t cp);
static inline uint8_t unicode_class(uint32_t cp)
{
	return cp < 65536 ? unicode_bmp[cp] : unicode_class_astral(cp);
}

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
/* Appends s with each maximal ill-formed part replaced by U+FFFD (as Rust's from_utf8_lossy). */
void utf8_append_lossy(struct buf *out, const char *s, size_t n);
/* Whether text may be cut before cp and normalized in parts, by canonical or by compatibility equivalence. */
bool unicode_is_boundary(uint32_t cp, bool compat);
/* Appends the NFC form of valid UTF-8. Returns false, appending nothing, if s surely is in that form already. */
bool unicode_nfc(const char *s, size_t n, struct buf *out);

#endif
