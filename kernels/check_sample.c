/* check_sample.c - the tokens that sample chooses, against the definition: all tokens sorted, whole numbers added up. */
#include "check.h"
#include "choice.h"

#include <math.h>
#include <stdlib.h>

struct token {
	int32_t id;
	float weight, rank;
};

static int by_rank(const void *a, const void *b)
{
	const struct token *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank) - (x->rank > y->rank) : (x->id > y->id) - (x->id < y->id);
}

static uint64_t mass_of(const struct token *t, int64_t n)
{
	uint64_t mass = 0;

	for (int64_t i = 0; i < n; i++)
		mass += sample_mass(t[i].weight);
	return mass;
}

/* How many tokens, the first up to whom there is more than `before`. */
static int64_t up_to(const struct token *t, int64_t n, uint64_t before)
{
	uint64_t mass = 0;

	for (int64_t i = 0; i < n; i++) {
		mass += sample_mass(t[i].weight);
		if (mass > before)
			return i + 1;
	}
	return n;
}

static void rank_typical(struct token *t, int64_t n, const float *scores, float highest, float inverse)
{
	uint64_t sum = 0;
	float mean;

	for (int64_t i = 0; i < n; i++)
		if (sample_mass(t[i].weight))
			sum += sample_mass(t[i].weight * sample_surprise(scores[t[i].id], highest, inverse));
	mean = (float)((double)sum / (double)mass_of(t, n));
	for (int64_t i = 0; i < n; i++)
		t[i].rank = sample_nearness(sample_surprise(scores[t[i].id], highest, inverse), mean);
	qsort(t, (size_t)n, sizeof *t, by_rank);
}

static int32_t reference(const float *scores, const struct sample_rule *rule, uint64_t u, int64_t v)
{
	struct token *t = mem_array((size_t)v, sizeof *t);
	float highest = scores[0], inverse = sample_inverse(rule->temperature);
	bool ranked = rule->top_k > 0 || rule->top_p < 1 || (rule->typical_p > 0 && rule->typical_p < 1);
	int64_t n = v, kept = 0;
	int32_t id;

	for (int64_t i = 0; i < v; i++)
		highest = scores[i] > highest ? scores[i] : highest;
	for (int64_t i = 0; i < v; i++) {
		float w = sample_weight(scores[i], highest, inverse);

		t[i] = (struct token){(int32_t)i, w, ranked ? w : 0};
	}
	qsort(t, (size_t)v, sizeof *t, by_rank);
	if (rule->top_k > 0)
		for (n = rule->top_k < v ? rule->top_k : v; n < v && t[n].weight == t[n - 1].weight;)
			n++;
	if (rule->top_p < 1)
		n = up_to(t, n, sample_share(mass_of(t, n), rule->top_p) - 1);
	for (int64_t i = 0; i < n; i++)
		if (t[i].weight >= (float)rule->min_p)
			t[kept++] = t[i];
	n = kept;
	if (rule->typical_p > 0 && rule->typical_p < 1) {
		rank_typical(t, n, scores, highest, inverse);
		for (kept = up_to(t, n, sample_share(mass_of(t, n), rule->typical_p) - 1); kept < n && t[kept].rank == t[kept - 1].rank;)
			kept++;
		n = kept;
	}
	id = t[up_to(t, n, sample_before(mass_of(t, n), u)) - 1].id;
	if (rule->temperature <= 0)
		for (id = 0; scores[id] != highest;)
			id++;
	mem_free(t);
	return id;
}

static struct sample_rule random_rule(struct check *c, const float *bias, int64_t v)
{
	static const double temperature[] = {1, 0, 0.7, 3, 1e-300, 1}, top_p[] = {1, 0.9, 0.3, 0.999999999, 1e-9, 1};

	return (struct sample_rule){
		.temperature = temperature[below(c, 6)], .top_p = top_p[below(c, 6)], .min_p = below(c, 3) ? 0 : 0.05,
		.typical_p = below(c, 3) ? 1 : 0.6, .top_k = below(c, 2) ? 0 : 1 + below(c, below(c, 2) ? 10 : v + 3),
		.repetition = below(c, 2) ? 1 : 1.3, .frequency = below(c, 2) ? 0 : 0.4, .presence = below(c, 2) ? 0 : -0.3,
		.bias = below(c, 2) ? bias : NULL,
	};
}

