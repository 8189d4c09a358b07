/* test_jsonl.c - JSON in: types by name and value, and every contradiction named with its line. */
#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static enum status open_text(struct reader **r, const char *text, size_t n, struct error *err)
{
	struct input *in;

	TRY(input_open_memory(&in, "x.jsonl", text, n, err));
	return reader_open_input(r, in, NULL, err);
}

/* Reads text; the columns in our notation, joined by "; ", and the rows as JSON Lines. */
static enum status read_text(const char *text, struct buf *columns, struct buf *rows, struct error *err)
{
	struct reader *r;
	struct batch *b;

	buf_clear(columns);
	buf_clear(rows);
	TRY(open_text(&r, text, strlen(text), err));
	const struct schema *s = reader_schema(r);
	for (int i = 0; i < s->n_fields; i++) {
		buf_str(columns, i ? "; " : "");
		field_print(&s->fields[i], columns);
	}
	enum status st;
	while ((st = reader_next(r, &b, err)) == OK) {
		for (int64_t i = 0; i < b->rows; i++) {
			struct json_writer w = json_writer_open(rows, 0);
			batch_json(b, i, &w);
			buf_char(rows, '\n');
		}
		batch_release(b);
	}
	reader_close(r);
	return st;
}

static void expect(const char *text, const char *columns, const char *rows)
{
	struct buf got_columns = {0}, got_rows = {0};
	struct error err = { "" };

	enum status st = read_text(text, &got_columns, &got_rows, &err);
	if (st != END)
		fail_msg("%s", err.text);
	assert_string_equal(got_columns.data ? got_columns.data : "", columns);
	assert_string_equal(got_rows.data ? got_rows.data : "", rows);
	buf_release(&got_columns);
	buf_release(&got_rows);
}

static void expect_error(const char *text, const char *message)
{
	struct buf columns = {0}, rows = {0};
	struct error err;

	assert_int_equal(read_text(text, &columns, &rows, &err), ERR_DATA);
	assert_string_equal(err.text, message);
	buf_release(&columns);
	buf_release(&rows);
}

static void our_names_have_our_types(void **state)
{
	(void)state;
	expect("{\"id\":\"a\",\"text\":\"t\",\"score\":1,\"label\":true,\"input_ids\":[1]}\n",
	       "id: utf8; text: large_utf8; score: float32; label: bool; input_ids: list<int32>",
	       "{\"id\":\"a\",\"text\":\"t\",\"score\":1.0,\"label\":true,\"input_ids\":[1]}\n");
	expect("{\"prompt\":\"p\",\"reward_format\":1}\n{\"prompt\":\"q\"}", "prompt: utf8; reward_format: float32?",
	       "{\"prompt\":\"p\",\"reward_format\":1.0}\n{\"prompt\":\"q\"}\n");
}

static void values_that_do_not_fit_a_name_decide_themselves(void **state)
{
	(void)state;
	expect("{\"label\":3,\"messages\":\"none\"}\n", "label: int64?; messages: utf8?", "{\"label\":3,\"messages\":\"none\"}\n");
}

static void other_types_follow_from_values(void **state)
{
	(void)state;
	expect("{\"a\":1,\"b\":[true],\"c\":{\"d\":null},\"e\":18446744073709551615}\n\n  \n{\"a\":2.5,\"c\":{\"f\":\"x\"}}\n",
	       "a: float64?; b: list<bool?>?; c: struct<d: utf8?, f: utf8?>?; e: uint64?",
	       "{\"a\":1.0,\"b\":[true],\"c\":{},\"e\":18446744073709551615}\n{\"a\":2.5,\"c\":{\"f\":\"x\"}}\n");
}

static void ids_may_be_numbers_and_meta_anything(void **state)
{
	(void)state;
	expect("{\"id\":7,\"meta\":{\"k\":[1]}}\n{\"id\":\"x\",\"meta\":\"s\"}\n", "id: utf8; meta: utf8?",
	       "{\"id\":\"7\",\"meta\":\"{\\\"k\\\":[1]}\"}\n{\"id\":\"x\",\"meta\":\"s\"}\n");
}

static void messages_keep_members_we_do_not_know(void **state)
{
	(void)state;
	expect("{\"messages\":[{\"role\":\"user\",\"content\":\"c\",\"name\":\"n\"},{\"role\":\"tool\",\"content\":null}]}\n",
	       "messages: list<struct<role: utf8, content: utf8?, name: utf8?>>",
	       "{\"messages\":[{\"role\":\"user\",\"content\":\"c\",\"name\":\"n\"},{\"role\":\"tool\"}]}\n");
}

