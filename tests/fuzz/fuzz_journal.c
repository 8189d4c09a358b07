/* fuzz_journal.c - any bytes behind the first line of a journal of completions: its samples, or an error; and it goes on from there. */
#include "infer/journal.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int32_t prompt[] = {1, 2};

static void replay(const char *path)
{
	const struct generate_result *results;
	struct journal *j;
	struct error err;
	int64_t n;
	enum status st = journal_open(&j, path, "run", &err);
	if (st != OK)
		return;
	while ((st = journal_next(j, prompt, 2, &results, &n, &err)) == OK)
		;
	if (st == END) {
		struct generate_result r = {.last = true};
		(void)!journal_add(j, &r, prompt, 2, &err);
	}
	journal_close(j, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/quern-fuzz-journal.XXXXXX";
	struct journal *j;
	FILE *f;
	int fd = mkstemp(path);
	if (fd < 0)
		return 0;
	fclose(fdopen(fd, "wb"));
	if (journal_open(&j, path, "run", NULL) == OK) {         /* writes the first line, and one that holds */
		int32_t ids[4] = {0};
		struct generate_result r = {.last = true, .ids = ids, .n = (int64_t)(size % 5), .logprob = -1};
		for (size_t i = 0; i < sizeof(ids) / sizeof(*ids) && i < size; i++)
			ids[i] = data[i];
		(void)!journal_add(j, &r, prompt, 2, NULL);
		journal_close(j, false);
		if ((f = fopen(path, "ab"))) {
			fwrite(data, 1, size, f);
			fclose(f);
			replay(path);
			replay(path);
		}
	}
	remove(path);
	return 0;
}
