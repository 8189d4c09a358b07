/* test_json.c - reading through the shim, writing, and both ways round. */
#include "unit.h"

#include "base/json.h"

#include <math.h>

static enum status parse(struct json_parser *p, const char *s, const struct json **j)
{
	struct error err;
	return json_parse(p, s, strlen(s), j, &err);
}

static void values_come_out_typed_and_in_order(void **state)
{
	(void)state;
	struct json_parser *p = json_parser_open();
	const struct json *j;
	assert_int_equal(parse(p, "{\"b\":[1,-2,1.5,18446744073709551615],\"a\":{\"x\":null,\"y\":true},\"s\":\"a\\u00e9\\n\"}", &j), OK);
	assert_string_equal(j->keys[0].str, "b");
	assert_string_equal(j->keys[1].str, "a");
	const struct json *b = json_get(j, "b");
	assert_int_equal(b->items[0].integer, 1);
	assert_int_equal(b->items[1].integer, -2);
	assert_true(b->items[2].number == 1.5);
	assert_true(b->items[3].type == JSON_UINT && b->items[3].uinteger == UINT64_MAX);
	assert_true(json_get_bool(json_get(j, "a"), "y", false));
	assert_string_equal(json_get_str(j, "s", ""), "a\xc3\xa9\n");
	assert_null(json_get(j, "none"));
	assert_int_equal(json_get_int(j, "none", 7), 7);
	json_parser_close(p);
}

static void bad_text_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "{", "[1,]", "{\"a\":}", "\"\xff\"", "nul", "1 2", "[\"\x01\"]", "{\"a\" 1}", "\"\\ud800\""};
	struct json_parser *p = json_parser_open();
	const struct json *j;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(p, bad[i], &j), ERR_DATA);
	struct buf deep = {0};
	for (int i = 0; i < 100000; i++)
		buf_char(&deep, '[');
	assert_int_equal(parse(p, deep.data, &j), ERR_DATA);
	buf_release(&deep);
	json_parser_close(p);
}

static void what_is_written_reads_back(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"a\":[],\"b\":{},\"c\":[[1,2],{\"d\":null}],\"e\":\"\\\"\\\\\\u0001\\t\xe2\x82\xac\"}",
		"[1.5,1e+300,-0.0,123456789012345.6,0.1]",
	};
	struct json_parser *p = json_parser_open(), *q = json_parser_open();
	for (size_t i = 0; i < 2; i++)
		for (int indent = 0; indent <= 2; indent += 2) {
			const struct json *j, *k;
			struct buf b = {0}, c = {0};
			assert_int_equal(parse(p, texts[i], &j), OK);
			struct json_writer w = json_writer_open(&b, indent);
			json_value(&w, j);
			assert_int_equal(parse(q, b.data, &k), OK);
			w = json_writer_open(&c, indent);
			json_value(&w, k);
			assert_string_equal(b.data, c.data);
			if (indent == 0 && i == 0)
				assert_string_equal(b.data, texts[0]);
			buf_release(&b);
			buf_release(&c);
		}
	json_parser_close(p);
	json_parser_close(q);
}

static void numbers_are_the_shortest_that_read_back(void **state)
{
	(void)state;
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	json_begin_array(&w);
	json_double(&w, 0.1);
	json_double(&w, 1);
	json_float(&w, 0.1f);
	json_double(&w, NAN);
	json_float(&w, INFINITY);
	json_double(&w, 1.0 / 3);
	json_end_array(&w);
	assert_string_equal(b.data, "[0.1,1.0,0.1,null,null,0.3333333333333333]");
	buf_release(&b);
}

static void invalid_utf8_is_replaced_when_written(void **state)
{
	(void)state;
	struct buf b = {0};
	struct json_writer w = json_writer_open(&b, 0);
	json_string_n(&w, "a\xff\xe2\x82", 4);
	assert_string_equal(b.data, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_out_typed_and_in_order),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(numbers_are_the_shortest_that_read_back),
		cmocka_unit_test(invalid_utf8_is_replaced_when_written),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
