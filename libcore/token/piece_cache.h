/* piece_cache.h - the ids of pieces seen before, so that a word of natural text costs a key, a probe and a store. One per thread,
 * direct-mapped: a piece takes the place of the one that was there. Two sizes, so that the common short ones share a cache line by
 * two. Private to encode.c. */
#ifndef QUERN_TOKEN_PIECE_CACHE_H
#define QUERN_TOKEN_PIECE_CACHE_H

#include "token/tokenizer.h"

#include <string.h>

#define PIECE_SHORT 16
#define PIECE_LONG 32
#define PIECE_SHORT_IDS 3
#define PIECE_LONG_IDS 7
#define PIECE_SHORT_BITS 17
#define PIECE_LONG_BITS 13

struct piece_short {
	uint64_t key[2];             /* the piece, zero padded */
	int32_t ids[PIECE_SHORT_IDS];
	uint8_t len, n;              /* len 0 = empty */
};
struct piece_long {
	uint64_t key[4];
	int32_t ids[PIECE_LONG_IDS];
	uint8_t len, n;
};
_Static_assert(sizeof(struct piece_short) == 32 && sizeof(struct piece_long) == 64, "entries fill cache lines");

struct piece_cache {
	struct piece_short *shorts;
	struct piece_long *longs;
};

/* Bytes [p, p + n) as a key of 8 * words bytes, n of at most that; readable says how many bytes may be read. */
static inline void piece_key(const uint8_t *p, size_t n, size_t readable, uint64_t *key, size_t words)
{
	if (readable < 8 * words) {
		memset(key, 0, 8 * words);
		memcpy(key, p, n);
		return;
	}
	memcpy(key, p, 8 * words);
	for (size_t i = 0; i < words; i++) {
		size_t have = n > 8 * i ? n - 8 * i : 0;
		key[i] &= have >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * have) - 1;
	}
}

static inline struct piece_short *piece_short_at(const struct piece_cache *c, const uint64_t key[2], size_t n)
{
	uint64_t h = (key[0] ^ n) * 0x9e3779b97f4a7c15u ^ (key[1] + n) * 0xbf58476d1ce4e5b9u;

	return &c->shorts[(h ^ h >> 32) * 0x94d049bb133111ebu >> (64 - PIECE_SHORT_BITS)];
}

static inline struct piece_long *piece_long_at(const struct piece_cache *c, const uint64_t key[4], size_t n)
{
	uint64_t h = (key[0] ^ n) * 0x9e3779b97f4a7c15u ^ key[1] * 0xbf58476d1ce4e5b9u;

	h = (h ^ h >> 32 ^ key[2]) * 0x94d049bb133111ebu ^ key[3] * 0xd6e8feb86659fd93u;
	return &c->longs[(h ^ h >> 32) * 0x9e3779b97f4a7c15u >> (64 - PIECE_LONG_BITS)];
}

#endif
