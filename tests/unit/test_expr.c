/* Conditions of view --where: precedence, types, paths, errors with their place. */
#include "stream/expr.h"
#include "unit.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_compare_within_their_type),
		cmocka_unit_test(and_binds_tighter_than_or),
		cmocka_unit_test(paths_lead_into_json),
		cmocka_unit_test(mistakes_are_placed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
