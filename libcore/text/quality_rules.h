/* quality_rules.h - the rules' computations, and what they share of one text. Private to quality*.c. */
#ifndef QUERN_TEXT_QUALITY_RULES_H
#define QUERN_TEXT_QUALITY_RULES_H

#include "text/quality.h"
#include "text/unicode.h"

/* One text, with what several rules need computed once, when first asked for. */
struct quality_doc {
	const char *s;
	size_t n;
	bool have_words, have_lines, have_gopher;
	struct spans words;          /* str.split() */
	struct spans lines;          /* str.split("\n") */
	struct spans split;          /* pieces of one rule: re.split("\n+"), ... */
	double chars;                /* code points */
	/* Word counts of the gopher rules. */
	double non_symbol, non_symbol_chars, alpha;
	unsigned stop_words;         /* bit per stop word seen */
	/* Hash table of the repetition rules. */
	struct seen {
		uint64_t key;
		uint32_t count, epoch, chars;
	} *table;
	uint64_t slots;
	uint32_t epoch;
	uint64_t *word_hash;
	uint32_t *word_chars;
	size_t word_cap;
	bool have_hashes;
	struct buf rewritten;
};

/* True if the text fails. */
typedef bool quality_test(struct quality_doc *d, double threshold);

const struct spans *quality_words(struct quality_doc *d);
const struct spans *quality_lines(struct quality_doc *d);
/* Forgets what was computed: the text has changed. */
void quality_doc_set(struct quality_doc *d, const char *s, size_t n);

quality_test gopher_short, gopher_long, gopher_mean_low, gopher_mean_high, gopher_hashes, gopher_ellipsis, gopher_bullets,
	gopher_end_ellipsis, gopher_alpha, gopher_stop_words;
quality_test repeat_para_share, repeat_para_chars, repeat_line_share, repeat_line_chars, repeat_top2, repeat_top3, repeat_top4,
	repeat_dup5, repeat_dup6, repeat_dup7, repeat_dup8, repeat_dup9, repeat_dup10;
quality_test c4_lines, c4_lorem, c4_curly, c4_sentences;
quality_test line_punct, short_line, line_dup_chars, newline_share;
quality_test text_empty, text_min_chars, text_max_chars, text_letter_share;

#endif
