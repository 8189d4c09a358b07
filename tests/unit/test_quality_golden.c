/* test_quality_golden.c - presets decide as their originals do, document by document, and keep the same text; what the originals say is
 * in tests/golden/data/quality_expected.tsv, made by tests/reference/make_quality_goldens.py. */
#include "unit.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "text/quality.h"

#include <stdio.h>
#include <stdlib.h>

#define DOCS_MAX 1000

static char *texts[DOCS_MAX];
static size_t lengths[DOCS_MAX];
static int n_docs;

static void read_docs(void)
{
	struct buf all = {0};
	struct json_parser *p = json_parser_open();
	assert_int_equal(file_read_all("tests/golden/data/quality_docs.jsonl", 1 << 24, &all, NULL), OK);
	for (char *s = all.data, *end; (end = strchr(s, '\n')); s = end + 1) {
		const struct json *j;
		assert_int_equal(json_parse(p, s, (size_t)(end - s), &j, NULL), OK);
		lengths[n_docs] = json_get(j, "text")->len;
		texts[n_docs] = mem_strndup(json_get(j, "text")->str, lengths[n_docs]);
		n_docs++;
	}
	json_parser_close(p);
	buf_release(&all);
}

/* One line: preset, splitter, id, reason, hash. */
static bool agrees(char *line, struct text_stats *t)
{
	struct quality q;
	char *field[5];
	for (int i = 0; i < 5; i++, line = line ? strchr(line, '\t') : NULL) {
		assert_non_null(line);
		if (i)
			*line++ = 0;
		field[i] = line;
	}
	assert_int_equal(quality_preset(&q, field[0], NULL), OK);
	q.words = strcmp(field[1], "space") == 0 ? WORDS_SPACE : WORDS_UNICODE;
	int id = atoi(field[2]);
	text_stats_set(t, texts[id], lengths[id]);
	struct verdict v = quality_judge(&q, t, NULL, NULL);
	const char *reason = v.rule < 0 ? "-" : quality_reason(&q, v.rule);
	char hash[17] = "";
	size_t n;
	const char *s = text_stats_text(t, &n);
	if (v.rule < 0)
		snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)hash64(s, n));
	if (strcmp(reason, field[3]) == 0 && strcmp(hash, field[4]) == 0)
		return true;
	print_message("%s, words by %s, text %d: %s %s, want %s %s (measured %.17g)\n", field[0], field[1], id, reason, hash, field[3], field[4], v.value);
	return false;
}

static void presets_decide_as_their_originals(void **state)
{
	struct buf all = {0};
	struct text_stats *t = text_stats_open();
	int wrong = 0, lines = 0;
	(void)state;
	read_docs();
	assert_int_equal(file_read_all("tests/golden/data/quality_expected.tsv", 1 << 24, &all, NULL), OK);
	for (char *s = all.data, *end; (end = strchr(s, '\n')); s = end + 1, lines++) {
		*end = 0;
		wrong += !agrees(s, t);
	}
	assert_true(lines >= 8 * n_docs);
	assert_int_equal(wrong, 0);
	text_stats_close(t);
	buf_release(&all);
	for (int i = 0; i < n_docs; i++)
		mem_free(texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(presets_decide_as_their_originals)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
