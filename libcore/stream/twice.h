/* twice.h - the batches of one or several inputs, read a second time, or more often.
 *
 * Plain files are opened again, if all inputs are such. What came through a pipe is written to a temporary stream while it is
 * read first, and read from there. Where nothing has to come again there is neither. */
#ifndef QUERN_STREAM_TWICE_H
#define QUERN_STREAM_TWICE_H

#include "stream/stream.h"

struct twice;
/* Over the inputs paths[0..n) ("-" is stdin; n 0 is stdin too) whose batches have schema s; both outlive it. tmp as temp_open. */
struct twice *twice_open(const char *const *paths, int n, const struct schema *s, const char *tmp);
void twice_close(struct twice *t);                                          /* NULL allowed */
/* Rows of the first reading that need not come again, before all that do. */
void twice_pass(struct twice *t, int64_t rows);
/* Each batch of the first reading that is to come again, in order. */
enum status twice_keep(struct twice *t, struct batch *b, struct error *err);
/* After the last: the batches once more, the same rows in the same order (not always cut alike). END after the last row, and then from the
 * first again; a file that has other rows by now is ERR_DATA. The schema of each is s. */
enum status twice_next(struct twice *t, struct batch **b, struct error *err);

#endif
