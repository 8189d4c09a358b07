/* answer.h - does a completion hold the right answer? Numbers are compared exactly, everything else as text.
 *
 * The gold answer: what follows the last "####" (GSM8K's notation) if there is one, else the content of <answer> tags, else of
 * the last \boxed{}, else the whole; trimmed. A blank one gives no verdict.
 *
 * The completion's answer: reasoning is cut first (up to the last </think>; a <think> that never closes leaves no answer).
 * In the rest, the content of the last <answer>…</answer>; else of the last \boxed{…}; else, when the gold is a number,
 * the last number, otherwise the last line that is not blank. In a tag or box that is no number as a
 * whole, a number counts when it is the only one there ("12 apples"), so naming several answers earns nothing.
 *
 * Numbers: sign, thousands commas, decimals, exponent, a/b, \frac{a}{b}, percent (5 % is 1/20), a currency sign before and a full
 * stop after; they are exact fractions of up to 500 digits, never floating point: "1,000" = "1000.0", "0.1" = "1/10",
 * "0.333" is not "1/3". Text: trimmed, NFC, case folded, runs of white space one space. */
#ifndef QUERN_JUDGE_ANSWER_H
#define QUERN_JUDGE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { VERDICT_CORRECT, VERDICT_WRONG, VERDICT_NO_ANSWER, VERDICT_NO_GOLD };
const char *verdict_name(enum verdict v);                      /* "correct", "wrong", "no_answer", "no_gold" */

struct span {
	const char *p;               /* NULL = nothing found */
	size_t n;
};

enum verdict answer_judge(const char *gold, size_t gold_n, const char *text, size_t text_n);

/* The parts of the rule, for tests and reports. */
struct span answer_gold(const char *gold, size_t n);
struct span answer_extract(const char *text, size_t n, bool number);
/* Equal by the rules above: as numbers if both are, else as text. */
bool answer_equal(struct span a, struct span b);
bool answer_is_number(struct span a);

#endif
