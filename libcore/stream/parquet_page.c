/* parquet_page.c - the pages of a column chunk, one after the other: header, checksum, inflation, dictionary, levels. */
#include "stream/parquet.h"
#include "stream/arrow.h"

#include <inttypes.h>
#include <zlib.h>

#define WINDOW_BYTES ((int64_t)256 << 10)     /* had at once where pages are small */
#define HEADER_MAX ((int64_t)16 << 20)        /* statistics are in it */

enum { PAGE_DATA, PAGE_INDEX, PAGE_DICTIONARY, PAGE_DATA_2 };

struct page {
	int32_t type, inflated, bytes;       /* bytes: as stored */
	int32_t values, encoding, def_encoding, rep_encoding;
	int32_t def_bytes, rep_bytes;        /* of PAGE_DATA_2 */
	bool plain;                          /* … whose values are not compressed */
	bool has_crc;
	uint32_t crc;
};

void pq_pages_start(struct pq_pages *g, const struct pq_chunk *chunk)
{
	g->chunk = chunk;
	/* one of no values may be nowhere */
	g->at = chunk->values ? chunk->at : 0;
	g->end = chunk->values ? chunk->at + chunk->bytes : 0;
	g->values_left = chunk->values;
	g->page_left = 0;
	g->window_bytes = 0;
	g->dictionary.there = false;
	g->dictionary.n = 0;
}

void pq_pages_release(struct pq_pages *g)
{
	input_unmap(&g->map);
	pq_block_release(&g->copy);
	pq_block_release(&g->body);
	pq_block_release(&g->dictionary.body);
	pq_block_release(&g->dictionary.slices);
	pq_block_release(&g->values.text);
}

/* --- bytes of the chunk ---------------------------------------------------------------------------------- */
/* n bytes from g->at on (they lie in the chunk), as *p; those before them are forgotten. */
static enum status show(struct pq_pages *g, int64_t n, const uint8_t **p, struct error *err)
{
	int64_t from = g->at - g->window_at;

	if (g->window_bytes == 0 || from < 0 || from > g->window_bytes || n > g->window_bytes - from) {
		int64_t want = n > WINDOW_BYTES ? n : WINDOW_BYTES;
		want = want < g->end - g->at ? want : g->end - g->at;
		g->window_bytes = 0;
		input_unmap(&g->map);
		if (!input_map_at(g->source->in, (uint64_t)g->at, (size_t)want, PQ_SLACK, &g->map, &g->window)) {
			TRY(pq_room(&g->copy, (size_t)want, err));
			TRY(source_input_error(g->source, input_read_at(g->source->in, (uint64_t)g->at, g->copy.data, (size_t)want, err)));
			g->window = g->copy.data;
		}
		g->window_at = g->at;
		g->window_bytes = want;
		from = 0;
	}
	*p = g->window + from;
	return OK;
}

/* --- headers ---------------------------------------------------------------------------------------------- */
/* Of a data page of the first sort, or of a dictionary, which has no levels. */
static void read_data_header(struct thrift *t, const struct thrift_field *outer, bool levels, struct page *h)
{
	struct thrift_field f = {0};

	if (!thrift_struct(t, outer))
		return;
	while (thrift_next(t, &f)) {
		if (f.id == 1)
			h->values = thrift_int32(t, &f);
		else if (f.id == 2)
			h->encoding = thrift_int32(t, &f);
		else if (f.id == 3 && levels)
			h->def_encoding = thrift_int32(t, &f);
		else if (f.id == 4 && levels)
			h->rep_encoding = thrift_int32(t, &f);
		else
			thrift_skip(t, &f);
	}
}

static void read_data_2_header(struct thrift *t, const struct thrift_field *outer, struct page *h)
{
	struct thrift_field f = {0};

	if (!thrift_struct(t, outer))
		return;
	while (thrift_next(t, &f)) {
		switch (f.id) {
		case 1: h->values = thrift_int32(t, &f); break;
		case 4: h->encoding = thrift_int32(t, &f); break;
		case 5: h->def_bytes = thrift_int32(t, &f); break;
		case 6: h->rep_bytes = thrift_int32(t, &f); break;
		case 7: h->plain = !thrift_bool(t, &f); break;
		default: thrift_skip(t, &f);
		}
	}
}

