/* safetensors.c - see safetensors.h. */
#include "model/safetensors.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/floats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAX (100u * 1000 * 1000)      /* the reference's limit */
#define PIECE 65536                          /* elements converted at a time */

struct safetensors {
	char *path;
	int fd;
	uint64_t data;                       /* file offset of the first tensor byte */
	int n;
	struct safetensors_entry *entries;   /* sorted by name */
	int n_meta;
	char **meta;                         /* key, value pairs */
};

static enum status read_at(int fd, const char *path, void *p, size_t n, uint64_t at, struct error *err)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, ERR_IO, "%s: cannot read", path);
		if (got == 0)
			return error_set(err, ERR_DATA, "%s: truncated", path);
		done += (size_t)got;
	}
	return OK;
}

static uint64_t get_u64(const uint8_t b[8])
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | b[i];
	return v;
}

/* In the order of the reference's enumeration. */
static const struct { const char *name; int bytes; } types[] = {
	{ "BOOL", 1 }, { "U8", 1 }, { "I8", 1 }, { "F8_E5M2", 1 }, { "F8_E4M3", 1 }, { "I16", 2 }, { "U16", 2 },
	{ "F16", 2 }, { "BF16", 2 }, { "I32", 4 }, { "U32", 4 }, { "F32", 4 }, { "F64", 8 }, { "I64", 8 }, { "U64", 8 },
};

int safetensors_type(const char *dtype, int *bytes)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, dtype)) {
			*bytes = types[i].bytes;
			return (int)i;
		}
	return -1;
}

/* A member that must be a non-negative integer. */
static bool index_value(const struct json *j, uint64_t *v)
{
	if (j->type == JSON_INT && j->integer >= 0) {
		*v = (uint64_t)j->integer;
		return true;
	}
	return false;
}

static enum status parse_shape(const struct json *shape, struct safetensors_entry *e)
{
	int64_t total = 1;

	if (!shape || shape->type != JSON_ARRAY || shape->len > SAFETENSORS_DIMS)
		return ERR_DATA;
	for (size_t i = 0; i < shape->len; i++) {
		uint64_t v;

		if (!index_value(&shape->items[i], &v) || __builtin_mul_overflow(total, (int64_t)v, &total))
			return ERR_DATA;
		e->shape[i] = (int64_t)v;
	}
	e->n_dims = (int)shape->len;
	e->elements = total;
	return OK;
}

static enum status parse_entry(const struct json *j, struct safetensors_entry *e, uint64_t data_bytes)
{
	const struct json *off = json_get(j, "data_offsets");
	const char *dtype = json_get_str(j, "dtype", "");
	int64_t bytes;
	int width;

	if (safetensors_type(dtype, &width) < 0 || parse_shape(json_get(j, "shape"), e) != OK)
		return ERR_DATA;
	memcpy(e->dtype, dtype, strlen(dtype) + 1);
	if (!off || off->type != JSON_ARRAY || off->len != 2 || !index_value(&off->items[0], &e->begin) ||
	    !index_value(&off->items[1], &e->end) || e->begin > e->end || e->end > data_bytes)
		return ERR_DATA;
	if (__builtin_mul_overflow(e->elements, (int64_t)width, &bytes) || (uint64_t)bytes != e->end - e->begin)
		return ERR_DATA;
	return OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct safetensors_entry *)a)->name, ((const struct safetensors_entry *)b)->name);
}

