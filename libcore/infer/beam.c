/* beam.c - see beam.h. A group is one prompt's search: beams sequences, each in a slot of the cache, and as many free slots,
 * so that a beam's children can share its pages before any of them goes on. Groups stand in input order; where pages run out, the
 * last one that runs gives up its own and is computed again when those before it leave room. */
#include "infer/beam.h"
#include "infer/lanes.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define NEVER -1e9                   /* the score of what is not there, as the original has it */

struct beam {
	struct ids tokens;           /* prompt and what was said */
	double score, logprob;       /* with penalties, and the model's own */
	int slot;
	int row;                     /* of the call that continues it */
};

struct hypothesis {
	struct ids tokens;
	double score, logprob;
	enum generate_finish finish;
};

struct candidate {
	double score, logprob;
	int beam;
	int32_t id;
	bool ends;
	enum generate_finish finish;
};

struct group {
	struct group *next;
	struct generate_prompt p;
	int64_t n_prompt;
	struct beam *beams;          /* [n_beams] */
	struct hypothesis *best;     /* [o->beams], best first */
	int n_beams, n_best;
	int first_slot;              /* of 2 x beams; -1 once it is done */
	bool paused;                 /* has no tokens in the cache */
	bool done;
};

struct search {
	struct model *m;
	const struct tokenizer *t;
	const struct generate_options *o;
	const struct generate_io *io;
	struct generate_totals *totals;
	struct model_cache *cache;
	uint32_t *seen;              /* [vocab], zeros: scratch of sample_logprobs */
	int width, kept;             /* beams, candidates of a step */
	int n_groups, running;       /* places for groups, groups that run */
	int64_t context;
	int32_t ends[19];            /* tokens that end a sequence: three that may be there, and those of the model's list */
	int n_ends;
	size_t stop_bytes;
	bool *taken;                 /* [n_groups] places */
	struct group *head, *tail;   /* in input order */
	bool ended;
	struct candidate *found;     /* [width * kept] of one group */
	float *logprobs;             /* [vocab] */
	float *logits;               /* [n_groups * width, vocab] */
	struct logits_sum *sums;     /* of those */
	int32_t *ids, *cu, *slot, *past;
};

static void group_free(struct search *s, struct group *g)
{
	for (int i = 0; i < g->n_beams; i++)
		ids_release(&g->beams[i].tokens);
	for (int i = 0; i < s->width; i++)
		ids_release(&g->best[i].tokens);
	mem_free(g->beams);
	mem_free(g->best);
	mem_free(g);
}

static void copy_ids(struct ids *to, const struct ids *from)
{
	to->n = 0;
	for (int64_t i = 0; i < from->n; i++)
		ids_push(to, from->v[i]);
}

/* --- which continuations ---------------------------------------------------------------------- */

static bool before(const struct candidate *a, const struct candidate *b)
{
	return a->score > b->score || (a->score == b->score && (a->beam < b->beam || (a->beam == b->beam && a->id < b->id)));
}

/* Puts c in its place among the n best so far, best first; at most max stay. */
static int insert(struct candidate *list, int n, int max, const struct candidate *c)
{
	int at = n < max ? n : max - 1;

	if (n == max && !before(c, &list[n - 1]))
		return n;
	for (; at > 0 && before(c, &list[at - 1]); at--)
		list[at] = list[at - 1];
	list[at] = *c;
	return n < max ? n + 1 : n;
}

/* The best continuations of all beams, best first. */
static enum status find_candidates(struct search *s, const struct group *g, int *n, struct error *err)
{
	*n = 0;
	for (int b = 0; b < g->n_beams; b++) {
		const struct beam *x = &g->beams[b];
		const float *logits = s->logits + (size_t)x->row * (size_t)s->m->cfg.vocab;
		const struct logits_sum sum = s->sums[x->row];

		TRY(sample_logprobs(&s->o->sample, logits, sum, s->m->cfg.vocab, x->tokens.v, g->n_prompt, x->tokens.n, s->seen, s->logprobs, err));
		for (int32_t id = 0; id < s->m->cfg.vocab; id++) {
			struct candidate c = { x->score + (double)s->logprobs[id], x->logprob + (double)logits_logp(sum, logits[id]), b, id, false, 0 };

			if (*n < s->kept || c.score >= s->found[*n - 1].score)
				*n = insert(s->found, *n, s->kept, &c);
		}
	}
	return OK;
}

