/* optimizer.cu - the updates of parameters, and the gradient's norm. Memory-bound, as cpu/optimizer.h says: 12 to 28 bytes a parameter. */
#include "device.h"

extern "C" {
#include "base/dynamic8.h"
}

/* What the host works out of a rule, in double where digits would be lost. */
struct step {
	float lr, beta1, beta2, eps, decay, gscale;
	float keep, rate, inv_root_bc2;      /* 1 - lr decay, lr / (1 - beta1^step), 1 / sqrt(1 - beta2^step) */
	bool nesterov;
};

static struct step step_of(const struct update *u)
{
	double bc1 = 1 - pow(u->beta1, (double)u->step), bc2 = 1 - pow(u->beta2, (double)u->step);
	struct step s = {u->lr, u->beta1, u->beta2, u->eps, u->decay, u->gscale, (float)(1 - (double)u->lr * u->decay), (float)(u->lr / bc1),
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

/* N elements a thread; m and v may be NULL where the rule has none. */
template <class R, int N> __global__ void update_kernel(float *p, float *m, float *v, const float *g, int64_t from, int64_t n, struct step s)
{
	for (GRID_STRIDE(i, (n - from) / N)) {
		int64_t at = from + i * N;
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

template <class R> static void update_run(float *p, float *m, float *v, const float *g, int64_t n, const struct update *u)
{
	int64_t whole = wide<float>(0, p, m, v, g) ? n / 4 * 4 : 0;

	if (whole)
		LAUNCH((update_kernel<R, 4>), grid_of(whole / 4), THREADS, 0, device.stream, p, m, v, g, (int64_t)0, whole, step_of(u));
	if (n > whole)
		LAUNCH((update_kernel<R, 1>), grid_of(n - whole), THREADS, 0, device.stream, p, m, v, g, whole, n, step_of(u));
}

static void cuda_adamw(struct pool *, float *p, float *m, float *v, const float *g, int64_t n, const struct update *u)
{
	update_run<adamw_rule>(p, m, v, g, n, u);
}

static void cuda_lion(struct pool *, float *p, float *m, const float *g, int64_t n, const struct update *u)
{
	update_run<lion_rule>(p, m, NULL, g, n, u);
}

static void cuda_sgd(struct pool *, float *p, float *m, const float *g, int64_t n, const struct update *u)
{
	if (m)
		update_run<momentum_rule>(p, m, NULL, g, n, u);
	else
		update_run<plain_rule>(p, NULL, NULL, g, n, u);
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
__global__ static void adamw8_kernel(float *p, unsigned char *m, unsigned char *v, float *m_max, float *v_max, const float *g, int64_t n,
				     struct step s, const struct dynamic8 *tables)
{
	__shared__ struct dynamic8 d[2];
	int lane = (int)threadIdx.x & 31;
	int64_t warps = blockDim.x / 32, blocks = (n + KERNELS_BLOCK8 - 1) / KERNELS_BLOCK8;

	for (int i = (int)threadIdx.x; i < (int)(sizeof d / (sizeof(int))); i += (int)blockDim.x)
		((int *)d)[i] = ((const int *)tables)[i];
	__syncthreads();
	for (int64_t b = blockIdx.x * warps + threadIdx.x / 32; b < blocks; b += gridDim.x * warps) {
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

static void cuda_adamw8(struct pool *, float *p, uint8_t *m, uint8_t *v, float *m_max, float *v_max, const float *g, int64_t n,
			const struct update *u)
{
	if (n)
		LAUNCH(adamw8_kernel, grid_of(pieces_of(n, KERNELS_BLOCK8) * 32), THREADS, 0, device.stream, p, m, v, m_max, v_max, g, n, step_of(u),
		       codes);
}

/* --- sum of squares --------------------------------------------------------------------------------------------- */

#define SUMSQ_PIECES 1024        /* at most, whatever the device: the order of additions is the same on all */
#define SUMSQ_LEAST 4096         /* elements of a piece */

__global__ static void sumsq_kernel(double *part, const float *x, int64_t n, int64_t per)
{
	__shared__ double sums[THREADS];
	int64_t from = blockIdx.x * per, to = min(from + per, n);
	double sum = 0;

	for (int64_t i = from + threadIdx.x; i < to; i += THREADS)
		sum += (double)x[i] * x[i];
	sums[threadIdx.x] = sum;
	__syncthreads();
	for (unsigned half = THREADS / 2; half > 0; half /= 2) {
		if (threadIdx.x < half)
			sums[threadIdx.x] += sums[threadIdx.x + half];
		__syncthreads();
	}
	if (threadIdx.x == 0)
		part[blockIdx.x] = sums[0];
}

static struct kernels *own;          /* for its download */

static double cuda_sumsq(struct pool *, const float *x, int64_t n)
{
	double part[SUMSQ_PIECES], sum = 0;
	int64_t per = pieces_of(n, SUMSQ_PIECES) < SUMSQ_LEAST ? SUMSQ_LEAST : pieces_of(n, SUMSQ_PIECES), pieces = pieces_of(n, per);

	if (n == 0)
		return 0;
	LAUNCH(sumsq_kernel, (unsigned)pieces, THREADS, 0, device.stream, (double *)device.panel, x, n, per);
	own->download(part, device.panel, (size_t)pieces * sizeof *part);
	for (int64_t i = 0; i < pieces && device.failed == OK; i++)
		sum += part[i];
	return device.failed == OK ? sum : NAN;      /* a norm that is no number stops a training run */
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
	own = k;
	if (!codes)
		open_codes(k);
	k->adamw = cuda_adamw, k->adamw8 = cuda_adamw8, k->lion = cuda_lion, k->sgd = cuda_sgd, k->sumsq = cuda_sumsq;
}
