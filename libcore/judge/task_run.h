/* task_run.h - a task under a model: every document asked, answered, filtered and scored. */
#ifndef QUERN_JUDGE_TASK_RUN_H
#define QUERN_JUDGE_TASK_RUN_H

#include "infer/journal.h"
#include "judge/task_judge.h"

struct task_run {
	struct lm *lm;
	const struct task *task;
	const struct docs *docs, *shots;     /* shots NULL or docs: few-shot examples are other documents of docs */
	uint64_t shot_seed;                  /* the original's is 1234 */
	int64_t context;                     /* most tokens of context and continuation; 0 = the model's, up to 4096 */
	struct likelihood_cache *cache;      /* of likelihoods, rolling ones too, or NULL */
	struct journal *journal;             /* generate_until: of what is finished, or NULL */
	struct generate_options generate;    /* generate_until: slots and seed; the task decides all else */
	/* Told of each document under each filter, in order; the scores already have it. NULL = nobody. */
	bool chat;                   /* generate_until: the prompt is what a user says, under the model's chat template */
	task_sample_told *sample;
	void (*tick)(void *arg, int64_t done, int64_t all);
	void *arg;
};
struct task_totals {
	int64_t requests, fed, shared;       /* tokens computed, and taken from the cache */
};
enum status task_run(const struct task_run *r, struct task_scores *s, struct task_totals *totals, struct error *err);

#endif
