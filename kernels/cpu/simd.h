/* simd.h - a vector of VL floats, so that each kernel is written once.
 *
 * The kernels in this folder's headers are static functions over this type; plain.c, avx2.c and avx512.c compile
 * them once per instruction set (the Makefile gives each file its flags) and each exports one table.
 * Arithmetic uses the operators of GCC's vector extension; what they lack is wrapped here. Plain C is four
 * lanes of portable vector code, for any machine.
 *
 * max and min return the second operand when either is NaN, as SSE does: put the data second to let NaN through. */
#ifndef QUERN_CPU_SIMD_H
#define QUERN_CPU_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* VL lanes; GEMM_MR rows of two vectors fill the register file (two operands and a broadcast stay free). */
#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#define GEMM_MR 14
#define ISA_NAME "avx512"
typedef float vf __attribute__((vector_size(64)));
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VL 8
#define GEMM_MR 6
#define ISA_NAME "avx2"
typedef float vf __attribute__((vector_size(32)));
#else
#define VL 4
#define GEMM_MR 4
#define ISA_NAME "plain"
typedef float vf __attribute__((vector_size(16)));
#endif
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef float vf_unaligned __attribute__((vector_size(4 * VL), aligned(1), may_alias)); /* 1: bytes of stored weights are loaded, too */

/* (mask & a) | (~mask & b) */
INLINE vf v_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf v_load(const float *p) { return (vf)*(const vf_unaligned *)p; }
INLINE void v_store(float *p, vf v) { *(vf_unaligned *)p = v; }
INLINE vf v_zero(void) { return (vf){0}; }

