/* parquet_source.c - the rows of a Parquet file as batches. All leaves are read in step, some rows at a time, so memory is a page
 * of each and the batch; a batch may span row groups. */
#include "stream/parquet.h"
#include "stream/layout.h"

#include <inttypes.h>

#define HASH_BYTES ((size_t)1 << 20)
#define FIRST_STEP_ROWS 32                    /* of a row group: a dictionary makes rows larger than the footer shows */

struct parquet_source {
	struct source s;
	struct pq_meta meta;
	struct pq_tree tree;
	int64_t group, group_left;           /* the row group under way, and its rows to come */
	int64_t step;                        /* rows to read at once, at most */
	int64_t row_bytes;                   /* of rows read last */
	int64_t seq;
};

/* --- the footer against the file ------------------------------------------------------------------------------ */
static enum status check_chunk(const struct pq_chunk *c, const struct pq_leaf *l, int64_t rows, int64_t size, struct error *err)
{
	const char *codec = pq_codec_name(c->codec);

	if (c->encrypted)
		return error_set(err, ERR_UNSUPPORTED, "is encrypted, which is not supported");
	if (c->elsewhere)
		return error_set(err, ERR_UNSUPPORTED, "is in another file, which is not supported");
	if (c->type != (int32_t)l->pages.values.type)
		return error_set(err, ERR_DATA, "has another type than in the schema");
	if (!codec)
		return error_set(err, ERR_UNSUPPORTED, "compression %" PRId32 " is not known", c->codec);
	if (c->codec == PQ_LZO || c->codec == PQ_BROTLI || c->codec == PQ_LZ4)
		return error_set(err, ERR_UNSUPPORTED, "%s compression is not supported (Snappy, gzip, zstd and LZ4_RAW are)", codec);
	if (c->values && (c->at < 4 || c->bytes < 0 || c->at > size || c->bytes > size - c->at))
		return error_set(err, ERR_DATA, "%" PRId64 " bytes at byte %" PRId64 " do not lie in the file", c->bytes, c->at);
	if (c->values < rows || (l->pages.max_rep == 0 && c->values != rows))
		return error_set(err, ERR_DATA, "has %" PRId64 " values, where the row group has %" PRId64 " rows", c->values, rows);
	return OK;
}

/* Everything that the footer says about where columns are, before the first row is asked for. */
static enum status check_groups(const struct parquet_source *p, struct error *err)
{
	for (int64_t g = 0; g < p->meta.n_groups; g++) {
		const struct pq_group *group = &p->meta.groups[g];
		if (group->n_chunks != p->tree.n_leaves)
			return error_set(err, ERR_DATA, "row group %" PRId64 ": %" PRId64 " columns, where the schema has %d", g, group->n_chunks, p->tree.n_leaves);
		for (int i = 0; i < p->tree.n_leaves; i++) {
			const struct pq_leaf *l = &p->tree.leaves[i];
			enum status st = check_chunk(&group->chunks[i], l, group->rows, input_size(p->s.in), err);
			if (st != OK)
				return error_prefix(err, st, "row group %" PRId64 ": column '%s'", g, l->path);
		}
	}
	return OK;
}

/* --- row groups --------------------------------------------------------------------------------------------------- */
static enum status name_place(const struct parquet_source *p, const struct pq_leaf *l, enum status st, struct error *err)
{
	return p->s.named ? st : error_prefix(err, st, "row group %" PRId64 ": column '%s'", p->group, l->path);
}

/* Reads on, in order, to the end of what has been looked at: for the content's hash, while it is in the page cache, and for
 * progress. */
static enum status catch_up(struct parquet_source *p, uint64_t to, struct error *err)
{
	char junk[4096];
	struct input_map map;
	const uint8_t *bytes;

	while (input_is_hashed(p->s.in) && input_offset(p->s.in) < to) {
		uint64_t left = to - input_offset(p->s.in);
		size_t got;
		if (input_map(p->s.in, left < HASH_BYTES ? (size_t)left : HASH_BYTES, &map, &bytes)) {
			input_unmap(&map);
			continue;
		}
		TRY(source_input_error(&p->s, input_read(p->s.in, junk, left < sizeof(junk) ? (size_t)left : sizeof(junk), &got, err)));
		if (got == 0)
			break;
	}
	return OK;
}

static enum status end_group(struct parquet_source *p, struct error *err)
{
	int64_t end = 0;

	for (int i = 0; i < p->tree.n_leaves; i++) {
		const struct pq_leaf *l = &p->tree.leaves[i];
		if (!pq_leaf_done(l))
			return name_place(p, l, error_set(err, ERR_DATA, "the column chunk goes on behind the last row"), err);
		end = l->pages.end > end ? l->pages.end : end;
	}
	return catch_up(p, (uint64_t)end, err);
}

static void begin_group(struct parquet_source *p)
{
	const struct pq_group *g = &p->meta.groups[p->group];
	int64_t row_bytes = g->rows > 0 && g->bytes > 0 ? g->bytes / g->rows + 1 : 1;

	p->group_left = g->rows;
	p->step = STREAM_BATCH_BYTES / row_bytes;
	p->step = p->step < 1 ? 1 : p->step > FIRST_STEP_ROWS ? FIRST_STEP_ROWS : p->step;
	for (int i = 0; i < p->tree.n_leaves; i++)
		pq_leaf_start(&p->tree.leaves[i], &g->chunks[i]);
}

