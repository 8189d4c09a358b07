/* bench_generate.c - new tokens a second of generation, beside what the same machine's matrix products would allow.
 *
 * A 3.7M-parameter Llama writes 64 tokens behind prompts of 32, with 1 to 256 sequences at once. The limit is two
 * multiply-adds per parameter and token at the rate of a large product (1024 x 1024 x 1024) measured in this run; with one
 * sequence the weights must pass through the processor for each token, and a product of one row is measured for that. Run from
 * the top directory. */
#include "base/mem.h"
#include "base/progress.h"
#include "infer/generate.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKENIZER "tests/golden/data/generate/tokenizer"
#define PROMPT 32
#define NEW 64

static struct error err;

static void must(enum status st)
{
	if (st == OK)
		return;
	fprintf(stderr, "bench_generate: %s\n", err.text);
	exit(1);
}

struct work {
	int64_t left, count;
	int32_t prompt[PROMPT];
};

static enum status next_prompt(void *arg, struct generate_prompt *p, struct error *e)
{
	struct work *w = arg;
	(void)e;
	if (w->left-- == 0)
		return END;
	for (int i = 0; i < PROMPT; i++)
		w->prompt[i] = (int32_t)((w->left * 31 + i * 7) % 256);
	*p = (struct generate_prompt){ .ids = w->prompt, .n = PROMPT, .stream = { (uint64_t)w->left } };
	return OK;
}

static enum status take_result(void *arg, const struct generate_result *r, struct error *e)
{
	struct work *w = arg;
	(void)e;
	w->count += r->n;
	return OK;
}

/* Multiply-adds a second of y[n, c] = x[n, c] w[c, c]. */
static double product_rate(const struct kernels *k, struct pool *pool, int64_t n, int64_t c)
{
	float *x = k->alloc(pool, (size_t)(n * c) * 4), *y = k->alloc(pool, (size_t)(n * c) * 4), *w = k->alloc(pool, (size_t)(c * c) * 4);
	double best = 1e30;
	for (int i = 0; i < 10; i++) {
		double start = clock_seconds();
		k->matmul(pool, y, x, weights_f32(w), n, c, c, 0);
		double t = clock_seconds() - start;
		best = t < best ? t : best;
	}
	k->release(x);
	k->release(y);
	k->release(w);
	return (double)(n * c * c) / best;
}

static void bench(struct model *m, struct tokenizer *t, int64_t slots, double rate)
{
	struct work w = { .left = slots * 2 };
	struct generate_io io = { next_prompt, take_result, &w };
	struct generate_totals totals = { 0 };
	struct generate_options o = { .sample = { 1, 0, 1, 0, 1 }, .n = 1, .max_new_tokens = NEW, .slots = slots, .context = 128, .seed = 1 };
	double start = clock_seconds();
	must(generate_run(m, t, &o, &io, &totals, &err));
	double seconds = clock_seconds() - start, speed = (double)w.count / seconds;
	double products = (double)(totals.prompt_tokens + totals.new_tokens) * (double)m->n_params;
	printf("generate  %4lld at once  %8.0f new tokens/s  %5.1f %% of the product rate\n", (long long)slots, speed,
	       100 * products / seconds / rate);
}

int main(void)
{
	struct model m;
	struct tokenizer *t;
	struct pool *pool = pool_open(0);
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 4, .hidden = 256, .heads = 4,
				  .kv_heads = 2, .head_dim = 64, .ffn = 768, .vocab = 2048, .positions = 256, .rope_theta = 10000,
				  .norm_eps = 1e-5f, .init_range = 0.02f, .tied = true, .bos_id = -1, .eos_id = -1, .pad_id = -1 };
	must(model_init(&m, &c, 1, kernels_cpu(), pool, &err));
	must(tokenizer_load(&t, TOKENIZER, &err));
	double large = product_rate(m.k, pool, 1024, 1024), row = product_rate(m.k, pool, 1, 1024);
	printf("generate  %lld parameters, %d threads; products %.1f G multiply-adds/s, of one row %.1f\n", (long long)m.n_params,
	       pool_threads(pool), large / 1e9, row / 1e9);
	bench(&m, t, 1, row);
	for (int64_t slots = 4; slots <= 256; slots *= 4)
		bench(&m, t, slots, large);
	tokenizer_close(t);
	model_release(&m);
	pool_close(pool);
	return 0;
}
