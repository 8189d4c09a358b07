/* quern dpo-train - learning from preferences: DPO and its family, KTO and BCO, and the losses that need no reference.
 *
 * Rows are read into memory with the reference's log-probabilities: from the columns that `score --ref` adds, or
 * computed once before the first step, from --ref or the start model itself. The losses are libcore/train/preference.h;
 * libcore/train/session.h trains. */
#include "common/model.h"
#include "common/train.h"
#include "train/objective_preference.h"
#include "train/rows.h"
#include "train/watch.h"

#include <math.h>
#include <string.h>

#define GAMMA 0.5
#define TAU 0.05
#define F_ALPHA 0.5

static struct {
	struct train_flags train;
	struct device_flags device;
	const char *ref, *loss;
	int64_t batch_pairs;
	int divergence;              /* enum divergence */
	bool reference_free;
	double beta, label_smoothing, gamma, tau, alpha, ld_alpha, wanted, unwanted;
} opts = {
	.train = { TRAIN_FLAGS_DEFAULT, .lr = 5e-6 }, .device = DEVICE_FLAGS_DEFAULT,
	.loss = "sigmoid", .batch_pairs = 32, .beta = 0.1, .gamma = GAMMA, .tau = TAU, .alpha = F_ALPHA, .ld_alpha = 1, .wanted = 1,
	.unwanted = 1,
};

static struct opt options[] = {
	TRAIN_FLAGS_DATA(opts.train),
	DEVICE_FLAGS(opts.device),
	OPT_INT(0, "batch-pairs", &opts.batch_pairs, "N", 1, 1e9, "pairs, or completions of feedback, of an optimizer step"),
	OPT_GROUP("Objective"),
	OPT_STRING(0, "loss", &opts.loss, "NAME[=W],...", "losses, each with its weight; the man page lists them"),
	OPT_DOUBLE(0, "beta", &opts.beta, "X", 1e-6, 1000, "how strongly the reference holds"),
	OPT_DOUBLE(0, "label-smoothing", &opts.label_smoothing, "X", 0, 0.4999, "share of pairs taken as mislabelled"),
	OPT_DOUBLE(0, "gamma", &opts.gamma, "X", 0, 1000, "simpo: margin that is aimed at"),
	OPT_DOUBLE(0, "discopop-tau", &opts.tau, "X", 1e-6, 1000, "discopop: how sharply its two parts blend"),
	OPT_CHOICE(0, "f-divergence", &opts.divergence, "reverse_kl|forward_kl|js|alpha", "how far from the reference is measured"),
	OPT_DOUBLE(0, "f-alpha", &opts.alpha, "X", 0, 10, "coefficient of the alpha divergence"),
	OPT_DOUBLE(0, "ld-alpha", &opts.ld_alpha, "X", 0, 1, "weight of tokens beyond the length of the shorter completion (LD-DPO)"),
	OPT_DOUBLE(0, "desirable-weight", &opts.wanted, "X", 0, 1000, "feedback: weight of wanted completions"),
	OPT_DOUBLE(0, "undesirable-weight", &opts.unwanted, "X", 0, 1000, "feedback: weight of unwanted completions"),
	OPT_STRING(0, "ref", &opts.ref, "DIR", "reference model; else the pairs' own columns, else the start model"),
	OPT_FLAG(0, "reference-free", &opts.reference_free, "no reference: its log-probabilities count as 0"),
	ADAPTER_FLAGS(opts.train.adapter),
	TRAIN_FLAGS_EVAL(opts.train),
	TRAIN_FLAGS_OPTIMIZER(opts.train),
	TRAIN_FLAGS_RUN(opts.train),
	OPT_END,
};

static struct tool tool = {
	.name = "dpo-train", .summary = "train a language model on preferences",
	.operands = "-m DIR [FILE ...] -o DIR", .options = options, .max_operands = -1,
};

static struct lm lm;
static struct pairs rows;            /* of the input that is being read */
static struct pairs_objective pair;
static struct feedback_objective feedback;
static bool single;                  /* feedback, not pairs */

/* --- which loss ---------------------------------------------------------------------------------- */