/* --- batches --------------------------------------------------------------------------------------------------------- */
static size_t bytes_so_far(const struct parquet_source *p)
{
	size_t n = 0;

	for (int i = 0; i < p->tree.n_nodes; i++)
		n += pq_node_bytes(&p->tree.nodes[i]);
	return n;
}

/* Rows to read at once: as many as there is room for if they are like those before, and no more than are trusted to be. */
static int64_t step_rows(const struct parquet_source *p, int64_t rows, size_t bytes)
{
	int64_t n = STREAM_BATCH_ROWS - rows, fit = (STREAM_BATCH_BYTES - (int64_t)bytes) / p->row_bytes + 1;

	n = n < p->step ? n : p->step;
	n = n < fit ? n : fit;
	return n < p->group_left ? n : p->group_left;
}

static enum status read_rows(struct parquet_source *p, int64_t n, struct error *err)
{
	for (int i = 0; i < p->tree.n_leaves; i++) {
		struct pq_leaf *l = &p->tree.leaves[i];
		enum status st = pq_leaf_read(l, n, err);
		if (st != OK)
			return name_place(p, l, st, err);
	}
	p->group_left -= n;
	return p->group_left == 0 ? end_group(p, err) : OK;
}

/* Rows for a batch, or fewer at the end; *rows says how many. */
static enum status gather(struct parquet_source *p, int64_t *rows, struct error *err)
{
	size_t bytes = 0;

	*rows = 0;
	while (*rows < STREAM_BATCH_ROWS && bytes < STREAM_BATCH_BYTES) {
		if (p->group_left == 0) {
			if (p->group + 1 >= p->meta.n_groups)
				return OK;
			p->group++;
			begin_group(p);
			if (p->group_left == 0)
				TRY(end_group(p, err));
			continue;
		}
		int64_t n = step_rows(p, *rows, bytes);
		TRY(read_rows(p, n, err));
		*rows += n;
		bytes = bytes_so_far(p);
		p->row_bytes = (int64_t)bytes / *rows + 1;
		p->step = p->step < STREAM_BATCH_ROWS ? p->step * 4 : p->step;
	}
	return OK;
}

static enum status finish(struct parquet_source *p, int64_t rows, struct batch **out, struct error *err)
{
	size_t bytes = 64;

	for (int i = 0; i < p->tree.n_nodes; i++) {
		enum status st = pq_node_check(&p->tree.nodes[i], rows, err);
		if (st != OK)
			return error_prefix(err, st, "row group %" PRId64, p->group);
		bytes += pq_node_block(&p->tree.nodes[i]);
	}
	uint8_t *at = mem_try(bytes);
	if (!at)
		return error_set(err, ERR_MEMORY, "no memory for a batch of %zu bytes", bytes);
	struct batch *b = batch_new(&p->s.schema, rows);
	b->owned = at;
	for (int i = 0; i < p->tree.n_nodes; i++)
		pq_node_move(&p->tree.nodes[i], &b->arena, &at, &b->columns[i]);
	b->seq = p->seq++;
	*out = b;
	return OK;
}

static enum status parquet_next(struct source *s, struct batch **b, struct error *err)
{
	struct parquet_source *p = (struct parquet_source *)s;
	int64_t rows;

	TRY(gather(p, &rows, err));
	if (rows == 0) {
		s->ended = true;
		return END;
	}
	TRY(finish(p, rows, b, err));
	s->rows += rows;
	return OK;
}

/* Whole row groups are passed over by what the footer says of them. */
static enum status parquet_skip(struct source *s, int64_t rows, int64_t *passed, struct error *err)
{
	struct parquet_source *p = (struct parquet_source *)s;

	(void)err;
	*passed = 0;
	while (p->group_left == 0 && p->group + 1 < p->meta.n_groups && p->meta.groups[p->group + 1].rows <= rows - *passed)
		*passed += p->meta.groups[++p->group].rows;
	s->rows += *passed;
	return OK;
}

static void parquet_close(struct source *s)
{
	struct parquet_source *p = (struct parquet_source *)s;

	parquet_tree_release(&p->tree);
	parquet_meta_release(&p->meta);
	schema_release(&s->schema);
	mem_free(p);
}

enum status parquet_source_open(struct source **out, struct input *in, struct error *err)
{
	struct parquet_source *p = mem_zalloc(sizeof(*p));

	p->s = (struct source){ .next = parquet_next, .skip = parquet_skip, .close = parquet_close, .in = in, .foreign = true };
	p->group = -1;
	p->row_bytes = 1;
	*out = &p->s;
	TRY(parquet_meta_read(&p->meta, &p->s, err));
	TRY(parquet_schema_read(&p->meta, &p->s.schema, &p->tree, err));
	schema_set_meta(&p->s.schema, "huggingface", p->meta.huggingface);
	for (int i = 0; i < p->tree.n_leaves; i++)
		p->tree.leaves[i].pages.source = &p->s;
	return check_groups(p, err);
}
