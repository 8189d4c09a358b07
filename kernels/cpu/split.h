/* split.h - floats as sums of three bf16, so that tiles of bf16 multiply them: the products of floats where there is AMX (Henry, Tang
 * and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations", 2019).
 *
 * a = a1 + a2 + a3 to the last bit: a1 is a rounded to the nearest bf16 (of two the farther from zero), a2 what is left of it, rounded
 * likewise, and a3 the rest, whose eight bits are exact. A product takes six of the nine products of terms, the small ones first,
 *     a1 b3 + a1 b2 + a2 b2 + a2 b1 + a3 b1 + a1 b1,
 * each over 32 of k, exact and added as amx.h's are; what is left out is at most 2^-23 of |a b|, and mostly some 2^-27. What is
 * bf16 already (or an integer of eight bits) is its own first term and needs three of them: the others add zeros, so it gives the same
 * bits as the same values stored as floats.
 *
 * Subnormal terms count as zero. A number of 3.39e38 or more and infinity become NaN in the second term, and so does the sum that they
 * are in; NaN stays NaN, in the third. */
#ifndef QUERN_CPU_SPLIT_H
#define QUERN_CPU_SPLIT_H

#include "cpu/simd.h"

#if GEMM_PAIRS                  /* else this file says nothing */

/* The float of the next of three terms of x; x becomes what is left. In its upper half only, if it is the last. */
INLINE vu next_term(vf *x, const bool last)
{
	vu a = (vu)*x;

	if (last)
		return a;
	a = (a + 0x8000u) & 0xffff0000u;
	*x -= (vf)a;
	return a;
}

/* Pairs of one term or of three, `apart` words from term to term: lo in the low half. */
INLINE void store_pairs(const int terms, float *dst, int64_t apart, vf lo, vf hi)
{
	if (terms == 1) {
		v_store(dst, v_pair(lo, hi));
		return;
	}
#pragma GCC unroll 3
	for (int t = 0; t < 3; t++) {
		vu a = next_term(&lo, t == 2), b = next_term(&hi, t == 2);

		v_store(dst + t * apart, (vf)((b & 0xffff0000u) | a >> 16));
	}
}

/* The same for 32 k of one row: first lo's sixteen, then hi's. */
INLINE void store_row(const int terms, float *dst, int64_t apart, vf lo, vf hi)
{
	static const uint16_t upper[32] __attribute__((aligned(64))) = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
									33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};

	if (terms == 1) {
		v_store(dst, (vf)_mm512_cvtne2ps_pbh((__m512)hi, (__m512)lo));
		return;
	}
#pragma GCC unroll 3
	for (int t = 0; t < 3; t++) {
		vu a = next_term(&lo, t == 2), b = next_term(&hi, t == 2);

		v_store(dst + t * apart, (vf)_mm512_permutex2var_epi16((__m512i)a, _mm512_load_si512(upper), (__m512i)b));
	}
}

#endif

#endif
