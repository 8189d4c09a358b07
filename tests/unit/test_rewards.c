/* Answers: numbers, texts, and where they stand. */
#include "judge/answer.h"
#include "judge/number.h"

#include <stdbool.h>

#include "unit.h"

static bool equal(const char *a, const char *b)
{
	return answer_equal((struct span){ a, strlen(a) }, (struct span){ b, strlen(b) });
}

static enum verdict judge(const char *gold, const char *text)
{
	return answer_judge(gold, strlen(gold), text, strlen(text));
}

static void numbers_compare_as_exact_fractions(void **state)
{
	(void)state;
	static const char *const same[][2] = {
		{ "1,000", "1000" }, { "1000", "1000.0" }, { "0.1", "1/10" }, { "-0", "0" }, { "2/4", "1/2" },
		{ "\\frac{3}{4}", "0.75" }, { "-\\dfrac{1}{2}", "-0.5" }, { "$1,234,567.50", "1234567.5" }, { "50%", "0.5" },
		{ "1e3", "1000" }, { "1.5E-2", "0.015" }, { "$42$", "42" }, { "42.", "42" }, { "+7", "7" },
		{ "\xe2\x88\x92" "3", "-3" }, { "007", "7" }, { ".5", "0.5" }, { " 12 ", "12" }, { "\xe2\x82\xac" "5", "5" },
		{ "100000000000000000000000000000001", "100000000000000000000000000000001.000" },
		{ "0.1/0.2", "1/2" }, { "50\\%", "1/2" },
	};
	static const char *const different[][2] = {
		{ "0.333", "1/3" }, { "16386.20", "16386.16" }, { "5", "-5" }, { "28%", "28" }, { "1,00", "100" }, { "1/0", "0" },
		{ "100000000000000000000000000000001", "100000000000000000000000000000002" },
		{ "0.30000000000000004", "0.3" }, { "12:30", "12" }, { "1e99999", "1e99998" }, { "1,0000", "10000" },
	};
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (!equal(same[i][0], same[i][1]))
			fail_msg("%s and %s should be equal", same[i][0], same[i][1]);
	for (size_t i = 0; i < sizeof(different) / sizeof(*different); i++)
		if (equal(different[i][0], different[i][1]))
			fail_msg("%s and %s should differ", different[i][0], different[i][1]);
}

static void numbers_beyond_the_limit_are_text(void **state)
{
	(void)state;
	char a[700], b[700];
	struct number x;
	memset(a, '9', sizeof(a) - 1);
	a[sizeof(a) - 1] = 0;
	memcpy(b, a, sizeof(a));
	assert_false(number_parse(a, strlen(a), &x));
	assert_true(equal(a, b));
	b[600] = '8';
	assert_false(equal(a, b));
}

static void text_compares_folded(void **state)
{
	(void)state;
	assert_true(equal(" Yes\n", "yes"));
	assert_true(equal("STRASSE", "stra\xc3\x9f" "e"));
	assert_true(equal("caf\xc3\xa9", "cafe\xcc\x81"));
	assert_true(equal("a  b\tc", "a b c"));
	assert_false(equal("yes", "no"));
	assert_false(equal("\xff", "\xfe"));
	assert_true(equal("\xff", "\xff"));
	assert_false(equal("", "x"));
}

static void the_answer_is_found_by_the_documented_rule(void **state)
{
	(void)state;
	assert_int_equal(judge("7", "<think>3 + 4</think><answer>7</answer>"), VERDICT_CORRECT);
	assert_int_equal(judge("7", "<answer>6</answer> no: <answer> 7 </answer>"), VERDICT_CORRECT);
	assert_int_equal(judge("7", "so \\boxed{7}"), VERDICT_CORRECT);
	assert_int_equal(judge("1/2", "<answer>\\boxed{\\frac{1}{2}}</answer>"), VERDICT_CORRECT);
	assert_int_equal(judge("7", "3 + 4 = 7."), VERDICT_CORRECT);
	assert_int_equal(judge("-7", "it is -7"), VERDICT_CORRECT);
	assert_int_equal(judge("3", "10-7 is 3"), VERDICT_CORRECT);
	assert_int_equal(judge("7", "10-7"), VERDICT_CORRECT);         /* an operator, not a sign */
	assert_int_equal(judge("Paris", "Let me see.\nparis\n"), VERDICT_CORRECT);
	assert_int_equal(judge("12", "<answer>12 apples</answer>"), VERDICT_CORRECT);
	assert_int_equal(judge("12", "<answer>11 or 12</answer>"), VERDICT_WRONG);
	assert_int_equal(judge("7", "<think>7</think>I do not know"), VERDICT_NO_ANSWER);
	assert_int_equal(judge("7", "<think>it must be 7"), VERDICT_NO_ANSWER);
	assert_int_equal(judge("7", ""), VERDICT_NO_ANSWER);
	assert_int_equal(judge("7", "<answer></answer>"), VERDICT_NO_ANSWER);
	assert_int_equal(judge("7", "abc7 x_7"), VERDICT_NO_ANSWER);   /* digits inside words are no number */
	assert_int_equal(judge("  ", "7"), VERDICT_NO_GOLD);
	assert_int_equal(judge("", "7"), VERDICT_NO_GOLD);
}

static void gold_answers_may_be_whole_solutions(void **state)
{
	(void)state;
	assert_int_equal(judge("She has 48/2 = 24.\n#### 1,024", "The answer is 1024"), VERDICT_CORRECT);
	assert_int_equal(judge("thus \\boxed{5}", "5"), VERDICT_CORRECT);
	assert_int_equal(judge("<think>x</think><answer>9</answer>", "<answer>9</answer>"), VERDICT_CORRECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_compare_as_exact_fractions), cmocka_unit_test(numbers_beyond_the_limit_are_text),
		cmocka_unit_test(text_compares_folded), cmocka_unit_test(the_answer_is_found_by_the_documented_rule),
		cmocka_unit_test(gold_answers_may_be_whole_solutions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
