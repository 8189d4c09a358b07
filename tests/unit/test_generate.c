/* Generation: against a plain loop without a cache, and independent of slots, threads and order; log-probabilities. */
#include "base/mem.h"
#include "cpu/isa.h"
#include "infer/complete.h"
#include "infer/journal.h"
#include "infer/logprob.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#define TOKENIZER "tests/golden/data/generate/tokenizer"

static struct error err;
static struct lm lm;
static struct pool *pools[2];

static int open_lm(void **state)
{
	(void)state;
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 2, .hidden = 32, .heads = 4,
				  .kv_heads = 2, .head_dim = 8, .ffn = 64, .vocab = 288, .positions = 640, .rope_theta = 10000,
				  .norm_eps = 1e-5f, .init_range = 0.25f, .tied = false, .bos_id = -1, .eos_id = 258, .pad_id = 256 };
	pools[0] = pool_open(1);
	pools[1] = pool_open(3);
	OK_OR_FAIL(model_init(&lm.model, &c, 5, kernels_cpu(), pools[0], &err));
	OK_OR_FAIL(tokenizer_load(&lm.tokenizer, TOKENIZER, &err));
	lm.scratch = tokenizer_scratch_open(lm.tokenizer);
	return 0;
}

static int close_lm(void **state)
{
	(void)state;
	lm_close(&lm);
	pool_close(pools[0]);
	pool_close(pools[1]);
	return 0;
}

/* --- a run over made-up prompts: what came out, in order ------------------------------------------------ */

#define PROMPTS 9
#define SAMPLES_MAX 6

struct out {
	int64_t prompt, sample, n;
	int32_t ids[64];
	double logprob;
	enum generate_finish finish;
};

struct run {
	int next, count;
	const struct generate_options *o;
	int32_t prompt[640];
	struct generate_totals totals;
	struct out out[PROMPTS * SAMPLES_MAX];
};

/* Prompt i: its length and tokens are a function of i; one is longer than a chunk, and every third begins as the others do. */
static int64_t make_prompt(int i, int32_t *ids)
{
	int64_t same = i % 3 == 2 ? 50 : 0, n = i == 4 ? 600 : same + 1 + (i * 7) % 20;
	for (int64_t k = 0; k < n; k++)
		ids[k] = (int32_t)(((k < same ? 0 : i * 131) + k * 17) % 256);
	return n;
}

static enum status next_prompt(void *arg, struct generate_prompt *p, struct error *e)
{
	struct run *r = arg;
	(void)e;
	if (r->next == PROMPTS)
		return END;
	*p = (struct generate_prompt){ .ids = r->prompt, .n = make_prompt(r->next, r->prompt), .stream = { (uint64_t)r->next },
				       .user = (void *)(intptr_t)(r->next + 1) };
	r->next++;
	return OK;
}

static enum status take_result(void *arg, const struct generate_result *g, struct error *e)
{
	struct run *r = arg;
	(void)e;
	struct out *o = &r->out[r->count++];
	assert_true(g->n >= 1 && g->n <= 64);
	o->prompt = (int64_t)(intptr_t)g->user - 1;
	o->sample = g->sample;
	o->n = g->n;
	memcpy(o->ids, g->ids, (size_t)g->n * sizeof(*g->ids));
	o->logprob = g->logprob;
	o->finish = g->finish;
	assert_int_equal(g->last, g->sample == r->o->n - 1);
	return OK;
}

static struct run *run(const struct generate_options *o, int pool)
{
	struct run *r = calloc(1, sizeof(*r));
	struct generate_io io = { next_prompt, take_result, r };
	r->o = o;
	lm.model.pool = pools[pool];
	OK_OR_FAIL(generate_run(&lm.model, lm.tokenizer, o, &io, &r->totals, &err));
	lm.model.pool = pools[0];
	assert_int_equal(r->count, PROMPTS * o->n);
	for (int i = 0; i < r->count; i++) {
		assert_int_equal(r->out[i].prompt, i / o->n);
		assert_int_equal(r->out[i].sample, i % o->n);
	}
	return r;
}

static struct generate_options options(int64_t n, int64_t slots)
{
	return (struct generate_options){ .sample = { .temperature = 1, .top_p = 1, .repetition_penalty = 1 }, .n = n,
					  .max_new_tokens = 30, .slots = slots, .seed = 11 };
}

