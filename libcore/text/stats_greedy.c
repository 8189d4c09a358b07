/* stats_greedy.c - datatrove's scan for runs of words that came before; see stats_priv.h.
 *
 * From left to right, a run of n words that was seen counts and is jumped over; any other is noted, and the scan goes on at its second word. Runs are
 * compared without the spaces between words ("can not", "cannot"), so it looks at the bytes of all words in one: a run of at least WINDOW
 * bytes comes twice only where its first WINDOW bytes do. In a text of several pieces, where most windows come twice, what tells is the
 * whole run's hash, in two tables of bits one after the other. Only runs that pass are noted. */
#include "text/stats_priv.h"

#define WINDOW 12            /* five words are seldom shorter, and few other runs share so much */
#define LONG_WINDOW 24       /* eight words are seldom shorter */
#define LEAST_RUN 5
#define LONG_RUN 8
#define REPEATED 0x80000000u   /* texts end at 1 GiB, so words are fewer */
#define REPEATED_LONG 0x40000000u
#define SLACK 32             /* bytes that may be read behind the stream */

/* The bytes of the words of the piece that is loaded, in one. */
static void stream_words(struct text_stats *t, struct word_stats *w)
{
	const struct spans *words = &w->words;
	size_t bytes = words->n ? words->v[words->n - 1].from + words->v[words->n - 1].len - words->v[0].from : 0;
	if ((size_t)words->n + 1 > w->stream_cap) {
		w->stream_cap = (size_t)words->n + (size_t)words->n / 8 + 64;
		w->stream_at = mem_grow(w->stream_at, w->stream_cap, sizeof(*w->stream_at));
		w->candidates = mem_grow(w->candidates, w->stream_cap, sizeof(*w->candidates));
	}
	buf_clear(&w->stream);
	buf_reserve(&w->stream, bytes + SLACK);
	char *to = w->stream.data;
	uint32_t at = 0;
	for (int64_t i = 0; i < words->n; i++) {
		uint32_t from = words->v[i].from, len = words->v[i].len;
		w->stream_at[i] = at;
		if (len <= 16 && (size_t)from + 16 <= t->n)
			memcpy(to + at, t->s + from, 16);
		else
			memcpy(to + at, t->s + from, len);
		at += len;
	}
	w->stream_at[words->n] = at;
	w->stream.len = at;
	memset(to + at, 0, SLACK);
}

static inline uint64_t eight_bytes(const char *s)
{
	uint64_t v;
	memcpy(&v, s, 8);
	return v;
}

static inline uint64_t window_key(const char *s)
{
	return stats_mix(eight_bytes(s), eight_bytes(s + WINDOW - 8));
}

static inline uint64_t long_window_key(const char *s)
{
	return stats_mix(stats_mix(eight_bytes(s), eight_bytes(s + 8)), eight_bytes(s + LONG_WINDOW - 8));
}

/* Of a run in the stream: 16 bytes at a time, the last ones with those before them. */
static inline uint64_t run_key(const char *s, size_t n)
{
	uint64_t key = n * 0xff51afd7ed558ccdu;              /* no length looks like text */
	if (n < 16) {
		uint64_t a = eight_bytes(s), b = eight_bytes(s + 8);
		if (n <= 8)
			return stats_mix(n ? a << (64 - 8 * n) : 0, key);
		return stats_mix(a ^ key, b << (128 - 8 * n));
	}
	for (; n > 16; s += 16, n -= 16)
		key = stats_mix(eight_bytes(s) ^ key, eight_bytes(s + 8));
	return stats_mix(eight_bytes(s + n - 16) ^ key, eight_bytes(s + n - 8));
}

/* --- a text of one piece ------------------------------------------------------------------------------- */

