/* run.h - a training run in its directory: checkpoints, metrics, exact resume, the finished model.
 *
 * DIR/trainer/ holds checkpoint.safetensors (parameters, AdamW's moments, step; replaced whole),
 * metrics.jsonl (a line per step, no wall clock) and, once the model is written, done. Each names the run it belongs to by its
 * identity, the provenance of the model it makes: tool, options, and the hashes of model and data. A run that is
 * killed anywhere and started again with the same words ends in the same bytes; one that is finished does nothing;
 * another run in its place is refused. */
#ifndef QUERN_TRAIN_RUN_H
#define QUERN_TRAIN_RUN_H

#include "train/trainer.h"

enum run_state { RUN_NEW, RUN_RESUME, RUN_DONE };

struct run {
	char *dir, *trainer_dir, *checkpoint, *metrics, *done;
	char *identity;
	int64_t metrics_bytes;       /* of metrics.jsonl that belong to the steps done */
	int metrics_fd;
	int lock_fd;
};

/* Makes and locks the directory and finds out what is there. restart: another run's state is removed instead of refused. */
enum status run_open(struct run *r, const char *dir, const char *identity, bool restart, enum run_state *state,
		     struct error *err);
void run_close(struct run *r);

struct run_hooks {
	void *arg;
	/* Before the first step: the sizes are known. */
	void (*opened)(void *arg, const struct trainer *t);
	/* After each step; line: the metrics as one JSON object, with tokens_per_second. */
	enum status (*step)(void *arg, const struct trainer *t, const struct report *r, const char *line, size_t n,
			    struct error *err);
	bool (*interrupted)(void);
	/* Writes what else belongs to the model (provenance), before the weights. */
	enum status (*finish)(void *arg, struct error *err);
};
struct run_plan {
	int64_t save_every;          /* steps between checkpoints */
	const struct dataset *eval;  /* held-out data, or NULL */
	int64_t eval_every;          /* steps; also after the last */
};
/* Takes up the checkpoint if there is one, and trains to the last step. END: interrupted, after a checkpoint.
 * last: the last step's report (of an earlier run too), its eval loss in *eval_loss (NAN without). */
enum status run_train(struct run *r, struct trainer *t, const struct run_plan *plan, const struct run_hooks *hooks,
		      struct report *last, double *eval_loss, struct error *err);
/* Writes the model, and then the mark that all is there. Other files of the directory come before. */
enum status run_finish(struct run *r, const struct model *m, struct error *err);

#endif
