/* logprob.h - log-probabilities of given tokens from hidden states, forward and backward, with the logits of at most
 * one chunk of tokens alive. Tokens without a target take no part: the chunk's rows are picked by index, so nothing is
 * moved. The backward takes any upstream gradient per token, of the log-probability, the logarithm of the sum and the mean
 * of the logits, and so serves every objective. */
#ifndef QUERN_CPU_LOGPROB_H
#define QUERN_CPU_LOGPROB_H

#include "cpu/gemm.h"
#include "cpu/logits.h"

/* dW is read and written once for each chunk, so a chunk has some hundreds of rows. */
#define LOGITS_MAX (32 << 20)   /* floats of logits alive, as long as a chunk has LOGITS_ROWS_MIN rows */
#define LOGITS_ROWS_MIN 128     /* and a multiple of that */
#define LOGITS_ROWS_MAX 1024

struct logprob_job {
	float *logits, *logp, *lse, *mean, *dx;
	const struct logprob_grad *d;
	const int32_t *targets, *rows;    /* rows: the tokens of the chunk at work */
	int32_t *with_target;
	bool *greedy;
	const act *x;
	struct weights w;
	int64_t c, v, total;              /* tokens that have a target */
	float cap;                        /* logits z are cap tanh(z / cap); 0 = as they are */
};

static int64_t logits_rows(int64_t v)
{
	int64_t rows = LOGITS_MAX / (v > 0 ? v : 1) / LOGITS_ROWS_MIN * LOGITS_ROWS_MIN;

	return rows < LOGITS_ROWS_MIN ? LOGITS_ROWS_MIN : rows > LOGITS_ROWS_MAX ? LOGITS_ROWS_MAX : rows;
}

/* Values from row to row of logits: an odd number of cache lines, so that rows do not share a place in the cache. */
INLINE int64_t logits_ld(int64_t v) { return ((v + 15) / 16 | 1) * 16; }

/* The chunk's logits, then the indices of the tokens that have a target; sums of dX that are not rounded yet. */
static int64_t cpu_logprob_scratch(int64_t n, int64_t c, int64_t v)
{
	int64_t rows = logits_rows(v) < n ? logits_rows(v) : n;

	return rows * logits_ld(v) + n + (ACT_BF16 ? rows * c : 0);
}

/* Cuts scratch in logits and indices, and finds the tokens that have a target. */
static void logprob_begin(struct logprob_job *t, float *scratch, int64_t n)
{
	int64_t chunk = logits_rows(t->v), room = (chunk < n ? chunk : n) * logits_ld(t->v);

	t->logits = scratch;
	t->with_target = (int32_t *)(void *)(scratch + room);
	t->dx = scratch + room + n;
	for (int64_t i = 0; i < n; i++)
		if (t->targets[i] >= 0)
			t->with_target[t->total++] = (int32_t)i;
}

/* The logits of the chunk that begins at the first-th token with a target; how many tokens it has, 0 at the end. */
static int64_t logits_of_chunk(struct pool *pool, struct logprob_job *t, int64_t first)
{
	struct operand x = acts_of(t->x, t->c, t->with_target + first, false), w = weights_of(t->w, t->c, false);
	int64_t left = t->total - first, n = left < logits_rows(t->v) ? left : logits_rows(t->v);

	t->rows = t->with_target + first;
	if (n > 0)
		gemm(pool, t->logits, logits_ld(t->v), NULL, x, n, w, t->v, t->c, false);
	if (n > 0 && t->cap > 0)
		cpu_soft_cap(pool, t->logits, n * logits_ld(t->v), t->cap);
	return n;
}

/* Blocks, so that the rounding of a long sum does not grow with the vocabulary. */
static float mean_of(const float *x, int64_t n)
{
	double sum = 0;

	for (int64_t from = 0; from < n; from += 1024) {
		int64_t k = n - from < 1024 ? n - from : 1024;
		vf part = v_zero();

		for (V_EACH(j, k))
			part += v_load_at(x + from, k, j);
		sum += (double)v_sum(part);
	}
	return (float)(sum / (double)n);
}

/* Whether the target's logit is the highest, or the first of the highest. */
static bool is_greedy(const float *x, int32_t target, float top)
{
	bool first = x[target] == top;

	for (int32_t j = 0; first && j < target; j++)
		first = x[j] != top;
	return first;
}

static void logprob_task(void *arg, int64_t i, int worker)
{
	const struct logprob_job *t = arg;
	const float *x = t->logits + i * logits_ld(t->v);
	int64_t row = t->rows[i];
	struct logits_sum sum = logits_sum_of(x, t->v, largest_of(x, t->v));

	(void)worker;
	t->lse[row] = sum.top + sum.log;
	t->logp[row] = logits_logp(sum, x[t->targets[row]]);
	if (t->mean)
		t->mean[row] = mean_of(x, t->v);
	if (t->greedy)
		t->greedy[row] = is_greedy(x, t->targets[row], sum.top);
}

static void cpu_logprob(struct pool *pool, float *logp, float *lse, float *mean, bool *greedy, const act *x, struct weights w,
			const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	struct logprob_job t = {.logp = logp, .lse = lse, .mean = mean, .greedy = greedy, .targets = targets, .x = x, .w = w, .c = c, .v = v,
				.cap = cap};

	cpu_zero(pool, logp, (size_t)n * sizeof *logp);
	cpu_zero(pool, lse, (size_t)n * sizeof *lse);
	if (mean)
		cpu_zero(pool, mean, (size_t)n * sizeof *mean);
	logprob_begin(&t, scratch, n);
	for (int64_t r = 0, k; (k = logits_of_chunk(pool, &t, r)) > 0; r += k)
		pool_run(pool, k, logprob_task, &t);
}

