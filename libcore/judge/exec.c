#include "judge/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct rows {                                /* a list of them; taken from the front */
	int64_t *v, first, n, cap;
};

struct process {
	pid_t pid;                           /* 0 = none is running */
	int in, out;                         /* in is -1 once it is closed */
	struct buf pending;                  /* rows to send, from sent on */
	size_t sent;
	struct rows given;                   /* rows without an answer yet */
	char line[EXEC_ANSWER_BYTES];        /* an answer whose end has not come */
	size_t line_n;
	bool answered;                       /* it has given some answer */
	bool alone;                          /* its one row is tried again: it gets no other before the answer */
	bool last;                           /* close its input once pending is sent */
	int64_t moved_ms;                    /* when a row was given or an answer came */
};

struct exec {
	const char *name, *command;
	const struct exec_format *format;
	int jobs;
	int64_t timeout_ms, late_ms;
	struct process *p;
	bool late;                           /* answers come at the end of the input */
	int failures;                        /* processes that came to nothing; -1 once a score was given */
	/* of the run at hand */
	int64_t next, n;                     /* rows not dealt yet */
	struct rows again, alone;            /* to be dealt anew; the same, one at a time */
	void *arg;
	double *scores;
	int64_t stride;
	const char **reasons;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void rows_push(struct rows *r, int64_t row)
{
	if (r->first == r->n)
		r->first = r->n = 0;
	MEM_PUSH_ROOM(r->v, r->n, r->cap);
	r->v[r->n++] = row;
}

static int64_t rows_left(const struct rows *r)
{
	return r->n - r->first;
}

/* --- processes -------------------------------------------------------------------------------------------- */

struct exec *exec_open(const char *name, const char *command, const struct exec_format *format, int jobs, double timeout_s)
{
	struct exec *e = mem_zalloc(sizeof(*e));
	*e = (struct exec){ .name = name, .command = command, .format = format, .jobs = jobs, .timeout_ms = (int64_t)(timeout_s * 1000) };
	e->late_ms = e->timeout_ms / 2 < EXEC_LATE_MS ? e->timeout_ms / 2 : EXEC_LATE_MS;
	e->p = mem_array((size_t)jobs, sizeof(*e->p));
	return e;
}

static enum status spawn(struct exec *e, struct process *p, int in, int out, struct error *err)
{
	char *argv[] = { "sh", "-c", (char *)e->command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, usual;
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	sigaddset(&usual, SIGXFSZ);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawnattr_init(&how);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &usual);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	errno = posix_spawn(&p->pid, "/bin/sh", &files, &how, argv, environ);
	enum status st = errno ? error_errno(err, ERR_IO, "--exec %s: cannot start a shell", e->name) : OK;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	return st;
}

static enum status start(struct exec *e, struct process *p, struct error *err)
{
	int to[2] = { -1, -1 }, from[2] = { -1, -1 };
	enum status st = OK;
	p->pid = 0;
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
		st = error_errno(err, ERR_IO, "--exec %s: cannot make a pipe", e->name);
	if (st == OK)
		st = spawn(e, p, to[0], from[1], err);
	close(to[0]);
	close(from[1]);
	if (st != OK) {
		close(to[1]);
		close(from[0]);
		p->pid = 0;
		return st;
	}
	p->in = to[1];
	p->out = from[0];
	fcntl(p->in, F_SETFL, O_NONBLOCK);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	p->sent = p->line_n = 0;
	buf_clear(&p->pending);
	p->answered = p->alone = p->last = false;
	p->moved_ms = now_ms();
	if (e->format->begin)
		e->format->begin(e->arg, &p->pending);
	return OK;
}

static void close_in(struct process *p)
{
	if (p->in >= 0)
		close(p->in);
	p->in = -1;
	p->sent = p->pending.len;
}

/* Ends it and all it started that stayed in its group, and returns its wait status. grace_ms is how long it may take to end by itself. */
static int stop(struct process *p, int grace_ms)
{
	siginfo_t info;
	int status = 0;
	close_in(p);
	close(p->out);
	for (int i = 0; i < grace_ms; i++) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid)
			break;
		usleep(1000);
	}
	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
	p->last = p->alone = false;
	return status;
}

