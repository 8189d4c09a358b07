/* activation.cu - SwiGLU, GeGLU and GELU, forward and backward; and rotary positions. See cpu/activation.h for the formulas. */
#include "device.h"

#define GELU_A 1.5957691216057308f           /* 2 sqrt(2 / pi) */
#define GELU_B 0.044715f

struct silu {
	/* f(x), and its derivative in *d. */
	static __device__ __forceinline__ float at(float x, float *d)
	{
		float s = 1 / (1 + expf(-x));

		*d = s * (1 + x * (1 - s));
		return x * s;
	}
};

/* x s(z) with z = a (x + b x^3): the derivative is s + x s (1 - s) a (1 + 3 b x^2). */
struct gelu {
	static __device__ __forceinline__ float at(float x, float *d)
	{
		float x2 = x * x, s = 1 / (1 + expf(-x * GELU_A * (1 + GELU_B * x2)));

		*d = s + x * s * (1 - s) * GELU_A * (1 + 3 * GELU_B * x2);
		return x * s;
	}
};

/* --- gate and up ------------------------------------------------------------------------------------------ */

template <class T, int N, class F> __global__ void glu_kernel(T *y, const T *gu, int64_t n, int64_t f)
{
	for (GRID_STRIDE(i, n * (f / N))) {
		int64_t row, col;
		float g[N], u[N], d;

		split(i, f / N, &row, &col);
		load(g, gu + 2 * row * f + col * N);
		load(u, gu + 2 * row * f + f + col * N);
#pragma unroll
		for (int k = 0; k < N; k++)
			u[k] *= F::at(g[k], &d);
		store(y + row * f + col * N, u);
	}
}

template <class T, int N, class F> __global__ void glu_dgu_kernel(T *dgu, const T *dy, const T *gu, int64_t n, int64_t f)
{
	for (GRID_STRIDE(i, n * (f / N))) {
		int64_t row, col;
		float g[N], u[N], up[N];

		split(i, f / N, &row, &col);
		load(g, gu + 2 * row * f + col * N);
		load(u, gu + 2 * row * f + f + col * N);
		load(up, dy + row * f + col * N);
#pragma unroll
		for (int k = 0; k < N; k++) {
			float d, v = F::at(g[k], &d);

			g[k] = up[k] * u[k] * d;
			u[k] = up[k] * v;
		}
		store(dgu + 2 * row * f + col * N, g);
		store(dgu + 2 * row * f + f + col * N, u);
	}
}

template <class T, class F> static void cuda_glu(struct pool *, act *y, const act *gu, int64_t n, int64_t f)
{
	if (n == 0 || f == 0)
		return;
	if (wide<T>(f, y, gu))
		LAUNCH((glu_kernel<T, LANES<T>, F>), grid_of(n * f / LANES<T>), THREADS, 0, device.stream, (T *)y, (const T *)gu, n, f);
	else
		LAUNCH((glu_kernel<T, 1, F>), grid_of(n * f), THREADS, 0, device.stream, (T *)y, (const T *)gu, n, f);
}

template <class T, class F> static void cuda_glu_dgu(struct pool *, act *dgu, const act *dy, const act *gu, int64_t n, int64_t f)
{
	if (n == 0 || f == 0)
		return;
	if (wide<T>(f, dgu, dy, gu))
		LAUNCH((glu_dgu_kernel<T, LANES<T>, F>), grid_of(n * f / LANES<T>), THREADS, 0, device.stream, (T *)dgu, (const T *)dy, (const T *)gu, n,
		       f);
	else
		LAUNCH((glu_dgu_kernel<T, 1, F>), grid_of(n * f), THREADS, 0, device.stream, (T *)dgu, (const T *)dy, (const T *)gu, n, f);
}

/* --- GELU alone: whole vectors, then the rest ------------------------------------------------------------------- */

