/* results.c - evaluations: a table of all metrics by model, figures with error bars; comparisons of two with the rows that flipped. */
#include "report/sections.h"

#include "judge/compare.h"

#include <math.h>
#include <stdlib.h>

/* --- the table -------------------------------------------------------------------------------------------------------- */

struct entry {                       /* a metric of a task under a filter: a row of the table */
	const char *task;
	char metric[80], filter[80];
};

#define ENTRIES_MAX 2000             /* what is read of more rows nobody reads, and to find each takes a look at all */

struct table {
	struct entry *entries;
	int n, cap;
	bool more;                   /* there are others */
	const char **models;         /* the columns */
	int n_models, cap_models;
};

/* The number of a metric in an evaluation, and its standard error; false if it has none. */
static bool value_of(const struct evaluation *e, const struct entry *x, double *value, double *error)
{
	const struct json *task = json_get(json_get(e->root, "results"), x->task), *v, *se;
	char *key = mem_printf("%s,%s", x->metric, x->filter), *with_error = mem_printf("%s_stderr,%s", x->metric, x->filter);

	v = json_get(task, key);
	se = json_get(task, with_error);
	mem_free(key);
	mem_free(with_error);
	if (!v || (v->type != JSON_DOUBLE && v->type != JSON_INT))
		return false;
	*value = v->number;
	*error = se && se->type == JSON_DOUBLE ? se->number : se && se->type == JSON_INT ? (double)se->integer : NAN;
	return true;
}

static int higher_of(const struct inputs *in, const struct entry *x)
{
	for (int i = 0; i < in->n_evaluations; i++) {
		const struct json *h = json_get(json_get(json_get(in->evaluations[i].root, "higher_is_better"), x->task), x->metric);

		if (h && h->type == JSON_BOOL)
			return h->boolean;
	}
	return -1;
}

static void add_entry(struct table *t, const char *task, const struct json *key)
{
	const char *comma = strrchr(key->str, ',');
	struct entry x = { .task = task };
	size_t n = comma ? (size_t)(comma - key->str) : 0;

	if (!comma || n >= sizeof(x.metric) || strlen(comma + 1) >= sizeof(x.filter) || (n > 7 && !memcmp(comma - 7, "_stderr", 7)))
		return;
	memcpy(x.metric, key->str, n);
	memcpy(x.filter, comma + 1, strlen(comma + 1));
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->entries[i].task, task) && !strcmp(t->entries[i].metric, x.metric) && !strcmp(t->entries[i].filter, x.filter))
			return;
	t->more = t->n == ENTRIES_MAX;
	if (t->more)
		return;
	MEM_PUSH_ROOM(t->entries, t->n, t->cap);
	t->entries[t->n++] = x;
}

static void collect(struct table *t, const struct inputs *in)
{
	for (int i = 0; i < in->n_evaluations; i++) {
		const struct evaluation *e = &in->evaluations[i];
		const struct json *results = json_get(e->root, "results");
		bool known = false;

		for (int m = 0; m < t->n_models; m++)
			known |= !strcmp(t->models[m], e->model);
		if (!known) {
			MEM_PUSH_ROOM(t->models, t->n_models, t->cap_models);
			t->models[t->n_models++] = e->model;
		}
		for (size_t k = 0; k < results->len; k++)
			for (size_t m = 0; results->items[k].type == JSON_OBJECT && m < results->items[k].len && !t->more; m++)
				if (results->items[k].items[m].type == JSON_DOUBLE || results->items[k].items[m].type == JSON_INT)
					add_entry(t, results->keys[k].str, &results->items[k].keys[m]);
	}
}

static bool model_value(const struct inputs *in, const char *model, const struct entry *x, double *value, double *error)
{
	for (int i = 0; i < in->n_evaluations; i++)
		if (!strcmp(in->evaluations[i].model, model) && value_of(&in->evaluations[i], x, value, error))
			return true;
	return false;
}

