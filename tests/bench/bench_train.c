/* bench_train.c - training tokens a second of models from 3M to 124M parameters, beside what the same machine's matrix
 * products would allow.
 *
 *	bench_train [SIZE [f32|bf16 [THREADS [TOKENS [STEPS]]]]]
 *
 * SIZE is 3m (the demo's model), 10m, 124m (GPT-2's shape as a Llama) or long (a small one over rows of 256 to 32k tokens);
 * TOKENS, of a step, which is then one micro-batch. Without arguments: what time grows with, on 3m, 10m and long, with one thread and
 * with all. The limit is the model's floating
 * point operations (model_flops_per_token) at the rate of a large product (1024 x 1024 x 1024) measured in this run;
 * the rate of multiply-adds from registers is bench_kernels'. */
#include "base/mem.h"
#include "base/progress.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct size {
	const char *name;
	int layers, hidden, heads, ffn, vocab, length;
	int64_t batch, micro[3];     /* tokens of a step and of its parts */
	int steps;
} sizes[] = {
	{"3m", 4, 192, 6, 512, 2048, 256, 8192, {1024, 4096, 8192}, 5},
	{"10m", 6, 256, 8, 704, 16384, 512, 8192, {2048, 8192}, 3},
	{"124m", 12, 768, 12, 2048, 50257, 1024, 4096, {1024, 4096}, 2},
	{"long", 2, 128, 4, 384, 2048, 32768, 32768, {32768}, 1},
};

static struct error err;

static void must(enum status st)
{
	if (st == OK)
		return;
	fprintf(stderr, "bench_train: %s\n", err.text);
	exit(1);
}

/* Of all threads of this process. */
static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Floating point operations a second of y[n, n] = x[n, n] w[n, n]^T. */
static double product_rate(const struct kernels *k, struct pool *pool, int64_t n)
{
	act *x = k->alloc(pool, (size_t)(2 * n * n) * k->elem_bytes);
	float *w = k->alloc(pool, (size_t)(n * n) * sizeof(float));
	double best = 1e30;

	for (int i = 0; i < 20; i++) {
		double start = clock_seconds(), t;

		k->matmul(pool, x, act_at(k, x, n * n), weights_f32(w), n, n, n, 0);
		t = clock_seconds() - start;
		best = t < best ? t : best;
	}
	k->release(x), k->release(w);
	return 2.0 * (double)(n * n * n) / best;
}

static void fill(struct dataset *d, const struct size *z)
{
	int32_t *ids = mem_array((size_t)z->length + 1, sizeof *ids);

	for (int64_t row = 0; row < 2 * z->batch / z->length || !row; row++) {
		for (int i = 0; i <= z->length; i++)
			ids[i] = (int32_t)((row * 131 + i * 17) % z->vocab);
		dataset_add(d, ids, ids, (size_t)z->length + 1);
		dataset_end_item(d);
	}
	mem_free(ids);
}

static void bench(const struct size *z, struct model *m, const struct dataset *d, int64_t micro, double rate)
{
	struct train_options o = { .steps = z->steps, .batch_tokens = z->batch, .micro_tokens = micro, .clip = 1,
				   .schedule = { .lr = 1e-3, .floor = 0.1 }, .optimizer = { .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8 } };
	struct sft sft = { 0 };
	struct arena_part parts[ARENA_PARTS];
	size_t bytes = 0;
	struct objective objective = sft_objective(&sft);
	struct trainer t;
	double best = 0, best_cpu = 0;

	must(trainer_open(&t, m, d, &objective, &o, 0, &err));
	must(trainer_take(&t, &err));
	trainer_arena(&t, NULL, parts);
	for (int i = 0; i < ARENA_PARTS; i++)
		bytes += parts[i].bytes;
	while (t.step < t.steps) {
		double start = clock_seconds(), cpu = cpu_seconds(), speed;
		struct report r;

		must(trainer_step(&t, &r, &err));
		speed = (double)r.tokens / (clock_seconds() - start);
		best = speed > best ? speed : best;
		speed = (double)r.tokens / (cpu_seconds() - cpu) * pool_threads(m->pool);
		best_cpu = speed > best_cpu ? speed : best_cpu;
	}
	printf("train     micro-batch %5lld  %8.0f tokens/s  %8.0f by CPU time  %5.1f %% of the product rate, %.0f MB\n",
	       (long long)micro, best, best_cpu, 100 * best * model_flops_per_token(&m->cfg, z->length) / rate, (double)bytes / 1e6);
	trainer_close(&t);
}

/* One model, all its micro-batches. */
static void bench_size(struct size z, bool half, int threads, int64_t tokens, int steps)
{
	struct pool *pool = pool_open(threads);
	struct dataset d = { 0 };
	struct model m;
	double rate;

	if (steps)
		z.steps = steps;
	if (tokens)
		z.batch = z.micro[0] = tokens, z.micro[1] = 0;
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = z.layers,
				  .hidden = z.hidden, .heads = z.heads, .kv_heads = z.heads,
				  .head_dim = z.hidden / z.heads, .ffn = z.ffn, .vocab = z.vocab, .positions = z.length,
				  .rope_theta = 10000, .norm_eps = 1e-5f, .init_range = 0.02f, .tied = true, .bos_id = -1,
				  .eos_id = -1, .pad_id = -1 };
	must(model_init(&m, &c, 1, half ? kernels_cpu_bf16() : kernels_cpu(), pool, &err));
	fill(&d, &z);
	rate = product_rate(m.k, pool, 1024);
	printf("train     %lld parameters, rows of %d, %d threads, %s, products of %s: %.0f GFLOP/s\n", (long long)m.n_params,
	       z.length, pool_threads(pool), kernels_cpu_isa(), half ? "bf16" : "f32", rate / 1e9);
	for (int i = 0; i < 3 && z.micro[i]; i++)
		bench(&z, &m, &d, z.micro[i], rate);
	dataset_release(&d);
	model_release(&m);
	pool_close(pool);
}

static struct size size_named(const char *name)
{
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (!strcmp(name, sizes[i].name))
			return sizes[i];
	fprintf(stderr, "bench_train: no size '%s'\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	static const int lengths[] = {256, 2048, 8192, 32768};
	struct size z = size_named("long");

	if (argc > 1) {
		bench_size(size_named(argv[1]), argc > 2 && !strcmp(argv[2], "bf16"), argc > 3 ? atoi(argv[3]) : 0,
			   argc > 4 ? atoll(argv[4]) : 0, argc > 5 ? atoi(argv[5]) : 0);
		return 0;
	}
	bench_size(size_named("3m"), false, 1, 4096, 0);
	bench_size(size_named("3m"), false, 0, 0, 0);
	bench_size(size_named("3m"), true, 0, 4096, 0);
	bench_size(size_named("10m"), false, 0, 2048, 0);
	bench_size(size_named("10m"), true, 0, 2048, 0);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		z.length = lengths[i];
		bench_size(z, false, 0, z.length < 4096 ? 4096 : z.length, 0);
	}
	return 0;
}
