/* shuffle.c - external sort of rows by a random key; see shuffle.h. */
#include "stream/shuffle.h"

#include "base/temp.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <unistd.h>

struct held {                        /* a row that waits for its place */
	uint64_t key;
	int64_t number;
	struct batch *batch;
	int64_t row;
};

struct run {                         /* a sorted run on disk; its last column is the key */
	struct reader *reader;
	struct batch *batch;
	int64_t row;
};

struct shuffle {
	const struct schema *schema;
	struct schema run_schema;
	struct pool *pool;
	int64_t memory, added;
	struct held *held;
	int64_t n_held, cap_held;
	size_t held_bytes;
	struct batch *last_held;
	struct run *runs;
	int n_runs, cap_runs;
};

struct shuffle *shuffle_open(const struct schema *s, int64_t memory, struct pool *pool)
{
	struct shuffle *sh = mem_zalloc(sizeof(*sh));
	sh->schema = s;
	sh->memory = memory;
	sh->pool = pool;
	schema_copy(&sh->run_schema, s);
	schema_add_spec(&sh->run_schema, "quern.key: uint64");
	return sh;
}

static void let_go(struct shuffle *s)
{
	for (int64_t i = 0; i < s->n_held; i++)
		batch_release(s->held[i].batch);
	s->n_held = 0;
	s->held_bytes = 0;
	s->last_held = NULL;
}

void shuffle_close(struct shuffle *s)
{
	if (!s)
		return;
	let_go(s);
	for (int i = 0; i < s->n_runs; i++) {
		batch_release(s->runs[i].batch);
		reader_close(s->runs[i].reader);
	}
	mem_free(s->held);
	mem_free(s->runs);
	schema_release(&s->run_schema);
	mem_free(s);
}

int shuffle_runs(const struct shuffle *s)
{
	return s->n_runs;
}

static int by_key(const void *x, const void *y)
{
	const struct held *a = x, *b = y;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static void sort_held(struct shuffle *s)
{
	if (s->n_held)
		qsort(s->held, (size_t)s->n_held, sizeof(*s->held), by_key);
}

static enum status write_run(struct shuffle *s, const char *path, struct error *err)
{
	struct writer *w;
	struct writer_options o = { .format = FORMAT_ARROW, .pool = s->pool };
	TRY(writer_open(&w, path, &s->run_schema, KIND_OTHER, NULL, &o, err));
	enum status st = OK;
	for (int64_t i = 0; i < s->n_held && st == OK; i++) {
		struct builder *b = writer_builder(w);
		for (int c = 0; c < s->schema->n_fields; c++)
			column_copy(builder_column(b, c), &s->held[i].batch->columns[c], s->held[i].row);
		column_int(builder_column(b, s->schema->n_fields), (int64_t)s->held[i].key);
		st = writer_row(w, err);
	}
	if (st == OK)
		return writer_commit(w, err);
	writer_abort(w);
	return st;
}

/* What is held becomes a sorted run, in a file without a name. */
static enum status spill(struct shuffle *s, struct error *err)
{
	int fd;
	TRY(temp_open(&fd, NULL, err));
	char *path = temp_path(fd);
	sort_held(s);
	enum status st = write_run(s, path, err);
	MEM_PUSH_ROOM(s->runs, s->n_runs, s->cap_runs);
	if (st == OK) {
		s->runs[s->n_runs] = (struct run){0};
		st = reader_open(&s->runs[s->n_runs].reader, path, NULL, err);
		s->n_runs += st == OK;
	}
	close(fd);           /* the reader has its own */
	mem_free(path);
	let_go(s);
	return st;
}

enum status shuffle_add(struct shuffle *s, struct batch *b, int64_t row, uint64_t key, struct error *err)
{
	MEM_PUSH_ROOM(s->held, s->n_held, s->cap_held);
	s->held[s->n_held++] = (struct held){ key, s->added++, batch_retain(b), row };
	s->held_bytes += sizeof(struct held);
	if (b != s->last_held)
		s->held_bytes += batch_bytes(b);
	s->last_held = b;
	return s->held_bytes > (size_t)s->memory ? spill(s, err) : OK;
}

/* Makes sure that r->batch has a row at r->row, or that r has ended. Batches outlive their reader if someone keeps them. */
static enum status fill_run(const struct shuffle *s, struct run *r, struct error *err)
{
	while (r->reader && (!r->batch || r->row == r->batch->rows)) {
		batch_release(r->batch);
		r->batch = NULL;
		r->row = 0;
		enum status st = reader_next(r->reader, &r->batch, err);
		if (st == END) {
			reader_close(r->reader);
			r->reader = NULL;
		} else {
			TRY(st);
			TRY(batch_rebind(r->batch, &s->run_schema, err));
		}
	}
	return OK;
}

/* Earlier runs hold earlier rows, so that ties go as they do in memory. */
static enum status merge(struct shuffle *s, shuffle_emit *emit, void *arg, struct error *err)
{
	for (;;) {
		struct run *least = NULL;
		uint64_t key = 0;
		for (int i = 0; i < s->n_runs; i++) {
			struct run *r = &s->runs[i];
			TRY(fill_run(s, r, err));
			if (!r->reader)
				continue;
			uint64_t k = (uint64_t)array_int(&r->batch->columns[s->schema->n_fields], r->row);
			if (!least || k < key) {
				least = r;
				key = k;
			}
		}
		if (!least)
			return OK;
		TRY(emit(arg, least->batch, least->row++, err));
	}
}

enum status shuffle_drain(struct shuffle *s, shuffle_emit *emit, void *arg, struct error *err)
{
	if (s->n_runs) {
		if (s->n_held)
			TRY(spill(s, err));
		return merge(s, emit, arg, err);
	}
	sort_held(s);
	for (int64_t i = 0; i < s->n_held; i++)
		TRY(emit(arg, s->held[i].batch, s->held[i].row, err));
	return OK;
}
