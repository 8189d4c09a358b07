// utf8_valid.cc - is it UTF-8? (Unicode 15, table 3-7.) The C shim over simdjson's check.

#include <simdjson.h>

extern "C" {
#include "base/json_escape.h"
}

extern "C" bool utf8_valid(const char *s, size_t n)
{
	return simdjson::validate_utf8(s, n);
}
