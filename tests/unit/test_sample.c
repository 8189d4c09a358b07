/* Sampling: filters as transformers applies them, randomness by position, frequencies. */
#include "infer/sample.h"

#include <math.h>
#include <stdbool.h>

#include "unit.h"

static const struct sample_options plain = { .temperature = 1, .top_p = 1, .repetition_penalty = 1 };

/* One draw with u in [0, 1) on the CPU; the first n_prompt of seen are the prompt's. */
static enum status draw(const struct sample_options *o, const float *logits, int n, const int32_t *seen, int n_prompt, int n_seen, double u,
			int32_t *id, float *logprob)
{
	struct sampler *s;
	struct error err;
	const int32_t *ids, slot = 0;
	const float *lp;
	uint64_t bits = (uint64_t)(u * 0x1p53);
	enum status st;
	assert_int_equal(sampler_open(&s, o, kernels_cpu(), NULL, 1, n, &err), OK);
	sampler_begin(s, 0, seen, n_prompt, n_seen);
	sampler_draw(s, logits, &slot, &bits, 1);
	assert_int_equal(sampler_take(s, &ids, &lp, &err), OK);
	*id = ids[0];
	*logprob = lp[0];
	st = sampler_check(lp[0], &err);
	sampler_close(s);
	return st;
}

static int32_t pick(const struct sample_options *o, const float *logits, int n, const int32_t *seen, int n_seen, double u,
		    float *logprob)
{
	int32_t id;
	float lp;
	assert_int_equal(draw(o, logits, n, seen, 0, n_seen, u, &id, &lp), OK);
	if (logprob)
		*logprob = lp;
	return id;
}

/* Which of n tokens can be drawn at all, as a bit set. */
static unsigned reachable(const struct sample_options *o, const float *logits, int n)
{
	unsigned set = 0;
	for (int i = 0; i < 4096; i++)
		set |= 1u << pick(o, logits, n, NULL, 0, (i + 0.5) / 4096, NULL);
	return set;
}

static void greedy_takes_the_lowest_id_among_equals(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { 1, 3, 2, 3 };
	o.temperature = 0;
	for (int i = 0; i < 10; i++)
		assert_int_equal(pick(&o, x, 4, NULL, 0, i / 10.0, NULL), 1);
}

static void draws_follow_the_probabilities(void **state)
{
	(void)state;
	float x[] = { logf(0.1f), logf(0.6f), logf(0.3f) };
	int count[3] = { 0 };
	for (int i = 0; i < 10000; i++)
		count[pick(&plain, x, 3, NULL, 0, (i + 0.5) / 10000, NULL)]++;
	assert_in_range(count[0], 998, 1002);
	assert_in_range(count[1], 5998, 6002);
	assert_in_range(count[2], 2998, 3002);
}

static void temperature_sharpens(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { 0, 1 };
	o.temperature = 0.5;
	int ones = 0;
	for (int i = 0; i < 10000; i++)
		ones += pick(&o, x, 2, NULL, 0, (i + 0.5) / 10000, NULL);
	assert_in_range(ones, (int)(10000 / (1 + exp(-2.0))) - 3, (int)(10000 / (1 + exp(-2.0))) + 3);
	o.temperature = 1e-300;
	assert_int_equal(reachable(&o, x, 2), 2);
	o.temperature = 1e6;
	assert_int_equal(reachable(&o, x, 2), 3);
}

static void top_k_keeps_k_and_ties(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { 2, 0, 3, 2, 1 };
	o.top_k = 1;
	assert_int_equal(reachable(&o, x, 5), 1 << 2);
	o.top_k = 2;
	assert_int_equal(reachable(&o, x, 5), 1 << 0 | 1 << 2 | 1 << 3);
	o.top_k = 4;
	assert_int_equal(reachable(&o, x, 5), 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4);
	o.top_k = 100;
	assert_int_equal(reachable(&o, x, 5), 31);
}

static void top_p_keeps_the_token_that_crosses(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { logf(0.5f), logf(0.25f), logf(0.15f), logf(0.1f) };
	o.top_p = 0.4;
	assert_int_equal(reachable(&o, x, 4), 1);
	o.top_p = 0.6;
	assert_int_equal(reachable(&o, x, 4), 3);
	o.top_p = 0.8;
	assert_int_equal(reachable(&o, x, 4), 7);
	o.top_p = 1e-9;
	assert_int_equal(reachable(&o, x, 4), 1);
}

