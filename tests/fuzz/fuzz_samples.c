/* fuzz_samples.c - any bytes as an evaluation's samples, or as a report before them: read, compared with themselves and told, or an error. */
#include "judge/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A report and its samples are one input: a line of nine dashes between them. */
static const char between[] = "\n---------\n";

static void write_whole(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (f) {
		fwrite(p, 1, n, f);
		fclose(f);
	}
}

static void compare(const char *path)
{
	struct compare_options o = { .samples = 5, .trials = 5, .seed = 1 };
	struct comparison *c;
	struct error err;

	for (int test = 0; test < 2; test++) {
		struct buf out = { 0 };

		o.test = (enum paired_test)test;
		if (compare_open(&c, path, path, &o, &err) == OK) {
			compare_json(c, NULL, &out);
			compare_table(c, &out);
			compare_close(c);
		}
		buf_release(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/quern-fuzz-samples.XXXXXX", report[64], samples[64];
	const uint8_t *cut = memmem(data, size, between, sizeof(between) - 1);
	size_t head = cut ? (size_t)(cut - data) : 0, from = cut ? head + sizeof(between) - 1 : 0;

	if (!mkdtemp(dir))
		return 0;
	snprintf(report, sizeof(report), "%s/r.json", dir);
	snprintf(samples, sizeof(samples), "%s/s.jsonl", dir);
	write_whole(samples, data + from, size - from);
	if (cut)
		write_whole(report, data, head);
	compare(cut ? report : samples);
	remove(report);
	remove(samples);
	remove(dir);
	return 0;
}
