/* norm.cu - RMSNorm and LayerNorm. A block has a row at a time and keeps it in registers where it is short enough, so that memory is read once.
 *
 * Gradients of gains and biases: a block adds those of NORM_ROWS rows in shared memory (each column by one thread), writes them as a row of
 * partial sums, and a second kernel adds those. */
#include "device.h"

#define NORM_ROWS 16             /* rows per partial sum */
#define KEPT 4                   /* vectors of a row that a thread keeps */

struct norm {
	const float *g, *b;          /* b NULL: none */
	int64_t n, c;
	float plus, eps;
};

/* Threads for rows of c values, N at a time: whole warps, each thread with KEPT vectors or fewer where they suffice. */
static unsigned threads_for(int64_t c, int lanes)
{
	int64_t t = pieces_of(pieces_of(c, lanes), 32) * 32;

	return (unsigned)(t < 256 ? t : t <= 256 * KEPT ? 256 : t <= 512 * KEPT ? 512 : 1024);
}

/* --- forward -------------------------------------------------------------------------------------------- */

/* f(j, k) for each of this thread's vectors of a row of c values: k is its number, a constant up to KEPT once unrolled, and then KEPT. */
template <int N, class F> __device__ __forceinline__ void row_each(int64_t c, F f)
{
#pragma unroll
	for (int k = 0; k < KEPT; k++) {
		int64_t j = ((int64_t)threadIdx.x + (int64_t)k * blockDim.x) * N;

		if (j < c)
			f(j, k);
	}
	for (int64_t j = ((int64_t)threadIdx.x + (int64_t)KEPT * blockDim.x) * N; j < c; j += (int64_t)blockDim.x * N)
		f(j, KEPT);
}

/* Vector k of a row at x: from registers as far as those go, else from memory. */
template <int N, class T> __device__ __forceinline__ void row_load(float (&v)[N], const float (&kept)[KEPT][N], int k, const T *x)
{
	if (k >= KEPT) {
		load(v, x);
		return;
	}
#pragma unroll
	for (int l = 0; l < N; l++)
		v[l] = kept[k][l];
}

template <int N, class T> __device__ __forceinline__ void row_keep(float (&kept)[KEPT][N], const T *x, int64_t c)
{
	row_each<N>(c, [&](int64_t j, int k) {
		if (k < KEPT)
			load(kept[k], x + j);
	});
}

/* One row a block. layer: LayerNorm, else RMSNorm, with res added. */
template <class T, int N, bool layer> __global__ void norm_kernel(T *y, float *rstd, const T *x, const T *res, struct norm p)
{
	__shared__ float room[64];
	int64_t r = blockIdx.x;
	float kept[KEPT][N], v[N], mean = 0, sum = 0, rs;

	x += r * p.c, y += r * p.c;
	res = res ? res + r * p.c : NULL;
	row_keep<N>(kept, x, p.c);
	if (layer) {
		row_each<N>(p.c, [&](int64_t j, int k) {
			row_load<N>(v, kept, k, x + j);
#pragma unroll
			for (int l = 0; l < N; l++)
				mean += v[l];
		});
		mean = block_sum(mean, room) / (float)p.c;
	}
	row_each<N>(p.c, [&](int64_t j, int k) {
		row_load<N>(v, kept, k, x + j);
#pragma unroll
		for (int l = 0; l < N; l++)
			sum += (v[l] - mean) * (v[l] - mean);
	});
	rs = 1 / sqrtf(block_sum(sum, room) / (float)p.c + p.eps);
	row_each<N>(p.c, [&](int64_t j, int k) {
		float g[N], add[N] = {};

		row_load<N>(v, kept, k, x + j);
		load(g, p.g + j);
		if (layer)
			load(add, p.b + j);
		else if (res)
			load(add, res + j);
#pragma unroll
		for (int l = 0; l < N; l++)
			v[l] = (v[l] - mean) * rs * (g[l] + p.plus) + add[l];
		store(y + j, v);
	});
	if (threadIdx.x == 0)
		rstd[r] = rs;
}

template <class T, bool layer> static void norm_run(T *y, float *rstd, const T *x, const T *res, const struct norm &p)
{
	constexpr int N = LANES<T>;

	if (p.n == 0 || p.c == 0)
		return;
	if (wide<T>(p.c, y, x, res, (const T *)p.g, (const T *)p.b))
		LAUNCH((norm_kernel<T, N, layer>), (unsigned)p.n, threads_for(p.c, N), 0, device.stream, y, rstd, x, res, p);
	else
		LAUNCH((norm_kernel<T, 1, layer>), (unsigned)p.n, threads_for(p.c, 1), 0, device.stream, y, rstd, x, res, p);
}

