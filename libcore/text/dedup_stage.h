/* dedup_stage.h - dedup of whole rows in stages, by as many processes as there are parts, over files in one directory.
 *
 *	sign K of N      rows of part K       -> keys-K (sorted), ids-K, rows-K (their ranks); sets-K (of shingles) if they are verified
 *	group K of N     keys-*, sets-*       -> pairs-K, of the keys in the K-th of N ranges
 *	cluster          pairs-*, rows-*      -> verdicts, a word for each row
 *	filter K of N    rows of part K again, and verdicts, ids-*, sets-*
 *
 * The rows of part 1 come before those of part 2, and so on; the rows that stay are those of one process over all. A stage may
 * start when all parts of the one before have ended. Each file is written beside and renamed, and ends with what it is about (a hash of the
 * identity: what is compared, how, in how many parts), its rows and its checksum; so a stage can be run again, and files of other
 * runs, or damaged ones, are refused (ERR_DATA). */
#ifndef QUERN_TEXT_DEDUP_STAGE_H
#define QUERN_TEXT_DEDUP_STAGE_H

#include "base/pool.h"
#include "base/spool.h"
#include "text/clusters.h"

struct dedup_stage {
	const char *dir;
	uint64_t identity;           /* of what is compared and how */
	int part, parts;             /* from 1 */
	size_t memory;
	const char *tmp;             /* as temp_open */
	struct pool *pool;
	enum clusters_keep keep;
	double verify;               /* Jaccard similarity that pairs of MinHash must have; 0: none */
	bool ids;                    /* filter tells the id of the row that is repeated, and with verify how similar they are */
};

/* Sets part and parts from "K/N". ERR_USAGE. */
enum status dedup_stage_part(struct dedup_stage *s, const char *text, struct error *err);
/* c holds the part's rows and keys; sets is NULL without verify. */
enum status dedup_stage_sign(const struct dedup_stage *s, struct clusters *c, const struct spool *ids, const struct spool *sets,
			     struct error *err);
enum status dedup_stage_group(const struct dedup_stage *s, struct error *err);
/* Tells how many clusters there are. */
enum status dedup_stage_cluster(const struct dedup_stage *s, void (*tell)(void *arg, const char *key, int64_t n), void *arg, struct error *err);

enum { STAGE_KEPT, STAGE_EXACT, STAGE_NEAR };
struct dedup_stage_verdict {
	int what;                    /* as above */
	const void *original;        /* id of the row that it repeats, or its number, or NULL; valid until the next */
	size_t original_bytes;
	double similarity;           /* or NaN */
};
struct dedup_verdicts;
/* Those of the part's rows, the first of which has the number *first among those of all parts. */
enum status dedup_verdicts_open(struct dedup_verdicts **v, const struct dedup_stage *s, int64_t *first, struct error *err);
/* Of the next row; ERR_DATA if the part had fewer when it was signed. */
enum status dedup_verdicts_next(struct dedup_verdicts *v, struct dedup_stage_verdict *verdict, struct error *err);
/* ERR_DATA if it had more. */
enum status dedup_verdicts_end(const struct dedup_verdicts *v, struct error *err);
void dedup_verdicts_close(struct dedup_verdicts *v);                        /* NULL allowed */

#endif
