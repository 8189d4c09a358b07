/* sha1.h - SHA-1 (FIPS 180-4), because FineWeb's shingles were hashed by it; for nothing that must be safe.
 *
 * Where the CPU has instructions for it they are used, two short texts at a time; all give the same. */
#ifndef QUERN_TEXT_SHA1_H
#define QUERN_TEXT_SHA1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first eight bytes of the digest, as a little-endian number. */
uint64_t sha1_64(const void *p, size_t n);
/* The same of n pieces of a text: the i-th goes from unit[i] to unit[i + units], less `behind` bytes. */
void sha1_64_pieces(const char *text, const size_t *unit, size_t units, size_t behind, size_t n, uint64_t *out);
/* "sha" or "plain" for tests, NULL for the best; false if the CPU lacks it. */
bool sha1_force_kernel(const char *name);

#endif
