/* output.c - the main output, the rejects, and the loop of row-wise tools; see tool.h. */
#include "common/private.h"

struct writer_options tool_writer_options(const struct tool *t)
{
	static const int level_of[3] = {-1, 1, 0}; /* auto, always, never */
	struct writer_options o = {.format = (enum stream_format)t->format, .pool = t->pool};
	o.zstd_level = level_of[t->compress] == 1 ? (int)t->level : level_of[t->compress];
	if (t->compress == 0 && t->level != 3 && t->out_path)
		o.zstd_level = (int)t->level;
	return o;
}

enum status tool_open_rejects(struct tool *t, struct error *err)
{
	if (!t->rejects_path || t->rejects)
		return OK;
	TRY(tool_settle_inputs(t, err));
	struct schema *s = &t->priv->rejects_schema;
	if (t->inputs) {
		schema_copy(s, &t->inputs->schema);
	} else {
		schema_add_spec(s, "id: utf8");
		schema_add_spec(s, "text: large_utf8");
	}
	static const char *const columns[][2] = {{"reason", "reason: utf8"}, {"rule", "rule: utf8"}, {"value", "value: float64?"},
						 {"threshold", "threshold: float64?"}};
	for (int i = 0; i < (t->measures ? 4 : 1); i++) {
		int old = schema_find(s, columns[i][0]);
		if (old >= 0)
			schema_remove(s, old);
		schema_add_spec(s, columns[i][1]);
	}
	struct writer_options o = tool_writer_options(t);
	enum kind k = t->inputs ? t->inputs->kind : KIND_DOCUMENTS;
	return writer_open(&t->rejects, t->rejects_path, s, k, &t->prov, &o, err);
}

enum status tool_open_output(struct tool *t, const struct schema *s, enum kind k, struct error *err)
{
	struct writer_options o = tool_writer_options(t);
	TRY(tool_open_rejects(t, err));
	TRY(tool_settle_inputs(t, err));
	return writer_open(&t->out, t->out_path, s, k, &t->prov, &o, err);
}

#define HUGE_ROW_BYTES ((size_t)1 << 20)

size_t tool_huge_bytes(const struct batch *b)
{
	size_t bytes = b->rows ? batch_bytes(b) : 0;
	return b->rows && bytes / (size_t)b->rows >= HUGE_ROW_BYTES ? bytes : 0;
}

enum status tool_write(struct tool *t, struct batch *b, struct error *err)
{
	return writer_write(t->out, b, err);
}

/* The row's own columns, before the last n. */
static void copy_row(struct tool *t, struct batch *b, int64_t row, int n)
{
	const struct schema *s = writer_schema(t->rejects);
	for (int i = 0; i + n < s->n_fields; i++)
		column_copy(builder_column(writer_builder(t->rejects), i), batch_column(b, s->fields[i].name), row);
}

enum status tool_reject(struct tool *t, struct batch *b, int64_t row, const char *reason, struct error *err)
{
	provenance_reject(&t->prov, reason, 1);
	if (!t->rejects)
		return OK;
	copy_row(t, b, row, 1);
	column_str(builder_column(writer_builder(t->rejects), writer_schema(t->rejects)->n_fields - 1), reason);
	return writer_row(t->rejects, err);
}

static void number_or_null(struct column *c, double v)
{
	if (v == v)
		column_double(c, v);
	else
		column_null(c);
}

enum status tool_reject_measured(struct tool *t, struct batch *b, int64_t row, const char *reason, const char *rule, double value,
				 double threshold, struct error *err)
{
	provenance_reject(&t->prov, reason, 1);
	if (!t->rejects)
		return OK;
	struct builder *out = writer_builder(t->rejects);
	int last = writer_schema(t->rejects)->n_fields - 1;
	copy_row(t, b, row, 4);
	column_str(builder_column(out, last - 3), reason);
	column_str(builder_column(out, last - 2), rule);
	number_or_null(builder_column(out, last - 1), value);
	number_or_null(builder_column(out, last), threshold);
	return writer_row(t->rejects, err);
}

enum status tool_reject_text(struct tool *t, const char *id, const char *text, size_t n, const char *reason,
			     struct error *err)
{
	provenance_reject(&t->prov, reason, 1);
	if (!t->rejects)
		return OK;
	struct builder *out = writer_builder(t->rejects);
	column_str(builder_column(out, 0), id);
	column_text(builder_column(out, 1), text, n);
	column_str(builder_column(out, 2), reason);
	return writer_row(t->rejects, err);
}

enum status tool_commit(struct tool *t, struct error *err)
{
	struct writer *w = t->out, *rejects = t->rejects;
	if (w)
		t->prov.rows_out = writer_rows(w);
	t->out = t->rejects = NULL;
	if (rejects) {
		enum status st = writer_commit(rejects, err);
		if (st != OK) {
			writer_abort(w);
			return st;
		}
	}
	return w ? writer_commit(w, err) : OK;
}

enum status tool_write_provenance(struct tool *t, const char *dir, struct error *err)
{
	struct buf chain = {0};
	TRY(tool_settle_inputs(t, err));
	provenance_print(&t->prov, &chain);
	buf_char(&chain, '\n');
	char *path = path_join(dir, "provenance.json");
	enum status st = file_write_all(path, chain.data, chain.len, err);
	mem_free(path);
	buf_release(&chain);
	return st;
}

/* --- the loop -------------------------------------------------------------------------------- */

struct filter_run {
	struct tool *tool;
	const struct filter *filter;
};

struct filter_item {
	struct batch *in, *out;
	const char **reject;
};

static enum status filter_read(void *arg, void **item, struct error *err)
{
	struct filter_run *r = arg;
	struct batch *b;
	TRY(tool_next(r->tool, &b, err));
	struct filter_item *it = mem_zalloc(sizeof(*it));
	it->in = b;
	it->reject = mem_array((size_t)b->rows, sizeof(*it->reject));
	*item = it;
	return OK;
}

static enum status filter_work(void *arg, void *item, int worker, struct error *err)
{
	struct filter_run *r = arg;
	struct filter_item *it = item;
	return r->filter->work(r->filter->arg, it->in, &it->out, it->reject, worker, err);
}

static enum status filter_write(void *arg, void *item, struct error *err)
{
	struct filter_run *r = arg;
	struct filter_item *it = item;
	if (r->filter->sink)
		return r->filter->sink(r->filter->arg, it->in, it->out, it->reject, err);
	for (int64_t i = 0; i < it->in->rows; i++)
		if (it->reject[i])
			TRY(tool_reject(r->tool, it->in, i, it->reject[i], err));
	return it->out && it->out->rows ? tool_write(r->tool, it->out, err) : OK;
}

static size_t filter_bytes(void *arg, void *item)
{
	(void)arg;
	return tool_huge_bytes(((struct filter_item *)item)->in);
}

static void filter_free(void *arg, void *item)
{
	struct filter_item *it = item;
	(void)arg;
	batch_release(it->in);
	batch_release(it->out);
	mem_free(it->reject);
	mem_free(it);
}

enum status tool_filter(struct tool *t, const struct filter *f, struct error *err)
{
	struct filter_run r = {t, f};
	struct pipeline pl = {filter_read, filter_work, filter_write, filter_free, &r, 0, filter_bytes};
	return pool_pipeline(t->pool, &pl, err);
}
