/* output.c - outputs that are whole or absent, see file.h. */
#include "base/file.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)

struct output {
	struct output *next;         /* all unfinished file outputs, for the signal handler */
	int fd;
	char *target;
	char *real;                  /* where it appears: the target, or the file that it is a link to; NULL: stdout, or what is no regular file */
	char *temp;                  /* beside that; NULL: it has no name yet */
	bool standard;
	char *buffer;
	size_t used;
};

/* Temporaries to unlink when a signal ends the process. The handler only walks the list and calls
 * unlink, both safe there; changes to the list are made with these signals blocked. Who reads or changes it holds busy: a handler that
 * finds it held waits for another thread, never for its own. */
static struct output *volatile unfinished;
static bool busy;
static const int fatal_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT};
#define N_FATAL (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

static void hold(void)
{
	while (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE))
		continue;
}

static void let_go(void)
{
	__atomic_clear(&busy, __ATOMIC_RELEASE);
}

static void unlink_all(void)
{
	hold();
	for (struct output *o = unfinished; o; o = o->next)
		unlink(o->temp);
	let_go();
}

static void unlink_and_die(int sig)
{
	unlink_all();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void block_signals(sigset_t *old)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < N_FATAL; i++)
		sigaddset(&set, fatal_signals[i]);
	pthread_sigmask(SIG_BLOCK, &set, old);
}

