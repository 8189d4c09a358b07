/* Adapters and quantised weights: against peft's and bitsandbytes' numbers (tests/reference/make_adapter_goldens.py). */
#include "base/dynamic8.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/floats.h"
#include "model/model.h"
#include "model/quant.h"
#include "model/source.h"
#include "train/optimizer.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define DATA "tests/golden/data/adapter/"

static struct pool *pool;
static struct error err;
static struct json_parser *parser;
static const struct json *goldens;

/* --- 16-bit floats ---------------------------------------------------------------------------------- */

/* A float lies between two neighbours of the narrow type, or is one. */
static void narrowing_gives_the_nearest_and_of_two_the_even_one(void **state)
{
	struct rng r = rng_open(1, 1);

	(void)state;
	for (int i = 0; i < 65536; i++) {
		float h = half_float((uint16_t)i), b = bfloat_float((uint16_t)i);

		assert_true(h != h || float_half(h) == i);
		assert_true(b != b || float_bfloat(b) == i);
	}
	for (int i = 0; i < 300000; i++) {
		float v = ldexpf((float)(rng_double(&r) * 2 - 1), (int)rng_below(&r, 44) - 27);
		uint16_t h = float_half(v), b = float_bfloat(v);

		for (int d = -1; d <= 1; d += 2) {
			double to_h = fabs((double)v - (double)half_float(h)), next_h = fabs((double)v - (double)half_float((uint16_t)(h + d)));
			double to_b = fabs((double)v - (double)bfloat_float(b)), next_b = fabs((double)v - (double)bfloat_float((uint16_t)(b + d)));

			if (half_float((uint16_t)(h + d)) * v > 0 && !isinf(half_float(h)))
				assert_true(to_h < next_h || (to_h == next_h && h % 2 == 0));
			assert_true(to_b < next_b || (to_b == next_b && b % 2 == 0));
		}
	}
	assert_int_equal(float_half(65519.0f), 0x7bff);
	assert_int_equal(float_half(65520.0f), 0x7c00);
	assert_true(isnan(half_float(float_half(NAN))) && isnan(bfloat_float(float_bfloat(NAN))));
	assert_true(isinf(bfloat_float(float_bfloat(3.4e38f))));
}

/* --- against bitsandbytes -------------------------------------------------------------------------------- */

static void open_source(struct source *s, const char *dir, const char *base)
{
	OK_OR_FAIL(source_open(s, dir, base, &err));
}

static float *read_all(struct source *s, const char *name, int64_t *n)
{
	const struct source_tensor *t = source_find(s, name);
	float *x;

	assert_non_null(t);
	*n = t->rows * t->cols;
	x = mem_array((size_t)*n, sizeof(float));
	OK_OR_FAIL(source_begin(s, t, &err));
	OK_OR_FAIL(source_read(s, 0, t->rows, pool, x, &err));
	return x;
}

static uint8_t *stored_bytes(const struct source *s, const char *name, size_t *n)
{
	const struct shard_tensor *t = shards_find(&s->shards, name);
	uint8_t *p;

	assert_non_null(t);
	*n = (size_t)(t->entry->end - t->entry->begin);
	p = mem_alloc(*n + 1);
	OK_OR_FAIL(safetensors_bytes(t->file, t->entry, 0, *n, p, &err));
	return p;
}

static float nested_offset(const struct source *s, const char *state)
{
	struct json_parser *p = json_parser_open();
	const struct json *j;
	size_t n;
	uint8_t *text = stored_bytes(s, state, &n);
	float offset;

	OK_OR_FAIL(json_parse(p, (char *)text, n, &j, &err));
	offset = (float)json_get_num(j, "nested_offset", NAN);
	json_parser_close(p);
	mem_free(text);
	return offset;
}

