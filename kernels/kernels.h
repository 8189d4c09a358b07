/* kernels.h - the one compute interface: the operations of a decoder, forward and backward, on device
 * buffers. cpu/ fills the table (a GPU backend fills the same one); check.c holds each entry
 * against a plain double-precision reference and times it.
 *
 * Rules. Buffers are owned by the caller; no entry allocates on the device after open. Sequences are packed:
 * N tokens in a row, no padding, cut by cu[S + 1] (cumulative lengths, cu[0] = 0, cu[S] = N). Matrices are row-major.
 * "+=" in a contract means that the entry accumulates; all else is overwritten. Activations, weights and
 * gradients are of the table's element type (float on the CPU); statistics (rstd, lse, logp) are float. Every result
 * depends on the arguments alone, never on the number of threads: work is cut in pieces of fixed
 * size and partial sums are added in a fixed order. Index arrays (ids, cu, targets) are device buffers too. */
#ifndef QUERN_KERNELS_H
#define QUERN_KERNELS_H

#include "base/error.h"
#include "base/pool.h"

#include <stddef.h>
#include <stdint.h>

#define KERNELS_ABI 2
#define KERNELS_KEY_BLOCK 64     /* positions in a block of cached keys */
#define KERNELS_HEAD_MAX 512     /* largest head size d of the attention entries */
#define KERNELS_BLOCK8 256       /* optimizer state of eight bits: elements that share a scale */

/* A matrix of weights [O, I], row-major as in safetensors, in the form in which it is stored. Gradients are always of
 * ELEM_F32, so what is trained is too. */
enum elem { ELEM_F32 };
struct weights {
	const void *data;
	enum elem elem;
};
static inline struct weights weights_f32(const float *p) { return (struct weights){ p, ELEM_F32 }; }

/* Gradient of a loss by what logprob gives, [n] each. */
struct logprob_grad {
	const float *logp, *lse, *mean;
};

/* One step of an optimizer: g is multiplied by gscale first; step counts from 1. */
struct update {
	float lr, beta1, beta2, eps, decay, gscale;
	int nesterov;
	int64_t step;
};

struct kernels {
	int abi;
	const char *name;                    /* "cpu" */
	size_t elem_bytes;                   /* of activations and weights */

	/* --- memory ------------------------------------------------------------------------ */
	void *(*alloc)(struct pool *pool, size_t bytes);         /* zeroed, 64-byte aligned; NULL if there is not that much */
	void (*release)(void *p);
	void (*upload)(void *dst, const void *src, size_t bytes);   /* host -> device */
	void (*download)(void *dst, const void *src, size_t bytes); /* device -> host, waits */
	void (*zero)(struct pool *pool, void *p, size_t bytes);
	void (*copy)(struct pool *pool, void *dst, const void *src, size_t bytes);

	/* --- matrix products; W is [O, I] as in safetensors ------------------------------------ */
	/* A row of the result does not depend, to the bit, on which other rows share the call. */
	/* Y[N,O] = X[N,I] W^T (+ Y if acc) */
	void (*matmul)(struct pool *pool, float *y, const float *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc);
	/* dX[N,I] = dY[N,O] W (+ dX if acc) */
	void (*matmul_dx)(struct pool *pool, float *dx, const float *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc);
	/* dW[O,I] += dY^T X */
	void (*matmul_dw)(struct pool *pool, float *dw, const float *dy, const float *x, int64_t n, int64_t o, int64_t i);

	/* --- embedding ------------------------------------------------------------------------ */
	void (*embed)(struct pool *pool, float *y, struct weights w, const int32_t *ids, int64_t n, int64_t c);
	/* X[i, j] += size[i] u with u uniform in [-1, 1), from seed, key[i] and j alone */
	void (*noise)(struct pool *pool, float *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c);
	/* dW[V,C] += rows of dY, added in token order */
	void (*embed_dw)(struct pool *pool, float *dw, const float *dy, const int32_t *ids, int64_t n, int64_t c, int64_t v);

	/* --- RMSNorm (Zhang & Sennrich 2019), with the residual sum before it ------------------------ */
	/* if add != NULL: x += add, in place. Then rstd = 1/sqrt(mean(x^2) + eps), y = x * rstd * g. */
	void (*rmsnorm)(struct pool *pool, float *y, float *rstd, float *x, const float *add, const float *g, int64_t n,
			int64_t c, float eps);
	/* dX += ..., dg += ...; x is the sum that was normalised. scratch: rmsnorm_scratch(n, c) floats */
	void (*rmsnorm_dx)(struct pool *pool, float *dx, float *dg, const float *dy, const float *x, const float *rstd,
			   const float *g, float *scratch, int64_t n, int64_t c);
	int64_t (*rmsnorm_scratch)(int64_t n, int64_t c);

	/* --- rotary positions, on the first heads q and k heads of qkv[N, (H + 2 Hkv) D], in place ---------- */
	/* Pairs (d, d + D/2), as Hugging Face's Llama rotates. cos, sin: [positions, D/2]; sign -1 is the backward. */
	void (*rope)(struct pool *pool, float *qkv, const float *cos, const float *sin, const int32_t *pos, int64_t n, int h,
		     int hkv, int d, int sign);

