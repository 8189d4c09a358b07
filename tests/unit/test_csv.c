/* CSV records and fields (RFC 4180), lines, paragraphs, and what is taken for a table. */
#include "stream/csv.h"
#include "unit.h"

/* All pieces of a text, joined by '|', each as line:piece. */
static char *pieces(const char *text, enum piece_mode mode)
{
	struct input *in;
	struct pieces p;
	struct buf b = {0};
	const char *s;
	size_t n;
	int64_t line;
	assert_int_equal(input_open_memory(&in, "text", text, strlen(text), NULL), OK);
	pieces_open(&p, in, mode, ',', 1 << 20);
	while (pieces_next(&p, &s, &n, &line, NULL) == OK)
		buf_printf(&b, "%s%lld:%.*s", b.len ? "|" : "", (long long)line, (int)n, s);
	pieces_release(&p);
	input_close(in);
	return buf_detach(&b);
}

static void expect(const char *text, enum piece_mode mode, const char *want)
{
	char *got = pieces(text, mode);
	assert_string_equal(got, want);
	mem_free(got);
}

static void pieces_end_where_they_should(void **state)
{
	(void)state;
	expect("a\r\n\nb", PIECE_LINES, "1:a|3:b");
	expect("\n\na\nb\n \n\nc\n", PIECE_PARAGRAPHS, "3:a\nb|7:c");
	expect("a,b\n\"x\ny\",\"\"\"\n\"\nlast,1", PIECE_CSV, "1:a,b|2:\"x\ny\",\"\"\"\n\"|5:last,1");
	expect("5\" disk,1\n3\" disk,2\n", PIECE_CSV, "1:5\" disk,1|2:3\" disk,2");
	expect("", PIECE_LINES, "");
}

static void fields_lose_their_quotes(void **state)
{
	(void)state;
	struct arena a = {0};
	struct json *f;
	const char *s = "a,\"b \"\"c\"\", d\",,e";
	assert_int_equal(csv_fields(s, strlen(s), ',', &a, &f), 4);
	assert_string_equal(f[0].str, "a");
	assert_string_equal(f[1].str, "b \"c\", d");
	assert_string_equal(f[2].str, "");
	assert_string_equal(f[3].str, "e");
	assert_int_equal(csv_fields("\"open", 5, ',', &a, &f), -1);
	assert_int_equal(csv_fields("\"a\"b", 4, ',', &a, &f), -1);
	assert_int_equal(csv_fields("", 0, ',', &a, &f), 1);
	arena_release(&a);
}

static bool known(const char *name)
{
	return strcmp(name, "text") == 0;
}

static bool table(const char *s, char want)
{
	char d = 0;
	bool yes = csv_looks_like(s, strlen(s), known, &d);
	return yes && d == want;
}

static void tables_are_told_from_prose(void **state)
{
	(void)state;
	assert_true(table("id,text\n1,hello\n", ','));
	assert_true(table("id\ttext\n1\thello, you", '\t'));
	assert_false(table("Hello, world\nthis is, as you see, text\n", ','));
	assert_false(table("One, two. Three\nfour, five\n", ','));
	assert_false(table("id,text\n", ','));
	assert_false(table("a,a\n1,2\n", ','));
	assert_false(table("1,2\n3,4\n", ','));
	assert_true(table("id;text\n1;a, b\n", ';'));
	assert_true(table(",words\n0,hello\n1,you\n", ','));
	/* a name that datasets have decides, whatever the records look like; in prose it does not */
	assert_true(table("id,text\n1,hello\n2\n3,a,b\n", ','));
	assert_true(table("text,text\n1,2\n", ','));
	assert_false(table("id,words\n1,hello\n2\n", ','));
	assert_false(table("text, and more\nof it, here\nyes\n", ','));
}

static void a_quote_that_never_closes_is_bounded(void **state)
{
	(void)state;
	struct buf b = {0};
	struct input *in;
	struct pieces p;
	struct error err;
	const char *s;
	size_t n;
	int64_t line;
	buf_str(&b, "\"");
	for (int i = 0; i < 3 << 20; i++)
		buf_char(&b, i % 80 ? 'x' : '\n');
	assert_int_equal(input_open_memory(&in, "big", b.data, b.len, NULL), OK);
	pieces_open(&p, in, PIECE_CSV, ',', 1 << 20);
	assert_int_equal(pieces_next(&p, &s, &n, &line, &err), ERR_DATA);
	assert_non_null(strstr(err.text, "quote"));
	pieces_release(&p);
	input_close(in);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_end_where_they_should),
		cmocka_unit_test(fields_lose_their_quotes),
		cmocka_unit_test(tables_are_told_from_prose),
		cmocka_unit_test(a_quote_that_never_closes_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
