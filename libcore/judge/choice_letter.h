/* choice_letter.h - which option did a response choose? The letter, found as lighteval's metrics for GPQA find it
 * (IndicesExtractionConfig of metrics/utils/extractive_match_utils.py, English, letters A, B, ...).
 *
 * Tried in this order, the last place of each: "final answer is B. I hope"; "final answer ... is B"; "answer: ... B", at most 50 characters
 * between; "answer ... B"; B at the start of the text; B at the start of a line. Where anywhere is set then B between spaces, at last any
 * B. A letter may stand in parentheses, or between ** where it is a word; words end at a blank, full stop, comma, colon or the text's end. */
#ifndef QUERN_JUDGE_CHOICE_LETTER_H
#define QUERN_JUDGE_CHOICE_LETTER_H

#include "text/pattern.h"

#define CHOICE_LETTERS 26

struct choice_letters;
struct choice_letters *choice_letters_open(void);
void choice_letters_close(struct choice_letters *c);         /* NULL allowed */
/* *letter: 0 for A, ..., below options, which are 1 to CHOICE_LETTERS; -1: none. */
enum status choice_letter_find(struct choice_letters *c, int options, bool anywhere, const char *text, size_t n, int *letter, struct error *err);

#endif
