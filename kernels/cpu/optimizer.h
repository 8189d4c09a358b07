/* optimizer.h - the updates of parameters: AdamW, AdamW with its moments in eight bits, Lion, SGD; and the gradient's norm.
 *
 * Each is limited by memory bandwidth: AdamW moves 28 bytes a parameter, with moments in eight bits 16, Lion 20, SGD 12
 * or 20. Elements do not depend on each other (eight bits: blocks of KERNELS_BLOCK8), so any cut gives the same bytes. */
#ifndef QUERN_CPU_OPTIMIZER_H
#define QUERN_CPU_OPTIMIZER_H

#include "base/dynamic8.h"
#include "cpu/rows.h"

/* --- AdamW ----------------------------------------------------------------------------------------- */

struct update_job {
	float *p, *m, *v;            /* v, as m_max and v_max, only where the optimizer has it */
	uint8_t *m8, *v8;
	float *m_max, *v_max;
	const float *g;
	int64_t n;
	const struct update *u;
	float gscale, decay;
	float keep, rate, inv_root_bc2; /* 1 - lr decay, lr / (1 - beta1^step), 1 / sqrt(1 - beta2^step) */
};

/* Elements [0, n) of one piece. */
INLINE void adamw_piece(const struct update_job *t, float *p, float *m, float *v, const float *grad, int64_t n)
{
	const struct update *u = t->u;

	for (V_EACH(j, n)) {
		vf g = v_load_at(grad, n, j) * v_set1(t->gscale);
		vf mv = v_load_at(m, n, j), vv = v_load_at(v, n, j), denom;

		mv = v_fma(v_set1(1.0f - u->beta1), g - mv, mv);
		vv = v_fma(v_set1(1.0f - u->beta2) * g, g, vv * v_set1(u->beta2));
		denom = v_fma(v_sqrt(vv), v_set1(t->inv_root_bc2), v_set1(u->eps));
		v_store_at(m, mv, n, j);
		v_store_at(v, vv, n, j);
		v_store_at(p, v_load_at(p, n, j) * v_set1(t->keep) - v_set1(t->rate) * mv / denom, n, j);
	}
}

static void adamw_task(void *arg, int64_t i, int worker)
{
	const struct update_job *t = arg;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;

	(void)worker;
	adamw_piece(t, t->p + from, t->m + from, t->v + from, t->g + from, n);
}

/* --- AdamW, moments in eight bits --------------------------------------------------------------------- */

/* Tables are looked up for VL codes or numbers at once where the instruction set has that; else, and at a tail, one by one. Gives how
 * many it did. */
#if VL == 16
INLINE int64_t unpack_vectors(const struct dynamic8 *d, const uint8_t *code, float max, float *x, int64_t n)
{
	int64_t j = 0;

	for (; j + VL <= n; j += VL) {
		__m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)(const void *)(code + j)));

		v_store(x + j, _mm512_i32gather_ps(index, d->value, 4) * v_set1(max));
	}
	return j;
}

INLINE int64_t pack_vectors(const struct dynamic8 *d, const float *x, float inverse, uint8_t *code, int64_t n)
{
	int64_t j = 0;

	for (; j + VL <= n; j += VL) {
		__m512 v = (__m512)(v_load(x + j) * v_set1(inverse));
		__m512i bits = _mm512_castps_si512(v), cell, low;

		cell = _mm512_sub_epi32(_mm512_srli_epi32(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)), 16),
					_mm512_set1_epi32(DYNAMIC8_FIRST));
		cell = _mm512_min_epi32(_mm512_max_epi32(cell, _mm512_setzero_si512()), _mm512_set1_epi32(DYNAMIC8_CELLS - 1));
		cell = _mm512_add_epi32(cell, _mm512_and_si512(_mm512_srai_epi32(bits, 31), _mm512_set1_epi32(DYNAMIC8_CELLS)));
		low = _mm512_and_si512(_mm512_i32gather_epi32(cell, d->low, 1), _mm512_set1_epi32(255));
		low = _mm512_mask_add_epi32(low, _mm512_cmp_ps_mask(v, _mm512_i32gather_ps(low, d->above, 4), _CMP_GT_OQ), low,
					    _mm512_set1_epi32(1));
		_mm_storeu_si128((__m128i_u *)(void *)(code + j), _mm512_cvtepi32_epi8(low));
	}
	return j;
}
#else
INLINE int64_t unpack_vectors(const struct dynamic8 *d, const uint8_t *code, float max, float *x, int64_t n)
{
	(void)d, (void)code, (void)max, (void)x, (void)n;
	return 0;
}

