/* fuzz_jsonl.c - any bytes as JSON Lines: rows that were read print as JSON that reads again, and are the same if taken for huge. */
#include "stream/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all rows into text, each of which must read again; how that ended. */
static enum status read_rows(const uint8_t *data, size_t size, size_t huge, struct buf *text)
{
	const struct reader_options o = {.json_huge = huge};
	struct error err;
	struct input *in;
	struct reader *r;
	struct batch *b;
	enum status st = input_open_memory(&in, "input", data, size, &err);
	if (st == OK)
		st = reader_open_input(&r, in, &o, &err);
	if (st != OK)
		return st;
	struct json_parser *parser = json_parser_open();
	while ((st = reader_next(r, &b, &err)) == OK) {
		for (int64_t row = 0; row < b->rows; row++) {
			const struct json *again;
			size_t from = text->len;
			struct json_writer w = json_writer_open(text, 0);
			batch_json(b, row, &w);
			if (json_parse(parser, text->data + from, text->len - from, &again, &err) != OK || again->type != JSON_OBJECT)
				abort();
		}
		batch_release(b);
	}
	json_parser_close(parser);
	reader_close(r);
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = {0}, of_huge = {0};
	mem_limit((size_t)256 << 20);
	enum status st = read_rows(data, size, 0, &text), st_of_huge = read_rows(data, size, 40, &of_huge);
	if (st != ERR_MEMORY && st_of_huge != ERR_MEMORY && st != st_of_huge)
		abort();
	if (st == END && st_of_huge == END && (text.len != of_huge.len || (text.len && memcmp(text.data, of_huge.data, text.len) != 0)))
		abort();
	buf_release(&text);
	buf_release(&of_huge);
	return 0;
}
