/* shards.h - the weight files of a directory as one set of named tensors: one safetensors file, or those that an index names.
 *
 * An index is checked as it is read: files lie in the directory itself, and each tensor that it names stands in the file that it names. */
#ifndef QUERN_MODEL_SHARDS_H
#define QUERN_MODEL_SHARDS_H

#include "model/safetensors.h"

struct shard_tensor {
	const struct safetensors *file;
	const struct safetensors_entry *entry;
};

struct shards {
	char *dir;
	struct safetensors **files;
	int n_files, cap_files;
	struct shard_tensor *tensors;        /* by name */
	int n;
};
/* DIR/BASE.safetensors, or the files of DIR/BASE.safetensors.index.json ("model"). */
enum status shards_open(struct shards *s, const char *dir, const char *base, struct error *err);
void shards_close(struct shards *s);
const struct shard_tensor *shards_find(const struct shards *s, const char *name);    /* NULL: there is none */

#endif
