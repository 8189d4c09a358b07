/* block.cc - runs the threads of a block as fibers; see cuda_runtime.h. */
#include "block.h"
#include "fiber.h"

#include <stdarg.h>
#include <sys/mman.h>

#define STACK_BYTES (256 << 10)
#define WARPS_MAX (THREADS_MAX / 32)
#define COPIES_MAX 512               /* asynchronous copies of a thread that are under way */
#define SHARED_MAX (227 << 10)       /* what a block may have on sm_90 */

dim3 threadIdx, blockIdx, blockDim, gridDim;

enum state { RUNNING, IN_WARP, IN_BLOCK, DONE }; /* what it last waited for */

struct thread {
	fiber_context context;
	enum state state;
	const char *kind;            /* what it waits for */
	void *mine;
	bool vote;
	int number;
	dim3 index;
	int copies, group;           /* of copy[], and the group that is being filled */
	struct async_copy { void *dst; const void *src; int bytes, from_src, group; } copy[COPIES_MAX];
};

static struct {
	struct thread thread[THREADS_MAX];
	fiber_context scheduler;
	struct thread *running;
	emulate_call *call;
	char *stacks, *shared, *shared_end;
	int threads, votes;
	int arrived[WARPS_MAX];
	unsigned ready[WARPS_MAX];   /* lane l of a warp is bit l ^ turn: the order in which they run */
	unsigned turn;
	uint64_t seed;
} b;

void emulate_die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "emulated device: %s: ", b.call ? b.call->name : "host");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

int emulate_lane() { return b.running->number & 31; }

void *emulate_dynamic_shared() { return b.shared_end - (b.call->shared + 15) / 16 * 16; }

static unsigned bit_of(const struct thread *t) { return ((unsigned)t->number ^ b.turn) & 31; }

/* The next thread of a warp that can go on, counted from place `from`; NULL: none. */
static struct thread *next_ready(int warp, unsigned from)
{
	unsigned ready = b.ready[warp], turned = from ? ready >> from | ready << (32 - from) : ready;

	if (!ready)
		return NULL;
	return b.thread + warp * 32 + (int)((((unsigned)__builtin_ctz(turned) + from) ^ b.turn) & 31);
}

static void run_thread(fiber_context *from, struct thread *t)
{
	b.running = t;
	threadIdx = t->index;
	b.ready[t->number / 32] &= ~(1u << bit_of(t));
	fiber_switch(from, &t->context);
}

/* To the next lane of the warp, or to who runs warps. */
static void leave(enum state s, const char *kind)
{
	struct thread *t = b.running, *next = next_ready(t->number / 32, (bit_of(t) + 1) & 31);

	t->state = s, t->kind = kind;
	if (next)
		run_thread(&t->context, next);
	else
		fiber_switch(&t->context, &b.scheduler);
}

/* The last lane to come does the work of all. */
void emulate_warp(unsigned mask, const char *kind, void *mine, void (*run)(void *lane[32]))
{
	struct thread *t = b.running, *first = b.thread + (t->number & ~31);
	void *lane[32];

	if (mask != ~0u)
		emulate_die("%s of some lanes of a warp", kind);
	t->mine = mine, t->kind = kind;
	if (++b.arrived[t->number / 32] < 32) {
		leave(IN_WARP, kind);
		return;
	}
	b.arrived[t->number / 32] = 0;
	for (int l = 0; l < 32; l++) {
		if (first[l].kind != kind && strcmp(first[l].kind, kind))
			emulate_die("lanes of a warp meet in %s and %s", kind, first[l].kind);
		lane[l] = first[l].mine;
	}
	b.ready[t->number / 32] = ~(1u << bit_of(t));
	if (run)
		run(lane);
}

int emulate_block(const char *kind, bool mine)
{
	b.running->vote = mine;
	leave(IN_BLOCK, kind);
	return b.votes;
}

/* --- asynchronous copies: made as late as may be, when the thread waits for their group ------------------ */

void emulate_copy_async(void *dst, const void *src, int bytes, int from_src)
{
	struct thread *t = b.running;

	if ((uintptr_t)dst % (unsigned)bytes || (uintptr_t)src % (unsigned)bytes)
		emulate_die("an asynchronous copy that is not aligned");
	if (t->copies == COPIES_MAX)
		emulate_die("too many asynchronous copies");
	t->copy[t->copies++] = {dst, src, bytes, from_src, t->group};
}

void emulate_copy_commit() { b.running->group++; }

void emulate_copy_wait(int groups_left)
{
	struct thread *t = b.running;
	int kept = 0;

	for (int i = 0; i < t->copies; i++) {
		if (t->copy[i].group >= t->group - groups_left) {
			t->copy[kept++] = t->copy[i];
			continue;
		}
		memcpy(t->copy[i].dst, t->copy[i].src, (size_t)t->copy[i].from_src);
		memset((char *)t->copy[i].dst + t->copy[i].from_src, 0, (size_t)(t->copy[i].bytes - t->copy[i].from_src));
	}
	t->copies = kept;
}

