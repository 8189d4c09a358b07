/* trainer.c - see trainer.h. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

#define LOSS_MEMORY 0.98        /* the average looks back some fifty steps */

/* --- which items make a step -------------------------------------------------------------- */

/* Takes the next step's items, never more than the data have; their number, 0 at the end of the data. */
static int64_t take_items(struct trainer *t, int64_t *tokens)
{
	int64_t item;

	t->n_items = 0;
	*tokens = 0;
	while (t->n_items < t->cursor.d->n_items && (item = cursor_peek(&t->cursor)) >= 0) {
		int64_t n = dataset_item_tokens(t->cursor.d, item);

		if (t->n_items && ((t->o.batch_items && t->n_items >= t->o.batch_items) ||
				   (t->o.batch_tokens && *tokens + n > t->o.batch_tokens)))
			break;
		t->items[t->n_items++] = item;
		*tokens += n;
		cursor_take(&t->cursor);
	}
	return t->n_items;
}

void trainer_seek(struct trainer *t, int64_t step)
{
	int64_t tokens;

	cursor_rewind(&t->cursor);
	for (t->step = 0; t->step < step; t->step++)
		take_items(t, &tokens);
}

/* Steps that the limits give; by tokens or epochs it takes a dry run. */
static int64_t count_steps(struct trainer *t)
{
	int64_t tokens, n = 0, seen = 0;

	if (t->o.steps && !t->o.tokens)
		return t->o.steps;
	while ((t->o.steps == 0 || n < t->o.steps) && (t->o.tokens == 0 || seen < t->o.tokens) && take_items(t, &tokens)) {
		seen += tokens;
		n++;
	}
	cursor_rewind(&t->cursor);
	return n;
}

/* --- opening ------------------------------------------------------------------------------ */

static int64_t largest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Tokens that a step can have at most: memory for more would never be used. */
static int64_t largest_step(const struct dataset *d, const struct train_options *o)
{
	int64_t most = d->n_tokens, of_items;

	if (o->batch_tokens && o->batch_tokens < most)
		most = largest(o->batch_tokens, d->longest);
	if (o->batch_items && !__builtin_mul_overflow(o->batch_items, d->longest, &of_items) && of_items < most)
		most = of_items;
	return most;
}

enum status trainer_open(struct trainer *t, struct model *m, const struct dataset *d, const struct objective *objective,
			 const struct train_options *o, int64_t min_tokens, struct error *err)
{
	*t = (struct trainer){ .model = m, .o = *o, .objective = *objective };
	if (!d->n_items)
		return error_set(err, ERR_DATA, "there is nothing to train on");
	if (t->o.recompute == MODEL_SCORE)
		t->o.recompute = MODEL_TRAIN;
	t->n_least = largest(largest(d->longest, min_tokens), d->companion ? d->companion->longest : 0);
	t->n_max = largest_step(d, o);
	t->n_max = largest(o->micro_tokens < t->n_max ? o->micro_tokens : t->n_max, t->n_least);
	cursor_open(&t->cursor, d, o->seed, o->shuffle, o->steps || o->tokens ? 0 : o->epochs);
	t->items = mem_array((size_t)d->n_items, sizeof(*t->items));
	t->steps = count_steps(t);
	optimizer_plan(&t->optimizer, m, o->trained, &o->optimizer);
	model_train_only(m, o->trained);
	return OK;
}

static size_t params_bytes(const struct trainer *t)
{
	return (size_t)t->model->n_params * sizeof(float);
}

static size_t data_bytes(const struct dataset *d)
{
	return d ? (size_t)d->cap_tokens * 8 + (size_t)d->cap_seqs * 8 + (size_t)d->cap_items * 16 : 0;
}

