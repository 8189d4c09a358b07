/* export.c - see export.h. */
#include "model/export.h"

#include "base/dynamic8.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/floats.h"
#include "model/quant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 6                              /* declarations that a tensor needs at most */
#define PIECE 65536                          /* elements that a thread takes at a time; a multiple of NF4's block */

struct exporter {
	char *dir;
	struct pool *pool;
	const struct export_tensor *tensors;
	int n;
	struct safetensors_decl *parts;      /* what the tensors become in the files */
	int *first;                          /* [n + 1] first part of each tensor */
	int *shard;                          /* [n] the file of each, from 0 */
	int n_shards;
	int64_t total;
	struct safetensors_writer *writer;
	int open_shard;                      /* -1: none yet */
	int at;                              /* the current tensor */
	int base;                            /* the first part of the open file */
	int pass;
	int64_t row;                         /* rows done in this pass, bytes done of EXPORT_BYTES */
	float *absmax;                       /* NF4: [blocks] of the current tensor; in the second pass as they are read back */
	void *room;                          /* encoded piece */
	size_t room_bytes;
	float *scales;                       /* int8: of the rows of a piece */
	int64_t cap_scales;
	double magnitude, error;             /* of the current tensor */
	struct export_error largest;
	struct arena names;                  /* of parts that are made up here */
};

/* --- what a tensor becomes --------------------------------------------------------------------------- */

/* The JSON that bitsandbytes keeps beside an NF4 weight, as Python's json prints it. */
static void print_state(const struct export_tensor *t, float offset, struct buf *b)
{
	const char *type = !strcmp(t->dtype, "F32") ? "float32" : !strcmp(t->dtype, "BF16") ? "bfloat16" : "float16";

	buf_printf(b, "{\"quant_type\": \"nf4\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": [%lld, %lld], \"nested_blocksize\": %d, "
		   "\"nested_dtype\": \"float32\", \"nested_offset\": ", NF4_BLOCK, type, (long long)t->rows, (long long)t->cols, NF4_NESTED);
	buf_double(b, (double)offset);
	buf_char(b, '}');
}

/* Room for it, filled up with spaces: its place is fixed before the offset is known. */
#define STATE_BYTES 256

static void add_vector(struct exporter *x, int *n, const char *dtype, int64_t elements, const char *fmt, int name_n, const char *name)
{
	char *text = mem_printf(fmt, name_n, name);

	x->parts[(*n)++] = (struct safetensors_decl){ arena_strndup(&x->names, text, strlen(text)), dtype, 1, { elements } };
	mem_free(text);
}

/* Appends the parts of a tensor, at most PARTS. */
static void declare(struct exporter *x, const struct export_tensor *t, int *n)
{
	int64_t elements = t->rows * t->cols, blocks = nf4_blocks(elements);
	int whole = (int)strlen(t->name), module = whole - (int)strlen(".weight");

	switch (t->form) {
	case EXPORT_NF4:
		x->parts[(*n)++] = (struct safetensors_decl){ t->name, "U8", 2, { nf4_bytes(elements), 1 } };
		add_vector(x, n, "U8", blocks, "%.*s.absmax", whole, t->name);
		add_vector(x, n, "F32", nf4_nested(blocks), "%.*s.nested_absmax", whole, t->name);
		add_vector(x, n, "F32", 256, "%.*s.nested_quant_map", whole, t->name);
		add_vector(x, n, "F32", 16, "%.*s.quant_map", whole, t->name);
		add_vector(x, n, "U8", STATE_BYTES, "%.*s.quant_state.bitsandbytes__nf4", whole, t->name);
		return;
	case EXPORT_INT8:
		x->parts[(*n)++] = (struct safetensors_decl){ t->name, "I8", 2, { t->rows, t->cols } };
		add_vector(x, n, "F32", t->rows, "%.*s.SCB", module, t->name);
		add_vector(x, n, "U8", 1, "%.*s.weight_format", module, t->name);
		x->parts[*n - 1].n_dims = 0;
		return;
	default:
		x->parts[*n] = (struct safetensors_decl){ t->name, t->dtype, t->n_dims, { 0 } };
		memcpy(x->parts[(*n)++].shape, t->shape, sizeof(t->shape));
	}
}

