/* journal.h - completions kept in a file as they are finished, so that a run that was killed need not say them again.
 *
 * A line of JSON names the run; then comes a line for each prompt in its order: a hash of its ids, its samples as ids,
 * log-probability and finish, and a checksum of line and run. A line that was cut is dropped. The file is locked while it is open. */
#ifndef QUERN_INFER_JOURNAL_H
#define QUERN_INFER_JOURNAL_H

#include "infer/generate.h"

struct journal;
/* Opens or makes path. identity: one line that says which run this is; ERR_USAGE if the file is of another one, or in use. */
enum status journal_open(struct journal **j, const char *path, const char *identity, struct error *err);
/* The samples of the next prompt that an earlier run has kept, results[*n], valid until the next call; only ids, n, logprob, finish,
 * sample and last are set. END after the last: from then on journal_add. ERR_DATA if the prompt was another,
 * or the line is not as it was written. */
enum status journal_next(struct journal *j, const int32_t *prompt, int64_t n_prompt, const struct generate_result **results,
			 int64_t *n, struct error *err);
/* Whether journal_next would give one. */
bool journal_has(const struct journal *j);
/* Keeps a result; those of one prompt come one after the other. prompt: its ids, for the last result. */
enum status journal_add(struct journal *j, const struct generate_result *r, const int32_t *prompt, int64_t n_prompt,
			struct error *err);
/* generate_run with a journal: what it has of io's first prompts is delivered from there, the rest is computed, and kept. NULL: none. ERR_DATA
 * too if it has more prompts than io, or what this model under o cannot have said. */
enum status journal_run(struct journal *j, struct model *m, const struct tokenizer *t, const struct generate_options *o,
			const struct generate_io *io, struct generate_totals *totals, struct error *err);
int64_t journal_prompts(const struct journal *j);     /* taken over from the earlier run */
/* Closes; remove: the run is complete, and the file goes. NULL allowed. */
void journal_close(struct journal *j, bool remove);

#endif
