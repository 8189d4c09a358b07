/* linear.h - a linear layer's product with what is added to it, by the products of gemm.h: the sum begins with the bias and the rest. */
#ifndef QUERN_CPU_LINEAR_H
#define QUERN_CPU_LINEAR_H

#include "cpu/gemm.h"
#include "cpu/rows.h"

/* What y begins with; whether it does. */
static bool begin_with(struct pool *pool, act *y, const float *b, const act *r, int64_t n, int64_t o)
{
	if (b)
		cpu_add_bias(pool, y, r, b, n, o);
	else if (r && r != y)
		cpu_copy(pool, y, r, (size_t)(n * o) * sizeof(act));
	return b || r;
}

static void cpu_matmul_add(struct pool *pool, act *y, const act *x, struct weights w, const float *b, const act *r, int64_t n, int64_t o,
			   int64_t i)
{
	cpu_matmul(pool, y, x, w, n, o, i, begin_with(pool, y, b, r, n, o));
}

#endif
