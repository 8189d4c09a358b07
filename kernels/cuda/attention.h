/* attention.h - what the kernels of attention share: their arguments, which queries a block of threads takes, and the softmax.
 *
 * The host knows neither lengths nor how many tokens there are, so blocks find their work from cu themselves and a grid has the size of
 * the device. Queries of a key's heads are rows side by side: row r of a sequence is head r % group of its token r / group.
 *
 * The softmax is summed in one way, whoever sums it. A sequence's keys come in blocks of KERNELS_KEY_BLOCK, counted from its
 * start; a block gives a row its own maximum, its sum of exponentials and its weighted values, each from nothing; the blocks are then
 * put together from the first to the last. So a cached token's result is, to the bit, what it is in the whole sequence, and decoding
 * may have blocks computed anywhere. */
#ifndef QUERN_CUDA_ATTENTION_H
#define QUERN_CUDA_ATTENTION_H

#include "device.h"

#define KEYS KERNELS_KEY_BLOCK
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

struct att {
	const int32_t *cu, *past;             /* past NULL: there is no cache */
	int64_t s, ld;                        /* ld: values in a row of qkv */
	int h, hkv, d, group, window;
	float scale, cap;
	void *const *table;                   /* of pages: as in struct kv_pages */
	int64_t width, at;
};

static inline struct att att_of(const int32_t *cu, int64_t s, struct heads a)
{
	struct att t = {};

	t.cu = cu, t.s = s, t.ld = (int64_t)(a.h + 2 * a.hkv) * a.d;
	t.h = a.h, t.hkv = a.hkv, t.d = a.d, t.group = a.h / a.hkv;
	t.window = a.window > 0 ? a.window : INT32_MAX, t.scale = a.scale, t.cap = a.cap;
	return t;
}

/* --- work ------------------------------------------------------------------------------------------ */

/* Rows of one sequence: its tokens times `per`, cut in tiles of `rows`. Tiles are numbered through all sequences with at most one
 * number of each left out: those of sequence i begin at cu[i] * per / rows + i. */
__device__ inline int64_t first_tile(const int32_t *cu, int64_t i, int per, int rows)
{
	return (int64_t)cu[i] * per / rows + i;
}

struct tile {
	int64_t sequence;
	int begin, tokens, past;              /* its first token in the call, how many it brings, how many it had */
	int row;                              /* the tile's first */
};

/* The tile of that number; false: there is none. */
__device__ inline bool tile_at(const struct att &a, int64_t number, int per, int rows, struct tile *t)
{
	int64_t lo = 0, hi = a.s;

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (first_tile(a.cu, mid, per, rows) <= number)
			lo = mid;
		else
			hi = mid;
	}
	t->sequence = lo;
	t->begin = a.cu[lo];
	t->tokens = a.cu[lo + 1] - t->begin;
	t->past = a.past ? a.past[lo] : 0;
	t->row = (int)((number - first_tile(a.cu, lo, per, rows)) * rows);
	return t->row < (int64_t)t->tokens * per;
}

/* The sequence of token t: the last that begins at or before it. */
__device__ inline int64_t sequence_of(const int32_t *cu, int64_t s, int64_t t)
{
	int64_t lo = 0, hi = s;

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (cu[mid] <= t)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* The first key that the query at `place` sees. */
__device__ inline int first_key(int place, int window)
{
	return place >= window ? place - window + 1 : 0;
}

/* Keys of head kv in a page, [D, KEYS], and its values, [KEYS, D]. */
template <class A> __device__ inline A *page_keys(const struct att &a, int64_t sequence, int block, int kv)
{
	return (A *)a.table[sequence * a.width + block] + a.at + (int64_t)kv * a.d * KEYS;
}

template <class A> __device__ inline A *page_values(const struct att &a, int64_t sequence, int block, int kv)
{
	return (A *)a.table[sequence * a.width + block] + a.at + (int64_t)(a.hkv + kv) * a.d * KEYS;
}

/* --- arithmetic -------------------------------------------------------------------------------------- */

/* Intrinsics, so that no compiler joins a product and a sum here that it does not join elsewhere. */
__device__ __forceinline__ float fast_exp2(float x)
{
#ifdef QUERN_EMULATED
	return exp2f(x);
#else
	float y;

	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
#endif
}

__device__ __forceinline__ float fast_reciprocal(float x)
{
#ifdef QUERN_EMULATED
	return 1 / x;
#else
	float y;

	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
#endif
}

/* 1 - 2 / (1 + e^2x): its error is absolute, of a float's rounding. */
__device__ __forceinline__ float fast_tanh(float x)
{
	return fmaf(-2.0f, fast_reciprocal(__fadd_rn(1.0f, fast_exp2(__fmul_rn(2 * LOG2E, x)))), 1.0f);
}

/* The weight of a score s is 2^(factor s). Without a cap s is the product of query and key itself. */
struct soft {
	float factor, inner, outer;
	bool cap;
};

__device__ __forceinline__ struct soft soft_of(const struct att &a)
{
	struct soft f;

	f.cap = a.cap > 0;
	f.factor = f.cap ? 1.0f : __fmul_rn(a.scale, LOG2E);
	f.inner = f.cap ? a.scale / a.cap : 0;
	f.outer = __fmul_rn(a.cap, LOG2E);
	return f;
}

__device__ __forceinline__ float score_of(const struct soft &f, float product)
{
	return f.cap ? __fmul_rn(f.outer, fast_tanh(__fmul_rn(product, f.inner))) : product;
}

/* A row so far: its largest score times the factor, and the sum of its weights, which are relative to that. */
struct softmax {
	float max, sum;
};

/* What the exponents of a block are relative to: where no key is in sight nothing, as its weights are 2^-INFINITY. */
__device__ __forceinline__ float base_of(float max)
{
	return max == -INFINITY ? 0 : max;
}

/* Takes a block's into the row's; by what each one's values are to be multiplied. A block that shows a row no key has the maximum
 * -INFINITY and changes no bit. */
__device__ __forceinline__ void join(struct softmax *row, struct softmax block, float *old_by, float *new_by)
{
	float top = fmaxf(row->max, block.max), base = base_of(top);

	*old_by = fast_exp2(__fadd_rn(row->max, -base));
	*new_by = fast_exp2(__fadd_rn(block.max, -base));
	row->max = top;
	row->sum = fmaf(block.sum, *new_by, __fmul_rn(row->sum, *old_by));
}

__device__ __forceinline__ float join_value(float old, float old_by, float block, float new_by)
{
	return fmaf(block, new_by, __fmul_rn(old, old_by));
}

__device__ __forceinline__ float lse_of(struct softmax row)
{
	return __fmul_rn(LN2, __fadd_rn(row.max, log2f(row.sum)));
}

/* No -0: a block without keys may or may not have been added to it. */
__device__ __forceinline__ float output_of(float sum, float inverse)
{
	return __fadd_rn(__fmul_rn(sum, inverse), 0.0f);
}

#endif
