/* attention_plain.cu - attention by plain sums: of floats, and of heads that the tensor cores' kernels have no place for. A warp has a
 * query (backward also: a key) of one head; its lanes share the scores of a block of keys, and then the columns of the head. */
#include "attention_kernels.h"

#define WARPS 4
#define COLUMNS (KERNELS_HEAD_MAX / 32)  /* of a lane: lane, lane + 32, ... */

/* Key and value j of the sequence, columns key_step apart. */
template <class A, bool PAGED> struct keys_of {
	const struct att &a;
	const A *qkv;
	int64_t sequence;
	int begin, kv;

	__device__ const A *key(int j) const
	{
		return PAGED ? page_keys<const A>(a, sequence, j / KEYS, kv) + j % KEYS : qkv + (begin + j) * a.ld + (int64_t)(a.h + kv) * a.d;
	}
	__device__ const A *value(int j) const
	{
		return PAGED ? page_values<const A>(a, sequence, j / KEYS, kv) + (int64_t)(j % KEYS) * a.d :
			       qkv + (begin + j) * a.ld + (int64_t)(a.h + a.hkv + kv) * a.d;
	}
	static const int key_step = PAGED ? KEYS : 1;
};

/* Score of key j with the query in q; -INFINITY where it is not in sight. */
template <class K> __device__ inline float plain_score(const K &keys, const struct soft &f, const float *q, int j, int lo, int hi)
{
	float sum = 0;

	if (j < lo || j > hi)
		return -INFINITY;
	for (int i = 0; i < keys.a.d; i++)
		sum = fmaf(q[i], to_float(keys.key(j)[i * K::key_step]), sum);
	return score_of(f, sum);
}

template <class A, bool PAGED>
__global__ void __launch_bounds__(32 * WARPS) plain_kernel(struct att a, A *o, float *lse, const A *qkv)
{
	__shared__ float queries[WARPS][KERNELS_HEAD_MAX];
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	const struct soft f = soft_of(a);
	const int64_t items = (int64_t)a.cu[a.s] * a.h;
	float *q = queries[warp];

	for (int64_t item = (int64_t)blockIdx.x * WARPS + warp; item < items; item += (int64_t)gridDim.x * WARPS) {
		const int64_t token = item / a.h, sequence = sequence_of(a.cu, a.s, token);
		const int head = (int)(item % a.h), hi = (int)(token - a.cu[sequence]) + (PAGED ? a.past[sequence] : 0);
		const int lo = first_key(hi, a.window);
		const keys_of<A, PAGED> keys = {a, qkv, sequence, a.cu[sequence], head / a.group};
		struct softmax row = {-INFINITY, 0};
		float sum[COLUMNS] = {};

		__syncwarp();
		for (int i = lane; i < a.d; i += 32)
			q[i] = to_float(qkv[token * a.ld + (int64_t)head * a.d + i]);
		__syncwarp();
		for (int k0 = lo / KEYS * KEYS; k0 <= hi; k0 += KEYS) {
			float s[2], part[COLUMNS] = {}, old_by, new_by;
			struct softmax block;

			for (int e = 0; e < 2; e++)
				s[e] = plain_score(keys, f, q, k0 + e * 32 + lane, lo, hi);
			block.max = __fmul_rn(warp_max(fmaxf(s[0], s[1])), f.factor);
			for (int e = 0; e < 2; e++)
				s[e] = fast_exp2(fmaf(s[e], f.factor, -base_of(block.max)));
			block.sum = warp_sum(s[0] + s[1]);
			for (int j = 0; j < KEYS; j++) {
				const float p = __shfl_sync(~0u, s[j / 32], j % 32);

				if (k0 + j < lo || k0 + j > hi)
					continue;
				for (int i = 0; i < COLUMNS; i++)
					if (lane + 32 * i < a.d)
						part[i] = fmaf(p, to_float(keys.value(k0 + j)[lane + 32 * i]), part[i]);
			}
			join(&row, block, &old_by, &new_by);
			for (int i = 0; i < COLUMNS; i++)
				sum[i] = join_value(sum[i], old_by, part[i], new_by);
		}
		for (int i = 0; i < COLUMNS; i++)
			if (lane + 32 * i < a.d)
				o[item * a.d + lane + 32 * i] = from_float<A>(output_of(sum[i], 1 / row.sum));
		if (lse && lane == 0)
			lse[item] = lse_of(row);
	}
}

