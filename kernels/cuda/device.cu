/* device.cu - the open device: its failures, its memory, and the tables. */
#include "device.h"
#include "cuda.h"

#include <stdarg.h>
#include <pthread.h>

struct device device;

/* --- failures ---------------------------------------------------------------------------------------- */

/* Any thread. */
void device_fail(enum status st, const char *fmt, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	va_list ap;

	pthread_mutex_lock(&lock);
	if (device.failed == OK) {
		va_start(ap, fmt);
		vsnprintf(device.what, sizeof device.what, fmt, ap);
		va_end(ap);
		device.failed = st;
	}
	pthread_mutex_unlock(&lock);
}

/* A sentence for what people meet. */
static void describe(cudaError_t e, char *to, size_t bytes)
{
	switch (e) {
	case cudaErrorNoDevice: snprintf(to, bytes, "there is no GPU here that CUDA can use"); break;
	case cudaErrorInsufficientDriver: snprintf(to, bytes, "the NVIDIA driver is missing or older than this build's CUDA runtime"); break;
	case cudaErrorSystemDriverMismatch: snprintf(to, bytes, "the NVIDIA driver's library and kernel module are of different versions"); break;
	case cudaErrorMemoryAllocation: snprintf(to, bytes, "out of memory"); break;
	case cudaErrorECCUncorrectable: snprintf(to, bytes, "the GPU's memory has an error that cannot be corrected (ECC)"); break;
	case cudaErrorNoKernelImageForDevice: snprintf(to, bytes, "the GPU is older than this build supports (compute capability 8.0)"); break;
	default: snprintf(to, bytes, "%s", cudaGetErrorString(e));
	}
}

void device_note(cudaError_t e, const char *doing)
{
	char what[160];

	if (e == cudaSuccess)
		return;
	describe(e, what, sizeof what);
	device_fail(e == cudaErrorMemoryAllocation ? ERR_MEMORY : ERR_IO, "cuda:%d: %s: %s", device.number, doing, what);
}

void device_note_lt(cublasStatus_t s, const char *doing)
{
	if (s != CUBLAS_STATUS_SUCCESS)
		device_fail(ERR_IO, "cuda:%d: %s: cuBLASLt: %s", device.number, doing, cublasLtGetStatusString(s));
}

static enum status cuda_failed(struct error *err)
{
	if (device.failed != OK && err)
		snprintf(err->text, sizeof err->text, "%s", device.what);
	return device.failed;
}

static enum status cuda_status(struct error *err)
{
	if (device.failed == OK)
		device_note(cudaStreamSynchronize(device.stream), "computing");
	return cuda_failed(err);
}

/* --- memory -------------------------------------------------------------------------------------------- */

static void *cuda_alloc(struct pool *, size_t bytes)
{
	void *p = NULL;
	cudaError_t e;

	if (device.failed != OK)
		return NULL;
	e = cudaMalloc(&p, bytes ? bytes : 1);
	if (e == cudaErrorMemoryAllocation) {
		(void)cudaGetLastError();    /* is said by NULL, and not kept */
		return NULL;
	}
	device_note(e, "allocating");
	if (e != cudaSuccess)
		return NULL;
	device_note(cudaMemsetAsync(p, 0, bytes ? bytes : 1, device.stream), "allocating");
	return p;
}

/* Pages of the host that the device reads and writes where they are. */
static void *cuda_alloc_host(struct pool *, size_t bytes)
{
	void *p = NULL;
	cudaError_t e;

	if (device.failed != OK)
		return NULL;
	e = cudaHostAlloc(&p, bytes ? bytes : 1, cudaHostAllocMapped | cudaHostAllocPortable);
	if (e == cudaErrorMemoryAllocation) {
		(void)cudaGetLastError();
		return NULL;
	}
	device_note(e, "allocating memory of the host");
	if (e == cudaSuccess)
		memset(p, 0, bytes ? bytes : 1);
	return e == cudaSuccess ? p : NULL;
}

