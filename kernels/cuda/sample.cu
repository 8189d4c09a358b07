/* sample.cu - the next token of each row of logits; ../choice.h is the arithmetic, so the tokens are the CPU's. What is added up are whole
 * numbers, so additions may come in any order, and atomics do.
 *
 * Three launches. Blocks that each have a span of a row find its highest logit and score; they write the weights, and add up their mass
 * and, where a filter is on, mass and number by the first bits of the weight. Then a block for each row lists the tokens
 * that the filters may let through, mostly few, cuts, and draws: the token that ranks at a mass (or a number) is found by sums per digit of
 * what it ranks by, the highest digit first. A list that would be too long is the row itself. */
#include "logits.h"
#include "choice.h"

#define SPAN (THREADS / 32 * STRETCH) /* tokens of a block of THREADS: a warp has a stretch of logits.h */
#define CHOOSE_THREADS LOGITS_THREADS
#define CHOOSE_WARPS (CHOOSE_THREADS / 32)
#define ROWS_MAX 128                 /* in one turn */
#define FIRST_DIGITS 1024            /* of a weight's bits, which are 0x3f800000 at most: those from 20 on */
#define DIGIT_BITS 11
#define DIGITS (1 << DIGIT_BITS)
#ifdef QUERN_EMULATED
#define LIST_MAX 512
#else
#define LIST_MAX 8192
#endif

typedef unsigned long long whole;

struct row_state {                   /* zeros before the first launch */
	whole logit, score;          /* the highest, and its place: as order_of has them */
	whole mass;                  /* of the scores */
	whole digit_mass[FIRST_DIGITS], digit_count[FIRST_DIGITS];
};

struct list {
	float weight[LIST_MAX];
	int32_t id[LIST_MAX];
};

struct choosing {
	const float *logits;         /* [n, v] */
	float *scores;               /* [n, v]; NULL: they are the logits */
	float *weights;              /* [n, v] */
	struct row_state *state;     /* [n] */
	struct stretch *stretches;   /* [n, n_stretches] of the logits */
	int64_t n_stretches;
	struct list *list;           /* [n] */
	struct sample_rule rule;
	struct sample_rows rows;
	int64_t v;
	float inverse;
	bool greedy, ranked, typical;
};

/* Orders by value, the first place first among equals; a NaN is above all. */
__device__ static __forceinline__ whole order_of(float x, int64_t at)
{
	const unsigned bits = __float_as_uint(__fadd_rn(x, 0));      /* -0 becomes 0 */
	const unsigned order = isnan(x) ? ~0u : bits & 0x80000000u ? ~bits : bits | 0x80000000u;

	return (whole)order << 32 | (0xffffffffu - (unsigned)at);
}

__device__ static __forceinline__ float value_of(whole order)
{
	const unsigned top = (unsigned)(order >> 32);

	return __uint_as_float(top & 0x80000000u ? top & 0x7fffffffu : ~top);
}

__device__ static __forceinline__ int64_t place_of(whole order) { return (int64_t)(0xffffffffu - (unsigned)order); }

__device__ static __forceinline__ whole warp_total(whole x)
{
#pragma unroll
	for (int by = 16; by > 0; by /= 2)
		x += __shfl_xor_sync(~0u, x, by);
	return x;
}

__device__ static __forceinline__ whole warp_most(whole x)
{
#pragma unroll
	for (int by = 16; by > 0; by /= 2) {
		const whole other = __shfl_xor_sync(~0u, x, by);

		x = other > x ? other : x;
	}
	return x;
}

/* --- all of a row, by many blocks ------------------------------------------------------------------------ */

/* Block (x, y) has span x of row y. */
__global__ void __launch_bounds__(THREADS) top_kernel(struct choosing c)
{
	const int64_t row = blockIdx.y, at = (int64_t)blockIdx.x * (THREADS / 32) + threadIdx.x / 32, from = at * STRETCH, slot = c.rows.slot[row];
	const uint32_t *seen = c.rows.seen ? c.rows.seen + slot * c.v : NULL;
	whole logit = 0, score = 0;
	float z[STRETCH_OWN];
	struct stretch own;

	if (from >= c.v)
		return;
	load_stretch(z, c.logits + row * c.v, from, c.v);
	own = stretch_of(z);
	if (threadIdx.x % 32 == 0)
		c.stretches[row * c.n_stretches + at] = own;
#pragma unroll
	for (int k = 0; k < STRETCH_OWN; k++) {
		const int64_t i = from + own_place(k);

		if (i >= c.v)
			continue;
		logit = max(logit, order_of(z[k], i));
		if (c.scores) {
			const float s = sample_score(z[k], c.rule.bias ? c.rule.bias[i] : 0, seen ? seen[i] : 0, c.rule.repetition, c.rule.frequency,
						     c.rule.presence);

			c.scores[row * c.v + i] = s;
			score = max(score, order_of(s, i));
		}
	}
	logit = warp_most(logit);
	score = c.scores ? warp_most(score) : logit;
	if (threadIdx.x % 32 == 0) {
		atomicMax(&c.state[row].logit, logit);
		atomicMax(&c.state[row].score, score);
	}
}

