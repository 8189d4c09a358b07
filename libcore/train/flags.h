/* flags.h - the options that every training tool has, once. */
#ifndef QUERN_TRAIN_FLAGS_H
#define QUERN_TRAIN_FLAGS_H

#include "base/options.h"
#include "train/adapters.h"
#include "train/trainer.h"

struct train_flags {
	const char *model, *eval, *skip_batches, *tensorboard;
	struct opt_list freeze, train;
	int64_t steps, tokens, micro_tokens, save_every, keep, eval_every, patience;
	double epochs, lr, lr_floor, lr_power, warmup, decay_steps, weight_decay, clip, beta1, beta2, eps, momentum, spike;
	int optimizer;               /* enum optimizer_kind */
	int schedule, decay_shape;   /* enum schedule, enum decay_shape */
	int recompute;               /* enum model_use, from MODEL_TRAIN on */
	bool bf16, nesterov, shuffle, best, restart, resume, plan, offload, times;
	struct adapter_flags adapter;
};

#define TRAIN_FLAGS_DEFAULT                                                                                           \
	.epochs = 1, .micro_tokens = 4096, .save_every = 100, .keep = 1, .eval_every = 100, .lr_floor = 0.1,          \
	.lr_power = 1, .warmup = 0.03, .decay_steps = 0.1, .clip = 1, .beta1 = 0.9, .eps = 1e-8, .shuffle = true,     \
	.best = true, .resume = true, .adapter = { ADAPTER_FLAGS_DEFAULT }

#define TRAIN_FLAGS_DATA(f)                                                                                           \
	OPT_STRING('m', "model", &(f).model, "DIR", "the model to start from"),                                       \
	OPT_DOUBLE(0, "epochs", &(f).epochs, "X", 1e-6, 1e6, "passes over the data; 0.5 is half of it, in a random order"),      \
	OPT_INT(0, "steps", &(f).steps, "N", 0, 1e9, "optimizer steps, over as many epochs as that takes; 0 is by --tokens or --epochs"), \
	OPT_INT(0, "tokens", &(f).tokens, "N", 0, 1e15, "end with the step that reaches so many tokens; 0 is no such budget"), \
	OPT_INT(0, "micro-tokens", &(f).micro_tokens, "N", 1, 1 << 24,                                                \
		"tokens computed at once; less takes less memory (raised to the longest row)"),                       \
	{ .type = OPT_TYPE_CHOICE, .name = "recompute", .value = &(f).recompute, .arg = "none|attention|full",        \
	  .help = "activations that the backward pass computes again, which takes less memory and more time",         \
	  .no_provenance = true },                                                                                    \
	OPT_FLAG(0, "bf16", &(f).bf16, "activations and operands of products in bfloat16, sums in float32"),          \
	OPT_FLAG(0, "shuffle", &(f).shuffle, "a new random order in each epoch"),                                     \
	OPT_LIST(0, "freeze", &(f).freeze, "GLOB", "leave tensors whose name fits as they are; may be given several times"), \
	OPT_LIST(0, "train", &(f).train, "GLOB", "train only tensors whose name fits; may be given several times")

#define TRAIN_FLAGS_EVAL(f)                                                                                           \
	OPT_GROUP("Validation"),                                                                                      \
	OPT_STRING(0, "eval", &(f).eval, "FILE", "held-out data of the same kind, measured while training"),          \
	OPT_INT(0, "eval-every", &(f).eval_every, "N", 1, 1e9, "steps between two measurements of --eval"),           \
	OPT_FLAG(0, "best", &(f).best, "with --eval: keep the model of the lowest eval_loss in the directory best"),  \
	OPT_INT(0, "patience", &(f).patience, "N", 0, 1e9, "end after so many measurements without a lower eval_loss; 0 is never")

