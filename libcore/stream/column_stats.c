/* column_stats.c - see column_stats.h: a tree of nodes in the shape of the columns, and its two forms in print. Values are ordered by
 * quantiles.h, counted by frequent.h. */
#include "stream/column_stats.h"

#include "base/terminal.h"
#include "stream/frequent.h"
#include "stream/layout.h"
#include "stream/quantiles.h"

#include <inttypes.h>
#include <math.h>

#define TOP 10
#define BAR_WIDTH 40
#define SHOWN_CHARS 60               /* of a frequent value, in the table */

enum measure { MEASURE_NONE, MEASURE_BOOL, MEASURE_INT, MEASURE_UINT, MEASURE_FLOAT, MEASURE_BYTES, MEASURE_ELEMENTS, MEASURE_MEMBERS };

struct node {
	const struct field *field;
	enum measure measure;
	char *path;
	bool hidden;                 /* a list's struct: its members tell all */
	int64_t values, nulls, nans, infinite, trues;
	struct quantiles order;      /* of values, or of lengths */
	long double sum;
	int64_t lengths[65];         /* how many are 0; 1; 2 and 3; 4 to 7; ... */
	struct frequent frequent;
	int n_children;
	struct node *children;
};

struct column_stats {
	struct schema schema;
	int64_t rows;
	struct node *columns;        /* schema.n_fields of them */
};

static const struct { const char *name; double p; } marks[] = {
	{ "p1", 0.01 }, { "p5", 0.05 }, { "p25", 0.25 }, { "p50", 0.5 }, { "p75", 0.75 }, { "p95", 0.95 }, { "p99", 0.99 },
};
#define N_MARKS ((int)(sizeof(marks) / sizeof(*marks)))

/* --- the tree ------------------------------------------------------------------------------------ */

static enum measure measure_of(enum field_type t)
{
	switch (t) {
	case T_BOOL: return MEASURE_BOOL;
	case T_INT8: case T_INT16: case T_INT32: case T_INT64: case T_UINT8: case T_UINT16: case T_UINT32:
	case T_DATE32: case T_DATE64: case T_TIME32: case T_TIME64: case T_TIMESTAMP: case T_DURATION: return MEASURE_INT;
	case T_UINT64: return MEASURE_UINT;
	case T_FLOAT16: case T_FLOAT32: case T_FLOAT64: return MEASURE_FLOAT;
	case T_DECIMAL32: case T_DECIMAL64: case T_DECIMAL128: case T_DECIMAL256: return MEASURE_FLOAT;
	case T_UTF8: case T_LARGE_UTF8: case T_BINARY: case T_LARGE_BINARY: return MEASURE_BYTES;
	case T_LIST: case T_LARGE_LIST: case T_FIXED_LIST: case T_MAP: return MEASURE_ELEMENTS;
	case T_STRUCT: return MEASURE_MEMBERS;
	default: return MEASURE_NONE;
	}
}

static void node_init(struct node *n, const struct field *f, char *path, bool hidden)
{
	n->field = f;
	n->measure = measure_of(f->type);
	n->path = path;
	n->hidden = hidden;
	n->n_children = f->n_children;
	n->children = mem_array((size_t)f->n_children + 1, sizeof(*n->children));
	for (int i = 0; i < f->n_children; i++) {
		const struct field *child = &f->children[i];
		bool entries = f->type != T_STRUCT && child->type == T_STRUCT;
		node_init(&n->children[i], child,
			  f->type == T_STRUCT ? mem_printf("%s.%s", path, child->name) : mem_printf("%s%s", path, entries ? "" : "[]"),
			  entries);
	}
}

static void node_release(struct node *n)
{
	for (int i = 0; i < n->n_children; i++)
		node_release(&n->children[i]);
	mem_free(n->children);
	mem_free(n->path);
	quantiles_release(&n->order);
	frequent_release(&n->frequent);
}

struct column_stats *column_stats_open(const struct schema *s, const int *columns, int n)
{
	struct column_stats *c = mem_zalloc(sizeof(*c));

	for (int i = 0; i < n; i++)
		schema_add(&c->schema, &s->fields[columns[i]]);
	c->columns = mem_array((size_t)n + 1, sizeof(*c->columns));
	for (int i = 0; i < n; i++)
		node_init(&c->columns[i], &c->schema.fields[i], mem_strdup(c->schema.fields[i].name), false);
	return c;
}

void column_stats_close(struct column_stats *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->schema.n_fields; i++)
		node_release(&s->columns[i]);
	mem_free(s->columns);
	schema_release(&s->schema);
	mem_free(s);
}

/* --- adding -------------------------------------------------------------------------------------- */