#if VL == 16
INLINE vf v_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void v_store_n(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
INLINE vf v_set1(float x) { return _mm512_set1_ps(x); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
#elif VL == 8
INLINE __m256i v_mask(int n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf v_load_n(const float *p, int n) { return _mm256_maskload_ps(p, v_mask(n)); }
INLINE void v_store_n(float *p, vf v, int n) { _mm256_maskstore_ps(p, v_mask(n), v); }
INLINE vf v_set1(float x) { return _mm256_set1_ps(x); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
#else
INLINE vf v_load_n(const float *p, int n)
{
	vf v = {0};

	for (int i = 0; i < n; i++)
		v[i] = p[i];
	return v;
}
INLINE void v_store_n(float *p, vf v, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = v[i];
}
INLINE vf v_set1(float x) { return (vf){x, x, x, x}; }
INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf v_max(vf a, vf b) { return v_select((vi)(a > b), a, b); }
INLINE vf v_min(vf a, vf b) { return v_select((vi)(a < b), a, b); }
INLINE vf v_sqrt(vf a)
{
	for (int i = 0; i < VL; i++)
		a[i] = sqrtf(a[i]);
	return a;
}
#endif

/* The constraint of a vector register, for asm. */
#if VL == 16
#define V_REGISTER "v"
#elif defined(__x86_64__)
#define V_REGISTER "x"
#else
#define V_REGISTER "m"
#endif
#ifdef __AVX512BF16__
/* c + the products of bf16 pairs */
INLINE vf v_dot_pairs(vf a, vf b, vf c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
#else
INLINE vf v_dot_pairs(vf a, vf b, vf c) { return (void)a, (void)b, c; }
#endif

/* Sum and maximum of the lanes, by halves. */
#if VL == 16
INLINE float v_sum(vf v) { return _mm512_reduce_add_ps(v); }
INLINE float v_hmax(vf v) { return _mm512_reduce_max_ps(v); }
#elif VL == 8
INLINE float v_sum(vf v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
INLINE float v_hmax(vf v)
{
	__m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	s = _mm_max_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
#else
INLINE float v_sum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE float v_hmax(vf v)
{
	float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];

	return a > b ? a : b;
}
#endif

/* e^x: x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite), e^r by its Taylor polynomial of
 * degree 7 (remainder below 1e-8), then n into the exponent. Relative error below 2e-7 (check.c measures it)
 * on [-87, 88]; below, the result stays at e^-87.3 (1e-38), above at e^88.3. NaN stays NaN. */
INLINE vf v_exp(vf x)
{
	const vf round = v_set1(12582912.0f); /* 1.5 * 2^23: adding it leaves an integer in the low bits */
	vf n, r, y;

	x = v_min(v_set1(88.3f), v_max(v_set1(-87.3f), x));
	n = (v_fma(x, v_set1(1.44269504088896341f), round)) - round;
	r = v_fma(n, v_set1(-0.693359375f), x);
	r = v_fma(n, v_set1(2.12194440e-4f), r);
	y = v_set1(1.0f / 5040);
	y = v_fma(y, r, v_set1(1.0f / 720));
	y = v_fma(y, r, v_set1(1.0f / 120));
	y = v_fma(y, r, v_set1(1.0f / 24));
	y = v_fma(y, r, v_set1(1.0f / 6));
	y = v_fma(y, r, v_set1(0.5f));
	y = v_fma(y, r, v_set1(1.0f));
	y = v_fma(y, r, v_set1(1.0f));
	return y * (vf)((vu)(__builtin_convertvector(n, vi) + 127) << 23);
}

/* 1 / (1 + e^-x) */
INLINE vf v_sigmoid(vf x)
{
	return v_set1(1.0f) / (v_set1(1.0f) + v_exp(-x));
}

/* tanh, as Cephes' tanhf: below 0.625 an odd polynomial (relative error below 2e-7, as near 0 the quotient would
 * cancel), else 1 - 2 / (e^2|x| + 1) with the sign of x. */
INLINE vf v_tanh(vf x)
{
	const vi sign = (vi)v_set1(-0.0f);
	vf a = (vf)((vi)x & ~sign), z = x * x, p, q;

	p = v_set1(-5.70498872745e-3f);
	p = v_fma(p, z, v_set1(2.06390887954e-2f));
	p = v_fma(p, z, v_set1(-5.37397155531e-2f));
	p = v_fma(p, z, v_set1(1.33314422036e-1f));
	p = v_fma(p, z, v_set1(-3.33332819422e-1f));
	p = v_fma(p * z, x, x);
	q = v_set1(1.0f) - v_set1(2.0f) / (v_exp(a + a) + v_set1(1.0f));
	return v_select((vi)(a < v_set1(0.625f)), p, (vf)((vi)q | ((vi)x & sign)));
}

/* One of log2(VL) steps that together transpose VL vectors: interleave the low and the high halves of a and b. */
INLINE void v_interleave(vf a, vf b, vf *lo, vf *hi)
{
#if VL == 16
	*lo = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
	*hi = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif VL == 8
	*lo = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
	*hi = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
	*lo = __builtin_shufflevector(a, b, 0, 4, 1, 5);
	*hi = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

INLINE void v_transpose(vf v[VL])
{
	vf t[VL];

#pragma GCC unroll 4
	for (int step = 1; step < VL; step *= 2) {
#pragma GCC unroll 8
		for (int i = 0; i < VL / 2; i++)
			v_interleave(v[i], v[i + VL / 2], &t[2 * i], &t[2 * i + 1]);
#pragma GCC unroll 16
		for (int i = 0; i < VL; i++)
			v[i] = t[i];
	}
}

/* for (V_EACH(i, n)) visits the vectors of a row; v_lanes is how many lanes the one at i has. */
#define V_EACH(i, n) int64_t i = 0; i < (n); i += VL
INLINE int v_lanes(int64_t n, int64_t i) { return n - i < VL ? (int)(n - i) : VL; }
INLINE vf v_load_at(const float *p, int64_t n, int64_t i)
{
	return n - i < VL ? v_load_n(p + i, (int)(n - i)) : v_load(p + i);
}
INLINE void v_store_at(float *p, vf v, int64_t n, int64_t i)
{
	if (n - i < VL)
		v_store_n(p + i, v, (int)(n - i));
	else
		v_store(p + i, v);
}

#endif
