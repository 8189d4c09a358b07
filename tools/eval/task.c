/* task.c - quern eval --task FILE: a task as lm-evaluation-harness writes it down, on documents of the input. */
#include "eval/eval.h"

#include "base/file.h"
#include "judge/task_run.h"


#include <dirent.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	struct code *code;
	int64_t documents;
	struct buf list, outcomes, notes;
} ev;

/* --- which task ----------------------------------------------------------------------------------------- */

/* Where tasks are: beside an installed program, or in the source that it was built from. */
static const char *const task_dirs[] = { "../../share/quern/tasks", "../../pipelines/tasks" };

static char *beside_program(const char *path)
{
	char program[4096];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[n > 0 ? n : 0] = 0;
	return mem_printf("%s/%s", n > 0 ? dirname(program) : ".", path);
}

/* "aime24, gsm8k": the tasks in a folder, by name. */
static void list_tasks(const char *dir, struct buf *out)
{
	struct dirent **found;
	int n = scandir(dir, &found, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		size_t len = strlen(found[i]->d_name);

		if (len > 5 && found[i]->d_name[0] != '_' && !strcmp(found[i]->d_name + len - 5, ".yaml"))
			buf_printf(out, "%s%.*s", out->len ? ", " : "", (int)len - 5, found[i]->d_name);
		free(found[i]);
	}
	if (n >= 0)
		free(found);
}

enum status eval_task_find(const char *name, char **path, struct error *err)
{
	struct buf tasks = { 0 };
	enum status st;

	*path = NULL;
	if (path_exists(name) && !path_is_dir(name))
		*path = strdup(name);
	for (int i = 0; i < 2 && !*path; i++) {
		char *dir = beside_program(task_dirs[i]), *file = mem_printf("%s/%s.yaml", dir, name);

		if (!strchr(name, '/') && path_exists(file)) {
			*path = realpath(file, NULL);
		} else if (!tasks.len) {
			list_tasks(dir, &tasks);
		}
		mem_free(dir);
		mem_free(file);
	}
	st = *path ? OK : error_set(err, ERR_USAGE, "--task %s: neither exact-match, perplexity or text, nor a file, nor one of the tasks %s", name,
				    tasks.len ? tasks.data : "(none is installed)");
	buf_release(&tasks);
	return st;
}

/* --- documents ------------------------------------------------------------------------------------------ */

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
	if (ev.task->type == TASK_GENERATE)
		schema_add_spec(&ev.schema, "outcomes: utf8");
	for (int m = 0; m < ev.task->n_metrics; m++) {
		int n;
		(void)task_scores_item(ev.scores, 0, m, &n);
		char *spec = mem_printf(n > 1 ? "%s: list<float64>?" : "%s: float64?", ev.task->metrics[m].name);

		schema_add_spec(&ev.schema, spec);
		mem_free(spec);
	}
	return writer_open(&ev.samples, ev.o->samples, &ev.schema, KIND_OTHER, &ev.tool->prov, &o, err);
}

static enum status keep_sample(void *arg, const struct task_scores *s, const struct task_sample *x, struct error *err)
{
	struct builder *b;
	int at = 7;

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
	if (x->outcomes)
		column_str(builder_column(b, at++), x->outcomes);
	for (int m = 0; m < ev.task->n_metrics; m++, at++) {
		int n;
		const double *v = task_scores_item(s, x->filter, m, &n);
		struct column *c = builder_column(b, at);

		if (!v || (n == 1 && isnan(*v))) {
			column_null(c);
			continue;
		}
		for (int i = 0; i < n; i++)
			column_double(n > 1 ? column_child(c, 0) : c, v[i]);
		if (n > 1)
			column_end_list(c);
	}
	return writer_row(ev.samples, err);
}

static void tick(void *arg, int64_t done, int64_t all)
{
	(void)arg;
	progress_tick(ev.tool->progress, done, all, "documents", NULL);
}

void eval_list_outcomes(struct json_writer *w, struct buf *notes, const char *filter, bool named, const int64_t n[OUTCOMES])
{
	json_key(w, filter);
	json_begin_object(w);
	buf_printf(notes, "%s%sresponses:", named ? filter : "", named ? ": " : "");
	for (int o = 0; o < OUTCOMES; o++) {
		json_kv_int(w, outcome_name((enum outcome)o), n[o]);
		buf_printf(notes, "%s %lld %s", o ? "," : "", (long long)n[o], outcome_name((enum outcome)o));
	}
	buf_char(notes, '\n');
	json_end_object(w);
}

static void count_outcomes(struct report *report)
{
	struct json_writer w = json_writer_open(&ev.outcomes, 0);

	if (ev.task->type != TASK_GENERATE)
		return;
	json_begin_object(&w);
	for (int f = 0; f < ev.task->n_filters; f++)
		eval_list_outcomes(&w, &ev.notes, ev.task->filters[f].name, ev.task->n_filters > 1, task_scores_outcomes(ev.scores, f));
	json_end_object(&w);
	report->outcomes = ev.outcomes.data;
	report->notes = ev.notes.data;
}