/* Whether a stop string ends within the token said last; only as many bytes before it are looked at as can matter. */
static bool says_stop(const struct search *s, const struct ids *said, int64_t from, int32_t id)
{
	struct buf text = { 0 };
	int64_t first = said->n;
	size_t before_bytes = 0, n;
	bool found = false;

	if (!s->o->n_stops || tokenizer_is_special(s->t, id))
		return false;
	while (first > from && before_bytes < s->stop_bytes) {
		if (!tokenizer_is_special(s->t, said->v[--first])) {
			tokenizer_bytes(s->t, said->v[first], &n);
			before_bytes += n;
		}
	}
	for (int64_t i = first; i <= said->n; i++) {
		int32_t at = i < said->n ? said->v[i] : id;

		if (!tokenizer_is_special(s->t, at)) {
			const char *bytes = tokenizer_bytes(s->t, at, &n);

			buf_add(&text, bytes, n);
		}
	}
	for (int i = 0; i < s->o->n_stops && !found; i++)
		found = memmem(text.data, text.len, s->o->stops[i], strlen(s->o->stops[i])) != NULL;
	buf_release(&text);
	return found;
}

static void find_end(const struct search *s, const struct group *g, struct candidate *c)
{
	const struct ids *said = &g->beams[c->beam].tokens;
	int64_t length = said->n + 1 - g->n_prompt;

	c->ends = true;
	for (int i = 0; i < s->n_ends; i++)
		if (c->id == s->ends[i]) {
			c->finish = FINISH_EOS;
			return;
		}
	c->finish = says_stop(s, said, g->n_prompt, c->id) ? FINISH_STOP : FINISH_LENGTH;
	c->ends = c->finish == FINISH_STOP || length >= s->o->max_new_tokens || said->n + 1 >= s->context;
}

/* --- one step of a group ------------------------------------------------------------------------ */

static double length_factor(const struct search *s, int64_t length) { return pow((double)length, s->o->length_penalty); }

/* Keeps a finished sequence among the best, if it is. */
static void keep_hypothesis(struct search *s, struct group *g, const struct candidate *c)
{
	const struct ids *said = &g->beams[c->beam].tokens;
	double score = c->score / length_factor(s, said->n + 1 - g->n_prompt);
	int at = g->n_best < s->width ? g->n_best : s->width - 1;
	struct ids spare = g->best[at].tokens;

	if (g->n_best == s->width && score <= g->best[at].score)
		return;
	for (; at > 0 && score > g->best[at - 1].score; at--)
		g->best[at] = g->best[at - 1];
	g->best[at] = (struct hypothesis){ spare, score, c->logprob, c->finish };
	copy_ids(&g->best[at].tokens, said);
	ids_push(&g->best[at].tokens, c->id);
	g->n_best += g->n_best < s->width;
}

static void drop_slots(struct search *s, const struct group *g, const bool *but)
{
	for (int i = 0; i < 2 * s->width; i++)
		if (!but || !but[i])
			model_cache_drop(s->cache, g->first_slot + i);
}

/* Makes the chosen continuations the beams: the first child of a beam stays in its slot, others share it from free ones. */
static void continue_beams(struct search *s, struct group *g, const struct candidate *next, int n)
{
	struct beam *made = mem_array((size_t)s->width, sizeof(*made));
	bool *busy = mem_array(2 * (size_t)s->width, sizeof(*busy)), *inherited = mem_array((size_t)s->width, sizeof(*inherited));
	bool *lives = mem_array(2 * (size_t)s->width, sizeof(*lives));

	for (int i = 0; i < g->n_beams; i++)
		busy[g->beams[i].slot - g->first_slot] = true;
	for (int i = 0; i < n; i++) {
		const struct beam *parent = &g->beams[next[i].beam];

		made[i].score = next[i].score;
		made[i].logprob = next[i].logprob;
		copy_ids(&made[i].tokens, &parent->tokens);
		ids_push(&made[i].tokens, next[i].id);
		made[i].slot = parent->slot;
		if (inherited[next[i].beam]) {
			int to = 0;

			while (busy[to])
				to++;
			busy[to] = true;
			made[i].slot = g->first_slot + to;
			model_cache_share(s->cache, parent->slot, made[i].slot, parent->tokens.n);
		}
		inherited[next[i].beam] = true;
		lives[made[i].slot - g->first_slot] = true;
	}
	drop_slots(s, g, lives);
	for (int i = 0; i < n; i++)
		model_cache_slide(s->cache, made[i].slot, made[i].tokens.n - 1);
	for (int i = 0; i < g->n_beams; i++)
		ids_release(&g->beams[i].tokens);
	mem_free(g->beams);
	mem_free(busy);
	mem_free(inherited);
	mem_free(lives);
	g->beams = made;
	g->n_beams = n;
}

