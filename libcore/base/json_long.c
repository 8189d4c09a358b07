/* json_long.c - see json_long.h. */
#include "base/json_long.h"

#include "base/json.h"
#include "base/json_escape.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void json_long_release(struct json_long *l)
{
	buf_release(&l->rest);
	mem_free(l->v);
	*l = (struct json_long){0};
}

/* The first quote, backslash or control character from i on. */
static size_t plain_end(const char *s, size_t n, size_t i)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
		__m128i stop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, control), v), _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		unsigned bits = (unsigned)_mm_movemask_epi8(stop);
		if (bits)
			return i + (size_t)__builtin_ctz(bits);
	}
#endif
	while (i < n && s[i] != '"' && s[i] != '\\' && (unsigned char)s[i] >= 0x20)
		i++;
	return i;
}

/* The quote that ends the string whose first byte is s[i]; n if there is none. */
static size_t string_end(const char *s, size_t n, size_t i)
{
	while ((i = plain_end(s, n, i)) < n && s[i] != '"')
		i += s[i] == '\\' ? 2 : 1;
	return i < n ? i : n;
}

static int hex(const char *s, const char *end)
{
	int v = 0;
	for (int i = 0; i < 4; i++, s++) {
		int c = s < end ? *s : 0, d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* What the escape at s says, to *to, which moves; the place behind it, or NULL if it says nothing. It is never longer than it stands. */
static const char *escape(const char *s, const char *end, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *k = s + 1 < end && s[1] ? strchr(from, s[1]) : NULL;
	if (k) {
		*(*to)++ = into[k - from];
		return s + 2;
	}
	int c = s + 1 < end && s[1] == 'u' ? hex(s + 2, end) : -1, low = -1;
	if (c < 0 || (c >= 0xdc00 && c < 0xe000))
		return NULL;
	if (c < 0xd800 || c >= 0xe000) {
		*to = put_utf8(*to, (uint32_t)c);
		return s + 6;
	}
	if (s + 7 < end && s[6] == '\\' && s[7] == 'u')
		low = hex(s + 8, end);
	if (low < 0xdc00 || low >= 0xe000)
		return NULL;
	*to = put_utf8(*to, 0x10000 + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
	return s + 12;
}

/* s[0..*n), which a quote follows, in place. */
static enum status unescape(char *s, size_t *n, struct error *err)
{
	char *to = s;
	const char *end = s + *n;
	if (!utf8_valid(s, *n))
		return error_set(err, ERR_DATA, "invalid UTF-8");
	for (const char *p = s; p < end;) {
		size_t run = plain_end(p, (size_t)(end - p), 0);
		if (to != p)
			memmove(to, p, run);
		to += run;
		p += run;
		if (p == end)
			break;
		if (*p != '\\')
			return error_set(err, ERR_DATA, "a control character stands in a string");
		p = escape(p, end, &to);
		if (!p)
			return error_set(err, ERR_DATA, "a string is malformed");
	}
	*n = (size_t)(to - s);
	*to = 0;
	return OK;
}

/* The next string behind `done`, its first byte and its quote (n if it has none); false if no other begins. */
static bool next_string(const char *s, size_t n, size_t done, size_t *from, size_t *end)
{
	const char *quote = done < n ? memchr(s + done, '"', n - done) : NULL;
	if (!quote)
		return false;
	*from = (size_t)(quote - s) + 1;
	*end = string_end(s, n, *from);
	return true;
}

/* Whether a string is taken out: not a name, which the caller compares. */
static bool is_long(const char *s, size_t n, size_t from, size_t end, size_t least)
{
	if (end - from < least)
		return false;
	do
		end++;
	while (end < n && (s[end] == ' ' || s[end] == '\t' || s[end] == '\r' || s[end] == '\n'));
	return end >= n || s[end] != ':';
}

size_t json_long_bytes(const char *s, size_t n, size_t least)
{
	size_t sum = 0, from, end;
	for (size_t done = 0; next_string(s, n, done, &from, &end); done = end + 1)
		sum += is_long(s, n, from, end, least) ? end - from : 0;
	return sum;
}

enum status json_long_take(struct json_long *l, char *s, size_t n, size_t least, bool now, struct error *err)
{
	size_t done = 0, from, end;
	l->n = l->next = 0;
	buf_clear(&l->rest);
	for (size_t ordinal = 0; next_string(s, n, done, &from, &end) && end < n; ordinal++) {
		size_t len = end - from;
		bool taken = is_long(s, n, from, end, least);
		buf_add(&l->rest, s + done, (taken ? from : end) - done);
		done = end;
		buf_char(&l->rest, s[done++]);
		if (!taken)
			continue;
		if (now)
			TRY(unescape(s + from, &len, err));
		MEM_PUSH_ROOM(l->v, (int64_t)l->n, l->cap);
		l->v[l->n++] = (struct json_long_string){ordinal, now ? s + from : "", now ? len : 0};
	}
	buf_add(&l->rest, s + done, n - done);
	buf_reserve(&l->rest, JSON_PADDING);
	return OK;
}
