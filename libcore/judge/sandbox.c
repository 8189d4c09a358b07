#include "judge/sandbox.h"

#include "judge/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INSIDE 1000                          /* user and group in the sandbox */
#define NOBODY 65534
#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* What the first process in the sandbox tells: how the command ended, or where the preparation failed. */
struct report {
	const char *failed;                  /* a literal of this program, NULL if nothing did; err says why */
	int err;
	int status;                          /* of wait */
};

struct inside {                              /* what that process is given */
	const struct sandbox *s;
	const struct sandbox_job *job;
	int go, report, input, output;       /* descriptors */
	struct sock_fprog filter;
};

/* --- inside: between clone and exec of a process with threads only system calls may be made ---------------- */

static _Noreturn void fail(const struct inside *x, const char *what)
{
	struct report r = { what, errno, 0 };
	if (write(x->report, &r, sizeof(r)) < 0)
		_exit(2);
	_exit(1);
}

#define NEED(call, what)               \
	do {                           \
		if ((call) < 0)        \
			fail(x, what); \
	} while (0)

/* Closes what other threads of our process have open: the ends of their pipes, above all. */
static void close_others(const struct inside *x)
{
	int keep[] = { x->go, x->report, x->input, x->output }, from = 3;
	for (int i = 0; i < 4; i++)
		for (int k = i + 1; k < 4; k++)
			if (keep[k] < keep[i]) {
				int t = keep[i];
				keep[i] = keep[k];
				keep[k] = t;
			}
	for (int i = 0; i < 4; i++) {
		if (keep[i] > from)
			NEED(syscall(SYS_close_range, from, keep[i] - 1, 0), "close_range");
		from = keep[i] >= from ? keep[i] + 1 : from;
	}
	NEED(syscall(SYS_close_range, from, ~0u, 0), "close_range");
}

static void become_nobody(const struct inside *x)
{
	char c;
	if (read(x->go, &c, 1) != 1)         /* our ids are mapped, or the one who should have is gone */
		_exit(1);
	syscall(SYS_setgroups, 0, NULL);     /* refused to those who are no root, whose groups stay */
	NEED(syscall(SYS_setresgid, INSIDE, INSIDE, INSIDE), "setresgid");
	NEED(syscall(SYS_setresuid, INSIDE, INSIDE, INSIDE), "setresuid");
	umask(022);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* path without its first slash, in the tmpfs where we stand; makes the directories above it. */
static void make_above(const char *path)
{
	char above[PATH_MAX];
	for (size_t i = 1; path[i] && i < sizeof(above); i++)
		if (path[i] == '/') {
			memcpy(above, path + 1, i - 1);
			above[i - 1] = 0;
			mkdir(above, 0755);
		}
}

/* Shows path of the outer root at the same place of the new one, read-only: a link as a link, the rest by a bind mount. */
static void show(const struct inside *x, const char *path, uint64_t also)
{
	char target[PATH_MAX];
	struct stat st;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | also };
	ssize_t n;
	if (lstat(path, &st) != 0)
		return;                       /* not on this machine */
	make_above(path);
	if (S_ISLNK(st.st_mode)) {
		n = readlink(path, target, sizeof(target) - 1);
		NEED(n, "readlink");
		target[n] = 0;
		NEED(symlink(target, path + 1), "symlink");
		return;
	}
	if (S_ISDIR(st.st_mode))
		NEED(mkdir(path + 1, 0755) && errno != EEXIST ? -1 : 0, "mkdir");
	else
		NEED(mknod(path + 1, S_IFREG | 0644, 0), "mknod");
	NEED(mount(path, path + 1, NULL, MS_BIND | MS_REC, NULL), path);
	NEED(mount_setattr(AT_FDCWD, path + 1, AT_RECURSIVE, &attr, sizeof(attr)), "mount_setattr");
}

static void make_root(const struct inside *x)
{
	static const char *const shown[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives",
					     "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d" };
	static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };
	struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY };
	char size[64];
	NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	NEED(mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755"), "tmpfs"); /* a directory that is everywhere */
	NEED(chdir("/proc"), "chdir");
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		show(x, shown[i], MOUNT_ATTR_NODEV);
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		show(x, devices[i], MOUNT_ATTR_NOEXEC);
	NEED(mkdir("tmp", 0755) && errno != EEXIST ? -1 : 0, "mkdir");
	snprintf(size, sizeof(size), "size=%lld,nr_inodes=4096,mode=755", (long long)x->s->disk_bytes);
	NEED(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, size), "tmpfs");
	for (int i = 0; i < x->s->n_mounts; i++)
		show(x, x->s->mounts[i], MOUNT_ATTR_NODEV);
	NEED(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	NEED(umount2(".", MNT_DETACH), "umount");
	NEED(chdir("/"), "chdir");
	NEED(mount_setattr(AT_FDCWD, "/", 0, &closed, sizeof(closed)), "mount_setattr");
	NEED(chdir("/tmp"), "chdir");
}

