#include "judge/expr_equal.h"

#include <stdlib.h>
#include <utf8proc.h>

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* NFC, case folded, white space and LaTeX's wrappers aside; NULL when the bytes are not UTF-8. free() */
static char *fold(const char *p, size_t n, size_t *out_n)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &out,
					    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (len < 0)
		return NULL;
	char *s = (char *)out;
	size_t m = 0, end = (size_t)len;
	for (size_t i = 0; i < end; i++) {
		if (s[i] == '\\') {
			while (i + 1 < end && s[i + 1] >= 'a' && s[i + 1] <= 'z')
				i++;
		} else if (is_space(s[i])) {
			if (m && s[m - 1] != ' ')
				s[m++] = ' ';
		} else if (s[i] != '{' && s[i] != '}' && s[i] != '$') {
			s[m++] = s[i];
		}
	}
	while (m && (s[m - 1] == ' ' || s[m - 1] == '.'))
		m--;
	*out_n = m;
	return s;
}

bool text_equal(const char *a, size_t a_n, const char *b, size_t b_n)
{
	size_t n, m;
	if (a_n == b_n && memcmp(a, b, a_n) == 0)
		return true;
	char *x = fold(a, a_n, &n), *y = fold(b, b_n, &m);
	bool same = x && y && n == m && memcmp(x, y, n) == 0;
	free(x);
	free(y);
	return same;
}
