/* verify_prm800k.c - the steps of PRM800K's grader: normalise, compare strings, leave the rest to an algebra system. */
#include "judge/verify_buf.h"

#include <math.h>
#include <stdlib.h>

/* (\d)(,)(\d\d\d)($|\D), again and again */
static void strip_commas(struct buf *b)
{
	size_t m = 0;
	for (size_t i = 0; i < b->len; i++) {
		const char *p = b->data + i;
		size_t left = b->len - i;
		bool group = *p == ',' && m && is_digit(b->data[m - 1]) && left >= 4 && is_digit(p[1]) && is_digit(p[2]) && is_digit(p[3]) &&
			     (left == 4 || !is_digit(p[4]));
		if (!group)
			b->data[m++] = *p;
	}
	b->len = m;
}

/* float(s) of a plain decimal: false for what is none. */
static bool to_float(struct span s, double *v)
{
	char text[64];
	s = span_trim(s);
	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]) && !strchr("+-.eE", s.p[i]))
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	char *end;
	*v = strtod(text, &end);
	return end == text + s.n && isfinite(*v);
}

static bool text_is_int(struct span s)
{
	struct buf b = { 0 };
	double v;
	buf_add(&b, s.p, s.n);
	strip_commas(&b);
	bool is = to_float(whole(&b), &v) && fabs(v - round(v)) <= 1e-7;
	buf_release(&b);
	return is;
}

/* -?[0-9]+.?/0*[1-9][0-9]*.? as a whole */
static bool is_fraction(struct span s)
{
	const char *p = s.p, *end = s.p + s.n;
	p += p < end && *p == '-';
	const char *digits = p;
	while (p < end && is_digit(*p))
		p++;
	if (p == digits)
		return false;
	p += p < end && *p != '/' ? 1 : 0;
	if (p >= end || *p++ != '/')
		return false;
	digits = p;
	bool positive = false;
	for (; p < end && is_digit(*p); p++)
		positive |= *p != '0';
	return positive && p > digits && end - p <= 1;
}

/* One macro of latex_to_text; *p stands behind its name, inside n bytes. */
static size_t group_end(const struct buf *b, size_t from)
{
	int depth = 0;
	for (size_t i = from; i < b->len; i++) {
		depth += b->data[i] == '{';
		if (b->data[i] == '}' && --depth == 0)
			return i;
	}
	return b->len;
}

/* The text that pylatexenc makes of the notation these answers use: a/b, sqrt(a), names for symbols, other macros dropped. */
static void latex_to_text(struct buf *out, struct span s, int depth)
{
	static const char *const symbols[][2] = {
		{ "pi", "pi" }, { "infty", "inf" }, { "cup", "U" }, { "cdot", "*" }, { "times", "*" }, { "pm", "\xc2\xb1" }, { "le", "\xe2\x89\xa4" },
		{ "leq", "\xe2\x89\xa4" }, { "ge", "\xe2\x89\xa5" }, { "geq", "\xe2\x89\xa5" }, { "sin", "sin" }, { "cos", "cos" }, { "tan", "tan" },
		{ "log", "log" }, { "ln", "ln" }, { "theta", "\xce\xb8" }, { "alpha", "\xce\xb1" },
	};
	const struct buf b = { .data = (char *)s.p, .len = s.n };
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\\') {
			if (s.p[i] != '{' && s.p[i] != '}')
				buf_char(out, s.p[i]);
			continue;
		}
		size_t from = i + 1, n = 0;
		while (from + n < s.n && (s.p[from + n] | 32) >= 'a' && (s.p[from + n] | 32) <= 'z')
			n++;
		bool frac = n == 4 && memcmp(s.p + from, "frac", 4) == 0, root = n == 4 && memcmp(s.p + from, "sqrt", 4) == 0;
		size_t at = from + n;
		if ((frac || root) && at < s.n && s.p[at] == '{' && depth < 32) {
			buf_str(out, root ? "sqrt(" : "");
			size_t end = group_end(&b, at);
			latex_to_text(out, (struct span){ s.p + at + 1, end > at ? end - at - 1 : 0 }, depth + 1);
			buf_str(out, root ? ")" : "/");
			i = end;
			continue;
		}
		for (size_t k = 0; k < sizeof(symbols) / sizeof(*symbols); k++)
			if (strlen(symbols[k][0]) == n && memcmp(s.p + from, symbols[k][0], n) == 0)
				buf_str(out, symbols[k][1]);
		i = n ? at - 1 : from;
		while (n && i + 1 < s.n && s.p[i + 1] == ' ')
			i++;
	}
}

