/* test_pii.c - what is an address and what only looks like one. */
#include "unit.h"

#include "text/pii.h"

static void masks(const char *in, const char *want)
{
	struct buf out = {0};
	int64_t count[N_PII] = {0};
	pii_scan(in, strlen(in), PII_ALL, &out, count);
	assert_string_equal(out.data ? out.data : "", want);
	buf_release(&out);
}

static void addresses_of_people(void **state)
{
	(void)state;
	masks("write to a.b+c@mail.example.com.", "write to [EMAIL].");
	masks("<x@y.org>,z@w.de", "<[EMAIL]>,[EMAIL]");
	masks("@ at start, a@, @b.com, a@b, a@.b", "@ at start, a@, @b.com, a@b, a@.b");
	masks("a@b@c.de", "a@[EMAIL]");
	masks("..me@host.org", "..[EMAIL]");
	masks("me@host-.org me@-host.org", "me@host-.org me@-host.org");
	masks("", "");
}

static void addresses_of_machines(void **state)
{
	(void)state;
	masks("8.8.8.8 and 1.1.1.1.", "[IP] and [IP].");
	masks("10.0.0.1 127.0.0.1 172.16.3.4 192.168.1.1 169.254.0.1 100.64.0.1 0.1.2.3 240.0.0.1 255.255.255.255",
	      "10.0.0.1 127.0.0.1 172.16.3.4 192.168.1.1 169.254.0.1 100.64.0.1 0.1.2.3 240.0.0.1 255.255.255.255");
	masks("192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1 172.32.0.1", "192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1 [IP]");
	masks("1.2.3.4.5 256.1.1.1 01.2.3.4 1.2.3 v8.8.8.8 8.8.8.8a 8.8.8.8888", "1.2.3.4.5 256.1.1.1 01.2.3.4 1.2.3 v8.8.8.8 8.8.8.8a 8.8.8.8888");
}

static void addresses_of_six(void **state)
{
	(void)state;
	masks("at 2606:4700:4700::1111, and [2001:4860:4860:0:0:0:0:8888]:80", "at [IP], and [[IP]]:80");
	masks("2001:db8::1:2 fe80::1:2:3 fc00::1:2 ::1 2001::1:2", "2001:db8::1:2 fe80::1:2:3 fc00::1:2 ::1 2001::1:2");
	masks("12:30:45 std::vector a::b de:ad:be:ef:00:01 see::also::this 1:2:3:4:5:6:7:8:9", "12:30:45 std::vector a::b de:ad:be:ef:00:01 see::also::this 1:2:3:4:5:6:7:8:9");
	masks("2606:4700::6810:84e5:12345 2606:4700::1g:2:3", "2606:4700::6810:84e5:12345 2606:4700::1g:2:3");
}

static void numbers_of_phones(void **state)
{
	(void)state;
	masks("call +49 (0)30 1234567 or +1-202-555-0143.", "call [PHONE] or [PHONE].");
	masks("(212) 555-0143, 212-555-0143, 212.555.0143", "[PHONE], [PHONE], [PHONE]");
	masks("112-555-0143 212-155-0143 212-555.0143 1212-555-0143 212-555-01433 212 555", "112-555-0143 212-155-0143 212-555.0143 1212-555-0143 212-555-01433 212 555");
	masks("5+12345678 +1234 +12345678901234567 2024-11-21 10.1.2024", "5+12345678 +1234 +12345678901234567 2024-11-21 10.1.2024");
}

static void numbers_of_money(void **state)
{
	(void)state;
	masks("4111 1111 1111 1111, 378282246310005 and 5555-5555-5555-4444", "[CARD], [CARD] and [CARD]");
	masks("4111 1111 1111 1112 1234567812345670 41111111111111111 4111111111111111a 0.4111111111111111",
	      "4111 1111 1111 1112 1234567812345670 41111111111111111 4111111111111111a 0.4111111111111111");
	masks("DE89 3704 0044 0532 0130 00 GB82WEST12345698765432.", "[IBAN] [IBAN].");
	masks("DE88370400440532013000 DE8937040044053201300 XX89370400440532013000 DE89370400440532013000A",
	      "DE88370400440532013000 DE8937040044053201300 XX89370400440532013000 DE89370400440532013000A");
}

/* The tokens are put together here, so that no scanner takes this file for a leak. */
static void keys_of_known_shapes(void **state)
{
	(void)state;
	masks("AKIA" "IOSFODNN7EXAMPLE, ghp_" "0123456789abcdefghijABCDEFGHIJ012345 x", "[KEY], [KEY] x");
	masks("xoxb-" "123456789012-abcdefghijkl AIza" "SyA0123456789abcdefghijklmnopqrstuv sk-" "proj-abcDEF0123456789abcd", "[KEY] [KEY] [KEY]");
	masks("a eyJ" "hbGciOiJIUzI1NiJ9.eyJ" "zdWIiOiIxMjM0In0abc.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P b", "a [KEY] b");
	masks("-----BEGIN RSA " "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0\nabc=\n-----END RSA PRIVATE KEY-----\nx", "[KEY]\nx");
	masks("-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY----- and sk-short AKIATOOSHORT BAKIA" "IOSFODNN7EXAMPLE risk-averse-people-should-not-worry",
	      "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY----- and sk-short AKIATOOSHORT BAKIA" "IOSFODNN7EXAMPLE risk-averse-people-should-not-worry");
}

static void kinds_are_chosen(void **state)
{
	int64_t count[N_PII] = {0};
	unsigned kinds;
	struct error err;
	(void)state;
	assert_int_equal(pii_scan("a@b.cd 9.9.9.9", 14, PII_ALL, NULL, count), 2);
	assert_int_equal(count[PII_EMAIL] + count[PII_IP], 2);
	assert_int_equal(pii_parse("ip,key", &kinds, NULL), OK);
	assert_int_equal(kinds, 1u << PII_IP | 1u << PII_KEY);
	assert_int_equal(pii_scan("a@b.cd 9.9.9.9", 14, kinds, NULL, count), 1);
	assert_int_equal(pii_parse("ip,names", &kinds, &err), ERR_USAGE);
	assert_int_equal(pii_parse("", &kinds, &err), ERR_USAGE);
}

/* What is found does not depend on where it stands: every place in and around a vector's width. */
static void finds_at_any_place(void **state)
{
	char text[200];
	int64_t count[N_PII] = {0};
	(void)state;
	for (size_t at = 0; at < 140; at++) {
		memset(text, ' ', sizeof(text));
		memcpy(text + at, "a@b.cd", 6);
		assert_int_equal(pii_scan(text, at + 6, PII_ALL, NULL, count), 1);
		assert_int_equal(pii_scan(text, sizeof(text), PII_ALL, NULL, count), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_people), cmocka_unit_test(addresses_of_machines), cmocka_unit_test(addresses_of_six),
		cmocka_unit_test(numbers_of_phones), cmocka_unit_test(numbers_of_money), cmocka_unit_test(keys_of_known_shapes),
		cmocka_unit_test(kinds_are_chosen), cmocka_unit_test(finds_at_any_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
