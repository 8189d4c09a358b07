/* score_rows.h - batches of completions through everything that a run scores them by, and the rewards that look at all completions of a
 * prompt.
 *
 * score_rows_judge fills a struct scored for a batch: models and programs row after row in order, rules on the pool. score_groups then
 * gives the rows out in input order, each once the last row of its prompt has come (rows of a prompt are those that stand together and
 * have the same id), with the reward len filled in. Without that reward every row goes at once. */
#ifndef QUERN_JUDGE_SCORE_ROWS_H
#define QUERN_JUDGE_SCORE_ROWS_H

#include "judge/exec.h"
#include "judge/rewards.h"
#include "judge/score_model.h"
#include "judge/verify.h"

/* The lowest, the product, the last, the mean. */
enum step_aggregate { STEPS_MIN, STEPS_PROD, STEPS_LAST, STEPS_MEAN };
#define STEP_AGGREGATES "min|prod|last|mean"

struct score_rows {                          /* the caller fills it; what is not asked for is NULL */
	struct reward_set set;
	const char *answer;                  /* column of the right answers */
	enum verify_profile profile;         /* whose rules say what is right */
	struct pool *pool;
	struct score_model *model, *rater;   /* rewards logprob, logprob_mean and model */
	enum step_aggregate aggregate;       /* of a process reward model: how the steps' scores make one */
	struct exec **programs;              /* [set.n_programs] */
	struct code *code;                   /* rewards code, binary_code */
	struct reward_scratch **scratch;     /* [threads]; these two are made and released here */
	struct verifier **verifiers;
};
/* How programs get the rows: a line of JSON each, or an Arrow stream with a record batch for every few. */
extern const struct exec_format score_rows_jsonl, score_rows_arrow;
/* ERR_DATA if the rewards need an answer and the rows have no such column of text. */
enum status score_rows_check(const struct score_rows *s, const struct schema *schema, struct error *err);
void score_rows_release(struct score_rows *s);                              /* closes what is in it */

struct scored {                              /* a batch with, for each row: */
	struct batch *batch;
	double *values;                      /* [rows, set.n] */
	double *programs;                    /* [rows, set.n_programs] */
	double *logprob, *logprob_mean, *rating, *code, *correct;     /* NAN = unknown, or not asked for */
	struct step_ratings steps;           /* of a process reward model, else {0} */
	struct judgement *verdict;           /* where a reward asks for it */
	const char **code_verdict;           /* NULL where nobody asked */
	const char **reject;                 /* why the row is dropped, or NULL */
	int64_t left;                        /* rows not given out yet */
};
/* Retains the batch. */
enum status score_rows_judge(struct score_rows *s, struct batch *b, struct scored **out, struct error *err);
void scored_close(struct scored *s);
/* Instead of rewards: out[2 row], out[2 row + 1] are what two profiles say. */
void score_rows_audit(struct score_rows *s, struct batch *b, const enum verify_profile profiles[2], struct judgement *out);
/* "equal:number", "different:no_answer". */
void judgement_print(struct judgement j, struct buf *out);

struct score_groups;
/* emit gets the rows in order. */
typedef enum status score_emit(void *arg, const struct scored *s, int64_t row, struct error *err);
struct score_groups *score_groups_open(const struct reward_set *set, score_emit *emit, void *arg);
/* Takes over s. ERR_DATA if a prompt has more than PROMPT_ROWS_MAX completions and the reward len is asked for. */
enum status score_groups_add(struct score_groups *g, struct scored *s, struct error *err);
enum status score_groups_finish(struct score_groups *g, struct error *err);
void score_groups_close(struct score_groups *g);                            /* NULL allowed */

#endif
