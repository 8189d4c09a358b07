/* words_put.h - words from the bits of 64 bytes, for words_ascii.c and words_wide.c. */
#ifndef QUERN_TEXT_WORDS_PUT_H
#define QUERN_TEXT_WORDS_PUT_H

#include "text/unicode.h"

/* Room for the words of 64 bytes. */
static inline void words_room(struct spans *words)
{
	if (words->cap - words->n >= 64)
		return;
	words->cap = words->cap * 2 + 128;
	words->v = mem_grow(words->v, (size_t)words->cap, sizeof(*words->v));
}

#ifdef __x86_64__
#include <immintrin.h>

#define WORDS_PUT_TARGET "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt"

/* Appends the words that start at these bytes behind i and end before those others: the places of starts and of ends, in order, are the
 * words. Eight are written at once. */
__attribute__((target(WORDS_PUT_TARGET))) static inline void words_put(struct spans *words, size_t i, uint64_t starts, uint64_t ends)
{
	static const uint8_t numbers[64] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	};
	const __m512i places = _mm512_loadu_si512(numbers);
	words_room(words);
	__m512i from = _mm512_maskz_compress_epi8(starts, places), to = _mm512_mask_compress_epi8(_mm512_set1_epi8(64), ends, places);
	uint8_t at[64], len[64];
	_mm512_storeu_si512(at, from);
	_mm512_storeu_si512(len, _mm512_sub_epi8(to, from));
	int count = (int)_mm_popcnt_u64(starts);
	struct span *out = words->v + words->n;
	for (int k = 0; k < count; k += 8) {
		__m512i start = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)(at + k)));
		__m512i bytes = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)(len + k)));
		start = _mm512_add_epi64(start, _mm512_set1_epi64((long long)i));
		_mm512_storeu_si512(out + k, _mm512_or_si512(start, _mm512_slli_epi64(bytes, 32)));
	}
	words->n += count;
}
#endif

#endif
