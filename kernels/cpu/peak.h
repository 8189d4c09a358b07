/* peak.h - how fast this machine multiplies and adds: chains of operations on registers alone, the measure of all products. */
#ifndef QUERN_CPU_PEAK_H
#define QUERN_CPU_PEAK_H

#include "base/mem.h"
#include "base/progress.h"
#include "cpu/simd.h"
#include "kernels.h"

#define PEAK_CHAINS 12          /* hide the latency of two units, and fit sixteen registers */
#define PEAK_ROUNDS 40000
#define PEAK_TRIES 20           /* the best counts: others may use the machine */

struct peak_job {
	float *sink;                 /* one per task, so that nothing is left out */
};

static void peak_task(void *arg, int64_t i, int worker)
{
	const struct peak_job *t = arg;
	vf a[PEAK_CHAINS], b = v_set1(0.999f), c = v_set1(1e-6f), sum = v_zero();

	(void)worker;
#pragma GCC unroll 12
	for (int k = 0; k < PEAK_CHAINS; k++)
		a[k] = v_set1((float)k);
	for (int r = 0; r < PEAK_ROUNDS; r++) {
#pragma GCC unroll 12
		for (int k = 0; k < PEAK_CHAINS; k++)
			a[k] = v_fma(a[k], b, c);
	}
#pragma GCC unroll 12
	for (int k = 0; k < PEAK_CHAINS; k++)
		sum += a[k];
	t->sink[i] = v_sum(sum);
}

static double cpu_peak_flops(struct pool *pool)
{
	int threads = pool ? pool_threads(pool) : 1;
	struct peak_job t = {.sink = mem_array((size_t)threads, sizeof(float))};
	double best = 0;

	for (int r = 0; r < PEAK_TRIES; r++) {
		double start = clock_seconds(), seconds;

		pool_run(pool, threads, peak_task, &t);
		seconds = clock_seconds() - start;
		best = seconds > 0 ? fmax(best, 2.0 * VL * PEAK_CHAINS * PEAK_ROUNDS * threads / seconds) : best;
	}
	mem_free(t.sink);
	return best;
}

#endif
