/* test_base.c - memory, hashing, random numbers, threads, files. */
#include "unit.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_buf_grows_and_stays_terminated(void **state)
{
	(void)state;
	struct buf b = {0};
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, strlen(b.data));
	assert_memory_equal(b.data, "0,1,2,", 6);
	buf_clear(&b);
	assert_int_equal(b.data[0], 0);
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	buf_release(&b);
	char *s = buf_detach(&b);
	assert_string_equal(s, "");
	mem_free(s);
}

static void an_arena_keeps_what_it_gave(void **state)
{
	(void)state;
	struct arena a = {.block_bytes = 256};
	char *kept[200];
	for (int i = 0; i < 200; i++) {
		kept[i] = arena_alloc(&a, (size_t)i + 1);
		assert_int_equal((uintptr_t)kept[i] % 16, 0);
		memset(kept[i], i, (size_t)i + 1);
	}
	for (int i = 0; i < 200; i++)
		for (int j = 0; j <= i; j++)
			assert_int_equal((unsigned char)kept[i][j], i);
	char *large = arena_try(&a, 5000), *next = arena_alloc(&a, 1);
	assert_int_equal((uintptr_t)large % 16, 0);
	memset(large, 1, 5000);
	assert_true(next < large || next >= large + 5000);
	assert_null(arena_try(&a, SIZE_MAX));
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 100000));
	arena_release(&a);
}

static void the_memory_cap_refuses_and_lets_go(void **state)
{
	(void)state;
	assert_null(mem_try(SIZE_MAX));
	mem_limit(1 << 20);
	assert_null(mem_try(64 << 20));
	mem_limit(0);
	void *p = mem_try(64 << 20);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 64, 0);
	mem_free(p);
}

static void zeroed_memory_is_zero_and_aligned(void **state)
{
	(void)state;
	for (size_t n = 0; n < 40000000; n = 3 * n + 5) {
		unsigned char *p = mem_try_zeroed(n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 64, 0);
		for (size_t i = 0; i < n; i += 1 + i / 7)
			assert_int_equal(p[i], 0);
		memset(p, 1, n);
		mem_free_zeroed(p);
	}
	mem_limit(1 << 20);
	assert_null(mem_try_zeroed(64 << 20));
	mem_limit(0);
	assert_null(mem_try_zeroed(SIZE_MAX));
	mem_free_zeroed(NULL);
}

/* The digests of the empty input, as the xxHash specification gives them. */
static void hashes_are_xxh3(void **state)
{
	(void)state;
	char hex[33];
	assert_true(hash64("", 0) == 0x2d06800538d394c2ULL);
	hash128_hex("", 0, hex);
	assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
	struct hasher *h = hasher_open();
	hasher_add(h, "hello ", 6);
	hasher_add(h, "world", 5);
	char want[33];
	hash128_hex("hello world", 11, want);
	hasher_hex(h, hex);
	assert_string_equal(hex, want);
	assert_true(hasher_64(h) == hash64("hello world", 11));
	hasher_close(h);
}

/* Known answers of the Random123 distribution (kat_vectors, philox4x32 10 rounds). */
static void philox_matches_its_known_answers(void **state)
{
	(void)state;
	uint32_t out[4];
	rng_philox(0, 0, 0, out);
	const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
	assert_memory_equal(out, zero, sizeof(zero));
	rng_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, out);
	const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
	assert_memory_equal(out, ones, sizeof(ones));
}

