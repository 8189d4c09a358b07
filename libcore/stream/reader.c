/* reader.c - records from anything we read, recognised by content. */
#include "stream/source.h"

#include <stdio.h>
#include <string.h>

struct reader {
	struct input *in;
	bool borrowed;               /* in is the caller's */
	struct source *source;
	int64_t rows;
	bool ended;
};

static enum status open_source(struct reader *r, const struct reader_options *o, struct error *err, bool *named)
{
	static const uint8_t bom[] = { 0xEF, 0xBB, 0xBF };
	const uint8_t *p;
	size_t n, i = 0;
	bool truncated = o && o->allow_truncated;

	enum status st = input_peek(r->in, 4096, &p, &n, err);
	if (st != OK) {
		*named = true;
		return st;
	}
	if (n == 0)
		return error_set(err, ERR_DATA, "empty: not a record stream");
	if (n >= 4 && memcmp(p, "\xff\xff\xff\xff", 4) == 0)
		return arrow_source_open(&r->source, r->in, false, truncated, err);
	if (n >= 8 && memcmp(p, "ARROW1\0\0", 8) == 0)
		return arrow_source_open(&r->source, r->in, true, truncated, err);
	if (n >= 4 && (memcmp(p, "PAR1", 4) == 0 || memcmp(p, "PARE", 4) == 0))
		return parquet_source_open(&r->source, r->in, err);
	if (n >= 3 && memcmp(p, bom, 3) == 0)
		i = 3;
	while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n'))
		i++;
	if (i == n || p[i] == '{' || p[i] == '[')
		return json_source_open(&r->source, r->in, o ? o->json_schema : NULL, o && o->json_plain, o ? o->json_huge : 0, err);
	return error_set(err, ERR_DATA, "none of Arrow, Parquet and JSON (quern import reads other formats)");
}

static enum status open_reader(struct reader **out, struct input *in, bool borrowed, const struct reader_options *o, struct error *err)
{
	struct reader *r = mem_zalloc(sizeof(*r));
	bool named = false;

	r->in = in;
	r->borrowed = borrowed;
	if (o && o->unhashed)
		input_leave_unhashed(in);
	enum status st = open_source(r, o, err, &named);
	if (st != OK) {
		named |= r->source && r->source->named;
		if (!named)
			error_prefix(err, st, "%s", input_name(in));
		reader_close(r);
		r = NULL;
	}
	*out = r;
	return st;
}

enum status reader_open_input(struct reader **r, struct input *in, const struct reader_options *o, struct error *err)
{
	return open_reader(r, in, false, o, err);
}

enum status reader_open_borrowed(struct reader **r, struct input *in, const struct reader_options *o, struct error *err)
{
	return open_reader(r, in, true, o, err);
}

enum status reader_open(struct reader **r, const char *path, const struct reader_options *o, struct error *err)
{
	struct input *in;

	*r = NULL;
	TRY(input_open(&in, path, true, err));
	return reader_open_input(r, in, o, err);
}

const struct schema *reader_schema(const struct reader *r)
{
	return &r->source->schema;
}

enum kind reader_kind(const struct reader *r)
{
	return kind_of(&r->source->schema);
}

enum status reader_next(struct reader *r, struct batch **b, struct error *err)
{
	*b = NULL;
	if (r->ended)
		return END;
	r->source->named = false;
	enum status st = r->source->next(r->source, b, err);
	if (st == OK)
		r->rows += (*b)->rows;
	else if (st == END)
		r->ended = true;
	else if (!r->source->named)
		error_prefix(err, st, "%s", input_name(r->in));
	return st;
}

enum status reader_skip_rows(struct reader *r, int64_t rows, int64_t *passed, struct error *err)
{
	*passed = 0;
	if (r->ended || !r->source->skip)
		return OK;
	r->source->named = false;
	enum status st = r->source->skip(r->source, rows, passed, err);
	r->rows += *passed;
	return st != OK && !r->source->named ? error_prefix(err, st, "%s", input_name(r->in)) : st;
}

const char *reader_name(const struct reader *r)
{
	return input_name(r->in);
}

int64_t reader_size(const struct reader *r)
{
	return input_size(r->in);
}

const char *reader_provenance(const struct reader *r)
{
	if (r->source->foreign)
		return NULL;
	return r->source->provenance ? r->source->provenance : schema_meta(&r->source->schema, "quern.provenance");
}

enum status reader_input(struct reader *r, struct provenance_input *in, struct error *err)
{
	const char *chain = reader_provenance(r);

	memset(in, 0, sizeof(*in));
	in->rows = r->ended ? r->rows : -1;
	if (r->ended)
		TRY(input_hash(r->in, in->xxh3, err));
	in->name = mem_strdup(input_name(r->in));
	in->chain = chain ? mem_strdup(chain) : NULL;
	return OK;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	if (r->source)
		r->source->close(r->source);
	if (!r->borrowed)
		input_close(r->in);
	mem_free(r);
}
