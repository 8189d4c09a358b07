/* attention_mma.h - tiles of bf16 in shared memory and their products by tensor cores, for the kernels of attention.
 *
 * A tile of ROWS x D lies in panels of 64 columns, so that a row of a panel is 128 bytes, the width of the banks. Its chunks of 16
 * bytes are exchanged by the row's low bits: what eight rows have in a column is in eight different groups of banks. */
#ifndef QUERN_CUDA_ATTENTION_MMA_H
#define QUERN_CUDA_ATTENTION_MMA_H

#include "attention.h"
#include "mma.h"

#define MMA_WARPS 4
#define MMA_THREADS (32 * MMA_WARPS)

/* Elements of a tile with D columns. */
__host__ __device__ constexpr int tile_size(int rows, int d) { return rows * ((d + 63) / 64 * 64); }

/* Where the chunk of 8 elements from column 8 * chunk is. */
template <int ROWS> __device__ __forceinline__ int chunk_at(int row, int chunk)
{
	return (chunk / 8 * ROWS + row) * 64 + (chunk % 8 ^ row % 8) * 8;
}

/* Begins to load ROWS x D; columns from d on, and rows for which row_at gives NULL, become zeros. some: any address of the device. */
template <int ROWS, int D, class F> __device__ __forceinline__ void load_tile(bf16 *to, int d, const bf16 *some, F row_at)
{
	for (int i = threadIdx.x; i < ROWS * (D / 8); i += MMA_THREADS) {
		const int row = i / (D / 8), chunk = i % (D / 8);
		const bf16 *from = row_at(row);
		const bool there = from && chunk * 8 < d;

		cp_async16(to + chunk_at<ROWS>(row, chunk), there ? from + chunk * 8 : some, there);
	}
}

/* --- fragments -------------------------------------------------------------------------------------------- */
/* Of an accumulator a lane holds (lane / 4, 2 (lane % 4)) and the next column, then the same eight rows below. */

/* 16 rows and 16 columns as the left operand. */
template <int ROWS> __device__ __forceinline__ void load_left(unsigned (&r)[4], const bf16 *tile, int row, int column)
{
	const int lane = threadIdx.x % 32;

	ldmatrix_x4(r, tile + chunk_at<ROWS>(row + lane % 16, column / 8 + lane / 16));
}

/* The right operand of two products of 8 columns each, r[0], r[1] and r[2], r[3], from a tile whose rows are those columns: 16 of its
 * rows, and 16 of its columns to sum over. */
template <int ROWS> __device__ __forceinline__ void load_right_rows(unsigned (&r)[4], const bf16 *tile, int row, int column)
{
	const int lane = threadIdx.x % 32;

	ldmatrix_x4(r, tile + chunk_at<ROWS>(row + lane % 8 + lane / 16 * 8, column / 8 + lane / 8 % 2));
}

/* The same from a tile whose rows are summed over: 16 of its rows, and 16 of its columns. */
template <int ROWS> __device__ __forceinline__ void load_right_columns(unsigned (&r)[4], const bf16 *tile, int row, int column)
{
	const int lane = threadIdx.x % 32;

	ldmatrix_x4_trans(r, tile + chunk_at<ROWS>(row + lane % 16, column / 8 + lane / 16));
}

/* Both products of a pair of right operands. */
__device__ __forceinline__ void mma_pair(float (&c)[4], float (&d)[4], const unsigned (&left)[4], const unsigned (&right)[4])
{
	const unsigned first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};

	mma_bf16(c, left, first);
	mma_bf16(d, left, second);
}

/* Two accumulators side by side, rounded, as the left operand of a product that sums over their 16 columns. */
__device__ __forceinline__ void left_of(unsigned (&r)[4], const float (&a)[4], const float (&b)[4])
{
	r[0] = bf16_pair(a[0], a[1]);
	r[1] = bf16_pair(a[2], a[3]);
	r[2] = bf16_pair(b[0], b[1]);
	r[3] = bf16_pair(b[2], b[3]);
}

