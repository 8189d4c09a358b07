/* Rule rewards: what open-r1's functions say of our own texts (tests/reference/make_reward_goldens.py), and the edges of the rest. */
#include "judge/rewards.h"

#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>

#include "unit.h"

#define GOLDENS "tests/golden/data/rewards/"

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

/* Calls fn on each line of a file of JSON Lines; returns how many. */
static int each_line(const char *path, void (*fn)(const struct json *row, int line))
{
	struct json_parser *parser = json_parser_open();
	struct buf text = { 0 };
	const struct json *row;
	int line = 0;
	assert_int_equal(file_read_all(path, 1 << 24, &text, NULL), OK);
	for (char *p = text.data, *end; (end = strchr(p, '\n')); p = end + 1) {
		assert_int_equal(json_parse(parser, p, (size_t)(end - p), &row, NULL), OK);
		fn(row, ++line);
	}
	buf_release(&text);
	json_parser_close(parser);
	return line;
}

static void check_text(const struct json *row, int line)
{
	const struct json *text = json_get(row, "text"), *repetition = json_get(row, "repetition");
	static const struct {
		const char *name;
		double (*rule)(const char *, size_t);
	} rules[] = { { "format", reward_format }, { "tag_count", reward_tag_count }, { "reasoning_steps", reward_reasoning_steps } };
	struct word_scratch w = { 0 };
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (!near(rules[i].rule(text->str, text->len), json_get_num(row, rules[i].name, NAN)))
			fail_msg("line %d: %s is %g: %s", line, rules[i].name, rules[i].rule(text->str, text->len), text->str);
	if (!near(reward_code_format(text->str, text->len, "python"), json_get_num(row, "code_format", NAN)))
		fail_msg("line %d: code_format: %s", line, text->str);
	assert_int_equal(reward_characters(text->str, text->len), json_get_int(row, "characters", -1));
	for (size_t i = 0; i < repetition->len; i++) {
		const struct json *v = repetition->items[i].items;
		double got = reward_repetition_penalty(text->str, text->len, v[0].integer, v[1].number, WORDS_EN, &w);
		if (!near(got, v[2].number))
			fail_msg("line %d: repetition of %d-grams is %g, want %g: %s", line, (int)v[0].integer, got, v[2].number, text->str);
	}
	word_scratch_release(&w);
}

static void check_soft_overlong(const struct json *all)
{
	for (size_t i = 0; i < all->len; i++) {
		const struct json *v = all->items[i].items;
		assert_true(near(reward_soft_overlong(v[2].integer, v[0].integer, v[1].integer), v[3].number));
	}
}

static void check_group(const struct json *row, int line)
{
	const struct json *characters = json_get(row, "characters"), *right = json_get(row, "correct"), *cosine = json_get(row, "cosine");
	int64_t lengths[8];
	double correct[8], len[8];
	if (!characters) {
		check_soft_overlong(json_get(row, "soft_overlong"));
		return;
	}
	for (size_t i = 0; i < characters->len; i++) {
		lengths[i] = characters->items[i].integer;
		correct[i] = right->items[i].boolean;
	}
	reward_len(lengths, correct, (int64_t)characters->len, len);
	for (size_t i = 0; i < characters->len; i++) {
		if (!near(len[i], json_get(row, "len")->items[i].number))
			fail_msg("group %d: len of %d is %g", line, (int)i, len[i]);
		for (size_t k = 0; k < cosine->len; k++) {
			const struct json *v = cosine->items[k].items;
			struct cosine_options o = { v[0].number, v[1].number, v[2].number, v[3].number, v[4].integer };
			assert_true(near(reward_cosine(&o, correct[i] == 1, lengths[i]), v[5].items[i].number));
		}
	}
}

static void texts_are_worth_what_open_r1_says(void **state)
{
	(void)state;
	assert_true(each_line(GOLDENS "texts.jsonl", check_text) > 600);
}

static void groups_are_worth_what_open_r1_says(void **state)
{
	(void)state;
	assert_int_equal(each_line(GOLDENS "groups.jsonl", check_group), 61);
}

/* --- rules one by one ------------------------------------------------------------------------------------- */