static int by_place(const void *a, const void *b)
{
	const struct safetensors_entry *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Tensors must tile the data without holes or overlaps, and have names of their own. */
static enum status check_places(struct safetensors *f, uint64_t data_bytes, struct error *err)
{
	uint64_t at = 0;

	if (f->n)
		qsort(f->entries, (size_t)f->n, sizeof(*f->entries), by_place);
	for (int i = 0; i < f->n; i++) {
		if (f->entries[i].begin != at)
			return error_set(err, ERR_DATA, "%s: tensor '%s' overlaps another or leaves a hole", f->path,
					 f->entries[i].name);
		at = f->entries[i].end;
	}
	if (at != data_bytes)
		return error_set(err, ERR_DATA, "%s: %llu bytes of data, tensors describe %llu", f->path,
				 (unsigned long long)data_bytes, (unsigned long long)at);
	if (f->n)
		qsort(f->entries, (size_t)f->n, sizeof(*f->entries), by_name);
	for (int i = 1; i < f->n; i++)
		if (!strcmp(f->entries[i].name, f->entries[i - 1].name))
			return error_set(err, ERR_DATA, "%s: tensor '%s' stands twice", f->path, f->entries[i].name);
	return OK;
}

static enum status parse_meta(struct safetensors *f, const struct json *j, struct error *err)
{
	if (j->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "%s: __metadata__ is no object", f->path);
	f->meta = mem_array(2 * j->len + 1, sizeof(char *));
	for (size_t i = 0; i < j->len; i++) {
		if (j->items[i].type != JSON_STRING)
			return error_set(err, ERR_DATA, "%s: __metadata__ holds something that is no string", f->path);
		f->meta[2 * i] = mem_strdup(j->keys[i].str);
		f->meta[2 * i + 1] = mem_strdup(j->items[i].str);
		f->n_meta++;
	}
	return OK;
}

static enum status parse_header(struct safetensors *f, const struct json *j, uint64_t data_bytes, struct error *err)
{
	if (j->type != JSON_OBJECT)
		return error_set(err, ERR_DATA, "%s: header is no JSON object", f->path);
	f->entries = mem_array(j->len + 1, sizeof(*f->entries));
	for (size_t i = 0; i < j->len; i++) {
		struct safetensors_entry *e = &f->entries[f->n];

		if (!strcmp(j->keys[i].str, "__metadata__")) {
			if (f->meta)
				return error_set(err, ERR_DATA, "%s: __metadata__ stands twice", f->path);
			TRY(parse_meta(f, &j->items[i], err));
			continue;
		}
		e->name = mem_strdup(j->keys[i].str);
		f->n++;
		if (strlen(e->name) != j->keys[i].len)
			return error_set(err, ERR_DATA, "%s: tensor '%s': its name has a NUL", f->path, e->name);
		if (parse_entry(&j->items[i], e, data_bytes) != OK)
			return error_set(err, ERR_DATA, "%s: tensor '%s': bad type, shape or place", f->path, e->name);
	}
	return check_places(f, data_bytes, err);
}

static enum status read_header(struct safetensors *f, struct error *err)
{
	struct json_parser *p;
	const struct json *j;
	struct stat s;
	uint8_t head[8];
	uint64_t n;
	char *text;
	enum status st;

	if (fstat(f->fd, &s) < 0)
		return error_errno(err, ERR_IO, "%s: cannot stat", f->path);
	if (!S_ISREG(s.st_mode) || s.st_size < 8)
		return error_set(err, ERR_DATA, "%s: no safetensors file", f->path);
	TRY(read_at(f->fd, f->path, head, 8, 0, err));
	n = get_u64(head);
	if (n > HEADER_MAX || n > (uint64_t)s.st_size - 8)
		return error_set(err, ERR_DATA, "%s: header of %llu bytes in a file of %lld", f->path, (unsigned long long)n,
				 (long long)s.st_size);
	text = mem_try((size_t)n + 1);
	if (!text)
		return error_set(err, ERR_MEMORY, "%s: no memory for a header of %llu bytes", f->path, (unsigned long long)n);
	p = json_parser_open();
	st = read_at(f->fd, f->path, text, (size_t)n, 8, err);
	if (st == OK) {
		st = json_parse(p, text, (size_t)n, &j, err);
		if (st != OK)
			error_prefix(err, st, "%s: header", f->path);
	}
	f->data = 8 + n;
	if (st == OK)
		st = parse_header(f, j, (uint64_t)s.st_size - f->data, err);
	json_parser_close(p);
	mem_free(text);
	return st;
}

enum status safetensors_open(struct safetensors **out, const char *path, struct error *err)
{
	struct safetensors *f = mem_zalloc(sizeof(*f));
	enum status st;

	f->path = mem_strdup(path);
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0)
		st = error_errno(err, errno == ENOENT ? ERR_DATA : ERR_IO, "%s: cannot open", path);
	else
		st = read_header(f, err);
	if (st != OK) {
		safetensors_close(f);
		f = NULL;
	}
	*out = f;
	return st;
}

void safetensors_close(struct safetensors *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		mem_free(f->entries[i].name);
	for (int i = 0; i < 2 * f->n_meta; i++)
		mem_free(f->meta[i]);
	if (f->fd >= 0)
		close(f->fd);
	mem_free(f->entries);
	mem_free(f->meta);
	mem_free(f->path);
	mem_free(f);
}

const struct safetensors_entry *safetensors_find(const struct safetensors *f, const char *name)
{
	struct safetensors_entry key = { .name = (char *)name };

	return f->n ? bsearch(&key, f->entries, (size_t)f->n, sizeof(key), by_name) : NULL;
}

