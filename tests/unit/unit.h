/* unit.h - what cmocka wants included, in its order. */
#ifndef QUERN_TESTS_UNIT_H
#define QUERN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif
