/* text_stats.c - the names of the statistics and the way to each; see text_stats.h. */
#include "text/stats_priv.h"

#include "text/char_window.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char *const names[N_STATS] = {
	[STAT_CHARS] = "chars",  /* characters (code points) */
	[STAT_WORDS] = "words",  /* words */
	[STAT_LINES] = "lines",  /* lines that are not blank */
	[STAT_SENTENCES] = "sentences",  /* sentences, line by line */
	[STAT_LETTER_SHARE] = "letter_share",  /* letters, of the characters that are not white space */
	[STAT_NON_SYMBOL_WORDS] = "non_symbol_words",  /* words that are not all punctuation */
	[STAT_MEAN_WORD_CHARS] = "mean_word_chars",  /* mean length of those */
	[STAT_HASHES_PER_WORD] = "hashes_per_word",  /* hash signs for each word */
	[STAT_ELLIPSES_PER_WORD] = "ellipses_per_word",  /* ellipses for each word */
	[STAT_BULLET_LINE_SHARE] = "bullet_line_share",  /* lines that begin with a bullet or hyphen */
	[STAT_ELLIPSIS_LINE_SHARE] = "ellipsis_line_share",  /* lines that end in an ellipsis */
	[STAT_ALPHA_WORD_SHARE] = "alpha_word_share",  /* words with a letter */
	[STAT_STOP_WORDS] = "stop_words",  /* how many of Gopher's eight English stop words occur */
	[STAT_STOP_WORD_SHARE] = "stop_word_share",  /* stop words of the language that has most of them, of twenty */
	[STAT_DUP_PARA_SHARE] = "dup_para_share",  /* paragraphs that came before */
	[STAT_DUP_PARA_CHARS] = "dup_para_chars",  /* characters in those */
	[STAT_DUP_LINE_SHARE] = "dup_line_share",  /* lines that came before */
	[STAT_DUP_LINE_CHARS] = "dup_line_chars",  /* characters in those */
	[STAT_TOP_2_GRAM] = "top_2_gram_chars",  /* characters in the most frequent pair of words */
	[STAT_TOP_3_GRAM] = "top_3_gram_chars",  /* the same of runs of 3 words */
	[STAT_TOP_4_GRAM] = "top_4_gram_chars",  /* of 4 words */
	[STAT_DUP_5_GRAM] = "dup_5_gram_chars",  /* characters in runs of 5 words that came before */
	[STAT_DUP_6_GRAM] = "dup_6_gram_chars",  /* of 6 words */
	[STAT_DUP_7_GRAM] = "dup_7_gram_chars",  /* of 7 words */
	[STAT_DUP_8_GRAM] = "dup_8_gram_chars",  /* of 8 words */
	[STAT_DUP_9_GRAM] = "dup_9_gram_chars",  /* of 9 words */
	[STAT_DUP_10_GRAM] = "dup_10_gram_chars",  /* of 10 words */
	[STAT_LINE_END_SHARE] = "line_end_share",  /* lines that end in terminal punctuation, of those not blank */
	[STAT_SHORT_LINE_SHARE] = "short_line_share",  /* lines of at most 30 characters, of those not blank */
	[STAT_LINE_COPY_CHARS] = "line_copy_chars",  /* characters in lines that came before, of those not line feeds */
	[STAT_NEWLINES_PER_WORD] = "newlines_per_word",  /* line feeds for each word */
	[STAT_LOREM_IPSUM] = "lorem_ipsum",  /* 1 if there is "lorem ipsum" */
	[STAT_CURLY_BRACKET] = "curly_bracket",  /* 1 if there is a curly bracket */
	[STAT_V1_NON_SYMBOL_WORDS] = "v1_non_symbol_words", [STAT_V1_MEAN_WORD_CHARS] = "v1_mean_word_chars",
	[STAT_V1_STOP_WORDS] = "v1_stop_words", [STAT_V1_DUP_LINE_SHARE] = "v1_dup_line_share",
	[STAT_V1_DUP_LINE_CHARS] = "v1_dup_line_chars", [STAT_V1_LINE_END_SHARE] = "v1_line_end_share",
	[STAT_V1_SHORT_LINE_SHARE] = "v1_short_line_share",
	[STAT_DOLMA_WORDS] = "dolma_words", [STAT_DOLMA_MEDIAN_WORD_CHARS] = "dolma_median_word_chars",
	[STAT_DOLMA_SYMBOL_WORD_SHARE] = "dolma_symbol_word_share", [STAT_DOLMA_ALPHA_WORD_SHARE] = "dolma_alpha_word_share",
	[STAT_DOLMA_STOP_WORDS] = "dolma_stop_words", [STAT_DOLMA_BULLET_LINE_SHARE] = "dolma_bullet_line_share",
	[STAT_DOLMA_ELLIPSIS_LINE_SHARE] = "dolma_ellipsis_line_share", [STAT_DOLMA_DUP_LINE_SHARE] = "dolma_dup_line_share",
	[STAT_DOLMA_DUP_LINE_CHARS] = "dolma_dup_line_chars", [STAT_DOLMA_TOP_2_GRAM] = "dolma_top_2_gram_chars",
	[STAT_DOLMA_TOP_3_GRAM] = "dolma_top_3_gram_chars", [STAT_DOLMA_TOP_4_GRAM] = "dolma_top_4_gram_chars",
	[STAT_DOLMA_DUP_5_GRAM] = "dolma_dup_5_gram_chars", [STAT_DOLMA_DUP_6_GRAM] = "dolma_dup_6_gram_chars",
	[STAT_DOLMA_DUP_7_GRAM] = "dolma_dup_7_gram_chars", [STAT_DOLMA_DUP_8_GRAM] = "dolma_dup_8_gram_chars",
	[STAT_DOLMA_DUP_9_GRAM] = "dolma_dup_9_gram_chars", [STAT_DOLMA_DUP_10_GRAM] = "dolma_dup_10_gram_chars",
};

