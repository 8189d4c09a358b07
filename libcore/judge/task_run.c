/* task_run.c - see task_run.h. */
#include "judge/task_run.h"

#include "infer/logprob.h"
#include "judge/perplexity.h"
#include "judge/task_judge.h"

#include <math.h>
#include <string.h>

#define MAX_GEN_TOKS 256             /* the original's default */

struct running {
	const struct task_run *r;
	struct task_scores *scores;
	struct task_totals *totals;
	struct prompter prompter;
	struct arena arena;
	struct buf target, arguments, responses, filtered;
};

/* --- what a sample says ---------------------------------------------------------------------------- */

static struct json_writer start(struct buf *b)
{
	buf_clear(b);
	return json_writer_open(b, 0);
}

/* context and continuation of each request */
static void write_arguments(struct running *x, const struct task_request *r)
{
	struct json_writer w = start(&x->arguments);

	json_begin_array(&w);
	for (int64_t i = 0; i < (r->continuations && x->r->task->type != TASK_GENERATE ? r->n : 1); i++) {
		struct request_text pair[2] = { { "", 0 }, { "", 0 } };

		if (r->contexts)
			pair[0] = r->contexts[r->n_contexts > 1 ? i : 0];
		if (r->continuations && x->r->task->type != TASK_GENERATE)
			pair[1] = r->continuations[i];
		json_begin_array(&w);
		for (int k = 0; k < (x->r->task->type == TASK_GENERATE ? 1 : 2); k++)
			json_string_n(&w, pair[k].s, pair[k].n);
		json_end_array(&w);
	}
	json_end_array(&w);
}

static void write_likelihoods(struct buf *b, const struct likelihood *l, int64_t n)
{
	struct json_writer w = start(b);

	json_begin_array(&w);
	for (int64_t i = 0; i < n; i++) {
		json_begin_array(&w);
		json_double(&w, l[i].logprob);
		json_bool(&w, l[i].greedy);
		json_end_array(&w);
	}
	json_end_array(&w);
}

static enum status tell(struct running *x, int64_t doc, const struct task_request *r, struct error *err)
{
	struct task_sample s = { .doc = doc, .arguments = x->arguments.data, .responses = x->responses.data,
				 .filtered = x->filtered.data };
	struct json_writer w;

	if (!x->r->sample)
		return OK;
	w = start(&x->target);
	json_value(&w, &r->gold);
	s.target = x->target.data;
	s.text = docs_text(x->r->docs, doc, &s.n);
	return x->r->sample(x->r->arg, x->scores, &s, err);
}

/* --- likelihoods -------------------------------------------------------------------------------------- */

static struct json copy_json(struct arena *arena, const struct json *j)
{
	struct json out = *j;

	if (j->type == JSON_STRING)
		out.str = arena_strndup(arena, j->str, j->len);
	if (j->type == JSON_ARRAY || j->type == JSON_OBJECT) {
		struct json *items = arena_alloc(arena, (j->len + 1) * sizeof(*items)), *keys = NULL;

		for (size_t i = 0; i < j->len; i++)
			items[i] = copy_json(arena, &j->items[i]);
		if (j->type == JSON_OBJECT) {
			keys = arena_alloc(arena, (j->len + 1) * sizeof(*keys));
			for (size_t i = 0; i < j->len; i++)
				keys[i] = copy_json(arena, &j->keys[i]);
		}
		out.items = items;
		out.keys = keys;
	}
	return out;
}

#define ASKED 32                     /* documents that are asked before the first is scored */

struct asked {
	struct arena arena;
	struct task_request r;
	struct likelihood *l;        /* [r.n], and where they are wanted those without a context behind them */
	bool alone;
};

static enum status ask_doc(struct running *x, struct likelihoods *engine, int64_t doc, struct asked *a, struct error *err)
{
	struct task_request *r = &a->r;

	arena_reset(&a->arena);
	TRY(prompter_request(&x->prompter, doc, &a->arena, r, err));
	r->gold = copy_json(&a->arena, &r->gold);
	a->l = arena_alloc(&a->arena, 2 * (size_t)(r->n + 1) * sizeof(*a->l));
	a->alone = x->r->task->type == TASK_MULTIPLE_CHOICE && task_wants(x->r->task, "acc_mutual_info") && !r->chooses_context;
	if (!r->chooses_context)
		TRY(likelihoods_ask(engine, r->contexts[0], r->continuations, r->n, a->l, err));
	for (int64_t i = 0; r->chooses_context && i < r->n; i++)
		TRY(likelihoods_ask(engine, r->contexts[i], &r->continuations[i], 1, &a->l[i], err));
	return a->alone ? likelihoods_ask(engine, (struct request_text){ "", 0 }, r->continuations, r->n, a->l + r->n, err) : OK;
}

