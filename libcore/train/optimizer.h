/* optimizer.h - which parameters are updated, by which rule, and the state that this needs.
 *
 * State lies in contiguous buckets, in the order of the parameters that are trained and in nothing else: frozen ones have
 * none. A bucket is m, v (floats) or, with eight bits, m8, v8 (a byte a parameter) and m_max, v_max (a float a block of
 * KERNELS_BLOCK8; each tensor begins a block); tensors of fewer than OPTIMIZER_SMALL elements stay in floats, as in bitsandbytes. Weight
 * decay applies to matrices, not to norms and biases (tensor.decay). Sharing the buckets out over processes needs no
 * other layout: every range of parameters has its range of state. */
#ifndef QUERN_TRAIN_OPTIMIZER_H
#define QUERN_TRAIN_OPTIMIZER_H

#include "model/model.h"
#include "model/safetensors.h"

#define OPTIMIZER_SMALL 4096

enum optimizer_kind { OPTIMIZER_ADAMW, OPTIMIZER_ADAMW8, OPTIMIZER_LION, OPTIMIZER_SGD };
#define OPTIMIZER_NAMES "adamw|adamw8|lion|sgd"

struct optimizer_options {
	enum optimizer_kind kind;
	double beta1, beta2, eps;    /* SGD: beta1 is the momentum, 0 for none; beta2 0 is 0.95, Lion 0.99 */
	double weight_decay;
	bool nesterov;
	bool offload;                /* its state lies in the host's memory, pinned */
};

/* Optimizer state by name; elements of 4 bytes or, m8 and v8, of one. */
enum { BUCKET_M, BUCKET_M8, BUCKET_M_MAX, BUCKET_V, BUCKET_V8, BUCKET_V_MAX, BUCKETS };
struct bucket {
	const char *name;
	int64_t n;
	void *data;                  /* device; NULL where n is 0 */
	bool bytes;
};

struct optimizer {
	struct optimizer_options o;
	const struct kernels *k;
	struct pool *pool;
	struct update_range *ranges;
	int n_ranges;
	int64_t n_trained;           /* parameters */
	struct bucket buckets[BUCKETS];
	struct update_range *placed; /* device: the ranges */
	struct grad_norm *norm;      /* device: of the last optimizer_norm */
};

/* Finds ranges and sizes. trained: for each tensor of m whether it is; NULL is all that are not frozen. */
void optimizer_plan(struct optimizer *opt, const struct model *m, const bool *trained, const struct optimizer_options *o);
/* Takes the state of a planned one, zeroed. */
enum status optimizer_take(struct optimizer *opt, struct error *err);
void optimizer_close(struct optimizer *opt);
size_t optimizer_bytes(const struct optimizer *opt);
/* Whether its state lies in the host's memory and the parameters do not. */
bool optimizer_is_apart(const struct optimizer *opt);
/* The norm of the gradients (device, of all parameters) of what is trained is measured; nobody waits for it. clip: the norm that the update
 * behind it brings them down to, 0 = they stay. */
void optimizer_norm(const struct optimizer *opt, const float *grads, double clip);
/* One update with gradients so clipped, or none if their norm is not finite; step counts from 1. */
void optimizer_update(const struct optimizer *opt, float *params, const float *grads, double lr, int64_t step);
/* That norm; waits for it alone, not for the update. */
double optimizer_read_norm(const struct optimizer *opt);

/* Which tensors are trained: those that fit one of train's patterns (all, where there is none), less those that fit one of
 * freeze's, as fnmatch(3) has it. trained[m->n_tensors]. ERR_USAGE if a pattern fits none, or none is left. */
enum status optimizer_select(const struct model *m, const char *const *freeze, int n_freeze, const char *const *train, int n_train,
			     bool *trained, struct error *err);

#endif
