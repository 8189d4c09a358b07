/* objective.h - what is minimised: from the log-probabilities of a micro-batch's targets to their gradient.
 *
 * An objective normalises by the whole step (all micro-batches together), so the loss and the
 * gradient do not depend on how a step is cut: values of the micro-batches simply add up. */
#ifndef QUERN_TRAIN_OBJECTIVE_H
#define QUERN_TRAIN_OBJECTIVE_H

#include "model/model.h"
#include "train/dataset.h"

#define OBJECTIVE_VALUES 8

struct micro {
	const struct dataset *d;
	const int64_t *items;        /* [n_items] places in d; their sequences stand in the batch in this order */
	int64_t n_items;
	struct model_batch batch;
};

struct objective {
	int n_values;
	const char *const *names;    /* of the values; the first is "loss" */
	/* Once per step, with all its items: the normalisers. */
	void (*begin)(void *arg, const struct dataset *d, const int64_t *items, int64_t n);
	/* dlogp[n]: gradient of the loss (overwritten, 0 where no target); values: this micro-batch's share is added. */
	void (*grad)(void *arg, const struct micro *mb, const float *logp, float *dlogp, double *values);
	void *arg;
	/* For a loss that compares all of a step: a pass without gradient over the step's items comes first, each micro-batch
	 * to observe. companion: over the same items of d->companion instead. NULL: none. */
	void (*observe)(void *arg, const struct micro *mb, const float *logp);
	bool companion;
	/* After the update of a step. NULL: nothing to do. */
	void (*learned)(void *arg);
	/* What goes over from step to step, and so into the checkpoint. */
	double *state;
	int n_state;
};

/* --- next-token cross-entropy: -sum log p(target) / targets of the step ------------------------ */
struct sft {
	int64_t targets;
};
struct objective sft_objective(struct sft *s);

/* --- direct preference optimisation (Rafailov et al. 2023) and two of its family ----------------- */
enum dpo_loss { DPO_SIGMOID, DPO_IPO, DPO_HINGE };
struct dpo {
	enum dpo_loss loss;
	double beta;
	double label_smoothing;      /* cDPO, sigmoid only: share of labels taken as wrong */
	double sft_weight;           /* + this times the cross-entropy per chosen token */
	int64_t pairs, chosen_targets; /* of the step */
};
/* Loss of one pair for log-ratios a, b of chosen and rejected (policy minus reference) of nc and nr tokens, and its
 * derivatives by a and b. Formulas as TRL computes them: sigmoid -(1-e) ls(z) - e ls(-z) with z = beta (a - b); hinge
 * max(0, 1 - z); ipo (a/nc - b/nr - 1/(2 beta))^2. */
double dpo_pair_loss(const struct dpo *o, double a, double b, int64_t nc, int64_t nr, double *da, double *db);
/* The dataset's items must be pairs with ref filled. */
struct objective dpo_objective(struct dpo *o);

#endif
