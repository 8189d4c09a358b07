/* verify_read.h - what the files of the verifier share: answers as trees, from boxes, formulas, numbers and anchors. */
#ifndef QUERN_JUDGE_VERIFY_READ_H
#define QUERN_JUDGE_VERIFY_READ_H

#include "judge/expr_equal.h"
#include "judge/verify.h"
#include "judge/verify_find.h"

#define VERIFY_WORK 1000000                 /* operations of one comparison */

struct verifier {
	struct arena arena;
	struct found_list formulas, numbers;
};

/* What sets the profiles apart that look for formulas. */
struct search {
	const char *name;
	bool pattern_order;          /* Math-Verify's order of patterns; else our own */
	bool boxes_first;            /* before "final answer is ... I hope" */
	bool latex_only;             /* in the completion */
	bool latex_gold;             /* in the gold answer */
	bool anchored;               /* no formula counts without a box or an anchor */
	bool swapped;                /* gold and completion change places in the comparison */
	bool unread_gold_is_right;
	bool percent_counts;         /* lighteval's own comparison, which is older than Math-Verify's */
};
extern const struct search verify_searches[VERIFY_PROFILES];

struct candidates {
	struct verifier *v;
	const struct search *s;
	struct span text;
	bool gold;
};

/* Trees live in the verifier's arena; NULL: nothing that can be read. */
struct expr *verify_read(struct verifier *v, struct span s);
/* Boxes, newest first, as one answer: a list in the order of the text. */
struct expr *verify_read_boxes(struct verifier *v, const struct span *boxes, int n);
struct expr *verify_read_inside(struct verifier *v, struct span s);  /* the boxes in s, or s */
struct expr *verify_read_found(struct verifier *v, const struct found *f);
/* What stands at the last anchor: a word with a colon, "final answer ... is", before "I hope". */
struct expr *verify_from_anchor(const struct candidates *c, const char *word, bool colon, bool is, bool hope);

/* The profile quern (verify_own.c). */
struct judgement verify_own(struct verifier *v, struct span gold, struct span text);
struct expr *verify_read_gold(struct verifier *v, struct span s);
/* The answer of a completion without its reasoning; *marked is where it stood, if it was marked. */
struct expr *verify_by_marks(struct verifier *v, struct span text, const struct expr *gold, struct span *marked);
/* Leaves what follows the last </think>; false of reasoning that does not end. */
bool verify_cut_reasoning(struct span *text);

#endif
