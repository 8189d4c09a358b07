/* Python's literals and random numbers, as Python has them. */
#include "judge/literal.h"
#include "judge/pyrandom.h"

#include <math.h>

#include "unit.h"

static struct error err;

static void expect(const char *literal, const char *want)
{
	struct arena arena = { 0 };
	struct json v;
	struct buf out = { 0 };
	struct json_writer w = json_writer_open(&out, 0);

	if (literal_parse(literal, strlen(literal), &arena, &v, &err) != OK)
		fail_msg("%s", err.text);
	json_value(&w, &v);
	assert_string_equal(out.data, want);
	buf_release(&out);
	arena_release(&arena);
}

static void literals(void **state)
{
	(void)state;
	expect("['a', \"b's\", 'c\\'s', 3, -1.5, True, None]", "[\"a\",\"b's\",\"c's\",3,-1.5,true,null]");
	expect(" [ ] ", "[]");
	expect("('x',)", "[\"x\"]");
	expect("('x')", "\"x\"");
	expect("[('a', 1), ['b', 2,],]", "[[\"a\",1],[\"b\",2]]");
	expect("'\\x41\\u00e9\\U0001F600\\101\\q\\n'", "\"A\xc3\xa9\xf0\x9f\x98\x80" "A\\\\q\\n\"");
	expect("'''two\nlines'''", "\"two\\nlines\"");
	expect("''", "\"\"");
}

static void what_is_no_literal(void **state)
{
	static const char *const bad[] = { "", "[", "['a' 'b']", "a", "'x", "[1, 2", "1 2", "[1,,2]", "__import__('os')", "01", "--1", "'a\nb'" };
	struct arena arena = { 0 };
	struct json v;
	char deep[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (literal_parse(bad[i], strlen(bad[i]), &arena, &v, &err) != ERR_DATA)
			fail_msg("'%s' was taken", bad[i]);
	memset(deep, '[', sizeof(deep));
	assert_int_equal(literal_parse(deep, sizeof(deep), &arena, &v, &err), ERR_DATA);
	arena_release(&arena);
}

/* r = random.Random(1234); r.random(), r.sample(range(10), 4), r.sample(range(1000), 6), r.sample(range(30), 30); others */
static void random_numbers_are_pythons(void **state)
{
	struct pyrandom r = pyrandom_open(1234);
	uint32_t got[30];
	static const uint32_t few[] = { 7, 1, 0, 9 }, many[] = { 932, 965, 961, 826, 596, 35 }, pool[] = { 21, 22, 2, 3, 24, 11, 7, 0, 28, 29, 25, 15, 14, 4, 27, 18, 19, 1, 20, 8, 23, 26, 12, 5, 16, 10, 13, 17, 6, 9 };

	(void)state;
	assert_true(pyrandom_real(&r) == 0.9664535356921388);
	pyrandom_sample(&r, 10, 4, got);
	assert_memory_equal(got, few, sizeof(few));
	pyrandom_sample(&r, 1000, 6, got);
	assert_memory_equal(got, many, sizeof(many));
	pyrandom_sample(&r, 30, 30, got);
	assert_memory_equal(got, pool, sizeof(pool));
	r = pyrandom_open(0);
	assert_true(pyrandom_real(&r) == 0.8444218515250481);
	r = pyrandom_open(12345678901234567ull);
	for (int i = 0; i < 2000; i++)
		pyrandom_u32(&r);
	assert_true(pyrandom_real(&r) == 0.8919286016929312);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals), cmocka_unit_test(what_is_no_literal), cmocka_unit_test(random_numbers_are_pythons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
