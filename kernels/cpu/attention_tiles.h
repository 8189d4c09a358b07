/* attention_tiles.h - included by attention.h: attention in AMX tiles, over whole sequences and over pages: blocks of 64 queries and 64 keys,
 * every operand brought in order once for several blocks.
 *
 * The backward holds the gradients of keys and values transposed: as dV^T = dO^T P and dK^T = Q^T dS both take P and dS by rows of
 * queries, which is how they are made, and only the blocks that stay the same for many products are ever turned over.
 *
 * A left operand lies by rows of pairs; a right one in panels of 32 columns, each step a pair of k (as in pack.h). Depth D of a
 * head is filled up with zeros to whole tiles. */
#ifndef QUERN_CPU_ATTENTION_TILES_H
#define QUERN_CPU_ATTENTION_TILES_H

#if ATT_TILES                   /* else this file says nothing */

#define TILE_WORDS (ATT_B * ATT_D_MAX / 2)    /* of an operand, in pairs */
#define TILE_RUN 4              /* blocks that are packed together: D <= 128; a wider head's one by one */
#define TILE_RUN_DEPTH (ATT_D_MAX / TILE_RUN)

INLINE int64_t whole_tiles(int64_t n) { return (n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS; }
INLINE int run_of(int d) { return d <= TILE_RUN_DEPTH ? TILE_RUN : 1; }

/* c[m, n] (+)= a b over `pairs` pairs of k; all but pairs in whole TILE_ROWS (m may be 16), pairs a multiple of 16. */
static void tiles_product(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t m, int64_t n, int64_t pairs,
			  int64_t b_pairs, bool acc)
{
	struct next none = {.at = NULL};
	struct ahead ahead = {.next = &none};       /* all lies in the cache */

	for (int64_t j = 0; j < n; j += 32, b += b_pairs * 32)
		for (int64_t i = 0; i < m; i += 32)
			if (m > 16)
				amx_tile(true, true, 1, 1, (int)pairs, a + i * lda, lda, b, c + i * ldc + j, ldc, acc, &ahead);
			else
				amx_tile(false, true, 1, 1, (int)pairs, a, lda, b, c + j, ldc, acc, &ahead);
}

/* Sixteen pairs of a row's d values from p. */
INLINE vf pairs_of_row(const act *x, int64_t d, int64_t p)
{
	__mmask32 m = d - p >= 2 * VL ? 0xffffffffu : (__mmask32)((1u << (d - p)) - 1);

	return (vf)_mm512_maskz_loadu_epi16(m, x + p);
}

/* Pairs of rows r and r + 1 (zeros from n on) in sixteen columns from j. */
INLINE vf pairs_of_columns(const act *x, int64_t ld, int64_t n, int64_t d, int64_t r, int64_t j)
{
	if (r >= n || j >= d)
		return v_zero();
	return v_stored_pair(&x[r * ld + j].bits, r + 1 < n ? &x[(r + 1) * ld + j].bits : NULL, d - j);
}

/* Rows x[n, d] as a left operand [64, D]. */
static void left_rows(float *to, const act *x, int64_t ld, int64_t n, int64_t d)
{
	int64_t wide = whole_tiles(d);

	for (int64_t r = 0; r < whole_tiles(n); r++)
		for (int64_t p = 0; p < wide; p += 32)
			v_store(to + (r * wide + p) / 2, r < n && p < d ? pairs_of_row(x + r * ld, d, p) : v_zero());
}

/* Their transpose [D, 64 rows] as a left operand. */
static void left_columns(float *to, const act *x, int64_t ld, int64_t n, int64_t d)
{
	for (int64_t j = 0; j < whole_tiles(d); j += VL)
		for (int64_t r = 0; r < whole_tiles(n); r += 2 * VL) {
			vf v[VL];

			for (int i = 0; i < VL; i++)
				v[i] = pairs_of_columns(x, ld, n, d, r + 2 * i, j);
			v_transpose(v);
			for (int i = 0; i < VL; i++)
				v_store(to + (j + i) * (ATT_B / 2) + r / 2, v[i]);
		}
}

/* Rows x[n, d] as a right operand [deep, D]. */
static void right_rows(float *to, const act *x, int64_t ld, int64_t n, int64_t d, int64_t deep)
{
	for (int64_t j = 0; j < whole_tiles(d); j += VL)
		for (int64_t r = 0; r < deep; r += 2)
			v_store(to + j / 32 * (deep / 2 * 32) + r / 2 * 32 + j % 32, pairs_of_columns(x, ld, n, d, r, j));
}

/* Their transpose [D, 64 rows] as a right operand. */
static void right_columns(float *to, const act *x, int64_t ld, int64_t n, int64_t d)
{
	int64_t wide = whole_tiles(d);

	for (int64_t r = 0; r < ATT_B; r += VL)
		for (int64_t p = 0; p < wide; p += 32) {
			vf v[VL];

			for (int i = 0; i < VL; i++)
				v[i] = r + i < n && p < d ? pairs_of_row(x + (r + i) * ld, d, p) : v_zero();
			v_transpose(v);
			for (int i = 0; i < VL; i++)
				v_store(to + r / 32 * (wide / 2 * 32) + (p / 2 + i) * 32 + r % 32, v[i]);
		}
}

/* --- pages ----------------------------------------------------------------------------------------------- */

/* Whether keys and values are kept as right operands, which their products read where they lie: keys [D, 64], values [64, D]. Heads of other
 * sizes would need more room than a page has. */
INLINE bool pages_in_tiles(int64_t d) { return d % TILE_ROWS == 0; }

/* Key `at` of a page. */
static void keep_key(act *keys, const act *k, int64_t at, int64_t d)
{
	act *to = keys + at / 32 * 32 * d + at % 32 * 2;

	for (int64_t p = 0; p < d; p += 2)
		memcpy(to + p * 32, k + p, 2 * sizeof *k);
}

/* Value `at` of a page: the even one of a pair makes the odd one zero. */
static void keep_value(act *values, const act *v, int64_t at, int64_t d)
{
	for (int64_t j = 0; j < d; j += VL) {
		act *to = values + j / 32 * 32 * ATT_B + at / 2 * 64 + j % 32 * 2;
		__m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)(const void *)(v + j)));

		if (at % 2)
			_mm512_mask_storeu_epi16(to, 0xaaaaaaaa, _mm512_slli_epi32(x, 16));
		else
			_mm512_storeu_si512(to, x);
	}
}

