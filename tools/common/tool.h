/* tool.h - what every main shares: the option table, input and output, rejects, progress, summary, exit.
 *
 * A tool declares one struct tool, and runs
 *
 *	int main(int argc, char **argv) {
 *		struct error err;
 *		tool_start(&tool, argc, argv);        // handles --help, --version, usage errors
 *		return tool_end(&tool, run(&err), &err);
 *	}
 *
 * where run() opens inputs and outputs below and returns a status. tool_end commits nothing: run does
 * that (tool_commit); tool_end reports, prints the summary, removes unfinished outputs and gives the exit code. */
#ifndef QUERN_TOOLS_TOOL_H
#define QUERN_TOOLS_TOOL_H

#include "base/error.h"
#include "base/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "stream/stream.h"

struct tool {
	const char *name;            /* "clean" */
	const char *summary;         /* one line, as in the man page's .Nd */
	const char *operands;        /* "[FILE ...]" */
	struct opt *options;         /* the tool's own table, OPT_END at its end; NULL = none. Its rows replace common ones of their name */
	int min_operands, max_operands; /* max -1 = any */
	bool needs_output;           /* -o is required (model directories) */
	bool plain_json;             /* JSON rows keep the types they have: reader_options.json_plain */
	bool measures;               /* rejects also tell the rule, what it measured and its threshold: tool_reject_measured */

	/* From here on filled by tool_start. */
	struct opt_list files;       /* the operands */
	struct pool *pool;
	int64_t threads, seed, level;
	int compress;                /* 0 auto: files yes, pipes no; 1 always; 2 never */
	const char *out_path, *stats_path, *log_path, *rejects_path;
	int format;                  /* enum stream_format */
	bool quiet, verbose;
	struct progress *progress;
	struct provenance prov;

	/* The run's state. */
	struct tool_inputs *inputs;
	struct tool_hashing *hashing;
	struct writer *out, *rejects;
	struct tool_private *priv;
};

/* Parses; on --help, --version and mistakes prints and exits. Sets signals, pool, progress, provenance head. */
void tool_start(struct tool *t, int argc, char **argv);
/* Whether one of the common options writes a file at path, which is another's: it, as in "-o". NULL is none. */
bool tool_writes(const struct tool *t, const char *path, const char **option);
/* st OK or END is success. Aborts what is still open, prints "quern TOOL: cause" or the summary, writes --stats. */
int tool_end(struct tool *t, enum status st, const struct error *err);

/* --- inputs: all FILE operands (stdin without any) as one stream ------------------------------ */
/* Opens the first input and checks it against want[0..n_want) (n_want 0: any kind). All inputs must have equal
 * schemas after that. */
enum status tool_open_inputs(struct tool *t, const enum kind *want, int n_want, struct error *err);
/* ERR_DATA unless the inputs, opened for any kind, are of one of these and have its columns. */
enum status tool_check_kind(struct tool *t, const enum kind *want, int n_want, struct error *err);
const struct schema *tool_schema(const struct tool *t);
enum kind tool_kind(const struct tool *t);
/* Next batch over all inputs; counts rows_in, ticks progress, adds each finished input to the provenance. */
enum status tool_next(struct tool *t, struct batch **b, struct error *err);
/* Where the current batch came from, for messages: "corpus.arrows: batch 12". */
const char *tool_where(const struct tool *t);
/* Adds a side input (a model directory, a tokenizer, --against FILE) to the provenance by hashing path:
 * a file's bytes, or every regular file directly in a directory in name order; a chain found in it comes along. */
enum status tool_add_input(struct tool *t, const char *path, struct error *err);
/* The same, but a directory's bytes, which are many in a model, are hashed by a thread of its own while the tool goes on. Before the provenance
 * is printed, tool_settle_inputs waits for that; what opens an output, rejects or writes the provenance here does it by itself. */
