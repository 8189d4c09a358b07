/* Rejection sampling: ranks, duplicates, pairs, and a reason for every completion that gives nothing. */
#include "judge/pairs.h"

#include <math.h>
#include <stdbool.h>

#include "unit.h"

static struct candidate made(double score, int64_t sample, const char *text)
{
	return (struct candidate){ .score = score, .sample = sample, .text = text, .n = strlen(text) };
}

static int64_t pair_up(struct candidate *c, int64_t n, int64_t per_prompt, double margin, struct pair **pairs)
{
	int64_t *order;
	int64_t m = candidates_rank(c, n, &order);
	struct pair_options o = { per_prompt, margin };
	int64_t k = candidates_pair(c, order, m, &o, pairs);
	mem_free(order);
	return k;
}

static void ranks_by_score_then_sample(void **state)
{
	(void)state;
	struct candidate c[] = { made(1, 3, "a"), made(2, 2, "b"), made(2, 1, "c"), made(NAN, 0, "d") };
	int64_t *order, m = candidates_rank(c, 4, &order);
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
	int64_t *order, m = candidates_rank(c, 5, &order);
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
	int64_t *order, m = candidates_rank(c, 3, &order);
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
	assert_int_equal(pair_up(c, 4, 0, 0, &p), 5);         /* 6 without the equal two */
	mem_free(p);
	assert_int_equal(pair_up(c, 4, 0, 0.5, &p), 2);
	mem_free(p);
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
