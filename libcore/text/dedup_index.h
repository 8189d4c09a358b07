/* dedup_index.h - the keys of all earlier runs in a directory, so that today's rows are compared with every day before.
 *
 * The directory holds segments, one a run: keys-N, the run's keys in order (16 bytes each: 64 bits, 31 more with the bit of equal
 * texts, the first row that has it), and ids-N, where each row's id ends, then the ids. One whose keys are verified has a key for every row, and
 * sets-N, in the manner of ids-N: each row's shingles. The file `manifest` says which segments there are: a line of
 * JSON with the format's version, what is compared and how, and each file's XXH3-128; then a line with its own. It is replaced by
 * renaming, as the last thing of a run, so a run that is killed leaves the index as it was; files that the manifest does not name go
 * when the index is next opened. A new index has a manifest without segments first. The file `lock` is held by flock while the index is open.
 *
 * Keys are met in order (a merge, segment by segment), so memory does not grow with the index. All bytes of keys are read once a run,
 * and their hashes checked before anything is added. */
#ifndef QUERN_TEXT_DEDUP_INDEX_H
#define QUERN_TEXT_DEDUP_INDEX_H

#include "base/spool.h"

#include <stdbool.h>

struct dedup_index;
/* Opens dir, which is made if it is not there. identity is what is compared and how, in words; an index of other keys is ERR_USAGE, one
 * that another run holds ERR_IO, a damaged one ERR_DATA. sets: rows have shingles, and all that have a key are kept. */
enum status dedup_index_open(struct dedup_index **x, const char *dir, const char *identity, bool sets, struct error *err);
void dedup_index_close(struct dedup_index *x);       /* NULL allowed; without a commit nothing has changed */

struct dedup_index_rows {            /* {0} is valid; mem_free(rows) */
	uint64_t *rows;
	uint32_t n, cap;
};
/* Today's keys in rising order, each once: rows of earlier runs that have it, in order, in the place of those in found; without sets
 * only the first of each run. ERR_UNSUPPORTED for 2^32 of them. */
enum status dedup_index_find(struct dedup_index *x, const uint64_t record[2], struct dedup_index_rows *found, struct error *err);
/* Notes a key of today, in order: with sets each row that has it, else the first. */
enum status dedup_index_add(struct dedup_index *x, const uint64_t record[2], struct error *err);
/* After the last key: the rest of the index is read and all hashes are checked. */
enum status dedup_index_finish(struct dedup_index *x, struct error *err);
/* The id of a row of an earlier run; valid until close. */
const char *dedup_index_id(struct dedup_index *x, uint64_t row, size_t *n);

/* The shingles of one, in order; the same. */
const uint64_t *dedup_index_set(struct dedup_index *x, uint64_t row, size_t *n);

/* Adds today's keys, with the ids of all its rows, and with sets those. */
enum status dedup_index_commit(struct dedup_index *x, const struct spool *ids, const struct spool *sets, uint64_t rows, struct error *err);
/* After the commit: one segment in the place of all, with the earliest row of each key, or with sets all. */
enum status dedup_index_compact(struct dedup_index *x, struct error *err);

uint64_t dedup_index_rows(const struct dedup_index *x);
int dedup_index_segments(const struct dedup_index *x);

#endif
