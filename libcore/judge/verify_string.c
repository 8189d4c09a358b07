#include "judge/verify_string.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRING_BYTES 32768           /* of an answer */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static struct span whole(const struct buf *b) { return (struct span){ b->data ? b->data : "", b->len }; }
static bool same(struct span a, struct span b) { return a.n == b.n && memcmp(a.p, b.p, a.n) == 0; }
static bool same_bufs(const struct buf *a, const struct buf *b) { return same(whole(a), whole(b)); }

static const char *find(const struct buf *b, size_t from, const char *word)
{
	return from < b->len ? memmem(b->data + from, b->len - from, word, strlen(word)) : NULL;
}

/* Every `from` in b becomes `to`. */
static void replace(struct buf *b, const char *from, const char *to)
{
	struct buf out = { 0 };
	size_t at = 0, w = strlen(from);
	const char *p = find(b, 0, from);
	if (!p)
		return;
	for (; p; p = find(b, at, from)) {
		buf_add(&out, b->data + at, (size_t)(p - b->data) - at);
		buf_str(&out, to);
		at = (size_t)(p - b->data) + w;
	}
	buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
}

static void assign(struct buf *b, const char *p, size_t n)
{
	struct buf out = { 0 };
	buf_add(&out, p, n);
	buf_release(b);
	*b = out;
}

static void lower(struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] >= 'A' && b->data[i] <= 'Z')
			b->data[i] = (char)(b->data[i] + 32);
}

struct span last_boxed(struct span text)
{
	const char *spaced = find_last(text, "\\boxed ");
	const char *p = find_last(text, "\\boxed"), *end = text.p + text.n;
	if (spaced) {
		const char *dollar = memchr(spaced + 7, '$', (size_t)(end - spaced - 7));
		return (struct span){ spaced + 7, (size_t)((dollar ? dollar : end) - spaced - 7) };
	}
	if (!p)
		p = find_last(text, "\\fbox");
	const char *open = p ? memchr(p, '{', (size_t)(end - p)) : NULL;
	int depth = 0;
	for (const char *q = p; p && q < end; q++) {
		depth += *q == '{';
		if (*q == '}' && --depth == 0)
			return open && open < q ? (struct span){ open + 1, (size_t)(q - open - 1) } : (struct span){ NULL, 0 };
	}
	return (struct span){ NULL, 0 };
}

/* --- gsm8k --------------------------------------------------------------------------------------------------------- */

static bool is_number_char(char c) { return is_digit(c) || c == '.' || c == ','; }

/* #### (\-?[0-9\.\,]+), the first */
static struct span strict_number(struct span s)
{
	const char *end = s.p + s.n;
	for (const char *p = s.p; (p = memmem(p, (size_t)(end - p), "#### ", 5)); p++) {
		const char *from = p + 5, *q = from;
		q += q < end && *q == '-';
		const char *digits = q;
		while (q < end && is_number_char(*q))
			q++;
		if (q > digits)
			return (struct span){ from, (size_t)(q - from) };
	}
	return (struct span){ NULL, 0 };
}

/* (-?[$0-9.,]{2,})|(-?[0-9]+), the last */
static struct span flexible_number(struct span s)
{
	const char *end = s.p + s.n;
	struct span last = { NULL, 0 };
	for (const char *p = s.p; p < end; ) {
		const char *q = p + (*p == '-'), *from = q;
		while (q < end && (is_number_char(*q) || *q == '$'))
			q++;
		if (q - from < 2)
			for (q = from; q < end && is_digit(*q); q++)
				;
		if (q > from) {
			last = (struct span){ p, (size_t)(q - p) };
			p = q;
		} else {
			p++;
		}
	}
	return last;
}

/* regexes_to_ignore of the task: "," "\$" "(?s).*#### " "\.$"; and case. */
static void gsm8k_clean(struct buf *out, struct span s)
{
	const char *mark = find_last(s, "#### ");
	if (mark)
		s = (struct span){ mark + 5, (size_t)(s.p + s.n - mark - 5) };
	buf_clear(out);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ',' && s.p[i] != '$')
			buf_char(out, s.p[i]);
	if (out->len && out->data[out->len - 1] == '.')
		out->len--;
	lower(out);
}

struct judgement gsm8k_judge(struct span gold, struct span prediction, bool flexible)
{
	struct span p = flexible ? flexible_number(prediction) : strict_number(prediction);
	struct buf a = { 0 }, b = { 0 };
	if (!p.p)
		return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	gsm8k_clean(&a, gold);
	gsm8k_clean(&b, p);
	bool equal = same_bufs(&a, &b);
	buf_release(&a);
	buf_release(&b);
	return judge_as(equal ? VERDICT_EQUAL : VERDICT_DIFFERENT, REASON_TEXT);
}

/* --- hendrycks ----------------------------------------------------------------------------------------------------- */

