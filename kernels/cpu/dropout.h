/* dropout.h - elements dropped at random, from a counter: the same whatever the threads and whichever rows share a call. And columns
 * of a matrix times a factor. */
#ifndef QUERN_CPU_DROPOUT_H
#define QUERN_CPU_DROPOUT_H

#include "base/rng.h"
#include "cpu/act.h"
#include "cpu/rows.h"

struct dropout_job {
	act *y;
	const act *x;
	const uint64_t *key;
	uint64_t seed;
	uint32_t below;              /* words below this are dropped */
	float factor;
	int64_t n, c;
	bool acc;
};

static void dropout_row(const struct dropout_job *t, int64_t r)
{
	const act *x = t->x + r * t->c;
	act *y = t->y + r * t->c;

	for (int64_t j = 0; j < t->c; j += 4) {
		uint32_t word[4];

		rng_philox(t->seed, t->key[r], (uint64_t)j / 4, word);
		for (int64_t l = j; l < j + 4 && l < t->c; l++) {
			float kept = word[l - j] < t->below ? 0 : a_get(x + l) * t->factor;

			a_set(y + l, t->acc ? a_get(y + l) + kept : kept);
		}
	}
}

static void dropout_task(void *arg, int64_t i, int worker)
{
	const struct dropout_job *t = arg;
	int64_t per = rows_per_piece(t->c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		dropout_row(t, r);
}

static void cpu_dropout(struct pool *pool, act *y, const act *x, const uint64_t *key, uint64_t seed, float p, int64_t n,
			int64_t c, int acc)
{
	struct dropout_job t = {y, x, key, seed, (uint32_t)((double)p * 0x1p32), 1 / (1 - p), n, c, acc};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), dropout_task, &t);
}

struct columns_job {
	act *x;
	int64_t ld, n, c;
	float a;
};

static void columns_scale_task(void *arg, int64_t i, int worker)
{
	const struct columns_job *t = arg;
	int64_t per = rows_per_piece(t->c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		for (V_EACH(j, t->c))
			a_store_at(t->x + r * t->ld, a_load_at(t->x + r * t->ld, t->c, j) * v_set1(t->a), t->c, j);
}

static void cpu_scale_columns(struct pool *pool, act *x, int64_t ldx, int64_t n, int64_t c, float a)
{
	struct columns_job t = {x, ldx, n, c, a};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), columns_scale_task, &t);
}

#endif
