/* suffix_array.c - see suffix_array.h; the algorithm is in suffix_array_is.h, once for each type of index. */
#include "text/suffix_array.h"

#include "base/mem.h"

#define INDEX int32_t
#define NAME(x) x##32
#include "text/suffix_array_is.h"

#define INDEX int64_t
#define NAME(x) x##64
#include "text/suffix_array_is.h"

enum status suffix_array32(const uint8_t *text, int32_t n, int32_t *sa, struct error *err)
{
	return sort_bytes32(text, n, sa, err);
}

enum status suffix_array64(const uint8_t *text, int64_t n, int64_t *sa, struct error *err)
{
	return sort_bytes64(text, n, sa, err);
}
