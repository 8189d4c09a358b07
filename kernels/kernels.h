/* kernels.h - the one compute interface: the operations of a decoder, forward and backward, on device
 * buffers. cpu/ fills the table (a GPU backend fills the same one); check.c holds each entry
 * against a plain double-precision reference and times it.
 *
 * Rules. Buffers are owned by the caller; no entry allocates on the device after open. Sequences are packed:
 * N tokens in a row, no padding, cut by cu[S + 1] (cumulative lengths, cu[0] = 0, cu[S] = N). Matrices are row-major.
 * "+=" in a contract means that the entry accumulates; all else is overwritten. What is an act and what a float, the types say. Every result
 * depends on the arguments alone, never on the number of threads: work is cut in pieces of fixed
 * size and partial sums are added in a fixed order. Index arrays (ids, cu, targets) are device buffers too. */
#ifndef QUERN_KERNELS_H
#define QUERN_KERNELS_H

#include "base/error.h"
#include "base/pool.h"

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define KERNELS_ABI 9
#define KERNELS_KEY_BLOCK 64     /* positions in a block of cached keys */
#define KERNELS_HEAD_MAX 512     /* largest head size d of the attention entries */
#define KERNELS_BLOCK8 256       /* optimizer state of eight bits: elements that share a scale */
#define KERNELS_UPDATE_PIECE 8192 /* of parameters that are updated, elements: a multiple of that */

#define KERNELS_NF4_BLOCK 64     /* weights that share a factor */

/* A matrix of weights [O, I], row-major as in safetensors, in the form in which it is stored. Every form stands for the
 * matrix of floats below, and a product is the product with that. Gradients are always of ELEM_F32, so what is trained is too.
 *   ELEM_BF16  the upper half of a float
 *   ELEM_I8    int8 q[O, I], scale[O]: q * scale[o]. Quantised with scale[o] = max |w[o, :]| / 127, q = w / scale[o] rounded to the
 *              nearest even (0 where scale is). Forward products with AMX take activations as integers, too: of 24 bits below the
 *              largest of their row (cpu/bytes.h)
 *   ELEM_NF4   4-bit codes, two a byte, the first in the high half; scale[O * I / 64] is the largest |w| of each 64 in a row:
 *              value[code] * scale, the values being bitsandbytes' NF4. I is a multiple of KERNELS_NF4_BLOCK. */
enum elem { ELEM_F32, ELEM_BF16, ELEM_I8, ELEM_NF4 };
struct weights {
	const void *data;
	enum elem elem;
	const float *scale;          /* ELEM_I8, ELEM_NF4 */
	const void *packed;          /* what the table's pack made of them; NULL: nothing */
	bool forward;                /* that was packed for products of the forward alone */
};
static inline struct weights weights_f32(const float *p) { return (struct weights){ .data = p, .elem = ELEM_F32 }; }

/* Activations, and the gradients of activations: elements of the table's type, floats or bf16, as table->elem_bytes says; only the
 * table's entries look at them. All else that is a number is float: parameters and their gradients, statistics (rstd, lse, logp),
 * factors, logits. Entries compute in floats; what they write to an activation is rounded to the nearest even. */
typedef struct act act;

/* An attention layer: H heads of queries, Hkv of keys and values, each D wide. */
struct heads {
	int h, hkv, d;
	int window;                          /* keys that a query sees, its own the last of them; 0 = all before it */
	float scale;                         /* of the scores, 1/sqrt(D) in most models */
	float cap;                           /* scores s become cap tanh(s / cap); 0 = they stay */
};

/* Keys and values of one layer in pages of KERNELS_KEY_BLOCK positions, ready for the products with queries. Positions
 * [64 j, 64 j + 64) of sequence i are at table[i * width + j] + at: keys [Hkv, D, KEY_BLOCK], then values [Hkv, KEY_BLOCK, D], within a
 * head in an order that is the table's own. What was kept of positions after the last new one of a call is lost. Pages that no query sees (of
 * past positions, before its window) may be NULL. */
struct kv_pages {
	act *const *table;                   /* [S, width] device */
	int64_t width, at;
	bool single;                         /* no sequence of the call brings more than one token */
};