__global__ void __launch_bounds__(THREADS) weigh_kernel(struct choosing c)
{
	__shared__ whole mass_of[FIRST_DIGITS];
	__shared__ unsigned count_of[FIRST_DIGITS];
	const int64_t row = blockIdx.y, from = (int64_t)blockIdx.x * SPAN, to = min(from + SPAN, c.v);
	struct row_state *state = c.state + row;
	const float top = value_of(state->logit), best = value_of(state->score);
	const float *scores = c.scores ? c.scores : c.logits;
	whole mass = 0;

	if (!isfinite(top) || !isfinite(best))
		return;
	if (c.ranked) {
		for (int i = threadIdx.x; i < FIRST_DIGITS; i += THREADS)
			mass_of[i] = 0, count_of[i] = 0;
		__syncthreads();
	}
	for (int64_t i = from + threadIdx.x; i < to; i += THREADS) {
		const int64_t at = row * c.v + i;
		const float w = sample_weight(scores[at], best, c.inverse);

		c.weights[at] = w;
		mass += sample_mass(w);
		if (c.ranked) {
			atomicAdd(mass_of + (__float_as_uint(w) >> 20), (whole)sample_mass(w));
			atomicAdd(count_of + (__float_as_uint(w) >> 20), 1u);
		}
	}
	mass = warp_total(mass);
	if (threadIdx.x % 32 == 0)
		atomicAdd(&state->mass, mass);
	if (!c.ranked)
		return;
	__syncthreads();
	for (int i = threadIdx.x; i < FIRST_DIGITS; i += THREADS)
		if (count_of[i]) {
			atomicAdd(state->digit_mass + i, mass_of[i]);
			atomicAdd(state->digit_count + i, (whole)count_of[i]);
		}
}

/* --- one block ------------------------------------------------------------------------------------------------ */

/* What the threads of a block tell each other. */
struct room {
	whole warp[CHOOSE_WARPS], rest;
	int thread;
	int64_t place;
	whole sums[DIGITS];
};

__device__ static whole block_total(whole x, struct room *room)
{
	whole all = 0;

	x = warp_total(x);
	__syncthreads();
	if (threadIdx.x % 32 == 0)
		room->warp[threadIdx.x / 32] = x;
	__syncthreads();
	for (int i = 0; i < CHOOSE_WARPS; i++)
		all += room->warp[i];
	return all;
}

/* What the threads before this one have together; room->warp holds the sums of the warps. */
__device__ static whole block_before(whole x, struct room *room)
{
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	whole sum = x;

#pragma unroll
	for (int by = 1; by < 32; by *= 2) {
		const whole other = __shfl_up_sync(~0u, sum, by);

		sum += lane >= by ? other : 0;
	}
	__syncthreads();
	if (lane == 31)
		room->warp[warp] = sum;
	__syncthreads();
	for (int i = 0; i < warp; i++)
		sum += room->warp[i];
	return sum - x;
}

/* The thread in whose part of the threads' sum *before lies, which becomes what lies before it in that part. */
__device__ static int locate(whole x, whole *before, struct room *room)
{
	const whole earlier = block_before(x, room);

	if (threadIdx.x == 0)
		room->thread = 0, room->rest = 0;
	__syncthreads();
	if (earlier <= *before && *before - earlier < x)
		room->thread = threadIdx.x, room->rest = *before - earlier;
	__syncthreads();
	*before = room->rest;
	return room->thread;
}

/* A row's tokens, or a list of some; those with a weight below 0 have been cut. */
struct view {
	float *weight;
	const int32_t *id;           /* NULL: they are the places */
	int64_t n;
	const float *scores;         /* with those tokens rank by how typical they are; NULL: by weight */
	float highest, inverse, mean;
};

__device__ static __forceinline__ int64_t id_at(const struct view &v, int64_t i) { return v.id ? v.id[i] : i; }

