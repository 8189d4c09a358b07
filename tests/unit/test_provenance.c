/* test_provenance.c - chains: merged once, told in words, replayed by a script that a shell accepts. */
#include "stream/provenance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define IMPORT "{\"tool\":\"import\",\"version\":\"1\",\"argv\":[\"raw.txt\"],\"seed\":0," \
	"\"inputs\":[{\"name\":\"raw.txt\",\"xxh3\":\"00\",\"rows\":null,\"stage\":null}]," \
	"\"rows_in\":null,\"rows_out\":3,\"rejected\":{}}"

static char *print(const char *tool, const char *const *argv, int n_argv, struct provenance_input *inputs, int n)
{
	struct provenance p = { .tool = tool, .version = "1", .argv = argv, .n_argv = n_argv, .rows_in = 6, .rows_out = 5 };
	struct buf b = {0};

	for (int i = 0; i < n; i++)
		provenance_add_input(&p, &inputs[i]);
	provenance_reject(&p, "short", 1);
	provenance_reject(&p, "long", 2);
	provenance_reject(&p, "short", 3);
	provenance_print(&p, &b);
	provenance_release(&p);
	return buf_detach(&b);
}

static void an_input_of_two_uses_is_one_stage(void **state)
{
	char chain[] = "[" IMPORT "]";
	struct provenance_input in[] = {
		{ .name = "a.arrows", .xxh3 = "11", .rows = 3, .chain = chain },
		{ .name = "b.arrows", .rows = 3, .chain = chain },
		{ .name = "raw.jsonl", .rows = -1, .chain = NULL },
	};
	char *got = print("mix", NULL, 0, in, 3);

	(void)state;
	assert_string_equal(got, "[" IMPORT ",{\"tool\":\"mix\",\"version\":\"1\",\"argv\":[],\"seed\":0,\"inputs\":["
			    "{\"name\":\"a.arrows\",\"xxh3\":\"11\",\"rows\":3,\"stage\":0},"
			    "{\"name\":\"b.arrows\",\"xxh3\":null,\"rows\":3,\"stage\":0},"
			    "{\"name\":\"raw.jsonl\",\"xxh3\":null,\"rows\":null,\"stage\":null}],"
			    "\"rows_in\":6,\"rows_out\":5,\"rejected\":{\"short\":4,\"long\":2}}]");
	mem_free(got);
}

static void merged_chains_renumber_their_stages(void **state)
{
	char one[] = "[" IMPORT "]";
	struct provenance_input first[] = { { .name = "docs.arrows", .rows = 3, .chain = one } };
	char *clean = print("clean", NULL, 0, first, 1);
	char other[] = "[{\"tool\":\"import\",\"argv\":[\"other.txt\"],\"inputs\":[]}]";
	struct provenance_input both[] = {
		{ .name = "other.arrows", .rows = 1, .chain = other }, { .name = "clean.arrows", .rows = 5, .chain = clean }
	};
	char *got = print("mix", NULL, 0, both, 2);

	(void)state;
	/* other 0, import 1, clean 2 (reads 1), mix 3 (reads 0 and 2) */
	assert_non_null(strstr(got, "{\"name\":\"docs.arrows\",\"xxh3\":null,\"rows\":3,\"stage\":1}"));
	assert_non_null(strstr(got, "{\"name\":\"other.arrows\",\"xxh3\":null,\"rows\":1,\"stage\":0}"));
	assert_non_null(strstr(got, "{\"name\":\"clean.arrows\",\"xxh3\":null,\"rows\":5,\"stage\":2}"));
	mem_free(got);
	mem_free(clean);
}

/* A script behind the shell function that all begin with. */
static const char *stages_of(const char *script)
{
	const char *end = strstr(script, "\n}\n");

	assert_int_equal(strncmp(script, "#!/bin/sh\nset -eu\n", 18), 0);
	assert_non_null(end);
	return end + 3;
}