static enum status score_likelihoods(struct running *x, int64_t doc, const struct asked *a, struct error *err)
{
	const struct task_request *r = &a->r;
	int64_t n = a->alone ? 2 * r->n : r->n;

	if (x->r->task->type == TASK_LOGLIKELIHOOD) {
		if (isnan(a->l[0].logprob))
			return error_set(err, ERR_DATA, "the log-probability is not a number");
		task_scores_likelihood(x->scores, &a->l[0]);
	} else {
		TRY(task_scores_choices(x->scores, r, a->l, a->alone ? a->l + r->n : NULL, err));
	}
	x->totals->requests += n;
	write_arguments(x, r);
	write_likelihoods(&x->responses, a->l, n);
	write_likelihoods(&x->filtered, a->l, r->n);
	return tell(x, doc, r, err);
}

/* Documents [from, to), which are asked together. */
static enum status run_some(struct running *x, struct likelihoods *engine, int64_t from, int64_t to, struct asked *asked, struct error *err)
{
	enum status st = OK;
	int64_t doc;

	for (doc = from; doc < to && st == OK; doc++)
		st = ask_doc(x, engine, doc, &asked[doc - from], err);
	if (st == OK)
		TRY(likelihoods_settle(engine, err));
	for (doc = st == OK ? from : doc; doc < to && st == OK; doc++) {
		st = score_likelihoods(x, doc, &asked[doc - from], err);
		if (x->r->tick)
			x->r->tick(x->r->arg, doc + 1, x->r->docs->n);
	}
	return st == OK ? OK : error_prefix(err, st, "document %lld", (long long)doc - 1);
}

static enum status run_likelihoods(struct running *x, struct error *err)
{
	struct likelihoods *engine = NULL;
	struct asked *asked = mem_array(ASKED, sizeof(*asked));
	enum status st = likelihoods_open(&engine, x->r->lm, x->r->context, err);
	int64_t n = x->r->docs->n;

	if (st == OK)
		likelihoods_use_cache(engine, x->r->cache);
	for (int64_t i = 0; i < n && st == OK; i += ASKED)
		st = run_some(x, engine, i, n - i < ASKED ? n : i + ASKED, asked, err);
	x->totals->fed = engine ? likelihoods_fed(engine) : 0;
	x->totals->shared = engine ? likelihoods_shared(engine) : 0;
	likelihoods_close(engine);
	for (int i = 0; i < ASKED; i++)
		arena_release(&asked[i].arena);
	mem_free(asked);
	return st;
}

static enum status run_rolling(struct running *x, struct error *err)
{
	struct perplexity p = { .cache = x->r->cache };
	int64_t context = x->r->context ? x->r->context : generate_context(&x->r->lm->model);
	enum status st = scorer_open(&p.scorer, &x->r->lm->model, context, err);

	for (int64_t i = 0; i < x->r->docs->n && st == OK; i++) {
		struct task_request r;
		struct likelihood l = { 0 };

		arena_reset(&x->arena);
		st = prompter_request(&x->prompter, i, &x->arena, &r, err);
		if (st == OK)
			st = perplexity_add_text(&p, x->r->lm, r.continuations[0].s, r.continuations[0].n, err);
		if (st == OK)
			st = perplexity_settle(&p, err);
		if (st != OK) {
			error_prefix(err, st, "document %lld", (long long)i);
			break;
		}
		l.logprob = p.documents->logprob;
		task_scores_rolling(x->scores, p.documents);
		x->totals->requests++;
		write_arguments(x, &r);
		write_likelihoods(&x->responses, &l, 1);
		write_likelihoods(&x->filtered, &l, 1);
		st = tell(x, i, &r, err);
		if (x->r->tick)
			x->r->tick(x->r->arg, i + 1, x->r->docs->n);
	}
	x->totals->fed = p.tokens;
	scorer_close(p.scorer);
	perplexity_release(&p);
	return st;
}

/* --- responses ------------------------------------------------------------------------------------------ */

