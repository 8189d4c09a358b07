/* frequent.c - see frequent.h: a hash table with open addressing. */
#include "stream/frequent.h"

#include "base/hash.h"
#include "stream/quantiles.h"

/* The slot of the value, or the free one where it belongs. */
static uint32_t *slot_of(const struct frequent *f, uint64_t hash, const void *value, size_t n)
{
	size_t mask = f->cap * 2 - 1, kept = n < FREQUENT_BYTES ? n : FREQUENT_BYTES;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		const struct frequent_entry *e = f->slots[i] ? &f->entries[f->slots[i] - 1] : NULL;
		if (!e || (e->hash == hash && e->bytes == n && (kept == 0 || memcmp(e->value, value, kept) == 0)))
			return &f->slots[i];
	}
}

static void rebuild_slots(struct frequent *f)
{
	memset(f->slots, 0, f->cap * 2 * sizeof(*f->slots));
	for (size_t i = 0; i < f->n; i++)
		*slot_of(f, f->entries[i].hash, f->entries[i].value, f->entries[i].bytes) = (uint32_t)i + 1;
}

static void grow(struct frequent *f)
{
	f->cap = f->cap ? f->cap * 2 : 64;
	f->entries = mem_grow(f->entries, f->cap, sizeof(*f->entries));
	f->slots = mem_grow(f->slots, f->cap * 2, sizeof(*f->slots));
	rebuild_slots(f);
}

/* Takes the median count from all, which throws out half of them or more. */
static void thin(struct frequent *f)
{
	uint64_t *counts = mem_array(f->n * 2, sizeof(*counts));
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++)
		counts[i] = (uint64_t)f->entries[i].count;
	keys_sort(counts, counts + f->n, f->n);
	int64_t median = (int64_t)counts[(f->n - 1) / 2];
	mem_free(counts);
	for (size_t i = 0; i < f->n; i++) {
		struct frequent_entry e = f->entries[i];
		e.count -= median;
		if (e.count > 0)
			f->entries[kept++] = e;
		else
			mem_free(e.value);
	}
	f->n = kept;
	f->error += median;
	f->full = true;
	rebuild_slots(f);
}

void frequent_add(struct frequent *f, const void *value, size_t n)
{
	uint64_t hash = hash64(value, n);
	size_t kept = n < FREQUENT_BYTES ? n : FREQUENT_BYTES;

	f->total++;
	if (f->cap == 0)
		grow(f);
	uint32_t *slot = slot_of(f, hash, value, n);
	if (*slot) {
		f->entries[*slot - 1].count++;
		return;
	}
	if (f->n == f->cap) {
		if (f->cap < FREQUENT_MAX)
			grow(f);
		else
			thin(f);
		slot = slot_of(f, hash, value, n);
	}
	struct frequent_entry *e = &f->entries[f->n++];
	*e = (struct frequent_entry){ .hash = hash, .bytes = n, .count = 1, .value = mem_strndup(kept ? value : "", kept) };
	*slot = (uint32_t)f->n;
}

int64_t frequent_distinct(const struct frequent *f)
{
	return f->full ? -1 : (int64_t)f->n;
}

int64_t frequent_error(const struct frequent *f)
{
	return f->error;
}

static bool before(const struct frequent_entry *a, const struct frequent_entry *b)
{
	size_t na = frequent_kept(a), nb = frequent_kept(b), n = na < nb ? na : nb;
	int c = n ? memcmp(a->value, b->value, n) : 0;

	if (a->count != b->count)
		return a->count > b->count;
	if (c == 0 && na != nb)
		return na < nb;
	return c ? c < 0 : a->hash < b->hash;
}

int frequent_top(const struct frequent *f, const struct frequent_entry *top[], int max)
{
	int n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct frequent_entry *e = &f->entries[i];
		int at = n;
		if (e->count < 2 || e->count <= f->error || (n == max && !before(e, top[n - 1])))
			continue;
		n += n < max;
		for (at = n - 1; at > 0 && before(e, top[at - 1]); at--)
			top[at] = top[at - 1];
		top[at] = e;
	}
	return n;
}

void frequent_release(struct frequent *f)
{
	for (size_t i = 0; i < f->n; i++)
		mem_free(f->entries[i].value);
	mem_free(f->entries);
	mem_free(f->slots);
	*f = (struct frequent){0};
}
