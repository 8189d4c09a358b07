/* trainer.c - see trainer.h. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

double schedule_lr(const struct train_options *o, int64_t step, int64_t steps)
{
	int64_t warmup = (int64_t)(o->warmup < 1 ? ceil(o->warmup * (double)steps) : o->warmup);
	double t;

	if (step < warmup)
		return o->lr * (double)(step + 1) / (double)warmup;
	t = (double)(step - warmup) / (double)(steps - warmup > 1 ? steps - warmup : 1);
	switch (o->schedule) {
	case SCHEDULE_CONSTANT:
		return o->lr;
	case SCHEDULE_LINEAR:
		return o->lr * (o->lr_floor + (1 - o->lr_floor) * (1 - t));
	default:
		return o->lr * (o->lr_floor + (1 - o->lr_floor) * 0.5 * (1 + cos(M_PI * t)));
	}
}

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
		MEM_PUSH_ROOM(t->items, t->n_items, t->cap_items);
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

/* Steps that the epochs give: a dry run, which also brings the item list to its final size. */
static int64_t count_steps(struct trainer *t)
{
	int64_t tokens, n = 0;

	while ((t->o.steps == 0 || n < t->o.steps) && take_items(t, &tokens))
		n++;
	cursor_rewind(&t->cursor);
	return n;
}

/* --- opening ------------------------------------------------------------------------------ */

static int by_offset(const void *a, const void *b)
{
	const struct update_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* The tensors in parameter order, neighbours of equal decay joined. */
static void find_ranges(struct trainer *t)
{
	const struct model *m = t->model;
	int n = 0;

	t->ranges = mem_array((size_t)m->n_tensors, sizeof(*t->ranges));
	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *x = &m->tensors[i];

		t->ranges[i] = (struct update_range){ x->offset, x->offset + x->rows * x->cols, x->decay };
	}
	qsort(t->ranges, (size_t)m->n_tensors, sizeof(*t->ranges), by_offset);
	for (int i = 1; i < m->n_tensors; i++) {
		if (t->ranges[i].decay == t->ranges[n].decay && t->ranges[i].from == t->ranges[n].to)
			t->ranges[n].to = t->ranges[i].to;
		else
			t->ranges[++n] = t->ranges[i];
	}
	t->n_ranges = n + 1;
}

static enum status allocate(struct trainer *t, struct error *err)
{
	const struct kernels *k = t->model->k;
	size_t params = (size_t)t->model->n_params * sizeof(float);

	TRY(model_state_open(&t->state, t->model, t->n_max, true, err));
	t->grads = k->alloc(t->model->pool, params);
	t->m = k->alloc(t->model->pool, params);
	t->v = k->alloc(t->model->pool, params);
	if (!t->grads || !t->m || !t->v)
		return error_set(err, ERR_MEMORY, "no memory for gradients and optimizer (%zu MB)", 3 * params >> 20);
	t->bytes = 4 * params + model_state_bytes(t->model, t->n_max, true);
	t->ids = mem_array((size_t)t->n_max, sizeof(*t->ids));
	t->targets = mem_array((size_t)t->n_max, sizeof(*t->targets));
	t->cu = mem_array((size_t)t->n_max + 1, sizeof(*t->cu));
	t->logp = mem_array((size_t)t->n_max, sizeof(*t->logp));
	t->dlogp = mem_array((size_t)t->n_max, sizeof(*t->dlogp));
	return OK;
}

enum status trainer_open(struct trainer *t, struct model *m, const struct dataset *d, const struct objective *objective,
			 const struct train_options *o, int64_t min_tokens, struct error *err)
{
	enum status st;

	*t = (struct trainer){ .model = m, .o = *o, .objective = *objective, .n_max = o->micro_tokens };
	if (!d->n_items)
		return error_set(err, ERR_DATA, "there is nothing to train on");
	if (t->n_max < d->longest)
		t->n_max = d->longest;
	if (t->n_max < min_tokens)
		t->n_max = min_tokens;
	cursor_open(&t->cursor, d, o->seed, o->shuffle, o->steps ? 0 : o->epochs);
	t->steps = count_steps(t);
	find_ranges(t);
	st = allocate(t, err);
	if (st != OK)
		trainer_close(t);
	return st;
}

void trainer_close(struct trainer *t)
{
	const struct kernels *k = t->model ? t->model->k : NULL;
	float *device[] = { t->grads, t->m, t->v };

	for (int i = 0; i < 3; i++)
		if (device[i])
			k->release(device[i]);
	model_state_close(t->state);
	cursor_release(&t->cursor);
	mem_free(t->ranges);
	mem_free(t->items);
	mem_free(t->ids);
	mem_free(t->targets);
	mem_free(t->cu);
	mem_free(t->logp);
	mem_free(t->dlogp);
	*t = (struct trainer){ 0 };
}

/* --- micro-batches ------------------------------------------------------------------------ */

/* Host arrays for a micro-batch, n_max tokens. */
struct batch_room {
	int32_t *ids, *targets, *cu;
	int64_t n_max;
};

/* Fills the batch with items from the front of the list, as many as fit (at least one); their number. */
static int64_t assemble(const struct batch_room *room, const struct dataset *d, const int64_t *items, int64_t n,
			struct model_batch *b)
{
	int64_t taken = 0;

