/* utf8_valid.c - is it UTF-8? (Unicode 15, table 3-7.) */
#include "stream/arrow.h"

#include <string.h>

/* Length of the well-formed sequence at p (n bytes left), 0 if there is none. */
static size_t sequence(const uint8_t *p, size_t n)
{
	uint8_t c = p[0];
	uint8_t low = 0x80, high = 0xBF;
	size_t len;

	if (c < 0x80)
		return 1;
	if (c >= 0xC2 && c <= 0xDF)
		len = 2;
	else if (c >= 0xE0 && c <= 0xEF)
		len = 3;
	else if (c >= 0xF0 && c <= 0xF4)
		len = 4;
	else
		return 0;
	if (c == 0xE0)
		low = 0xA0;                  /* overlong */
	else if (c == 0xED)
		high = 0x9F;                 /* surrogates */
	else if (c == 0xF0)
		low = 0x90;                  /* overlong */
	else if (c == 0xF4)
		high = 0x8F;                 /* above U+10FFFF */
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return len;
}

bool utf8_valid(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i = 0;

	while (i < n) {
		uint64_t word[4];
		if (n - i >= sizeof(word)) {
			memcpy(word, p + i, sizeof(word));
			if (!((word[0] | word[1] | word[2] | word[3]) & 0x8080808080808080u)) {
				i += sizeof(word);
				continue;
			}
		}
		size_t len = sequence(p + i, n - i);
		if (!len)
			return false;
		i += len;
	}
	return true;
}
