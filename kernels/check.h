/* check.h - what the files of the kernels' check share: a check's state, random inputs and comparisons.
 *
 * Inputs are allocated with exactly their size and freed by the caller (mem_free). */
#ifndef QUERN_KERNELS_CHECK_H
#define QUERN_KERNELS_CHECK_H

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kernels.h"

#include <stdbool.h>

struct check {
	const struct kernels *k;
	bool half;                   /* a table of bf16 */
	bool forward;                /* whose products take weights packed for the forward alone (check_device.c) */
	struct pool *pools[2];       /* none, and three threads */
	struct rng rng;
	bool failed;
	char what[256];              /* the first failure */
	double worst;                /* largest error in units of its tolerance */
	struct bound {
		float *host;
		act *device;
		int64_t n;
		bool out;
	} bound[8];                  /* activations of the call that is being made */
	int n_bound;
};

/* Activations of one call, from floats that the table's type holds exactly: x for the call to read; y for it to change, done then
 * brings back what it has become. The same floats given twice are the same activations. */
act *in(struct check *c, const float *x, int64_t n);
act *out(struct check *c, float *y, int64_t n);
void done(struct check *c);
/* n floats in [-1, 1) that the table's type holds; x rounded to what it holds. */
float *values(struct check *c, int64_t n);
void as_stored(const struct check *c, float *x, int64_t n);
/* x as the table at hand multiplies it: the floats, or those rounded. */
void as_multiplied(const struct check *c, float *x, int64_t n);

int64_t below(struct check *c, int64_t n);
/* A size up to max that is often 0, 1, or around a vector; size1 is at least 1. */
int64_t size(struct check *c, int64_t max);
int64_t size1(struct check *c, int64_t max);
/* n floats in [-1, 1); NaN; of x. */
float *floats(struct check *c, int64_t n);
float *junk(int64_t n);
float *copy_of(const float *x, int64_t n);
int32_t *indices(struct check *c, int64_t n, int64_t max);
double dot(const double *a, const double *b, int64_t n);
/* x as doubles, zeros where x is NULL. */
double *doubles(const float *x, int64_t n);

void fail(struct check *c, const char *name, int64_t i, double got, double want);
/* Values that are made and then multiplied (gradients of logits, probabilities of attention) are rounded to bf16 too: half a unit
 * in their 8 bits, as a count of float epsilons, and the terms of a sum may all be off to one side. */
#define BF16_EPS (60 + 65536)

/* eps_count float epsilons of the largest wanted value (or 1e-3, for sums that cancel). */
void expect(struct check *c, const char *name, const float *got, const double *want, int64_t n, double eps_count);
/* The same of activations: each may be off by a rounding besides. */
void expect_acts(struct check *c, const char *name, const float *got, const double *want, int64_t n, double eps_count);
double act_rounding(const struct check *c);       /* the largest, relative to the value; 0 of floats */
/* The gradient of loss() with respect to x[n] at random places, against got. top: the size of the terms that may cancel
 * in it; errors count in epsilons of that or of the largest gradient. */
void expect_gradient(struct check *c, const char *name, const float *got, double *x, int64_t n, double (*loss)(const void *),
		     const void *arg, double top, double eps_count);
void expect_gradient_acts(struct check *c, const char *name, const float *got, double *x, int64_t n, double (*loss)(const void *),
			  const void *arg, double top, double eps_count);
/* To the bit. */
void expect_same(struct check *c, const char *name, const float *a, const float *b, int64_t n);

/* A random matrix [o, i] in a random form, in buffers of exact size, and the floats it stands for. */
struct stored {
	struct weights w;
	float *scale, *values;
	uint8_t *bytes;
};
struct stored random_weights(struct check *c, int64_t o, int64_t i);
struct stored weights_of(struct check *c, enum elem elem, int64_t o, int64_t i);
void stored_free(struct stored *s);

/* --- check_memory.c -------------------------------------------------------------------------- */
void check_memory(struct check *c);
void check_record(struct check *c);

/* --- check_norm.c ------------------------------------------------------------------------------ */
void check_rmsnorm(struct check *c);
void check_rmsnorm_dx(struct check *c);
void check_layernorm(struct check *c);
void check_layernorm_dx(struct check *c);
void check_qk_norm(struct check *c);
void check_qk_norm_dx(struct check *c);

/* --- check_attention.c ------------------------------------------------------------------------- */
void check_attention(struct check *c);
void check_attention_dqkv(struct check *c);
void check_attention_cached(struct check *c);

/* --- check_rows.c ------------------------------------------------------------------------------ */
void check_add(struct check *c);
void check_bias_db(struct check *c);
void check_scale(struct check *c);
void check_swiglu(struct check *c);
void check_swiglu_dgu(struct check *c);
void check_geglu(struct check *c);
void check_geglu_dgu(struct check *c);
void check_gelu(struct check *c);

/* --- check_adapter.c ------------------------------------------------------------------------- */
void check_matmul_part(struct check *c);
void check_scale_columns(struct check *c);
void check_dropout(struct check *c);

/* --- check_split.c --------------------------------------------------------------------------- */
void check_packed(struct check *c);
void check_matmul_tiles(struct check *c);
void check_split(struct check *c);

/* --- check_sample.c -------------------------------------------------------------------------- */
void check_sample(struct check *c);
void check_logits_sum(struct check *c);
void check_take_ids(struct check *c);

/* --- check_optimizer.c ----------------------------------------------------------------------- */
void check_adamw(struct check *c);
void check_adamw8(struct check *c);
void check_lion(struct check *c);
void check_sgd(struct check *c);
void check_grad_norm(struct check *c);

#endif
