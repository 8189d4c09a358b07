/* test_conformance.c - good streams with every word a lie and cut at every byte: an error, or rows that can all be walked; and of
 * streams with checksums, the rows that were written. tests/golden/conformance.bats has the lies one by one. */
#include "unit.h"

#include "stream/stream.h"

#include <dirent.h>
#include <stdlib.h>

/* What reading gives: the rows as JSON, or the status. Memory is limited, so that what is merely claimed is not allocated. */
static enum status read_all(const uint8_t *p, size_t n, struct buf *rows)
{
	struct error err = {0};
	struct input *in;
	struct reader *r;
	struct batch *b;
	uint8_t *copy = malloc(n ? n : 1); /* of its own size: reads past the end are seen */
	memcpy(copy, p, n);
	buf_clear(rows);
	assert_int_equal(input_open_memory(&in, "lie", copy, n, &err), OK);
	enum status st = reader_open_input(&r, in, NULL, &err);
	if (st == OK) {
		while ((st = reader_next(r, &b, &err)) == OK) {
			for (int64_t i = 0; i < b->rows && i < 256; i++) {
				struct json_writer w = json_writer_open(rows, 0);
				batch_json(b, i, &w);
				buf_char(rows, '\n');
			}
			batch_release(b);
		}
		reader_close(r);
	}
	free(copy);
	assert_true(st == END || st == ERR_DATA || st == ERR_UNSUPPORTED || st == ERR_MEMORY);
	if (st != END)
		assert_true(strlen(err.text) > 0);
	return st;
}

static bool has_checksums(const struct buf *good)
{
	return memmem(good->data, good->len, "quern.xxh3", 10) != NULL;
}

/* Every aligned word of 2, 4 and 8 bytes in turn as each of the numbers that break arithmetic. */
static int lie_everywhere(const struct buf *good, const struct buf *rows)
{
	static const uint64_t lies[] = {0, 1, 8, 0x7f, 0x7fffffff, 0x80000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff8,
					0xffffffffffffffff};
	struct buf bytes = {0}, got = {0};
	int accepted = 0;
	buf_add(&bytes, good->data, good->len);
	for (size_t width = 2; width <= 8; width *= 2)
		for (size_t at = 0; at + width <= good->len; at += width) {
			/* one lie in full files would take a minute: every third place and number, in turn */
			for (size_t k = at / width % 3; k < sizeof(lies) / sizeof(lies[0]); k += 3) {
				if (memcmp(good->data + at, &lies[k], width) == 0)
					continue;
				memcpy(bytes.data + at, &lies[k], width);
				if (read_all((const uint8_t *)bytes.data, bytes.len, &got) == END) {
					accepted++;
					if (has_checksums(good) && (got.len != rows->len || memcmp(got.data, rows->data, got.len) != 0))
						fail_msg("a lie of %zu bytes at %zu (number %zu) was believed", width, at, k);
				}
				memcpy(bytes.data + at, good->data + at, width);
			}
		}
	buf_release(&bytes);
	buf_release(&got);
	return accepted;
}

static void cut_everywhere(const struct buf *good)
{
	struct buf got = {0};
	for (size_t n = 0; n < good->len; n++)
		if (read_all((const uint8_t *)good->data, n, &got) == END)
			fail_msg("cut after %zu of %zu bytes, and taken for whole", n, good->len);
	buf_release(&got);
}

static void each(const char *dir, const char *prefix, void (*fn)(const struct buf *good, const struct buf *rows))
{
	struct dirent **names;
	struct error err;
	int n = scandir(dir, &names, NULL, alphasort), used = 0;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		const char *dot = strrchr(names[i]->d_name, '.');
		struct buf good = {0}, rows = {0};
		char *path = path_join(dir, names[i]->d_name);
		if (strncmp(names[i]->d_name, prefix, strlen(prefix)) == 0 && dot && strncmp(dot, ".arrow", 6) == 0) {
			assert_int_equal(file_read_all(path, 1 << 20, &good, &err), OK);
			if (good.len < 6000 && read_all((const uint8_t *)good.data, good.len, &rows) == END) {
				fn(&good, &rows);
				used++;
			}
		}
		buf_release(&good);
		buf_release(&rows);
		mem_free(path);
		free(names[i]);
	}
	free(names);
	assert_true(used > 1);
}

static void lie(const struct buf *good, const struct buf *rows)
{
	lie_everywhere(good, rows);
}

static void cut(const struct buf *good, const struct buf *rows)
{
	(void)rows;
	cut_everywhere(good);
}

static void every_word_that_lies_is_survived(void **state)
{
	(void)state;
	mem_limit((size_t)64 << 20);
	each("tests/conformance", "good", lie);
	each("tests/golden/data/stream", "foreign-", lie);
	mem_limit(0);
}

static void every_cut_is_seen(void **state)
{
	(void)state;
	each("tests/conformance", "good", cut);
	each("tests/golden/data/stream", "foreign-", cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_that_lies_is_survived),
		cmocka_unit_test(every_cut_is_seen),
	};
	return cmocka_run_group_tests_name("conformance", tests, NULL, NULL);
}