/* transformers renormalises after top-k before it looks at top-p: of {0.5, 0.25} the first has 2/3. */
static void top_p_follows_top_k(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { logf(0.5f), logf(0.25f), logf(0.15f), logf(0.1f) };
	o.top_k = 2;
	o.top_p = 0.6;
	assert_int_equal(reachable(&o, x, 4), 1);
	o.top_p = 0.7;
	assert_int_equal(reachable(&o, x, 4), 3);
}

static void min_p_is_relative_to_the_best(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { logf(0.5f), logf(0.26f), logf(0.14f), logf(0.1f) };
	o.min_p = 0.5;
	assert_int_equal(reachable(&o, x, 4), 3);
	o.top_k = 3;
	o.min_p = 0.25;
	assert_int_equal(reachable(&o, x, 4), 7);
	o.min_p = 1;
	assert_int_equal(reachable(&o, x, 4), 1);
}

static void repetition_penalty_divides_and_multiplies_once(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float up[] = { 4, 3 }, down[] = { -1, -1.5f };
	int32_t seen[] = { 0, 0, 0, -7, 99 };
	o.temperature = 0;
	o.repetition_penalty = 1.3;                    /* 4 / 1.3 = 3.08, once; twice would be 2.37 */
	assert_int_equal(pick(&o, up, 2, seen, 5, 0, NULL), 0);
	o.repetition_penalty = 1.4;
	assert_int_equal(pick(&o, up, 2, seen, 5, 0, NULL), 1);
	assert_int_equal(pick(&o, up, 2, NULL, 0, 0, NULL), 0);
	o.repetition_penalty = 1.6;                    /* -1 * 1.6 < -1.5 */
	assert_int_equal(pick(&o, down, 2, seen, 1, 0, NULL), 1);
}

static void frequency_counts_and_presence_does_not(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { 4, 3.1f, 0 };
	int32_t seen[] = { 0, 1, 0, 0 };               /* 0 three times, 1 once */
	o.temperature = 0;
	o.presence_penalty = 0.8;                      /* 3.2 and 2.3 */
	assert_int_equal(pick(&o, x, 3, seen, 4, 0, NULL), 0);
	o.presence_penalty = 0;
	o.frequency_penalty = 0.3;                     /* 3.1 and 2.8 */
	assert_int_equal(pick(&o, x, 3, seen, 4, 0, NULL), 0);
	o.frequency_penalty = 0.5;                     /* 2.5 and 2.6 */
	assert_int_equal(pick(&o, x, 3, seen, 4, 0, NULL), 1);
	o.frequency_penalty = 2;                       /* -2, 1.1, 0 */
	assert_int_equal(pick(&o, x, 3, seen, 4, 0, NULL), 1);
	int32_t id;                                    /* what the prompt says does not count */
	float lp;
	assert_int_equal(draw(&o, x, 3, seen, 4, 4, 0, &id, &lp), OK);
	assert_int_equal(id, 0);
	assert_int_equal(draw(&o, x, 3, seen, 1, 4, 0, &id, &lp), OK);
	assert_int_equal(id, 1);
}

static void bias_adds_and_bans(void **state)
{
	(void)state;
	struct logit_bias bias[] = { { 0, -INFINITY }, { 2, 1.5f }, { 99, 7 } };
	struct sample_options o = plain;
	float x[] = { 4, 1, 0 };
	float lp;
	o.bias = bias;
	o.n_bias = 1;
	assert_int_equal(reachable(&o, x, 3), 6);
	o.temperature = 0;
	o.n_bias = 3;
	assert_int_equal(pick(&o, x, 3, NULL, 0, 0, &lp), 2);
	assert_true(fabs(lp - (0 - log(exp(4) + exp(1) + 1))) < 1e-5);  /* of the model as it is */
	struct logit_bias all[] = { { 0, -INFINITY }, { 1, -INFINITY }, { 2, -INFINITY } };
	o.bias = all;
	int32_t id;
	assert_int_equal(draw(&o, x, 3, NULL, 0, 0, 0, &id, &lp), ERR_DATA);
}

