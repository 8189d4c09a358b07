#include "infer/sample.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct candidate {
	float weight;                /* exp((penalised logit - highest) / temperature), in [0, 1] */
	int32_t id;
};

struct sampler {
	struct sample_options o;
	int vocab;
	float *scores;               /* [vocab], penalised */
	float *weights;              /* [vocab], exp of the scores */
	struct candidate *heap, *kept; /* [vocab] */
	int32_t *count;              /* [vocab], of tokens under penalty, 0 between calls */
};

struct sampler *sampler_open(const struct sample_options *o, int vocab)
{
	struct sampler *s = mem_zalloc(sizeof(*s));
	s->o = *o;
	s->vocab = vocab;
	s->scores = mem_array((size_t)vocab, sizeof(*s->scores));
	s->weights = mem_array((size_t)vocab, sizeof(*s->weights));
	s->heap = mem_array((size_t)vocab, sizeof(*s->heap));
	s->kept = mem_array((size_t)vocab, sizeof(*s->kept));
	s->count = mem_array((size_t)vocab, sizeof(*s->count));
	return s;
}

void sampler_close(struct sampler *s)
{
	if (!s)
		return;
	mem_free(s->scores);
	mem_free(s->weights);
	mem_free(s->heap);
	mem_free(s->kept);
	mem_free(s->count);
	mem_free(s);
}

double sample_uniform(uint64_t seed, uint64_t stream, uint64_t position)
{
	uint32_t w[4];
	rng_philox(seed, stream, position, w);
	uint64_t bits = ((uint64_t)w[0] << 32 | w[1]) >> 11;
	return (double)bits * 0x1p-53;
}

uint64_t sample_stream(const char *id, size_t id_n, int64_t sample)
{
	return hash64_seed(id, id_n, (uint64_t)sample);
}

/* The highest of x and its place, the first among equals. A NaN is never the highest; sums find it. */
static int highest(const float *x, int n)
{
	int best = 0;
	for (int i = 1; i < n; i++)
		if (x[i] > x[best] || isnan(x[best]))
			best = i;
	return best;
}

/* w[i] = exp((x[i] - max) / temperature); returns the sum. The difference comes first, so that no temperature overflows. */
static double soft_weights(float *w, const float *x, int n, float max, double temperature)
{
	double sum = 0;
	if (temperature == 1)
		for (int i = 0; i < n; i++)
			w[i] = expf(x[i] - max);
	else
		for (int i = 0; i < n; i++)
			w[i] = expf((float)((double)(x[i] - max) / temperature));
	for (int i = 0; i < n; i++)
		sum += (double)w[i];
	return sum;
}

static bool is_token(const struct sampler *s, int32_t id)
{
	return id >= 0 && id < s->vocab;
}

/* Counts tokens, for a second walk that meets each once and clears its count. */
static void count_tokens(struct sampler *s, const int32_t *ids, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (is_token(s, ids[i]))
			s->count[ids[i]]++;
}

static void penalise_repetition(struct sampler *s, const int32_t *seen, int64_t n)
{
	float penalty = (float)s->o.repetition_penalty;

	count_tokens(s, seen, n);
	for (int64_t i = 0; i < n; i++) {
		int32_t id = seen[i];
		if (!is_token(s, id) || !s->count[id])
			continue;
		s->scores[id] = s->scores[id] < 0 ? s->scores[id] * penalty : s->scores[id] / penalty;
		s->count[id] = 0;
	}
}

static void penalise_presence(struct sampler *s, const int32_t *said, int64_t n)
{
	count_tokens(s, said, n);
	for (int64_t i = 0; i < n; i++) {
		int32_t id = said[i];
		if (!is_token(s, id) || !s->count[id])
			continue;
		s->scores[id] -= (float)(s->o.frequency_penalty * s->count[id] + s->o.presence_penalty);
		s->count[id] = 0;
	}
}

