/* samples.c - see samples.h. */
#include "judge/samples.h"

#include "base/hash.h"
#include "judge/stats.h"
#include "judge/task_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define REPORT_BYTES (64 << 20)
#define NAMES_MAX 1000               /* groups: those that come later are "(other)" */

/* What the samples of --task exact-match call otherwise than the report. */
static const char *const aliases[][2] = { { "reward_accuracy", "exact_match" }, { "reward_format_loose", "format" } };

/* --- the report ------------------------------------------------------------------------------------------- */

enum status samples_is_report(const char *path, bool *yes, struct error *err)
{
	static const char member[] = "\"results\"";
	const uint8_t *p;
	size_t n, at = 0;
	struct input *in;
	enum status st;

	*yes = false;
	TRY(input_open(&in, path, true, err));
	st = input_peek(in, 4096, &p, &n, err);
	for (int brace = 0; st == OK && at < n; at++) {
		if (p[at] == ' ' || p[at] == '\n' || p[at] == '\r' || p[at] == '\t')
			continue;
		if (p[at] != '{' || brace++) {
			*yes = brace == 1 && n - at >= sizeof(member) - 1 && !memcmp(p + at, member, sizeof(member) - 1);
			break;
		}
	}
	input_close(in);
	return st;
}

/* The report's only task and the file of its samples, which lies where the report says, or beside it. */
static enum status read_report(struct samples *s, struct error *err)
{
	const struct json *results, *samples;
	struct buf text = { 0 };
	enum status st = file_read_all(s->name, REPORT_BYTES, &text, err);

	if (st == OK) {
		s->parser = json_parser_open();
		st = json_parse(s->parser, text.data, text.len, &s->report, err);
		if (st != OK)
			error_prefix(err, st, "%s", s->name);
	}
	buf_release(&text);
	TRY(st);
	results = json_get(s->report, "results");
	if (!results || results->type != JSON_OBJECT || results->len == 0)
		return error_set(err, ERR_DATA, "%s: no report of an evaluation: it has no results", s->name);
	if (results->len > 1)
		return error_set(err, ERR_DATA, "%s: results of %zu tasks: name the samples of one", s->name, results->len);
	s->task = results->keys[0].str;
	samples = json_get(json_get(s->report, "samples"), s->task);
	if (!samples || samples->type != JSON_STRING)
		return error_set(err, ERR_DATA, "%s: the evaluation was run without --samples, and single rows are what is compared", s->name);
	s->path = mem_strdup(samples->str);
	if (!path_exists(s->path)) {
		const char *slash = strrchr(s->name, '/'), *base = strrchr(samples->str, '/');
		char *dir = mem_strndup(s->name, slash ? (size_t)(slash - s->name) : 0);

		mem_free(s->path);
		s->path = slash ? path_join(dir, base ? base + 1 : samples->str) : mem_strdup(base ? base + 1 : samples->str);
		mem_free(dir);
	}
	return OK;
}

static bool is_reported(const struct samples *s, const char *metric)
{
	const struct json *of_task = json_get(json_get(s->report, "results"), s->task);
	size_t n = strlen(metric);

	for (size_t i = 0; of_task && of_task->type == JSON_OBJECT && i < of_task->len; i++)
		if (!strncmp(of_task->keys[i].str, metric, n) && of_task->keys[i].str[n] == ',')
			return true;
	return false;
}

/* --- columns ------------------------------------------------------------------------------------------------ */

static bool is_number(const struct field *f)
{
	return (f->type >= T_BOOL && f->type <= T_FLOAT64);
}

static bool is_numbers(const struct field *f)
{
	return (f->type == T_LIST || f->type == T_LARGE_LIST) && is_number(&f->children[0]);
}

/* How many numbers of a row make the metric, -1 if the column holds no such thing. */
static int width_of(const struct field *f, const char *metric)
{
	const struct metric *text;
	int value, width = series_width(metric, &text, &value);

	if (is_number(f))
		return width == 1 ? 1 : 0;
	return is_numbers(f) && width > 1 ? width : -1;
}

static enum status find_metrics(struct samples *s, const struct schema *columns, struct error *err)
{
	bool documents = schema_find(columns, "doc_id") >= 0;

