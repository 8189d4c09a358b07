/* attention_backward.cu - the backward by tensor cores. The weights are computed again from the saved log-sum-exp, once for the
 * gradients of keys and values, where a block of threads has a tile of keys and goes through the queries that see them, and once
 * for those of queries, where it has a tile of queries and goes through their keys. That is seven products where one pass has five, but
 * no two blocks add to the same place: run to run the same bits, and no scratch.
 *
 * With p the weights, o the output and s the scores before a cap's tanh: dv = p^T do, ds = p (do v^T - delta) (1 - tanh^2),
 * delta = the row's sum of do o, dq = scale ds k, dk = scale ds^T q. delta is the same for a row's keys: until its place is taken by
 * the row's dq it stands there, as a float, at the beginning of the head. */
#include "attention_kernels.h"
#include "attention_mma.h"

__device__ __forceinline__ float *delta_at(bf16 *dqkv, const struct att &a, int64_t token, int head)
{
	return (float *)(dqkv + token * a.ld + (int64_t)head * a.d);
}

/* A warp has a row. */
__global__ void __launch_bounds__(THREADS) delta_kernel(struct att a, bf16 *dqkv, const bf16 *d_o, const bf16 *o)
{
	const int64_t rows = (int64_t)a.cu[a.s] * a.h;

	for (int64_t row = ((int64_t)blockIdx.x * THREADS + threadIdx.x) / 32; row < rows; row += (int64_t)gridDim.x * THREADS / 32) {
		float sum = 0;

		for (int c = threadIdx.x % 32 * 8; c < a.d; c += 256) {
			float x[8], y[8];

			load(x, d_o + row * a.d + c);
			load(y, o + row * a.d + c);
#pragma unroll
			for (int i = 0; i < 8; i++)
				sum = fmaf(x[i], y[i], sum);
		}
		sum = warp_sum(sum);
		if (threadIdx.x % 32 == 0)
			*delta_at(dqkv, a, row / a.h, (int)(row % a.h)) = sum;
	}
}

/* c[N products of 8 columns] = 16 rows of x times N * 8 rows of y, both with D columns; XR, YR: rows of the tiles. */
template <int D, int N, int XR, int YR>
__device__ __forceinline__ void products(float (&c)[N][4], const bf16 *x, int row, const bf16 *y)
{
#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int e = 0; e < 4; e++)
			c[n][e] = 0;
#pragma unroll
	for (int k = 0; k < D; k += 16) {
		unsigned left[4];

		load_left<XR>(left, x, row, k);
#pragma unroll
		for (int n = 0; n < N; n += 2) {
			unsigned right[4];

			load_right_rows<YR>(right, y, 8 * n, k);
			mma_pair(c[n], c[n + 1], left, right);
		}
	}
}

/* c[D / 8] += left, of 16 rows and N * 8 columns, times the N * 8 rows of y. */
template <int D, int N, int YR>
__device__ __forceinline__ void add_products(float (&c)[D / 8][4], const unsigned (&left)[N / 2][4], const bf16 *y)
{
#pragma unroll
	for (int i = 0; i < N / 2; i++)
#pragma unroll
		for (int n = 0; n < D / 8; n += 2) {
			unsigned right[4];

			load_right_columns<YR>(right, y, 16 * i, 8 * n);
			mma_pair(c[n], c[n + 1], left[i], right);
		}
}

template <int N> __device__ __forceinline__ void rounded(unsigned (&left)[N / 2][4], const float (&c)[N][4])
{
#pragma unroll
	for (int i = 0; i < N / 2; i++)
		left_of(left[i], c[2 * i], c[2 * i + 1]);
}

/* The weight of a key in sight, from the product; and the weight times the slope of the score, which its gradient is made of. */
__device__ __forceinline__ float weight_of(const struct soft &f, float product, float lse2, float *sloped)
{
	const float s = score_of(f, product), p = fast_exp2(fmaf(s, f.factor, -lse2)), t = f.cap ? s / f.outer : 0;

	*sloped = p * fmaf(-t, t, 1.0f);
	return p;
}

/* --- gradients of keys and values ------------------------------------------------------------------------- */

enum { GRADIENT_K = 1, GRADIENT_V = 2 };

/* Tiles of 64 keys, and of QUERIES rows of queries, two of them so that one comes while one is computed. */
template <int D> struct back_shape {
	static const int queries = D > 128 ? 32 : 64, keys = 16 * MMA_WARPS;
	static const int key_tile = tile_size(keys, D), query_tile = tile_size(queries, D);
	static const int k = 0, v = key_tile, q = 2 * key_tile, d_o = q + 2 * query_tile, size = d_o + 2 * query_tile;
};

/* What a row of queries needs beside its tiles. */
template <int ROWS> struct row_room {
	float lse2[2][ROWS], delta[2][ROWS];
};

