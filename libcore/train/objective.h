/* objective.h - what is minimised: from the log-probabilities of a micro-batch's targets to their gradient.
 *
 * An objective normalises by the whole step (all micro-batches together), so the loss and the
 * gradient do not depend on how a step is cut: values of the micro-batches simply add up. */
#ifndef QUERN_TRAIN_OBJECTIVE_H
#define QUERN_TRAIN_OBJECTIVE_H

#include "model/model.h"
#include "train/dataset.h"

#include <stdbool.h>

#define OBJECTIVE_VALUES 12

struct micro {
	const struct dataset *d;
	const int64_t *items;        /* [n_items] places in d; their sequences stand in the batch in this order */
	int64_t n_items;
	struct model_batch batch;
	/* [batch.n] each. What the model gave; lse and mean (of the logits, see kernels.h) if the objective wants them. */
	const float *logp, *lse, *mean;
	/* The gradient of the loss by those (overwritten, 0 where no target). */
	float *dlogp, *dlse, *dmean;
	/* Of a classifier, instead of all these: [batch.n, labels]. */
	const float *logits;
	float *dlogits;
};

struct objective {
	int n_values;
	const char *const *names;    /* of the values; the first is "loss" */
	bool wants_lse, wants_mean;
	bool reads_mean;             /* mean, but it has no gradient */
	int labels;                  /* of the classifier that it is for; 0: a language model */
	/* Once per step, with all its items: the normalisers. */
	void (*begin)(void *arg, const struct dataset *d, const int64_t *items, int64_t n);
	/* Fills mb's gradients; this micro-batch's share is added to values. */
	void (*grad)(void *arg, const struct micro *mb, double *values);
	void *arg;
	/* Where the gradient does not depend on what the model gives: fills mb's gradients before the model has run, which then goes
	 * forward and backward at once; grad follows for the values. NULL: it does. */
	void (*ahead)(void *arg, const struct micro *mb);
	/* For a loss that compares all of a step: a pass without gradient over the step's items comes first, each micro-batch
	 * to observe. companion: over the same items of d->companion instead. NULL: none. */
	void (*observe)(void *arg, const struct micro *mb);
	bool companion;
	/* After the update of a step. NULL: nothing to do. */
	void (*learned)(void *arg);
	/* What goes over from step to step, and so into the checkpoint. */
	double *state;
	int n_state;
};

/* --- next-token cross-entropy: -sum log p(target) / targets of the step ------------------------ */
struct sft {
	double label_smoothing;      /* e: (1 - e) of the loss, and e of its mean over the vocabulary, as torch's cross_entropy */
	double z_loss;               /* + this times the mean of lse^2 (Chowdhery et al. 2022, PaLM) */
	int64_t targets;             /* of the step */
};
/* Values: loss; with one of the two also nll_loss (the plain cross-entropy) and z_loss (the mean of lse^2). */
struct objective sft_objective(struct sft *s);

#endif