static void entry_row(struct page *p, const struct inputs *in, const struct table *t, const struct entry *x, bool new_task)
{
	int higher = higher_of(in, x), found = 0;
	double best = NAN, v, se;

	for (int m = 0; m < t->n_models; m++)
		if (model_value(in, t->models[m], x, &v, &se)) {
			found++;
			best = isnan(best) || (higher ? v > best : v < best) ? v : best;
		}
	page_cell_text(p, NULL, new_task ? x->task : "", new_task ? strlen(x->task) : 0, 60);
	page_cell(p, NULL, "%s%s%s%s", x->metric, strcmp(x->filter, "none") ? ", " : "", strcmp(x->filter, "none") ? x->filter : "",
		  higher < 0 ? "" : higher ? " \xe2\x86\x91" : " \xe2\x86\x93");
	for (int m = 0; m < t->n_models; m++) {
		struct buf s = { 0 };

		if (!model_value(in, t->models[m], x, &v, &se)) {
			page_cell(p, "n quiet", "\xe2\x80\x93");
			continue;
		}
		append_number(&s, v);
		if (!isnan(se) && se > 0) {
			buf_str(&s, " \xc2\xb1 ");
			append_number(&s, se);
		}
		page_cell(p, found > 1 && higher >= 0 && v == best ? "n best" : "n", "%s", s.data);
		buf_release(&s);
	}
}

/* Shares, with their errors, by task. */
static void draw_task(struct page *p, const struct inputs *in, const struct table *t, int from, int to, int number)
{
	struct mark *marks = mem_array((size_t)(to - from) * (size_t)t->n_models + 1, sizeof(*marks));
	char *name = mem_printf("results-%d", number), *caption = mem_printf("%s, with 95 percent intervals", t->entries[from].task);
	int n = 0;

	for (int i = from; i < to && n < 60; i++) {
		double v, se;
		int first = n;
		bool share = false;

		for (int m = 0; m < t->n_models && n < 60; m++)
			if (model_value(in, t->models[m], &t->entries[i], &v, &se) && isfinite(v)) {
				share |= !isnan(se) && se > 0;
				marks[n++] = (struct mark){ t->entries[i].metric, t->models[m], v, se, m % FIGURE_COLORS };
				if (v < 0 || v > 1)
					share = false, m = t->n_models;
			}
		for (int k = first; k < n; k++)
			share &= marks[k].value >= 0 && marks[k].value <= 1;
		if (!share)
			n = first;
	}
	if (n)
		figure_marks(p, name, caption, marks, n);
	mem_free(marks);
	mem_free(name);
	mem_free(caption);
}

void section_results(struct page *p, const struct inputs *in)
{
	struct table t = { 0 };

	collect(&t, in);
	if (t.n) {
		page_section(p, "results", "Results");
		page_table(p, "Value \xc2\xb1 standard error. The best of a row is bold; an arrow says which way is better.", t.n_models + 2);
		page_cell(p, NULL, "task");
		page_cell(p, NULL, "metric");
		for (int m = 0; m < t.n_models; m++)
			page_cell_text(p, "n", t.models[m], strlen(t.models[m]), 60);
		for (int i = 0; i < t.n; i++)
			entry_row(p, in, &t, &t.entries[i], !i || strcmp(t.entries[i].task, t.entries[i - 1].task));
		page_table_end(p);
		if (t.more)
			page_text(p, "There are more: the first %d are shown.", ENTRIES_MAX);
		page_figures(p);
		for (int i = 0, k, number = 1; i < t.n; i = k, number++) {
			for (k = i + 1; k < t.n && !strcmp(t.entries[k].task, t.entries[i].task);)
				k++;
			draw_task(p, in, &t, i, k, number);
		}
		page_figures_end(p);
	}
	mem_free(t.entries);
	mem_free(t.models);
}

/* --- comparisons --------------------------------------------------------------------------------------------------------- */

struct flips {
	const struct comparison *c;
	const struct flip **shown;
	int n;
	struct flip_text {
		char *doc, *target, *response[2];
	} *texts;
	int side;
};

