/* temp.c - see temp.h. */
#include "base/temp.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum status temp_open(int *fd, const char *dir, struct error *err)
{
	if (!dir)
		dir = getenv("TMPDIR");
	dir = dir && *dir ? dir : "/tmp";
	*fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return OK;
	/* File systems that cannot do that, and the error of a folder that is none. */
	char *name = mem_printf("%s/quern.XXXXXX", dir);
	*fd = mkostemp(name, O_CLOEXEC);
	enum status st = *fd < 0 ? error_errno(err, ERR_IO, "%s: cannot create", name) : OK;
	if (st == OK)
		unlink(name);
	mem_free(name);
	return st;
}

char *temp_path(int fd)
{
	return mem_printf("/proc/self/fd/%d", fd);
}
