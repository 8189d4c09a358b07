/* parquet_source.c - a Parquet file as a source of batches: row groups in order, columns side by side, a page of each at a time. */
#include "stream/arrow.h"
#include "stream/parquet.h"
#include "stream/source.h"

#include <string.h>

struct parquet_source {
	struct source s;
	struct parquet_meta meta;
	struct parquet_column *columns;          /* [meta.n_leaves] */
	struct builder *builder;
	int group;                               /* being read */
	int64_t left;                            /* rows of it */
	int64_t batch_rows;                      /* rows that make about STREAM_BATCH_BYTES */
	int64_t seq;
};

static void start_group(struct parquet_source *p)
{
	struct parquet_group *g = &p->meta.groups[p->group];
	int64_t row_bytes = g->rows && g->bytes > 0 ? g->bytes / g->rows + 1 : 1;

	p->left = g->rows;
	p->batch_rows = STREAM_BATCH_BYTES / row_bytes;
	p->batch_rows = p->batch_rows < 1 ? 1 : p->batch_rows < STREAM_BATCH_ROWS ? p->batch_rows : STREAM_BATCH_ROWS;
	for (int i = 0; i < p->meta.n_leaves; i++)
		parquet_column_start(&p->columns[i], &g->chunks[i]);
}

/* After its rows a group must have no values left. */
static enum status end_group(struct parquet_source *p, struct error *err)
{
	for (int i = 0; i < p->meta.n_leaves; i++)
		if (p->columns[i].loaded || p->columns[i].values_left)
			return error_set(err, ERR_DATA, "column '%s' has more values than the %lld rows", p->meta.leaves[i].path,
					 (long long)p->meta.groups[p->group].rows);
	p->group++;
	if (p->group < p->meta.n_groups)
		start_group(p);
	return OK;
}

static enum status fill(struct parquet_source *p, int64_t rows, struct error *err)
{
	for (int f = 0; f < p->meta.schema.n_fields; f++) {
		const struct parquet_node *n = &p->meta.nodes[f];
		struct column *to = builder_column(p->builder, f);
		struct parquet_column *first = &p->columns[n->first_leaf];
		for (int64_t i = 0; i < rows; i++) {
			TRY(parquet_append_row(n, &p->meta.schema.fields[f], p->columns, to, err));
			if (first->loaded && first->rep)
				return error_set(err, ERR_DATA, "column '%s': its repetition levels are corrupt", first->leaf->path);
		}
	}
	return OK;
}

static enum status parquet_next(struct source *s, struct batch **b, struct error *err)
{
	struct parquet_source *p = (struct parquet_source *)s;

	while (p->group < p->meta.n_groups && p->left == 0) {
		enum status st = end_group(p, err);
		if (st != OK)
			return error_prefix(err, st, "row group %d", p->group);
	}
	if (p->group == p->meta.n_groups) {
		s->ended = true;
		return END;
	}
	int64_t rows = p->left < p->batch_rows ? p->left : p->batch_rows;
	enum status st = fill(p, rows, err);
	if (st != OK)
		return source_input_error(s, st == ERR_IO ? st : OK) == ERR_IO ? st : error_prefix(err, st, "row group %d", p->group);
	p->left -= rows;
	*b = builder_finish(p->builder);
	(*b)->rows = rows;
	(*b)->seq = p->seq++;
	s->rows += rows;
	return OK;
}

static void parquet_close(struct source *s)
{
	struct parquet_source *p = (struct parquet_source *)s;

	for (int i = 0; p->columns && i < p->meta.n_leaves; i++)
		parquet_column_release(&p->columns[i]);
	mem_free(p->columns);
	builder_close(p->builder);
	parquet_meta_release(&p->meta);
	schema_release(&s->schema);
	mem_free(p);
}

static enum status read_footer(struct parquet_source *p, struct error *err)
{
	int64_t size = input_size(p->s.in);
	uint8_t tail[8];
	uint32_t n;
	struct buf footer = {0};

	if (input_read_at(p->s.in, 0, tail, size < 8 ? 0 : 8, err) == ERR_UNSUPPORTED)
		return error_set(err, ERR_UNSUPPORTED, "a Parquet file is read from its end: save it first, uncompressed, and give its name");
	if (size < 12)
		return error_set(err, ERR_DATA, "truncated: too short for a Parquet file");
	TRY(input_read_at(p->s.in, (uint64_t)size - 8, tail, 8, err));
	if (memcmp(tail + 4, "PARE", 4) == 0)
		return error_set(err, ERR_UNSUPPORTED, "an encrypted Parquet file is not supported");
	if (memcmp(tail + 4, "PAR1", 4) != 0)
		return error_set(err, ERR_DATA, "truncated: a Parquet file without its footer");
	memcpy(&n, tail, 4);
	if (n > size - 12 || n > PARQUET_FOOTER_MAX)
		return error_set(err, ERR_DATA, "a Parquet footer of %u bytes in a file of %lld", n, (long long)size);
	buf_reserve(&footer, n + 1);
	enum status st = input_read_at(p->s.in, (uint64_t)size - 8 - n, footer.data, n, err);
	if (st == OK)
		st = parquet_read_meta(&p->meta, (const uint8_t *)footer.data, n, size - 8 - n, err);
	buf_release(&footer);
	return st;
}

enum status parquet_source_open(struct source **s, struct input *in, struct error *err)
{
	struct parquet_source *p = mem_zalloc(sizeof(*p));

	p->s = (struct source){ .next = parquet_next, .close = parquet_close, .in = in, .foreign = true };
	*s = &p->s;
	TRY(read_footer(p, err));
	if (p->meta.n_leaves == 0 && p->meta.rows)
		return error_set(err, ERR_UNSUPPORTED, "a Parquet file of rows without columns is not supported");
	schema_copy(&p->s.schema, &p->meta.schema);
	p->builder = builder_open(&p->s.schema);
	p->columns = mem_array((size_t)p->meta.n_leaves + 1, sizeof(*p->columns));
	for (int i = 0; i < p->meta.n_leaves; i++) {
		p->columns[i].in = in;
		p->columns[i].leaf = &p->meta.leaves[i];
	}
	if (p->meta.n_groups)
		start_group(p);
	return OK;
}
