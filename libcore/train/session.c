/* session.c - see session.h. */
#include "train/session.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "model/adapter.h"
#include "model/source.h"
#include "token/tokenizer.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

enum status session_copy_tokenizer(const char *from, const char *to, struct error *err)
{
	struct tokenizer *tokenizer;
	char *path = path_join(from, "tokenizer.json");
	bool has = path_exists(path);
	enum status st;

	mem_free(path);
	if (!has)
		return OK;
	TRY(tokenizer_load(&tokenizer, from, err));
	st = tokenizer_copy_files(tokenizer, to, err);
	tokenizer_close(tokenizer);
	return st;
}

/* make compares times: what is up to date should look so. */
static void touch_weights(const struct session *s)
{
	char *path = path_join(s->out_dir, s->model->lora ? ADAPTER_WEIGHTS : "model.safetensors");

	(void)utimensat(AT_FDCWD, path, NULL, 0);
	mem_free(path);
}

/* Memory is taken, the run trains, the model is written. */
static enum status train(const struct session *s, struct run *run, struct trainer *t, struct tensorboard *board,
			 struct session_result *r, struct error *err)
{
	const struct train_flags *f = s->flags;
	struct run_plan plan = { .save_every = f->save_every, .keep = f->keep, .eval = s->eval->n_items ? s->eval : NULL,
				 .eval_every = f->eval_every, .patience = f->patience, .best = f->best, .times = f->times,
				 .board = board };
	double start = clock_seconds();
	enum status st;

	TRY(trainer_take(t, err));
	st = run_train(run, t, &plan, &s->hooks, &r->last, &r->eval_loss, err);
	r->interrupted = st == END;
	r->seconds = clock_seconds() - start;
	r->step = t->step;
	r->tokens = t->tokens;
	r->best_loss = run->state.best_loss;
	r->best_step = run->state.best_step;
	r->ended_early = st == OK && t->step < t->steps;
	return st == OK ? run_finish(run, s->model, &s->hooks, err) : st == END ? OK : st;
}

static enum status open_and_train(const struct session *s, struct run *run, struct trainer *t, struct session_result *r,
				  struct error *err)
{
	struct run_options o = { .identity = s->identity, .skipped = s->flags->skip_batches, .restart = s->flags->restart,
				 .resume = s->flags->resume };
	struct tensorboard *board = NULL;
	enum status st;

	TRY(run_open(run, s->out_dir, &o, &r->state, err));
	if (r->state == RUN_DONE) {
		touch_weights(s);
		return OK;
	}
	TRY(s->hooks.opened(s->hooks.arg, t, err));
	st = s->flags->tensorboard ? tensorboard_open(&board, s->flags->tensorboard, err) : OK;
	if (st == OK)
		st = train(s, run, t, board, r, err);
	tensorboard_close(board);
	return st;
}

/* Not even --restart may replace what is read. */
static enum status refuse_inputs(const struct session *s, struct error *err)
{
	char *base = NULL;
	bool same;

	if (path_is_same(s->flags->model, s->out_dir))
		return error_set(err, ERR_USAGE, "%s is the model to start from: choose another -o", s->out_dir);
	if (!adapter_is_dir(s->flags->model))
		return OK;
	TRY(source_base(s->flags->model, NULL, &base, err));
	same = path_is_same(base, s->out_dir);
	mem_free(base);
	return same ? error_set(err, ERR_USAGE, "%s is the base of the adapter to start from: choose another -o", s->out_dir) : OK;
}

enum status session_run(const struct session *s, struct session_result *r, struct error *err)
{
	struct run run = { .metrics_fd = -1, .times_fd = -1, .lock_fd = -1 };
	struct trainer t;
	enum status st = OK;

	*r = (struct session_result){ .eval_loss = NAN, .planned = s->flags->plan };
	if (!s->flags->plan)
		TRY(refuse_inputs(s, err));
	TRY(trainer_open(&t, s->model, s->data, &s->objective, &s->options, s->eval->longest, err));
	if (s->flags->plan)
		st = s->hooks.opened(s->hooks.arg, &t, err);
	else
		st = open_and_train(s, &run, &t, r, err);
	run_close(&run);
	trainer_close(&t);
	return st;
}
