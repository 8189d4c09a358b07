/* rows.cu - entries that go over rows: embedding, gather, biases, learned positions, factors. Memory-bound: each value moves once, 16 bytes
 * at a time where rows are aligned. */
#include "serve.h"

/* --- y[i] = table[index[i]] ------------------------------------------------------------------------------- */

template <class T, int N>
__global__ void gather_kernel(T *y, const T *x, const int32_t *rows, int64_t n, int64_t c)
{
	for (GRID_STRIDE(i, n * (c / N))) {
		int64_t row, col;
		float v[N];

		split(i, c / N, &row, &col);
		load(v, x + rows[row] * c + col * N);
		store(y + row * c + col * N, v);
	}
}

template <class T> static void cuda_gather_rows(struct pool *, act *y, const act *x, const int32_t *rows, int64_t n, int64_t c)
{
	if (n == 0 || c == 0)
		return;
	if (wide<T>(c, y, x))
		LAUNCH((gather_kernel<T, LANES<T>>), grid_of(n * c / LANES<T>), THREADS, 0, device.stream, (T *)y, (const T *)x, rows, n, c);
	else
		LAUNCH((gather_kernel<T, 1>), grid_of(n * c), THREADS, 0, device.stream, (T *)y, (const T *)x, rows, n, c);
}

template <class T> __global__ void embed_kernel(T *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	for (GRID_STRIDE(i, n * c)) {
		int64_t row, col;

		split(i, c, &row, &col);
		y[i] = from_float<T>(weight_at(w, c, ids[row], col));
	}
}

template <class T> static void cuda_embed(struct pool *, act *y, struct weights w, const int32_t *ids, int64_t n, int64_t c)
{
	if (n && c && !w.data && is_served(sizeof(T) == sizeof(bf16), w))
		serve_embed((bf16 *)y, w, ids, n, c);
	else if (n && c)
		LAUNCH(embed_kernel<T>, grid_of(n * c), THREADS, 0, device.stream, (T *)y, w, ids, n, c);
}

/* --- its backward -------------------------------------------------------------------------------------------- */

#define EMBED_COLUMNS 4          /* of a thread */

/* Block x is token x, and does nothing unless it is the first with its id: then it adds the rows of all that have it, in order. Each
 * block reads the ids once or twice (of frequent tokens little of them), which the cache holds. */
template <class T> __global__ void embed_dw_kernel(float *dw, const T *dy, const int32_t *ids, int64_t n, int64_t c)
{
	__shared__ int32_t found[THREADS];
	__shared__ int counts[THREADS / 32];
	int64_t me = blockIdx.x, col = ((int64_t)blockIdx.y * THREADS + threadIdx.x) * EMBED_COLUMNS;
	int32_t id = ids[me];
	int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5;
	float sum[EMBED_COLUMNS];

	for (int64_t j = 0; j < me; j += THREADS)
		if (__syncthreads_or(j + threadIdx.x < me && ids[j + threadIdx.x] == id))
			return;
	for (int k = 0; k < EMBED_COLUMNS; k++)
		sum[k] = col + k < c ? dw[id * c + col + k] : 0;
	for (int64_t j = me; j < n; j += THREADS) {
		bool same = j + threadIdx.x < n && ids[j + threadIdx.x] == id;
		unsigned votes = __ballot_sync(~0u, same);
		int at = 0, all = 0;

		if (lane == 0)
			counts[warp] = __popc(votes);
		__syncthreads();
		for (int w = 0; w < THREADS / 32; w++)
			at += w < warp ? counts[w] : 0, all += counts[w];
		if (same)
			found[at + __popc(votes & ((1u << lane) - 1))] = (int32_t)(j - me + threadIdx.x);
		__syncthreads();
		for (int f = 0; f < all; f++) {
			const T *from = dy + (me + found[f]) * c + col;

			for (int k = 0; k < EMBED_COLUMNS; k++)
				sum[k] += col + k < c ? to_float(from[k]) : 0;
		}
		__syncthreads();
	}
	for (int k = 0; k < EMBED_COLUMNS; k++)
		if (col + k < c)
			dw[id * c + col + k] = sum[k];
}

