/* test_repeats.c - repeated spans against their definition, for any memory. */
#include "unit.h"

#include "base/rng.h"
#include "text/repeats.h"

struct corpus {
	const uint32_t *symbols;
	int64_t n, ends[20], n_documents;
};

/* By definition: the window of `least` symbols at i repeats. */
static bool repeats(const struct corpus *c, int64_t least, bool every, int64_t i)
{
	for (int64_t d = 0, from = 0; d < c->n_documents; from = c->ends[d++])
		for (int64_t k = from; k + least <= c->ends[d]; k++)
			if (k != i && (every || k < i) && memcmp(c->symbols + i, c->symbols + k, (size_t)least * sizeof(*c->symbols)) == 0)
				return true;
	return false;
}

static void mark_by_definition(const struct corpus *c, int64_t least, bool every, uint8_t *marks)
{
	for (int64_t d = 0, start = 0; d < c->n_documents; start = c->ends[d++])
		for (int64_t i = start; i + least <= c->ends[d]; i++)
			if (repeats(c, least, every, i))
				memset(marks + i, 1, (size_t)least);
}

/* Symbols of a document as bytes in scratch, or as they are. */
static const void *document(const struct corpus *c, int64_t from, int64_t to, bool tokens, uint8_t *scratch)
{
	for (int64_t i = from; i < to && !tokens; i++)
		scratch[i - from] = (uint8_t)c->symbols[i];
	return tokens ? (const void *)(c->symbols + from) : scratch;
}

static void mark_by_program(const struct corpus *c, const struct repeats_options *o, uint8_t *marks)
{
	struct repeats *r = repeats_open(o);
	struct repeats_scratch x = {0};
	static uint8_t scratch[1 << 20];
	for (int64_t d = 0, from = 0; d < c->n_documents; from = c->ends[d++]) {
		struct buf anchors = {0};
		int64_t n = c->ends[d] - from, to = n;
		if (d + 1 < c->n_documents && d % 3 == 0)    /* two in a batch */
			to = c->ends[d + 1] - from;
		repeats_anchors(r, document(c, from, from + n, o->tokens, scratch), n, 0, &x, &anchors);
		if (to > n) {
			d++;
			repeats_anchors(r, document(c, from + n, from + to, o->tokens, scratch), to - n, n, &x, &anchors);
		}
		assert_int_equal(repeats_add(r, &anchors, to, NULL), OK);
		buf_release(&anchors);
	}
	assert_int_equal(repeats_added(r, NULL), OK);
	for (int64_t d = 0, from = 0; d < c->n_documents; from = c->ends[d++])
		assert_int_equal(repeats_review(r, document(c, from, c->ends[d], o->tokens, scratch), c->ends[d] - from, NULL), OK);
	assert_int_equal(repeats_reviewed(r, NULL), OK);
	for (int64_t d = 0, from = 0; d < c->n_documents; from = c->ends[d++]) {
		const struct repeats_span *spans;
		int64_t n, end = -1;
		assert_int_equal(repeats_spans(r, c->ends[d] - from, &spans, &n, NULL), OK);
		for (int64_t i = 0; i < n; end = spans[i++].to) {
			assert_true(spans[i].from > end && spans[i].to - spans[i].from >= o->least && spans[i].to <= c->ends[d] - from);
			memset(marks + from + spans[i].from, 1, (size_t)(spans[i].to - spans[i].from));
		}
	}
	repeats_scratch_release(&x);
	repeats_close(r);
}

static void agrees_with_definition(const struct corpus *c, int64_t least)
{
	for (int how = 0; how < 4; how++) {
		const struct repeats_options o = {.least = least, .every = how & 1, .tokens = how & 2, .memory = 1 << 20};
		uint8_t *want = mem_zalloc((size_t)c->n + 1), *got = mem_zalloc((size_t)c->n + 1);
		mark_by_definition(c, least, o.every, want);
		mark_by_program(c, &o, got);
		assert_memory_equal(want, got, (size_t)c->n);
		mem_free(want);
		mem_free(got);
	}
}

static void spans_are_those_of_the_definition(void **state)
{
	struct rng r = rng_open(2, 2);
	(void)state;
	for (int round = 0; round < 300 / SELDOM; round++) {
		uint32_t symbols[200];
		struct corpus c = {symbols, 0, {0}, (int64_t)rng_below(&r, 20)};
		uint64_t kinds = 1 + rng_below(&r, 4);
		for (int64_t d = 0; d < c.n_documents; d++) {
			uint64_t n = rng_below(&r, 4) ? rng_below(&r, 10) : 0;
			for (uint64_t i = 0; i < n; i++)
				symbols[c.n++] = (uint32_t)(round % 2 ? rng_below(&r, kinds) : 255 - rng_below(&r, kinds));
			c.ends[d] = c.n;
		}
		for (int64_t least = 1; least < 7; least++)
			agrees_with_definition(&c, least);
	}
}

/* Longer windows than a document's hashes are held of, copies within and across documents, periods, one letter, all of it. */
static void long_windows_too(void **state)
{
	struct rng r = rng_open(3, 3);
	uint32_t *symbols = mem_array(1 << 14, sizeof(*symbols));
	static const int64_t lengths[] = {17, 50, 100, 101, 999};
	(void)state;
	for (int round = 0; round < 12; round += SELDOM / 2 + 1) {
		struct corpus c = {symbols, 0, {0}, 4};
		for (int64_t d = 0; d < 4; d++) {
			for (int i = 0; i < 900; i++)
				symbols[c.n++] = (uint32_t)(round % 3 == 0 ? 7 : round % 3 == 1 ? (uint64_t)i % 61 : rng_below(&r, 200));
			for (int copy = 0; copy < 3 && round % 3 != 0; copy++) {
				int64_t n = (int64_t)rng_below(&r, 400), from = (int64_t)rng_below(&r, (uint64_t)(c.n - n));
				memcpy(symbols + c.n, symbols + from, (size_t)n * sizeof(*symbols));
				c.n += n;
			}
			c.ends[d] = c.n;
		}
		agrees_with_definition(&c, lengths[round % 5]);
	}
	mem_free(symbols);
}

/* What does not fit into the memory allowed is the same, too: a corpus of which half is a copy of the other. */
static void memory_does_not_matter(void **state)
{
	enum { HALF = 300000 };
	struct rng r = rng_open(4, 4);
	uint32_t *symbols = mem_array(2 * HALF, sizeof(*symbols));
	struct corpus c = {symbols, 2 * HALF, {HALF - 100000, HALF, 2 * HALF - 100000, 2 * HALF}, 4};
	(void)state;
	for (int i = 0; i < HALF; i++)
		symbols[i] = symbols[HALF + i] = (uint32_t)rng_below(&r, 256);
	symbols[HALF + 1000] ^= 1;
	uint8_t *large = mem_zalloc(2 * HALF), *small = mem_zalloc(2 * HALF);
	mark_by_program(&c, &(struct repeats_options){.least = 100, .memory = 1 << 30}, large);
	mark_by_program(&c, &(struct repeats_options){.least = 100, .memory = 1 << 18}, small);
	assert_memory_equal(large, small, 2 * HALF);
	for (int i = 0; i < 2 * HALF; i++)
		assert_int_equal(large[i], i >= HALF && i != HALF + 1000);
	mem_free(large);
	mem_free(small);
	mem_free(symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_those_of_the_definition), cmocka_unit_test(long_windows_too), cmocka_unit_test(memory_does_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
