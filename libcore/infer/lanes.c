#include "infer/lanes.h"

#include "base/mem.h"

#include <string.h>

#define SHARE_MIN 32                 /* tokens in common with another prompt that are worth waiting for */
#define KEPT 16                      /* prompts that stay in the cache for later ones, while there is room */

enum status limit_pages(struct model_cache *c, const struct kernels *k, size_t kv_memory, int64_t tokens, struct error *err)
{
	enum status st = model_cache_limit(c, kv_memory ? kv_memory : k->available() / 4 * 3, tokens, err);

	return st == ERR_USAGE && !kv_memory ? ERR_MEMORY : st;
}

enum status lanes_open(struct lanes *l, struct model *m, int64_t n, int64_t context, size_t kv_memory, struct generate_totals *totals,
		       struct error *err)
{
	*l = (struct lanes){ .m = m, .totals = totals, .n = (int)n, .feed_max = n + 2 * GENERATE_CHUNK };
	TRY(model_cache_open(&l->cache, m, l->n + KEPT, (int)context, l->feed_max, err));
	l->lanes = mem_array((size_t)n, sizeof(*l->lanes));
	for (int i = 0; i < l->n; i++)
		l->lanes[i].row = -1;
	l->order = mem_array((size_t)n, sizeof(*l->order));
	l->kept = mem_array(KEPT, sizeof(*l->kept));
	l->cu = mem_array((size_t)n + 1, sizeof(*l->cu));
	l->slot = mem_array((size_t)n + 1, sizeof(*l->slot));
	l->past = mem_array((size_t)n + 1, sizeof(*l->past));
	l->wanted = mem_array((size_t)n, sizeof(*l->wanted));
	return limit_pages(l->cache, m->k, kv_memory, context, err);
}

void lanes_close(struct lanes *l)
{
	for (int k = 0; l->kept && k < KEPT; k++)
		ids_release(&l->kept[k].ids);
	model_cache_close(l->cache);
	mem_free(l->lanes);
	mem_free(l->order);
	mem_free(l->kept);
	mem_free(l->cu);
	mem_free(l->slot);
	mem_free(l->past);
	mem_free(l->wanted);
	ids_release(&l->feed);
}

/* --- what is shared ------------------------------------------------------------------------------------- */

struct source {
	int slot;                    /* -1 = none */
	int64_t n;                   /* tokens in common */
	bool ready;
};

/* Who has most of the beginning of lane i's tokens in the cache, or will have: only older lanes are waited for, and only for what is
 * worth it. The last token is always computed, for its logits. */
static struct source find_source(const struct lanes *l, const struct ids *tokens, int i)
{
	struct source best = { .slot = -1 };
	int64_t most = tokens->n - 1;
	bool older = true;

	for (int at = 0; at < l->running; at++) {
		int k = l->order[at];
		const struct lane *x = &l->lanes[k];
		int64_t n;

		older &= k != i;
		if (k == i || x->paused)
			continue;
		n = ids_common(x->tokens, tokens, most);
		if (n > x->fed && (!older || (n < SHARE_MIN && n < most)))
			n = x->fed;
		if (n > best.n && (n > x->fed || model_cache_holds(l->cache, k, n)))
			best = (struct source){ k, n, n <= x->fed };
	}
	for (int k = 0; k < KEPT; k++) {
		int64_t n = ids_common(&l->kept[k].ids, tokens, most);

		if ((n > best.n || (n == best.n && n && !best.ready)) && model_cache_holds(l->cache, l->n + k, n))
			best = (struct source){ l->n + k, n, true };
	}
	return best;
}

static void share_from(struct lanes *l, int i, struct source from)
{
	struct lane *x = &l->lanes[i];

	x->fed = 0;
	x->leader = -1;
	x->share = from.n;
	if (from.slot >= 0 && !from.ready) {
		x->leader = from.slot;
	} else if (from.slot >= 0) {
		model_cache_share(l->cache, from.slot, i, from.n);
		x->fed = from.n;
	}
	if (from.slot >= l->n)
		l->kept[from.slot - l->n].used = ++l->clock;
}

