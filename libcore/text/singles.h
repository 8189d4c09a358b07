/* singles.h - which rows go together where each has one key: clusters.h without memory for each row.
 *
 * Keys are sorted, and so are the verdicts that come of them, by row; both on disk above the memory allowed. Where the first row is the one
 * that stays, rows may be judged as they come, by a table of what came before, as long as that fits into the memory. */
#ifndef QUERN_TEXT_SINGLES_H
#define QUERN_TEXT_SINGLES_H

#include "text/clusters.h"

struct singles;
/* As clusters_open; without a judge. at_once: rows are judged as they come, if that can be (CLUSTERS_FIRST, without earlier runs). */
struct singles *singles_open(const struct clusters_options *o, bool at_once);
void singles_close(struct singles *s);                                      /* NULL allowed */
/* A new row, numbered from 0, with its key, of which 95 bits count. ERR_UNSUPPORTED above CLUSTERS_ROWS_MAX. */
enum status singles_row(struct singles *s, const uint64_t key[2], uint64_t rank, struct error *err);
/* Before n more rows: whether they are judged as they come. singles_next must then be asked about them before the next call of this;
 * from the first false on it is false. */
enum status singles_expect(struct singles *s, uint64_t n, bool *at_once, struct error *err);
/* A row to come soon has this key. */
void singles_prefetch(const struct singles *s, const uint64_t key[2]);
/* After the last row; then singles_next goes on with the first row that was not judged. */
enum status singles_decide(struct singles *s, struct error *err);
/* About each row, in order: as clusters_drops, clusters_kept and clusters_earlier. */
struct singles_verdict {
	bool drops;
	uint32_t kept;
	uint64_t earlier;
};
enum status singles_next(struct singles *s, struct singles_verdict *v, struct error *err);
struct clusters_stats singles_stats(const struct singles *s);

#endif
