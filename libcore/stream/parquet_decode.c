/* parquet_decode.c - Parquet's encodings, one value at a time. Sources: Encodings.md of apache/parquet-format. */
#include "stream/parquet.h"

#include <string.h>

enum {
	ENC_PLAIN = 0, ENC_PLAIN_DICTIONARY = 2, ENC_RLE = 3, ENC_DELTA_PACKED = 5, ENC_DELTA_LENGTH = 6, ENC_DELTA_BYTES = 7,
	ENC_DICTIONARY = 8, ENC_SPLIT = 9
};

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		if (*p >= end)
			return false;
		uint8_t b = *(*p)++;
		*v |= (uint64_t)(b & 127) << shift;
		if (!(b & 128))
			return true;
	}
	return false;
}

/* width (1 to 64) bits from the bit-th on, least significant first; bits past end are 0. */
static uint64_t bits_at(const uint8_t *p, const uint8_t *end, uint64_t bit, int width)
{
	const uint8_t *from = p + (bit >> 3);
	size_t left = from < end ? (size_t)(end - from) : 0;
	int shift = (int)(bit & 7);
	uint64_t v = 0;

	if (left >= 8)
		memcpy(&v, from, 8);
	else if (left)
		memcpy(&v, from, left);
	v >>= shift;
	if (shift + width > 64 && left > 8)
		v |= (uint64_t)from[8] << (64 - shift);
	return width == 64 ? v : v & (((uint64_t)1 << width) - 1);
}

/* --- runs and packed groups -------------------------------------------------------------------------- */

void parquet_rle_open(struct parquet_rle *r, const uint8_t *p, const uint8_t *end, int width)
{
	*r = (struct parquet_rle){ .p = p, .end = end, .width = width };
}

static bool next_group(struct parquet_rle *r)
{
	uint64_t head, bytes = (uint64_t)(r->width + 7) / 8;

	if (!varint(&r->p, r->end, &head))
		return false;
	uint64_t left = (uint64_t)(r->end - r->p);
	if (head & 1) {
		/* The last group may lack the bytes of the values that nobody needs. */
		uint64_t groups = head >> 1, whole = groups <= left ? groups * (uint64_t)r->width : UINT64_MAX;
		bytes = whole < left ? whole : left;
		r->packed = bytes == whole ? groups * 8 : bytes * 8 / (uint64_t)r->width;
		r->bits = r->p;
		r->bit = 0;
	} else {
		if (bytes > left)
			return false;
		r->value = 0;
		memcpy(&r->value, r->p, bytes);
		if (r->width < 32 && r->value >> r->width)
			return false;
		r->run = head >> 1;
	}
	r->p += bytes;
	return true;
}

bool parquet_rle_next(struct parquet_rle *r, uint32_t *v)
{
	*v = 0;
	if (r->width == 0)
		return true;
	while (r->run == 0 && r->packed == 0)
		if (!next_group(r))
			return false;
	if (r->run) {
		r->run--;
		*v = r->value;
		return true;
	}
	*v = (uint32_t)bits_at(r->bits, r->end, r->bit, r->width);
	r->bit += (uint64_t)r->width;
	r->packed--;
	return true;
}

/* --- differences --------------------------------------------------------------------------------------- */

static uint64_t unzigzag(uint64_t v)
{
	return (v >> 1) ^ -(v & 1);
}

bool parquet_delta_open(struct parquet_delta *d, const uint8_t *p, const uint8_t *end)
{
	uint64_t minis, first;

	*d = (struct parquet_delta){ .p = p, .end = end, .first = true };
	if (!varint(&d->p, end, &d->per_block) || !varint(&d->p, end, &minis) || !varint(&d->p, end, &d->left) ||
	    !varint(&d->p, end, &first))
		return false;
	if (minis == 0 || minis > 4096 || d->per_block == 0 || d->per_block > 1 << 24 || d->per_block % minis || d->left > INT64_MAX)
		return false;
	d->minis = d->mini = (int)minis;
	d->per_mini = d->per_block / minis;
	d->value = unzigzag(first);
	return d->per_mini % 8 == 0;
}

static bool next_mini(struct parquet_delta *d)
{
	uint64_t v;

	if (d->mini == d->minis) {
		if (!varint(&d->p, d->end, &v) || (uint64_t)(d->end - d->p) < (uint64_t)d->minis)
			return false;
		d->least = unzigzag(v);
		d->widths = d->p;
		d->p += d->minis;
		d->mini = 0;
	}
	d->width = d->widths[d->mini++];
	if (d->width > 64)
		return false;
	uint64_t bytes = d->per_mini / 8 * (uint64_t)d->width, left = (uint64_t)(d->end - d->p);
	/* The last miniblock may end with its last value. */
	if (bytes > left && (d->left < d->per_mini ? (d->left * (uint64_t)d->width + 7) / 8 : bytes) > left)
		return false;
	d->bits = d->p;
	d->bit = 0;
	d->p += bytes < left ? bytes : left;
	d->mini_left = d->per_mini;
	return true;
}

