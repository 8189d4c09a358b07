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
} tx;

static enum status measure_stream(struct error *err)
{
	struct metric_columns columns = { tx.o->prediction, tx.o->baseline, tx.o->reference, tx.set.n > 0 };
	struct batch *b;
	enum status st;
	TRY(metric_columns_check(&columns, tool_schema(tx.tool), err));
	while ((st = tool_next(tx.tool, &b, err)) == OK) {
		metric_rows_read(&tx.rows, b, &columns);
		st = metric_set_add(&tx.set, tx.tool->pool, tx.rows.v, tx.rows.n, err);
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
	TRY(tx.o->hypotheses ? measure_files(err) : measure_stream(err));
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