/* What makes a row of logits a distribution: the largest, and the log of the sum of exponentials relative to it. */
struct logits_sum { float top, log; };
/* The log-probability of the token with the logit z, in the order in which every device computes it. */
#define logits_logp(sum, z) ((z) - (sum).top - (sum).log)

/* Gradient of a loss by what logprob gives, [n] each. */
struct logprob_grad {
	const float *logp, *lse, *mean;
};

/* Neighbouring parameters that an optimizer updates alike. */
struct update_range {
	int64_t from, n;                     /* in p and g */
	int64_t state;                       /* their place in m and v, or in m8 and v8 */
	int64_t block;                       /* in m_max and v_max */
	int64_t piece;                       /* pieces of KERNELS_UPDATE_PIECE that the ranges before it have, each range's last one cut short */
	bool decay, bits8;                   /* whether weights decay; whether their state has eight bits */
};

/* What an optimizer updates, all of it: device. What no range has use for may be NULL. */
struct update_set {
	float *p;
	const float *g;
	float *m, *v;
	uint8_t *m8, *v8;                    /* of AdamW in eight bits (Dettmers et al. 2022), as bitsandbytes: codes of its dynamic types, with
					      * sign and without, for the size relative to the largest of each block of KERNELS_BLOCK8; */
	float *m_max, *v_max;                /* those, one a block. Blocks begin with each range. All zeros is the state before the first step */
	const struct update_range *ranges;   /* [n] in the order of from */
	int64_t n, pieces;                   /* pieces of all */
};

/* The norm of gradients, and what they are multiplied by so that it is no larger than asked for. On the device. */
struct grad_norm {
	double norm;
	float factor;
};

/* One step of an optimizer; step counts from 1. decay is that of ranges that have it. */
enum update_rule { UPDATE_ADAMW, UPDATE_LION, UPDATE_SGD };
struct update {
	enum update_rule rule;
	float lr, beta1, beta2, eps, decay;
	int nesterov;
	int64_t step;
};

/* How the next token is chosen from scores (infer/sample.h says what the members mean; choice.h is the arithmetic). */
struct sample_rule {
	double temperature, top_p, min_p, typical_p;
	int64_t top_k;
	double repetition, frequency, presence;
	const float *bias;                   /* device, [V]; NULL: zeros */
};

/* Who the rows of a call of sample are. Device. */
struct sample_rows {
	const int32_t *slot;                 /* [n]: row i is that of sequence slot[i], no two of the same */
	const uint64_t *u;                   /* [n]: uniform random numbers below 2^53 */
	uint32_t *seen;                      /* [slots, V]: SAMPLE_PROMPT | how often it was said; NULL: none, and no penalties are there */
};

struct kernels {
	int abi;
	const char *name;                    /* "cpu" */
	size_t elem_bytes;                   /* of an act */
	bool host_access;                    /* device memory is the process's own: the caller may read and write it, and entries take any memory
					      * of the process. Else the caller's only way to it are the entries of "memory" */

	/* What went wrong on the device since it was opened, once all that was asked of it is done: entries return nothing, and after a
	 * failure do nothing. Always OK on the CPU. */
	enum status (*status)(struct error *err);
	/* The same as far as it is known by now: waits for nothing. */
	enum status (*failed)(struct error *err);

