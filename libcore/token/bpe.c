#include "token/bpe.h"

enum { SHORT = 48 };                 /* pieces up to here are merged by linear scan */
#define NO_RANK UINT32_MAX

void ids_push(struct ids *ids, int32_t id)
{
	MEM_PUSH_ROOM(ids->v, ids->n, ids->cap);
	ids->v[ids->n++] = id;
}

void ids_release(struct ids *ids)
{
	mem_free(ids->v);
	*ids = (struct ids){0};
}

uint32_t bpe_byte_char(uint8_t b)
{
	if ((b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad))
		return b;
	if (b <= 0x20)
		return 0x100u + b;
	return b == 0xad ? 0x143 : 0x121u + b - 0x7f;
}

int bpe_char_byte(uint32_t cp)
{
	if (cp < 0x100)
		return bpe_byte_char((uint8_t)cp) == cp ? (int)cp : -1;
	if (cp <= 0x120)
		return (int)cp - 0x100;
	if (cp <= 0x142)
		return (int)cp - 0x121 + 0x7f;
	return cp == 0x143 ? 0xad : -1;
}

void bpe_init(struct bpe *m, size_t n)
{
	int bits = 4;

	while (((size_t)1 << bits) < n * 2)
		bits++;
	m->shift = 64 - bits;
	m->mask = ((uint64_t)1 << bits) - 1;
	m->merges = mem_array((size_t)1 << bits, sizeof(*m->merges));
	for (uint64_t i = 0; i <= m->mask; i++)
		m->merges[i].pair = BPE_NO_PAIR;
	for (int b = 0; b < 256; b++)
		m->byte_id[b] = -1;
	m->unk = -1;
}

static struct bpe_merge *slot(const struct bpe *m, uint64_t pair)
{
	uint64_t i = (pair * 0x9e3779b97f4a7c15u) >> m->shift;

	while (m->merges[i].pair != pair && m->merges[i].pair != BPE_NO_PAIR)
		i = (i + 1) & m->mask;
	return &m->merges[i];
}

static uint64_t pair_of(int32_t left, int32_t right)
{
	return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

void bpe_add_merge(struct bpe *m, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
	uint64_t pair = pair_of(left, right);

	*slot(m, pair) = (struct bpe_merge){.pair = pair, .rank = rank, .id = id};
}

bool bpe_has_merge(const struct bpe *m, int32_t left, int32_t right)
{
	return slot(m, pair_of(left, right))->pair != BPE_NO_PAIR;
}

void bpe_release(struct bpe *m)
{
	mem_free(m->merges);
	*m = (struct bpe){0};
}

void bpe_scratch_release(struct bpe_scratch *w)
{
	mem_free(w->id);
	mem_free(w->next);
	mem_free(w->prev);
	mem_free(w->rank);
	mem_free(w->heap);
	*w = (struct bpe_scratch){0};
}

static uint32_t rank_of(const struct bpe *m, int32_t left, int32_t right)
{
	const struct bpe_merge *s = slot(m, pair_of(left, right));

	return s->pair == BPE_NO_PAIR ? NO_RANK : s->rank;
}

/* The symbols a piece starts from; returns how many. id has room for n. */
static size_t symbols(const struct bpe *m, const uint8_t *p, size_t n, int32_t *id)
{
	size_t k = 0;
	bool after_unk = false;

	for (size_t i = 0; i < n; i++) {
		int32_t v = m->byte_id[p[i]];

		if (v < 0 && (m->unk < 0 || (after_unk && m->fuse_unk)))
			continue;
		after_unk = v < 0;
		id[k++] = v < 0 ? m->unk : v;
	}
	return k;
}

static void encode_short(const struct bpe *m, const uint8_t *p, size_t n, struct ids *out)
{
	int32_t id[SHORT];
	uint32_t rank[SHORT];
	size_t k = symbols(m, p, n, id);

	for (size_t i = 0; i + 1 < k; i++)
		rank[i] = rank_of(m, id[i], id[i + 1]);
	while (k > 1) {
		size_t best = 0;

		for (size_t i = 1; i + 1 < k; i++)
			if (rank[i] < rank[best])
				best = i;
		if (rank[best] == NO_RANK)
			break;
		id[best] = slot(m, pair_of(id[best], id[best + 1]))->id;
		k--;
		memmove(id + best + 1, id + best + 2, (k - best - 1) * sizeof(*id));
		if (best + 1 < k) {
			memmove(rank + best + 1, rank + best + 2, (k - best - 2) * sizeof(*rank));
			rank[best] = rank_of(m, id[best], id[best + 1]);
		}
		if (best > 0)
			rank[best - 1] = rank_of(m, id[best - 1], id[best]);
	}
	for (size_t i = 0; i < k; i++)
		ids_push(out, id[i]);
}

static void heap_push(struct bpe_scratch *w, uint64_t v)
{
	size_t i;

	MEM_PUSH_ROOM(w->heap, w->heap_n, w->heap_cap);
	for (i = w->heap_n++; i > 0 && w->heap[(i - 1) / 2] > v; i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = v;
}

static uint64_t heap_pop(struct bpe_scratch *w)
{
	uint64_t top = w->heap[0], last = w->heap[--w->heap_n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < w->heap_n) {
		if (c + 1 < w->heap_n && w->heap[c + 1] < w->heap[c])
			c++;
		if (w->heap[c] >= last)
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	w->heap[i] = last;
	return top;
}

static void scratch_room(struct bpe_scratch *w, size_t n)
{
	if (n <= w->cap)
		return;
	w->cap = n;
	w->id = mem_grow(w->id, n, sizeof(*w->id));
	w->next = mem_grow(w->next, n, sizeof(*w->next));
	w->prev = mem_grow(w->prev, n, sizeof(*w->prev));
	w->rank = mem_grow(w->rank, n, sizeof(*w->rank));
}

/* Ranks the pair that begins at i anew and queues it. */
static void queue_pair(const struct bpe *m, struct bpe_scratch *w, int32_t i)
{
	w->rank[i] = w->next[i] < 0 ? NO_RANK : rank_of(m, w->id[i], w->id[w->next[i]]);
	if (w->rank[i] != NO_RANK)
		heap_push(w, (uint64_t)w->rank[i] << 32 | (uint32_t)i);
}

static void encode_long(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	size_t k;

	scratch_room(w, n);
	w->heap_n = 0;
	k = symbols(m, p, n, w->id);
	for (size_t i = 0; i < k; i++) {
		w->prev[i] = (int32_t)i - 1;
		w->next[i] = i + 1 < k ? (int32_t)i + 1 : -1;
	}
	for (size_t i = 0; i < k; i++)
		queue_pair(m, w, (int32_t)i);
	while (w->heap_n) {
		uint64_t top = heap_pop(w);
		int32_t i = (int32_t)(uint32_t)top, right, after;

		if (w->rank[i] != top >> 32) /* the pair has changed since it was queued */
			continue;
		right = w->next[i];
		after = w->next[right];
		w->id[i] = slot(m, pair_of(w->id[i], w->id[right]))->id;
		w->rank[right] = NO_RANK;
		w->next[i] = after;
		if (after >= 0)
			w->prev[after] = i;
		queue_pair(m, w, i);
		if (w->prev[i] >= 0)
			queue_pair(m, w, w->prev[i]);
	}
	for (int32_t i = k ? 0 : -1; i >= 0; i = w->next[i])
		ids_push(out, w->id[i]);
}

void bpe_encode(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	if (n <= SHORT)
		encode_short(m, p, n, out);
	else
		encode_long(m, w, p, n, out);
}