INLINE int64_t pack_vectors(const struct dynamic8 *d, const float *x, float inverse, uint8_t *code, int64_t n)
{
	(void)d, (void)x, (void)inverse, (void)code, (void)n;
	return 0;
}
#endif

INLINE void unpack8(const struct dynamic8 *d, const uint8_t *code, float max, float *x, int64_t n)
{
	for (int64_t j = unpack_vectors(d, code, max, x, n); j < n; j++)
		x[j] = d->value[code[j]] * max;
}

/* Codes of x over its largest size, which is returned. */
INLINE float pack8(const struct dynamic8 *d, const float *x, uint8_t *code, int64_t n)
{
	vf top = v_zero();
	float max, inverse;

	for (V_EACH(j, n)) {
		vf v = v_load_at(x, n, j);

		top = v_max(top, v_max(v, -v));
	}
	max = v_hmax(top);
	inverse = max > 0 ? 1 / max : 0;
	for (int64_t j = pack_vectors(d, x, inverse, code, n); j < n; j++)
		code[j] = dynamic8_code(d, x[j] * inverse);
	return max;
}

static void adamw8_task(void *arg, int64_t i, int worker)
{
	const struct update_job *t = arg;
	const struct dynamic8 *with_sign = dynamic8_signed(), *without = dynamic8_unsigned();
	int64_t per = ROWS_PIECE / KERNELS_BLOCK8, last = pieces_of(t->n, KERNELS_BLOCK8);
	float m[KERNELS_BLOCK8], v[KERNELS_BLOCK8];

	(void)worker;
	for (int64_t b = i * per; b < (i + 1) * per && b < last; b++) {
		int64_t from = b * KERNELS_BLOCK8, n = t->n - from < KERNELS_BLOCK8 ? t->n - from : KERNELS_BLOCK8;

		unpack8(with_sign, t->m8 + from, t->m_max[b], m, n);
		unpack8(without, t->v8 + from, t->v_max[b], v, n);
		adamw_piece(t, t->p + from, m, v, t->g + from, n);
		t->m_max[b] = pack8(with_sign, m, t->m8 + from, n);
		t->v_max[b] = pack8(without, v, t->v8 + from, n);
	}
}

/* --- Lion ------------------------------------------------------------------------------------------- */

static void lion_task(void *arg, int64_t i, int worker)
{
	const struct update_job *t = arg;
	const struct update *u = t->u;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;
	float *p = t->p + from, *m = t->m + from;

	(void)worker;
	for (V_EACH(j, n)) {
		vf g = v_load_at(t->g + from, n, j) * v_set1(t->gscale), mv = v_load_at(m, n, j);
		vf c = v_fma(v_set1(1.0f - u->beta1), g - mv, mv);
		vf sign = __builtin_convertvector((vi)(c < v_zero()) - (vi)(c > v_zero()), vf);

		v_store_at(m, v_fma(v_set1(1.0f - u->beta2), g - mv, mv), n, j);
		v_store_at(p, v_load_at(p, n, j) * v_set1(t->keep) - v_set1(u->lr) * sign, n, j);
	}
}

/* --- SGD -------------------------------------------------------------------------------------------- */

static void sgd_task(void *arg, int64_t i, int worker)
{
	const struct update_job *t = arg;
	const struct update *u = t->u;
	int64_t from = i * ROWS_PIECE, n = t->n - from < ROWS_PIECE ? t->n - from : ROWS_PIECE;
	float *p = t->p + from, *m = t->m ? t->m + from : NULL;

	(void)worker;
	for (V_EACH(j, n)) {
		vf pv = v_load_at(p, n, j), g = v_fma(pv, v_set1(t->decay), v_load_at(t->g + from, n, j) * v_set1(t->gscale));

		if (m) {
			vf mv = v_fma(v_load_at(m, n, j), v_set1(u->beta1), g);

			v_store_at(m, mv, n, j);
			g = u->nesterov ? v_fma(mv, v_set1(u->beta1), g) : mv;
		}
		v_store_at(p, v_fma(g, v_set1(-u->lr), pv), n, j);
	}
}

