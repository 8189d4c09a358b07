#include "infer/sample.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "choice.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct sampler {
	const struct kernels *k;
	struct pool *pool;
	int slots, vocab;
	struct sample_rule rule;
	void *arena;                 /* device: */
	float *logp;                 /* [slots], and behind them the ids: one download */
	int32_t *id;
	uint64_t *u;                 /* [slots], and behind them the slots of a call's rows: one upload */
	int32_t *slot;
	uint32_t *seen;              /* [slots, vocab]; NULL: no penalties */
	float *bias;
	void *scratch;
	char *taken, *given;         /* host: as logp and id, as u and slot */
	uint32_t *counts;            /* host, [vocab]: to begin with */
};

static bool penalises(const struct sample_options *o)
{
	return o->repetition_penalty != 1 || o->frequency_penalty != 0 || o->presence_penalty != 0;
}

static size_t take(size_t *used, size_t bytes)
{
	size_t at = *used;

	*used += (bytes + 63) / 64 * 64;
	return at;
}

static size_t result_bytes(const struct sampler *s) { return (size_t)s->slots * (sizeof(float) + sizeof(int32_t)); }

static size_t given_bytes(const struct sampler *s) { return (size_t)s->slots * (sizeof(uint64_t) + sizeof(int32_t)); }

/* Places in the arena; how many bytes it has. */
static size_t lay_out(struct sampler *s, const struct sample_options *o)
{
	size_t slots = (size_t)s->slots, vocab = (size_t)s->vocab, used = 0;
	char *at = s->arena;

	s->logp = (float *)(void *)(at + take(&used, result_bytes(s)));
	s->id = (int32_t *)(void *)(s->logp + slots);
	s->u = (uint64_t *)(void *)(at + take(&used, given_bytes(s)));
	s->slot = (int32_t *)(void *)(s->u + slots);
	if (o->n_bias)
		s->bias = (float *)(void *)(at + take(&used, vocab * sizeof(*s->bias)));
	if (penalises(o))
		s->seen = (uint32_t *)(void *)(at + take(&used, slots * vocab * sizeof(*s->seen)));
	s->scratch = at + take(&used, s->k->sample_scratch(s->pool, s->slots, s->vocab));
	return used;
}

static void upload_bias(struct sampler *s, const struct sample_options *o)
{
	float *bias = mem_array((size_t)s->vocab, sizeof(*bias));

	for (int i = 0; i < o->n_bias; i++)
		if (o->bias[i].id >= 0 && o->bias[i].id < s->vocab)
			bias[o->bias[i].id] += o->bias[i].bias;
	s->k->upload(s->bias, bias, (size_t)s->vocab * sizeof(*bias));
	mem_free(bias);
}

enum status sampler_open(struct sampler **out, const struct sample_options *o, const struct kernels *k, struct pool *pool, int slots, int vocab,
			 struct error *err)
{
	struct sampler *s = mem_zalloc(sizeof(*s));
	size_t bytes;

	*s = (struct sampler){ .k = k, .pool = pool, .slots = slots, .vocab = vocab };
	*out = s;
	bytes = lay_out(s, o);
	s->arena = k->alloc(pool, bytes);
	if (!s->arena)
		return error_set(err, ERR_MEMORY, "no memory for drawing the tokens of %d sequences (%zu MB): lower --batch", slots, bytes >> 20);
	lay_out(s, o);
	s->taken = mem_array(1, result_bytes(s));
	s->given = mem_array(1, given_bytes(s));
	s->counts = mem_array((size_t)vocab, sizeof(*s->counts));
	if (s->bias)
		upload_bias(s, o);
	s->rule = (struct sample_rule){
		.temperature = o->temperature, .top_p = o->top_p, .min_p = o->min_p, .typical_p = o->typical_p, .top_k = o->top_k,
		.repetition = o->repetition_penalty, .frequency = o->frequency_penalty, .presence = o->presence_penalty, .bias = s->bias,
	};
	return OK;
}

void sampler_close(struct sampler *s)
{
	if (!s)
		return;
	if (s->arena)
		s->k->release(s->arena);
	mem_free(s->taken);
	mem_free(s->given);
	mem_free(s->counts);
	mem_free(s);
}

