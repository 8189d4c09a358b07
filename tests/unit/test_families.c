/* Each family against transformers: logits, log-probabilities, the gradient of every parameter and 20 steps of AdamW, on
 * packed documents whose numbers were taken one by one (tests/reference/make_families.py). Weights come from a formula
 * that both sides compute. */
#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#define GOLDENS "tests/golden/data/families/"
#define DOCS 4
#define TOKENS 140
#define VOCAB 61
#define SAMPLES 48
#define STEPS 20

static const int32_t cu[DOCS + 1] = { 0, 37, 38, 128, 140 };
static const struct { int doc, token; } kept[] = { { 0, 5 }, { 0, 36 }, { 2, 89 }, { 3, 11 } };
static struct json_parser *parser;
static const struct json *goldens;
static struct pool *pool;
static struct error err;

/* --- the formula -------------------------------------------------------------------------- */

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ x >> 16;
}

static uint32_t fnv(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

/* Element i of the tensor, in the order of its file. */
static float uniform(const char *name, int64_t i)
{
	return (float)(mix((uint32_t)i * 2654435761u + fnv(name)) >> 8) / 8388608.0f - 1;
}

/* Place in the file of element (r, c) of a tensor. */
static int64_t place(const struct tensor *t, int64_t r, int64_t c)
{
	return t->transposed ? c * t->rows + r : r * t->cols + c;
}

static void fill(struct model *m)
{
	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *t = &m->tensors[i];
		bool gain = t->n_dims == 1 && !strstr(t->name, ".bias") && m->cfg.norm_plus == 0;

		for (int64_t r = 0; r < t->rows; r++)
			for (int64_t c = 0; c < t->cols; c++)
				m->params[t->offset + r * t->cols + c] = (gain ? 1.0f : 0.0f) + uniform(t->name, place(t, r, c)) * 0.25f;
	}
}

static int32_t ids[TOKENS], targets[TOKENS];
static float dlogp[TOKENS];

static struct model_batch documents(void)
{
	for (int d = 0; d < DOCS; d++) {
		char doc[32], gradient[32];

		snprintf(doc, sizeof(doc), "document %d", d);
		snprintf(gradient, sizeof(gradient), "gradient %d", d);
		for (int i = cu[d]; i < cu[d + 1]; i++) {
			ids[i] = (int32_t)((uniform(doc, i - cu[d]) + 1.0) / 2 * VOCAB);
			dlogp[i] = i + 1 < cu[d + 1] ? uniform(gradient, i - cu[d]) : 0;
		}
		for (int i = cu[d]; i < cu[d + 1]; i++)
			targets[i] = i + 1 < cu[d + 1] ? ids[i + 1] : -1;
	}
	return (struct model_batch){ .n = TOKENS, .s = DOCS, .ids = ids, .cu = cu, .targets = targets };
}

/* --- a model of the goldens --------------------------------------------------------------- */

static const struct json *golden(int i) { return &json_get(goldens, "models")->items[i]; }
static const char *name_of(int i) { return json_get(goldens, "models")->keys[i].str; }
static int models(void) { return (int)json_get(goldens, "models")->len; }

static void open_model(struct model *m, int i)
{
	struct model_config c;

	OK_OR_FAIL(model_config_parse(json_get(golden(i), "config"), &c, &err));
	OK_OR_FAIL(model_init(m, &c, 1, kernels_cpu(), pool, &err));
	fill(m);
}

static void near(int model, const char *what, int64_t i, double got, double want, double scale)
{
	if (!(fabs(got - want) <= 1e-4 * scale))
		fail_msg("%s: %s[%lld] is %.8g, transformers has %.8g", name_of(model), what, (long long)i, got, want);
}

/* --- logits by decoding, in pieces -------------------------------------------------------- */

