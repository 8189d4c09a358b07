/* Parquet's pieces: the compact protocol, runs, differences, and what they do with bytes that lie. */
#include "stream/parquet.h"
#include "unit.h"

static void runs_and_packed_groups(void **state)
{
	/* The example of Encodings.md: 0 to 7 in three bits; then a run of 5 of the value 4. */
	static const uint8_t bytes[] = { 0x03, 0x88, 0xC6, 0xFA, 0x0A, 0x04 };
	struct parquet_rle r;
	uint32_t v;

	(void)state;
	parquet_rle_open(&r, bytes, bytes + sizeof(bytes), 3);
	for (uint32_t i = 0; i < 8; i++)
		assert_true(parquet_rle_next(&r, &v) && v == i);
	for (int i = 0; i < 5; i++)
		assert_true(parquet_rle_next(&r, &v) && v == 4);
	assert_false(parquet_rle_next(&r, &v));
	/* A group cut short has the values that its bytes hold, and no more. */
	parquet_rle_open(&r, bytes, bytes + 3, 3);
	for (uint32_t i = 0; i < 5; i++)
		assert_true(parquet_rle_next(&r, &v) && v == i);
	assert_false(parquet_rle_next(&r, &v));
	/* Groups beyond counting, a run's value wider than its width, nothing at all. */
	static const uint8_t many[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x01 }, wide[] = { 0x02, 0x09 };
	parquet_rle_open(&r, many, many + sizeof(many), 1);
	for (int i = 0; i < 8; i++)
		assert_true(parquet_rle_next(&r, &v));
	assert_false(parquet_rle_next(&r, &v));
	parquet_rle_open(&r, wide, wide + sizeof(wide), 3);
	assert_false(parquet_rle_next(&r, &v));
	parquet_rle_open(&r, bytes, bytes, 3);
	assert_false(parquet_rle_next(&r, &v));
}

static void differences(void **state)
{
	/* Encodings.md: 7, 5, 3, 1, 2, 3, 4, 5: first 7, least difference -2, offsets 0 0 0 3 3 3 3 in two bits. */
	static const uint8_t bytes[] = { 0x80, 0x01, 0x04, 0x08, 0x0E, 0x03, 0x02, 0x00, 0x00, 0x00, 0xC0, 0x3F, 0, 0, 0, 0, 0, 0 };
	static const int64_t want[] = { 7, 5, 3, 1, 2, 3, 4, 5 };
	struct parquet_delta d;
	int64_t v;

	(void)state;
	assert_true(parquet_delta_open(&d, bytes, bytes + sizeof(bytes)));
	for (int i = 0; i < 8; i++)
		assert_true(parquet_delta_next(&d, &v) && v == want[i]);
	assert_false(parquet_delta_next(&d, &v));
	for (size_t cut = 0; cut < sizeof(bytes); cut++)
		if (parquet_delta_open(&d, bytes, bytes + cut))
			for (int i = 0; i < 9 && parquet_delta_next(&d, &v); i++)
				assert_int_equal(v, want[i]);
	static const uint8_t no_minis[] = { 0x80, 0x01, 0x00, 0x08, 0x0E }, uneven[] = { 0x80, 0x01, 0x03, 0x08, 0x0E };
	assert_false(parquet_delta_open(&d, no_minis, no_minis + sizeof(no_minis)));
	assert_false(parquet_delta_open(&d, uneven, uneven + sizeof(uneven)));
}

static void the_compact_protocol(void **state)
{
	/* 1: i32 -3; 3: "ab"; 4: [true-less list of two i16]; 20: true; 21: struct { 1: byte 5 } */
	static const uint8_t bytes[] = { 0x15, 0x05, 0x28, 0x02, 'a', 'b', 0x19, 0x24, 0x02, 0x04, 0x01, 0x28, 0x1C, 0x13, 0x05, 0x00, 0x00 };
	struct thrift t = { .p = bytes, .n = sizeof(bytes) };
	int id = 0, inner = 0;
	size_t n;

	(void)state;
	assert_true(thrift_field(&t, &id) && id == 1);
	assert_int_equal(thrift_int(&t), -3);
	assert_true(thrift_field(&t, &id) && id == 3);
	assert_memory_equal(thrift_bytes(&t, &n), "ab", 2);
	assert_int_equal(n, 2);
	assert_true(thrift_field(&t, &id) && id == 4);
	assert_int_equal(thrift_list(&t), 2);
	assert_int_equal(t.type, THRIFT_I16);
	assert_int_equal(thrift_int(&t), 1);
	assert_int_equal(thrift_int(&t), 2);
	assert_true(thrift_field(&t, &id) && id == 20);
	assert_true(thrift_bool(&t));
	assert_true(thrift_field(&t, &id) && id == 21);
	assert_true(thrift_field(&t, &inner) && inner == 1);
	assert_int_equal(thrift_int(&t), 5);
	assert_false(thrift_field(&t, &inner));
	assert_false(thrift_field(&t, &id));
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
		struct thrift t = { .p = bad[i].bytes, .n = bad[i].n };
		int id = 0;
		while (thrift_field(&t, &id))
			thrift_skip(&t);
		if (!t.bad)
			fail_msg("%s was believed", bad[i].what);
	}
	/* Structs in structs without end. */
	uint8_t deep[4096];
	memset(deep, 0x1C, sizeof(deep));
	struct thrift t = { .p = deep, .n = sizeof(deep) };
	int id = 0;
	assert_true(thrift_field(&t, &id));
	thrift_skip(&t);
	assert_true(t.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_packed_groups),
		cmocka_unit_test(differences),
		cmocka_unit_test(the_compact_protocol),
		cmocka_unit_test(the_compact_protocol_is_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
