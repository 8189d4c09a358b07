/* test_pretty.c - rows as text: wrapping by cells, dialogues, tokens, packed documents, and nothing that a terminal would obey. */
#include "stream/pretty.h"
#include "base/terminal.h"
#include "unit.h"

#include <math.h>
#include <stdio.h>

static struct schema schema;
static struct buf out;

static void begin(const char *const *specs)
{
	schema_release(&schema);
	memset(&schema, 0, sizeof(schema));
	for (; *specs; specs++)
		schema_add_spec(&schema, *specs);
}
#define BEGIN(...) begin((const char *const[]){__VA_ARGS__, NULL})

/* All columns of the one row of b, which is closed. */
static const char *show(const struct pretty *p, struct builder *b)
{
	static const int columns[] = { 0, 1, 2, 3 };
	struct batch *batch = builder_finish(b);
	buf_clear(&out);
	pretty_row(p, batch, columns, schema.n_fields, 0, 7, &out);
	batch_release(batch);
	builder_close(b);
	return out.data;
}

static const char *show_text(int width, const char *s, size_t n)
{
	struct pretty p = { .width = width };
	BEGIN("t: utf8");
	struct builder *b = builder_open(&schema);
	column_text(builder_column(b, 0), s, n);
	return show(&p, b);
}

static void texts_are_wrapped_by_cells(void **state)
{
	(void)state;
	assert_string_equal(show_text(0, "one two", 7), "---- 7\nt: one two\n");
	assert_string_equal(show_text(20, "one two", 7), "---- 7\nt: one two\n");
	assert_string_equal(show_text(0, "", 0), "---- 7\nt:\n");
	assert_string_equal(show_text(0, "a\n\nb", 4), "---- 7\nt:\n  a\n\n  b\n");
	assert_string_equal(show_text(20, "aaaaaaaaaaaa bbbbb ccccc", 24), "---- 7\nt:\n  aaaaaaaaaaaa bbbbb\n  ccccc\n");
	/* 18 cells a line: nine wide characters, a word cut where it must be, marks that stay with their letter */
	assert_string_equal(show_text(20, "日本語日本語日本語日本", 33), "---- 7\nt:\n  日本語日本語日本語\n  日本\n");
	assert_string_equal(show_text(20, "xxxxxxxxxxxxxxxxxxxxxxx", 23), "---- 7\nt:\n  xxxxxxxxxxxxxxxxxx\n  xxxxx\n");
	assert_string_equal(show_text(20, "xxxxxxxxxxxxxxxxxe\xCC\x81y and", 25), "---- 7\nt:\n  xxxxxxxxxxxxxxxxxe\xCC\x81\n  y and\n");
	assert_string_equal(show_text(20, "a\tb", 3), "---- 7\nt: a       b\n");
	assert_string_equal(show_text(0, "a\tb", 3), "---- 7\nt: a\tb\n");
	/* a terminal of one column is not a reason to loop */
	assert_string_equal(show_text(1, "0123456789AB", 12), "---- 7\nt:\n  0123456789\n  AB\n");
}

static void a_long_word_takes_linear_time(void **state)
{
	(void)state;
	size_t n = 4 << 20;
	char *word = mem_alloc(n);
	memset(word, 'w', n);
	assert_int_equal(strlen(show_text(82, word, n)), 7 + 3 + n + 3 * (n / 80 + (n % 80 != 0)));
	mem_free(word);
}

static void control_characters_are_not_passed_on(void **state)
{
	(void)state;
	char all[256];
	int n = 0;
	for (int c = 0; c < 0x20; c++)
		all[n++] = (char)c;
	all[n++] = 0x7F;
	for (int c = 0x80; c < 0xA0; c++) {
		all[n++] = (char)0xC2;
		all[n++] = (char)c;
	}
	const char *s = show_text(0, all, (size_t)n);
	for (; *s; s++)
		assert_true(*s == '\n' || *s == '\t' || (*s >= 0x20 && *s < 0x7F));
	/* U+00A0 and U+00C2 are none */
	char kept[] = "\xC2\xA0\xC3\x82";
	assert_int_equal(terminal_safe(kept, 4), 4);
	char name[] = "a\033[2J\nb: utf8";
	BEGIN(name);
	struct builder *b = builder_open(&schema);
	column_str(builder_column(b, 0), "x");
	struct pretty p = {0};
	assert_string_equal(show(&p, b), "---- 7\na?[2J?b: x\n");
}

