/* words_wide.c - see words_wide.h. */
#include "text/words_wide.h"

#include "text/char_window.h"
#include "text/word_break.h"
#include "text/words_ascii.h"
#include "text/words_put.h"

#ifdef __x86_64__
#define IS(class) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(class))

struct segments {
	uint64_t start, end;         /* first bytes of words; bytes before which they end */
	unsigned bytes;              /* the words before this byte are whole */
};

/* Of marks that may stand in a run: those that do, with `before` in front and `behind` after them, all their bytes. */
CHAR_WINDOW_FN static inline uint64_t between(const struct char_window *w, uint64_t marks, uint64_t run)
{
	uint64_t tails = ~w->first & w->high, first = marks & w->first & run << 1, last = marks & ~(tails >> 1) & run >> 1;
	uint64_t one = first & last, two = first & last >> 1 & tails >> 1 & ~(tails >> 2);
	uint64_t three = first & last >> 2 & tails >> 1 & tails >> 2;       /* none takes four bytes */
	return one | two | two << 1 | three | three << 1 | three << 2;
}

CHAR_WINDOW_FN static inline struct segments find_segments(const struct char_window *w, bool at_end)
{
	const __m512i v = char_window_spread(w, w->word);
	const uint64_t there = _bzhi_u64(~0ull, w->bytes), hebrew = IS(WB_HEBREW), letters = IS(WB_LETTER) | hebrew, digits = IS(WB_NUMERIC);
	const uint64_t joiners = IS(WB_EXTEND_NUM_LET), katakana = IS(WB_KATAKANA), zwj = IS(WB_EXTEND_ZWJ), marks = IS(WB_EXTEND) | zwj;
	const uint64_t both = IS(WB_MID_NUM_LET) | IS(WB_SINGLE_QUOTE), mid_letters = IS(WB_MID_LETTER) | both, mid_numbers = IS(WB_MID_NUM) | both;
	const uint64_t mids = mid_letters | mid_numbers, spaces = _mm512_test_epi8_mask(v, _mm512_set1_epi8(CHAR_WORD_SPACE));
	uint64_t hard = IS(WB_REGIONAL) | IS(WB_LETTER_PICTURE) | IS(WB_EXTEND_NUM_LET | CHAR_WORD_SPACE) | (marks & (spaces << 1 | 1)) |
			(mids & (marks << 1 | marks >> 1));
	if (katakana)
		hard |= joiners;
	if (zwj)
		hard |= IS(WB_PICTURE) & zwj << 1;
	if (hebrew)
		hard |= (IS(WB_SINGLE_QUOTE) | IS(WB_DOUBLE_QUOTE)) & (hebrew << 1 | marks << 1);
	unsigned limit = w->bytes;
	if (hard & there) {
		limit = 63 - (unsigned)_lzcnt_u64(_bzhi_u64(w->first, (unsigned)_tzcnt_u64(hard) + 1));
		at_end = false;
	}
	const uint64_t known = _bzhi_u64(there, limit);
	uint64_t run = letters | digits | joiners;
	run |= between(w, mid_letters, letters) | between(w, mid_numbers, digits);
	/* Marks behind a run belong to it: an addition carries through all of them. */
	run |= marks & ~(marks + (marks & run << 1));
	uint64_t kana = katakana | (marks & ~(marks + (marks & katakana << 1)));
	uint64_t start = ((run & ~(run << 1)) | (kana & ~(kana << 1)) | (w->first & ~(run | kana | marks | spaces))) & known;
	uint64_t bounds = (start | (spaces & w->first)) & known;
	unsigned bytes = limit;
	if (at_end && limit < 64) {
		bounds |= 1ull << limit;
	} else if (!at_end) {
		/* A mark between letters may stand last of what is known, and spaces before a mark of another kind. */
		uint64_t unsure = mids & ~(known >> 1 & (known >> 3 | ~w->high)), sure = bounds & ~unsure;
		unsigned solid = 64 - (unsigned)_lzcnt_u64(known & ~spaces);
		if ((spaces & w->high & known) & ~_bzhi_u64(~0ull, solid))
			sure = _bzhi_u64(sure, solid + 1);
		if (!sure)
			return (struct segments){0};
		bytes = 63 - (unsigned)_lzcnt_u64(sure);
	}
	return (struct segments){_bzhi_u64(start, bytes), bounds & ~(spaces << 1) & ~1ull, bytes};
}

CHAR_WINDOW_FN static size_t split_avx512(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	while (i < n && words->n < most) {
		struct char_window w = char_window_at(s + i, n - i);
		if (!w.high && n - i >= 64) {
			size_t to = words_ascii(s, n, i, most, words);
			if (to > i) {
				i = to;
				continue;
			}
		}
		struct segments g = find_segments(&w, i + w.bytes == n);
		if (g.bytes == 0)
			break;
		words_put(words, i, g.start, g.end);
		i += g.bytes;
	}
	return i;
}
#endif

size_t words_wide(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
#ifdef __x86_64__
	if (char_window_wide)
		return split_avx512(s, n, i, most, words);
#endif
	(void)s, (void)n, (void)most, (void)words;
	return i;
}
