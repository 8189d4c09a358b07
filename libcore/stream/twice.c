/* twice.c - see twice.h. */
#include "stream/twice.h"

#include "base/temp.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct twice {
	const char *const *paths;
	int n, next;
	const struct schema *schema;
	char *path;                  /* of the temporary stream; NULL where files are opened again */
	struct writer *spool;        /* while it is written */
	int fd;                      /* then, since it has no name any more; else -1 */
	struct reader *reader;
	int64_t rows, again;
};

static bool all_plain_files(const char *const *paths, int n)
{
	struct stat st;
	for (int i = 0; i < n; i++)
		if (stat(paths[i], &st) != 0 || !S_ISREG(st.st_mode))
			return false;
	return n > 0;
}

enum status twice_open(struct twice **out, const char *const *paths, int n, const struct schema *s, const char *tmp, struct error *err)
{
	struct twice *t = mem_zalloc(sizeof(*t));
	struct writer_options o = {.format = FORMAT_ARROW};
	int fd;
	*t = (struct twice){.paths = paths, .n = n, .schema = s, .fd = -1};
	enum status st = OK;
	if (!all_plain_files(paths, n)) {
		st = temp_open(&fd, tmp, &t->path, err);
		if (st == OK) {
			close(fd);
			unlink(t->path);     /* the writer takes the name when it is done */
			st = writer_open(&t->spool, t->path, s, KIND_OTHER, NULL, &o, err);
		}
	}
	if (st == OK)
		*out = t;
	else
		twice_close(t);
	return st;
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

enum status twice_keep(struct twice *t, struct batch *b, struct error *err)
{
	t->rows += b->rows;
	return t->spool ? writer_write(t->spool, b, err) : OK;
}

/* The temporary stream, whole now, loses its name and gets the one that its descriptor has. */
static enum status end_spool(struct twice *t, struct error *err)
{
	struct writer *w = t->spool;
	t->spool = NULL;
	TRY(writer_commit(w, err));
	t->fd = open(t->path, O_RDONLY | O_CLOEXEC);
	if (t->fd < 0)
		return error_errno(err, ERR_IO, "%s: cannot open", t->path);
	unlink(t->path);
	mem_free(t->path);
	t->path = mem_printf("/proc/self/fd/%d", t->fd);
	return OK;
}

static enum status open_next(struct twice *t, struct error *err)
{
	const struct reader_options o = {.unhashed = true};
	int n = t->path ? 1 : t->n;
	if (t->spool)
		TRY(end_spool(t, err));
	if (t->next < n)
		return reader_open(&t->reader, t->path ? t->path : t->paths[t->next], &o, err);
	int64_t again = t->again;
	t->next = 0;
	t->again = 0;
	if (again == t->rows)
		return END;
	return error_set(err, ERR_DATA, "the inputs changed while they were read: %lld rows, then %lld", (long long)t->rows, (long long)again);
}

enum status twice_next(struct twice *t, struct batch **b, struct error *err)
{
	enum status st;
	for (;;) {
		if (!t->reader)
			TRY(open_next(t, err));
		st = reader_next(t->reader, b, err);
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
