/* rows.h - token ids out of a list<int32> column. */
#ifndef QUERN_TOKEN_ROWS_H
#define QUERN_TOKEN_ROWS_H

#include "stream/record.h"
#include "token/tokenizer.h"

/* The ids of a row and their number; NULL if one of them is null. Points into the column where it can (no null anywhere in it),
 * else into copy. */
const int32_t *row_ids(const struct array *column, int64_t row, struct ids *copy, int64_t *n);

#endif
