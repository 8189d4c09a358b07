#include "token/strmap.h"

#include "base/hash.h"
#include "base/mem.h"

static struct strmap_slot *find(const struct strmap *m, uint64_t hash, const char *key, size_t len)
{
	size_t i = hash & m->mask;

	while (m->slots[i].key && (m->slots[i].len != len || memcmp(m->slots[i].key, key, len)))
		i = (i + 1) & m->mask;
	return &m->slots[i];
}

static void resize(struct strmap *m, size_t cap)
{
	struct strmap old = *m;

	m->slots = mem_array(cap, sizeof(*m->slots));
	m->mask = cap - 1;
	for (size_t i = 0; old.slots && i <= old.mask; i++)
		if (old.slots[i].key)
			*find(m, hash64(old.slots[i].key, old.slots[i].len), old.slots[i].key, old.slots[i].len) = old.slots[i];
	mem_free(old.slots);
}

void strmap_reserve(struct strmap *m, size_t n)
{
	size_t cap = 1024;

	while (cap < 2 * n)
		cap *= 2;
	if (!m->slots || cap > m->mask + 1)
		resize(m, cap);
}

void strmap_put(struct strmap *m, const char *key, size_t len, int32_t value)
{
	struct strmap_slot *s;

	if (!m->slots || m->n * 2 > m->mask)
		resize(m, m->slots ? (m->mask + 1) * 2 : 1024);
	s = find(m, hash64(key, len), key, len);
	if (!s->key)
		m->n++;
	*s = (struct strmap_slot){.key = key, .len = (uint32_t)len, .value = value};
}

uint64_t strmap_ask(const struct strmap *m, const char *key, size_t len)
{
	uint64_t hash = hash64(key, len);

	if (m->slots)
		__builtin_prefetch(&m->slots[hash & m->mask]);
	return hash;
}

int32_t strmap_find(const struct strmap *m, uint64_t hash, const char *key, size_t len)
{
	const struct strmap_slot *s;

	if (!m->slots)
		return -1;
	s = find(m, hash, key, len);
	return s->key ? s->value : -1;
}

int32_t strmap_get(const struct strmap *m, const char *key, size_t len)
{
	return strmap_find(m, hash64(key, len), key, len);
}

void strmap_release(struct strmap *m)
{
	mem_free(m->slots);
	*m = (struct strmap){0};
}
