/* parquet_values.c - the values of a page, whatever encoding they have. */
#include "stream/parquet.h"

#include "stream/layout.h"

#define AHEAD_BYTES 1024

const char *pq_encoding_name(int encoding)
{
	static const char *const names[] = {
		"PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY",
		"DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"
	};

	return encoding >= 0 && encoding < (int)(sizeof(names) / sizeof(names[0])) ? names[encoding] : "unknown";
}

static enum status ended(struct error *err)
{
	return error_set(err, ERR_DATA, "values end early");
}

/* --- opening ------------------------------------------------------------------------------------------- */
static enum status open_dictionary(struct pq_values *v, const struct pq_dictionary *dictionary, struct error *err)
{
	if (!dictionary->there)
		return error_set(err, ERR_DATA, "indices without a dictionary");
	if (v->p == v->end) {                /* a page of nulls may leave out even the width */
		pq_rle_open(&v->rle, v->p, v->end, 0);
	} else {
		int bits = *v->p++;
		if (bits > 32)
			return error_set(err, ERR_DATA, "dictionary indices of %d bits", bits);
		pq_rle_open(&v->rle, v->p, v->end, bits);
	}
	v->dictionary = dictionary;
	return OK;
}

static enum status open_run_booleans(struct pq_values *v, struct error *err)
{
	uint32_t n = 0;

	if (v->end - v->p >= 4)
		memcpy(&n, v->p, 4);
	if (v->end - v->p < 4 || n > (size_t)(v->end - v->p) - 4)
		return ended(err);
	pq_rle_open(&v->rle, v->p + 4, v->p + 4 + n, 1);
	return OK;
}

/* Lengths of strings in d, their bytes from p on. */
static enum status open_lengths(struct pq_values *v, struct error *err)
{
	const uint8_t *after = pq_delta_open(&v->delta, v->p, v->end) ? pq_delta_end(&v->delta) : NULL;

	if (!after)
		return error_set(err, ERR_DATA, "deltas are corrupt");
	v->p = after;
	return OK;
}

static enum status open_prefixes(struct pq_values *v, struct error *err)
{
	const uint8_t *after = pq_delta_open(&v->prefix, v->p, v->end) ? pq_delta_end(&v->prefix) : NULL;

	if (!after)
		return error_set(err, ERR_DATA, "deltas are corrupt");
	v->p = after;
	v->text.len = v->last = 0;
	return open_lengths(v, err);
}

enum status pq_values_open(struct pq_values *v, int encoding, const uint8_t *p, size_t n,
			   const struct pq_dictionary *dictionary, struct error *err)
{
	bool whole = v->type == PQ_INT32 || v->type == PQ_INT64;
	bool split = v->type == PQ_FIXED || v->type == PQ_FLOAT || v->type == PQ_DOUBLE || whole;

	v->encoding = encoding;
	v->p = p;
	v->end = p + n;
	v->at = 0;
	v->dictionary = NULL;
	if (encoding == PQ_PLAIN)
		return OK;
	if (encoding == PQ_PLAIN_DICTIONARY || encoding == PQ_RLE_DICTIONARY)
		return open_dictionary(v, dictionary, err);
	if (encoding == PQ_RLE && v->type == PQ_BOOLEAN)
		return open_run_booleans(v, err);
	if (encoding == PQ_DELTA_BINARY && whole)
		return n == 0 || pq_delta_open(&v->delta, p, v->end) ? OK : error_set(err, ERR_DATA, "deltas are corrupt");
	if (encoding == PQ_DELTA_LENGTH && v->type == PQ_BYTES)
		return open_lengths(v, err);
	if (encoding == PQ_DELTA_BYTES && (v->type == PQ_BYTES || v->type == PQ_FIXED))
		return open_prefixes(v, err);
	if (encoding == PQ_SPLIT && split) {
		v->split = v->width ? (int64_t)n / v->width : 0;
		return OK;
	}
	return error_set(err, ERR_UNSUPPORTED, "encoding %d (%s) is not supported for its type", encoding, pq_encoding_name(encoding));
}

