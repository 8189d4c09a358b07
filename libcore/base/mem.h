/* mem.h - memory: allocation that cannot fail, allocation that may, growable bytes, arenas.
 *
 * The policy: what the program itself sizes (tables, paths, one row's scratch) is allocated with
 * mem_alloc and friends, which end the process with exit status 1 and one sentence when the machine has no
 * memory left; what the input sizes (a batch body, a declared length) goes through mem_try, which
 * returns NULL and lets the caller report ERR_MEMORY. All are released with mem_free. */
#ifndef QUERN_BASE_MEM_H
#define QUERN_BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *mem_alloc(size_t bytes);                       /* never NULL, not zeroed */
void *mem_zalloc(size_t bytes);                      /* never NULL, zeroed */
void *mem_array(size_t n, size_t size);              /* n * size, overflow checked, zeroed */
void *mem_grow(void *p, size_t n, size_t size);      /* realloc to n * size, overflow checked */
void *mem_try(size_t bytes);                         /* NULL when there is not that much; 64-byte aligned */
/* The same, zeroed, for mem_free_zeroed alone; of much memory, pages cost nothing until they are used, and are large ones where there are such. */
void *mem_try_zeroed(size_t bytes);
void mem_free_zeroed(void *p);                       /* NULL allowed */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p);
/* Gives the whole pages of these bytes, which nobody reads again, back to the system; the memory stays the caller's. */
void mem_discard(const void *p, size_t n);
/* The same of s[*from..to) once that is a MiB: for loops that read s once. */
void mem_discard_behind(const char *s, size_t *from, size_t to);
/* The cap of --memory over mem_try, in bytes; 0 lifts it. */
void mem_limit(size_t bytes);
/* Keeps freed memory for the next batch, up to 128 MiB, instead of giving it back to the system and taking it again page by page. */
void mem_keep(void);
/* So many bytes more are soon in use, in pieces of any size: where the system has large pages, the heap grows by them, each a fault instead of
 * 512. Only after mem_keep, and only up to 96 MiB. */
void mem_expect(size_t bytes);
/* Gives back what is free now, and goes on keeping: after something much larger than what is to come. */
void mem_trim(void);
/* Ends that: gives back what is free, and from here on lets large pieces come from the system one by one, so that they grow in place
 * and leave no holes. For a phase that holds a few growing arrays. */
void mem_give_back(void);
/* Highest resident size of this process so far, in bytes. */
size_t mem_peak(void);
/* Bytes that the machine could still give this process: what Linux calls available, within the limit of its control group. */
size_t mem_available(void);

/* Makes room for one more element in a (pointer, count, capacity) triple. */
#define MEM_PUSH_ROOM(p, n, cap)                                          \
	do {                                                              \
		if ((n) == (cap)) {                                       \
			(cap) = (cap) ? (cap) * 2 : 8;                    \
			(p) = mem_grow((p), (size_t)(cap), sizeof(*(p))); \
		}                                                         \
	} while (0)

/* Growable bytes. {0} is a valid empty buf; buf_release frees. data is NUL-terminated whenever a
 * buf_ function has returned, but may hold NULs: len counts. */
struct buf {
	char *data;
	size_t len, cap;
};
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
static inline void buf_clear(struct buf *b) { b->len = 0; if (b->data) b->data[0] = 0; }
void buf_double(struct buf *b, double v);            /* the shortest decimal that reads back as v */
void buf_release(struct buf *b);
char *buf_detach(struct buf *b);                     /* hands over data (never NULL), leaves b empty */

/* Arena: many small things with one lifetime. Pointers stay valid until reset or release. */
struct arena {
	struct arena_block *head;
	struct arena_adopted *adopted;
	size_t block_bytes;                          /* 0 = 64 KiB */
};
void *arena_alloc(struct arena *a, size_t bytes);    /* 16-byte aligned, not zeroed, never NULL */
void *arena_try(struct arena *a, size_t bytes);      /* as mem_try: for sizes that the input decides */
char *arena_strndup(struct arena *a, const char *s, size_t n);
void arena_adopt(struct arena *a, void *p);          /* p, from mem_alloc and friends, is released with the arena's own */
void arena_reset(struct arena *a);                   /* keeps the largest block for reuse */
void arena_release(struct arena *a);

#endif
