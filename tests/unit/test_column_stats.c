/* test_column_stats.c - quantiles and frequent values held to exact ones, over orders that are chosen to hurt; columns by path. */
#include "stream/column_stats.h"
#include "stream/frequent.h"
#include "stream/quantiles.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#define N 300000

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 20;
}

/* The i-th of N values in an order by name. */
static uint64_t value_of(int order, uint64_t i, uint64_t *state)
{
	switch (order) {
	case 0: return i;                                            /* rising */
	case 1: return N - i;                                        /* falling */
	case 2: return i % 2 ? N - i : i;                            /* from both ends inwards */
	case 3: return i % 2 ? N / 2 + i / 2 : N / 2 - i / 2;        /* from the middle outwards */
	case 4: return next_random(state);
	case 5: return i % 4096 < 2048 ? i : UINT64_MAX - i;         /* buffers of two halves */
	case 6: return i % 2 ? 7 : i % 3;                            /* four values */
	case 7: return (i * 2048 % N) ^ (i / 4096);                  /* strides of a buffer */
	case 8: return i < N / 100 ? UINT64_MAX : i % 4096;          /* outliers first, then sawteeth */
	default: return 42;
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Sorted values below v, or up to it. */
static size_t below(const uint64_t *sorted, uint64_t v, bool and_equal)
{
	size_t low = 0, high = N;
	while (low < high) {
		size_t m = (low + high) / 2;
		if (sorted[m] < v || (and_equal && sorted[m] == v))
			low = m + 1;
		else
			high = m;
	}
	return low;
}

static void quantiles_stay_within_the_error_they_tell(void **state)
{
	(void)state;
	uint64_t *all = malloc(N * sizeof(*all)), random = 1;
	for (int order = 0; order < 10; order++) {
		struct quantiles q = {0};
		for (uint64_t i = 0; i < N; i++)
			quantiles_add(&q, all[i] = value_of(order, i, &random));
		qsort(all, N, sizeof(*all), by_value);
		assert_true(quantiles_error(&q) < 0.001);
		assert_int_equal(quantiles_at(&q, 0), all[0]);
		assert_int_equal(quantiles_at(&q, 1), all[N - 1]);
		for (int k = 1; k < 200; k++) {
			double p = k / 200.0, off = quantiles_error(&q) * N;
			uint64_t v = quantiles_at(&q, p);
			/* The true ranks that v has must meet the wanted rank, give or take the error. */
			double first = (double)below(all, v, false) + 1, last = (double)below(all, v, true);
			if (ceil(p * N) < first - off - 1 || ceil(p * N) > last + off + 1)
				fail_msg("order %d: p %g: ranks %g to %g, wanted %g to within %g", order, p, first, last, ceil(p * N), off);
		}
		quantiles_release(&q);
	}
	free(all);
}

static void few_values_have_exact_quantiles(void **state)
{
	(void)state;
	struct quantiles q = {0};
	for (int i = QUANTILES_EXACT; i > 0; i--)
		quantiles_add(&q, (uint64_t)i);
	assert_true(quantiles_error(&q) == 0);
	for (int i = 1; i <= 100; i++)
		assert_int_equal(quantiles_at(&q, i / 100.0), (uint64_t)ceil(i / 100.0 * QUANTILES_EXACT));
	quantiles_add(&q, 5);
	assert_true(quantiles_error(&q) > 0);
	quantiles_release(&q);
	quantiles_add(&q, 9);
	assert_int_equal(quantiles_at(&q, 0.5), 9);
	quantiles_release(&q);
}

static void keys_order_as_their_values(void **state)
{
	(void)state;
	static const double rising[] = { -INFINITY, -1e308, -1.5, -1e-320, 0, 1e-320, 1, 1e300, INFINITY };
	static const int64_t ints[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	for (size_t i = 0; i < 9; i++) {
		assert_true(key_to_double(key_of_double(rising[i])) == rising[i]);
		assert_true(i == 0 || key_of_double(rising[i - 1]) < key_of_double(rising[i]));
	}
	assert_true(key_of_double(-0.0) == key_of_double(0.0));
	for (size_t i = 0; i < 5; i++) {
		assert_true(key_to_int(key_of_int(ints[i])) == ints[i]);
		assert_true(i == 0 || key_of_int(ints[i - 1]) < key_of_int(ints[i]));
	}
}

static void frequent_values_are_exact_up_to_the_bound(void **state)
{
	(void)state;
	struct frequent f = {0};
	const struct frequent_entry *top[3];
	for (uint32_t i = 0; i < FREQUENT_MAX; i++)
		for (uint32_t k = 0; k < (i == 77 ? 2 : i == 99 ? 3 : 1); k++)
			frequent_add(&f, &i, sizeof(i));
	assert_int_equal(frequent_distinct(&f), FREQUENT_MAX);
	assert_int_equal(frequent_error(&f), 0);
	assert_int_equal(frequent_top(&f, top, 3), 2);
	assert_int_equal(*(uint32_t *)(void *)top[0]->value, 99);
	assert_int_equal(top[0]->count, 3);
	assert_int_equal(top[1]->count, 2);
	frequent_add(&f, "one more", 8);
	assert_int_equal(frequent_distinct(&f), -1);
	frequent_release(&f);
	frequent_add(&f, "", 0);
	frequent_add(&f, "\0", 1);
	frequent_add(&f, "\0", 1);
	assert_int_equal(frequent_distinct(&f), 2);
	frequent_release(&f);
}

static void a_heavy_value_is_never_lost(void **state)
{
	(void)state;
	/* heavy ones first, last, and spread, among ever new ones */
	for (int place = 0; place < 3; place++) {
		struct frequent f = {0};
		const struct frequent_entry *top[4];
		int64_t heavy = 0, n = 500000;
		for (int64_t i = 0; i < n; i++) {
			bool is = place == 0 ? i < 1000 : place == 1 ? i >= n - 1000 : i % 500 == 0;
			uint64_t v = is ? 7 : (uint64_t)i + 1000;
			heavy += is;
			frequent_add(&f, &v, sizeof(v));
		}
		assert_true(frequent_error(&f) > 0);
		assert_true(frequent_error(&f) <= n / (FREQUENT_MAX / 2));
		assert_int_equal(frequent_top(&f, top, 4), 1);
		assert_int_equal(*(uint64_t *)(void *)top[0]->value, 7);
		assert_true(top[0]->count <= heavy && top[0]->count + frequent_error(&f) >= heavy);
		frequent_release(&f);
	}
}

static void long_values_are_told_apart_behind_what_is_kept(void **state)
{
	(void)state;
	char a[1000], b[1000];
	struct frequent f = {0};
	memset(a, 'x', sizeof(a));
	memcpy(b, a, sizeof(b));
	b[999] = 'y';
	frequent_add(&f, a, sizeof(a));
	frequent_add(&f, b, sizeof(b));
	frequent_add(&f, b, 999);
	frequent_add(&f, b, sizeof(b));
	assert_int_equal(frequent_distinct(&f), 3);
	frequent_release(&f);
}

static void has(const char *text, const char *want)
{
	if (!strstr(text, want))
		fail_msg("no '%s' in:\n%s", want, text);
}

static void columns_by_path(void **state)
{
	(void)state;
	struct schema s = {0};
	struct buf out = {0};
	static const int columns[] = { 0, 1, 2, 3, 4 };
	schema_add_spec(&s, "x: float64?");
	schema_add_spec(&s, "messages: list<struct<role: utf8, content: utf8>>");
	schema_add_spec(&s, "big: uint64");
	schema_add_spec(&s, "s: struct<on: bool, at: date32?>?");
	schema_add_spec(&s, "nothing: null?");
	struct builder *b = builder_open(&s);
	static const double xs[] = { 1, NAN, INFINITY, -INFINITY, 1 };
	for (int i = 0; i < 6; i++) {
		if (i < 5)
			column_double(builder_column(b, 0), xs[i]);
		else
			column_null(builder_column(b, 0));
		for (int k = 0; k < i; k++)
			column_message(builder_column(b, 1), k % 2 ? "assistant" : "user", "\xF0\x9F\x98\x80", 4);
		column_end_list(builder_column(b, 1));
		column_int(builder_column(b, 2), -1 - i);
		if (i % 2) {
			column_null(builder_column(b, 3));
		} else {
			column_int(column_child(builder_column(b, 3), 0), i == 0);
			column_int(column_child(builder_column(b, 3), 1), 19782);
			column_end_struct(builder_column(b, 3));
		}
		column_null(builder_column(b, 4));
	}
	struct batch *batch = builder_finish(b);
	struct column_stats *c = column_stats_open(&s, columns, 5);
	column_stats_text(c, &out);
	has(out.data, "0 rows\n");
	for (int64_t i = 0; i < 6; i++)
		column_stats_add(c, batch, columns, i);
	buf_clear(&out);
	column_stats_jsonl(c, &out);
	has(out.data, "{\"column\":\"x\",\"type\":\"float64?\",\"count\":6,\"nulls\":1,\"nan\":1,\"infinite\":2,\"min\":null,\"mean\":null,\"max\":null");
	has(out.data, "\"distinct\":3,\"top\":[{\"value\":1.0,\"count\":2}]");
	has(out.data, "{\"column\":\"messages\",\"type\":\"list<struct<role: utf8, content: utf8>>\",\"count\":6,\"nulls\":0,\"of\":\"elements\",\"min\":0,\"mean\":2.5,\"max\":5");
	has(out.data, "\"histogram\":[{\"from\":0,\"to\":0,\"count\":1},{\"from\":1,\"to\":1,\"count\":1},{\"from\":2,\"to\":3,\"count\":2},{\"from\":4,\"to\":7,\"count\":2}]");
	has(out.data, "{\"column\":\"messages.role\",\"type\":\"utf8\",\"count\":15,");
	has(out.data, "\"top\":[{\"value\":\"user\",\"count\":9},{\"value\":\"assistant\",\"count\":6}]");
	has(out.data, "\"min\":18446744073709551610,");
	has(out.data, "\"max\":18446744073709551615,");
	has(out.data, "{\"column\":\"s\",\"type\":\"struct<on: bool, at: date32?>?\",\"count\":6,\"nulls\":3}");
	has(out.data, "{\"column\":\"s.on\",\"type\":\"bool\",\"count\":3,\"nulls\":0,\"true\":1,\"true_share\":0.3333333333333333}");
	has(out.data, "\"min\":\"2024-02-29\",\"mean\":\"2024-02-29\"");
	has(out.data, "{\"column\":\"nothing\",\"type\":\"null?\",\"count\":6,\"nulls\":6}");
	buf_clear(&out);
	column_stats_text(c, &out);
	has(out.data, "6 rows\n\nx: float64?\n  values     6, 1 null, 1 NaN, 2 infinite, 3 different\n  range      -inf to inf, mean nan\n");
	column_stats_close(c);
	batch_release(batch);
	builder_close(b);
	buf_release(&out);
	schema_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_stay_within_the_error_they_tell),
		cmocka_unit_test(few_values_have_exact_quantiles),
		cmocka_unit_test(keys_order_as_their_values),
		cmocka_unit_test(frequent_values_are_exact_up_to_the_bound),
		cmocka_unit_test(a_heavy_value_is_never_lost),
		cmocka_unit_test(long_values_are_told_apart_behind_what_is_kept),
		cmocka_unit_test(columns_by_path),
	};
	return cmocka_run_group_tests_name("column_stats", tests, NULL, NULL);
}
