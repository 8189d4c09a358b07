/* parquet_bits.c - integers packed to the bit: runs (the "RLE / bit-packing hybrid") and deltas. Both read up to PQ_SLACK bytes
 * behind their end, which blocks have, and use none of them. */
#include "stream/parquet.h"

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static bool get_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t c = *(*p)++;
		*v |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

/* --- runs --------------------------------------------------------------------------------------------- */
void pq_rle_open(struct pq_rle *r, const uint8_t *p, const uint8_t *end, int bits)
{
	*r = (struct pq_rle){ .p = p, .end = end, .bits = bits };
}

/* Begins the next run; false at the end, or if there is none. */
static bool next_run(struct pq_rle *r)
{
	uint64_t head;
	int bytes = (r->bits + 7) / 8;

	if (!get_varint(&r->p, r->end, &head) || head >> 1 == 0 || head >> 1 > INT32_MAX)
		return false;
	if (head & 1) {
		uint64_t groups = head >> 1, there = (uint64_t)(r->end - r->p);
		/* Some writers leave out what the last group does not need. */
		uint64_t values = groups * 8;
		if (r->bits && groups * (uint64_t)r->bits > there)
			values = there * 8 / (uint64_t)r->bits;
		r->packed = (int64_t)values;
		return values > 0;
	}
	if (r->end - r->p < bytes)
		return false;
	r->value = bytes ? (uint32_t)(load64(r->p) & (((uint64_t)1 << bytes * 8) - 1)) : 0;
	r->p += bytes;
	r->run = (int64_t)(head >> 1);
	return true;
}

int64_t pq_rle_same(struct pq_rle *r, uint32_t *value)
{
	if (r->run == 0 && r->packed == 0 && r->n_eight == 0 && !next_run(r))
		return 0;
	*value = r->value;
	return r->n_eight ? 0 : r->run;
}

void pq_rle_skip_same(struct pq_rle *r, int64_t n)
{
	r->run -= n;
}

/* Eight values at p, which are as many bytes as a value has bits. */
static inline void unpack8(const uint8_t *p, int bits, uint32_t *out)
{
	uint64_t mask = ((uint64_t)1 << bits) - 1;

	if (bits <= 8) {
		uint64_t word = load64(p);
		for (int i = 0; i < 8; i++, word >>= bits)
			out[i] = (uint32_t)(word & mask);
		return;
	}
	for (int i = 0; i < 8; i++)
		out[i] = (uint32_t)(load64(p + (i * bits >> 3)) >> (i * bits & 7) & mask);
}

/* The next group of the run into r->eight. */
static void fill_eight(struct pq_rle *r)
{
	unpack8(r->p, r->bits, r->eight);
	r->n_eight = r->packed < 8 ? (int)r->packed : 8;
	r->packed -= r->n_eight;
	/* the last values stand at the front of eight: hand them out from its end */
	if (r->n_eight < 8)
		memmove(r->eight + 8 - r->n_eight, r->eight, (size_t)r->n_eight * sizeof(*r->eight));
	r->p = r->end - r->p < r->bits ? r->end : r->p + r->bits;
}

bool pq_rle_take(struct pq_rle *r, uint32_t *out, int64_t n)
{
	while (n > 0) {
		if (r->n_eight) {
			*out++ = r->eight[8 - r->n_eight--];
			n--;
		} else if (r->run) {
			int64_t k = r->run < n ? r->run : n;
			for (int64_t i = 0; i < k; i++)
				out[i] = r->value;
			r->run -= k;
			out += k;
			n -= k;
		} else if (r->packed >= 8 && n >= 8) {
			unpack8(r->p, r->bits, out);
			r->p += r->bits;
			r->packed -= 8;
			out += 8;
			n -= 8;
		} else if (r->packed) {
			fill_eight(r);
		} else if (!next_run(r)) {
			return false;
		}
	}
	return true;
}

/* --- deltas ------------------------------------------------------------------------------------------- */
static int64_t unzigzag_signed(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

bool pq_delta_open(struct pq_delta *d, const uint8_t *p, const uint8_t *end)
{
	uint64_t block, minis, total, first;

	*d = (struct pq_delta){ .p = p, .end = end, .first = true };
	if (!get_varint(&d->p, end, &block) || !get_varint(&d->p, end, &minis) || !get_varint(&d->p, end, &total) ||
	    !get_varint(&d->p, end, &first))
		return false;
	if (minis == 0 || minis > 65536 || block > (1 << 24) || block % minis || (block / minis) % 8 || block == 0 || total > INT32_MAX)
		return false;
	d->per_mini = (int64_t)(block / minis);
	d->minis = d->mini = (int64_t)minis;
	d->left = (int64_t)total;
	d->value = (uint64_t)unzigzag_signed(first);
	return true;
}

static bool next_block(struct pq_delta *d)
{
	uint64_t least;

	if (!get_varint(&d->p, d->end, &least) || d->end - d->p < d->minis)
		return false;
	d->min_delta = (uint64_t)unzigzag_signed(least);
	d->widths = d->p;
	d->p += d->minis;
	d->mini = 0;
	return true;
}

/* The next miniblock's bits, which must be there; its values are not looked at. */
static bool next_mini(struct pq_delta *d)
{
	if (d->mini == d->minis && !next_block(d))
		return false;
	d->bits = d->widths[d->mini++];
	if (d->bits > 64 || d->end - d->p < d->per_mini / 8 * d->bits)
		return false;
	d->packed = d->p;
	d->p += d->per_mini / 8 * d->bits;
	d->mini_left = d->per_mini;
	d->mini_at = 0;
	return true;
}

const uint8_t *pq_delta_end(const struct pq_delta *from)
{
	struct pq_delta d = *from;

	for (int64_t left = d.left - 1; left > 0; left -= d.per_mini)
		if (!next_mini(&d))
			return NULL;
	return d.p;
}

/* Adds up n deltas of the miniblock under way. */
static void take_deltas(struct pq_delta *d, uint64_t *out, int64_t n)
{
	uint64_t mask = d->bits == 64 ? UINT64_MAX : ((uint64_t)1 << d->bits) - 1;
	uint64_t value = d->value;

	for (int64_t i = 0; i < n; i++) {
		int64_t bit = (d->mini_at + i) * d->bits;
		int shift = (int)(bit & 7);
		uint64_t v = load64(d->packed + (bit >> 3)) >> shift;
		if (shift + d->bits > 64)
			v |= (uint64_t)d->packed[(bit >> 3) + 8] << (64 - shift);
		value += d->min_delta + (v & mask);
		out[i] = value;
	}
	d->value = value;
	d->mini_at += n;
	d->mini_left -= n;
}

bool pq_delta_take(struct pq_delta *d, uint64_t *out, int64_t n)
{
	if (n > d->left)
		return false;
	d->left -= n;
	if (n > 0 && d->first) {
		d->first = false;
		*out++ = d->value;
		n--;
	}
	while (n > 0) {
		if (d->mini_left == 0 && !next_mini(d))
			return false;
		int64_t k = d->mini_left < n ? d->mini_left : n;
		take_deltas(d, out, k);
		out += k;
		n -= k;
	}
	return true;
}