/* Lost to the granularity of allocations, and to what else the driver wants. */
#ifdef QUERN_EMULATED
#define AVAILABLE_LEFT ((size_t)64 << 10)
#else
#define AVAILABLE_LEFT ((size_t)64 << 20)
#endif

static size_t cuda_available(void)
{
	size_t free_bytes = 0, total = 0;

	device_note(cudaMemGetInfo(&free_bytes, &total), "asking for the memory that is free");
	return free_bytes > AVAILABLE_LEFT ? free_bytes - AVAILABLE_LEFT : 0;
}

/* Work that uses it is done first: cudaFree waits, and so does cudaFreeHost. */
static void cuda_release(void *p)
{
	cudaPointerAttributes of = {};

	if (!p)
		return;
	device_note(cudaPointerGetAttributes(&of, p), "releasing memory");
	device_note(of.type == cudaMemoryTypeHost ? cudaFreeHost(p) : cudaFree(p), "releasing memory");
}

/* Copies go through pinned memory: what is not pinned would be copied twice, and the caller would wait for all work before it. A ring
 * of segments is filled from one end to the other; before one is filled again what was copied from it must have arrived. There are three:
 * one in the order of all work, and beside it one down and one up. */
#define SEGMENTS 8
#ifdef QUERN_EMULATED
#define SEGMENT_BYTES ((size_t)16 << 10)
#else
#define SEGMENT_BYTES ((size_t)2 << 20)
#endif

struct staging {
	pthread_mutex_t lock;
	cudaStream_t stream;
	char *memory;                /* SEGMENTS of them */
	cudaEvent_t left[SEGMENTS];  /* behind the last copy of each */
	int segment;
	size_t used;                 /* of the segment */
};
#define STAGING {PTHREAD_MUTEX_INITIALIZER, NULL, NULL, {}, 0, 0}
static struct staging in_order = STAGING, beside = STAGING, ahead = STAGING;
static cudaEvent_t marked, arrived;

/* Up to *bytes of room, 64-byte aligned, that nothing uses any more. */
static char *staging_room(struct staging *s, size_t *bytes)
{
	if (s->used == SEGMENT_BYTES) {
		device_note(cudaEventRecord(s->left[s->segment], s->stream), "copying");
		s->segment = (s->segment + 1) % SEGMENTS;
		s->used = 0;
		device_note(cudaEventSynchronize(s->left[s->segment]), "copying");
	}
	if (*bytes > SEGMENT_BYTES - s->used)
		*bytes = SEGMENT_BYTES - s->used;
	return s->memory + (size_t)s->segment * SEGMENT_BYTES + s->used;
}

static void staging_take(struct staging *s, size_t bytes)
{
	s->used += (bytes + 63) / 64 * 64;
	if (s->used > SEGMENT_BYTES)
		s->used = SEGMENT_BYTES;
}

static void staging_upload(struct staging *s, void *dst, const void *src, size_t bytes)
{
	pthread_mutex_lock(&s->lock);
	for (size_t at = 0, n; at < bytes && device.failed == OK; at += n) {
		char *room = staging_room(s, &(n = bytes - at));

		if (device.failed != OK)
			break;
		memcpy(room, (const char *)src + at, n);
		device_note(cudaMemcpyAsync((char *)dst + at, room, n, cudaMemcpyDefault, s->stream), "uploading");
		staging_take(s, n);
	}
	pthread_mutex_unlock(&s->lock);
}

#define HALF_SEGMENTS (SEGMENTS / 2)

/* The half of the ring that was not used last. */
static void *cuda_stage(size_t *bytes)
{
	struct staging *s = &in_order;
	int first;

	pthread_mutex_lock(&s->lock);
	device_note(cudaEventRecord(s->left[s->segment], s->stream), "copying");
	first = s->segment < HALF_SEGMENTS ? HALF_SEGMENTS : 0;
	for (int i = first; i < first + HALF_SEGMENTS; i++)
		device_note(cudaEventSynchronize(s->left[i]), "copying");
	s->segment = first + HALF_SEGMENTS - 1, s->used = SEGMENT_BYTES;
	pthread_mutex_unlock(&s->lock);
	*bytes = HALF_SEGMENTS * SEGMENT_BYTES;
	return s->memory + (size_t)first * SEGMENT_BYTES;
}

