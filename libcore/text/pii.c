/* pii.c - a scan for '@' and for digits; see pii.h. */
#include "text/pii.h"

#include <ctype.h>

static bool local_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+/=?^_`{|}~-", c));
}

static bool label_char(char c)
{
	return isalnum((unsigned char)c) || c == '-';
}

/* Start of the local part that ends before s[at] == '@', not before `from`; at if there is none. */
static size_t local_start(const char *s, size_t from, size_t at)
{
	size_t i = at;
	while (i > from && (local_char(s[i - 1]) || (s[i - 1] == '.' && i < at && s[i] != '.')))
		i--;
	/* It starts at a word: "(=user@host" is user's. */
	while (i < at && !isalnum((unsigned char)s[i]) && s[i] != '_')
		i++;
	return i;
}

/* End of the domain that starts at s[i]: labels of letters, digits and inner hyphens, at least two; i if there is none. */
static size_t domain_end(const char *s, size_t n, size_t i)
{
	size_t end = i, at = i;
	for (int labels = 1;; labels++) {
		size_t k = at;
		while (k < n && label_char(s[k]))
			k++;
		while (k > at && s[k - 1] == '-')
			k--;
		if (k == at || s[at] == '-')
			break;
		if (labels >= 2)
			end = k;
		if (k >= n || s[k] != '.')
			break;
		at = k + 1;
	}
	return end;
}

static bool global(const unsigned v[4])
{
	unsigned a = v[0], b = v[1], c = v[2], d = v[3];
	if (a == 0 || a == 10 || a == 127 || a >= 240)
		return false;
	if ((a == 100 && b >= 64 && b < 128) || (a == 169 && b == 254) || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168))
		return false;
	if (a == 192 && b == 0 && (c == 2 || (c == 0 && d != 9 && d != 10)))
		return false;
	return !((a == 198 && (b == 18 || b == 19)) || (a == 198 && b == 51 && c == 100) || (a == 203 && b == 0 && c == 113));
}

/* End of a public IPv4 address at s[i], or i. */
static size_t ipv4_end(const char *s, size_t n, size_t i)
{
	size_t at = i;
	unsigned v[4];
	for (int k = 0; k < 4; k++) {
		size_t start = at;
		for (v[k] = 0; at < n && at - start < 4 && isdigit((unsigned char)s[at]); at++)
			v[k] = v[k] * 10 + (unsigned)(s[at] - '0');
		if (at == start || v[k] > 255 || (s[start] == '0' && at - start > 1) || (k < 3 && (at >= n || s[at] != '.')))
			return i;
		at += k < 3;
	}
	if (at + 1 < n && s[at] == '.' && isdigit((unsigned char)s[at + 1]))
		return i;
	return at < n && isalnum((unsigned char)s[at]) ? i : global(v) ? at : i;
}

int64_t pii_mask(const char *s, size_t n, struct buf *out)
{
	int64_t found = 0;
	size_t done = 0;             /* copied so far */
	for (size_t i = 0; i < n; i++) {
		size_t from = i, end = i;
		const char *mask = "[EMAIL]";
		if (s[i] == '@') {
			from = local_start(s, done, i);
			end = from < i ? domain_end(s, n, i + 1) : i;
			if (end == i + 1)
				end = i;
		} else if (isdigit((unsigned char)s[i]) && (i == 0 || (!isalnum((unsigned char)s[i - 1]) && s[i - 1] != '.'))) {
			end = ipv4_end(s, n, i);
			mask = "[IP]";
		}
		if (end == i)
			continue;
		if (out) {
			buf_add(out, s + done, from - done);
			buf_str(out, mask);
		}
		found++;
		done = end;
		i = end - 1;
	}
	if (out)
		buf_add(out, s + done, n - done);
	return found;
}
