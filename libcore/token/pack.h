/* pack.h - sequences of different lengths into packs of one length: best-fit decreasing.
 *
 * Longest first (equal lengths in input order), each piece goes where the least room is left that still holds it, the
 * oldest such pack among equals; a new pack only if none holds it. As TRL's "bfd". O(n log capacity). */
#ifndef QUERN_TOKEN_PACK_H
#define QUERN_TOKEN_PACK_H

#include <stdint.h>

struct pack_plan {                   /* zero-initialised */
	int64_t *order;              /* the n pieces, pack by pack, in the order they went in */
	int64_t *start;              /* pack k holds order[start[k]] .. order[start[k + 1] - 1] */
	int64_t n_packs;
};
/* Every len[i] is in [1, capacity]. Packs are numbered in the order they were opened. */
void pack_best_fit(const int32_t *len, int64_t n, int32_t capacity, struct pack_plan *p);
void pack_plan_release(struct pack_plan *p);

#endif
