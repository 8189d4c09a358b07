/* dedup_stage.c - see dedup_stage.h. */
#include "text/dedup_stage.h"

#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3144446e72657571ull  /* "quernDD1" */
#define RECORD 2                     /* words: a key with its row, a pair of rows with whether their texts are equal */

/* --- files ----------------------------------------------------------------------------------- */

struct trailer {                     /* the last bytes of a file */
	uint64_t magic, identity, rows, bytes, hash;
};

struct stage_out {
	struct output *to;
	struct hasher *hash;
	struct trailer end;
};

struct stage_in {
	const uint8_t *bytes;        /* mapped; trailer.bytes of them count */
	size_t mapped;
	struct trailer end;
};

static uint64_t identity_of(const struct dedup_stage *s)
{
	char *text = mem_printf("%s, in %d parts, keep %d", s->identity, s->parts, (int)s->keep);
	uint64_t hash = hash64(text, strlen(text));
	mem_free(text);
	return hash;
}

/* part 0: the one file of that name. */
static char *file_path(const struct dedup_stage *s, const char *what, int part)
{
	return part ? mem_printf("%s/%s-%d", s->dir, what, part) : mem_printf("%s/%s", s->dir, what);
}

static enum status create(struct stage_out *f, const struct dedup_stage *s, const char *what, int part, struct error *err)
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

static enum status put(struct stage_out *f, const void *p, size_t n, struct error *err)
{
	hasher_add(f->hash, p, n);
	f->end.bytes += n;
	return output_write(f->to, p, n, err);
}

/* Commits if all went well so far; frees either way. */
static enum status finish(struct stage_out *f, enum status st, uint64_t rows, struct error *err)
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

static void unmap(struct stage_in *f)
{
	if (f->bytes)
		munmap((void *)f->bytes, f->mapped);
	f->bytes = NULL;
}

static enum status map(struct stage_in *f, const struct dedup_stage *s, const char *what, int part, struct error *err)
{
	char *path = file_path(s, what, part);
	enum status st = map_path(f, path, err);
	if (st == OK)
		st = check(f, s, path, err);
	if (st != OK)
		unmap(f);
	mem_free(path);
	return st;
}

/* Rows of each part before its own, in base[parts + 1]; the last is the sum. ERR_UNSUPPORTED if that is too many. */
static enum status count_rows(const struct dedup_stage *s, uint32_t *base, struct error *err)
{
	uint64_t sum = 0;
	for (int p = 1; p <= s->parts; p++) {
		struct stage_in f;
		TRY(map(&f, s, "rows", p, err));
		base[p - 1] = (uint32_t)sum;
		sum += f.end.rows;
		unmap(&f);
		if (sum > CLUSTERS_ROWS_MAX)
			return error_set(err, ERR_UNSUPPORTED, "more than %u rows to compare", CLUSTERS_ROWS_MAX);
	}
	base[s->parts] = (uint32_t)sum;
	return OK;
}

/* --- sign ------------------------------------------------------------------------------------ */

static enum status put_record(void *arg, const uint64_t record[RECORD], struct error *err)
{
	return put(arg, record, RECORD * sizeof(*record), err);
}

enum status dedup_stage_sign(const struct dedup_stage *s, struct clusters *c, struct error *err)
{
	struct stage_out f;
	enum status st = create(&f, s, "keys", s->part, err);
	if (st == OK)
		st = clusters_keys(c, put_record, &f, err);
	TRY(finish(&f, st, clusters_rows(c), err));
	st = create(&f, s, "rows", s->part, err);
	for (uint32_t row = 0; row < clusters_rows(c) && s->keep == CLUSTERS_RANKED && st == OK; row++) {
		uint64_t rank = clusters_rank(c, row);
		st = put(&f, &rank, sizeof(rank), err);
	}
	return finish(&f, st, clusters_rows(c), err);
}

/* --- group ----------------------------------------------------------------------------------- */