	/* --- memory ------------------------------------------------------------------------ */
	void *(*alloc)(struct pool *pool, size_t bytes);         /* zeroed, 64-byte aligned; NULL if there is not that much */
	void (*release)(void *p);
	/* As alloc, but pinned memory of the host, which entries reach as they do the device's, at the rate of the bus; on the CPU the same. */
	void *(*alloc_host)(struct pool *pool, size_t bytes);
	size_t (*available)(void);           /* bytes that alloc could give now, about */
	void (*upload)(void *dst, const void *src, size_t bytes);   /* host -> device */
	/* For much of it: room of the host, *bytes, from which upload_staged uploads what the caller's threads have put there while the bus was
	 * busy with what was uploaded before. Between the two nothing else is asked for. NULL, both, with host_access. */
	void *(*stage)(size_t *bytes);
	void (*upload_staged)(void *dst, size_t bytes);
	void (*download)(void *dst, const void *src, size_t bytes); /* device -> host, waits */
	/* Copies beside what the device goes on with. upload_ahead: what is asked for later finds src in dst; nothing that is in flight uses
	 * dst, which is true where the caller has waited (download, status) since. */
	void (*upload_ahead)(void *dst, const void *src, size_t bytes);
	/* After mark, download_marked gives what src holds once all is done that was asked for before the mark, and waits for nothing else; any
	 * thread may call it. The caller asks for nothing that changes src until then. */
	void (*mark)(void);
	void (*download_marked)(void *dst, const void *src, size_t bytes);
	/* Work of one form that is asked for again and again, its arguments in the same buffers, may be asked for as a whole: replay asks for
	 * what was recorded under key; false: nothing was. What comes after record_begin, if that says true, is kept, not done, until
	 * record_end; that asks for it, or says that it cannot be recorded: then it must be asked for again, one by one. In between only
	 * entries that compute may be called. forget_records: before buffers of them are released. NULL, all of them: nothing is gained. */
	bool (*replay)(uint64_t key);
	bool (*record_begin)(uint64_t key);
	bool (*record_end)(void);
	void (*forget_records)(void);
	void (*zero)(struct pool *pool, void *p, size_t bytes);
	void (*copy)(struct pool *pool, void *dst, const void *src, size_t bytes);

	/* --- matrix products; W is [O, I] as in safetensors ------------------------------------ */
	/* A row of the result does not depend, to the bit, on which other rows share the call. A sum is rounded once, when it is whole. */
	/* Y[N,O] = X[N,I] W^T (+ Y if acc) */
	void (*matmul)(struct pool *pool, act *y, const act *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc);
	/* dX[N,I] = dY[N,O] W (+ dX if acc) */
	void (*matmul_dx)(struct pool *pool, act *dx, const act *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc);
	/* dW[O,I] += dY^T X */
	void (*matmul_dw)(struct pool *pool, float *dw, const act *dy, const act *x, int64_t n, int64_t o, int64_t i);
	/* Y[N,O] = X W^T + b, in floats; b NULL: zeros. Logits are made so. */
	void (*matmul_float)(struct pool *pool, float *y, const act *x, struct weights w, const float *b, int64_t n, int64_t o, int64_t i);
	/* Y = X W^T + b + R in one pass; b, R or both may be NULL, R may be Y. Where activations are bf16, b or b + R may be rounded to that
	 * first. */
	void (*matmul_add)(struct pool *pool, act *y, const act *x, struct weights w, const float *b, const act *r, int64_t n,
			   int64_t o, int64_t i);
	/* The three products where X and Y are columns of wider matrices, with ldx and ldy values in a row. */
	void (*matmul_part)(struct pool *pool, act *y, int64_t ldy, const act *x, int64_t ldx, struct weights w, int64_t n,
			    int64_t o, int64_t i, int acc);
	void (*matmul_dx_part)(struct pool *pool, act *dx, int64_t ldx, const act *dy, int64_t ldy, struct weights w, int64_t n,
			       int64_t o, int64_t i, int acc);
	void (*matmul_dw_part)(struct pool *pool, float *dw, const act *dy, int64_t ldy, const act *x, int64_t ldx, int64_t n,
			       int64_t o, int64_t i);

	/* Weights that many products will take as they are, laid out once for all of them: those products want nothing but packed and
	 * scale then, and data may be NULL; embed wants data (but see embeds_packed), and so do products that they are not packed for. packed_bytes: how much that
	 * takes on the device, aligned to 64 bytes; backward: for matmul_dx and logprob_dx too, else for matmul, its kin and logprob alone,
	 * and the caller sets weights.forward; 0: the table gains nothing by it. pack again when the weights have changed. Products
	 * give the same bits with what was packed and without, but for a GPU's table of bf16 and weights.forward: there they are added in
	 * another order (all of those products in the same), int8's integers are exact, and NF4's values are rounded to bf16 before, not after,
	 * they are multiplied by their factor. What one table of the CPU packs another of the same instruction set takes, but for NF4: of
	 * that floats take nothing packed. */
	size_t (*packed_bytes)(enum elem elem, int64_t o, int64_t i, bool backward);
	void (*pack)(struct pool *pool, void *packed, struct weights w, int64_t o, int64_t i, bool backward);
	bool embeds_packed;                  /* embed, too, takes what was packed for the forward alone, where data is NULL */

