/* provenance.h - how a file was made: a JSON array, one object per stage, inputs before what they made.
 *
 *   {"tool":"clean","version":"0.1.0","argv":["--preset=gopher","-"],"seed":0,
 *    "inputs":[{"name":"docs.arrows","xxh3":"<XXH3-128 of the bytes>","rows":120,"stage":0}],
 *    "rows_in":120,"rows_out":100,"rejected":{"too_short":20}}
 *
 * "stage" is the place in the array of the stage that made the input, null for raw data. A chain
 * that goes out in a schema message lacks what is known only at the end (inputs' hashes, rows); the
 * closing batch repeats it whole. argv leaves out what does not change the output: -o, -j, logging. */
#ifndef QUERN_STREAM_PROVENANCE_H
#define QUERN_STREAM_PROVENANCE_H

#include "base/json.h"

struct provenance_input {
	char *name;
	char xxh3[33];               /* "" while unknown */
	int64_t rows;                /* -1 while unknown or not rows */
	char *chain;                 /* JSON array that came with it, or NULL */
};

struct provenance {
	const char *tool, *version;
	const char *const *argv;
	int n_argv;
	uint64_t seed;
	int n_inputs;
	struct provenance_input *inputs;
	int64_t rows_in, rows_out;   /* -1 while unknown */
	int n_reasons;               /* rejected rows by reason */
	char **reasons;
	int64_t *reason_rows;
};

void provenance_release(struct provenance *p);
void provenance_input_release(struct provenance_input *in);
void provenance_add_input(struct provenance *p, const struct provenance_input *in);   /* copies */
/* Counts n rows rejected for reason (reasons keep the order of their first occurrence). */
void provenance_reject(struct provenance *p, const char *reason, int64_t n);
/* The whole chain: the inputs' stages (equal ones once), then this one. */
void provenance_print(const struct provenance *p, struct buf *out);
/* A chain in words, for people; and a shell script that rebuilds the file. ERR_DATA if it is no chain. */
enum status provenance_describe(const char *chain, struct buf *out, struct error *err);
enum status provenance_replay(const char *chain, const char *target, struct buf *out, struct error *err);

#endif
