/* pages.h - inside the model room: memory for keys and values in pages of KERNELS_KEY_BLOCK positions, each with those of all
 * layers; a table of pages for each slot, and a count of the tables that refer to a page. Memory is taken as pages are used, a
 * segment of some at a time, and pages given back are the first to be used again. */
#ifndef QUERN_MODEL_PAGES_H
#define QUERN_MODEL_PAGES_H

#include "model/model.h"

struct pages {
	const struct kernels *k;
	struct pool *pool;
	int64_t layer, page;         /* values of a page: of one layer, and of all */
	int slots, blocks;           /* pages of a slot at most */
	int window;                  /* positions that a token sees, its own the last of them, in any layer; 0 = all */
	int64_t limit, made, used, peak;     /* pages: at most, with memory, referred to */
	int64_t segment;             /* pages of a segment */
	act **segments;              /* device */
	int64_t n_segments, segments_cap;
	int32_t *free;               /* [made - used], the last the next to be used */
	int32_t *refs;               /* [made] */
	int64_t cap;                 /* places of both */
	int32_t *table;              /* [slots, blocks], -1 = none */
};

void pages_open(struct pages *p, const struct model *m, int slots, int positions);
void pages_close(struct pages *p);
/* Memory for keys and values; before the first use. Returns the pages it makes. */
int64_t pages_limit(struct pages *p, size_t bytes);
/* Pages of the slot's own for positions [from, to), of which what lies before from is kept: false if there are not that many. What
 * it took before it failed stays the slot's. */
bool pages_room(struct pages *p, int slot, int64_t from, int64_t to);
/* Whether the slot has the pages that a token at position n sees. */
bool pages_hold(const struct pages *p, int slot, int64_t n);
/* Slot `to` gives up its pages and refers to those of the first n positions of from. */
void pages_share(struct pages *p, int from, int to, int64_t n);
/* Gives back what no token from position n on sees; n 0: all. */
void pages_drop(struct pages *p, int slot, int64_t n);
/* Device addresses of the slot's pages for its first n positions, NULL where there is none: out[ceil(n / KERNELS_KEY_BLOCK)]. */
void pages_addresses(const struct pages *p, int slot, int64_t n, act **out);

/* Bytes of a page. */
static inline size_t pages_bytes(const struct pages *p) { return (size_t)p->page * p->k->elem_bytes; }

static inline int64_t pages_for(int64_t positions)
{
	return (positions + KERNELS_KEY_BLOCK - 1) / KERNELS_KEY_BLOCK;
}

#endif
