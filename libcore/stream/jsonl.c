/* jsonl.c - records from JSON Lines, or from the objects of a JSON array. Types come from names and from the first
 * JSON_WINDOW_BYTES of text; what contradicts them later is an error, never a silent loss. */
#include "stream/json_text.h"
#include "stream/layout.h"
#include "stream/source.h"

#include <string.h>

#define HUGE_ROW_BYTES ((size_t)8 << 20)
#define LONG_SHARE 8                     /* strings of a huge row are long from this share of what is huge */

struct json_source {
	struct source s;
	struct json_split split;
	struct json_parser *parser;
	struct builder *builder;
	struct buf text;
	int64_t seq;
	size_t huge;                             /* bytes from which a row is */
	bool held;                               /* a huge row, read already: it begins the next batch */
	const char *held_text;
	size_t held_bytes;
	int64_t held_line;
};

static enum status split_next(struct json_source *j, const char **p, size_t *n, int64_t *line, struct error *err)
{
	enum status st = json_split_next(&j->split, p, n, line, err);

	j->s.named = j->split.input_failed;
	return st;
}

/* now: the text is not needed again, and its long strings may be made of it where they are. */
static enum status parse_row(struct json_source *j, const char *p, size_t n, int64_t line, bool now, const struct json **row,
			     struct error *err)
{
	enum status st = n < j->huge ? json_parse_padded(j->parser, p, n, row, err) :
			 json_parse_long(j->parser, j->split.data.data + (p - j->split.data.data), n, j->huge / LONG_SHARE + 1, now, row, err);

	if (st != OK)
		return error_prefix(err, st, "line %lld", (long long)line);
	if ((*row)->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "line %lld: expected an object", (long long)line);
	return OK;
}

/* Reads the window, then goes back to its start. */
static enum status infer_schema(struct json_source *j, const struct schema *types, bool plain, struct error *err)
{
	struct json_shape *shape = json_shape_open();
	struct json_split start = j->split;
	const char *p;
	size_t n;
	int64_t line, rows = 0;
	enum status st;

	j->split.keep = true;
	while ((st = split_next(j, &p, &n, &line, err)) == OK) {
		const struct json *row;
		st = parse_row(j, p, n, line, false, &row, err);
		if (st == OK)
			st = json_shape_add(shape, row, line, err);
		if (st != OK)
			break;
		rows++;
		if (j->split.at - start.at >= JSON_WINDOW_BYTES)
			break;
	}
	if (st == END && rows == 0 && j->split.manner != JSON_IN_ARRAY)
		st = error_set(err, ERR_DATA, "empty: no JSON object");
	if (st == OK || st == END)
		st = json_shape_schema(shape, types, plain, &j->s.schema, err);
	json_shape_close(shape);
	start.data = j->split.data;
	start.eof = j->split.eof;
	j->split = start;
	return st;
}

static enum status put_field(struct json_source *j, int i, const struct json *v, struct error *err)
{
	const struct field *f = &j->s.schema.fields[i];
	struct column *c = builder_column(j->builder, i);
	bool number = v->type == JSON_INT || v->type == JSON_UINT || v->type == JSON_DOUBLE;
	enum json_as_text as = field_is_text(f) && v->type != JSON_STRING && v->type != JSON_NULL ? json_as_text(f->name)
											      : AS_TEXT_NEVER;

	if (as == AS_TEXT_ANYTHING || (as == AS_TEXT_NUMBERS && number)) {
		struct json_writer w;
		buf_clear(&j->text);
		w = json_writer_open(&j->text, 0);
		json_value(&w, v);
		column_text(c, j->text.data, j->text.len);
		return OK;
	}
	enum status st = column_json(c, v, err);
	return st == OK ? OK : error_prefix(err, st, "field '%s'", f->name);
}

/* The row's value of a field; NULL if it has none. */
static const struct json *value_of(const struct json *row, int i, const char *name)
{
	bool in_order = (size_t)i < row->len && strcmp(row->keys[i].str, name) == 0;

	return in_order ? &row->items[i] : json_get(row, name);
}

/* The text that a huge row mostly is, which lies in its line's memory; -1 if there is none. */
static int find_long(const struct json_source *j, const struct json *row, const char *p, size_t n)
{
	const struct schema *s = &j->s.schema;

	for (int i = 0; n >= j->huge && i < s->n_fields; i++) {
		const struct json *v = value_of(row, i, s->fields[i].name);
		if (v && v->type == JSON_STRING && v->len >= j->huge && v->len > n / 4 && v->str >= p && v->str < p + n &&
		    field_is_text(&s->fields[i]))
			return i;
	}
	return -1;
}