static void an_array_is_read_element_by_element(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf [ {\"a\":\"}]\\\"\"} ,\n{\"a\":\"\\\\\"}\n]\n", "a: utf8?", "{\"a\":\"}]\\\"\"}\n{\"a\":\"\\\\\"}\n");
	expect("[]", "", "");
}

static void mistakes_name_their_line(void **state)
{
	(void)state;
	expect_error("{\"a\":1}\n{\"a\":\"x\"}\n", "x.jsonl: line 2: field 'a' is a string, before that it was a number");
	expect_error("{\"a\":1}\n\n3\n", "x.jsonl: line 3: expected an object");
	expect_error("{\"a\":1}\n{\"a\":\"\xff\"}\n", "x.jsonl: line 2: invalid UTF-8");
	expect_error("[{\"a\":1},\n]", "x.jsonl: line 2: expected an object in the array");
	expect_error("[{\"a\":1}\n{\"a\":2}]", "x.jsonl: line 2: expected an object in the array");
	expect_error("[{\"a\":1}", "x.jsonl: line 1: truncated: the array does not end");
	expect_error("[{\"a\":1", "x.jsonl: line 1: truncated: what begins here does not end");
	expect_error("[{\"a\":1}] x", "x.jsonl: line 1: text after the array");
	expect_error("\n \n", "x.jsonl: empty: no JSON object");
	expect_error("", "x.jsonl: empty: not a record stream");
	expect_error("PAR1....", "x.jsonl: truncated: too short for a Parquet file");
	expect_error("word", "x.jsonl: none of Arrow, Parquet and JSON (quern import reads other formats)");
}

/* One object per line until the window is past, then last. */
static enum status read_after_window(const char *last, struct error *err)
{
	struct buf text = {0}, columns = {0}, rows = {0};

	for (int i = 0; text.len < ((size_t)1 << 20) + 4096; i++)
		buf_printf(&text, "{\"text\":\"%0100d\",\"n\":%d}\n", i, i);
	buf_str(&text, last);
	enum status st = read_text(text.data, &columns, &rows, err);
	buf_release(&text);
	buf_release(&columns);
	buf_release(&rows);
	return st;
}

static void what_contradicts_the_types_later_is_an_error(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(read_after_window("{\"text\":\"t\"}\n", &err), END);
	assert_int_equal(read_after_window("{\"text\":\"t\",\"n\":0.5}\n", &err), ERR_DATA);
	assert_non_null(strstr(err.text, ": field 'n': expected an integer, found a number"));
	assert_int_equal(read_after_window("{\"text\":\"t\",\"m\":1}\n", &err), ERR_DATA);
	assert_non_null(strstr(err.text, ": field 'm' appears here first"));
	assert_int_equal(read_after_window("{\"n\":1}\n", &err), ERR_DATA);
	assert_non_null(strstr(err.text, ": no field 'text'"));
}

static void given_types_come_first(void **state)
{
	struct schema types = {0};
	struct reader_options o = { .json_schema = &types };
	struct input *in;
	struct reader *r;
	struct batch *b;
	struct error err;
	static const char text[] = "{\"n\":1}\n{\"n\":\"x\"}\n";

	(void)state;
	schema_add_spec(&types, "n: int8");
	assert_int_equal(input_open_memory(&in, "x", text, strlen(text), &err), OK);
	assert_int_equal(reader_open_input(&r, in, &o, &err), OK);
	assert_int_equal(reader_schema(r)->fields[0].type, T_INT8);
	assert_int_equal(reader_next(r, &b, &err), ERR_DATA);
	assert_string_equal(err.text, "x: line 2: field 'n': expected an integer, found a string");
	reader_close(r);
	schema_release(&types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_names_have_our_types),
		cmocka_unit_test(values_that_do_not_fit_a_name_decide_themselves),
		cmocka_unit_test(other_types_follow_from_values),
		cmocka_unit_test(ids_may_be_numbers_and_meta_anything),
		cmocka_unit_test(messages_keep_members_we_do_not_know),
		cmocka_unit_test(an_array_is_read_element_by_element),
		cmocka_unit_test(mistakes_name_their_line),
		cmocka_unit_test(what_contradicts_the_types_later_is_an_error),
		cmocka_unit_test(given_types_come_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