	for (int i = 0; i < columns->n_fields && s->n_metrics < SAMPLES_METRICS; i++) {
		const char *name = columns->fields[i].name;
		const struct json *higher;

		if (width_of(&columns->fields[i], name) < 0 || !strcmp(name, "doc_id") || strlen(name) >= sizeof(s->metrics->name))
			continue;
		for (size_t k = 0; s->report && k < sizeof(aliases) / sizeof(*aliases); k++)
			if (!strcmp(name, aliases[k][0]))
				name = aliases[k][1];
		if (s->report ? !is_reported(s, name) : !documents && strcmp(name, "score") && strncmp(name, "reward_", 7))
			continue;
		snprintf(s->metrics[s->n_metrics].name, sizeof(s->metrics->name), "%s", name);
		s->metrics[s->n_metrics].column = i;
		s->metrics[s->n_metrics].width = width_of(&columns->fields[i], name);
		higher = json_get(json_get(json_get(s->report, "higher_is_better"), s->task), name);
		s->metrics[s->n_metrics++].higher = higher && higher->type == JSON_BOOL ? higher->boolean : -1;
	}
	if (!s->n_metrics)
		return error_set(err, ERR_DATA, "%s: no samples of an evaluation: there is no number of a row", s->path);
	if (!documents && schema_find(columns, "id") < 0)
		return error_set(err, ERR_DATA, "%s: no samples of an evaluation: neither doc_id nor id names the rows", s->path);
	return OK;
}

/* The first of two columns that is there, or NULL. */
static const struct array *either(const struct batch *b, const char *one, const char *other)
{
	const struct array *a = batch_column(b, one);

	return a ? a : batch_column(b, other);
}

/* A value as text: text as it is, anything else as JSON. */
static void append_value(const struct array *a, int64_t row, struct buf *out)
{
	size_t n;

	if (!a || array_is_null(a, row))
		return;
	if (field_is_text(a->field)) {
		const char *s = array_text(a, row, &n);

		buf_add(out, s, n);
	} else {
		struct json_writer w = json_writer_open(out, 0);

		array_json(a, row, &w);
	}
}

static uint64_t hash_of(const struct array *a, int64_t row, struct buf *scratch)
{
	if (!a)
		return 0;
	buf_clear(scratch);
	append_value(a, row, scratch);
	return hash64(scratch->data, scratch->len) | 1;
}

/* --- rows ----------------------------------------------------------------------------------------------------- */

static int name_index(struct names *names, const char *s)
{
	for (int i = names->n - 1; i >= 0; i--)
		if (!strcmp(names->v[i], s))
			return i;
	if (names->n > NAMES_MAX)
		return NAMES_MAX;
	MEM_PUSH_ROOM(names->v, names->n, names->cap);
	names->v[names->n] = mem_strdup(names->n == NAMES_MAX ? "(other)" : s);
	return names->n++;
}

/* The group of a row: a column of that name, or a member of its document. "" where it has none. */
static int group_of(struct samples *s, const struct batch *b, int64_t row, struct json_parser *parser, struct buf *scratch)
{
	const struct array *own = batch_column(b, s->by), *docs = either(b, "doc", "meta");
	const struct json *doc, *v;

	buf_clear(scratch);
	append_value(own ? own : docs, row, scratch);
	if (own || !docs)
		return name_index(&s->groups, scratch->len ? scratch->data : "");
	if (json_parse(parser, scratch->data ? scratch->data : "", scratch->len, &doc, NULL) != OK || !(v = json_get(doc, s->by)) ||
	    v->type == JSON_NULL)
		return name_index(&s->groups, "");
	buf_clear(scratch);
	if (v->type == JSON_STRING) {
		buf_add(scratch, v->str, v->len);
	} else {
		struct json_writer w = json_writer_open(scratch, 0);

		json_value(&w, v);
	}
	return name_index(&s->groups, scratch->data);
}