static void read_header(struct thrift *t, struct page *h)
{
	struct thrift_field f = {0};

	*h = (struct page){ .type = -1, .inflated = -1, .bytes = -1, .values = -1, .encoding = -1,
			    .def_encoding = PQ_RLE, .rep_encoding = PQ_RLE };
	while (thrift_next(t, &f)) {
		switch (f.id) {
		case 1: h->type = thrift_int32(t, &f); break;
		case 2: h->inflated = thrift_int32(t, &f); break;
		case 3: h->bytes = thrift_int32(t, &f); break;
		case 4:
			h->has_crc = true;
			h->crc = (uint32_t)thrift_int32(t, &f);
			break;
		case 5: case 7: read_data_header(t, &f, f.id == 5, h); break;
		case 8: read_data_2_header(t, &f, h); break;
		default: thrift_skip(t, &f);
		}
	}
}

/* The header at g->at, which moves behind it. */
static enum status next_header(struct pq_pages *g, struct page *h, struct error *err)
{
	struct thrift t;
	int64_t left = g->end - g->at;
	const uint8_t *p;

	for (int64_t n = 1024;; n *= 8) {
		n = n < left ? n : left;
		TRY(show(g, n, &p, err));
		t = (struct thrift){ .p = p, .end = p + n };
		read_header(&t, h);
		if (!t.cut || n == left || n >= HEADER_MAX)
			break;
	}
	if (t.bad)
		return error_set(err, ERR_DATA, t.cut ? "truncated inside a page header" : "the page header is corrupt");
	g->at += t.p - p;
	if (h->bytes < 0 || h->bytes > g->end - g->at)
		return error_set(err, ERR_DATA, "a page of %" PRId32 " bytes ends behind its column chunk", h->bytes);
	if (h->inflated < 0)
		return error_set(err, ERR_DATA, "impossible page size %" PRId32, h->inflated);
	return OK;
}

/* The page's bytes as stored, checked against its checksum; g->at moves behind them. */
static enum status stored_bytes(struct pq_pages *g, const struct page *h, const uint8_t **p, struct error *err)
{
	TRY(show(g, h->bytes, p, err));
	g->at += h->bytes;
	if (h->has_crc && (uint32_t)crc32(0, *p, (uInt)h->bytes) != h->crc)
		return error_set(err, ERR_DATA, "a page's checksum is wrong");
	return OK;
}

/* --- dictionaries ------------------------------------------------------------------------------------------- */
static enum status slice_dictionary(struct pq_pages *g, const struct page *h, struct error *err)
{
	struct pq_dictionary *d = &g->dictionary;
	const uint8_t *p = d->body.data;

	if (h->values > h->inflated / 4)
		return error_set(err, ERR_DATA, "%" PRId32 " strings in a dictionary of %" PRId32 " bytes", h->values, h->inflated);
	TRY(pq_room(&d->slices, (size_t)h->values * sizeof(struct pq_slice), err));
	struct pq_slice *s = (struct pq_slice *)d->slices.data;
	TRY(pq_plain_slices(&p, p + h->inflated, h->values, s, err));
	for (int32_t i = 0; g->text && i < h->values; i++)
		if (!utf8_valid((const char *)s[i].p, s[i].n))
			return error_set(err, ERR_DATA, "text %" PRId32 " of the dictionary is not UTF-8", i);
	return OK;
}

static enum status read_dictionary(struct pq_pages *g, const struct page *h, struct error *err)
{
	struct pq_dictionary *d = &g->dictionary;
	const uint8_t *p;

	if (d->there)
		return error_set(err, ERR_DATA, "a second dictionary");
	if (h->values < 0 || (h->encoding != PQ_PLAIN && h->encoding != PQ_PLAIN_DICTIONARY) || g->values.type == PQ_BOOLEAN)
		return error_set(err, ERR_DATA, "an impossible dictionary");
	TRY(stored_bytes(g, h, &p, err));
	d->body.len = 0;
	TRY(pq_room(&d->body, (size_t)h->inflated, err));
	TRY(pq_inflate(g->chunk->codec, p, (size_t)h->bytes, d->body.data, (size_t)h->inflated, err));
	if (g->values.type == PQ_BYTES)
		TRY(slice_dictionary(g, h, err));
	else if ((int64_t)h->values * g->values.width > h->inflated)
		return error_set(err, ERR_DATA, "%" PRId32 " values in a dictionary of %" PRId32 " bytes", h->values, h->inflated);
	d->n = h->values;
	d->there = true;
	return OK;
}

/* --- data pages ----------------------------------------------------------------------------------------------- */
static int bits_for(int max)
{
	return max ? 32 - __builtin_clz((unsigned)max) : 0;
}

