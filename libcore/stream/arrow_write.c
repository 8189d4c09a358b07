/* arrow_write.c - a batch to the buffers of a message body.
 *
 * The bytes depend on rows, schema and options alone: an array that is a slice, or that keeps
 * something behind its nulls (foreign streams may), is rebuilt by a column first. */
#include "stream/arrow.h"
#include "stream/layout.h"

#include <zstd.h>

static int64_t bits_bytes(int64_t bits)
{
	return bits / 8 + (bits % 8 != 0);
}

/* Bits behind the last row are zero. */
static bool tail_clean(const void *bits, int64_t n)
{
	return n % 8 == 0 || (((const uint8_t *)bits)[n / 8] >> (n % 8)) == 0;
}

static bool null_slot_clean(const struct array *a, int64_t row)
{
	if (type_is_fixed(a->field->type)) {
		int width = field_width(a->field);
		const char *p = (const char *)a->values + row * width;
		/* zero, and so are all that follow: each equals the one before */
		return width == 0 || (*p == 0 && memcmp(p, p + 1, (size_t)width - 1) == 0);
	}
	if (a->field->type == T_BOOL)
		return !bit_get(a->values, row);
	return array_offset(a, row) == array_offset(a, row + 1);
}

static bool array_canonical(const struct array *a)
{
	const struct field *f = a->field;
	int64_t child_rows = a->length;

	if (a->offset != 0)
		return false;
	if (type_offset_width(f->type)) {
		if (array_offset(a, 0) != 0)
			return false;
		child_rows = array_offset(a, a->length);
	} else if (f->type == T_FIXED_LIST) {
		child_rows = a->length * f->list_size;
	} else if (f->type == T_BOOL && !tail_clean(a->values, a->length)) {
		return false;
	}
	for (int i = 0; i < f->n_children; i++)
		if (a->children[i].length != child_rows)
			return false;
	if (!a->validity || f->type == T_NULL)
		return true;
	if (a->null_count == 0 || f->type == T_STRUCT || f->type == T_FIXED_LIST || !tail_clean(a->validity, a->length))
		return a->null_count == 0;
	for (int64_t row = 0; row < a->length; row++)
		if (!bit_get(a->validity, row) && !null_slot_clean(a, row))
			return false;
	return true;
}

/* --- gathering ---------------------------------------------------------------------------------- */
static void add_part(struct encoded *e, const void *p, int64_t n)
{
	MEM_PUSH_ROOM(e->parts, e->n_parts, e->cap_parts);
	e->parts[e->n_parts++] = (struct body_part){ p, (size_t)n, NULL };
}

static void add_array(struct encoded *e, const struct array *a)
{
	const struct field *f = a->field;
	int width = type_offset_width(f->type);

	if (e->n_nodes * 2 + 2 > e->cap_nodes) {
		e->cap_nodes = e->cap_nodes * 2 + 32;
		e->nodes = mem_grow(e->nodes, (size_t)e->cap_nodes, sizeof(*e->nodes));
	}
	e->nodes[2 * e->n_nodes] = a->length;
	e->nodes[2 * e->n_nodes++ + 1] = f->type == T_NULL ? a->length : a->null_count;
	if (f->type == T_NULL)
		return;
	add_part(e, a->validity, a->null_count ? bits_bytes(a->length) : 0);
	if (width)
		add_part(e, a->offsets, (a->length + 1) * width);
	if (type_has_bytes(f->type))
		add_part(e, a->values, array_offset(a, a->length));
	else if (f->type == T_BOOL)
		add_part(e, a->values, bits_bytes(a->length));
	else if (type_is_fixed(f->type))
		add_part(e, a->values, a->length * field_width(f));
}

