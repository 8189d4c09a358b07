/* quern dpo-train - direct preference optimisation against a frozen reference.
 *
 * Pairs are read into memory with the reference's log-probabilities: from the columns that `score --ref` adds, or
 * computed once before the first step, from --ref or the start model itself. Then libcore/train/session.h trains. */
#include "common/model.h"
#include "common/train.h"
#include "train/rows.h"

static struct {
	struct train_flags train;
	const char *ref;
	int64_t batch_pairs;
	int loss;                    /* enum dpo_loss */
	double beta, label_smoothing, sft_weight;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 5e-6 },
	.batch_pairs = 32, .beta = 0.1,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	OPT_INT(0, "batch-pairs", &opts.batch_pairs, "N", 1, 1e9, "pairs of an optimizer step"),
	OPT_GROUP("Objective"),
	OPT_CHOICE(0, "loss", &opts.loss, "sigmoid|ipo|hinge", "loss of a pair"),
	OPT_DOUBLE(0, "beta", &opts.beta, "X", 1e-6, 1000, "how strongly the reference holds"),
	OPT_DOUBLE(0, "label-smoothing", &opts.label_smoothing, "X", 0, 0.4999, "share of pairs taken as mislabelled (sigmoid)"),
	OPT_DOUBLE(0, "sft-weight", &opts.sft_weight, "X", 0, 1000, "adds this times the cross-entropy of the chosen"),
	OPT_STRING(0, "ref", &opts.ref, "DIR", "reference model; else the pairs' own columns, else the start model"),
	ADAPTER_FLAGS(opts.train.adapter),
	TRAIN_FLAGS_EVAL(opts.train),
	TRAIN_FLAGS_OPTIMIZER(opts.train),
	TRAIN_FLAGS_RUN(opts.train),
	OPT_END,
};

static struct tool tool = {
	.name = "dpo-train", .summary = "train a language model on preference pairs",
	.operands = "-m DIR [FILE ...] -o DIR", .options = options, .max_operands = -1,
};

static struct lm lm;
static struct pairs pairs;           /* of the input that is being read */

static enum status begin(void *arg, struct dataset *d, const struct schema *s, enum kind k, struct error *err)
{
	(void)arg, (void)d;
	pairs_close(&pairs);
	TRY(pairs_open(&pairs, &lm, s, k, err));
	pairs.ref_columns &= !opts.ref;
	return OK;
}

static enum status add(void *arg, struct dataset *d, enum kind k, struct batch *b, int64_t row, const char **reason,
		       struct error *err)
{
	(void)arg, (void)k;
	return pairs_add(&pairs, d, b, row, reason, err);
}

static enum status compute_ref(struct model *m, struct dataset *d, struct error *err)
{
	if (!d->n_items || d->ref)
		return OK;
	d->ref = mem_array((size_t)d->n_seqs, sizeof(*d->ref));
	return sequence_logps(m, d, opts.train.micro_tokens, d->ref, err);
}

/* The frozen model's log-probabilities where the data did not bring them; a model of --ref is not kept. */
static enum status add_reference(struct training *t, struct error *err)
{
	struct model other, *m = &lm.model;
	enum status st = OK;

	if (opts.ref) {
		TRY(tool_add_model(&tool, opts.ref, NULL, err));
		TRY(model_load(&other, opts.ref, kernels_cpu(), tool.pool, err));
		m = &other;
		if (other.cfg.vocab != lm.model.cfg.vocab)
			st = error_set(err, ERR_DATA, "%s: a vocabulary of %d, the model has %d", opts.ref, other.cfg.vocab,
				       lm.model.cfg.vocab);
	}
	/* New adapters do nothing yet, and one that is trained further belongs to the start model. */
	model_adapter_off(m, !adapter_is_dir(opts.train.model));
	if (st == OK)
		st = compute_ref(m, &t->data, err);
	if (st == OK)
		st = compute_ref(m, &t->held_out, err);
	model_adapter_off(m, false);
	if (opts.ref)
		model_release(&other);
	return st;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_PREFERENCES, KIND_TOKENS };
	struct training t = { .tool = &tool, .flags = &opts.train, .model = &lm.model, .items = "pairs", .kinds = kinds,
			      .n_kinds = 2, .n_shown = 5, .begin = begin, .add = add };
	struct train_options o = { 0 };
	struct adapter_config lora;
	struct model_how how;
	struct dpo dpo = { .loss = (enum dpo_loss)opts.loss, .beta = opts.beta, .label_smoothing = opts.label_smoothing,
			   .sft_weight = opts.sft_weight };
	struct objective objective = dpo_objective(&dpo);
	enum status st;

	TRY(training_check(&t, err));
	if (opts.label_smoothing > 0 && opts.loss != DPO_SIGMOID)
		return error_set(err, ERR_USAGE, "--label-smoothing is defined for --loss sigmoid");
	TRY(tool_add_model(&tool, opts.train.model, NULL, err));
	TRY(adapter_flags_how(&opts.train.adapter, opts.train.model, tool.seed, &lora, &how, err));
	st = lm_open_as(&lm, opts.train.model, &how, true, tool.pool, err);
	adapter_config_release(&lora);
	TRY(st);
	st = train_flags_options(&opts.train, &lm.model, tool.seed, &o, err);
	o.batch_items = opts.batch_pairs;
	if (st == OK)
		st = training_read(&t, err);
	if (st == OK)
		st = add_reference(&t, err);
	if (st == OK)
		st = training_run(&t, &objective, &o, err);
	pairs_close(&pairs);
	train_options_release(&o);
	training_release(&t);
	lm_close(&lm);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
