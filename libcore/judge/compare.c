/* compare.c - see compare.h. */
#include "judge/compare.h"

#include "judge/resample.h"
#include "judge/task_series.h"
#include "token/strmap.h"

#include <math.h>
#include <stdlib.h>

struct pair {
	int64_t a, b;
};

/* --- are they comparable? ---------------------------------------------------------------------------------------- */

static bool same_json(const struct json *a, const struct json *b, struct buf *x, struct buf *y)
{
	struct json_writer wx = json_writer_open(x, 0), wy = json_writer_open(y, 0);

	buf_clear(x);
	buf_clear(y);
	if (a)
		json_value(&wx, a);
	if (b)
		json_value(&wy, b);
	return x->len == y->len && (!x->len || !memcmp(x->data, y->data, x->len));
}

static const struct json *metric_list(const struct samples *s)
{
	const struct json *list = json_get(json_get(json_get(s->report, "configs"), s->task), "metric_list");

	return list && list->type == JSON_ARRAY ? list : NULL;
}

/* A text metric's settings: its signature without what says how it was resampled. */
static void put_settings(const struct samples *s, const char *metric, struct buf *out)
{
	const struct json *list = metric_list(s);

	buf_clear(out);
	buf_str(out, "");
	for (size_t i = 0; list && i < list->len; i++)
		for (const char *p = json_get_str(&list->items[i], "signature", ""); *p && !strcmp(json_get_str(&list->items[i], "metric", ""), metric);) {
			size_t n = strcspn(p, "|");

			if (strncmp(p, "bs:", 3) && strncmp(p, "seed:", 5))
				buf_printf(out, "%s%.*s", out->len ? "|" : "", (int)(n < 200 ? n : 200), p);
			p += n + (p[n] == '|');
		}
}

/* BLEU of words and BLEU of characters have only the name in common. */
static enum status compare_settings(const struct comparison *c, struct error *err)
{
	struct buf x = { 0 }, y = { 0 };
	enum status st = OK;

	for (int m = 0; m < c->a->n_metrics && st == OK; m++) {
		if (samples_metric(c->b, c->a->metrics[m].name) < 0)
			continue;
		put_settings(c->a, c->a->metrics[m].name, &x);
		put_settings(c->b, c->a->metrics[m].name, &y);
		if (strcmp(x.data, y.data))
			st = error_set(err, ERR_DATA, "the settings of %s differ: %.200s in %s, %.200s in %s", c->a->metrics[m].name,
				       x.len ? x.data : "none", c->a->name, y.len ? y.data : "none", c->b->name);
	}
	buf_release(&x);
	buf_release(&y);
	return st;
}

/* Members {task: value} of the reports; a refusal where they must agree, else a note. */
static enum status compare_reports(struct comparison *c, struct error *err)
{
	static const struct {
		const char *member, *means;
	} must[] = { { "versions", "version of the task" }, { "n-shot", "number of examples" } };
	const struct samples *a = c->a, *b = c->b;
	struct buf x = { 0 }, y = { 0 };
	enum status st = OK;

	if (!a->report || !b->report)
		return OK;
	if (strcmp(a->task, b->task))
		return error_set(err, ERR_DATA, "tasks differ: '%s' in %s, '%s' in %s", a->task, a->name, b->task, b->name);
	for (size_t i = 0; i < sizeof(must) / sizeof(*must) && st == OK; i++)
		if (!same_json(json_get(json_get(a->report, must[i].member), a->task), json_get(json_get(b->report, must[i].member), b->task),
			       &x, &y))
			st = error_set(err, ERR_DATA, "the %s differs: %.40s in %s, %.40s in %s", must[i].means, x.len ? x.data : "none",
				       a->name, y.len ? y.data : "none", b->name);
	if (st == OK && !same_json(json_get(json_get(json_get(a->report, "configs"), a->task), "generation_kwargs"),
				   json_get(json_get(json_get(b->report, "configs"), b->task), "generation_kwargs"), &x, &y))
		buf_printf(&c->notes, "generation differs: %.400s in %s, %.400s in %s\n", x.len ? x.data : "none", a->name,
			   y.len ? y.data : "none", b->name);
	buf_release(&x);
	buf_release(&y);
	return st == OK ? compare_settings(c, err) : st;
}

static enum status check_pair(const struct samples *a, const struct sample_row *x, const struct samples *b, const struct sample_row *y,
			      struct error *err)
{
	const char *what = x->doc && y->doc && x->doc != y->doc ? "the documents differ" :
			   x->target && y->target && x->target != y->target ? "the right answers differ" :
			   x->prompt && y->prompt && x->prompt != y->prompt ? "the prompts differ: another template or other examples" : NULL;

	return what ? error_set(err, ERR_DATA, "row '%s' of %s and %s: %s", x->id, a->path, b->path, what) : OK;
}

/* Each row of a with its row of b, in a's order. */
static enum status pair_rows(struct comparison *c, struct pair *pairs, struct error *err)
{
	const struct samples *a = c->a, *b = c->b;
	struct strmap index = { 0 };
	bool *taken = mem_array((size_t)b->n + 1, sizeof(*taken));
	enum status st = OK;

