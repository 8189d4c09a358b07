/* rows.h - rows of a record stream as items of a dataset.
 *
 * A row that cannot be used gets a reason instead: "too_long" (more tokens than the model has positions), "no_loss" (nothing
 * to learn in it), "template_error". A token that the model does not have is an error: the tokenizer is another. */
#ifndef QUERN_TRAIN_ROWS_H
#define QUERN_TRAIN_ROWS_H

#include "infer/logprob.h"
#include "infer/prompt.h"
#include "infer/steps.h"
#include "stream/stream.h"
#include "token/packer.h"
#include "train/dataset.h"

/* A row of kind packed (its sequences make one item) or tokens (one sequence; loss_mask decides where a loss is taken). */
enum status rows_add_sequences(struct dataset *d, const struct model_config *c, enum kind k, const struct batch *b,
			       int64_t row, const char **reason, struct error *err);

/* A pack, as packer.h gives it: its sequences make one item. */
enum status rows_add_pack(struct dataset *d, const struct model_config *c, const struct pack *p, const char **reason, struct error *err);

/* Preference pairs: of kind preferences, encoded by the model's tokenizer and template as logprob_encode does,
 * or tokens with prompt_ids, chosen_ids, rejected_ids. */
struct pairs {
	const struct lm *lm;
	enum kind kind;
	bool ref_columns;            /* take ref_chosen_logp and ref_rejected_logp of the rows */
	bool rated;                  /* for a reward model: the sequence's last token alone has a target, which is 0; the column margin is taken */
	bool prompt_targets;         /* the prompt's tokens are targets, too; d->prompt_targets tells how many they are */
	struct chat_message *messages, *reply;
	int cap_messages, cap_reply;
	struct ids ids, mask;
	int64_t cap_ref, cap_prompt, cap_wanted, cap_margin;
};
enum status pairs_open(struct pairs *p, const struct lm *lm, const struct schema *s, enum kind k, struct error *err);
enum status pairs_add(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, const char **reason,
		      struct error *err);
/* The same of kind feedback: prompt as messages, completion as text, label; or tokens with prompt_ids, completion_ids and label. One
 * sequence makes an item, and d->wanted says of which sort. */
enum status feedback_open(struct pairs *p, const struct lm *lm, const struct schema *s, enum kind k, struct error *err);
enum status feedback_add(struct pairs *p, struct dataset *d, const struct batch *b, int64_t row, const char **reason,
			 struct error *err);
/* Each item's prompt with the completion of the item before it (the first with that of the last), cut at so many tokens: what
 * KTO's estimate looks at. The caller's (dataset_release, mem_free), or d's as its companion. */
struct dataset *feedback_mismatched(const struct dataset *d, int positions);
void pairs_close(struct pairs *p);

/* Steps with labels (kind stepwise), for a process reward model: a sequence of prompt and steps (infer/steps.h), with a target of 0 or 1 at each
 * step's last token. A null label is none. More reasons: "label_count" (not as many labels as steps), "bad_label" (neither true nor false,
 * 0 nor 1), "empty_prompt". */
struct step_rows {
	const struct lm *lm;
	struct steps steps;
	struct prompts prompts;
	struct ids ids, labels;
};
/* separator: as steps_open. */
enum status step_rows_open(struct step_rows *r, const struct lm *lm, const struct schema *s, const char *separator, struct error *err);
/* last: only the last step counts. */
enum status step_rows_add(struct step_rows *r, struct dataset *d, bool last, const struct batch *b, int64_t row, const char **reason,
			  struct error *err);
void step_rows_close(struct step_rows *r);

#endif