/* The logits as bias and penalties leave them: the model's own where there are none. */
static const float *adjust(struct sampler *s, const float *logits, const int32_t *seen, int64_t n_prompt, int64_t n_seen)
{
	const struct sample_options *o = &s->o;
	bool repetition = o->repetition_penalty != 1, presence = o->frequency_penalty != 0 || o->presence_penalty != 0;

	if (!repetition && !presence && !o->n_bias)
		return logits;
	memcpy(s->scores, logits, (size_t)s->vocab * sizeof(*logits));
	for (int i = 0; i < o->n_bias; i++)
		if (is_token(s, o->bias[i].id))
			s->scores[o->bias[i].id] += o->bias[i].bias;
	if (repetition)
		penalise_repetition(s, seen, n_seen);
	if (presence)
		penalise_presence(s, seen + n_prompt, n_seen - n_prompt);
	return s->scores;
}

/* --- a max-heap by weight, then by lowest id ------------------------------------------------------ */

static int above(const struct candidate *a, const struct candidate *b)
{
	return a->weight > b->weight || (a->weight == b->weight && a->id < b->id);
}

static void sift_down(struct candidate *h, int n, int i)
{
	for (;;) {
		int top = i, l = 2 * i + 1, r = l + 1;
		if (l < n && above(&h[l], &h[top]))
			top = l;
		if (r < n && above(&h[r], &h[top]))
			top = r;
		if (top == i)
			return;
		struct candidate t = h[i];
		h[i] = h[top];
		h[top] = t;
		i = top;
	}
}

static struct candidate pop(struct candidate *h, int *n)
{
	struct candidate t = h[0];
	h[0] = h[--*n];
	sift_down(h, *n, 0);
	return t;
}

static void heapify(struct candidate *h, int n)
{
	for (int i = n / 2 - 1; i >= 0; i--)
		sift_down(h, n, i);
}

/* Top-k, top-p and min-p over weights whose sum is mass: fills kept, most probable first, and returns how many. Only
 * as many candidates are popped as are needed, so a large vocabulary is never sorted whole. */
static int filter(struct sampler *s, double mass)
{
	struct candidate *h = s->heap, *kept = s->kept;
	int v = s->vocab, n = v, popped = 0, m = 0;
	for (int i = 0; i < v; i++)
		h[i] = (struct candidate){ s->weights[i], i };
	heapify(h, v);
	bool top_k = s->o.top_k > 0 && s->o.top_k < v;
	if (top_k) {
		mass = 0;
		while (n > 0 && (popped < s->o.top_k || h[0].weight == kept[popped - 1].weight)) {
			kept[popped] = pop(h, &n);
			mass += (double)kept[popped++].weight;
		}
	}
	for (double before = 0; top_k ? m < popped : n > 0; m++) {
		struct candidate c = top_k ? kept[m] : pop(h, &n);
		if (m > 0 && (before >= s->o.top_p * mass || c.weight < s->o.min_p * kept[0].weight))
			break;
		kept[m] = c;
		before += (double)c.weight;
	}
	return m;
}

/* The tokens with at least min_p of the best one's weight, in id order: fills kept. */
static int filter_min_p(struct sampler *s)
{
	int n = 0;
	for (int i = 0; i < s->vocab; i++)
		if (s->weights[i] > 0 && s->weights[i] >= (float)s->o.min_p)
			s->kept[n++] = (struct candidate){ s->weights[i], i };
	return n;
}

/* Of kept[n], those whose surprise is nearest to the expected one, until their mass reaches typical_p; ties with the last stay. */
static int filter_typical(struct sampler *s, int n)
{
	struct candidate *h = s->heap, *kept = s->kept;
	double mass = 0, entropy = 0, reached = 0;
	int left = n, m = 0;
	float last = 0;

	for (int i = 0; i < n; i++)
		mass += (double)kept[i].weight;
	for (int i = 0; i < n; i++)
		if (kept[i].weight > 0)
			entropy -= (double)kept[i].weight / mass * log((double)kept[i].weight / mass);
	for (int i = 0; i < n; i++)
		h[i] = (struct candidate){ -(float)fabs(-log((double)kept[i].weight / mass) - entropy), kept[i].id };
	heapify(h, left);
	while (left > 0 && (m == 0 || reached < s->o.typical_p || h[0].weight == last)) {
		struct candidate c = pop(h, &left);

		last = c.weight;
		kept[m++] = (struct candidate){ s->weights[c.id], c.id };
		reached += (double)s->weights[c.id] / mass;
	}
	return m;
}

