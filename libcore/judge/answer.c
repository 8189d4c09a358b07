#include "judge/answer.h"

#include "judge/number.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = { "correct", "wrong", "no_answer", "no_gold" };
	return names[v];
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static struct span trim(struct span s)
{
	while (s.n && is_space(*s.p))
		s.p++, s.n--;
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The last occurrence of word in s, or NULL. */
static const char *find_last(struct span s, const char *word)
{
	size_t w = strlen(word);
	for (size_t i = s.n; i >= w; i--)
		if (s.p[i - w] == word[0] && memcmp(s.p + i - w, word, w) == 0)
			return s.p + i - w;
	return NULL;
}

/* Content of the last complete <answer>…</answer>. */
static struct span tagged(struct span s)
{
	const char *close = find_last(s, "</answer>");
	const char *open = close ? find_last((struct span){ s.p, (size_t)(close - s.p) }, "<answer>") : NULL;
	return open ? trim((struct span){ open + 8, (size_t)(close - open - 8) }) : (struct span){ NULL, 0 };
}

/* Content of the last \boxed{…} with balanced braces. */
static struct span boxed(struct span s)
{
	const char *box = find_last(s, "\\boxed{");
	if (!box)
		return (struct span){ NULL, 0 };
	const char *from = box + 7, *end = s.p + s.n;
	size_t depth = 1;
	for (const char *p = from; p < end; p++) {
		if (*p == '{')
			depth++;
		else if (*p == '}' && --depth == 0)
			return trim((struct span){ from, (size_t)(p - from) });
	}
	return (struct span){ NULL, 0 };
}

static struct span last_line(struct span s)
{
	s = trim(s);
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == '\n' || s.p[i - 1] == '\r')
			return trim((struct span){ s.p + i, s.n - i });
	return s;
}

/* A box inside the tags is unwrapped. */
static struct span marked(struct span s)
{
	struct span t = tagged(s);
	struct span b = boxed(t.p ? t : s);
	return b.p ? b : t;
}

struct span answer_gold(const char *gold, size_t n)
{
	struct span s = { gold, n };
	const char *hash = find_last(s, "####");
	if (hash)
		return trim((struct span){ hash + 4, (size_t)(gold + n - hash - 4) });
	struct span m = marked(s);
	return m.p ? m : trim(s);
}

struct span answer_extract(const char *text, size_t n, bool number)
{
	static const struct span nothing = { NULL, 0 };
	struct span s = { text, n };
	const char *thought = find_last(s, "</think>");
	if (thought)
		s = (struct span){ thought + 8, (size_t)(text + n - thought - 8) };
	else if (find_last(s, "<think>"))
		return nothing;
	struct span m = marked(s);
	struct number x;
	struct span found = nothing;
	if (m.p) {
		if (number && !number_parse(m.p, m.n, &x) && number_scan(m.p, m.n, &x, &found.p, &found.n) == 1)
			return found;
		return m.n ? m : nothing;
	}
	if (number) {
		number_scan(s.p, s.n, &x, &found.p, &found.n);
		return found;
	}
	found = last_line(s);
	return found.n ? found : nothing;
}

bool answer_is_number(struct span a)
{
	struct number x;
	return number_parse(a.p, a.n, &x);
}

/* NFC, case folded, runs of white space one space; NULL when the bytes are not UTF-8. free() */
static utf8proc_uint8_t *fold(struct span s, size_t *n)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &out,
					    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (len < 0)
		return NULL;
	size_t m = 0;
	for (utf8proc_ssize_t i = 0; i < len; i++) {
		if (!is_space((char)out[i]))
			out[m++] = out[i];
		else if (m && out[m - 1] != ' ')
			out[m++] = ' ';
	}
	*n = m;
	return out;
}

bool answer_equal(struct span a, struct span b)
{
	struct number x, y;
	a = trim(a);
	b = trim(b);
	if (number_parse(a.p, a.n, &x) && number_parse(b.p, b.n, &y))
		return number_equal(&x, &y);
	if (a.n == b.n && memcmp(a.p, b.p, a.n) == 0)
		return true;
	size_t an = 0, bn = 0;
	utf8proc_uint8_t *p = fold(a, &an), *q = fold(b, &bn);
	bool same = p && q && an == bn && memcmp(p, q, an) == 0;
	free(p);
	free(q);
	return same;
}

enum verdict answer_judge(const char *gold, size_t gold_n, const char *text, size_t text_n)
{
	struct span g = answer_gold(gold, gold_n);
	if (g.n == 0)
		return VERDICT_NO_GOLD;
	struct span a = answer_extract(text, text_n, answer_is_number(g));
	if (!a.p)
		return VERDICT_NO_ANSWER;
	return answer_equal(g, a) ? VERDICT_CORRECT : VERDICT_WRONG;
}
