/* bench_parquet.c - seconds of reading a Parquet file, and of making a plain stream of it; the best of five.
 *
 *   bench_parquet FILE OUT       OUT is overwritten. tests/bench/parquet.py makes files, and times pyarrow beside it. */
#include "base/progress.h"
#include "stream/stream.h"

#include <stdio.h>
#include <stdlib.h>

static void must(enum status st, const struct error *err)
{
	if (st == OK || st == END)
		return;
	fprintf(stderr, "bench_parquet: %s\n", err->text);
	exit(1);
}

/* Reads it all and, if out is named, writes it there. */
static double pass(const char *path, const char *out, int64_t *bytes)
{
	struct writer_options plain = { .format = FORMAT_ARROW };
	struct reader *r;
	struct writer *w = NULL;
	struct batch *b;
	struct error err;
	enum status st;
	double t = clock_seconds();

	*bytes = 0;
	must(reader_open(&r, path, NULL, &err), &err);
	if (out)
		must(writer_open(&w, out, reader_schema(r), reader_kind(r), NULL, &plain, &err), &err);
	while ((st = reader_next(r, &b, &err)) == OK) {
		*bytes += (int64_t)batch_bytes(b);
		if (w)
			must(writer_write(w, b, &err), &err);
		batch_release(b);
	}
	must(st, &err);
	if (w)
		must(writer_commit(w, &err), &err);
	reader_close(r);
	return clock_seconds() - t;
}

int main(int argc, char **argv)
{
	double read = 1e9, through = 1e9, t;
	int64_t bytes = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_parquet FILE OUT\n");
		return 2;
	}
	for (int i = 0; i < 5; i++) {
		t = pass(argv[1], NULL, &bytes);
		read = t < read ? t : read;
		t = pass(argv[1], argv[2], &bytes);
		through = t < through ? t : through;
	}
	printf("%.4f %.4f %.0f\n", read, through, (double)bytes / 1e6);
	return 0;
}