/* Levels of a page of the first sort, with their length before them; *p moves behind them. */
static enum status open_levels(struct pq_rle *r, int max, int encoding, const uint8_t **p, const uint8_t *end, struct error *err)
{
	uint32_t n = 0;

	if (max == 0)
		return OK;
	if (encoding != PQ_RLE)
		return error_set(err, ERR_UNSUPPORTED, "levels in encoding %d (%s) are not supported", encoding, pq_encoding_name(encoding));
	if (end - *p >= 4)
		memcpy(&n, *p, 4);
	if (end - *p < 4 || n > (size_t)(end - *p) - 4)
		return error_set(err, ERR_DATA, "levels end behind their page");
	*p += 4;
	pq_rle_open(r, *p, *p + n, bits_for(max));
	*p += n;
	return OK;
}

static enum status data_page(struct pq_pages *g, const struct page *h, const uint8_t *p, struct error *err)
{
	if (g->chunk->codec != PQ_PLAIN_BYTES) {
		g->body.len = 0;
		TRY(pq_room(&g->body, (size_t)h->inflated, err));
		TRY(pq_inflate(g->chunk->codec, p, (size_t)h->bytes, g->body.data, (size_t)h->inflated, err));
		p = g->body.data;
	} else if (h->bytes != h->inflated) {
		return error_set(err, ERR_DATA, "two sizes of a page that is not compressed");
	}
	const uint8_t *end = p + h->inflated;
	TRY(open_levels(&g->rep, g->max_rep, h->rep_encoding, &p, end, err));
	TRY(open_levels(&g->def, g->max_def, h->def_encoding, &p, end, err));
	return pq_values_open(&g->values, h->encoding, p, (size_t)(end - p), &g->dictionary, err);
}

/* Pages of the second sort: levels are not compressed, and their lengths stand in the header. */
static enum status data_page_2(struct pq_pages *g, const struct page *h, const uint8_t *p, struct error *err)
{
	int64_t levels = (int64_t)h->rep_bytes + h->def_bytes;

	if (h->rep_bytes < 0 || h->def_bytes < 0 || levels > h->bytes || levels > h->inflated)
		return error_set(err, ERR_DATA, "levels end behind their page");
	size_t stored = (size_t)(h->bytes - levels), n = (size_t)(h->inflated - levels);
	pq_rle_open(&g->rep, p, p + h->rep_bytes, bits_for(g->max_rep));
	pq_rle_open(&g->def, p + h->rep_bytes, p + levels, bits_for(g->max_def));
	p += levels;
	/* a page of nulls has no values, and may have nothing where they would be */
	if (g->chunk->codec != PQ_PLAIN_BYTES && !h->plain && (stored || n)) {
		g->body.len = 0;
		TRY(pq_room(&g->body, n, err));
		TRY(pq_inflate(g->chunk->codec, p, stored, g->body.data, n, err));
		p = g->body.data;
	} else if (stored != n) {
		return error_set(err, ERR_DATA, "two sizes of a page that is not compressed");
	}
	return pq_values_open(&g->values, h->encoding, p, n, &g->dictionary, err);
}

static enum status read_data(struct pq_pages *g, const struct page *h, struct error *err)
{
	const uint8_t *p;

	if (h->values < 0 || h->values > g->values_left)
		return error_set(err, ERR_DATA, "a page of %" PRId32 " values, where the column chunk has %" PRId64 " left",
				 h->values, g->values_left);
	TRY(stored_bytes(g, h, &p, err));
	TRY(h->type == PAGE_DATA ? data_page(g, h, p, err) : data_page_2(g, h, p, err));
	g->values_left -= h->values;
	g->page_left = h->values;
	return OK;
}

static enum status read_page(struct pq_pages *g, struct error *err)
{
	struct page h;

	if (g->at >= g->end)
		return error_set(err, ERR_DATA, "truncated: %" PRId64 " values are missing", g->values_left);
	TRY(next_header(g, &h, err));
	if (h.type == PAGE_DATA || h.type == PAGE_DATA_2)
		return read_data(g, &h, err);
	if (h.type == PAGE_DICTIONARY)
		return read_dictionary(g, &h, err);
	g->at += h.bytes;                    /* an index, or something newer than this program */
	return OK;
}

enum status pq_pages_next(struct pq_pages *g, struct error *err)
{
	g->page_left = 0;
	while (g->page_left == 0) {
		int64_t at = g->at;
		if (g->values_left == 0)
			return END;
		enum status st = read_page(g, err);
		if (st != OK)
			return g->source->named ? st : error_prefix(err, st, "page at byte %" PRId64, at);
	}
	return OK;
}
