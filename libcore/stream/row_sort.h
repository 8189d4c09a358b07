/* row_sort.h - rows held in memory and given back in the order of a key, equal ones as they came. */
#ifndef QUERN_STREAM_ROW_SORT_H
#define QUERN_STREAM_ROW_SORT_H

#include "stream/expr.h"

struct row_sort;
/* Rows of schema s, which must outlive it; what they take in memory is bounded by max_bytes. */
struct row_sort *row_sort_open(const struct schema *s, size_t max_bytes);
/* Copies a row's columns columns[0..s->n_fields) and its key; numbers rise. ERR_MEMORY if that is more than is allowed. */
enum status row_sort_add(struct row_sort *r, const struct batch *b, const int *columns, int64_t row, const struct expr_value *key,
			 int64_t number, struct error *err);
/* After the last row. Keys without an order (null, NaN) come last either way. */
void row_sort_finish(struct row_sort *r, bool descending);
int64_t row_sort_rows(const struct row_sort *r);
/* The i-th row in order: its place in a batch over s, and the number it came with. */
const struct batch *row_sort_at(const struct row_sort *r, int64_t i, int64_t *row, int64_t *number);
void row_sort_close(struct row_sort *r);                                    /* NULL allowed */

#endif