template <class T, int N> __global__ void gelu_kernel(T *y, const T *dy, const T *x, int64_t from, int64_t n)
{
	for (GRID_STRIDE(i, (n - from) / N)) {
		float v[N], up[N] = {}, d;

		load(v, x + from + i * N);
		if (dy)
			load(up, dy + from + i * N);
#pragma unroll
		for (int k = 0; k < N; k++) {
			float at = gelu::at(v[k], &d);

			v[k] = dy ? up[k] * d : at;
		}
		store(y + from + i * N, v);
	}
}

template <class T> static void gelu_run(T *y, const T *dy, const T *x, int64_t n)
{
	int64_t whole = wide<T>(0, y, dy, x) ? n / LANES<T> * LANES<T> : 0;

	if (whole)
		LAUNCH((gelu_kernel<T, LANES<T>>), grid_of(whole / LANES<T>), THREADS, 0, device.stream, y, dy, x, (int64_t)0, whole);
	if (n > whole)
		LAUNCH((gelu_kernel<T, 1>), grid_of(n - whole), THREADS, 0, device.stream, y, dy, x, whole, n);
}

template <class T> static void cuda_gelu(struct pool *, act *y, const act *x, int64_t n) { gelu_run((T *)y, (const T *)NULL, (const T *)x, n); }

template <class T> static void cuda_gelu_dx(struct pool *, act *dx, const act *dy, const act *x, int64_t n)
{
	gelu_run((T *)dx, (const T *)dy, (const T *)x, n);
}

/* --- rotary positions ---------------------------------------------------------------------------------------------- */

/* A block has a row; N pairs a thread. */
template <class T, int N>
__global__ void rope_kernel(T *qkv, const float *cs, const float *sn, const int32_t *pos, int64_t ld, int heads, int d, int half, float sign)
{
	int64_t row = blockIdx.x, at = (int64_t)pos[row] * half;
	int per = half / N;

	for (int i = (int)threadIdx.x; i < heads * per; i += (int)blockDim.x) {
		int head = i / per, j = i % per * N;
		T *x = qkv + row * ld + (int64_t)head * d + j;
		float a[N], b[N], c[N], s[N];

		load(a, x), load(b, x + half), load(c, cs + at + j), load(s, sn + at + j);
#pragma unroll
		for (int k = 0; k < N; k++) {
			float u = a[k];

			s[k] *= sign;
			a[k] = u * c[k] - b[k] * s[k];
			b[k] = b[k] * c[k] + u * s[k];
		}
		store(x, a), store(x + half, b);
	}
}

template <class T>
static void cuda_rope(struct pool *, act *qkv, const float *cs, const float *sn, const int32_t *pos, int64_t n, int h, int hkv, int d, int r,
		      int sign)
{
	int64_t ld = (int64_t)(h + 2 * hkv) * d;
	int half = r / 2;

	if (n == 0 || half == 0)
		return;
	if (wide<T>(half, qkv, (const T *)cs, (const T *)sn) && d % LANES<T> == 0)
		LAUNCH((rope_kernel<T, LANES<T>>), (unsigned)n, THREADS, 0, device.stream, (T *)qkv, cs, sn, pos, ld, h + hkv, d, half, (float)sign);
	else
		LAUNCH((rope_kernel<T, 1>), (unsigned)n, THREADS, 0, device.stream, (T *)qkv, cs, sn, pos, ld, h + hkv, d, half, (float)sign);
}

template <class T> static void fill(struct kernels *k)
{
	k->swiglu = cuda_glu<T, silu>, k->swiglu_dgu = cuda_glu_dgu<T, silu>;
	k->geglu = cuda_glu<T, gelu>, k->geglu_dgu = cuda_glu_dgu<T, gelu>;
	k->gelu = cuda_gelu<T>, k->gelu_dx = cuda_gelu_dx<T>;
	k->rope = cuda_rope<T>;
}

void entries_activation(struct kernels *k, bool half) { half ? fill<bf16>(k) : fill<float>(k); }