	/* --- embedding ------------------------------------------------------------------------ */
	void (*embed)(struct pool *pool, act *y, struct weights w, const int32_t *ids, int64_t n, int64_t c);
	/* X[i, j] += size[i] u with u uniform in [-1, 1), from seed, key[i] and j alone */
	void (*noise)(struct pool *pool, act *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c);
	/* dW[V,C] += rows of dY, added in token order */
	void (*embed_dw)(struct pool *pool, float *dw, const act *dy, const int32_t *ids, int64_t n, int64_t c, int64_t v);

	/* --- norms; the gain is g + plus ------------------------------------------------------------ */
	/* RMSNorm (Zhang & Sennrich 2019): rstd = 1/sqrt(mean(x^2) + eps), y = x * rstd * (g + plus) (+ res, if not NULL, which
	 * y may be). */
	void (*rmsnorm)(struct pool *pool, act *y, float *rstd, const act *x, const float *g, float plus, const act *res,
			int64_t n, int64_t c, float eps);
	/* dX += ..., dg += ... (not if NULL). scratch: norm_scratch(n, c) floats */
	void (*rmsnorm_dx)(struct pool *pool, act *dx, float *dg, const act *dy, const act *x, const float *rstd,
			   const float *g, float plus, float *scratch, int64_t n, int64_t c);
	/* LayerNorm (Ba, Kiros & Hinton 2016): rstd = 1/sqrt(var(x) + eps), y = (x - mean) * rstd * g + b. */
	void (*layernorm)(struct pool *pool, act *y, float *rstd, const act *x, const float *g, const float *b, int64_t n,
			  int64_t c, float eps);
	/* dX += ..., dg and db += ... (each not if NULL). scratch as above */
	void (*layernorm_dx)(struct pool *pool, act *dx, float *dg, float *db, const act *dy, const act *x,
			     const float *rstd, const float *g, float *scratch, int64_t n, int64_t c);
	int64_t (*norm_scratch)(int64_t n, int64_t c);
	/* RMSNorm of each head of q (gain gq[D]) and k (gk[D]) in x[N, (H + 2 Hkv) D]; v is copied. y may be x. */
	void (*qk_norm)(struct pool *pool, act *y, const act *x, const float *gq, const float *gk, float plus, int64_t n,
			int h, int hkv, int d, float eps);
	/* dqkv in place, from the gradient of y to that of x; dgq, dgk += ... scratch: norm_scratch(n, d) floats */
	void (*qk_norm_dx)(struct pool *pool, act *dqkv, float *dgq, float *dgk, const act *x, const float *gq,
			   const float *gk, float plus, float *scratch, int64_t n, int h, int hkv, int d, float eps);

	/* --- sums and factors -------------------------------------------------------------------------- */
	/* y[N,C] = x + b in each row; x may be y, or NULL for zeros */
	void (*add_bias)(struct pool *pool, act *y, const act *x, const float *b, int64_t n, int64_t c);
	/* db[C] += the rows of dy, added in order */
	void (*bias_db)(struct pool *pool, float *db, const act *dy, int64_t n, int64_t c);
	/* y[i] += table[rows[i]], i < n: learned positions; embed_dw is its backward */
	void (*add_rows)(struct pool *pool, act *y, const float *table, const int32_t *rows, int64_t n, int64_t c);
	/* x[n] *= a */
	void (*scale)(struct pool *pool, act *x, int64_t n, float a);
	/* x[N,C] *= a, rows being ldx values apart */
	void (*scale_columns)(struct pool *pool, act *x, int64_t ldx, int64_t n, int64_t c, float a);
	/* Dropout: y[N,C] = x (+ y if acc) where an element stays, times 1/(1-p), and 0 where it is dropped, with probability p. What
	 * becomes of x[n,c] depends on seed, key[n] and c alone. */
	void (*dropout)(struct pool *pool, act *y, const act *x, const uint64_t *key, uint64_t seed, float p, int64_t n, int64_t c,
			int acc);

	/* --- rotary positions, on the first heads q and k heads of qkv[N, (H + 2 Hkv) D], in place ---------- */
	/* Pairs (d, d + R/2) of the first R values of a head, as Hugging Face's Llama rotates. cos, sin: [positions, R/2]; sign
	 * -1 is the backward, also where cos and sin carry a factor. */
	void (*rope)(struct pool *pool, act *qkv, const float *cos, const float *sin, const int32_t *pos, int64_t n, int h,
		     int hkv, int d, int r, int sign);