static void cuda_upload_staged(void *dst, size_t bytes)
{
	struct staging *s = &in_order;
	const int first = s->segment / HALF_SEGMENTS * HALF_SEGMENTS;

	if (device.failed != OK)
		return;
	pthread_mutex_lock(&s->lock);
	device_note(cudaMemcpyAsync(dst, s->memory + (size_t)first * SEGMENT_BYTES, bytes, cudaMemcpyDefault, s->stream), "uploading");
	for (int i = first; i < first + HALF_SEGMENTS; i++)
		device_note(cudaEventRecord(s->left[i], s->stream), "copying");
	pthread_mutex_unlock(&s->lock);
}

/* One segment is read out while the next is filled: the copies of a large download overlap. */
static void staging_download(struct staging *s, void *dst, const void *src, size_t bytes)
{
	char *room[2] = {NULL, NULL};
	size_t size[2] = {0, 0}, from[2] = {0, 0}, at = 0;
	int segment[2] = {0, 0}, turn = 0;

	pthread_mutex_lock(&s->lock);
	s->used = s->memory && bytes ? SEGMENT_BYTES : s->used;   /* whole segments, so that each has its event */
	for (; (at < bytes || size[turn ^ 1]) && device.failed == OK; turn ^= 1) {
		size[turn] = 0;
		if (at < bytes) {
			size[turn] = bytes - at, from[turn] = at;
			room[turn] = staging_room(s, &size[turn]);
			segment[turn] = s->segment;
			device_note(cudaMemcpyAsync(room[turn], (const char *)src + at, size[turn], cudaMemcpyDefault, s->stream), "downloading");
			device_note(cudaEventRecord(s->left[segment[turn]], s->stream), "downloading");
			s->used = SEGMENT_BYTES;
			at += size[turn];
		}
		if (size[turn ^ 1]) {
			device_note(cudaEventSynchronize(s->left[segment[turn ^ 1]]), "downloading");
			if (device.failed == OK)
				memcpy((char *)dst + from[turn ^ 1], room[turn ^ 1], size[turn ^ 1]);
			size[turn ^ 1] = 0;
		}
	}
	pthread_mutex_unlock(&s->lock);
}

static void cuda_upload(void *dst, const void *src, size_t bytes) { staging_upload(&in_order, dst, src, bytes); }
static void cuda_download(void *dst, const void *src, size_t bytes) { staging_download(&in_order, dst, src, bytes); }

static void cuda_download_marked(void *dst, const void *src, size_t bytes)
{
	device_note(cudaSetDevice(device.number), "downloading");    /* a thread begins with the first */
	staging_download(&beside, dst, src, bytes);
}

static void cuda_upload_ahead(void *dst, const void *src, size_t bytes)
{
	staging_upload(&ahead, dst, src, bytes);
	if (device.failed != OK || !bytes)
		return;
	device_note(cudaEventRecord(arrived, ahead.stream), "uploading");
	device_note(cudaStreamWaitEvent(device.stream, arrived, 0), "uploading");
}

static void cuda_mark(void)
{
	if (device.failed != OK)
		return;
	device_note(cudaEventRecord(marked, device.stream), "marking");
	device_note(cudaStreamWaitEvent(beside.stream, marked, 0), "marking");
}

static void cuda_zero(struct pool *, void *p, size_t bytes)
{
	if (bytes && device.failed == OK)
		device_note(cudaMemsetAsync(p, 0, bytes, device.stream), "zeroing");
}

static void cuda_copy(struct pool *, void *dst, const void *src, size_t bytes)
{
	if (bytes && device.failed == OK)
		device_note(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, device.stream), "copying");
}