/* Keeps a prompt that is in the cache in place of the one that was of no use for longest. */
static void keep_prompt(struct lanes *l, int i)
{
	const struct lane *x = &l->lanes[i];
	int oldest = 0;

	for (int k = 0; k < KEPT; k++) {
		if (ids_common(&l->kept[k].ids, x->tokens, x->n_prompt) == x->n_prompt) {
			l->kept[k].used = ++l->clock;
			return;
		}
		oldest = l->kept[k].used < l->kept[oldest].used ? k : oldest;
	}
	if (!model_cache_share(l->cache, i, l->n + oldest, x->n_prompt))
		return;
	l->kept[oldest].used = ++l->clock;
	l->kept[oldest].ids.n = 0;
	for (int64_t k = 0; k < x->n_prompt; k++)
		ids_push(&l->kept[oldest].ids, x->tokens->v[k]);
}

/* --- room --------------------------------------------------------------------------------------------------- */

/* Lets go of the kept prompt that was of no use for longest; false if there is none. */
static bool forget_prompt(struct lanes *l)
{
	int oldest = -1;

	for (int k = 0; k < KEPT; k++)
		if (l->kept[k].ids.n && (oldest < 0 || l->kept[k].used < l->kept[oldest].used))
			oldest = k;
	if (oldest < 0)
		return false;
	model_cache_drop(l->cache, l->n + oldest);
	l->kept[oldest].ids.n = 0;
	return true;
}

static void pause_lane(struct lanes *l, int i)
{
	struct lane *x = &l->lanes[i];

	model_cache_drop(l->cache, i);
	l->totals->preemptions++;
	l->totals->recomputed_tokens += x->fed;
	x->fed = 0;
	x->paused = true;
}

/* Room for n more tokens of the lane at place `at` of the order, at the cost of younger ones. False: it had to pause itself. */
static enum status make_room(struct lanes *l, int at, int64_t n, bool *room, struct error *err)
{
	int i = l->order[at], young = l->running;

	*room = true;
	while (!model_cache_room(l->cache, i, l->lanes[i].fed, n)) {
		if (forget_prompt(l))
			continue;
		for (young--; young > at && !l->lanes[l->order[young]].fed;)
			young--;
		if (young > at) {
			pause_lane(l, l->order[young]);
		} else if (at) {
			pause_lane(l, i);
			*room = false;
			return OK;
		} else {
			return error_set(err, ERR_MEMORY, "no memory for the keys and values of one sequence");
		}
	}
	return OK;
}

/* Whether a sequence can run beside those that do, each of which may soon need a page more. */
static bool fits(struct lanes *l, const struct ids *tokens, struct source from)
{
	int64_t need = tokens->n / KERNELS_KEY_BLOCK + 1 - from.n / KERNELS_KEY_BLOCK;
	struct model_cache_use use;

	for (int at = 0; at < l->running; at++)
		need += at % 2 && l->lanes[l->order[at]].fed;
	do {
		use = model_cache_use(l->cache);
		if (use.pages - use.used >= need)
			return true;
	} while (forget_prompt(l));
	return false;
}

/* Lanes that had to pause go on, the oldest first, as long as there is room. */
static void resume(struct lanes *l)
{
	for (int at = 0; at < l->running; at++) {
		int i = l->order[at];
		struct lane *x = &l->lanes[i];
		struct source from;

		if (!x->paused)
			continue;
		from = find_source(l, x->tokens, i);
		if (at && !fits(l, x->tokens, from))
			return;
		from = find_source(l, x->tokens, i);     /* a kept prompt may have had to go */
		x->paused = false;
		share_from(l, i, from);
		l->totals->recomputed_tokens -= x->fed;
	}
}

