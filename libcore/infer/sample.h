/* sample.h - from logits to the next token.
 *
 * The order is that of transformers' generate: bias, repetition penalty, frequency and presence penalty (as vLLM and OpenAI's
 * interface define them), temperature, top-k, top-p, min-p, typical, draw. Random
 * numbers are a function of (seed, stream, position) alone, where the stream is the row and sample, so neither batch
 * size, nor thread count, nor the order of rows changes a sample. Besides the token comes its log-probability under
 * the model's own distribution: temperature 1, no penalty, no filter. */
#ifndef QUERN_INFER_SAMPLE_H
#define QUERN_INFER_SAMPLE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct logit_bias {
	int32_t id;
	float bias;                  /* added to the logit; -INFINITY bans the token */
};

struct sample_options {
	double temperature;          /* 0 = greedy: the highest score, the lowest id among equals */
	int64_t top_k;               /* 0 = off; scores equal to the k-th stay, as in transformers */
	double top_p;                /* 1 = off; the token that crosses the mass stays */
	double min_p;                /* 0 = off; relative to the most probable token */
	double repetition_penalty;   /* 1 = off; over prompt and completion (Keskar et al. 2019, CTRL) */
	double frequency_penalty;    /* subtracted once for each time that the completion has said the token */
	double presence_penalty;     /* subtracted if the completion has said the token at all */
	double typical_p;            /* 0 and 1 = off; mass of the tokens nearest to the expected surprise (Meister et al. 2023) */
	const struct logit_bias *bias;       /* [n_bias], outlives the sampler */
	int n_bias;
};

/* Scratch for one thread. o is copied. */
struct sampler;
struct sampler *sampler_open(const struct sample_options *o, int vocab);
void sampler_close(struct sampler *s);                        /* NULL allowed */

/* Picks a token from logits[vocab] with the uniform number u in [0, 1). seen[n_seen] are the ids so far, the first
 * n_prompt of them the prompt's (for the penalties; ids outside the vocabulary are ignored). ERR_DATA if the logits are not a distribution (NaN, +inf, all -inf),
 * or the bias leaves none. */
enum status sampler_pick(struct sampler *s, const float *logits, const int32_t *seen, int64_t n_prompt, int64_t n_seen,
			 double u, int32_t *id, double *logprob, struct error *err);

/* Log-probabilities out[vocab] of the model's logits, with bias and penalties of the options on them, in the manner of transformers'
 * beam search; *total the log of the logits' sum of exponentials, so that logits[i] - *total is the model's own. ERR_DATA as above. */
enum status sampler_logprobs(struct sampler *s, const float *logits, const int32_t *seen, int64_t n_prompt, int64_t n_seen,
			     float *out, double *total, struct error *err);

/* Uniform in [0, 1), 53 bits, of Philox(seed, stream, position). */
double sample_uniform(uint64_t seed, uint64_t stream, uint64_t position);
/* Stream of one sample of a row: hash of its id. */
uint64_t sample_stream(const char *id, size_t id_n, int64_t sample);

#endif
