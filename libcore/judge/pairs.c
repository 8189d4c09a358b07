#include "judge/pairs.h"

#include "base/hash.h"

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

int64_t candidates_rank(struct candidate *c, int64_t n, int64_t **order)
{
	struct key *k = mem_array((size_t)n + 1, sizeof(*k));
	int64_t m = 0, left = 0;
	for (int64_t i = 0; i < n; i++) {
		c[i].fate = isnan(c[i].score) ? "no_score" : NULL;
		if (!c[i].fate)
			k[m++] = (struct key){ hash64(c[i].text, c[i].n), c[i].score, c[i].sample, i };
	}
	qsort(k, (size_t)m, sizeof(*k), by_hash);
	mark_duplicates(c, k, m);
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
		else if (i >= keep)
			c[order[i]].fate = "not_best";
	}
}

static void add_pair(struct pair **pairs, int64_t *n, int64_t *cap, const struct candidate *c, int64_t a, int64_t b)
{
	MEM_PUSH_ROOM(*pairs, *n, *cap);
	(*pairs)[(*n)++] = (struct pair){ a, b, c[a].score - c[b].score };
}

/* Everyone that no pair took gets its reason. */
static void mark_unpaired(struct candidate *c, const int64_t *order, int64_t m, const struct pair *pairs, int64_t n)
{
	const char *why = "not_paired";
	if (m == 1)
		why = "single";
	else if (m > 1 && c[order[0]].score == c[order[m - 1]].score)
		why = "no_contrast";
	else if (n == 0)
		why = "small_margin";
	for (int64_t i = 0; i < m; i++)
		c[order[i]].fate = why;
	for (int64_t i = 0; i < n; i++)
		c[pairs[i].chosen].fate = c[pairs[i].rejected].fate = NULL;
}

int64_t candidates_pair(struct candidate *c, const int64_t *order, int64_t m, const struct pair_options *o,
			struct pair **pairs)
{
	int64_t n = 0, cap = 0;
	*pairs = NULL;
	if (o->per_prompt > 0) {
		for (int64_t k = 0; k < o->per_prompt && k < m - 1 - k; k++)
			if (c[order[k]].score - c[order[m - 1 - k]].score > o->min_margin)
				add_pair(pairs, &n, &cap, c, order[k], order[m - 1 - k]);
	} else {
		for (int64_t i = 0; i < m; i++)
			for (int64_t j = i + 1; j < m; j++)
				if (c[order[i]].score - c[order[j]].score > o->min_margin)
					add_pair(pairs, &n, &cap, c, order[i], order[j]);
	}
	mark_unpaired(c, order, m, *pairs, n);
	return n;
}
