/* source_quota.h - so many results of each source, and no more: first come, first served.
 *
 * Only the counts are in memory, at most SOURCE_QUOTA_MAX of them, so rows stream; whose order is by source or by worth should be shuffled
 * before. Rows that name no source share one count. */
#ifndef QUERN_JUDGE_SOURCE_QUOTA_H
#define QUERN_JUDGE_SOURCE_QUOTA_H

#include "stream/record.h"

#define SOURCE_QUOTA_MAX 1000000

struct source_quota;
/* column tells a row's source: a column of s, or a path in one. ERR_USAGE if there is none. */
enum status source_quota_open(struct source_quota **q, const char *column, int64_t most, const struct schema *s, struct error *err);
void source_quota_close(struct source_quota *q);                            /* NULL allowed */
/* How many results the row's source may still have, as a place to count them down in; valid until the next call. ERR_DATA if there are too
 * many sources. */
enum status source_quota_find(struct source_quota *q, const struct batch *b, int64_t row, int64_t **left, struct error *err);

#endif
