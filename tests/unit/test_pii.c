/* test_pii.c - what is an address and what only looks like one. */
#include "unit.h"

#include "text/pii.h"

static void masks(const char *in, const char *want)
{
	struct buf out = {0};
	pii_mask(in, strlen(in), &out);
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

static void counting_needs_no_output(void **state)
{
	(void)state;
	assert_int_equal(pii_mask("a@b.cd 9.9.9.9", 14, NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_people), cmocka_unit_test(addresses_of_machines),
		cmocka_unit_test(counting_needs_no_output),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
