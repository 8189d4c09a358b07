/* expr_equal.h - are two answers the same? Trees of expr.h in, a judgement with its ground out.
 *
 * Numbers and expressions: exact fractions, then normal forms (expr_form.h), then balls (expr_ball.h). A decimal equals what it rounds
 * when it shows six significant digits or more: 0.3333333 is 1/3, 0.333 is not; two decimals are equal only as fractions.
 * Signs of percent, degrees and currency, a unit, a base and the brackets of a list may be missing on one side; two units must be the same.
 * Lists and sets have no order, tuples and intervals do. (1, 2) is the same tuple as the column vector and, in order, the list 1, 2.
 * 3 \pm 1 is the set {2, 4}. x = 5 is 5 where the left side is only a name; of a = b = c the ends count, and in a prediction
 * all of it must agree. Equations are equal up to sides and a constant factor, inequalities up to a positive one, and
 * inequalities in one variable are the intervals that they describe. Words are compared folded (text_equal). */
#ifndef QUERN_JUDGE_EXPR_EQUAL_H
#define QUERN_JUDGE_EXPR_EQUAL_H

#include "judge/expr.h"
#include "judge/verdict.h"

/* What other graders do and we would not. */
struct expr_rules {
	bool six_decimals;           /* decimals are equal when they are after rounding to six places, other values within 1e-15 */
	bool any_unit;               /* units and bases are not compared */
	bool last_side;              /* of a prediction's equation against a gold answer that is none, only the right side counts */
	bool loose_pairs;            /* (a, b) is the list a, b in any order */
	bool percent_counts;         /* 28% is not 28 */
	bool strict_chains;          /* a prediction's chain a = b = c must hold together */
	bool real_line;              /* |x| < 2 is (-2, 2), "all real numbers" are \mathbb{R} */
};
extern const struct expr_rules expr_rules_own, expr_rules_math_verify, expr_rules_lighteval;

/* work: operations that may be spent, some 10 ns each. The trees may be rewritten in the arena. */
struct judgement expr_equal(struct arena *arena, const struct expr_rules *rules, struct expr *gold, struct expr *prediction,
			    int64_t work);

/* Words: NFC, case folded, white space as one space, one final full stop and \text wrappers aside. */
bool text_equal(const char *a, size_t a_n, const char *b, size_t b_n);

#endif
