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
	int value;                   /* of text: which of its values */
	const struct metric_options *options;        /* of text; NULL: TASK_TEXT_OPTIONS */
};
#define TASK_TEXT_OPTIONS (struct metric_options){ .smooth_value = NAN }       /* of bleu, chrf, ter */

/* How a metric of that name aggregates its items, if nobody says otherwise. */
const char *task_metric_aggregation(const char *name);
/* Numbers of an item of a metric of that name whose value is no mean over items; 0 of others. Text metrics go by the names of their values, and
 * *text, *value tell which. */
int series_width(const char *metric, const struct metric **text, int *value);

/* Classes named by hashes are numbered from here on: those of the right answers from 0, any other is -1. */
void series_settle(struct series *x);
/* Whether items that were read from samples are such: no task has choices of such numbers. */
bool series_is_hashed(const struct series *x);
double series_value(const struct series *x);
/* The same of n items picked by place. */
double series_value_at(const struct series *x, const int32_t *at, int64_t n);
/* Its standard error by the metric's rule; iterations of the bootstrap, 0 for none. NAN: there is none. */
double series_error(const struct series *x, int64_t iterations);

#endif
