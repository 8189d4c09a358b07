/* source.h - the weights of a directory as matrices of floats, however they are stored.
 *
 * A directory is a model (float32, bfloat16, float16, or quantised by bitsandbytes: NF4 and int8), or an adapter, which
 * stands for its base with the adapter merged in: W + s B A, in fp32. Tensors are read by pieces of rows, so that no tensor need be
 * in memory as a whole. What bitsandbytes keeps beside a weight (absmax, SCB, …) does not show. */
#ifndef QUERN_MODEL_SOURCE_H
#define QUERN_MODEL_SOURCE_H

#include "model/adapter.h"
#include "model/shards.h"

enum source_form { SOURCE_FLOAT, SOURCE_NF4, SOURCE_INT8, SOURCE_OTHER };

struct source_tensor {
	const char *name;
	enum source_form form;               /* SOURCE_OTHER: no weights (integers, masks); only safetensors_bytes reads it */
	char dtype[8];                       /* "F32", …: as stored, or as it was before it was quantised */
	int n_dims;
	int64_t shape[SAFETENSORS_DIMS];
	int64_t rows, cols;                  /* shape[0], and the product of the others */
	const struct safetensors *file;
	const struct safetensors_entry *entry;
	const struct adapter_module *module; /* of the adapter, or NULL */
};

struct source {
	char *dir, *base_dir;                /* as given; of the model itself (equal without an adapter) */
	struct shards shards;
	bool has_adapter;
	struct adapter adapter;
	bool apart;                          /* set: the adapter is not merged in (but its whole tensors count) */
	struct source_tensor *tensors;       /* by name */
	int n;
	const struct adapter_tensor *saved_head;     /* an output matrix that the adapter has saved and the base has not, or NULL */
	bool untied;                         /* the base's embeddings are its output matrix, too; the adapter makes them two: "lm_head.weight" */
	int n_heads;                         /* of them, those of a classifier that the adapter makes of a language model */
	const struct source_tensor *current; /* what source_begin has prepared: */
	float *left, *right;                 /* adapter: [rows, r], scaled, and [r, cols] */
	float *scales;                       /* NF4: absmax of each block; int8: of each row */
};

/* base: the model that an adapter belongs to; NULL: the one that the adapter names, as a path, or beside the adapter's
 * directory. ERR_USAGE if base is given and dir is no adapter. */
/* The directory of the base that an adapter stands on (mem_free). */
enum status source_base(const char *dir, const char *base, char **out, struct error *err);
enum status source_open(struct source *s, const char *dir, const char *base, struct error *err);
void source_close(struct source *s);
const struct source_tensor *source_find(const struct source *s, const char *name);
/* Before source_read of a tensor: loads what all its rows need. */
enum status source_begin(struct source *s, const struct source_tensor *t, struct error *err);
/* Whether the current tensor is what its file has, nothing decoded and nothing added. */
bool source_is_plain(const struct source *s);
/* Rows [first, first + rows) into dst [rows, cols] (host). */
enum status source_read(struct source *s, int64_t first, int64_t rows, struct pool *pool, float *dst, struct error *err);

#endif