	for (int64_t i = 0; i < b->n; i++)
		strmap_put(&index, (const char *)b->rows[i].key, sizeof(b->rows[i].key), (int32_t)i);
	for (int64_t i = 0; i < a->n && st == OK; i++) {
		int32_t at = strmap_get(&index, (const char *)a->rows[i].key, sizeof(a->rows[i].key));

		if (at < 0) {
			st = error_set(err, ERR_DATA, "%s has row '%s', %s has not", a->path, a->rows[i].id, b->path);
			break;
		}
		st = check_pair(a, &a->rows[i], b, &b->rows[at], err);
		taken[at] = true;
		pairs[i] = (struct pair){ i, at };
	}
	for (int64_t i = 0; i < b->n && st == OK; i++)
		if (!taken[i])
			st = error_set(err, ERR_DATA, "%s has row '%s', %s has not", b->path, b->rows[i].id, a->path);
	mem_free(taken);
	strmap_release(&index);
	return st;
}

/* --- statistics ------------------------------------------------------------------------------------------------- */

double mcnemar_exact(int64_t b, int64_t c)
{
	int64_t n = b + c, k = b < c ? b : c;
	double sum = 0;

	/* The binomial's lower tail from its largest term down. lgamma loses digits where a product of few factors does not. */
	double term = 1;
	if (n <= 1000)
		for (int64_t i = 1; i <= n; i++)
			term *= 0.5 * (i <= k ? (double)(n - k + i) / (double)i : 1);
	else
		term = exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) - (double)n * log(2));
	for (; k >= 0 && term > sum * 1e-17; k--) {
		sum += term;
		term *= (double)k / (double)(n - k + 1);
	}
	return 2 * sum < 1 ? 2 * sum : 1;
}

int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Means of n differences drawn anew, sorted. */
static double *bootstrap(const double *d, int64_t n, int64_t samples, uint64_t seed)
{
	struct resample rng = resample_open(seed);
	double *means = mem_array((size_t)samples, sizeof(*means));

	for (int64_t s = 0; s < samples; s++) {
		for (int64_t i = 0; i < n; i++)
			means[s] += d[resample_below(&rng, (uint32_t)n)];
		means[s] /= (double)n;
	}
	qsort(means, (size_t)samples, sizeof(*means), compare_doubles);
	return means;
}

static double p_bootstrap(const double *d, int64_t n, double difference, const struct compare_options *o)
{
	double *means = bootstrap(d, n, o->trials, o->seed);
	int64_t more = 1;

	for (int64_t t = 0; t < o->trials; t++)
		more += fabs(means[t] - difference) >= fabs(difference);
	mem_free(means);
	return (double)more / (double)(o->trials + 1);
}

static double p_randomization(const double *d, int64_t n, double difference, const struct compare_options *o)
{
	struct resample rng = resample_open(o->seed);
	int64_t more = 1;

	for (int64_t t = 0; t < o->trials; t++) {
		double sum = 0;

		for (int64_t i = 0; i < n; i++)
			sum += resample_bool(&rng) ? d[i] : -d[i];
		more += fabs(sum / (double)n) >= fabs(difference) * (1 - 1e-12);
	}
	return (double)more / (double)(o->trials + 1);
}

/* d[n]: differences of the rows; r has the counts and means. */
static void test_difference(struct compared *r, const double *d, const struct compare_options *o)
{
	struct stats st = { 0 };

	for (int64_t i = 0; i < r->rows; i++)
		stats_add(&st, d[i]);
	r->difference = st.mean;
	r->error = stats_stderr(&st);
	r->low = r->high = NAN;
	if (o->samples > 0 && r->rows > 1) {
		double *means = bootstrap(d, r->rows, o->samples, o->seed);

		r->low = means[o->samples / 40];
		r->high = means[o->samples - 1 - o->samples / 40];
		mem_free(means);
	}
	if (r->binary)
		r->p = mcnemar_exact(r->only_a, r->only_b);
	else if (r->rows < 2 || o->trials <= 0)
		r->p = NAN;
	else
		r->p = (o->test == PAIRED_BOOTSTRAP ? p_bootstrap : p_randomization)(d, r->rows, st.mean, o);
}

static bool is_binary(double x) { return x == 0 || x == 1; }