/* Logits of several widths, often with equals. */
static float *random_logits(struct check *c, int64_t n)
{
	float *x = floats(c, n), width = below(c, 2) ? 4 : 30;
	bool coarse = below(c, 3) == 0;

	for (int64_t i = 0; i < n; i++) {
		x[i] = x[i] * width + (below(c, 50) ? 0 : 10);
		x[i] = coarse ? roundf(x[i]) : x[i];
		if (below(c, 200) == 0)
			x[i] = -INFINITY;
	}
	return x;
}

void check_sample(struct check *c)
{
	int64_t n = size1(c, 7), slots = n + below(c, 4), v = below(c, 2) ? size1(c, 70) : size1(c, 5000);
	float *logits = random_logits(c, n * v), *bias = floats(c, v), *scores = mem_array((size_t)v, sizeof *scores);
	struct sample_rule rule = random_rule(c, bias, v);
	bool counts = rule.repetition != 1 || rule.frequency != 0 || rule.presence != 0;
	int32_t *slot = mem_array((size_t)n, sizeof *slot), *id = mem_array((size_t)slots, sizeof *id);
	uint64_t *u = mem_array((size_t)n, sizeof *u);
	uint32_t *seen = mem_array((size_t)(slots * v), sizeof *seen), *given = mem_array((size_t)(slots * v), sizeof *given);
	float *logp = mem_array((size_t)slots, sizeof *logp);
	struct logits_sum *sum = mem_array((size_t)n, sizeof *sum);
	int64_t bad = below(c, 4) ? -1 : below(c, n);

	for (int64_t i = 0; i < n; i++) {
		slot[i] = (int32_t)((i + 2) % n + slots - n);
		u[i] = rng_u64(&c->rng) >> 11;
	}
	u[0] = below(c, 2) ? 0 : (UINT64_C(1) << 53) - 1;
	for (int64_t r = 0; r < n; r++)
		logits[r * v + below(c, v)] = 3;         /* not all of them -inf */
	if (bad >= 0)
		logits[bad * v + below(c, v)] = below(c, 2) ? (float)NAN : INFINITY;
	for (int64_t i = 0; i < slots * v; i++)
		seen[i] = below(c, 3) ? 0 : (uint32_t)below(c, 3) | (below(c, 2) ? SAMPLE_PROMPT : 0);
	for (int p = 0; p < 2; p++) {
		void *scratch = mem_alloc(c->k->sample_scratch(c->pools[p], n, v) + 1);

		memcpy(given, seen, (size_t)(slots * v) * sizeof *seen);
		c->k->sample(c->pools[p], id, logp, logits, &rule, (struct sample_rows){slot, u, counts ? given : NULL}, scratch, n, v);
		c->k->logits_sum(c->pools[p], sum, logits, n, v);
		for (int64_t r = 0; r < n; r++) {
			const float *x = logits + r * v;
			double total = 0, want;
			int32_t right;

			for (int64_t i = 0; i < v; i++) {
				scores[i] = sample_score(x[i], rule.bias ? bias[i] : 0, counts ? seen[slot[r] * v + i] : 0, rule.repetition,
							 rule.frequency, rule.presence);
				total += exp((double)x[i]);
			}
			if (r == bad) {
				if (!isnan(logp[slot[r]]) || id[slot[r]] != 0 || (isfinite(sum[r].top) && isfinite(sum[r].log)))
					fail(c, "no distribution", r, logp[slot[r]], NAN);
				continue;
			}
			right = reference(scores, &rule, u[r], v);
			want = x[right] - log(total);
			if (id[slot[r]] != right)
				fail(c, p ? "token, 3 threads" : "token", r, id[slot[r]], right);
			if (!(fabs(logp[slot[r]] - want) < 2e-6 + fabs(want) * 0x1p-24))      /* that a float has */
				fail(c, "logp", r, logp[slot[r]], want);
			if (logp[slot[r]] != logits_logp(sum[r], x[right]))
				fail(c, "logits_sum", r, logits_logp(sum[r], x[right]), logp[slot[r]]);
			if (counts && given[slot[r] * v + right] != seen[slot[r] * v + right] + 1)
				fail(c, "count", r, given[slot[r] * v + right], seen[slot[r] * v + right] + 1);
		}
		mem_free(scratch);
	}
	for (int i = 0; i < 200; i++) {
		float x = -(float)below(c, 80000) / 1000;
		double off = fabs((double)sample_exp(x) / exp((double)x) - 1) / 5e-7;

		if (!(off <= 1))
			fail(c, "e^x", i, sample_exp(x), exp((double)x));
		c->worst = off > c->worst ? off : c->worst;
	}
	mem_free(logits), mem_free(bias), mem_free(scores), mem_free(slot), mem_free(id), mem_free(u), mem_free(seen), mem_free(given), mem_free(logp);
	mem_free(sum);
}