static void gather(struct encoded *e, const struct array *a)
{
	struct array view;

	if (!array_canonical(a)) {
		struct column *c = column_open(a->field);
		for (int64_t row = 0; row < a->length; row++)
			column_copy(c, a, row);
		MEM_PUSH_ROOM(e->rebuilt, e->n_rebuilt, e->cap_rebuilt);
		e->rebuilt[e->n_rebuilt++] = c;
		column_view(c, &e->arena, &view);
		a = &view;
	}
	add_array(e, a);
	for (int i = 0; i < a->field->n_children; i++)
		gather(e, &a->children[i]);
}

/* --- compression -------------------------------------------------------------------------------- */
struct zstd_contexts {
	struct pool *pool;
	ZSTD_CCtx **ctx;                     /* one per worker */
	int n, level;
};

struct zstd_contexts *zstd_contexts_open(struct pool *pool, int level)
{
	struct zstd_contexts *z = mem_alloc(sizeof(*z));

	z->pool = pool;
	z->level = level;
	z->n = pool ? pool_threads(pool) : 1;
	z->ctx = mem_array((size_t)z->n, sizeof(*z->ctx));
	return z;
}

void zstd_contexts_close(struct zstd_contexts *z)
{
	if (!z)
		return;
	for (int i = 0; i < z->n; i++)
		ZSTD_freeCCtx(z->ctx[i]);
	mem_free(z->ctx);
	mem_free(z);
}

struct compress_job {
	struct encoded *e;
	struct zstd_contexts *z;
	enum status *status;                 /* one per part, so that workers share nothing */
};

static void compress_part(void *arg, int64_t i, int worker)
{
	struct compress_job *job = arg;
	struct body_part *part = &job->e->parts[i];
	ZSTD_CCtx **ctx = &job->z->ctx[worker];
	int64_t raw = (int64_t)part->n;

	if (part->n == 0)
		return;
	if (!*ctx)
		*ctx = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(part->n);
	uint8_t *to = mem_try(room + 8);
	job->status[i] = ERR_MEMORY;
	if (!*ctx || !to) {
		mem_free(to);
		return;
	}
	memcpy(to, &raw, 8);
	size_t n = ZSTD_compressCCtx(*ctx, to + 8, room, part->p, part->n, job->z->level);
	part->owned = to;
	if (ZSTD_isError(n))
		return;
	part->p = to;
	part->n = n + 8;
	job->status[i] = OK;
}

static enum status compress(struct encoded *e, struct zstd_contexts *z, struct error *err)
{
	struct compress_job job = { e, z, mem_array((size_t)e->n_parts + 1, sizeof(*job.status)) };
	enum status st = OK;

	pool_run(z->pool, e->n_parts, compress_part, &job);
	for (int i = 0; i < e->n_parts && st == OK; i++)
		st = job.status[i];
	mem_free(job.status);
	e->compressed = true;
	return st == OK ? OK : error_set(err, st, "no memory to compress a batch");
}

enum status arrow_encode_body(struct encoded *e, const struct batch *b, struct zstd_contexts *z, struct error *err)
{
	memset(e, 0, sizeof(*e));
	e->rows = b->rows;
	for (int i = 0; i < b->schema->n_fields; i++)
		gather(e, &b->columns[i]);
	if (z)
		TRY(compress(e, z, err));
	for (int i = 0; i < e->n_parts; i++)
		e->body_bytes += (int64_t)((e->parts[i].n + 63) & ~(size_t)63);
	if (e->body_bytes > ARROW_BODY_MAX)
		return error_set(err, ERR_UNSUPPORTED, "a batch of more than 4 GiB");
	return OK;
}

void encoded_release(struct encoded *e)
{
	for (int i = 0; i < e->n_parts; i++)
		mem_free(e->parts[i].owned);
	for (int i = 0; i < e->n_rebuilt; i++)
		column_close(e->rebuilt[i]);
	mem_free(e->parts);
	mem_free(e->nodes);
	mem_free(e->rebuilt);
	arena_release(&e->arena);
	memset(e, 0, sizeof(*e));
}
