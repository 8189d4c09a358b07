/* quality_gopher.c - Gopher's quality rules (Rae et al. 2021, table A1) as datatrove's gopher_quality_filter.py computes them. */
#include "text/quality_rules.h"

#include "text/punctuation.h"

static const char *const stop_words[] = {"the", "be", "to", "of", "and", "that", "have", "with"};

static void count_words(struct quality_doc *d)
{
	if (d->have_gopher)
		return;
	d->have_gopher = true;
	d->non_symbol = d->non_symbol_chars = d->alpha = 0;
	d->stop_words = 0;
	const struct spans *w = quality_words(d);
	for (int64_t i = 0; i < w->n; i++) {
		const char *s = d->s + w->v[i].from;
		size_t n = w->v[i].len;
		bool alpha = false, symbol = true;
		int64_t chars = 0;
		for (size_t at = 0; at < n; chars++) {
			int len;
			uint32_t c = text_decode(s + at, n - at, &len);
			alpha = alpha || text_is_alpha(c);
			symbol = symbol && (punctuation_has(c) || punctuation_is_terminal(c));
			at += (size_t)len;
		}
		d->alpha += alpha;
		if (!symbol) {
			d->non_symbol++;
			d->non_symbol_chars += (double)chars;
		}
		for (unsigned k = 0; k < sizeof(stop_words) / sizeof(stop_words[0]); k++)
			if (strlen(stop_words[k]) == n && memcmp(stop_words[k], s, n) == 0)
				d->stop_words |= 1u << k;
	}
}

bool gopher_short(struct quality_doc *d, double thr)
{
	count_words(d);
	return d->non_symbol < thr;
}

bool gopher_long(struct quality_doc *d, double thr)
{
	count_words(d);
	return d->non_symbol > thr;
}

static double mean_length(struct quality_doc *d)
{
	count_words(d);
	return d->non_symbol > 0 ? d->non_symbol_chars / d->non_symbol : 0;
}

bool gopher_mean_low(struct quality_doc *d, double thr)
{
	return mean_length(d) < thr;
}

bool gopher_mean_high(struct quality_doc *d, double thr)
{
	return mean_length(d) > thr;
}

/* Non-overlapping occurrences, as str.count. */
static double count_of(const struct quality_doc *d, const char *what)
{
	size_t len = strlen(what);
	const char *s = d->s, *end = d->s + d->n;
	double count = 0;
	for (const char *p; s < end && (p = memmem(s, (size_t)(end - s), what, len)); s = p + len)
		count++;
	return count;
}

static double per_word(struct quality_doc *d, double count)
{
	int64_t n = quality_words(d)->n;
	return n > 0 ? count / (double)n : 0;
}

bool gopher_hashes(struct quality_doc *d, double thr)
{
	return per_word(d, count_of(d, "#")) > thr;
}

bool gopher_ellipsis(struct quality_doc *d, double thr)
{
	return per_word(d, count_of(d, "...") + count_of(d, "\xe2\x80\xa6")) > thr;
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

/* Share of lines for which the test holds. The text's last line feed ends a line and starts none (str.splitlines). */
static double line_share(struct quality_doc *d, bool (*test)(const char *, size_t))
{
	const struct spans *l = quality_lines(d);
	int64_t n = l->n - (l->n > 0 && l->v[l->n - 1].len == 0);
	double hits = 0;
	for (int64_t i = 0; i < n; i++) {
		struct span t = text_strip(d->s + l->v[i].from, l->v[i].len);
		hits += test(d->s + l->v[i].from + t.from, t.len);
	}
	return n > 0 ? hits / (double)n : 0;
}

static bool is_bullet(const char *s, size_t n)
{
	return starts(s, n, "\xe2\x80\xa2") || starts(s, n, "-");
}

static bool is_cut(const char *s, size_t n)
{
	return ends(s, n, "...") || ends(s, n, "\xe2\x80\xa6");
}

bool gopher_bullets(struct quality_doc *d, double thr)
{
	return line_share(d, is_bullet) > thr;
}

bool gopher_end_ellipsis(struct quality_doc *d, double thr)
{
	return line_share(d, is_cut) > thr;
}

bool gopher_alpha(struct quality_doc *d, double thr)
{
	count_words(d);
	return per_word(d, d->alpha) < thr;
}

bool gopher_stop_words(struct quality_doc *d, double thr)
{
	count_words(d);
	return __builtin_popcount(d->stop_words) < thr;
}