static int64_t decl_bytes(const struct safetensors_decl *d, int n)
{
	int64_t bytes = 0;
	int width = 0;

	for (int i = 0; i < n; i++) {
		safetensors_type(d[i].dtype, &width);
		bytes += safetensors_decl_elements(&d[i]) * width;
	}
	return bytes;
}

/* Fills files in the order of the list. */
static void assign_shards(struct exporter *x, int64_t shard_bytes)
{
	int64_t used = 0;
	int n = 0;

	for (int i = 0; i < x->n; i++) {
		int64_t bytes;

		declare(x, &x->tensors[i], &n);
		x->first[i + 1] = n;
		bytes = decl_bytes(x->parts + x->first[i], n - x->first[i]);
		if (used && shard_bytes && used + bytes > shard_bytes) {
			x->n_shards++;
			used = 0;
		}
		x->shard[i] = x->n_shards;
		used += bytes;
		x->total += bytes;
	}
	x->n_shards++;
}

/* --- files ---------------------------------------------------------------------------------------------- */

static char *shard_name(const struct exporter *x, int shard)
{
	return x->n_shards == 1 ? mem_strdup("model.safetensors") :
				  mem_printf("model-%05d-of-%05d.safetensors", shard + 1, x->n_shards);
}

static enum status end_file(struct exporter *x, struct error *err)
{
	struct safetensors_writer *w = x->writer;

	x->writer = NULL;
	return w ? safetensors_commit(w, err) : OK;
}

/* Opens the file of the tensors from the current one on. */
static enum status open_file(struct exporter *x, int shard, struct error *err)
{
	static const char *const meta[] = { "format", "pt", NULL };
	char *name = shard_name(x, shard), *path = path_join(x->dir, name);
	int last = x->at;
	enum status st = end_file(x, err);

	while (last < x->n && x->shard[last] == shard)
		last++;
	x->open_shard = shard;
	x->base = x->first[x->at];
	if (st == OK)
		st = safetensors_create(&x->writer, path, x->parts + x->base, x->first[last] - x->base, meta, err);
	mem_free(name);
	mem_free(path);
	return st;
}

void export_open(struct exporter **out, const char *dir, const struct export_tensor *tensors, int n, int64_t shard_bytes,
		 struct pool *pool)
{
	struct exporter *x = mem_zalloc(sizeof(*x));

	x->dir = mem_strdup(dir);
	x->pool = pool;
	x->tensors = tensors;
	x->n = n;
	x->shard = mem_array((size_t)n + 1, sizeof(*x->shard));
	x->first = mem_array((size_t)n + 1, sizeof(*x->first));
	x->parts = mem_array((size_t)n * PARTS + 1, sizeof(*x->parts));
	x->open_shard = -1;
	assign_shards(x, shard_bytes);
	*out = x;
}

void export_close(struct exporter *x)
{
	if (!x)
		return;
	safetensors_abort(x->writer);
	arena_release(&x->names);
	mem_free(x->parts);
	mem_free(x->first);
	mem_free(x->shard);
	mem_free(x->absmax);
	mem_free(x->room);
	mem_free(x->scales);
	mem_free(x->dir);
	mem_free(x);
}

/* --- pieces -------------------------------------------------------------------------------------------- */

/* A piece of rows, cut between threads: whole rows for int8, runs of PIECE elements else. */
struct encode_job {
	const struct export_tensor *t;
	const float *data;
	int64_t n;
	void *out;
	float *scales;                       /* int8: of the rows; NF4: absmax of the blocks */
	bool measure;                        /* NF4's second pass: scales are given */
	double *magnitude, *error;           /* of each run */
};

