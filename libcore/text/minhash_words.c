/* minhash_words.c - text simplified for shingles, and where its words are; see minhash.h. */
#include "text/minhash_words.h"

#include "text/punctuation.h"

#include <utf8proc.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

/* --- characters ------------------------------------------------------------------------------ */

static bool is_digit(uint32_t c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9';
	return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

static bool is_separator(uint32_t c)
{
	return c == '.' || c == ',' || c == 0x60c || c == 0x66b || (c >= 0x2396 && c <= 0x2398);
}

/* Bytes of digits at s. */
static size_t digits(const char *s, size_t n)
{
	size_t i = 0;
	int len;
	while (i < n && is_digit(text_decode(s + i, n - i, &len)))
		i += (size_t)len;
	return i;
}

/* Bytes of the number at s (digits, then at most one separator with digits after it), or 0. */
static size_t number(const char *s, size_t n)
{
	size_t i = digits(s, n);
	int len;
	if (i == 0 || i == n || !is_separator(text_decode(s + i, n - i, &len)))
		return i;
	size_t more = digits(s + i + len, n - i - (size_t)len);
	return more ? i + (size_t)len + more : i;
}

static bool is_cased(uint32_t c)
{
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
	return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Unicode's Case_Ignorable, by its categories and the punctuation inside of words. */
static bool is_ignorable(uint32_t c)
{
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
	return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_LM ||
	       k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x2018 || c == 0x2019 ||
	       c == 0x2024 || c == 0x2027;
}

/* Whether the capital sigma of 2 bytes at s[i] ends a word, as str.lower() sees it. */
static bool is_final_sigma(const char *s, size_t n, size_t i)
{
	int len;
	uint32_t c = 0;
	for (size_t at = i; at > 0;) {
		do
			at--;
		while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80);
		c = text_decode(s + at, n - at, &len);
		if (!is_ignorable(c))
			break;
	}
	if (!is_cased(c))
		return false;
	for (size_t at = i + 2; at < n; at += (size_t)len) {
		c = text_decode(s + at, n - at, &len);
		if (!is_ignorable(c))
			return !is_cased(c);
	}
	return true;
}

/* --- simplification -------------------------------------------------------------------------- */

/* A word is put together in x->text; the space before it comes with its first character. */
struct words {
	struct minhash_scratch *x;
	char *to;
	size_t source;               /* of the character at hand */
	bool inside, zero;           /* in a word; its last character is the 0 that stands for digits, which take more in */
};

/* Room for so many more. */
static inline void unit_room(struct minhash_scratch *x, size_t more)
{
	if (x->n_units + more <= x->cap_units)
		return;
	x->cap_units = x->cap_units * 2 + more + 256;
	x->units = mem_grow(x->units, x->cap_units, sizeof(*x->units));
	x->sources = mem_grow(x->sources, x->cap_units, sizeof(*x->sources));
}

void minhash_add_unit(struct minhash_scratch *x, size_t at, size_t source)
{
	unit_room(x, 1);
	x->sources[x->n_units] = (uint32_t)source;
	x->units[x->n_units++] = at;
}

static inline void begin_word(struct words *w)
{
	if (w->inside)
		return;
	if (w->x->n_units)
		*w->to++ = ' ';
	w->inside = true;
	minhash_add_unit(w->x, (size_t)(w->to - w->x->text.data), w->source);
}

static void put(struct words *w, uint32_t c)
{
	begin_word(w);
	w->to += utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)w->to);
	w->zero = false;
}

static void put_zero(struct words *w)
{
	begin_word(w);
	*w->to++ = '0';
	w->zero = true;
}

/* Lower case, decomposed, without marks. */
static void put_unmarked(struct words *w, const char *s, size_t n, size_t i, uint32_t c, enum minhash_manner manner)
{
	utf8proc_int32_t parts[32];
	int boundary = 0;
	c = c == 0x3a3 ? (is_final_sigma(s, n, i) ? 0x3c2 : 0x3c3) : c == 0x130 ? 'i' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
	utf8proc_ssize_t k = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32, UTF8PROC_DECOMPOSE, &boundary);
	for (utf8proc_ssize_t p = 0; p < k && p < 32; p++) {
		uint32_t d = (uint32_t)parts[p];
		if (utf8proc_category((utf8proc_int32_t)d) == UTF8PROC_CATEGORY_MN)
			continue;
		if (manner == MINHASH_DATATROVE_0_2 && is_digit(d)) {
			if (!w->zero)
				put_zero(w);
		} else {
			put(w, d);
		}
	}
}