/* unit(es)?(s)? *(\^[0-9]+)? */
static void drop_units(struct buf *b)
{
	static const char *const units[] = {
		"degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week", "month", "year", "foot", "feet",
		"inch", "yard",
	};
	for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
		struct buf out = { 0 };
		size_t done = 0;
		for (const char *p = find(b, 0, units[u]); p; p = find(b, done, units[u])) {
			size_t at = (size_t)(p - b->data) + strlen(units[u]);
			buf_add(&out, b->data + done, (size_t)(p - b->data) - done);
			if (b->len - at >= 2 && memcmp(b->data + at, "es", 2) == 0)
				at += 2;
			at += at < b->len && b->data[at] == 's';
			while (at < b->len && b->data[at] == ' ')
				at++;
			size_t power = at + (at < b->len && b->data[at] == '^');
			if (power > at && power < b->len && is_digit(b->data[power]))
				for (at = power; at < b->len && is_digit(b->data[at]); at++)
					;
			done = at;
		}
		buf_add(&out, b->data + done, b->len - done);
		buf_release(b);
		*b = out;
	}
}

/* \^ *\\circ */
static void drop_degrees(struct buf *b)
{
	size_t m = 0;
	for (size_t i = 0; i < b->len; i++) {
		size_t k = i + 1;
		while (b->data[i] == '^' && k < b->len && b->data[k] == ' ')
			k++;
		if (b->data[i] == '^' && b->len - k >= 5 && memcmp(b->data + k, "\\circ", 5) == 0)
			i = k + 4;
		else
			b->data[m++] = b->data[i];
	}
	b->len = m;
}

/* "- *" to "-", "([0-9]) +([0-9])" to "\1+\2", then no spaces and braces, lower case. */
static void squeeze(struct buf *b)
{
	struct buf out = { 0 };
	for (size_t i = 0; i < b->len; i++) {
		size_t k = i;
		while (k < b->len && b->data[k] == ' ')
			k++;
		if (k > i && i && k < b->len && is_digit(b->data[i - 1]) && is_digit(b->data[k]))
			buf_char(&out, '+');
		i = k;
		if (i < b->len && b->data[i] != '{' && b->data[i] != '}')
			buf_char(&out, b->data[i]);
	}
	buf_release(b);
	*b = out;
	lower(b);
}

/* _normalize */
static void prm_normalize(struct buf *b, struct span s)
{
	static const char *const first[][2] = {
		{ "\\%", "%" }, { "\\$", "$" }, { "$", "" }, { "%", "" }, { " or ", " , " }, { " and ", " , " }, { "million", "*10^6" },
		{ "billion", "*10^9" }, { "trillion", "*10^12" },
	};
	double v;
	if (s.n > 7 && memcmp(s.p, "\\text{", 6) == 0 && s.p[s.n - 1] == '}')
		s = (struct span){ s.p + 6, s.n - 7 };
	buf_add(b, s.p, s.n);
	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		replace(b, first[i][0], first[i][1]);
	drop_units(b);
	drop_degrees(b);
	if (b->len > 1 && b->data[0] == '{' && b->data[b->len - 1] == '}') {
		char *inside = mem_strndup(b->data + 1, b->len - 2);
		assign(b, inside, b->len - 2);
		mem_free(inside);
	}
	replace(b, ",\\! ", "");
	replace(b, ",\\!", "");
	if (to_float(whole(b), &v) && fabs(v - round(v)) <= 1e-7 && fabs(v) < 1e15) {
		buf_clear(b);
		buf_printf(b, "%.0f", round(v));
	}
	if (b->len && memchr(b->data, '\\', b->len)) {
		struct buf text = { 0 };
		replace(b, "\\tfrac", "\\frac");
		replace(b, "\\dfrac", "\\frac");
		replace(b, "\\frac", " \\frac");
		latex_to_text(&text, whole(b), 0);
		struct span t = span_trim(whole(&text));
		assign(b, t.p, t.n);
		buf_release(&text);
	}
	squeeze(b);
	if (text_is_int(whole(b))) {
		replace(b, ",", "");
		if (to_float(whole(b), &v) && fabs(v) < 1e15) {
			buf_clear(b);
			buf_printf(b, "%.0f", trunc(v));
		}
	}
}

