/* twice.c - see twice.h. */
#include "stream/twice.h"

#include "base/temp.h"

#include <sys/stat.h>
#include <unistd.h>

struct twice {
	const char *const *paths;
	int n, next;
	const struct schema *schema;
	const char *tmp;
	bool files;                  /* they are opened again */
	char *path;                  /* else that of the temporary stream; NULL before its first batch */
	struct writer *spool;        /* while it is written */
	int fd;                      /* then, since it has no name any more; else -1 */
	struct reader *reader;
	int64_t passed;              /* rows before those that come again */
	int64_t rows, again;         /* of the files, or of the temporary stream: once, and again so far */
};

static bool all_plain_files(const char *const *paths, int n)
{
	struct stat st;
	for (int i = 0; i < n; i++)
		if (stat(paths[i], &st) != 0 || !S_ISREG(st.st_mode))
			return false;
	return n > 0;
}

struct twice *twice_open(const char *const *paths, int n, const struct schema *s, const char *tmp)
{
	struct twice *t = mem_zalloc(sizeof(*t));
	*t = (struct twice){.paths = paths, .n = n, .schema = s, .tmp = tmp, .fd = -1, .files = all_plain_files(paths, n)};
	return t;
}

void twice_close(struct twice *t)
{
	if (!t)
		return;
	writer_abort(t->spool);
	reader_close(t->reader);
	if (t->fd >= 0)
		close(t->fd);
	mem_free(t->path);
	mem_free(t);
}

void twice_pass(struct twice *t, int64_t rows)
{
	t->passed += t->files ? rows : 0;
	t->rows += t->files ? rows : 0;
}

/* A stream without a name, which the writer knows by its descriptor: nothing of it stays, however the process ends. */
static enum status open_spool(struct twice *t, struct error *err)
{
	const struct writer_options o = {.format = FORMAT_ARROW};
	TRY(temp_open(&t->fd, t->tmp, err));
	t->path = temp_path(t->fd);
	return writer_open(&t->spool, t->path, t->schema, KIND_OTHER, NULL, &o, err);
}

enum status twice_keep(struct twice *t, struct batch *b, struct error *err)
{
	t->rows += b->rows;
	if (!t->files && !t->spool)
		TRY(open_spool(t, err));
	return t->files ? OK : error_prefix(err, writer_write(t->spool, b, err), "a temporary file");
}

static enum status end_spool(struct twice *t, struct error *err)
{
	struct writer *w = t->spool;
	t->spool = NULL;
	return error_prefix(err, writer_commit(w, err), "a temporary file");
}

static enum status open_next(struct twice *t, struct error *err)
{
	const struct reader_options o = {.unhashed = true};
	int n = t->files ? t->n : t->path ? 1 : 0;
	if (t->spool)
		TRY(end_spool(t, err));
	if (t->next < n && t->passed < t->rows)
		return reader_open(&t->reader, t->files ? t->paths[t->next] : t->path, &o, err);
	int64_t again = t->next ? t->again : t->rows;
	t->next = 0;
	t->again = 0;
	if (again == t->rows)
		return END;
	return error_set(err, ERR_DATA, "the inputs changed while they were read: %lld rows, then %lld", (long long)t->rows, (long long)again);
}

/* The next batch of the reader, but for those that are passed: NULL. */
static enum status next_batch(struct twice *t, struct batch **b, struct error *err)
{
	int64_t passed = 0, left = t->passed - t->again;
	if (left > 0)
		TRY(reader_skip_rows(t->reader, left, &passed, err));
	t->again += passed;
	TRY(reader_next(t->reader, b, err));
	if (left == passed || left < 0)
		return OK;
	t->again += (*b)->rows;
	enum status st = t->again > t->passed ? error_set(err, ERR_DATA, "the inputs changed while they were read: rows in other batches") : OK;
	batch_release(*b);
	*b = NULL;
	return st;
}

enum status twice_next(struct twice *t, struct batch **b, struct error *err)
{
	enum status st;
	for (;;) {
		if (!t->reader)
			TRY(open_next(t, err));
		st = next_batch(t, b, err);
		if (st == OK && !*b)
			continue;
		if (st != END)
			break;
		reader_close(t->reader);
		t->reader = NULL;
		t->next++;
	}
	TRY(st);
	st = schema_equal((*b)->schema, t->schema) ? batch_rebind(*b, t->schema, err)
						   : error_set(err, ERR_DATA, "the inputs changed while they were read");
	t->again += (*b)->rows;
	if (st == OK && t->again > t->rows)
		st = error_set(err, ERR_DATA, "the inputs changed while they were read: more rows than before");
	if (st != OK)
		batch_release(*b);
	return st;
}