void check_take_ids(struct check *c)
{
	int64_t n = size1(c, 100), m = size1(c, 20);
	int32_t *ids = indices(c, n, m), *said = indices(c, m, 1000), *want = mem_array((size_t)n, sizeof *want);

	for (int64_t i = 0; i < n; i++) {
		ids[i] = below(c, 2) ? -1 - ids[i] : ids[i];
		want[i] = ids[i] < 0 ? said[-1 - ids[i]] : ids[i];
	}
	c->k->take_ids(c->pools[1], ids, said, n);
	for (int64_t i = 0; i < n; i++)
		if (ids[i] != want[i])
			fail(c, "id", i, ids[i], want[i]);
	mem_free(ids), mem_free(said), mem_free(want);
}

/* What becomes of logits that are made whole is to the bit what logprob makes of them, and logprob_dx, unless the weights were packed for the
 * forward alone, which it does not take. Once in a while a row is longer than a
 * block of threads reads at once. */
void check_logits_sum(struct check *c)
{
	bool large = below(c, 20) == 0;
	int64_t n = large ? 2 : size1(c, 40), w = large ? 1 : size1(c, 90), v = large ? 300000 + below(c, 9) : size1(c, 2500);
	float *x = values(c, n * w), *logits = junk(n * v), *logp = junk(n), *lse = junk(n), *both = junk(n), *both_lse = junk(n), *want = junk(n);
	float *scratch = junk(c->k->logprob_scratch(n, w, v)), *dx = junk(n * w), *d = floats(c, n), cap = below(c, 2) ? 3 : 0;
	int32_t *targets = indices(c, n, v);
	struct stored e = random_weights(c, v, w);
	struct logits_sum *sum = mem_array((size_t)n, sizeof *sum);

	c->k->matmul_float(c->pools[1], logits, in(c, x, n * w), e.w, NULL, n, v, w);
	if (cap > 0)
		c->k->soft_cap(c->pools[1], logits, n * v, cap);
	c->k->logits_sum(c->pools[1], sum, logits, n, v);
	done(c);
	c->k->logprob(c->pools[0], logp, lse, NULL, NULL, in(c, x, n * w), e.w, targets, scratch, n, w, v, cap);
	done(c);
	if (!c->forward)
		c->k->logprob_dx(c->pools[1], out(c, dx, n * w), NULL, &(struct logprob_grad){.logp = d}, in(c, x, n * w), e.w, both, both_lse,
				 targets, scratch, n, w, v, cap);
	done(c);
	for (int64_t i = 0; i < n; i++) {
		double total = 0;

		for (int64_t j = 0; j < v; j++)
			total += exp((double)logits[i * v + j] - (double)sum[i].top);
		if (!(fabs(sum[i].log - log(total)) < 2e-6))
			fail(c, "log", i, sum[i].log, log(total));
		want[i] = logits_logp(sum[i], logits[i * v + targets[i]]);
	}
	expect_same(c, "logp", logp, want, n);
	if (!c->forward) {
		expect_same(c, "logp with the gradient", both, want, n);
		expect_same(c, "lse with the gradient", both_lse, lse, n);
	}
	mem_free(x), mem_free(logits), mem_free(logp), mem_free(lse), mem_free(both), mem_free(both_lse), mem_free(want), mem_free(scratch), mem_free(dx);
	mem_free(d), mem_free(targets), stored_free(&e), mem_free(sum);
}
