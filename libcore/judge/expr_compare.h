/* expr_compare.h - what the files of expr_equal share: the state of one comparison, and the questions each file answers. */
#ifndef QUERN_JUDGE_EXPR_COMPARE_H
#define QUERN_JUDGE_EXPR_COMPARE_H

#include "judge/expr_equal.h"

struct equal {
	struct arena *arena;
	const struct expr_rules *rules;
	int64_t work;
	int depth;
};

static inline struct judgement yes(enum reason r) { return judge_as(VERDICT_EQUAL, r); }
static inline struct judgement no(enum reason r) { return judge_as(VERDICT_DIFFERENT, r); }
static inline struct judgement not_decided(enum reason r) { return judge_as(VERDICT_UNDECIDED, r); }
static inline bool is_yes(struct judgement j) { return j.verdict == VERDICT_EQUAL; }

/* Anything against anything (expr_equal.c). */
struct judgement expr_compare(struct equal *q, struct expr *gold, struct expr *prediction);
/* expr_value.c: two values, without or with a percent sign, unit or base. */
struct judgement compare_values(struct equal *q, const struct expr *g, const struct expr *p);
struct judgement compare_percent(struct equal *q, struct expr *g, struct expr *p);
struct judgement compare_units(struct equal *q, struct expr *g, struct expr *p);
struct judgement compare_bases(struct equal *q, struct expr *g, struct expr *p);
bool has_unit(const struct expr *e);
/* expr_relation.c: equations, inequalities and chains, on both sides or on one. */
struct judgement compare_relations(struct equal *q, struct expr *g, struct expr *p);
struct judgement relation_predicted(struct equal *q, struct expr *g, struct expr *p);
struct judgement relation_in_gold(struct equal *q, struct expr *g, struct expr *p);
bool is_assignment(const struct expr *e);
struct expr *last_side(const struct expr *e);
/* expr_matrix.c: sums, products and multiples of matrices as one matrix; e itself where there is nothing to do. */
struct expr *matrix_folded(struct equal *q, struct expr *e);

#endif