static void decoded_logits_equal_transformers(void **state)
{
	(void)state;
	documents();
	for (int g = 0; g < models(); g++) {
		struct model_cache *c;
		struct model m;
		float z[VOCAB];
		bool stretched;

		open_model(&m, g);
		/* Where the rotation depends on the length of the sequence, decoding stays below that. */
		stretched = m.cfg.rope.type == ROPE_DYNAMIC || m.cfg.rope.type == ROPE_LONG;
		if (stretched)
			assert_int_equal(model_cache_open(&c, &m, 2, 33, 16, &err), ERR_USAGE);
		OK_OR_FAIL(model_cache_open(&c, &m, 2, stretched ? 32 : 96, 16, &err));
		for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++) {
			const struct json *want = &json_get(golden(g), "logits")->items[k];
			int32_t end = kept[k].token + 1, slot = 1;

			if (stretched && kept[k].doc != 3)
				continue;
			for (int32_t at = 0, n; at < end; at += n) {
				n = at % 3 ? 1 : end - at < 16 ? end - at : 16;
				OK_OR_FAIL(model_decode(&m, c, 1, ids + cu[kept[k].doc] + at, (int32_t[]){ 0, n }, &slot, &at, z, &err));
			}
			for (int v = 0; v < VOCAB; v++)
				near(g, "logit", v, (double)z[v], want->items[v].number, fmax(1, fabs(want->items[v].number)));
		}
		model_cache_close(c);
		model_release(&m);
	}
}

/* --- log-probabilities and gradients ------------------------------------------------------- */

static void check_logp(int g, const float *logp)
{
	const struct json *docs = json_get(golden(g), "logp");

	for (int d = 0; d < DOCS; d++) {
		assert_int_equal(docs->items[d].len, cu[d + 1] - cu[d] - 1);
		for (size_t i = 0; i < docs->items[d].len; i++)
			near(g, "logp", cu[d] + (int64_t)i, (double)logp[cu[d] + (int64_t)i], docs->items[d].items[i].number,
			     fmax(1, fabs(docs->items[d].items[i].number)));
		assert_true(logp[cu[d + 1] - 1] == 0);
	}
}

static void check_gradient(int g, const struct tensor *t, const float *grad)
{
	const struct json *want = json_get(json_get(golden(g), "grads"), t->name), *at = json_get(want, "at");
	int64_t n = t->rows * t->cols;
	double sum = 0, scale = json_get_num(want, "norm", 0) / sqrt((double)n);
	float *file = mem_array((size_t)n, sizeof(float));

	if (!want)
		fail_msg("%s: transformers has no tensor '%s'", name_of(g), t->name);
	for (int64_t r = 0; r < t->rows; r++)
		for (int64_t c = 0; c < t->cols; c++) {
			float v = grad[t->offset + r * t->cols + c];

			file[place(t, r, c)] = v;
			sum += (double)v * (double)v;
		}
	assert_int_equal(at->len, n < SAMPLES ? n : SAMPLES);
	near(g, t->name, -1, sqrt(sum), json_get_num(want, "norm", 0), json_get_num(want, "norm", 0));
	for (size_t i = 0; i < at->len; i++) {
		int64_t k = n <= SAMPLES ? (int64_t)i : mix((uint32_t)i + fnv(t->name)) % (uint32_t)n;

		near(g, t->name, k, (double)file[k], at->items[i].number, fmax(scale, fabs(at->items[i].number)));
	}
	mem_free(file);
}

static void gradients(struct model *m, enum model_use use, const struct model_batch *b, float *logp, const float *d, float *grads)
{
	struct model_state *st;

	OK_OR_FAIL(model_state_open(&st, m, b->n, use, &err));
	memset(grads, 0, (size_t)m->n_params * sizeof(float));
	OK_OR_FAIL(model_forward(m, st, b, logp, &err));
	OK_OR_FAIL(model_backward(m, st, b, d, grads, &err));
	model_state_close(st);
}

static void packed_documents_have_transformers_numbers(void **state)
{
	struct model_batch b = documents();

	(void)state;
	for (int g = 0; g < models(); g++) {
		float logp[TOKENS], *grads;
		struct model m;

		open_model(&m, g);
		grads = mem_array((size_t)m.n_params, sizeof(float));
		gradients(&m, MODEL_TRAIN, &b, logp, dlogp, grads);
		check_logp(g, logp);
		assert_int_equal(json_get(golden(g), "grads")->len, m.n_tensors);
		for (int i = 0; i < m.n_tensors; i++)
			check_gradient(g, &m.tensors[i], grads);
		mem_free(grads);
		model_release(&m);
	}
}

