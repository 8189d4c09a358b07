/* task_series.h - the items that a task's documents give to a metric, for task_score.c, and what becomes of them. */
#ifndef QUERN_JUDGE_TASK_SERIES_H
#define QUERN_JUDGE_TASK_SERIES_H

#include "judge/metric.h"
#include "judge/task.h"

#include <math.h>

/* A metric's items under one filter: width numbers a document. */
struct series {
	const struct task_metric *m;
	const struct metric *text;   /* bleu, chrf, ter: items are its sums */
	double *v;
	int64_t n, cap;
	int width;
	bool hashed;                 /* of classes: they are named by hashes of texts yet */
};
#define TASK_TEXT_OPTIONS (struct metric_options){ .smooth_value = NAN }       /* of bleu, chrf, ter */


/* Classes named by hashes are numbered from here on: those of the right answers from 0, any other is -1. */
void series_settle(struct series *x);
double series_value(const struct series *x);
/* Its standard error by the metric's rule; iterations of the bootstrap, 0 for none. NAN: there is none. */
double series_error(const struct series *x, int64_t iterations);

#endif
