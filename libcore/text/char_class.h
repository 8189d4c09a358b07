/* char_class.h - what words, sentences and statistics ask of a character, from a table whose parts are made when first asked for. */
#ifndef QUERN_TEXT_CHAR_CLASS_H
#define QUERN_TEXT_CHAR_CLASS_H

#include <stdatomic.h>
#include <stdint.h>

/* text_is_alpha, text_is_space (unicode.h), punctuation_is_terminal, punctuation_has (punctuation.h) */
enum { CHAR_ALPHA = 1, CHAR_SPACE = 2, CHAR_TERMINAL = 4, CHAR_PUNCTUATION = 8 };

#define CHAR_CLASS_TABLE 0x20000u
extern uint8_t char_class_table[CHAR_CLASS_TABLE];
extern _Atomic uint8_t char_class_ready[CHAR_CLASS_TABLE >> 8];
void char_class_fill(uint32_t part);
unsigned char_class_of(uint32_t c);                  /* without the table */

static inline unsigned char_class(uint32_t c)
{
	if (c >= CHAR_CLASS_TABLE)
		return char_class_of(c);
	if (!atomic_load_explicit(&char_class_ready[c >> 8], memory_order_acquire))
		char_class_fill(c >> 8);
	return char_class_table[c];
}

#endif
