/* beam.h - beam search, inside the infer room: generate_run calls it for more than one beam.
 *
 * The search is that of transformers 5 (generation/utils.py, _beam_search): each step keeps, of the 2 x beams best continuations, the
 * best ones that do not end as beams and those among the first beams that end as hypotheses; a hypothesis scores its sum of
 * log-probabilities over its length to length_penalty; the search ends where no beam can do better than the worst hypothesis
 * kept at the present length, or, with early_stopping, with as many hypotheses as beams. */
#ifndef QUERN_INFER_BEAM_H
#define QUERN_INFER_BEAM_H

#include "infer/generate.h"

/* As generate_run. A result's logprob is the model's own; result.sample is the rank. A prompt whose
 * continuations are fewer than the n that are wanted has those. */
enum status beam_run(struct model *m, const struct tokenizer *t, const struct generate_options *o,
		     const struct generate_io *io, struct generate_totals *totals, struct error *err);

#endif