/* The line becomes the column's bytes. */
static void put_long(struct json_source *j, int i, const struct json *v)
{
	struct buf line;

	json_split_take(&j->split, &line);
	memmove(line.data, v->str, v->len);
	line.len = v->len;
	column_adopt(builder_column(j->builder, i), &line);
	buf_release(&line);
}

static enum status put_row(struct json_source *j, const struct json *row, const char *p, size_t n, struct error *err)
{
	static const struct json null = { .type = JSON_NULL };
	const struct schema *s = &j->s.schema;
	size_t known = 0;
	const int last = find_long(j, row, p, n);

	for (int i = 0; i < s->n_fields; i++) {
		const struct field *f = &s->fields[i];
		const struct json *v = value_of(row, i, f->name);
		known += v != NULL;
		if (!v && !f->nullable)
			return error_set(err, ERR_DATA, "no field '%s'", f->name);
		if (i != last)
			TRY(put_field(j, i, v ? v : &null, err));
	}
	for (size_t i = 0; known < row->len && i < row->len; i++)
		if (schema_find(s, row->keys[i].str) < 0)
			return error_set(err, ERR_DATA, "field '%s' appears here first; name every field in the first MiB "
					 "(null will do)", row->keys[i].str);
	if (last >= 0)
		put_long(j, last, value_of(row, last, s->fields[last].name));
	return OK;
}

/* The next batch is read when this one is done with; a huge row's other forms need not wait for that. */
static void give_back(struct json_source *j, size_t longest)
{
	if (longest < j->huge)
		return;
	json_parser_close(j->parser);
	j->parser = json_parser_open();
	if (!j->held)
		json_split_shrink(&j->split);
	buf_release(&j->text);
}

static enum status next_row(struct json_source *j, const char **p, size_t *n, int64_t *line, struct error *err)
{
	if (!j->held)
		return split_next(j, p, n, line, err);
	j->held = false;
	*p = j->held_text;
	*n = j->held_bytes;
	*line = j->held_line;
	return OK;
}

/* A huge row is a batch of its own, so that its text need not be copied behind others. */
static void hold(struct json_source *j, const char *p, size_t n, int64_t line)
{
	j->held = true;
	j->held_text = p;
	j->held_bytes = n;
	j->held_line = line;
}

static enum status json_next(struct source *s, struct batch **b, struct error *err)
{
	struct json_source *j = (struct json_source *)s;
	int64_t rows = 0;
	size_t longest = 0;

	while (!s->ended && rows < STREAM_BATCH_ROWS && builder_bytes(j->builder) < STREAM_BATCH_BYTES) {
		const struct json *row;
		const char *p;
		size_t n;
		int64_t line;
		enum status st = next_row(j, &p, &n, &line, err);
		if (st == END) {
			s->ended = true;
			break;
		}
		TRY(st);
		if (n >= j->huge && rows > 0) {
			hold(j, p, n, line);
			break;
		}
		TRY(parse_row(j, p, n, line, true, &row, err));
		st = put_row(j, row, p, n, err);
		if (st != OK)
			return error_prefix(err, st, "line %lld", (long long)line);
		longest = n > longest ? n : longest;
		rows++;
	}
	give_back(j, longest);
	if (rows == 0)
		return END;
	*b = builder_finish(j->builder);
	(*b)->rows = rows;
	(*b)->seq = j->seq++;
	s->rows += rows;
	return OK;
}

static void json_close(struct source *s)
{
	struct json_source *j = (struct json_source *)s;

	builder_close(j->builder);
	json_parser_close(j->parser);
	json_split_release(&j->split);
	buf_release(&j->text);
	schema_release(&s->schema);
	mem_free(j);
}

enum status json_source_open(struct source **s, struct input *in, const struct schema *types, bool plain, size_t huge, struct error *err)
{
	struct json_source *j = mem_zalloc(sizeof(*j));

	j->s = (struct source){ .next = json_next, .close = json_close, .in = in, .foreign = true };
	j->parser = json_parser_open();
	j->huge = huge ? huge : HUGE_ROW_BYTES;
	*s = &j->s;
	enum status st = json_split_open(&j->split, in, err);
	j->s.named = j->split.input_failed;
	TRY(st);
	TRY(infer_schema(j, types, plain, err));
	j->builder = builder_open(&j->s.schema);
	return OK;
}
