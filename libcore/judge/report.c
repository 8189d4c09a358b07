#include "judge/report.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TASK_VERSION 1

void report_add(struct report *r, const char *name, double value, double error, bool higher)
{
	report_add_filtered(r, name, "none", value, error, higher);
}

void report_add_filtered(struct report *r, const char *name, const char *filter, double value, double error, bool higher)
{
	if (r->n == REPORT_METRICS)
		return;
	r->metrics[r->n].name = name;
	r->metrics[r->n].filter = filter;
	r->metrics[r->n].value = value;
	r->metrics[r->n].error = error;
	r->metrics[r->n++].higher = higher;
}

/* "name,filter" and "name_stderr,filter": none is the harness's word for no answer filter. */
static void metric_json(struct json_writer *w, const char *name, const char *suffix, const char *filter, double v)
{
	char *key = mem_printf("%s%s,%s", name, suffix, filter);
	json_key(w, key);
	mem_free(key);
	if (isnan(v) && suffix[0])
		json_string(w, "N/A");
	else
		json_double(w, v);
}

static void results_json(const struct report *r, struct json_writer *w)
{
	json_key(w, "results");
	json_begin_object(w);
	json_key(w, r->task);
	json_begin_object(w);
	json_kv_string(w, "alias", r->task);
	for (int i = 0; i < r->n; i++) {
		metric_json(w, r->metrics[i].name, "", r->metrics[i].filter, r->metrics[i].value);
		metric_json(w, r->metrics[i].name, "_stderr", r->metrics[i].filter, r->metrics[i].error);
	}
	json_kv_int(w, "sample_len", r->effective);
	json_end_object(w);
	json_end_object(w);
}

static void task_int(struct json_writer *w, const char *member, const char *task, int64_t v)
{
	json_key(w, member);
	json_begin_object(w);
	json_kv_int(w, task, v);
	json_end_object(w);
}

static void task_members_json(const struct report *r, struct json_writer *w)
{
	json_key(w, "configs");
	json_begin_object(w);
	json_key(w, r->task);
	json_begin_object(w);
	json_kv_string(w, "task", r->task);
	json_kv_string(w, "output_type", r->output_type);
	if (r->settings) {
		json_key(w, "generation_kwargs");
		json_raw(w, r->settings, strlen(r->settings));
	}
	if (r->metric_list) {
		json_key(w, "metric_list");
		json_raw(w, r->metric_list, strlen(r->metric_list));
	}
	json_end_object(w);
	json_end_object(w);
	json_key(w, "versions");
	json_begin_object(w);
	json_kv_double(w, r->task, r->version > 0 ? r->version : TASK_VERSION);
	json_end_object(w);
	task_int(w, "n-shot", r->task, r->shots);
	json_key(w, "higher_is_better");
	json_begin_object(w);
	json_key(w, r->task);
	json_begin_object(w);
	for (int i = 0; i < r->n; i++)       /* once for all filters */
		if (!strcmp(r->metrics[i].filter, r->metrics[0].filter))
			json_kv_bool(w, r->metrics[i].name, r->metrics[i].higher);
	json_end_object(w);
	json_end_object(w);
	json_key(w, "n-samples");
	json_begin_object(w);
	json_key(w, r->task);
	json_begin_object(w);
	json_kv_int(w, "original", r->original);
	json_kv_int(w, "effective", r->effective);
	json_end_object(w);
	json_end_object(w);
	if (r->outcomes) {
		json_key(w, "n-responses");
		json_begin_object(w);
		json_key(w, r->task);
		json_raw(w, r->outcomes, strlen(r->outcomes));
		json_end_object(w);
	}
}

static void samples_json(const struct report *r, struct json_writer *w)
{
	json_key(w, "samples");
	json_begin_object(w);
	json_kv_string(w, r->task, r->samples);
	json_end_object(w);
}

void report_json(const struct report *r, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 2);
	json_begin_object(&w);
	results_json(r, &w);
	task_members_json(r, &w);
	if (r->samples)
		samples_json(r, &w);
	json_key(&w, "config");
	json_begin_object(&w);
	json_kv_string(&w, "model", r->model ? "quern" : "none");
	char *args = r->model ? mem_printf("pretrained=%s", r->model) : mem_strdup("");
	json_kv_string(&w, "model_args", args);
	mem_free(args);
	json_kv_int(&w, "random_seed", r->seed);
	json_end_object(&w);
	if (r->provenance) {
		json_key(&w, "provenance");
		json_raw(&w, r->provenance, strlen(r->provenance));
	}
	json_end_object(&w);
	buf_char(out, '\n');
}

void report_table(const struct report *r, struct buf *out)
{
	buf_str(out, "|   Tasks   |Version|Filter|n-shot|      Metric      |   |  Value  |   |Stderr|\n");
	buf_str(out, "|-----------|------:|------|-----:|------------------|---|--------:|---|-----:|\n");
	for (int i = 0; i < r->n; i++) {
		bool has_error = !isnan(r->metrics[i].error);
		char version[32];

		snprintf(version, sizeof(version), "%g", r->version > 0 ? r->version : TASK_VERSION);
		buf_printf(out, "|%-11s|%7s|%-6s|%6lld|%-18s|%s|", i ? "" : r->task, i ? "" : version, r->metrics[i].filter,
			   (long long)r->shots, r->metrics[i].name, r->metrics[i].higher ? "↑  " : "↓  ");
		if (isnan(r->metrics[i].value))
			buf_printf(out, "%9s|±  |", "N/A");
		else
			buf_printf(out, "%9.4f|±  |", r->metrics[i].value);
		if (has_error)
			buf_printf(out, "%6.4f|\n", r->metrics[i].error);
		else
			buf_str(out, "   N/A|\n");
	}
	if (r->notes)
		buf_str(out, r->notes);
}
