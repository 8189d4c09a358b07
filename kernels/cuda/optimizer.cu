/* optimizer.cu - the updates of parameters, and the gradient's norm. Memory-bound, as cpu/optimizer.h says: 12 to 28 bytes a parameter.
 *
 * One launch updates all ranges, whose pieces the blocks share out. The norm stays on the device, where the update reads it. */
#include "device.h"

extern "C" {
#include "base/dynamic8.h"
}

/* What the host works out of a rule, in double where digits would be lost; gscale and what a range's decay says are the device's. */
struct step {
	float lr, beta1, beta2, eps, decay, gscale;
	float keep, rate, inv_root_bc2;      /* 1 - lr decay, lr / (1 - beta1^step), 1 / sqrt(1 - beta2^step) */
	bool nesterov;
};

static struct step step_of(const struct update *u)
{
	double bc1 = 1 - pow(u->beta1, (double)u->step), bc2 = 1 - pow(u->beta2, (double)u->step);
	struct step s = {u->lr, u->beta1, u->beta2, u->eps, u->decay, 1, (float)(1 - (double)u->lr * u->decay), (float)(u->lr / bc1),
			 (float)(1 / sqrt(bc2)), u->nesterov != 0};

	return s;
}

/* --- the rules, for one element ------------------------------------------------------------------------- */

struct adamw_rule {
	static __device__ __forceinline__ void at(const struct step &s, float &p, float &m, float &v, float g)
	{
		g *= s.gscale;
		m += (1 - s.beta1) * (g - m);
		v = v * s.beta2 + (1 - s.beta2) * g * g;
		p = p * s.keep - s.rate * m / (sqrtf(v) * s.inv_root_bc2 + s.eps);
	}
};

struct lion_rule {
	static __device__ __forceinline__ void at(const struct step &s, float &p, float &m, float &, float g)
	{
		float c;

		g *= s.gscale;
		c = m + (1 - s.beta1) * (g - m);
		m += (1 - s.beta2) * (g - m);
		p = p * s.keep - s.lr * (float)((c > 0) - (c < 0));
	}
};

struct momentum_rule {
	static __device__ __forceinline__ void at(const struct step &s, float &p, float &m, float &, float g)
	{
		g = p * s.decay + g * s.gscale;
		m = m * s.beta1 + g;
		p -= s.lr * (s.nesterov ? m * s.beta1 + g : m);
	}
};

struct plain_rule {
	static __device__ __forceinline__ void at(const struct step &s, float &p, float &, float &, float g)
	{
		p -= s.lr * (p * s.decay + g * s.gscale);
	}
};

/* --- pieces of floats ----------------------------------------------------------------------------------- */

/* Elements [from, to) of a piece by all threads, N a thread; m and v may be NULL where the rule has none. */
template <class R, int N>
__device__ static __forceinline__ void update_floats(float *p, float *m, float *v, const float *g, int64_t from, int64_t to, const struct step &s)
{
	for (int64_t at = from + (int64_t)threadIdx.x * N; at + N <= to; at += (int64_t)THREADS * N) {
		float pv[N], mv[N] = {}, vv[N] = {}, gv[N];

		load(pv, p + at), load(gv, g + at);
		if (m)
			load(mv, m + at);
		if (v)
			load(vv, v + at);
#pragma unroll
		for (int k = 0; k < N; k++)
			R::at(s, pv[k], mv[k], vv[k], gv[k]);
		store(p + at, pv);
		if (m)
			store(m + at, mv);
		if (v)
			store(v + at, vv);
	}
}

__device__ static __forceinline__ bool aligned16(const void *a, const void *b, const void *c, const void *d)
{
	return ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d) % 16 == 0;
}

/* --- moments in eight bits ----------------------------------------------------------------------------------- */

static struct dynamic8 *codes;       /* on the device: with sign, without */
#define EACH (KERNELS_BLOCK8 / 32)   /* elements of a lane */

__device__ static __forceinline__ unsigned char code_of(const struct dynamic8 *d, float x)
{
	int bits = __float_as_int(x), cell = ((bits & 0x7fffffff) >> 16) - DYNAMIC8_FIRST, low;

	cell = cell < 0 ? 0 : cell < DYNAMIC8_CELLS ? cell : DYNAMIC8_CELLS - 1;
	low = d->low[bits < 0][cell];
	return (unsigned char)(low + (x > d->above[low]));
}

