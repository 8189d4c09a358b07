/* test_jaccard.c - similar sets linked, against comparing each with each; and how many comparisons that takes. */
#include "unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "text/jaccard.h"

struct sets {
	uint64_t *members;
	size_t *ends;
	uint32_t *group;             /* the least set that is linked with it */
	uint32_t n;
};

static const uint64_t *set_of(void *arg, uint32_t i, size_t *n)
{
	const struct sets *s = arg;
	size_t from = i ? s->ends[i - 1] : 0;
	*n = s->ends[i] - from;
	return s->members + from;
}

static uint32_t first_of(struct sets *s, uint32_t i)
{
	while (s->group[i] != i)
		i = s->group[i] = s->group[s->group[i]];
	return i;
}

static bool linked(void *arg, uint32_t i, uint32_t k)
{
	return first_of(arg, i) == first_of(arg, k);
}

static void link_sets(void *arg, uint32_t i, uint32_t k)
{
	struct sets *s = arg;
	uint32_t a = first_of(s, i), b = first_of(s, k);
	s->group[a > b ? a : b] = a > b ? b : a;
}

static void begin(struct sets *s, uint32_t n, size_t members)
{
	*s = (struct sets){mem_array(members, sizeof(uint64_t)), mem_array(n, sizeof(size_t)), mem_array(n, sizeof(uint32_t)), n};
}

static void ungroup(struct sets *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		s->group[i] = i;
}

static void release(struct sets *s)
{
	mem_free(s->members);
	mem_free(s->ends);
	mem_free(s->group);
}

/* Ends the set i, of members that are numbers so far. */
static void end_set(struct sets *s, uint32_t i, size_t end)
{
	size_t from = i ? s->ends[i - 1] : 0, to = from;
	for (size_t k = from; k < end; k++)
		s->members[k] *= 0x9e3779b97f4a7c15u;
	sorter_sort(s->members + from, end - from, 1);
	for (size_t k = from; k < end; k++)
		if (k == from || s->members[k] != s->members[to - 1])
			s->members[to++] = s->members[k];
	s->ends[i] = to;
}

static uint64_t link_all(struct sets *s, double least)
{
	uint64_t judged = 0;
	const struct jaccard_sets j = {.least = least, .memory = 1 << 20, .set = set_of, .linked = linked, .link = link_sets, .arg = s};
	ungroup(s);
	assert_int_equal(jaccard_link(&j, s->n, &judged, NULL), OK);
	return judged;
}

static void is_the_share_of_common_members(void **state)
{
	const uint64_t a[] = {1, 2, 3, 4}, b[] = {2, 3, 9};
	(void)state;
	assert_true(jaccard(a, 4, b, 3) == 2 / 5.0);
	assert_true(jaccard(a, 4, a, 4) == 1);
	assert_true(jaccard(a, 4, b, 0) == 0);
}

/* Families with much in common, some sets in them copied with a few changes, some as they are. */
static void links_what_all_pairs_would(void **state)
{
	struct rng r = rng_open(1, 1);
	(void)state;
	for (int round = 0; round < 30; round++) {
		struct sets s;
		uint32_t n = 2 + (uint32_t)rng_below(&r, 300);
		size_t at = 0;
		uint64_t fresh = 1000000;
		double least = 0.6 + (double)rng_below(&r, 35) / 100;
		begin(&s, n, (size_t)n * 120);
		for (uint32_t i = 0; i < n; i++) {
			size_t members, shared = 40 + rng_below(&r, 60);
			uint32_t other = i ? (uint32_t)rng_below(&r, i) : 0;
			const uint64_t *set = set_of(&s, other, &members);
			uint64_t kind = rng_below(&r, 3);
			if (i && kind) {
				for (size_t k = 0; k < members; k++)
					s.members[at++] = kind == 2 && rng_below(&r, 12) == 0 ? fresh++ : set[k] * 0xf1de83e19937733du;
			} else {
				for (size_t k = 0; k < 100; k++)
					s.members[at++] = k < shared ? k + i % 3 * 1000 : fresh++;
			}
			end_set(&s, i, at);
			at = s.ends[i];
		}
		link_all(&s, least);
		uint32_t *got = mem_array(n, sizeof(*got));
		for (uint32_t i = 0; i < n; i++)
			got[i] = first_of(&s, i);
		ungroup(&s);
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t k = 0; k < i; k++) {
				size_t ni, nk;
				const uint64_t *a = set_of(&s, i, &ni), *b = set_of(&s, k, &nk);
				if (jaccard(a, ni, b, nk) >= least)
					link_sets(&s, k, i);
			}
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(got[i], first_of(&s, i));
		mem_free(got);
		release(&s);
	}
}

enum { MANY = 5000 };

static void make_many(struct sets *s, uint64_t (*member)(uint32_t i, uint64_t k))
{
	size_t at = 0;
	begin(s, MANY, MANY * 100);
	for (uint32_t i = 0; i < MANY; i++) {
		for (uint64_t k = 0; k < 100; k++)
			s->members[at++] = member(i, k);
		end_set(s, i, at);
	}
}

static uint64_t in_a_chain(uint32_t i, uint64_t k) { return i * 4 + k; }
static uint64_t all_alike(uint32_t i, uint64_t k) { return k < 70 ? k : 1000 + i * 30 + k; }
static uint64_t the_same(uint32_t i, uint64_t k) { return k + i * 0; }
static uint64_t some_the_same(uint32_t i, uint64_t k) { return all_alike(i % 2500, k); }

static void comparisons_are_linear(void **state)
{
	static const struct { uint64_t (*member)(uint32_t i, uint64_t k); uint32_t groups; } cases[] = {
		{in_a_chain, 1}, {all_alike, MANY}, {the_same, 1}, {some_the_same, 2500},
	};
	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct sets s;
		uint32_t groups = 0;
		make_many(&s, cases[c].member);
		uint64_t judged = link_all(&s, 0.8);
		for (uint32_t i = 0; i < MANY; i++)
			groups += first_of(&s, i) == i;
		assert_int_equal(groups, cases[c].groups);
		assert_true(judged < 50 * MANY);
		release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_share_of_common_members), cmocka_unit_test(links_what_all_pairs_would),
		cmocka_unit_test(comparisons_are_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
