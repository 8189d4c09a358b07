/* Tallies: sums by source, whatever the order and however they are split over threads; bounded memory. */
#include "unit.h"

#include "token/tally.h"

#include <stdio.h>

static void put(struct tally *t, const char *source, int64_t tokens)
{
	const struct tally_row row = {.rows = 1, .bytes = 4 * tokens, .tokens = tokens, .unknown = tokens > 2};

	tally_add(t, source, source ? strlen(source) : 0, &row);
}

static void parts_merge_to_the_whole(void **state)
{
	static const char *const sources[] = {"web", "book", NULL, "web", "code", NULL, "book", "web"};
	struct tally whole = {0}, left = {0}, right = {0};
	struct buf a = {0}, b = {0};

	(void)state;
	for (int i = 0; i < 8; i++) {
		put(&whole, sources[i], i);
		put(i % 3 ? &left : &right, sources[i], i);
	}
	tally_merge(&left, &right);
	tally_print(&whole, &a);
	tally_print(&left, &b);
	assert_string_equal(a.data, b.data);
	buf_clear(&a);
	tally_print_json(&whole, &a);
	assert_non_null(strstr(a.data, "{\"source\":\"web\",\"rows\":3,\"bytes\":40,\"tokens\":10,\"bytes_per_token\":4.0,\"unknown\":2,"));
	assert_non_null(strstr(a.data, "\"total\":true,\"rows\":8,\"bytes\":112,\"tokens\":28,"));
	assert_true(strstr(a.data, "book") < strstr(a.data, "code") && strstr(a.data, "code") < strstr(a.data, "web"));
	tally_release(&whole);
	tally_release(&left);
	tally_release(&right);
	buf_release(&a);
	buf_release(&b);
}

static void too_many_sources_leave_the_sum(void **state)
{
	struct tally t = {0}, more = {0};
	char name[32];

	(void)state;
	for (int i = 0; i < TALLY_SOURCES_MAX; i++) {
		snprintf(name, sizeof(name), "source %d", i);
		put(&t, name, 1);
	}
	assert_false(t.too_many);
	put(&more, "one more", 1);
	tally_merge(&t, &more);
	assert_true(t.too_many);
	assert_int_equal(t.n, 0);
	put(&t, "source 1", 1);
	assert_int_equal(t.all.rows, TALLY_SOURCES_MAX + 2);
	assert_int_equal(t.n, 0);
	tally_release(&t);
	tally_release(&more);
}

static void names_cannot_command_a_terminal(void **state)
{
	struct tally t = {0};
	struct buf out = {0};

	(void)state;
	put(&t, "a\033[2Jb\n", 1);
	tally_print(&t, &out);
	assert_non_null(strstr(out.data, "a?[2Jb?\n"));
	tally_release(&t);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_merge_to_the_whole),
		cmocka_unit_test(too_many_sources_leave_the_sum),
		cmocka_unit_test(names_cannot_command_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
