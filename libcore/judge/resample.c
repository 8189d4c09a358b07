#include "judge/resample.h"

/* --- SeedSequence: entropy words are hashed into a pool of four, the pool into the state ----------------------- */

static uint32_t hash_in(uint32_t value, uint32_t *constant)
{
	value ^= *constant;
	*constant *= 0x931e8875u;
	value *= *constant;
	return value ^ value >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y)
{
	uint32_t r = 0xca01f9ddu * x - 0x4973f715u * y;
	return r ^ r >> 16;
}

static void seed_words(uint64_t seed, uint64_t out[4])
{
	uint32_t pool[4], constant = 0x43b0d7e5u, words[8];
	for (int i = 0; i < 4; i++)
		pool[i] = hash_in(i == 0 ? (uint32_t)seed : i == 1 ? (uint32_t)(seed >> 32) : 0, &constant);
	for (int from = 0; from < 4; from++)
		for (int to = 0; to < 4; to++)
			if (from != to)
				pool[to] = mix(pool[to], hash_in(pool[from], &constant));
	constant = 0x8b51f9ddu;
	for (int i = 0; i < 8; i++) {
		uint32_t w = pool[i & 3] ^ constant;
		constant *= 0x58f38dedu;
		w *= constant;
		words[i] = w ^ w >> 16;
	}
	for (int i = 0; i < 4; i++)
		out[i] = words[2 * i] | (uint64_t)words[2 * i + 1] << 32;
}

/* --- PCG64 -------------------------------------------------------------------------------------------------------- */

static void step(struct resample *r)
{
	const unsigned __int128 multiplier = (unsigned __int128)2549297995355413924u << 64 | 4865540595714422341u;
	r->state = r->state * multiplier + r->increment;
}

struct resample resample_open(uint64_t seed)
{
	uint64_t w[4];
	struct resample r = { 0 };
	seed_words(seed, w);
	r.increment = ((unsigned __int128)w[2] << 64 | w[3]) << 1 | 1;
	step(&r);
	r.state += (unsigned __int128)w[0] << 64 | w[1];
	step(&r);
	return r;
}

uint64_t resample_u64(struct resample *r)
{
	step(r);
	uint64_t x = (uint64_t)(r->state >> 64) ^ (uint64_t)r->state;
	int turn = (int)(r->state >> 122);
	return x >> turn | x << (-turn & 63);
}

static uint32_t u32(struct resample *r)
{
	if (r->has_half) {
		r->has_half = false;
		return r->half;
	}
	uint64_t x = resample_u64(r);
	r->half = (uint32_t)(x >> 32);
	r->has_half = true;
	return (uint32_t)x;
}

uint32_t resample_below(struct resample *r, uint32_t n)
{
	if (n == 1)
		return 0;
	uint64_t m = (uint64_t)u32(r) * n;
	if ((uint32_t)m < n) {
		uint32_t threshold = -n % n;
		while ((uint32_t)m < threshold)
			m = (uint64_t)u32(r) * n;
	}
	return (uint32_t)(m >> 32);
}

bool resample_bool(struct resample *r)
{
	if (r->n_bits == 0) {
		r->bits = u32(r);
		r->n_bits = 32;
	} else {
		r->bits >>= 1;
	}
	r->n_bits--;
	return r->bits & 1;
}
