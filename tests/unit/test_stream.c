/* test_stream.c - Arrow streams: round trips, the end, checksums, foreign streams (test_conformance.c has the hostile ones). */
#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define FOREIGN "tests/golden/data/stream/foreign-"

static char path[] = "/tmp/quern-test-stream-XXXXXX";

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static struct schema test_schema(void)
{
	struct schema s = {0};

	schema_add_spec(&s, "id: utf8");
	schema_add_spec(&s, "text: large_utf8?");
	schema_add_spec(&s, "ids: list<int32>?");
	schema_add_spec(&s, "labels: fixed_size_list<int32>[2]?");
	schema_add_spec(&s, "messages: list<struct<role: utf8, content: utf8>>");
	schema_add_spec(&s, "score: float32?");
	schema_add_spec(&s, "flag: bool?");
	return s;
}

static void add_row(struct builder *b, int i)
{
	char id[32];
	const int32_t ids[] = { i, -i, 7 };

	snprintf(id, sizeof(id), "row-%d", i);
	column_str(builder_column(b, 0), id);
	if (i % 3 == 0)
		column_null(builder_column(b, 1));
	else
		column_str(builder_column(b, 1), "a text that is the same again and again, \xc3\xa9");
	if (i % 5 == 0)
		column_null(builder_column(b, 2));
	else
		column_int32s(builder_column(b, 2), ids, i % 4);
	if (i % 7 == 0) {
		column_null(builder_column(b, 3));
	} else {
		column_int(column_child(builder_column(b, 3), 0), i);
		column_int(column_child(builder_column(b, 3), 0), -100);
		column_end_list(builder_column(b, 3));
	}
	for (int k = 0; k < i % 3; k++)
		column_message(builder_column(b, 4), k ? "assistant" : "user", id, strlen(id));
	column_end_list(builder_column(b, 4));
	if (i % 2)
		column_double(builder_column(b, 5), i / 3.0);
	else
		column_null(builder_column(b, 5));
	column_int(builder_column(b, 6), i % 2);
}

/* Writes rows [0, n) to path, in batches of batch_rows. */
static void write_rows(int n, int batch_rows, int level, struct pool *pool, struct provenance *prov)
{
	struct schema s = test_schema();
	struct builder *b = builder_open(&s);
	struct writer_options o = { FORMAT_ARROW, level, pool };
	struct writer *w;
	struct error err;

	assert_int_equal(writer_open(&w, path, &s, KIND_CHAT, prov, &o, &err), OK);
	for (int i = 0; i < n; i++) {
		add_row(b, i);
		if ((i + 1) % batch_rows && i + 1 < n)
			continue;
		struct batch *batch = builder_finish(b);
		assert_int_equal(writer_write(w, batch, &err), OK);
		batch_release(batch);
	}
	assert_int_equal(writer_commit(w, &err), OK);
	builder_close(b);
	schema_release(&s);
}

static void load(const char *name, struct buf *b)
{
	struct error err;

	buf_clear(b);
	assert_int_equal(file_read_all(name, 1 << 26, b, &err), OK);
}

/* Reads bytes to their end; *rows and, if text is given, the rows as JSON Lines. */
static enum status read_bytes(const struct buf *bytes, bool allow_truncated, int64_t *rows, struct buf *text, struct error *err)
{
	struct reader_options o = { .allow_truncated = allow_truncated };
	struct input *in;
	struct reader *r;
	struct batch *b;

	*rows = 0;
	TRY(input_open_memory(&in, "x.arrows", bytes->data, bytes->len, err));
	TRY(reader_open_input(&r, in, &o, err));
	enum status st;
	while ((st = reader_next(r, &b, err)) == OK) {
		*rows += b->rows;
		for (int64_t row = 0; text && row < b->rows; row++) {
			struct json_writer w = json_writer_open(text, 0);
			batch_json(b, row, &w);
			buf_char(text, '\n');
		}
		batch_release(b);
	}
	reader_close(r);
	return st;
}

