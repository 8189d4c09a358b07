/* sample.h - the next token of each row of logits; ../choice.h is the arithmetic, exact on every instruction set.
 *
 * No row is sorted. Weights that no filter can let through are left out first: below a share of (1 - top-p) of the mass spread over all
 * tokens, or below the k-th largest maximum of groups. Of those that stay, one who ranks at a mass (or a count) is found by sums per digit
 * of the weights' bits, the highest digit first. */
#ifndef QUERN_CPU_SAMPLE_H
#define QUERN_CPU_SAMPLE_H

#include "cpu/logits.h"
#include "choice.h"

#define SAMPLE_PIECE 1024            /* tokens whose mass is kept, for draws from all of them */
#define SAMPLE_GROUP 64              /* tokens whose largest weight is kept, for top-k */

/* Buffers of one thread. */
struct sample_room {
	float *scores, *weights, *groups; /* [v], [v], [v / GROUP] */
	uint64_t *pieces;            /* [v / PIECE] */
	/* tokens that a filter may let through, in order of their ids */
	int64_t n;
	float *weight, *rank;        /* [v]; rank: what they rank by, the largest first */
	int32_t *id;
};

static size_t sample_room(struct sample_room *r, char *at, int64_t v)
{
	const int64_t padded = (v + SAMPLE_GROUP - 1) / SAMPLE_GROUP * SAMPLE_GROUP;
	size_t used = 0;

	r->scores = (float *)(void *)(at + used), used += (size_t)padded * 4;
	r->weights = (float *)(void *)(at + used), used += (size_t)padded * 4;
	r->weight = (float *)(void *)(at + used), used += (size_t)padded * 4;
	r->rank = (float *)(void *)(at + used), used += (size_t)padded * 4;
	r->id = (int32_t *)(void *)(at + used), used += (size_t)padded * 4;
	r->groups = (float *)(void *)(at + used), used += (size_t)padded / SAMPLE_GROUP * 4;
	used = (used + 63) / 64 * 64;
	r->pieces = (uint64_t *)(void *)(at + used), used += (size_t)(v / SAMPLE_PIECE + 1) * 8;
	return (used + 63) / 64 * 64;
}

static size_t cpu_sample_scratch(struct pool *pool, int64_t n, int64_t v)
{
	struct sample_room r;

	(void)n;
	return (size_t)(pool ? pool_threads(pool) : 1) * sample_room(&r, NULL, v);
}

/* --- scores and weights --------------------------------------------------------------------------------- */

/* The lanes of VL values that are no less than least, as bits. */
INLINE unsigned sample_reaching(vf x, vf least)
{
#if VL == 16
	return _mm512_cmp_ps_mask(x, least, _CMP_GE_OQ);
#elif VL == 8
	return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, least, _CMP_GE_OQ));
#else
	unsigned bits = 0;

	for (int l = 0; l < VL; l++)
		bits |= (unsigned)(x[l] >= least[l]) << l;
	return bits;
#endif
}

/* The highest, and its place, the first among equals; -1 if there is a NaN. */
static int64_t sample_highest(const float *x, int64_t n, float *highest)
{
	vf top = v_set1(-INFINITY);
	vi none = {0};
	int bad = 0;

	for (V_EACH(i, n)) {
		/* The lanes behind the end are zeros, which may be more than all others. */
		vf v = n - i < VL ? v_set1(-INFINITY) : v_load(x + i);

		for (int64_t l = i; n - i < VL && l < n; l++)
			v[l - i] = x[l];
		none |= (vi)(v != v);
		top = v_select((vi)(v > top), v, top);
	}
	for (int l = 0; l < VL; l++)
		bad |= none[l];
	*highest = v_hmax(top);
	for (int64_t i = 0; i < n && !bad; i += VL) {
		unsigned bits = sample_reaching(v_load_at(x, n, i), v_set1(*highest));

		if (n - i < VL)
			bits &= (1u << (n - i)) - 1;
		if (bits)
			return i + __builtin_ctz(bits);
	}
	return -1;
}