template <class T>
static void cuda_embed_dw(struct pool *, float *dw, const act *dy, const int32_t *ids, int64_t n, int64_t c, int64_t)
{
	dim3 grid((unsigned)n, (unsigned)pieces_of(c, THREADS * EMBED_COLUMNS));

	if (n && c)
		LAUNCH(embed_dw_kernel<T>, grid, THREADS, 0, device.stream, dw, (const T *)dy, ids, n, c);
}

/* --- sums with rows ------------------------------------------------------------------------------------------- */

/* y = x + table[rows[i]]; x NULL is zeros, rows NULL the first row for all. */
template <class T, int N>
__global__ void add_kernel(T *y, const T *x, const float *table, const int32_t *rows, int64_t n, int64_t c)
{
	for (GRID_STRIDE(i, n * (c / N))) {
		int64_t row, col;
		float v[N] = {}, b[N];

		split(i, c / N, &row, &col);
		if (x)
			load(v, x + row * c + col * N);
		load(b, table + (rows ? rows[row] * c : 0) + col * N);
#pragma unroll
		for (int k = 0; k < N; k++)
			v[k] += b[k];
		store(y + row * c + col * N, v);
	}
}

template <class T> static void add(T *y, const T *x, const float *table, const int32_t *rows, int64_t n, int64_t c)
{
	if (n == 0 || c == 0)
		return;
	if (wide<T>(c, y, x, (const T *)table))
		LAUNCH((add_kernel<T, LANES<T>>), grid_of(n * c / LANES<T>), THREADS, 0, device.stream, y, x, table, rows, n, c);
	else
		LAUNCH((add_kernel<T, 1>), grid_of(n * c), THREADS, 0, device.stream, y, x, table, rows, n, c);
}

template <class T> static void cuda_add_bias(struct pool *, act *y, const act *x, const float *b, int64_t n, int64_t c)
{
	add((T *)y, (const T *)x, b, (const int32_t *)NULL, n, c);
}

template <class T> static void cuda_add_rows(struct pool *, act *y, const float *table, const int32_t *rows, int64_t n, int64_t c)
{
	add((T *)y, (const T *)y, table, rows, n, c);
}

/* --- column sums ------------------------------------------------------------------------------------------------ */

#define SUM_COLUMNS 32
#define SUM_LANES 32             /* threads that share a column */

/* sum[c] += the pieces: thread y adds every SUM_LANES-th of them, and the first adds those sums. */
__global__ static void partials_kernel(float *sum, const float *partial, int64_t pieces, int64_t step, int64_t c)
{
	__shared__ float part[SUM_LANES][SUM_COLUMNS + 1];
	int x = (int)threadIdx.x % SUM_COLUMNS, y = (int)threadIdx.x / SUM_COLUMNS;
	int64_t col = (int64_t)blockIdx.x * SUM_COLUMNS + x;
	float s = 0;

	for (int64_t p = y; p < pieces && col < c; p += SUM_LANES)
		s += partial[p * step + col];
	part[y][x] = s;
	__syncthreads();
	if (y == 0 && col < c) {
		s = sum[col];
		for (int k = 0; k < SUM_LANES; k++)
			s += part[k][x];
		sum[col] = s;
	}
}

void add_partials(float *sum, const float *partial, int64_t pieces, int64_t step, int64_t c)
{
	if (sum && c && pieces)
		LAUNCH(partials_kernel, (unsigned)pieces_of(c, SUM_COLUMNS), SUM_COLUMNS * SUM_LANES, 0, device.stream, sum, partial, pieces, step, c);
}

/* The rows of one piece: a thread has N columns. */
template <class T, int N> __global__ void columns_kernel(float *partial, const T *dy, int64_t n, int64_t c, int64_t per)
{
	int64_t col = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * N, r0 = blockIdx.y * per, r1 = min(r0 + per, n);
	float sum[N] = {}, v[N];

	if (col >= c)
		return;
#pragma unroll 4
	for (int64_t r = r0; r < r1; r++) {
		load(v, dy + r * c + col);
#pragma unroll
		for (int k = 0; k < N; k++)
			sum[k] += v[k];
	}
	store(partial + blockIdx.y * c + col, sum);
}