void trainer_arena(const struct trainer *t, const struct dataset *held_out, struct arena_part parts[ARENA_PARTS])
{
	size_t state = model_state_bytes(t->model, t->n_max, t->o.recompute), scratch = model_scratch_bytes(t->model, t->n_max);
	const struct arena_part all[ARENA_PARTS] = {
		{ "frozen weights", t->model->store_bytes },
		{ "parameters", params_bytes(t) },
		{ "weights as the products take them", model_pack_bytes(t->model) },
		{ "gradients", params_bytes(t) },
		{ optimizer_is_apart(&t->optimizer) ? "optimizer, in the host's memory" : "optimizer", optimizer_bytes(&t->optimizer) },
		{ "activations", state - scratch },
		{ "scratch", scratch },
		{ "data", data_bytes(t->cursor.d) + data_bytes(held_out) },
	};

	memcpy(parts, all, sizeof(all));
}

enum status trainer_take(struct trainer *t, struct error *err)
{
	TRY(model_state_open(&t->state, t->model, t->n_max, t->o.recompute, err));
	t->grads = t->model->k->alloc(t->model->pool, params_bytes(t));
	if (!t->grads)
		return error_set(err, ERR_MEMORY, "no memory for the gradients (%zu MB)", params_bytes(t) >> 20);
	TRY(optimizer_take(&t->optimizer, err));
	micro_open(&t->room, t->n_max, &t->objective, t->o.neftune_alpha > 0 || model_draws(t->model));
	return OK;
}

void trainer_close(struct trainer *t)
{
	if (t->grads)
		t->model->k->release(t->grads);
	optimizer_close(&t->optimizer);
	model_state_close(t->state);
	cursor_release(&t->cursor);
	micro_close(&t->room);
	mem_free(t->items);
	*t = (struct trainer){ 0 };
}

/* --- a step ------------------------------------------------------------------------------- */

/* The pass before the gradients, for objectives that compare all of a step. */
static enum status observe_items(struct trainer *t, const struct dataset *d, const int64_t *items, int64_t n, struct error *err)
{
	if (t->objective.companion)
		d = d->companion;
	for (int64_t at = 0; at < n && t->objective.observe;) {
		struct micro mb;

		at += micro_fill(&t->room, d, items + at, n - at, &mb);
		TRY(model_forward(t->model, t->state, &mb.batch, t->room.logp, err));
		t->objective.observe(t->objective.arg, &mb);
	}
	return OK;
}

static enum status learn_from(struct trainer *t, const struct micro *mb, double *values, struct error *err)
{
	const struct objective *o = &t->objective;
	const struct model_batch *b = &mb->batch;

	if (o->ahead) {
		o->ahead(o->arg, mb);
		TRY(model_learn(t->model, t->state, b, t->room.dlogp, t->room.logp, t->grads, err));
		o->grad(o->arg, mb, values);
		return OK;
	}
	TRY(model_forward(t->model, t->state, b, t->room.logp, err));
	o->grad(o->arg, mb, values);
	return model_backward(t->model, t->state, b, t->room.dlogp, t->grads, err);
}

/* Runs the objective over items, adding to values and, if learning, to the gradients. */
static enum status run_items(struct trainer *t, const struct dataset *d, const int64_t *items, int64_t n, bool learn,
			     double *values, struct error *err)
{
	int64_t first = 0;

	t->objective.begin(t->objective.arg, d, items, n);
	TRY(observe_items(t, d, items, n, err));
	for (int64_t at = 0; at < n;) {
		struct micro mb;

		at += micro_fill(&t->room, d, items + at, n - at, &mb);
		if (learn && t->room.noise_key)
			micro_noise(&t->room, &mb, t->o.neftune_alpha, t->model->cfg.hidden, t->o.seed, t->step, first);
		first += mb.batch.n;
		if (learn) {
			TRY(learn_from(t, &mb, values, err));
			continue;
		}
		TRY(model_forward(t->model, t->state, &mb.batch, t->room.logp, err));
		t->objective.grad(t->objective.arg, &mb, values);
	}
	return OK;
}

/* The step's batch is the culprit: says which it is and leaves the state as it was. */
static enum status refuse(struct trainer *t, const struct report *r, const char *what, struct error *err)
{
	struct buf items = { 0 };
	enum status st;

