/* metric_resample.h - what resampled rows say of a metric_set's scores: the interval they lie in, and how likely the difference of two
 * systems is chance. The tests are sacrebleu's: paired bootstrap resampling (Koehn 2004) and approximate randomization (Riezler and
 * Maxwell 2005), with the same random numbers; its sums are of 32 bits, ours of 64. */
#ifndef QUERN_JUDGE_METRIC_RESAMPLE_H
#define QUERN_JUDGE_METRIC_RESAMPLE_H

#include "judge/metric_set.h"

struct resampled {
	struct interval {
		double mean, half_width;     /* of the middle 95 % of the bootstrap samples */
	} interval;
	double stderr_of;            /* their standard deviation; NAN without samples */
	double p_value;
};
/* found[i * METRIC_VALUES + k]: for value k of metric i. */
enum status metric_resample(const struct metric_set *s, int64_t samples, enum paired_test test, int64_t trials, uint64_t seed,
			    struct resampled *found, struct error *err);

#endif
