/* bench_generate.c - generation beside what the machine can do: reading the weights for a token of one sequence, multiplying for
 * prompts and for many sequences.
 *
 *   bench_generate [-j THREADS] [--bf16] [--device cuda:N] [DIR FORM ...]    e.g. bench_generate /tmp/m130 bf16 /tmp/m130 int8
 *
 * --bf16: activations, cached keys and values in bf16, as generate --bf16 has them.
 * Without directories a Llama of 3.7M parameters is made up. For each model, measured in turns in this run with the same threads:
 *   one sequence   tokens a second behind a prompt of 16, and the bytes of weights, keys and values that a token reads over
 *                  the rate at which a buffer of as many bytes can be summed up, before and after; the middle one of some rounds
 *   prompts        tokens a second of four prompts of 512, and two operations for each weight but the embeddings' and
 *                  output matrix's over the rate of a product of 1024 rows with a matrix of the same form
 *   many           tokens a second of 32 sequences, and two operations for each weight over the same rate
 *   lengths        tokens a second, and steps, of many sequences whose lengths differ by a hundred times, and of as many of one length
 * On a device (init-model and merge --dtype bf16 make directories of any shape; 8B: --hidden 4096 --layers 32 --heads 32 --kv-heads 8 --ffn 14336
 * --vocab-size 128256), for 1, 64 and 512 sequences behind prompts of 128:
 *   tokens a second, greedy and of a nucleus, and the bytes of weights, keys and values that a step reads, over what a copy on the device
 *   moves in a second, read and written; and the seconds from opening the device and the directory to the first token
 * Run from the top directory; it takes the tokenizer of the goldens, whose ids any vocabulary has. */
#include "base/mem.h"
#include "base/progress.h"
#include "infer/generate.h"
#include "model/layout.h"
#include "open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENIZER "tests/golden/data/generate/tokenizer"
#define ROUNDS 2
#define READ_SECONDS 0.25
#define ONE_ROUNDS 5             /* of one sequence, each between two measurements of reading: other machines share the memory */
#define SECONDS 8                /* of rounds; three of one sequence there are in any case, and one of the others */

static struct error err;
static struct pool *pool;
static struct tokenizer *tokenizer;

static void must(enum status st)
{
	if (st == OK)
		return;
	fprintf(stderr, "bench_generate: %s\n", err.text);
	exit(1);
}

/* --- limits ------------------------------------------------------------------------------------------------ */

#define PIECE ((int64_t)1 << 18)

struct sum {
	const char *data;
	int64_t bytes;
	int pieces;                  /* 0: as they come; else so many long ones */
	uint64_t sink[64];
};

static uint64_t sum_plain(const char *p, int64_t n)
{
	const uint64_t *v = (const uint64_t *)(const void *)p;
	uint64_t a[4] = { 0 };

	for (int64_t i = 0; i + 4 <= n / 8; i += 4)
		for (int k = 0; k < 4; k++)
			a[k] += v[i + k];
	return a[0] + a[1] + a[2] + a[3];
}

#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((target("avx512f"))) static uint64_t sum_512(const char *p, int64_t n)
{
	__m512i a[8];

	for (int k = 0; k < 8; k++)
		a[k] = _mm512_setzero_si512();
	for (int64_t i = 0; i + 512 <= n; i += 512)
#pragma GCC unroll 8
		for (int k = 0; k < 8; k++)
			a[k] = _mm512_add_epi64(a[k], _mm512_loadu_si512(p + i + k * 64));
	for (int k = 1; k < 8; k++)
		a[0] = _mm512_add_epi64(a[0], a[k]);
	return (uint64_t)_mm512_reduce_add_epi64(a[0]);
}
#endif

static uint64_t sum_up(const char *p, int64_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f"))
		return sum_512(p, n);
#endif
	return sum_plain(p, n);
}

static void sum_task(void *arg, int64_t i, int worker)
{
	struct sum *s = arg;
	int64_t size = s->pieces ? (s->bytes / s->pieces + 511) / 512 * 512 : PIECE, from = i * size;
	int64_t n = s->bytes - from < size ? s->bytes - from : size;

	s->sink[worker % 64] += sum_up(s->data + from, n);
}

