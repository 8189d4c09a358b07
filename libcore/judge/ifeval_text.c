#include "judge/ifeval_text.h"

#include "judge/chars.h"

#include <string.h>
#include <strings.h>

/* --- views ----------------------------------------------------------------------------------------------- */

static const char *last_char(struct text_view t, utf8proc_int32_t *c)
{
	const char *p = t.s + t.n - 1;

	while (p > t.s && ((unsigned char)*p & 0xc0) == 0x80)
		p--;
	chars_next(p, t.s + t.n, c);
	return p;
}

struct text_view view_strip(struct text_view t)
{
	utf8proc_int32_t c;

	while (t.n) {
		size_t k = chars_next(t.s, t.s + t.n, &c);

		if (!chars_is_space(c))
			break;
		t.s += k;
		t.n -= k;
	}
	while (t.n) {
		const char *p = last_char(t, &c);

		if (!chars_is_space(c))
			break;
		t.n = (size_t)(p - t.s);
	}
	return t;
}

struct text_view view_strip_char(struct text_view t, char c)
{
	while (t.n && *t.s == c)
		t.s++, t.n--;
	while (t.n && t.s[t.n - 1] == c)
		t.n--;
	return t;
}

bool view_is_blank(struct text_view t) { return !view_strip(t).n; }

const char *view_find(struct text_view t, const char *word) { return memmem(t.s, t.n, word, strlen(word)); }

/* --- characters ------------------------------------------------------------------------------------------- */

