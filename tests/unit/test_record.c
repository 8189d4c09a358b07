/* test_record.c - schemas, builders, accessors, rows as JSON and back. */
#include "stream/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *const specs[] = {
	"id: utf8", "text: large_utf8?", "flag: bool?", "i8: int8", "u16: uint16?", "i64: int64", "u64: uint64",
	"half: float16", "single: float32?", "double: float64", "blob: binary?", "none: null",
	"ids: list<int32>?", "wide: large_list<utf8?>", "pair: fixed_size_list<int32>[2]?",
	"messages: list<struct<role: utf8, content: utf8, n: int32?>>", "point: struct<x: int32, y: float64?>?"
};
#define N_SPECS ((int)(sizeof(specs) / sizeof(specs[0])))

static struct schema all_types(void)
{
	struct schema s = {0};

	for (int i = 0; i < N_SPECS; i++)
		assert_int_equal(schema_add_spec(&s, specs[i]), i);
	return s;
}

static void notation_prints_as_it_was_written(void **state)
{
	struct schema s = all_types();

	(void)state;
	for (int i = 0; i < N_SPECS; i++) {
		struct buf b = {0};
		field_print(&s.fields[i], &b);
		assert_string_equal(b.data, specs[i]);
		buf_release(&b);
	}
	schema_release(&s);
}

static void schemas_compare_by_names_types_and_nesting(void **state)
{
	struct schema a = all_types(), b;

	(void)state;
	schema_copy(&b, &a);
	assert_true(schema_equal(&a, &b));
	b.fields[0].nullable = true;
	assert_true(schema_equal(&a, &b));
	b.fields[14].list_size = 3;
	assert_false(schema_equal(&a, &b));
	schema_remove(&b, 14);
	assert_int_equal(b.n_fields, N_SPECS - 1);
	assert_int_equal(schema_find(&b, "pair"), -1);
	assert_int_equal(schema_find(&b, "point"), N_SPECS - 2);
	schema_release(&a);
	schema_release(&b);
}

static void metadata_is_set_replaced_and_removed(void **state)
{
	struct schema s = {0};

	(void)state;
	schema_set_meta(&s, "a", "1");
	schema_set_meta(&s, "b", "2");
	schema_set_meta(&s, "a", "3");
	assert_string_equal(schema_meta(&s, "a"), "3");
	schema_set_meta(&s, "a", NULL);
	assert_null(schema_meta(&s, "a"));
	assert_string_equal(schema_meta(&s, "b"), "2");
	assert_int_equal(s.n_meta, 1);
	schema_release(&s);
}

static const char *const rows[] = {
	"{\"id\":\"a\",\"text\":\"h\xc3\xa9\",\"flag\":true,\"i8\":-128,\"u16\":65535,\"i64\":-9223372036854775808,"
	"\"u64\":18446744073709551615,\"half\":0.5,\"single\":0.1,\"double\":0.1,\"blob\":\"AP8=\",\"none\":null,"
	"\"ids\":[1,-2],\"wide\":[\"x\",null,\"\"],\"pair\":[3,4],"
	"\"messages\":[{\"role\":\"user\",\"content\":\"q\",\"n\":1},{\"role\":\"assistant\",\"content\":\"\"}],"
	"\"point\":{\"x\":1,\"y\":2.5}}",
	"{\"id\":\"\",\"i8\":127,\"i64\":9223372036854775807,\"u64\":0,\"half\":-2.0,\"double\":null,\"none\":null,"
	"\"wide\":[],\"messages\":[]}",
	"{\"id\":\"c\",\"flag\":false,\"i8\":0,\"u16\":0,\"i64\":0,\"u64\":1,\"half\":0.0,\"single\":-1.5,\"double\":1e+300,"
	"\"blob\":\"\",\"none\":null,\"ids\":[],\"wide\":[\"y\"],\"messages\":[],\"point\":{\"x\":-1}}"
};
#define N_ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

