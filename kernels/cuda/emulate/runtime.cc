/* runtime.cc - the CUDA runtime of one emulated device: memory that only queued work can touch, and a queue for each stream. The
 * first stream has the kernels; what others copy is done as late as it may be, when the host or the first stream waits for it, or, with an
 * odd QUERN_EMULATE_SEED, as early: a wait that is missing shows.
 *
 * Between cudaStreamBeginCapture and EndCapture calls go to a list instead, whose launches queue what does them again; what a device
 * refuses to capture ends the process.
 *
 * Each allocation ends where a page that cannot be accessed begins. QUERN_EMULATE_FAIL in the environment asks for failures to test with:
 * gpu or driver (there is none, or none that is new enough), memory:N (N bytes are free, and no allocation goes beyond them), launch:N or
 * ecc:N (the device breaks with its N-th piece of work), capture (nothing can be captured). */
#include "block.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096
#define ALIGN 256            /* what cudaMalloc gives; allocations of odd sizes end up to this before their guard */
#define FILL 0x5c
#define QUEUE_MAX 512        /* calls */

struct allocation {
	char *map, *p;
	size_t map_bytes, bytes;     /* map_bytes without the guard */
	bool pinned, mapped;         /* of the host; and given to kernels */
	struct allocation *next;
};

struct emulate_graph {
	emulate_call *head, **tail;
	int owners;                  /* the graph and what was made of it */
};

/* Calls that were queued and that are done tell an event's place in its stream. */
struct emulate_stream {
	emulate_call *head, **tail;
	uint64_t queued, done;
	struct emulate_stream *next;
};
struct emulate_event {
	double time;
	struct emulate_stream *stream;
	uint64_t at;
};

static struct allocation *all;
static struct emulate_stream first = {NULL, &first.head, 0, 0, NULL};    /* and those behind it */
static int depth;            /* of calls that run others, of streams that they wait for */
static struct emulate_graph *capturing;
static cudaError_t last_error, broken;   /* broken: every call fails from now on, as on a device whose kernel died */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct locked {
	locked() { pthread_mutex_lock(&lock); }
	~locked() { pthread_mutex_unlock(&lock); }
};

static cudaError_t note(cudaError_t e)
{
	if (e != cudaSuccess)
		last_error = e;
	return e;
}

static void protect(int how)
{
	for (struct allocation *a = all; a; a = a->next)
		if (!a->pinned && mprotect(a->map, a->map_bytes, how))
			emulate_die("mprotect fails");
}

static struct allocation *allocation_of(const void *p)
{
	for (struct allocation *a = all; a; a = a->next)
		if ((const char *)p >= a->map && (const char *)p < a->map + a->map_bytes)
			return a;
	return NULL;
}

/* --- failures on request ------------------------------------------------------------------------------- */

/* What QUERN_EMULATE_FAIL asks for, "kind" or "kind:N"; 0: nothing of that kind. */
static size_t asked(const char *kind)
{
	const char *fail = getenv("QUERN_EMULATE_FAIL");
	size_t n = strlen(kind);

	if (!fail || strncmp(fail, kind, n) || (fail[n] && fail[n] != ':'))
		return 0;
	return fail[n] ? strtoull(fail + n + 1, NULL, 10) : 1;
}

/* Counts the kernels that have run. */
static void maybe_break(void)
{
	static size_t ran;

	ran++;
	if (asked("launch") && ran >= asked("launch"))
		broken = cudaErrorLaunchFailure;
	if (asked("ecc") && ran >= asked("ecc"))
		broken = cudaErrorECCUncorrectable;
}

/* --- the queue --------------------------------------------------------------------------------------- */

/* The calls of a stream up to a place. */
static void run_until(struct emulate_stream *s, uint64_t at)
{
	if (capturing && s == &first)
		emulate_die("waited for, or its memory changed, while work is captured");
	if (!s->head || s->done >= at)
		return;
	if (depth++ == 0)
		protect(PROT_READ | PROT_WRITE);
	while (s->head && s->done < at) {
		emulate_call *c = s->head;

		s->head = c->next;
		if (!s->head)
			s->tail = &s->head;
		if (broken == cudaSuccess) {
			emulate_run(c);
			maybe_break();
		}
		s->done++;
		delete c;
	}
	if (--depth == 0)
		protect(PROT_NONE);
}

static void run_queue(void)
{
	for (struct emulate_stream *s = &first; s; s = s->next)
		run_until(s, UINT64_MAX);
}

