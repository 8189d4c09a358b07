/* fbs_write.c - a FlatBuffer built forward: parents first, children behind them, offsets linked. */
#include "stream/fbs.h"

#include <string.h>

static void pad_to(struct buf *b, size_t align, size_t rest)
{
	while (b->len % align != rest)
		buf_char(b, 0);
}

static void put(struct buf *b, size_t at, uint64_t v, int size)
{
	memcpy(b->data + at, &v, (size_t)size);
}

static void add_zeros(struct buf *b, size_t n)
{
	buf_reserve(b, n + 1);
	memset(b->data + b->len, 0, n + 1);
	b->len += n;
}

/* Fields stand by falling size behind the table's own 4 bytes, which sit at 4 mod 8: all aligned. */
uint32_t fbs_add_table(struct buf *b, const struct fbs_slot *slots, int n, uint32_t at[FBS_SLOTS_MAX])
{
	pad_to(b, 2, 0);
	uint32_t vtable = (uint32_t)b->len;
	add_zeros(b, 4 + 2 * (size_t)n);
	pad_to(b, 8, 4);
	uint32_t table = (uint32_t)b->len;
	add_zeros(b, 4);
	put(b, table, table - vtable, 4);
	for (int size = 8; size > 0; size /= 2)
		for (int i = 0; i < n; i++) {
			if (slots[i].size != size)
				continue;
			at[i] = (uint32_t)b->len;
			add_zeros(b, (size_t)size);
			put(b, at[i], (uint64_t)slots[i].value, size);
			put(b, vtable + 4 + 2 * (size_t)i, at[i] - table, 2);
		}
	put(b, vtable, 4 + 2 * (uint64_t)n, 2);
	put(b, vtable + 2, b->len - table, 2);
	return table;
}

uint32_t fbs_add_text(struct buf *b, const char *s, size_t n)
{
	pad_to(b, 4, 0);
	uint32_t pos = (uint32_t)b->len;
	add_zeros(b, 4);
	put(b, pos, n, 4);
	buf_add(b, s, n);
	buf_char(b, 0);
	return pos;
}

uint32_t fbs_add_vector(struct buf *b, uint32_t count, uint32_t elem_bytes, uint32_t align)
{
	pad_to(b, align, align == 8 ? 4 : 0);
	uint32_t pos = (uint32_t)b->len;
	add_zeros(b, 4 + (size_t)count * elem_bytes);
	put(b, pos, count, 4);
	return pos;
}

void fbs_link(struct buf *b, uint32_t at, uint32_t target)
{
	put(b, at, target - at, 4);
}

void fbs_put_i64(struct buf *b, uint32_t at, int64_t v)
{
	put(b, at, (uint64_t)v, 8);
}