template <int D>
__device__ __forceinline__ void load_rows(bf16 *shared, struct row_room<back_shape<D>::queries> *room, int turn, const struct att &a,
					  const struct tile &t, int kv, int from, const bf16 *d_o, const float *lse, bf16 *dqkv, const bf16 *qkv)
{
	typedef back_shape<D> shape;

	load_queries<shape::queries, D>(shared + shape::q + turn * shape::query_tile, qkv, a.ld, a, t, kv, from);
	load_queries<shape::queries, D>(shared + shape::d_o + turn * shape::query_tile, d_o, (int64_t)a.h * a.d, a, t, kv, from);
	cp_async_commit();
	if (threadIdx.x < shape::queries && from + (int)threadIdx.x < t.tokens * a.group) {
		const struct query_at q = query_of(a, t, kv, from + (int)threadIdx.x);

		room->lse2[turn][threadIdx.x] = lse[q.token * a.h + q.head] * LOG2E;
		room->delta[turn][threadIdx.x] = *delta_at(dqkv, a, q.token, q.head);
	}
}

/* s, products of the warp's 16 keys with rows of queries, becomes weights, and sloped what their gradients are made of; 0 where a
 * query does not see a key, or there is none. */
template <int N>
__device__ __forceinline__ void weights_by_key(float (&s)[N][4], float (&sloped)[N][4], const struct soft &f, const struct att &a,
					       const float *lse2, int key, int from, int rows, bool masked)
{
#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) {
			const int at = 8 * n + 2 * (threadIdx.x % 4) + e, place = masked ? (from + at) / a.group : 0;

#pragma unroll
			for (int r = 0; r < 2; r++) {
				const int mine = key + 8 * r;
				float *x = &s[n][2 * r + e], *y = &sloped[n][2 * r + e];

				if (!masked || (from + at < rows && mine <= place && mine >= first_key(place, a.window)))
					*x = weight_of(f, *x, lse2[at], y);
				else
					*x = *y = 0;
			}
		}
}

template <int D>
__device__ __forceinline__ void store_gradient(bf16 *to, const float (&c)[D / 8][4], const struct att &a, const struct tile &t, int of, int kv,
					       float by)
{
	const int lane = threadIdx.x % 32;

#pragma unroll
	for (int r = 0; r < 2; r++) {
		const int key = t.row + threadIdx.x / 32 * 16 + lane / 4 + 8 * r;
		bf16 *row = to + (t.begin + key) * a.ld + (int64_t)(of + kv) * a.d;

		if (key >= t.tokens)
			continue;
#pragma unroll
		for (int n = 0; n < D / 8; n++)
			if (8 * n < a.d)
				*(unsigned *)(row + 8 * n + 2 * (lane % 4)) = bf16_pair(c[n][2 * r] * by, c[n][2 * r + 1] * by);
	}
}

template <int D, int WHICH>
__global__ void __launch_bounds__(MMA_THREADS)
dkv_kernel(struct att a, bf16 *dqkv, const bf16 *d_o, const float *lse, const bf16 *qkv)
{
	typedef back_shape<D> shape;
	DYNAMIC_SHARED(bf16, shared);
	__shared__ struct row_room<shape::queries> room;
	const int N = shape::queries / 8, warp_key = threadIdx.x / 32 * 16;
	const struct soft f = soft_of(a);
	const int64_t tiles = first_tile(a.cu, a.s, 1, shape::keys), items = tiles * a.hkv;

	/* The first tiles of sequences are seen by the most queries: they go first where sequences are alike. */
	for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
		const int kv = (int)(item % a.hkv);
		float dk[D / 8][4] = {}, dv[D / 8][4] = {};
		struct tile t;
		int last_key, rows, first, end;

		if (!tile_at(a, item / a.hkv, 1, shape::keys, &t))
			continue;
		last_key = min(t.row + shape::keys, t.tokens) - 1;
		rows = t.tokens * a.group;
		first = t.row * a.group / shape::queries * shape::queries;
		end = (int)min((int64_t)rows, ((int64_t)last_key + a.window) * a.group);
		__syncthreads();
		load_keys<shape::keys, D>(shared + shape::k, qkv, a, t, a.h, kv, t.row);
		if (WHICH & GRADIENT_K)
			load_keys<shape::keys, D>(shared + shape::v, qkv, a, t, a.h + a.hkv, kv, t.row);
		load_rows<D>(shared, &room, 0, a, t, kv, first, d_o, lse, dqkv, qkv);
		for (int from = first, turn = 0; from < end; from += shape::queries, turn ^= 1) {
			const bf16 *q = shared + shape::q + turn * shape::query_tile, *grad = shared + shape::d_o + turn * shape::query_tile;
			const bool masked = from < (t.row + shape::keys - 1) * a.group || from + shape::queries > rows ||
					    first_key((from + shape::queries - 1) / a.group, a.window) > t.row;
			float s[N][4], sloped[N][4];
			unsigned left[N / 2][4];

			cp_async_wait<0>();
			__syncthreads();
			if (from + shape::queries < end)
				load_rows<D>(shared, &room, turn ^ 1, a, t, kv, from + shape::queries, d_o, lse, dqkv, qkv);
			products<D, N, shape::keys, shape::queries>(s, shared + shape::k, warp_key, q);
			weights_by_key<N>(s, sloped, f, a, room.lse2[turn], t.row + warp_key + (int)threadIdx.x % 32 / 4, from, rows, masked);
			if (WHICH & GRADIENT_V) {
				rounded<N>(left, s);
				add_products<D, N, shape::queries>(dv, left, grad);
			}
			if (!(WHICH & GRADIENT_K))
				continue;
			products<D, N, shape::keys, shape::queries>(s, shared + shape::v, warp_key, grad);
#pragma unroll
			for (int n = 0; n < N; n++)
#pragma unroll
				for (int e = 0; e < 4; e++)
					s[n][e] = sloped[n][e] == 0 ? 0 : sloped[n][e] * (s[n][e] - room.delta[turn][8 * n + 2 * (threadIdx.x % 4) + e % 2]);
			rounded<N>(left, s);
			add_products<D, N, shape::queries>(dk, left, q);
		}
		if (WHICH & GRADIENT_K)
			store_gradient<D>(dqkv, dk, a, t, a.h, kv, a.scale);
		if (WHICH & GRADIENT_V)
			store_gradient<D>(dqkv, dv, a, t, a.h + a.hkv, kv, 1);
	}
}

