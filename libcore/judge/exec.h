/* exec.h - a program of the user's as a reward: rows to its standard input, scores from its standard output.
 *
 * The command runs under sh, in as many processes at once as are asked for. Each gets rows, as the caller writes them, and answers each,
 * in order, with one line: a number, or null where it has nothing to say. What it writes to stderr is passed through. Rows are dealt as the
 * processes answer; scores come back in the order of the rows.
 *
 * A process is given up to EXEC_AHEAD rows ahead of its answers and is never waited for with a pipe full: both directions are served by
 * poll. A program that answers only at the end of its input (as one whose output is buffered does) is found out when it has read all it was
 * given and says nothing for EXEC_LATE_MS (or half of the timeout, if that is less); its input is closed then, and from there on each
 * process is given its whole share of a batch and the end of the input behind it, and a new one is started for the next.
 *
 * What goes wrong is laid to one row, which gets a reason instead of a score, and the program is started anew for the rest:
 *   exec_died        it ended, or closed its output, before it answered the row
 *   exec_timeout     no answer for the time allowed, since the row was sent or the last answer came
 *   exec_malformed   the answer is no finite number and not null
 * After the first two it is not known which of the rows that it had was at fault: each of them is tried again alone. A program that never
 * gave any score and failed EXEC_FAILURES times is an error, lest it be started for every row. */
#ifndef QUERN_JUDGE_EXEC_H
#define QUERN_JUDGE_EXEC_H

#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

#define EXEC_AHEAD 64
#define EXEC_LATE_MS 1000
#define EXEC_FAILURES 16
#define EXEC_ANSWER_BYTES 4096               /* longest line of an answer */

/* How rows are written to a process. */
struct exec_format {
	void (*begin)(void *arg, struct buf *out);                          /* before the first; NULL = nothing */
	void (*rows)(void *arg, const int64_t *rows, int64_t n, struct buf *out);
	void (*end)(void *arg, struct buf *out);                            /* behind the last; NULL = nothing */
};

struct exec;
/* Starts nothing yet. jobs: processes at once; timeout in seconds. name is for messages. What is pointed to must stay valid. */
struct exec *exec_open(const char *name, const char *command, const struct exec_format *format, int jobs, double timeout_s);
/* Ends the processes at once; NULL allowed. */
void exec_close(struct exec *e);

/* Scores rows [0, n): scores[i * stride] (NAN for null), or reasons[i] where that failed; rows that have a reason already are left out. arg
 * is for the format's functions. ERR_USAGE if the shell does not find the command or may not run it, or nothing ever comes of it; ERR_IO if
 * no process can be started. */
enum status exec_run(struct exec *e, int64_t n, void *arg, double *scores, int64_t stride, const char **reasons, struct error *err);
/* After the last row: ends the input of the processes and reads what they still say. ERR_DATA if that is more answers than they had
 * rows: then some answer may have been taken for another's. */
enum status exec_finish(struct exec *e, struct error *err);

#endif
