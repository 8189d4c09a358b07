/* verify_string.h - graders that compare strings, for verify.c: the exact steps of their originals, on answers up to 32 KiB. */
#ifndef QUERN_JUDGE_VERIFY_STRING_H
#define QUERN_JUDGE_VERIFY_STRING_H

#include "base/mem.h"
#include "judge/verify.h"
#include "judge/verify_find.h"

/* lm-evaluation-harness, gsm8k v3: "#### N" or the last number. */
struct span gsm8k_answer(struct span prediction, bool flexible);
struct judgement gsm8k_judge(struct span gold, struct span prediction, bool flexible);
/* hendrycks/math math_equivalence.is_equiv on the last boxes. */
struct judgement hendrycks_judge(struct span gold, struct span prediction);

/* minerva: the answer and the gold answer normalised; equality is the caller's. NULL span = none. */
struct span minerva_answer(struct span prediction);
void minerva_normalize(struct buf *out, struct span answer);

/* prm800k, grade_answer: text that settles it (true: *out is the judgement), or pairs left to an algebra system. */
struct prm_pairs {
	struct buf gold, prediction;         /* normalised */
	int n;
	struct span g[64], p[64];            /* elements to compare as expressions */
};
bool prm800k_judge(struct span gold, struct span prediction, struct prm_pairs *pairs, struct judgement *out);

/* \boxed{...} as these graders take it: the last one, or "\boxed x" up to a dollar sign. */
struct span last_boxed(struct span text);

#endif
