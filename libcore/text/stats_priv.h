/* stats_priv.h - what text_stats*.c share: one text's parts, each made when first wanted. */
#ifndef QUERN_TEXT_STATS_PRIV_H
#define QUERN_TEXT_STATS_PRIV_H

#include "text/text_stats.h"

#include <math.h>

/* Words by one splitter. */
struct word_stats {
	bool split, looked, chained, streamed;
	struct spans words;
	/* look_at_words */
	double non_symbol, non_symbol_chars, alpha, v1_non_symbol, v1_non_symbol_chars, stop_occurrences;
	unsigned stop_seen;          /* bit per English stop word */
	/* and of n words the hashes, of n + 1 the characters up to them */
	uint64_t *hash;
	uint32_t *chars_to;
	size_t hash_cap;
	/* chain_ngrams, by n */
	struct ngram {
		uint32_t most, first;        /* the highest count, and where the first n-gram of that count stands */
		double repeated_chars, chars; /* of the words of all n-grams that come more than once; of all n-grams */
	} ngram[11];
	int chained_to;
	/* stream_words: all words without anything between, and where each starts */
	struct buf stream;
	uint32_t *stream_at;
	uint32_t *candidates;        /* words where a repeated run of five words or more may start, in order; REPEATED: so long a run as WINDOW */
	int64_t n_candidates;
	size_t stream_cap;
};

/* What was seen of lines or runs of words: entries in the order of their first occurrence, found by 64-bit key. */
struct seen {
	uint32_t *slot;              /* 1 + entry; 0: free */
	uint64_t mask, slots;
	uint64_t *key;
	uint32_t *count, *first;     /* of an entry: how often, and a number of the caller's */
	uint32_t n;
	size_t cap;
};

struct text_stats {
	const char *s;
	size_t n;
	bool have[N_SPLITTERS][N_STATS];
	double value[N_SPLITTERS][N_STATS];
	bool scanned, ascii, odd_breaks; /* some line ends of str.splitlines() other than \n */
	double chars;
	struct word_stats words[N_SPLITTERS];
	bool have_lines, have_ends;
	struct lines_of {
		double lines, blank, ends, short_ones, copy_chars, v1_ends, v1_short, bullets, cut;
	} lines;
	struct seen seen;
	uint64_t *key;               /* scratch of chain_ngrams */
	uint32_t *at, *entry;
	uint8_t *repeated;
	size_t chain_cap;
	struct spans pieces;
	struct buf rewritten;
	struct {
		bool done, lorem, curly, curly_first, whole_lines; /* the text is now the lines, with nothing cut out of them */
		double sentences;
		struct spans lines;          /* that stayed, in the text before */
	} c4;
};

/* An empty table for so many keys. */
void seen_start(struct seen *t, int64_t keys);
void seen_release(struct seen *t);
/* The entry of a key; its count is 0 when it is new. */
static inline uint32_t seen_entry(struct seen *t, uint64_t key)
{
	uint64_t at = (key ^ key >> 32) & t->mask;
	for (; t->slot[at]; at = (at + 1) & t->mask)
		if (t->key[t->slot[at] - 1] == key)
			return t->slot[at] - 1;
	t->key[t->n] = key;
	t->count[t->n] = 0;
	t->slot[at] = ++t->n;
	return t->n - 1;
}
/* Counts a key; how often it came before. */
static inline uint32_t seen_count(struct seen *t, uint64_t key)
{
	return t->count[seen_entry(t, key)]++;
}

/* Characters of a piece of the text. */
static inline double piece_chars(const struct text_stats *t, const char *s, size_t n)
{
	return t->ascii ? (double)n : (double)text_length(s, n);
}

void scan_text(struct text_stats *t);
const struct spans *split_words(struct text_stats *t, enum splitter how);
/* One look at each word: letters, punctuation, stop words, hash, length. */
void look_at_words(struct text_stats *t, enum splitter how);
/* Counts of all runs of 2..n words. */
void chain_ngrams(struct text_stats *t, enum splitter how, int n);
/* Characters in runs of n words that came before, as datatrove's greedy scan finds them. */
double greedy_repeats(struct text_stats *t, enum splitter how, int n);
double stop_word_share(struct text_stats *t, enum splitter how);
/* Appends the lines of str.splitlines(). */
void split_lines(struct text_stats *t, struct spans *out);
double line_number(struct text_stats *t, enum stat which);
double dolma_number(struct text_stats *t, enum stat which);
/* Appends what stays of the text; tells of the page in t->c4. */
void c4_lines(struct text_stats *t, const struct c4_manner *m, struct buf *out);
/* Whether the byte, one that is rare, stands somewhere behind these. */
bool text_has_behind(const char *s, size_t n, int byte, const char *before, size_t n_before);
/* Whether s, in lower case, holds `lower` (ASCII letters and spaces). */
bool text_has_folded(const char *s, size_t n, const char *lower);

#endif