static void add_length(struct node *n, uint64_t length)
{
	quantiles_add(&n->order, key_of_int((int64_t)length));
	n->sum += (long double)length;
	n->lengths[length ? 64 - __builtin_clzll(length) : 0]++;
}

static void add_float(struct node *n, double v)
{
	n->nans += isnan(v);
	n->infinite += isinf(v) != 0;
	if (isnan(v))
		return;
	quantiles_add(&n->order, key_of_double(v));
	n->sum += v;
}

static void add(struct node *n, const struct array *a, int64_t row)
{
	const char *bytes = NULL;
	size_t size = (size_t)field_width(n->field);
	int64_t from, to;

	n->values++;
	if (array_is_null(a, row)) {
		n->nulls++;
		return;
	}
	switch (n->measure) {
	case MEASURE_BOOL:
		n->trues += array_int(a, row);
		return;
	case MEASURE_INT:
		quantiles_add(&n->order, key_of_int(array_int(a, row)));
		n->sum += (long double)array_int(a, row);
		break;
	case MEASURE_UINT:
		quantiles_add(&n->order, (uint64_t)array_int(a, row));
		n->sum += (long double)(uint64_t)array_int(a, row);
		break;
	case MEASURE_FLOAT:
		add_float(n, array_double(a, row));
		if (isnan(array_double(a, row)))
			return;
		break;
	case MEASURE_BYTES:
		bytes = array_text(a, row, &size);
		add_length(n, size);
		break;
	case MEASURE_ELEMENTS:
		array_list(a, row, &from, &to);
		add_length(n, (uint64_t)(to - from));
		for (int64_t i = from; i < to; i++)
			add(&n->children[0], &a->children[0], i);
		return;
	case MEASURE_MEMBERS:
		for (int i = 0; i < n->n_children; i++)
			add(&n->children[i], &a->children[i], row);
		return;
	case MEASURE_NONE:
		break;
	}
	frequent_add(&n->frequent, bytes ? bytes : array_fixed(a, row), size);
}

void column_stats_add(struct column_stats *s, const struct batch *b, const int *columns, int64_t row)
{
	s->rows++;
	for (int i = 0; i < s->schema.n_fields; i++)
		add(&s->columns[i], &b->columns[columns[i]], row);
}

/* --- values as JSON -------------------------------------------------------------------------------- */

/* A value of a fixed size, by its bytes, as an array of one row. */
static struct array one_value(const struct field *f, const void *bytes)
{
	return (struct array){ .field = f, .length = 1, .values = bytes, .values_bytes = field_width(f) };
}

static bool is_time(const struct node *n)
{
	return n->measure == MEASURE_INT && type_has_text(n->field->type);
}

/* As JSON to w, or without quotes to plain. */
static void print_time(const struct node *n, int64_t v, struct json_writer *w, struct buf *plain)
{
	int32_t narrow = (int32_t)v;
	struct array one = one_value(n->field, field_width(n->field) == 4 ? (const void *)&narrow : (const void *)&v);

	if (w)
		array_json(&one, 0, w);
	else
		array_plain(&one, 0, plain);
}

static void print_key(const struct node *n, uint64_t key, struct json_writer *w)
{
	if (n->measure == MEASURE_UINT)
		json_uint(w, key);
	else if (is_time(n))
		print_time(n, key_to_int(key), w, NULL);
	else if (n->measure != MEASURE_FLOAT)
		json_int(w, key_to_int(key));
	else if (n->field->type == T_FLOAT32 || n->field->type == T_FLOAT16)
		json_float(w, (float)key_to_double(key));
	else
		json_double(w, key_to_double(key));
}

/* Of times the mean is a time. */
static void print_mean(const struct node *n, struct json_writer *w)
{
	long double mean = n->sum / (long double)n->order.n;

	if (is_time(n))
		print_time(n, llroundl(mean), w, NULL);
	else
		json_double(w, (double)mean);
}