void exec_close(struct exec *e)
{
	if (!e)
		return;
	for (int i = 0; i < e->jobs; i++) {
		if (e->p[i].pid)
			stop(&e->p[i], 0);
		buf_release(&e->p[i].pending);
		mem_free(e->p[i].given.v);
	}
	mem_free(e->again.v);
	mem_free(e->alone.v);
	mem_free(e->p);
	mem_free(e);
}

/* --- dealing ---------------------------------------------------------------------------------------------- */

/* The next row to deal to anyone, -1 if there is none. */
static int64_t take_row(struct exec *e)
{
	if (rows_left(&e->again))
		return e->again.v[e->again.first++];
	while (e->next < e->n && e->reasons[e->next])
		e->next++;
	return e->next < e->n ? e->next++ : -1;
}

/* Nothing comes behind what is pending now: the input is closed once that is sent. */
static void give_end(struct exec *e, struct process *p)
{
	if (p->last)
		return;
	p->last = true;
	if (e->format->end)
		e->format->end(e->arg, &p->pending);
}

/* Whether the process may have one more row, and which; -1 is none. */
static int64_t row_for(struct exec *e, struct process *p)
{
	int64_t given = rows_left(&p->given), ahead = e->late ? (e->n + e->jobs - 1) / e->jobs : EXEC_AHEAD;
	if (p->last || (p->alone && given))
		return -1;
	p->alone = rows_left(&e->alone) && given == 0;
	if (p->alone)
		return e->alone.v[e->alone.first++];
	return rows_left(&e->alone) || given >= ahead ? -1 : take_row(e); /* those to be tried alone come first */
}

static enum status deal_to(struct exec *e, struct process *p, struct error *err)
{
	int64_t first, row = row_for(e, p);
	if (row < 0)
		return OK;
	bool alone = p->alone;
	if (!p->pid)
		TRY(start(e, p, err));
	p->alone = alone;
	if (p->sent == p->pending.len) {
		buf_clear(&p->pending);
		p->sent = 0;
	}
	if (rows_left(&p->given) == 0)
		p->moved_ms = now_ms();
	for (first = rows_left(&p->given); row >= 0; row = row_for(e, p))
		rows_push(&p->given, row);
	e->format->rows(e->arg, p->given.v + p->given.first + first, rows_left(&p->given) - first, &p->pending);
	if (e->late)
		give_end(e, p);
	return OK;
}

/* --- answers ---------------------------------------------------------------------------------------------- */

