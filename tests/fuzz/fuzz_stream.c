/* fuzz_stream.c - any bytes as a record stream: every value is touched, shown and counted, and what was read can be written. */
#include "stream/column_stats.h"
#include "stream/pretty.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(struct reader *r, struct buf *text)
{
	struct batch *b;
	struct error err;
	struct pretty pretty = { .width = 40, .color = true };
	int columns[16], n = 0;

	while (n < 16 && n < reader_schema(r)->n_fields) {
		columns[n] = n;
		n++;
	}
	struct column_stats *stats = column_stats_open(reader_schema(r), columns, n);
	while (reader_next(r, &b, &err) == OK) {
		/* a schema of nulls or empty structs may claim any number of rows */
		for (int64_t row = 0; row < b->rows && row < 4096; row++) {
			buf_clear(text);
			struct json_writer w = json_writer_open(text, 0);
			batch_json(b, row, &w);
			pretty_row(&pretty, b, columns, n, row, row, text);
			column_stats_add(stats, b, columns, row);
		}
		int64_t rows[] = { b->rows - 1, 0 };
		if (b->rows > 0)
			batch_release(batch_take(b, rows, 2));
		batch_release(b);
	}
	column_stats_text(stats, text);
	column_stats_jsonl(stats, text);
	column_stats_close(stats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	struct input *in;
	struct reader *r;
	struct buf text = {0};

	mem_limit((size_t)256 << 20);
	if (input_open_memory(&in, "input", data, size, &err) != OK)
		return 0;
	if (reader_open_input(&r, in, NULL, &err) == OK) {
		touch(r, &text);
		const char *chain = reader_provenance(r);
		buf_clear(&text);
		if (chain && provenance_describe(chain, &text, &err) == OK)
			provenance_replay(chain, "out.arrows", &text, &err);
		kind_check(reader_kind(r), reader_schema(r), &err);
		reader_close(r);
	}
	buf_release(&text);
	return 0;
}