static void equal_runs(const struct run *a, const struct run *b)
{
	assert_int_equal(a->count, b->count);
	for (int i = 0; i < a->count; i++)
		assert_memory_equal(&a->out[i], &b->out[i], sizeof(a->out[i]));
}

/* Each step computes the whole sequence anew in a fresh cache of one slot. */
static void the_cache_and_the_batch_change_nothing(void **state)
{
	(void)state;
	struct generate_options o = options(2, 4);
	o.max_new_tokens = 8;
	struct run *r = run(&o, 0);
	struct sampler *s;
	OK_OR_FAIL(sampler_open(&s, &o.sample, lm.model.k, NULL, 1, lm.model.cfg.vocab, &err));
	float *logits = mem_array((size_t)lm.model.cfg.vocab, sizeof(*logits));
	for (int i = 0; i < r->count; i += 3) {
		const struct out *x = &r->out[i];
		int32_t ids[700], zero = 0;
		int64_t n = make_prompt((int)x->prompt, ids);
		uint64_t key[2] = { (uint64_t)x->prompt, 0 };
		uint64_t stream = sample_stream((const char *)key, sizeof(key), x->sample);
		double sum = 0;
		for (int64_t k = 0; k < x->n; k++) {
			struct model_cache *c;
			int32_t cu[2] = { 0, (int32_t)(n + k) };
			OK_OR_FAIL(model_cache_open(&c, &lm.model, 1, 640, 640, &err));
			OK_OR_FAIL(model_decode(&lm.model, c, 1, ids, cu, &zero, &zero, logits, &err));
			model_cache_close(c);
			uint64_t u = sample_uniform(11, stream, (uint64_t)k);
			const int32_t *id;
			const float *lp;
			sampler_draw(s, logits, &zero, &u, 1);
			OK_OR_FAIL(sampler_take(s, &id, &lp, &err));
			assert_int_equal(*id, x->ids[k]);
			ids[n + k] = *id;
			sum += (double)*lp;
		}
		assert_true(fabs(sum - x->logprob) < 1e-4);
	}
	mem_free(logits);
	sampler_close(s);
	free(r);
}

static void slots_and_threads_change_no_sample(void **state)
{
	(void)state;
	static const int64_t slots[] = { 1, 3, 16, 40 };
	struct generate_options first = options(5, 64);
	struct run *want = run(&first, 0);
	for (int i = 0; i < 4; i++) {
		struct generate_options o = options(5, slots[i]);
		struct run *r = run(&o, i % 2);
		equal_runs(want, r);
		free(r);
	}
	struct generate_options other = options(5, 64);
	other.seed = 12;
	struct run *r = run(&other, 0);
	assert_memory_not_equal(want->out, r->out, sizeof(r->out));
	free(r);
	free(want);
}

/* All of a prompt but its last token comes from its first sample, and the common beginning from another prompt. */
static void what_prompts_share_is_computed_once(void **state)
{
	(void)state;
	int64_t all = 0;
	int32_t ids[700];
	for (int i = 0; i < PROMPTS; i++)
		all += make_prompt(i, ids) - 1;
	for (int slots = 1; slots <= 16; slots += 5) {
		struct generate_options o = options(2, slots);
		struct run *r = run(&o, 0);
		assert_int_equal(r->totals.prompt_tokens, 2 * (all + PROMPTS));
		assert_true(r->totals.shared_tokens >= all + (slots == 16 ? 50 * (PROMPTS / 3 - 1) : 0));
		free(r);
	}
}

#define CROWD 120

/* The first has a hundred tokens left to say, all others one. */
static enum status next_of_crowd(void *arg, struct generate_prompt *p, struct error *e)
{
	struct run *r = arg;
	(void)e;
	if (r->next == CROWD)
		return END;
	*p = (struct generate_prompt){ .ids = r->prompt, .n = r->next ? 199 : 100, .stream = { (uint64_t)r->next }, .user = r };
	r->next++;
	return OK;
}

static enum status count_result(void *arg, const struct generate_result *g, struct error *e)
{
	struct run *r = arg;
	(void)e;
	assert_int_equal(g->n, r->count++ ? 1 : 100);
	return OK;
}