/* Values that are not there yet are multiplied by zero, in whole tiles: zeros from `at` on. */
static void clear_values(act *values, int64_t at, int64_t d)
{
	int64_t from = (at + 1) / 2, to = whole_tiles(at) / 2;

	for (int64_t j = 0; j < d; j += 32)
		memset(values + j * ATT_B + from * 64, 0, (size_t)(to - from) * 64 * sizeof *values);
}

/* Keys and values of tokens [t0, t1) of the pack, all of one sequence and kv head, to their pages. */
static void tiles_keep(const struct att_job *t, int64_t seq, int64_t kvh, int64_t t0, int64_t t1)
{
	int64_t d = t->d, at = t->past[seq] + (t0 - t->cu[seq]);

	for (int64_t i = t0; i < t1; i++, at++) {
		const act *k = t->qkv + i * t->ld + (t->h + kvh) * d;
		act *keys = t->kv.table[seq * t->kv.width + at / ATT_B] + t->kv.at + kvh * d * ATT_B, *values = keys + t->hkv * d * ATT_B;

		keep_key(keys, k, at % ATT_B, d);
		keep_value(values, k + t->hkv * d, at % ATT_B, d);
		if (i + 1 == t1)
			clear_values(values, at % ATT_B + 1, d);
	}
}