/* Bytes a second of reading so many of them over and over, for as long as some tokens take: a machine that is shared is faster for
 * moments than it is for long. The better of what one long stream a thread and short ones give. */
static double read_rate(int64_t bytes)
{
	const struct kernels *k = kernels_cpu();
	struct sum *s = mem_try(sizeof(*s));
	double best = 0;

	memset(s, 0, sizeof(*s));
	s->data = k->alloc(pool, (size_t)bytes);
	s->bytes = bytes;
	if (!s->data)
		exit(1);
	memset((void *)s->data, 1, (size_t)bytes);   /* untouched, all of its pages would be one page of zeros, which the cache holds */
	for (int r = 0; r < 2; r++) {
		double start = clock_seconds(), rate;
		int64_t times = 0;

		s->pieces = r ? pool_threads(pool) : 0;
		for (; times < 3 || clock_seconds() - start < READ_SECONDS; times++)
			pool_run(pool, s->pieces ? s->pieces : (bytes + PIECE - 1) / PIECE, sum_task, s);
		rate = (double)(times * bytes) / (clock_seconds() - start);
		best = rate > best ? rate : best;
	}
	k->release((void *)s->data);
	mem_free(s);
	return best;
}

/* Multiply-adds a second of y[n, c] = x[n, c] w[c, c], w in the form of the model's. */
static double product_rate(const struct kernels *k, enum elem elem, int64_t n, int64_t c)
{
	act *x = k->alloc(pool, (size_t)(n * c) * k->elem_bytes), *y = k->alloc(pool, (size_t)(n * c) * k->elem_bytes);
	float *w = k->alloc(pool, (size_t)(c * c) * 4);
	float *scale = k->alloc(pool, (size_t)(c * c / 64 + c) * 4), best = 1e30f;

	for (int i = 0; i < 4; i++) {
		double start = clock_seconds();

		k->matmul(pool, y, x, (struct weights){ .data = w, .elem = elem, .scale = scale }, n, c, c, 0);
		best = (float)(clock_seconds() - start) < best ? (float)(clock_seconds() - start) : best;
	}
	k->release(x), k->release(y), k->release(w), k->release(scale);
	return (double)(n * c * c) / (double)best;
}

/* --- runs ------------------------------------------------------------------------------------------------------ */

struct work {
	int64_t left, prompt, count;
	int64_t longer;              /* one in so many is that, the first of them; 0: none */
	int32_t ids[512];
};

static enum status next_prompt(void *arg, struct generate_prompt *p, struct error *e)
{
	struct work *w = arg;

	(void)e;
	if (w->left-- == 0)
		return END;
	for (int i = 0; i < w->prompt; i++)
		w->ids[i] = (int32_t)((w->left * 31 + i * 7) % 256);
	*p = (struct generate_prompt){ .ids = w->ids, .n = w->prompt, .stream = { (uint64_t)w->left } };
	return OK;
}

/* Lengths that differ by a hundred times, the same work as of equal ones: all prompts are beginnings of one text, which is computed once,
 * and what is left of the context is said. */
#define LENGTHS 512
#define SHORT 2
#define LONG (100 * SHORT)
#define ONE_IN 16
#define EQUAL ((LONG + (ONE_IN - 1) * SHORT) / ONE_IN)

static enum status next_length(void *arg, struct generate_prompt *p, struct error *e)
{
	struct work *w = arg;
	int64_t new = !w->longer ? EQUAL : w->left % w->longer ? SHORT : LONG;

	(void)e;
	if (w->left-- == 0)
		return END;
	for (int i = 0; i < w->prompt - new; i++)
		w->ids[i] = (int32_t)(i * 7 % 256);
	*p = (struct generate_prompt){ .ids = w->ids, .n = w->prompt - new, .stream = { (uint64_t)w->left } };
	return OK;
}

static enum status take_result(void *arg, const struct generate_result *r, struct error *e)
{
	struct work *w = arg;

