/* stats_repeat.c - runs of words that come more than once; see stats_priv.h.
 *
 * The keys of all runs of n words are counted in small counters that they share (cells). A run comes no more often than its cell says, so the most
 * frequent one is looked for among the runs of the fullest cells, which are few, by a table of whole keys. A run of n words comes twice only
 * where its first and its last n-1 words do: in a text of one piece, longer runs are looked for only there. */
#include "text/stats_priv.h"

#define CELL_MOST 255        /* cells count no further: "this often, or oftener" */

/* The keys of the runs of n words that start in a piece, or of those of them that may come twice, into t->at and t->key. */
static void find_places(struct text_stats *t, enum splitter how, int64_t piece, int n)
{
	struct word_stats *w = &t->words[how];
	if (w->n_pieces == 1 && n > 2)
		return;                      /* narrow() has found them */
	load_words(t, how, piece, true);
	int64_t runs = w->words.n - n + 1;
	t->n_at = runs < w->own ? (runs > 0 ? runs : 0) : w->own;
	places_room(t, t->n_at);
	uint64_t *key = t->key;
	uint32_t *at = t->at;
	const uint64_t *hash = w->hash;
	const int64_t n_at = t->n_at;
	for (int64_t i = 0; i < n_at; i++) {
		at[i] = (uint32_t)i;
		key[i] = stats_mix(hash[i], hash[i + 1]);
	}
	for (int k = 2; k < n; k++)
		for (int64_t i = 0; i < n_at; i++)
			key[i] = stats_mix(key[i], hash[i + k]);
}

/* Counts all runs of n words in the cells; the highest count. */
static unsigned fill_cells(struct text_stats *t, enum splitter how, int n)
{
	struct word_stats *w = &t->words[how];
	unsigned most = 0;
	cells_start(t, w->n_pieces == 1 && n > 2 ? t->n_at : w->n);
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		find_places(t, how, piece, n);
		uint8_t *cell = t->cell;
		const uint64_t *key = t->key, mask = t->cell_mask;
		const int64_t n_at = t->n_at;
		for (int64_t k = 0; k < n_at; k++) {
			uint8_t *c = &cell[cell_of(mask, key[k])];
			unsigned count = *c + (*c < CELL_MOST);
			*c = (uint8_t)count;
			most = count > most ? count : most;
		}
		if (piece == 0)
			w->ngram[n].chars_of_most = w->n >= n ? w->chars_to[n] - w->chars_to[0] : 0;
	}
	return most;
}

/* Enters the runs whose cells say `least` or more, of one part of the keys. False if the table is too small. */
static bool enter_runs(struct text_stats *t, enum splitter how, int n, unsigned least, uint64_t part, uint64_t parts)
{
	struct word_stats *w = &t->words[how];
	int64_t bound = w->n_pieces == 1 ? t->n_at : seen_bound(t, w->n);
	seen_start(&t->seen, bound < 1 ? 1 : bound);
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		int64_t picked = 0;
		find_places(t, how, piece, n);
		const uint64_t *key = t->key, mask = t->cell_mask;
		const uint8_t *cell = t->cell;
		const uint32_t first = w->pieces[piece].first;
		const int64_t n_at = t->n_at;
		uint32_t *pick = t->pick;
		uint8_t *count = t->count;
		for (int64_t k = 0; k < n_at; k++) {
			unsigned c = cell[cell_of(mask, key[k])];
			count[k] = (uint8_t)c;
			pick[picked] = (uint32_t)k;
			picked += c >= least;
		}
		for (int64_t p = 0; p < picked; p++) {
			uint32_t k = pick[p], i = t->at[k];
			if (parts > 1 && key[k] % parts != part)
				continue;
			uint32_t e = seen_entry(&t->seen, key[k]);
			if (e == SEEN_FULL)
				return false;
			if (t->seen.count[e]++ == 0) {
				t->seen.first[e] = first + i;
				t->seen.chars[e] = w->chars_to[i + (uint32_t)n] - w->chars_to[i];
			}
		}
	}
	return true;
}

/* Counts the runs whose cells say `least` or more: the most frequent of them, of several the one that came first, as Counter.most_common. */
static void count_runs(struct text_stats *t, enum splitter how, int n, unsigned least)
{
	struct ngram *g = &t->words[how].ngram[n];
	uint32_t first = 0;
	uint64_t part = 0, parts = 1;
	g->most = 1;
	g->repeated_chars = 0;
	while (part < parts) {
		if (!enter_runs(t, how, n, least, part, parts)) {
			parts *= 2;                  /* those that were counted count for nothing, as they come again */
			part = 0;
			g->most = 1;
			g->repeated_chars = 0;
			continue;
		}
		for (uint32_t e = 0; e < t->seen.n; e++) {
			uint32_t count = t->seen.count[e];
			if (count > g->most || (count > 1 && count == g->most && t->seen.first[e] < first)) {
				g->most = count;
				g->chars_of_most = t->seen.chars[e];
				first = t->seen.first[e];
			}
			g->repeated_chars += count > 1 ? (double)count * t->seen.chars[e] : 0;
		}
		part++;
	}
}

/* Leaves of the places of runs of n words those where a run of n + 1 may come twice, with the keys of these. */
static void narrow(struct text_stats *t, struct word_stats *w, int n)
{
	int64_t kept = 0;
	const uint32_t last = (uint32_t)(w->n - n);  /* no longer run starts there or behind */
	uint32_t *at = t->at;
	uint64_t *key = t->key;
	const uint8_t *count = t->count;
	const int64_t n_at = t->n_at;
	for (int64_t k = 0; k + 1 < n_at; k++) {
		uint32_t i = at[k];
		bool stays = (count[k] > 1) & (count[k + 1] > 1) & (at[k + 1] == i + 1) & (i < last);
		at[kept] = i;
		key[kept] = key[k];
		kept += stays;
	}
	for (int64_t k = 0; k < kept; k++)
		key[k] = stats_mix(key[k], w->hash[at[k] + (uint32_t)n]);
	t->n_at = kept;
}

/* Characters of the words of all runs: of every word as often as it stands in one. */
static double all_chars(struct text_stats *t, enum splitter how, int n)
{
	struct word_stats *w = &t->words[how];
	double sum = 0;
	for (int64_t piece = 0; piece < w->n_pieces; piece++) {
		load_words(t, how, piece, true);
		for (int64_t i = 0; i < w->own && i + n <= w->words.n; i++)
			sum += w->chars_to[i + n] - w->chars_to[i];
	}
	return sum;
}

void chain_ngrams(struct text_stats *t, enum splitter how, int up_to)
{
	struct word_stats *w = &t->words[how];
	split_words(t, how);
	if (w->chained_to >= up_to)
		return;
	w->chained_to = up_to;
	memset(w->ngram, 0, sizeof(w->ngram));
	for (int n = 2; n <= up_to; n++) {
		struct ngram *g = &w->ngram[n];
		bool all = n > 4;                    /* wanted are all that repeat, not only the most frequent */
		g->chars = up_to > 4 ? all_chars(t, how, n) : 0;
		unsigned top = fill_cells(t, how, n);
		g->most = 1;
		if (top < 2) {
			t->n_at = 0;
			continue;
		}
		/* What shares a cell makes it fuller, so a little below the top a count may be the highest, too. */
		unsigned least = all ? 2 : top - top / 4 - (top > 2);
		count_runs(t, how, n, least);
		if (g->most < least)
			count_runs(t, how, n, g->most > 2 ? g->most : 2);
		if (w->n_pieces == 1)
			narrow(t, w, n);
	}
}
