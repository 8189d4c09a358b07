/* task_score.h - from likelihoods and responses to a task's metrics and their standard errors, as lm-evaluation-harness counts them
 * (process_results of api/task.py, api/metrics.py).
 *
 * Means have the standard error of a mean; medians, perplexity, F1, Matthews' coefficient, BLEU, chrF and TER that of bootstrap resamples, drawn
 * as the original draws them; weighted perplexities have none. Of several right answers any counts; BLEU, chrF and TER take them as
 * references. */
#ifndef QUERN_JUDGE_TASK_SCORE_H
#define QUERN_JUDGE_TASK_SCORE_H

#include "judge/task_grade.h"

struct perplexity_document;          /* perplexity.h */
struct task_scores;
void task_scores_open(struct task_scores **s, const struct task *t);
void task_scores_close(struct task_scores *s);               /* NULL allowed */

/* One document: n likelihoods, one per choice; unconditional: as many of the choices alone, if acc_mutual_info is asked, else NULL. */
enum status task_scores_choices(struct task_scores *s, const struct task_request *r, const struct likelihood *l,
				const struct likelihood *unconditional, struct error *err);
void task_scores_likelihood(struct task_scores *s, const struct likelihood *l);
void task_scores_rolling(struct task_scores *s, const struct perplexity_document *d);
/* What filter number `filter` left of a document's n responses; a text of NULL is none. fallback is what it leaves where it finds nothing, or
 * NULL. r->doc is needed for graders ifeval and code. The first response counts, for pass@k all, for avg@k and maj@k the first k:
 *   pass@k   pass_rate.h's estimate of how often one of k is right
 *   avg@k    the share of the first k that is right
 *   maj@k    1 if the answer that most of the first k give is right: answers are the same when the grader finds them equal; responses without
 *            an answer have no vote, and of answers with as many votes the first wins
 * A response that is not decided counts as not right. ERR_DATA where there are fewer than k. */
enum status task_scores_responses(struct task_scores *s, int filter, const struct task_request *r, const char *fallback,
				  const struct request_text *text, int64_t n, struct error *err);
/* Of a code task, from before the first response on; both stay the caller's, pool may be NULL. */
void task_scores_set_code(struct task_scores *s, struct code *c, struct pool *pool);
/* [OUTCOMES] responses so far under a filter, each once. */
const int64_t *task_scores_outcomes(const struct task_scores *s, int filter);
/* Of the responses that were scored last. */
const struct grade *task_scores_grades(const struct task_scores *s);
bool task_wants(const struct task *t, const char *metric);

/* The *n numbers (1: a value, NAN: none) that the last document added to a metric; before the first document NULL, and *n is known. */
const double *task_scores_item(const struct task_scores *s, int filter, int metric, int *n);

struct task_score {
	const char *metric, *filter;
	double value, error;         /* NAN: there is none */
	bool higher;
};
/* All metrics of all filters, as many as it returns, in *scores (mem_free); iterations of the bootstrap, 0 for none. */
int task_scores_report(struct task_scores *s, int64_t iterations, struct task_score **scores);

#endif
