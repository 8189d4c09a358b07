/* test_singles.c - rows with one key each: the same verdicts as clusters.h has, for any memory. */
#include "unit.h"

#include "base/rng.h"
#include "text/singles.h"

/* Every fifth key is known from an earlier run. */
static enum status meet(void *arg, const uint64_t record[2], bool first, uint64_t *earlier, struct error *err)
{
	(void)arg;
	(void)err;
	if (first && record[0] % 5 == 0)
		*earlier = record[0] * 3;
	return OK;
}

static void agree(uint32_t rows, uint64_t kinds, const struct clusters_options *o, uint64_t seed)
{
	struct rng r = rng_open(seed, 1);
	struct clusters_options ample = *o;
	ample.memory = 1 << 24;
	struct clusters *c = clusters_open(&ample);
	struct singles *s = singles_open(o);
	for (uint32_t i = 0; i < rows; i++) {
		uint64_t key[2] = {7, rng_below(&r, kinds)}, rank = rng_below(&r, 10);
		assert_int_equal(clusters_row(c, rank, NULL), OK);
		assert_int_equal(clusters_key(c, key, true, NULL), OK);
		assert_int_equal(singles_row(s, key, rank, NULL), OK);
	}
	assert_int_equal(clusters_decide(c, NULL), OK);
	assert_int_equal(singles_decide(s, NULL), OK);
	for (uint32_t i = 0; i < rows; i++) {
		struct singles_verdict v;
		assert_int_equal(singles_next(s, &v, NULL), OK);
		assert_int_equal(v.drops, clusters_drops(c, i));
		assert_int_equal(v.kept, clusters_kept(c, i));
		assert_true(v.earlier == clusters_earlier(c, i));
	}
	assert_int_equal(singles_stats(s).clusters, clusters_stats(c).clusters);
	clusters_close(c);
	singles_close(s);
}

static void verdicts_are_those_of_clusters(void **state)
{
	(void)state;
	for (enum clusters_keep keep = CLUSTERS_FIRST; keep <= CLUSTERS_NONE; keep++)
		for (int earlier = 0; earlier < 2; earlier++)
			for (uint64_t kinds = 1; kinds < 100000; kinds *= 9) {
				const struct clusters_options o = {.memory = 1 << 17, .keep = keep, .meet = earlier ? meet : NULL};
				agree(0, kinds, &o, kinds);
				agree(20000, kinds, &o, kinds);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts_are_those_of_clusters)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
