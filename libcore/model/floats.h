/* floats.h - the 16-bit floats of weight files, to and from float.
 *
 * bfloat16 is the upper half of a float; float16 is IEEE 754 binary16. Widening is exact; narrowing rounds to the nearest, ties to even,
 * and what is too large becomes infinite. NaN stays NaN. */
#ifndef QUERN_MODEL_FLOATS_H
#define QUERN_MODEL_FLOATS_H

#include <stdint.h>
#include <string.h>

static inline float bits_float(uint32_t b)
{
	float v;

	memcpy(&v, &b, 4);
	return v;
}

static inline uint32_t float_bits(float v)
{
	uint32_t b;

	memcpy(&b, &v, 4);
	return b;
}

static inline float bfloat_float(uint16_t h) { return bits_float((uint32_t)h << 16); }

static inline uint16_t float_bfloat(float v)
{
	uint32_t b = float_bits(v);

	if (v != v)
		return (uint16_t)(b >> 16 | 0x40);
	return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

/* A subnormal is its fraction times 2^-24. */
static inline float half_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;

	if (exponent == 0)
		return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
	if (exponent == 31)
		return bits_float(sign | 0x7f800000 | fraction << 13);
	return bits_float(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint16_t float_half(float v)
{
	uint32_t b = float_bits(v), sign = b >> 16 & 0x8000, magnitude = b & 0x7fffffff;

	if (magnitude > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (magnitude >= 0x477ff000)                 /* 65520: halfway to 2^16 */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude < 0x38800000)                  /* below 2^-14: adding 0.5 leaves the multiples of 2^-24, rounded, in the fraction */
		return (uint16_t)(sign | (float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000));
	return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13));
}

#endif
