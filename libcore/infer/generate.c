#include "infer/beam.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define WINDOW 8                     /* sequences in flight or unwritten, per slot */
#define SHARE_MIN 32                 /* tokens in common with another prompt that are worth waiting for */

struct sequence {
	struct ids tokens;           /* prompt, then what was sampled */
	double logprob;
	enum generate_finish finish;
	bool done;
};

struct job {                         /* one prompt and its samples */
	struct job *next;
	struct generate_prompt p;
	struct ids prompt;
	struct sequence *seqs;       /* [drawn] */
	int64_t started, written;
	int64_t *order;              /* [drawn] with best_of, once all are done: best first */
};

struct lane {                        /* one slot of the cache */
	struct job *job;             /* NULL = free */
	struct sequence *seq;
	uint64_t stream;
	int64_t fed;                 /* tokens in the cache */
	struct ids cached;           /* which: those of the last sequence, also after it has ended */
	int leader;                  /* lane whose first share tokens are ours and which has not computed them yet; -1 = none */
	int64_t share;
	struct buf tail;             /* last bytes said, for stop strings */
	/* what the sampling of this step gave */
	int row;                     /* of the logits, -1 = nothing to sample */
	int32_t id;
	double logprob;
	enum status st;
};

struct generation {
	struct model *m;
	const struct tokenizer *t;
	const struct generate_options *o;
	const struct generate_io *io;
	struct generate_totals *totals;
	struct model_cache *cache;
	struct sampler **samplers;   /* [threads] */
	struct lane *lanes;          /* [o->slots] */
	int free_lanes;
	int64_t drawn;               /* samples of a prompt */
	int64_t context, in_flight, feed_max;
	size_t stop_bytes;           /* longest stop string */
	int32_t end_of_text;         /* what ends a document in training, where a turn ends with another token; -1 = none */
	struct job *head, *tail;     /* in input order; head is written next */
	bool ended;                  /* next() has ended */
	/* one step's call: sequences with new tokens */
	struct ids feed;
	int32_t *cu, *slot, *past;   /* [slots + 1] */
	int *owner;                  /* [slots] lane of each sequence of the call */
	float *logits;               /* [slots, vocab] */
};

const char *generate_finish_name(enum generate_finish f)
{
	static const char *const names[] = { "eos", "stop", "length" };
	return names[f];
}

int64_t generate_context(const struct model *m)
{
	int positions = model_decodable(&m->cfg);

	return positions < 4096 ? positions : 4096;
}

enum status generate_check(const struct model *m, const struct generate_options *o, struct error *err)
{
	for (int i = 0; i < o->n_stops; i++)
		if (!o->stops[i][0])
			return error_set(err, ERR_USAGE, "a stop string must not be empty");
	if (o->context > model_decodable(&m->cfg))
		return error_set(err, ERR_USAGE, "a context of %lld tokens; the model decodes %d positions", (long long)o->context,
				 model_decodable(&m->cfg));
	if (o->best_of && o->best_of < o->n)
		return error_set(err, ERR_USAGE, "the best %lld of %lld", (long long)o->n, (long long)o->best_of);
	if (o->beams > 1 && (o->best_of || o->n > o->beams || 2 * o->beams > o->slots))
		return error_set(err, ERR_USAGE, o->best_of ? "beam search and best-of are two ways; choose one" :
				 o->n > o->beams ? "%lld beams give as many results at most, %lld are wanted" :
				 "%lld beams need twice as many sequences at once, %lld are allowed",
				 (long long)o->beams, (long long)(o->n > o->beams ? o->n : o->slots));
	return OK;
}

/* --- jobs -------------------------------------------------------------------------------------------- */

static void job_free(struct job *j, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		ids_release(&j->seqs[i].tokens);
	mem_free(j->seqs);
	mem_free(j->order);
	ids_release(&j->prompt);
	mem_free(j);
}

static void ids_append(struct ids *to, const int32_t *v, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		ids_push(to, v[i]);
}

/* Takes the next prompt into the queue. */
static enum status fetch(struct generation *g, struct error *err)
{
	struct generate_prompt p;
	enum status st = g->io->next(g->io->arg, &p, err);
	if (st == END)
		g->ended = true;
	if (st != OK)
		return st;
	struct job *j = mem_zalloc(sizeof(*j));
	j->p = p;
	ids_append(&j->prompt, p.ids, p.n);
	j->seqs = mem_array((size_t)g->drawn, sizeof(*j->seqs));
	if (g->tail)
		g->tail->next = j;
	else
		g->head = j;
	g->tail = j;
	g->in_flight += g->drawn;
	g->totals->prompts++;
	return OK;
}

