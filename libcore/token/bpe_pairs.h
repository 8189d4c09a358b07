/* bpe_pairs.h - the pairs that merge, looked up in the innermost loops. Private to bpe.c and bpe_walk.c. */
#ifndef QUERN_TOKEN_BPE_PAIRS_H
#define QUERN_TOKEN_BPE_PAIRS_H

#include "token/bpe.h"

#define EMPTY UINT64_MAX
#define RANK_BITS 22
#define FILTER_BITS 21

static inline uint64_t pair_of(int32_t left, int32_t right)
{
	return (uint64_t)(uint32_t)left << 21 | (uint32_t)right;
}

static inline uint64_t hash(uint64_t pair)
{
	return pair * 0x9e3779b97f4a7c15u;
}

static inline uint64_t *slot(const struct bpe *m, uint64_t pair)
{
	uint64_t i = hash(pair) >> m->shift;

	while (m->slots[i] >> RANK_BITS != pair && m->slots[i] != EMPTY)
		i = (i + 1) & m->mask;
	return &m->slots[i];
}

static inline uint32_t rank_of(const struct bpe *m, int32_t left, int32_t right)
{
	uint64_t pair = pair_of(left, right), bit = hash(pair) >> (64 - FILTER_BITS);

	if (!(m->filter[bit / 64] >> bit % 64 & 1))
		return BPE_NO_RANK;
	uint64_t found = *slot(m, pair);
	return found == EMPTY ? BPE_NO_RANK : (uint32_t)(found & ((1u << RANK_BITS) - 1));
}

#endif
