/* word_break.h - the character classes of Unicode's word boundaries (UAX 29); words.c applies the rules. */
#ifndef QUERN_TEXT_WORD_BREAK_H
#define QUERN_TEXT_WORD_BREAK_H

#include <stdint.h>

enum word_break {
	WB_OTHER, WB_CR, WB_LF, WB_NEWLINE, WB_EXTEND, WB_EXTEND_ZWJ, WB_REGIONAL, WB_KATAKANA, WB_HEBREW, WB_LETTER, WB_SINGLE_QUOTE,
	WB_DOUBLE_QUOTE, WB_MID_NUM_LET, WB_MID_LETTER, WB_MID_NUM, WB_NUMERIC, WB_EXTEND_NUM_LET, WB_SPACE,
	WB_PICTURE, WB_LETTER_PICTURE
};

/* In order, without overlap; what is in none is WB_OTHER. */
struct word_break_range {
	uint32_t from, to;
	enum word_break value;
};
extern const struct word_break_range word_break_ranges[];
extern const int word_break_n_ranges;

#endif
