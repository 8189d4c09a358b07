/* Best-fit decreasing: TRL's example, and what must hold for any lengths. */
#include "unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "token/pack.h"

static void the_example_of_trl(void **state)
{
	static const int32_t len[] = {3, 2, 3, 1};
	static const int64_t order[] = {0, 3, 2, 1}, start[] = {0, 2, 3, 4};
	struct pack_plan p = {0};

	(void)state;
	pack_best_fit(len, 4, 4, &p);
	assert_int_equal(p.n_packs, 3);
	assert_memory_equal(p.order, order, sizeof(order));
	assert_memory_equal(p.start, start, sizeof(start));
	pack_plan_release(&p);
}

/* The same rule by looking at every pack: least room that holds the piece, the one that came to that room first. */
static int64_t naive(const int32_t *len, int64_t n, int32_t capacity)
{
	int32_t *room = mem_array((size_t)n, sizeof(*room));
	int64_t packs = 0;

	for (int32_t size = capacity; size > 0; size--)
		for (int64_t i = 0; i < n; i++) {
			int64_t best = -1;

			if (len[i] != size)
				continue;
			for (int64_t k = 0; k < packs; k++)
				if (room[k] >= size && (best < 0 || room[k] < room[best]))
					best = k;
			if (best < 0) {
				best = packs++;
				room[best] = capacity;
			}
			room[best] -= size;
		}
	mem_free(room);
	return packs;
}

static void every_piece_stands_in_one_pack_that_holds_it(void **state)
{
	struct rng r = rng_open(3, 1);

	(void)state;
	for (int round = 0; round < 30; round++) {
		int32_t capacity = 1 + (int32_t)rng_below(&r, 100);
		int64_t n = (int64_t)rng_below(&r, 200);
		int32_t *len = mem_array((size_t)n + 1, sizeof(*len));
		char *seen = mem_zalloc((size_t)n + 1);
		struct pack_plan p = {0};

		for (int64_t i = 0; i < n; i++)
			len[i] = 1 + (int32_t)rng_below(&r, (uint64_t)capacity);
		pack_best_fit(len, n, capacity, &p);
		assert_int_equal(p.start[p.n_packs], n);
		for (int64_t k = 0; k < p.n_packs; k++) {
			int64_t sum = 0;

			for (int64_t i = p.start[k]; i < p.start[k + 1]; i++) {
				assert_false(seen[p.order[i]]);
				seen[p.order[i]] = 1;
				sum += len[p.order[i]];
			}
			assert_true(sum > 0 && sum <= capacity);
		}
		assert_int_equal(p.n_packs, naive(len, n, capacity));
		pack_plan_release(&p);
		mem_free(len);
		mem_free(seen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_trl),
		cmocka_unit_test(every_piece_stands_in_one_pack_that_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