/* NULL is the first. */
static void queue_on(struct emulate_stream *s, emulate_call *call)
{
	const char *seed = getenv("QUERN_EMULATE_SEED");

	s = s ? s : &first;
	call->next = NULL;
	if (capturing && s == &first) {
		*capturing->tail = call, capturing->tail = &call->next;
		return;
	}
	*s->tail = call, s->tail = &call->next;
	s->queued++;
	if (s->queued - s->done >= QUEUE_MAX || (s != &first && seed && strtoull(seed, NULL, 10) % 2))
		run_until(s, UINT64_MAX);
}

void emulate_queue(emulate_call *call)
{
	locked l;

	if (!call->alone && note(emulate_check_call(call)) != cudaSuccess) {
		delete call;
		return;
	}
	queue_on(&first, call);
}

/* Work of the host in a stream. */
template <class F> static void host_work(const char *name, struct emulate_stream *s, F f)
{
	locked l;
	auto *call = new emulate_launched<F>(f);

	call->name = name, call->alone = true;
	queue_on(s, call);
}

void emulate_pointer(const char *kernel, const void *p)
{
	locked l;
	struct allocation *a = allocation_of(p);

	if (p && (!a || (a->pinned && !a->mapped)))
		emulate_die("%s is given the pointer %p, which is no device memory", kernel, p);
}

/* --- memory ------------------------------------------------------------------------------------------- */

static cudaError_t allocate(void **p, size_t bytes, bool pinned, bool mapped)
{
	size_t room = (bytes + ALIGN - 1) / ALIGN * ALIGN, pages = (room + PAGE - 1) / PAGE * PAGE;
	struct allocation *a;
	char *map;

	if (capturing)
		emulate_die("memory is asked for while work is captured");
	if (bytes == 0) {
		*p = NULL;
		return cudaSuccess;
	}
	map = bytes > (size_t)1 << 46 || (asked("memory") && bytes > asked("memory")) ? (char *)MAP_FAILED :
	      (char *)mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return note(cudaErrorMemoryAllocation);
	a = (struct allocation *)malloc(sizeof *a);
	*a = allocation{map, map + pages - room, pages, bytes, pinned, mapped, all};
	all = a;
	memset(a->p + bytes, FILL, room - bytes);
	if (bytes <= 1 << 20)
		memset(a->p, 0xff, bytes);   /* NaN */
	mprotect(map + pages, PAGE, PROT_NONE);
	if (!pinned)
		mprotect(map, pages, PROT_NONE);
	*p = a->p;
	return cudaSuccess;
}

static cudaError_t deallocate(void *p, bool pinned)
{
	locked l;

	if (!p)
		return cudaSuccess;
	run_queue();
	for (struct allocation **at = &all, *a; (a = *at); at = &a->next)
		if (a->p == p && a->pinned == pinned) {
			mprotect(a->map, a->map_bytes, PROT_READ);
			for (char *c = a->p + a->bytes; c < a->map + a->map_bytes; c++)
				if (*c != FILL)
					emulate_die("%zu bytes were written past, by %zu", a->bytes, (size_t)(c - a->p) - a->bytes + 1);
			munmap(a->map, a->map_bytes + PAGE);
			*at = a->next;
			free(a);
			return cudaSuccess;
		}
	return note(cudaErrorInvalidValue);
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
	locked l;

	return allocate(p, bytes, false, false);
}

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
	locked l;

	return allocate(p, bytes, true, false);
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags)
{
	locked l;

	return allocate(p, bytes, true, flags & cudaHostAllocMapped);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *of, const void *p)
{
	locked l;
	struct allocation *a = allocation_of(p);

	of->type = !a ? cudaMemoryTypeUnregistered : a->pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
	return cudaSuccess;
}

cudaError_t cudaFree(void *p) { return deallocate(p, false); }
cudaError_t cudaFreeHost(void *p) { return deallocate(p, true); }

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
	*total = (size_t)8 << 30;
	*free_bytes = asked("memory") ? asked("memory") : *total;
	return cudaSuccess;
}

