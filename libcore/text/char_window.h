/* char_window.h - what up to 64 bytes of text are, looked up for all their characters at once: for loops that take no branch per character.
 *
 * A window is of whole characters; each one's entry of char_class.h stands at its first byte, in two vectors. It needs AVX-512: callers have
 * plain C beside it, which is the specification. */
#ifndef QUERN_TEXT_CHAR_WINDOW_H
#define QUERN_TEXT_CHAR_WINDOW_H

#include "text/char_class.h"
#include "text/unicode.h"

/* Whether windows are used: where the machine can. */
extern bool char_window_wide;
/* Chooses by name, for tests: "avx512", "plain"; NULL the best. False if the machine cannot. */
bool char_window_force(const char *isa);

/* The first place from i on of a character that has CHAR_UNSTABLE, or CHAR_MARK like the one before it; n if there is none. */
size_t char_window_find_unstable(const char *s, size_t n, size_t i);
/* Characters that are not white space, and letters among them. */
struct char_counts {
	int64_t solid, letters;
};
struct char_counts char_window_count(const char *s, size_t n);

#ifdef __x86_64__
#include <immintrin.h>

#define CHAR_WINDOW_TARGET "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt"
#define CHAR_WINDOW_FN __attribute__((target(CHAR_WINDOW_TARGET)))

struct char_window {
	__m512i class, word;         /* low and high bytes of the entries, at first bytes */
	uint64_t first, high;        /* first bytes of characters; bytes that are not ASCII */
	unsigned bytes;              /* all of them whole characters */
};

/* Of 16 characters, one by one. */
void char_window_entries(const uint32_t c[16], uint32_t entry[16]);

CHAR_WINDOW_FN static inline __m512i char_window_gather(__m512i c, __mmask16 there)
{
	__mmask16 within = _mm512_mask_cmplt_epu32_mask(there, c, _mm512_set1_epi32(CHAR_CLASS_TABLE));
	__m512i entry = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), within, c, (const void *)char_class_table, 2);
	if (_mm512_mask_test_epi32_mask(there, entry, _mm512_set1_epi32(CHAR_KNOWN)) == there)
		return entry;
	uint32_t of[16], entries[16];
	_mm512_storeu_si512(of, _mm512_maskz_mov_epi32(there, c));
	char_window_entries(of, entries);
	return _mm512_loadu_si512(entries);
}

/* Code points of characters of two bytes and more, from their bytes. */
CHAR_WINDOW_FN static inline __m512i char_window_decode(__m128i b0, __m128i b1, __m128i b2, __m128i b3)
{
	const __m512i tail = _mm512_set1_epi32(0x3f);
	__m512i a = _mm512_cvtepu8_epi32(b0), b = _mm512_and_si512(_mm512_cvtepu8_epi32(b1), tail);
	__m512i c = _mm512_and_si512(_mm512_cvtepu8_epi32(b2), tail), d = _mm512_and_si512(_mm512_cvtepu8_epi32(b3), tail);
	__mmask16 three = _mm512_cmpge_epu32_mask(a, _mm512_set1_epi32(0xe0)), four = _mm512_cmpge_epu32_mask(a, _mm512_set1_epi32(0xf0));
	__m512i v = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(a, _mm512_set1_epi32(0x1f)), 6), b);
	v = _mm512_mask_or_epi32(v, three, _mm512_slli_epi32(_mm512_and_si512(v, _mm512_set1_epi32(0x3ff)), 6), c);
	return _mm512_mask_or_epi32(v, four, _mm512_slli_epi32(_mm512_and_si512(v, _mm512_set1_epi32(0x7fff)), 6), d);
}

