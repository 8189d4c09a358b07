/* expr_flint.h - numbers of a tree as FLINT's integers; for expr_form.c and expr_ball.c. */
#ifndef QUERN_JUDGE_EXPR_FLINT_H
#define QUERN_JUDGE_EXPR_FLINT_H

#include "judge/expr.h"

#include <flint/fmpz.h>

/* The digits of an EXPR_NUMBER, its point aside. */
static inline void number_digits(fmpz_t out, const struct expr *e)
{
	if (e->small) {
		fmpz_set_si(out, (slong)e->value);
	} else {
		char *digits = mem_strndup(e->text, (size_t)e->text_n);
		fmpz_set_str(out, digits, 10);
		mem_free(digits);
	}
}

#endif
