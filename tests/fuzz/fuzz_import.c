/* fuzz_import.c - any bytes as a file to import: recognised, unpacked, cut into records; texts that come out are valid UTF-8. */
#include "base/file.h"
#include "stream/csv.h"
#include "text/import_extract.h"
#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_BYTES_MAX ((size_t)1 << 16)
#define RECORDS_MAX 20000                /* an archive may hold one record many times */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_input(void *arg, const struct provenance_input *in)
{
	(void)arg;
	(void)in;
}

static void look(const struct chunk *c, const struct raw *r, struct extracted *e, struct arena *a)
{
	struct json *fields;

	if (r->reason || r->form == RAW_JSON)
		return;
	if (r->form == RAW_CSV) {
		csv_fields(c->data.data + r->at, r->n, r->header->delimiter, a, &fields);
		arena_reset(a);
	} else if (!import_extract(c, r, HTML_MAIN, RECORD_BYTES_MAX, e) && e->text.len &&
		   text_valid_prefix(e->text.data, e->text.len) != e->text.len) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	const char *paths[] = { path };
	struct import_options o = { .max_bytes = RECORD_BYTES_MAX, .paths = paths, .n_paths = 1, .input = one_input };
	struct extracted e = {0};
	struct arena a = {0};
	struct chunk *c;
	int64_t records = 0;

	snprintf(path, sizeof(path), "/tmp/quern-fuzz-import.%d", (int)getpid());
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
		abort();
	struct import_source *s = import_source_open(&o);
	while (records < RECORDS_MAX && import_source_next(s, &c, NULL) == OK) {
		for (int64_t i = 0; i < c->n; i++)
			look(c, &c->v[i], &e, &a);
		records += c->n;
		chunk_free(c);
	}
	import_source_close(s);
	extracted_release(&e);
	arena_release(&a);
	unlink(path);
	return 0;
}
