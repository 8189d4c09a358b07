/* random.cu - noise and dropout from a counter: a number depends on seed, key and column alone, and is the CPU's (cpu/noise.h, cpu/dropout.h). */
#include "device.h"

/* Philox4x32-10, as base/rng.c: four words for a key and a counter. */
__device__ static __forceinline__ uint4 philox(uint64_t key, uint64_t hi, uint64_t lo)
{
	unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
	unsigned c0 = (unsigned)lo, c1 = (unsigned)(lo >> 32), c2 = (unsigned)hi, c3 = (unsigned)(hi >> 32);

#pragma unroll
	for (int round = 0; round < 10; round++) {
		unsigned h0 = __umulhi(0xD2511F53u, c0), l0 = 0xD2511F53u * c0, h1 = __umulhi(0xCD9E8D57u, c2), l1 = 0xCD9E8D57u * c2;

		c0 = h1 ^ c1 ^ k0, c1 = l1;
		c2 = h0 ^ c3 ^ k1, c3 = l0;
		k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
	}
	return make_uint4(c0, c1, c2, c3);
}

/* A thread has the four columns of one counter. */
template <class T> __global__ void noise_kernel(T *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c)
{
	int64_t quads = (c + 3) / 4;

	for (GRID_STRIDE(i, n * quads)) {
		int64_t row, quad;
		uint4 w;

		split(i, quads, &row, &quad);
		w = philox(seed, key[row], (uint64_t)quad);
		unsigned word[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
		for (int l = 0; l < 4; l++)
			if (4 * quad + l < c) {
				T *to = x + row * c + 4 * quad + l;
				float u = (float)(int)(word[l] ^ 0x80000000u) * 0x1p-31f;    /* word / 2^31 - 1 */

				*to = from_float<T>(to_float(*to) + size[row] * u);
			}
	}
}

template <class T>
static void cuda_noise(struct pool *, act *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c)
{
	if (n && c)
		LAUNCH(noise_kernel<T>, grid_of(n * pieces_of(c, 4)), THREADS, 0, device.stream, (T *)x, size, key, seed, n, c);
}

struct dropout {
	uint64_t seed;
	unsigned below;              /* words below this are dropped */
	float factor;
	bool acc;
};

/* V: the four values of a counter are read and written at once. */
template <class T, bool V> __global__ void dropout_kernel(T *y, const T *x, const uint64_t *key, struct dropout p, int64_t n, int64_t c)
{
	int64_t quads = (c + 3) / 4;

	for (GRID_STRIDE(i, n * quads)) {
		int64_t row, quad, at;
		float v[4] = {}, sum[4] = {};
		uint4 w;

		split(i, quads, &row, &quad);
		at = row * c + 4 * quad;
		w = philox(p.seed, key[row], (uint64_t)quad);
		unsigned word[4] = {w.x, w.y, w.z, w.w};
		if (V)
			load(v, x + at);
		if (V && p.acc)
			load(sum, y + at);
#pragma unroll
		for (int l = 0; l < 4; l++) {
			bool here = 4 * quad + l < c;

			if (!V && here)
				v[l] = to_float(x[at + l]), sum[l] = p.acc ? to_float(y[at + l]) : 0;
			v[l] = word[l] < p.below ? 0 : __fmul_rn(v[l], p.factor);
			v[l] = p.acc ? __fadd_rn(sum[l], v[l]) : v[l];
			if (!V && here)
				y[at + l] = from_float<T>(v[l]);
		}
		if (V)
			store(y + at, v);
	}
}

template <class T>
static void cuda_dropout(struct pool *, act *y, const act *x, const uint64_t *key, uint64_t seed, float p, int64_t n, int64_t c, int acc)
{
	struct dropout d = {seed, (unsigned)((double)p * 0x1p32), 1 / (1 - p), acc != 0};

	if (n == 0 || c == 0)
		return;
	if (c % 4 == 0 && (uintptr_t)x % 16 == 0 && (uintptr_t)y % 16 == 0)
		LAUNCH((dropout_kernel<T, true>), grid_of(n * c / 4), THREADS, 0, device.stream, (T *)y, (const T *)x, key, d, n, c);
	else
		LAUNCH((dropout_kernel<T, false>), grid_of(n * pieces_of(c, 4)), THREADS, 0, device.stream, (T *)y, (const T *)x, key, d, n, c);
}

template <class T> static void fill(struct kernels *k) { k->noise = cuda_noise<T>, k->dropout = cuda_dropout<T>; }

void entries_random(struct kernels *k, bool half) { half ? fill<bf16>(k) : fill<float>(k); }
