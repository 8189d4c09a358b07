/* checkpoint.h - a training state as one safetensors file: tensors params, m and v, and the step as metadata. */
#ifndef QUERN_TRAIN_CHECKPOINT_H
#define QUERN_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

/* Replaces path whole. metrics_bytes: the length that metrics.jsonl has at this step. */
enum status checkpoint_save(const struct trainer *t, const char *path, const char *identity, int64_t metrics_bytes,
			    struct error *err);
/* Reads only the identity; NULL in *identity when path does not exist (mem_free). */
enum status checkpoint_identity(const char *path, char **identity, struct error *err);
enum status checkpoint_load(struct trainer *t, const char *path, int64_t *metrics_bytes, struct error *err);

#endif