static int64_t common_prefix(const struct ids *a, const struct ids *b, int64_t most)
{
	int64_t n = 0;
	most = most < a->n ? most : a->n;
	most = most < b->n ? most : b->n;
	while (n < most && a->v[n] == b->v[n])
		n++;
	return n;
}

/* Takes over what another lane has in the cache of a prompt's beginning, or will have. The last token is always computed, for
 * its logits. */
static void share_prefix(struct generation *g, int i)
{
	struct lane *l = &g->lanes[i];
	const struct ids *prompt = &l->job->prompt;
	int from = -1;
	for (int k = 0; k < g->o->slots; k++) {
		const struct lane *x = &g->lanes[k];
		const struct ids *theirs = x->job && k != i ? &x->seq->tokens : &x->cached;
		int64_t n = common_prefix(theirs, prompt, prompt->n - 1);
		if (n > l->share) {
			l->share = n;
			from = k;
		}
	}
	if (from < 0)
		return;
	const struct lane *x = &g->lanes[from];
	if (from == i || !x->job || x->fed >= l->share)
		l->fed = l->share;
	else if (x->job == l->job || l->share >= SHARE_MIN)
		l->leader = from;
	else
		l->share = 0;
	if (l->fed && from != i)
		model_cache_copy(g->m, g->cache, from, i, (int)l->fed);
	g->totals->shared_tokens += l->share;
}

static void start_lane(struct generation *g, int i, struct job *j)
{
	struct lane *l = &g->lanes[i];
	l->job = j;
	l->seq = &j->seqs[j->started];
	l->stream = sample_stream((const char *)j->p.stream, sizeof(j->p.stream), j->started);
	l->fed = l->share = 0;
	l->leader = -1;
	buf_clear(&l->tail);
	ids_append(&l->seq->tokens, j->prompt.v, j->prompt.n);
	g->totals->prompt_tokens += j->prompt.n;
	share_prefix(g, i);
	j->started++;
	g->free_lanes--;
	g->totals->sequences++;
}

/* Fills free lanes with samples, prompt after prompt. */
static enum status admit(struct generation *g, struct error *err)
{
	while (g->free_lanes > 0) {
		struct job *j = g->tail;
		if (!j || j->started == g->drawn) {
			if (g->ended || (g->head && g->in_flight + g->drawn > WINDOW * g->o->slots))
				return OK;
			enum status st = fetch(g, err);
			if (st != OK)
				return st == END ? OK : st;
			j = g->tail;
		}
		int i = 0;
		while (g->lanes[i].job)
			i++;
		start_lane(g, i, j);
	}
	return OK;
}

/* --- one step ------------------------------------------------------------------------------------------ */

/* Collects the new tokens of every lane; returns the number of sequences in the call. Lanes that decode always go; a chunk of a
 * prompt that has no room left in this call waits for the next. */
static int collect(struct generation *g)
{
	int s = 0;
	g->feed.n = 0;
	int64_t room = g->feed_max - g->o->slots;
	for (int i = 0; i < g->o->slots; i++) {
		struct lane *l = &g->lanes[i];
		l->row = -1;
		if (!l->job || l->leader >= 0)
			continue;
		int64_t n = l->seq->tokens.n - l->fed;
		n = n < GENERATE_CHUNK ? n : GENERATE_CHUNK;
		if (n > 1 && n > room)
			continue;
		room -= n > 1 ? n : 0;
		g->cu[s] = (int32_t)g->feed.n;
		g->slot[s] = i;
		g->past[s] = (int32_t)l->fed;
		g->owner[s++] = i;
		ids_append(&g->feed, l->seq->tokens.v + l->fed, n);
		l->fed += n;
	}
	g->cu[s] = (int32_t)g->feed.n;
	return s;
}

/* Which lanes have logits to sample from: those whose tokens are all fed. Lanes that waited take what is there now. */
static void assign_rows(struct generation *g, int s)
{
	for (int k = 0; k < s; k++) {
		struct lane *l = &g->lanes[g->owner[k]];
		if (l->fed == l->seq->tokens.n)
			l->row = k;
	}
	for (int i = 0; i < g->o->slots; i++) {
		struct lane *l = &g->lanes[i];
		if (!l->job || l->leader < 0 || g->lanes[l->leader].fed < l->share)
			continue;
		model_cache_copy(g->m, g->cache, l->leader, i, (int)l->share);
		l->fed = l->share;
		l->leader = -1;
	}
}

