/* bytes.h - integers of eight bits as packed.h keeps them, and as bf16.
 *
 * A byte c is the sign, then the bits of |q| below its leading one, a one behind them and zeros up to eight bits: 5 is 0 01 1 0000. 0 is 0,
 * and -128 the sign alone. So c & (c - 1) is the mantissa of a bf16, and c & ~(c - 1) a single bit that says the exponent; of a single bit
 * one product with a matrix over GF(2) makes any byte. 64 bf16 take eight operations so. */
#ifndef QUERN_CPU_BYTES_H
#define QUERN_CPU_BYTES_H

#include "cpu/pack.h"

#if GEMM_TILES                  /* else this file says nothing */

static uint8_t byte_of(int q)
{
	int size = q < 0 ? -q : q, top = 6;

	if (size == 0 || size == 128)
		return size ? 0x80 : 0;
	while (size >> top == 0)
		top--;
	return (uint8_t)((q < 0 ? 0x80 : 0) | (2 * (size - (1 << top)) + 1) << (6 - top));
}

/* Where in the 64 bytes of a step of a panel (32 columns) the odd or even k of a column is: such that halves of them, low and high bytes
 * of bf16, are brought together 128 bits at a time. */
static int byte_place(int column, int odd)
{
	int word = 2 * (column % 16) + odd;

	return word / 8 * 16 + column / 16 * 8 + word % 8;
}

/* The exponent of a bf16, by the number of the last one of a byte. */
#define EXPONENT(bit) (127 + ((bit) == 7 ? 7 : 6 - (bit)))
/* Bit i of a product by GF2P8AFFINEQB: which bits of the byte it is the sum of; f(exponent) is what they make. */
#define BIT_OF(f, i, bit) ((uint64_t)(f(EXPONENT(bit)) >> (i) & 1) << (bit))
#define ROW_OF(f, i)                                                                                                                  \
	((BIT_OF(f, i, 0) | BIT_OF(f, i, 1) | BIT_OF(f, i, 2) | BIT_OF(f, i, 3) | BIT_OF(f, i, 4) | BIT_OF(f, i, 5) | BIT_OF(f, i, 6) | \
	  BIT_OF(f, i, 7))                                                                                                            \
	 << (7 - (i)) * 8)
#define MATRIX_OF(f)                                                                                                                  \
	(ROW_OF(f, 0) | ROW_OF(f, 1) | ROW_OF(f, 2) | ROW_OF(f, 3) | ROW_OF(f, 4) | ROW_OF(f, 5) | ROW_OF(f, 6) | ROW_OF(f, 7))
#define UPPER(exponent) ((exponent) >> 1)
/* Without the bit itself, which is no part of the mantissa: c takes it away. */
#define LOWER(exponent) (((exponent) & 1) << 7 | ((exponent) == 134 ? 0 : 1 << (133 - (exponent))))

/* The 32 pairs of bf16 of a step. */
INLINE void pairs_of_bytes(float *dst, const char *from)
{
	const __m512i sign = _mm512_set1_epi8((char)0x80);
	__m512i c = _mm512_loadu_si512(from), last = _mm512_andnot_si512(_mm512_add_epi8(c, _mm512_set1_epi8(-1)), c);
	__m512i high = _mm512_gf2p8affine_epi64_epi8(last, _mm512_set1_epi64((int64_t)MATRIX_OF(UPPER)), 0);
	__m512i low = _mm512_gf2p8affine_epi64_epi8(last, _mm512_set1_epi64((int64_t)MATRIX_OF(LOWER)), 0);

	high = _mm512_ternarylogic_epi64(high, c, sign, 0xf8);                               /* high | (c & sign) */
	low = _mm512_ternarylogic_epi64(low, c, sign, 0xb4);                                 /* low ^ (c & ~sign) */
	_mm512_storeu_si512(dst, _mm512_unpacklo_epi8(low, high));
	_mm512_storeu_si512(dst + 16, _mm512_unpackhi_epi8(low, high));
}

#endif

#endif