static void write_file(const struct inside *x)
{
	int fd = open(x->job->file_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	NEED(fd, "open");
	for (size_t at = 0; at < x->job->file_n;) {
		ssize_t n = write(fd, x->job->file + at, x->job->file_n - at);
		NEED(n, "write");
		at += (size_t)n;
	}
	close(fd);
}

/* Where we ourselves are limited further, that stays. */
static void limit(const struct inside *x, int what, int64_t soft, int64_t hard)
{
	struct rlimit r;
	NEED(syscall(SYS_prlimit64, 0, what, NULL, &r), "getrlimit");
	r.rlim_max = (rlim_t)hard < r.rlim_max ? (rlim_t)hard : r.rlim_max;
	r.rlim_cur = (rlim_t)soft < r.rlim_max ? (rlim_t)soft : r.rlim_max;
	NEED(syscall(SYS_prlimit64, 0, what, &r, NULL), "setrlimit");
}

static void set_limits(const struct inside *x)
{
	const struct sandbox *s = x->s;
	limit(x, RLIMIT_CPU, s->cpu_s, s->cpu_s + 1);
	limit(x, RLIMIT_AS, s->memory_bytes, s->memory_bytes);
	limit(x, RLIMIT_FSIZE, s->disk_bytes, s->disk_bytes);
	limit(x, RLIMIT_CORE, 0, 0);
	limit(x, RLIMIT_NOFILE, s->files, s->files);
	limit(x, RLIMIT_NPROC, s->processes + 1, s->processes + 1); /* and the one that waits */
	limit(x, RLIMIT_MEMLOCK, 0, 0);
	limit(x, RLIMIT_MSGQUEUE, 0, 0);
}

static void drop_privileges(const struct inside *x)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	for (int c = 0; prctl(PR_CAPBSET_READ, c) >= 0; c++)
		NEED(prctl(PR_CAPBSET_DROP, c), "capabilities");
	NEED(syscall(SYS_capset, &head, none), "capabilities");
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	NEED(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &x->filter), "seccomp");
}

static _Noreturn void run_command(const struct inside *x)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", home[] = "HOME=/tmp", lang[] = "LANG=C.UTF-8";
	char code[256], *argv[] = { "sh", "-c", (char *)x->job->command, NULL }, *env[] = { path, home, lang, code, NULL };
	sigset_t none;
	snprintf(code, sizeof(code), "CODE=/tmp/%s", x->job->file_name);
	syscall(SYS_setsid);
	NEED(dup2(x->input, 0), "dup2");
	NEED(dup2(x->output, 1), "dup2");
	NEED(dup2(open("/dev/null", O_WRONLY), 2), "/dev/null");
	set_limits(x);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	NEED(fcntl(x->report, F_SETFD, FD_CLOEXEC), "fcntl");
	NEED(syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */), "close_range");
	drop_privileges(x);
	execve("/bin/sh", argv, env);
	fail(x, "exec of /bin/sh");
}

/* The first process of the sandbox: prepares it, starts the command, and collects what dies until the command has. With its end the
 * kernel kills all others. */
static _Noreturn void first_process(const struct inside *x)
{
	struct report r = { 0 };
	close_others(x);
	become_nobody(x);
	make_root(x);
	write_file(x);
	sethostname("sandbox", 7);
	long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		run_command(x);
	NEED(child, "fork");
	for (pid_t got; (got = wait4(-1, &r.status, 0, NULL)) != child;)
		if (got < 0 && errno != EINTR)
			fail(x, "wait");
	if (write(x->report, &r, sizeof(r)) < 0)
		_exit(2);
	_exit(0);
}

/* --- outside ---------------------------------------------------------------------------------------------- */

static bool write_text(pid_t pid, const char *file, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int saved = errno;
	close(fd);
	errno = saved;
	return written;
}

static bool map_one(pid_t pid, const char *file, unsigned outside)
{
	char line[64];
	snprintf(line, sizeof(line), "%d %u 1\n", INSIDE, outside);
	return write_text(pid, file, line);
}

/* Root becomes nobody, others stay who they are. */
static bool map_ids(pid_t pid)
{
	if (geteuid() == 0 && map_one(pid, "uid_map", NOBODY) && map_one(pid, "gid_map", NOBODY))
		return true;
	return write_text(pid, "setgroups", "deny") && map_one(pid, "uid_map", geteuid()) && map_one(pid, "gid_map", getegid());
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads output until its end (all processes are gone), the deadline or the limit; the last two kill. */
static void collect(const struct sandbox *s, pid_t pid, int fd, struct sandbox_result *r)
{
	int64_t end = now_ms() + (int64_t)(s->wall_s * 1000);
	buf_clear(&r->out);
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		int64_t left = end - now_ms();
		int ready = left > 0 ? poll(&p, 1, left < 60000 ? (int)left : 60000) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0 && left > 0)
			continue;
		if (ready > 0) {
			size_t room = (size_t)s->output_bytes + 1 - r->out.len;
			buf_reserve(&r->out, room < 65536 ? room : 65536);
			ssize_t n = read(fd, r->out.data + r->out.len, room < 65536 ? room : 65536);
			if (n <= 0)
				return;
			r->out.len += (size_t)n;
			if ((int64_t)r->out.len <= s->output_bytes)
				continue;
		}
		r->end = ready > 0 ? SANDBOX_OUTPUT : SANDBOX_TIMEOUT;
		kill(pid, SIGKILL);
		return;
	}
}