/* --- all ranges ------------------------------------------------------------------------------------- */

/* What a range is updated by: its places, and what follows from the rule and the step. */
INLINE struct update_job range_job(const struct update_set *s, const struct update_range *r, const struct update *u, float gscale)
{
	/* Bias corrections in double: 1 - beta^step loses its digits in float. */
	double bc1 = 1 - pow(u->beta1, (double)u->step), bc2 = 1 - pow(u->beta2, (double)u->step);
	float decay = r->decay ? u->decay : 0;
	struct update_job t = {.p = s->p + r->from, .g = s->g + r->from, .n = r->n, .u = u, .gscale = gscale, .decay = decay,
			       .keep = (float)(1 - (double)u->lr * decay), .rate = (float)(u->lr / bc1),
			       .inv_root_bc2 = (float)(1 / sqrt(bc2))};

	if (r->bits8) {
		t.m8 = s->m8 + r->state, t.v8 = s->v8 + r->state;
		t.m_max = s->m_max + r->block, t.v_max = s->v_max + r->block;
		return t;
	}
	t.m = s->m ? s->m + r->state : NULL, t.v = s->v ? s->v + r->state : NULL;
	return t;
}

static void cpu_update(struct pool *pool, const struct update_set *s, const struct update *u, const struct grad_norm *norm)
{
	for (int64_t i = 0; i < s->n && isfinite(norm->norm); i++) {
		struct update_job t = range_job(s, &s->ranges[i], u, norm->factor);

		pool_run(pool, pieces_of(t.n, ROWS_PIECE),
			 t.m8 ? adamw8_task : u->rule == UPDATE_LION ? lion_task : u->rule == UPDATE_SGD ? sgd_task : adamw_task, &t);
	}
}

/* --- the norm -------------------------------------------------------------------------------------- */

#define SUMSQ_PIECES 256

struct sumsq_job {
	const float *x;
	int64_t n, size;
	double part[SUMSQ_PIECES];
};

static void sumsq_task(void *arg, int64_t i, int worker)
{
	struct sumsq_job *t = arg;
	int64_t from = i * t->size, n = t->n - from < t->size ? t->n - from : t->size;
	const float *x = t->x + from;
	double sum[16] = {0};
	int64_t j = 0;

	(void)worker;
	for (; j + 16 <= n; j += 16)
		for (int l = 0; l < 16; l++)
			sum[l] += (double)x[j + l] * x[j + l];
	for (; j < n; j++)
		sum[0] += (double)x[j] * x[j];
	for (int l = 1; l < 16; l++)
		sum[0] += sum[l];
	t->part[i] = sum[0];
}

static double sumsq(struct pool *pool, const float *x, int64_t n)
{
	struct sumsq_job t = {.x = x, .n = n};
	int64_t pieces;
	double sum = 0;

	t.size = pieces_of(n, SUMSQ_PIECES);
	t.size = t.size < 1024 ? 1024 : t.size;
	pieces = pieces_of(n, t.size);
	pool_run(pool, pieces, sumsq_task, &t);
	for (int64_t i = 0; i < pieces; i++)
		sum += t.part[i];
	return sum;
}

/* Ranges that touch are summed as one, so that what they are parted for does not show in the sum. */
static void cpu_grad_norm(struct pool *pool, struct grad_norm *norm, const struct update_set *s, double clip)
{
	double sum = 0;

	for (int64_t i = 0, next; i < s->n; i = next) {
		int64_t from = s->ranges[i].from, to = from;

		for (next = i; next < s->n && s->ranges[next].from == to; next++)
			to += s->ranges[next].n;
		sum += sumsq(pool, s->g + from, to - from);
	}
	norm->norm = sqrt(sum);
	norm->factor = (float)(clip > 0 && norm->norm > clip ? clip / (norm->norm + 1e-6) : 1);
}

#endif
