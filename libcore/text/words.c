/* words.c - see words.h: a fast way over ASCII, the rules WB3 to WB16 of UAX 29 for the rest. */
#include "text/words.h"

#include "text/char_class.h"
#include "text/word_break.h"
#include "text/words_ascii.h"
#include "text/words_wide.h"

/* --- classes ---------------------------------------------------------------------------------- */

static enum word_break class_of(uint32_t c)
{
	return (enum word_break)(char_class(c) >> CHAR_WORD_SHIFT & CHAR_WORD_MASK);
}

static bool is_letter(enum word_break k)
{
	return k == WB_LETTER || k == WB_HEBREW || k == WB_LETTER_PICTURE;
}

static bool is_extend(enum word_break k)
{
	return k == WB_EXTEND || k == WB_EXTEND_ZWJ;
}

static bool is_mid_letter(enum word_break k)
{
	return k == WB_MID_LETTER || k == WB_MID_NUM_LET || k == WB_SINGLE_QUOTE;
}

static bool is_mid_number(enum word_break k)
{
	return k == WB_MID_NUM || k == WB_MID_NUM_LET || k == WB_SINGLE_QUOTE;
}

static bool is_wordy(enum word_break k)
{
	return is_letter(k) || k == WB_NUMERIC || k == WB_KATAKANA || k == WB_EXTEND_NUM_LET;
}

/* --- segments --------------------------------------------------------------------------------- */

/* Class of the first character at or behind s[i] that is no Extend (WB4). */
static enum word_break next_class(const char *s, size_t n, size_t i)
{
	while (i < n) {
		int len;
		enum word_break k = class_of(text_decode_valid(s + i, &len));
		if (!is_extend(k))
			return k;
		i += (size_t)len;
	}
	return WB_OTHER;
}

/* Whether k goes on the segment whose last classes, Extend aside, are before and prev; s[i] is behind k. */
static bool joins(enum word_break before, enum word_break prev, enum word_break k, const char *s, size_t n, size_t i)
{
	if (is_wordy(prev) && is_wordy(k))
		return (prev != WB_KATAKANA || k == WB_KATAKANA || k == WB_EXTEND_NUM_LET) &&      /* WB5, WB8 to WB10, WB13 to WB13b */
		       (k != WB_KATAKANA || prev == WB_KATAKANA || prev == WB_EXTEND_NUM_LET);
	if (is_letter(prev) && is_mid_letter(k) && (prev == WB_HEBREW && k == WB_SINGLE_QUOTE))
		return true;                                                                        /* WB7a */
	if (is_letter(prev) && is_mid_letter(k))
		return is_letter(next_class(s, n, i));                                              /* WB6 */
	if (is_letter(before) && is_mid_letter(prev) && is_letter(k))
		return true;                                                                        /* WB7 */
	if (prev == WB_HEBREW && k == WB_DOUBLE_QUOTE)
		return next_class(s, n, i) == WB_HEBREW;                                            /* WB7b */
	if (before == WB_HEBREW && prev == WB_DOUBLE_QUOTE && k == WB_HEBREW)
		return true;                                                                        /* WB7c */
	if (before == WB_NUMERIC && is_mid_number(prev) && k == WB_NUMERIC)
		return true;                                                                        /* WB11 */
	return prev == WB_NUMERIC && is_mid_number(k) && next_class(s, n, i) == WB_NUMERIC;         /* WB12 */
}

static size_t segment_slow(const char *s, size_t n, size_t at)
{
	int len;
	enum word_break before = WB_OTHER, prev = class_of(text_decode_valid(s + at, &len)), last = prev;
	size_t i = at + (size_t)len;
	bool odd_flag = prev == WB_REGIONAL;
	if (prev == WB_CR)
		return i + (i < n && s[i] == '\n');
	if (prev == WB_LF || prev == WB_NEWLINE)
		return i;
	while (i < n) {
		enum word_break k = class_of(text_decode_valid(s + i, &len));
		size_t behind = i + (size_t)len;
		if (is_extend(k)) {
			last = k;
			i = behind;
			continue;
		}
		bool picture = k == WB_PICTURE || k == WB_LETTER_PICTURE;
		if (!(last == WB_EXTEND_ZWJ && picture) && !(last == WB_SPACE && k == WB_SPACE) &&
		    !(prev == WB_REGIONAL && k == WB_REGIONAL && odd_flag) && !joins(before, prev, k, s, n, behind))
			break;
		odd_flag = k == WB_REGIONAL && !odd_flag;
		before = prev;
		prev = last = k;
		i = behind;
	}
	return i;
}

