/* test_html.c - pages to text, encodings, and pages made to hurt. */
#include "unit.h"

#include "text/charset.h"
#include "text/html.h"

static struct html_page page;

static const char *extract(const char *html, enum html_mode mode)
{
	assert_int_equal(html_extract(html, strlen(html), mode, &page, NULL), OK);
	return page.text.data ? page.text.data : "";
}

#define LONG "This sentence is long enough to be taken for the content of a page, since it has more than sixteen words in it."

static void main_content_is_told_from_navigation(void **state)
{
	(void)state;
	assert_string_equal(extract("<!doctype html><html lang=en-GB><head><title> A\n title </title><script>x<p>y</script></head><body>"
				    "<nav><a href=/>Home</a></nav><div class='cookie-banner'>" LONG "</div><h1>Head &amp; line</h1><p>" LONG "</p><p>"
				    LONG "</p><p>" LONG "</p><p>" LONG "</p><footer>" LONG "</footer></body>", HTML_MAIN),
			    "Head & line\n\n" LONG "\n\n" LONG "\n\n" LONG "\n\n" LONG);
	assert_string_equal(page.title.data, "A title");
	assert_string_equal(page.lang.data, "en-GB");
}

static void structure_becomes_lines(void **state)
{
	(void)state;
	assert_string_equal(extract("<ul><li>one</li><li>two <b>b</b>old</li></ul><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"
				    "<pre>x\n  y</pre><p>l1<br>l2", HTML_ALL),
			    "- one\n- two bold\n\na | b\nc\n\nx\n  y\n\nl1\nl2");
	assert_string_equal(extract("<p>a<p hidden>b<p style='display:none'>c<p>d", HTML_ALL), "a\n\nd");
	assert_string_equal(extract("", HTML_MAIN), "");
}

/* n times s in front of tail. */
static enum status repeated(const char *s, size_t n, const char *tail)
{
	struct buf b = {0};
	for (size_t i = 0; i < n; i++)
		buf_str(&b, s);
	buf_str(&b, tail);
	enum status st = html_extract(b.data, b.len, HTML_MAIN, &page, NULL);
	buf_release(&b);
	return st;
}

static void pages_made_to_hurt_are_refused_or_read(void **state)
{
	(void)state;
	assert_int_equal(repeated("<div>", 300000, ""), ERR_DATA);
	assert_int_equal(repeated("<div></x>", 300000, ""), ERR_DATA);
	assert_int_equal(repeated("<b x=1>", 100000, ""), ERR_DATA);
	assert_int_equal(repeated("<div>", 3000, "deep"), OK);
	assert_int_equal(repeated("<p>", 300000, "x"), OK);
	assert_int_equal(repeated("<p>x</p>", 100000, ""), OK);
	assert_int_equal(repeated("<div", 100000, ">"), OK);
	struct buf attributes = {0};
	buf_str(&attributes, "<div ");
	for (int i = 0; i < 100000; i++)
		buf_printf(&attributes, "a%d ", i);
	buf_str(&attributes, ">");
	assert_int_equal(html_extract(attributes.data, attributes.len, HTML_MAIN, &page, NULL), ERR_DATA);
	buf_release(&attributes);
}

static void pages_are_known_by_their_start(void **state)
{
	(void)state;
	assert_true(html_looks_like("\n<!DOCTYPE html>", 16));
	assert_true(html_looks_like("<!-- c --><html lang=a>", 23));
	assert_false(html_looks_like("a < b", 5));
	assert_false(html_looks_like("<htmlx>", 7));
	assert_false(html_looks_like("", 0));
}

static void converts(const char *in, size_t n, const char *hint, const char *want, int64_t bad, const char *name)
{
	struct buf out = {0};
	char used[32];
	int64_t replaced;
	assert_int_equal(text_to_utf8(in, n, hint, &out, &replaced, used, NULL), OK);
	assert_string_equal(out.data ? out.data : "", want);
	assert_int_equal(replaced, bad);
	assert_string_equal(used, name);
	buf_release(&out);
}

static void encodings_are_found(void **state)
{
	(void)state;
	converts("\xef\xbb\xbf\xc3\xa9", 5, "latin1", "\xc3\xa9", 0, "utf-8");
	converts("\xff\xfe" "a\0\xe9\0", 6, NULL, "a\xc3\xa9", 0, "UTF-16LE");
	converts("\xe9\x80", 2, NULL, "\xc3\xa9\xe2\x82\xac", 0, "windows-1252");
	converts("\xe9", 1, "ISO-8859-1", "\xc3\xa9", 0, "windows-1252");
	converts("<meta charset=\"koi8-r\">\xc1", 24, NULL, "<meta charset=\"koi8-r\">\xd0\xb0", 0, "koi8-r");
	converts("\xc3\xa9", 2, "no-such-charset", "\xc3\xa9", 0, "utf-8");
	converts("a\xff" "b", 3, "utf-8", "a\xef\xbf\xbd" "b", 1, "utf-8");
	converts("\xff\xfe" "a\0\x00", 5, NULL, "a\xef\xbf\xbd", 1, "UTF-16LE");
	converts("", 0, NULL, "", 0, "utf-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(main_content_is_told_from_navigation), cmocka_unit_test(structure_becomes_lines),
		cmocka_unit_test(pages_made_to_hurt_are_refused_or_read), cmocka_unit_test(pages_are_known_by_their_start),
		cmocka_unit_test(encodings_are_found),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	html_page_clear(&page);
	return failed;
}
