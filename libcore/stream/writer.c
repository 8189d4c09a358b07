/* writer.c - batches to an Arrow stream of ours, or to JSON Lines. */
#include "stream/arrow.h"
#include "stream/stream.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct writer {
	struct output *out;
	struct schema schema;
	struct provenance *prov;                 /* the caller's, may be NULL */
	bool arrow, standard, broken;            /* standard: stdout; broken: a write failed */
	struct zstd_contexts *zstd;              /* NULL = plain bodies */
	struct hasher *total;
	struct builder *builder;                 /* made when first asked for */
	struct pool *pool;
	struct pending {                         /* built batches that wait to be compressed side by side */
		struct batch *b;
		struct encoded e;
		enum status st;
		struct error err;
	} *pending;
	int n_pending, depth;                    /* depth 1: none waits */
	int64_t rows, batches;
	struct buf text;                         /* metadata or JSON Lines being made */
};

static enum status put(struct writer *w, const void *p, size_t n, struct error *err)
{
	enum status st = n ? output_write(w->out, p, n, err) : OK;

	w->broken |= st != OK;
	return st;
}

/* Bytes that the stream's checksum covers: all but bodies, whose own checksums stand in what it covers. */
static enum status put_summed(struct writer *w, const void *p, size_t n, struct error *err)
{
	hasher_add(w->total, p, n);
	return put(w, p, n, err);
}

static enum status put_prefix(struct writer *w, struct error *err)
{
	const uint32_t prefix[2] = { 0xFFFFFFFFu, (uint32_t)w->text.len };

	if (w->text.len > ARROW_METADATA_MAX)
		return error_set(err, ERR_UNSUPPORTED, "%s: metadata of more than 16 MiB", output_name(w->out));
	return put_summed(w, prefix, sizeof(prefix), err);
}

static const char padding[64];

static enum status put_body(struct writer *w, const struct encoded *e, struct error *err)
{
	for (int i = 0; i < e->n_parts; i++) {
		size_t n = e->parts[i].n;
		TRY(put(w, e->parts[i].p, n, err));
		TRY(put(w, padding, -n & 63, err));
	}
	return OK;
}

static uint64_t body_sum(const struct encoded *e)
{
	struct hasher *h = hasher_open();

	for (int i = 0; i < e->n_parts; i++) {
		hasher_add(h, e->parts[i].p, e->parts[i].n);
		hasher_add(h, padding, -e->parts[i].n & 63);
	}
	uint64_t sum = hasher_64(h);
	hasher_close(h);
	return sum;
}

/* --- opening ------------------------------------------------------------------------------------ */
static enum status put_schema(struct writer *w, enum kind kind, struct error *err)
{
	schema_set_meta(&w->schema, "quern.kind", kind == KIND_OTHER ? NULL : kind_name(kind));
	schema_set_meta(&w->schema, "quern.version", STREAM_VERSION);
	schema_set_meta(&w->schema, "quern.provenance", NULL);
	if (w->prov) {
		struct buf chain = {0};
		provenance_print(w->prov, &chain);
		schema_set_meta(&w->schema, "quern.provenance", chain.data);
		buf_release(&chain);
	}
	if (!w->arrow)
		return OK;
	arrow_write_schema(&w->schema, &w->text);
	TRY(put_prefix(w, err));
	return put_summed(w, w->text.data, w->text.len, err);
}

/* Streams are plain on pipes and compressed in files, however the file came to be stdout or the pipe to have a name. */
static int default_level(const struct output *out)
{
	return output_is_file(out) ? 3 : 0;
}

enum status writer_open(struct writer **out, const char *path, const struct schema *schema, enum kind kind,
			struct provenance *prov, const struct writer_options *o, struct error *err)
{
	static const struct writer_options defaults = { FORMAT_AUTO, -1, NULL };
	struct writer *w = mem_zalloc(sizeof(*w));

