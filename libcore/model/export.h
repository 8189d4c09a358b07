/* export.h - weights to a directory, piece by piece: in float32, bfloat16 or float16, quantised as bitsandbytes reads it, in one file or
 * in shards with an index, named as Hugging Face names them.
 *
 * All tensors are declared first; then their rows come in order, so that one piece and not one model is in memory (for NF4 also
 * the magnitudes of one tensor's blocks). Bytes do not depend on the pieces or threads. A value that is not finite, or too large for
 * float16, is refused. */
#ifndef QUERN_MODEL_EXPORT_H
#define QUERN_MODEL_EXPORT_H

#include "base/pool.h"
#include "model/safetensors.h"

enum export_form { EXPORT_PLAIN, EXPORT_INT8, EXPORT_NF4, EXPORT_BYTES };

struct export_tensor {
	const char *name;                    /* the tensor's; outlives the exporter */
	const char *dtype;                   /* "F32", "BF16" or "F16"; what NF4 says it was; any type for EXPORT_BYTES */
	enum export_form form;
	int n_dims;
	int64_t shape[SAFETENSORS_DIMS];
	int64_t rows, cols;
};

struct export_error {                        /* by rounding, over all tensors */
	double largest;
	double magnitude;                    /* largest of the tensor that has it */
	const char *tensor;
};

struct exporter;
/* dir exists. shard_bytes: most bytes in a file (one tensor at least); 0: one file. */
void export_open(struct exporter **x, const char *dir, const struct export_tensor *tensors, int n, int64_t shard_bytes,
		 struct pool *pool);
/* The next tensor of the list; rows must come from the first on, in pieces of a multiple of EXPORT_ROWS, the last one excepted, and
 * that export_passes times: NF4's error is known only when all its blocks are. */
#define EXPORT_ROWS 64
int export_passes(const struct export_tensor *t);
enum status export_rows(struct exporter *x, int64_t rows, const float *data, struct error *err);
enum status export_bytes(struct exporter *x, const void *p, size_t n, struct error *err);
/* After the rows or bytes of a tensor. */
enum status export_end_tensor(struct exporter *x, struct error *err);
/* Ends the last file and writes the index, if there are several. Does not free. */
enum status export_finish(struct exporter *x, struct error *err);
struct export_error export_largest_error(const struct exporter *x);
int export_files(const struct exporter *x);
int64_t export_total_bytes(const struct exporter *x);
void export_close(struct exporter *x);               /* NULL allowed */

#endif
