/* dedup_index.c - see dedup_index.h; the manifest is in dedup_manifest.c. */
#include "text/dedup_manifest.h"

#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASHED_AT_ONCE (1 << 20)
#define RECORD 16                    /* bytes of a key */

struct file {                        /* of an earlier run, mapped; hashed as it is read */
	const uint8_t *bytes;
	size_t n, hashed;
	struct hasher *hash;
};

struct segment {
	struct file keys, ids, sets; /* of sets bytes is NULL where there are none */
	uint64_t base;               /* rows of the segments before it */
	uint64_t at;                 /* records passed */
};

struct dedup_index {
	char *dir;
	bool sets;
	int lock;
	struct dedup_manifest manifest;
	struct segment *segments;    /* as many as the manifest has */
	struct output *keys;         /* today's */
	struct hasher *keys_hash;
	uint64_t records;
};

/* --- files of earlier runs ------------------------------------------------------------------- */

static char *file_path(const struct dedup_index *x, const char *what, int64_t number)
{
	return mem_printf("%s/%s-%lld", x->dir, what, (long long)number);
}

static enum status map_file(struct file *f, const char *path, uint64_t bytes, struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* a fifo would wait */
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return error_errno(err, errno == ENOENT ? ERR_DATA : ERR_IO, "%s: cannot open", path);
	}
	f->n = bytes;
	enum status result = OK;
	if ((uint64_t)st.st_size != bytes)
		result = error_set(err, ERR_DATA, "%s: %lld bytes, where the manifest says %llu: the index is damaged", path,
				   (long long)st.st_size, (unsigned long long)bytes);
	else if (bytes > 0) {
		void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			result = error_errno(err, ERR_IO, "%s: cannot map", path);
		else
			f->bytes = map;
	}
	close(fd);
	f->hash = hasher_open();
	return result;
}

static void unmap_file(struct file *f)
{
	if (f->bytes)
		munmap((void *)f->bytes, f->n);
	hasher_close(f->hash);
}

static void hash_to(struct file *f, size_t end)
{
	hasher_add(f->hash, f->bytes + f->hashed, end - f->hashed);
	f->hashed = end;
}

static enum status check_file(struct file *f, const char *want, const char *dir, const char *what, int64_t number, struct error *err)
{
	char have[33];
	hash_to(f, f->n);
	hasher_hex(f->hash, have);
	if (strcmp(have, want) == 0)
		return OK;
	return error_set(err, ERR_DATA, "%s/%s-%lld: checksum mismatch: the index is damaged", dir, what, (long long)number);
}

static enum status map_named(struct dedup_index *x, struct file *f, const char *what, int64_t number, uint64_t bytes, struct error *err)
{
	char *path = file_path(x, what, number);
	enum status st = map_file(f, path, bytes, err);
	mem_free(path);
	return st;
}

/* The ends of things are used as places, so they must be such. */
static enum status check_ends(const struct dedup_index *x, const struct file *f, uint64_t rows, uint64_t bytes, uint64_t unit, struct error *err)
{
	const uint64_t *ends = (const uint64_t *)(const void *)f->bytes;
	for (uint64_t row = 0; row < rows; row++)
		if (ends[row] > bytes || ends[row] % unit || (row && ends[row] < ends[row - 1]))
			return error_set(err, ERR_DATA, "%s: the index is damaged", x->dir);
	return OK;
}

static enum status map_segment(struct dedup_index *x, int i, struct error *err)
{
	const struct dedup_segment *m = &x->manifest.segments[i];
	struct segment *s = &x->segments[i];
	s->base = i ? x->segments[i - 1].base + x->manifest.segments[i - 1].rows : 0;
	if (x->sets != (*m->sets_hash != 0))
		return error_set(err, ERR_DATA, "%s: rows with sets of shingles and such without: the index is damaged", x->dir);
	TRY(map_named(x, &s->keys, "keys", m->number, m->records * RECORD, err));
	TRY(map_named(x, &s->ids, "ids", m->number, m->rows * sizeof(uint64_t) + m->id_bytes, err));
	if (!x->sets)
		return OK;
	TRY(map_named(x, &s->sets, "sets", m->number, m->rows * sizeof(uint64_t) + m->set_bytes, err));
	return check_ends(x, &s->sets, m->rows, m->set_bytes, sizeof(uint64_t), err);
}

