/* safetensors.c - see safetensors.h. */
#include "model/safetensors.h"

#include "base/file.h"
#include "base/mem.h"

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

/* Bytes per element; 0 for a type the format does not have. */
static int dtype_bytes(const char *d)
{
	static const struct { const char *name; int bytes; } types[] = {
		{ "BOOL", 1 }, { "U8", 1 }, { "I8", 1 }, { "F8_E5M2", 1 }, { "F8_E4M3", 1 }, { "U16", 2 }, { "I16", 2 },
		{ "F16", 2 }, { "BF16", 2 }, { "U32", 4 }, { "I32", 4 }, { "F32", 4 }, { "U64", 8 }, { "I64", 8 }, { "F64", 8 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, d))
			return types[i].bytes;
	return 0;
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

	if (!dtype_bytes(dtype) || parse_shape(json_get(j, "shape"), e) != OK)
		return ERR_DATA;
	memcpy(e->dtype, dtype, strlen(dtype) + 1);
	if (!off || off->type != JSON_ARRAY || off->len != 2 || !index_value(&off->items[0], &e->begin) ||
	    !index_value(&off->items[1], &e->end) || e->begin > e->end || e->end > data_bytes)
		return ERR_DATA;
	if (__builtin_mul_overflow(e->elements, (int64_t)dtype_bytes(dtype), &bytes) || (uint64_t)bytes != e->end - e->begin)
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

const char *safetensors_meta(const struct safetensors *f, const char *key)
{
	for (int i = 0; i < f->n_meta; i++)
		if (!strcmp(f->meta[2 * i], key))
			return f->meta[2 * i + 1];
	return NULL;
}

static float bits_float(uint32_t b)
{
	float v;

	memcpy(&v, &b, 4);
	return v;
}

/* IEEE 754 binary16; a subnormal is its fraction times 2^-24. */
static float half_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;

	if (exponent == 0)
		return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
	if (exponent == 31)
		return bits_float(sign | 0x7f800000 | fraction << 13);
	return bits_float(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Widens n 16-bit values. */
static void widen(float *v, const uint16_t *src, int64_t n, bool bf16)
{
	for (int64_t i = 0; i < n; i++)
		v[i] = bf16 ? bits_float((uint32_t)src[i] << 16) : half_float(src[i]);
}

enum status safetensors_read(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
			     const struct kernels *k, float *dst, struct error *err)
{
	bool f32 = !strcmp(e->dtype, "F32"), bf16 = !strcmp(e->dtype, "BF16");
	size_t width = f32 ? 4 : 2;
	float *v;
	uint16_t *raw;
	enum status st = OK;

	if (!f32 && !bf16 && strcmp(e->dtype, "F16"))
		return error_set(err, ERR_UNSUPPORTED, "%s: tensor '%s' is %s; F32, BF16 and F16 are read", f->path, e->name,
				 e->dtype);
	if (first < 0 || n < 0 || first > e->elements - n)
		return error_set(err, ERR_DATA, "%s: tensor '%s' is too small", f->path, e->name);
	v = mem_alloc(PIECE * sizeof(float));
	raw = mem_alloc(PIECE * sizeof(uint16_t));
	for (int64_t at = 0; at < n && st == OK; at += PIECE) {
		int64_t m = n - at < PIECE ? n - at : PIECE;

		st = read_at(f->fd, f->path, f32 ? (void *)v : raw, (size_t)m * width,
			     f->data + e->begin + (uint64_t)(first + at) * width, err);
		if (st == OK && !f32)
			widen(v, raw, m, bf16);
		if (st == OK)
			k->upload(dst + at, v, (size_t)m * sizeof(float));
	}
	mem_free(v);
	mem_free(raw);
	return st;
}

enum status safetensors_read_raw(const struct safetensors *f, const struct safetensors_entry *e, const struct kernels *k,
				 void *dst, struct error *err)
{
	uint64_t bytes = e->end - e->begin, room = PIECE * sizeof(float);
	char *piece = mem_alloc(room);
	enum status st = OK;

	for (uint64_t at = 0; at < bytes && st == OK; at += room) {
		size_t m = bytes - at < room ? bytes - at : room;

		st = read_at(f->fd, f->path, piece, m, f->data + e->begin + at, err);
		if (st == OK)
			k->upload((char *)dst + at, piece, m);
	}
	mem_free(piece);
	return st;
}

/* --- writing ------------------------------------------------------------------------------ */

static int64_t part_elements(const struct safetensors_part *p)
{
	return p->n_dims == 2 ? p->shape[0] * p->shape[1] : p->shape[0];
}

static const char *part_dtype(const struct safetensors_part *p)
{
	return p->dtype ? p->dtype : "F32";
}

static size_t part_bytes(const struct safetensors_part *p)
{
	return (size_t)part_elements(p) * (size_t)dtype_bytes(part_dtype(p));
}

static void print_header(const struct safetensors_part *parts, int n, const char *const *meta, struct buf *b)
{
	struct json_writer w = json_writer_open(b, 0);
	int64_t at = 0;

	json_begin_object(&w);
	json_key(&w, "__metadata__");
	json_begin_object(&w);
	for (; *meta; meta += 2)
		json_kv_string(&w, meta[0], meta[1]);
	json_end_object(&w);
	for (int i = 0; i < n; i++) {
		json_key(&w, parts[i].name);
		json_begin_object(&w);
		json_kv_string(&w, "dtype", part_dtype(&parts[i]));
		json_key(&w, "shape");
		json_begin_array(&w);
		for (int d = 0; d < parts[i].n_dims; d++)
			json_int(&w, parts[i].shape[d]);
		json_end_array(&w);
		json_key(&w, "data_offsets");
		json_begin_array(&w);
		json_int(&w, at);
		at += (int64_t)part_bytes(&parts[i]);
		json_int(&w, at);
		json_end_array(&w);
		json_end_object(&w);
	}
	json_end_object(&w);
	while (b->len % 8)
		buf_char(b, ' ');
}

static enum status write_part(struct output *o, const struct safetensors_part *p, const struct kernels *k, float *piece,
			      struct error *err)
{
	size_t bytes = part_bytes(p), room = PIECE * sizeof(float);

	for (size_t at = 0; at < bytes; at += room) {
		size_t m = bytes - at < room ? bytes - at : room;

		k->download(piece, (const char *)p->data + at, m);
		TRY(output_write(o, piece, m, err));
	}
	return OK;
}

enum status safetensors_write(const char *path, const struct safetensors_part *parts, int n, const char *const *meta,
			      const struct kernels *k, struct error *err)
{
	struct buf header = { 0 };
	struct output *o;
	uint8_t length[8];
	float *piece;
	enum status st = output_open(&o, path, err);

	if (st != OK)
		return st;
	print_header(parts, n, meta, &header);
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)header.len >> (8 * i));
	piece = mem_alloc(PIECE * sizeof(float));
	st = output_write(o, length, 8, err);
	if (st == OK)
		st = output_write(o, header.data, header.len, err);
	for (int i = 0; i < n && st == OK; i++)
		st = write_part(o, &parts[i], k, piece, err);
	mem_free(piece);
	buf_release(&header);
	if (st != OK) {
		output_abort(o);
		return st;
	}
	return output_commit(o, err);
}
