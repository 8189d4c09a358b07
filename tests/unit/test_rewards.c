/* Answers and rule rewards: the reference's own values, and the edges of each rule. */
#include "judge/rewards.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "unit.h"

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
		if (reward("format", good[i], VERDICT_DIFFERENT, 0) != 1)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (reward("format", bad[i], VERDICT_DIFFERENT, 0) != 0)
			fail_msg("%s", bad[i]);
}

static void tags_count_when_they_stand_once(void **state)
{
	(void)state;
	assert_true(near(reward("tag_count", "<think>\na\n</think>\n<answer>\nb\n</answer>", VERDICT_DIFFERENT, 0), 1.0));
	assert_true(near(reward("tag_count", "<think>\na\n</think><answer>\nb\n</answer>", VERDICT_DIFFERENT, 0), 0.5));
	assert_true(near(reward("tag_count", "<think>\n<think>\n\n</answer>", VERDICT_DIFFERENT, 0), 0.25));
	assert_true(near(reward("tag_count", "", VERDICT_DIFFERENT, 0), 0));
}

static void steps_are_counted_up_to_three(void **state)
{
	(void)state;
	assert_true(near(reward("reasoning_steps", "First, a. Next, b.", VERDICT_DIFFERENT, 0), 2 / 3.0));
	assert_true(near(reward("reasoning_steps", "1. a\n2. b", VERDICT_DIFFERENT, 0), 1 / 3.0));
	assert_true(near(reward("reasoning_steps", "x\n- a\n- b\n* c\n* d", VERDICT_DIFFERENT, 0), 1));
	assert_true(near(reward("reasoning_steps", "Step 12: a Step : b step 3: c", VERDICT_DIFFERENT, 0), 1 / 3.0));
	assert_true(near(reward("reasoning_steps", "", VERDICT_DIFFERENT, 0), 0));
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
		assert_true(near(cosine(VERDICT_EQUAL, lengths[i]), right[i]));
	for (int i = 0; i < 3; i++)
		assert_true(near(cosine(VERDICT_DIFFERENT, lengths[i]), wrong[i]));
	assert_true(isnan(cosine(VERDICT_UNDECIDED, 10)));
	assert_true(near(reward("cosine", "\xc3\xa9\xc3\xa9", VERDICT_EQUAL, 0), cosine(VERDICT_EQUAL, 2)));
}

static void repetition_has_the_reference_value(void **state)
{
	(void)state;
	assert_true(near(reward("repetition_penalty", "a b c a b c a b c", VERDICT_DIFFERENT, 0), -0.571428571428571));
	assert_true(near(reward("repetition_penalty", "A b C a B c a b c", VERDICT_DIFFERENT, 0), -0.571428571428571));
	assert_true(near(reward("repetition_penalty", "a b", VERDICT_DIFFERENT, 0), 0));
	assert_true(near(reward("repetition_penalty", "a b c d e", VERDICT_DIFFERENT, 0), 0));
	assert_true(near(reward("repetition_penalty", "", VERDICT_DIFFERENT, 0), 0));
}

static void soft_overlong_has_the_reference_values(void **state)
{
	(void)state;
	static const int tokens[] = { 80, 90, 100, 101 };
	static const double want[] = { 0, -0.5, -1, -1 };
	for (int i = 0; i < 4; i++)
		assert_true(near(reward("soft_overlong", "", VERDICT_DIFFERENT, tokens[i]), want[i]));
	assert_true(isnan(reward("soft_overlong", "", VERDICT_DIFFERENT, -1)));
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
		cmocka_unit_test(format_is_the_pattern),
		cmocka_unit_test(tags_count_when_they_stand_once), cmocka_unit_test(steps_are_counted_up_to_three),
		cmocka_unit_test(cosine_has_the_reference_values), cmocka_unit_test(repetition_has_the_reference_value),
		cmocka_unit_test(soft_overlong_has_the_reference_values),
		cmocka_unit_test(scores_weigh_and_leave_out_the_unknown), cmocka_unit_test(a_bad_list_of_rewards_is_a_usage_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
