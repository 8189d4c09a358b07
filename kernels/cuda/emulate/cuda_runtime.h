/* cuda_runtime.h - what our kernels use of CUDA, on the CPU, so that the very same sources run where there is no GPU.
 *
 * Threads of a block are fibers on one thread of the machine; __syncthreads, __syncwarp, shuffles and ballots wait for all whom they
 * concern, and if one of them can never come the process ends with a message. Work of a stream is queued and runs when the host waits,
 * as late as it may be on a device. Device memory cannot be read or written except while queued work runs: a host that touches it dies of
 * SIGSEGV, and so does whoever goes past the end of an allocation. A kernel's pointers must be device memory, or memory of the host that is
 * mapped for it.
 *
 * QUERN_EMULATE_SEED=N in the environment: another order of blocks and threads. Results must not change by it; where they do,
 * threads race. */
#ifndef QUERN_EMULATE_CUDA_RUNTIME_H
#define QUERN_EMULATE_CUDA_RUNTIME_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <type_traits>

#define QUERN_EMULATED 1

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

/* --- vectors and indices --------------------------------------------------------------------------- */

struct dim3 {
	unsigned x, y, z;
	constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) int2 { int x, y; };
static inline float2 make_float2(float x, float y) { return float2{x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return float4{x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return uint2{x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return uint4{x, y, z, w}; }

/* --- what threads of a warp and of a block do together ------------------------------------------------- */

/* All 32 lanes of a warp come here with the same kind; the last one runs `run` over what each brought. */
void emulate_warp(unsigned mask, const char *kind, void *mine, void (*run)(void *lane[32]));
/* The same for a block; nothing is run. Gives how many threads brought true. */
int emulate_block(const char *kind, bool mine);
int emulate_lane();

struct emulate_shuffle {
	uint64_t in, out;
	int from;
	static void run(void *lane[32])
	{
		for (int l = 0; l < 32; l++) {
			emulate_shuffle *s = (emulate_shuffle *)lane[l];

			s->out = ((emulate_shuffle *)lane[s->from])->in;
		}
	}
};

template <class T> T emulate_shuffled(unsigned mask, const char *kind, T v, int from)
{
	emulate_shuffle s = {0, 0, from & 31};

	static_assert(sizeof(T) <= 8, "a shuffle moves eight bytes at most");
	memcpy(&s.in, &v, sizeof v);
	emulate_warp(mask, kind, &s, emulate_shuffle::run);
	memcpy((void *)&v, &s.out, sizeof v);
	return v;
}

/* Lanes of a segment of `width`; from beyond it a lane gets its own value. */
template <class T> T __shfl_sync(unsigned mask, T v, int from, int width = 32)
{
	return emulate_shuffled(mask, "__shfl_sync", v, (emulate_lane() & ~(width - 1)) | (from & (width - 1)));
}

template <class T> T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32)
{
	int lane = emulate_lane(), from = lane ^ with;

	return emulate_shuffled(mask, "__shfl_xor_sync", v, from > (lane | (width - 1)) ? lane : from);
}

template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32)
{
	int lane = emulate_lane(), from = lane + (int)by;

	return emulate_shuffled(mask, "__shfl_down_sync", v, from > (lane | (width - 1)) ? lane : from);
}

template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32)
{
	int lane = emulate_lane(), from = lane - (int)by;

	return emulate_shuffled(mask, "__shfl_up_sync", v, from < (lane & ~(width - 1)) ? lane : from);
}

struct emulate_ballot {
	bool in;
	unsigned out;
	static void run(void *lane[32])
	{
		unsigned all = 0;

		for (int l = 0; l < 32; l++)
			all |= (unsigned)((emulate_ballot *)lane[l])->in << l;
		for (int l = 0; l < 32; l++)
			((emulate_ballot *)lane[l])->out = all;
	}
};

static inline unsigned __ballot_sync(unsigned mask, int p)
{
	emulate_ballot b = {p != 0, 0};

	emulate_warp(mask, "__ballot_sync", &b, emulate_ballot::run);
	return b.out;
}

static inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
static inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, p) == ~0u; }
static inline void __syncwarp(unsigned mask = ~0u) { emulate_warp(mask, "__syncwarp", NULL, NULL); }
static inline void __syncthreads() { emulate_block("__syncthreads", false); }
static inline int __syncthreads_count(int p) { return emulate_block("__syncthreads_count", p != 0); }
static inline int __syncthreads_or(int p) { return emulate_block("__syncthreads_or", p != 0) > 0; }
static inline void __threadfence() {}

