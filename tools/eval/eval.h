/* eval.h - what the files of quern eval share. */
#ifndef QUERN_TOOLS_EVAL_H
#define QUERN_TOOLS_EVAL_H

#include "common/tool.h"
#include "infer/lm.h"
#include "judge/report.h"

/* --- task files (task.c) ------------------------------------------------------------------------------ */
struct task_options {
	const char *file;            /* the task */
	const char *shot_data;       /* documents for few-shot examples, or NULL: those that are measured */
	int64_t shots;               /* -1: as the task says */
	int64_t limit;               /* documents, 0 = all */
	int64_t context, batch, bootstrap;
	const char *samples;         /* FILE for every document, or NULL */
};
/* Measures the documents of the open input under lm, and fills the report. What it names lives until eval_task_release. */
enum status eval_task(struct tool *tool, const struct task_options *o, struct lm *lm, struct report *report, struct error *err);
void eval_task_release(void);

#endif