static bool is_word(utf8proc_int32_t c)
{
	utf8proc_category_t k = utf8proc_category(c);

	return c == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
	       (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alpha(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

int64_t ifeval_count_words(struct text_view t)
{
	int64_t n = 0;
	bool inside = false;
	utf8proc_int32_t c;

	for (const char *p = t.s, *end = t.s + t.n; p < end; ) {
		bool word;

		p += chars_next(p, end, &c);
		word = is_word(c);
		n += word && !inside;
		inside = word;
	}
	return n;
}

/* Whether there are letters of this case, and none of the other. */
static bool all_case(struct text_view t, bool upper)
{
	bool any = false;
	utf8proc_int32_t c;

	for (const char *p = t.s, *end = t.s + t.n; p < end; ) {
		utf8proc_category_t k;

		p += chars_next(p, end, &c);
		k = utf8proc_category(c);
		if (k == UTF8PROC_CATEGORY_LT || k == (upper ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU))
			return false;
		any |= k == (upper ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_LL);
	}
	return any;
}

bool ifeval_is_upper(struct text_view t) { return all_case(t, true); }
bool ifeval_is_lower(struct text_view t) { return all_case(t, false); }

/* --- sentences --------------------------------------------------------------------------------------------- */

/* Sorted by nothing: the lists are short. */
static const char *const abbreviations[] = {
	"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "rev", "hon", "gen", "col", "lt", "sgt", "capt", "cmdr", "adm", "maj", "gov", "sen", "rep",
	"pres", "messrs", "ave", "blvd", "rd", "dept", "univ", "assn", "bros", "inc", "ltd", "co", "corp", "vs", "e.g", "i.e", "cf", "al", "u.s",
	"u.k", "u.n", "u.s.a", "d.c", "n.y", "l.a", "e.u", "ph.d", "m.d", "b.a", "m.a", "b.sc", "m.sc", "a.m", "p.m", "a.d", "b.c", "jan", "feb",
	"mar", "apr", "aug", "sept", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu", "fri", "fig", "figs", "vol", "vols", "pp", "ed", "eds",
	"approx", "est", "min", "max", "ft", "lb", "lbs", "oz", "sq", "calif", "fla", "mass", "conn", "ariz", "colo", "ore", "wash", "pa", "va", NULL
};
static const char *const starters[] = {
	"i", "the", "a", "an", "he", "she", "it", "they", "we", "you", "his", "her", "its", "their", "our", "my", "your", "this", "that", "these",
	"those", "there", "here", "in", "on", "at", "by", "for", "from", "with", "to", "as", "if", "when", "while", "after", "before", "since",
	"and", "but", "or", "so", "yet", "then", "now", "however", "although", "though", "because", "what", "why", "how", "who", "where",
	"which", "also", "some", "many", "most", "all", "both", "each", "no", "not", "one", "two", "is", "are", "was", "do", "does", "did", "can",
	"could", "would", "should", "will", "please", "let", "thus", "therefore", "once", "during", "under", "over", "first", "finally", NULL
};

static bool listed(const char *const *list, const char *s, size_t n)
{
	for (; *list; list++)
		if (strlen(*list) == n && !strncasecmp(*list, s, n))
			return true;
	return false;
}

/* A word that begins here, with a capital, and often begins sentences. */
static bool starts_sentence(const char *p, const char *end)
{
	const char *q = p;

	while (q < end && is_alpha(*q))
		q++;
	return q > p && *p >= 'A' && *p <= 'Z' && listed(starters, p, (size_t)(q - p));
}

/* Whether the full stop at p, whose word begins at `word`, ends a sentence; next is what follows the blanks. */
static bool stop_ends(const char *word, const char *p, const char *next, const char *end)
{
	size_t n = (size_t)(p - word);
	const char *hyphen = memrchr(word, '-', n);
	bool number = n > 0, initial = n == 1 && is_alpha(*word);

	if (n && word[n - 1] == '.')
		return starts_sentence(next, end);           /* an ellipsis */
	for (size_t i = 0; i < n; i++)
		number &= is_digit(word[i]) || word[i] == ',' || word[i] == '.';
	if (number)
		return next == end || !(*next >= 'a' && *next <= 'z');
	if (initial && (*word == 'I' || *word == 'i') && next < end && !(*next >= 'A' && *next <= 'Z'))
		return true;
	if (initial || listed(abbreviations, word, n) || (hyphen && listed(abbreviations, hyphen + 1, n - (size_t)(hyphen + 1 - word))))
		return next == end || starts_sentence(next, end);
	return true;
}

/* Closing quotes and brackets that belong to the sentence before them. */
static const char *skip_closers(const char *p, const char *end)
{
	while (p < end) {
		if (strchr("\"')]}*_", *p) && *p)
			p++;
		else if (end - p >= 3 && (!memcmp(p, "\xe2\x80\x9d", 3) || !memcmp(p, "\xe2\x80\x99", 3)))
			p += 3;
		else
			break;
	}
	return p;
}

static const char *skip_blanks(const char *p, const char *end)
{
	utf8proc_int32_t c;

	while (p < end) {
		size_t k = chars_next(p, end, &c);

		if (!chars_is_space(c))
			break;
		p += k;
	}
	return p;
}

static bool opens_word(char c) { return strchr("\"'([{*_", c) != NULL && c; }

int64_t ifeval_count_sentences(struct text_view t)
{
	const char *end, *word;
	int64_t n = 0;
	bool pending = false;

	t = view_strip(t);
	end = t.s + t.n;
	word = t.s;
	for (const char *p = t.s; p < end; ) {
		const char *after, *next;
		utf8proc_int32_t c;
		size_t k = chars_next(p, end, &c);

		if (chars_is_space(c)) {
			p += k;
			for (word = p; word < end && opens_word(*word); word++)
				;
			continue;
		}
		pending = true;
		if (c != '.' && c != '?' && c != '!') {
			p += k;
			continue;
		}
		after = skip_closers(p + 1, end);
		next = skip_blanks(after, end);
		if ((next > after || next == end) && (c != '.' || stop_ends(word, p, next, end))) {
			n++;
			pending = false;
			for (word = p = next; word < end && opens_word(*word); word++)
				;
		} else {
			p++;
		}
	}
	return n + pending;
}

/* --- words in capitals ---------------------------------------------------------------------------------------- */

/* Where a word of letters, marks and apostrophes is cut once more: before n't, 's, 'll and their like, and inside cannot. */
static int64_t count_pieces(struct text_view t)
{
	static const char *const tails[] = { "N'T", "'LL", "'RE", "'VE", "'S", "'M", "'D", "'" };
	static const struct { const char *word; size_t cut; } pairs[] = {
		{ "CANNOT", 3 }, { "D'YE", 1 }, { "GIMME", 3 }, { "GONNA", 3 }, { "GOTTA", 3 }, { "LEMME", 3 }, { "WANNA", 3 },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (t.n == strlen(pairs[i].word) && !memcmp(t.s, pairs[i].word, t.n))
			return 2;
	if ((t.n == 4 && !strncasecmp(t.s, "'tis", 4)) || (t.n == 5 && !strncasecmp(t.s, "'twas", 5)))
		return ifeval_is_upper((struct text_view){ t.s, 2 }) + ifeval_is_upper((struct text_view){ t.s + 2, t.n - 2 });
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		size_t k = strlen(tails[i]);

		if (t.n > k && !memcmp(t.s + t.n - k, tails[i], k))
			return ifeval_is_upper((struct text_view){ t.s, t.n - k }) + ifeval_is_upper((struct text_view){ t.s + t.n - k, k });
	}
	return ifeval_is_upper(t);
}

/* Marks that stand for themselves wherever they are. */
static bool cuts(const char *p, const char *end)
{
	if (strchr("\"`()[]{}<>;@#$%&?!*", *p) && *p)
		return true;
	if (*p == '-' && end - p > 1 && p[1] == '-')
		return true;
	if (*p == '.' && end - p > 1 && p[1] == '.')
		return true;
	if (*p == ',' || *p == ':')
		return end - p < 2 || !is_digit(p[1]);
	return end - p >= 3 && !memcmp(p, "\xe2\x80", 2) && strchr("\x98\x99\x9c\x9d", p[2]) != NULL;
}

int64_t ifeval_count_capital_words(struct text_view t)
{
	const char *end = t.s + t.n, *word = t.s;
	int64_t n = 0;
	utf8proc_int32_t c;

	for (const char *p = t.s; ; ) {
		size_t k = p < end ? chars_next(p, end, &c) : 0;
		bool cut = p < end && !chars_is_space(c) && cuts(p, end);

		if (p < end && !chars_is_space(c) && !cut) {
			p += k;
			continue;
		}
		if (p > word)
			n += count_pieces((struct text_view){ word, (size_t)(p - word) });
		if (p >= end)
			return n;
		while (cut && p + k < end && (*p == '-' || *p == '.') && p[k] == *p)
			p++;
		p += k;
		word = p;
	}
}

/* --- marks ------------------------------------------------------------------------------------------------------ */

static const char *line_end(const char *p, const char *end)
{
	const char *q = memchr(p, '\n', (size_t)(end - p));

	return q ? q : end;
}

/* \[.*?\] */
int64_t ifeval_count_placeholders(struct text_view t)
{
	const char *end = t.s + t.n;
	int64_t n = 0;

	for (const char *p = t.s; (p = p < end ? memchr(p, '[', (size_t)(end - p)) : NULL); ) {
		const char *stop = line_end(p, end), *close = memchr(p, ']', (size_t)(stop - p));

		n += close != NULL;
		p = close ? close + 1 : stop;
	}
	return n;
}

/* ^\s*\*[^*].*$ or ^\s*-.*$ by lines: the blanks may be lines, and behind the star may be the line's end. */
static int64_t count_bullets(struct text_view t, char mark)
{
	const char *end = t.s + t.n;
	int64_t n = 0;

	for (const char *p = t.s; p < end; ) {
		const char *q = skip_blanks(p, end);

		if (q < end && *q == mark && (mark == '-' || (q + 1 < end && q[1] != '*'))) {
			n++;
			q += mark == '-' ? 1 : 2;
		}
		q = q < end ? line_end(q, end) : end;
		p = q < end ? q + 1 : end;
	}
	return n;
}

int64_t ifeval_count_bullets(struct text_view t) { return count_bullets(t, '*') + count_bullets(t, '-'); }

/* \*[^\n*]*\* with `stars` of them at each side, more than blanks inside. */
static int64_t count_starred(struct text_view t, int stars)
{
	const char *end = t.s + t.n;
	int64_t n = 0;

	for (const char *p = t.s; (p = p < end ? memchr(p, '*', (size_t)(end - p)) : NULL); ) {
		const char *from = p + stars, *q = from;

		if (from > end || (stars == 2 && p[1] != '*')) {
			p++;
			continue;
		}
		while (q < end && *q != '*' && *q != '\n')
			q++;
		if (q < end && *q == '*' && (stars == 1 || (q + 1 < end && q[1] == '*'))) {
			n += !view_is_blank((struct text_view){ from, (size_t)(q - from) });
			p = q + stars;
		} else {
			p++;
		}
	}
	return n;
}

int64_t ifeval_count_highlights(struct text_view t) { return count_starred(t, 1) + count_starred(t, 2); }

/* <<[^\n]+>>: on a line from the first << to the last >>. */
bool ifeval_has_title(struct text_view t)
{
	const char *end = t.s + t.n;

	for (const char *p = t.s; p < end; ) {
		const char *stop = line_end(p, end), *open = memmem(p, (size_t)(stop - p), "<<", 2), *close = NULL;

		for (const char *q = open ? open + 3 : stop; q + 1 < stop; q++)
			close = q[0] == '>' && q[1] == '>' ? q : close;
		if (close) {
			struct text_view inside = { open, (size_t)(close + 2 - open) };

			while (inside.n && *inside.s == '<')
				inside.s++, inside.n--;
			while (inside.n && inside.s[inside.n - 1] == '>')
				inside.n--;
			if (!view_is_blank(inside))
				return true;
		}
		p = stop + 1;
	}
	return false;
}
