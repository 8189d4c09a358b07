/* act.h - activations as this folder stores them: vectors of floats are loaded from them and stored to them, so that a kernel is
 * written once. */
#ifndef QUERN_CPU_ACT_H
#define QUERN_CPU_ACT_H

#include "cpu/simd.h"
#include "kernels.h"

struct act {
	float value;
};

INLINE float a_get(const act *p) { return p->value; }
INLINE void a_set(act *p, float x) { p->value = x; }
INLINE vf a_load(const act *p) { return v_load(&p->value); }
INLINE void a_store(act *p, vf v) { v_store(&p->value, v); }
INLINE vf a_load_n(const act *p, int n) { return v_load_n(&p->value, n); }
INLINE void a_store_n(act *p, vf v, int n) { v_store_n(&p->value, v, n); }

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

#endif