static void random_numbers_keep_their_bounds_and_moments(void **state)
{
	(void)state;
	struct rng r = rng_open(7, 3);
	double sum = 0, sum_sq = 0;
	int counts[10] = {0};
	for (int i = 0; i < 100000; i++) {
		counts[rng_below(&r, 10)]++;
		double u = rng_double(&r), z = rng_normal(&r);
		assert_true(u >= 0 && u < 1);
		sum += z;
		sum_sq += z * z;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(counts[i], 9500, 10500);
	assert_true(sum / 1e5 < 0.02 && sum / 1e5 > -0.02);
	assert_true(sum_sq / 1e5 < 1.03 && sum_sq / 1e5 > 0.97);
	assert_int_equal(rng_below(&r, 1), 0);
}

static void square(void *arg, int64_t i, int worker)
{
	(void)worker;
	((int64_t *)arg)[i] = i * i;
}

static void a_pool_runs_every_task_once(void **state)
{
	(void)state;
	static int64_t v[5000];
	struct pool *p = pool_open(4);
	for (int round = 0; round < 50; round++) {
		memset(v, 0, sizeof(v));
		pool_run(p, 5000, square, v);
		for (int64_t i = 0; i < 5000; i++)
			assert_true(v[i] == i * i);
	}
	pool_run(p, 0, square, v);
	pool_close(p);
	pool_run(NULL, 10, square, v);
}

struct counter {
	int64_t next, last, fail_read, fail_work, freed, made;
};

static enum status count_read(void *arg, void **item, struct error *err)
{
	struct counter *c = arg;
	if (c->next == c->fail_read)
		return error_set(err, ERR_DATA, "read %d", (int)c->next);
	if (c->next == 1000)
		return END;
	int64_t *v = mem_alloc(sizeof(*v));
	*v = c->next++;
	c->made++;
	*item = v;
	return OK;
}

static enum status count_work(void *arg, void *item, int worker, struct error *err)
{
	struct counter *c = arg;
	(void)worker;
	if (*(int64_t *)item == c->fail_work)
		return error_set(err, ERR_DATA, "work %d", (int)c->fail_work);
	return OK;
}

static enum status count_write(void *arg, void *item, struct error *err)
{
	struct counter *c = arg;
	(void)err;
	assert_true(*(int64_t *)item == c->last++);
	return OK;
}

static void count_free(void *arg, void *item)
{
	((struct counter *)arg)->freed++;
	mem_free(item);
}

/* Every tenth item is huge. */
static size_t count_bytes(void *arg, void *item)
{
	(void)arg;
	return *(int64_t *)item % 10 == 0 ? PIPELINE_BYTES + 1 : 1;
}

static enum status count_read_alone(void *arg, void **item, struct error *err)
{
	struct counter *c = arg;
	if (c->next > 0 && (c->next - 1) % 10 == 0)
		assert_int_equal(c->freed, c->made);         /* the huge one before is done with */
	return count_read(arg, item, err);
}

static void huge_items_are_alive_one_by_one(void **state)
{
	(void)state;
	for (int threads = 1; threads <= 4; threads++) {
		struct pool *p = pool_open(threads);
		struct counter c = {.fail_read = -1, .fail_work = -1};
		struct pipeline pl = {count_read_alone, count_work, count_write, count_free, &c, 0, count_bytes};
		assert_int_equal(pool_pipeline(p, &pl, NULL), OK);
		assert_int_equal(c.last, 1000);
		assert_int_equal(c.freed, 1000);
		pool_close(p);
	}
}

static void a_pipeline_writes_in_order_and_reports_the_first_failure(void **state)
{
	(void)state;
	for (int threads = 1; threads <= 4; threads++) {
		struct pool *p = pool_open(threads);
		struct error err;
		struct counter c = {.fail_read = -1, .fail_work = -1};
		struct pipeline pl = {count_read, count_work, count_write, count_free, &c, 0, NULL};
		assert_int_equal(pool_pipeline(p, &pl, &err), OK);
		assert_int_equal(c.last, 1000);
		c = (struct counter){.fail_read = 500, .fail_work = -1};
		assert_int_equal(pool_pipeline(p, &pl, &err), ERR_DATA);
		assert_string_equal(err.text, "read 500");
		assert_int_equal(c.last, 500);
		assert_int_equal(c.freed, c.made);
		c = (struct counter){.fail_read = 300, .fail_work = 299};
		assert_int_equal(pool_pipeline(p, &pl, &err), ERR_DATA);
		assert_string_equal(err.text, "work 299");
		assert_int_equal(c.last, 299);
		assert_int_equal(c.freed, c.made);
		pool_close(p);
	}
}

static char *scratch_path(const char *name)
{
	const char *dir = getenv("TMPDIR");
	return mem_printf("%s/quern-unit-%d-%s", dir ? dir : "/tmp", (int)getpid(), name);
}

static void an_output_appears_whole_or_not_at_all(void **state)
{
	(void)state;
	struct error err;
	struct output *out;
	char *path = scratch_path("out");
	assert_int_equal(output_open(&out, path, &err), OK);
	assert_int_equal(output_write(out, "half", 4, &err), OK);
	assert_false(path_exists(path));
	output_abort(out);
	assert_false(path_exists(path));
	assert_int_equal(file_write_all(path, "whole", 5, &err), OK);
	struct buf b = {0};
	assert_int_equal(file_read_all(path, 100, &b, &err), OK);
	assert_string_equal(b.data, "whole");
	assert_int_equal(file_read_all(path, 3, &b, &err), ERR_DATA);
	buf_release(&b);
	unlink(path);
	mem_free(path);
	assert_int_equal(file_write_all("/no/such/place", "x", 1, &err), ERR_IO);
	assert_int_equal(file_write_all("/dev/full", "x", 1, &err), ERR_IO);
}

static void an_input_is_undone_peeked_and_counted(void **state)
{
	(void)state;
	/* gzip of "hello quern\n", as gzip -n writes it */
	static const uint8_t gz[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0x28, 0x2c,
				     0x4d, 0x2d, 0xca, 0xe3, 2, 0, 0xc5, 0x5e, 0x98, 0x72, 0x0c, 0, 0, 0};
	struct error err;
	struct input *in;
	const uint8_t *p;
	size_t got;
	char text[16] = {0};
	enum status st = input_open_memory(&in, "mem", gz, sizeof(gz), &err);
	assert_int_equal(st, OK);
	assert_int_equal(input_peek(in, 5, &p, &got, &err), OK);
	assert_int_equal(got, 5);
	assert_memory_equal(p, "hello", 5);
	assert_int_equal(input_read_full(in, text, 11, &err), OK);
	assert_string_equal(text, "hello quern");
	assert_int_equal(input_offset(in), 11);
	input_close(in);
	assert_int_equal(input_open_memory(&in, "mem", "plain", 5, &err), OK);
	assert_int_equal(input_read_full(in, text, 9, &err), ERR_DATA);
	input_close(in);
	assert_int_equal(input_open_memory(&in, "mem", "", 0, &err), OK);
	assert_int_equal(input_read_full(in, text, 1, &err), END);
	input_close(in);
	st = input_open_memory(&in, "mem", gz, 12, &err); /* cut short: known at once or when read */
	if (st == OK) {
		st = input_read_full(in, text, 11, &err);
		input_close(in);
	}
	assert_int_equal(st, ERR_DATA);
}

static void an_input_is_read_at_any_place(void **state)
{
	(void)state;
	struct input *in;
	struct error err;
	char text[8], path[] = "/tmp/quern-test-base-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, "0123456789", 10) == 10 && close(fd) == 0);
	for (int memory = 0; memory < 2; memory++) {
		enum status st = memory ? input_open_memory(&in, "mem", "0123456789", 10, &err) : input_open(&in, path, true, &err);
		assert_int_equal(st, OK);
		assert_int_equal(input_read_full(in, text, 2, &err), OK);
		assert_int_equal(input_read_at(in, 7, text, 3, &err), OK);
		assert_memory_equal(text, "789", 3);
		assert_int_equal(input_read_full(in, text, 3, &err), OK);
		assert_memory_equal(text, "234", 3);
		assert_int_equal(input_read_at(in, 8, text, 3, &err), ERR_DATA);
		assert_int_equal(input_read_at(in, UINT64_MAX, text, 3, &err), ERR_DATA);
		input_close(in);
	}
	unlink(path);
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[0], 0), 0);
	close(ends[1]);
	assert_int_equal(input_open(&in, "-", true, &err), OK);
	assert_int_equal(input_read_at(in, 0, text, 0, &err), ERR_UNSUPPORTED);
	input_close(in);
	close(ends[0]);
}

