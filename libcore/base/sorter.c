/* sorter.c - see sorter.h. */
#include "base/sorter.h"

#include "base/mem.h"
#include "base/temp.h"

#include <errno.h>
#include <unistd.h>

#define MEMORY_MIN (64 << 10)
#define BUFFER_MIN 4096              /* bytes of a run that are read at once */
#define SMALL 24                     /* records that insertion sorts faster */

/* --- in memory ------------------------------------------------------------------------------- */

static int compare(const uint64_t *a, const uint64_t *b, int words)
{
	for (int i = 0; i < words; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

static void insertion_sort(uint64_t *v, size_t n, int words)
{
	size_t bytes = (size_t)words * sizeof(*v);
	for (size_t i = 1; i < n; i++) {
		uint64_t record[SORTER_WORDS_MAX];
		size_t at = i;
		memcpy(record, v + i * (size_t)words, bytes);
		while (at > 0 && compare(record, v + (at - 1) * (size_t)words, words) < 0)
			at--;
		memmove(v + (at + 1) * (size_t)words, v + at * (size_t)words, (i - at) * bytes);
		memcpy(v + at * (size_t)words, record, bytes);
	}
}

static unsigned digit(const uint64_t *record, int at)
{
	return record[at / 8] >> (56 - at % 8 * 8) & 255;
}

static void swap(uint64_t *a, uint64_t *b, int words)
{
	for (int i = 0; i < words; i++) {
		uint64_t x = a[i];
		a[i] = b[i];
		b[i] = x;
	}
}

/* Puts records in the order of one digit; end[d] is where those of digit d end. False if all have the same. */
static bool deal(uint64_t *v, size_t n, int words, int at, size_t end[256])
{
	size_t next[256], count[256] = {0}, sum = 0;
	for (size_t i = 0; i < n; i++)
		count[digit(v + i * (size_t)words, at)]++;
	if (count[digit(v, at)] == n)
		return false;
	for (int d = 0; d < 256; d++) {
		next[d] = sum;
		end[d] = sum += count[d];
	}
	for (unsigned d = 0; d < 256; d++)
		while (next[d] < end[d]) {
			uint64_t *record = v + next[d] * (size_t)words;
			unsigned goes = digit(record, at);
			if (goes == d)
				next[d]++;
			else
				swap(record, v + next[goes]++ * (size_t)words, words);
		}
	return true;
}

static void sort_from(uint64_t *v, size_t n, int words, int at)
{
	size_t end[256];
	while (n > SMALL && at < words * 8 && !deal(v, n, words, at, end))
		at++;
	if (n <= SMALL) {
		insertion_sort(v, n, words);
		return;
	}
	for (int d = 0; at < words * 8 && d < 256; d++) {
		size_t from = d ? end[d - 1] : 0;
		if (end[d] - from > 1)
			sort_from(v + from * (size_t)words, end[d] - from, words, at + 1);
	}
}

void sorter_sort(uint64_t *v, size_t n, int words)
{
	if (n > 1)
		sort_from(v, n, words, 0);
}

/* --- runs ------------------------------------------------------------------------------------ */

struct run {
	uint64_t at, end;            /* bytes of the file not yet read */
	uint64_t *records;
	size_t n, next;              /* in the buffer */
};

struct sorter {
	int words;
	size_t memory;
	const char *dir;
	struct pool *pool;
	uint64_t *records;
	size_t n, cap, next;
	uint64_t added;
	int fd;                      /* -1: nothing on disk */
	uint64_t written;
	struct run *runs;
	int n_runs, cap_runs;
	size_t buffer;               /* records of a run in memory */
	int *heap, n_heap;           /* runs with records left, the least on top */
};

struct sorter *sorter_open(int words, size_t memory, const char *dir, struct pool *pool)
{
	struct sorter *s = mem_zalloc(sizeof(*s));
	s->words = words;
	s->memory = memory < MEMORY_MIN ? MEMORY_MIN : memory;
	s->dir = dir;
	s->pool = pool;
	s->fd = -1;
	return s;
}

void sorter_close(struct sorter *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->n_runs; i++)
		mem_free(s->runs[i].records);
	if (s->fd >= 0)
		close(s->fd);
	mem_free(s->runs);
	mem_free(s->heap);
	mem_free(s->records);
	mem_free(s);
}

static size_t record_bytes(const struct sorter *s)
{
	return (size_t)s->words * sizeof(*s->records);
}

struct share {                       /* the records of a first digit, for a thread */
	struct sorter *s;
	int at;
	size_t end[256];
};

static void sort_share(void *arg, int64_t d, int worker)
{
	struct share *x = arg;
	size_t from = d ? x->end[d - 1] : 0;
	(void)worker;
	if (x->end[d] - from > 1)
		sort_from(x->s->records + from * (size_t)x->s->words, x->end[d] - from, x->s->words, x->at + 1);
}

static void sort_held(struct sorter *s)
{
	struct share x = {.s = s};
	if (s->n < 2)
		return;
	while (x.at < s->words * 8 && !deal(s->records, s->n, s->words, x.at, x.end))
		x.at++;
	if (x.at < s->words * 8)
		pool_run(s->pool, 256, sort_share, &x);
}

static enum status write_all(struct sorter *s, struct error *err)
{
	const char *p = (const char *)s->records;
	size_t left = s->n * record_bytes(s);
	while (left > 0) {
		ssize_t n = pwrite(s->fd, p, left, (off_t)s->written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, ERR_IO, "cannot write a temporary file");
		p += n;
		left -= (size_t)n;
		s->written += (uint64_t)n;
	}
	return OK;
}

static enum status spill(struct sorter *s, struct error *err)
{
	if (s->fd < 0)
		TRY(temp_open(&s->fd, s->dir, err));
	sort_held(s);
	uint64_t from = s->written;
	TRY(write_all(s, err));
	MEM_PUSH_ROOM(s->runs, s->n_runs, s->cap_runs);
	s->runs[s->n_runs++] = (struct run){.at = from, .end = s->written};
	s->n = 0;
	return OK;
}

enum status sorter_add(struct sorter *s, const uint64_t *record, struct error *err)
{
	if (s->n == s->cap) {
		size_t most = s->memory / record_bytes(s), cap = s->cap ? s->cap * 2 : MEMORY_MIN / record_bytes(s);
		cap = cap < most ? cap : most;
		if (s->n == cap)
			TRY(spill(s, err));
		else
			s->records = mem_grow(s->records, s->cap = cap, record_bytes(s));
	}
	memcpy(s->records + s->n++ * (size_t)s->words, record, record_bytes(s));
	s->added++;
	return OK;
}

/* --- merging --------------------------------------------------------------------------------- */

/* Reads on in a run; n is 0 behind its end. */
static enum status fill(struct sorter *s, struct run *r, struct error *err)
{
	size_t want = s->buffer * record_bytes(s), got = 0;
	if (want > r->end - r->at)
		want = r->end - r->at;
	while (got < want) {
		ssize_t n = pread(s->fd, (char *)r->records + got, want - got, (off_t)(r->at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, ERR_IO, "cannot read a temporary file");
		if (n == 0)
			return error_set(err, ERR_IO, "a temporary file was cut");
		got += (size_t)n;
	}
	r->at += got;
	r->n = got / record_bytes(s);
	r->next = 0;
	return OK;
}

static const uint64_t *head(const struct sorter *s, int run)
{
	return s->runs[run].records + s->runs[run].next * (size_t)s->words;
}

static void sift_down(struct sorter *s, int at)
{
	for (;;) {
		int least = at;
		for (int child = 2 * at + 1; child <= 2 * at + 2 && child < s->n_heap; child++)
			if (compare(head(s, s->heap[child]), head(s, s->heap[least]), s->words) < 0)
				least = child;
		if (least == at)
			return;
		int x = s->heap[at];
		s->heap[at] = s->heap[least];
		s->heap[least] = x;
		at = least;
	}
}

enum status sorter_finish(struct sorter *s, struct error *err)
{
	if (s->n_runs == 0) {
		sort_held(s);
		return OK;
	}
	if (s->n)
		TRY(spill(s, err));
	mem_free(s->records);
	s->records = NULL;
	s->cap = 0;
	size_t bytes = s->memory / (size_t)s->n_runs;
	s->buffer = (bytes < BUFFER_MIN ? BUFFER_MIN : bytes) / record_bytes(s);
	s->heap = mem_array((size_t)s->n_runs, sizeof(*s->heap));
	for (int i = 0; i < s->n_runs; i++) {
		s->runs[i].records = mem_array(s->buffer, record_bytes(s));
		TRY(fill(s, &s->runs[i], err));
		s->heap[s->n_heap++] = i;
	}
	for (int i = s->n_heap / 2; i >= 0; i--)
		sift_down(s, i);
	return OK;
}

enum status sorter_next(struct sorter *s, uint64_t *record, struct error *err)
{
	if (s->n_runs == 0) {
		if (s->next == s->n)
			return END;
		memcpy(record, s->records + s->next++ * (size_t)s->words, record_bytes(s));
		return OK;
	}
	if (s->n_heap == 0)
		return END;
	struct run *r = &s->runs[s->heap[0]];
	memcpy(record, head(s, s->heap[0]), record_bytes(s));
	if (++r->next == r->n) {
		TRY(fill(s, r, err));
		if (r->n == 0)
			s->heap[0] = s->heap[--s->n_heap];
	}
	sift_down(s, 0);
	return OK;
}

int sorter_runs(const struct sorter *s)
{
	return s->n_runs;
}

uint64_t sorter_records(const struct sorter *s)
{
	return s->added;
}
