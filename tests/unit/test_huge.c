/* test_huge.c - what is huge is read where it stands and given back as it is read: JSON's long strings, huge rows, repair. */
#include "unit.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/rng.h"
#include "stream/stream.h"
#include "text/mojibake.h"
#include "text/repair.h"

static void only_whole_pages_are_given_back(void **state)
{
	const size_t n = (size_t)3 << 20, from = 100, to = n - 4000;
	char *s = mem_alloc(n);
	size_t gone = from;
	(void)state;
	memset(s, 'x', n);
	mem_discard_behind(s, &gone, from + 1000);
	assert_int_equal(gone, from);            /* too little to be worth it */
	for (size_t at = from; at <= to; at += 300001)
		mem_discard_behind(s, &gone, at);
	mem_discard(s + gone, to - gone);
	for (size_t i = 0; i < n; i++)
		if ((i < from || i >= to) ? s[i] != 'x' : (i >= from + 4095 && i < to - 4095 && s[i]))
			fail_msg("byte %zu", i);
	mem_discard(s + 5, 0);
	mem_discard(s + 5, 100);
	assert_int_equal(s[5], 'x');
	mem_free(s);
}

/* --- JSON ----------------------------------------------------------------------------------------- */

static void random_string(struct rng *r, size_t most, unsigned flaws, struct buf *out)
{
	static const char *const good[] = {"a", "0123456789abcdef", "\\\\", "\\\"", "\\/", "\\n", "\\b\\f\\r\\t", "\\u0000", "\\u00e9", "\\u007F", "\\u20aC", "\\ud7ff",
					   "\\ue000", "\\uffff", "\\uD83D\\uDE00", "\\udbff\\udfff", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", ":", "{", "]", ",", " "};
	static const char *const bad[] = {"\\ud800", "\\udc00", "\\udc00\\ud800", "\\udc00\\udfff", "\\ud800\\ue000", "\\ud800\\u0041", "\\ud800\\ud800", "\\ud800\\", "\\x", "\\", "\\u12", "\\u12g4", "\\U0041", "\\u",
					  "\x01", "\n", "\x1f", "\"", "\xff", "\xc3", "\xe4\xb8", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\x80"};
	buf_char(out, '"');
	for (size_t n = rng_below(r, most); n > 0; n--) {
		if (flaws && rng_below(r, flaws) == 0)
			buf_str(out, bad[rng_below(r, sizeof(bad) / sizeof(*bad))]);
		else if (rng_below(r, 2))
			buf_char(out, (char)('a' + (int)rng_below(r, 26)));
		else
			buf_str(out, good[rng_below(r, sizeof(good) / sizeof(*good))]);
	}
	buf_char(out, '"');
}

static void random_value(struct rng *r, int depth, unsigned flaws, struct buf *out)
{
	static const char *const others[] = {"1", "-2.5e3", "true", "null", "18446744073709551615", "{}", "[]", "\"\""};
	static const char *const spaces[] = {"", "", " ", "\n\t", "\r "};
	uint64_t kind = rng_below(r, depth > 4 ? 4 : 8);
	buf_str(out, spaces[rng_below(r, 5)]);
	if (kind < 3) {
		random_string(r, rng_below(r, 3) ? 120 : 8, flaws, out);
	} else if (kind == 3) {
		buf_str(out, others[rng_below(r, 8)]);
	} else {
		bool object = kind < 6;
		buf_char(out, object ? '{' : '[');
		for (uint64_t n = rng_below(r, 4) + 1; n > 0; n--) {
			if (object) {
				random_string(r, rng_below(r, 4) ? 5 : 90, flaws, out);
				buf_str(out, spaces[rng_below(r, 5)]);
				buf_char(out, ':');
			}
			random_value(r, depth + 1, flaws, out);
			buf_str(out, n > 1 ? "," : "");
		}
		buf_char(out, object ? '}' : ']');
	}
	buf_str(out, spaces[rng_below(r, 5)]);
}

/* The same tree; with !now, long strings of b may be empty instead. Counts the strings of b that lie in s. */
static void trees_agree(const struct json *a, const struct json *b, bool now, const char *s, size_t n, int *in_place)
{
	assert_int_equal(a->type, b->type);
	if (a->type == JSON_STRING) {
		if (!now && b->len == 0)
			return;
		assert_int_equal(a->len, b->len);
		assert_memory_equal(a->str, b->str, a->len + 1);
		*in_place += b->str >= s && b->str < s + n;
	} else if (a->type == JSON_ARRAY || a->type == JSON_OBJECT) {
		assert_int_equal(a->len, b->len);
		for (size_t i = 0; i < a->len; i++) {
			if (a->type == JSON_OBJECT)
				trees_agree(&a->keys[i], &b->keys[i], true, s, n, in_place);
			trees_agree(&a->items[i], &b->items[i], now, s, n, in_place);
		}
	} else {
		assert_int_equal(a->integer, b->integer);
		assert_true(a->uinteger == b->uinteger && a->boolean == b->boolean && a->number == b->number);
	}
}

struct parsers {
	struct json_parser *one, *other;
	int good, bad, in_place, passed;         /* passed: looked at with !now, and found good though it is not */
};

/* Both parsers on the same text, in memory of its own size. */
static void parse_both_ways(struct parsers *p, const char *text, size_t n, size_t least, bool now)
{
	const struct json *a, *b;
	struct error err;
	char *s = malloc(n + JSON_PADDING);
	memcpy(s, text, n);
	memset(s + n, '"', JSON_PADDING);
	enum status want = json_parse(p->one, text, n, &a, &err), got = json_parse_long(p->other, s, n, least, now, &b, &err);
	if (want == OK && got == OK)
		trees_agree(a, b, now, s, n, &p->in_place);
	else if (now || want == OK)
		assert_int_equal(got, want);
	if (!now)
		assert_memory_equal(s, text, n);
	p->good += want == OK;
	p->bad += want != OK;
	p->passed += want != OK && got == OK;
	free(s);
}

static void long_strings_are_those_of_the_parser(void **state)
{
	struct parsers p = {.one = json_parser_open(), .other = json_parser_open()};
	struct rng r = rng_open(11, 0);
	struct buf text = {0};
	(void)state;
	for (int round = 0; round < 12000 / SELDOM; round++) {
		buf_clear(&text);
		random_value(&r, 0, round % 2 ? 300 : 0, &text);
		switch (rng_below(&r, 8)) {
		case 0:
			text.len = rng_below(&r, text.len + 1);
			break;
		case 1:
			buf_str(&text, rng_below(&r, 2) ? "\"" : "x");
			break;
		case 2:
			if (text.len)
				text.data[rng_below(&r, text.len)] = "\"\\:{ \0x"[rng_below(&r, 7)];
			break;
		}
		parse_both_ways(&p, text.data, text.len, 1 + rng_below(&r, 40), rng_below(&r, 3) > 0);
	}
	assert_true(p.good > 3000 / SELDOM && p.bad > 1000 / SELDOM && p.in_place > 3000 / SELDOM && p.passed > 50 / SELDOM);
	json_parser_close(p.one);
	json_parser_close(p.other);
	buf_release(&text);
}

static void flaws_of_a_long_string_are_found_wherever_they_are(void **state)
{
	static const char *const pieces[] = {"\\n", "\\uD83D\\uDE00", "\xc3\xa9", "\\ud800", "\\u12", "\\x", "\x02", "\xff", "\\", "\"", "\\\""};
	struct parsers p = {.one = json_parser_open(), .other = json_parser_open()};
	const size_t n = ((size_t)1 << 20) + 77;
	struct buf text = {0};
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
		for (size_t where = 0; where < 3; where++) {
			buf_clear(&text);
			buf_str(&text, "{\"a\":1,\"text\":\"");
			size_t from = text.len, k = strlen(pieces[i]);
			buf_reserve(&text, n);
			memset(text.data + from, 'x', n);
			text.len += n;
			memcpy(text.data + from + (where == 0 ? 0 : where == 1 ? n / 2 : n - k), pieces[i], k);
			buf_str(&text, "\"}");
			parse_both_ways(&p, text.data, text.len, (size_t)1 << 20, true);
		}
	assert_int_equal(p.good, 3 * 4);
	assert_int_equal(p.in_place, 3 * 4);
	json_parser_close(p.one);
	json_parser_close(p.other);
	buf_release(&text);
}

/* --- rows ------------------------------------------------------------------------------------------- */

struct pull {
	const struct buf *text;
	size_t at;
	struct rng r;
};

/* As a pipe gives it. */
static enum status pull_some(void *arg, void *to, size_t n, size_t *got, struct error *err)
{
	struct pull *p = arg;
	size_t most = rng_below(&p->r, 3) ? 1 + rng_below(&p->r, 5000) : n;
	(void)err;
	*got = p->text->len - p->at;
	*got = *got < n ? *got : n;
	*got = *got < most ? *got : most;
	memcpy(to, p->text->data + p->at, *got);
	p->at += *got;
	return OK;
}

/* All rows as JSON Lines, and the batches' sizes; how the reading ended. */
static enum status read_rows(const struct buf *text, bool pulled, size_t huge, struct buf *rows, struct buf *sizes)
{
	struct reader_options o = {.json_huge = huge};
	struct pull pull = {.text = text, .r = rng_open(3, text->len)};
	struct error err;
	struct input *in;
	struct reader *r;
	struct batch *b;
	buf_clear(rows);
	buf_clear(sizes);
	OK_OR_FAIL(pulled ? input_open_pull(&in, "x", pull_some, &pull, &err) : input_open_memory(&in, "x", text->data, text->len, &err));
	enum status st = reader_open_input(&r, in, &o, &err);
	if (st != OK)
		return st;
	assert_int_equal(pull.at > 0, pulled);
	while ((st = reader_next(r, &b, &err)) == OK) {
		for (int64_t i = 0; i < b->rows; i++) {
			struct json_writer w = json_writer_open(rows, 0);
			batch_json(b, i, &w);
			buf_char(rows, '\n');
		}
		buf_printf(sizes, "%lld ", (long long)b->rows);
		batch_release(b);
	}
	reader_close(r);
	return st;
}

static void put_row(struct rng *r, size_t n, struct buf *out)
{
	struct buf s = {0};
	random_string(r, n < 20 ? n : 20, 0, &s);
	buf_printf(out, "{\"id\":\"%llu\",\"note\":%s,\"text\":", (unsigned long long)rng_below(r, 1000), rng_below(r, 3) ? s.data : "null");
	buf_char(out, '"');
	for (size_t from = out->len; out->len - from < n;) {
		buf_clear(&s);
		random_string(r, 100, 0, &s);
		buf_add(out, s.data + 1, s.len - 2);
	}
	buf_char(out, '"');
	buf_str(out, rng_below(r, 2) ? ",\"n\":[1,2]}" : ",\"n\":[]}");
	buf_release(&s);
}

/* plan: a letter for each row, small or Huge; manner: what stands before, between and behind rows. */
static void expect_batches(const char *plan, const char *const manner[3], size_t least, const char *want)
{
	struct buf text = {0}, a = {0}, b = {0}, sizes = {0};
	struct rng r = rng_open(12, (uint64_t)strlen(plan));
	buf_str(&text, manner[0]);
	for (const char *p = plan; *p; p++) {
		put_row(&r, *p == 'H' ? least + rng_below(&r, least) : 10, &text);
		buf_str(&text, p[1] ? manner[1] : manner[2]);
	}
	assert_int_equal(read_rows(&text, false, SIZE_MAX, &a, &sizes), END);
	for (int pulled = 0; pulled < 2; pulled++) {
		assert_int_equal(read_rows(&text, pulled, least, &b, &sizes), END);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		assert_string_equal(sizes.data, want);
	}
	buf_release(&text);
	buf_release(&a);
	buf_release(&b);
	buf_release(&sizes);
}

static void a_huge_row_begins_a_batch(void **state)
{
	static const char *const manners[][3] = {{"", "\n", "\n"}, {"", "\n\n", ""}, {" [", " ,\n", "] "}, {"", " ", "\n"}};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const char *const *m = manners[i];
		expect_batches("Hss", m, 1500, "3 ");
		expect_batches("ssHss", m, 1500, "2 3 ");
		expect_batches("ssH", m, 1500, "2 1 ");
		expect_batches("HH", m, 1500, "1 1 ");
		expect_batches("sHHsH", m, 1500, "1 1 2 1 ");
		expect_batches("H", m, 1500, "1 ");
		expect_batches("sHsHHs", m, 400000, "1 2 1 2 ");     /* the first MiB is read twice */
	}
	expect_batches("sHs", manners[0], (size_t)8 << 20, "1 1 1 "); /* the line becomes the column */
}

static void a_flaw_of_a_huge_row_is_an_error_wherever_it_is(void **state)
{
	static const char *const rows[] = {"{\"text\":\"%s\\ud800\"}", "{\"text\":\"%s\",\"n\":}", "{\"text\":\"%s", "{\"text\":\"%s\"} x", "[\"%s\"]", "{\"m\":\"%s\"}", "\"%s\""};
	struct buf text = {0}, got = {0}, sizes = {0}, x = {0};
	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_char(&x, 'x');
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int before = 0; before < 2; before++) {
			buf_clear(&text);
			buf_str(&text, before ? "{\"text\":\"t\"}\n" : "");
			buf_printf(&text, rows[i], x.data);
			buf_str(&text, "\n{\"text\":\"t\"}\n");
			enum status want = read_rows(&text, false, 0, &got, &sizes);
			assert_int_equal(read_rows(&text, false, 500, &got, &sizes), want);
			assert_int_equal(want, strstr(rows[i], "\"m\"") ? END : ERR_DATA);
		}
	buf_release(&text);
	buf_release(&got);
	buf_release(&sizes);
	buf_release(&x);
}