static void add_json_row(struct builder *b, const struct schema *s, const char *text)
{
	struct json_parser *p = json_parser_open();
	const struct json *row;
	static const struct json null = { .type = JSON_NULL };
	struct error err;

	assert_int_equal(json_parse(p, text, strlen(text), &row, &err), OK);
	for (int i = 0; i < s->n_fields; i++) {
		const struct json *v = json_get(row, s->fields[i].name);
		assert_int_equal(column_json(builder_column(b, i), v ? v : &null, &err), OK);
	}
	json_parser_close(p);
}

static void expect_row(const struct batch *b, int64_t row, const char *want)
{
	struct buf text = {0};
	struct json_writer w = json_writer_open(&text, 0);

	batch_json(b, row, &w);
	assert_string_equal(text.data, want);
	buf_release(&text);
}

static void every_type_goes_from_json_to_columns_and_back(void **state)
{
	struct schema s = all_types();
	struct builder *b = builder_open(&s);

	(void)state;
	for (int round = 0; round < 2; round++) {    /* the builder starts anew after finish */
		for (int i = 0; i < N_ROWS; i++)
			add_json_row(b, &s, rows[i]);
		assert_int_equal(builder_rows(b), N_ROWS);
		struct batch *batch = builder_finish(b);
		assert_int_equal(builder_rows(b), 0);
		for (int i = 0; i < N_ROWS; i++)
			expect_row(batch, i, rows[i]);
		batch_release(batch);
	}
	builder_close(b);
	schema_release(&s);
}

static void take_reorders_and_repeats_rows(void **state)
{
	struct schema s = all_types();
	struct builder *b = builder_open(&s);
	static const int64_t pick[] = { 2, 0, 0, 1 };

	(void)state;
	for (int i = 0; i < N_ROWS; i++)
		add_json_row(b, &s, rows[i]);
	struct batch *batch = builder_finish(b);
	struct batch *taken = batch_take(batch, pick, 4);
	batch_release(batch);
	assert_int_equal(taken->rows, 4);
	for (int i = 0; i < 4; i++)
		expect_row(taken, i, rows[pick[i]]);
	batch_release(taken);
	builder_close(b);
	schema_release(&s);
}

static void accessors_convert_and_know_nulls(void **state)
{
	struct schema s = all_types();
	struct builder *b = builder_open(&s);
	int64_t from, to, n;
	size_t len;

	(void)state;
	for (int i = 0; i < N_ROWS; i++)
		add_json_row(b, &s, rows[i]);
	struct batch *batch = builder_finish(b);
	assert_int_equal(array_int(batch_column(batch, "i8"), 0), -128);
	assert_int_equal(array_int(batch_column(batch, "u16"), 1), 0);
	assert_true(array_is_null(batch_column(batch, "u16"), 1));
	assert_true(isnan(array_double(batch_column(batch, "single"), 1)));
	assert_true(array_double(batch_column(batch, "u64"), 0) > 1.8e19);
	assert_string_equal(array_text(batch_column(batch, "text"), 1, &len), "");
	assert_int_equal(len, 0);
	const int32_t *ids = array_int32s(batch_column(batch, "ids"), 0, &n);
	assert_int_equal(n, 2);
	assert_int_equal(ids[1], -2);
	array_list(batch_column(batch, "ids"), 1, &from, &to);
	assert_int_equal(from, to);
	array_list(batch_column(batch, "pair"), 0, &from, &to);
	assert_int_equal(to - from, 2);
	const struct array *messages = batch_column(batch, "messages");
	array_list(messages, 0, &from, &to);
	const char *role = array_text(array_child(&messages->children[0], "role"), from + 1, &len);
	assert_memory_equal(role, "assistant", len);
	assert_null(batch_column(batch, "absent"));
	assert_null(array_int32s(messages, 0, &n));
	batch_release(batch);
	builder_close(b);
	schema_release(&s);
}

