/* clusters.h - which rows go together: rows that share a key, their friends' friends, and which row stands for all.
 *
 * Keys are 128-bit hashes; two rows with an equal key are a candidate pair, and joined (equal texts), or joined if a judge says so
 * (MinHash with verification: jaccard.h). Clusters are the connected components. Keys are sorted on disk above the memory allowed; what stays
 * in memory is 4 bytes for each row, 12 more where rows have ranks, 8 more where there are earlier runs, and two bits; with a judge 4 for each row
 * of the key that is shared by most. */
#ifndef QUERN_TEXT_CLUSTERS_H
#define QUERN_TEXT_CLUSTERS_H

#include "base/sorter.h"

#include <stdbool.h>

#define CLUSTERS_ROWS_MAX (UINT32_MAX - 1)

enum clusters_keep { CLUSTERS_FIRST, CLUSTERS_RANKED, CLUSTERS_NONE };

struct clusters_options {
	size_t memory;               /* bytes of keys before they go to disk, and of what is held for each row */
	const char *tmp;             /* as temp_open */
	struct pool *pool;
	enum clusters_keep keep;     /* the first row; the row of the least rank, the first of those; none where there are several */
	/* Told the n rows, two or more, that share a key of no equal text, in order: calls clusters_join for those that go together. NULL: all do. */
	enum status (*judge)(void *arg, const uint32_t *rows, uint32_t n, struct error *err);
	/* Told each key in rising order, as a record of two words with a row that has it in the low half of the second, and the same for other rows
	 * that have it; at the first says which row of an earlier run has it too, or CLUSTERS_NEW. Such a row's whole cluster is
	 * dropped. With a judge that is told each row of such a key, also one that is alone. NULL: there are no earlier runs. */
	enum status (*meet)(void *arg, const uint64_t record[2], bool first, uint64_t *earlier, struct error *err);
	void *arg;
};

#define CLUSTERS_NEW UINT64_MAX

struct clusters;
struct clusters *clusters_open(const struct clusters_options *o);
void clusters_close(struct clusters *c);                                    /* NULL allowed */
/* A new row, numbered from 0; rank matters for CLUSTERS_RANKED. ERR_UNSUPPORTED above CLUSTERS_ROWS_MAX, ERR_MEMORY. */
enum status clusters_row(struct clusters *c, uint64_t rank, struct error *err);
/* A key of the last row; 95 of its bits count. */
enum status clusters_key(struct clusters *c, const uint64_t key[2], bool equal, struct error *err);
/* After the last row: joins two, as a pair that shares a key; equal as there. */
void clusters_join(struct clusters *c, uint32_t a, uint32_t b, bool equal);
/* The same of a row and one of an earlier run. */
void clusters_seen(struct clusters *c, uint32_t row, uint64_t earlier);
bool clusters_is_seen(const struct clusters *c, uint32_t row);
/* Whether two rows are in one cluster so far. */
bool clusters_together(struct clusters *c, uint32_t a, uint32_t b);
/* After the last row: tells each key in order, as meet above but for every row that has it, and ends the use of c but for its rows. */
enum status clusters_keys(struct clusters *c, enum status (*tell)(void *arg, const uint64_t record[2], struct error *err), void *arg,
			  struct error *err);
uint32_t clusters_rows(const struct clusters *c);
uint64_t clusters_rank(const struct clusters *c, uint32_t row);             /* 0 where ranks do not matter */
/* After the last row. */
enum status clusters_decide(struct clusters *c, struct error *err);
/* The row that stands for row's cluster: the one that is kept, or the first where none of several is. */
uint32_t clusters_kept(struct clusters *c, uint32_t row);
bool clusters_drops(struct clusters *c, uint32_t row);
/* The earliest row of earlier runs in row's cluster, or CLUSTERS_NEW. */
uint64_t clusters_earlier(struct clusters *c, uint32_t row);
/* Whether a row with the same text comes before this one. */
bool clusters_repeats(const struct clusters *c, uint32_t row);

struct clusters_stats {
	uint64_t keys, joined;         /* pairs that were joined */
	uint32_t rows, clusters;       /* clusters of two rows and more */
	uint64_t bytes;                /* held or spilled at most: keys and rows */
	int runs;
};
struct clusters_stats clusters_stats(struct clusters *c);

#endif