	(void)e;
	w->count += r->n;
	return OK;
}

/* Seconds that `prompts` of so many tokens take, with `new` tokens behind each. */
static double seconds(struct model *m, const struct sample_options *sample, int64_t prompts, int64_t length, int64_t new)
{
	const struct kernels *k = m->k;
	struct work w = { .left = prompts, .prompt = length };
	struct generate_io io = { next_prompt, take_result, &w };
	struct generate_totals totals = { 0 };
	struct generate_options o = { .sample = *sample, .n = 1, .max_new_tokens = new, .slots = prompts, .context = 640, .seed = 1 };
	double start = clock_seconds();

	must(k->status(&err));
	must(generate_run(m, tokenizer, &o, &io, &totals, &err));
	if (w.count != prompts * new)
		fprintf(stderr, "bench_generate: %lld tokens, %lld were wanted\n", (long long)w.count, (long long)(prompts * new));
	return clock_seconds() - start;
}

/* Tokens a second of LENGTHS sequences on so many slots; *steps: how often all weights were read for them. */
static double lengths_rate(struct model *m, int64_t longer, int64_t slots, int64_t *steps)
{
	struct work w = { .left = LENGTHS, .prompt = 16 + LONG, .longer = longer };
	struct generate_io io = { next_length, take_result, &w };
	struct generate_totals totals = { 0 };
	struct generate_options o = { .sample = { .temperature = 1, .top_p = 1, .repetition_penalty = 1 }, .n = 1, .max_new_tokens = 1 << 20,
				      .slots = slots, .context = w.prompt, .seed = 1 };
	double start = clock_seconds();

	must(generate_run(m, tokenizer, &o, &io, &totals, &err));
	must(m->k->status(&err));
	*steps = totals.steps;
	return (double)w.count / (clock_seconds() - start);
}

static void bench_lengths(struct model *m, int64_t slots)
{
	double equal = 0, uneven = 0, rate;
	int64_t steps = 0, most = 0;

	for (int r = 0; r < ROUNDS; r++) {
		rate = lengths_rate(m, 0, slots, &most);
		equal = rate > equal ? rate : equal;
		rate = lengths_rate(m, ONE_IN, slots, &steps);
		uneven = rate > uneven ? rate : uneven;
	}
	printf("  lengths of %d to %d on %lld slots %5.0f tokens/s in %lld steps; all of %d %5.0f in %lld\n", SHORT, LONG, (long long)slots, uneven,
	       (long long)steps, EQUAL, equal, (long long)most);
	fflush(stdout);
}

static double weight_bytes(const struct model *m, const struct linear *l)
{
	struct weights w = linear_weights(m, l);
	double n = (double)l->out * (double)l->in;

	return w.elem == ELEM_F32 ? 4 * n : w.elem == ELEM_BF16 ? 2 * n : w.elem == ELEM_I8 ? n + 4 * (double)l->out : n / 2 + n / 16;
}

struct round {
	double read, one;            /* bytes a second, seconds a token */
};

static int by_share(const void *a, const void *b)
{
	double x = ((const struct round *)a)->read * ((const struct round *)a)->one, y = ((const struct round *)b)->read * ((const struct round *)b)->one;

	return x < y ? -1 : x > y;
}

/* The round with the middle share of reading: of tokens of so many bytes. */
static struct round one_sequence(struct model *m, const struct sample_options *sample, int64_t bytes)
{
	struct round r[ONE_ROUNDS];
	double start = clock_seconds(), before = read_rate(bytes);
	size_t i = 0;

	for (; i < 3 || (i < ONE_ROUNDS && clock_seconds() - start < SECONDS); i++) {
		double after;

		r[i].one = (seconds(m, sample, 1, 16, 80) - seconds(m, sample, 1, 16, 16)) / 64;
		after = read_rate(bytes);
		r[i].read = (before + after) / 2;
		before = after;
	}
	qsort(r, i, sizeof *r, by_share);
	return r[i / 2];
}

