/* quantiles.h - quantiles of any number of values in constant memory, by a rule without chance.
 *
 * Values are 64-bit keys whose order is the values' order (below). Up to QUANTILES_EXACT of them are kept and the answers are
 * exact. Beyond that full buffers are sorted and every other key goes up a level with twice the weight, odd and even places in
 * turn (the compactor of Manku, Rajagopalan and Lindsay, of which KLL is the random form). What that can have
 * moved a rank by is counted, so that the error is known: about log2(n / 4096) / 8192 of n, 0.2 % of a billion values. The same
 * values in the same order give the same answers. */
#ifndef QUERN_STREAM_QUANTILES_H
#define QUERN_STREAM_QUANTILES_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

#define QUANTILES_EXACT 4096
#define QUANTILES_LEVELS 52          /* 2^64 values do not fill them */

struct quantiles {                   /* {0} is empty */
	uint64_t *levels[QUANTILES_LEVELS]; /* keys of weight 2^level */
	int fill[QUANTILES_LEVELS];
	bool odd[QUANTILES_LEVELS];
	uint64_t compactions[QUANTILES_LEVELS];
	uint64_t n, min, max;
};

void quantiles_add(struct quantiles *q, uint64_t key);
/* The key of rank ceil(p n), p in [0, 1], to within the error below; 0 and 1 give min and max exactly. n must not be 0. */
uint64_t quantiles_at(const struct quantiles *q, double p);
/* Most that a rank can be off, as a fraction of n; 0 if all answers are exact. */
double quantiles_error(const struct quantiles *q);
void quantiles_release(struct quantiles *q);

/* Keys of doubles (not NaN; -0 is 0) and of integers, and the way back. */
uint64_t key_of_double(double v);
double key_to_double(uint64_t key);
static inline uint64_t key_of_int(int64_t v) { return (uint64_t)v ^ (uint64_t)1 << 63; }
static inline int64_t key_to_int(uint64_t key) { return (int64_t)(key ^ (uint64_t)1 << 63); }

/* Sorts keys; scratch has room for n. */
void keys_sort(uint64_t *keys, uint64_t *scratch, size_t n);

#endif