	/* --- attention, causal within each sequence, grouped queries ---------------------------------- */
	/* o[N, H D], lse[N, H] from qkv[N, (H + 2 Hkv) D] (rotated); scale 1/sqrt(D) */
	void (*attention)(struct pool *pool, float *o, float *lse, const float *qkv, const int32_t *cu, int64_t s, int h,
			  int hkv, int d);
	/* dqkv overwritten (before the rope backward). */
	void (*attention_dqkv)(struct pool *pool, float *dqkv, const float *d_o, const float *o, const float *lse,
			       const float *qkv, const int32_t *cu, int64_t s, int h, int hkv, int d);
	/* With a cache: sequence i brings cu[i+1]-cu[i] new tokens after past[i] cached ones. Writes their keys and
	 * values to the cache at slot[i], from position past[i], and attends over all. The result is, to the bit, what
	 * attention gives for the whole sequence in one call. vcache is [slots, positions, Hkv D]; kcache holds keys
	 * transposed by blocks, ready for the products with a query: [slots, blocks, Hkv, D, KERNELS_KEY_BLOCK], with as
	 * many blocks as hold all positions. */
	void (*attention_cached)(struct pool *pool, float *o, const float *qkv, float *kcache, float *vcache,
				 const int32_t *slot, const int32_t *past, const int32_t *cu, int64_t s, int64_t positions, int h,
				 int hkv, int d);

	/* --- SwiGLU: gu[N, 2F] holds gate then up; y = silu(gate) * up ----------------------------------- */
	void (*swiglu)(struct pool *pool, float *y, const float *gu, int64_t n, int64_t f);
	void (*swiglu_dgu)(struct pool *pool, float *dgu, const float *dy, const float *gu, int64_t n, int64_t f); /* may alias gu */

	/* --- per-token log-probabilities from hidden states, logits never whole ------------------------------ */
	/* With logits z = X W^T: logp[n] = z[target] - lse, lse[n] = log sum exp z, and unless mean is NULL mean[n], the mean of z
	 * over the vocabulary (z-loss and label smoothing are made of these). Tokens with target < 0 are skipped (all three 0).
	 * scratch: logprob_scratch(n, v) floats. */
	void (*logprob)(struct pool *pool, float *logp, float *lse, float *mean, const float *x, struct weights w,
			const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v);
	/* For any upstream gradient of the three (of lse and mean NULL is zeros): dX overwritten (0 for skipped tokens), dW += .
	 * Logits are computed again. */
	void (*logprob_dx)(struct pool *pool, float *dx, float *dw, const struct logprob_grad *d, const float *x, struct weights w,
			   const float *lse, const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v);
	int64_t (*logprob_scratch)(int64_t n, int64_t v);

	/* --- rows ------------------------------------------------------------------------------------ */
	/* y[i] = x[rows[i]], i < n */
	void (*gather_rows)(struct pool *pool, float *y, const float *x, const int32_t *rows, int64_t n, int64_t c);

	/* --- optimizer ---------------------------------------------------------------------------------- */
	/* AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW: p *= 1 - lr decay; m, v; p -= lr mhat / (sqrt(vhat) + eps). */
	void (*adamw)(struct pool *pool, float *p, float *m, float *v, const float *g, int64_t n, const struct update *u);
	/* The same with m and v in eight bits (Dettmers et al. 2022), as bitsandbytes: codes of its dynamic types, with sign and
	 * without, for the size relative to the largest of each block of KERNELS_BLOCK8; m_max and v_max hold those, one per
	 * block. All zeros is the state before the first step. */
	void (*adamw8)(struct pool *pool, float *p, uint8_t *m, uint8_t *v, float *m_max, float *v_max, const float *g, int64_t n,
		       const struct update *u);
	/* Lion (Chen et al. 2023): p *= 1 - lr decay; p -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g. */
	void (*lion)(struct pool *pool, float *p, float *m, const float *g, int64_t n, const struct update *u);
	/* As torch.optim.SGD: g += decay p; m = beta1 m + g; p -= lr (nesterov ? g + beta1 m : m). m NULL: p -= lr g. */
	void (*sgd)(struct pool *pool, float *p, float *m, const float *g, int64_t n, const struct update *u);
	/* Sum of squares in double, in fixed pieces; NaN and infinities come through. */
	double (*sumsq)(struct pool *pool, const float *x, int64_t n);

	/* --- limits -------------------------------------------------------------------------------------- */
	/* Multiplications and additions a second that the pool's threads can do in vectors, measured (some 20 ms). */
	double (*peak_flops)(struct pool *pool);
};

/* The CPU table for this machine (AVX-512, AVX2 or plain C, chosen at run time; QUERN_CPU=avx2|plain lowers it, a
 * set that the machine lacks is ignored). Packing takes up to 1.3 MiB of the calling thread's stack. */
const struct kernels *kernels_cpu(void);
/* The plain table, always: the specification the fast ones are checked against. */
const struct kernels *kernels_cpu_plain(void);
/* Instruction set in use, for --version and benchmarks: "avx512", "avx2", "plain". */
const char *kernels_cpu_isa(void);

#endif
