/* test_interleave.c - shares to within one row, at every moment. */
#include "unit.h"

#include "base/rng.h"
#include "stream/interleave.h"

#include <math.h>

#define N_MAX 40

static void check(struct interleave_source *s, int n, int rows)
{
	struct interleave v;
	double sum = 0;
	for (int i = 0; i < n; i++)
		sum += s[i].weight;
	interleave_open(&v, s, n);
	for (int t = 1; t <= rows; t++) {
		interleave_count(&v, interleave_pick(&v));
		for (int i = 0; i < n; i++)
			if (fabs((double)s[i].given - s[i].weight / sum * t) >= 1)
				fail_msg("after %d rows, source %d of %d (weight %g of %g) has given %d", t, i, n, s[i].weight, sum, (int)s[i].given);
	}
}

static void each_has_its_share_to_within_a_row(void **state)
{
	struct rng rng = rng_open(3, 0);
	struct interleave_source s[N_MAX];
	(void)state;
	for (int round = 0; round < 300; round++) {
		int n = 1 + (int)rng_below(&rng, N_MAX);
		for (int i = 0; i < n; i++)
			s[i].weight = round % 3 == 0 ? 1 + (double)rng_below(&rng, 5) : round % 3 == 1 ? pow(10, 6 * rng_double(&rng)) : 0.1 + rng_double(&rng);
		check(s, n, 700);
	}
	for (int i = 0; i < 21; i++)
		s[i].weight = i ? 1 : 10;    /* one heavy source among many light ones */
	check(s, 21, 3000);
}

static void those_left_share_what_a_source_had(void **state)
{
	struct interleave_source s[] = { { .weight = 2 }, { .weight = 1 }, { .weight = 1 } };
	struct interleave v;
	(void)state;
	interleave_open(&v, s, 3);
	for (int i = 0; i < 10; i++)
		interleave_count(&v, interleave_pick(&v));
	interleave_leave(&v, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_not_equal(interleave_pick(&v), 0);
		interleave_count(&v, interleave_pick(&v));
	}
	assert_int_equal(s[1].given, 5);
	assert_int_equal(s[2].given, 5);
	interleave_leave(&v, 1);
	assert_int_equal(interleave_pick(&v), 2);
	interleave_leave(&v, 2);
	assert_int_equal(interleave_pick(&v), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_share_to_within_a_row),
		cmocka_unit_test(those_left_share_what_a_source_had),
	};
	return cmocka_run_group_tests_name("interleave", tests, NULL, NULL);
}
