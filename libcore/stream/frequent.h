/* frequent.h - how many values differ, and which come most often, in constant memory.
 *
 * Up to FREQUENT_MAX different values all counts are exact. When one more comes, the median of the counts is taken from each,
 * and who has nothing left goes (Misra and Gries, half of the table at a time): from then on a count is too low by what
 * was taken in all, frequent_error(), which is at most n / (FREQUENT_MAX / 2); a value that comes more often than that is
 * always there. Of long values the first FREQUENT_BYTES are kept to show; they are told apart by their 64-bit hash as well. */
#ifndef QUERN_STREAM_FREQUENT_H
#define QUERN_STREAM_FREQUENT_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

#define FREQUENT_MAX 16384
#define FREQUENT_BYTES 256

struct frequent_entry {
	uint64_t hash, bytes;        /* of the whole value */
	int64_t count;
	char *value;                 /* its first bytes */
};

struct frequent {                    /* {0} is empty */
	struct frequent_entry *entries;
	uint32_t *slots;             /* 1 + an entry's place, by hash; 0 = free */
	size_t n, cap;               /* cap is a power of two; slots has twice as many */
	int64_t total, error;
	bool full;                   /* values have been thrown out */
};

void frequent_add(struct frequent *f, const void *value, size_t n);
/* Different values; -1: more than FREQUENT_MAX. */
int64_t frequent_distinct(const struct frequent *f);
/* What the counts may be too low by. */
int64_t frequent_error(const struct frequent *f);
/* The entries by count, highest first (equal ones by their bytes), at most max of them: those that come more than once, and more often
 * than any value that was thrown out can. Returns their number. They are f's until the next frequent_add. */
int frequent_top(const struct frequent *f, const struct frequent_entry *top[], int max);
static inline size_t frequent_kept(const struct frequent_entry *e) { return e->bytes < FREQUENT_BYTES ? e->bytes : FREQUENT_BYTES; }
void frequent_release(struct frequent *f);

#endif