static void a_long_one_holds_nobody_up(void **state)
{
	(void)state;
	struct run *r = calloc(1, sizeof(*r));
	struct generate_io io = { next_of_crowd, count_result, r };
	struct generate_options o = options(1, 3);
	static const struct logit_bias never[] = { { 258, -INFINITY }, { 256, -INFINITY }, { 257, -INFINITY } };
	o.sample.bias = never, o.sample.n_bias = 3;
	o.max_new_tokens = 1000;
	o.context = 200;
	OK_OR_FAIL(generate_run(&lm.model, lm.tokenizer, &o, &io, &r->totals, &err));
	assert_int_equal(r->count, CROWD);
	assert_true(r->totals.steps <= 105);
	free(r);
}

/* The best of six are the best of the six that a plain run draws. */
static void best_of_keeps_the_most_probable(void **state)
{
	(void)state;
	struct generate_options plain = options(6, 5), best = options(2, 5);
	best.best_of = 6;
	struct run *a = run(&plain, 0), *b = run(&best, 1);
	for (int i = 0; i < PROMPTS; i++) {
		const struct out *x = &a->out[6 * i], *y = &b->out[2 * i];
		int better = 0, found = 0;
		assert_true(y[0].logprob / (double)y[0].n >= y[1].logprob / (double)y[1].n);
		for (int k = 0; k < 6; k++) {
			better += x[k].logprob / (double)x[k].n > y[1].logprob / (double)y[1].n;
			found |= x[k].n == y[0].n && !memcmp(x[k].ids, y[0].ids, (size_t)y[0].n * sizeof(int32_t));
		}
		assert_true(better <= 1);
		assert_true(found);
	}
	free(a), free(b);
	best.best_of = 1;
	assert_int_equal(generate_check(&lm.model, &best, &err), ERR_USAGE);
}

/* --- beam search ------------------------------------------------------------------------------------------ */

struct searched {
	const struct json *cases;
	int next, count;
	int32_t prompt[16];
};

static enum status next_case(void *arg, struct generate_prompt *p, struct error *e)
{
	struct searched *x = arg;
	const struct json *ids = json_get(&x->cases->items[0], "prompt");
	(void)e;
	if (x->next++)
		return END;
	for (size_t i = 0; i < ids->len; i++)
		x->prompt[i] = (int32_t)ids->items[i].integer;
	*p = (struct generate_prompt){ .ids = x->prompt, .n = (int64_t)ids->len };
	return OK;
}

static enum status check_case(void *arg, const struct generate_result *r, struct error *e)
{
	struct searched *x = arg;
	const struct json *want = &json_get(&x->cases->items[0], "sequences")->items[x->count++];
	(void)e;
	assert_int_equal(r->n, want->len);
	for (int64_t i = 0; i < r->n; i++)
		assert_int_equal(r->ids[i], want->items[i].integer);
	assert_int_equal(r->finish, want->len < 20 || r->ids[19] == json_get_int(&x->cases->items[0], "eos", -1) ?
			 FINISH_EOS : FINISH_LENGTH);
	return OK;
}

static void beams_are_those_of_transformers(void **state)
{
	(void)state;
	struct json_parser *p = json_parser_open();
	const struct json *j, *cases;
	struct model m;
	OK_OR_FAIL(json_parse_file(p, "tests/golden/data/model/beams.json", &j, &err));
	OK_OR_FAIL(model_load(&m, "tests/golden/data/model/tiny", kernels_cpu(), pools[1], &err));
	cases = json_get(j, "cases");
	assert_true(cases->len >= 20);
	for (size_t i = 0; i < cases->len; i++) {
		const struct json *c = &cases->items[i];
		struct json one = { .type = JSON_ARRAY, .len = 1, .items = c };
		struct searched x = { .cases = &one };
		struct generate_io io = { next_case, check_case, &x };
		struct generate_totals totals = { 0 };
		int64_t beams = json_get_int(c, "beams", 0);
		struct generate_options o = {
			.sample = { .temperature = 1, .top_p = 1, .repetition_penalty = json_get_num(c, "repetition_penalty", 1) },
			.n = (int64_t)json_get(c, "sequences")->len, .beams = beams,
			.length_penalty = json_get_num(c, "length_penalty", 1),
			.early_stopping = json_get_bool(c, "early_stopping", false), .max_new_tokens = 20, .slots = 2 * beams,
		};
		m.cfg.eos_id = json_get_int(c, "eos", -1);
		OK_OR_FAIL(generate_run(&m, lm.tokenizer, &o, &io, &totals, &err));
		assert_int_equal(x.count, o.n);
	}
	model_release(&m);
	json_parser_close(p);
}

