/* rewards.h - rule rewards: a completion in, one number out, or NAN where the rule has nothing to say.
 *
 * The rules are those of open-r1's rewards.py, in the form its documentation describes:
 *
 *   accuracy            1 equal to the gold answer, 0 different or no answer, NAN undecided (verify.h is the rule)
 *   format              1 if the whole is <think>…</think>, white space, <answer>…</answer> (one newline may follow), else 0
 *   tag_count           1/4 for each of "<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>" that occurs exactly once
 *   reasoning_steps     min(1, n/3), n occurrences of "Step N:", "\n-", "\n*", "First,", "Second,", "Next,", "Finally,", and
 *                       "N." at the very start
 *   cosine              from 1 (correct) or -1 (wrong) at length 0 to 0.5 or -0.5 at --cosine-length characters; past
 *                       that the cosine turns again, as the original does. NAN where accuracy is
 *   repetition_penalty  -(1 - distinct/all) of the lower-cased word 3-grams, 0 for fewer than three words
 *   soft_overlong       0 up to max - cache tokens, falling linearly to -1 at max (Yu et al. 2025, DAPO)
 *   logprob             a value the caller brings: the sum over the completion's tokens under --logprob DIR */
#ifndef QUERN_JUDGE_REWARDS_H
#define QUERN_JUDGE_REWARDS_H

#include "base/error.h"
#include "judge/verdict.h"

#include <stdint.h>

enum reward_kind {
	REWARD_ACCURACY, REWARD_FORMAT, REWARD_TAG_COUNT, REWARD_REASONING_STEPS, REWARD_COSINE,
	REWARD_REPETITION_PENALTY, REWARD_SOFT_OVERLONG, REWARD_LOGPROB, REWARD_KINDS
};
const char *reward_name(enum reward_kind k);
/* Needs the gold answer. */
bool reward_needs_gold(enum reward_kind k);

struct reward_options {
	int64_t cosine_length;               /* characters */
	int64_t overlong_max, overlong_cache; /* tokens */
};

struct reward_set {                          /* the rewards asked for, in order, each once */
	int n;
	struct {
		enum reward_kind kind;
		double weight;
	} items[REWARD_KINDS];
	struct reward_options o;
};

struct reward_input {
	const char *text;                    /* the completion */
	size_t n;
	int64_t tokens;                      /* of the completion; -1 unknown: soft_overlong gives NAN */
	enum verdict verdict;                /* from verify */
	double logprob;                      /* NAN = unknown */
};

/* "accuracy=1,format=0.2": adds to set; the weight is 1 unless given. ERR_USAGE for unknown or repeated names. */
enum status reward_parse(struct reward_set *set, const char *spec, struct error *err);
bool reward_set_has(const struct reward_set *set, enum reward_kind k);
double reward_value(const struct reward_set *set, int i, const struct reward_input *in);
/* Weighted sum of values[set->n], leaving out NANs and weights of 0 (a column only); NAN if nothing is left. */
double reward_score(const struct reward_set *set, const double *values);

#endif