int safetensors_count(const struct safetensors *f)
{
	return f->n;
}

const struct safetensors_entry *safetensors_entry(const struct safetensors *f, int i)
{
	return &f->entries[i];
}

enum status safetensors_bytes(const struct safetensors *f, const struct safetensors_entry *e, uint64_t first, size_t n, void *p,
			      struct error *err)
{
	if (first > e->end - e->begin || n > e->end - e->begin - first)
		return error_set(err, ERR_DATA, "%s: tensor '%s' is too small", f->path, e->name);
	return read_at(f->fd, f->path, p, n, f->data + e->begin + first, err);
}

enum status safetensors_same(const struct safetensors *f, const struct safetensors_entry *a, const struct safetensors *g,
			     const struct safetensors_entry *b, bool *same, struct error *err)
{
	uint64_t n = a->end - a->begin, room = PIECE * sizeof(float);
	char *x = mem_alloc(room), *y = mem_alloc(room);
	enum status st = OK;

	*same = n == b->end - b->begin && !strcmp(a->dtype, b->dtype);
	for (uint64_t at = 0; at < n && *same && st == OK; at += room) {
		size_t m = n - at < room ? n - at : room;

		st = safetensors_bytes(f, a, at, m, x, err);
		if (st == OK)
			st = safetensors_bytes(g, b, at, m, y, err);
		*same = st == OK && !memcmp(x, y, m);
	}
	mem_free(x);
	mem_free(y);
	return st;
}

const char *safetensors_path(const struct safetensors *f) { return f->path; }
uint64_t safetensors_data(const struct safetensors *f) { return f->data; }

const char *safetensors_meta(const struct safetensors *f, const char *key)
{
	for (int i = 0; i < f->n_meta; i++)
		if (!strcmp(f->meta[2 * i], key))
			return f->meta[2 * i + 1];
	return NULL;
}

/* Widens n 16-bit values. */
static void widen(float *v, const uint16_t *src, int64_t n, bool bf16)
{
	for (int64_t i = 0; i < n; i++)
		v[i] = bf16 ? bfloat_float(src[i]) : half_float(src[i]);
}

/* Elements [first, first + n), n <= PIECE; raw holds PIECE 16-bit values. */
static enum status read_piece(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
			      float *dst, uint16_t *raw, struct error *err)
{
	bool f32 = !strcmp(e->dtype, "F32");
	size_t width = f32 ? 4 : 2;

	TRY(read_at(f->fd, f->path, f32 ? (void *)dst : raw, (size_t)n * width, f->data + e->begin + (uint64_t)first * width,
		    err));
	if (!f32)
		widen(dst, raw, n, !strcmp(e->dtype, "BF16"));
	return OK;
}

static enum status check_read(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
			      struct error *err)
{
	if (strcmp(e->dtype, "F32") && strcmp(e->dtype, "BF16") && strcmp(e->dtype, "F16"))
		return error_set(err, ERR_UNSUPPORTED, "%s: tensor '%s' is %s; F32, BF16 and F16 are read", f->path, e->name,
				 e->dtype);
	if (first < 0 || n < 0 || first > e->elements - n)
		return error_set(err, ERR_DATA, "%s: tensor '%s' is too small", f->path, e->name);
	return OK;
}

enum status safetensors_read_host(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
				  float *dst, struct error *err)
{
	uint16_t *raw;
	enum status st = OK;

	TRY(check_read(f, e, first, n, err));
	raw = mem_alloc(PIECE * sizeof(uint16_t));
	for (int64_t at = 0; at < n && st == OK; at += PIECE)
		st = read_piece(f, e, first + at, n - at < PIECE ? n - at : PIECE, dst + at, raw, err);
	mem_free(raw);
	return st;
}

enum status safetensors_read(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
			     const struct kernels *k, float *dst, struct error *err)
{
	float *v;
	uint16_t *raw;
	enum status st = OK;

	TRY(check_read(f, e, first, n, err));
	v = mem_alloc(PIECE * sizeof(float));
	raw = mem_alloc(PIECE * sizeof(uint16_t));
	for (int64_t at = 0; at < n && st == OK; at += PIECE) {
		int64_t m = n - at < PIECE ? n - at : PIECE;

		st = read_piece(f, e, first + at, m, v, raw, err);
		if (st == OK)
			k->upload(dst + at, v, (size_t)m * sizeof(float));
	}
	mem_free(v);
	mem_free(raw);
	return st;
}
