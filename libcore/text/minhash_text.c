/* minhash_text.c - from text to hashed shingles, and how many bands; see minhash.h. */
#include "text/minhash.h"

#include "text/punctuation.h"
#include "text/sha1.h"

#include <math.h>
#include <utf8proc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* --- recipes --------------------------------------------------------------------------------- */

static const struct minhash_recipe presets[] = {
	{"quern", MINHASH_QUERN, MINHASH_WORDS, MINHASH_XXH3, true, 5, 14, 8, 1, 0.75},
	{"datatrove-0.10", MINHASH_DATATROVE_0_10, MINHASH_WORDS, MINHASH_XXH64, false, 5, 14, 8, 1, 0.75},
	{"fineweb-v1", MINHASH_DATATROVE_0_2, MINHASH_WORDS, MINHASH_SHA1, false, 5, 14, 8, 1, 0.75},
};

enum status minhash_preset(struct minhash_recipe *r, const char *name, struct error *err)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (strcmp(presets[i].name, name) == 0) {
			*r = presets[i];
			return OK;
		}
	return error_set(err, ERR_USAGE, "preset '%s' is none of quern, datatrove-0.10, fineweb-v1", name);
}

/* The integral of the probability of a shared band (or of none) over [from, to], by midpoints of 0.001, as datasketch takes it. */
static double integral(double from, double to, int bands, int rows, bool none)
{
	const double step = 0.001;
	double area = 0;
	for (double x = from; x < to; x += step) {
		double apart = pow(1 - pow(x + 0.5 * step, rows), bands);
		area += (none ? apart : 1 - apart) * step;
	}
	return area;
}

void minhash_bands(double threshold, int permutations, int *bands, int *rows)
{
	double least = INFINITY;
	for (int b = 1; b <= permutations; b++)
		for (int r = 1; r <= permutations / b; r++) {
			double error = 0.5 * integral(0, threshold, b, r, false) + 0.5 * integral(threshold, 1, b, r, true);
			if (error < least) {
				least = error;
				*bands = b;
				*rows = r;
			}
		}
}

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

static void add_unit(struct minhash_scratch *x, size_t at, size_t source)
{
	if (x->n_units == x->cap_units) {
		x->cap_units = x->cap_units ? x->cap_units * 2 : 256;
		x->units = mem_grow(x->units, x->cap_units, sizeof(*x->units));
		x->sources = mem_grow(x->sources, x->cap_units, sizeof(*x->sources));
	}
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
	add_unit(w->x, (size_t)(w->to - w->x->text.data), w->source);
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

static struct {                      /* of ASCII characters, for each manner */
	unsigned char class[128];
	char as[128];
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

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void make_tables(void)
{
	for (int manner = 0; manner < MANNERS; manner++)
		for (unsigned c = 0; c < 128; c++)
			ascii[manner].class[c] = (unsigned char)ascii_class(c, (enum minhash_manner)manner, &ascii[manner].as[c]);
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

void minhash_simplify(enum minhash_manner manner, const char *s, size_t n, struct minhash_scratch *x)
{
	const unsigned char *class = ascii[manner].class;
	const char *as = ascii[manner].as;
	buf_clear(&x->text);
	x->n_units = 0;
	/* A character grows to no more than three times its bytes (U+0390 to three of two), and ASCII with its space to twice. */
	buf_reserve(&x->text, n * 3 + 128);
	struct words w = {.x = x, .to = x->text.data};
	for (size_t i = 0; i < n;) {
		unsigned c = (unsigned char)s[i];
		w.source = i;
		if (c < 0x80 && class[c] == LETTER) {
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
	add_unit(x, x->text.len + 1, n);
	x->n_units--;
}

/* --- shingles -------------------------------------------------------------------------------- */

/* Characters as units in the place of words; where they come from is not told. */
static void cut_characters(struct minhash_scratch *x)
{
	x->n_units = 0;
	for (size_t i = 0; i < x->text.len; i++)
		if (((unsigned char)x->text.data[i] & 0xc0) != 0x80)
			add_unit(x, i, 0);
	add_unit(x, x->text.len, 0);
	x->n_units--;
}

static inline uint64_t hash_shingle(enum minhash_hash hash, const char *s, size_t n)
{
	if (hash == MINHASH_XXH3)
		return XXH3_64bits(s, n);
	return hash == MINHASH_SHA1 ? sha1_64(s, n) : XXH64(s, n, 0);
}

size_t minhash_shingles(const struct minhash_recipe *r, const char *s, size_t n, struct minhash_scratch *x)
{
	minhash_simplify(r->manner, s, n, x);
	if (r->unit == MINHASH_CHARS)
		cut_characters(x);
	size_t ngram = (size_t)r->ngram, behind = r->unit == MINHASH_WORDS;
	if (r->short_texts && x->n_units > 0 && x->n_units < ngram)
		ngram = x->n_units;
	if (x->n_units < ngram)
		return 0;
	size_t count = x->n_units - ngram + 1;
	if (count > x->cap) {
		x->cap = count + count / 2;
		x->shingles = mem_grow(x->shingles, x->cap, sizeof(*x->shingles));
	}
	/* Words stand one space apart, so a shingle is a piece of the text, up to where the next unit starts (behind its space). */
	for (size_t i = 0; i < count; i++)
		x->shingles[i] = hash_shingle(r->hash, x->text.data + x->units[i], x->units[i + ngram] - behind - x->units[i]);
	return count;
}

void minhash_scratch_release(struct minhash_scratch *x)
{
	buf_release(&x->text);
	mem_free(x->units);
	mem_free(x->sources);
	mem_free(x->shingles);
	*x = (struct minhash_scratch){0};
}
