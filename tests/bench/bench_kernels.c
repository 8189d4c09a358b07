/* bench_kernels.c - each entry of the kernel table, timed against what this machine can do.
 *
 * The limits are measured in the same run: multiply-adds from registers for the products (bf16 ones by VDPBF16PS or by AMX's
 * TDPBF16PS, as the table has them), a large copy for what goes over memory (what a layer leaves in the cache is read faster
 * than that), a large read for products of few rows. The best peer for products, OpenBLAS, is timed beside them where it is
 * installed. The last lines add up one training step and one decoding step of a 3M-parameter Llama, kernel by kernel. */
#include "base/mem.h"
#include "base/pool.h"
#include "base/progress.h"
#include "cpu/isa.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static const struct kernels *k;
static struct pool *pool;
static double peak_flops, half_flops, copy_bytes, read_bytes;         /* per second, on the threads of the run */
static float (*flops_loop)(void), (*half_loop)(void);                 /* what measured the first two, */
static double flops_work, half_work;                                  /* and the operations in it */

/* --- limits ------------------------------------------------------------------------------------- */

#define CHAINS 12
#define PEAK_ROUNDS 40000
#define READ_BYTES (4 << 20)     /* at a time: short enough to pass between what else the machine does */

#define PEAK(isa, lanes)                                                                             \
	__attribute__((target(isa), noinline)) static float peak_loop_##lanes(void)                  \
	{                                                                                            \
		typedef float vec __attribute__((vector_size(4 * lanes)));                           \
		vec a[CHAINS], b = (vec){0} + 0.999f, c = (vec){0} + 1e-6f;                          \
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = (vec){0} + (float)i; \
		for (int r = 0; r < PEAK_ROUNDS; r++) {                                              \
			_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)                    \
				__asm__("vfmadd213ps %2, %1, %0" : "+v"(a[i]) : "v"(b), "v"(c));     \
		}                                                                                    \
		_Pragma("GCC unroll 12") for (int i = 1; i < CHAINS; i++) a[0] += a[i];              \
		return a[0][0];                                                                      \
	}

#ifdef __x86_64__
PEAK("avx512f", 16)
PEAK("avx2,fma", 8)

__attribute__((target("avx512bf16"), noinline)) static float peak_loop_pairs(void)
{
	typedef float vec __attribute__((vector_size(64)));
	vec a[CHAINS], b = (vec){0}, c = (vec){0};
	_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = (vec){0} + (float)i;
	for (int r = 0; r < PEAK_ROUNDS / 4; r++) {
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)
			__asm__ volatile("vdpbf16ps %2, %1, %0" : "+v"(a[i]) : "v"(b), "v"(c));
	}
	_Pragma("GCC unroll 12") for (int i = 1; i < CHAINS; i++) a[0] += a[i];
	return a[0][0];
}

/* Four tiles of sums, as a block of a product has them. */
__attribute__((target("amx-tile,amx-bf16"), noinline)) static float peak_loop_tiles(void)
{
	struct {
		uint8_t palette, start, reserved[14];
		uint16_t bytes[16];
		uint8_t rows[16];
	} t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.bytes[i] = 64, t.rows[i] = 16;
	__asm__ volatile("ldtilecfg %0" : : "m"(t));
	for (int i = 0; i < PEAK_ROUNDS / 20; i++)
		__asm__ volatile("tdpbf16ps %%tmm4, %%tmm6, %%tmm0\n\ttdpbf16ps %%tmm4, %%tmm7, %%tmm1\n\t"
				 "tdpbf16ps %%tmm5, %%tmm6, %%tmm2\n\ttdpbf16ps %%tmm5, %%tmm7, %%tmm3" : :);
	__asm__ volatile("tilerelease" : :);
	return 0;
}
#endif
static float peak_loop_plain(void)
{
	typedef float vec __attribute__((vector_size(16)));
	vec a[CHAINS] = {{0}};

	for (int r = 0; r < PEAK_ROUNDS; r++) {
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			a[i] = a[i] * 0.999f + 1e-6f;
	}
	for (int i = 1; i < CHAINS; i++)
		a[0] += a[i];
	return a[0][0];
}

