/* sha1.h - SHA-1 (FIPS 180-4), because FineWeb's shingles were hashed by it; for nothing that must be safe. */
#ifndef QUERN_TEXT_SHA1_H
#define QUERN_TEXT_SHA1_H

#include <stddef.h>
#include <stdint.h>

/* The first eight bytes of the digest, as a little-endian number. */
uint64_t sha1_64(const void *p, size_t n);

#endif
