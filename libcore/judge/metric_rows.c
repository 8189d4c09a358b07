#include "judge/metric_rows.h"

#include "base/file.h"
#include "base/json_escape.h"

#define READ_BYTES ((size_t)1 << 20)

static void begin(struct metric_rows *r, int64_t n)
{
	if (n > r->cap) {
		r->cap = n;
		r->v = mem_grow(r->v, (size_t)n, sizeof(*r->v));
	}
	if (n)
		memset(r->v, 0, (size_t)n * sizeof(*r->v));
	r->n = r->n_references = 0;
}

static void add_reference(struct metric_rows *r, struct metric_row *row, const char *s, size_t n)
{
	MEM_PUSH_ROOM(r->references, r->n_references, r->cap_references);
	r->references[r->n_references++] = (struct metric_text){ s, n };
	row->n_references++;
}

/* References move while they are added, so rows learn where theirs are when all have been. */
static void settle(struct metric_rows *r)
{
	for (int64_t i = 0, at = 0; i < r->n; at += r->v[i++].n_references)
		r->v[i].references = r->references + at;
}

void metric_rows_release(struct metric_rows *r)
{
	mem_free(r->v);
	mem_free(r->references);
	*r = (struct metric_rows){ 0 };
}

/* --- columns --------------------------------------------------------------------------------------------------- */

static bool is_text_list(const struct field *f)
{
	return (f->type == T_LIST || f->type == T_LARGE_LIST) && f->n_children == 1 && field_is_text(&f->children[0]);
}

static enum status check(const struct schema *s, const char *name, bool list, struct error *err)
{
	int at = schema_find(s, name);
	if (at >= 0 && (field_is_text(&s->fields[at]) || (list && is_text_list(&s->fields[at]))))
		return OK;
	return error_set(err, ERR_DATA, "there is no text column '%s' with the %s", name, list ? "references" : "predictions");
}

enum status metric_columns_check(const struct metric_columns *c, const struct schema *s, struct error *err)
{
	TRY(check(s, c->prediction, false, err));
	if (c->baseline)
		TRY(check(s, c->baseline, false, err));
	return c->needs_reference ? check(s, c->reference, true, err) : OK;
}

static void read_references(struct metric_rows *r, struct metric_row *row, const struct array *a, int64_t i)
{
	int64_t from = i, to = i + 1;
	if (array_is_null(a, i))
		return;
	if (!field_is_text(a->field)) {
		array_list(a, i, &from, &to);
		a = &a->children[0];
	}
	for (; from < to; from++) {
		size_t n;
		const char *s = array_text(a, from, &n);
		if (!array_is_null(a, from))
			add_reference(r, row, s, n);
	}
}

void metric_rows_read(struct metric_rows *r, const struct batch *b, const struct metric_columns *c)
{
	const struct array *predictions = batch_column(b, c->prediction);
	const struct array *baselines = c->baseline ? batch_column(b, c->baseline) : NULL;
	begin(r, b->rows);
	for (; r->n < b->rows; r->n++) {
		struct metric_row *row = &r->v[r->n];
		row->prediction.s = array_text(predictions, r->n, &row->prediction.n);
		if (baselines)
			row->baseline.s = array_text(baselines, r->n, &row->baseline.n);
		if (array_is_null(predictions, r->n) || (baselines && array_is_null(baselines, r->n)))
			row->refused = "no_prediction";
		if (c->needs_reference)
			read_references(r, row, batch_column(b, c->reference), r->n);
	}
	settle(r);
}

/* --- text files ------------------------------------------------------------------------------------------------- */

static int64_t valid_lines(const struct buf *b)
{
	int64_t n = 0;
	const char *p = b->data, *end = p + b->len, *lf;
	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL && utf8_valid(p, (size_t)(lf - p))) {
		n++;
		p = lf + 1;
	}
	return n;
}

static enum status read_file(struct metric_lines *l, struct error *err)
{
	struct input *in;
	size_t got = 1;
	TRY(input_open(&in, l->path, true, err));
	enum status st = OK;
	while (st == OK && got > 0) {
		buf_reserve(&l->text, READ_BYTES);
		st = input_read(in, l->text.data + l->text.len, READ_BYTES, &got, err);
		l->text.len += st == OK ? got : 0;
	}
	if (st == OK)
		st = input_hash(in, l->xxh3, err);
	input_close(in);
	if (st == OK && l->text.len && !utf8_valid(l->text.data, l->text.len))
		return error_set(err, ERR_DATA, "%s: line %lld: not UTF-8", l->path, (long long)valid_lines(&l->text) + 1);
	return st;
}

enum status metric_files_open(struct metric_files *f, const char *const *paths, int n, bool baseline, struct error *err)
{
	f->files = mem_array((size_t)n, sizeof(*f->files));
	f->n = n;
	f->baseline = baseline;
	for (int i = 0; i < n; i++) {
		f->files[i].path = paths[i];
		TRY(read_file(&f->files[i], err));
	}
	return OK;
}

static bool next_line(struct metric_lines *l, struct metric_text *out)
{
	size_t left = l->text.len - l->at;
	if (left == 0)
		return false;
	const char *s = l->text.data + l->at, *end = memchr(s, '\n', left);
	size_t n = end ? (size_t)(end - s) : left;
	l->at += n + (end != NULL);
	l->n++;
	*out = (struct metric_text){ s, metric_rstrip(s, n) };
	return true;
}

enum status metric_rows_lines(struct metric_rows *r, struct metric_files *f, struct error *err)
{
	struct metric_text text;
	begin(r, ROWS_LINES);
	for (; r->n < ROWS_LINES; r->n++) {
		struct metric_row *row = &r->v[r->n];
		bool more = next_line(&f->files[0], &row->prediction);
		for (int i = 1; i < f->n; i++) {
			if (next_line(&f->files[i], &text) != more)
				return error_set(err, ERR_DATA, "%s ends after %lld lines, %s does not",
						 f->files[more ? i : 0].path, (long long)f->files[more ? i : 0].n,
						 f->files[more ? 0 : i].path);
			if (more && i == 1 && f->baseline)
				row->baseline = text;
			else if (more)
				add_reference(r, row, text.s, text.n);
		}
		if (!more)
			break;
	}
	settle(r);
	return r->n ? OK : END;
}

void metric_files_release(struct metric_files *f)
{
	for (int i = 0; i < f->n; i++)
		buf_release(&f->files[i].text);
	mem_free(f->files);
	*f = (struct metric_files){ 0 };
}
