#include "token/tally.h"

#include "base/json.h"

#include <stdlib.h>

static void add(struct tally_row *to, const struct tally_row *row)
{
	to->rows += row->rows;
	to->bytes += row->bytes;
	to->tokens += row->tokens;
	to->unknown += row->unknown;
	to->fallback += row->fallback;
}

static void forget_sources(struct tally *t)
{
	for (int i = 0; i < t->n; i++)
		mem_free(t->names[i]);
	strmap_release(&t->index);
	t->index = (struct strmap){0};
	t->n = t->unnamed = 0;
	t->too_many = true;
}

static int new_source(struct tally *t, char *name, size_t n)
{
	int i = t->n;

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->names = mem_grow(t->names, (size_t)t->cap, sizeof(*t->names));
		t->rows = mem_grow(t->rows, (size_t)t->cap, sizeof(*t->rows));
	}
	t->names[i] = name;
	t->rows[i] = (struct tally_row){0};
	t->n++;
	if (name)
		strmap_put(&t->index, name, n, i);
	else
		t->unnamed = i + 1;
	return i;
}

static void add_source(struct tally *t, const char *source, size_t n, const struct tally_row *row)
{
	int i = source ? strmap_get(&t->index, source, n) : t->unnamed - 1;

	if (t->too_many)
		return;
	if (i < 0 && t->n == TALLY_SOURCES_MAX) {
		forget_sources(t);
		return;
	}
	if (i < 0)
		i = new_source(t, source ? mem_strndup(source, n) : NULL, n);
	add(&t->rows[i], row);
}

void tally_add(struct tally *t, const char *source, size_t n, const struct tally_row *row)
{
	add(&t->all, row);
	add_source(t, source, source ? strnlen(source, n) : 0, row);
}

void tally_merge(struct tally *t, const struct tally *other)
{
	add(&t->all, &other->all);
	if (other->too_many && !t->too_many)
		forget_sources(t);
	for (int i = 0; i < other->n; i++)
		add_source(t, other->names[i], other->names[i] ? strlen(other->names[i]) : 0, &other->rows[i]);
}

/* --- printing ----------------------------------------------------------------------------------- */

static double share(int64_t of, int64_t in)
{
	return in ? (double)of / (double)in : 0;
}

/* Sources by name, rows that name none last. */
static int by_name(const void *a, const void *b, void *arg)
{
	const struct tally *t = arg;
	const char *x = t->names[*(const int *)a], *y = t->names[*(const int *)b];

	return x && y ? strcmp(x, y) : !x - !y;
}

static int *order_of(const struct tally *t)
{
	int *order = mem_array((size_t)t->n + 1, sizeof(*order));

	for (int i = 0; i < t->n; i++)
		order[i] = i;
	qsort_r(order, (size_t)t->n, sizeof(*order), by_name, (void *)(uintptr_t)t);
	return order;
}

/* A name is the input's: nothing in it reaches a terminal as a command. */
static void print_row(const struct tally_row *r, const char *name, struct buf *out)
{
	size_t from;

	buf_printf(out, "%12lld %15lld %15lld %11.3f %11.6f %11.6f  ", (long long)r->rows, (long long)r->bytes, (long long)r->tokens,
		   share(r->bytes, r->tokens), share(r->unknown, r->tokens), share(r->fallback, r->tokens));
	from = out->len;
	buf_str(out, name);
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->data[i] < ' ' || out->data[i] == 0x7f)
			out->data[i] = '?';
	buf_char(out, '\n');
}

void tally_print(const struct tally *t, struct buf *out)
{
	int *order = order_of(t);

	buf_printf(out, "%12s %15s %15s %11s %11s %11s  %s\n", "rows", "bytes", "tokens", "bytes/token", "unknown", "fallback", "source");
	if (t->n > 1 || (t->n && t->names[0])) /* one group without a name is the total */
		for (int i = 0; i < t->n; i++)
			print_row(&t->rows[order[i]], t->names[order[i]] ? t->names[order[i]] : "(none)", out);
	print_row(&t->all, "total", out);
	mem_free(order);
}

static void print_row_json(const struct tally_row *r, const char *name, bool total, struct buf *out)
{
	struct json_writer w = json_writer_open(out, 0);

	json_begin_object(&w);
	if (total)
		json_kv_bool(&w, "total", true);
	if (name)
		json_kv_string(&w, "source", name);
	json_kv_int(&w, "rows", r->rows);
	json_kv_int(&w, "bytes", r->bytes);
	json_kv_int(&w, "tokens", r->tokens);
	json_kv_double(&w, "bytes_per_token", share(r->bytes, r->tokens));
	json_kv_int(&w, "unknown", r->unknown);
	json_kv_int(&w, "fallback", r->fallback);
	json_kv_double(&w, "unknown_rate", share(r->unknown, r->tokens));
	json_end_object(&w);
	buf_char(out, '\n');
}

void tally_print_json(const struct tally *t, struct buf *out)
{
	int *order = order_of(t);

	for (int i = 0; i < t->n; i++)
		print_row_json(&t->rows[order[i]], t->names[order[i]], false, out);
	print_row_json(&t->all, NULL, true, out);
	mem_free(order);
}

void tally_release(struct tally *t)
{
	forget_sources(t);
	mem_free(t->names);
	mem_free(t->rows);
	*t = (struct tally){0};
}
