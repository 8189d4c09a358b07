/* pretok_word.h - the commonest piece of all, a word of ASCII letters with or without a space in front (or what else may stand there, as
 * in "_name" and "(x"), found a vector at a time where pretok_scan goes letter by letter. SSE2 is part of every x86-64; elsewhere pretok_scan does all of it. Private to encode.c. */
#ifndef QUERN_TOKEN_PRETOK_WORD_H
#define QUERN_TOKEN_PRETOK_WORD_H

#include "token/pretok.h"

#ifdef __SSE2__
#include <emmintrin.h>

/* Which of 16 bytes lie from lo on, `count` of them. */
static inline uint32_t bytes_from(__m128i v, uint8_t lo, uint8_t count)
{
	__m128i moved = _mm_sub_epi8(v, _mm_set1_epi8((char)lo));

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(moved, _mm_set1_epi8((char)(count - 1))), moved));
}
#endif

/* Whether a word may begin with this ASCII byte though it is no letter: GPT-2's with a space, the others' with anything but a digit or a
 * line end. The apostrophe may begin a contraction. */
static inline bool pretok_leads(enum pretok_kind kind, uint8_t c)
{
	if (kind == PRETOK_GPT2)
		return c == ' ';
	return c < 0x80 && (uint8_t)((c | 0x20) - 'a') >= 26 && (uint8_t)(c - '0') >= 10 && c != '\r' && c != '\n' && c != '\'';
}

/* End of the piece that begins at i, if it is such a word and is seen whole in 15 bytes, and what follows cannot belong to it; else 0, and
 * pretok_scan knows. */
static inline size_t pretok_word(enum pretok_kind kind, const uint8_t *s, size_t i, size_t n)
{
#ifdef __SSE2__
	if (kind < PRETOK_GPT2 || kind > PRETOK_CL100K_BASE || n - i < 16)
		return 0;
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
	uint32_t lead = pretok_leads(kind, s[i]), letters = bytes_from(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 26) >> lead;
	uint32_t end = (uint32_t)__builtin_ctz(~letters);

	if (kind == PRETOK_O200K) {          /* capitals, then small letters; a contraction behind them belongs to them */
		uint32_t capitals = bytes_from(v, 'A', 26) >> lead, head = (uint32_t)__builtin_ctz(~capitals);
		uint32_t next = capitals >> head ? head + (uint32_t)__builtin_ctz(capitals >> head) : 16;

		end = next < end ? next : end;
	}
	uint8_t after = s[i + ((lead + end) & 15)];
	if (end == 0 || lead + end > 15 || after >= 0x80 || (kind == PRETOK_O200K && after == '\''))
		return 0;
	return i + lead + end;
#else
	(void)kind, (void)s, (void)i, (void)n;
	return 0;
#endif
}

#endif
