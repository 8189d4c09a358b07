/* objective_reward.h - what reward models learn: which of two conversations is better, or which steps of a solution are right. */
#ifndef QUERN_TRAIN_OBJECTIVE_REWARD_H
#define QUERN_TRAIN_OBJECTIVE_REWARD_H

#include "train/objective.h"

/* Rewards of pairs under a reward model (model_config.labels 1), whose sequences have one target, at their ends. Values: loss, accuracy, margin
 * (chosen less rejected), mean_reward, min_reward, max_reward, brier: the mean square of 1 - sigmoid(margin), which is small where the
 * model's certainty is right. */
struct reward_objective {
	double centre;               /* weight of the square of a pair's summed rewards, which keeps them about 0 */
	bool margins;                /* d->margin is aimed at */
	/* of the step */
	int64_t pairs;
	double low, high;
	bool any;
};
struct objective reward_objective(struct reward_objective *r);

/* Steps under a process reward model (labels 2): a target is at each labelled step's last token, 1 if the step is right, else 0. The loss is
 * the cross-entropy of the two outputs, its mean over the labels of a training step (Uesato et al. 2022; TRL's PRMTrainer). Values: loss,
 * accuracy, score_right and score_wrong (the mean probability of being right of steps that are, and that are not), margin (the first less
 * the second), brier: the mean square of label less probability. Where a training step has only one sort, the other's mean is 0. */
struct step_objective {
	/* of the training step */
	int64_t n[2];                /* labels: wrong, right */
};
struct objective step_objective(struct step_objective *s);

#endif
