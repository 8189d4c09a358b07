/* suffix_array.h - all suffixes of a text in order: SA-IS (Nong, Zhang and Chan, "Two efficient algorithms for linear time suffix
 * array construction", 2011), in linear time and with the suffix array for its workspace.
 *
 * A suffix is the position where it starts; one that is a prefix of another comes before it. Besides sa, the smaller one's bits
 * (an eighth of n) and counts are allocated: 2 KiB for bytes, and at most two indices for each symbol of the half-sized strings
 * of names on the way. */
#ifndef QUERN_TEXT_SUFFIX_ARRAY_H
#define QUERN_TEXT_SUFFIX_ARRAY_H

#include "base/error.h"

#include <stdint.h>

/* sa has n places; n at most INT32_MAX for the first. ERR_MEMORY. */
enum status suffix_array32(const uint8_t *text, int32_t n, int32_t *sa, struct error *err);
enum status suffix_array64(const uint8_t *text, int64_t n, int64_t *sa, struct error *err);

#endif