static void json_that_does_not_fit_is_named(void **state)
{
	static const struct { const char *spec, *json, *text; } cases[] = {
		{ "a: utf8", "1", "expected a string, found an integer" },
		{ "a: int8", "128", "integer does not fit in 8 bits" },
		{ "a: uint8", "-1", "integer does not fit in 8 bits" },
		{ "a: int64", "9223372036854775808", "integer does not fit in 64 bits" },
		{ "a: int32", "1.5", "expected an integer, found a number" },
		{ "a: bool", "0", "expected a boolean, found an integer" },
		{ "a: float32", "\"x\"", "expected a number, found a string" },
		{ "a: list<int32>", "[1,\"x\"]", "element 1: expected an integer, found a string" },
		{ "a: fixed_size_list<int32>[2]", "[1]", "expected 2 elements, found 1" },
		{ "a: struct<b: int32>", "{}", "no member 'b'" },
		{ "a: struct<b: int32>", "{\"b\":1,\"c\":2}", "unknown member 'c'" },
		{ "a: binary", "\"A\"", "expected base64" },
		{ "a: utf8", "null", "expected a string, found null" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schema s = {0};
		struct error err;
		const struct json *v;
		struct json_parser *p = json_parser_open();
		schema_add_spec(&s, cases[i].spec);
		struct builder *b = builder_open(&s);
		assert_int_equal(json_parse(p, cases[i].json, strlen(cases[i].json), &v, &err), OK);
		assert_int_equal(column_json(builder_column(b, 0), v, &err), ERR_DATA);
		assert_string_equal(err.text, cases[i].text);
		builder_close(b);
		json_parser_close(p);
		schema_release(&s);
	}
}

static void a_null_struct_fills_its_members(void **state)
{
	struct schema s = {0};

	(void)state;
	schema_add_spec(&s, "m: struct<a: fixed_size_list<int32>[2], b: list<utf8>, c: struct<d: bool>>?");
	struct builder *b = builder_open(&s);
	column_null(builder_column(b, 0));
	add_json_row(b, &s, "{\"m\":{\"a\":[1,2],\"b\":[\"x\"],\"c\":{\"d\":true}}}");
	struct batch *batch = builder_finish(b);
	expect_row(batch, 0, "{}");
	expect_row(batch, 1, "{\"m\":{\"a\":[1,2],\"b\":[\"x\"],\"c\":{\"d\":true}}}");
	assert_int_equal(batch->columns[0].children[0].children[0].length, 4);
	batch_release(batch);
	builder_close(b);
	schema_release(&s);
}

/* What a stream may do: one buffer for two columns, offsets within a text. */
static void buffers_that_lie_over_each_other_are_counted(void **state)
{
	struct schema s = {0};
	size_t n;

	(void)state;
	schema_add_spec(&s, "a: large_utf8");
	schema_add_spec(&s, "b: list<utf8>");
	struct builder *to = builder_open(&s);
	add_json_row(to, &s, "{\"a\":\"0123456789abcdef0123456789abcdef\",\"b\":[\"x\"]}");
	struct batch *b = builder_finish(to);
	const char *text = array_text(&b->columns[0], 0, &n);
	struct array *inner = &b->columns[1].children[0], was = *inner;
	assert_int_equal(batch_holding(b, text, n), 1);
	inner->values = text + n - 1;
	assert_int_equal(batch_holding(b, text, n), 2);
	assert_int_equal(batch_holding(b, text, n - 1), 1);
	inner->values = text + n;
	assert_int_equal(batch_holding(b, text, n), 1);
	*inner = was;
	const void *offsets = b->columns[0].offsets;
	b->columns[0].offsets = text - 15;               /* two of eight bytes: the last is the text's first */
	assert_int_equal(batch_holding(b, text, n), 2);
	b->columns[0].offsets = text - 16;
	assert_int_equal(batch_holding(b, text, n), 1);
	b->columns[0].offsets = offsets;
	batch_release(b);
	builder_close(to);
	schema_release(&s);
}

/* --- dates, times, decimals, fixed binary, maps --- */
static const struct { const char *spec, *json; } logical[] = {
	{ "a: date32", "\"2024-02-29\"" }, { "a: date32", "\"1969-12-31\"" }, { "a: date32", "\"0000-01-01\"" },
	{ "a: date32", "\"-5877641-06-23\"" }, { "a: date32", "\"+5881580-07-11\"" },
	{ "a: date64", "\"1900-03-01\"" }, { "a: date64", "\"1900-03-01T00:00:00.001\"" },
	{ "a: time32[s]", "\"23:59:59\"" }, { "a: time32[ms]", "\"25:00:00.001\"" }, { "a: time64[us]", "\"-00:00:00.000001\"" },
	{ "a: time64[ns]", "\"12:34:56.000000789\"" },
	{ "a: timestamp[s]", "\"1969-12-31T23:59:59\"" }, { "a: timestamp[ms, UTC]", "\"2000-01-01T00:00:00.001Z\"" },
	{ "a: timestamp[us, Europe/Berlin]", "\"1583-10-15T01:02:03.000004Z\"" },
	{ "a: timestamp[ns]", "\"1677-09-21T00:12:43.145224192\"" }, { "a: timestamp[ns]", "\"2262-04-11T23:47:16.854775807\"" },
	{ "a: timestamp[us, +02:00]", "\"-290308-12-21T19:59:05.224192Z\"" },
	{ "a: timestamp[s]", "\"+292277026596-12-04T15:30:07\"" }, { "a: timestamp[s]", "\"-292277022657-01-27T08:29:52\"" },
	{ "a: duration[s]", "\"PT-5S\"" }, { "a: duration[ms]", "\"PT1.500S\"" }, { "a: duration[ns]", "\"PT-9223372036.854775808S\"" },
	{ "a: interval[year_month]", "\"P-14M\"" }, { "a: interval[day_time]", "\"P3DT-0.004S\"" },
	{ "a: interval[month_day_nano]", "\"P1M-2DT3.000000004S\"" },
	{ "a: decimal32[9, 2]", "\"-1234567.89\"" }, { "a: decimal64[18, 0]", "\"-999999999999999999\"" },
	{ "a: decimal128[38, 38]", "\"0.12345678901234567890123456789012345678\"" },
	{ "a: decimal128[10, 2]", "\"-0.05\"" }, { "a: decimal128[10, 12]", "\"0.000000000001\"" }, { "a: decimal128[5, -3]", "\"-12E3\"" },
	{ "a: decimal256[76, 6]", "\"-1234567890123456789012345678901234567890123456789012345678901234567890.123456\"" },
	{ "a: decimal256[3, 200]", "\"7E-200\"" }, { "a: decimal128[3, 1]", "\"0.0\"" },
	{ "a: fixed_size_binary[3]", "\"AP8B\"" }, { "a: fixed_size_binary[0]", "\"\"" },
	{ "a: map<utf8, int64?>", "{\"x\":1,\"y\":null,\"x\":3}" }, { "a: map<int32, list<utf8>>[sorted]", "[[1,[\"a\"]],[2,[]]]" },
	{ "a: map<utf8, map<utf8, date32>>", "{\"x\":{},\"\":{\"d\":\"2024-01-01\"}}" },
	{ "a: list<struct<t: time64[us], f: fixed_size_binary[2]?>>", "[{\"t\":\"00:00:00.000000\"},{\"t\":\"00:00:01.000000\",\"f\":\"QUI=\"}]" }
};
#define N_LOGICAL ((int)(sizeof(logical) / sizeof(logical[0])))

static void logical_values_go_from_text_to_columns_and_back(void **state)
{
	(void)state;
	for (int i = 0; i < N_LOGICAL; i++) {
		struct schema s = {0}, copy;
		struct buf b = {0};
		static const int64_t pick[] = { 1, 0 };
		schema_add_spec(&s, logical[i].spec);
		schema_copy(&copy, &s);
		assert_true(schema_equal(&s, &copy));
		field_print(&copy.fields[0], &b);
		assert_string_equal(b.data, logical[i].spec);
		buf_clear(&b);
		buf_printf(&b, "{\"a\":%s}", logical[i].json);
		struct builder *to = builder_open(&s);
		column_null(builder_column(to, 0));
		add_json_row(to, &s, b.data);
		struct batch *batch = builder_finish(to), *taken = batch_take(batch, pick, 2);
		expect_row(batch, 1, b.data);
		expect_row(taken, 0, b.data);
		assert_true(array_is_null(&taken->columns[0], 1));
		batch_release(batch);
		batch_release(taken);
		builder_close(to);
		buf_release(&b);
		schema_release(&s);
		schema_release(&copy);
	}
}

static void text_that_is_no_value_is_refused(void **state)
{
	static const struct { const char *spec, *json, *text; } cases[] = {
		{ "a: date32", "\"2023-02-29\"", "'2023-02-29' is no value of 'a: date32'" },
		{ "a: date32", "\"+5881580-07-12\"", "'+5881580-07-12' is no value of 'a: date32'" },
		{ "a: date32", "1", "expected a string, found an integer" },
		{ "a: timestamp[ms]", "\"2000-01-01T00:00:00Z\"", "'2000-01-01T00:00:00Z' is no value of 'a: timestamp[ms]'" },
		{ "a: timestamp[ms]", "\"2000-01-01T00:00:00.0001\"", "'2000-01-01T00:00:00.0001' is no value of 'a: timestamp[ms]'" },
		{ "a: timestamp[ns]", "\"2262-04-11T23:47:16.854775808\"", "'2262-04-11T23:47:16.854775808' is no value of 'a: timestamp[ns]'" },
		{ "a: decimal128[3, 1]", "\"100.0\"", "'100.0' is no value of 'a: decimal128[3, 1]'" },
		{ "a: decimal128[3, 1]", "\"1.25\"", "'1.25' is no value of 'a: decimal128[3, 1]'" },
		{ "a: decimal128[3, 1]", "\"1E999999999999999999\"", "'1E999999999999999999' is no value of 'a: decimal128[3, 1]'" },
		{ "a: fixed_size_binary[2]", "\"AP8B\"", "expected 2 bytes, found 3" },
		{ "a: map<int32, int32>", "{\"a\":1}", "expected an array of [key, value], found an object" },
		{ "a: map<utf8, int32>", "[[\"a\"]]", "entry 0: expected [key, value]" },
		{ "a: map<utf8, int32>", "{\"a\":\"b\"}", "entry 0: expected an integer, found a string" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schema s = {0};
		struct error err;
		const struct json *v;
		struct json_parser *p = json_parser_open();
		schema_add_spec(&s, cases[i].spec);
		struct builder *b = builder_open(&s);
		assert_int_equal(json_parse(p, cases[i].json, strlen(cases[i].json), &v, &err), OK);
		assert_int_equal(column_json(builder_column(b, 0), v, &err), ERR_DATA);
		assert_string_equal(err.text, cases[i].text);
		builder_close(b);
		json_parser_close(p);
		schema_release(&s);
	}
}

static void parameters_make_types_differ(void **state)
{
	static const char *const pairs[][2] = {
		{ "a: timestamp[ms]", "a: timestamp[us]" }, { "a: timestamp[ms]", "a: timestamp[ms, UTC]" },
		{ "a: timestamp[ms, UTC]", "a: timestamp[ms, GMT]" }, { "a: decimal128[3, 1]", "a: decimal128[3, 2]" },
		{ "a: decimal128[3, 1]", "a: decimal128[4, 1]" }, { "a: fixed_size_binary[3]", "a: fixed_size_binary[4]" },
		{ "a: map<utf8, utf8>", "a: map<utf8, utf8>[sorted]" }, { "a: map<utf8, utf8>", "a: map<utf8, binary>" },
		{ "a: list<duration[s]>", "a: list<duration[ms]>" }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct schema s = {0};
		schema_add_spec(&s, pairs[i][0]);
		schema_add_spec(&s, pairs[i][1]);
		assert_true(field_equal(&s.fields[0], &s.fields[0]));
		assert_false(field_equal(&s.fields[0], &s.fields[1]));
		schema_release(&s);
	}
}

static void messages_are_known_by_role_and_content(void **state)
{
	struct schema s = all_types();

	(void)state;
	assert_true(field_is_messages(&s.fields[schema_find(&s, "messages")]));
	assert_false(field_is_messages(&s.fields[schema_find(&s, "wide")]));
	assert_true(field_is_list_of(&s.fields[schema_find(&s, "pair")], T_INT32));
	schema_release(&s);
}

/* Columns of a huge row are handed over, by value and by the memory they are in; the rows behind it are as ever. */
static void huge_values_are_handed_over(void **state)
{
	struct schema s = {0};
	struct buf text = {0};
	size_t n;

	(void)state;
	schema_add_spec(&s, "text: large_utf8");
	schema_add_spec(&s, "id: int64");
	struct builder *b = builder_open(&s);
	for (int round = 0; round < 3; round++) {
		buf_reserve(&text, 9 << 20);
		memset(text.data, 'a' + round, 9 << 20);
		text.len = 9 << 20;
		if (round == 2)
			column_text(builder_column(b, 0), "x", 1);   /* not empty: copied */
		column_int(builder_column(b, 1), 1);
		if (round == 0) {
			column_text(builder_column(b, 0), text.data, text.len);
		} else {
			column_adopt(builder_column(b, 0), &text);
			assert_int_equal(text.len, round == 1 ? 0 : 9 << 20);
		}
		if (round == 2)
			column_int(builder_column(b, 1), 2);
		column_text(builder_column(b, 0), "end", 3);
		column_int(builder_column(b, 1), 3);
		struct batch *batch = builder_finish(b);
		const char *v = array_text(&batch->columns[0], round == 2, &n);
		assert_int_equal(n, 9 << 20);
		assert_true(v[0] == 'a' + round && v[n - 1] == 'a' + round);
		assert_memory_equal(array_text(&batch->columns[0], round == 2 ? 2 : 1, &n), "end", 3);
		assert_int_equal(array_int(&batch->columns[1], round == 2 ? 2 : 1), 3);
		batch_release(batch);
		buf_clear(&text);
	}
	column_text(builder_column(b, 0), "small", 5);
	column_int(builder_column(b, 1), 4);
	struct batch *small = builder_finish(b);
	assert_memory_equal(array_text(&small->columns[0], 0, &n), "small", 5);
	batch_release(small);
	builder_close(b);
	buf_release(&text);
	schema_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notation_prints_as_it_was_written), cmocka_unit_test(huge_values_are_handed_over),
		cmocka_unit_test(schemas_compare_by_names_types_and_nesting),
		cmocka_unit_test(metadata_is_set_replaced_and_removed),
		cmocka_unit_test(every_type_goes_from_json_to_columns_and_back),
		cmocka_unit_test(take_reorders_and_repeats_rows),
		cmocka_unit_test(accessors_convert_and_know_nulls),
		cmocka_unit_test(json_that_does_not_fit_is_named),
		cmocka_unit_test(a_null_struct_fills_its_members),
		cmocka_unit_test(buffers_that_lie_over_each_other_are_counted),
		cmocka_unit_test(logical_values_go_from_text_to_columns_and_back),
		cmocka_unit_test(text_that_is_no_value_is_refused),
		cmocka_unit_test(parameters_make_types_differ),
		cmocka_unit_test(messages_are_known_by_role_and_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
