/* charset.c - which encoding a page is in, and its conversion by iconv; see charset.h. */
#include "text/charset.h"

#include "text/charset_guess.h"
#include "text/unicode.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <strings.h>

#define DECLARATION_BYTES 4096   /* how far into a page a <meta charset> is looked for */

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == ':' || c == '.' || c == '+';
}

/* Copies an encoding name; false if it is empty or too long to be one. */
static bool take_name(const char *s, size_t n, char name[32])
{
	while (n > 0 && (isspace((unsigned char)*s) || *s == '"' || *s == '\'')) {
		s++;
		n--;
	}
	size_t len = 0;
	while (len < n && name_char(s[len]))
		len++;
	if (len == 0 || len > 31)
		return false;
	memcpy(name, s, len);
	name[len] = 0;
	return true;
}

/* Browsers read these labels as windows-1252; nobody meant the control characters of ISO 8859-1. */
static void follow_alias(char name[32])
{
	static const char *const latin[] = {"iso-8859-1", "iso8859-1", "latin1", "latin-1", "l1", "us-ascii", "ascii", "cp1252"};
	for (size_t i = 0; i < sizeof(latin) / sizeof(latin[0]); i++)
		if (strcasecmp(name, latin[i]) == 0)
			strcpy(name, "windows-1252");
	if (strcasecmp(name, "utf8") == 0)
		strcpy(name, "utf-8");
	if (strcasecmp(name, "gb2312") == 0 || strcasecmp(name, "gbk") == 0)
		strcpy(name, "gb18030");
	if (strcasecmp(name, "shift_jis") == 0 || strcasecmp(name, "x-sjis") == 0)
		strcpy(name, "cp932");
	if (strcasecmp(name, "ks_c_5601-1987") == 0)
		strcpy(name, "cp949");
}

/* An encoding that iconv knows and that keeps ASCII where a declaration could be read, or UTF-16 from a BOM or hint. */
static bool known(char name[32])
{
	follow_alias(name);
	if (strcasecmp(name, "utf-8") == 0)
		return true;
	iconv_t cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return true;
}

/* charset=NAME or encoding="NAME" inside a tag near the start of the page. */
static bool declared(const char *s, size_t n, char name[32])
{
	if (n > DECLARATION_BYTES)
		n = DECLARATION_BYTES;
	bool in_tag = false;
	for (size_t i = 0; i + 8 < n; i++) {
		if (s[i] == '<')
			in_tag = (i + 5 < n && strncasecmp(s + i, "<meta", 5) == 0) || (i + 5 < n && strncmp(s + i, "<?xml", 5) == 0);
		if (s[i] == '>')
			in_tag = false;
		if (!in_tag || (strncasecmp(s + i, "charset", 7) != 0 && strncasecmp(s + i, "encoding", 8) != 0))
			continue;
		size_t at = i + (tolower((unsigned char)s[i]) == 'c' ? 7 : 8);
		while (at < n && isspace((unsigned char)s[at]))
			at++;
		if (at >= n || s[at] != '=' || !take_name(s + at + 1, n - at - 1, name))
			continue;
		/* A page whose declaration we could read as ASCII is not in UTF-16, whatever it says. */
		if (strncasecmp(name, "utf-16", 6) == 0)
			strcpy(name, "utf-8");
		return known(name);
	}
	return false;
}

static size_t find_encoding(const unsigned char *s, size_t n, const char *hint, char name[32])
{
	if (n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
		strcpy(name, "utf-8");
		return 3;
	}
	if (n >= 2 && ((s[0] == 0xff && s[1] == 0xfe) || (s[0] == 0xfe && s[1] == 0xff))) {
		strcpy(name, s[0] == 0xff ? "UTF-16LE" : "UTF-16BE");
		return 2;
	}
	if (hint && take_name(hint, strlen(hint), name) && known(name))
		return 0;
	if (declared((const char *)s, n, name))
		return 0;
	strcpy(name, text_valid_prefix((const char *)s, n) == n ? "utf-8" : charset_guess((const char *)s, n));
	return 0;
}

static enum status convert(iconv_t cd, const char *from, size_t n, struct buf *out, int64_t *replaced, struct error *err)
{
	char *in = (char *)from;
	while (n > 0) {
		char block[4096];
		char *to = block;
		size_t room = sizeof(block), rc = iconv(cd, &in, &n, &to, &room);
		int why = errno;
		buf_add(out, block, sizeof(block) - room);
		if (rc != (size_t)-1 || why == E2BIG)
			continue;
		if (why != EILSEQ && why != EINVAL)
			return error_set(err, ERR_IO, "iconv failed");
		/* One bad byte (or a character cut off by the end) is replaced, and reading goes on after it. */
		buf_add(out, "\xef\xbf\xbd", 3);
		++*replaced;
		in++;
		n--;
	}
	/* Some decoders hold back a character that a mark might join (windows-1255, windows-1258). */
	char block[64];
	char *to = block;
	size_t room = sizeof(block);
	iconv(cd, NULL, NULL, &to, &room);
	buf_add(out, block, sizeof(block) - room);
	return OK;
}

enum status text_to_utf8(const void *bytes, size_t n, const char *hint, struct buf *out, int64_t *n_replaced, char name[32],
			 struct error *err)
{
	char used[32];
	int64_t replaced = 0;
	size_t skip = find_encoding(bytes, n, hint, used);
	const char *s = (const char *)bytes + skip;
	enum status st = OK;
	if (strcasecmp(used, "utf-8") == 0) {
		replaced = text_append_valid(out, s, n - skip);
	} else {
		iconv_t cd = iconv_open("UTF-8", used);
		if (cd == (iconv_t)-1)
			return error_set(err, ERR_UNSUPPORTED, "encoding '%s' is not known here", used);
		st = convert(cd, s, n - skip, out, &replaced, err);
		iconv_close(cd);
	}
	if (n_replaced)
		*n_replaced = replaced;
	if (name)
		memcpy(name, used, sizeof(used));
	return st;
}
