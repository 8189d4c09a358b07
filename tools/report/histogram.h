/* histogram.h - how values are distributed, in one pass and constant memory: bins of a width that is a power of two and doubles when a value
 * falls outside. What comes out depends on the values alone, not on their order. */
#ifndef QUERN_REPORT_HISTOGRAM_H
#define QUERN_REPORT_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BINS 48

struct histogram {                   /* {0} is empty */
	int64_t n, bins[HISTOGRAM_BINS];
	int64_t first;               /* bins[0] is [first * width, (first + 1) * width) */
	int exponent;                /* width = 2^exponent */
	double min, max, sum;
};
/* v is finite and its size below 2^60; others are not counted. */
void histogram_add(struct histogram *h, double v);
double histogram_width(const struct histogram *h);

#endif