template <class T>
static void cuda_rmsnorm(struct pool *, act *y, float *rstd, const act *x, const float *g, float plus, const act *res, int64_t n, int64_t c,
			 float eps)
{
	struct norm p = {g, NULL, n, c, plus, eps};

	norm_run<T, false>((T *)y, rstd, (const T *)x, (const T *)res, p);
}

template <class T>
static void cuda_layernorm(struct pool *, act *y, float *rstd, const act *x, const float *g, const float *b, int64_t n, int64_t c, float eps)
{
	struct norm p = {g, b, n, c, 0, eps};

	norm_run<T, true>((T *)y, rstd, (const T *)x, (const T *)NULL, p);
}

/* --- backward -------------------------------------------------------------------------------------------------- */

/* With u = dy (g + plus), h = (x - mean) rstd and means over a row: RMSNorm dx += rstd (u - h mean(u h)), LayerNorm
 * dx += rstd (u - mean(u) - h mean(u h)); dg += dy h, db += dy. Sums of gains (then of biases) are added in `sums`: shared memory, or where a
 * row is too long for it the piece's row of partial itself. Each thread comes to the same columns in every row. */
template <class T, int N, bool layer>
__global__ void norm_dx_kernel(T *dx, float *partial, const T *dy, const T *x, const float *rstd, struct norm p, bool in_shared)
{
	__shared__ float room[64];
	DYNAMIC_SHARED(float, shared);
	int64_t r0 = (int64_t)blockIdx.x * NORM_ROWS, r1 = min(r0 + NORM_ROWS, p.n), width = layer ? 2 * p.c : p.c;
	float *mine = partial + blockIdx.x * width, *sums = in_shared ? shared : mine;
	const float zero[N] = {};

	row_each<N>(p.c, [&](int64_t j, int) {
		store(sums + j, zero);
		if (layer)
			store(sums + p.c + j, zero);
	});
	for (int64_t r = r0; r < r1; r++) {
		const T *xr = x + r * p.c, *dyr = dy + r * p.c;
		float keptx[KEPT][N], kepty[KEPT][N], v[N], d[N], g[N], rs = rstd[r], mean = 0, su = 0, suh = 0;
	
		row_keep<N>(keptx, xr, p.c);
		row_keep<N>(kepty, dyr, p.c);
		if (layer) {
			row_each<N>(p.c, [&](int64_t j, int k) {
				row_load<N>(v, keptx, k, xr + j);
#pragma unroll
				for (int l = 0; l < N; l++)
					mean += v[l];
			});
			mean = block_sum(mean, room) / (float)p.c;
		}
		row_each<N>(p.c, [&](int64_t j, int k) {
			row_load<N>(v, keptx, k, xr + j);
			row_load<N>(d, kepty, k, dyr + j);
			load(g, p.g + j);
#pragma unroll
			for (int l = 0; l < N; l++) {
				float u = d[l] * (g[l] + p.plus);

				su += u;
				suh += u * (v[l] - mean);
			}
		});
		float2 both = block_sum2(su, suh, room);

		su = layer ? both.x / (float)p.c : 0, suh = both.y * rs / (float)p.c;
		row_each<N>(p.c, [&](int64_t j, int k) {
			float to[N], dg[N], db[N];

			row_load<N>(v, keptx, k, xr + j);
			row_load<N>(d, kepty, k, dyr + j);
			load(g, p.g + j);
			load(to, dx + r * p.c + j);
			load(dg, sums + j);
			if (layer)
				load(db, sums + p.c + j);
#pragma unroll
			for (int l = 0; l < N; l++) {
				float h = (v[l] - mean) * rs;

				to[l] += rs * (d[l] * (g[l] + p.plus) - su - h * suh);
				dg[l] += d[l] * h;
				db[l] = layer ? db[l] + d[l] : 0;
			}
			store(dx + r * p.c + j, to);
			store(sums + j, dg);
			if (layer)
				store(sums + p.c + j, db);
		});
	}
	if (in_shared)
		for (int64_t part = 0; part < width; part += p.c)
			row_each<N>(p.c, [&](int64_t j, int) {
				float v[N];

				load(v, shared + part + j);
				store(mine + part + j, v);
			});
}