/* Groups side by side, threads and a stop string change no result; what is said ends with the first stop string. */
static void beams_do_not_depend_on_the_batch(void **state)
{
	(void)state;
	struct generate_options a = options(2, 6), b = options(2, 29);
	a.beams = b.beams = 3;
	a.length_penalty = b.length_penalty = 1;
	struct run *x = run(&a, 0), *y = run(&b, 1);
	equal_runs(x, y);
	free(x), free(y);
	a.slots = 2;
	assert_int_equal(generate_check(&lm.model, &a, &err), ERR_USAGE);
	a.slots = 6;
	a.n = 4;
	assert_int_equal(generate_check(&lm.model, &a, &err), ERR_USAGE);
}

static enum status count_last(void *arg, const struct generate_result *g, struct error *e)
{
	struct run *r = arg;
	(void)e;
	assert_true(g->n == 1 && (g->ids[0] == 7 || g->ids[0] == 9));
	r->out[0].sample += g->last;
	r->count++;
	return OK;
}

/* A bias that leaves two tokens, one to say: two sequences, however many are wanted. */
static void beams_give_what_there_is(void **state)
{
	(void)state;
	struct logit_bias all[288];
	struct run *r = calloc(1, sizeof(*r));
	struct generate_io io = { next_prompt, count_last, r };
	struct generate_options o = options(4, 8);
	for (int i = 0; i < 288; i++)
		all[i] = (struct logit_bias){ i, i == 7 || i == 9 ? 0 : -INFINITY };
	o.sample.bias = all, o.sample.n_bias = 288;
	o.beams = 4;
	o.max_new_tokens = 1;
	OK_OR_FAIL(generate_run(&lm.model, lm.tokenizer, &o, &io, &r->totals, &err));
	assert_int_equal(r->count, 2 * PROMPTS);
	assert_int_equal(r->out[0].sample, PROMPTS);
	free(r);
}

/* --- pages ---------------------------------------------------------------------------------------------- */

#define PAGE_BYTES (2 * 2 * 16 * KERNELS_KEY_BLOCK * 4)    /* of this model: keys and values, layers, their width */
#define CONTEXT_PAGES 10

/* From pages for one sequence of the whole context to many; what gives up its pages is computed again, and to the same bits. */
static void memory_for_pages_changes_no_sample(void **state)
{
	(void)state;
	struct generate_options first = options(5, 64);
	first.sample.frequency_penalty = 0.3;
	struct run *want = run(&first, 0);
	assert_int_equal(want->totals.kv.page_bytes, PAGE_BYTES);
	assert_int_equal(want->totals.preemptions, 0);
	for (int pages = CONTEXT_PAGES; pages <= CONTEXT_PAGES + 12; pages += 4) {
		struct generate_options o = first;
		o.slots = 16;
		o.kv_memory = (size_t)pages * PAGE_BYTES + 5;
		struct run *r = run(&o, pages % 3 == 0);
		equal_runs(want, r);
		assert_int_equal(r->totals.kv.pages, pages);
		assert_true(r->totals.kv.peak <= pages);
		if (pages <= CONTEXT_PAGES + 4)
			assert_true(r->totals.preemptions > 0 && r->totals.recomputed_tokens > 0);
		free(r);
	}
	free(want);
	first.kv_memory = CONTEXT_PAGES * PAGE_BYTES - 1;
	struct generate_totals totals = { 0 };
	struct generate_io io = { next_prompt, take_result, NULL };
	assert_int_equal(generate_run(&lm.model, lm.tokenizer, &first, &io, &totals, &err), ERR_USAGE);
}

static void memory_for_pages_changes_no_beam(void **state)
{
	(void)state;
	struct generate_options a = options(2, 30), b = options(2, 30);
	a.beams = b.beams = 3;
	a.length_penalty = b.length_penalty = 1;
	b.kv_memory = 3 * CONTEXT_PAGES * PAGE_BYTES;
	struct run *x = run(&a, 0), *y = run(&b, 1);
	equal_runs(x, y);
	assert_true(y->totals.kv.peak <= 3 * CONTEXT_PAGES);
	/* nine prompts and three beams of each, which share its pages but the last: no copies of the long one's ten */
	assert_true(x->totals.kv.peak <= CONTEXT_PAGES + 8 + 9 * 3);
	b.slots = 3, b.kv_memory = 3 * CONTEXT_PAGES * PAGE_BYTES - 1;
	struct generate_io io = { next_prompt, take_result, y };
	assert_int_equal(generate_run(&lm.model, lm.tokenizer, &b, &io, &y->totals, &err), ERR_USAGE);
	free(x), free(y);
}

