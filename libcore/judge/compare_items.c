/* compare_items.c - two systems by what their rows give together; see compare.h. */
#include "judge/compare.h"

#include "judge/resample.h"
#include "judge/stats.h"
#include "judge/task_series.h"

#include <math.h>
#include <stdlib.h>

struct drawn {
	const struct series *both;
	int64_t n;                   /* rows */
	int32_t *a, *b;              /* [n] places of items */
};

static double difference(const struct drawn *d)
{
	return series_value_at(d->both, d->b, d->n) - series_value_at(d->both, d->a, d->n);
}

static void draw_rows(struct drawn *d, struct resample *rng)
{
	for (int64_t i = 0; i < d->n; i++) {
		d->a[i] = (int32_t)resample_below(rng, (uint32_t)d->n);
		d->b[i] = (int32_t)d->n + d->a[i];
	}
}

static void draw_sides(struct drawn *d, struct resample *rng)
{
	for (int64_t i = 0; i < d->n; i++) {
		bool swap = resample_bool(rng);

		d->a[i] = (int32_t)(swap ? d->n + i : i);
		d->b[i] = (int32_t)(swap ? i : d->n + i);
	}
}

/* Differences of resamples, sorted; those that have none (rows without a word) are left out. Their number. */
static int64_t bootstrap(struct drawn *d, int64_t samples, uint64_t seed, double *found)
{
	struct resample rng = resample_open(seed);
	int64_t n = 0;

	for (int64_t s = 0; s < samples; s++) {
		draw_rows(d, &rng);
		found[n] = difference(d);
		n += !isnan(found[n]);
	}
	qsort(found, (size_t)n, sizeof(*found), compare_doubles);
	return n;
}

static double p_value(struct drawn *d, double real, const struct compare_options *o)
{
	struct resample rng = resample_open(o->seed);
	int64_t more = 1;

	for (int64_t t = 0; t < o->trials; t++) {
		double shift = o->test == PAIRED_BOOTSTRAP ? real : 0;

		if (o->test == PAIRED_BOOTSTRAP)
			draw_rows(d, &rng);
		else
			draw_sides(d, &rng);
		more += fabs(difference(d) - shift) >= fabs(real) * (1 - 1e-12);
	}
	return (double)more / (double)(o->trials + 1);
}

void compare_items(const struct series *both, const struct compare_options *o, struct compared *r)
{
	struct drawn d = { both, r->rows, mem_array((size_t)r->rows, sizeof(*d.a)), mem_array((size_t)r->rows, sizeof(*d.b)) };
	double *found = mem_array((size_t)o->samples + 1, sizeof(*found));
	struct stats spread = { 0 };
	int64_t n = 0;

	for (int64_t i = 0; i < r->rows; i++) {
		d.a[i] = (int32_t)i;
		d.b[i] = (int32_t)(r->rows + i);
	}
	r->a = series_value_at(both, d.a, d.n);
	r->b = series_value_at(both, d.b, d.n);
	r->difference = r->b - r->a;
	if (r->rows > 1 && !isnan(r->difference)) {
		n = bootstrap(&d, o->samples, o->seed, found);
		r->p = o->trials > 0 ? p_value(&d, r->difference, o) : NAN;
	}
	for (int64_t i = 0; i < n; i++)
		stats_add(&spread, found[i]);
	if (n > 1) {
		r->error = sqrt(spread.squares / (double)(n - 1));
		r->low = found[n / 40];
		r->high = found[n - 1 - n / 40];
	}
	mem_free(found);
	mem_free(d.a);
	mem_free(d.b);
}