static enum status advance(struct search *s, struct group *g, struct error *err)
{
	struct candidate *next = mem_array((size_t)s->width, sizeof(*next));
	int n, going = 0;
	enum status st = find_candidates(s, g, &n, err);

	if (st != OK) {
		mem_free(next);
		return st;
	}
	s->totals->new_tokens += g->n_beams;
	for (int i = 0; i < n; i++) {
		struct candidate *c = &s->found[i];

		if (c->score < NEVER / 2)
			continue;
		find_end(s, g, c);
		if (!c->ends && going < s->width)
			next[going++] = *c;
		else if (c->ends && i < s->width)
			keep_hypothesis(s, g, c);
	}
	g->done = going == 0 || (s->o->early_stopping && g->n_best == s->width);
	if (!g->done) {
		continue_beams(s, g, next, going);
		if (g->n_best == s->width)
			g->done = g->beams[0].score / length_factor(s, g->beams[0].tokens.n - g->n_prompt) <= g->best[s->width - 1].score;
	}
	mem_free(next);
	return OK;
}

/* --- groups ------------------------------------------------------------------------------------- */

static void pause_group(struct search *s, struct group *g)
{
	drop_slots(s, g, NULL);
	g->paused = true;
	s->totals->preemptions++;
	for (int b = 0; b < g->n_beams; b++)
		s->totals->recomputed_tokens += g->beams[b].tokens.n - 1;
}

/* Room for n more tokens of one of the group's beams, at the cost of later groups. False: it had to pause itself. */
static enum status make_room(struct search *s, struct group *g, int slot, int64_t past, int64_t n, bool *room, struct error *err)
{
	*room = true;
	while (!model_cache_room(s->cache, slot, past, n)) {
		struct group *last = NULL;
		bool first = true;

		for (struct group *x = s->head; x != g; x = x->next)
			first &= x->done;
		for (struct group *x = g->next; x; x = x->next)
			last = x->done || x->paused ? last : x;
		if (!last && first)
			return error_set(err, ERR_MEMORY, "no memory for the keys and values of %d beams", s->width);
		pause_group(s, last ? last : g);
		*room = last != NULL;
		if (!last)
			return OK;
	}
	return OK;
}

/* Feeds a beam's tokens but the last, behind `past` of them. */
static enum status feed_beam(struct search *s, struct group *g, const struct beam *x, int64_t past, bool *room, struct error *err)
{
	int32_t where = x->slot;
	const float *none;

	for (int64_t at = past; at < x->tokens.n - 1; at += GENERATE_CHUNK) {
		int64_t rest = x->tokens.n - 1 - at, n = rest < GENERATE_CHUNK ? rest : GENERATE_CHUNK;
		int32_t cu[2] = { 0, (int32_t)n }, from = (int32_t)at;

		TRY(make_room(s, g, x->slot, at, n, room, err));
		if (!*room)
			return OK;
		TRY(model_decode_said(s->m, s->cache, 1, x->tokens.v + at, cu, &where, &from, NULL, NULL, 0, &none, err));
		model_cache_slide(s->cache, x->slot, at + n);
	}
	return OK;
}

/* Groups that had to pause, or are new, go on, the first of them first, as long as there is room for their tokens. */
static enum status resume(struct search *s, struct error *err)
{
	struct group *g = s->head;