int lanes_start(struct lanes *l, const struct ids *tokens, int64_t limit)
{
	int i = 0;

	for (int at = 0; at < l->running; at++)
		if (l->lanes[l->order[at]].paused)
			return -1;
	if (l->running == l->n || (l->running && !fits(l, tokens, find_source(l, tokens, -1))))
		return -1;
	while (l->lanes[i].tokens)
		i++;
	l->lanes[i] = (struct lane){ .tokens = tokens, .n_prompt = tokens->n, .limit = limit, .row = -1 };
	share_from(l, i, find_source(l, tokens, -1));
	l->order[l->running++] = i;
	l->totals->prompt_tokens += tokens->n;
	l->totals->shared_tokens += l->lanes[i].share;
	return i;
}

void lanes_end(struct lanes *l, int lane)
{
	int at = 0;

	keep_prompt(l, lane);
	model_cache_drop(l->cache, lane);
	while (l->order[at] != lane)
		at++;
	memmove(&l->order[at], &l->order[at + 1], (size_t)(--l->running - at) * sizeof(*l->order));
	l->lanes[lane].tokens = NULL;
	l->lanes[lane].row = -1;
}

/* --- one step ------------------------------------------------------------------------------------------------- */

/* Collects the new tokens of every lane; *s is the number of sequences in the call. Lanes whose tokens are all fed then have a row. Lanes that decode always go; a chunk of a
 * prompt that has no room left in this call waits for the next. */
static enum status collect(struct lanes *l, int *s, struct error *err)
{
	int64_t room = l->feed_max - l->n;

	l->feed.n = 0;
	l->rows = 0;
	*s = 0;
	for (int at = 0; at < l->running; at++) {
		int i = l->order[at];
		struct lane *x = &l->lanes[i];
		int64_t n = x->tokens->n + x->pending - x->fed;
		bool has;

		x->row = -1;
		if (x->pending && x->tokens->n + x->pending >= x->limit)
			continue;
		n = n < GENERATE_CHUNK ? n : GENERATE_CHUNK;
		if (x->paused || x->leader >= 0 || (n > 1 && n > room))
			continue;
		TRY(make_room(l, at, n, &has, err));
		if (!has)
			continue;
		room -= n > 1 ? n : 0;
		l->cu[*s] = (int32_t)l->feed.n;
		l->slot[*s] = i;
		l->past[(*s)++] = (int32_t)x->fed;
		for (int64_t k = x->fed; k < x->fed + n; k++)
			ids_push(&l->feed, k < x->tokens->n ? x->tokens->v[k] : -1 - i);
		x->fed += n;
		if (x->fed < x->tokens->n + x->pending)
			continue;
		l->wanted[l->rows] = (int32_t)l->feed.n - 1;
		x->row = l->rows++;
	}
	l->cu[*s] = (int32_t)l->feed.n;
	return OK;
}

/* Lanes that waited take what is there now. */
static void share_fed(struct lanes *l, int s)
{
	for (int at = 0; at < l->running; at++) {
		struct lane *x = &l->lanes[l->order[at]];

		if (x->leader < 0 || l->lanes[x->leader].fed < x->share)
			continue;
		model_cache_share(l->cache, x->leader, l->order[at], x->share);
		x->fed = x->share;
		x->leader = -1;
	}
	for (int k = 0; k < s; k++)
		model_cache_slide(l->cache, l->slot[k], l->lanes[l->slot[k]].fed);
}

enum status lanes_step(struct lanes *l, const int32_t *said, const float **logits, struct error *err)
{
	int s;

	resume(l);
	TRY(collect(l, &s, err));
	TRY(model_decode_said(l->m, l->cache, s, l->feed.v, l->cu, l->slot, l->past, said, l->wanted, l->rows, logits, err));
	share_fed(l, s);
	l->totals->steps += s > 0;
	return OK;
}
