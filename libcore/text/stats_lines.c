/* stats_lines.c - lines and paragraphs, and what is counted by them; see stats_priv.h. */
#include "text/stats_priv.h"

#include "text/punctuation.h"

#include <strings.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SHORT_LINE_CHARS 30

/* The phrase's letter that is rarest in English: where it stands is looked at. */
static size_t rarest(const char *lower)
{
	for (const char *c = "zqxjkvbpygfwmucldrhsnioate"; *c; c++)
		if (strchr(lower, *c))
			return (size_t)(strchr(lower, *c) - lower);
	return 0;
}

bool text_has_folded(const char *s, size_t n, const char *lower)
{
	size_t len = strlen(lower), at = rarest(lower), near = at + 1 < len ? at + 1 : at - 1, i = 0;
	if (n < len)
		return false;
#ifdef __SSE2__
	/* Sixteen places at a time where both letters stand, in either case; what is none in lower case either is found out by comparing. */
	const __m128i fold = _mm_set1_epi8(0x20), a = _mm_set1_epi8((char)(lower[at] | 0x20)), b = _mm_set1_epi8((char)(lower[near] | 0x20));
	for (; i + len + 15 <= n; i += 16) {
		__m128i here = _mm_cmpeq_epi8(_mm_or_si128(_mm_loadu_si128((const __m128i *)(const void *)(s + i + at)), fold), a);
		__m128i beside = _mm_cmpeq_epi8(_mm_or_si128(_mm_loadu_si128((const __m128i *)(const void *)(s + i + near)), fold), b);
		for (unsigned hits = (unsigned)_mm_movemask_epi8(_mm_and_si128(here, beside)); hits; hits &= hits - 1)
			if (strncasecmp(s + i + (size_t)__builtin_ctz(hits), lower, len) == 0)
				return true;
	}
#endif
	for (; i + len <= n; i++)
		if ((s[i + at] | 0x20) == (lower[at] | 0x20) && (s[i + near] | 0x20) == (lower[near] | 0x20) && strncasecmp(s + i, lower, len) == 0)
			return true;
	return false;
}

/* Bytes of a line end of str.splitlines() at s, or 0. */
static size_t line_end(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	if (p[0] == '\r')
		return n > 1 && p[1] == '\n' ? 2 : 1;
	if ((p[0] >= 0x0a && p[0] <= 0x0c) || (p[0] >= 0x1c && p[0] <= 0x1e))
		return 1;
	if (p[0] == 0xc2)
		return n > 1 && p[1] == 0x85 ? 2 : 0;
	return p[0] == 0xe2 && n > 2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9) ? 3 : 0;
}

/* --- walks ------------------------------------------------------------------------------------ */

static void keep_line(struct text_stats *t, size_t from, size_t len)
{
	int64_t i = t->list.v.n;
	SPANS_PUSH(&t->list.v, from, len);
	if (t->list.v.n > t->list.cap) {
		t->list.cap = t->list.cap * 2 + 64;
		t->list.hash = mem_grow(t->list.hash, (size_t)t->list.cap, sizeof(*t->list.hash));
	}
	t->list.hash[i] = hash64(t->s + from, len);
}

/* Lists the lines of str.split("\n"), unless they are many. */
static void make_list(struct text_stats *t)
{
	size_t start = 0;
	if (t->list.made)
		return;
	t->list.made = true;
	t->list.v.n = 0;
	for (const char *nl; t->list.v.n < t->lines_kept && (nl = memchr(t->s + start, '\n', t->n - start)); start = (size_t)(nl - t->s) + 1)
		keep_line(t, start, (size_t)(nl - t->s) - start);
	t->list.kept = t->list.v.n < t->lines_kept;
	if (t->list.kept)
		keep_line(t, start, t->n - start);
}

void walk_start(struct text_stats *t, enum lines kind, struct line_walk *w)
{
	scan_text(t);
	make_list(t);
	*w = (struct line_walk){.kind = kind, .to = t->n};
	if (kind == LINES_PARAGRAPHS) {
		struct span in = text_strip(t->s, t->n);
		w->at = in.from;
		w->to = (size_t)in.from + in.len;
	}
}

