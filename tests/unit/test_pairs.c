/* Rejection sampling: ranks, duplicates, pairs, and a reason for every completion that gives nothing. */
#include "judge/pairs.h"
#include "judge/pass_rate.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "unit.h"

static struct candidate made(double score, int64_t sample, const char *text)
{
	return (struct candidate){ .score = score, .sample = sample, .text = text, .n = strlen(text) };
}

static int64_t pair_by(struct candidate *c, int64_t n, struct pair_options o, uint64_t seed, struct pair **pairs)
{
	int64_t *order;
	int64_t m = candidates_rank(c, n, true, &order);
	int64_t k = candidates_pair(c, order, m, &o, seed, 1, pairs);
	mem_free(order);
	return k;
}

static int64_t pair_up(struct candidate *c, int64_t n, int64_t per_prompt, double margin, struct pair **pairs)
{
	return pair_by(c, n, (struct pair_options){ PAIR_WORST, per_prompt, margin, INFINITY, 0 }, 0, pairs);
}

static void ranks_by_score_then_sample(void **state)
{
	(void)state;
	struct candidate c[] = { made(1, 3, "a"), made(2, 2, "b"), made(2, 1, "c"), made(NAN, 0, "d") };
	int64_t *order, m = candidates_rank(c, 4, true, &order);
	assert_int_equal(m, 3);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	assert_int_equal(order[2], 0);
	assert_string_equal(c[3].fate, "no_score");
	mem_free(order);
}

static void the_first_of_equal_completions_stays(void **state)
{
	(void)state;
	struct candidate c[] = { made(0, 0, "x"), made(1, 1, "x"), made(1, 2, "y"), made(1, 3, "x"), made(1, 4, "y") };
	int64_t *order, m = candidates_rank(c, 5, true, &order);
	assert_int_equal(m, 2);
	assert_null(c[0].fate);
	assert_null(c[2].fate);
	assert_string_equal(c[1].fate, "duplicate");
	assert_string_equal(c[3].fate, "duplicate");
	assert_string_equal(c[4].fate, "duplicate");
	mem_free(order);
}

static void keeps_the_best_above_the_threshold(void **state)
{
	(void)state;
	struct candidate c[] = { made(0.2, 0, "a"), made(0.9, 1, "b"), made(0.5, 2, "c") };
	int64_t *order, m = candidates_rank(c, 3, true, &order);
	candidates_keep(c, order, m, 1, 0.4);
	assert_null(c[1].fate);
	assert_string_equal(c[2].fate, "not_best");
	assert_string_equal(c[0].fate, "below_threshold");
	mem_free(order);
}

static void best_meets_worst(void **state)
{
	(void)state;
	struct candidate c[] = { made(0, 0, "a"), made(1, 1, "b"), made(0.5, 2, "c"), made(0, 3, "d"), made(1, 4, "e") };
	struct pair *p;
	assert_int_equal(pair_up(c, 5, 1, 0, &p), 1);
	assert_int_equal(p[0].chosen, 1);
	assert_int_equal(p[0].rejected, 3);
	assert_true(p[0].margin == 1);
	assert_null(c[1].fate);
	assert_string_equal(c[0].fate, "not_paired");
	mem_free(p);
	assert_int_equal(pair_up(c, 5, 9, 0, &p), 2);
	assert_int_equal(p[1].chosen, 4);
	assert_int_equal(p[1].rejected, 0);
	assert_string_equal(c[2].fate, "not_paired");
	mem_free(p);
}

static void all_pairs_are_those_that_differ(void **state)
{
	(void)state;
	struct candidate c[] = { made(0, 0, "a"), made(1, 1, "b"), made(0.5, 2, "c"), made(0, 3, "d") };
	struct pair *p;
	assert_int_equal(pair_by(c, 4, (struct pair_options){ PAIR_ALL, 0, 0, INFINITY, 0 }, 0, &p), 5); /* 6 without the equal two */
	for (int i = 1; i < 5; i++)
		assert_true(p[i - 1].margin >= p[i].margin);
	mem_free(p);
	assert_int_equal(pair_by(c, 4, (struct pair_options){ PAIR_ALL, 0, 0.5, INFINITY, 0 }, 0, &p), 2);
	mem_free(p);
	assert_int_equal(pair_by(c, 4, (struct pair_options){ PAIR_ALL, 0, 0, 0.5, 0 }, 0, &p), 3);      /* all within a margin */
	mem_free(p);
	assert_int_equal(pair_by(c, 4, (struct pair_options){ PAIR_ALL, 3, 0, INFINITY, 0 }, 0, &p), 3);
	assert_true(p[1].margin == 1 && p[2].margin == 0.5);
	mem_free(p);
}