/* --- repair ------------------------------------------------------------------------------------------- */

/* With consume, of memory of its own, as without; behind what is there, too. */
static void repairs_alike(const struct buf *text, unsigned flags)
{
	struct repair how = {.nfkc = flags & 1, .mojibake = flags & 2, .hyphens = flags & 4};
	struct buf want = {0}, got = {0};
	char *s = malloc(text->len + 1);         /* and a NUL, as texts have */
	memcpy(s, text->data, text->len);
	s[text->len] = 0;
	buf_str(&want, flags & 8 ? "before" : "");
	buf_str(&got, flags & 8 ? "before" : "");
	text_repair_as(&how, text->data, text->len, &want);
	how.consume = true;
	assert_true(text_repair_as(&how, s, text->len, &got));
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len + 1);
	free(s);
	buf_release(&want);
	buf_release(&got);
}

static void repair_gives_back_only_what_it_has_read(void **state)
{
	static const char *const pieces[] = {"plain words of a text ", "\n", "\r\n", " \t\r", "\n\n\n", "well-\n", "\xc2\xad\n", "\xc2\xad", "\xef\xbb\xbf", "\xc2\x85", "\xe2\x80\xa8", "e\xcc\x81",
					     "x\xcc\xa3\xcc\x87", "\xe2\x84\xab", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xc3\x83\xc2\xa9", "\xc3\x83\xc6\x92\xc3\x82\xc2\xa9",
					     "A\xc3\x83\xc2\xa0", "\xe4\xb8\xad\xe6\x96\x87", "\x01", "\xef\xac\x81", "\xc2\xa0 "};
	static const char *const all[] = {"\n", "\x01", "\xef\xbb\xbf", " ", "\xc3\x83\xc2\xa9", "\xc3\x83\xc6\x92\xc3\x82\xc2\xa9", "e\xcc\x81", "\xcc\x81", "\r\n", "-\n", "a", "\xe2\x84\xab"};
	struct rng r = rng_open(13, 0);
	struct buf text = {0};
	const size_t n = ((size_t)5 << 19) + 100;
	(void)state;
	for (unsigned round = 0; round < 8; round += SELDOM / 2 + 1) {
		buf_clear(&text);
		while (text.len < n) {
			const char *s = pieces[rng_below(&r, round % 4 ? sizeof(pieces) / sizeof(*pieces) : 1 + rng_below(&r, 4))];
			for (uint64_t times = rng_below(&r, 40) ? 1 : 1 + rng_below(&r, 100000) / strlen(s); times > 0; times--)
				buf_str(&text, s);
		}
		repairs_alike(&text, (round << 1 & 14) | (round == 5));
	}
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i += SELDOM / 2 + 1) {
		buf_clear(&text);
		while (text.len < n)
			buf_str(&text, all[i]);
		repairs_alike(&text, i & 1 ? 2 : 6);
		buf_str(&text, "\xc3\x83\xc2\xa9 e\xcc\x81");        /* and the only one of its kind behind them */
		repairs_alike(&text, 2);
	}
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_pages_are_given_back),
		cmocka_unit_test(long_strings_are_those_of_the_parser),
		cmocka_unit_test(flaws_of_a_long_string_are_found_wherever_they_are),
		cmocka_unit_test(a_huge_row_begins_a_batch),
		cmocka_unit_test(a_flaw_of_a_huge_row_is_an_error_wherever_it_is),
		cmocka_unit_test(repair_gives_back_only_what_it_has_read),
	};
	return cmocka_run_group_tests_name("huge", tests, NULL, NULL);
}
