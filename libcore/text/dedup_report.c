/* dedup_report.c - see dedup_report.h. */
#include "text/dedup_report.h"

#include <math.h>

struct dedup_report {
	struct schema schema;
	struct writer *to;
};

enum status dedup_report_open(struct dedup_report **out, const char *path, const struct writer_options *o, struct error *err)
{
	static const char *const columns[] = {
		"id: utf8", "duplicate_of: utf8", "reason: utf8", "similarity: float64?", "at: int64?", "bytes: int64?", "duplicate_at: int64?",
	};
	struct dedup_report *r = mem_zalloc(sizeof(*r));
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		schema_add_spec(&r->schema, columns[i]);
	enum status st = writer_open(&r->to, path, &r->schema, KIND_OTHER, NULL, o, err);
	if (st == OK)
		*out = r;
	else
		dedup_report_abort(r);
	return st;
}

static enum status add_line(struct dedup_report *r, const struct buf *id, const char *original, size_t n, const struct verdict *v,
			    const struct against_hit *hit, struct error *err)
{
	const bool run = hit && hit->at != AGAINST_WHOLE;
	const int64_t places[] = {run ? hit->at : 0, run ? hit->bytes : 0, run ? hit->test_at : 0};
	struct builder *to = writer_builder(r->to);
	column_text(builder_column(to, 0), id->data, id->len);
	column_text(builder_column(to, 1), original, n);
	column_str(builder_column(to, 2), v->reason ? v->reason : "cut");
	if (isnan(v->similarity))
		column_null(builder_column(to, 3));
	else
		column_double(builder_column(to, 3), v->similarity);
	for (int i = 0; i < 3; i++) {
		if (run)
			column_int(builder_column(to, 4 + i), places[i]);
		else
			column_null(builder_column(to, 4 + i));
	}
	return writer_row(r->to, err);
}

enum status dedup_report_add(struct dedup_report *r, const struct batch *b, int64_t row, int64_t number, const struct verdict *v,
			     struct error *err)
{
	struct buf id = {0};
	enum status st = OK;
	compare_id(b, row, number, &id);
	for (int64_t h = 0; h < v->n_hits && st == OK; h++)
		st = add_line(r, &id, v->hits[h].test_id, strlen(v->hits[h].test_id), v, &v->hits[h], err);
	if (v->n_hits == 0)
		st = add_line(r, &id, v->original ? v->original : "", v->original_bytes, v, NULL, err);
	buf_release(&id);
	return st;
}

enum status dedup_report_commit(struct dedup_report *r, struct error *err)
{
	struct writer *w = r->to;
	r->to = NULL;
	enum status st = writer_commit(w, err);
	dedup_report_abort(r);
	return st;
}

void dedup_report_abort(struct dedup_report *r)
{
	if (!r)
		return;
	writer_abort(r->to);
	schema_release(&r->schema);
	mem_free(r);
}