static void recomputation_changes_no_bit(void **state)
{
	struct model_batch b = documents();

	(void)state;
	for (int g = 0; g < models(); g++) {
		float logp[TOKENS], again[TOKENS], *kept_all, *less;
		struct model m;

		open_model(&m, g);
		kept_all = mem_array((size_t)m.n_params, sizeof(float));
		less = mem_array((size_t)m.n_params, sizeof(float));
		gradients(&m, MODEL_TRAIN, &b, logp, dlogp, kept_all);
		for (enum model_use use = MODEL_TRAIN_LESS; use <= MODEL_TRAIN_LEAST; use++) {
			gradients(&m, use, &b, again, dlogp, less);
			assert_memory_equal(logp, again, sizeof(logp));
			assert_memory_equal(kept_all, less, (size_t)m.n_params * sizeof(float));
		}
		assert_true(model_state_bytes(&m, 5000, MODEL_TRAIN) > model_state_bytes(&m, 5000, MODEL_TRAIN_LESS));
		assert_true(model_state_bytes(&m, 5000, MODEL_TRAIN_LESS) > model_state_bytes(&m, 5000, MODEL_TRAIN_LEAST));
		mem_free(kept_all);
		mem_free(less);
		model_release(&m);
	}
}

static void scoring_equals_training(void **state)
{
	struct model_batch b = documents();

	(void)state;
	for (int g = 0; g < models(); g++) {
		float logp[TOKENS];
		struct model_state *st;
		struct model m;

		open_model(&m, g);
		OK_OR_FAIL(model_state_open(&st, &m, TOKENS, MODEL_SCORE, &err));
		OK_OR_FAIL(model_forward(&m, st, &b, logp, &err));
		check_logp(g, logp);
		model_state_close(st);
		model_release(&m);
	}
}

/* --- AdamW --------------------------------------------------------------------------------- */

static void twenty_steps_of_adamw_equal_torch(void **state)
{
	struct model_batch b = documents();
	float logp[TOKENS], d[TOKENS];

	(void)state;
	for (int i = 0; i < TOKENS; i++)
		d[i] = targets[i] < 0 ? 0 : -1.0f / (TOKENS - DOCS);
	for (int g = 0; g < models(); g++) {
		struct optimizer_options o = { .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1 };
		struct optimizer opt;
		struct model m;
		float *grads;

		open_model(&m, g);
		grads = mem_array((size_t)m.n_params, sizeof(float));
		optimizer_plan(&opt, &m, NULL, &o);
		assert_int_equal(optimizer_take(&opt, &err), OK);
		for (int step = 0; step < STEPS; step++) {
			double loss = 0, want = json_get(golden(g), "losses")->items[step].number;

			gradients(&m, MODEL_TRAIN, &b, logp, d, grads);
			for (int i = 0; i < TOKENS; i++)
				loss -= (double)logp[i] / (TOKENS - DOCS);
			near(g, "loss", step, loss, want, want);
			optimizer_norm(&opt, grads, 0);
			optimizer_update(&opt, m.params, grads, 1e-3, step + 1);
		}
		mem_free(grads);
		optimizer_close(&opt);
		model_release(&m);
	}
}

/* --- files --------------------------------------------------------------------------------- */

/* The last token's logits of document 3. */
static void last_logits(struct model *m, float *z)
{
	struct model_cache *c;
	int32_t slot = 0, past = 0;

	OK_OR_FAIL(model_cache_open(&c, m, 1, 16, 16, &err));
	OK_OR_FAIL(model_decode(m, c, 1, ids + cu[3], (int32_t[]){ 0, 12 }, &slot, &past, z, &err));
	model_cache_close(c);
}

static void remove_directory(const char *dir)
{
	for (const char *const *f = (const char *const[]){ "config.json", "generation_config.json", "model.safetensors", NULL }; *f; f++) {
		char *path = path_join(dir, *f);

		unlink(path);
		mem_free(path);
	}
	rmdir(dir);
}

