/* dedup_cut.c - see dedup_cut.h. */
#include "text/dedup_cut.h"

#include <math.h>

enum status dedup_cut_check(const struct dedup_common *common, struct error *err)
{
	if (common->keep != KEEP_FIRST && common->keep != KEEP_NONE)
		return error_set(err, ERR_USAGE, "of parts of documents the first stays, or none (--keep)");
	if (common->ids)
		return error_set(err, ERR_USAGE, "--clusters tells of whole rows, not of parts of them");
	return OK;
}

struct verdict dedup_cut_verdict(const struct buf *left, size_t n, double share_max, const char *reason)
{
	struct verdict v = {.similarity = NAN, .cut_bytes = (int64_t)(n - left->len)};
	if ((double)(n - left->len) > share_max * (double)n) {
		v.reason = reason;
	} else if (text_strip(left->data, left->len).len == 0) {
		v.reason = "nothing_left";
	} else {
		v.text = left->data;
		v.text_bytes = left->len;
	}
	return v;
}