/* Of ASCII: 1 letters, 2 digits, 4 the underscore, 8 marks that may stand between letters, 16 between digits, 32 white space. */
enum { A_LETTER = 1, A_DIGIT = 2, A_JOINER = 4, A_MID_LETTER = 8, A_MID_NUMBER = 16, A_SPACE = 32, A_HIGH = 64 };
static uint8_t ascii[256];

__attribute__((constructor)) static void fill_ascii(void)
{
	for (int c = 0; c < 256; c++)
		ascii[c] = c >= 0x80 ? A_HIGH : (c | 32) >= 'a' && (c | 32) <= 'z' ? A_LETTER : c >= '0' && c <= '9' ? A_DIGIT :
			   c == '_' ? A_JOINER : c == ':' ? A_MID_LETTER : c == '.' || c == '\'' ? A_MID_LETTER | A_MID_NUMBER :
			   c == ',' || c == ';' ? A_MID_NUMBER : text_is_space((uint32_t)c) ? A_SPACE : 0;
}

#define A_WORD (A_LETTER | A_DIGIT | A_JOINER)

#define EIGHT(c) ((uint64_t)(c) * 0x0101010101010101u)

/* Of eight bytes below 0x80, 0x80 where one is at least lo and at most hi. */
static inline uint64_t in_range(uint64_t v, unsigned lo, unsigned hi)
{
	return (v + EIGHT(0x80 - lo)) & ~(v + EIGHT(0x7f - hi)) & EIGHT(0x80);
}

/* The first place from i on that is no ASCII letter, digit or underscore; eight bytes at a time, for words are shorter. */
static inline size_t skip_word(const unsigned char *p, size_t n, size_t i)
{
	while (i + 8 <= n) {
		uint64_t v, low, not;
		memcpy(&v, p + i, 8);
		low = v & EIGHT(0x7f);
		not = ~(in_range(low | EIGHT(0x20), 'a', 'z') | in_range(low, '0', '9') | in_range(low, '_', '_')) | v;
		not &= EIGHT(0x80);
		if (not)
			return i + (size_t)__builtin_ctzll(not) / 8;
		i += 8;
	}
	while (i < n && (ascii[p[i]] & A_WORD))
		i++;
	return i;
}

/* End of the segment that starts with an ASCII letter, digit or underscore, all ASCII so far; at itself if a character of
 * another plane has a say. */
static inline size_t segment_ascii(const char *s, size_t n, size_t at)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = at + 1;
	for (;;) {
		i = skip_word(p, n, i);
		if (i == n)
			return i;
		unsigned k = ascii[p[i]];
		if (!(k & (A_HIGH | A_MID_LETTER | A_MID_NUMBER)))
			return i;
		if (k & A_HIGH)
			return at;
		if (i + 1 == n)
			return i;
		unsigned before = ascii[p[i - 1]], after = ascii[p[i + 1]];
		if (after & A_HIGH)
			return at;
		if (!((k & A_MID_LETTER) && (before & after & A_LETTER)) && !((k & A_MID_NUMBER) && (before & after & A_DIGIT)))
			return i;
		i += 2;
	}
}

size_t words_segment(const char *s, size_t n, size_t at)
{
	if (ascii[(unsigned char)s[at]] & A_WORD) {
		size_t end = segment_ascii(s, n, at);
		if (end > at)
			return end;
	}
	return segment_slow(s, n, at);
}

/* End of a run of letters, of any script but Hebrew, where nothing may go on; `at` if that takes a closer look. */
static size_t letters_end(const char *s, size_t n, size_t at)
{
	for (size_t i = at;;) {
		unsigned k = i < n ? ascii[(unsigned char)s[i]] : A_SPACE;
		if (k & A_LETTER) {
			i++;
		} else if (!(k & A_HIGH)) {
			return k & (A_DIGIT | A_JOINER | A_MID_LETTER) ? at : i;
		} else {
			int len;
			enum word_break class = class_of(text_decode_valid(s + i, &len));
			if (class != WB_LETTER)
				return class == WB_OTHER || class == WB_SPACE ? i : at;
			i += (size_t)len;
		}
	}
}

/* End of a character of no class, as Han and most signs are, that stands alone; `at` if it is none. */
static size_t other_end(const char *s, size_t n, size_t at, bool *space)
{
	int len;
	unsigned k = char_class(text_decode_valid(s + at, &len));
	if ((k >> CHAR_WORD_SHIFT & CHAR_WORD_MASK) != WB_OTHER)
		return at;
	*space = k & CHAR_SPACE;
	size_t i = at + (size_t)len;
	return i < n && (s[i] & 0x80) && is_extend(class_of(text_decode_valid(s + i, &len))) ? at : i;
}

