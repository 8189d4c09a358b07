/* quern sft-train - next-token cross-entropy over packed or single sequences: pre-training and supervised fine-tuning.
 *
 * Reads the data into memory (libcore/train/rows.h), then trains (libcore/train/session.h): checkpoints, metrics, and
 * at the end a Hugging Face model directory. The same command after a kill goes on and ends in the same bytes. */
#include "common/train.h"
#include "train/rows.h"

static struct {
	struct train_flags train;
	int64_t batch_tokens;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 1e-3, .weight_decay = 0.1 },
	.batch_tokens = 16384,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	OPT_INT(0, "batch-tokens", &opts.batch_tokens, "N", 1, 1e12, "most tokens of an optimizer step (one row at least)"),
	TRAIN_FLAGS_EVAL(opts.train),
	TRAIN_FLAGS_OPTIMIZER(opts.train),
	TRAIN_FLAGS_RUN(opts.train),
	OPT_END,
};

static struct tool tool = {
	.name = "sft-train", .summary = "train a language model on packed or single sequences",
	.operands = "-m DIR [FILE ...] -o DIR", .options = options, .max_operands = -1, .needs_output = true,
};

static struct model model;

static enum status add(struct dataset *d, enum kind k, const struct batch *b, int64_t row, const char **reason,
		       struct error *err)
{
	return rows_add_sequences(d, &model.cfg, k, b, row, reason, err);
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_PACKED, KIND_TOKENS };
	struct training t = { .tool = &tool, .flags = &opts.train, .model = &model, .items = "rows", .kinds = kinds,
			      .n_kinds = 2, .n_shown = 1, .add = add };
	struct train_options o = { 0 };
	struct sft sft = { 0 };
	struct objective objective = sft_objective(&sft);
	enum status st;

	if (!opts.train.model)
		return error_set(err, ERR_USAGE, "-m is needed: which model is trained? (init-model makes one)");
	TRY(tool_add_input(&tool, opts.train.model, err));
	TRY(model_load(&model, opts.train.model, kernels_cpu(), tool.pool, err));
	st = train_flags_options(&opts.train, &model, tool.seed, &o, err);
	o.batch_tokens = opts.batch_tokens;
	if (st == OK)
		st = training_read(&t, err);
	if (st == OK)
		st = training_run(&t, &objective, &o, err);
	train_options_release(&o);
	training_release(&t);
	model_release(&model);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
