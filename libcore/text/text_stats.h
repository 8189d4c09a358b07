/* text_stats.h - the numbers that quality rules look at, each computed once for a text, when first asked for.
 *
 * Numbers that speak of words depend on the splitter, and are kept for each. Lengths are code points, shares lie in 0..1, and a share of
 * nothing is NaN, which no comparison holds for. The names are those of --annotate's columns and of --drop-if; STAT_V1_* are as
 * datatrove 0.2 computed them and STAT_DOLMA_* as dolma does, where those differ from datatrove 0.10 (see quern-clean(1)).
 * Texts are valid UTF-8 of at most 1 GiB and stay the caller's. Equality of words and lines is by 64-bit hash. All is linear in the text. */
#ifndef QUERN_TEXT_STATS_H
#define QUERN_TEXT_STATS_H

#include "text/words.h"

/* In the order of --annotate's columns; those from STAT_V1 on are no columns unless a rule looks at them. */
enum stat {
	STAT_CHARS, STAT_WORDS, STAT_LINES, STAT_SENTENCES, STAT_LETTER_SHARE, STAT_NON_SYMBOL_WORDS, STAT_MEAN_WORD_CHARS,
	STAT_HASHES_PER_WORD, STAT_ELLIPSES_PER_WORD, STAT_BULLET_LINE_SHARE, STAT_ELLIPSIS_LINE_SHARE, STAT_ALPHA_WORD_SHARE, STAT_STOP_WORDS,
	STAT_STOP_WORD_SHARE, STAT_DUP_PARA_SHARE, STAT_DUP_PARA_CHARS, STAT_DUP_LINE_SHARE, STAT_DUP_LINE_CHARS,
	STAT_TOP_2_GRAM, STAT_TOP_3_GRAM, STAT_TOP_4_GRAM,
	STAT_DUP_5_GRAM, STAT_DUP_6_GRAM, STAT_DUP_7_GRAM, STAT_DUP_8_GRAM, STAT_DUP_9_GRAM, STAT_DUP_10_GRAM,
	STAT_LINE_END_SHARE, STAT_SHORT_LINE_SHARE, STAT_LINE_COPY_CHARS, STAT_NEWLINES_PER_WORD, STAT_LOREM_IPSUM, STAT_CURLY_BRACKET,
	STAT_V1_NON_SYMBOL_WORDS, STAT_V1_MEAN_WORD_CHARS, STAT_V1_STOP_WORDS, STAT_V1_DUP_LINE_SHARE, STAT_V1_DUP_LINE_CHARS,
	STAT_V1_LINE_END_SHARE, STAT_V1_SHORT_LINE_SHARE,
	STAT_DOLMA_WORDS, STAT_DOLMA_MEDIAN_WORD_CHARS, STAT_DOLMA_SYMBOL_WORD_SHARE, STAT_DOLMA_ALPHA_WORD_SHARE, STAT_DOLMA_STOP_WORDS,
	STAT_DOLMA_BULLET_LINE_SHARE, STAT_DOLMA_ELLIPSIS_LINE_SHARE, STAT_DOLMA_DUP_LINE_SHARE, STAT_DOLMA_DUP_LINE_CHARS,
	STAT_DOLMA_TOP_2_GRAM, STAT_DOLMA_TOP_3_GRAM, STAT_DOLMA_TOP_4_GRAM,
	STAT_DOLMA_DUP_5_GRAM, STAT_DOLMA_DUP_6_GRAM, STAT_DOLMA_DUP_7_GRAM, STAT_DOLMA_DUP_8_GRAM, STAT_DOLMA_DUP_9_GRAM,
	STAT_DOLMA_DUP_10_GRAM,
	N_STATS
};
#define STAT_FIRST_VARIANT STAT_V1_NON_SYMBOL_WORDS

const char *stat_name(enum stat which);
/* The statistic of this name, or -1. */
int stat_find(const char *name, size_t n);

/* How C4's pass over the lines decides; see c4.c. */
struct c4_manner {
	double min_words;            /* of a line that stays */
	bool count_after;            /* words are counted when citation marks are gone */
	bool need_end;               /* a line must end in terminal punctuation */
	const char *ends;            /* what that is: ASCII marks */
	bool curly_quote;            /* and U+201D */
	bool long_words;             /* lines with a word of more than 1000 characters go, and lines that end in "..." */
	bool whole_page;             /* a page with a bad phrase goes wherever it stands, not only in a line that would stay */
};

/* Memory is bounded for texts of a few megabytes; what a larger one has taken goes when the next is set. */
#define TEXT_STATS_LARGE ((size_t)2 << 20)

struct text_stats;
struct text_stats *text_stats_open(void);
void text_stats_close(struct text_stats *t);
/* Starts on a text, which must stay where it is while it is asked about. */
void text_stats_set(struct text_stats *t, const char *s, size_t n);
double text_stats_get(struct text_stats *t, enum stat which, enum splitter how);
/* The text that stays when C4's pass is through, which becomes the text asked about (it lies in t); its sentences, and whether "lorem
 * ipsum" or a curly bracket ends the page, are then STAT_SENTENCES, STAT_LOREM_IPSUM and STAT_CURLY_BRACKET (2: it came first). True if
 * the text changed. */
bool text_stats_c4(struct text_stats *t, const struct c4_manner *m);
/* The text as it stands. */
const char *text_stats_text(const struct text_stats *t, size_t *n);

#endif
