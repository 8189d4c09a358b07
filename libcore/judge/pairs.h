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

enum pair_with { PAIR_WORST, PAIR_RANDOM, PAIR_ALL };

struct pair_options {
	enum pair_with with;
	int64_t per_prompt;          /* at most; 0 = no limit */
	double min_margin;           /* the difference of the scores must be greater than this; >= 0 */
	double max_margin;           /* and at most this; INFINITY = no limit */
	double length_ratio;         /* the longer has at most this many times the characters of the shorter; 0 = no limit */
};

/* Marks "no_score" and, if asked to, "duplicate", and fills order (n places, mem_free) with those that remain, best first. */
int64_t candidates_rank(struct candidate *c, int64_t n, bool dedup, int64_t **order);
/* Marks all but the keep best (0 = all) of at least threshold: "below_threshold", "not_best". threshold -INFINITY = none. */
void candidates_keep(struct candidate *c, const int64_t *order, int64_t m, int64_t keep, double threshold);
/* Pairs of which each fits the options' margins and lengths:
 *   PAIR_WORST   the best with the worst that fits, the next best with the worst that is left, ...; each completion once
 *   PAIR_RANDOM  the best with others drawn at random, each once; the numbers are those of (seed, stream)
 *   PAIR_ALL     every two, the largest margin first
 * Candidates in no pair are marked "single" (alone), "no_contrast" (all scores equal), "small_margin" (no pair: the scores lie too close),
 * "no_partner" (no pair, for another reason) or "not_paired". Returns the number of pairs (mem_free). */
int64_t candidates_pair(struct candidate *c, const int64_t *order, int64_t m, const struct pair_options *o, uint64_t seed,
			uint64_t stream, struct pair **pairs);

#endif
