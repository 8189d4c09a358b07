#include "infer/beam.h"
#include "infer/lanes.h"

#include "base/json_escape.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define WINDOW 8                     /* sequences in flight or unwritten, per slot, that there may be in any case: */
#define WINDOW_TOKENS (4 << 20)      /* more as long as they have no more tokens than that, */
#define WINDOW_MOST 1024             /* up to so many per slot. A long one at the head then holds nobody up */

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

struct voice {                       /* of one lane: who speaks there */
	struct job *job;
	struct sequence *seq;
	uint64_t stream;
	struct buf tail;             /* last bytes said, for stop strings */
	int64_t number;              /* of the sequence, counted from the beginning of the run */
};

/* A token that was asked for, and that its lane's sequence gets unless it has ended meanwhile. */
struct asked { int32_t lane; int64_t number; };

struct generation {
	struct model *m;
	const struct tokenizer *t;
	const struct generate_options *o;
	const struct generate_io *io;
	struct generate_totals *totals;
	struct lanes lanes;
	struct sampler *sampler;
	struct voice *voices;        /* [o->slots], one for each lane */
	struct asked *asked, *next;  /* [o->slots] each: whose tokens are awaited, and are asked for next */
	int64_t n_asked;
	int32_t *rows;               /* [o->slots]: the lane of each row of logits, and its random number */
	uint64_t *u;
	int64_t drawn;               /* samples of a prompt */
	int64_t context, in_flight, held;    /* held: tokens of those in flight */
	size_t stop_bytes;           /* longest stop string */
	int32_t end_of_text;         /* what ends a document in training, where a turn ends with another token; -1 = none */
	struct job *head, *tail;     /* in input order; head is written next */
	bool ended;                  /* next() has ended */
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
		if (!o->stops[i][0] || !utf8_valid(o->stops[i], strlen(o->stops[i])))
			return error_set(err, ERR_USAGE, "a stop string must %s", o->stops[i][0] ? "be UTF-8, not a part of a character" : "not be empty");
	for (int i = 0; i < o->sample.n_bias; i++)
		if (o->sample.bias[i].id >= m->cfg.vocab)
			return error_set(err, ERR_USAGE, "a bias of token %d; the model has %d tokens, from 0", (int)o->sample.bias[i].id, m->cfg.vocab);
	if (o->context > model_decodable(&m->cfg))
		return error_set(err, ERR_USAGE, "a context of %lld tokens; the model decodes %d positions", (long long)o->context,
				 model_decodable(&m->cfg));
	if (o->best_of && o->best_of < o->n)
		return error_set(err, ERR_USAGE, "the best %lld of %lld", (long long)o->n, (long long)o->best_of);
	if (o->beams > 1 && (o->best_of || o->n > o->beams || o->beams > o->slots))
		return error_set(err, ERR_USAGE, o->best_of ? "beam search and best-of are two ways; choose one" :
				 o->n > o->beams ? "%lld beams give as many results at most, %lld are wanted" :
				 "%lld beams need as many sequences at once, %lld are allowed",
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
	g->held += j->prompt.n;
	g->totals->prompts++;
	return OK;
}

/* Tokens that a sequence ends with at the latest. */
static int64_t token_limit(const struct generation *g, const struct job *j)
{
	int64_t limit = g->o->max_new_tokens < g->context ? j->prompt.n + g->o->max_new_tokens : g->context;

	return limit < g->context ? limit : g->context;
}

/* Starts the next sample of a prompt; false if it has to wait. */
static bool start(struct generation *g, struct job *j)
{
	struct sequence *q = &j->seqs[j->started];
	struct voice *v;
	int lane;

	if (!q->tokens.n) {
		ids_append(&q->tokens, j->prompt.v, j->prompt.n);
		g->held += j->prompt.n;
	}
	lane = lanes_start(&g->lanes, &q->tokens, token_limit(g, j));
	if (lane < 0)
		return false;
	sampler_begin(g->sampler, lane, q->tokens.v, j->prompt.n, q->tokens.n);
	v = &g->voices[lane];
	v->number = g->totals->sequences;
	v->job = j;
	v->seq = q;
	v->stream = sample_stream((const char *)j->p.stream, sizeof(j->p.stream), j->started++);
	buf_clear(&v->tail);
	g->totals->sequences++;
	return true;
}

/* Whether one more prompt may be in flight. */
static bool has_window(const struct generation *g)
{
	int64_t n = g->in_flight + g->drawn, slots = g->o->slots;

	return !g->head || n <= WINDOW * slots || (n <= WINDOW_MOST * slots && g->held < WINDOW_TOKENS);
}

/* Fills free lanes with samples, prompt after prompt. */
static enum status admit(struct generation *g, struct error *err)
{
	while (g->lanes.running < g->lanes.n) {
		struct job *j = g->tail;
		if (!j || j->started == g->drawn) {
			if (g->ended || !has_window(g))
				return OK;
			enum status st = fetch(g, err);
			if (st != OK)
				return st == END ? OK : st;
			j = g->tail;
		}
		if (!start(g, j))
			return OK;
	}
	return OK;
}

/* --- one step ------------------------------------------------------------------------------------------ */

/* Whether the token that was just said completes a stop string. Keeps only the bytes that a later one could still need. */
static bool says_stop(struct generation *g, struct voice *v, int32_t id)
{
	if (g->o->n_stops == 0 || tokenizer_is_special(g->t, id))
		return false;
	size_t n;
	const char *bytes = tokenizer_bytes(g->t, id, &n);
	buf_add(&v->tail, bytes, n);
	for (int i = 0; i < g->o->n_stops; i++)
		if (memmem(v->tail.data, v->tail.len, g->o->stops[i], strlen(g->o->stops[i])))
			return true;
	if (v->tail.len >= g->stop_bytes) {
		size_t cut = v->tail.len - (g->stop_bytes - 1);
		memmove(v->tail.data, v->tail.data + cut, g->stop_bytes - 1);
		v->tail.len = g->stop_bytes - 1;
	}
	return false;
}

/* Whether a token ends what is said. */
static bool is_end(const struct generation *g, int32_t id)
{
	const struct model_config *c = &g->m->cfg;
	bool end = id == c->eos_id || id == tokenizer_eos(g->t) || id == g->end_of_text;

	for (int i = 0; i < c->n_ends && !end; i++)
		end = id == c->ends[i];
	return end;
}

/* Appends the sampled token, and frees the lane if that was the last. */
static void accept(struct generation *g, int lane, int32_t id, float logprob)
{
	struct voice *v = &g->voices[lane];
	struct sequence *q = v->seq;
	ids_push(&q->tokens, id);
	g->held++;
	g->lanes.lanes[lane].pending--;
	q->logprob += (double)logprob;
	g->totals->new_tokens++;
	q->done = true;
	if (is_end(g, id))
		q->finish = FINISH_EOS;
	else if (says_stop(g, v, id))
		q->finish = FINISH_STOP;
	else if (q->tokens.n >= token_limit(g, v->job))
		q->finish = FINISH_LENGTH;
	else
		q->done = false;
	if (q->done)
		lanes_end(&g->lanes, lane);
}

/* What the last draws gave is said. */
static enum status listen(struct generation *g, struct error *err)
{
	const int32_t *id;
	const float *logprob;

