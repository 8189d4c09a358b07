/* stats_look.c - one look at each word: its hash, its length, letters, punctuation, English stop words; see stats_priv.h. */
#include "text/stats_priv.h"

#include "text/char_window.h"

enum { C_ALPHA = 1, C_TEXT = 2, C_V1_TEXT = 4 };

/* C_TEXT: not in PUNCTUATION or TERMINAL_PUNCTUATION; C_V1_TEXT: not in PUNCTUATION. */
static uint8_t class_of(uint32_t c)
{
	unsigned k = char_class(c);
	return (uint8_t)((k & CHAR_ALPHA ? C_ALPHA : 0) | (k & (CHAR_PUNCTUATION | CHAR_TERMINAL) ? 0 : C_TEXT) | (k & CHAR_PUNCTUATION ? 0 : C_V1_TEXT));
}

static uint8_t classes[128];

__attribute__((constructor)) static void fill_classes(void)
{
	for (uint32_t c = 0; c < 128; c++)
		classes[c] = class_of(c);
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

/* Counts a word of these classes. */
static inline void add_word(unsigned all, uint32_t chars, struct look *l)
{
	l->alpha += all & C_ALPHA;
	l->non_symbol += (all & C_TEXT) != 0;
	l->non_symbol_chars += all & C_TEXT ? chars : 0;
	l->v1_non_symbol += (all & C_V1_TEXT) != 0;
	l->v1_non_symbol_chars += all & C_V1_TEXT ? chars : 0;
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
	struct look r = *l;
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
		add_word(all, chars, &r);
		r.stop_occurrences += stop;
		r.stop_seen |= (uint64_t)stop << slot;
	}
	*l = r;
	return sum;
}

/* --- many at a time -------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* A window of the text: a bit for each first byte of a character, and the first and last bytes of the words that it holds so far. */
struct sight {
	const char *from, *to;
	uint64_t first, alpha, text, v1_text;
	uint64_t starts, ends;
};

CHAR_WINDOW_FN static inline struct sight sight_at(const char *s, size_t n)
{
	struct char_window w = char_window_at(s, n);
	uint64_t v1_text = w.first & ~CHAR_WINDOW_TEST(&w, CHAR_PUNCTUATION);
	return (struct sight){s, s + w.bytes, w.first, CHAR_WINDOW_TEST(&w, CHAR_ALPHA), v1_text & ~CHAR_WINDOW_TEST(&w, CHAR_TERMINAL), v1_text, 0, 0};
}

/* The last bytes of the words that have one of the bits: a sum carries from it to there. */
static inline uint64_t words_with(const struct sight *w, uint64_t bits)
{
	uint64_t inside = (w->ends << 1) - w->starts;
	bits &= inside;
	return (((bits & ~w->ends) + (inside & ~w->ends)) | bits) & w->ends;
}

CHAR_WINDOW_FN static inline int64_t chars_of(const struct sight *w, uint64_t ends)
{
	uint64_t starts = _pdep_u64(_pext_u64(ends, w->ends), w->starts);
	return _mm_popcnt_u64(((ends << 1) - starts) & w->first);
}

CHAR_WINDOW_FN static inline void add_sight(const struct sight *w, struct look *l)
{
	uint64_t solid = words_with(w, w->text), v1_solid = words_with(w, w->v1_text);
	l->alpha += _mm_popcnt_u64(words_with(w, w->alpha));
	l->non_symbol += _mm_popcnt_u64(solid);
	l->non_symbol_chars += chars_of(w, solid);
	l->v1_non_symbol += _mm_popcnt_u64(v1_solid);
	l->v1_non_symbol_chars += chars_of(w, v1_solid);
}

/* A word of at most 16 bytes is one register; of a window's words their bits tell what they are. Without l hashes and lengths alone. */
CHAR_WINDOW_FN static inline __attribute__((always_inline)) uint32_t look_wide(const struct text_stats *t, const struct spans *words, int64_t from,
	int64_t to, uint32_t sum, uint64_t *hash, uint32_t *chars_to, struct look *l)
{
	const uint64_t factor = stop_factor;
	const struct span *span = words->v;
	const char *text = t->s, *end = text + t->n;
	struct sight w = {.from = text, .to = text};
	uint64_t seen = 0;
	int64_t stops = 0;
	for (int64_t i = from; i < to; i++) {
		const char *s = text + span[i].from;
		uint32_t n = span[i].len;
		__m128i v = _mm_maskz_loadu_epi8((__mmask16)_bzhi_u32(0xffff, n), s);
		uint64_t a = (uint64_t)_mm_cvtsi128_si64(v), b = (uint64_t)_mm_extract_epi64(v, 1);
		uint32_t chars = n - (uint32_t)_mm_popcnt_u32(_mm_cmplt_epi8_mask(v, _mm_set1_epi8(-64)));
		if (n > 16) {
			load_word(s, n, (size_t)(end - s), &a, &b);
			__m512i all = _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, n), s);
			chars = n > 64 ? (uint32_t)text_length(s, n) : n - (uint32_t)_mm_popcnt_u64(_mm512_cmplt_epi8_mask(all, _mm512_set1_epi8(-64)));
		}
		hash[i] = word_hash(a, b, n);
		chars_to[i] = sum;
		sum += chars;
		if (!l)
			continue;
		unsigned slot = (unsigned)(a * factor >> 60);
		bool stop = (stop_words[slot] == a) & (stop_bytes[slot] == n);
		stops += stop;
		seen |= (uint64_t)stop << slot;
		if (s + n > w.to) {
			add_sight(&w, l);
			w = sight_at(s, (size_t)(end - s));
		}
		if (s + n <= w.to) {
			w.starts |= 1ull << (s - w.from);
			w.ends |= 1ull << (s - w.from + n - 1);
		} else {
			add_word(look_at(s, n, &chars), chars, l);
		}
	}
	if (l) {
		add_sight(&w, l);
		l->stop_occurrences += stops;
		l->stop_seen |= seen;
	}
	return sum;
}

CHAR_WINDOW_FN static uint32_t look_avx512(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
					   uint32_t *chars_to, struct look *l)
{
	return look_wide(t, words, from, to, sum, hash, chars_to, l);
}

CHAR_WINDOW_FN static uint32_t hash_avx512(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
					   uint32_t *chars_to)
{
	return look_wide(t, words, from, to, sum, hash, chars_to, NULL);
}
#endif

uint32_t hash_some(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash, uint32_t *chars_to)
{
#ifdef __x86_64__
	if (char_window_wide)
		return hash_avx512(t, words, from, to, sum, hash, chars_to);
#endif
	for (int64_t i = from; i < to; i++) {
		const char *s = t->s + words->v[i].from;
		uint64_t a, b;
		load_word(s, words->v[i].len, t->n - words->v[i].from, &a, &b);
		hash[i] = word_hash(a, b, words->v[i].len);
		chars_to[i] = sum;
		sum += t->ascii ? words->v[i].len : (uint32_t)text_length(s, words->v[i].len);
	}
	return sum;
}

uint32_t look_at_some(const struct text_stats *t, const struct spans *words, int64_t from, int64_t to, uint32_t sum, uint64_t *hash,
		      uint32_t *chars_to, struct look *l)
{
#ifdef __x86_64__
	if (char_window_wide)
		return look_avx512(t, words, from, to, sum, hash, chars_to, l);
#endif
	return look_plain(t, words, from, to, sum, hash, chars_to, l);
}