/* Asynchronous copies to shared memory, of which the first from_src bytes are copied and the others zeros; groups; a wait for all groups
 * but the last few. */
void emulate_copy_async(void *dst, const void *src, int bytes, int from_src);
void emulate_copy_commit();
void emulate_copy_wait(int groups_left);

/* --- single instructions ---------------------------------------------------------------------------------- */

#define __expf expf              /* glibc has functions of these names, too */
#define __logf logf
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline float __uint_as_float(unsigned u) { float x; memcpy(&x, &u, 4); return x; }
static inline unsigned __float_as_uint(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
static inline float __int_as_float(int u) { float x; memcpy(&x, &u, 4); return x; }
static inline int __float_as_int(float x) { int u; memcpy(&u, &x, 4); return u; }
/* Threads are fibers of one thread: nothing comes between. */
template <class T> T atomicAdd(T *p, T v) { T old = *p; *p += v; return old; }
template <class T> T atomicMax(T *p, T v) { T old = *p; *p = v > old ? v : old; return old; }
template <class T> T __ldg(const T *p) { return *p; }
template <class T> T __ldcg(const T *p) { return *p; }
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }

/* --- kernels ------------------------------------------------------------------------------------------------ */

/* A copy of one call: what the queue holds. */
struct emulate_call {
	emulate_call *next;
	const char *name;
	dim3 grid, block;
	size_t shared;
	bool alone;                  /* no kernel: run is called once */
	virtual void run() = 0;
	virtual ~emulate_call() {}
};
void emulate_queue(emulate_call *call);
void emulate_pointer(const char *kernel, const void *p);
void *emulate_dynamic_shared();

template <class T> void emulate_argument(const char *kernel, const T &v)
{
	if constexpr (std::is_pointer_v<T>)
		emulate_pointer(kernel, (const void *)v);
	else
		(void)kernel, (void)v;
}

template <class F> struct emulate_launched : emulate_call {
	F f;
	explicit emulate_launched(F g) : f(g) {}
	void run() override { f(); }
};

template <class... P, class... A>
void emulate_launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A... args)
{
	(emulate_argument<P>(name, (P)args), ...);
	auto f = [=] { kernel((P)args...); };
	auto *call = new emulate_launched<decltype(f)>(f);

	call->name = name, call->grid = grid, call->block = block, call->shared = shared, call->alone = false;
	emulate_queue(call);
}

/* --- the runtime ---------------------------------------------------------------------------------------------- */

enum cudaError_t {
	cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorInitializationError = 3,
	cudaErrorInvalidConfiguration = 9, cudaErrorInsufficientDriver = 35, cudaErrorNoDevice = 100, cudaErrorInvalidDevice = 101,
	cudaErrorECCUncorrectable = 214, cudaErrorNoKernelImageForDevice = 209, cudaErrorNotReady = 600, cudaErrorIllegalAddress = 700,
	cudaErrorStreamCaptureUnsupported = 900, cudaErrorLaunchOutOfResources = 701, cudaErrorLaunchFailure = 719, cudaErrorSystemDriverMismatch = 803, cudaErrorUnknown = 999
};
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice };
struct cudaPointerAttributes { cudaMemoryType type; };
enum cudaDeviceAttr {
	cudaDevAttrMaxSharedMemoryPerBlockOptin = 97, cudaDevAttrMultiProcessorCount = 16, cudaDevAttrComputeCapabilityMajor = 75,
	cudaDevAttrComputeCapabilityMinor = 76
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum { cudaHostAllocPortable = 1, cudaHostAllocMapped = 2 };
enum { cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventDisableTiming = 2 };
typedef struct emulate_stream *cudaStream_t;
typedef struct emulate_event *cudaEvent_t;

typedef struct emulate_graph *cudaGraph_t;       /* a list of calls */
typedef struct emulate_graph *cudaGraphExec_t;
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed };

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaFree(void *p);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaMallocHost(void **p, size_t bytes);
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *of, const void *p);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaGetLastError();
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device);
template <class F> cudaError_t cudaFuncSetAttribute(F *, cudaFuncAttribute, int) { return cudaSuccess; }

/* For the emulated cuBLASLt, whose calls are queued, too. */
template <class F> void emulate_host_work(const char *name, F f)
{
	auto *call = new emulate_launched<F>(f);

	call->name = name, call->alone = true;
	emulate_queue(call);
}

#endif
