/* pair_queue.h - pairs of symbols: how often each occurs now, and those that wait to be merged, the most frequent first.
 *
 * Counts are in a hash table, 16 bytes a pair and 6 to 12 for its place. Candidates are in a heap beside it, 20 bytes each, with the count
 * that they had when they were queued; a pair may wait several times. Private to bpe_train.c. */
#ifndef QUERN_TOKEN_PAIR_QUEUE_H
#define QUERN_TOKEN_PAIR_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct pair {
	uint64_t key;
	int64_t count;
};
struct candidate {
	int64_t count;
	uint64_t pair;
	uint32_t words;              /* its list of postings */
} __attribute__((packed, aligned(4)));

struct pair_queue {                  /* zero-initialised */
	struct pair *pairs;
	uint32_t n_pairs;
	size_t cap_pairs;
	uint32_t *index;             /* hash -> place among pairs + 1, 0 = empty */
	size_t mask;
	struct candidate *heap;
	size_t n_heap, cap_heap;
};

static inline uint64_t pair_key(int32_t a, int32_t b)
{
	return (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
}

/* NULL for a pair that never was. Valid until the next pair_at. */
struct pair *pair_find(const struct pair_queue *q, uint64_t key);
/* Makes it, with count 0, if it is new. */
struct pair *pair_at(struct pair_queue *q, uint64_t key);

/* heap[0] is the next: highest count, then smallest key. */
void pair_queue_push(struct pair_queue *q, struct candidate c);
/* Puts c in place of the next. */
void pair_queue_replace(struct pair_queue *q, struct candidate c);
struct candidate pair_queue_pop(struct pair_queue *q);
void pair_queue_release(struct pair_queue *q);

#endif
