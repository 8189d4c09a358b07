/* text.c - quern eval --task text: predictions and references, of any rows or of plain files line by line. */
#include "eval/eval.h"

#include "judge/metric_rows.h"

#include <math.h>
#include <string.h>

static struct {
	struct tool *tool;
	const struct eval_options *o;
	struct report *report;
	struct metric_set set;
	struct metric_rows rows;
	struct metric_files files;
	struct buf list, notes;
	struct writer *samples;
	int source;                  /* column of the input, and of the samples behind the others; -1: there is none */
	int64_t read;                /* rows before this batch */
} tx;

/* --- samples --------------------------------------------------------------------------------------------- */

#define SAMPLE_COLUMNS 4

/* Rows as of a task, so that they can be compared: a metric that is a mean has its values, the others what they are summed from. */
static enum status open_samples(struct error *err)
{
	char *specs[SAMPLE_COLUMNS + 1 + SET_METRICS * METRIC_VALUES] = { "doc_id: int64", "target: utf8", "filtered_resps: utf8", "filter: utf8" };
	size_t n = SAMPLE_COLUMNS;

	if (!tx.o->samples)
		return OK;
	if (!tx.set.n)
		return error_set(err, ERR_USAGE, "--samples of --task text keeps metrics of rows, and none is asked for");
	tx.source = tx.o->hypotheses ? -1 : schema_find(tool_schema(tx.tool), "source");
	if (tx.source >= 0 && !field_is_text(&tool_schema(tx.tool)->fields[tx.source]))
		tx.source = -1;
	if (tx.source >= 0)
		specs[n++] = "source: utf8?";
	size_t first = n;
	for (int i = 0; i < tx.set.n; i++)
		for (int k = 0; k < tx.set.metric[i]->n_values; k++)
			specs[n++] = mem_printf("%s: %s", tx.set.metric[i]->values[k].name, tx.set.metric[i]->corpus ? "list<float64>" : "float64");
	enum status st = eval_open_samples(tx.tool, tx.o->samples, (const char *const *)specs, n, &tx.samples, err);
	while (n > first)
		mem_free(specs[--n]);
	return st;
}

/* One text as it is, several as a list of JSON. */
static void append_references(struct column *c, const struct metric_row *row)
{
	struct buf b = { 0 };
	struct json_writer w = json_writer_open(&b, 0);

	if (row->n_references == 1) {
		column_text(c, row->references[0].s, row->references[0].n);
		return;
	}
	json_begin_array(&w);
	for (int i = 0; i < row->n_references; i++)
		json_string_n(&w, row->references[i].s, row->references[i].n);
	json_end_array(&w);
	column_text(c, b.data, b.len);
	buf_release(&b);
}

static enum status keep_sample(int64_t i, const struct batch *b, struct error *err)
{
	const struct metric_row *row = &tx.rows.v[i];
	const double *numbers = metric_set_numbers(&tx.set, i);
	struct builder *to = writer_builder(tx.samples);
	int at = SAMPLE_COLUMNS;

	column_int(builder_column(to, 0), tx.read + i);
	append_references(builder_column(to, 1), row);
	column_text(builder_column(to, 2), row->prediction.s, row->prediction.n);
	column_str(builder_column(to, 3), "none");
	if (tx.source >= 0)
		column_copy(builder_column(to, at++), &b->columns[tx.source], i);
	for (int m = 0; m < tx.set.n; numbers += tx.set.metric[m++]->n_stats)
		for (int k = 0; k < tx.set.metric[m]->n_values; k++) {
			struct column *c = builder_column(to, at++);

			if (!tx.set.metric[m]->corpus) {
				column_double(c, numbers[k]);
				continue;
			}
			for (int j = 0; j < tx.set.metric[m]->n_stats; j++)
				column_double(column_child(c, 0), numbers[j]);
			column_end_list(c);
		}
	return writer_row(tx.samples, err);
}

/* b: where the rows come from, NULL: files. */
static enum status keep_samples(const struct batch *b, struct error *err)
{
	for (int64_t i = 0; tx.samples && i < tx.rows.n; i++)
		if (!tx.rows.v[i].refused)
			TRY(keep_sample(i, b, err));
	tx.read += tx.rows.n;
	return OK;
}

/* --- measuring ------------------------------------------------------------------------------------------ */

