/* bench_train.c - training tokens a second, beside what the same machine's matrix products would allow.
 *
 * The demo's size of model: hidden 192, 4 layers, 6 heads, ffn 512, vocabulary 2048; rows of 256 tokens. The limit is the
 * model's floating point operations (model_flops_per_token) at the rate of a large product (1024 x 1024 x 1024)
 * measured in this run. */
#include "base/mem.h"
#include "base/progress.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH 256
#define ROWS 64
#define VOCAB 2048

static struct error err;

static void must(enum status st)
{
	if (st == OK)
		return;
	fprintf(stderr, "bench_train: %s\n", err.text);
	exit(1);
}

/* Floating point operations a second of y[n, n] = x[n, n] w[n, n]^T. */
static double product_rate(const struct kernels *k, struct pool *pool, int64_t n)
{
	float *x = k->alloc(pool, (size_t)(3 * n * n) * sizeof(float));
	double best = 1e30;

	for (int i = 0; i < 10; i++) {
		double start = clock_seconds(), t;

		k->matmul(pool, x, x + n * n, weights_f32(x + 2 * n * n), n, n, n, 0);
		t = clock_seconds() - start;
		best = t < best ? t : best;
	}
	k->release(x);
	return 2.0 * (double)(n * n * n) / best;
}

static void fill(struct dataset *d)
{
	int32_t ids[LENGTH + 1];

	for (int row = 0; row < ROWS; row++) {
		for (int i = 0; i <= LENGTH; i++)
			ids[i] = (row * 131 + i * 17) % VOCAB;
		dataset_add(d, ids, ids, LENGTH + 1);
		dataset_end_item(d);
	}
}

static void bench(struct model *m, const struct dataset *d, int64_t micro, double rate)
{
	struct train_options o = { .steps = 5, .batch_tokens = 8192, .micro_tokens = micro, .clip = 1,
				   .schedule = { .lr = 1e-3, .floor = 0.1 }, .optimizer = { .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8 } };
	struct sft sft = { 0 };
	struct arena_part parts[ARENA_PARTS];
	size_t bytes = 0;
	struct objective objective = sft_objective(&sft);
	struct trainer t;
	double best = 0;

	must(trainer_open(&t, m, d, &objective, &o, 0, &err));
	must(trainer_take(&t, &err));
	trainer_arena(&t, NULL, parts);
	for (int i = 0; i < ARENA_PARTS; i++)
		bytes += parts[i].bytes;
	while (t.step < t.steps) {
		double start = clock_seconds(), speed;
		struct report r;

		must(trainer_step(&t, &r, &err));
		speed = (double)r.tokens / (clock_seconds() - start);
		best = speed > best ? speed : best;
	}
	printf("train     micro-batch %5lld  %8.0f tokens/s  %5.1f %% of the product rate, %.0f MB\n", (long long)micro, best,
	       100 * best * model_flops_per_token(&m->cfg, LENGTH) / rate, (double)bytes / 1e6);
	trainer_close(&t);
}

int main(void)
{
	struct pool *pool = pool_open(0);
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 4, .hidden = 192,
				  .heads = 6, .kv_heads = 6, .head_dim = 32, .ffn = 512, .vocab = VOCAB, .positions = 512,
				  .rope_theta = 10000, .norm_eps = 1e-5f, .init_range = 0.02f, .tied = true, .bos_id = -1,
				  .eos_id = -1, .pad_id = -1 };
	struct dataset d = { 0 };
	struct model m;
	double rate;

	must(model_init(&m, &c, 1, kernels_cpu(), pool, &err));
	fill(&d);
	rate = product_rate(m.k, pool, 1024);
	printf("train     %lld parameters, %d threads, %s; products %.0f GFLOP/s\n", (long long)m.n_params, pool_threads(pool),
	       kernels_cpu_isa(), rate / 1e9);
	bench(&m, &d, 1024, rate);
	bench(&m, &d, 4096, rate);
	bench(&m, &d, 8192, rate);
	dataset_release(&d);
	model_release(&m);
	pool_close(pool);
	return 0;
}