/* \frac12 and \frac1{72} get their braces; false where the original raises. */
static bool fix_fracs(struct buf *b)
{
	struct buf out = { 0 };
	size_t at = 0;
	const char *p = find(b, 0, "\\frac");
	if (!p)
		return true;
	while (p) {
		size_t from = (size_t)(p - b->data) + 5;
		const char *following = find(b, from, "\\frac");
		size_t end = following ? (size_t)(following - b->data) : b->len;
		buf_add(&out, b->data + at, from - at);
		const char *s = b->data + from;
		size_t n = end - from;
		if (n == 0 || (s[0] != '{' && n < 2)) {
			buf_release(&out);
			return n > 0;                              /* substr[0] raises; the assertion leaves all as it was */
		}
		if (s[0] != '{') {
			buf_printf(&out, "{%c}", s[0]);
			if (s[1] != '{')
				buf_printf(&out, "{%c}", s[1]);
			else
				buf_char(&out, '{');
			buf_add(&out, s + 2, n - 2);
		} else {
			buf_add(&out, s, n);
		}
		at = end;
		p = following;
	}
	buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
	return true;
}

static bool fix_sqrt(struct buf *b)
{
	struct buf out = { 0 };
	size_t at = 0;
	for (const char *p = find(b, 0, "\\sqrt"); p; p = find(b, at, "\\sqrt")) {
		size_t from = (size_t)(p - b->data) + 5;
		buf_add(&out, b->data + at, from - at);
		at = from;
		if (from == b->len || b->data[from] == '\\') {
			bool raises = from == b->len || (b->len - from >= 5 && memcmp(b->data + from, "\\sqrt", 5) == 0);
			if (raises) {
				buf_release(&out);
				return false;
			}
		}
		if (b->data[from] != '{') {
			buf_printf(&out, "{%c}", b->data[from]);
			at = from + 1;
		}
	}
	buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
	return true;
}

static bool is_int_text(const char *p, size_t n)
{
	size_t i = n && *p == '-';
	if (i == n || n > 18 || (p[i] == '0' && n > i + 1))
		return false;
	for (; i < n; i++)
		if (!is_digit(p[i]))
			return false;
	return true;
}

static void fix_a_slash_b(struct buf *b)
{
	const char *slash = b->len ? memchr(b->data, '/', b->len) : NULL;
	if (!slash)
		return;
	size_t n = (size_t)(slash - b->data), m = b->len - n - 1;
	if (!is_int_text(b->data, n) || !is_int_text(slash + 1, m) || (n == 2 && !memcmp(b->data, "-0", 2)))
		return;
	char *fraction = mem_printf("\\frac{%.*s}{%.*s}", (int)n, b->data, (int)m, slash + 1);
	assign(b, fraction, strlen(fraction));
	mem_free(fraction);
}

/* _strip_string; false where the original raises (two "\text{ ", an unfinished \frac or \sqrt). */
static bool strip_string(struct buf *b)
{
	static const char *const first[][2] = {
		{ "\n", "" }, { "\\!", "" }, { "\\\\", "\\" }, { "tfrac", "frac" }, { "dfrac", "frac" }, { "\\left", "" }, { "\\right", "" },
		{ "^{\\circ}", "" }, { "^\\circ", "" }, { "\\$", "" },
	};
	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		replace(b, first[i][0], first[i][1]);
	const char *unit = find(b, 0, "\\text{ ");
	if (unit) {
		if (find(b, (size_t)(unit - b->data) + 1, "\\text{ "))
			return false;
		b->len = (size_t)(unit - b->data);
	}
	replace(b, "\\%", "");
	replace(b, "%", "");
	replace(b, " .", " 0.");
	replace(b, "{.", "{0.");
	if (b->len == 0)
		return true;
	if (b->data[0] == '.') {
		char *s = mem_printf("0%.*s", (int)b->len, b->data);
		assign(b, s, b->len + 1);
		mem_free(s);
	}
	const char *eq = memchr(b->data, '=', b->len);
	if (eq && eq - b->data <= 2 && !find(b, (size_t)(eq - b->data) + 1, "="))
		assign(b, eq + 1, b->len - (size_t)(eq - b->data) - 1);
	if (!fix_sqrt(b))
		return false;
	replace(b, " ", "");
	if (!fix_fracs(b))
		return false;
	if (b->len == 3 && memcmp(b->data, "0.5", 3) == 0)
		assign(b, "\\frac{1}{2}", 11);
	fix_a_slash_b(b);
	return true;
}

struct judgement hendrycks_judge(struct span gold, struct span prediction)
{
	struct span box = last_boxed(gold), p = last_boxed(prediction);
	struct buf a = { 0 }, b = { 0 };
	if (box.p)
		gold = box;
	if (!p.p)
		return judge_as(VERDICT_DIFFERENT, REASON_NO_ANSWER);
	if (p.n > STRING_BYTES || gold.n > STRING_BYTES)
		return judge_as(VERDICT_UNDECIDED, REASON_WORK);
	buf_add(&a, gold.p, gold.n);
	buf_add(&b, p.p, p.n);
	bool ok = strip_string(&a) && strip_string(&b);
	bool equal = ok ? same_bufs(&a, &b) : same(gold, p);
	buf_release(&a);
	buf_release(&b);
	return judge_as(equal ? VERDICT_EQUAL : VERDICT_DIFFERENT, REASON_TEXT);
}

