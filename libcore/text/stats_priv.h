/* stats_priv.h - what the files of text_stats share: one text's parts, each made when first wanted.
 *
 * Memory does not follow the text. Words are looked at by the piece (PIECE_WORDS of them, and those that a run may reach into): a text that
 * is one piece is split once, a longer one again for each pass over it. Lines are kept while they are few. Tables of what was seen are
 * bounded: where they would overflow, the keys are parted and looked at part by part (parts are at most 16 or so, as the bound is
 * a share of the text), so that time stays linear. */
#ifndef QUERN_TEXT_STATS_PRIV_H
#define QUERN_TEXT_STATS_PRIV_H

#include "base/hash.h"
#include "text/text_stats.h"

#include <math.h>

#define PIECE_WORDS ((int64_t)1 << 19)
#define AHEAD 9              /* the longest run is of ten words */
#define LINES_KEPT ((int64_t)1 << 16)

/* Words by one splitter. */
struct word_stats {
	bool split, looked;
	int64_t n, n_pieces, pieces_cap;
	struct word_piece {
		uint32_t at, first;  /* where its first word starts, and that word's number */
	} *pieces;
	/* the piece that is loaded: its own words and up to AHEAD more */
	int64_t loaded, own;
	bool hashed;                 /* it has its hashes, too */
	struct spans words;
	uint64_t *hash;              /* of each word, and a zero */
	uint32_t *chars_to;          /* of n + 1: characters of the piece's words up to that one */
	size_t hash_cap;
	/* look_at_words */
	struct look {
		int64_t chars, non_symbol, non_symbol_chars, alpha, v1_non_symbol, v1_non_symbol_chars, stop_occurrences;
		uint64_t stop_seen;  /* bit per English stop word */
	} look;
	/* chain_ngrams, by n */
	struct ngram {
		uint32_t most, chars_of_most; /* the highest count, and the characters of the first n-gram of that count */
		double repeated_chars, chars; /* of the words of all n-grams that come more than once (n > 4); of all n-grams */
	} ngram[11];
	int chained_to;
	/* stats_greedy.c: all words of the piece without anything between, and where each starts */
	int streamed_for;            /* runs of so many words and more; 0: not yet */
	struct buf stream;
	uint32_t *stream_at, *candidates;
	int64_t n_candidates;
	size_t stream_cap;
};

/* What was seen of lines or runs of words: entries in the order of their first occurrence, found by 64-bit key. */
struct seen {
	uint32_t *slot;              /* 1 + entry; 0: free */
	uint64_t mask, slots;
	uint64_t *key;
	uint32_t *count, *first, *chars; /* of an entry: how often; two numbers of the caller's */
	uint32_t n, most;
	size_t cap;
};

/* Keys alone, as many as come. */
struct key_set {
	uint64_t *slot;              /* 0: free */
	uint64_t mask, cap, n;
};

/* How a text is taken apart. FEED: str.split("\n"). SOLID: those that are not blank. RUNS: re.split("\n+"). PYTHON: str.splitlines().
 * PARAGRAPHS: re.split("\n{2,}") of the stripped text. */
enum lines { LINES_FEED, LINES_SOLID, LINES_RUNS, LINES_PYTHON, LINES_PARAGRAPHS };

struct line_walk {
	enum lines kind;
	size_t from, len;            /* of the line that walk_line has found */
	uint64_t hash;               /* of its bytes, if hashed */
	bool hashed;
	size_t at, to;
	int64_t k;
};

struct copies {
	double pieces, copies, copy_chars; /* pieces; those that came before; their characters */
	double repeated, repeated_chars;   /* those that come more than once, first ones too */
};

struct text_stats {
	const char *s;
	size_t n, most;              /* most: of all texts since buffers were released */
	int64_t piece_words, lines_kept; /* PIECE_WORDS, LINES_KEPT; less in tests */
	bool have[N_SPLITTERS][N_STATS];
	double value[N_SPLITTERS][N_STATS];
	bool looks;                  /* somebody asked what words are, of this text or one before: with their hashes it is had almost for nothing */
	bool scanned, ascii, odd_breaks; /* some line ends of str.splitlines() other than \n */
	double chars;
	struct word_stats words[N_SPLITTERS];
	bool have_lines, have_ends;
	struct lines_of {
		double lines, blank, ends, short_ones, v1_ends, v1_short, bullets, cut;
	} lines;
	struct {
		bool made, kept;             /* kept: the text has no more lines than these */
		struct spans v;              /* LINES_FEED */
		uint64_t *hash;
		int64_t cap;
	} list;
	struct seen seen;
	struct key_set set;
	uint64_t *key;               /* scratch: keys and numbers of places, by place in a list */
	uint32_t *at, *pick;
	uint8_t *count;
	size_t place_cap;
	int64_t n_at;
	uint8_t *cell;
	uint64_t cell_mask, cell_cap;
	struct buf rewritten, spare;
	struct {
		bool done, lorem, curly, curly_first, whole_lines; /* the text is now the lines, with nothing cut out of them */
		double sentences;
		struct spans lines;          /* that stayed, in the text before */
	} c4;
};