/* --- fixed width ------------------------------------------------------------------------------------------ */
/* Places of n values in the dictionary. */
static enum status take_indices(struct pq_values *v, int64_t n, uint32_t *index, struct error *err)
{
	uint32_t most = 0;

	if (!pq_rle_take(&v->rle, index, n))
		return ended(err);
	for (int64_t i = 0; i < n; i++)
		most = index[i] > most ? index[i] : most;
	if (n > 0 && most >= v->dictionary->n)
		return error_set(err, ERR_DATA, "dictionary index %u, where the dictionary has %lld", (unsigned)most, (long long)v->dictionary->n);
	return OK;
}

static enum status look_up(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	uint32_t index[PQ_STEP];
	const uint8_t *from = v->dictionary->body.data;
	size_t width = (size_t)v->width;

	TRY(take_indices(v, n, index, err));
	if (width == 4)
		for (int64_t i = 0; i < n; i++)
			memcpy(out + i * 4, from + (size_t)index[i] * 4, 4);
	else if (width == 8)
		for (int64_t i = 0; i < n; i++)
			memcpy(out + i * 8, from + (size_t)index[i] * 8, 8);
	else if (width)
		for (int64_t i = 0; i < n; i++)
			memcpy(out + (size_t)i * width, from + index[i] * width, width);
	return OK;
}

static enum status plain_booleans(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	if (v->at + n > (v->end - v->p) * 8)
		return ended(err);
	for (int64_t i = 0; i < n; i++)
		out[i] = bit_get(v->p, v->at + i);
	v->at += n;
	return OK;
}

static enum status run_booleans(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	uint32_t bits[PQ_STEP];

	if (!pq_rle_take(&v->rle, bits, n))
		return ended(err);
	for (int64_t i = 0; i < n; i++)
		out[i] = (uint8_t)bits[i];
	return OK;
}

static enum status deltas(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	uint64_t value[PQ_STEP];

	if (n > 0 && !pq_delta_take(&v->delta, value, n))
		return ended(err);
	for (int64_t i = 0; i < n; i++)
		memcpy(out + i * v->width, &value[i], (size_t)v->width);
	return OK;
}

static enum status split_bytes(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	if (v->width && n > v->split - v->at)
		return ended(err);
	for (int b = 0; b < v->width; b++) {
		const uint8_t *from = v->p + b * v->split + v->at;
		for (int64_t i = 0; i < n; i++)
			out[i * v->width + b] = from[i];
	}
	v->at += n;
	return OK;
}

static enum status delta_strings(struct pq_values *v, int64_t n, struct pq_slice *out, struct error *err);

/* Fixed-width values that are encoded as strings. */
static enum status fixed_strings(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	struct pq_slice s[PQ_STEP];

	TRY(delta_strings(v, n, s, err));
	for (int64_t i = 0; i < n; i++) {
		if (s[i].n != (size_t)v->width)
			return error_set(err, ERR_DATA, "a value of %zu bytes, where each has %d", s[i].n, v->width);
		memcpy(out + i * v->width, s[i].p, s[i].n);
	}
	return OK;
}

enum status pq_values_fixed(struct pq_values *v, int64_t n, uint8_t *out, struct error *err)
{
	size_t bytes = (size_t)n * (size_t)v->width;

	if (v->dictionary)
		return look_up(v, n, out, err);
	switch (v->encoding) {
	case PQ_RLE: return run_booleans(v, n, out, err);
	case PQ_DELTA_BINARY: return deltas(v, n, out, err);
	case PQ_DELTA_BYTES: return fixed_strings(v, n, out, err);
	case PQ_SPLIT: return split_bytes(v, n, out, err);
	default: break;
	}
	if (v->type == PQ_BOOLEAN)
		return plain_booleans(v, n, out, err);
	if (bytes > (size_t)(v->end - v->p))
		return ended(err);
	memcpy(out, v->p, bytes);
	v->p += bytes;
	return OK;
}