const char *stat_name(enum stat which)
{
	return names[which];
}

int stat_find(const char *name, size_t n)
{
	for (int i = 0; i < N_STATS; i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return i;
	return -1;
}

/* --- the text --------------------------------------------------------------------------------- */

struct text_stats *text_stats_open(void)
{
	struct text_stats *t = mem_zalloc(sizeof(struct text_stats));
	t->piece_words = PIECE_WORDS;
	t->lines_kept = LINES_KEPT;
	return t;
}

static void release(struct text_stats *t)
{
	for (int i = 0; i < N_SPLITTERS; i++) {
		struct word_stats *w = &t->words[i];
		spans_release(&w->words);
		buf_release(&w->stream);
		mem_free(w->pieces);
		mem_free(w->hash);
		mem_free(w->chars_to);
		mem_free(w->stream_at);
		mem_free(w->candidates);
	}
	spans_release(&t->list.v);
	mem_free(t->list.hash);
	spans_release(&t->c4.lines);
	buf_release(&t->rewritten);
	buf_release(&t->spare);
	seen_release(&t->seen);
	mem_free(t->set.slot);
	places_release(t);
}

void text_stats_close(struct text_stats *t)
{
	if (!t)
		return;
	release(t);
	mem_free(t);
}

static void start(struct text_stats *t, const char *s, size_t n)
{
	t->s = s;
	t->n = n;
	t->most = n > t->most ? n : t->most;
	t->scanned = t->have_lines = t->have_ends = t->list.made = false;
	memset(t->have, 0, sizeof(t->have));
	for (int i = 0; i < N_SPLITTERS; i++) {
		struct word_stats *w = &t->words[i];
		w->split = w->looked = w->hashed = false;
		w->streamed_for = 0;
		w->chained_to = 0;
	}
}

void text_stats_set(struct text_stats *t, const char *s, size_t n)
{
	if (t->most > TEXT_STATS_LARGE) {
		struct text_stats empty = {.piece_words = t->piece_words, .lines_kept = t->lines_kept};
		release(t);
		*t = empty;
		mem_trim();
	}
	start(t, s, n);
	t->c4.done = false;
}

const char *text_stats_text(const struct text_stats *t, size_t *n)
{
	*n = t->n;
	return t->s;
}

bool text_has_behind(const char *s, size_t n, int byte, const char *before, size_t n_before)
{
	for (const char *p = s, *end = s + n; (p = memchr(p, byte, (size_t)(end - p))); p++)
		if ((size_t)(p - s) >= n_before && memcmp(p - n_before, before, n_before) == 0)
			return true;
	return false;
}

/* Of a text that is not all ASCII: does it have U+0085, U+2028 or U+2029? Sixteen bytes at a time, as these bytes are frequent in some scripts. */
static bool has_high_breaks(const char *s, size_t n)
{
	size_t i = 0;
#ifdef __SSE2__
#define IS(v, c) _mm_cmpeq_epi8(v, _mm_set1_epi8((char)(c)))
	__m128i found = _mm_setzero_si128();
	for (; i + 18 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i)), next = _mm_loadu_si128((const __m128i *)(const void *)(s + i + 1));
		__m128i third = _mm_loadu_si128((const __m128i *)(const void *)(s + i + 2));
		__m128i separator = _mm_and_si128(_mm_and_si128(IS(v, 0xe2), IS(next, 0x80)), _mm_or_si128(IS(third, 0xa8), IS(third, 0xa9)));
		found = _mm_or_si128(found, _mm_or_si128(separator, _mm_and_si128(IS(v, 0xc2), IS(next, 0x85))));
	}