	*b = (struct model_batch){ .ids = room->ids, .cu = room->cu, .targets = room->targets };
	room->cu[0] = 0;
	for (; taken < n && b->n + dataset_item_tokens(d, items[taken]) <= room->n_max; taken++) {
		int64_t first = d->item_seq[items[taken]], last = d->item_seq[items[taken] + 1];
		int64_t from = d->seq_at[first], tokens = d->seq_at[last] - from;

		memcpy(room->ids + b->n, d->ids + from, (size_t)tokens * sizeof(int32_t));
		memcpy(room->targets + b->n, d->targets + from, (size_t)tokens * sizeof(int32_t));
		for (int64_t s = first; s < last; s++)
			room->cu[++b->s] = (int32_t)(b->n + d->seq_at[s + 1] - from);
		b->n += tokens;
	}
	return taken;
}

/* Runs the objective over items, adding to values and, if learning, to the gradients. */
static enum status run_items(struct trainer *t, const struct dataset *d, const int64_t *items, int64_t n, bool learn,
			     double *values, struct error *err)
{
	struct batch_room room = { t->ids, t->targets, t->cu, t->n_max };

	t->objective.begin(t->objective.arg, d, items, n);
	for (int64_t at = 0; at < n;) {
		struct micro mb = { .d = d, .items = items + at };

		mb.n_items = assemble(&room, d, items + at, n - at, &mb.batch);
		at += mb.n_items;
		TRY(model_forward(t->model, t->state, &mb.batch, t->logp, err));
		t->objective.grad(t->objective.arg, &mb, t->logp, t->dlogp, values);
		if (learn)
			TRY(model_backward(t->model, t->state, &mb.batch, t->dlogp, t->grads, err));
	}
	return OK;
}

/* Clips to the global norm (as torch's clip_grad_norm_), updates, and clears the gradients. */
static enum status update(struct trainer *t, struct report *r, struct error *err)
{
	const struct model *m = t->model;
	double scale = 1;

	r->grad_norm = sqrt(m->k->sumsq(m->pool, t->grads, m->n_params));
	r->lr = schedule_lr(&t->o, t->step, t->steps);
	if (!isfinite(r->grad_norm) || !isfinite(r->values[0]))
		return error_set(err, ERR_DATA, "step %lld: the gradient is not finite; a lower --lr or a longer --warmup may help",
				 (long long)t->step + 1);
	if (t->o.clip > 0 && r->grad_norm > t->o.clip)
		scale = t->o.clip / (r->grad_norm + 1e-6);
	for (int i = 0; i < t->n_ranges; i++) {
		const struct update_range *u = &t->ranges[i];

		m->k->adamw(m->pool, m->params + u->from, t->m + u->from, t->v + u->from, t->grads + u->from, u->to - u->from,
			    (float)r->lr, (float)t->o.beta1, (float)t->o.beta2, (float)t->o.eps,
			    u->decay ? (float)t->o.weight_decay : 0, (float)scale, t->step + 1);
	}
	m->k->zero(m->pool, t->grads, (size_t)m->n_params * sizeof(float));
	return OK;
}

enum status trainer_step(struct trainer *t, struct report *r, struct error *err)
{
	*r = (struct report){ .step = t->step + 1 };
	if (t->step >= t->steps || !take_items(t, &r->tokens))
		return END;
	TRY(run_items(t, t->cursor.d, t->items, t->n_items, true, r->values, err));
	TRY(update(t, r, err));
	t->step++;
	t->tokens += r->tokens;
	r->epoch = (double)t->cursor.epoch + (double)t->cursor.at / (double)t->cursor.d->n_items;
	return OK;
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

/* --- reference ---------------------------------------------------------------------------- */

enum status sequence_logps(struct model *m, const struct dataset *d, int64_t micro_tokens, float *out, struct error *err)
{
	int64_t n_max = micro_tokens > d->longest ? micro_tokens : d->longest, items = d->n_items;
	int64_t *all = mem_array((size_t)items + 1, sizeof(*all));
	struct batch_room room = { .n_max = n_max };
	struct model_state *st;
	float *logp;
	enum status status = model_state_open(&st, m, n_max, false, err);

	room.ids = mem_array((size_t)n_max, sizeof(int32_t));
	room.targets = mem_array((size_t)n_max, sizeof(int32_t));
	room.cu = mem_array((size_t)n_max + 1, sizeof(int32_t));
	logp = mem_array((size_t)n_max, sizeof(float));
	for (int64_t i = 0; i < items; i++)
		all[i] = i;
	for (int64_t at = 0; at < items && status == OK;) {
		int64_t seq = d->item_seq[at];
		struct model_batch b;

		at += assemble(&room, d, all + at, items - at, &b);
		status = model_forward(m, st, &b, logp, err);
		for (int64_t s = 0; s < b.s && status == OK; s++) {
			double sum = 0;

			for (int32_t i = b.cu[s]; i < b.cu[s + 1]; i++)
				sum += (double)logp[i];
			out[seq + s] = (float)sum;
		}
	}
	model_state_close(st);
	mem_free(room.ids);
	mem_free(room.targets);
	mem_free(room.cu);
	mem_free(logp);
	mem_free(all);
	return status;
}
