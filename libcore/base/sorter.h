/* sorter.h - records of a few 64-bit words, put in order in bounded memory.
 *
 * Records are compared word by word. They are held until they fill the memory they may take; then they go to a file without a name
 * as a sorted run, and the runs are merged while they are read. The order is that of the records alone, so it depends neither on
 * the bound nor on threads. Sorting is by digits from the top (McIlroy, Bostic and McIlroy, "Engineering radix sort", 1993): linear
 * in the bytes of the records, whatever they hold. */
#ifndef QUERN_BASE_SORTER_H
#define QUERN_BASE_SORTER_H

#include "base/error.h"
#include "base/pool.h"

#include <stddef.h>
#include <stdint.h>

#define SORTER_WORDS_MAX 4

struct sorter;
/* memory in bytes (at least 64 KiB is taken); dir as temp_open; the pool may be NULL. */
struct sorter *sorter_open(int words, size_t memory, const char *dir, struct pool *pool);
void sorter_close(struct sorter *s);                                        /* NULL allowed */
enum status sorter_add(struct sorter *s, const uint64_t *record, struct error *err);
/* After the last record, before the first sorter_next. */
enum status sorter_finish(struct sorter *s, struct error *err);
/* OK with the next record in order, or END. */
enum status sorter_next(struct sorter *s, uint64_t *record, struct error *err);
int sorter_runs(const struct sorter *s);             /* on disk */
uint64_t sorter_records(const struct sorter *s);     /* added */

/* The sort itself: n records of `words` words each, in place. */
void sorter_sort(uint64_t *v, size_t n, int words);

#endif