	*out = NULL;
	if (!o)
		o = &defaults;
	enum status st = output_open(&w->out, path, err);
	if (st != OK) {
		mem_free(w);
		return st;
	}
	schema_copy(&w->schema, schema);
	w->prov = prov;
	w->standard = !path || strcmp(path, "-") == 0;
	w->arrow = o->format == FORMAT_ARROW || (o->format == FORMAT_AUTO && !output_is_tty(w->out));
	w->total = hasher_open();
	int level = o->zstd_level < 0 ? default_level(w->out) : o->zstd_level;
	if (w->arrow && level > 0)
		w->zstd = zstd_contexts_open(o->pool, level);
	w->pool = o->pool;
	w->depth = w->zstd && pool_threads(o->pool) > 1 ? 2 * pool_threads(o->pool) : 1;
	w->pending = mem_array((size_t)w->depth, sizeof(*w->pending));
	st = put_schema(w, kind, err);
	if (st != OK)
		writer_abort(w);
	else
		*out = w;
	return st;
}

/* --- batches ------------------------------------------------------------------------------------ */
static enum status put_batch(struct writer *w, const struct encoded *e, struct error *err)
{
	char seq[24], sum[24];

	snprintf(seq, sizeof(seq), "%" PRId64, w->batches++);
	snprintf(sum, sizeof(sum), "%016" PRIx64, body_sum(e));
	struct message_pair pairs[] = { { "quern.seq", seq, 0 }, { "quern.xxh3", sum, 0 } };
	arrow_encode_message(e, pairs, 2, &w->text);
	TRY(put_prefix(w, err));
	TRY(put_summed(w, w->text.data, w->text.len, err));
	return put_body(w, e, err);
}

static enum status write_arrow(struct writer *w, const struct batch *b, struct error *err)
{
	struct encoded e;
	enum status st = arrow_encode_body(&e, b, w->zstd, err);

	if (st == OK)
		st = put_batch(w, &e, err);
	encoded_release(&e);
	return st;
}

static void encode_task(void *arg, int64_t i, int worker)
{
	struct writer *w = arg;
	struct pending *p = &w->pending[i];

	(void)worker;
	p->st = arrow_encode_body(&p->e, p->b, w->zstd, &p->err);
}

/* Compresses what waits, a batch a thread, and writes it in order. */
static enum status write_pending(struct writer *w, struct error *err)
{
	enum status st = OK;

	pool_run(w->pool, w->n_pending, encode_task, w);
	for (int i = 0; i < w->n_pending; i++) {
		struct pending *p = &w->pending[i];
		if (st == OK && p->st != OK)
			*err = p->err;
		st = st == OK ? p->st : st;
		if (st == OK)
			st = put_batch(w, &p->e, err);
		encoded_release(&p->e);
		batch_release(p->b);
	}
	w->n_pending = 0;
	return st;
}

static enum status write_jsonl(struct writer *w, const struct batch *b, struct error *err)
{
	buf_clear(&w->text);
	for (int64_t row = 0; row < b->rows; row++) {
		struct json_writer j = json_writer_open(&w->text, 0);
		batch_json(b, row, &j);
		buf_char(&w->text, '\n');
		if (w->text.len >= STREAM_BATCH_BYTES) {
			TRY(put(w, w->text.data, w->text.len, err));
			buf_clear(&w->text);
		}
	}
	return put(w, w->text.data, w->text.len, err);
}

enum status writer_write(struct writer *w, struct batch *b, struct error *err)
{
	if (!schema_equal(&w->schema, b->schema))
		return error_set(err, ERR_USAGE, "%s: a batch whose columns are not those of the stream", output_name(w->out));
	TRY(write_pending(w, err));
	TRY(w->arrow ? write_arrow(w, b, err) : write_jsonl(w, b, err));
	w->rows += b->rows;
	return OK;
}

struct builder *writer_builder(struct writer *w)
{
	if (!w->builder)
		w->builder = builder_open(&w->schema);
	return w->builder;
}

static enum status write_built(struct writer *w, struct error *err)
{
	struct batch *b = builder_finish(w->builder);

