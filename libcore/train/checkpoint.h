/* checkpoint.h - a training state as one safetensors file: the parameters, the optimizer's buckets by their names, and the rest as
 * metadata: step, batches skipped so far, the loss's average, the best evaluation. A checksum of all of it is a tensor, too. */
#ifndef QUERN_TRAIN_CHECKPOINT_H
#define QUERN_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

/* What of a run is not the trainer's. */
struct checkpoint {
	int64_t metrics_bytes;       /* the length that metrics.jsonl has at this step */
	double best_loss;            /* lowest evaluation so far, and its step; 0 = none yet */
	int64_t best_step;
	int64_t stale;               /* evaluations since */
};

/* A checkpoint is begun by the thread that trains, which fixes the step, and may be written by another one: the caller changes no parameter
 * and no state of the optimizer before read is called (NULL: nobody asks), which it is in any case, once. Path is replaced whole. */
struct checkpoint_image;
struct checkpoint_image *checkpoint_begin(const struct trainer *t, const char *identity, const struct checkpoint *c);
enum status checkpoint_write(const struct checkpoint_image *image, const char *path, void (*read)(void *arg), void *arg, struct error *err);
void checkpoint_end(struct checkpoint_image *image);
/* All of that at once. */
enum status checkpoint_save(const struct trainer *t, const char *path, const char *identity, const struct checkpoint *c,
			    struct error *err);
/* Reads only the identity; NULL in *identity when path does not exist (mem_free). */
enum status checkpoint_identity(const char *path, char **identity, struct error *err);
/* ERR_DATA if it is damaged; ERR_USAGE if it was trained on a batch that is to be skipped now, or the other way round. */
enum status checkpoint_load(struct trainer *t, const char *path, struct checkpoint *c, struct error *err);

#endif
