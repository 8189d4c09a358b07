/* word_count.c - texts cut into words, and counts beyond memory: see word_count.h.
 *
 * A run is the words of one table in the order of their bytes, each as its length, its count (varints) and its bytes. All runs
 * stand one behind the other in one file, which has no name any more and goes with the process. FAN runs of one level become a run of
 * the next, so that few are ever open. */
#include "token/word_count.h"

#include "base/mem.h"
#include "base/temp.h"
#include "token/varint.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define HEAD_MAX (2 * VARINT_MAX)
#define WRITE_BYTES (1 << 18)
#define READ_BYTES_LEAST 4096
#define FAN 64

struct run {
	uint64_t at, end;            /* in the file, what has not been read */
	int level;
	uint8_t *buf;
	size_t pos, len, cap;
	const char *word;            /* the one in turn, in buf */
	size_t n;
	uint64_t count;
};

struct word_counter {
	struct word_table words;
	size_t memory;
	int fd;                      /* -1 before the first run */
	uint64_t written;
	struct run *runs;
	int32_t n_runs, cap_runs;
	int spilled;
};

/* --- texts --------------------------------------------------------------------------------- */

static enum status count_stage(struct piece_cutter *k, int stage, const uint8_t *p, size_t n, struct word_table *t, struct error *err)
{
	size_t from, to;
	enum status st;

	if (stage == k->n_stages) {
		word_table_add(t, (const char *)p, n, 1);
		return OK;
	}
	pretok_begin(&k->iter[stage], &k->stages[stage], p, n);
	while ((st = pretok_next(&k->iter[stage], &from, &to, err)) == OK)
		TRY(count_stage(k, stage + 1, p + from, to - from, t, err));
	return st == END ? OK : st;
}

enum status piece_count(struct piece_cutter *k, const char *text, size_t n, struct word_table *t, struct error *err)
{
	if (n > INT32_MAX)
		return error_set(err, ERR_DATA, "a text of %zu bytes is too long", n);
	return count_stage(k, 0, (const uint8_t *)text, n, t, err);
}

void piece_cutter_release(struct piece_cutter *k)
{
	for (int i = 0; i < 2; i++)
		pretok_iter_release(&k->iter[i]);
}

/* --- a counter ------------------------------------------------------------------------------ */

struct word_counter *word_counter_open(size_t memory)
{
	struct word_counter *c = mem_zalloc(sizeof(*c));

	c->memory = memory < WORD_TABLE_MAX ? memory : WORD_TABLE_MAX;
	c->fd = -1;
	return c;
}

void word_counter_close(struct word_counter *c)
{
	if (!c)
		return;
	mem_free(c->runs);
	word_table_release(&c->words);
	if (c->fd >= 0)
		close(c->fd);
	mem_free(c);
}

int word_counter_runs(const struct word_counter *c)
{
	return c->spilled;
}

/* --- runs in -------------------------------------------------------------------------------- */

/* Makes sure that bytes [pos, pos + need) of the buffer are there, or all that the run has left. */
static enum status fill(struct run *r, int fd, size_t need, struct error *err)
{
	if (r->len - r->pos >= need)
		return OK;
	memmove(r->buf, r->buf + r->pos, r->len - r->pos);
	r->len -= r->pos;
	r->pos = 0;
	if (need > r->cap) {
		r->buf = mem_grow(r->buf, need, 1);
		r->cap = need;
	}
	while (r->len < need && r->at < r->end) {
		size_t want = r->end - r->at < r->cap - r->len ? (size_t)(r->end - r->at) : r->cap - r->len;
		ssize_t got = pread(fd, r->buf + r->len, want, (off_t)r->at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, ERR_IO, "cannot read the temporary file of words");
		if (got == 0)
			return error_set(err, ERR_IO, "the temporary file of words was cut short");
		r->len += (size_t)got;
		r->at += (uint64_t)got;
	}
	return OK;
}

/* The run's next word; END after the last. */
static enum status next_word(struct run *r, int fd, struct error *err)
{
	const uint8_t *p;
	uint64_t n;
	size_t head;

	TRY(fill(r, fd, HEAD_MAX, err));
	if (r->pos == r->len)
		return END;
	p = varint_get(varint_get(r->buf + r->pos, &n), &r->count);
	head = (size_t)(p - (r->buf + r->pos));
	TRY(fill(r, fd, head + n, err));
	r->word = (const char *)r->buf + r->pos + head;
	r->n = n;
	r->pos += head + n;
	return OK;
}

