/* test_minhash.c - MinHash against vectors computed by other programs, every kernel against the plain one, bands, rows that go together. */
#include "unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "text/clusters.h"
#include "text/minhash.h"
#include "text/sha1.h"

#include "minhash_vectors.h"

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

static size_t shingles(const char *preset, const char *text, struct minhash_scratch *x)
{
	struct minhash_recipe r;
	assert_int_equal(minhash_preset(&r, preset, NULL), OK);
	return minhash_shingles(&r, text, strlen(text), x);
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
	size_t n = shingles("datatrove-0.10", text, &x);
	assert_int_equal(n, 8);
	assert_true(x.shingles[0] == 7797000677988824208u);
	minhash_sign(&m, x.shingles, n, sig);
	assert_memory_equal(sig, want, sizeof(want));
	minhash_scratch_release(&x);
}

static uint64_t fnv(const uint64_t *v, int n)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (int i = 0; i < n; i++)
		for (int byte = 0; byte < 8; byte++)
			h = (h ^ (v[i] >> (8 * byte) & 255)) * 0x100000001b3u;
	return h;
}

static void signatures_are_datatroves(void **state)
{
	static struct minhash m;
	struct minhash_scratch x = {0};
	(void)state;
	minhash_init(&m, 112, 1);
	for (size_t i = 0; i < sizeof(minhash_vectors) / sizeof(minhash_vectors[0]); i++) {
		const struct minhash_vector *v = &minhash_vectors[i];
		uint64_t sig[MINHASH_MAX];
		size_t n = shingles(v->preset, v->text, &x);
		if (v->n == 0) {
			assert_int_equal(n, 0);
			continue;
		}
		minhash_sign(&m, x.shingles, n, sig);
		if (sig[0] != v->first || fnv(sig, v->n) != v->all)
			fail_msg("%s: %s: simplified to '%s'", v->preset, v->text, x.text.data);
	}
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

/* What is M or a little more before it is reduced, where all kernels are at their wits' end. */
static void values_at_the_modulus_are_reduced(void **state)
{
	static const char *const names[] = {"plain", "avx2", "avx512"};
	const uint64_t modulus = (1ull << 61) - 1, wanted[] = {modulus, modulus | 1ull << 63, UINT64_MAX, modulus - 1, 3, 7ull << 61};
	static struct minhash m;
	(void)state;
	minhash_init(&m, 16, 1);
	for (int i = 0; i < 3; i++) {
		if (!minhash_force_kernel(names[i]))
			continue;
		for (int k = 0; k < 16; k++) {
			if (m.a[k] % 2 == 0)
				continue;
			uint64_t inverse = m.a[k], shingles[6], sig[16];
			for (int step = 0; step < 6; step++)
				inverse *= 2 - m.a[k] * inverse;
			for (int v = 0; v < 6; v++)
				shingles[v] = (wanted[v] - m.b[k]) * inverse;
			for (size_t n = 1; n <= 6; n++) {
				uint64_t least = UINT64_MAX;
				for (size_t v = 0; v < n; v++)
					least = wanted[v] % modulus < least ? wanted[v] % modulus : least;
				minhash_sign(&m, shingles, n, sig);
				assert_true(sig[k] == least);
				minhash_sign(&m, shingles + n - 1, 1, sig);
				assert_true(sig[k] == wanted[n - 1] % modulus);
			}
		}
	}
	minhash_force_kernel(NULL);
}

static void simplifies(enum minhash_manner manner, const char *in, const char *want)
{
	struct minhash_scratch x = {0};
	minhash_simplify(manner, in, strlen(in), &x);
	assert_string_equal(x.text.data, want);
	assert_int_equal(x.text.len, strlen(want));
	minhash_scratch_release(&x);
}

static void texts_are_simplified(void **state)
{
	static const struct { const char *in, *quern, *now, *then; } cases[] = {
		{"Hello,  World!", "hello world", "hello world", "hello world"},
		{"It cost 1,234.50 in 1999.", "it cost 1 234 50 in 1999", "it cost 0 0 in 0", "it cost 0 in 0"},
		{"3.14 and 42", "3 14 and 42", "0 and 0", "0 and 0"},
		{"don't - stop", "don t stop", "don t stop", "dont stop"},
		{"Caf\xc3\xa9 \xc3\x89t\xc3\xa9", "cafe ete", "cafe ete", "cafe ete"},
		{" \t\n", "", "", ""},
		{"", "", "", ""},
		{"a \xcc\x81 b", "a b", "a b", "a b"},
		{"\xe3\x80\x8c\xe5\xad\x97\xe3\x80\x8d", "\xe5\xad\x97", "\xe5\xad\x97", "\xe5\xad\x97"},
		/* ΟΔΟΣ ΣΑΣ: a sigma that ends its word is the other one. */
		{"\xce\x9f\xce\x94\xce\x9f\xce\xa3 \xce\xa3\xce\x91\xce\xa3", "\xce\xbf\xce\xb4\xce\xbf\xcf\x82 \xcf\x83\xce\xb1\xcf\x82",
		 "\xce\xbf\xce\xb4\xce\xbf\xcf\x82 \xcf\x83\xce\xb1\xcf\x82", "\xce\xbf\xce\xb4\xce\xbf\xcf\x82 \xcf\x83\xce\xb1\xcf\x82"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		simplifies(MINHASH_QUERN, cases[i].in, cases[i].quern);
		simplifies(MINHASH_DATATROVE_0_10, cases[i].in, cases[i].now);
		simplifies(MINHASH_DATATROVE_0_2, cases[i].in, cases[i].then);
	}
}

/* Hangul takes three times its bytes when it is decomposed, and no text is larger. */
static void simplified_texts_have_room(void **state)
{
	struct buf text = {0};
	struct minhash_scratch x = {0};
	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_str(&text, "\xea\xb0\x81.");
	minhash_simplify(MINHASH_QUERN, text.data, text.len, &x);
	assert_int_equal(x.n_units, 1000);
	assert_int_equal(x.text.len, 1000 * 9 + 999);
	assert_int_equal(x.sources[999], 999 * 4);
	assert_int_equal(x.sources[1000], 4000);
	minhash_scratch_release(&x);
	buf_release(&text);
}

static void short_texts_are_one_shingle_or_none(void **state)
{
	struct minhash_scratch x = {0};
	(void)state;
	assert_int_equal(shingles("datatrove-0.10", "a b c d", &x), 0);
	assert_int_equal(shingles("datatrove-0.10", "a b c d e", &x), 1);
	assert_int_equal(shingles("quern", "a b c d", &x), 1);
	assert_int_equal(shingles("quern", "", &x), 0);
	assert_int_equal(shingles("quern", "...", &x), 0);
	minhash_scratch_release(&x);
}

static void characters_are_shingles_too(void **state)
{
	struct minhash_recipe r;
	struct minhash_scratch x = {0};
	(void)state;
	minhash_preset(&r, "quern", NULL);
	r.unit = MINHASH_CHARS;
	r.ngram = 3;
	assert_int_equal(minhash_shingles(&r, "\xe5\xad\x97\xe5\xad\x97 ab", 9, &x), 3);
	uint64_t first = x.shingles[0], last = x.shingles[2];
	assert_int_equal(minhash_shingles(&r, "\xe5\xad\x97\xe5\xad\x97 ", 7, &x), 1);     /* of two characters */
	assert_true(x.shingles[0] != first);
	assert_int_equal(minhash_shingles(&r, " ab", 3, &x), 1);
	assert_true(x.shingles[0] != last);
	minhash_scratch_release(&x);
}

static void bands_are_datasketchs(void **state)
{
	int b, r;
	(void)state;
	minhash_bands(0.7, 240, &b, &r);
	assert_true(b == 24 && r == 10);
	minhash_bands(0.8, 256, &b, &r);
	assert_true(b == 17 && r == 15);
}

/* Plain text in blocks and character by character: all places where a block may end, and what it may meet. */
static void blocks_simplify_as_characters_do(void **state)
{
	static const char *const pieces[] = {"a", "word", " ", "  \t", "x.y", "'", "12,5", "7",
					      "\xc3\x89", "\xe5\xad\x97", "--", "Zz", "\n", "\xcc\x81", "9a", ",", "longer"};
	struct rng r = rng_open(5, 5);
	struct minhash_scratch x = {0}, y = {0};
	struct buf text = {0};
	(void)state;
	for (int round = 0; round < 3000; round++) {
		buf_clear(&text);
		buf_char(&text, 0);
		int kinds = round % 3 == 0 ? 7 : (int)(sizeof(pieces) / sizeof(pieces[0]));
		for (uint64_t n = rng_below(&r, 80); n > 0; n--)
			buf_str(&text, pieces[rng_below(&r, (uint64_t)kinds)]);
		for (enum minhash_manner manner = MINHASH_QUERN; manner <= MINHASH_DATATROVE_0_2; manner++) {
			size_t from = round & 1;     /* with or without the NUL */
			minhash_force_kernel("plain");
			minhash_simplify(manner, text.data + from, text.len - from, &x);
			minhash_force_kernel(NULL);
			minhash_simplify(manner, text.data + from, text.len - from, &y);
			assert_int_equal(x.text.len, y.text.len);
			assert_memory_equal(x.text.data, y.text.data, x.text.len + 1);
			assert_int_equal(x.n_units, y.n_units);
			assert_memory_equal(x.units, y.units, (x.n_units + 1) * sizeof(*x.units));
			assert_memory_equal(x.sources, y.sources, (x.n_units + 1) * sizeof(*x.sources));
		}
	}
	minhash_scratch_release(&x);
	minhash_scratch_release(&y);
	buf_release(&text);
}

static void sha1_of_pieces_is_that_of_each(void **state)
{
	char text[3000];
	size_t unit[41] = {0};
	uint64_t plain[40], best[40];
	(void)state;
	for (int i = 0; i < 3000; i++)
		text[i] = (char)(i * 7 % 251);
	for (size_t i = 1; i <= 40; i++)
		unit[i] = unit[i - 1] + i * 3 % 70;
	for (size_t units = 1; units < 4; units++) {
		sha1_force_kernel("plain");
		for (size_t i = 0; i + units <= 40; i++)
			plain[i] = sha1_64(text + unit[i], unit[i + units] - unit[i]);
		sha1_force_kernel(NULL);
		sha1_64_pieces(text, unit, units, 0, 41 - units, best);
		assert_memory_equal(plain, best, (41 - units) * sizeof(*best));
		for (size_t i = 0; i + units <= 40; i++)
			assert_true(sha1_64(text + unit[i], unit[i + units] - unit[i]) == plain[i]);
	}
}

static void sha1_is_sha1(void **state)
{
	char text[200];
	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(sha1_64("abc", 3) == 0x6a810647363e99a9u);           /* a9993e36 4706816a */
	assert_true(sha1_64("", 0) == 0x0d4b6b5eeea339dau);              /* da39a3ee 5e6b4b0d */
	/* Around the ends of blocks, where the length moves to a block of its own; by hashlib. */
	assert_true(sha1_64(text, 55) == 0x286e7922dcbbc8c1u);
	assert_true(sha1_64(text, 56) == 0x4c8583600f33dbc2u);
	assert_true(sha1_64(text, 64) == 0x42165c4b82ba9800u);
	assert_true(sha1_64(text, 200) == 0xa595910dfeff1ce6u);
}

/* --- rows that go together -------------------------------------------------------------------- */

static struct clusters *chain(uint32_t rows, size_t memory, enum clusters_keep keep)
{
	struct clusters_options o = {.memory = memory, .keep = keep};
	struct clusters *c = clusters_open(&o);
	for (uint32_t i = 0; i < rows; i++) {
		/* A row shares a key with the next: one long chain, cut after each tenth row. */
		uint64_t next[2] = {0, i + 1}, before[2] = {0, i};
		assert_int_equal(clusters_row(c, i % 10 == 7 ? 0 : 1, NULL), OK);
		if (i % 10 != 9)
			assert_int_equal(clusters_key(c, next, false, NULL), OK);
		if (i % 10 != 0)
			assert_int_equal(clusters_key(c, before, false, NULL), OK);
	}
	assert_int_equal(clusters_decide(c, NULL), OK);
	return c;
}

static void chains_are_one_cluster(void **state)
{
	(void)state;
	for (int small = 0; small < 2; small++) {
		size_t memory = small ? 200000 : 1 << 20;
		struct clusters *first = chain(5000, memory, CLUSTERS_FIRST), *ranked = chain(5000, memory, CLUSTERS_RANKED),
				*none = chain(5000, memory, CLUSTERS_NONE);
		for (uint32_t i = 0; i < 5000; i++) {
			assert_int_equal(clusters_kept(first, i), i - i % 10);
			assert_true(clusters_drops(first, i) == (i % 10 != 0));
			assert_int_equal(clusters_kept(ranked, i), i - i % 10 + 7);
			assert_true(clusters_drops(ranked, i) == (i % 10 != 7));
			assert_true(clusters_drops(none, i));
		}
		assert_int_equal(clusters_stats(first).clusters, 500);
		assert_true((clusters_stats(first).runs > 0) == small);
		clusters_close(first);
		clusters_close(ranked);
		clusters_close(none);
	}
}

static void rows_need_memory(void **state)
{
	struct clusters_options o = {.memory = 40000};
	struct clusters *c = clusters_open(&o);
	enum status st = OK;
	(void)state;
	for (int i = 0; i < 100000 && st == OK; i++)
		st = clusters_row(c, 0, NULL);
	assert_int_equal(st, ERR_MEMORY);
	clusters_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permutations_are_numpys), cmocka_unit_test(first_bucket_is_datatroves),
		cmocka_unit_test(signatures_are_datatroves),
		cmocka_unit_test(every_kernel_gives_the_same_numbers), cmocka_unit_test(texts_are_simplified),
		cmocka_unit_test(simplified_texts_have_room), cmocka_unit_test(short_texts_are_one_shingle_or_none),
		cmocka_unit_test(characters_are_shingles_too), cmocka_unit_test(bands_are_datasketchs), cmocka_unit_test(sha1_is_sha1), cmocka_unit_test(values_at_the_modulus_are_reduced),
		 cmocka_unit_test(sha1_of_pieces_is_that_of_each), cmocka_unit_test(blocks_simplify_as_characters_do),
		cmocka_unit_test(chains_are_one_cluster), cmocka_unit_test(rows_need_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
