#include "token/pack.h"

#include "base/mem.h"

/* Packs by the room they have left: a first-in first-out queue per amount, and above the queues a tree that tells
 * which are not empty. */
struct rooms {
	int32_t capacity, leaves;    /* leaves: power of two > capacity */
	uint8_t *any;                /* heap-ordered tree over [0, leaves) */
	int64_t *head, *tail;        /* per amount: first and last pack, -1 */
	int64_t *next;               /* per pack */
};

static void rooms_set(struct rooms *r, int32_t amount, uint8_t on)
{
	int32_t i = r->leaves + amount;

	r->any[i] = on;
	for (i /= 2; i > 0; i /= 2)
		r->any[i] = r->any[2 * i] | r->any[2 * i + 1];
}

static void rooms_push(struct rooms *r, int32_t amount, int64_t pack)
{
	r->next[pack] = -1;
	if (r->head[amount] < 0) {
		r->head[amount] = pack;
		rooms_set(r, amount, 1);
	} else {
		r->next[r->tail[amount]] = pack;
	}
	r->tail[amount] = pack;
}

static int64_t rooms_pop(struct rooms *r, int32_t amount)
{
	int64_t pack = r->head[amount];

	r->head[amount] = r->next[pack];
	if (r->head[amount] < 0)
		rooms_set(r, amount, 0);
	return pack;
}

/* The smallest amount >= want that some pack has left, or -1. */
static int32_t rooms_find(const struct rooms *r, int32_t want)
{
	int32_t i = r->leaves + want;

	if (r->any[i])
		return want;
	for (; i > 1; i /= 2) /* up to where a right sibling has some ... */
		if (!(i & 1) && r->any[i + 1])
			break;
	if (i <= 1)
		return -1;
	for (i++; i < r->leaves;) /* ... and down to its leftmost */
		i = r->any[2 * i] ? 2 * i : 2 * i + 1;
	return i - r->leaves;
}

/* Indices by length, longest first, stable. */
static int64_t *by_length(const int32_t *len, int64_t n, int32_t capacity)
{
	int64_t *at = mem_array((size_t)capacity + 2, sizeof(*at)), *order = mem_array((size_t)n + 1, sizeof(*order));

	for (int64_t i = 0; i < n; i++)
		at[capacity - len[i] + 1]++;
	for (int32_t k = 0; k < capacity; k++)
		at[k + 1] += at[k];
	for (int64_t i = 0; i < n; i++)
		order[at[capacity - len[i]]++] = i;
	mem_free(at);
	return order;
}

/* pack_of[i] for every piece, visited in `visit` order; returns the number of packs. */
static int64_t assign(const int32_t *len, const int64_t *visit, int64_t n, int32_t capacity, int64_t *pack_of)
{
	struct rooms r = {.capacity = capacity, .leaves = 1};
	int64_t n_packs = 0;

	while (r.leaves <= capacity)
		r.leaves *= 2;
	r.any = mem_zalloc((size_t)r.leaves * 2);
	r.head = mem_array((size_t)capacity + 1, sizeof(*r.head));
	r.tail = mem_array((size_t)capacity + 1, sizeof(*r.tail));
	r.next = mem_array((size_t)n + 1, sizeof(*r.next));
	for (int32_t a = 0; a <= capacity; a++)
		r.head[a] = -1;
	for (int64_t k = 0; k < n; k++) {
		int64_t i = visit[k];
		int32_t room = rooms_find(&r, len[i]);

		pack_of[i] = room < 0 ? n_packs++ : rooms_pop(&r, room);
		rooms_push(&r, (room < 0 ? capacity : room) - len[i], pack_of[i]);
	}
	mem_free(r.any);
	mem_free(r.head);
	mem_free(r.tail);
	mem_free(r.next);
	return n_packs;
}

void pack_best_fit(const int32_t *len, int64_t n, int32_t capacity, struct pack_plan *p)
{
	int64_t *visit = by_length(len, n, capacity), *pack_of = mem_array((size_t)n + 1, sizeof(*pack_of)), *at;

	p->n_packs = assign(len, visit, n, capacity, pack_of);
	p->start = mem_array((size_t)p->n_packs + 2, sizeof(*p->start));
	p->order = mem_array((size_t)n + 1, sizeof(*p->order));
	at = mem_array((size_t)p->n_packs + 1, sizeof(*at));
	for (int64_t i = 0; i < n; i++)
		p->start[pack_of[i] + 1]++;
	for (int64_t k = 0; k < p->n_packs; k++) {
		p->start[k + 1] += p->start[k];
		at[k] = p->start[k];
	}
	for (int64_t k = 0; k < n; k++)
		p->order[at[pack_of[visit[k]]]++] = visit[k];
	mem_free(at);
	mem_free(visit);
	mem_free(pack_of);
}

void pack_plan_release(struct pack_plan *p)
{
	mem_free(p->order);
	mem_free(p->start);
	*p = (struct pack_plan){0};
}
