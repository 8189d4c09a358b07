#include "judge/metric_ngram.h"

#define END_OF_PREDICTION UINT32_MAX
#define END_OF_REFERENCE (UINT32_MAX - 1)

void ngrams_release(struct ngrams *g)
{
	struct ngram_list *lists[] = { &g->prediction, &g->references, &g->pairs };
	mem_free(g->slots);
	tokens_release(&g->predicted);
	tokens_release(&g->referred);
	tokens_release(&g->ends);
	for (int i = 0; i < 3; i++)
		mem_free(lists[i]->at);
	*g = (struct ngrams){ 0 };
}

static void add_text(struct tokens *to, const struct tokens *t, uint32_t end)
{
	while (to->cap < to->n + t->n + 1) {
		to->cap = to->cap ? to->cap * 2 : 256;
		to->v = mem_grow(to->v, (size_t)to->cap, sizeof(*to->v));
	}
	if (t->n)
		memcpy(to->v + to->n, t->v, (size_t)t->n * sizeof(*t->v));
	to->n += t->n;
	to->v[to->n++] = end;
}

/* n places, in slot 0 of order 0: one for all. */
static void list_fill(struct ngram_list *l, int64_t n)
{
	if (n > l->cap) {
		mem_free(l->at);
		l->cap = n * 2;
		l->at = mem_array((size_t)l->cap * 2, sizeof(*l->at));
		l->slot = l->at + l->cap;
	}
	l->n = n;
	for (int64_t i = 0; i < n; i++) {
		l->at[i] = (uint32_t)i;
		l->slot[i] = 0;
	}
}

/* Returns the mask of slots. */
static size_t prepare(struct ngrams *g, const struct tokens *prediction, const struct tokens *references, int n_references)
{
	size_t size = 64;
	g->predicted.n = g->referred.n = g->ends.n = 0;
	add_text(&g->predicted, prediction, END_OF_PREDICTION);
	for (int r = 0; r < n_references; r++) {
		add_text(&g->referred, &references[r], END_OF_REFERENCE);
		tokens_push(&g->ends, (uint32_t)g->referred.n);
	}
	while (size < (size_t)g->referred.n * 2)
		size *= 2;
	if (size > g->size) {
		mem_free(g->slots);
		g->slots = mem_array(size, sizeof(*g->slots));
		g->size = size;
		g->stamp = 0;
	}
	list_fill(&g->prediction, prediction->n);
	list_fill(&g->references, g->referred.n);
	list_fill(&g->pairs, g->referred.n);
	g->pairs.n = 0;
	return size - 1;
}

static void next_order(struct ngrams *g)
{
	if (++g->stamp == 0) {
		memset(g->slots, 0, g->size * sizeof(*g->slots));
		g->stamp = 1;
	}
}

static inline uint32_t slot_find(const struct ngrams *g, uint64_t key, size_t mask)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & mask;
	while (g->slots[at].stamp == g->stamp && g->slots[at].key != key)
		at = (at + 1) & mask;
	return (uint32_t)at;
}

static void count_references(struct ngrams *g, int n, size_t mask)
{
	struct ngram_list *l = &g->references;
	const uint32_t *last = g->referred.v + n - 1;
	uint32_t reference = 0;
	for (int64_t i = 0; i < l->n; i++) {
		uint32_t at = l->at[i];
		while (at >= g->ends.v[reference])
			reference++;
		uint64_t key = (uint64_t)l->slot[i] << 32 | last[at];
		uint32_t k = slot_find(g, key, mask);
		struct ngram_slot *s = &g->slots[k];
		if (s->stamp != g->stamp)
			*s = (struct ngram_slot){ .key = key, .stamp = g->stamp, .reference = reference };
		s->here = s->reference == reference ? s->here + 1 : 1;
		s->reference = reference;
		s->most = s->here > s->most ? s->here : s->most;
		s->place = at;
		l->slot[i] = k;
	}
}

/* Those that no reference has leave the list. */
static int64_t count_prediction(struct ngrams *g, int n, size_t mask)
{
	struct ngram_list *l = &g->prediction;
	const uint32_t *last = g->predicted.v + n - 1;
	int64_t match = 0, kept = 0;
	for (int64_t i = 0; i < l->n; i++) {
		uint32_t at = l->at[i], k = slot_find(g, (uint64_t)l->slot[i] << 32 | last[at], mask);
		struct ngram_slot *s = &g->slots[k];
		bool hit = s->stamp == g->stamp;
		match += hit & (s->found < s->most);
		s->found += hit;
		l->at[kept] = at;
		l->slot[kept] = k;
		kept += hit;
	}
	l->n = kept;
	return match;
}

/* The pairs of order n - 1 that are pairs of order n: how many. */
static int64_t follow_pairs(struct ngrams *g, int n)
{
	struct ngram_list *l = &g->pairs;
	const uint32_t *a = g->predicted.v + n - 1, *b = g->referred.v + n - 1;
	int64_t kept = 0;
	for (int64_t i = 0; i < l->n; i++) {
		uint32_t at = l->at[i], place = l->slot[i];
		l->at[kept] = at;
		l->slot[kept] = place;
		kept += a[at] == b[place];
	}
	l->n = kept;
	return kept;
}

static inline bool is_once(const struct ngram_slot *s)
{
	return (s->most == 1) & (s->found == 1);
}

/* What both sides have once goes to the pairs, if there is one reference; what the prediction lacks goes. */
static void sort_out(struct ngrams *g)
{
	struct ngram_list *p = &g->prediction, *r = &g->references, *pairs = &g->pairs;
	bool single = g->ends.n == 1;
	int64_t kept = 0;
	for (int64_t i = 0; i < p->n && single; i++) {
		const struct ngram_slot *s = &g->slots[p->slot[i]];
		bool once = is_once(s);
		pairs->at[pairs->n] = p->at[i];
		pairs->slot[pairs->n] = s->place;
		pairs->n += once;
		p->at[kept] = p->at[i];
		p->slot[kept] = p->slot[i];
		kept += !once;
	}
	p->n = single ? kept : p->n;
	kept = 0;
	for (int64_t i = 0; i < r->n; i++) {
		const struct ngram_slot *s = &g->slots[r->slot[i]];
		bool keep = (s->found > 0) & !(single & is_once(s));
		r->at[kept] = r->at[i];
		r->slot[kept] = r->slot[i];
		kept += keep;
	}
	r->n = kept;
}

void ngrams_match(struct ngrams *g, int orders, const struct tokens *prediction, const struct tokens *references, int n_references,
		  int64_t *match)
{
	size_t mask = prepare(g, prediction, references, n_references);
	memset(match, 0, (size_t)orders * sizeof(*match));
	for (int n = 1; n <= orders; n++) {
		match[n - 1] = follow_pairs(g, n);
		next_order(g);
		count_references(g, n, mask);
		match[n - 1] += count_prediction(g, n, mask);
		if (match[n - 1] == 0)
			return;
		if (n < orders)
			sort_out(g);
	}
}
