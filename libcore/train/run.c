/* run.c - see run.h. */
#include "train/run.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define DONE_MAX (64u << 20)

/* --- what is there ------------------------------------------------------------------------ */

static enum status lock(struct run *r, struct error *err)
{
	r->lock_fd = open(r->trainer_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->lock_fd < 0)
		return error_errno(err, ERR_IO, "%s: cannot open", r->trainer_dir);
	if (flock(r->lock_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return error_set(err, ERR_USAGE, "%s: another process trains here", r->dir);
	return OK;
}

/* The identity of the run that lies in the directory; NULL if none. */
static enum status find_identity(const struct run *r, char **identity, bool *done, struct error *err)
{
	struct buf b = { 0 };

	*done = path_exists(r->done);
	if (!*done)
		return checkpoint_identity(r->checkpoint, identity, err);
	TRY(file_read_all(r->done, DONE_MAX, &b, err));
	if (b.len && b.data[b.len - 1] == '\n')
		b.data[--b.len] = 0;
	*identity = buf_detach(&b);
	return OK;
}

static enum status remove_state(const struct run *r, struct error *err)
{
	const char *const files[] = { r->done, r->checkpoint, r->metrics };

	for (int i = 0; i < 3; i++)
		if (unlink(files[i]) < 0 && errno != ENOENT)
			return error_errno(err, ERR_IO, "%s: cannot remove", files[i]);
	return dir_sync(r->trainer_dir, err);
}

/* A temporary that output.c makes beside one of our files: its name, a dot, six letters or digits. */
static bool is_leftover(const char *name)
{
	static const char *const ours[] = { "checkpoint.safetensors", "done", "model.safetensors", "config.json",
					    "generation_config.json", "provenance.json", "tokenizer.json",
					    "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja" };
	size_t n = strlen(name);

	if (n < 8 || name[n - 7] != '.' || strspn(name + n - 6, LETTERS) != 6)
		return false;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strlen(ours[i]) == n - 7 && !memcmp(name, ours[i], n - 7))
			return true;
	return false;
}

/* A killed run cannot unlink its temporaries; we hold the lock, so they are nobody's. */
static enum status remove_leftovers(const char *dir, struct error *err)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return error_errno(err, ERR_IO, "%s: cannot list", dir);
	while ((e = readdir(d)))
		if (is_leftover(e->d_name))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return OK;
}

static enum status look(struct run *r, bool restart, enum run_state *state, struct error *err)
{
	char *found = NULL;
	bool done, same;
	enum status st = find_identity(r, &found, &done, err);

	if (st != OK && !restart)
		return error_prefix(err, st, "--restart would start anew");
	same = found && !strcmp(found, r->identity);
	*state = !same ? RUN_NEW : done ? RUN_DONE : RUN_RESUME;
	if (same) {
		st = OK;
	} else if (restart) {
		st = remove_state(r, err);
	} else if (found) {
		st = error_set(err, ERR_USAGE, "%s holds another run (other options, model or data): choose another -o, or "
			       "--restart to replace it", r->dir);
	}
	mem_free(found);
	return st;
}

enum status run_open(struct run *r, const char *dir, const char *identity, bool restart, enum run_state *state,
		     struct error *err)
{
	char *weights = path_join(dir, "model.safetensors");
	bool foreign;
	enum status st;

	*r = (struct run){ .dir = mem_strdup(dir), .trainer_dir = path_join(dir, "trainer"), .identity = mem_strdup(identity),
			   .metrics_fd = -1, .lock_fd = -1 };
	r->checkpoint = path_join(r->trainer_dir, "checkpoint.safetensors");
	r->metrics = path_join(r->trainer_dir, "metrics.jsonl");
	r->done = path_join(r->trainer_dir, "done");
	foreign = path_exists(weights) && !path_is_dir(r->trainer_dir);
	mem_free(weights);
	if (foreign && !restart)
		st = error_set(err, ERR_USAGE, "%s is a model directory already: choose another -o, or --restart to replace it",
			       dir);
	else
		st = dir_make(r->trainer_dir, err);
	if (st == OK)
		st = lock(r, err);
	if (st == OK)
		st = remove_leftovers(r->dir, err);
	if (st == OK)
		st = remove_leftovers(r->trainer_dir, err);
	if (st == OK)
		st = look(r, restart, state, err);
	if (st != OK)
		run_close(r);
	return st;
}

void run_close(struct run *r)
{
	char *const paths[] = { r->dir, r->trainer_dir, r->checkpoint, r->metrics, r->done, r->identity };

	for (int i = 0; i < 6; i++)
		mem_free(paths[i]);
	if (r->metrics_fd > 0)
		close(r->metrics_fd);
	if (r->lock_fd > 0)
		close(r->lock_fd);
	*r = (struct run){ .metrics_fd = -1, .lock_fd = -1 };
}

/* --- metrics ------------------------------------------------------------------------------ */

/* Opens metrics.jsonl and cuts off the lines of steps that the checkpoint does not know. */
static enum status open_metrics(struct run *r, struct error *err)
{
	struct stat s;