static void unmap_segments(struct dedup_index *x)
{
	for (int i = 0; x->segments && i < x->manifest.n; i++) {
		unmap_file(&x->segments[i].keys);
		unmap_file(&x->segments[i].ids);
		unmap_file(&x->segments[i].sets);
	}
	mem_free(x->segments);
	x->segments = NULL;
}

static enum status map_segments(struct dedup_index *x, struct error *err)
{
	x->segments = mem_array((size_t)x->manifest.n, sizeof(*x->segments));
	for (int i = 0; i < x->manifest.n; i++)
		TRY(map_segment(x, i, err));
	return OK;
}

/* --- opening --------------------------------------------------------------------------------- */

static enum status take_lock(struct dedup_index *x, struct error *err)
{
	char *path = path_join(x->dir, "lock");
	x->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	enum status st = x->lock < 0 ? error_errno(err, ERR_IO, "%s: cannot open", path) : OK;
	if (st == OK && flock(x->lock, LOCK_EX | LOCK_NB) != 0)
		st = errno == EWOULDBLOCK ? error_set(err, ERR_IO, "%s: another run has the index open", x->dir)
					  : error_errno(err, ERR_IO, "%s: cannot lock", path);
	mem_free(path);
	return st;
}

static bool is_named(const struct dedup_manifest *m, const char *name)
{
	for (int i = 0; i < m->n; i++) {
		const char *number = strrchr(name, '-') + 1;
		char have[32];
		snprintf(have, sizeof(have), "%lld", (long long)m->segments[i].number);
		if (strcmp(number, have) == 0)
			return true;
	}
	return false;
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* A file of a run that the manifest does not name, or a manifest that was not finished. */
static bool is_stray(const struct dedup_manifest *m, const char *name)
{
	if (begins(name, "keys-") || begins(name, "ids-") || begins(name, "sets-"))
		return !is_named(m, name);
	return begins(name, "manifest.");
}

/* What a killed run left, or a compaction replaced: removed, or only counted. */
static int find_strays(struct dedup_index *x, bool remove)
{
	DIR *d = opendir(x->dir);
	int n = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!is_stray(&x->manifest, e->d_name))
			continue;
		n++;
		char *path = path_join(x->dir, e->d_name);
		if (remove)
			unlink(path);
		mem_free(path);
	}
	if (d)
		closedir(d);
	return n;
}

/* A new index has a manifest before anything else: files without one are of an index that has lost it, and are left alone. */
static enum status read_manifest(struct dedup_index *x, const char *identity, struct error *err)
{
	bool there;
	TRY(dedup_manifest_read(&x->manifest, x->dir, identity, &there, err));
	if (there)
		return OK;
	if (find_strays(x, false))
		return error_set(err, ERR_DATA, "%s: files of runs, but no manifest: the index is damaged", x->dir);
	return dedup_manifest_write(&x->manifest, x->dir, err);
}

static enum status open_keys(struct dedup_index *x, struct error *err)
{
	char *path = file_path(x, "keys", x->manifest.next);
	enum status st = output_open(&x->keys, path, err);
	x->keys_hash = hasher_open();
	mem_free(path);
	return st;
}

enum status dedup_index_open(struct dedup_index **out, const char *dir, const char *identity, bool sets, struct error *err)
{
	struct dedup_index *x = mem_zalloc(sizeof(*x));
	x->sets = sets;
	x->dir = mem_strdup(dir);
	x->lock = -1;
	enum status st = dir_make(dir, err);
	if (st == OK)
		st = take_lock(x, err);
	if (st == OK)
		st = read_manifest(x, identity, err);
	if (st == OK) {
		find_strays(x, true);
		st = map_segments(x, err);
	}
	if (st == OK)
		st = open_keys(x, err);
	if (st == OK)
		*out = x;
	else
		dedup_index_close(x);
	return st;
}

void dedup_index_close(struct dedup_index *x)
{
	if (!x)
		return;
	unmap_segments(x);
	output_abort(x->keys);
	hasher_close(x->keys_hash);
	dedup_manifest_release(&x->manifest);
	if (x->lock >= 0)
		close(x->lock);
	mem_free(x->dir);
	mem_free(x);
}

/* --- meeting --------------------------------------------------------------------------------- */