/* [p, p + bytes) is device memory or it is not, as the kind says, which may leave it open. */
static bool fits(const void *p, size_t bytes, bool device, bool any)
{
	struct allocation *a = allocation_of(p);

	if (a && ((const char *)p < a->p || (const char *)p + bytes > a->p + a->bytes))
		return false;
	return any || (a && !a->pinned) == device;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t s)
{
	bool up = kind == cudaMemcpyHostToDevice, down = kind == cudaMemcpyDeviceToHost, any = kind == cudaMemcpyDefault;
	struct allocation *a, *to;

	{
		locked l;

		if (!fits(dst, bytes, !down, any) || !fits(src, bytes, !up, any))
			return note(cudaErrorInvalidValue);
		a = allocation_of(src), to = allocation_of(dst);
	}
	if (!a) {
		/* What is not pinned is read before the call returns. */
		void *kept = malloc(bytes);

		memcpy(kept, src, bytes);
		host_work("cudaMemcpyAsync", s, [=] { memcpy(dst, kept, bytes), free(kept); });
		return cudaSuccess;
	}
	host_work("cudaMemcpyAsync", s, [=] { memmove(dst, src, bytes); });
	if (!to)
		return cudaStreamSynchronize(s);
	return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s)
{
	{
		locked l;

		if (!fits(p, bytes, true, false))
			return note(cudaErrorInvalidValue);
	}
	host_work("cudaMemsetAsync", s, [=] { memset(p, value, bytes); });
	return cudaSuccess;
}

/* --- graphs ------------------------------------------------------------------------------------------------ */

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode)
{
	if (asked("capture"))
		return note(cudaErrorStreamCaptureUnsupported);
	capturing = new emulate_graph{NULL, NULL, 1};
	capturing->tail = &capturing->head;
	return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph)
{
	*graph = capturing;
	capturing = NULL;
	return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
	graph->owners++;
	*exec = graph;
	return cudaSuccess;
}

/* Does a captured call again. */
struct emulate_again : emulate_call {
	emulate_call *call;
	void run() override { call->run(); }
};

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t)
{
	for (emulate_call *c = exec->head; c; c = c->next) {
		emulate_again *again = new emulate_again;

		again->name = c->name, again->grid = c->grid, again->block = c->block, again->shared = c->shared, again->alone = c->alone;
		again->call = c;
		emulate_queue(again);
	}
	return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
	locked l;

	if (--graph->owners)
		return cudaSuccess;
	run_queue();
	while (graph->head) {
		emulate_call *c = graph->head;

		graph->head = c->next;
		delete c;
	}
	delete graph;
	return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return cudaGraphDestroy(exec); }

/* --- streams, events, the device ------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
	static bool some;
	struct emulate_stream *made;
	locked l;

	*s = &first;
	if (!some) {
		some = true;
		return cudaSuccess;
	}
	made = new emulate_stream{NULL, NULL, 0, 0, first.next};
	made->tail = &made->head;
	*s = first.next = made;
	return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
	locked l;

	run_until(s, UINT64_MAX);
	return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
	locked l;

	run_until(s ? s : &first, UINT64_MAX);
	return broken != cudaSuccess ? broken : last_error;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
	struct emulate_stream *of = e->stream;
	uint64_t at = e->at;

	if (of && of != (s ? s : &first))
		host_work("cudaStreamWaitEvent", s, [=] { run_until(of, at); });
	return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
	*e = new emulate_event{0, NULL, 0};
	return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
	delete e;
	return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
	e->stream = s ? s : &first;
	e->at = e->stream->queued + 1;
	host_work("cudaEventRecord", s, [=] { e->time = now(); });
	return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
	locked l;

	if (e->stream)
		run_until(e->stream, e->at);
	return broken != cudaSuccess ? broken : last_error;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
	*ms = (float)(1e3 * (to->time - from->time));
	return cudaSuccess;
}

cudaError_t cudaGetLastError()
{
	cudaError_t e = last_error;

	last_error = cudaSuccess;
	return broken != cudaSuccess ? broken : e;
}

cudaError_t cudaGetDeviceCount(int *n)
{
	*n = 0;
	if (asked("gpu"))
		return cudaErrorNoDevice;
	if (asked("driver"))
		return cudaErrorInsufficientDriver;
	*n = 1;
	return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr a, int)
{
	*value = a == cudaDevAttrMultiProcessorCount ? 4 : a == cudaDevAttrComputeCapabilityMajor ? 9 :
		 a == cudaDevAttrMaxSharedMemoryPerBlockOptin ? 227 << 10 : 0;
	return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t e)
{
	switch (e) {
	case cudaSuccess: return "no error";
	case cudaErrorMemoryAllocation: return "out of memory";
	case cudaErrorInvalidConfiguration: return "invalid configuration argument";
	case cudaErrorInvalidDevice: return "invalid device ordinal";
	case cudaErrorInvalidValue: return "invalid argument";
	case cudaErrorLaunchFailure: return "unspecified launch failure";
	default: return "unknown error";
	}
}