/* The peak of a program that a large one starts is its own: a child of this one, which says by its status that it is small. */
static void the_peak_is_not_that_of_who_started_us(void **state)
{
	enum { BYTES = 256 << 20 };
	char *held = mem_alloc(BYTES);
	int status = -1;

	(void)state;
	memset(held, 1, BYTES);
	pid_t child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "test_base", "--is-small", NULL);
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(mem_peak() >= BYTES);
	mem_free(held);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--is-small"))
		return mem_peak() >= (size_t)200 << 20;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peak_is_not_that_of_who_started_us),
		cmocka_unit_test(a_buf_grows_and_stays_terminated),
		cmocka_unit_test(an_arena_keeps_what_it_gave),
		cmocka_unit_test(the_memory_cap_refuses_and_lets_go),
		cmocka_unit_test(zeroed_memory_is_zero_and_aligned),
		cmocka_unit_test(hashes_are_xxh3),
		cmocka_unit_test(philox_matches_its_known_answers),
		cmocka_unit_test(random_numbers_keep_their_bounds_and_moments),
		cmocka_unit_test(a_pool_runs_every_task_once),
		cmocka_unit_test(a_pipeline_writes_in_order_and_reports_the_first_failure), cmocka_unit_test(huge_items_are_alive_one_by_one),
		cmocka_unit_test(an_output_appears_whole_or_not_at_all),
		cmocka_unit_test(an_input_is_undone_peeked_and_counted),
		cmocka_unit_test(an_input_is_read_at_any_place),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
