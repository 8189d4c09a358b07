/* Pieces and fields of CSV, and the text of a manual page, of any bytes. */
#include "stream/csv.h"
#include "text/roff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool known(const char *name)
{
	return strcmp(name, "text") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	for (int mode = PIECE_LINES; mode <= PIECE_CSV; mode++) {
		struct input *in;
		struct pieces p;
		struct arena a = {0};
		struct json *fields;
		const char *s;
		size_t len;
		int64_t line;
		if (input_open_memory(&in, "fuzz", data, n, NULL) != OK)
			break;
		pieces_open(&p, in, (enum piece_mode)mode, ',', 1 << 16);
		p.separator = "\n--\n";
		while (pieces_next(&p, &s, &len, &line, NULL) == OK)
			csv_fields(s, len, ',', &a, &fields);
		pieces_release(&p);
		input_close(in);
		arena_release(&a);
	}
	char delimiter;
	csv_looks_like((const char *)data, n, known, &delimiter);
	struct buf out = {0};
	if (roff_looks_like((const char *)data, n) || n < 4096)
		roff_text((const char *)data, n, &out);
	buf_release(&out);
	return 0;
}