static void fill_report(struct report *report, const struct task_totals *totals)
{
	const struct json *list = json_get(ev.task->config, "metric_list");
	int n = task_scores_report(ev.scores, ev.o->bootstrap < 0 ? 100000 : ev.o->bootstrap, &ev.values);

	report->task = ev.task->name;
	report->output_type = task_type_name(ev.task->type);
	report->effective = ev.documents;
	report->shots = ev.task->shots;
	report->version = ev.task->version;
	for (int i = 0; i < n; i++)
		report_add_filtered(report, ev.values[i].metric, ev.values[i].filter, ev.values[i].value, ev.values[i].error, ev.values[i].higher);
	count_outcomes(report);
	if (list && list->type == JSON_ARRAY) {
		struct json_writer w = json_writer_open(&ev.list, 0);

		json_value(&w, list);
		report->metric_list = ev.list.data;
	}
	if (totals->requests) {
		tool_stat_int(ev.tool, "requests", totals->requests);
		tool_stat_int(ev.tool, "tokens", totals->fed);
	}
	if (totals->shared)
		tool_stat_int(ev.tool, "shared_tokens", totals->shared);
}

/* The task as the file and the options have it. */
static enum status load_task(bool model, struct error *err)
{
	const struct eval_options *o = ev.o;

	TRY(tool_add_input(ev.tool, o->task_path, err));
	TRY(task_load(&ev.task, o->task_path, err));
	if (!model && ev.task->type != TASK_GENERATE)
		return error_set(err, ERR_USAGE, "-m is needed: a %s task measures a model", task_type_name(ev.task->type));
	if (!model && (o->flags.repeats || o->flags.chat || o->shots >= 0 || o->shot_data))
		return error_set(err, ERR_USAGE, "--repeats, --apply-chat-template, --num-fewshot and --fewshot-data are for -m");
	if (o->metrics)
		TRY(task_set_metrics(ev.task, o->metrics, err));
	if (o->flags.repeats)
		ev.task->repeats = o->flags.repeats;
	if (o->shots >= 0)
		ev.task->shots = o->shots;
	if (!model)
		ev.task->shots = 0;
	return OK;
}

static enum status open_code(struct error *err)
{
	if (ev.task->grader != GRADE_CODE)
		return OK;
	if (!ev.o->flags.code)
		return error_set(err, ERR_USAGE, "the task runs what the model wrote: --code allows it");
	TRY(code_open(&ev.code, &ev.o->flags.run, err));
	task_scores_set_code(ev.scores, ev.code, ev.tool->pool);
	return OK;
}

/* Responses that end with the context, not where the task ends them, are worth a word. */
static void warn_of_context(const struct lm *lm)
{
	const struct json *k = json_get(ev.task->config, "generation_kwargs");
	int64_t wanted = json_get_int(k, "max_new_tokens", json_get_int(k, "max_gen_toks", 0));
	int64_t context = ev.o->context ? ev.o->context : generate_context(&lm->model);

	if (wanted >= context)
		tool_warn(ev.tool, "the task allows responses of %lld tokens, the context is %lld: longer ones are cut (--context)",
			  (long long)wanted, (long long)context);
}

/* n_inputs: of the provenance, those that are the model. */
static enum status ask_model(struct lm *lm, int n_inputs, struct task_totals *totals, struct error *err)
{
	const struct eval_options *o = ev.o;
	struct task_run r = { .lm = lm, .shot_seed = SHOT_SEED, .context = o->context, .sample = keep_sample, .tick = tick,
			      .chat = o->flags.chat, .one_turn = o->flags.shots_as == SHOTS_TEXT, .generate = { .slots = o->batch, .seed = (uint64_t)ev.tool->seed } };

	if (o->cache && ev.task->type == TASK_GENERATE)
		return error_set(err, ERR_USAGE, "--cache is for log-probabilities; a generate_until task has none");
	if (r.chat && ev.task->type == TASK_ROLLING)
		return error_set(err, ERR_USAGE, "--apply-chat-template is for questions; a task of loglikelihood_rolling has none");
	if (r.one_turn && !r.chat)
		return error_set(err, ERR_USAGE, "--fewshot-as text is for --apply-chat-template");
	TRY(read_docs(err));
	TRY(read_shots(err));
	TRY(task_bind(ev.task, tool_schema(ev.tool), err));
	warn_of_context(lm);
	r.task = ev.task;
	r.docs = &ev.docs;
	r.shots = ev.shots.n ? &ev.shots : &ev.docs;
	ev.documents = ev.docs.n;
	TRY(ev.task->type == TASK_GENERATE ? eval_keep_answers(ev.tool, o, &r.journal, err) :
	    eval_keep_likelihoods(ev.tool, o, lm, n_inputs, &r.cache, err));
	return task_run(&r, ev.scores, totals, err);
}

static enum status read_responses(struct error *err)
{
	struct task_judge *judge;
	enum status st;

	TRY(task_judge_open(&judge, ev.task, ev.scores, keep_sample, NULL, err));
	st = eval_completions(ev.tool, ev.task, ev.o->prediction, ev.o->limit, judge, &ev.documents, err);
	task_judge_close(judge);
	return st;
}

enum status eval_task(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err)
{
	struct task_totals totals = { 0 };
	int n_inputs = tool->prov.n_inputs;

	ev.tool = tool;
	ev.o = o;
	TRY(load_task(lm != NULL, err));
	task_scores_open(&ev.scores, ev.task);
	TRY(open_samples(err));
	TRY(open_code(err));
	TRY(lm ? ask_model(lm, n_inputs, &totals, err) : read_responses(err));
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
	task_close(ev.task);
	code_close(ev.code);
	mem_free(ev.values);
	buf_release(&ev.list);
	buf_release(&ev.outcomes);
	buf_release(&ev.notes);
}