static void nf4_is_what_bitsandbytes_stores(void **state)
{
	static const char *const names[] = { "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight" };
	struct source base, theirs;

	(void)state;
	open_source(&base, DATA "base", NULL);
	open_source(&theirs, DATA "nf4", NULL);
	for (int i = 0; i < 2; i++) {
		char *absmax_name = mem_printf("%s.absmax", names[i]), *map_name = mem_printf("%s.nested_quant_map", names[i]);
		char *state_name = mem_printf("%s.quant_state.bitsandbytes__nf4", names[i]);
		int64_t n, blocks, m;
		size_t bytes, k;
		float *x = read_all(&base, names[i], &n), *read = read_all(&theirs, names[i], &m), *absmax, scale, offset, theirs_offset;
		uint8_t *want = stored_bytes(&theirs, names[i], &bytes), *codes, *want_absmax = stored_bytes(&theirs, absmax_name, &k), *got;
		uint8_t *map = stored_bytes(&theirs, map_name, &k);

		blocks = nf4_blocks(n);
		codes = mem_alloc(bytes);
		got = mem_alloc((size_t)blocks);
		absmax = mem_array((size_t)blocks, sizeof(float));
		nf4_encode(x, n, codes, absmax);
		assert_memory_equal(codes, want, bytes);
		assert_int_equal(k, 256 * sizeof(float));
		assert_memory_equal(map, dynamic8_signed()->value, k);
		theirs_offset = nested_offset(&theirs, state_name);
		assert_true(blocks <= NF4_NESTED);
		offset = nf4_encode_absmax(absmax, blocks, got, &scale);
		assert_true(fabsf(offset - theirs_offset) <= 4e-7f * offset);
		/* Ours is the nearest of the map; theirs is now and then the one beside it. */
		for (int64_t b = 0; b < blocks; b++) {
			float v = (absmax[b] - offset) / scale;

			assert_true(abs(got[b] - want_absmax[b]) <= 1);
			assert_true(fabsf(v - dynamic8_signed()->value[got[b]]) <= fabsf(v - dynamic8_signed()->value[want_absmax[b]]) + 1e-6f);
		}
		/* And what is read from theirs lies within half a step of the code, times the block's magnitude. */
		for (int64_t e = 0; e < n; e++)
			assert_true(fabsf(read[e] - x[e]) <= 0.16f * absmax[e / NF4_BLOCK]);
		mem_free(absmax_name), mem_free(map_name), mem_free(state_name), mem_free(x), mem_free(read), mem_free(absmax);
		mem_free(want), mem_free(codes), mem_free(want_absmax), mem_free(got), mem_free(map);
	}
	source_close(&base);
	source_close(&theirs);
}

static void int8_is_what_bitsandbytes_stores(void **state)
{
	static const char *const module = "model.layers.0.mlp.gate_proj";
	char *weight = mem_printf("%s.weight", module), *scb = mem_printf("%s.SCB", module);
	struct source base, theirs;
	int64_t n, m;
	size_t bytes, k;
	float *x, *read, scale;
	uint8_t *want, *scales;
	int8_t q[64];

	(void)state;
	open_source(&base, DATA "base", NULL);
	open_source(&theirs, DATA "int8", NULL);
	x = read_all(&base, weight, &n);
	read = read_all(&theirs, weight, &m);
	want = stored_bytes(&theirs, weight, &bytes);
	scales = stored_bytes(&theirs, scb, &k);
	assert_int_equal(bytes, n);
	for (int64_t row = 0; row < n / 64; row++) {
		int8_encode(x + row * 64, 64, q, &scale);
		assert_memory_equal(q, want + row * 64, 64);
		assert_memory_equal(&scale, scales + row * 4, 4);
		for (int i = 0; i < 64; i++)
			assert_true(fabsf(read[row * 64 + i] - x[row * 64 + i]) <= scale * (0.5f / 127 + 1e-3f));
	}
	mem_free(weight), mem_free(scb), mem_free(x), mem_free(read), mem_free(want), mem_free(scales);
	source_close(&base);
	source_close(&theirs);
}