/* re.match(r"^<think>.*?</think>\s*<answer>.*?</answer>$", text, re.DOTALL) */
static void format_loose_is_the_pattern(void **state)
{
	(void)state;
	static const char *const good[] = {
		"<think>a</think><answer>b</answer>", "<think></think> \n\t<answer></answer>", "<think>\na\n</think>\n<answer>\nb\n</answer>\n",
		"<think>a</think>x</think><answer>b</answer>", "<think>a</think>\xe3\x80\x80<answer>b</answer>",
		"<think>a</think><answer>b</answer><answer>c</answer>", "<think></think></think><answer></answer>",
	};
	static const char *const bad[] = {
		"", "x<think>a</think><answer>b</answer>", "<think>a</think><answer>b</answer>x", "<think>a</think>x<answer>b</answer>",
		"<think>a<answer>b</answer>", "<answer>b</answer>", "<think>a</think><answer>b", "<think>a</think><answer>b</answer>\n\n",
		"<think></answer>", "</think><answer></answer>", "<think>a</think></answer>", "\n", "<think>",
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (reward_format_loose(good[i], strlen(good[i])) != 1)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (reward_format_loose(bad[i], strlen(bad[i])) != 0)
			fail_msg("%s", bad[i]);
}

static void unknown_answers_have_no_len(void **state)
{
	(void)state;
	static const int64_t lengths[] = { 10, 30, 20 };
	static const double correct[] = { 1, NAN, 0 };
	double out[3];
	reward_len(lengths, correct, 3, out);
	assert_true(out[0] == 0.5 && isnan(out[1]) && out[2] == 0); /* the one without an answer still sets the longest */
	reward_len(lengths, correct, 0, out);
}

static double repetition(const char *text, enum word_language language)
{
	struct word_scratch w = { 0 };
	double v = reward_repetition_penalty(text, strlen(text), 2, -1, language, &w);
	word_scratch_release(&w);
	return v;
}

static void chinese_words_are_characters(void **state)
{
	(void)state;
	assert_true(repetition("\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd", WORDS_EN) == 0);          /* one word */
	assert_true(near(repetition("\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd", WORDS_ZH), -1 / 3.0)); /* 2 of 3 pairs */
	assert_true(near(repetition("ok ok ok", WORDS_ZH), -0.5));
	assert_true(near(repetition("a\xe4\xbd\xa0 a\xe4\xbd\xa0", WORDS_ZH), -1 / 3.0));
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
	(void)state;
	static const char bad[] = "\xff\xfe<think>\n\xc3\n\xe2\x82 Step \xd9:\n-\xf0\x9f \xce\xa3\xff \xce";
	struct word_scratch w = { 0 };
	for (size_t n = 0; n < sizeof(bad); n++) {
		char *copy = mem_strndup(bad, n); /* so that a sanitizer sees where it ends */
		reward_format(copy, n);
		reward_format_loose(copy, n);
		reward_tag_count(copy, n);
		reward_reasoning_steps(copy, n);
		reward_characters(copy, n);
		assert_true(reward_repetition_penalty(copy, n, 1, -1, WORDS_EN, &w) <= 0);
		assert_true(reward_repetition_penalty(copy, n, 1, -1, WORDS_ZH, &w) <= 0);
		mem_free(copy);
	}
	word_scratch_release(&w);
}

/* --- the set ---------------------------------------------------------------------------------------------- */

static double value(const char *spec, const struct reward_options *o, const char *text, const char *answer)
{
	struct reward_set set = { .o = *o };
	struct reward_input in = { .text = text, .n = strlen(text), .answer = answer, .answer_n = answer ? strlen(answer) : 0, .tokens = -1,
				   .correct = NAN, .logprob = NAN, .logprob_mean = NAN, .rating = NAN, .code = NAN };
	struct reward_scratch *x = reward_scratch_open();
	double v;
	assert_int_equal(reward_set_add(&set, spec, NULL), OK);
	assert_int_equal(reward_set_finish(&set, NULL), OK);
	assert_int_equal(reward_value(&set, 0, &in, x, &v), OK);
	reward_scratch_close(x);
	reward_set_release(&set);
	return v;
}

static void texts_are_compared_and_searched(void **state)
{
	(void)state;
	struct reward_options o = REWARD_OPTIONS_DEFAULT;
	assert_true(value("exact_match", &o, " 42\n", "42") == 1);
	assert_true(value("exact_match", &o, "42.0", "42") == 0);
	assert_true(value("exact_match", &o, "Paris", "paris") == 0);
	assert_true(isnan(value("exact_match", &o, "x", " ")));
	assert_true(isnan(value("exact_match", &o, "x", NULL)));
	assert_true(value("contains", &o, "it is 42.", "42 ") == 1);
	assert_true(value("contains", &o, "it is 41.", "42") == 0);
	assert_true(isnan(value("contains", &o, "x", "")));
	o.contains = "is";
	assert_true(value("contains", &o, "it is", NULL) == 1);
	o.contains = NULL;
	o.regex = "^(?i)YES\\b";
	assert_true(value("regex", &o, "yes, it is", NULL) == 1);
	assert_true(value("regex", &o, "oh yes", NULL) == 0);
}

static void json_is_valid_as_a_whole(void **state)
{
	(void)state;
	struct reward_options o = REWARD_OPTIONS_DEFAULT;
	static const char *const good[] = { "{}", " [1, 2.5e3, null]\n", "\"x\"", "7", "{\"a\":{\"a\":1}}" };
	static const char *const bad[] = { "", "{", "{} {}", "[1,]", "NaN", "'x'", "```json\n{}\n```", "{\"a\":1", "tru" };
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (value("json_valid", &o, good[i], NULL) != 1)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (value("json_valid", &o, bad[i], NULL) != 0)
			fail_msg("%s", bad[i]);
}

static void lengths_have_bounds(void **state)
{
	(void)state;
	struct reward_options o = REWARD_OPTIONS_DEFAULT;
	o.length_min = 2;
	o.length_max = 3;
	assert_true(value("length", &o, "a", NULL) == 0);
	assert_true(value("length", &o, "\xc3\xa9\xc3\xa9", NULL) == 1);
	assert_true(value("length", &o, "\xc3\xa9\xc3\xa9\xc3\xa9", NULL) == 1);
	assert_true(value("length", &o, "abcd", NULL) == 0);
}

static void a_pattern_without_end_is_an_error_and_no_hang(void **state)
{
	(void)state;
	struct reward_set set = { .o = REWARD_OPTIONS_DEFAULT };
	char *text = mem_alloc(4000);
	struct reward_scratch *x = reward_scratch_open();
	double v;
	memset(text, 'a', 4000);
	set.o.regex = "^(a|aa)+[bc]$";
	assert_int_equal(reward_set_add(&set, "regex", NULL), OK);
	assert_int_equal(reward_set_finish(&set, NULL), OK);
	struct reward_input in = { .text = text, .n = 4000, .tokens = -1 };
	assert_int_equal(reward_value(&set, 0, &in, x, &v), ERR_DATA);
	reward_scratch_close(x);
	reward_set_release(&set);
	mem_free(text);
}

static void scores_weigh_and_leave_out_the_unknown(void **state)
{
	(void)state;
	struct reward_set set = { 0 };
	double one[] = { 1, 0.5 }, unknown[] = { NAN, 0.5 }, nothing[] = { NAN, NAN };
	assert_int_equal(reward_set_add(&set, "accuracy=2,format=0.5", NULL), OK);
	assert_true(near(reward_score(&set, one), 2.25));
	assert_true(near(reward_score(&set, unknown), 0.25));
	assert_true(isnan(reward_score(&set, nothing)));
	reward_set_release(&set);
}

static void programs_are_rewards_by_their_name(void **state)
{
	(void)state;
	struct reward_set set = { .o = REWARD_OPTIONS_DEFAULT };
	struct error err;
	assert_int_equal(reward_set_program(&set, "judge=./judge --model=x", &err), OK);
	assert_int_equal(reward_set_program(&set, "FOO=1 ./other", &err), OK);
	assert_int_equal(reward_set_program(&set, "./third", &err), ERR_USAGE);
	assert_int_equal(reward_set_program(&set, "format=./third", &err), ERR_USAGE);
	assert_int_equal(reward_set_program(&set, "", &err), ERR_USAGE);
	assert_int_equal(reward_set_program(&set, "x=", &err), ERR_USAGE);
	assert_int_equal(reward_set_add(&set, "format,judge=0.25", &err), OK);
	assert_int_equal(reward_set_finish(&set, &err), OK);
	assert_int_equal(set.n, 3);
	assert_string_equal(set.items[1].name, "judge");
	assert_true(set.items[1].weight == 0.25);
	assert_string_equal(set.items[2].name, "exec");
	assert_string_equal(set.programs[set.items[2].program].command, "FOO=1 ./other");
	reward_set_release(&set);
}

static void bad_requests_are_usage_errors(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "acuracy", "accuracy,", "accuracy,accuracy", "accuracy=", "accuracy=x", "=1", "accuracy=1x" };
	struct error err;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct reward_set set = { 0 };
		if (reward_set_add(&set, bad[i], &err) != ERR_USAGE)
			fail_msg("'%s' was taken", bad[i]);
		reward_set_release(&set);
	}
	static const char *const with[] = { "regex", "regex", "length", "format", "format", "contains", "format", "format", "format", "format" };
	struct reward_options o[10];
	for (int i = 0; i < 10; i++)
		o[i] = (struct reward_options)REWARD_OPTIONS_DEFAULT;
	o[1].regex = "(";
	o[3].soft_punish_cache = o[3].max_completion_len + 1;
	o[4].regex = "x";
	o[5].contains = "";
	o[6].contains = "x";
	o[7].cosine.max_len = 5;                     /* of rewards that nobody asked for */
	o[8].length_min = 5;
	o[9].repetition_n_grams = 2;
	for (int i = 0; i < 10; i++) {
		struct reward_set set = { .o = o[i] };
		assert_int_equal(reward_set_add(&set, with[i], &err), OK);
		if (reward_set_finish(&set, &err) != ERR_USAGE)
			fail_msg("case %d was taken", i);
		reward_set_release(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_worth_what_open_r1_says), cmocka_unit_test(groups_are_worth_what_open_r1_says),
		cmocka_unit_test(format_loose_is_the_pattern), cmocka_unit_test(unknown_answers_have_no_len),
		cmocka_unit_test(chinese_words_are_characters), cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
		cmocka_unit_test(texts_are_compared_and_searched), cmocka_unit_test(json_is_valid_as_a_whole),
		cmocka_unit_test(lengths_have_bounds), cmocka_unit_test(a_pattern_without_end_is_an_error_and_no_hang),
		cmocka_unit_test(scores_weigh_and_leave_out_the_unknown), cmocka_unit_test(programs_are_rewards_by_their_name),
		cmocka_unit_test(bad_requests_are_usage_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