static void directories_of_transformers_load_and_come_back(void **state)
{
	const struct json *all = json_get(goldens, "directories");

	(void)state;
	documents();
	for (size_t i = 0; i < all->len; i++) {
		char *path = mem_printf(GOLDENS "%s", all->keys[i].str), dir[] = "/tmp/quern-families-XXXXXX";
		float z[VOCAB], again[VOCAB];
		struct model m;

		OK_OR_FAIL(model_load(&m, path, kernels_cpu(), pool, &err));
		last_logits(&m, z);
		for (int v = 0; v < VOCAB; v++)
			if (!(fabs((double)z[v] - all->items[i].items[v].number) <= 1e-4))
				fail_msg("%s: logit %d is %g, transformers has %g", path, v, (double)z[v], all->items[i].items[v].number);
		assert_non_null(mkdtemp(dir));
		OK_OR_FAIL(model_save(&m, dir, &err));
		model_release(&m);
		/* Matrices that stay in their files give the same to the bit. */
		OK_OR_FAIL(model_load_as(&m, path, &(struct model_how){ .in_place = true }, kernels_cpu(), pool, &err));
		last_logits(&m, again);
		assert_memory_equal(z, again, sizeof(z));
		assert_true(m.n_maps > 0 || !strcmp(all->keys[i].str, "gpt2"));
		model_release(&m);
		OK_OR_FAIL(model_load(&m, dir, kernels_cpu(), pool, &err));
		last_logits(&m, again);
		assert_memory_equal(z, again, sizeof(z));
		model_release(&m);
		remove_directory(dir);
		mem_free(path);
	}
}

/* Biases in the file that config.json does not know are no biases of zero. */
static void tensors_without_a_place_are_refused(void **state)
{
	char dir[] = "/tmp/quern-families-XXXXXX", *path;
	struct buf b = { 0 };
	struct model m;

	(void)state;
	assert_string_equal(name_of(0), "llama3");
	open_model(&m, 0);
	assert_true(m.cfg.qkv_bias);
	assert_non_null(mkdtemp(dir));
	OK_OR_FAIL(model_save(&m, dir, &err));
	m.cfg.qkv_bias = m.cfg.out_bias = false;
	model_config_print(&m.cfg, "float32", &b);
	path = path_join(dir, "config.json");
	OK_OR_FAIL(file_write_all(path, b.data, b.len, &err));
	model_release(&m);
	assert_int_equal(model_load(&m, dir, kernels_cpu(), pool, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "self_attn.k_proj.bias"));
	remove_directory(dir);
	mem_free(path);
	buf_release(&b);
}

/* What a text says beyond what is computed comes back; what changed is changed, in the spelling of the text. */
static void members_of_others_are_kept(void **state)
{
	static const char text[] =
		"{\"model_type\":\"llama\",\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,\"vocab_size\":9,"
		"\"intermediate_size\":8,\"eos_token_id\":[2,3],\"mine\":{\"a\":[1,2.50,null]},\"dtype\":\"bfloat16\","
		"\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":100}}";
	struct json_parser *p = json_parser_open();
	const struct json *j;
	struct model_config c;
	struct buf b = { 0 };

	(void)state;
	OK_OR_FAIL(json_parse(p, text, strlen(text), &j, &err));
	OK_OR_FAIL(model_config_parse(j, &c, &err));
	assert_int_equal(c.positions, 4096);
	c.text = mem_strdup(text);
	c.vocab = 11;
	c.rope_theta = 50;
	model_config_print(&c, "float32", &b);
	OK_OR_FAIL(json_parse(p, b.data, b.len, &j, &err));
	assert_int_equal(json_get_int(j, "vocab_size", 0), 11);
	assert_int_equal(json_get(j, "eos_token_id")->len, 2);
	assert_int_equal(json_get(json_get(j, "mine"), "a")->len, 3);
	assert_string_equal(json_get_str(j, "dtype", ""), "float32");
	assert_null(json_get(j, "torch_dtype"));
	assert_null(json_get(j, "rope_theta"));
	assert_null(json_get(j, "rope_scaling"));
	assert_true(json_get_num(json_get(j, "rope_parameters"), "rope_theta", 0) == 50);
	assert_true(json_get_num(json_get(j, "rope_parameters"), "factor", 0) == 2);
	model_config_release(&c);
	json_parser_close(p);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoded_logits_equal_transformers),
		cmocka_unit_test(packed_documents_have_transformers_numbers),
		cmocka_unit_test(recomputation_changes_no_bit),
		cmocka_unit_test(scoring_equals_training),
		cmocka_unit_test(twenty_steps_of_adamw_equal_torch),
		cmocka_unit_test(directories_of_transformers_load_and_come_back),
		cmocka_unit_test(tensors_without_a_place_are_refused),
		cmocka_unit_test(members_of_others_are_kept),
	};
	int failed;

	parser = json_parser_open();
	OK_OR_FAIL(json_parse_file(parser, GOLDENS "families.json", &goldens, &err));
	pool = pool_open(2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pool_close(pool);
	json_parser_close(parser);
	return failed;
}
