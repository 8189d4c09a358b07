/* dedup.h - the algorithms of dedup behind one face: a method gives each row its verdict.
 *
 * `facts` takes from a batch what the method needs to know (keys, mostly), on any thread. A method of one pass is then asked by `judge`, row by
 * row, with the batch's facts. One of two passes gets the batches with their facts in order by `add`, and `decide` sees everything
 * at once; only then, in a second reading of the same rows in the same order, comes `judge`, without facts; where it says so by `at_once`, rows
 * are judged in the first reading. A method holds its memory within
 * common.memory and writes the rest to files without names in common.tmp. What it says depends on the rows alone: neither on
 * threads nor on memory.
 *
 * Constructors check what the options say (ERR_USAGE) and leave *m untouched on failure. */
#ifndef QUERN_TEXT_DEDUP_H
#define QUERN_TEXT_DEDUP_H

#include "stream/expr.h"
#include "text/compare.h"
#include "text/dedup_index.h"
#include "text/dedup_stage.h"
#include "text/fold.h"
#include "text/minhash.h"

struct against_hit;
struct repeats_span;
enum keep { KEEP_FIRST, KEEP_LONGEST, KEEP_NONE, KEEP_BEST };

struct verdict {
	const char *reason;          /* NULL: the row stays */
	const void *original;        /* id of the row that it repeats (common.ids), valid until the next judge */
	size_t original_bytes;
	double similarity;           /* with that row: Jaccard of shingles, 1 for equal texts; NaN unknown */
	const char *text;            /* not NULL: the row stays with this text for its own, valid until the next judge */
	size_t text_bytes;
	const struct repeats_span *spans;    /* of tokens: what the row stays without, as valid as text */
	int64_t n_spans;
	int64_t cut;                 /* bytes that are gone from the text, or tokens */
	const struct against_hit *hits;      /* what it shares with test sets, as valid as text; of a row that stays too */
	int64_t n_hits;
};

struct dedup_common {
	struct pool *pool;
	size_t memory;               /* bytes */
	const char *tmp;             /* as temp_open */
	enum compare_by by;
	unsigned folds;              /* enum fold */
	enum keep keep;
	bool ids;                    /* verdicts name the row that is repeated */
};

struct dedup_method {
	void *self;
	/* Any thread; worker < pool_threads names it. NULL: none are needed. ERR_DATA where a text is too large. */
	enum status (*facts)(void *self, const struct batch *b, int worker, void **facts, struct error *err);
	void (*free_facts)(void *facts);
	/* NULL: of one pass. */
	enum status (*add)(void *self, const struct batch *b, const void *facts, struct error *err);
	/* After an add: its rows may be judged already, and must be before the next one; they do not come in the second reading. Once false,
	 * it stays so. NULL: never. */
	bool (*at_once)(const void *self);
	/* Both NULL: of two passes. */
	enum status (*begin_review)(void *self, struct error *err);
	enum status (*review)(void *self, const struct batch *b, struct error *err);
	/* NULL: of one pass. After the last add and review. */
	enum status (*decide)(void *self, struct error *err);
	/* Of one pass: on any thread, but each batch's facts on one at a time. */
	enum status (*judge)(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err);
	/* After the last row; NULL: nothing to do. */
	enum status (*end)(void *self, struct error *err);
	/* Facts for the summary: calls tell for each. NULL: none. */
	void (*stats)(const void *self, void (*tell)(void *arg, const char *key, int64_t n), void *arg);
	void (*close)(void *self);
	bool cuts;                   /* verdicts may have another text */
};

/* --- rows that share something with test sets: one pass ------------------------------------------- */
struct dedup_against {
	bool exact, minhash;
	struct minhash_recipe recipe;
	int overlap;                 /* words of a run that is shared; 0: none are looked for */
	bool cut;                    /* runs are cut out of documents */
	double share_max;            /* as of parts */
};
enum status dedup_against_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_against *o, struct error *err);
/* Reads a test set on the pool, before the first row; entry is filled for the provenance. */
enum status dedup_against_load(struct dedup_method *m, const char *path, struct pool *pool, struct provenance_input *entry, struct error *err);

/* --- whole rows: equal texts, MinHash, or both ---------------------------------------------------- */
struct dedup_rows {
	bool exact, minhash;
	struct minhash_recipe recipe;
	bool verify;                 /* a candidate pair of MinHash counts if its true Jaccard is at least recipe.threshold */
	const char *prefer;          /* KEEP_BEST: a value or condition over the columns of schema, "-" before it for the least */
	const struct schema *schema;
	const char *index;           /* directory of the keys of earlier runs, whose rows stay: dedup_index.h. NULL: none */
	bool signs;                  /* dedup_rows_sign will be called */
	bool at_once;                /* rows are judged as they come as long as they can be */
};
enum status dedup_rows_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_rows *o, struct error *err);
/* Adds the rows to the index, after they have been judged, puts all runs together if compact is set, and tells what it holds then. */
enum status dedup_rows_commit(struct dedup_method *m, bool compact, void (*tell)(void *arg, const char *key, int64_t n), void *arg,
			      struct error *err);
/* What a stage has to know besides its directory and part. */
void dedup_rows_stage(struct dedup_stage *s, const struct dedup_common *common, const struct dedup_rows *o);
/* In the place of decide: writes what the stages of dedup_stage.h need of the rows. */
enum status dedup_rows_sign(struct dedup_method *m, const struct dedup_stage *stage, struct error *err);

/* --- rows as the stages before have decided: one pass ---------------------------------------------- */
/* *first is the number of the part's first row among those of all parts. */
enum status dedup_filter_open(struct dedup_method *m, const struct dedup_stage *s, const struct dedup_rows *o, int64_t *first,
			      struct error *err);

/* --- paragraphs or lines that come more than once in the corpus ------------------------------------ */
/* Of documents. A line ends with a line feed, a paragraph with a line feed and blank lines; what only is white space is never
 * compared. A part that repeats is cut with its end; KEEP_FIRST leaves the first in the corpus, KEEP_NONE none of those that come twice. */
struct dedup_parts {
	bool lines;                  /* else paragraphs */
	bool blanks;                 /* lines are what line feeds part, and those that are blank are compared, too */
	size_t bytes_min;            /* shorter parts are left alone */
	double share_max;            /* a document of which a larger share of bytes repeats is dropped */
};
/* What another program does with lines: c4 (lower case, without white space at the ends; the first stays), cc_net (that, digits as 0, without some
 * punctuation and controls; none stays; blank lines too) or dolma (as they are; the first stays). ERR_USAGE names what there is. */
enum status dedup_parts_preset(const char *name, struct dedup_parts *o, struct dedup_common *common, struct error *err);
enum status dedup_parts_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_parts *o, struct error *err);

/* --- spans of bytes or tokens that repeat anywhere in the corpus --------------------------------------- */
/* Of documents or tokens, as repeats.h defines them; KEEP_FIRST leaves what is first in the corpus, KEEP_NONE cuts all. A cut leaves whole
 * characters. */
struct dedup_substring {
	int64_t least;               /* bytes or tokens of a span; from 1 */
	bool tokens;                 /* rows are tokens, with input_ids; else documents */
	double share_max;            /* as of parts, of bytes or tokens */
};
enum status dedup_substring_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_substring *o, struct error *err);

#endif
