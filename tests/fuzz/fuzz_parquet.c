/* fuzz_parquet.c - any bytes as a Parquet file: every value of every column is touched, and rows can be taken. */
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(struct reader *r, struct buf *text)
{
	struct batch *b;
	struct error err;
	int64_t rows = 0;

	/* a column of nulls may claim any number of rows */
	while (rows < 20000 && reader_next(r, &b, &err) == OK) {
		for (int64_t row = 0; row < b->rows; row++) {
			buf_clear(text);
			struct json_writer w = json_writer_open(text, 0);
			batch_json(b, row, &w);
		}
		int64_t take[] = { b->rows - 1, 0 };
		if (b->rows > 0)
			batch_release(batch_take(b, take, 2));
		rows += b->rows;
		batch_release(b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	struct input *in;
	struct reader *r;
	struct buf text = {0};

	mem_limit((size_t)256 << 20);
	if (size < 4 || memcmp(data, "PAR1", 4) != 0)
		return 0;                    /* other formats have their own */
	if (input_open_memory(&in, "input", data, size, &err) != OK)
		return 0;
	if (reader_open_input(&r, in, NULL, &err) == OK) {
		touch(r, &text);
		kind_check(reader_kind(r), reader_schema(r), &err);
		reader_close(r);
	}
	buf_release(&text);
	return 0;
}
