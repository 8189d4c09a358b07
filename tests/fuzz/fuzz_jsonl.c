/* fuzz_jsonl.c - any bytes as JSON Lines: rows that were read print as JSON that reads again. */
#include "stream/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	struct input *in;
	struct reader *r;
	struct batch *b;
	struct buf text = {0};

	mem_limit((size_t)256 << 20);
	if (input_open_memory(&in, "input", data, size, &err) != OK)
		return 0;
	if (reader_open_input(&r, in, NULL, &err) != OK)
		return 0;
	struct json_parser *parser = json_parser_open();
	while (reader_next(r, &b, &err) == OK) {
		for (int64_t row = 0; row < b->rows; row++) {
			const struct json *again;
			buf_clear(&text);
			struct json_writer w = json_writer_open(&text, 0);
			batch_json(b, row, &w);
			if (json_parse(parser, text.data, text.len, &again, &err) != OK || again->type != JSON_OBJECT)
				abort();
		}
		batch_release(b);
	}
	json_parser_close(parser);
	reader_close(r);
	buf_release(&text);
	return 0;
}
