/* parquet_page.c - a column chunk page by page: header, checksum, decompression, and where levels and values begin. */
#include "stream/parquet.h"

#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { PAGE_DATA, PAGE_INDEX, PAGE_DICTIONARY, PAGE_DATA_V2 };
enum { LEVELS_RLE = 3 };

#define HEADER_FIRST 256                         /* bytes; statistics can make a header longer */
#define HEADER_MAX (16 << 20)

struct page_header {
	int64_t type, bytes, packed_bytes, crc;
	int64_t values, encoding, def_encoding, rep_encoding;
	int64_t def_bytes, rep_bytes;            /* v2: of the levels, which are never compressed */
	bool has_crc, compressed;
};

/* --- headers ----------------------------------------------------------------------------------------- */

static void read_data_header(struct thrift *t, struct page_header *h, bool v2)
{
	int id = 0;

	if (t->type != THRIFT_STRUCT) {
		thrift_skip(t);
		return;
	}
	h->def_encoding = h->rep_encoding = LEVELS_RLE;
	while (thrift_field(t, &id)) {
		if (id == 1)
			h->values = thrift_int(t);
		else if (id == (v2 ? 4 : 2))
			h->encoding = thrift_int(t);
		else if (!v2 && id == 3)
			h->def_encoding = thrift_int(t);
		else if (!v2 && id == 4)
			h->rep_encoding = thrift_int(t);
		else if (v2 && id == 5)
			h->def_bytes = thrift_int(t);
		else if (v2 && id == 6)
			h->rep_bytes = thrift_int(t);
		else if (v2 && id == 7)
			h->compressed = thrift_bool(t);
		else
			thrift_skip(t);
	}
}

/* The header at t's start; *used its bytes. False: corrupt, or longer than what there is. */
static bool parse_header(const uint8_t *p, size_t n, struct page_header *h, size_t *used)
{
	struct thrift t = { .p = p, .n = n };
	int id = 0;

	*h = (struct page_header){ .type = -1, .bytes = -1, .packed_bytes = -1, .compressed = true };
	while (thrift_field(&t, &id)) {
		switch (id) {
		case 1: h->type = thrift_int(&t); break;
		case 2: h->bytes = thrift_int(&t); break;
		case 3: h->packed_bytes = thrift_int(&t); break;
		case 4: h->crc = thrift_int(&t); h->has_crc = true; break;
		case 5: case 7: read_data_header(&t, h, false); break;
		case 8: read_data_header(&t, h, true); break;
		default: thrift_skip(&t);
		}
	}
	*used = t.at;
	return !t.bad;
}

static enum status read_bytes(struct parquet_column *c, struct buf *b, int64_t at, size_t n, struct error *err)
{
	buf_clear(b);
	if (n > b->cap) { /* its size is the file's word */
		void *room = mem_try(n + 64);
		if (!room)
			return error_set(err, ERR_MEMORY, "no memory for a page of %zu bytes", n);
		mem_free(room);
	}
	buf_reserve(b, n + 1);
	TRY(input_read_at(c->in, (uint64_t)at, b->data, n, err));
	b->len = n;
	return OK;
}

static enum status read_header(struct parquet_column *c, struct page_header *h, struct error *err)
{
	int64_t left = c->chunk->at + c->chunk->bytes - c->at;

	for (int64_t n = HEADER_FIRST;; n *= 8) {
		size_t used;
		int64_t take = n < left ? n : left;
		TRY(read_bytes(c, &c->header, c->at, (size_t)take, err));
		if (parse_header((const uint8_t *)c->header.data, (size_t)take, h, &used)) {
			c->at += (int64_t)used;
			break;
		}
		if (take == left || n >= HEADER_MAX)
			return error_set(err, ERR_DATA, "a page header is corrupt");
	}
	left = c->chunk->at + c->chunk->bytes - c->at;
	if (h->packed_bytes < 0 || h->packed_bytes > left || h->bytes < 0)
		return error_set(err, ERR_DATA, "a page of %lld bytes, where the chunk has %lld left", (long long)h->packed_bytes,
				 (long long)left);
	if (h->bytes > PARQUET_PAGE_MAX)
		return error_set(err, ERR_UNSUPPORTED, "a page of %lld bytes; the limit is 1 GiB", (long long)h->bytes);
	return OK;
}