static void what_was_written_is_read(void **state)
{
	struct schema s = test_schema();
	struct builder *b = builder_open(&s);
	struct buf want = {0};
	struct error err;

	(void)state;
	for (int i = 0; i < 1000; i++)
		add_row(b, i);
	struct batch *batch = builder_finish(b);
	for (int i = 0; i < 1000; i++) {
		struct json_writer w = json_writer_open(&want, 0);
		batch_json(batch, i, &w);
		buf_char(&want, '\n');
	}
	for (int level = 0; level <= 6; level += 3) {
		struct buf bytes = {0}, got = {0};
		int64_t rows;
		write_rows(1000, 300, level, NULL, NULL);
		load(path, &bytes);
		assert_int_equal(read_bytes(&bytes, false, &rows, &got, &err), END);
		assert_int_equal(rows, 1000);
		assert_string_equal(got.data, want.data);
		buf_release(&bytes);
		buf_release(&got);
	}
	batch_release(batch);
	builder_close(b);
	buf_release(&want);
	schema_release(&s);
}

static void threads_do_not_change_bytes(void **state)
{
	struct buf one = {0}, three = {0};
	struct pool *pool = pool_open(3);

	(void)state;
	write_rows(2000, 700, 3, NULL, NULL);
	load(path, &one);
	write_rows(2000, 700, 3, pool, NULL);
	load(path, &three);
	assert_int_equal(one.len, three.len);
	assert_memory_equal(one.data, three.data, one.len);
	pool_close(pool);
	buf_release(&one);
	buf_release(&three);
}

static void an_empty_stream_has_its_schema_and_end(void **state)
{
	struct buf bytes = {0};
	struct error err;
	int64_t rows;

	(void)state;
	for (int level = 0; level <= 3; level += 3) {
		write_rows(0, 1, level, NULL, NULL);
		load(path, &bytes);
		assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), END);
		assert_int_equal(rows, 0);
	}
	buf_release(&bytes);
}

/* The place of the n-th message (0 is the schema). */
static size_t message_at(const struct buf *b, int n)
{
	for (size_t i = 0; i + 8 <= b->len; i += 8)
		if (memcmp(b->data + i, "\xff\xff\xff\xff", 4) == 0 && n-- == 0)
			return i;
	fail_msg("no such message");
	return 0;
}

static void messages_name_the_batch(void **state)
{
	struct buf bytes = {0};
	struct error err;
	int64_t rows;

	(void)state;
	write_rows(6, 2, 3, NULL, NULL);
	load(path, &bytes);
	size_t third = message_at(&bytes, 3), closing = message_at(&bytes, 4), whole = bytes.len;
	bytes.data[closing - 64] ^= 1;
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_DATA);
	assert_string_equal(err.text, "x.arrows: batch 2: checksum mismatch");
	assert_int_equal(rows, 4);
	bytes.data[closing - 64] ^= 1;
	bytes.len = closing;
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_DATA);
	assert_string_equal(err.text, "x.arrows: truncated: ends after batch 2 without the closing batch");
	assert_int_equal(read_bytes(&bytes, true, &rows, NULL, &err), END);
	assert_int_equal(rows, 6);
	bytes.len = closing - 8;
	assert_int_equal(read_bytes(&bytes, true, &rows, NULL, &err), END);
	assert_int_equal(rows, 4);
	bytes.len = whole;
	memmove(bytes.data + third, bytes.data + closing, whole - closing);
	bytes.len -= closing - third;
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_DATA);
	assert_string_equal(err.text, "x.arrows: batch 2: checksum mismatch of the whole stream");
	buf_release(&bytes);
}

static void joined_streams_are_refused(void **state)
{
	struct buf bytes = {0};
	struct error err;
	int64_t rows;

	(void)state;
	write_rows(2, 2, 0, NULL, NULL);
	load(path, &bytes);
	buf_reserve(&bytes, bytes.len);
	buf_add(&bytes, bytes.data, bytes.len);
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_DATA);
	assert_non_null(strstr(err.text, "data after the end of the stream"));
	buf_release(&bytes);
}

static void foreign_streams_read_alike(void **state)
{
	static const char *const names[] = { "plain.arrows", "zstd.arrows", "lz4.arrows", "v4.arrows", "file.arrow" };
	struct buf first = {0}, bytes = {0};
	struct error err;
	int64_t rows;

	(void)state;
	for (int i = 0; i < 5; i++) {
		char name[128];
		struct buf text = {0};
		snprintf(name, sizeof(name), FOREIGN "%s", names[i]);
		load(name, &bytes);
		assert_int_equal(read_bytes(&bytes, false, &rows, &text, &err), END);
		assert_int_equal(rows, 4);
		if (i == 0)
			buf_add(&first, text.data, text.len);
		assert_string_equal(text.data, first.data);
		buf_release(&text);
	}
	assert_non_null(strstr(first.data, "{\"id\":\"b\",\"text\":\"\",\"small\":-2,\"big\":2,\"half\":1.0,\"ids\":[],\"pair\":[3,4],"
					   "\"messages\":[]}\n"));
	load(FOREIGN "empty.arrows", &bytes);
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), END);
	load(FOREIGN "no-columns.arrows", &bytes);
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), END);
	load(FOREIGN "plain.arrows", &bytes);
	bytes.len -= 8;
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_DATA);
	assert_string_equal(err.text, "x.arrows: truncated: ends after batch 1 without the end-of-stream marker");
	buf_release(&first);
	buf_release(&bytes);
}

