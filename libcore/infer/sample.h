/* sample.h - from logits to the next token.
 *
 * The order is that of transformers' generate: bias, repetition penalty, frequency and presence penalty (as vLLM and OpenAI's
 * interface define them), temperature, top-k, top-p, min-p, typical, draw. Random
 * numbers are a function of (seed, stream, position) alone, where the stream is the row and sample, so neither batch
 * size, nor thread count, nor the order of rows changes a sample. Besides the token comes its log-probability under
 * the model's own distribution: temperature 1, no penalty, no filter. */
#ifndef QUERN_INFER_SAMPLE_H
#define QUERN_INFER_SAMPLE_H

#include "kernels.h"

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

/* Draws for up to `slots` sequences at once, where the model computes: kernels.h's sample does it. o is copied. */
struct sampler;
enum status sampler_open(struct sampler **s, const struct sample_options *o, const struct kernels *k, struct pool *pool, int slots, int vocab,
			 struct error *err);
void sampler_close(struct sampler *s);                        /* NULL allowed */
/* Slot has a sequence ids[n] from now on, the first n_prompt of them the prompt's (for the penalties; ids outside the vocabulary are
 * ignored). What is drawn for it later counts by itself. */
void sampler_begin(struct sampler *s, int slot, const int32_t *ids, int64_t n_prompt, int64_t n);
/* Asks for the next token of n sequences, no slot twice: row i of logits[n, vocab] (device) and the uniform number u[i] are slot[i]'s. */
void sampler_draw(struct sampler *s, const float *logits, const int32_t *slot, const uint64_t *u, int64_t n);
/* Device: what was drawn last, by slot. */
const int32_t *sampler_said(const struct sampler *s);
/* What the last sampler_draw gave, by slot, once it is there; other work may have been asked for since, but no draw. *id and *logprob
 * are the sampler's until the next call. */
enum status sampler_take(struct sampler *s, const int32_t **id, const float **logprob, struct error *err);
/* ERR_DATA if such a log-probability means that the logits were no distribution (NaN, +inf, all -inf), or that the bias left no token. */
enum status sampler_check(float logprob, struct error *err);

/* For beam search, on the host: log-probabilities out[vocab] of the model's logits, whose sum the device gave (kernels.h), with bias and
 * penalties of the options on them, in the manner of transformers' beam search. seen[vocab]: scratch, zeros before and after. ERR_DATA
 * as sampler_check. */
enum status sample_logprobs(const struct sample_options *o, const float *logits, struct logits_sum sum, int vocab, const int32_t *ids,
			    int64_t n_prompt, int64_t n, uint32_t *seen, float *out, struct error *err);

/* Uniform below 2^53, of Philox(seed, stream, position). */
uint64_t sample_uniform(uint64_t seed, uint64_t stream, uint64_t position);
/* Stream of one sample of a row: hash of its id. */
uint64_t sample_stream(const char *id, size_t id_n, int64_t sample);

#endif
