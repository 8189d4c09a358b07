/* Event files of TensorBoard: checksums, records, and the values that a reader of the format finds. The whole is read back by
 * TensorBoard itself in tests/reference/check_tensorboard.py. */
#include "base/file.h"
#include "base/mem.h"
#include "train/tensorboard.h"
#include "unit.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static struct error err;

static void checksums_are_castagnolis(void **state)
{
	unsigned char zeros[32] = { 0 }, rising[32];

	(void)state;
	for (int i = 0; i < 32; i++)
		rising[i] = (unsigned char)i;
	/* RFC 3720, appendix B.4 */
	assert_int_equal(crc32c(zeros, 32), 0x8A9136AA);
	assert_int_equal(crc32c(rising, 32), 0x46DD794E);
	assert_int_equal(crc32c("123456789", 9), 0xE3069283);
	assert_int_equal(crc32c("", 0), 0);
}

static uint64_t little(const char *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return v;
}

static uint32_t masked(const char *p, size_t n)
{
	uint32_t v = crc32c(p, n);

	return (v >> 15 | v << 17) + 0xA282EAD8u;
}

/* The next record; *at moves behind it. */
static const char *next_record(const struct buf *file, size_t *at, size_t *n)
{
	const char *p = file->data + *at;

	assert_true(*at + 16 <= file->len);
	*n = (size_t)little(p, 8);
	assert_true(*n <= file->len - *at - 16);
	assert_int_equal(little(p + 8, 4), masked(p, 8));
	assert_int_equal(little(p + 12 + *n, 4), masked(p + 12, *n));
	*at += 16 + *n;
	return p + 12;
}

static void read_only_file(const char *dir, struct buf *b)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int files = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char *path;

		if (e->d_name[0] == '.')
			continue;
		assert_true(!strncmp(e->d_name, "events.out.tfevents.", 20));
		path = path_join(dir, e->d_name);
		assert_int_equal(file_read_all(path, 1 << 20, b, &err), OK);
		assert_int_equal(unlink(path), 0);
		mem_free(path);
		files++;
	}
	closedir(d);
	assert_int_equal(files, 1);
}

static void a_step_is_one_record_with_all_its_values(void **state)
{
	/* step 300; summary: two values of a tag and a float */
	static const char want[] = "\x10\xAC\x02" "\x2A\x1A" "\x0A\x0B\x0A\x04loss\x15\x00\x00\xC0\x3F" "\x0A\x0B\x0A\x04norm\x15\x00\x00\x00\xC0";
	char dir[] = "/tmp/quern-test.XXXXXX";
	struct tensorboard *tb;
	struct buf b = { 0 };
	size_t at = 0, n;
	const char *p;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tensorboard_open(&tb, dir, &err), OK);
	assert_int_equal(tensorboard_resume(tb, 299, &err), OK);
	tensorboard_scalar(tb, "loss", 1.5);
	tensorboard_scalar(tb, "norm", -2);
	assert_int_equal(tensorboard_end_step(tb, 300, &err), OK);
	tensorboard_close(tb);
	read_only_file(dir, &b);
	rmdir(dir);

	p = next_record(&b, &at, &n);        /* each begins with its time: a tag and eight bytes */
	assert_int_equal(n, 9 + 15);
	assert_memory_equal(p + 9, "\x1A\x0D" "brain.Event:2", 15);
	p = next_record(&b, &at, &n);
	assert_int_equal(n, 9 + 7);
	assert_memory_equal(p + 9, "\x10\xAC\x02\x3A\x02\x08\x01", 7);
	p = next_record(&b, &at, &n);
	assert_int_equal(n, 9 + sizeof(want) - 1);
	assert_int_equal(p[0], 9);
	assert_memory_equal(p + 9, want, sizeof(want) - 1);
	assert_int_equal(at, b.len);
	buf_release(&b);
}

static void a_directory_that_cannot_be_is_an_error(void **state)
{
	struct tensorboard *tb;

	(void)state;
	assert_int_equal(tensorboard_open(&tb, "/dev/null/x", &err), ERR_IO);
	assert_null(tb);
	tensorboard_close(tb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_are_castagnolis),
		cmocka_unit_test(a_step_is_one_record_with_all_its_values),
		cmocka_unit_test(a_directory_that_cannot_be_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