static float (*peak_loop)(void) = peak_loop_plain;
static volatile float sink;

static void peak_task(void *arg, int64_t i, int worker)
{
	(void)arg, (void)i, (void)worker;
	sink = peak_loop();
}

/* Operations a second of loop, which has so many; the best of some tries. */
static double rate_of(float (*loop)(void), double operations, int tries)
{
	double best = 0;

	peak_loop = loop;
	for (int r = 0; r < tries; r++) {
		double start = clock_seconds(), v;

		pool_run(pool, pool_threads(pool), peak_task, NULL);
		v = operations * pool_threads(pool) / (clock_seconds() - start);
		best = v > best ? v : best;
	}
	return best;
}

struct read_job {
	const uint64_t *p;
	size_t words;                /* of each task */
};

static void read_task(void *arg, int64_t i, int worker)
{
	const struct read_job *t = arg;
	typedef uint64_t vec __attribute__((vector_size(32)));
	const vec *p = (const vec *)(const void *)(t->p + (size_t)i * t->words);
	vec sum[4] = {{0}};

	(void)worker;
	for (size_t j = 0; j < t->words / 4; j += 4) {
		__builtin_prefetch((const char *)(p + j) + 4096, 0, 2);
		__builtin_prefetch((const char *)(p + j) + 4160, 0, 2);
		for (int l = 0; l < 4; l++)
			sum[l] ^= p[j + (size_t)l];
	}
	sum[0] ^= sum[1] ^ sum[2] ^ sum[3];
	sink = (float)sum[0][0];
}

static void measure_limits(const char *isa)
{
	size_t bytes = 256u << 20;
	char *a = k->alloc(pool, bytes), *b = k->alloc(pool, bytes);
	int threads = pool_threads(pool), lanes = 4;

#ifdef __x86_64__
	if (strcmp(isa, "avx2") && strcmp(isa, "plain"))
		peak_loop = peak_loop_16, lanes = 16;
	else if (!strcmp(isa, "avx2"))
		peak_loop = peak_loop_8, lanes = 8;
#endif
	half_loop = flops_loop = peak_loop, half_work = flops_work = 2.0 * lanes * CHAINS * PEAK_ROUNDS;
#ifdef __x86_64__
	if (!strcmp(isa, "amx"))
		half_loop = peak_loop_tiles, half_work = 2.0 * 16 * 16 * 32 * 4 * (PEAK_ROUNDS / 20);
	if (!strcmp(isa, "avx512bf16"))
		half_loop = peak_loop_pairs, half_work = 4.0 * 16 * CHAINS * (PEAK_ROUNDS / 4);
#endif
	peak_flops = rate_of(flops_loop, flops_work, 20);
	half_flops = half_loop == flops_loop ? peak_flops : rate_of(half_loop, half_work, 20);
	for (size_t at = 0; at + 8192 < 4 * bytes; at += READ_BYTES) {
		struct read_job job = {(const uint64_t *)(const void *)(a + at % bytes), READ_BYTES / 8 / 16};
		double start = clock_seconds(), v;

		pool_run(pool, 16, read_task, &job);
		v = (double)READ_BYTES / (clock_seconds() - start);
		read_bytes = v > read_bytes ? v : read_bytes;
	}
	for (int r = 0; r < 10; r++) {
		double start = clock_seconds(), v;

		k->copy(pool, a, b, bytes);
		v = 2.0 * (double)bytes / (clock_seconds() - start);
		copy_bytes = v > copy_bytes ? v : copy_bytes;
	}
	k->release(a), k->release(b);
	printf("%s, %d thread%s: multiply-add peak %.1f GFLOP/s, copy %.1f GB/s, of bf16 %.1f GFLOP/s, read %.1f GB/s\n", isa,
	       threads, threads > 1 ? "s" : "", peak_flops * 1e-9, copy_bytes * 1e-9, half_flops * 1e-9, read_bytes * 1e-9);
}

