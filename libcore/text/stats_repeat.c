/* stats_repeat.c - runs of words that come more than once; see stats_priv.h.
 *
 * A run of n words comes twice only where its first and its last n-1 words do, so chain_ngrams looks at all pairs and from there on at
 * few. datatrove's greedy scan takes runs without the spaces between words for equal ("can not", "cannot"), so it looks at the bytes of
 * all words in one: a run of at least WINDOW bytes comes twice only where its first WINDOW bytes do. */
#include "text/stats_priv.h"

#include "base/hash.h"

#define WINDOW 12            /* five words are seldom shorter, and few other runs share so much */
#define REPEATED 0x80000000u   /* texts end at 1 GiB, so words are fewer */

void seen_start(struct seen *t, int64_t keys)
{
	uint64_t want = 64;
	while (want < (uint64_t)keys * 2)
		want *= 2;
	if (want > t->slots) {
		mem_free(t->slot);
		t->slot = mem_alloc(want * sizeof(*t->slot));
		t->slots = want;
	}
	if ((size_t)keys > t->cap) {
		t->cap = (size_t)keys + (size_t)keys / 8 + 64;
		mem_free(t->key);
		mem_free(t->count);
		mem_free(t->first);
		t->key = mem_alloc(t->cap * sizeof(*t->key));
		t->count = mem_alloc(t->cap * sizeof(*t->count));
		t->first = mem_alloc(t->cap * sizeof(*t->first));
	}
	t->mask = want - 1;
	t->n = 0;
	memset(t->slot, 0, want * sizeof(*t->slot));
}

