/* test_roff.c - manual pages that no one would write (the well-formed ones are in import.bats). */
#include "text/roff.h"
#include "text/unicode.h"
#include "unit.h"

#include <stdlib.h>

/* The text of a page of exactly n bytes, so that a read past them is seen. */
static void expect_n(const char *page, size_t n, const char *want)
{
	char *copy = malloc(n + !n);
	struct buf out = {0};

	memcpy(copy, page, n);
	roff_text(copy, n, &out);
	assert_string_equal(out.data ? out.data : "", want);
	assert_int_equal(text_valid_prefix(out.data ? out.data : "", out.len), out.len);
	buf_release(&out);
	free(copy);
}

static void expect(const char *page, const char *want)
{
	expect_n(page, strlen(page), want);
}

static void an_escape_takes_whole_characters(void **state)
{
	(void)state;
	expect("a\\\xc3\xa4z", "az");                      /* no such escape */
	expect("a\\f\xe2\x82\xacz", "az");                  /* a font of this name */
	expect("a\\(x\xf0\x9f\x8c\xbez", "az");              /* a glyph of two bytes, one of them a character's first */
	expect("a\\h\xc3\xa4" "12\xc3\xa4z", "az");          /* quotes */
	expect("a\\*\xc3\xa4z", "az");
	expect(".TS\ntab(\xc3\xa4) ;\nl l.\na\xc3\xa4" "b\n.TE\n", "a\xc3\xa4" "b");
}

static void an_empty_request_is_none(void **state)
{
	(void)state;
	expect_n(".\"", 2, "");
	expect_n(".\"\"", 3, "");
	expect_n("\\", 1, "");
	expect_n("", 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_escape_takes_whole_characters),
		cmocka_unit_test(an_empty_request_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