/* --- one kernel ------------------------------------------------------------------------------------ */

/* Best seconds of one call: at least five runs, each of some milliseconds. */
#define BEST(seconds, call)                                               \
	do {                                                              \
		int times_ = 1;                                           \
		double t_ = 0;                                            \
		(seconds) = 1e9;                                          \
		for (int run_ = 0; run_ < 20; run_++) {                    \
			t_ = clock_seconds();                             \
			for (int i_ = 0; i_ < times_; i_++) {             \
				call;                                     \
			}                                                 \
			t_ = (clock_seconds() - t_) / times_;             \
			(seconds) = t_ < (seconds) ? t_ : (seconds);      \
			times_ = t_ > 0.008 ? 1 : (int)(0.008 / (t_ + 1e-9)) + 1; \
		}                                                         \
	} while (0)

static float *some(int64_t n)
{
	float *p = k->alloc(pool, (size_t)n * sizeof *p);

	if (!p) {
		fprintf(stderr, "bench_kernels: no memory for %lld floats\n", (long long)n);
		exit(1);
	}
	for (int64_t i = 0; i < n; i++)
		p[i] = (float)((i * 2654435761u >> 8) & 0xffff) / 65536.0f - 0.5f;
	return p;
}

/* Activations of a table. */
static act *some_acts(const struct kernels *table, int64_t n)
{
	float *x = some(n);
	act *p = k->alloc(pool, (size_t)n * table->elem_bytes);

	if (!p) {
		fprintf(stderr, "bench_kernels: no memory for %lld activations\n", (long long)n);
		exit(1);
	}
	table->from_floats(pool, p, x, n);
	k->release(x);
	return p;
}

typedef void sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

static sgemm *peer_open(void)
{
	void *lib;

	setenv("OPENBLAS_NUM_THREADS", "1", 1);
	setenv("OPENBLAS_CORETYPE", strcmp(kernels_cpu_isa(), "avx2") ? "SkylakeX" : "Haswell", 0);
	lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
	return lib ? (sgemm *)(uintptr_t)dlsym(lib, "cblas_sgemm") : NULL;
}

/* The three forms of a product, by the table or by the peer: Y = X W^T, dX = dY W, dW += dY^T X. */
static void product(int form, const struct kernels *table, sgemm *peer, act *ya, act *xa, float *w, int n, int o, int i)
{
	float *y = (float *)(void *)ya, *x = (float *)(void *)xa;        /* which they are where there is a peer */

	if (form == 0 && !peer)
		table->matmul(pool, ya, xa, weights_f32(w), n, o, i, 0);
	else if (form == 1 && !peer)
		table->matmul_dx(pool, xa, ya, weights_f32(w), n, o, i, 0);
	else if (!peer)
		table->matmul_dw(pool, w, ya, xa, n, o, i);
	else if (form == 0)
		peer(101, 111, 112, n, o, i, 1, x, i, w, i, 0, y, o);
	else if (form == 1)
		peer(101, 111, 111, n, i, o, 1, y, o, w, i, 0, x, i);
	else
		peer(101, 112, 111, o, i, n, 1, y, o, x, i, 1, w, i);
}

/* Shapes of models of 3M, 10M and 124M parameters, then few rows. The share is that of the peak measured between these products,
 * as the processor's clock falls under them: by a tenth where that was seen. */
