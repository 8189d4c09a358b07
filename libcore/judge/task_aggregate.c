/* task_aggregate.c - from a metric's items to its value and standard error; see task_series.h. */
#include "judge/task_series.h"

#include "judge/pyrandom.h"
#include "judge/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOOTSTRAP_CHUNK 1000         /* resamples of one random stream, as the original cuts them */
#define TEXT_ITERATIONS 100          /* of BLEU, chrF and TER, whose resamples are dear */

/* --- classes ------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void series_settle(struct series *x)
{
	double *names;
	int64_t n = 0;

	if (!x->hashed)
		return;
	x->hashed = false;
	names = mem_array((size_t)x->n + 1, sizeof(*names));
	for (int64_t i = 0; i < x->n; i++)
		names[i] = x->v[2 * i];
	qsort(names, (size_t)x->n, sizeof(*names), by_size);
	for (int64_t i = 0; i < x->n; i++)
		if (!n || names[n - 1] != names[i])
			names[n++] = names[i];
	for (int64_t i = 0; i < 2 * x->n; i++) {
		const double *at = bsearch(&x->v[i], names, (size_t)n, sizeof(*names), by_size);

		x->v[i] = at ? (double)(at - names) : -1;
	}
	mem_free(names);
}

bool series_is_hashed(const struct series *x)
{
	for (int64_t i = 0; i < x->n && x->width == 2; i++)
		if (x->v[2 * i] > (double)((int64_t)1 << 32))
			return !strcmp(x->m->name, "mcc") || !strcmp(x->m->name, "macro_f1");
	return false;
}

/* --- values -------------------------------------------------------------------------------------------- */

/* Items are picked by place, so that a resample needs no copy; NULL: all in order. */
struct picked {
	const struct series *x;
	const int32_t *at;
	int64_t n;
};

static const double *item(const struct picked *p, int64_t i)
{
	return p->x->v + (p->at ? p->at[i] : i) * p->x->width;
}

static double mean_of(const struct picked *p)
{
	double sum = 0;

	for (int64_t i = 0; i < p->n; i++)
		sum += item(p, i)[0];
	return sum / (double)p->n;
}

/* sorted(x)[n // 2] */
static double median_of(const struct picked *p)
{
	double *v = mem_array((size_t)p->n, sizeof(*v)), out;

	for (int64_t i = 0; i < p->n; i++)
		v[i] = item(p, i)[0];
	qsort(v, (size_t)p->n, sizeof(*v), by_size);
	out = v[p->n / 2];
	mem_free(v);
	return out;
}

static double weighted_mean(const struct picked *p)
{
	double a = 0, b = 0;

	for (int64_t i = 0; i < p->n; i++) {
		a += item(p, i)[0];
		b += item(p, i)[1];
	}
	return a / b;
}

/* scikit-learn's f1_score of class 1. */
static double f1_of(const struct picked *p)
{
	double hit = 0, said = 0, right = 0;

	for (int64_t i = 0; i < p->n; i++) {
		const double *v = item(p, i);

		hit += v[0] == 1 && v[1] == 1;
		right += v[0] == 1;
		said += v[1] == 1;
	}
	return said + right > 0 ? 2 * hit / (said + right) : 0;
}

/* The mean of the F1 of each class that is a right answer, or that a multiple-choice task predicts: scikit-learn's f1_score, average
 * "macro". A response that is no right answer of any document is wrong, and no class. */
static double macro_f1_of(const struct picked *p)
{
	int64_t classes = 0, n = 0;
	double *count, sum = 0;

	for (int64_t i = 0; i < p->n; i++)
		classes = (int64_t)fmax((double)classes, fmax(item(p, i)[0], item(p, i)[1]) + 1);
	count = mem_zalloc((size_t)(classes + 1) * 3 * sizeof(*count));      /* right, hit, said */
	for (int64_t i = 0; i < p->n; i++) {
		int64_t right = (int64_t)item(p, i)[0], said = (int64_t)item(p, i)[1];

		if (right >= 0)
			count[3 * right]++;
		if (right >= 0 && right == said)
			count[3 * right + 1]++;
		if (said >= 0)
			count[3 * said + 2]++;
	}
	for (int64_t c = 0; c < classes; c++)
		if (count[3 * c] + count[3 * c + 2] > 0) {
			sum += 2 * count[3 * c + 1] / (count[3 * c] + count[3 * c + 2]);
			n++;
		}
	mem_free(count);
	return n ? sum / (double)n : 0;
}

