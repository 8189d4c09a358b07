/* repeats.h - exact repeated spans: which windows of `least` symbols come more than once in a corpus of any size, in bounded memory.
 *
 * Symbols are bytes or 32-bit numbers of tokens. A window lies in one document. It repeats if an equal window starts at an earlier
 * place of the corpus; or, with every set, at any other place. What is to be cut are the symbols of all windows that repeat.
 *
 * The corpus is read three times. First each window has an anchor: of the runs of two thirds of its symbols the one with the least
 * hash (winnowing: Schleimer, Wilkerson and Aiken, "Winnowing: local algorithms for document fingerprinting", 2003). Neighbours
 * share theirs, so there is one for about least / 6 symbols, and equal windows have equal ones: where an anchor comes once in the
 * corpus its windows are done with. The piece of text that the windows of an anchor cover has a 128-bit hash: of pieces that
 * are equal all but the first repeat, and only what is left of anchors with pieces that differ is looked at closer. That is the
 * second reading: such windows are told by two polynomials modulo 2^61 - 1 at secret points (Karp and Rabin, "Efficient
 * randomized pattern-matching algorithms", 1987), so that two that differ are taken for equal with a probability below
 * (least / 2^61)^2, whoever wrote them. In the third, the places that repeat are met in the order of the corpus.
 *
 * Anchors (32 bytes), windows that are looked at (24) and places (8) are put in order by sorter.h, which keeps to the memory allowed;
 * time is linear in the corpus, whatever it holds. A suffix array says the same, in four to thirteen times the time and with
 * nine bytes of memory for each of the corpus (measured with our own SA-IS, which this replaces). */
#ifndef QUERN_TEXT_REPEATS_H
#define QUERN_TEXT_REPEATS_H

#include "base/mem.h"
#include "base/sorter.h"

#include <stdbool.h>

struct repeats_options {
	int64_t least;               /* symbols of a window; from 1 */
	bool tokens;                 /* symbols are uint32_t, else bytes */
	bool every;
	size_t memory;               /* bytes that are sorted at once, at most */
	const char *tmp;             /* as temp_open */
	struct pool *pool;
};

struct repeats;
struct repeats *repeats_open(const struct repeats_options *o);
void repeats_close(struct repeats *r);                                      /* NULL allowed */

/* Reusable memory of one thread; {0} is valid. */
struct repeats_scratch {
	uint64_t *hashes;
};
void repeats_scratch_release(struct repeats_scratch *x);

/* First reading, on any thread: appends the anchors of a document of n symbols that starts `at` symbols behind the first of its batch. */
void repeats_anchors(const struct repeats *r, const void *symbols, int64_t n, int64_t at, struct repeats_scratch *x, struct buf *anchors);
/* In order: a batch of n symbols in all with its anchors. ERR_UNSUPPORTED above 2^48 symbols. */
enum status repeats_add(struct repeats *r, const struct buf *anchors, int64_t n, struct error *err);
enum status repeats_added(struct repeats *r, struct error *err);            /* after the last */

/* Second reading: each document in order. */
enum status repeats_review(struct repeats *r, const void *symbols, int64_t n, struct error *err);
enum status repeats_reviewed(struct repeats *r, struct error *err);         /* after the last */

/* Third reading: of each document in order, of n symbols, the spans to cut: apart, in order, valid until the next call. */
struct repeats_span {
	int64_t from, to;            /* symbols of the document; behind the last */
};
enum status repeats_spans(struct repeats *r, int64_t n, const struct repeats_span **spans, int64_t *n_spans, struct error *err);

#endif