static void bench_products(bool half)
{
	static const int shapes[][3] = {
		{2048, 320, 192}, {2048, 1024, 192}, {2048, 192, 512}, {480, 4096, 192}, {2048, 256, 256}, {2048, 1408, 256},
		{2048, 256, 704}, {1024, 2304, 768}, {1024, 768, 768}, {4096, 768, 768}, {1024, 3072, 768}, {1024, 768, 3072},
		{1024, 16384, 768}, {333, 16384, 768}, {256, 1024, 192}, {64, 1024, 192}, {64, 768, 768}, {32, 4096, 768},
		{16, 1024, 192}, {8, 1024, 192}, {1, 1024, 192},
	};
	const struct kernels *table = half ? kernels_cpu_bf16() : k;
	sgemm *peer = pool_threads(pool) == 1 && !half ? peer_open() : NULL;

	printf("%-20s%33s%21s%s\n", half ? "bf16 product NxOxI" : "product NxOxI", "matmul     _dx     _dw  of GFLOP/s", "share",
	       peer ? "  OpenBLAS" : "");
	if (!half && !strcmp(kernels_cpu_isa(), "amx"))
		printf("(through tiles, as three terms of bf16: more than the multiply-adds' peak is possible)\n");
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
		int n = shapes[s][0], o = shapes[s][1], i = shapes[s][2];
		act *x = some_acts(table, (int64_t)n * i), *y = some_acts(table, (int64_t)n * o);
		float *w = some((int64_t)o * i);
		double flops = 2.0 * n * o * i, rate[2][3] = {{0}}, limit = 0, t, now;
		char name[40];

		for (int f = 0; f < 6; f++) {
			if (f > 2 && !peer)
				break;
			BEST(t, product(f % 3, table, f > 2 ? peer : NULL, y, x, w, n, o, i));
			rate[f / 3][f % 3] = flops / t * 1e-9;
			now = half ? rate_of(half_loop, half_work, 3) : rate_of(flops_loop, flops_work, 3);
			limit = now * 1e-9 > limit ? now * 1e-9 : limit;
		}
		snprintf(name, sizeof name, "%dx%dx%d", n, o, i);
		printf("%-18s %8.1f%8.1f%8.1f %9.1f %5.0f %% %3.0f %% %3.0f %%", name, rate[0][0], rate[0][1], rate[0][2], limit,
		       100 * rate[0][0] / limit, 100 * rate[0][1] / limit, 100 * rate[0][2] / limit);
		if (peer)
			printf("%8.1f%8.1f%8.1f", rate[1][0], rate[1][1], rate[1][2]);
		printf("\n");
		k->release(x), k->release(w), k->release(y);
	}
}

/* Few rows against matrices that are not in the caches (each call takes the next of a large buffer), in each form: a product is
 * as fast as its weights are read. */
static void bench_reading(bool half)
{
	static const char *const names[] = {"f32", "bf16", "int8", "NF4"};
	static const double per_weight[] = {4, 2, 1, 0.5};
	const struct kernels *table = half ? kernels_cpu_bf16() : k;
	const int64_t o = 2048, i = 768, room = 64 << 20;
	float *packed = some(room), *w = some(room), *scale = some(o * i / KERNELS_NF4_BLOCK);
	act *x = some_acts(table, 32 * i), *y = some_acts(table, 32 * o);
	int64_t at = 0;

	for (int v = 0; v < 8; v++) {
		int e = v / 2;
		int64_t words = (int64_t)((double)(o * i) * per_weight[e] / 4);
		int64_t apart = (int64_t)(table->packed_bytes((enum elem)e, o, i, false) + 4095) / 4096 * 1024;
		int64_t stride = v % 2 && apart > words ? apart : words;

		if (v % 2 && apart == 0)
			continue;
		for (int64_t p = 0; v % 2 && p + stride <= room; p += stride)
			table->pack(pool, packed + p, (struct weights){.data = w + p, .elem = (enum elem)e, .scale = scale}, o, i, false);
		printf("weights of %-4s, %s products%s:", names[e], half ? "bf16" : "f32", v % 2 ? ", packed" : "");
		at = 0;
		for (int n = 1; n <= 32; n = n == 1 ? 8 : n * 4) {
			double t, rate;

			BEST(t, (at = at + 2 * stride > room ? 0 : at + stride,
				 table->matmul(pool, y, x,
					       (struct weights){.data = w + at, .elem = (enum elem)e, .scale = scale, .packed = v % 2 ? packed + at : NULL},
					       n, o, i, 0)));
			rate = 4.0 * (double)words / t;
			printf("  %2d rows %5.1f GB/s (%3.0f %% of a read)", n, rate * 1e-9, 100 * rate / read_bytes);
		}
		printf("\n");
	}
	k->release(packed), k->release(w), k->release(scale), k->release(x), k->release(y);
}