/* --- minerva ------------------------------------------------------------------------------------------------------- */

struct span minerva_answer(struct span s)
{
	static const char head[] = "Final Answer: The final answer is", tail[] = " I hope it is correct.";
	const char *p = memmem(s.p, s.n, head, sizeof(head) - 1);
	const char *end = s.p + s.n;
	if (!p)
		return (struct span){ NULL, 0 };
	p += sizeof(head) - 1;
	const char *line = memchr(p, '\n', (size_t)(end - p));
	line = line ? line : end;
	if (line - p > STRING_BYTES)
		line = p + STRING_BYTES;
	for (const char *q = p + 1; q <= line; q++) {              /* (.*?). I hope: one character stands between */
		if (q == end || ((size_t)(end - q) >= sizeof(tail) - 1 && memcmp(q, tail, sizeof(tail) - 1) == 0))
			return trim((struct span){ p, (size_t)(q - 1 - p) });
	}
	return (struct span){ NULL, 0 };
}

/* name{inside} becomes inside, as re.sub(r"(name\{)(.*?)(\})"); greedy to the last brace for \boxed. */
static void unwrap(struct buf *b, const char *name, bool greedy)
{
	size_t w = strlen(name);
	struct buf out = { 0 };
	size_t at = 0;
	for (const char *p = find(b, 0, name); p; p = find(b, at, name)) {
		const char *inside = p + w, *end = b->data + b->len;
		const char *close = greedy ? memrchr(inside, '}', (size_t)(end - inside)) : memchr(inside, '}', (size_t)(end - inside));
		if (!close)
			break;
		buf_add(&out, b->data + at, (size_t)(p - b->data) - at);
		buf_add(&out, inside, (size_t)(close - inside));
		at = (size_t)(close - b->data) + 1;
	}
	buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
}

/* (frac)([^{])(.) and (sqrt)([^{]) */
static void brace_arguments(struct buf *b, const char *name, int arguments)
{
	struct buf out = { 0 };
	size_t at = 0, w = strlen(name);
	for (const char *p = find(b, 0, name); p; p = find(b, at, name)) {
		size_t from = (size_t)(p - b->data) + w;
		buf_add(&out, b->data + at, from - at);
		at = from;
		if (from + (size_t)arguments > b->len || b->data[from] == '{')
			continue;
		for (int i = 0; i < arguments; i++)
			buf_printf(&out, "{%c}", b->data[from + (size_t)i]);
		at = from + (size_t)arguments;
	}
	buf_add(&out, b->data + at, b->len - at);
	buf_release(b);
	*b = out;
}

void minerva_normalize(struct buf *b, struct span answer)
{
	static const char *const substitutions[][2] = {
		{ "an ", "" }, { "a ", "" }, { ".$", "$" }, { "\\$", "" }, { "\\ ", "" }, { " ", "" }, { "mbox", "text" },
		{ ",\\text{and}", "," }, { "\\text{and}", "," }, { "\\text{m}", "\\text{}" },
	};
	static const char *const removed[] = {
		"square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue", "points", "feet",
		"minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students", "childrentickets",
		"multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}", "\\text{}", "\\mathrm{th}",
		"^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", "\"", "\\dots",
	};
	const char *eq = find_last(answer, "=");
	buf_clear(b);
	if (eq)
		answer = (struct span){ eq + 1, (size_t)(answer.p + answer.n - eq - 1) };
	buf_add(b, answer.p, answer.n);
	for (size_t i = 0; i < sizeof(substitutions) / sizeof(*substitutions); i++)
		replace(b, substitutions[i][0], substitutions[i][1]);
	for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++)
		replace(b, removed[i], "");
	const char *open = b->len ? memchr(b->data, '$', b->len) : NULL;
	const char *close = open ? memchr(open + 1, '$', b->len - (size_t)(open - b->data) - 1) : NULL;
	if (close)
		assign(b, open + 1, (size_t)(close - open - 1));
	unwrap(b, "\\text{", false);
	unwrap(b, "\\textbf{", false);
	unwrap(b, "\\overline{", false);
	unwrap(b, "\\boxed{", true);
	brace_arguments(b, "frac", 2);
	brace_arguments(b, "sqrt", 1);
	replace(b, "$", "");
	bool digits = b->len > 0;
	for (size_t i = 0; i < b->len; i++)
		digits &= is_digit(b->data[i]) || b->data[i] == ',';
	if (digits)
		replace(b, ",", "");
}

/* --- prm800k ------------------------------------------------------------------------------------------------------- */

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
	s = trim(s);
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
		struct span t = trim(whole(&text));
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
		out[n++] = trim((struct span){ s.p + from, i - from });
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
	gold = trim(gold);
	prediction = trim(prediction);
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
