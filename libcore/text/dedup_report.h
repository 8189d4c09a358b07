/* dedup_report.h - the file of --clusters: which row duplicates which, why, how much, and where.
 *
 * Columns: id (or the row's number from 0), duplicate_of, reason, similarity?, and for a run of words its place in bytes at?, bytes? and
 * duplicate_at?, its place in the other text. */
#ifndef QUERN_TEXT_DEDUP_REPORT_H
#define QUERN_TEXT_DEDUP_REPORT_H

#include "text/against.h"
#include "text/dedup.h"

struct dedup_report;
enum status dedup_report_open(struct dedup_report **r, const char *path, const struct writer_options *o, struct error *err);
/* A row of a batch, which is so many in the input; of one with hits each. */
enum status dedup_report_add(struct dedup_report *r, const struct batch *b, int64_t row, int64_t number, const struct verdict *v,
			     struct error *err);
enum status dedup_report_commit(struct dedup_report *r, struct error *err); /* frees r */
void dedup_report_abort(struct dedup_report *r);                            /* the same; NULL allowed */

#endif
