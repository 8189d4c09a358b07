/* postings.c - see postings.h. */
#include "token/postings.h"

#include "base/mem.h"

/* A free block's first unit is the next free one; a large one's second says how many units it has. */
static void give(struct postings *p, uint32_t block, uint32_t n)
{
	uint32_t *list = &p->free[n < POSTINGS_SIZES ? n : 0];

	p->units[block] = *list;
	if (n >= POSTINGS_SIZES)
		p->units[block + 1] = n;
	*list = block;
}

/* Units at the end of what there is. */
static uint32_t extend(struct postings *p, size_t n)
{
	uint32_t block = p->top ? p->top : 1; /* 0 is POSTINGS_NONE */

	while (block + n > p->cap) {
		size_t cap = p->cap + p->cap / 2 + 4096;

		p->cap = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;
		p->units = mem_grow(p->units, block + n > UINT32_MAX ? SIZE_MAX : p->cap, sizeof(*p->units));
	}
	p->top = block + (uint32_t)n;
	return block;
}

uint32_t postings_alloc(struct postings *p, const struct posting_list *l)
{
	size_t n = (varint_size(l->n) + l->bytes + 3) / 4;
	uint32_t block, all;

	if (n < POSTINGS_SIZES && p->free[n]) {
		block = p->free[n];
		p->free[n] = p->units[block];
		return block;
	}
	block = p->free[0];
	if (!block || (all = p->units[block + 1]) < n)
		return extend(p, n);
	p->free[0] = p->units[block];
	if (all > n)
		give(p, block + (uint32_t)n, all - (uint32_t)n);
	return block;
}

void posting_begin(struct posting_list *l, struct postings *p, uint32_t block)
{
	l->at = varint_put((uint8_t *)(p->units + block), l->n);
	l->last = 0;
}

const uint8_t *postings_open(const struct postings *p, uint32_t block, uint64_t *n)
{
	return varint_get((const uint8_t *)(p->units + block), n);
}

void postings_free(struct postings *p, uint32_t block, const uint8_t *end)
{
	give(p, block, (uint32_t)((size_t)(end - (const uint8_t *)(p->units + block) + 3) / 4));
}

void postings_release(struct postings *p)
{
	mem_free(p->units);
	*p = (struct postings){0};
}