enum class { LETTER, SPACE, DIGIT, GONE };

#define MANNERS 3
#define BLOCK 64                     /* characters at a time */
#define AS_DIGIT 0x80                /* in the table of blocks, where plain characters are below */
#define AS_GONE 0x81

static struct {                      /* of ASCII characters, for each manner */
	unsigned char class[128];
	char as[128];
	unsigned char block[128];    /* as, a space, AS_DIGIT or AS_GONE */
} ascii[MANNERS];

/* What becomes of an ASCII character, and in *as itself as it is put out. */
static enum class ascii_class(unsigned c, enum minhash_manner manner, char *as)
{
	*as = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	if (text_is_space(c))
		return SPACE;
	if (c >= '0' && c <= '9')
		return manner == MINHASH_QUERN ? LETTER : DIGIT;
	if (punctuation_has(c))
		return manner == MINHASH_DATATROVE_0_2 ? GONE : SPACE;
	return LETTER;
}

static bool blocks;                  /* taken by AVX-512 */

void minhash_words_in_blocks(bool wanted)
{
#ifdef __x86_64__
	blocks = wanted && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
		 __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
#else
	(void)wanted;
#endif
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void make_tables(void)
{
	for (int manner = 0; manner < MANNERS; manner++)
		for (unsigned c = 0; c < 128; c++) {
			enum class class = ascii_class(c, (enum minhash_manner)manner, &ascii[manner].as[c]);
			ascii[manner].class[c] = (unsigned char)class;
			const unsigned char as[] = {[LETTER] = (unsigned char)ascii[manner].as[c], [SPACE] = ' ', [DIGIT] = AS_DIGIT, [GONE] = AS_GONE};
			ascii[manner].block[c] = as[class];
		}
	minhash_words_in_blocks(true);
}

/* One character that is no plain ASCII letter; returns the bytes taken. */
static size_t simplify_one(struct words *w, enum minhash_manner manner, const char *s, size_t n, size_t i)
{
	int len;
	uint32_t c = text_decode(s + i, n - i, &len);
	if (text_is_space(c)) {
		w->inside = w->zero = false;
	} else if (is_digit(c) && manner == MINHASH_DATATROVE_0_10) {
		put_zero(w);
		return number(s + i, n - i);
	} else if (punctuation_has(c)) {
		if (manner != MINHASH_DATATROVE_0_2)
			w->inside = false;
	} else {
		put_unmarked(w, s, n, i, c, manner);
	}
	return (size_t)len;
}

#ifdef __x86_64__
#define BLOCKS __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi2")))

/* Notes words that start at the bits of `starts`, of `from` bytes of the source and `at` bytes of the text. Eight at a time, since a branch
 * for each word would be taken wrongly once a block. */
BLOCKS static void add_starts(struct minhash_scratch *x, uint64_t starts, uint64_t sources, size_t at, size_t from)
{
	_Alignas(64) static const uint8_t steps[BLOCK] = {
		0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	};
	const __m512i step = _mm512_load_si512(steps);
	_Alignas(64) uint8_t there[BLOCK], here[BLOCK];
	size_t n = (size_t)__builtin_popcountll(starts);
	unit_room(x, BLOCK);
	_mm512_store_si512(there, _mm512_maskz_compress_epi8(starts, step));
	_mm512_store_si512(here, _mm512_maskz_compress_epi8(sources, step));
	for (size_t i = 0; i < n; i += 8) {
		__m512i unit = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(there + i)));
		__m256i source = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(here + i)));
		_mm512_storeu_si512(x->units + x->n_units + i, _mm512_add_epi64(unit, _mm512_set1_epi64((long long)at)));
		_mm256_storeu_si256((__m256i *)(x->sources + x->n_units + i), _mm256_add_epi32(source, _mm256_set1_epi32((int)from)));
	}
	x->n_units += n;
}

