/* roff_escape.c - see roff_escape.h; the names are those of groff_char(7). */
#include "text/roff_escape.h"
#include "text/unicode.h"

#include <stdlib.h>

static const char *glyph(const char *s, size_t n)
{
	static const char *const names[][2] = {
		{ "em", "\u2014" }, { "en", "\u2013" }, { "hy", "-" }, { "mi", "-" }, { "pl", "+" }, { "bu", "\u2022" }, { "lq", "\u201c" },
		{ "rq", "\u201d" }, { "oq", "\u2018" }, { "cq", "\u2019" }, { "aq", "'" }, { "dq", "\"" }, { "ga", "`" }, { "aa", "\u00b4" },
		{ "ha", "^" }, { "ti", "~" }, { "rs", "\\" }, { "sl", "/" }, { "ba", "|" }, { "br", "|" }, { "lB", "[" }, { "rB", "]" },
		{ "lC", "{" }, { "rC", "}" }, { "la", "\u27e8" }, { "ra", "\u27e9" }, { "co", "\u00a9" }, { "rg", "\u00ae" }, { "tm", "\u2122" },
		{ "de", "\u00b0" }, { "sc", "\u00a7" }, { "mu", "\u00d7" }, { "di", "\u00f7" }, { "+-", "\u00b1" }, { "->", "\u2192" },
		{ "<-", "\u2190" }, { "ua", "\u2191" }, { "da", "\u2193" }, { "<=", "\u2264" }, { ">=", "\u2265" }, { "!=", "\u2260" },
		{ "==", "\u2261" }, { "eq", "=" }, { "if", "\u221e" }, { "sh", "#" }, { "at", "@" }, { "Do", "$" }, { "ul", "_" }, { "ru", "_" },
		{ "fm", "\u2032" }, { "ss", "\u00df" }, { "ae", "\u00e6" }, { "oe", "\u0153" }, { "o/", "\u00f8" }, { "O/", "\u00d8" }, { ":a", "\u00e4" },
		{ ":o", "\u00f6" }, { ":u", "\u00fc" }, { ":A", "\u00c4" }, { ":O", "\u00d6" }, { ":U", "\u00dc" }, { "'e", "\u00e9" }, { "`e", "\u00e8" },
		{ "'a", "\u00e1" }, { "`a", "\u00e0" }, { "'o", "\u00f3" }, { "'i", "\u00ed" }, { "'u", "\u00fa" }, { "^e", "\u00ea" }, { ",c", "\u00e7" },
		{ "~n", "\u00f1" }, { "oA", "\u00c5" }, { "oa", "\u00e5" }, { "Tm", "\u2122" }, { "Lq", "\u201c" }, { "Rq", "\u201d" }, { "*m", "\u03bc" },
		{ "*a", "\u03b1" }, { "*b", "\u03b2" }, { "*p", "\u03c0" }, { "R", "\u00ae" }, { "S", "" },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i][0]) == n && memcmp(names[i][0], s, n) == 0)
			return names[i][1];
	return NULL;
}

/* \[name], \(xx, \*[name] and \*(xx; "u00E9" is a code point. */
static void put_glyph(const char *s, size_t n, struct buf *out)
{
	const char *g = glyph(s, n);
	if (g) {
		buf_str(out, g);
	} else if (n >= 5 && n <= 7 && s[0] == 'u') {
		char hex[8] = {0};
		char *end;
		memcpy(hex, s + 1, n - 1);
		unsigned long c = strtoul(hex, &end, 16);
		if (!*end && c >= 0x20 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff))
			text_append_char(out, (uint32_t)c);
	}
}

/* A name after an escape letter: x, (xx or [name]. Returns the bytes it takes. */
static size_t name_at(const char *s, size_t n, const char **name, size_t *len)
{
	*name = s;
	*len = 0;
	if (n == 0)
		return 0;
	if (s[0] == '(') {
		*name = s + 1;
		*len = n >= 3 ? 2 : n - 1;
		return 1 + *len;
	}
	if (s[0] == '[') {
		const char *end = memchr(s, ']', n);
		*name = s + 1;
		*len = end ? (size_t)(end - s) - 1 : n - 1;
		return end ? *len + 2 : n;
	}
	*len = 1;
	return 1;
}

/* The argument of \h, \w, ...: between two equal characters. */
static size_t quoted_at(const char *s, size_t n)
{
	const char *end = n ? memchr(s + 1, s[0], n - 1) : NULL;
	return end ? (size_t)(end - s) + 1 : n;
}

/* \s: a sign, then digits or a name; at most two digits follow a plain one. */
static size_t size_at(const char *s, size_t n)
{
	size_t i = n && (s[0] == '+' || s[0] == '-');
	const char *name;
	size_t len;
	if (i < n && (s[i] == '(' || s[i] == '['))
		return i + name_at(s + i, n - i, &name, &len);
	if (i < n && s[i] == '\'')
		return i + quoted_at(s + i, n - i);
	size_t digits = i < n && s[i] >= '1' && s[i] <= '3' ? 2 : 1;
	for (; digits > 0 && i < n && s[i] >= '0' && s[i] <= '9'; digits--)
		i++;
	return i;
}

/* What stands behind a backslash; returns the bytes it takes, n at a comment. */
static size_t escape(const char *s, size_t n, struct buf *out)
{
	const char *name;
	size_t len, k;
	switch (s[0]) {
	case '"': case '#':
		return n;
	case '(': case '[':
		k = name_at(s, n, &name, &len);
		put_glyph(name, len, out);
		return k;
	case '*':
		k = 1 + name_at(s + 1, n - 1, &name, &len);
		put_glyph(name, len, out);
		return k;
	case 'f': case 'F': case 'm': case 'M': case 'n': case 'g': case 'k': case 'Y': case 'V':
		k = 1 + (n > 1 && (s[1] == '+' || s[1] == '-'));
		return k + name_at(s + k, n - k, &name, &len);
	case 's':
		return 1 + size_at(s + 1, n - 1);
	case 'h': case 'v': case 'w': case 'o': case 'N': case 'X': case 'b': case 'l': case 'L': case 'D': case 'S': case 'H':
	case 'x': case 'Z': case 'R': case 'A': case 'C':
		return 1 + quoted_at(s + 1, n - 1);
	case 'e': case '\\': case 'E':
		buf_char(out, '\\');
		return 1;
	case ' ': case '~': case '0':
		buf_char(out, ' ');
		return 1;
	case 't':
		buf_char(out, '\t');
		return 1;
	case '-': case '.': case '\'': case '`': case '_':
		buf_char(out, s[0]);
		return 1;
	default:                             /* \& \| \^ \% \/ \, \: \c \{ \} \d \u ...: no text of their own */
		return 1;
	}
}

void roff_escape(const char *s, size_t n, struct buf *out)
{
	size_t i = 0;
	while (i < n) {
		const char *next = memchr(s + i, '\\', n - i);
		size_t plain = next ? (size_t)(next - s) - i : n - i;
		buf_add(out, s + i, plain);
		i += plain;
		if (i >= n)
			break;
		i++;
		if (i < n)
			i += escape(s + i, n - i, out);
		while (i < n && (s[i] & 0xC0) == 0x80) /* names and delimiters may be characters of several bytes */
			i++;
	}
}
