/* micro.h - micro-batches: items of a dataset side by side, as many as fit, in host arrays that are taken once. */
#ifndef QUERN_TRAIN_MICRO_H
#define QUERN_TRAIN_MICRO_H

#include "train/objective.h"

struct micro_room {
	int64_t n_max;               /* tokens */
	int32_t *ids, *targets, *cu;
	float *logp, *lse, *mean, *dlogp, *dlse, *dmean, *logits, *dlogits; /* NULL where not wanted, as those below */
	float *noise_size;
	uint64_t *noise_key;
};
/* wants: the objective whose terms are taken, NULL for logp alone; noise: with room for it. */
void micro_open(struct micro_room *room, int64_t n_max, const struct objective *wants, bool noise);
void micro_close(struct micro_room *room);
/* Fills mb with items from the front of the list, as many as fit (at least one); their number. */
int64_t micro_fill(const struct micro_room *room, const struct dataset *d, const int64_t *items, int64_t n, struct micro *mb);

/* NEFTune (Jain et al. 2023): noise of +- alpha / sqrt(L C) on the embeddings of a sequence of L tokens. Numbers are drawn by step and
 * place in the step (first: that of the micro-batch's first token), so they do not depend on how a step is cut. alpha 0: only the
 * keys are set, for the dropout of adapters. */
void micro_noise(const struct micro_room *room, struct micro *mb, double alpha, int hidden, uint64_t seed, int64_t step, int64_t first);

/* Log-probability of every sequence's targets under a model, out[n_seqs]; the reference of preference training. Uses its own memory for
 * at most micro_tokens tokens. sum: makes the numbers of a micro-batch's sequences instead of their plain sums; NULL = those. */
typedef void sequence_sums(void *arg, const struct micro *mb, float *out);
enum status sequence_logps(struct model *m, const struct dataset *d, int64_t micro_tokens, sequence_sums *sum, void *arg, float *out,
			   struct error *err);

#endif
