/* run.c - the directory of a run; see run.h. */
#include "train/run.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/adapter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define DONE_MAX (64u << 20)
#define KEPT_BEGIN "checkpoint-"
#define KEPT_END ".safetensors"
#define MODEL_WEIGHTS "model.safetensors"

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

/* The step of a kept checkpoint's file name, 0 if it is none. */
static int64_t kept_step(const char *name)
{
	size_t n = strlen(KEPT_BEGIN);
	char *end;
	long long step;

	if (strncmp(name, KEPT_BEGIN, n) || name[n] < '1' || name[n] > '9')
		return 0;
	errno = 0;
	step = strtoll(name + n, &end, 10);
	return errno || strcmp(end, KEPT_END) ? 0 : step;
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x > y ? -1 : x < y;
}

char *run_kept_path(const struct run *r, int64_t step)
{
	char *name = mem_printf(KEPT_BEGIN "%lld" KEPT_END, (long long)step), *path = path_join(r->trainer_dir, name);

	mem_free(name);
	return path;
}

/* Removes the kept checkpoints but the newest `keep` of them. */
static enum status remove_kept(const struct run *r, int64_t keep, struct error *err)
{
	DIR *d = opendir(r->trainer_dir);
	struct dirent *e;
	int64_t *steps = NULL, n = 0, cap = 0;

	if (!d)
		return error_errno(err, ERR_IO, "%s: cannot list", r->trainer_dir);
	while ((e = readdir(d))) {
		int64_t step = kept_step(e->d_name);

		if (!step)
			continue;
		MEM_PUSH_ROOM(steps, n, cap);
		steps[n++] = step;
	}
	closedir(d);
	if (n)
		qsort(steps, (size_t)n, sizeof(*steps), newest_first);
	for (int64_t i = keep; i < n; i++) {
		char *path = run_kept_path(r, steps[i]);

		(void)unlink(path);
		mem_free(path);
	}
	mem_free(steps);
	return OK;
}

static enum status remove_weights(const char *dir, const char *name, struct error *err)
{
	char *path = path_join(dir, name);
	bool failed = unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR;
	enum status st = failed ? error_errno(err, ERR_IO, "%s: cannot remove", path) : OK;

	mem_free(path);
	return st;
}

static enum status remove_state(const struct run *r, struct error *err)
{
	const char *const files[] = { r->done, r->checkpoint, r->metrics };

	for (int i = 0; i < 3; i++)
		if (unlink(files[i]) < 0 && errno != ENOENT && errno != ENOTDIR)
			return error_errno(err, ERR_IO, "%s: cannot remove", files[i]);
	TRY(remove_weights(r->best_dir, MODEL_WEIGHTS, err));
	TRY(remove_weights(r->best_dir, ADAPTER_WEIGHTS, err));
	TRY(remove_kept(r, 0, err));
	return dir_sync(r->trainer_dir, err);
}

