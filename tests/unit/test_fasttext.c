/* test_fasttext.c - fastText models predict what fastText predicts (tests/reference/make_fasttext_models.py), and damaged ones are refused. */
#include "unit.h"

#include "base/file.h"
#include "text/fasttext.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LID "tests/golden/data/lid/"
static const char *const models[] = {"softmax.bin", "words.bin", "hs.bin", "ova.bin", "plain.ftz", "norms.ftz"};

static void predictions_are_fasttexts(void **state)
{
	struct buf all = {0};
	int lines = 0;
	(void)state;
	assert_int_equal(file_read_all(LID "expected.tsv", 1 << 20, &all, NULL), OK);
	for (char *s = all.data, *end; (end = strchr(s, '\n')); s = end + 1, lines++) {
		struct fasttext *m;
		struct fasttext_scratch x = {0};
		struct error err;
		const char *got;
		*end = 0;
		char *label = strchr(s, '\t'), *p = strchr(label + 1, '\t'), *text = strchr(p + 1, '\t');
		*label++ = *p++ = *text++ = 0;
		char *path = mem_printf(LID "%s", s);
		assert_int_equal(fasttext_open(&m, path, &err), OK);
		double want = strtod(p, NULL), v = fasttext_predict(m, text, strlen(text), &x, &got);
		if (strcmp(got, label) != 0 || !(fabs(v - want) < 2e-5 || (isnan(v) && isnan(want))))
			fail_msg("%s, '%s': %s %.9g, want %s %.9g", s, text, got, v, label, want);
		assert_true(isnan(v) || fasttext_has(m, got));
		assert_false(fasttext_has(m, "xx"));
		fasttext_scratch_release(&x);
		fasttext_close(m);
		mem_free(path);
	}
	assert_int_equal(lines, 6 * 15);
	buf_release(&all);
}

static void damaged_models_are_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(models) / sizeof(models[0]); k++) {
		struct buf file = {0};
		struct fasttext *m;
		char *path = mem_printf(LID "%s", models[k]);
		assert_int_equal(file_read_all(path, 1 << 20, &file, NULL), OK);
		for (size_t n = 0; n < file.len; n += n < 200 ? 1 : 37) {
			char *copy = mem_alloc(n + 1);   /* of its own size, so that a sanitizer sees what lies behind */
			memcpy(copy, file.data, n);
			assert_int_equal(fasttext_read(&m, copy, n, NULL), ERR_DATA);
			mem_free(copy);
		}
		for (size_t at = 0; at < file.len; at += at < 200 ? 1 : 23) {
			for (int bit = 0; bit < 8; bit += 3) {
				struct fasttext_scratch x = {0};
				const char *label;
				file.data[at] ^= (char)(1 << bit);
				if (fasttext_read(&m, file.data, file.len, NULL) == OK) {
					fasttext_predict(m, "the mill die m\xc3\xbchle", 17, &x, &label);
					fasttext_scratch_release(&x);
					fasttext_close(m);
				}
				file.data[at] ^= (char)(1 << bit);
			}
		}
		buf_release(&file);
		mem_free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(predictions_are_fasttexts), cmocka_unit_test(damaged_models_are_refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
