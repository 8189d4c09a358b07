#include "judge/pairs.h"

#include "base/hash.h"
#include "base/rng.h"
#include "judge/reward_rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A place with its keys: qsort has no argument for them, and needs a total order. */
struct key {
	uint64_t hash;
	double score;
	int64_t sample, place;
};

static int by_hash(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static int by_rank(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->sample != y->sample)
		return x->sample < y->sample ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static bool same_text(const struct candidate *a, const struct candidate *b)
{
	return a->n == b->n && memcmp(a->text, b->text, a->n) == 0;
}

/* Equal hashes stand together, first place first: each is held against the kept ones of its run. */
static void mark_duplicates(struct candidate *c, const struct key *k, int64_t m)
{
	for (int64_t i = 0, run = 0; i < m; i++) {
		if (k[i].hash != k[run].hash)
			run = i;
		for (int64_t j = run; j < i && !c[k[i].place].fate; j++)
			if (!c[k[j].place].fate && same_text(&c[k[i].place], &c[k[j].place]))
				c[k[i].place].fate = "duplicate";
	}
}

int64_t candidates_rank(struct candidate *c, int64_t n, bool dedup, int64_t **order)
{
	struct key *k = mem_array((size_t)n + 1, sizeof(*k));
	int64_t m = 0, left = 0;
	for (int64_t i = 0; i < n; i++) {
		c[i].fate = isnan(c[i].score) ? "no_score" : NULL;
		if (!c[i].fate)
			k[m++] = (struct key){ hash64(c[i].text, c[i].n), c[i].score, c[i].sample, i };
	}
	if (dedup) {
		qsort(k, (size_t)m, sizeof(*k), by_hash);
		mark_duplicates(c, k, m);
	}
	for (int64_t i = 0; i < m; i++)
		if (!c[k[i].place].fate)
			k[left++] = k[i];
	qsort(k, (size_t)left, sizeof(*k), by_rank);
	*order = mem_array((size_t)left + 1, sizeof(**order));
	for (int64_t i = 0; i < left; i++)
		(*order)[i] = k[i].place;
	mem_free(k);
	return left;
}

void candidates_keep(struct candidate *c, const int64_t *order, int64_t m, int64_t keep, double threshold)
{
	for (int64_t i = 0; i < m; i++) {
		if (c[order[i]].score < threshold)
			c[order[i]].fate = "below_threshold";
		else if (keep && i >= keep)
			c[order[i]].fate = "not_best";
	}
}

/* --- pairs ------------------------------------------------------------------------------------------------ */

struct pairing {
	const struct candidate *c;
	const int64_t *order;
	int64_t m;
	const struct pair_options *o;
	int64_t *characters;                 /* of each in order; NULL where lengths do not matter */
	struct pair *pairs;
	int64_t n, cap;
	bool close;                          /* no two scores are far enough from each other */
};

/* Whether the i-th best and the j-th make a pair; i < j. */
static bool fits(struct pairing *p, int64_t i, int64_t j)
{
	double margin = p->c[p->order[i]].score - p->c[p->order[j]].score;
	if (!(margin > p->o->min_margin))
		return false;
	p->close = false;
	if (margin > p->o->max_margin)
		return false;
	if (!p->characters)
		return true;
	int64_t a = p->characters[i], b = p->characters[j];
	return (double)(a > b ? a : b) <= p->o->length_ratio * (double)(a > b ? b : a);
}

static bool full(const struct pairing *p)
{
	return p->o->per_prompt && p->n == p->o->per_prompt;
}

static void add_pair(struct pairing *p, int64_t i, int64_t j)
{
	int64_t a = p->order[i], b = p->order[j];
	MEM_PUSH_ROOM(p->pairs, p->n, p->cap);
	p->pairs[p->n++] = (struct pair){ a, b, p->c[a].score - p->c[b].score };
}

static void pair_with_worst(struct pairing *p)
{
	bool *used = mem_array((size_t)p->m + 1, sizeof(*used));
	for (int64_t i = 0; i < p->m && !full(p); i++)
		for (int64_t j = p->m - 1; j > i && !used[i]; j--)
			if (!used[j] && fits(p, i, j)) {
				used[i] = used[j] = true;
				add_pair(p, i, j);
			}
	mem_free(used);
}

static void pair_at_random(struct pairing *p, uint64_t seed, uint64_t stream)
{
	struct rng r = rng_open(seed, stream);
	int64_t *others = mem_array((size_t)p->m + 1, sizeof(*others)), n = 0;
	for (int64_t j = 1; j < p->m; j++)
		if (fits(p, 0, j))
			others[n++] = j;
	for (int64_t i = 0; i < n && !full(p); i++) {
		int64_t at = i + (int64_t)rng_below(&r, (uint64_t)(n - i)), drawn = others[at];
		others[at] = others[i];
		add_pair(p, 0, drawn);
	}
	mem_free(others);
}

static int by_margin(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	if (x->margin != y->margin)
		return x->margin > y->margin ? -1 : 1;
	if (x->chosen != y->chosen)
		return x->chosen < y->chosen ? -1 : 1;
	return (x->rejected > y->rejected) - (x->rejected < y->rejected);
}

static void pair_all(struct pairing *p)
{
	for (int64_t i = 0; i < p->m; i++)
		for (int64_t j = i + 1; j < p->m; j++)
			if (fits(p, i, j))
				add_pair(p, i, j);
	if (p->n)
		qsort(p->pairs, (size_t)p->n, sizeof(*p->pairs), by_margin);
	if (p->o->per_prompt && p->n > p->o->per_prompt)
		p->n = p->o->per_prompt;
}

/* Everyone that no pair took gets its reason. */
static void mark_unpaired(struct candidate *c, const struct pairing *p)
{
	const char *why = p->m == 1 ? "single" : "not_paired";
	if (p->m > 1 && c[p->order[0]].score == c[p->order[p->m - 1]].score)
		why = "no_contrast";
	else if (p->m > 1 && p->n == 0)
		why = p->close ? "small_margin" : "no_partner";
	for (int64_t i = 0; i < p->m; i++)
		c[p->order[i]].fate = why;
	for (int64_t i = 0; i < p->n; i++)
		c[p->pairs[i].chosen].fate = c[p->pairs[i].rejected].fate = NULL;
}

int64_t candidates_pair(struct candidate *c, const int64_t *order, int64_t m, const struct pair_options *o, uint64_t seed,
			uint64_t stream, struct pair **pairs)
{
	struct pairing p = { .c = c, .order = order, .m = m, .o = o, .close = true };
	if (o->length_ratio > 0) {
		p.characters = mem_array((size_t)m + 1, sizeof(*p.characters));
		for (int64_t i = 0; i < m; i++)
			p.characters[i] = reward_characters(c[order[i]].text, c[order[i]].n);
	}
	switch (o->with) {
	case PAIR_WORST: pair_with_worst(&p); break;
	case PAIR_RANDOM: pair_at_random(&p, seed, stream); break;
	case PAIR_ALL: pair_all(&p); break;
	}
	mark_unpaired(c, &p);
	mem_free(p.characters);
	*pairs = p.pairs;
	return p.n;
}
