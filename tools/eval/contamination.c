/* contamination.c - quern eval --check-contamination: which rows of evaluations stand in a corpus. */
#include "eval/eval.h"

#include "judge/contamination.h"

static struct contamination *ct;

static void append_run(struct builder *b, const struct contamination_task *t, int64_t row, const struct against_run *r, const char *text)
{
	const char *id, *corpus = contamination_corpus(ct, &r->in, &id);
	size_t n = r->bytes;

	while (n > 0 && (unsigned char)text[r->at + n - 1] <= ' ')    /* a run goes up to the next word */
		n--;

	column_str(builder_column(b, 0), t->samples->name);
	column_str(builder_column(b, 1), t->samples->rows[row].id);
	column_str(builder_column(b, 2), t->samples->filters.v[t->samples->rows[row].filter]);
	column_int(builder_column(b, 3), r->at);
	column_text(builder_column(b, 4), text + r->at, n);
	column_str(builder_column(b, 5), corpus);
	column_str(builder_column(b, 6), id);
	column_int(builder_column(b, 7), r->in.row);
	column_int(builder_column(b, 8), r->in.at);
	column_int(builder_column(b, 9), r->in.bytes);
}

/* Every run that is shared, with both its places. */
static enum status write_runs(struct tool *tool, const char *path, struct error *err)
{
	static const char *const specs[] = { "file: utf8", "id: utf8", "filter: utf8", "at: int64", "text: utf8", "corpus: utf8", "corpus_id: utf8",
					     "corpus_row: int64", "corpus_at: int64", "corpus_bytes: int64" };
	struct writer *w;
	enum status st = OK;

	TRY(eval_open_samples(tool, path, specs, sizeof(specs) / sizeof(*specs), &w, err));
	for (int i = 0; i < contamination_tasks(ct) && st == OK; i++) {
		const struct contamination_task *t = contamination_task(ct, i);

		for (int64_t row = 0; row < t->samples->n && st == OK; row++) {
			const struct against_run *runs;
			const char *text;
			int64_t n = contamination_runs(ct, i, row, &runs, &text);

			for (int64_t k = 0; k < n && st == OK; k++) {
				append_run(writer_builder(w), t, row, &runs[k], text);
				st = writer_row(w, err);
			}
		}
	}
	return eval_close_samples(w, st, err);
}

static enum status search(struct tool *tool, const char *corpus, struct error *err)
{
	struct provenance_input entry = { .name = NULL };
	enum status st = contamination_search(ct, corpus, &entry, err);

	if (st == OK)
		tool_add_input_entry(tool, &entry);
	provenance_input_release(&entry);
	return st;
}

enum status eval_contamination(struct tool *tool, const struct eval_options *o, struct buf *json, struct buf *table, struct error *err)
{
	struct buf chain = { 0 };
	int64_t rows = 0, hits = 0;

	if (!tool->files.n)
		return error_set(err, ERR_USAGE, "--check-contamination takes evaluations: which ones?");
	TRY(contamination_open(&ct, (int)o->overlap, tool->pool, err));
	for (int i = 0; i < tool->files.n; i++) {
		TRY(tool_add_input(tool, tool->files.items[i], err));
		TRY(contamination_add(ct, tool->files.items[i], err));
	}
	for (int i = 0; i < o->corpora.n; i++)
		TRY(search(tool, o->corpora.items[i], err));
	contamination_decide(ct);
	for (int i = 0; i < contamination_tasks(ct); i++) {
		rows += contamination_task(ct, i)->samples->n;
		hits += contamination_task(ct, i)->hits;
	}
	tool_count_in(tool, rows);
	tool_stat_int(tool, "contaminated", hits);
	if (o->samples)
		TRY(write_runs(tool, o->samples, err));
	provenance_print(&tool->prov, &chain);
	contamination_json(ct, chain.data, json);
	contamination_table(ct, table);
	buf_release(&chain);
	return OK;
}

void eval_contamination_release(void)
{
	contamination_close(ct);
}
