/* bpe.h - byte pair encoding of one piece: merges by rank, lowest first, leftmost among equals.
 *
 * A short piece keeps the rank and the place of each pair in one word, so that the next merge is the least of them, found a vector at a
 * time. Longer ones are walked from left to right in linear time (bpe_walk.h), or, where merges are in no order of time, keep a heap.
 * All give what "repeat: merge the leftmost pair of lowest rank" gives. */
#ifndef QUERN_TOKEN_BPE_H
#define QUERN_TOKEN_BPE_H

#include "token/strmap.h"
#include "token/tokenizer.h"

#include <stdatomic.h>

#define BPE_IDS_MAX (1 << 21)                    /* ids and ranks are below these, so that a merge is one word */
#define BPE_RANKS_MAX (1 << 22)
#define BPE_NO_RANK UINT32_MAX
#define BPE_SHORT 16

struct bpe_walk;
struct bpe {
	int32_t byte_id[256];        /* token of each single byte; -1 = none */
	int32_t unk;                 /* token for bytes without one; -1: they are dropped, as the reference does */
	bool fuse_unk;
	bool by_char;                /* symbols are characters; else bytes. Then these hold: */
	const struct strmap *vocab;  /* the caller's */
	int32_t *char_id;            /* tokens of characters below U+10000; -1 = none */
	int32_t fallback[256];       /* tokens of the bytes of a character without one; -1 = none */
	uint64_t *slots;             /* open addressing: left id << 43 | right id << 22 | rank */
	uint64_t mask;
	int shift;
	uint64_t *filter;            /* a bit for each hash of a pair that merges: most do not, and this is small enough to stay near */
	uint32_t *first;             /* by two bytes: the rank of their pair; NULL if not every byte is a token */
	int32_t *merged;             /* by rank: what the pair becomes */
	_Atomic(struct bpe_walk *) walk; /* made when the first long piece comes, as many a run has none */
	atomic_bool walk_tried;      /* NULL then means that there is none */
};
/* Makes room for merges of ranks below n (<= BPE_RANKS_MAX). */
void bpe_init(struct bpe *m, size_t n);
/* A later rank of the same pair replaces an earlier one. */
void bpe_add_merge(struct bpe *m, int32_t left, int32_t right, uint32_t rank, int32_t id);
/* Asks the memory for the place where a pair will be. */
void bpe_ask_merge(const struct bpe *m, int32_t left, int32_t right);
/* When all merges and byte_id are there, before the first piece: symbols are bytes. */
void bpe_finish(struct bpe *m);
/* The same where they are characters of UTF-8 (SentencePiece's manner). byte_fallback: <0x00> to <0xFF> stand for the others, if the
 * vocabulary has them. */
void bpe_finish_by_char(struct bpe *m, const struct strmap *vocab, bool byte_fallback);
/* All merges, in no order: from *i = 0 on, false behind the last. */
struct bpe_pair {
	int32_t left, right;
	uint32_t rank;
};
bool bpe_next_merge(const struct bpe *m, size_t *i, struct bpe_pair *pair);
/* Its rank, or BPE_NO_RANK. */
uint32_t bpe_rank(const struct bpe *m, int32_t left, int32_t right);
void bpe_release(struct bpe *m);

struct bpe_walk_scratch {
	uint64_t *seen, of;          /* by hash: two tokens and whether the second may stand behind the first, in the walk of that number */
	uint64_t *left;              /* by place: whether the encoding surely has no border there */
	size_t cap;
};
struct bpe_scratch {                 /* zero-initialised */
	struct bpe_walk_scratch walk;
	int long_pieces;             /* so far; the count stops where it has told enough */
	int32_t *id, *next, *prev;
	uint32_t *rank;
	size_t cap;
	uint64_t *heap;
	size_t heap_n, heap_cap;
};
void bpe_scratch_release(struct bpe_scratch *w);

/* Appends the ids of n (< 2^31) bytes. */
void bpe_encode(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out);

/* For tests: pieces that are long go by way of the heap, though they could be walked. */
void bpe_encode_by_heap(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out);
/* For tests: the code for "avx512", "avx2" or "plain"; NULL is the best there is. False if this machine has it not. */
bool bpe_force(const char *isa);

/* The byte-level alphabet: each byte as a printable code point (bytes that print stay themselves, the other 68 become
 * U+0100 and up, in order). */
uint32_t bpe_byte_char(uint8_t byte);
/* The byte of a code point of that alphabet, -1 for any other. */
int bpe_char_byte(uint32_t cp);

#endif
