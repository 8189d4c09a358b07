/* char_class.c - see char_class.h. */
#include "text/char_class.h"

#include "text/normal_form.h"
#include "text/punctuation.h"
#include "text/unicode.h"
#include "text/word_break.h"

_Atomic uint16_t char_class_table[CHAR_CLASS_TABLE + 1];
uint8_t char_class_ascii[256];

static enum word_break word_break_of(uint32_t c)
{
	int lo = 0, hi = word_break_n_ranges;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		if (word_break_ranges[mid].to < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < word_break_n_ranges && word_break_ranges[lo].from <= c ? word_break_ranges[lo].value : WB_OTHER;
}

unsigned char_class_of(uint32_t c)
{
	unsigned low = (text_is_alpha(c) ? CHAR_ALPHA : 0) | (text_is_space(c) ? CHAR_SPACE : 0) | (punctuation_is_terminal(c) ? CHAR_TERMINAL : 0) |
		       (punctuation_has(c) ? CHAR_PUNCTUATION : 0) | (normal_form_may_change(c) ? CHAR_UNSTABLE : 0) |
		       (normal_form_is_mark(c) ? CHAR_MARK : 0) | CHAR_KNOWN;
	return low | ((unsigned)word_break_of(c) | (low & CHAR_SPACE ? CHAR_WORD_SPACE : 0)) << CHAR_WORD_SHIFT;
}

/* Threads may fill the same part at once: with the same values. */
unsigned char_class_fill(uint32_t c)
{
	for (uint32_t k = c & ~63u; c < CHAR_CLASS_TABLE && k <= (c | 63u); k++)
		atomic_store_explicit(&char_class_table[k], (uint16_t)char_class_of(k), memory_order_relaxed);
	return char_class_of(c);
}

__attribute__((constructor)) static void fill_ascii(void)
{
	for (uint32_t c = 0; c < 128; c++) {
		char_class_ascii[c] = (uint8_t)char_class(c);
		char_class_ascii[128 + c] = (uint8_t)(char_class(c) >> CHAR_WORD_SHIFT);
	}
}
