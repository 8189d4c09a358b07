/* stats_look.c - one look at each word: its hash, its length, letters, punctuation, English stop words; see stats_priv.h. */
#include "text/stats_priv.h"

#include "text/char_window.h"

enum { C_ALPHA = 1, C_TEXT = 2, C_V1_TEXT = 4, C_HIGH = 8 };

/* C_TEXT: not in PUNCTUATION or TERMINAL_PUNCTUATION; C_V1_TEXT: not in PUNCTUATION. */
static uint8_t class_of(uint32_t c)
{
	unsigned k = char_class(c);
	return (uint8_t)((k & CHAR_ALPHA ? C_ALPHA : 0) | (k & (CHAR_PUNCTUATION | CHAR_TERMINAL) ? 0 : C_TEXT) | (k & CHAR_PUNCTUATION ? 0 : C_V1_TEXT));
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

/* --- one look at each ---------------------------------------------------------------------------- */

/* Classes of a word's characters, all together; *chars their number. */
static unsigned look_at(const char *s, size_t n, uint32_t *chars)
{
	unsigned all = 0;
	*chars = 0;
	for (size_t i = 0; i < n; ++*chars) {
		int len;
		uint32_t c = text_decode_valid(s + i, &len);
		all |= c < 0x80 ? classes[c] : class_of(c);
		i += (size_t)len;
	}
	return all;
}

static inline uint64_t word_hash(uint64_t a, uint64_t b, uint32_t n)
{
	b += n * 0xff51afd7ed558ccdu;
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
static inline unsigned all_letters(uint64_t v)
{
	const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
	uint64_t low = v | ones * 0x20, some = (v & ~high) + ones * 0x7f;            /* 0x80 where a byte is not zero */
	uint64_t letter = (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'z'));
	return !((v & high) | (some & ~letter & high));
}

static uint32_t look_plain(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
			   uint32_t *chars_to, struct look *l)
{
	int64_t non_symbol = 0, symbol_chars = 0, v1_non_symbol = 0, v1_chars = 0, alpha = 0, stops = 0;
	uint64_t seen = 0;
	const struct span *v = words->v;
	for (int64_t i = from; i < to; i++) {
		const char *s = t->s + v[i].from;
		uint32_t n = v[i].len, chars = n;
		uint64_t a, b;
		load_word(s, n, t->n - v[i].from, &a, &b);
		hash[i] = word_hash(a, b, n);
		chars_to[i] = sum;
		/* Nearly all words are letters, or one mark: no branch tells these two apart. */
		unsigned all = n == 1 ? classes[(unsigned char)*s] : C_ALPHA | C_TEXT | C_V1_TEXT, slot = stop_slot(a);
		if (n > 1 && !((n <= 16) & all_letters(a) & all_letters(b)))
			all = look_at(s, n, &chars);
		bool stop = (stop_words[slot] == a) & (stop_bytes[slot] == n);
		sum += chars;
		alpha += all & C_ALPHA;
		non_symbol += (all & C_TEXT) != 0;
		symbol_chars += all & C_TEXT ? chars : 0;
		v1_non_symbol += (all & C_V1_TEXT) != 0;
		v1_chars += all & C_V1_TEXT ? chars : 0;
		stops += stop;
		seen |= (uint64_t)stop << slot;
	}
	*l = (struct look){l->chars, l->non_symbol + non_symbol, l->non_symbol_chars + symbol_chars, l->alpha + alpha, l->v1_non_symbol + v1_non_symbol,
			   l->v1_non_symbol_chars + v1_chars, l->stop_occurrences + stops, l->stop_seen | seen};
	return sum;
}

#ifdef __x86_64__
/* A window of the text: a bit for each first byte of a character. */
struct sight {
	const char *from, *to;
	uint64_t first, alpha, text, v1_text;
};

CHAR_WINDOW_FN static inline struct sight sight_at(const char *s, size_t n)
{
	struct char_window w = char_window_at(s, n);
	uint64_t v1_text = w.first & ~CHAR_WINDOW_TEST(&w, CHAR_PUNCTUATION);
	return (struct sight){s, s + w.bytes, w.first, CHAR_WINDOW_TEST(&w, CHAR_ALPHA), v1_text & ~CHAR_WINDOW_TEST(&w, CHAR_TERMINAL), v1_text};
}

/* Classes are looked up for a window of characters at once, and of its words their bits are taken. */
CHAR_WINDOW_FN static uint32_t look_avx512(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
					   uint32_t *chars_to, struct look *l)
{
	struct look r = *l;
	struct sight w = {.from = t->s, .to = t->s};
	for (int64_t i = from; i < to; i++) {
		const char *s = t->s + words->v[i].from;
		uint32_t n = words->v[i].len, chars;
		bool alpha, text, v1_text;
		__m128i v = _mm_maskz_loadu_epi8((__mmask16)_bzhi_u32(0xffff, n), s);
		uint64_t a = (uint64_t)_mm_cvtsi128_si64(v), b = (uint64_t)_mm_extract_epi64(v, 1);
		if (s + n > w.to)
			w = sight_at(s, t->n - words->v[i].from);
		if (s + n <= w.to) {
			unsigned at = (unsigned)(s - w.from);
			uint64_t word = _bzhi_u64(~0ull, n);
			chars = (uint32_t)_mm_popcnt_u64(w.first >> at & word);
			alpha = w.alpha >> at & word;
			text = w.text >> at & word;
			v1_text = w.v1_text >> at & word;
		} else {
			unsigned all = look_at(s, n, &chars);
			alpha = all & C_ALPHA;
			text = all & C_TEXT;
			v1_text = all & C_V1_TEXT;
		}
		if (n > 16)
			load_word(s, n, t->n - words->v[i].from, &a, &b);
		unsigned slot = stop_slot(a);
		bool stop = (stop_words[slot] == a) & (stop_bytes[slot] == n);
		hash[i] = word_hash(a, b, n);
		chars_to[i] = sum;
		sum += chars;
		r.alpha += alpha;
		r.non_symbol += text;
		r.non_symbol_chars += text ? chars : 0;
		r.v1_non_symbol += v1_text;
		r.v1_non_symbol_chars += v1_text ? chars : 0;
		r.stop_occurrences += stop;
		r.stop_seen |= (uint64_t)stop << slot;
	}
	*l = r;
	return sum;
}
#endif

uint32_t look_at_some(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
		      uint32_t *chars_to, struct look *l)
{
#ifdef __x86_64__
	if (char_window_wide)
		return look_avx512(t, words, from, to, sum, hash, chars_to, l);
#endif
	return look_plain(t, words, from, to, sum, hash, chars_to, l);
}
