/* hash.h - XXH3, as the stream's checksums, the row splits and the tables use it. */
#ifndef QUERN_BASE_HASH_H
#define QUERN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *p, size_t n);                   /* XXH3-64, seed 0 */
uint64_t hash64_seed(const void *p, size_t n, uint64_t seed);
void hash128(const void *p, size_t n, uint64_t out[2]);     /* XXH3-128: low, high */
void hash128_seed(const void *p, size_t n, uint64_t seed, uint64_t out[2]);
void hash128_hex(const void *p, size_t n, char out[33]);    /* XXH3-128, canonical (big-endian) hex */

/* For places in hash tables: keys that come of what others wrote, by a secret of this process, so that nobody can write what crowds one
 * place. Changed high bits and changed low bits of a and b change all bits of the result. */
struct hash_salt { uint64_t a, b; };
void hash_salt_make(struct hash_salt *s);                   /* from the system's random numbers */
static inline uint64_t hash_salted(const struct hash_salt *s, uint64_t a, uint64_t b)
{
	unsigned __int128 x = (unsigned __int128)(a ^ s->a) * (b ^ s->b);
	x = (unsigned __int128)((uint64_t)x ^ (uint64_t)(x >> 64) ^ s->a) * 0x9e3779b97f4a7c15u;
	return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* Running XXH3-128 over bytes as they pass (an input's identity in the provenance). */
struct hasher;
struct hasher *hasher_open(void);
void hasher_add(struct hasher *h, const void *p, size_t n);
void hasher_hex(const struct hasher *h, char out[33]);
uint64_t hasher_64(const struct hasher *h);                 /* XXH3-64 of the same bytes */
void hasher_close(struct hasher *h);

#endif
