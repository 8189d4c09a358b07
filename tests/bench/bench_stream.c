/* bench_stream.c - MB/s of writing and reading a documents stream, plain and with zstd, beside a plain copy of its bytes.
 *
 *   bench_stream [MEGABYTES]     default 200; the stream is written to /tmp and removed */
#include "base/progress.h"
#include "stream/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char path[] = "/tmp/quern-bench.arrows";

static void must(enum status st, const struct error *err)
{
	if (st == OK || st == END)
		return;
	fprintf(stderr, "bench_stream: %s\n", err->text);
	exit(1);
}

/* A batch of text that zstd finds neither trivial nor hopeless: words drawn from a small list. */
static struct batch *make_batch(const struct schema *s)
{
	static const char *const words[] = { "the ", "mill ", "grinds ", "corn ", "and ", "stone ", "turns ", "flour ", "by ",
					     "hand ", "slowly ", "until ", "evening.\n", "water ", "1796 ", "(see below) " };
	struct builder *b = builder_open(s);
	uint64_t x = 88172645463325252u;
	char id[32];

	for (int i = 0; builder_bytes(b) < STREAM_BATCH_BYTES; i++) {
		struct buf text = {0};
		while (text.len < 3000) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			buf_str(&text, words[x & 15]);
			if ((x & 0x700) == 0)
				buf_printf(&text, "%llx ", (unsigned long long)(x >> 32));
		}
		snprintf(id, sizeof(id), "doc-%d", i);
		column_str(builder_column(b, 0), id);
		column_text(builder_column(b, 1), text.data, text.len);
		buf_release(&text);
	}
	struct batch *batch = builder_finish(b);
	builder_close(b);
	return batch;
}

/* Seconds of reading all batches, every check on; with the input's own hash or, as view reads, without. */
static double read_all(bool unhashed, int64_t *rows, int64_t *bytes)
{
	struct reader_options o = { .unhashed = unhashed };
	struct reader *r;
	struct batch *got;
	struct error err;
	enum status st;
	double t = clock_seconds();

	*rows = 0;
	must(reader_open(&r, path, &o, &err), &err);
	while ((st = reader_next(r, &got, &err)) == OK) {
		*rows += got->rows;
		batch_release(got);
	}
	must(st, &err);
	t = clock_seconds() - t;
	*bytes = reader_size(r);
	reader_close(r);
	return t;
}

static void bench(const struct schema *s, struct batch *b, int batches, int level, double copy_rate)
{
	struct writer_options o = { FORMAT_ARROW, level, NULL };
	struct error err;
	struct writer *w;
	double mb = (double)batch_bytes(b) * batches / 1e6;
	int64_t rows, bytes;

	double t = clock_seconds();
	must(writer_open(&w, path, s, KIND_DOCUMENTS, NULL, &o, &err), &err);
	for (int i = 0; i < batches; i++)
		must(writer_write(w, b, &err), &err);
	must(writer_commit(w, &err), &err);
	double wrote = mb / (clock_seconds() - t);
	double hashed = mb / read_all(false, &rows, &bytes), plain = mb / read_all(true, &rows, &bytes);
	printf("%-8s write %6.0f MB/s (with fsync)   read %6.0f MB/s = %2.0f %% of a copy, with the input's hash %6.0f MB/s   %6.1f MB on disk   "
	       "%lld rows\n", level ? "zstd" : "plain", wrote, plain, 100 * plain / copy_rate, hashed, (double)bytes / 1e6, (long long)rows);
	unlink(path);
}

/* A writer in a process of its own, and a reader of its pipe in this one. */
static void bench_pipe(const struct schema *s, struct batch *b, int batches)
{
	struct writer_options o = { FORMAT_ARROW, 0, NULL };
	struct reader_options ro = { .unhashed = true };
	struct error err;
	struct reader *r;
	struct batch *got;
	enum status st;
	int ends[2];
	double t = clock_seconds();

	if (pipe(ends) != 0)
		exit(1);
	if (fork() == 0) {
		struct writer *w;
		dup2(ends[1], 1), close(ends[0]), close(ends[1]);
		must(writer_open(&w, NULL, s, KIND_DOCUMENTS, NULL, &o, &err), &err);
		for (int i = 0; i < batches; i++)
			must(writer_write(w, b, &err), &err);
		must(writer_commit(w, &err), &err);
		_exit(0);
	}
	dup2(ends[0], 0), close(ends[0]), close(ends[1]);
	must(reader_open(&r, "-", &ro, &err), &err);
	while ((st = reader_next(r, &got, &err)) == OK)
		batch_release(got);
	must(st, &err);
	reader_close(r);
	printf("pipe     written and read in two processes %6.0f MB/s\n", (double)batch_bytes(b) * batches / 1e6 / (clock_seconds() - t));
}

/* MB/s of memcpy between two buffers larger than the caches. */
static double copy_rate(void)
{
	size_t n = (size_t)128 << 20;
	char *a = mem_alloc(n), *b = mem_alloc(n);

	memset(a, 1, n);
	memset(b, 2, n);
	double t = clock_seconds();
	for (int i = 0; i < 4; i++) {
		memcpy(b, a, n);
		a[i] = b[n - 1 - (size_t)i];
	}
	t = clock_seconds() - t;
	mem_free(a);
	mem_free(b);
	return 4 * (double)n / 1e6 / t;
}

int main(int argc, char **argv)
{
	struct schema s = {0};
	long megabytes = argc > 1 ? strtol(argv[1], NULL, 10) : 200;

	schema_add_spec(&s, "id: utf8");
	schema_add_spec(&s, "text: large_utf8");
	struct batch *b = make_batch(&s);
	int batches = (int)((double)megabytes * 1e6 / (double)batch_bytes(b)) + 1;
	double rate = copy_rate();
	printf("copy     %6.0f MB/s\n", rate);
	bench(&s, b, batches, 0, rate);
	bench(&s, b, batches, 3, rate);
	fflush(stdout);
	bench_pipe(&s, b, batches);
	batch_release(b);
	schema_release(&s);
	return 0;
}