	r->metrics_fd = open(r->metrics, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (r->metrics_fd < 0 || fstat(r->metrics_fd, &s) < 0)
		return error_errno(err, ERR_IO, "%s: cannot open", r->metrics);
	if (s.st_size < r->metrics_bytes)
		return error_set(err, ERR_DATA, "%s is shorter than its checkpoint knows it: --restart would start anew",
				 r->metrics);
	if (ftruncate(r->metrics_fd, (off_t)r->metrics_bytes) < 0 || lseek(r->metrics_fd, 0, SEEK_END) < 0)
		return error_errno(err, ERR_IO, "%s: cannot truncate", r->metrics);
	return OK;
}

static enum status add_metrics(struct run *r, const struct buf *line, struct error *err)
{
	for (size_t at = 0; at < line->len;) {
		ssize_t n = write(r->metrics_fd, line->data + at, line->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, ERR_IO, "%s: cannot write", r->metrics);
		at += (size_t)n;
	}
	r->metrics_bytes += (int64_t)line->len;
	return OK;
}

static void number(struct json_writer *w, const char *key, double v)
{
	json_key(w, key);
	json_float(w, (float)v);
}

/* One step as a JSON object; rate: tokens per second, left out if negative (it is no fact of the training). */
static void print_metrics(const struct trainer *t, const struct report *r, const double *eval, double rate, struct buf *b)
{
	struct json_writer w;

	buf_clear(b);
	w = json_writer_open(b, 0);
	json_begin_object(&w);
	json_kv_int(&w, "step", r->step);
	number(&w, "epoch", r->epoch);
	for (int i = 0; i < t->objective.n_values; i++)
		number(&w, t->objective.names[i], r->values[i]);
	number(&w, "grad_norm", r->grad_norm);
	number(&w, "lr", r->lr);
	json_kv_int(&w, "tokens", r->tokens);
	if (eval)
		for (int i = 0; i < t->objective.n_values; i++) {
			char key[64];

			snprintf(key, sizeof(key), "eval_%s", t->objective.names[i]);
			number(&w, key, eval[i]);
		}
	if (rate >= 0)
		number(&w, "tokens_per_second", rate);
	json_end_object(&w);
}

/* --- the loop ----------------------------------------------------------------------------- */

static enum status save(struct run *r, const struct trainer *t, struct error *err)
{
	if (fdatasync(r->metrics_fd) < 0)
		return error_errno(err, ERR_IO, "%s: cannot write", r->metrics);
	return checkpoint_save(t, r->checkpoint, r->identity, r->metrics_bytes, err);
}

/* One step with its evaluation, its line in the metrics and its report to the caller. */
static enum status one_step(struct run *r, struct trainer *t, const struct run_plan *plan, const struct run_hooks *hooks,
			    struct report *last, double *eval_loss, struct buf *line, struct error *err)
{
	double start = clock_seconds(), eval[OBJECTIVE_VALUES], seconds;
	bool evaluate;

	TRY(trainer_step(t, last, err));
	seconds = clock_seconds() - start;
	evaluate = plan->eval && (t->step == t->steps || t->step % plan->eval_every == 0);
	if (evaluate) {
		TRY(trainer_eval(t, plan->eval, eval, err));
		*eval_loss = eval[0];
	}
	print_metrics(t, last, evaluate ? eval : NULL, -1, line);
	buf_char(line, '\n');
	TRY(add_metrics(r, line, err));
	print_metrics(t, last, evaluate ? eval : NULL, seconds > 0 ? (double)last->tokens / seconds : 0, line);
	return hooks->step(hooks->arg, t, last, line->data, line->len, err);
}

enum status run_train(struct run *r, struct trainer *t, const struct run_plan *plan, const struct run_hooks *hooks,
		      struct report *last, double *eval_loss, struct error *err)
{
	struct buf line = { 0 };
	int64_t saved = -1;
	enum status st = OK;

	*last = (struct report){ 0 };
	*eval_loss = NAN;
	if (path_exists(r->checkpoint)) {
		TRY(checkpoint_load(t, r->checkpoint, &r->metrics_bytes, err));
		saved = t->step;
	}
	TRY(open_metrics(r, err));
	while (st == OK && t->step < t->steps) {
		bool stop = hooks->interrupted();

		if (!stop)
			st = one_step(r, t, plan, hooks, last, eval_loss, &line, err);
		if (st == OK && saved != t->step && (stop || t->step == t->steps || t->step % plan->save_every == 0)) {
			st = save(r, t, err);
			saved = t->step;
		}
		if (st == OK && stop)
			st = END;
	}
	buf_release(&line);
	return st;
}

enum status run_finish(struct run *r, const struct model *m, struct error *err)
{
	struct buf b = { 0 };
	enum status st = model_save(m, r->dir, err);

	buf_str(&b, r->identity);
	buf_char(&b, '\n');
	if (st == OK)
		st = dir_sync(r->dir, err);
	if (st == OK)
		st = file_write_all(r->done, b.data, b.len, err);
	buf_release(&b);
	return st;
}
