/* char_class.h - what words, sentences, statistics and repair ask of a character, from a table whose parts are made when first asked for. */
#ifndef QUERN_TEXT_CHAR_CLASS_H
#define QUERN_TEXT_CHAR_CLASS_H

#include <stdatomic.h>
#include <stdint.h>

/* text_is_alpha, text_is_space (unicode.h), punctuation_is_terminal, punctuation_has (punctuation.h), normal_form_may_change and
 * normal_form_is_mark (normal_form.h); and in the high byte the class of UAX 29 (word_break.h), with CHAR_WORD_SPACE where CHAR_SPACE is. */
enum { CHAR_ALPHA = 1, CHAR_SPACE = 2, CHAR_TERMINAL = 4, CHAR_PUNCTUATION = 8, CHAR_UNSTABLE = 16, CHAR_MARK = 32, CHAR_KNOWN = 64 };
enum { CHAR_WORD_SHIFT = 8, CHAR_WORD_MASK = 31, CHAR_WORD_SPACE = 32 };

#define CHAR_CLASS_TABLE 0x20000u
extern _Atomic uint16_t char_class_table[CHAR_CLASS_TABLE + 1];      /* 0: not known yet; the last is for who reads two at once */
extern uint8_t char_class_ascii[256];                /* of ASCII: the low bytes of its entries, then the high ones */
unsigned char_class_fill(uint32_t c);                /* makes its part of the table; for any character */
unsigned char_class_of(uint32_t c);                  /* without the table */

/* Characters beyond the table are rare. */
static inline unsigned char_class(uint32_t c)
{
	unsigned k = c < CHAR_CLASS_TABLE ? atomic_load_explicit(&char_class_table[c], memory_order_relaxed) : 0;
	return k ? k : char_class_fill(c);
}

#endif