/* Bytes of a cut value that are whole characters. */
static size_t whole(const char *s, size_t n, size_t bytes)
{
	if (n == bytes)
		return n;
	while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static void print_entry(const struct node *n, const struct frequent_entry *e, struct json_writer *w)
{
	size_t kept = frequent_kept(e);

	if (field_is_text(n->field)) {
		/* whole() looks at the byte behind what it keeps */
		json_string_n(w, e->value, kept < e->bytes ? whole(e->value, kept - 1, e->bytes) : kept);
		return;
	}
	if (type_is_fixed(n->field->type)) {
		struct array one = one_value(n->field, e->value);
		array_json(&one, 0, w);
		return;
	}
	int64_t offsets[2] = { 0, (int64_t)kept };
	int32_t narrow[2] = { 0, (int32_t)kept };
	struct array one = { .field = n->field, .length = 1, .values = e->value, .values_bytes = (int64_t)kept };
	one.offsets = type_offset_width(n->field->type) == 8 ? (const void *)offsets : (const void *)narrow;
	array_json(&one, 0, w);
}

/* --- as JSON Lines ----------------------------------------------------------------------------------- */

static void range_json(const struct node *n, struct json_writer *w)
{
	json_key(w, "min");
	print_key(n, n->order.min, w);
	json_key(w, "mean");
	print_mean(n, w);
	json_key(w, "max");
	print_key(n, n->order.max, w);
	for (int i = 0; i < N_MARKS; i++) {
		json_key(w, marks[i].name);
		print_key(n, quantiles_at(&n->order, marks[i].p), w);
	}
	json_kv_double(w, "rank_error", quantiles_error(&n->order));
}

static void bounds(int bucket, uint64_t *from, uint64_t *to)
{
	*from = bucket ? (uint64_t)1 << (bucket - 1) : 0;
	*to = bucket ? *from * 2 - 1 : 0;
}

static void lengths_json(const struct node *n, struct json_writer *w)
{
	json_key(w, "histogram");
	json_begin_array(w);
	for (int i = 0; i < 65; i++) {
		uint64_t from, to;
		if (!n->lengths[i])
			continue;
		bounds(i, &from, &to);
		json_begin_object(w);
		json_key(w, "from");
		json_uint(w, from);
		json_key(w, "to");
		json_uint(w, to);
		json_kv_int(w, "count", n->lengths[i]);
		json_end_object(w);
	}
	json_end_array(w);
}

static void top_json(const struct node *n, struct json_writer *w)
{
	const struct frequent_entry *top[TOP];
	int k = frequent_top(&n->frequent, top, TOP);

	if (frequent_distinct(&n->frequent) >= 0)
		json_kv_int(w, "distinct", frequent_distinct(&n->frequent));
	else
		json_kv_int(w, "distinct_more_than", FREQUENT_MAX);
	json_key(w, "top");
	json_begin_array(w);
	for (int i = 0; i < k; i++) {
		json_begin_object(w);
		json_key(w, "value");
		print_entry(n, top[i], w);
		if (top[i]->bytes > FREQUENT_BYTES)
			json_kv_int(w, "bytes", (int64_t)top[i]->bytes);
		json_kv_int(w, "count", top[i]->count);
		json_end_object(w);
	}
	json_end_array(w);
	json_kv_int(w, "top_error", frequent_error(&n->frequent));
}

static void node_json(const struct node *n, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);
	struct buf type = {0};
	struct field plain = *n->field;

	plain.name = (char *)"";
	field_print(&plain, &type);
	if (!n->hidden) {
		json_begin_object(&w);
		json_kv_string(&w, "column", n->path);
		json_kv_string(&w, "type", type.data + strspn(type.data, ": "));
		json_kv_int(&w, "count", n->values);
		json_kv_int(&w, "nulls", n->nulls);
		if (n->measure == MEASURE_BOOL) {
			json_kv_int(&w, "true", n->trues);
			json_kv_double(&w, "true_share", (double)n->trues / (double)(n->values - n->nulls));
		}
		if (n->measure == MEASURE_FLOAT) {
			json_kv_int(&w, "nan", n->nans);
			json_kv_int(&w, "infinite", n->infinite);
		}
		if (n->measure == MEASURE_BYTES || n->measure == MEASURE_ELEMENTS)
			json_kv_string(&w, "of", n->measure == MEASURE_BYTES ? "bytes" : "elements");
		if (n->order.n)
			range_json(n, &w);
		if (n->measure == MEASURE_BYTES || n->measure == MEASURE_ELEMENTS)
			lengths_json(n, &w);
		if (n->frequent.total)
			top_json(n, &w);
		json_end_object(&w);
		buf_char(out, '\n');
	}
	buf_release(&type);
	for (int i = 0; i < n->n_children; i++)
		node_json(&n->children[i], out);
}

void column_stats_jsonl(const struct column_stats *s, struct buf *out)
{
	for (int i = 0; i < s->schema.n_fields; i++)
		node_json(&s->columns[i], out);
}

/* --- as a table ---------------------------------------------------------------------------------------- */

static void key_text(const struct node *n, uint64_t key, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);

	if (n->measure == MEASURE_FLOAT)
		buf_printf(out, "%.6g", key_to_double(key));
	else if (is_time(n))
		print_time(n, key_to_int(key), NULL, out);
	else
		print_key(n, key, &w);
}