void output_unlink_unfinished(void)
{
	sigset_t old;
	block_signals(&old);
	unlink_all();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Takes the signals whose action is still the default one: a tool that handles or ignores one keeps its own. */
static void install_handlers(void)
{
	static bool done;
	if (done)
		return;
	done = true;
	for (size_t i = 0; i < N_FATAL; i++) {
		struct sigaction sa;
		if (sigaction(fatal_signals[i], NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
			sa = (struct sigaction){.sa_handler = unlink_and_die};
			sigaction(fatal_signals[i], &sa, NULL);
		}
	}
}

static void register_temp(struct output *o)
{
	sigset_t old;
	block_signals(&old);
	hold();
	install_handlers();
	o->next = unfinished;
	unfinished = o;
	let_go();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void forget_temp(struct output *o)
{
	sigset_t old;
	block_signals(&old);
	hold();
	for (struct output *volatile *p = &unfinished; *p; p = &(*p)->next)
		if (*p == o) {
			*p = o->next;
			break;
		}
	let_go();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void output_free(struct output *o)
{
	mem_free(o->target);
	mem_free(o->temp);
	mem_free(o->real);
	mem_free(o->buffer);
	mem_free(o);
}

/* The folder of a path. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
}

/* A file without a name, of which nothing stays even if the process is killed, where the file system has such and the name can be given. */
static bool open_unnamed(struct output *o)
{
	char *dir = parent_of(o->real);
	o->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	mem_free(dir);
	if (o->fd < 0)
		return false;
	char *path = temp_path(o->fd);
	bool nameable = path_exists(path);
	mem_free(path);
	if (!nameable)
		close(o->fd);
	return nameable;
}

/* A temporary beside the target, with the permissions a plain creat() would give. */
static enum status open_temp(struct output *o, struct error *err)
{
	if (open_unnamed(o))
		return OK;
	o->temp = mem_printf("%s.XXXXXX", o->real);
	sigset_t old;
	block_signals(&old);
	o->fd = mkostemp(o->temp, O_CLOEXEC);
	if (o->fd >= 0)
		register_temp(o);
	int why = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = why;
	if (o->fd < 0)
		return error_errno(err, ERR_IO, "%s: cannot create", o->target);
	static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&asking);
	mode_t mask = umask(0);
	umask(mask);
	pthread_mutex_unlock(&asking);
	fchmod(o->fd, 0666 & ~mask);
	return OK;
}

/* /dev/null, /dev/full, a fifo, a file that has no name any more: nothing to rename over. */
static enum status open_in_place(struct output *o, struct error *err)
{
	o->fd = open(o->target, O_WRONLY | O_TRUNC | O_CLOEXEC);
	return o->fd < 0 ? error_errno(err, ERR_IO, "%s: cannot open", o->target) : OK;
}

/* Links are followed: it is the file that gets new contents, and it is beside it that there is room for them. */
static enum status open_path(struct output *o, const char *path, struct error *err)
{
	struct stat info;

	o->target = mem_strdup(path);
	if (!*path)
		return error_set(err, ERR_USAGE, "an output without a name");
	if (stat(path, &info) != 0) {
		o->real = mem_strdup(path);
		return open_temp(o, err);
	}
	if (S_ISDIR(info.st_mode))
		return error_set(err, ERR_USAGE, "%s: is a directory", path);
	o->real = S_ISREG(info.st_mode) ? realpath(path, NULL) : NULL;
	return o->real ? open_temp(o, err) : open_in_place(o, err);
}

enum status output_open(struct output **out, const char *path, struct error *err)
{
	struct output *o = mem_zalloc(sizeof(*o));
	enum status st = OK;
	o->fd = -1;
	o->buffer = mem_alloc(BUFFER_BYTES);
	if (!path || strcmp(path, "-") == 0) {
		o->target = mem_strdup("<stdout>");
		o->standard = true;
		o->fd = 1;
	} else {
		st = open_path(o, path, err);
	}
	if (st != OK) {
		output_free(o);
		return st;
	}
	fcntl(o->fd, F_SETPIPE_SZ, FILE_PIPE_BYTES); /* no pipe: an error that says nothing */
	*out = o;
	return OK;
}

enum status fd_write(int fd, const char *name, const void *p, size_t n, struct error *err)
{
	const char *from = p;

	while (n > 0) {
		ssize_t k = write(fd, from, n);
		if (k < 0) {
			if (errno == EINTR)
				continue;
			return error_errno(err, errno == EPIPE ? ERR_PIPE : ERR_IO, "%s: cannot write", name);
		}
		from += k;
		n -= (size_t)k;
	}
	return OK;
}

enum status output_flush(struct output *o, struct error *err)
{
	size_t n = o->used;
	o->used = 0;
	return fd_write(o->fd, o->target, o->buffer, n, err);
}

enum status output_write(struct output *o, const void *p, size_t n, struct error *err)
{
	if (n > BUFFER_BYTES - o->used) {
		TRY(output_flush(o, err));
		if (n >= BUFFER_BYTES)
			return fd_write(o->fd, o->target, p, n, err);
	}
	if (n)
		memcpy(o->buffer + o->used, p, n);
	o->used += n;
	return OK;
}

enum status output_write_at(struct output *o, uint64_t at, const void *p, size_t n, struct error *err)
{
	const char *from = p;

	while (n > 0) {
		ssize_t k = pwrite(o->fd, from, n, (off_t)at);
		if (k < 0) {
			if (errno == EINTR)
				continue;
			return error_errno(err, ERR_IO, "%s: cannot write", o->target);
		}
		from += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return OK;
}

/* The file without a name gets the target's, if nobody has that. Else one beside it, for the moment until it is renamed: links do not take
 * the place of a file. */
static int link_file(struct output *o, const char *path)
{
	int rc = linkat(AT_FDCWD, path, AT_FDCWD, o->real, AT_SYMLINK_FOLLOW);

	for (unsigned i = 0; rc != 0 && errno == EEXIST && i < 1000; i++) {
		mem_free(o->temp);
		o->temp = mem_printf("%s.%06x", o->real, ((unsigned)getpid() * 1000 + i) & 0xffffff);
		rc = linkat(AT_FDCWD, path, AT_FDCWD, o->temp, AT_SYMLINK_FOLLOW);
	}
	return rc;
}

static enum status give_name(struct output *o, struct error *err)
{
	char *path = temp_path(o->fd);
	sigset_t old;
	block_signals(&old);
	int rc = link_file(o, path), why = errno;
	if (rc != 0) {
		mem_free(o->temp);
		o->temp = NULL;
	} else if (o->temp) {
		register_temp(o);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	mem_free(path);
	errno = why;
	return rc == 0 ? OK : error_errno(err, ERR_IO, "%s: cannot give it its name", o->target);
}

static enum status sync_parent(const char *path, struct error *err)
{
	char *dir = parent_of(path);
	enum status st = dir_sync(dir, err);
	mem_free(dir);
	return st;
}

enum status output_commit(struct output *o, struct error *err)
{
	enum status st = output_flush(o, err);
	if (st == OK && o->real && fsync(o->fd) != 0)
		st = error_errno(err, ERR_IO, "%s: cannot sync", o->target);
	if (st == OK && o->real && !o->temp)
		st = give_name(o, err);
	int fd = o->fd;
	o->fd = -1;
	if (close(fd) != 0 && st == OK)
		st = error_errno(err, ERR_IO, "%s: cannot close", o->target);
	if (st == OK && o->temp && rename(o->temp, o->real) != 0)
		st = error_errno(err, ERR_IO, "%s: cannot rename into place", o->target);
	if (st == OK && o->real)
		st = sync_parent(o->real, err);
	if (st == OK && o->temp)
		forget_temp(o);
	if (st != OK) {
		output_abort(o);
		return st;
	}
	output_free(o);
	return OK;
}

void output_abort(struct output *o)
{
	if (!o)
		return;
	if (o->fd >= 0 && !o->standard)
		close(o->fd);
	if (o->temp) {
		unlink(o->temp);
		forget_temp(o);
	}
	output_free(o);
}

const char *output_name(const struct output *o)
{
	return o->target;
}

bool output_is_tty(const struct output *o)
{
	return isatty(o->fd);
}

bool output_is_file(const struct output *o)
{
	struct stat info;
	return fstat(o->fd, &info) == 0 && S_ISREG(info.st_mode);
}
