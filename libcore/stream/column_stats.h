/* column_stats.h - what is in columns, in one pass and constant memory: nulls, different values, range, mean, quantiles, lengths, and
 * the values that come most often. Nested columns are told by path: messages.role, input_ids[] (the elements), tags.key. */
#ifndef QUERN_STREAM_COLUMN_STATS_H
#define QUERN_STREAM_COLUMN_STATS_H

#include "stream/record.h"

struct column_stats;
/* Of the columns columns[0..n) of s, which is copied. */
struct column_stats *column_stats_open(const struct schema *s, const int *columns, int n);
/* One row of a batch, whose columns columns[0..n) are of the types told above. */
void column_stats_add(struct column_stats *s, const struct batch *b, const int *columns, int64_t row);
/* As a table for people; as JSON Lines, one object for each path. */
void column_stats_text(const struct column_stats *s, struct buf *out);
void column_stats_jsonl(const struct column_stats *s, struct buf *out);
void column_stats_close(struct column_stats *s);                            /* NULL allowed */

#endif