/* --- decompression ------------------------------------------------------------------------------------ */

static bool gunzip(const void *from, size_t n, void *to, size_t bytes)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)n, .next_out = to, .avail_out = (uInt)bytes };

	if (inflateInit2(&z, 15 + 32) != Z_OK)
		return false;
	int got = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return got == Z_STREAM_END && z.avail_out == 0;
}

static bool unsnappy(const char *from, size_t n, char *to, size_t bytes)
{
	size_t real = bytes;

	return snappy_uncompressed_length(from, n, &real) == SNAPPY_OK && real == bytes &&
	       snappy_uncompress(from, n, to, &real) == SNAPPY_OK && real == bytes;
}

static enum status inflate_bytes(int codec, const char *from, size_t n, char *to, size_t bytes, struct error *err)
{
	bool good;

	switch (codec) {
	case PQ_PLAIN_BYTES:
		good = n == bytes;
		if (good && n)
			memcpy(to, from, n);
		break;
	case PQ_SNAPPY: good = unsnappy(from, n, to, bytes); break;
	case PQ_GZIP: good = gunzip(from, n, to, bytes); break;
	case PQ_ZSTD: good = ZSTD_decompress(to, bytes, from, n) == bytes; break;
	case PQ_LZ4_RAW: good = LZ4_decompress_safe(from, to, (int)n, (int)bytes) == (int)bytes; break;
	default: {
		static const char *const names[] = { "none", "snappy", "gzip", "LZO", "Brotli", "LZ4 in Hadoop's frame" };
		return error_set(err, ERR_UNSUPPORTED, "compression by %s is not supported", codec >= 0 && codec < 6 ? names[codec] : "an unknown codec");
	}
	}
	return good ? OK : error_set(err, ERR_DATA, "a page does not decompress to its %zu bytes", bytes);
}

/* The page's bytes in out: plain of them (levels of v2) as they are, the rest decompressed. */
static enum status unpack_page(struct parquet_column *c, const struct page_header *h, size_t plain, struct buf *out, struct error *err)
{
	TRY(read_bytes(c, &c->raw, c->at, (size_t)h->packed_bytes, err));
	c->at += h->packed_bytes;
	if (h->has_crc && (uint32_t)crc32(0, (const Bytef *)c->raw.data, (uInt)c->raw.len) != (uint32_t)h->crc)
		return error_set(err, ERR_DATA, "a page's checksum is wrong");
	if (plain > c->raw.len || plain > (size_t)h->bytes)
		return error_set(err, ERR_DATA, "a page's levels reach beyond it");
	buf_clear(out);
	void *room = (size_t)h->bytes > out->cap ? mem_try((size_t)h->bytes + 64) : NULL;
	if ((size_t)h->bytes > out->cap && !room)
		return error_set(err, ERR_MEMORY, "no memory for a page of %lld bytes", (long long)h->bytes);
	mem_free(room);
	buf_reserve(out, (size_t)h->bytes + 1);
	if (plain)
		memcpy(out->data, c->raw.data, plain);
	TRY(inflate_bytes(h->compressed ? c->chunk->codec : PQ_PLAIN_BYTES, c->raw.data + plain, c->raw.len - plain, out->data + plain,
			  (size_t)h->bytes - plain, err));
	out->len = (size_t)h->bytes;
	return OK;
}

/* --- data pages ------------------------------------------------------------------------------------------ */

static int bits_for(int max)
{
	int n = 0;

	while (max >> n)
		n++;
	return n;
}