static void conversations_are_dialogues(void **state)
{
	(void)state;
	struct pretty p = {0}, colored = { .color = true };
	for (int color = 0; color < 2; color++) {
		BEGIN("messages: list<struct<role: utf8, content: utf8, name: utf8?>>", "n: int64?", "empty: list<struct<role: utf8, content: utf8>>");
		struct builder *b = builder_open(&schema);
		struct column *turn = column_child(builder_column(b, 0), 0);
		column_str(column_child(turn, 0), "user");
		column_str(column_child(turn, 1), "two\nlines");
		column_str(column_child(turn, 2), "Ann");
		column_end_struct(turn);
		column_str(column_child(turn, 0), "r\033\nx");
		column_str(column_child(turn, 1), "");
		column_null(column_child(turn, 2));
		column_end_struct(turn);
		column_end_list(builder_column(b, 0));
		column_null(builder_column(b, 1));
		column_end_list(builder_column(b, 2));
		if (color)
			assert_string_equal(show(&colored, b), "\033[33m---- 7\033[0m\n\033[36mmessages:\033[0m\n  \033[1;34m[user]\033[0m\n    two\n    lines\n"
					    "    \033[2mname:\033[0m Ann\n  \033[36m[r??x]\033[0m\n\033[36mempty:\033[0m\n");
		else
			assert_string_equal(show(&p, b), "---- 7\nmessages:\n  [user]\n    two\n    lines\n    name: Ann\n  [r??x]\nempty:\n");
	}
}

static void values_stand_without_the_quotes_of_json(void **state)
{
	(void)state;
	struct pretty p = {0};
	BEGIN("x: float64", "y: float32", "d: date32", "b: binary");
	struct builder *b = builder_open(&schema);
	column_double(builder_column(b, 0), NAN);
	column_double(builder_column(b, 1), -INFINITY);
	column_int(builder_column(b, 2), 19782);
	column_text(builder_column(b, 3), "\xFF\0\"", 3);
	assert_string_equal(show(&p, b), "---- 7\nx: nan\ny: -inf\nd: 2024-02-29\nb: /wAi\n");
	BEGIN("a: int64?");
	b = builder_open(&schema);
	column_int(builder_column(b, 0), INT64_MIN);
	assert_string_equal(show(&p, b), "---- 7\na: -9223372036854775808\n");
	begin((const char *const[]){ NULL });
	assert_string_equal(show(&p, builder_open(&schema)), "---- 7\n");
}

static const char *token(void *arg, int32_t id, size_t *n, bool *special)
{
	static const char *const texts[] = { "<s>", " a\"", "\xE4\xBD", "\xE4\xBD\xA0\n", "\x1B\xC2\x9B" };
	(void)arg;
	*special = id == 0;
	*n = id >= 0 && id < 5 ? strlen(texts[id]) : 0;
	return *n ? texts[id] : "";
}