struct answering {
	struct running *x;
	const struct generate_options *o;
	struct task_judge *judge;
	struct json_parser *parser;          /* of the document under way */
	struct task_request *requests;       /* [docs], of those asked and not yet answered */
	struct arena *arenas;                /* [docs] */
	int64_t next, context;
	struct ids ids;
	struct request_text *responses;      /* [o->n] of the document under way */
	int64_t n_responses;
	struct arena texts;
};

/* The next document's prompt; what is too long loses its first tokens, so that the answer has room. */
static enum status next_prompt(void *arg, struct generate_prompt *p, struct error *err)
{
	struct answering *a = arg;
	struct running *x = a->x;
	int64_t i = a->next, most = a->context - a->o->max_new_tokens;
	struct task_request *r = &a->requests[i];
	enum status st;

	if (i == x->r->docs->n)
		return END;
	a->next++;
	st = prompter_request(&x->prompter, i, &a->arenas[i], r, err);
	if (st == OK && r->chooses_context)
		st = error_set(err, ERR_UNSUPPORTED, "several contexts in a generate_until task");
	if (st == OK) {
		r->target = copy_json(&a->arenas[i], &r->target);
		r->gold = r->target;
		a->ids.n = 0;
		st = lm_encode(x->r->lm, r->contexts[0].s, r->contexts[0].n, &a->ids, err);
	}
	if (st == OK && !a->ids.n)
		st = error_set(err, ERR_DATA, "the prompt is empty");
	if (st != OK)
		return error_prefix(err, st, "document %lld", (long long)i);
	most = most < 1 ? a->context - 1 : most;     /* the task would fill the context alone: the answer gets what the prompt leaves */
	if (a->ids.n > most) {
		memmove(a->ids.v, a->ids.v + a->ids.n - most, (size_t)most * sizeof(int32_t));
		a->ids.n = most;
	}
	*p = (struct generate_prompt){ .ids = a->ids.v, .n = a->ids.n, .stream = { (uint64_t)i, 1 }, .user = r };
	return OK;
}

static enum status score_doc(struct answering *a, int64_t doc, struct error *err)
{
	struct running *x = a->x;
	struct task_request *r = &a->requests[doc];
	size_t n;
	const char *text = docs_text(x->r->docs, doc, &n);

	write_arguments(x, r);
	TRY(docs_get(x->r->docs, doc, a->parser, &r->doc, err));
	return task_judge_responses(a->judge, doc, text, n, r, x->arguments.data, a->responses, a->n_responses, err);
}

static enum status take_result(void *arg, const struct generate_result *g, struct error *err)
{
	struct answering *a = arg;
	struct running *x = a->x;
	int64_t doc = (struct task_request *)g->user - a->requests;
	struct buf text = { 0 };
	enum status st = OK;

	generate_text(x->r->lm->tokenizer, a->o, g, &text);
	a->responses[a->n_responses++] = (struct request_text){ arena_strndup(&a->arenas[doc], text.data ? text.data : "", text.len), text.len };
	buf_release(&text);
	if (!g->last)
		return OK;
	x->totals->requests += a->n_responses;
	st = score_doc(a, doc, err);
	if (st != OK)
		error_prefix(err, st, "document %lld", (long long)doc);
	a->n_responses = 0;
	arena_release(&a->arenas[doc]);
	if (x->r->tick)
		x->r->tick(x->r->arg, doc + 1, x->r->docs->n);
	return st;
}

/* generation_kwargs into options; the stop strings live as long as the task, their list is the caller's (mem_free). */
static enum status read_kwargs(const struct task *t, struct generate_options *o, const char ***stops, struct error *err)
{
	static const char *const known[] = { "until", "do_sample", "temperature", "top_p", "top_k", "min_p", "max_gen_toks", "max_new_tokens",
					     "repetition_penalty" };
	const struct json *k = json_get(t->config, "generation_kwargs"), *until = json_get(k, "until");
	bool sample = json_get_bool(k, "do_sample", false);

