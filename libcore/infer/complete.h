/* complete.h - rows in, completions out: prompts, generation and the completions schema put together, for every tool that
 * lets a model answer (generate, eval). */
#ifndef QUERN_INFER_COMPLETE_H
#define QUERN_INFER_COMPLETE_H

#include "infer/journal.h"
#include "infer/prompt.h"

struct completion {                          /* one sample of one row */
	struct batch *batch;                 /* the input row */
	int64_t row;
	int64_t number;                      /* of the row in all of the input, from 0 */
	const struct generate_result *result;
	const char *text;                    /* [n] */
	size_t n;
};

struct complete_io {
	enum status (*batch)(void *arg, struct batch **b, struct error *err);       /* next input, END after the last */
	enum status (*reject)(void *arg, struct batch *b, int64_t row, const char *reason, struct error *err);
	enum status (*done)(void *arg, const struct completion *c, struct error *err);    /* in input order */
	void *arg;
	struct journal *journal;     /* what is finished goes there, and what is there already is not done again; NULL = none */
};

/* All rows of all batches (of schema s, kind k). Rejected with a reason: those of prompts_encode, and "prompt_too_long" where
 * not one token would fit behind the prompt. The random stream of a row is its id, or its number where it has none. */
enum status complete_rows(struct lm *lm, const struct schema *s, enum kind k, const struct generate_options *o,
			  const struct complete_io *io, struct generate_totals *totals, struct error *err);

/* --- the completions kind -------------------------------------------------------------------------------- */

struct completion_columns {
	int id;                              /* -1: there is none, the row's number is its id */
	int prompt;                          /* column of the input that becomes prompt */
	bool cut;                            /* messages: only up to the last user turn */
	int n_passed;
	int *passed;                         /* input columns that pass through, in order */
};

/* id, prompt, sample, completion, completion_ids, logprob, finish, then every other column of in (those of these names
 * are replaced). */
enum status completion_schema(const struct schema *in, enum kind k, struct schema *out, struct completion_columns *c,
			      struct error *err);
void completion_columns_release(struct completion_columns *c);
/* Appends the row to the first 7 + n_passed columns of b. */
void completion_append(struct builder *b, const struct completion_columns *cols, const struct completion *c);


/* ERR_DATA if s has a completion_ids that is no list of int32. */
enum status completion_check(const struct schema *s, struct error *err);
/* Tokens in a row's completion_ids, -1 where it has none. */
int64_t completion_length(const struct batch *b, int64_t row);

#endif
