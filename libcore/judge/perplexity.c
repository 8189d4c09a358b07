#include "judge/perplexity.h"

#include "base/mem.h"
#include "infer/likelihood.h"
#include "judge/chars.h"

#include <math.h>
#include <string.h>

/* What a window is kept under: its tokens, and behind them what no other request has: -1 or -2 for each, as it is predicted or not. */
static int32_t *window_key(struct perplexity *p, const int32_t *ids, int64_t n)
{
	int32_t *key = arena_alloc(&p->arena, 2 * (size_t)n * sizeof(*key));

	memcpy(key, ids, (size_t)n * sizeof(*key));
	for (int64_t i = 0; i < n; i++)
		key[n + i] = p->mask.v[i] ? -1 : -2;
	return key;
}

/* Queues ids[from..to) with predictions from place first on. */
static enum status add_window(struct perplexity *p, const int32_t *ids, const int32_t *mask, int64_t from, int64_t first,
			      int64_t to, struct error *err)
{
	int64_t n = to - from;
	struct perplexity_document *document = &p->documents[p->n_documents - 1];
	struct perplexity_window *w;
	struct likelihood known;

	p->mask.n = 0;
	for (int64_t i = from; i < to; i++) {
		bool counts = i >= first && (!mask || mask[i]);
		ids_push(&p->mask, counts);
		document->tokens += counts;
	}
	MEM_PUSH_ROOM(p->pending, p->n, p->cap);
	w = &p->pending[p->n++];
	*w = (struct perplexity_window){ .sum = arena_alloc(&p->arena, sizeof(*w->sum)), .n = 2 * n,
					 .document = p->n_documents - 1 };
	if (p->cache) {
		w->key = window_key(p, ids + from, n);
		if (likelihood_cache_get(p->cache, w->key, w->n, n, &known)) {
			*w->sum = known.logprob;
			w->key = NULL;
			return OK;
		}
	}
	return scorer_add(p->scorer, ids + from, p->mask.v, n, w->sum, err);
}

/* A document of these counts, whose windows come next. */
static void begin_document(struct perplexity *p, int64_t words, int64_t bytes)
{
	if (p->settled)
		p->n_documents = 0;
	p->settled = false;
	MEM_PUSH_ROOM(p->documents, p->n_documents, p->cap_documents);
	p->documents[p->n_documents++] = (struct perplexity_document){ .row = p->row, .words = words, .bytes = bytes };
	p->rows++;
	p->words += words;
	p->bytes += bytes;
}

static enum status add_windows(struct perplexity *p, const int32_t *ids, const int32_t *mask, int64_t n, struct error *err)
{
	int64_t width = scorer_limit(p->scorer) - 1;          /* predictions of a full window */
	for (int64_t done = 1; done < n;) {
		int64_t take = n - done < width ? n - done : width;
		int64_t to = done + take;
		int64_t from = take == width || done == 1 ? done - 1 : to - width - 1;
		TRY(add_window(p, ids, mask, from < 0 ? 0 : from, done, to, err));
		done = to;
	}
	p->tokens += p->documents[p->n_documents - 1].tokens;
	return OK;
}

enum status perplexity_add_ids(struct perplexity *p, const int32_t *ids, const int32_t *mask, int64_t n, struct error *err)
{
	begin_document(p, 0, 0);
	return add_windows(p, ids, mask, n, err);
}

/* len(re.split(r"\s+", text)): runs of white space and one, empty pieces at the edges too. */
static int64_t count_words(const char *p, size_t n)
{
	const char *end = p + n;
	int64_t words = 1;
	bool space = false;
	utf8proc_int32_t c;
	for (size_t len; p < end; p += len) {
		len = chars_next(p, end, &c);
		bool now = chars_is_space(c);
		words += now && !space;
		space = now;
	}
	return words;
}

enum status perplexity_add_text(struct perplexity *p, const struct lm *lm, const char *text, size_t n, struct error *err)
{
	int32_t prefix = tokenizer_bos(lm->tokenizer) >= 0 ? tokenizer_bos(lm->tokenizer) : tokenizer_eos(lm->tokenizer);
	if (prefix < 0)
		return error_set(err, ERR_DATA, "the tokenizer has neither a beginning nor an end token to start a document with");
	p->window.n = 0;
	ids_push(&p->window, prefix);
	TRY(tokenizer_encode(lm->tokenizer, lm->scratch, text, n, false, &p->window, err));
	begin_document(p, count_words(text, n), (int64_t)n);
	return add_windows(p, p->window.v, NULL, p->window.n, err);
}

enum status perplexity_settle(struct perplexity *p, struct error *err)
{
	if (p->settled)              /* nothing was added since */
		p->n_documents = 0;
	TRY(scorer_flush(p->scorer, err));
	for (int64_t i = 0; i < p->n; i++) {
		const struct perplexity_window *w = &p->pending[i];

		if (isnan(*w->sum))
			return error_set(err, ERR_DATA, "the log-probability is not a number");
		p->logprob += *w->sum;
		p->documents[w->document].logprob += *w->sum;
		if (w->key)
			likelihood_cache_put(p->cache, w->key, w->n, w->n / 2, &(struct likelihood){ .logprob = *w->sum });
	}
	p->n = 0;
	p->settled = true;
	arena_reset(&p->arena);
	return p->cache ? likelihood_cache_sync(p->cache, err) : OK;
}

void perplexity_release(struct perplexity *p)
{
	arena_release(&p->arena);
	mem_free(p->pending);
	mem_free(p->documents);
	ids_release(&p->window);
	ids_release(&p->mask);
}

double perplexity_per(const struct perplexity *p, int64_t units)
{
	return units > 0 ? exp(-p->logprob / (double)units) : NAN;
}

double perplexity_bits_per_byte(const struct perplexity *p)
{
	return p->bytes > 0 ? -p->logprob / (double)p->bytes / 0.69314718055994530942 : NAN;
}
