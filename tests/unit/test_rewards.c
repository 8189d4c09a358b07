/* Answers and rule rewards: the reference's own values, and the edges of each rule. */
#include "judge/rewards.h"

#include "judge/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "unit.h"

static bool equal(const char *a, const char *b)
{
	return answer_equal((struct span){ a, strlen(a) }, (struct span){ b, strlen(b) });
}

static enum verdict judge(const char *gold, const char *text)
{
	return answer_judge(gold, strlen(gold), text, strlen(text));
}

static double reward(const char *spec, const char *text, enum verdict v, int64_t tokens)
{
	struct reward_set set = { .o = { 1000, 100, 20 } };
	struct reward_input in = { text, strlen(text), tokens, v, NAN };
	assert_int_equal(reward_parse(&set, spec, NULL), OK);
	return reward_value(&set, 0, &in);
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
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

/* re.match(r"^<think>.*?</think>\s*<answer>.*?</answer>$", text, re.DOTALL) */
static void format_is_the_pattern(void **state)
{
	(void)state;
	static const char *const good[] = {
		"<think>a</think><answer>b</answer>", "<think></think> \n\t<answer></answer>", "<think>\na\n</think>\n<answer>\nb\n</answer>\n",
		"<think>a</think>x</think><answer>b</answer>", "<think>a</think>\xe3\x80\x80<answer>b</answer>",
		"<think>a</think><answer>b</answer><answer>c</answer>",
	};
	static const char *const bad[] = {
		"", "x<think>a</think><answer>b</answer>", "<think>a</think><answer>b</answer>x", "<think>a</think>x<answer>b</answer>",
		"<think>a<answer>b</answer>", "<answer>b</answer>", "<think>a</think><answer>b", "<think>a</think><answer>b</answer>\n\n",
		"<think></answer>", "</think><answer></answer>", "<think>a</think></answer>",
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (reward("format", good[i], VERDICT_WRONG, 0) != 1)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (reward("format", bad[i], VERDICT_WRONG, 0) != 0)
			fail_msg("%s", bad[i]);
}

static void tags_count_when_they_stand_once(void **state)
{
	(void)state;
	assert_true(near(reward("tag_count", "<think>\na\n</think>\n<answer>\nb\n</answer>", VERDICT_WRONG, 0), 1.0));
	assert_true(near(reward("tag_count", "<think>\na\n</think><answer>\nb\n</answer>", VERDICT_WRONG, 0), 0.5));
	assert_true(near(reward("tag_count", "<think>\n<think>\n\n</answer>", VERDICT_WRONG, 0), 0.25));
	assert_true(near(reward("tag_count", "", VERDICT_WRONG, 0), 0));
}

static void steps_are_counted_up_to_three(void **state)
{
	(void)state;
	assert_true(near(reward("reasoning_steps", "First, a. Next, b.", VERDICT_WRONG, 0), 2 / 3.0));
	assert_true(near(reward("reasoning_steps", "1. a\n2. b", VERDICT_WRONG, 0), 1 / 3.0));
	assert_true(near(reward("reasoning_steps", "x\n- a\n- b\n* c\n* d", VERDICT_WRONG, 0), 1));
	assert_true(near(reward("reasoning_steps", "Step 12: a Step : b step 3: c", VERDICT_WRONG, 0), 1 / 3.0));
	assert_true(near(reward("reasoning_steps", "", VERDICT_WRONG, 0), 0));
}

static double cosine(enum verdict v, int n)
{
	char *text = malloc((size_t)n + 1);
	memset(text, 'x', (size_t)n);
	text[n] = 0;
	double r = reward("cosine", text, v, 0);
	free(text);
	return r;
}

static void cosine_has_the_reference_values(void **state)
{
	(void)state;
	static const int lengths[] = { 0, 500, 1000, 2000 };
	static const double right[] = { 1.0, 0.75, 0.5, 1.0 }, wrong[] = { -1.0, -0.75, -0.5 };
	for (int i = 0; i < 4; i++)
		assert_true(near(cosine(VERDICT_CORRECT, lengths[i]), right[i]));
	for (int i = 0; i < 3; i++)
		assert_true(near(cosine(VERDICT_WRONG, lengths[i]), wrong[i]));
	assert_true(isnan(cosine(VERDICT_NO_GOLD, 10)));
	assert_true(near(reward("cosine", "\xc3\xa9\xc3\xa9", VERDICT_CORRECT, 0), cosine(VERDICT_CORRECT, 2)));
}

static void repetition_has_the_reference_value(void **state)
{
	(void)state;
	assert_true(near(reward("repetition_penalty", "a b c a b c a b c", VERDICT_WRONG, 0), -0.571428571428571));
	assert_true(near(reward("repetition_penalty", "A b C a B c a b c", VERDICT_WRONG, 0), -0.571428571428571));
	assert_true(near(reward("repetition_penalty", "a b", VERDICT_WRONG, 0), 0));
	assert_true(near(reward("repetition_penalty", "a b c d e", VERDICT_WRONG, 0), 0));
	assert_true(near(reward("repetition_penalty", "", VERDICT_WRONG, 0), 0));
}

static void soft_overlong_has_the_reference_values(void **state)
{
	(void)state;
	static const int tokens[] = { 80, 90, 100, 101 };
	static const double want[] = { 0, -0.5, -1, -1 };
	for (int i = 0; i < 4; i++)
		assert_true(near(reward("soft_overlong", "", VERDICT_WRONG, tokens[i]), want[i]));
	assert_true(isnan(reward("soft_overlong", "", VERDICT_WRONG, -1)));
}

static void scores_weigh_and_leave_out_the_unknown(void **state)
{
	(void)state;
	struct reward_set set = { 0 };
	double one[] = { 1, 0.5 }, unknown[] = { NAN, 0.5 }, nothing[] = { NAN, NAN };
	assert_int_equal(reward_parse(&set, "accuracy=2,format=0.5", NULL), OK);
	assert_true(near(reward_score(&set, one), 2.25));
	assert_true(near(reward_score(&set, unknown), 0.25));
	assert_true(isnan(reward_score(&set, nothing)));
}

static void a_bad_list_of_rewards_is_a_usage_error(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "acuracy", "accuracy,", "accuracy,accuracy", "accuracy=", "accuracy=x", "=1", "accuracy=1x" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct reward_set set = { 0 };
		struct error err;
		if (reward_parse(&set, bad[i], &err) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_compare_as_exact_fractions), cmocka_unit_test(numbers_beyond_the_limit_are_text),
		cmocka_unit_test(text_compares_folded), cmocka_unit_test(the_answer_is_found_by_the_documented_rule),
		cmocka_unit_test(gold_answers_may_be_whole_solutions), cmocka_unit_test(format_is_the_pattern),
		cmocka_unit_test(tags_count_when_they_stand_once), cmocka_unit_test(steps_are_counted_up_to_three),
		cmocka_unit_test(cosine_has_the_reference_values), cmocka_unit_test(repetition_has_the_reference_value),
		cmocka_unit_test(soft_overlong_has_the_reference_values),
		cmocka_unit_test(scores_weigh_and_leave_out_the_unknown), cmocka_unit_test(a_bad_list_of_rewards_is_a_usage_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
