/* flags.h - the options that every training tool has, once. */
#ifndef QUERN_TRAIN_FLAGS_H
#define QUERN_TRAIN_FLAGS_H

#include "base/options.h"
#include "train/trainer.h"

struct train_flags {
	const char *model, *eval;
	int64_t epochs, steps, micro_tokens, save_every, eval_every;
	double lr, lr_floor, warmup, weight_decay, clip, beta1, beta2, eps;
	int schedule;                /* enum schedule */
	bool shuffle, restart;
};

#define TRAIN_FLAGS_DEFAULT                                                                                           \
	.epochs = 1, .micro_tokens = 4096, .save_every = 100, .eval_every = 100, .lr_floor = 0.1, .warmup = 0.03,     \
	.clip = 1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .shuffle = true

#define TRAIN_FLAGS_DATA(f)                                                                                           \
	OPT_STRING('m', "model", &(f).model, "DIR", "the model to start from"),                                       \
	OPT_INT(0, "epochs", &(f).epochs, "N", 1, 1e6, "passes over the data"),                                       \
	OPT_INT(0, "steps", &(f).steps, "N", 0, 1e9, "optimizer steps, over as many epochs as that takes; 0 is by --epochs"), \
	OPT_INT(0, "micro-tokens", &(f).micro_tokens, "N", 1, 1 << 24,                                                \
		"tokens computed at once; less takes less memory (raised to the longest row)"),                       \
	OPT_FLAG(0, "shuffle", &(f).shuffle, "a new random order in each epoch"),                                     \
	OPT_STRING(0, "eval", &(f).eval, "FILE", "held-out data of the same kind, measured while training"),          \
	OPT_INT(0, "eval-every", &(f).eval_every, "N", 1, 1e9, "steps between two measurements; one more is at the end")

#define TRAIN_FLAGS_OPTIMIZER(f)                                                                                      \
	OPT_GROUP("Optimizer"),                                                                                       \
	OPT_DOUBLE(0, "lr", &(f).lr, "X", 0, 10, "highest learning rate"),                                            \
	OPT_CHOICE(0, "schedule", &(f).schedule, "cosine|linear|constant", "how the rate falls after the warm-up"),   \
	OPT_DOUBLE(0, "lr-floor", &(f).lr_floor, "X", 0, 1, "where it ends, as a share of --lr"),                     \
	OPT_DOUBLE(0, "warmup", &(f).warmup, "N", 0, 1e9, "steps of linear rise; below 1 a share of all steps"),      \
	OPT_DOUBLE(0, "weight-decay", &(f).weight_decay, "X", 0, 10, "AdamW's decay of matrices (never of norms)"),   \
	OPT_DOUBLE(0, "clip", &(f).clip, "X", 0, 1e9, "largest global gradient norm; 0 is no limit"),                 \
	OPT_DOUBLE(0, "beta1", &(f).beta1, "X", 0, 0.9999999, "AdamW's decay of the first moment"),                   \
	OPT_DOUBLE(0, "beta2", &(f).beta2, "X", 0, 0.9999999, "AdamW's decay of the second moment"),                  \
	OPT_DOUBLE(0, "eps", &(f).eps, "X", 1e-30, 1, "AdamW's epsilon"),                                             \
	OPT_GROUP("Run"),                                                                                             \
	{ .type = OPT_TYPE_INT, .name = "save-every", .value = &(f).save_every, .arg = "N", .min = 1, .max = 1e9,     \
	  .help = "steps between two checkpoints", .no_provenance = true },                                           \
	{ .type = OPT_TYPE_FLAG, .name = "restart", .value = &(f).restart,                                            \
	  .help = "if the directory holds another run, begin anew in its place", .no_provenance = true }

static inline struct train_options train_flags_options(const struct train_flags *f, int64_t seed)
{
	return (struct train_options){
		.steps = f->steps, .epochs = f->epochs, .micro_tokens = f->micro_tokens, .lr = f->lr, .lr_floor = f->lr_floor,
		.warmup = f->warmup, .schedule = (enum schedule)f->schedule, .beta1 = f->beta1, .beta2 = f->beta2, .eps = f->eps,
		.weight_decay = f->weight_decay, .clip = f->clip, .shuffle = f->shuffle, .seed = (uint64_t)seed,
	};
}

#endif
