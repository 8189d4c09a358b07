/* interleave.h - whose turn it is, so that at any moment each source has given its share of the rows to within one.
 *
 * R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32 (1980): of the sources that are far enough behind their
 * share, the one whose next row would be late first. With n sources none is ever further from its share than 1 - 1/(2n - 2)
 * rows. (Taking the smallest (given + 1) / weight is simpler and lets a heavy source run many rows ahead of many light ones.) */
#ifndef QUERN_STREAM_INTERLEAVE_H
#define QUERN_STREAM_INTERLEAVE_H

#include <stdbool.h>
#include <stdint.h>

struct interleave_source {
	double weight;               /* > 0 */
	int64_t given;               /* rows since the last source left */
	bool gone;
};
struct interleave {
	struct interleave_source *sources; /* the caller's */
	int n, left;
	int64_t given;
	double weight;               /* of those that are left, in all */
};
/* weight of each is set. */
void interleave_open(struct interleave *v, struct interleave_source *sources, int n);
/* The source whose turn it is, or -1 if all have left. */
int interleave_pick(const struct interleave *v);
/* It has given its row. */
void interleave_count(struct interleave *v, int source);
/* It has no more rows: the others share from here on. */
void interleave_leave(struct interleave *v, int source);

#endif