template <class T, int N, bool layer>
static void norm_dx_launch(T *dx, float *partial, const T *dy, const T *x, const float *rstd, const struct norm &p)
{
	size_t bytes = (size_t)(layer ? 2 * p.c : p.c) * sizeof(float);
	bool in_shared = bytes <= device.shared_max / 2;

	if (in_shared)
		ALLOW_SHARED((norm_dx_kernel<T, N, layer>), bytes);
	LAUNCH((norm_dx_kernel<T, N, layer>), (unsigned)pieces_of(p.n, NORM_ROWS), threads_for(p.c, N), in_shared ? bytes : 0, device.stream, dx,
	       partial, dy, x, rstd, p, in_shared);
}

template <class T, bool layer>
static void norm_dx_run(T *dx, float *dg, float *db, const T *dy, const T *x, const float *rstd, float *scratch, const struct norm &p)
{
	int64_t pieces = pieces_of(p.n, NORM_ROWS), width = layer ? 2 * p.c : p.c;

	if (p.n == 0 || p.c == 0)
		return;
	if (wide<T>(p.c, dx, dy, x, (const T *)p.g, (const T *)scratch))
		norm_dx_launch<T, LANES<T>, layer>(dx, scratch, dy, x, rstd, p);
	else
		norm_dx_launch<T, 1, layer>(dx, scratch, dy, x, rstd, p);
	add_partials(dg, scratch, pieces, width, p.c);
	if (layer)
		add_partials(db, scratch + p.c, pieces, width, p.c);
}

template <class T>
static void cuda_rmsnorm_dx(struct pool *, act *dx, float *dg, const act *dy, const act *x, const float *rstd, const float *g, float plus,
			    float *scratch, int64_t n, int64_t c)
{
	struct norm p = {g, NULL, n, c, plus, 0};

	norm_dx_run<T, false>((T *)dx, dg, NULL, (const T *)dy, (const T *)x, rstd, scratch, p);
}

template <class T>
static void cuda_layernorm_dx(struct pool *, act *dx, float *dg, float *db, const act *dy, const act *x, const float *rstd, const float *g,
			      float *scratch, int64_t n, int64_t c)
{
	struct norm p = {g, NULL, n, c, 0, 0};

	norm_dx_run<T, true>((T *)dx, dg, db, (const T *)dy, (const T *)x, rstd, scratch, p);
}

/* --- RMSNorm of each head of queries and keys ------------------------------------------------------------------- */

#define HEAD_KEPT (KERNELS_HEAD_MAX / 32)        /* values of a head that a lane keeps */
#define HEAD_ROWS 16                             /* rows per partial sum */
static_assert(HEAD_ROWS == NORM_ROWS, "norm_scratch is for both");

struct head_norm {
	const float *gq, *gk;
	int64_t n, ld;
	int h, hkv, d;
	float plus, eps;
};

/* A head in the registers of a warp: lane l has values l, l + 32, ... */
template <class T> __device__ __forceinline__ float head_load(float (&v)[HEAD_KEPT], const T *x, int d)
{
	int lane = (int)threadIdx.x & 31;
	float sum = 0;

#pragma unroll
	for (int k = 0; k < HEAD_KEPT; k++) {
		v[k] = lane + 32 * k < d ? to_float(x[lane + 32 * k]) : 0;
		sum += v[k] * v[k];
	}
	return sum;
}

/* A warp has a head; of values there is only the copy. */
template <class T> __global__ void head_norm_kernel(T *y, const T *x, struct head_norm p)
{
	int heads = p.h + 2 * p.hkv, lane = (int)threadIdx.x & 31;
	int64_t per = blockDim.x / 32, all = p.n * heads;

	for (int64_t i = blockIdx.x * per + threadIdx.x / 32; i < all; i += gridDim.x * per) {
		int64_t row, head, at;
		float v[HEAD_KEPT], rstd;

		split(i, heads, &row, &head);
		at = row * p.ld + head * p.d;
		if (head >= p.h + p.hkv) {
			for (int j = lane; j < p.d && y != x; j += 32)
				y[at + j] = x[at + j];
			continue;
		}
		rstd = 1 / sqrtf(warp_sum(head_load(v, x + at, p.d)) / (float)p.d + p.eps);
#pragma unroll
		for (int k = 0; k < HEAD_KEPT; k++) {
			int j = lane + 32 * k;

			if (j < p.d)
				y[at + j] = from_float<T>(v[k] * rstd * ((head < p.h ? p.gq : p.gk)[j] + p.plus));
		}
	}
}

