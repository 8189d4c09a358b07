/* contamination.c - see contamination.h. */
#include "judge/contamination.h"

#include <math.h>
#include <stdlib.h>

struct found_row {                   /* a row of a corpus that is the first place of some run */
	uint32_t file;
	int64_t row;
	char *id;
};

struct contamination {
	int words;
	struct pool *pool;
	struct against *against;
	struct schema schema;        /* of what is compared: a text */
	struct task {
		struct contamination_task t;
		struct builder *builder;
		struct batch *texts;
		struct against_facts *facts;
	} *tasks;
	int n_tasks, cap_tasks;
	struct corpus {
		char *name;
		int64_t rows;
	} *corpora;
	int n_corpora, cap_corpora;
	struct found_row *found;     /* ascending */
	int64_t n_found, cap_found;
};

enum status contamination_open(struct contamination **out, int words, struct pool *pool, struct error *err)
{
	struct contamination *c = mem_zalloc(sizeof(*c));
	const struct rowkeys_options keys = { .by = COMPARE_TEXT, .workers = pool_threads(pool) };
	enum status st = against_open(&c->against, &keys, words, 0, false, err);

	c->words = words;
	c->pool = pool;
	schema_add_spec(&c->schema, "text: large_utf8");
	if (st != OK) {
		contamination_close(c);
		c = NULL;
	}
	*out = c;
	return st;
}

void contamination_close(struct contamination *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->n_tasks; i++) {
		samples_close(c->tasks[i].t.samples);
		mem_free(c->tasks[i].t.hit);
		if (c->tasks[i].builder)
			builder_close(c->tasks[i].builder);
		batch_release(c->tasks[i].texts);
		against_facts_free(c->tasks[i].facts);
	}
	for (int i = 0; i < c->n_corpora; i++)
		mem_free(c->corpora[i].name);
	for (int64_t i = 0; i < c->n_found; i++)
		mem_free(c->found[i].id);
	against_close(c->against);
	schema_release(&c->schema);
	mem_free(c->tasks);
	mem_free(c->corpora);
	mem_free(c->found);
	mem_free(c);
}

/* --- the evaluations -------------------------------------------------------------------------------------------- */

static enum status keep_text(void *arg, const struct sample_texts *t, struct error *err)
{
	struct builder *b = arg;
	struct buf text = { 0 };

	(void)err;
	/* a record separator parts them, as compare.h's columns */
	buf_add(&text, t->doc.data ? t->doc.data : "", t->doc.len);
	buf_char(&text, 0x1e);
	buf_add(&text, t->target.data ? t->target.data : "", t->target.len);
	column_text(builder_column(b, 0), text.data, text.len);
	buf_release(&text);
	return OK;
}

enum status contamination_add(struct contamination *c, const char *path, struct error *err)
{
	struct task *t;
	bool *all;
	enum status st;

	MEM_PUSH_ROOM(c->tasks, c->n_tasks, c->cap_tasks);
	t = &c->tasks[c->n_tasks++];
	*t = (struct task){ 0 };
	TRY(samples_open(&t->t.samples, path, NULL, err));
	t->t.hit = mem_array((size_t)t->t.samples->n, sizeof(*t->t.hit));
	t->builder = builder_open(&c->schema);
	all = mem_array((size_t)t->t.samples->n, sizeof(*all));
	memset(all, true, (size_t)t->t.samples->n * sizeof(*all));
	st = samples_texts(t->t.samples, all, keep_text, t->builder, err);
	mem_free(all);
	TRY(st);
	t->texts = builder_finish(t->builder);
	return against_enter(c->against, t->texts, &t->facts, err);
}

/* --- the corpus ----------------------------------------------------------------------------------------------------- */

struct search {
	struct contamination *c;
	uint32_t file;               /* of the corpora */
};

