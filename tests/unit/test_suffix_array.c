/* test_suffix_array.c - suffix arrays against suffixes sorted by qsort, repeated spans against their definition. */
#include "unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "text/repeats.h"
#include "text/suffix_array.h"

#include <stdlib.h>

static const uint8_t *text_now;
static size_t n_now;

static int by_suffix(const void *x, const void *y)
{
	int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
	size_t na = n_now - (size_t)a, nb = n_now - (size_t)b;
	int c = memcmp(text_now + a, text_now + b, na < nb ? na : nb);
	return c ? c : na < nb ? -1 : 1;
}

static void sorts_as_qsort(const uint8_t *text, size_t n)
{
	int32_t *sa = mem_array(n, sizeof(*sa)), *want = mem_array(n, sizeof(*want));
	int64_t *wide = mem_array(n, sizeof(*wide));
	text_now = text;
	n_now = n;
	for (size_t i = 0; i < n; i++)
		want[i] = (int32_t)i;
	qsort(want, n, sizeof(*want), by_suffix);
	assert_int_equal(suffix_array32(text, (int32_t)n, sa, NULL), OK);
	assert_int_equal(suffix_array64(text, (int64_t)n, wide, NULL), OK);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sa[i], want[i]);
		assert_int_equal(wide[i], want[i]);
	}
	mem_free(sa);
	mem_free(want);
	mem_free(wide);
}

static void suffixes_are_in_order(void **state)
{
	uint8_t text[3000];
	struct rng r = rng_open(1, 1);
	(void)state;
	static const char *const words[] = {"a", "ab", "ba", "banana", "mmiissiissiippii", "abracadabra", "zzzz", "abababab", "cba", "abc"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sorts_as_qsort((const uint8_t *)words[i], strlen(words[i]));
	sorts_as_qsort(text, 0);
	for (int round = 0; round < 400; round++) {
		size_t n = 1 + rng_below(&r, round % 40 ? 60 : 3000);
		uint64_t kinds = round % 4 == 0 ? 2 : round % 4 == 1 ? 3 : round % 4 == 2 ? 26 : 256;
		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)(kinds == 256 ? 255 - rng_below(&r, kinds) : 'a' + rng_below(&r, kinds));
		sorts_as_qsort(text, n);
	}
}

/* Repetitions of repetitions, which send the recursion to its depth: Fibonacci's word, squares, one letter. */
static void repetitions_are_in_order(void **state)
{
	struct buf fib = {0}, before = {0};
	(void)state;
	buf_str(&fib, "ab");
	buf_str(&before, "a");
	while (fib.len < 3000) {
		size_t n = fib.len;
		buf_add(&fib, before.data, before.len);
		buf_clear(&before);
		buf_add(&before, fib.data, n);
	}
	sorts_as_qsort((const uint8_t *)fib.data, fib.len);
	memset(fib.data, 'x', fib.len);
	sorts_as_qsort((const uint8_t *)fib.data, fib.len);
	for (size_t i = 0; i < fib.len; i++)
		fib.data[i] = "the same words again and "[i % 25];
	sorts_as_qsort((const uint8_t *)fib.data, fib.len);
	buf_release(&fib);
	buf_release(&before);
}

/* By definition: the window of `least` bytes at i repeats. */
static bool repeats(const struct repeats_corpus *c, int64_t least, bool every, int64_t i)
{
	for (int64_t d = 0, from = 0; d < c->n_documents; from = c->ends[d++])
		for (int64_t k = from; k + least <= c->ends[d]; k++)
			if (k != i && (every || k < i) && memcmp(c->text + i, c->text + k, (size_t)least) == 0)
				return true;
	return false;
}

static void agrees_with_definition(const struct repeats_corpus *c, int64_t least, bool every)
{
	uint64_t *starts;
	uint8_t *want = mem_zalloc((size_t)c->n + 1), *got = mem_zalloc((size_t)c->n + 1);
	int64_t from, to;
	assert_int_equal(repeats_find(c, least, every, &starts, NULL), OK);
	for (int64_t d = 0, start = 0; d < c->n_documents; start = c->ends[d++]) {
		for (int64_t i = start; i + least <= c->ends[d]; i++)
			if (repeats(c, least, every, i))
				memset(want + i, 1, (size_t)least);
		for (int64_t at = start; repeats_span(starts, least, at, c->ends[d], &from, &to); at = to) {
			assert_true(from >= at && to <= c->ends[d] && to - from >= least);
			memset(got + from, 1, (size_t)(to - from));
		}
	}
	assert_memory_equal(want, got, (size_t)c->n);
	mem_free(starts);
	mem_free(want);
	mem_free(got);
}

static void spans_are_those_of_the_definition(void **state)
{
	struct rng r = rng_open(2, 2);
	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint8_t text[200];
		int64_t ends[20];
		struct repeats_corpus c = {text, 0, ends, (int64_t)rng_below(&r, 20)};
		uint64_t kinds = 1 + rng_below(&r, 4);
		for (int64_t d = 0; d < c.n_documents; d++) {
			uint64_t n = rng_below(&r, 4) ? rng_below(&r, 10) : 0;
			for (uint64_t i = 0; i < n; i++)
				text[c.n++] = (uint8_t)(round % 2 ? rng_below(&r, kinds) : 255 - rng_below(&r, kinds));
			ends[d] = c.n;
		}
		for (int64_t least = 1; least < 7; least++) {
			agrees_with_definition(&c, least, false);
			agrees_with_definition(&c, least, true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suffixes_are_in_order), cmocka_unit_test(repetitions_are_in_order),
		cmocka_unit_test(spans_are_those_of_the_definition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