/* Which of sixteen keys from j are in [lo, vis). */
INLINE __mmask16 lanes_between(int64_t lo, int64_t vis, int64_t j)
{
	int64_t from = lo - j < 0 ? 0 : lo - j > VL ? VL : lo - j, to = vis - j < 0 ? 0 : vis - j > VL ? VL : vis - j;

	return (__mmask16)(((1u << to) - 1) & ~((1u << from) - 1));
}

/* --- forward ------------------------------------------------------------------------------------------- */

struct tiles_forward {
	float kt[TILE_WORDS], v[TILE_WORDS], q[TILE_WORDS], o[ATT_B * ATT_D_MAX];   /* q, o: of a run of blocks */
	float s[ATT_B * ATT_B], p[ATT_B * ATT_B / 2], max[TILE_RUN * ATT_B], sum[TILE_RUN * ATT_B];
} __attribute__((aligned(64)));

/* A block of keys and of values as right operands [D, 64] and [64, D]. */
struct right_block {
	const float *keys, *values;
};

/* Turns a row's products with 64 keys, of which it sees [lo, vis), into exp(score - max), rounded, at p, with the row's running
 * statistics; o is d wide in whole tiles. all: every key is seen. */
INLINE void tiles_softmax(const bool all, const struct attend *t, const float *s, float *p, float *o, float *max, float *sum, int lo,
			  int vis)
{
	vf e[ATT_B / VL], most = v_set1(-INFINITY), total = v_zero();
	__mmask16 seen[ATT_B / VL];
	float top, fade;

#pragma GCC unroll 4
	for (int i = 0; i < ATT_B / VL; i++) {
		seen[i] = all ? 0xffff : lanes_between(lo, vis, i * VL);
		e[i] = score_of(v_load(s + i * VL), t->scale, t->cap);
		e[i] = (vf)_mm512_mask_mov_ps((__m512)v_set1(-INFINITY), seen[i], (__m512)e[i]);
		most = v_max(most, e[i]);
	}
	top = v_hmax(most);
	top = top > *max || top != top ? top : *max;
	fade = top == *max ? 1.0f : expf(*max - top);
#pragma GCC unroll 4
	for (int i = 0; i < ATT_B / VL; i++) {
		e[i] = (vf)_mm512_maskz_mov_ps(seen[i], (__m512)v_exp(e[i] - v_set1(top)));
		total += e[i];
	}
#pragma GCC unroll 2
	for (int i = 0; i < ATT_B / VL; i += 2)
		v_store(p + i * VL / 2, (vf)_mm512_cvtne2ps_pbh((__m512)e[i + 1], (__m512)e[i]));
	*sum = *sum * fade + v_sum(total);
	*max = top;
	if (fade != 1.0f)
		for (int64_t j = 0; j < whole_tiles(t->d); j += VL)
			v_store(o + j, v_load(o + j) * v_set1(fade));
}

/* Block b of the run: its queries against keys [k0, k0 + kn). */
static void tiles_forward_pair(const struct attend *t, struct tiles_forward *w, struct right_block kv, int b, int rows, int64_t k0, int kn)
{
	int64_t wide = whole_tiles(t->d), first = t->seen + (int64_t)b * ATT_B * t->step, high = rows > 16 ? whole_tiles(rows) : 16;
	float *o = w->o + b * ATT_B * wide;

	tiles_product(w->s, ATT_B, w->q + b * ATT_B * wide / 2, wide / 2, kv.keys, high, whole_tiles(kn), wide / 2, wide / 2, false);
	for (int r = 0; r < high; r++) {
		int64_t stop = first + (int64_t)r * t->step, vis = stop - k0, lo = window_start(stop, t->window) - k0;

		lo = lo > 0 ? lo : 0;
		vis = vis < kn ? vis : kn;
		if (r < rows && vis - lo == ATT_B)
			tiles_softmax(true, t, w->s + r * ATT_B, w->p + r * ATT_B / 2, o + r * wide, &w->max[b * ATT_B + r],
				      &w->sum[b * ATT_B + r], 0, ATT_B);
		else if (r < rows && vis > lo)
			tiles_softmax(false, t, w->s + r * ATT_B, w->p + r * ATT_B / 2, o + r * wide, &w->max[b * ATT_B + r],
				      &w->sum[b * ATT_B + r], (int)lo, (int)vis);
		else
			memset(w->p + r * ATT_B / 2, 0, ATT_B / 2 * sizeof(float));
	}
	tiles_product(o, wide, w->p, ATT_B / 2, kv.values, high, wide, whole_tiles(kn) / 2, ATT_B / 2, true);
}

