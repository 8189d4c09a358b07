/* stats_words.c - what is counted word by word; see stats_priv.h. */
#include "text/stats_priv.h"

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

static void words_room(struct word_stats *w)
{
	if ((size_t)w->words.n + 1 <= w->hash_cap)
		return;
	w->hash_cap = (size_t)w->words.n + (size_t)w->words.n / 8 + 64;
	w->hash = mem_grow(w->hash, w->hash_cap, sizeof(*w->hash));
	w->chars_to = mem_grow(w->chars_to, w->hash_cap, sizeof(*w->chars_to));
}

/* Hashes the piece that is loaded, and with l looks at its words. */
static void look_at_piece(const struct text_stats *t, struct word_stats *w, struct look *l)
{
	words_room(w);
	uint32_t sum = l ? look_at_some(t, &w->words, 0, w->own, 0, w->hash, w->chars_to, l) :
			   hash_some(t, &w->words, 0, w->own, 0, w->hash, w->chars_to);
	if (l)
		l->chars += sum;
	w->hash[w->words.n] = 0;
	w->chars_to[w->words.n] = hash_some(t, &w->words, w->own, w->words.n, sum, w->hash, w->chars_to);
	w->hashed = true;
}

void load_words(struct text_stats *t, enum splitter how, int64_t piece, bool hashed)
{
	struct word_stats *w = &t->words[how];
	split_words(t, how);
	if (w->loaded != piece) {
		split_piece(t, how, w->pieces[piece].at);
		w->loaded = piece;
	}
	if (!hashed || w->hashed)
		return;
	if (w->n_pieces == 1 && t->looks)
		look_at_words(t, how);       /* once and for all */
	else
		look_at_piece(t, w, NULL);
}

const struct look *look_at_words(struct text_stats *t, enum splitter how)
{
	struct word_stats *w = &t->words[how];
	split_words(t, how);
	if (w->looked)
		return &w->look;
	w->looked = t->looks = true;
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
