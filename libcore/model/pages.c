#include "model/pages.h"

#include "base/mem.h"
#include "model/layout.h"

#include <string.h>

#define SEGMENT_BYTES ((int64_t)64 << 20)     /* large pages cover nearly all of it; what is not used is not there */

#define SEGMENTS_MAX 32                       /* of a device, but for small ones */

/* The widest window of all layers; 0 if one has none. */
static int widest_window(const struct model_config *c)
{
	int widest = 0;

	for (int l = 0; l < c->n_layers; l++) {
		int window = layer_heads(c, l).window;

		if (window <= 0)
			return 0;
		widest = window > widest ? window : widest;
	}
	return widest;
}

void pages_open(struct pages *p, const struct model *m, int slots, int positions)
{
	const struct model_config *c = &m->cfg;

	*p = (struct pages){ .k = m->k, .pool = m->pool, .slots = slots, .blocks = (int)pages_for(positions), .window = widest_window(c) };
	p->layer = 2 * (int64_t)c->kv_heads * c->head_dim * KERNELS_KEY_BLOCK;
	p->page = p->layer * c->n_layers;
	p->limit = (int64_t)slots * p->blocks;
	p->limit = p->limit < INT32_MAX ? p->limit : INT32_MAX;
	p->segment = SEGMENT_BYTES / (int64_t)pages_bytes(p);
	p->segment = p->segment > 0 ? p->segment : 1;
	p->table = mem_array((size_t)slots * (size_t)p->blocks, sizeof(*p->table));
	memset(p->table, 0xff, (size_t)slots * (size_t)p->blocks * sizeof(*p->table));
}

void pages_close(struct pages *p)
{
	for (int64_t i = 0; i < p->n_segments; i++)
		p->k->release(p->segments[i]);
	mem_free(p->segments);
	mem_free(p->free);
	mem_free(p->refs);
	mem_free(p->table);
	*p = (struct pages){ 0 };
}

int64_t pages_limit(struct pages *p, size_t bytes)
{
	size_t n = bytes / pages_bytes(p);

	if (n < (size_t)p->limit)
		p->limit = (int64_t)n;
	/* A device's allocations wait for its work: few of them, then. */
	if (!p->k->host_access && p->limit / SEGMENTS_MAX > p->segment)
		p->segment = p->limit / SEGMENTS_MAX;
	return p->limit;
}

static act *address(const struct pages *p, int32_t id)
{
	return act_at(p->k, p->segments[id / p->segment], id % p->segment * p->page);
}

/* Memory for more pages, as many as a segment has. */
static bool grow(struct pages *p)
{
	int64_t n = p->limit - p->made < p->segment ? p->limit - p->made : p->segment;
	act *memory = n > 0 ? p->k->alloc(p->pool, (size_t)n * pages_bytes(p)) : NULL;

	if (!memory)
		return false;
	MEM_PUSH_ROOM(p->segments, p->n_segments, p->segments_cap);
	p->segments[p->n_segments++] = memory;
	if (p->made + n > p->cap) {
		p->cap = 2 * (p->made + n);
		p->free = mem_grow(p->free, (size_t)p->cap, sizeof(*p->free));
		p->refs = mem_grow(p->refs, (size_t)p->cap, sizeof(*p->refs));
	}
	for (int64_t i = 0; i < n; i++)      /* none is free but these */
		p->free[i] = (int32_t)(p->made + n - 1 - i);
	p->made += n;
	return true;
}

static int32_t take(struct pages *p)
{
	int32_t id;

	if (p->used == p->made && !grow(p))
		return -1;
	id = p->free[p->made - ++p->used];
	p->refs[id] = 1;
	p->peak = p->used > p->peak ? p->used : p->peak;
	return id;
}

static void give_back(struct pages *p, int32_t *id)
{
	if (*id >= 0 && --p->refs[*id] == 0)
		p->free[p->made - p->used--] = *id;
	*id = -1;
}

static int32_t *table_of(const struct pages *p, int slot)
{
	return p->table + (int64_t)slot * p->blocks;
}

bool pages_room(struct pages *p, int slot, int64_t from, int64_t to)
{
	int32_t *t = table_of(p, slot);

	for (int64_t b = from / KERNELS_KEY_BLOCK; b < pages_for(to); b++) {
		int32_t old = t[b], own;

		if (old >= 0 && p->refs[old] == 1)
			continue;
		own = take(p);
		if (own < 0)
			return false;
		if (old >= 0 && b * KERNELS_KEY_BLOCK < from)
			p->k->copy(p->pool, address(p, own), address(p, old), pages_bytes(p));
		give_back(p, &t[b]);
		t[b] = own;
	}
	return true;
}

/* The first page of those that a token at position n sees. */
static int64_t first_seen(const struct pages *p, int64_t n)
{
	return p->window && n + 1 > p->window ? (n + 1 - p->window) / KERNELS_KEY_BLOCK : 0;
}

bool pages_hold(const struct pages *p, int slot, int64_t n)
{
	const int32_t *t = table_of(p, slot);

	for (int64_t b = first_seen(p, n); b < pages_for(n); b++)
		if (t[b] < 0)
			return false;
	return true;
}

void pages_share(struct pages *p, int from, int to, int64_t n)
{
	const int32_t *theirs = table_of(p, from);
	int32_t *t = table_of(p, to);

	if (from == to)
		return;
	for (int64_t b = 0; b < p->blocks; b++) {
		int32_t id = b < pages_for(n) ? theirs[b] : -1;

		if (id >= 0)
			p->refs[id]++;
		give_back(p, &t[b]);
		t[b] = id;
	}
}

void pages_drop(struct pages *p, int slot, int64_t n)
{
	int32_t *t = table_of(p, slot);
	int64_t end = n ? first_seen(p, n) : p->blocks;

	for (int64_t b = end - 1; b >= 0 && (!n || t[b] >= 0); b--)
		give_back(p, &t[b]);
}

void pages_addresses(const struct pages *p, int slot, int64_t n, act **out)
{
	const int32_t *t = table_of(p, slot);

	for (int64_t b = 0; b < pages_for(n); b++)
		out[b] = t[b] < 0 ? NULL : address(p, t[b]);
}
