/* dedup_stage.h - dedup of whole rows in stages, by as many processes as there are parts, over files in one directory.
 *
 *	sign K of N      rows of part K       -> keys-K (sorted), rows-K (their ranks)
 *	group K of N     keys-1 ... keys-N    -> pairs-K, of the keys in the K-th of N ranges
 *	cluster          pairs-*, rows-*      -> verdicts, a byte for each row
 *	filter K of N    rows of part K again, and verdicts
 *
 * The rows of part 1 come before those of part 2, and so on; the rows that stay are those of one process over all. A stage may
 * start when all parts of the one before have ended. Each file is written beside and renamed, and ends with what it is about (a hash of the
 * identity: what is compared, how, in how many parts), its rows and its checksum; so a stage can be run again, and files of other
 * runs, or damaged ones, are refused (ERR_DATA). */
#ifndef QUERN_TEXT_DEDUP_STAGE_H
#define QUERN_TEXT_DEDUP_STAGE_H

#include "base/pool.h"
#include "text/clusters.h"

struct dedup_stage {
	const char *dir, *identity;
	int part, parts;             /* from 1 */
	size_t memory;
	const char *tmp;             /* as temp_open */
	struct pool *pool;
	enum clusters_keep keep;
};

/* c holds the part's rows and keys. */
enum status dedup_stage_sign(const struct dedup_stage *s, struct clusters *c, struct error *err);
enum status dedup_stage_group(const struct dedup_stage *s, struct error *err);
enum status dedup_stage_cluster(const struct dedup_stage *s, struct clusters_stats *stats, struct error *err);

enum dedup_stage_verdict { STAGE_KEPT, STAGE_EXACT, STAGE_NEAR };
struct dedup_verdicts;
/* Those of the part's rows. */
enum status dedup_verdicts_open(struct dedup_verdicts **v, const struct dedup_stage *s, struct error *err);
/* Of the next row; ERR_DATA if the part had fewer when it was signed. */
enum status dedup_verdicts_next(struct dedup_verdicts *v, enum dedup_stage_verdict *verdict, struct error *err);
/* ERR_DATA if it had more. */
enum status dedup_verdicts_end(const struct dedup_verdicts *v, struct error *err);
void dedup_verdicts_close(struct dedup_verdicts *v);                        /* NULL allowed */

#endif
