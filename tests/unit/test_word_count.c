/* Tables of words against counting by place, counters with and without runs on disk against each other; lists of postings. */
#include "unit.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "token/postings.h"
#include "token/word_count.h"

#define DIFFERENT 3000

/* The i-th word: some with zero bytes, some that are the beginning of others, one longer than a chunk. */
static void word(int i, struct buf *b)
{
	buf_clear(b);
	buf_add(b, "\0\0\xff", (size_t)i % 4);
	buf_printf(b, "%d", i / 4);
	for (int k = 0; i == 77 && k < 100000; k++)
		buf_str(b, "long");
}

static void add_random(struct word_table *t, uint64_t seed, uint64_t *expected)
{
	struct rng r = rng_open(seed, 1);
	struct buf b = {0};

	for (int i = 0; i < 2 * DIFFERENT; i++) {
		int w = (int)rng_below(&r, DIFFERENT);
		uint64_t count = i % 100 ? 1 : UINT64_C(5000000000);

		word(w, &b);
		word_table_add(t, b.data, b.len, count);
		expected[w] += count;
	}
	buf_release(&b);
}

static void add_up(void *table, const char *p, size_t n, uint64_t count)
{
	size_t before = ((struct word_table *)table)->n;

	word_table_add(table, p, n, count);
	assert_int_equal(((struct word_table *)table)->n, before + 1); /* each word once */
}

static void assert_counts(struct word_table *t, const uint64_t *expected)
{
	struct buf b = {0};
	size_t n, least = 0, different = 0;
	uint64_t count;

	for (int w = 0; w < DIFFERENT; w++) {
		if (!expected[w])
			continue;
		word(w, &b);
		word_table_add(t, b.data, b.len, 0); /* a new word would show below */
		different++;
	}
	assert_int_equal(t->n, different);
	word_table_sort(t);
	for (size_t i = 0; i < t->n; i++) {
		const char *p = word_table_at(t, i, &n, &count);
		int w;

		if (i) {
			int c = memcmp(b.data, p, least < n ? least : n);
			assert_true(c < 0 || (c == 0 && least < n));
		}
		buf_clear(&b);
		buf_add(&b, p, least = n);
		for (w = 0; b.data[w] == 0 || b.data[w] == '\xff';)
			w++;
		w += 4 * atoi(b.data + w);
		assert_int_equal(count, expected[w]);
	}
	buf_release(&b);
}

static void a_table_counts(void **state)
{
	static uint64_t expected[DIFFERENT];
	struct word_table t = {0};

	(void)state;
	add_random(&t, 1, expected);
	assert_counts(&t, expected);
	word_table_release(&t);
}

static void counts_do_not_depend_on_the_bound(void **state)
{
	static const size_t bounds[] = {1 << 30, 2 << 20, 300000, 1};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct word_counter *c = word_counter_open(bounds[i]);
		struct word_table sum = {0};
		uint64_t *expected = mem_array(DIFFERENT, sizeof(*expected));

		for (uint64_t part = 0; part < 3; part++) {
			struct word_table t = {0};

			add_random(&t, part, expected);
			assert_int_equal(word_counter_add(c, &t, NULL), OK);
			word_table_release(&t);
		}
		assert_int_equal(word_counter_runs(c) > 0, i > 1);
		assert_int_equal(word_counter_drain(c, add_up, &sum, NULL), OK);
		assert_counts(&sum, expected);
		word_counter_close(c);
		word_table_release(&sum);
		mem_free(expected);
	}
}

static void no_words_are_none(void **state)
{
	struct word_counter *c = word_counter_open(1);
	struct word_table t = {0}, sum = {0};

	(void)state;
	assert_int_equal(word_counter_add(c, &t, NULL), OK);
	assert_int_equal(word_counter_drain(c, add_up, &sum, NULL), OK);
	assert_int_equal(sum.n, 0);
	word_counter_close(c);
	word_table_release(&sum);
}

static void a_file_that_cannot_be_made_is_an_error(void **state)
{
	struct word_counter *c = word_counter_open(1);
	struct word_table t = {0};
	struct error err;

	(void)state;
	word_table_add(&t, "a", 1, 1);
	setenv("TMPDIR", "/no/such/directory", 1);
	assert_int_equal(word_counter_add(c, &t, &err), ERR_IO);
	unsetenv("TMPDIR");
	assert_non_null(strstr(err.text, "/no/such/directory/quern."));
	word_counter_close(c);
	word_table_release(&t);
}

#define LISTS 500

/* Numbers of a list made from its seed. */
static size_t number(struct rng *r, size_t last, uint64_t i)
{
	return last + (size_t)(i % 3 ? rng_below(r, 300) : rng_below(r, UINT64_C(1) << 40));
}

static uint32_t write_list(struct postings *p, uint64_t seed, uint64_t n)
{
	struct posting_list l = {0};
	uint32_t block = 0;

	for (int pass = 0; pass < 2; pass++) {
		struct rng r = rng_open(seed, 2);
		size_t last = 0;
		bool any = false;

		if (pass) {
			block = postings_alloc(p, &l);
			posting_begin(&l, p, block);
		}
		for (uint64_t i = 0; i < n; i++) {
			size_t x = number(&r, last, i);

			if (!pass)
				assert_int_equal(posting_note(&l, x), !any || x != last);
			else if (!any || x != last)
				posting_write(&l, x);
			last = x;
			any = true;
		}
	}
	return block;
}

static const uint8_t *check_list(const struct postings *p, uint32_t block, uint64_t seed, uint64_t n)
{
	struct rng r = rng_open(seed, 2);
	uint64_t left, more, seen = 0;
	const uint8_t *at = postings_open(p, block, &left);
	size_t last = 0, x = 0;

	for (uint64_t i = 0; i < n; i++) {
		last = number(&r, last, i);
		if (seen && last == x)
			continue;
		at = varint_get(at, &more);
		x += more;
		assert_int_equal(x, last);
		seen++;
	}
	assert_int_equal(seen, left);
	return at;
}

static void lists_keep_their_numbers_while_others_come_and_go(void **state)
{
	struct postings p = {0};
	struct rng r = rng_open(3, 3);
	uint32_t block[LISTS] = {0};
	uint64_t seed[LISTS], n[LISTS];

	(void)state;
	for (uint64_t step = 0; step < 20000; step++) {
		int i = (int)rng_below(&r, LISTS);

		if (block[i]) {
			postings_free(&p, block[i], check_list(&p, block[i], seed[i], n[i]));
			block[i] = 0;
			continue;
		}
		seed[i] = step;
		n[i] = rng_below(&r, step % 50 ? 8 : 2000) + 1;
		block[i] = write_list(&p, seed[i], n[i]);
	}
	for (int i = 0; i < LISTS; i++)
		if (block[i])
			check_list(&p, block[i], seed[i], n[i]);
	assert_true(p.top < 2000000 / 4); /* what is free is used again */
	postings_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_counts),
		cmocka_unit_test(counts_do_not_depend_on_the_bound),
		cmocka_unit_test(no_words_are_none),
		cmocka_unit_test(a_file_that_cannot_be_made_is_an_error),
		cmocka_unit_test(lists_keep_their_numbers_while_others_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
