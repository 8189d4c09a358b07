/* pyrandom.h - Python's random.Random: the same numbers for the same seed, so that few-shot examples and bootstrap samples are those of
 * programs written in Python. MT19937 (Matsumoto & Nishimura 1998), seeded as CPython seeds it with an int. */
#ifndef QUERN_JUDGE_PYRANDOM_H
#define QUERN_JUDGE_PYRANDOM_H

#include <stdint.h>

struct pyrandom {
	uint32_t state[624];
	int at;
};
struct pyrandom pyrandom_open(uint64_t seed);
uint32_t pyrandom_u32(struct pyrandom *r);
/* random(): in [0, 1), 53 bits. */
double pyrandom_real(struct pyrandom *r);
/* randrange(n), n from 1 to 2^32 - 1. */
uint32_t pyrandom_below(struct pyrandom *r, uint32_t n);
/* sample(range(n), k): out[k] distinct places, k <= n. */
void pyrandom_sample(struct pyrandom *r, uint32_t n, uint32_t k, uint32_t *out);

#endif
