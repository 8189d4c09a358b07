/* score_model.h - what a model says of the rows of a batch: log-probabilities of completions, and of the replies of preferences; or
 * how a reward model rates them, or their steps. */
#ifndef QUERN_JUDGE_SCORE_MODEL_H
#define QUERN_JUDGE_SCORE_MODEL_H

#include "base/pool.h"
#include "model/model.h"
#include "stream/stream.h"

struct score_model;
/* dir is a model directory, how it is held and where it computes as lm_open_as has it, s and k what the rows are. */
enum status score_model_open(struct score_model **m, const char *dir, const struct model_how *how, const struct schema *s, enum kind k,
			     struct pool *pool, struct error *err);
/* The same of a reward model; ERR_DATA if dir is none. Of a process reward model, separator ends a step (steps_open in infer/steps.h); a reward
 * model has none, ERR_USAGE. */
enum status score_rater_open(struct score_model **m, const char *dir, const struct model_how *how, const char *separator,
			     const struct schema *s, enum kind k, struct pool *pool, struct error *err);
bool score_rater_is_process(const struct score_model *m);
void score_model_close(struct score_model *m);                              /* NULL allowed */
/* sums[row]: log p(completion | prompt), over the sampled tokens where the model's tokenizer reads the completion's text from them, else
 * over the text's own; means[row]: that by their number, NAN where there are none. reject[row] gets a reason ("too_long", or one of
 * prompts_encode), and the row none. */
enum status score_model_completions(struct score_model *m, const struct batch *b, double *sums, double *means, const char **reject,
				    struct error *err);
/* ratings[row]: what a reward model says of prompt and completion, as the conversation that reward-train reads in preferences; after a prompt of
 * text, of both with the end token behind. A row that has a reason already is left out; reasons: "template_error", "empty_prompt", "too_long". */
enum status score_model_ratings(struct score_model *m, const struct batch *b, double *ratings, const char **reject, struct error *err);
/* Of a process reward model: row's steps, the parts of its completion between separators, have values [at[row], at[row + 1]). */
struct step_ratings {
	int64_t *at;                 /* [rows + 1] */
	double *values;              /* probability that the step is right */
};
/* r is released by the caller, also after an error; {0} is released, too. Reasons as above. */
enum status score_model_steps(struct score_model *m, const struct batch *b, struct step_ratings *r, const char **reject, struct error *err);
void step_ratings_release(struct step_ratings *r);
/* sums[2 row], sums[2 row + 1]: the same of chosen and rejected after the prompt. Reasons: "template_error", "too_long". */
enum status score_model_replies(struct score_model *m, const struct batch *b, double *sums, const char **reject, struct error *err);

#endif
