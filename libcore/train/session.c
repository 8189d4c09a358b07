/* session.c - see session.h. */
#include "train/session.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "token/tokenizer.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

/* The tokenizer of the start model, if it has one, goes with the new one. */
static enum status copy_tokenizer(const char *from, const char *to, struct error *err)
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

/* All else first, the weights last: a directory with weights is whole. */
static enum status finish(const struct session *s, struct run *run, struct error *err)
{
	TRY(copy_tokenizer(s->flags->model, s->out_dir, err));
	TRY(s->hooks.finish(s->hooks.arg, err));
	return run_finish(run, s->model, err);
}

/* make compares times: what is up to date should look so. */
static void touch_weights(const char *dir)
{
	char *path = path_join(dir, "model.safetensors");

	(void)utimensat(AT_FDCWD, path, NULL, 0);
	mem_free(path);
}

static enum status train(const struct session *s, struct run *run, struct session_result *r, struct error *err)
{
	struct run_plan plan = { .save_every = s->flags->save_every, .eval = s->eval->n_items ? s->eval : NULL,
				 .eval_every = s->flags->eval_every };
	double start = clock_seconds();
	struct trainer t;
	enum status st;

	TRY(trainer_open(&t, s->model, s->data, &s->objective, &s->options, s->eval->longest, err));
	s->hooks.opened(s->hooks.arg, &t);
	st = run_train(run, &t, &plan, &s->hooks, &r->last, &r->eval_loss, err);
	r->interrupted = st == END;
	r->seconds = clock_seconds() - start;
	r->step = t.step;
	r->tokens = t.tokens;
	if (st == OK)
		st = finish(s, run, err);
	trainer_close(&t);
	return st == END ? OK : st;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum status session_run(const struct session *s, struct session_result *r, struct error *err)
{
	struct run run;
	enum status st;

	*r = (struct session_result){ .eval_loss = NAN };
	if (same_file(s->flags->model, s->out_dir))
		return error_set(err, ERR_USAGE, "%s is the model to start from: choose another -o", s->out_dir);
	TRY(run_open(&run, s->out_dir, s->identity, s->flags->restart, &r->state, err));
	if (r->state == RUN_DONE) {
		touch_weights(s->out_dir);
		st = OK;
	} else {
		st = train(s, &run, r, err);
	}
	run_close(&run);
	return st;
}