/* The window at s, n > 0 bytes of valid UTF-8 that begin with a character. */
CHAR_WINDOW_FN static inline struct char_window char_window_at(const char *s, size_t n)
{
	static const uint8_t numbers[64] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	};
	struct char_window w = {.bytes = n < 64 ? (unsigned)n : 64};
	uint64_t there = _bzhi_u64(~0ull, w.bytes);
	__m512i v = _mm512_maskz_loadu_epi8(there, s);
	w.high = _mm512_movepi8_mask(v);
	const uint8_t *ascii = char_class_ascii;
	w.class = _mm512_permutex2var_epi8(_mm512_loadu_si512(ascii), v, _mm512_loadu_si512(ascii + 64));
	w.word = _mm512_permutex2var_epi8(_mm512_loadu_si512(ascii + 128), v, _mm512_loadu_si512(ascii + 192));
	w.first = there;
	if (!w.high)
		return w;
	uint64_t tails = _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(-64));
	w.first = there & ~tails;
	unsigned last = 63 - (unsigned)_lzcnt_u64(w.first);
	int len;
	text_decode_valid(s + last, &len);
	if (last + (unsigned)len > w.bytes) {
		w.bytes = last;
		there = _bzhi_u64(~0ull, last);
		w.first &= there;
		w.high &= there;
	}
	const __m512i place = _mm512_loadu_si512(numbers), one = _mm512_set1_epi8(1);
	uint64_t leads = w.high & w.first;
	__m512i v1 = _mm512_permutexvar_epi8(_mm512_add_epi8(place, one), v), v2 = _mm512_permutexvar_epi8(_mm512_add_epi8(place, one), v1);
	__m512i v3 = _mm512_permutexvar_epi8(_mm512_add_epi8(place, one), v2), b0 = _mm512_maskz_compress_epi8(leads, v);
	__m512i b1 = _mm512_maskz_compress_epi8(leads, v1), b2 = _mm512_maskz_compress_epi8(leads, v2), b3 = _mm512_maskz_compress_epi8(leads, v3);
	unsigned count = (unsigned)_mm_popcnt_u64(leads);
	__m512i e = char_window_gather(char_window_decode(_mm512_castsi512_si128(b0), _mm512_castsi512_si128(b1), _mm512_castsi512_si128(b2),
							  _mm512_castsi512_si128(b3)), (__mmask16)_bzhi_u32(0xffff, count));
	__m256i class = _mm256_castsi128_si256(_mm512_cvtepi32_epi8(e)), word = _mm256_castsi128_si256(_mm512_cvtepi32_epi8(_mm512_srli_epi32(e, 8)));
	if (count > 16) {
		e = char_window_gather(char_window_decode(_mm512_extracti32x4_epi32(b0, 1), _mm512_extracti32x4_epi32(b1, 1),
							  _mm512_extracti32x4_epi32(b2, 1), _mm512_extracti32x4_epi32(b3, 1)),
				       (__mmask16)_bzhi_u32(0xffff, count - 16));
		class = _mm256_inserti128_si256(class, _mm512_cvtepi32_epi8(e), 1);
		word = _mm256_inserti128_si256(word, _mm512_cvtepi32_epi8(_mm512_srli_epi32(e, 8)), 1);
	}
	w.class = _mm512_mask_expand_epi8(w.class, leads, _mm512_castsi256_si512(class));
	w.word = _mm512_mask_expand_epi8(w.word, leads, _mm512_castsi256_si512(word));
	return w;
}

/* The same vector with what stands at first bytes at all bytes of their characters. */
CHAR_WINDOW_FN static inline __m512i char_window_spread(const struct char_window *w, __m512i v)
{
	for (uint64_t left = _bzhi_u64(~w->first, w->bytes); left; left &= left << 1) {
		/* byte i - 1 at byte i: the 64-bit lane before this one lends its last byte */
		__m512i before = _mm512_alignr_epi64(v, _mm512_setzero_si512(), 7);
		v = _mm512_mask_mov_epi8(v, left, _mm512_or_si512(_mm512_slli_epi64(v, 8), _mm512_srli_epi64(before, 56)));
	}
	return v;
}

#define CHAR_WINDOW_TEST(w, bits) (_mm512_test_epi8_mask((w)->class, _mm512_set1_epi8(bits)) & (w)->first)

#endif
#endif
