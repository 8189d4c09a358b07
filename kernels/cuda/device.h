/* device.h - what the files of this room share: the open device, launches, and the pieces that kernels are made of.
 *
 * The sources are CUDA C, and C++ for g++ when emulated (emulate/cuda_runtime.h): no <<<>>> but LAUNCH, shared memory of a size known at
 * the launch by DYNAMIC_SHARED, and matrix instructions by mma.h. Blocks are whole warps, and collectives are for all lanes of one.
 *
 * Every kernel is deterministic: no atomics on floats, and sums are cut in pieces that depend on the sizes alone. All work goes to
 * one stream in order; the first failure is kept (status tells it), and after it nothing is launched. */
#ifndef QUERN_CUDA_DEVICE_H
#define QUERN_CUDA_DEVICE_H

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

extern "C" {
#include "kernels.h"
}

typedef __nv_bfloat16 bf16;

#ifdef QUERN_EMULATED
#define DEVICE_PANEL_BYTES ((size_t)512 << 10)
#define DEVICE_WORKSPACE_BYTES ((size_t)1 << 10)
#define DEVICE_BIAS_VALUES ((int64_t)1 << 16)
#else
#define DEVICE_PANEL_BYTES ((size_t)128 << 20)
#define DEVICE_WORKSPACE_BYTES ((size_t)32 << 20)
#define DEVICE_BIAS_VALUES ((int64_t)1 << 20)
#endif

struct device {
	bool open;
	int number, processors;
	size_t shared_max;           /* bytes of shared memory a block may have */
	cudaStream_t stream;
	cublasLtHandle_t lt;
	void *workspace;             /* of cuBLASLt, DEVICE_WORKSPACE_BYTES */
	void *bias;                  /* of one product, DEVICE_BIAS_VALUES in the table's type */
	void *panel;                 /* scratch of one entry, DEVICE_PANEL_BYTES: weights in another form, partial sums */
	enum status failed;          /* OK so far */
	char what[256];
};
extern struct device device;