/* sample_exp, VL at once. */
INLINE vf sample_exps(vf x)
{
	static const float term[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
	const vf round = v_set1(12582912.0f);
	vf n, r, y = v_set1(1.0f / 5040);

	x = v_max(v_set1(-87.0f), x);
	n = (x * v_set1(1.44269504088896341f) + round) - round;
	r = x + n * v_set1(-0.693359375f);
	r = r + n * v_set1(2.12194440e-4f);
#pragma GCC unroll 7
	for (int i = 0; i < 7; i++)
		y = y * r + v_set1(term[i]);
	return y * (vf)((vu)(__builtin_convertvector(n, vi) + 127) << 23);
}

/* Adds the masses of VL weights to sums; every one of them has 0x1p52's bits besides. */
#if VL == 16
typedef __m512i sample_sums;
INLINE sample_sums sample_add(sample_sums s, vf w)
{
	const __m512d whole = _mm512_set1_pd(0x1p52);
	const __m512 u = _mm512_mul_ps(w, _mm512_set1_ps(SAMPLE_UNIT));

	s = _mm512_add_epi64(s, _mm512_castpd_si512(_mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(u)), whole)));
	return _mm512_add_epi64(s, _mm512_castpd_si512(_mm512_add_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(u, 1)), whole)));
}
INLINE uint64_t sample_total(sample_sums s)
{
	typedef uint64_t lanes __attribute__((vector_size(64)));
	const lanes v = (lanes)s;
	uint64_t sum = 0;

	for (int l = 0; l < 8; l++)
		sum += v[l];
	return sum;
}
#elif VL == 8
typedef __m256i sample_sums;
INLINE sample_sums sample_add(sample_sums s, vf w)
{
	const __m256d whole = _mm256_set1_pd(0x1p52);
	const __m256 u = _mm256_mul_ps(w, _mm256_set1_ps(SAMPLE_UNIT));

	s = _mm256_add_epi64(s, _mm256_castpd_si256(_mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(u)), whole)));
	return _mm256_add_epi64(s, _mm256_castpd_si256(_mm256_add_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(u, 1)), whole)));
}
INLINE uint64_t sample_total(sample_sums s)
{
	const __m128i h = _mm_add_epi64(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));

	return (uint64_t)_mm_cvtsi128_si64(h) + (uint64_t)_mm_extract_epi64(h, 1);
}
#else
typedef uint64_t sample_sums;
INLINE sample_sums sample_add(sample_sums s, vf w)
{
	for (int l = 0; l < VL; l++)
		s += sample_mass(w[l]) + 0x4330000000000000u;
	return s;
}
INLINE uint64_t sample_total(sample_sums s) { return s; }
#endif

/* Weights of scores[v], kept in r with what the filters start from, the groups if `groups`; returns their mass. */
static uint64_t sample_weights(struct sample_room *r, const float *scores, float highest, float inverse, int64_t v, bool groups)
{
	const vf top = v_set1(-highest), by = v_set1(inverse);
	uint64_t all = 0;

	for (int64_t from = 0; from < v; from += SAMPLE_PIECE) {
		const int64_t to = from + SAMPLE_PIECE < v ? from + SAMPLE_PIECE : v;
		sample_sums sum = {0};
		uint64_t count = 0, mass;

		for (int64_t group = from; group < to; group += SAMPLE_GROUP) {
			vf most = v_zero();

			for (int64_t i = group; i < group + SAMPLE_GROUP; i += VL) {
				const int64_t left = to - i;
				/* Behind the end a weight is 0, of no mass. */
				vf w = left <= 0 ? v_zero() : sample_exps((v_load_at(scores, to, i) + top) * by);

				for (int64_t l = left; left > 0 && l < VL; l++)
					w[l] = 0;
				sum = sample_add(sum, w);
				most = v_max(w, most);
				v_store(r->weights + i, w);
			}
			count += SAMPLE_GROUP;
			if (groups)
				r->groups[group / SAMPLE_GROUP] = v_hmax(most);
		}
		mass = sample_total(sum) - count * 0x4330000000000000u;
		r->pieces[from / SAMPLE_PIECE] = mass;
		all += mass;
	}
	return all;
}

/* --- ranks ------------------------------------------------------------------------------------------------- */

INLINE uint32_t sample_bits(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	return u;
}

/* The place of the first, by rank, the largest first, and then by place, up to whom those before and he have more than `before`: of mass,
 * or one each if weight is NULL. Ranks are no less than 0. */
static int64_t sample_find(const float *rank, const float *weight, int64_t n, uint64_t before)
{
	enum { BITS = 11, DIGITS = 1 << BITS };
	uint32_t key = 0;

	for (int shift = 22; shift > -BITS; shift -= BITS) {
		uint64_t sums[DIGITS] = {0};
		int digit = DIGITS - 1;

		for (int64_t i = 0; i < n; i++) {
			const uint32_t bits = sample_bits(rank[i]);

			if (shift == 22 || bits >> (shift + BITS) == key >> (shift + BITS))
				sums[bits >> shift & (DIGITS - 1)] += weight ? sample_mass(weight[i]) : 1;
		}
		for (; digit > 0 && sums[digit] <= before; digit--)
			before -= sums[digit];
		key |= (uint32_t)digit << shift;
	}
	for (int64_t i = 0; i < n; i++) {
		const uint64_t mass = sample_bits(rank[i]) == key ? weight ? sample_mass(weight[i]) : 1 : 0;

		if (mass > before)
			return i;
		before -= mass;
	}
	return 0;
}