static void tokens_stand_beside_their_text(void **state)
{
	(void)state;
	static const int32_t ids[] = { 0, 1, 2, 3, 4, 5, -1 };
	struct pretty p = {0};
	for (int with = 0; with < 2; with++) {
		BEGIN("input_ids: list<int32>", "loss_mask: list<int8>?");
		struct builder *b = builder_open(&schema);
		column_int32s(builder_column(b, 0), ids, 7);
		for (int i = 0; i < 7; i++)
			column_int(column_child(builder_column(b, 1), 0), i != 2);
		column_end_list(builder_column(b, 1));
		p.token = with ? token : NULL;
		assert_string_equal(show(&p, b), with
			? "---- 7\ninput_ids: 7 tokens, 6 with loss\n  0<s> 1\" a\\\"\" (2\"<0xE4><0xBD>\") 3\"你\\n\" 4\"<0x1B><0xC2><0x9B>\" 5? -1?\n"
			: "---- 7\ninput_ids: 7 tokens, 6 with loss\n  0 1 (2) 3 4 5 -1\n");
	}
	/* a mask of another length says nothing */
	BEGIN("input_ids: list<int32>", "loss_mask: list<int8>?", "chosen_ids: list<int32?>");
	struct builder *b = builder_open(&schema);
	column_int32s(builder_column(b, 0), ids, 2);
	column_int(column_child(builder_column(b, 1), 0), 0);
	column_end_list(builder_column(b, 1));
	column_null(column_child(builder_column(b, 2), 0));
	column_end_list(builder_column(b, 2));
	p.token = NULL;
	assert_string_equal(show(&p, b), "---- 7\ninput_ids: 2 tokens\n  0 1\nloss_mask: [0]\nchosen_ids: 1 token\n  null\n");
}

static const char *show_packed(const int32_t *labels, const int32_t *lengths, int n)
{
	static const int32_t ids[] = { 5, 6, 7, 8, 9, 0 };
	struct pretty p = {0};
	BEGIN("input_ids: fixed_size_list<int32>[6]", "labels: fixed_size_list<int32>[6]", "seq_lengths: list<int32>");
	struct builder *b = builder_open(&schema);
	for (int i = 0; i < 6; i++) {
		column_int(column_child(builder_column(b, 0), 0), ids[i]);
		column_int(column_child(builder_column(b, 1), 0), labels[i]);
	}
	column_end_list(builder_column(b, 0));
	column_end_list(builder_column(b, 1));
	column_int32s(builder_column(b, 2), lengths, n);
	return show(&p, b);
}

static void packed_rows_show_their_documents(void **state)
{
	(void)state;
	static const int32_t labels[] = { -100, 6, 7, -100, 9, -100 }, others[] = { -100, 7, 7, -100, 9, -100 };
	assert_string_equal(show_packed(labels, (int32_t[]){ 3, 2 }, 2),
			    "---- 7\ninput_ids: 2 documents in 6 tokens\n  [document 0] 3 tokens, 2 with loss\n    (5) 6 7\n"
			    "  [document 1] 2 tokens, 1 with loss\n    (8) 9\n  [padding] 1 token, 0 with loss\n    (0)\n");
	/* what does not fit is shown as it is */
	assert_non_null(strstr(show_packed(others, (int32_t[]){ 6 }, 1), "\nlabels: [-100,7,7,-100,9,-100]\n"));
	assert_null(strstr(out.data, "padding"));
	static const int32_t bad[][2] = { { 4, 3 }, { -1, 2 }, { 2147483647, 2147483647 } };
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(show_packed(labels, bad[i], 2), "input_ids: 6 tokens, 3 with loss\n  (5) 6 7 (8) 9 (0)\nseq_lengths: ["));
	assert_non_null(strstr(show_packed(labels, (int32_t[]){ 0, 0 }, 2), "[document 1] 0 tokens, 0 with loss\n  [padding] 6 tokens"));
}

static int tear_down(void **state)
{
	(void)state;
	schema_release(&schema);
	buf_release(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_wrapped_by_cells),
		cmocka_unit_test(a_long_word_takes_linear_time),
		cmocka_unit_test(control_characters_are_not_passed_on),
		cmocka_unit_test(conversations_are_dialogues),
		cmocka_unit_test(values_stand_without_the_quotes_of_json),
		cmocka_unit_test(tokens_stand_beside_their_text),
		cmocka_unit_test(packed_rows_show_their_documents),
	};
	return cmocka_run_group_tests_name("pretty", tests, NULL, tear_down);
}