static int compare_keys(const uint64_t a[2], const uint64_t b[2])
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	uint64_t x = a[1] >> 32, y = b[1] >> 32;
	return (x > y) - (x < y);
}

static const uint64_t *record_at(const struct segment *s)
{
	return s->at * RECORD < s->keys.n ? (const uint64_t *)(const void *)(s->keys.bytes + s->at * RECORD) : NULL;
}

static void pass_record(struct segment *s)
{
	s->at++;
	if (s->at * RECORD - s->keys.hashed >= HASHED_AT_ONCE)
		hash_to(&s->keys, s->at * RECORD);
}

enum status dedup_index_add(struct dedup_index *x, const uint64_t record[2], struct error *err)
{
	hasher_add(x->keys_hash, record, RECORD);
	x->records++;
	return output_write(x->keys, record, RECORD, err);
}

enum status dedup_index_find(struct dedup_index *x, const uint64_t record[2], struct dedup_index_rows *found, struct error *err)
{
	found->n = 0;
	for (int i = 0; i < x->manifest.n; i++) {
		struct segment *s = &x->segments[i];
		const uint64_t *r;
		while ((r = record_at(s)) && compare_keys(r, record) < 0)
			pass_record(s);
		for (; r && compare_keys(r, record) == 0; r = record_at(s)) {
			if (found->n == UINT32_MAX)
				return error_set(err, ERR_UNSUPPORTED, "%s: more than %u rows have one key", x->dir, UINT32_MAX);
			MEM_PUSH_ROOM(found->rows, found->n, found->cap);
			found->rows[found->n++] = s->base + (uint32_t)r[1];
			pass_record(s);
		}
	}
	return OK;
}

enum status dedup_index_finish(struct dedup_index *x, struct error *err)
{
	for (int i = 0; i < x->manifest.n; i++) {
		struct segment *s = &x->segments[i];
		const struct dedup_segment *m = &x->manifest.segments[i];
		TRY(check_file(&s->keys, m->keys_hash, x->dir, "keys", m->number, err));
		TRY(check_file(&s->ids, m->ids_hash, x->dir, "ids", m->number, err));
		TRY(check_ends(x, &s->ids, m->rows, m->id_bytes, 1, err));
		if (x->sets)
			TRY(check_file(&s->sets, m->sets_hash, x->dir, "sets", m->number, err));
	}
	return OK;
}

/* The segment of a row, which is less its base then; -1 where there is none. */
static int segment_of(const struct dedup_index *x, uint64_t *row)
{
	int i = x->manifest.n - 1;
	while (i > 0 && *row < x->segments[i].base)
		i--;
	if (i < 0 || *row - x->segments[i].base >= x->manifest.segments[i].rows)
		return -1;
	*row -= x->segments[i].base;
	return i;
}

static const void *thing_of(const struct file *f, uint64_t rows, uint64_t row, size_t *n)
{
	const uint64_t *ends = (const uint64_t *)(const void *)f->bytes;
	uint64_t from = row ? ends[row - 1] : 0;
	*n = ends[row] - from;
	return (const char *)(ends + rows) + from;
}

const char *dedup_index_id(struct dedup_index *x, uint64_t row, size_t *n)
{
	int i = segment_of(x, &row);
	*n = 0;
	return i < 0 ? "" : thing_of(&x->segments[i].ids, x->manifest.segments[i].rows, row, n);
}

const uint64_t *dedup_index_set(struct dedup_index *x, uint64_t row, size_t *n)
{
	int i = segment_of(x, &row);
	*n = 0;
	if (i < 0)
		return NULL;
	const uint64_t *set = thing_of(&x->segments[i].sets, x->manifest.segments[i].rows, row, n);
	*n /= sizeof(*set);
	return set;
}

/* --- adding ---------------------------------------------------------------------------------- */

/* Where rows are that are to be written: today's in spools, or all of the index, for compaction. */
struct rows_of {
	struct dedup_index *x;
	const struct spool *ids, *sets;      /* NULL: those of x */
};

static const void *row_thing(const struct rows_of *from, bool set, uint64_t row, size_t *n)
{
	if (from->ids)
		return spool_get(set ? from->sets : from->ids, (int64_t)row, n);
	if (!set)
		return dedup_index_id(from->x, row, n);
	const uint64_t *members = dedup_index_set(from->x, row, n);
	*n *= sizeof(*members);
	return members;
}