/* What was seen of each token, as the kernels have it; clear: zeros again. */
static void count_tokens(uint32_t *seen, int vocab, const int32_t *ids, int64_t n_prompt, int64_t n, bool clear)
{
	for (int64_t i = 0; i < n; i++) {
		if (ids[i] < 0 || ids[i] >= vocab)
			continue;
		if (clear)
			seen[ids[i]] = 0;
		else if (i < n_prompt)
			seen[ids[i]] |= SAMPLE_PROMPT;
		else
			seen[ids[i]]++;
	}
}

void sampler_begin(struct sampler *s, int slot, const int32_t *ids, int64_t n_prompt, int64_t n)
{
	if (!s->seen)
		return;
	count_tokens(s->counts, s->vocab, ids, n_prompt, n, false);
	s->k->upload(s->seen + (size_t)slot * (size_t)s->vocab, s->counts, (size_t)s->vocab * sizeof(*s->counts));
	count_tokens(s->counts, s->vocab, ids, n_prompt, n, true);
}

void sampler_draw(struct sampler *s, const float *logits, const int32_t *slot, const uint64_t *u, int64_t n)
{
	memcpy(s->given, u, (size_t)n * sizeof(*u));
	memcpy(s->given + (size_t)s->slots * sizeof(*u), slot, (size_t)n * sizeof(*slot));
	s->k->upload(s->u, s->given, (size_t)s->slots * sizeof(*u) + (size_t)n * sizeof(*slot));
	s->k->sample(s->pool, s->id, s->logp, logits, &s->rule, (struct sample_rows){ s->slot, s->u, s->seen }, s->scratch, n, s->vocab);
	s->k->mark();
}

const int32_t *sampler_said(const struct sampler *s) { return s->id; }

enum status sampler_take(struct sampler *s, const int32_t **id, const float **logprob, struct error *err)
{
	s->k->download_marked(s->taken, s->logp, result_bytes(s));
	*logprob = (const float *)(const void *)s->taken;
	*id = (const int32_t *)(const void *)(*logprob + s->slots);
	return s->k->failed(err);
}

static enum status no_distribution(struct error *err) { return error_set(err, ERR_DATA, "the model's logits are not finite"); }
static enum status no_token(struct error *err) { return error_set(err, ERR_DATA, "the bias leaves no token to say"); }

enum status sampler_check(float logprob, struct error *err)
{
	return isnan(logprob) ? no_distribution(err) : logprob == -INFINITY ? no_token(err) : OK;
}

uint64_t sample_uniform(uint64_t seed, uint64_t stream, uint64_t position)
{
	uint32_t w[4];

	rng_philox(seed, stream, position, w);
	return ((uint64_t)w[0] << 32 | w[1]) >> 11;
}

uint64_t sample_stream(const char *id, size_t id_n, int64_t sample)
{
	return hash64_seed(id, id_n, (uint64_t)sample);
}

/* --- beam search ------------------------------------------------------------------------------------------ */

/* The highest of x; a NaN is never that. */
static float highest(const float *x, int n)
{
	float best = -INFINITY;

	for (int i = 0; i < n; i++)
		best = x[i] > best ? x[i] : best;
	return best;
}

enum status sample_logprobs(const struct sample_options *o, const float *logits, struct logits_sum sum, int vocab, const int32_t *ids,
			    int64_t n_prompt, int64_t n, uint32_t *seen, float *out, struct error *err)
{
	if (!isfinite(sum.top) || !isfinite(sum.log))
		return no_distribution(err);
	for (int i = 0; i < vocab; i++)
		out[i] = logits_logp(sum, logits[i]);
	for (int i = 0; i < o->n_bias; i++)
		if (o->bias[i].id >= 0 && o->bias[i].id < vocab)
			out[o->bias[i].id] += o->bias[i].bias;
	if (penalises(o)) {
		count_tokens(seen, vocab, ids, n_prompt, n, false);
		for (int i = 0; i < vocab; i++)
			if (seen[i])
				out[i] = sample_score(out[i], 0, seen[i], o->repetition_penalty, o->frequency_penalty, o->presence_penalty);
		count_tokens(seen, vocab, ids, n_prompt, n, true);
	}
	return isfinite(highest(out, vocab)) ? OK : no_token(err);
}
