/* inputs.h - what a report is about: run directories, streams, evaluations, comparisons, summaries; each known by what it is. */
#ifndef QUERN_REPORT_INPUTS_H
#define QUERN_REPORT_INPUTS_H

#include "judge/samples.h"
#include "report/histogram.h"

struct curve {                       /* one member of a run's metrics */
	char *name;
	double *step, *value;
	int64_t n, cap;
};

struct run {                         /* a training tool's output directory, or its metrics alone */
	const char *path;
	struct curve *curves;
	int n_curves, cap_curves;
	int64_t last_step;
	bool done;                   /* nothing will come any more */
	const struct json *config;   /* of the model, or NULL */
	const struct json *stage;    /* of the provenance: how it was trained, or NULL */
};

struct evaluation {
	const char *path;
	const struct json *root;
	char *model;                 /* what the report calls it */
	bool has_samples;
};

struct counted {                     /* a column of a stream whose distribution is shown */
	char *name;
	bool logarithmic;            /* a length: its histogram is of log2 */
	struct histogram h;
};

struct stream_row {
	char *id, *prompt, *text;    /* the first rows, for reading */
};

struct stream_input {
	const char *path;
	enum kind kind;
	int64_t rows;
	char *columns;               /* in our notation */
	struct counted *counted;
	int n_counted, cap_counted;
	struct stream_row *first;
	int n_first;
};

struct chain {                       /* a provenance, and what it is of */
	const char *path;
	const struct json *stages;
};

struct inputs {
	int rows;                    /* of a stream, kept for reading */
	struct run *runs;
	int n_runs, cap_runs;
	struct evaluation *evaluations;
	int n_evaluations, cap_evaluations;
	const struct json **comparisons, **contaminations, **summaries;
	int n_comparisons, cap_comparisons, n_contaminations, cap_contaminations, n_summaries, cap_summaries;
	struct stream_input *streams;
	int n_streams, cap_streams;
	struct chain *chains;
	int n_chains, cap_chains;
	struct json_parser **parsers;        /* own all the JSON above */
	int n_parsers, cap_parsers;
};

/* Reads one operand, which must outlive the inputs. A directory with trainer/metrics.jsonl is a run, one with provenance.json or
 * config.json a model; a JSON object an evaluation, a comparison, a look for contamination or a summary (--stats) by its first member; JSON Lines with "step" and "loss"
 * or "lr" the metrics of a run; all else a stream. */
enum status inputs_read(struct inputs *in, const char *path, struct error *err);
void inputs_release(struct inputs *in);
/* Every evaluation's name, different for two models' and one for one model's. */
void inputs_name_models(struct inputs *in);

#endif