static inline uint64_t stats_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

#define SEEN_FULL UINT32_MAX
/* How many keys a table may hold, for a text of so many. */
static inline int64_t seen_bound(const struct text_stats *t, int64_t keys)
{
	int64_t share = keys / 16, least = t->piece_words * 2, bound = share > least ? share : least;
	return keys < bound ? keys : bound;
}
/* An empty table for so many keys. */
void seen_start(struct seen *t, int64_t keys);
void seen_release(struct seen *t);
/* The entry of a key; its count is 0 when it is new. SEEN_FULL if there is no room for it. */
static inline uint32_t seen_entry(struct seen *t, uint64_t key)
{
	uint64_t at = (key ^ key >> 32) & t->mask;
	for (; t->slot[at]; at = (at + 1) & t->mask)
		if (t->key[t->slot[at] - 1] == key)
			return t->slot[at] - 1;
	if (t->n == t->most)
		return SEEN_FULL;
	t->key[t->n] = key;
	t->count[t->n] = 0;
	t->slot[at] = ++t->n;
	return t->n - 1;
}

void key_set_start(struct key_set *s, int64_t keys);
void key_set_grow(struct key_set *s);
/* Adds a key; true if it was there. */
static inline bool key_set_add(struct key_set *s, uint64_t key)
{
	key += key == 0;
	uint64_t at = (key ^ key >> 32) & s->mask;
	for (; s->slot[at]; at = (at + 1) & s->mask)
		if (s->slot[at] == key)
			return true;
	s->slot[at] = key;
	if (++s->n > s->mask / 4 * 3)
		key_set_grow(s);
	return false;
}

/* Small counters that keys share: who shares with none that came more than once did not either. Loops over them hold pointers and mask of their
 * own, as stores of bytes may be to anything. */
static inline uint64_t cell_of(uint64_t mask, uint64_t key)
{
	return (key ^ key >> 32) & mask;
}
/* All zero, for so many keys. */
void cells_start(struct text_stats *t, int64_t keys);
/* Room for so many places. */
void places_room(struct text_stats *t, int64_t n);
void places_release(struct text_stats *t);           /* and cells */

/* Characters of a piece of the text. */
static inline double piece_chars(const struct text_stats *t, const char *s, size_t n)
{
	return t->ascii ? (double)n : (double)text_length(s, n);
}

void scan_text(struct text_stats *t);

/* How many words there are; they are split by then. */
int64_t split_words(struct text_stats *t, enum splitter how);
/* Brings a piece of the words, and with hashed its hashes. */
void load_words(struct text_stats *t, enum splitter how, int64_t piece, bool hashed);
/* Hashes the words [from, to), of which the first has `sum` characters before it, and adds up what they are. Returns the characters up to
 * `to`. */
uint32_t look_at_some(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
		      uint32_t *chars_to, struct look *l);
/* The same without the sums. */
uint32_t hash_some(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash, uint32_t *chars_to);
/* One look at each word: letters, punctuation, stop words. */
const struct look *look_at_words(struct text_stats *t, enum splitter how);
double stop_word_share(struct text_stats *t, enum splitter how);
/* Counts of all runs of 2..n words. */
void chain_ngrams(struct text_stats *t, enum splitter how, int n);
/* Characters in runs of n words that came before, as datatrove's greedy scan finds them. */
double greedy_repeats(struct text_stats *t, enum splitter how, int n);

void walk_start(struct text_stats *t, enum lines kind, struct line_walk *w);
bool walk_line(struct text_stats *t, struct line_walk *w);
struct copies count_copies(struct text_stats *t, enum lines kind);
double line_number(struct text_stats *t, enum stat which);
double dolma_number(struct text_stats *t, enum stat which);
/* Appends what stays of the text; tells of the page in t->c4. */
void c4_lines(struct text_stats *t, const struct c4_manner *m, struct buf *out);
/* Whether the byte, one that is rare, stands somewhere behind these. */
bool text_has_behind(const char *s, size_t n, int byte, const char *before, size_t n_before);
/* Whether s, in lower case, holds `lower` (ASCII letters and spaces). */
bool text_has_folded(const char *s, size_t n, const char *lower);

#endif
