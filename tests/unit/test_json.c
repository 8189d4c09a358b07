/* test_json.c - reading through the shim, writing, and both ways round. */
#include "unit.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/json_escape.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>

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

/* The specification: byte by byte. */
static void spec_escape(struct buf *out, const char *s, size_t n)
{
	static const char raw[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		const char *at = strchr(raw, c);
		if (c && at)
			buf_printf(out, "\\%c", letters[at - raw]);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else
			buf_add(out, s + i, 1);
	}
}

static void escaping_by_any_instruction_set_is_that_of_the_specification(void **state)
{
	static const char *const isas[] = {"plain", "avx2", "avx512"};
	struct rng rng = rng_open(5, 0);
	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = rng_below(&rng, round % 10 ? 200 : 2000), rare = 1 + rng_below(&rng, 60);
		char *s = malloc(n ? n : 1); /* of its own size, so that a sanitizer sees what is read behind it */
		for (size_t i = 0; i < n; i++)
			s[i] = (char)(rng_below(&rng, rare) ? 'a' + (int)rng_below(&rng, 26) : (int)rng_below(&rng, 128));
		if (n > 10)
			memcpy(s + rng_below(&rng, n - 8), "\xe4\xb8\xad\xf0\x9f\x98\x80", 7);
		if (!utf8_valid(s, n))
			fail_msg("the test's own text is not UTF-8");
		struct buf want = {0};
		buf_str(&want, "before");
		spec_escape(&want, s, n);
		for (size_t k = 0; k < 3; k++) {
			struct buf got = {0};
			if (!json_escape_force(isas[k]))
				continue;
			buf_str(&got, "before");
			json_escape(&got, s, n);
			assert_int_equal(got.len, want.len);
			assert_memory_equal(got.data, want.data, want.len + 1);
			buf_release(&got);
		}
		json_escape_force(NULL);
		buf_release(&want);
		free(s);
	}
}

static void integers_are_printed_as_by_printf(void **state)
{
	static const int64_t some[] = {0, 1, -1, 9, 10, 99, 100, 101, -100, INT64_MAX, INT64_MIN, 12345678901234};
	struct buf got = {0}, want = {0};
	(void)state;
	struct json_writer w = json_writer_open(&got, 0);
	json_begin_array(&w);
	buf_char(&want, '[');
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		json_int(&w, some[i]);
		json_uint(&w, (uint64_t)some[i]);
		buf_printf(&want, "%s%lld,%llu", i ? "," : "", (long long)some[i], (unsigned long long)some[i]);
	}
	json_end_array(&w);
	buf_char(&want, ']');
	assert_string_equal(got.data, want.data);
	buf_release(&got);
	buf_release(&want);
}

struct seen {
	char text[256];
	size_t n, stop;
};

static enum status see(void *arg, size_t i, const struct json *name, const struct json *value, struct error *err)
{
	struct seen *s = arg;
	struct buf b = { 0 };
	struct json_writer w = json_writer_open(&b, 0);

	assert_int_equal(i, s->n++);
	json_value(&w, value);
	snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text), "%s=%s ", name ? name->str : "", b.data);
	buf_release(&b);
	return s->n == s->stop ? error_set(err, ERR_DATA, "enough") : OK;
}

static void what_is_left_out_of_the_tree_comes_one_by_one(void **state)
{
	(void)state;
	static const char *const names[] = { "vocab", "merges", NULL };
	static const char text[] = "{\"vocab\":{\"a\":1,\"b\":[2,{\"vocab\":{\"x\":3}}]},\"merges\":[\"a b\",[\"c\",\"d\"]],\"rest\":{\"merges\":7,\"k\":[8,9]}}";
	struct json_parser *p = json_parser_open();
	struct seen vocab = { .stop = SIZE_MAX }, merges = vocab, rest = vocab, again = vocab, two = { .stop = 1 };
	const struct json *j;
	struct error err;

	json_parser_leave(p, names);
	assert_int_equal(parse(p, text, &j), OK);
	assert_int_equal(json_get(j, "vocab")->type, JSON_OBJECT);
	assert_int_equal(json_get(j, "vocab")->len, 0);
	assert_null(json_get(json_get(j, "vocab"), "a"));
	assert_int_equal(json_count(p, json_get(j, "vocab")), 2);
	assert_int_equal(json_count(p, json_get(j, "merges")), 2);
	assert_int_equal(json_count(p, json_get(json_get(j, "rest"), "k")), 2);
	assert_int_equal(json_get_int(json_get(j, "rest"), "merges", 0), 7);
	assert_int_equal(json_each(p, json_get(j, "vocab"), see, &vocab, &err), OK);
	assert_string_equal(vocab.text, "a=1 b=[2,{\"vocab\":{\"x\":3}}] ");
	assert_int_equal(json_each(p, json_get(j, "merges"), see, &merges, &err), OK);
	assert_string_equal(merges.text, "=\"a b\" =[\"c\",\"d\"] ");
	assert_int_equal(json_each(p, json_get(j, "rest"), see, &rest, &err), OK);
	assert_string_equal(rest.text, "merges=7 k=[8,9] ");
	assert_int_equal(json_each(p, json_get(j, "vocab"), see, &again, &err), OK);
	assert_string_equal(again.text, vocab.text);
	assert_int_equal(json_each(p, json_get(j, "merges"), see, &two, &err), ERR_DATA);
	assert_int_equal(two.n, 1);

	json_parser_leave(p, NULL);
	assert_int_equal(parse(p, text, &j), OK);
	assert_int_equal(json_get_int(json_get(j, "vocab"), "a", 0), 1);
	json_parser_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_out_typed_and_in_order),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(numbers_are_the_shortest_that_read_back),
		cmocka_unit_test(invalid_utf8_is_replaced_when_written),
		cmocka_unit_test(escaping_by_any_instruction_set_is_that_of_the_specification),
		cmocka_unit_test(integers_are_printed_as_by_printf),
		cmocka_unit_test(what_is_left_out_of_the_tree_comes_one_by_one),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