static enum status mark_rows(void *arg, struct batch *b, struct against_facts *f, struct error *err)
{
	struct search *s = arg;
	struct contamination *c = s->c;
	int64_t *rows = &c->corpora[s->file].rows;

	for (int64_t i = 0; i < b->rows; i++, ++*rows) {
		struct buf id = { 0 };
		bool first;

		TRY(against_mark(c->against, f, i, s->file, *rows, &first, err));
		if (!first)
			continue;
		compare_id(b, i, *rows, &id);
		MEM_PUSH_ROOM(c->found, c->n_found, c->cap_found);
		c->found[c->n_found++] = (struct found_row){ s->file, *rows, buf_detach(&id) };
	}
	return OK;
}

enum status contamination_search(struct contamination *c, const char *path, struct provenance_input *entry, struct error *err)
{
	struct search s = { c, (uint32_t)c->n_corpora };

	MEM_PUSH_ROOM(c->corpora, c->n_corpora, c->cap_corpora);
	c->corpora[c->n_corpora++] = (struct corpus){ .name = mem_strdup(path) };
	return against_scan(c->against, path, c->pool, mark_rows, &s, entry, err);
}

void contamination_decide(struct contamination *c)
{
	const struct against_run *runs;

	for (int i = 0; i < c->n_tasks; i++) {
		struct task *t = &c->tasks[i];

		for (int64_t row = 0; row < t->t.samples->n; row++) {
			t->t.hit[row] = against_seen(c->against, t->facts, row, &runs) > 0;
			t->t.hits += t->t.hit[row];
			t->t.too_short += !against_is_long(t->facts, row);
		}
	}
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

int contamination_tasks(const struct contamination *c) { return c->n_tasks; }

const struct contamination_task *contamination_task(const struct contamination *c, int i) { return &c->tasks[i].t; }

int64_t contamination_runs(const struct contamination *c, int task, int64_t row, const struct against_run **runs, const char **text)
{
	const struct task *t = &c->tasks[task];
	size_t n;

	*text = array_text(&t->texts->columns[0], row, &n);
	return against_seen(c->against, t->facts, row, runs);
}

static int by_place(const void *a, const void *b)
{
	const struct found_row *x = a, *y = b;

	return x->file != y->file ? (x->file < y->file ? -1 : 1) : x->row < y->row ? -1 : x->row > y->row;
}

const char *contamination_corpus(const struct contamination *c, const struct against_place *p, const char **id)
{
	const struct found_row key = { p->file, p->row, NULL };
	const struct found_row *at = bsearch(&key, c->found, (size_t)c->n_found, sizeof(key), by_place);

	*id = at ? at->id : "";
	return c->corpora[p->file].name;
}

void contamination_metric(const struct contamination_task *t, int metric, int filter, struct stats of[3])
{
	const struct samples *s = t->samples;

	memset(of, 0, 3 * sizeof(*of));
	for (int64_t i = 0; i < s->n; i++) {
		double v = s->values[i * s->n_metrics + metric];

		if (s->rows[i].filter != filter || isnan(v))
			continue;
		stats_add(&of[0], v);
		stats_add(&of[t->hit[i] ? 2 : 1], v);
	}
}

/* --- telling ------------------------------------------------------------------------------------------------------------ */

static double mean_of(const struct stats *s) { return s->n ? s->mean : NAN; }

/* Of independent means: clean rows are not contaminated ones. */
static double error_between(const struct stats of[3])
{
	double a = stats_stderr(&of[1]), b = stats_stderr(&of[2]);

	return sqrt(a * a + b * b);
}

static void part_json(struct json_writer *w, const char *key, const struct stats *s)
{
	json_key(w, key);
	json_begin_object(w);
	json_kv_int(w, "rows", s->n);
	json_kv_double(w, "value", mean_of(s));
	json_kv_double(w, "stderr", stats_stderr(s));
	json_end_object(w);
}

static void task_json(struct json_writer *w, const struct contamination_task *t)
{
	const struct samples *s = t->samples;
	struct stats of[3];

	json_begin_object(w);
	json_kv_string(w, "file", s->name);
	if (s->task)
		json_kv_string(w, "task", s->task);
	json_kv_int(w, "rows", s->n);
	json_kv_int(w, "contaminated", t->hits);
	json_kv_double(w, "share", (double)t->hits / (double)s->n);
	json_kv_int(w, "too_short", t->too_short);
	json_key(w, "metrics");
	json_begin_array(w);
	for (int m = 0; m < s->n_metrics; m++)
		for (int f = 0; f < s->filters.n; f++) {
			contamination_metric(t, m, f, of);
			if (!of[0].n)
				continue;
			json_begin_object(w);
			json_kv_string(w, "metric", s->metrics[m].name);
			json_kv_string(w, "filter", s->filters.v[f]);
			part_json(w, "all", &of[0]);
			part_json(w, "clean", &of[1]);
			part_json(w, "contaminated", &of[2]);
			json_kv_double(w, "difference", mean_of(&of[2]) - mean_of(&of[1]));
			json_kv_double(w, "difference_stderr", error_between(of));
			json_end_object(w);
		}
	json_end_array(w);
	json_end_object(w);
}

void contamination_json(const struct contamination *c, const char *provenance, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);

	json_begin_object(&w);
	json_key(&w, "contamination");
	json_begin_object(&w);
	json_kv_int(&w, "words", c->words);
	json_key(&w, "corpora");
	json_begin_array(&w);
	for (int i = 0; i < c->n_corpora; i++) {
		json_begin_object(&w);
		json_kv_string(&w, "file", c->corpora[i].name);
		json_kv_int(&w, "rows", c->corpora[i].rows);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_key(&w, "tasks");
	json_begin_array(&w);
	for (int i = 0; i < c->n_tasks; i++)
		task_json(&w, &c->tasks[i].t);
	json_end_array(&w);
	json_end_object(&w);
	if (provenance) {
		json_key(&w, "provenance");
		json_raw(&w, provenance, strlen(provenance));
	}
	json_end_object(&w);
	buf_char(out, '\n');
}

static void value(struct buf *out, double v, const char *format)
{
	if (isnan(v))
		buf_str(out, "     N/A|");
	else
		buf_printf(out, format, v);
}

void contamination_table(const struct contamination *c, struct buf *out)
{
	for (int i = 0; i < c->n_tasks; i++) {
		const struct contamination_task *t = &c->tasks[i].t;
		const struct samples *s = t->samples;
		struct stats of[3];

		buf_printf(out, "%s: %lld of %lld rows (%.2f %%) share %d words with the corpus; %lld are too short to\n", s->name, (long long)t->hits,
			   (long long)s->n, 100 * (double)t->hits / (double)s->n, c->words, (long long)t->too_short);
		buf_str(out, "|Metric            |Filter|   All  |  Clean | Stderr |Contam. | Stderr |  C - C | Stderr |\n");
		buf_str(out, "|------------------|------|-------:|-------:|-------:|-------:|-------:|-------:|-------:|\n");
		for (int m = 0; m < s->n_metrics; m++)
			for (int f = 0; f < s->filters.n; f++) {
				contamination_metric(t, m, f, of);
				if (!of[0].n)
					continue;
				buf_printf(out, "|%-18.60s|%-6.40s|", s->metrics[m].name, s->filters.v[f]);
				value(out, mean_of(&of[0]), "%8.4f|");
				for (int part = 1; part < 3; part++) {
					value(out, mean_of(&of[part]), "%8.4f|");
					value(out, stats_stderr(&of[part]), "%8.4f|");
				}
				value(out, mean_of(&of[2]) - mean_of(&of[1]), "%+8.4f|");
				value(out, error_between(of), "%8.4f|");
				buf_char(out, '\n');
			}
	}
}