	if (w->depth == 1) {
		enum status st = writer_write(w, b, err);
		batch_release(b);
		return st;
	}
	w->rows += b->rows;
	w->pending[w->n_pending++].b = b;
	return w->n_pending == w->depth ? write_pending(w, err) : OK;
}

enum status writer_row(struct writer *w, struct error *err)
{
	if (builder_rows(w->builder) >= STREAM_BATCH_ROWS || builder_bytes(w->builder) >= STREAM_BATCH_BYTES)
		return write_built(w, err);
	return OK;
}

/* --- ending ------------------------------------------------------------------------------------- */
static void writer_free(struct writer *w)
{
	for (int i = 0; i < w->n_pending; i++)
		batch_release(w->pending[i].b);
	mem_free(w->pending);
	builder_close(w->builder);
	zstd_contexts_close(w->zstd);
	hasher_close(w->total);
	buf_release(&w->text);
	schema_release(&w->schema);
	mem_free(w);
}

/* The checksum covers its own message too, body and all, its digits taken as zeros until they are known. */
static enum status put_closing(struct writer *w, const struct encoded *e, const char *chain, struct error *err)
{
	char rows[24], batches[24], sum[24];

	snprintf(rows, sizeof(rows), "%" PRId64, w->rows);
	snprintf(batches, sizeof(batches), "%" PRId64, w->batches);
	struct message_pair pairs[] = {
		{ "quern.end", "1", 0 }, { "quern.rows", rows, 0 }, { "quern.batches", batches, 0 },
		{ "quern.xxh3", "0000000000000000", 0 }, { "quern.provenance", chain, 0 }
	};
	arrow_encode_message(e, pairs, chain ? 5 : 4, &w->text);
	TRY(put_prefix(w, err));
	hasher_add(w->total, w->text.data, w->text.len);
	for (int i = 0; i < e->n_parts; i++) {
		hasher_add(w->total, e->parts[i].p, e->parts[i].n);
		hasher_add(w->total, padding, -e->parts[i].n & 63);
	}
	snprintf(sum, sizeof(sum), "%016" PRIx64, hasher_64(w->total));
	memcpy(w->text.data + pairs[3].at, sum, 16);
	TRY(put(w, w->text.data, w->text.len, err));
	TRY(put_body(w, e, err));
	return put(w, "\xff\xff\xff\xff\0\0\0\0", 8, err);
}

static enum status write_closing(struct writer *w, struct error *err)
{
	struct builder *none = builder_open(&w->schema);
	struct batch *b = builder_finish(none);
	struct buf chain = {0};
	struct encoded e;

	if (w->prov)
		provenance_print(w->prov, &chain);
	enum status st = arrow_encode_body(&e, b, w->zstd, err);
	if (st == OK)
		st = put_closing(w, &e, w->prov ? chain.data : NULL, err);
	encoded_release(&e);
	buf_release(&chain);
	batch_release(b);
	builder_close(none);
	return st;
}

enum status writer_commit(struct writer *w, struct error *err)
{
	enum status st = OK;

	if (w->builder && builder_rows(w->builder) > 0)
		st = write_built(w, err);
	if (st == OK)
		st = write_pending(w, err);
	if (st == OK && w->arrow)
		st = write_closing(w, err);
	if (st != OK) {
		writer_abort(w);
		return st;
	}
	st = output_commit(w->out, err);
	writer_free(w);
	return st;
}

/* On a pipe what was written stays; a header that nothing follows makes every reader fail, also
 * those that take the end of the pipe for the end of the stream. */
void writer_abort(struct writer *w)
{
	static const uint32_t failed[2] = { 0xFFFFFFFFu, 8 };

	if (!w)
		return;
	if (w->standard && !w->broken) {
		enum status st = w->arrow ? output_write(w->out, failed, sizeof(failed), NULL) : OK;
		if (st == OK)
			output_flush(w->out, NULL);
	}
	output_abort(w->out);
	writer_free(w);
}

int64_t writer_rows(const struct writer *w)
{
	return w->rows + (w->builder ? builder_rows(w->builder) : 0);
}

const struct schema *writer_schema(const struct writer *w)
{
	return &w->schema;
}