/* The next of str.split("\n"). */
static bool walk_feed(struct text_stats *t, struct line_walk *w)
{
	if (t->list.kept) {
		if (w->k == t->list.v.n)
			return false;
		w->from = t->list.v.v[w->k].from;
		w->len = t->list.v.v[w->k].len;
		w->hash = t->list.hash[w->k++];
		w->hashed = true;
		w->at = w->from + w->len + 1;
		return true;
	}
	if (w->at > t->n)
		return false;
	const char *nl = memchr(t->s + w->at, '\n', t->n - w->at);
	w->from = w->at;
	w->len = (nl ? (size_t)(nl - t->s) : t->n) - w->from;
	w->at = w->from + w->len + 1;
	w->hashed = false;
	w->k++;
	return true;
}

/* The next of str.splitlines(). */
static bool walk_python(struct text_stats *t, struct line_walk *w)
{
	static const uint8_t may_end[256] = {[0x0a] = 1, [0x0b] = 1, [0x0c] = 1, [0x0d] = 1, [0x1c] = 1, [0x1d] = 1, [0x1e] = 1,
					     [0xc2] = 1, [0xe2] = 1};
	if (!t->odd_breaks)
		return walk_feed(t, w) && (w->from < t->n);      /* an empty last line is none */
	if (w->at >= t->n)
		return false;
	size_t i = w->at, len = 0;
	while (i < t->n && !(may_end[(unsigned char)t->s[i]] && (len = line_end(t->s + i, t->n - i))))
		i++;
	w->from = w->at;
	w->len = i - w->from;
	w->at = i + len;
	w->hashed = false;
	return true;
}

/* The next paragraph: lines up to an empty one. The text is stripped, so only an empty text has an empty one. */
static bool walk_paragraph(struct text_stats *t, struct line_walk *w)
{
	bool found = w->k++ == 0 && w->at == w->to;
	w->hashed = false;
	w->from = w->at;
	w->len = 0;
	while (w->at < w->to) {
		size_t at = w->at;
		const char *nl = memchr(t->s + at, '\n', w->to - at);
		size_t end = nl ? (size_t)(nl - t->s) : w->to;
		w->at = end + 1;
		if (end > at) {
			w->from = found ? w->from : at;
			w->len = end - w->from;
			found = true;
		} else if (found) {
			break;
		}
	}
	return found;
}

static bool is_blank(const char *s, size_t n)
{
	return n == 0 || (!((unsigned char)*s > ' ' && (unsigned char)*s < 0x7f) && text_strip(s, n).len == 0);
}

bool walk_line(struct text_stats *t, struct line_walk *w)
{
	switch (w->kind) {
	case LINES_PARAGRAPHS: return walk_paragraph(t, w);
	case LINES_PYTHON: return walk_python(t, w);
	case LINES_FEED: return walk_feed(t, w);
	case LINES_SOLID:
		while (walk_feed(t, w))
			if (!is_blank(t->s + w->from, w->len))
				return true;
		return false;
	default: /* LINES_RUNS: line feeds in a row part once, and also part the empty string before and behind them */
		while (walk_feed(t, w))
			if (w->len || w->from == 0 || w->from == t->n)
				return true;
		return false;
	}
}

/* --- copies ----------------------------------------------------------------------------------- */

/* Counts the pieces of one part of the keys. False if the table is too small. */
static bool count_part(struct text_stats *t, enum lines kind, uint64_t part, uint64_t parts, int64_t bound, struct copies *c)
{
	struct line_walk w;
	struct seen *seen = &t->seen;
	seen_start(seen, bound);
	walk_start(t, kind, &w);
	while (walk_line(t, &w)) {
		uint64_t key = w.hashed ? w.hash : hash64(t->s + w.from, w.len);
		if (parts > 1 && key % parts != part)
			continue;
		uint32_t e = seen_entry(seen, key);
		if (e == SEEN_FULL)
			return false;
		c->pieces++;
		if (seen->count[e]++ == 0) {
			seen->first[e] = (uint32_t)w.from;
			seen->chars[e] = (uint32_t)w.len;
		}
	}
	for (uint32_t e = 0; e < seen->n; e++)
		if (seen->count[e] > 1) {
			double chars = piece_chars(t, t->s + seen->first[e], seen->chars[e]);
			c->copies += seen->count[e] - 1;
			c->copy_chars += (seen->count[e] - 1) * chars;
			c->repeated += seen->count[e];
			c->repeated_chars += seen->count[e] * chars;
		}
	return true;
}

