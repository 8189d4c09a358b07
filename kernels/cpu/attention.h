/* attention.h - causal attention over packed sequences, without ever holding the score matrix (Dao et al.,
 * "FlashAttention", 2022): keys come in blocks of ATT_B, the softmax is rescaled as its maximum grows, and the backward
 * computes the scores again from the saved log-sum-exp.
 *
 * Key blocks are counted from the start of the sequence, and a query sees its keys in that order whatever queries share
 * its task: cached decoding gives, to the bit, what the whole sequence in one call gives. */
#ifndef QUERN_CPU_ATTENTION_H
#define QUERN_CPU_ATTENTION_H

#include "cpu/gemm.h"
#include "cpu/rows.h"

#define ATT_B KERNELS_KEY_BLOCK /* queries and keys per block */
#define ATT_D_MAX KERNELS_HEAD_MAX
_Static_assert(ATT_D_MAX <= PACK_DEPTH, "a head's keys are transposed whole");
#define ATT_TILES (GEMM_TILES && ACT_BF16)
#if !ATT_TILES
#include "cpu/block.h"
#endif
#define ATT_SUMS (1 << 20)      /* floats of a task that are not rounded yet: 4 MiB */
#define ATT_FEW_SEQS 8          /* fewer (sequence, kv head) pairs: the backward goes by blocks */

