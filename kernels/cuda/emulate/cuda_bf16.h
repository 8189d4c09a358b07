/* cuda_bf16.h - bf16 as CUDA has it, on the CPU; see cuda_runtime.h. Rounded to the nearest even; a NaN is 0x7fff. */
#ifndef QUERN_EMULATE_CUDA_BF16_H
#define QUERN_EMULATE_CUDA_BF16_H

#include <cuda_runtime.h>

struct __nv_bfloat16 { unsigned short bits; };
struct alignas(4) __nv_bfloat162 { __nv_bfloat16 x, y; };

static inline __nv_bfloat16 __float2bfloat16_rn(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	if (x != x)
		return __nv_bfloat16{0x7fff};
	return __nv_bfloat16{(unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16)};
}

static inline __nv_bfloat16 __float2bfloat16(float x) { return __float2bfloat16_rn(x); }
static inline float __bfloat162float(__nv_bfloat16 x) { return __uint_as_float((unsigned)x.bits << 16); }
static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y)
{
	return __nv_bfloat162{__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
static inline __nv_bfloat162 __hsub2(__nv_bfloat162 a, __nv_bfloat162 b)
{
	return __floats2bfloat162_rn(__bfloat162float(a.x) - __bfloat162float(b.x), __bfloat162float(a.y) - __bfloat162float(b.y));
}
static inline float2 __bfloat1622float2(__nv_bfloat162 v) { return float2{__bfloat162float(v.x), __bfloat162float(v.y)}; }
static inline float __low2float(__nv_bfloat162 v) { return __bfloat162float(v.x); }
static inline float __high2float(__nv_bfloat162 v) { return __bfloat162float(v.y); }

#endif
