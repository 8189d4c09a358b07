/* run_train.c - the loop of a run: a step, its evaluation, its line in the metrics, its checkpoint; see run.h. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "train/run.h"

#include <math.h>
#include <stdio.h>

/* --- metrics ------------------------------------------------------------------------------ */

/* The named numbers of a step, one after the other. */
struct numbers {
	struct {
		char key[64];
		double value;
	} v[2 * OBJECTIVE_VALUES + 4];
	int n;
};

static void add_number(struct numbers *s, const char *before, const char *key, double value)
{
	snprintf(s->v[s->n].key, sizeof(s->v[0].key), "%s%s", before, key);
	s->v[s->n++].value = value;
}

static void collect(const struct trainer *t, const struct report *r, const double *eval, struct numbers *s)
{
	s->n = 0;
	add_number(s, "", "epoch", r->epoch);
	for (int i = 0; i < t->objective.n_values && !r->skipped; i++)
		add_number(s, "", t->objective.names[i], r->values[i]);
	if (!r->skipped) {
		add_number(s, "", "grad_norm", r->grad_norm);
		add_number(s, "", "lr", r->lr);
	}
	for (int i = 0; i < t->objective.n_values && eval; i++)
		add_number(s, "eval_", t->objective.names[i], eval[i]);
}

/* One step as a JSON object; rate: tokens per second, left out if negative (it is no fact of the training). */
static void print_metrics(const struct report *r, const struct numbers *s, double rate, struct buf *b)
{
	struct json_writer w;

	buf_clear(b);
	w = json_writer_open(b, 0);
	json_begin_object(&w);
	json_kv_int(&w, "step", r->step);
	if (r->skipped)
		json_kv_bool(&w, "skipped", true);
	for (int i = 0; i < s->n; i++) {
		json_key(&w, s->v[i].key);
		json_float(&w, (float)s->v[i].value);
	}
	json_kv_int(&w, "tokens", r->tokens);
	if (rate >= 0) {
		json_key(&w, "tokens_per_second");
		json_float(&w, (float)rate);
	}
	json_end_object(&w);
}

static enum status show_on_board(struct tensorboard *board, const struct report *r, const struct numbers *s, double rate,
				 struct error *err)
{
	if (!board)
		return OK;
	for (int i = 0; i < s->n; i++)
		tensorboard_scalar(board, s->v[i].key, s->v[i].value);
	tensorboard_scalar(board, "tokens_per_second", rate);
	return tensorboard_end_step(board, r->step, err);
}

/* --- the loop ----------------------------------------------------------------------------- */

struct loop {
	struct run *run;
	struct trainer *t;
	const struct run_plan *plan;
	const struct run_hooks *hooks;
	struct report *last;
	double *eval_loss;
	struct buf line;
	int64_t saved;               /* step of the checkpoint that was begun last, -1 = none */
};

/* Measures, and keeps the model if it is the best so far. */
static enum status evaluate(struct loop *l, double *values, struct error *err)
{
	struct checkpoint *c = &l->run->state;

	TRY(trainer_eval(l->t, l->plan->eval, values, err));
	*l->eval_loss = values[0];
	if (!isfinite(values[0]) || (c->best_step && !(values[0] < c->best_loss))) {
		c->stale++;
		return OK;
	}
	c->best_loss = values[0];
	c->best_step = l->t->step;
	c->stale = 0;
	if (!l->plan->best)
		return OK;
	TRY(dir_make(l->run->best_dir, err));
	TRY(l->hooks->extras(l->hooks->arg, l->run->best_dir, err));
	return model_save(l->t->model, l->run->best_dir, err);
}

static enum status one_step(struct loop *l, struct error *err)
{
	double start = clock_seconds(), eval[OBJECTIVE_VALUES], seconds, rate;
	const struct run_plan *plan = l->plan;
	struct numbers numbers;
	bool measure;

	TRY(trainer_step(l->t, l->last, err));
	seconds = clock_seconds() - start;
	rate = seconds > 0 && !l->last->skipped ? (double)l->last->tokens / seconds : 0;
	measure = plan->eval && (l->t->step == l->t->steps || l->t->step % plan->eval_every == 0);
	if (measure)
		TRY(evaluate(l, eval, err));
	collect(l->t, l->last, measure ? eval : NULL, &numbers);
	print_metrics(l->last, &numbers, -1, &l->line);
	buf_char(&l->line, '\n');
	TRY(run_add_metrics(l->run, &l->line, err));
	TRY(show_on_board(plan->board, l->last, &numbers, rate, err));
	print_metrics(l->last, &numbers, rate, &l->line);
	return l->hooks->step(l->hooks->arg, l->t, l->last, l->line.data, l->line.len, err);
}

/* Of a machine that failed: what is left of the run. */
static enum status say_what_stands(const struct loop *l, enum status st, struct error *err)
{
	struct error why;

	if (!err || (st != ERR_IO && st != ERR_MEMORY))
		return st;
	why = *err;
	return l->run->written < 0 ? error_set(err, st, "%s; there is no checkpoint yet", why.text) :
			      error_set(err, st, "%s; the checkpoint of step %lld stands", why.text, (long long)l->run->written);
}

static bool out_of_patience(const struct loop *l)
{
	return l->plan->patience && l->run->state.stale >= l->plan->patience;
}

static bool at_end(const struct loop *l)
{
	return l->t->step >= l->t->steps || out_of_patience(l);
}

/* Begins a checkpoint, unless there is one of this step. Of the older ones those at whole multiples are kept, so that
 * an interruption does not change which. */
static enum status save(struct loop *l, struct error *err)
{
	bool regular = l->saved > 0 && l->saved % l->plan->save_every == 0;

	if (l->saved == l->t->step)
		return OK;
	TRY(run_save(l->run, l->t, l->plan->keep, regular ? l->saved : 0, err));
	l->saved = l->t->step;
	return OK;
}

static enum status train(struct loop *l, struct error *err)
{
	while (!at_end(l)) {
		if (l->hooks->interrupted()) {
			TRY(save(l, err));
			return END;
		}
		TRY(one_step(l, err));
		TRY(run_look(l->run, err));
		if (at_end(l) || l->t->step % l->plan->save_every == 0)
			TRY(save(l, err));
	}
	return OK;
}

enum status run_train(struct run *r, struct trainer *t, const struct run_plan *plan, const struct run_hooks *hooks,
		      struct report *last, double *eval_loss, struct error *err)
{
	struct loop l = { .run = r, .t = t, .plan = plan, .hooks = hooks, .last = last, .eval_loss = eval_loss, .saved = -1 };
	enum status st, last_written;

	r->written = -1;
	*last = (struct report){ 0 };
	*eval_loss = NAN;
	if (path_exists(r->checkpoint)) {
		TRY(checkpoint_load(t, r->checkpoint, &r->state, err));
		TRY(run_trim(r, plan->keep, err));
		l.saved = r->written = t->step;
	}
	TRY(model_pack(t->model, err));
	TRY(run_open_metrics(r, err));
	if (plan->board && t->step)
		TRY(tensorboard_resume(plan->board, t->step, err));
	t->settle = run_settle, t->settle_arg = r;
	st = train(&l, err);
	last_written = run_wait(r, st == OK || st == END ? err : NULL);
	if (st == OK || st == END)
		st = last_written == OK ? st : last_written;
	t->settle = NULL;
	buf_release(&l.line);
	return say_what_stands(&l, st, err);
}