/* Keys and values [k0, k0 + kn), in w where they do not lie so already. */
static struct right_block tiles_keys(const struct attend *t, struct tiles_forward *w, int64_t k0, int kn)
{
	const act *page = t->page ? t->page[k0 / ATT_B] : NULL;

	if (page && pages_in_tiles(t->d))
		return (struct right_block){(const float *)(const void *)(page + t->key_at), (const float *)(const void *)(page + t->value_at)};
	if (page) {
		right_rows(w->kt, page + t->key_at, ATT_B, t->d, ATT_B, whole_tiles(t->d));
		right_rows(w->v, page + t->value_at, t->d, kn, t->d, ATT_B);
	} else {
		right_columns(w->kt, t->k + k0 * t->kv_ld, t->kv_ld, kn, t->d);
		right_rows(w->v, t->v + k0 * t->kv_ld, t->kv_ld, kn, t->d, ATT_B);
	}
	return (struct right_block){w->kt, w->v};
}

/* Up to a run of blocks of queries, t->rows in all. The tiles are configured. */
static void attend(const struct attend *t, struct tiles_forward *w)
{
	int64_t wide = whole_tiles(t->d), end = t->seen + (int64_t)(t->rows - 1) * t->step;

	memset(w->o, 0, (size_t)(whole_tiles(t->rows) * wide) * sizeof(float));
	for (int r = 0; r < t->rows; r++)
		w->max[r] = -INFINITY, w->sum[r] = 0;
	for (int64_t r = 0; r < t->rows; r += ATT_B)
		left_rows(w->q + r * wide / 2, t->q + r * t->q_ld, t->q_ld, shorter(ATT_B, t->rows - r), t->d);
	for (int64_t k0 = window_start(t->seen, t->window) / ATT_B * ATT_B; k0 < end; k0 += ATT_B) {
		int kn = (int)shorter(ATT_B, end - k0);
		struct right_block kv = tiles_keys(t, w, k0, kn);

		for (int b = 0; b * ATT_B < t->rows; b++) {
			int rows = (int)shorter(ATT_B, t->rows - b * ATT_B);
			int64_t first = t->seen + (int64_t)b * ATT_B * t->step, last = first + (int64_t)(rows - 1) * t->step;  /* of the block: see keys before */

			if (last > k0 && window_start(first, t->window) < k0 + kn)
				tiles_forward_pair(t, w, kv, b, rows, k0, (int)shorter(kn, last - k0));
		}
	}
	for (int r = 0; r < t->rows; r++) {
		for (V_EACH(j, t->d))
			a_store_at(t->o + r * t->o_ld, v_load(w->o + r * wide + j) / v_set1(w->sum[r]), t->d, j);
		if (t->lse)
			t->lse[r * t->lse_ld] = w->max[r] + logf(w->sum[r]);
	}
}

/* --- backward ------------------------------------------------------------------------------------------ */

/* Of a run of blocks of keys, and of one block of queries; dkt and dvt are [D, 64] each. */
struct tiles_back {
	float kt[TILE_WORDS], vt[TILE_WORDS], k[TILE_WORDS], dkt[ATT_B * ATT_D_MAX], dvt[ATT_B * ATT_D_MAX];
	float q[TILE_WORDS], q_turned[TILE_WORDS], d_o[TILE_WORDS], d_o_turned[TILE_WORDS], dq[ATT_B * ATT_D_MAX];
	float s[ATT_B * ATT_B], dp[ATT_B * ATT_B], p[ATT_B * ATT_B / 2], ds[ATT_B * ATT_B / 2], ds_rows[ATT_B * ATT_B / 2];
	float delta[ATT_B], lse[ATT_B];
} __attribute__((aligned(64)));

