/* Parquet's pieces: the compact protocol, runs, differences, and what they do with bytes that lie. */
#include "stream/parquet.h"
#include "unit.h"

static bool next_run_value(struct pq_rle *r, uint32_t *v)
{
	return pq_rle_take(r, v, 1);
}

/* Decoders may read PQ_SLACK bytes behind the end: bytes with that room. */
static const uint8_t *with_slack(const uint8_t *p, size_t n)
{
	static uint8_t room[4][256];
	static int i;
	uint8_t *to = room[i++ % 4];

	memset(to, 0xEE, sizeof(room[0]));
	memcpy(to, p, n);
	return to;
}

static void runs_and_packed_groups(void **state)
{
	/* The example of Encodings.md: 0 to 7 in three bits; then a run of 5 of the value 4. */
	static const uint8_t text[] = { 0x03, 0x88, 0xC6, 0xFA, 0x0A, 0x04 };
	const uint8_t *bytes = with_slack(text, sizeof(text));
	struct pq_rle r;
	uint32_t v, all[13];

	(void)state;
	pq_rle_open(&r, bytes, bytes + sizeof(text), 3);
	for (uint32_t i = 0; i < 8; i++)
		assert_true(next_run_value(&r, &v) && v == i);
	assert_int_equal(pq_rle_same(&r, &v), 5);
	assert_int_equal(v, 4);
	pq_rle_skip_same(&r, 2);
	for (int i = 0; i < 3; i++)
		assert_true(next_run_value(&r, &v) && v == 4);
	assert_false(next_run_value(&r, &v));
	pq_rle_open(&r, bytes, bytes + sizeof(text), 3);
	assert_true(pq_rle_take(&r, all, 13));
	for (uint32_t i = 0; i < 13; i++)
		assert_int_equal(all[i], i < 8 ? i : 4);
	/* A group cut short has the values that its bytes hold, and no more. */
	pq_rle_open(&r, bytes, bytes + 3, 3);
	for (uint32_t i = 0; i < 5; i++)
		assert_true(next_run_value(&r, &v) && v == i);
	assert_false(next_run_value(&r, &v));
	/* Groups beyond counting, nothing at all. */
	static const uint8_t many[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x01 };
	bytes = with_slack(many, sizeof(many));
	pq_rle_open(&r, bytes, bytes + sizeof(many), 1);
	assert_false(next_run_value(&r, &v));
	pq_rle_open(&r, bytes, bytes, 3);
	assert_false(next_run_value(&r, &v));
}

/* Every width, taken in pieces of every size, against bits taken one by one. */
static void packed_widths(void **state)
{
	uint8_t bytes[1 + 40 * 4 + PQ_SLACK];
	uint32_t out[40];

	(void)state;
	for (int bits = 1; bits <= 32; bits++) {
		bytes[0] = 5 << 1 | 1;
		for (int i = 0; i < 5 * bits; i++)
			bytes[1 + i] = (uint8_t)(i * 151 + bits * 7);
		for (int piece = 1; piece <= 40; piece++) {
			struct pq_rle r;
			pq_rle_open(&r, bytes, bytes + 1 + 5 * bits, bits);
			for (int at = 0; at < 40; at += piece)
				assert_true(pq_rle_take(&r, out + at, at + piece <= 40 ? piece : 40 - at));
			uint32_t more;
			assert_false(pq_rle_take(&r, &more, 1));
			for (int i = 0; i < 40; i++) {
				uint32_t want = 0;
				for (int b = 0; b < bits; b++) {
					int k = i * bits + b;
					want |= (uint32_t)(bytes[1 + k / 8] >> k % 8 & 1) << b;
				}
				assert_int_equal(out[i], want);
			}
		}
	}
}

