/* unpack.h - the files in an archive (tar, zip, 7z, cpio, ar, rar, ...), one after the other, off an input; libarchive reads them. */
#ifndef QUERN_TEXT_UNPACK_H
#define QUERN_TEXT_UNPACK_H

#include "base/file.h"

struct unpack;
/* Whether these first bytes are those of an archive. */
bool unpack_looks_like(const uint8_t *p, size_t n);
/* in stays the caller's and must outlive it. */
enum status unpack_open(struct unpack **u, struct input *in, struct error *err);
/* The next regular file. name is valid until the next call; data gets its bytes, unless they are more than max: then
 * *too_large is set. END after the last. */
enum status unpack_next(struct unpack *u, size_t max, const char **name, struct buf *data, bool *too_large, struct error *err);
void unpack_close(struct unpack *u);

#endif
