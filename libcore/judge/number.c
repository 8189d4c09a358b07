#include "judge/number.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80; }

static bool starts(const char *p, size_t n, const char *word)
{
	size_t w = strlen(word);
	return n >= w && memcmp(p, word, w) == 0;
}

/* Minus sign at p (ASCII, or U+2212): its length, else 0. */
static size_t minus(const char *p, size_t n)
{
	return starts(p, n, "-") ? 1 : starts(p, n, "\xe2\x88\x92") ? 3 : 0;
}

static size_t currency(const char *p, size_t n)
{
	static const char *const signs[] = { "\\$", "$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5" };
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (starts(p, n, signs[i]))
			return strlen(signs[i]);
	return 0;
}

/* An unsigned decimal: digits without the point, and how many of them stand behind it (negative after an exponent). */
struct decimal {
	char digits[NUMBER_DIGITS];
	int n, places;
};

static bool push(struct decimal *d, char c)
{
	if (d->n == 0 && c == '0')
		return true;             /* a leading zero adds nothing, but a place counts (see the caller) */
	if (d->n >= NUMBER_DIGITS)
		return false;
	d->digits[d->n++] = c;
	return true;
}

/* Thousands: the digits before the comma are one to three, and exactly three follow it. */
static bool comma_group(const char *p, size_t n, size_t i, size_t before)
{
	return before >= 1 && before <= 3 && i + 3 < n && p[i] == ',' && is_digit(p[i + 1]) && is_digit(p[i + 2]) &&
	       is_digit(p[i + 3]) && (i + 4 >= n || !is_digit(p[i + 4]));
}

static size_t exponent(const char *p, size_t n, int *value)
{
	size_t i = 1;
	bool neg = false;
	if (n < 2 || (p[0] != 'e' && p[0] != 'E'))
		return 0;
	if (p[i] == '+' || p[i] == '-')
		neg = p[i++] == '-';
	size_t from = i;
	int v = 0;
	while (i < n && is_digit(p[i]) && i - from < 4)
		v = v * 10 + (p[i++] - '0');
	if (i == from || (i < n && (is_digit(p[i]) || is_letter(p[i]))))
		return 0;
	*value = neg ? -v : v;
	return i;
}

/* Reads digits, commas, point, exponent; returns the bytes read. */
static size_t decimal_prefix(const char *p, size_t n, struct decimal *d)
{
	size_t i = 0, run = 0;
	bool grouped = false, any = false;
	d->n = d->places = 0;
	for (; i < n; i++) {
		if (is_digit(p[i])) {
			if (!push(d, p[i]))
				return 0;
			run++;
			any = true;
		} else if (comma_group(p, n, i, run) && (run == 3 || !grouped)) {
			grouped = true;
			run = 0;
		} else {
			break;
		}
	}
	if (i + 1 < n && p[i] == '.' && is_digit(p[i + 1])) {
		for (i++; i < n && is_digit(p[i]); i++, d->places++)
			if (!push(d, p[i]) || d->places > NUMBER_DIGITS)
				return 0;
		any = true;
	}
	int e = 0;
	size_t e_n = any ? exponent(p + i, n - i, &e) : 0;
	d->places -= e;
	return any ? i + e_n : 0;
}

/* num/den = (a / 10^a.places) / (b / 10^b.places) / 10^shift, as digit strings. */
static bool make_fraction(struct number *out, const struct decimal *a, const struct decimal *b, int shift)
{
	int up = b->places, down = a->places + shift;          /* zeros to append to num and den */
	if (up < 0)
		down -= up, up = 0;
	if (down < 0)
		up -= down, down = 0;
	if (b->n == 0 || a->n + up > NUMBER_DIGITS || b->n + down > NUMBER_DIGITS)
		return false;
	memcpy(out->num, a->digits, (size_t)a->n);
	memset(out->num + a->n, '0', (size_t)up);
	memcpy(out->den, b->digits, (size_t)b->n);
	memset(out->den + b->n, '0', (size_t)down);
	out->num_n = a->n ? a->n + up : 0;
	out->den_n = b->n + down;
	return true;
}

/* "{12}" after \frac: returns the bytes read. */
static size_t braced(const char *p, size_t n, struct decimal *d, bool *negative)
{
	size_t i = 0;
	if (n < 3 || p[i++] != '{')
		return 0;
	size_t m = minus(p + i, n - i);
	size_t len = decimal_prefix(p + i + m, n - i - m, d);
	i += m + len;
	if (!len || i >= n || p[i] != '}')
		return 0;
	*negative ^= m > 0;
	return i + 1;
}

