/* run.h - a training run in its directory: checkpoints, metrics, exact resume, the finished model.
 *
 * DIR/trainer/ holds checkpoint.safetensors (parameters, optimizer state, step; replaced whole), older ones as
 * checkpoint-STEP.safetensors where some are kept, metrics.jsonl (a line per step, no wall clock) and, once the model is written,
 * done. Each names the run it belongs to by its identity, the provenance of the model it makes: tool, options, and the hashes of
 * model and data. DIR/best/ is the model of the best evaluation. A run that is killed anywhere and started again with the same words
 * ends in the same bytes; one that is finished does nothing; another run in its place is refused. */
#ifndef QUERN_TRAIN_RUN_H
#define QUERN_TRAIN_RUN_H

#include "train/checkpoint.h"
#include "train/tensorboard.h"
#include "train/trainer.h"

enum run_state { RUN_NEW, RUN_RESUME, RUN_DONE };

struct run {
	char *dir, *trainer_dir, *best_dir, *checkpoint, *metrics, *done;
	char *identity, *done_identity;
	struct checkpoint state;     /* as of the steps done */
	int64_t written;             /* step of the checkpoint that is there, -1 = none */
	struct run_writer *writer;   /* of one that is on its way, NULL = none is */
	int metrics_fd;
	int lock_fd;
};

struct run_options {
	const char *identity;
	const char *skipped;         /* --skip-batches, which may grow while the run is not done; NULL for none */
	bool restart;                /* another run's state is removed instead of refused */
	bool resume;                 /* an unfinished run is taken up instead of refused */
};
/* Makes and locks the directory and finds out what is there. */
enum status run_open(struct run *r, const char *dir, const struct run_options *o, enum run_state *state, struct error *err);
void run_close(struct run *r);
/* Begins the checkpoint of this step, once the one before it is written; a thread writes it while the training goes on. keep: how many to
 * have in all, the newest included; was: step of the one there now, 0 = not to be kept. */
enum status run_save(struct run *r, const struct trainer *t, int64_t keep, int64_t was, struct error *err);
/* Waits until it has read the trainer's state (trainer.settle); until it is written, and tells how that went; the latter only if it is. */
void run_settle(void *run);
enum status run_wait(struct run *r, struct error *err);
enum status run_look(struct run *r, struct error *err);
/* The file of a kept checkpoint (mem_free). */
char *run_kept_path(const struct run *r, int64_t step);
/* Removes older ones than those, as run_save does last: of a run that was killed just before. */
enum status run_trim(const struct run *r, int64_t keep, struct error *err);
/* Opens metrics.jsonl and cuts off the lines of steps that the state does not know. */
enum status run_open_metrics(struct run *r, struct error *err);
enum status run_add_metrics(struct run *r, const struct buf *lines, struct error *err);

struct run_hooks {
	void *arg;
	/* Before any memory is taken: the sizes are known. */
	enum status (*opened)(void *arg, const struct trainer *t, struct error *err);
	/* After each step; line: the metrics as one JSON object, with tokens_per_second. */
	enum status (*step)(void *arg, const struct trainer *t, const struct report *r, const char *line, size_t n,
			    struct error *err);
	bool (*interrupted)(void);
	/* Writes into a model directory what else belongs to it (tokenizer, provenance), before the weights. */
	enum status (*extras)(void *arg, const char *dir, struct error *err);
};
struct run_plan {
	int64_t save_every;          /* steps between checkpoints */
	int64_t keep;                /* checkpoints to have, at least 1 */
	const struct dataset *eval;  /* held-out data, or NULL */
	int64_t eval_every;          /* steps; also after the last */
	int64_t patience;            /* evaluations without a better one that end the run; 0 = never */
	bool best;                   /* write DIR/best at each better evaluation */
	struct tensorboard *board;   /* NULL without */
};
/* Takes up the checkpoint if there is one, and trains to the last step. END: interrupted, after a checkpoint.
 * last: the last step's report (step 0: none was left), the last eval loss in *eval_loss (NAN without). */
enum status run_train(struct run *r, struct trainer *t, const struct run_plan *plan, const struct run_hooks *hooks,
		      struct report *last, double *eval_loss, struct error *err);
/* Writes the model, and then the mark that all is there. */
enum status run_finish(struct run *r, const struct model *m, const struct run_hooks *hooks, struct error *err);

#endif