static void differences(void **state)
{
	/* Encodings.md: 7, 5, 3, 1, 2, 3, 4, 5: first 7, least difference -2, offsets 0 0 0 3 3 3 3 in two bits. */
	static const uint8_t text[] = { 0x80, 0x01, 0x04, 0x08, 0x0E, 0x03, 0x02, 0x00, 0x00, 0x00, 0xC0, 0x3F, 0, 0, 0, 0, 0, 0 };
	static const uint64_t want[] = { 7, 5, 3, 1, 2, 3, 4, 5 };
	const uint8_t *bytes = with_slack(text, sizeof(text));
	struct pq_delta d;
	uint64_t v;

	(void)state;
	assert_true(pq_delta_open(&d, bytes, bytes + sizeof(text)));
	assert_ptr_equal(pq_delta_end(&d), bytes + sizeof(text));
	for (int i = 0; i < 8; i++)
		assert_true(pq_delta_take(&d, &v, 1) && v == want[i]);
	assert_false(pq_delta_take(&d, &v, 1));
	for (size_t cut = 0; cut < sizeof(text); cut++)
		if (pq_delta_open(&d, bytes, bytes + cut))
			for (int i = 0; i < 9 && pq_delta_take(&d, &v, 1); i++)
				assert_int_equal(v, want[i]);
	static const uint8_t no_minis[] = { 0x80, 0x01, 0x00, 0x08, 0x0E }, uneven[] = { 0x80, 0x01, 0x03, 0x08, 0x0E };
	assert_false(pq_delta_open(&d, no_minis, no_minis + sizeof(no_minis)));
	assert_false(pq_delta_open(&d, uneven, uneven + sizeof(uneven)));
}

static void the_compact_protocol(void **state)
{
	/* 1: i32 -3; 3: "ab"; 4: list of two i16; 20: true; 21: struct { 1: byte 5 } */
	static const uint8_t bytes[] = { 0x15, 0x05, 0x28, 0x02, 'a', 'b', 0x19, 0x24, 0x02, 0x04, 0x01, 0x28, 0x1C, 0x13, 0x05, 0x00, 0x00 };
	struct thrift t = { .p = bytes, .end = bytes + sizeof(bytes) };
	struct thrift_field f = {0}, inner = {0}, element;
	size_t n;

	(void)state;
	assert_true(thrift_next(&t, &f) && f.id == 1);
	assert_int_equal(thrift_int(&t, &f), -3);
	assert_true(thrift_next(&t, &f) && f.id == 3);
	assert_memory_equal(thrift_binary(&t, &f, &n), "ab", 2);
	assert_int_equal(n, 2);
	assert_true(thrift_next(&t, &f) && f.id == 4);
	assert_int_equal(thrift_list(&t, &f, &element), 2);
	assert_int_equal(thrift_int(&t, &element), 1);
	assert_int_equal(thrift_int(&t, &element), 2);
	assert_true(thrift_next(&t, &f) && f.id == 20);
	assert_true(thrift_bool(&t, &f));
	assert_true(thrift_next(&t, &f) && f.id == 21);
	assert_true(thrift_struct(&t, &f));
	assert_true(thrift_next(&t, &inner) && inner.id == 1);
	assert_int_equal(thrift_int(&t, &inner), 5);
	assert_false(thrift_next(&t, &inner));
	assert_false(thrift_next(&t, &f));
	assert_false(t.bad);
}

static void the_compact_protocol_is_not_believed(void **state)
{
	static const struct { const char *what; uint8_t bytes[8]; size_t n; } bad[] = {
		{ "a list longer than the bytes", { 0x19, 0xF4, 0xFF, 0xFF, 0x7F }, 5 },
		{ "a text longer than the bytes", { 0x18, 0x7F, 'a' }, 3 },
		{ "a number without an end", { 0x15, 0xFF, 0xFF, 0xFF }, 4 },
		{ "a type that is none", { 0x1F, 0x00 }, 2 },
		{ "a struct without an end", { 0x1C, 0x15, 0x02 }, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct thrift t = { .p = bad[i].bytes, .end = bad[i].bytes + bad[i].n };
		struct thrift_field f = {0};
		while (thrift_next(&t, &f))
			thrift_skip(&t, &f);
		if (!t.bad)
			fail_msg("%s was believed", bad[i].what);
	}
	/* Structs in structs without end. */
	uint8_t deep[4096];
	memset(deep, 0x1C, sizeof(deep));
	struct thrift t = { .p = deep, .end = deep + sizeof(deep) };
	struct thrift_field f = {0};
	assert_true(thrift_next(&t, &f));
	thrift_skip(&t, &f);
	assert_true(t.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_packed_groups),
		cmocka_unit_test(packed_widths),
		cmocka_unit_test(differences),
		cmocka_unit_test(the_compact_protocol),
		cmocka_unit_test(the_compact_protocol_is_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