/* --- backward ------------------------------------------------------------------------------------------- */

template <class A> __device__ inline void load_columns(float to[COLUMNS], const A *from, int d)
{
	for (int i = 0, c = threadIdx.x % 32; i < COLUMNS; i++, c += 32)
		to[i] = c < d ? to_float(from[c]) : 0;
}

template <class A> __device__ inline void store_columns(A *to, const float from[COLUMNS], int d, float by)
{
	for (int i = 0, c = threadIdx.x % 32; i < COLUMNS; i++, c += 32)
		if (c < d)
			to[c] = from_float<A>(from[i] * by);
}

__device__ inline float dot_columns(const float a[COLUMNS], const float b[COLUMNS])
{
	float sum = 0;

	for (int i = 0; i < COLUMNS; i++)
		sum = fmaf(a[i], b[i], sum);
	return warp_sum(sum);
}

/* The weight of a key for a query, from their product, and the slope of the score. */
__device__ inline float weight_of(const struct soft &f, float product, float lse, float *slope)
{
	float s = score_of(f, product), t = f.cap ? s / f.outer : 0;

	*slope = 1 - t * t;
	return fast_exp2(fmaf(s, f.factor, -lse * LOG2E));
}

/* A query of one head: itself, its gradient, and what its weights' gradients have in common. */
template <class A> struct plain_query {
	float q[COLUMNS], d_o[COLUMNS], lse, delta;

	__device__ void load(const struct att &a, const A *qkv, const A *grad, const A *out, const float *lses, int64_t token, int head)
	{
		float o[COLUMNS];

		load_columns(q, qkv + token * a.ld + (int64_t)head * a.d, a.d);
		load_columns(d_o, grad + (token * a.h + head) * a.d, a.d);
		load_columns(o, out + (token * a.h + head) * a.d, a.d);
		lse = lses[token * a.h + head];
		delta = dot_columns(d_o, o);
	}
};

template <class A>
__global__ void __launch_bounds__(32 * WARPS)
plain_dq_kernel(struct att a, A *dqkv, const A *d_o, const A *o, const float *lse, const A *qkv)
{
	const struct soft f = soft_of(a);
	const int64_t items = (int64_t)a.cu[a.s] * a.h;

	for (int64_t item = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32; item < items; item += (int64_t)gridDim.x * WARPS) {
		const int64_t token = item / a.h, begin = a.cu[sequence_of(a.cu, a.s, token)];
		const int head = (int)(item % a.h);
		plain_query<A> x;
		float dq[COLUMNS] = {}, k[COLUMNS], v[COLUMNS];

		x.load(a, qkv, d_o, o, lse, token, head);
		for (int64_t j = begin + first_key((int)(token - begin), a.window); j <= token; j++) {
			float slope, p, ds;

			load_columns(k, qkv + j * a.ld + (int64_t)(a.h + head / a.group) * a.d, a.d);
			load_columns(v, qkv + j * a.ld + (int64_t)(a.h + a.hkv + head / a.group) * a.d, a.d);
			p = weight_of(f, dot_columns(x.q, k), x.lse, &slope);
			ds = p * (dot_columns(x.d_o, v) - x.delta) * slope;
			for (int i = 0; i < COLUMNS; i++)
				dq[i] = fmaf(ds, k[i], dq[i]);
		}
		store_columns(dqkv + token * a.ld + (int64_t)head * a.d, dq, a.d, a.scale);
	}
}