/* Surprises 0.69, 1.39, 1.90, 2.30, their mean 1.21: the second is nearest, then the first, the third, the fourth. */
static void typical_keeps_what_surprises_as_expected(void **state)
{
	(void)state;
	struct sample_options o = plain;
	float x[] = { logf(0.5f), logf(0.25f), logf(0.15f), logf(0.1f) };
	o.typical_p = 0.2;
	assert_int_equal(reachable(&o, x, 4), 2);
	o.typical_p = 0.5;
	assert_int_equal(reachable(&o, x, 4), 3);
	o.typical_p = 0.8;
	assert_int_equal(reachable(&o, x, 4), 7);
	o.typical_p = 1;
	assert_int_equal(reachable(&o, x, 4), 15);
	o.typical_p = 0.5;
	o.top_k = 1;
	assert_int_equal(reachable(&o, x, 4), 1);
	o.top_k = 0;
	o.min_p = 0.45;                                /* the first two: 2/3, 1/3, surprises 0.41, 1.10, mean 0.64 */
	assert_int_equal(reachable(&o, x, 4), 1);
	float none[] = { 0, -INFINITY, -INFINITY };
	o.min_p = 0;
	assert_int_equal(reachable(&o, none, 3), 1);
}

static void logprob_is_the_models_own(void **state)
{
	(void)state;
	struct sample_options o = { .temperature = 0.3, .top_k = 1, .top_p = 0.5, .repetition_penalty = 10 };
	float x[] = { logf(0.2f), logf(0.7f), logf(0.1f) };
	int32_t seen[] = { 1 };
	float lp;
	assert_int_equal(pick(&o, x, 3, seen, 1, 0.9, &lp), 0);
	assert_true(fabs((double)lp - log(0.2)) < 1e-6);
}

static void logits_that_are_no_distribution_are_an_error(void **state)
{
	(void)state;
	float bad[][3] = { { NAN, 0, 0 }, { 0, NAN, 0 }, { 0, INFINITY, 0 }, { -INFINITY, -INFINITY, -INFINITY }, { NAN, NAN, NAN } };
	float masked[] = { -INFINITY, 0, -INFINITY };
	int32_t id;
	float lp;
	for (int i = 0; i < 5; i++)
		assert_int_equal(draw(&plain, bad[i], 3, NULL, 0, 0, 0.5, &id, &lp), ERR_DATA);
	assert_int_equal(draw(&plain, masked, 3, NULL, 0, 0, 0.0, &id, &lp), OK);
	assert_int_equal(id, 1);
}

static void randomness_is_of_seed_stream_and_position(void **state)
{
	(void)state;
	uint64_t a = sample_uniform(1, 2, 3);
	assert_true(a < UINT64_C(1) << 53);
	assert_true(a == sample_uniform(1, 2, 3));
	assert_true(a != sample_uniform(2, 2, 3) && a != sample_uniform(1, 3, 3) && a != sample_uniform(1, 2, 4));
	assert_true(sample_stream("a", 1, 0) != sample_stream("a", 1, 1));
	assert_true(sample_stream("a", 1, 0) != sample_stream("b", 1, 0));
	double mean = 0;
	for (int i = 0; i < 10000; i++)
		mean += 0x1p-53 * (double)sample_uniform(7, sample_stream("row", 3, 5), (uint64_t)i) / 10000;
	assert_true(fabs(mean - 0.5) < 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greedy_takes_the_lowest_id_among_equals), cmocka_unit_test(draws_follow_the_probabilities),
		cmocka_unit_test(temperature_sharpens), cmocka_unit_test(top_k_keeps_k_and_ties),
		cmocka_unit_test(top_p_keeps_the_token_that_crosses), cmocka_unit_test(top_p_follows_top_k),
		cmocka_unit_test(min_p_is_relative_to_the_best),
		cmocka_unit_test(repetition_penalty_divides_and_multiplies_once),
		cmocka_unit_test(frequency_counts_and_presence_does_not), cmocka_unit_test(bias_adds_and_bans),
		cmocka_unit_test(typical_keeps_what_surprises_as_expected), cmocka_unit_test(logprob_is_the_models_own),
		cmocka_unit_test(logits_that_are_no_distribution_are_an_error),
		cmocka_unit_test(randomness_is_of_seed_stream_and_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
