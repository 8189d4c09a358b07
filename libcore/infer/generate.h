/* generate.h - many completions at once: continuous batching over a KV cache in pages.
 *
 * Prompts come from a callback and results go to another, in order (prompt after prompt, its samples one after
 * the other), however the sequences finish. Each step feeds every running sequence one token, and prompts that have
 * just been admitted a chunk of theirs; a finished sequence makes room for the next. What a prompt has in common with
 * one that is in the cache or on its way there (other samples of it, a system prompt) is computed and held once. A row of
 * a call does not depend on the others, and random numbers depend on the row's id, so a sample does not depend on slots,
 * threads, neighbours, or the memory for pages (lanes.h). Memory is bounded: those pages,
 * and the sequences in flight or waiting for their turn to be written: a few for each slot, and beyond that as many as have some
 * millions of tokens.
 *
 * On a device the next step is asked for before the tokens of the last one are looked at: it takes their ids where they were drawn, and
 * stop strings, text and journal are the host's work meanwhile. */
#ifndef QUERN_INFER_GENERATE_H
#define QUERN_INFER_GENERATE_H

#include "infer/sample.h"
#include "model/model.h"
#include "token/tokenizer.h"

enum generate_finish {
	FINISH_EOS,                  /* the model said its end-of-sequence token, or <|endoftext|> */
	FINISH_STOP,                 /* a stop string appeared */
	FINISH_LENGTH                /* max_new_tokens, or the end of the context */
};
const char *generate_finish_name(enum generate_finish f);      /* "eos", "stop", "length" */

struct generate_options {
	struct sample_options sample;
	int64_t n;                   /* samples per prompt */
	int64_t best_of;             /* 0 = off; so many are drawn, and the n of the highest log-probability per token kept */
	int64_t max_new_tokens;
	int64_t beams;               /* above 1: beam search of so many, of which the n best are results; sampling's filters are off */
	double length_penalty;       /* beams: a hypothesis counts its log-probability over its length to this power */
	bool early_stopping;         /* beams: end with the beams-th hypothesis that is complete */
	int64_t slots;               /* sequences that run at once */
	int64_t context;             /* most tokens of prompt and completion together; 0 = generate_context() */
	size_t kv_memory;            /* bytes for keys and values; 0 = three quarters of what the device has left */
	uint64_t seed;
	const char *const *stops;    /* stop strings, none empty */
	int n_stops;
};

struct generate_prompt {
	const int32_t *ids;          /* [n], valid until the next call of next() */
	int64_t n;                   /* 1 … context - 1 */
	uint64_t stream[2];          /* random stream: of sample k it is sample_stream of these bytes and k */
	void *user;
};

struct generate_result {
	void *user;                  /* the prompt's */
	int64_t sample;              /* from 0; with best_of the rank */
	bool last;                   /* the prompt's last sample: user is not mentioned again */
	const int32_t *ids;          /* [n] what was sampled, with the end token or the stop string's tokens */
	int64_t n;
	double logprob;              /* sum over ids under the model at temperature 1, unfiltered */
	enum generate_finish finish;
};

struct generate_io {
	enum status (*next)(void *arg, struct generate_prompt *p, struct error *err);    /* END after the last */
	enum status (*done)(void *arg, const struct generate_result *r, struct error *err);
	void *arg;
};

struct generate_totals {
	int64_t prompts, prompt_tokens, sequences, new_tokens, steps;
	int64_t shared_tokens;       /* of prompts, not computed but shared */
	int64_t preemptions, recomputed_tokens;      /* sequences that gave up their pages, and what was computed again for them */
	struct model_cache_use kv;   /* at the end */
};

/* min(the model's positions, 4096) */
int64_t generate_context(const struct model *m);
/* ERR_USAGE for an empty stop string, a context that the model does not have, best_of below n, beams
 * that do not go together with it or with n. */
enum status generate_check(const struct model *m, const struct generate_options *o, struct error *err);
/* Runs until next() has ended and every result is delivered. On an error prompts in flight are not reported. */
enum status generate_run(struct model *m, const struct tokenizer *t, const struct generate_options *o,
			 const struct generate_io *io, struct generate_totals *totals, struct error *err);
/* Appends the text of a result: special tokens left out, cut before the first stop string if that ended it. */
void generate_text(const struct tokenizer *t, const struct generate_options *o, const struct generate_result *r,
		   struct buf *out);

#endif