#undef IS
	if (_mm_movemask_epi8(found))
		return true;
#endif
	return text_has_behind(s + i, n - i, 0x85, "\xc2", 1) || text_has_behind(s + i, n - i, 0xa8, "\xe2\x80", 2) ||
	       text_has_behind(s + i, n - i, 0xa9, "\xe2\x80", 2);
}

/* One look at every byte: is all ASCII, and does a line end in another way than by a line feed? */
void scan_text(struct text_stats *t)
{
	if (t->scanned)
		return;
	uint64_t high = 0, odd = 0;
	size_t i = 0;
#ifdef __SSE2__
	const __m128i two = _mm_set1_epi8(2);
	__m128i all = _mm_setzero_si128(), breaks = all;
	for (; i + 16 <= t->n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(t->s + i));
		__m128i vertical = _mm_sub_epi8(v, _mm_set1_epi8(0x0b)), separator = _mm_sub_epi8(v, _mm_set1_epi8(0x1c));
		all = _mm_or_si128(all, v);
		breaks = _mm_or_si128(breaks, _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(vertical, two), vertical),
							   _mm_cmpeq_epi8(_mm_min_epu8(separator, two), separator)));
	}
	high = _mm_movemask_epi8(all) ? 0x80 : 0;
	odd = (uint64_t)_mm_movemask_epi8(breaks);
#endif
	for (; i < t->n; i++) {
		unsigned c = (unsigned char)t->s[i];
		high |= c;
		odd |= (c >= 0x0b && c <= 0x0d) || (c >= 0x1c && c <= 0x1e);
	}
	t->ascii = (high & 0x80) == 0;
	t->odd_breaks = odd || (!t->ascii && has_high_breaks(t->s, t->n));
	t->chars = t->ascii ? (double)t->n : (double)text_length(t->s, t->n);
	t->scanned = true;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static double share(double part, double all)
{
	return all > 0 ? part / all : (double)NAN;
}

/* Non-overlapping occurrences, as str.count. */
static double count_of(const struct text_stats *t, const char *what)
{
	size_t len = strlen(what);
	const char *s = t->s, *end = t->s + t->n;
	double count = 0;
	for (const char *p; s < end && (p = memchr(s, *what, (size_t)(end - s)));) {
		bool found = (size_t)(end - p) >= len && memcmp(p, what, len) == 0;
		count += found;
		s = p + (found ? len : 1);
	}
	return count;
}