/* Into t->at, the places below n whose t->key may come more than once. */
static int64_t pick_repeated(struct text_stats *t, int64_t n)
{
	int64_t kept = 0;
	cells_start(t, n * 2);
	uint8_t *cell = t->cell;
	uint32_t *at = t->at;
	const uint64_t *key = t->key, mask = t->cell_mask;
	for (int64_t i = 0; i < n; i++) {
		uint8_t *c = &cell[cell_of(mask, key[i])];
		*c = (uint8_t)(*c + (*c < 2));
	}
	for (int64_t i = 0; i < n; i++) {
		at[kept] = (uint32_t)i;
		kept += cell[cell_of(mask, key[i])] > 1;
	}
	return kept;
}

/* Flags the candidates whose LONG_WINDOW comes again, too. */
static void flag_long(struct text_stats *t, struct word_stats *w)
{
	seen_start(&t->seen, w->n_candidates < 1 ? 1 : w->n_candidates);
	struct seen seen = t->seen;
	for (int64_t k = 0; k < w->n_candidates; k++) {
		if (!(w->candidates[k] & REPEATED))
			continue;
		uint32_t at = w->stream_at[w->candidates[k] & ~REPEATED], e = seen_entry(&seen, long_window_key(w->stream.data + at));
		if (seen.count[e]++ == 0)
			seen.first[e] = (uint32_t)k;
		else
			w->candidates[k] |= REPEATED_LONG;
	}
	for (uint32_t e = 0; e < seen.n; e++)
		if (seen.count[e] > 1)
			w->candidates[seen.first[e]] |= REPEATED_LONG;
}

/* Words where a run of `least` words or more that came before, or comes again, may start, in order; REPEATED: of WINDOW bytes or more. For
 * LONG_RUN words the longer window is enough, which few share. */
static void find_candidates(struct text_stats *t, struct word_stats *w, int least)
{
	const bool longer = least >= LONG_RUN;
	const int64_t words = w->words.n, runs = words - least + 1;
	const uint32_t window = longer ? LONG_WINDOW : WINDOW, flags = longer ? REPEATED | REPEATED_LONG : REPEATED;
	w->n_candidates = 0;
	if (runs < 1)
		return;
	places_room(t, words + 1);
	const uint32_t *stream_at = w->stream_at;
	const char *stream = w->stream.data;
	uint8_t *repeats = t->count; /* 1: too short for a window; 2: the window comes again */
	uint64_t *key = t->key;
	for (int64_t i = 0; i < runs; i++)
		key[i] = longer ? long_window_key(stream + stream_at[i]) : window_key(stream + stream_at[i]);
	for (int64_t i = 0; i < runs; i++)
		repeats[i] = stream_at[i + least] - stream_at[i] < window;
	int64_t picked = pick_repeated(t, runs);
	seen_start(&t->seen, picked < 1 ? 1 : picked);
	struct seen seen = t->seen;  /* a copy of its own stays in registers */
	for (int64_t k = 0; k < picked; k++) {
		uint32_t i = t->at[k], e = seen_entry(&seen, key[i]);
		if (seen.count[e]++)
			repeats[i] = repeats[seen.first[e]] = 2;
		else
			seen.first[e] = i;
	}
	uint32_t *candidates = w->candidates;
	int64_t n = 0;
	for (int64_t i = 0; i < runs; i++) {
		candidates[n] = (uint32_t)i | (repeats[i] > 1 ? flags : 0);
		n += repeats[i] > 0;
	}
	w->n_candidates = n;
	if (!longer)
		flag_long(t, w);
}

static double scan_candidates(struct text_stats *t, struct word_stats *w, int n)
{
	double chars = 0;
	uint32_t next = 0;           /* the scan goes on here after a hit */
	key_set_start(&t->set, w->n_candidates);
	for (int64_t k = 0; k < w->n_candidates; k++) {
		uint32_t i = w->candidates[k] & ~(REPEATED | REPEATED_LONG);
		if (i < next || i + (uint32_t)n > w->words.n)
			continue;
		uint32_t from = w->stream_at[i], to = w->stream_at[i + (uint32_t)n];
		uint32_t must = to - from >= LONG_WINDOW ? REPEATED_LONG : to - from >= WINDOW && w->streamed_for < LONG_RUN ? REPEATED : 0;
		if ((w->candidates[k] & must) == must && key_set_add(&t->set, run_key(w->stream.data + from, to - from))) {
			chars += w->chars_to[i + (uint32_t)n] - w->chars_to[i];
			next = i + (uint32_t)n;
		}
	}
	return chars;
}

