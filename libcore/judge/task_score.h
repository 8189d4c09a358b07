/* task_score.h - from likelihoods and responses to a task's metrics and their standard errors, as lm-evaluation-harness counts them
 * (process_results of api/task.py, api/metrics.py).
 *
 * Means have the standard error of a mean; medians, perplexity, F1, Matthews' coefficient, BLEU, chrF and TER that of bootstrap resamples, drawn
 * as the original draws them; weighted perplexities have none. Of several right answers any counts; BLEU, chrF and TER take them as
 * references. */
#ifndef QUERN_JUDGE_TASK_SCORE_H
#define QUERN_JUDGE_TASK_SCORE_H

#include "judge/metric.h"
#include "judge/task.h"

struct task_scores;
void task_scores_open(struct task_scores **s, const struct task *t);
void task_scores_close(struct task_scores *s);               /* NULL allowed */

/* One document: n likelihoods, one per choice; unconditional: as many of the choices alone, if acc_mutual_info is asked, else NULL. */
enum status task_scores_choices(struct task_scores *s, const struct task_request *r, const struct likelihood *l,
				const struct likelihood *unconditional, struct error *err);
void task_scores_likelihood(struct task_scores *s, const struct likelihood *l);
void task_scores_rolling(struct task_scores *s, const struct task_request *r, double logprob);
/* A response under filter number `filter`; text NULL is no response. */
enum status task_scores_response(struct task_scores *s, int filter, const struct task_request *r, struct request_text text,
				 struct error *err);
bool task_wants(const struct task *t, const char *metric);

/* The value that the last document added to a metric (of filter 0 unless it is generate_until); NAN where it has none of its own. */
double task_scores_last(const struct task_scores *s, int filter, int metric);

struct task_score {
	const char *metric, *filter;
	double value, error;         /* NAN: there is none */
	bool higher;
};
/* All metrics of all filters, as many as it returns, in *scores (mem_free); iterations of the bootstrap, 0 for none. */
int task_scores_report(const struct task_scores *s, int64_t iterations, struct task_score **scores);

#endif
