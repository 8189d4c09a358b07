/* rng.h - counter-based random numbers: the value depends on (seed, stream, counter) alone, so
 * threads, batches and resumed runs draw the same numbers. Philox4x32-10 (Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC'11). */
#ifndef QUERN_BASE_RNG_H
#define QUERN_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t seed, stream, counter;
	uint32_t out[4];
	int left;                    /* words of out not used yet */
};

/* The block function itself: 128 bits for a key and a 128-bit counter. */
void rng_philox(uint64_t key, uint64_t hi, uint64_t lo, uint32_t out[4]);

struct rng rng_open(uint64_t seed, uint64_t stream);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
double rng_double(struct rng *r);                  /* uniform in [0, 1), 53 bits */
uint64_t rng_below(struct rng *r, uint64_t n);     /* uniform in [0, n), n > 0, unbiased */
double rng_normal(struct rng *r);                  /* standard normal, Box-Muller */

#endif
