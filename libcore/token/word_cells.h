/* word_cells.h - words as rows of symbols in one array of cells, for bpe_train.c.
 *
 * A word is: how many symbols it has, its count (two cells), the symbols. It is known by the place of its first cell. A long word is a row
 * of segments, each like a word, so that a merge need not look at a megabyte to find one place; a pair across a border belongs to the
 * segment on its left. Merges take symbols away from a segment, even all of them, and leave it where it is. */
#ifndef QUERN_TOKEN_WORD_CELLS_H
#define QUERN_TOKEN_WORD_CELLS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_HEAD 3
#define SEGMENT 256                  /* symbols that a segment has room for, but the last */
#define SEGMENT_CELLS (WORD_HEAD + SEGMENT)
#define MORE (UINT32_C(1) << 31)     /* in the first cell: there is a segment behind it, */
#define BACK (UINT32_C(1) << 30)     /* or before it */
#define LENGTH (BACK - 1)

static inline int64_t word_count(const uint32_t *w)
{
	return (int64_t)((uint64_t)w[2] << 32 | w[1]);
}

static inline uint32_t word_length(const uint32_t *w)
{
	return w[0] & LENGTH;
}

/* Cells to the next word or segment, before the first merge. */
static inline size_t word_cells(const uint32_t *w)
{
	return w[0] & MORE ? SEGMENT_CELLS : WORD_HEAD + word_length(w);
}

/* The nearest segments of the same word that have symbols, NULL if there is none. */
static inline uint32_t *segment_after(uint32_t *w)
{
	while (w[0] & MORE) {
		w += SEGMENT_CELLS;
		if (word_length(w))
			return w;
	}
	return NULL;
}

static inline uint32_t *segment_before(uint32_t *w)
{
	while (w[0] & BACK) {
		w -= SEGMENT_CELLS;
		if (word_length(w))
			return w;
	}
	return NULL;
}

/* The symbol behind the i-th of a segment, NULL at the end of the word. */
static inline uint32_t *symbol_after(uint32_t *w, uint32_t i)
{
	if (i + 1 < word_length(w))
		return w + WORD_HEAD + i + 1;
	w = segment_after(w);
	return w ? w + WORD_HEAD : NULL;
}

/* Takes away the first symbol. */
static inline void segment_drop_first(uint32_t *w)
{
	w[0]--;
	memmove(w + WORD_HEAD, w + WORD_HEAD + 1, word_length(w) * sizeof(*w));
}

#endif