static void thread_main(void)
{
	b.call->run();
	leave(DONE, "the end");
	abort();
}

/* All of them wait at the same barrier: on they go. */
static bool release_block(void)
{
	b.votes = 0;
	for (int i = 0; i < b.threads; i++) {
		if (b.thread[i].state != IN_BLOCK)
			return false;
		if (strcmp(b.thread[i].kind, b.thread[0].kind))
			emulate_die("threads of a block meet in %s and %s", b.thread[0].kind, b.thread[i].kind);
		b.votes += b.thread[i].vote;
	}
	memset(b.ready, 0xff, sizeof b.ready);
	return true;
}

static void run_block(void)
{
	int warps = b.threads / 32, done = 0;
	unsigned turn = (unsigned)(b.seed * 2654435761u >> 7);

	b.turn = turn >> 8;
	if (b.call->shared)
		memset(emulate_dynamic_shared(), 0xff, b.call->shared);
	for (int i = 0; i < b.threads; i++) {
		struct thread *t = b.thread + i;
		unsigned n = (unsigned)i;

		t->number = i, t->state = RUNNING, t->copies = t->group = 0;
		t->index = dim3(n % blockDim.x, n / blockDim.x % blockDim.y, n / blockDim.x / blockDim.y);
		fiber_start(&t->context, b.stacks + (size_t)i * STACK_BYTES, STACK_BYTES - (size_t)(i % 61) * 64, thread_main);
	}
	memset(b.arrived, 0, sizeof b.arrived);
	memset(b.ready, 0xff, sizeof b.ready);
	while (done < b.threads) {
		bool any = false;

		for (int w = 0; w < warps; w++)
			for (struct thread *t; (t = next_ready((int)(((unsigned)w + turn) % (unsigned)warps), 0)); any = true)
				run_thread(&b.scheduler, t);
		done = 0;
		for (int i = 0; i < b.threads; i++)
			done += b.thread[i].state == DONE;
		if (done < b.threads && !release_block() && !any)
			for (int i = 0; i < b.threads; i++)
				if (b.thread[i].state != DONE)
					emulate_die("thread %d of block (%u, %u, %u) waits in %s for threads that never come", i, blockIdx.x,
						    blockIdx.y, blockIdx.z, b.thread[i].kind);
	}
}

static void once_open(void)
{
	const char *seed = getenv("QUERN_EMULATE_SEED");

	b.seed = seed ? strtoull(seed, NULL, 10) : 0;
	b.stacks = (char *)mmap(NULL, (size_t)THREADS_MAX * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	b.shared = (char *)mmap(NULL, (256 << 10) + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b.stacks == MAP_FAILED || b.shared == MAP_FAILED)
		emulate_die("no memory for the threads of a block");
	b.shared_end = b.shared + (256 << 10);
	mprotect(b.shared_end, 4096, PROT_NONE);
}

cudaError_t emulate_check_call(const emulate_call *call)
{
	uint64_t threads = (uint64_t)call->block.x * call->block.y * call->block.z;

	if (call->grid.x == 0 || call->grid.y == 0 || call->grid.z == 0 || call->grid.x > INT32_MAX || call->grid.y > 65535 ||
	    call->grid.z > 65535 || threads == 0 || threads > THREADS_MAX || call->shared > SHARED_MAX)
		return cudaErrorInvalidConfiguration;
	if (threads % 32)
		emulate_die("%s: %llu threads are no whole warps", call->name, (unsigned long long)threads);
	return cudaSuccess;
}

/* Blocks in the order that the seed gives: every k-th, k prime to their number. */
void emulate_run(emulate_call *call)
{
	uint64_t blocks, step;

	if (!b.stacks)
		once_open();
	b.call = call;
	if (call->alone) {
		call->run();
		b.call = NULL;
		return;
	}
	gridDim = call->grid, blockDim = call->block;
	blocks = (uint64_t)gridDim.x * gridDim.y * gridDim.z;
	b.threads = (int)(blockDim.x * blockDim.y * blockDim.z);
	for (step = b.seed % blocks + 1; step > 1; step--) {
		uint64_t x = blocks, y = step;

		while (y) {
			uint64_t r = x % y;

			x = y, y = r;
		}
		if (x == 1)
			break;
	}
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t at = (i * step + b.seed) % blocks;

		blockIdx = dim3((unsigned)(at % gridDim.x), (unsigned)(at / gridDim.x % gridDim.y), (unsigned)(at / gridDim.x / gridDim.y));
		run_block();
	}
	b.call = NULL;
}