__device__ static __forceinline__ float rank_at(const struct view &v, int64_t i)
{
	return v.scores ? sample_nearness(sample_surprise(v.scores[id_at(v, i)], v.highest, v.inverse), v.mean) : v.weight[i];
}

/* What counts of a token in a search: its mass, or one; nothing if it has been cut. */
__device__ static __forceinline__ whole count_at(const struct view &v, int64_t i, bool ones)
{
	return v.weight[i] < 0 ? 0 : ones ? 1 : (whole)sample_mass(v.weight[i]);
}

/* Of the tokens that rank at key (any: all of them) the one at whose place, by id, those before it and it have more than `before`. First by
 * warps, which read side by side, then by threads, then one by one. */
__device__ static int64_t find_place(const struct view &v, bool any, unsigned key, bool ones, whole before, struct room *room)
{
	const int64_t span = (v.n + CHOOSE_WARPS - 1) / CHOOSE_WARPS, part = (span + CHOOSE_THREADS - 1) / CHOOSE_THREADS;
	int64_t from = span * (threadIdx.x / 32), to = min(from + span, v.n);
	whole sum = 0;

	for (int64_t i = from + threadIdx.x % 32; i < to; i += 32)
		sum += any || __float_as_uint(rank_at(v, i)) == key ? count_at(v, i, ones) : 0;
	sum = warp_total(sum);
	from = span * (locate(threadIdx.x % 32 ? 0 : sum, &before, room) / 32);
	to = min(from + span, v.n);
	from = min(from + part * threadIdx.x, to), to = min(from + part, to);
	sum = 0;
	for (int64_t i = from; i < to; i++)
		sum += any || __float_as_uint(rank_at(v, i)) == key ? count_at(v, i, ones) : 0;
	if (threadIdx.x == 0)
		room->place = 0;
	if ((int)threadIdx.x == locate(sum, &before, room))
		for (int64_t i = from; i < to; i++) {
			const whole x = any || __float_as_uint(rank_at(v, i)) == key ? count_at(v, i, ones) : 0;

			if (x > before) {
				room->place = i;
				break;
			}
			before -= x;
		}
	__syncthreads();
	return room->place;
}

/* The place of the first, by rank and then by id, up to whom those before and it have more than `before`. */
__device__ static int64_t find(const struct view &v, bool ones, whole before, struct room *room)
{
	unsigned key = 0;

	for (int shift = 2 * DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
		const int per = DIGITS / CHOOSE_THREADS, first = DIGITS - 1 - (int)threadIdx.x * per;
		whole sum = 0;
		int at;

		__syncthreads();
		for (int i = threadIdx.x; i < DIGITS; i += CHOOSE_THREADS)
			room->sums[i] = 0;
		__syncthreads();
		for (int64_t i = threadIdx.x; i < v.n; i += CHOOSE_THREADS) {
			const unsigned bits = __float_as_uint(rank_at(v, i));

			if (v.weight[i] >= 0 && (shift == 2 * DIGIT_BITS || bits >> (shift + DIGIT_BITS) == key >> (shift + DIGIT_BITS)))
				atomicAdd(room->sums + (bits >> shift & (DIGITS - 1)), count_at(v, i, ones));
		}
		__syncthreads();
		for (int d = 0; d < per; d++)
			sum += room->sums[first - d];
		at = DIGITS - 1 - locate(sum, &before, room) * per;
		for (int d = 0; d < per - 1 && room->sums[at] <= before; d++)
			before -= room->sums[at--];
		key |= (unsigned)at << shift;
	}
	return find_place(v, false, key, ones, before, room);
}

/* Cuts those that rank lower than the one at `last`; with equals, none that ranks as it does. */
__device__ static void cut(const struct view &v, int64_t last, bool equals)
{
	const float least = rank_at(v, last);

	__syncthreads();
	for (int64_t i = threadIdx.x; i < v.n; i += CHOOSE_THREADS) {
		const float rank = rank_at(v, i);

		if (rank < least || (rank == least && i > last && !equals))
			v.weight[i] = -1;
	}
	__syncthreads();
}

__device__ static whole view_mass(const struct view &v, struct room *room)
{
	whole mass = 0;

	for (int64_t i = threadIdx.x; i < v.n; i += CHOOSE_THREADS)
		mass += count_at(v, i, false);
	return block_total(mass, room);
}