static void range_text(const struct node *n, struct buf *out)
{
	const char *what = n->measure == MEASURE_BYTES ? "bytes" : n->measure == MEASURE_ELEMENTS ? "elements" : "range";

	buf_printf(out, "  %-10s ", what);
	key_text(n, n->order.min, out);
	buf_str(out, " to ");
	key_text(n, n->order.max, out);
	buf_str(out, ", mean ");
	if (is_time(n))
		key_text(n, key_of_int(llroundl(n->sum / (long double)n->order.n)), out);
	else if (isnan(n->sum))
		buf_str(out, "nan");         /* of both infinities; its sign says nothing */
	else
		buf_printf(out, "%.6Lg", n->sum / (long double)n->order.n);
	buf_str(out, "\n  quantiles ");
	for (int i = 0; i < N_MARKS; i++) {
		buf_printf(out, "%s%s ", i ? "  " : " ", marks[i].name);
		key_text(n, quantiles_at(&n->order, marks[i].p), out);
	}
	if (quantiles_error(&n->order) > 0)
		buf_printf(out, "  (ranks to within %.2g %%)", 100 * quantiles_error(&n->order));
	buf_char(out, '\n');
}

static void lengths_text(const struct node *n, struct buf *out)
{
	int first = 65, last = 0;
	int64_t most = 1;

	for (int i = 0; i < 65; i++) {
		first = n->lengths[i] && i < first ? i : first;
		last = n->lengths[i] ? i : last;
		most = n->lengths[i] > most ? n->lengths[i] : most;
	}
	for (int i = first; i <= last; i++) {
		uint64_t from, to;
		bounds(i, &from, &to);
		buf_printf(out, "  %10" PRIu64, from);
		if (to > from)
			buf_printf(out, "-%-10" PRIu64, to);
		else
			buf_printf(out, "%11s", "");
		buf_printf(out, " %10" PRId64 "%s", n->lengths[i], n->lengths[i] ? " " : "");
		for (int64_t k = 0; k < (n->lengths[i] * BAR_WIDTH + most - 1) / most; k++)
			buf_char(out, '#');
		buf_char(out, '\n');
	}
}

static void top_text(const struct node *n, struct buf *out)
{
	const struct frequent_entry *top[TOP];
	int k = frequent_top(&n->frequent, top, TOP);
	struct buf value = {0};

	for (int i = 0; i < k; i++) {
		struct json_writer w = json_writer_open(&value, 0);
		buf_clear(&value);
		print_entry(n, top[i], &w);
		size_t shown = 0;
		int chars = 0, cells;
		for (value.len = terminal_safe(value.data, value.len); shown < value.len && chars < SHOWN_CHARS; chars++)
			shown += terminal_char(value.data + shown, value.len - shown, &cells);
		buf_printf(out, "  %-10s %10" PRId64 "  ", i ? "" : "most often", top[i]->count);
		buf_add(out, value.data, shown);
		buf_str(out, shown < value.len || top[i]->bytes > FREQUENT_BYTES ? "...\n" : "\n");
	}
	if (k && frequent_error(&n->frequent))
		buf_printf(out, "%25s(up to %" PRId64 " too low)\n", "", frequent_error(&n->frequent));
	buf_release(&value);
}

static void node_text(const struct node *n, struct buf *out)
{
	size_t from = out->len;
	struct field named = *n->field;
	named.name = n->path;
	if (!n->hidden) {
		buf_char(out, '\n');
		field_print(&named, out);
		out->len = from + terminal_safe(out->data + from, out->len - from);
		buf_printf(out, "\n  %-10s %" PRId64 ", %" PRId64 " null", "values", n->values, n->nulls);
		if (n->measure == MEASURE_BOOL)
			buf_printf(out, ", %" PRId64 " true (%.4g %%)", n->trues,
				   n->values > n->nulls ? 100 * (double)n->trues / (double)(n->values - n->nulls) : 0);
		if (n->nans)
			buf_printf(out, ", %" PRId64 " NaN", n->nans);
		if (n->infinite)
			buf_printf(out, ", %" PRId64 " infinite", n->infinite);
		if (n->frequent.full)
			buf_printf(out, ", more than %d different", FREQUENT_MAX);
		else if (n->frequent.total)
			buf_printf(out, ", %" PRId64 " different", frequent_distinct(&n->frequent));
		buf_char(out, '\n');
		if (n->order.n)
			range_text(n, out);
		if (n->measure == MEASURE_BYTES || n->measure == MEASURE_ELEMENTS)
			lengths_text(n, out);
		top_text(n, out);
	}
	for (int i = 0; i < n->n_children; i++)
		node_text(&n->children[i], out);
}

void column_stats_text(const struct column_stats *s, struct buf *out)
{
	buf_printf(out, "%" PRId64 " row%s\n", s->rows, s->rows == 1 ? "" : "s");
	for (int i = 0; i < s->schema.n_fields; i++)
		node_text(&s->columns[i], out);
}