/* Writes the codes of a block's values, one every 32, and gives their largest size. */
__device__ static __forceinline__ float pack8(const struct dynamic8 *d, const float (&x)[EACH], unsigned char *code, int64_t n)
{
	int lane = (int)threadIdx.x & 31;
	float max = 0, inverse;

#pragma unroll
	for (int k = 0; k < EACH; k++)
		max = fmaxf(max, fabsf(x[k]));
	max = warp_max(max);
	inverse = max > 0 ? 1 / max : 0;
#pragma unroll
	for (int k = 0; k < EACH; k++)
		if (lane + 32 * k < n)
			code[lane + 32 * k] = code_of(d, x[k] * inverse);
	return max;
}

/* A warp has a block of KERNELS_BLOCK8. The tables are looked up in shared memory. */
__device__ static __forceinline__ void update_codes(float *p, unsigned char *m, unsigned char *v, float *m_max, float *v_max, const float *g,
						    int64_t n, const struct step &s, const struct dynamic8 *d)
{
	const int lane = (int)threadIdx.x & 31;

	for (int64_t b = threadIdx.x / 32; b * KERNELS_BLOCK8 < n; b += THREADS / 32) {
		int64_t from = b * KERNELS_BLOCK8, left = n - from < KERNELS_BLOCK8 ? n - from : KERNELS_BLOCK8;
		float mv[EACH], vv[EACH], mm = m_max[b], vm = v_max[b];

#pragma unroll
		for (int k = 0; k < EACH; k++) {
			int64_t at = from + lane + 32 * k;

			mv[k] = vv[k] = 0;
			if (lane + 32 * k >= left)
				continue;
			mv[k] = d[0].value[m[at]] * mm;
			vv[k] = d[1].value[v[at]] * vm;
			adamw_rule::at(s, p[at], mv[k], vv[k], g[at]);
		}
		mm = pack8(&d[0], mv, m + from, left), vm = pack8(&d[1], vv, v + from, left);
		if (lane == 0)
			m_max[b] = mm, v_max[b] = vm;
	}
}
static_assert(sizeof(struct dynamic8) % sizeof(int) == 0, "the tables are copied as ints");

/* --- all ranges in one launch ------------------------------------------------------------------------------------ */

/* The range that has a piece: the last that begins at it or before. Ranges without any are never that. */
__device__ static __forceinline__ struct update_range range_of(const struct update_set &set, int64_t piece)
{
	int64_t low = 0, high = set.n - 1;

	while (low < high) {
		int64_t middle = (low + high + 1) / 2;

		if (set.ranges[middle].piece <= piece)
			low = middle;
		else
			high = middle - 1;
	}
	return set.ranges[low];
}

/* Elements [from, from + n) of a range. */
template <class R, bool CODES>
__device__ static __forceinline__ void update_piece(const struct update_set &set, const struct update_range &r, int64_t from, int64_t n,
						    const struct step &s, const struct dynamic8 *d)
{
	float *p = set.p + r.from + from, *m = set.m ? set.m + r.state + from : NULL, *v = set.v ? set.v + r.state + from : NULL;
	const float *g = set.g + r.from + from;
	int64_t block = r.block + from / KERNELS_BLOCK8, whole;

	if (CODES && r.bits8) {
		update_codes(p, set.m8 + r.state + from, set.v8 + r.state + from, set.m_max + block, set.v_max + block, g, n, s, d);
		return;
	}
	whole = aligned16(p, m, v, g) ? n / 4 * 4 : 0;
	update_floats<R, 4>(p, m, v, g, 0, whole, s);
	update_floats<R, 1>(p, m, v, g, whole, n, s);
}

/* A block has a piece at a time. CODES: some ranges have eight bits. */
template <class R, bool CODES>
__global__ void __launch_bounds__(THREADS, CODES ? 3 : 4)
update_kernel(struct update_set set, struct step s, const struct grad_norm *norm, const struct dynamic8 *tables)
{
	__shared__ struct dynamic8 d[CODES ? 2 : 1];

	if (!isfinite(norm->norm))
		return;
	s.gscale = norm->factor;
	for (int i = (int)threadIdx.x; CODES && i * (int)sizeof(int) < (int)sizeof d; i += THREADS)
		((int *)d)[i] = ((const int *)tables)[i];
	if (CODES)
		__syncthreads();
	for (int64_t piece = blockIdx.x; piece < set.pieces; piece += gridDim.x) {
		const struct update_range r = range_of(set, piece);
		const int64_t from = (piece - r.piece) * KERNELS_UPDATE_PIECE, left = r.n - from;
		struct step t = s;

		if (!r.decay)
			t.decay = 0, t.keep = 1;
		update_piece<R, CODES>(set, r, from, left < KERNELS_UPDATE_PIECE ? left : KERNELS_UPDATE_PIECE, t, d);
	}
}

static unsigned blocks_of(int64_t pieces)
{
	int64_t most = (int64_t)device.processors * 8;

	return (unsigned)(pieces < most ? pieces : most);
}

