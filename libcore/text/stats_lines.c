/* stats_lines.c - what is counted line by line; see stats_priv.h. */
#include "text/stats_priv.h"

#include "base/hash.h"
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

void split_lines(struct text_stats *t, struct spans *out)
{
	size_t start = 0;
	scan_text(t);
	if (!t->odd_breaks) {
		for (const char *p; start < t->n && (p = memchr(t->s + start, '\n', t->n - start)); start = (size_t)(p - t->s) + 1)
			spans_add(out, start, (size_t)(p - t->s) - start);
	} else {
		static const uint8_t may_end[256] = {[0x0a] = 1, [0x0b] = 1, [0x0c] = 1, [0x0d] = 1, [0x1c] = 1, [0x1d] = 1, [0x1e] = 1,
						     [0xc2] = 1, [0xe2] = 1};
		for (size_t i = 0; i < t->n;) {
			size_t len = may_end[(unsigned char)t->s[i]] ? line_end(t->s + i, t->n - i) : 0;
			if (len) {
				SPANS_PUSH(out, start, i - start);
				start = i + len;
			}
			i += len ? len : 1;
		}
	}
	if (start < t->n)
		spans_add(out, start, t->n - start);
}

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

/* One line of str.split("\n"), with the line feed's own contribution left to the caller. */
static void look_at(struct text_stats *t, const char *s, size_t n)
{
	struct lines_of *l = &t->lines;
	bool blank = text_strip(s, n).len == 0;
	double chars = piece_chars(t, s, n);
	l->lines++;
	l->v1_ends += n > 0 && strchr(".'\"!?", s[n - 1]) && s[n - 1];
	l->v1_short += chars <= SHORT_LINE_CHARS;
	if (blank) {
		l->blank++;
		return;
	}
	l->ends += ends_terminal(s, n);
	l->short_ones += chars <= SHORT_LINE_CHARS;
	if (seen_count(&t->seen, hash64(s, n)))
		l->copy_chars += chars;
}

/* Over the lines of str.splitlines(): those that start with a bullet, and those that end in an ellipsis. */
static const struct lines_of *count_ends(struct text_stats *t)
{
	if (t->have_ends)
		return &t->lines;
	t->have_ends = true;
	t->pieces.n = 0;
	split_lines(t, &t->pieces);
	double bullets = 0, cut = 0;
	for (int64_t i = 0; i < t->pieces.n; i++) {
		struct span in = text_strip(t->s + t->pieces.v[i].from, t->pieces.v[i].len);
		const char *s = t->s + t->pieces.v[i].from + in.from;
		bullets += starts(s, in.len, "-") || starts(s, in.len, "\xe2\x80\xa2");
		cut += ends(s, in.len, "...") || ends(s, in.len, "\xe2\x80\xa6");
	}
	t->lines.bullets = t->pieces.n ? bullets / (double)t->pieces.n : (double)NAN;
	t->lines.cut = t->pieces.n ? cut / (double)t->pieces.n : (double)NAN;
	return &t->lines;
}

static const struct lines_of *count_lines(struct text_stats *t)
{
	struct lines_of *l = &t->lines;
	if (t->have_lines)
		return l;
	t->have_lines = true;
	l->lines = l->blank = l->ends = l->short_ones = l->copy_chars = l->v1_ends = l->v1_short = 0;
	t->pieces.n = 0;
	text_lines(t->s, t->n, &t->pieces);
	seen_start(&t->seen, t->pieces.n);
	for (int64_t i = 0; i < t->pieces.n; i++)
		look_at(t, t->s + t->pieces.v[i].from, t->pieces.v[i].len);
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
	case STAT_LINE_COPY_CHARS: return unfed > 0 ? l->copy_chars / unfed : (double)NAN;
	case STAT_V1_LINE_END_SHARE: return l->v1_ends / l->lines;
	default: return l->v1_short / l->lines; /* STAT_V1_SHORT_LINE_SHARE */
	}
}
