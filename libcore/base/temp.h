/* temp.h - scratch files: where they are, and that nothing of them stays, however the process ends. */
#ifndef QUERN_BASE_TEMP_H
#define QUERN_BASE_TEMP_H

#include "base/error.h"

/* Makes an empty file for reading and writing in dir (NULL: $TMPDIR, else /tmp). It has no name, and goes when the last descriptor of it
 * is closed. */
enum status temp_open(int *fd, const char *dir, struct error *err);
/* By which such a file is opened again as long as fd is open; mem_free. output_open writes there in place. */
char *temp_path(int fd);

#endif