static void sample_lane(void *arg, int64_t i, int worker)
{
	struct generation *g = arg;
	struct lane *l = &g->lanes[i];
	if (l->row < 0)
		return;
	const struct ids *tokens = &l->seq->tokens;
	double u = sample_uniform(g->o->seed, l->stream, (uint64_t)(tokens->n - l->job->prompt.n));
	l->st = sampler_pick(g->samplers[worker], g->logits + (size_t)l->row * (size_t)g->m->cfg.vocab, tokens->v,
			     l->job->prompt.n, tokens->n, u, &l->id, &l->logprob, NULL);
}

/* Whether the token that was just said completes a stop string. Keeps only the bytes that a later one could still need. */
static bool says_stop(struct generation *g, struct lane *l, int32_t id)
{
	if (g->o->n_stops == 0 || tokenizer_is_special(g->t, id))
		return false;
	size_t n;
	const char *bytes = tokenizer_bytes(g->t, id, &n);
	buf_add(&l->tail, bytes, n);
	for (int i = 0; i < g->o->n_stops; i++)
		if (memmem(l->tail.data, l->tail.len, g->o->stops[i], strlen(g->o->stops[i])))
			return true;
	if (l->tail.len >= g->stop_bytes) {
		size_t cut = l->tail.len - (g->stop_bytes - 1);
		memmove(l->tail.data, l->tail.data + cut, g->stop_bytes - 1);
		l->tail.len = g->stop_bytes - 1;
	}
	return false;
}

/* Appends the sampled token, and frees the lane if that was the last. */
static void accept(struct generation *g, struct lane *l)
{
	struct sequence *q = l->seq;
	ids_push(&q->tokens, l->id);
	q->logprob += l->logprob;
	g->totals->new_tokens++;
	q->done = true;
	if (l->id == g->m->cfg.eos_id || l->id == tokenizer_eos(g->t) || l->id == g->end_of_text)
		q->finish = FINISH_EOS;
	else if (says_stop(g, l, l->id))
		q->finish = FINISH_STOP;
	else if (q->tokens.n - l->job->prompt.n >= g->o->max_new_tokens || q->tokens.n >= g->context)
		q->finish = FINISH_LENGTH;
	else
		q->done = false;
	if (q->done) {
		l->job = NULL;
		l->cached.n = 0;
		ids_append(&l->cached, q->tokens.v, l->fed);
		g->free_lanes++;
	}
}

static enum status step(struct generation *g, struct error *err)
{
	int s = collect(g);
	TRY(model_decode(g->m, g->cache, s, g->feed.v, g->cu, g->slot, g->past, g->logits, err));
	assign_rows(g, s);
	pool_run(g->m->pool, g->o->slots, sample_lane, g);
	for (int i = 0; i < g->o->slots; i++) {
		struct lane *l = &g->lanes[i];
		if (l->row < 0)
			continue;
		if (l->st != OK)
			return error_set(err, ERR_DATA, "the model's logits are not finite");
		accept(g, l);
	}
	g->totals->steps++;
	return OK;
}

/* Mean log-probability of a sequence's tokens. */
static double per_token(const struct job *j, int64_t i)
{
	return j->seqs[i].logprob / (double)(j->seqs[i].tokens.n - j->prompt.n);
}

/* The samples of a job from best to worst, the lower number first among equals; false while one is not done. */
static bool rank(const struct generation *g, struct job *j)
{
	for (int64_t i = 0; i < g->drawn; i++)
		if (!j->seqs[i].done)
			return false;
	j->order = mem_array((size_t)g->drawn, sizeof(*j->order));
	for (int64_t i = 0; i < g->drawn; i++) {
		int64_t at = i;
		for (; at > 0 && per_token(j, i) > per_token(j, j->order[at - 1]); at--)
			j->order[at] = j->order[at - 1];
		j->order[at] = i;
	}
	return true;
}

