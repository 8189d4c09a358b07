/* arrow_footer.c - the end of an Arrow file: a footer that repeats the schema and lists where each message stands, its size,
 * and the magic. The file is read from its front as the stream that it is; the footer then has to tell of the same. But its
 * dictionaries may stand behind the batches that need them (polars puts them there), so they are fetched first. */
#include "stream/arrow.h"
#include "base/file.h"

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

/* --- dictionaries, by the footer's list --------------------------------------------------------- */
/* The message of a block, from its prefix to the end of its body, which lies in the first end bytes of the input. */
static enum status load_dictionary(struct input *in, const struct file_block *b, int64_t end, struct encodings *e, struct error *err)
{
	struct message m;
	uint32_t prefix[2];

	if (b->offset < 0 || b->body_bytes < 0 || b->metadata_bytes < 16 || b->metadata_bytes > ARROW_METADATA_MAX ||
	    b->body_bytes > ARROW_BODY_MAX || b->offset > end || b->metadata_bytes + b->body_bytes > end - b->offset)
		return wrong(err, "has a dictionary outside the file");
	char *metadata = mem_alloc((size_t)b->metadata_bytes);
	struct body body = { .owned = mem_try((size_t)b->body_bytes + 64) };
	body.p = body.owned;
	enum status st = body.p ? input_read_at(in, (uint64_t)b->offset, metadata, (size_t)b->metadata_bytes, err)
			      : error_set(err, ERR_MEMORY, "no memory for a dictionary of %lld bytes", (long long)b->body_bytes);
	if (st == OK)
		st = input_read_at(in, (uint64_t)(b->offset + b->metadata_bytes), body.owned, (size_t)b->body_bytes, err);
	memcpy(prefix, metadata, sizeof(prefix));
	if (st == OK && (prefix[0] != 0xFFFFFFFFu || prefix[1] != b->metadata_bytes - 8))
		st = wrong(err, "has a dictionary in another place or size");
	if (st == OK)
		st = message_parse(&m, metadata + 8, prefix[1], err);
	if (st == OK && (m.type != ARROW_DICTIONARY || m.body_bytes != b->body_bytes))
		st = wrong(err, "has a dictionary in another place or size");
	if (st == OK) {
		st = arrow_read_dictionary(&m, e, body, err);
		body = (struct body){0};
	}
	body_release(&body);
	mem_free(metadata);
	return st;
}

/* The footer's bytes with the ten that follow it. */
static enum status load_footer(struct input *in, struct buf *tail, struct error *err)
{
	int64_t size = input_size(in);
	uint8_t last[4 + MAGIC_BYTES];
	uint32_t bytes;

	TRY(input_read_at(in, 0, last, 0, err));             /* whether it can */
	if (size < (int64_t)sizeof(last))
		return error_set(err, ERR_DATA, "truncated: the file ends without its footer");
	TRY(input_read_at(in, (uint64_t)size - sizeof(last), last, sizeof(last), err));
	memcpy(&bytes, last, 4);
	if (memcmp(last + 4, "ARROW1", MAGIC_BYTES) != 0)
		return error_set(err, ERR_DATA, "truncated: the file ends without its footer");
	size_t n = (size_t)bytes + sizeof(last);
	if (n > ARROW_FOOTER_MAX || n > (size_t)size)
		return wrong(err, "has an impossible size");
	buf_reserve(tail, n);
	tail->len = n;
	return input_read_at(in, (uint64_t)size - n, tail->data, n, err);
}

static enum status load_dictionaries(struct input *in, struct encodings *e, struct buf *tail, struct error *err)
{
	struct fbs fbs;

	TRY(load_footer(in, tail, err));
	TRY(find_footer(&fbs, (uint8_t *)tail->data, tail->len, err));
	struct fbs_table footer = fbs_root(&fbs);
	footer.b = &fbs;
	struct fbs_vector v = fbs_list(&footer, 2, BLOCK_BYTES);
	if (fbs.bad)
		return wrong(err, "is corrupt");
	int64_t last = 0;
	for (uint32_t i = 0; i < v.count; i++) {
		const struct file_block b = {
			fbs_list_i64(&v, i, BLOCK_BYTES, 0), fbs_list_i64(&v, i, BLOCK_BYTES, 8) & UINT32_MAX,
			fbs_list_i64(&v, i, BLOCK_BYTES, 16), true
		};
		if (b.offset < last)                 /* no dictionary is read twice */
			return wrong(err, "lists dictionaries in another order than they stand");
		TRY(load_dictionary(in, &b, input_size(in), e, err));
		last = b.offset + b.metadata_bytes + b.body_bytes;
	}
	return OK;
}

enum status arrow_load_dictionaries(struct input *in, struct encodings *e, struct error *err)
{
	struct buf tail = {0};
	enum status st = load_dictionaries(in, e, &tail, err);

	buf_release(&tail);
	return st;
}
