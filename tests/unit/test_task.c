/* Task files under a small random model: every metric and error that lm-evaluation-harness finds for the same files
 * (tests/reference/make_tasks.py); what a file may not say. */
#include "judge/task_run.h"

#include "stream/stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#define DIR "tests/golden/data/tasks/"

static struct error err;
static struct lm lm;
static struct pool *pool;

/* The model of quern init-model --preset tiny as the script calls it. */
static void open_model(uint64_t seed)
{
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 2, .hidden = 32, .heads = 4,
				  .kv_heads = 2, .head_dim = 8, .ffn = 64, .vocab = 259, .positions = 256, .rope_theta = 10000,
				  .norm_eps = 1e-5f, .init_range = 0.3f, .tied = true, .bos_id = -1, .eos_id = 258, .pad_id = 256 };

	OK_OR_FAIL(model_init(&lm.model, &c, seed, kernels_cpu(), pool, &err));
	OK_OR_FAIL(tokenizer_load(&lm.tokenizer, "tests/golden/data/generate/tokenizer", &err));
	lm.scratch = tokenizer_scratch_open(lm.tokenizer);
}

static int open_lm(void **state)
{
	(void)state;
	pool = pool_open(2);
	open_model(3);
	return 0;
}

static int close_lm(void **state)
{
	(void)state;
	lm_close(&lm);
	pool_close(pool);
	return 0;
}

static void read_docs(const char *path, struct docs *d, struct schema *s)
{
	struct reader_options plain = { .json_plain = true };
	struct reader *r;
	struct batch *b;

	OK_OR_FAIL(reader_open(&r, path, &plain, &err));
	if (s)
		schema_copy(s, reader_schema(r));
	while (reader_next(r, &b, &err) == OK) {
		for (int64_t i = 0; i < b->rows; i++)
			docs_add(d, b, i);
		batch_release(b);
	}
	reader_close(r);
}

static void expect_result(const char *task, const struct json *want, const struct task_score *have)
{
	char key[100];

	for (int error = 0; error < 2; error++) {
		double x = error ? have->error : have->value;
		const struct json *w;

		snprintf(key, sizeof(key), "%s%s,%s", have->metric, error ? "_stderr" : "", have->filter);
		w = json_get(want, key);
		if (!w)
			fail_msg("%s: the reference has no %s", task, key);
		if (w->type == JSON_NULL ? !isnan(x) : !(fabs(x - w->number) <= 1e-4 * fabs(w->number) + 1e-12))
			fail_msg("%s: %s is %.10g, the reference has %.10g", task, key, x, w->type == JSON_NULL ? NAN : w->number);
	}
}

static void results_are_the_harness_s(void **state)
{
	struct json_parser *p = json_parser_open();
	const struct json *all;

	(void)state;
	OK_OR_FAIL(json_parse_file(p, DIR "results.json", &all, &err));
	assert_int_equal(all->len, 24);
	for (size_t i = 0; i < all->len; i++) {
		struct docs docs = { 0 }, shots = { 0 };
		struct schema columns = { 0 };
		struct task *t;
		struct task_scores *s;
		struct task_score *scores;
		struct task_totals totals;
		char path[200];
		int n;

		const char *name = all->keys[i].str, *chat = strchr(name, '+'), *seed = strchr(name, '@');

		if (seed) {
			lm_close(&lm);
			open_model((uint64_t)strtoull(seed + 1, NULL, 10));
		}

		snprintf(path, sizeof(path), DIR "%.*s.yaml", chat ? (int)(chat - name) : (int)strlen(name), name);
		OK_OR_FAIL(task_load(&t, path, &err));
		read_docs(DIR "docs.jsonl", &docs, &columns);
		read_docs(DIR "shots.jsonl", &shots, NULL);
		OK_OR_FAIL(task_bind(t, &columns, &err));
		task_scores_open(&s, t);
		struct task_run r = { .lm = &lm, .task = t, .docs = &docs, .shots = t->shots_from_docs ? &docs : &shots, .shot_seed = 1234,
				      .generate = { .slots = 8 }, .chat = chat, .one_turn = chat && !strncmp(chat, "+text", 5) };
		OK_OR_FAIL(task_run(&r, s, &totals, &err));
		n = task_scores_report(s, 1000, &scores);
		assert_int_equal(all->items[i].len, 2 * n);
		for (int k = 0; k < n; k++)
			expect_result(all->keys[i].str, &all->items[i], &scores[k]);
		mem_free(scores);
		task_scores_close(s);
		task_close(t);
		docs_release(&docs);
		docs_release(&shots);
		schema_release(&columns);
	}
	json_parser_close(p);
}

/* --- what is refused, and by which word ------------------------------------------------------------------ */

static void expect_refused(const char *yaml, enum status want, const char *says)
{
	char path[] = "/tmp/quern-task.XXXXXX";
	int fd = mkstemp(path);
	struct schema columns = { 0 };
	struct task *t;
	enum status st;

	assert_true(fd >= 0 && write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
	close(fd);
	st = task_load(&t, path, &err);
	if (st == OK) {
		st = task_bind(t, &columns, &err);
		task_close(t);
	}
	unlink(path);
	if (st != want || !strstr(err.text, says))
		fail_msg("'%.60s': %d, '%s'", yaml, st, err.text);
}

static void files_that_ask_too_much(void **state)
{
	(void)state;
	expect_refused("task: a\noutput_type: multiple_choice\ndoc_to_text: x\ndoc_to_target: !function utils.f\n", ERR_UNSUPPORTED,
		       "'doc_to_target' is a Python function");
	expect_refused("task: a\nmetric_list:\n  - metric: !function utils.f\n", ERR_UNSUPPORTED, "metric_list[0].metric");
	expect_refused("task: a\nprocess_docs: x\n", ERR_UNSUPPORTED, "'process_docs'");
	expect_refused("group: a\ntask: [b, c]\n", ERR_UNSUPPORTED, "a group");
	expect_refused("task: a\noutput_type: sing\ndoc_to_text: x\ndoc_to_target: y\n", ERR_UNSUPPORTED, "'sing'");
	expect_refused("task: a\noutput_type: multiple_choice\ndoc_to_text: x\ndoc_to_target: y\n", ERR_DATA, "'doc_to_choice'");
	expect_refused("task: a\ndoc_to_text: x\ndoc_to_target: y\nmetric_list:\n  - metric: rouge\n", ERR_UNSUPPORTED, "'rouge'");
	expect_refused("task: a\ndoc_to_text: x\ndoc_to_target: y\nmetric_list:\n  - metric: acc_norm\n", ERR_UNSUPPORTED, "'acc_norm'");
	expect_refused("task: a\ndoc_to_text: '{{ x'\ndoc_to_target: y\n", ERR_DATA, "doc_to_text");
	expect_refused("task: a\ndoc_to_text: x\ndoc_to_target: y\nfewshot_config: {sampler: best}\n", ERR_UNSUPPORTED, "'best'");
	expect_refused("include: nowhere.yaml\n", ERR_IO, "nowhere.yaml");
	expect_refused("- a\n- b\n", ERR_DATA, "no mapping");
	expect_refused("task: [", ERR_DATA, "line");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(results_are_the_harness_s), cmocka_unit_test(files_that_ask_too_much) };

	return cmocka_run_group_tests(tests, open_lm, close_lm);
}