/* Types and encodings that become rows; expected ones stand beside (tests/reference/interop.py made both). */
static const char *const shown[] = {
	"logical.arrows", "views.arrows", "dictionary.arrows", "delta.arrows", "replaced.arrows",
	"logical.arrow", "views.arrow", "dictionary.arrow", "delta.arrow",
	"polars.arrow",                      /* its dictionary stands behind the batch */
	"rust.arrow"                         /* its magic is padded */
};
#define N_SHOWN ((int)(sizeof(shown) / sizeof(shown[0])))

static void foreign_types_are_shown(void **state)
{
	struct buf bytes = {0}, want = {0};
	struct error err;
	int64_t rows;

	(void)state;
	for (int i = 0; i < N_SHOWN; i++) {
		struct buf text = {0};
		char *name = mem_printf(FOREIGN "%s", shown[i]);
		char *expected = mem_printf(FOREIGN "%.*s.jsonl", (int)strcspn(shown[i], "."), shown[i]);
		load(name, &bytes);
		load(expected, &want);
		assert_int_equal(read_bytes(&bytes, false, &rows, &text, &err), END);
		assert_string_equal(text.data, want.data);
		buf_release(&text);
		mem_free(name);
		mem_free(expected);
	}
	buf_release(&bytes);
	buf_release(&want);
}

static void columns_that_lie_are_named(void **state)
{
	static const struct { const char *name, *text; enum status st; } cases[] = {
		{ FOREIGN "bad-index.arrows", "x.arrows: batch 0: column 'c': row 1 points past the 1 values of its dictionary", ERR_DATA },
		{ FOREIGN "bad-view.arrows", "x.arrows: batch 0: column 'c': a view leads outside its buffers", ERR_DATA },
		{ FOREIGN "bad-size.arrows", "x.arrows: batch 0: column 'c': dictionary values of more than 2 GiB in one batch", ERR_UNSUPPORTED },
	};
	struct buf bytes = {0};
	struct error err;
	int64_t rows;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		load(cases[i].name, &bytes);
		assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), cases[i].st);
		assert_string_equal(err.text, cases[i].text);
	}
	/* without its first dictionary */
	load(FOREIGN "replaced.arrows", &bytes);
	size_t dictionary = message_at(&bytes, 1), batch = message_at(&bytes, 2);
	memmove(bytes.data + dictionary, bytes.data + batch, bytes.len - batch);
	bytes.len -= batch - dictionary;
	assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_DATA);
	assert_string_equal(err.text, "x.arrows: batch 0: column 'word': its dictionary has not come");
	buf_release(&bytes);
}

static void what_we_cannot_read_names_column_and_type(void **state)
{
	static const struct { const char *name, *text; } cases[] = {
		{ FOREIGN "union.arrows", "x.arrows: column 'c': union is not supported" },
		{ FOREIGN "run-end.arrows", "x.arrows: column 'c': run-end encoded is not supported" },
		{ FOREIGN "list-view.arrows", "x.arrows: column 'c': list view is not supported" },
	};
	struct buf bytes = {0};
	struct error err;
	int64_t rows;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		load(cases[i].name, &bytes);
		assert_int_equal(read_bytes(&bytes, false, &rows, NULL, &err), ERR_UNSUPPORTED);
		assert_string_equal(err.text, cases[i].text);
	}
	buf_release(&bytes);
}

