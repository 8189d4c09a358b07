/* Evaluation: standard errors, perplexity windows against a direct sum, the report's members. */
#include "base/mem.h"
#include "judge/compare.h"
#include "judge/perplexity.h"
#include "judge/report.h"
#include "judge/stats.h"

#include <math.h>

#include "unit.h"

#define TOKENIZER "tests/golden/data/generate/tokenizer"

static struct error err;
static struct lm lm;

static int open_lm(void **state)
{
	(void)state;
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 1, .hidden = 16, .heads = 2,
				  .kv_heads = 1, .head_dim = 8, .ffn = 32, .vocab = 259, .positions = 8, .rope_theta = 10000,
				  .norm_eps = 1e-5f, .init_range = 0.3f, .tied = true, .bos_id = -1, .eos_id = 258, .pad_id = 256 };
	OK_OR_FAIL(model_init(&lm.model, &c, 5, kernels_cpu(), NULL, &err));
	OK_OR_FAIL(tokenizer_load(&lm.tokenizer, TOKENIZER, &err));
	lm.scratch = tokenizer_scratch_open(lm.tokenizer);
	return 0;
}

static int close_lm(void **state)
{
	(void)state;
	lm_close(&lm);
	return 0;
}

static void standard_error_is_that_of_the_sample(void **state)
{
	(void)state;
	struct stats s = { 0 };
	assert_true(isnan(stats_stderr(&s)));
	for (int i = 0; i < 10; i++)
		stats_add(&s, i < 3);
	assert_true(fabs(s.mean - 0.3) < 1e-12);
	assert_true(fabs(stats_stderr(&s) - sqrt(0.3 * 0.7 / 9)) < 1e-12);
	struct stats far = { 0 };
	for (int i = 0; i < 4; i++)
		stats_add(&far, 1e9 + i);
	assert_true(fabs(stats_stderr(&far) - sqrt(5.0 / 3) / 2) < 1e-6);
}

/* log p(ids[at] | ids[from..at)) by a cache of its own. */
static double direct(const int32_t *ids, int from, int at)
{
	struct model_cache *c;
	float logits[259];
	int32_t cu[2] = { 0, at - from }, zero = 0;
	double sum = 0, max = -INFINITY;
	OK_OR_FAIL(model_cache_open(&c, &lm.model, 1, 8, 8, &err));
	OK_OR_FAIL(model_decode(&lm.model, c, 1, ids + from, cu, &zero, &zero, logits, &err));
	model_cache_close(c);
	for (int i = 0; i < 259; i++)
		max = fmax(max, logits[i]);
	for (int i = 0; i < 259; i++)
		sum += exp(logits[i] - max);
	return logits[ids[at]] - max - log(sum);
}

/* Twenty tokens, eight positions: windows predict 1-8 from 0, 9-16 from 8, and 17-20 with all the context that fits. */
static void windows_are_those_of_the_harness(void **state)
{
	(void)state;
	int32_t ids[21];
	double want = 0;
	for (int i = 0; i < 21; i++)
		ids[i] = (i * 37) % 256;
	for (int i = 1; i < 21; i++)
		want += direct(ids, i <= 8 ? 0 : i <= 16 ? 8 : 12, i);
	struct perplexity p = { 0 };
	OK_OR_FAIL(scorer_open(&p.scorer, &lm.model, 0, &err));
	OK_OR_FAIL(perplexity_add_ids(&p, ids, NULL, 21, &err));
	OK_OR_FAIL(perplexity_settle(&p, &err));
	assert_int_equal(p.tokens, 20);
	assert_true(fabs(p.logprob - want) < 1e-3);
	assert_true(fabs(perplexity_per(&p, p.tokens) - exp(-want / 20)) < 1e-2 * exp(-want / 20));
	scorer_close(p.scorer);
	perplexity_release(&p);
}