/* Share of the pieces that came before, and of the text's characters that they have. */
static void copies(struct text_stats *t, enum lines kind, enum stat pieces, enum stat chars)
{
	struct copies c = count_copies(t, kind);
	for (int k = 0; k < N_SPLITTERS; k++) {
		t->have[k][pieces] = t->have[k][chars] = true;
		t->value[k][pieces] = share(c.copies, c.pieces);
		t->value[k][chars] = share(c.copy_chars, t->chars);
	}
}

static void count_pieces(struct text_stats *t, enum stat which)
{
	if (which == STAT_DUP_PARA_SHARE || which == STAT_DUP_PARA_CHARS)
		copies(t, LINES_PARAGRAPHS, STAT_DUP_PARA_SHARE, STAT_DUP_PARA_CHARS);
	else if (which == STAT_DUP_LINE_SHARE || which == STAT_DUP_LINE_CHARS)
		copies(t, LINES_RUNS, STAT_DUP_LINE_SHARE, STAT_DUP_LINE_CHARS);
	else
		copies(t, LINES_PYTHON, STAT_V1_DUP_LINE_SHARE, STAT_V1_DUP_LINE_CHARS);
}

static double letter_share(const struct text_stats *t)
{
	struct char_counts c = char_window_count(t->s, t->n);
	return share((double)c.letters, (double)c.solid);
}

/* Sentences of the lines, as C4 adds them up. */
static double line_sentences(struct text_stats *t)
{
	struct line_walk w;
	double count = 0;
	walk_start(t, LINES_PYTHON, &w);
	while (walk_line(t, &w))
		count += (double)words_sentences(t->s + w.from, w.len);
	return count;
}

static double top_chars(struct text_stats *t, enum splitter how, int n)
{
	chain_ngrams(t, how, 4);     /* who asks about one asks about all */
	const struct ngram *g = &t->words[how].ngram[n];
	if (t->words[how].n < n)
		return 0;
	return share((double)(g->chars_of_most + (uint32_t)n - 1) * g->most, t->chars);
}

static double word_number(struct text_stats *t, enum stat which, enum splitter how)
{
	double words = (double)split_words(t, how);
	switch (which) {
	case STAT_WORDS: return words;
	case STAT_HASHES_PER_WORD: return share(count_of(t, "#"), words);
	case STAT_ELLIPSES_PER_WORD: return share(count_of(t, "...") + (t->ascii ? 0 : count_of(t, "\xe2\x80\xa6")), words);
	case STAT_NEWLINES_PER_WORD: return share(count_of(t, "\n"), words);
	case STAT_STOP_WORD_SHARE: return stop_word_share(t, how);
	default: break;
	}
	const struct look *l = look_at_words(t, how);
	switch (which) {
	case STAT_NON_SYMBOL_WORDS: return (double)l->non_symbol;
	case STAT_MEAN_WORD_CHARS: return share((double)l->non_symbol_chars, (double)l->non_symbol);
	case STAT_ALPHA_WORD_SHARE: return share((double)l->alpha, words);
	case STAT_STOP_WORDS: return __builtin_popcountll(l->stop_seen);
	case STAT_V1_NON_SYMBOL_WORDS: return (double)l->v1_non_symbol;
	case STAT_V1_MEAN_WORD_CHARS: return share((double)l->v1_non_symbol_chars, (double)l->v1_non_symbol);
	default: return (double)l->stop_occurrences; /* STAT_V1_STOP_WORDS */
	}
}

