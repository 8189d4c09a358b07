/* dedup_cut.h - what the methods share that cut parts out of documents. */
#ifndef QUERN_TEXT_DEDUP_CUT_H
#define QUERN_TEXT_DEDUP_CUT_H

#include "text/dedup.h"

/* ERR_USAGE for options that are about whole rows. */
enum status dedup_cut_check(const struct dedup_common *common, struct error *err);
/* About a document of n bytes of which `left` is what is not cut, and less: it stays with that, or it goes because more than share_max of it
 * is cut (for `reason`), or because nothing is left. */
struct verdict dedup_cut_verdict(const struct buf *left, size_t n, double share_max, const char *reason);
/* Appends a row as its verdict leaves it: with another text, or without spans of its input_ids and loss_mask. */
void dedup_cut_row(struct builder *to, const struct batch *b, int64_t row, const struct verdict *v);

#endif
