/* verify.h - does a completion hold the right answer? One judgement per pair, by the rules of a profile.
 *
 *   quern             ours, the default: reasoning is cut (up to the last </think>; an open <think> leaves no answer); then the last
 *                     <answer>, "final answer is ... I hope", the last \boxed (several that stand together are one list), what
 *                     follows ####, "final answer is", "answer is" or "answer:", and at last the last formula, number or line.
 *                     expr_equal.h says what is equal
 *   math-verify       Math-Verify's order of patterns and its leniencies (expr_rules_math_verify), LaTeX and plain text
 *   lighteval         the same with boxes before everything, as lighteval's latex_gold and expr_gold metrics ask for; 28% is not 28
 *   open-r1           the same with boxes first, LaTeX only in the completion, and nothing without an anchor
 *   open-r1-2025-02   open-r1 of February 2025: gold and completion change places in the comparison, the gold answer is LaTeX only,
 *                     and a gold answer that cannot be read makes every completion right
 *   gsm8k-strict, gsm8k-flexible   lm-evaluation-harness: the first "#### N", the last number; compared as strings
 *   hendrycks         is_equiv of the MATH data set: strings after normalisation, boxes only
 *   minerva           "Final Answer: The final answer is ... I hope it is correct.", normalisation, then equality of expressions
 *   prm800k           OpenAI's grader: strings, strict integers and fractions, then equality of expressions
 *
 * No input can make it hang: all scans are linear, trees and operations are bounded. A verifier belongs to one thread. */
#ifndef QUERN_JUDGE_VERIFY_H
#define QUERN_JUDGE_VERIFY_H

#include "base/error.h"
#include "judge/verdict.h"

enum verify_profile {
	VERIFY_QUERN, VERIFY_MATH_VERIFY, VERIFY_LIGHTEVAL, VERIFY_OPEN_R1, VERIFY_OPEN_R1_2025_02, VERIFY_GSM8K_STRICT,
	VERIFY_GSM8K_FLEXIBLE, VERIFY_HENDRYCKS, VERIFY_MINERVA, VERIFY_PRM800K, VERIFY_PROFILES
};
const char *verify_profile_name(enum verify_profile p);
/* The profile of a name of p[0..n); ERR_USAGE names them all. */
enum status verify_profile_find(const char *p, size_t n, enum verify_profile *out, struct error *err);

struct verify_input {
	const char *gold;            /* the right answer, alone or at the end of a solution */
	size_t gold_n;
	const char *prediction;      /* the completion, whole */
	size_t prediction_n;
	enum verify_profile profile;
};

struct verifier *verifier_new(void);
void verifier_free(struct verifier *v);

/* REASON_NO_GOLD and REASON_GOLD_UNREADABLE: there is nothing to judge by. */
struct judgement verify(struct verifier *v, const struct verify_input *in);
/* Whether two completions for one gold answer, under one profile, hold the same answer, be it right or not. */
struct judgement verify_alike(struct verifier *v, const struct verify_input *a, const struct verify_input *b);
static inline bool verify_no_gold(struct judgement j)
{
	return j.verdict == VERDICT_UNDECIDED && (j.reason == REASON_NO_GOLD || j.reason == REASON_GOLD_UNREADABLE);
}

#endif