static void a_slice_is_written_as_its_rows(void **state)
{
	struct schema s = {0};
	struct error err;
	struct buf bytes = {0}, text = {0};
	struct writer_options o = { FORMAT_ARROW, 0, NULL };
	struct writer *w;
	int64_t rows;

	(void)state;
	schema_add_spec(&s, "n: int32?");
	schema_add_spec(&s, "t: utf8?");
	struct builder *b = builder_open(&s);
	for (int i = 0; i < 10; i++) {
		char t[2] = { (char)('a' + i), 0 };
		column_int(builder_column(b, 0), i);
		if (i == 4)
			column_null(builder_column(b, 1));
		else
			column_str(builder_column(b, 1), t);
	}
	struct batch *batch = builder_finish(b);
	batch->rows = 3;
	for (int i = 0; i < 2; i++) {
		batch->columns[i].offset = 3;
		batch->columns[i].length = 3;
	}
	batch->columns[1].null_count = 1;
	assert_int_equal(writer_open(&w, path, &s, KIND_OTHER, NULL, &o, &err), OK);
	assert_int_equal(writer_write(w, batch, &err), OK);
	assert_int_equal(writer_commit(w, &err), OK);
	load(path, &bytes);
	assert_int_equal(read_bytes(&bytes, false, &rows, &text, &err), END);
	assert_string_equal(text.data, "{\"n\":3,\"t\":\"d\"}\n{\"n\":4}\n{\"n\":5,\"t\":\"f\"}\n");
	batch_release(batch);
	builder_close(b);
	schema_release(&s);
	buf_release(&bytes);
	buf_release(&text);
}

static void an_aborted_file_is_not_there(void **state)
{
	struct schema s = test_schema();
	struct writer_options o = { FORMAT_ARROW, 0, NULL };
	struct writer *w;
	struct error err;
	char *other = mem_printf("%s.aborted", path);

	(void)state;
	assert_int_equal(writer_open(&w, other, &s, KIND_CHAT, NULL, &o, &err), OK);
	add_row(writer_builder(w), 1);
	assert_int_equal(writer_row(w, &err), OK);
	assert_int_equal(writer_rows(w), 1);
	writer_abort(w);
	assert_false(path_exists(other));
	mem_free(other);
	schema_release(&s);
}

static void the_closing_batch_brings_the_whole_chain(void **state)
{
	static const char *const argv[] = { "--x=1" };
	struct provenance p = { .tool = "clean", .version = "0.1", .argv = argv, .n_argv = 1, .rows_in = -1, .rows_out = -1 };
	struct provenance_input in;
	struct reader *r;
	struct batch *b;
	struct error err;

	(void)state;
	write_rows(3, 2, 0, NULL, &p);
	assert_int_equal(reader_open(&r, path, NULL, &err), OK);
	assert_int_equal(reader_kind(r), KIND_CHAT);
	assert_non_null(strstr(reader_provenance(r), "\"tool\":\"clean\""));
	while (reader_next(r, &b, &err) == OK)
		batch_release(b);
	assert_int_equal(reader_input(r, &in, &err), OK);
	assert_int_equal(in.rows, 3);
	assert_int_equal(strlen(in.xxh3), 32);
	assert_string_equal(in.chain, reader_provenance(r));
	provenance_input_release(&in);
	reader_close(r);
}

static void kinds_are_known_by_their_columns(void **state)
{
	struct error err;

	(void)state;
	for (int k = KIND_DOCUMENTS; k <= KIND_SCORES; k++) {
		struct schema s;
		kind_schema((enum kind)k, true, 16, &s);
		assert_int_equal(kind_of(&s), k);
		assert_int_equal(kind_check((enum kind)k, &s, &err), OK);
		assert_int_equal(kind_parse(kind_name((enum kind)k)), k);
		schema_release(&s);
	}
	struct schema s = {0};
	schema_add_spec(&s, "id: utf8");
	schema_add_spec(&s, "text: int32");
	assert_int_equal(kind_check(KIND_DOCUMENTS, &s, &err), ERR_DATA);
	assert_string_equal(err.text, "not documents: another type of column 'text: large_utf8' (columns there: id, text: int32)");
	assert_int_equal(kind_check(KIND_CHAT, &s, &err), ERR_DATA);
	schema_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(threads_do_not_change_bytes),
		cmocka_unit_test(an_empty_stream_has_its_schema_and_end),
		cmocka_unit_test(messages_name_the_batch),
		cmocka_unit_test(joined_streams_are_refused),
		cmocka_unit_test(foreign_streams_read_alike),
		cmocka_unit_test(foreign_types_are_shown),
		cmocka_unit_test(columns_that_lie_are_named),
		cmocka_unit_test(what_we_cannot_read_names_column_and_type),
		cmocka_unit_test(a_slice_is_written_as_its_rows),
		cmocka_unit_test(an_aborted_file_is_not_there),
		cmocka_unit_test(the_closing_batch_brings_the_whole_chain),
		cmocka_unit_test(kinds_are_known_by_their_columns),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}
