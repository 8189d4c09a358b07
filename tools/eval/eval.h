/* eval.h - what the files of quern eval share. */
#ifndef QUERN_TOOLS_EVAL_H
#define QUERN_TOOLS_EVAL_H

#include "common/journal.h"
#include "common/model.h"
#include "common/tool.h"
#include "infer/lm.h"
#include "judge/code.h"
#include "judge/metric.h"
#include "judge/report.h"
#include "judge/task_judge.h"

/* --- task files (task.c, completions.c) ------------------------------------------------------------------------------ */
struct task_flags {                          /* options of the program, and what they are before they are read */
	int64_t repeats;             /* responses of a document; 0 = as the task says */
	bool chat, code;
	struct code_options run;
};
#define TASK_FLAGS_START { .run = { .language = "python", .sandbox = CODE_SANDBOX } }
#define TASK_FLAGS(f) \
	OPT_INT('n', "repeats", &(f).repeats, "N", 0, 4096, "responses of a model to each document; 0 is what the task says"), \
	OPT_FLAG(0, "apply-chat-template", &(f).chat, "the prompt is what a user says, under the model's chat template"), \
	OPT_FLAG(0, "code", &(f).code, "run what the model wrote, each program in a sandbox: code tasks need it"), \
	OPT_DOUBLE(0, "code-timeout", &(f).run.sandbox.wall_s, "SECONDS", 0.01, 1e6, "time that a program may take"), \
	OPT_INT(0, "code-memory", &(f).run.sandbox.memory_bytes, "BYTES", 1 << 20, 1e15, "address space of a process")

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
	/* tasks */
	char *task_path;             /* the file of the task that is named; free() */
	struct task_flags flags;
	const char *shot_data;       /* documents for few-shot examples, or NULL: those that are measured */
	int64_t shots;               /* -1: as the task says */
	int64_t limit;               /* documents, 0 = all */
	/* going on */
	const char *cache;           /* FILE of log-probabilities, or NULL */
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
/* What is kept of a run that may be killed, or for the next one (kept.c); until eval_keep_end. Log-probabilities, in o->cache or in this run's
 * own file beside the output: *c is NULL if neither is asked for. Part of what is kept are the hashes of the model's directories, the
 * first n_inputs of the provenance, how the weights are held, and which kernels compute. */
enum status eval_keep_likelihoods(struct tool *tool, const struct eval_options *o, const struct lm *lm, int n_inputs,
				  struct likelihood_cache **c, struct error *err);
/* Answers, beside the output; *j is NULL without --resume. */
enum status eval_keep_answers(struct tool *tool, const struct eval_options *o, struct journal **j, struct error *err);
/* complete: the report is written, and this run's own files go. */
void eval_keep_end(struct tool *tool, const struct eval_options *o, bool complete);
/* The file of a task: name itself, if there is one, else NAME.yaml of those that are installed. ERR_USAGE lists them. free() it. */
enum status eval_task_find(const char *name, char **path, struct error *err);
/* The rows of the open input, each with a response or a list of them, those of one id that stand together one document: to the scores.
 * *documents: how many. */
enum status eval_completions(struct tool *tool, struct task *t, const char *prediction, int64_t limit, struct task_judge *judge,
			     int64_t *documents, struct error *err);
/* Compares the evaluations that are the operands, and fills what is written instead of a report. */
enum status eval_compare(struct tool *tool, const struct eval_options *o, struct buf *json, struct buf *table, struct error *err);
void eval_compare_release(void);
/* Looks for the rows of evaluations in corpora, the same way. */
enum status eval_contamination(struct tool *tool, const struct eval_options *o, struct buf *json, struct buf *table, struct error *err);
void eval_contamination_release(void);

/* How many responses are right, wrong, unparsed, undecided under a filter: as a member of the object that w is in, and in words, with the
 * filter's name if it is one of several. */
void eval_list_outcomes(struct json_writer *w, struct buf *notes, const char *filter, bool named, const int64_t n[OUTCOMES]);

#endif