	/* --- attention, causal within each sequence, grouped queries ---------------------------------- */
	/* o[N, H D], lse[N, H] from qkv[N, (H + 2 Hkv) D] (rotated) */
	void (*attention)(struct pool *pool, act *o, float *lse, const act *qkv, const int32_t *cu, int64_t s,
			  struct heads hd);
	/* dqkv overwritten (before the rope backward). */
	void (*attention_dqkv)(struct pool *pool, act *dqkv, const act *d_o, const act *o, const float *lse,
			       const act *qkv, const int32_t *cu, int64_t s, struct heads hd);
	/* With a cache: sequence i brings cu[i+1]-cu[i] new tokens after past[i] cached ones. Writes their keys and
	 * values to its pages, from position past[i], and attends over all. The result is, to the bit, what
	 * attention gives for the whole sequence in one call. */
	void (*attention_cached)(struct pool *pool, act *o, const act *qkv, struct kv_pages kv, const int32_t *past,
				 const int32_t *cu, int64_t s, struct heads hd);

	/* --- gu[N, 2F] holds gate then up: y = silu(gate) * up, or gelu(gate) * up -------------------------- */
	void (*swiglu)(struct pool *pool, act *y, const act *gu, int64_t n, int64_t f);
	void (*swiglu_dgu)(struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f); /* may alias gu */
	void (*geglu)(struct pool *pool, act *y, const act *gu, int64_t n, int64_t f);
	void (*geglu_dgu)(struct pool *pool, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f); /* may alias gu */
	/* y[n] = gelu(x), the form with tanh */
	void (*gelu)(struct pool *pool, act *y, const act *x, int64_t n);
	void (*gelu_dx)(struct pool *pool, act *dx, const act *dy, const act *x, int64_t n); /* may alias x */

	/* --- per-token log-probabilities ----------------------------------------------------------------------- */
	/* One arithmetic gives them wherever they come from, so that what generation, scoring and training say of a token is the same to the
	 * bit (where the weights were packed alike): logits that matmul_float and soft_cap make are those that logprob and logprob_dx make and never keep whole, and what
	 * logits_sum, sample, logprob and logprob_dx make of a row of them is logits_sum's. */
	void (*logits_sum)(struct pool *pool, struct logits_sum *sum, const float *logits, int64_t n, int64_t v);
	/* With logits z = X W^T or, if cap > 0, cap tanh(X W^T / cap): logp[n] = z[target] - lse (by logits_logp), lse[n] = log sum exp z, and
	 * unless mean is NULL mean[n], the mean of z over the vocabulary (z-loss and label smoothing are made of these). Tokens with
	 * target < 0 are skipped (all three 0). greedy[n], unless it is NULL: no z is larger than the target's (of equals the lowest
	 * token's), not written for skipped tokens. scratch: logprob_scratch(n, c, v) floats. */
	void (*logprob)(struct pool *pool, float *logp, float *lse, float *mean, bool *greedy, const act *x, struct weights w,
			const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap);
	/* For any upstream gradient of the three (of lse and mean NULL is zeros): dX overwritten (0 for skipped tokens), dW +=
	 * unless it is NULL. Logits are computed again. logp NULL: lse is what logprob gave. Else logprob need not have run, which is
	 * for upstream gradients that do not depend on it: logp and lse are given here, the same bits as there. */
	void (*logprob_dx)(struct pool *pool, act *dx, float *dw, const struct logprob_grad *d, const act *x, struct weights w,
			   float *logp, float *lse, const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap);
	/* x[n] = cap tanh(x / cap) */
	void (*soft_cap)(struct pool *pool, float *x, int64_t n, float cap);
	int64_t (*logprob_scratch)(int64_t n, int64_t c, int64_t v);

	/* --- rows ------------------------------------------------------------------------------------ */
	/* y[n] = x: activations of floats, and floats of activations */
	void (*from_floats)(struct pool *pool, act *y, const float *x, int64_t n);
	void (*to_floats)(struct pool *pool, float *y, const act *x, int64_t n);
	/* y[i] = x[rows[i]], i < n */
	void (*gather_rows)(struct pool *pool, act *y, const act *x, const int32_t *rows, int64_t n, int64_t c);