/* --- a small Llama ---------------------------------------------------------------------------------- */

enum { LAYERS = 6, C = 192, H = 6, HKV = 2, D = 32, F = 512, V = 4096, N = 2048, T = 256, SEQS = N / T, QKV = (H + 2 * HKV) * D };
static const struct heads heads = { .h = H, .hkv = HKV, .d = D, .scale = 0.17677669f };
#define PARAMS ((int64_t)V * C + LAYERS * ((int64_t)C * QKV + H * D * C + 3 * C * F + 2 * C) + C)

static double step_seconds, fwd_seconds;

/* One line; weight: calls per training step; forward: part of the forward too. */
static void line(const char *name, double t, double work, double limit, const char *unit, double weight, bool forward)
{
	printf("%-22s %8.2f ms %8.1f %s  %3.0f %% of limit\n", name, t * 1e3, work / t * 1e-9, unit, 100 * work / t / limit);
	step_seconds += weight * t;
	fwd_seconds += forward ? weight * t : 0;
}

#define BYTES(name, floats, weight, forward, call) \
	do { double s_; BEST(s_, call); line(name, s_, 4.0 * (floats), copy_bytes, "GB/s   ", weight, forward); } while (0)
#define FLOPS(name, flops, weight, forward, call) \
	do { double s_; BEST(s_, call); line(name, s_, flops, peak_flops, "GFLOP/s", weight, forward); } while (0)

/* The rules that a run may take, on one range. */
static void bench_optimizers(float *p, float *m, float *v, const float *g)
{
	float *max = k->alloc(pool, (size_t)(2 * (PARAMS / KERNELS_BLOCK8 + 1)) * sizeof *max);
	struct update_range range = {.n = PARAMS, .decay = true};
	struct update_set set = {.p = p, .g = g, .m = m, .v = v, .m8 = (uint8_t *)(void *)m, .v8 = (uint8_t *)(void *)v, .m_max = max,
				 .v_max = max + PARAMS / KERNELS_BLOCK8 + 1, .ranges = &range, .n = 1,
				 .pieces = (PARAMS + KERNELS_UPDATE_PIECE - 1) / KERNELS_UPDATE_PIECE};
	struct update rule = {.lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f, .step = 1};
	struct grad_norm norm;

	BYTES("grad_norm", 1.0 * PARAMS, 1, false, k->grad_norm(pool, &norm, &set, 1));
	BYTES("adamw", 7.0 * PARAMS, 1, false, k->update(pool, &set, &rule, &norm));
	k->zero(pool, m, PARAMS * sizeof *m);
	k->zero(pool, v, PARAMS * sizeof *v);
	range.bits8 = true;
	BYTES("adamw8", 4.0 * PARAMS, 0, false, k->update(pool, &set, &rule, &norm));
	k->zero(pool, m, PARAMS * sizeof *m);
	range.bits8 = false;
	rule.rule = UPDATE_LION;
	BYTES("lion", 5.0 * PARAMS, 0, false, k->update(pool, &set, &rule, &norm));
	rule.rule = UPDATE_SGD;
	BYTES("sgd", 5.0 * PARAMS, 0, false, k->update(pool, &set, &rule, &norm));
	k->release(max);
}

