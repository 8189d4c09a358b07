/* test_sorter.c - sorting in memory and over runs against qsort; things by number. */
#include "unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/sorter.h"
#include "base/spool.h"

#include <stdio.h>
#include <stdlib.h>

static int words_now;

static int by_words(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;
	for (int i = 0; i < words_now; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* n records whose words are below `below` (0: any), sorted with so much memory and so many threads. */
static void sorts(int words, size_t n, uint64_t below, size_t memory, int threads)
{
	struct pool *pool = pool_open(threads);
	struct sorter *s = sorter_open(words, memory, NULL, pool);
	size_t bytes = (size_t)words * sizeof(uint64_t);
	uint64_t *want = mem_array(n ? n : 1, bytes), got[SORTER_WORDS_MAX];
	struct rng r = rng_open(n, below);
	for (size_t i = 0; i < n * (size_t)words; i++)
		want[i] = below ? rng_below(&r, below) : rng_u64(&r);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sorter_add(s, want + i * (size_t)words, NULL), OK);
	assert_int_equal(sorter_finish(s, NULL), OK);
	words_now = words;
	qsort(want, n, bytes, by_words);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sorter_next(s, got, NULL), OK);
		assert_memory_equal(got, want + i * (size_t)words, bytes);
	}
	assert_int_equal(sorter_next(s, got, NULL), END);
	assert_int_equal(sorter_records(s), n);
	assert_true((sorter_runs(s) > 0) == (n * bytes > (memory < (64 << 10) ? (64 << 10) : memory)));
	sorter_close(s);
	pool_close(pool);
	mem_free(want);
}

static void records_come_back_in_order(void **state)
{
	(void)state;
	for (int words = 1; words <= SORTER_WORDS_MAX; words++) {
		sorts(words, 0, 0, 0, 1);
		sorts(words, 1, 0, 0, 1);
		sorts(words, 25, 3, 1 << 20, 2);
		sorts(words, 5000, 0, 1 << 20, 2);
		sorts(words, 30000, 0, 0, 2);       /* four runs and more */
		sorts(words, 30000, 5, 0, 1);       /* many equal ones */
		sorts(words, 30000, 1, 0, 2);       /* all equal */
	}
}

static void a_full_disk_is_told(void **state)
{
	struct sorter *s = sorter_open(1, 0, "/no/such/folder", NULL);
	struct error err = {{0}};
	enum status st = OK;
	(void)state;
	for (uint64_t i = 0; i < 100000 && st == OK; i++)
		st = sorter_add(s, &i, &err);
	assert_int_equal(st, ERR_IO);
	assert_non_null(strstr(err.text, "/no/such/folder"));
	sorter_close(s);
}

static void things_are_found_by_number(void **state)
{
	struct spool *s;
	size_t n;
	(void)state;
	assert_int_equal(spool_open(&s, NULL, NULL), OK);
	for (int i = 0; i < 20000; i++) {
		char text[64];
		int len = i % 3 ? snprintf(text, sizeof(text), "thing number %d", i) : 0;
		assert_int_equal(spool_add(s, text, (size_t)len, NULL), OK);
	}
	assert_int_equal(spool_finish(s, NULL), OK);
	assert_memory_equal(spool_get(s, 19999, &n), "thing number 19999", 18);
	assert_int_equal(n, 18);
	assert_memory_equal(spool_get(s, 1, &n), "thing number 1", 14);
	spool_get(s, 0, &n);
	assert_int_equal(n, 0);
	spool_get(s, 9999, &n);
	assert_int_equal(n, 0);
	spool_close(s);
}

static void nothing_is_a_spool_too(void **state)
{
	struct spool *s;
	(void)state;
	assert_int_equal(spool_open(&s, NULL, NULL), OK);
	assert_int_equal(spool_finish(s, NULL), OK);
	spool_close(s);
	assert_int_equal(spool_open(&s, "/no/such/folder", NULL), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_in_order), cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(things_are_found_by_number), cmocka_unit_test(nothing_is_a_spool_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
