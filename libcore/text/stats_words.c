/* stats_words.c - what is counted word by word; see stats_priv.h. */
#include "text/stats_priv.h"

#include "base/hash.h"
#include "text/punctuation.h"
#include "text/stop_words.h"

/* --- pieces --------------------------------------------------------------------------------------- */

/* The words of a piece that starts at a byte; where the next starts, t->n if there is none. */
static size_t split_piece(struct text_stats *t, enum splitter how, size_t at)
{
	struct word_stats *w = &t->words[how];
	w->words.n = 0;
	w->hashed = false;
	size_t end = words_split(how, t->s, t->n, at, t->piece_words + AHEAD, &w->words);
	bool last = end == t->n && w->words.n <= t->piece_words;
	w->own = last ? w->words.n : t->piece_words < w->words.n ? t->piece_words : w->words.n;
	size_t next = w->own < w->words.n ? w->words.v[w->own].from : t->n;
	w->words.n = w->words.n < w->own + AHEAD ? w->words.n : w->own + AHEAD;
	return next;
}

int64_t split_words(struct text_stats *t, enum splitter how)
{
	struct word_stats *w = &t->words[how];
	if (w->split)
		return w->n;
	w->split = true;
	w->n = w->n_pieces = 0;
	size_t at = 0;
	do {
		MEM_PUSH_ROOM(w->pieces, w->n_pieces, w->pieces_cap);
		w->pieces[w->n_pieces] = (struct word_piece){(uint32_t)at, (uint32_t)w->n};
		at = split_piece(t, how, at);
		w->loaded = w->n_pieces++;
		w->n += w->own;
	} while (at < t->n);
	return w->n;
}

/* --- letters, punctuation, stop words ------------------------------------------------------------- */

enum { C_ALPHA = 1, C_TEXT = 2, C_V1_TEXT = 4, C_HIGH = 8 };

/* C_TEXT: not in PUNCTUATION or TERMINAL_PUNCTUATION; C_V1_TEXT: not in PUNCTUATION. */
static uint8_t class_of(uint32_t c)
{
	bool mark = punctuation_has(c);
	return (uint8_t)((text_is_alpha(c) ? C_ALPHA : 0) | (mark || punctuation_is_terminal(c) ? 0 : C_TEXT) | (mark ? 0 : C_V1_TEXT));
}

static uint8_t classes[256];

__attribute__((constructor)) static void fill_classes(void)
{
	for (uint32_t c = 0; c < 256; c++)
		classes[c] = c < 0x80 ? class_of(c) : C_HIGH;
}

/* The bytes of a word of at most eight, as a number. */
#define WORD2(a, b) ((uint64_t)(a) | (uint64_t)(b) << 8)
#define WORD3(a, b, c) (WORD2(a, b) | (uint64_t)(c) << 16)
#define WORD4(a, b, c, d) (WORD3(a, b, c) | (uint64_t)(d) << 24)

/* Gopher's stop words, at hashes without collision. */
static uint64_t stop_words[16];
static uint8_t stop_bytes[16];
static uint64_t stop_factor;

static unsigned stop_slot(uint64_t word)
{
	return (unsigned)(word * stop_factor >> 60);
}

__attribute__((constructor)) static void fill_stop_words(void)
{
	static const uint64_t all[] = {WORD3('t', 'h', 'e'), WORD2('b', 'e'), WORD2('t', 'o'), WORD2('o', 'f'), WORD3('a', 'n', 'd'),
				       WORD4('t', 'h', 'a', 't'), WORD4('h', 'a', 'v', 'e'), WORD4('w', 'i', 't', 'h')};
	for (stop_factor = 0x9e3779b97f4a7c15u;; stop_factor += 0xd1b54a32d192ed04u) {
		size_t k = 0;
		memset(stop_words, 0, sizeof(stop_words));
		for (; k < 8 && !stop_words[stop_slot(all[k])]; k++)
			stop_words[stop_slot(all[k])] = all[k];
		if (k == 8)
			break;
	}
	for (int i = 0; i < 16; i++)
		stop_bytes[i] = stop_words[i] ? (uint8_t)(8 - __builtin_clzll(stop_words[i]) / 8) : 0;
}

/* Classes of a word's characters, all together; *chars their number. */
static unsigned look_at(const char *s, size_t n, uint32_t *chars)
{
	unsigned all = 0;
	for (size_t i = 0; i < n; i++)
		all |= classes[(unsigned char)s[i]];
	*chars = (uint32_t)n;
	if (!(all & C_HIGH))
		return all;
	all = 0;
	*chars = 0;
	for (size_t i = 0; i < n; ++*chars) {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		all |= c < 0x80 ? classes[c] : class_of(c);
		i += (size_t)len;
	}
	return all;
}

/* --- one look at each ---------------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd1b54a32d192ed03u);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* The first eight bytes of a word and its next eight, zeros behind its end; of longer words a hash. `room` bytes may be read. */
static inline void load_word(const char *s, size_t n, size_t room, uint64_t *a, uint64_t *b)
{
	static const uint64_t below[9] = {0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff, UINT64_MAX};
	char copy[16] = {0};
	if (n > 16) {
		*a = hash64(s, n);
		*b = n;
		return;
	}
	if (room < 16) {
		memcpy(copy, s, n);
		s = copy;
	}
	memcpy(a, s, 8);
	memcpy(b, s + 8, 8);
	*a &= below[n < 8 ? n : 8];
	*b &= below[n < 8 ? 0 : n - 8];
}