/* A temporary that output.c makes beside one of our files: its name, a dot, six letters or digits. */
static bool is_leftover(const char *name)
{
	static const char *const ours[] = { "checkpoint.safetensors", "done", "model.safetensors", "config.json",
					    "adapter_model.safetensors", "adapter_config.json",
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

static enum status look(struct run *r, const struct run_options *o, enum run_state *state, struct error *err)
{
	char *found = NULL;
	bool done, same;
	enum status st = find_identity(r, &found, &done, err);

	if (st != OK && !o->restart)
		return error_prefix(err, st, "--restart would start anew");
	same = found && !strcmp(found, done ? r->done_identity : r->identity);
	*state = !same ? RUN_NEW : done ? RUN_DONE : RUN_RESUME;
	if (same && (o->resume || done)) {
		st = OK;
	} else if (o->restart) {
		*state = RUN_NEW;
		st = remove_state(r, err);
	} else if (same) {
		st = error_set(err, ERR_USAGE, "%s holds a run that is not done, and --no-resume was given", r->dir);
	} else if (found) {
		st = error_set(err, ERR_USAGE, "%s holds another run (other options, model or data): choose another -o, or "
			       "--restart to replace it", r->dir);
	}
	mem_free(found);
	return st;
}

/* What stands in the way of using the directory, or its lock and its clean state. */
static enum status enter(struct run *r, const struct run_options *o, enum run_state *state, struct error *err)
{
	char *weights = path_join(r->dir, MODEL_WEIGHTS), *adapter = path_join(r->dir, ADAPTER_WEIGHTS);
	bool foreign = (path_exists(weights) || path_exists(adapter)) && !path_is_dir(r->trainer_dir);

	mem_free(weights);
	mem_free(adapter);
	if (foreign && !o->restart)
		return error_set(err, ERR_USAGE, "%s is a model directory already: choose another -o, or --restart to replace it", r->dir);
	TRY(dir_make(r->trainer_dir, err));
	TRY(lock(r, err));
	TRY(remove_leftovers(r->dir, err));
	TRY(remove_leftovers(r->trainer_dir, err));
	if (path_is_dir(r->best_dir))
		TRY(remove_leftovers(r->best_dir, err));
	return look(r, o, state, err);
}

enum status run_open(struct run *r, const char *dir, const struct run_options *o, enum run_state *state, struct error *err)
{
	enum status st;

	*r = (struct run){ .dir = mem_strdup(dir), .trainer_dir = path_join(dir, "trainer"), .best_dir = path_join(dir, "best"),
			   .identity = mem_strdup(o->identity), .metrics_fd = -1, .times_fd = -1, .lock_fd = -1 };
	r->done_identity = o->skipped ? mem_printf("%s\nskipped %s", o->identity, o->skipped) : mem_strdup(o->identity);
	r->checkpoint = path_join(r->trainer_dir, "checkpoint.safetensors");
	r->metrics = path_join(r->trainer_dir, "metrics.jsonl");
	r->times = path_join(r->trainer_dir, "times.jsonl");
	r->done = path_join(r->trainer_dir, "done");
	st = enter(r, o, state, err);
	if (st != OK)
		run_close(r);
	return st;
}

void run_close(struct run *r)
{
	char *const texts[] = { r->dir, r->trainer_dir, r->best_dir, r->checkpoint, r->metrics, r->times, r->done, r->identity, r->done_identity };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		mem_free(texts[i]);
	if (r->metrics_fd > 0)
		close(r->metrics_fd);
	if (r->times_fd > 0)
		close(r->times_fd);
	if (r->lock_fd > 0)
		close(r->lock_fd);
	*r = (struct run){ .metrics_fd = -1, .times_fd = -1, .lock_fd = -1 };
}

/* --- while it runs ------------------------------------------------------------------------ */

enum status run_trim(const struct run *r, int64_t keep, struct error *err)
{
	return remove_kept(r, keep - 1, err);
}

enum status run_open_metrics(struct run *r, struct error *err)
{
	struct stat s;

	r->metrics_fd = open(r->metrics, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (r->metrics_fd < 0 || fstat(r->metrics_fd, &s) < 0)
		return error_errno(err, ERR_IO, "%s: cannot open", r->metrics);
	if (s.st_size < r->state.metrics_bytes)
		return error_set(err, ERR_DATA, "%s is shorter than its checkpoint knows it: --restart would start anew",
				 r->metrics);
	if (ftruncate(r->metrics_fd, (off_t)r->state.metrics_bytes) < 0 || lseek(r->metrics_fd, 0, SEEK_END) < 0)
		return error_errno(err, ERR_IO, "%s: cannot truncate", r->metrics);
	return OK;
}

enum status run_add_metrics(struct run *r, const struct buf *lines, struct error *err)
{
	TRY(fd_write(r->metrics_fd, r->metrics, lines->data, lines->len, err));
	r->state.metrics_bytes += (int64_t)lines->len;
	return OK;
}

/* Bytes of the whole lines of steps up to that one; what else may stand there is cut off with the rest. */
static size_t times_until(const struct buf *b, int64_t step)
{
	static const char head[] = "{\"step\":";
	size_t at = 0;

	for (const char *end; at < b->len && (end = memchr(b->data + at, '\n', b->len - at)); at = (size_t)(end - b->data) + 1)
		if (strncmp(b->data + at, head, sizeof(head) - 1) || strtoll(b->data + at + sizeof(head) - 1, NULL, 10) > step)
			break;
	return at;
}

enum status run_open_times(struct run *r, int64_t step, struct error *err)
{
	struct buf b = { 0 };
	enum status st = path_exists(r->times) ? file_read_all(r->times, (size_t)1 << 32, &b, err) : OK;

	if (st == OK) {
		off_t keep = (off_t)times_until(&b, step);

		r->times_fd = open(r->times, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		if (r->times_fd < 0 || ftruncate(r->times_fd, keep) < 0 || lseek(r->times_fd, keep, SEEK_SET) < 0)
			st = error_errno(err, ERR_IO, "%s: cannot open", r->times);
	}
	buf_release(&b);
	return st;
}

enum status run_add_time(struct run *r, int64_t step, double seconds, double tokens_per_second, struct error *err)
{
	struct buf b = { 0 };
	enum status st;

	buf_printf(&b, "{\"step\":%lld,\"seconds\":%.6f,\"tokens_per_second\":%.1f}\n", (long long)step, seconds, tokens_per_second);
	st = fd_write(r->times_fd, r->times, b.data, b.len, err);
	buf_release(&b);
	return st;
}

enum status run_finish(struct run *r, const struct model *m, const struct run_hooks *hooks, struct error *err)
{
	struct buf b = { 0 };
	enum status st;

	TRY(hooks->extras(hooks->arg, r->dir, err));
	TRY(model_save(m, r->dir, err));
	/* Of a run in whose place this one began: a directory is a model or an adapter. */
	TRY(remove_weights(r->dir, m->lora ? MODEL_WEIGHTS : ADAPTER_WEIGHTS, err));
	TRY(m->lora ? OK : remove_weights(r->dir, ADAPTER_CONFIG, err));
	buf_str(&b, r->done_identity);
	buf_char(&b, '\n');
	st = dir_sync(r->dir, err);
	if (st == OK)
		st = file_write_all(r->done, b.data, b.len, err);
	buf_release(&b);
	return st;
}