static void cuda_update(struct pool *, const struct update_set *set, const struct update *u, const struct grad_norm *norm)
{
	const unsigned grid = blocks_of(set->pieces);
	const struct step s = step_of(u);

	if (!set->pieces)
		return;
	if (u->rule == UPDATE_LION)
		LAUNCH((update_kernel<lion_rule, false>), grid, THREADS, 0, device.stream, *set, s, norm, codes);
	else if (u->rule == UPDATE_SGD && set->m)
		LAUNCH((update_kernel<momentum_rule, false>), grid, THREADS, 0, device.stream, *set, s, norm, codes);
	else if (u->rule == UPDATE_SGD)
		LAUNCH((update_kernel<plain_rule, false>), grid, THREADS, 0, device.stream, *set, s, norm, codes);
	else if (set->m8)
		LAUNCH((update_kernel<adamw_rule, true>), grid, THREADS, 0, device.stream, *set, s, norm, codes);
	else
		LAUNCH((update_kernel<adamw_rule, false>), grid, THREADS, 0, device.stream, *set, s, norm, codes);
}

/* --- the norm ------------------------------------------------------------------------------------------------------ */

/* The sum over a block of THREADS, for thread 0, in a fixed order. */
__device__ static __forceinline__ double block_total(double sum, double *sums)
{
	__syncthreads();
	sums[threadIdx.x] = sum;
	__syncthreads();
	for (unsigned half = THREADS / 2; half > 0; half /= 2) {
		if (threadIdx.x < half)
			sums[threadIdx.x] += sums[threadIdx.x + half];
		__syncthreads();
	}
	return sums[0];
}

/* part[i]: of piece i. */
__global__ static void __launch_bounds__(THREADS) squares_kernel(double *part, struct update_set set)
{
	__shared__ double sums[THREADS];

	for (int64_t piece = blockIdx.x; piece < set.pieces; piece += gridDim.x) {
		const struct update_range r = range_of(set, piece);
		const int64_t from = (piece - r.piece) * KERNELS_UPDATE_PIECE, left = r.n - from;
		const int64_t n = left < KERNELS_UPDATE_PIECE ? left : KERNELS_UPDATE_PIECE;
		const float *g = set.g + r.from + from;
		const int64_t whole = (uintptr_t)g % 16 == 0 ? n / 4 * 4 : 0;
		double sum = 0;

		for (int64_t i = (int64_t)threadIdx.x * 4; i < whole; i += THREADS * 4) {
			float x[4];

			load(x, g + i);
#pragma unroll
			for (int k = 0; k < 4; k++)
				sum += (double)x[k] * x[k];
		}
		for (int64_t i = whole + threadIdx.x; i < n; i += THREADS)
			sum += (double)g[i] * g[i];
		sum = block_total(sum, sums);
		if (threadIdx.x == 0)
			part[piece] = sum;
	}
}

/* One block. */
__global__ static void __launch_bounds__(THREADS) norm_kernel(struct grad_norm *norm, const double *part, int64_t pieces, double clip)
{
	__shared__ double sums[THREADS];
	double sum = 0;

	for (int64_t i = threadIdx.x; i < pieces; i += THREADS)
		sum += part[i];
	sum = sqrt(block_total(sum, sums));
	if (threadIdx.x == 0) {
		norm->norm = sum;
		norm->factor = clip > 0 && sum > clip ? (float)(clip / (sum + 1e-6)) : 1.0f;
	}
}

static void cuda_grad_norm(struct pool *, struct grad_norm *norm, const struct update_set *set, double clip)
{
	if ((size_t)set->pieces > DEVICE_PANEL_BYTES / sizeof(double))
		device_fail(ERR_IO, "cuda:%d: the norm of %lld pieces of gradients", device.number, (long long)set->pieces);
	if (set->pieces)
		LAUNCH(squares_kernel, blocks_of(set->pieces), THREADS, 0, device.stream, (double *)device.panel, *set);
	LAUNCH(norm_kernel, 1, THREADS, 0, device.stream, norm, (const double *)device.panel, set->pieces, clip);
}

static void open_codes(struct kernels *k)
{
	void *p = NULL;

	device_note(cudaMalloc(&p, 2 * sizeof *codes), "opening");
	codes = (struct dynamic8 *)p;
	if (device.failed != OK)
		return;
	k->upload(codes, dynamic8_signed(), sizeof *codes);
	k->upload(codes + 1, dynamic8_unsigned(), sizeof *codes);
}

void entries_optimizer(struct kernels *k)
{
	if (!codes)
		open_codes(k);
	k->grad_norm = cuda_grad_norm, k->update = cuda_update;
}
