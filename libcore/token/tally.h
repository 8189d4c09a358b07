/* tally.h - how many tokens a text comes to: sums over rows, in all and by source, and their table.
 *
 * Sums do not depend on the order of rows, and sources are printed by name: threads tally for themselves and are merged at the end.
 * Memory is bounded: with more than TALLY_SOURCES_MAX sources (addresses of pages, say) only the sum over all is kept. */
#ifndef QUERN_TOKEN_TALLY_H
#define QUERN_TOKEN_TALLY_H

#include "base/mem.h"
#include "token/strmap.h"

#include <stdbool.h>
#include <stdint.h>

enum { TALLY_SOURCES_MAX = 65536 };

struct tally_row {
	int64_t rows, bytes, tokens;
	int64_t unknown;             /* tokens that are the unknown token */
	int64_t fallback;            /* tokens that are one byte of a character without a token (byte fallback) */
};
struct tally {                       /* zero-initialised */
	struct tally_row all;
	char **names;                /* of the sources; NULL is rows that name none */
	struct tally_row *rows;
	int n, cap;
	struct strmap index;
	int unnamed;                 /* 1 + the index of rows without a source; 0 = none came */
	bool too_many;
};
/* source NULL: the row names none. */
void tally_add(struct tally *t, const char *source, size_t n, const struct tally_row *row);
void tally_merge(struct tally *t, const struct tally *other);
/* Columns for people, a line per source and one for all. */
void tally_print(const struct tally *t, struct buf *out);
/* The same as JSON Lines: {"source", "rows", "bytes", "tokens", "bytes_per_token", "unknown", "fallback", "unknown_rate"}; the line of
 * all rows has "total": true and no source, lines of rows without a source have none either. */
void tally_print_json(const struct tally *t, struct buf *out);
void tally_release(struct tally *t);

#endif