/* Six samples of a prompt of 600 tokens hold its nine full pages once, and a page or two of their own each. */
static void samples_hold_their_prompt_once(void **state)
{
	(void)state;
	struct generate_options o = options(6, 6);
	struct run *r = run(&o, 0);
	assert_true(r->totals.kv.peak >= 9 + 6);
	assert_true(r->totals.kv.peak <= 9 + 6 * 2 + 16 /* kept prompts of a page */ + 2);
	free(r);
}

/* With a window in all layers pages that it has left behind are given back, and what is computed stays the same. */
static void a_window_gives_pages_back(void **state)
{
	(void)state;
	struct generate_options o = options(1, 1), few = options(3, 8);
	lm.model.cfg.window = 70;
	lm.model.cfg.local[0] = lm.model.cfg.local[1] = true;
	the_cache_and_the_batch_change_nothing(NULL);
	struct run *r = run(&o, 0);
	int64_t peak = r->totals.kv.peak;
	free(r);
	struct run *want = run(&few, 0);
	few.kv_memory = CONTEXT_PAGES * PAGE_BYTES;
	r = run(&few, 1);
	equal_runs(want, r);
	assert_true(r->totals.preemptions > 0);
	free(want), free(r);
	lm.model.cfg.local[1] = false;       /* one layer sees all: nothing may go */
	the_cache_and_the_batch_change_nothing(NULL);
	r = run(&o, 0);
	assert_true(r->totals.kv.peak >= peak + 2);  /* the long prompt's second chunk has no use for two pages of the first */
	free(r);
	lm.model.cfg.local[0] = false;
	lm.model.cfg.window = 0;
}

static void samples_of_a_prompt_differ(void **state)
{
	(void)state;
	struct generate_options o = options(5, 8);
	struct run *r = run(&o, 0);
	for (int i = 1; i < 5; i++)
		assert_memory_not_equal(r->out[0].ids, r->out[i].ids, 8 * sizeof(int32_t));
	free(r);
}

static void sequences_end_for_the_reason_they_name(void **state)
{
	(void)state;
	const char *const stops[] = { "e", "\n" };
	struct generate_options o = options(5, 16);
	o.stops = stops;
	o.n_stops = 2;
	o.max_new_tokens = 64;
	int seen[3] = { 0 };
	struct run *r = run(&o, 0);
	for (int i = 0; i < r->count; i++) {
		const struct out *x = &r->out[i];
		seen[x->finish]++;
		if (x->finish == FINISH_EOS)
			assert_true(x->ids[x->n - 1] == 258 || x->ids[x->n - 1] == 256);
		else if (x->finish == FINISH_STOP)
			assert_true(x->ids[x->n - 1] == 'e' || x->ids[x->n - 1] == '\n');
		else
			assert_true(x->n == 64 || x->prompt == 4);       /* that prompt runs into the context: 600 + 40 */
		for (int64_t k = 0; k + 1 < x->n; k++)
			assert_true(x->ids[k] != 258 && x->ids[k] != 256 && x->ids[k] != 'e' && x->ids[k] != '\n');
		if (x->prompt == 4)
			assert_true(x->n <= 40);
	}
	assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
	free(r);
}

static void text_ends_before_the_first_stop_string(void **state)
{
	(void)state;
	const char *const stops[] = { "END", "x" };
	struct generate_options o = { .stops = stops, .n_stops = 2 };
	int32_t ids[] = { 'a', 'E', 'N', 'x', 'b' };
	struct generate_result r = { .ids = ids, .n = 5, .finish = FINISH_STOP };
	struct buf out = { 0 };
	generate_text(lm.tokenizer, &o, &r, &out);
	assert_string_equal(out.data, "aEN");
	r.finish = FINISH_LENGTH;
	buf_clear(&out);
	generate_text(lm.tokenizer, &o, &r, &out);
	assert_string_equal(out.data, "aENxb");
	buf_release(&out);
}

/* --- log-probabilities ---------------------------------------------------------------------------------- */

