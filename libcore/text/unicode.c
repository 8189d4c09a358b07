/* unicode.c - UTF-8 by hand, character classes by utf8proc; see unicode.h. */
#include "text/unicode.h"

#include <stdlib.h>

#include <utf8proc.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Length of the valid character at s, or 0. */
static int valid_char(const unsigned char *s, size_t n)
{
	unsigned c = s[0];
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	int len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (n < (size_t)len)
		return 0;
	for (int i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

uint32_t text_decode(const char *s, size_t n, int *len)
{
	const unsigned char *p = (const unsigned char *)s;
	int l = valid_char(p, n);
	*len = l ? l : 1;
	switch (l) {
	case 1: return p[0];
	case 2: return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3: return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	case 4: return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	default: return 0xfffd;
	}
}

void text_append_char(struct buf *out, uint32_t c)
{
	char s[4];
	int n = (int)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)s);
	buf_add(out, s, (size_t)n);
}

size_t text_ascii_end(const char *s, size_t n, size_t i)
{
#ifdef __SSE2__
	for (; i + 16 <= n; i += 16) {
		unsigned high = (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(s + i)));
		if (high)
			return i + (size_t)__builtin_ctz(high);
	}
#endif
	while (i < n && (unsigned char)s[i] < 0x80)
		i++;
	return i;
}

size_t text_valid_prefix(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;
	while ((i = text_ascii_end(s, n, i)) < n) {
		int len = valid_char(p + i, n - i);
		if (len == 0)
			break;
		i += (size_t)len;
	}
	return i;
}

int64_t text_append_valid(struct buf *out, const char *s, size_t n)
{
	int64_t replaced = 0;
	while (n > 0) {
		size_t good = text_valid_prefix(s, n);
		buf_add(out, s, good);
		s += good;
		n -= good;
		if (n == 0)
			break;
		buf_add(out, "\xef\xbf\xbd", 3);
		replaced++;
		s++;
		n--;
	}
	return replaced;
}

int64_t text_length(const char *s, size_t n)
{
	int64_t tails = 0;           /* bytes 10xxxxxx */
	size_t i = 0;
#ifdef __SSE2__
	const __m128i first = _mm_set1_epi8((char)0xc0), zero = _mm_setzero_si128();
	while (i + 16 <= n) {
		__m128i some = zero;         /* by place, as many as a byte holds */
		for (size_t end = n - i < 255 * 16 ? n : i + 255 * 16; i + 16 <= end; i += 16)
			some = _mm_sub_epi8(some, _mm_cmplt_epi8(_mm_loadu_si128((const __m128i *)(const void *)(s + i)), first));
		some = _mm_sad_epu8(some, zero);
		tails += _mm_cvtsi128_si64(some) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(some, some));
	}
#endif
	for (; i + 8 <= n; i += 8) {
		uint64_t v;
		memcpy(&v, s + i, 8);
		tails += (int64_t)(((v & ~(v << 1)) >> 7 & 0x0101010101010101u) * 0x0101010101010101u >> 56);
	}
	for (; i < n; i++)
		tails += ((unsigned char)s[i] & 0xc0) == 0x80;
	return (int64_t)n - tails;
}

bool text_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f);
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

bool text_is_alpha(uint32_t c)
{
	if (c < 0x80)
		return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
	return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

void text_lower(const char *s, size_t n, struct buf *out)
{
	buf_reserve(out, n);
	for (size_t i = 0; i < n;) {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (c < 0x80)
			buf_char(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
		else
			text_append_char(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
		i += (size_t)len;
	}
}

/* --- pieces ---------------------------------------------------------------------------------- */

void spans_add(struct spans *sp, size_t from, size_t len)
{
	MEM_PUSH_ROOM(sp->v, sp->n, sp->cap);
	sp->v[sp->n++] = (struct span){(uint32_t)from, (uint32_t)len};
}

void spans_release(struct spans *sp)
{
	mem_free(sp->v);
	*sp = (struct spans){0};
}

/* 1: white space of ASCII; 2: the first byte of what may be white space (U+0085, U+00A0, U+1680, U+20xx, U+3000). */
static const uint8_t space_class[256] = {
	[9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [0x1c] = 1, [0x1d] = 1, [0x1e] = 1, [0x1f] = 1, [' '] = 1,
	[0xc2] = 2, [0xe1] = 2, [0xe2] = 2, [0xe3] = 2,
};

/* Bytes of the white space at s, 0 if there is none. */
static inline size_t space_at(const char *s, size_t n)
{
	int len;
	unsigned k = space_class[(unsigned char)*s];
	if (k < 2)
		return k;
	return text_is_space(text_decode(s, n, &len)) ? (size_t)len : 0;
}

size_t text_words(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	while (i < n && words->n < most) {
		size_t len = space_at(s + i, n - i), start = i;
		if (len) {
			i += len;
			continue;
		}
		while (i < n && (space_class[(unsigned char)s[i]] == 0 || !space_at(s + i, n - i)))
			i++;
		SPANS_PUSH(words, start, i - start);
	}
	return i;
}

#ifdef __SSE2__
/* Which of 16 bytes of ASCII are white space. */
static inline unsigned ascii_spaces(__m128i v)
{
	__m128i control = _mm_sub_epi8(v, _mm_set1_epi8(9)), separator = _mm_sub_epi8(v, _mm_set1_epi8(0x1c));
	__m128i four = _mm_set1_epi8(4);     /* 9 to 13; 0x1c to 0x20 */
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(control, four), control),
							_mm_cmpeq_epi8(_mm_min_epu8(separator, four), separator)));
}
#endif

int64_t text_count_words(const char *s, size_t n, int64_t enough)
{
	int64_t count = 0;
	size_t i = 0;
#ifdef __SSE2__
	unsigned before = 1;                 /* whether white space stands there */
	for (__m128i v; i + 16 <= n && count < enough; i += 16) {
		v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
		if (_mm_movemask_epi8(v))
			break;
		unsigned spaces = ascii_spaces(v);
		count += __builtin_popcount(~spaces & (spaces << 1 | before) & 0xffff);
		before = spaces >> 15;
	}
	while (!before && i < n && !space_at(s + i, n - i))  /* the rest of a word that counts already */
		i++;
#endif
	while (i < n && count < enough) {
		size_t len = space_at(s + i, n - i);
		if (len) {
			i += len;
			continue;
		}
		while (i < n && (space_class[(unsigned char)s[i]] == 0 || !space_at(s + i, n - i)))
			i++;
		count++;
	}
	return count < enough ? count : enough;
}

struct span text_strip(const char *s, size_t n)
{
	size_t from = 0, len;
	while (from < n && (len = space_at(s + from, n - from)))
		from += len;
	while (n > from) {
		size_t at = n - 1;
		while (at > from && ((unsigned char)s[at] & 0xc0) == 0x80)
			at--;
		if (!space_at(s + at, n - at))
			break;
		n = at;
	}
	return (struct span){(uint32_t)from, (uint32_t)(n - from)};
}