/* P and dS of row r of the block, sixteen keys from j, of which these are seen. */
INLINE void tiles_gradient(const struct att_job *t, const struct tiles_back *w, int64_t r, int64_t j, __mmask16 seen, vf *p, vf *ds)
{
	vf score = score_of(v_load(w->s + r * ATT_B + j), t->scale, t->cap);
	vf e = (vf)_mm512_maskz_mov_ps(seen, (__m512)v_exp(score - v_set1(w->lse[r])));
	vf d = e * (v_load(w->dp + r * ATT_B + j) - v_set1(w->delta[r])) * v_set1(t->scale);

	if (t->cap > 0)
		d *= v_set1(1.0f) - score * score * v_set1(1 / (t->cap * t->cap));
	*p = e;
	*ds = (vf)_mm512_maskz_mov_ps(seen, (__m512)d);
}

/* From products to P and dS as right operands, and dS as a left one. q0 and k0 count in the pack; all: every query sees every key. */
INLINE void tiles_gradients_of(const bool all, const struct att_job *t, struct tiles_back *w, int64_t q0, int64_t qn, int64_t k0, int64_t kn)
{
	for (int64_t r = 0; r < whole_tiles(qn); r += 2)
		for (int64_t j = 0; j < ATT_B; j += VL) {
			int64_t at = j / 32 * (ATT_B / 2 * 32) + r / 2 * 32 + j % 32;
			vf p[2], ds[2];

#pragma GCC unroll 2
			for (int i = 0; i < 2; i++) {
				int64_t stop = q0 + r + i + 1, vis = r + i < qn ? shorter(stop - k0, kn) : 0;

				tiles_gradient(t, w, r + i, j, all ? 0xffff : lanes_between(window_start(stop, t->window) - k0, vis, j), &p[i],
					       &ds[i]);
				_mm256_storeu_si256((__m256i_u *)(void *)(w->ds_rows + ((r + i) * ATT_B + j) / 2),
						    (__m256i)_mm512_cvtneps_pbh((__m512)ds[i]));
			}
			v_store(w->p + at, v_pair(p[0], p[1]));
			v_store(w->ds + at, v_pair(ds[0], ds[1]));
		}
}

static void tiles_gradients(const struct att_job *t, struct tiles_back *w, int64_t q0, int64_t qn, int64_t k0, int64_t kn)
{
	if (qn == ATT_B && kn == ATT_B && k0 + kn <= q0 + 1 && window_start(q0 + qn, t->window) <= k0)
		tiles_gradients_of(true, t, w, q0, qn, k0, kn);
	else
		tiles_gradients_of(false, t, w, q0, qn, k0, kn);
}

/* The block of queries [q0, q0 + qn) of head g: its operands, and delta. */
static void tiles_back_queries(const struct att_job *t, struct tiles_back *w, int64_t g, int64_t q0, int64_t qn, bool want_kv)
{
	int64_t hd = (int64_t)t->h * t->d;
	const act *q = t->qkv + q0 * t->ld + g * t->d, *d_o = t->d_o + q0 * hd + g * t->d, *o = t->fwd_o + q0 * hd + g * t->d;

	left_rows(w->q, q, t->ld, qn, t->d);
	left_rows(w->d_o, d_o, hd, qn, t->d);
	if (want_kv) {
		left_columns(w->q_turned, q, t->ld, qn, t->d);
		left_columns(w->d_o_turned, d_o, hd, qn, t->d);
	}
	for (int64_t r = 0; r < ATT_B; r++) {
		vf delta = v_zero();

		for (int64_t j = 0; r < qn && j < t->d; j += VL)
			delta = v_fma(a_load_at(o + r * hd, t->d, j), a_load_at(d_o + r * hd, t->d, j), delta);
		w->delta[r] = v_sum(delta);
		w->lse[r] = r < qn ? t->fwd_lse[(q0 + r) * t->h + g] : 0;
	}
}