/* What other families have instead, or besides. */
static void bench_families(act *x, act *y, act *z, act *gu, float *w, float *logp, float *scratch)
{
	double nc = (double)N * C, nf = (double)N * F;

	BYTES("layernorm", 2 * nc, 0, true, k->layernorm(pool, y, logp, x, w, w, N, C, 1e-5f));
	BYTES("layernorm_dx", 4 * nc, 0, false, k->layernorm_dx(pool, y, w, w, z, x, logp, w, scratch, N, C));
	BYTES("qk_norm", 2.0 * N * (H + HKV) * D, 0, true, k->qk_norm(pool, y, x, w, w, 0, N, H, HKV, D, 1e-5f));
	BYTES("add_bias", 2 * nc, 0, true, k->add_bias(pool, y, x, w, N, C));
	BYTES("bias_db", 2 * nf, 0, false, k->bias_db(pool, w, gu, N, 2 * F));
	BYTES("gelu", 2 * nf, 0, true, k->gelu(pool, x, gu, (int64_t)N * F));
	BYTES("gelu_dx", 3 * nf, 0, false, k->gelu_dx(pool, x, gu, gu, (int64_t)N * F));
	BYTES("geglu", 3 * nf, 0, true, k->geglu(pool, x, gu, N, F));
}

static void bench_model(void)
{
	act *x = some_acts(k, N * F), *y = some_acts(k, N * QKV), *z = some_acts(k, N * QKV), *gu = some_acts(k, N * 2 * F);
	float *w = some((int64_t)V * C);
	float *logp = some(N), *lse = some(N * H), *scratch = some(k->logprob_scratch(N, C, V) + k->norm_scratch(N, C));
	float *p = some(PARAMS), *m = some(PARAMS), *v = k->alloc(pool, PARAMS * sizeof *v), *g = some(PARAMS), *cs = some(T * D);
	int32_t ids[N], pos[N], cu[SEQS + 1];
	double pairs = (double)N * (T + 1) / 2 * H * D, nc = (double)N * C, nf = (double)N * F;

	for (int i = 0; i < N; i++)
		ids[i] = i * 7 % V, pos[i] = i % T;
	for (int i = 0; i <= SEQS; i++)
		cu[i] = i * T;
	printf("Llama with %.1fM parameters: %d layers, C %d, %d/%d heads of %d, F %d, V %d; %d tokens in sequences of %d\n",
	       PARAMS * 1e-6, LAYERS, C, H, HKV, D, F, V, N, T);
	BYTES("embed", 2 * nc, 1, true, k->embed(pool, y, weights_f32(w), ids, N, C));
	BYTES("embed_dw", 3 * nc, 1, false, k->embed_dw(pool, w, y, ids, N, C, V));
	BYTES("rmsnorm", 2 * nc, 2 * LAYERS + 1, true, k->rmsnorm(pool, y, logp, x, w, 0, NULL, N, C, 1e-5f));
	BYTES("rmsnorm_dx", 4 * nc, 2 * LAYERS + 1, false, k->rmsnorm_dx(pool, y, w, z, x, logp, w, 0, scratch, N, C));
	bench_families(x, y, z, gu, w, logp, scratch);
	BYTES("rope", 2.0 * N * (H + HKV) * D, 2 * LAYERS, false, k->rope(pool, x, cs, cs, pos, N, H, HKV, D, D, 1));
	BYTES("swiglu", 3 * nf, LAYERS, true, k->swiglu(pool, x, gu, N, F));
	BYTES("swiglu_dgu", 5 * nf, LAYERS, false, k->swiglu_dgu(pool, gu, x, gu, N, F));
	k->release(x), x = some_acts(k, N * F);
	FLOPS("attention", 4 * pairs, LAYERS, true, k->attention(pool, y, lse, x, cu, SEQS, heads));
	FLOPS("attention_dqkv", 10 * pairs, LAYERS, false, k->attention_dqkv(pool, z, y, y, lse, x, cu, SEQS, heads));
	k->release(w), w = some((int64_t)V * C);
	FLOPS("matmul qkv", 2 * nc * QKV, LAYERS, true, k->matmul(pool, y, x, weights_f32(w), N, QKV, C, 0));
	FLOPS("matmul o", 2 * nc * H * D, LAYERS, true, k->matmul(pool, y, x, weights_f32(w), N, C, H * D, 0));
	FLOPS("matmul gate|up", 4 * nc * F, LAYERS, true, k->matmul(pool, gu, x, weights_f32(w), N, 2 * F, C, 0));
	FLOPS("matmul down", 2 * nc * F, LAYERS, true, k->matmul(pool, y, gu, weights_f32(w), N, C, F, 0));
	FLOPS("matmul_dx gate|up", 4 * nc * F, LAYERS * (QKV + H * D + 3 * F) / (2.0 * F), false,
	      k->matmul_dx(pool, y, gu, weights_f32(w), N, 2 * F, C, 0));
	FLOPS("matmul_dw gate|up", 4 * nc * F, LAYERS * (QKV + H * D + 3 * F) / (2.0 * F), false,
	      k->matmul_dw(pool, w, gu, x, N, 2 * F, C));
	k->release(w), w = some((int64_t)V * C);
	FLOPS("logprob", 2 * nc * V, 1, true, k->logprob(pool, logp, lse, NULL, NULL, x, weights_f32(w), ids, scratch, N, C, V, 0));
	FLOPS("logprob_dx", 6 * nc * V, 1, false, k->logprob_dx(pool, y, w, &(struct logprob_grad){.logp = logp}, x, weights_f32(w), NULL, lse, ids, scratch, N, C, V, 0));
	bench_optimizers(p, m, v, g);
	printf("training bound %.0f tokens/s, scoring bound %.0f tokens/s (the sum of the kernels)\n", N / step_seconds,
	       N / fwd_seconds);
	k->release(x), k->release(y), k->release(z), k->release(gu), k->release(w), k->release(logp), k->release(lse);
	k->release(scratch), k->release(p), k->release(m), k->release(v), k->release(g), k->release(cs);
}