static void blocks_of_any_length_come_back_within_a_step(void **state)
{
	struct rng r = rng_open(3, 0);

	(void)state;
	for (int n = 1; n < 200; n += 3) {
		float x[200], back[200], absmax[4], scales[1];
		uint8_t codes[101], absmax_codes[4];

		for (int i = 0; i < n; i++)
			x[i] = n % 7 ? (float)rng_normal(&r) : 0;
		nf4_encode(x, n, codes, absmax);
		nf4_decode(codes, absmax, 0, n, back);
		for (int i = 0; i < n; i++)
			assert_true(fabsf(x[i] - back[i]) <= 0.153f * absmax[i / 64]);
		nf4_decode(codes + n / 4, absmax, n / 4 * 2, n - n / 4 * 2, back);
		assert_true(fabsf(x[n - 1] - back[n - n / 4 * 2 - 1]) <= 0.153f * absmax[(n - 1) / 64]);
		nf4_encode_absmax(absmax, nf4_blocks(n), absmax_codes, scales);
		assert_true(isfinite(scales[0]));
	}
}

/* --- adapter_config.json ------------------------------------------------------------------------------------ */

static enum status parse(const char *text, struct adapter_config *c)
{
	struct json_parser *p = json_parser_open();
	const struct json *j;
	enum status st = json_parse(p, text, strlen(text), &j, &err);

	if (st == OK)
		st = adapter_config_parse(j, c, &err);
	json_parser_close(p);
	return st;
}

static void what_is_not_computed_is_refused_by_name(void **state)
{
	static const struct { const char *text, *says; enum status status; } bad[] = {
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"use_dora\":true}", "use_dora", ERR_UNSUPPORTED },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"bias\":\"all\"}", "bias", ERR_UNSUPPORTED },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"init_lora_weights\":\"pissa\"}", "pissa", ERR_UNSUPPORTED },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"something_new\":1}", "something_new", ERR_UNSUPPORTED },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"layer_replication\":[[0,4]]}", "layer_replication", ERR_UNSUPPORTED },
		{ "{\"peft_type\":\"IA3\",\"target_modules\":[\"q\"]}", "IA3", ERR_UNSUPPORTED },
		{ "{\"target_modules\":[\"q\"]}", "peft_type", ERR_UNSUPPORTED },
		{ "{\"peft_type\":\"LORA\"}", "target_modules", ERR_DATA },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[1]}", "target_modules", ERR_DATA },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"r\":0}", "'r'", ERR_DATA },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"r\":1.5}", "'r'", ERR_DATA },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"lora_alpha\":\"8\"}", "lora_alpha", ERR_DATA },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"rank_pattern\":{\"q\":99999999}}", "rank_pattern", ERR_DATA },
		{ "{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"modules_to_save\":{}}", "modules_to_save", ERR_DATA },
		{ "[]", "object", ERR_DATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct adapter_config c;

		assert_int_equal(parse(bad[i].text, &c), bad[i].status);
		assert_non_null(strstr(err.text, bad[i].says));
	}
}

static void targets_ranks_and_scales_are_peft_s(void **state)
{
	struct adapter_config c, again;
	struct buf b = { 0 };
	bool yes;
	float scale;
	int r;

	(void)state;
	OK_OR_FAIL(parse("{\"peft_type\":\"LORA\",\"target_modules\":[\"q_proj\",\"mlp.up_proj\"],\"r\":4,\"lora_alpha\":12,"
			 "\"use_rslora\":true,\"rank_pattern\":{\"layers\\\\.1\\\\..*\":9},\"alpha_pattern\":{\"up_proj\":6},"
			 "\"loftq_config\":{},\"megatron_core\":\"x\",\"unknown\":null}", &c));
	OK_OR_FAIL(adapter_targets(&c, "model.layers.0.self_attn.q_proj", &yes, &err));
	assert_true(yes);
	OK_OR_FAIL(adapter_targets(&c, "model.layers.0.self_attn.eq_proj", &yes, &err));
	assert_false(yes);
	OK_OR_FAIL(adapter_targets(&c, "model.layers.0.mlp.up_proj", &yes, &err));
	assert_true(yes);
	OK_OR_FAIL(adapter_rank(&c, "model.layers.0.mlp.up_proj", &r, &scale, &err));
	assert_int_equal(r, 4);
	assert_true(scale == 3);
	OK_OR_FAIL(adapter_rank(&c, "model.layers.1.self_attn.q_proj", &r, &scale, &err));
	assert_int_equal(r, 9);
	assert_true(scale == 4);
	adapter_config_print(&c, &b);
	OK_OR_FAIL(parse(b.data, &again));
	assert_int_equal(again.n_ranks, 1);
	assert_string_equal(again.ranks[0].pattern, c.ranks[0].pattern);
	assert_true(again.rslora && again.alpha == 12 && again.n_targets == 2);
	adapter_config_release(&again);
	adapter_config_release(&c);
	OK_OR_FAIL(parse("{\"peft_type\":\"LORA\",\"target_modules\":\"(\"}", &c));
	assert_int_equal(adapter_targets(&c, "x", &yes, &err), ERR_DATA);
	adapter_config_release(&c);
	buf_release(&b);
}

