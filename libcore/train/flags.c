/* flags.c - see flags.h. */
#include "train/flags.h"

static const struct train_flags usual = { TRAIN_FLAGS_DEFAULT };

/* What the schedule does not know would be put aside without a word. */
static enum status check_schedule(const struct train_flags *f, struct error *err)
{
	if (f->lr_power != usual.lr_power && f->schedule != SCHEDULE_POLYNOMIAL)
		return error_set(err, ERR_USAGE, "--lr-power is for --schedule polynomial");
	if ((f->decay_steps != usual.decay_steps || f->decay_shape != usual.decay_shape) && f->schedule != SCHEDULE_WARMUP_STABLE_DECAY)
		return error_set(err, ERR_USAGE, "--decay-steps and --decay-shape are for --schedule warmup_stable_decay");
	if (f->lr_floor != usual.lr_floor && (f->schedule == SCHEDULE_CONSTANT || f->schedule == SCHEDULE_INVERSE_SQRT))
		return error_set(err, ERR_USAGE, "--lr-floor: a rate that is constant or falls by the inverse root has no floor");
	return OK;
}

static enum status check(const struct train_flags *f, struct error *err)
{
	if (f->optimizer != OPTIMIZER_SGD && (f->momentum > 0 || f->nesterov))
		return error_set(err, ERR_USAGE, "--momentum and --nesterov are for --optimizer sgd");
	if (f->nesterov && f->momentum == 0)
		return error_set(err, ERR_USAGE, "--nesterov needs --momentum");
	if (f->patience && !f->eval)
		return error_set(err, ERR_USAGE, "--patience needs --eval");
	if (f->eval_every != usual.eval_every && !f->eval)
		return error_set(err, ERR_USAGE, "--eval-every needs --eval");
	if (f->optimizer > OPTIMIZER_ADAMW8 && f->eps != usual.eps)
		return error_set(err, ERR_USAGE, "--eps is for --optimizer adamw and adamw8");
	if (f->optimizer == OPTIMIZER_SGD && (f->beta1 != usual.beta1 || f->beta2 != usual.beta2))
		return error_set(err, ERR_USAGE, "--beta1 and --beta2 are for --optimizer adamw, adamw8 and lion; sgd has --momentum");
	return check_schedule(f, err);
}

enum status train_flags_options(const struct train_flags *f, const struct model *m, int64_t seed, struct train_options *o,
				struct error *err)
{
	bool *trained = NULL;
	enum status st;

	*o = (struct train_options){
		.steps = f->steps, .tokens = f->tokens, .epochs = f->epochs, .micro_tokens = f->micro_tokens,
		.schedule = { .kind = (enum schedule)f->schedule, .lr = f->lr, .floor = f->lr_floor, .warmup = f->warmup,
			      .decay = f->decay_steps, .power = f->lr_power, .shape = (enum decay_shape)f->decay_shape },
		.optimizer = { .kind = (enum optimizer_kind)f->optimizer, .beta1 = f->optimizer == OPTIMIZER_SGD ? f->momentum : f->beta1,
			       .beta2 = f->beta2, .eps = f->eps, .weight_decay = f->weight_decay, .nesterov = f->nesterov,
			       .offload = f->offload },
		.recompute = (enum model_use)(MODEL_TRAIN + f->recompute), .clip = f->clip, .spike = f->spike, .shuffle = f->shuffle,
		.seed = (uint64_t)seed,
	};
	TRY(check(f, err));
	TRY(skip_parse(&o->skip, f->skip_batches, err));
	if (!f->freeze.n && !f->train.n)
		return OK;
	trained = mem_array((size_t)m->n_tensors, sizeof(*trained));
	o->trained = trained;
	st = optimizer_select(m, f->freeze.items, f->freeze.n, f->train.items, f->train.n, trained, err);
	if (st != OK)
		train_options_release(o);
	return st;
}

void train_options_release(struct train_options *o)
{
	skip_release(&o->skip);
	mem_free((void *)(uintptr_t)o->trained);
	o->trained = NULL;
}
