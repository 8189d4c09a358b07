/* unit.h - what cmocka wants included, in its order; a call that must succeed. */
#ifndef QUERN_TESTS_UNIT_H
#define QUERN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Of repetitions that look for wrong numbers or answers, one in SELDOM will do for a sanitizer, which is slow and looks for something else. */
#ifdef __SANITIZE_ADDRESS__
#define SELDOM 7
#else
#define SELDOM 1
#endif

/* The test's file has a struct error err, which the call fills. */
#define OK_OR_FAIL(call)                                        \
	do {                                                    \
		if ((call) != OK)                               \
			fail_msg("%s: %s", #call, err.text);    \
	} while (0)

#endif