template <class A>
__global__ void __launch_bounds__(32 * WARPS)
plain_dkv_kernel(struct att a, A *dqkv, const A *d_o, const A *o, const float *lse, const A *qkv)
{
	const struct soft f = soft_of(a);
	const int64_t items = (int64_t)a.cu[a.s] * a.hkv;

	for (int64_t item = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32; item < items; item += (int64_t)gridDim.x * WARPS) {
		const int64_t token = item / a.hkv, sequence = sequence_of(a.cu, a.s, token);
		const int kv = (int)(item % a.hkv);
		const int64_t key_at = token * a.ld + (int64_t)(a.h + kv) * a.d, value_at = key_at + (int64_t)a.hkv * a.d;
		const int64_t left = a.cu[sequence + 1] - token, seen_by = left < a.window ? left : a.window;
		float k[COLUMNS], v[COLUMNS], dk[COLUMNS] = {}, dv[COLUMNS] = {};

		load_columns(k, qkv + key_at, a.d);
		load_columns(v, qkv + value_at, a.d);
		for (int64_t i = 0; i < seen_by * a.group; i++) {
			plain_query<A> x;
			float slope, p, ds;

			x.load(a, qkv, d_o, o, lse, token + i / a.group, kv * a.group + (int)(i % a.group));
			p = weight_of(f, dot_columns(x.q, k), x.lse, &slope);
			ds = p * (dot_columns(x.d_o, v) - x.delta) * slope;
			for (int c = 0; c < COLUMNS; c++) {
				dk[c] = fmaf(ds, x.q[c], dk[c]);
				dv[c] = fmaf(p, x.d_o[c], dv[c]);
			}
		}
		store_columns(dqkv + key_at, dk, a.d, a.scale);
		store_columns(dqkv + value_at, dv, a.d, 1);
	}
}

/* --- keys to pages ----------------------------------------------------------------------------------------- */

template <class A> __global__ void __launch_bounds__(256) keep_kernel(struct att a, const A *qkv)
{
	const int64_t tokens = a.cu[a.s], width = (int64_t)a.hkv * a.d;

	for (int64_t token = blockIdx.x; token < tokens; token += gridDim.x) {
		const int64_t sequence = sequence_of(a.cu, a.s, token);
		const int place = a.past[sequence] + (int)(token - a.cu[sequence]);
		const A *from = qkv + token * a.ld + (int64_t)a.h * a.d;
		A *keys = page_keys<A>(a, sequence, place / KEYS, 0), *values = page_values<A>(a, sequence, place / KEYS, 0);

		for (int64_t i = threadIdx.x; i < width; i += blockDim.x) {
			keys[i * KEYS + place % KEYS] = from[i];
			values[(i / a.d * KEYS + place % KEYS) * a.d + i % a.d] = from[width + i];
		}
	}
}

/* --- launches ------------------------------------------------------------------------------------------------ */

static unsigned plain_grid() { return (unsigned)device.processors * 8; }

template <class A> void attend_plainly(const struct att &a, A *o, float *lse, const A *qkv)
{
	LAUNCH((plain_kernel<A, false>), plain_grid(), 32 * WARPS, 0, device.stream, a, o, lse, qkv);
}

template <class A> void attend_pages_plainly(const struct att &a, A *o, const A *qkv)
{
	LAUNCH((plain_kernel<A, true>), plain_grid(), 32 * WARPS, 0, device.stream, a, o, (float *)NULL, qkv);
}

template <class A> void attend_back_plainly(const struct att &a, A *dqkv, const A *d_o, const A *o, const float *lse, const A *qkv)
{
	LAUNCH(plain_dq_kernel<A>, plain_grid(), 32 * WARPS, 0, device.stream, a, dqkv, d_o, o, lse, qkv);
	LAUNCH(plain_dkv_kernel<A>, plain_grid(), 32 * WARPS, 0, device.stream, a, dqkv, d_o, o, lse, qkv);
}

template <class A> void keep_keys(const struct att &a, const A *qkv)
{
	LAUNCH(keep_kernel<A>, plain_grid(), 256, 0, device.stream, a, qkv);
}

#define PLAIN(A)                                                                                                     \
	template void attend_plainly(const struct att &a, A *o, float *lse, const A *qkv);                           \
	template void attend_pages_plainly(const struct att &a, A *o, const A *qkv);                                 \
	template void attend_back_plainly(const struct att &a, A *dqkv, const A *d_o, const A *o, const float *lse, const A *qkv); \
	template void keep_keys(const struct att &a, const A *qkv);
PLAIN(float)
PLAIN(bf16)
