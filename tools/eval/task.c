/* task.c - quern eval --task FILE: a task as lm-evaluation-harness writes it down, on documents of the input. */
#include "eval/eval.h"

#include "judge/task_run.h"

#include <math.h>
#include <string.h>

#define SHOT_SEED 1234               /* the original's */

static struct {
	struct tool *tool;
	const struct eval_options *o;
	struct task *task;
	struct docs docs, shots;
	struct task_scores *scores;
	struct task_score *values;
	struct schema schema;        /* of the samples */
	struct writer *samples;
	struct buf list;
	struct likelihood_cache *cache;
} ev;

/* Rows of the input, up to the limit. The rest is read too: the input's hash is of all of it. */
static enum status read_docs(struct error *err)
{
	struct batch *b;
	enum status st;

	while ((st = tool_next(ev.tool, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && (!ev.o->limit || ev.docs.n < ev.o->limit); row++)
			docs_add(&ev.docs, b, row);
		batch_release(b);
	}
	if (st == END && !ev.docs.n)
		return error_set(err, ERR_DATA, "there are no documents");
	return st == END ? OK : st;
}

static enum status read_shots(struct error *err)
{
	const struct task *t = ev.task;
	struct reader_options plain = { .json_plain = true };
	struct reader *r;
	struct batch *b;
	enum status st;

	if (!t->shots || t->shot_samples)
		return OK;
	if (!ev.o->shot_data && !t->shots_from_docs)
		return error_set(err, ERR_USAGE, "the task takes its %lld examples from split '%s': name its file with --fewshot-data",
				 (long long)t->shots, t->shot_split);
	if (!ev.o->shot_data)
		return OK;
	TRY(tool_add_input(ev.tool, ev.o->shot_data, err));
	TRY(reader_open(&r, ev.o->shot_data, &plain, err));
	while ((st = reader_next(r, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows; row++)
			docs_add(&ev.shots, b, row);
		batch_release(b);
	}
	reader_close(r);
	return st == END ? OK : st;
}

static enum status open_samples(struct error *err)
{
	static const char *const specs[] = { "doc_id: int64", "doc: utf8", "target: utf8", "arguments: utf8", "resps: utf8",
					     "filtered_resps: utf8", "filter: utf8" };
	struct writer_options o = tool_writer_options(ev.tool);

	if (!ev.o->samples)
		return OK;
	for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++)
		schema_add_spec(&ev.schema, specs[i]);
	for (int m = 0; m < ev.task->n_metrics; m++) {
		char *spec = mem_printf("%s: float64?", ev.task->metrics[m].name);

		schema_add_spec(&ev.schema, spec);
		mem_free(spec);
	}
	return writer_open(&ev.samples, ev.o->samples, &ev.schema, KIND_OTHER, &ev.tool->prov, &o, err);
}

static enum status keep_sample(void *arg, const struct task_scores *s, const struct task_sample *x, struct error *err)
{
	struct builder *b;