/* --- a text of several ------------------------------------------------------------------------------------ */

/* Which keys came once, and which again: a bit each, in tables that keys share. */
struct twice {
	uint64_t *once, *again;
	uint64_t mask;
};

static struct twice twice_open(int64_t keys)
{
	uint64_t n = 1024, most = (uint64_t)1 << 28;
	while (n < (uint64_t)keys * 4 && n < most)
		n *= 2;
	return (struct twice){mem_zalloc(n / 8), mem_zalloc(n / 8), n - 1};
}

static bool twice_came_again(const struct twice *t, uint64_t key)
{
	uint64_t i = key & t->mask;
	return t->again[i / 64] >> i % 64 & 1;
}

static void twice_add(struct twice *t, uint64_t key)
{
	uint64_t i = key & t->mask, bit = (uint64_t)1 << i % 64;
	if (t->once[i / 64] & bit)
		t->again[i / 64] |= bit;
	else
		t->once[i / 64] |= bit;
}

/* No more are added. */
static void twice_close(struct twice *t)
{
	mem_free(t->once);
	t->once = NULL;
}

/* The second table goes by other bits of the key. */
static uint64_t turned(uint64_t key)
{
	return key >> 32 | key << 32;
}

enum pass { COUNT, COUNT_AGAIN, SCAN };

static double greedy_pass(struct text_stats *t, enum splitter how, int n, struct twice c[2], enum pass pass)
{
	struct word_stats *w = &t->words[how];
	double chars = 0;
	int64_t next = 0;
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		int64_t first = w->pieces[piece].first;
		load_words(t, how, piece, pass == SCAN);
		stream_words(t, w);
		for (int64_t i = 0; i < w->own && i + n <= w->words.n; i++) {
			if (first + i < next)
				continue;
			uint32_t from = w->stream_at[i], to = w->stream_at[i + n];
			uint64_t key = run_key(w->stream.data + from, to - from);
			if (pass == COUNT) {
				twice_add(&c[0], key);
			} else if (!twice_came_again(&c[0], key)) {
				continue;
			} else if (pass == COUNT_AGAIN) {
				twice_add(&c[1], turned(key));
			} else if (twice_came_again(&c[1], turned(key)) && key_set_add(&t->set, key)) {
				chars += w->chars_to[i + n] - w->chars_to[i];
				next = first + i + n;
			}
		}
	}
	return chars;
}

static double greedy_by_pieces(struct text_stats *t, enum splitter how, int n)
{
	struct word_stats *w = &t->words[how];
	/* What counted shorter runs is large and done with. */
	seen_release(&t->seen);
	places_release(t);
	struct twice c[2] = {twice_open(w->n), {0}};
	greedy_pass(t, how, n, c, COUNT);
	twice_close(&c[0]);
	c[1] = twice_open(w->n);
	greedy_pass(t, how, n, c, COUNT_AGAIN);
	twice_close(&c[1]);
	key_set_start(&t->set, 1);
	double chars = greedy_pass(t, how, n, c, SCAN);
	mem_free(c[0].again);
	mem_free(c[1].again);
	mem_free(t->set.slot);
	t->set = (struct key_set){0};
	return chars;
}

double greedy_repeats(struct text_stats *t, enum splitter how, int n)
{
	struct word_stats *w = &t->words[how];
	if (split_words(t, how) < n)
		return 0;
	if (w->n_pieces > 1)
		return greedy_by_pieces(t, how, n);
	load_words(t, how, 0, true);
	int least = n < LONG_RUN ? LEAST_RUN : n;
	if (!w->streamed_for || w->streamed_for > least) {
		stream_words(t, w);
		find_candidates(t, w, least);
		w->streamed_for = least;
	}
	return scan_candidates(t, w, n);
}
