/* quern reward-train - a reward model from preferences: Bradley-Terry on the rewards of chosen and rejected. Or, from solutions whose steps are
 * labelled, a process reward model.
 *
 * A language model's output matrix gives way to one output, read at the last token of a conversation, or to two that say at the end of a
 * step whether it is right. Rows are read into memory (libcore/train/rows.h); the losses are libcore/train/objective_reward.h's,
 * libcore/train/session.h trains and writes a directory that transformers loads as a classifier of sequences or of tokens. */
#include "common/model.h"
#include "common/train.h"
#include "train/objective_reward.h"
#include "train/rows.h"

#include <stdio.h>

static struct {
	struct train_flags train;
	struct device_flags device;
	int64_t batch_pairs;
	double centre;
	bool margin, process, last_step_only;
	const char *step_separator;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 1e-4 }, .device = DEVICE_FLAGS_DEFAULT,
	.batch_pairs = 32, .margin = true,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	DEVICE_FLAGS(opts.device),
	OPT_INT(0, "batch-pairs", &opts.batch_pairs, "N", 1, 1e9, "pairs, or solutions of --process, of an optimizer step"),
	OPT_GROUP("Objective"),
	OPT_FLAG(0, "margin", &opts.margin, "aim at the pairs' column margin, where they have one"),
	OPT_DOUBLE(0, "center", &opts.centre, "X", 0, 1000, "adds X times the square of a pair's summed rewards, which keeps them about 0"),
	OPT_GROUP("Process rewards"),
	OPT_FLAG(0, "process", &opts.process, "rows are solutions with a label for each step, and a model learns to tell right steps"),
	OPT_STRING(0, "step-separator", &opts.step_separator, "TEXT", "what stands behind each step, where it is rated; without, that of -m, or a newline"),
	OPT_FLAG(0, "last-step-only", &opts.last_step_only, "learn from the label of a solution's last step alone; --eval looks at all"),
	ADAPTER_FLAGS(opts.train.adapter),
	TRAIN_FLAGS_EVAL(opts.train),
	TRAIN_FLAGS_OPTIMIZER(opts.train),
	TRAIN_FLAGS_RUN(opts.train),
	OPT_END,
};

static struct tool tool = {
	.name = "reward-train", .summary = "train a reward model on preferences",
	.operands = "-m DIR [FILE ...] -o DIR", .options = options, .max_operands = -1,
};

static struct lm lm;
static struct pairs rows;            /* of the input that is being read */
static struct step_rows solutions;   /* with --process */

static enum status begin(void *arg, struct dataset *d, const struct schema *s, enum kind k, struct error *err)
{
	(void)arg, (void)d;
	pairs_close(&rows);
	step_rows_close(&solutions);
	if (opts.process)
		return step_rows_open(&solutions, &lm, s, opts.step_separator, err);
	if (k == KIND_STEPWISE)
		return error_set(err, ERR_DATA, "these are steps with labels, no pairs: --process learns from them");
	TRY(pairs_open(&rows, &lm, s, k, err));
	rows.rated = true;
	rows.ref_columns = false;
	return OK;
}

static enum status add(void *arg, struct dataset *d, enum kind k, struct batch *b, int64_t row, const char **reason,
		       struct error *err)
{
	const struct training *t = arg;

	(void)k;
	if (opts.process)
		return step_rows_add(&solutions, d, opts.last_step_only && d == &t->data, b, row, reason, err);
	return pairs_add(&rows, d, b, row, reason, err);
}

/* What the steps' separator was goes with the model. */
static enum status prepare(void *arg, struct training *t, struct error *err)
{
	char *kept = lm.model.cfg.step_separator;

	(void)arg, (void)t, (void)err;
	if (opts.process && solutions.steps.separator != kept)
		snprintf(kept, sizeof(lm.model.cfg.step_separator), "%s", solutions.steps.separator);
	return OK;
}

static enum status check_flags(struct error *err)
{
	if (opts.process && (opts.centre > 0 || !opts.margin))
		return error_set(err, ERR_USAGE, "--center and --no-margin are for pairs, not for --process");
	if (!opts.process && (opts.step_separator || opts.last_step_only))
		return error_set(err, ERR_USAGE, "--step-separator and --last-step-only need --process");
	return OK;
}

/* A language model with new outputs, or a reward model as it is; with new adapters, or those that it has. */
static enum status load(struct error *err)
{
	struct adapter_config lora;
	struct model_how how;
	const struct kernels *k;
	enum status st;

	TRY(tool_open_device(&tool, &opts.device, opts.train.bf16, &k, err));
	TRY(adapter_flags_how(&opts.train.adapter, opts.train.model, tool.seed, &lora, &how, err));
	how.kernels = k;
	how.plan = opts.train.plan;
	how.labels = opts.process ? 2 : 1;
	how.seed = (uint64_t)tool.seed;
	st = lm_open_as(&lm, opts.train.model, &how, true, tool.pool, err);
	adapter_config_release(&lora);
	return st;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_PREFERENCES, KIND_TOKENS, KIND_STEPWISE };
	struct training t = { .tool = &tool, .flags = &opts.train, .model = &lm.model, .items = opts.process ? "solutions" : "pairs",
			      .kinds = opts.process ? kinds + 2 : kinds, .n_kinds = opts.process ? 1 : 3, .n_shown = opts.process ? 5 : 3,
			      .arg = &t, .begin = begin, .add = add, .prepare = prepare, .batch_items = opts.batch_pairs };
	struct reward_objective reward = { .centre = opts.centre, .margins = opts.margin };
	struct step_objective steps;
	struct objective objective = opts.process ? step_objective(&steps) : reward_objective(&reward);
	enum status st;

	TRY(training_check(&t, err));
	TRY(check_flags(err));
	if (!opts.train.plan)        /* which reads all of it */
		TRY(tool_add_model(&tool, opts.train.model, NULL, err));
	TRY(load(err));
	/* transformers finds a sequence's last token by the padding behind it */
	if (lm.model.cfg.pad_id < 0)
		lm.model.cfg.pad_id = tokenizer_pad(lm.tokenizer) >= 0 ? tokenizer_pad(lm.tokenizer) : lm.model.cfg.eos_id;
	st = training_run(&t, &objective, err);
	pairs_close(&rows);
	step_rows_close(&solutions);
	lm_close(&lm);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
