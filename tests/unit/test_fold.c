/* test_fold.c - what is put aside when texts are compared; the places of runs that are shared with a test set. */
#include "unit.h"

#include "text/against.h"
#include "text/fold.h"

static void folds(const char *words, const char *in, const char *want)
{
	struct buf out = {0};
	unsigned bits;
	assert_int_equal(fold_parse(words, &bits, NULL), OK);
	text_fold(in, strlen(in), bits, &out);
	assert_string_equal(out.data, want);
	assert_int_equal(out.len, strlen(want));
	buf_release(&out);
}

static void each_fold_does_its_part(void **state)
{
	(void)state;
	folds("none", " A  b\n1,23 ", " A  b\n1,23 ");
	folds("case", "ABC \xc3\x89\xce\xa3", "abc \xc3\xa9\xcf\x83");
	folds("space", " \t a\xc2\xa0 b\n\nc ", "a b c");
	folds("space", " \n ", "");
	folds("punctuation", "a,b.c", "a b c");
	folds("punctuation,space", "a, b.", "a b");
	folds("digits", "12 a345b \xd9\xa1\xd9\xa2", "0 a0b 0");
	folds("digits,space", "1 2", "0 0");
	folds("digits,punctuation,space", "1,2", "0 0");
	folds("form", "e\xcc\x81", "\xc3\xa9");
	folds("form", "e", "e");
	folds("all", " E\xcc\x81T\xc3\x89, 1999! ", "\xc3\xa9t\xc3\xa9 0");
	/* Lower case of three bytes for two, more than the text is long; and bytes that are no text. */
	folds("case", "\xc8\xba\xc8\xba\xc8\xba\xc8\xba", "\xe2\xb1\xa5\xe2\xb1\xa5\xe2\xb1\xa5\xe2\xb1\xa5");
	folds("case,space,punctuation", "\xff\xfe A\xc3", "\xff\xfe a\xc3");
}

static void words_that_are_no_folds_are_told(void **state)
{
	struct error err = {{0}};
	unsigned bits;
	(void)state;
	assert_int_equal(fold_parse("case,", &bits, &err), ERR_USAGE);
	assert_int_equal(fold_parse("", &bits, &err), ERR_USAGE);
	assert_int_equal(fold_parse("case,digit", &bits, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "'digit' is none of"));
}

static void cuts_of_runs_may_overlap(void **state)
{
	static const struct against_hit hits[] = {{0, "", 2, 4, 0}, {0, "", 4, 3, 9}, {0, "", 9, 1, 0}};
	struct buf out = {0};
	(void)state;
	against_cut("0123456789", 10, hits, 3, &out);
	assert_string_equal(out.data, "0178");
	against_cut("0123456789", 10, hits, 0, &out);
	assert_string_equal(out.data, "0123456789");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fold_does_its_part), cmocka_unit_test(words_that_are_no_folds_are_told),
		cmocka_unit_test(cuts_of_runs_may_overlap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
