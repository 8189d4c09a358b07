/* marks.c - see marks.h. */
#include "base/marks.h"

#include "base/mem.h"

#include <utf8proc.h>

#define FEW_MARKS 16         /* are sorted by insertion, more by counting */

int mark_class(int32_t c)
{
	return utf8proc_get_property(c)->combining_class & 0xff;
}

static void order_row(int32_t *c, size_t n)
{
	if (n <= FEW_MARKS) {
		for (size_t i = 1; i < n; i++) {
			int32_t mark = c[i];
			size_t k = i;
			for (; k > 0 && mark_class(c[k - 1]) > mark_class(mark); k--)
				c[k] = c[k - 1];
			c[k] = mark;
		}
		return;
	}
	size_t start[257] = {0};
	int32_t *copy = mem_array(n, sizeof(*copy));
	memcpy(copy, c, n * sizeof(*c));
	for (size_t i = 0; i < n; i++)
		start[mark_class(copy[i]) + 1]++;
	for (int k = 0; k < 256; k++)
		start[k + 1] += start[k];
	for (size_t i = 0; i < n; i++)
		c[start[mark_class(copy[i])]++] = copy[i];
	mem_free(copy);
}

void marks_order(int32_t *c, size_t n)
{
	for (size_t i = 0, to; i < n; i = to + (to == i)) {
		for (to = i; to < n && mark_class(c[to]); to++)
			;
		if (to > i + 1)
			order_row(c + i, to - i);
	}
}
