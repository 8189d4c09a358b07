/* attention_mma.cu - the forward by tensor cores (Dao, "FlashAttention-2", 2023): a block of threads has a tile of queries and goes
 * through their keys, of which the next block is on its way while one is computed.
 *
 * Queries of all heads that share a key lie in one tile, so keys are read once for them. Keys come from the call's own rows, or from
 * pages, where they are transposed; the products are the same. */
#include "attention_kernels.h"
#include "attention_mma.h"

/* Tiles of M fragments of 16 rows a warp. */
template <int D, int M> struct forward_shape {
	static const int rows = 16 * MMA_WARPS * M;
	static const int keys = tile_size(KEYS, D) > tile_size(D, KEYS) ? tile_size(KEYS, D) : tile_size(D, KEYS);
	static const int q = 0, k = tile_size(rows, D), v = k + 2 * keys, size = v + 2 * keys;
};

template <int D, int M, bool PAGED>
__device__ __forceinline__ void load_block(bf16 *shared, const struct att &a, const bf16 *qkv, const struct tile &t, int kv, int block)
{
	typedef forward_shape<D, M> shape;
	bf16 *k = shared + shape::k + block % 2 * shape::keys, *v = shared + shape::v + block % 2 * shape::keys;

	if (PAGED) {
		load_page_keys<D>(k, a, t, kv, block);
		load_page_values<D>(v, a, t, kv, block);
	} else {
		load_keys<KEYS, D>(k, qkv, a, t, a.h, kv, block * KEYS);
		load_keys<KEYS, D>(v, qkv, a, t, a.h + a.hkv, kv, block * KEYS);
	}
	cp_async_commit();
}

/* What a warp has of its rows. */
template <int D, int M> struct forward_rows {
	float o[M][D / 8][4];
	struct softmax row[M][2];
	int lo[M][2], hi[M][2];
};

/* s = the warp's queries times a block of keys. */
template <int D, int M, bool PAGED>
__device__ __forceinline__ void query_products(float (&s)[M][KEYS / 8][4], const bf16 *q, const bf16 *k)
{
	typedef forward_shape<D, M> shape;
	const int first = threadIdx.x / 32 * 16 * M;

	for (int m = 0; m < M; m++)
		for (int n = 0; n < KEYS / 8; n++)
			for (int e = 0; e < 4; e++)
				s[m][n][e] = 0;
#pragma unroll 4      /* a panel of columns; all at once takes registers that there are not */
	for (int c = 0; c < D; c += 16) {
		unsigned left[M][4], right[4];

#pragma unroll
		for (int m = 0; m < M; m++)
			load_left<shape::rows>(left[m], q, first + 16 * m, c);
#pragma unroll
		for (int n = 0; n < KEYS / 8; n += 2) {
			if (PAGED)
				load_right_columns<D>(right, k, c, 8 * n);
			else
				load_right_rows<KEYS>(right, k, 8 * n, c);
#pragma unroll
			for (int m = 0; m < M; m++)
				mma_pair(s[m][n], s[m][n + 1], left[m], right);
		}
	}
}

/* Scores of 16 rows become weights, rounded, in `left`; the block's maxima and sums. */
__device__ __forceinline__ void weights_of_block(unsigned (&left)[KEYS / 16][4], struct softmax block[2], float (&s)[KEYS / 8][4],
						  const struct soft &f)
{
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float top = -INFINITY, base, sum[4];

#pragma unroll
		for (int n = 0; n < KEYS / 8; n++)
			top = fmaxf(top, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
		block[r].max = __fmul_rn(quad_max(top), f.factor);
		base = -base_of(block[r].max);
#pragma unroll
		for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
			for (int e = 2 * r; e < 2 * r + 2; e++)
				s[n][e] = fast_exp2(fmaf(s[n][e], f.factor, base));
#pragma unroll
		for (int i = 0; i < 4; i++)
			sum[i] = sum_of_16(s[2 * i][2 * r], s[2 * i][2 * r + 1], s[2 * i + 1][2 * r], s[2 * i + 1][2 * r + 1]);
		block[r].sum = quad_sum(sum_of_16(sum[0], sum[1], sum[2], sum[3]));
	}
#pragma unroll
	for (int i = 0; i < KEYS / 16; i++)
		left_of(left[i], s[2 * i], s[2 * i + 1]);
}

/* Takes one block of keys into the warp's rows. */
template <int D, int M, bool PAGED>
__device__ __forceinline__ void attend_block(struct forward_rows<D, M> &w, const bf16 *shared, const struct soft &f, int block, bool masked)
{
	typedef forward_shape<D, M> shape;
	const bf16 *k = shared + shape::k + block % 2 * shape::keys, *v = shared + shape::v + block % 2 * shape::keys;
	float s[M][KEYS / 8][4], old_by[M][2], new_by[M][2];
	unsigned left[M][KEYS / 16][4];

	query_products<D, M, PAGED>(s, shared + shape::q, k);
#pragma unroll
	for (int m = 0; m < M; m++) {
		struct softmax part[2];

		scores<KEYS / 8>(s[m], f, block * KEYS, w.lo[m], w.hi[m], masked);
		weights_of_block(left[m], part, s[m], f);
		join(&w.row[m][0], part[0], &old_by[m][0], &new_by[m][0]);
		join(&w.row[m][1], part[1], &old_by[m][1], &new_by[m][1]);
	}
#pragma unroll
	for (int n = 0; n < D / 8; n += 2) {
		float part[M][2][4] = {};

#pragma unroll
		for (int i = 0; i < KEYS / 16; i++) {
			unsigned right[4];

			load_right_columns<KEYS>(right, v, 16 * i, 8 * n);
#pragma unroll
			for (int m = 0; m < M; m++)
				mma_pair(part[m][0], part[m][1], left[m][i], right);
		}
#pragma unroll
		for (int m = 0; m < M; m++)
#pragma unroll
			for (int e = 0; e < 8; e++) {
				float *o = &w.o[m][n + e / 4][e % 4];

				*o = join_value(*o, old_by[m][e / 2 % 2], part[m][e / 4][e % 4], new_by[m][e / 2 % 2]);
			}
	}
}

