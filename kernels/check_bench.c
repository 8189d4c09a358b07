/* check_bench.c - a GPU's entries at the sizes of an 8B model against their floors: the bytes that must move over the measured bandwidth of a
 * copy, or the multiplications and additions over the measured rate of products; and the products of a layer whose weights are only used, in
 * each form, by the number of rows. */
#include "base/progress.h"
#include "check_device.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKENS 8192
#define WIDTH 4096
#define FF 14336
#define HEAD 128
#define HEADS 32
#define KV_HEADS 8
#define VOCABULARY 32768
#define QKV ((HEADS + 2 * KV_HEADS) * HEAD)
#define RUNS 20

/* Buffers that every entry finds large enough, with small numbers in them. */
static struct room {
	const struct kernels *k;
	act *a, *b, *c;              /* TOKENS x 2 FF each */
	float *f[4];                 /* WIDTH x FF each */
	float *scratch;
	int32_t *ids, *cu;
	struct update_set set;       /* of f[0], one range, and with eight bits */
	struct update_set set8;
	struct update u;
	struct grad_norm *norm;
} r;

static void copy(void) { r.k->copy(NULL, r.b, r.a, (size_t)TOKENS * 2 * FF * r.k->elem_bytes); }
static void matmul(void) { r.k->matmul(NULL, r.b, r.a, weights_f32(r.f[0]), TOKENS, FF, WIDTH, 0); }
static void matmul_dx(void) { r.k->matmul_dx(NULL, r.b, r.a, weights_f32(r.f[0]), TOKENS, FF, WIDTH, 0); }
static void matmul_dw(void) { r.k->matmul_dw(NULL, r.f[1], r.a, r.b, TOKENS, FF, WIDTH); }
static void rmsnorm(void) { r.k->rmsnorm(NULL, r.b, r.f[1], r.a, r.f[0], 0, r.c, TOKENS, WIDTH, 1e-5f); }
static void rmsnorm_dx(void) { r.k->rmsnorm_dx(NULL, r.c, r.f[2], r.a, r.b, r.f[1], r.f[0], 0, r.scratch, TOKENS, WIDTH); }
static void layernorm(void) { r.k->layernorm(NULL, r.b, r.f[1], r.a, r.f[0], r.f[2], TOKENS, WIDTH, 1e-5f); }
static void layernorm_dx(void) { r.k->layernorm_dx(NULL, r.c, r.f[2], r.f[3], r.a, r.b, r.f[1], r.f[0], r.scratch, TOKENS, WIDTH); }
static void qk_norm(void) { r.k->qk_norm(NULL, r.a, r.a, r.f[0], r.f[1], 0, TOKENS, HEADS, KV_HEADS, HEAD, 1e-5f); }
static void rope(void) { r.k->rope(NULL, r.a, r.f[0], r.f[1], r.ids, TOKENS, HEADS, KV_HEADS, HEAD, HEAD, 1); }
static void swiglu(void) { r.k->swiglu(NULL, r.b, r.a, TOKENS, FF); }
static void swiglu_dgu(void) { r.k->swiglu_dgu(NULL, r.a, r.b, r.a, TOKENS, FF); }
static void gelu(void) { r.k->gelu(NULL, r.b, r.a, (int64_t)TOKENS * FF); }
static void add_bias(void) { r.k->add_bias(NULL, r.a, r.a, r.f[0], TOKENS, FF); }
static void bias_db(void) { r.k->bias_db(NULL, r.f[1], r.a, TOKENS, FF); }
static void embed(void) { r.k->embed(NULL, r.a, weights_f32(r.f[0]), r.ids, TOKENS, WIDTH); }
static void embed_dw(void) { r.k->embed_dw(NULL, r.f[1], r.a, r.ids, TOKENS, WIDTH, TOKENS); }
static void dropout(void) { r.k->dropout(NULL, r.b, r.a, (const uint64_t *)(void *)r.scratch, 1, 0.1f, TOKENS, FF, 0); }
static void adamw(void) { r.k->update(NULL, &r.set, &r.u, r.norm); }
static void adamw8(void) { r.k->update(NULL, &r.set8, &r.u, r.norm); }
static void lion(void)
{
	struct update u = r.u;

	u.rule = UPDATE_LION;
	r.k->update(NULL, &r.set, &u, r.norm);
}
static void grad_norm(void) { r.k->grad_norm(NULL, r.norm, &r.set, 1); }