static enum status keep_text(void *arg, const struct sample_texts *t, struct error *err)
{
	struct flips *f = arg;

	(void)err;
	for (int i = 0; i < f->n; i++) {
		struct flip_text *to = &f->texts[i];

		if ((f->side ? f->shown[i]->b : f->shown[i]->a) != t->row)
			continue;
		if (!f->side) {
			to->doc = mem_strndup(t->doc.data ? t->doc.data : "", t->doc.len);
			to->target = mem_strndup(t->target.data ? t->target.data : "", t->target.len);
		}
		to->response[f->side] = mem_strndup(t->response.data ? t->response.data : "", t->response.len);
	}
	return OK;
}

static void flip_rows(struct page *p, const struct flips *f)
{
	const struct samples *a = f->c->a;

	page_table(p, "Rows that only one of them has right", 5);
	page_cell(p, NULL, "row");
	page_cell(p, NULL, "document");
	page_cell(p, NULL, "right answer");
	page_cell_text(p, NULL, a->name, strlen(a->name), 60);
	page_cell_text(p, NULL, f->c->b->name, strlen(f->c->b->name), 60);
	for (int i = 0; i < f->n; i++) {
		const struct flip_text *t = &f->texts[i];
		bool of_a = a->values[f->shown[i]->a * a->n_metrics + f->shown[i]->metric] > 0;

		page_cell_text(p, NULL, a->rows[f->shown[i]->a].id, strlen(a->rows[f->shown[i]->a].id), 60);
		page_cell_text(p, "text", t->doc ? t->doc : "", t->doc ? strlen(t->doc) : 0, 600);
		page_cell_text(p, "text", t->target ? t->target : "", t->target ? strlen(t->target) : 0, 200);
		for (int side = 0; side < 2; side++)
			page_cell_text(p, of_a == !side ? "text right" : "text wrong", t->response[side] ? t->response[side] : "",
				       t->response[side] ? strlen(t->response[side]) : 0, 320);
	}
	page_table_end(p);
}

/* Of the first metric that has any, as many rows of each kind as asked. */
static enum status show_flips(struct page *p, const struct comparison *c, int most, struct error *err)
{
	struct flips f = { .c = c };
	enum status st = OK;

	if (!c->n_flips || !most)
		return OK;
	f.shown = mem_array((size_t)most * 2, sizeof(*f.shown));
	f.texts = mem_array((size_t)most * 2, sizeof(*f.texts));
	for (int right = 0, of_kind; right < 2; right++)
		for (int64_t i = of_kind = 0; i < c->n_flips && of_kind < most; i++) {
			const struct flip *x = &c->flips[i];

			if (x->metric != c->flips[0].metric || (c->a->values[x->a * c->a->n_metrics + x->metric] > 0) == right)
				continue;
			f.shown[f.n++] = x;
			of_kind++;
		}
	for (f.side = 0; f.side < 2 && st == OK; f.side++) {
		const struct samples *s = f.side ? c->b : c->a;
		bool *wanted = mem_array((size_t)s->n, sizeof(*wanted));

		for (int i = 0; i < f.n; i++)
			wanted[f.side ? f.shown[i]->b : f.shown[i]->a] = true;
		st = samples_texts(s, wanted, keep_text, &f, err);
		mem_free(wanted);
	}
	if (st == OK)
		flip_rows(p, &f);
	for (int i = 0; i < f.n; i++) {
		mem_free(f.texts[i].doc);
		mem_free(f.texts[i].target);
		mem_free(f.texts[i].response[0]);
		mem_free(f.texts[i].response[1]);
	}
	mem_free(f.shown);
	mem_free(f.texts);
	return st;
}

void page_number(struct page *p, double v, const char *format)
{
	if (isnan(v))
		page_cell(p, "n quiet", "\xe2\x80\x93");
	else if (!strcmp(format, "%.4f") && v > 0 && v < 0.00005)
		page_cell(p, "n", "%.1e", v);
	else if (format[1] == '+')
		page_cell(p, "n", fabs(v) < 1e6 ? "%s%.4f" : "%s%.3g", v < 0 ? "\xe2\x88\x92" : "+", fabs(v));
	else if (fabs(v) >= 1e6)
		page_cell(p, "n", "%.3g", v);
	else
		page_cell(p, "n", format, v);
}