static void note(const struct encode_job *j, int64_t run, const float *x, const float *stored, int64_t n)
{
	double magnitude = j->magnitude[run], error = j->error[run];

	for (int64_t i = 0; i < n; i++) {
		double v = fabs((double)x[i]), e = fabs((double)x[i] - (double)stored[i]);

		/* What is not finite is larger than all. */
		magnitude = v <= magnitude ? magnitude : isfinite(v) ? v : INFINITY;
		error = e <= error ? error : isfinite(e) ? e : INFINITY;
	}
	j->magnitude[run] = magnitude;
	j->error[run] = error;
}

static void encode_plain(const struct encode_job *j, int64_t run, int64_t first, int64_t n)
{
	const float *x = j->data + first;
	bool bf16 = !strcmp(j->t->dtype, "BF16");
	uint16_t *out = (uint16_t *)j->out + first;
	float back[256];

	if (!strcmp(j->t->dtype, "F32")) {
		memcpy((float *)j->out + first, x, (size_t)n * sizeof(float));
		note(j, run, x, x, n);
		return;
	}
	for (int64_t at = 0; at < n; at += 256) {
		int64_t m = n - at < 256 ? n - at : 256;

		for (int64_t i = 0; i < m; i++) {
			out[at + i] = bf16 ? float_bfloat(x[at + i]) : float_half(x[at + i]);
			back[i] = bf16 ? bfloat_float(out[at + i]) : half_float(out[at + i]);
		}
		note(j, run, x + at, back, m);
	}
}

static void encode_nf4(const struct encode_job *j, int64_t run, int64_t first, int64_t n)
{
	const float *x = j->data + first;
	uint8_t *out = (uint8_t *)j->out + first / 2;
	float *absmax = j->scales + first / NF4_BLOCK, own, back[NF4_BLOCK];

	for (int64_t at = 0; at < n; at += NF4_BLOCK) {
		int64_t m = n - at < NF4_BLOCK ? n - at : NF4_BLOCK, block = at / NF4_BLOCK;

		nf4_encode(x + at, m, out + at / 2, j->measure ? &own : &absmax[block]);
		if (j->measure)
			nf4_decode(out + at / 2, &absmax[block], 0, m, back);
		note(j, run, x + at, j->measure ? back : x + at, m);
	}
}

static void encode_row(const struct encode_job *j, int64_t row)
{
	int64_t cols = j->t->cols;
	const float *x = j->data + row * cols;
	int8_t *out = (int8_t *)j->out + row * cols;
	float back[256];

	int8_encode(x, cols, out, &j->scales[row]);
	for (int64_t at = 0; at < cols; at += 256) {
		int64_t m = cols - at < 256 ? cols - at : 256;

		int8_decode(out + at, j->scales[row], m, back);
		note(j, row, x + at, back, m);
	}
}

static void encode_run(void *arg, int64_t run, int worker)
{
	const struct encode_job *j = arg;
	int64_t first = run * PIECE, n = j->n - first < PIECE ? j->n - first : PIECE;

	(void)worker;
	if (j->t->form == EXPORT_INT8)
		encode_row(j, run);
	else if (j->t->form == EXPORT_NF4)
		encode_nf4(j, run, first, n);
	else
		encode_plain(j, run, first, n);
}

static int element_bits(const struct export_tensor *t)
{
	return t->form == EXPORT_NF4 ? 4 : t->form == EXPORT_INT8 ? 8 : strcmp(t->dtype, "F32") ? 16 : 32;
}

static enum status begin_tensor(struct exporter *x, struct error *err)
{
	const struct export_tensor *t = &x->tensors[x->at];

	if (x->shard[x->at] != x->open_shard)
		TRY(open_file(x, x->shard[x->at], err));
	x->magnitude = x->error = 0;
	x->pass = 0;
	if (t->form == EXPORT_NF4) {
		mem_free(x->absmax);
		x->absmax = mem_try((size_t)nf4_blocks(t->rows * t->cols) * sizeof(float) + 1);
		if (!x->absmax)
			return error_set(err, ERR_MEMORY, "no memory for the blocks of '%s'", t->name);
	}
	return OK;
}