/* The numbers of a row for a metric of items. */
static void read_item(const struct array *a, int64_t row, int width, double *to)
{
	int64_t from = row, end = row + 1;

	to[0] = NAN;
	if (array_is_null(a, row))
		return;
	if (!is_number(a->field)) {
		array_list(a, row, &from, &end);
		a = &a->children[0];
	}
	if (end - from != width)
		return;
	for (int i = 0; i < width; i++) {
		to[i] = array_is_null(a, from + i) ? NAN : array_double(a, from + i);
		if (isnan(to[i]) || isinf(to[i])) {
			to[0] = NAN;
			return;
		}
	}
}

static void add_row(struct samples *s, const struct batch *b, int64_t row, struct json_parser *parser, struct buf *scratch)
{
	const struct array *filter = batch_column(b, "filter"), *sample = batch_column(b, "sample");
	struct sample_row *r;

	if (s->n == s->cap) {
		s->cap = 2 * s->cap + 256;
		s->rows = mem_grow(s->rows, (size_t)s->cap, sizeof(*s->rows));
		s->values = mem_grow(s->values, (size_t)(s->cap * s->n_metrics), sizeof(*s->values));
		for (int m = 0; m < s->n_metrics; m++)
			if (s->metrics[m].width)
				s->metrics[m].items = mem_grow(s->metrics[m].items, (size_t)(s->cap * s->metrics[m].width), sizeof(double));
	}
	r = &s->rows[s->n];
	buf_clear(scratch);
	append_value(filter, row, scratch);
	r->filter = name_index(&s->filters, scratch->len ? scratch->data : "none");
	buf_clear(scratch);
	append_value(either(b, "doc_id", "id"), row, scratch);
	if (sample && array_int(sample, row))
		buf_printf(scratch, "#%lld", (long long)array_int(sample, row));
	r->id = arena_strndup(&s->arena, scratch->data ? scratch->data : "", scratch->len);
	buf_printf(scratch, "%c%s", 0, s->filters.v[r->filter]);
	hash128(scratch->data, scratch->len, r->key);
	r->doc = hash_of(either(b, "doc", "prompt"), row, scratch);
	r->target = hash_of(either(b, "target", "answer"), row, scratch);
	r->prompt = hash_of(either(b, "arguments", "prompt"), row, scratch);
	r->group = group_of(s, b, row, parser, scratch);
	for (int m = 0; m < s->n_metrics; m++) {
		const struct array *a = &b->columns[s->metrics[m].column];
		int width = s->metrics[m].width;
		double v = width || array_is_null(a, row) ? NAN : array_double(a, row);

		if (width)
			read_item(a, row, width, s->metrics[m].items + s->n * width);
		s->values[s->n * s->n_metrics + m] = isinf(v) ? NAN : v;
	}
	s->n++;
}

static int by_key(const void *a, const void *b)
{
	const uint64_t *x = (*(const struct sample_row *const *)a)->key, *y = (*(const struct sample_row *const *)b)->key;

	return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : x[1] != y[1] ? (x[1] < y[1] ? -1 : 1) : 0;
}

static enum status check_unique(const struct samples *s, struct error *err)
{
	const struct sample_row **sorted = mem_array((size_t)s->n + 1, sizeof(*sorted)), *twice = NULL;

	for (int64_t i = 0; i < s->n; i++)
		sorted[i] = &s->rows[i];
	qsort(sorted, (size_t)s->n, sizeof(*sorted), by_key);
	for (int64_t i = 1; i < s->n && !twice; i++)
		if (!by_key(&sorted[i - 1], &sorted[i]))
			twice = sorted[i];
	mem_free(sorted);
	if (twice)
		return error_set(err, ERR_DATA, "%s: row '%s' comes twice", s->path, twice->id);
	return s->n ? OK : error_set(err, ERR_DATA, "%s: no rows", s->path);
}

static enum status read_rows(struct samples *s, struct error *err)
{
	struct reader_options plain = { .json_plain = true, .unhashed = true };
	struct json_parser *parser = json_parser_open();
	struct buf scratch = { 0 };
	struct reader *r = NULL;
	struct batch *b;
	enum status st = reader_open(&r, s->path, &plain, err);

