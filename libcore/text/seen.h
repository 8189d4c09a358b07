/* seen.h - which keys came before, and in which row: a hash table in memory, up to a bound.
 *
 * Of a key 95 bits count, as in clusters.h. A slot is 16 bytes and follows from the key and a secret of this process, so that nobody can write
 * texts whose keys crowd together; at most three quarters of the slots are taken. */
#ifndef QUERN_TEXT_SEEN_H
#define QUERN_TEXT_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;
/* memory in bytes, of the table and of the smaller one that it grows from. */
struct seen *seen_open(size_t memory);
void seen_close(struct seen *s);                     /* NULL allowed */
/* Makes room for n more keys; false where that is more than the memory allows: nothing has changed then. */
bool seen_room(struct seen *s, uint64_t n);
/* The first row that had the key: `row` itself (below 2^32 - 1) if it is new. There must be room. */
uint32_t seen_meet(struct seen *s, const uint64_t key[2], uint32_t row);
/* Of a key that is to be met soon. */
void seen_prefetch(const struct seen *s, const uint64_t key[2]);
/* Each key once, in no order: *at is 0 at first. record is that of singles_row without a rank, again whether the key came more than once.
 * False after the last. */
bool seen_next(const struct seen *s, uint64_t *at, uint64_t record[2], bool *again);

struct seen_stats {
	uint64_t keys, repeated;     /* distinct ones, and those that came more than once */
	uint64_t slots, steps;       /* of the table; looked at by seen_meet behind the first */
};
struct seen_stats seen_stats(const struct seen *s);

#endif
