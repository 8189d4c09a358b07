/* hash.c - XXH3 by libxxhash, on x86 by its functions that choose the instruction set at run time. */
#include "base/hash.h"
#include "base/mem.h"

#ifdef __x86_64__
#include <xxh_x86dispatch.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#include <stdio.h>
#include <sys/random.h>

void hash_salt_make(struct hash_salt *s)
{
	if (getrandom(s, sizeof(*s), 0) != sizeof(*s))
		*s = (struct hash_salt){(uintptr_t)s * 0x9e3779b97f4a7c15u, (uintptr_t)&hash_salt_make * 0xd6e8feb86659fd93u};
}

uint64_t hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

uint64_t hash64_seed(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}

static void hex128(XXH128_hash_t h, char out[33])
{
	snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

void hash128(const void *p, size_t n, uint64_t out[2])
{
	XXH128_hash_t h = XXH3_128bits(p, n);
	out[0] = h.low64;
	out[1] = h.high64;
}

void hash128_seed(const void *p, size_t n, uint64_t seed, uint64_t out[2])
{
	XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);
	out[0] = h.low64;
	out[1] = h.high64;
}

void hash128_hex(const void *p, size_t n, char out[33])
{
	hex128(XXH3_128bits(p, n), out);
}

struct hasher {
	XXH3_state_t *state;
};

struct hasher *hasher_open(void)
{
	struct hasher *h = mem_alloc(sizeof(*h));
	h->state = XXH3_createState();
	if (!h->state)
		h->state = mem_alloc(SIZE_MAX / 2); /* reports and ends, as mem.h says */
	XXH3_128bits_reset(h->state);
	return h;
}

void hasher_add(struct hasher *h, const void *p, size_t n)
{
	if (n)
		XXH3_128bits_update(h->state, p, n);
}

void hasher_hex(const struct hasher *h, char out[33])
{
	hex128(XXH3_128bits_digest(h->state), out);
}

uint64_t hasher_64(const struct hasher *h)
{
	return XXH3_64bits_digest(h->state); /* both widths keep the same state */
}

void hasher_close(struct hasher *h)
{
	if (!h)
		return;
	XXH3_freeState(h->state);
	mem_free(h);
}
