/* Programs as rewards: order, late answers, and each way to fail laid to its row. The programs are shell. */
#include "judge/exec.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "unit.h"

#define ROWS 500

static double scores[2 * ROWS];
static const char *reasons[ROWS];

static void number_lines(void *arg, const int64_t *rows, int64_t n, struct buf *out)
{
	(void)arg;
	assert_true(n > 0);
	for (int64_t i = 0; i < n; i++)
		buf_printf(out, "%lld\n", (long long)rows[i]);
}

static void say_begin(void *arg, struct buf *out)
{
	(void)arg;
	buf_str(out, "begin\n");
}

static void say_end(void *arg, struct buf *out)
{
	(void)arg;
	buf_str(out, "end\n");
}

static const struct exec_format plain = { NULL, number_lines, NULL }, framed = { say_begin, number_lines, say_end };
static const struct exec_format *format = &plain;

/* Scores n rows; returns how many have a reason. */
static int run(const char *command, int jobs, double timeout, int64_t n, enum status want)
{
	struct exec *e = exec_open("test", command, format, jobs, timeout);
	struct error err = { "" };
	int failed = 0;
	for (int i = 0; i < 2 * ROWS; i++)
		scores[i] = -1;
	enum status st = exec_run(e, n, NULL, scores, 2, reasons, &err);
	if (st == OK)
		st = exec_finish(e, &err);
	if (st != want)
		fail_msg("%s: status %d: %s", command, (int)st, err.text);
	exec_close(e);
	for (int64_t i = 0; i < n; i++) {
		failed += reasons[i] != NULL;
		assert_true(scores[2 * i + 1] == -1); /* another reward's place */
	}
	return failed;
}

static void forget(void)
{
	for (int i = 0; i < ROWS; i++)
		reasons[i] = NULL;
}

static void scores_come_back_in_order(void **state)
{
	(void)state;
	static const char *const commands[] = { "cat", "while read -r x; do echo $x; done", "sort -n", "sed -u 's/$/.0e0/'" };
	for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++)
		for (int jobs = 1; jobs < 8; jobs += 3) {
			forget();
			assert_int_equal(run(commands[c], jobs, 20, ROWS, OK), 0);
			for (int i = 0; i < ROWS; i++)
				assert_true(scores[2 * i] == i);
		}
}

/* A program that wants a beginning and an end of each process's rows, whether it answers at once or at the end. */
static void every_process_gets_a_beginning_and_an_end(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"read -r x; [ $x = begin ] || exit 1; while read -r x; do [ $x != end ] || exit 0; echo $x; done; kill -9 $$",
		"awk 'NR == 1 && $1 != \"begin\" { exit } { s = s last; last = $1 \"\\n\" } END { if (last == \"end\\n\") printf \"%s\", substr(s, 7) }'",
	};
	format = &framed;
	for (size_t c = 0; c < 2; c++)
		for (int jobs = 1; jobs < 4; jobs++) {
			forget();
			assert_int_equal(run(commands[c], jobs, 20, ROWS, OK), 0);
			for (int i = 0; i < ROWS; i++)
				assert_true(scores[2 * i] == i);
		}
	format = &plain;
}

static void rows_that_are_rejected_already_are_left_out(void **state)
{
	(void)state;
	forget();
	for (int i = 0; i < ROWS; i += 3)
		reasons[i] = "before";
	assert_int_equal(run("cat", 2, 20, ROWS, OK), (ROWS + 2) / 3);
	for (int i = 0; i < ROWS; i++)
		assert_true(scores[2 * i] == (i % 3 ? i : -1));
	assert_int_equal(run("false", 1, 20, 0, OK), 0);
	assert_int_equal(run("/nonesuch/program", 1, 20, 1, OK), 1); /* its one row is left out, so it is not even started */
}

static void failures_are_laid_to_their_rows(void **state)
{
	(void)state;
	static const struct {
		const char *command, *reason;
	} cases[] = {
		{ "while read -r x; do [ $x -ne 77 ] || exit 5; echo $x; done", "exec_died" },
		{ "while read -r x; do [ $x -ne 77 ] || kill -9 $$; echo $x; done", "exec_died" },
		{ "while read -r x; do [ $x -ne 77 ] || sleep 100; echo $x; done", "exec_timeout" },
		{ "while read -r x; do [ $x -ne 77 ] || x=what; echo $x; done", "exec_malformed" },
		{ "while read -r x; do [ $x -ne 77 ] || { printf 1; exit 1; }; echo $x; done", "exec_died" }, /* 1 may be cut from 12 */
		{ "awk '$1 == 77 { exit } { s = s $1 \"\\n\" } END { if ($1 != 77) printf \"%s\", s }'", "exec_died" }, /* answers at the end */
	};
	for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		forget();
		if (run(cases[c].command, 2, 1, 100, OK) != 1 || !reasons[77])
			fail_msg("%s", cases[c].command);
		assert_string_equal(reasons[77], cases[c].reason);
		for (int i = 0; i < 100; i++)
			assert_true(i == 77 || scores[2 * i] == i);
	}
}

static void null_is_no_score(void **state)
{
	(void)state;
	forget();
	assert_int_equal(run("while read -r x; do echo null; done", 1, 20, 3, OK), 0);
	assert_true(isnan(scores[0]) && isnan(scores[4]));
}

static void what_cannot_be_trusted_is_an_error(void **state)
{
	(void)state;
	forget();
	run("/nonesuch/program", 1, 20, 3, ERR_USAGE);
	forget();
	run("exit 3", 1, 20, ROWS, ERR_USAGE);
	forget();
	run("sed p", 1, 20, 3, ERR_DATA);
	forget();
	run("cat; echo 1", 3, 20, 3, ERR_DATA);
}

/* A program that reads nothing must not end us by SIGPIPE; and the signal is as before. */
static void a_program_that_reads_nothing_is_no_signal(void **state)
{
	(void)state;
	sigset_t now;
	forget();
	assert_int_equal(run("exec <&-; i=0; while [ $i -lt 50 ]; do echo $i; i=$((i + 1)); done", 1, 20, 50, OK), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_false(sigismember(&now, SIGPIPE));
	sigpending(&now);
	assert_false(sigismember(&now, SIGPIPE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_come_back_in_order), cmocka_unit_test(rows_that_are_rejected_already_are_left_out),
		cmocka_unit_test(every_process_gets_a_beginning_and_an_end),
		cmocka_unit_test(failures_are_laid_to_their_rows), cmocka_unit_test(null_is_no_score),
		cmocka_unit_test(what_cannot_be_trusted_is_an_error), cmocka_unit_test(a_program_that_reads_nothing_is_no_signal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
