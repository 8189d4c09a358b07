/* run_save.c - checkpoints, written by a thread of their own while the next step computes; see run.h. */
#include "train/run.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct run_writer {
	struct run *run;
	struct checkpoint_image *image;
	int64_t step, keep, was;
	bool apart;                  /* by a thread, if there could be one */
	pthread_t thread;
	pthread_mutex_t lock;        /* of all below */
	pthread_cond_t changed;
	bool read, ended;
	enum status st;
	struct error err;
};

static void now(struct run_writer *w, bool *what)
{
	pthread_mutex_lock(&w->lock);
	*what = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void is_read(void *writer)
{
	struct run_writer *w = writer;

	now(w, &w->read);
}

/* The checkpoint that is there gets a name of its own, if it is to be kept. */
static enum status keep_old(const struct run_writer *w, struct error *err)
{
	char *path;
	bool failed;

	if (w->keep <= 1 || !w->was)
		return OK;
	path = run_kept_path(w->run, w->was);
	failed = link(w->run->checkpoint, path) < 0 && errno != EEXIST;
	if (failed)
		error_errno(err, ERR_IO, "%s: cannot link", path);
	mem_free(path);
	return failed ? ERR_IO : OK;
}

static enum status write_it(struct run_writer *w, struct error *err)
{
	if (fdatasync(w->run->metrics_fd) < 0)
		return error_errno(err, ERR_IO, "%s: cannot write", w->run->metrics);
	TRY(keep_old(w, err));
	TRY(checkpoint_write(w->image, w->run->checkpoint, is_read, w, err));
	return run_trim(w->run, w->keep, err);
}

static void *write_all(void *writer)
{
	struct run_writer *w = writer;

	w->st = write_it(w, &w->err);
	is_read(w);                          /* of one that failed before it came to that */
	now(w, &w->ended);
	return NULL;
}

/* Signals are for the thread that trains. */
static bool start_thread(struct run_writer *w)
{
	sigset_t all, old;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	started = pthread_create(&w->thread, NULL, write_all, w) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return started;
}

enum status run_save(struct run *r, const struct trainer *t, int64_t keep, int64_t was, struct error *err)
{
	struct run_writer *w;

	TRY(run_wait(r, err));
	w = mem_zalloc(sizeof(*w));
	*w = (struct run_writer){ .run = r, .step = t->step, .keep = keep, .was = was, .lock = PTHREAD_MUTEX_INITIALIZER,
				  .changed = PTHREAD_COND_INITIALIZER };
	w->image = checkpoint_begin(t, r->identity, &r->state);
	r->writer = w;
	w->apart = start_thread(w);
	if (!w->apart)
		write_all(w);
	return OK;
}

void run_settle(void *run)
{
	struct run_writer *w = ((struct run *)run)->writer;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	while (!w->read)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

enum status run_wait(struct run *r, struct error *err)
{
	struct run_writer *w = r->writer;
	enum status st;

	if (!w)
		return OK;
	if (w->apart)
		pthread_join(w->thread, NULL);
	st = w->st;
	if (st == OK)
		r->written = w->step;
	else
		error_set(err, st, "the checkpoint of step %lld: %s", (long long)w->step, w->err.text);
	checkpoint_end(w->image);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	mem_free(w);
	r->writer = NULL;
	return st;
}

enum status run_look(struct run *r, struct error *err)
{
	bool ended = false;

	if (r->writer) {
		pthread_mutex_lock(&r->writer->lock);
		ended = r->writer->ended;
		pthread_mutex_unlock(&r->writer->lock);
	}
	return ended ? run_wait(r, err) : OK;
}
