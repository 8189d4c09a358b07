/* import_walk.h - operands as a sequence of files: a file is itself, a directory its regular files, recursively, in byte order of
 * names, symbolic links not followed. */
#ifndef QUERN_TEXT_IMPORT_WALK_H
#define QUERN_TEXT_IMPORT_WALK_H

#include "base/error.h"
#include "stream/provenance.h"

#include <stdbool.h>

struct walk;
struct walk *walk_open(const char *const *paths, int n);      /* n 0: "-" */
/* The next file's path (valid until the next call). When an operand has ended, its entry is in *done (name set) and *path is NULL.
 * END after all. */
enum status walk_next(struct walk *w, const char **path, struct provenance_input *done, struct error *err);
/* The file has been read; hash is that of its bytes. */
void walk_done(struct walk *w, const char *hash);
const char *walk_name(const struct walk *w);                  /* relative to the operand; a file operand's own name */
const char *walk_operand(const struct walk *w);
bool walk_in_directory(const struct walk *w);
void walk_close(struct walk *w);
/* The hash that a directory's entry gets, all files of which were read. */
enum status walk_hash(const char *directory, char out[33], struct error *err);

#endif
