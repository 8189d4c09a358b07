/* WARC records, and the HTTP responses in them, of any bytes. */
#include "text/warc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input *in;
	struct warc_record r = {0};
	struct http_response h = {0};
	if (input_open_memory(&in, "fuzz", data, n, NULL) == OK) {
		while (warc_next(in, 1 << 16, &r, NULL) == OK)
			if (!r.bad)
				http_parse(r.body.data, r.body.len, 1 << 16, &h);
		input_close(in);
	}
	http_parse((const char *)data, n, 1 << 16, &h);
	buf_release(&h.body);
	warc_record_release(&r);
	return 0;
}
