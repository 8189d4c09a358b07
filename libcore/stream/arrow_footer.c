/* arrow_footer.c - the end of an Arrow file: a footer that repeats the schema and lists where each message stands, its size,
 * and the magic. The file is read from its front as the stream that it is; the footer then has to tell of the same. */
#include "stream/arrow.h"

#define MAGIC_BYTES 6
#define BLOCK_BYTES 24

static enum status wrong(struct error *err, const char *what)
{
	return error_set(err, ERR_DATA, "the footer %s", what);
}

/* The footer's flatbuffer, which ends ten bytes before the file's end; only padding may stand before it. */
static enum status find_footer(struct fbs *fbs, const uint8_t *p, size_t n, struct error *err)
{
	uint32_t bytes;

	if (n < 4 + MAGIC_BYTES || memcmp(p + n - MAGIC_BYTES, "ARROW1", MAGIC_BYTES) != 0)
		return error_set(err, ERR_DATA, "truncated: ends inside the footer of the file");
	n -= 4 + MAGIC_BYTES;
	memcpy(&bytes, p + n, 4);
	if (bytes == 0 || bytes > n)
		return wrong(err, "has an impossible size");
	for (size_t i = 0; i < n - bytes; i++)
		if (p[i] != 0)
			return wrong(err, "stands behind bytes that belong to nothing");
	*fbs = (struct fbs){ p + n - bytes, bytes, false };
	return OK;
}

/* One of the footer's two lists against the messages of that type. */
static enum status check_blocks(const struct fbs_vector *v, const struct file_block *blocks, int64_t n, bool dictionaries,
				struct error *err)
{
	const char *what = dictionaries ? "dictionary" : "batch", *many = dictionaries ? "dictionaries" : "batches";
	uint32_t listed = 0;

	for (int64_t i = 0; i < n; i++) {
		const struct file_block *b = &blocks[i];
		if (b->dictionary != dictionaries)
			continue;
		if (listed == v->count)
			return error_set(err, ERR_DATA, "the footer lists %u %s, and the file has more", (unsigned)v->count, many);
		int64_t metadata = fbs_list_i64(v, listed, BLOCK_BYTES, 8) & UINT32_MAX;
		if (fbs_list_i64(v, listed, BLOCK_BYTES, 0) != b->offset || metadata != b->metadata_bytes ||
		    fbs_list_i64(v, listed, BLOCK_BYTES, 16) != b->body_bytes)
			return error_set(err, ERR_DATA, "the footer has %s %u in another place or size", what, (unsigned)listed);
		listed++;
	}
	if (listed != v->count)
		return error_set(err, ERR_DATA, "the footer lists %u %s, and the file has %u", (unsigned)v->count, many, (unsigned)listed);
	return OK;
}

static enum status check_schema(struct fbs_table *footer, const struct schema *s, struct error *err)
{
	struct fbs_table t = fbs_child(footer, 1);
	struct schema again;

	if (footer->b->bad || !t.pos)
		return wrong(err, "is corrupt");
	TRY(arrow_read_schema_table(&t, &again, err));
	bool same = schema_equal(&again, s);
	schema_release(&again);
	return same ? OK : wrong(err, "has another schema than the file's front");
}

enum status arrow_check_footer(const void *tail, size_t n, const struct schema *s, const struct file_block *blocks,
			       int64_t n_blocks, struct error *err)
{
	struct fbs fbs;

	TRY(find_footer(&fbs, tail, n, err));
	struct fbs_table footer = fbs_root(&fbs);
	footer.b = &fbs;
	TRY(check_schema(&footer, s, err));
	struct fbs_vector dictionaries = fbs_list(&footer, 2, BLOCK_BYTES), batches = fbs_list(&footer, 3, BLOCK_BYTES);
	if (fbs.bad)
		return wrong(err, "is corrupt");
	TRY(check_blocks(&dictionaries, blocks, n_blocks, true, err));
	return check_blocks(&batches, blocks, n_blocks, false, err);
}