/* Delivers what is finished and next in order. */
static enum status deliver(struct generation *g, struct error *err)
{
	while (g->head) {
		struct job *j = g->head;
		if (g->o->best_of && !j->order && !rank(g, j))
			return OK;
		struct sequence *q = &j->seqs[j->order ? j->order[j->written] : j->written];
		if (!q->done)
			return OK;
		struct generate_result r = {
			.user = j->p.user, .sample = j->written, .last = j->written + 1 == g->o->n,
			.ids = q->tokens.v + j->prompt.n, .n = q->tokens.n - j->prompt.n,
			.logprob = q->logprob, .finish = q->finish,
		};
		j->written++;
		TRY(g->io->done(g->io->arg, &r, err));
		ids_release(&q->tokens);
		q->tokens = (struct ids){ 0 };
		if (!g->o->best_of)
			g->in_flight--;
		if (j->written < g->o->n)
			continue;
		if (g->o->best_of)
			g->in_flight -= g->drawn;
		g->head = j->next;
		if (!g->head)
			g->tail = NULL;
		job_free(j, g->drawn);
	}
	return OK;
}

/* --- the run -------------------------------------------------------------------------------------------- */

static enum status open_generation(struct generation *g, struct error *err)
{
	size_t slots = (size_t)g->o->slots, vocab = (size_t)g->m->cfg.vocab;
	g->drawn = g->o->best_of ? g->o->best_of : g->o->n;
	g->context = g->o->context ? g->o->context : generate_context(g->m);
	g->feed_max = g->o->slots + 2 * GENERATE_CHUNK;
	g->end_of_text = tokenizer_id(g->t, "<|endoftext|>", 13);
	TRY(model_cache_open(&g->cache, g->m, (int)slots, (int)g->context, g->feed_max, err));
	g->logits = mem_try(slots * vocab * sizeof(float));
	if (!g->logits)
		return error_set(err, ERR_MEMORY, "no memory for the logits of %zu sequences: lower --batch", slots);
	g->lanes = mem_array(slots, sizeof(*g->lanes));
	g->free_lanes = (int)slots;
	g->cu = mem_array(slots + 1, sizeof(*g->cu));
	g->slot = mem_array(slots + 1, sizeof(*g->slot));
	g->past = mem_array(slots + 1, sizeof(*g->past));
	g->owner = mem_array(slots, sizeof(*g->owner));
	int threads = g->m->pool ? pool_threads(g->m->pool) : 1;
	g->samplers = mem_array((size_t)threads, sizeof(*g->samplers));
	for (int i = 0; i < threads; i++)
		g->samplers[i] = sampler_open(&g->o->sample, g->m->cfg.vocab);
	for (int i = 0; i < g->o->n_stops; i++)
		if (strlen(g->o->stops[i]) > g->stop_bytes)
			g->stop_bytes = strlen(g->o->stops[i]);
	return OK;
}

static void close_generation(struct generation *g)
{
	while (g->head) {
		struct job *j = g->head;
		g->head = j->next;
		job_free(j, g->drawn);
	}
	for (int64_t i = 0; g->lanes && i < g->o->slots; i++) {
		buf_release(&g->lanes[i].tail);
		ids_release(&g->lanes[i].cached);
	}
	int threads = g->m->pool ? pool_threads(g->m->pool) : 1;
	for (int i = 0; g->samplers && i < threads; i++)
		sampler_close(g->samplers[i]);
	mem_free(g->samplers);
	mem_free(g->lanes);
	mem_free(g->cu);
	mem_free(g->slot);
	mem_free(g->past);
	mem_free(g->owner);
	mem_free(g->logits);
	ids_release(&g->feed);
	model_cache_close(g->cache);
}

enum status generate_run(struct model *m, const struct tokenizer *t, const struct generate_options *o,
			 const struct generate_io *io, struct generate_totals *totals, struct error *err)
{
	struct generation g = { .m = m, .t = t, .o = o, .io = io, .totals = totals };
	if (o->beams > 1)
		return beam_run(m, t, o, io, totals, err);
	enum status st = open_generation(&g, err);
	while (st == OK) {
		st = admit(&g, err);
		if (st != OK || g.free_lanes == o->slots)
			break;
		st = step(&g, err);
		if (st == OK)
			st = deliver(&g, err);
	}
	close_generation(&g);
	return st;
}

void generate_text(const struct tokenizer *t, const struct generate_options *o, const struct generate_result *r,
		   struct buf *out)
{
	size_t from = out->len;
	tokenizer_decode(t, r->ids, r->n, true, out);
	if (r->finish != FINISH_STOP)
		return;
	size_t cut = out->len - from;
	for (int i = 0; i < o->n_stops; i++) {
		const char *at = memmem(out->data + from, cut, o->stops[i], strlen(o->stops[i]));
		if (at)
			cut = (size_t)(at - out->data) - from;
	}
	out->len = from + cut;
	out->data[out->len] = 0;
}
