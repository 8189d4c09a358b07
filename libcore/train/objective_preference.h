/* objective_preference.h - preference.h's losses as objectives over a dataset.
 *
 * Pairs: an item is two sequences, chosen then rejected. Feedback: an item is one sequence, and d->wanted says of which sort. d->ref
 * holds the reference's sum of each sequence; without it the
 * reference's sums are 0. Sums are rounded to float as the reference's are
 * kept, so that an unchanged model has rewards of exactly 0. */
#ifndef QUERN_TRAIN_OBJECTIVE_PREFERENCE_H
#define QUERN_TRAIN_OBJECTIVE_PREFERENCE_H

#include "train/objective.h"
#include "train/preference.h"

/* Values: loss, rewards/chosen, rewards/rejected, rewards/margins, rewards/accuracies, logps/chosen, logps/rejected,
 * nll_loss (cross-entropy per chosen token; with orpo that of the prompt, too), logits/chosen, logits/rejected (the mean of all logits at the
 * completions' tokens), and with orpo log_odds_ratio and log_odds_chosen. Rewards are beta times what the loss compares: the
 * log-ratio, or without a reference the log-probability. In simpo and orpo that and logps are per token. */
enum { PAIRS_LOSS, PAIRS_CHOSEN, PAIRS_REJECTED, PAIRS_MARGINS, PAIRS_ACCURACIES, PAIRS_LOGP_CHOSEN, PAIRS_LOGP_REJECTED, PAIRS_NLL,
       PAIRS_LOGITS_CHOSEN, PAIRS_LOGITS_REJECTED, PAIRS_ODDS_RATIO, PAIRS_ODDS_CHOSEN, PAIRS_VALUES };
struct pairs_objective {
	struct preference_options o;
	double ld_alpha;             /* weight of a completion's tokens beyond the other's length (Liu et al. 2024); 1 = plain */
	/* of the step */
	int64_t pairs, nll_targets, at;
	int64_t completion_targets[2]; /* of all chosen, and rejected */
	struct pair_logps *seen;     /* [pairs] of losses that compare the whole step */
	double *dc, *dr, sorted_loss;
	int64_t n_seen, cap;
};
struct objective pairs_objective(struct pairs_objective *p);
/* For sequence_logps: the sums that the objective makes of a micro-batch whose dataset has no ref yet. */
void pairs_reference(void *arg, const struct micro *mb, float *out);
void pairs_objective_release(struct pairs_objective *p);

/* Values: loss, rewards/chosen, rewards/rejected, rewards/margins, logps/chosen, logps/rejected, logits/chosen, logits/rejected, kl (KTO) or
 * delta (BCO). KTO's kl is the mean over the step of policy minus reference on d->companion, whose items are d's prompts with another's completion. */
struct feedback_objective {
	struct feedback_options o;
	double state[2];             /* BCO: running mean of the rewards, and of how many; goes into the checkpoint */
	/* of the step */
	int64_t n_wanted, n_unwanted, n_seen;
	int64_t targets[2];          /* tokens of the wanted and of the unwanted completions */
	double sum, centre;
	bool learning;
};
struct objective feedback_objective(struct feedback_objective *f);

#endif