	while (g && (g->done || !g->paused))
		g = g->next;
	for (; g && g->paused; g = g->next) {
		struct model_cache_use use = model_cache_use(s->cache);
		bool first = true, room = true;

		for (struct group *x = s->head; x != g; x = x->next)
			first &= x->done;
		if (!first && use.pages - use.used < g->beams[0].tokens.n / KERNELS_KEY_BLOCK + 1 + s->width)
			return OK;
		g->paused = false;
		for (int b = 0; b < g->n_beams && room; b++) {
			const struct beam *x = &g->beams[b];
			int64_t same = 0;

			/* what it has in common with the first, as far as that is still there */
			while (b && same < x->tokens.n - 1 && same < g->beams[0].tokens.n - 1 && x->tokens.v[same] == g->beams[0].tokens.v[same])
				same++;
			if (same && !model_cache_share(s->cache, g->beams[0].slot, x->slot, same))
				same = 0;
			TRY(feed_beam(s, g, x, same, &room, err));
		}
		if (!room)
			return OK;
	}
	return OK;
}

static enum status admit(struct search *s, struct error *err)
{
	while (!s->ended && s->running < s->n_groups) {
		struct generate_prompt p;
		enum status st = s->io->next(s->io->arg, &p, err);
		struct group *g;
		int place = 0;

		if (st != OK) {
			s->ended = st == END;
			return st == END ? OK : st;
		}
		while (s->taken[place])
			place++;
		s->taken[place] = true;
		g = mem_zalloc(sizeof(*g));
		g->p = p;
		g->n_prompt = p.n;
		g->first_slot = place * 2 * s->width;
		g->beams = mem_array((size_t)s->width, sizeof(*g->beams));
		g->best = mem_array((size_t)s->width, sizeof(*g->best));
		g->n_beams = 1;
		g->paused = true;            /* until its prompt is fed */
		g->beams[0].slot = g->first_slot;
		for (int64_t i = 0; i < p.n; i++)
			ids_push(&g->beams[0].tokens, p.ids[i]);
		if (s->tail)
			s->tail->next = g;
		else
			s->head = g;
		s->tail = g;
		s->running++;
		s->totals->prompts++;
		s->totals->sequences += s->o->n;
		s->totals->prompt_tokens += p.n;
	}
	return OK;
}

/* One token for every beam of every group that runs. */
static enum status step(struct search *s, struct error *err)
{
	int rows = 0;
	bool room;

	TRY(resume(s, err));
	for (struct group *g = s->head; g; g = g->next)
		for (int b = 0; !g->done && !g->paused && b < g->n_beams; b++)
			TRY(make_room(s, g, g->beams[b].slot, g->beams[b].tokens.n - 1, 1, &room, err));
	for (struct group *g = s->head; g; g = g->next)
		for (int b = 0; !g->done && !g->paused && b < g->n_beams; b++, rows++) {
			const struct ids *tokens = &g->beams[b].tokens;

			g->beams[b].row = rows;
			s->ids[rows] = tokens->v[tokens->n - 1];
			s->slot[rows] = g->beams[b].slot;
			s->past[rows] = (int32_t)tokens->n - 1;
			s->cu[rows + 1] = rows + 1;
		}
	if (!rows)
		return OK;
	TRY(model_decode(s->m, s->cache, rows, s->ids, s->cu, s->slot, s->past, s->logits, err));
	TRY(model_decode_sums(s->m, s->cache, rows, s->sums, err));
	s->totals->steps++;
	for (struct group *g = s->head; g; g = g->next)
		if (!g->done && !g->paused)
			TRY(advance(s, g, err));
	return OK;
}

/* Frees the places of groups that are done, and delivers those that are next in order. */
static enum status deliver(struct search *s, struct error *err)
{
	for (struct group *g = s->head; g; g = g->next)
		if (g->done && g->first_slot >= 0) {
			drop_slots(s, g, NULL);
			s->taken[g->first_slot / (2 * s->width)] = false;
			g->first_slot = -1;
			s->running--;
		}
	while (s->head && s->head->done) {
		struct group *g = s->head;
		int64_t n = g->n_best < s->o->n ? g->n_best : s->o->n;       /* fewer tokens, or bans, can leave fewer sequences */

		for (int64_t k = 0; k < n; k++) {
			const struct hypothesis *h = &g->best[k];
			struct generate_result r = {
				.user = g->p.user, .sample = k, .last = k + 1 == n, .ids = h->tokens.v + g->n_prompt,
				.n = h->tokens.n - g->n_prompt, .logprob = h->logprob, .finish = h->finish,
			};

			TRY(s->io->done(s->io->arg, &r, err));
		}
		s->head = g->next;
		if (!s->head)
			s->tail = NULL;
		group_free(s, g);
	}
	return OK;
}

