/* schedule.h - the learning rate of a step, by the names and formulas of transformers' get_scheduler (optimization.py).
 *
 * Warm-up is a straight line over w steps: step s, from 0, has s / w of the rate, so the first of a warm-up changes
 * nothing; a share of all steps is rounded up, but leaves the last one. Then, with t from 0 to 1 over the steps that are left and f the floor as a share of the rate:
 * constant (their constant_with_warmup) 1; linear and polynomial f + (1 - f) (1 - t)^power, linear with power 1; cosine
 * f + (1 - f) (1 + cos pi t) / 2 (their cosine_with_min_lr, cosine where f is 0); inverse_sqrt sqrt(w / s), with 10000 for a
 * w of 0, and no floor; warmup_stable_decay 1, and at the end, over the decay's steps, f + (1 - f) shape(t): its warm-up begins at f. */
#ifndef QUERN_TRAIN_SCHEDULE_H
#define QUERN_TRAIN_SCHEDULE_H

#include <stdint.h>

enum schedule {
	SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT, SCHEDULE_WARMUP_STABLE_DECAY, SCHEDULE_INVERSE_SQRT,
	SCHEDULE_POLYNOMIAL
};
#define SCHEDULE_NAMES "cosine|linear|constant|warmup_stable_decay|inverse_sqrt|polynomial"

/* How warmup_stable_decay ends: (1 + cos pi t) / 2, 1 - t, 1 - sqrt t. */
enum decay_shape { DECAY_COSINE, DECAY_LINEAR, DECAY_1_SQRT };
#define DECAY_SHAPE_NAMES "cosine|linear|1-sqrt"

struct schedule_options {
	enum schedule kind;
	double lr;                   /* the highest */
	double floor;                /* share of it */
	double warmup, decay;        /* steps; below 1 a share of all steps */
	double power;
	enum decay_shape shape;
};

/* Rate of step (from 0) of steps. */
double schedule_lr(const struct schedule_options *o, int64_t step, int64_t steps);

#endif
