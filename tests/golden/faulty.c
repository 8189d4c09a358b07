/* faulty.c - a machine that fails: preloaded, it counts the bytes read from files and then does what FAULT says.
 *
 *   FAULT=eio       reads fail with EIO once FAULT_AFTER bytes have come
 *   FAULT=shrink    the file that is read has no more bytes from there on (as if another program had cut it)
 *   FAULT=fsync     fsync fails with EIO
 *
 * Files cannot be mapped on it, so that they are read. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int is(const char *fault)
{
	const char *s = getenv("FAULT");

	return s && strcmp(s, fault) == 0;
}

/* How much of a read of n bytes may come; -1: it fails. */
static ssize_t allowed(int fd, size_t n)
{
	static long left = -1;

	if (fd <= 2 || (!is("eio") && !is("shrink")))
		return (ssize_t)n;
	if (left < 0)
		left = atol(getenv("FAULT_AFTER"));
	if (left == 0) {
		errno = EIO;
		return is("eio") ? -1 : 0;
	}
	ssize_t k = (long)n < left ? (ssize_t)n : left;
	left -= k;
	return k;
}

ssize_t read(int fd, void *p, size_t n)
{
	ssize_t (*real)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	ssize_t k = allowed(fd, n);

	return k <= 0 ? k : real(fd, p, (size_t)k);
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t from)
{
	void *(*real)(void *, size_t, int, int, int, off_t) = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");

	errno = ENODEV;
	return fd >= 0 && getenv("FAULT") ? MAP_FAILED : real(at, n, protection, flags, fd, from);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t (*real)(int, void *, size_t, off_t) = (ssize_t (*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
	ssize_t k = allowed(fd, n);

	return k <= 0 ? k : real(fd, p, (size_t)k, at);
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	errno = EIO;
	return is("fsync") ? -1 : real(fd);
}
