/* train.h - what the mains of the training tools share: reading items, running the session, talking about it.
 *
 * A training tool says how a row becomes an item and what is minimised; the rest is here and in libcore/train. */
#ifndef QUERN_TOOLS_TRAIN_H
#define QUERN_TOOLS_TRAIN_H

#include "common/tool.h"
#include "train/session.h"

struct training {
	struct tool *tool;
	const struct train_flags *flags;
	struct model *model;
	const char *tokenizer;       /* whose files go with the model; NULL is that of the start model */
	const char *chat_template;   /* a file that takes the place of its template; NULL for none */
	const char *items;           /* "rows", "pairs" */
	const enum kind *kinds;      /* that are read */
	int n_kinds;
	int n_shown;                 /* how many of the objective's values end in the summary */
	void *arg;                   /* of these: */
	/* Before the first row of the inputs, and of --eval: d is the dataset to fill. NULL: nothing to do. */
	enum status (*begin)(void *arg, struct dataset *d, const struct schema *s, enum kind k, struct error *err);
	enum status (*add)(void *arg, struct dataset *d, enum kind k, struct batch *b, int64_t row, const char **reason,
			   struct error *err);
	/* After the last row. NULL: nothing to do. */
	enum status (*end)(void *arg, struct dataset *d, struct error *err);
	/* NULL, or what also takes rows of text, and makes tokens of them on several threads at once, as encoder_batch (token/encoder.h). */
	bool (*takes_text)(enum kind k);
	enum status (*encode)(void *arg, struct batch *b, struct batch **out, const char **reject, int worker, struct error *err);
	/* Before memory for training is taken, if there is something to train. NULL: nothing to do. */
	enum status (*prepare)(void *arg, struct training *t, struct error *err);
	/* After each step that learned. NULL: nothing to do. */
	void (*watch)(void *arg, const struct report *r);
	int64_t batch_items, batch_tokens;   /* most of a step, 0 = no limit */
	double neftune_alpha;
	struct dataset data, held_out;

	/* For the line on a terminal. */
	double flops_per_token, peak_flops, step_end, timed_seconds, seconds_left;
	int64_t timed_steps, timed_tokens;
};

/* What every trainer needs is given: -m and -o. */
enum status training_check(const struct training *t, struct error *err);
/* All else: the flags are checked, the inputs read into data and --eval into held_out, the model trained and -o written; the summary's
 * facts are set. What t holds is released; the model is the caller's. */
enum status training_run(struct training *t, const struct objective *objective, struct error *err);

#endif
