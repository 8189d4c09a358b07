/* Conditions of view --where: precedence, types, paths, errors with their place. */
#include "stream/expr.h"
#include "unit.h"

#include <math.h>
#include <stdio.h>

static struct schema schema;
static struct batch *batch;

static int set_up(void **state)
{
	(void)state;
	schema_add_spec(&schema, "id: utf8");
	schema_add_spec(&schema, "n: float64?");
	schema_add_spec(&schema, "ok: bool");
	schema_add_spec(&schema, "ids: list<int32>");
	schema_add_spec(&schema, "meta: utf8?");
	struct builder *b = builder_open(&schema);
	static const int32_t ids[] = { 1, 2, 3 };
	column_str(builder_column(b, 0), "row");
	column_double(builder_column(b, 1), 2.5);
	column_int(builder_column(b, 2), 1);
	column_int32s(builder_column(b, 3), ids, 3);
	column_str(builder_column(b, 4), "{\"a\":{\"b\":\"deep\"},\"k\":7,\"t\":\"row\"}");
	batch = builder_finish(b);
	builder_close(b);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	batch_release(batch);
	schema_release(&schema);
	return 0;
}

static bool holds(const char *text)
{
	struct expr *e;
	struct error err;
	if (expr_parse(&e, text, &schema, &err) != OK)
		fail_msg("%s", err.text);
	bool r = expr_test(e, batch, 0);
	expr_free(e);
	return r;
}

static void values_compare_within_their_type(void **state)
{
	(void)state;
	assert_true(holds("n == 2.5"));
	assert_true(holds("n < 1e9 and n >= 2.5 and n != 3"));
	assert_false(holds("n > 2.5"));
	assert_true(holds("id == 'row' and id < \"rox\""));
	assert_false(holds("id == 2.5"));
	assert_true(holds("id != 2.5"));
	assert_false(holds("id < 3"));
	assert_true(holds("ok and ok == true"));
	assert_true(holds("len(ids) == 3 and len(id) == 3"));
	assert_true(holds("id =~ '^r.w$'"));
	assert_false(holds("n =~ '2'"));
}

static void and_binds_tighter_than_or(void **state)
{
	(void)state;
	assert_true(holds("true or false and false"));
	assert_false(holds("(true or false) and false"));
	assert_true(holds("not false and true"));
	assert_true(holds("not not ok"));
}

static void paths_lead_into_json(void **state)
{
	(void)state;
	assert_true(holds("meta.a.b == 'deep' and meta.k == 7"));
	assert_true(holds("meta.none == null and id != null"));
	assert_true(holds("meta.t == id and id == meta.t and meta.t == meta.t and meta.t != meta.a.b"));
}

static void mistakes_are_placed(void **state)
{
	(void)state;
	static const struct { const char *text, *says; } bad[] = {
		{ "", "position 1" }, { "n >", "position 4" }, { "nix == 1", "no column 'nix'" }, { "n == 1 id", "position 8" },
		{ "(n == 1", "')' wanted" }, { "id == 'x", "does not end" }, { "id =~ id", "pattern" }, { "id =~ '('", "position" },
		{ "n == 1x", "not a number" },
	};
	struct expr *e;
	struct error err;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(expr_parse(&e, bad[i].text, &schema, &err), ERR_USAGE);
		assert_non_null(strstr(err.text, bad[i].says));
	}
	struct buf deep = {0};
	for (int i = 0; i < 100000; i++)
		buf_char(&deep, '(');
	assert_int_equal(expr_parse(&e, deep.data, &schema, &err), ERR_USAGE);
	buf_release(&deep);
}

/* A row of JSON under these columns. */
static bool holds_of(const char *const *specs, const char *row, const char *text)
{
	struct schema own = {0};
	struct error err;
	struct expr *e;
	const struct json *j;
	for (; *specs; specs++)
		schema_add_spec(&own, *specs);
	struct json_parser *p = json_parser_open();
	struct builder *b = builder_open(&own);
	assert_int_equal(json_parse(p, row, strlen(row), &j, &err), OK);
	for (int i = 0; i < own.n_fields; i++)
		if (column_json(builder_column(b, i), &j->items[i], &err) != OK)
			fail_msg("%s", err.text);
	struct batch *of = builder_finish(b);
	if (expr_parse(&e, text, &own, &err) != OK)
		fail_msg("%s", err.text);
	bool r = expr_test(e, of, 0);
	expr_free(e);
	batch_release(of);
	builder_close(b);
	json_parser_close(p);
	schema_release(&own);
	return r;
}
#define HOLDS(specs, row, text) holds_of((const char *const[]){ specs, NULL }, row, text)

