/* likelihood.c - see likelihood.h. Contexts wait until there are some, and are computed in one go, each behind what it shares with the
 * one computed last before (the root); then their continuations, each behind its context. */
#include "infer/likelihood.h"

#include "infer/generate.h"
#include "token/unicode.h"

#include <string.h>

#define GROUP 8              /* contexts that wait */
#define WIDTH 32             /* continuations in one call */
#define FEED 512             /* most tokens of one call, unless a continuation alone has more */
#define WORTH 16             /* tokens shared with a context that waits, for which it is computed at once */

struct context {
	int slot;
	struct ids ids;
	int64_t held;                /* of ids, in the cache */
};

struct continuation {
	struct context *context;
	struct ids ids;              /* context and continuation, */
	int64_t cut;                 /* of which the context's tokens, for the cache of the results */
	struct likelihood *out;
};

struct likelihoods {
	struct lm *lm;
	struct model_cache *cache;
	int64_t context, feed_max;
	struct context contexts[GROUP + 1];      /* [0] is the root; the rest wait */
	int n_contexts;                          /* that wait */
	struct continuation *queue;
	int64_t n_queue, cap_queue;
	struct ids head, whole;                  /* encoded context, and context with continuation */
	struct buf text;
	/* of the call under way */
	struct ids ids, targets;
	int32_t cu[WIDTH + 1], slot[WIDTH], past[WIDTH];
	int calls;                               /* sequences in it */
	struct likelihood_cache *cache_file;
	float *logp;
	bool *greedy;
	int64_t cap, fed, shared;
};

enum status likelihoods_open(struct likelihoods **out, struct lm *lm, int64_t context, struct error *err)
{
	struct likelihoods *l = mem_zalloc(sizeof(*l));
	enum status st;

	l->lm = lm;
	l->context = context ? context : generate_context(&lm->model);
	l->feed_max = FEED + l->context;
	for (int i = 0; i <= GROUP; i++)
		l->contexts[i].slot = i;
	st = model_cache_open(&l->cache, &lm->model, GROUP + 1 + WIDTH, (int)l->context, l->feed_max, err);
	if (st != OK) {
		likelihoods_close(l);
		return st;
	}
	*out = l;
	return OK;
}

void likelihoods_close(struct likelihoods *l)
{
	if (!l)
		return;
	model_cache_close(l->cache);
	for (int i = 0; i <= GROUP; i++)
		ids_release(&l->contexts[i].ids);
	for (int64_t i = 0; i < l->cap_queue; i++)
		ids_release(&l->queue[i].ids);
	mem_free(l->queue);
	ids_release(&l->head);
	ids_release(&l->whole);
	ids_release(&l->ids);
	ids_release(&l->targets);
	buf_release(&l->text);
	mem_free(l->logp);
	mem_free(l->greedy);
	mem_free(l);
}

void likelihoods_use_cache(struct likelihoods *l, struct likelihood_cache *c) { l->cache_file = c; }

int64_t likelihoods_fed(const struct likelihoods *l) { return l->fed; }
int64_t likelihoods_shared(const struct likelihoods *l) { return l->shared; }

/* --- tokens ------------------------------------------------------------------------------------- */

/* Bytes of s without the blanks at its end, as Python's rstrip sees them. */
static size_t without_blanks(const char *s, size_t n)
{
	while (n > 0) {
		size_t at = n - 1;
		int k;

		while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80)
			at--;
		if (!(unicode_class(utf8_decode((const uint8_t *)s + at, &k)) & U_SPACE))
			break;
		n = at;
	}
	return n;
}

static int32_t prefix_token(const struct lm *lm)
{
	int32_t bos = tokenizer_bos(lm->tokenizer);

	return bos >= 0 ? bos : tokenizer_eos(lm->tokenizer);
}

/* whole: context and continuation; *cut: how many of its tokens are the context's. */
static enum status encode_pair(struct likelihoods *l, struct request_text context, struct request_text continuation, int64_t *cut,
			       struct error *err)
{
	const struct lm *lm = l->lm;
	size_t n = without_blanks(context.s, context.n);