static struct heads heads(void) { return (struct heads){.h = HEADS, .hkv = KV_HEADS, .d = HEAD, .scale = 0.088f}; }
static void attention(void) { r.k->attention(NULL, r.b, r.f[1], r.a, r.cu, 2, heads()); }
static void attention_dqkv(void) { r.k->attention_dqkv(NULL, r.c, r.b, r.b, r.f[1], r.a, r.cu, 2, heads()); }
static void logprob(void)
{
	r.k->logprob(NULL, r.f[1], r.f[2], NULL, NULL, r.a, weights_f32(r.f[0]), r.ids, r.scratch, TOKENS, WIDTH, FF, 0);
}

/* What must move or be computed in one run; a byte count in acts and in floats. */
static const struct timed {
	const char *name;
	void (*run)(void);
	double acts, floats, flops;
} timed[] = {
	{"matmul", matmul, 0, 0, 2.0 * TOKENS * WIDTH * FF},
	{"matmul_dx", matmul_dx, 0, 0, 2.0 * TOKENS * WIDTH * FF},
	{"matmul_dw", matmul_dw, 0, 0, 2.0 * TOKENS * WIDTH * FF},
	/* half of the squares of two sequences, scores and values; the backward has five such products for two */
	{"attention", attention, 0, 0, 2.0 * TOKENS / 2 * TOKENS / 2 * 2 * HEADS * HEAD},
	{"attention_dqkv", attention_dqkv, 0, 0, 5.0 * TOKENS / 2 * TOKENS / 2 * 2 * HEADS * HEAD},
	{"logprob", logprob, 0, 0, 2.0 * TOKENS * WIDTH * FF},
	{"rmsnorm", rmsnorm, 3.0 * TOKENS * WIDTH, 0, 0},
	{"rmsnorm_dx", rmsnorm_dx, 4.0 * TOKENS * WIDTH, 0, 0},
	{"layernorm", layernorm, 2.0 * TOKENS * WIDTH, 0, 0},
	{"layernorm_dx", layernorm_dx, 4.0 * TOKENS * WIDTH, 0, 0},
	{"qk_norm", qk_norm, 2.0 * TOKENS * (HEADS + KV_HEADS) * HEAD, 0, 0},
	{"rope", rope, 2.0 * TOKENS * (HEADS + KV_HEADS) * HEAD, 0, 0},
	{"swiglu", swiglu, 3.0 * TOKENS * FF, 0, 0},
	{"swiglu_dgu", swiglu_dgu, 5.0 * TOKENS * FF, 0, 0},
	{"gelu", gelu, 2.0 * TOKENS * FF, 0, 0},
	{"add_bias", add_bias, 2.0 * TOKENS * FF, 0, 0},
	{"bias_db", bias_db, 1.0 * TOKENS * FF, 0, 0},
	{"dropout", dropout, 2.0 * TOKENS * FF, 0, 0},
	{"embed", embed, 1.0 * TOKENS * WIDTH, 1.0 * TOKENS * WIDTH, 0},
	{"embed_dw", embed_dw, 1.0 * TOKENS * WIDTH, 2.0 * TOKENS * WIDTH, 0},
	{"adamw", adamw, 0, 7.0 * WIDTH * FF, 0},
	{"adamw8", adamw8, 0, 4.0 * WIDTH * FF, 0},
	{"lion", lion, 0, 5.0 * WIDTH * FF, 0},
	{"grad_norm", grad_norm, 0, 1.0 * WIDTH * FF, 0},
};

/* Seconds a run takes, when many follow each other. */
static double seconds_of(void (*run)(void))
{
	struct error err;
	double start;

	run();
	(void)r.k->status(&err);
	start = clock_seconds();
	for (int i = 0; i < RUNS; i++)
		run();
	(void)r.k->status(&err);
	return (clock_seconds() - start) / RUNS;
}

static struct update_range *range_of(const struct kernels *k, bool bits8)
{
	struct update_range range = {.n = (int64_t)WIDTH * FF, .decay = true, .bits8 = bits8}, *p = k->alloc(NULL, sizeof range);

	if (p)
		k->upload(p, &range, sizeof range);
	return p;
}

