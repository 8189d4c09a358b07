/* spool.h - things of any size by their number, on disk: written in order, then found again in any order.
 *
 * They lie in two files without names, one of bytes and one of where each thing ends. Reading maps both, so that what is read
 * again and again is in the system's page cache and none of it in our memory. */
#ifndef QUERN_BASE_SPOOL_H
#define QUERN_BASE_SPOOL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct spool;
/* dir as temp_open. */
enum status spool_open(struct spool **s, const char *dir, struct error *err);
void spool_close(struct spool *s);                                          /* NULL allowed */
enum status spool_add(struct spool *s, const void *p, size_t n, struct error *err);
/* After the last, before the first spool_get. */
enum status spool_finish(struct spool *s, struct error *err);
/* The i-th thing, i below the number added; valid until spool_close. It lies aligned to 8 if all before it have multiples of 8 bytes. */
const void *spool_get(const struct spool *s, int64_t i, size_t *n);

#endif
