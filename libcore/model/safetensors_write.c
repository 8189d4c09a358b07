/* safetensors_write.c - writing, see safetensors.h. */
#include "model/safetensors.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 65536                          /* bytes that leave the device at a time */

struct place {
	const struct safetensors_decl *d;
	uint64_t begin, bytes, put;
};

struct safetensors_writer {
	struct output *out;
	uint64_t data;                       /* file offset of the first tensor byte */
	int n;
	struct place *places;                /* in the order of the declarations */
};

int64_t safetensors_decl_elements(const struct safetensors_decl *d)
{
	int64_t n = 1;

	for (int i = 0; i < d->n_dims; i++)
		n *= d->shape[i];
	return n;
}

static int by_type_and_name(const void *a, const void *b)
{
	const struct safetensors_decl *x = (*(struct place *const *)a)->d, *y = (*(struct place *const *)b)->d;
	int bytes, i = safetensors_type(x->dtype, &bytes), j = safetensors_type(y->dtype, &bytes);

	return i != j ? (i < j) - (i > j) : strcmp(x->name, y->name);
}

static void print_entry(struct json_writer *w, const struct place *p)
{
	json_key(w, p->d->name);
	json_begin_object(w);
	json_kv_string(w, "dtype", p->d->dtype);
	json_key(w, "shape");
	json_begin_array(w);
	for (int i = 0; i < p->d->n_dims; i++)
		json_int(w, p->d->shape[i]);
	json_end_array(w);
	json_key(w, "data_offsets");
	json_begin_array(w);
	json_uint(w, p->begin);
	json_uint(w, p->begin + p->bytes);
	json_end_array(w);
	json_end_object(w);
}

/* Gives each tensor its place and prints the header. */
static void lay_out(struct safetensors_writer *s, const struct safetensors_decl *d, const char *const *meta, struct buf *b)
{
	struct place **order = mem_array((size_t)s->n + 1, sizeof(*order));
	struct json_writer w = json_writer_open(b, 0);
	uint64_t at = 0;
	int width;

	for (int i = 0; i < s->n; i++) {
		safetensors_type(d[i].dtype, &width);
		s->places[i] = (struct place){ .d = &d[i], .bytes = (uint64_t)(safetensors_decl_elements(&d[i]) * width) };
		order[i] = &s->places[i];
	}
	if (s->n)
		qsort(order, (size_t)s->n, sizeof(*order), by_type_and_name);
	json_begin_object(&w);
	json_key(&w, "__metadata__");
	json_begin_object(&w);
	for (; *meta; meta += 2)
		json_kv_string(&w, meta[0], meta[1]);
	json_end_object(&w);
	for (int i = 0; i < s->n; i++) {
		order[i]->begin = at;
		at += order[i]->bytes;
		print_entry(&w, order[i]);
		order[i]->d = NULL;          /* the declarations are the caller's */
	}
	json_end_object(&w);
	while (b->len % 8)
		buf_char(b, ' ');
	mem_free(order);
}

enum status safetensors_create(struct safetensors_writer **out, const char *path, const struct safetensors_decl *d, int n,
			       const char *const *meta, struct error *err)
{
	struct safetensors_writer *w = mem_zalloc(sizeof(*w));
	struct buf header = { 0 };
	uint8_t length[8];
	enum status st = output_open(&w->out, path, err);

	*out = NULL;
	if (st != OK) {
		mem_free(w);
		return st;
	}
	w->n = n;
	w->places = mem_array((size_t)n + 1, sizeof(*w->places));
	lay_out(w, d, meta, &header);
	w->data = 8 + header.len;
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)header.len >> (8 * i));
	st = output_write_at(w->out, 0, length, 8, err);
	if (st == OK)
		st = output_write_at(w->out, 8, header.data, header.len, err);
	buf_release(&header);
	if (st != OK)
		safetensors_abort(w);
	else
		*out = w;
	return st;
}