void seen_release(struct seen *t)
{
	mem_free(t->slot);
	mem_free(t->key);
	mem_free(t->count);
	mem_free(t->first);
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* --- counts of n-grams ------------------------------------------------------------------------- */

static void chain_room(struct text_stats *t, size_t n)
{
	if (n <= t->chain_cap)
		return;
	t->chain_cap = n + n / 8 + 64;
	t->key = mem_grow(t->key, t->chain_cap, sizeof(*t->key));
	t->at = mem_grow(t->at, t->chain_cap, sizeof(*t->at));
	t->entry = mem_grow(t->entry, t->chain_cap, sizeof(*t->entry));
	t->repeated = mem_grow(t->repeated, t->chain_cap, sizeof(*t->repeated));
}

/* Enters the n-grams that start at the n_at words t->at; flags in t->repeated those that come more than once. */
static void count_ngrams(struct text_stats *t, struct word_stats *w, int n, int64_t n_at)
{
	struct ngram *g = &w->ngram[n];
	seen_start(&t->seen, n_at);
	struct seen seen = t->seen;          /* a copy of its own stays in registers */
	const uint32_t *at = t->at, *chars_to = w->chars_to;
	uint32_t *entry = t->entry, most = 1;
	const uint64_t *key = t->key;
	int64_t repeated_chars = 0;
	for (int64_t k = 0; k < n_at; k++) {
		uint32_t e = seen_entry(&seen, key[at[k]]);
		if (seen.count[e]++ == 0)
			seen.first[e] = at[k];
		entry[k] = e;
	}
	for (uint32_t e = 0; e < seen.n; e++)
		if (seen.count[e] > most) {          /* of several the one that came first, as Counter.most_common */
			most = seen.count[e];
			g->first = seen.first[e];
		}
	for (int64_t k = 0; most > 1 && k < n_at; k++) {
		bool repeats = seen.count[entry[k]] > 1;
		t->repeated[at[k]] = repeats;
		repeated_chars += repeats ? chars_to[at[k] + (uint32_t)n] - chars_to[at[k]] : 0;
	}
	g->most = most;
	g->repeated_chars = (double)repeated_chars;
}

/* Characters of the words of all n-grams: of every word as often as it stands in one. */
static double all_chars(const struct word_stats *w, int n)
{
	double sum = 0;
	for (int64_t i = 0; i + n <= w->words.n; i++)
		sum += w->chars_to[i + n] - w->chars_to[i];
	return sum;
}

/* Into t->at, the places below n whose t->key may come more than once: it shares a small counter with another. Returns how many. */
static int64_t pick_repeated(struct text_stats *t, int64_t n)
{
	int64_t kept = 0;
	seen_start(&t->seen, n);
	uint8_t *counter = (uint8_t *)t->seen.slot; /* four for each slot */
	const uint64_t mask = (t->seen.mask + 1) * 4 - 1, *key = t->key;
	uint32_t *at = t->at;
	for (int64_t i = 0; i < n; i++) {
		uint8_t *c = &counter[(key[i] ^ key[i] >> 32) & mask];
		*c = (uint8_t)(*c + (*c < 2));
	}
	for (int64_t i = 0; i < n; i++) {
		at[kept] = (uint32_t)i;
		kept += counter[(key[i] ^ key[i] >> 32) & mask] > 1;
	}
	return kept;
}

void chain_ngrams(struct text_stats *t, enum splitter how, int up_to)
{
	struct word_stats *w = &t->words[how];
	look_at_words(t, how);
	int64_t words = w->words.n, n_at = words > 1 ? words - 1 : 0;
	if (w->chained && w->chained_to >= up_to)
		return;
	w->chained = true;
	w->chained_to = up_to;
	memset(w->ngram, 0, sizeof(w->ngram));
	chain_room(t, (size_t)words + 1);
	memset(t->repeated, 0, (size_t)words + 1);
	for (int64_t i = 0; i < n_at; i++)
		t->key[i] = mix(w->hash[i], w->hash[i + 1]);
	n_at = pick_repeated(t, n_at);
	for (int n = 2; n <= up_to; n++) {
		w->ngram[n].chars = up_to > 4 ? all_chars(w, n) : 0;
		count_ngrams(t, w, n, n_at);
		int64_t kept = 0;
		for (int64_t k = 0; k < n_at; k++) {
			uint32_t i = t->at[k];
			if (t->repeated[i] && t->repeated[i + 1] && i + n < words)
				t->at[kept++] = i;
		}
		n_at = kept;
		memset(t->repeated, 0, (size_t)words + 1);
		for (int64_t k = 0; k < n_at; k++)
			t->key[t->at[k]] = mix(t->key[t->at[k]], w->hash[t->at[k] + (uint32_t)n]);
	}
}

/* --- datatrove's greedy scan ---------------------------------------------------------------------- */

static void stream_words(struct text_stats *t, enum splitter how)
{
	struct word_stats *w = &t->words[how];
	const struct spans *words = &w->words;
	if ((size_t)words->n + 1 > w->stream_cap) {
		w->stream_cap = (size_t)words->n + (size_t)words->n / 8 + 64;
		w->stream_at = mem_grow(w->stream_at, w->stream_cap, sizeof(*w->stream_at));
		w->candidates = mem_grow(w->candidates, w->stream_cap, sizeof(*w->candidates));
	}
	buf_clear(&w->stream);
	buf_reserve(&w->stream, t->n + 2 * WINDOW);
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
}

static uint64_t window_key(const char *s)
{
	uint64_t a, b;
	memcpy(&a, s, 8);
	memcpy(&b, s + WINDOW - 8, 8);
	return mix(a, b);
}

/* Where a run of at least five words may be one that also stands elsewhere. */
static void find_candidates(struct text_stats *t, enum splitter how)
{
	struct word_stats *w = &t->words[how];
	int64_t words = w->words.n;
	if (w->streamed)
		return;
	w->streamed = true;
	w->n_candidates = 0;
	split_words(t, how);
	words = w->words.n;
	if (words < 5)
		return;
	look_at_words(t, how);
	stream_words(t, how);
	chain_room(t, (size_t)words + 1);
	for (int64_t i = 0; i + 5 <= words; i++) {
		t->repeated[i] = w->stream_at[i + 5] - w->stream_at[i] < WINDOW;
		t->key[i] = w->stream_at[words] - w->stream_at[i] < WINDOW ? mix((uint64_t)i, 1) : window_key(w->stream.data + w->stream_at[i]);
	}
	int64_t picked = pick_repeated(t, words - 4);
	seen_start(&t->seen, picked);
	struct seen seen = t->seen;
	for (int64_t k = 0; k < picked; k++) {
		uint32_t i = t->at[k], e = seen_entry(&seen, t->key[i]);
		if (seen.count[e]++)
			t->repeated[i] = t->repeated[seen.first[e]] = 2;
		else
			seen.first[e] = i;
	}
	for (int64_t i = 0; i + 5 <= words; i++)
		if (t->repeated[i])
			w->candidates[w->n_candidates++] = (uint32_t)i | (t->repeated[i] > 1 ? REPEATED : 0);
}

double greedy_repeats(struct text_stats *t, enum splitter how, int n)
{
	struct word_stats *w = &t->words[how];
	find_candidates(t, how);
	if (w->n_candidates == 0)
		return 0;
	seen_start(&t->seen, w->n_candidates);
	double chars = 0;
	uint32_t next = 0;           /* the scan goes on here after a hit */
	for (int64_t k = 0; k < w->n_candidates; k++) {
		uint32_t i = w->candidates[k] & ~REPEATED;
		if (i < next || i + (uint32_t)n > w->words.n)
			continue;
		uint32_t from = w->stream_at[i], to = w->stream_at[i + (uint32_t)n];
		if (to - from >= WINDOW && !(w->candidates[k] & REPEATED))
			continue;
		if (seen_count(&t->seen, hash64(w->stream.data + from, to - from))) {
			chars += w->chars_to[i + (uint32_t)n] - w->chars_to[i];
			next = i + (uint32_t)n;
		}
	}
	return chars;
}