/* Of a token's weights, without the embedding's. */
static double all_weight_bytes(const struct model *m)
{
	const struct model_layout *y = m->layout;
	double bytes = weight_bytes(m, &y->head);

	for (int l = 0; l < m->cfg.n_layers; l++)
		bytes += weight_bytes(m, &y->layers[l].qkv) + weight_bytes(m, &y->layers[l].out) + weight_bytes(m, &y->layers[l].gate_up) +
			 weight_bytes(m, &y->layers[l].down);
	return bytes;
}

static double key_bytes(const struct model *m, double tokens)
{
	return tokens * 2 * m->cfg.n_layers * m->cfg.kv_heads * m->cfg.head_dim * (double)m->k->elem_bytes;
}

static const struct sample_options greedy = { .top_p = 1, .repetition_penalty = 1 },
				   nucleus = { .temperature = 1, .top_k = 50, .top_p = 0.95, .repetition_penalty = 1 };

/* Bytes a second that a copy on the device reads and writes. */
static double copy_rate(const struct kernels *k)
{
	size_t bytes = k->available() / 8 < (size_t)2 << 30 ? k->available() / 8 : (size_t)2 << 30;
	char *a = k->alloc(pool, bytes), *b = k->alloc(pool, bytes);
	double best = 0;

	for (int r = 0; a && b && r < 5; r++) {
		double start, rate;

		must(k->status(&err));
		start = clock_seconds();
		for (int i = 0; i < 4; i++)
			k->copy(pool, i % 2 ? a : b, i % 2 ? b : a, bytes);
		must(k->status(&err));
		rate = 8 * (double)bytes / (clock_seconds() - start);
		best = rate > best ? rate : best;
	}
	k->release(a), k->release(b);
	return best;
}

#define PROMPT 128
#define NEW 256

static void bench_device(struct model *m, const char *name, double first)
{
	double weights = all_weight_bytes(m), rate = copy_rate(m->k);

	printf("%s: %.2f GB of weights; copies move %.0f GB/s; %.2f s to the first token\n", name, weights / 1e9, rate / 1e9, first);
	for (int64_t n = 1; n <= 512; n = n == 1 ? 64 : 8 * n) {
		double step = 1e30, drawn = 1e30, bytes = weights + key_bytes(m, (double)n * (PROMPT + 32 + NEW / 2.0));

		for (int r = 0; r < ROUNDS; r++) {
			double t = (seconds(m, &greedy, n, PROMPT, 32 + NEW) - seconds(m, &greedy, n, PROMPT, 32)) / NEW;

			step = t < step ? t : step;
			t = (seconds(m, &nucleus, n, PROMPT, 32 + NEW) - seconds(m, &nucleus, n, PROMPT, 32)) / NEW;
			drawn = t < drawn ? t : drawn;
		}
		printf("  %3lld sequences %8.0f tokens/s  %5.1f %% of the copies' rate; top-k and top-p %8.0f tokens/s\n", (long long)n,
		       (double)n / step, 100 * bytes / step / rate, (double)n / drawn);
		fflush(stdout);
	}
	bench_lengths(m, 64);
}