bool parquet_delta_next(struct parquet_delta *d, int64_t *v)
{
	if (d->left == 0)
		return false;
	if (d->first) {
		d->first = false;
	} else {
		if (d->mini_left == 0 && !next_mini(d))
			return false;
		d->value += d->least + (d->width ? bits_at(d->bits, d->end, d->bit, d->width) : 0);
		d->bit += (uint64_t)d->width;
		d->mini_left--;
	}
	d->left--;
	*v = (int64_t)d->value;
	return true;
}

/* Where the numbers end; d itself stays at its first. */
static const uint8_t *delta_end(const struct parquet_delta *d)
{
	struct parquet_delta walk = *d;
	int64_t v;

	while (walk.left)
		if (!parquet_delta_next(&walk, &v))
			return NULL;
	return walk.p;
}

/* --- values ------------------------------------------------------------------------------------------------ */

static enum status corrupt(struct error *err, const char *what)
{
	return error_set(err, ERR_DATA, "%s are corrupt", what);
}

static enum status open_dictionary_indices(struct parquet_values *v, struct error *err)
{
	if (!v->dictionary || (!v->dictionary->texts && !v->dictionary->bytes.data && v->dictionary->n))
		return error_set(err, ERR_DATA, "a dictionary-encoded page without a dictionary");
	if (v->p == v->end) { /* a page of nulls */
		parquet_rle_open(&v->rle, v->p, v->end, 1);
		return OK;
	}
	if (*v->p > 32)
		return corrupt(err, "dictionary indices");
	parquet_rle_open(&v->rle, v->p + 1, v->end, *v->p);
	return OK;
}

static enum status open_boolean_runs(struct parquet_values *v, struct error *err)
{
	uint32_t n;

	if (v->end - v->p < 4)
		return corrupt(err, "booleans");
	memcpy(&n, v->p, 4);
	if (n > (uint64_t)(v->end - v->p) - 4)
		return corrupt(err, "booleans");
	parquet_rle_open(&v->rle, v->p + 4, v->p + 4 + n, 1);
	return OK;
}

static enum status open_deltas(struct parquet_values *v, struct error *err)
{
	if (v->p == v->end)
		return OK; /* no values: the first that is asked for is an error */
	if (!parquet_delta_open(&v->numbers, v->p, v->end))
		return corrupt(err, "differences");
	if (v->encoding == ENC_DELTA_PACKED)
		return OK;
	const uint8_t *next = delta_end(&v->numbers);
	if (next && v->encoding == ENC_DELTA_BYTES) {
		if (!parquet_delta_open(&v->suffixes, next, v->end))
			return corrupt(err, "lengths of suffixes");
		next = delta_end(&v->suffixes);
	}
	if (!next)
		return corrupt(err, "lengths");
	v->p = next;
	return OK;
}

enum status parquet_values_open(struct parquet_values *v, int encoding, const struct parquet_leaf *leaf, const uint8_t *p,
				const uint8_t *end, uint64_t n, const struct parquet_dictionary *dictionary, struct error *err)
{
	struct buf last = v->last;
	bool text = leaf->type == PQ_BYTE_ARRAY, integer = leaf->type == PQ_INT32 || leaf->type == PQ_INT64;

	buf_clear(&last);
	*v = (struct parquet_values){ .encoding = encoding, .type = leaf->type, .width = leaf->width, .p = p, .end = end, .stride = n,
				      .dictionary = dictionary, .last = last };
	if (encoding == ENC_PLAIN)
		return OK;
	if (encoding == ENC_PLAIN_DICTIONARY || encoding == ENC_DICTIONARY) {
		v->encoding = ENC_DICTIONARY;
		return open_dictionary_indices(v, err);
	}
	if (encoding == ENC_RLE && leaf->type == PQ_BOOLEAN)
		return open_boolean_runs(v, err);
	if ((encoding == ENC_DELTA_PACKED && integer) || (encoding == ENC_DELTA_LENGTH && text) ||
	    (encoding == ENC_DELTA_BYTES && (text || leaf->type == PQ_FIXED)))
		return open_deltas(v, err);
	if (encoding == ENC_SPLIT && leaf->width) {
		/* Pages with nulls hold fewer values than levels: what is there tells how many. */
		v->stride = (uint64_t)(end - p) / (uint64_t)leaf->width;
		return OK;
	}
	return error_set(err, ERR_UNSUPPORTED, "encoding %d of values is not supported", encoding);
}

