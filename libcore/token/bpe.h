/* bpe.h - byte pair encoding of one piece: merges by rank, lowest first, leftmost among equals.
 *
 * Short pieces scan their pairs for the lowest rank; long ones keep a heap, so that a megabyte without a cut is
 * O(n log n). Both give what "repeat: merge the leftmost pair of lowest rank" gives. */
#ifndef QUERN_TOKEN_BPE_H
#define QUERN_TOKEN_BPE_H

#include "token/tokenizer.h"

struct bpe_merge {
	uint64_t pair;               /* left id << 32 | right id; BPE_NO_PAIR = empty slot */
	uint32_t rank;
	int32_t id;                  /* what the pair becomes */
};
#define BPE_NO_PAIR UINT64_MAX

struct bpe {
	int32_t byte_id[256];        /* token of each single byte; -1 = none */
	int32_t unk;                 /* token for bytes without one; -1: they are dropped, as the reference does */
	bool fuse_unk;
	struct bpe_merge *merges;    /* open addressing */
	uint64_t mask;
	int shift;
};
/* Makes room for n merges. */
void bpe_init(struct bpe *m, size_t n);
/* A later rank of the same pair replaces an earlier one. */
void bpe_add_merge(struct bpe *m, int32_t left, int32_t right, uint32_t rank, int32_t id);
bool bpe_has_merge(const struct bpe *m, int32_t left, int32_t right);
void bpe_release(struct bpe *m);

struct bpe_scratch {                 /* zero-initialised */
	int32_t *id, *next, *prev;
	uint32_t *rank;
	size_t cap;
	uint64_t *heap;
	size_t heap_n, heap_cap;
};
void bpe_scratch_release(struct bpe_scratch *w);

/* Appends the ids of n (< 2^31) bytes. */
void bpe_encode(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out);

/* The byte-level alphabet: each byte as a printable code point (bytes that print stay themselves, the other 68 become
 * U+0100 and up, in order). */
uint32_t bpe_byte_char(uint8_t byte);
/* The byte of a code point of that alphabet, -1 for any other. */
int bpe_char_byte(uint32_t cp);

#endif