/* Plain characters from i on, up to one of several bytes or a digit that matters; returns where that is. Of each block those that are gone
 * are squeezed out, then all that is no letter but for one before each word, which is a space in the table. */
BLOCKS static size_t simplify_blocks(struct words *w, const unsigned char *table, const char *s, size_t n, size_t i)
{
	const __m512i low = _mm512_loadu_si512(table), high = _mm512_loadu_si512(table + BLOCK);
	while (i < n) {
		uint64_t there = n - i >= BLOCK ? UINT64_MAX : (1ull << (n - i)) - 1;
		__m512i v = _mm512_maskz_loadu_epi8(there, s + i), as = _mm512_permutex2var_epi8(low, v, high);
		uint64_t wide = _mm512_movepi8_mask(v), gone = _mm512_cmpeq_epi8_mask(as, _mm512_set1_epi8((char)AS_GONE)) & ~wide;
		uint64_t stops = ((uint64_t)_mm512_movepi8_mask(as) & ~gone) | wide | ~there;
		size_t len = stops ? (size_t)__builtin_ctzll(stops) : BLOCK;
		uint64_t taken = _bzhi_u64(UINT64_MAX, (unsigned)len) & ~gone;
		as = _mm512_maskz_compress_epi8(taken, as);
		uint64_t all = _bzhi_u64(UINT64_MAX, (unsigned)__builtin_popcountll(taken));
		uint64_t letters = ~_mm512_cmpeq_epi8_mask(as, _mm512_set1_epi8(' ')) & all;
		uint64_t starts = letters & ~(letters << 1 | (uint64_t)w->inside), kept = letters | starts >> 1;
		if (w->x->n_units == 0)
			kept &= ~((starts & -starts) >> 1);
		else if (starts & 1)
			*w->to++ = ' ';
		_mm512_storeu_si512(w->to, _mm512_maskz_compress_epi8(kept, as));
		if (starts)
			add_starts(w->x, _pext_u64(starts, kept), _pdep_u64(starts, taken), (size_t)(w->to - w->x->text.data), i);
		w->to += __builtin_popcountll(kept);
		if (all) {
			w->inside = letters > all >> 1;      /* the last is one */
			w->zero = false;
		}
		i += len;
		if (len < BLOCK)
			break;
	}
	return i;
}
#else
static size_t simplify_blocks(struct words *w, const unsigned char *table, const char *s, size_t n, size_t i)
{
	(void)w, (void)table, (void)s, (void)n;
	return i;
}
#endif

void minhash_simplify(enum minhash_manner manner, const char *s, size_t n, struct minhash_scratch *x)
{
	const unsigned char *class = ascii[manner].class;
	const char *as = ascii[manner].as;
	buf_clear(&x->text);
	x->n_units = 0;
	/* A character grows to no more than three times its bytes (U+0390 to three of two), and ASCII with its space to twice. */
	buf_reserve(&x->text, n * 3 + 2 * BLOCK);
	struct words w = {.x = x, .to = x->text.data};
	for (size_t i = 0; i < n;) {
		unsigned c = (unsigned char)s[i];
		w.source = i;
		if (blocks && c < 0x80 && class[c] != DIGIT) {
			i = simplify_blocks(&w, ascii[manner].block, s, n, i);
		} else if (c < 0x80 && class[c] == LETTER) {
			begin_word(&w);
			do
				*w.to++ = as[c];
			while (++i < n && (c = (unsigned char)s[i]) < 0x80 && class[c] == LETTER);
			w.zero = false;
		} else if (c < 0x80 && class[c] == SPACE) {
			w.inside = w.zero = false;
			i++;
		} else {
			i += simplify_one(&w, manner, s, n, i);
		}
	}
	x->text.len = (size_t)(w.to - x->text.data);
	*w.to = 0;
	minhash_add_unit(x, x->text.len + 1, n);
	x->n_units--;
}