static double compute(struct text_stats *t, enum stat which, enum splitter how)
{
	switch (which) {
	case STAT_CHARS: return t->chars;
	case STAT_LETTER_SHARE: return letter_share(t);
	case STAT_SENTENCES: return t->c4.done ? t->c4.sentences : line_sentences(t);
	case STAT_LOREM_IPSUM:
		return t->c4.done ? t->c4.lorem + (t->c4.lorem && !t->c4.curly_first) : text_has_folded(t->s, t->n, "lorem ipsum");
	case STAT_CURLY_BRACKET:
		return t->c4.done ? t->c4.curly + (t->c4.curly && t->c4.curly_first) : memchr(t->s, '{', t->n) != NULL;
	case STAT_TOP_2_GRAM: case STAT_TOP_3_GRAM: case STAT_TOP_4_GRAM:
		return top_chars(t, how, 2 + (int)(which - STAT_TOP_2_GRAM));
	case STAT_DUP_5_GRAM: case STAT_DUP_6_GRAM: case STAT_DUP_7_GRAM: case STAT_DUP_8_GRAM: case STAT_DUP_9_GRAM: case STAT_DUP_10_GRAM:
		return share(greedy_repeats(t, how, 5 + (int)(which - STAT_DUP_5_GRAM)), t->chars);
	case STAT_DUP_PARA_SHARE: case STAT_DUP_PARA_CHARS: case STAT_DUP_LINE_SHARE: case STAT_DUP_LINE_CHARS:
	case STAT_V1_DUP_LINE_SHARE: case STAT_V1_DUP_LINE_CHARS:
		count_pieces(t, which);
		return t->value[how][which];
	case STAT_LINES: case STAT_BULLET_LINE_SHARE: case STAT_ELLIPSIS_LINE_SHARE: case STAT_LINE_END_SHARE: case STAT_SHORT_LINE_SHARE:
	case STAT_LINE_COPY_CHARS: case STAT_V1_LINE_END_SHARE: case STAT_V1_SHORT_LINE_SHARE:
		return line_number(t, which);
	default:
		return which >= STAT_DOLMA_WORDS ? dolma_number(t, which) : word_number(t, which, how);
	}
}

double text_stats_get(struct text_stats *t, enum stat which, enum splitter how)
{
	if (!t->have[how][which]) {
		scan_text(t);
		t->value[how][which] = compute(t, which, how);
		t->have[how][which] = true;
	}
	return t->value[how][which];
}

/* --- C4 ----------------------------------------------------------------------------------------- */

/* Leaves of the words those of the lines that stay, at their new places: a line's words do not depend on its neighbours. False where one reaches
 * over a line's end. */
static bool keep_words(struct text_stats *t, struct spans *words)
{
	int64_t kept = 0, i = 0;
	size_t at = 0;               /* in the new text */
	for (int64_t k = 0; k < t->c4.lines.n; k++) {
		size_t from = t->c4.lines.v[k].from, to = from + t->c4.lines.v[k].len;
		for (; i < words->n && words->v[i].from < from; i++)
			if ((size_t)words->v[i].from + words->v[i].len > from)
				return false;
		for (; i < words->n && words->v[i].from < to; i++) {
			if ((size_t)words->v[i].from + words->v[i].len > to)
				return false;
			words->v[kept++] = (struct span){(uint32_t)(words->v[i].from - from + at), words->v[i].len};
		}
		at += to - from + 1;
	}
	words->n = kept;
	return true;
}

bool text_stats_c4(struct text_stats *t, const struct c4_manner *m)
{
	struct buf *out = t->s == t->rewritten.data ? &t->spare : &t->rewritten;
	bool kept[N_SPLITTERS];
	scan_text(t);
	t->c4.lorem = t->c4.curly = t->c4.curly_first = false;
	t->c4.sentences = 0;
	t->c4.lines.n = 0;
	buf_clear(out);
	c4_lines(t, m, out);
	bool same = out->len == t->n && memcmp(out->data, t->s, t->n) == 0;
	for (int k = 0; k < N_SPLITTERS; k++) {
		struct word_stats *w = &t->words[k];
		kept[k] = !same && w->split && w->n_pieces == 1 && t->c4.whole_lines && keep_words(t, &w->words);
	}
	if (!same)
		start(t, out->data, out->len);
	for (int k = 0; k < N_SPLITTERS; k++)
		if (kept[k]) {
			t->words[k].split = true;
			t->words[k].n = t->words[k].own = t->words[k].words.n;
		}
	t->c4.done = true;
	for (int k = 0; k < N_SPLITTERS; k++)
		t->have[k][STAT_SENTENCES] = t->have[k][STAT_LOREM_IPSUM] = t->have[k][STAT_CURLY_BRACKET] = false;
	return !same;
}