/* Decoding steps of a batch with a cache of T tokens each. */
static void bench_decode(void)
{
	act *x = some_acts(k, 64 * 2 * F), *y = some_acts(k, 64 * 2 * F), *kv = some_acts(k, 2 * 64 * T * HKV * D);
	float *logits = some(64 * V), *w = some((int64_t)V * C);
	act *table[64 * T / KERNELS_KEY_BLOCK];
	int32_t cu[65], past[64];

	for (int i = 0; i < 65; i++)
		cu[i] = i;
	for (int i = 0; i < 64; i++)
		past[i] = T - 1;
	for (int i = 0; i < 64 * T / KERNELS_KEY_BLOCK; i++)
		table[i] = act_at(k, kv, (int64_t)i * 2 * HKV * D * KERNELS_KEY_BLOCK);
	for (int b = 1; b <= 64; b *= 4) {
		double t, gemm, att;

		BEST(gemm, (k->matmul(pool, y, x, weights_f32(w), b, QKV, C, 0), k->matmul(pool, y, x, weights_f32(w), b, C, H * D, 0),
			    k->matmul(pool, y, x, weights_f32(w), b, 2 * F, C, 0), k->matmul(pool, y, x, weights_f32(w), b, C, F, 0)));
		BEST(att, k->attention_cached(pool, y, x, (struct kv_pages){table, T / KERNELS_KEY_BLOCK, 0, true}, past, cu, b, heads));
		BEST(t, k->matmul_float(pool, logits, x, weights_f32(w), NULL, b, V, C));
		t += LAYERS * (gemm + att);
		printf("decode, batch %2d: products %.3f ms and attention %.3f ms a layer; bound %.0f tokens/s\n", b, gemm * 1e3,
		       att * 1e3, b / t);
	}
	k->release(x), k->release(y), k->release(w), k->release(kv), k->release(logits);
}

int main(int argc, char **argv)
{
	pool = pool_open(argc > 1 ? atoi(argv[1]) : 0);
	k = kernels_cpu();
	measure_limits(kernels_cpu_isa());
	bench_products(false);
	bench_products(true);
	if (argc > 2 && !strcmp(argv[2], "products")) {
		pool_close(pool);
		return 0;
	}
	bench_reading(false);
	bench_reading(true);
	bench_model();
	bench_decode();
	pool_close(pool);
	return 0;
}