static void the_best_meets_random_others(void **state)
{
	(void)state;
	struct candidate c[20];
	char texts[20][16];
	bool seen[20] = { false }, differs = false;
	struct pair *p, *again;
	for (int i = 0; i < 20; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%d", i);
		c[i] = made(i == 7 ? 2 : i % 2, i, texts[i]);
	}
	assert_int_equal(pair_by(c, 20, (struct pair_options){ PAIR_RANDOM, 0, 0, INFINITY, 0 }, 5, &p), 19);
	for (int i = 0; i < 19; i++) {
		assert_int_equal(p[i].chosen, 7);
		assert_false(seen[p[i].rejected]);
		seen[p[i].rejected] = true;
	}
	assert_int_equal(pair_by(c, 20, (struct pair_options){ PAIR_RANDOM, 0, 0, INFINITY, 0 }, 5, &again), 19);
	assert_memory_equal(p, again, 19 * sizeof(*p));
	mem_free(again);
	assert_int_equal(pair_by(c, 20, (struct pair_options){ PAIR_RANDOM, 0, 0, INFINITY, 0 }, 6, &again), 19);
	for (int i = 0; i < 19; i++)
		differs |= p[i].rejected != again[i].rejected;
	assert_true(differs);
	mem_free(again);
	mem_free(p);
	assert_int_equal(pair_by(c, 20, (struct pair_options){ PAIR_RANDOM, 3, 1, INFINITY, 0 }, 6, &p), 3);
	for (int i = 0; i < 3; i++)
		assert_true(p[i].margin == 2);
	mem_free(p);
}

static void lengths_of_a_pair_can_be_matched(void **state)
{
	(void)state;
	struct candidate c[] = { made(1, 0, "eight\xc3\xa9\xc3\xa9\xc3\xa9"), made(0, 1, "one"), made(0.2, 2, "sevens "), made(0.1, 3, "a very long one, too") };
	struct pair *p;
	assert_int_equal(pair_by(c, 4, (struct pair_options){ PAIR_WORST, 1, 0, INFINITY, 1.2 }, 0, &p), 1);
	assert_int_equal(p[0].chosen, 0);
	assert_int_equal(p[0].rejected, 2);
	mem_free(p);
	assert_int_equal(pair_by(c, 4, (struct pair_options){ PAIR_WORST, 1, 0, INFINITY, 1.1 }, 0, &p), 0);
	assert_string_equal(c[0].fate, "no_partner");
	mem_free(p);
}

static void pass_at_k_is_the_share_of_draws(void **state)
{
	(void)state;
	/* against all draws of k of n, of which the first c pass */
	for (int n = 1; n <= 8; n++)
		for (int c = 0; c <= n; c++)
			for (int k = 1; k <= n; k++) {
				int draws = 0, hits = 0;
				for (int set = 0; set < 1 << n; set++)
					if (__builtin_popcount((unsigned)set) == k) {
						draws++;
						hits += (set & ((1 << c) - 1)) != 0;
					}
				assert_true(fabs(pass_at_k(n, c, k) - (double)hits / draws) < 1e-12);
			}
}

static void pass_rates_fall_into_their_bins(void **state)
{
	(void)state;
	struct pass_rates p = { 0 };
	struct buf b = { 0 };
	pass_rates_add(&p, 10, 0);
	pass_rates_add(&p, 10, 1);
	pass_rates_add(&p, 1000, 101);
	pass_rates_add(&p, 10, 9);
	pass_rates_add(&p, 1000, 999);
	pass_rates_add(&p, 1, 1);
	pass_rates_json(&p, &b);
	assert_non_null(strstr(b.data, "\"histogram\":{\"0\":1,\"0.1\":1,\"0.2\":1,\"0.3\":0,\"0.4\":0,\"0.5\":0,\"0.6\":0,\"0.7\":0,\"0.8\":0,\"0.9\":1,\"<1\":1,\"1\":1}"));
	assert_non_null(strstr(b.data, "\"8\":{\"value\":"));
	assert_int_equal(p.at[0].n, 6);
	assert_int_equal(p.at[3].n, 5); /* one prompt has no eight */
	buf_release(&b);
}

static void without_contrast_nothing_is_made(void **state)
{
	(void)state;
	struct pair *p;
	struct candidate equal[] = { made(1, 0, "a"), made(1, 1, "b") };
	assert_int_equal(pair_up(equal, 2, 1, 0, &p), 0);
	assert_string_equal(equal[0].fate, "no_contrast");
	mem_free(p);
	struct candidate close[] = { made(1, 0, "a"), made(0.9, 1, "b") };
	assert_int_equal(pair_up(close, 2, 1, 0.2, &p), 0);
	assert_string_equal(close[1].fate, "small_margin");
	mem_free(p);
	struct candidate alone[] = { made(1, 0, "a"), made(0, 1, "a") };
	assert_int_equal(pair_up(alone, 2, 1, 0, &p), 0);
	assert_string_equal(alone[0].fate, "single");
	assert_string_equal(alone[1].fate, "duplicate");
	mem_free(p);
	assert_int_equal(pair_up(alone, 0, 1, 0, &p), 0);
	mem_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_by_score_then_sample), cmocka_unit_test(the_first_of_equal_completions_stays),
		cmocka_unit_test(keeps_the_best_above_the_threshold), cmocka_unit_test(best_meets_worst),
		cmocka_unit_test(all_pairs_are_those_that_differ), cmocka_unit_test(without_contrast_nothing_is_made),
		cmocka_unit_test(the_best_meets_random_others), cmocka_unit_test(lengths_of_a_pair_can_be_matched),
		cmocka_unit_test(pass_at_k_is_the_share_of_draws), cmocka_unit_test(pass_rates_fall_into_their_bins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
