/* packer.h - rows of tokens into packs of one length: ids, labels, and the lengths of the sequences in them.
 *
 * bfd: best-fit decreasing over a window of rows (pack.h); wrapped: one after the other, cut at every pack's end; none: a row is a
 * pack. A pack's tail is padding that no sequence counts. labels are the ids where loss_mask says so (everywhere without one),
 * -100 else, and -100 for the first token of each sequence, which has nothing before it to be predicted from. */
#ifndef QUERN_TOKEN_PACKER_H
#define QUERN_TOKEN_PACKER_H

#include "stream/record.h"

enum pack_strategy { PACK_BFD, PACK_WRAPPED, PACK_NONE };
#define PACK_STRATEGY_NAMES "bfd|wrapped|none"
enum pack_overlong { PACK_SPLIT, PACK_DROP, PACK_TRUNCATE };     /* bfd, none: what becomes of rows longer than a pack */
#define PACK_OVERLONG_NAMES "split|drop|truncate"

struct packer_options {
	int64_t length;              /* tokens of a pack, at most 2^24 */
	int64_t window;              /* bfd: tokens that are packed together */
	int64_t pad_id;
	enum pack_strategy strategy;
	enum pack_overlong overlong;
};
#define PACKER_WINDOW (16 << 20)

struct pack {                        /* valid until the sink returns */
	const int32_t *ids, *labels; /* [length of a pack]; what is behind the first `used` is padding */
	const int32_t *lengths;      /* [n] of the sequences, `used` in all */
	int64_t n, used;
};
typedef enum status packer_sink(void *arg, const struct pack *pack, struct error *err);

struct packer_totals {
	int64_t packs, sequences, tokens, loss_tokens; /* given out; tokens with a loss also those that wait */
	int64_t tokens_in;           /* of all rows */
	int64_t rows_cut;            /* rows that a pack does not hold whole (not wrapped) */
};

struct packer;
/* ERR_DATA unless rows of these columns can be packed. */
enum status packer_check(const struct schema *s, struct error *err);
struct packer *packer_open(const struct packer_options *o, packer_sink *sink, void *arg);
void packer_close(struct packer *p); /* NULL allowed */
/* Adds a row, unless there is a reason not to ("null_token", "empty", "negative_token", "too_long"), else NULL in *reason. */
enum status packer_add(struct packer *p, struct batch *b, int64_t row, const char **reason, struct error *err);
/* Gives out what still waits. */
enum status packer_end(struct packer *p, struct error *err);
const struct packer_totals *packer_totals(const struct packer *p);

#endif
