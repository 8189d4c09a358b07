/* path.c - names and directories, see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	return mem_printf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

bool path_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

int64_t path_size(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

bool path_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool path_is_same(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum status dir_make(const char *path, struct error *err)
{
	if (strcmp(path, "-") == 0)
		return error_set(err, ERR_USAGE, "a directory is written, which cannot go to stdout: -o takes its name");
	char *p = mem_strdup(path);
	enum status st = OK;
	for (char *s = p + 1; st == OK; s++) {
		char c = *s;
		if (c != '/' && c != 0)
			continue;
		*s = 0;
		if (mkdir(p, 0777) != 0 && !(errno == EEXIST && path_is_dir(p)))
			st = error_errno(err, ERR_IO, "%s: cannot make the directory", p);
		*s = c;
		if (c == 0)
			break;
	}
	mem_free(p);
	return st;
}

enum status dir_sync(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, ERR_IO, "%s: cannot open the directory", path);
	/* Some file systems cannot sync a directory and say EINVAL; then there is nothing to wait for. */
	int rc = fsync(fd), saved = errno;
	close(fd);
	errno = saved;
	return rc == 0 || errno == EINVAL ? OK : error_errno(err, ERR_IO, "%s: cannot sync the directory", path);
}

enum status file_read_all(const char *path, size_t max, struct buf *b, struct error *err)
{
	struct input *in;
	enum status st = input_open(&in, path, false, err);
	if (st != OK)
		return st;
	buf_clear(b);
	if (input_size(in) > 0 && (uint64_t)input_size(in) <= max)      /* and a NUL, and what finds its end */
		buf_reserve(b, (size_t)input_size(in) + (1 << 16));
	for (;;) {
		size_t got = 0;
		if (b->len > max) {
			st = error_set(err, ERR_DATA, "%s: larger than %zu bytes", input_name(in), max);
			break;
		}
		buf_reserve(b, 1 << 16);
		st = input_read(in, b->data + b->len, 1 << 16, &got, err);
		if (st != OK || got == 0)
			break;
		b->len += got;
		b->data[b->len] = 0;
	}
	input_close(in);
	return st;
}

enum status file_write_all(const char *path, const void *p, size_t n, struct error *err)
{
	struct output *out;
	TRY(output_open(&out, path, err));
	enum status st = output_write(out, p, n, err);
	if (st != OK) {
		output_abort(out);
		return st;
	}
	return output_commit(out, err);
}
