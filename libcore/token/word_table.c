/* word_table.c - words and counts in memory, see word_count.h. */
#include "token/word_count.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)1 << 18) /* at most; the first ones are smaller */
#define FIRST_BYTES ((size_t)1 << 13)
#define UNIT 4                       /* words begin at multiples of it, so that 32 bits tell the place: 16 for the chunk, 16 within */

/* A word as it stands in a chunk. */
struct word {
	uint32_t count[2];           /* low and high half: words lie at multiples of 4 */
	uint32_t n;
	char p[];
};

static size_t word_bytes(size_t n)
{
	return (sizeof(struct word) + n + UNIT - 1) / UNIT * UNIT;
}

static uint64_t word_total(const struct word *w)
{
	return (uint64_t)w->count[1] << 32 | w->count[0];
}

static void word_set(struct word *w, uint64_t count)
{
	w->count[0] = (uint32_t)count;
	w->count[1] = (uint32_t)(count >> 32);
}

static struct word *word_of(const struct word_table *t, uint32_t at)
{
	return (struct word *)(t->chunks[at >> 16].p + (size_t)(at & 0xffff) * UNIT);
}

static void grow(struct word_table *t)
{
	struct word_slot *old = t->slots;
	size_t n = old ? t->mask + 1 : 0, cap = old ? n * 2 : 1024;

	t->slots = mem_array(cap, sizeof(*t->slots));
	t->mask = cap - 1;
	for (size_t i = 0; i < n; i++) {
		size_t k = old[i].hash & t->mask;

		if (!old[i].at)
			continue;
		while (t->slots[k].at)
			k = (k + 1) & t->mask;
		t->slots[k] = old[i];
	}
	t->bytes += (cap - n) * sizeof(*t->slots);
	mem_free(old);
}

/* The place of a new word; a long one gets a chunk of its own. Place 0 stays free in each chunk: it says "empty". */
static uint32_t place(struct word_table *t, const char *p, size_t n, uint64_t count)
{
	size_t bytes = word_bytes(n);
	struct word_chunk *c = t->n_chunks ? &t->chunks[t->n_chunks - 1] : NULL;
	struct word *w;
	uint32_t at;

	if (!c || c->used + bytes > c->size) {
		size_t size = t->n_chunks < 5 ? FIRST_BYTES << t->n_chunks : CHUNK_BYTES;

		if (size < bytes + UNIT)
			size = bytes + UNIT;
		MEM_PUSH_ROOM(t->chunks, t->n_chunks, t->cap_chunks);
		c = &t->chunks[t->n_chunks++];
		*c = (struct word_chunk){mem_alloc(size), UNIT, size};
		t->bytes += size;
	}
	at = (uint32_t)(t->n_chunks - 1) << 16 | (uint32_t)(c->used / UNIT);
	w = (struct word *)(c->p + c->used);
	w->n = (uint32_t)n;
	word_set(w, count);
	memcpy(w->p, p, n);
	c->used += bytes;
	return at;
}

void word_table_add(struct word_table *t, const char *p, size_t n, uint64_t count)
{
	uint32_t hash = (uint32_t)hash64(p, n);
	size_t i;

	if (!t->slots || t->n * 4 >= t->mask * 3)
		grow(t);
	for (i = hash & t->mask; t->slots[i].at; i = (i + 1) & t->mask) {
		struct word *w = t->slots[i].hash == hash ? word_of(t, t->slots[i].at) : NULL;

		if (!w || w->n != n || memcmp(w->p, p, n))
			continue;
		word_set(w, word_total(w) + count);
		return;
	}
	t->slots[i] = (struct word_slot){hash, place(t, p, n, count)};
	t->n++;
}

void word_table_each(const struct word_table *t, word_emit *emit, void *arg)
{
	for (int32_t c = 0; c < t->n_chunks; c++)
		for (size_t at = UNIT; at < t->chunks[c].used;) {
			const struct word *w = (const struct word *)(t->chunks[c].p + at);

			emit(arg, w->p, w->n, word_total(w));
			at += word_bytes(w->n);
		}
}

/* hash holds the first four bytes here: most comparisons end with them. */
static int in_order(const void *x, const void *y, void *table)
{
	const struct word_slot *a = x, *b = y;
	const struct word *v = word_of(table, a->at), *w = word_of(table, b->at);
	int c;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	c = memcmp(v->p, w->p, v->n < w->n ? v->n : w->n);
	return c ? c : (v->n > w->n) - (v->n < w->n);
}

void word_table_sort(struct word_table *t)
{
	size_t n = 0;

	for (size_t i = 0; t->slots && i <= t->mask; i++) {
		const struct word *w;
		uint8_t head[4] = {0};

		if (!t->slots[i].at)
			continue;
		w = word_of(t, t->slots[i].at);
		memcpy(head, w->p, w->n < 4 ? w->n : 4);
		t->slots[n].at = t->slots[i].at;
		t->slots[n++].hash = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
	}
	if (n)
		qsort_r(t->slots, n, sizeof(*t->slots), in_order, t);
}

const char *word_table_at(const struct word_table *t, size_t i, size_t *n, uint64_t *count)
{
	const struct word *w = word_of(t, t->slots[i].at);

	*n = w->n;
	*count = word_total(w);
	return w->p;
}

void word_table_release(struct word_table *t)
{
	for (int32_t c = 0; c < t->n_chunks; c++)
		mem_free(t->chunks[c].p);
	mem_free(t->chunks);
	mem_free(t->slots);
	*t = (struct word_table){0};
}
