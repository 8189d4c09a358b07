/* Layouts: which one fits, what rows become, and what nothing may lose. */
#include "stream/import_layout.h"
#include "unit.h"

/* The row as imported, as JSON; a reason in <>, or an error in (). */
static char *row_as(const char *json, enum kind kind, const char *layout)
{
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct error err;
	struct layout_request q = { .kind = kind, .layout = layout ? layout_find(layout) : NULL };
	struct buf out = {0};
	assert_int_equal(json_parse(p, json, strlen(json), &j, NULL), OK);
	if (layout_guess(&q, j, &err) != OK) {
		buf_printf(&out, "(%s)", err.text);
	} else {
		struct schema s = {0};
		struct layout_scratch scratch = {0};
		layout_schema(q.kind, &s);
		struct builder *b = builder_open(&s);
		const char *reason = layout_row(&q, j, "f:1", NULL, &scratch, b);
		assert_int_equal(builder_rows(b), reason ? 0 : 1);
		struct batch *batch = builder_finish(b);
		struct json_writer w = json_writer_open(&out, 0);
		if (reason)
			buf_printf(&out, "<%s>", reason);
		else
			batch_json(batch, 0, &w);
		batch_release(batch);
		builder_close(b);
		layout_scratch_release(&scratch);
		schema_release(&s);
	}
	json_parser_close(p);
	return buf_detach(&out);
}

static void expect(const char *json, enum kind kind, const char *layout, const char *want)
{
	char *got = row_as(json, kind, layout);
	assert_string_equal(got, want);
	mem_free(got);
}

static void expect_has(const char *json, enum kind kind, const char *part)
{
	char *got = row_as(json, kind, NULL);
	if (!strstr(got, part))
		fail_msg("no '%s' in %s", part, got);
	mem_free(got);
}

static void the_wider_layout_wins(void **state)
{
	(void)state;
	expect("{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"margin\":0.5}", KIND_OTHER, NULL,
	       "{\"id\":\"f:1\",\"prompt\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"c\"}],"
	       "\"rejected\":[{\"role\":\"assistant\",\"content\":\"r\"}],\"margin\":0.5}");
	expect_has("{\"prompt\":\"p\",\"completion\":\"c\",\"label\":0}", KIND_OTHER, "\"label\":false");
	expect_has("{\"prompt\":\"p\",\"completion\":\"c\"}", KIND_OTHER, "\"messages\"");
	expect_has("{\"text\":\"t\",\"messages\":[]}", KIND_OTHER, "text or messages");
	expect_has("{\"x\":1}", KIND_CHAT, "no layout has the fields x; the layouts of chat are messages");
	expect_has("{\"text\":null}", KIND_OTHER, "no layout");
}

static void what_has_no_column_goes_to_meta(void **state)
{
	(void)state;
	expect("{\"id\":3,\"text\":\"t\",\"url\":\"u\",\"n\":[1,{\"k\":null}],\"meta\":{\"old\":true}}", KIND_OTHER, NULL,
	       "{\"id\":\"3\",\"text\":\"t\",\"source\":\"u\",\"meta\":\"{\\\"n\\\":[1,{\\\"k\\\":null}],\\\"old\\\":true}\"}");
	expect_has("{\"messages\":[{\"role\":\"user\",\"content\":\"q\",\"name\":\"bob\"}]}", KIND_OTHER, "bob");
	expect_has("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":\"image\",\"url\":\"i\"}]}]}",
		   KIND_OTHER, "\"content\":\"see\"}],\"meta\"");
}

static void prompts_are_found_in_pairs(void **state)
{
	(void)state;
	expect_has("{\"chosen\":\"\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: c\\n\\nAssistant: d\","
		   "\"rejected\":\"\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: c\\n\\nAssistant: e\"}", KIND_OTHER,
		   "\"prompt\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"}],"
		   "\"chosen\":[{\"role\":\"assistant\",\"content\":\"d\"}]");
	expect_has("{\"prompt\":\"q\",\"chosen\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}],"
		   "\"rejected\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"b\"}]}", KIND_OTHER,
		   "\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}]");
	expect("{\"chosen\":\"a\",\"rejected\":\"b\"}", KIND_OTHER, NULL, "<empty>");
}

static void bad_rows_have_reasons(void **state)
{
	(void)state;
	expect("{\"text\":[1]}", KIND_OTHER, NULL, "<bad_text>");
	expect("{\"text\":\"\"}", KIND_OTHER, NULL, "<empty>");
	expect("{\"messages\":[]}", KIND_OTHER, NULL, "<empty>");
	expect("{\"messages\":[{\"role\":1}]}", KIND_OTHER, NULL, "<bad_messages>");
	expect("{\"messages\":\"\",\"x\":1}", KIND_OTHER, "text", "<missing_field>");
	expect("{\"prompt\":\"p\",\"completion\":\"c\",\"label\":2}", KIND_OTHER, NULL, "<bad_label>");
	expect("{\"instruction\":\"i\",\"output\":\"o\",\"history\":[[1]]}", KIND_OTHER, NULL, "<bad_instruction>");
	expect("{\"text\":\"t\"}", KIND_CHAT, "text", "(layout text cannot become chat)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wider_layout_wins),
		cmocka_unit_test(what_has_no_column_goes_to_meta),
		cmocka_unit_test(prompts_are_found_in_pairs),
		cmocka_unit_test(bad_rows_have_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
