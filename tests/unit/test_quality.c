/* test_quality.c - each rule at its threshold, on texts small enough to count by hand; UTF-8 repair and words. */
#include "unit.h"

#include "text/lang.h"
#include "text/quality.h"
#include "text/unicode.h"

static struct quality_scratch *scratch;

/* The reason by which one rule rejects a text, or "". */
static const char *reason(const char *rule, const char *text)
{
	struct quality q = {0};
	size_t n = strlen(text);
	assert_int_equal(quality_set(&q, rule, NULL), OK);
	const char *r = quality_judge(&q, &text, &n, scratch);
	return r ? r : "";
}

#define PASSES(rule, text) assert_string_equal(reason(rule, text), "")
#define FAILS(rule, text) assert_string_not_equal(reason(rule, text), "")

static void gopher_rules_hold_at_their_thresholds(void **state)
{
	(void)state;
	PASSES("gopher_short_doc=3", "one two three");
	FAILS("gopher_short_doc=3", "one two ...");
	PASSES("gopher_long_doc=3", "one two three");
	FAILS("gopher_long_doc=2", "one two three");
	PASSES("gopher_below_avg_threshold=3", "abc def");
	FAILS("gopher_below_avg_threshold=3", "abc de");
	PASSES("gopher_above_avg_threshold=3", "\xc3\xa4\xc3\xb6\xc3\xbc abc");
	FAILS("gopher_above_avg_threshold=3", "abcd abc");
	PASSES("gopher_too_many_hashes", "#a b c d e f g h i j");
	FAILS("gopher_too_many_hashes", "##a b c d e f g h i j");
	FAILS("gopher_too_many_ellipsis", "a... b\xe2\x80\xa6 c d e f g h i j");
	PASSES("gopher_too_many_bullets=0.5", "- a\nb");
	FAILS("gopher_too_many_bullets=0.5", "- a\n  \xe2\x80\xa2 b\nc");
	FAILS("gopher_too_many_end_ellipsis", "a...\nb \nc");
	PASSES("gopher_below_alpha_threshold", "a b c d 1");
	FAILS("gopher_below_alpha_threshold", "a b c 2 1");
	PASSES("gopher_enough_stop_words", "the and");
	FAILS("gopher_enough_stop_words", "the the The AND");
}

static void repetition_counts_second_copies(void **state)
{
	(void)state;
	PASSES("dup_line_frac=0.5", "a\na\nb\nb");
	FAILS("dup_line_frac=0.49", "a\na\nb\nb");
	FAILS("dup_line_char_frac=0.4", "aaaa\naaaa");
	PASSES("dup_line_char_frac=0.45", "aaaa\naaaa");
	FAILS("dup_para_frac=0.3", "a\n\na\n\n\nb");
	PASSES("dup_para_frac=0.4", "a\n\na\n\n\nb");
	/* "a b" twice: 3 characters times 2 of 7. */
	FAILS("top_2_gram=0.85", "a b a b");
	PASSES("top_2_gram=0.86", "a b a b");
	/* The second run of five: 5 characters of 19. */
	FAILS("duplicated_5_n_grams=0.26", "a b c d e a b c d e");
	PASSES("duplicated_5_n_grams=0.27", "a b c d e a b c d e");
	PASSES("top_4_gram", "a b");
	PASSES("duplicated_10_n_grams", "");
}

static void c4_keeps_the_lines_that_are_sentences(void **state)
{
	struct quality q = {0};
	const char *text = "Home\nOne two three.[1]\nNo end here\nEnable JavaScript to read on.\nTwo words.\nIt is \"so\"\n";
	size_t n = strlen(text);
	(void)state;
	assert_int_equal(quality_set(&q, "c4_lines", NULL), OK);
	assert_null(quality_judge(&q, &text, &n, scratch));
	assert_int_equal(n, strlen("One two three.\nIt is \"so\""));
	assert_memory_equal(text, "One two three.\nIt is \"so\"", n);
	FAILS("lorem_ipsum", "xx Lorem IPSUM");
	FAILS("curly_bracket", "if {");
	PASSES("too_few_sentences=2", "One. Two.");
	FAILS("too_few_sentences=3", "One. Two 3.5 four.");
}