enum status safetensors_put(struct safetensors_writer *w, int i, uint64_t at, const void *p, size_t n, struct error *err)
{
	struct place *t = &w->places[i];

	if (at > t->bytes || n > t->bytes - at)
		return error_set(err, ERR_USAGE, "%s: tensor %d has %llu bytes", output_name(w->out), i, (unsigned long long)t->bytes);
	t->put += n;
	return output_write_at(w->out, w->data + t->begin + at, p, n, err);
}

enum status safetensors_commit(struct safetensors_writer *w, struct error *err)
{
	enum status st = OK;

	for (int i = 0; i < w->n && st == OK; i++)
		if (w->places[i].put != w->places[i].bytes)
			st = error_set(err, ERR_USAGE, "%s: tensor %d is not whole", output_name(w->out), i);
	if (st == OK) {
		st = output_commit(w->out, err);
		w->out = NULL;
	}
	safetensors_abort(w);
	return st;
}

void safetensors_abort(struct safetensors_writer *w)
{
	if (!w)
		return;
	output_abort(w->out);
	mem_free(w->places);
	mem_free(w);
}

/* --- from device buffers ----------------------------------------------------------------------- */

static enum status put_whole(struct safetensors_writer *w, int i, const void *data, size_t bytes, const struct kernels *k,
			     char *piece, struct error *err)
{
	for (size_t at = 0; at < bytes; at += PIECE) {
		size_t m = bytes - at < PIECE ? bytes - at : PIECE;

		k->download(piece, (const char *)data + at, m);
		TRY(safetensors_put(w, i, at, piece, m, err));
	}
	return OK;
}

/* data[rows, cols] column by column. */
static enum status put_transposed(struct safetensors_writer *w, int i, const struct safetensors_part *p, const struct kernels *k,
				  struct error *err)
{
	int64_t rows = p->shape[0], cols = p->shape[1];
	size_t bytes = (size_t)rows * sizeof(float);
	float *all = mem_try((size_t)(rows + 1) * (size_t)cols * sizeof(float) + bytes), *column = all + rows * cols;
	enum status st = OK;

	if (!all)
		return error_set(err, ERR_MEMORY, "no memory to transpose tensor '%s'", p->name);
	k->download(all, p->data, (size_t)cols * bytes);
	for (int64_t c = 0; c < cols && st == OK; c++) {
		for (int64_t r = 0; r < rows; r++)
			column[r] = all[r * cols + c];
		st = safetensors_put(w, i, (uint64_t)c * bytes, column, bytes, err);
	}
	mem_free(all);
	return st;
}

static struct safetensors_decl part_decl(const struct safetensors_part *p)
{
	return (struct safetensors_decl){ p->name, p->dtype ? p->dtype : "F32", p->n_dims, { p->shape[p->transposed], p->shape[!p->transposed] } };
}

enum status safetensors_write(const char *path, const struct safetensors_part *parts, int n, const char *const *meta,
			      const struct kernels *k, struct error *err)
{
	struct safetensors_decl *d = mem_array((size_t)n + 1, sizeof(*d));
	char *piece = mem_alloc(PIECE);
	int width;
	struct safetensors_writer *w;
	enum status st;

	for (int i = 0; i < n; i++)
		d[i] = part_decl(&parts[i]);
	st = safetensors_create(&w, path, d, n, meta, err);
	for (int i = 0; i < n && st == OK; i++) {
		safetensors_type(d[i].dtype, &width);
		st = parts[i].transposed ? put_transposed(w, i, &parts[i], k, err) :
		     put_whole(w, i, parts[i].data, (size_t)safetensors_decl_elements(&d[i]) * (size_t)width, k, piece, err);
	}
	if (st == OK)
		st = k->status(err);         /* what a device that failed gives is no value */
	if (st == OK)
		st = safetensors_commit(w, err);
	else
		safetensors_abort(w);
	mem_free(piece);
	mem_free(d);
	return st;
}
