/* IFEval's instructions: every verdict of lm-evaluation-harness on the responses of tests/golden/data/ifeval.jsonl
 * (tests/reference/make_ifeval_goldens.py), strict and loose; sentences and languages, where we have rules of our own; documents that lack
 * something. Called with a file, it lists the verdicts of that file's rows that differ, for people. */
#include "judge/ifeval.h"
#include "judge/ifeval_text.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static struct error err;

/* Rows whose verdicts are other than the file's; they are printed if asked for. Returns the instructions looked at. */
static int64_t differences(const char *path, bool print, int64_t *differ)
{
	struct ifeval *x = ifeval_open();
	struct json_parser *p = json_parser_open();
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int64_t n = 0;

	assert_non_null(f);
	*differ = 0;
	while ((len = getline(&line, &cap, f)) > 0) {
		const struct json *doc, *strict, *loose, *said;
		struct ifeval_result r;

		OK_OR_FAIL(json_parse(p, line, (size_t)len, &doc, &err));
		said = json_get(doc, "completion");
		strict = json_get(doc, "strict");
		loose = json_get(doc, "loose");
		OK_OR_FAIL(ifeval_judge(x, doc, said->str, said->len, &r, &err));
		for (int i = 0; i < r.n; i++) {
			bool s = strict->items[i].boolean, l = loose->items[i].boolean;

			n++;
			if (r.strict[i] == s && r.loose[i] == l)
				continue;
			++*differ;
			if (print)
				printf("%s\t%s\tstrict %d, want %d; loose %d, want %d\t%.150s\n", json_get_str(doc, "id", "?"),
				       json_get(doc, "instruction_id_list")->items[i].str, r.strict[i], s, r.loose[i], l, said->str);
		}
	}
	free(line);
	fclose(f);
	json_parser_close(p);
	ifeval_close(x);
	return n;
}

static void verdicts_are_the_harness_s(void **state)
{
	int64_t differ;

	(void)state;
	assert_true(differences("tests/golden/data/ifeval.jsonl", true, &differ) >= 400);
	assert_int_equal(differ, 0);
}

static void sentences(void **state)
{
	static const struct { const char *text; int n; } cases[] = {
		{ "", 0 }, { "One", 1 }, { "One. Two! Three?", 3 }, { "One. Two", 2 }, { "Dr. Smith met Mr. Jones. They spoke.", 2 },
		{ "He said \"Go!\" and left.", 1 + 1 }, { "It costs 3.50 dollars. Not 4.", 2 }, { "J. R. R. Tolkien wrote it.", 1 },
		{ "Well... maybe. Yes", 2 }, { "So it ended... The end.", 2 }, { "Use e.g. tea. i.e. a drink", 2 }, { "What?! No.", 2 },
		{ "(One.) (Two.)", 2 }, { "end.next", 1 }, { "Aa.\n\nBb.\n", 2 }, { "At 5 p.m. The shop closed.", 2 }, { "version 2. it works", 1 },
		{ "1. Apples\n2. Pears", 4 - 1 }, { "\xe2\x80\x9cOne.\xe2\x80\x9d Two.", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct text_view t = { cases[i].text, strlen(cases[i].text) };

		if (ifeval_count_sentences(t) != cases[i].n)
			fail_msg("'%s': %lld sentences, want %d", cases[i].text, (long long)ifeval_count_sentences(t), cases[i].n);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(verdicts_are_the_harness_s), cmocka_unit_test(sentences) };
	int64_t differ, n;

	if (argc > 1) {
		n = differences(argv[1], true, &differ);
		printf("%lld of %lld differ\n", (long long)differ, (long long)n);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