/* Whether eight bytes, zeros left out, are all ASCII letters. */
static inline bool all_letters(uint64_t v)
{
	const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
	uint64_t low = v | ones * 0x20, some = (v & ~high) + ones * 0x7f;            /* 0x80 where a byte is not zero */
	uint64_t letter = (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'z'));
	return !((v & high) | (some & ~letter & high));
}

static void words_room(struct word_stats *w)
{
	if ((size_t)w->words.n + 1 <= w->hash_cap)
		return;
	w->hash_cap = (size_t)w->words.n + (size_t)w->words.n / 8 + 64;
	w->hash = mem_grow(w->hash, w->hash_cap, sizeof(*w->hash));
	w->chars_to = mem_grow(w->chars_to, w->hash_cap, sizeof(*w->chars_to));
}

/* Hashes the words [from, to) of the piece, of which the first has `sum` characters before it, and adds up what they are. Returns sum. */
static uint32_t look_at_some(const struct text_stats *t, struct word_stats *w, int64_t from, int64_t to, uint32_t sum, struct look *l)
{
	int64_t non_symbol = 0, symbol_chars = 0, v1_non_symbol = 0, v1_chars = 0, alpha = 0, stops = 0;
	unsigned seen = 0;
	const struct span *v = w->words.v;
	uint64_t *hash = w->hash;
	uint32_t *chars_to = w->chars_to;
	for (int64_t i = from; i < to; i++) {
		const char *s = t->s + v[i].from;
		uint32_t n = v[i].len, chars = n;
		uint64_t a, b;
		load_word(s, n, t->n - v[i].from, &a, &b);
		hash[i] = mix(a, b + n * 0xff51afd7ed558ccdu);
		chars_to[i] = sum;
		/* Nearly all words are letters, or one mark: no branch tells these two apart. */
		unsigned all = n == 1 ? classes[(unsigned char)*s] : C_ALPHA | C_TEXT | C_V1_TEXT, slot = stop_slot(a);
		if (!((n <= 16) & all_letters(a) & all_letters(b)) & (n > 1))
			all = look_at(s, n, &chars);
		bool stop = (stop_words[slot] == a) & (stop_bytes[slot] == n);
		sum += chars;
		alpha += all & C_ALPHA;
		non_symbol += (all & C_TEXT) != 0;
		symbol_chars += all & C_TEXT ? chars : 0;
		v1_non_symbol += (all & C_V1_TEXT) != 0;
		v1_chars += all & C_V1_TEXT ? chars : 0;
		stops += stop;
		seen |= (unsigned)stop << slot;
	}
	*l = (struct look){l->chars, l->non_symbol + non_symbol, l->non_symbol_chars + symbol_chars, l->alpha + alpha, l->v1_non_symbol + v1_non_symbol,
			   l->v1_non_symbol_chars + v1_chars, l->stop_occurrences + stops, l->stop_seen | seen};
	return sum;
}

/* Looks at the piece that is loaded. */
static void look_at_piece(const struct text_stats *t, struct word_stats *w, struct look *l)
{
	struct look ahead = {0};
	words_room(w);
	uint32_t sum = look_at_some(t, w, 0, w->own, 0, l);
	l->chars += sum;
	w->hash[w->words.n] = 0;
	w->chars_to[w->words.n] = look_at_some(t, w, w->own, w->words.n, sum, &ahead);
	w->hashed = true;
}

void load_words(struct text_stats *t, enum splitter how, int64_t piece, bool hashed)
{
	struct word_stats *w = &t->words[how];
	struct look unused = {0};
	split_words(t, how);
	if (w->loaded != piece) {
		split_piece(t, how, w->pieces[piece].at);
		w->loaded = piece;
	}
	if (!hashed || w->hashed)
		return;
	if (w->n_pieces == 1)
		look_at_words(t, how);       /* once and for all */
	else
		look_at_piece(t, w, &unused);
}

const struct look *look_at_words(struct text_stats *t, enum splitter how)
{
	struct word_stats *w = &t->words[how];
	split_words(t, how);
	if (w->looked)
		return &w->look;
	w->looked = true;
	w->look = (struct look){0};
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		load_words(t, how, piece, false);
		look_at_piece(t, w, &w->look);
	}
	return &w->look;
}

/* --- stop words of many languages ------------------------------------------------------------------ */

double stop_word_share(struct text_stats *t, enum splitter how)
{
	const struct word_stats *w = &t->words[how];
	int64_t count[STOP_LANGUAGES] = {0}, best = 0;
	struct buf lower = {0};
	if (split_words(t, how) == 0)
		return (double)NAN;
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		load_words(t, how, piece, false);
		for (int64_t i = 0; i < w->own; i++) {
			const char *s = t->s + w->words.v[i].from;
			size_t n = w->words.v[i].len;
			if (n > STOP_WORD_BYTES)
				continue;
			buf_clear(&lower);
			text_lower(s, n, &lower);
			for (uint32_t languages = stop_words_of(lower.data, lower.len); languages; languages &= languages - 1)
				count[__builtin_ctz(languages)]++;
		}
	}
	buf_release(&lower);
	for (int k = 0; k < STOP_LANGUAGES; k++)
		best = count[k] > best ? count[k] : best;
	return (double)best / (double)w->n;
}
