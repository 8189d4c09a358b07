/* samples_check.c - whether samples are those of their report; see samples.h. */
#include "judge/samples.h"

#include "judge/stats.h"
#include "judge/task_series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the report says of a metric: NULL if nothing. */
static const struct json *reported(const struct samples *s, const char *metric, const char *filter)
{
	char *key = mem_printf("%s,%s", metric, filter);
	const struct json *v = json_get(json_get(json_get(s->report, "results"), s->task), key);

	mem_free(key);
	return v;
}

/* Whether a metric of this name is the mean of its rows' values. */
static bool is_mean(const char *metric)
{
	return !strncmp(metric, "acc", 3) || !strcmp(metric, "exact_match") || !strcmp(metric, "format");
}

/* What bleu and chrf were told, as far as their sums are scored by it: out of their signatures in the report. */
void samples_read_options(struct samples *s)
{
	const struct json *list = json_get(json_get(json_get(s->report, "configs"), s->task), "metric_list");

	s->text = mem_alloc(sizeof(*s->text));
	*s->text = TASK_TEXT_OPTIONS;
	for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->len; i++) {
		const char *name = json_get_str(&list->items[i], "metric", ""), *sign = json_get_str(&list->items[i], "signature", "");
		const char *smooth = strstr(sign, "|smooth:");

		if (!strncmp(name, "chrf", 4))
			s->text->eps_smoothing = strstr(sign, "|eff:no") != NULL;
		if (strcmp(name, "bleu") || !smooth)
			continue;
		s->text->effective_order = strstr(sign, "|eff:yes") != NULL;
		smooth += strlen("|smooth:");
		for (int k = SMOOTH_EXP; k <= SMOOTH_NONE; k++)
			if (!strncmp(smooth, bleu_smooth_names[k], strlen(bleu_smooth_names[k])))
				s->text->smooth = k;
		smooth += strcspn(smooth, "[|");
		if (*smooth == '[')
			s->text->smooth_value = strtod(smooth + 1, NULL);
	}
}

void samples_series(const struct samples *s, int metric, struct task_metric *m, struct series *x)
{
	const char *name = s->metrics[metric].name;

	*m = (struct task_metric){ .name = name, .aggregation = task_metric_aggregation(name) };
	*x = (struct series){ .m = m, .options = s->text };
	x->width = series_width(name, &x->text, &x->value);
}

/* The value of all rows under a filter; NAN if one has none. */
static double value_of_items(const struct samples *s, int metric, int filter)
{
	struct task_metric m;
	struct series x;
	bool whole = true;
	double value;

	samples_series(s, metric, &m, &x);
	x.v = mem_array((size_t)(s->n * x.width), sizeof(*x.v));
	for (int64_t i = 0; i < s->n && whole; i++) {
		const double *item = s->metrics[metric].items + i * x.width;

		if (s->rows[i].filter != filter)
			continue;
		whole = !isnan(item[0]);
		memcpy(x.v + x.n++ * x.width, item, (size_t)x.width * sizeof(*item));
	}
	x.hashed = series_is_hashed(&x);
	series_settle(&x);
	value = whole ? series_value(&x) : NAN;
	mem_free(x.v);
	return value;
}

/* The same of what items give. */
static enum status check_items(const struct samples *s, struct error *err)
{
	for (int m = 0; m < s->n_metrics; m++)
		for (int f = 0; f < s->filters.n && s->metrics[m].width; f++) {
			const struct json *told = reported(s, s->metrics[m].name, s->filters.v[f]);
			double found = value_of_items(s, m, f);

			if (told && told->type != JSON_NULL && !isnan(found) && fabs(told->number - found) > 1e-6 * fmax(1, fabs(found)))
				return error_set(err, ERR_DATA, "%s: %s is %g there and %g in %s: these are other samples%s", s->name,
						 s->metrics[m].name, told->number, found, s->path,
						 isnan(s->text->smooth_value) ? "" : ", or the signature has not all digits of the smoothing");
		}
	return OK;
}

/* The means of the rows are those that the report tells. */
enum status samples_check(const struct samples *s, struct error *err)
{
	for (int m = 0; m < s->n_metrics; m++)
		for (int f = 0; f < s->filters.n && !s->metrics[m].width && is_mean(s->metrics[m].name); f++) {
			const struct json *mean = reported(s, s->metrics[m].name, s->filters.v[f]);
			struct stats found = { 0 };

			for (int64_t i = 0; i < s->n; i++)
				if (s->rows[i].filter == f && !isnan(s->values[i * s->n_metrics + m]))
					stats_add(&found, s->values[i * s->n_metrics + m]);
			if (mean && mean->type != JSON_NULL && fabs(mean->number - found.mean) > 1e-6)
				return error_set(err, ERR_DATA, "%s: %s is %g there and %g in %s: these are other samples", s->name,
						 s->metrics[m].name, mean->number, found.mean, s->path);
		}
	return check_items(s, err);
}
