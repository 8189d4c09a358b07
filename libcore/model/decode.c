/* decode.c - generation: keys and values of earlier tokens are kept in pages (pages.h), so a call computes only new tokens. */
#include "model/layout.h"
#include "model/lora.h"
#include "model/pages.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* Of a call: its tokens, their places, the sequences' cumulative lengths and pasts, the tokens that have logits, the pages. */
struct arguments {
	int32_t *ids, *pos, *cu, *past, *rows;
	act **table;                 /* [s, width] */
};

struct model_cache {
	const struct kernels *k;
	int slots, positions;
	int64_t n_max;
	void *arena;                 /* device */
	struct pages pages;
	struct arguments args, host; /* of a call, on the device and as they are made: one upload */
	int64_t width;
	struct acts acts;
	act *last;                   /* [slots, hidden] of each sequence's last token */
	float *logits;               /* [slots, vocab] */
	struct logits_sum *sums;     /* [slots] */
	struct rotary rotary;
	int32_t *last_rows;          /* host, [slots] */
	bool *taken;                 /* [slots], for the check that no slot is named twice */
	/* of model_decode_targets, made by its first call */
	void *target_arena;
	int64_t target_max;          /* targets it has room for */
	act *target_x, *target_norm;
	float *target_rstd, *target_logp, *target_lse, *target_scratch;
	bool *target_greedy;
	int32_t *target_ids, *target_rows;
};

/* In one piece from ids on, the table last. */
static void plan_arguments(struct plan *p, struct arguments *a, const struct model_cache *c)
{
	a->ids = plan_take(p, c->n_max, sizeof(int32_t));
	a->pos = plan_take(p, c->n_max, sizeof(int32_t));
	a->cu = plan_take(p, c->slots + 1, sizeof(int32_t));
	a->past = plan_take(p, c->slots, sizeof(int32_t));
	a->rows = plan_take(p, c->slots, sizeof(int32_t));
	a->table = plan_take(p, (int64_t)c->slots * pages_for(c->positions), sizeof(act *));
}

static void plan_cache(struct plan *p, struct model_cache *c, const struct model *m)
{
	const struct model_config *f = &m->cfg;
	int64_t n = c->n_max;

	acts_plan(p, &c->acts, m, n);
	c->last = plan_acts(p, m->k, c->slots, f->hidden);
	c->logits = plan_floats(p, c->slots, f->vocab);
	c->sums = plan_take(p, c->slots, sizeof(*c->sums));
	rotary_plan(p, &c->rotary, f, c->positions, n);
	plan_arguments(p, &c->args, c);
}

enum status model_cache_open(struct model_cache **out, const struct model *m, int slots, int positions, int64_t n_max,
			     struct error *err)
{
	struct model_cache *c;
	struct plan p = { 0 };

	*out = NULL;
	if (slots < 1 || slots > 1 << 20 || positions < 1 || positions > model_decodable(&m->cfg) || n_max < 1 ||
	    n_max > INT32_MAX / 2)
		return error_set(err, ERR_USAGE, "a cache of %d sequences of %d tokens; the model decodes %d positions", slots,
				 positions, model_decodable(&m->cfg));
	TRY(lora_reserve(m, n_max, err));
	c = mem_zalloc(sizeof(*c));
	c->k = m->k;
	c->slots = slots;
	c->positions = positions;
	c->n_max = n_max;
	plan_cache(&p, c, m);
	c->arena = m->k->alloc(m->pool, p.used);
	if (!c->arena) {
		mem_free(c);
		return error_set(err, ERR_MEMORY, "no memory for %d sequences and calls of %lld tokens (%zu MB)", slots,
				 (long long)n_max, p.used >> 20);
	}
	p = (struct plan){ .base = c->arena };
	plan_cache(&p, c, m);
	rotary_open(&c->rotary, m, n_max);
	pages_open(&c->pages, m, slots, positions);
	p = (struct plan){ 0 };
	plan_arguments(&p, &c->host, c);
	p = (struct plan){ .base = mem_array(1, p.used) };
	plan_arguments(&p, &c->host, c);
	c->last_rows = mem_array((size_t)slots, sizeof(int32_t));
	c->taken = mem_array((size_t)slots, sizeof(bool));
	*out = c;
	return OK;
}

void model_cache_close(struct model_cache *c)
{
	if (!c)
		return;
	if (c->k->forget_records)
		c->k->forget_records();
	c->k->release(c->arena);
	if (c->target_arena)
		c->k->release(c->target_arena);
	rotary_close(&c->rotary);
	pages_close(&c->pages);
	mem_free(c->host.ids);
	mem_free(c->last_rows);
	mem_free(c->taken);
	mem_free(c);
}

