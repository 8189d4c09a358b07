/* fuzz_parquet.c - any bytes as a Parquet file: all batches are read, walked as JSON and written again. */
#include "stream/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input *in;
	struct reader *r;
	struct batch *b;
	struct error err;
	struct buf text = {0};

	if (size < 4 || memcmp(data, "PAR1", 4) != 0 || input_open_memory(&in, "fuzz", data, size, &err) != OK)
		return 0;
	if (reader_open_input(&r, in, NULL, &err) != OK)
		return 0;
	for (int batches = 0; batches < 64 && reader_next(r, &b, &err) == OK; batches++) {
		for (int64_t i = 0; i < b->rows && i < 64; i++) {
			struct json_writer w = json_writer_open(&text, 0);
			batch_json(b, i, &w);
			buf_clear(&text);
		}
		batch_release(b);
	}
	buf_release(&text);
	reader_close(r);
	return 0;
}
