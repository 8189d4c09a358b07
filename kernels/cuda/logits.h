/* logits.h - the distribution that a row of logits is: one arithmetic for all that trains with it, scores by it (logprob.cu) and draws from it
 * (sample.cu), whoever reads the row.
 *
 * A row is cut in stretches. A warp finds a stretch's largest logit and the sum of exponentials relative to it: a lane adds its own one
 * after the other, then come the lanes. A block adds up the stretches: a thread the t-th of every LOGITS_THREADS of them, then come
 * the threads. */
#ifndef QUERN_CUDA_LOGITS_H
#define QUERN_CUDA_LOGITS_H

#include "device.h"

#define LOGITS_THREADS 512                /* of a block that adds up stretches */
#define LOGITS_WARPS (LOGITS_THREADS / 32)
#define STRETCH 512                       /* logits */
#define STRETCH_OWN (STRETCH / 32)        /* of a lane: four side by side, then the next four of all lanes */

struct stretch { float max, sum; };

/* Place within the stretch of a lane's i-th logit. */
__device__ static __forceinline__ int own_place(int i) { return i / 4 * 128 + 4 * ((int)threadIdx.x & 31) + i % 4; }

/* A lane's logits of the stretch that begins at `from`, -INFINITY behind the end of the row. */
__device__ static __forceinline__ void load_stretch(float (&z)[STRETCH_OWN], const float *row, int64_t from, int64_t v)
{
	const bool whole = v % 4 == 0 && (uintptr_t)row % 16 == 0;

#pragma unroll
	for (int i = 0; i < STRETCH_OWN; i += 4) {
		const int64_t at = from + own_place(i);
		float4 four = make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);

		if (whole && at < v) {
			four = *(const float4 *)(row + at);
		} else if (!whole) {
			four.x = at < v ? row[at] : -INFINITY, four.y = at + 1 < v ? row[at + 1] : -INFINITY;
			four.z = at + 2 < v ? row[at + 2] : -INFINITY, four.w = at + 3 < v ? row[at + 3] : -INFINITY;
		}
		z[i] = four.x, z[i + 1] = four.y, z[i + 2] = four.z, z[i + 3] = four.w;
	}
}

/* e^(x - max), 0 where both are -INFINITY; a NaN stays one. */
__device__ static __forceinline__ float relative(float x, float max)
{
	return max == -INFINITY && x == x ? 0 : expf(x - max);
}

/* For every lane. */
__device__ static __forceinline__ struct stretch stretch_of(const float (&z)[STRETCH_OWN])
{
	struct stretch s = {z[0], 0};

#pragma unroll
	for (int i = 1; i < STRETCH_OWN; i++)
		s.max = fmaxf(s.max, z[i]);
	s.max = warp_max(s.max);
#pragma unroll
	for (int i = 0; i < STRETCH_OWN; i++)
		s.sum += relative(z[i], s.max);
	s.sum = warp_sum(s.sum);
	return s;
}

__device__ static __forceinline__ struct stretch merged(struct stretch a, struct stretch b)
{
	const float max = fmaxf(a.max, b.max);

	return {max, a.sum * relative(a.max, max) + b.sum * relative(b.max, max)};
}

__device__ static __forceinline__ struct stretch merged_warp(struct stretch s)
{
#pragma unroll
	for (int by = 16; by > 0; by /= 2) {
		const struct stretch other = {__shfl_xor_sync(~0u, s.max, by), __shfl_xor_sync(~0u, s.sum, by)};

		s = threadIdx.x & by ? merged(other, s) : merged(s, other);
	}
	return s;
}

/* For every thread of a block of LOGITS_THREADS. */
__device__ static __forceinline__ struct stretch merged_block(struct stretch s, struct stretch (&room)[LOGITS_WARPS])
{
	const int lane = threadIdx.x % 32;

	s = merged_warp(s);
	__syncthreads();
	if (lane == 0)
		room[threadIdx.x / 32] = s;
	__syncthreads();
	return merged_warp(lane < LOGITS_WARPS ? room[lane] : stretch{-INFINITY, 0});
}

/* What a block of LOGITS_THREADS finds of n stretches. */
__device__ static __forceinline__ struct stretch merged_stretches(const struct stretch *of, int64_t n, struct stretch (&room)[LOGITS_WARPS])
{
	struct stretch s = {-INFINITY, 0};

	for (int64_t i = threadIdx.x; i < n; i += LOGITS_THREADS)
		s = merged(s, of[i]);
	return merged_block(s, room);
}

__device__ static __forceinline__ struct logits_sum sum_of(struct stretch s) { return {s.max, logf(s.sum)}; }

#endif