void entries_memory(struct kernels *k)
{
	k->status = cuda_status, k->failed = cuda_failed;
	k->alloc = cuda_alloc, k->release = cuda_release, k->alloc_host = cuda_alloc_host, k->available = cuda_available;
	k->upload = cuda_upload, k->stage = cuda_stage, k->upload_staged = cuda_upload_staged, k->download = cuda_download;
	k->mark = cuda_mark, k->download_marked = cuda_download_marked, k->upload_ahead = cuda_upload_ahead;
	k->zero = cuda_zero, k->copy = cuda_copy;
}

/* --- opening -------------------------------------------------------------------------------------------- */

static void open_staging(struct staging *s, cudaStream_t stream)
{
	s->stream = stream;
	device_note(cudaMallocHost((void **)&s->memory, SEGMENTS * SEGMENT_BYTES), "opening");
	for (int i = 0; i < SEGMENTS; i++)
		device_note(cudaEventCreateWithFlags(&s->left[i], cudaEventDisableTiming), "opening");
}

static void open_streams(void)
{
	cudaStream_t down = NULL, up = NULL;

	device_note(cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking), "opening");
	device_note(cudaStreamCreateWithFlags(&down, cudaStreamNonBlocking), "opening");
	device_note(cudaStreamCreateWithFlags(&up, cudaStreamNonBlocking), "opening");
	device_note(cudaEventCreateWithFlags(&marked, cudaEventDisableTiming), "opening");
	device_note(cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming), "opening");
	device_note_lt(cublasLtCreate(&device.lt), "opening");
	device_note(cudaMalloc(&device.workspace, DEVICE_WORKSPACE_BYTES), "opening");
	device_note(cudaMalloc(&device.bias, DEVICE_BIAS_VALUES * sizeof(float)), "opening");
	device_note(cudaMalloc(&device.panel, DEVICE_PANEL_BYTES), "opening");
	open_staging(&in_order, device.stream);
	open_staging(&beside, down);
	open_staging(&ahead, up);
}

static void open_device(int number)
{
	int count = 0, major = 0, minor = 0, shared = 0;

	device.number = number;
	device_note(cudaGetDeviceCount(&count), "opening");
	if (device.failed == OK && (number < 0 || number >= count))
		device_fail(ERR_USAGE, "cuda:%d: no such device; there %s %d, the first is cuda:0", number, count == 1 ? "is" : "are", count);
	if (device.failed != OK)
		return;
	device_note(cudaSetDevice(number), "opening");
	device_note(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number), "opening");
	device_note(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, number), "opening");
	device_note(cudaDeviceGetAttribute(&device.processors, cudaDevAttrMultiProcessorCount, number), "opening");
	device_note(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, number), "opening");
	device.shared_max = (size_t)shared;
	if (device.failed == OK && major < 8)
		device_fail(ERR_IO, "cuda:%d: compute capability %d.%d; 8.0 or later is needed (Ampere)", number, major, minor);
	if (device.failed == OK)
		open_streams();
	device.open = device.failed == OK;
}

extern "C" __attribute__((visibility("default"))) const struct kernels *kernels_cuda_open(int number, bool half, struct error *err)
{
	static struct kernels tables[2];
	struct kernels *k = &tables[half];

	if (!device.open) {
		device.failed = OK;          /* of an earlier try with another device */
		open_device(number);
	} else if (device.number != number) {
		error_set(err, ERR_USAGE, "cuda:%d: this process computes on cuda:%d already", number, device.number);
		return NULL;
	}
	if (cuda_status(err) != OK)
		return NULL;
	k->abi = KERNELS_ABI, k->name = "cuda", k->elem_bytes = half ? sizeof(bf16) : sizeof(float);
	entries_memory(k);
	entries_matmul(k, half);
	entries_rows(k, half);
	entries_norm(k, half);
	entries_activation(k, half);
	entries_random(k, half);
	entries_optimizer(k);
	entries_attention(k, half);
	entries_logprob(k, half);
	entries_sample(k);
	entries_record(k);
	return k;
}
