#include "judge/stats.h"

#include <math.h>

void stats_add(struct stats *s, double x)
{
	double d = x - s->mean;
	s->n++;
	s->mean += d / (double)s->n;
	s->squares += d * (x - s->mean);
}

double stats_stderr(const struct stats *s)
{
	if (s->n < 2)
		return NAN;
	return sqrt(s->squares / (double)(s->n - 1)) / sqrt((double)s->n);
}