/* The same block against block b of the run of keys, [k0, k0 + kn); first: nothing is in dq yet. */
static void tiles_back_pair(const struct att_job *t, struct tiles_back *w, int b, int64_t q0, int64_t qn, int64_t k0, int64_t kn,
			    bool want_q, bool want_kv, bool first)
{
	int64_t wide = whole_tiles(t->d), at = b * ATT_B * wide, qt = whole_tiles(qn), kt = whole_tiles(kn);

	tiles_product(w->s, ATT_B, w->q, wide / 2, w->kt + at / 2, qt, kt, wide / 2, wide / 2, false);
	tiles_product(w->dp, ATT_B, w->d_o, wide / 2, w->vt + at / 2, qt, kt, wide / 2, wide / 2, false);
	tiles_gradients(t, w, q0, qn, k0, kn);
	if (want_q)
		tiles_product(w->dq, wide, w->ds_rows, ATT_B / 2, w->k + at / 2, qt, wide, kt / 2, ATT_B / 2, !first);
	if (want_kv) {
		tiles_product(w->dkt + at, ATT_B, w->q_turned, ATT_B / 2, w->ds, wide, kt, qt / 2, ATT_B / 2, true);
		tiles_product(w->dvt + at, ATT_B, w->d_o_turned, ATT_B / 2, w->p, wide, kt, qt / 2, ATT_B / 2, true);
	}
}

/* to[n, d] = from[D, 64] transposed. */
static void tiles_turn_back(float *to, int64_t ld, const float *from, int64_t n, int64_t d)
{
	for (int64_t r = 0; r < n; r += VL)
		for (int64_t j = 0; j < d; j += VL) {
			vf v[VL];

			for (int i = 0; i < VL; i++)
				v[i] = v_load(from + (j + i) * ATT_B + r);
			v_transpose(v);
			for (int i = 0; i < VL && r + i < n; i++)
				v_store_at(to + (r + i) * ld, v[i], d, j);
		}
}

/* dQ of a block of queries, added to what is there. */
static void tiles_put_dq(const struct att_job *t, const struct tiles_back *w, float *dq, int64_t ld, int64_t qn)
{
	int64_t wide = whole_tiles(t->d);

	for (int64_t r = 0; r < qn; r++)
		for (V_EACH(j, t->d))
			v_store_at(dq + r * ld, v_load_at(dq + r * ld, t->d, j) + v_load(w->dq + r * wide + j), t->d, j);
}

/* The block of queries from qb, against the run of keys [k0, k1) of a sequence; its dQ is added to dq. */
static void tiles_back_block(const struct att_job *t, struct tiles_back *w, float *dq, int64_t ld, int64_t g, int64_t qb, int64_t qn, int64_t k0,
			     int64_t k1, bool want_q, bool want_kv)
{
	int64_t start = window_start(qb + 1, t->window);     /* of the keys that the first query sees */
	bool any = false;

	tiles_back_queries(t, w, g, qb, qn, want_kv);
	for (int64_t kb = k0; kb < k1 && kb < qb + qn; kb += ATT_B)
		if (start < kb + ATT_B) {
			tiles_back_pair(t, w, (int)((kb - k0) / ATT_B), qb, qn, kb, shorter(ATT_B, k1 - kb), want_q, want_kv, !any);
			any = true;
		}
	if (want_q && any)
		tiles_put_dq(t, w, dq, ld, qn);
}

/* Queries [q0, q1) against a run of keys [k0, k1), of a sequence and kv head; counted in the pack. The runs of a query are taken in
 * their order. */
