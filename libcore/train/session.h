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
	bool interrupted;                    /* a checkpoint was written instead of a model */
	struct report last;                  /* step 0: no step was left to do */
	double eval_loss;                    /* NAN without */
	int64_t step, tokens;                /* done in the whole run; learned from by this process */
	double seconds;                      /* for those tokens */
};
enum status session_run(const struct session *s, struct session_result *r, struct error *err);

#endif
