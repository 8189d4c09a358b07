/* kill_at.c - SIGKILL at a chosen moment: preloaded, it counts the moments at which the process may be found by a kill with its files in
 * another state than before, over all threads, and ends the process at the KILL_AT-th.
 *
 * Moments are: before each call that makes, changes, names, renames or removes a file or a folder, or makes it safe on the disk; and of a
 * write two, one before it and one after half of its bytes. Pipes, terminals and standard streams are not counted.
 * With KILL_COUNT=FILE the number of moments is written there when the process ends by exit. tests/golden/helper.bash calls it. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long moments, at = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *s = getenv("KILL_AT");

	at = s ? atol(s) : 0;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("KILL_COUNT");
	FILE *f = path ? fopen(path, "we") : NULL;

	if (f) {
		fprintf(f, "%ld\n", moments);
		fclose(f);
	}
}

/* The process that is killed does nothing more: kill returns before the signal has reached all threads. */
static _Noreturn void die(void)
{
	for (;;)
		syscall(SYS_kill, getpid(), SIGKILL);
}

/* Whether this moment is the one. */
static int is_now(void)
{
	return __atomic_add_fetch(&moments, 1, __ATOMIC_SEQ_CST) == at;
}

static void moment(void)
{
	if (is_now())
		die();
}

static int is_file(int fd)
{
	struct stat info;

	return fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/* --- bytes of files ------------------------------------------------------------------------------------------ */

/* The calls themselves are made here, not by the next library's functions, so that half a write is no other code than a whole one. */
ssize_t write(int fd, const void *p, size_t n)
{
	if (is_file(fd)) {
		moment();
		if (is_now()) {
			syscall(SYS_write, fd, p, n / 2);
			die();
		}
	}
	return syscall(SYS_write, fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	if (is_file(fd)) {
		moment();
		if (is_now()) {
			syscall(SYS_pwrite64, fd, p, n / 2, offset);
			die();
		}
	}
	return syscall(SYS_pwrite64, fd, p, n, offset);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t offset)
{
	return pwrite(fd, p, n, offset);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	if (is_file(fd)) {
		moment();
		if (is_now()) {
			syscall(SYS_writev, fd, v, n / 2);
			die();
		}
	}
	return syscall(SYS_writev, fd, v, n);
}

int ftruncate(int fd, off_t size)
{
	moment();
	return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

int fsync(int fd)
{
	moment();
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	moment();
	return (int)syscall(SYS_fdatasync, fd);
}

/* --- names --------------------------------------------------------------------------------------------------- */

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	moment();
	return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	moment();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir, const char *name, int flags)
{
	moment();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int mkdir(const char *name, mode_t mode)
{
	moment();
	return (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
}

/* --- files made ---------------------------------------------------------------------------------------------- */

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	if (flags & (O_CREAT | O_TRUNC))
		moment();
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

static int needs_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_BEHIND(flags) ({ va_list more; va_start(more, flags); mode_t m = needs_mode(flags) ? va_arg(more, mode_t) : 0; va_end(more); m; })

int open(const char *path, int flags, ...)
{
	return open_at(AT_FDCWD, path, flags, MODE_BEHIND(flags));
}

int open64(const char *path, int flags, ...)
{
	return open_at(AT_FDCWD, path, flags, MODE_BEHIND(flags));
}

int openat(int dir, const char *path, int flags, ...)
{
	return open_at(dir, path, flags, MODE_BEHIND(flags));
}

int mkostemp(char *name, int flags)
{
	int (*real)(char *, int) = (int (*)(char *, int))dlsym(RTLD_NEXT, "mkostemp");

	moment();
	return real(name, flags);
}