/* The least weight of those whose first digit is that of the one that ranks at `before`. */
__device__ static float first_edge(const whole *sums, whole before, struct room *room)
{
	const int per = FIRST_DIGITS / CHOOSE_THREADS, first = FIRST_DIGITS - 1 - (int)threadIdx.x * per;
	whole sum = 0;
	int at;

	for (int d = 0; d < per; d++)
		sum += sums[first - d];
	at = FIRST_DIGITS - 1 - locate(sum, &before, room) * per;
	for (int d = 0; d < per - 1 && sums[at] <= before; d++)
		before -= sums[at--];
	return __uint_as_float((unsigned)at << 20);
}

/* Lists the row's tokens that weigh no less than least, if they are not too many. */
__device__ static struct view list_row(const struct choosing &c, int64_t row, float least, struct room *room)
{
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	const int64_t span = ((c.v + CHOOSE_WARPS - 1) / CHOOSE_WARPS + 31) / 32 * 32, from = warp * span, to = min(from + span, c.v);
	float *weights = c.weights + row * c.v;
	struct list *l = c.list + row;
	struct view v = {weights, NULL, c.v, NULL, 0, 0, 0};
	whole count = 0, at, all;

	for (int64_t i = from + lane; i - lane < to; i += 32)
		count += __popc(__ballot_sync(~0u, i < to && weights[i] >= least));
	at = block_before(lane ? 0 : count, room);
	at = __shfl_sync(~0u, at, 0);
	all = 0;
	for (int i = 0; i < CHOOSE_WARPS; i++)
		all += room->warp[i];
	if (all > LIST_MAX)
		return v;
	for (int64_t i = from + lane; i - lane < to; i += 32) {
		const bool stays = i < to && weights[i] >= least;
		const unsigned all_lanes = __ballot_sync(~0u, stays);
		const whole to_place = at + __popc(all_lanes & ((1u << lane) - 1));

		if (stays)
			l->weight[to_place] = weights[i], l->id[to_place] = (int32_t)i;
		at += __popc(all_lanes);
	}
	__syncthreads();
	v.weight = l->weight, v.id = l->id, v.n = (int64_t)all;
	return v;
}

/* Ranks by how near a token's surprise is to the expected one, and cuts to those that reach p of the mass. */
__device__ static void cut_typical(struct view *v, const float *scores, float highest, float inverse, double p, struct room *room)
{
	const whole mass = view_mass(*v, room);
	whole sum = 0;

	for (int64_t i = threadIdx.x; i < v->n; i += CHOOSE_THREADS)
		if (count_at(*v, i, false))
			sum += sample_mass(__fmul_rn(sample_surprise(scores[id_at(*v, i)], highest, inverse), v->weight[i]));
	sum = block_total(sum, room);
	v->scores = scores, v->highest = highest, v->inverse = inverse;
	v->mean = (float)((double)sum / (double)mass);
	cut(*v, find(*v, false, sample_share(mass, p) - 1, room), true);
}

__device__ static int64_t choose(const struct choosing &c, int64_t row, float highest, struct room *room)
{
	struct row_state *state = c.state + row;
	const bool top_k = c.rule.top_k > 0 && c.rule.top_k < c.v, top_p = c.rule.top_p < 1;
	const float min_p = (float)c.rule.min_p;
	const uint64_t u = c.rows.u[row];
	whole mass = state->mass;
	float least = min_p;
	struct view v;

	if (!c.ranked && !c.typical && min_p <= 0) {
		v = {c.weights + row * c.v, NULL, c.v, NULL, 0, 0, 0};
		return find_place(v, true, 0, false, sample_before(mass, u), room);
	}
	if (top_k)
		least = first_edge(state->digit_count, (whole)c.rule.top_k - 1, room);
	else if (top_p)
		least = first_edge(state->digit_mass, sample_share(mass, c.rule.top_p) - 1, room);
	v = list_row(c, row, least, room);
	if (top_k) {
		cut(v, find(v, true, (whole)c.rule.top_k - 1, room), true);
		mass = view_mass(v, room);
	}
	if (top_p)
		cut(v, find(v, false, sample_share(mass, c.rule.top_p) - 1, room), false);
	for (int64_t i = threadIdx.x; i < v.n; i += CHOOSE_THREADS)
		if (v.weight[i] < min_p)
			v.weight[i] = -1;
	__syncthreads();
	if (c.typical)
		cut_typical(&v, (c.scores ? c.scores : c.logits) + row * c.v, highest, c.inverse, c.rule.typical_p, room);
	mass = sample_before(view_mass(v, room), u);
	return id_at(v, c.ranked || c.typical ? find(v, false, mass, room) : find_place(v, true, 0, false, mass, room));
}