/* --- models ------------------------------------------------------------------------------------------------------ */

static void load(struct model *m, const char *dir, const struct model_how *how)
{
	OK_OR_FAIL(model_load_as(m, dir, how, kernels_cpu(), pool, &err));
}

/* Log-probability of the golden tokens, one after the other, from logits of the reference. */
static double reference_logp(const struct json *logits, const struct json *ids, size_t i)
{
	const struct json *row = &logits->items[i];
	double most = -INFINITY, sum = 0;

	for (size_t v = 0; v < row->len; v++)
		most = row->items[v].number > most ? row->items[v].number : most;
	for (size_t v = 0; v < row->len; v++)
		sum += exp(row->items[v].number - most);
	return row->items[ids->items[i + 1].integer].number - most - log(sum);
}

static void check_logps(struct model *m, const char *golden)
{
	const struct json *ids = json_get(json_get(goldens, "base"), "ids"), *logits = json_get(json_get(goldens, golden), "logits");
	int32_t in[16], targets[16], cu[2] = { 0, (int32_t)ids->len };
	struct model_batch b = { .n = (int64_t)ids->len, .s = 1, .ids = in, .cu = cu, .targets = targets };
	struct model_state *s;
	float logp[16];

	for (size_t i = 0; i < ids->len; i++) {
		in[i] = (int32_t)ids->items[i].integer;
		targets[i] = i + 1 < ids->len ? (int32_t)ids->items[i + 1].integer : -1;
	}
	OK_OR_FAIL(model_state_open(&s, m, b.n, MODEL_SCORE, &err));
	OK_OR_FAIL(model_forward(m, s, &b, logp, &err));
	for (size_t i = 0; i + 1 < ids->len; i++) {
		double want = reference_logp(logits, ids, i);

		if (!(fabs((double)logp[i] - want) <= 1e-4 * (1 + fabs(want))))
			fail_msg("%s: token %zu: %g, want %g", golden, i, (double)logp[i], want);
	}
	model_state_close(s);
}

static void adapters_of_peft_give_its_logits_merged_and_apart(void **state)
{
	static const char *const names[] = { "lora", "grown", "gpt2-lora", "phi3", "gemma3", "apart-embed", "apart-head", "apart-both" };

	(void)state;
	for (int i = 0; i < 8; i++)
		for (int way = 0; way < 4; way++) {
			char *dir = mem_printf(DATA "%s", names[i]);
			struct model m;

			load(&m, dir, &(struct model_how){ .apart = way & 1, .in_place = way & 2 });
			assert_int_equal(m.lora != NULL, way & 1);
			check_logps(&m, names[i]);
			model_release(&m);
			mem_free(dir);
		}
}

static void an_adapter_turned_off_leaves_the_base(void **state)
{
	struct model m;

	(void)state;
	load(&m, DATA "lora", &(struct model_how){ .apart = true });
	model_adapter_off(&m, true);
	check_logps(&m, "base");
	model_adapter_off(&m, false);
	check_logps(&m, "lora");
	model_release(&m);
}

struct run {
	int32_t ids[64], targets[64], cu[4];
	struct model_batch b;
	int64_t targets_n;
};

