/* expr_set.h - sets of real numbers as sorted, disjoint intervals; for expr_equal.c. */
#ifndef QUERN_JUDGE_EXPR_SET_H
#define QUERN_JUDGE_EXPR_SET_H

#include "judge/expr.h"
#include "judge/expr_equal.h"
#include "judge/verdict.h"

/* Is e written as a set: an interval, a union, a difference, braces, an inequality in one name, x \in S? */
bool set_like(const struct expr *e);
/* The value that a relation puts a name into: x \in S gives S, a < x \le b an interval. NULL if it is no such thing. */
struct expr *set_of_relation(struct arena *arena, const struct expr_rules *rules, struct expr *relation);
/* Are both the same set of reals? Undecided where ends are no constants. */
struct judgement set_compare(struct arena *arena, const struct expr_rules *rules, struct expr *a, struct expr *b, int64_t *work);
/* A name that an answer may be assigned to: x, x_1, f(x), AB, |AB|, AB/CD, (x, y), words. */
bool is_head(const struct expr *e);

#endif