/* No more than two unknown letters, no braces or long numbers as exponents. */
static bool may_evaluate(const struct buf *g, const struct buf *p)
{
	bool seen[256] = { false };
	int letters = 0;
	struct buf e = { 0 };
	buf_printf(&e, "(%.*s)-(%.*s)", (int)g->len, g->data ? g->data : "", (int)p->len, p->data ? p->data : "");
	bool bad = find(&e, 0, "^{") || find(&e, 0, "^(");
	for (size_t i = 0; i + 2 < e.len; i++)
		bad |= e.data[i] == '^' && is_digit(e.data[i + 1]) && (is_digit(e.data[i + 2]) || e.data[i + 2] == '^');
	replace(&e, "sqrt", "");
	replace(&e, "frac", "");
	for (size_t i = 0; i < e.len; i++) {
		unsigned char c = (unsigned char)e.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xc0;
		letters += letter && !seen[c];
		seen[c] |= letter;
	}
	buf_release(&e);
	return !bad && letters <= 2;
}

/* Elements of a tuple or interval without nested brackets; else the whole. -1: too many. */
static int split_tuple(struct buf *b, struct span *out, int max)
{
	strip_commas(b);
	struct span s = whole(b);
	bool bracketed = s.n > 2 && strchr("()[]", s.p[0]) && strchr("()[]", s.p[s.n - 1]);
	for (size_t i = 1; bracketed && i + 1 < s.n; i++)
		bracketed &= !strchr("()[]", s.p[i]) || !s.p[i];
	out[0] = s;
	if (s.n == 0 || !bracketed)
		return s.n > 0;
	int n = 0;
	for (size_t i = 1, from = 1; i < s.n; i++) {
		if (s.p[i] != ',' && i + 1 < s.n)
			continue;
		if (n == max)
			return -1;
		out[n++] = span_trim((struct span){ s.p + from, i - from });
		from = i + 1;
	}
	return n;
}

bool prm800k_judge(struct span gold, struct span prediction, struct prm_pairs *pairs, struct judgement *out)
{
	struct buf *g = &pairs->gold, *p = &pairs->prediction;
	struct buf a = { 0 }, b = { 0 };
	*out = judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	if (!prediction.p)
		return true;
	*out = judge_as(VERDICT_UNDECIDED, REASON_WORK);
	if (prediction.n > STRING_BYTES || gold.n > STRING_BYTES)
		return true;
	gold = span_trim(gold);
	prediction = span_trim(prediction);
	buf_add(&a, gold.p, gold.n);
	buf_add(&b, prediction.p, prediction.n);
	bool stripped = strip_string(&a) && strip_string(&b) && same_bufs(&a, &b);
	buf_release(&a);
	buf_release(&b);
	prm_normalize(g, gold);
	prm_normalize(p, prediction);
	*out = judge_as(VERDICT_EQUAL, REASON_TEXT);
	if (stripped || same_bufs(g, p))
		return true;
	*out = judge_as(VERDICT_DIFFERENT, REASON_TEXT);
	if (p->len == 0 || g->len == 0)
		return true;
	char first = g->data[0], last = g->data[g->len - 1], p_first = p->data[0], p_last = p->data[p->len - 1];
	bool allowed = may_evaluate(g, p);
	int n = split_tuple(g, pairs->g, 64), m = split_tuple(p, pairs->p, 64);
	if (n < 1 || n != m || (n > 1 && (first != p_first || last != p_last)))
		return true;
	pairs->n = 0;
	for (int i = 0; i < n; i++) {
		struct span x = pairs->g[i], y = pairs->p[i];
		if (is_fraction(x) && is_fraction(y)) {            /* unreduced is wrong */
			if (!same(x, y))
				return true;
		} else if (text_is_int(x) != text_is_int(y)) {     /* an integer wants an integer */
			return true;
		} else {
			if (!allowed)
				return true;
			pairs->g[pairs->n] = x;
			pairs->p[pairs->n++] = y;
		}
	}
	return false;
}