static void replay_makes_directories_and_asks_for_each_raw_pipe(void **state)
{
	/* two stages read one pipe's data, a third another's; one raw file is read twice */
	static const char chain[] = "["
		"{\"tool\":\"a\",\"inputs\":[{\"name\":\"<stdin>\",\"xxh3\":\"aa\",\"stage\":null}]},"
		"{\"tool\":\"b\",\"inputs\":[{\"name\":\"-\",\"xxh3\":\"bb\",\"stage\":null},{\"name\":\"in/raw\",\"xxh3\":\"cc\",\"stage\":null}]},"
		"{\"tool\":\"c\",\"inputs\":[{\"name\":\"<stdin>\",\"xxh3\":\"aa\",\"stage\":null},{\"name\":\"in/raw\",\"xxh3\":\"cc\",\"stage\":null}]},"
		"{\"tool\":\"d\",\"inputs\":[{\"name\":\"x/y/one\",\"stage\":0},{\"name\":\"/two\",\"stage\":1},{\"name\":\"-z/three/\",\"stage\":2}]},"
		"{\"tool\":\"e\",\"inputs\":[{\"name\":\"four\",\"stage\":3},{\"name\":\"a b/other\",\"stage\":3}]}]";
	struct buf b = {0};
	struct error err;

	(void)state;
	assert_int_equal(provenance_replay(chain, "./out/e", &b, &err), OK);
	assert_string_equal(stages_of(b.data),
		"first \"${1:?a file with the raw data that came on standard input, xxh3 aa}\" aa\n"
		"first \"${2:?a file with the raw data that came on standard input, xxh3 bb}\" bb\n"
		"first in/raw cc\n"
		"mkdir -p -- x/y\n"
		"quern a -o x/y/one <\"${1:?a file with the raw data that came on standard input, xxh3 aa}\"\n"
		"quern b -o /two <\"${2:?a file with the raw data that came on standard input, xxh3 bb}\"\n"
		"mkdir -p -- -z\n"
		"quern c -o -z/three/ <\"${1:?a file with the raw data that came on standard input, xxh3 aa}\"\n"
		"quern d -o four\n"
		"mkdir -p -- 'a b'\n"
		"cp -R -- four 'a b/other'\n"
		"mkdir -p -- ./out\n"
		"quern e -o ./out/e\n");
	buf_release(&b);
}

static void replay_names_intermediates_as_they_were_read(void **state)
{
	static const char *const clean_argv[] = { "--preset=x y", "docs.arrows" };
	char one[] = "[" IMPORT "]";
	struct provenance_input docs[] = { { .name = "docs.arrows", .rows = 3, .chain = one } };
	char *clean = print("clean", clean_argv, 2, docs, 1);
	struct provenance_input piped[] = { { .name = "<stdin>", .rows = 3, .chain = clean } };
	char *dedup = print("dedup", NULL, 0, piped, 1);
	struct buf script = {0};
	struct error err;

	(void)state;
	assert_int_equal(provenance_replay(dedup, "it's.arrows", &script, &err), OK);
	assert_string_equal(stages_of(script.data),
			    "first raw.txt 00\n"
			    "quern import -o docs.arrows raw.txt\n"
			    "quern clean -o stage-2.arrows --compress=never '--preset=x y' docs.arrows\n"
			    "quern dedup -o 'it'\\''s.arrows' <stage-2.arrows\n");
	buf_release(&script);
	mem_free(clean);
	mem_free(dedup);
}

static void words_of_a_chain_cannot_leave_their_quotes(void **state)
{
	static const char chain[] = "[{\"tool\":\"x;touch /tmp/pwned\",\"argv\":[\"$(id)\",\"`id`\",\"a\\nb\",\"\"],"
				    "\"inputs\":[{\"name\":\"r\\nrm x\",\"xxh3\":\"0\\n1\",\"stage\":null}]}]";
	struct buf b = {0};
	struct error err;

	(void)state;
	assert_int_equal(provenance_replay(chain, "out", &b, &err), OK);
	assert_string_equal(stages_of(b.data), "first 'r\nrm x' '0\n1'\n"
			    "quern 'x;touch /tmp/pwned' -o out '$(id)' '`id`' 'a\nb' ''\n");
	buf_clear(&b);
	assert_int_equal(provenance_describe(chain, &b, &err), OK);
	assert_null(strstr(b.data, "\nrm"));
	buf_release(&b);
}

static void no_chain_is_an_error(void **state)
{
	static const char *const bad[] = { "", "{}", "[1]", "[{]", "x" };
	struct buf b = {0};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(provenance_describe(bad[i], &b, &err), ERR_DATA);
		assert_int_equal(provenance_replay(bad[i], "out", &b, &err), ERR_DATA);
	}
	assert_int_equal(provenance_replay("[]", "out", &b, &err), ERR_DATA);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_input_of_two_uses_is_one_stage),
		cmocka_unit_test(merged_chains_renumber_their_stages),
		cmocka_unit_test(replay_names_intermediates_as_they_were_read),
		cmocka_unit_test(replay_makes_directories_and_asks_for_each_raw_pipe),
		cmocka_unit_test(words_of_a_chain_cannot_leave_their_quotes),
		cmocka_unit_test(no_chain_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