static enum status conclude(const struct report *got, ssize_t n, struct sandbox_result *r, struct error *err)
{
	if (n == (ssize_t)sizeof(*got) && got->failed) {
		errno = got->err;
		return error_errno(err, ERR_IO, "cannot set up a sandbox: %s", got->failed);
	}
	if (r->end != SANDBOX_EXITED)
		return OK;                    /* we ended it */
	if (n != (ssize_t)sizeof(*got)) {     /* the first process did not live to tell */
		r->end = SANDBOX_KILLED;
		r->code = SIGKILL;
	} else if (WIFEXITED(got->status)) {
		r->code = WEXITSTATUS(got->status);
	} else {
		r->code = WTERMSIG(got->status);
		r->end = r->code == SIGXCPU ? SANDBOX_TIMEOUT : SANDBOX_KILLED;
	}
	return OK;
}

/* The job's input as a file without a name, read from its start. */
static int input_file(const struct sandbox_job *job)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	for (size_t at = 0; fd >= 0 && at < job->input_n;) {
		ssize_t n = write(fd, job->input + at, job->input_n - at);
		if (n < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static enum status start(struct inside *x, int go[2], int report[2], int output[2], struct sandbox_result *r, struct error *err)
{
	struct report got = { 0 };
	long pid = syscall(SYS_clone, NAMESPACES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		first_process(x);
	if (pid < 0)
		return error_errno(err, ERR_IO, "cannot set up a sandbox: namespaces");
	close(x->report);
	close(x->output);
	report[1] = output[1] = -1;
	enum status st = OK;
	(void)write_text((pid_t)pid, "oom_score_adj", "1000");      /* where the machine has no more memory, this goes first */
	if (!map_ids((pid_t)pid) || write(go[1], "g", 1) != 1)
		st = error_errno(err, ERR_IO, "cannot set up a sandbox: user ids");
	if (st == OK)
		collect(x->s, (pid_t)pid, output[0], r);
	else
		kill((pid_t)pid, SIGKILL);
	ssize_t n = read(report[0], &got, sizeof(got));
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return st == OK ? conclude(&got, n, r, err) : st;
}

enum status sandbox_run(const struct sandbox *s, const struct sandbox_job *job, struct sandbox_result *r, struct error *err)
{
	struct sock_filter filter[SANDBOX_FILTER_MAX];
	int go[2] = { -1, -1 }, report[2] = { -1, -1 }, output[2] = { -1, -1 }, input = input_file(job);
	int filter_n = sandbox_filter(filter);
	enum status st;
	r->end = SANDBOX_EXITED;
	r->code = 0;
	if (filter_n == 0) {
		st = error_set(err, ERR_UNSUPPORTED, "the sandbox's filter of system calls does not know this processor");
	} else if (input < 0 || pipe2(go, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) {
		st = error_errno(err, ERR_IO, "cannot set up a sandbox");
	} else {
		struct inside x = { s, job, go[0], report[1], input, output[1], { (unsigned short)filter_n, filter } };
		st = start(&x, go, report, output, r, err);
	}
	const int fds[] = { input, go[0], go[1], report[0], report[1], output[0], output[1] };
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return st;
}

enum status sandbox_check(const struct sandbox *s, struct error *err)
{
	struct sandbox_job job = { .command = "echo ready", .file_name = "code", .file = "", .input = "" };
	struct sandbox_result r = { 0 };
	enum status st = sandbox_run(s, &job, &r, err);
	if (st == ERR_UNSUPPORTED)
		return st;
	if (st == OK && (r.end != SANDBOX_EXITED || r.code != 0 || r.out.len != 6 || memcmp(r.out.data, "ready\n", 6) != 0))
		st = error_set(err, ERR_IO, "a sandbox does not even run /bin/sh");
	buf_release(&r.out);
	if (st == OK)
		return OK;
	char why[sizeof(err->text)];
	snprintf(why, sizeof(why), "%s", err->text);
	return error_set(err, ERR_IO, "this machine gives no sandbox to run code in: %s\n"
			 "hint: unprivileged user namespaces are needed: sysctl -w user.max_user_namespaces=10000, and "
			 "kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0 where these exist; "
			 "in a container, run it with a seccomp and AppArmor profile that allows them", why);
}