	for (int64_t i = 0; i < t->n_items && i < 12; i++)
		buf_printf(&items, i ? " %lld" : "%lld", (long long)t->items[i]);
	if (t->n_items > 12)
		buf_printf(&items, " and %lld more", (long long)(t->n_items - 12));
	st = error_set(err, ERR_DATA, "step %lld: %s; its rows, of those that are learned from and from 0: %s; the last checkpoint stands. "
		       "--skip-batches %lld goes round it; a lower --lr or a longer --warmup may help", (long long)r->step, what,
		       items.data, (long long)r->step);
	buf_release(&items);
	t->model->k->zero(t->model->pool, t->grads, params_bytes(t));
	return st;
}

/* What the loss says, before anything is changed. */
static enum status guard_loss(struct trainer *t, const struct report *r, struct error *err)
{
	double average = t->loss_weight > 0 ? t->loss_sum / t->loss_weight : 0;
	char what[96];

	if (!isfinite(r->values[0]))
		return refuse(t, r, "the loss is not finite", err);
	if (t->o.spike > 0 && r->step > SPIKE_STEPS && r->values[0] > t->o.spike * average) {
		snprintf(what, sizeof(what), "a loss of %.4g, on average it was %.4g", r->values[0], average);
		return refuse(t, r, what, err);
	}
	return OK;
}

/* Clips to the global norm, updates, and clears the gradients. The device is asked for all of it before the norm is looked at: while it goes
 * on, the host prepares the next step. With a norm that is not finite it updates nothing. */
static enum status update(struct trainer *t, struct report *r, struct error *err)
{
	const struct kernels *k = t->model->k;

	if (t->settle)
		t->settle(t->settle_arg);
	optimizer_norm(&t->optimizer, t->grads, t->o.clip);
	optimizer_update(&t->optimizer, t->model->params, t->grads, r->lr, r->step - skip_count(&t->o.skip, r->step));
	k->zero(t->model->pool, t->grads, params_bytes(t));
	TRY(model_pack(t->model, err));
	r->grad_norm = optimizer_read_norm(&t->optimizer);
	TRY(k->failed(err));
	if (!isfinite(r->grad_norm))
		return refuse(t, r, "the gradient is not finite", err);
	t->loss_sum = LOSS_MEMORY * t->loss_sum + (1 - LOSS_MEMORY) * r->values[0];
	t->loss_weight = LOSS_MEMORY * t->loss_weight + (1 - LOSS_MEMORY);
	return OK;
}

static enum status step(struct trainer *t, struct report *r, struct error *err)
{
	*r = (struct report){ .step = t->step + 1 };
	if (t->step >= t->steps || !take_items(t, &r->tokens))
		return END;
	r->skipped = skip_has(&t->o.skip, r->step);
	r->lr = schedule_lr(&t->o.schedule, t->step, t->steps);
	r->epoch = (double)t->cursor.epoch + (double)t->cursor.at / (double)t->cursor.d->n_items;
	if (!r->skipped) {
		TRY(run_items(t, t->cursor.d, t->items, t->n_items, true, r->values, err));
		TRY(t->model->k->failed(err));       /* what a device that failed has left is no number */
		TRY(guard_loss(t, r, err));
		TRY(update(t, r, err));
		if (t->objective.learned)
			t->objective.learned(t->objective.arg);
		t->tokens += r->tokens;
	}
	t->step++;
	return OK;
}

enum status trainer_step(struct trainer *t, struct report *r, struct error *err)
{
	enum status st = step(t, r, err);

	if (st == ERR_IO || st == ERR_MEMORY)
		return error_prefix(err, st, "step %lld", (long long)t->step + 1);
	return st;
}

enum status trainer_eval(struct trainer *t, const struct dataset *d, double *values, struct error *err)
{
	int64_t *all = mem_array((size_t)d->n_items + 1, sizeof(*all));
	enum status st;

	for (int64_t i = 0; i < d->n_items; i++)
		all[i] = i;
	memset(values, 0, OBJECTIVE_VALUES * sizeof(*values));
	st = run_items(t, d, all, d->n_items, false, values, err);
	mem_free(all);
	return st;
}
