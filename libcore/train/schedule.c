/* schedule.c - see schedule.h. */
#include "train/schedule.h"

#include <math.h>

/* A number of steps, or a share of all. */
static int64_t steps_of(double n, int64_t steps)
{
	return (int64_t)(n < 1 ? ceil(n * (double)steps) : n);
}

static double at_least_one(int64_t n)
{
	return n > 1 ? (double)n : 1;
}

static double cosine(double t)
{
	return 0.5 * (1 + cos(M_PI * t));
}

static double stable_decay(const struct schedule_options *o, int64_t step, int64_t steps)
{
	int64_t decay = steps_of(o->decay, steps), left = steps - step;
	double t;

	if (left > decay)
		return 1;
	t = 1 - (double)left / at_least_one(decay);
	t = o->shape == DECAY_COSINE ? cosine(t) : o->shape == DECAY_LINEAR ? 1 - t : 1 - sqrt(t);
	return o->floor + (1 - o->floor) * t;
}

static double share(const struct schedule_options *o, int64_t step, int64_t steps)
{
	int64_t warmup = steps_of(o->warmup, steps);
	double t, scale;

	if (o->warmup < 1 && warmup >= steps)    /* a share leaves something to learn with */
		warmup = steps > 0 ? steps - 1 : 0;
	if (step < warmup) {
		t = (double)step / (double)warmup;
		return o->kind == SCHEDULE_WARMUP_STABLE_DECAY ? o->floor + (1 - o->floor) * t : t;
	}
	t = (double)(step - warmup) / at_least_one(steps - warmup);
	switch (o->kind) {
	case SCHEDULE_CONSTANT:
		return 1;
	case SCHEDULE_LINEAR:
		return o->floor + (1 - o->floor) * (1 - t);
	case SCHEDULE_POLYNOMIAL:
		return o->floor + (1 - o->floor) * pow(1 - t, o->power);
	case SCHEDULE_INVERSE_SQRT:
		scale = warmup ? (double)warmup : 10000;
		return sqrt(scale / ((double)(step - warmup) + scale));
	case SCHEDULE_WARMUP_STABLE_DECAY:
		return stable_decay(o, step, steps);
	default:
		return o->floor + (1 - o->floor) * cosine(t);
	}
}

double schedule_lr(const struct schedule_options *o, int64_t step, int64_t steps)
{
	return o->lr * share(o, step, steps);
}