static void fineweb_rules_count_lines(void **state)
{
	(void)state;
	PASSES("line_punct_ratio=0.5", "a.\n\nb");
	FAILS("line_punct_ratio=0.51", "a.\nb");
	FAILS("short_line_ratio=0.9", "a\nb");
	FAILS("char_dup_ratio=0.3", "abc\nabc\nde");
	PASSES("char_dup_ratio=0.4", "abc\nabc\nde");
	FAILS("list_ratio=0.3", "a\nb\nc");
}

static void presets_and_names(void **state)
{
	struct quality q;
	struct error err;
	(void)state;
	assert_int_equal(quality_preset(&q, "gopher", NULL), OK);
	assert_int_equal(q.n, 23);
	const char *empty = "";
	size_t n = 0;
	assert_string_equal(quality_judge(&q, &empty, &n, scratch), "gopher_short_doc");
	assert_int_equal(quality_preset(&q, "nosuch", &err), ERR_USAGE);
	assert_int_equal(quality_set(&q, "min_chars=", NULL), ERR_USAGE);
	assert_int_equal(quality_set(&q, "min_chars=nan", NULL), ERR_USAGE);
	assert_int_equal(quality_set(&q, "=1", NULL), ERR_USAGE);
	assert_int_equal(quality_remove(&q, "gopher_short_doc", NULL), OK);
	assert_int_equal(q.n, 22);
}

static void text_is_repaired(void **state)
{
	struct buf out = {0};
	static const char in[] = "\r\n\xef\xbb\xbf" "e\xcc\x81 \t\r\nb\x01\xc2\x85\n\n\nc\xc2\xa0\n ";
	(void)state;
	text_repair(in, sizeof(in) - 1, &out);
	assert_string_equal(out.data, "\xc3\xa9\nb\n\nc");
	buf_clear(&out);
	assert_int_equal(text_append_valid(&out, "a\xff\xed\xa0\x80z", 6), 4);
	assert_int_equal(text_valid_prefix(out.data, out.len), out.len);
	buf_release(&out);
}

static void words_are_pythons(void **state)
{
	static const char in[] = "\xe3\x80\x80 one\x1ctwo\xc2\xa0three\xe2\x80\x8b four\n";
	struct spans w = {0};
	(void)state;
	text_words(in, sizeof(in) - 1, &w);
	assert_int_equal(w.n, 4);     /* U+200B is no white space */
	assert_int_equal(w.v[2].len, 8);
	spans_release(&w);
}

static void languages_are_told_apart(void **state)
{
	static const char en[] = "The mill stands by the river, and the people of the village have always come to it with their grain.";
	static const char zh[] = "磨坊在河边，村里的人们总是带着粮食来到这里，在院子里等待和聊天。秋天队伍一直排到桥边。";
	char code[16];
	(void)state;
	assert_true(lang_detect(en, strlen(en), code) > 0.9);
	assert_string_equal(code, "en");
	assert_true(lang_detect(zh, strlen(zh), code) > 0.9);
	assert_string_equal(code, "zh");
	assert_true(lang_detect("", 0, code) == 0);
	assert_string_equal(code, "un");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gopher_rules_hold_at_their_thresholds), cmocka_unit_test(repetition_counts_second_copies),
		cmocka_unit_test(c4_keeps_the_lines_that_are_sentences), cmocka_unit_test(fineweb_rules_count_lines),
		cmocka_unit_test(presets_and_names), cmocka_unit_test(text_is_repaired), cmocka_unit_test(words_are_pythons),
		cmocka_unit_test(languages_are_told_apart),
	};
	scratch = quality_scratch_open();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	quality_scratch_close(scratch);
	return failed;
}
