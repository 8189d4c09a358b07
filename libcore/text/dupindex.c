/* dupindex.c - open addressing with linear probing; keys are hashes already. See dupindex.h. */
#include "text/dupindex.h"

#include "base/mem.h"

#define SLOTS_MIN 1024

struct set {
	uint64_t *keys;              /* 0 = empty */
	uint32_t *rows;
	uint64_t n, slots;           /* slots is a power of two */
};

struct dupindex {
	int n_sets;
	uint64_t bytes, bytes_max;
	struct set sets[];
};

struct dupindex *dupindex_open(int n_sets, uint64_t bytes_max)
{
	struct dupindex *d = mem_zalloc(sizeof(*d) + (size_t)n_sets * sizeof(d->sets[0]));
	d->n_sets = n_sets;
	d->bytes_max = bytes_max;
	return d;
}

void dupindex_close(struct dupindex *d)
{
	for (int i = 0; d && i < d->n_sets; i++) {
		mem_free(d->sets[i].keys);
		mem_free(d->sets[i].rows);
	}
	mem_free(d);
}

static uint64_t slot_of(const struct set *s, uint64_t key)
{
	uint64_t at = key & (s->slots - 1);
	while (s->keys[at] != 0 && s->keys[at] != key)
		at = (at + 1) & (s->slots - 1);
	return at;
}

uint32_t dupindex_find(const struct dupindex *d, const uint64_t *keys)
{
	uint32_t first = DUPINDEX_NONE;
	for (int i = 0; i < d->n_sets; i++) {
		const struct set *s = &d->sets[i];
		if (keys[i] == 0 || s->slots == 0)
			continue;
		uint64_t at = slot_of(s, keys[i]);
		if (s->keys[at] != 0 && s->rows[at] < first)
			first = s->rows[at];
	}
	return first;
}

static enum status grow(struct dupindex *d, struct set *s, struct error *err)
{
	struct set bigger = {.slots = s->slots ? s->slots * 2 : SLOTS_MIN, .n = s->n};
	uint64_t need = bigger.slots * 12;
	if (d->bytes_max && d->bytes + need > d->bytes_max)
		return error_set(err, ERR_MEMORY, "the index needs more than the %llu bytes of --memory",
				 (unsigned long long)d->bytes_max);
	bigger.keys = mem_try(bigger.slots * sizeof(*bigger.keys));
	bigger.rows = mem_try(bigger.slots * sizeof(*bigger.rows));
	if (!bigger.keys || !bigger.rows) {
		mem_free(bigger.keys);
		mem_free(bigger.rows);
		return error_set(err, ERR_MEMORY, "no memory for an index of %llu bytes", (unsigned long long)(d->bytes + need));
	}
	memset(bigger.keys, 0, bigger.slots * sizeof(*bigger.keys));
	for (uint64_t i = 0; i < s->slots; i++) {
		if (s->keys[i] == 0)
			continue;
		uint64_t at = slot_of(&bigger, s->keys[i]);
		bigger.keys[at] = s->keys[i];
		bigger.rows[at] = s->rows[i];
	}
	mem_free(s->keys);
	mem_free(s->rows);
	d->bytes += need - s->slots * 12;
	*s = bigger;
	return OK;
}

enum status dupindex_add(struct dupindex *d, const uint64_t *keys, uint32_t row, struct error *err)
{
	for (int i = 0; i < d->n_sets; i++) {
		struct set *s = &d->sets[i];
		if (keys[i] == 0)
			continue;
		if ((s->n + 1) * 3 > s->slots * 2)
			TRY(grow(d, s, err));
		uint64_t at = slot_of(s, keys[i]);
		if (s->keys[at] != 0)
			continue;
		s->keys[at] = keys[i];
		s->rows[at] = row;
		s->n++;
	}
	return OK;
}

uint64_t dupindex_bytes(const struct dupindex *d)
{
	return d->bytes;
}
