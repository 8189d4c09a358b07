/* arrow_inflate.c - compressed bodies: each buffer is its length and one zstd or LZ4 frame. */
#include "stream/arrow_decode.h"

#include <lz4frame.h>
#include <zstd.h>

enum { CODEC_LZ4 = 0, CODEC_ZSTD = 1 };
#define LZ4_RATIO_MAX 255                         /* a byte of LZ4 stands for no more */

static int64_t load_i64(const uint8_t *p)
{
	int64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* Bytes that a buffer says it inflates to, checked against what its frame can hold; -1 if they disagree. A zstd frame need
 * not tell (streaming writers leave it out): then the limit of a batch holds, and memory is touched as bytes come. */
static int64_t inflated_bytes(const struct piece *piece, int codec)
{
	if (piece->n == 0)
		return 0;
	if (piece->n < 8)
		return -1;
	int64_t n = load_i64(piece->p), packed = piece->n - 8;
	if (n == -1)
		return packed;
	if (n < 0 || (codec == CODEC_LZ4 && n / LZ4_RATIO_MAX > packed))
		return -1;
	if (codec == CODEC_ZSTD) {
		unsigned long long frame = ZSTD_getFrameContentSize(piece->p + 8, (size_t)packed);
		if (frame != ZSTD_CONTENTSIZE_UNKNOWN && frame != (unsigned long long)n)
			return -1;
	}
	return n;
}

/* One whole LZ4 frame, of exactly n bytes. */
static bool inflate_lz4(uint8_t *to, int64_t n, const uint8_t *from, int64_t packed)
{
	LZ4F_dctx *ctx = NULL;
	size_t at = 0, used = 0, rest = 1;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
		return false;
	while (rest && used < (size_t)packed) {
		size_t room = (size_t)n - at, take = (size_t)packed - used;
		rest = LZ4F_decompress(ctx, to + at, &room, from + used, &take, NULL);
		if (LZ4F_isError(rest) || (room == 0 && take == 0))
			break;
		at += room;
		used += take;
	}
	LZ4F_freeDecompressionContext(ctx);
	return rest == 0 && at == (size_t)n;
}

/* zstd is not used where codec is LZ4. */
static enum status inflate_piece(struct decoder *d, uint32_t i, int codec, ZSTD_DCtx *zstd, uint8_t *to, int64_t n)
{
	struct piece *piece = &d->pieces[i];
	bool good = true;

	if (piece->n == 0)
		return OK;
	const uint8_t *from = piece->p + 8;
	if (load_i64(piece->p) == -1) {
		memcpy(to, from, (size_t)n);
	} else if (codec == CODEC_LZ4) {
		good = inflate_lz4(to, n, from, piece->n - 8);
	} else {
		size_t got = ZSTD_decompressDCtx(zstd, to, (size_t)n, from, (size_t)piece->n - 8);
		good = !ZSTD_isError(got) && got == (size_t)n;
	}
	if (!good)
		return error_set(d->err, ERR_DATA, "buffer %u does not decompress", (unsigned)i);
	*piece = (struct piece){ n ? to : NULL, n };
	return OK;
}

/* Bytes of the block that all buffers inflate into. */
static enum status inflated_total(struct decoder *d, int codec, int64_t *total)
{
	*total = 64;
	for (uint32_t i = 0; i < d->n_pieces; i++) {
		int64_t n = inflated_bytes(&d->pieces[i], codec);
		if (n < 0)
			return error_set(d->err, ERR_DATA, "buffer %u does not decompress", (unsigned)i);
		if (n > ARROW_BODY_MAX - *total)
			return error_set(d->err, ERR_UNSUPPORTED, "batch inflates to more than 4 GiB");
		*total += (n + 63) & ~(int64_t)63;
	}
	return OK;
}

enum status decode_inflate(struct decoder *d, const struct fbs_table *compression)
{
	int codec = (int)fbs_int(compression, 0, 1, CODEC_LZ4);
	int64_t total;

	if ((codec != CODEC_LZ4 && codec != CODEC_ZSTD) || fbs_int(compression, 1, 1, 0) != 0)
		return error_set(d->err, ERR_UNSUPPORTED, "a compression other than LZ4 and zstd");
	TRY(inflated_total(d, codec, &total));
	uint8_t *block = mem_try((size_t)total);
	/* One for all buffers: making one asks the processor what it can do, which takes a virtual machine longer than a small buffer. */
	ZSTD_DCtx *zstd = codec == CODEC_ZSTD ? ZSTD_createDCtx() : NULL;
	uint8_t *at = block;
	enum status st = OK;
	if (!block || (codec == CODEC_ZSTD && !zstd))
		st = error_set(d->err, ERR_MEMORY, "no memory for a batch of %lld bytes", (long long)total);
	for (uint32_t i = 0; i < d->n_pieces && st == OK; i++) {
		int64_t n = inflated_bytes(&d->pieces[i], codec);
		st = inflate_piece(d, i, codec, zstd, at, n);
		at += (n + 63) & ~(int64_t)63;
	}
	ZSTD_freeDCtx(zstd);
	if (st != OK) {
		mem_free(block);
		return st;
	}
	mem_free(d->b->owned);
	input_unmap(&d->b->map);
	d->b->owned = block;
	return OK;
}
