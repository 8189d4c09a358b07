/* shuffle.h - rows put in the order of a random key, in bounded memory.
 *
 * Rows are held until they fill the memory they may take; then they are written out as a sorted run, and the runs are
 * merged at the end. The order is by (key, order of adding), so it does not depend on the bound. */
#ifndef QUERN_STREAM_SHUFFLE_H
#define QUERN_STREAM_SHUFFLE_H

#include "base/pool.h"
#include "stream/record.h"

struct shuffle;

/* s must outlive it, and be the schema of every batch. memory is in bytes, of rows as they stand in their batches; runs go to
 * $TMPDIR (/tmp), as files without a name. */
struct shuffle *shuffle_open(const struct schema *s, int64_t memory, struct pool *pool);
void shuffle_close(struct shuffle *s);
/* Holds the batch until the row has been put out, or written to a run. */
enum status shuffle_add(struct shuffle *s, struct batch *b, int64_t row, uint64_t key, struct error *err);
int shuffle_runs(const struct shuffle *s);                                  /* on disk */
/* Puts out all rows in order, once. Stops at the first status of emit that is not OK. A batch that emit retains is good until
 * shuffle_close; it may have a column more than s, behind the others. */
typedef enum status shuffle_emit(void *arg, struct batch *b, int64_t row, struct error *err);
enum status shuffle_drain(struct shuffle *s, shuffle_emit *emit, void *arg, struct error *err);

#endif
