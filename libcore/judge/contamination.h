/* contamination.h - which rows of evaluations stand in a corpus, and what the metrics are with and without them.
 *
 * A row is contaminated if its document or right answer shares a run of `words` words with the corpus, compared as dedup --overlap compares
 * (text/against.h): in lower case and without punctuation and accents. Few-shot examples and templates do not count. In memory are the texts
 * of the evaluated rows and a table of their runs; the corpus is read once, in constant memory. */
#ifndef QUERN_JUDGE_CONTAMINATION_H
#define QUERN_JUDGE_CONTAMINATION_H

#include "base/pool.h"
#include "judge/samples.h"
#include "judge/stats.h"
#include "text/against.h"

struct contamination;
struct contamination_task {
	struct samples *samples;
	bool *hit;                   /* of the samples' rows */
	int64_t hits, too_short;     /* rows; too_short: of fewer words than a run, which cannot be found */
};

enum status contamination_open(struct contamination **c, int words, struct pool *pool, struct error *err);
void contamination_close(struct contamination *c);           /* NULL allowed */
/* An evaluation: see samples_open. All of them come before the first corpus. */
enum status contamination_add(struct contamination *c, const char *path, struct error *err);
/* Reads a corpus of any kind that dedup compares; entry is filled for the provenance. */
enum status contamination_search(struct contamination *c, const char *path, struct provenance_input *entry, struct error *err);
/* After the last corpus: says of each row whether it was found. */
void contamination_decide(struct contamination *c);

int contamination_tasks(const struct contamination *c);
const struct contamination_task *contamination_task(const struct contamination *c, int i);
/* Runs of a row, and the text they are in; the corpus's name and the id of its row. */
int64_t contamination_runs(const struct contamination *c, int task, int64_t row, const struct against_run **runs, const char **text);
const char *contamination_corpus(const struct contamination *c, const struct against_place *p, const char **id);
/* A metric under a filter over all rows, the clean ones, and the others. */
void contamination_metric(const struct contamination_task *t, int metric, int filter, struct stats of[3]);

void contamination_json(const struct contamination *c, const char *provenance, struct buf *out);
void contamination_table(const struct contamination *c, struct buf *out);

#endif
