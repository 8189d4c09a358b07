/* task_filter.h - what lies between what a model said and what is compared: the filters of lm-evaluation-harness (filters/) regex, take_first,
 * take_first_k, majority_vote, remove_whitespace, lowercase, uppercase and map. */
#ifndef QUERN_JUDGE_TASK_FILTER_H
#define QUERN_JUDGE_TASK_FILTER_H

#include "judge/task.h"

struct response_filter;
/* ERR_UNSUPPORTED names a function that we do not have; steps NULL is take_first. */
enum status response_filter_open(struct response_filter **f, const struct task_filter *t, struct error *err);
void response_filter_close(struct response_filter *f);       /* NULL allowed */
/* What its regex leaves of a text without a match; NULL: it has none. */
const char *response_filter_fallback(const struct response_filter *f);
/* What is left of one document's responses, text[*n] in place; new texts live in arena. A text of NULL is Python's None. */
enum status response_filter_apply(const struct response_filter *f, struct request_text *text, int64_t *n, struct arena *arena,
				  struct error *err);

#endif