/* Lists the tokens whose weight is no less than least. */
static void sample_list(struct sample_room *r, float least, int64_t v)
{
	const vf bound = v_set1(least);

	r->n = 0;
	for (V_EACH(i, v)) {
		for (unsigned bits = sample_reaching(v_load(r->weights + i), bound); bits; bits &= bits - 1) {
			const int64_t at = i + __builtin_ctz(bits);

			if (at >= v)
				break;
			r->weight[r->n] = r->weights[at];
			r->id[r->n++] = (int32_t)at;
		}
	}
}

/* Leaves of the list those that rank no lower than the one at `last`; with equals, all that rank as he does. */
static void sample_cut(struct sample_room *r, const float *rank, int64_t last, bool equals)
{
	const float least = rank[last];
	int64_t n = 0;

	for (int64_t i = 0; i < r->n; i++) {
		if (rank[i] < least || (rank[i] == least && i > last && !equals))
			continue;
		if (rank == r->rank)
			r->rank[n] = rank[i];
		r->weight[n] = r->weight[i];
		r->id[n++] = r->id[i];
	}
	r->n = n;
}

static uint64_t sample_list_mass(const struct sample_room *r)
{
	uint64_t mass = 0;

	for (int64_t i = 0; i < r->n; i++)
		mass += sample_mass(r->weight[i]);
	return mass;
}

/* --- filters --------------------------------------------------------------------------------------------------- */

/* A weight that the k-th largest is no less than: the k-th largest of the groups' largest. */
static float sample_kth(const struct sample_room *r, int64_t k, int64_t v)
{
	const int64_t groups = (v + SAMPLE_GROUP - 1) / SAMPLE_GROUP;

	return k > groups ? 0 : r->groups[sample_find(r->groups, NULL, groups, (uint64_t)k - 1)];
}

/* A weight so small that what is below it has less than 1 - p of the mass, by half for what is rounded. */
static float sample_tail(double p, uint64_t mass, int64_t v)
{
	const double least = (1 - p) * 0.5 / (double)v * ((double)mass / (double)SAMPLE_UNIT);

	return least < 0x1p-38 ? 0 : (float)least;
}

/* Top-k, top-p and min-p, as far as they are on: leaves their tokens in the list. */
static void sample_filter(struct sample_room *r, const struct sample_rule *rule, uint64_t mass, int64_t v)
{
	const bool top_k = rule->top_k > 0 && rule->top_k < v, top_p = rule->top_p < 1;
	const float min_p = (float)rule->min_p;
	int64_t n = 0;

	sample_list(r, top_k ? sample_kth(r, rule->top_k, v) : top_p ? sample_tail(rule->top_p, mass, v) : min_p, v);
	if (top_k) {
		sample_cut(r, r->weight, sample_find(r->weight, NULL, r->n, (uint64_t)rule->top_k - 1), true);
		mass = sample_list_mass(r);
	}
	if (top_p)
		sample_cut(r, r->weight, sample_find(r->weight, r->weight, r->n, sample_share(mass, rule->top_p) - 1), false);
	for (int64_t i = 0; i < r->n; i++)
		if (r->weight[i] >= min_p) {
			r->weight[n] = r->weight[i];
			r->id[n++] = r->id[i];
		}
	r->n = n;
}

/* Ranks the list by how near a token's surprise is to the expected one, and leaves those that reach p of its mass. */
static void sample_typical(struct sample_room *r, const float *scores, float highest, float inverse, double p)
{
	uint64_t mass = sample_list_mass(r), sum = 0;
	float mean;

	for (int64_t i = 0; i < r->n; i++) {
		r->rank[i] = sample_surprise(scores[r->id[i]], highest, inverse);
		sum += sample_mass(r->weight[i]) ? sample_mass(r->rank[i] * r->weight[i]) : 0;
	}
	mean = (float)((double)sum / (double)mass);
	for (int64_t i = 0; i < r->n; i++)
		r->rank[i] = sample_nearness(r->rank[i], mean);
	sample_cut(r, r->rank, sample_find(r->rank, r->weight, r->n, sample_share(mass, p) - 1), true);
}

