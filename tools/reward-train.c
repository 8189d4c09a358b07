/* quern reward-train - a reward model from preferences: Bradley-Terry on the rewards of chosen and rejected.
 *
 * A language model's output matrix gives way to one output, read at the last token of a conversation. Pairs are read into
 * memory (libcore/train/rows.h); the loss is libcore/train/objective_preference.h's, libcore/train/session.h trains and
 * writes a directory that transformers loads as a sequence classifier of one label. */
#include "common/model.h"
#include "common/train.h"
#include "train/objective_preference.h"
#include "train/rows.h"

static struct {
	struct train_flags train;
	int64_t batch_pairs;
	double centre;
	bool margin;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 1e-4 },
	.batch_pairs = 32, .margin = true,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	OPT_INT(0, "batch-pairs", &opts.batch_pairs, "N", 1, 1e9, "pairs of an optimizer step"),
	OPT_GROUP("Objective"),
	OPT_FLAG(0, "margin", &opts.margin, "aim at the pairs' column margin, where they have one"),
	OPT_DOUBLE(0, "center", &opts.centre, "X", 0, 1000, "adds X times the square of a pair's summed rewards, which keeps them about 0"),
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

static enum status begin(void *arg, struct dataset *d, const struct schema *s, enum kind k, struct error *err)
{
	(void)arg, (void)d;
	pairs_close(&rows);
	TRY(pairs_open(&rows, &lm, s, k, err));
	rows.rated = true;
	rows.ref_columns = false;
	return OK;
}

static enum status add(void *arg, struct dataset *d, enum kind k, struct batch *b, int64_t row, const char **reason,
		       struct error *err)
{
	(void)arg, (void)k;
	return pairs_add(&rows, d, b, row, reason, err);
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_PREFERENCES, KIND_TOKENS };
	struct training t = { .tool = &tool, .flags = &opts.train, .model = &lm.model, .items = "pairs", .kinds = kinds,
			      .n_kinds = 2, .n_shown = 3, .begin = begin, .add = add, .batch_items = opts.batch_pairs };
	struct model_how how = { .reward = true, .bf16 = opts.train.bf16, .seed = (uint64_t)tool.seed };
	struct reward_objective reward = { .centre = opts.centre, .margins = opts.margin };
	struct objective objective = reward_objective(&reward);
	enum status st;

	TRY(training_check(&t, err));
	TRY(tool_add_model(&tool, opts.train.model, NULL, err));
	TRY(lm_open_as(&lm, opts.train.model, &how, true, tool.pool, err));
	/* transformers finds a sequence's last token by the padding behind it */
	if (lm.model.cfg.pad_id < 0)
		lm.model.cfg.pad_id = tokenizer_pad(lm.tokenizer) >= 0 ? tokenizer_pad(lm.tokenizer) : lm.model.cfg.eos_id;
	st = training_run(&t, &objective, err);
	pairs_close(&rows);
	lm_close(&lm);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
