/* Weights laid out once for the products: on a device that wants that (the plain table, with floats for a layout of its own), and on this
 * machine's CPU, a model gives the same numbers to the bit, packed on loading or while it is trained, and keeps nothing that it does not
 * need. */
#include "base/mem.h"
#include "model/layout.h"

#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#define TOKENS 12
#define VOCAB 61

static const int32_t ids[TOKENS] = { 5, 9, 2, 40, 41, 7, 7, 60, 0, 33, 12, 3 }, cu[2] = { 0, TOKENS };
static struct pool *pool;
static struct error err;

/* --- the device -------------------------------------------------------------------------------- */

static struct kernels device;
static int from_packed, packs;

/* NF4 is left as it is, so that both sorts stand in one model. */
static size_t packed_bytes(enum elem elem, int64_t o, int64_t i, bool backward)
{
	(void)backward;
	return elem == ELEM_NF4 ? 0 : (size_t)(o * i) * sizeof(float);
}

static void pack(struct pool *p, void *packed, struct weights w, int64_t o, int64_t i, bool backward)
{
	int32_t *rows = mem_array((size_t)o, sizeof(*rows));

	(void)backward;
	for (int64_t r = 0; r < o; r++)
		rows[r] = (int32_t)r;
	assert_non_null(w.data);
	kernels_cpu_plain()->embed(p, packed, w, rows, o, i);
	packs++;
	mem_free(rows);
}

static struct weights unpacked(struct weights w)
{
	from_packed += w.packed != NULL;
	return w.packed ? weights_f32(w.packed) : w;
}

static void matmul(struct pool *p, act *y, const act *x, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	kernels_cpu_plain()->matmul(p, y, x, unpacked(w), n, o, i, acc);
}

static void matmul_add(struct pool *p, act *y, const act *x, struct weights w, const float *b, const act *r, int64_t n, int64_t o, int64_t i)
{
	kernels_cpu_plain()->matmul_add(p, y, x, unpacked(w), b, r, n, o, i);
}

static void matmul_float(struct pool *p, float *y, const act *x, struct weights w, const float *b, int64_t n, int64_t o, int64_t i)
{
	kernels_cpu_plain()->matmul_float(p, y, x, unpacked(w), b, n, o, i);
}

static void matmul_dx(struct pool *p, act *dx, const act *dy, struct weights w, int64_t n, int64_t o, int64_t i, int acc)
{
	kernels_cpu_plain()->matmul_dx(p, dx, dy, unpacked(w), n, o, i, acc);
}

static void logprob(struct pool *p, float *logp, float *lse, float *mean, bool *greedy, const act *x, struct weights w,
		    const int32_t *targets, float *scratch, int64_t n, int64_t c, int64_t v, float cap)
{
	kernels_cpu_plain()->logprob(p, logp, lse, mean, greedy, x, unpacked(w), targets, scratch, n, c, v, cap);
}

static void open_device(void)
{
	device = *kernels_cpu_plain();
	device.packed_bytes = packed_bytes;
	device.pack = pack;
	device.matmul = matmul;
	device.matmul_add = matmul_add;
	device.matmul_float = matmul_float;
	device.matmul_dx = matmul_dx;
	device.logprob = logprob;
	from_packed = packs = 0;
}

/* --- loading ------------------------------------------------------------------------------------ */

/* Logits of the last token and log-probabilities of all. */
struct answer {
	float logits[VOCAB], logp[TOKENS];
	bool greedy[TOKENS];
};

static struct answer ask(struct model *m)
{
	struct answer a = { 0 };
	struct model_cache *c;
	int32_t slot = 0, past = 0;

	OK_OR_FAIL(model_cache_open(&c, m, 1, TOKENS, TOKENS, &err));
	OK_OR_FAIL(model_decode(m, c, 1, ids, cu, &slot, &past, a.logits, &err));
	OK_OR_FAIL(model_decode_targets(m, c, 1, ids, cu, &slot, &past, (int32_t[TOKENS]){ 9, 2, 40, 41, 7, 7, 60, 0, 33, 12, 3, -1 }, a.logp,
					a.greedy, &err));
	model_cache_close(c);
	return a;
}

static void compare(const char *dir, enum model_form form, bool in_place)
{
	struct model_how how = { .form = form, .in_place = in_place };
	struct model plain, m;
	struct answer want, have;

	open_device();
	OK_OR_FAIL(model_load_as(&plain, dir, &how, kernels_cpu_plain(), pool, &err));
	want = ask(&plain);
	how.pack = true;
	OK_OR_FAIL(model_load_as(&m, dir, &how, &device, pool, &err));
	assert_int_equal(packs, plain.frozen ? 4 * (form == MODEL_NF4 ? 0 : m.cfg.n_layers) + 1 : 0);
	have = ask(&m);
	assert_memory_equal(&want, &have, sizeof(want));
	if (plain.frozen) {
		assert_int_equal(from_packed, 2 * packs);
		assert_non_null(m.layout->embed.stored.data);
		assert_true((m.layout->head.stored.data != NULL) == m.cfg.tied);
		assert_true((m.layout->layers[0].down.stored.data != NULL) == (form == MODEL_NF4));
		assert_true(m.layout->layers[0].down.stored.forward == (form != MODEL_NF4));
	}
	model_release(&m);
	model_release(&plain);
}

