/* expr_form.h - equality by normal form: rational functions over Q in symbols, roots of rationals, i, pi and e.
 *
 * A root of a rational is written by roots of primes, each a generator g with g^n = p; products of such powers with exponents below
 * n are linearly independent over Q (Besicovitch 1940), and so is i, so a reduced polynomial is zero only if its coefficients
 * are. Everything else (sin x, 2^x, a root of a sum) is a generator of its own: equal forms still prove equality, unequal ones prove
 * nothing. Fractions are compared by cross multiplication; no gcd is computed. Work is counted in products of terms. */
#ifndef QUERN_JUDGE_EXPR_FORM_H
#define QUERN_JUDGE_EXPR_FORM_H

#include "judge/expr.h"

struct fraction {
	int64_t num, den;            /* in lowest terms, den > 0 */
};

/* The rational that a constant tree without roots stands for, if it is small. */
bool form_fraction(const struct expr *e, struct fraction *out);

enum form_answer { FORM_EQUAL, FORM_DIFFERENT, FORM_UNKNOWN };

/* a = b as functions? work is used up; unknown when it is, or when the forms do not tell. */
enum form_answer form_compare(const struct expr *a, const struct expr *b, int64_t *work);
/* a = c b with a constant c other than 0 (so that a = 0 and b = 0 are one equation)? sign gets c's, 0 if c is not
 * rational or a denominator is no constant. */
enum form_answer form_proportional(const struct expr *a, const struct expr *b, int *sign, int64_t *work);

#endif
