/* report.h - the result of an evaluation: JSON with the members lm-evaluation-harness writes, and its table for people. */
#ifndef QUERN_JUDGE_REPORT_H
#define QUERN_JUDGE_REPORT_H

#include "base/json.h"

#define REPORT_METRICS 40

struct report {
	const char *task;                    /* "exact-match" */
	const char *output_type;             /* "generate_until", "loglikelihood_rolling" */
	const char *model;                   /* directory, NULL = none was run */
	const char *samples;                 /* file of the single rows, or NULL */
	int64_t original, effective;         /* rows read, rows measured */
	int64_t shots;               /* few-shot examples of a prompt */
	double version;              /* of the task; 0 = 1 */
	int64_t seed;
	const char *settings;                /* JSON object of the task's configuration, or NULL */
	const char *metric_list;             /* JSON array: what signs, bounds and compares the metrics, or NULL */
	const char *outcomes;                /* JSON object, or NULL: by filter, how many responses are right, wrong, unparsed, undecided */
	const char *notes;                   /* lines under the table, or NULL */
	const char *provenance;              /* JSON array, or NULL */
	int n;
	struct {
		const char *name, *filter;   /* filter: how answers were filtered, "none" */
		double value, error;         /* error NAN = has none: "N/A" */
		bool higher;                 /* is better */
	} metrics[REPORT_METRICS];
};

void report_add(struct report *r, const char *name, double value, double error, bool higher);
/* The same under a filter; names outlive the report. */
void report_add_filtered(struct report *r, const char *name, const char *filter, double value, double error, bool higher);
void report_json(const struct report *r, struct buf *out);
void report_table(const struct report *r, struct buf *out);

#endif
