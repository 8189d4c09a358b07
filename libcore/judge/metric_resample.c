#include "judge/metric_resample.h"

#include "judge/resample.h"

#include <stdlib.h>

#define VALUES (SET_METRICS * METRIC_VALUES)

/* The values of all metrics out of sums, VALUES of them. */
static void score_all(const struct metric_set *s, const double *sums, double *values)
{
	for (int i = 0, at = 0; i < s->n; at += s->metric[i++]->n_stats)
		s->metric[i]->score(&s->options, sums + at, s->rows, values + i * METRIC_VALUES);
}

static void add(double *sums, const double *row, int width)
{
	for (int i = 0; i < width; i++)
		sums[i] += row[i];
}

/* Draws all rows anew; values of each system. */
static void draw_bootstrap(const struct metric_set *s, struct resample *rng, int systems, double values[2][VALUES])
{
	double sums[2][SET_METRICS * METRIC_STATS] = { 0 };
	for (int64_t i = 0; i < s->rows; i++) {
		size_t row = (size_t)resample_below(rng, (uint32_t)s->rows) * (size_t)s->width;
		for (int k = 0; k < systems; k++)
			add(sums[k], s->kept[k].v + row, s->width);
	}
	for (int k = 0; k < systems; k++)
		score_all(s, sums[k], values[k]);
}

/* Exchanges the systems' rows by chance. */
static void draw_exchange(const struct metric_set *s, struct resample *rng, double values[2][VALUES])
{
	double sums[2][SET_METRICS * METRIC_STATS] = { 0 };
	for (int64_t i = 0; i < s->rows; i++) {
		bool swap = resample_bool(rng);
		size_t row = (size_t)i * (size_t)s->width;
		add(sums[0], s->kept[swap].v + row, s->width);
		add(sums[1], s->kept[!swap].v + row, s->width);
	}
	score_all(s, sums[0], values[0]);
	score_all(s, sums[1], values[1]);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* samples values of one metric, every VALUES-th of v. */
static void describe(const double *v, int64_t samples, double *sorted, struct resampled *out)
{
	struct stats st = { 0 };
	for (int64_t i = 0; i < samples; i++) {
		sorted[i] = v[i * VALUES];
		stats_add(&st, sorted[i]);
	}
	qsort(sorted, (size_t)samples, sizeof(*sorted), by_value);
	out->interval.mean = st.mean;
	out->interval.half_width = 0.5 * (sorted[samples - 1 - samples / 40] - sorted[samples / 40]);
	out->stderr_of = samples > 1 ? sqrt(st.squares / (double)(samples - 1)) : NAN;
}

/* How often a difference by chance exceeds the one that is there; one counted on top. */
static double p_value(const double *differences, int64_t trials, double shift, double real)
{
	int64_t more = 0;
	for (int64_t i = 0; i < trials; i++)
		more += differences[i * VALUES] - shift > real;
	return (double)(more + 1) / (double)(trials + 1);
}

static void test_pair(const struct metric_set *s, enum paired_test test, int64_t trials, uint64_t seed, double *table,
		      struct resampled *found)
{
	struct resample rng = resample_open(seed);
	double values[2][VALUES], real[2][VALUES];
	score_all(s, s->sums[0], real[0]);
	score_all(s, s->sums[1], real[1]);
	for (int64_t i = 0; i < trials; i++) {
		if (test == PAIRED_BOOTSTRAP)
			draw_bootstrap(s, &rng, 2, values);
		else
			draw_exchange(s, &rng, values);
		for (int k = 0; k < s->n * METRIC_VALUES; k++)
			table[i * VALUES + k] = fabs(values[0][k] - values[1][k]);
	}
	for (int k = 0; k < s->n * METRIC_VALUES; k++) {
		double mean = 0;
		for (int64_t i = 0; i < trials && test == PAIRED_BOOTSTRAP; i++)
			mean += table[i * VALUES + k] / (double)trials;
		found[k].p_value = p_value(table + k, trials, mean, fabs(real[0][k] - real[1][k]));
	}
}

enum status metric_resample(const struct metric_set *s, int64_t samples, enum paired_test test, int64_t trials, uint64_t seed,
			    struct resampled *found, struct error *err)
{
	int64_t most = samples > trials ? samples : trials;
	double *table, *sorted, values[2][VALUES] = { 0 };
	for (int k = 0; k < VALUES; k++)
		found[k].stderr_of = NAN;
	if (!s->keep || s->rows == 0)
		return OK;
	if (s->rows > UINT32_MAX)
		return error_set(err, ERR_DATA, "%lld rows: resampling takes at most 4294967295", (long long)s->rows);
	table = mem_array((size_t)most * VALUES, sizeof(*table));
	sorted = mem_array((size_t)most, sizeof(*sorted));
	struct resample rng = resample_open(seed);
	for (int64_t i = 0; i < samples; i++) {
		draw_bootstrap(s, &rng, 1, values);
		memcpy(table + i * VALUES, values[0], VALUES * sizeof(*table));
	}
	for (int k = 0; samples && k < s->n * METRIC_VALUES; k++)
		describe(table + k, samples, sorted, &found[k]);
	if (s->paired && trials)
		test_pair(s, test, trials, seed, table, found);
	mem_free(table);
	mem_free(sorted);
	return OK;
}