	if (!g->n_asked)
		return OK;
	TRY(sampler_take(g->sampler, &id, &logprob, err));
	for (int64_t i = 0; i < g->n_asked; i++) {
		int lane = g->asked[i].lane;
		if (!g->lanes.lanes[lane].tokens || g->voices[lane].number != g->asked[i].number)
			continue;            /* it has ended a step ago */
		TRY(sampler_check(logprob[lane], err));
		accept(g, lane, id[lane], logprob[lane]);
	}
	g->n_asked = 0;
	return OK;
}

/* Asks for the next token of every lane that can go on. A device computes it while the token before it is looked at here: what has
 * ended by that gets one token too many, which nobody hears. */
static enum status ask(struct generation *g, struct error *err)
{
	const float *logits;
	int64_t n = 0;

	TRY(lanes_step(&g->lanes, sampler_said(g->sampler), &logits, err));
	for (int i = 0; i < g->lanes.n; i++) {
		struct lane *x = &g->lanes.lanes[i];
		if (x->row < 0)
			continue;
		g->rows[x->row] = i;
		g->u[x->row] = sample_uniform(g->o->seed, g->voices[i].stream, (uint64_t)(x->tokens->n + x->pending++ - x->n_prompt));
		g->next[n++] = (struct asked){ i, g->voices[i].number };
	}
	TRY(listen(g, err));
	if (n)
		sampler_draw(g->sampler, logits, g->rows, g->u, n);
	memcpy(g->asked, g->next, (size_t)n * sizeof(*g->asked));
	g->n_asked = n;
	return g->m->k->host_access ? listen(g, err) : OK;
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
		g->held -= q->tokens.n;
		ids_release(&q->tokens);
		q->tokens = (struct ids){ 0 };
		if (!g->o->best_of)
			g->in_flight--;
		if (j->written < g->o->n)
			continue;
		if (g->o->best_of)
			g->in_flight -= g->drawn;
		for (int64_t i = 0; i < g->drawn; i++)
			g->held -= j->seqs[i].tokens.n;       /* of those that were not the best */
		g->held -= j->prompt.n;
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
	size_t slots = (size_t)g->o->slots;
	g->drawn = g->o->best_of ? g->o->best_of : g->o->n;
	g->context = g->o->context ? g->o->context : generate_context(g->m);
	g->end_of_text = tokenizer_id(g->t, "<|endoftext|>", 13);
	TRY(sampler_open(&g->sampler, &g->o->sample, g->m->k, g->m->pool, (int)g->o->slots, g->m->cfg.vocab, err));
	TRY(lanes_open(&g->lanes, g->m, g->o->slots, g->context, g->o->kv_memory, g->totals, err));
	g->voices = mem_array(slots, sizeof(*g->voices));
	g->asked = mem_array(slots, sizeof(*g->asked));
	g->next = mem_array(slots, sizeof(*g->next));
	g->rows = mem_array(slots, sizeof(*g->rows));
	g->u = mem_array(slots, sizeof(*g->u));
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
	for (int64_t i = 0; g->voices && i < g->o->slots; i++)
		buf_release(&g->voices[i].tail);
	sampler_close(g->sampler);
	mem_free(g->voices);
	mem_free(g->asked);
	mem_free(g->next);
	mem_free(g->rows);
	mem_free(g->u);
	lanes_close(&g->lanes);
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
		if (st != OK || !g.lanes.running)
			break;
		st = ask(&g, err);
		if (st == OK)
			st = deliver(&g, err);
	}
	if (g.lanes.cache)
		totals->kv = model_cache_use(g.lanes.cache);
	close_generation(&g);
	return st;
}

