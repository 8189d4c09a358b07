/* varint.h - unsigned numbers in as few bytes as they need, seven bits each, the lowest first (LEB128). For data of our own making:
 * nothing is checked. */
#ifndef QUERN_TOKEN_VARINT_H
#define QUERN_TOKEN_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10                /* bytes of the longest */

static inline size_t varint_size(uint64_t v)
{
	size_t n = 1;

	for (; v > 127; v >>= 7)
		n++;
	return n;
}

static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
	for (; v > 127; v >>= 7)
		*p++ = (uint8_t)(v | 128);
	*p++ = (uint8_t)v;
	return p;
}

static inline const uint8_t *varint_get(const uint8_t *p, uint64_t *v)
{
	uint64_t x = *p & 127;

	for (int shift = 7; *p++ & 128; shift += 7)
		x |= (uint64_t)(*p & 127) << shift;
	*v = x;
	return p;
}

#endif
