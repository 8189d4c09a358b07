/* test_flooding.c - texts whose hashes were made to collide take no more steps in a table than others.
 *
 * Tables are those of --exact and --against; all other keys (of bands, paragraphs, lines and spans) are sorted by digits, which takes the same
 * time whatever they are: test_sorter.c has equal ones.
 *
 * Texts are looked for, by trying, whose XXH3 hashes agree in the bits that a table without a secret would take for a place. What is counted is
 * slots that were looked at, not seconds. */
#include "unit.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "text/against.h"
#include "text/seen.h"

#include <stdlib.h>
#include <unistd.h>

#define TEXTS 4096
#define BITS 10                      /* that agree: TEXTS << BITS texts are tried */
#define STEPS 4                      /* behind the first slot, for a key, on average: three would be chance at three quarters full */

enum part { LOW, HIGH, ONE };        /* halves of XXH3-128; XXH3-64 */

struct text {
	char word[24];
	uint64_t key[3];             /* by part */
};

/* A word of its number, of letters alone. */
static size_t spell(uint64_t n, char out[24])
{
	size_t len = 0;
	do
		out[len++] = (char)('a' + n % 26);
	while (n /= 26);
	out[len] = 0;
	return len;
}

/* Texts of which the upper or the lower bits of a hash are zero. */
static void find_texts(struct text *t, enum part part, bool upper)
{
	int n = 0;
	for (uint64_t i = 0; n < TEXTS; i++) {
		size_t len = spell(i, t[n].word);
		hash128(t[n].word, len, t[n].key);
		t[n].key[ONE] = hash64(t[n].word, len);
		if ((upper ? t[n].key[part] >> (64 - BITS) : t[n].key[part] & ((1 << BITS) - 1)) == 0)
			n++;
	}
}

static uint64_t steps_of(const uint64_t (*keys)[2], uint32_t n)
{
	struct seen *s = seen_open(1 << 24);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(seen_room(s, 1));
		assert_int_equal(seen_meet(s, keys[i], i), i);
	}
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(seen_meet(s, keys[i], n + i), i);
	struct seen_stats stats = seen_stats(s);
	assert_int_equal(stats.keys, n);
	assert_int_equal(stats.repeated, n);
	seen_close(s);
	return stats.steps;
}

static void texts_that_collide_take_no_more_steps(void **state)
{
	static struct text t[TEXTS];
	static uint64_t keys[TEXTS][2];
	(void)state;
	for (int part = LOW; part <= HIGH; part++)
		for (int upper = 0; upper < 2; upper++) {
			find_texts(t, part, upper);
			for (int i = 0; i < TEXTS; i++)
				memcpy(keys[i], t[i].key, sizeof(keys[i]));
			assert_in_range(steps_of((const uint64_t (*)[2])keys, TEXTS), 0, 2 * STEPS * TEXTS);
		}
}

/* What nobody could find by trying, but perhaps by arithmetic: keys that differ in twelve bits only, or by a constant. */
static void keys_that_are_nearly_equal_take_no_more_steps(void **state)
{
	static uint64_t keys[TEXTS][2];
	(void)state;
	for (int shift = 0; shift <= 52; shift += 4)
		for (uint64_t step = 1; step; step = step == 1 ? 0x9e3779b97f4a7c15u : 0)
			for (int half = 0; half < 2; half++) {
				if (half == 0 && shift + 12 > 32)
					continue;            /* bits that do not count */
				for (uint64_t i = 0; i < TEXTS; i++) {
					keys[i][half] = half ? i * step << (step == 1 ? shift : 0) : i << (shift ? shift : 1);
					keys[i][1 - half] = 0x0123456789abcdefu;
				}
				assert_in_range(steps_of((const uint64_t (*)[2])keys, TEXTS), 0, 2 * STEPS * TEXTS);
			}
}

/* Test sets whose texts, and whose words, collide. */
static void test_sets_that_collide_take_no_more_steps(void **state)
{
	static struct text t[TEXTS];
	char path[] = "/tmp/quern-flooding.XXXXXX";
	struct buf rows = {0};
	struct error err;
	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (int words = 0; words < 2; words++) {
		struct provenance_input entry;
		struct against *a;
		struct rowkeys_options keys = {.exact = !words, .by = COMPARE_TEXT, .workers = 1};
		find_texts(t, words ? ONE : LOW, false);
		buf_clear(&rows);
		for (int i = 0; i < TEXTS; i++)
			buf_printf(&rows, "{\"id\":\"%d\",\"text\":\"%s\"}\n", i, t[i].word);
		OK_OR_FAIL(file_write_all(path, rows.data, rows.len, &err));
		OK_OR_FAIL(against_open(&a, &keys, words, 0, false, &err));
		OK_OR_FAIL(against_load(a, path, NULL, &entry, &err));
		assert_int_equal(against_rows(a), TEXTS);
		assert_in_range(against_steps(a), 0, STEPS * TEXTS);
		provenance_input_release(&entry);
		against_close(a);
	}
	unlink(path);
	buf_release(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_that_collide_take_no_more_steps),
		cmocka_unit_test(keys_that_are_nearly_equal_take_no_more_steps),
		cmocka_unit_test(test_sets_that_collide_take_no_more_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
