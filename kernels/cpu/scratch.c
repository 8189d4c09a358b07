/* scratch.c - one piece of memory per thread that asks, released when the thread ends. */
#include "cpu/scratch.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

static _Thread_local struct {
	char *start;
	size_t bytes;
} scratch;

static pthread_key_t key;       /* holds what is to be released */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
	(void)pthread_key_create(&key, mem_free);
}

void *cpu_scratch(size_t bytes)
{
	char *block;

	if (bytes <= scratch.bytes)
		return scratch.start;
	bytes = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	pthread_once(&once, make_key);
	mem_free(pthread_getspecific(key));
	block = mem_alloc(bytes + LARGE_PAGE);
	(void)pthread_setspecific(key, block);
	scratch.start = block + (LARGE_PAGE - (uintptr_t)block % LARGE_PAGE);
	scratch.bytes = bytes;
#ifdef MADV_HUGEPAGE
	(void)madvise(scratch.start, bytes, MADV_HUGEPAGE);
#endif
	return scratch.start;
}