enum status tool_add_input_beside(struct tool *t, const char *path, struct error *err);
enum status tool_settle_inputs(struct tool *t, struct error *err);
/* As tool_add_input for an input whose entry the tool made itself; copies. */
void tool_add_input_entry(struct tool *t, const struct provenance_input *in);
/* The hash alone that tool_add_input would find. */
enum status tool_hash(const char *path, char out[33], struct error *err);
/* For a tool that reads its inputs by itself: the columns and kind that --rejects keeps. Before tool_open_output. */
void tool_set_schema(struct tool *t, const struct schema *s, enum kind k);
/* Counts rows of inputs that the tool reads by itself (tool_next counts its own). */
void tool_count_in(struct tool *t, int64_t rows);
/* Options for a writer beside the main output (mix --split, --clusters), as the common options say. */
struct writer_options tool_writer_options(const struct tool *t);
/* Writes DIR/provenance.json, the chain of everything so far with this stage at its end (model and tokenizer directories). */
enum status tool_write_provenance(struct tool *t, const char *dir, struct error *err);

/* --- output ------------------------------------------------------------------------------------- */
/* Opens -o or stdout with this schema; provenance is attached. */
enum status tool_open_output(struct tool *t, const struct schema *s, enum kind k, struct error *err);
/* Opens --rejects, if given, for a tool that has no such output (a report); tool_open_output does it by itself. */
enum status tool_open_rejects(struct tool *t, struct error *err);
enum status tool_write(struct tool *t, struct batch *b, struct error *err);
/* For `bytes` of a pipeline: the size of a batch of huge rows, which are better alive one by one; 0 of any other, however large. */
size_t tool_huge_bytes(const struct batch *b);
/* Counts a dropped row under its reason and, with --rejects, keeps it with its columns and "reason". */
enum status tool_reject(struct tool *t, struct batch *b, int64_t row, const char *reason, struct error *err);
/* As tool_reject, for a tool with `measures`: the columns rule, value and threshold say what decided. NaN is null. */
enum status tool_reject_measured(struct tool *t, struct batch *b, int64_t row, const char *reason, const char *rule, double value,
				 double threshold, struct error *err);
/* As tool_reject for a row that never became a batch row (a bad line): text is kept in column "text". */
enum status tool_reject_text(struct tool *t, const char *id, const char *text, size_t n, const char *reason,
			     struct error *err);
/* Ends output and rejects properly (closing batch, fsync, rename). */
enum status tool_commit(struct tool *t, struct error *err);

/* --- row-wise tools: read, work on the pool, write in order -------------------------------------- */
/* work turns b into *out (may be b itself retained, or NULL for nothing) and may set reject[row] (b->rows entries, NULL on
 * entry) to a reason: those rows go to the rejects. Called on several threads at once; worker < threads. */
struct filter {
	enum status (*work)(void *arg, struct batch *b, struct batch **out, const char **reject, int worker, struct error *err);
	void *arg;
	/* Takes what work made instead of the output, in order: out may be NULL, reject has in->rows entries. Both batches stay ours. */
	enum status (*sink)(void *arg, struct batch *in, struct batch *out, const char **reject, struct error *err);
};
/* Inputs and, without a sink, the output must be open. Runs to END. */
enum status tool_filter(struct tool *t, const struct filter *f, struct error *err);

/* --- talking --------------------------------------------------------------------------------- */
/* A fact for the summary and --stats ("vocab" 4096); order of first call is kept. */
void tool_stat_int(struct tool *t, const char *key, int64_t v);
void tool_stat_double(struct tool *t, const char *key, double v);
void tool_stat_string(struct tool *t, const char *key, const char *v);
/* A table, as JSON text, for --stats alone. */
void tool_stat_table(struct tool *t, const char *key, const char *json);
/* A line on stderr unless --quiet. */
void tool_say(struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tool_warn(struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One JSON object (one line, without newline) to --log, if given. */
enum status tool_log(struct tool *t, const char *json, size_t n, struct error *err);
/* True once SIGINT or SIGTERM arrived: training tools write a checkpoint and end by that signal. A second one ends them at once. */
bool tool_interrupted(void);

#endif
