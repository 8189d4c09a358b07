/* seen.c - open addressing with linear probing; see seen.h.
 *
 * A slot's place is the upper bits of its hash, so that a table that doubles is filled from one end to the other. */
#include "text/seen.h"

#include "base/hash.h"
#include "base/mem.h"

#define LOG_MIN 8
#define AGAIN (1ull << 32)

struct slot {
	uint64_t key;
	uint64_t more;               /* 31 bits of it, whether it came again, and its first row + 1; 0: empty */
};

struct seen {
	struct hash_salt salt;
	struct slot *slots;
	int log;                     /* of their number; 0: none yet */
	size_t memory;
	struct seen_stats stats;
};

struct seen *seen_open(size_t memory)
{
	struct seen *s = mem_zalloc(sizeof(*s));
	hash_salt_make(&s->salt);
	s->memory = memory;
	return s;
}

void seen_close(struct seen *s)
{
	if (!s)
		return;
	mem_free(s->slots);
	mem_free(s);
}

static uint64_t place(const struct seen *s, uint64_t key, uint64_t more)
{
	return hash_salted(&s->salt, key, more >> 33) >> (64 - s->log);
}

/* Where the key is, or the empty slot where it goes. */
static struct slot *find(struct seen *s, uint64_t key, uint64_t more)
{
	uint64_t at = place(s, key, more), last = (1ull << s->log) - 1;
	for (; s->slots[at].more && (s->slots[at].key != key || (s->slots[at].more ^ more) >> 33); at = (at + 1) & last)
		s->stats.steps++;
	return &s->slots[at];
}

static bool grow(struct seen *s, int log)
{
	uint64_t before = s->log ? 1ull << s->log : 0, steps = s->stats.steps;
	struct slot *old = s->slots;
	if (log > 58 || ((1ull << log) + before) * sizeof(*old) > s->memory)
		return false;
	struct slot *bigger = mem_try(sizeof(*old) << log);
	if (!bigger)
		return false;
	memset(bigger, 0, sizeof(*old) << log);
	s->slots = bigger;
	s->log = log;
	for (uint64_t i = 0; i < before; i++)
		if (old[i].more)
			*find(s, old[i].key, old[i].more) = old[i];
	s->stats.steps = steps;
	mem_free(old);
	return true;
}

bool seen_room(struct seen *s, uint64_t n)
{
	int log = s->log ? s->log : LOG_MIN;
	while (log < 60 && s->stats.keys + n > (3ull << log) / 4)
		log++;
	return log == s->log || grow(s, log);
}

uint32_t seen_meet(struct seen *s, const uint64_t key[2], uint32_t row)
{
	uint64_t more = (key[0] & 0xfffffffeull) << 32 | (row + 1ull);
	struct slot *slot = find(s, key[1], more);
	if (!slot->more) {
		*slot = (struct slot){key[1], more};
		s->stats.keys++;
		return row;
	}
	s->stats.repeated += !(slot->more & AGAIN);
	slot->more |= AGAIN;
	return (uint32_t)slot->more - 1;
}

void seen_prefetch(const struct seen *s, const uint64_t key[2])
{
	__builtin_prefetch(&s->slots[place(s, key[1], (key[0] & 0xfffffffeull) << 32)], 1);
}

bool seen_next(const struct seen *s, uint64_t *at, uint64_t record[2], bool *again)
{
	uint64_t n = s->log ? 1ull << s->log : 0;
	while (*at < n && !s->slots[*at].more)
		++*at;
	if (*at == n)
		return false;
	const struct slot *slot = &s->slots[(*at)++];
	record[0] = slot->key;
	record[1] = (slot->more | AGAIN) - 1;
	*again = slot->more & AGAIN;
	return true;
}

struct seen_stats seen_stats(const struct seen *s)
{
	struct seen_stats stats = s->stats;
	stats.slots = s->log ? 1ull << s->log : 0;
	return stats;
}