/* Pieces of 64 rows, or more where their sums would not fit the panel. */
template <class T> static void cuda_bias_db(struct pool *, float *db, const act *dy, int64_t n, int64_t c)
{
	int64_t fit = (int64_t)(DEVICE_PANEL_BYTES / sizeof(float)) / (c ? c : 1), most = fit < 1024 ? fit : 1024, per, pieces;
	float *partial = (float *)device.panel;

	if (n == 0 || c == 0)
		return;
	if (most < 1) {
		device_fail(ERR_IO, "cuda:%d: bias_db: %lld columns are too many", device.number, (long long)c);
		return;
	}
	per = pieces_of(n, most) < 64 ? 64 : pieces_of(n, most);
	pieces = pieces_of(n, per);
	if (wide<T>(c, dy))
		LAUNCH((columns_kernel<T, LANES<T>>), dim3((unsigned)pieces_of(c / LANES<T>, 64), (unsigned)pieces), 64, 0, device.stream, partial,
		       (const T *)dy, n, c, per);
	else
		LAUNCH((columns_kernel<T, 1>), dim3((unsigned)pieces_of(c, 64), (unsigned)pieces), 64, 0, device.stream, partial, (const T *)dy, n,
		       c, per);
	add_partials(db, partial, pieces, c, c);
}

/* --- factors --------------------------------------------------------------------------------------------------- */

template <class T, int N> __global__ void scale_kernel(T *x, int64_t ld, int64_t n, int64_t c, float a)
{
	for (GRID_STRIDE(i, n * (c / N))) {
		int64_t row, col;
		float v[N];

		split(i, c / N, &row, &col);
		load(v, x + row * ld + col * N);
#pragma unroll
		for (int k = 0; k < N; k++)
			v[k] *= a;
		store(x + row * ld + col * N, v);
	}
}

template <class T> static void cuda_scale_columns(struct pool *, act *x, int64_t ldx, int64_t n, int64_t c, float a)
{
	if (n == 0 || c == 0)
		return;
	if (wide<T>(c, x) && ldx % LANES<T> == 0)
		LAUNCH((scale_kernel<T, LANES<T>>), grid_of(n * c / LANES<T>), THREADS, 0, device.stream, (T *)x, ldx, n, c, a);
	else
		LAUNCH((scale_kernel<T, 1>), grid_of(n * c), THREADS, 0, device.stream, (T *)x, ldx, n, c, a);
}

/* A row of all whole vectors, and one of the rest. */
template <class T> static void cuda_scale(struct pool *pool, act *x, int64_t n, float a)
{
	int64_t whole = n / LANES<T> * LANES<T>;

	cuda_scale_columns<T>(pool, x, whole, 1, whole, a);
	cuda_scale_columns<T>(pool, (act *)((T *)x + whole), n - whole, 1, n - whole, a);
}

/* --- activations of floats, and back ------------------------------------------------------------------------------- */

template <class Y, class X> __global__ void convert_kernel(Y *y, const X *x, int64_t n)
{
	for (GRID_STRIDE(i, n))
		y[i] = from_float<Y>(to_float(x[i]));
}

template <class T> static void cuda_from_floats(struct pool *, act *y, const float *x, int64_t n)
{
	if (n)
		LAUNCH((convert_kernel<T, float>), grid_of(n), THREADS, 0, device.stream, (T *)y, x, n);
}

template <class T> static void cuda_to_floats(struct pool *, float *y, const act *x, int64_t n)
{
	if (n)
		LAUNCH((convert_kernel<float, T>), grid_of(n), THREADS, 0, device.stream, y, (const T *)x, n);
}

__global__ static void soft_cap_kernel(float *x, int64_t n, float cap)
{
	for (GRID_STRIDE(i, n))
		x[i] = cap * tanhf(x[i] / cap);
}

static void cuda_soft_cap(struct pool *, float *x, int64_t n, float cap)
{
	if (n)
		LAUNCH(soft_cap_kernel, grid_of(n), THREADS, 0, device.stream, x, n, cap);
}

template <class T> static void fill(struct kernels *k)
{
	k->gather_rows = cuda_gather_rows<T>, k->from_floats = cuda_from_floats<T>, k->to_floats = cuda_to_floats<T>;
	k->embed = cuda_embed<T>, k->embed_dw = cuda_embed_dw<T>;
	k->add_bias = cuda_add_bias<T>, k->add_rows = cuda_add_rows<T>, k->bias_db = cuda_bias_db<T>;
	k->scale = cuda_scale<T>, k->scale_columns = cuda_scale_columns<T>;
	k->soft_cap = cuda_soft_cap;
}

void entries_rows(struct kernels *k, bool half) { half ? fill<bf16>(k) : fill<float>(k); }
