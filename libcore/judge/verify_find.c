#include "judge/verify_find.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool starts(const char *p, const char *end, const char *word)
{
	size_t w = strlen(word);
	return (size_t)(end - p) >= w && memcmp(p, word, w) == 0;
}

struct span span_trim(struct span s)
{
	while (s.n && is_space(*s.p))
		s.p++, s.n--;
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct span span_last_line(struct span s)
{
	s = span_trim(s);
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == '\n' || s.p[i - 1] == '\r')
			return span_trim((struct span){ s.p + i, s.n - i });
	return s;
}

const char *span_find_last(struct span s, const char *word)
{
	size_t w = strlen(word);
	for (size_t n = s.n; n >= w; ) {
		const char *c = memrchr(s.p, word[0], n - w + 1);
		if (!c)
			return NULL;
		if (memcmp(c, word, w) == 0)
			return c;
		n = (size_t)(c - s.p) + w - 1;
	}
	return NULL;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool same_folded(const char *p, const char *word, size_t w)
{
	for (size_t i = 0; i < w; i++)
		if (lower(p[i]) != word[i])
			return false;
	return true;
}

const char *find_back_folded(struct span s, const char *end, const char *word)
{
	size_t w = strlen(word);
	for (const char *p = end - w; p >= s.p && (size_t)(end - s.p) >= w; p--)
		if (same_folded(p, word, w))
			return p;
	return NULL;
}

const struct found *found_back(const struct found_list *l, int k)
{
	return k < l->n && k < FIND_MAX ? &l->item[(l->n - 1 - k) % FIND_MAX] : NULL;
}

static struct found *push(struct found_list *l) { return &l->item[l->n++ % FIND_MAX]; }

/* --- formulas ------------------------------------------------------------------------------------------------ */

/* Closing delimiters are searched once each: what the last search found is good until the scan has passed it. */
struct scan {
	const char *begin, *end;
	bool any_fraction;
	const char *dollars, *bracket, *parenthesis, *newline;
};

/* The next `word` at or after p; *memo is NULL, or where it was found, or end for nowhere. */
static const char *next(const struct scan *s, const char **memo, const char *p, const char *word)
{
	if (*memo && *memo >= p)
		return *memo;
	const char *q = p < s->end ? memmem(p, (size_t)(s->end - p), word, strlen(word)) : NULL;
	return *memo = q ? q : s->end;
}

/* -?\frac{1.5}{2} */
static const char *bare_fraction(const char *p, const char *end, bool any)
{
	p += *p == '-';
	bool styled = any && (starts(p, end, "\\dfrac{") || starts(p, end, "\\tfrac{"));
	if (!styled && !starts(p, end, "\\frac{"))
		return NULL;
	p += styled ? 6 : 5;
	for (int i = 0; i < 2; i++) {
		if (p >= end || *p++ != '{')
			return NULL;
		const char *from = p;
		p += p < end && *p == '-';
		while (p < end && (is_digit(*p) || *p == '.' || *p == ',') && p - from < 24)
			p++;
		if (p == from || p >= end || *p++ != '}')
			return NULL;
	}
	return p;
}

/* $...$ on one line; \$ does not close it. */
static const char *inline_end(const struct scan *s, const char *p)
{
	for (; p < s->end && *p != '\n'; p++) {
		if (*p == '\\' && p + 1 < s->end && p[1] == '$')
			p++;
		else if (*p == '$')
			return p;
	}
	return NULL;
}

/* One formula that begins at p: its inside, and where it ends. */
static const char *one_formula(struct scan *s, const char *p, struct span *inside)
{
	char before = p > s->begin ? p[-1] : ' ';
	const char *q;
	if (*p == '$' && before != '\\' && starts(p, s->end, "$$") &&
	    (q = next(s, &s->dollars, p + 3, "$$")) < s->end) {
		*inside = (struct span){ p + 2, (size_t)(q - p - 2) };
		return q + 2;
	}
	if (*p == '$' && before != '\\' && !is_digit(before) && (q = inline_end(s, p + 1)) && q > p + 1) {
		*inside = (struct span){ p + 1, (size_t)(q - p - 1) };
		return q + 1;
	}
	if (*p == '\\' && before != '\\' && starts(p, s->end, "\\[") && (q = next(s, &s->bracket, p + 2, "\\]")) < s->end) {
		*inside = (struct span){ p + 2, (size_t)(q - p - 2) };
		return q + 2;
	}
	if (*p == '\\' && before != '\\' && starts(p, s->end, "\\(") && (q = next(s, &s->parenthesis, p + 2, "\\)")) < s->end &&
	    next(s, &s->newline, p, "\n") > q) {
		*inside = (struct span){ p + 2, (size_t)(q - p - 2) };
		return q + 2;
	}
	if (*p == '[' && is_space(before)) {
		for (q = p + 1; q < s->end && *q != ']' && *q != '[' && *q != '\n' && q - p < 2000; q++)
			;
		if (q + 1 < s->end && *q == ']' && is_space(q[1]) && q > p + 1) {
			*inside = (struct span){ p + 1, (size_t)(q - p - 1) };
			return q + 1;
		}
	}
	if ((*p == '\\' || *p == '-') && (q = bare_fraction(p, s->end, s->any_fraction))) {
		*inside = (struct span){ p, (size_t)(q - p) };
		return q;
	}
	return NULL;
}

static const char *skip_percent(const char *p, const char *end, bool *percent)
{
	static const char *const words[] = { "\\%", "%", "percentage", "Percentage", "percent", "Percent", "pct", "Pct" };
	const char *q = p;
	while (q < end && is_space(*q))
		q++;
	if (q >= end || !strchr("\\%pP", *q))
		return p;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (starts(q, end, words[i])) {
			*percent = true;
			return q + strlen(words[i]);
		}
	return p;
}

/* " and ", ", or ", "," between two formulas; NULL if nothing of the kind stands at p. */
static const char *separator(const char *p, const char *end)
{
	const char *q = p;
	while (q < end && is_space(*q))
		q++;
	bool comma = q < end && *q == ',';
	q += comma;
	while (comma && q < end && is_space(*q))
		q++;
	bool word = starts(q, end, "and") || starts(q, end, "or");
	if (!comma && !word)
		return NULL;
	q += word ? (*q == 'a' ? 3 : 2) : 0;
	while (q < end && is_space(*q))
		q++;
	return q;
}

/* A formula at p, and those that are joined to it. */
static bool joined(struct scan *s, const char *p, struct found *out)
{
	const char *e = one_formula(s, p, &out->part[0]);
	if (!e)
		return false;
	out->kind = FOUND_FORMULA;
	out->start = p;
	out->n = 1;
	out->percent = false;
	e = skip_percent(e, s->end, &out->percent);
	while (out->n < FIND_JOINED) {
		const char *q = separator(e, s->end), *after;
		if (!q || q >= s->end || !(after = one_formula(s, q, &out->part[out->n])))
			break;
		out->n++;
		bool percent;
		e = skip_percent(after, s->end, &percent);
	}
	out->end = e;
	return true;
}

void find_formulas(struct span text, struct found_list *out)
{
	struct scan s = { .begin = text.p, .end = text.p + text.n, .any_fraction = out->any_fraction };
	struct found f;
	out->n = 0;
	for (const char *p = s.begin; p < s.end; ) {
		if ((*p == '$' || *p == '\\' || *p == '[' || *p == '-') && joined(&s, p, &f)) {
			*push(out) = f;
			p = f.end;
		} else {
			p++;
		}
	}
}

bool formula_at(struct span text, const char *from, const char *to, struct found *out)
{
	struct scan s = { .begin = text.p, .end = text.p + text.n };
	for (const char *p = from; p < s.end && p <= to; p++)
		if ((*p == '$' || *p == '\\' || *p == '[' || *p == '-') && joined(&s, p, out))
			return true;
	return false;
}

/* --- numbers ------------------------------------------------------------------------------------------------- */

/* 1,234.5 or 12,34 or .5 or 42 with a minus before: the length, 0 for none. */
static size_t number(const char *p, const char *end)
{
	const char *q = p;
	q += q < end && *q == '-';
	const char *digits = q;
	while (q < end && is_digit(*q))
		q++;
	if (q == digits) {
		if (q == p && q + 1 < end && *q == '.' && is_digit(q[1])) {
			for (q++; q < end && is_digit(*q); q++)
				;
			return (size_t)(q - p);
		}
		return 0;
	}
	if (*digits != '0' && q - digits <= 3) {
		const char *r = q;
		while (end - r >= 4 && (*r == ',' || *r == ' ') && is_digit(r[1]) && is_digit(r[2]) && is_digit(r[3]) &&
		       (end - r == 4 || !is_digit(r[4])))
			r += 4;
		if (r > q) {
			if (end - r >= 2 && *r == '.' && is_digit(r[1]))
				for (r++; r < end && is_digit(*r); r++)
					;
			return (size_t)(r - p);
		}
	}
	if (end - q >= 2 && (*q == '.' || *q == ',') && is_digit(q[1]))
		for (q++; q < end && is_digit(*q); q++)
			;
	return (size_t)(q - p);
}

static size_t currency(const char *p, const char *end)
{
	static const char *const signs[] = { "$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", "\xe2\x82\xb9", "\xe2\x82\xa9", "\xe0\xb8\xbf" };
	if (p >= end || (*p != '$' && (unsigned char)*p < 0x80))
		return 0;
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (starts(p, end, signs[i]))
			return strlen(signs[i]);
	return 0;
}

static bool is_operator(char c) { return (c >= '(' && c <= '+') || c == '-' || c == '/' || c == '^'; }

static bool is_times(const char *p, const char *end)
{
	return (unsigned char)*p == 0xc3 && (starts(p, end, "\xc3\x97") || starts(p, end, "\xc3\xb7"));
}

/* (3 + 4)/2: digits, operators and spaces, at least one operator within, an end of word behind. From a start before *dry there is none:
 * a later start in a stretch that held none finds none either. */
static size_t expression(const char *p, const char *end, const char **dry)
{
	const char *q = p, *last = NULL;
	bool operator = false;
	if (p < *dry)
		return 0;
	q += q < end && *q == '-';
	q += q < end && *q == '(';
	q += q < end && *q == '-';
	if (q >= end || !is_digit(*q))
		return 0;
	for (; q < end && (is_digit(*q) || *q == '.' || is_space(*q) || is_operator(*q) || is_times(q, end)) && q - p < 400; q++) {
		bool wide = (unsigned char)*q >= 0x80;
		operator |= wide || (is_operator(*q) && q > p);
		q += wide;
		if (!is_space(*q) && operator && (q + 1 == end || is_space(q[1]) || strchr(".,:)$*", q[1])))
			last = q + 1;
	}
	if (!last)
		*dry = q;
	return last ? (size_t)(last - p) : 0;
}

/* A word's start at p: bold, currency, then a number or an expression. */
static bool one_number(struct span text, const char *p, const char **dry, struct found *out)
{
	const char *end = text.p + text.n;
	const char *q = p + (starts(p, end, "**") ? 2 : 0);
	size_t len = expression(q, end, dry);
	out->kind = FOUND_EXPRESSION;                      /* field by field: this runs at every word of a megabyte */
	out->start = p;
	out->n = 1;
	out->percent = false;
	if (len) {
		out->part[0] = (struct span){ q, len };
		out->end = q + len;
		size_t plain = number(q, end);
		if (plain < len && len > 1)
			return true;
	}
	q += currency(q, end);
	len = number(q, end);
	if (!len)
		return false;
	out->kind = FOUND_NUMBER;
	out->part[0] = (struct span){ q, len };
	out->end = skip_percent(q + len, end, &out->percent);
	return true;
}

static bool word_start(struct span text, const char *p) { return p == text.p || is_space(p[-1]) || p[-1] == '='; }

bool number_at(struct span text, const char *from, const char *to, struct found *out)
{
	const char *end = text.p + text.n, *dry = from;
	for (const char *p = from; p < end && p <= to; p++)
		if ((word_start(text, p) || p == from) && one_number(text, p, &dry, out))
			return true;
	return false;
}

void find_numbers(struct span text, struct found_list *out)
{
	const char *end = text.p + text.n, *dry = text.p;
	out->n = 0;
	for (const char *p = text.p; p < end; ) {
		bool may = is_digit(*p) || *p == '-' || *p == '.' || *p == '(' || *p == '*' || *p == '$' || (unsigned char)*p >= 0x80;
		struct found *f = &out->item[out->n % FIND_MAX];
		if (may && word_start(text, p) && one_number(text, p, &dry, f)) {
			out->n++;
			p = f->end;
		} else {
			p++;
		}
	}
}

/* --- boxes --------------------------------------------------------------------------------------------------- */

/* The inside of the braces at p (white space before them skipped); unclosed: all the rest, and *after is NULL. */
static struct span box_content(const char *p, const char *end, const char **after)
{
	while (p < end && is_space(*p))
		p++;
	if (p >= end)
		return (struct span){ NULL, 0 };
	if (*p != '{') {                                   /* \boxed 5 */
		const char *q = p;
		while (q < end && *q != '$' && *q != '\n' && !starts(q, end, "\\)") && !starts(q, end, "\\]"))
			q++;
		*after = q;
		return span_trim((struct span){ p, (size_t)(q - p) });
	}
	int depth = 0;
	for (const char *q = p; q < end; q++) {
		if (*q == '{') {
			depth++;
		} else if (*q == '}' && --depth == 0) {
			*after = q + 1;
			return span_trim((struct span){ p + 1, (size_t)(q - p - 1) });
		}
	}
	*after = NULL;
	return span_trim((struct span){ p + 1, (size_t)(end - p - 1) });
}

static bool has_separator(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ',' || s.p[i] == ';')
			return true;
		bool word = i == 0 || !((s.p[i - 1] | 32) >= 'a' && (s.p[i - 1] | 32) <= 'z');
		size_t w = starts(s.p + i, s.p + s.n, "and") ? 3 : starts(s.p + i, s.p + s.n, "or") ? 2 : 0;
		if (word && w && (i + w == s.n || !((s.p[i + w] | 32) >= 'a' && (s.p[i + w] | 32) <= 'z')))
			return true;
	}
	return false;
}

int find_boxes(struct span text, struct span *out, int max)
{
	const char *next_start = NULL, *boxed = span_find_last(text, "\\boxed"), *fbox = span_find_last(text, "\\fbox");
	int n = 0;
	while (n < max && (boxed || fbox)) {
		const char *start = boxed && (!fbox || boxed > fbox) ? boxed : fbox;
		const char *end = n ? next_start : text.p + text.n, *after = end;
		struct span s = box_content(start + (start == boxed ? 6 : 5), end, &after);
		if (!s.p || (n && !after))
			break;                                 /* a box around the one that was found */
		if (n) {
			struct span gap = { after, (size_t)(next_start - after) };
			bool same = s.n == out[n - 1].n && memcmp(s.p, out[n - 1].p, s.n) == 0;
			if (gap.n >= 10 && (same || gap.n >= 70 || !has_separator(gap)))
				break;
			if (!same)
				out[n++] = s;
		} else {
			out[n++] = s;
		}
		next_start = start;
		struct span before = { text.p, (size_t)(start - text.p) };
		if (start == boxed)
			boxed = span_find_last(before, "\\boxed");
		else
			fbox = span_find_last(before, "\\fbox");
	}
	return n;
}