	(void)arg;
	if (!ev.samples)
		return OK;
	b = writer_builder(ev.samples);
	column_int(builder_column(b, 0), x->doc);
	column_text(builder_column(b, 1), x->text, x->n);
	column_str(builder_column(b, 2), x->target);
	column_str(builder_column(b, 3), x->arguments);
	column_str(builder_column(b, 4), x->responses);
	column_str(builder_column(b, 5), x->filtered);
	column_str(builder_column(b, 6), ev.task->filters[x->filter].name);
	for (int m = 0; m < ev.task->n_metrics; m++) {
		double v = task_scores_last(s, x->filter, m);

		if (isnan(v))
			column_null(builder_column(b, 7 + m));
		else
			column_double(builder_column(b, 7 + m), v);
	}
	return writer_row(ev.samples, err);
}

static void tick(void *arg, int64_t done, int64_t all)
{
	(void)arg;
	progress_tick(ev.tool->progress, done, all, "documents", NULL);
}

static void fill_report(struct report *report, const struct task_totals *totals)
{
	const struct json *list = json_get(ev.task->config, "metric_list");
	int n = task_scores_report(ev.scores, ev.o->bootstrap < 0 ? 100000 : ev.o->bootstrap, &ev.values);

	report->task = ev.task->name;
	report->output_type = task_type_name(ev.task->type);
	report->effective = ev.docs.n;
	report->shots = ev.task->shots;
	report->version = ev.task->version;
	for (int i = 0; i < n; i++)
		report_add_filtered(report, ev.values[i].metric, ev.values[i].filter, ev.values[i].value, ev.values[i].error, ev.values[i].higher);
	if (list && list->type == JSON_ARRAY) {
		struct json_writer w = json_writer_open(&ev.list, 0);

		json_value(&w, list);
		report->metric_list = ev.list.data;
	}
	tool_stat_int(ev.tool, "requests", totals->requests);
	tool_stat_int(ev.tool, "tokens", totals->fed);
	if (totals->shared)
		tool_stat_int(ev.tool, "shared_tokens", totals->shared);
}

/* The cache of likelihoods: the user's, or this run's own beside the output. Part of what is asked are the hashes of the model's directories,
 * the first n_inputs of the provenance, how the weights are held, and which kernels compute. */
static enum status open_cache(const struct lm *lm, int n_inputs, struct error *err)
{
	const struct eval_options *o = ev.o;
	struct buf identity = { 0 };
	char *path;
	enum status st;

	if (!o->cache && !o->resume)
		return OK;
	if (ev.task->type != TASK_MULTIPLE_CHOICE && ev.task->type != TASK_LOGLIKELIHOOD)
		return error_set(err, ERR_USAGE, "--cache and --resume are for multiple_choice and loglikelihood, not for %s", task_type_name(ev.task->type));
	for (int i = 0; i < n_inputs; i++)
		buf_printf(&identity, "%s ", ev.tool->prov.inputs[i].xxh3);
	buf_printf(&identity, "%d %s", o->form.load, lm->model.k->name);
	path = o->cache ? mem_strdup(o->cache) : mem_printf("%s.journal", ev.tool->out_path);
	st = likelihood_cache_open(&ev.cache, path, identity.data, err);
	buf_release(&identity);
	mem_free(path);
	return st;
}

enum status eval_task(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err)
{
	struct task_run r = { .lm = lm, .shot_seed = SHOT_SEED, .context = o->context, .sample = keep_sample, .tick = tick,
			      .generate = { .slots = o->batch, .seed = (uint64_t)tool->seed } };
	struct task_totals totals;
	int n_inputs = tool->prov.n_inputs;  /* so far the model */

	ev.tool = tool;
	ev.o = o;
	TRY(tool_add_input(tool, o->task, err));
	TRY(task_load(&ev.task, o->task, err));
	if (o->shots >= 0)
		ev.task->shots = o->shots;
	TRY(read_docs(err));
	TRY(read_shots(err));
	TRY(task_bind(ev.task, tool_schema(tool), err));
	TRY(open_samples(err));
	TRY(open_cache(lm, n_inputs, err));
	task_scores_open(&ev.scores, ev.task);
	r.cache = ev.cache;
	r.task = ev.task;
	r.docs = &ev.docs;
	r.shots = ev.shots.n ? &ev.shots : &ev.docs;
	TRY(task_run(&r, ev.scores, &totals, err));
	if (ev.cache) {
		tool_stat_int(tool, "cached_requests", likelihood_cache_found(ev.cache));
		likelihood_cache_close(ev.cache, !o->cache);
		ev.cache = NULL;
	}
	fill_report(report, &totals);
	if (ev.samples) {
		struct writer *w = ev.samples;

		ev.samples = NULL;
		return writer_commit(w, err);
	}
	return OK;
}

void eval_task_release(void)
{
	writer_abort(ev.samples);
	schema_release(&ev.schema);
	docs_release(&ev.docs);
	docs_release(&ev.shots);
	task_scores_close(ev.scores);
	likelihood_cache_close(ev.cache, false);
	task_close(ev.task);
	mem_free(ev.values);
	buf_release(&ev.list);
}
