#include "judge/verify_buf.h"

#include <string.h>

struct span last_boxed(struct span text)
{
	const char *spaced = span_find_last(text, "\\boxed ");
	const char *p = span_find_last(text, "\\boxed"), *end = text.p + text.n;
	if (spaced) {
		const char *dollar = memchr(spaced + 7, '$', (size_t)(end - spaced - 7));
		return (struct span){ spaced + 7, (size_t)((dollar ? dollar : end) - spaced - 7) };
	}
	if (!p)
		p = span_find_last(text, "\\fbox");
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
	const char *mark = span_find_last(s, "#### ");
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

struct span gsm8k_answer(struct span prediction, bool flexible)
{
	return flexible ? flexible_number(prediction) : strict_number(prediction);
}

struct judgement gsm8k_judge(struct span gold, struct span prediction, bool flexible)
{
	struct span p = gsm8k_answer(prediction, flexible);
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
bool strip_string(struct buf *b)
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
			return span_trim((struct span){ p, (size_t)(q - 1 - p) });
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
	const char *eq = span_find_last(answer, "=");
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
