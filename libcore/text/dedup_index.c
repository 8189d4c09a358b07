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
	struct file keys, ids;
	uint64_t base;               /* rows of the segments before it */
	uint64_t at;                 /* records passed */
};

struct dedup_index {
	char *dir;
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
	int fd = open(path, O_RDONLY | O_CLOEXEC);
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

static enum status map_segment(struct dedup_index *x, int i, struct error *err)
{
	const struct dedup_segment *m = &x->manifest.segments[i];
	struct segment *s = &x->segments[i];
	char *keys = file_path(x, "keys", m->number), *ids = file_path(x, "ids", m->number);
	s->base = i ? x->segments[i - 1].base + x->manifest.segments[i - 1].rows : 0;
	enum status st = map_file(&s->keys, keys, m->records * RECORD, err);
	if (st == OK)
		st = map_file(&s->ids, ids, m->rows * sizeof(uint64_t) + m->id_bytes, err);
	mem_free(keys);
	mem_free(ids);
	return st;
}

static void unmap_segments(struct dedup_index *x)
{
	for (int i = 0; x->segments && i < x->manifest.n; i++) {
		unmap_file(&x->segments[i].keys);
		unmap_file(&x->segments[i].ids);
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
		char keys[32], ids[32];
		snprintf(keys, sizeof(keys), "keys-%lld", (long long)m->segments[i].number);
		snprintf(ids, sizeof(ids), "ids-%lld", (long long)m->segments[i].number);
		if (strcmp(name, keys) == 0 || strcmp(name, ids) == 0)
			return true;
	}
	return false;
}

/* What a killed run left, or a compaction replaced. */
static void remove_strays(struct dedup_index *x)
{
	DIR *d = opendir(x->dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		if ((strncmp(e->d_name, "keys-", 5) != 0 && strncmp(e->d_name, "ids-", 4) != 0) || is_named(&x->manifest, e->d_name))
			continue;
		char *path = path_join(x->dir, e->d_name);
		unlink(path);
		mem_free(path);
	}
	if (d)
		closedir(d);
}

static enum status open_keys(struct dedup_index *x, struct error *err)
{
	char *path = file_path(x, "keys", x->manifest.next);
	enum status st = output_open(&x->keys, path, err);
	x->keys_hash = hasher_open();
	mem_free(path);
	return st;
}

enum status dedup_index_open(struct dedup_index **out, const char *dir, const char *identity, struct error *err)
{
	struct dedup_index *x = mem_zalloc(sizeof(*x));
	x->dir = mem_strdup(dir);
	x->lock = -1;
	enum status st = dir_make(dir, err);
	if (st == OK)
		st = take_lock(x, err);
	if (st == OK)
		st = dedup_manifest_read(&x->manifest, dir, identity, err);
	if (st == OK) {
		remove_strays(x);
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

static enum status write_record(struct dedup_index *x, const uint64_t record[2], struct error *err)
{
	hasher_add(x->keys_hash, record, RECORD);
	x->records++;
	return output_write(x->keys, record, RECORD, err);
}

enum status dedup_index_meet(struct dedup_index *x, const uint64_t record[2], uint64_t *earlier, struct error *err)
{
	*earlier = DEDUP_INDEX_NONE;
	for (int i = 0; i < x->manifest.n; i++) {
		struct segment *s = &x->segments[i];
		const uint64_t *r;
		while ((r = record_at(s)) && compare_keys(r, record) < 0)
			pass_record(s);
		if (r && *earlier == DEDUP_INDEX_NONE && compare_keys(r, record) == 0)
			*earlier = s->base + (uint32_t)r[1];
	}
	return write_record(x, record, err);
}

enum status dedup_index_finish(struct dedup_index *x, struct error *err)
{
	for (int i = 0; i < x->manifest.n; i++) {
		struct segment *s = &x->segments[i];
		const struct dedup_segment *m = &x->manifest.segments[i];
		TRY(check_file(&s->keys, m->keys_hash, x->dir, "keys", m->number, err));
		TRY(check_file(&s->ids, m->ids_hash, x->dir, "ids", m->number, err));
		/* The ends of ids are used as places, so they must be such. */
		const uint64_t *ends = (const uint64_t *)(const void *)s->ids.bytes;
		for (uint64_t row = 0; row < m->rows; row++)
			if (ends[row] > m->id_bytes || (row && ends[row] < ends[row - 1]))
				return error_set(err, ERR_DATA, "%s: the index is damaged", x->dir);
	}
	return OK;
}

const char *dedup_index_id(struct dedup_index *x, uint64_t row, size_t *n)
{
	int i = x->manifest.n - 1;
	while (i > 0 && row < x->segments[i].base)
		i--;
	*n = 0;
	if (i < 0 || row - x->segments[i].base >= x->manifest.segments[i].rows)
		return "";
	const uint64_t *ends = (const uint64_t *)(const void *)x->segments[i].ids.bytes;
	const char *bytes = (const char *)(ends + x->manifest.segments[i].rows);
	uint64_t at = row - x->segments[i].base, from = at ? ends[at - 1] : 0;
	*n = ends[at] - from;
	return bytes + from;
}

/* --- adding ---------------------------------------------------------------------------------- */

/* One file of ids: where each ends, then all. id tells them, with arg. */
typedef const void *id_of(const void *arg, uint64_t row, size_t *n);

static enum status write_ids(struct dedup_index *x, struct dedup_segment *m, id_of *id, const void *arg, struct error *err)
{
	char *path = file_path(x, "ids", m->number);
	struct hasher *hash = hasher_open();
	struct output *out;
	size_t n;
	enum status st = output_open(&out, path, err);
	mem_free(path);
	for (uint64_t row = 0; row < m->rows && st == OK; row++) {
		id(arg, row, &n);
		m->id_bytes += n;
		hasher_add(hash, &m->id_bytes, sizeof(m->id_bytes));
		st = output_write(out, &m->id_bytes, sizeof(m->id_bytes), err);
	}
	for (uint64_t row = 0; row < m->rows && st == OK; row++) {
		const void *s = id(arg, row, &n);
		hasher_add(hash, s, n);
		st = output_write(out, s, n, err);
	}
	hasher_hex(hash, m->ids_hash);
	hasher_close(hash);
	if (st == OK)
		return output_commit(out, err);
	output_abort(out);
	return st;
}

/* The files of the segment that has been written, then the manifest with it. replace: it is the only one. */
static enum status seal(struct dedup_index *x, uint64_t rows, bool replace, id_of *id, const void *arg, struct error *err)
{
	struct dedup_segment m = {.number = x->manifest.next, .rows = rows, .records = x->records};
	struct output *keys = x->keys;
	hasher_hex(x->keys_hash, m.keys_hash);
	hasher_close(x->keys_hash);
	x->keys = NULL;
	x->keys_hash = NULL;
	x->records = 0;
	TRY(output_commit(keys, err));
	TRY(write_ids(x, &m, id, arg, err));
	TRY(dir_sync(x->dir, err));
	unmap_segments(x);
	if (replace)
		x->manifest.n = 0;
	dedup_manifest_add(&x->manifest, &m);
	return dedup_manifest_write(&x->manifest, x->dir, err);
}

static const void *spool_id(const void *arg, uint64_t row, size_t *n)
{
	return spool_get(arg, (int64_t)row, n);
}

enum status dedup_index_commit(struct dedup_index *x, const struct spool *ids, uint64_t rows, struct error *err)
{
	return seal(x, rows, false, spool_id, ids, err);
}

static const void *index_id(const void *arg, uint64_t row, size_t *n)
{
	return dedup_index_id((struct dedup_index *)arg, row, n);
}

/* Segments are few, so the least key is looked for among all; of equal keys the earliest segment's goes on. */
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
		for (int i = 0; i < x->manifest.n; i++) {
			struct segment *s = &x->segments[i];
			if (s != least && record_at(s) && compare_keys(record_at(s), record) == 0)
				pass_record(s);
		}
		pass_record(least);
		TRY(write_record(x, record, err));
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
	TRY(seal(x, rows, true, index_id, x, err));
	remove_strays(x);
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