static void times_compare_with_their_text(void **state)
{
	(void)state;
	static const char *const units[] = { "s", "ms", "us", "ns" };
	for (int i = 0; i < 4; i++) {
		char spec[40];
		snprintf(spec, sizeof(spec), "t: timestamp[%s]", units[i]);
		const char *row = i == 0 ? "[\"2024-02-29T12:30:00\"]" : i == 1 ? "[\"2024-02-29T12:30:00.000\"]"
				: i == 2 ? "[\"2024-02-29T12:30:00.000000\"]" : "[\"2024-02-29T12:30:00.000000000\"]";
		assert_true(HOLDS(spec, row, "t >= '2024-02-29' and t < '2024-03-01'"));
		assert_true(HOLDS(spec, row, "t == '2024-02-29T12:30:00Z' and t == '2024-02-29 12:30' and '2024-02-29T14:30:00+02:00' == t"));
		assert_true(HOLDS(spec, row, "t == '2024-02-29T07:00-05:30' and t != '2024-02-29'"));
		assert_true(HOLDS(spec, row, "t < '2024-02-29T12:30:00.000000001' and not (t > '2024-02-29T12:30:00.000000001')"));
		assert_true(HOLDS(spec, row, "t > '-9999-01-01' and t < '+99999-01-01T00:00:00Z'"));
		assert_false(HOLDS(spec, row, "t == 1709209800 or t"));
	}
	assert_true(HOLDS("t: timestamp[us, UTC]", "[\"1969-12-31T23:59:59.000000Z\"]", "t < '1970-01-01' and t > '1969-12-31T23:59:58Z'"));
	assert_true(HOLDS("d: date32", "[\"2024-02-29\"]", "d == '2024-02-29' and d < '2024-02-29T00:00:01' and d >= '2023-12-31'"));
	assert_true(HOLDS("d: date64", "[\"2024-02-29\"]", "d == '2024-02-29'"));
	assert_true(HOLDS("d: date32?", "[null]", "d == null and not (d < '2024-01-01') and d != '2024-01-01'"));
	assert_true(HOLDS("c: time32[s]", "[\"12:30:00\"]", "c == '12:30' and c < '12:30:00.5'"));
	assert_true(HOLDS("p: duration[ms]", "[\"PT1.500S\"]", "p == 'PT1.5S' and p > 'PT-2S'"));
	struct expr *e;
	struct error err;
	struct schema own = {0};
	schema_add_spec(&own, "t: timestamp[us]");
	schema_add_spec(&own, "c: time32[s]");
	schema_add_spec(&own, "p: duration[s]");
	static const char *const bad[] = {
		"t == ''", "t == '2024-13-01'", "t == '2023-02-29'", "t == '2024'", "t < '2024-01-01T'", "t < '2024-01-01T25:00'", "'yesterday' < t",
		"t == '2024-01-01T12:00:00ZZ'", "t == '2024-01-01T12:00:00+1:00'", "t == '2024-01-01T-1:00:00'", "c == '24:00'", "c == '2024-01-01'",
		"p == '1.5'", "t == '2024-01-01T12:00:00.0000000000000000000000000000000000000000000001'",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(expr_parse(&e, bad[i], &own, &err), ERR_USAGE);
		assert_non_null(strstr(err.text, "not a "));
	}
	schema_release(&own);
}