static void tiles_back_run(const struct att_job *t, struct tiles_back *w, const struct back_sums *to, int64_t kvh, int64_t q0, int64_t q1, int64_t k0,
			   int64_t k1, bool want_q, bool want_kv)
{
	int64_t hd = (int64_t)t->h * t->d, wide = whole_tiles(t->d), group = t->h / t->hkv, width = (int64_t)t->hkv * t->d;
	int64_t first = q0 + (k0 > q0 ? (k0 - q0) / ATT_B * ATT_B : 0);

	for (int64_t kb = k0, at = 0; kb < k1; kb += ATT_B, at += ATT_B * wide) {
		const act *k = t->qkv + kb * t->ld + hd + kvh * t->d;
		int64_t kn = shorter(ATT_B, k1 - kb);

		right_columns(w->kt + at / 2, k, t->ld, kn, t->d);
		right_columns(w->vt + at / 2, k + width, t->ld, kn, t->d);
		if (want_q)
			right_rows(w->k + at / 2, k, t->ld, kn, t->d, ATT_B);
		memset(w->dkt + at, 0, (size_t)(ATT_B * wide) * sizeof(float));
		memset(w->dvt + at, 0, (size_t)(ATT_B * wide) * sizeof(float));
	}
	for (int64_t g = kvh * group; g < (kvh + 1) * group; g++)
		for (int64_t qb = first; qb < q1 && window_start(qb + 1, t->window) < k1; qb += ATT_B)
			tiles_back_block(t, w, to->q + (qb - to->from) * to->ld + (g - kvh * group) * t->d, to->ld, g, qb, shorter(ATT_B, q1 - qb),
					 k0, k1, want_q, want_kv);
	for (int64_t kb = k0, at = 0; want_kv && kb < k1; kb += ATT_B, at += ATT_B * wide) {
		int64_t n = shorter(ATT_B, k1 - kb), row = (kb - to->from) * to->ld;

		tiles_turn_back(to->k + row, to->ld, w->dkt + at, n, t->d);
		tiles_turn_back(to->v + row, to->ld, w->dvt + at, n, t->d);
	}
}

static void tiles_back_sequence_task(void *arg, int64_t i, int worker)
{
	const struct att_job *t = arg;
	int64_t from = t->cu[i / t->hkv], to = t->cu[i / t->hkv + 1], run = run_of(t->d) * ATT_B;
	struct back_sums sums = back_begin(t, i % t->hkv, from, to, worker);
	struct tiles_back w;

	tiles_configure();
	for (int64_t k0 = from; k0 < to; k0 += run)
		tiles_back_run(t, &w, &sums, i % t->hkv, from, to, k0, shorter(k0 + run, to), true, true);
	_tile_release();
	back_end(t, &sums, i % t->hkv, to, true, true);
}

/* Tasks by runs of blocks of the pack: even ones give dQ of its tokens, odd ones their dK and dV. */
static void tiles_back_piece_task(void *arg, int64_t i, int worker)
{
	const struct att_job *t = arg;
	int64_t run = run_of(t->d) * ATT_B, kvh = i / 2 % t->hkv, at = i / 2 / t->hkv * run;
	struct tiles_back w;

	tiles_configure();
	for (int64_t t0 = at, t1, end = shorter(at + run, t->cu[t->s]); t0 < end; t0 = t1) {
		int64_t seq = sequence_of(t->cu, t->s, t0), from = t->cu[seq], k0 = from + (window_start(t0 + 1, t->window) - from) / run * run;

		struct back_sums sums;

		t1 = shorter(t->cu[seq + 1], end);
		sums = back_begin(t, kvh, t0, t1, worker);
		if (i & 1)
			tiles_back_run(t, &w, &sums, kvh, t0, t->cu[seq + 1], t0, t1, false, true);
		else
			for (k0 = k0 > from ? k0 : from; k0 < t1; k0 += run)
				tiles_back_run(t, &w, &sums, kvh, t0, t1, k0, shorter(k0 + run, t1), true, false);
		back_end(t, &sums, kvh, t1, !(i & 1), i & 1);
	}
	_tile_release();
}

#endif

#endif
