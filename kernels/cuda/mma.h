/* mma.h - the instructions of tensor cores and of asynchronous copies (PTX ISA, sm_80 and later), and what they do on the CPU.
 *
 * Fragments of mma.m16n8k16, lane = 4 g + t: a[0] rows g, a[1] rows g + 8, both columns 2t and 2t + 1, a[2] and a[3] the same of columns
 * 8 more; b[0] rows 2t and 2t + 1 of column g, b[1] rows 8 more; c[0], c[1] row g, columns 2t and 2t + 1, c[2], c[3] row g + 8. The lower
 * index is in the low half of a register. */
#ifndef QUERN_CUDA_MMA_H
#define QUERN_CUDA_MMA_H

#include "device.h"

#ifdef QUERN_EMULATED

struct mma_work {
	float *c;
	const unsigned *a, *b;

	static float half_of(unsigned pair, int which) { return __uint_as_float(which ? pair & 0xffff0000u : pair << 16); }

	static void run(void *lane[32])
	{
		float a[16][16], b[16][8], sum;

		for (int l = 0; l < 32; l++) {
			const mma_work *w = (const mma_work *)lane[l];
			int g = l / 4, t = l % 4;

			for (int h = 0; h < 2; h++) {
				for (int r = 0; r < 4; r++)
					a[g + r % 2 * 8][2 * t + h + r / 2 * 8] = half_of(w->a[r], h);
				for (int r = 0; r < 2; r++)
					b[2 * t + h + r * 8][g] = half_of(w->b[r], h);
			}
		}
		for (int l = 0; l < 32; l++)
			for (int r = 0; r < 4; r++) {
				sum = ((const mma_work *)lane[l])->c[r];
				for (int k = 0; k < 16; k++)
					sum += a[l / 4 + r / 2 * 8][k] * b[k][l % 4 * 2 + r % 2];
				((const mma_work *)lane[l])->c[r] = sum;
			}
	}
};

/* C[16, 8] += A[16, 16] B[16, 8] */
static inline void mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
	mma_work w = {c, a, b};

	emulate_warp(~0u, "mma", &w, mma_work::run);
}

struct ldmatrix_work {
	const unsigned short *row;
	unsigned *to;
	bool trans;

	static void run(void *lane[32])
	{
		for (int l = 0; l < 32; l++)
			for (int m = 0; m < 4; m++) {
				const ldmatrix_work *w = (const ldmatrix_work *)lane[l];
				int g = l / 4, t = l % 4;
				unsigned part[2];

				for (int h = 0; h < 2; h++)
					part[h] = w->trans ? ((const ldmatrix_work *)lane[8 * m + 2 * t + h])->row[g]
							   : ((const ldmatrix_work *)lane[8 * m + g])->row[2 * t + h];
				w->to[m] = part[0] | part[1] << 16;
			}
	}
};

/* Four 8 x 8 matrices from shared memory: lane l names row l % 8 of matrix l / 8 and gets of each matrix row l / 4, columns
 * 2 (l % 4) and one more; _trans: of the transposed matrix. */
static inline void ldmatrix_x4(unsigned (&to)[4], const void *row)
{
	ldmatrix_work w = {(const unsigned short *)row, to, false};

	emulate_warp(~0u, "ldmatrix", &w, ldmatrix_work::run);
}

static inline void ldmatrix_x4_trans(unsigned (&to)[4], const void *row)
{
	ldmatrix_work w = {(const unsigned short *)row, to, true};

	emulate_warp(~0u, "ldmatrix.trans", &w, ldmatrix_work::run);
}

static inline void cp_async16(void *shared, const void *global, bool valid) { emulate_copy_async(shared, global, 16, valid ? 16 : 0); }
static inline void cp_async4(void *shared, const void *global, bool valid) { emulate_copy_async(shared, global, 4, valid ? 4 : 0); }
static inline void cp_async_commit() { emulate_copy_commit(); }
template <int LEFT> static inline void cp_async_wait() { emulate_copy_wait(LEFT); }

#else

__device__ static __forceinline__ void mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ static __forceinline__ unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ static __forceinline__ void ldmatrix_x4(unsigned (&to)[4], const void *row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
		     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
		     : "r"(shared_address(row))
		     : "memory");
}

__device__ static __forceinline__ void ldmatrix_x4_trans(unsigned (&to)[4], const void *row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
		     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
		     : "r"(shared_address(row))
		     : "memory");
}

/* 16 bytes from global to shared memory, both aligned to 16; zeros where not valid (global is not read, but must be an address). */
__device__ static __forceinline__ void cp_async16(void *shared, const void *global, bool valid)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0)
		     : "memory");
}

/* The same of 4 bytes, by way of the first cache: neighbours will be asked for. */
__device__ static __forceinline__ void cp_async4(void *shared, const void *global, bool valid)
{
	asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 4 : 0)
		     : "memory");
}

__device__ static __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Until no more than LEFT groups of this thread are under way; other threads' copies are seen after a barrier. */
template <int LEFT> __device__ static __forceinline__ void cp_async_wait()
{
	asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

#endif

/* Two floats as a pair of bf16, the first in the low half. */
__device__ static __forceinline__ unsigned bf16_pair(float low, float high)
{
	__nv_bfloat162 v = __floats2bfloat162_rn(low, high);
	unsigned u;

	memcpy(&u, &v, sizeof u);
	return u;
}

/* The signed bytes 0 and 2 of x as a pair of bf16: 128 + the low seven bits, of which 128 or, where the eighth is set, 256 is taken away. */
__device__ static __forceinline__ unsigned int8_pair(unsigned x)
{
	const unsigned low = (x & 0x007f007fu) | 0x43004300u, sign = (x & 0x00800080u) | 0x43004300u;
	__nv_bfloat162 a, b;
	unsigned u;

	memcpy(&a, &low, sizeof a), memcpy(&b, &sign, sizeof b);
	a = __hsub2(a, b);
	memcpy(&u, &a, sizeof u);
	return u;
}

#endif
