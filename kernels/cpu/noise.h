/* noise.h - random numbers added to rows, from a counter: the same whatever the threads and whichever rows share a call. */
#ifndef QUERN_CPU_NOISE_H
#define QUERN_CPU_NOISE_H

#include "base/rng.h"
#include "cpu/act.h"
#include "cpu/rows.h"

struct noise_job {
	act *x;
	const float *size;
	const uint64_t *key;
	uint64_t seed;
	int64_t n, c;
};

static void noise_task(void *arg, int64_t i, int worker)
{
	const struct noise_job *t = arg;
	int64_t per = rows_per_piece(t->c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		for (int64_t j = 0; j < t->c; j += 4) {
			uint32_t word[4];

			rng_philox(t->seed, t->key[r], (uint64_t)j / 4, word);
			for (int64_t l = j; l < j + 4 && l < t->c; l++) {
				act *x = t->x + r * t->c + l;

				a_set(x, a_get(x) + t->size[r] * (float)((double)word[l - j] * 0x1p-31 - 1));
			}
		}
}

static void cpu_noise(struct pool *pool, act *x, const float *size, const uint64_t *key, uint64_t seed, int64_t n, int64_t c)
{
	struct noise_job t = {x, size, key, seed, n, c};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), noise_task, &t);
}

#endif