struct copies count_copies(struct text_stats *t, enum lines kind)
{
	struct copies c = {0};
	make_list(t);
	int64_t lines = t->list.v.n + 1, bound;
	for (const char *p = t->s, *end = t->s + t->n; !t->list.kept && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	if (t->odd_breaks)
		lines = (int64_t)t->n + 1;
	bound = seen_bound(t, lines + 1);
	for (uint64_t part = 0, parts = 1; part < parts; part++)
		if (!count_part(t, kind, part, parts, bound, &c)) {
			parts *= 2;
			part = (uint64_t)-1;
			c = (struct copies){0};
		}
	return c;
}

/* --- line by line --------------------------------------------------------------------------------- */

static bool starts(const char *s, size_t n, const char *with)
{
	size_t len = strlen(with);
	return n >= len && memcmp(s, with, len) == 0;
}

static bool ends(const char *s, size_t n, const char *with)
{
	size_t len = strlen(with);
	return n >= len && memcmp(s + n - len, with, len) == 0;
}

static bool ends_terminal(const char *s, size_t n)
{
	size_t last = n - 1;
	if ((unsigned char)s[last] < 0x80)
		return s[last] == '.' || s[last] == '!' || s[last] == '?';
	while (last > 0 && ((unsigned char)s[last] & 0xc0) == 0x80)
		last--;
	int len;
	return punctuation_is_terminal(text_decode(s + last, n - last, &len));
}

/* Over the lines of str.splitlines(): those that start with a bullet, and those that end in an ellipsis. */
static const struct lines_of *count_ends(struct text_stats *t)
{
	struct line_walk w;
	double bullets = 0, cut = 0, lines = 0;
	if (t->have_ends)
		return &t->lines;
	t->have_ends = true;
	walk_start(t, LINES_PYTHON, &w);
	while (walk_line(t, &w)) {
		struct span in = text_strip(t->s + w.from, w.len);
		const char *s = t->s + w.from + in.from;
		lines++;
		bullets += starts(s, in.len, "-") || starts(s, in.len, "\xe2\x80\xa2");
		cut += ends(s, in.len, "...") || ends(s, in.len, "\xe2\x80\xa6");
	}
	t->lines.bullets = lines > 0 ? bullets / lines : (double)NAN;
	t->lines.cut = lines > 0 ? cut / lines : (double)NAN;
	return &t->lines;
}

static const struct lines_of *count_lines(struct text_stats *t)
{
	struct lines_of *l = &t->lines;
	struct line_walk w;
	if (t->have_lines)
		return l;
	t->have_lines = true;
	l->lines = l->blank = l->ends = l->short_ones = l->v1_ends = l->v1_short = 0;
	walk_start(t, LINES_FEED, &w);
	while (walk_line(t, &w)) {
		const char *s = t->s + w.from;
		bool brief = w.len <= SHORT_LINE_CHARS || (!t->ascii && w.len <= 4 * SHORT_LINE_CHARS && text_length(s, w.len) <= SHORT_LINE_CHARS);
		l->lines++;
		l->v1_ends += w.len > 0 && strchr(".'\"!?", s[w.len - 1]) && s[w.len - 1];
		l->v1_short += brief;
		if (is_blank(s, w.len)) {
			l->blank++;
			continue;
		}
		l->ends += ends_terminal(s, w.len);
		l->short_ones += brief;
	}
	return l;
}

double line_number(struct text_stats *t, enum stat which)
{
	if (which == STAT_BULLET_LINE_SHARE || which == STAT_ELLIPSIS_LINE_SHARE) {
		const struct lines_of *e = count_ends(t);
		return which == STAT_BULLET_LINE_SHARE ? e->bullets : e->cut;
	}
	const struct lines_of *l = count_lines(t);
	double some = l->lines - l->blank, unfed = t->chars - (l->lines - 1);
	switch (which) {
	case STAT_LINES: return some;
	case STAT_LINE_END_SHARE: return some > 0 ? l->ends / some : (double)NAN;
	case STAT_SHORT_LINE_SHARE: return some > 0 ? l->short_ones / some : (double)NAN;
	case STAT_LINE_COPY_CHARS: return unfed > 0 ? count_copies(t, LINES_SOLID).copy_chars / unfed : (double)NAN;
	case STAT_V1_LINE_END_SHARE: return l->v1_ends / l->lines;
	default: return l->v1_short / l->lines; /* STAT_V1_SHORT_LINE_SHARE */
	}
}
