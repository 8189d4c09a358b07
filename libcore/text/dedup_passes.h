/* dedup_passes.h - rows through the methods of dedup.h: against test sets while they are read, then, where there is a method for them
 * among themselves, twice or three times more or less. Rows that stay and rows that go are told in input order. */
#ifndef QUERN_TEXT_DEDUP_PASSES_H
#define QUERN_TEXT_DEDUP_PASSES_H

#include "stream/twice.h"
#include "text/dedup.h"

struct dedup_report;

struct dedup_passes {
	/* To be filled; what they point at is the caller's. */
	struct pool *pool;
	struct dedup_method tests, method;   /* of one pass, and of more; self is NULL where there is none */
	struct twice *twice;                 /* over the rows that pass the tests; with method */
	struct dedup_report *report;         /* NULL: none */
	/* All are called on one thread. next is END after the last row; keep is told batches, drop a row and why it goes. */
	enum status (*next)(void *arg, struct batch **b, struct error *err);
	enum status (*keep)(void *arg, struct batch *b, struct error *err);
	enum status (*drop)(void *arg, struct batch *b, int64_t row, const char *reason, struct error *err);
	void *arg;

	int64_t dropped, cut;                /* rows */
	int64_t number;                      /* of the row at hand */
	int64_t passed;                      /* rows that were judged in the first reading */
};
/* Reads all rows; those of a method stay undecided, unless it judges them at once. */
enum status dedup_pass_first(struct dedup_passes *p, struct error *err);
/* The passes after that, if there is a method. */
enum status dedup_pass_rest(struct dedup_passes *p, struct error *err);

#endif
