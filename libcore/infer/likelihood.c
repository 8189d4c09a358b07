/* likelihood.c - see likelihood.h. Slot 0 of the cache holds the context; continuations share it in the others. */
#include "infer/likelihood.h"

#include "infer/generate.h"
#include "token/unicode.h"

#include <string.h>

#define WIDTH 16             /* continuations in one call */
#define FEED 512             /* most tokens of one call, unless a continuation alone has more */

struct likelihoods {
	struct lm *lm;
	struct model_cache *cache;
	int64_t context, feed_max;
	struct ids held;             /* what slot 0 has in the cache */
	struct ids head, whole;      /* encoded context, and context with continuation */
	struct buf text;
	/* of the continuations under way */
	struct ids ids, targets;
	int32_t cu[WIDTH + 1], slot[WIDTH], past[WIDTH];
	int64_t first[WIDTH];        /* token of ids that predicts the continuation's first */
	int64_t number[WIDTH];       /* of the continuation among its context's */
	struct ids asked[WIDTH];     /* with a cache: context and continuation, of which the context's are */
	int64_t cut[WIDTH];
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
	st = model_cache_open(&l->cache, &lm->model, WIDTH + 1, (int)l->context, l->feed_max, err);
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
	ids_release(&l->held);
	ids_release(&l->head);
	ids_release(&l->whole);
	ids_release(&l->ids);
	ids_release(&l->targets);
	for (int i = 0; i < WIDTH; i++)
		ids_release(&l->asked[i]);
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

/* Brings slot 0 to hold the first n tokens of ids. */
static enum status hold_context(struct likelihoods *l, const int32_t *ids, int64_t n, struct error *err)
{
	int64_t same = 0;

	while (same < n && same < l->held.n && ids[same] == l->held.v[same])
		same++;
	l->shared += same;
	l->held.n = same;
	while (l->held.n < n) {
		int64_t k = n - l->held.n < FEED ? n - l->held.n : FEED;
		int32_t cu[2] = { 0, (int32_t)k }, slot = 0, past = (int32_t)l->held.n;

		l->targets.n = 0;
		for (int64_t i = 0; i < k; i++)
			ids_push(&l->targets, -1);
		TRY(model_decode_targets(&l->lm->model, l->cache, 1, ids + l->held.n, cu, &slot, &past, l->targets.v, l->logp, l->greedy, err));
		for (int64_t i = 0; i < k; i++)
			ids_push(&l->held, ids[past + i]);
		l->fed += k;
	}
	l->targets.n = 0;
	return OK;
}

static void room_for(struct likelihoods *l, int64_t n)
{
	if (n <= l->cap)
		return;
	l->cap = 2 * n;
	l->logp = mem_grow(l->logp, (size_t)l->cap, sizeof(*l->logp));
	l->greedy = mem_grow(l->greedy, (size_t)l->cap, sizeof(*l->greedy));
}

/* Feeds what is queued, k continuations behind the first `same` tokens of slot 0, and sums up. */
static enum status flush(struct likelihoods *l, int k, int64_t same, struct likelihood *out, struct error *err)
{
	if (!k)
		return OK;
	room_for(l, l->ids.n);
	for (int i = 0; i < k; i++)
		model_cache_share(l->cache, 0, l->slot[i], same);
	TRY(model_decode_targets(&l->lm->model, l->cache, k, l->ids.v, l->cu, l->slot, l->past, l->targets.v, l->logp, l->greedy, err));
	l->fed += l->ids.n;
	for (int i = 0; i < k; i++) {
		struct likelihood *x = &out[l->number[i]];

		*x = (struct likelihood){ .greedy = true };
		for (int64_t t = l->first[i]; t < l->cu[i + 1]; t++) {
			x->logprob += (double)l->logp[t];
			x->greedy &= l->greedy[t];
			x->tokens++;
		}
		if (l->cache_file)
			likelihood_cache_put(l->cache_file, l->asked[i].v, l->asked[i].n, l->cut[i], x);
	}
	for (int i = 0; i < k; i++)
		model_cache_drop(l->cache, l->slot[i]);
	l->ids.n = l->targets.n = 0;
	return OK;
}

/* Queues l->whole, continuation number `number`, behind its first `same` tokens, which slot 0 has; the first cut tokens are the context's. */
static void queue(struct likelihoods *l, int k, int64_t same, int64_t cut, int64_t number)
{
	l->number[k] = number;
	l->cut[k] = cut;
	l->asked[k].n = 0;
	for (int64_t i = 0; l->cache_file && i < l->whole.n; i++)
		ids_push(&l->asked[k], l->whole.v[i]);
	l->cu[k] = (int32_t)l->ids.n;
	l->slot[k] = k + 1;
	l->past[k] = (int32_t)same;
	l->first[k] = l->ids.n + cut - 1 - same;
	for (int64_t i = same; i + 1 < l->whole.n; i++) {
		ids_push(&l->ids, l->whole.v[i]);
		ids_push(&l->targets, i + 1 >= cut ? l->whole.v[i + 1] : -1);
	}
	l->cu[k + 1] = (int32_t)l->ids.n;
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

enum status likelihoods_of(struct likelihoods *l, struct request_text context, const struct request_text *continuations, int64_t n,
			   struct likelihood *out, struct error *err)
{
	int64_t same = 0;
	int queued = 0;

	for (int64_t i = 0; i < n; i++) {
		int64_t cut = 0, common = 0;

		TRY(encode_pair(l, context, continuations[i], &cut, err));
		truncate(l, &cut);
		if (l->whole.n <= cut) {             /* nothing is said: certain, as the original has it */
			out[i] = (struct likelihood){ .greedy = true };
			continue;
		}
		if (l->cache_file && likelihood_cache_get(l->cache_file, l->whole.v, l->whole.n, cut, &out[i]))
			continue;
		while (common < cut - 1 && common < l->held.n && l->whole.v[common] == l->held.v[common])
			common++;
		if (queued && (common < same || queued == WIDTH || l->ids.n + l->whole.n - same > l->feed_max)) {
			TRY(flush(l, queued, same, out, err));
			queued = 0;
		}
		if (!queued) {
			room_for(l, FEED);
			TRY(hold_context(l, l->whole.v, cut - 1, err));
			same = cut - 1;
		} else {
			l->shared += same;
		}
		queue(l, queued++, same, cut, i);
	}
	TRY(flush(l, queued, same, out, err));
	return l->cache_file ? likelihood_cache_sync(l->cache_file, err) : OK;
}
