/* unicode.c - UTF-8 by hand, character classes by utf8proc; see unicode.h. */
#include "text/unicode.h"

#include <stdlib.h>

#include <utf8proc.h>

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

size_t text_valid_prefix(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;
	while (i < n) {
		uint64_t eight;
		if (i + 8 <= n && (memcpy(&eight, p + i, 8), (eight & 0x8080808080808080u) == 0)) {
			i += 8;
			continue;
		}
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
	int64_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xc0) != 0x80;
	return count;
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

/* --- repair ---------------------------------------------------------------------------------- */

static bool dropped(uint32_t c)
{
	if (c < 0x20 || c == 0x7f)
		return c != '\n' && c != '\t';
	return (c > 0x7f && c < 0xa0) || c == 0x200b || c == 0x2060 || c == 0xfeff || c == 0xad;
}

/* Appends s in NFC. The quick path: text without combining marks or characters that compose, which nearly all text is. */
static void append_nfc(const char *s, size_t n, struct buf *out)
{
	bool plain = true;
	for (size_t i = 0; i < n && plain; i++)
		plain = (unsigned char)s[i] < 0xcc;   /* below U+0300 all is NFC already */
	utf8proc_uint8_t *nfc = NULL;
	if (!plain) {
		utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &nfc,
						    UTF8PROC_STABLE | UTF8PROC_COMPOSE);
		if (len >= 0)
			buf_add(out, nfc, (size_t)len);
		else
			plain = true;
		free(nfc);
	}
	if (plain)
		buf_add(out, s, n);
}

static void trim_line_end(struct buf *out, size_t start)
{
	while (out->len > start && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '\t'))
		out->len--;
	/* A no-break space is white space too, in two bytes. */
	while (out->len >= start + 2 && memcmp(out->data + out->len - 2, "\xc2\xa0", 2) == 0)
		out->len -= 2;
}

void text_repair(const char *s, size_t n, struct buf *out)
{
	struct buf lines = {0};
	int feeds = 2;                 /* line feeds just written; 2 at the start, so that none come first */
	size_t start = 0;              /* of the current line */
	for (size_t i = 0; i < n;) {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029) {
			if (c == '\r' && i + 1 < n && s[i + 1] == '\n')
				len = 2;
			trim_line_end(&lines, start);
			if (lines.len > start)
				feeds = 0;
			if (feeds < 2) {
				buf_char(&lines, '\n');
				feeds++;
			}
			start = lines.len;
		} else if (c == 0xfffd && len == 1) {
			buf_add(&lines, "\xef\xbf\xbd", 3);
		} else if (!dropped(c)) {
			buf_add(&lines, s + i, (size_t)len);
		}
		i += (size_t)len;
	}
	trim_line_end(&lines, start);
	while (lines.len > 0 && lines.data[lines.len - 1] == '\n')
		lines.len--;
	append_nfc(lines.data ? lines.data : "", lines.len, out);
	buf_release(&lines);
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

void text_words(const char *s, size_t n, struct spans *words)
{
	size_t start = 0;
	for (size_t i = 0; i < n;) {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (text_is_space(c)) {
			if (i > start)
				spans_add(words, start, i - start);
			start = i + (size_t)len;
		}
		i += (size_t)len;
	}
	if (n > start)
		spans_add(words, start, n - start);
}

void text_lines(const char *s, size_t n, struct spans *lines)
{
	size_t start = 0;
	for (const char *nl; start <= n && (nl = memchr(s + start, '\n', n - start)); start = (size_t)(nl - s) + 1)
		spans_add(lines, start, (size_t)(nl - s) - start);
	spans_add(lines, start, n - start);
}

struct span text_strip(const char *s, size_t n)
{
	size_t from = 0;
	int len;
	while (from < n && text_is_space(text_decode(s + from, n - from, &len)))
		from += (size_t)len;
	while (n > from) {
		size_t at = n - 1;
		while (at > from && ((unsigned char)s[at] & 0xc0) == 0x80)
			at--;
		if (!text_is_space(text_decode(s + at, n - at, &len)))
			break;
		n = at;
	}
	return (struct span){(uint32_t)from, (uint32_t)(n - from)};
}
