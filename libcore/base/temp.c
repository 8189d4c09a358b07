/* temp.c - see temp.h. */
#include "base/temp.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum status temp_open(int *fd, const char *dir, char **path, struct error *err)
{
	if (!dir)
		dir = getenv("TMPDIR");
	char *name = mem_printf("%s/quern.XXXXXX", dir && *dir ? dir : "/tmp");
	*fd = mkostemp(name, O_CLOEXEC);
	enum status st = *fd < 0 ? error_errno(err, ERR_IO, "%s: cannot create", name) : OK;
	if (st == OK && !path)
		unlink(name);
	if (st == OK && path)
		*path = name;
	else
		mem_free(name);
	return st;
}