static void batch_of(struct run *r, const struct json *sequences, const int *which, int n)
{
	*r = (struct run){ .b = { .ids = r->ids, .cu = r->cu, .targets = r->targets } };
	for (int s = 0; s < n; s++) {
		const struct json *x = &sequences->items[which[s]];

		for (size_t i = 0; i < x->len; i++) {
			r->ids[r->b.n] = (int32_t)x->items[i].integer;
			r->targets[r->b.n++] = i + 1 < x->len ? (int32_t)x->items[i + 1].integer : -1;
		}
		r->targets_n += (int64_t)x->len - 1;
		r->cu[++r->b.s] = (int32_t)r->b.n;
	}
}

/* Loss of a batch; its gradient into grads, which are cleared before. */
static double gradient(struct model *m, struct model_state *s, struct run *r, float *grads)
{
	float logp[64], dlogp[64];
	double loss = 0;

	OK_OR_FAIL(model_forward(m, s, &r->b, logp, &err));
	for (int64_t i = 0; i < r->b.n; i++) {
		loss -= r->targets[i] >= 0 ? (double)logp[i] / (double)r->targets_n : 0;
		dlogp[i] = r->targets[i] >= 0 ? -1.0f / (float)r->targets_n : 0;
	}
	m->k->zero(m->pool, grads, (size_t)m->n_params * sizeof(float));
	OK_OR_FAIL(model_backward(m, s, &r->b, dlogp, grads, &err));
	return loss;
}

static void check_gradients(const struct model *m, const struct json *want, const float *grads)
{
	size_t found = 0;

	for (int i = 0; i < m->n_tensors; i++) {
		const struct tensor *t = &m->tensors[i];
		char *name = mem_printf("base_model.model.%s", t->name);
		const struct json *g = json_get(want, name);
		double sum = 0, norm;

		mem_free(name);
		assert_int_equal(t->frozen, g == NULL);
		if (!g)
			continue;
		found++;
		for (int64_t e = 0; e < t->rows * t->cols; e++)
			sum += (double)grads[t->offset + e] * (double)grads[t->offset + e];
		norm = json_get_num(g, "norm", NAN);
		assert_true(fabs(sqrt(sum) - norm) <= 1e-4 * norm);
		for (size_t e = 0; e < json_get(g, "first")->len; e++)
			assert_true(fabs((double)grads[t->offset + (int64_t)e] - json_get(g, "first")->items[e].number) <= 1e-4 * norm);
	}
	assert_int_equal(found, want->len);
}

static void gradients_and_ten_steps_are_peft_s(void **state)
{
	const struct json *want = json_get(json_get(goldens, "lora"), "training"), *sequences = json_get(want, "sequences");
	struct model_state *s;
	struct model m;
	struct run r;
	struct optimizer_options o = { .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1 };
	struct optimizer opt;
	float *grads;

	(void)state;
	load(&m, DATA "lora", &(struct model_how){ .apart = true });
	OK_OR_FAIL(model_state_open(&s, &m, 64, MODEL_TRAIN, &err));
	grads = mem_array((size_t)m.n_params, sizeof(float));
	optimizer_plan(&opt, &m, NULL, &o);
	OK_OR_FAIL(optimizer_take(&opt, &err));
	batch_of(&r, sequences, (const int[]){ 0, 1, 2 }, 3);
	gradient(&m, s, &r, grads);
	check_gradients(&m, json_get(want, "grads"), grads);
	for (int step = 0; step < 10; step++) {
		double loss, norm, want_loss = json_get(want, "losses")->items[step].number;
		double want_norm = json_get(want, "grad_norms")->items[step].number;

		batch_of(&r, sequences, (const int[]){ 3 * step % 6, (3 * step + 1) % 6, (3 * step + 2) % 6 }, 3);
		loss = gradient(&m, s, &r, grads);
		optimizer_norm(&opt, grads, 1);
		optimizer_update(&opt, m.params, grads, 3e-3, step + 1);
		norm = optimizer_read_norm(&opt);
		assert_true(fabs(loss - want_loss) <= 1e-4 * want_loss);
		assert_true(fabs(norm - want_norm) <= 1e-4 * want_norm);
	}
	mem_free(grads);
	optimizer_close(&opt);
	model_state_close(s);
	model_release(&m);
}

