/* bench_pack.c - sequences a second of the best-fit planner, and how full the packs are, for lengths as documents have them (log-normal,
 * 4096 tokens at most). */
#include "base/progress.h"
#include "base/rng.h"
#include "token/pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LENGTH 4096

int main(void)
{
	struct rng r = rng_open(1, 0);

	for (int64_t n = 1000; n <= 10000000; n *= 10) {
		int32_t *len = malloc((size_t)n * sizeof(*len));
		double tokens = 0, t;
		struct pack_plan p = {0};

		if (!len)
			return 1;
		for (int64_t i = 0; i < n; i++) {
			double v = exp(6 + 1.1 * rng_normal(&r));
			len[i] = v < 1 ? 1 : v > LENGTH ? LENGTH : (int32_t)v;
			tokens += len[i];
		}
		t = clock_seconds();
		pack_best_fit(len, n, LENGTH, &p);
		t = clock_seconds() - t;
		printf("%9lld sequences: %5.1f million a second, %.2f %% full\n", (long long)n, (double)n / t / 1e6, 100 * tokens / ((double)p.n_packs * LENGTH));
		pack_plan_release(&p);
		free(len);
	}
	return 0;
}
