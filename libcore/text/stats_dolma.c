/* stats_dolma.c - Gopher's numbers as dolma's gopher_v1 tagger computes them: words by white space, lines by line feeds, all
 * copies of what is repeated, and shares rounded to five digits, as the tagger writes them and its filters read them. */
#include "text/stats_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* round(v, 5) of Python: the nearest decimal of five digits. */
static double rounded(double v)
{
	char s[64];
	snprintf(s, sizeof(s), "%.5f", v);
	return strtod(s, NULL);
}

#define COUNTED_CHARS 4096   /* longer words are few */

/* The k-th of the words in order of length. */
static uint32_t kth_length(const int64_t *of_length, const struct spans *longer, int64_t k)
{
	for (uint32_t chars = 0; chars < COUNTED_CHARS; chars++)
		if ((k -= of_length[chars]) < 0)
			return chars;
	return longer->v[k].len;
}

static int by_length(const void *a, const void *b)
{
	uint32_t x = ((const struct span *)a)->len, y = ((const struct span *)b)->len;
	return x < y ? -1 : x > y;
}

static double median_chars(struct text_stats *t)
{
	const struct word_stats *w = &t->words[WORDS_SPACE];
	int64_t of_length[COUNTED_CHARS] = {0}, n = w->n;
	struct spans longer = {0};
	if (n == 0)
		return 0;
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		load_words(t, WORDS_SPACE, piece, true);
		for (int64_t i = 0; i < w->own; i++) {
			uint32_t chars = w->chars_to[i + 1] - w->chars_to[i];
			if (chars < COUNTED_CHARS)
				of_length[chars]++;
			else
				spans_add(&longer, 0, chars);
		}
	}
	if (longer.n > 1)
		qsort(longer.v, (size_t)longer.n, sizeof(*longer.v), by_length);
	double upper = kth_length(of_length, &longer, n / 2), lower = n % 2 ? upper : kth_length(of_length, &longer, n / 2 - 1);
	spans_release(&longer);
	return (lower + upper) / 2;
}

static double symbol_words(struct text_stats *t)
{
	const struct word_stats *w = &t->words[WORDS_SPACE];
	double count = 0;
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		load_words(t, WORDS_SPACE, piece, false);
		for (int64_t i = 0; i < w->own; i++) {
			const char *s = t->s + w->words.v[i].from;
			count += memchr(s, '#', w->words.v[i].len) || memmem(s, w->words.v[i].len, "\xe2\x80\xa6", 3);
		}
	}
	return count;
}

struct dolma_lines {
	double n, bullets, cut, copies, copy_chars;
};

/* Lines of str.split("\n"); copies are all lines that stand more than once. */
static struct dolma_lines dolma_lines(struct text_stats *t)
{
	struct copies c = count_copies(t, LINES_FEED);
	struct dolma_lines l = {.n = c.pieces, .copies = c.repeated, .copy_chars = c.repeated_chars};
	struct line_walk w;
	walk_start(t, LINES_FEED, &w);
	while (walk_line(t, &w)) {
		const char *s = t->s + w.from;
		l.bullets += w.len > 0 && (s[0] == '*' || s[0] == '-');
		l.cut += w.len >= 3 && memcmp(s + w.len - 3, "\xe2\x80\xa6", 3) == 0;
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
	if (w->n < n)
		return 0;
	if (which >= STAT_DOLMA_DUP_5_GRAM)
		return g->repeated_chars / at_least_1(g->chars);
	return (double)g->most * g->chars_of_most / at_least_1(chars);
}

double dolma_number(struct text_stats *t, enum stat which)
{
	const struct look *l = look_at_words(t, WORDS_SPACE);
	double words = (double)t->words[WORDS_SPACE].n, chars = (double)l->chars;
	if (t->n == 0)
		return 0;
	switch (which) {
	case STAT_DOLMA_WORDS: return words;
	case STAT_DOLMA_MEDIAN_WORD_CHARS: return rounded(median_chars(t));
	case STAT_DOLMA_SYMBOL_WORD_SHARE: return rounded(symbol_words(t) / at_least_1(words));
	case STAT_DOLMA_ALPHA_WORD_SHARE: return rounded((double)l->alpha / at_least_1(words));
	case STAT_DOLMA_STOP_WORDS: return (double)l->stop_occurrences;
	case STAT_DOLMA_BULLET_LINE_SHARE: case STAT_DOLMA_ELLIPSIS_LINE_SHARE: case STAT_DOLMA_DUP_LINE_SHARE: case STAT_DOLMA_DUP_LINE_CHARS: {
		struct dolma_lines d = dolma_lines(t);
		return rounded(which == STAT_DOLMA_BULLET_LINE_SHARE ? d.bullets / d.n : which == STAT_DOLMA_ELLIPSIS_LINE_SHARE ? d.cut / d.n :
			       which == STAT_DOLMA_DUP_LINE_SHARE ? d.copies / d.n : d.copy_chars / at_least_1(chars));
	}
	default: return rounded(ngram_number(t, which, chars));
	}
}
