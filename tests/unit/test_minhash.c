/* test_minhash.c - MinHash against vectors computed by another program, every kernel against the plain one, the index. */
#include "unit.h"

#include "text/dupindex.h"
#include "text/minhash.h"

static void permutations_are_numpys(void **state)
{
	static struct minhash m;
	(void)state;
	minhash_init(&m, 112, 1);
	assert_true(m.a[0] == 775169054918279404u && m.a[1] == 1758426461858698313u && m.a[2] == 2109959069025162u);
	assert_true(m.a[111] == 223865076026037746u);
	assert_true(m.b[0] == 1062448801025099917u && m.b[1] == 1324811268927594100u && m.b[2] == 1217488311597731462u);
	assert_true(m.b[111] == 1097409548522419201u);
}

static void first_bucket_is_datatroves(void **state)
{
	static const uint64_t want[8] = {85330943174081874u,  663359892825767826u, 302227827184868053u, 34440879854629237u,
					 482983510142523242u, 117899488208280896u, 922286648869847700u, 10780627625530002u};
	static const char text[] = "the quick brown fox jumps over the lazy dog and runs away";
	static struct minhash m;
	struct minhash_scratch x = {0};
	uint64_t sig[MINHASH_MAX];
	(void)state;
	minhash_init(&m, 112, 1);
	size_t n = minhash_shingles(text, strlen(text), 5, &x);
	assert_int_equal(n, 8);
	assert_true(x.shingles[0] == 7797000677988824208u);
	minhash_sign(&m, x.shingles, n, sig);
	assert_memory_equal(sig, want, sizeof(want));
	minhash_scratch_release(&x);
}

static void every_kernel_gives_the_same_numbers(void **state)
{
	static const char *const names[] = {"plain", "avx2", "avx512"};
	static struct minhash m;
	uint64_t shingles[999], want[MINHASH_MAX], got[MINHASH_MAX];
	(void)state;
	/* 101 is no multiple of a vector; values near 2^61 and 2^64 are where the reduction could slip. */
	minhash_init(&m, 101, 7);
	for (size_t i = 0; i < 999; i++)
		shingles[i] = i < 8 ? UINT64_MAX - i : i < 16 ? (1ull << 61) - 8 + i : i * 0x9e3779b97f4a7c15u;
	for (int k = 0; k < m.n; k++) {
		want[k] = UINT64_MAX;
		for (size_t i = 0; i < 999; i++) {
			uint64_t v = (m.a[k] * shingles[i] + m.b[k]) % ((1ull << 61) - 1);
			want[k] = v < want[k] ? v : want[k];
		}
	}
	for (int i = 0; i < 3; i++) {
		if (!minhash_force_kernel(names[i]))
			continue;
		minhash_sign(&m, shingles, 999, got);
		assert_memory_equal(got, want, (size_t)m.n * sizeof(*want));
	}
	assert_true(minhash_force_kernel(NULL));
}

static void simplifies(const char *in, const char *want)
{
	struct buf out = {0};
	minhash_simplify(in, strlen(in), &out);
	assert_string_equal(out.data ? out.data : "", want);
	buf_release(&out);
}

static void texts_are_simplified(void **state)
{
	(void)state;
	simplifies("Hello,  World!", "hello world");
	simplifies("It cost 1,234.50 in 1999.", "it cost 0 0 in 0");
	simplifies("3.14 and 42", "0 and 0");
	simplifies("Caf\xc3\xa9 \xc3\x89t\xc3\xa9", "cafe ete");
	simplifies(" \t\n", "");
	simplifies("\xe3\x80\x8c\xe5\xad\x97\xe3\x80\x8d", "\xe5\xad\x97");
}

static void short_texts_have_no_shingles(void **state)
{
	struct minhash_scratch x = {0};
	(void)state;
	assert_int_equal(minhash_shingles("a b c d", 7, 5, &x), 0);
	assert_int_equal(minhash_shingles("", 0, 5, &x), 0);
	assert_int_equal(minhash_shingles("a b c d e", 9, 5, &x), 1);
	minhash_scratch_release(&x);
}

static void index_finds_the_first_row(void **state)
{
	struct dupindex *d = dupindex_open(2, 0);
	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		uint64_t keys[2] = {(i + 1) * 0x9e3779b97f4a7c15u, (i / 10 + 1) * 0xbf58476d1ce4e5b9u};
		uint32_t found = dupindex_find(d, keys);
		assert_int_equal(found, i % 10 ? i - i % 10 : DUPINDEX_NONE);
		assert_int_equal(dupindex_add(d, keys, i, NULL), OK);
	}
	uint64_t absent[2] = {0, 0};
	assert_int_equal(dupindex_find(d, absent), DUPINDEX_NONE);
	dupindex_close(d);
}

static void index_respects_its_cap(void **state)
{
	struct dupindex *d = dupindex_open(1, 20000);
	enum status st = OK;
	(void)state;
	for (uint64_t i = 1; i < 10000 && st == OK; i++) {
		uint64_t key = i * 0x9e3779b97f4a7c15u;
		st = dupindex_add(d, &key, (uint32_t)i, NULL);
	}
	assert_int_equal(st, ERR_MEMORY);
	assert_true(dupindex_bytes(d) <= 20000);
	dupindex_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permutations_are_numpys), cmocka_unit_test(first_bucket_is_datatroves),
		cmocka_unit_test(every_kernel_gives_the_same_numbers), cmocka_unit_test(texts_are_simplified),
		cmocka_unit_test(short_texts_have_no_shingles), cmocka_unit_test(index_finds_the_first_row),
		cmocka_unit_test(index_respects_its_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
