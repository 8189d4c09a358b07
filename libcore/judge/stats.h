/* stats.h - running mean and its standard error, as lm-evaluation-harness reports them. */
#ifndef QUERN_JUDGE_STATS_H
#define QUERN_JUDGE_STATS_H

#include <stdint.h>

struct stats {                       /* {0} is empty; Welford's recurrence, so large values lose nothing */
	int64_t n;
	double mean, squares;        /* squares: sum of (x - mean)^2 */
};

void stats_add(struct stats *s, double x);
/* Standard error of the mean: sample deviation (n - 1) over sqrt(n). NAN for fewer than two values. For zeros and ones
 * of mean p that is sqrt(p (1 - p) / (n - 1)). */
double stats_stderr(const struct stats *s);

#endif