#define TRAIN_FLAGS_OPTIMIZER(f)                                                                                      \
	OPT_GROUP("Optimizer"),                                                                                       \
	OPT_CHOICE(0, "optimizer", &(f).optimizer, OPTIMIZER_NAMES, "the rule; adamw8 keeps the moments in eight bits"), \
	OPT_DOUBLE(0, "lr", &(f).lr, "X", 0, 10, "highest learning rate"),                                            \
	OPT_CHOICE(0, "schedule", &(f).schedule, SCHEDULE_NAMES, "how the rate falls after the warm-up"),             \
	OPT_DOUBLE(0, "lr-floor", &(f).lr_floor, "X", 0, 1, "where it ends, as a share of --lr (not constant, inverse_sqrt)"), \
	OPT_DOUBLE(0, "warmup", &(f).warmup, "N", 0, 1e9, "steps of linear rise; below 1 a share of all steps"),      \
	OPT_DOUBLE(0, "lr-power", &(f).lr_power, "X", 0, 100, "polynomial: its power"),                               \
	OPT_DOUBLE(0, "decay-steps", &(f).decay_steps, "N", 0, 1e9, "warmup_stable_decay: steps of the fall; below 1 a share of all"), \
	OPT_CHOICE(0, "decay-shape", &(f).decay_shape, DECAY_SHAPE_NAMES, "warmup_stable_decay: form of the fall"),   \
	OPT_DOUBLE(0, "weight-decay", &(f).weight_decay, "X", 0, 10, "decay of matrices (never of norms and biases)"), \
	OPT_DOUBLE(0, "clip", &(f).clip, "X", 0, 1e9, "largest global gradient norm; 0 is no limit"),                 \
	OPT_DOUBLE(0, "beta1", &(f).beta1, "X", 0, 0.9999999, "AdamW, Lion: decay of the first moment"),              \
	OPT_DOUBLE(0, "beta2", &(f).beta2, "X", 0, 0.9999999, "AdamW, Lion: decay of the second moment; 0 is 0.95, for Lion 0.99"), \
	OPT_DOUBLE(0, "eps", &(f).eps, "X", 1e-30, 1, "AdamW's epsilon"),                                             \
	OPT_DOUBLE(0, "momentum", &(f).momentum, "X", 0, 0.9999999, "SGD's momentum"),                                \
	OPT_FLAG(0, "nesterov", &(f).nesterov, "SGD: Nesterov's form of momentum"),                                   \
	{ .type = OPT_TYPE_FLAG, .name = "offload-optimizer", .value = &(f).offload,                                  \
	  .help = "keep the optimizer's state in the host's memory, pinned, not in that of the GPU", .no_provenance = true }

#define TRAIN_FLAGS_RUN(f)                                                                                            \
	OPT_GROUP("Run"),                                                                                             \
	{ .type = OPT_TYPE_FLAG, .name = "plan", .value = &(f).plan,                                                  \
	  .help = "print what memory the run would take, and end without training", .no_provenance = true },          \
	{ .type = OPT_TYPE_INT, .name = "save-every", .value = &(f).save_every, .arg = "N", .min = 1, .max = 1e9,     \
	  .help = "steps between two checkpoints", .no_provenance = true },                                           \
	{ .type = OPT_TYPE_INT, .name = "keep", .value = &(f).keep, .arg = "N", .min = 1, .max = 1e6,                 \
	  .help = "checkpoints to keep, the newest included", .no_provenance = true },                                \
	OPT_DOUBLE(0, "spike", &(f).spike, "X", 0, 1e9, "stop at a loss above X times its average; 0 is never"),      \
	{ .type = OPT_TYPE_STRING, .name = "skip-batches", .value = &(f).skip_batches, .arg = "LIST",                 \
	  .help = "steps whose batch is not learned from, as 57,80-83; may be added to a run that stopped", .no_provenance = true }, \
	{ .type = OPT_TYPE_FLAG, .name = "times", .value = &(f).times, .no_provenance = true,                                \
	  .help = "keep what each step took in trainer/times.jsonl, for quern report" },                              \
	{ .type = OPT_TYPE_STRING, .name = "tensorboard", .value = &(f).tensorboard, .arg = "DIR",                    \
	  .help = "write the metrics there as TensorBoard's event files, too", .no_provenance = true },               \
	{ .type = OPT_TYPE_FLAG, .name = "resume", .value = &(f).resume,                                              \
	  .help = "go on where the same run stopped", .no_provenance = true },                                        \
	{ .type = OPT_TYPE_FLAG, .name = "restart", .value = &(f).restart,                                            \
	  .help = "if the directory holds another run, begin anew in its place", .no_provenance = true }

/* Checks the flags against each other and m, and turns them into options (train_options_release). batch_items and batch_tokens are
 * the tool's to set. */
enum status train_flags_options(const struct train_flags *f, const struct model *m, int64_t seed, struct train_options *o,
				struct error *err);
void train_options_release(struct train_options *o);

#endif
