/* dataset.h - training data in memory, and the order in which it is seen.
 *
 * A dataset is a list of items; an item is what a step takes as a whole: a packed row (several
 * sequences), one sequence, or a preference pair (chosen, then rejected). All is held in memory: 8 bytes per token, 8 per
 * sequence and 16 per item. The order depends on seed and epoch alone; a cursor is a position in the endless list of epochs. */
#ifndef QUERN_TRAIN_DATASET_H
#define QUERN_TRAIN_DATASET_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct dataset {
	int64_t n_items, n_seqs, n_tokens, n_targets;
	int64_t *item_seq;           /* [n_items + 1] first sequence of an item */
	int64_t *seq_at;             /* [n_seqs + 1] first token of a sequence */
	int32_t *ids, *targets;      /* [n_tokens]; targets[i] is what follows token i, -1 where no loss is taken */
	float *ref;                  /* [n_seqs] log-probability under the reference, or NULL */
	int64_t *prompt_targets;     /* [n_seqs] how many of the first targets belong to the prompt; NULL: none do */
	bool *wanted;                /* [n_items] of feedback, else NULL */
	float *margin;               /* [n_items] by which a pair's chosen is better, or NULL */
	struct dataset *companion;   /* as many items, for objectives that look at others beside; else NULL */
	int64_t longest;             /* tokens of the longest item */
	int64_t cap_items, cap_seqs, cap_tokens;
};

void dataset_release(struct dataset *d);
/* Appends a sequence to the item being built; labels as Hugging Face has them (labels[i] belongs to ids[i], negative = no
 * loss): token i learns labels[i + 1]. What stands behind the last target changes nothing and is left out; a
 * sequence without a target is left out whole. Returns the number of targets. */
int64_t dataset_add(struct dataset *d, const int32_t *ids, const int32_t *labels, int64_t n);
/* Takes back the sequences added since the last item. */
void dataset_drop_item(struct dataset *d);
/* Ends the item of the sequences since the last one; false if there is none. */
bool dataset_end_item(struct dataset *d);
int64_t dataset_item_tokens(const struct dataset *d, int64_t item);
int64_t dataset_item_targets(const struct dataset *d, int64_t item);

struct cursor {
	const struct dataset *d;
	uint64_t seed;
	bool shuffle;
	int64_t epochs, last_n;      /* ends after so many, of which the last has last_n items; 0 = never */
	int64_t epoch, at;
	int64_t *order;              /* [n_items] of this epoch */
};
void cursor_open(struct cursor *c, const struct dataset *d, uint64_t seed, bool shuffle, double epochs);
void cursor_release(struct cursor *c);
void cursor_rewind(struct cursor *c);
/* The next item without taking it, or -1 at the end. */
int64_t cursor_peek(struct cursor *c);
void cursor_take(struct cursor *c);

#endif
