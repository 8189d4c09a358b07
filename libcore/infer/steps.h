/* steps.h - a solution as steps, for process reward models: what they are trained on, and how they are asked.
 *
 * A step's ids are those of its text, encoded alone, and of the separator behind it; its label, or its score, is at the last of them. The
 * prompt's ids (prompt.h) come before. So TRL's PRMTrainer has it. */
#ifndef QUERN_INFER_STEPS_H
#define QUERN_INFER_STEPS_H

#include "infer/lm.h"

#define STEP_SEPARATOR "\n"

struct steps {
	const struct lm *lm;
	const char *separator;
	size_t separator_n;
	struct ids ids;              /* the separator's */
};
/* separator: NULL takes that of the model, or else STEP_SEPARATOR; it stays the caller's. ERR_USAGE if it has no ids, or too many bytes to be
 * written into config.json. */
enum status steps_open(struct steps *s, const struct lm *lm, const char *separator, struct error *err);
void steps_close(struct steps *s);
/* Appends a step's ids. */
enum status steps_encode(const struct steps *s, const char *text, size_t n, struct ids *out, struct error *err);
/* The next step from *at on: what stands up to the separator, or the end, and is not only white space. false: there is none. */
bool steps_next(const struct steps *s, const char **at, const char *end, const char **step, size_t *n);

#endif
