/* resample.h - the random numbers of numpy's default_rng, as far as resampling needs them, so that confidence intervals and p-values are
 * those that sacrebleu prints for the same seed.
 *
 * PCG64 (O'Neill 2014: PCG XSL RR 128/64) seeded by numpy's SeedSequence; bounded numbers by Lemire's method (2019) on halves of
 * 64 bits; truth values from the bits of such a half, lowest first. */
#ifndef QUERN_JUDGE_RESAMPLE_H
#define QUERN_JUDGE_RESAMPLE_H

#include <stdbool.h>
#include <stdint.h>

struct resample {
	unsigned __int128 state, increment;
	uint32_t half, bits;
	bool has_half;
	int n_bits;
};
struct resample resample_open(uint64_t seed);
uint64_t resample_u64(struct resample *r);
uint32_t resample_below(struct resample *r, uint32_t n);     /* uniform in [0, n), n > 0: rng.choice(n) */
bool resample_bool(struct resample *r);                      /* rng.integers(2, dtype=bool) */

#endif