enum status model_cache_limit(struct model_cache *c, size_t bytes, int64_t tokens, struct error *err)
{
	int64_t need = (tokens + KERNELS_KEY_BLOCK - 1) / KERNELS_KEY_BLOCK;

	if (pages_limit(&c->pages, bytes) >= need)
		return OK;
	return error_set(err, ERR_USAGE, "the keys and values of %lld tokens need %zu bytes; %zu are allowed", (long long)tokens,
			 (size_t)need * pages_bytes(&c->pages), bytes);
}

bool model_cache_room(struct model_cache *c, int slot, int64_t past, int64_t n)
{
	return pages_room(&c->pages, slot, past, past + n);
}

bool model_cache_holds(const struct model_cache *c, int slot, int64_t n) { return pages_hold(&c->pages, slot, n); }

bool model_cache_share(struct model_cache *c, int from, int to, int64_t n)
{
	if (!pages_hold(&c->pages, from, n))
		return false;
	pages_share(&c->pages, from, to, n);
	return true;
}

void model_cache_drop(struct model_cache *c, int slot) { pages_drop(&c->pages, slot, 0); }
void model_cache_slide(struct model_cache *c, int slot, int64_t n) { pages_drop(&c->pages, slot, n); }

struct model_cache_use model_cache_use(const struct model_cache *c)
{
	return (struct model_cache_use){ .pages = c->pages.limit, .used = c->pages.used, .peak = c->pages.peak,
					 .page_bytes = pages_bytes(&c->pages) };
}

static enum status check_call(const struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu,
			      const int32_t *slot, const int32_t *past, const int32_t *said, struct error *err)
{
	memset(c->taken, 0, (size_t)c->slots * sizeof(bool));
	if (s > c->slots || cu[0] != 0)
		return error_set(err, ERR_USAGE, "%d sequences in a cache for %d", s, c->slots);
	for (int i = 0; i < s; i++) {
		int64_t length = (int64_t)cu[i + 1] - cu[i];

		if (length < 1 || slot[i] < 0 || slot[i] >= c->slots || c->taken[slot[i]] || past[i] < 0)
			return error_set(err, ERR_USAGE, "sequence %d of a decoding call is malformed", i);
		if (past[i] + length > c->positions)
			return error_set(err, ERR_DATA, "a sequence of %lld tokens in a cache for %d", (long long)(past[i] + length),
					 c->positions);
		if (!pages_hold(&c->pages, slot[i], past[i]))
			return error_set(err, ERR_USAGE, "sequence %d of a decoding call is not in the cache", i);
		c->taken[slot[i]] = true;
	}
	if (cu[s] > c->n_max)
		return error_set(err, ERR_USAGE, "%d new tokens in a cache for %lld", cu[s], (long long)c->n_max);
	for (int32_t i = 0; i < cu[s]; i++)
		if ((ids[i] < 0 && (!said || ids[i] < -c->slots)) || ids[i] >= m->cfg.vocab)
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d", ids[i], m->cfg.vocab);
	return OK;
}

/* What a call computes, once its arguments are on the device. */
struct call {
	int s;                       /* sequences */
	int64_t n, rows;             /* tokens; those that have logits */
	const int32_t *said;
	bool single;                 /* no sequence brings more than one token */
};

/* A step that is asked for again and again: every sequence brings one token. Its sizes are rounded up, that few are different; sequences
 * that are not there have no token. */
static bool is_step(const struct model_cache *c, int s, const int32_t *cu, const int32_t *said, int64_t rows)
{
	return c->k->replay && said && cu[s] == s && rows == s;
}

static int step_size(const struct model_cache *c, int s)
{
	int to = s <= 8 ? 1 : s <= 64 ? 8 : s <= 256 ? 32 : 64, size = (s + to - 1) / to * to;

	return size <= c->slots && size <= c->n_max ? size : s;
}

static int64_t step_width(const struct model_cache *c, int64_t pages)
{
	int64_t width = 1, most = pages_for(c->positions);

	while (width < pages)
		width *= 2;
	return width < most ? width : most;
}

/* Pages for the new tokens, and the table of all that the call needs. */
static enum status open_pages(struct model_cache *c, int s, const int32_t *cu, const int32_t *slot, const int32_t *past, bool step,
			      struct error *err)
{
	c->width = 0;
	for (int i = 0; i < s; i++) {
		int64_t length = past[i] + cu[i + 1] - cu[i];

		if (!pages_room(&c->pages, slot[i], past[i], length))
			return error_set(err, ERR_MEMORY, "no memory for more keys and values than the %lld MB that are in use",
					 (long long)((size_t)c->pages.used * pages_bytes(&c->pages) >> 20));
		c->width = pages_for(length) > c->width ? pages_for(length) : c->width;
	}
	if (step)
		c->width = step_width(c, c->width);
	for (int i = 0; i < s; i++)
		pages_addresses(&c->pages, slot[i], past[i] + cu[i + 1] - cu[i], c->host.table + i * c->width);
	return OK;
}

