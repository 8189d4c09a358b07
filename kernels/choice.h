/* choice.h - the arithmetic by which a token is chosen, the same to the bit on every device: steps in floats are single operations, none
 * fused, and what is summed up are whole numbers, so no order of additions shows. In C and in CUDA.
 *
 * A score is a logit with bias and penalties on it. A token's weight is e^((score - highest) / temperature), a float in [0, 1]; its mass is
 * the weight in units of 2^-40, rounded to the nearest even. Tokens rank by weight, the lower id first among equals. */
#ifndef QUERN_KERNELS_CHOICE_H
#define QUERN_KERNELS_CHOICE_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#define SAMPLE_PROMPT 0x80000000u    /* in seen: the prompt has the token */
#define SAMPLE_UNIT 0x1p40f

#if defined(__CUDACC__) || defined(QUERN_EMULATED)
#define SAMPLE_FN __device__ static __forceinline__
#define SAMPLE_MUL(a, b) __fmul_rn(a, b)
#define SAMPLE_ADD(a, b) __fadd_rn(a, b)
#else
#define SAMPLE_FN static inline
#define SAMPLE_MUL(a, b) ((a) * (b))
#define SAMPLE_ADD(a, b) ((a) + (b))
#endif

/* What the weights' exponents are multiplied by. */
static inline float sample_inverse(double temperature)
{
	double inverse = 1 / temperature;

	return inverse < (double)FLT_MAX ? (float)inverse : FLT_MAX;
}

/* e^x for x <= 0: x = n ln 2 + r, ln 2 in two parts (Cody and Waite), Taylor's polynomial of degree 7, n into the exponent. Below -87 as there. */
SAMPLE_FN float sample_exp(float x)
{
	const float term[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
	float n, r, y = 1.0f / 5040, power;
	uint32_t bits;

	x = x < -87.0f ? -87.0f : x;
	n = SAMPLE_ADD(SAMPLE_ADD(SAMPLE_MUL(x, 1.44269504088896341f), 12582912.0f), -12582912.0f);   /* 1.5 * 2^23: rounds */
	r = SAMPLE_ADD(x, SAMPLE_MUL(n, -0.693359375f));
	r = SAMPLE_ADD(r, SAMPLE_MUL(n, 2.12194440e-4f));
	for (int i = 0; i < 7; i++)
		y = SAMPLE_ADD(SAMPLE_MUL(y, r), term[i]);
	bits = (uint32_t)((int32_t)n + 127) << 23;
#if defined(__CUDACC__) && !defined(QUERN_EMULATED)
	power = __uint_as_float(bits);
#else
	__builtin_memcpy(&power, &bits, sizeof power);
#endif
	return SAMPLE_MUL(y, power);
}

SAMPLE_FN float sample_weight(float score, float highest, float inverse)
{
	return sample_exp(SAMPLE_MUL(SAMPLE_ADD(score, -highest), inverse));
}

SAMPLE_FN uint64_t sample_mass(float weight)
{
	/* The sum is 2^52 and a whole number; its last bits are that number. */
	double whole = (double)SAMPLE_MUL(weight, SAMPLE_UNIT) + 0x1p52;
#if defined(__CUDACC__) && !defined(QUERN_EMULATED)
	return (uint64_t)__double_as_longlong(whole) & 0xfffffffffffffull;
#else
	uint64_t bits;

	__builtin_memcpy(&bits, &whole, sizeof bits);
	return bits & 0xfffffffffffffull;
#endif
}

/* A token's score: its logit (or log-probability) plus bias, then the penalties for what was seen. */
SAMPLE_FN float sample_score(float logit, float bias, uint32_t seen, double repetition, double frequency, double presence)
{
	float x = SAMPLE_ADD(logit, bias);

	if (seen && repetition != 1)
		x = x < 0 ? SAMPLE_MUL(x, (float)repetition) : x / (float)repetition;
	if (seen & ~SAMPLE_PROMPT)
		x = SAMPLE_ADD(x, -(float)(frequency * (double)(seen & ~SAMPLE_PROMPT) + presence));
	return x;
}

/* Typical sampling: a token's surprise, -ln of its share of the mass, is x = (highest - score) / temperature and what is the same for all; how
 * far x is from its mean, and that as a rank, the largest for the nearest. */
SAMPLE_FN float sample_surprise(float score, float highest, float inverse) { return SAMPLE_MUL(SAMPLE_ADD(highest, -score), inverse); }

SAMPLE_FN float sample_nearness(float surprise, float mean)
{
	const float distance = fabsf(SAMPLE_ADD(surprise, -mean));
#if defined(__CUDACC__) && !defined(QUERN_EMULATED)
	return __uint_as_float(0x7f800000u - __float_as_uint(distance));
#else
	uint32_t bits;
	float rank;

	__builtin_memcpy(&bits, &distance, sizeof bits);
	bits = 0x7f800000u - bits;
	__builtin_memcpy(&rank, &bits, sizeof rank);
	return rank;
#endif
}

/* Of a mass: the part that comes before the token drawn by u; the least that a nucleus of p has. */
SAMPLE_FN uint64_t sample_before(uint64_t mass, uint64_t u)
{
#if defined(__CUDACC__) && !defined(QUERN_EMULATED)
	return __umul64hi(mass, u << 11);
#else
	return (uint64_t)((unsigned __int128)mass * u >> 53);
#endif
}

SAMPLE_FN uint64_t sample_share(uint64_t mass, double p)
{
	double share = ceil(p * (double)mass);

	return share >= (double)mass ? mass : share < 1 ? 1 : (uint64_t)share;
}

#endif