/* The last sequence that begins at or before token t (empty sequences before it are passed over). */
INLINE int64_t sequence_of(const int32_t *cu, int64_t s, int64_t t)
{
	int64_t lo = 0, hi = s;

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (cu[mid] <= t)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Up to ATT_B rows of queries against one head's keys and values. Row r sees the keys before seen + r * step, and of those
 * the last window. */
struct attend {
	const act *q, *k, *v;
	act *const *page;           /* of each block of keys; NULL: keys and values are at k and v, by rows */
	int64_t key_at, value_at;     /* of the head's in a page: keys transposed, values by rows */
	act *o;
	float *lse;                   /* may be NULL */
	int64_t q_ld, kv_ld, o_ld, lse_ld;
	int rows, d, step;
	int64_t seen, window;         /* window: INT64_MAX if there is none */
	float scale, cap;
};

/* The first of the keys before end that a window of them sees. */
INLINE int64_t window_start(int64_t end, int64_t window)
{
	return end > window ? end - window : 0;
}

/* A score from the product of a query and a key. */
INLINE vf score_of(vf product, float scale, float cap)
{
	vf s = product * v_set1(scale);

	return cap > 0 ? v_tanh(s / v_set1(cap)) * v_set1(cap) : s;
}

#if !ATT_TILES
struct attend_scratch {
	float kt[ATT_D_MAX * ATT_B], s[ATT_B * ATT_B], max[ATT_B], sum[ATT_B];
#if ACT_BF16                           /* as floats */
	float q[ATT_D_MAX * ATT_B], v[ATT_D_MAX * ATT_B], o[ATT_D_MAX * ATT_B];
#else
	float q[1], v[1];
#endif
} __attribute__((aligned(64)));

/* Where the sums of a row of o are until they are whole. */
INLINE float *attend_sums(const struct attend *t, struct attend_scratch *w, int r)
{
#if ACT_BF16
	return w->o + r * t->d;
#else
	(void)w;
	return &t->o[r * t->o_ld].value;
#endif
}

/* Turns row r's products with kn keys, of which it sees [lo, vis), into exp(score - max), with the row's running
 * statistics. */
static void attend_softmax(const struct attend *t, struct attend_scratch *w, int r, int lo, int vis, int kn)
{
	float *s = w->s + r * ATT_B, top, fade;
	vf max = v_set1(-INFINITY), sum = v_zero();
	bool all = vis - lo == ATT_B;
	int from = lo / VL * VL;

#pragma GCC unroll 4
	for (int j = 0; all && j < ATT_B; j += VL) {
		vf score = score_of(v_load(s + j), t->scale, t->cap);

		v_store(s + j, score);
		max = v_max(max, score);
	}
	for (int64_t j = from; !all && j < vis; j += VL) {
		v_store(s + j, score_of(v_load(s + j), t->scale, t->cap));
		for (int i = v_lanes(vis, j); i < VL; i++)
			s[j + i] = -INFINITY;
		for (int64_t i = j; i < lo; i++)
			s[i] = -INFINITY;
		max = v_max(max, v_load(s + j));
	}
	top = v_hmax(max);
	top = top > w->max[r] || top != top ? top : w->max[r];
	fade = top == w->max[r] ? 1.0f : expf(w->max[r] - top);
#pragma GCC unroll 4
	for (int j = 0; all && j < ATT_B; j += VL) {
		vf e = v_exp(v_load(s + j) - v_set1(top));

		v_store(s + j, e);
		sum += e;
	}
	memset(s, 0, (size_t)from * sizeof *s);
	for (int64_t j = from; !all && j < vis; j += VL) {
		v_store(s + j, v_exp(v_load(s + j) - v_set1(top)));
		for (int i = v_lanes(vis, j); i < VL; i++)
			s[j + i] = 0;
		for (int64_t i = j; i < lo; i++)
			s[i] = 0;
		sum += v_load(s + j);
	}
	for (int j = (vis + VL - 1) / VL * VL; j < kn; j++)
		s[j] = 0;
	w->sum[r] = w->sum[r] * fade + v_sum(sum);
	w->max[r] = top;
	if (fade != 1.0f)
		for (V_EACH(j, t->d))
			v_store_at(attend_sums(t, w, r), v_load_at(attend_sums(t, w, r), t->d, j) * v_set1(fade), t->d, j);
}

static void attend(const struct attend *t, struct attend_scratch *w)
{
	struct operand keys = acts_of(t->k, t->kv_ld, NULL, false);
	int64_t end = t->seen + (int64_t)(t->rows - 1) * t->step, q_ld = t->q_ld, o_ld = ACT_BF16 ? t->d : t->o_ld;
	const float *q = rows_of_acts(w->q, t->q, &q_ld, t->rows, t->d);

	for (int r = 0; r < t->rows; r++) {
		w->max[r] = -INFINITY;
		w->sum[r] = 0;
		memset(attend_sums(t, w, r), 0, (size_t)t->d * sizeof(float));
	}
	for (int64_t k0 = window_start(t->seen, t->window) / ATT_B * ATT_B; k0 < end; k0 += ATT_B) {
		int kn = end - k0 < ATT_B ? (int)(end - k0) : ATT_B;

		const act *page = t->page ? t->page[k0 / ATT_B] : NULL;
		int64_t wide = (kn + 2 * VL - 1) / (2 * VL) * (2 * VL), kt_ld = ATT_B, v_ld = t->kv_ld;
		const float *kt = w->kt, *v = rows_of_acts(w->v, page ? page + t->value_at : t->v + k0 * t->kv_ld, &v_ld, kn, t->d);

		if (page)
			kt = rows_of_acts(w->kt, page + t->key_at, &kt_ld, t->d, ATT_B);
		else
			pack_rows(w->kt, ATT_B, &keys, k0, kn, 0, t->d, 0);
		mul(w->s, ATT_B, q, q_ld, 1, kt, ATT_B, t->rows, wide, t->d, false);
		for (int r = 0; r < t->rows; r++) {
			int64_t stop = t->seen + (int64_t)r * t->step, vis = stop - k0, lo = window_start(stop, t->window) - k0;

			lo = lo > 0 ? lo : 0;
			vis = vis < kn ? vis : kn;
			if (vis > lo)
				attend_softmax(t, w, r, (int)lo, (int)vis, kn);
			else
				memset(w->s + r * ATT_B, 0, (size_t)kn * sizeof(float));
		}
		mul(attend_sums(t, w, 0), o_ld, w->s, ATT_B, 1, v, v_ld, t->rows, t->d, kn, true);
	}
	for (int r = 0; r < t->rows; r++) {
		for (V_EACH(j, t->d))
			a_store_at(t->o + r * t->o_ld, v_load_at(attend_sums(t, w, r), t->d, j) / v_set1(w->sum[r]), t->d, j);
		if (t->lse)
			t->lse[r * t->lse_ld] = w->max[r] + logf(w->sum[r]);
	}
}
#endif

struct att_job {
	act *o;
	float *lse;
	const act *qkv;
	struct kv_pages kv;           /* table NULL: there is no cache */
	const int32_t *cu, *past;
	int64_t s, ld, window, piece; /* piece: tokens of a task */
	int h, hkv, d;
	float scale, cap;
	/* backward */
	act *dqkv;
	const act *d_o, *fwd_o;
	const float *fwd_lse;
	float *sums;                  /* of activations that are rounded: sums_room floats of each thread, for the gradients of a task */
	int64_t sums_room;
	float *delta;                 /* [N, H]: the sums over dO O, unless tiles take them as they go */
};

INLINE struct att_job att_of(struct heads a)
{
	return (struct att_job){.ld = (int64_t)(a.h + 2 * a.hkv) * a.d, .h = a.h, .hkv = a.hkv, .d = a.d, .scale = a.scale,
				.cap = a.cap, .window = a.window > 0 ? a.window : INT64_MAX};
}

/* Where the gradients of a task go: floats of tokens from `from` on, ld apart, heads side by side. With activations that are rounded,
 * sums of the thread's own; else dqkv itself. */
struct back_sums {
	float *q, *k, *v;            /* of the first head of the group; of the kv head */
	int64_t ld, from;
};

INLINE int64_t back_width(const struct att_job *t) { return (int64_t)(t->h / t->hkv + 2) * t->d; }

/* Of tokens [from, to). */
static struct back_sums back_begin(const struct att_job *t, int64_t kvh, int64_t from, int64_t to, int worker)
{
	int64_t group = t->h / t->hkv, d = t->d;
#if ACT_BF16
	float *sums = t->sums + worker * t->sums_room;

	(void)kvh;
	memset(sums, 0, (size_t)((to - from) * back_width(t)) * sizeof *sums);
	return (struct back_sums){sums, sums + group * d, sums + (group + 1) * d, back_width(t), from};
#else
	float *at = &t->dqkv[from * t->ld].value, *k = at + (t->h + kvh) * d;

	(void)to, (void)worker;
	return (struct back_sums){at + kvh * group * d, k, k + t->hkv * d, t->ld, from};
#endif
}

/* Their sums are whole. */
static void back_end(const struct att_job *t, const struct back_sums *o, int64_t kvh, int64_t to, bool want_q, bool want_kv)
{
#if ACT_BF16
	int64_t group = t->h / t->hkv, d = t->d;

	for (int64_t i = o->from; i < to; i++) {
		const float *from = o->q + (i - o->from) * o->ld;
		act *row = t->dqkv + i * t->ld, *k = row + (t->h + kvh) * d;

		for (int64_t j = 0; want_q && j < group * d; j += VL)
			a_store_at(row + kvh * group * d, v_load_at(from, group * d, j), group * d, j);
		for (int64_t j = 0; want_kv && j < d; j += VL) {
			a_store_at(k, v_load_at(from + group * d, d, j), d, j);
			a_store_at(k + t->hkv * d, v_load_at(from + (group + 1) * d, d, j), d, j);
		}
	}
#else
	(void)t, (void)o, (void)kvh, (void)to, (void)want_q, (void)want_kv;
#endif
}

#include "cpu/attention_tiles.h"
#include "cpu/attention_few.h"

/* Keys and values of tokens [t0, t1) of the pack, all of one sequence and kv head, to their pages. */
static void keep_keys(const struct att_job *t, int64_t seq, int64_t kvh, int64_t t0, int64_t t1)
{
	int64_t d = t->d, keys = t->kv.at + kvh * d * ATT_B, values = keys + t->hkv * d * ATT_B;

#if ATT_TILES
	if (pages_in_tiles(d)) {
		tiles_keep(t, seq, kvh, t0, t1);
		return;
	}
#endif
	for (int64_t i = t0; i < t1; i++) {
		int64_t at = t->past[seq] + (i - t->cu[seq]);
		const act *k = t->qkv + i * t->ld + (t->h + kvh) * d;
		act *page = t->kv.table[seq * t->kv.width + at / ATT_B], *kt = page + keys + at % ATT_B;

		for (int64_t p = 0; p < d; p++)
			kt[p * ATT_B] = k[p];
		memcpy(page + values + at % ATT_B * d, k + t->hkv * d, (size_t)d * sizeof *k);
	}
}

#if ATT_TILES
/* Whether each task is a token's whose heads of a kv head fit one tile. */
static bool takes_few(const struct att_job *t)
{
	return t->piece == 1 && t->kv.table && t->h / t->hkv <= FEW_QUERIES && pages_in_tiles(t->d);
}
#endif

/* Tokens [piece i, piece i + piece) of the pack for one head of keys: head by head, or for a single token the group of heads at once. */
static void att_task(void *arg, int64_t index, int worker)
{
	const struct att_job *t = arg;
	int64_t block = index / t->hkv, kvh = index % t->hkv, n = t->cu[t->s], end = (block + 1) * t->piece;
	int group = t->h / t->hkv;
#if ATT_TILES
	struct tiles_forward w;
#else
	struct attend_scratch w;
#endif

	(void)worker;
#if ATT_TILES
	if (takes_few(t))
		configure_few(group);
	else
		tiles_configure();
#endif
	end = end < n ? end : n;
	for (int64_t t0 = block * t->piece; t0 < end;) {
		int64_t seq = sequence_of(t->cu, t->s, t0), t1 = t->cu[seq + 1] < end ? t->cu[seq + 1] : end;
		int64_t before = t0 - t->cu[seq], hd = (int64_t)t->h * t->d;
		struct attend a = {.rows = (int)(t1 - t0), .d = t->d, .step = 1, .seen = before + 1, .q_ld = t->ld,
				   .o_ld = hd, .lse_ld = t->h, .window = t->window, .scale = t->scale, .cap = t->cap};
		bool single = a.rows == 1 && group <= ATT_B;

		if (t->kv.table) {
			if (t->piece == 1) /* nobody else's keys are new to it */
				keep_keys(t, seq, kvh, t0, t1);
			a.seen += t->past[seq];
			a.kv_ld = t->d;
			a.page = t->kv.table + seq * t->kv.width;
			a.key_at = t->kv.at + kvh * t->d * ATT_B;
			a.value_at = a.key_at + (int64_t)t->hkv * t->d * ATT_B;
		} else {
			a.kv_ld = t->ld;
			a.k = t->qkv + t->cu[seq] * t->ld + hd + kvh * t->d;
			a.v = a.k + (int64_t)t->hkv * t->d;
		}
		if (single)
			a.rows = group, a.step = 0, a.q_ld = a.o_ld = t->d, a.lse_ld = 1;
#if ATT_TILES
		if (takes_few(t)) {
			a.q = t->qkv + t0 * t->ld + kvh * group * t->d;
			a.o = t->o + t0 * hd + kvh * group * t->d;
			attend_few(&a);
			t0 = t1;
			continue;
		}
#endif
		for (int64_t g = kvh * group; g < (kvh + 1) * group; g += single ? group : 1) {
			a.q = t->qkv + t0 * t->ld + g * t->d;
			a.o = t->o + t0 * hd + g * t->d;
			a.lse = t->lse ? t->lse + t0 * t->h + g : NULL;
			attend(&a, &w);
		}
		t0 = t1;
	}
#if ATT_TILES
	_tile_release();
#endif
}

/* Tokens of a task that does not take a whole sequence, or one token. */
INLINE int64_t task_tokens(int d)
{
#if ATT_TILES
	return run_of(d) * ATT_B;
#else
	(void)d;
	return ATT_B;
#endif
}

static void cpu_attention(struct pool *pool, act *o, float *lse, const act *qkv, const int32_t *cu, int64_t s,
		      struct heads hd)
{
	struct att_job t = att_of(hd);

	t.o = o, t.lse = lse, t.qkv = qkv, t.cu = cu, t.s = s, t.piece = task_tokens(t.d);
	if (s > 0)
		pool_run(pool, pieces_of(cu[s], t.piece) * hd.hkv, att_task, &t);
}

static void keep_task(void *arg, int64_t i, int worker)
{
	const struct att_job *t = arg;
	int64_t seq = i / t->hkv;

	(void)worker;
	keep_keys(t, seq, i % t->hkv, t->cu[seq], t->cu[seq + 1]);
}

/* Where each sequence brings one token, a task's token needs no other's keys: they are kept as it goes. */
static void cpu_attention_cached(struct pool *pool, act *o, const act *qkv, struct kv_pages kv, const int32_t *past,
			     const int32_t *cu, int64_t s, struct heads hd)
{
	struct att_job t = att_of(hd);
	bool single = true;

	for (int64_t i = 0; i < s; i++)
		single &= cu[i + 1] - cu[i] <= 1;
	t.o = o, t.qkv = qkv, t.kv = kv, t.past = past, t.cu = cu, t.s = s, t.piece = single ? 1 : task_tokens(t.d);
	if (s > 0 && !single)
		pool_run(pool, s * hd.hkv, keep_task, &t);
	if (s > 0)
		pool_run(pool, pieces_of(cu[s], t.piece) * hd.hkv, att_task, &t);
}

/* --- backward --------------------------------------------------------------------------------------
 * With P = exp(S - lse), delta = rowsum(dO O): dV += P^T dO, dS = P (dO V^T - delta) scale (under a cap, times
 * 1 - (S / cap)^2), dQ += dS K, dK += dS^T Q. Where there are few sequences, dQ goes by query blocks and dK, dV by key blocks, each task with
 * a place of its own (the scores are then computed twice); else one task does all of a sequence's kv head. */

#if !ATT_TILES
struct back_scratch {
	float kt[ATT_D_MAX * ATT_B], vt[ATT_D_MAX * ATT_B], p[ATT_B * ATT_B], ds[ATT_B * ATT_B];
	float k[ATT_B * ATT_D_MAX], q[ATT_B * ATT_D_MAX], d_o[ATT_B * ATT_D_MAX];    /* rows side by side */
	float dk[ATT_B * ATT_D_MAX], dv[ATT_B * ATT_D_MAX];    /* the same: sums over the queries so far */
} __attribute__((aligned(64)));

/* Rows that lie a power of two apart, or nearly, share few places in the cache. */
static void rows_together(float *to, const act *from, int64_t ld, int64_t n, int64_t d)
{
	for (int64_t r = 0; r < n; r++)
		for (V_EACH(j, d))
			v_store_at(to + r * d, a_load_at(from + r * ld, d, j), d, j);
}

/* One block of queries [q0, q1) of head g against the keys [k0, k1), all counted in the pack (so a window may reach to
 * keys of the sequence before, which are not among them); kt, vt and k are packed. */
static void back_block(const struct att_job *t, struct back_scratch *w, const struct back_sums *to, int64_t g, int64_t kvh, int64_t q0, int64_t q1,
		       int64_t k0, int64_t k1, bool want_q, bool want_kv)
{
	int64_t hd = (int64_t)t->h * t->d, ld = t->ld, d = t->d, qn = q1 - q0, kn = k1 - k0;
	float *dq = to->q + (q0 - to->from) * to->ld + (g - kvh * (t->h / t->hkv)) * d;

	rows_together(w->q, t->qkv + q0 * ld + g * d, ld, qn, d);
	rows_together(w->d_o, t->d_o + q0 * hd + g * d, hd, qn, d);
	mul(w->p, ATT_B, w->q, d, 1, w->kt, ATT_B, qn, ATT_B, d, false);
	mul(w->ds, ATT_B, w->d_o, d, 1, w->vt, ATT_B, qn, ATT_B, d, false);
	for (int64_t r = 0; r < qn; r++) {
		float *p = w->p + r * ATT_B, *ds = w->ds + r * ATT_B, lse = t->fwd_lse[(q0 + r) * t->h + g];
		int64_t stop = q0 + r + 1, vis = stop - k0 < kn ? stop - k0 : kn, lo = window_start(stop, t->window) - k0;
		vf delta = v_set1(t->delta[(q0 + r) * t->h + g]);

		for (V_EACH(j, kn)) {
			vf score = score_of(v_load(p + j), t->scale, t->cap), pv = v_exp(score - v_set1(lse));
			vf d_score = pv * (v_load(ds + j) - delta) * v_set1(t->scale);

			if (t->cap > 0)
				d_score *= v_set1(1.0f) - score * score * v_set1(1 / (t->cap * t->cap));
			v_store(p + j, pv);
			v_store(ds + j, d_score);
		}
		for (int64_t j = 0; j < lo && j < kn; j++)
			p[j] = ds[j] = 0;
		for (int64_t j = vis > 0 ? vis : 0; j < kn; j++)
			p[j] = ds[j] = 0;
	}
	if (want_q)
		mul(dq, to->ld, w->ds, ATT_B, 1, w->k, d, qn, d, kn, true);
	if (want_kv) {
		mul(w->dk, d, w->ds, 1, ATT_B, w->q, d, kn, d, qn, true);
		mul(w->dv, d, w->p, 1, ATT_B, w->d_o, d, kn, d, qn, true);
	}
}

/* to[n, d] += from, whose rows lie side by side. */
static void add_rows_to(float *to, int64_t ld, const float *from, int64_t n, int64_t d)
{
	for (int64_t r = 0; r < n; r++)
		for (V_EACH(j, d))
			v_store_at(to + r * ld, v_load_at(to + r * ld, d, j) + v_load_at(from + r * d, d, j), d, j);
}

/* Queries [q0, q1) against keys [k0, k1) of one sequence and kv head; blocks are counted from its start. */
static void back_range(const struct att_job *t, const struct back_sums *to, int64_t kvh, int64_t q0, int64_t q1, int64_t k0, int64_t k1, bool want_q,
		       bool want_kv)
{
	int64_t hd = (int64_t)t->h * t->d;
	int group = t->h / t->hkv;
	struct back_scratch w;

	if (window_start(q0 + 1, t->window) > k0)
		k0 += (window_start(q0 + 1, t->window) - k0) / ATT_B * ATT_B;
	for (int64_t kb = k0; kb < k1; kb += ATT_B) {
		int64_t ke = kb + ATT_B < k1 ? kb + ATT_B : k1;
		const act *keys = t->qkv + kb * t->ld + hd + kvh * t->d;
		struct operand k = acts_of(keys, t->ld, NULL, false), v = acts_of(keys + (int64_t)t->hkv * t->d, t->ld, NULL, false);

		pack_rows(w.kt, ATT_B, &k, 0, (int)(ke - kb), 0, t->d, 0);
		pack_rows(w.vt, ATT_B, &v, 0, (int)(ke - kb), 0, t->d, 0);
		rows_together(w.k, keys, t->ld, ke - kb, t->d);
		memset(w.dk, 0, (size_t)((ke - kb) * t->d) * sizeof *w.dk);
		memset(w.dv, 0, (size_t)((ke - kb) * t->d) * sizeof *w.dv);
		for (int64_t g = kvh * group; g < (kvh + 1) * group; g++)
			for (int64_t qb = q0 > kb ? q0 : kb; qb < q1 && window_start(qb + 1, t->window) < ke; qb += ATT_B)
				back_block(t, &w, to, g, kvh, qb, qb + ATT_B < q1 ? qb + ATT_B : q1, kb, ke, want_q, want_kv);
		if (want_kv) {
			add_rows_to(to->k + (kb - to->from) * to->ld, to->ld, w.dk, ke - kb, t->d);
			add_rows_to(to->v + (kb - to->from) * to->ld, to->ld, w.dv, ke - kb, t->d);
		}
	}
}

/* Every block of keys asks for them. */
static void delta_task(void *arg, int64_t i, int worker)
{
	const struct att_job *t = arg;
	int64_t hd = (int64_t)t->h * t->d, per = rows_per_piece(hd), n = t->cu[t->s], r1 = (i + 1) * per < n ? (i + 1) * per : n;

	(void)worker;
	for (int64_t r = i * per; r < r1; r++)
		for (int64_t g = 0; g < t->h; g++) {
			const act *o = t->fwd_o + r * hd + g * t->d, *d_o = t->d_o + r * hd + g * t->d;
			vf sum = v_zero();

			for (V_EACH(j, t->d))
				sum = v_fma(a_load_at(o, t->d, j), a_load_at(d_o, t->d, j), sum);
			t->delta[r * t->h + g] = v_sum(sum);
		}
}

static void back_sequence_task(void *arg, int64_t i, int worker)
{
	const struct att_job *t = arg;
	int64_t from = t->cu[i / t->hkv], to = t->cu[i / t->hkv + 1];
	struct back_sums sums = back_begin(t, i % t->hkv, from, to, worker);

	back_range(t, &sums, i % t->hkv, from, to, from, to, true, true);
	back_end(t, &sums, i % t->hkv, to, true, true);
}

/* Tasks by blocks of the pack: even ones give dQ of the block's tokens, odd ones their dK and dV. */
static void back_piece_task(void *arg, int64_t i, int worker)
{
	const struct att_job *t = arg;
	int64_t kvh = i / 2 % t->hkv, block = i / 2 / t->hkv, end = (block + 1) * ATT_B;
	bool keys = i & 1;

	end = end < t->cu[t->s] ? end : t->cu[t->s];
	for (int64_t t0 = block * ATT_B; t0 < end;) {
		int64_t seq = sequence_of(t->cu, t->s, t0), t1 = t->cu[seq + 1] < end ? t->cu[seq + 1] : end;

		struct back_sums sums = back_begin(t, kvh, t0, t1, worker);

		if (keys)
			back_range(t, &sums, kvh, t0, t->cu[seq + 1], t0, t1, false, true);
		else
			back_range(t, &sums, kvh, t0, t1, t->cu[seq], t1, true, false);
		back_end(t, &sums, kvh, t1, !keys, keys);
		t0 = t1;
	}
}

#endif

/* A task takes a sequence where there are many, and the sums of one are not too many; tokens of the longest then. */
static bool back_by_sequence(struct att_job *t)
{
	int64_t longest = 0;

	for (int64_t i = 0; i < t->s; i++)
		longest = t->cu[i + 1] - t->cu[i] > longest ? t->cu[i + 1] - t->cu[i] : longest;
	t->sums_room = longest * back_width(t);
	return t->s * t->hkv >= ATT_FEW_SEQS && (!ACT_BF16 || t->sums_room <= ATT_SUMS);
}

static void cpu_attention_dqkv(struct pool *pool, act *dqkv, const act *d_o, const act *o, const float *lse, const act *qkv,
			       const int32_t *cu, int64_t s, struct heads hd)
{
	struct att_job t = att_of(hd);
	int64_t sums, deltas = ATT_TILES || s <= 0 ? 0 : (int64_t)cu[s] * hd.h;
	bool whole;

	t.qkv = qkv, t.cu = cu, t.s = s, t.dqkv = dqkv, t.d_o = d_o, t.fwd_o = o, t.fwd_lse = lse;
	if (s <= 0)
		return;
	whole = back_by_sequence(&t);
	if (!whole)
		t.sums_room = task_tokens(t.d) * back_width(&t);
	sums = ACT_BF16 ? t.sums_room * (pool ? pool_threads(pool) : 1) : 0;
	t.sums = cpu_scratch((size_t)(sums + deltas) * sizeof(float));
	t.delta = t.sums + sums;
	if (!ACT_BF16)
		cpu_zero(pool, dqkv, (size_t)cu[s] * (size_t)t.ld * sizeof *dqkv);
#if ATT_TILES
	if (whole)
		pool_run(pool, s * hd.hkv, tiles_back_sequence_task, &t);
	else
		pool_run(pool, pieces_of(cu[s], task_tokens(t.d)) * hd.hkv * 2, tiles_back_piece_task, &t);
#else
	pool_run(pool, pieces_of(cu[s], rows_per_piece((int64_t)hd.h * hd.d)), delta_task, &t);
	if (whole)
		pool_run(pool, s * hd.hkv, back_sequence_task, &t);
	else
		pool_run(pool, pieces_of(cu[s], task_tokens(t.d)) * hd.hkv * 2, back_piece_task, &t);
#endif
}

#endif
