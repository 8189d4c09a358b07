/* code.h - does the code in a completion pass the tests of its row? Run in the sandbox of sandbox.h.
 *
 * The code is the last fenced block (```) whose first line names the language, or nothing. The tests are the row's columns, or members of
 * its column meta, by the first of these forms that is there:
 *
 *   verification_info   {test_cases: [{input, output}, ...], language} as open-r1 has them, or a column test_cases of such pairs: each is
 *                       passed if the program ends with status 0 and writes the output; lines are compared without white space at their ends,
 *                       and all of them (open-r1 looks only at as many as both have)
 *   test_list           Python assertions, each of which must hold behind the code (MBPP; test_setup_code stands before it)
 *   test, entry_point   Python that defines check(candidate), called on the function of that name (HumanEval); without entry_point the
 *                       test is run as it is. Where the prompt is plain text and the completion has no block, it goes on from the prompt
 *
 * An assertion program counts as passed only if it also comes to its end, where it prints a word that it cannot know before: exit(0) is no
 * proof. Code and test run in one process, though, so code that reads the source it runs from can still cheat. */
#ifndef QUERN_JUDGE_CODE_H
#define QUERN_JUDGE_CODE_H

#include "judge/sandbox.h"
#include "stream/record.h"

struct code_options {
	const char *command;                 /* for /bin/sh; $CODE is the file with the code. NULL: what is usual for the language, which must
					      * be Python 3, C, C++ or shell then */
	const char *language;                /* of the fence, where the row does not say; assertions are Python */
	struct sandbox sandbox;
};

/* The usual limits. */
#define CODE_SANDBOX \
	{ .wall_s = 5, .cpu_s = 5, .memory_bytes = 512 << 20, .disk_bytes = 64 << 20, .output_bytes = 1 << 20, .processes = 64, .files = 256 }

struct code;
/* o's texts must stay valid. ERR_USAGE for a mount that is no directory; ERR_IO with a hint where the machine gives no sandbox. */
enum status code_open(struct code **c, const struct code_options *o, struct error *err);
void code_close(struct code *c);                                            /* NULL allowed */
/* *share: of the tests that were passed; NAN without tests. Returns what to say of it: "passed", or of the first test that was not
 * "wrong_output", "error" (exit status, exception), "killed", "timeout", "output_limit"; "no_code" (share 0); "no_tests", "bad_tests"
 * or "no_runner" (an unknown language; share NAN). Any thread. */
const char *code_judge(struct code *c, const struct batch *b, int64_t row, double *share);
/* The same of a task's document, which has the columns. A completion without a block is code as it is: an evaluation's prompt asks for code. */
const char *code_judge_doc(struct code *c, const struct json *doc, const char *completion, size_t n, double *share);
/* What went wrong with the machine since code_open, if anything did: then some results are not to be trusted. */
enum status code_status(struct code *c, struct error *err);

/* The last fenced block of that language, or without one; NULL if there is none. */
const char *code_extract(const char *text, size_t n, const char *language, size_t *code_n);
/* Whether a program's output is the one that was wanted, as above. */
bool code_output_equal(const char *got, size_t got_n, const char *want, size_t want_n);

#endif