/* The state of eight bits takes the place of that of floats. */
static bool open_sets(const struct kernels *k)
{
	int64_t n = (int64_t)WIDTH * FF;

	r.norm = k->alloc(NULL, sizeof *r.norm);
	r.set = (struct update_set){.p = r.f[0], .m = r.f[1], .v = r.f[2], .g = r.f[3], .ranges = range_of(k, false), .n = 1,
				    .pieces = (n + KERNELS_UPDATE_PIECE - 1) / KERNELS_UPDATE_PIECE};
	r.set8 = r.set;
	r.set8.ranges = range_of(k, true);
	r.set8.m8 = (uint8_t *)r.f[1], r.set8.v8 = (uint8_t *)r.f[2], r.set8.m_max = r.scratch, r.set8.v_max = r.scratch + n / KERNELS_BLOCK8;
	if (!r.norm || !r.set.ranges || !r.set8.ranges)
		return false;
	k->grad_norm(NULL, r.norm, &r.set, 1);
	return true;
}

static bool open_room(const struct kernels *k)
{
	int32_t ids[TOKENS], cu[3] = {0, TOKENS / 2, TOKENS};
	size_t acts = (size_t)TOKENS * 2 * FF, floats = (size_t)WIDTH * FF;
	float *values = malloc(acts * sizeof *values);

	r = (struct room){.k = k, .u = {.lr = 1e-4f, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .decay = 0.1f, .step = 10}};
	r.a = k->alloc(NULL, acts * k->elem_bytes), r.b = k->alloc(NULL, acts * k->elem_bytes), r.c = k->alloc(NULL, acts * k->elem_bytes);
	for (int i = 0; i < 4; i++)
		r.f[i] = k->alloc(NULL, floats * sizeof(float));
	r.scratch = k->alloc(NULL, (size_t)(k->logprob_scratch(TOKENS, WIDTH, FF) + k->norm_scratch(TOKENS, WIDTH) + WIDTH * FF) * sizeof(float));
	r.ids = k->alloc(NULL, sizeof ids), r.cu = k->alloc(NULL, sizeof cu);
	if (!values || !r.a || !r.b || !r.c || !r.f[0] || !r.f[1] || !r.f[2] || !r.f[3] || !r.scratch || !r.ids || !r.cu) {
		free(values);
		return false;
	}
	for (size_t i = 0; i < acts; i++)
		values[i] = (float)((uint32_t)(i * 2654435761u) >> 8) * 0x1p-24f - 0.5f;
	for (int i = 0; i < TOKENS; i++)
		ids[i] = (int32_t)((uint32_t)i * 2654435761u >> 19);  /* of 8192 */
	for (int i = 0; i < 4; i++)
		k->upload(r.f[i], values, floats * sizeof *values);
	k->upload(r.ids, ids, sizeof ids), k->upload(r.cu, cu, sizeof cu);
	/* activations from floats, by way of the others' room */
	for (size_t at = 0; at < acts; at += floats) {
		int64_t n = (int64_t)(acts - at < floats ? acts - at : floats);

		k->from_floats(NULL, act_at(k, r.a, (int64_t)at), r.f[0], n);
		k->from_floats(NULL, act_at(k, r.b, (int64_t)at), r.f[1], n);
		k->from_floats(NULL, act_at(k, r.c, (int64_t)at), r.f[2], n);
	}
	free(values);
	return open_sets(k);
}

static void close_room(void)
{
	r.k->release(r.a), r.k->release(r.b), r.k->release(r.c), r.k->release(r.scratch), r.k->release(r.ids), r.k->release(r.cu);
	r.k->release((void *)(uintptr_t)r.set.ranges), r.k->release((void *)(uintptr_t)r.set8.ranges), r.k->release(r.norm);
	for (int i = 0; i < 4; i++)
		r.k->release(r.f[i]);
}

/* --- weights that are only used -------------------------------------------------------------------------- */

/* The four products of a layer, for some rows at a time: rows and columns of W. */
static const int64_t layer[4][2] = {{QKV, WIDTH}, {WIDTH, HEADS * HEAD}, {2 * FF, WIDTH}, {WIDTH, FF}};
#define LAYERS 4                 /* more than a cache holds, one after the other */

static struct served {
	enum elem elem;
	struct weights w[LAYERS][4];
	char *packed;
	size_t bytes;                /* that a layer's products read */
	float *from;
	int64_t rows;
	int turn;
} served;

static void close_served(void)
{
	if (served.packed)
		r.k->release(served.packed);
	if (served.from)
		r.k->release(served.from);
}