template <int D, int M>
__device__ __forceinline__ void store_rows(const struct forward_rows<D, M> &w, const struct att &a, const struct tile &t, int kv, bf16 *o,
					   float *lse)
{
	const int lane = threadIdx.x % 32, first = t.row + threadIdx.x / 32 * 16 * M + lane / 4;

#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			const int row = first + 16 * m + 8 * r;
			const struct query_at q = query_of(a, t, kv, row);
			const int64_t at = q.token * a.h + q.head;
			const float inverse = 1 / w.row[m][r].sum;

			if (row >= t.tokens * a.group)
				continue;
#pragma unroll
			for (int n = 0; n < D / 8; n++)
				if (8 * n < a.d) {
					const unsigned two = bf16_pair(output_of(w.o[m][n][2 * r], inverse), output_of(w.o[m][n][2 * r + 1], inverse));

					*(unsigned *)(o + at * a.d + 8 * n + 2 * (lane % 4)) = two;
				}
			if (lse && lane % 4 == 0)
				lse[at] = lse_of(w.row[m][r]);
		}
}

/* least: sequences of fewer rows are another kernel's. */
template <int D, int M, bool PAGED>
__global__ void __launch_bounds__(MMA_THREADS) attend_kernel(struct att a, bf16 *o, float *lse, const bf16 *qkv, int least)
{
	typedef forward_shape<D, M> shape;
	DYNAMIC_SHARED(bf16, shared);
	const struct soft f = soft_of(a);
	const int64_t tiles = first_tile(a.cu, a.s, a.group, shape::rows), items = tiles * a.hkv;

	/* The last tiles of sequences have the most keys: they go first. */
	for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
		const int kv = (int)(item % a.hkv), warp_row = threadIdx.x / 32 * 16 * M + threadIdx.x % 32 / 4;
		struct forward_rows<D, M> w = {};
		struct tile t;
		int last, from, to, seen_by_all;

		if (!tile_at(a, tiles - 1 - item / a.hkv, a.group, shape::rows, &t) || t.tokens * a.group < least)
			continue;
		last = min(t.row + shape::rows, t.tokens * a.group) - 1;
		from = first_key(t.past + t.row / a.group, a.window) / KEYS;
		to = (t.past + last / a.group) / KEYS;
		seen_by_all = first_key(t.past + last / a.group, a.window);
#pragma unroll
		for (int i = 0; i < 2 * M; i++) {
			w.hi[i / 2][i % 2] = t.past + (t.row + warp_row + 8 * i) / a.group;
			w.lo[i / 2][i % 2] = first_key(w.hi[i / 2][i % 2], a.window);
			w.row[i / 2][i % 2].max = -INFINITY;
		}
		__syncthreads();
		load_queries<shape::rows, D>(shared + shape::q, qkv, a.ld, a, t, kv, t.row);
		load_block<D, M, PAGED>(shared, a, qkv, t, kv, from);
		for (int block = from; block <= to; block++) {
			const bool masked = block * KEYS + KEYS - 1 > t.past + t.row / a.group || block * KEYS < seen_by_all;

			cp_async_wait<0>();
			__syncthreads();
			if (block < to)
				load_block<D, M, PAGED>(shared, a, qkv, t, kv, block + 1);
			attend_block<D, M, PAGED>(w, shared, f, block, masked);
		}
		store_rows<D, M>(w, a, t, kv, o, lse);
	}
}

template <int D, int M, bool PAGED> static void launch(const struct att &a, bf16 *o, float *lse, const bf16 *qkv)
{
	typedef forward_shape<D, M> shape;
	const size_t bytes = shape::size * sizeof(bf16);

	ALLOW_SHARED((attend_kernel<D, M, PAGED>), bytes);
	LAUNCH((attend_kernel<D, M, PAGED>), resident_blocks(bytes, 2), MMA_THREADS, bytes, device.stream, a, o, lse, qkv,
	       PAGED ? FEW_ROWS + 1 : 0);
}

template <bool PAGED> static void launch_for(const struct att &a, bf16 *o, float *lse, const bf16 *qkv)
{
	if (a.d <= 64)
		launch<64, 2, PAGED>(a, o, lse, qkv);
	else if (a.d <= 96)
		launch<96, 2, PAGED>(a, o, lse, qkv);
	else if (a.d <= 128)
		launch<128, 2, PAGED>(a, o, lse, qkv);
	else if (a.d <= 192)
		launch<192, 1, PAGED>(a, o, lse, qkv);
	else
		launch<256, 1, PAGED>(a, o, lse, qkv);
}

void attend_mma(const struct att &a, bool pages, bf16 *o, float *lse, const bf16 *qkv)
{
	if (pages)
		launch_for<true>(a, o, lse, qkv);
	else
		launch_for<false>(a, o, lse, qkv);
}
