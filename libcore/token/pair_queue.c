/* pair_queue.c - see pair_queue.h. */
#include "token/pair_queue.h"

#include "base/mem.h"

static uint32_t *pair_slot(const struct pair_queue *q, uint64_t key)
{
	uint64_t h = (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
	size_t i = (h ^ h >> 32) & q->mask;

	while (q->index[i] && q->pairs[q->index[i] - 1].key != key)
		i = (i + 1) & q->mask;
	return &q->index[i];
}

struct pair *pair_find(const struct pair_queue *q, uint64_t key)
{
	uint32_t i = q->index ? *pair_slot(q, key) : 0;

	return i ? &q->pairs[i - 1] : NULL;
}

struct pair *pair_at(struct pair_queue *q, uint64_t key)
{
	uint32_t *slot;

	if ((size_t)q->n_pairs * 3 >= q->mask * 2) {
		q->mask = q->mask ? q->mask * 2 + 1 : 4095;
		mem_free(q->index);
		q->index = mem_array(q->mask + 1, sizeof(*q->index));
		for (uint32_t i = 0; i < q->n_pairs; i++)
			*pair_slot(q, q->pairs[i].key) = i + 1;
	}
	slot = pair_slot(q, key);
	if (!*slot) {
		if (q->n_pairs == q->cap_pairs) {
			q->cap_pairs += q->cap_pairs / 2 + 4096;
			q->pairs = mem_grow(q->pairs, q->cap_pairs < UINT32_MAX ? q->cap_pairs : SIZE_MAX, sizeof(*q->pairs));
		}
		q->pairs[q->n_pairs++] = (struct pair){key, 0};
		*slot = q->n_pairs;
	}
	return &q->pairs[*slot - 1];
}

/* --- the queue ---------------------------------------------------------------------------------- */

static bool before(const struct candidate *x, const struct candidate *y)
{
	return x->count != y->count ? x->count > y->count : x->pair < y->pair;
}

void pair_queue_push(struct pair_queue *q, struct candidate c)
{
	size_t i;

	if (q->n_heap == q->cap_heap) {
		q->cap_heap += q->cap_heap / 2 + 4096;
		q->heap = mem_grow(q->heap, q->cap_heap, sizeof(*q->heap));
	}
	for (i = q->n_heap++; i > 0 && before(&c, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = c;
}

void pair_queue_replace(struct pair_queue *q, struct candidate c)
{
	size_t i = 0, k;

	while ((k = 2 * i + 1) < q->n_heap) {
		if (k + 1 < q->n_heap && before(&q->heap[k + 1], &q->heap[k]))
			k++;
		if (!before(&q->heap[k], &c))
			break;
		q->heap[i] = q->heap[k];
		i = k;
	}
	q->heap[i] = c;
}

struct candidate pair_queue_pop(struct pair_queue *q)
{
	struct candidate top = q->heap[0];

	if (--q->n_heap)
		pair_queue_replace(q, q->heap[q->n_heap]);
	return top;
}

void pair_queue_release(struct pair_queue *q)
{
	mem_free(q->pairs);
	mem_free(q->index);
	mem_free(q->heap);
	*q = (struct pair_queue){0};
}