/* d logits = (dlse - dlogp) softmax + dlogp onehot(target) + dmean / V, and under a cap that times 1 - (z / cap)^2. They take the place of
 * the logits, as activations: an element's is never behind what it is made of. */
static void logprob_dx_task(void *arg, int64_t i, int worker)
{
	const struct logprob_job *t = arg;
	int64_t row = t->rows[i];
	float *x = t->logits + i * logits_ld(t->v), d = t->d->logp[row], inv = t->cap > 0 ? 1 / t->cap : 0, at = x[t->targets[row]];
	vf share = v_set1((t->d->lse ? t->d->lse[row] : 0) - d), even = v_set1(t->d->mean ? t->d->mean[row] / (float)t->v : 0);
	vf lse = v_set1(t->lse[row]), own = v_fma(v_exp(v_set1(at) - lse), share, even) + v_set1(d);
	act *dz = (act *)(void *)x;

	(void)worker;
	for (V_EACH(j, t->v)) {
		vf z = v_load_at(x, t->v, j), slope = v_set1(1.0f) - z * z * v_set1(inv * inv);

		a_store_at(dz, v_fma(v_exp(z - lse), share, even) * slope, t->v, j);
	}
	a_set(dz + t->targets[row], own[0] * (1 - at * inv * (at * inv)));
}

/* The same where the forward has not run. Without a cap the terms of the sum become the softmax. */
static void logprob_both_task(void *arg, int64_t i, int worker)
{
	const struct logprob_job *t = arg;
	int64_t row = t->rows[i];
	float *x = t->logits + i * logits_ld(t->v), d = t->d->logp[row], at = x[t->targets[row]], total, share, even;
	act *dz = (act *)(void *)x;
	struct logits_sum sum;
	vf own;

	if (t->cap > 0) {
		logprob_task(arg, i, worker);
		logprob_dx_task(arg, i, worker);
		return;
	}
	sum.top = largest_of(x, t->v);
	total = exp_row(x, x, t->v, sum.top);
	sum.log = logf(total);
	t->lse[row] = sum.top + sum.log;
	t->logp[row] = logits_logp(sum, at);
	share = ((t->d->lse ? t->d->lse[row] : 0) - d) / total;
	even = t->d->mean ? t->d->mean[row] / (float)t->v : 0;
	own = v_fma(v_set1(x[t->targets[row]]), v_set1(share), v_set1(even)) + v_set1(d);
	for (V_EACH(j, t->v))
		a_store_at(dz, v_fma(v_load_at(x, t->v, j), v_set1(share), v_set1(even)), t->v, j);
	a_set(dz + t->targets[row], own[0]);
}

#if ACT_BF16
struct scatter_rows_job {
	act *y;
	const float *x;
	const int32_t *rows;
	int64_t n, c;
};

static void scatter_rows_task(void *arg, int64_t i, int worker)
{
	const struct scatter_rows_job *t = arg;
	int64_t per = rows_per_piece(t->c), r1 = (i + 1) * per < t->n ? (i + 1) * per : t->n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		for (V_EACH(j, t->c))
			a_store_at(t->y + t->rows[r] * t->c, v_load_at(t->x + r * t->c, t->c, j), t->c, j);
}

/* y[rows[i]] = x[i] */
static void scatter_rounded(struct pool *pool, act *y, const float *x, const int32_t *rows, int64_t n, int64_t c)
{
	struct scatter_rows_job t = {y, x, rows, n, c};

	pool_run(pool, pieces_of(n, rows_per_piece(c)), scatter_rows_task, &t);
}
#endif

static void cpu_logprob_dx(struct pool *pool, act *dx, float *dw, const struct logprob_grad *d, const act *x, struct weights w, float *logp,
			   float *lse, const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	struct logprob_job t = {.d = d, .logp = logp, .lse = lse, .targets = targets, .x = x, .w = w, .c = c, .v = v,
				.cap = cap};

	cpu_zero(pool, dx, (size_t)n * (size_t)c * sizeof *dx);
	if (logp) {
		cpu_zero(pool, logp, (size_t)n * sizeof *logp);
		cpu_zero(pool, lse, (size_t)n * sizeof *lse);
	}
	logprob_begin(&t, scratch, n);
	for (int64_t r = 0, k; (k = logits_of_chunk(pool, &t, r)) > 0; r += k) {
		const act *dz = (const act *)(const void *)t.logits;
		int64_t ld = logits_ld(v) * (int64_t)(sizeof(float) / sizeof(act));

		pool_run(pool, k, logp ? logprob_both_task : logprob_dx_task, &t);
#if ACT_BF16
		gemm(pool, t.dx, c, NULL, acts_of(dz, ld, NULL, false), k, weights_of(w, c, true), c, v, false);
		scatter_rounded(pool, dx, t.dx, t.rows, k, c);
#else
		gemm(pool, &dx->value, c, t.rows, acts_of(dz, ld, NULL, false), k, weights_of(w, c, true), c, v, false);
#endif
		if (dw)
			gemm(pool, dw, c, NULL, acts_of(dz, ld, NULL, true), v, acts_of(x, c, t.rows, true), c, k, true);
	}
}

#endif
