/* Weight files: what is written reads back, three float types are widened exactly, and no header is trusted. */
#include "base/file.h"
#include "base/mem.h"
#include "model/safetensors.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64] = "/tmp/quern-safetensors-XXXXXX";
static struct error err;

/* Writes a file of this header and n data bytes; the length field says length (-1: the header's). */
static void put(const char *header, const void *data, size_t n, int64_t length)
{
	uint64_t size = length < 0 ? strlen(header) : (uint64_t)length;
	struct buf b = { 0 };

	for (int i = 0; i < 8; i++)
		buf_char(&b, (char)(size >> (8 * i)));
	buf_str(&b, header);
	buf_add(&b, data, n);
	OK_OR_FAIL(file_write_all(path, b.data, b.len, &err));
	buf_release(&b);
}

static enum status open_and_close(void)
{
	struct safetensors *f;
	enum status st = safetensors_open(&f, path, &err);

	safetensors_close(f);
	return st;
}

static void written_tensors_read_back(void **state)
{
	const float a[] = { 1, -2, 3.5f, 0, 5, 6 }, b[] = { 0.1f, NAN };
	const struct safetensors_part parts[] = { { "a", 2, { 2, 3 }, a, NULL, false }, { "b", 1, { 2, 1 }, b, NULL, false } };
	const char *const meta[] = { "format", "pt", NULL };
	const struct kernels *k = kernels_cpu();
	struct safetensors *f;
	float back[6];

	(void)state;
	OK_OR_FAIL(safetensors_write(path, parts, 2, meta, k, &err));
	OK_OR_FAIL(safetensors_open(&f, path, &err));
	assert_string_equal(safetensors_meta(f, "format"), "pt");
	assert_null(safetensors_meta(f, "other"));
	assert_null(safetensors_find(f, "c"));
	assert_int_equal(safetensors_find(f, "a")->n_dims, 2);
	assert_int_equal(safetensors_find(f, "a")->shape[1], 3);
	OK_OR_FAIL(safetensors_read(f, safetensors_find(f, "a"), 0, 6, k, back, &err));
	assert_memory_equal(back, a, sizeof(a));
	OK_OR_FAIL(safetensors_read(f, safetensors_find(f, "b"), 0, 2, k, back, &err));
	assert_memory_equal(back, b, sizeof(b));
	OK_OR_FAIL(safetensors_read(f, safetensors_find(f, "a"), 4, 2, k, back, &err));
	assert_memory_equal(back, a + 4, 8);
	assert_int_equal(safetensors_read(f, safetensors_find(f, "a"), 5, 2, k, back, &err), ERR_DATA);
	safetensors_close(f);
}

static void the_data_begins_at_a_multiple_of_eight(void **state)
{
	const float a[] = { 1 };
	const char *const meta[] = { "format", "pt", NULL };
	struct buf b = { 0 };

	(void)state;
	for (int i = 1; i < 10; i++) {
		char name[16] = "xxxxxxxxxxxxxxx";
		const struct safetensors_part part = { name, 1, { 1, 1 }, a, NULL, false };

		name[i] = 0;
		OK_OR_FAIL(safetensors_write(path, &part, 1, meta, kernels_cpu(), &err));
		buf_clear(&b);
		OK_OR_FAIL(file_read_all(path, 4096, &b, &err));
		assert_int_equal((uint8_t)b.data[0] % 8, 0);
		assert_int_equal(b.len, 8 + (uint8_t)b.data[0] + 4);
	}
	buf_release(&b);
}

static void half_and_bfloat_are_widened_exactly(void **state)
{
	/* 1, -2, largest, smallest subnormal, -0, infinity, one third */
	static const uint16_t half[] = { 0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x3555 };
	static const float half_want[] = { 1, -2, 65504, 0x1p-24f, -0.0f, INFINITY, 0x1.554p-2f };
	static const uint16_t brain[] = { 0x3f80, 0xc000, 0x7f80, 0x0001 };
	static const float brain_want[] = { 1, -2, INFINITY, 0x1p-133f };
	uint8_t data[22];
	struct safetensors *f;
	float v[7];

	(void)state;
	memcpy(data, half, 14);
	memcpy(data + 14, brain, 8);
	put("{\"h\":{\"dtype\":\"F16\",\"shape\":[7],\"data_offsets\":[0,14]},"
	    "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[14,22]}}", data, 22, -1);
	OK_OR_FAIL(safetensors_open(&f, path, &err));
	OK_OR_FAIL(safetensors_read(f, safetensors_find(f, "h"), 0, 7, kernels_cpu(), v, &err));
	assert_memory_equal(v, half_want, sizeof(half_want));
	OK_OR_FAIL(safetensors_read(f, safetensors_find(f, "b"), 0, 4, kernels_cpu(), v, &err));
	assert_memory_equal(v, brain_want, sizeof(brain_want));
	safetensors_close(f);
}

static void other_types_are_refused_when_read(void **state)
{
	struct safetensors *f;
	float v[2];

	(void)state;
	put("{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", "01234567", 8, -1);
	OK_OR_FAIL(safetensors_open(&f, path, &err));
	assert_int_equal(safetensors_read(f, safetensors_find(f, "x"), 0, 1, kernels_cpu(), v, &err), ERR_UNSUPPORTED);
	safetensors_close(f);
}

static void hostile_headers_are_data_errors(void **state)
{
	static const char *const headers[] = {
		"", "[]", "{\"a\":1}", "{", "{\"a\":{}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}",
		"{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		"\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		"\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
		"{\"__metadata__\":{\"x\":1}}", "{\"__metadata__\":[]}", "{\"\xff\":{}}",
		"{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		put(headers[i], "01234567", 8, -1);
		assert_int_equal(open_and_close(), ERR_DATA);
	}
	put("{}", "", 0, 1 << 30);
	assert_int_equal(open_and_close(), ERR_DATA);
	put("{}", "", 0, INT64_MAX);
	assert_int_equal(open_and_close(), ERR_DATA);
	OK_OR_FAIL(file_write_all(path, "abc", 3, &err));
	assert_int_equal(open_and_close(), ERR_DATA);
}

static void every_truncation_is_a_data_error(void **state)
{
	const float a[] = { 1, 2, 3 };
	const struct safetensors_part part = { "a", 1, { 3, 1 }, a, NULL, false };
	const char *const meta[] = { NULL };
	struct buf b = { 0 };

	(void)state;
	OK_OR_FAIL(safetensors_write(path, &part, 1, meta, kernels_cpu(), &err));
	OK_OR_FAIL(file_read_all(path, 4096, &b, &err));
	for (size_t n = 0; n < b.len; n++) {
		OK_OR_FAIL(file_write_all(path, b.data, n, &err));
		assert_int_equal(open_and_close(), ERR_DATA);
	}
	buf_char(&b, 0);
	OK_OR_FAIL(file_write_all(path, b.data, b.len, &err));
	assert_int_equal(open_and_close(), ERR_DATA);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_tensors_read_back),
		cmocka_unit_test(the_data_begins_at_a_multiple_of_eight),
		cmocka_unit_test(half_and_bfloat_are_widened_exactly),
		cmocka_unit_test(other_types_are_refused_when_read),
		cmocka_unit_test(hostile_headers_are_data_errors),
		cmocka_unit_test(every_truncation_is_a_data_error),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