static void bench(struct model *m, const char *name)
{
	const struct model_layout *y = m->layout;
	double weights = 0, head = (double)m->cfg.vocab * m->cfg.hidden, bytes, prompt = 1e30, many = 1e30, rate, start;
	struct round one, drawn;

	for (int l = 0; l < m->cfg.n_layers; l++) {
		const struct linear *of[] = { &y->layers[l].qkv, &y->layers[l].out, &y->layers[l].gate_up, &y->layers[l].down };

		for (int i = 0; i < 4; i++)
			weights += (double)of[i]->out * (double)of[i]->in;
	}
	bytes = all_weight_bytes(m) + key_bytes(m, 16 + 48);
	one = one_sequence(m, &greedy, (int64_t)bytes);
	drawn = one_sequence(m, &nucleus, (int64_t)bytes);
	rate = product_rate(m->k, linear_weights(m, &y->layers[0].down).elem, 1024, 1024);
	start = clock_seconds();
	for (int r = 0; r < ROUNDS && (r == 0 || clock_seconds() - start < SECONDS); r++) {
		double t = seconds(m, &greedy, 4, 512, 1) / 4 / 512, again;

		prompt = t < prompt ? t : prompt;
		t = (seconds(m, &greedy, 32, 16, 48) - seconds(m, &greedy, 32, 16, 16)) / 32 / 32;
		many = t < many ? t : many;
		again = product_rate(m->k, linear_weights(m, &y->layers[0].down).elem, 1024, 1024);
		rate = again > rate ? again : rate;
	}
	printf("%s: %.0fM weights, %.0f MB a token; read %.1f GB/s, products %.1f G multiply-adds/s\n", name, (weights + head) / 1e6,
	       bytes / 1e6, one.read / 1e9, rate / 1e9);
	printf("  one sequence  %8.1f tokens/s  %5.1f %% of reading; top-k and top-p %.1f tokens/s, %.1f %%\n", 1 / one.one,
	       100 * bytes / one.one / one.read, 1 / drawn.one, 100 * bytes / drawn.one / drawn.read);
	printf("  prompts       %8.0f tokens/s  %5.1f %% of the product rate\n", 1 / prompt, 100 * weights / prompt / rate);
	printf("  32 sequences  %8.0f tokens/s  %5.1f %% of the product rate\n", 1 / many, 100 * (weights + head) / many / rate);
	fflush(stdout);
	bench_lengths(m, 32);
}

static void bench_small(void)
{
	struct model m;
	struct model_config c = { .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 4, .hidden = 256, .heads = 4,
				  .kv_heads = 2, .head_dim = 64, .ffn = 768, .vocab = 2048, .positions = 640, .rope_theta = 10000,
				  .norm_eps = 1e-5f, .init_range = 0.02f, .tied = true, .bos_id = -1, .eos_id = -1, .pad_id = -1 };

	must(model_init(&m, &c, 1, kernels_cpu(), pool, &err));
	bench(&m, "small f32");
	model_release(&m);
}

static const struct kernels *open_device(const char *name, bool bf16)
{
	const struct kernels *k = NULL;
	char *reason = NULL;

	must(kernels_open(name ? name : "cpu", bf16 ? PRECISION_HALVES : PRECISION_DEFAULT, &k, &reason, &err));
	mem_free(reason);
	return k;
}

static void bench_dir(const char *dir, const char *form, const char *device, bool bf16)
{
	static const char *const forms[] = { "f32", "bf16", "int8", "nf4" };
	struct model m;
	struct model_how how = { .in_place = true, .pack = true };
	char *name = mem_printf("%s %s", dir, form);
	double start = clock_seconds();

	while (how.form < MODEL_NF4 && strcmp(form, forms[how.form]))
		how.form++;
	must(model_load_as(&m, dir, &how, open_device(device, bf16), pool, &err));
	m.cfg.eos_id = -1;
	if (m.k->host_access) {
		bench(&m, name);
	} else {
		(void)seconds(&m, &greedy, 1, 16, 1);
		bench_device(&m, name, clock_seconds() - start);
	}
	model_release(&m);
	mem_free(name);
}

int main(int argc, char **argv)
{
	const char *device = NULL;
	int threads = 0, at = 1;
	bool bf16 = false;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "--bf16"))
			bf16 = true;
		else if (!strcmp(argv[at], "--device") && at + 1 < argc)
			device = argv[++at];
		else if (at + 1 < argc)
			threads = atoi(argv[++at]);
	}
	pool = pool_open(threads);
	must(tokenizer_load(&tokenizer, TOKENIZER, &err));
	printf("generate: %d threads, %s%s\n", pool_threads(pool), device ? device : kernels_cpu_isa(), bf16 ? ", activations in bf16" : "");
	if (at >= argc && !device)
		bench_small();
	for (; at + 1 < argc; at += 2)
		bench_dir(argv[at], argv[at + 1], device, bf16);
	tokenizer_close(tokenizer);
	pool_close(pool);
	return 0;
}
