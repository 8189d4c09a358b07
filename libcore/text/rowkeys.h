/* rowkeys.h - the keys by which rows are found equal or nearly so: a hash of the text, and one of each band of its signature. */
#ifndef QUERN_TEXT_ROWKEYS_H
#define QUERN_TEXT_ROWKEYS_H

#include "text/compare.h"
#include "text/fold.h"
#include "text/minhash.h"

struct rowkeys_options {
	bool exact, minhash;
	enum compare_by by;          /* not COMPARE_AUTO */
	unsigned folds;              /* enum fold, of the exact key */
	struct minhash_recipe recipe;
	int workers;
};

struct rowkeys;
/* ERR_USAGE for a recipe of too many permutations. */
enum status rowkeys_open(struct rowkeys **k, const struct rowkeys_options *o, struct error *err);
void rowkeys_close(struct rowkeys *k);                                      /* NULL allowed */
int rowkeys_count(const struct rowkeys *k);          /* keys of a row; the first is the exact one, if there is one */

/* Of one row, by worker: its keys into keys[count][2], where zeros stand for none (a text without shingles has no bands). ERR_DATA for a text
 * of 2 GiB and more. */
enum status rowkeys_make(struct rowkeys *k, const struct batch *b, int64_t row, int worker, uint64_t *keys, struct error *err);
/* What the worker's last row was: its text's bytes, and its shingles, which the caller may put in another order. */
size_t rowkeys_bytes(const struct rowkeys *k, int worker);
uint64_t *rowkeys_shingles(struct rowkeys *k, int worker, size_t *n);

#endif
