/* verdict.h - is this answer that answer? Yes, no, or not decided; and on what ground. */
#ifndef QUERN_JUDGE_VERDICT_H
#define QUERN_JUDGE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { VERDICT_EQUAL, VERDICT_DIFFERENT, VERDICT_UNDECIDED };

enum reason {
	/* of equal, and of different where it fits both */
	REASON_TEXT,                 /* the characters, folded, or what a string grader makes of them */
	REASON_NUMBER,               /* exact fractions */
	REASON_EXACT,                /* normal forms over the rationals */
	REASON_NUMERIC,              /* ball arithmetic: a proven difference, or agreement to hundreds of bits */
	REASON_DECIMAL,              /* a decimal and what it rounds, by the digits it shows */
	REASON_STRUCTURE,            /* sets, tuples, intervals, relations, matrices, part by part */
	REASON_CONVENTION,           /* a percent sign, degree sign, unit, base or bracket that one side leaves out */
	/* of different */
	REASON_NO_ANSWER,            /* nothing to extract */
	REASON_UNREADABLE,           /* the prediction's answer is no notation we read, nor the gold's text */
	REASON_SHAPE,                /* a set against a number, and the like */
	REASON_COUNT,                /* so many elements against so many */
	REASON_UNIT,                 /* two units that are not the same */
	REASON_HEDGED,               /* several answers, one of which may be right */
	/* of undecided */
	REASON_WORK,                 /* the bound on operations is reached */
	REASON_PRECISION,            /* balls still overlap at the highest precision */
	REASON_DOMAIN,               /* undefined wherever we looked; of different: the prediction alone is */
	/* of undecided: there is nothing to compare with */
	REASON_NO_GOLD, REASON_GOLD_UNREADABLE,
	REASONS
};

struct judgement {
	enum verdict verdict;
	enum reason reason;
};

const char *verdict_name(enum verdict v);            /* "equal", "different", "undecided" */
const char *reason_name(enum reason r);              /* "text", "no_answer", ... */

static inline struct judgement judge_as(enum verdict v, enum reason r) { return (struct judgement){ v, r }; }

#endif