/* What the scorer, however it packs, finds in one pass over what was generated is to the bit what was summed up meanwhile. */
static void expect_scored(const char *table, const struct run *r)
{
	struct scorer *s;
	double sums[PROMPTS * SAMPLES_MAX];
	OK_OR_FAIL(scorer_open(&s, &lm.model, 0, &err));
	for (int i = 0; i < r->count; i++) {
		int32_t ids[700], mask[700] = { 0 };
		int64_t n = make_prompt((int)r->out[i].prompt, ids);
		for (int64_t k = 0; k < r->out[i].n; k++, n++) {
			ids[n] = r->out[i].ids[k];
			mask[n] = 1;
		}
		OK_OR_FAIL(scorer_add(s, ids, mask, n, &sums[i], &err));
	}
	OK_OR_FAIL(scorer_flush(s, &err));
	scorer_close(s);
	for (int i = 0; i < r->count; i++)
		if (sums[i] != r->out[i].logprob)
			fail_msg("%s: sequence %d: %.9g is %.9g", table, i, sums[i], r->out[i].logprob);
}

/* Also of sequences that shared a prompt or were computed again. */
static void the_scorer_agrees_with_generation(void **state)
{
	(void)state;
	struct generate_options o = options(2, 8);
	o.kv_memory = CONTEXT_PAGES * PAGE_BYTES;
	struct run *r = run(&o, 0);
	assert_true(r->totals.shared_tokens > 0 && r->totals.preemptions > 0);
	expect_scored(kernels_cpu_isa(), r);
	free(r);
	struct scorer *s;
	double sum;
	int32_t longest[700] = { 0 };
	OK_OR_FAIL(scorer_open(&s, &lm.model, 0, &err));
	assert_int_equal(scorer_add(s, longest, longest, 642, &sum, &err), ERR_DATA);
	longest[0] = 288;
	assert_int_equal(scorer_add(s, longest, longest, 5, &sum, &err), ERR_DATA);
	scorer_close(s);
}

/* By every table of this machine: draws with and without filters and penalties, the most probable, and beams. */
static void on_every_table(void **state)
{
	(void)state;
	static const char *const isas[] = { "amx", "avx512bf16", "avx512", "avx2", "plain" };
	struct model first = lm.model;
	int tables = 0;
	for (int i = 0; i < 2 * 5; i++) {
		const struct kernels *k = kernels_cpu_named(isas[i / 2], i % 2);
		struct model_config c = first.cfg;
		if (!k)
			continue;
		tables++;
		c.vocab = 291;               /* no whole vectors */
		c.logit_cap = i % 4 / 2 ? 20 : 0;
		OK_OR_FAIL(model_init(&lm.model, &c, 7, k, pools[0], &err));
		for (int how = 0; how < 4; how++) {
			struct generate_options o = options(2, 5);
			o.max_new_tokens = 12;
			o.sample.temperature = how == 1 ? 0 : how == 2 ? 1.3 : 1;
			o.sample.repetition_penalty = how == 2 ? 1.5 : 1;
			o.sample.top_p = how == 2 ? 0.9 : 1;
			o.beams = how == 3 ? 2 : 0;
			struct run *r = run(&o, 1);
			expect_scored(isas[i / 2], r);
			free(r);
		}
		model_release(&lm.model);
	}
	lm.model = first;
	assert_true(tables >= 2);
}

static void only_the_reply_counts(void **state)
{
	(void)state;
	struct chat_message m[] = {
		{ .role = "user", .role_n = 4, .content = "a", .content_n = 1 },
		{ .role = "assistant", .role_n = 9, .content = "bc", .content_n = 2 },
		{ .role = "user", .role_n = 4, .content = "d", .content_n = 1 },
		{ .role = "assistant", .role_n = 9, .content = "ef", .content_n = 2 },
	};
	struct ids ids = { 0 }, mask = { 0 };
	struct buf said = { 0 };
	OK_OR_FAIL(logprob_encode(&lm, &(struct chat){ .messages = m, .n = 4 }, 3, &ids, &mask, &err));
	assert_int_equal(ids.n, mask.n);
	for (int64_t i = 0; i < ids.n; i++)
		if (mask.v[i])
			tokenizer_decode(lm.tokenizer, &ids.v[i], 1, false, &said);
	assert_string_equal(said.data, "ef<|im_end|>");
	ids_release(&ids);
	ids_release(&mask);
	buf_release(&said);
}

