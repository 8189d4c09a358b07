/* logprob.h - the log-probability of a completion: given a prompt's ids, or given messages.
 *
 * Sequences are queued and packed into one forward pass after the other; a sequence's result does not depend on what
 * it was packed with. This is the one definition of log p(completion | prompt) in the program: score --logprob, score --ref,
 * perplexity and the reference of dpo-train use it. */
#ifndef QUERN_INFER_LOGPROB_H
#define QUERN_INFER_LOGPROB_H

#include "infer/lm.h"

struct scorer;
/* limit: most tokens a sequence may feed; 0 = the model's positions, at most 8192. Passes are of 2048 tokens or of limit, whichever is more. */
enum status scorer_open(struct scorer **s, struct model *m, int64_t limit, struct error *err);
void scorer_close(struct scorer *s);                          /* NULL allowed */
/* Queues ids[0..n); *sum receives the sum of log p(ids[i] | ids[0..i)) over the i >= 1 with mask[i] != 0, at the latest
 * in scorer_flush, and must stay valid until then. ids and mask are copied. n is at most scorer_limit; ids[n - 1] is
 * only predicted, never fed. */
enum status scorer_add(struct scorer *s, const int32_t *ids, const int32_t *mask, int64_t n, double *sum, struct error *err);
/* Under a reward model: values[i] receives, in the same manner, what it says at token at[i] of the sequence: its output, or of a process reward
 * model the probability that the step that ends there is right. n is below scorer_limit, and at least 1. */
enum status scorer_add_ratings(struct scorer *s, const int32_t *ids, int64_t n, const int64_t *at, int64_t n_at, double *values, struct error *err);
enum status scorer_flush(struct scorer *s, struct error *err);
/* Longest sequence: one more than may be fed, as the last token is only predicted. */
int64_t scorer_limit(const struct scorer *s);

/* A conversation whose last messages are the completion: appends its ids, and to mask 1 where log p counts: the tokens that
 * the assistant says (content and end of turn) in messages [n_prompt, c->n). One reply is cut from its prompt as tokenize-bpe cuts pairs
 * (chat_encode_answer); earlier turns may then be rendered otherwise than they were said. */
enum status logprob_encode(const struct lm *lm, const struct chat *c, int n_prompt, struct ids *ids, struct ids *mask, struct error *err);

#endif
