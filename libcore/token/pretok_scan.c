/* The hand-written scanners. Each follows its regular expression alternative by alternative; `number_max` is the bound
 * of \p{N}{1,3} or \p{N}. */
#include "token/pretok.h"

#include "token/unicode.h"

static size_t run_of(const uint8_t *s, size_t i, size_t n, uint8_t classes)
{
	int k;

	while (i < n && unicode_class_at(s + i, &k) & classes)
		i += (size_t)k;
	return i;
}

/* [^\s\p{L}\p{N}]+ */
static size_t run_of_others(const uint8_t *s, size_t i, size_t n)
{
	int k;

	while (i < n && !(unicode_class_at(s + i, &k) & (U_SPACE | U_LETTER | U_NUMBER)))
		i += (size_t)k;
	return i;
}

/* \s+(?!\S)|\s+ at a white-space character: the run, without its last character if something follows it. */
static size_t white_space(const uint8_t *s, size_t i, size_t n)
{
	size_t end = i, last = i;
	int k;

	while (end < n && unicode_class_at(s + end, &k) & U_SPACE) {
		last = end;
		end += (size_t)k;
	}
	return end == n || last == i ? end : last;
}

/* \s*[\r\n]+ : up to the last line end of the white-space run; i if there is none. */
static size_t lines_end(const uint8_t *s, size_t i, size_t n)
{
	size_t end = i;
	int k;

	for (size_t p = i; p < n && unicode_class_at(s + p, &k) & U_SPACE; p += (size_t)k)
		if (s[p] == '\r' || s[p] == '\n')
			end = p + 1;
	return end;
}

/* 's|'t|'re|'ve|'m|'ll|'d at i; i if none. Without case, s matches U+017F too, as Unicode folding has it. */
static size_t contraction(const uint8_t *s, size_t i, size_t n, bool fold)
{
	uint8_t mask = fold ? 0x20 : 0;
	uint8_t a, b;

	if (s[i] != '\'' || i + 1 >= n)
		return i;
	a = s[i + 1] | mask;
	if (a >= 0x80 || s[i + 1] >= 0x80)
		return fold && i + 2 < n && s[i + 1] == 0xc5 && s[i + 2] == 0xbf ? i + 3 : i;
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return i + 2;
	if (i + 2 >= n || s[i + 2] >= 0x80)
		return i;
	b = s[i + 2] | mask;
	return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? i + 3 : i;
}

static size_t scan_gpt2(const uint8_t *s, size_t i, size_t n)
{
	size_t p = contraction(s, i, n, false);
	uint8_t c;
	int k;

	if (p > i)
		return p;
	p = i + (s[i] == ' ' && i + 1 < n);
	c = unicode_class_at(s + p, &k);
	if (c & U_LETTER)
		return run_of(s, p + (size_t)k, n, U_LETTER);
	if (c & U_NUMBER)
		return run_of(s, p + (size_t)k, n, U_NUMBER);
	if (!(c & U_SPACE))
		return run_of_others(s, p + (size_t)k, n);
	return white_space(s, i, n);
}

static size_t numbers(const uint8_t *s, size_t i, size_t n, int max)
{
	int k;

	while (max-- > 0 && i < n && unicode_class_at(s + i, &k) & U_NUMBER)
		i += (size_t)k;
	return i;
}

/* The alternatives that cl100k and o200k share, after those of letters:
 * \p{N}{1,max}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ , with '/' in the second's tail for o200k. */
static size_t scan_rest(const uint8_t *s, size_t i, size_t n, uint8_t c, int number_max, bool slash)
{
	size_t p, end;

	if (c & U_NUMBER)
		return numbers(s, i, n, number_max);
	p = i + (s[i] == ' ');
	end = run_of_others(s, p, n);
	if (end > p) {
		while (end < n && (s[end] == '\r' || s[end] == '\n' || (slash && s[end] == '/')))
			end++;
		return end;
	}
	end = lines_end(s, i, n);
	return end > i ? end : white_space(s, i, n);
}

static size_t scan_cl100k(const uint8_t *s, size_t i, size_t n, int number_max)
{
	size_t p = contraction(s, i, n, true);
	uint8_t c;
	int k, k2;

	if (p > i)
		return p;
	c = unicode_class_at(s + i, &k);
	if (c & U_LETTER)
		return run_of(s, i + (size_t)k, n, U_LETTER);
	p = i + (size_t)k;
	if (!(c & U_NUMBER) && s[i] != '\r' && s[i] != '\n' && p < n && unicode_class_at(s + p, &k2) & U_LETTER)
		return run_of(s, p + (size_t)k2, n, U_LETTER);
	return scan_rest(s, i, n, c, number_max, false);
}

/* [Lu Lt Lm Lo M]*[Ll Lm Lo M]+ from p: the upper-ish run, then the lower-ish one; if that is empty the first run gives
 * characters back until one is of both kinds. p if there is no match; *upper_end is where the first run ends. */
static size_t word_o200k(const uint8_t *s, size_t p, size_t n, size_t *upper_end)
{
	size_t u = p, both = p;
	uint8_t c;
	int k;

	while (u < n && (c = unicode_class_at(s + u, &k)) & U_UPPERISH) {
		u += (size_t)k;
		if (c & U_LOWERISH)
			both = u;
	}
	*upper_end = u;
	if (u < n && unicode_class_at(s + u, &k) & U_LOWERISH)
		return run_of(s, u + (size_t)k, n, U_LOWERISH);
	return both;
}

static size_t scan_o200k(const uint8_t *s, size_t i, size_t n)
{
	int k;
	uint8_t c = unicode_class_at(s + i, &k);
	bool prefix = !(c & (U_LETTER | U_NUMBER)) && s[i] != '\r' && s[i] != '\n';
	size_t after = prefix ? i + (size_t)k : i;
	size_t upper_prefixed, unused, end = word_o200k(s, after, n, &upper_prefixed);

	if (end == after)
		end = prefix ? word_o200k(s, i, n, &unused) : i;
	if (end == i && upper_prefixed > after)
		end = upper_prefixed;
	if (end == i)
		return scan_rest(s, i, n, c, 3, true);
	return end < n ? contraction(s, end, n, true) : end;
}

/* The stretch of digits at i, one of them if so told, or of what is none. */
static size_t scan_digits(const uint8_t *s, size_t i, size_t n, bool one)
{
	int k;
	bool digit = unicode_class_at(s + i, &k) & U_DIGIT;

	for (i += (size_t)k; i < n && !(digit && one) && (bool)(unicode_class_at(s + i, &k) & U_DIGIT) == digit; i += (size_t)k)
		;
	return i;
}

size_t pretok_scan(enum pretok_kind kind, const uint8_t *s, size_t i, size_t n)
{
	size_t end;

	switch (kind) {
	case PRETOK_GPT2:
		return scan_gpt2(s, i, n);
	case PRETOK_CL100K:
		return scan_cl100k(s, i, n, 3);
	case PRETOK_CL100K_BASE:
		end = run_of(s, i, n, U_SPACE);
		return end == n && end > i ? n : scan_cl100k(s, i, n, 3);
	case PRETOK_QWEN2:
		return scan_cl100k(s, i, n, 1);
	case PRETOK_O200K:
		return scan_o200k(s, i, n);
	case PRETOK_DIGIT:
	case PRETOK_DIGITS:
		return scan_digits(s, i, n, kind == PRETOK_DIGIT);
	default:
		return n;
	}
}