/* From all tokens, or from those of the list, in order of their ids. */
static int64_t sample_draw_all(const struct sample_room *r, uint64_t before, int64_t v)
{
	int64_t piece = 0;

	while ((piece + 1) * SAMPLE_PIECE < v && r->pieces[piece] <= before)
		before -= r->pieces[piece++];
	for (int64_t i = piece * SAMPLE_PIECE; i < v; i++) {
		const uint64_t mass = sample_mass(r->weights[i]);

		if (mass > before)
			return i;
		before -= mass;
	}
	return 0;
}

static int64_t sample_draw_list(const struct sample_room *r, uint64_t before)
{
	for (int64_t i = 0; i < r->n; i++) {
		const uint64_t mass = sample_mass(r->weight[i]);

		if (mass > before)
			return r->id[i];
		before -= mass;
	}
	return r->id[0];
}

static int64_t sample_draw(struct sample_room *r, const struct sample_rule *rule, const float *scores, float highest, uint64_t mass, uint64_t u,
			   int64_t v)
{
	const bool ranked = (rule->top_k > 0 && rule->top_k < v) || rule->top_p < 1, typical = rule->typical_p > 0 && rule->typical_p < 1;

	if (!ranked && !typical && rule->min_p <= 0)
		return sample_draw_all(r, sample_before(mass, u), v);
	sample_filter(r, rule, mass, v);
	if (typical)
		sample_typical(r, scores, highest, sample_inverse(rule->temperature), rule->typical_p);
	mass = sample_before(sample_list_mass(r), u);
	if (!ranked && !typical)
		return sample_draw_list(r, mass);
	return r->id[sample_find(typical ? r->rank : r->weight, r->weight, r->n, mass)];
}

/* --- a row --------------------------------------------------------------------------------------------------------- */

struct sample_job {
	int32_t *id;
	float *logp;
	const float *logits;
	const struct sample_rule *rule;
	struct sample_rows rows;
	char *scratch;
	int64_t v;
};

/* The scores: the logits themselves where nothing is added. */
static const float *sample_scores(struct sample_room *r, const struct sample_job *t, const float *logits, const uint32_t *seen)
{
	const struct sample_rule *rule = t->rule;

	if (!rule->bias && !seen)
		return logits;
	for (int64_t i = 0; i < t->v; i++)
		r->scores[i] = sample_score(logits[i], rule->bias ? rule->bias[i] : 0, seen ? seen[i] : 0, rule->repetition,
					    rule->frequency, rule->presence);
	return r->scores;
}

static void sample_task(void *arg, int64_t row, int worker)
{
	const struct sample_job *t = arg;
	const int32_t slot = t->rows.slot[row];
	const float *logits = t->logits + row * t->v, *scores;
	uint32_t *seen = t->rows.seen ? t->rows.seen + slot * t->v : NULL;
	const bool greedy = t->rule->temperature <= 0, top_k = t->rule->top_k > 0 && t->rule->top_k < t->v;
	float top = largest_of(logits, t->v);
	struct logits_sum sum = logits_sum_of(logits, t->v, top);
	struct sample_room r;
	int64_t id = 0;

	sample_room(&r, t->scratch + (size_t)worker * sample_room(&r, NULL, t->v), t->v);
	t->id[slot] = 0, t->logp[slot] = NAN;
	if (!isfinite(top) || !isfinite(sum.log))        /* a NaN comes through in the sum */
		return;
	scores = sample_scores(&r, t, logits, seen);
	t->logp[slot] = -INFINITY;
	if (scores != logits || greedy)
		id = sample_highest(scores, t->v, &top);
	if (id < 0 || !isfinite(top))
		return;
	if (!greedy) {
		uint64_t mass = sample_weights(&r, scores, top, sample_inverse(t->rule->temperature), t->v, top_k);

		id = sample_draw(&r, t->rule, scores, top, mass, t->rows.u[row], t->v);
	}
	t->id[slot] = (int32_t)id;
	t->logp[slot] = logits_logp(sum, logits[id]);
	if (seen)
		seen[id]++;
}

static void cpu_sample(struct pool *pool, int32_t *id, float *logp, const float *logits, const struct sample_rule *rule,
		       struct sample_rows rows, void *scratch, int64_t n, int64_t v)
{
	struct sample_job t = {id, logp, logits, rule, rows, scratch, v};

	pool_run(pool, n, sample_task, &t);
}

static void cpu_take_ids(struct pool *pool, int32_t *ids, const int32_t *said, int64_t n)
{
	(void)pool;
	for (int64_t i = 0; i < n; i++)
		ids[i] = ids[i] < 0 ? said[-1 - ids[i]] : ids[i];
}

#endif