/* --- strings ------------------------------------------------------------------------------------------------ */
enum status pq_plain_slices(const uint8_t **at, const uint8_t *end, int64_t n, struct pq_slice *out, struct error *err)
{
	const uint8_t *p = *at;

	for (int64_t i = 0; i < n; i++) {
		uint32_t len;
		if (end - p < 4)
			return ended(err);
		memcpy(&len, p, 4);
		p += 4;
		/* Each length says where the next is: in memory that no cache holds, that is a wait for each string. */
		__builtin_prefetch(p + AHEAD_BYTES);
		__builtin_prefetch(p + AHEAD_BYTES + 64);
		__builtin_prefetch(p + AHEAD_BYTES + 128);
		__builtin_prefetch(p + AHEAD_BYTES + 192);
		if (len > (size_t)(end - p))
			return error_set(err, ERR_DATA, "a string of %u bytes ends behind its page", (unsigned)len);
		out[i] = (struct pq_slice){ p, len };
		p += len;
	}
	*at = p;
	return OK;
}

/* The bytes of n strings whose lengths v->delta has. */
static enum status length_strings(struct pq_values *v, int64_t n, struct pq_slice *out, struct error *err)
{
	uint64_t len[PQ_STEP];

	if (!pq_delta_take(&v->delta, len, n))
		return ended(err);
	for (int64_t i = 0; i < n; i++) {
		/* 32 bits are what lengths have; what deltas leave above is not looked at */
		size_t k = (uint32_t)len[i];
		if (k > (size_t)(v->end - v->p))
			return error_set(err, ERR_DATA, "a string of %zu bytes ends behind its page", k);
		out[i] = (struct pq_slice){ v->p, k };
		v->p += k;
	}
	return OK;
}

/* Strings that begin as the one before them did: put together in v->text, which may move until the last is there. */
static enum status delta_strings(struct pq_values *v, int64_t n, struct pq_slice *out, struct error *err)
{
	uint64_t shared[PQ_STEP];
	size_t begins[PQ_STEP];
	size_t before = v->text.len - v->last;

	TRY(length_strings(v, n, out, err));
	if (!pq_delta_take(&v->prefix, shared, n))
		return ended(err);
	if (before)
		memmove(v->text.data, v->text.data + v->last, before);
	v->text.len = before;
	v->last = 0;
	for (int64_t i = 0; i < n; i++) {
		size_t k = (uint32_t)shared[i], from = v->text.len;
		if (k > v->text.len - v->last)
			return error_set(err, ERR_DATA, "a string shares %zu bytes with one of %zu", k, v->text.len - v->last);
		TRY(pq_room(&v->text, k + out[i].n, err));
		if (k)
			memcpy(v->text.data + from, v->text.data + v->last, k);
		if (out[i].n)
			memcpy(v->text.data + from + k, out[i].p, out[i].n);
		v->text.len += k + out[i].n;
		v->last = from;
		out[i].n += k;
		begins[i] = from;
	}
	for (int64_t i = 0; i < n; i++)
		out[i].p = v->text.data + begins[i];
	return OK;
}

enum status pq_values_bytes(struct pq_values *v, int64_t n, struct pq_slice *out, struct error *err)
{
	if (v->dictionary) {
		const struct pq_slice *from = (const struct pq_slice *)v->dictionary->slices.data;
		uint32_t index[PQ_STEP];
		TRY(take_indices(v, n, index, err));
		for (int64_t i = 0; i < n; i++)
			out[i] = from[index[i]];
		return OK;
	}
	if (v->encoding == PQ_DELTA_LENGTH)
		return length_strings(v, n, out, err);
	if (v->encoding == PQ_DELTA_BYTES)
		return delta_strings(v, n, out, err);
	return pq_plain_slices(&v->p, v->end, n, out, err);
}
