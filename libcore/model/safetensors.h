/* safetensors.h - the weight files of Hugging Face: a JSON header with name, type, shape and place of each
 * tensor, then the bytes, little endian (format as huggingface/safetensors defines it).
 *
 * The reader trusts nothing: header of at most 100 MB inside the file, every tensor's bytes equal to its shape,
 * tensors back to back from the first byte to the last, no name twice. Values are read with pread in pieces, so
 * that a file that shrinks under us is an error and no signal. The writer's bytes depend on names, types, shapes and
 * values alone, and are laid out as the reference does: wide types first, so that each value lies at a multiple of
 * its size, equal types by name, the header padded with spaces to 8 bytes. */
#ifndef QUERN_MODEL_SAFETENSORS_H
#define QUERN_MODEL_SAFETENSORS_H

#include "base/error.h"
#include "base/json.h"
#include "kernels.h"

#include <stdbool.h>
#include <stdint.h>

#define SAFETENSORS_DIMS 4

struct safetensors_entry {
	char *name;
	char dtype[8];               /* "F32", "BF16", "F16", ... as written */
	int n_dims;
	int64_t shape[SAFETENSORS_DIMS];
	int64_t elements;
	uint64_t begin, end;         /* bytes after the header */
};

struct safetensors;
enum status safetensors_open(struct safetensors **f, const char *path, struct error *err);
void safetensors_close(struct safetensors *f);                     /* NULL allowed */
/* NULL if there is no tensor of that name. */
const struct safetensors_entry *safetensors_find(const struct safetensors *f, const char *name);
/* Value of __metadata__, or NULL. */
const char *safetensors_meta(const struct safetensors *f, const char *key);
/* Elements [first, first + n) as floats into the device buffer dst; F32, BF16 and F16 are read, others are refused. */
enum status safetensors_read(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
			     const struct kernels *k, float *dst, struct error *err);
/* The same into host memory. */
enum status safetensors_read_host(const struct safetensors *f, const struct safetensors_entry *e, int64_t first, int64_t n,
				  float *dst, struct error *err);

/* Whether two tensors have the same bytes of the same type. */
enum status safetensors_same(const struct safetensors *f, const struct safetensors_entry *a, const struct safetensors *g,
			     const struct safetensors_entry *b, bool *same, struct error *err);
const char *safetensors_path(const struct safetensors *f);
/* Where the file has its first value. */
uint64_t safetensors_data(const struct safetensors *f);
/* Place of a type in the format's list, and its size; -1 for what is none. */
int safetensors_type(const char *dtype, int *bytes);
int safetensors_count(const struct safetensors *f);
/* i-th by name. */
const struct safetensors_entry *safetensors_entry(const struct safetensors *f, int i);
/* Bytes [first, first + n) of a tensor as they stand. */
enum status safetensors_bytes(const struct safetensors *f, const struct safetensors_entry *e, uint64_t first, size_t n, void *p,
			      struct error *err);

/* --- writing: tensors are declared first, then their bytes come in any order --------------------- */
struct safetensors_decl {
	const char *name, *dtype;
	int n_dims;
	int64_t shape[SAFETENSORS_DIMS];
};
struct safetensors_writer;
int64_t safetensors_decl_elements(const struct safetensors_decl *d);
/* The file takes path's place whole or not at all. meta: key, value, key, value, ..., NULL. */
enum status safetensors_create(struct safetensors_writer **w, const char *path, const struct safetensors_decl *d, int n,
			       const char *const *meta, struct error *err);
/* Bytes [at, at + n) of the tensor that was declared as the i-th. */
enum status safetensors_put(struct safetensors_writer *w, int i, uint64_t at, const void *p, size_t n, struct error *err);
/* Ends the file; that a byte was not put is an error of the program. Frees w, as abort does. */
enum status safetensors_commit(struct safetensors_writer *w, struct error *err);
void safetensors_abort(struct safetensors_writer *w);              /* NULL allowed */

/* One tensor to write whole: shape and its device buffer, of floats or of what dtype says. */
struct safetensors_part {
	const char *name;
	int n_dims;
	int64_t shape[2];
	const void *data;
	const char *dtype;           /* NULL is "F32" */
	bool transposed;             /* of floats: the file gets [shape[1], shape[0]] */
};
enum status safetensors_write(const char *path, const struct safetensors_part *parts, int n, const char *const *meta,
			      const struct kernels *k, struct error *err);

#endif