static void words_and_bytes_are_counted_as_python_splits(void **state)
{
	(void)state;
	struct perplexity p = { 0 };
	OK_OR_FAIL(scorer_open(&p.scorer, &lm.model, 0, &err));
	OK_OR_FAIL(perplexity_add_text(&p, &lm, " a b\n\nc", 7, &err));          /* ["", "a", "b", "c"] */
	assert_int_equal(p.words, 4);
	OK_OR_FAIL(perplexity_add_text(&p, &lm, "", 0, &err));                   /* [""] */
	assert_int_equal(p.words, 5);
	OK_OR_FAIL(perplexity_add_text(&p, &lm, "x\xe3\x80\x80y ", 6, &err));    /* ["x", "y", ""] */
	assert_int_equal(p.words, 8);
	assert_int_equal(p.bytes, 13);
	OK_OR_FAIL(perplexity_settle(&p, &err));
	assert_int_equal(p.tokens, 13);                                          /* one byte a token, each predicted once */
	assert_true(fabs(perplexity_bits_per_byte(&p) - log2(perplexity_per(&p, 13))) < 1e-9);
	scorer_close(p.scorer);
	perplexity_release(&p);
}

static void masked_tokens_do_not_count(void **state)
{
	(void)state;
	int32_t ids[] = { 1, 2, 3, 4 }, mask[] = { 1, 0, 1, 0 };
	struct perplexity p = { 0 };
	OK_OR_FAIL(scorer_open(&p.scorer, &lm.model, 0, &err));
	OK_OR_FAIL(perplexity_add_ids(&p, ids, mask, 4, &err));
	OK_OR_FAIL(perplexity_add_ids(&p, ids, NULL, 1, &err));
	OK_OR_FAIL(perplexity_add_ids(&p, ids, NULL, 0, &err));
	OK_OR_FAIL(perplexity_settle(&p, &err));
	assert_int_equal(p.tokens, 1);
	assert_true(fabs(p.logprob - direct(ids, 0, 2)) < 1e-4);
	scorer_close(p.scorer);
	perplexity_release(&p);
}

static void the_report_has_the_harness_members(void **state)
{
	(void)state;
	struct report r = { .task = "exact-match", .output_type = "generate_until", .model = "m\"x", .original = 5, .effective = 4 };
	struct buf out = { 0 };
	struct json_parser *p = json_parser_open();
	const struct json *j, *task;
	report_add(&r, "exact_match", 0.5, 0.25, true);
	report_add(&r, "token_perplexity", NAN, NAN, false);
	report_json(&r, &out);
	OK_OR_FAIL(json_parse(p, out.data, out.len, &j, &err));
	task = json_get(json_get(j, "results"), "exact-match");
	assert_true(json_get_num(task, "exact_match,none", 0) == 0.5);
	assert_true(json_get_num(task, "exact_match_stderr,none", 0) == 0.25);
	assert_string_equal(json_get_str(task, "token_perplexity_stderr,none", ""), "N/A");
	assert_int_equal(json_get_int(json_get(json_get(j, "n-samples"), "exact-match"), "original", 0), 5);
	assert_int_equal(json_get_int(json_get(json_get(j, "n-samples"), "exact-match"), "effective", 0), 4);
	assert_string_equal(json_get_str(json_get(j, "config"), "model_args", ""), "pretrained=m\"x");
	buf_clear(&out);
	report_table(&r, &out);
	assert_non_null(strstr(out.data, "0.5000"));
	buf_release(&out);
	json_parser_close(p);
}

/* Values of scipy.stats.binomtest(min(b, c), b + c). */
static void mcnemar_is_the_exact_binomial(void **state)
{
	static const struct {
		int64_t b, c;
		double p;
	} known[] = { { 0, 0, 1 }, { 1, 5, 0.21875 }, { 5, 7, 0.7744140625 }, { 10, 0, 0.001953125 }, { 5000, 5200, 0.04878796312682234 },
		      { 501000, 499000, 0.0456082998653896 }, { 300, 500, 1.5263155581540037e-12 }, { 0, 1100, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		double p = mcnemar_exact(known[i].b, known[i].c);

		if (fabs(p - known[i].p) > 1e-9 * known[i].p + 1e-300)
			fail_msg("%lld, %lld: %.17g, want %.17g", (long long)known[i].b, (long long)known[i].c, p, known[i].p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standard_error_is_that_of_the_sample), cmocka_unit_test(windows_are_those_of_the_harness),
		cmocka_unit_test(words_and_bytes_are_counted_as_python_splits), cmocka_unit_test(masked_tokens_do_not_count),
		cmocka_unit_test(the_report_has_the_harness_members), cmocka_unit_test(mcnemar_is_the_exact_binomial),
	};
	return cmocka_run_group_tests(tests, open_lm, close_lm);
}
