/* eval.h - what the files of quern eval share. */
#ifndef QUERN_TOOLS_EVAL_H
#define QUERN_TOOLS_EVAL_H

#include "common/model.h"
#include "common/tool.h"
#include "judge/metric.h"
#include "judge/report.h"

struct eval_options {                /* as the command line says; what an option means is in the table of eval.c */
	const char *task, *model, *samples, *answer, *profile;
	struct model_flags form;
	int report;
	int64_t max_new_tokens, batch, context;
	double temperature;
	struct opt_list stop;
	/* --task text */
	const char *metrics, *prediction, *reference, *baseline, *hypotheses;
	struct opt_list references;
	int test;                    /* enum paired_test */
	int64_t trials;
	struct metric_options text;
	int64_t bootstrap;           /* -1: not given */
	/* task files */
	const char *shot_data;       /* documents for few-shot examples, or NULL: those that are measured */
	int64_t shots;               /* -1: as the task says */
	int64_t limit;               /* documents, 0 = all */
	/* going on */
	const char *cache;           /* FILE of likelihoods, or NULL */
	bool resume;
	/* --compare */
	bool compare;
	const char *by;              /* NULL: source */
	/* --check-contamination */
	struct opt_list corpora;
	int64_t overlap;             /* words */
};

/* The measurements. Each reads the open input, if need be under lm, and fills the report; what the report names lives until the
 * measurement's release, which may be called without it, too. */
enum status eval_exact_match(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err);
void eval_exact_match_release(void);
enum status eval_perplexity(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err);
void eval_perplexity_release(void);
enum status eval_text(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err);
void eval_text_release(void);
enum status eval_task(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err);
void eval_task_release(void);
/* Compares the evaluations that are the operands, and fills what is written instead of a report. */
enum status eval_compare(struct tool *tool, const struct eval_options *o, struct buf *json, struct buf *table, struct error *err);
void eval_compare_release(void);
/* Looks for the rows of evaluations in corpora, the same way. */
enum status eval_contamination(struct tool *tool, const struct eval_options *o, struct buf *json, struct buf *table, struct error *err);
void eval_contamination_release(void);

#endif
