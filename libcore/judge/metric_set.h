/* metric_set.h - several text metrics over the rows of a corpus: scores, signatures, confidence intervals, and the difference to a
 * second system with its significance.
 *
 * Rows are measured on the pool and added in their order, so threads do not change a bit. Without resampling only sums are kept; with
 * it the numbers of every row (8 bytes each: 10 of BLEU, 18 of chrF, 2 of TER). Resamples are sacrebleu's for the same seed. */
#ifndef QUERN_JUDGE_METRIC_SET_H
#define QUERN_JUDGE_METRIC_SET_H

#include "base/json.h"
#include "base/pool.h"
#include "judge/metric_diversity.h"
#include "judge/report.h"
#include "judge/stats.h"

#define SET_METRICS 8

struct metric_row {
	struct metric_text prediction, baseline;     /* baseline.s NULL: there is none */
	const struct metric_text *references;
	int n_references;
	const char *refused;         /* set to the reason for which the row does not count: "no_reference", "too_long" */
};

enum paired_test { PAIRED_BOOTSTRAP, PAIRED_RANDOMIZATION };

struct metric_set {
	struct metric_options options;
	const struct metric *metric[SET_METRICS];
	int n;
	bool distinct, self_bleu, repetition;        /* what to report of the predictions' diversity */
	bool paired;                 /* rows have a baseline */
	bool keep;                   /* for resampling */

	int width;                   /* numbers of a row and system */
	int64_t rows;
	int n_references;            /* 0: no rows yet; -1: varies */
	double sums[2][SET_METRICS * METRIC_STATS];  /* of the predictions and the baseline */
	struct stats means[SET_METRICS * METRIC_VALUES];
	struct kept {
		double *v;
		int64_t n, cap;
	} kept[2];
	struct diversity diversity;
	struct metric_scratch *scratch;      /* one per thread */
	int n_scratch;
	double *numbers;             /* of the rows under way */
	int64_t cap_numbers;
};
/* names: "bleu,chrf,distinct". ERR_USAGE lists what there is. */
enum status metric_set_parse(struct metric_set *s, const char *names, struct error *err);
/* Measures rows[0..n) and adds those that are not refused. */
enum status metric_set_add(struct metric_set *s, struct pool *pool, struct metric_row *rows, int64_t n, struct error *err);
/* The numbers of row i of the rows that were added last, n_stats of each metric in turn. */
const double *metric_set_numbers(const struct metric_set *s, int64_t i);
/* Adds the metrics to r, and what signs, bounds and compares them to list as a JSON array and to notes as lines for people. samples 0: no intervals; trials of the
 * test between prediction and baseline. Both need keep. */
enum status metric_set_report(struct metric_set *s, int64_t samples, enum paired_test test, int64_t trials, uint64_t seed,
			      struct report *r, struct buf *list, struct buf *notes, struct error *err);
void metric_set_release(struct metric_set *s);

#endif
