/* An index of dedup whose manifest holds any line (with its right checksum) and whose keys are any bytes. */
#include "base/file.h"
#include "base/hash.h"
#include "text/dedup_index.h"

#include <stdio.h>
#include <stdlib.h>

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

/* Opens it with or without sets of shingles, and asks for all that one key leads to. */
static void read_index(const char *dir, bool sets)
{
	struct dedup_index *x;
	struct dedup_index_rows found = {0};
	uint64_t record[2] = {1, 1};
	size_t len;
	if (dedup_index_open(&x, dir, "by text, exact with 0 put aside", sets, NULL) != OK)
		return;
	if (dedup_index_find(x, record, &found, NULL) == OK && dedup_index_finish(x, NULL) == OK)
		for (uint32_t i = 0; i < found.n; i++) {
			dedup_index_id(x, found.rows[i], &len);
			if (sets)
				dedup_index_set(x, found.rows[i], &len);
		}
	mem_free(found.rows);
	dedup_index_close(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct { const char *name; size_t most; } files[] = {{"keys-1", 16}, {"ids-1", 9}, {"sets-1", 17}};
	static char dir[] = "/tmp/quern-fuzz.XXXXXX";
	static bool made;
	if (!made && !mkdtemp(dir))
		return 0;
	made = true;
	for (int sets = 0; sets < 2; sets++) {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			char *path = path_join(dir, files[i].name);
			write_file(path, data, n < files[i].most ? n : files[i].most);
			mem_free(path);
		}
		write_manifest(dir, data, n);        /* an open index drops files that are not named there */
		read_index(dir, sets);
	}
	return 0;
}
