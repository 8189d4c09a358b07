/* pyrandom.c - see pyrandom.h. */
#include "judge/pyrandom.h"

#include "base/mem.h"

#include <math.h>

#define N 624
#define M 397

static void init_plain(struct pyrandom *r, uint32_t seed)
{
	r->state[0] = seed;
	for (uint32_t i = 1; i < N; i++)
		r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
	r->at = N;
}

/* init_by_array with the 32-bit digits of the seed. */
struct pyrandom pyrandom_open(uint64_t seed)
{
	struct pyrandom r;
	uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) }, digits = key[1] ? 2 : 1, i = 1, j = 0;

	init_plain(&r, 19650218u);
	for (int k = N; k > 0; k--) {
		r.state[i] = (r.state[i] ^ (r.state[i - 1] ^ r.state[i - 1] >> 30) * 1664525u) + key[j] + j;
		if (++i == N)
			r.state[0] = r.state[N - 1], i = 1;
		j = (j + 1) % digits;
	}
	for (int k = N - 1; k > 0; k--) {
		r.state[i] = (r.state[i] ^ (r.state[i - 1] ^ r.state[i - 1] >> 30) * 1566083941u) - i;
		if (++i == N)
			r.state[0] = r.state[N - 1], i = 1;
	}
	r.state[0] = 0x80000000u;
	return r;
}

static void refill(struct pyrandom *r)
{
	for (int i = 0; i < N; i++) {
		uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % N] & 0x7fffffffu);

		r->state[i] = r->state[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
	}
	r->at = 0;
}

uint32_t pyrandom_u32(struct pyrandom *r)
{
	uint32_t y;

	if (r->at == N)
		refill(r);
	y = r->state[r->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

double pyrandom_real(struct pyrandom *r)
{
	uint32_t a = pyrandom_u32(r) >> 5, b = pyrandom_u32(r) >> 6;

	return (a * 67108864.0 + b) / 9007199254740992.0;
}

uint32_t pyrandom_below(struct pyrandom *r, uint32_t n)
{
	int bits = 32 - __builtin_clz(n);
	uint32_t v;

	do
		v = pyrandom_u32(r) >> (32 - bits);
	while (v >= n);
	return v;
}

/* Whether v stands among the first k of out; k is small where this is asked. */
static bool among(const uint32_t *out, uint32_t k, uint32_t v)
{
	for (uint32_t i = 0; i < k; i++)
		if (out[i] == v)
			return true;
	return false;
}

void pyrandom_sample(struct pyrandom *r, uint32_t n, uint32_t k, uint32_t *out)
{
	double set_size = 21;
	uint32_t *pool;

	if (k > 5)
		set_size += pow(4, ceil(log(k * 3.0) / log(4)));
	if (n > set_size) {          /* few of many: draw until it is another */
		for (uint32_t i = 0; i < k; i++)
			do
				out[i] = pyrandom_below(r, n);
			while (among(out, i, out[i]));
		return;
	}
	pool = mem_array(n, sizeof(*pool));
	for (uint32_t i = 0; i < n; i++)
		pool[i] = i;
	for (uint32_t i = 0; i < k; i++) {
		uint32_t j = pyrandom_below(r, n - i);

		out[i] = pool[j];
		pool[j] = pool[n - i - 1];
	}
	mem_free(pool);
}