/* One file of ids or sets: where each ends, then all. */
static enum status write_things(struct dedup_index *x, const struct dedup_segment *m, bool set, const struct rows_of *from, uint64_t *bytes,
				char hex[33], struct error *err)
{
	char *path = file_path(x, set ? "sets" : "ids", m->number);
	struct hasher *hash = hasher_open();
	struct output *out;
	size_t n;
	enum status st = output_open(&out, path, err);
	mem_free(path);
	for (uint64_t row = 0; row < m->rows && st == OK; row++) {
		row_thing(from, set, row, &n);
		*bytes += n;
		hasher_add(hash, bytes, sizeof(*bytes));
		st = output_write(out, bytes, sizeof(*bytes), err);
	}
	for (uint64_t row = 0; row < m->rows && st == OK; row++) {
		const void *s = row_thing(from, set, row, &n);
		hasher_add(hash, s, n);
		st = output_write(out, s, n, err);
	}
	hasher_hex(hash, hex);
	hasher_close(hash);
	if (st == OK)
		return output_commit(out, err);
	output_abort(out);
	return st;
}

/* The files of the segment that has been written, then the manifest with it. replace: it is the only one. */
static enum status seal(struct dedup_index *x, uint64_t rows, bool replace, const struct rows_of *from, struct error *err)
{
	struct dedup_segment m = {.number = x->manifest.next, .rows = rows, .records = x->records};
	struct output *keys = x->keys;
	hasher_hex(x->keys_hash, m.keys_hash);
	hasher_close(x->keys_hash);
	x->keys = NULL;
	x->keys_hash = NULL;
	x->records = 0;
	TRY(output_commit(keys, err));
	TRY(write_things(x, &m, false, from, &m.id_bytes, m.ids_hash, err));
	if (x->sets)
		TRY(write_things(x, &m, true, from, &m.set_bytes, m.sets_hash, err));
	TRY(dir_sync(x->dir, err));
	unmap_segments(x);
	if (replace)
		x->manifest.n = 0;
	dedup_manifest_add(&x->manifest, &m);
	return dedup_manifest_write(&x->manifest, x->dir, err);
}

enum status dedup_index_commit(struct dedup_index *x, const struct spool *ids, const struct spool *sets, uint64_t rows, struct error *err)
{
	const struct rows_of today = {x, ids, sets};
	return seal(x, rows, false, &today, err);
}

/* Segments are few, so the least key is looked for among all; of equal keys the earliest segment's goes on, or with sets each in turn. */
static enum status merge(struct dedup_index *x, struct error *err)
{
	for (;;) {
		struct segment *least = NULL;
		for (int i = 0; i < x->manifest.n; i++) {
			struct segment *s = &x->segments[i];
			if (record_at(s) && (!least || compare_keys(record_at(s), record_at(least)) < 0))
				least = s;
		}
		if (!least)
			return OK;
		const uint64_t *r = record_at(least);
		const uint64_t record[2] = {r[0], (r[1] & 0xffffffffull << 32) | (least->base + (uint32_t)r[1])};
		for (int i = 0; i < x->manifest.n && !x->sets; i++) {
			struct segment *s = &x->segments[i];
			if (s != least && record_at(s) && compare_keys(record_at(s), record) == 0)
				pass_record(s);
		}
		pass_record(least);
		TRY(dedup_index_add(x, record, err));
	}
}

enum status dedup_index_compact(struct dedup_index *x, struct error *err)
{
	uint64_t rows = dedup_index_rows(x);
	if (x->manifest.n < 2)
		return OK;
	if (rows > UINT32_MAX)
		return error_set(err, ERR_UNSUPPORTED, "%s: more than %u rows do not go into one segment", x->dir, UINT32_MAX);
	TRY(map_segments(x, err));
	TRY(open_keys(x, err));
	TRY(merge(x, err));
	TRY(dedup_index_finish(x, err));
	TRY(seal(x, rows, true, &(struct rows_of){.x = x}, err));
	find_strays(x, true);
	return OK;
}

uint64_t dedup_index_rows(const struct dedup_index *x)
{
	uint64_t rows = 0;
	for (int i = 0; i < x->manifest.n; i++)
		rows += x->manifest.segments[i].rows;
	return rows;
}

int dedup_index_segments(const struct dedup_index *x)
{
	return x->manifest.n;
}