static enum status make_room(struct exporter *x, size_t bytes, int64_t rows, struct error *err)
{
	if (bytes > x->room_bytes) {
		mem_free(x->room);
		x->room = mem_try(bytes);
		x->room_bytes = x->room ? bytes : 0;
		if (!x->room)
			return error_set(err, ERR_MEMORY, "no memory for a piece of '%s'", x->tensors[x->at].name);
	}
	if (rows > x->cap_scales) {
		x->scales = mem_grow(x->scales, (size_t)rows, sizeof(float));
		x->cap_scales = rows;
	}
	return OK;
}

/* Encodes a piece on the pool and takes what was found in it. */
static enum status encode(struct exporter *x, struct encode_job *j, int64_t runs, struct error *err)
{
	j->magnitude = mem_array((size_t)runs + 1, sizeof(double));
	j->error = mem_array((size_t)runs + 1, sizeof(double));
	pool_run(x->pool, runs, encode_run, j);
	for (int64_t i = 0; i < runs; i++) {
		x->magnitude = j->magnitude[i] > x->magnitude ? j->magnitude[i] : x->magnitude;
		x->error = j->error[i] > x->error ? j->error[i] : x->error;
	}
	mem_free(j->magnitude);
	mem_free(j->error);
	if (!isfinite(x->magnitude))
		return error_set(err, ERR_DATA, "tensor '%s' has values that are not finite", j->t->name);
	if (!isfinite(x->error))
		return error_set(err, ERR_DATA, "tensor '%s' has values up to %g, too large for float16", j->t->name, x->magnitude);
	return OK;
}

/* Bytes of the part-th part of the current tensor. */
static enum status put(struct exporter *x, int part, uint64_t at, const void *p, size_t n, struct error *err)
{
	return safetensors_put(x->writer, x->first[x->at] - x->base + part, at, p, n, err);
}

static enum status put_blocks(struct exporter *x, const struct export_tensor *t, const uint8_t *codes, const float *scales,
			      float offset, struct error *err)
{
	int64_t blocks = nf4_blocks(t->rows * t->cols);
	struct buf state = { 0 };
	enum status st = put(x, 1, 0, codes, (size_t)blocks, err);

	print_state(t, offset, &state);
	while (state.len < STATE_BYTES)
		buf_char(&state, ' ');
	if (st == OK)
		st = put(x, 2, 0, scales, (size_t)nf4_nested(blocks) * sizeof(float), err);
	if (st == OK)
		st = put(x, 3, 0, dynamic8_signed()->value, 256 * sizeof(float), err);
	if (st == OK)
		st = put(x, 4, 0, nf4_values, sizeof(nf4_values), err);
	if (st == OK)
		st = put(x, 5, 0, state.data, STATE_BYTES, err);
	buf_release(&state);
	return st;
}

/* After NF4's first pass: the magnitudes of the blocks are quantised in their turn, and taken back as they will be read. */
static enum status end_blocks(struct exporter *x, const struct export_tensor *t, struct error *err)
{
	int64_t blocks = nf4_blocks(t->rows * t->cols);
	uint8_t *codes = mem_try((size_t)blocks + 1);
	float *scales = mem_try((size_t)nf4_nested(blocks) * sizeof(float) + 1), offset;
	enum status st = codes && scales ? OK : error_set(err, ERR_MEMORY, "no memory for the blocks of '%s'", t->name);

	if (st == OK) {
		offset = nf4_encode_absmax(x->absmax, blocks, codes, scales);
		nf4_decode_absmax(codes, scales, dynamic8_signed()->value, offset, blocks, x->absmax);
		st = put_blocks(x, t, codes, scales, offset, err);
	}
	mem_free(codes);
	mem_free(scales);
	return st;
}

