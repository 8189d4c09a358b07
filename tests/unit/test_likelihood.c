/* Likelihoods of continuations: against one pass over each whole text, whatever is shared. */
#include "infer/likelihood.h"
#include "infer/logprob.h"

#include <math.h>
#include <stdio.h>

#include "unit.h"

static struct error err;
static struct lm lm;
static struct pool *pool;

static int open_lm(void **state)
{
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 2, .hidden = 32, .heads = 4,
				  .kv_heads = 2, .head_dim = 8, .ffn = 64, .vocab = 288, .positions = 700, .rope_theta = 10000,
				  .norm_eps = 1e-5f, .init_range = 0.25f, .bos_id = -1, .eos_id = 258, .pad_id = 256 };

	(void)state;
	pool = pool_open(2);
	OK_OR_FAIL(model_init(&lm.model, &c, 5, kernels_cpu(), pool, &err));
	OK_OR_FAIL(tokenizer_load(&lm.tokenizer, "tests/golden/data/generate/tokenizer", &err));
	lm.scratch = tokenizer_scratch_open(lm.tokenizer);
	return 0;
}

static int close_lm(void **state)
{
	(void)state;
	lm_close(&lm);
	pool_close(pool);
	return 0;
}

static struct request_text text(const char *s) { return (struct request_text){ s, strlen(s) }; }

/* The same by feeding the whole to a fresh cache, token after token. */
static struct likelihood direct(const int32_t *ids, int64_t n, int64_t cut)
{
	struct likelihood out = { .greedy = true };
	float *logits = mem_array((size_t)lm.model.cfg.vocab, sizeof(*logits));
	struct model_cache *c;

	OK_OR_FAIL(model_cache_open(&c, &lm.model, 1, 700, 1, &err));
	for (int32_t i = 0; i + 1 < n; i++) {
		int32_t cu[2] = { 0, 1 }, slot = 0, best = 0;
		double sum = 0;

		OK_OR_FAIL(model_decode(&lm.model, c, 1, ids + i, cu, &slot, &i, logits, &err));
		if (i + 1 < cut)
			continue;
		for (int v = 0; v < lm.model.cfg.vocab; v++) {
			best = logits[v] > logits[best] ? v : best;
			sum += exp((double)logits[v]);
		}
		out.logprob += (double)logits[ids[i + 1]] - log(sum);
		out.greedy &= best == ids[i + 1];
		out.tokens++;
	}
	model_cache_close(c);
	mem_free(logits);
	return out;
}

static void expect_equal(struct likelihood have, struct likelihood want)
{
	if (fabs(have.logprob - want.logprob) > 1e-4 * (1 + fabs(want.logprob)) || have.greedy != want.greedy ||
	    have.tokens != want.tokens)
		fail_msg("%g %d %lld, not %g %d %lld", have.logprob, have.greedy, (long long)have.tokens, want.logprob, want.greedy,
			 (long long)want.tokens);
}

/* The tokenizer of the test makes a token of each byte. */
static struct likelihood direct_text(const char *context, const char *continuation)
{
	struct ids ids = { 0 };
	struct likelihood out;
	char whole[2048];
	size_t n = strlen(context);

	while (n && context[n - 1] == ' ')
		n--;
	if (!*context)
		ids_push(&ids, tokenizer_bos(lm.tokenizer) >= 0 ? tokenizer_bos(lm.tokenizer) : tokenizer_eos(lm.tokenizer));
	snprintf(whole, sizeof(whole), "%s%s", context, continuation);
	OK_OR_FAIL(tokenizer_encode(lm.tokenizer, lm.scratch, whole, strlen(whole), true, &ids, &err));
	if (!*context)
		n = 1;
	out = direct(ids.v, ids.n, (int64_t)n);
	ids_release(&ids);
	return out;
}

