/* jaccard.c - see jaccard.h. */
#include "text/jaccard.h"

#include "base/hash.h"
#include "base/mem.h"

#include <math.h>

#define COUNTS_MAX (1u << 22)
#define RECORD 3                     /* words: a member, the next rarer one of its set, the set */
#define FAILED (1u << 14)            /* places for pairs that are known not to be similar */

struct join {
	const struct jaccard_sets *s;
	uint32_t *counts;            /* of members, by their hash: too many where several share a place */
	uint64_t mask;
	uint64_t *failed;
	uint64_t *ranked;            /* of one set: count and member */
	size_t cap_ranked;
	uint64_t *judged;
};

double jaccard(const uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
	size_t i = 0, k = 0, both = 0;
	while (i < na && k < nb) {
		uint64_t x = a[i], y = b[k];
		both += x == y;
		i += x <= y;
		k += y <= x;
	}
	return na && nb ? (double)both / (double)(na + nb - both) : 0;
}

static void compare(const struct jaccard_sets *s, uint64_t *failed, uint32_t i, uint32_t k, uint64_t *judged)
{
	uint64_t pair = (uint64_t)i << 32 | k, *place = failed ? &failed[pair * 0x9e3779b97f4a7c15u >> 50] : NULL;
	size_t ni, nk;
	if (s->linked(s->arg, i, k) || (place && *place == pair + 1))
		return;
	const uint64_t *a = s->set(s->arg, i, &ni), *b = s->set(s->arg, k, &nk);
	++*judged;
	if (jaccard(a, ni, b, nk) >= s->least)
		s->link(s->arg, i, k);
	else if (place)
		*place = pair + 1;
}

static void compare_all(const struct jaccard_sets *s, const uint32_t *sets, uint32_t n, uint64_t *failed, uint64_t *judged)
{
	for (uint32_t k = 1; k < n; k++)
		for (uint32_t i = 0; i < k; i++)
			compare(s, failed, sets ? sets[i] : i, sets ? sets[k] : k, judged);
}

/* --- many sets -------------------------------------------------------------------------------- */

/* Equal sets are linked; those that stand for themselves, in *firsts (mem_free), are told apart from here on. */
static uint32_t link_equal(const struct jaccard_sets *s, uint32_t n, uint32_t **firsts)
{
	uint64_t *hashes = mem_array(n, 3 * sizeof(*hashes));
	uint32_t left = 0;
	size_t members;
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *set = s->set(s->arg, i, &members);
		hash128(set, members * sizeof(*set), hashes + 3 * (size_t)i);
		hashes[3 * (size_t)i + 2] = i;
	}
	sorter_sort(hashes, n, 3);
	*firsts = mem_array(n, sizeof(**firsts));
	for (size_t i = 0, first = 0; i < n; i++) {
		const uint64_t *one = hashes + 3 * first, *other = hashes + 3 * i;
		if (i > 0 && one[0] == other[0] && one[1] == other[1]) {
			if (!s->linked(s->arg, (uint32_t)one[2], (uint32_t)other[2]))
				s->link(s->arg, (uint32_t)one[2], (uint32_t)other[2]);
			continue;
		}
		first = i;
		(*firsts)[left++] = (uint32_t)other[2];
	}
	mem_free(hashes);
	return left;
}

static void count_members(struct join *j, const uint32_t *sets, uint32_t n)
{
	uint64_t all = 0, places = 1024;
	size_t members;
	for (uint32_t i = 0; i < n; i++) {
		j->s->set(j->s->arg, sets[i], &members);
		all += members;
	}
	while (places < all && places < COUNTS_MAX)
		places *= 2;
	j->mask = places - 1;
	j->counts = mem_array(places, sizeof(*j->counts));
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *set = j->s->set(j->s->arg, sets[i], &members);
		for (size_t k = 0; k < members; k++)
			j->counts[set[k] & j->mask]++;
	}
}

/* The rarer members of a set. */
static enum status put_rarer(struct join *j, uint32_t i, struct sorter *to, struct error *err)
{
	size_t n;
	const uint64_t *set = j->s->set(j->s->arg, i, &n);
	if (n > j->cap_ranked) {
		j->cap_ranked = n * 2;
		j->ranked = mem_grow(j->ranked, j->cap_ranked, 2 * sizeof(*j->ranked));
	}
	for (size_t k = 0; k < n; k++) {
		j->ranked[2 * k] = j->counts[set[k] & j->mask];
		j->ranked[2 * k + 1] = set[k];
	}
	sorter_sort(j->ranked, n, 2);
	size_t rarer = n ? n - (size_t)ceil(j->s->least * (double)n - 1e-9) + 1 : 0;
	for (size_t k = 0; k < rarer && k < n; k++) {
		const uint64_t record[RECORD] = {j->ranked[2 * k + 1], k + 1 < n ? j->ranked[2 * k + 3] : 0, i};
		TRY(sorter_add(to, record, err));
	}
	return OK;
}

struct group {                       /* sets with a rarer member in common, as they come: the last of them */
	uint64_t member;
	uint32_t sets[JACCARD_NEAR], n;
};

static enum status compare_rarer(struct join *j, struct sorter *rarer, struct error *err)
{
	struct group g = {.n = 0};
	uint64_t record[RECORD];
	enum status st;
	TRY(sorter_finish(rarer, err));
	while ((st = sorter_next(rarer, record, err)) == OK) {
		uint32_t set = (uint32_t)record[2];
		if (g.n == 0 || record[0] != g.member)
			g = (struct group){.member = record[0]};
		for (uint32_t i = 0; i < g.n && i < JACCARD_NEAR; i++)
			compare(j->s, j->failed, g.sets[i], set, j->judged);
		g.sets[g.n++ % JACCARD_NEAR] = set;
	}
	return st == END ? OK : st;
}

static enum status link_many(const struct jaccard_sets *s, const uint32_t *sets, uint32_t n, uint64_t *judged, struct error *err)
{
	struct join j = {.s = s, .judged = judged, .failed = mem_array(FAILED, sizeof(uint64_t))};
	struct sorter *rarer = sorter_open(RECORD, s->memory, s->tmp, s->pool);
	enum status st = OK;
	count_members(&j, sets, n);
	for (uint32_t i = 0; i < n && st == OK; i++)
		st = put_rarer(&j, sets[i], rarer, err);
	if (st == OK)
		st = compare_rarer(&j, rarer, err);
	sorter_close(rarer);
	mem_free(j.counts);
	mem_free(j.failed);
	mem_free(j.ranked);
	return st;
}

enum status jaccard_link(const struct jaccard_sets *s, uint32_t n, uint64_t *judged, struct error *err)
{
	uint32_t *sets = NULL;
	enum status st = OK;
	if (n <= JACCARD_NEAR) {
		compare_all(s, NULL, n, NULL, judged);
		return OK;
	}
	n = link_equal(s, n, &sets);
	if (n <= JACCARD_NEAR)
		compare_all(s, sets, n, NULL, judged);
	else
		st = link_many(s, sets, n, judged, err);
	mem_free(sets);
	return st;
}
