/* task_judge.h - the responses to a document of a generate_until task: through every filter, to the scores, and to whoever wants to know. The
 * responses are a model's (task_run.h), or were there already. */
#ifndef QUERN_JUDGE_TASK_JUDGE_H
#define QUERN_JUDGE_TASK_JUDGE_H

#include "judge/task_filter.h"
#include "judge/task_score.h"

struct task_sample {                         /* one document under one filter */
	int64_t doc;
	int filter;
	const char *text;            /* the document as JSON */
	size_t n;
	const char *target, *arguments, *responses, *filtered, *outcomes;    /* JSON; outcomes of generate_until, else NULL */
};
typedef enum status task_sample_told(void *arg, const struct task_scores *s, const struct task_sample *x, struct error *err);

struct task_judge;
/* told: of each document under each filter, in order, when the scores have it; NULL = nobody. */
enum status task_judge_open(struct task_judge **j, const struct task *t, struct task_scores *s, task_sample_told *told, void *arg,
			    struct error *err);
void task_judge_close(struct task_judge *j);                 /* NULL allowed */
/* n responses to document number doc, whose JSON text is doc_text. r has its target, gold and doc; arguments is what was asked, as JSON. */
enum status task_judge_responses(struct task_judge *j, int64_t doc, const char *doc_text, size_t doc_n, const struct task_request *r,
				 const char *arguments, const struct request_text *responses, int64_t n, struct error *err);
/* A list of texts as JSON; those without text are null. */
void task_write_texts(struct buf *out, const struct request_text *t, int64_t n);

#endif