	l->whole.n = 0;
	if (!context.n) {
		int32_t prefix = prefix_token(lm);

		if (prefix < 0)
			return error_set(err, ERR_DATA, "an empty context needs a token that begins or ends a sequence, and the model has none");
		ids_push(&l->whole, prefix);
		TRY(tokenizer_encode(lm->tokenizer, lm->scratch, continuation.s, continuation.n, true, &l->whole, err));
		if (l->whole.n > 1 && l->whole.v[1] == prefix) {    /* it says it itself */
			memmove(l->whole.v, l->whole.v + 1, (size_t)(l->whole.n - 1) * sizeof(int32_t));
			l->whole.n--;
		}
		*cut = 1;
		return OK;
	}
	buf_clear(&l->text);
	buf_add(&l->text, context.s, context.n);
	buf_add(&l->text, continuation.s, continuation.n);
	l->head.n = 0;
	TRY(lm_encode(lm, context.s, n, &l->head, err));
	TRY(lm_encode(lm, l->text.data, l->text.len, &l->whole, err));
	*cut = l->head.n < l->whole.n ? l->head.n : l->whole.n;
	return OK;
}

/* --- the model ------------------------------------------------------------------------------------ */

static void ids_set(struct ids *to, const int32_t *v, int64_t n)
{
	to->n = 0;
	for (int64_t i = 0; i < n; i++)
		ids_push(to, v[i]);
}

static void begin_call(struct likelihoods *l)
{
	l->ids.n = l->targets.n = 0;
	l->calls = 0;
	l->cu[0] = 0;
}

/* Tokens [from, to) of ids in slot, which has those before; from token first on the next one is a target. */
static void add_to_call(struct likelihoods *l, int slot, const struct ids *ids, int64_t from, int64_t to, int64_t first)
{
	l->slot[l->calls] = slot;
	l->past[l->calls] = (int32_t)from;
	for (int64_t i = from; i < to; i++) {
		ids_push(&l->ids, ids->v[i]);
		ids_push(&l->targets, i >= first ? ids->v[i + 1] : -1);
	}
	l->cu[++l->calls] = (int32_t)l->ids.n;
}

static enum status call(struct likelihoods *l, struct error *err)
{
	if (l->ids.n > l->cap) {
		l->cap = 2 * l->ids.n;
		l->logp = mem_grow(l->logp, (size_t)l->cap, sizeof(*l->logp));
		l->greedy = mem_grow(l->greedy, (size_t)l->cap, sizeof(*l->greedy));
	}
	l->fed += l->ids.n;
	return model_decode_targets(&l->lm->model, l->cache, l->calls, l->ids.v, l->cu, l->slot, l->past, l->targets.v, l->logp, l->greedy, err);
}

/* The contexts that wait, each behind what it shares with the root; a long one in several calls. */
static enum status compute_contexts(struct likelihoods *l, struct error *err)
{
	for (int i = 1; i <= l->n_contexts; i++) {
		struct context *c = &l->contexts[i];

		c->held = ids_common(&c->ids, &l->contexts[0].ids, c->ids.n);
		model_cache_share(l->cache, l->contexts[0].slot, c->slot, c->held);
		l->shared += c->held;
	}
	for (;;) {
		begin_call(l);
		for (int i = 1; i <= l->n_contexts && l->ids.n < FEED; i++) {
			struct context *c = &l->contexts[i];
			int64_t rest = c->ids.n - c->held, room = FEED - l->ids.n, n = rest < room ? rest : room;

			if (n)
				add_to_call(l, c->slot, &c->ids, c->held, c->held + n, INT64_MAX);
			c->held += n;
		}
		if (!l->calls)
			return OK;
		TRY(call(l, err));
	}
}

static void sum_up(struct likelihoods *l, const struct continuation *c, int64_t from, int64_t to)
{
	*c->out = (struct likelihood){ .greedy = true };
	for (int64_t t = from; t < to; t++)
		if (l->targets.v[t] >= 0) {
			c->out->logprob += (double)l->logp[t];
			c->out->greedy &= l->greedy[t];
			c->out->tokens++;
		}
	if (l->cache_file)
		likelihood_cache_put(l->cache_file, c->ids.v, c->ids.n, c->cut, c->out);
}

