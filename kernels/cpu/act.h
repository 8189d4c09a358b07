/* act.h - activations as this folder stores them: floats, or with ACT_BF16 the nearest bf16, ties to even. Vectors of floats are loaded
 * from them and stored to them, so that a kernel is written once; each instruction set is compiled with either (avx2.c, avx2_bf16.c). */
#ifndef QUERN_CPU_ACT_H
#define QUERN_CPU_ACT_H

#include "cpu/simd.h"
#include "kernels.h"

#ifndef ACT_BF16
#define ACT_BF16 0
#endif

/* To the nearest bf16, ties to even, as a float; NaN stays NaN. */
INLINE vf v_round_bf16(vf x)
{
	vu u = (vu)x, r = (u + 0x7fffu + ((u >> 16) & 1)) & 0xffff0000u, nan = (vu)((u & 0x7fffffffu) > 0x7f800000u);

	return (vf)((nan & ((u | 0x400000u) & 0xffff0000u)) | (~nan & r));
}

typedef uint16_t vh __attribute__((vector_size(2 * VL)));

#if ACT_BF16
struct act {
	uint16_t bits;
};

INLINE float a_get(const act *p)
{
	uint32_t u = (uint32_t)p->bits << 16;
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}
INLINE vf v_widen(vh h) { return (vf)(__builtin_convertvector(h, vu) << 16); }
INLINE vh v_narrow(vf v)
{
#ifdef __AVX512BF16__
	return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
	return __builtin_convertvector((vu)v_round_bf16(v) >> 16, vh);
#endif
}
INLINE vf a_load(const act *p)
{
	vh h;

	memcpy(&h, p, sizeof h);
	return v_widen(h);
}
INLINE void a_store(act *p, vf v)
{
	vh h = v_narrow(v);

	memcpy(p, &h, sizeof h);
}
#if VL == 16
INLINE vf a_load_n(const act *p, int n) { return v_widen((vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p)); }
INLINE void a_store_n(act *p, vf v, int n) { _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)v_narrow(v)); }
#else
INLINE vf a_load_n(const act *p, int n)
{
	vh h = {0};

	memcpy(&h, p, (size_t)n * sizeof *p);
	return v_widen(h);
}
INLINE void a_store_n(act *p, vf v, int n)
{
	vh h = v_narrow(v);

	memcpy(p, &h, (size_t)n * sizeof *p);
}
#endif
INLINE void a_set(act *p, float x) { a_store_n(p, v_set1(x), 1); }
#else
struct act {
	float value;
};

INLINE float a_get(const act *p) { return p->value; }
INLINE void a_set(act *p, float x) { p->value = x; }
INLINE vf a_load(const act *p) { return v_load(&p->value); }
INLINE void a_store(act *p, vf v) { v_store(&p->value, v); }
INLINE vf a_load_n(const act *p, int n) { return v_load_n(&p->value, n); }
INLINE void a_store_n(act *p, vf v, int n) { v_store_n(&p->value, v, n); }
#endif

/* As v_load_at and v_store_at. */
INLINE vf a_load_at(const act *p, int64_t n, int64_t i)
{
	return n - i < VL ? a_load_n(p + i, (int)(n - i)) : a_load(p + i);
}
INLINE void a_store_at(act *p, vf v, int64_t n, int64_t i)
{
	if (n - i < VL)
		a_store_n(p + i, v, (int)(n - i));
	else
		a_store(p + i, v);
}

/* n rows of d values, ld apart, as floats: where they lie, or in room, side by side; *from and *ld say where. */
INLINE const float *rows_of_acts(float *room, const act *x, int64_t *ld, int64_t n, int64_t d)
{
#if ACT_BF16
	for (int64_t r = 0; r < n; r++)
		for (V_EACH(j, d))
			v_store_at(room + r * d, a_load_at(x + r * *ld, d, j), d, j);
	*ld = d;
	return room;
#else
	(void)room, (void)n, (void)d, (void)ld;
	return (const float *)(const void *)x;
#endif
}

#endif
