/* mem.c - allocation, growable bytes, arenas, see mem.h. */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static _Atomic size_t limit_bytes;

/* The one place of the library that ends the process: see the policy in mem.h. */
_Noreturn static void out_of_memory(size_t bytes)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "quern: out of memory: %zu bytes wanted\n", bytes);
	if (write(2, line, (size_t)n) < 0) { /* nothing left to do about it */ }
	_exit(1);
}

void *mem_alloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);
	if (!p)
		out_of_memory(bytes);
	return p;
}

void *mem_zalloc(size_t bytes)
{
	void *p = calloc(1, bytes ? bytes : 1);
	if (!p)
		out_of_memory(bytes);
	return p;
}

static size_t product(size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX)
		out_of_memory(SIZE_MAX);
	return bytes;
}

void *mem_array(size_t n, size_t size)
{
	return mem_zalloc(product(n, size));
}

void *mem_grow(void *p, size_t n, size_t size)
{
	size_t bytes = product(n, size);
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		out_of_memory(bytes);
	return p;
}

#define ALIGNMENT 64

static bool is_allowed(size_t bytes)
{
	size_t cap = atomic_load(&limit_bytes);
	if (bytes > PTRDIFF_MAX - 2 * ALIGNMENT)
		return false;
	if (!cap)
		return true;
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd + bytes <= cap;
}

void *mem_try(size_t bytes)
{
	void *p = NULL;
	return !is_allowed(bytes) || posix_memalign(&p, ALIGNMENT, bytes ? bytes : 1) ? NULL : p;
}

#define LARGE_PAGE ((size_t)2 << 20)

