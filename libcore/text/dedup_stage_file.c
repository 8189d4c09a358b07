/* dedup_stage_file.c - see dedup_stage_file.h. */
#include "text/dedup_stage_file.h"

#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3244446e72657571ull  /* "quernDD2" */

static uint64_t identity_of(const struct dedup_stage *s)
{
	const uint64_t words[] = {s->identity, (uint64_t)s->parts};
	return hash64(words, sizeof(words));
}

/* part 0: the one file of that name. */
static char *file_path(const struct dedup_stage *s, const char *what, int part)
{
	return part ? mem_printf("%s/%s-%d", s->dir, what, part) : mem_printf("%s/%s", s->dir, what);
}

enum status stage_create(struct stage_out *f, const struct dedup_stage *s, const char *what, int part, struct error *err)
{
	char *path = file_path(s, what, part);
	*f = (struct stage_out){.end = {.magic = MAGIC, .identity = identity_of(s)}};
	enum status st = dir_make(s->dir, err);
	if (st == OK)
		st = output_open(&f->to, path, err);
	f->hash = hasher_open();
	mem_free(path);
	return st;
}

enum status stage_put(struct stage_out *f, const void *p, size_t n, struct error *err)
{
	hasher_add(f->hash, p, n);
	f->end.bytes += n;
	return output_write(f->to, p, n, err);
}

enum status stage_finish(struct stage_out *f, enum status st, uint64_t rows, struct error *err)
{
	f->end.rows = rows;
	f->end.hash = hasher_64(f->hash);
	hasher_close(f->hash);
	if (st == OK)
		st = output_write(f->to, &f->end, sizeof(f->end), err);
	if (st == OK)
		return output_commit(f->to, err);
	output_abort(f->to);
	return st;
}

static enum status check(const struct stage_in *f, const struct dedup_stage *s, const char *path, struct error *err)
{
	if (f->end.magic != MAGIC || f->end.bytes != f->mapped - sizeof(f->end))
		return error_set(err, ERR_DATA, "%s: this is no whole file of a stage", path);
	if (f->end.identity != identity_of(s))
		return error_set(err, ERR_DATA, "%s: of another run: all stages need the same options and number of parts", path);
	if (hash64(f->bytes, f->end.bytes) != f->end.hash)
		return error_set(err, ERR_DATA, "%s: checksum mismatch", path);
	return OK;
}

static enum status map_path(struct stage_in *f, const char *path, struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	*f = (struct stage_in){0};
	if (fd < 0 || fstat(fd, &st) != 0) {
		int saved = errno;
		if (fd >= 0)
			close(fd);
		errno = saved;
		return error_errno(err, ERR_IO, "%s: cannot open", path);
	}
	if ((size_t)st.st_size < sizeof(f->end)) {
		close(fd);
		return error_set(err, ERR_DATA, "%s: this is no whole file of a stage", path);
	}
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return error_errno(err, ERR_IO, "%s: cannot map", path);
	f->bytes = map;
	f->mapped = (size_t)st.st_size;
	memcpy(&f->end, f->bytes + f->mapped - sizeof(f->end), sizeof(f->end));
	return OK;
}

void stage_unmap(struct stage_in *f)
{
	if (f->bytes)
		munmap((void *)f->bytes, f->mapped);
	f->bytes = NULL;
}

enum status stage_map(struct stage_in *f, const struct dedup_stage *s, const char *what, int part, struct error *err)
{
	char *path = file_path(s, what, part);
	enum status st = map_path(f, path, err);
	if (st == OK)
		st = check(f, s, path, err);
	if (st != OK)
		stage_unmap(f);
	mem_free(path);
	return st;
}

/* --- things of any size by row ---------------------------------------------------------------- */

enum status stage_put_things(const struct dedup_stage *s, const char *what, const struct spool *things, uint32_t n, struct error *err)
{
	struct stage_out f;
	uint64_t end = 0;
	size_t bytes;
	enum status st = stage_create(&f, s, what, s->part, err);
	for (uint32_t row = 0; row < n && st == OK; row++) {
		spool_get(things, row, &bytes);
		end += bytes;
		st = stage_put(&f, &end, sizeof(end), err);
	}
	for (uint32_t row = 0; row < n && st == OK; row++) {
		const void *thing = spool_get(things, row, &bytes);
		st = stage_put(&f, thing, bytes, err);
	}
	return stage_finish(&f, st, n, err);
}

static enum status check_things(const struct dedup_stage *s, const struct stage_in *f, const char *what, int part, struct error *err)
{
	const uint64_t *ends = (const uint64_t *)(const void *)f->bytes;
	uint64_t rows = f->end.rows;
	bool good = rows <= f->end.bytes / sizeof(*ends) && (rows ? ends[rows - 1] : 0) == f->end.bytes - rows * sizeof(*ends);
	for (uint64_t row = 1; row < rows && good; row++)
		good = ends[row - 1] <= ends[row];
	return good ? OK : error_set(err, ERR_DATA, "%s/%s-%d: places that cannot be", s->dir, what, part);
}

enum status stage_map_things(struct stage_things *t, const struct dedup_stage *s, const char *what, struct error *err)
{
	*t = (struct stage_things){.n = s->parts};
	t->parts = mem_array((size_t)s->parts, sizeof(*t->parts));
	for (int p = 1; p <= s->parts; p++) {
		TRY(stage_map(&t->parts[p - 1], s, what, p, err));
		TRY(check_things(s, &t->parts[p - 1], what, p, err));
	}
	return OK;
}

const void *stage_thing(const struct stage_things *t, uint64_t row, size_t *n)
{
	const struct stage_in *f = t->parts;
	for (; f < t->parts + t->n - 1 && row >= f->end.rows; f++)
		row -= f->end.rows;
	*n = 0;
	if (row >= f->end.rows)
		return "";
	const uint64_t *ends = (const uint64_t *)(const void *)f->bytes;
	uint64_t from = row ? ends[row - 1] : 0;
	*n = ends[row] - from;
	return (const char *)(ends + f->end.rows) + from;
}

void stage_unmap_things(struct stage_things *t)
{
	for (int p = 0; t->parts && p < t->n; p++)
		stage_unmap(&t->parts[p]);
	mem_free(t->parts);
	t->parts = NULL;
}