/* A journal of the right form, with checksums, whose first prompt has these samples. */
static enum status run_after(const struct generate_options *o, const struct generate_result *said, int64_t n_said, int *delivered)
{
	char path[] = "/tmp/quern-test-journal.XXXXXX";
	struct run *r = calloc(1, sizeof(*r));
	struct generate_io io = { next_prompt, take_result, r };
	struct generate_totals totals = { 0 };
	struct journal *j;
	int32_t prompt[640];
	int64_t n = make_prompt(0, prompt);
	enum status st;

	close(mkstemp(path));
	OK_OR_FAIL(journal_open(&j, path, "run", &err));
	for (int64_t i = 0; i < n_said; i++) {
		struct generate_result x = said[i];

		x.last = i + 1 == n_said;
		OK_OR_FAIL(journal_add(j, &x, prompt, n, &err));
	}
	journal_close(j, false);
	OK_OR_FAIL(journal_open(&j, path, "run", &err));
	r->o = o;
	st = journal_run(j, &lm.model, lm.tokenizer, o, &io, &totals, &err);
	*delivered = r->count;
	journal_close(j, true);
	free(r);
	return st;
}

static void a_journal_says_nothing_that_the_model_cannot(void **state)
{
	struct generate_options o = options(2, 4);
	int32_t good[] = { 1, 2, 3 }, beyond[] = { 1, 288, 3 }, many[31] = { 0 };
	const struct generate_result fine = { .ids = good, .n = 3, .logprob = -2, .finish = FINISH_EOS };
	const struct generate_result wrong[] = {
		{ .ids = beyond, .n = 3, .logprob = -2, .finish = FINISH_EOS }, { .ids = many, .n = 31, .logprob = -2, .finish = FINISH_LENGTH },
		{ .ids = good, .n = 0, .logprob = -2, .finish = FINISH_EOS }, { .ids = good, .n = 3, .logprob = -2, .finish = FINISH_STOP },
	};
	struct generate_result said[3] = { fine, fine, fine };
	int delivered;

	(void)state;
	OK_OR_FAIL(run_after(&o, said, 2, &delivered));
	assert_int_equal(delivered, 2 * PROMPTS);
	for (int n = 1; n <= 3; n += 2) {                        /* too few samples, and too many */
		assert_int_equal(run_after(&o, said, n, &delivered), ERR_DATA);
		assert_int_equal(delivered, 0);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		said[1] = wrong[i];
		assert_int_equal(run_after(&o, said, 2, &delivered), ERR_DATA);
		assert_int_equal(delivered, 0);
	}
}

static void bad_logits_end_the_run(void **state)
{
	(void)state;
	struct generate_options o = options(1, 4);
	struct run *r = calloc(1, sizeof(*r));
	struct generate_io io = { next_prompt, take_result, r };
	struct generate_totals totals = { 0 };
	r->o = &o;
	for (int64_t i = 0; i < lm.model.n_params; i++)
		lm.model.params[i] = NAN;
	assert_int_equal(generate_run(&lm.model, lm.tokenizer, &o, &io, &totals, &err), ERR_DATA);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cache_and_the_batch_change_nothing), cmocka_unit_test(slots_and_threads_change_no_sample),
		cmocka_unit_test(samples_of_a_prompt_differ), cmocka_unit_test(memory_for_pages_changes_no_sample),
		cmocka_unit_test(memory_for_pages_changes_no_beam), cmocka_unit_test(samples_hold_their_prompt_once),
		cmocka_unit_test(a_window_gives_pages_back),
		cmocka_unit_test(what_prompts_share_is_computed_once), cmocka_unit_test(a_long_one_holds_nobody_up), cmocka_unit_test(best_of_keeps_the_most_probable),
		cmocka_unit_test(beams_are_those_of_transformers), cmocka_unit_test(beams_do_not_depend_on_the_batch), cmocka_unit_test(beams_give_what_there_is), cmocka_unit_test(sequences_end_for_the_reason_they_name),
		cmocka_unit_test(text_ends_before_the_first_stop_string), cmocka_unit_test(the_scorer_agrees_with_generation), cmocka_unit_test(on_every_table),
		cmocka_unit_test(only_the_reply_counts), cmocka_unit_test(a_journal_says_nothing_that_the_model_cannot), cmocka_unit_test(bad_logits_end_the_run),
	};
	return cmocka_run_group_tests(tests, open_lm, close_lm);
}
