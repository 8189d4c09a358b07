/* dedup_cut.c - see dedup_cut.h. */
#include "text/dedup_cut.h"

#include "stream/token_mask.h"
#include "text/repeats.h"

#include <math.h>

enum status dedup_cut_check(const struct dedup_common *common, struct error *err)
{
	if (common->keep != KEEP_FIRST && common->keep != KEEP_NONE)
		return error_set(err, ERR_USAGE, "of parts of documents the first stays, or none (--keep)");
	if (common->ids)
		return error_set(err, ERR_USAGE, "--clusters tells of whole rows, not of parts of them");
	return OK;
}

struct verdict dedup_cut_verdict(const struct buf *left, size_t n, double share_max, const char *reason)
{
	struct verdict v = {.similarity = NAN, .cut = (int64_t)(n - left->len)};
	if ((double)(n - left->len) > share_max * (double)n) {
		v.reason = reason;
	} else if (text_strip(left->data, left->len).len == 0) {
		v.reason = "nothing_left";
	} else {
		v.text = left->data;
		v.text_bytes = left->len;
	}
	return v;
}

static void copy_list(struct column *to, const struct array *a, int64_t row, const struct verdict *v)
{
	int64_t from, end;
	array_list(a, row, &from, &end);
	for (int64_t i = from, span = 0; i < end; i++) {
		while (span < v->n_spans && i - from >= v->spans[span].to)
			span++;
		if (span == v->n_spans || i - from < v->spans[span].from)
			column_copy(column_child(to, 0), &a->children[0], i);
	}
	column_end_list(to);
}

/* What is cut like the tokens; -1: nothing. */
static int mask_column(const struct schema *s)
{
	int at = token_mask_column(s);

	return at >= 0 && (s->fields[at].type == T_LIST || s->fields[at].type == T_LARGE_LIST) ? at : -1;
}

void dedup_cut_row(struct builder *to, const struct batch *b, int64_t row, const struct verdict *v)
{
	int text = v->text ? schema_find(b->schema, "text") : -1, ids = v->n_spans ? schema_find(b->schema, "input_ids") : -1,
	    mask = v->n_spans ? mask_column(b->schema) : -1;
	for (int i = 0; i < b->schema->n_fields; i++) {
		if (i == text)
			column_text(builder_column(to, i), v->text, v->text_bytes);
		else if ((i == ids || i == mask) && !array_is_null(&b->columns[i], row))
			copy_list(builder_column(to, i), &b->columns[i], row, v);
		else
			column_copy(builder_column(to, i), &b->columns[i], row);
	}
}
