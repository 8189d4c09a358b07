/* test_singles.c - rows with one key each: the same verdicts as clusters.h has, for any memory. */
#include "unit.h"

#include "base/mem.h"
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

static void agree_on(struct singles *s, struct clusters *c, uint32_t row)
{
	struct singles_verdict v;
	assert_int_equal(singles_next(s, &v, NULL), OK);
	assert_int_equal(v.drops, clusters_drops(c, row));
	assert_int_equal(v.kept, clusters_kept(c, row));
	assert_true(v.earlier == clusters_earlier(c, row));
}

static void agree(uint32_t rows, uint64_t kinds, const struct clusters_options *o, uint64_t seed)
{
	struct rng r = rng_open(seed, 1);
	struct clusters_options ample = *o;
	ample.memory = 1 << 24;
	struct clusters *c = clusters_open(&ample);
	struct singles *s = singles_open(o, false);
	for (uint32_t i = 0; i < rows; i++) {
		uint64_t key[2] = {7, rng_below(&r, kinds)}, rank = rng_below(&r, 10);
		assert_int_equal(clusters_row(c, rank, NULL), OK);
		assert_int_equal(clusters_key(c, key, true, NULL), OK);
		assert_int_equal(singles_row(s, key, rank, NULL), OK);
	}
	assert_int_equal(clusters_decide(c, NULL), OK);
	assert_int_equal(singles_decide(s, NULL), OK);
	for (uint32_t i = 0; i < rows; i++)
		agree_on(s, c, i);
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

/* Rows in batches, judged as they come while the table fits into the memory; returns how many were. */
static uint32_t agree_at_once(uint32_t rows, uint64_t kinds, size_t memory)
{
	struct rng r = rng_open(rows, kinds);
	struct clusters *c = clusters_open(&(struct clusters_options){.memory = 1 << 24});
	uint64_t (*keys)[2] = mem_array(rows, sizeof(*keys));
	for (uint32_t i = 0; i < rows; i++) {
		/* Of either half's 32 bits all count but the last; clusters take the upper ones. */
		keys[i][0] = (rng_below(&r, 3) << 20 | rng_below(&r, 2)) * 0x100000001u;
		keys[i][1] = rng_below(&r, kinds);
		assert_int_equal(clusters_row(c, 0, NULL), OK);
		assert_int_equal(clusters_key(c, keys[i], true, NULL), OK);
	}
	assert_int_equal(clusters_decide(c, NULL), OK);
	struct singles *s = singles_open(&(struct clusters_options){.memory = memory}, true);
	uint32_t judged = 0;
	for (uint32_t from = 0, n; from < rows; from += n) {
		bool at_once;
		n = rows - from < 700 ? rows - from : 700;
		assert_int_equal(singles_expect(s, n, &at_once, NULL), OK);
		assert_true(!at_once || judged == from);
		for (uint32_t i = from; i < from + n; i++)
			assert_int_equal(singles_row(s, keys[i], 0, NULL), OK);
		for (; at_once && judged < from + n; judged++)
			agree_on(s, c, judged);
	}
	assert_int_equal(singles_decide(s, NULL), OK);
	for (uint32_t i = judged; i < rows; i++)
		agree_on(s, c, i);
	assert_int_equal(singles_stats(s).clusters, clusters_stats(c).clusters);
	clusters_close(c);
	singles_close(s);
	mem_free(keys);
	return judged;
}

static void verdicts_as_rows_come_are_the_same(void **state)
{
	(void)state;
	for (uint64_t kinds = 1; kinds < 100000; kinds *= 9) {
		assert_int_equal(agree_at_once(20000, kinds, 1 << 24), 20000);
		assert_int_equal(agree_at_once(20000, kinds, 0), 0);
	}
	assert_in_range(agree_at_once(20000, 20000, 1 << 18), 700, 19000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_those_of_clusters),
		cmocka_unit_test(verdicts_as_rows_come_are_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