void compared_table(struct page *p, const struct compared *found, int n)
{
	static const char *const heads[] = { "metric", "rows of", "rows", "a", "b", "b \xe2\x88\x92 a", "s.e.", "from", "to", "p", "only a", "only b" };

	page_table(p, NULL, 12);
	for (int i = 0; i < 12; i++)
		page_cell(p, i > 1 ? "n" : NULL, "%s", heads[i]);
	for (int i = 0; i < n; i++) {
		const struct compared *r = &found[i];
		const char *group = !r->group ? "all" : r->group[0] ? r->group : "(none)";

		page_cell(p, NULL, "%s%s%s", r->group ? "" : r->metric, r->group || !strcmp(r->filter, "none") ? "" : ", ",
			  r->group || !strcmp(r->filter, "none") ? "" : r->filter);
		page_cell_text(p, r->group ? "quiet" : NULL, group, strlen(group), 60);
		page_cell(p, "n", "%lld", (long long)r->rows);
		page_number(p, r->a, "%.4f");
		page_number(p, r->b, "%.4f");
		page_number(p, r->difference, "%+.4f");
		page_number(p, r->error, "%.4f");
		page_number(p, r->low, "%+.4f");
		page_number(p, r->high, "%+.4f");
		page_number(p, r->p, "%.4f");
		for (int side = 0; side < 2; side++)
			page_number(p, r->binary ? (double)(side ? r->only_b : r->only_a) : NAN, "%.0f");
	}
	page_table_end(p);
}

static const char *task_of(const struct evaluation *e)
{
	const struct json *results = json_get(e->root, "results");

	return results->len == 1 ? results->keys[0].str : NULL;
}

/* The evaluation of the same task before this one, of another model, that has samples; or NULL. */
static const struct evaluation *previous(const struct inputs *in, int i)
{
	const char *task = task_of(&in->evaluations[i]);

	for (int k = i - 1; k >= 0; k--)
		if (task && in->evaluations[k].has_samples && task_of(&in->evaluations[k]) && !strcmp(task, task_of(&in->evaluations[k])))
			return &in->evaluations[k];
	return NULL;
}

static void comparisons_begin(struct page *p)
{
	page_section(p, "comparisons", "Comparisons");
	page_text(p, "Paired by row. The difference with its standard error and the middle 95 percent of 1000 bootstrap resamples; p is how likely so "
		     "large a difference is if there is none: of metrics of zeros and ones by McNemar's exact test, of others by the paired bootstrap.");
}

static enum status compare_two(struct page *p, const struct evaluation *a, const struct evaluation *b, bool *begun, const struct section_options *o,
			       struct error *err)
{
	struct compare_options how = { .by = o->by, .samples = 1000, .test = PAIRED_BOOTSTRAP, .trials = 1000, .seed = o->seed };
	struct comparison *c;
	struct error why;
	enum status st = compare_open(&c, a->path, b->path, &how, &why);
	char *title = mem_printf("%s: %s (a) and %s (b)", task_of(a), a->model, b->model);

	if (!*begun)
		comparisons_begin(p);
	*begun = true;
	page_heading(p, title);
	mem_free(title);
	if (st != OK) {
		page_text(p, "Not compared: %s", why.text);
		return OK;
	}
	compared_table(p, c->found, c->n);
	st = show_flips(p, c, o->rows, err);
	compare_close(c);
	return st;
}

enum status section_comparisons(struct page *p, const struct inputs *in, const struct section_options *o, struct error *err)
{
	bool begun = false;

	for (int i = 0; i < in->n_evaluations; i++) {
		const struct evaluation *a = previous(in, i);

		if (a && in->evaluations[i].has_samples)
			TRY(compare_two(p, a, &in->evaluations[i], &begun, o, err));
	}
	return OK;
}