template <class T>
static void cuda_qk_norm(struct pool *, act *y, const act *x, const float *gq, const float *gk, float plus, int64_t n, int h, int hkv, int d,
			 float eps)
{
	struct head_norm p = {gq, gk, n, (int64_t)(h + 2 * hkv) * d, h, hkv, d, plus, eps};

	if (n && p.ld)
		LAUNCH(head_norm_kernel<T>, grid_of(n * (h + 2 * hkv) * 32), THREADS, 0, device.stream, (T *)y, (const T *)x, p);
}

/* A block has HEAD_ROWS rows, a warp every eighth of their heads, in order; the warps' sums are added in order. */
template <class T> __global__ void head_norm_dx_kernel(T *dqkv, float *partial, const T *x, struct head_norm p)
{
	__shared__ float sums[2 * KERNELS_HEAD_MAX];
	int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32, heads = p.h + p.hkv;
	int64_t r0 = (int64_t)blockIdx.x * HEAD_ROWS, rows = min((int64_t)HEAD_ROWS, p.n - r0);
	float dg[2][HEAD_KEPT] = {};

	for (int i = warp; i < rows * heads; i += warps) {
		int head = i % heads, key = head >= p.h;
		int64_t at = (r0 + i / heads) * p.ld + (int64_t)head * p.d;
		float v[HEAD_KEPT], d[HEAD_KEPT], dot = 0, rstd = 1 / sqrtf(warp_sum(head_load(v, x + at, p.d)) / (float)p.d + p.eps);

		head_load(d, dqkv + at, p.d);
#pragma unroll
		for (int k = 0; k < HEAD_KEPT; k++) {
			int j = lane + 32 * k;
			float dgain = d[k] * v[k] * rstd;

			dg[0][k] += key ? 0 : dgain, dg[1][k] += key ? dgain : 0;
			d[k] *= j < p.d ? (key ? p.gk : p.gq)[j] + p.plus : 0;
			dot += d[k] * v[k];
		}
		dot = warp_sum(dot) * rstd * rstd / (float)p.d;
#pragma unroll
		for (int k = 0; k < HEAD_KEPT; k++)
			if (lane + 32 * k < p.d)
				dqkv[at + lane + 32 * k] = from_float<T>(rstd * (d[k] - v[k] * dot));
	}
	for (int w = 0; w < warps; w++) {
		if (w == warp)
#pragma unroll
			for (int k = 0; k < HEAD_KEPT; k++)
				for (int key = 0; key < 2; key++) {
					int j = lane + 32 * k;

					if (j < p.d)
						sums[key * p.d + j] = (w ? sums[key * p.d + j] : 0) + dg[key][k];
				}
		__syncthreads();
	}
	for (int j = (int)threadIdx.x; j < 2 * p.d; j += (int)blockDim.x)
		partial[(int64_t)blockIdx.x * 2 * p.d + j] = sums[j];
}

template <class T>
static void cuda_qk_norm_dx(struct pool *, act *dqkv, float *dgq, float *dgk, const act *x, const float *gq, const float *gk, float plus,
			    float *scratch, int64_t n, int h, int hkv, int d, float eps)
{
	struct head_norm p = {gq, gk, n, (int64_t)(h + 2 * hkv) * d, h, hkv, d, plus, eps};
	int64_t pieces = pieces_of(n, HEAD_ROWS);

	if (n == 0 || d == 0)
		return;
	LAUNCH(head_norm_dx_kernel<T>, (unsigned)pieces, THREADS, 0, device.stream, (T *)dqkv, scratch, (const T *)x, p);
	add_partials(dgq, scratch, pieces, 2 * d, d);
	add_partials(dgk, scratch + d, pieces, 2 * d, d);
}

/* Enough for every norm. */
static int64_t cuda_norm_scratch(int64_t n, int64_t c) { return 2 * pieces_of(n, NORM_ROWS) * c; }

template <class T> static void fill(struct kernels *k)
{
	k->rmsnorm = cuda_rmsnorm<T>, k->rmsnorm_dx = cuda_rmsnorm_dx<T>;
	k->layernorm = cuda_layernorm<T>, k->layernorm_dx = cuda_layernorm_dx<T>;
	k->qk_norm = cuda_qk_norm<T>, k->qk_norm_dx = cuda_qk_norm_dx<T>;
	k->norm_scratch = cuda_norm_scratch;
}

void entries_norm(struct kernels *k, bool half) { half ? fill<bf16>(k) : fill<float>(k); }
