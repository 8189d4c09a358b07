/* WARC heads that crawlers write, bodies, resynchronisation; HTTP chunks and encodings. */
#include "text/warc.h"
#include "unit.h"

static enum status next(struct input *in, struct warc_record *r)
{
	return warc_next(in, 1000, r, NULL);
}

static void records_come_with_their_heads(void **state)
{
	(void)state;
	static const char text[] =
		"WARC/0.18\nWARC-Type: response\nWARC-Target-URI: http://a/\nContent-Length: 3\n\nabc\n\n\n"
		"WARC/1.1\r\nwarc-type: conversion\r\nWARC-Target-URI: <http://b/>\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n\r\n"
		"junk\nmore junk\n"
		"WARC/1.0\r\nWARC-Type: resource\r\n\r\n"
		"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 1001\r\n\r\n";
	struct buf all = {0};
	struct input *in;
	struct warc_record r = {0};
	buf_str(&all, text);
	for (int i = 0; i < 1001; i++)
		buf_char(&all, 'x');
	assert_int_equal(input_open_memory(&in, "warc", all.data, all.len, NULL), OK);
	assert_int_equal(next(in, &r), OK);
	assert_null(r.bad);
	assert_string_equal(r.type.data, "response");
	assert_string_equal(r.body.data, "abc");
	assert_int_equal(next(in, &r), OK);
	assert_string_equal(r.uri.data, "http://b/");
	assert_string_equal(r.content_type.data, "text/plain");
	assert_int_equal(next(in, &r), OK);
	assert_string_equal(r.bad, "bad_warc");
	assert_int_equal(next(in, &r), OK);
	assert_string_equal(r.bad, "bad_warc");
	assert_int_equal(next(in, &r), OK);
	assert_string_equal(r.bad, "too_large");
	assert_int_equal(next(in, &r), END);
	input_close(in);
	assert_int_equal(input_open_memory(&in, "warc", text, 70, NULL), OK);
	assert_int_equal(next(in, &r), ERR_DATA);
	input_close(in);
	warc_record_release(&r);
	buf_release(&all);
}

static void expect_body(const char *response, const char *want)
{
	struct http_response h = {0};
	assert_true(http_parse(response, strlen(response), 1000, &h));
	assert_int_equal(h.status, 200);
	assert_string_equal(h.body.data, want);
	buf_release(&h.body);
}

static void chunks_are_joined(void **state)
{
	(void)state;
	expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde");
	expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut", "cut");
	expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<p>joined already", "<p>joined already");
	expect_body("HTTP/1.0 200 OK\nA: b\n\nplain", "plain");
}

static void content_types_are_split(void **state)
{
	(void)state;
	char type[64], charset[32];
	const char *s = "Text/HTML; charset=\"ISO-8859-2\"; x";
	http_content_type(s, strlen(s), type, charset);
	assert_string_equal(type, "text/html");
	assert_string_equal(charset, "ISO-8859-2");
	http_content_type("", 0, type, charset);
	assert_string_equal(type, "");
	assert_string_equal(charset, "");
	http_content_type("a/b;", 4, type, charset);
	assert_string_equal(type, "a/b");
}

static void what_is_no_response_is_refused(void **state)
{
	(void)state;
	struct http_response h = {0};
	const char *broken = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08 not gzip at all";
	assert_false(http_parse("GET / HTTP/1.1\r\n\r\n", 18, 1000, &h));
	assert_false(http_parse("", 0, 1000, &h));
	assert_false(http_parse(broken, strlen(broken), 1000, &h));
	buf_release(&h.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_with_their_heads),
		cmocka_unit_test(chunks_are_joined),
		cmocka_unit_test(content_types_are_split),
		cmocka_unit_test(what_is_no_response_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