/* v1: a length of four bytes, then the levels. */
static const uint8_t *open_levels_v1(struct parquet_rle *r, const uint8_t *p, const uint8_t *end, int max)
{
	uint32_t n;

	if (max == 0 || !p) {
		parquet_rle_open(r, p, p, 0);
		return p;
	}
	if (end - p < 4)
		return NULL;
	memcpy(&n, p, 4);
	p += 4;
	if (n > (uint64_t)(end - p))
		return NULL;
	parquet_rle_open(r, p, p + n, bits_for(max));
	return p + n;
}

static enum status open_data_page(struct parquet_column *c, const struct page_header *h, struct error *err)
{
	bool v2 = h->type == PAGE_DATA_V2;
	const struct parquet_leaf *leaf = c->leaf;

	if (h->values < 0 || h->values > c->values_left || h->def_bytes < 0 || h->rep_bytes < 0 ||
	    h->def_bytes + h->rep_bytes > h->bytes)
		return error_set(err, ERR_DATA, "a page of %lld values, where the chunk has %lld left", (long long)h->values,
				 (long long)c->values_left);
	if ((leaf->def_max && h->def_encoding != LEVELS_RLE) || (leaf->rep_max && h->rep_encoding != LEVELS_RLE))
		return error_set(err, ERR_UNSUPPORTED, "levels that are not run-length encoded are not supported");
	TRY(unpack_page(c, h, v2 ? (size_t)(h->def_bytes + h->rep_bytes) : 0, &c->page, err));
	const uint8_t *p = (const uint8_t *)c->page.data, *end = p + c->page.len;
	if (v2) {
		parquet_rle_open(&c->reps, p, p + h->rep_bytes, bits_for(leaf->rep_max));
		p += h->rep_bytes;
		parquet_rle_open(&c->defs, p, p + h->def_bytes, bits_for(leaf->def_max));
		p += h->def_bytes;
	} else {
		p = open_levels_v1(&c->reps, p, end, leaf->rep_max);
		p = open_levels_v1(&c->defs, p, end, leaf->def_max);
		if (!p)
			return error_set(err, ERR_DATA, "a page's levels reach beyond it");
	}
	c->page_left = h->values;
	return parquet_values_open(&c->values, (int)h->encoding, leaf, p, end, (uint64_t)h->values, &c->dictionary, err);
}

static enum status next_page(struct parquet_column *c, struct error *err)
{
	struct page_header h;

	if (c->at >= c->chunk->at + c->chunk->bytes)
		return error_set(err, ERR_DATA, "the chunk ends %lld values too early", (long long)c->values_left);
	TRY(read_header(c, &h, err));
	if (h.type == PAGE_DATA || h.type == PAGE_DATA_V2)
		return open_data_page(c, &h, err);
	if (h.type != PAGE_DICTIONARY) {
		c->at += h.packed_bytes;
		return OK;
	}
	TRY(unpack_page(c, &h, 0, &c->dictionary.bytes, err));
	return parquet_dictionary_open(&c->dictionary, c->leaf, h.values, err);
}

/* --- levels one by one --------------------------------------------------------------------------------------- */

void parquet_column_start(struct parquet_column *c, const struct parquet_chunk *chunk)
{
	c->chunk = chunk;
	c->at = chunk->at;
	c->values_left = chunk->values;
	c->page_left = 0;
	c->loaded = false;
	parquet_dictionary_release(&c->dictionary);
}

enum status parquet_column_peek(struct parquet_column *c, struct error *err)
{
	if (c->loaded)
		return OK;
	if (c->values_left == 0)
		return END;
	while (c->page_left == 0)
		TRY(next_page(c, err));
	if (!parquet_rle_next(&c->reps, &c->rep) || !parquet_rle_next(&c->defs, &c->def) || c->rep > (uint32_t)c->leaf->rep_max ||
	    c->def > (uint32_t)c->leaf->def_max)
		return error_set(err, ERR_DATA, "a page's levels are corrupt");
	c->page_left--;
	c->values_left--;
	c->loaded = true;
	return OK;
}

void parquet_column_release(struct parquet_column *c)
{
	buf_release(&c->header);
	buf_release(&c->raw);
	buf_release(&c->page);
	buf_release(&c->values.last);
	parquet_dictionary_release(&c->dictionary);
}
