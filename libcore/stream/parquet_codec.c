/* parquet_codec.c - the compressions of pages, and memory for what they hold. */
#include "stream/parquet.h"

#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

const char *pq_codec_name(int codec)
{
	static const char *const names[] = { "no", "Snappy", "gzip", "LZO", "Brotli", "Hadoop's LZ4", "zstd", "LZ4" };

	return codec >= 0 && codec < (int)(sizeof(names) / sizeof(names[0])) ? names[codec] : NULL;
}

enum status pq_room(struct pq_block *b, size_t more, struct error *err)
{
	size_t need = b->len + more + PQ_SLACK;

	if (more > PTRDIFF_MAX / 4)
		return error_set(err, ERR_MEMORY, "no memory for %zu bytes", more);
	if (need <= b->cap)
		return OK;
	size_t cap = b->cap * 2 > need ? b->cap * 2 : need;
	uint8_t *p = mem_try(cap);
	if (!p)
		return error_set(err, ERR_MEMORY, "no memory for %zu bytes", cap);
	if (b->len)
		memcpy(p, b->data, b->len);
	mem_free(b->data);
	b->data = p;
	b->cap = cap;
	return OK;
}

void pq_block_release(struct pq_block *b)
{
	mem_free(b->data);
	*b = (struct pq_block){0};
}

static bool inflate_snappy(const uint8_t *from, size_t packed, uint8_t *out, size_t n)
{
	size_t got = n, says;

	return snappy_uncompressed_length((const char *)from, packed, &says) == SNAPPY_OK && says == n &&
	       snappy_uncompress((const char *)from, packed, (char *)out, &got) == SNAPPY_OK && got == n;
}

/* gzip or zlib, one member or several. */
static bool inflate_gzip(const uint8_t *from, size_t packed, uint8_t *out, size_t n)
{
	z_stream z = { .next_in = (Bytef *)from, .avail_in = (uInt)packed, .next_out = out, .avail_out = (uInt)n };
	int rc = Z_OK;

	if (packed > UINT32_MAX || n > UINT32_MAX || inflateInit2(&z, 15 + 32) != Z_OK)
		return false;
	while (rc == Z_OK) {
		rc = inflate(&z, Z_FINISH);
		if (rc == Z_STREAM_END && z.avail_in > 0 && z.avail_out > 0)
			rc = inflateReset(&z);
	}
	bool good = rc == Z_STREAM_END && z.avail_out == 0;
	inflateEnd(&z);
	return good;
}

enum status pq_inflate(int codec, const uint8_t *from, size_t packed, uint8_t *out, size_t n, struct error *err)
{
	bool good = false;

	switch (codec) {
	case PQ_PLAIN_BYTES:
		good = packed == n;
		if (good && n)
			memcpy(out, from, n);
		break;
	case PQ_SNAPPY:
		good = inflate_snappy(from, packed, out, n);
		break;
	case PQ_GZIP:
		good = inflate_gzip(from, packed, out, n);
		break;
	case PQ_ZSTD:
		good = ZSTD_decompress(out, n, from, packed) == n;
		break;
	case PQ_LZ4_RAW:
		good = packed <= INT32_MAX && n <= INT32_MAX &&
		       LZ4_decompress_safe((const char *)from, (char *)out, (int)packed, (int)n) == (int)n;
		break;
	default:
		break;                       /* refused with the footer */
	}
	return good ? OK : error_set(err, ERR_DATA, "does not decompress to %zu bytes (%s)", n, pq_codec_name(codec));
}
