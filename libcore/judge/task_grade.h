/* task_grade.h - which of a document's responses are right, by the task's grader, and which of them say the same. */
#ifndef QUERN_JUDGE_TASK_GRADE_H
#define QUERN_JUDGE_TASK_GRADE_H

#include "base/pool.h"
#include "judge/code.h"
#include "judge/task.h"
#include "judge/verdict.h"

enum outcome {
	OUTCOME_RIGHT, OUTCOME_WRONG,
	OUTCOME_UNPARSED,            /* no answer could be found in the response, or read */
	OUTCOME_UNDECIDED,           /* there is an answer, and nobody can say whether it is right; or nothing right to compare it with */
	OUTCOMES
};
const char *outcome_name(enum outcome o);            /* "right", ... */
enum outcome outcome_of(struct judgement j);

struct grade {
	enum outcome outcome;
	const char *reason;          /* more of it, or NULL: "different:number", "timeout" */
	int strict, loose, of;       /* ifeval: instructions that are followed, of how many */
	bool strict_all, loose_all;
};

struct grader;
/* Compiles what the metrics say to ignore. */
struct grader *grader_open(const struct task *t);
void grader_close(struct grader *g);                         /* NULL allowed */
/* What runs the responses of a GRADE_CODE task, and on which threads (NULL: this one); both stay the caller's. */
void grader_set_code(struct grader *g, struct code *c, struct pool *pool);

/* n responses: a text is what the filters left of it, NULL if nothing; fallback is what they leave of a text in which they find nothing, or
 * NULL. r->doc must be there for ifeval and code. ERR_DATA where the document cannot be judged by. */
enum status grader_judge_all(struct grader *g, const struct task_request *r, const char *fallback, const struct request_text *text, int64_t n,
			     struct grade *grades, struct error *err);
/* Whether two responses that are not right give the same answer; of GRADE_IFEVAL and GRADE_CODE never. */
enum status grader_alike(struct grader *g, const struct task_request *r, struct request_text a, struct request_text b, bool *same,
			 struct error *err);
/* The right answers of a request as texts; out has room for as many as the target is a list of, and one. Returns how many. */
int64_t grader_answers(const struct task_request *r, struct request_text *out, char digits[32]);
/* A text as exact_match compares it, under the options of metric number m. */
enum status grader_normalise(struct grader *g, int m, struct request_text t, struct buf *out, struct error *err);

#endif