static bool find_feedback_loss(void)
{
	static const char *const names[] = { "kto", "apo_zero_unpaired", "bco" };

	for (int i = 0; i < 3; i++)
		if (!strcmp(opts.loss, names[i])) {
			feedback.o = (struct feedback_options){ (enum feedback_loss)i, opts.beta, opts.wanted, opts.unwanted };
			return true;
		}
	return false;
}

/* What the loss does not know would be put aside without a word. */
static enum status check_unused(struct error *err)
{
	if (opts.gamma != GAMMA && (single || !preference_has(&pair.o, PREF_SIMPO)))
		return error_set(err, ERR_USAGE, "--gamma is for --loss simpo");
	if (opts.tau != TAU && (single || !preference_has(&pair.o, PREF_DISCOPOP)))
		return error_set(err, ERR_USAGE, "--discopop-tau is for --loss discopop");
	if (opts.alpha != F_ALPHA && opts.divergence != DIVERGENCE_ALPHA)
		return error_set(err, ERR_USAGE, "--f-alpha is for --f-divergence alpha");
	return OK;
}

static enum status plan_objective(struct objective *o, struct error *err)
{
	single = find_feedback_loss();
	if (single) {
		if (opts.label_smoothing > 0 || opts.divergence || opts.ld_alpha < 1 || opts.reference_free)
			return error_set(err, ERR_USAGE, "--loss %s knows no --label-smoothing, --f-divergence, --ld-alpha or --reference-free",
					 opts.loss);
		*o = feedback_objective(&feedback);
		return check_unused(err);
	}
	if (opts.wanted != 1 || opts.unwanted != 1)
		return error_set(err, ERR_USAGE, "--desirable-weight and --undesirable-weight are for feedback: --loss kto, "
				 "apo_zero_unpaired or bco");
	pair.ld_alpha = opts.ld_alpha;
	pair.o = (struct preference_options){ .beta = opts.beta, .label_smoothing = opts.label_smoothing, .gamma = opts.gamma,
					      .discopop_tau = opts.tau, .divergence = (enum divergence)opts.divergence,
					      .divergence_alpha = opts.alpha };
	TRY(preference_parse(&pair.o, opts.loss, err));
	TRY(preference_check(&pair.o, err));
	TRY(check_unused(err));
	if (opts.ref && (opts.reference_free || !preference_needs_reference(&pair.o)))
		return error_set(err, ERR_USAGE, "--ref: no reference is used");
	*o = pairs_objective(&pair);
	return OK;
}

/* --- rows ---------------------------------------------------------------------------------------- */

static enum status begin(void *arg, struct dataset *d, const struct schema *s, enum kind k, struct error *err)
{
	(void)arg, (void)d;
	pairs_close(&rows);
	if (single)
		return feedback_open(&rows, &lm, s, k, err);
	if (k == KIND_FEEDBACK)
		return error_set(err, ERR_DATA, "this is feedback, no pairs: --loss kto, apo_zero_unpaired or bco learns from it");
	TRY(pairs_open(&rows, &lm, s, k, err));
	rows.ref_columns &= !opts.ref && !opts.reference_free && opts.ld_alpha == 1 && preference_needs_reference(&pair.o);
	rows.prompt_targets = preference_has(&pair.o, PREF_ORPO);
	return OK;
}

static enum status add(void *arg, struct dataset *d, enum kind k, struct batch *b, int64_t row, const char **reason,
		       struct error *err)
{
	(void)arg, (void)k;
	return single ? feedback_add(&rows, d, b, row, reason, err) : pairs_add(&rows, d, b, row, reason, err);
}

static enum status end(void *arg, struct dataset *d, struct error *err)
{
	(void)arg, (void)err;
	if (single && feedback.o.loss == FEEDBACK_KTO && d->n_items)
		d->companion = feedback_mismatched(d, lm.model.cfg.positions);
	return OK;
}

/* --- the reference ---------------------------------------------------------------------------------- */

static enum status compute_ref(struct model *m, struct dataset *d, struct error *err)
{
	float *ref;
	enum status st;

	if (!d->n_items || d->ref)
		return OK;
	ref = mem_array((size_t)d->n_seqs, sizeof(*ref));
	st = sequence_logps(m, d, opts.train.micro_tokens, single ? NULL : pairs_reference, &pair, ref, err);
	d->ref = ref;
	return st;
}

