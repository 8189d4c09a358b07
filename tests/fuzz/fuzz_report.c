/* fuzz_report.c - any bytes as an operand of quern report, as a run's metrics and as a model's provenance: a page in both forms, or an error. */
#include "report/sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_whole(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (f) {
		fwrite(p, 1, n, f);
		fclose(f);
	}
}

static void report(const char *path)
{
	struct section_options o = { .smooth = 0.9, .rows = 2, .seed = 1 };
	struct error err;

	for (int form = PAGE_HTML; form <= PAGE_MARKDOWN; form++) {
		struct inputs in = { .rows = 2 };
		struct buf out = { 0 };
		struct page p;

		page_init(&p, (enum page_form)form);
		if (inputs_read(&in, path, &err) == OK) {
			inputs_name_models(&in);
			p.title = "t";
			p.subtitle = path;
			if (sections_write(&p, &in, &o, &err) == OK)
				page_finish(&p, &out);
		}
		page_release(&p);
		inputs_release(&in);
		buf_release(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/quern-fuzz-report.XXXXXX", path[4][64];
	static const char *const names[] = { "operand", "trainer", "trainer/metrics.jsonl", "provenance.json" };

	if (!mkdtemp(dir))
		return 0;
	for (int i = 0; i < 4; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%s", dir, names[i]);
	write_whole(path[0], data, size);
	report(path[0]);
	if (mkdir(path[1], 0777) == 0)
		write_whole(path[2], data, size);
	report(dir);
	remove(path[2]);
	write_whole(path[3], data, size);
	report(dir);
	remove(path[3]);
	for (int i = 2; i >= 0; i--)
		remove(path[i]);
	remove(dir);
	return 0;
}