static void numbers_compare_as_they_are_printed(void **state)
{
	(void)state;
	assert_true(HOLDS("x: float32", "[0.1]", "x == 0.1 and x <= 0.1 and x < 0.2"));
	assert_true(HOLDS("x: float16", "[0.1]", "x > 0.09 and x < 0.11"));
	assert_true(HOLDS("x: float64", "[0.1]", "x == 0.1 and 0.1 == x"));
	assert_true(HOLDS("x: decimal128[10, 2]", "[\"-12.10\"]", "x == -12.1 and x < 0"));
	assert_true(HOLDS("x: decimal256[60, 2]", "[\"12345678901234567890.10\"]", "x > 12345678901234560000 and x == 12345678901234567890.1"));
	assert_true(HOLDS("x: int64", "[9007199254740993]", "x == 9007199254740993 and x != 9007199254740992 and x > 9007199254740992"));
	assert_true(HOLDS("x: uint64", "[18446744073709551615]", "x == 18446744073709551615 and x > 18446744073709551614"));
	assert_true(HOLDS("x: int64", "[-9223372036854775808]", "x == -9223372036854775808 and x < -9223372036854775807"));
	assert_false(HOLDS("x: float64?", "[null]", "x > -1e308 or x < 1e308"));
}

static void paths_lead_into_structs_and_maps(void **state)
{
	(void)state;
	static const char *const s = "s: struct<at: date32?, in: struct<k: int8, j: utf8?>?>";
	assert_true(HOLDS(s, "[{\"at\":\"2024-01-01\",\"in\":{\"k\":7,\"j\":\"{\\\"deep\\\":[1,2]}\"}}]",
			  "s.at < '2025-01-01' and s.in.k == 7 and len(s.in.j.deep) == 2 and s.in.j.none == null"));
	assert_true(HOLDS(s, "[{\"at\":null,\"in\":null}]", "s.at == null and s.in.k == null and s.in != 3"));
	assert_true(HOLDS("m: map<utf8, int64?>", "[{\"a\":1,\"bb\":null}]", "len(m) == 2 and m.a == 1 and m.bb == null and m.c == null and m.b == null"));
	assert_true(HOLDS("m: map<int32, date32>", "[[[1,\"2024-01-01\"]]]", "len(m) == 1"));
	assert_true(HOLDS("l: fixed_size_list<int32>[2]", "[[1,2]]", "len(l) == 2 and l != null"));
	assert_true(HOLDS("b: binary", "[\"aGk=\"]", "len(b) == 2 and b == 'hi' and b =~ '^h'"));
	assert_true(HOLDS("b: fixed_size_binary[2]", "[\"aGk=\"]", "len(b) == 2 and b == 'hi'"));
	struct expr *e;
	struct error err;
	assert_int_equal(expr_parse(&e, "n.x == 1", &schema, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "no 'x' in n: float64?"));
}

static void values_have_an_order(void **state)
{
	(void)state;
	/* each before the next */
	static const char *const rising[] = { "[-2.5]", "[1]", "[1e300]" };
	struct schema own = {0};
	struct expr *e;
	struct error err;
	struct json_parser *p = json_parser_open();
	const struct json *j;
	schema_add_spec(&own, "x: float64?");
	struct builder *b = builder_open(&own);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(json_parse(p, rising[i], strlen(rising[i]), &j, &err), OK);
		assert_int_equal(column_json(builder_column(b, 0), &j->items[0], &err), OK);
	}
	column_double(builder_column(b, 0), NAN);
	column_null(builder_column(b, 0));
	struct batch *of = builder_finish(b);
	assert_int_equal(expr_parse_value(&e, "x", &own, &err), OK);
	for (int64_t i = 0; i < 5; i++)
		for (int64_t k = 0; k < 5; k++) {
			struct expr_value u = expr_value(e, of, i), v = expr_value(e, of, k);
			int want = i >= 3 && k >= 3 ? 0 : (i > k) - (i < k), got = expr_order(&u, &v);
			assert_int_equal((got > 0) - (got < 0), want);
		}
	expr_free(e);
	static const char *const bad[] = { "", "x > 1", "1", "'x'", "(x)x", "len(y)", "null" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(expr_parse_value(&e, bad[i], &own, &err), ERR_USAGE);
	assert_int_equal(expr_parse_value(&e, " len(x) ", &own, &err), OK);
	expr_free(e);
	batch_release(of);
	builder_close(b);
	json_parser_close(p);
	schema_release(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_compare_within_their_type),
		cmocka_unit_test(and_binds_tighter_than_or),
		cmocka_unit_test(paths_lead_into_json),
		cmocka_unit_test(mistakes_are_placed),
		cmocka_unit_test(times_compare_with_their_text),
		cmocka_unit_test(numbers_compare_as_they_are_printed),
		cmocka_unit_test(paths_lead_into_structs_and_maps),
		cmocka_unit_test(values_have_an_order),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
