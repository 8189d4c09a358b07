/* trainer.h - the state of a training run and one optimizer step of it.
 *
 * A step takes items from the cursor up to its limits, cuts them into micro-batches, adds up their
 * gradients, clips, and updates by AdamW. All memory is taken by trainer_open. The state after step n depends on
 * the model, the data and the options alone: not on threads, and not on how often the run was stopped. */
#ifndef QUERN_TRAIN_TRAINER_H
#define QUERN_TRAIN_TRAINER_H

#include "train/objective.h"

enum schedule { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT };

struct train_options {
	int64_t steps;               /* 0 = as many as the epochs give */
	int64_t epochs;              /* used when steps is 0 */
	int64_t batch_items;         /* most items of a step, 0 = no limit */
	int64_t batch_tokens;        /* most tokens of a step, 0 = no limit; one item is always taken */
	int64_t micro_tokens;        /* most tokens computed at once; raised to the longest item */
	double lr, lr_floor;         /* peak; the floor is a share of it */
	double warmup;               /* steps; below 1 a share of all steps */
	enum schedule schedule;
	double beta1, beta2, eps, weight_decay;
	double clip;                 /* global norm, 0 = none */
	bool shuffle;
	uint64_t seed;
};

/* Rate of step (from 0) of steps: a linear rise over the warm-up (the first step has peak / warmup), then down to
 * lr_floor * peak. */
double schedule_lr(const struct train_options *o, int64_t step, int64_t steps);

struct report {
	int64_t step;                /* from 1 */
	double epoch;                /* passes over the data so far */
	double values[OBJECTIVE_VALUES];
	double grad_norm, lr;
	int64_t tokens;              /* of this step */
};

struct update_range {            /* parameters with one weight decay */
	int64_t from, to;
	bool decay;
};

struct trainer {
	struct model *model;
	struct train_options o;
	struct objective objective;
	struct cursor cursor;
	struct model_state *state;
	float *grads, *m, *v;        /* device, n_params each */
	int64_t step, steps;         /* done, and all */
	int64_t tokens;              /* learned from since trainer_open */
	int64_t n_max;               /* tokens of the largest micro-batch */
	size_t bytes;                /* of device memory: parameters, gradients, optimizer, activations */
	struct update_range *ranges;
	int n_ranges;
	int64_t *items, n_items, cap_items; /* of the current step */
	int32_t *ids, *targets, *cu; /* host, of the current micro-batch */
	float *logp, *dlogp;
};

/* d and m outlive the trainer. min_tokens: a micro-batch at least this long will be needed (evaluation data). */
enum status trainer_open(struct trainer *t, struct model *m, const struct dataset *d, const struct objective *objective,
			 const struct train_options *o, int64_t min_tokens, struct error *err);
void trainer_close(struct trainer *t);
/* END once all steps are done. A gradient that is not finite is ERR_DATA. */
enum status trainer_step(struct trainer *t, struct report *r, struct error *err);
/* Moves the data position to after step steps, for a state read back from a checkpoint. */
void trainer_seek(struct trainer *t, int64_t step);
/* The objective's values over all of d, without learning. */
enum status trainer_eval(struct trainer *t, const struct dataset *d, double *values, struct error *err);
/* Log-probability of every sequence's targets under a model, out[n_seqs]; the reference of preference training.
 * Uses its own memory for at most micro_tokens tokens. */
enum status sequence_logps(struct model *m, const struct dataset *d, int64_t micro_tokens, float *out, struct error *err);

#endif