/* Whether decoding dropped the space before the first word, as SentencePiece's tokenizers do: a stop string may begin with it. */
static bool dropped_space(const struct tokenizer *t, const struct generate_result *r, const char *text)
{
	size_t n = 0;
	const char *first = "";

	for (int64_t i = 0; i < r->n && !n; i++)
		if (!tokenizer_is_special(t, r->ids[i]))
			first = tokenizer_bytes(t, r->ids[i], &n);
	return n && *first == ' ' && *text != ' ';
}

void generate_text(const struct tokenizer *t, const struct generate_options *o, const struct generate_result *r,
		   struct buf *out)
{
	size_t from = out->len;
	tokenizer_decode(t, r->ids, r->n, true, out);
	if (r->finish != FINISH_STOP || out->len == from)
		return;
	size_t cut = out->len - from;
	bool dropped = dropped_space(t, r, out->data + from);
	for (int i = 0; i < o->n_stops; i++) {
		const char *at = memmem(out->data + from, cut, o->stops[i], strlen(o->stops[i]));
		if (at)
			cut = (size_t)(at - out->data) - from;
		if (dropped && *o->stops[i] == ' ' && !strncmp(out->data + from, o->stops[i] + 1, strlen(o->stops[i] + 1)))
			cut = 0;
	}
	out->len = from + cut;
	out->data[out->len] = 0;
}
