/* samples.h - what an evaluation measured row by row: the samples that quern eval and lm-evaluation-harness keep, and scores.
 *
 * A row is named by doc_id (or id), sample and filter where there are such columns; what was asked, what would have been right and in
 * which words is kept as hashes, so that two runs can be told to have measured the same. Held are about 100 bytes and the name of
 * each row, not its texts. */
#ifndef QUERN_JUDGE_SAMPLES_H
#define QUERN_JUDGE_SAMPLES_H

#include "base/json.h"
#include "stream/stream.h"

#define SAMPLES_METRICS 40

struct metric_options;               /* metric.h */
struct series;                       /* task_series.h */
struct task_metric;                  /* task.h */

struct sample_row {
	uint64_t key[2];             /* hash of the name */
	uint64_t doc, target, prompt;        /* hashes; 0 = the samples do not say */
	const char *id;              /* for people: "12", "p7#3" */
	int group, filter;           /* index of groups, filters */
};

struct names {
	char **v;
	int n, cap;
};

struct samples {
	char *name;                  /* the file the user named */
	char *path;                  /* of the samples */
	const struct json *report;   /* the evaluation's report, NULL if the samples themselves were named */
	struct json_parser *parser;  /* owns report */
	const char *task;            /* of the report, or NULL */
	const char *by;              /* member or column that groups rows */
	struct sample_row *rows;
	int64_t n, cap;
	int n_metrics;
	struct {
		char name[64];       /* as reports call it */
		int column;
		int higher;          /* is better: 1, is not: 0, unknown: -1 */
		int width;           /* numbers of a row that give a value only together (task_series.h); 0: each row has its value */
		double *items;       /* [n][width]; the first NAN: the row has none */
	} metrics[SAMPLES_METRICS];
	double *values;              /* [n][n_metrics]; NAN: none of its own, which is so of items */
	struct metric_options *text; /* of bleu, chrf: as the report signs them */
	struct names groups, filters;
	struct arena arena;
};

/* path: a report that was written with --samples, or the samples of an evaluation: any stream or JSON Lines with doc_id and numbers, or
 * scores. by: the column, or member of the document, that breaks rows down; NULL: source, if there is one. ERR_DATA if the samples are not
 * those of the report (its means are others), or a row comes twice. */
enum status samples_open(struct samples **s, const char *path, const char *by, struct error *err);
void samples_close(struct samples *s);               /* NULL allowed */
int samples_metric(const struct samples *s, const char *name);       /* -1 if there is none */
/* A metric of items (width > 0): what they are aggregated by, without items yet. m lives as long as x is used. */
void samples_series(const struct samples *s, int metric, struct task_metric *m, struct series *x);
/* For samples.c (samples_check.c): fills text; and whether what all rows give is what the report says. */
void samples_read_options(struct samples *s);
enum status samples_check(const struct samples *s, struct error *err);
/* Whether path is a report of an evaluation: JSON that begins with the member "results". */
enum status samples_is_report(const char *path, bool *yes, struct error *err);

/* The texts of some rows, made readable: wanted[n] says of which; told in the order of the rows. */
struct sample_texts {
	int64_t row;
	struct buf doc, target, response;
};
enum status samples_texts(const struct samples *s, const bool *wanted,
			  enum status (*tell)(void *arg, const struct sample_texts *t, struct error *err), void *arg, struct error *err);

#endif