/* Large pages, where Linux has them to give: each is a fault instead of 512, and small ones cost a third of the bandwidth of a read. */
static void ask_for_large_pages(uintptr_t from, uintptr_t to)
{
#ifdef MADV_HUGEPAGE
	from = (from + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
	to &= ~(LARGE_PAGE - 1);
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
	(void)from, (void)to;
#endif
}

/* What stands before zeroed memory. */
struct zeroed {
	void *all;
	size_t mapped;               /* bytes, if it comes from mmap */
};

#ifdef __SANITIZE_ADDRESS__
#define MAPPED SIZE_MAX              /* it watches the borders of calloc's memory alone */
#else
#define MAPPED ((size_t)1 << 20)
#endif

/* What needs several large pages begins and ends with one. */
static struct zeroed map_zeroed(size_t bytes, uintptr_t *from)
{
	bool whole = bytes >= 2 * LARGE_PAGE;
	struct zeroed z = {.mapped = whole ? ((bytes + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1)) + LARGE_PAGE : bytes};

	z.all = mmap(NULL, z.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (z.all == MAP_FAILED)
		return (struct zeroed){NULL, 0};
	*from = whole ? ((uintptr_t)z.all + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1) : (uintptr_t)z.all;
	ask_for_large_pages(*from, whole ? *from + z.mapped - LARGE_PAGE : *from + bytes);
	return z;
}

/* calloc knows not always which pages are fresh from the system, and clears what is reused: what is large is mapped, and costs nothing until
 * it is touched. */
void *mem_try_zeroed(size_t bytes)
{
	struct zeroed z = {NULL, 0};
	uintptr_t from;
	if (!is_allowed(bytes))
		return NULL;
	bytes += 2 * ALIGNMENT;
	if (bytes < MAPPED) {
		z.all = calloc(1, bytes);
		from = (uintptr_t)z.all;
	} else {
		z = map_zeroed(bytes, &from);
	}
	if (!z.all)
		return NULL;
	char *p = (char *)z.all + (from - (uintptr_t)z.all) + ALIGNMENT + (ALIGNMENT - from % ALIGNMENT) % ALIGNMENT;
	memcpy(p - sizeof(z), &z, sizeof(z));
	return p;
}

void mem_free_zeroed(void *p)
{
	struct zeroed z;
	if (!p)
		return;
	memcpy(&z, (char *)p - sizeof(z), sizeof(z));
	if (z.mapped)
		munmap(z.all, z.mapped);
	else
		free(z.all);
}

void mem_limit(size_t bytes)
{
	atomic_store(&limit_bytes, bytes);
}

void mem_free(void *p)
{
	free(p);
}

void mem_discard(const void *p, size_t n)
{
	static const uintptr_t page = 4096;
	uintptr_t from = ((uintptr_t)p + page - 1) & ~(page - 1), to = ((uintptr_t)p + n) & ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

void mem_discard_behind(const char *s, size_t *from, size_t to)
{
	if (to - *from < (size_t)1 << 20)
		return;
	mem_discard(s + *from, to - *from);
	*from = to - 4096;                   /* a page that was not whole is the next time's */
}

void mem_keep(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

void mem_expect(size_t bytes)
{
	static const size_t piece = (size_t)16 << 20, between = 64;    /* a piece is below what malloc maps by itself */
	void *pieces[6];
	uintptr_t from = 0, to = 0;      /* pieces that lie one behind the other */
	size_t n = 0;

	for (; n < 6 && n * piece < bytes && (pieces[n] = malloc(piece)); n++) {
		uintptr_t at = (uintptr_t)pieces[n];

		if (at < to || at > to + between) {
			ask_for_large_pages(from, to);
			from = at;
		}
		to = at + piece;
	}
	ask_for_large_pages(from, to);
	while (n > 0)
		free(pieces[--n]);   /* they are the heap's free end now, as advised */
}

void mem_trim(void)
{
	malloc_trim(0);
}

void mem_give_back(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
	mem_trim();
}

/* The number that follows key at the beginning of a line, or key "" in all of the file; -1 if there is none. */
static long long number_in(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%lld", &n) != 1)
			n = -1;
	if (f)
		fclose(f);
	return n;
}

size_t mem_peak(void)
{
	struct rusage ru;
	long long kib = number_in("/proc/self/status", "VmHWM:");

	if (kib > 0)
		return (size_t)kib * 1024;
	getrusage(RUSAGE_SELF, &ru);         /* of which part is the memory of who started us, before we were there */
	return (size_t)ru.ru_maxrss * 1024;
}

size_t mem_available(void)
{
	long long kib = number_in("/proc/meminfo", "MemAvailable:"), bytes;
	long long most = number_in("/sys/fs/cgroup/memory.max", ""), now = number_in("/sys/fs/cgroup/memory.current", "");
	long long cache = number_in("/sys/fs/cgroup/memory.stat", "inactive_file ");

	bytes = kib >= 0 ? kib * 1024 : (long long)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
	if (most >= 0 && now >= 0) {
		now -= cache > 0 ? cache : 0;
		most = most > now ? most - now : 0;
		bytes = most < bytes ? most : bytes;
	}
	return (size_t)bytes;
}

char *mem_strndup(const char *s, size_t n)
{
	char *p = mem_alloc(n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_printf(const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return buf_detach(&b);
}

/* --- buf ---------------------------------------------------------------------------------- */

void buf_reserve(struct buf *b, size_t more)
{
	size_t need;
	if (__builtin_add_overflow(b->len, more, &need) || __builtin_add_overflow(need, 1, &need))
		out_of_memory(SIZE_MAX);
	if (need <= b->cap)
		return;
	size_t cap = b->cap + b->cap / 2;
	if (cap < need)
		cap = need < 64 ? 64 : need;
	b->data = mem_grow(b->data, cap, 1);
	b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n);
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = 0;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	buf_reserve(b, 64);
	int n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	if (n > 0 && (size_t)n >= b->cap - b->len) {
		buf_reserve(b, (size_t)n);
		vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	va_end(again);
	if (n > 0)
		b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_double(struct buf *b, double v)
{
	char s[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(s, sizeof(s), "%.*g", digits, v);
		if (strtod(s, NULL) == v)
			break;
	}
	buf_str(b, s);
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

char *buf_detach(struct buf *b)
{
	buf_reserve(b, 0);
	b->data[b->len] = 0;
	char *p = b->data;
	*b = (struct buf){0};
	return p;
}

/* --- arena --------------------------------------------------------------------------------- */

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	_Alignas(16) char data[];
};

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t want = (bytes + 15) & ~(size_t)15;
	if (want < bytes)
		out_of_memory(bytes);
	struct arena_block *b = a->head;
	if (!b || b->cap - b->used < want) {
		size_t cap = a->block_bytes ? a->block_bytes : 64 * 1024;
		if (cap < want)
			cap = want;
		b = mem_alloc(sizeof(*b) + cap);
		b->used = 0;
		b->cap = cap;
		b->next = a->head;
		a->head = b;
	}
	void *p = b->data + b->used;
	b->used += want;
	return p;
}

/* A block of its own behind the head, which goes on serving small things. */
void *arena_try(struct arena *a, size_t bytes)
{
	struct arena_block *b = bytes > PTRDIFF_MAX - 64 ? NULL : mem_try(sizeof(*b) + bytes);

	if (!b)
		return NULL;
	b->used = b->cap = bytes;
	b->next = a->head ? a->head->next : NULL;
	if (a->head)
		a->head->next = b;
	else
		a->head = b;
	return b->data;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = 0;
	return p;
}

struct arena_adopted {
	struct arena_adopted *next;
	void *p;
};

void arena_adopt(struct arena *a, void *p)
{
	struct arena_adopted *node = mem_alloc(sizeof(*node));
	*node = (struct arena_adopted){a->adopted, p};
	a->adopted = node;
}

static void release_adopted(struct arena *a)
{
	while (a->adopted) {
		struct arena_adopted *node = a->adopted;
		a->adopted = node->next;
		free(node->p);
		free(node);
	}
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = NULL, *next;
	release_adopted(a);
	for (struct arena_block *b = a->head; b; b = next) {
		next = b->next;
		if (!keep || b->cap > keep->cap) {
			free(keep);
			keep = b;
		} else {
			free(b);
		}
	}
	if (keep) {
		keep->used = 0;
		keep->next = NULL;
	}
	a->head = keep;
}

void arena_release(struct arena *a)
{
	struct arena_block *next;
	release_adopted(a);
	for (struct arena_block *b = a->head; b; b = next) {
		next = b->next;
		free(b);
	}
	a->head = NULL;
}
