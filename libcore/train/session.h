/* session.h - what every training tool does once its data are read: open the run, train, write the model directory. */
#ifndef QUERN_TRAIN_SESSION_H
#define QUERN_TRAIN_SESSION_H

#include "train/flags.h"
#include "train/run.h"

struct session {
	const struct train_flags *flags;
	const char *out_dir, *identity;      /* see run.h */
	struct model *model;
	const struct dataset *data, *eval;   /* eval: {0} for none */
	struct objective objective;
	struct train_options options;
	struct run_hooks hooks;
};

struct session_result {
	enum run_state state;                /* as found; RUN_DONE: nothing was done */
	bool planned;                        /* --plan: nothing was done */
	bool interrupted;                    /* a checkpoint was written instead of a model */
	bool ended_early;                    /* by --patience */
	struct report last;                  /* step 0: no step was left to do */
	double eval_loss;                    /* the last one, NAN without */
	double best_loss;                    /* the lowest, and its step; 0 = none */
	int64_t best_step;
	int64_t step, tokens;                /* done in the whole run; learned from by this process */
	double seconds;                      /* for those tokens */
};
/* The tokenizer of a model directory, if it has one, into another. */
enum status session_copy_tokenizer(const char *from, const char *to, struct error *err);
enum status session_run(const struct session *s, struct session_result *r, struct error *err);

#endif