static bool plain_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	uint64_t left = (uint64_t)(v->end - v->p);

	if (v->type == PQ_BOOLEAN) {
		if (v->at >= left * 8)
			return false;
		v->scratch[0] = v->p[v->at >> 3] >> (v->at & 7) & 1;
		v->at++;
		*p = v->scratch;
		*n = 1;
		return true;
	}
	*n = (size_t)v->width;
	if (v->type == PQ_BYTE_ARRAY) {
		uint32_t len;
		if (left < 4)
			return false;
		memcpy(&len, v->p, 4);
		v->p += 4;
		left -= 4;
		*n = len;
	}
	if (*n > left)
		return false;
	*p = v->p;
	v->p += *n;
	return true;
}

static bool dictionary_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	const struct parquet_dictionary *d = v->dictionary;
	uint32_t i;

	if (!parquet_rle_next(&v->rle, &i) || i >= d->n)
		return false;
	if (d->texts) {
		*p = d->texts[i].p;
		*n = d->texts[i].n;
	} else {
		*p = (const uint8_t *)d->bytes.data + (size_t)i * (size_t)d->width;
		*n = (size_t)d->width;
	}
	return true;
}

static bool delta_bytes_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	int64_t prefix = 0, len;

	if (v->encoding == ENC_DELTA_BYTES && (!parquet_delta_next(&v->numbers, &prefix) || prefix < 0 || (uint64_t)prefix > v->last.len))
		return false;
	if (!parquet_delta_next(v->encoding == ENC_DELTA_BYTES ? &v->suffixes : &v->numbers, &len) || len < 0 || len > v->end - v->p)
		return false;
	*p = v->p;
	*n = (size_t)len;
	v->p += len;
	if (v->encoding == ENC_DELTA_LENGTH)
		return true;
	if (prefix + len > PARQUET_PAGE_MAX)
		return false;
	v->last.len = (size_t)prefix;
	buf_add(&v->last, *p, *n);
	*p = (const uint8_t *)v->last.data;
	*n = v->last.len;
	return v->type != PQ_FIXED || *n == (size_t)v->width;
}

static bool delta_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	int64_t number;

	if (!parquet_delta_next(&v->numbers, &number))
		return false;
	memcpy(v->scratch, &number, 8);
	*p = v->scratch;
	*n = (size_t)v->width;
	return true;
}

static bool boolean_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	uint32_t bit;

	if (!parquet_rle_next(&v->rle, &bit))
		return false;
	v->scratch[0] = (uint8_t)bit;
	*p = v->scratch;
	*n = 1;
	return true;
}

/* Byte k of all values stands in the k-th stream. */
static bool split_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	if (v->at >= v->stride)
		return false;
	buf_clear(&v->last);
	for (int k = 0; k < v->width; k++)
		buf_char(&v->last, (char)v->p[(uint64_t)k * v->stride + v->at]);
	v->at++;
	*p = (const uint8_t *)v->last.data;
	*n = (size_t)v->width;
	return true;
}

bool parquet_values_next(struct parquet_values *v, const uint8_t **p, size_t *n)
{
	switch (v->encoding) {
	case ENC_PLAIN: return plain_next(v, p, n);
	case ENC_DICTIONARY: return dictionary_next(v, p, n);
	case ENC_RLE: return boolean_next(v, p, n);
	case ENC_DELTA_PACKED: return delta_next(v, p, n);
	case ENC_SPLIT: return split_next(v, p, n);
	default: return delta_bytes_next(v, p, n);
	}
}

/* --- dictionaries ---------------------------------------------------------------------------------------------- */

enum status parquet_dictionary_open(struct parquet_dictionary *d, const struct parquet_leaf *leaf, int64_t n, struct error *err)
{
	const uint8_t *p = (const uint8_t *)(d->bytes.data ? d->bytes.data : "");
	struct parquet_values v = { .encoding = ENC_PLAIN, .type = leaf->type, .width = leaf->width, .p = p, .end = p + d->bytes.len };
	uint64_t least = leaf->type == PQ_BYTE_ARRAY ? 4 : (uint64_t)leaf->width;

	mem_free(d->texts);
	d->texts = NULL;
	if (leaf->type == PQ_BOOLEAN || n < 0 || n > UINT32_MAX || (uint64_t)n * least > d->bytes.len)
		return error_set(err, ERR_DATA, "a dictionary of %lld values does not fit its page", (long long)n);
	d->n = (uint32_t)n;
	d->width = leaf->width;
	if (leaf->type != PQ_BYTE_ARRAY)
		return OK;
	d->texts = mem_array((size_t)n + 1, sizeof(*d->texts));
	for (uint32_t i = 0; i < d->n; i++)
		if (!plain_next(&v, &d->texts[i].p, &d->texts[i].n))
			return error_set(err, ERR_DATA, "the dictionary is corrupt at value %u", i);
	return OK;
}

void parquet_dictionary_release(struct parquet_dictionary *d)
{
	buf_release(&d->bytes);
	mem_free(d->texts);
	*d = (struct parquet_dictionary){0};
}
