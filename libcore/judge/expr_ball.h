/* expr_ball.h - expressions by ball arithmetic (Arb): every value comes with a bound on its error, so that a difference is proven.
 *
 * Symbols get fixed values, the same for the same name: points of (0, 4), of (-4, 0), and mixed. e, i and pi are the constants.
 * A point where a side is undefined, or complex without an i in the text, says nothing. */
#ifndef QUERN_JUDGE_EXPR_BALL_H
#define QUERN_JUDGE_EXPR_BALL_H

#include "judge/expr.h"

enum ball_answer {
	BALL_EQUAL,                  /* no difference beyond 2^-BALL_AGREE of the values' size, wherever we looked */
	BALL_DIFFERENT,              /* proven, at a point */
	BALL_UNKNOWN,                /* precision or work ran out */
	BALL_UNDEFINED,              /* at every point */
};
#define BALL_AGREE 250           /* bits */

enum ball_answer ball_compare(const struct expr *a, const struct expr *b, int64_t *work);
/* a(p) b(q) = a(q) b(p) for pairs of points: do they differ by a constant factor? */
enum ball_answer ball_proportional(const struct expr *a, const struct expr *b, int64_t *work);
/* Constants a < b: -1, a = b: 0, a > b: 1; ball_order returns false where it cannot tell. infty is allowed. */
bool ball_order(const struct expr *a, const struct expr *b, int *order, int64_t *work);
/* |a - b| < 10^-places, proven; or proven not. */
enum ball_answer ball_within(const struct expr *a, const struct expr *b, int64_t places, int64_t *work);
/* Both real, and the same after rounding to so many places (halves up). */
bool ball_same_rounded(const struct expr *a, const struct expr *b, int places, int64_t *work);
/* Is this the name of a function that we can compute? */
bool ball_knows(const struct expr *call);

#endif