/* Weights from the floats of the room, or their bytes; factors, too. */
static bool open_served(enum elem elem)
{
	char *to;

	served = (struct served){.elem = elem};
	for (int i = 0; i < 4; i++)
		served.bytes += r.k->packed_bytes(elem, layer[i][0], layer[i][1], false);
	served.packed = r.k->alloc(NULL, LAYERS * served.bytes);
	served.from = r.k->alloc(NULL, 2 * (size_t)WIDTH * FF * sizeof(float));
	if (!served.bytes || !served.packed || !served.from) {
		close_served();
		return false;
	}
	for (int i = 0; i < 2; i++)
		r.k->copy(NULL, served.from + (size_t)i * WIDTH * FF, r.f[0], (size_t)WIDTH * FF * sizeof(float));
	to = served.packed;
	for (int l = 0; l < LAYERS; l++)
		for (int i = 0; i < 4; i++) {
			struct weights w = {.data = served.from, .elem = elem, .scale = elem == ELEM_F32 ? NULL : r.f[1]};

			r.k->pack(NULL, to, w, layer[i][0], layer[i][1], false);
			w.data = NULL, w.packed = to, w.forward = true;
			served.w[l][i] = w;
			to += r.k->packed_bytes(elem, layer[i][0], layer[i][1], false);
		}
	for (int i = 0; i < 4; i++)
		served.bytes += elem == ELEM_NF4 ? (size_t)(layer[i][0] * layer[i][1] / KERNELS_NF4_BLOCK) * sizeof(float) : 0;
	return true;
}

static void serve_layer(void)
{
	const struct weights *w = served.w[served.turn++ % LAYERS];

	for (int i = 0; i < 4; i++)
		r.k->matmul_add(NULL, r.b, r.a, w[i], NULL, NULL, served.rows, layer[i][0], layer[i][1]);
}

/* Beside the time in which the weights come from memory, or the products are made, whichever is longer. */
static void bench_served(double bandwidth, double rate)
{
	static const struct { enum elem elem; const char *name; } forms[] = {{ELEM_F32, "bf16"}, {ELEM_I8, "int8"}, {ELEM_NF4, "nf4"}};
	static const int64_t rows[] = {1, 8, 16, 32, 64, 128, 256, 512, 4096};
	double weights = 0;

	for (int i = 0; i < 4; i++)
		weights += (double)(layer[i][0] * layer[i][1]);
	for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
		if (!open_served(forms[f].elem)) {
			printf("time %-16s %s: not enough memory\n", "only used", forms[f].name);
			continue;
		}
		for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
			double seconds, memory = (double)served.bytes / bandwidth, products;

			served.rows = rows[n];
			products = 2 * weights * (double)rows[n] / rate;
			seconds = seconds_of(serve_layer);
			printf("time only used, %-4s %4lld rows %9.1f us a layer, %5.2f TB/s of weights, floor %9.1f us (%s), %3.0f %%\n", forms[f].name,
			       (long long)rows[n], 1e6 * seconds, 1e-12 * (double)served.bytes / seconds,
			       1e6 * (memory > products ? memory : products), memory > products ? "memory" : "products",
			       100 * (memory > products ? memory : products) / seconds);
		}
		close_served();
	}
}

void bench_device(const struct kernels *k)
{
	double bandwidth, rate;

	if (!open_room(k)) {
		printf("timing: the device has not enough memory\n");
		close_room();
		return;
	}
	bandwidth = 2.0 * TOKENS * 2 * FF * (double)k->elem_bytes / seconds_of(copy);
	rate = k->peak_flops(NULL);
	printf("time %-16s copies %.2f TB/s, products %.1f TFLOP/s, %zu-byte activations\n", k->name, bandwidth * 1e-12,
	       rate * 1e-12, k->elem_bytes);
	for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
		double seconds = seconds_of(timed[i].run), bytes = timed[i].acts * (double)k->elem_bytes + timed[i].floats * sizeof(float);
		double floor = timed[i].flops > 0 ? timed[i].flops / rate : bytes / bandwidth;

		printf("time %-16s %9.1f us, floor %9.1f us (%s), %3.0f %%\n", timed[i].name, 1e6 * seconds, 1e6 * floor,
		       timed[i].flops > 0 ? "products" : "memory", 100 * floor / seconds);
	}
	if (k->packed_bytes(ELEM_F32, WIDTH, WIDTH, false))
		bench_served(bandwidth, rate);
	close_room();
}