/* A finite number that a float32 can hold, or null. */
static bool parse_answer(char *s, size_t n, double *v)
{
	char *end;
	while (n && (s[n - 1] == '\r' || s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	s[n] = 0;
	*v = NAN;
	if (strcmp(s, "null") == 0)
		return true;
	if (n == 0 || strspn(s, "+-.0123456789eE") != n)
		return false;
	*v = strtod(s, &end);
	return end == s + n && fabs(*v) <= FLT_MAX;
}

/* A program of which nothing ever came is not asked for every row. */
static enum status count_failure(struct exec *e, const char *reason, struct error *err)
{
	if (e->failures < 0 || ++e->failures < EXEC_FAILURES)
		return OK;
	return error_set(err, ERR_USAGE, "--exec %s: '%s' was started %d times and gave no score (%s)", e->name, e->command, e->failures, reason);
}

/* The process is at an end with rows that it did not answer: one is at fault, of more each must be tried alone. */
static enum status blame(struct exec *e, struct process *p, const char *reason, struct error *err)
{
	bool one = rows_left(&p->given) == 1;
	if (rows_left(&p->given))
		TRY(count_failure(e, reason, err));
	while (rows_left(&p->given)) {
		int64_t row = p->given.v[p->given.first++];
		if (one)
			e->reasons[row] = reason;
		else
			rows_push(&e->alone, row);
	}
	return OK;
}

static enum status malformed(struct exec *e, struct process *p, struct error *err)
{
	TRY(count_failure(e, "exec_malformed", err));
	e->reasons[p->given.v[p->given.first++]] = "exec_malformed";
	while (rows_left(&p->given))
		rows_push(&e->again, p->given.v[p->given.first++]);
	if (p->pid)
		stop(p, 0);
	return OK;
}

static enum status take_answer(struct exec *e, struct process *p, struct error *err)
{
	double v;
	if (rows_left(&p->given) == 0)
		return error_set(err, ERR_DATA, "--exec %s: the program wrote a line more than it was given rows", e->name);
	if (!parse_answer(p->line, p->line_n, &v))
		return malformed(e, p, err);
	e->scores[p->given.v[p->given.first++] * e->stride] = v;
	p->line_n = 0;
	p->answered = true;
	e->failures = -1;
	p->moved_ms = now_ms();
	return OK;
}

static enum status take_answers(struct exec *e, struct process *p, const char *s, size_t n, struct error *err)
{
	for (size_t i = 0; i < n && p->pid; i++) {
		if (s[i] == '\n')
			TRY(take_answer(e, p, err));
		else if (p->line_n + 1 < sizeof(p->line))
			p->line[p->line_n++] = s[i];
		else if (rows_left(&p->given))
			TRY(malformed(e, p, err));
	}
	return OK;
}

static enum status ended(struct exec *e, struct process *p, struct error *err)
{
	bool answered = p->answered;
	int status = stop(p, 500);
	if (p->line_n && WIFEXITED(status) && WEXITSTATUS(status) == 0) /* the last line needs no newline, unless it may be cut */
		TRY(take_answer(e, p, err));
	if (!answered && rows_left(&p->given) && WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127))
		return error_set(err, ERR_USAGE, "--exec %s: the shell cannot run '%s' (exit status %d)", e->name, e->command, WEXITSTATUS(status));
	return blame(e, p, "exec_died", err);
}

static enum status receive(struct exec *e, struct process *p, struct error *err)
{
	char bytes[16384];
	ssize_t n = read(p->out, bytes, sizeof(bytes));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? OK : error_errno(err, ERR_IO, "--exec %s: cannot read", e->name);
	return n ? take_answers(e, p, bytes, (size_t)n, err) : ended(e, p, err);
}

static void send_rows(struct process *p)
{
	while (p->in >= 0 && p->sent < p->pending.len) {
		ssize_t n = write(p->in, p->pending.data + p->sent, p->pending.len - p->sent);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {                  /* it reads no more: what it still says is seen at its output */
			close_in(p);
			return;
		}
		p->sent += (size_t)n;
	}
	if (p->last && p->in >= 0)
		close_in(p);
}

/* No more rows for this process: reads to the end of what it says, for as long as an answer may take. */
static enum status drain(struct exec *e, struct process *p, struct error *err)
{
	give_end(e, p);
	send_rows(p);
	close_in(p);
	for (int64_t end = now_ms() + e->timeout_ms, left; p->pid && (left = end - now_ms()) > 0;) {
		struct pollfd fd = { p->out, POLLIN, 0 };
		if (poll(&fd, 1, (int)(left < 60000 ? left : 60000)) < 0 && errno != EINTR)
			return error_errno(err, ERR_IO, "--exec %s: poll", e->name);
		if (fd.revents)
			TRY(receive(e, p, err));
	}
	if (p->pid)
		stop(p, 0);
	return OK;
}

/* --- the loop --------------------------------------------------------------------------------------------- */

/* It has read all it was given, got no more, and has said nothing for a while: it waits for the end of its input. */
static bool seems_late(const struct exec *e, const struct process *p, int64_t now)
{
	int unread = 0;
	return p->in >= 0 && p->sent == p->pending.len && now - p->moved_ms >= e->late_ms && ioctl(p->in, FIONREAD, &unread) == 0 &&
	       unread == 0;
}

/* What is to be done at this time for a process that owes answers; *wait becomes at most the milliseconds until it must be looked at again. */
static enum status watch(struct exec *e, struct process *p, int64_t *wait, struct error *err)
{
	int64_t now = now_ms(), left = p->moved_ms + e->timeout_ms - now;
	if (left <= 0) {
		*wait = 0;
		stop(p, 0);
		return blame(e, p, "exec_timeout", err);
	}
	if (seems_late(e, p, now)) {
		e->late = true;
		give_end(e, p);
	}
	left = p->in >= 0 && left > e->late_ms / 4 ? e->late_ms / 4 + 1 : left;
	*wait = left < *wait ? left : *wait;
	return OK;
}

static enum status serve(struct exec *e, struct pollfd *fds, int64_t wait, struct error *err)
{
	for (int i = 0; i < e->jobs; i++) {
		const struct process *p = &e->p[i];
		bool owes = p->pid && rows_left(&p->given);
		fds[2 * i] = (struct pollfd){ owes ? p->out : -1, POLLIN, 0 };
		fds[2 * i + 1] = (struct pollfd){ owes && p->sent < p->pending.len ? p->in : -1, POLLOUT, 0 };
	}
	if (poll(fds, 2 * (nfds_t)e->jobs, (int)(wait < 60000 ? wait : 60000)) < 0 && errno != EINTR)
		return error_errno(err, ERR_IO, "--exec %s: poll", e->name);
	for (int i = 0; i < e->jobs; i++) {
		struct process *p = &e->p[i];
		if (p->pid && fds[2 * i].fd >= 0 && fds[2 * i].revents)
			TRY(receive(e, p, err));
		if (p->pid)
			send_rows(p);
	}
	return OK;
}

static enum status run(struct exec *e, struct error *err)
{
	struct pollfd *fds = mem_array(2 * (size_t)e->jobs, sizeof(*fds));
	enum status st = OK;
	for (bool busy = true; busy && st == OK;) {
		int64_t wait = INT64_MAX;
		busy = false;
		for (int i = 0; i < e->jobs && st == OK; i++) {
			struct process *p = &e->p[i];
			if (p->pid && p->last && !rows_left(&p->given)) /* it was given the end: its place is another's */
				st = drain(e, p, err);
			if (st == OK)
				st = deal_to(e, p, err);
			if (st != OK || !p->pid || !rows_left(&p->given))
				continue;
			st = watch(e, p, &wait, err);
			busy = true;
		}
		if (busy && st == OK)
			st = serve(e, fds, wait, err);
		busy |= rows_left(&e->alone) || rows_left(&e->again);
	}
	mem_free(fds);
	return st;
}

/* Writing to a process that is gone must not end ours. */
static void hold_sigpipe(sigset_t *before)
{
	sigset_t pipe;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, before);
}

static void release_sigpipe(const sigset_t *before)
{
	sigset_t pipe;
	struct timespec none = { 0 };
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	if (!sigismember(before, SIGPIPE))
		while (sigtimedwait(&pipe, NULL, &none) == SIGPIPE)
			;
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

enum status exec_run(struct exec *e, int64_t n, void *arg, double *scores, int64_t stride, const char **reasons, struct error *err)
{
	sigset_t before;
	e->next = 0;
	e->n = n;
	e->arg = arg;
	e->scores = scores;
	e->stride = stride;
	e->reasons = reasons;
	hold_sigpipe(&before);
	enum status st = run(e, err);
	release_sigpipe(&before);
	return st;
}

enum status exec_finish(struct exec *e, struct error *err)
{
	enum status st = OK;
	for (int i = 0; i < e->jobs && st == OK; i++)
		if (e->p[i].pid)
			st = drain(e, &e->p[i], err);
	return st;
}
