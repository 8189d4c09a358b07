/* mojibake.c - see mojibake.h. */
#include "text/mojibake.h"

#include "text/unicode.h"

#include <utf8proc.h>

#define TIMES_MAX 3
#define COPY_BYTES ((size_t)1 << 20)

/* Windows-1252's bytes 0x80..0x9F; 0 where it has none. */
static const uint16_t cp1252[32] = {
	0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
	0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
};

/* The byte that was read as this character, or 0. */
static unsigned byte_of(uint32_t c)
{
	if (c >= 0x80 && c <= 0xff)
		return c;
	for (unsigned i = 0; c >= 0x152 && i < 32; i++)
		if (cp1252[i] == c)
			return 0x80 + i;
	return 0;
}

static bool is_common(uint32_t c)
{
	return (c >= 0xa0 && c <= 0x17f) || (c >= 0x2010 && c <= 0x203a) || c == 0x20ac || c == 0x2122 || c == 0x2212 || (c >= 0x2190 && c <= 0x2193) ||
	       c == 0xfeff || c == 0xfffd || c == 0x2009 || c == 0x200a || c == 0x202f || c == 0x25cf || c == 0x2713 || (c >= 0x1f000 && c <= 0x1faff) ||
	       c == 0xfe0f || c == 0x2764 || c == 0x200b || c == 0x200d;
}

static bool is_letter_or_mark(uint32_t c)
{
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
	return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO) || (c >= 0x3000 && c <= 0x30ff) || (c >= 0xff00 && c <= 0xffef);
}

/* Whether the bytes b[0..n), all valid UTF-8, say something that was meant. */
static bool is_sensible(const char *b, size_t n)
{
	int chars = 0, others = 0;
	for (size_t i = 0; i < n; chars++) {
		int len;
		uint32_t c = text_decode(b + i, n - i, &len);
		if (!is_common(c)) {
			if (c < 0x100 || !is_letter_or_mark(c))
				return false;
			others++;
		}
		i += (size_t)len;
	}
	return others == 0 || chars >= 2;
}

/* Reads the run of high characters at s as bytes into b; returns the bytes of s that it takes. */
static size_t read_run(const char *s, size_t n, struct buf *b)
{
	size_t i = 0;
	buf_clear(b);
	while (i < n) {
		int len;
		unsigned byte = byte_of(text_decode(s + i, n - i, &len));
		if (!byte)
			break;
		buf_char(b, (char)byte);
		i += (size_t)len;
	}
	return i;
}

/* A capital letter with a quotation mark or space behind it is no sequence: s[at..at + run) stands in the text. */
static bool is_a_word_end(const char *s, size_t n, size_t at, size_t run, size_t n_bytes)
{
	return n_bytes == 2 && at > 0 && s[at - 1] >= 'A' && s[at - 1] <= 'Z' && !(at + run < n && s[at + run] >= 'a' && s[at + run] <= 'z');
}

/* Copies s[*done..to) by the piece; with gone, for the last time. */
static void copy_up(const char *s, size_t *done, size_t to, size_t *gone, struct buf *out)
{
	for (size_t n; *done < to; *done += n) {
		n = to - *done < COPY_BYTES ? to - *done : COPY_BYTES;
		buf_add(out, s + *done, n);
		if (gone && *done > 0)               /* the byte before a run is looked at again */
			mem_discard_behind(s, gone, *done - 1);
	}
}

/* One reading back; false if nothing changed. */
static bool read_back(const char *s, size_t n, bool consume, struct buf *out)
{
	struct buf bytes = {0};
	bool changed = false;
	size_t done = 0, gone = 0;
	for (const char *p = s; (p = memchr(p, 0xc3, n - (size_t)(p - s)));) {
		size_t at = (size_t)(p - s);
		/* The first byte of a sequence is read as a character of U+00C2..U+00F4, which is C3 82..C3 B4. */
		if (n - at < 4 || (unsigned char)p[1] < 0x82 || (unsigned char)p[1] > 0xb4) {
			p++;
			continue;
		}
		size_t run = read_run(p, n - at, &bytes);    /* a run is looked at once, whatever becomes of it */
		if (bytes.len >= 2 && text_valid_prefix(bytes.data, bytes.len) == bytes.len && is_sensible(bytes.data, bytes.len) &&
		    !is_a_word_end(s, n, at, run, bytes.len)) {
			if (!changed)
				buf_reserve(out, n);
			copy_up(s, &done, at, consume ? &gone : NULL, out);
			buf_add(out, bytes.data, bytes.len);
			done = at + run;
			changed = true;
		}
		p += run;
	}
	buf_release(&bytes);
	if (changed)
		copy_up(s, &done, n, consume ? &gone : NULL, out);
	return changed;
}

bool mojibake_repair(const char *s, size_t n, bool consume, struct buf *out)
{
	struct buf a = {0}, b = {0};
	bool changed = n > 0 && read_back(s, n, consume, &a);
	for (int i = 1; changed && i < TIMES_MAX && read_back(a.data, a.len, true, &b); i++) {
		struct buf swap = a;
		a = b;
		b = swap;
		buf_release(&b);
	}
	if (changed && out->len == 0) {
		buf_release(out);
		*out = a;
		a = (struct buf){0};
	} else if (changed) {
		buf_add(out, a.data, a.len);
	}
	buf_release(&a);
	buf_release(&b);
	return changed;
}
