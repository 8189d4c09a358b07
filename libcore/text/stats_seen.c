/* stats_seen.c - tables of what was seen of a text; see stats_priv.h. */
#include "text/stats_priv.h"

void seen_start(struct seen *t, int64_t keys)
{
	uint64_t want = 64;
	while (want < (uint64_t)keys * 2)
		want *= 2;
	if (want > t->slots) {
		mem_free(t->slot);
		t->slot = mem_alloc(want * sizeof(*t->slot));
		t->slots = want;
	}
	if ((size_t)keys > t->cap) {
		size_t cap = (size_t)keys + (size_t)keys / 8 + 64;
		mem_free(t->key);
		mem_free(t->count);
		mem_free(t->first);
		mem_free(t->chars);
		t->cap = cap;
		t->key = mem_alloc(cap * sizeof(*t->key));
		t->count = mem_alloc(cap * sizeof(*t->count));
		t->first = mem_alloc(cap * sizeof(*t->first));
		t->chars = mem_alloc(cap * sizeof(*t->chars));
	}
	t->mask = want - 1;
	t->n = 0;
	t->most = (uint32_t)keys;
	memset(t->slot, 0, want * sizeof(*t->slot));
}

void seen_release(struct seen *t)
{
	mem_free(t->slot);
	mem_free(t->key);
	mem_free(t->count);
	mem_free(t->first);
	mem_free(t->chars);
	*t = (struct seen){0};
}

void key_set_start(struct key_set *s, int64_t keys)
{
	uint64_t want = 64;
	while (want < (uint64_t)keys * 2)
		want *= 2;
	if (want > s->cap) {
		mem_free(s->slot);
		s->slot = mem_alloc(want * sizeof(*s->slot));
		s->cap = want;
	}
	s->mask = want - 1;
	s->n = 0;
	memset(s->slot, 0, want * sizeof(*s->slot));
}

void key_set_grow(struct key_set *s)
{
	struct key_set more = {.cap = (s->mask + 1) * 2, .mask = s->mask * 2 + 1, .n = s->n};
	more.slot = mem_array(more.cap, sizeof(*more.slot));
	for (uint64_t i = 0; i <= s->mask; i++) {
		uint64_t key = s->slot[i], at = (key ^ key >> 32) & more.mask;
		if (!key)
			continue;
		while (more.slot[at])
			at = (at + 1) & more.mask;
		more.slot[at] = key;
	}
	mem_free(s->slot);
	*s = more;
}

void cells_start(struct text_stats *t, int64_t keys)
{
	uint64_t want = 256, most = (uint64_t)t->piece_words * 8;
	while (want < (uint64_t)keys * 4 && want < most)
		want *= 2;
	if (want > t->cell_cap) {
		mem_free(t->cell);
		t->cell = mem_alloc(want);
		t->cell_cap = want;
	}
	t->cell_mask = want - 1;
	memset(t->cell, 0, want);
}

void places_room(struct text_stats *t, int64_t n)
{
	if ((size_t)n <= t->place_cap)
		return;
	t->place_cap = (size_t)n + (size_t)n / 8 + 64;
	t->key = mem_grow(t->key, t->place_cap, sizeof(*t->key));
	t->at = mem_grow(t->at, t->place_cap, sizeof(*t->at));
	t->pick = mem_grow(t->pick, t->place_cap, sizeof(*t->pick));
	t->count = mem_grow(t->count, t->place_cap, sizeof(*t->count));
}

void places_release(struct text_stats *t)
{
	mem_free(t->cell);
	mem_free(t->key);
	mem_free(t->at);
	mem_free(t->pick);
	mem_free(t->count);
	t->cell = NULL;
	t->key = NULL;
	t->at = t->pick = NULL;
	t->count = NULL;
	t->cell_cap = 0;
	t->place_cap = 0;
}
