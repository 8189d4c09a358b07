/* rng.c - Philox4x32-10, see rng.h. */
#include "base/rng.h"

#include <math.h>

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

void rng_philox(uint64_t key, uint64_t hi, uint64_t lo, uint32_t out[4])
{
	uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
	uint32_t c0 = (uint32_t)lo, c1 = (uint32_t)(lo >> 32), c2 = (uint32_t)hi, c3 = (uint32_t)(hi >> 32);
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c1 = (uint32_t)p1;
		c3 = (uint32_t)p0;
		c0 = n0;
		c2 = n2;
		k0 += PHILOX_W0;
		k1 += PHILOX_W1;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

struct rng rng_open(uint64_t seed, uint64_t stream)
{
	return (struct rng){.seed = seed, .stream = stream};
}

uint32_t rng_u32(struct rng *r)
{
	if (r->left == 0) {
		rng_philox(r->seed, r->stream, r->counter++, r->out);
		r->left = 4;
	}
	return r->out[4 - r->left--];
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t lo = rng_u32(r);
	return lo | (uint64_t)rng_u32(r) << 32;
}

double rng_double(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

/* Lemire's multiply-and-reject (ACM TOMACS 29(1), 2019). */
uint64_t rng_below(struct rng *r, uint64_t n)
{
	unsigned __int128 m = (unsigned __int128)rng_u64(r) * n;
	if ((uint64_t)m < n) {
		uint64_t reject_below = -n % n;
		while ((uint64_t)m < reject_below)
			m = (unsigned __int128)rng_u64(r) * n;
	}
	return (uint64_t)(m >> 64);
}

double rng_normal(struct rng *r)
{
	double u = 1.0 - rng_double(r), v = rng_double(r); /* u in (0, 1] */
	return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}