/* --- gradients of queries ------------------------------------------------------------------------------------ */

template <int D> struct dq_shape {
	static const int rows = 16 * MMA_WARPS, keys = D > 128 ? 32 : 64;
	static const int query_tile = tile_size(rows, D), key_tile = tile_size(keys, D);
	static const int q = 0, d_o = query_tile, k = 2 * query_tile, v = k + 2 * key_tile, size = v + 2 * key_tile;
};

template <int D>
__device__ __forceinline__ void load_some_keys(bf16 *shared, const struct att &a, const bf16 *qkv, const struct tile &t, int kv, int block)
{
	typedef dq_shape<D> shape;

	load_keys<shape::keys, D>(shared + shape::k + block % 2 * shape::key_tile, qkv, a, t, a.h, kv, block * shape::keys);
	load_keys<shape::keys, D>(shared + shape::v + block % 2 * shape::key_tile, qkv, a, t, a.h + a.hkv, kv, block * shape::keys);
	cp_async_commit();
}

/* The lane's two rows. */
struct dq_rows {
	float lse2[2], delta[2];
	int lo[2], hi[2];
};

/* s, products with keys from k0 on, becomes what the gradients of the scores are made of; 0 for keys out of sight. */
template <int N>
__device__ __forceinline__ void weights_by_query(float (&s)[N][4], const struct soft &f, const struct dq_rows &w, int k0, bool masked)
{
#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int e = 0; e < 4; e++) {
			const int key = k0 + 8 * n + 2 * (threadIdx.x % 4) + e % 2;
			float sloped;

			weight_of(f, s[n][e], w.lse2[e / 2], &sloped);
			s[n][e] = !masked || (key >= w.lo[e / 2] && key <= w.hi[e / 2]) ? sloped : 0;
		}
}

