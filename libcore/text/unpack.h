/* unpack.h - the files in an archive (tar, zip, 7z, cpio, ar, rar, ...), one after the other, off an input; libarchive reads them. */
#ifndef QUERN_TEXT_UNPACK_H
#define QUERN_TEXT_UNPACK_H

#include "base/file.h"

struct unpack;
/* Whether these first bytes are those of an archive. */
bool unpack_looks_like(const uint8_t *p, size_t n);
/* in stays the caller's and must outlive it. 7z stands on its end: in must have any place at hand. */
enum status unpack_open(struct unpack **u, struct input *in, struct error *err);
/* The next regular file, what is left of the one before passed over. name is valid until the next call; the bytes of an encrypted
 * one cannot be read. END after the last. */
enum status unpack_next(struct unpack *u, const char **name, bool *encrypted, struct error *err);
/* Bytes of that file, as an input_pull. */
enum status unpack_read(void *unpack, void *p, size_t n, size_t *got, struct error *err);
void unpack_close(struct unpack *u);

#endif