/* The CPU's own layout, where it has one. */
static void compare_cpu(const char *dir, enum model_form form)
{
	struct model_how how = { .form = form, .in_place = true };
	struct answer answers[2];

	for (int i = 0; i < 2; i++) {
		struct model m;

		how.pack = i;
		OK_OR_FAIL(model_load_as(&m, dir, &how, kernels_cpu(), pool, &err));
		answers[i] = ask(&m);
		model_release(&m);
	}
	assert_memory_equal(&answers[0], &answers[1], sizeof(answers[0]));
}

static void remove_model(const char *dir)
{
	for (const char *const *f = (const char *const[]){ "config.json", "generation_config.json", "model.safetensors", NULL }; *f; f++) {
		char *path = path_join(dir, *f);

		unlink(path);
		mem_free(path);
	}
	rmdir(dir);
}

static struct model_config llama(bool tied)
{
	return (struct model_config){ .architecture = "LlamaForCausalLM", .model_type = "llama", .n_layers = 2, .hidden = 64, .heads = 4,
				      .kv_heads = 2, .head_dim = 16, .ffn = 128, .vocab = VOCAB, .positions = 32, .rope_theta = 10000,
				      .norm_eps = 1e-5f, .init_range = 0.1f, .tied = tied, .bos_id = -1, .eos_id = -1, .pad_id = -1 };
}

static void packed_on_loading_gives_the_same(void **state)
{
	char dir[] = "/tmp/quern-packed-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int tied = 0; tied < 2; tied++) {
		struct model_config c = llama(tied);
		struct model m;

		OK_OR_FAIL(model_init(&m, &c, 3, kernels_cpu_plain(), pool, &err));
		OK_OR_FAIL(model_save(&m, dir, &err));
		model_release(&m);
		compare(dir, MODEL_F32, true);
		compare(dir, MODEL_F32, false);
		compare(dir, MODEL_BF16, true);
		compare(dir, MODEL_INT8, true);
		compare(dir, MODEL_NF4, true);
		for (enum model_form form = MODEL_F32; form <= MODEL_NF4; form++)
			compare_cpu(dir, form);
	}
	remove_model(dir);
	/* Matrices that are turned, made of one part, or have other norms. */
	compare("tests/golden/data/families/gpt2", MODEL_F32, true);
	compare("tests/golden/data/families/phi3", MODEL_BF16, true);
	compare("tests/golden/data/families/gemma3", MODEL_INT8, true);
}

/* --- training ------------------------------------------------------------------------------------- */

static void learn(struct model *m, float *logp, float *grads)
{
	static const int32_t targets[TOKENS] = { 9, 2, 40, 41, 7, 7, 60, 0, 33, 12, 3, -1 };
	static const float dlogp[TOKENS] = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0 };
	struct model_batch b = { .n = TOKENS, .s = 1, .ids = ids, .cu = cu, .targets = targets };
	struct model_state *st;

	memset(grads, 0, (size_t)m->n_params * sizeof(float));
	OK_OR_FAIL(model_state_open(&st, m, TOKENS, MODEL_TRAIN, &err));
	OK_OR_FAIL(model_forward(m, st, &b, logp, &err));
	OK_OR_FAIL(model_backward(m, st, &b, dlogp, grads, &err));
	model_state_close(st);
}

static void packed_again_after_a_change_gives_the_same(void **state)
{
	struct model_config c = llama(true);
	struct model m, plain;
	float logp[TOKENS], old[TOKENS], want[TOKENS], *grads, *want_grads;

	(void)state;
	open_device();
	OK_OR_FAIL(model_init(&plain, &c, 3, kernels_cpu_plain(), pool, &err));
	OK_OR_FAIL(model_init(&m, &c, 3, &device, pool, &err));
	OK_OR_FAIL(model_pack(&plain, &err));
	assert_null(plain.packed);
	OK_OR_FAIL(model_pack(&m, &err));
	assert_int_equal(packs, 4 * m.cfg.n_layers + 1);
	assert_false(m.layout->layers[0].down.stored.forward);
	grads = mem_array((size_t)m.n_params, sizeof(float));
	want_grads = mem_array((size_t)m.n_params, sizeof(float));
	learn(&m, old, grads);
	assert_true(from_packed >= 4 * m.cfg.n_layers * 2);
	for (int64_t i = 0; i < m.n_params; i++)
		m.params[i] -= 0.01f * grads[i], plain.params[i] = m.params[i];
	OK_OR_FAIL(model_pack(&m, &err));
	learn(&m, logp, grads);
	learn(&plain, want, want_grads);
	assert_memory_equal(logp, want, sizeof(want));
	assert_memory_equal(grads, want_grads, (size_t)m.n_params * sizeof(float));
	assert_memory_not_equal(logp, old, sizeof(old));
	mem_free(grads);
	mem_free(want_grads);
	model_release(&m);
	model_release(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_on_loading_gives_the_same),
		cmocka_unit_test(packed_again_after_a_change_gives_the_same),
	};
	int failed;

	pool = pool_open(2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pool_close(pool);
	return failed;
}
