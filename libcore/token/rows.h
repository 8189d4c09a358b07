/* rows.h - token ids and conversations out of the columns of a batch. */
#ifndef QUERN_TOKEN_ROWS_H
#define QUERN_TOKEN_ROWS_H

#include "stream/record.h"
#include "token/tokenizer.h"

/* The ids of a row and their number; NULL if one of them is null. Points into the column where it can (no null anywhere in it),
 * else into copy. */
const int32_t *row_ids(const struct array *column, int64_t row, struct ids *copy, int64_t *n);

/* Appends the messages of a row of a column that field_is_messages to a (pointer, count, capacity) triple. They point into the batch.
 * A content may also be a list of parts, which only the template reads: `content` is empty then. */
void row_messages(const struct array *column, int64_t row, struct chat_message **m, int *n, int *cap);

#endif
