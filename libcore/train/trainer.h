/* trainer.h - the state of a training run and one optimizer step of it.
 *
 * A step takes items from the cursor up to its limits, cuts them into micro-batches, adds up their gradients, clips, and updates.
 * What a step minimises is normalised over the whole of it, so the same documents give the same gradient, within rounding, however
 * they are cut into micro-batches and packed; a step without any target has loss 0 and changes no gradient.
 *
 * All memory is taken by trainer_take, in contiguous buckets: parameters and gradients in the order of the model's tensor table
 * (model.h), optimizer state in that of the trained ones (optimizer.h). The state after step n depends on the model, the data and the
 * options alone: not on threads, and not on how often the run was stopped. */
#ifndef QUERN_TRAIN_TRAINER_H
#define QUERN_TRAIN_TRAINER_H

#include "train/micro.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/skip.h"

struct train_options {
	int64_t steps;               /* 0 = as many as tokens or the epochs give */
	int64_t tokens;              /* ends with the step that reaches so many; 0 = no budget */
	double epochs;               /* used when steps and tokens are 0; of a share of an epoch its first items, rounded up */
	int64_t batch_items;         /* most items of a step, 0 = no limit */
	int64_t batch_tokens;        /* most tokens of a step, 0 = no limit; one item is always taken */
	int64_t micro_tokens;        /* most tokens computed at once; raised to the longest item */
	struct schedule_options schedule;
	struct optimizer_options optimizer;
	const bool *trained;         /* per tensor of the model; NULL = all */
	double clip;                 /* global norm, 0 = none */
	double neftune_alpha;        /* 0 = no noise */
	enum model_use recompute;    /* what of the activations is kept: MODEL_TRAIN (0 is that, too) to MODEL_TRAIN_LEAST */
	double spike;                /* stop where the loss is above so many times its average; 0 = never */
	struct skip skip;            /* borrowed */
	bool shuffle;
	uint64_t seed;
};

struct report {
	int64_t step;                /* from 1 */
	bool skipped;                /* its batch was gone round: there are no values */
	double epoch;                /* passes over the data so far */
	double values[OBJECTIVE_VALUES];
	double grad_norm, lr;
	int64_t tokens;              /* of this step */
};

/* Device and host memory of a run, by what it is for. */
struct arena_part {
	const char *name;
	size_t bytes;
};
#define ARENA_PARTS 8

struct trainer {
	struct model *model;
	struct train_options o;
	struct objective objective;
	struct cursor cursor;
	struct model_state *state;
	struct optimizer optimizer;
	float *grads;                /* device, n_params */
	int64_t step, steps;         /* done, and all */
	int64_t tokens;              /* learned from since trainer_open */
	int64_t n_max, n_least;      /* tokens of the largest micro-batch; the least that it could be told to have */
	double loss_sum, loss_weight; /* of the losses so far, older ones ever less: their average is the quotient */
	int64_t *items, n_items;     /* of the current step; room for all */
	struct micro_room room;
	/* Called before parameters change: who reads them waits here until that is done. NULL: nobody does. */
	void (*settle)(void *arg);
	void *settle_arg;
};

/* Plans; takes no device memory. d and m outlive the trainer. min_tokens: a micro-batch at least this long will be needed
 * (evaluation data). */
enum status trainer_open(struct trainer *t, struct model *m, const struct dataset *d, const struct objective *objective,
			 const struct train_options *o, int64_t min_tokens, struct error *err);
/* Where the memory of a planned one goes; held_out: evaluation data, or NULL. */
void trainer_arena(const struct trainer *t, const struct dataset *held_out, struct arena_part parts[ARENA_PARTS]);
/* ERR_MEMORY if a planned one would take more of the device than there is: err then names the flags that would make it fit. planned: the
 * model is one whose weights have not been read (model_how.plan). */
enum status trainer_fits(const struct trainer *t, bool planned, struct error *err);
enum status trainer_take(struct trainer *t, struct error *err);
void trainer_close(struct trainer *t);
/* END once all steps are done. ERR_DATA, with the batch's number and items, and the state as it was before: a loss or gradient that is
 * not finite, or a loss beyond o.spike times the average of those before it (after SPIKE_STEPS steps). */
#define SPIKE_STEPS 20
enum status trainer_step(struct trainer *t, struct report *r, struct error *err);
/* Moves the data position to after step steps, for a state read back from a checkpoint. */
void trainer_seek(struct trainer *t, int64_t step);
/* The objective's values over all of d, without learning. */
enum status trainer_eval(struct trainer *t, const struct dataset *d, double *values, struct error *err);

#endif
