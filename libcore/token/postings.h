/* postings.h - in which words a pair of symbols stands: rising numbers, as differences in varints, in blocks of one pool that go back to
 * it. Most pairs stand in one to three words, so a list costs 8 bytes rather than a vector.
 *
 * A list is measured before it is written: posting_note each number, postings_alloc, posting_write the same numbers. */
#ifndef QUERN_TOKEN_POSTINGS_H
#define QUERN_TOKEN_POSTINGS_H

#include "token/varint.h"

#include <stdbool.h>

#define POSTINGS_NONE 0
#define POSTINGS_SIZES 64

struct postings {                    /* zero-initialised */
	uint32_t *units;             /* a list is some of these, and known by the first */
	uint32_t top, cap;           /* units that have ever been in use */
	uint32_t free[POSTINGS_SIZES]; /* lists of freed blocks by their units; [0]: the larger ones, to cut from */
};

/* A list in the making. Zero-initialised. */
struct posting_list {
	size_t last, bytes;
	uint32_t n;
	uint8_t *at;
};

/* Notes a number at least as large as the last; false if it is the last again, which counts once. */
static inline bool posting_note(struct posting_list *l, size_t number)
{
	if (l->n && l->last == number)
		return false;
	l->bytes += varint_size(number - l->last);
	l->last = number;
	l->n++;
	return true;
}

/* A block for the list, which begins with how many there are. 2^32 units of 4 bytes at most: beyond that the process ends. */
uint32_t postings_alloc(struct postings *p, const struct posting_list *l);
/* Sets l to write into block; no alloc before the last number is written. */
void posting_begin(struct posting_list *l, struct postings *p, uint32_t block);
static inline void posting_write(struct posting_list *l, size_t number)
{
	l->at = varint_put(l->at, number - l->last);
	l->last = number;
}

/* Reads a list: *n numbers follow at what is returned, as differences. */
const uint8_t *postings_open(const struct postings *p, uint32_t block, uint64_t *n);
/* Gives a block back; end is behind its last number. */
void postings_free(struct postings *p, uint32_t block, const uint8_t *end);
void postings_release(struct postings *p);

#endif
