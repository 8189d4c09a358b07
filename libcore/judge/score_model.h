/* score_model.h - what a model says of the rows of a batch: log-probabilities of completions, and of the replies of preferences; or
 * how a reward model rates them. */
#ifndef QUERN_JUDGE_SCORE_MODEL_H
#define QUERN_JUDGE_SCORE_MODEL_H

#include "base/pool.h"
#include "stream/stream.h"

struct score_model;
/* dir is a model directory, s and k what the rows are. */
enum status score_model_open(struct score_model **m, const char *dir, const struct schema *s, enum kind k, struct pool *pool, struct error *err);
/* The same of a reward model; ERR_DATA if dir is none. */
enum status score_rater_open(struct score_model **m, const char *dir, const struct schema *s, enum kind k, struct pool *pool, struct error *err);
void score_model_close(struct score_model *m);                              /* NULL allowed */
/* sums[row]: log p(completion | prompt), over the sampled tokens where the model's tokenizer reads the completion's text from them, else
 * over the text's own. reject[row] gets a reason ("too_long", or one of prompts_encode), and the row none. */
enum status score_model_completions(struct score_model *m, const struct batch *b, double *sums, const char **reject, struct error *err);
/* ratings[row]: what a reward model says of prompt and completion, as the conversation that reward-train reads in preferences; after a prompt of
 * text, of both with the end token behind. A row that has a reason already is left out; reasons: "template_error", "empty_prompt", "too_long". */
enum status score_model_ratings(struct score_model *m, const struct batch *b, double *ratings, const char **reject, struct error *err);
/* sums[2 row], sums[2 row + 1]: the same of chosen and rejected after the prompt. Reasons: "template_error", "too_long". */
enum status score_model_replies(struct score_model *m, const struct batch *b, double *sums, const char **reject, struct error *err);

#endif
