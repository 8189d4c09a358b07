/* metric_ter.h - translation edit rate (Snover et al. 2006): the least edits that make the reference of the prediction, where moving a
 * run of words is one edit; with the heuristics and limits of Tercom as sacrebleu has them.
 *
 * Edit distances look only at a band of 25 words on both sides of the diagonal, a shift moves at most 10 words by at most 50, and at most
 * 1000 shifts are tried per pair. A tried shift is priced from its first changed word to where the row of the table is the old one again,
 * up to a constant; so a hostile line costs its length times the band times the shifts tried. Rows of more than TER_WORDS words are
 * refused. */
#ifndef QUERN_JUDGE_METRIC_TER_H
#define QUERN_JUDGE_METRIC_TER_H

#include "judge/metric_text.h"

#define TER_WORDS 131072             /* of a prediction, or of a reference */

struct ter_memory;
void ter_memory_free(struct ter_memory *t);          /* NULL allowed */
/* Edits and shifts. *memory is created when NULL. */
int64_t ter_edits(struct ter_memory **memory, const struct tokens *prediction, const struct tokens *reference);

#endif