/* One metric under one filter of the rows of one group (-1: of all). */
static void compare_cell(struct comparison *c, const struct pair *pairs, int m, int mb, int filter, int group, double *d,
			 const struct compare_options *o)
{
	const struct samples *a = c->a, *b = c->b;
	struct compared r = { .metric = a->metrics[m].name, .filter = a->filters.v[filter], .binary = true, .higher = a->metrics[m].higher,
			      .group = group < 0 ? NULL : a->groups.v[group] };
	struct stats of_a = { 0 }, of_b = { 0 };
	int64_t first = c->n_flips;

	for (int64_t i = 0; i < c->rows; i++) {
		const struct sample_row *row = &a->rows[pairs[i].a];
		double x = a->values[pairs[i].a * a->n_metrics + m], y = b->values[pairs[i].b * b->n_metrics + mb];

		if (row->filter != filter || (group >= 0 && row->group != group) || isnan(x) || isnan(y))
			continue;
		stats_add(&of_a, x);
		stats_add(&of_b, y);
		r.binary &= is_binary(x) && is_binary(y);
		r.only_a += x > y;
		r.only_b += y > x;
		d[r.rows++] = y - x;
		if (group < 0 && x != y) {
			MEM_PUSH_ROOM(c->flips, c->n_flips, c->cap_flips);
			c->flips[c->n_flips++] = (struct flip){ pairs[i].a, pairs[i].b, m };
		}
	}
	if (!r.binary)
		c->n_flips = first;
	if (!r.rows)
		return;
	r.a = of_a.mean;
	r.b = of_b.mean;
	test_difference(&r, d, o);
	MEM_PUSH_ROOM(c->found, c->n, c->cap);
	c->found[c->n++] = r;
}

/* The same of a metric of items. */
static void compare_cell_of_items(struct comparison *c, const struct pair *pairs, int m, int mb, int filter, int group, const struct compare_options *o)
{
	const struct samples *a = c->a, *b = c->b;
	int width = a->metrics[m].width;
	struct compared r = { .metric = a->metrics[m].name, .filter = a->filters.v[filter], .higher = a->metrics[m].higher,
			      .group = group < 0 ? NULL : a->groups.v[group], .low = NAN, .high = NAN, .error = NAN, .p = NAN };
	int64_t *rows = mem_array((size_t)c->rows + 1, sizeof(*rows));
	struct task_metric how;
	struct series both;

	samples_series(a, m, &how, &both);
	r.aggregation = how.aggregation;
	for (int64_t i = 0; i < c->rows; i++) {
		const struct sample_row *row = &a->rows[pairs[i].a];

		if (row->filter == filter && (group < 0 || row->group == group) && !isnan(a->metrics[m].items[pairs[i].a * width]) &&
		    !isnan(b->metrics[mb].items[pairs[i].b * width]))
			rows[r.rows++] = i;
	}
	both.n = 2 * r.rows;
	both.v = mem_array((size_t)(both.n * width) + 1, sizeof(*both.v));
	for (int64_t i = 0; i < r.rows; i++) {
		memcpy(both.v + i * width, a->metrics[m].items + pairs[rows[i]].a * width, (size_t)width * sizeof(double));
		memcpy(both.v + (r.rows + i) * width, b->metrics[mb].items + pairs[rows[i]].b * width, (size_t)width * sizeof(double));
	}
	both.hashed = series_is_hashed(&both);
	series_settle(&both);
	if (r.rows) {
		compare_items(&both, o, &r);
		MEM_PUSH_ROOM(c->found, c->n, c->cap);
		c->found[c->n++] = r;
	}
	mem_free(both.v);
	mem_free(rows);
}

static enum status compare_all(struct comparison *c, const struct pair *pairs, const struct compare_options *o, struct error *err)
{
	const struct samples *a = c->a;
	double *d = mem_array((size_t)c->rows + 1, sizeof(*d));

	for (int m = 0; m < a->n_metrics; m++) {
		int mb = samples_metric(c->b, a->metrics[m].name);

		if (mb >= 0 && a->metrics[m].width != c->b->metrics[mb].width)
			continue;
		for (int f = 0; f < a->filters.n && mb >= 0; f++)
			for (int g = -1; g < a->groups.n && (g < 0 || a->groups.n > 1); g++)
				if (a->metrics[m].width)
					compare_cell_of_items(c, pairs, m, mb, f, g, o);
				else
					compare_cell(c, pairs, m, mb, f, g, d, o);
	}
	mem_free(d);
	return c->n ? OK : error_set(err, ERR_DATA, "%s and %s have no metric of rows in common", a->name, c->b->name);
}

enum status compare_open(struct comparison **out, const char *a, const char *b, const struct compare_options *o, struct error *err)
{
	struct comparison *c = mem_zalloc(sizeof(*c));
	struct pair *pairs = NULL;
	enum status st = samples_open(&c->a, a, o->by, err);

	if (st == OK)
		st = samples_open(&c->b, b, o->by, err);
	if (st == OK)
		st = compare_reports(c, err);
	if (st == OK && c->a->n >= INT32_MAX / 2)
		st = error_set(err, ERR_DATA, "%s: %lld rows are too many to compare", a, (long long)c->a->n);
	if (st == OK) {
		c->rows = c->a->n;
		pairs = mem_array((size_t)c->rows, sizeof(*pairs));
		st = pair_rows(c, pairs, err);
	}
	if (st == OK)
		st = compare_all(c, pairs, o, err);
	mem_free(pairs);
	if (st != OK) {
		compare_close(c);
		c = NULL;
	}
	*out = c;
	return st;
}

void compare_close(struct comparison *c)
{
	if (!c)
		return;
	samples_close(c->a);
	samples_close(c->b);
	mem_free(c->found);
	mem_free(c->flips);
	buf_release(&c->notes);
	mem_free(c);
}