/* The first record whose key is in range k of the parts, by halving. */
static uint64_t range_start(const struct dedup_stage *s, const uint64_t *records, uint64_t n, int k)
{
	uint64_t from = 0, to = n;
	while (from < to) {
		uint64_t at = from + (to - from) / 2;
		if ((int)((unsigned __int128)records[at * RECORD] * (unsigned)s->parts >> 64) < k)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

/* A part's keys in this group's range, with the rows counted over all parts. */
static enum status add_keys(const struct dedup_stage *s, int part, uint32_t base, struct sorter *sorter, struct error *err)
{
	struct stage_in f;
	TRY(map(&f, s, "keys", part, err));
	const uint64_t *records = (const uint64_t *)(const void *)f.bytes;
	uint64_t n = f.end.bytes / (RECORD * sizeof(*records)), end = range_start(s, records, n, s->part);
	enum status st = OK;
	for (uint64_t i = range_start(s, records, n, s->part - 1); i < end && st == OK; i++) {
		const uint64_t *r = records + i * RECORD, record[RECORD] = {r[0], (r[1] >> 32 << 32) | (uint32_t)((uint32_t)r[1] + base)};
		st = sorter_add(sorter, record, err);
	}
	unmap(&f);
	return st;
}

/* Each row that shares a key with the first that has it. */
static enum status put_pairs(struct sorter *sorter, struct stage_out *f, struct error *err)
{
	uint64_t first[RECORD] = {0, 0}, r[RECORD];
	enum status st;
	for (bool begun = false; (st = sorter_next(sorter, r, err)) == OK; begun = true) {
		if (!begun || r[0] != first[0] || r[1] >> 32 != first[1] >> 32) {
			memcpy(first, r, sizeof(first));
			continue;
		}
		uint64_t pair[RECORD] = {first[1] << 32 | (uint32_t)r[1], r[1] >> 32 & 1};
		TRY(put(f, pair, sizeof(pair), err));
	}
	return st == END ? OK : st;
}

enum status dedup_stage_group(const struct dedup_stage *s, struct error *err)
{
	uint32_t *base = mem_array((size_t)s->parts + 1, sizeof(*base));
	struct sorter *sorter = sorter_open(RECORD, s->memory, s->tmp, s->pool);
	struct stage_out f;
	enum status st = count_rows(s, base, err);
	for (int p = 1; p <= s->parts && st == OK; p++)
		st = add_keys(s, p, base[p - 1], sorter, err);
	if (st == OK)
		st = sorter_finish(sorter, err);
	if (st == OK) {
		st = create(&f, s, "pairs", s->part, err);
		if (st == OK)
			st = put_pairs(sorter, &f, err);
		st = finish(&f, st, base[s->parts], err);
	}
	sorter_close(sorter);
	mem_free(base);
	return st;
}

/* --- cluster --------------------------------------------------------------------------------- */

static enum status add_rows(const struct dedup_stage *s, int part, struct clusters *c, struct error *err)
{
	struct stage_in f;
	TRY(map(&f, s, "rows", part, err));
	const uint64_t *ranks = (const uint64_t *)(const void *)f.bytes;
	bool ranked = s->keep == CLUSTERS_RANKED;
	enum status st = OK;
	if (ranked && f.end.bytes / sizeof(*ranks) != f.end.rows)
		st = error_set(err, ERR_DATA, "%s: part %d has no ranks", s->dir, part);
	for (uint64_t row = 0; row < f.end.rows && st == OK; row++)
		st = clusters_row(c, ranked ? ranks[row] : 0, err);
	unmap(&f);
	return st;
}

static enum status add_pairs(const struct dedup_stage *s, int part, struct clusters *c, struct error *err)
{
	struct stage_in f;
	TRY(map(&f, s, "pairs", part, err));
	const uint64_t *pairs = (const uint64_t *)(const void *)f.bytes;
	enum status st = OK;
	for (uint64_t i = 0; i < f.end.bytes / (RECORD * sizeof(*pairs)) && st == OK; i++) {
		uint32_t a = (uint32_t)(pairs[i * RECORD] >> 32), b = (uint32_t)pairs[i * RECORD];
		if (a >= clusters_rows(c) || b >= clusters_rows(c))
			st = error_set(err, ERR_DATA, "%s: part %d has pairs of rows that are not there", s->dir, part);
		else
			clusters_join(c, a, b, pairs[i * RECORD + 1] & 1);
	}
	unmap(&f);
	return st;
}

static enum status put_verdicts(const struct dedup_stage *s, struct clusters *c, struct error *err)
{
	struct stage_out f;
	enum status st = create(&f, s, "verdicts", 0, err);
	for (uint32_t row = 0; row < clusters_rows(c) && st == OK; row++) {
		uint8_t v = !clusters_drops(c, row) ? STAGE_KEPT : clusters_repeats(c, row) ? STAGE_EXACT : STAGE_NEAR;
		st = put(&f, &v, 1, err);
	}
	return finish(&f, st, clusters_rows(c), err);
}

enum status dedup_stage_cluster(const struct dedup_stage *s, struct clusters_stats *stats, struct error *err)
{
	struct clusters_options o = {.memory = s->memory, .tmp = s->tmp, .pool = s->pool, .keep = s->keep};
	struct clusters *c = clusters_open(&o);
	enum status st = OK;
	for (int p = 1; p <= s->parts && st == OK; p++)
		st = add_rows(s, p, c, err);
	for (int p = 1; p <= s->parts && st == OK; p++)
		st = add_pairs(s, p, c, err);
	if (st == OK)
		st = clusters_decide(c, err);
	if (st == OK)
		st = put_verdicts(s, c, err);
	*stats = st == OK ? clusters_stats(c) : (struct clusters_stats){0};
	clusters_close(c);
	return st;
}

/* --- filter ---------------------------------------------------------------------------------- */

struct dedup_verdicts {
	struct stage_in f;
	uint32_t at, end;
	int part;
};

enum status dedup_verdicts_open(struct dedup_verdicts **out, const struct dedup_stage *s, struct error *err)
{
	uint32_t *base = mem_array((size_t)s->parts + 1, sizeof(*base));
	struct dedup_verdicts *v = mem_zalloc(sizeof(*v));
	enum status st = count_rows(s, base, err);
	if (st == OK)
		st = map(&v->f, s, "verdicts", 0, err);
	if (st == OK && v->f.end.bytes != base[s->parts])
		st = error_set(err, ERR_DATA, "%s: verdicts about other rows", s->dir);
	v->part = s->part;
	v->at = base[s->part - 1];
	v->end = base[s->part];
	mem_free(base);
	if (st == OK)
		*out = v;
	else
		dedup_verdicts_close(v);
	return st;
}

enum status dedup_verdicts_next(struct dedup_verdicts *v, enum dedup_stage_verdict *verdict, struct error *err)
{
	if (v->at == v->end)
		return error_set(err, ERR_DATA, "part %d has more rows than when it was signed", v->part);
	*verdict = (enum dedup_stage_verdict)v->f.bytes[v->at++];
	return OK;
}

enum status dedup_verdicts_end(const struct dedup_verdicts *v, struct error *err)
{
	return v->at == v->end ? OK : error_set(err, ERR_DATA, "part %d has fewer rows than when it was signed", v->part);
}

void dedup_verdicts_close(struct dedup_verdicts *v)
{
	if (!v)
		return;
	unmap(&v->f);
	mem_free(v);
}