static int32_t draw_kept(const struct candidate *kept, int n, double u)
{
	double sum = 0, below = 0;
	for (int i = 0; i < n; i++)
		sum += (double)kept[i].weight;
	for (int i = 0; i < n; i++) {
		below += (double)kept[i].weight;
		if (below > u * sum)
			return kept[i].id;
	}
	return kept[0].id;           /* rounding at the very end of the range */
}

/* All tokens with at least min_p of the best one's weight, in id order. */
static int32_t draw_all(const struct sampler *s, double sum, double u)
{
	float floor_weight = (float)s->o.min_p;
	if (floor_weight > 0) {
		sum = 0;
		for (int i = 0; i < s->vocab; i++)
			if (s->weights[i] >= floor_weight)
				sum += (double)s->weights[i];
	}
	double below = 0;
	for (int i = 0; i < s->vocab; i++) {
		if (s->weights[i] < floor_weight)
			continue;
		below += (double)s->weights[i];
		if (below > u * sum)
			return i;
	}
	return highest(s->weights, s->vocab);
}

/* The log of the sum of exponentials of the logits; leaves exp(logits - max) in weights. */
static enum status log_sum(struct sampler *s, const float *logits, double *sum, float *max, struct error *err)
{
	*max = logits[highest(logits, s->vocab)];
	*sum = isfinite(*max) ? soft_weights(s->weights, logits, s->vocab, *max, 1) : NAN;
	if (!isfinite(*sum) || *sum <= 0)
		return error_set(err, ERR_DATA, "the model's logits are not finite");
	return OK;
}

enum status sampler_pick(struct sampler *s, const float *logits, const int32_t *seen, int64_t n_prompt, int64_t n_seen,
			 double u, int32_t *id, double *logprob, struct error *err)
{
	int v = s->vocab;
	float max;
	double sum;
	TRY(log_sum(s, logits, &sum, &max, err));
	const float *scores = adjust(s, logits, seen, n_prompt, n_seen);
	int best = highest(scores, v);
	if (!isfinite(scores[best]))
		return error_set(err, ERR_DATA, "the bias leaves no token to say");
	if (s->o.temperature == 0) {
		*id = best;
	} else {
		bool ranked = (s->o.top_k > 0 && s->o.top_k < v) || s->o.top_p < 1, typical = s->o.typical_p > 0 && s->o.typical_p < 1;
		double mass = sum;
		if (scores != logits || s->o.temperature != 1)
			mass = soft_weights(s->weights, scores, v, scores[best], s->o.temperature);
		int n = ranked ? filter(s, mass) : typical ? filter_min_p(s) : 0;
		if (typical)
			n = filter_typical(s, n);
		*id = n ? draw_kept(s->kept, n, u) : draw_all(s, mass, u);
	}
	*logprob = (double)(logits[*id] - max) - log(sum);
	return OK;
}

enum status sampler_logprobs(struct sampler *s, const float *logits, const int32_t *seen, int64_t n_prompt, int64_t n_seen,
			     float *out, double *total, struct error *err)
{
	float max;
	double sum;

	TRY(log_sum(s, logits, &sum, &max, err));
	*total = (double)max + log(sum);
	for (int i = 0; i < s->vocab; i++)
		out[i] = (float)((double)logits[i] - *total);
	const float *scores = adjust(s, out, seen, n_prompt, n_seen);
	if (scores != out)
		memcpy(out, scores, (size_t)s->vocab * sizeof(*out));
	if (!isfinite(out[highest(out, s->vocab)]))
		return error_set(err, ERR_DATA, "the bias leaves no token to say");
	return OK;
}