/* The largest, and the sum, over the four lanes that share a row of an accumulator. */
__device__ __forceinline__ float quad_max(float x)
{
	x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
	return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ __forceinline__ float quad_sum(float x)
{
	x = __fadd_rn(x, __shfl_xor_sync(~0u, x, 1));
	return __fadd_rn(x, __shfl_xor_sync(~0u, x, 2));
}

/* What a lane has of the sum of a row's weights over 16 keys, and of 64: always in this order. */
__device__ __forceinline__ float sum_of_16(float a, float b, float c, float d)
{
	return __fadd_rn(__fadd_rn(a, b), __fadd_rn(c, d));
}

/* --- rows of queries --------------------------------------------------------------------------------------- */

/* Row r of a tile's sequence: its token in the call and its head. */
struct query_at {
	int64_t token;
	int head;
};

__device__ __forceinline__ struct query_at query_of(const struct att &a, const struct tile &t, int kv, int row)
{
	struct query_at q;

	q.token = t.begin + row / a.group;
	q.head = kv * a.group + row % a.group;
	return q;
}

/* ROWS rows of queries from the tile's sequence's row `from`, of a matrix with ld values for a token. */
template <int ROWS, int D>
__device__ __forceinline__ void load_queries(bf16 *to, const bf16 *x, int64_t ld, const struct att &a, const struct tile &t, int kv,
					     int from)
{
	const int rows = t.tokens * a.group;

	load_tile<ROWS, D>(to, a.d, x, [&](int r) -> const bf16 * {
		const struct query_at q = query_of(a, t, kv, from + r);

		return from + r < rows ? x + q.token * ld + (int64_t)q.head * a.d : NULL;
	});
}

/* ROWS keys (of: a.h) or values (of: a.h + a.hkv) of a head from the sequence's key `from`. */
template <int ROWS, int D>
__device__ __forceinline__ void load_keys(bf16 *to, const bf16 *qkv, const struct att &a, const struct tile &t, int of, int kv, int from)
{
	const bf16 *base = qkv + t.begin * a.ld + (int64_t)(of + kv) * a.d;

	load_tile<ROWS, D>(to, a.d, qkv, [&](int r) -> const bf16 * { return from + r < t.tokens ? base + (from + r) * a.ld : NULL; });
}

/* A page's keys as they lie, D x KEYS, and its values, of which the sequence has `length`. */
template <int D> __device__ __forceinline__ void load_page_keys(bf16 *to, const struct att &a, const struct tile &t, int kv, int block)
{
	const bf16 *from = page_keys<const bf16>(a, t.sequence, block, kv);

	load_tile<D, KEYS>(to, KEYS, from, [&](int r) -> const bf16 * { return r < a.d ? from + r * KEYS : NULL; });
}

template <int D> __device__ __forceinline__ void load_page_values(bf16 *to, const struct att &a, const struct tile &t, int kv, int block)
{
	const bf16 *from = page_values<const bf16>(a, t.sequence, block, kv);
	const int length = t.past + t.tokens - block * KEYS;

	load_tile<KEYS, D>(to, a.d, from, [&](int r) -> const bf16 * { return r < length ? from + r * a.d : NULL; });
}

/* Blocks of threads that a processor can hold at once by their shared memory, at most `most`, times the processors. */
static inline unsigned resident_blocks(size_t bytes, unsigned most)
{
	const size_t fit = device.shared_max / bytes;

	return (unsigned)device.processors * (fit < 1 ? 1 : fit < most ? (unsigned)fit : most);
}

/* --- softmax ------------------------------------------------------------------------------------------------ */

/* Products of NT * 8 keys from k0 on become scores; keys out of the sight of a row, [lo, hi], -INFINITY. Rows: the lane's two. */
template <int NT>
__device__ __forceinline__ void scores(float s[NT][4], const struct soft &f, int k0, const int lo[2], const int hi[2], bool masked)
{
	const int at = k0 + 2 * (threadIdx.x % 4);

	for (int n = 0; n < NT; n++)
		for (int e = 0; e < 4; e++) {
			const int key = at + 8 * n + e % 2;

			s[n][e] = score_of(f, s[n][e]);
			if (masked && (key < lo[e / 2] || key > hi[e / 2]))
				s[n][e] = -INFINITY;
		}
}

#endif