	if (st == OK)
		st = find_metrics(s, reader_schema(r), err);
	while (st == OK && (st = reader_next(r, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows; row++)
			add_row(s, b, row, parser, &scratch);
		batch_release(b);
	}
	reader_close(r);
	json_parser_close(parser);
	buf_release(&scratch);
	return st == END ? OK : st;
}

enum status samples_open(struct samples **out, const char *path, const char *by, struct error *err)
{
	struct samples *s = mem_zalloc(sizeof(*s));
	bool report = false;
	enum status st;

	*out = s;
	s->name = mem_strdup(path);
	s->by = by ? by : "source";
	st = samples_is_report(path, &report, err);
	if (st == OK && report)
		st = read_report(s, err);
	else if (st == OK)
		s->path = mem_strdup(path);
	if (st == OK)
		st = read_rows(s, err);
	if (st == OK)
		st = check_unique(s, err);
	if (st == OK)
		samples_read_options(s);
	if (st == OK && s->report)
		st = samples_check(s, err);
	if (st != OK) {
		samples_close(s);
		*out = NULL;
	}
	return st;
}

static void names_release(struct names *names)
{
	for (int i = 0; i < names->n; i++)
		mem_free(names->v[i]);
	mem_free(names->v);
}

void samples_close(struct samples *s)
{
	if (!s)
		return;
	json_parser_close(s->parser);
	names_release(&s->groups);
	names_release(&s->filters);
	arena_release(&s->arena);
	for (int m = 0; m < s->n_metrics; m++)
		mem_free(s->metrics[m].items);
	mem_free(s->text);
	mem_free(s->rows);
	mem_free(s->values);
	mem_free(s->path);
	mem_free(s->name);
	mem_free(s);
}

int samples_metric(const struct samples *s, const char *name)
{
	for (int m = 0; m < s->n_metrics; m++)
		if (!strcmp(s->metrics[m].name, name))
			return m;
	return -1;
}

/* A document for reading: the turns of a dialogue, "name: value" of an object's members, text as it is. */
static void append_readable(const struct array *a, int64_t row, struct json_parser *parser, struct buf *out)
{
	const struct json *v;
	size_t from = out->len;
	bool turns = a && field_is_messages(a->field);

	append_value(a, row, out);
	if (out->len == from || (out->data[from] != '{' && !turns) || json_parse(parser, out->data + from, out->len - from, &v, NULL) != OK ||
	    (v->type != JSON_OBJECT && !turns))
		return;
	out->len = from;
	for (size_t i = 0; i < v->len; i++) {
		const struct json *x = turns ? json_get(&v->items[i], "content") : &v->items[i];

		buf_printf(out, "%s%s: ", i ? "\n" : "", turns ? json_get_str(&v->items[i], "role", "?") : v->keys[i].str);
		if (x && x->type == JSON_STRING) {
			buf_add(out, x->str, x->len);
		} else if (x) {
			struct json_writer w = json_writer_open(out, 0);

			json_value(&w, x);
		}
	}
}

enum status samples_texts(const struct samples *s, const bool *wanted,
			  enum status (*tell)(void *arg, const struct sample_texts *t, struct error *err), void *arg, struct error *err)
{
	struct reader_options plain = { .json_plain = true, .unhashed = true };
	struct json_parser *parser;
	struct sample_texts t = { 0 };
	struct reader *r;
	struct batch *b;
	enum status st;

	TRY(reader_open(&r, s->path, &plain, err));
	parser = json_parser_open();
	while ((st = reader_next(r, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && t.row < s->n && st == OK; row++, t.row++) {
			if (!wanted[t.row])
				continue;
			buf_clear(&t.doc);
			buf_clear(&t.target);
			buf_clear(&t.response);
			append_readable(either(b, "doc", "prompt"), row, parser, &t.doc);
			append_value(either(b, "target", "answer"), row, &t.target);
			append_value(either(b, "filtered_resps", "completion"), row, &t.response);
			st = tell(arg, &t, err);
		}
		batch_release(b);
		if (st != OK)
			break;
	}
	reader_close(r);
	json_parser_close(parser);
	buf_release(&t.doc);
	buf_release(&t.target);
	buf_release(&t.response);
	return st == END ? OK : st;
}