/* With dropout, too, the gradient is that of what the forward computes: by differences, the keys fixed. */
static void gradients_go_through_dropout(void **state)
{
	const struct json *sequences = json_get(json_get(json_get(goldens, "lora"), "training"), "sequences");
	uint64_t keys[64];
	struct adapter_config c;
	struct model_state *s;
	struct model m;
	struct run r;
	float *grads, *unused;

	(void)state;
	OK_OR_FAIL(adapter_config_read(DATA "lora", &c, &err));
	c.dropout = 0.4;
	load(&m, DATA "base", &(struct model_how){ .lora = &c });
	adapter_config_release(&c);
	assert_true(model_draws(&m));
	for (int64_t i = 0; i < m.n_params; i++)             /* B is zero, which hides A */
		m.params[i] += m.params[i] == 0 ? 0.1f * sinf((float)i) : 0;
	OK_OR_FAIL(model_state_open(&s, &m, 64, MODEL_TRAIN_LEAST, &err));
	grads = mem_array((size_t)m.n_params, sizeof(float));
	unused = mem_array((size_t)m.n_params, sizeof(float));
	batch_of(&r, sequences, (const int[]){ 0, 1, 2 }, 3);
	for (int i = 0; i < 64; i++)
		keys[i] = (uint64_t)i * 77;
	r.b.noise_key = keys;
	gradient(&m, s, &r, grads);
	for (int i = 0; i < m.n_tensors; i++) {
		const struct tensor *t = &m.tensors[i];
		int64_t at = t->offset;
		float was;
		double up, down;

		for (int64_t e = t->offset; e < t->offset + t->rows * t->cols; e++)
			at = fabsf(grads[e]) > fabsf(grads[at]) ? e : at;
		if (t->frozen)
			continue;
		was = m.params[at];
		m.params[at] = was + 0.01f;
		up = gradient(&m, s, &r, unused);
		m.params[at] = was - 0.01f;
		down = gradient(&m, s, &r, unused);
		m.params[at] = was;
		if (!(fabs((up - down) / 0.02 - (double)grads[at]) <= 2e-2 * fabs((double)grads[at]) + 1e-5))
			fail_msg("%s: %g, by differences %g", t->name, (double)grads[at], (up - down) / 0.02);
	}
	r.b.noise_key = NULL;
	assert_true(fabs(gradient(&m, s, &r, unused) - gradient(&m, s, &r, unused)) == 0);
	mem_free(grads), mem_free(unused);
	model_state_close(s);
	model_release(&m);
}

/* Logits' place is taken by log-probabilities of all golden tokens. */
static void forward(struct model *m, float *logp)
{
	const struct json *sequences = json_get(json_get(json_get(goldens, "lora"), "training"), "sequences");
	struct model_state *s;
	struct run r;

	batch_of(&r, sequences, (const int[]){ 0, 1, 2 }, 3);
	OK_OR_FAIL(model_state_open(&s, m, 64, MODEL_SCORE, &err));
	OK_OR_FAIL(model_forward(m, s, &r.b, logp, &err));
	model_state_close(s);
}

/* The base as bitsandbytes stored it: its codes in memory, against the floats they stand for. */
static void a_quantised_base_with_an_adapter_is_the_floats_it_stands_for(void **state)
{
	float held[64], floats[64];
	struct model m;

	(void)state;
	load(&m, DATA "lora", &(struct model_how){ .base = DATA "nf4", .apart = true, .form = MODEL_NF4 });
	forward(&m, held);
	model_release(&m);
	load(&m, DATA "lora", &(struct model_how){ .base = DATA "nf4", .apart = true });
	forward(&m, floats);
	model_release(&m);
	for (int i = 0; i < 48; i++)
		assert_true(fabsf(held[i] - floats[i]) <= 1e-4f * (1 + fabsf(floats[i])));
}

