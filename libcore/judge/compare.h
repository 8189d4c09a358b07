/* compare.h - two systems on the same rows: the paired difference of each metric, its standard error, whether it may be chance, and the
 * rows that one has right and the other wrong.
 *
 * The difference is b - a, its standard error that of the rows' differences (sample deviation, n - 1). Metrics of zeros and ones are
 * tested by McNemar's test, exact (two-sided binomial of the rows that differ); others by resampling: the paired bootstrap, shifted to
 * no difference (Efron and Tibshirani 1993, 16.4), or approximate randomization, signs of the differences drawn by chance; one is counted on top. The
 * interval is that of the bootstrap's middle 95 percent. Random numbers are numpy's for the seed.
 *
 * Where rows have no values but items that give one together (perplexities, BLEU, F1 of classes), a and b are those of all rows, and
 * the resampling draws rows of both sides at once, or exchanges their sides: the standard error is the deviation of the resamples. */
#ifndef QUERN_JUDGE_COMPARE_H
#define QUERN_JUDGE_COMPARE_H

#include "judge/metric_set.h"
#include "judge/samples.h"

struct compare_options {
	const char *by;              /* breaks rows down; NULL: source */
	int64_t samples;             /* of the bootstrap */
	enum paired_test test;
	int64_t trials;
	uint64_t seed;
};

struct compared {                    /* one metric under one filter, of all rows or of one group */
	const char *metric, *filter, *group;         /* group NULL: all rows */
	int64_t rows;                /* those that have the value on both sides */
	const char *aggregation;     /* of items; NULL: a and b are means */
	double a, b;
	double difference, error;    /* b - a; NAN for fewer than two rows, of items without bootstrap too */
	double low, high;            /* NAN without bootstrap */
	bool binary;                 /* all values are 0 or 1: p is McNemar's */
	double p;
	int64_t only_a, only_b;      /* binary: rows that only one has right */
	int higher;                  /* as in samples.h */
};

struct flip {                        /* a row that only one system has right */
	int64_t a, b;                /* rows of the samples */
	int metric;                  /* of a's metrics */
};

struct comparison {
	struct samples *a, *b;
	int64_t rows;                /* pairs */
	int n, cap;
	struct compared *found;      /* of all rows, each followed by its groups, where there are several */
	int64_t n_flips, cap_flips;
	struct flip *flips;          /* by metric, in a's order */
	struct buf notes;            /* what differs in the settings, a line each */
};
/* Opens both (see samples_open) and compares. ERR_DATA names what makes them incomparable: another task, version or number of examples, a
 * row that one has not, another document, answer or prompt. */
enum status compare_open(struct comparison **c, const char *a, const char *b, const struct compare_options *o, struct error *err);
void compare_close(struct comparison *c);            /* NULL allowed */
void compare_json(const struct comparison *c, const char *provenance, struct buf *out);
void compare_table(const struct comparison *c, struct buf *out);
/* Two-sided exact McNemar: b and c rows that only one system has right. 1 if there are none. */
double mcnemar_exact(int64_t b, int64_t c);

/* For compare.c (compare_items.c): both has r->rows items of a, and as many of b in the same order behind them. Fills a, b, difference, error,
 * low, high and p of r. */
void compare_items(const struct series *both, const struct compare_options *o, struct compared *r);
/* The order of doubles for qsort. */
int compare_doubles(const void *a, const void *b);

#endif
