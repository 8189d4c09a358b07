/* against.h - which rows share something with test sets: the text, a band of its signature, or a run of words; and where.
 *
 * Rows of the test sets are read and added first; after that any number of threads may read rows and ask. A run of words is
 * compared in lower case and without punctuation and marks (minhash.h, manner quern). Keys are 64-bit hashes: two different
 * things are taken for one with a probability of 2^-64 a pair. The table is in memory: 16 bytes a slot, at most two thirds full. */
#ifndef QUERN_TEXT_AGAINST_H
#define QUERN_TEXT_AGAINST_H

#include "text/rowkeys.h"

#define AGAINST_WHOLE UINT32_MAX     /* the place of a hit that is no run of words */

struct against_hit {
	uint32_t test_row;           /* in the order of adding */
	const char *test_id;         /* "" unless ids are kept */
	uint32_t at, bytes, test_at; /* bytes of the compared texts; AGAINST_WHOLE, 0, AGAINST_WHOLE for whole rows */
};

struct against;
struct against_facts;
/* keys: exact, minhash or neither; overlap: words of a run, 0 for none. memory bounds the table (0: no bound). ids: hits tell the ids of their rows. */
enum status against_open(struct against **a, const struct rowkeys_options *keys, int overlap, uint64_t memory, bool ids, struct error *err);
void against_close(struct against *a);                                      /* NULL allowed */
/* What a batch's rows have to compare, by worker, on any thread. */
enum status against_read(struct against *a, const struct batch *b, int worker, struct against_facts **f, struct error *err);
void against_facts_free(struct against_facts *f);                           /* NULL allowed */
/* Reads a file of rows that can be compared, on the pool, and hands each batch with its facts to `each`, in order; entry is filled for the
 * provenance. */
typedef enum status against_each(void *arg, struct batch *b, struct against_facts *f, struct error *err);
enum status against_scan(struct against *a, const char *path, struct pool *pool, against_each *each, void *arg, struct provenance_input *entry,
			 struct error *err);
/* Enters the rows of a test set, read on the pool; entry is filled for the provenance. */
enum status against_load(struct against *a, const char *path, struct pool *pool, struct provenance_input *entry, struct error *err);
/* Hits of a row, in *hits (the facts' own, valid until the next call with them): one for the whole row, or each run of words that is as long as
 * it can be, in order. Returns how many. */
int64_t against_find(const struct against *a, struct against_facts *f, int64_t row, const struct against_hit **hits);
/* The text of a document without the runs of its hits, which may overlap, in the place of what out holds. */
void against_cut(const char *s, size_t n, const struct against_hit *hits, int64_t n_hits, struct buf *out);
/* The other way round: which rows of test sets have a run of words in a corpus. Test rows are entered, the corpus's rows marked in
 * their order, and then the test rows' facts asked. Of each `overlap` words the first place in the corpus is kept, 24 bytes a slot. */
struct against_place {
	int64_t row;                 /* as the caller counts */
	uint32_t file, at, bytes;    /* bytes of the compared text; 0: nowhere */
};
struct against_run {
	uint32_t at, bytes;          /* of the test row's compared text */
	struct against_place in;
};
/* Enters the rows of a batch of any kind that can be compared; *f are their facts, which may be NULL. Not after against_mark. */
enum status against_enter(struct against *a, const struct batch *b, struct against_facts **f, struct error *err);
/* *first: the row is the first place of some run. */
enum status against_mark(struct against *a, const struct against_facts *f, int64_t row, uint32_t file, int64_t number, bool *first, struct error *err);
/* Runs of a test row that are in one row of the corpus, in order, each as long as it can be; in *runs, valid until the next call with f. */
int64_t against_seen(const struct against *a, struct against_facts *f, int64_t row, const struct against_run **runs);
/* Whether a row has as many words as a run. */
bool against_is_long(const struct against_facts *f, int64_t row);
uint64_t against_bytes(const struct against *a);
uint64_t against_steps(const struct against *a);     /* slots that adding has looked at behind the first */
int64_t against_rows(const struct against *a);
int64_t against_short(const struct against *a);      /* rows of test sets with fewer words than a run */

#endif