static int order(const struct run *a, const struct run *b)
{
	int c = memcmp(a->word, b->word, a->n < b->n ? a->n : b->n);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

/* Runs as a heap, the one with the least word at its top; sinks the i-th. */
static void sink(struct run **heap, int32_t n, int32_t i)
{
	struct run *r = heap[i];

	for (int32_t c; (c = 2 * i + 1) < n; i = c) {
		if (c + 1 < n && order(heap[c + 1], heap[c]) < 0)
			c++;
		if (order(heap[c], r) >= 0)
			break;
		heap[i] = heap[c];
	}
	heap[i] = r;
}

static enum status merge_open(const struct word_counter *c, struct run **heap, int32_t n, word_emit *emit, void *arg, struct error *err)
{
	struct buf word = {0};
	uint64_t count = 0;
	enum status st = OK;

	for (int32_t i = n / 2; i-- > 0;)
		sink(heap, n, i);
	while (n && st == OK) {
		struct run *r = heap[0];

		if (count && (word.len != r->n || memcmp(word.data, r->word, r->n))) {
			emit(arg, word.data, word.len, count);
			count = 0;
		}
		if (!count) {
			buf_clear(&word);
			buf_add(&word, r->word, r->n);
		}
		count += r->count;
		st = next_word(r, c->fd, err);
		if (st == END) {
			heap[0] = heap[--n];
			st = OK;
		}
		if (n)
			sink(heap, n, 0);
	}
	if (count && st == OK)
		emit(arg, word.data, word.len, count);
	buf_release(&word);
	return st;
}

/* Gives the words of the runs from the first-th on. */
static enum status merge(struct word_counter *c, int32_t first, word_emit *emit, void *arg, struct error *err)
{
	int32_t n = c->n_runs - first;
	struct run **heap = mem_array((size_t)n, sizeof(struct run *));
	size_t each = c->memory / (size_t)n;
	enum status st = OK;

	each = each < READ_BYTES_LEAST ? READ_BYTES_LEAST : each > WRITE_BYTES ? WRITE_BYTES : each;
	for (int32_t i = 0; i < n && st == OK; i++) {
		heap[i] = &c->runs[first + i];
		heap[i]->buf = mem_alloc(each);
		heap[i]->cap = each;
		st = next_word(heap[i], c->fd, err);
	}
	if (st == OK)
		st = merge_open(c, heap, n, emit, arg, err);
	for (int32_t i = 0; i < n; i++)
		mem_free(c->runs[first + i].buf);
	mem_free(heap);
	return st;
}

/* --- runs out ------------------------------------------------------------------------------- */

struct run_writer {
	struct word_counter *c;
	struct buf out;
	struct error *err;
	enum status st;
};

static void write_out(struct run_writer *w)
{
	for (size_t done = 0; done < w->out.len && w->st == OK;) {
		ssize_t n = write(w->c->fd, w->out.data + done, w->out.len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			w->st = error_errno(w->err, ERR_IO, "cannot write the temporary file of words");
	}
	w->c->written += w->out.len;
	buf_clear(&w->out);
}

static void put_word(void *writer, const char *p, size_t n, uint64_t count)
{
	struct run_writer *w = writer;
	uint8_t head[HEAD_MAX];

	if (w->st != OK)
		return;
	buf_add(&w->out, head, (size_t)(varint_put(varint_put(head, n), count) - head));
	buf_add(&w->out, p, n);
	if (w->out.len >= WRITE_BYTES)
		write_out(w);
}

/* What the writer has been given since the file was `from` bytes long is a run. */
static enum status end_run(struct run_writer *w, uint64_t from, int level)
{
	struct word_counter *c = w->c;

	write_out(w);
	buf_release(&w->out);
	MEM_PUSH_ROOM(c->runs, c->n_runs, c->cap_runs);
	c->runs[c->n_runs++] = (struct run){.at = from, .end = c->written, .level = level};
	return w->st;
}

/* The last FAN runs become one. Their bytes go back where the file system can do that, else at the end. */
static enum status gather(struct word_counter *c, struct error *err)
{
	int32_t first = c->n_runs - FAN;
	uint64_t hole = c->runs[first].at, from = c->written;
	struct run_writer w = {.c = c, .err = err};
	int level = c->runs[first].level + 1;
	enum status st = merge(c, first, put_word, &w, err);

	(void)fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)hole, (off_t)(from - hole));
	c->n_runs = first;
	if (st != OK)
		w.st = st;
	return end_run(&w, from, level);
}

static enum status spill(struct word_counter *c, struct error *err)
{
	struct run_writer w = {.c = c, .err = err};
	uint64_t from = c->written;

	if (c->fd < 0)
		TRY(temp_open(&c->fd, NULL, err));
	word_table_sort(&c->words);
	for (size_t i = 0; i < c->words.n; i++) {
		uint64_t count;
		size_t n;
		const char *p = word_table_at(&c->words, i, &n, &count);

		put_word(&w, p, n, count);
	}
	word_table_release(&c->words);
	c->spilled++;
	TRY(end_run(&w, from, 0));
	while (c->n_runs >= FAN && c->runs[c->n_runs - FAN].level == c->runs[c->n_runs - 1].level)
		TRY(gather(c, err));
	return OK;
}

struct addition {
	struct word_counter *c;
	struct error *err;
	enum status st;
};

static void add_word(void *arg, const char *p, size_t n, uint64_t count)
{
	struct addition *a = arg;

	if (a->st != OK)
		return;
	word_table_add(&a->c->words, p, n, count);
	/* Sorting takes as much again as the words' slots. */
	if (a->c->words.bytes + a->c->words.n * sizeof(struct word_slot) > a->c->memory)
		a->st = spill(a->c, a->err);
}

enum status word_counter_add(struct word_counter *c, const struct word_table *t, struct error *err)
{
	struct addition a = {c, err, OK};

	word_table_each(t, add_word, &a);
	return a.st;
}

enum status word_counter_drain(struct word_counter *c, word_emit *emit, void *arg, struct error *err)
{
	if (!c->n_runs) {
		word_table_each(&c->words, emit, arg);
		word_table_release(&c->words);
		return OK;
	}
	if (c->words.n)
		TRY(spill(c, err));
	return merge(c, 0, emit, arg, err);
}