static void forms_are_less_exact_the_smaller_they_are(void **state)
{
	static const double within[] = { 1e-5, 2e-5, 0.2, 1.5 };
	float exact[64], held[64];
	size_t bytes = SIZE_MAX;
	struct model m;

	(void)state;
	load(&m, DATA "lora", NULL);
	forward(&m, exact);
	model_release(&m);
	for (int form = MODEL_F32; form <= MODEL_NF4; form++) {
		double worst = 0;

		load(&m, DATA "lora", &(struct model_how){ .apart = true, .form = (enum model_form)form });
		assert_true(m.store_bytes < bytes);
		bytes = m.store_bytes;
		forward(&m, held);
		for (int i = 0; i < 48; i++)
			worst = fmax(worst, fabs((double)held[i] - (double)exact[i]));
		assert_true(worst <= within[form]);      /* the base's weights are bfloat16 */
		assert_true(form < MODEL_INT8 || worst > 1e-5);
		model_release(&m);
	}
}

static void new_adapters_change_nothing_and_are_drawn_by_the_seed(void **state)
{
	struct adapter_config c;
	float base[64], fresh[64], first[2] = { 0 };
	struct model m;

	(void)state;
	OK_OR_FAIL(parse("{\"peft_type\":\"LORA\",\"target_modules\":\"all-linear\",\"r\":5}", &c));
	load(&m, DATA "base", NULL);
	forward(&m, base);
	model_release(&m);
	for (int seed = 0; seed < 2; seed++) {
		load(&m, DATA "base", &(struct model_how){ .lora = &c, .seed = (uint64_t)seed });
		forward(&m, fresh);
		assert_memory_equal(base, fresh, 48 * sizeof(float));
		for (int i = 0; i < m.n_tensors; i++)
			if (strstr(m.tensors[i].name, "lora_A"))
				first[seed] = m.params[m.tensors[i].offset];
		model_release(&m);
	}
	assert_true(first[0] != 0 && first[0] != first[1]);
	adapter_config_release(&c);
}

/* Rows that come with a larger vocabulary are the mean of the others. */
static void embeddings_grow_by_their_mean(void **state)
{
	struct model m;
	int found = 0;

	(void)state;
	load(&m, DATA "base", &(struct model_how){ .vocab = 64 });
	assert_int_equal(m.cfg.vocab, 64);
	for (int i = 0; i < m.n_tensors; i++) {
		const struct tensor *t = &m.tensors[i];
		double sum = 0;

		if (t->rows != 64 || t->cols != 64 || strstr(t->name, "layers"))
			continue;
		found++;
		for (int row = 0; row < 61; row++)
			sum += (double)m.params[t->offset + row * 64 + 5];
		for (int row = 61; row < 64; row++)
			assert_true(m.params[t->offset + row * 64 + 5] == (float)(sum / 61));
	}
	assert_int_equal(found, 2);
	model_release(&m);
}

static void what_is_saved_is_read_again(void **state)
{
	char dir[] = "/tmp/quern-adapter-XXXXXX", *file, *config;
	struct model m, back;

	(void)state;
	assert_non_null(mkdtemp(dir));
	load(&m, DATA "grown", &(struct model_how){ .apart = true });
	OK_OR_FAIL(model_save(&m, dir, &err));
	load(&back, dir, &(struct model_how){ .base = DATA "base", .apart = true });
	assert_int_equal(back.n_params, m.n_params);
	assert_memory_equal(back.params, m.params, (size_t)m.n_params * sizeof(float));
	check_logps(&back, "grown");
	model_release(&back);
	model_release(&m);
	file = path_join(dir, ADAPTER_WEIGHTS);
	config = path_join(dir, ADAPTER_CONFIG);
	unlink(file), unlink(config), rmdir(dir);
	mem_free(file), mem_free(config);
}