/* size: of cu; sequences behind s are empty. */
static void upload_call(struct model_cache *c, const struct model *m, int s, int size, const int32_t *ids, const int32_t *cu,
			const int32_t *past, const int32_t *rows, int64_t n_rows)
{
	struct arguments *h = &c->host;

	memcpy(h->ids, ids, (size_t)cu[s] * sizeof(*ids));
	for (int i = 0; i < s; i++) {
		for (int32_t j = cu[i]; j < cu[i + 1]; j++)
			h->pos[j] = past[i] + j - cu[i];
	}
	for (int i = 0; i <= size; i++)
		h->cu[i] = cu[i < s ? i : s];
	memcpy(h->past, past, (size_t)s * sizeof(*past));
	if (n_rows)
		memcpy(h->rows, rows, (size_t)n_rows * sizeof(*rows));
	c->k->upload(c->args.ids, h->ids, (size_t)((char *)(h->table + s * c->width) - (char *)h->ids));
	rotary_set(&c->rotary, m, cu, s, past);
}

/* acts.x holds what comes out of the last layer for each token of the call, logits those of its rows. */
static void compute(struct model *m, struct model_cache *c, const struct call *call)
{
	const struct model_config *f = &m->cfg;
	const struct kernels *k = m->k;
	const struct acts *a = &c->acts;

	if (call->said)
		k->take_ids(m->pool, c->args.ids, call->said, call->n);
	embed_tokens(m, a->x, c->args.ids, c->args.pos, call->n);
	for (int64_t l = 0; l < f->n_layers; l++) {
		layer_before(m, (int)l, a, &c->rotary, call->n);
		k->attention_cached(m->pool, a->att.o, a->att.rot, (struct kv_pages){ c->args.table, c->width, l * c->pages.layer, call->single },
				    c->args.past, c->args.cu, call->s, layer_heads(f, (int)l));
		layer_after(m, (int)l, a, a->x, call->n);
	}
	if (!call->rows)
		return;
	k->gather_rows(m->pool, c->last, a->x, c->args.rows, call->rows, f->hidden);
	norm_forward(m, &m->layout->norm, a->att.n1, a->att.rstd1, c->last, call->rows);
	head_forward(m, c->logits, a->att.n1, call->rows);
	if (f->logit_cap > 0)
		k->soft_cap(m->pool, c->logits, call->rows * f->vocab, f->logit_cap);
}

/* A step, as it was recorded where one of its size was. Such steps differ in what the buffers hold alone. */
static void compute_step(struct model *m, struct model_cache *c, const struct call *call)
{
	int width = c->width > 1 ? 64 - __builtin_clzll((unsigned long long)c->width - 1) : 0;
	uint64_t key = (uint64_t)(uintptr_t)c->arena >> 6 << 26 | (uint64_t)call->s << 6 | (uint64_t)width;

	if (m->k->replay(key))
		return;
	if (!m->k->record_begin(key)) {
		compute(m, c, call);
		return;
	}
	compute(m, c, call);
	if (!m->k->record_end())
		compute(m, c, call);
}

/* Feeds the tokens. rows: of which there shall be logits. */
static enum status feed(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu, const int32_t *slot,
			const int32_t *past, const int32_t *said, const int32_t *rows, int64_t n_rows, struct error *err)
{
	struct call call = { s, cu[s], n_rows, said, cu[s] == s };
	bool step = is_step(c, s, cu, said, n_rows);

	TRY(check_call(m, c, s, ids, cu, slot, past, said, err));
	TRY(open_pages(c, s, cu, slot, past, step, err));
	if (step)
		call.s = step_size(c, s), call.n = call.rows = call.s;
	upload_call(c, m, s, call.s, ids, cu, past, rows, n_rows);
	if (step)
		compute_step(m, c, &call);
	else
		compute(m, c, &call);
	return OK;
}

enum status model_decode_said(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu, const int32_t *slot,
			      const int32_t *past, const int32_t *said, const int32_t *rows, int64_t n_rows, const float **logits,
			      struct error *err)
{
	*logits = c->logits;
	return s < 1 ? OK : feed(m, c, s, ids, cu, slot, past, said, rows, n_rows, err);
}

enum status model_decode(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu,
			 const int32_t *slot, const int32_t *past, float *logits, struct error *err)
{
	if (s < 1)
		return OK;
	for (int i = 0; i < s; i++)
		c->last_rows[i] = cu[i + 1] - 1;
	TRY(feed(m, c, s, ids, cu, slot, past, NULL, c->last_rows, s, err));
	m->k->download(logits, c->logits, (size_t)s * (size_t)m->cfg.vocab * sizeof(float));
	return m->k->status(err);
}

