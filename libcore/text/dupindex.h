/* dupindex.h - which rows have been seen: sets of 64-bit keys in memory, one per LSH band and one for exact texts.
 *
 * A row is a list of keys, one per set (0 = it has none there). It is a duplicate of the first indexed row that
 * shares a key in the same set. Memory: 12 bytes per slot, at most two thirds full, doubling: 18 to 36 bytes per set and
 * indexed row, and for a moment of growth half as much again. Two different texts share a key by chance with
 * probability 2^-64 per pair. */
#ifndef QUERN_TEXT_DUPINDEX_H
#define QUERN_TEXT_DUPINDEX_H

#include "base/error.h"

#include <stdint.h>

#define DUPINDEX_NONE UINT32_MAX

struct dupindex;
/* bytes_max 0: as much as the machine gives. */
struct dupindex *dupindex_open(int n_sets, uint64_t bytes_max);
void dupindex_close(struct dupindex *d);
/* The smallest row that shares a key, or DUPINDEX_NONE. */
uint32_t dupindex_find(const struct dupindex *d, const uint64_t *keys);
/* Enters a row (its number is the caller's, below DUPINDEX_NONE); keys that are there already keep their row. ERR_MEMORY. */
enum status dupindex_add(struct dupindex *d, const uint64_t *keys, uint32_t row, struct error *err);
uint64_t dupindex_bytes(const struct dupindex *d);

#endif