	/* --- sampling ---------------------------------------------------------------------------------- */
	/* For each row of logits[n, V] the token that it says next, id[slot], and the log of its probability in the model's own distribution,
	 * logp[slot], as logprob has it: NaN where the logits are none (a NaN, an infinity, all of them -inf), -inf where the bias leaves no token; id is 0 then.
	 * seen counts the token. Every device gives the same ids. scratch: sample_scratch(pool, n, v) bytes. */
	void (*sample)(struct pool *pool, int32_t *id, float *logp, const float *logits, const struct sample_rule *rule, struct sample_rows rows,
		       void *scratch, int64_t n, int64_t v);
	size_t (*sample_scratch)(struct pool *pool, int64_t n, int64_t v);
	/* ids[i] = said[-1 - ids[i]] where ids[i] is negative */
	void (*take_ids)(struct pool *pool, int32_t *ids, const int32_t *said, int64_t n);

	/* --- optimizer ---------------------------------------------------------------------------------- */
	/* The norm of the gradients of all ranges: the root of their sum of squares, added in double in a fixed order; NaN and infinities come
	 * through. factor: clip / (norm + 1e-6) where clip > 0 and the norm is larger (as torch's clip_grad_norm_), else 1. */
	void (*grad_norm)(struct pool *pool, struct grad_norm *norm, const struct update_set *s, double clip);
	/* One step on all ranges with gradients times norm->factor, or nothing where norm->norm is not finite. g is then multiplied already:
	 * AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW: p *= 1 - lr decay; m, v; p -= lr mhat / (sqrt(vhat) + eps).
	 * Lion (Chen et al. 2023): p *= 1 - lr decay; p -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g.
	 * SGD, as torch.optim.SGD: g += decay p; m = beta1 m + g; p -= lr (nesterov ? g + beta1 m : m). m NULL: p -= lr g. */
	void (*update)(struct pool *pool, const struct update_set *s, const struct update *u, const struct grad_norm *norm);

	/* --- limits -------------------------------------------------------------------------------------- */
	/* Multiplications and additions a second that the pool's threads can do in vectors, measured (some 20 ms). */
	double (*peak_flops)(struct pool *pool);
};

/* Element n of activations of a table. */
static inline act *act_at(const struct kernels *k, const act *p, int64_t n)
{
	return (act *)((char *)(uintptr_t)p + n * (int64_t)k->elem_bytes);
}

/* The CPU table for this machine (AMX, AVX-512, AVX2 or plain C, chosen at run time; QUERN_CPU=avx512bf16|avx512|avx2|plain
 * lowers it, a set that the machine lacks is ignored). Its activations are floats. A thread that multiplies matrices
 * keeps 1 MiB for packed operands and 256 KiB for each thread of its pool, in whole large pages, until it ends (with AMX 4 MiB and 592
 * KiB, or 1.4 MiB for each thread where that is more); attention_dqkv takes a float for each token and head. With AMX products of floats,
 * but for weights in NF4, are of floats in three terms of bf16 (cpu/split.h): as exact as multiply-adds, but a row of the left matrix, or
 * a column of the result, that has an infinity or a number of 3.39e38 or more becomes NaN, not infinite. */
const struct kernels *kernels_cpu(void);
/* The same for activations of bf16. Operands of products are bf16 too (within attention only with AMX): weights and gradients of logits
 * are rounded to the nearest, and the products are added in floats; with AMX the integers of ELEM_I8 are exact in
 * matmul and logprob. The order of the additions is the instruction set's (cpu/gemm.h), so results differ between machines by rounding,
 * never between threads or batches. A thread that multiplies matrices keeps 512 KiB more for each thread of its pool, and
 * attention_dqkv at most 4 MiB for each. */
const struct kernels *kernels_cpu_bf16(void);
/* The plain table, always: the specification the fast ones are checked against. */
const struct kernels *kernels_cpu_plain(void);
/* Instruction set in use, for --version and benchmarks: "amx", "avx512bf16", "avx512", "avx2", "plain". */
const char *kernels_cpu_isa(void);

#endif
