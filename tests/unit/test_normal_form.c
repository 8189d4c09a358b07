/* Normal forms against utf8proc's own, and in linear time. */
#include "unit.h"

#include "base/rng.h"
#include "text/normal_form.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

static uint32_t character(struct rng *r)
{
	static const uint32_t some[] = {'a', 'e', ' ', 0xe9, 0xc5, 0x300, 0x301, 0x316, 0x323, 0x327, 0x345, 0x1e9b, 0xac00, 0x1100, 0x1161, 0x11a8, 0x212b, 0xfb01,
					0x3099, 0x304b, 0xf900, 0xfdfa, 0x1d15e, 0x110a5, 0x110ba, 0x0f73, 0x0344, 0xbd, 0x4e2d};
	uint32_t c;

	if (rng_below(r, 4))
		return some[rng_below(r, sizeof(some) / sizeof(*some))];
	do
		c = 1 + (uint32_t)rng_below(r, 0x2ffff);
	while (c >= 0xd800 && c < 0xe000);
	return c;
}

static void forms_are_those_of_utf8proc(void **state)
{
	static const int how[] = {UTF8PROC_COMPOSE, UTF8PROC_DECOMPOSE, UTF8PROC_COMPOSE | UTF8PROC_COMPAT, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
	struct rng r = rng_open(8, 1);

	(void)state;
	for (int round = 0; round < 20000; round++) {
		enum text_form form = (enum text_form)(round % 4);
		struct buf in = {0}, out = {0};
		utf8proc_uint8_t *want;

		for (uint64_t n = rng_below(&r, 40); n > 0; n--)
			text_append_char(&in, character(&r));
		buf_reserve(&in, 1);
		buf_reserve(&out, 1);
		utf8proc_ssize_t n = utf8proc_map((utf8proc_uint8_t *)in.data, (utf8proc_ssize_t)in.len, &want, (utf8proc_option_t)(UTF8PROC_STABLE | how[form]));
		assert_true(n >= 0);
		text_normalize(in.data, in.len, form, &out);
		assert_int_equal(out.len, n);
		assert_memory_equal(out.data, want, out.len);
		free(want);
		buf_release(&in);
		buf_release(&out);
	}
}

static void long_rows_of_marks_are_sorted_at_once(void **state)
{
	struct buf in = {0}, out = {0};

	(void)state;
	buf_str(&in, "x");
	for (int i = 0; i < 1000000; i++)
		text_append_char(&in, i % 2 ? 0x316 : 0x327);
	text_normalize(in.data, in.len, TEXT_NFC, &out);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, "x\xcc\xa7\xcc\xa7", 5);      /* class 202 before 220 */
	assert_memory_equal(out.data + out.len - 2, "\xcc\x96", 2);
	buf_release(&in);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_those_of_utf8proc),
		cmocka_unit_test(long_rows_of_marks_are_sorted_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