/* PEFT trains embeddings that are the output matrix, too, as a matrix of their own. */
static void tied_embeddings_are_two_where_an_adapter_has_them_as_two(void **state)
{
	static const char *const meta[] = { "format", "pt", NULL };
	static const char config[] = "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"target_modules\":[\"c_attn\"],\"fan_in_fan_out\":true,"
				     "\"modules_to_save\":[\"wte\"],\"base_model_name_or_path\":\"x\"}";
	static float zeros[96 * 32], wte[64 * 32], other[61 * 32];
	const struct safetensors_part a = { "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", 2, { 2, 32 }, zeros, NULL, false },
		b = { "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight", 2, { 96, 2 }, zeros, NULL, false },
		embedding = { "base_model.model.transformer.wte.weight", 2, { 61, 32 }, wte, NULL, false },
		more = { "base_model.model.transformer.wte.weight", 2, { 64, 32 }, wte, NULL, false },
		same = { "base_model.model.lm_head.weight", 2, { 61, 32 }, wte, NULL, false },
		head = { "base_model.model.lm_head.weight", 2, { 61, 32 }, other, NULL, false },
		narrow = { "base_model.model.lm_head.weight", 2, { 61, 16 }, other, NULL, false },
		stranger = { "base_model.model.other.weight", 2, { 61, 16 }, other, NULL, false };
	const struct { struct safetensors_part parts[4]; int n; enum status want; bool untied; const char *says; } cases[] = {
		{ { a, b, embedding, same }, 4, OK, false, NULL }, { { a, b, embedding, head }, 4, OK, true, NULL },
		{ { a, b, embedding }, 3, OK, true, NULL }, { { a, b, head }, 3, OK, true, NULL },
		{ { a, b, more }, 3, ERR_DATA, false, "not of one shape" }, { { a, b, more, head }, 4, ERR_DATA, false, "not of one shape" },
		{ { a, b, narrow }, 3, ERR_DATA, false, "not of one shape" }, { { a, b, stranger }, 3, ERR_UNSUPPORTED, false, "other.weight" },
	};
	char dir[] = "/tmp/quern-adapter-XXXXXX", *file, *text;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = path_join(dir, ADAPTER_WEIGHTS), text = path_join(dir, ADAPTER_CONFIG);
	OK_OR_FAIL(file_write_all(text, config, strlen(config), &err));
	other[5] = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct source s;

		OK_OR_FAIL(safetensors_write(file, cases[i].parts, cases[i].n, meta, kernels_cpu(), &err));
		assert_int_equal(source_open(&s, dir, DATA "gpt2", &err), cases[i].want);
		if (cases[i].want == OK) {
			assert_int_equal(s.untied, cases[i].untied);
			assert_int_equal(source_find(&s, "lm_head.weight") != NULL, cases[i].untied);
			source_close(&s);
		} else {
			assert_non_null(strstr(err.text, cases[i].says));
		}
	}
	unlink(file), unlink(text), rmdir(dir);
	mem_free(file), mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(narrowing_gives_the_nearest_and_of_two_the_even_one),
		cmocka_unit_test(nf4_is_what_bitsandbytes_stores),
		cmocka_unit_test(int8_is_what_bitsandbytes_stores),
		cmocka_unit_test(blocks_of_any_length_come_back_within_a_step),
		cmocka_unit_test(what_is_not_computed_is_refused_by_name),
		cmocka_unit_test(targets_ranks_and_scales_are_peft_s),
		cmocka_unit_test(adapters_of_peft_give_its_logits_merged_and_apart),
		cmocka_unit_test(an_adapter_turned_off_leaves_the_base),
		cmocka_unit_test(gradients_and_ten_steps_are_peft_s),
		cmocka_unit_test(gradients_go_through_dropout),
		cmocka_unit_test(a_quantised_base_with_an_adapter_is_the_floats_it_stands_for),
		cmocka_unit_test(forms_are_less_exact_the_smaller_they_are),
		cmocka_unit_test(new_adapters_change_nothing_and_are_drawn_by_the_seed),
		cmocka_unit_test(embeddings_grow_by_their_mean),
		cmocka_unit_test(what_is_saved_is_read_again),
		cmocka_unit_test(tied_embeddings_are_two_where_an_adapter_has_them_as_two),
	};
	int failed;

	pool = pool_open(2);
	parser = json_parser_open();
	if (json_parse_file(parser, DATA "goldens.json", &goldens, &err) != OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_parser_close(parser);
	pool_close(pool);
	return failed;
}
