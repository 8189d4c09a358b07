/* lanes.h - inside the infer room: the sequences that run at once, and which of their tokens are in the cache.
 *
 * A sequence that begins as another one that is in the cache, or on its way there, or as one of the last few prompts, shares its
 * pages. Where there are no pages left, the prompts kept go first, longest unused first, then the youngest sequence gives up its pages
 * and is computed again when the older ones leave room: what a token gives does not depend on when, or beside which others, it is
 * computed, so the results are the same. The oldest sequence always goes on. */
#ifndef QUERN_INFER_LANES_H
#define QUERN_INFER_LANES_H

#include "infer/generate.h"

#define GENERATE_CHUNK 512           /* prompt tokens of one sequence in one call */

struct lane {                        /* lane i has slot i of the cache */
	const struct ids *tokens;    /* prompt and what was said; NULL = free */
	int64_t n_prompt;
	int64_t fed;                 /* tokens in the cache */
	int64_t pending;             /* tokens behind those that are drawn, but not known here yet: one at most when lanes_step is called */
	int64_t limit;               /* tokens it has at most: the last is not fed */
	int leader;                  /* lane whose first share tokens are ours and which has not computed them yet; -1 = none */
	int64_t share;
	bool paused;                 /* has given up its pages */
	int row;                     /* of the call's logits, -1 = none */
};

struct kept_prompt {
	struct ids ids;              /* empty = none */
	int64_t used;                /* when it was of use last */
};

struct lanes {
	struct model *m;
	struct model_cache *cache;
	struct generate_totals *totals;
	int n, running;
	struct lane *lanes;          /* [n] */
	int *order;                  /* [running] lanes in use, the oldest first */
	struct kept_prompt *kept;    /* in the slots behind those of the lanes */
	int64_t clock, feed_max;
	/* the call: */
	struct ids feed;
	int32_t *cu, *slot, *past;   /* [n + 1] */
	int32_t *wanted;             /* [rows] tokens of the call that have logits */
	int rows;
};

/* kv_memory: as struct generate_options. */
enum status lanes_open(struct lanes *l, struct model *m, int64_t n, int64_t context, size_t kv_memory, struct generate_totals *totals,
		       struct error *err);
void lanes_close(struct lanes *l);
/* A lane for a sequence whose tokens stay where they are; they may grow at the end. -1 if it has to wait. */
int lanes_start(struct lanes *l, const struct ids *tokens, int64_t limit);
/* Feeds the lanes' new tokens, a chunk of each at most; a pending one of lane i is said[i] (device). Lanes with a row then have logits for
 * what comes next: (*logits)[n, vocab] (device, until the next call). Waits for nothing. */
enum status lanes_step(struct lanes *l, const int32_t *said, const float **logits, struct error *err);
/* The sequence of a lane is complete. */
void lanes_end(struct lanes *l, int lane);

/* Limits the pages of a run: kv_memory as in struct generate_options, which must hold so many tokens. */
enum status limit_pages(struct model_cache *c, const struct kernels *k, size_t kv_memory, int64_t tokens, struct error *err);

#endif
