/* pairs.h - rejection sampling over the scored completions of one prompt: which are kept, which make a pair.
 *
 * First the same completion counts once (the first stays), and one without a score not at all. The rest is ranked
 * by score, then by lowest sample number, so that every choice is a function of the group's content. */
#ifndef QUERN_JUDGE_PAIRS_H
#define QUERN_JUDGE_PAIRS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct candidate {
	double score;                /* NAN = none */
	int64_t sample;
	const char *text;            /* the completion, the caller's */
	size_t n;
	const char *fate;            /* out: why the row gives nothing ("duplicate"), NULL while it is in the running or used */
};

struct pair {
	int64_t chosen, rejected;    /* places in the candidate array */
	double margin;               /* score difference */
};

struct pair_options {
	int64_t per_prompt;          /* 0 = every two completions whose scores differ by more than the margin */
	double min_margin;           /* the difference must be greater than this; >= 0 */
};

/* Marks "no_score" and "duplicate", and fills order (n places, mem_free) with those that remain, best first. */
int64_t candidates_rank(struct candidate *c, int64_t n, int64_t **order);
/* Marks all but the keep best of at least threshold: "below_threshold", "not_best". threshold -INFINITY = none. */
void candidates_keep(struct candidate *c, const int64_t *order, int64_t m, int64_t keep, double threshold);
/* The best with the worst, the second with the last but one, … (per_prompt of them, at most m/2), or all of them.
 * Candidates in no pair are marked "single" (alone), "no_contrast" (all scores equal), "small_margin" or "not_paired".
 * Returns the number of pairs (mem_free). */
int64_t candidates_pair(struct candidate *c, const int64_t *order, int64_t m, const struct pair_options *o,
			struct pair **pairs);

#endif