/* Block x has row x. */
__global__ void __launch_bounds__(CHOOSE_THREADS) choose_kernel(struct choosing c, int32_t *id, float *logp)
{
	__shared__ struct room room;
	__shared__ struct stretch parts[LOGITS_WARPS];
	const int64_t row = blockIdx.x, slot = c.rows.slot[row];
	const struct row_state *state = c.state + row;
	const float top = value_of(state->logit), best = value_of(state->score);
	const struct stretch all = merged_stretches(c.stretches + row * c.n_stretches, c.n_stretches, parts);
	int64_t at = 0;

	if (isfinite(top) && isfinite(best))
		at = c.greedy ? place_of(state->score) : choose(c, row, best, &room);
	if (threadIdx.x)
		return;
	id[slot] = (int32_t)at;
	logp[slot] = !isfinite(top) ? NAN : -INFINITY;
	if (!isfinite(top) || !isfinite(best))
		return;
	logp[slot] = logits_logp(sum_of(all), c.logits[row * c.v + at]);
	if (c.rows.seen)
		c.rows.seen[slot * c.v + at]++;
}

/* --- launches ------------------------------------------------------------------------------------------------------ */

static size_t round_bytes(size_t n) { return (n + 255) / 256 * 256; }

static size_t cuda_sample_scratch(struct pool *, int64_t n, int64_t v)
{
	const size_t rows = (size_t)(n < ROWS_MAX ? n : ROWS_MAX);

	return 2 * round_bytes(rows * (size_t)v * sizeof(float)) + round_bytes(rows * sizeof(struct row_state)) +
	       round_bytes(rows * (size_t)pieces_of(v, STRETCH) * sizeof(struct stretch)) + round_bytes(rows * sizeof(struct list));
}

static void cuda_sample(struct pool *pool, int32_t *id, float *logp, const float *logits, const struct sample_rule *rule, struct sample_rows rows,
			void *scratch, int64_t n, int64_t v)
{
	const int64_t turn = n < ROWS_MAX ? n : ROWS_MAX;
	const size_t floats = round_bytes((size_t)(turn * v) * sizeof(float));
	struct choosing c = {};
	char *at = (char *)scratch;

	c.weights = (float *)at, at += floats;
	c.scores = rule->bias || rows.seen ? (float *)at : NULL, at += floats;
	c.state = (struct row_state *)at, at += round_bytes((size_t)turn * sizeof *c.state);
	c.n_stretches = pieces_of(v, STRETCH);
	c.stretches = (struct stretch *)at, at += round_bytes((size_t)(turn * c.n_stretches) * sizeof *c.stretches);
	c.list = (struct list *)at;
	c.rule = *rule, c.rows = rows, c.v = v;
	c.inverse = sample_inverse(rule->temperature);
	c.greedy = rule->temperature <= 0;
	c.ranked = !c.greedy && ((rule->top_k > 0 && rule->top_k < v) || rule->top_p < 1);
	c.typical = rule->typical_p > 0 && rule->typical_p < 1;
	for (int64_t from = 0; from < n; from += turn) {
		const int64_t some = n - from < turn ? n - from : turn;
		const dim3 spans((unsigned)pieces_of(v, SPAN), (unsigned)some);

		c.logits = logits + from * v;
		c.rows.slot = rows.slot + from, c.rows.u = rows.u + from;
		device_note(cudaMemsetAsync(c.state, 0, (size_t)some * sizeof *c.state, device.stream), "sampling");
		LAUNCH(top_kernel, spans, THREADS, 0, device.stream, c);
		if (!c.greedy)
			LAUNCH(weigh_kernel, spans, THREADS, 0, device.stream, c);
		LAUNCH(choose_kernel, (unsigned)some, CHOOSE_THREADS, 0, device.stream, c, id, logp);
	}
	(void)pool;
}

__global__ void take_ids_kernel(int32_t *ids, const int32_t *said, int64_t n)
{
	for (GRID_STRIDE(i, n))
		ids[i] = ids[i] < 0 ? said[-1 - ids[i]] : ids[i];
}

static void cuda_take_ids(struct pool *, int32_t *ids, const int32_t *said, int64_t n)
{
	if (n)
		LAUNCH(take_ids_kernel, grid_of(n), THREADS, 0, device.stream, ids, said, n);
}

void entries_sample(struct kernels *k) { k->sample = cuda_sample, k->sample_scratch = cuda_sample_scratch, k->take_ids = cuda_take_ids; }
