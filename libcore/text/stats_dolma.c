/* stats_dolma.c - Gopher's numbers as dolma's gopher_v1 tagger computes them: words by white space, lines by line feeds, all
 * copies of what is repeated, and shares rounded to five digits, as the tagger writes them and its filters read them. */
#include "text/stats_priv.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

/* round(v, 5) of Python: the nearest decimal of five digits. */
static double rounded(double v)
{
	char s[64];
	snprintf(s, sizeof(s), "%.5f", v);
	return strtod(s, NULL);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double median_chars(struct text_stats *t)
{
	const struct word_stats *w = &t->words[WORDS_SPACE];
	int64_t n = w->words.n;
	if (n == 0)
		return 0;
	uint32_t *chars = mem_array((size_t)n, sizeof(*chars));
	for (int64_t i = 0; i < n; i++)
		chars[i] = w->chars_to[i + 1] - w->chars_to[i];
	qsort(chars, (size_t)n, sizeof(*chars), by_value);
	double median = n % 2 ? chars[n / 2] : ((double)chars[n / 2 - 1] + chars[n / 2]) / 2;
	mem_free(chars);
	return median;
}

static double symbol_words(struct text_stats *t)
{
	const struct word_stats *w = &t->words[WORDS_SPACE];
	double count = 0;
	for (int64_t i = 0; i < w->words.n; i++) {
		const char *s = t->s + w->words.v[i].from;
		count += memchr(s, '#', w->words.v[i].len) || memmem(s, w->words.v[i].len, "\xe2\x80\xa6", 3);
	}
	return count;
}

struct dolma_lines {
	double n, bullets, cut, copies, copy_chars;
};

/* Lines of str.split("\n"); copies are all lines that stand more than once. */
static struct dolma_lines dolma_lines(struct text_stats *t)
{
	struct dolma_lines l = {0};
	t->pieces.n = 0;
	text_lines(t->s, t->n, &t->pieces);
	l.n = (double)t->pieces.n;
	seen_start(&t->seen, t->pieces.n);
	for (int64_t i = 0; i < t->pieces.n; i++) {
		const char *s = t->s + t->pieces.v[i].from;
		size_t n = t->pieces.v[i].len;
		l.bullets += n > 0 && (s[0] == '*' || s[0] == '-');
		l.cut += n >= 3 && memcmp(s + n - 3, "\xe2\x80\xa6", 3) == 0;
		seen_count(&t->seen, hash64(s, n));
	}
	for (int64_t i = 0; i < t->pieces.n; i++) {
		const char *s = t->s + t->pieces.v[i].from;
		size_t n = t->pieces.v[i].len;
		if (t->seen.count[seen_entry(&t->seen, hash64(s, n))] > 1) {
			l.copies++;
			l.copy_chars += piece_chars(t, s, n);
		}
	}
	return l;
}

static double at_least_1(double v)
{
	return v > 1 ? v : 1;
}

static double ngram_number(struct text_stats *t, enum stat which, double chars)
{
	const struct word_stats *w = &t->words[WORDS_SPACE];
	chain_ngrams(t, WORDS_SPACE, 10);
	int n = which < STAT_DOLMA_DUP_5_GRAM ? 2 + (int)(which - STAT_DOLMA_TOP_2_GRAM) : 5 + (int)(which - STAT_DOLMA_DUP_5_GRAM);
	const struct ngram *g = &w->ngram[n];
	if (w->words.n < n)
		return 0;
	if (which >= STAT_DOLMA_DUP_5_GRAM)
		return g->repeated_chars / at_least_1(g->chars);
	return (double)g->most * (w->chars_to[g->first + (uint32_t)n] - w->chars_to[g->first]) / at_least_1(chars);
}

double dolma_number(struct text_stats *t, enum stat which)
{
	struct word_stats *w = &t->words[WORDS_SPACE];
	look_at_words(t, WORDS_SPACE);
	double words = (double)w->words.n, chars = w->chars_to[w->words.n];
	if (t->n == 0)
		return 0;
	switch (which) {
	case STAT_DOLMA_WORDS: return words;
	case STAT_DOLMA_MEDIAN_WORD_CHARS: return rounded(median_chars(t));
	case STAT_DOLMA_SYMBOL_WORD_SHARE: return rounded(symbol_words(t) / at_least_1(words));
	case STAT_DOLMA_ALPHA_WORD_SHARE: return rounded(w->alpha / at_least_1(words));
	case STAT_DOLMA_STOP_WORDS: return w->stop_occurrences;
	case STAT_DOLMA_BULLET_LINE_SHARE: case STAT_DOLMA_ELLIPSIS_LINE_SHARE: case STAT_DOLMA_DUP_LINE_SHARE: case STAT_DOLMA_DUP_LINE_CHARS: {
		struct dolma_lines l = dolma_lines(t);
		return rounded(which == STAT_DOLMA_BULLET_LINE_SHARE ? l.bullets / l.n : which == STAT_DOLMA_ELLIPSIS_LINE_SHARE ? l.cut / l.n :
			       which == STAT_DOLMA_DUP_LINE_SHARE ? l.copies / l.n : l.copy_chars / at_least_1(chars));
	}
	default: return rounded(ngram_number(t, which, chars));
	}
}