/* As many continuations from `from` on as one call takes; *took tells how many. */
static enum status compute_some(struct likelihoods *l, int64_t from, int64_t *took, struct error *err)
{
	begin_call(l);
	for (int64_t i = from; i < l->n_queue && l->calls < WIDTH; i++) {
		const struct continuation *c = &l->queue[i];
		int64_t past = c->context->ids.n, n = c->ids.n - 1 - past;
		int slot = GROUP + 1 + l->calls;

		if (l->calls && l->ids.n + n > FEED)
			break;
		model_cache_share(l->cache, c->context->slot, slot, past);
		add_to_call(l, slot, &c->ids, past, c->ids.n - 1, c->cut - 1);
	}
	TRY(call(l, err));
	*took = l->calls;
	for (int i = 0; i < l->calls; i++) {
		sum_up(l, &l->queue[from + i], l->cu[i], l->cu[i + 1]);
		model_cache_drop(l->cache, l->slot[i]);
	}
	return OK;
}

enum status likelihoods_settle(struct likelihoods *l, struct error *err)
{
	struct context last = l->contexts[l->n_contexts];
	int64_t took;

	TRY(compute_contexts(l, err));
	for (int64_t i = 0; i < l->n_queue; i += took)
		TRY(compute_some(l, i, &took, err));
	l->n_queue = 0;
	if (l->n_contexts) {                 /* the last one becomes the root */
		l->contexts[l->n_contexts] = l->contexts[0];
		l->contexts[0] = last;
	}
	for (int i = 1; i <= l->n_contexts; i++)
		model_cache_drop(l->cache, l->contexts[i].slot);
	l->n_contexts = 0;
	return l->cache_file ? likelihood_cache_sync(l->cache_file, err) : OK;
}

/* l->whole's first n tokens as a context that waits. */
static enum status add_context(struct likelihoods *l, int64_t n, struct error *err)
{
	int waiting = l->n_contexts;

	if (waiting == GROUP || (waiting && ids_common(&l->whole, &l->contexts[waiting].ids, n) >= ids_common(&l->whole, &l->contexts[0].ids, n) + WORTH))
		TRY(likelihoods_settle(l, err));
	ids_set(&l->contexts[++l->n_contexts].ids, l->whole.v, n);
	return OK;
}

static void add_continuation(struct likelihoods *l, int64_t cut, struct likelihood *out)
{
	struct continuation *c;

	if (l->n_queue == l->cap_queue) {
		int64_t cap = l->cap_queue ? 2 * l->cap_queue : 64;

		l->queue = mem_grow(l->queue, (size_t)cap, sizeof(*l->queue));
		memset(l->queue + l->cap_queue, 0, (size_t)(cap - l->cap_queue) * sizeof(*l->queue));
		l->cap_queue = cap;
	}
	c = &l->queue[l->n_queue++];
	c->context = &l->contexts[l->n_contexts];
	c->cut = cut;
	c->out = out;
	ids_set(&c->ids, l->whole.v, l->whole.n);
}

/* Cuts the front of what is longer than may be fed; the last token is only predicted. */
static void truncate(struct likelihoods *l, int64_t *cut)
{
	int64_t drop = l->whole.n - (l->context + 1);

	if (drop <= 0)
		return;
	memmove(l->whole.v, l->whole.v + drop, (size_t)(l->whole.n - drop) * sizeof(int32_t));
	l->whole.n -= drop;
	*cut = *cut > drop + 1 ? *cut - drop : 1;
}

enum status likelihoods_ask(struct likelihoods *l, struct request_text context, const struct request_text *continuations, int64_t n,
			    struct likelihood *out, struct error *err)
{
	bool fresh = true;

	for (int64_t i = 0; i < n; i++) {
		const struct ids *held;
		int64_t cut = 0;

		TRY(encode_pair(l, context, continuations[i], &cut, err));
		truncate(l, &cut);
		if (l->whole.n <= cut) {             /* nothing is said: certain, as the original has it */
			out[i] = (struct likelihood){ .greedy = true };
			continue;
		}
		if (l->cache_file && likelihood_cache_get(l->cache_file, l->whole.v, l->whole.n, cut, &out[i]))
			continue;
		/* The context's last token is fed with the continuation, which may change it. */
		held = &l->contexts[l->n_contexts].ids;
		if (fresh || held->n > cut - 1 || ids_common(&l->whole, held, held->n) < held->n)
			TRY(add_context(l, cut - 1, err));
		else
			l->shared += held->n;
		fresh = false;
		add_continuation(l, cut, &out[i]);
	}
	return OK;
}
