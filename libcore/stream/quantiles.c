/* quantiles.c - see quantiles.h. */
#include "stream/quantiles.h"

#include <math.h>

/* By bytes from the lowest; a byte that is the same in all keys costs nothing, and keys of one column share most of theirs. */
void keys_sort(uint64_t *keys, uint64_t *scratch, size_t n)
{
	uint64_t differ = 0, *from = keys, *to = scratch;

	for (size_t i = 1; i < n; i++)
		differ |= keys[i] ^ keys[0];
	for (int shift = 0; shift < 64; shift += 8) {
		size_t start[256] = {0}, sum = 0;
		if (!(differ >> shift & 255))
			continue;
		for (size_t i = 0; i < n; i++)
			start[from[i] >> shift & 255]++;
		for (int b = 0; b < 256; b++) {
			size_t count = start[b];
			start[b] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[start[from[i] >> shift & 255]++] = from[i];
		uint64_t *swap = from;
		from = to;
		to = swap;
	}
	if (from != keys)
		memcpy(keys, from, n * sizeof(*keys));
}

uint64_t key_of_double(double v)
{
	uint64_t bits;

	v += 0.0;                            /* -0 + 0 is 0 */
	memcpy(&bits, &v, sizeof(bits));
	return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

double key_to_double(uint64_t key)
{
	double v;

	key = key >> 63 ? key ^ (uint64_t)1 << 63 : ~key;
	memcpy(&v, &key, sizeof(v));
	return v;
}

/* Sends half of a full level up; what is there may then be full itself. */
static void compact(struct quantiles *q, int level)
{
	uint64_t scratch[QUANTILES_EXACT], *from = q->levels[level], *to;

	if (!q->levels[level + 1])
		q->levels[level + 1] = mem_array(QUANTILES_EXACT, sizeof(*to));
	keys_sort(from, scratch, QUANTILES_EXACT);
	to = q->levels[level + 1];
	for (int i = q->odd[level]; i < QUANTILES_EXACT; i += 2)
		to[q->fill[level + 1]++] = from[i];
	q->odd[level] = !q->odd[level];
	q->compactions[level]++;
	q->fill[level] = 0;
}

void quantiles_add(struct quantiles *q, uint64_t key)
{
	if (!q->levels[0])
		q->levels[0] = mem_array(QUANTILES_EXACT, sizeof(key));
	q->min = q->n == 0 || key < q->min ? key : q->min;
	q->max = q->n == 0 || key > q->max ? key : q->max;
	q->n++;
	/* A level takes QUANTILES_EXACT / 2 keys at a time: it is full before it overflows. */
	for (int level = 0; q->fill[level] == QUANTILES_EXACT; level++)
		compact(q, level);
	q->levels[0][q->fill[0]++] = key;
}

/* Keys up to x, counted by weight. */
static uint64_t keys_to(const struct quantiles *q, uint64_t x)
{
	uint64_t below = 0;

	for (int level = 0; level < QUANTILES_LEVELS; level++)
		for (int i = 0; i < q->fill[level]; i++)
			below += q->levels[level][i] <= x ? (uint64_t)1 << level : 0;
	return below;
}

uint64_t quantiles_at(const struct quantiles *q, double p)
{
	uint64_t low = q->min, high = q->max;

	if (p <= 0)
		return low;
	if (p >= 1)
		return high;
	double rank = ceil(p * (double)q->n);
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if ((double)keys_to(q, middle) >= rank)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Taking the even places counts the keys up to any x right or one too many, the odd ones right or one too few, each by the
 * weight of the level; so of k compactions half go one way. */
double quantiles_error(const struct quantiles *q)
{
	double moved = 0;

	for (int level = 0; level < QUANTILES_LEVELS; level++)
		moved += ldexp((double)((q->compactions[level] + 1) / 2), level);
	return q->n ? moved / (double)q->n : 0;
}

void quantiles_release(struct quantiles *q)
{
	for (int level = 0; level < QUANTILES_LEVELS; level++)
		mem_free(q->levels[level]);
	*q = (struct quantiles){0};
}