int export_passes(const struct export_tensor *t)
{
	return t->form == EXPORT_NF4 ? 2 : 1;
}

enum status export_rows(struct exporter *x, int64_t rows, const float *data, struct error *err)
{
	const struct export_tensor *t = &x->tensors[x->at];
	int64_t n = rows * t->cols, first = x->row * t->cols;
	bool int8 = t->form == EXPORT_INT8;
	struct encode_job j = { .t = t, .data = data, .n = n };
	size_t bytes = (size_t)(n * element_bits(t) + 7) / 8;

	if (x->row == 0 && x->pass == 0)
		TRY(begin_tensor(x, err));
	TRY(make_room(x, bytes + 1, int8 ? rows : 0, err));
	j.out = x->room;
	j.scales = int8 ? x->scales : t->form == EXPORT_NF4 ? x->absmax + first / NF4_BLOCK : NULL;
	j.measure = x->pass == 1;
	TRY(encode(x, &j, int8 ? rows : (n + PIECE - 1) / PIECE, err));
	if (x->pass == 0)
		TRY(put(x, 0, (uint64_t)(first * element_bits(t) / 8), x->room, bytes, err));
	if (int8)
		TRY(put(x, 1, (uint64_t)x->row * sizeof(float), x->scales, (size_t)rows * sizeof(float), err));
	x->row += rows;
	if (x->row < t->rows || x->pass + 1 == export_passes(t))
		return OK;
	x->row = 0;
	x->pass = 1;
	return end_blocks(x, t, err);
}

enum status export_bytes(struct exporter *x, const void *p, size_t n, struct error *err)
{
	if (x->row == 0)
		TRY(begin_tensor(x, err));
	TRY(put(x, 0, (uint64_t)x->row, p, n, err));
	x->row += (int64_t)n;
	return OK;
}

enum status export_end_tensor(struct exporter *x, struct error *err)
{
	const struct export_tensor *t = &x->tensors[x->at];

	if (x->row == 0)                             /* one without elements */
		TRY(begin_tensor(x, err));
	if (t->form == EXPORT_INT8)
		TRY(put(x, 2, 0, "", 1, err));
	if (x->error > x->largest.largest)
		x->largest = (struct export_error){ x->error, x->magnitude, t->name };
	x->at++;
	x->row = x->pass = 0;
	return OK;
}

/* --- the index --------------------------------------------------------------------------------------------- */

static enum status write_index(struct exporter *x, struct error *err)
{
	struct buf b = { 0 };
	struct json_writer w = json_writer_open(&b, 2);
	char *path = path_join(x->dir, "model.safetensors.index.json");
	enum status st;

	json_begin_object(&w);
	json_key(&w, "metadata");
	json_begin_object(&w);
	json_kv_int(&w, "total_size", x->total);
	json_end_object(&w);
	json_key(&w, "weight_map");
	json_begin_object(&w);
	for (int i = 0; i < x->n; i++) {
		char *file = shard_name(x, x->shard[i]);

		for (int p = x->first[i]; p < x->first[i + 1]; p++)
			json_kv_string(&w, x->parts[p].name, file);
		mem_free(file);
	}
	json_end_object(&w);
	json_end_object(&w);
	buf_char(&b, '\n');
	st = file_write_all(path, b.data, b.len, err);
	mem_free(path);
	buf_release(&b);
	return st;
}

enum status export_finish(struct exporter *x, struct error *err)
{
	if (!x->n)                                   /* a file without tensors is a file, too */
		TRY(open_file(x, 0, err));
	TRY(end_file(x, err));
	return x->n_shards > 1 ? write_index(x, err) : OK;
}

struct export_error export_largest_error(const struct exporter *x)
{
	return x->largest;
}

int export_files(const struct exporter *x)
{
	return x->n_shards;
}

int64_t export_total_bytes(const struct exporter *x)
{
	return x->total;
}
