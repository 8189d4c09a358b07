/* test_options.c - option tables: forms, numbers, and the sentences that mend a mistake. */
#include "unit.h"

#include "base/options.h"

static struct {
	bool flag;
	int64_t n;
	double x;
	const char *s;
	struct opt_list list;
	int choice;
	int64_t bare;
} v;

static struct opt table[] = {
	OPT_GROUP("Things"),
	OPT_FLAG('f', "flag", &v.flag, "a flag"),
	OPT_INT('n', "number", &v.n, "N", 1, 100000, "a number"),
	OPT_DOUBLE(0, "ratio", &v.x, "X", 0, 1, "a ratio"),
	OPT_STRING('s', "string", &v.s, "TEXT", "a string"),
	OPT_LIST('l', "list", &v.list, "ITEM", "an item"),
	OPT_CHOICE(0, "choice", &v.choice, "one|two|three", "a choice"),
	{.type = OPT_TYPE_INT, .name = "bare", .value = &v.bare, .arg = "N", .max = 100, .alone = -1, .help = "a number or none"},
	OPT_END,
};

static struct opt_list operands;

static enum status parse(struct error *err, const char *const *words)
{
	struct opt *const tables[] = {table};
	char *argv[16] = {(char *)"tool"};
	int n = 1;
	for (; *words; words++)
		argv[n++] = (char *)*words;
	operands.n = v.list.n = 0;
	v.flag = false;
	return opt_parse(tables, 1, n, argv, &operands, err);
}

#define PARSE(err, ...) parse(err, (const char *const[]){__VA_ARGS__, NULL})

static void every_form_is_understood(void **state)
{
	(void)state;
	struct error err;
	assert_int_equal(PARSE(&err, "-fn5", "a", "--ratio=0.5", "--string", "x y", "-l1", "-l", "2", "-", "--choice=two", "--", "-f"), OK);
	assert_true(v.flag);
	assert_int_equal(v.n, 5);
	assert_true(v.x == 0.5);
	assert_string_equal(v.s, "x y");
	assert_int_equal(v.list.n, 2);
	assert_int_equal(v.choice, 1);
	assert_int_equal(operands.n, 3);
	assert_string_equal(operands.items[2], "-f");
	assert_int_equal(PARSE(&err, "-f", "--no-flag", "--number=64k"), OK);
	assert_false(v.flag);
	assert_int_equal(v.n, 64000);
	assert_int_equal(PARSE(&err, "--number", "1Ki"), OK);
	assert_int_equal(v.n, 1024);
}

static void a_mistake_gets_the_sentence_that_mends_it(void **state)
{
	(void)state;
	struct error err;
	static const struct { const char *word, *want; } cases[] = {
		{"--nubmer=3", "did you mean --number?"}, {"--number=0", "from 1 to 100000"}, {"--number=1.5", "whole number"},
		{"--number=3x", "not a number"}, {"--number=", "not a number"}, {"--choice=four", "one of one|two|three"},
		{"--flag=1", "takes no value"}, {"--string", "wants a value"}, {"-z", "unknown option -z"},
		{"--ratio=nan", "not a number"}, {"--zzzzzzzz", "--help"}, {"-n", "wants a value"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(PARSE(&err, cases[i].word), ERR_USAGE);
		if (!strstr(err.text, cases[i].want))
			fail_msg("%s: %s", cases[i].word, err.text);
	}
}

static void the_table_is_the_single_source(void **state)
{
	(void)state;
	struct error err;
	struct opt *const tables[] = {table};
	struct buf b = {0};
	opt_help(&b, tables, 1);
	assert_non_null(strstr(b.data, "-n, --number N"));
	buf_clear(&b);
	opt_mdoc(&b, tables, 1);
	assert_non_null(strstr(b.data, ".It Fl n Ar N , Fl \\-number Ar N"));
	buf_clear(&b);
	opt_completion(&b, tables, 1);
	assert_non_null(strstr(b.data, "--choice=two\n"));
	buf_release(&b);
	for (struct opt *o = table; o->type != OPT_TYPE_END; o++)
		o->given = false;
	PARSE(&err, "--number=7", "-f", "-la");
	struct opt_list words = {0};
	opt_provenance(&words, tables, 1);
	assert_int_equal(words.n, 3);
	assert_string_equal(words.items[0], "--flag");
	assert_string_equal(words.items[1], "--number=7");
	for (int i = 0; i < words.n; i++)
		mem_free((void *)(uintptr_t)words.items[i]);
	mem_free(words.items);
	mem_free(operands.items);
	mem_free(v.list.items);
}

static void an_earlier_table_takes_a_name(void **state)
{
	(void)state;
	static bool flag;
	static const char *string;
	static struct opt own[] = {OPT_FLAG(0, "stats", &flag, "our own"), OPT_END};
	static struct opt common[] = {OPT_STRING(0, "stats", &string, "FILE", "everybody's"), OPT_STRING(0, "log", &string, "FILE", "log"), OPT_END};
	struct opt *const tables[] = {own, common};
	struct opt_list none = {0};
	struct error err;
	char *argv[] = {(char *)"tool", (char *)"--stats"};
	assert_int_equal(opt_parse(tables, 2, 2, argv, &none, &err), OK);
	assert_true(flag && !string);
	void (*const texts[])(struct buf *, struct opt *const *, int) = {opt_help, opt_mdoc, opt_completion};
	for (int i = 0; i < 3; i++) {
		struct buf b = {0};
		texts[i](&b, tables, 2);
		assert_null(strstr(b.data, "verybody's"));
		assert_null(strstr(b.data, "--stats="));
		assert_non_null(strstr(b.data, "stats"));
		assert_non_null(strstr(b.data, "log"));
		buf_release(&b);
	}
}

static void a_number_may_be_left_out(void **state)
{
	struct opt *const tables[] = {table};
	struct opt_list words = {0};
	struct buf text = {0};
	struct error err;
	(void)state;
	assert_int_equal(PARSE(&err, "--bare", "2024.arrows"), OK);
	assert_int_equal(v.bare, -1);
	assert_int_equal(operands.n, 1);
	opt_provenance(&words, tables, 1);
	assert_string_equal(words.items[words.n - 1], "--bare");
	assert_int_equal(PARSE(&err, "--bare", "7", "a"), OK);
	assert_int_equal(v.bare, 7);
	assert_int_equal(operands.n, 1);
	assert_int_equal(PARSE(&err, "--bare=8", "9"), OK);
	assert_int_equal(v.bare, 8);
	assert_int_equal(operands.n, 1);
	assert_int_equal(PARSE(&err, "a", "--bare"), OK);
	assert_int_equal(v.bare, -1);
	assert_int_equal(PARSE(&err, "--bare", "-1"), ERR_USAGE);
	assert_int_equal(PARSE(&err, "--bare", "101"), ERR_USAGE);
	assert_int_equal(PARSE(&err, "--bare=x"), ERR_USAGE);
	opt_help(&text, tables, 1);
	assert_non_null(strstr(text.data, "--bare [N] "));
	buf_clear(&text);
	opt_mdoc(&text, tables, 1);
	assert_non_null(strstr(text.data, "Op Ar N\n"));
	buf_release(&text);
	for (int i = 0; i < words.n; i++)
		mem_free((void *)words.items[i]);
	mem_free(words.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_understood),
		cmocka_unit_test(a_mistake_gets_the_sentence_that_mends_it),
		cmocka_unit_test(a_number_may_be_left_out),
		cmocka_unit_test(the_table_is_the_single_source),
		cmocka_unit_test(an_earlier_table_takes_a_name),
	};
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
