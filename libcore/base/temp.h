/* temp.h - scratch files: where they are, and that nothing of them stays. */
#ifndef QUERN_BASE_TEMP_H
#define QUERN_BASE_TEMP_H

#include "base/error.h"

/* Makes an empty file for reading and writing in dir (NULL: $TMPDIR, else /tmp). With path its name is handed over (mem_free), to be
 * unlinked by the caller; with NULL the file has no name any more, and goes when *fd is closed. */
enum status temp_open(int *fd, const char *dir, char **path, struct error *err);

#endif