template <int D>
__global__ void __launch_bounds__(MMA_THREADS) dq_kernel(struct att a, bf16 *dqkv, const bf16 *d_o, const float *lse, const bf16 *qkv)
{
	typedef dq_shape<D> shape;
	DYNAMIC_SHARED(bf16, shared);
	const int N = shape::keys / 8, lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
	const struct soft f = soft_of(a);
	const int64_t tiles = first_tile(a.cu, a.s, a.group, shape::rows), items = tiles * a.hkv;

	for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
		const int kv = (int)(item % a.hkv);
		float dq[D / 8][4] = {};
		struct dq_rows w;
		struct tile t;
		int last, rows, from, to;

		if (!tile_at(a, tiles - 1 - item / a.hkv, a.group, shape::rows, &t))
			continue;
		rows = t.tokens * a.group;
		last = min(t.row + shape::rows, rows) - 1;
		from = first_key(t.row / a.group, a.window) / shape::keys;
		to = last / a.group / shape::keys;
		for (int r = 0; r < 2; r++) {
			const int row = min(t.row + warp_row + lane / 4 + 8 * r, rows - 1);
			const struct query_at q = query_of(a, t, kv, row);

			w.hi[r] = row / a.group, w.lo[r] = first_key(w.hi[r], a.window);
			w.lse2[r] = lse[q.token * a.h + q.head] * LOG2E;
			w.delta[r] = *delta_at(dqkv, a, q.token, q.head);
		}
		__syncthreads();
		load_queries<shape::rows, D>(shared + shape::q, qkv, a.ld, a, t, kv, t.row);
		load_queries<shape::rows, D>(shared + shape::d_o, d_o, (int64_t)a.h * a.d, a, t, kv, t.row);
		load_some_keys<D>(shared, a, qkv, t, kv, from);
		for (int block = from; block <= to; block++) {
			const bf16 *k = shared + shape::k + block % 2 * shape::key_tile, *v = shared + shape::v + block % 2 * shape::key_tile;
			const bool masked = (block + 1) * shape::keys - 1 > t.row / a.group ||
					    block * shape::keys < first_key(last / a.group, a.window);
			float s[N][4], dp[N][4];
			unsigned left[N / 2][4];

			cp_async_wait<0>();
			__syncthreads();
			if (block < to)
				load_some_keys<D>(shared, a, qkv, t, kv, block + 1);
			products<D, N, shape::rows, shape::keys>(s, shared + shape::q, warp_row, k);
			weights_by_query<N>(s, f, w, block * shape::keys, masked);
			products<D, N, shape::rows, shape::keys>(dp, shared + shape::d_o, warp_row, v);
#pragma unroll
			for (int n = 0; n < N; n++)
#pragma unroll
				for (int e = 0; e < 4; e++)
					s[n][e] *= dp[n][e] - w.delta[e / 2];
			rounded<N>(left, s);
			add_products<D, N, shape::keys>(dq, left, k);
		}
		/* The deltas of these rows were read above, by the same threads' block: __syncthreads in the loop stands between. */
#pragma unroll
		for (int r = 0; r < 2; r++) {
			const int row = t.row + warp_row + lane / 4 + 8 * r;
			const struct query_at q = query_of(a, t, kv, row);
			bf16 *to_row = dqkv + q.token * a.ld + (int64_t)q.head * a.d;

			if (row >= rows)
				continue;
#pragma unroll
			for (int n = 0; n < D / 8; n++)
				if (8 * n < a.d)
					*(unsigned *)(to_row + 8 * n + 2 * (lane % 4)) = bf16_pair(dq[n][2 * r] * a.scale, dq[n][2 * r + 1] * a.scale);
		}
	}
}

/* --- launches -------------------------------------------------------------------------------------------------- */

template <int D, int WHICH>
static void launch_dkv(const struct att &a, bf16 *dqkv, const bf16 *d_o, const float *lse, const bf16 *qkv)
{
	const size_t bytes = back_shape<D>::size * sizeof(bf16);

	ALLOW_SHARED((dkv_kernel<D, WHICH>), bytes);
	LAUNCH((dkv_kernel<D, WHICH>), resident_blocks(bytes, 2), MMA_THREADS, bytes, device.stream, a, dqkv, d_o, lse, qkv);
}

/* Wide heads have no registers for both sums at once. */
template <int D> static void launch(const struct att &a, bf16 *dqkv, const bf16 *d_o, const bf16 *o, const float *lse, const bf16 *qkv)
{
	const size_t bytes = dq_shape<D>::size * sizeof(bf16);

	LAUNCH(delta_kernel, (unsigned)device.processors * 8, THREADS, 0, device.stream, a, dqkv, d_o, o);
	if constexpr (D > 128) {
		launch_dkv<D, GRADIENT_K>(a, dqkv, d_o, lse, qkv);
		launch_dkv<D, GRADIENT_V>(a, dqkv, d_o, lse, qkv);
	} else {
		launch_dkv<D, GRADIENT_K | GRADIENT_V>(a, dqkv, d_o, lse, qkv);
	}
	ALLOW_SHARED(dq_kernel<D>, bytes);
	LAUNCH(dq_kernel<D>, resident_blocks(bytes, 2), MMA_THREADS, bytes, device.stream, a, dqkv, d_o, lse, qkv);
}

void attend_back_mma(const struct att &a, bf16 *dqkv, const bf16 *d_o, const bf16 *o, const float *lse, const bf16 *qkv)
{
	if (a.d <= 64)
		launch<64>(a, dqkv, d_o, o, lse, qkv);
	else if (a.d <= 96)
		launch<96>(a, dqkv, d_o, o, lse, qkv);
	else if (a.d <= 128)
		launch<128>(a, dqkv, d_o, o, lse, qkv);
	else if (a.d <= 192)
		launch<192>(a, dqkv, d_o, o, lse, qkv);
	else
		launch<256>(a, dqkv, d_o, o, lse, qkv);
}