enum status model_decode_sums(struct model *m, struct model_cache *c, int s, struct logits_sum *sums, struct error *err)
{
	m->k->logits_sum(m->pool, c->sums, c->logits, s, m->cfg.vocab);
	m->k->download(sums, c->sums, (size_t)s * sizeof(*sums));
	return m->k->status(err);
}

/* Targets of so many tokens are scored at once, so that the logits that are alive stay few. */
#define TARGET_ROWS 256

/* What model_decode_targets needs besides the cache for n targets at a time; grown by doubling, for most of it are logits. */
static enum status open_targets(const struct model *m, struct model_cache *c, int64_t n, struct error *err)
{
	struct plan p = { 0 };
	int64_t rows = c->target_max ? c->target_max : 8;

	n = n < TARGET_ROWS ? n : TARGET_ROWS;
	if (n <= c->target_max)
		return OK;
	while (rows < n)
		rows *= 2;
	if (c->target_arena)
		c->k->release(c->target_arena);
	c->target_arena = NULL;
	c->target_max = 0;
	for (int pass = 0; pass < 2; pass++) {
		c->target_logp = plan_floats(&p, rows, 1);
		c->target_lse = plan_floats(&p, rows, 1);
		c->target_greedy = plan_take(&p, rows, sizeof(bool));
		c->target_ids = plan_take(&p, rows, sizeof(int32_t));
		c->target_rows = plan_take(&p, rows, sizeof(int32_t));
		c->target_x = plan_acts(&p, m->k, rows, m->cfg.hidden);
		c->target_norm = plan_acts(&p, m->k, rows, m->cfg.hidden);
		c->target_rstd = plan_floats(&p, rows, 1);
		c->target_scratch = plan_floats(&p, m->k->logprob_scratch(rows, m->cfg.hidden, m->cfg.vocab), 1);
		if (!pass && !(c->target_arena = m->k->alloc(m->pool, p.used)))
			return error_set(err, ERR_MEMORY, "no memory for the logits of %lld tokens (%zu MB)", (long long)rows, p.used >> 20);
		p = (struct plan){ .base = c->target_arena };
	}
	c->target_max = rows;
	return OK;
}

/* Scores n of the tokens fed, at most TARGET_ROWS. */
static void score_rows(struct model *m, struct model_cache *c, const int32_t *rows, int64_t n, const int32_t *targets, float *logp, bool *greedy)
{
	const struct model_config *f = &m->cfg;
	const struct kernels *k = m->k;
	int32_t wanted[TARGET_ROWS];
	float found[TARGET_ROWS];
	bool best[TARGET_ROWS];

	for (int64_t i = 0; i < n; i++)
		wanted[i] = targets[rows[i]];
	k->upload(c->target_ids, wanted, (size_t)n * sizeof(int32_t));
	k->upload(c->target_rows, rows, (size_t)n * sizeof(int32_t));
	k->gather_rows(m->pool, c->target_x, c->acts.x, c->target_rows, n, f->hidden);
	norm_forward(m, &m->layout->norm, c->target_norm, c->target_rstd, c->target_x, n);
	k->logprob(m->pool, c->target_logp, c->target_lse, NULL, c->target_greedy, c->target_norm, linear_weights(m, &m->layout->head), c->target_ids,
		   c->target_scratch, n, f->hidden, f->vocab, f->logit_cap);
	k->download(found, c->target_logp, (size_t)n * sizeof(float));
	k->download(best, c->target_greedy, (size_t)n * sizeof(bool));
	for (int64_t i = 0; i < n; i++) {
		logp[rows[i]] = found[i];
		greedy[rows[i]] = best[i];
	}
}

enum status model_decode_targets(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu,
				 const int32_t *slot, const int32_t *past, const int32_t *targets, float *logp, bool *greedy,
				 struct error *err)
{
	int32_t rows[TARGET_ROWS];
	int64_t n = 0, all = 0;

	if (s < 1)
		return OK;
	for (int32_t i = 0; i < cu[s]; i++) {
		if (targets[i] >= m->cfg.vocab)
			return error_set(err, ERR_DATA, "token %d outside the model's vocabulary of %d", targets[i], m->cfg.vocab);
		all += targets[i] >= 0;
	}
	TRY(open_targets(m, c, all, err));
	TRY(feed(m, c, s, ids, cu, slot, past, NULL, NULL, 0, err));
	for (int32_t i = 0; i < cu[s]; i++) {
		if (targets[i] >= 0)
			rows[n++] = i;
		if (n == TARGET_ROWS || (n && i + 1 == cu[s])) {
			score_rows(m, c, rows, n, targets, logp, greedy);
			n = 0;
		}
	}
	return m->k->status(err);
}