/* scikit-learn's matthews_corrcoef of any number of classes (Gorodkin 2004). */
static double mcc_of(const struct picked *p)
{
	double classes = 0, right = 0, n = (double)p->n, pt = 0, pp = 0, tt = 0;

	for (int64_t i = 0; i < p->n; i++) {
		const double *v = item(p, i);

		classes = fmax(classes, fmax(v[0], v[1]) + 1);
		right += v[0] == v[1];
	}
	for (double k = -1; k < classes; k++) {
		double t = 0, s = 0;

		for (int64_t i = 0; i < p->n; i++) {
			t += item(p, i)[0] == k;
			s += item(p, i)[1] == k;
		}
		pt += t * s;
		pp += s * s;
		tt += t * t;
	}
	pp = (n * n - pp) * (n * n - tt);
	return pp > 0 ? (right * n - pt) / sqrt(pp) : 0;
}

static double text_of(const struct picked *p)
{
	struct metric_options o = p->x->options ? *p->x->options : TASK_TEXT_OPTIONS;
	double sums[METRIC_STATS] = { 0 }, values[METRIC_VALUES] = { 0 };

	for (int64_t i = 0; i < p->n; i++)
		for (int k = 0; k < p->x->width; k++)
			sums[k] += item(p, i)[k];
	p->x->text->score(&o, sums, p->n, values);
	return values[p->x->value];
}

static double value_of(const struct picked *p)
{
	const char *a = p->x->m->aggregation;

	if (!p->n)
		return NAN;
	if (p->x->text)
		return text_of(p);
	if (!strcmp(a, "median"))
		return median_of(p);
	if (!strcmp(a, "perplexity"))
		return exp(-mean_of(p));
	if (!strcmp(a, "weighted_perplexity"))
		return exp(-weighted_mean(p));
	if (!strcmp(a, "bits_per_byte"))
		return -weighted_mean(p) / M_LN2;
	if (!strcmp(a, "inst_level_acc"))
		return weighted_mean(p);
	if (!strcmp(a, "f1"))
		return f1_of(p);
	if (!strcmp(a, "macro_f1"))
		return macro_f1_of(p);
	if (!strcmp(a, "matthews_corrcoef"))
		return mcc_of(p);
	return mean_of(p);
}

double series_value(const struct series *x)
{
	return value_of(&(struct picked){ x, NULL, x->n });
}

double series_value_at(const struct series *x, const int32_t *at, int64_t n)
{
	return value_of(&(struct picked){ x, at, n });
}

int series_width(const char *metric, const struct metric **text, int *value)
{
	static const char *const two[] = { "f1", "macro_f1", "mcc", "word_perplexity", "byte_perplexity", "bits_per_byte",
					   "token_perplexity", "inst_level_strict_acc", "inst_level_loose_acc" };

	*text = NULL;
	*value = 0;
	if (!strcmp(metric, "perplexity"))
		return 1;
	for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
		if (!strcmp(metric, two[i]))
			return 2;
	for (int i = 0; metrics[i]; i++)
		for (int k = 0; k < metrics[i]->n_values; k++)
			if (metrics[i]->corpus && !strcmp(metric, metrics[i]->values[k].name)) {
				*text = metrics[i];
				*value = k;
				return metrics[i]->n_stats;
			}
	return 0;
}

static bool is_resampled(const struct series *x)
{
	static const char *const names[] = { "median", "perplexity", "f1", "macro_f1", "matthews_corrcoef" };

	for (int i = 0; i < 5; i++)
		if (!strcmp(x->m->aggregation, names[i]))
			return true;
	return x->text != NULL;
}

/* Deviation of the value over resamples; random.Random(i).choices for each thousand of them. */
static double bootstrap(const struct series *x, int64_t iterations)
{
	int64_t most = x->text && iterations > TEXT_ITERATIONS ? TEXT_ITERATIONS : iterations;
	int64_t chunk = most < BOOTSTRAP_CHUNK ? most : BOOTSTRAP_CHUNK;
	int32_t *at = mem_array((size_t)x->n, sizeof(*at));
	struct picked p = { x, at, x->n };
	struct stats spread = { 0 };

	for (int64_t c = 0; c < most / chunk; c++) {
		struct pyrandom r = pyrandom_open((uint64_t)c);

		for (int64_t k = 0; k < chunk; k++) {
			for (int64_t i = 0; i < x->n; i++)
				at[i] = (int32_t)floor(pyrandom_real(&r) * (double)x->n);
			stats_add(&spread, value_of(&p));
		}
	}
	mem_free(at);
	return spread.n > 1 ? sqrt(spread.squares / (double)(spread.n - 1)) : NAN;
}

double series_error(const struct series *x, int64_t iterations)
{
	struct stats spread = { 0 };

	if (is_resampled(x))
		return iterations > 0 && x->n ? bootstrap(x, iterations) : NAN;
	if (strcmp(x->m->aggregation, "mean"))
		return NAN;
	for (int64_t i = 0; i < x->n; i++)
		stats_add(&spread, x->v[i]);
	return stats_stderr(&spread);
}