static size_t split_unicode(const char *s, size_t n, size_t i, int64_t most, struct spans *words)
{
	const unsigned char *p = (const unsigned char *)s;
	while (i < n && words->n < most) {
		i = words_wide(s, n, i, most, words);
		if (i + 1 < n && !((p[i] | p[i + 1]) & 0x80))
			i = words_ascii(s, n, i, most, words);
		if (i == n || words->n >= most)
			break;
		int len;
		unsigned k = ascii[p[i]];
		bool extended = !(k & (A_HIGH | A_WORD)) && i + 1 < n && p[i + 1] >= 0x80;
		if (extended) {
			enum word_break next = class_of(text_decode_valid(s + i + 1, &len));
			extended = is_extend(next) || (next == WB_SPACE && (k & A_SPACE));
		}
		size_t end = k & A_WORD ? segment_ascii(s, n, i) : i;
		if (end == i && !(k & (A_HIGH | A_WORD)) && !extended) {  /* a mark, or white space, by itself */
			if (!(k & A_SPACE))
				SPANS_PUSH(words, i, 1);
			i++;
			continue;
		}
		bool letters = end > i || ((k & (A_LETTER | A_HIGH)) && (end = letters_end(s, n, i)) > i);
		bool space = false, alone = end == i && (k & A_HIGH) && (end = other_end(s, n, i, &space)) > i;
		if (end == i)
			end = segment_slow(s, n, i);
		if (letters || (k & A_WORD) || (alone ? !space : text_strip(s + i, end - i).len > 0))
			SPANS_PUSH(words, i, end - i);
		i = end + (end + 1 < n && p[end] == ' ' && p[end + 1] < 0x80);       /* mostly a space follows, and it is no word */
	}
	return i;
}

size_t words_split(enum splitter how, const char *s, size_t n, size_t from, int64_t most, struct spans *words)
{
	return how == WORDS_UNICODE ? split_unicode(s, n, from, most, words) : text_words(s, n, from, most, words);
}

/* --- sentences -------------------------------------------------------------------------------- */

static bool closes(uint32_t c)
{
	return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x201d || c == 0x2019 || c == 0xbb || c == 0x300d || c == 0x300f ||
	       c == 0xff09;
}

static bool ends_alone(uint32_t c)
{
	return c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0xff61;
}

/* 1: white space of ASCII; 2: a terminal, or what must be decoded. */
static const uint8_t pauses[256] = {
	[9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [0x1c] = 1, [0x1d] = 1, [0x1e] = 1, [0x1f] = 1, [' '] = 1, ['.'] = 2, ['!'] = 2, ['?'] = 2,
	[0x80 ... 0xff] = 2,
};

int64_t words_sentences(const char *s, size_t n)
{
	enum { NOTHING, INSIDE, ENDING, CLOSING } state = NOTHING;
	bool alone = false;
	int64_t count = 0;
	for (size_t i = 0; i < n;) {
		int len;
		if (state <= INSIDE) {       /* nothing but a terminal matters, and white space at the start */
			if (state == NOTHING)
				while (i < n && pauses[(unsigned char)s[i]] == 1)
					i++;
			size_t start = i;
			for (uint64_t v; i + 8 <= n; i += 8) {       /* eight at a time while there is none */
				memcpy(&v, s + i, 8);
				uint64_t low = v & EIGHT(0x7f);
				if ((v & EIGHT(0x80)) | in_range(low, '.', '.') | in_range(low, '!', '!') | in_range(low, '?', '?'))
					break;
			}
			while (i < n && pauses[(unsigned char)s[i]] < 2)
				i++;
			state = i > start ? INSIDE : state;
			if (i == n)
				break;
		}
		uint32_t c = text_decode_valid(s + i, &len);
		unsigned class = char_class(c);
		bool space = class & CHAR_SPACE, end = !space && (class & CHAR_TERMINAL);
		i += (size_t)len;
		if (state >= ENDING && (space || (alone && !end && !closes(c)))) {
			count++;
			state = NOTHING;
		}
		if (space)
			continue;
		if (state == ENDING && end) {
			alone = alone || ends_alone(c);
		} else if (state >= ENDING && closes(c)) {
			state = CLOSING;
		} else {
			alone = end && ends_alone(c);
			state = end ? ENDING : INSIDE;
		}
	}
	return count + (state != NOTHING);
}