static enum status measure_stream(struct error *err)
{
	struct metric_columns columns = { tx.o->prediction, tx.o->baseline, tx.o->reference, tx.set.n > 0 };
	struct batch *b;
	enum status st;
	TRY(metric_columns_check(&columns, tool_schema(tx.tool), err));
	while ((st = tool_next(tx.tool, &b, err)) == OK) {
		metric_rows_read(&tx.rows, b, &columns);
		st = metric_set_add(&tx.set, tx.tool->pool, tx.rows.v, tx.rows.n, err);
		if (st == OK)
			st = keep_samples(b, err);
		for (int64_t i = 0; i < b->rows && st == OK; i++)
			if (tx.rows.v[i].refused)
				st = tool_reject(tx.tool, b, i, tx.rows.v[i].refused, err);
		batch_release(b);
		TRY(st);
	}
	return st == END ? OK : st;
}

static enum status open_text_files(struct error *err)
{
	struct opt_list paths = { 0 };
	MEM_PUSH_ROOM(paths.items, paths.n, paths.cap);
	paths.items[paths.n++] = tx.o->hypotheses;
	for (int i = -(tx.o->baseline != NULL); i < tx.o->references.n; i++) {
		MEM_PUSH_ROOM(paths.items, paths.n, paths.cap);
		paths.items[paths.n++] = i < 0 ? tx.o->baseline : tx.o->references.items[i];
	}
	enum status st = metric_files_open(&tx.files, paths.items, paths.n, tx.o->baseline != NULL, err);
	for (int i = 0; i < paths.n && st == OK; i++) {
		struct provenance_input entry = { .name = (char *)paths.items[i], .rows = -1 };
		memcpy(entry.xxh3, tx.files.files[i].xxh3, sizeof(entry.xxh3));
		tool_add_input_entry(tx.tool, &entry);
	}
	mem_free(paths.items);
	return st;
}

static enum status measure_files(struct error *err)
{
	enum status st;
	TRY(open_text_files(err));
	while ((st = metric_rows_lines(&tx.rows, &tx.files, err)) == OK) {
		tool_count_in(tx.tool, tx.rows.n);
		TRY(metric_set_add(&tx.set, tx.tool->pool, tx.rows.v, tx.rows.n, err));
		TRY(keep_samples(NULL, err));
		for (int64_t i = 0; i < tx.rows.n; i++) {
			const struct metric_row *row = &tx.rows.v[i];
			if (row->refused)
				TRY(tool_reject_text(tx.tool, "", row->prediction.s, row->prediction.n, row->refused, err));
		}
	}
	return st == END ? OK : st;
}

enum status eval_text(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err)
{
	int64_t samples = o->bootstrap < 0 ? 0 : o->bootstrap;
	int64_t trials = !o->baseline ? 0 : o->trials ? o->trials : o->test == PAIRED_BOOTSTRAP ? 1000 : 10000;

	(void)lm;
	tx.tool = tool;
	tx.o = o;
	tx.report = report;
	tx.set.options = tx.o->text;
	tx.set.paired = tx.o->baseline != NULL;
	tx.set.keep = tx.set.paired || samples > 0;
	TRY(metric_set_parse(&tx.set, tx.o->metrics ? tx.o->metrics : "bleu,chrf,ter", err));
	if (tx.o->hypotheses && tx.set.n && !tx.o->references.n)
		return error_set(err, ERR_USAGE, "--references is needed: what should the lines have been?");
	TRY(open_samples(err));
	enum status st = tx.o->hypotheses ? measure_files(err) : measure_stream(err);
	if (tx.samples)
		st = eval_close_samples(tx.samples, st, err);
	TRY(st);
	tx.report->task = "text";
	tx.report->output_type = "generate_until";
	tx.report->effective = tx.set.rows;
	TRY(metric_set_report(&tx.set, samples, tx.o->test, trials, (uint64_t)tx.tool->seed, tx.report, &tx.list, &tx.notes, err));
	tx.report->metric_list = tx.list.data;
	tx.report->notes = tx.notes.data;
	return OK;
}

void eval_text_release(void)
{
	metric_set_release(&tx.set);
	metric_rows_release(&tx.rows);
	metric_files_release(&tx.files);
	buf_release(&tx.list);
	buf_release(&tx.notes);
}
