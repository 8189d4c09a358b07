/* logits.h - the distribution that a row of logits is: one arithmetic for all that trains with it, scores by it (logprob.h) and draws from
 * it (sample.h). */
#ifndef QUERN_CPU_LOGITS_H
#define QUERN_CPU_LOGITS_H

#include "cpu/rows.h"

/* A NaN where there is one. */
static float largest_of(const float *x, int64_t n)
{
	int64_t tail = n / VL * VL;
	vf max = v_set1(-INFINITY);
	float top;

	for (int64_t j = 0; j < tail; j += VL)
		max = v_max(max, v_load(x + j));
	top = v_hmax(max);
	for (int64_t j = tail; j < n; j++)
		top = x[j] > top || x[j] != x[j] ? x[j] : top;
	return top;
}

#define EXP_BLOCK (64 * VL)          /* added up by itself, so that the rounding of a long sum does not grow with the vocabulary */

/* Sum of exp(x - top); to, which may be x, receives the terms. */
INLINE float exp_row(float *to, const float *x, int64_t n, float top)
{
	int64_t tail = n / VL * VL;
	vf sum = v_zero();
	float total;

	for (int64_t from = 0; from < tail; from += EXP_BLOCK) {
		int64_t end = from + EXP_BLOCK < tail ? from + EXP_BLOCK : tail;
		vf part = v_zero();

		for (int64_t j = from; j < end; j += VL) {
			vf e = v_exp(v_load(x + j) - v_set1(top));

			if (to)
				v_store(to + j, e);
			part += e;
		}
		sum += part;
	}
	total = v_sum(sum);
	for (int64_t j = tail; j < n; j++) {
		float e = expf(x[j] - top);

		if (to)
			to[j] = e;
		total += e;
	}
	return total;
}

/* Of a row whose largest value is top. */
static struct logits_sum logits_sum_of(const float *x, int64_t n, float top) { return (struct logits_sum){top, logf(exp_row(NULL, x, n, top))}; }

struct logits_sum_job {
	struct logits_sum *sum;
	const float *logits;
	int64_t v;
};

static void logits_sum_task(void *arg, int64_t i, int worker)
{
	const struct logits_sum_job *t = arg;
	const float *x = t->logits + i * t->v;

	(void)worker;
	t->sum[i] = logits_sum_of(x, t->v, largest_of(x, t->v));
}

static void cpu_logits_sum(struct pool *pool, struct logits_sum *sum, const float *logits, int64_t n, int64_t v)
{
	pool_run(pool, n, logits_sum_task, &(struct logits_sum_job){sum, logits, v});
}

#endif
