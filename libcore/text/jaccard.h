/* jaccard.h - which of several sets have a Jaccard similarity of so much and more, without comparing each with each.
 *
 * Sets are of 64-bit hashes, in rising order, each once. Of few sets all pairs are compared. Of many those that have one of their rarer members in
 * common: sets of similarity t share one of the |x| - ceil(t |x|) + 1 that come first in x by any order of members, and the same of y
 * (prefix filtering: Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007), and here rare ones come first. So sets that
 * are all alike in what is common to them, but not similar enough, do not meet. Those that have a rarer member in common are put in order by
 * the next rarer one, and each is compared with the JACCARD_NEAR before it; so are all pairs of so few, and all work is linear
 * in the members. Equal sets are linked first, and one stands for all. Which pairs are compared does not depend on what is
 * linked already, so the groups that arise do not either.
 *
 * The rarer members are sorted by sorter.h. */
#ifndef QUERN_TEXT_JACCARD_H
#define QUERN_TEXT_JACCARD_H

#include "base/sorter.h"

#include <stdbool.h>

#define JACCARD_NEAR 16

/* Of two sets; 0 where one has no members. */
double jaccard(const uint64_t *a, size_t na, const uint64_t *b, size_t nb);

struct jaccard_sets {
	double least;                /* similarity of a pair; above 0 */
	size_t memory;               /* as sorter_open */
	const char *tmp;
	struct pool *pool;
	const uint64_t *(*set)(void *arg, uint32_t i, size_t *n);
	bool (*linked)(void *arg, uint32_t i, uint32_t k);   /* whether they are in one group already, and need not be compared */
	void (*link)(void *arg, uint32_t i, uint32_t k);     /* one that is similar */
	void *arg;
};
/* Of n sets, numbered from 0; *judged counts pairs that were compared. */
enum status jaccard_link(const struct jaccard_sets *s, uint32_t n, uint64_t *judged, struct error *err);

#endif
