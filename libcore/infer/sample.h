/* sample.h - from logits to the next token.
 *
 * The order is that of transformers' generate: repetition penalty, temperature, top-k, top-p, min-p, draw. Random
 * numbers are a function of (seed, stream, position) alone, where the stream is the row and sample, so neither batch
 * size, nor thread count, nor the order of rows changes a sample. Besides the token comes its log-probability under
 * the model's own distribution: temperature 1, no penalty, no filter. */
#ifndef QUERN_INFER_SAMPLE_H
#define QUERN_INFER_SAMPLE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct sample_options {
	double temperature;          /* 0 = greedy: the highest score, the lowest id among equals */
	int64_t top_k;               /* 0 = off; scores equal to the k-th stay, as in transformers */
	double top_p;                /* 1 = off; the token that crosses the mass stays */
	double min_p;                /* 0 = off; relative to the most probable token */
	double repetition_penalty;   /* 1 = off; over prompt and completion (Keskar et al. 2019, CTRL) */
};

/* Scratch for one thread. o is copied. */
struct sampler;
struct sampler *sampler_open(const struct sample_options *o, int vocab);
void sampler_close(struct sampler *s);                        /* NULL allowed */

/* Picks a token from logits[vocab] with the uniform number u in [0, 1). seen[n_seen] are the ids so far (for the
 * penalty; others are ignored). ERR_DATA if the logits are not a distribution (NaN, +inf, all -inf). */
enum status sampler_pick(struct sampler *s, const float *logits, const int32_t *seen, int64_t n_seen, double u,
			 int32_t *id, double *logprob, struct error *err);

/* Uniform in [0, 1), 53 bits, of Philox(seed, stream, position). */
double sample_uniform(uint64_t seed, uint64_t stream, uint64_t position);
/* Stream of one sample of a row: hash of its id. */
uint64_t sample_stream(const char *id, size_t id_n, int64_t sample);

#endif
