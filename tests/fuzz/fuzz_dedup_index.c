/* An index of dedup whose manifest holds any line (with its right checksum) and whose keys are any bytes. */
#include "base/file.h"
#include "base/hash.h"
#include "text/dedup_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Plainly: what must not be lost is not at stake. */
static void write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");
	if (f) {
		fwrite(p, 1, n, f);
		fclose(f);
	}
}

static void write_manifest(const char *dir, const uint8_t *line, size_t n)
{
	struct buf b = {0};
	char hash[33], *path = path_join(dir, "manifest");
	hash128_hex(line, n, hash);
	buf_add(&b, line, n);
	buf_printf(&b, "\n%s\n", hash);
	write_file(path, b.data, b.len);
	buf_release(&b);
	mem_free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char dir[] = "/tmp/quern-fuzz.XXXXXX";
	static bool made;
	struct dedup_index *x;
	uint64_t earlier, record[2] = {1, 1};
	size_t len;
	if (!made && !mkdtemp(dir))
		return 0;
	made = true;
	char *keys = path_join(dir, "keys-1"), *ids = path_join(dir, "ids-1"), *manifest = path_join(dir, "manifest");
	write_file(keys, data, n < 16 ? n : 16);
	write_file(ids, data, n < 9 ? n : 9);
	write_manifest(dir, data, n);
	if (dedup_index_open(&x, dir, "by text, exact with 0 put aside", NULL) == OK) {
		dedup_index_meet(x, record, &earlier, NULL);
		if (dedup_index_finish(x, NULL) == OK && earlier != DEDUP_INDEX_NONE)
			dedup_index_id(x, earlier, &len);
		dedup_index_close(x);
	}
	unlink(keys);
	unlink(ids);
	unlink(manifest);
	mem_free(keys);
	mem_free(ids);
	mem_free(manifest);
	return 0;
}