	for (size_t i = 0; k && k->type == JSON_OBJECT && i < k->len; i++) {
		bool found = k->items[i].type == JSON_NULL;

		for (size_t m = 0; m < sizeof(known) / sizeof(*known); m++)
			found |= !strcmp(known[m], k->keys[i].str);
		if (!found)
			return error_set(err, ERR_UNSUPPORTED, "'generation_kwargs.%s' is not supported", k->keys[i].str);
	}
	o->n = t->repeats ? t->repeats : 1;
	o->max_new_tokens = json_get_int(k, "max_new_tokens", json_get_int(k, "max_gen_toks", MAX_GEN_TOKS));
	o->sample = (struct sample_options){ .temperature = sample ? json_get_num(k, "temperature", 1) : 0,
					     .top_p = json_get_num(k, "top_p", 1), .top_k = json_get_int(k, "top_k", sample ? 50 : 0),
					     .min_p = json_get_num(k, "min_p", 0),
					     .repetition_penalty = json_get_num(k, "repetition_penalty", 1) };
	if (o->max_new_tokens < 1 || o->sample.temperature < 0 || !(o->sample.top_p > 0) || o->sample.top_k < 0)
		return error_set(err, ERR_DATA, "'generation_kwargs' has a number out of range");
	*stops = mem_array((until && until->type == JSON_ARRAY ? until->len : 0) + 2, sizeof(**stops));
	if (!until || until->type == JSON_NULL) {
		(*stops)[o->n_stops++] = t->shot_delimiter;
	} else if (until->type == JSON_STRING) {
		(*stops)[o->n_stops++] = until->str;
	} else {
		for (size_t i = 0; until->type == JSON_ARRAY && i < until->len; i++)
			if (until->items[i].type == JSON_STRING)
				(*stops)[o->n_stops++] = until->items[i].str;
	}
	for (int i = 0; i < o->n_stops; i++)
		if (!*(*stops)[i])
			(*stops)[i--] = (*stops)[--o->n_stops];
	o->stops = *stops;
	return OK;
}

static enum status run_generate(struct running *x, struct error *err)
{
	const struct task_run *r = x->r;
	struct generate_options o = r->generate;
	struct answering a = { .x = x, .o = &o };
	struct generate_io io = { next_prompt, take_result, &a };
	struct generate_totals totals = { 0 };
	const char **stops = NULL;
	enum status st;

	o.context = r->context;
	st = read_kwargs(r->task, &o, &stops, err);
	a.context = r->context ? r->context : generate_context(&r->lm->model);
	a.parser = json_parser_open();
	if (st == OK && o.n < task_responses_needed(r->task))
		st = error_set(err, ERR_USAGE, "a metric looks at %lld responses of a document, and 'repeats' is %lld",
			       (long long)task_responses_needed(r->task), (long long)o.n);
	if (st == OK)
		st = task_judge_open(&a.judge, r->task, x->scores, r->sample, r->arg, err);
	if (st == OK)
		st = generate_check(&r->lm->model, &o, err);
	if (st == OK) {
		a.requests = mem_array((size_t)r->docs->n, sizeof(*a.requests));
		a.arenas = mem_array((size_t)r->docs->n, sizeof(*a.arenas));
		a.responses = mem_array((size_t)o.n, sizeof(*a.responses));
		st = journal_run(r->journal, &r->lm->model, r->lm->tokenizer, &o, &io, &totals, err);
	}
	x->totals->fed = totals.prompt_tokens - totals.shared_tokens + totals.new_tokens;
	x->totals->shared = totals.shared_tokens;
	task_judge_close(a.judge);
	json_parser_close(a.parser);
	for (int64_t i = 0; a.arenas && i < r->docs->n; i++)
		arena_release(&a.arenas[i]);
	ids_release(&a.ids);
	mem_free(a.requests);
	mem_free(a.arenas);
	mem_free(a.responses);
	mem_free(stops);
	return st;
}

/* --- the run --------------------------------------------------------------------------------------------- */

enum status task_run(const struct task_run *r, struct task_scores *s, struct task_totals *totals, struct error *err)
{
	struct running x = { .r = r, .scores = s, .totals = totals };
	enum status st;

	*totals = (struct task_totals){ 0 };
	prompter_open(&x.prompter, r->task, r->docs, r->shots ? r->shots : r->docs, r->shot_seed);
	x.prompter.chat = r->chat ? r->lm->tokenizer : NULL;
	x.prompter.one_turn = r->one_turn;
	st = r->chat ? chat_check(r->lm->tokenizer, err) : OK;
	if (st == OK)
		st = r->task->type == TASK_ROLLING ? run_rolling(&x, err) : r->task->type == TASK_GENERATE ? run_generate(&x, err) :
	     run_likelihoods(&x, err);
	prompter_close(&x.prompter);
	arena_release(&x.arena);
	buf_release(&x.target);
	buf_release(&x.arguments);
	buf_release(&x.responses);
	buf_release(&x.filtered);
	return st;
}