static void shared_beginnings_change_nothing(void **state)
{
	static const char *const contexts[] = { "Question: what is 2+2?\nAnswer:", "Question: what is 2+3?\nAnswer: ", "", "Q", "Question" };
	static const char *const ends[] = { " 4", " 5", " four", " a longer continuation than the others", "" };
	struct likelihoods *l;
	struct request_text all[40];
	struct likelihood out[40];

	(void)state;
	OK_OR_FAIL(likelihoods_open(&l, &lm, 0, &err));
	for (int c = 0; c < 5; c++)
		for (int n = 1; n <= 40; n += 13) {
			for (int i = 0; i < n; i++)
				all[i] = text(ends[i % 5]);
			OK_OR_FAIL(likelihoods_ask(l, text(contexts[c]), all, n, out, &err));
			OK_OR_FAIL(likelihoods_settle(l, &err));
			for (int i = 0; i < n && i < 10; i++)
				expect_equal(out[i], direct_text(contexts[c], ends[i % 5]));
		}
	assert_true(likelihoods_shared(l) > 8 * likelihoods_fed(l) / 10);
	likelihoods_close(l);
}

/* Many contexts asked before any is computed, in an order that shares and one that does not: the same bits. */
static void what_is_asked_together_changes_nothing(void **state)
{
	static const char *const ends[] = { " 4", " a longer continuation", "x" };
	struct request_text all[3] = { text(ends[0]), text(ends[1]), text(ends[2]) };
	struct likelihood together[60][3], single[3];
	char contexts[60][64];
	struct likelihoods *l;

	(void)state;
	for (int order = 0; order < 2; order++) {
		OK_OR_FAIL(likelihoods_open(&l, &lm, 0, &err));
		for (int i = 0; i < 60; i++) {
			int k = order ? i * 7 % 60 : i;

			snprintf(contexts[i], sizeof(contexts[i]), "Chapter %d says what there is to say. Verse %d", k / 6, k % 6);
			OK_OR_FAIL(likelihoods_ask(l, text(contexts[i]), all, 3, together[i], &err));
		}
		OK_OR_FAIL(likelihoods_settle(l, &err));
		assert_true(likelihoods_shared(l) > 0);
		likelihoods_close(l);
		for (int i = 0; i < 60; i++) {
			OK_OR_FAIL(likelihoods_open(&l, &lm, 0, &err));
			OK_OR_FAIL(likelihoods_ask(l, text(contexts[i]), all, 3, single, &err));
			OK_OR_FAIL(likelihoods_settle(l, &err));
			likelihoods_close(l);
			for (int e = 0; e < 3; e++) {
				assert_true(together[i][e].logprob == single[e].logprob);
				assert_int_equal(together[i][e].tokens, single[e].tokens);
				assert_int_equal(together[i][e].greedy, single[e].greedy);
			}
		}
	}
}

static void what_is_too_long_loses_its_beginning(void **state)
{
	struct likelihoods *l;
	struct ids ids = { 0 };
	struct likelihood out[2];
	char context[1200];
	struct request_text ends[2] = { text(" end"), text(" another end") };

	(void)state;
	for (int i = 0; i < 1199; i++)
		context[i] = (char)('a' + i * i % 26);
	context[1199] = 0;
	OK_OR_FAIL(likelihoods_open(&l, &lm, 100, &err));
	OK_OR_FAIL(likelihoods_ask(l, text(context), ends, 2, out, &err));
	OK_OR_FAIL(likelihoods_settle(l, &err));
	for (int i = 0; i < 2; i++) {
		ids.n = 0;
		OK_OR_FAIL(tokenizer_encode(lm.tokenizer, lm.scratch, context + 1199 - (101 - ends[i].n), 101 - ends[i].n, true, &ids, &err));
		OK_OR_FAIL(tokenizer_encode(lm.tokenizer, lm.scratch, ends[i].s, ends[i].n, true, &ids, &err));
		expect_equal(out[i], direct(ids.v, ids.n, ids.n - (int64_t)ends[i].n));
	}
	ids_release(&ids);
	likelihoods_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_beginnings_change_nothing), cmocka_unit_test(what_is_asked_together_changes_nothing),
		cmocka_unit_test(what_is_too_long_loses_its_beginning),
	};

	return cmocka_run_group_tests(tests, open_lm, close_lm);
}
