/* pii_net.c - addresses of people and machines; see pii.h. */
#include "text/pii_priv.h"

/* --- e-mail ----------------------------------------------------------------------------------- */

static bool local_char(char c)
{
	return pii_alnum(c) || (c && strchr("!#$%&'*+/=?^_`{|}~-", c));
}

/* Start of the local part that ends before s[at] == '@', not before `from`; at if there is none. */
static size_t local_start(const char *s, size_t from, size_t at)
{
	size_t i = at;
	while (i > from && (local_char(s[i - 1]) || (s[i - 1] == '.' && i < at && s[i] != '.')))
		i--;
	/* It starts at a word: "(=user@host" is user's. */
	while (i < at && !pii_alnum(s[i]) && s[i] != '_')
		i++;
	return i;
}

size_t pii_email(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	if (s[i] != '@')
		return 0;
	size_t end = 0, at = i + 1;
	*begin = local_start(s, from, i);
	if (*begin == i)
		return 0;
	/* Labels of letters, digits and inner hyphens, at least two. */
	for (int labels = 1;; labels++) {
		size_t k = at;
		while (k < n && (pii_alnum(s[k]) || s[k] == '-'))
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

/* --- IPv4 ------------------------------------------------------------------------------------- */

/* Python's ipaddress.IPv4Address.is_global. */
static bool global_v4(const unsigned v[4])
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

size_t pii_ipv4(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	size_t at = i;
	unsigned v[4];
	if (!pii_digit(s[i]) || (i > from && (pii_alnum(s[i - 1]) || s[i - 1] == '.')))
		return 0;
	for (int k = 0; k < 4; k++) {
		size_t start = at;
		for (v[k] = 0; at < n && at - start < 4 && pii_digit(s[at]); at++)
			v[k] = v[k] * 10 + (unsigned)(s[at] - '0');
		if (at == start || v[k] > 255 || (s[start] == '0' && at - start > 1) || (k < 3 && (at >= n || s[at] != '.')))
			return 0;
		at += k < 3;
	}
	*begin = i;
	if ((at + 1 < n && s[at] == '.' && pii_digit(s[at + 1])) || (at < n && pii_alnum(s[at])))
		return 0;
	return global_v4(v) ? at : 0;
}

/* --- IPv6 ------------------------------------------------------------------------------------- */

#define IPV6_CHARS 39

static bool hex(char c)
{
	return pii_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* Of 2000::/3, what is not for documentation, tunnels or benchmarks. */
static bool global_v6(const unsigned group[8])
{
	if (group[0] < 0x2000 || group[0] > 0x3fff || (group[0] == 0x3fff && group[1] < 0x1000) || group[0] == 0x2002)
		return false;
	return !(group[0] == 0x2001 && (group[1] < 0x200 || group[1] == 0xdb8));
}

/* Parses s[at..end) whole: groups, and one "::" or eight of them. */
static bool parse_v6(const char *s, size_t at, size_t end, unsigned group[8])
{
	unsigned v[8] = {0};
	int n = 0, gap = -1;
	while (at < end) {
		if (s[at] == ':') {
			if (at + 1 >= end || s[at + 1] != ':' || gap >= 0)
				return false;
			gap = n;
			at += 2;
			continue;
		}
		size_t start = at;
		if (n == 8)
			return false;
		for (; at < end && hex(s[at]); at++)
			v[n] = v[n] * 16 + (unsigned)(pii_digit(s[at]) ? s[at] - '0' : (s[at] | 32) - 'a' + 10);
		if (at == start || at - start > 4)
			return false;
		n++;
		if (at + 1 < end && s[at] == ':' && s[at + 1] != ':')
			at++;
		else if (at < end && s[at] != ':')
			return false;
		else if (at + 1 == end)
			return false;
	}
	if (n < 3 || (gap < 0 ? n != 8 : n > 7))
		return false;
	for (int k = 0; k < n; k++)
		group[gap >= 0 && k >= gap ? 8 - n + k : k] = v[k];
	return true;
}

size_t pii_ipv6(const char *s, size_t n, size_t from, size_t i, size_t *begin)
{
	unsigned group[8] = {0};
	size_t start = i, end = i;
	if (s[i] != ':')
		return 0;
	while (start > from && i - start <= 4 && hex(s[start - 1]))
		start--;
	if (start == i || (start > from && (pii_alnum(s[start - 1]) || s[start - 1] == ':' || s[start - 1] == '.' || s[start - 1] == '_')))
		return 0;
	while (end < n && end - start <= IPV6_CHARS && (hex(s[end]) || s[end] == ':'))
		end++;
	size_t behind = end;
	if (end > start && s[end - 1] == ':' && !(end - start > 1 && s[end - 2] == ':'))
		end--;                       /* a colon of the sentence */
	*begin = start;
	if (behind - start > IPV6_CHARS + 1 || (behind < n && pii_alnum(s[behind])))
		return 0;
	return parse_v6(s, start, end, group) && global_v6(group) ? end : 0;
}