static size_t latex_fraction(const char *p, size_t n, struct decimal *a, struct decimal *b, bool *negative)
{
	static const char *const names[] = { "\\frac", "\\dfrac", "\\tfrac" };
	for (int k = 0; k < 3; k++) {
		if (!starts(p, n, names[k]))
			continue;
		size_t i = strlen(names[k]);
		size_t x = braced(p + i, n - i, a, negative);
		size_t y = x ? braced(p + i + x, n - i - x, b, negative) : 0;
		return y ? i + x + y : 0;
	}
	return 0;
}

size_t number_prefix(const char *p, size_t n, struct number *out)
{
	struct decimal a, b = { .digits = "1", .n = 1 }, c;
	bool negative = false;
	size_t i = 0, len;
	i += currency(p, n);
	if ((len = minus(p + i, n - i)))
		negative = true;
	else if (i < n && p[i] == '+')
		len = 1;
	i += len;
	i += currency(p + i, n - i);
	len = latex_fraction(p + i, n - i, &a, &b, &negative);
	if (!len && (len = decimal_prefix(p + i, n - i, &a))) {
		size_t j = i + len, d;
		if (j < n && p[j] == '/' && (d = decimal_prefix(p + j + 1, n - j - 1, &c)) && c.n &&
		    (j + 1 + d >= n || p[j + 1 + d] != '/')) {
			b = c;
			len += 1 + d;
		}
	}
	if (!len)
		return 0;
	i += len;
	size_t k = i;
	while (k < n && p[k] == ' ')
		k++;
	size_t percent = starts(p + k, n - k, "%") ? 1 : starts(p + k, n - k, "\\%") ? 2 : 0;
	if (!make_fraction(out, &a, &b, percent ? 2 : 0))
		return 0;
	out->negative = negative && out->num_n > 0;
	return percent ? k + percent : i;
}

bool number_parse(const char *p, size_t n, struct number *out)
{
	while (n && is_space(*p))
		p++, n--;
	while (n && is_space(p[n - 1]))
		n--;
	if (n > 2 && p[0] == '$' && p[n - 1] == '$')           /* $42$ */
		p++, n -= 2;
	size_t len = number_prefix(p, n, out);
	if (len && len < n && p[len] == '.')
		len++;
	return len && len == n;
}

/* A number may start at p[i]: not inside a word or another number. A sign after a digit, letter or bracket is an operator. */
static bool may_start(const char *p, size_t n, size_t i)
{
	char before = i ? p[i - 1] : ' ';
	char c = p[i];
	if (is_digit(c) || c == '.')
		return !is_letter(before) && !is_digit(before) && before != '_';
	if (c == '-' || c == '+' || starts(p + i, n - i, "\xe2\x88\x92"))
		return !is_letter(before) && !is_digit(before) && before != ')' && before != ']' && before != '}';
	return c == '$' || c == '\\' || (unsigned char)c == 0xe2 || (unsigned char)c == 0xc2;
}

int number_scan(const char *p, size_t n, struct number *last, const char **at, size_t *at_n)
{
	int count = 0;
	struct number x;
	for (size_t i = 0; i < n;) {
		size_t len = may_start(p, n, i) ? number_prefix(p + i, n - i, &x) : 0;
		if (len) {
			*last = x;
			*at = p + i;
			*at_n = len;
			count += count < 1000000;
		} else if (is_digit(p[i])) {
			while (i + 1 < n && is_digit(p[i + 1]))    /* too long to read: passed over in one go */
				i++;
		}
		i += len ? len : 1;
	}
	return count;
}

/* out[an + bn] = a * b, decimal digits, most significant first; returns the length without leading zeros. */
static int multiply(char *out, const char *a, int an, const char *b, int bn)
{
	int acc[2 * NUMBER_DIGITS] = { 0 };
	for (int i = 0; i < an; i++)
		for (int j = 0; j < bn; j++)
			acc[i + j + 1] += (a[i] - '0') * (b[j] - '0');
	for (int i = an + bn - 1; i > 0; i--) {
		acc[i - 1] += acc[i] / 10;
		acc[i] %= 10;
	}
	int from = 0, n = 0;
	while (from < an + bn && acc[from] == 0)
		from++;
	for (; from < an + bn; from++)
		out[n++] = (char)('0' + acc[from]);
	return n;
}

bool number_equal(const struct number *a, const struct number *b)
{
	if (a->negative != b->negative)
		return false;
	char x[2 * NUMBER_DIGITS], y[2 * NUMBER_DIGITS];
	int xn = multiply(x, a->num, a->num_n, b->den, b->den_n);
	int yn = multiply(y, b->num, b->num_n, a->den, a->den_n);
	return xn == yn && memcmp(x, y, (size_t)xn) == 0;
}
