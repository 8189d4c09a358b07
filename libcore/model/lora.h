/* lora.h - inside the model room: adapters of a model in memory, and their part of a linear layer.
 *
 * For the parts p of a layer's matrix: y[:, p] += s_p drop(x) A_p^T B_p^T, with all A_p in one matrix, so that x is read once. drop is
 * dropout, in training alone, with one mask for all parts of a matrix; each element of it depends on the seed, the token's key, the
 * matrix and the column alone, so neither threads nor micro-batches change it. */
#ifndef QUERN_MODEL_LORA_H
#define QUERN_MODEL_LORA_H

#include "model/adapter.h"
#include "model/layout.h"

struct lora {
	struct adapter_config config;
	bool off;
	bool all_linear;                     /* the names of the layers that were found become target_modules */
	enum status status;                  /* of the configuration's patterns */
	struct error error;
	int n_modules;
	bool *fits;                          /* [n_targets that it began with]: whether a layer had it */
	/* Room for n_max tokens, on the device: x A^T and its gradient [N, rank]; x with dropout [N, in], if there is any. */
	int64_t n_max, rank_max, in_max;
	void *room;
	act *t, *dt, *x;
	/* Dropout of the batch at hand: keys [N] on the device, NULL = none. */
	const uint64_t *keys;
	uint64_t seed;
};

struct lora *lora_open(const struct adapter_config *c);
void lora_close(struct lora *a, const struct kernels *k);           /* NULL allowed */
/* Whether a layer of this name has an adapter, and which. Mistakes of a pattern are kept for lora_check. */
bool lora_wants(struct lora *a, const char *module, int64_t *r, float *scale);
/* Whether it is one of modules_to_save. */
bool lora_saves(const struct lora *a, const char *module);
/* Once all layers have asked: whether all went well, and the configuration as it is to be written. fresh: by --lora-targets, of which each
 * has to fit a layer; named: one, for the message. */
enum status lora_check(const struct lora *a, bool fresh, const char *named, struct error *err);
void lora_resolve(struct lora *a, bool transposed);
/* Room for batches of n tokens, and its bytes; what is there stays if it is enough. */
size_t lora_bytes(const struct model *m, int64_t n);
enum status lora_reserve(const struct model *m, int64_t n, struct error *err);

/* What dropout is drawn from until the next call: the keys of the batch's tokens (device), NULL: nothing is dropped. */
static inline void lora_keys(struct lora *a, const uint64_t *keys, uint64_t seed)
{
	a->keys = keys;
	a->seed = seed ^ 0x6c6f7261ull << 32;        /* apart from the embeddings' noise */
}
void lora_forward(const struct model *m, const struct linear *l, act *y, const act *x, int64_t n);
/* Gradients of A and B are added to grads, that of x to dx. */
void lora_backward(const struct model *m, const struct linear *l, act *dx, const act *dy, const act *x, float *grads, int64_t n);

#endif