/* --- the run -------------------------------------------------------------------------------------- */

static void add_end(struct search *s, int32_t id)
{
	for (int i = 0; i < s->n_ends; i++)
		if (s->ends[i] == id)
			return;
	if (id >= 0)
		s->ends[s->n_ends++] = id;
}

static enum status open_search(struct search *s, struct error *err)
{
	size_t rows, vocab = (size_t)s->m->cfg.vocab;

	s->width = (int)s->o->beams;
	s->n_groups = (int)(s->o->slots / s->o->beams);
	rows = (size_t)s->n_groups * (size_t)s->width;
	s->context = s->o->context ? s->o->context : generate_context(s->m);
	add_end(s, s->m->cfg.eos_id);
	add_end(s, tokenizer_eos(s->t));
	add_end(s, tokenizer_id(s->t, "<|endoftext|>", 13));
	for (int i = 0; i < s->m->cfg.n_ends; i++)
		add_end(s, s->m->cfg.ends[i]);
	s->kept = (1 + (s->n_ends > 1 ? s->n_ends : 1)) * s->width;
	for (int i = 0; i < s->o->n_stops; i++)
		if (strlen(s->o->stops[i]) > s->stop_bytes)
			s->stop_bytes = strlen(s->o->stops[i]);
	TRY(model_cache_open(&s->cache, s->m, s->n_groups * 2 * s->width, (int)s->context,
			     GENERATE_CHUNK > rows ? GENERATE_CHUNK : (int64_t)rows, err));
	TRY(limit_pages(s->cache, s->m->k, s->o->kv_memory,
			(s->context + KERNELS_KEY_BLOCK - 1) / KERNELS_KEY_BLOCK * KERNELS_KEY_BLOCK * s->width, err));
	s->logits = mem_try(rows * vocab * sizeof(float));
	if (!s->logits)
		return error_set(err, ERR_MEMORY, "no memory for the logits of %zu beams: lower --batch", rows);
	s->seen = mem_array(vocab, sizeof(*s->seen));
	s->logprobs = mem_array(vocab, sizeof(float));
	s->sums = mem_array(rows, sizeof(*s->sums));
	s->found = mem_array((size_t)s->kept, sizeof(*s->found));
	s->taken = mem_array((size_t)s->n_groups, sizeof(*s->taken));
	s->ids = mem_array(rows, sizeof(int32_t));
	s->slot = mem_array(rows, sizeof(int32_t));
	s->past = mem_array(rows, sizeof(int32_t));
	s->cu = mem_array(rows + 1, sizeof(int32_t));
	return OK;
}

static void close_search(struct search *s)
{
	while (s->head) {
		struct group *g = s->head;

		s->head = g->next;
		group_free(s, g);
	}
	mem_free(s->seen);
	mem_free(s->logits);
	mem_free(s->logprobs);
	mem_free(s->sums);
	mem_free(s->found);
	mem_free(s->taken);
	mem_free(s->ids);
	mem_free(s->slot);
	mem_free(s->past);
	mem_free(s->cu);
	model_cache_close(s->cache);
}

enum status beam_run(struct model *m, const struct tokenizer *t, const struct generate_options *o,
		     const struct generate_io *io, struct generate_totals *totals, struct error *err)
{
	struct search s = { .m = m, .t = t, .o = o, .io = io, .totals = totals };
	enum status st = open_search(&s, err);

	while (st == OK) {
		st = admit(&s, err);
		if (st != OK || !s.head)
			break;
		st = step(&s, err);
		if (st == OK)
			st = deliver(&s, err);
	}
	if (s.cache)
		totals->kv = model_cache_use(s.cache);
	close_search(&s);
	return st;
}