/* Keeps the first failure, with what was being done. */
void device_note(cudaError_t e, const char *doing);
void device_note_lt(cublasStatus_t s, const char *doing);
void device_fail(enum status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each file fills its entries of a table, of bf16 or of floats. */
void entries_memory(struct kernels *k);
void entries_matmul(struct kernels *k, bool half);
void entries_rows(struct kernels *k, bool half);
void entries_norm(struct kernels *k, bool half);
void entries_activation(struct kernels *k, bool half);
void entries_random(struct kernels *k, bool half);
void entries_optimizer(struct kernels *k);
void entries_attention(struct kernels *k, bool half);
void entries_logprob(struct kernels *k, bool half);
void entries_sample(struct kernels *k);
void entries_record(struct kernels *k);

/* C[m, n] (+)= op(A) op(B), column-major as cuBLASLt sees it: A is [m, k] with lda, or its transpose, B [k, n]. Types are those of the table;
 * to_float: C is of floats. add: what acc adds, laid out as C; NULL: C itself. bias, NULL or m values of C's type, is added to each column. With any_n the bits of a column of C do not depend on n. */
struct gemm {
	const void *a, *b, *add, *bias;
	void *c;
	int64_t m, n, k, lda, ldb, ldc;
	bool ta, tb, half, to_float, acc, any_n;
};
void gemm_run(const struct gemm *g);

/* Y[N,O] = X W^T: logits, wherever they are wanted. */
template <class T> void logits_product(float *y, int64_t ldy, const T *x, struct weights w, int64_t n, int64_t o, int64_t i);

/* Rows [row, row + rows) and columns [col, col + cols) of W[O, I] in the table's type, where the device has it or made in its panel: then
 * rows * cols values must fit there. *ld: from row to row. */
const void *weights_panel(bool half, struct weights w, int64_t i, int64_t row, int64_t rows, int64_t col, int64_t cols, int64_t *ld);
/* Writes them to `to`, whose rows have cols values, 16 bytes of W at a time; false: where sizes or addresses do not allow that. */
template <class T> bool turn_wide(T *to, struct weights w, int64_t i, int64_t row, int64_t rows, int64_t col, int64_t cols);
/* How many rows of so many values fit the panel. */
int64_t panel_rows(bool half, int64_t values);

/* --- launches ------------------------------------------------------------------------------------------ */

/* A kernel with a comma in its name stands in parentheses. */
#ifdef QUERN_EMULATED
#define LAUNCH_(kernel, grid, block, smem, stream, ...) emulate_launch(#kernel, kernel, grid, block, smem, __VA_ARGS__)
#define DYNAMIC_SHARED(type, name) type *name = (type *)emulate_dynamic_shared()
#else
#define LAUNCH_(kernel, grid, block, smem, stream, ...) kernel<<<grid, block, smem, stream>>>(__VA_ARGS__)
#define DYNAMIC_SHARED(type, name)                                   \
	extern __shared__ __align__(16) unsigned char dynamic_shared[]; \
	type *name = (type *)dynamic_shared
#endif
#define LAUNCH(kernel, grid, block, smem, stream, ...)                                \
	do {                                                                          \
		if (device.failed == OK) {                                            \
			LAUNCH_(kernel, grid, block, smem, stream, __VA_ARGS__);      \
			device_note(cudaGetLastError(), #kernel);                     \
		}                                                                     \
	} while (0)

/* Lets a kernel have so much dynamic shared memory; beyond 48 KiB it must be asked for. */
#define ALLOW_SHARED(kernel, bytes)                                                                                            \
	do {                                                                                                                   \
		if ((bytes) > (48 << 10))                                                                                      \
			device_note(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(bytes)), #kernel); \
	} while (0)

#define THREADS 256
static inline int64_t pieces_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

/* Blocks for n items, one a thread, that go on in strides of the grid: enough to fill the device, never 0. */
static inline unsigned grid_of(int64_t n)
{
	int64_t blocks = pieces_of(n, THREADS), most = (int64_t)device.processors * 16;

	return (unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}
/* for (GRID_STRIDE(i, n)) */
#define GRID_STRIDE(i, n) \
	int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (int64_t)gridDim.x * blockDim.x

/* --- numbers and vectors ------------------------------------------------------------------------------------ */

__device__ static __forceinline__ float to_float(float x) { return x; }
__device__ static __forceinline__ float to_float(bf16 x) { return __bfloat162float(x); }
template <class T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) { return __float2bfloat16_rn(x); }

/* Values of T in 16 bytes, which is what a thread loads at once where rows are aligned; else one. */
template <class T> constexpr int LANES = 16 / (int)sizeof(T);

template <class T, int N> struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) lanes { T v[N]; };

template <int N, class T> __device__ __forceinline__ void load(float (&to)[N], const T *from)
{
	lanes<T, N> l = *(const lanes<T, N> *)from;

#pragma unroll
	for (int i = 0; i < N; i++)
		to[i] = to_float(l.v[i]);
}

template <int N, class T> __device__ __forceinline__ void store(T *to, const float (&from)[N])
{
	lanes<T, N> l;

#pragma unroll
	for (int i = 0; i < N; i++)
		l.v[i] = from_float<T>(from[i]);
	*(lanes<T, N> *)to = l;
}

/* Rows of c values (and what else is loaded with them) can be read 16 bytes at a time; a NULL is aligned. */
template <class T, class... P> static inline bool wide(int64_t c, const P *...p)
{
	return c % LANES<T> == 0 && (((uintptr_t)p % 16 == 0) && ...);
}

/* Row and column of item i of rows that are width items long. */
__device__ static __forceinline__ void split(int64_t i, int64_t width, int64_t *row, int64_t *col)
{
	*row = (uint64_t)i >> 32 ? i / width : (int64_t)((uint32_t)i / (uint32_t)width);
	*col = i - *row * width;
}

/* --- sums over a warp and over a block, in a fixed order ------------------------------------------------------ */

__device__ static __forceinline__ float warp_sum(float x)
{
#pragma unroll
	for (int by = 16; by > 0; by /= 2)
		x += __shfl_xor_sync(~0u, x, by);
	return x;
}

__device__ static __forceinline__ float warp_max(float x)
{
#pragma unroll
	for (int by = 16; by > 0; by /= 2)
		x = fmaxf(x, __shfl_xor_sync(~0u, x, by));
	return x;
}

/* Both sums, for every thread of a block of 1024 at most. room: 64 floats of shared memory that nothing else uses; calls may follow
 * each other. */
__device__ static __forceinline__ float2 block_sum2(float x, float y, float *room)
{
	int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5, warps = (int)blockDim.x >> 5;

	x = warp_sum(x), y = warp_sum(y);
	if (warps == 1)
		return make_float2(x, y);
	__syncthreads();
	if (lane == 0)
		room[warp] = x, room[32 + warp] = y;
	__syncthreads();
	x = warp_sum(lane < warps ? room[lane] : 0), y = warp_sum(lane < warps ? room[32 + lane] : 0);
	return make_float2(x, y);
}

__device__ static __forceinline__ float block_sum(float x, float *room) { return block_sum2(x, 0, room).x; }

/* --- weights in any form -------------------------------------------------------------------------------------- */

/* NF4 of bitsandbytes (Dettmers et al. 2023, appendix E) */
__device__ static __forceinline__ float nf4_value(unsigned code)
{
	static constexpr float nf4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
				   -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
				   0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
				   0.7229568362236023f, 1.0f};

	return nf4[code];
}

/* Element (row, col) of W[O, I]. */
__device__ static __forceinline__ float weight_at(const struct weights &w, int64_t i, int64_t row, int64_t col)
{
	int64_t at = row * i + col;

	switch (w.elem) {
	case ELEM_F32: return ((const float *)w.data)[at];
	case ELEM_BF16: return to_float(((const bf16 *)w.data)[at]);
	case ELEM_I8: return (float)((const signed char *)w.data)[at] * w.scale[row];
	default: return nf4_value(((const unsigned char *)w.data)[at / 2] >> (at & 1 ? 0 : 4) & 15) * w.scale[at / KERNELS_NF4_BLOCK];
	}
}

/* Adds to sum[c] the rows of partial, pieces of them that are step apart, in a fixed order. sum NULL: nothing. */
void add_partials(float *sum, const float *partial, int64_t pieces, int64_t step, int64_t c);

#endif