static enum status compute_refs(struct model *m, struct dataset *d, struct error *err)
{
	TRY(compute_ref(m, d, err));
	return d->companion ? compute_ref(m, d->companion, err) : OK;
}

/* The frozen model's log-probabilities where the data did not bring them; a model of --ref is not kept. */
static enum status add_reference(void *arg, struct training *t, struct error *err)
{
	struct model other, *m = &lm.model;
	enum status st = OK;

	(void)arg;
	if (!single && (opts.reference_free || !preference_needs_reference(&pair.o)))
		return OK;
	if (opts.ref) {
		TRY(tool_add_model(&tool, opts.ref, NULL, err));
		TRY(model_load_as(&other, opts.ref, &(struct model_how){ .in_place = true, .pack = true }, lm.model.k, tool.pool, err));
		m = &other;
		if (other.cfg.vocab != lm.model.cfg.vocab)
			st = error_set(err, ERR_DATA, "%s: a vocabulary of %d, the model has %d", opts.ref, other.cfg.vocab,
				       lm.model.cfg.vocab);
	}
	/* New adapters do nothing yet, and one that is trained further belongs to the start model. */
	model_adapter_off(m, !adapter_is_dir(opts.train.model));
	if (st == OK)
		st = compute_refs(m, &t->data, err);
	if (st == OK)
		st = compute_refs(m, &t->held_out, err);
	model_adapter_off(m, false);
	if (opts.ref)
		model_release(&other);
	return st;
}

/* --- while it trains --------------------------------------------------------------------------------- */

static void warn_of(void *arg, const struct report *r)
{
	static struct watch watch;
	const struct watch_means step = { r->values[PAIRS_MARGINS], r->values[PAIRS_ACCURACIES], r->values[PAIRS_NLL] };

	(void)arg;
	switch (watch_step(&watch, &step)) {
	case WATCH_FINE:
		return;
	case WATCH_STALLED:
		tool_warn(&tool, "step %lld: rewards/margins stands at %.3g, and %.0f %% of the pairs are told apart: a higher --lr may help, a lower "
			  "--beta, or pairs that differ more (rejection-sample --min-margin)", (long long)r->step, watch.last.margin,
			  100 * watch.last.accuracy);
		return;
	case WATCH_FELL:
		tool_warn(&tool, "step %lld: the chosen replies lose probability, too: nll_loss was %.3g, it is %.3g a token: cross-entropy beside the "
			  "loss (--loss NAME,sft=0.2) holds it, a lower --lr or a higher --beta may", (long long)r->step, watch.first.nll,
			  watch.last.nll);
	}
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_PREFERENCES, KIND_TOKENS, KIND_FEEDBACK };
	static const enum kind feedback_kinds[] = { KIND_FEEDBACK, KIND_TOKENS };
	struct training t = { .tool = &tool, .flags = &opts.train, .model = &lm.model, .n_shown = 5, .begin = begin, .add = add, .end = end,
			      .prepare = add_reference, .batch_items = opts.batch_pairs };
	struct adapter_config lora;
	struct model_how how;
	const struct kernels *k;
	struct objective objective;
	enum status st;

	TRY(training_check(&t, err));
	TRY(plan_objective(&objective, err));
	t.items = single ? "completions" : "pairs";
	t.watch = single ? NULL : warn_of;
	t.kinds = single ? feedback_kinds : kinds;
	t.n_kinds = single ? 2 : 3;
	if (!opts.train.plan)        /* which reads all of it */
		TRY(tool_add_model(&tool, opts.train.model, NULL, err));
	TRY(tool_open_device(&tool, &opts.device, opts.train.bf16, &k, err));
	TRY(adapter_flags_how(&opts.train.adapter, opts.train.model, tool.seed, &lora, &how, err));
	how.kernels = k;
	how.plan = opts.train.plan;
	st = lm_open_as(&lm, opts.train.model, &how, true, tool.pool, err);
	adapter_config_release(&lora);
	TRY(st);
	st = training_run(&t, &objective, err);
	pairs_close(&rows);
	pairs_objective_release(&pair);
	lm_close(&lm);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;

	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}
