/* word_count.h - how often each different piece of a text occurs: texts -> pieces -> counts, in memory or beyond it.
 *
 * A word_table holds words and their counts in some 30 bytes each and their own length. A word_counter adds tables up under a bound of
 * memory: when the table in it would pass the bound, it goes to a temporary file as a sorted run, and the runs are merged at the end. What
 * comes out is the same with any bound, but for the order of the words. Counts have 64 bits. */
#ifndef QUERN_TOKEN_WORD_COUNT_H
#define QUERN_TOKEN_WORD_COUNT_H

#include "token/pretok.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- a table ------------------------------------------------------------------------------------ */
struct word_slot {
	uint32_t hash, at;           /* the word's place among the chunks, in units of 4 bytes; 0 = an empty slot */
};
struct word_chunk {
	uint8_t *p;
	size_t used, size;
};
struct word_table {                  /* zero-initialised */
	struct word_slot *slots;
	size_t n, mask;
	struct word_chunk *chunks;
	int32_t n_chunks, cap_chunks;
	size_t bytes;                /* what chunks and slots take */
};
#define WORD_TABLE_MAX ((size_t)8 << 30) /* bytes that a table can hold */

/* Called once for each different word; p is its for the time of the call. */
typedef void word_emit(void *arg, const char *p, size_t n, uint64_t count);

/* Adds to a word's count. n < 2 GiB. */
void word_table_add(struct word_table *t, const char *p, size_t n, uint64_t count);
void word_table_each(const struct word_table *t, word_emit *emit, void *arg);
/* Puts the words in the order of their bytes into slots[0..n), after which the table can only be read by word_table_at and released. */
void word_table_sort(struct word_table *t);
const char *word_table_at(const struct word_table *t, size_t i, size_t *n, uint64_t *count);
void word_table_release(struct word_table *t);

/* --- from texts ----------------------------------------------------------------------------------- */
struct piece_cutter {                /* one per thread; zero-initialised but for stages */
	const struct pretok_stage *stages;
	int n_stages;                /* at most 2 */
	struct pretok_iter iter[2];
};
/* Counts the pieces of one text of valid UTF-8. */
enum status piece_count(struct piece_cutter *k, const char *text, size_t n, struct word_table *t, struct error *err);
void piece_cutter_release(struct piece_cutter *k);

/* --- beyond memory --------------------------------------------------------------------------------- */
struct word_counter;

/* memory: bytes that the words may take before they go to $TMPDIR (/tmp), to a file without a name. */
struct word_counter *word_counter_open(size_t memory);
/* Adds all counts of t. ERR_IO when the temporary file cannot be written. */
enum status word_counter_add(struct word_counter *c, const struct word_table *t, struct error *err);
int word_counter_runs(const struct word_counter *c);                        /* that have gone to disk */
/* Gives each different word once, and lets go of it. To be called once. */
enum status word_counter_drain(struct word_counter *c, word_emit *emit, void *arg, struct error *err);
void word_counter_close(struct word_counter *c);                            /* NULL allowed */

#endif
